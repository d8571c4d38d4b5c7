//! What a reward is, and the array forms that every reward has.
//!
//! s_k = reward(x_k), x_k = log π(y_k|x) − log π_ref(y_k|x)

use std::borrow::Cow;
use std::fmt::Debug;
use std::sync::Arc;

use ndarray::{Array, ArrayRef, Dimension};

use super::LogProbBound;
use crate::check::{Mask, in_order, same_shape, unravel, within, write_in_order};
use crate::numeric::DoubleDouble;
use crate::streams::{self, Products};
use crate::{Error, Real};

/// A score as a function of a response's log-ratio x = log π − log π_ref.
///
/// A reward of your own needs the function and its chain rule, each for one number, and has
/// everything in [`RewardExt`]: arrays of any shape and layout, masks, a β for each list, checks. The
/// trait is object safe, so that a `Vec<Box<dyn Reward>>` compares rewards.
///
/// ```
/// use lipo::scores::{Responses, Reward, RewardExt};
/// use ndarray::array;
///
/// /// β tanh(x): a log-ratio beyond ±1 counts little more than ±1.
/// #[derive(Debug)]
/// struct Saturating {
///     beta: f64,
/// }
///
/// impl Reward for Saturating {
///     fn score(&self, log_ratio: f64) -> f64 {
///         self.beta * log_ratio.tanh()
///     }
///
///     fn chain(&self, grad: f64, log_ratio: f64) -> f64 {
///         grad * self.beta / log_ratio.cosh().powi(2)
///     }
/// }
///
/// let (policy, reference) = (array![-2.0_f64, -3.5], array![-3.0, -3.5]);
/// let responses = Responses::new(&policy, &reference);
/// let reward = Saturating { beta: 0.5 };
/// let scores = reward.scores_over(&responses)?;
/// assert!((scores[0] - 0.380797).abs() < 1e-6 && scores[1] == 0.0);
/// assert_eq!(reward.backward_over(&array![0.0, 1.0], &responses)?, array![0.0, 0.5]);
/// # Ok::<(), lipo::Error>(())
/// ```
pub trait Reward: Debug + Send + Sync {
    /// The score of a response whose log-ratio is given.
    fn score(&self, log_ratio: f64) -> f64;

    /// The chain rule: from ∂L/∂s to ∂L/∂x, which is `grad` · ∂s/∂x.
    ///
    /// A product rather than ∂s/∂x alone, which may overflow where the product does not.
    fn chain(&self, grad: f64, log_ratio: f64) -> f64;

    /// [`chain`](Self::chain) at a log-ratio of more digits than `f64` has: `lost` is what rounding took
    /// from it. Where the slope is steep, as that of an exponential, it is worth looking at; otherwise
    /// leave it.
    fn chain_with_lost(&self, grad: f64, log_ratio: f64, lost: f64) -> f64 {
        let _ = lost;
        self.chain(grad, log_ratio)
    }

    /// The constant c where the score is c·x for every x: such a reward takes a faster way.
    fn coefficient(&self) -> Option<f64> {
        None
    }

    /// Whether the score depends on the reference at all. Where it does not, x is log π.
    fn uses_reference(&self) -> bool {
        true
    }
}

macro_rules! forward_reward {
    ($($pointer:ty),*) => {$(
        impl<R: Reward + ?Sized> Reward for $pointer {
            fn score(&self, log_ratio: f64) -> f64 {
                (**self).score(log_ratio)
            }

            fn chain(&self, grad: f64, log_ratio: f64) -> f64 {
                (**self).chain(grad, log_ratio)
            }

            fn chain_with_lost(&self, grad: f64, log_ratio: f64, lost: f64) -> f64 {
                (**self).chain_with_lost(grad, log_ratio, lost)
            }

            fn coefficient(&self) -> Option<f64> {
                (**self).coefficient()
            }

            fn uses_reference(&self) -> bool {
                (**self).uses_reference()
            }
        }
    )*};
}

forward_reward!(&R, Box<R>, Arc<R>);

/// The log-probabilities of responses, with what belongs to them: a reference, a mask, a β for each
/// list.
///
/// Log-probabilities are natural logarithms, finite and at most 0, up to the rounding of the model
/// that gave them: see [`at_most`](Self::at_most).
#[derive(Debug, Clone, Copy)]
pub struct Responses<'a, F, D: Dimension> {
    policy: &'a ArrayRef<F, D>,
    reference: Option<&'a ArrayRef<F, D>>,
    mask: Option<&'a ArrayRef<bool, D>>,
    betas: Option<&'a ArrayRef<F, D::Smaller>>,
    bound: LogProbBound,
}

impl<'a, F: Real, D: Dimension> Responses<'a, F, D> {
    /// Responses whose log-probabilities under the policy and under the reference are given, both
    /// `[.., K]`.
    pub fn new(policy: &'a ArrayRef<F, D>, reference: &'a ArrayRef<F, D>) -> Self {
        Self { reference: Some(reference), ..Self::reference_free(policy) }
    }

    /// Responses without a reference, `[.., K]`: the log-ratio is log π itself, as under a reference
    /// that gives every response the same probability.
    pub fn reference_free(policy: &'a ArrayRef<F, D>) -> Self {
        Self { policy, reference: None, mask: None, betas: None, bound: LogProbBound::DEFAULT }
    }

    /// Only the responses where `mask`, `[.., K]`, is true exist. The others may have any
    /// log-probability; their score and gradient are 0.
    #[must_use]
    pub fn mask(self, mask: &'a ArrayRef<bool, D>) -> Self {
        Self { mask: Some(mask), ..self }
    }

    /// Factors of the reward's β, one for each list, `[..]`: of a reward whose β is 1 they are the
    /// β themselves. β-DPO and MallowsPO choose β by prompt.
    ///
    /// ```
    /// use lipo::scores::{ImplicitReward, Responses, RewardExt};
    /// use ndarray::array;
    ///
    /// let (policy, reference) = (array![[-1.0, -3.0], [-1.0, -3.0]], array![[-2.0, -2.0], [-2.0, -2.0]]);
    /// let betas = array![0.5, 0.25];
    /// let responses = Responses::new(&policy, &reference).betas(&betas);
    /// let scores = ImplicitReward::new(1.0)?.scores_over(&responses)?;
    /// assert_eq!(scores, array![[0.5, -0.5], [0.25, -0.25]]);
    /// # Ok::<(), lipo::Error>(())
    /// ```
    #[must_use]
    pub fn betas(self, betas: &'a ArrayRef<F, D::Smaller>) -> Self {
        Self { betas: Some(betas), ..self }
    }

    /// The greatest log-probability that passes, 0.1 where nothing else is said.
    ///
    /// A log-probability is at most 0, but one computed in half precision may round above it:
    /// `bf16` reaches +0.0625. What lies far above is a mistake, most often a negated log-probability
    /// (a loss). Set a lower bound for log-probabilities in `f32` to notice sooner, a higher one for
    /// cruder arithmetic, and `f64::INFINITY` for log-densities, which have no bound.
    #[must_use]
    pub fn at_most(self, greatest: f64) -> Self {
        Self { bound: LogProbBound(greatest), ..self }
    }

    fn check_shapes(&self, what: &'static str, others: &[usize]) -> Result<(), Error> {
        let shape = self.policy.shape();
        if let Some(reference) = self.reference {
            same_shape("reference log-probabilities", reference.shape(), shape)?;
        }
        same_shape(what, others, shape)?;
        if let Some(betas) = self.betas {
            same_shape("betas", betas.shape(), shape.split_last().map_or(&[], |(_, lists)| lists))?;
            for (list, &beta) in betas.iter().enumerate() {
                let positive = (|beta| beta > 0.0, "positive");
                within("betas", beta, positive, || unravel(list, betas.shape()))?;
            }
        }
        Ok(())
    }
}

/// What every [`Reward`] has, `dyn Reward` included.
pub trait RewardExt: Reward {
    /// The scores `[.., K]` of responses.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] where shapes differ, [`Error::NotFinite`] and [`Error::OutOfRange`] for
    /// what is no log-probability or no β.
    fn scores_over<F: Real, D: Dimension>(
        &self,
        responses: &Responses<'_, F, D>,
    ) -> Result<Array<F, D>, Error> {
        let mut scores = Array::zeros(responses.policy.raw_dim());
        self.scores_into(responses, &mut scores)?;
        Ok(scores)
    }

    /// [`scores_over`](Self::scores_over) written to the caller's array.
    ///
    /// # Errors
    ///
    /// Those of `scores_over`; `scores` is then as it was.
    fn scores_into<F: Real, D: Dimension>(
        &self,
        responses: &Responses<'_, F, D>,
        scores: &mut ArrayRef<F, D>,
    ) -> Result<(), Error> {
        responses.check_shapes("scores", scores.shape())?;
        let checked = Checked::new(responses, self.uses_reference(), true)?;
        write_in_order(scores, |scores| {
            if let Some(coefficient) = self.coefficient() {
                return checked.products(coefficient, &checked.policy, checked.reference(), scores);
            }
            checked.each(scores, |item, beta| beta * score_of(self, checked.log_ratio(item)));
        });
        Ok(())
    }

    /// The chain rule: from ∂L/∂s to ∂L/∂log π, both `[.., K]`, at the log-probabilities that the
    /// scores were made of.
    ///
    /// # Errors
    ///
    /// Those of [`scores_over`](Self::scores_over); log-probabilities that the result does not
    /// depend on are not looked at.
    fn backward_over<F: Real, D: Dimension>(
        &self,
        grad: &ArrayRef<F, D>,
        responses: &Responses<'_, F, D>,
    ) -> Result<Array<F, D>, Error> {
        let mut grad_log_probs = Array::zeros(responses.policy.raw_dim());
        self.backward_into(grad, responses, &mut grad_log_probs)?;
        Ok(grad_log_probs)
    }

    /// [`backward_over`](Self::backward_over) written to the caller's array.
    ///
    /// # Errors
    ///
    /// Those of `backward_over`; `grad_log_probs` is then as it was.
    fn backward_into<F: Real, D: Dimension>(
        &self,
        grad: &ArrayRef<F, D>,
        responses: &Responses<'_, F, D>,
        grad_log_probs: &mut ArrayRef<F, D>,
    ) -> Result<(), Error> {
        responses.check_shapes("gradient of the scores", grad.shape())?;
        let out = grad_log_probs;
        same_shape("gradient of the log-probabilities", out.shape(), grad.shape())?;
        let coefficient = self.coefficient();
        let checked = Checked::new(responses, self.uses_reference(), coefficient.is_none())?;
        let grad = in_order(grad);
        write_in_order(out, |out| {
            if let Some(coefficient) = coefficient {
                return checked.products(coefficient, &grad, None, out);
            }
            checked.each(out, |item, beta| {
                let DoubleDouble { hi, lo } = checked.log_ratio(item);
                self.chain_with_lost(beta * grad[item].widen(), hi, lo)
            });
        });
        Ok(())
    }
}

impl<R: Reward + ?Sized> RewardExt for R {}

/// [`Responses`] in logical order, of which everything that a result depends on has been checked.
struct Checked<'a, F: Real> {
    policy: Cow<'a, [F]>,
    reference: Option<Cow<'a, [F]>>,
    mask: Mask<'a>,
    betas: Option<Cow<'a, [F]>>,
    /// How many responses a list has.
    size: usize,
}

impl<'a, F: Real> Checked<'a, F> {
    /// The result depends on the reference only if `with_reference`, on log-probabilities only if
    /// `with_log_probs`.
    fn new<D: Dimension>(
        responses: &Responses<'a, F, D>,
        with_reference: bool,
        with_log_probs: bool,
    ) -> Result<Self, Error> {
        let Responses { policy, mask, betas, bound, .. } = *responses;
        let reference = responses.reference.filter(|_| with_reference);
        let mask = Mask::new(mask, policy.shape())?;
        if with_log_probs {
            bound.check("policy log-probabilities", policy, &mask)?;
            if let Some(reference) = reference {
                bound.check("reference log-probabilities", reference, &mask)?;
            }
        }
        Ok(Self {
            policy: in_order(policy),
            reference: reference.map(in_order),
            mask,
            betas: betas.map(in_order),
            size: policy.shape().last().copied().unwrap_or(1),
        })
    }

    fn reference(&self) -> Option<&[F]> {
        self.reference.as_deref()
    }

    fn log_ratio(&self, item: usize) -> DoubleDouble {
        let reference = self.reference().map_or(0.0, |reference| reference[item].widen());
        DoubleDouble::difference(self.policy[item].widen(), reference)
    }

    /// The coefficient times the β of each list times differences.
    fn products(&self, coefficient: f64, minuends: &[F], subtrahends: Option<&[F]>, out: &mut [F]) {
        let mask = self.mask.get();
        let rows = self.betas.as_deref().map(|betas| (betas, self.size));
        streams::run(Products { minuends, subtrahends, mask, factor: coefficient, rows, out });
    }

    /// A function of an item and the β of its list, where the item exists.
    fn each(&self, out: &mut [F], of: impl Fn(usize, f64) -> f64) {
        for (item, out) in out.iter_mut().enumerate() {
            let beta = self.betas.as_ref().map_or(1.0, |betas| betas[item / self.size].widen());
            let exists = self.mask.exists(item);
            *out = if exists { F::narrow(of(item, beta)) } else { F::zero() };
        }
    }
}

/// The score at a log-ratio of more digits than `f64` has: to first order in what rounding took.
fn score_of<R: Reward + ?Sized>(reward: &R, log_ratio: DoubleDouble) -> f64 {
    let score = reward.score(log_ratio.hi);
    if log_ratio.lo == 0.0 || !score.is_finite() {
        return score;
    }
    score + reward.chain(log_ratio.lo, log_ratio.hi)
}
