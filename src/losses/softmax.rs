//! Softmax cross-entropy, LiPO Eq. 11.
//!
//! l(s, ψ) = −Σ_k p_k log q_k, p_k = w_k ψ_k / Σ_j w_j ψ_j, q_k = e^{s_k} / Σ_j e^{s_j}
//!
//! ∂l/∂s_k = q_k − p_k = q_k Σ_{j ≠ k} p_j − p_k Σ_{j ≠ k} q_j
//!
//! where the last form does not cancel where one item has nearly all of p and of q.

use num_traits::Float;

use crate::lists::Ranges;
use crate::losses::{Kernel, Loss, Scratch};
use crate::numeric::{DoubleDouble, Sum, ln_1p};
use crate::{Error, List};

/// Softmax cross-entropy: −Σ_k (ψ_k / Σψ) log softmax(s)_k with labels ψ ≥ 0, LiPO Eq. 11; InfoNCA
/// (the paper's NCE), ListNet; DPO at K = 2 with one-hot labels.
///
/// The paper's Eq. 11 has lost its minus sign. Weights multiply the labels before these are
/// normalised. A list whose labels sum to 0 has value and gradient 0. Terms, for
/// [`Reduction::MeanOverTerms`](crate::losses::Reduction::MeanOverTerms), are the lists.
///
/// A negative label is [`Error::OutOfRange`]; scores so far apart that their difference overflows
/// are [`Error::Spread`].
///
/// ```
/// use lipo::losses::{LossExt, Softmax};
/// use ndarray::array;
///
/// let (value, grad) = Softmax.value_and_grad(&array![0.0_f64, 0.0], &array![0.75, 0.25])?;
/// assert!((value - 0.693147).abs() < 1e-6); // log 2
/// assert_eq!(grad, array![-0.25, 0.25]);
/// # Ok::<(), lipo::Error>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Softmax;

/// An item's shares of the labels and of the exponentials, not yet divided by their sums.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Item {
    label: DoubleDouble,
    exp: DoubleDouble,
}

impl Loss for Softmax {
    fn list(&self, list: &List<'_>, grad: &mut [f64], scratch: &mut Scratch) -> f64 {
        let items = &mut scratch.softmax;
        let greatest = list.scores().iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let weighted = (0..list.len()).map(|k| weighted_label(list, k));
        let positive = weighted.filter(|(label, _)| label.hi > 0.0);
        let exponent = positive.map(|(_, exponent)| exponent).max().unwrap_or(0);
        items.clear();
        items.extend((0..list.len()).map(|k| Item {
            label: scaled_label(list, k, exponent),
            exp: DoubleDouble::difference(list.scores()[k], greatest).exp(),
        }));
        let labels = Shares::of(items, |item| item.label);
        let exps = Shares::of(items, |item| item.exp);
        if labels.sum().hi == 0.0 {
            grad.fill(0.0);
            return 0.0;
        }

        let log_sum = ln_1p(exps.others);
        let mut value = Sum::default();
        for (k, item) in items.iter().enumerate() {
            let label = labels.share(item.label);
            let exp = exps.share(item.exp);
            // log(1/q_k)
            let surprise = DoubleDouble::difference(greatest, list.scores()[k]) + log_sum;
            value.add_exact(surprise_of_label(list, k, surprise, exponent, labels.sum()));
            let rise = exp * labels.share(labels.all_but(k, item.label));
            let fall = label * exps.share(exps.all_but(k, item.exp));
            grad[k] = (rise - fall).round();
        }
        value.total()
    }

    fn check(&self, list: &List<'_>) -> Result<(), Error> {
        list.check_spread()?;
        match list.labels().iter().position(|&label| label < 0.0) {
            Some(item) => Err(list.label_out_of_range(item, "at least 0")),
            None => Ok(()),
        }
    }

    fn accepts(&self, ranges: &Ranges) -> bool {
        ranges.labels.0 >= 0.0 && ranges.spread_is_finite()
    }

    fn kernel(&self) -> Option<Kernel> {
        Some(Kernel::Softmax)
    }
}

/// A sum of non-negative numbers as its greatest and the sum of the others.
struct Shares {
    top: usize,
    greatest: DoubleDouble,
    others: DoubleDouble,
}

impl Shares {
    fn of(items: &[Item], part: impl Fn(&Item) -> DoubleDouble) -> Self {
        let mut shares = Self { top: 0, greatest: DoubleDouble::ZERO, others: DoubleDouble::ZERO };
        for (k, item) in items.iter().enumerate() {
            let part = part(item);
            if part.hi > shares.greatest.hi {
                shares.others = shares.others + shares.greatest;
                (shares.top, shares.greatest) = (k, part);
            } else {
                shares.others = shares.others + part;
            }
        }
        shares
    }

    fn sum(&self) -> DoubleDouble {
        self.greatest + self.others
    }

    fn share(&self, part: DoubleDouble) -> DoubleDouble {
        part / self.sum()
    }

    /// The sum without the `k`th; only that of the greatest would cancel.
    fn all_but(&self, k: usize, part: DoubleDouble) -> DoubleDouble {
        if k == self.top { self.others } else { self.sum() - part }
    }
}

/// w_k ψ_k as a number below 2¹⁰⁶ and a power of two, since the product may leave the range.
pub(super) fn weighted_label(list: &List<'_>, k: usize) -> (DoubleDouble, i32) {
    let parts = |x: f64| {
        let (mantissa, exponent, _) = x.integer_decode();
        (mantissa as f64, i32::from(exponent))
    };
    let (weight, label) = (parts(list.weight(k)), parts(list.labels()[k]));
    (DoubleDouble::product(weight.0, label.0), weight.1 + label.1)
}

/// p_k log(1/q_k), where p_k may be too small for `f64` and the logarithm make up for it.
pub(super) fn surprise_of_label(
    list: &List<'_>,
    k: usize,
    surprise: DoubleDouble,
    greatest_exponent: i32,
    label_sum: DoubleDouble,
) -> DoubleDouble {
    let (label, exponent) = weighted_label(list, k);
    // Keeps the product in range.
    let down = if surprise.hi > 1e100 { 200 } else { 0 };
    (surprise.scale(-down) * label / label_sum).scale(exponent - greatest_exponent + down)
}

pub(super) fn scaled_label(list: &List<'_>, k: usize, greatest_exponent: i32) -> DoubleDouble {
    let (label, exponent) = weighted_label(list, k);
    label.scale(exponent - greatest_exponent)
}
