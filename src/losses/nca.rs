//! Noise contrastive alignment.
//!
//! l(s, ψ) = −Σ_k [p_k log σ(s_k) + (1/K) log σ(−s_k)], p_k = w_k ψ_k / Σ_j w_j ψ_j
//!         = Σ_k [p_k max(−s_k, 0) + max(s_k, 0)/K + (p_k + 1/K) log(1 + e^−|s_k|)]
//!
//! ∂l/∂s_k = σ(s_k)/K − p_k σ(−s_k)

use crate::losses::softmax::{scaled_label, surprise_of_label, weighted_label};
use crate::losses::{Loss, Scratch};
use crate::numeric::{DoubleDouble, Logistic, Sum};
use crate::{Error, List};

/// NCA: −Σ_k \[p_k log σ(s_k) + (1/K) log σ(−s_k)\] with shares p = ψ / Σψ of labels ψ ≥ 0 (Chen et
/// al. 2024, [arXiv 2402.05369](https://arxiv.org/abs/2402.05369), Section 4).
///
/// A response drawn from the labels' shares is told from one drawn from all K alike. Its companion
/// `InfoNCA` is [`Softmax`](crate::losses::Softmax); in both the paper's labels of a response with
/// reward r are e^(r/α). Unlike that one it holds each score to a place of its own: it is no
/// function of their differences. With one-hot labels and K = 2 it is TRL's `nca_pair`.
///
/// Weights multiply the labels before these are normalised. A list whose labels sum to 0 has value
/// and gradient 0. Terms, for
/// [`Reduction::MeanOverTerms`](crate::losses::Reduction::MeanOverTerms), are the lists.
///
/// A negative label is [`Error::OutOfRange`].
///
/// ```
/// use lipo::losses::{LossExt, Nca};
/// use ndarray::array;
///
/// let (value, grad) = Nca.value_and_grad(&array![0.0_f64, 0.0], &array![1.0, 0.0])?;
/// assert!((value - 1.386294).abs() < 1e-6); // 2 log 2
/// assert_eq!(grad, array![-0.25, 0.25]); // ½/2 - ½, ½/2
/// # Ok::<(), lipo::Error>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Nca;

impl Loss for Nca {
    fn list(&self, list: &List<'_>, grad: &mut [f64], _: &mut Scratch) -> f64 {
        let weighted = (0..list.len()).map(|k| weighted_label(list, k));
        let positive = weighted.filter(|(label, _)| label.hi > 0.0);
        let exponent = positive.map(|(_, exponent)| exponent).max().unwrap_or(0);
        let label = |k| scaled_label(list, k, exponent);
        let label_sum = (0..list.len()).fold(DoubleDouble::ZERO, |sum, k| sum + label(k));
        if label_sum.hi == 0.0 {
            grad.fill(0.0);
            return 0.0;
        }

        let noise = DoubleDouble::ONE / (list.len() as f64).into();
        let mut value = Sum::default();
        for (k, &score) in list.scores().iter().enumerate() {
            let share = label(k) / label_sum;
            let at = Logistic::at(score);
            value.add_exact((share + noise) * at.log);
            if score < 0.0 {
                let below = DoubleDouble::from(-score);
                value.add_exact(surprise_of_label(list, k, below, exponent, label_sum));
            } else {
                value.add_exact(noise * score);
            }
            grad[k] = (noise * at.rise - share * at.fall).round();
        }
        value.total()
    }

    fn check(&self, list: &List<'_>) -> Result<(), Error> {
        match list.labels().iter().position(|&label| label < 0.0) {
            Some(item) => Err(list.label_out_of_range(item, "at least 0")),
            None => Ok(()),
        }
    }
}
