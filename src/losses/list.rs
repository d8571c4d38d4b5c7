//! Losses of whole lists: one file a formula.

mod list_mle;
mod nca;
mod positional;
mod pro;
mod reverse_kl;
mod softmax;

pub use list_mle::ListMle;
pub use nca::Nca;
pub use positional::{ExponentialPositions, FirstPositions, PositionalListMle};
pub use pro::Pro;
pub use reverse_kl::ReverseKl;
pub use softmax::Softmax;
