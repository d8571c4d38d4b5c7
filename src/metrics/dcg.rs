//! The discounted cumulated gain and its share of the ideal (Järvelin & Kekäläinen 2002).
//!
//! DCG@n = Σ_{τ_k ≤ n} w_k G_k / D(τ_k), NDCG@n = DCG@n / max DCG@n
//!
//! G = 2^ψ − 1, D(r) = log2(1 + r)
//!
//! The greatest DCG is that of the order by w_k G_k, descending. Under expected ties an item's 1/D is
//! the mean over the ranks of its group (McSherry & Najork 2008).

use crate::check::check_cutoff;
use crate::losses::{Discount, Gain, ScoreTies};
use crate::metrics::{Metric, Ranking, Scratch, depth, greatest_weight};
use crate::numeric::{Sum, scale_by_power_of_two};
use crate::{Error, List};

/// DCG@n = Σ_{τ_k ≤ n} w_k G_k / D(τ_k), Järvelin & Kekäläinen 2002; with G = 2^ψ − 1 as in Burges et
/// al. 2005.
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
pub type Dcg = CumulatedGain<false>;

/// NDCG@n: the DCG@n over the greatest that any order of the list has; 1 is perfect.
///
/// Not defined where the greatest is 0. Gains must not be negative. See [`CumulatedGain`] for what is
/// replaceable, and for errors.
///
/// ```
/// use lipo::{losses::Gain, metrics::{MetricExt, Ndcg}};
/// use ndarray::array;
///
/// let (scores, labels) = (array![2.0_f64, 1.0, 3.0], array![2.0, 0.0, 1.0]);
/// let ndcg = Ndcg::at(10).mean(&scores, &labels)?;
/// assert!((ndcg - 0.796708).abs() < 1e-6); // 2.892789 / (3/log2(2) + 1/log2(3))
/// let linear = Ndcg::at(10).gain(Gain::Linear).mean(&scores, &labels)?;
/// assert!((linear - 0.859719).abs() < 1e-6); // (1 + 2/log2(3)) / (2 + 1/log2(3))
/// # Ok::<(), lipo::Error>(())
/// ```
pub type Ndcg = CumulatedGain<true>;

/// What [`Dcg`] and [`Ndcg`] are made of: a cut-off, a gain, a discount and a rule for tied scores.
///
/// # Errors
///
/// [`Error::OutOfRange`] for a label whose gain is not finite in the precision of the arrays, or
/// whose gain times the greatest weight times K is not in `f64`; for NDCG, where a gain is negative.
/// [`Error::Parameter`] for a cut-off of 0 and a custom discount out of range, [`Error::Setting`] for
/// the `ConstantDifference` of gains or discounts, which is no gain or discount of an item.
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct CumulatedGain<const NORMALISED: bool> {
    /// The last rank that counts; all where there is none.
    pub cutoff: Option<usize>,
    /// G.
    pub gain: Gain,
    /// D.
    pub discount: Discount,
    /// The ranks τ of equal scores.
    pub ties: ScoreTies,
}

impl<const NORMALISED: bool> CumulatedGain<NORMALISED> {
    /// That of the ranks 1 to n.
    #[must_use]
    pub fn at(n: usize) -> Self {
        Self { cutoff: Some(n), ..Self::default() }
    }

    /// The same metric with another gain.
    #[must_use]
    pub fn gain(self, gain: Gain) -> Self {
        Self { gain, ..self }
    }

    /// The same metric with another discount.
    #[must_use]
    pub fn discount(self, discount: Discount) -> Self {
        Self { discount, ..self }
    }

    /// The same metric with another rule for equal scores.
    ///
    /// ```
    /// use lipo::{losses::ScoreTies, metrics::{MetricExt, Ndcg}};
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
    custom_discounts: Vec<f64>,
    gains: Vec<f64>,
}

impl<const NORMALISED: bool> Metric for CumulatedGain<NORMALISED> {
    fn ties(&self) -> ScoreTies {
        self.ties
    }

    fn check(&self, list: &List<'_>) -> Result<(), Error> {
        check_cutoff(self.cutoff)?;
        if let Discount::ConstantDifference = self.discount {
            let reason = "a constant difference of discounts is no discount of a rank";
            return Err(Error::Setting { name: "discount", reason });
        }
        let greatest_discount = self.discount.check(depth(self.cutoff, list.len()))?;
        self.check_gains(list, greatest_discount)
    }

    fn list(&self, ranking: &Ranking<'_>, scratch: &mut Scratch) -> Option<f64> {
        let list = ranking.list();
        let depth = depth(self.cutoff, list.len());
        let Tables { log_discounts, custom_discounts, gains } = &mut scratch.gains;
        let discounts = &*self.discounts(depth, log_discounts, custom_discounts);
        // A ratio does not see the factor that keeps small weights from underflow.
        let factor = if NORMALISED { reciprocal_scale(&list) } else { 1.0 };
        let gain = |item| list.weight(item) * factor * of_label(self.gain, list.labels()[item]);
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

impl<const NORMALISED: bool> CumulatedGain<NORMALISED> {
    fn check_gains(&self, list: &List<'_>, greatest_discount: f64) -> Result<(), Error> {
        if let Gain::ConstantDifference = self.gain {
            let reason = "a constant difference of gains is no gain of an item";
            return Err(Error::Setting { name: "gain", reason });
        }
        let factor =
            greatest_weight(list).max(1.0) * list.len() as f64 * greatest_discount.max(1.0);
        let problem = |label: f64| {
            let gain = of_label(self.gain, label);
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
        // Gains grow with labels, but for a custom one: the extremes speak for all.
        if !matches!(self.gain, Gain::Custom(_)) {
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

    /// 1/D of the ranks from 1 to at least `ranks`.
    fn discounts<'t>(
        &self,
        ranks: usize,
        log: &'t mut Vec<f64>,
        custom: &'t mut Vec<f64>,
    ) -> &'t mut Vec<f64> {
        if let Discount::Custom(discount) = self.discount {
            custom.clear();
            custom.extend((1..=ranks).map(|rank| discount(rank).recip()));
            custom
        } else {
            log.extend((log.len() + 1..=ranks).map(|rank| (1.0 + rank as f64).log2().recip()));
            log
        }
    }
}

fn of_label(gain: Gain, label: f64) -> f64 {
    match gain {
        Gain::Exponential => exp2_minus_1(label),
        Gain::Linear => label,
        Gain::ConstantDifference => 0.0,
        Gain::Custom(gain) => gain(label),
    }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // and back, to see if it was one
fn exp2_minus_1(label: f64) -> f64 {
    let grade = label as u32;
    if grade < u64::BITS && f64::from(grade) == label {
        ((1_u64 << grade) - 1) as f64
    } else if label >= 1.0 {
        label.exp2() - 1.0 // the 1 is subtracted without harm
    } else {
        (label * std::f64::consts::LN_2).exp_m1()
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
