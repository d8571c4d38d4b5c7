//! The squared difference of a margin and its target: IPO.
//!
//! φ(d) = (d − t)², φ′(d) = 2 (d − t), φ″(d) = 2

use crate::Error;
use crate::engine::{Pair, PairFunction, PairTerm};
use crate::losses::pair::finite_parameter;

/// φ(d) = (d − t)², which asks the margin to *be* the target t. IPO is this with t = 1/(2τ) on
/// scores of β = 1 (Azar et al. 2023, [arXiv 2310.12036](https://arxiv.org/abs/2310.12036), Eq. 17).
///
/// ```
/// use lipo::losses::{LossExt, PairLoss, SquaredDifference};
/// use ndarray::array;
///
/// let loss = PairLoss::unweighted(SquaredDifference::new(5.0)?);
/// let (value, grad) = loss.value_and_grad(&array![1.0, -1.0], &array![1.0, 0.0])?;
/// assert_eq!(value, 9.0); // (2 - 5)²
/// assert_eq!(grad, array![-6.0, 6.0]);
/// # Ok::<(), lipo::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SquaredDifference {
    target: f64,
}

impl SquaredDifference {
    /// The squared difference from a target t, finite.
    ///
    /// # Errors
    ///
    /// [`Error::Parameter`] for any other target.
    pub fn new(target: f64) -> Result<Self, Error> {
        Ok(Self { target: finite_parameter("target", target)? })
    }

    /// t.
    #[must_use]
    pub fn target(&self) -> f64 {
        self.target
    }
}

crate::formula! {
    impl PairFunction for SquaredDifference {
        const EXACT: bool = true;
        const EXPONENTIAL: bool = false;

        fn at<N: Number>(&self, pair: Pair<N>) -> PairTerm<N> {
            let (target, rest) = pair.margin.constant_exactly(self.target);
            // Where the margin is near the target, the first difference is exact.
            let distance = (pair.margin - target) + (pair.margin_lost - rest);
            PairTerm::new(distance * distance, distance + distance, distance.constant(2.0))
        }
    }
}
