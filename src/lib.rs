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
//! let (loss, grad) = LambdaLoss::default().value_and_grad(&scores, &psi)?;
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
//! | [`ranking`] | scores; labels; ranks | orders and ranks, gains, discounts, rules for ties |
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
//! Held against arithmetic of 800 digits on hard inputs: ties, offsets of 10⁷, spreads of 10⁴,
//! differences of 10⁻⁷, scores of 10³⁰⁰, and small lists whose errors nothing averages out
//! (`tests/exact_figures.rs`):
//!
//! | | values | gradients |
//! |---|---|---|
//! | `f32`, feature `simd` | within 2 ulp | within 4 u Σ\|terms\| |
//! | `f32`, without `simd`, and losses without fast kernels | within 1 ulp | within 4 u Σ\|terms\| |
//! | `f64`, feature `simd` | within 4 ulp, lambda-loss 8 | within 8 u Σ\|terms\| |
//! | `f64`, without `simd`, and losses without fast kernels | within 2 ulp | within 4 u Σ\|terms\| |
//!
//! u is half the distance from 1 to the next float, and Σ|terms| adds up the magnitudes of what a
//! gradient entry is made of. What comes near the smallest normal number of the type, or is made of
//! factors that do, has less. The same input gives the same bits on one machine, whatever stands
//! beside it in a batch and however much padding there is.
//!
//! # Features
//!
//! - `simd` (default): fast kernels for the seven losses, in the widest instruction set that the
//!   machine has, chosen at run time. Without it, the only dependencies are `ndarray` and
//!   `num-traits`, and everything goes through the plain kernels.
//! - `rayon`: a large batch is computed by several threads, `ndarray`'s; the bits are the same
//!   whatever their number. Handing out the parts allocates.

mod check;
mod engine;
mod error;
pub mod labels;
pub mod lists;
pub mod losses;
pub mod metrics;
mod numeric;
pub mod objectives;
pub mod ranking;
mod real;
pub mod scores;
mod vector;

/// The README's examples, so that they stay true.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

pub use error::Error;
pub use lists::{List, Lists};
pub use real::{Precision, Real};
