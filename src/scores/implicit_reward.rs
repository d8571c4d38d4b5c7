//! The implicit reward of DPO and LiPO.
//!
//! s_k = β (log π(y_k|x) − log π_ref(y_k|x)), ∂s_k/∂log π(y_k|x) = β

use ndarray::{Array, ArrayRef, Dimension};

use super::{Responses, Reward, RewardExt, checked_beta, scaled};
use crate::{Error, Real};

/// The implicit reward s_k = β (log π(y_k|x) − log π_ref(y_k|x)) of LiPO and DPO.
///
/// Log-probabilities are natural logarithms, finite and at most 0; up to 0.1 passes for rounding,
/// above it a loss (a negated log-probability) has most likely been passed. [`Responses::at_most`]
/// sets another bound. A score beyond the type is ±∞, which [`Lists`](crate::Lists) then report.
///
/// ```
/// use lipo::scores::ImplicitReward;
/// use ndarray::array;
///
/// let reward = ImplicitReward::new(0.5)?;
/// let scores = reward.scores(&array![-2.0, -3.5], &array![-3.0, -3.0])?;
/// assert_eq!(scores, array![0.5, -0.25]);
/// // A loss that falls with the first score falls with the first log-probability, β times as fast.
/// assert_eq!(reward.backward(&array![-1.0, 0.0]), array![-0.5, 0.0]);
/// # Ok::<(), lipo::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ImplicitReward {
    beta: f64,
}

impl ImplicitReward {
    /// The implicit reward with a coefficient β, finite and positive.
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

    /// The scores of responses whose log-probabilities are given, all `[.., K]`:
    /// [`scores_over`](RewardExt::scores_over) without a mask.
    ///
    /// # Errors
    ///
    /// Those of `scores_over`.
    pub fn scores<F: Real, D: Dimension>(
        &self,
        policy: &ArrayRef<F, D>,
        reference: &ArrayRef<F, D>,
    ) -> Result<Array<F, D>, Error> {
        self.scores_over(&Responses::new(policy, reference))
    }

    /// The chain rule: from ∂L/∂s to ∂L/∂log π, both `[.., K]`; ∂L/∂log π = β ∂L/∂s.
    ///
    /// Masked responses need no mask here: their gradient is 0 and stays 0.
    #[must_use]
    pub fn backward<F: Real, D: Dimension>(&self, grad: &ArrayRef<F, D>) -> Array<F, D> {
        scaled(self.beta, grad)
    }
}

impl Reward for ImplicitReward {
    fn score(&self, log_ratio: f64) -> f64 {
        self.beta * log_ratio
    }

    fn chain(&self, grad: f64, _log_ratio: f64) -> f64 {
        self.beta * grad
    }

    fn coefficient(&self) -> Option<f64> {
        Some(self.beta)
    }
}
