//! Pair weights: one file a formula.

mod lambda;

pub use lambda::{DiscountDifference, GainDifference, LambdaWeight};
