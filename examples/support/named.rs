//! The seven losses of the paper by their names, in one table.

use clap::builder::PossibleValuesParser;
use lipo::losses::{
    LambdaLoss, ListMle, Loss, PairHinge, PairLogistic, PointMse, PointSigmoid, Softmax,
};

type Row = (&'static str, fn() -> Box<dyn Loss>);

const TABLE: [Row; 7] = [
    ("point-mse", || Box::new(PointMse)),
    ("point-sigmoid", || Box::new(PointSigmoid)),
    ("pair-hinge", || Box::new(PairHinge::default())),
    ("pair-logistic", || Box::new(PairLogistic::default())),
    ("list-mle", || Box::new(ListMle)),
    ("softmax", || Box::new(Softmax)),
    ("lambda-loss", || Box::new(LambdaLoss::default())),
];

/// The names, in the order of the paper's Table 1.
pub const LOSSES: [&str; TABLE.len()] = {
    let mut names = [""; TABLE.len()];
    let mut row = 0;
    while row < TABLE.len() {
        names[row] = TABLE[row].0;
        row += 1;
    }
    names
};

/// The loss of one of the names.
pub fn loss(name: &str) -> Box<dyn Loss> {
    let row = TABLE.iter().find(|(known, _)| *known == name);
    let (_, make) = row.unwrap_or_else(|| panic!("{name:?} is none of {LOSSES:?}"));
    make()
}

/// The parser of an argument that is one of the names.
pub fn loss_parser() -> PossibleValuesParser {
    PossibleValuesParser::new(LOSSES)
}
