//! The seven losses by the names that the paper has for them.

use clap::builder::PossibleValuesParser;
use lipo::losses::{
    LambdaLoss, ListMle, Loss, PairHinge, PairLogistic, PointMse, PointSigmoid, Softmax,
};

pub const LOSSES: [&str; 7] = [
    "point-mse",
    "point-sigmoid",
    "pair-hinge",
    "pair-logistic",
    "list-mle",
    "softmax",
    "lambda-loss",
];

/// The loss of a name; the lambda-loss for any other.
pub fn loss(name: &str) -> Box<dyn Loss> {
    match name {
        "point-mse" => Box::new(PointMse),
        "point-sigmoid" => Box::new(PointSigmoid),
        "pair-hinge" => Box::new(PairHinge),
        "pair-logistic" => Box::new(PairLogistic),
        "list-mle" => Box::new(ListMle),
        "softmax" => Box::new(Softmax),
        _ => Box::new(LambdaLoss),
    }
}

/// Of the command line: one of the names.
pub fn loss_parser() -> PossibleValuesParser {
    PossibleValuesParser::new(LOSSES)
}
