//! The reference-free reward.
//!
//! s_k = β log π(y_k|x), ∂s_k/∂log π(y_k|x) = β

use ndarray::{Array, ArrayRef, Dimension};

use super::{check_log_probs, checked_beta, scale, scale_into};
use crate::check::{Mask, same_shape};
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

    /// The scores of responses whose log-probabilities are given, `[.., K]` each.
    ///
    /// # Errors
    ///
    /// [`Error::NotFinite`] and [`Error::OutOfRange`] for what is no log-probability.
    pub fn scores<F: Real, D: Dimension>(
        &self,
        policy: &ArrayRef<F, D>,
    ) -> Result<Array<F, D>, Error> {
        let mut scores = Array::zeros(policy.raw_dim());
        self.scores_into(policy, None, &mut scores)?;
        Ok(scores)
    }

    /// [`scores`](Self::scores) of the responses where `mask` is true; the others may have any
    /// log-probability, and get score 0.
    ///
    /// # Errors
    ///
    /// Those of `scores`, and [`Error::Shape`] where the shapes differ.
    pub fn scores_masked<F: Real, D: Dimension>(
        &self,
        policy: &ArrayRef<F, D>,
        mask: &ArrayRef<bool, D>,
    ) -> Result<Array<F, D>, Error> {
        let mut scores = Array::zeros(policy.raw_dim());
        self.scores_into(policy, Some(mask), &mut scores)?;
        Ok(scores)
    }

    /// [`scores`](Self::scores), with or without a mask, written to the caller's array.
    ///
    /// # Errors
    ///
    /// Those of `scores_masked`; `scores` is then as it was.
    pub fn scores_into<F: Real, D: Dimension>(
        &self,
        policy: &ArrayRef<F, D>,
        mask: Option<&ArrayRef<bool, D>>,
        scores: &mut ArrayRef<F, D>,
    ) -> Result<(), Error> {
        same_shape("scores", scores.shape(), policy.shape())?;
        let mask = Mask::new(mask, policy.shape())?;
        check_log_probs("policy log-probabilities", policy, &mask)?;
        for (item, (score, &policy)) in scores.iter_mut().zip(policy).enumerate() {
            let exists = mask.exists(item);
            *score = if exists { F::narrow(self.beta * policy.widen()) } else { F::zero() };
        }
        Ok(())
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
