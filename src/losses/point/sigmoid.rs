//! Point-sigmoid, LiPO Eq. 10.
//!
//! l(s, ψ) = −Σ_k w_k [ψ_k log σ(s_k) + (1 − ψ_k) log(1 − σ(s_k))]
//!         = Σ_k w_k [ψ_k max(−s_k, 0) + (1 − ψ_k) max(s_k, 0) + log(1 + e^−|s_k|)]
//!
//! ∂l/∂s_k = w_k [(1 − ψ_k) σ(s_k) − ψ_k σ(−s_k)]

use std::borrow::Cow;

use crate::Precision;
use crate::engine::{Point, PointFunction, PointTerm, Work};
use crate::losses::{Domain, Loss};

/// Point-sigmoid, binary cross-entropy of each item: −Σ_k w_k \[ψ_k log σ(s_k) + (1 − ψ_k)
/// log(1 − σ(s_k))\] with labels in \[0, 1\], LiPO Eq. 10.
///
/// Nothing is clipped: a confident score keeps its loss and its gradient on both tails. Terms, for
/// [`Reduction::MeanOverTerms`](crate::losses::Reduction::MeanOverTerms), are the items.
///
/// A label outside \[0, 1\] is [`Error::OutOfRange`](crate::Error::OutOfRange).
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
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct PointSigmoid;

crate::formula! {
    impl PointFunction for PointSigmoid {
        fn at<N: Number>(&self, point: Point<N>) -> PointTerm<N> {
            let Point { score, label, .. } = point;
            let (zero, one) = (score.constant(0.0), score.constant(1.0));
            // E = e^−|s|; ℓ is ψ where s < 0, else 1 − ψ: the value is |s| ℓ + log(1 + E), the slope
            // ±(ℓ − E/(1 + E)), its sign that of s.
            let exp = (-score.abs()).exp();
            let large = one / (one + exp);
            let (small, rest) = (exp * large, one - label);
            let negative = zero.above(score);
            let linear = N::select(negative, label, rest);
            let slope = N::select(negative, small - label, rest - small);
            let value = linear.mul_add(score.abs(), exp.ln_1p_unit());
            PointTerm::new(value, slope, small * large)
        }
    }
}

impl Loss for PointSigmoid {
    fn work(&self) -> Work<'_> {
        Work::points(self)
    }

    fn name(&self) -> Cow<'static, str> {
        "point-sigmoid".into()
    }

    fn domain(&self, _: Precision) -> Domain {
        Domain::ANY.with_labels(0.0, 1.0, "in [0, 1]")
    }
}
