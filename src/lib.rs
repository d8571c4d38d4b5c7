//! Ranking losses for preference optimisation: from log-probabilities and win probabilities to
//! listwise losses and their exact gradients.
//!
//! *LiPO: Listwise Preference Optimization through Learning-to-Rank* (Liu et al.,
//! [arXiv 2402.01878](https://arxiv.org/abs/2402.01878)) treats the alignment of a language model
//! as a ranking problem. For a prompt there are K responses, each with a score (its implicit reward
//! under the policy) and a label (how good it is); any learning-to-rank loss over scores and labels
//! trains the policy. DPO, SLiC, DPO-PL, PRO and `InfoNCA` are such losses, and so is LiPO-λ.
//!
//! ```
//! use lipo::{labels, losses::{LambdaLoss, LossExt}, scores::ImplicitReward};
//! use ndarray::array;
//!
//! // Log-probabilities of K = 3 responses to each of N = 2 prompts: [N, K].
//! let policy = array![[-12.0, -15.5, -9.0], [-30.0, -28.0, -33.0]];
//! let reference = array![[-13.0, -14.0, -9.5], [-30.0, -30.0, -30.0]];
//! // How often a judge prefers each response to each other: [N, K, K].
//! let wins = array![
//!     [[0.5, 0.9, 0.4], [0.1, 0.5, 0.2], [0.6, 0.8, 0.5]],
//!     [[0.5, 0.5, 0.7], [0.5, 0.5, 0.6], [0.3, 0.4, 0.5]],
//! ];
//!
//! let reward = ImplicitReward::new(0.05)?;                         // β of the paper
//! let scores = reward.scores(&policy, &reference)?;                // [N, K]
//! let psi = labels::from_win_probabilities(&wins)?;                // [N, K, K] -> [N, K]
//! let (loss, grad) = LambdaLoss.value_and_grad(&scores, &psi)?;
//! let grad_log_probs = reward.backward(&grad);                     // ∂L/∂log π, [N, K]
//!
//! assert!((loss - 0.098363_f64).abs() < 1e-6);
//! assert_eq!(grad_log_probs.dim(), (2, 3));
//! # Ok::<(), lipo::Error>(())
//! ```
//!
//! # Where to find what
//!
//! | module | from | to |
//! |---|---|---|
//! | [`objectives`] | the name of a published objective | the reward and the loss that are it |
//! | [`scores`] | log-probabilities of tokens and of responses, β | scores, and the chain rule back |
//! | [`labels`] | win probabilities, ranks, rewards; votes, ratings, rankings | labels |
//! | [`losses`] | scores and labels | losses and gradients: the table of all seven is there |
//! | [`metrics`] | scores and labels | how good the ranking is: NDCG, MAP, pair accuracy, … |
//! | [`lists`] | dense or ragged arrays, masks, weights | what a loss is applied to, checked once |
//! | [`guide`] | another library | its words, options and figures in this one |
//! | [`ranking`] | scores, labels | orders and ranks, gains and discounts, rules for ties |
//!
//! # Shapes
//!
//! Lists lie along the last axis, and every axis before it is a batch axis: one call serves a list
//! `[K]`, a batch `[N, K]` and `[N, M, K]`. Arguments are `&ArrayRef<F, D>`, F being `f32` or `f64`,
//! to which `&Array`, `&ArrayView` (so `&aview1(slice)`) and `&ArrayViewMut` coerce; whether they
//! are contiguous does not matter. Results are owned arrays, or go to arrays of the caller in the
//! `_into` forms, which reuse a [`losses::Workspace`] and allocate nothing after the first call.
//!
//! # Errors
//!
//! Bad input (shapes that differ, NaN and infinities, labels outside a loss's domain, …) is an
//! [`Error`] that names the place and the value; nothing has been written then. No input panics. A
//! finite input whose loss is beyond the type gives ±∞, which is its value rounded.
//!
//! # Accuracy
//!
//! Values are within 16 units in the last place, gradients within 16·u·Σ|terms|, for every loss, type
//! and weight, and no tail is lost: [`guide::accuracy`] says how this is kept and tested. The same input
//! gives the same bits on one machine, whatever stands beside it in a batch and however much padding
//! there is.
//!
//! # Features
//!
//! - `simd` (default): vectors in the widest instruction set that the machine has, chosen at run
//!   time. Without it, the only dependencies are `ndarray` and `num-traits`, and the same loops run on
//!   one number at a time.
//! - `rayon`: a large batch is computed by several threads, `ndarray`'s; the bits are the same
//!   whatever their number. Handing out the parts allocates.

mod check;
mod engine;
mod error;
pub mod guide;
pub mod labels;
pub mod lists;
pub mod losses;
pub mod metrics;
mod numeric;
pub mod objectives;
pub mod ranking;
mod real;
pub mod scores;
mod streams;
mod vector;

pub mod prelude {
    //! What most programs need: `use lipo::prelude::*`.
    //!
    //! ```
    //! use lipo::prelude::*;
    //!
    //! let loss = LambdaLoss.value(&ndarray::array![0.0_f64, 1.0], &ndarray::array![1.0, 0.0])?;
    //! assert!((loss - 0.484686).abs() < 1e-6);
    //! # Ok::<(), lipo::Error>(())
    //! ```

    pub use crate::losses::{
        LambdaLoss, ListMle, Loss, LossExt, PairHinge, PairLogistic, PairLoss, PointMse,
        PointSigmoid, Reduction, Softmax, Workspace,
    };
    pub use crate::metrics::{Metric, MetricExt};
    pub use crate::{Error, Lists, Real, ndarray};
}

/// The README's examples, so that they stay true.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// The array crate whose arrays go in and come out.
pub use ndarray;

pub use error::Error;
pub use lists::{List, Lists};
pub use real::{Precision, Real};
