//! From pairwise preferences to labels: win probabilities Ψ `[.., K, K]` to ψ `[.., K]`.
//!
//! Ψ_kj is the probability that response k is preferred to response j, as a pairwise reward model
//! or a judge gives it; ψ_k = (1/K) Σ_j Ψ_kj, the probability that response k beats one of the
//! list drawn at random, is its label in LiPO. Ψ may also come
//!
//! - from ranks, where only an order is known: [`win_probabilities_from_ranks`], [`from_ranks`];
//! - from pointwise rewards, by Bradley–Terry: [`win_probabilities_from_rewards`];
//! - from a judge with a bias for what it is shown first: [`symmetrised`].
//!
//! Every function has an `_into` form, which takes an optional mask `[.., K]` of the responses that
//! exist and the caller's array, and allocates nothing as long as the arrays are in standard
//! layout. What belongs to a masked response may hold anything, takes no part in any ψ (K counts
//! the others), and becomes 0.

use ndarray::{Array, ArrayRef, Axis, Dimension, RemoveAxis};

use crate::check::{Mask, finite, in_order, same_shape, unravel, within};
use crate::numeric::{DoubleDouble, Logistic, Sum};
use crate::{Error, Real};

/// The labels ψ `[.., K]` of win probabilities Ψ `[.., K, K]`: ψ_k = (1/K) Σ_j Ψ_kj.
///
/// Ψ_kj, in \[0, 1\], is the probability that k is preferred to j. The diagonal is part of the mean;
/// it is ½ where nothing else is known.
///
/// ```
/// use lipo::labels;
/// use ndarray::array;
///
/// let wins = array![[0.5, 0.75, 1.0], [0.25, 0.5, 0.75], [0.0, 0.25, 0.5]];
/// assert_eq!(labels::from_win_probabilities(&wins)?, array![0.75, 0.5, 0.25]);
/// # Ok::<(), lipo::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::Axes`] and [`Error::Shape`] where Ψ is not square in its last two axes,
/// [`Error::NotFinite`] and [`Error::OutOfRange`] for what is no probability.
pub fn from_win_probabilities<F: Real, D: RemoveAxis>(
    wins: &ArrayRef<F, D>,
) -> Result<Array<F, D::Smaller>, Error> {
    let mut labels = Array::zeros(rows(wins)?);
    from_win_probabilities_into(wins, None, &mut labels)?;
    Ok(labels)
}

/// [`from_win_probabilities`] among the responses where `mask`, `[.., K]`, is true.
///
/// ```
/// use lipo::labels;
/// use ndarray::array;
///
/// let wins = array![[0.5, f64::NAN, 1.0], [0.3, 0.5, 2.0], [0.0, -1.0, 0.5]];
/// let labels = labels::from_win_probabilities_masked(&wins, &array![true, false, true])?;
/// assert_eq!(labels, array![0.75, 0.0, 0.25]);
/// # Ok::<(), lipo::Error>(())
/// ```
///
/// # Errors
///
/// Those of `from_win_probabilities`.
pub fn from_win_probabilities_masked<F: Real, D: RemoveAxis>(
    wins: &ArrayRef<F, D>,
    mask: &ArrayRef<bool, D::Smaller>,
) -> Result<Array<F, D::Smaller>, Error> {
    let mut labels = Array::zeros(rows(wins)?);
    from_win_probabilities_into(wins, Some(mask), &mut labels)?;
    Ok(labels)
}

/// [`from_win_probabilities`], with or without a mask, written to the caller's array.
///
/// # Errors
///
/// Those of `from_win_probabilities`; `labels` is then as it was.
pub fn from_win_probabilities_into<F: Real, D: RemoveAxis>(
    wins: &ArrayRef<F, D>,
    mask: Option<&ArrayRef<bool, D::Smaller>>,
    labels: &mut ArrayRef<F, D::Smaller>,
) -> Result<(), Error> {
    let expected = rows(wins)?;
    same_shape("labels", labels.shape(), expected.slice())?;
    let responses = Responses::new(mask, expected.slice())?;
    check_win_probabilities(wins, &responses)?;
    let wins = in_order(wins);
    for (k, label) in labels.iter_mut().enumerate() {
        let mut sum = Sum::default();
        let opponents = responses.opponents(k);
        opponents.for_each(|j| sum.add(wins[responses.pair(k, j)].widen()));
        *label = responses.mean(k, sum);
    }
    Ok(())
}

/// The labels ψ `[.., K]` of ranks `[.., K]`: those of [`win_probabilities_from_ranks`].
///
/// ```
/// use lipo::labels;
/// use ndarray::array;
///
/// assert_eq!(labels::from_ranks(&array![2.0, 1.0, 2.0, 4.0])?, array![0.5, 0.875, 0.5, 0.125]);
/// # Ok::<(), lipo::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::Axes`] where ranks have no axis, [`Error::NotFinite`] for a rank that is not finite.
pub fn from_ranks<F: Real, D: RemoveAxis>(ranks: &ArrayRef<F, D>) -> Result<Array<F, D>, Error> {
    let mut labels = Array::zeros(ranks.raw_dim());
    from_ranks_into(ranks, None, &mut labels)?;
    Ok(labels)
}

/// [`from_ranks`], with or without a mask, written to the caller's array.
///
/// # Errors
///
/// Those of `from_ranks`; `labels` is then as it was.
pub fn from_ranks_into<F: Real, D: RemoveAxis>(
    ranks: &ArrayRef<F, D>,
    mask: Option<&ArrayRef<bool, D>>,
    labels: &mut ArrayRef<F, D>,
) -> Result<(), Error> {
    if ranks.ndim() == 0 {
        return Err(Error::Axes { what: "ranks", least: 1, found: 0 });
    }
    same_shape("labels", labels.shape(), ranks.shape())?;
    let responses = Responses::new(mask, ranks.shape())?;
    check_finite("ranks", ranks, &responses)?;
    let ranks = in_order(ranks);
    for (k, label) in labels.iter_mut().enumerate() {
        let mut sum = Sum::default();
        responses.opponents(k).for_each(|j| sum.add(win_by_rank(ranks[k], ranks[j])));
        *label = responses.mean(k, sum);
    }
    Ok(())
}

/// Win probabilities Ψ `[.., K, K]` from ranks `[.., K]`: Ψ_kj = 1 where k ranks above j, 0 where it
/// ranks below, ½ where they tie, as on the diagonal.
///
/// Rank 1 is best; only the order of the ranks counts. The indicator that the paper writes would
/// give 0 to both of two tied responses; ½ keeps Ψ + Ψᵀ = 1.
///
/// ```
/// use lipo::labels;
/// use ndarray::array;
///
/// let wins = labels::win_probabilities_from_ranks(&array![2.0, 1.0, 2.0])?;
/// assert_eq!(wins, array![[0.5, 0.0, 0.5], [1.0, 0.5, 1.0], [0.5, 0.0, 0.5]]);
/// # Ok::<(), lipo::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::Axes`] where ranks have no axis, [`Error::NotFinite`] for a rank that is not finite.
pub fn win_probabilities_from_ranks<F: Real, D: RemoveAxis>(
    ranks: &ArrayRef<F, D>,
) -> Result<Array<F, D::Larger>, Error> {
    let mut wins = squares(ranks);
    win_probabilities_from_ranks_into(ranks, None, &mut wins)?;
    Ok(wins)
}

/// [`win_probabilities_from_ranks`], with or without a mask, written to the caller's array.
///
/// # Errors
///
/// Those of `win_probabilities_from_ranks`; `wins` is then as it was.
pub fn win_probabilities_from_ranks_into<F: Real, D: RemoveAxis>(
    ranks: &ArrayRef<F, D>,
    mask: Option<&ArrayRef<bool, D>>,
    wins: &mut ArrayRef<F, D::Larger>,
) -> Result<(), Error> {
    win_probabilities_into("ranks", ranks, mask, wins, win_by_rank)
}

/// Win probabilities Ψ `[.., K, K]` from pointwise rewards r `[.., K]` by Bradley–Terry:
/// Ψ_kj = σ(r_k − r_j).
///
/// ```
/// use lipo::labels;
/// use ndarray::array;
///
/// let wins = labels::win_probabilities_from_rewards(&array![2.0_f64, 1.0])?;
/// assert!((wins[[0, 1]] - 0.731059).abs() < 1e-6); // σ(1)
/// assert!((wins[[1, 0]] - 0.268941).abs() < 1e-6);
/// assert_eq!(wins[[0, 0]], 0.5);
/// # Ok::<(), lipo::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::Axes`] where rewards have no axis, [`Error::NotFinite`] for a reward that is not finite.
pub fn win_probabilities_from_rewards<F: Real, D: RemoveAxis>(
    rewards: &ArrayRef<F, D>,
) -> Result<Array<F, D::Larger>, Error> {
    let mut wins = squares(rewards);
    win_probabilities_from_rewards_into(rewards, None, &mut wins)?;
    Ok(wins)
}

/// [`win_probabilities_from_rewards`], with or without a mask, written to the caller's array.
///
/// # Errors
///
/// Those of `win_probabilities_from_rewards`; `wins` is then as it was.
pub fn win_probabilities_from_rewards_into<F: Real, D: RemoveAxis>(
    rewards: &ArrayRef<F, D>,
    mask: Option<&ArrayRef<bool, D>>,
    wins: &mut ArrayRef<F, D::Larger>,
) -> Result<(), Error> {
    win_probabilities_into("rewards", rewards, mask, wins, |of_k, of_j| {
        let margin = DoubleDouble::difference(of_k.widen(), of_j.widen());
        let at = Logistic::at(margin.hi);
        at.rise + margin.lo * at.rise * at.fall
    })
}

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
/// Those of [`from_win_probabilities`].
pub fn symmetrised<F: Real, D: RemoveAxis<Smaller: RemoveAxis>>(
    wins: &ArrayRef<F, D>,
) -> Result<Symmetrised<F, D, <D::Smaller as Dimension>::Smaller>, Error> {
    let rows = rows(wins)?;
    let lists = rows.remove_axis(Axis(rows.ndim() - 1));
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

/// 1 where the first rank is better, ½ where they tie, 0 where the second is.
fn win_by_rank<F: Real>(rank: F, other: F) -> f64 {
    match rank.partial_cmp(&other) {
        Some(std::cmp::Ordering::Less) => 1.0,
        Some(std::cmp::Ordering::Greater) => 0.0,
        _ => 0.5,
    }
}

/// Ψ_kj as a function of what is known of k and of j.
fn win_probabilities_into<F: Real, D: RemoveAxis>(
    what: &'static str,
    known: &ArrayRef<F, D>,
    mask: Option<&ArrayRef<bool, D>>,
    wins: &mut ArrayRef<F, D::Larger>,
    win: impl Fn(F, F) -> f64,
) -> Result<(), Error> {
    let Some(&size) = known.shape().last() else {
        return Err(Error::Axes { what, least: 1, found: 0 });
    };
    let (found, expected) = (wins.shape(), known.shape());
    if found.split_last() != Some((&size, expected)) {
        let expected = expected.iter().copied().chain([size]).collect();
        return Err(Error::Shape { what: "win probabilities", expected, found: found.to_vec() });
    }
    let responses = Responses::new(mask, known.shape())?;
    check_finite(what, known, &responses)?;
    let known = in_order(known);
    for (pair, out) in wins.iter_mut().enumerate() {
        let (k, j) = responses.of_pair(pair);
        let exist = responses.exist(k) && responses.exist(j);
        *out = if exist { F::narrow(win(known[k], known[j])) } else { F::zero() };
    }
    Ok(())
}

/// The responses of lists of K, counted through the whole array, and which of them exist.
struct Responses<'a> {
    size: usize,
    mask: Mask<'a>,
}

impl<'a> Responses<'a> {
    fn new<D: Dimension>(
        mask: Option<&'a ArrayRef<bool, D>>,
        shape: &[usize],
    ) -> Result<Self, Error> {
        Ok(Self { size: shape.last().copied().unwrap_or(0), mask: Mask::new(mask, shape)? })
    }

    fn exist(&self, k: usize) -> bool {
        self.mask.exists(k)
    }

    /// The existing responses of a list.
    fn of_list(&self, list: usize) -> impl Iterator<Item = usize> + '_ {
        (list * self.size..(list + 1) * self.size).filter(|&j| self.exist(j))
    }

    /// The existing responses that k is compared with, itself among them; none where k does not
    /// exist.
    fn opponents(&self, k: usize) -> impl Iterator<Item = usize> + '_ {
        self.of_list(k / self.size).filter(move |_| self.exist(k))
    }

    /// The place of Ψ_kj in the flat array of win probabilities.
    fn pair(&self, k: usize, j: usize) -> usize {
        k * self.size + j % self.size
    }

    /// The inverse of [`pair`](Self::pair).
    fn of_pair(&self, pair: usize) -> (usize, usize) {
        let k = pair / self.size;
        (k, k / self.size * self.size + pair % self.size)
    }

    /// The mean of a sum over the opponents of k.
    fn mean<F: Real>(&self, k: usize, sum: Sum) -> F {
        let count = self.opponents(k).count().max(1) as f64;
        F::narrow((sum.exact() / count.into()).round())
    }
}

/// The shape `[.., K]` of an array `[.., K, K]`.
fn rows<F: Real, D: RemoveAxis>(wins: &ArrayRef<F, D>) -> Result<D::Smaller, Error> {
    let what = "win probabilities";
    let shape = wins.shape();
    let [.., k, j] = *shape else {
        return Err(Error::Axes { what, least: 2, found: shape.len() });
    };
    if k != j {
        let mut expected = shape.to_vec();
        expected[shape.len() - 1] = k;
        return Err(Error::Shape { what, expected, found: shape.to_vec() });
    }
    Ok(wins.raw_dim().remove_axis(Axis(shape.len() - 1)))
}

/// Zeros `[.., K, K]` for an array `[.., K]`.
fn squares<F: Real, D: Dimension>(rows: &ArrayRef<F, D>) -> Array<F, D::Larger> {
    let size = rows.shape().last().copied().unwrap_or(0);
    let mut shape = rows.raw_dim().insert_axis(Axis(rows.ndim()));
    shape.slice_mut()[rows.ndim()] = size;
    Array::zeros(shape)
}

fn check_win_probabilities<F: Real, D: Dimension>(
    wins: &ArrayRef<F, D>,
    responses: &Responses<'_>,
) -> Result<(), Error> {
    let probability = (|p| (0.0..=1.0).contains(&p), "in [0, 1]");
    for (pair, &win) in wins.iter().enumerate() {
        let (k, j) = responses.of_pair(pair);
        if responses.exist(k) && responses.exist(j) {
            within("win probabilities", win, probability, || unravel(pair, wins.shape()))?;
        }
    }
    Ok(())
}

fn check_finite<F: Real, D: Dimension>(
    what: &'static str,
    known: &ArrayRef<F, D>,
    responses: &Responses<'_>,
) -> Result<(), Error> {
    for (k, &value) in known.iter().enumerate().filter(|&(k, _)| responses.exist(k)) {
        finite(what, value, || unravel(k, known.shape()))?;
    }
    Ok(())
}
