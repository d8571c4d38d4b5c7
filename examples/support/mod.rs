//! The parts that several examples share: the losses by name ([`named`]), an optimiser ([`optim`]),
//! estimates with intervals ([`stats`]), tables and CSV files ([`table`]), pictures ([`plot`]), text as
//! people have it ([`text`]), and lines that may go unread ([`say`]).
#![allow(dead_code, unused_imports)] // each example needs a part

use std::fmt::Display;
use std::io::{self, Write};

pub mod named;
pub mod optim;
pub mod plot;
pub mod stats;
pub mod table;
pub mod text;

/// Prints a line. Where nobody reads on, as after `| head`, there are still files to write: that is no
/// error.
pub fn say(line: impl Display) -> io::Result<()> {
    match writeln!(io::stdout(), "{line}") {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}
