//! Softmax cross-entropy, LiPO Eq. 11.
//!
//! l(s, ψ) = −Σ_k p_k log q_k, p_k = w_k ψ_k / Σ_j w_j ψ_j, q_k = e^{s_k} / Σ_j e^{s_j}
//!
//! ∂l/∂s_k = q_k − p_k = q_k Σ_{j ≠ k} p_j − p_k Σ_{j ≠ k} q_j
//!
//! where the last form does not cancel where one item has nearly all of p and of q.

use std::borrow::Cow;

use crate::Precision;
use crate::engine::{ShareFunction, Shares, Work};
use crate::losses::{Domain, Loss};
use crate::numeric::number::Number;

/// Softmax cross-entropy: −Σ_k (ψ_k / Σψ) log softmax(s)_k with labels ψ ≥ 0, LiPO Eq. 11; InfoNCA
/// (the paper's NCE), ListNet; DPO at K = 2 with one-hot labels.
///
/// The paper's Eq. 11 has lost its minus sign. Weights multiply the labels before these are
/// normalised. A list whose labels sum to 0 has value and gradient 0. Terms, for
/// [`Reduction::MeanOverTerms`](crate::losses::Reduction::MeanOverTerms), are the lists.
///
/// A negative label is [`Error::OutOfRange`](crate::Error::OutOfRange); scores so far apart that their difference overflows
/// are [`Error::Spread`](crate::Error::Spread).
///
/// ```
/// use lipo::losses::{LossExt, Softmax};
/// use ndarray::array;
///
/// let (value, grad) = Softmax.value_and_grad(&array![0.0_f64, 0.0], &array![0.75, 0.25])?;
/// assert!((value - 0.693147).abs() < 1e-6); // log 2
/// assert_eq!(grad, array![-0.25, 0.25]);
/// # Ok::<(), lipo::Error>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Softmax;

impl ShareFunction for Softmax {
    #[inline(always)]
    fn term<N: Number>(&self, item: Shares<N>) -> N {
        item.p * item.surprise
    }

    #[inline(always)]
    fn slope<N: Number>(&self, item: Shares<N>, _: N) -> N {
        item.q * item.others_p - item.p * item.others_q
    }

    #[inline(always)]
    fn curvature<N: Number>(&self, item: Shares<N>, _: N) -> N {
        item.q * item.others_q
    }

    #[inline(always)]
    fn lever<N: Number>(&self, item: Shares<N>) -> N {
        item.q.constant(0.0)
    }

    #[inline(always)]
    fn product<N: Number>(&self, item: Shares<N>, _: N, v: N, _: N) -> N {
        item.q * v
    }
}

impl Loss for Softmax {
    fn work(&self) -> Work<'_> {
        Work::shares(self)
    }

    fn name(&self) -> Cow<'static, str> {
        "softmax".into()
    }

    fn domain(&self, _: Precision) -> Domain {
        Domain::DIFFERENCES.with_labels(0.0, f64::INFINITY, "at least 0")
    }
}
