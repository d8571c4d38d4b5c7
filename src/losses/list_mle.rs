//! List-MLE, LiPO Eq. 7.
//!
//! l(s, ψ) = −Σ_k w_τ(k) [s_τ(k) − log Σ_{j ≥ k} e^{s_τ(j)}], τ sorting the labels descending
//!
//! With E_k = e^{s_τ(k)} and the suffix sums C_k = Σ_{j ≥ k} E_j,
//!
//! ∂l/∂s_τ(k) = Σ_{i < k} w_τ(i) E_k / C_i − w_τ(k) C_{k+1} / C_k
//!
//! where E_k/C_k − 1 = −C_{k+1}/C_k does not cancel near the optimum.

use std::ops::Mul;

use crate::lists::Ranges;
use crate::losses::{Kernel, Loss, Scratch};
use crate::numeric::{DoubleDouble, Sum, ln_1p, scale_by_power_of_two};
use crate::ranking::argsort_descending;
use crate::{Error, List};

/// List-MLE, the negative log-likelihood of the labels' order under Plackett–Luce:
/// −Σ_k w_τ(k) log(e^{s_τ(k)} / Σ_{j ≥ k} e^{s_τ(j)}), LiPO Eq. 7; DPO at K = 2, DPO-PL and PRO on
/// lists.
///
/// τ sorts the labels descending, equal ones by index. Labels may be any finite numbers: only
/// their order counts. O(K log K). Terms, for
/// [`Reduction::MeanOverTerms`](crate::losses::Reduction::MeanOverTerms), are the lists.
///
/// Scores so far apart that their difference overflows are [`Error::Spread`].
///
/// ```
/// use lipo::losses::{ListMle, LossExt};
/// use ndarray::array;
///
/// let labels = array![3.0_f32, 1.0, 2.0];
/// let value = ListMle.value(&array![3.0, 1.0, 2.0], &labels)?;
/// assert_eq!(value, 0.720_867_63); // log(1 + e^-1 + e^-2) + log(1 + e^-1)
/// // A shift of all scores changes nothing, however large.
/// assert_eq!(ListMle.value(&array![1e7 + 3.0, 1e7 + 1.0, 1e7 + 2.0], &labels)?, value);
/// # Ok::<(), lipo::Error>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ListMle;

/// One position of τ. Exponentials are relative to e^anchor.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Step {
    anchor: f64,
    exp: DoubleDouble,
    /// C_k.
    suffix: DoubleDouble,
    /// C_{k+1}.
    after: DoubleDouble,
}

/// How far the greatest score of a suffix may exceed its anchor, and by how much it does when the
/// anchor is set: exponentials and their sums stay within the range of products of `DoubleDouble`.
const HEADROOM: f64 = 650.0;
const START: f64 = 325.0;

/// e^(old anchor − new anchor) as the square of its root, since it may underflow where what it is
/// multiplied with makes up for it.
#[derive(Clone, Copy)]
struct Shift {
    root: DoubleDouble,
}

impl Shift {
    fn by(old: f64, new: f64) -> Self {
        Self { root: (DoubleDouble::difference(old, new) * 0.5).exp() }
    }
}

impl Mul<Shift> for DoubleDouble {
    type Output = Self;
    fn mul(self, shift: Shift) -> Self {
        self * shift.root * shift.root
    }
}

impl Loss for ListMle {
    fn list(&self, list: &List<'_>, grad: &mut [f64], scratch: &mut Scratch) -> f64 {
        let Scratch { order, list_mle: steps, .. } = scratch;
        argsort_descending(list.labels(), order);
        let value = value_and_steps(list, order, steps);

        // Weights as multiples of a power of two near the greatest: what they are multiplied by and
        // divided by below takes all of the range.
        let greatest = (0..list.len()).map(|k| list.weight(k)).fold(0.0, f64::max);
        #[allow(clippy::cast_possible_truncation)] // an exponent
        let exponent = if greatest > 0.0 { greatest.log2() as i32 } else { 0 };
        // Σ_{i < k} w_τ(i) / C_i, relative to e^−anchor.
        let mut anchor = steps.last().map_or(0.0, |step| step.anchor);
        let mut sum = DoubleDouble::ZERO;
        for (&item, step) in order.iter().zip(steps.iter().rev()) {
            let weight = scale_by_power_of_two(list.weight(item), -exponent);
            // Of an item below its predecessors' anchor; moving the sum first could lose it to
            // underflow, of which nothing but its own gradient would tell.
            let exp = if step.anchor == anchor {
                step.exp
            } else {
                DoubleDouble::difference(list.scores()[item], anchor).exp()
            };
            let slope = exp * sum - step.after / step.suffix * weight;
            grad[item] = scale_by_power_of_two(slope.round(), exponent);
            if weight > 0.0 {
                if step.anchor != anchor {
                    sum = sum * Shift::by(step.anchor, anchor);
                    anchor = step.anchor;
                }
                sum = sum + DoubleDouble::from(weight) / step.suffix;
            }
        }
        value
    }

    fn check(&self, list: &List<'_>) -> Result<(), Error> {
        list.check_spread()
    }

    fn kernel(&self) -> Option<Kernel> {
        Some(Kernel::ListMle)
    }

    fn accepts(&self, ranges: &Ranges) -> bool {
        ranges.spread_is_finite()
    }
}

/// The value, and the steps from the last position of τ to the first.
fn value_and_steps(list: &List<'_>, order: &[usize], steps: &mut Vec<Step>) -> f64 {
    let scores = list.scores();
    let mut value = Sum::default();
    steps.clear();
    let mut anchor = f64::NEG_INFINITY;
    let mut greatest = f64::NEG_INFINITY;
    // The suffix sum as the exponential of its greatest score and the sum of the others.
    let (mut top, mut others) = (DoubleDouble::ZERO, DoubleDouble::ZERO);
    for &item in order.iter().rev() {
        let score = scores[item];
        let mut after = top + others;
        // One anchor for all would turn the tail of a wide list into 0 or its head into infinity.
        if score - anchor > HEADROOM {
            let shift = Shift::by(anchor, score - START);
            anchor = score - START;
            (after, top, others) = (after * shift, top * shift, others * shift);
        }
        let exp = DoubleDouble::difference(score, anchor).exp();
        if score > greatest {
            others = after;
            (greatest, top) = (score, exp);
        } else {
            others = others + exp;
        }
        let log_sum_above_score = DoubleDouble::difference(greatest, score) + ln_1p(others / top);
        value.add_exact(log_sum_above_score * list.weight(item));
        steps.push(Step { anchor, exp, suffix: after + exp, after });
    }
    value.total()
}
