//! Log-probabilities of responses from those of their tokens.
//!
//! log π(y|x) = Σ_t w_t log π(y_t|x, y_<t), or that over Σ_t w_t; w_t is 1 for the tokens of y

use std::hint::select_unpredictable;

use ndarray::{Array, ArrayRef, Axis, Dimension, RemoveAxis};

use super::LogProbBound;
use crate::check::{in_order, same_shape, unravel, within, write_in_order, zeros};
use crate::numeric::Sum;
use crate::streams::{self, LANES, Stream, Weight, Within, row_sum, unweighted};
use crate::{Error, Real};

/// How the log-probabilities of a response's tokens become that of the response.
///
/// The tokens come with a mask of `bool`, or with a weight for each: a number, finite and at least 0.
/// A token of weight 0 is masked. LD-DPO weighs the tokens beyond the length of the shorter response
/// by α, TIS-DPO each token by an estimate of how much it matters.
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
///
/// // The first response is longer than the second: what it has more counts half.
/// let weights = array![[1.0, 0.5, 0.5], [1.0, 0.0, 0.0]];
/// assert_eq!(SequenceLogProbs::Sum.log_probs(&tokens, &weights)?, array![-1.375, -2.0]);
/// let grad = SequenceLogProbs::Sum.backward(&array![0.5, -0.5], &weights)?;
/// assert_eq!(grad, array![[0.5, 0.25, 0.25], [-0.5, 0.0, 0.0]]);
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

/// What a token counts: `bool`, a mask, or a number of the arrays' type, a weight.
pub trait TokenWeight<F: Real>: Weight<F> {
    #[doc(hidden)]
    const NAME: &'static str;

    /// Finds the first weight that is none.
    #[doc(hidden)]
    fn check<D: Dimension>(weights: &ArrayRef<Self, D>) -> Result<(), Error>;

    /// The sum of the weights.
    #[doc(hidden)]
    fn total(weights: &[Self]) -> f64;
}

impl<F: Real> TokenWeight<F> for bool {
    const NAME: &'static str = "token mask";

    fn check<D: Dimension>(_: &ArrayRef<Self, D>) -> Result<(), Error> {
        Ok(())
    }

    #[inline(always)]
    fn total(weights: &[Self]) -> f64 {
        weights.iter().filter(|&&exists| exists).count() as f64
    }
}

impl<F: Real> TokenWeight<F> for F {
    const NAME: &'static str = "token weights";

    fn check<D: Dimension>(weights: &ArrayRef<Self, D>) -> Result<(), Error> {
        let numbers = &*in_order(weights);
        let (least, greatest) = (F::zero(), F::max_value());
        if streams::run(Within { numbers, mask: None, least, greatest }) {
            return Ok(());
        }
        for (token, &weight) in numbers.iter().enumerate() {
            let index = || unravel(token, weights.shape());
            within(Self::NAME, weight, (|weight| weight >= 0.0, "at least 0"), index)?;
        }
        Ok(())
    }

    #[inline(always)]
    fn total(weights: &[Self]) -> f64 {
        row_sum(weights, unweighted(weights.len()), &mut [F::zero(); LANES])
    }
}

/// The log-probabilities of tokens `[.., K, T]`, with a mask or weights of the same shape.
///
/// The mask is true for the tokens of the response (not for the prompt, not for padding); what stands
/// at the others does not matter.
#[derive(Debug, Clone, Copy)]
pub struct Tokens<'a, F, W, D: Dimension> {
    log_probs: &'a ArrayRef<F, D>,
    weights: &'a ArrayRef<W, D>,
    bound: LogProbBound,
}

impl<'a, F: Real, W: TokenWeight<F>, D: Dimension> Tokens<'a, F, W, D> {
    /// Tokens with their log-probabilities and their mask or weights.
    pub fn new(log_probs: &'a ArrayRef<F, D>, weights: &'a ArrayRef<W, D>) -> Self {
        Self { log_probs, weights, bound: LogProbBound::DEFAULT }
    }

    /// The greatest log-probability that passes, 0.1 where nothing else is said: as in
    /// [`Responses::at_most`](super::Responses::at_most).
    #[must_use]
    pub fn at_most(self, greatest: f64) -> Self {
        Self { bound: LogProbBound(greatest), ..self }
    }
}

/// Room that calls of [`SequenceLogProbs::log_probs_into`] reuse. It holds no results.
#[derive(Debug, Clone, Default)]
pub struct Workspace {
    /// Results, until it is known that there is no error.
    log_probs: Vec<f64>,
}

impl SequenceLogProbs {
    /// The log-probabilities `[.., K]` of responses from those of their tokens `[.., K, T]`, and the
    /// tokens' mask or weights: [`log_probs_over`](Self::log_probs_over) them.
    ///
    /// # Errors
    ///
    /// Those of `log_probs_over`.
    pub fn log_probs<F: Real, W: TokenWeight<F>, D: RemoveAxis>(
        self,
        tokens: &ArrayRef<F, D>,
        weights: &ArrayRef<W, D>,
    ) -> Result<Array<F, D::Smaller>, Error> {
        self.log_probs_over(&Tokens::new(tokens, weights))
    }

    /// The log-probabilities `[.., K]` of responses from their tokens `[.., K, T]`. A response without
    /// tokens has 0.
    ///
    /// Sums are kept in `f64`, in blocks: their error does not grow with the number of tokens. Padding
    /// before and behind a response does not change a bit.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] where the shapes differ, [`Error::NotFinite`] and [`Error::OutOfRange`] for
    /// what is no log-probability or no weight, [`Error::Parameter`] where there is no memory for the result.
    pub fn log_probs_over<F: Real, W: TokenWeight<F>, D: RemoveAxis>(
        self,
        tokens: &Tokens<'_, F, W, D>,
    ) -> Result<Array<F, D::Smaller>, Error> {
        let mut log_probs =
            zeros("responses", responses("token log-probabilities", tokens.log_probs)?)?;
        self.log_probs_into(tokens, &mut log_probs, &mut Workspace::default())?;
        Ok(log_probs)
    }

    /// [`log_probs_over`](Self::log_probs_over) written to the caller's array.
    ///
    /// # Errors
    ///
    /// Those of `log_probs_over`; `log_probs` is then as it was.
    pub fn log_probs_into<F: Real, W: TokenWeight<F>, D: RemoveAxis>(
        self,
        tokens: &Tokens<'_, F, W, D>,
        log_probs: &mut ArrayRef<F, D::Smaller>,
        workspace: &mut Workspace,
    ) -> Result<(), Error> {
        let Tokens { log_probs: tokens, weights, bound } = *tokens;
        let expected = responses("token log-probabilities", tokens)?;
        same_shape("log-probabilities", log_probs.shape(), expected.slice())?;
        same_shape(W::NAME, weights.shape(), tokens.shape())?;
        W::check(weights)?;
        let (shape, length) = (tokens.shape(), last(tokens.shape()));
        let (tokens, weights) = (in_order(tokens), in_order(weights));
        let greatest = bound.checked()?;

        let results = &mut workspace.log_probs;
        results.clear();
        results.resize(log_probs.len(), 0.0);
        if length > 0 && !self.sums(&tokens, &weights, length, greatest, results) {
            let exists = |token: usize| weights[token].exists();
            bound.find("token log-probabilities", &tokens, shape, exists)?;
            // Each is a log-probability, but a sum overflowed on the way to its result.
            let rows = tokens.chunks(length).zip(weights.chunks(length));
            for (result, (tokens, weights)) in results.iter_mut().zip(rows) {
                *result = self.without_overflow(tokens, weights);
            }
        }
        for (out, &result) in log_probs.iter_mut().zip(&*results) {
            *out = F::narrow(result);
        }
        Ok(())
    }

    /// Writes the results of rows of `length` tokens; false where a token is no log-probability or a
    /// result is not finite.
    fn sums<F: Real, W: TokenWeight<F>>(
        self,
        tokens: &[F],
        weights: &[W],
        length: usize,
        greatest: F,
        results: &mut [f64],
    ) -> bool {
        let rows = streams::rows_at_a_time(results.len(), length);
        let parts = tokens.chunks(rows * length).zip(weights.chunks(rows * length));
        streams::all(results.chunks_mut(rows).zip(parts).map(|(results, (tokens, weights))| Rows {
            how: self,
            tokens,
            weights,
            length,
            greatest,
            results,
        }))
    }

    /// What a sum over tokens is divided by.
    #[inline(always)]
    fn divisor<F: Real, W: TokenWeight<F>>(self, weights: &[W]) -> f64 {
        match self {
            Self::Sum => 1.0,
            Self::Mean => W::total(weights),
        }
    }

    /// The result of one response whose sum may overflow where the result does not.
    fn without_overflow<F: Real, W: TokenWeight<F>>(self, tokens: &[F], weights: &[W]) -> f64 {
        const SMALL: f64 = 1.0 / 18_446_744_073_709_551_616.0; // 2⁻⁶⁴
        let weights = || weights.iter().map(|weight| weight.factor().widen());
        let largest = weights().fold(0.0, f64::max);
        let (mut sum, mut total) = (Sum::default(), Sum::default());
        for (token, weight) in tokens.iter().zip(weights()).filter(|&(_, weight)| weight > 0.0) {
            sum.add(weight / largest * (token.widen() * SMALL));
            total.add(weight / largest);
        }
        match self {
            Self::Sum => sum.total() * largest / SMALL,
            Self::Mean if largest > 0.0 => sum.total() / total.total() / SMALL,
            Self::Mean => 0.0,
        }
    }

    /// The chain rule: from ∂L/∂log π of responses `[.., K]` to that of their tokens `[.., K, T]`,
    /// given the tokens' mask or weights; 0 for a token that is masked.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] where `grad` is not of the mask's shape without its last axis,
    /// [`Error::NotFinite`] and [`Error::OutOfRange`] for what is no weight.
    pub fn backward<F: Real, W: TokenWeight<F>, D: RemoveAxis>(
        self,
        grad: &ArrayRef<F, D::Smaller>,
        weights: &ArrayRef<W, D>,
    ) -> Result<Array<F, D>, Error> {
        let mut grad_tokens = Array::zeros(weights.raw_dim());
        self.backward_into(grad, weights, &mut grad_tokens)?;
        Ok(grad_tokens)
    }

    /// [`backward`](Self::backward) written to the caller's array.
    ///
    /// # Errors
    ///
    /// Those of `backward`; `grad_tokens` is then as it was.
    pub fn backward_into<F: Real, W: TokenWeight<F>, D: RemoveAxis>(
        self,
        grad: &ArrayRef<F, D::Smaller>,
        weights: &ArrayRef<W, D>,
        grad_tokens: &mut ArrayRef<F, D>,
    ) -> Result<(), Error> {
        let expected = responses(W::NAME, weights)?;
        same_shape("gradient of the log-probabilities", grad.shape(), expected.slice())?;
        let what = "gradient of the token log-probabilities";
        same_shape(what, grad_tokens.shape(), weights.shape())?;
        W::check(weights)?;
        let length = last(weights.shape());
        if length == 0 {
            return Ok(());
        }
        let (grad, weights) = (in_order(grad), in_order(weights));
        write_in_order(grad_tokens, |out| {
            let rows = streams::rows_at_a_time(grad.len(), length);
            let parts = weights.chunks(rows * length).zip(out.chunks_mut(rows * length));
            streams::all(grad.chunks(rows).zip(parts).map(|(grad, (weights, out))| Shares {
                how: self,
                grad,
                weights,
                length,
                out,
            }));
        });
        Ok(())
    }
}

/// The results of consecutive responses.
struct Rows<'a, F, W> {
    how: SequenceLogProbs,
    tokens: &'a [F],
    weights: &'a [W],
    length: usize,
    greatest: F,
    results: &'a mut [f64],
}

impl<F: Real, W: TokenWeight<F>> Stream for Rows<'_, F, W> {
    /// Whether all tokens are log-probabilities and all results are finite.
    type Output = bool;

    #[inline(always)]
    fn run(self) -> bool {
        let Self { how, tokens, weights, length, greatest, results } = self;
        let mut greatest_found = [F::zero(); LANES];
        let mut finite = true;
        let rows = tokens.chunks_exact(length).zip(weights.chunks_exact(length));
        for (result, (tokens, weights)) in results.iter_mut().zip(rows) {
            // What stands before a response is not to move its tokens to other lanes.
            let start = weights.iter().position(|weight| weight.exists()).unwrap_or(length);
            let (tokens, weights) = (&tokens[start..], &weights[start..]);
            let sum = row_sum(tokens, weights, &mut greatest_found);
            *result = if sum == 0.0 { 0.0 } else { sum / how.divisor(weights) };
            // A sum shows what is not finite in it.
            finite &= result.is_finite();
        }
        finite && greatest_found.iter().all(|&found| found <= greatest)
    }
}

/// The gradients of the tokens of consecutive responses.
struct Shares<'a, F, W> {
    how: SequenceLogProbs,
    grad: &'a [F],
    weights: &'a [W],
    length: usize,
    out: &'a mut [F],
}

impl<F: Real, W: TokenWeight<F>> Stream for Shares<'_, F, W> {
    type Output = bool;

    #[inline(always)]
    fn run(self) -> bool {
        let Self { how, grad, weights, length, out } = self;
        let rows = weights.chunks_exact(length).zip(out.chunks_exact_mut(length));
        for (&slope, (weights, out)) in grad.iter().zip(rows) {
            let share = slope.widen() / how.divisor(weights);
            for (out, weight) in out.iter_mut().zip(weights) {
                *out = select_unpredictable(weight.exists(), weight.of(share), F::zero());
            }
        }
        true
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
