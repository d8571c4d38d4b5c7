//! The utility of Kahneman–Tversky optimisation.
//!
//! f(s, ψ) = σ(−x), x = s − z where ψ ≥ ½ (desirable), z − s elsewhere (undesirable)
//!
//! ∂f/∂s = ∓σ(x) σ(−x), ∂²f/∂s² = σ(x) σ(−x) (σ(x) − σ(−x))

use crate::Error;
use crate::engine::{Point, PointFunction, PointTerm};
use crate::losses::sigmoid::sigmoid_of_negative;
use crate::numeric::number::Number;

/// KTO's utility: 1 − σ(s − z) of a desirable response, ψ ≥ ½, and 1 − σ(z − s) of an undesirable one
/// (Ethayarajh et al. 2024, [arXiv 2402.01306](https://arxiv.org/abs/2402.01306), Eq. 8).
///
/// One wants it where responses are judged good or bad one by one, without a second response to the
/// same prompt. Scores are implicit rewards; z, the reference point, is KTO's estimate of the
/// KL divergence from the reference policy, times β, made anew for each batch and a constant in the
/// gradient. With z = 0 this is TRL's `apo_zero_unpaired`. The weights λ of desirable and undesirable
/// responses are item weights ([`ListsBuilder::weights`](crate::lists::ListsBuilder::weights)). Each term lies
/// between 0 and 1.
///
/// ```
/// use lipo::losses::{LossExt, PointLoss, Utility};
/// use ndarray::array;
///
/// let loss = PointLoss::new(Utility::new(0.5)?);
/// let (value, grad) = loss.value_and_grad(&array![1.5_f64, 1.5], &array![1.0, 0.0])?;
/// assert!((value - 1.0).abs() < 1e-6); // σ(-1) + σ(1)
/// assert!((grad[0] + 0.196612).abs() < 1e-6); // -σ(1) σ(-1)
/// assert_eq!(grad[1], -grad[0]);
/// # Ok::<(), lipo::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Utility {
    shift: f64,
}

impl Utility {
    /// The utility relative to the reference point z, finite.
    ///
    /// # Errors
    ///
    /// [`Error::Parameter`] for any other z.
    pub fn new(shift: f64) -> Result<Self, Error> {
        if shift.is_finite() {
            return Ok(Self { shift });
        }
        Err(Error::Parameter { name: "shift", value: shift, range: "finite" })
    }

    /// z.
    #[must_use]
    pub fn shift(&self) -> f64 {
        self.shift
    }
}

crate::formula! {
    impl PointFunction for Utility {
        fn at<N: Number>(&self, point: Point<N>) -> PointTerm<N> {
            let (z, rest) = point.score.constant_exactly(self.shift);
            let above = point.score - z;
            // What rounding took from the difference, and from z: made up for by the derivatives.
            let of_z = above - point.score;
            let lost = ((point.score - (above - of_z)) - (z + of_z)) - rest;
            let undesirable = point.score.constant(0.5).above(point.label);
            let turned = N::select(undesirable, -above, above);
            let [value, slope, curvature] = sigmoid_of_negative(turned);
            let slope = N::select(undesirable, -slope, slope);
            PointTerm::new(
                slope.mul_add(lost, value),
                curvature.mul_add(lost, slope),
                curvature,
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::losses::PointLoss;
    use crate::losses::testing::{LENGTHS, check_derivatives, close, list, results};

    #[test]
    fn derivatives() {
        for shift in [0.0, 0.1, -2.5] {
            let loss = PointLoss::new(Utility::new(shift).unwrap());
            check_derivatives(&loss, &[0.0, 1.0, 0.5, 0.4], true);
        }
    }

    #[test]
    fn is_the_formula() {
        let (shift, labels) = (0.3, [0.0, 1.0, 0.5, 0.4]);
        let loss = PointLoss::new(Utility::new(shift).unwrap());
        for items in LENGTHS {
            let (scores, labels) = list(items, &labels);
            let term = |(s, psi): (&f64, &f64)| {
                let sign = if *psi >= 0.5 { 1.0 } else { -1.0 };
                1.0 - 1.0 / (1.0 + (-sign * (s - shift)).exp())
            };
            let expected: f64 = scores.iter().zip(&labels).map(term).sum();
            close("value", results::<f64>(&loss, &scores, &labels).0, expected, 1e-13 * expected);
        }
    }

    #[test]
    fn a_clear_case_keeps_its_slope() {
        let loss = PointLoss::new(Utility::new(0.1).unwrap());
        let expected = (0.1_f64 - 60.0).exp();
        let (value, gradient, _) = results::<f32>(&loss, &[60.0, -59.8], &[1.0, 0.0]);
        close("value", value, 2.0 * expected, 1e-5 * expected);
        close("slope", gradient[0], -expected, 1e-6 * expected);
        close("slope", gradient[1], (-59.9_f32 as f64).exp(), 1e-5 * expected);
    }
}
