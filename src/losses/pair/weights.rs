//! Pair weights: one file a formula.

mod lambda;
mod rank_distance;

pub use lambda::{DiscountDifference, GainDifference, LambdaWeight};
pub use rank_distance::RankDistance;
