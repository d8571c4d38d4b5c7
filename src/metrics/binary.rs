//! Metrics of relevant and irrelevant items, as functions of where the relevant ones stand.
//!
//! y_k = 1 where ψ_k ≥ the bound, else 0; R = Σ y.
//!
//! Under expected ties, a group of n items of which r are relevant holds them in each of the
//! C(n, r) ways alike; the expectations are those of McSherry & Najork 2008.

use crate::check::check_cutoff;
use crate::metrics::{Extent, Metric, RankedList, Scratch, depth};
use crate::numeric::Sum;
use crate::ranking::ScoreTies;
use crate::{Error, List};

/// Precision@n = Σ_{τ_k ≤ n} y_k / min(n, K): how much of what is ranked first is relevant.
///
/// The divisor is Rax's; `trec_eval` divides by n even in lists that are shorter.
///
/// ```
/// use lipo::metrics::{MetricExt, Precision};
/// use ndarray::array;
///
/// let (scores, labels) = (array![0.4, 0.3, 0.2, 0.1], array![1.0, 0.0, 2.0, 0.0]);
/// assert_eq!(Precision::at(1).mean(&scores, &labels)?, 1.0);
/// assert_eq!(Precision::at(2).mean(&scores, &labels)?, 0.5);
/// # Ok::<(), lipo::Error>(())
/// ```
pub type Precision = Binary<measures::Precision>;

/// Recall@n = Σ_{τ_k ≤ n} y_k / R: how much of what is relevant is ranked first.
///
/// ```
/// use lipo::metrics::{MetricExt, Recall};
/// use ndarray::array;
///
/// let (scores, labels) = (array![0.4, 0.3, 0.2, 0.1], array![1.0, 0.0, 2.0, 0.0]);
/// assert_eq!(Recall::at(1).mean(&scores, &labels)?, 0.5);
/// assert_eq!(Recall::at(3).mean(&scores, &labels)?, 1.0);
/// # Ok::<(), lipo::Error>(())
/// ```
pub type Recall = Binary<measures::Recall>;

/// Hit rate@n (success@n): 1 where a relevant item is among the first n, else 0.
///
/// ```
/// use lipo::metrics::{HitRate, MetricExt};
/// use ndarray::array;
///
/// let (scores, labels) = (array![0.4, 0.3, 0.2], array![0.0, 1.0, 1.0]);
/// assert_eq!(HitRate::at(1).mean(&scores, &labels)?, 0.0);
/// assert_eq!(HitRate::at(2).mean(&scores, &labels)?, 1.0);
/// # Ok::<(), lipo::Error>(())
/// ```
pub type HitRate = Binary<measures::HitRate>;

/// Reciprocal rank@n: 1/τ of the first relevant item, 0 where that is beyond n. Its mean is MRR.
///
/// ```
/// use lipo::{metrics::{MetricExt, ReciprocalRank}, ranking::ScoreTies};
/// use ndarray::array;
///
/// let (scores, labels) = (array![0.4_f64, 0.3, 0.3], array![0.0, 0.0, 1.0]);
/// let mrr = ReciprocalRank::default().mean(&scores, &labels)?;
/// assert!((mrr - 0.333333).abs() < 1e-6);
/// let expected = ReciprocalRank::default().ties(ScoreTies::Expected).mean(&scores, &labels)?;
/// assert!((expected - 0.416667).abs() < 1e-6); // (1/2 + 1/3) / 2
/// # Ok::<(), lipo::Error>(())
/// ```
pub type ReciprocalRank = Binary<measures::ReciprocalRank>;

/// Average precision@n: Σ_{τ_k ≤ n} y_k precision@τ_k / R. Its mean is MAP.
///
/// The divisor is R at every cut-off, as in Rax and `trec_eval`; some divide by min(n, R).
///
/// ```
/// use lipo::metrics::{AveragePrecision, MetricExt};
/// use ndarray::array;
///
/// let (scores, labels) = (array![0.4_f64, 0.3, 0.2], array![1.0, 0.0, 1.0]);
/// let map = AveragePrecision::default().mean(&scores, &labels)?;
/// assert!((map - 0.833333).abs() < 1e-6); // (1/1 + 2/3) / 2
/// # Ok::<(), lipo::Error>(())
/// ```
pub type AveragePrecision = Binary<measures::AveragePrecision>;

/// A metric of relevant and irrelevant items: a [`BinaryMeasure`], with a cut-off, a bound from which
/// a label is relevant, and a rule for tied scores.
///
/// Not defined where no item is relevant. Item weights are not looked at. O(K) beside the sort, tied
/// scores or not.
///
/// # Errors
///
/// [`Error::Parameter`] for a cut-off of 0 and a bound that is not finite.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Binary<M> {
    /// What is measured.
    pub measure: M,
    /// The last rank that counts; all where there is none.
    pub cutoff: Option<usize>,
    /// The least label of a relevant item; 1 by default, as in Rax.
    pub relevant_from: f64,
    /// The ranks τ of equal scores.
    pub ties: ScoreTies,
}

impl<M: Default> Default for Binary<M> {
    fn default() -> Self {
        Self { measure: M::default(), cutoff: None, relevant_from: 1.0, ties: ScoreTies::default() }
    }
}

impl<M: Default> Binary<M> {
    /// That of the ranks 1 to n.
    #[must_use]
    pub fn at(n: usize) -> Self {
        Self { cutoff: Some(n), ..Self::default() }
    }
}

impl<M> Binary<M> {
    /// The same metric with another least label of a relevant item.
    ///
    /// ```
    /// use lipo::metrics::{MetricExt, Precision};
    /// use ndarray::array;
    ///
    /// let (scores, win_rates) = (array![0.4, 0.3, 0.2], array![0.75, 0.25, 0.5]);
    /// let precision = Precision::at(1).relevant_from(0.5).mean(&scores, &win_rates)?;
    /// assert_eq!(precision, 1.0);
    /// # Ok::<(), lipo::Error>(())
    /// ```
    #[must_use]
    pub fn relevant_from(self, label: f64) -> Self {
        Self { relevant_from: label, ..self }
    }

    /// The same metric with another rule for equal scores.
    #[must_use]
    pub fn ties(self, ties: ScoreTies) -> Self {
        Self { ties, ..self }
    }
}

impl<M: BinaryMeasure> Metric for Binary<M> {
    fn ties(&self) -> ScoreTies {
        self.ties
    }

    fn check(&self, _: &List<'_>) -> Result<(), Error> {
        check_cutoff(self.cutoff)?;
        if !self.relevant_from.is_finite() {
            let (name, value) = ("the least relevant label", self.relevant_from);
            return Err(Error::Parameter { name, value, range: "finite" });
        }
        Ok(())
    }

    fn accepts(&self, _: &Extent) -> bool {
        self.cutoff != Some(0) && self.relevant_from.is_finite()
    }

    #[inline]
    fn list(&self, ranked: &RankedList<'_>, _: &mut Scratch) -> Option<f64> {
        let list = ranked.list();
        let relevant = |item: &usize| list.labels()[*item] >= self.relevant_from;
        let all = list.labels().iter().filter(|&&label| label >= self.relevant_from).count();
        if all == 0 {
            return None;
        }
        let depth = depth(self.cutoff, list.len());
        let (mut before, mut relevant_before) = (0, 0);
        if !ranked.is_grouped() {
            let groups = ranked.order()[..depth].iter().enumerate().map(|(before, item)| {
                let relevant = usize::from(relevant(item));
                let group = TiedGroup { before, relevant_before, size: 1, relevant, counted: 1 };
                relevant_before += relevant;
                group
            });
            return Some(self.measure.list(Relevant { all, depth }, groups));
        }
        let groups = ranked.groups().map(|items| {
            let size = items.len();
            let relevant = items.iter().copied().filter(relevant).count();
            let group = TiedGroup {
                before,
                relevant_before,
                size,
                relevant,
                counted: size.min(depth.saturating_sub(before)),
            };
            before += size;
            relevant_before += relevant;
            group
        });
        let groups = groups.take_while(|group| group.counted > 0);
        Some(self.measure.list(Relevant { all, depth }, groups))
    }
}

/// What is known of a list beside its groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Relevant {
    /// R, the number of relevant items, at least 1.
    pub all: usize,
    /// The number of ranks that count: min(n, K).
    pub depth: usize,
}

/// Items that share their ranks: every order of them is as likely as any other. Of size 1, except for
/// tied scores under [`ScoreTies::Expected`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TiedGroup {
    /// The number of items ranked above.
    pub before: usize,
    /// The number of relevant items among these.
    pub relevant_before: usize,
    /// The number of items.
    pub size: usize,
    /// The number of relevant items.
    pub relevant: usize,
    /// How many of the group's ranks lie before the cut-off: at least 1.
    pub counted: usize,
}

impl TiedGroup {
    /// The expected number of relevant items on those of the group's ranks that count.
    #[must_use]
    pub fn relevant_counted(&self) -> f64 {
        if self.counted == self.size {
            return self.relevant as f64;
        }
        self.relevant as f64 * (self.counted as f64 / self.size as f64)
    }
}

/// A function of where the relevant items of a list stand; [`Binary`] makes a metric of it.
///
/// ```
/// use lipo::metrics::{Binary, BinaryMeasure, MetricExt, Relevant, TiedGroup};
/// use ndarray::array;
///
/// /// F1@n, the harmonic mean of precision and recall: 2 Σ_{τ_k ≤ n} y_k / (n + R).
/// #[derive(Default)]
/// struct F1;
///
/// impl BinaryMeasure for F1 {
///     fn list(&self, list: Relevant, groups: impl Iterator<Item = TiedGroup>) -> f64 {
///         let found: f64 = groups.map(|group| group.relevant_counted()).sum();
///         2.0 * found / (list.depth + list.all) as f64
///     }
/// }
///
/// let (scores, labels) = (array![0.4, 0.3, 0.2], array![1.0, 0.0, 1.0]);
/// assert_eq!(Binary::<F1>::at(2).mean(&scores, &labels)?, 0.5);
/// # Ok::<(), lipo::Error>(())
/// ```
pub trait BinaryMeasure: Send + Sync {
    /// The value of a list with at least one relevant item, from its groups in the order of ranks,
    /// up to the cut-off.
    fn list(&self, list: Relevant, groups: impl Iterator<Item = TiedGroup>) -> f64;
}

/// The measures behind [`Precision`], [`Recall`], [`HitRate`], [`ReciprocalRank`] and
/// [`AveragePrecision`].
pub mod measures {
    use super::{BinaryMeasure, Relevant, Sum, TiedGroup};

    /// Of [`super::Precision`].
    #[derive(Debug, Clone, Copy, Default)]
    pub struct Precision;

    impl BinaryMeasure for Precision {
        fn list(&self, list: Relevant, groups: impl Iterator<Item = TiedGroup>) -> f64 {
            found(groups) / list.depth as f64
        }
    }

    /// Of [`super::Recall`].
    #[derive(Debug, Clone, Copy, Default)]
    pub struct Recall;

    impl BinaryMeasure for Recall {
        fn list(&self, list: Relevant, groups: impl Iterator<Item = TiedGroup>) -> f64 {
            found(groups) / list.all as f64
        }
    }

    fn found(groups: impl Iterator<Item = TiedGroup>) -> f64 {
        groups.map(|group| group.relevant_counted()).sum()
    }

    /// Of [`super::HitRate`].
    #[derive(Debug, Clone, Copy, Default)]
    pub struct HitRate;

    impl BinaryMeasure for HitRate {
        fn list(&self, _: Relevant, mut groups: impl Iterator<Item = TiedGroup>) -> f64 {
            groups.find(|group| group.relevant > 0).map_or(0.0, |group| {
                firsts(group).map(|(_, probability)| probability).sum::<f64>().min(1.0)
            })
        }
    }

    /// Of [`super::ReciprocalRank`].
    #[derive(Debug, Clone, Copy, Default)]
    pub struct ReciprocalRank;

    impl BinaryMeasure for ReciprocalRank {
        fn list(&self, _: Relevant, mut groups: impl Iterator<Item = TiedGroup>) -> f64 {
            groups.find(|group| group.relevant > 0).map_or(0.0, |group| {
                firsts(group).map(|(rank, probability)| probability / rank as f64).sum()
            })
        }
    }

    /// The ranks of a group that count, each with the probability that the group's first relevant
    /// item is there.
    fn firsts(group: TiedGroup) -> impl Iterator<Item = (usize, f64)> {
        let TiedGroup { before, size, relevant, counted, .. } = group;
        // No relevant item on the first i ranks has probability Π_{j<i} (n − r − j) / (n − j).
        let mut none_yet = 1.0;
        (0..counted.min(size - relevant + 1)).map(move |i| {
            let left = (size - i) as f64;
            let first = none_yet * (relevant as f64 / left);
            none_yet *= (size - relevant - i) as f64 / left;
            (before + i + 1, first)
        })
    }

    /// Of [`super::AveragePrecision`].
    #[derive(Debug, Clone, Copy, Default)]
    pub struct AveragePrecision;

    impl BinaryMeasure for AveragePrecision {
        fn list(&self, list: Relevant, groups: impl Iterator<Item = TiedGroup>) -> f64 {
            let mut sum = Sum::default();
            for group in groups {
                let (n, r) = (group.size as f64, group.relevant as f64);
                if group.size == 1 {
                    // 0 is added for an irrelevant item: that is faster than an unpredictable branch.
                    let precision = (group.relevant_before + 1) as f64 / (group.before + 1) as f64;
                    sum.add_moderate(r * precision);
                    continue;
                }
                // With a relevant item on a rank, so many are on each of the group's other ranks.
                let others = (r - 1.0) / (n - 1.0).max(1.0);
                for i in 0..group.counted {
                    let above = group.relevant_before as f64 + others * i as f64;
                    sum.add_moderate(r / n * (above + 1.0) / (group.before + i + 1) as f64);
                }
            }
            sum.total() / list.all as f64
        }
    }
}
