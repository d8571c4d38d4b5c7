//! The losses and rewards of lipo in candle's graph, and preference fine-tuning of a causal language
//! model with them.
//!
//! | module | holds |
//! |---|---|
//! | [`node`] | any function whose value and gradient lipo knows, as a node of candle's graph |
//! | [`surrogate`] | the same in two lines and without a node, for any framework with gradients |
//! | [`objective`] | losses and rewards by name; the only file that calls lipo's losses |
//! | [`log_probs`] | token log-probabilities, without an array of positions × vocabulary |
//! | [`model`], [`weights`] | a Llama-type decoder of differentiable operations, and its files |
//! | [`data`] | JSON Lines of preferences to token ids, and to batches |
//! | [`reference`] | the reference's log-probabilities, computed once and kept beside the data |
//! | [`optimizer`] | AdamW with moments that can be saved; warm-up, decay, clipping |
//! | [`train`], [`checkpoint`] | the training loop, and what it takes to go on after an interruption |
//! | [`evaluate`], [`report`] | held-out metrics; CSV, picture, progress |
//! | [`job`] | the arguments of `finetune train`, and what it does with them |
//! | [`files`] | files that are whole or not there |
//! | [`demo`] | a tiny model, its tokenizer and a task, made from a seed |

pub mod checkpoint;
pub mod data;
pub mod demo;
pub mod evaluate;
pub mod files;
pub mod job;
pub mod log_probs;
pub mod model;
pub mod node;
pub mod objective;
pub mod optimizer;
pub mod reference;
pub mod report;
pub mod surrogate;
pub mod train;
pub mod weights;

/// An error is a sentence that names what is wrong, and where.
pub type Error = Box<dyn std::error::Error + Send + Sync>;
/// The result of everything here that can fail.
pub type Result<T> = std::result::Result<T, Error>;

/// Puts the place in front of an error's message.
pub trait Context<T> {
    /// `place: message`
    ///
    /// # Errors
    ///
    /// The same, with the place in front.
    fn at(self, place: impl std::fmt::Display) -> Result<T>;
}

impl<T, E: std::fmt::Display> Context<T> for std::result::Result<T, E> {
    fn at(self, place: impl std::fmt::Display) -> Result<T> {
        self.map_err(|error| format!("{place}: {error}").into())
    }
}
