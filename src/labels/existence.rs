//! Whether a Bradley–Terry likelihood has a maximum.
//!
//! The log-likelihood is concave, and each of its terms, log P(outcome), never ends up higher than it
//! was when its parameters go to infinity in a straight line. So a maximum exists, and is the only
//! one, unless there is a direction in which no term falls in the end (Albert and Anderson 1984). Let
//! θ move by v, the order effect by s and the threshold (log ν or log κ) by t, so that the difference
//! of a pair (i shown first, j second) moves by u = v_i − v_j + s. No term falls where
//!
//!   i won: u ≥ 2t      j won: u ≤ −2t      they tied: |u| ≤ 2t
//!
//! (for Rao and Kupper's κ with t for 2t). These are bounds on differences of v; t cannot be below 0
//! where there are ties. Bounds v_target − v_source ≤ length can be met just where no cycle of arcs
//! has a negative length (Bellman). So, without a prior, the question is one of three graphs whose
//! arcs lead from who earned points to who gave them:
//!
//! - t = 0, s = 0: some part of the items moves away from the others, unless all are strongly connected
//!   (Zermelo 1929, Ford 1957).
//! - t = 0, s = ±1: an arc has length s where who earned was shown first, else −s. Both a positive and a
//!   negative cycle are needed.
//! - t = ½: a win's arc has −1 more, a tie's two have +1 more. A negative cycle is needed for each s.
//!
//! A prior holds each v at 0. Then only s and t are left, and counts of outcomes decide.

use super::comparisons::Comparisons;
use super::graph::Arcs;
use super::prior::Prior;
use crate::Error;

const ORDER_EFFECT: &str = "the order effect";
const STRENGTHS: &str = "strengths could explain it just as well";
const THRESHOLD: &str = "the probability of a tie";

/// Whether the likelihood has one maximum; `ties` says whether the comparisons have ties whose
/// probability is fitted.
pub(super) fn check(
    comparisons: &Comparisons,
    ties: bool,
    order_effect: bool,
    prior: Prior,
) -> Result<(), Error> {
    let undetermined = |parameter, reason| Err(Error::Undetermined { parameter, reason });
    let pairs = comparisons.pairs();
    let won = pairs.iter().any(|pair| pair.wins > 0.0);
    let lost = pairs.iter().any(|pair| pair.losses > 0.0);
    if ties && !won && !lost {
        return undetermined(THRESHOLD, "all comparisons are ties");
    }
    if prior != Prior::None {
        let tied = pairs.iter().any(|pair| pair.ties > 0.0);
        return match (order_effect, won || tied, lost || tied) {
            (true, false, false) => undetermined(ORDER_EFFECT, "there are no comparisons"),
            (true, true, false) => undetermined(ORDER_EFFECT, "what is shown first always won"),
            (true, false, true) => undetermined(ORDER_EFFECT, "what is shown second always won"),
            (true, ..) if ties && !lost => {
                undetermined(ORDER_EFFECT, "what is shown first never lost")
            }
            (true, ..) if ties && !won => {
                undetermined(ORDER_EFFECT, "what is shown first never won")
            }
            _ => Ok(()),
        };
    }
    comparisons.check_strongly_connected()?;
    if order_effect {
        check_order_effect(comparisons)?;
    }
    if ties && threshold_grows(comparisons, order_effect) {
        let parameter =
            if order_effect { "the order effect or the probability of a tie" } else { THRESHOLD };
        let reason = "strengths that keep pace with it make every outcome as likely or likelier";
        return undetermined(parameter, reason);
    }
    Ok(())
}

/// By how much an arc is longer for a step of t and of s.
#[derive(Debug, Clone, Copy, Default)]
struct Length {
    by_threshold: i64,
    by_order: i64,
}

impl Length {
    fn plus(self, other: Self) -> Self {
        Self {
            by_threshold: self.by_threshold + other.by_threshold,
            by_order: self.by_order + other.by_order,
        }
    }
}

/// Whether an order effect leaves a trace in who was compared with whom, whatever came out.
pub(super) fn check_order_effect_is_seen(
    comparisons: &Comparisons,
    order_effect: bool,
    prior: Prior,
) -> Result<(), Error> {
    if !order_effect {
        return Ok(());
    }
    let undetermined = |reason| Err(Error::Undetermined { parameter: ORDER_EFFECT, reason });
    if prior != Prior::None {
        let none = comparisons.pairs().is_empty();
        return if none { undetermined("there are no comparisons") } else { Ok(()) };
    }
    let arcs = Arcs::new(comparisons.items(), || {
        comparisons.pairs().iter().flat_map(|pair| {
            [(pair.first(), pair.second(), 1_i64), (pair.second(), pair.first(), -1)]
        })
    });
    match arcs.negative_cycle(|length| length, |a, b| a + b) {
        None => undetermined(STRENGTHS),
        Some(_) => Ok(()),
    }
}

fn check_order_effect(comparisons: &Comparisons) -> Result<(), Error> {
    let arcs = Arcs::new(comparisons.items(), || {
        comparisons.pairs().iter().flat_map(|pair| {
            let by_order = |source| if source == pair.first() { 1_i64 } else { -1 };
            pair.earned().map(move |(source, target, ())| (source, target, by_order(source)))
        })
    });
    let add = |a, b| a + b;
    let grows = arcs.negative_cycle(|length| length, add).is_none();
    let falls = arcs.negative_cycle(|length| -length, add).is_none();
    let reason = match (grows, falls) {
        (false, false) => return Ok(()),
        (true, true) => STRENGTHS,
        (true, false) => "where it grows, strengths that keep pace make every outcome likelier",
        (false, true) => "where it falls, strengths that keep pace make every outcome likelier",
    };
    Err(Error::Undetermined { parameter: ORDER_EFFECT, reason })
}

/// Whether the threshold can grow for ever, some order effect and strengths keeping pace.
fn threshold_grows(comparisons: &Comparisons, order_effect: bool) -> bool {
    let by_order = i64::from(order_effect);
    let arcs = Arcs::new(comparisons.items(), || {
        comparisons.pairs().iter().flat_map(move |pair| {
            let forth = (pair.first(), pair.second(), by_order);
            let back = (pair.second(), pair.first(), -by_order);
            let tied = (pair.ties > 0.0).then_some([(forth, 1), (back, 1)]);
            let won = (pair.wins > 0.0).then_some((forth, -1));
            let lost = (pair.losses > 0.0).then_some((back, -1));
            let arcs = tied.into_iter().flatten().chain(won).chain(lost);
            arcs.map(|((source, target, by_order), by_threshold)| {
                (source, target, Length { by_threshold, by_order })
            })
        })
    });
    // A cycle of length a + b·s < 0 excludes all s below −a/b (b > 0), above it (b < 0), or every s.
    // Each is asked at the bound that the cycles so far have left (Dinkelbach's method).
    let (mut above, mut below): (Option<Fraction>, Option<Fraction>) = (None, None);
    let mut order = Fraction { over: 0, under: 1 };
    loop {
        let length =
            |length: Length| order.under * length.by_threshold + order.over * length.by_order;
        let Some(cycle) = arcs.negative_cycle(length, Length::plus) else { return true };
        let bound = Fraction {
            over: -cycle.by_threshold * cycle.by_order.signum(),
            under: cycle.by_order.abs(),
        };
        match cycle.by_order {
            0 => return false,
            1.. => above = Some(bound),
            _ => below = Some(bound),
        }
        if let (Some(above), Some(below)) = (above, below)
            && above.over * below.under > below.over * above.under
        {
            return false;
        }
        order = bound;
    }
}

/// A rational number.
#[derive(Debug, Clone, Copy)]
struct Fraction {
    over: i64,
    under: i64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::labels::{Comparison, Outcome};
    use crate::numeric::SplitMix64;

    /// Whether strengths of four items can move so that no outcome gets less likely, where the order
    /// effect moves by s/12 and the threshold by t/12: by the bounds as they stand above, and all
    /// shortest paths (Floyd and Warshall).
    fn can_move(comparisons: &Comparisons, s: i64, t: i64) -> bool {
        const FAR: i64 = 1 << 40;
        let items = comparisons.items();
        let mut bound = vec![vec![FAR; items]; items]; // of v_target − v_source
        for pair in comparisons.pairs() {
            let (i, j) = (pair.first(), pair.second());
            let mut at_least = |u: i64| bound[i][j] = bound[i][j].min(s - u);
            // u = v_i − v_j + s ≥ 2t, and so on.
            if pair.wins > 0.0 {
                at_least(2 * t);
            }
            if pair.ties > 0.0 {
                at_least(-2 * t);
            }
            let mut at_most = |u: i64| bound[j][i] = bound[j][i].min(u - s);
            if pair.losses > 0.0 {
                at_most(-2 * t);
            }
            if pair.ties > 0.0 {
                at_most(2 * t);
            }
        }
        for via in 0..items {
            for i in 0..items {
                for j in 0..items {
                    bound[i][j] = bound[i][j].min(bound[i][via] + bound[via][j]);
                }
            }
        }
        (0..items).all(|item| bound[item][item] >= 0)
    }

    #[test]
    fn a_maximum_exists_where_nothing_can_move() {
        let mut random = SplitMix64::new(8);
        let mut seen = [0; 2];
        for _ in 0..4000 {
            let items = 2 + random.below(3);
            let records: Vec<Comparison> = (0..3 + random.below(9))
                .map(|_| {
                    let first = random.below(items);
                    let second = (first + 1 + random.below(items - 1)) % items;
                    let outcomes = [Outcome::First, Outcome::Second, Outcome::Tie, Outcome::First];
                    Comparison::new(first, second, outcomes[random.below(4)])
                })
                .collect();
            let votes = Comparisons::from_records(items, records.iter().copied()).unwrap();
            if votes.check_strongly_connected().is_err() {
                continue;
            }
            let tied = records.iter().any(|record| record.outcome == Outcome::Tie);
            for order_effect in [false, true] {
                let orders = if order_effect { -120..=120 } else { 0..=0 };
                let order_moves =
                    order_effect && [-12, 12].into_iter().any(|s| can_move(&votes, s, 0));
                let tie_moves = tied && orders.clone().any(|s| can_move(&votes, s, 12));
                for ties in [false, tied] {
                    let found = check(&votes, ties, order_effect, Prior::None);
                    let expected = !(order_moves || ties && tie_moves);
                    assert_eq!(
                        found.is_ok(),
                        expected,
                        "{ties} {order_effect} {found:?} {records:?}"
                    );
                    seen[usize::from(expected)] += 1;
                }
            }
        }
        assert!(seen.iter().all(|&count| count > 500), "{seen:?}");
    }

    /// With a prior strengths stay, and only the order effect and the threshold can move.
    #[test]
    fn with_a_prior_counts_of_outcomes_decide() {
        let outcomes = [Outcome::First, Outcome::Second, Outcome::Tie];
        for chosen in 0..8 {
            let chosen = |outcome: &usize| chosen >> outcome & 1 == 1;
            let records = (0..3).filter(chosen).map(|o| Comparison::new(0, 1, outcomes[o]));
            let votes = Comparisons::from_records(2, records).unwrap();
            let [won, lost, tied] = [0, 1, 2].map(|outcome| chosen(&outcome));
            for (ties, order_effect) in [(false, false), (tied, false), (false, true), (tied, true)]
            {
                // Each of the outcomes that do not fall as δ moves by s and the threshold by t > 0.
                let moves = |s: i64, t: i64| {
                    (s, t) != (0, 0)
                        && (!won || s >= 2 * t)
                        && (!lost || s <= -2 * t)
                        && (!tied || s.abs() <= 2 * t)
                };
                let orders = if order_effect { -2..=2 } else { 0..=0 };
                let thresholds = if ties { 0..=1 } else { 0..=0 };
                let free = orders.clone().any(|s| thresholds.clone().any(|t| moves(s, t)));
                let found = check(&votes, ties, order_effect, Prior::Gaussian(1.0));
                assert_eq!(
                    found.is_err(),
                    free,
                    "{won} {lost} {tied} {ties} {order_effect} {found:?}"
                );
            }
        }
    }
}
