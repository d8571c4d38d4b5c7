//! The implicit reward of DPO and LiPO.
//!
//! s_k = β (log π(y_k|x) − log π_ref(y_k|x)), ∂s_k/∂log π(y_k|x) = β

use ndarray::{Array, ArrayRef, Dimension};

use super::{checked_beta, scale, scale_into, scores_of_log_ratios};
use crate::{Error, Real};

/// The implicit reward s_k = β (log π(y_k|x) − log π_ref(y_k|x)) of LiPO and DPO.
///
/// Log-probabilities are natural logarithms, finite and at most 0; up to 10⁻³ passes for rounding,
/// above it a loss (a negated log-probability) has most likely been passed. A score beyond the type
/// is ±∞, which [`Lists`](crate::Lists) then report.
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

    /// The scores of responses whose log-probabilities are given, all `[.., K]`.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] where the shapes differ, [`Error::NotFinite`] and [`Error::OutOfRange`] for
    /// what is no log-probability.
    pub fn scores<F: Real, D: Dimension>(
        &self,
        policy: &ArrayRef<F, D>,
        reference: &ArrayRef<F, D>,
    ) -> Result<Array<F, D>, Error> {
        let mut scores = Array::zeros(policy.raw_dim());
        self.scores_into(policy, reference, None, &mut scores)?;
        Ok(scores)
    }

    /// [`scores`](Self::scores) of the responses where `mask` is true; the others may have any
    /// log-probability, and get score 0.
    ///
    /// # Errors
    ///
    /// Those of `scores`.
    pub fn scores_masked<F: Real, D: Dimension>(
        &self,
        policy: &ArrayRef<F, D>,
        reference: &ArrayRef<F, D>,
        mask: &ArrayRef<bool, D>,
    ) -> Result<Array<F, D>, Error> {
        let mut scores = Array::zeros(policy.raw_dim());
        self.scores_into(policy, reference, Some(mask), &mut scores)?;
        Ok(scores)
    }

    /// [`scores`](Self::scores), with or without a mask, written to the caller's array.
    ///
    /// # Errors
    ///
    /// Those of `scores`; `scores` is then as it was.
    pub fn scores_into<F: Real, D: Dimension>(
        &self,
        policy: &ArrayRef<F, D>,
        reference: &ArrayRef<F, D>,
        mask: Option<&ArrayRef<bool, D>>,
        scores: &mut ArrayRef<F, D>,
    ) -> Result<(), Error> {
        scores_of_log_ratios(policy, reference, mask, scores, |log_ratio| log_ratio * self.beta)
    }

    /// The chain rule: from ∂L/∂s to ∂L/∂log π, `[.., K]` each; ∂L/∂log π = β ∂L/∂s.
    ///
    /// Masked responses need no mask here: their gradient is 0 and stays 0.
    #[must_use]
    pub fn backward<F: Real, D: Dimension>(&self, grad: &ArrayRef<F, D>) -> Array<F, D> {
        scale(self.beta, grad)
    }

    /// [`backward`](Self::backward) written to the caller's array.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] where the shapes differ.
    pub fn backward_into<F: Real, D: Dimension>(
        &self,
        grad: &ArrayRef<F, D>,
        grad_log_probs: &mut ArrayRef<F, D>,
    ) -> Result<(), Error> {
        scale_into(self.beta, grad, grad_log_probs)
    }
}
