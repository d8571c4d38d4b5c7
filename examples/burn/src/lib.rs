//! lipo's losses in [burn](https://burn.dev).
//!
//! burn's autodiff records tensor operations, and a loss of lipo is a function of arrays that returns
//! its gradient. Two ways put the one into the graph of the other; their gradients have the same bits:
//!
//! - [`surrogate`], two lines of tensor operations on any backend;
//! - [`node::known_gradient`], a node of the graph with a backward pass of its own.
//!
//! ```
//! use burn::tensor::{Device, Tensor};
//! use lipo::losses::{LambdaLoss, LossExt};
//! use lipo_burn::{surrogate, to_array, to_tensor};
//! use ndarray::array;
//!
//! let device = Device::flex().autodiff();
//! let log_ratios = Tensor::<2>::from_data([[0.4_f32, -1.0, 0.1]], &device).require_grad();
//! let scores = log_ratios.clone() * 0.5; // β (log π − log π_ref)
//!
//! let psi = array![[0.9_f32, 0.5, 0.1]];
//! let (loss, grad) = LambdaLoss.value_and_grad(&to_array(&scores), &psi)?;
//! let loss = surrogate(loss, to_tensor(grad, &scores), scores);
//! let grads = loss.backward();
//! assert_eq!(log_ratios.grad(&grads).unwrap().dims(), [1, 3]);
//! # Ok::<(), lipo::Error>(())
//! ```

use burn::tensor::{Element, ElementConversion, Tensor, TensorData};
use lipo::losses::{Loss, PAPER};
use ndarray::Array2;

pub mod node;

/// A scalar of value `loss` whose derivative with respect to `x` is `grad`: L + Σ g·(x − stop_gradient(x)).
///
/// Both are exact, because the difference is exactly 0 and its derivative exactly 1. The numbers of
/// `x` have to be finite, though, even those of padding: ∞ − ∞ would make the value NaN. Fill
/// padding with 0 (`mask_fill`), or use [`node::known_gradient`], which does not look at them.
pub fn surrogate<const D: usize>(
    loss: impl ElementConversion,
    grad: Tensor<D>,
    x: Tensor<D>,
) -> Tensor<1> {
    let zero = x.clone() - x.detach();
    (grad * zero).sum() + loss
}

/// The numbers of a tensor as an array on the host, in the precision F that the loss is to be
/// computed in: `f64` for tensors of `f64`, `f32` for all others.
///
/// # Panics
///
/// As [`Tensor::into_data`]: where the device fails to hand over its data.
#[must_use]
pub fn to_array<F: Element>(x: &Tensor<2>) -> Array2<F> {
    let numbers = x.clone().try_into_vec_as().expect("a tensor that can be read");
    Array2::from_shape_vec(x.dims(), numbers).expect("as many numbers as the shape says")
}

/// An array as a constant tensor on the device of `like`, and of its float type.
#[must_use]
pub fn to_tensor<F: Element>(array: Array2<F>, like: &Tensor<2>) -> Tensor<2> {
    let (rows, columns) = array.dim();
    let numbers = array.into_iter().collect(); // in logical order, whatever the layout
    Tensor::from_data(TensorData::new(numbers, [rows, columns]), (&like.device(), like.dtype()))
}

/// The seven losses by name, for the program and the tests; any other loss of lipo does as well.
#[must_use]
pub fn losses() -> [(&'static str, Box<dyn Loss>); 7] {
    PAPER.map(|(name, make)| (name, make()))
}
