//! Ranking losses for preference optimisation.

mod check;
mod error;
pub mod labels;
pub mod lists;
pub mod losses;
mod numeric;
pub mod order;
mod real;
pub mod scores;

pub use error::Error;
pub use lists::{List, Lists};
pub use real::{Precision, Real};
