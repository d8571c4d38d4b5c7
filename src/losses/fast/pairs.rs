//! The pair losses' terms, in lanes.

use pulp::Simd;

use crate::vector::{Lanes, LogProduct, Mask, Wide};
use crate::{Precision, Real};

/// What a pair loss adds up over the pairs of lists that lie side by side.
pub(super) trait Pairs<S: Simd, F: Real> {
    /// What it needs to know of an item.
    type Item: Copy;

    fn item(&self, k: usize) -> Self::Item;

    /// Adds the term of the items i and j to the value; returns its derivative by s_i, the negative
    /// of that by s_j.
    fn add(&mut self, i: Self::Item, j: Self::Item) -> Lanes<S, F>;

    /// Called after some terms, at most 16.
    fn end_row(&mut self) {}

    /// Called after some rows, at most 16.
    fn end_tile(&mut self) {}
}

/// Which item of a pair is preferred; neither where labels are equal or one is absent.
#[derive(Clone, Copy)]
struct Preferred<S: Simd, F: Real> {
    /// Negative where i is, positive where j is.
    sign: Lanes<S, F>,
    any: Mask<S, F>,
}

impl<S: Simd, F: Real> Preferred<S, F> {
    #[inline(always)]
    fn of(label_i: Lanes<S, F>, label_j: Lanes<S, F>) -> Self {
        let sign = label_j - label_i;
        Self { sign, any: sign.abs().above(sign.constant(0.0)) }
    }

    /// −x where i is preferred, x where j is; x or 0 elsewhere, as x or `any` has it.
    #[inline(always)]
    fn flip(self, x: Lanes<S, F>) -> Lanes<S, F> {
        x.flip(self.sign)
    }

    #[inline(always)]
    fn choose(self, i: Lanes<S, F>, j: Lanes<S, F>) -> Lanes<S, F> {
        self.sign.above(self.sign.constant(0.0)).select(j, i)
    }
}

/// Σ w_i max(0, 1 − d).
pub(super) struct HingePairs<'a, S: Simd, F: Real> {
    simd: S,
    scores: &'a [F::Vector<S>],
    labels: &'a [F::Vector<S>],
    weights: Option<&'a [F::Vector<S>]>,
    /// Margins below it are those that, rounded to the caller's precision, are below 1.
    kink: Lanes<S, F>,
    row: Lanes<S, F>,
    row_lost: Lanes<S, F>,
    value: Wide<S, F>,
}

impl<'a, S: Simd, F: Real> HingePairs<'a, S, F> {
    #[inline(always)]
    pub(super) fn of(
        simd: S,
        precision: Precision,
        scores: &'a [F::Vector<S>],
        labels: &'a [F::Vector<S>],
        weights: Option<&'a [F::Vector<S>]>,
    ) -> Self {
        // Rounded to f32, what lies above the middle of 1 and the number before it is 1. In f32 the
        // margin is rounded already, and so is the kink.
        let kink = match precision {
            Precision::Single => 1.0 - f64::from(f32::EPSILON) / 4.0,
            Precision::Double => 1.0,
        };
        let (kink, zero) = (Lanes::splat(simd, kink), Lanes::splat(simd, 0.0));
        let value = Wide::zero(simd);
        Self { simd, scores, labels, weights, kink, row: zero, row_lost: zero, value }
    }

    /// The value, by the gradient's [`Wide`] sums: the margins of active pairs add up to Σ_k c_k s_k,
    /// c_k being the derivatives, whole numbers.
    #[inline(always)]
    pub(super) fn value(&self, slopes: &[f64]) -> Wide<S, F> {
        let mut value = self.value;
        if self.weights.is_none() && F::EXACT_PRODUCTS {
            let slopes = S::as_simd_f64s(slopes).0;
            let mut margins = [Wide::<S, f64>::zero(self.simd); 2];
            for (k, &score) in self.scores.iter().enumerate() {
                let scores = Wide::<S, F>::from_lanes(Lanes::of(self.simd, score)).vectors();
                for half in 0..2 {
                    let [balance, score] =
                        [slopes[2 * k + half], scores[half]].map(|x| Lanes::of(self.simd, x));
                    margins[half].add(balance * score);
                }
            }
            let margins = margins.map(|sum| sum.narrow().vector());
            value = value.plus(Wide::of(self.simd, margins));
        }
        value
    }
}

#[derive(Clone, Copy)]
pub(super) struct HingeItem<S: Simd, F: Real> {
    score: Lanes<S, F>,
    label: Lanes<S, F>,
    weight: Lanes<S, F>,
}

impl<S: Simd, F: Real> Pairs<S, F> for HingePairs<'_, S, F> {
    type Item = HingeItem<S, F>;

    #[inline(always)]
    fn item(&self, k: usize) -> Self::Item {
        let of = |x: &[F::Vector<S>]| Lanes::of(self.simd, x[k]);
        HingeItem {
            score: of(self.scores),
            label: of(self.labels),
            weight: self.weights.map_or(self.kink, of),
        }
    }

    #[inline(always)]
    fn add(&mut self, i: Self::Item, j: Self::Item) -> Lanes<S, F> {
        let preferred = Preferred::of(i.label, j.label);
        let (zero, one) = (self.kink.constant(0.0), self.kink.constant(1.0));
        if self.weights.is_none() && F::EXACT_PRODUCTS {
            let margin = preferred.flip(j.score - i.score);
            let active = self.kink.above(margin).and(preferred.any).select(one, zero);
            self.row = self.row + active;
            return preferred.flip(active);
        }
        let (difference, lost) = j.score.plus_exactly(-i.score);
        let (margin, lost) = (preferred.flip(difference), preferred.flip(lost));
        let active = self.kink.above(margin).and(preferred.any);
        let mut slope = active.select(one, zero);
        let mut value = active.select(one - margin, zero);
        let mut value_lost = active.select(-lost, zero);
        if self.weights.is_some() {
            let weight = preferred.choose(i.weight, j.weight);
            slope = slope * weight;
            value = value * weight;
            value_lost = value_lost * weight;
        }
        self.row = self.row + value;
        self.row_lost = self.row_lost + value_lost;
        preferred.flip(slope)
    }

    #[inline(always)]
    fn end_row(&mut self) {
        self.value.add(self.row);
        self.value.add(self.row_lost);
        self.row = self.kink.constant(0.0);
        self.row_lost = self.row;
    }
}

/// Σ log(1 + e^−d), as Σ max(−d, 0) − log Π (1 − q), q being the smaller of σ(d) and σ(−d).
pub(super) struct LogisticPairs<'a, S: Simd, F: Real> {
    simd: S,
    scores: &'a [F::Vector<S>],
    labels: &'a [F::Vector<S>],
    /// e^s, up to a factor.
    exps: &'a [F::Vector<S>],
    product: LogProduct<S, F>,
    row: Lanes<S, F>,
    linear: Wide<S, F>,
}

#[derive(Clone, Copy)]
pub(super) struct LogisticItem<S: Simd, F: Real> {
    score: Lanes<S, F>,
    label: Lanes<S, F>,
    exp: Lanes<S, F>,
}

impl<'a, S: Simd, F: Real> LogisticPairs<'a, S, F> {
    #[inline(always)]
    pub(super) fn of(
        simd: S,
        scores: &'a [F::Vector<S>],
        labels: &'a [F::Vector<S>],
        exps: &'a [F::Vector<S>],
    ) -> Self {
        let (product, linear) = (LogProduct::one(simd), Wide::zero(simd));
        Self { simd, scores, labels, exps, product, row: Lanes::splat(simd, 0.0), linear }
    }

    #[inline(always)]
    pub(super) fn value(&self) -> Wide<S, F> {
        self.linear.minus(self.product.ln())
    }
}

impl<S: Simd, F: Real> Pairs<S, F> for LogisticPairs<'_, S, F> {
    type Item = LogisticItem<S, F>;

    #[inline(always)]
    fn item(&self, k: usize) -> Self::Item {
        let of = |x: &[F::Vector<S>]| Lanes::of(self.simd, x[k]);
        LogisticItem { score: of(self.scores), label: of(self.labels), exp: of(self.exps) }
    }

    #[inline(always)]
    fn add(&mut self, i: Self::Item, j: Self::Item) -> Lanes<S, F> {
        let preferred = Preferred::of(i.label, j.label);
        let (zero, one) = (self.row.constant(0.0), self.row.constant(1.0));
        // How far the preferred score is below the other.
        let behind = preferred.any.select(preferred.flip(i.score - j.score), zero);
        let part = preferred.any.select(i.exp.min(j.exp) / (i.exp + j.exp), zero);
        self.product.grow(-part);
        self.row = self.row + behind.max(zero);
        preferred.flip(behind.above(zero).select(one - part, part))
    }

    #[inline(always)]
    fn end_row(&mut self) {
        self.linear.add(self.row);
        self.row = self.row.constant(0.0);
    }

    #[inline(always)]
    fn end_tile(&mut self) {
        self.product.normalise();
    }
}

/// Σ W log(1 + e^−d), W the product of the preferred item's weight and Δ of the DCG.
pub(super) struct WeightedPairs<'a, S: Simd, F: Real> {
    logistic: LogisticPairs<'a, S, F>,
    weights: Option<&'a [F::Vector<S>]>,
    lambda: Option<LambdaWeights<'a, S, F>>,
    row: Lanes<S, F>,
    value: Wide<S, F>,
}

/// What Δ of the DCG takes: 2^ψ, and 1/D of the rank, rounded, and what rounding took.
#[derive(Clone, Copy)]
pub(super) struct LambdaWeights<'a, S: Simd, F: Real> {
    gains: &'a [F::Vector<S>],
    discounts: [&'a [F::Vector<S>]; 2],
}

#[derive(Clone, Copy)]
pub(super) struct WeightedItem<S: Simd, F: Real> {
    logistic: LogisticItem<S, F>,
    weight: Lanes<S, F>,
    gain: Lanes<S, F>,
    discount: [Lanes<S, F>; 2],
}

impl<'a, S: Simd, F: Real> LambdaWeights<'a, S, F> {
    #[inline(always)]
    pub(super) fn of(gains: &'a [F], [rounded, lost]: &'a [Vec<F>; 2]) -> Self {
        let discounts = [F::vectors::<S>(rounded), F::vectors::<S>(lost)];
        Self { gains: F::vectors::<S>(gains), discounts }
    }
}

impl<'a, S: Simd, F: Real> WeightedPairs<'a, S, F> {
    #[inline(always)]
    pub(super) fn of(
        logistic: LogisticPairs<'a, S, F>,
        weights: Option<&'a [F::Vector<S>]>,
        lambda: Option<LambdaWeights<'a, S, F>>,
    ) -> Self {
        let (row, value) = (logistic.row, logistic.linear);
        Self { logistic, weights, lambda, row, value }
    }

    #[inline(always)]
    pub(super) fn value(&self) -> Wide<S, F> {
        self.value
    }
}

impl<S: Simd, F: Real> WeightedPairs<'_, S, F> {
    /// The `k`th item of a list that lies along the lanes, in every lane.
    #[inline(always)]
    pub(super) fn item_of_all(&self, k: usize) -> WeightedItem<S, F> {
        let simd = self.logistic.simd;
        let lanes = F::lanes::<S>();
        let of = |x: Lanes<S, F>| Lanes::all(simd, super::numbers::<S, F>(&x.vector())[k % lanes]);
        let WeightedItem { logistic, weight, gain, discount } = self.item(k / lanes);
        let LogisticItem { score, label, exp } = logistic;
        let logistic = LogisticItem { score: of(score), label: of(label), exp: of(exp) };
        WeightedItem { logistic, weight: of(weight), gain: of(gain), discount: discount.map(of) }
    }

    /// The item where `present`; elsewhere one that is in no pair.
    #[inline(always)]
    pub(super) fn only_where(
        &self,
        present: Mask<S, F>,
        item: WeightedItem<S, F>,
    ) -> WeightedItem<S, F> {
        let label = present.select(item.logistic.label, self.row.constant(f64::NAN));
        WeightedItem { logistic: LogisticItem { label, ..item.logistic }, ..item }
    }
}

impl<S: Simd, F: Real> Pairs<S, F> for WeightedPairs<'_, S, F> {
    type Item = WeightedItem<S, F>;

    #[inline(always)]
    fn item(&self, k: usize) -> Self::Item {
        let of = |x: &[F::Vector<S>]| Lanes::of(self.logistic.simd, x[k]);
        let unused = self.row;
        WeightedItem {
            logistic: self.logistic.item(k),
            weight: self.weights.map_or(unused, of),
            gain: self.lambda.map_or(unused, |lambda| of(lambda.gains)),
            discount: self.lambda.map_or([unused; 2], |lambda| lambda.discounts.map(of)),
        }
    }

    #[inline(always)]
    fn add(&mut self, i: Self::Item, j: Self::Item) -> Lanes<S, F> {
        let (of_i, of_j) = (i.logistic, j.logistic);
        let preferred = Preferred::of(of_i.label, of_j.label);
        let (zero, one) = (self.row.constant(0.0), self.row.constant(1.0));
        let mut weight = one;
        if self.lambda.is_some() {
            // 2^a − 2^b of labels that are close would cancel: 2^b (2^(a − b) − 1).
            let difference = of_i.label - of_j.label;
            let close = one.above(difference.abs());
            let gain = close.select(j.gain * difference.exp2_m1(), i.gain - j.gain);
            let discount = (i.discount[0] - j.discount[0]) + (i.discount[1] - j.discount[1]);
            weight = (gain * discount).abs();
        }
        if self.weights.is_some() {
            weight = weight * preferred.choose(i.weight, j.weight);
        }
        let weight = preferred.any.select(weight, zero);

        let behind = preferred.flip(of_i.score - of_j.score);
        let (small, large) = (of_i.exp.min(of_j.exp), of_i.exp.max(of_j.exp));
        let part = small / (small + large);
        let term = behind.max(zero) + Lanes::ln_1p_of_ratio(small, large);
        self.row = weight.times_plus(term, self.row);
        preferred.flip(weight * behind.above(zero).select(one - part, part))
    }

    #[inline(always)]
    fn end_row(&mut self) {
        self.value.add(self.row);
        self.row = self.row.constant(0.0);
    }
}
