//! The discounted cumulated gain and its share of the ideal (Järvelin & Kekäläinen 2002).
//!
//! DCG@n = Σ_{τ_k ≤ n} w_k G_k d(τ_k), NDCG@n = DCG@n / max DCG@n
//!
//! G = 2^ψ − 1, d(r) = 1/log2(1 + r)
//!
//! The greatest DCG is that of the order by w_k G_k, descending. Under expected ties an item's d is
//! the mean over the ranks of its group (McSherry & Najork 2008).

use crate::check::check_cutoff;
use crate::metrics::{Extent, Metric, RankedList, Scratch, depth, greatest_weight};
use crate::numeric::{Sum, scale_by_power_of_two};
use crate::ranking::{
    Discount, DiscountsByRank, ExponentialGain, Gain, LogDiscount, ScoreTies, check_discount,
    sort_greatest,
};
use crate::{Error, List, Precision};

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
pub struct Room {
    discounts: DiscountsByRank<f64>,
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

    fn accepts(&self, extent: &Extent) -> bool {
        let depth = depth(self.cutoff, extent.longest);
        let Ok(greatest_discount) = check_discount(&self.discount, depth) else { return false };
        let factor = factor(extent.greatest_weight, extent.longest, greatest_discount);
        let fits = |label| self.problem(label, factor, extent.precision).is_none();
        let gains_fit = self.gain.is_monotone() && fits(extent.labels.0) && fits(extent.labels.1);
        gains_fit && self.cutoff != Some(0)
    }

    #[inline]
    fn list(&self, ranked: &RankedList<'_>, room: &mut Scratch) -> Option<f64> {
        let list = ranked.list();
        let depth = depth(self.cutoff, list.len());
        let Room { discounts, gains } = &mut room.gains;
        let discounts = discounts.fill(&self.discount, depth, |rank| self.discount.at(rank));
        gains.clear();
        gains.extend(list.labels().iter().map(|&label| self.gain.at(label)));
        if let Some(weights) = list.weights() {
            // A ratio does not see the factor that keeps small weights from underflow.
            let factor = if NORMALISED { reciprocal_scale(greatest_weight(&list)) } else { 1.0 };
            gains.iter_mut().zip(weights).for_each(|(gain, weight)| *gain *= weight * factor);
        }
        let dcg = cumulated(ranked, discounts, gains);
        if !NORMALISED {
            return Some(dcg);
        }
        sort_greatest(gains, depth);
        let mut ideal = Sum::default();
        let best = gains.iter().zip(discounts);
        best.for_each(|(gain, discount)| ideal.add_moderate(gain * discount));
        let ideal = ideal.total();
        // Rounding may put the DCG of a tied perfect order an ulp above.
        (ideal > 0.0).then(|| (dcg / ideal).min(1.0))
    }
}

/// The sum over the ranks that have a discount of the gains times the discounts' means over tied
/// groups.
fn cumulated(ranked: &RankedList<'_>, discounts: &[f64], gains: &[f64]) -> f64 {
    let mut dcg = Sum::default();
    if !ranked.is_grouped() {
        for (&item, discount) in ranked.order().iter().zip(discounts) {
            dcg.add_moderate(gains[item] * discount);
        }
        return dcg.total();
    }
    let mut start = 0;
    for group in ranked.groups() {
        let end = start + group.len();
        let of_ranks = &discounts[start..end.min(discounts.len())];
        let discount = of_ranks.iter().sum::<f64>() / group.len() as f64;
        for &item in group {
            dcg.add_moderate(gains[item] * discount);
        }
        start = end;
        if start >= discounts.len() {
            break;
        }
    }
    dcg.total()
}

/// What a gain is multiplied by, at most, in the sum of a list.
fn factor(greatest_weight: f64, items: usize, greatest_discount: f64) -> f64 {
    greatest_weight.max(1.0) * items as f64 * greatest_discount.max(1.0)
}

impl<const NORMALISED: bool, G: Gain, D: Discount> CumulatedGain<NORMALISED, G, D> {
    fn check_gains(&self, list: &List<'_>, greatest_discount: f64) -> Result<(), Error> {
        let factor = factor(greatest_weight(list), list.len(), greatest_discount);
        for (item, &label) in list.labels().iter().enumerate() {
            if let Some(range) = self.problem(label, factor, list.precision()) {
                return Err(list.label_out_of_range(item, range));
            }
        }
        Ok(())
    }

    /// What a label should be and is not, if anything.
    fn problem(&self, label: f64, factor: f64, precision: Precision) -> Option<&'static str> {
        let gain = self.gain.at(label);
        if !precision.round(gain).is_finite() {
            Some("a label whose gain is finite")
        } else if !(gain * factor).is_finite() {
            Some("a label whose DCG is finite")
        } else if NORMALISED && gain < 0.0 {
            Some("a label whose gain is at least 0")
        } else {
            None
        }
    }
}

/// A power of two that brings the greatest weight to ½ or more, as far as one factor can, below 1.
fn reciprocal_scale(greatest_weight: f64) -> f64 {
    if greatest_weight == 0.0 {
        return 1.0;
    }
    #[allow(clippy::cast_possible_truncation)] // the logarithm of an f64
    let exponent = greatest_weight.log2().floor() as i32 + 1;
    scale_by_power_of_two(1.0, -exponent.clamp(-1000, 1000))
}
