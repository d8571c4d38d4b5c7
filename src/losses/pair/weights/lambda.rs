//! The lambda weight: what swapping two items would change of the DCG.
//!
//! Δ_ij = |G(ψ_i) − G(ψ_j)| · |d(τ_i) − d(τ_j)|, G(ψ) = 2^ψ − 1 and d(r) = 1/log2(1 + r) by default
//!
//! τ are the 1-based ranks by score, descending.

use crate::check::check_cutoff;
use crate::engine::{Factors, PairWeight, RankedList, WeightColumns};
use crate::ranking::{Discount, ExponentialGain, Gain, LogDiscount, ScoreTies, check_discount};
use crate::{Error, List, Precision};

/// The lambda weight Δ_ij = |G_i − G_j| · |1/D(τ_i) − 1/D(τ_j)|, with replaceable gain G, discount 1/D
/// and rule for equal scores.
///
/// The paper compares four weights in Figure 3(b): this one, [`DiscountDifference`] (constant gain),
/// [`GainDifference`] (constant discount) and [`Unweighted`](crate::losses::Unweighted).
///
/// ```
/// use lipo::losses::{LambdaWeight, Logistic, LossExt, PairLoss};
/// use lipo::ranking::{GainTable, ReciprocalDiscount};
/// use ndarray::array;
///
/// // LightGBM's table of gains, under the discount of the reciprocal rank.
/// let weight = LambdaWeight::dcg().gain(GainTable::new(vec![0.0, 1.0, 3.0])?);
/// let loss = PairLoss::new(Logistic, weight.discount(ReciprocalDiscount));
/// let value = loss.value(&array![0.0_f64, 1.0], &array![2.0, 0.0])?;
/// assert!((value - 1.969893).abs() < 1e-6); // |3 - 0| · |1/2 - 1| · log(1 + e)
/// # Ok::<(), lipo::Error>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq)]
#[non_exhaustive]
pub struct LambdaWeight<G = ExponentialGain, D = LogDiscount> {
    /// G.
    pub gain: G,
    /// 1/D.
    pub discount: D,
    /// The ranks τ of equal scores.
    pub ties: ScoreTies,
    /// The last rank that counts: the discount is 0 behind it. All count where there is none.
    pub cutoff: Option<usize>,
    /// Whether the weights of a list are divided by its greatest DCG.
    pub normalised: bool,
}

impl LambdaWeight {
    pub(crate) const DCG: Self = Self {
        gain: ExponentialGain,
        discount: LogDiscount,
        ties: ScoreTies::ByIndex,
        cutoff: None,
        normalised: false,
    };

    /// Δ_ij of the DCG, the default: |G_i − G_j| · |1/D(τ_i) − 1/D(τ_j)|.
    #[must_use]
    pub const fn dcg() -> Self {
        Self::DCG
    }

    /// Δ_ij of the NDCG: that of the DCG, divided by the greatest DCG that any order of the list has.
    /// A list whose greatest DCG is 0 has weights 0.
    ///
    /// ```
    /// use lipo::losses::{LambdaWeight, Logistic, LossExt, PairLoss};
    /// use ndarray::array;
    ///
    /// let loss = PairLoss::new(Logistic, LambdaWeight::ndcg());
    /// let value = loss.value(&array![0.0_f64, 1.0], &array![2.0, 0.0])?;
    /// assert!((value - 0.484686).abs() < 1e-6); // |3 - 0|/3 · |1/log2(3) - 1| · log(1 + e)
    /// # Ok::<(), lipo::Error>(())
    /// ```
    #[must_use]
    pub const fn ndcg() -> Self {
        Self { normalised: true, ..Self::DCG }
    }
}

impl<G, D> LambdaWeight<G, D> {
    /// The same weight with another gain.
    #[must_use]
    pub fn gain<H: Gain>(self, gain: H) -> LambdaWeight<H, D> {
        let Self { discount, ties, cutoff, normalised, .. } = self;
        LambdaWeight { gain, discount, ties, cutoff, normalised }
    }

    /// The same weight with another discount.
    #[must_use]
    pub fn discount<E: Discount>(self, discount: E) -> LambdaWeight<G, E> {
        let Self { gain, ties, cutoff, normalised, .. } = self;
        LambdaWeight { gain, discount, ties, cutoff, normalised }
    }

    /// The same weight with another rule for equal scores.
    #[must_use]
    pub fn ties(self, ties: ScoreTies) -> Self {
        Self { ties, ..self }
    }

    /// The same weight of the DCG at `rank`: the discount is 0 behind it, so that pairs of which
    /// neither is among the first `rank` take no part, and the loss of a list takes
    /// O(K·rank + K log K).
    ///
    /// ```
    /// use lipo::losses::{LambdaWeight, Logistic, LossExt, PairLoss};
    /// use ndarray::array;
    ///
    /// let loss = PairLoss::new(Logistic, LambdaWeight::dcg().cutoff(1));
    /// let value = loss.value(&array![0.0_f64, 1.0, -1.0], &array![1.0, 0.0, 0.0])?;
    /// assert!((value - 1.313262).abs() < 1e-6); // |1 - 0| · |0 - 1| · log(1 + e); ranks 2 and 3: 0
    /// # Ok::<(), lipo::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// A loss with a cut-off of 0 is [`Error::Parameter`].
    #[must_use]
    pub fn cutoff(self, rank: usize) -> Self {
        Self { cutoff: Some(rank), ..self }
    }
}

impl<G: Gain, D: Discount> PairWeight for LambdaWeight<G, D> {
    fn ties(&self) -> ScoreTies {
        self.ties
    }

    fn cutoff(&self) -> Option<usize> {
        self.cutoff
    }

    fn fill(&self, _: &RankedList<'_>, _: &mut WeightColumns) {}

    fn factors(&self) -> Option<Factors<'_>> {
        let Self { gain, discount, cutoff, normalised, .. } = self;
        let (gain, discount) = (Some(gain as &dyn Gain), Some(discount as &dyn Discount));
        Some(Factors { gain, discount, cutoff: *cutoff, normalised: *normalised })
    }

    fn domain(&self, precision: Precision) -> (f64, bool) {
        let plain = self.discount.well_known().is_some() && self.cutoff != Some(0);
        gain_domain(&self.gain, precision, plain)
    }

    fn check(&self, list: &List<'_>) -> Result<(), Error> {
        check_cutoff(self.cutoff)?;
        let ranks = self.cutoff.unwrap_or(list.len()).min(list.len());
        check_discount(&self.discount, ranks)?;
        check_gains(&self.gain, list)
    }
}

/// Constant gain: Δ_ij = |1/D(τ_i) − 1/D(τ_j)|, of Figure 3(b) of the paper.
///
/// ```
/// use lipo::losses::{DiscountDifference, Logistic, LossExt, PairLoss};
/// use ndarray::array;
///
/// let loss = PairLoss::new(Logistic, DiscountDifference::dcg());
/// let value = loss.value(&array![0.0_f64, 1.0], &array![0.2, 0.1])?;
/// assert!((value - 0.484686).abs() < 1e-6); // |1/log2(3) - 1| · log(1 + e)
/// # Ok::<(), lipo::Error>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq)]
#[non_exhaustive]
pub struct DiscountDifference<D = LogDiscount> {
    /// 1/D.
    pub discount: D,
    /// The ranks τ of equal scores.
    pub ties: ScoreTies,
    /// The last rank that counts; all where there is none.
    pub cutoff: Option<usize>,
}

impl DiscountDifference {
    /// That of the DCG's discount, 1/log2(1 + r).
    #[must_use]
    pub const fn dcg() -> Self {
        Self { discount: LogDiscount, ties: ScoreTies::ByIndex, cutoff: None }
    }
}

impl<D> DiscountDifference<D> {
    /// The difference of a discount.
    pub fn new(discount: D) -> Self {
        Self { discount, ties: ScoreTies::default(), cutoff: None }
    }

    /// The same weight with another rule for equal scores.
    #[must_use]
    pub fn ties(self, ties: ScoreTies) -> Self {
        Self { ties, ..self }
    }

    /// The same weight with discounts of 0 behind a rank.
    #[must_use]
    pub fn cutoff(self, rank: usize) -> Self {
        Self { cutoff: Some(rank), ..self }
    }
}

impl<D: Discount> PairWeight for DiscountDifference<D> {
    fn ties(&self) -> ScoreTies {
        self.ties
    }

    fn cutoff(&self) -> Option<usize> {
        self.cutoff
    }

    fn fill(&self, _: &RankedList<'_>, _: &mut WeightColumns) {}

    fn factors(&self) -> Option<Factors<'_>> {
        let discount = Some(&self.discount as &dyn Discount);
        Some(Factors { gain: None, discount, cutoff: self.cutoff, normalised: false })
    }

    fn domain(&self, _: Precision) -> (f64, bool) {
        (f64::INFINITY, self.discount.well_known().is_none() || self.cutoff == Some(0))
    }

    fn check(&self, list: &List<'_>) -> Result<(), Error> {
        check_cutoff(self.cutoff)?;
        let ranks = self.cutoff.unwrap_or(list.len()).min(list.len());
        check_discount(&self.discount, ranks).map(|_| ())
    }
}

/// Constant discount: Δ_ij = |G_i − G_j|, of Figure 3(b) of the paper; with
/// [`LinearGain`](crate::ranking::LinearGain) Rax's `labeldiff_lambdaweight`.
///
/// ```
/// use lipo::losses::{GainDifference, Logistic, LossExt, PairLoss};
/// use lipo::ranking::LinearGain;
/// use ndarray::array;
///
/// let loss = PairLoss::new(Logistic, GainDifference::new(LinearGain));
/// let value = loss.value(&array![0.0_f64, 1.0], &array![3.0, 1.0])?;
/// assert!((value - 2.626523).abs() < 1e-6); // |3 - 1| · log(1 + e)
/// # Ok::<(), lipo::Error>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct GainDifference<G = ExponentialGain> {
    /// G.
    pub gain: G,
}

impl GainDifference {
    /// That of the DCG's gain, 2^ψ − 1.
    #[must_use]
    pub const fn dcg() -> Self {
        Self { gain: ExponentialGain }
    }
}

impl<G> GainDifference<G> {
    /// The difference of a gain.
    pub const fn new(gain: G) -> Self {
        Self { gain }
    }
}

impl<G: Gain> PairWeight for GainDifference<G> {
    fn fill(&self, _: &RankedList<'_>, _: &mut WeightColumns) {}

    fn factors(&self) -> Option<Factors<'_>> {
        let gain = Some(&self.gain as &dyn Gain);
        Some(Factors { gain, discount: None, cutoff: None, normalised: false })
    }

    fn domain(&self, precision: Precision) -> (f64, bool) {
        gain_domain(&self.gain, precision, true)
    }

    fn check(&self, list: &List<'_>) -> Result<(), Error> {
        check_gains(&self.gain, list)
    }
}

/// The greatest label whose gain is finite, and whether lists have to be looked at one by one.
pub(super) fn gain_domain(gain: &dyn Gain, precision: Precision, plain: bool) -> (f64, bool) {
    if !gain.is_exponential() {
        return (f64::INFINITY, true);
    }
    let greatest = match precision {
        Precision::Single => 128.0_f64.next_down(),
        Precision::Double => 1024.0_f64.next_down(),
    };
    (greatest, !plain)
}

/// Gains, and their differences, are finite.
pub(super) fn check_gains(gain: &dyn Gain, list: &List<'_>) -> Result<(), Error> {
    let (mut least, mut greatest) = (f64::INFINITY, f64::NEG_INFINITY);
    for (item, &label) in list.labels().iter().enumerate() {
        let of_label = list.precision().round(gain.at(label));
        if !of_label.is_finite() {
            return Err(list.label_out_of_range(item, "a label whose gain is finite"));
        }
        (least, greatest) = (least.min(of_label), greatest.max(of_label));
        if !(greatest - least).is_finite() {
            return Err(list.label_out_of_range(item, "a label whose gain differs finitely"));
        }
    }
    Ok(())
}
