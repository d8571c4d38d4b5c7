//! The logistic family: scale · log(1 + e^(shift − d)) + tilt · d.
//!
//! φ(d) = log(1 + e^−d) = max(−d, 0) + log(1 + e^−|d|), φ′(d) = −σ(−d), φ″(d) = σ(d) σ(−d)
//!
//! Label smoothing by ε and its unbiased form tilt it:
//!
//! −(1 − ε) log σ(d) − ε log σ(−d) = log(1 + e^−d) + ε d
//!
//! \[−(1 − ε) log σ(d) + ε log σ(−d)\] / (1 − 2ε) = log(1 + e^−d) − ε/(1 − 2ε) d
//!
//! The engine knows the family by its coefficients, and makes one exponential an item instead of one
//! a pair.

use crate::Error;
use crate::engine::{Family, Pair, PairFunction, PairTerm};
use crate::numeric::number::Number;

/// φ(d) = log(1 + e^−d): that of DPO and RankNet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Logistic;

crate::formula! {
    impl PairFunction for Logistic {
        fn at<N: Number>(&self, pair: Pair<N>) -> PairTerm<N> {
            tilted(pair.margin, 0.0)
        }

        fn family(&self) -> Family {
            Family::Logistic { scale: 1.0, shift: 0.0, tilt: 0.0 }
        }
    }
}

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

crate::formula! {
    impl PairFunction for SmoothedLogistic {
        fn at<N: Number>(&self, pair: Pair<N>) -> PairTerm<N> {
            tilted(pair.margin, self.epsilon)
        }

        fn family(&self) -> Family {
            Family::Logistic { scale: 1.0, shift: 0.0, tilt: self.epsilon }
        }
    }
}

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

    fn tilt(self) -> f64 {
        -self.epsilon / (1.0 - 2.0 * self.epsilon)
    }
}

crate::formula! {
    impl PairFunction for RobustLogistic {
        fn at<N: Number>(&self, pair: Pair<N>) -> PairTerm<N> {
            tilted(pair.margin, self.tilt())
        }

        fn family(&self) -> Family {
            Family::Logistic { scale: 1.0, shift: 0.0, tilt: self.tilt() }
        }
    }
}

/// log(1 + e^−d) + tilt · d.
#[inline(always)]
fn tilted<N: Number>(margin: N, tilt: f64) -> PairTerm<N> {
    let at = margin.softplus_of_negative();
    if tilt == 0.0 {
        return PairTerm::new(at.value, at.slope, at.curvature);
    }
    let tilt = margin.constant(tilt);
    PairTerm::new(tilt.mul_add(margin, at.value), at.slope + tilt, at.curvature)
}

/// The probability ε with which a label is flipped.
fn checked_noise(epsilon: f64) -> Result<f64, Error> {
    if (0.0..0.5).contains(&epsilon) {
        return Ok(epsilon);
    }
    Err(Error::Parameter { name: "epsilon", value: epsilon, range: "in [0, 0.5)" })
}
