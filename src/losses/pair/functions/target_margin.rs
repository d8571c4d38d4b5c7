//! A target margin for any pair function: SimPO's γ.
//!
//! φ_γ(d) = φ(d − γ)

use crate::Error;
use crate::engine::{Family, Pair, PairFunction, PairTerm};
use crate::losses::pair::finite_parameter;
use crate::numeric::number::Number;

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
        Ok(Self { function, margin: finite_parameter("target margin", margin)? })
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
    const GAP: bool = P::GAP;
    const TIES: bool = P::TIES;
    const EXACT: bool = true;
    const EXPONENTIAL: bool = P::EXPONENTIAL;

    #[inline(always)]
    fn at<N: Number>(&self, pair: Pair<N>) -> PairTerm<N> {
        let (target, rest) = pair.margin.constant_exactly(self.margin);
        let (margin, lost) = difference(pair.margin, target);
        let margin_lost = lost + (pair.margin_lost - rest);
        let term = self.function.at(Pair { margin, margin_lost, ..pair });
        if P::EXACT {
            return term;
        }
        let value = term.slope.mul_add(margin_lost, term.value);
        let slope = term.curvature.mul_add(margin_lost, term.slope);
        PairTerm::new(value, slope, term.curvature)
    }

    fn family(&self) -> Family {
        let margin = self.margin;
        match self.function.family() {
            // tilt · (d − γ) is tilt · d less a constant, which the family does not have.
            Family::Logistic { scale, shift, tilt: 0.0 } => {
                Family::Logistic { scale, shift: shift + margin, tilt: 0.0 }
            }
            _ => Family::Other,
        }
    }
}

/// The rounded difference, and what rounding took from it.
#[inline(always)]
fn difference<N: Number>(a: N, b: N) -> (N, N) {
    let difference = a - b;
    let of_b = a - difference;
    (difference, (a - (difference + of_b)) + (of_b - b))
}
