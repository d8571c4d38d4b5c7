//! The tests of the library that need no process of their own, in one binary: one link instead of
//! sixteen, and one process whose threads share the machine.
//!
//! Apart stand what counts allocations, what runs the example programs, and the oracle.

#[path = "../common/mod.rs"]
mod common;

mod bad_input;
mod closed_forms;
mod custom_loss;
mod gradients;
mod invariants;
mod lambda_weights;
mod metrics;
mod objectives;
mod propositions;
mod rax_figures;
mod rewards;
mod soft_pairs;
mod strength_figures;
mod strengths;
mod threads;
