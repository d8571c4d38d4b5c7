//! The unbiased form of label smoothing: robust DPO.
//!
//! φ(d) = \[−(1 − ε) log σ(d) + ε log σ(−d)\] / (1 − 2ε) = log(1 + e^−d) − c d, c = ε / (1 − 2ε)
//!
//! φ′(d) = −σ(−d) − c, φ″(d) = σ(d) σ(−d)

use super::pair_logistic::checked_noise;
use crate::Error;
use crate::losses::pairs::{PairFunction, PairTerm};
use crate::numeric::{DoubleDouble, Logistic};

/// φ(d) = \[−(1 − ε) log σ(d) + ε log σ(−d)\] / (1 − 2ε), of which the mean over labels flipped with
/// probability ε is the logistic loss of the true ones: robust DPO (Chowdhury et al. 2024,
/// [arXiv 2403.00409](https://arxiv.org/abs/2403.00409), Section 3); TRL's `robust`.
///
/// Not bounded from below: with ε > 0 a larger margin is always better, and the value negative
/// from some margin on. Its biased form is [`SmoothedLogistic`](crate::losses::SmoothedLogistic).
///
/// ```
/// use lipo::losses::{LossExt, PairLoss, RobustLogistic};
/// use ndarray::array;
///
/// let loss = PairLoss::unweighted(RobustLogistic::new(0.1)?);
/// let (value, grad) = loss.value_and_grad(&array![1.0_f64, -1.0], &array![1.0, 0.0])?;
/// assert!((value + 0.123072).abs() < 1e-6); // log(1 + e^-2) - 2/8
/// assert!((grad[0] + 0.244203).abs() < 1e-6); // -σ(-2) - 1/8
/// # Ok::<(), lipo::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RobustLogistic {
    epsilon: f64,
}

impl RobustLogistic {
    /// The unbiased logistic function under label noise ε in [0, ½).
    ///
    /// # Errors
    ///
    /// [`Error::Parameter`] for any other ε.
    pub fn new(epsilon: f64) -> Result<Self, Error> {
        Ok(Self { epsilon: checked_noise(epsilon)? })
    }

    /// ε.
    #[must_use]
    pub fn epsilon(&self) -> f64 {
        self.epsilon
    }
}

impl PairFunction for RobustLogistic {
    fn at(&self, margin: f64) -> PairTerm {
        let at = Logistic::at(margin);
        let tilt =
            DoubleDouble::from(self.epsilon) / DoubleDouble::difference(1.0, 2.0 * self.epsilon);
        // In twice the precision, since the two parts cancel where the value changes its sign.
        let log = DoubleDouble::from(-margin.abs()).exp().ln_1p();
        let below = if margin < 0.0 { -margin } else { 0.0 };
        PairTerm {
            value: (log + (DoubleDouble::from(below) - tilt * margin)).round(),
            slope: -(DoubleDouble::from(at.fall) + tilt).round(),
            curvature: at.rise * at.fall,
        }
    }
}
