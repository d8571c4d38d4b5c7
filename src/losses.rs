//! The losses, on lists and batches of lists.
//!
//! A [`Loss`] is a function of one list: the scores and labels of K items in, a value and its
//! gradient with respect to the scores out. [`LossExt`], which every `Loss` has, applies it to
//! arrays: to one list `[K]`, to a batch `[N, K]` or `[N, M, K]`, to ragged groups, with masks and
//! weights ([`Lists`]), and reduces the values ([`Reduction`]).
//!
//! | loss | per-list value | LiPO | known as, at K = 2 or in a list |
//! |---|---|---|---|
//! | [`PointMse`] | Σ_k (ψ_k − s_k)² | Eq. 9 | |
//! | [`PointSigmoid`] | −Σ_k \[ψ_k log σ(s_k) + (1 − ψ_k) log(1 − σ(s_k))\] | Eq. 10 | |
//! | [`PairHinge`] | Σ_{ψ_i > ψ_j} max(0, 1 − (s_i − s_j)) | Eq. 6 | SLiC |
//! | [`PairLogistic`] | Σ_{ψ_i > ψ_j} log(1 + e^−(s_i − s_j)) | Eq. 5 | DPO, RankNet |
//! | [`ListMle`] | −Σ_k log(e^{s_τ(k)} / Σ_{j ≥ k} e^{s_τ(j)}) | Eq. 7 | DPO-PL, PRO |
//! | [`Softmax`] | −Σ_k (ψ_k / Σψ) log softmax(s)_k | Eq. 11 | InfoNCA, ListNet |
//! | [`LambdaLoss`] | Σ_{ψ_i > ψ_j} Δ_ij log(1 + e^−(s_i − s_j)) | Eq. 8 | LiPO-λ, LambdaRank |
//!
//! [`PAPER`] lists these seven by name, and `"lambda-loss".parse::<Box<dyn Loss>>()` finds one.
//!
//! # The grid
//!
//! A pair loss is a [`PairLoss`] of two values, one for each axis, and every combination is fast:
//!
//! | pair function φ | value at the margin d | known as |
//! |---|---|---|
//! | [`Logistic`] | log(1 + e^−d) | DPO, RankNet |
//! | [`SmoothedLogistic`] | −(1 − ε) log σ(d) − ε log σ(−d) | cDPO |
//! | [`RobustLogistic`] | \[−(1 − ε) log σ(d) + ε log σ(−d)\] / (1 − 2ε) | robust DPO |
//! | [`TargetMargin`] | φ(d − γ), of any φ | SimPO |
//! | [`Hinge`] | max(0, δ − d) | SLiC, SLiC-HF, RRHF (δ = 0) |
//! | [`SquaredDifference`] | (d − t)² | IPO |
//! | [`SquaredGap`] | (d − (ψ_i − ψ_j))², of all pairs | Rax's pair-mse, REBEL |
//! | [`SoftZeroOne`] | σ(−d) | Rax's soft zero-one |
//! | [`Davidson`] | log(1 + e^−d + ν e^{−d/2}); log(1 + 2 cosh(d/2)/ν) of equal labels | DPO-D |
//!
//! | pair weight Δ | value | known as |
//! |---|---|---|
//! | [`Unweighted`] | 1 | |
//! | [`LambdaWeight`] | \|G_i − G_j\| · \|1/D(τ_i) − 1/D(τ_j)\| | LiPO-λ, LambdaRank |
//! | [`GainDifference`] | \|G_i − G_j\| | |
//! | [`DiscountDifference`] | \|1/D(τ_i) − 1/D(τ_j)\| | |
//! | [`RankDistance`] | \|G_i − G_j\| · \|1/D(δ) − 1/D(δ + 1)\|, δ = \|τ_i − τ_j\| | NDCG-Loss2, Rax's dcg2 |
//! | [`TruncatedLambdaWeight`] | that of [`LambdaWeight`] where min(τ_i, τ_j) ≤ k, else 0 | LightGBM's truncation level |
//! | [`AveragePrecisionWeight`] | \|ΔAP\| of swapping i and j | XGBoost's rank:map |
//!
//! Lists with soft targets ([`ListsBuilder::targets`](crate::lists::ListsBuilder::targets)) weigh every
//! ordered pair by its target in place of asking which label is greater.
//!
//! | other list losses | value | known as |
//! |---|---|---|
//! | [`Nca`] | −Σ_k \[(ψ_k / Σψ) log σ(s_k) + (1/K) log σ(−s_k)\] | NCA |
//! | [`Pro`] | −Σ_k log(e^{s_τ(k)/T_kk} / Σ_{j ≥ k} e^{s_τ(j)/T_kj}) | PRO |
//!
//! | [`PositionalListMle`] | −Σ_k v_k log(e^{s_τ(k)} / Σ_{j ≥ k} e^{s_τ(j)}) | p-ListMLE, top-k ListMLE |
//! | [`ReverseKl`] | Σ_k q_k log(q_k/p_k), q = softmax(s), p_k = max(ψ_k/Σψ, ε) | EXO |
//! | [`ApproxNdcg`] | −Σ_k G_k/D(r_k) / IDCG, r_k = 1 + Σ_j σ((s_j − s_k)/T) | ApproxNDCG, OPO |
//!
//! Of point functions beside the two above, [`Utility`] in a [`PointLoss`] is KTO's: 1 − σ(s − z) where
//! ψ ≥ ½, else 1 − σ(z − s).
//!
//! Which published objective is which loss of which reward says [`objectives`](crate::objectives).
//!
//! # A loss of your own
//!
//! A pair function is a [`PairFunction`], a pair weight a [`PairWeight`], a point loss a
//! [`PointFunction`]: each is one formula, and as fast as the built-in ones. Anything else is a
//! [`ListFunction`], one function of one list in `f64`. Batches, masks, ragged lists, reductions and
//! `dyn` come with all of them.
//!
//! ```
//! use lipo::{List, losses::{ListFunction, ListResults, Loss, LossExt, Work}};
//! use ndarray::array;
//!
//! /// Σ_k |ψ_k − s_k|
//! #[derive(Debug)]
//! struct PointAbsolute;
//!
//! impl ListFunction for PointAbsolute {
//!     fn list(&self, list: &List<'_>, results: &mut ListResults<'_>) -> f64 {
//!         let mut value = 0.0;
//!         for (k, (s, psi)) in list.scores().iter().zip(list.labels()).enumerate() {
//!             value += list.weight(k) * (s - psi).abs();
//!             results.gradient()[k] = list.weight(k) * if s == psi { 0.0 } else { (s - psi).signum() };
//!         }
//!         value
//!     }
//! }
//!
//! impl Loss for PointAbsolute {
//!     fn work(&self) -> Work<'_> {
//!         Work::list(self)
//!     }
//! }
//!
//! let scores = array![[0.5_f32, 2.0], [1.0, 0.0]];
//! let labels = array![[1.0_f32, 0.0], [1.0, 0.25]];
//! let (value, grad) = PointAbsolute.value_and_grad(&scores, &labels)?;
//! assert_eq!(value, 1.375); // the mean of 2.5 and 0.25
//! assert_eq!(grad, array![[-0.5, 0.5], [0.0, -0.5]]);
//! # Ok::<(), lipo::Error>(())
//! ```

use std::borrow::Cow;
use std::fmt::Debug;

use ndarray::{Array, ArrayRef, Dimension, RemoveAxis};

use crate::check::{same_shape, zeros};
use crate::engine::{self, Outputs, Shape};
use crate::lists::Ranges;
use crate::{Error, List, Lists, Precision, Real};

mod list;
mod named;
mod pair;
mod point;
mod reduction;
mod sigmoid;
mod smooth;
#[cfg(test)]
mod testing;

pub use crate::engine::{
    Diagonal, Family, ListFunction, ListResults, Pair, PairFunction, PairTerm, PairWeight, Point,
    PointFunction, PointTerm, PositionWeights, RankedList, ShareFunction, Shares, Unweighted,
    WeightColumns, Work, Workspace,
};
pub use crate::numeric::number::{Number, Softplus};
pub use list::{
    ExponentialPositions, FirstPositions, ListMle, Nca, PositionalListMle, Pro, ReverseKl, Softmax,
};
pub use named::{PAPER, UnknownLoss};
pub use pair::{
    AveragePrecisionWeight, Davidson, DiscountDifference, GainDifference, GivenPairs, Hinge,
    LambdaLoss, LambdaWeight, Logistic, PairHinge, PairLogistic, PairLoss, RankDistance,
    RobustLogistic, SmoothedLogistic, SoftZeroOne, SquaredDifference, SquaredGap, TargetMargin,
    TruncatedLambdaWeight,
};
pub use point::{PointLoss, PointMse, PointSigmoid, Utility};
pub use reduction::{Reduction, Total};
pub use smooth::ApproxNdcg;

/// A ranking loss: a value of one list and its derivatives.
///
/// To apply one, use [`LossExt`]; to write one, see the [module](self). The trait is object safe:
/// `Vec<Box<dyn Loss>>` holds losses to compare, and `&L`, `Box<L>`, `Rc<L>` and `Arc<L>` of a loss are
/// losses, as fast as what they point to. A type that wraps a loss forwards `work`, `domain` and
/// `check`.
pub trait Loss: Debug + Send + Sync {
    /// What the engine is to compute.
    fn work(&self) -> Work<'_>;

    /// The name, such as `lambda-loss`; for a loss of one's own, how it is printed for debugging.
    fn name(&self) -> Cow<'static, str> {
        Cow::Owned(format!("{self:?}"))
    }

    /// The scores and labels that the loss is defined for, in arrays of a precision.
    fn domain(&self, precision: Precision) -> Domain {
        let _ = precision;
        Domain::ANY
    }

    /// Whether a list is in the domain, where this is more than [`domain`](Self::domain) says; asked
    /// only if [`Domain::with_check`] was called.
    ///
    /// # Errors
    ///
    /// An index in the error counts the list's items; it is translated to the caller's arrays.
    fn check(&self, list: &List<'_>) -> Result<(), Error> {
        let _ = list;
        Ok(())
    }

    /// The number of terms of a list, for [`Reduction::MeanOverTerms`]: its items for a point loss,
    /// its ordered pairs for a pair loss, 1 for a list loss. `scratch` is room for numbers.
    fn terms(&self, list: &List<'_>, scratch: &mut Vec<f64>) -> u64 {
        match self.work().0 {
            Shape::Points(function) if !function.takes_shares() => list.len() as u64,
            Shape::Pairs(work) => pair::count(list, work.function.traits().ties, scratch),
            _ => 1,
        }
    }
}

/// The scores and labels that a loss is defined for.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Domain {
    /// The least and the greatest label.
    pub labels: (f64, f64),
    /// These bounds in words, such as "in \[0, 1\]".
    pub range: &'static str,
    /// Whether the loss takes differences of scores, so that none may overflow.
    pub differences: bool,
    /// Whether [`Loss::check`] has more to say.
    pub check: bool,
}

impl Domain {
    /// Any finite scores and labels.
    pub const ANY: Self = Self {
        labels: (f64::NEG_INFINITY, f64::INFINITY),
        range: "any number",
        differences: false,
        check: false,
    };

    /// Scores whose differences do not overflow, and any labels.
    pub const DIFFERENCES: Self = Self { differences: true, ..Self::ANY };

    /// The same scores with labels from `least` to `greatest`, which `range` says in words.
    #[must_use]
    pub const fn with_labels(self, least: f64, greatest: f64, range: &'static str) -> Self {
        Self { labels: (least, greatest), range, ..self }
    }

    /// The same with a further [`Loss::check`].
    #[must_use]
    pub const fn with_check(self) -> Self {
        Self { check: true, ..self }
    }

    /// Whether all lists within these ranges are in the domain, so that none need be looked at.
    fn holds(&self, ranges: &Ranges) -> bool {
        let (least, greatest) = ranges.labels;
        let labels = least >= self.labels.0 && greatest <= self.labels.1 || least > greatest;
        !self.check && labels && (!self.differences || ranges.spread_is_finite())
    }

    fn check(&self, list: &List<'_>) -> Result<(), Error> {
        if self.differences {
            list.check_spread()?;
        }
        let (least, greatest) = self.labels;
        match list.labels().iter().position(|label| !(least..=greatest).contains(label)) {
            Some(item) => Err(list.label_out_of_range(item, self.range)),
            None => Ok(()),
        }
    }
}

macro_rules! forward_loss {
    ($($pointer:ty),*) => {$(
        impl<L: Loss + ?Sized> Loss for $pointer {
            fn work(&self) -> Work<'_> {
                (**self).work()
            }

            fn name(&self) -> Cow<'static, str> {
                (**self).name()
            }

            fn domain(&self, precision: Precision) -> Domain {
                (**self).domain(precision)
            }

            fn check(&self, list: &List<'_>) -> Result<(), Error> {
                (**self).check(list)
            }

            fn terms(&self, list: &List<'_>, scratch: &mut Vec<f64>) -> u64 {
                (**self).terms(list, scratch)
            }
        }
    )*};
}

forward_loss!(&L, Box<L>, std::sync::Arc<L>);

/// Every [`Loss`] on arrays.
///
/// F is `f32` or `f64`; arrays are any `&ArrayRef`, to which owned arrays and views coerce. On an
/// error nothing has been written.
pub trait LossExt: Loss {
    /// The mean over lists of the loss of scores and labels `[.., K]`.
    ///
    /// # Errors
    ///
    /// Those of [`ListsBuilder::build`](crate::lists::ListsBuilder::build), and of the loss for
    /// labels or scores outside its domain.
    fn value<F: Real, D: RemoveAxis>(
        &self,
        scores: &ArrayRef<F, D>,
        labels: &ArrayRef<F, D>,
    ) -> Result<F, Error> {
        let lists = Lists::dense(scores, labels).build()?;
        let workspace = &mut Workspace::default();
        Ok(total(self, &lists, false, workspace)?.reduce(Reduction::default()))
    }

    /// The mean over lists of the loss of scores and labels `[.., K]`, and its gradient `[.., K]`
    /// with respect to the scores.
    ///
    /// ```
    /// use lipo::losses::{LossExt, PairLogistic};
    /// use ndarray::array;
    ///
    /// let (value, grad) =
    ///     PairLogistic.value_and_grad(&array![0.3_f64, 0.1], &array![1.0, 0.0])?;
    /// assert!((value - 0.598139).abs() < 1e-6); // log(1 + e^-0.2)
    /// assert!((grad[0] + 0.450166).abs() < 1e-6); // -1/(1 + e^0.2)
    /// # Ok::<(), lipo::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`value`](Self::value).
    fn value_and_grad<F: Real, D: RemoveAxis>(
        &self,
        scores: &ArrayRef<F, D>,
        labels: &ArrayRef<F, D>,
    ) -> Result<(F, Array<F, D>), Error> {
        self.reduced(&Lists::dense(scores, labels).build()?, Reduction::default())
    }

    /// The reduced value of `lists` and its gradient, of the scores' shape.
    ///
    /// # Errors
    ///
    /// Those of the loss, for labels or scores outside its domain.
    fn reduced<F: Real, D: Dimension, B: Dimension>(
        &self,
        lists: &Lists<'_, F, D, B>,
        reduction: Reduction,
    ) -> Result<(F, Array<F, D>), Error> {
        let mut grad = Array::zeros(lists.shape());
        let value = self.reduced_into(lists, reduction, &mut grad, &mut Workspace::default())?;
        Ok((value, grad))
    }

    /// [`reduced`](Self::reduced) with the gradient written to the caller's array.
    ///
    /// # Errors
    ///
    /// Those of `reduced`, and [`Error::Shape`] where `grad` does not have the scores' shape.
    fn reduced_into<F: Real, D: Dimension, B: Dimension>(
        &self,
        lists: &Lists<'_, F, D, B>,
        reduction: Reduction,
        grad: &mut ArrayRef<F, D>,
        workspace: &mut Workspace,
    ) -> Result<F, Error> {
        same_shape("gradient", grad.shape(), lists.shape().slice())?;
        let mut total = count(self, lists, reduction == Reduction::MeanOverTerms, workspace)?;
        let divisor = total.divisor(reduction);
        with_slice(grad, |grad| {
            let outputs = Outputs { gradient: Some(grad), ..Outputs::default() };
            evaluate(self, lists, Some(divisor), outputs, &mut total, workspace);
        });
        Ok(total.reduce(reduction))
    }

    /// The reduced value of `lists`, its gradient, and the diagonal of its Hessian with respect to the
    /// scores, in one pass. Pair weights that depend on the ranks are constants in both, as in LightGBM.
    ///
    /// ```
    /// use lipo::{Lists, losses::{Diagonal, LossExt, PairLogistic, Reduction}};
    /// use ndarray::array;
    ///
    /// let (scores, labels) = (array![0.3_f64, 0.1], array![1.0, 0.0]);
    /// let lists = Lists::dense(&scores, &labels).build()?;
    /// let (_, _, diagonal) =
    ///     PairLogistic.reduced_with_diagonal(&lists, Reduction::Sum, Diagonal::Exact)?;
    /// assert!((diagonal[0] - 0.247517).abs() < 1e-6); // σ(0.2) σ(-0.2)
    /// # Ok::<(), lipo::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`reduced`](Self::reduced).
    #[allow(clippy::type_complexity)] // three results, which users destructure
    fn reduced_with_diagonal<F: Real, D: Dimension, B: Dimension>(
        &self,
        lists: &Lists<'_, F, D, B>,
        reduction: Reduction,
        which: Diagonal,
    ) -> Result<(F, Array<F, D>, Array<F, D>), Error> {
        let (mut grad, mut diagonal) = (Array::zeros(lists.shape()), Array::zeros(lists.shape()));
        let workspace = &mut Workspace::default();
        let results = (&mut *grad, &mut *diagonal);
        let value = self.reduced_with_diagonal_into(lists, reduction, which, results, workspace)?;
        Ok((value, grad, diagonal))
    }

    /// [`reduced_with_diagonal`](Self::reduced_with_diagonal) with the gradient and the diagonal
    /// written to the caller's arrays.
    ///
    /// # Errors
    ///
    /// Those of `reduced`, and [`Error::Shape`] where an array does not have the scores' shape.
    fn reduced_with_diagonal_into<F: Real, D: Dimension, B: Dimension>(
        &self,
        lists: &Lists<'_, F, D, B>,
        reduction: Reduction,
        which: Diagonal,
        (grad, diagonal): (&mut ArrayRef<F, D>, &mut ArrayRef<F, D>),
        workspace: &mut Workspace,
    ) -> Result<F, Error> {
        same_shape("gradient", grad.shape(), lists.shape().slice())?;
        same_shape("diagonal", diagonal.shape(), lists.shape().slice())?;
        let mut total = count(self, lists, reduction == Reduction::MeanOverTerms, workspace)?;
        let divisor = total.divisor(reduction);
        with_slice(grad, |grad| {
            with_slice(diagonal, |diagonal| {
                let diagonal = Some((which, diagonal));
                let outputs = Outputs { gradient: Some(grad), diagonal, product: None };
                evaluate(self, lists, Some(divisor), outputs, &mut total, workspace);
            });
        });
        Ok(total.reduce(reduction))
    }

    /// The product of the Hessian of the reduced value with a direction, both of the scores' shape.
    ///
    /// ```
    /// use lipo::{Lists, losses::{LossExt, PointMse, Reduction}};
    /// use ndarray::array;
    ///
    /// let (scores, labels) = (array![0.3_f64, 0.1], array![1.0, 0.0]);
    /// let lists = Lists::dense(&scores, &labels).build()?;
    /// let product = PointMse.hessian_product(&lists, Reduction::Sum, &array![1.0, -2.0])?;
    /// assert_eq!(product, array![2.0, -4.0]);
    /// # Ok::<(), lipo::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`reduced`](Self::reduced); [`Error::Shape`] where the direction does not have the
    /// scores' shape, and [`Error::NotFinite`] where an entry at an item that exists is not finite.
    fn hessian_product<F: Real, D: Dimension, B: Dimension>(
        &self,
        lists: &Lists<'_, F, D, B>,
        reduction: Reduction,
        direction: &ArrayRef<F, D>,
    ) -> Result<Array<F, D>, Error> {
        let mut product = Array::zeros(lists.shape());
        let workspace = &mut Workspace::default();
        self.hessian_product_into(lists, reduction, direction, &mut product, workspace)?;
        Ok(product)
    }

    /// [`hessian_product`](Self::hessian_product) written to the caller's array.
    ///
    /// # Errors
    ///
    /// As for `hessian_product`.
    fn hessian_product_into<F: Real, D: Dimension, B: Dimension>(
        &self,
        lists: &Lists<'_, F, D, B>,
        reduction: Reduction,
        direction: &ArrayRef<F, D>,
        product: &mut ArrayRef<F, D>,
        workspace: &mut Workspace,
    ) -> Result<F, Error> {
        same_shape("product", product.shape(), lists.shape().slice())?;
        let direction = lists.direction(direction)?;
        let mut total = count(self, lists, reduction == Reduction::MeanOverTerms, workspace)?;
        let divisor = total.divisor(reduction);
        with_slice(product, |product| {
            let mut flat = lists.flat();
            flat.direction = Some(&direction);
            let outputs = Outputs { product: Some(product), ..Outputs::default() };
            engine::evaluate(self.work(), &flat, Some(divisor), outputs, workspace);
            add_up(&mut total, flat.list_weights, workspace.values());
        });
        Ok(total.reduce(reduction))
    }

    /// The value of each list and its gradient, neither reduced nor multiplied by list weights.
    ///
    /// # Errors
    ///
    /// As for [`reduced`](Self::reduced).
    #[allow(clippy::type_complexity)] // two arrays, which users destructure
    fn per_list<F: Real, D: Dimension, B: Dimension>(
        &self,
        lists: &Lists<'_, F, D, B>,
    ) -> Result<(Array<F, B>, Array<F, D>), Error> {
        let mut values = zeros("lists", lists.batch_shape())?;
        let mut grad = Array::zeros(lists.shape());
        self.per_list_into(lists, &mut values, &mut grad, &mut Workspace::default())?;
        Ok((values, grad))
    }

    /// [`per_list`](Self::per_list) with both results written to the caller's arrays; returns what
    /// they add up to, list weights included.
    ///
    /// # Errors
    ///
    /// Those of `per_list`, and [`Error::Shape`] where `values` or `grad` has the wrong shape.
    fn per_list_into<F: Real, D: Dimension, B: Dimension>(
        &self,
        lists: &Lists<'_, F, D, B>,
        values: &mut ArrayRef<F, B>,
        grad: &mut ArrayRef<F, D>,
        workspace: &mut Workspace,
    ) -> Result<Total, Error> {
        same_shape("values", values.shape(), lists.batch_shape().slice())?;
        same_shape("gradient", grad.shape(), lists.shape().slice())?;
        let mut total = count(self, lists, true, workspace)?;
        with_slice(grad, |grad| {
            let outputs = Outputs { gradient: Some(grad), ..Outputs::default() };
            evaluate(self, lists, None, outputs, &mut total, workspace);
        });
        for (out, &value) in values.iter_mut().zip(workspace.values()) {
            *out = F::narrow(value);
        }
        Ok(total)
    }

    /// What the lists add up to, without gradients: reduce it, or merge it with others first.
    ///
    /// # Errors
    ///
    /// As for [`reduced`](Self::reduced).
    fn total<F: Real, D: Dimension, B: Dimension>(
        &self,
        lists: &Lists<'_, F, D, B>,
        workspace: &mut Workspace,
    ) -> Result<Total, Error> {
        total(self, lists, true, workspace)
    }
}

impl<L: Loss + ?Sized> LossExt for L {}

fn total<L: Loss + ?Sized, F: Real, D: Dimension, B: Dimension>(
    loss: &L,
    lists: &Lists<'_, F, D, B>,
    with_terms: bool,
    workspace: &mut Workspace,
) -> Result<Total, Error> {
    let mut total = count(loss, lists, with_terms, workspace)?;
    evaluate(loss, lists, Some(1.0), Outputs::default(), &mut total, workspace);
    Ok(total)
}

/// Computes every list, and adds the values up.
fn evaluate<L: Loss + ?Sized, F: Real, D: Dimension, B: Dimension>(
    loss: &L,
    lists: &Lists<'_, F, D, B>,
    divisor: Option<f64>,
    outputs: Outputs<'_, F>,
    total: &mut Total,
    workspace: &mut Workspace,
) {
    let flat = lists.flat();
    engine::evaluate(loss.work(), &flat, divisor, outputs, workspace);
    add_up(total, flat.list_weights, workspace.values());
}

fn add_up<F: Real>(total: &mut Total, weights: Option<&[F]>, values: &[f64]) {
    let weights = weights.filter(|weights| weights.iter().any(|&weight| weight != F::one()));
    let Some(weights) = weights else { return total.add_all(values) };
    // The weight of a list without items, whose value is 0, may be anything.
    for (weight, &value) in weights.iter().zip(values).filter(|(_, value)| **value != 0.0) {
        total.add(weight.widen(), value);
    }
}

/// Calls `write` with the array's elements, which it fills, in logical order.
fn with_slice<F: Real, D: Dimension>(array: &mut ArrayRef<F, D>, write: impl FnOnce(&mut [F])) {
    if let Some(slice) = array.as_slice_mut() {
        return write(slice);
    }
    let mut numbers = vec![F::zero(); array.len()];
    write(&mut numbers);
    for (out, &number) in array.iter_mut().zip(&numbers) {
        *out = number;
    }
}

/// Checks every list; counts lists and, if asked to, terms.
fn count<L: Loss + ?Sized, F: Real, D: Dimension, B: Dimension>(
    loss: &L,
    lists: &Lists<'_, F, D, B>,
    with_terms: bool,
    workspace: &mut Workspace,
) -> Result<Total, Error> {
    let flat = lists.flat();
    if flat.targets.is_some() && !matches!(loss.work().0, Shape::Pairs(_)) {
        return Err(Error::Targets { loss: loss.name().into_owned() });
    }
    let mut total = Total::default();
    let domain = loss.domain(F::PRECISION);
    if !with_terms && domain.holds(lists.ranges()) {
        total.lists = flat.count();
        return Ok(total);
    }
    let (buffers, scratch) = workspace.for_lists();
    for place in flat.places() {
        let (list, _, targets) = flat.whole_list(place, buffers);
        if list.is_empty() {
            continue;
        }
        let checked = domain.check(&list);
        let checked = if domain.check { checked.and_then(|()| loss.check(&list)) } else { checked };
        checked.map_err(|error| lists.in_callers_arrays(error, place))?;
        total.lists += 1;
        if with_terms {
            let ordered_pairs = (list.len() * (list.len() - 1)) as u64;
            total.terms +=
                if targets.is_some() { ordered_pairs } else { loss.terms(&list, scratch) };
        }
    }
    Ok(total)
}
