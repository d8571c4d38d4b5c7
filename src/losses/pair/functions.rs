//! Pair functions: one file a formula.

mod davidson;
mod hinge;
mod logistic;
mod soft_zero_one;
mod squared;
mod squared_gap;
mod target_margin;

pub use davidson::Davidson;
pub use hinge::Hinge;
pub use logistic::{Logistic, RobustLogistic, SmoothedLogistic};
pub use soft_zero_one::SoftZeroOne;
pub use squared::SquaredDifference;
pub use squared_gap::SquaredGap;
pub use target_margin::TargetMargin;
