//! The surrogate: value and gradient of a loss in any framework that differentiates, without a node.
//!
//! L + Σ_k g_k (s_k − stop_gradient(s_k)) has the value L, and the gradient g with respect to s.

use candle_core::{Result, Tensor};

/// The scalar whose value is `value` and whose gradient with respect to `log_probs` is `grad`.
///
/// Every log-probability must be finite: ∞ − ∞ is NaN. [`node`](crate::node::node) needs no such care.
///
/// ```
/// use candle_core::{Device, Var};
/// use lipo::{losses::{LossExt, PairLogistic}, scores::ImplicitReward};
/// use ndarray::{Array2, array};
///
/// let policy = Var::new(&[[-1.0_f32, -2.0], [-2.5, -2.0]], &Device::Cpu)?; // from a model, [N, K]
/// let reference = array![[-2.0_f32, -1.5], [-2.0, -2.0]];
/// let labels = array![[1.0, 0.0], [0.0, 1.0]];
///
/// let log_probs = Array2::from_shape_vec(policy.dims2()?, policy.flatten_all()?.to_vec1()?)?;
/// let reward = ImplicitReward::new(0.5)?;
/// let scores = reward.scores(&log_probs, &reference)?;
/// let (value, grad) = PairLogistic::default().value_and_grad(&scores, &labels)?;
/// let grad: Vec<f32> = reward.backward(&grad).into_iter().collect();
///
/// // L + Σ g·(s − stop_gradient(s))
/// let grad = candle_core::Tensor::from_vec(grad, policy.shape(), policy.device())?;
/// let loss = ((policy.as_tensor() - policy.detach())? * grad)?.sum_all()? + f64::from(value);
///
/// let grads = loss?.backward()?;
/// let grads = grads.get(&policy).unwrap().to_vec2::<f32>()?;
/// assert!((grads[0][0] + 0.080205).abs() < 1e-6); // -½ · ½ σ(-¾)
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// Those of candle, where `grad` does not have the shape, type and device of `log_probs`.
pub fn surrogate(log_probs: &Tensor, value: f64, grad: &Tensor) -> Result<Tensor> {
    ((log_probs - log_probs.detach())? * grad)?.sum_all()? + value
}
