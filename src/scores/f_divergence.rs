//! The rewards of f-DPO: one link for each divergence that holds the policy to its reference.
//!
//! s_k = β [f′(u_k) − f′(1)], u_k = π(y_k|x) / π_ref(y_k|x)
//!
//! With the log-ratio x = log u, both sides of the chain rule without overflow before its time:
//!
//! | divergence | f′(u) − f′(1) | its derivative by x |
//! |---|---|---|
//! | reverse KL | x | 1 |
//! | forward KL | −(e^−x − 1) | e^−x |
//! | α | −(e^−αx − 1) / α | e^−αx |
//! | Jensen–Shannon | −log(1 + (e^−x − 1)/2) | σ(−x) |

use ndarray::{Array, ArrayRef, Dimension};

use super::{check_log_probs, checked_beta, scores_of_log_ratios};
use crate::check::{Mask, same_shape};
use crate::numeric::DoubleDouble;
use crate::{Error, Real};

/// A divergence D_f(π ‖ π_ref) = E_ref\[f(π / π_ref)\] whose f′ makes a reward.
///
/// The parametrisation is that of the paper (Table 1): α goes from reverse KL at 0 to forward KL at
/// 1, the ends having names of their own. TRL's `f_alpha_divergence_coef` was this α at first (1 by
/// default, which is forward KL); since it writes f′ as (u^(coef−1) − 1) / (coef − 1) it is 1 − α (½ by
/// default, which is ½ here).
#[derive(Debug, Clone, Copy, Default, PartialEq)]
#[non_exhaustive]
pub enum FDivergence {
    /// f(u) = u log u, which makes DPO's reward.
    #[default]
    ReverseKl,
    /// f(u) = −log u, f′(u) = −1/u.
    ForwardKl,
    /// f(u) = u log u − (u + 1) log((u + 1)/2), f′(u) = log(2u / (1 + u)).
    JensenShannon,
    /// f′(u) = (1 − u^−α) / α with α in (0, 1).
    Alpha(f64),
}

/// The reward s_k = β \[f′(π/π_ref) − f′(1)\] of f-DPO (Wang et al. 2023,
/// [arXiv 2309.16240](https://arxiv.org/abs/2309.16240), Theorem 1 and Table 1).
///
/// The constant f′(1), which cancels in every margin, is taken off, so that a response on which
/// policy and reference agree has score 0 under each divergence, to the last digit. Under
/// [`FDivergence::ReverseKl`] it is [`ImplicitReward`](super::ImplicitReward), bit by bit.
///
/// What is said there of log-probabilities holds here too. Where the policy gives a response far
/// less than the reference does, the reward of forward KL falls like −π_ref/π: a log-ratio of −89
/// is beyond `f32`, one of −710 beyond `f64`, and the score −∞, which [`Lists`](crate::Lists) then
/// report. Where it gives far more, forward KL, α and Jensen–Shannon saturate at β, β/α and β log 2.
///
/// ```
/// use lipo::scores::{FDivergence, FDivergenceReward};
/// use ndarray::array;
///
/// // A response that the policy gives twice, just as, and half as probable as the reference does.
/// let (policy, reference) = (array![-2.0_f64, -2.0, -2.0], array![-2.0, -2.0, -2.0]);
/// let policy = policy + array![2.0_f64.ln(), 0.0, -2.0_f64.ln()];
/// let reward = FDivergenceReward::new(0.1, FDivergence::ForwardKl)?;
/// let scores = reward.scores(&policy, &reference)?;
/// assert!((scores[0] - 0.05).abs() < 1e-15); // 0.1 (1 - 1/2)
/// assert_eq!(scores[1], 0.0);
/// assert!((scores[2] + 0.1).abs() < 1e-15); // 0.1 (1 - 2)
///
/// // The chain rule depends on where the policy is: β π_ref/π.
/// let grad = reward.backward(&array![1.0, 1.0, 1.0], &policy, &reference)?;
/// assert!((grad[0] - 0.05).abs() < 1e-15 && (grad[2] - 0.2).abs() < 1e-15);
/// # Ok::<(), lipo::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FDivergenceReward {
    beta: f64,
    divergence: FDivergence,
}

impl FDivergenceReward {
    /// The reward with a coefficient β, finite and positive, and a divergence.
    ///
    /// # Errors
    ///
    /// [`Error::Parameter`] for any other β, and for an α outside (0, 1).
    pub fn new(beta: f64, divergence: FDivergence) -> Result<Self, Error> {
        let beta = checked_beta(beta)?;
        match divergence {
            FDivergence::Alpha(alpha) if !(alpha > 0.0 && alpha < 1.0) => {
                Err(Error::Parameter { name: "alpha", value: alpha, range: "in (0, 1)" })
            }
            _ => Ok(Self { beta, divergence }),
        }
    }

    /// β.
    #[must_use]
    pub fn beta(&self) -> f64 {
        self.beta
    }

    /// The divergence.
    #[must_use]
    pub fn divergence(&self) -> FDivergence {
        self.divergence
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
        scores_of_log_ratios(policy, reference, mask, scores, |log_ratio| self.score(log_ratio))
    }

    /// The chain rule: from ∂L/∂s to ∂L/∂log π, all `[.., K]`, at the log-probabilities that the
    /// scores were made of.
    ///
    /// # Errors
    ///
    /// Those of [`scores`](Self::scores).
    pub fn backward<F: Real, D: Dimension>(
        &self,
        grad: &ArrayRef<F, D>,
        policy: &ArrayRef<F, D>,
        reference: &ArrayRef<F, D>,
    ) -> Result<Array<F, D>, Error> {
        let mut grad_log_probs = Array::zeros(grad.raw_dim());
        self.backward_into(grad, policy, reference, None, &mut grad_log_probs)?;
        Ok(grad_log_probs)
    }

    /// [`backward`](Self::backward), with or without a mask, written to the caller's array, 0
    /// where the mask is false.
    ///
    /// # Errors
    ///
    /// Those of `scores`; `grad_log_probs` is then as it was.
    pub fn backward_into<F: Real, D: Dimension>(
        &self,
        grad: &ArrayRef<F, D>,
        policy: &ArrayRef<F, D>,
        reference: &ArrayRef<F, D>,
        mask: Option<&ArrayRef<bool, D>>,
        grad_log_probs: &mut ArrayRef<F, D>,
    ) -> Result<(), Error> {
        same_shape("reference log-probabilities", reference.shape(), policy.shape())?;
        same_shape("gradient of the scores", grad.shape(), policy.shape())?;
        let out = grad_log_probs;
        same_shape("gradient of the log-probabilities", out.shape(), policy.shape())?;
        let mask = Mask::new(mask, policy.shape())?;
        check_log_probs("policy log-probabilities", policy, &mask)?;
        check_log_probs("reference log-probabilities", reference, &mask)?;
        let places = grad.iter().zip(policy.iter().zip(reference));
        for (item, (out, (&slope, (&policy, &reference)))) in out.iter_mut().zip(places).enumerate()
        {
            *out = if mask.exists(item) {
                let log_ratio = DoubleDouble::difference(policy.widen(), reference.widen());
                F::narrow(self.chain(slope.widen(), log_ratio))
            } else {
                F::zero()
            };
        }
        Ok(())
    }

    /// β [f′(u) − f′(1)] at x = log u.
    fn score(self, x: DoubleDouble) -> DoubleDouble {
        let beta = DoubleDouble::from(self.beta);
        match self.divergence {
            FDivergence::ReverseKl => x * self.beta,
            FDivergence::ForwardKl => times_one_minus_exp(beta, -x),
            FDivergence::Alpha(alpha) => {
                let exponent = x * -alpha;
                // (1 − e^−αx)/α is x where αx is this small, and may be too small to divide.
                if exponent.hi.abs() < 1e-30 {
                    x * self.beta
                } else {
                    times_one_minus_exp(beta / alpha.into(), exponent)
                }
            }
            FDivergence::JensenShannon => log_twice_sigmoid(x) * self.beta,
        }
    }

    /// β slope ∂f′(u)/∂x at x = log u.
    fn chain(self, slope: f64, x: DoubleDouble) -> f64 {
        if slope == 0.0 || !slope.is_finite() {
            return slope; // whatever positive number it is multiplied with
        }
        match self.divergence {
            FDivergence::ReverseKl => self.beta * slope,
            FDivergence::ForwardKl => self.chain_through_exp(slope, -x),
            FDivergence::Alpha(alpha) => self.chain_through_exp(slope, x * -alpha),
            FDivergence::JensenShannon => {
                let exp = (-x.abs()).exp();
                let part = if x.hi > 0.0 { exp } else { DoubleDouble::ONE };
                (part / (DoubleDouble::ONE + exp) * self.beta * slope).round()
            }
        }
    }

    /// β slope e^y, where e^y alone may be beyond the range.
    fn chain_through_exp(self, slope: f64, y: DoubleDouble) -> f64 {
        let root = (y * 0.5).exp();
        ((root * slope) * (root * self.beta)).round()
    }
}

/// a (1 − e^y) for a > 0.
fn times_one_minus_exp(a: DoubleDouble, y: DoubleDouble) -> DoubleDouble {
    if y.hi < 80.0 {
        return -(y.exp_m1() * a);
    }
    // In halves, since e^y may be beyond the range where a makes up for it; 1 is nothing beside it.
    let root = (y * 0.5).exp();
    -(a * root * root)
}

/// log(2u / (1 + u)) at x = log u.
fn log_twice_sigmoid(x: DoubleDouble) -> DoubleDouble {
    if x.hi.abs() < 1.0 {
        return -((-x).exp_m1() * 0.5).ln_1p();
    }
    let below = if x.hi < 0.0 { x } else { DoubleDouble::ZERO };
    DoubleDouble::LN_2 + below - (-x.abs()).exp().ln_1p()
}
