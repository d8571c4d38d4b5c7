//! From log-probabilities to scores: implicit rewards, sequence log-probabilities, and the way back.
//!
//! A trainer goes through this module twice. Forward, from the log-probabilities of tokens to the
//! scores that a loss takes:
//!
//! 1. [`SequenceLogProbs::log_probs`]: tokens `[.., K, T]` to responses `[.., K]`;
//! 2. the `scores` of a reward: responses `[.., K]` to scores `[.., K]`.
//!
//! And back, from the loss's gradient to that of the policy's log-probabilities, by the `backward`
//! of each in the opposite order. From there the model's own back-propagation takes over.
//!
//! Three forms of each, from the shortest to the most general: `scores` and `log_probs` take arrays;
//! `scores_over` and `log_probs_over` take [`Responses`] and [`Tokens`], which add a mask, a β for each
//! list, token weights, or another bound of log-probabilities; the `_into` forms write the caller's
//! array, and allocate nothing as long as the arrays are in standard layout (with the feature `rayon`,
//! handing out the parts of large arrays does).
//!
//! # The rewards
//!
//! | reward | s_k | used by |
//! |---|---|---|
//! | [`ImplicitReward`] | β (log π − log π_ref) | DPO, SLiC (norm), NCA, LiPO |
//! | the same, of [`SequenceLogProbs::Mean`] | β (log π − log π_ref) / \|y\| | TRL's `ipo` (β = 1) |
//! | [`ReferenceFreeReward`] | β log π | SLiC-HF, CPO, `reference_free` |
//! | the same, of [`SequenceLogProbs::Mean`] | β log π / \|y\| | SimPO; RRHF and PRO (β = 1) |
//! | [`FDivergenceReward`] | β f′(π / π_ref) | f-DPO: reverse and forward KL, Jensen–Shannon, α |
//!
//! All implement [`Reward`], a function of the log-ratio and its chain rule; a reward of your own does
//! the same in a few lines, and has every form from [`RewardExt`]. SimPO's target margin γ is one of
//! pairs, not of responses (a constant in every score would cancel), so it belongs to the loss:
//! [`TargetMargin`](crate::losses::TargetMargin). [`objectives`](crate::objectives) has each published
//! objective as the reward and the loss that make it.
//!
//! ```
//! use lipo::scores::{ReferenceFreeReward, SequenceLogProbs};
//! use ndarray::array;
//!
//! // SimPO's reward of two responses, of three tokens and of one.
//! let tokens = array![[-1.0, -0.5, -0.75], [-2.0, f64::NAN, f64::NAN]];
//! let mask = array![[true, true, true], [true, false, false]];
//! let reward = ReferenceFreeReward::new(2.0)?;
//! let scores = reward.scores(&SequenceLogProbs::Mean.log_probs(&tokens, &mask)?)?;
//! assert_eq!(scores, array![-1.5, -4.0]);
//!
//! // And from the gradient of a loss back to the tokens: β / |y| times as steep.
//! let grad = SequenceLogProbs::Mean.backward(&reward.backward(&array![-0.375, 0.375]), &mask)?;
//! assert_eq!(grad, array![[-0.25, -0.25, -0.25], [0.75, 0.0, 0.0]]);
//! # Ok::<(), lipo::Error>(())
//! ```
//!
//! # What trainers clip, and this does not
//!
//! Nothing here is clipped: a clipped value has a gradient of 0, and a loss that looks well. TRL
//! bounds the exponents of its f-divergences (at 80 in `f32`, in earlier versions at the logarithm
//! of the largest number), so that past the bound a response no longer learns. Here a score
//! beyond the type is ±∞, which [`Lists`](crate::Lists) report with its place; such a list can be
//! masked. The token log-probabilities go in as they are, too: what half precision rounds above 0
//! passes up to 0.1, or up to the bound that [`Responses::at_most`] and [`Tokens::at_most`] set.

use ndarray::{Array, ArrayRef, Dimension};

use crate::check::{Mask, in_order, unravel, within};
use crate::streams::{self, Products, Within};
use crate::{Error, Real};

mod f_divergence;
mod implicit_reward;
mod reference_free;
mod reward;
mod sequence_log_probs;

pub use f_divergence::{FDivergence, FDivergenceReward};
pub use implicit_reward::ImplicitReward;
pub use reference_free::ReferenceFreeReward;
pub use reward::{Responses, Reward, RewardExt};
pub use sequence_log_probs::{SequenceLogProbs, TokenWeight, Tokens, Workspace};

/// β, which must be finite and positive.
fn checked_beta(beta: f64) -> Result<f64, Error> {
    if beta > 0.0 && beta.is_finite() {
        return Ok(beta);
    }
    Err(Error::Parameter { name: "beta", value: beta, range: "finite and positive" })
}

/// The chain rule of scores that are β times a log-probability.
fn scaled<F: Real, D: Dimension>(beta: f64, grad: &ArrayRef<F, D>) -> Array<F, D> {
    let mut scaled = Array::zeros(grad.raw_dim());
    let (minuends, out) = (&*in_order(grad), scaled.as_slice_mut().unwrap_or_default());
    let (factor, rows) = (beta, None);
    streams::run(Products { minuends, subtrahends: None, mask: None, factor, rows, out });
    scaled
}

/// The greatest log-probability that passes for one.
#[derive(Debug, Clone, Copy, PartialEq)]
struct LogProbBound(f64);

impl LogProbBound {
    const DEFAULT: Self = Self(0.1);

    /// What log-probabilities are to be, in words.
    fn range(self) -> &'static str {
        if self == Self::DEFAULT {
            "a log-probability, at most 0 (or 0.1, rounded)"
        } else {
            "a log-probability, at most the bound that was set"
        }
    }

    /// The bound in the arrays' type, finite.
    fn checked<F: Real>(self) -> Result<F, Error> {
        let Self(greatest) = self;
        if greatest >= 0.0 {
            return Ok(F::narrow(greatest).min(F::max_value()));
        }
        let name = "the greatest log-probability";
        Err(Error::Parameter { name, value: greatest, range: "at least 0" })
    }

    /// Whether all log-probabilities that exist are finite and within the bound.
    fn check<F: Real, D: Dimension>(
        self,
        what: &'static str,
        log_probs: &ArrayRef<F, D>,
        mask: &Mask<'_>,
    ) -> Result<(), Error> {
        let (least, greatest) = (F::min_value(), self.checked()?);
        let numbers = &*in_order(log_probs);
        if streams::run(Within { numbers, mask: mask.get(), least, greatest }) {
            return Ok(());
        }
        self.find(what, numbers, log_probs.shape(), |item| mask.exists(item))
    }

    /// The error of the first log-probability that is none.
    fn find<F: Real>(
        self,
        what: &'static str,
        log_probs: &[F],
        shape: &[usize],
        exists: impl Fn(usize) -> bool,
    ) -> Result<(), Error> {
        let greatest: F = self.checked()?;
        for (item, &log_prob) in log_probs.iter().enumerate().filter(|&(item, _)| exists(item)) {
            let inside = (|x| x <= greatest.widen(), self.range());
            within(what, log_prob, inside, || unravel(item, shape))?;
        }
        Ok(())
    }
}
