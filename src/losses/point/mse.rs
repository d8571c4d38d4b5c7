//! Point-MSE, LiPO Eq. 9.
//!
//! l(s, ψ) = Σ_k w_k (ψ_k − s_k)²
//!
//! ∂l/∂s_k = 2 w_k (s_k − ψ_k)

use std::borrow::Cow;

use crate::engine::{Point, PointFunction, PointTerm, Work};
use crate::losses::Loss;

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
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct PointMse;

crate::formula! {
    impl PointFunction for PointMse {
        const EXPONENTIAL: bool = false;

        fn at<N: Number>(&self, point: Point<N>) -> PointTerm<N> {
            let distance = point.score - point.label;
            PointTerm::new(distance * distance, distance + distance, distance.constant(2.0))
        }
    }
}

impl Loss for PointMse {
    fn work(&self) -> Work<'_> {
        Work::points(self)
    }

    fn name(&self) -> Cow<'static, str> {
        "point-mse".into()
    }
}
