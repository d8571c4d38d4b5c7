//! Pair functions: one file a formula.

mod hinge;
mod logistic;
mod squared;
mod target_margin;

pub use hinge::Hinge;
pub use logistic::{Logistic, RobustLogistic, SmoothedLogistic};
pub use squared::SquaredDifference;
pub use target_margin::TargetMargin;
