//! The soft zero-one function: the share of pairs in the wrong order, smoothed.
//!
//! φ(d) = σ(−d), φ′(d) = −σ(d) σ(−d), φ″(d) = σ(d) σ(−d) (σ(d) − σ(−d))

use crate::engine::{Pair, PairFunction, PairTerm};
use crate::losses::sigmoid::sigmoid_of_negative;
use crate::numeric::number::Number;

/// φ(d) = σ(−d) = 1/(1 + e^d), a smooth count of the pairs in the wrong order: Rax's
/// `pairwise_soft_zero_one_loss`.
///
/// It lies between 0 and 1 for each pair. A pair that is far on the wrong side costs 1 and hardly
/// moves, so that a few wrong labels do not govern a list as they do with
/// [`Logistic`](crate::losses::Logistic); in return it is not convex, and begins to learn where
/// margins are moderate. Over all pairs it is a smooth form of (1 − Kendall's τ)/2.
///
/// ```
/// use lipo::losses::{LossExt, PairLoss, SoftZeroOne};
/// use ndarray::array;
///
/// let loss = PairLoss::unweighted(SoftZeroOne);
/// let (value, grad) = loss.value_and_grad(&array![0.0_f64, 1.0], &array![1.0, 0.0])?;
/// assert!((value - 0.731059).abs() < 1e-6); // σ(1)
/// assert!((grad[0] + 0.196612).abs() < 1e-6); // -σ(1) σ(-1)
/// # Ok::<(), lipo::Error>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct SoftZeroOne;

crate::formula! {
    impl PairFunction for SoftZeroOne {
        fn at<N: Number>(&self, pair: Pair<N>) -> PairTerm<N> {
            let [value, slope, curvature] = sigmoid_of_negative(pair.margin);
            PairTerm::new(value, slope, curvature)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::losses::PairLoss;
    use crate::losses::testing::{check_derivatives, close, results};

    #[test]
    fn derivatives() {
        check_derivatives(&PairLoss::unweighted(SoftZeroOne), &[0.0, 1.0, 2.0, 1.0], true);
    }

    #[test]
    fn a_confident_pair_keeps_its_slope() {
        let loss = PairLoss::unweighted(SoftZeroOne);
        let (value, gradient, diagonal) = results::<f32>(&loss, &[80.0, 0.0], &[1.0, 0.0]);
        let expected = (-80.0_f64).exp();
        close("value", value, expected, 1e-6 * expected);
        close("slope", gradient[0], -expected, 1e-6 * expected);
        close("curvature", diagonal[1], expected, 1e-6 * expected);
        let (value, gradient, _) = results::<f32>(&loss, &[0.0, 80.0], &[1.0, 0.0]);
        assert_eq!(value, 1.0);
        close("slope", gradient[0], -expected, 1e-6 * expected);
    }
}
