//! A node of burn's autodiff graph whose gradient is known beforehand.
//!
//! This is what burn calls a backend extension: an operation on the tensors of a backend, here of
//! `Flex`, and its counterpart on those of `Autodiff`, which records how to go back. For another
//! backend, add its name to the list in `backend_extension` and an empty `impl` like that of `Flex`.

use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, Flex, TensorMetadata, backend_extension};
use burn::tensor::{Element, Tensor, TensorData};

/// A scalar of value `loss` whose derivative with respect to `x` is `grad`.
///
/// The same as [`surrogate`](crate::surrogate), without arithmetic on `x`: its padding may hold
/// anything.
pub fn known_gradient<const D: usize>(
    loss: impl Element,
    grad: Tensor<D>,
    x: Tensor<D>,
) -> Tensor<1> {
    let options = (&x.device(), x.dtype());
    let value = Tensor::<1>::from_data(TensorData::from([loss]), options).into_dispatch();
    let (x, grad) = (x.into_dispatch(), grad.into_dispatch());
    Tensor::from_dispatch(<Dispatch as KnownGradient>::known_gradient(x, value, grad))
}

/// The operation, on the tensors of a backend.
#[backend_extension(Flex, Autodiff)]
pub trait KnownGradient: Backend {
    /// `value`, whose derivative with respect to `x` is `grad`; without autodiff, just `value`.
    fn known_gradient(
        x: FloatTensor<Self>,
        value: FloatTensor<Self>,
        grad: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let _ = (x, grad);
        value
    }
}

impl KnownGradient for Flex {}

impl<B: Backend, C: CheckpointStrategy> KnownGradient for Autodiff<B, C> {
    fn known_gradient(
        x: FloatTensor<Self>,
        value: FloatTensor<Self>,
        grad: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let value = value.into_primitive();
        match Backward::<B, 1>::prepare::<C>(Step, [x.node()]).compute_bound().stateful() {
            OpsKind::Tracked(step) => step.finish(grad.into_primitive(), value),
            OpsKind::UnTracked(step) => step.finish(value),
        }
    }
}

/// The way back, whose state is the gradient.
#[derive(Debug)]
struct Step;

impl<B: Backend> Backward<B, 1> for Step {
    type State = FloatTensor<B>;

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let [x] = ops.parents;
        let (grad, upstream) = (ops.state, grads.consume::<B>(&ops.node));
        if let Some(x) = x {
            // The upstream derivative is one number, which every axis is to be multiplied by.
            let shape = grad.shape();
            let ones = shape.iter().map(|_| 1).collect::<Vec<_>>();
            let upstream = B::float_expand(B::float_reshape(upstream, ones.into()), shape);
            grads.register::<B>(x.id, B::float_mul(grad, upstream));
        }
    }
}
