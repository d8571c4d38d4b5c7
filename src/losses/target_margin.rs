//! A target margin for any pair function: SimPO's γ.
//!
//! φ_γ(d) = φ(d − γ)

use crate::Error;
use crate::losses::pairs::{PairFunction, PairTerm};
use crate::numeric::DoubleDouble;

/// φ(d − γ) of a pair function φ: a pair whose margin is γ counts as one of margin 0 did.
///
/// With the logistic function, and scores of length-averaged log-probabilities without a
/// reference, it is SimPO (Meng et al. 2024, [arXiv 2405.14734](https://arxiv.org/abs/2405.14734),
/// Eq. 6); with scores of a reference, the offset of ODPO (Amini et al. 2024, [arXiv
/// 2402.10571](https://arxiv.org/abs/2402.10571)) where it is the same for every pair.
///
/// ```
/// use lipo::losses::{Logistic, LossExt, PairLoss, TargetMargin};
/// use ndarray::array;
///
/// let loss = PairLoss::unweighted(TargetMargin::new(Logistic, 0.5)?);
/// let (value, grad) = loss.value_and_grad(&array![1.0_f64, 0.0], &array![1.0, 0.0])?;
/// assert!((value - 0.474077).abs() < 1e-6); // log(1 + e^-(1 - 0.5))
/// assert!((grad[0] + 0.377541).abs() < 1e-6); // -σ(-0.5)
/// # Ok::<(), lipo::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TargetMargin<P> {
    function: P,
    margin: f64,
}

impl<P> TargetMargin<P> {
    /// `function` with a target margin γ, finite.
    ///
    /// # Errors
    ///
    /// [`Error::Parameter`] for any other γ.
    pub fn new(function: P, margin: f64) -> Result<Self, Error> {
        if margin.is_finite() {
            return Ok(Self { function, margin });
        }
        Err(Error::Parameter { name: "target margin", value: margin, range: "finite" })
    }

    /// φ.
    pub fn function(&self) -> &P {
        &self.function
    }

    /// γ.
    pub fn margin(&self) -> f64 {
        self.margin
    }
}

impl<P: PairFunction> PairFunction for TargetMargin<P> {
    fn at(&self, margin: f64) -> PairTerm {
        let beyond = DoubleDouble::difference(margin, self.margin);
        let term = self.function.at(beyond.hi);
        let moved = term.moved(beyond.lo);
        PairTerm {
            value: term.value + moved.value,
            slope: term.slope + moved.slope,
            curvature: term.curvature,
        }
    }
}
