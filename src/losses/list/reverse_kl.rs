//! The reverse Kullback–Leibler divergence from the labels' distribution to the scores'.
//!
//! f = KL(q ‖ p) = Σ_k q_k a_k, a_k = log(q_k/p_k), q = softmax(s), p_k = max(ψ_k/Σψ, ε)
//!
//! ∂f/∂s_k = q_k (a_k − f), ∂²f/∂s_k² = q_k [(1 − 2q_k)(a_k − f) + 1 − q_k]
//!
//! Where a direction v, less its mean Σ q v, changes the scores, q changes by q v, a by v, and f by
//! the covariance c = Σ q v a; so the entry of the Hessian's product is q v (a − f) + q (v − c).

use std::borrow::Cow;

use crate::engine::{ShareFunction, Shares, Work};
use crate::losses::{Domain, Loss};
use crate::numeric::number::Number;
use crate::{Error, Precision};

/// The reverse KL divergence Σ_k q_k log(q_k/p_k) of the scores' softmax q from the labels' shares
/// p_k = max(ψ_k/Σψ, ε), with labels ψ ≥ 0: EXO's loss of a list (Ji et al. 2024,
/// [arXiv 2402.00856](https://arxiv.org/abs/2402.00856), Section 4.2).
///
/// Where [`Softmax`](crate::losses::Softmax), whose divergence is KL(p ‖ q), spreads q over everything
/// that p covers, this one has q settle on a part of p and leave out the rest; it is what maximising
/// reward under a KL constraint minimises. It is not convex. A label of 0 makes the divergence
/// infinite, hence the floor ε: EXO's code takes e⁻¹⁰. Floored shares are not normalised anew, so
/// that the least value is −log Σ_k p_k, slightly below 0.
///
/// Item weights multiply the labels before these are normalised. A list whose labels sum to 0 has
/// value and gradient 0. Terms, for
/// [`Reduction::MeanOverTerms`](crate::losses::Reduction::MeanOverTerms), are the lists. A
/// slope is exact relative to q_k (|a_k| + f), not to itself where q_k is nearly 1.
///
/// A negative label is [`Error::OutOfRange`]; scores so far apart that their difference overflows are
/// [`Error::Spread`].
///
/// ```
/// use lipo::losses::{LossExt, ReverseKl};
/// use ndarray::array;
///
/// let loss = ReverseKl::new(1e-3)?;
/// let (value, grad) = loss.value_and_grad(&array![0.0_f64, 0.0], &array![0.75, 0.25])?;
/// assert!((value - 0.143841).abs() < 1e-6); // ½ log(½/¾) + ½ log(½/¼)
/// assert!((grad[0] + 0.274653).abs() < 1e-6); // ½ [log(½/¾) - 0.143841]
/// # Ok::<(), lipo::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ReverseKl {
    floor: f64,
}

impl ReverseKl {
    /// The divergence with a floor ε of the labels' shares, from 10⁻³⁰ to below 1.
    ///
    /// # Errors
    ///
    /// [`Error::Parameter`] for any other ε.
    pub fn new(floor: f64) -> Result<Self, Error> {
        if (1e-30..1.0).contains(&floor) {
            return Ok(Self { floor });
        }
        Err(Error::Parameter { name: "floor", value: floor, range: "in [1e-30, 1)" })
    }

    /// ε.
    #[must_use]
    pub fn floor(&self) -> f64 {
        self.floor
    }

    /// a = log(q/p).
    #[inline(always)]
    fn log_ratio<N: Number>(self, item: Shares<N>) -> N {
        -(item.surprise + item.p.max(item.p.constant(self.floor)).ln())
    }
}

impl ShareFunction for ReverseKl {
    #[inline(always)]
    fn term<N: Number>(&self, item: Shares<N>) -> N {
        item.q * self.log_ratio(item)
    }

    #[inline(always)]
    fn slope<N: Number>(&self, item: Shares<N>, sum: N) -> N {
        item.q * (self.log_ratio(item) - sum)
    }

    #[inline(always)]
    fn curvature<N: Number>(&self, item: Shares<N>, sum: N) -> N {
        let distance = self.log_ratio(item) - sum;
        item.q * (item.others_q - item.q).mul_add(distance, item.others_q)
    }

    #[inline(always)]
    fn lever<N: Number>(&self, item: Shares<N>) -> N {
        self.log_ratio(item)
    }

    #[inline(always)]
    fn product<N: Number>(&self, item: Shares<N>, sum: N, v: N, covariance: N) -> N {
        item.q * v.mul_add(self.log_ratio(item) - sum, v - covariance)
    }
}

impl Loss for ReverseKl {
    fn work(&self) -> Work<'_> {
        Work::shares(self)
    }

    fn name(&self) -> Cow<'static, str> {
        "reverse-kl".into()
    }

    fn domain(&self, _: Precision) -> Domain {
        Domain::DIFFERENCES.with_labels(0.0, f64::INFINITY, "at least 0")
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array1;

    use super::*;
    use crate::Lists;
    use crate::losses::testing::{LENGTHS, check_derivatives, close, list, results};
    use crate::losses::{LossExt, Reduction};

    const LABELS: [f64; 4] = [0.0, 1.0, 0.5, 3.0];

    #[test]
    fn derivatives() {
        for floor in [1e-30, (-10.0_f64).exp(), 0.01] {
            check_derivatives(&ReverseKl::new(floor).unwrap(), &LABELS, true);
        }
    }

    #[test]
    fn is_the_formula() {
        let loss = ReverseKl::new(1e-3).unwrap();
        for items in LENGTHS {
            let (scores, labels) = list(items, &LABELS);
            let [all, sum] =
                [scores.iter().map(|s| s.exp()).sum::<f64>(), labels.iter().sum::<f64>()];
            let term = |(s, psi): (&f64, &f64)| {
                let q = s.exp() / all;
                q * (q / (psi / sum).max(1e-3)).ln()
            };
            let expected: f64 = scores.iter().zip(&labels).map(term).sum();
            let expected = if sum == 0.0 { 0.0 } else { expected };
            close(
                "value",
                results::<f64>(&loss, &scores, &labels).0,
                expected,
                1e-13 * items as f64,
            );
        }
    }

    #[test]
    fn scores_that_are_log_labels_are_a_minimum() {
        let labels = [3.0, 1.0, 4.0, 1.5];
        let scores = labels.map(f64::ln);
        let (value, gradient, _) = results::<f64>(&ReverseKl::new(1e-3).unwrap(), &scores, &labels);
        close("value", value, 0.0, 1e-15);
        assert!(gradient.iter().all(|slope| slope.abs() < 1e-15), "{gradient:?}");
    }

    #[test]
    fn an_item_without_a_share_of_the_exponentials_has_no_term() {
        let loss = ReverseKl::new(1e-3).unwrap();
        let (value, gradient, _) = results::<f32>(&loss, &[0.0, -1e38], &[1.0, 1.0]);
        close("value", value, 2.0_f64.ln(), 1e-7);
        assert_eq!(gradient, [0.0, 0.0]);
        assert_eq!(results::<f64>(&loss, &[1.0, 2.0], &[0.0, 0.0]).0, 0.0);
    }

    #[test]
    fn the_hessians_product_is_the_change_of_the_gradient() {
        let loss = ReverseKl::new(1e-3).unwrap();
        for items in LENGTHS {
            let (scores, labels) = list(items, &LABELS);
            let [scores, labels] = [scores, labels].map(Array1::from);
            let direction = Array1::from_shape_fn(items, |k| (k as f64 * 0.7).sin());
            let lists = Lists::dense(&scores, &labels).build().unwrap();
            let product = loss.hessian_product(&lists, Reduction::Sum, &direction).unwrap();
            let step = 1e-5;
            let at = |step: f64| {
                loss.value_and_grad(&(&scores + &(&direction * step)), &labels).unwrap().1
            };
            let change = (at(step) - at(-step)) / (2.0 * step);
            for (&found, &expected) in product.iter().zip(&change) {
                close("product", found, expected, 1e-9);
            }
        }
    }
}
