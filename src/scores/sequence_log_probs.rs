//! Log-probabilities of responses from those of their tokens.
//!
//! log π(y|x) = Σ_t log π(y_t|x, y_<t), or the mean over the tokens of y

use ndarray::{Array, ArrayRef, Axis, Dimension, RemoveAxis};

use super::check_log_probs;
use crate::check::{Mask, in_order, same_shape};
use crate::numeric::Sum;
use crate::{Error, Real};

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
