//! The lambda-loss, LiPO Eq. 8.
//!
//! l(s, ψ) = Σ_{ψ_i > ψ_j} w_i Δ_ij log(1 + e^−(s_i − s_j))
//!
//! Δ_ij = |G_i − G_j| · |1/D(τ_i) − 1/D(τ_j)|, G_i = 2^{ψ_i} − 1, D(r) = log2(1 + r)
//!
//! τ the 1-based ranks by score, descending. Δ is a constant in the gradient.

use std::sync::Arc;

use crate::check::check_cutoff;
use crate::lists::Ranges;
use crate::losses::{Kernel, Logistic, PairKernels, PairLoss, PairWeight};
use crate::numeric::DoubleDouble;
use crate::ranking::{
    Discount, DiscountColumns, ExponentialGain, Gain, LogDiscount, Ranking, ScoreTies,
    check_discount,
};
use crate::{Error, List};

/// Lambda-loss: Σ_{ψ_i > ψ_j} w_i Δ_ij log(1 + e^−(s_i − s_j)), LiPO Eq. 8, the paper's LiPO-λ.
///
/// Δ_ij ([`LambdaWeight`]) is what swapping the two items would change of the DCG. The ranks come
/// from the scores given, and Δ is a constant in the gradient, as in LambdaRank. By default equal
/// scores rank by index ([`ScoreTies`] has other rules).
///
/// See [`PairLoss`] for equal labels, weights and errors.
///
/// ```
/// use lipo::losses::{LambdaLoss, LossExt};
/// use ndarray::array;
///
/// let loss = LambdaLoss::default();
/// let (value, grad) = loss.value_and_grad(&array![0.0_f64, 1.0], &array![1.0, 0.0])?;
/// assert!((value - 0.484686).abs() < 1e-6); // |1 - 0| · |1/log2(3) - 1| · log(1 + e)
/// assert!((grad[0] + 0.269812).abs() < 1e-6); // -|1/log2(3) - 1| · σ(1)
/// # Ok::<(), lipo::Error>(())
/// ```
pub type LambdaLoss = PairLoss<Logistic, LambdaWeight>;

impl LambdaLoss {
    /// The lambda-loss with a weight other than [`LambdaWeight::dcg`].
    ///
    /// ```
    /// use lipo::losses::{LambdaLoss, LambdaWeight, LossExt};
    /// use ndarray::array;
    ///
    /// let loss = LambdaLoss::with_weight(LambdaWeight::constant_gain_difference());
    /// let value = loss.value(&array![0.0_f64, 1.0], &array![0.2, 0.1])?;
    /// assert!((value - 0.484686).abs() < 1e-6); // |1/log2(3) - 1| · log(1 + e)
    /// # Ok::<(), lipo::Error>(())
    /// ```
    #[must_use]
    pub fn with_weight(weight: LambdaWeight) -> Self {
        Self { function: Logistic, weight }
    }
}

/// The lambda weight Δ_ij = |G_i − G_j| · |1/D(τ_i) − 1/D(τ_j)|, with replaceable gain G, discount D
/// and rule for equal scores.
///
/// The four weights that the paper compares in Figure 3(b) are constructors here; parts of them are
/// replaced by [`gain`](Self::gain()), [`discount`](Self::discount()) and [`ties`](Self::ties()).
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct LambdaWeight {
    gain: Factor<Arc<dyn Gain>>,
    discount: Factor<Arc<dyn Discount>>,
    /// The ranks τ of equal scores.
    pub ties: ScoreTies,
    /// The last rank that counts: d(r) is 0 for the ranks behind it. All count where there is none.
    pub cutoff: Option<usize>,
}

/// One factor of a lambda weight.
#[derive(Debug, Clone, Default)]
enum Factor<T> {
    /// The exponential gain or the logarithmic discount.
    #[default]
    Dcg,
    /// The differences are 1.
    Constant,
    Other(T),
}

impl LambdaWeight {
    /// Δ_ij of the DCG, the default: |G_i − G_j| · |1/D(τ_i) − 1/D(τ_j)|.
    #[must_use]
    pub fn dcg() -> Self {
        Self::default()
    }

    /// Constant gain difference: Δ_ij = |1/D(τ_i) − 1/D(τ_j)|.
    #[must_use]
    pub fn constant_gain_difference() -> Self {
        Self { gain: Factor::Constant, ..Self::default() }
    }

    /// Constant discount difference: Δ_ij = |G_i − G_j|.
    #[must_use]
    pub fn constant_discount_difference() -> Self {
        Self { discount: Factor::Constant, ..Self::default() }
    }

    /// Constant weight: Δ_ij = 1, which makes the lambda-loss the pair-logistic loss.
    #[must_use]
    pub fn constant() -> Self {
        Self { gain: Factor::Constant, ..Self::constant_discount_difference() }
    }

    /// The same weight with another gain.
    #[must_use]
    pub fn gain(self, gain: impl Gain + 'static) -> Self {
        Self { gain: Factor::Other(Arc::new(gain)), ..self }
    }

    /// The same weight with another discount.
    ///
    /// ```
    /// use lipo::losses::{LambdaLoss, LambdaWeight, LossExt};
    /// use lipo::ranking::DiscountTable;
    /// use ndarray::array;
    ///
    /// let dcg_at_1 = DiscountTable::new(vec![1.0, 0.0])?;
    /// let loss = LambdaLoss::with_weight(LambdaWeight::dcg().discount(dcg_at_1));
    /// let value = loss.value(&array![0.0_f64, 1.0], &array![1.0, 0.0])?;
    /// assert!((value - 1.313262).abs() < 1e-6); // |1 - 0| · |0 - 1| · log(1 + e)
    /// # Ok::<(), lipo::Error>(())
    /// ```
    #[must_use]
    pub fn discount(self, discount: impl Discount + 'static) -> Self {
        Self { discount: Factor::Other(Arc::new(discount)), ..self }
    }

    /// The same weight of the DCG at `rank`: 1/D(r) = 0 for r > `rank`, so that pairs of which
    /// neither is among the first `rank` take no part. With that of the DCG the loss of a list takes
    /// O(K·rank + K log K). Constant differences of discounts, which know no ranks, are left alone.
    ///
    /// ```
    /// use lipo::losses::{LambdaLoss, LambdaWeight, LossExt};
    /// use ndarray::array;
    ///
    /// let loss = LambdaLoss::with_weight(LambdaWeight::dcg().cutoff(1));
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

    /// The same weight with another rule for equal scores.
    #[must_use]
    pub fn ties(self, ties: ScoreTies) -> Self {
        Self { ties, ..self }
    }
}

/// What [`LambdaWeight`] knows of the items of one list.
#[derive(Debug, Clone, Default)]
pub struct Tables {
    ranking: Ranking,
    discounts: DiscountColumns,
    items: Vec<Item>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Item {
    label: f64,
    gain: DoubleDouble,
    group: usize,
    /// d(τ), or its mean over the group.
    discount: DoubleDouble,
    /// E|d(τ_i) − d(τ_j)| within the group.
    within_group: DoubleDouble,
}

impl PairWeight for LambdaWeight {
    fn accepts(&self, ranges: &Ranges) -> bool {
        let gains_are_finite = match self.gain {
            Factor::Dcg => ranges.precision.round(ranges.labels.1.exp2()).is_finite(),
            Factor::Constant => true,
            Factor::Other(_) => false,
        };
        let discounts_are_known = !matches!(self.discount, Factor::Other(_));
        gains_are_finite && discounts_are_known && self.cutoff != Some(0)
    }

    fn choose(&self, kernels: PairKernels) -> Option<Kernel> {
        match (&self.gain, &self.discount, self.ties) {
            (Factor::Dcg, Factor::Dcg, ScoreTies::ByIndex) if kernels.lambda => {
                Some(Kernel::LambdaLoss { cutoff: self.cutoff.unwrap_or(usize::MAX) })
            }
            (Factor::Constant, Factor::Constant, _) => kernels.unweighted,
            _ => None,
        }
    }

    fn check(&self, list: &List<'_>) -> Result<(), Error> {
        check_cutoff(self.cutoff)?;
        let greatest_discount = match &self.discount {
            Factor::Other(discount) => check_discount(discount, list.len())?,
            _ => 1.0,
        };
        self.check_gains(list, greatest_discount)
    }

    fn of_list(
        &self,
        list: &List<'_>,
        _: &mut Vec<usize>,
        tables: &mut Tables,
    ) -> impl Fn(usize, usize) -> DoubleDouble {
        tables.fill(self, list);
        let items = &tables.items;
        move |i, j| {
            let (i, j) = (&items[i], &items[j]);
            self.gain_difference(i, j) * self.discount_difference(i, j)
        }
    }
}

impl LambdaWeight {
    fn gain_difference(&self, i: &Item, j: &Item) -> DoubleDouble {
        // Below this, 2^a − 2^b = 2^b (x + x²/2), x = (a − b) log 2, has more bits than is left of
        // the difference of two gains.
        const CLOSE: f64 = 1e-9;
        match self.gain {
            Factor::Constant => DoubleDouble::ONE,
            Factor::Dcg if (i.label - j.label).abs() < CLOSE => {
                let x = DoubleDouble::LN_2 * DoubleDouble::difference(i.label, j.label);
                (j.gain * (x + x * x * 0.5)).abs()
            }
            _ => (i.gain - j.gain).abs(),
        }
    }

    fn discount_difference(&self, i: &Item, j: &Item) -> DoubleDouble {
        match self.discount {
            Factor::Constant => DoubleDouble::ONE,
            _ if i.group == j.group => i.within_group,
            _ => (i.discount - j.discount).abs(),
        }
    }

    /// Differences of gains, times `greatest_discount`, must be finite.
    fn check_gains(&self, list: &List<'_>, greatest_discount: f64) -> Result<(), Error> {
        let gain = |label: f64| match &self.gain {
            Factor::Dcg => label.exp2(),
            Factor::Constant => 0.0,
            Factor::Other(gain) => gain.at(label),
        };
        let overflows = |x: f64| !list.precision().round(x).is_finite();
        let (mut least, mut greatest) = (0.0_f64, 0.0_f64);
        for (item, &label) in list.labels().iter().enumerate() {
            let gain = gain(label);
            (least, greatest) = (least.min(gain), greatest.max(gain));
            if overflows(gain) || overflows(greatest - least) {
                return Err(list.label_out_of_range(item, "a label whose gain is finite"));
            }
            if overflows((greatest - least) * greatest_discount) {
                return Err(list.label_out_of_range(item, "a label whose lambda weight is finite"));
            }
        }
        Ok(())
    }
}

impl Tables {
    fn fill(&mut self, weight: &LambdaWeight, list: &List<'_>) {
        let gain: Option<&dyn Gain> = match &weight.gain {
            Factor::Dcg => Some(&ExponentialGain),
            Factor::Constant => None,
            Factor::Other(gain) => Some(gain),
        };
        let exact = |label| {
            let (hi, lo) = gain.map_or((0.0, 0.0), |gain| gain.exact(label));
            DoubleDouble { hi, lo }
        };
        self.items.clear();
        self.items.extend(list.labels().iter().map(|&label| Item {
            label,
            gain: exact(label),
            ..Item::default()
        }));
        let discount: &dyn Discount = match &weight.discount {
            Factor::Dcg => &LogDiscount,
            Factor::Constant => return,
            Factor::Other(discount) => discount,
        };
        let Self { ranking, discounts, items } = self;
        ranking.update(list.scores(), list.labels(), weight.ties);
        ranking.discounts(discount, weight.cutoff, discounts);
        for (k, item) in items.iter_mut().enumerate() {
            let double = |(hi, lo)| DoubleDouble { hi, lo };
            item.group = discounts.groups()[k];
            item.discount = double(discounts.means()[k]);
            item.within_group = double(discounts.within_groups()[k]);
        }
    }
}

/// 1/D of a 1-based rank: 1/log₂(1 + rank).
#[cfg(feature = "simd")]
pub(super) fn log_discount(rank: usize) -> DoubleDouble {
    let (hi, lo) = LogDiscount.exact(rank as f64);
    DoubleDouble { hi, lo }
}
