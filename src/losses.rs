//! The losses, and the batch loop that they share.
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
//! Other objectives need these besides, the pair functions φ as [`PairLoss::unweighted`]; which
//! objective is which loss of which reward says [`objectives`](crate::objectives).
//!
//! | loss or pair function | value | known as |
//! |---|---|---|
//! | [`Hinge::with_margin`] | φ(d) = max(0, δ − d) | SLiC-HF, RRHF (δ = 0) |
//! | [`SquaredDifference`] | φ(d) = (d − t)² | IPO |
//! | [`SmoothedLogistic`] | φ(d) = −(1 − ε) log σ(d) − ε log σ(−d) | cDPO |
//! | [`RobustLogistic`] | φ(d) = \[−(1 − ε) log σ(d) + ε log σ(−d)\] / (1 − 2ε) | robust DPO |
//! | [`TargetMargin`] | φ(d − γ), of any φ | SimPO |
//! | [`SoftPairLoss`] | Σ_{i ≠ j} Ψ_ij φ(s_i − s_j), of any φ | |
//! | [`Nca`] | −Σ_k \[(ψ_k / Σψ) log σ(s_k) + (1/K) log σ(−s_k)\] | NCA |
//! | [`Pro`] | −Σ_k log(e^{s_τ(k)/T_kk} / Σ_{j ≥ k} e^{s_τ(j)/T_kj}) | PRO |
//!
//! # A loss of your own
//!
//! One function of one list is all; batches, masks, ragged lists, reductions and `dyn` come with it.
//!
//! ```
//! use lipo::{List, losses::{Loss, LossExt, Scratch}};
//! use ndarray::array;
//!
//! /// Σ_k |ψ_k − s_k|
//! struct PointAbsolute;
//!
//! impl Loss for PointAbsolute {
//!     fn list(&self, list: &List<'_>, grad: &mut [f64], _: &mut Scratch) -> f64 {
//!         let mut value = 0.0;
//!         for (k, (s, psi)) in list.scores().iter().zip(list.labels()).enumerate() {
//!             value += list.weight(k) * (s - psi).abs();
//!             grad[k] = list.weight(k) * if s == psi { 0.0 } else { (s - psi).signum() };
//!         }
//!         value
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

use ndarray::{Array, ArrayRef, Dimension, RemoveAxis};

use crate::check::same_shape;
use crate::lists::Ranges;
use crate::numeric::{Sum, WideRangeSum};
use crate::{Error, List, Lists, Real};

mod batch;
#[cfg(feature = "simd")]
pub(crate) mod fast;
mod lambda_loss;
mod list_mle;
mod nca;
mod pair_hinge;
mod pair_logistic;
mod pair_robust;
mod pair_smoothed;
mod pair_squared;
mod pairs;
mod point_mse;
mod point_sigmoid;
mod pro;
mod soft_pairs;
mod softmax;
mod target_margin;

pub use batch::Workspace;
pub use lambda_loss::{LambdaLoss, LambdaWeight};
pub use list_mle::ListMle;
pub use nca::Nca;
pub use pair_hinge::{Hinge, PairHinge};
pub use pair_logistic::{Logistic, PairLogistic};
pub use pair_robust::RobustLogistic;
pub use pair_smoothed::SmoothedLogistic;
pub use pair_squared::SquaredDifference;
#[doc(hidden)]
pub use pairs::PairKernels;
pub use pairs::{PairFunction, PairLoss, PairTerm, PairWeight, Unweighted};
pub use point_mse::PointMse;
pub use point_sigmoid::PointSigmoid;
pub use pro::Pro;
pub use soft_pairs::SoftPairLoss;
pub use softmax::Softmax;
pub use target_margin::TargetMargin;

/// A ranking loss: a value of one list and its gradient.
///
/// To write one, implement [`list`](Self::list); to apply one, use [`LossExt`]. Whatever the
/// precision of the caller's arrays, a list comes in `f64` and its results are rounded at the end.
/// The trait is object safe: `Vec<Box<dyn Loss>>` holds losses to compare.
pub trait Loss: Send + Sync {
    /// The value of a list; `grad`, of the list's length, becomes its gradient with respect to the
    /// scores.
    ///
    /// The list has at least one item and has passed [`check`](Self::check). What `grad` holds
    /// before is not specified. `scratch` is room that lasts from list to list
    /// ([`Scratch::zeros`]).
    fn list(&self, list: &List<'_>, grad: &mut [f64], scratch: &mut Scratch) -> f64;

    /// Whether the list is in the loss's domain; every list is asked before the first is computed.
    ///
    /// # Errors
    ///
    /// An index in the error counts the list's items; it is translated to the caller's arrays.
    fn check(&self, list: &List<'_>) -> Result<(), Error> {
        let _ = list;
        Ok(())
    }

    /// The number of terms of a list, for [`Reduction::MeanOverTerms`]: its items for a point loss,
    /// its ordered pairs for a pair loss, 1 for a list loss, which is the default.
    fn terms(&self, list: &List<'_>, scratch: &mut Scratch) -> u64 {
        let _ = (list, scratch);
        1
    }

    /// Whether `check` passes every list of which all scores and labels lie in these ranges; to be
    /// false where it cannot be told.
    #[doc(hidden)]
    fn accepts(&self, ranges: &Ranges) -> bool {
        let _ = ranges;
        false
    }

    /// The fast kernel for this loss, if there is one.
    #[doc(hidden)]
    fn kernel(&self) -> Option<Kernel> {
        None
    }
}

macro_rules! forward_loss {
    ($($pointer:ty),*) => {$(
        impl<L: Loss + ?Sized> Loss for $pointer {
            fn list(&self, list: &List<'_>, grad: &mut [f64], scratch: &mut Scratch) -> f64 {
                (**self).list(list, grad, scratch)
            }

            fn check(&self, list: &List<'_>) -> Result<(), Error> {
                (**self).check(list)
            }

            fn terms(&self, list: &List<'_>, scratch: &mut Scratch) -> u64 {
                (**self).terms(list, scratch)
            }

            fn accepts(&self, ranges: &Ranges) -> bool {
                (**self).accepts(ranges)
            }

            fn kernel(&self) -> Option<Kernel> {
                (**self).kernel()
            }
        }
    )*};
}

forward_loss!(&L, Box<L>);

/// The losses that have fast kernels.
#[doc(hidden)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kernel {
    PointMse,
    PointSigmoid,
    Softmax,
    ListMle,
    PairHinge,
    PairLogistic,
    /// With the weight of the DCG, up to a rank.
    LambdaLoss {
        cutoff: usize,
    },
}

#[cfg(feature = "simd")]
impl Kernel {
    fn is_of_pairs(self) -> bool {
        matches!(self, Self::PairHinge | Self::PairLogistic | Self::LambdaLoss { .. })
    }
}

/// How the values of lists become one.
///
/// W are the list weights, 1 where none are given, l the per-list values; the gradient is that of
/// the reduced value. [`LossExt::per_list`] does not reduce at all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reduction {
    /// Σ W·l / N, N the number of lists with at least one item (LiPO, Eq. 3); 0 where N = 0.
    #[default]
    MeanOverLists,
    /// Σ W·l.
    Sum,
    /// Σ W·l divided by the number of terms of all lists ([`Loss::terms`]), which is Rax's mean; 0
    /// where there are none.
    MeanOverTerms,
}

/// The part of a [`Workspace`] that a [`Loss`] may use within a list.
#[derive(Debug, Clone, Default)]
pub struct Scratch {
    numbers: Vec<f64>,
    pub(crate) order: Vec<usize>,
    pub(crate) grad: Vec<Sum>,
    pub(crate) list_mle: Vec<list_mle::Step>,
    pub(crate) softmax: Vec<softmax::Item>,
    pub(crate) pair_weights: lambda_loss::Tables,
}

impl Scratch {
    /// Room for `len` numbers, all 0, for a [`Loss`] to use as it likes.
    pub fn zeros(&mut self, len: usize) -> &mut [f64] {
        self.numbers.clear();
        self.numbers.resize(len, 0.0);
        &mut self.numbers
    }
}

/// What a batch adds up to, before it is reduced.
///
/// Totals of parts of a batch (shards, blocks of a stream) add up to that of the whole, up to the
/// rounding of a compensated sum: that is how to reduce what does not fit into one call. The values
/// are added up in `f64`, before any of them is rounded to `f32`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Total {
    values: WideRangeSum,
    lists: usize,
    terms: u64,
}

impl Total {
    /// Adds the values of lists without weights.
    fn add_all(&mut self, values: &[f64]) {
        #[cfg(feature = "simd")]
        {
            use crate::vector::{SumAndGreatest, dispatch_for};
            let (sum, greatest) = dispatch_for::<f64, _>(values.len(), SumAndGreatest(values));
            if greatest < WideRangeSum::LARGE {
                return self.values.add_moderate_sum(sum);
            }
        }
        for &value in values {
            self.values.add(value);
        }
    }

    fn add(&mut self, weight: f64, value: f64) {
        // A weight of 0 takes part, with 0, even where the value is infinite.
        if weight != 0.0 {
            self.values.add_product(weight, value);
        }
    }

    /// The total of both.
    #[must_use]
    pub fn merge(mut self, other: Self) -> Self {
        self.values.merge(other.values);
        self.lists += other.lists;
        self.terms += other.terms;
        self
    }

    /// The reduced value.
    #[must_use]
    pub fn reduce<F: Real>(&self, reduction: Reduction) -> F {
        let divisor = self.divisor(reduction);
        if divisor == 0.0 { F::zero() } else { F::narrow(self.values.divided_by(divisor)) }
    }

    /// The number of lists with at least one item.
    #[must_use]
    pub fn lists(&self) -> usize {
        self.lists
    }

    /// The number of terms ([`Loss::terms`]).
    #[must_use]
    pub fn terms(&self) -> u64 {
        self.terms
    }

    /// What the sum is divided by; 0 where there is nothing to divide.
    fn divisor(&self, reduction: Reduction) -> f64 {
        match reduction {
            Reduction::MeanOverLists => self.lists as f64,
            Reduction::Sum => 1.0,
            Reduction::MeanOverTerms => self.terms as f64,
        }
    }
}

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
    ///     PairLogistic::default().value_and_grad(&array![0.3_f64, 0.1], &array![1.0, 0.0])?;
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
            batch::evaluate(self, &lists.flat(), Some(divisor), &mut total, Some(grad), workspace);
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
        let mut values = Array::zeros(lists.batch_shape());
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
            batch::evaluate(self, &lists.flat(), None, &mut total, Some(grad), workspace);
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
    batch::evaluate(loss, &lists.flat(), Some(1.0), &mut total, None, workspace);
    Ok(total)
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
    let mut total = Total::default();
    if !with_terms && loss.accepts(lists.ranges()) {
        total.lists = flat.count();
        return Ok(total);
    }
    let (buffers, scratch) = workspace.for_lists();
    for place in flat.places() {
        let list = flat.list(place, buffers);
        if list.is_empty() {
            continue;
        }
        loss.check(&list).map_err(|error| lists.in_callers_arrays(error, place))?;
        total.lists += 1;
        if with_terms {
            total.terms += loss.terms(&list, scratch);
        }
    }
    Ok(total)
}
