//! Point-MSE, LiPO Eq. 9.
//!
//! l(s, ψ) = Σ_k w_k (ψ_k − s_k)²
//!
//! ∂l/∂s_k = 2 w_k (s_k − ψ_k)

use crate::List;
use crate::lists::Ranges;
use crate::losses::{Kernel, Loss, Scratch};
use crate::numeric::{DoubleDouble, Sum};

/// Point-MSE: Σ_k w_k (ψ_k − s_k)², LiPO Eq. 9.
///
/// Labels may be any finite numbers. The loss asks the scores to *be* the labels, and so is the one
/// to which a shift of all scores matters most. Terms, for
/// [`Reduction::MeanOverTerms`](crate::losses::Reduction::MeanOverTerms), are the items.
///
/// ```
/// use lipo::losses::{LossExt, PointMse};
/// use ndarray::array;
///
/// let (value, grad) = PointMse.value_and_grad(&array![0.5, -1.0], &array![1.0, 0.0])?;
/// assert_eq!(value, 1.25); // 0.5² + 1²
/// assert_eq!(grad, array![-1.0, -2.0]);
/// # Ok::<(), lipo::Error>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PointMse;

impl Loss for PointMse {
    fn list(&self, list: &List<'_>, grad: &mut [f64], _: &mut Scratch) -> f64 {
        let mut value = Sum::default();
        for (k, (&score, &label)) in list.scores().iter().zip(list.labels()).enumerate() {
            let weight = list.weight(k);
            if weight == 0.0 {
                grad[k] = 0.0;
                continue;
            }
            // In this order no product overflows or underflows that should not.
            let distance = DoubleDouble::difference(score, label);
            if distance.hi.is_finite() {
                value.add_exact(distance * weight * distance);
                grad[k] = 2.0 * (distance.hi * weight);
            } else {
                let half = DoubleDouble::difference(score / 2.0, label / 2.0);
                value.add_exact(half * weight * 4.0 * half);
                grad[k] = 4.0 * (half.hi * weight);
            }
        }
        value.total()
    }

    fn terms(&self, list: &List<'_>, _: &mut Scratch) -> u64 {
        list.len() as u64
    }

    fn accepts(&self, ranges: &Ranges) -> bool {
        let _ = ranges;
        true
    }

    fn kernel(&self) -> Option<Kernel> {
        Some(Kernel::PointMse)
    }
}
