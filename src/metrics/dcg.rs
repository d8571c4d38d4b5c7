//! The discounted cumulated gain and its share of the ideal (Järvelin & Kekäläinen 2002).
//!
//! DCG@n = Σ_{τ_k ≤ n} w_k G_k d(τ_k), NDCG@n = DCG@n / max DCG@n
//!
//! G = 2^ψ − 1, d(r) = 1/log2(1 + r)
//!
//! The greatest DCG is that of the order by w_k G_k, descending. Under expected ties an item's d is
//! the mean over the ranks of its group (McSherry & Najork 2008).

use crate::check::check_cutoff;
use crate::metrics::{Metric, Ranking, Scratch, depth, greatest_weight};
use crate::numeric::{Sum, scale_by_power_of_two};
use crate::ranking::{
    Discount, ExponentialGain, Gain, LogDiscount, ScoreTies, WellKnown, check_discount,
};
use crate::{Error, List};

/// DCG@n = Σ_{τ_k ≤ n} w_k G_k d(τ_k), Järvelin & Kekäläinen 2002; with G = 2^ψ − 1 as in Burges et al.
/// 2005 and d(r) = 1/log2(1 + r).
///
/// See [`CumulatedGain`] for what is replaceable, and for errors.
///
/// ```
/// use lipo::metrics::{Dcg, MetricExt};
/// use ndarray::array;
///
/// let dcg = Dcg::default().mean(&array![2.0_f64, 1.0, 3.0], &array![2.0, 0.0, 1.0])?;
/// assert!((dcg - 2.892789).abs() < 1e-6); // 1/log2(2) + 3/log2(3) + 0/log2(4)
/// # Ok::<(), lipo::Error>(())
/// ```
pub type Dcg<G = ExponentialGain, D = LogDiscount> = CumulatedGain<false, G, D>;

/// NDCG@n: the DCG@n over the greatest that any order of the list has; 1 is perfect.
///
/// Not defined where the greatest is 0. Gains must not be negative. See [`CumulatedGain`] for what is
/// replaceable, and for errors.
///
/// ```
/// use lipo::{metrics::{MetricExt, Ndcg}, ranking::LinearGain};
/// use ndarray::array;
///
/// let (scores, labels) = (array![2.0_f64, 1.0, 3.0], array![2.0, 0.0, 1.0]);
/// let ndcg = Ndcg::at(10).mean(&scores, &labels)?;
/// assert!((ndcg - 0.796708).abs() < 1e-6); // 2.892789 / (3/log2(2) + 1/log2(3))
/// let linear = Ndcg::at(10).gain(LinearGain).mean(&scores, &labels)?;
/// assert!((linear - 0.859719).abs() < 1e-6); // (1 + 2/log2(3)) / (2 + 1/log2(3))
/// # Ok::<(), lipo::Error>(())
/// ```
pub type Ndcg<G = ExponentialGain, D = LogDiscount> = CumulatedGain<true, G, D>;

/// What [`Dcg`] and [`Ndcg`] are made of: a cut-off, a gain, a discount and a rule for tied scores.
///
/// # Errors
///
/// [`Error::OutOfRange`] for a label whose gain is not finite in the precision of the arrays, or
/// whose gain times the greatest weight times K is not in `f64`; for NDCG, where a gain is negative.
/// [`Error::Parameter`] for a cut-off of 0, and for a discount that is not finite, below 0 or above
/// that of the rank before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct CumulatedGain<const NORMALISED: bool, G = ExponentialGain, D = LogDiscount> {
    /// The last rank that counts; all where there is none.
    pub cutoff: Option<usize>,
    /// The gain G of a label.
    pub gain: G,
    /// The discount d of a rank.
    pub discount: D,
    /// The ranks τ of equal scores.
    pub ties: ScoreTies,
}

impl<const NORMALISED: bool> Default for CumulatedGain<NORMALISED> {
    fn default() -> Self {
        Self {
            cutoff: None,
            gain: ExponentialGain,
            discount: LogDiscount,
            ties: ScoreTies::default(),
        }
    }
}

impl<const NORMALISED: bool> CumulatedGain<NORMALISED> {
    /// That of the ranks 1 to n.
    #[must_use]
    pub fn at(n: usize) -> Self {
        Self { cutoff: Some(n), ..Self::default() }
    }
}

impl<const NORMALISED: bool, G, D> CumulatedGain<NORMALISED, G, D> {
    /// The same metric with another gain.
    #[must_use]
    pub fn gain<H: Gain>(self, gain: H) -> CumulatedGain<NORMALISED, H, D> {
        let Self { cutoff, discount, ties, .. } = self;
        CumulatedGain { cutoff, gain, discount, ties }
    }

    /// The same metric with another discount.
    #[must_use]
    pub fn discount<E: Discount>(self, discount: E) -> CumulatedGain<NORMALISED, G, E> {
        let Self { cutoff, gain, ties, .. } = self;
        CumulatedGain { cutoff, gain, discount, ties }
    }

    /// The same metric with another rule for equal scores.
    ///
    /// ```
    /// use lipo::{metrics::{MetricExt, Ndcg}, ranking::ScoreTies};
    /// use ndarray::array;
    ///
    /// // A model that tells nothing apart, and a list that happens to be stored in order.
    /// let (scores, labels) = (array![0.0_f64, 0.0], array![1.0, 0.0]);
    /// assert_eq!(Ndcg::default().mean(&scores, &labels)?, 1.0);
    /// let expected = Ndcg::default().ties(ScoreTies::Expected).mean(&scores, &labels)?;
    /// assert!((expected - 0.815465).abs() < 1e-6); // (1 + 1/log2(3)) / 2
    /// # Ok::<(), lipo::Error>(())
    /// ```
    #[must_use]
    pub fn ties(self, ties: ScoreTies) -> Self {
        Self { ties, ..self }
    }
}

/// Room for a list's gains and ranks' discounts.
#[derive(Debug, Clone, Default)]
pub struct Tables {
    /// 1/log2(1 + r) of the ranks r = 1, 2, …, of which every list needs the first.
    log_discounts: Vec<f64>,
    other_discounts: Vec<f64>,
    gains: Vec<f64>,
}

impl<const NORMALISED: bool, G: Gain, D: Discount> Metric for CumulatedGain<NORMALISED, G, D> {
    fn ties(&self) -> ScoreTies {
        self.ties
    }

    fn check(&self, list: &List<'_>) -> Result<(), Error> {
        check_cutoff(self.cutoff)?;
        let greatest_discount = check_discount(&self.discount, depth(self.cutoff, list.len()))?;
        self.check_gains(list, greatest_discount)
    }

    fn list(&self, ranking: &Ranking<'_>, scratch: &mut Scratch) -> Option<f64> {
        let list = ranking.list();
        let depth = depth(self.cutoff, list.len());
        let Tables { log_discounts, other_discounts, gains } = &mut scratch.gains;
        let discounts = &*self.discounts(depth, log_discounts, other_discounts);
        // A ratio does not see the factor that keeps small weights from underflow.
        let factor = if NORMALISED { reciprocal_scale(&list) } else { 1.0 };
        let gain = |item| list.weight(item) * factor * self.gain.at(list.labels()[item]);
        if !NORMALISED {
            return Some(cumulated(ranking, discounts, depth, gain));
        }
        gains.clear();
        gains.extend((0..list.len()).map(gain));
        let dcg = cumulated(ranking, discounts, depth, |item| gains[item]);

        let falling = |a: &f64, b: &f64| b.total_cmp(a);
        if depth < gains.len() {
            gains.select_nth_unstable_by(depth - 1, falling);
        }
        gains[..depth].sort_unstable_by(falling);
        let mut ideal = Sum::default();
        gains[..depth].iter().zip(discounts).for_each(|(gain, share)| ideal.add(gain * share));
        // Rounding may put the DCG of a tied perfect order an ulp above.
        (ideal.total() > 0.0).then(|| (dcg / ideal.total()).min(1.0))
    }
}

/// The sum over the first `depth` ranks of the gains times the discounts' means over tied groups.
fn cumulated(
    ranking: &Ranking<'_>,
    discounts: &[f64],
    depth: usize,
    gain: impl Fn(usize) -> f64,
) -> f64 {
    let (mut dcg, mut start) = (Sum::default(), 0);
    for group in ranking.groups() {
        let end = start + group.len();
        if let [item] = *group {
            dcg.add(gain(item) * discounts[start]);
        } else {
            let of_ranks = &discounts[start..end.min(depth)];
            let discount = of_ranks.iter().sum::<f64>() / group.len() as f64;
            for &item in group {
                dcg.add(gain(item) * discount);
            }
        }
        start = end;
        if start >= depth {
            break;
        }
    }
    dcg.total()
}

impl<const NORMALISED: bool, G: Gain, D: Discount> CumulatedGain<NORMALISED, G, D> {
    fn check_gains(&self, list: &List<'_>, greatest_discount: f64) -> Result<(), Error> {
        let factor =
            greatest_weight(list).max(1.0) * list.len() as f64 * greatest_discount.max(1.0);
        let problem = |label: f64| {
            let gain = self.gain.at(label);
            if !list.precision().round(gain).is_finite() {
                Some("a label whose gain is finite")
            } else if !(gain * factor).is_finite() {
                Some("a label whose DCG is finite")
            } else if NORMALISED && gain < 0.0 {
                Some("a label whose gain is at least 0")
            } else {
                None
            }
        };
        if self.gain.is_monotone() {
            let least = list.labels().iter().fold(f64::INFINITY, |a, &b| if b < a { b } else { a });
            let most = list.labels().iter().fold(-f64::INFINITY, |a, &b| if b > a { b } else { a });
            if problem(least).or(problem(most)).is_none() {
                return Ok(());
            }
        }
        for (item, &label) in list.labels().iter().enumerate() {
            if let Some(range) = problem(label) {
                return Err(list.label_out_of_range(item, range));
            }
        }
        Ok(())
    }

    /// The discounts of the ranks from 1 to at least `ranks`.
    fn discounts<'t>(
        &self,
        ranks: usize,
        log: &'t mut Vec<f64>,
        other: &'t mut Vec<f64>,
    ) -> &'t mut Vec<f64> {
        let table = if self.discount.well_known() == Some(WellKnown::Log) {
            log
        } else {
            other.clear();
            other
        };
        table.extend((table.len() + 1..=ranks).map(|rank| self.discount.at(rank as f64)));
        table
    }
}

/// A power of two that brings the greatest weight to ½ or more, as far as one factor can, below 1.
fn reciprocal_scale(list: &List<'_>) -> f64 {
    let greatest = greatest_weight(list);
    if greatest == 0.0 {
        return 1.0;
    }
    #[allow(clippy::cast_possible_truncation)] // the logarithm of an f64
    let exponent = greatest.log2().floor() as i32 + 1;
    scale_by_power_of_two(1.0, -exponent.clamp(-1000, 1000))
}
