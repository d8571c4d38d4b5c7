//! Which pairs to ask for, when all K² are too many.

use ndarray::Array1;

use super::comparisons::Comparisons;
use super::fit::Fit;
use super::information::Information;
use crate::Error;
use crate::check::{check_room, finite, same_shape};
use crate::numeric::SplitMix64;
use crate::ranking::argsort_descending;

/// `budget` pairs in random order, which of the two comes first being random too. No pair comes twice
/// before every pair has come once.
///
/// Few random pairs may leave items out; [`cyclic_pairs`] do not. There are none of fewer than 2
/// items.
///
/// ```
/// use lipo::labels::random_pairs;
///
/// let pairs = random_pairs(8, 12, 1)?;
/// assert_eq!(pairs.len(), 12);
/// assert_eq!(pairs, random_pairs(8, 12, 1)?); // the same seed, the same pairs
/// # Ok::<(), lipo::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::Parameter`] where there is no memory for the budget.
pub fn random_pairs(items: usize, budget: usize, seed: u64) -> Result<Vec<(usize, usize)>, Error> {
    let mut random = SplitMix64::new(seed);
    let mut chosen = Vec::new();
    if items < 2 {
        return Ok(chosen);
    }
    check_budget(budget)?;
    let all = items.saturating_mul(items - 1) / 2;
    while chosen.len() < budget {
        let count = all.min(budget - chosen.len());
        for number in sample(all, count, &mut random) {
            let (low, high) = unnumbered(number);
            chosen.push(if random.below(2) == 0 { (low, high) } else { (high, low) });
        }
    }
    Ok(chosen)
}

/// Memory for a budget, and for choosing from it.
fn check_budget(budget: usize) -> Result<(), Error> {
    check_room::<[usize; 8]>("budget", budget)
}

/// `count` of the numbers below `all`, in random order, in memory of the order of `count` (Floyd).
fn sample(all: usize, count: usize, random: &mut SplitMix64) -> Vec<usize> {
    let mut seen = std::collections::HashSet::new();
    let mut chosen = Vec::with_capacity(count);
    for end in all - count..all {
        let number = random.below(end + 1);
        let number = if seen.contains(&number) { end } else { number };
        seen.insert(number);
        chosen.push(number);
    }
    random.shuffle(&mut chosen);
    chosen
}

/// The pair low < high whose number is high·(high − 1)/2 + low.
fn unnumbered(number: usize) -> (usize, usize) {
    let least = |high: usize| high as u128 * (high as u128).saturating_sub(1) / 2;
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // above 0, below the number
    let mut high = (0.5 + (0.25 + 2.0 * number as f64).sqrt()) as usize;
    // The root is rounded.
    while least(high) > number as u128 {
        high -= 1;
    }
    while least(high + 1) <= number as u128 {
        high += 1;
    }
    (number - usize::try_from(least(high)).unwrap_or(number), high)
}

/// `budget` pairs by a cyclic design: in each round every item meets the one a stride further on, and
/// is shown first once and second once.
///
/// The first stride is 1, so that K pairs link all items; the next ones lie apart (by the golden
/// ratio), so that every two items are linked through few others. After all strides they come again.
///
/// ```
/// use lipo::labels::cyclic_pairs;
///
/// assert_eq!(cyclic_pairs(4, 6)?, [(0, 1), (1, 2), (2, 3), (3, 0), (0, 2), (1, 3)]);
/// # Ok::<(), lipo::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::Parameter`] where there is no memory for the budget.
pub fn cyclic_pairs(items: usize, budget: usize) -> Result<Vec<(usize, usize)>, Error> {
    if items < 2 {
        return Ok(Vec::new());
    }
    check_budget(budget)?;
    let round = |stride: usize| {
        // At half way round, the second half of the items would repeat the first's pairs.
        let starts = if items - stride == stride { stride } else { items };
        let on = move |item| {
            let left = items - stride;
            if item < left { item + stride } else { item - left }
        };
        (0..starts).map(move |item| (item, on(item)))
    };
    Ok(strides(items / 2).flat_map(round).take(budget).collect())
}

/// 1 to `greatest`, over and over, in steps that are the golden ratio of it, or near that.
fn strides(greatest: usize) -> impl Iterator<Item = usize> {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // between 0 and greatest
    let golden = (greatest as f64 * 0.5 * (5.0_f64.sqrt() - 1.0)) as usize;
    let coprime = |step: &usize| gcd(*step, greatest) == 1;
    let step = (golden.max(1)..greatest).find(coprime).unwrap_or(1) % greatest;
    let next = move |&at: &usize| {
        let left = greatest - step;
        Some(if at < left { at + step } else { at - left })
    };
    std::iter::successors(Some(0), next).map(|at| at + 1)
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// `budget` pairs by a sorted design: neighbours in the order of current strengths, best first, then
/// those two apart, and so on.
///
/// Close items tell most, where wins are probable rather than certain. Sort again when the strengths
/// are better known.
///
/// ```
/// use lipo::labels::sorted_pairs;
///
/// assert_eq!(sorted_pairs(&[0.1, 0.9, 0.5], 3)?, [(1, 2), (2, 0), (1, 0)]);
/// # Ok::<(), lipo::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::NotFinite`] for a strength that is not finite, [`Error::Parameter`] where there is no memory
/// for the budget.
pub fn sorted_pairs(strengths: &[f64], budget: usize) -> Result<Vec<(usize, usize)>, Error> {
    for (item, &strength) in strengths.iter().enumerate() {
        finite("strengths", strength, || vec![item])?;
    }
    let items = strengths.len();
    if items < 2 {
        return Ok(Vec::new());
    }
    check_budget(budget)?;
    let mut order = Vec::new();
    argsort_descending(strengths, &mut order);
    let apart = |distance: usize| {
        let order = &order;
        (distance..items).map(move |place| (order[place - distance], order[place]))
    };
    Ok((1..items).cycle().flat_map(apart).take(budget).collect())
}

/// The `budget` pairs that tell most of the strengths under a current Bradley–Terry fit, the most
/// informative first.
///
/// Each is the pair that raises the logarithm of the information's determinant most, by
/// log(1 + p (1 − p) · Var(θ_k − θ_j)), p being the probability of a win (a D-optimal design); those
/// before it count as asked. Of the two, the one that was shown first less often is shown first.
/// Time K² a pair and memory K², after K sparse systems.
///
/// ```
/// use lipo::labels::{
///     BradleyTerry, Comparison, Comparisons, Estimator, Outcome, Prior, informative_pairs,
/// };
///
/// let asked = [(0, 1), (0, 1), (1, 2)].map(|(i, j)| Comparison::new(i, j, Outcome::Tie));
/// let asked = Comparisons::from_records(3, asked)?;
/// let model = BradleyTerry::default().prior(Prior::Gaussian(1.0));
/// let fit = model.fit(&asked)?;
/// let information = model.information(&asked, &fit)?;
/// assert_eq!(informative_pairs(&asked, &fit, &information, 1)?, [(2, 0)]); // never compared
/// # Ok::<(), lipo::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::Shape`] where the arguments are of different numbers of items, [`Error::Parameter`] where
/// there is no memory for K² numbers or for the budget, [`Error::NotConverged`] as in
/// [`Information::covariances`].
pub fn informative_pairs(
    asked: &Comparisons,
    fit: &Fit,
    information: &Information<'_>,
    budget: usize,
) -> Result<Vec<(usize, usize)>, Error> {
    let items = fit.strengths.len();
    same_shape("comparisons", &[asked.items()], &[items])?;
    same_shape("information", &[information.items()], &[items])?;
    if items < 2 {
        return Ok(Vec::new());
    }
    // How much more often each item was shown first than second.
    let mut lead = vec![0.0; items];
    for pair in asked.pairs() {
        lead[pair.first()] += pair.total();
        lead[pair.second()] -= pair.total();
    }
    check_budget(budget)?;
    let mut covariances = information.covariances()?;
    let mut chosen = Vec::new();
    for _ in 0..budget {
        let (mut best, mut most) = ((0, 1), f64::NEG_INFINITY);
        for k in 0..items {
            for j in k + 1..items {
                let variance =
                    covariances[[k, k]] + covariances[[j, j]] - 2.0 * covariances[[k, j]];
                let gain = expected_information(fit, k, j) * variance;
                if gain > most {
                    (best, most) = ((k, j), gain);
                }
            }
        }
        let (k, j) = best;
        // One more comparison adds h (e_k − e_j)(e_k − e_j)ᵀ to the information (Sherman–Morrison).
        let column: Array1<f64> = &covariances.column(k) - &covariances.column(j);
        let h = expected_information(fit, k, j);
        let part = h / (1.0 + h * (column[k] - column[j]));
        for (a, mut row) in covariances.outer_iter_mut().enumerate() {
            row.scaled_add(-part * column[a], &column);
        }
        let (first, second) = if lead[k] <= lead[j] { (k, j) } else { (j, k) };
        lead[first] += 1.0;
        lead[second] -= 1.0;
        chosen.push((first, second));
    }
    Ok(chosen)
}

/// p (1 − p) for what k can expect against j.
fn expected_information(fit: &Fit, k: usize, j: usize) -> f64 {
    let p = fit.ties.probabilities(fit.strengths[k] - fit.strengths[j]).points();
    p * (1.0 - p)
}
