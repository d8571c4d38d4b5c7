//! From log-probabilities to scores: implicit rewards, sequence log-probabilities, and the way back.
//!
//! A trainer goes through this module twice. Forward, from the log-probabilities of tokens to the
//! scores that a loss takes:
//!
//! 1. [`SequenceLogProbs::log_probs`]: tokens `[.., K, T]` to responses `[.., K]`;
//! 2. [`ImplicitReward::scores`]: policy and reference `[.., K]` to scores `[.., K]`.
//!
//! And back, from the loss's gradient to that of the policy's log-probabilities, by the `backward`
//! of each in the opposite order. From there the model's own back-propagation takes over.
//!
//! Every function has an `_into` form, which takes an optional mask and the caller's array, and
//! allocates nothing as long as the arrays are in standard layout.

use ndarray::{Array, ArrayRef, Axis, Dimension, RemoveAxis};

use crate::check::{Mask, in_order, same_shape, unravel, within};
use crate::numeric::{DoubleDouble, Sum};
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
        if beta > 0.0 && beta.is_finite() {
            return Ok(Self { beta });
        }
        Err(Error::Parameter { name: "beta", value: beta, range: "finite and positive" })
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
        same_shape("reference log-probabilities", reference.shape(), policy.shape())?;
        same_shape("scores", scores.shape(), policy.shape())?;
        let mask = Mask::new(mask, policy.shape())?;
        check_log_probs("policy log-probabilities", policy, &mask)?;
        check_log_probs("reference log-probabilities", reference, &mask)?;
        let pairs = policy.iter().zip(reference.iter());
        for (item, (score, (&policy, &reference))) in scores.iter_mut().zip(pairs).enumerate() {
            *score = if mask.exists(item) {
                let ratio = DoubleDouble::difference(policy.widen(), reference.widen());
                F::narrow((ratio * self.beta).round())
            } else {
                F::zero()
            };
        }
        Ok(())
    }

    /// The chain rule: from ∂L/∂s to ∂L/∂log π, `[.., K]` each; ∂L/∂log π = β ∂L/∂s.
    ///
    /// Masked responses need no mask here: their gradient is 0 and stays 0.
    #[must_use]
    pub fn backward<F: Real, D: Dimension>(&self, grad: &ArrayRef<F, D>) -> Array<F, D> {
        grad.map(|&slope| self.chain(slope))
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
        same_shape("gradient of the log-probabilities", grad_log_probs.shape(), grad.shape())?;
        grad_log_probs.zip_mut_with(grad, |out, &slope| *out = self.chain(slope));
        Ok(())
    }

    fn chain<F: Real>(self, slope: F) -> F {
        F::narrow(self.beta * slope.widen())
    }
}

/// How the log-probabilities of a response's tokens become that of the response.
///
/// ```
/// use lipo::scores::SequenceLogProbs;
/// use ndarray::array;
///
/// let tokens = array![[-1.0, -0.5, -0.25], [-2.0, f64::NAN, f64::NAN]];
/// let mask = array![[true, true, true], [true, false, false]];
/// assert_eq!(SequenceLogProbs::Sum.log_probs(&tokens, &mask)?, array![-1.75, -2.0]);
///
/// let grad = SequenceLogProbs::Sum.backward(&array![0.5, -0.5], &mask)?;
/// assert_eq!(grad, array![[0.5, 0.5, 0.5], [-0.5, 0.0, 0.0]]);
/// # Ok::<(), lipo::Error>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SequenceLogProbs {
    /// The sum, log π(y|x) itself, as in the paper.
    #[default]
    Sum,
    /// The mean over the tokens of the response, which does not favour short ones.
    Mean,
}

impl SequenceLogProbs {
    /// The log-probabilities `[.., K]` of responses from those of their tokens `[.., K, T]`.
    ///
    /// `mask` is true for the tokens of the response (not for the prompt, not for padding); what
    /// stands at the others does not matter. A response without tokens has 0.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] where the shapes differ, [`Error::NotFinite`] and [`Error::OutOfRange`] for
    /// what is no log-probability.
    pub fn log_probs<F: Real, D: RemoveAxis>(
        self,
        tokens: &ArrayRef<F, D>,
        mask: &ArrayRef<bool, D>,
    ) -> Result<Array<F, D::Smaller>, Error> {
        let mut log_probs = Array::zeros(responses("token log-probabilities", tokens)?);
        self.log_probs_into(tokens, mask, &mut log_probs)?;
        Ok(log_probs)
    }

    /// [`log_probs`](Self::log_probs) written to the caller's array.
    ///
    /// # Errors
    ///
    /// Those of `log_probs`; `log_probs` is then as it was.
    pub fn log_probs_into<F: Real, D: RemoveAxis>(
        self,
        tokens: &ArrayRef<F, D>,
        mask: &ArrayRef<bool, D>,
        log_probs: &mut ArrayRef<F, D::Smaller>,
    ) -> Result<(), Error> {
        let expected = responses("token log-probabilities", tokens)?;
        same_shape("log-probabilities", log_probs.shape(), expected.slice())?;
        let mask = Mask::new(Some(mask), tokens.shape())?;
        check_log_probs("token log-probabilities", tokens, &mask)?;
        let (length, tokens) = (last(tokens.shape()), in_order(tokens));
        for (response, log_prob) in log_probs.iter_mut().enumerate() {
            let places = response * length..(response + 1) * length;
            let divisor = self.divisor(&mask, places.clone());
            let of_tokens_times = |scale: f64| {
                let mut sum = Sum::default();
                let existing = places.clone().filter(|&token| mask.exists(token));
                existing.for_each(|token| sum.add(tokens[token].widen() * scale));
                (sum.exact() / divisor.into()).round() / scale
            };
            let mut of_tokens = of_tokens_times(1.0);
            if of_tokens.is_infinite() {
                // The sum may overflow where the mean does not.
                of_tokens = of_tokens_times(2.0_f64.powi(-64));
            }
            *log_prob = F::narrow(of_tokens);
        }
        Ok(())
    }

    /// The chain rule: from ∂L/∂log π of responses `[.., K]` to that of their tokens `[.., K, T]`,
    /// 0 where the token mask is false.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] where `grad` is not of the mask's shape without its last axis.
    pub fn backward<F: Real, D: RemoveAxis>(
        self,
        grad: &ArrayRef<F, D::Smaller>,
        mask: &ArrayRef<bool, D>,
    ) -> Result<Array<F, D>, Error> {
        let mut grad_tokens = Array::zeros(mask.raw_dim());
        self.backward_into(grad, mask, &mut grad_tokens)?;
        Ok(grad_tokens)
    }

    /// [`backward`](Self::backward) written to the caller's array.
    ///
    /// # Errors
    ///
    /// Those of `backward`; `grad_tokens` is then as it was.
    pub fn backward_into<F: Real, D: RemoveAxis>(
        self,
        grad: &ArrayRef<F, D::Smaller>,
        mask: &ArrayRef<bool, D>,
        grad_tokens: &mut ArrayRef<F, D>,
    ) -> Result<(), Error> {
        let expected = responses("token mask", mask)?;
        same_shape("gradient of the log-probabilities", grad.shape(), expected.slice())?;
        same_shape("gradient of the token log-probabilities", grad_tokens.shape(), mask.shape())?;
        let (length, mask) = (last(mask.shape()), Mask::new(Some(mask), mask.shape())?);
        let mut out = grad_tokens.iter_mut();
        for (response, slope) in grad.iter().enumerate() {
            let places = response * length..(response + 1) * length;
            let share = F::narrow(slope.widen() / self.divisor(&mask, places.clone()));
            for (token, out) in places.zip(&mut out) {
                *out = if mask.exists(token) { share } else { F::zero() };
            }
        }
        Ok(())
    }

    /// What the sum over tokens is divided by.
    fn divisor(self, mask: &Mask<'_>, places: std::ops::Range<usize>) -> f64 {
        match self {
            Self::Sum => 1.0,
            Self::Mean => places.filter(|&token| mask.exists(token)).count().max(1) as f64,
        }
    }
}

/// The shape of `[.., K]` of an array `[.., K, T]`.
fn responses<T, D: RemoveAxis>(
    what: &'static str,
    tokens: &ArrayRef<T, D>,
) -> Result<D::Smaller, Error> {
    match tokens.ndim() {
        0 => Err(Error::Axes { what, least: 1, found: 0 }),
        axes => Ok(tokens.raw_dim().remove_axis(Axis(axes - 1))),
    }
}

fn last(shape: &[usize]) -> usize {
    shape.last().copied().unwrap_or(1)
}

/// The greatest log-probability that passes for one: rounding, but not the sign of a loss.
const GREATEST_LOG_PROB: f32 = 1e-3;

fn check_log_probs<F: Real, D: Dimension>(
    what: &'static str,
    log_probs: &ArrayRef<F, D>,
    mask: &Mask<'_>,
) -> Result<(), Error> {
    let at_most =
        (|x| x <= f64::from(GREATEST_LOG_PROB), "a log-probability, at most 0 (or 0.001, rounded)");
    for (item, &log_prob) in log_probs.iter().enumerate().filter(|&(item, _)| mask.exists(item)) {
        within(what, log_prob, at_most, || unravel(item, log_probs.shape()))?;
    }
    Ok(())
}
