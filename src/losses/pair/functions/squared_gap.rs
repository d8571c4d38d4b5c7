//! The squared gap: the margin is to be the difference of the labels.
//!
//! φ(d, g) = (d − g)², φ′(d, g) = 2 (d − g), φ″(d, g) = 2, of all pairs, those of equal labels included

use crate::engine::{Pair, PairFunction, PairTerm};

/// φ(d, g) = (d − g)², of the margin d = s_i − s_j and the label gap g = ψ_i − ψ_j, over *all* pairs:
/// Rax's `pairwise_mse_loss`; REBEL at K = 2, `CatBoost`'s `QueryRMSE` up to a factor of K.
///
/// One wants it where labels are on the scale of the scores, such as rewards to be distilled, but a
/// list's offset means nothing: it is [`PointMse`](crate::losses::PointMse) with the offset free. Pairs
/// of equal labels take part; their margin is to be 0.
///
/// A pair counts once. Rax sums over both of its orders and divides by K², pairs of an item with
/// itself included, so that its mean of a list is 2/K² times this value.
///
/// ```
/// use lipo::losses::{LossExt, PairLoss, SquaredGap};
/// use ndarray::array;
///
/// let loss = PairLoss::unweighted(SquaredGap);
/// let (value, grad) =
///     loss.value_and_grad(&array![2.0, 0.0, 1.0], &array![1.0, 0.0, 0.0])?;
/// assert_eq!(value, 2.0); // (2 - 1)² + (1 - 1)² + (1 - 0)², the last of equal labels
/// assert_eq!(grad, array![2.0, -4.0, 2.0]);
/// # Ok::<(), lipo::Error>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct SquaredGap;

crate::formula! {
    impl PairFunction for SquaredGap {
        const GAP: bool = true;
        const TIES: bool = true;
        const EXACT: bool = true;
        const EXPONENTIAL: bool = false;

        fn at<N: Number>(&self, pair: Pair<N>) -> PairTerm<N> {
            // Where the margin is near the gap, the first difference is exact.
            let distance = (pair.margin - pair.gap) + (pair.margin_lost - pair.gap_lost);
            PairTerm::new(distance * distance, distance + distance, distance.constant(2.0))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::losses::PairLoss;
    use crate::losses::testing::{LENGTHS, check_derivatives, check_rax, close, list, results};

    /// Rax has every pair twice: 58.75 and [10, -5, 20, -40, 15].
    #[test]
    fn is_half_of_rax() {
        check_rax(
            &PairLoss::unweighted(SquaredGap),
            "rax.pairwise_mse_loss(s, y, reduce_fn=jnp.sum) / 2",
            29.375,
            [5.0, -2.5, 10.0, -20.0, 7.5],
        );
    }

    #[test]
    fn derivatives() {
        check_derivatives(&PairLoss::unweighted(SquaredGap), &[0.0, 0.5, 2.0, 0.5], true);
    }

    /// Σ_{i < j} (x_i − x_j)² = K Σ (x_i − x̄)² of x = s − ψ.
    #[test]
    fn is_a_variance() {
        for items in LENGTHS {
            let (scores, labels) = list(items, &[0.0, 0.5, 2.0, 0.5]);
            let distances: Vec<_> = scores.iter().zip(&labels).map(|(s, psi)| s - psi).collect();
            let size = items as f64;
            let mean = distances.iter().sum::<f64>() / size;
            let variation: f64 = distances.iter().map(|x| (x - mean).powi(2)).sum();
            let loss = PairLoss::unweighted(SquaredGap);
            let (value, gradient, diagonal) = results::<f64>(&loss, &scores, &labels);
            close("value", value, size * variation, 1e-12 * value.max(1.0));
            for (slope, x) in gradient.iter().zip(&distances) {
                close("slope", *slope, 2.0 * size * (x - mean), 1e-11 * size);
            }
            assert!(diagonal.iter().all(|&curvature| curvature == 2.0 * (size - 1.0)));
        }
    }
}
