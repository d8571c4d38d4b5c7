//! Point-sigmoid, LiPO Eq. 10.
//!
//! l(s, ψ) = −Σ_k w_k [ψ_k log σ(s_k) + (1 − ψ_k) log(1 − σ(s_k))]
//!         = Σ_k w_k [ψ_k max(−s_k, 0) + (1 − ψ_k) max(s_k, 0) + log(1 + e^−|s_k|)]
//!
//! ∂l/∂s_k = w_k [(1 − ψ_k) σ(s_k) − ψ_k σ(−s_k)]

use crate::lists::Ranges;
use crate::losses::{Kernel, Loss, Scratch};
use crate::numeric::{DoubleDouble, Logistic, Sum};
use crate::{Error, List};

/// Point-sigmoid, binary cross-entropy of each item: −Σ_k w_k \[ψ_k log σ(s_k) + (1 − ψ_k)
/// log(1 − σ(s_k))\] with labels in \[0, 1\], LiPO Eq. 10.
///
/// Nothing is clipped: a confident score keeps its loss and its gradient on both tails. Terms, for
/// [`Reduction::MeanOverTerms`](crate::losses::Reduction::MeanOverTerms), are the items.
///
/// A label outside \[0, 1\] is [`Error::OutOfRange`].
///
/// ```
/// use lipo::losses::{LossExt, PointSigmoid};
/// use ndarray::array;
///
/// let (value, grad) = PointSigmoid.value_and_grad(&array![17.0_f32], &array![1.0])?;
/// assert_eq!(value, 4.1399375e-8); // log(1 + e^-17)
/// assert_eq!(grad[0], -4.1399374e-8); // -σ(-17)
/// # Ok::<(), lipo::Error>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PointSigmoid;

impl Loss for PointSigmoid {
    fn list(&self, list: &List<'_>, grad: &mut [f64], _: &mut Scratch) -> f64 {
        let mut value = Sum::default();
        for (k, (&score, &label)) in list.scores().iter().zip(list.labels()).enumerate() {
            let weight = list.weight(k);
            let logistic = Logistic::at(score);
            let linear = if score < 0.0 {
                DoubleDouble::product(label, -score)
            } else {
                DoubleDouble::difference(1.0, label) * score
            };
            value.add_exact((linear + logistic.log.into()) * weight);
            grad[k] = weight * ((1.0 - label) * logistic.rise - label * logistic.fall);
        }
        value.total()
    }

    fn check(&self, list: &List<'_>) -> Result<(), Error> {
        match list.labels().iter().position(|label| !(0.0..=1.0).contains(label)) {
            Some(item) => Err(list.label_out_of_range(item, "in [0, 1]")),
            None => Ok(()),
        }
    }

    fn terms(&self, list: &List<'_>, _: &mut Scratch) -> u64 {
        list.len() as u64
    }

    fn accepts(&self, ranges: &Ranges) -> bool {
        let (least, greatest) = ranges.labels;
        least >= 0.0 && greatest <= 1.0
    }

    fn kernel(&self) -> Option<Kernel> {
        Some(Kernel::PointSigmoid)
    }
}
