//! The seven losses of the paper by their names, in one table.

use clap::builder::PossibleValuesParser;
use lipo::losses::{Loss, PAPER};

/// The names, in the order of the paper's Table 1.
pub const LOSSES: [&str; PAPER.len()] = {
    let mut names = [""; PAPER.len()];
    let mut row = 0;
    while row < PAPER.len() {
        names[row] = PAPER[row].0;
        row += 1;
    }
    names
};

/// The loss of one of the names.
pub fn loss(name: &str) -> Box<dyn Loss> {
    name.parse().unwrap_or_else(|error| panic!("{error}"))
}

/// The parser of an argument that is one of the names.
pub fn loss_parser() -> PossibleValuesParser {
    PossibleValuesParser::new(LOSSES)
}
