//! Bias for what is shown first: measured, and averaged out.

use ndarray::{Array, ArrayRef, Axis, Dimension, RemoveAxis};

use super::comparisons::{Comparisons, Pair};
use super::responses::{Responses, check_win_probabilities, rows};
use crate::check::{check_room, in_order, same_shape};
use crate::numeric::Sum;
use crate::{Error, Real};

/// Win probabilities freed of a bias for the response shown first, and how large the bias was.
#[derive(Debug, Clone, PartialEq)]
pub struct Symmetrised<F, D: Dimension, B: Dimension> {
    /// (Ψ_kj + 1 − Ψ_jk) / 2, `[.., K, K]`.
    pub wins: Array<F, D>,
    /// The mean over pairs k ≠ j of the asymmetry Ψ_kj + Ψ_jk − 1, `[..]`: above 0 where the response
    /// shown first is favoured, below 0 where the second is.
    pub mean_asymmetry: Array<F, B>,
    /// The greatest |Ψ_kj + Ψ_jk − 1|, `[..]`.
    pub greatest_asymmetry: Array<F, B>,
}

/// Symmetrises win probabilities Ψ `[.., K, K]` that a position-biased judge gave.
///
/// Ψ_kj is the judge's probability of k being better than j where k is shown first, so that Ψ_kj
/// and Ψ_jk are two judgements of one pair, which an unbiased judge would make add up to 1. Their
/// average (Ψ_kj + 1 − Ψ_jk) / 2 does. The diagonal becomes ½.
///
/// ```
/// use lipo::labels;
/// use ndarray::array;
///
/// let judged = labels::symmetrised(&array![[0.5, 0.75], [0.5, 0.5]])?;
/// assert_eq!(judged.wins, array![[0.5, 0.625], [0.375, 0.5]]);
/// assert_eq!(judged.mean_asymmetry[()], 0.25);
/// # Ok::<(), lipo::Error>(())
/// ```
///
/// # Errors
///
/// Those of [`from_win_probabilities`](super::from_win_probabilities), and [`Error::Parameter`] where
/// there is no memory for a number a list.
pub fn symmetrised<F: Real, D: RemoveAxis<Smaller: RemoveAxis>>(
    wins: &ArrayRef<F, D>,
) -> Result<Symmetrised<F, D, <D::Smaller as Dimension>::Smaller>, Error> {
    let rows = rows(wins)?;
    let lists = rows.remove_axis(Axis(rows.ndim() - 1));
    // Lists without responses take no memory in Ψ, but one number each in the asymmetries.
    check_room::<F>("lists", lists.size())?;
    let mut symmetrised = Symmetrised {
        wins: Array::zeros(wins.raw_dim()),
        mean_asymmetry: Array::zeros(lists.clone()),
        greatest_asymmetry: Array::zeros(lists),
    };
    symmetrised_into(wins, None, &mut symmetrised)?;
    Ok(symmetrised)
}

/// [`symmetrised`], with or without a mask, written to the caller's arrays.
///
/// # Errors
///
/// Those of `symmetrised`, and [`Error::Shape`] where an array has the wrong shape; all are then as
/// they were.
pub fn symmetrised_into<F: Real, D: RemoveAxis<Smaller: RemoveAxis>>(
    wins: &ArrayRef<F, D>,
    mask: Option<&ArrayRef<bool, D::Smaller>>,
    symmetrised: &mut Symmetrised<F, D, <D::Smaller as Dimension>::Smaller>,
) -> Result<(), Error> {
    let rows = rows(wins)?;
    let lists = rows.remove_axis(Axis(rows.ndim() - 1));
    let Symmetrised { wins: out, mean_asymmetry, greatest_asymmetry } = symmetrised;
    same_shape("symmetrised win probabilities", out.shape(), wins.shape())?;
    same_shape("mean asymmetry", mean_asymmetry.shape(), lists.slice())?;
    same_shape("greatest asymmetry", greatest_asymmetry.shape(), lists.slice())?;
    let responses = Responses::new(mask, rows.slice())?;
    check_win_probabilities(wins, &responses)?;

    let wins = in_order(wins);
    let wins = |k, j| wins[responses.pair(k, j)].widen();
    for (pair, out) in out.iter_mut().enumerate() {
        let (k, j) = responses.of_pair(pair);
        let exist = responses.exist(k) && responses.exist(j);
        *out =
            if exist { F::narrow(f64::midpoint(wins(k, j), 1.0 - wins(j, k))) } else { F::zero() };
    }
    let asymmetries = mean_asymmetry.iter_mut().zip(greatest_asymmetry.iter_mut());
    for (list, (mean, greatest)) in asymmetries.enumerate() {
        let (mut sum, mut pairs, mut most) = (Sum::default(), 0.0_f64, 0.0_f64);
        for k in responses.of_list(list) {
            for j in responses.of_list(list).filter(|&j| j < k) {
                let asymmetry = wins(k, j) - (1.0 - wins(j, k));
                sum.add(asymmetry);
                pairs += 1.0;
                most = most.max(asymmetry.abs());
            }
        }
        *mean = F::narrow(sum.total() / pairs.max(1.0));
        *greatest = F::narrow(most);
    }
    Ok(())
}

/// How much being shown first helped.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct PositionBias {
    /// Over all comparisons, what the items shown first won less what they lost, divided by the
    /// number: in \[−1, 1\]. Where strong items were shown first more often, that is part of it.
    pub first_advantage: f64,
    /// The mean asymmetry Ψ_kj + Ψ_jk − 1 over the pairs judged in both orders, Ψ_kj being k's share
    /// of the points where it was shown first: whatever the strengths are, an unbiased judge has 0.
    pub mean_asymmetry: f64,
    /// The greatest |Ψ_kj + Ψ_jk − 1| of those pairs.
    pub greatest_asymmetry: f64,
    /// How many pairs were judged in both orders.
    pub both_orders: usize,
    /// How many pairs were judged in one order only.
    pub one_order: usize,
}

/// Measures the bias of comparisons for what is shown first.
///
/// ```
/// use lipo::labels::{Comparison, Comparisons, Outcome, position_bias};
///
/// let votes = [(0, 1, Outcome::First), (1, 0, Outcome::First), (1, 0, Outcome::Tie)];
/// let votes = votes.map(|(i, j, outcome)| Comparison::new(i, j, outcome));
/// let bias = position_bias(&Comparisons::from_records(2, votes)?);
/// assert_eq!(bias.mean_asymmetry, 0.75); // 1 + ¾ − 1
/// assert_eq!((bias.both_orders, bias.one_order), (1, 0));
/// # Ok::<(), lipo::Error>(())
/// ```
#[must_use]
pub fn position_bias(comparisons: &Comparisons) -> PositionBias {
    let mut bias = PositionBias {
        first_advantage: 0.0,
        mean_asymmetry: 0.0,
        greatest_asymmetry: 0.0,
        both_orders: 0,
        one_order: 0,
    };
    let total = comparisons.total();
    let mut advantage = Sum::default();
    for pair in comparisons.pairs() {
        advantage.add(pair.wins / total - pair.losses / total);
    }
    bias.first_advantage = advantage.total();
    let mut asymmetries = Sum::default();
    for (pair, turned) in with_turned(comparisons) {
        match turned {
            Some(turned) if pair.first() < pair.second() => {
                let asymmetry = pair.shares()[0] - turned.shares()[1];
                asymmetries.add(asymmetry);
                bias.greatest_asymmetry = bias.greatest_asymmetry.max(asymmetry.abs());
                bias.both_orders += 1;
            }
            Some(_) => {}
            None => bias.one_order += 1,
        }
    }
    bias.mean_asymmetry = asymmetries.total() / bias.both_orders.max(1) as f64;
    bias
}

/// Comparisons freed of a bias for what is shown first, and how large it was.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct OrderAveraged {
    /// The averaged comparisons.
    pub comparisons: Comparisons,
    /// The bias that there was.
    pub before: PositionBias,
    /// The bias that is left: what comes from pairs judged in one order only.
    pub after: PositionBias,
}

/// Averages the two orders of each pair that was judged in both: either order counts half, however
/// often it was asked, and the pair's weight stays. This is what [`symmetrised`] does to Ψ.
///
/// A pair judged in one order only stays as it is. Its bias cannot be averaged out; with enough of
/// them it can be fitted ([`BradleyTerry::order_effect`](super::BradleyTerry::order_effect())).
///
/// ```
/// use lipo::labels::{Comparison, Comparisons, Outcome, averaged_over_orders};
///
/// // Shown first, item 0 won both times; shown second, it lost.
/// let votes = [(0, 1, Outcome::First), (0, 1, Outcome::First), (1, 0, Outcome::First)];
/// let votes = votes.map(|(i, j, outcome)| Comparison::new(i, j, outcome));
/// let averaged = averaged_over_orders(&Comparisons::from_records(2, votes)?)?;
/// let pair = averaged.comparisons.pairs()[0];
/// assert_eq!((pair.wins, pair.losses), (0.75, 0.75)); // half of 3, as in the other order
/// assert_eq!((averaged.before.mean_asymmetry, averaged.after.mean_asymmetry), (1.0, 0.0));
/// # Ok::<(), lipo::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::NotFinite`] where the weights add up to more than an `f64` holds.
pub fn averaged_over_orders(comparisons: &Comparisons) -> Result<OrderAveraged, Error> {
    let average = |(pair, turned): (Pair, Option<Pair>)| {
        let Some(turned) = turned.map(|turned| turned.turned()) else {
            return pair;
        };
        let half = 0.5 * (pair.total() + turned.total());
        let mean = |count: fn(&Pair) -> f64| {
            half * f64::midpoint(count(&pair) / pair.total(), count(&turned) / turned.total())
        };
        let (wins, losses) = (mean(|pair| pair.wins), mean(|pair| pair.losses));
        pair.counted(wins, losses, mean(|pair| pair.ties))
    };
    let pairs = with_turned(comparisons).map(average).collect();
    let averaged = Comparisons::from_pairs(comparisons.items(), pairs)?;
    let (before, after) = (position_bias(comparisons), position_bias(&averaged));
    Ok(OrderAveraged { comparisons: averaged, before, after })
}

/// Each order of a pair, with the comparisons in the other order, if there were any.
fn with_turned(comparisons: &Comparisons) -> impl Iterator<Item = (Pair, Option<Pair>)> {
    let pairs = comparisons.pairs();
    pairs.iter().map(|&pair| {
        let turned = (pair.second(), pair.first());
        let found = pairs.binary_search_by_key(&turned, |pair| (pair.first(), pair.second()));
        (pair, found.ok().map(|place| pairs[place]))
    })
}
