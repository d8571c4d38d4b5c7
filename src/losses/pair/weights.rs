//! Pair weights: one file a formula.

mod average_precision;
mod lambda;
mod rank_distance;
mod truncated;

pub use average_precision::AveragePrecisionWeight;
pub use lambda::{DiscountDifference, GainDifference, LambdaWeight};
pub use rank_distance::RankDistance;
pub use truncated::TruncatedLambdaWeight;
