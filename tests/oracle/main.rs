//! The losses against their definitions in numbers of 128 bits and an endless exponent.
//!
//! - The oracle: [`number`] and [`definitions`], which [`figures`] hold to 800 digits.
//! - The promise: [`accuracy`].
//! - What it is held to: the table of [`losses`].
//! - The tests: [`faults`] of the past by name, lists of all [`sizes`], an adversarial [`search`], and
//!   [`laws`] that every loss passes.
//!
//! The search runs for seconds as a test. By hand it runs for as long as one likes:
//!
//! ```sh
//! LIPO_SEARCH_SECONDS=600 cargo test --release --test oracle search -- --nocapture
//! ```

mod accuracy;
mod definitions;
mod faults;
mod figures;
mod laws;
mod losses;
mod number;
mod search;
mod sizes;
