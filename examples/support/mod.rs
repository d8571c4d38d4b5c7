//! What several examples need to show their results: estimates with intervals ([`stats`]), tables and
//! CSV files ([`table`]), pictures ([`plot`]).
#![allow(dead_code)] // each example needs a part

pub mod plot;
pub mod stats;
pub mod table;
