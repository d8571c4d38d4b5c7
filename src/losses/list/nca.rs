//! Noise contrastive alignment.
//!
//! l(s, ψ) = −Σ_k [p_k log σ(s_k) + (1/K) log σ(−s_k)], p_k = w_k ψ_k / Σ_j w_j ψ_j
//!         = Σ_k [p_k max(−s_k, 0) + max(s_k, 0)/K + (p_k + 1/K) log(1 + e^−|s_k|)]
//!
//! ∂l/∂s_k = σ(s_k)/K − p_k σ(−s_k)

use std::borrow::Cow;

use crate::Precision;
use crate::engine::{Point, PointFunction, PointTerm, Work};
use crate::losses::{Domain, Loss};

/// NCA: −Σ_k \[p_k log σ(s_k) + (1/K) log σ(−s_k)\] with shares p = ψ / Σψ of labels ψ ≥ 0 (Chen et
/// al. 2024, [arXiv 2402.05369](https://arxiv.org/abs/2402.05369), Section 4).
///
/// A response drawn from the labels' shares is told from one drawn from all K alike. Its companion
/// `InfoNCA` is [`Softmax`](crate::losses::Softmax); in both the paper's labels of a response with
/// reward r are e^(r/α). Unlike that one it holds each score to a place of its own: it is no
/// function of their differences. With one-hot labels and K = 2 it is TRL's `nca_pair`.
///
/// Weights multiply the labels before these are normalised. A list whose labels sum to 0 has value
/// and gradient 0. Terms, for
/// [`Reduction::MeanOverTerms`](crate::losses::Reduction::MeanOverTerms), are the lists.
///
/// A negative label is [`Error::OutOfRange`](crate::Error::OutOfRange).
///
/// ```
/// use lipo::losses::{LossExt, Nca};
/// use ndarray::array;
///
/// let (value, grad) = Nca.value_and_grad(&array![0.0_f64, 0.0], &array![1.0, 0.0])?;
/// assert!((value - 1.386294).abs() < 1e-6); // 2 log 2
/// assert_eq!(grad, array![-0.25, 0.25]); // ½/2 - ½, ½/2
/// # Ok::<(), lipo::Error>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Nca;

crate::formula! {
    impl PointFunction for Nca {
        const SHARES: bool = true;

        fn at<N: Number>(&self, point: Point<N>) -> PointTerm<N> {
            let Point { score, label: share, evenly } = point;
            let (zero, one) = (score.constant(0.0), score.constant(1.0));
            let exp = (-score.abs()).exp();
            let large = one / (one + exp);
            let small = exp * large;
            let negative = zero.above(score);
            // σ(s) and σ(−s).
            let rise = N::select(negative, small, large);
            let fall = N::select(negative, large, small);
            let linear = N::select(negative, share, evenly) * score.abs();
            let both = share + evenly;
            let value = both.mul_add(exp.ln_1p_unit(), linear);
            PointTerm::new(value, evenly * rise - share * fall, both * (small * large))
        }
    }
}

impl Loss for Nca {
    fn work(&self) -> Work<'_> {
        Work::points(self)
    }

    fn name(&self) -> Cow<'static, str> {
        "nca".into()
    }

    fn domain(&self, _: Precision) -> Domain {
        Domain::ANY.with_labels(0.0, f64::INFINITY, "at least 0")
    }
}
