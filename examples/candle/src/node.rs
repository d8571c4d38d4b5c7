//! A loss of lipo as a node of candle's graph.
//!
//! candle differentiates tensors, lipo computes value and gradient of arrays. The node copies the
//! log-probabilities to the host, has lipo compute both, and copies the gradient back; the backward
//! pass multiplies it by the slope that arrives. That is one copy each way, and works on every device.
//!
//! ```
//! use candle_core::{Device, Var};
//! use lipo::{losses::{LambdaLoss, LossExt}, scores::ImplicitReward};
//! use lipo_candle::node::node;
//! use ndarray::array;
//!
//! let policy = Var::new(&[[-12.0_f32, -15.5, -9.0], [-30.0, -28.0, -33.0]], &Device::Cpu)?;
//! let reference = array![[-13.0_f32, -14.0, -9.5], [-30.0, -30.0, -30.0]];
//! let labels = array![[0.6, 0.3, 0.6], [0.5, 0.6, 0.4]];
//!
//! let reward = ImplicitReward::new(0.05)?;
//! let loss = node(&policy, |policy| {
//!     let scores = reward.scores(policy, &reference)?;
//!     let (value, grad) = LambdaLoss::default().value_and_grad(&scores, &labels)?;
//!     Ok::<_, lipo::Error>((value, reward.backward(&grad)))
//! })?;
//! let grads = loss.backward()?; // candle goes on from here to the weights
//! assert_eq!(grads.get(&policy).unwrap().dims(), [2, 3]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use candle_core::backend::{BackendDevice, BackendStorage};
use candle_core::{
    CpuStorage, CudaStorage, CustomOp1, Layout, MetalStorage, Result, Shape, Tensor, WithDType,
};
use ndarray::Array2;

/// The scalar `function(log_probs)` of log-probabilities `[N, K]`, as a node of candle's graph.
///
/// `function` returns a value and its gradient with respect to the log-probabilities: a loss of lipo
/// after a reward, and back. F, `f32` or `f64`, is the tensor's type.
///
/// # Errors
///
/// Those of `function`, of a tensor that is not `[N, K]` of type F, and of a gradient of another shape.
pub fn node<F, E>(
    log_probs: &Tensor,
    function: impl FnOnce(&Array2<F>) -> std::result::Result<(F, Array2<F>), E>,
) -> Result<Tensor>
where
    F: WithDType,
    E: std::error::Error + Send + Sync + 'static,
{
    let shape = log_probs.dims2()?;
    let host = log_probs.flatten_all()?.to_vec1()?;
    let host = Array2::from_shape_vec(shape, host).map_err(candle_core::Error::wrap)?;
    let (value, grad) = function(&host).map_err(candle_core::Error::wrap)?;
    if grad.dim() != shape {
        candle_core::bail!("a gradient {:?} of log-probabilities {shape:?}", grad.dim());
    }
    let grad = Tensor::from_vec(grad.into_iter().collect(), shape, log_probs.device())?;
    log_probs.apply_op1(Node { value, grad })
}

/// What is known of the node when it is made: everything.
struct Node<F> {
    value: F,
    grad: Tensor,
}

impl<F: WithDType> Node<F> {
    fn scalar<S>(&self, beside: &S) -> Result<(S, Shape)>
    where
        S: BackendStorage<Device: BackendDevice<Storage = S>>,
    {
        Ok((beside.device().storage_from_slice(&[self.value])?, Shape::from(())))
    }
}

impl<F: WithDType> CustomOp1 for Node<F> {
    fn name(&self) -> &'static str {
        "lipo"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        self.scalar(storage)
    }

    fn cuda_fwd(&self, storage: &CudaStorage, _: &Layout) -> Result<(CudaStorage, Shape)> {
        self.scalar(storage)
    }

    fn metal_fwd(&self, storage: &MetalStorage, _: &Layout) -> Result<(MetalStorage, Shape)> {
        self.scalar(storage)
    }

    fn bwd(&self, _: &Tensor, _: &Tensor, slope: &Tensor) -> Result<Option<Tensor>> {
        self.grad.broadcast_mul(slope).map(Some)
    }
}
