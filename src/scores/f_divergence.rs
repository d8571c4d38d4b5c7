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

use super::{Responses, Reward, RewardExt, checked_beta};
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

    /// The chain rule: from ∂L/∂s to ∂L/∂log π, all `[.., K]`, at the log-probabilities that the
    /// scores were made of: [`backward_over`](RewardExt::backward_over) without a mask.
    ///
    /// # Errors
    ///
    /// Those of `backward_over`.
    pub fn backward<F: Real, D: Dimension>(
        &self,
        grad: &ArrayRef<F, D>,
        policy: &ArrayRef<F, D>,
        reference: &ArrayRef<F, D>,
    ) -> Result<Array<F, D>, Error> {
        self.backward_over(grad, &Responses::new(policy, reference))
    }
}

impl Reward for FDivergenceReward {
    /// β [f′(u) − f′(1)] at x = log u.
    fn score(&self, x: f64) -> f64 {
        match self.divergence {
            FDivergence::ReverseKl => self.beta * x,
            FDivergence::ForwardKl => self.one_minus_exp((-x).into(), 1.0),
            FDivergence::Alpha(alpha) => {
                let exponent = DoubleDouble::product(-alpha, x);
                // (1 − e^−αx)/α is x where αx is this small, and may be too small to divide.
                if exponent.hi.abs() < 1e-30 {
                    self.beta * x
                } else {
                    self.one_minus_exp(exponent, alpha)
                }
            }
            FDivergence::JensenShannon => self.beta * log_twice_sigmoid(x),
        }
    }

    /// β grad ∂f′(u)/∂x at x = log u.
    fn chain(&self, grad: f64, x: f64) -> f64 {
        self.chain_with_lost(grad, x, 0.0)
    }

    fn chain_with_lost(&self, grad: f64, x: f64, lost: f64) -> f64 {
        if grad == 0.0 || !grad.is_finite() {
            return grad; // whatever positive number it is multiplied with
        }
        match self.divergence {
            FDivergence::ReverseKl => self.beta * grad,
            FDivergence::ForwardKl => {
                self.chain_through_exp(grad, DoubleDouble { hi: -x, lo: -lost })
            }
            FDivergence::Alpha(alpha) => {
                let DoubleDouble { hi, lo } = DoubleDouble::product(-alpha, x);
                self.chain_through_exp(grad, DoubleDouble { hi, lo: lo - alpha * lost })
            }
            FDivergence::JensenShannon => {
                let exp = (-x.abs()).exp();
                let part = if x > 0.0 { exp * (1.0 - lost) } else { 1.0 };
                part / (1.0 + exp) * self.beta * grad
            }
        }
    }

    fn coefficient(&self) -> Option<f64> {
        (self.divergence == FDivergence::ReverseKl).then_some(self.beta)
    }
}

impl FDivergenceReward {
    /// β (1 − e^y) / α.
    fn one_minus_exp(self, y: DoubleDouble, alpha: f64) -> f64 {
        if y.hi < 80.0 {
            return -(y.hi.exp_m1() + y.lo * y.hi.exp()) / alpha * self.beta;
        }
        // 1 is nothing beside e^y, which may be beyond the range where β makes up for it.
        let root = root_of_exp(y);
        -(root * self.beta) * root / alpha
    }

    /// β grad e^y, where e^y alone may be beyond the range.
    fn chain_through_exp(self, grad: f64, y: DoubleDouble) -> f64 {
        let root = root_of_exp(y);
        (root * grad) * (root * self.beta)
    }
}

/// e^(y/2), to first order in what rounding took from y.
fn root_of_exp(y: DoubleDouble) -> f64 {
    let root = (0.5 * y.hi).exp();
    root * (1.0 + 0.5 * y.lo)
}

/// log(2u / (1 + u)) at x = log u.
fn log_twice_sigmoid(x: f64) -> f64 {
    if x.abs() < 1.0 {
        return -(0.5 * (-x).exp_m1()).ln_1p();
    }
    let below = if x < 0.0 { x } else { 0.0 };
    std::f64::consts::LN_2 + below - (-x.abs()).exp().ln_1p()
}
