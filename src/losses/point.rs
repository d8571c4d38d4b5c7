//! Point losses: one term an item.

mod mse;
mod sigmoid;
mod utility;

use std::borrow::Cow;

pub use mse::PointMse;
pub use sigmoid::PointSigmoid;
pub use utility::Utility;

use crate::engine::{PointFunction, Work};
use crate::losses::Loss;

/// A point loss: Σ_k w_k f(s_k, ψ_k), of a [`PointFunction`] f.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PointLoss<P> {
    /// f.
    pub function: P,
}

impl<P> PointLoss<P> {
    /// The point loss of a function.
    pub const fn new(function: P) -> Self {
        Self { function }
    }
}

impl<P: PointFunction> Loss for PointLoss<P> {
    fn work(&self) -> Work<'_> {
        Work::points(&self.function)
    }

    fn name(&self) -> Cow<'static, str> {
        Cow::Owned(format!("{:?}", self.function))
    }
}
