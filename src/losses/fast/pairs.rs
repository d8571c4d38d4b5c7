//! The pair losses' terms, in lanes.

use pulp::Simd;

use crate::Precision;
use crate::numeric::DoubleDouble;
use crate::vector::{Lanes, Mask};

/// What a pair loss adds up.
pub(super) trait Pairs<S: Simd> {
    /// What it needs to know of an item.
    type Item: Copy;

    fn item(&self, k: usize) -> Self::Item;

    /// The term of the items i and j, of which the mask tells the preferred.
    fn at(&self, i: Self::Item, j: Self::Item, i_preferred: Mask<S>) -> Term<S>;
}

/// What a pair adds to the sum: w Δ φ(d).
pub(super) struct Term<S: Simd> {
    /// w Δ.
    pub(super) weight: Lanes<S>,
    /// φ(d).
    pub(super) value: Lanes<S>,
    /// φ′(d).
    pub(super) slope: Lanes<S>,
}

pub(super) struct HingePairs<'a, S: Simd> {
    simd: S,
    kink: Lanes<S>,
    scores: &'a [S::f64s],
    weights: &'a [S::f64s],
}

impl<'a, S: Simd> HingePairs<'a, S> {
    #[inline(always)]
    pub(super) fn of(simd: S, scores: &'a [f64], weights: &'a [f64], precision: Precision) -> Self {
        // Rounded to f32, what lies above the middle of 1 and the number before it is 1.
        let kink = match precision {
            Precision::Single => 1.0 - f64::from(f32::EPSILON) / 4.0,
            Precision::Double => 1.0,
        };
        let kink = Lanes::splat(simd, kink);
        Self { simd, kink, scores: Lanes::<S>::slice(scores), weights: Lanes::<S>::slice(weights) }
    }
}

impl<S: Simd> Pairs<S> for HingePairs<'_, S> {
    type Item = (Lanes<S>, Lanes<S>);

    #[inline(always)]
    fn item(&self, k: usize) -> Self::Item {
        (Lanes::of(self.simd, self.scores[k]), Lanes::of(self.simd, self.weights[k]))
    }

    #[inline(always)]
    fn at(&self, i: Self::Item, j: Self::Item, i_preferred: Mask<S>) -> Term<S> {
        let ((score_i, weight_i), (score_j, weight_j)) = (i, j);
        let (high, low) =
            (i_preferred.select(score_i, score_j), i_preferred.select(score_j, score_i));
        let (margin, lost) = high.plus_exactly(-low);
        let weight = i_preferred.select(weight_i, weight_j);
        let (zero, one) = (margin.constant(0.0), margin.constant(1.0));
        let active = self.kink.above(margin);
        let value = active.select((one - margin) - lost, zero);
        Term { weight, value, slope: active.select(-one, zero) }
    }
}

pub(super) struct LogisticPairs<'a, S: Simd> {
    simd: S,
    scores: &'a [S::f64s],
    exps: &'a [S::f64s],
    weights: &'a [S::f64s],
}

#[derive(Clone, Copy)]
pub(super) struct LogisticItem<S: Simd> {
    score: Lanes<S>,
    exp: Lanes<S>,
    weight: Lanes<S>,
}

impl<'a, S: Simd> LogisticPairs<'a, S> {
    #[inline(always)]
    pub(super) fn of(simd: S, scores: &'a [f64], exps: &'a [f64], weights: &'a [f64]) -> Self {
        Self {
            simd,
            scores: Lanes::<S>::slice(scores),
            exps: Lanes::<S>::slice(exps),
            weights: Lanes::<S>::slice(weights),
        }
    }
}

impl<S: Simd> Pairs<S> for LogisticPairs<'_, S> {
    type Item = LogisticItem<S>;

    #[inline(always)]
    fn item(&self, k: usize) -> Self::Item {
        LogisticItem {
            score: Lanes::of(self.simd, self.scores[k]),
            exp: Lanes::of(self.simd, self.exps[k]),
            weight: Lanes::of(self.simd, self.weights[k]),
        }
    }

    #[inline(always)]
    fn at(&self, i: Self::Item, j: Self::Item, i_preferred: Mask<S>) -> Term<S> {
        // max(−d, 0): how far the preferred score is below the other.
        let ahead = i.score - j.score;
        let behind = i_preferred.select(-ahead, ahead).max(ahead.constant(0.0));
        Term {
            weight: i_preferred.select(i.weight, j.weight),
            value: behind + Lanes::ln_1p_of_ratio(i.exp.min(j.exp), i.exp.max(j.exp)),
            slope: -(i_preferred.select(j.exp, i.exp) / (i.exp + j.exp)),
        }
    }
}

/// The logistic pairs, each times Δ of the DCG.
pub(super) struct LambdaPairs<'a, S: Simd> {
    logistic: LogisticPairs<'a, S>,
    labels: &'a [S::f64s],
    gains: &'a [S::f64s],
    /// 1/D of the items' ranks, rounded, and what rounding took.
    discounts: [&'a [S::f64s]; 2],
}

#[derive(Clone, Copy)]
pub(super) struct LambdaItem<S: Simd> {
    logistic: LogisticItem<S>,
    label: Lanes<S>,
    gain: Lanes<S>,
    discount: [Lanes<S>; 2],
}

impl<'a, S: Simd> LambdaPairs<'a, S> {
    #[inline(always)]
    pub(super) fn of(
        logistic: LogisticPairs<'a, S>,
        labels: &'a [f64],
        Tables { gains, discounts: [rounded, lost] }: &'a Tables,
    ) -> Self {
        Self {
            logistic,
            labels: Lanes::<S>::slice(labels),
            gains: Lanes::<S>::slice(gains),
            discounts: [Lanes::<S>::slice(rounded), Lanes::<S>::slice(lost)],
        }
    }
}

impl<S: Simd> Pairs<S> for LambdaPairs<'_, S> {
    type Item = LambdaItem<S>;

    #[inline(always)]
    fn item(&self, k: usize) -> Self::Item {
        let lanes = |x: &[S::f64s]| Lanes::of(self.logistic.simd, x[k]);
        LambdaItem {
            logistic: self.logistic.item(k),
            label: lanes(self.labels),
            gain: lanes(self.gains),
            discount: self.discounts.map(lanes),
        }
    }

    #[inline(always)]
    fn at(&self, i: Self::Item, j: Self::Item, i_preferred: Mask<S>) -> Term<S> {
        // 2^a − 2^b of labels that are close would cancel: 2^b (2^(a − b) − 1).
        let difference = i.label - j.label;
        let close = difference.constant(1.0).above(difference.abs());
        let gain = close.select(j.gain * difference.exp2_m1(), i.gain - j.gain);
        let discount = (i.discount[0] - j.discount[0]) + (i.discount[1] - j.discount[1]);
        let term = self.logistic.at(i.logistic, j.logistic, i_preferred);
        Term { weight: term.weight * (gain * discount).abs(), ..term }
    }
}

/// What the lambda-loss needs beside scores and labels.
#[derive(Debug, Clone, Default)]
pub(super) struct Tables {
    pub(super) gains: Vec<f64>,
    pub(super) discounts: [Vec<f64>; 2],
}

impl Tables {
    pub(super) fn resize(&mut self, len: usize) {
        let [rounded, lost] = &mut self.discounts;
        for table in [&mut self.gains, rounded, lost] {
            table.resize(len, 0.0);
        }
    }

    /// 2^ψ of the labels; returns NaN in the lanes where it or what it is multiplied with may leave
    /// the range, else 1.
    #[inline(always)]
    pub(super) fn fill_gains<S: Simd>(&mut self, simd: S, labels: &[f64]) -> Lanes<S> {
        let bound = Lanes::<S>::splat(simd, 500.0);
        let mut trusted = Lanes::splat(simd, 1.0);
        let labels = Lanes::<S>::slice(labels);
        for (gain, &label) in Lanes::<S>::slice_mut(&mut self.gains).iter_mut().zip(labels) {
            let label = Lanes::of(simd, label);
            let beyond = label.abs().above(bound);
            trusted = beyond.select(trusted.constant(f64::NAN), trusted);
            *gain = beyond.select(label.constant(0.0), label).exp2().vector();
        }
        trusted
    }

    /// 1/D of the 1-based ranks.
    #[inline(always)]
    pub(super) fn fill_discounts(&mut self, ranks: &[f64], log_discounts: &[DoubleDouble]) {
        let [rounded, lost] = &mut self.discounts;
        for ((rounded, lost), &rank) in rounded.iter_mut().zip(lost).zip(ranks) {
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // a whole number
            let discount = log_discounts[rank as usize - 1];
            (*rounded, *lost) = (discount.hi, discount.lo);
        }
    }
}
