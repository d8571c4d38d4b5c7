//! Label smoothing of the logistic function: conservative DPO.
//!
//! φ(d) = −(1 − ε) log σ(d) − ε log σ(−d)
//!      = (1 − ε) max(−d, 0) + ε max(d, 0) + log(1 + e^−|d|)
//!
//! φ′(d) = ε σ(d) − (1 − ε) σ(−d) = ε − σ(−d), φ″(d) = σ(d) σ(−d)

use super::pair_logistic::checked_noise;
use crate::Error;
use crate::losses::pairs::{PairFunction, PairTerm};
use crate::numeric::{DoubleDouble, Logistic};

/// φ(d) = −(1 − ε) log σ(d) − ε log σ(−d), the logistic loss under labels that are flipped with
/// probability ε: cDPO (Mitchell 2023, [note](https://ericmitchell.ai/cdpo.pdf)); TRL's
/// `label_smoothing`.
///
/// It is least where σ(d) = 1 − ε, so that a margin is held back once it is likely enough. Its
/// unbiased form is [`RobustLogistic`](crate::losses::RobustLogistic).
///
/// ```
/// use lipo::losses::{LossExt, PairLoss, SmoothedLogistic};
/// use ndarray::array;
///
/// let loss = PairLoss::unweighted(SmoothedLogistic::new(0.1)?);
/// let (value, grad) = loss.value_and_grad(&array![-1.0_f64, 1.0], &array![1.0, 0.0])?;
/// assert!((value - 1.926928).abs() < 1e-6); // 0.9 · 2 + log(1 + e^-2)
/// assert!((grad[0] + 0.780797).abs() < 1e-6); // 0.1 σ(-2) - 0.9 σ(2)
/// # Ok::<(), lipo::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SmoothedLogistic {
    epsilon: f64,
}

impl SmoothedLogistic {
    /// The logistic function under label noise ε in [0, ½).
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

impl PairFunction for SmoothedLogistic {
    fn at(&self, margin: f64) -> PairTerm {
        let at = Logistic::at(margin);
        let kept = DoubleDouble::difference(1.0, self.epsilon);
        let linear =
            if margin < 0.0 { kept * -margin } else { DoubleDouble::product(self.epsilon, margin) };
        // In twice the precision, since it cancels where the value is least.
        let exp = DoubleDouble::from(-margin.abs()).exp();
        let small = exp / (DoubleDouble::ONE + exp);
        let slope =
            if margin < 0.0 { small - kept } else { DoubleDouble::from(self.epsilon) - small };
        PairTerm {
            value: (linear + at.log.into()).round(),
            slope: slope.round(),
            curvature: at.rise * at.fall,
        }
    }
}
