//! The guide: what comes from where, and the choices that this crate leaves to you.
//!
//! - [`glossary`]: the words of ranking and of preference optimisation, and the symbols of the docs.
//! - [`frameworks`]: how an autodiff framework takes a gradient from this crate.
//! - [`rax`]: how Rax's figures come out of this crate.
//! - [`trl`]: TRL's options by their names here.
//! - [`boosting`]: gradients and second derivatives for XGBoost's and LightGBM's objectives.
//! - [`ties`]: equal scores and equal labels.
//! - [`reductions`]: means over lists and over terms, and losses of batches that do not fit into memory.
//! - [`accuracy`]: what is promised, and how it is kept.

#[doc = include_str!("guide/accuracy.md")]
pub mod accuracy {}

#[doc = include_str!("guide/boosting.md")]
pub mod boosting {}

#[doc = include_str!("guide/frameworks.md")]
pub mod frameworks {}

#[doc = include_str!("guide/glossary.md")]
pub mod glossary {}

#[doc = include_str!("guide/rax.md")]
pub mod rax {}

#[doc = include_str!("guide/reductions.md")]
pub mod reductions {}

#[doc = include_str!("guide/ties.md")]
pub mod ties {}

#[doc = include_str!("guide/trl.md")]
pub mod trl {}
