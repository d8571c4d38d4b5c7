//! The lambda-loss, LiPO Eq. 8.
//!
//! l(s, ψ) = Σ_{ψ_i > ψ_j} w_i Δ_ij log(1 + e^−(s_i − s_j))
//!
//! Δ_ij = |G_i − G_j| · |1/D(τ_i) − 1/D(τ_j)|, G_i = 2^{ψ_i} − 1, D(r) = log2(1 + r)
//!
//! τ the 1-based ranks by score, descending. Δ is a constant in the gradient.

use crate::check::check_cutoff;
use crate::lists::Ranges;
use crate::losses::{Kernel, Logistic, PairKernels, PairLoss, PairWeight};
use crate::numeric::{DoubleDouble, SplitMix64};
use crate::order::{argsort_by_descending, argsort_descending};
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
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct LambdaWeight {
    /// G.
    pub gain: Gain,
    /// D.
    pub discount: Discount,
    /// The ranks τ of equal scores.
    pub ties: ScoreTies,
    /// The last rank that counts: 1/D(r) is 0 for those behind it. All count where there is none.
    pub cutoff: Option<usize>,
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
        Self { gain: Gain::ConstantDifference, ..Self::default() }
    }

    /// Constant discount difference: Δ_ij = |G_i − G_j|.
    #[must_use]
    pub fn constant_discount_difference() -> Self {
        Self { discount: Discount::ConstantDifference, ..Self::default() }
    }

    /// Constant weight: Δ_ij = 1, which makes the lambda-loss the pair-logistic loss.
    #[must_use]
    pub fn constant() -> Self {
        Self { gain: Gain::ConstantDifference, ..Self::constant_discount_difference() }
    }

    /// The same weight with another gain.
    #[must_use]
    pub fn gain(self, gain: Gain) -> Self {
        Self { gain, ..self }
    }

    /// The same weight with another discount.
    ///
    /// ```
    /// use lipo::losses::{Discount, LambdaLoss, LambdaWeight, LossExt};
    /// use ndarray::array;
    ///
    /// let dcg_at_1 = Discount::Custom(|rank| if rank == 1 { 1.0 } else { f64::INFINITY });
    /// let loss = LambdaLoss::with_weight(LambdaWeight::dcg().discount(dcg_at_1));
    /// let value = loss.value(&array![0.0_f64, 1.0], &array![1.0, 0.0])?;
    /// assert!((value - 1.313262).abs() < 1e-6); // |1 - 0| · |0 - 1| · log(1 + e)
    /// # Ok::<(), lipo::Error>(())
    /// ```
    #[must_use]
    pub fn discount(self, discount: Discount) -> Self {
        Self { discount, ..self }
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

/// The gain G of a label.
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub enum Gain {
    /// G = 2^ψ − 1; 2^ψ must be finite in the precision of the arrays.
    #[default]
    Exponential,
    /// G = ψ.
    Linear,
    /// |G_i − G_j| = 1 for every pair.
    ConstantDifference,
    /// A function of the label; its values, and the differences of these, must be finite.
    Custom(fn(f64) -> f64),
}

/// The discount D of a rank.
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub enum Discount {
    /// D(r) = log2(1 + r), that of the DCG. The paper prints a `log` without its base; base 2 is
    /// that of the DCG and of Rax, which its authors ran.
    #[default]
    Log2,
    /// |1/D(r) − 1/D(r′)| = 1 for every pair.
    ConstantDifference,
    /// A function of the 1-based rank; its values must be positive and must not fall from one rank
    /// to the next. ∞ takes a rank out: D(r) = ∞ for r > k is DCG@k.
    Custom(fn(usize) -> f64),
}

/// The ranks of equal scores.
///
/// They matter: before the first step of training, where the policy is the reference, all scores
/// are 0, and the lambda-loss is nothing but this rule.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ScoreTies {
    /// By index, ascending, as in Rax; −0.0 equals 0.0.
    #[default]
    ByIndex,
    /// The expectation E|1/D(τ_i) − 1/D(τ_j)| over uniformly random orders of equal items, in closed
    /// form: a permutation of the items permutes the gradient, whatever is tied.
    Expected,
    /// In a random order, drawn from the seed and the list's labels, so that a list's order does
    /// not depend on the lists beside it. Lists of the same labels get the same order: change the
    /// seed from step to step.
    Random {
        /// The seed.
        seed: u64,
    },
}

impl ScoreTies {
    /// Fills `order` with the items from rank 1 on; by index where the rule is an expectation.
    pub(crate) fn argsort(self, list: &List<'_>, keys: &mut Vec<u64>, order: &mut Vec<usize>) {
        if let Self::Random { seed } = self {
            random_keys(seed, list, keys);
            argsort_by_descending(list.scores(), order, |item| keys[item]);
        } else {
            argsort_descending(list.scores(), order);
        }
    }
}

/// What [`LambdaWeight`] knows of the items of one list, and of ranks.
#[derive(Debug, Clone, Default)]
pub struct Tables {
    /// 1/log2(1 + r) of the ranks r = 1, 2, …, of which every list needs the first K.
    log_discounts: Vec<DoubleDouble>,
    custom_discounts: Vec<DoubleDouble>,
    items: Vec<Item>,
    random_keys: Vec<u64>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Item {
    label: f64,
    gain: DoubleDouble,
    /// The first rank of the items tied with this one; it names their group.
    group: usize,
    /// 1/D(τ), or its mean over the group.
    discount: DoubleDouble,
    /// E|1/D(τ_i) − 1/D(τ_j)| within the group.
    within_group: f64,
}

impl PairWeight for LambdaWeight {
    fn accepts(&self, ranges: &Ranges) -> bool {
        let gains_are_finite = match self.gain {
            Gain::Exponential => ranges.precision.round(ranges.labels.1.exp2()).is_finite(),
            Gain::ConstantDifference => true,
            Gain::Linear | Gain::Custom(_) => false,
        };
        gains_are_finite && !matches!(self.discount, Discount::Custom(_)) && self.cutoff != Some(0)
    }

    fn choose(&self, kernels: PairKernels) -> Option<Kernel> {
        match (self.gain, self.discount, self.ties) {
            (Gain::Exponential, Discount::Log2, ScoreTies::ByIndex) if kernels.lambda => {
                Some(Kernel::LambdaLoss { cutoff: self.cutoff.unwrap_or(usize::MAX) })
            }
            (Gain::ConstantDifference, Discount::ConstantDifference, _) => kernels.unweighted,
            _ => None,
        }
    }

    fn check(&self, list: &List<'_>) -> Result<(), Error> {
        check_cutoff(self.cutoff)?;
        let greatest_discount = self.discount.check(list.len())?;
        self.gain.check(list, greatest_discount)
    }

    fn of_list(
        &self,
        list: &List<'_>,
        order: &mut Vec<usize>,
        tables: &mut Tables,
    ) -> impl Fn(usize, usize) -> DoubleDouble {
        tables.fill(self, list, order);
        let items = &tables.items;
        move |i, j| {
            let (i, j) = (&items[i], &items[j]);
            self.gain.difference(i, j) * self.discount.difference(i, j)
        }
    }
}

impl Gain {
    fn of(self, label: f64) -> DoubleDouble {
        match self {
            // Without the 1, which no difference needs.
            Self::Exponential => DoubleDouble::exp2(label),
            Self::Linear => label.into(),
            Self::ConstantDifference => DoubleDouble::ZERO,
            Self::Custom(gain) => gain(label).into(),
        }
    }

    fn difference(self, i: &Item, j: &Item) -> DoubleDouble {
        // Below this, 2^a − 2^b = 2^b (x + x²/2), x = (a − b) log 2, has more bits than is left of
        // the difference of two gains.
        const CLOSE: f64 = 1e-9;
        match self {
            Self::ConstantDifference => DoubleDouble::ONE,
            Self::Exponential if (i.label - j.label).abs() < CLOSE => {
                let x = DoubleDouble::LN_2 * DoubleDouble::difference(i.label, j.label);
                (j.gain * (x + x * x * 0.5)).abs()
            }
            _ => (i.gain - j.gain).abs(),
        }
    }

    /// Differences of gains, times `greatest_discount`, must be finite.
    fn check(self, list: &List<'_>, greatest_discount: f64) -> Result<(), Error> {
        let gain = |label: f64| match self {
            Self::Exponential => label.exp2(),
            Self::Linear => label,
            Self::ConstantDifference => 0.0,
            Self::Custom(gain) => gain(label),
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

impl Discount {
    fn difference(self, i: &Item, j: &Item) -> DoubleDouble {
        match self {
            Self::ConstantDifference => DoubleDouble::ONE,
            _ if i.group == j.group => i.within_group.into(),
            _ => (i.discount - j.discount).abs(),
        }
    }

    /// The greatest 1/D; it must be finite, and D must not fall.
    pub(crate) fn check(self, items: usize) -> Result<f64, Error> {
        let Self::Custom(discount) = self else { return Ok(1.0) };
        let mut previous = 0.0;
        for value in (1..=items).map(discount) {
            let wrong = |range| Err(Error::Parameter { name: "discount", value, range });
            if !(value > 0.0 && value >= previous) {
                return wrong("positive and at least that of the rank before");
            }
            if value.recip().is_infinite() {
                return wrong("of a finite reciprocal");
            }
            previous = value;
        }
        Ok(if items == 0 { 0.0 } else { discount(1).recip() })
    }
}

impl Tables {
    fn fill(&mut self, weight: &LambdaWeight, list: &List<'_>, order: &mut Vec<usize>) {
        self.items.clear();
        self.items.extend(list.labels().iter().map(|&label| Item {
            label,
            gain: weight.gain.of(label),
            ..Item::default()
        }));
        if matches!(weight.discount, Discount::ConstantDifference) {
            return;
        }
        let discounts = if let Discount::Custom(discount) = weight.discount {
            let discounts = (1..=list.len()).map(|rank| DoubleDouble::ONE / discount(rank).into());
            self.custom_discounts.clear();
            self.custom_discounts.extend(discounts);
            &self.custom_discounts
        } else {
            self.log_discounts
                .extend((self.log_discounts.len() + 1..=list.len()).map(log_discount));
            &self.log_discounts
        };

        let cutoff = weight.cutoff.unwrap_or(usize::MAX);
        let scores = list.scores();
        weight.ties.argsort(list, &mut self.random_keys, order);
        let expected = weight.ties == ScoreTies::Expected;
        let mut start = 0;
        for group in order.chunk_by(|&i, &j| expected && scores[i] == scores[j]) {
            let (discount, within_group) =
                tied(&discounts[start..start + group.len()], cutoff.saturating_sub(start));
            for &item in group {
                let item = &mut self.items[item];
                (item.group, item.discount, item.within_group) = (start, discount, within_group);
            }
            start += group.len();
        }
    }
}

/// The mean of the 1/D of tied items, and the mean over pairs of them of their absolute difference;
/// from the `cutoff`th on they are 0.
fn tied(discounts: &[DoubleDouble], cutoff: usize) -> (DoubleDouble, f64) {
    let size = discounts.len();
    let counted = &discounts[..size.min(cutoff)];
    if size == 1 {
        return (counted.first().copied().unwrap_or(DoubleDouble::ZERO), 0.0);
    }
    let mut sum = DoubleDouble::ZERO;
    // Σ_{a < b} |v_a − v_b| of values in order counts v_a size − 1 − a times up and a times down.
    let mut spread = DoubleDouble::ZERO;
    for (a, &discount) in counted.iter().enumerate() {
        sum = sum + discount;
        spread = spread + discount * ((size - 1) as f64 - 2.0 * a as f64);
    }
    let pairs = size as f64 * (size - 1) as f64 / 2.0;
    (sum / (size as f64).into(), (spread / pairs.into()).round().abs())
}

/// 1/D of a 1-based rank: 1/log₂(1 + rank).
pub(super) fn log_discount(rank: usize) -> DoubleDouble {
    DoubleDouble::LN_2 / DoubleDouble::from(1.0 + rank as f64).ln()
}

/// A random number for every item, from the seed and the list's labels.
fn random_keys(seed: u64, list: &List<'_>, keys: &mut Vec<u64>) {
    let state =
        list.labels().iter().fold(seed, |state, label| mix(state ^ (label + 0.0).to_bits()));
    keys.clear();
    keys.extend((0..list.len() as u64).map(|item| mix(state ^ mix(item))));
}

/// A bijection whose output bits all depend on all input bits.
fn mix(x: u64) -> u64 {
    SplitMix64::new(x).next()
}
