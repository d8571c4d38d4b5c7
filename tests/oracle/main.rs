//! The losses against their definitions in numbers of 128 bits and an endless exponent.
//!
//! [`number`] and [`definitions`] are the oracle, [`accuracy`] is the promise, [`losses`] the table of
//! what it is held to: named faults ([`faults`]), an adversarial search ([`search`]), laws ([`laws`]).
//!
//! The search runs for seconds as a test. By hand it runs for as long as one likes:
//!
//! ```sh
//! LIPO_SEARCH_SECONDS=600 cargo test --release --test oracle search -- --nocapture
//! ```

mod accuracy;
mod definitions;
mod faults;
mod losses;
mod number;
mod search;
