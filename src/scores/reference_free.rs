//! The reference-free reward.
//!
//! s_k = β log π(y_k|x), ∂s_k/∂log π(y_k|x) = β

use ndarray::{Array, ArrayRef, Dimension};

use super::{Responses, Reward, RewardExt, checked_beta, scaled};
use crate::{Error, Real};

/// The reference-free reward s_k = β log π(y_k|x), of SLiC-HF and CPO; of length-averaged
/// log-probabilities ([`SequenceLogProbs::Mean`](super::SequenceLogProbs::Mean)) SimPO's (Meng et
/// al., [arXiv 2405.14734](https://arxiv.org/abs/2405.14734), Eq. 4), and with β = 1 that of RRHF and
/// PRO.
///
/// It is [`ImplicitReward`](super::ImplicitReward) under a reference that gives every response the
/// same probability. What is said there of log-probabilities and of overflow holds here too.
///
/// ```
/// use lipo::scores::ReferenceFreeReward;
/// use ndarray::array;
///
/// let reward = ReferenceFreeReward::new(2.0)?;
/// assert_eq!(reward.scores(&array![-0.75, -1.5])?, array![-1.5, -3.0]);
/// assert_eq!(reward.backward(&array![-1.0, 0.5]), array![-2.0, 1.0]);
/// # Ok::<(), lipo::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ReferenceFreeReward {
    beta: f64,
}

impl ReferenceFreeReward {
    /// The reward with a coefficient β, finite and positive.
    ///
    /// # Errors
    ///
    /// [`Error::Parameter`] for any other β.
    pub fn new(beta: f64) -> Result<Self, Error> {
        Ok(Self { beta: checked_beta(beta)? })
    }

    /// β.
    #[must_use]
    pub fn beta(&self) -> f64 {
        self.beta
    }

    /// The scores of responses whose log-probabilities are given, both `[.., K]`:
    /// [`scores_over`](RewardExt::scores_over) without a mask.
    ///
    /// # Errors
    ///
    /// Those of `scores_over`.
    pub fn scores<F: Real, D: Dimension>(
        &self,
        policy: &ArrayRef<F, D>,
    ) -> Result<Array<F, D>, Error> {
        self.scores_over(&Responses::reference_free(policy))
    }

    /// The chain rule: from ∂L/∂s to ∂L/∂log π, both `[.., K]`; ∂L/∂log π = β ∂L/∂s.
    ///
    /// Masked responses need no mask here: their gradient is 0 and stays 0.
    #[must_use]
    pub fn backward<F: Real, D: Dimension>(&self, grad: &ArrayRef<F, D>) -> Array<F, D> {
        scaled(self.beta, grad)
    }
}

/// The reference of the responses, where there is one, is not looked at.
impl Reward for ReferenceFreeReward {
    fn score(&self, log_prob: f64) -> f64 {
        self.beta * log_prob
    }

    fn chain(&self, grad: f64, _log_prob: f64) -> f64 {
        self.beta * grad
    }

    fn coefficient(&self) -> Option<f64> {
        Some(self.beta)
    }

    fn uses_reference(&self) -> bool {
        false
    }
}
