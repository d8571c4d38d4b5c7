//! Ranking metrics: how good is the order that the scores make?
//!
//! A [`Metric`] is a function of one ranked list. [`MetricExt`], which every `Metric` has, applies it
//! to arrays and to [`Lists`]: dense, ragged, masked, weighted. None has a gradient.
//!
//! τ_k is the 1-based rank of item k by score, descending; G the gain and d the discount of a
//! [`Dcg`]; y_k = 1 where item k is relevant (ψ_k ≥ 1, or another bound), else 0; R = Σ y.
//!
//! | metric | of a list | undefined |
//! |---|---|---|
//! | [`Dcg`] | Σ_{τ_k ≤ n} w_k G_k d(τ_k) | never |
//! | [`Ndcg`] | the DCG over the greatest that any order has | that is 0 |
//! | [`AveragePrecision`] | Σ_{τ_k ≤ n} y_k precision@τ_k / R; its mean is MAP | R = 0 |
//! | [`ReciprocalRank`] | 1 / τ of the first relevant item, 0 below rank n; its mean is MRR | R = 0 |
//! | [`Precision`] | Σ_{τ_k ≤ n} y_k / min(n, K) | R = 0 |
//! | [`Recall`] | Σ_{τ_k ≤ n} y_k / R | R = 0 |
//! | [`HitRate`] | 1 where a relevant item has τ_k ≤ n, else 0 | R = 0 |
//! | [`AverageRelevancePosition`] | Σ w_k ψ_k τ_k / Σ w_k ψ_k; small is good | Σ w_k ψ_k = 0 |
//! | [`PairAccuracy`] | the share of the pairs ψ_i > ψ_j, weighing w_i, where τ_i < τ_j | no such pair |
//!
//! All but the last two take a cut-off n: `Ndcg::at(10)` is NDCG@10, `Ndcg::default()` has none. One
//! beyond the list's end is the list's end.
//!
//! ```
//! use lipo::metrics::{MetricExt, Ndcg, PairAccuracy};
//! use ndarray::array;
//!
//! let scores = array![[2.0_f64, 1.0, 3.0], [0.3, 0.1, 0.2]];
//! let labels = array![[2.0, 0.0, 1.0], [1.0, 0.0, 0.0]];
//! let ndcg = Ndcg::at(3).mean(&scores, &labels)?;
//! assert!((ndcg - 0.898354).abs() < 1e-6); // the mean of 0.796708 and 1
//! let accuracy = PairAccuracy::default().mean(&scores, &labels)?;
//! assert!((accuracy - 0.833333).abs() < 1e-6); // 2 of 3 pairs, and 2 of 2
//! # Ok::<(), lipo::Error>(())
//! ```
//!
//! # Lists that have no value
//!
//! Where nothing in a list is relevant, its NDCG is 0/0: the last column above. [`Undefined`] says
//! what such a list counts as in a mean: 0 as in Rax, scikit-learn and RankLib (the default), 1 as in
//! LightGBM and XGBoost, or nothing. Libraries differ here more than in anything else, so compare
//! figures only where this agrees. A list without items never counts.
//!
//! # Tied scores
//!
//! Every metric has a [`ScoreTies`]: by index (the crate's one rule, and Rax's), in a seeded random
//! order, or the expectation over all orders of the tied items, in closed form (McSherry & Najork
//! 2008). By index, a model that scores everything alike gets whatever the order of storage is
//! worth; with `Expected`, it gets what a random order is worth.
//!
//! # Weights
//!
//! Item weights w multiply gains, relevance and pairs where the table says so; what counts relevant
//! items does not look at them. A list's weight is its weight in the mean: Σ W·m / Σ W.
//!
//! # Cost
//!
//! That of sorting the scores, for NDCG the gains too, and for pair accuracy the labels: O(K log K).
//! [`evaluate`] takes several metrics of the same lists and sorts each list once:
//!
//! ```
//! use lipo::{Lists, metrics::{self, AveragePrecision, Metric, Ndcg, Undefined}};
//! use ndarray::array;
//!
//! let scores = array![[2.0_f64, 1.0, 3.0], [0.3, 0.1, 0.2]];
//! let labels = array![[2.0, 0.0, 1.0], [1.0, 0.0, 0.0]];
//! let metrics: [&dyn Metric; 3] = [&Ndcg::at(1), &Ndcg::at(3), &AveragePrecision::default()];
//! let lists = Lists::dense(&scores, &labels).build()?;
//! let tallies = metrics::evaluate(&metrics, &lists)?;
//! let means: Vec<f64> = tallies.iter().map(|tally| tally.mean(Undefined::Zero)).collect();
//! assert!((means[0] - 0.666667).abs() < 1e-6); // the mean of 1/3 and 1
//! assert!((means[1] - 0.898354).abs() < 1e-6);
//! assert_eq!(means[2], 1.0); // everything relevant is ranked above everything else
//! # Ok::<(), lipo::Error>(())
//! ```

use ndarray::{Array, ArrayRef, Dimension, RemoveAxis};

use crate::check::same_shape;
use crate::lists::{ListBuffers, Place};
use crate::numeric::WideRangeSum;
use crate::ranking::{Ranking, ScoreTies};
use crate::{Error, List, Lists, Real, real};

mod average_relevance_position;
mod binary;
mod dcg;
mod pair_accuracy;

pub use average_relevance_position::AverageRelevancePosition;
pub use binary::{
    AveragePrecision, Binary, BinaryMeasure, HitRate, Precision, Recall, ReciprocalRank, Relevant,
    TiedGroup, measures,
};
pub use dcg::{CumulatedGain, Dcg, Ndcg};
pub use pair_accuracy::PairAccuracy;

/// A ranking metric: a value of one ranked list.
///
/// To write one, implement [`list`](Self::list); to apply one, use [`MetricExt`].
///
/// ```
/// use lipo::metrics::{Metric, MetricExt, RankedList, Scratch};
/// use ndarray::array;
///
/// /// The label of the item ranked first.
/// struct Winner;
///
/// impl Metric for Winner {
///     fn list(&self, ranked: &RankedList<'_>, _: &mut Scratch) -> Option<f64> {
///         ranked.order().first().map(|&item| ranked.list().labels()[item])
///     }
/// }
///
/// let (scores, labels) = (array![[0.2, 0.9], [0.5, 0.1]], array![[0.75, 0.25], [1.0, 0.0]]);
/// assert_eq!(Winner.mean(&scores, &labels)?, 0.625);
/// # Ok::<(), lipo::Error>(())
/// ```
pub trait Metric: Send + Sync {
    /// The value of a list, or None where it is not defined.
    ///
    /// The list has at least one item and has passed [`check`](Self::check).
    fn list(&self, ranked: &RankedList<'_>, scratch: &mut Scratch) -> Option<f64>;

    /// How the ranking that `list` gets treats equal scores.
    fn ties(&self) -> ScoreTies {
        ScoreTies::default()
    }

    /// Whether the list is in the metric's domain; every list is asked before the first is computed.
    ///
    /// # Errors
    ///
    /// An index in the error counts the list's items; it is translated to the caller's arrays.
    fn check(&self, list: &List<'_>) -> Result<(), Error> {
        let _ = list;
        Ok(())
    }

    /// True only if every list within `extent` is certain to pass [`check`](Self::check), which is
    /// then skipped.
    #[doc(hidden)]
    fn accepts(&self, extent: &Extent) -> bool {
        let _ = extent;
        false
    }
}

macro_rules! forward_metric {
    ($($pointer:ty),*) => {$(
        impl<M: Metric + ?Sized> Metric for $pointer {
            fn list(&self, ranked: &RankedList<'_>, scratch: &mut Scratch) -> Option<f64> {
                (**self).list(ranked, scratch)
            }

            fn ties(&self) -> ScoreTies {
                (**self).ties()
            }

            fn check(&self, list: &List<'_>) -> Result<(), Error> {
                (**self).check(list)
            }

            fn accepts(&self, extent: &Extent) -> bool {
                (**self).accepts(extent)
            }
        }
    )*};
}

forward_metric!(&M, Box<M>, std::sync::Arc<M>);

/// What the lists of a batch lie within.
#[doc(hidden)]
#[derive(Debug, Clone, Copy)]
pub struct Extent {
    /// The least and the greatest label.
    pub(crate) labels: (f64, f64),
    pub(crate) greatest_weight: f64,
    /// The number of items of the longest list.
    pub(crate) longest: usize,
    pub(crate) precision: real::Precision,
}

impl Extent {
    fn of<F: Real, D: Dimension, B: Dimension>(lists: &Lists<'_, F, D, B>) -> Self {
        let flat = lists.flat();
        let greatest_weight = flat.weights.map_or(1.0, |weights| {
            let existing = (0..weights.len()).filter(|&item| flat.exists(item));
            existing.fold(0.0, |greatest: f64, item| greatest.max(weights[item].widen()))
        });
        Self {
            labels: lists.ranges().labels,
            greatest_weight,
            longest: (0..flat.len()).map(|list| flat.size(list)).max().unwrap_or(0),
            precision: F::PRECISION,
        }
    }
}

/// A list, and the order that its scores make.
#[derive(Debug, Clone, Copy)]
pub struct RankedList<'a> {
    list: List<'a>,
    ranking: &'a Ranking,
    ties: ScoreTies,
}

impl<'a> RankedList<'a> {
    /// The items that exist, in the order in which they are stored.
    #[must_use]
    pub fn list(&self) -> List<'a> {
        self.list
    }

    /// The items from rank 1 on.
    #[must_use]
    pub fn order(&self) -> &'a [usize] {
        self.ranking.order()
    }

    /// The items from rank 1 on, in groups within which every order is as likely as any other: those
    /// of equal scores under [`ScoreTies::Expected`], else each item by itself.
    #[must_use]
    pub fn groups(&self) -> impl DoubleEndedIterator<Item = &'a [usize]> + use<'a> {
        let (order, ranking) = (self.order(), self.ranking);
        ranking.groups_unless(!self.is_grouped()).map(move |places| &order[places])
    }

    /// Whether a group of [`groups`](Self::groups) has more than one item.
    fn is_grouped(&self) -> bool {
        self.ties == ScoreTies::Expected && self.ranking.is_grouped()
    }
}

/// What a list counts as in a mean where the metric is not defined for it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Undefined {
    /// As 0: Rax, scikit-learn, RankLib.
    #[default]
    Zero,
    /// As 1: LightGBM, XGBoost.
    One,
    /// Not at all.
    Skip,
}

/// What the lists seen so far make of a metric: its mean Σ W·m / Σ W, W the list weights.
///
/// Tallies of parts (blocks of a stream, shards) [merge](Self::merge) into that of the whole, up to
/// the rounding of a compensated sum.
#[derive(Debug, Clone, Copy, Default)]
pub struct Tally {
    /// Σ W·m of the lists that have a value.
    values: WideRangeSum,
    /// Σ W of the lists that have a value.
    weights: WideRangeSum,
    /// Σ W of those that have none.
    undefined: WideRangeSum,
    lists: usize,
    undefined_lists: usize,
}

impl Tally {
    /// Takes in a list of weight W whose value is m, if it has one.
    fn add(&mut self, weight: f64, value: Option<f64>) {
        self.lists += 1;
        self.undefined_lists += usize::from(value.is_none());
        match value {
            _ if weight == 0.0 => {}
            Some(value) => {
                if weight == 1.0 {
                    self.values.add(value);
                } else {
                    self.values.add_product(weight, value);
                }
                self.weights.add(weight);
            }
            None => self.undefined.add(weight),
        }
    }

    /// The tally of both.
    #[must_use]
    pub fn merge(mut self, other: Self) -> Self {
        self.values.merge(other.values);
        self.weights.merge(other.weights);
        self.undefined.merge(other.undefined);
        self.lists += other.lists;
        self.undefined_lists += other.undefined_lists;
        self
    }

    /// The mean over the lists; NaN, as what is absent, where no list counts: there is none with an
    /// item, all weigh 0, or none has a value and those are skipped.
    #[must_use]
    pub fn mean<F: Real>(&self, undefined: Undefined) -> F {
        let (mut values, mut weights) = (self.values, self.weights);
        match undefined {
            Undefined::Zero => weights.merge(self.undefined),
            Undefined::One => {
                values.merge(self.undefined);
                weights.merge(self.undefined);
            }
            Undefined::Skip => {}
        }
        F::narrow(if weights.is_zero() { f64::NAN } else { values.ratio(weights) })
    }

    /// The number of lists with at least one item.
    #[must_use]
    pub fn lists(&self) -> usize {
        self.lists
    }

    /// The number of lists with at least one item for which the metric is not defined.
    #[must_use]
    pub fn undefined_lists(&self) -> usize {
        self.undefined_lists
    }
}

/// Room that calls reuse: after the first call of a size, the `_into` forms allocate nothing (as
/// long as the arrays are in standard layout).
///
/// It holds no results and no state; any workspace serves any metrics and any lists.
#[derive(Debug, Clone, Default)]
pub struct Workspace {
    lists: ListBuffers,
    ranking: Ranking,
    scratch: Scratch,
}

/// The part of a [`Workspace`] that a [`Metric`] may use within a list.
#[derive(Debug, Clone, Default)]
pub struct Scratch {
    numbers: Vec<f64>,
    gains: dcg::Room,
    pairs: pair_accuracy::Room,
}

impl Scratch {
    /// Room for `len` numbers, all 0, for a [`Metric`] to use as it likes.
    pub fn zeros(&mut self, len: usize) -> &mut [f64] {
        self.numbers.clear();
        self.numbers.resize(len, 0.0);
        &mut self.numbers
    }
}

/// Every [`Metric`] on arrays.
///
/// F is `f32` or `f64`; arrays are any `&ArrayRef`, to which owned arrays and views coerce. On an
/// error nothing has been written.
pub trait MetricExt: Metric {
    /// The mean over lists of the metric of scores and labels `[.., K]`; lists for which it is not
    /// defined count as 0. NaN where no list has an item.
    ///
    /// # Errors
    ///
    /// Those of [`ListsBuilder::build`](crate::lists::ListsBuilder::build), and of the metric for
    /// labels outside its domain or parameters outside their range.
    fn mean<F: Real, D: RemoveAxis>(
        &self,
        scores: &ArrayRef<F, D>,
        labels: &ArrayRef<F, D>,
    ) -> Result<F, Error> {
        self.mean_over(&Lists::dense(scores, labels).build()?, Undefined::default())
    }

    /// The mean over `lists`, weighted by their list weights; NaN where [no list
    /// counts](Tally::mean).
    ///
    /// ```
    /// use lipo::{Lists, metrics::{AveragePrecision, MetricExt, Undefined}};
    /// use ndarray::array;
    ///
    /// // Two queries, of three documents and of two; nothing is relevant to the second.
    /// let (scores, labels) = (array![0.1_f64, 0.2, 0.3, 0.4, 0.5], array![1.0, 0.0, 1.0, 0.0, 0.0]);
    /// let lists = Lists::ragged(&scores, &labels, &[3, 2]).build()?;
    /// let map = AveragePrecision::default().mean_over(&lists, Undefined::Skip)?;
    /// assert!((map - 0.833333).abs() < 1e-6); // (1/1 + 2/3) / 2
    /// # Ok::<(), lipo::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Those of the metric, for labels outside its domain or parameters outside their range.
    fn mean_over<F: Real, D: Dimension, B: Dimension>(
        &self,
        lists: &Lists<'_, F, D, B>,
        undefined: Undefined,
    ) -> Result<F, Error> {
        Ok(self.tally(lists, &mut Workspace::default())?.mean(undefined))
    }

    /// What the lists make of the metric, from which to take a mean, alone or merged with others.
    ///
    /// # Errors
    ///
    /// As for [`mean_over`](Self::mean_over).
    fn tally<F: Real, D: Dimension, B: Dimension>(
        &self,
        lists: &Lists<'_, F, D, B>,
        workspace: &mut Workspace,
    ) -> Result<Tally, Error> {
        let mut tally = Tally::default();
        check(&[self], lists, workspace)?;
        for_each_list(&[self], lists, workspace, |_, weight, value| tally.add(weight, value));
        Ok(tally)
    }

    /// The value of each list; None where the metric is not defined for it, as for one without items.
    ///
    /// ```
    /// use lipo::{Lists, metrics::{MetricExt, Recall}};
    /// use ndarray::array;
    ///
    /// let (scores, labels) = (array![[0.1_f32, 0.2], [0.4, 0.3]], array![[1.0, 1.0], [0.0, 0.0]]);
    /// let values = Recall::at(1).per_list(&Lists::dense(&scores, &labels).build()?)?;
    /// assert_eq!(values, array![Some(0.5), None]);
    /// # Ok::<(), lipo::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`mean_over`](Self::mean_over).
    fn per_list<F: Real, D: Dimension, B: Dimension>(
        &self,
        lists: &Lists<'_, F, D, B>,
    ) -> Result<Array<Option<F>, B>, Error> {
        let mut values = Array::from_elem(lists.batch_shape(), None);
        self.per_list_into(lists, &mut values, &mut Workspace::default())?;
        Ok(values)
    }

    /// [`per_list`](Self::per_list) with the values written to the caller's array; returns their
    /// tally.
    ///
    /// # Errors
    ///
    /// Those of `per_list`, and [`Error::Shape`] where `values` has the wrong shape.
    fn per_list_into<F: Real, D: Dimension, B: Dimension>(
        &self,
        lists: &Lists<'_, F, D, B>,
        values: &mut ArrayRef<Option<F>, B>,
        workspace: &mut Workspace,
    ) -> Result<Tally, Error> {
        same_shape("values", values.shape(), lists.batch_shape().slice())?;
        check(&[self], lists, workspace)?;
        let (mut tally, mut out) = (Tally::default(), values.iter_mut());
        let ties = order_for(&[self]);
        for place in lists.flat().places() {
            let mut of_list = None;
            for_list(&[self], ties, lists, place, workspace, |_, weight, value| {
                tally.add(weight, value);
                of_list = value.map(F::narrow);
            });
            if let Some(out) = out.next() {
                *out = of_list;
            }
        }
        Ok(tally)
    }
}

impl<M: Metric + ?Sized> MetricExt for M {}

/// What the lists make of each metric. Each list is sorted once, however many metrics there are.
///
/// [`tally`] does the same for a stream of batches, without allocating.
///
/// # Errors
///
/// Those of the metrics, for labels outside their domains or parameters outside their ranges.
pub fn evaluate<F: Real, D: Dimension, B: Dimension>(
    metrics: &[&dyn Metric],
    lists: &Lists<'_, F, D, B>,
) -> Result<Vec<Tally>, Error> {
    let mut tallies = vec![Tally::default(); metrics.len()];
    tally(metrics, lists, &mut tallies, &mut Workspace::default())?;
    Ok(tallies)
}

/// Adds to each tally what the lists make of the metric beside it. Each list is sorted once, however
/// many metrics there are.
///
/// ```
/// use lipo::{Lists, metrics::{self, Metric, Ndcg, ReciprocalRank, Tally, Undefined, Workspace}};
/// use ndarray::array;
///
/// let metrics: [&dyn Metric; 2] = [&Ndcg::at(1), &ReciprocalRank::default()];
/// let (mut tallies, mut workspace) = ([Tally::default(); 2], Workspace::default());
/// let batches = [
///     (array![[0.1_f64, 0.2, 0.3]], array![[1.0, 0.0, 0.0]]),
///     (array![[0.3, 0.2, 0.1]], array![[1.0, 0.0, 0.0]]),
/// ];
/// for (scores, labels) in &batches {
///     let lists = Lists::dense(scores, labels).build()?;
///     metrics::tally(&metrics, &lists, &mut tallies, &mut workspace)?;
/// }
/// let [ndcg, mrr]: [f64; 2] = tallies.map(|tally| tally.mean(Undefined::Zero));
/// assert!((ndcg - 0.5).abs() < 1e-6);
/// assert!((mrr - 0.666667).abs() < 1e-6); // the mean of 1/3 and 1
/// # Ok::<(), lipo::Error>(())
/// ```
///
/// # Errors
///
/// Those of the metrics, and [`Error::Shape`] where there are not as many tallies as metrics; the
/// tallies are then as they were.
pub fn tally<F: Real, D: Dimension, B: Dimension>(
    metrics: &[&dyn Metric],
    lists: &Lists<'_, F, D, B>,
    tallies: &mut [Tally],
    workspace: &mut Workspace,
) -> Result<(), Error> {
    same_shape("tallies", &[tallies.len()], &[metrics.len()])?;
    check(metrics, lists, workspace)?;
    for_each_list(metrics, lists, workspace, |which, weight, value| {
        tallies[which].add(weight, value);
    });
    Ok(())
}

/// Asks every metric about every list, unless all are content with what the lists lie within.
fn check<M: Metric + ?Sized, F: Real, D: Dimension, B: Dimension>(
    metrics: &[&M],
    lists: &Lists<'_, F, D, B>,
    workspace: &mut Workspace,
) -> Result<(), Error> {
    let extent = Extent::of(lists);
    if metrics.iter().all(|metric| metric.accepts(&extent)) {
        return Ok(());
    }
    for place in lists.flat().places() {
        let list = lists.flat().list(place, &mut workspace.lists);
        for metric in metrics.iter().filter(|_| !list.is_empty()) {
            metric.check(&list).map_err(|error| lists.in_callers_arrays(error, place))?;
        }
    }
    Ok(())
}

/// The rule that serves all of the metrics whose order of equal scores is that by index: with their
/// groups where one of them needs these.
fn order_for<M: Metric + ?Sized>(metrics: &[&M]) -> ScoreTies {
    if metrics.iter().any(|metric| metric.ties() == ScoreTies::Expected) {
        ScoreTies::Expected
    } else {
        ScoreTies::ByIndex
    }
}

/// Calls `each` with the number of the metric, the list's weight and value, in the lists' order.
fn for_each_list<M: Metric + ?Sized, F: Real, D: Dimension, B: Dimension>(
    metrics: &[&M],
    lists: &Lists<'_, F, D, B>,
    workspace: &mut Workspace,
    mut each: impl FnMut(usize, f64, Option<f64>),
) {
    let by_index = order_for(metrics);
    for place in lists.flat().places() {
        for_list(metrics, by_index, lists, place, workspace, &mut each);
    }
}

#[inline]
fn for_list<M: Metric + ?Sized, F: Real, D: Dimension, B: Dimension>(
    metrics: &[&M],
    by_index: ScoreTies,
    lists: &Lists<'_, F, D, B>,
    place: Place,
    workspace: &mut Workspace,
    mut each: impl FnMut(usize, f64, Option<f64>),
) {
    let Workspace { lists: buffers, ranking, scratch } = workspace;
    let list = lists.flat().list(place, buffers);
    if list.is_empty() {
        return;
    }
    let weight = lists.flat().list_weight(place.list);
    let mut ranked_by = None;
    for (which, metric) in metrics.iter().enumerate() {
        let ties = metric.ties();
        let rule = if matches!(ties, ScoreTies::Random { .. }) { ties } else { by_index };
        if ranked_by != Some(rule) {
            ranking.update(list.scores(), list.labels(), rule);
            ranked_by = Some(rule);
        }
        each(which, weight, metric.list(&RankedList { list, ranking, ties }, scratch));
    }
}

/// The number of ranks that a cut-off leaves of `len`.
fn depth(cutoff: Option<usize>, len: usize) -> usize {
    cutoff.map_or(len, |cutoff| cutoff.min(len))
}

fn greatest_weight(list: &List<'_>) -> f64 {
    list.weights().map_or(1.0, |weights| weights.iter().copied().fold(0.0, f64::max))
}
