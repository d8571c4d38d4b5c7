//! The pair losses' terms, in lanes.

use pulp::Simd;

use super::TILE;
use crate::numeric::DoubleDouble;
use crate::vector::{Lanes, LogProduct, Mask, Wide};
use crate::{Precision, Real};

/// What a pair loss adds up over the pairs of lists that lie side by side.
pub(super) trait Pairs<S: Simd, F: Real> {
    /// What it needs to know of an item.
    type Item: Copy;

    fn zero(&self) -> Lanes<S, F>;

    fn item(&self, k: usize) -> Self::Item;

    /// One that is in no pair, as those are that a shorter list lacks beside a longer one.
    fn absent(&self) -> Self::Item;

    /// Adds the term of the items i and j to the value; returns its derivative by s_i, the negative
    /// of that by s_j.
    fn add(&mut self, i: Self::Item, j: Self::Item) -> Lanes<S, F>;

    /// [`add`](Self::add) of two items and j.
    #[inline(always)]
    fn add_two(&mut self, [a, b]: [Self::Item; 2], j: Self::Item) -> [Lanes<S, F>; 2] {
        [self.add(a, j), self.add(b, j)]
    }

    /// [`add_two`](Self::add_two) of two items and those from `first` on, from whose slopes theirs are
    /// taken; returns those of the two.
    #[inline(always)]
    fn add_rows(
        &mut self,
        two: [Self::Item; 2],
        first: usize,
        slopes: &mut [Lanes<S, F>],
    ) -> [Lanes<S, F>; 2] {
        let mut sums = [self.zero(); 2];
        for (j, slopes) in (first..).zip(slopes) {
            let [of_a, of_b] = self.add_two(two, self.item(j));
            *slopes = *slopes - (of_a + of_b);
            sums = [sums[0] + of_a, sums[1] + of_b];
        }
        sums
    }

    /// Called after some terms, at most 32.
    fn end_row(&mut self) {}

    /// Called after some rows, at most 16 terms each.
    fn end_tile(&mut self) {}

    /// Called with the slope of the item k, which it returns.
    #[inline(always)]
    fn end_item(&mut self, _: usize, slopes: Wide<S, F>) -> Wide<S, F> {
        slopes
    }

    /// What the terms come to.
    fn value(&self) -> Wide<S, F>;
}

/// Items of which there is one in each lane.
pub(super) trait OfLane: Copy {
    /// That of one lane, in all.
    fn of_lane(self, lane: usize) -> Self;
}

impl<S: Simd, F: Real, const N: usize> OfLane for [Lanes<S, F>; N] {
    #[inline(always)]
    fn of_lane(mut self, lane: usize) -> Self {
        for numbers in &mut self {
            *numbers = numbers.lane(lane);
        }
        self
    }
}

/// Which item of a pair is preferred; neither where labels are equal or one is absent.
#[derive(Clone, Copy)]
pub(super) struct Preferred<S: Simd, F: Real> {
    /// Negative where i is, positive where j is.
    sign: Lanes<S, F>,
}

impl<S: Simd, F: Real> Preferred<S, F> {
    #[inline(always)]
    fn of(label_i: Lanes<S, F>, label_j: Lanes<S, F>) -> Self {
        Self { sign: label_j - label_i }
    }

    #[inline(always)]
    fn any(self) -> Mask<S, F> {
        self.sign.abs().above(self.sign.constant(0.0))
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

/// What a pair weighs, or its preferred item.
pub(super) trait Weights<S: Simd, F: Real>: Copy {
    /// Whether all weights are 1.
    const ARE_ONE: bool = false;

    type Item: Copy;

    fn item(&self, k: usize) -> Self::Item;

    /// Of the pair of the items i and j.
    fn of_pair(preferred: Preferred<S, F>, items: [Self::Item; 2]) -> Lanes<S, F>;
}

#[derive(Clone, Copy)]
pub(super) struct Unit<S>(pub(super) S);

impl<S: Simd, F: Real> Weights<S, F> for Unit<S> {
    const ARE_ONE: bool = true;

    type Item = Lanes<S, F>;

    #[inline(always)]
    fn item(&self, _: usize) -> Self::Item {
        Lanes::splat(self.0, 1.0)
    }

    #[inline(always)]
    fn of_pair(_: Preferred<S, F>, [one, _]: [Self::Item; 2]) -> Lanes<S, F> {
        one
    }
}

/// The items of a pair loss that asks whether margins are below 1.
pub(super) struct Margins<'a, S: Simd, F: Real> {
    simd: S,
    scores: &'a [F::Vector<S>],
    labels: &'a [F::Vector<S>],
    /// Margins below it are those that, rounded to the caller's precision, are below 1.
    kink: Lanes<S, F>,
}

impl<'a, S: Simd, F: Real> Margins<'a, S, F> {
    #[inline(always)]
    pub(super) fn of(
        simd: S,
        precision: Precision,
        scores: &'a [F::Vector<S>],
        labels: &'a [F::Vector<S>],
    ) -> Self {
        // Rounded to f32, what lies above the middle of 1 and the number before it is 1. In f32 the
        // margin is rounded already, and so is the kink.
        let kink = match precision {
            Precision::Single => 1.0 - f64::from(f32::EPSILON) / 4.0,
            Precision::Double => 1.0,
        };
        let labels = &labels[..scores.len()]; // of one length: one check of bounds
        Self { simd, scores, labels, kink: Lanes::splat(simd, kink) }
    }

    /// The score and the label of an item.
    #[inline(always)]
    fn item(&self, k: usize) -> [Lanes<S, F>; 2] {
        [Lanes::of(self.simd, self.scores[k]), Lanes::of(self.simd, self.labels[k])]
    }
}

/// Σ w_i max(0, 1 − d).
pub(super) struct HingePairs<'a, S: Simd, F: Real, W> {
    margins: Margins<'a, S, F>,
    weights: W,
    row: Lanes<S, F>,
    row_lost: Lanes<S, F>,
    value: Wide<S, F>,
}

impl<'a, S: Simd, F: Real, W: Weights<S, F>> HingePairs<'a, S, F, W> {
    #[inline(always)]
    pub(super) fn of(margins: Margins<'a, S, F>, weights: W) -> Self {
        let (zero, value) = (margins.kink.constant(0.0), Wide::zero(margins.simd));
        Self { margins, weights, row: zero, row_lost: zero, value }
    }
}

#[derive(Clone, Copy)]
pub(super) struct HingeItem<S: Simd, F: Real, W> {
    score: Lanes<S, F>,
    label: Lanes<S, F>,
    weight: W,
}

impl<S: Simd, F: Real, W: Weights<S, F>> Pairs<S, F> for HingePairs<'_, S, F, W> {
    type Item = HingeItem<S, F, W::Item>;

    #[inline(always)]
    fn zero(&self) -> Lanes<S, F> {
        self.row.constant(0.0)
    }

    #[inline(always)]
    fn item(&self, k: usize) -> Self::Item {
        let [score, label] = self.margins.item(k);
        HingeItem { score, label, weight: self.weights.item(k) }
    }

    #[inline(always)]
    fn absent(&self) -> Self::Item {
        HingeItem { label: self.row.constant(f64::NAN), ..self.item(0) }
    }

    #[inline(always)]
    fn add(&mut self, i: Self::Item, j: Self::Item) -> Lanes<S, F> {
        let preferred = Preferred::of(i.label, j.label);
        let one = self.row.constant(1.0);
        let (difference, lost) = j.score.plus_exactly(-i.score);
        let (margin, lost) = (preferred.flip(difference), preferred.flip(lost));
        let active = self.margins.kink.above(margin).and(preferred.any());
        let mut slope = active.keep(one);
        let mut value = active.keep(one - margin);
        let mut value_lost = active.keep(-lost);
        if !W::ARE_ONE {
            let weight = W::of_pair(preferred, [i.weight, j.weight]);
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
        self.row = self.row.constant(0.0);
        self.row_lost = self.row;
    }

    #[inline(always)]
    fn value(&self) -> Wide<S, F> {
        self.value
    }
}

/// Σ max(0, 1 − d), by counting the active pairs: their margins add up to Σ_k c_k s_k, c_k being the
/// slopes, whole numbers.
pub(super) struct ActivePairs<'a, S: Simd, F: Real> {
    margins: Margins<'a, S, F>,
    row: Lanes<S, F>,
    count: Wide<S, F>,
    sums: [Wide<S, f64>; 2],
}

impl<'a, S: Simd, F: Real> ActivePairs<'a, S, F> {
    #[inline(always)]
    pub(super) fn of(margins: Margins<'a, S, F>) -> Self {
        let (simd, row) = (margins.simd, margins.kink.constant(0.0));
        Self { margins, row, count: Wide::zero(simd), sums: [Wide::zero(simd); 2] }
    }
}

impl<S: Simd, F: Real> Pairs<S, F> for ActivePairs<'_, S, F> {
    type Item = [Lanes<S, F>; 2];

    #[inline(always)]
    fn zero(&self) -> Lanes<S, F> {
        self.row.constant(0.0)
    }

    #[inline(always)]
    fn item(&self, k: usize) -> Self::Item {
        self.margins.item(k)
    }

    #[inline(always)]
    fn absent(&self) -> Self::Item {
        [self.zero(), self.row.constant(f64::NAN)]
    }

    #[inline(always)]
    fn add(
        &mut self,
        [score_i, label_i]: Self::Item,
        [score_j, label_j]: Self::Item,
    ) -> Lanes<S, F> {
        let one = self.row.constant(1.0);
        let (ahead, kink) = (score_i - score_j, self.margins.kink);
        let i_preferred = kink.above(ahead).and(label_i.above(label_j)).keep(one);
        let j_preferred = ahead.above(-kink).and(label_j.above(label_i)).keep(one);
        self.row = self.row + (i_preferred + j_preferred);
        j_preferred - i_preferred
    }

    #[inline(always)]
    fn end_row(&mut self) {
        self.count.add(self.row);
        self.row = self.row.constant(0.0);
    }

    #[inline(always)]
    fn end_item(&mut self, k: usize, slopes: Wide<S, F>) -> Wide<S, F> {
        let simd = self.margins.simd;
        let score = Wide::<S, F>::from_lanes(self.margins.item(k)[0]).vectors();
        let balance = slopes.vectors();
        for half in 0..2 {
            let product = simd.mul_f64s(balance[half], score[half]);
            self.sums[half].add(Lanes::of(simd, product));
        }
        slopes
    }

    #[inline(always)]
    fn value(&self) -> Wide<S, F> {
        let [low, high] = self.sums;
        let sums = [low.narrow().vector(), high.narrow().vector()];
        self.count.plus(Wide::of(self.margins.simd, sums))
    }
}

/// Σ log(1 + e^−d), as Σ max(−d, 0) − log Π (1 − q), q being the smaller of σ(d) and σ(−d).
pub(super) struct LogisticPairs<'a, S: Simd, F: Real> {
    simd: S,
    scores: &'a [F::Vector<S>],
    labels: &'a [F::Vector<S>],
    /// e^s, up to a factor; 1 of what is absent.
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

impl<S: Simd, F: Real> OfLane for LogisticItem<S, F> {
    #[inline(always)]
    fn of_lane(self, lane: usize) -> Self {
        let Self { score, label, exp } = self;
        let [score, label, exp] = [score, label, exp].of_lane(lane);
        Self { score, label, exp }
    }
}

impl<'a, S: Simd, F: Real> LogisticPairs<'a, S, F> {
    #[inline(always)]
    pub(super) fn of(
        simd: S,
        scores: &'a [F::Vector<S>],
        labels: &'a [F::Vector<S>],
        exps: &'a [F::Vector<S>],
    ) -> Self {
        // Of one length, so that one check of bounds serves all.
        let (labels, exps) = (&labels[..scores.len()], &exps[..scores.len()]);
        let (product, linear) = (LogProduct::one(simd), Wide::zero(simd));
        Self { simd, scores, labels, exps, product, row: Lanes::splat(simd, 0.0), linear }
    }
}

impl<S: Simd, F: Real> LogisticPairs<'_, S, F> {
    /// Adds what is linear of a term whose q is `part`; returns its slope, and q, or 0 where it is none.
    #[inline(always)]
    fn add_part(
        &mut self,
        i: LogisticItem<S, F>,
        j: LogisticItem<S, F>,
        part: Lanes<S, F>,
    ) -> (Lanes<S, F>, Lanes<S, F>) {
        let preferred = Preferred::of(i.label, j.label);
        let (any, zero) = (preferred.any(), part.constant(0.0));
        // How far the preferred score is below the other.
        let behind = any.keep(preferred.flip(i.score - j.score));
        let part = any.keep(part);
        self.row = self.row + behind.max(zero);
        let size = behind.above(zero).select(part.constant(1.0) - part, part);
        (preferred.flip(size), part)
    }
}

impl<S: Simd, F: Real> Pairs<S, F> for LogisticPairs<'_, S, F> {
    type Item = LogisticItem<S, F>;

    #[inline(always)]
    fn zero(&self) -> Lanes<S, F> {
        self.row.constant(0.0)
    }

    #[inline(always)]
    fn item(&self, k: usize) -> Self::Item {
        let of = |x: &[F::Vector<S>]| Lanes::of(self.simd, x[k]);
        LogisticItem { score: of(self.scores), label: of(self.labels), exp: of(self.exps) }
    }

    #[inline(always)]
    fn absent(&self) -> Self::Item {
        let (label, exp) = (self.row.constant(f64::NAN), self.row.constant(1.0));
        LogisticItem { score: self.zero(), label, exp }
    }

    #[inline(always)]
    fn add(&mut self, i: Self::Item, j: Self::Item) -> Lanes<S, F> {
        let part = i.exp.min(j.exp) / (i.exp + j.exp);
        let (slope, part) = self.add_part(i, j, part);
        self.product.grow(-part);
        slope
    }

    /// Two quotients by one division, and two factors in one.
    #[inline(always)]
    fn add_two(&mut self, [a, b]: [Self::Item; 2], j: Self::Item) -> [Lanes<S, F>; 2] {
        let sums = [a.exp + j.exp, b.exp + j.exp];
        let inverse = self.row.constant(1.0) / (sums[0] * sums[1]);
        let of_a = a.exp.min(j.exp) * (inverse * sums[1]);
        let of_b = b.exp.min(j.exp) * (inverse * sums[0]);
        let (slope_a, of_a) = self.add_part(a, j, of_a);
        let (slope_b, of_b) = self.add_part(b, j, of_b);
        // (1 − a)(1 − b) = 1 + ab − (a + b).
        self.product.grow(of_a.times_plus(of_b, -(of_a + of_b)));
        [slope_a, slope_b]
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

    #[inline(always)]
    fn value(&self) -> Wide<S, F> {
        self.linear.minus(self.product.ln())
    }
}

/// Σ W log(1 + e^−d).
pub(super) struct WeightedPairs<'a, S: Simd, F: Real, W> {
    logistic: LogisticPairs<'a, S, F>,
    weights: W,
    row: Lanes<S, F>,
    value: Wide<S, F>,
}

#[derive(Clone, Copy)]
pub(super) struct WeightedItem<S: Simd, F: Real, W> {
    logistic: LogisticItem<S, F>,
    weight: W,
}

impl<S: Simd, F: Real, W: OfLane> OfLane for WeightedItem<S, F, W> {
    #[inline(always)]
    fn of_lane(self, lane: usize) -> Self {
        Self { logistic: self.logistic.of_lane(lane), weight: self.weight.of_lane(lane) }
    }
}

/// W, that of the preferred item.
#[derive(Clone, Copy)]
pub(super) struct ItemWeights<'a, S: Simd, F: Real>(pub(super) S, pub(super) &'a [F::Vector<S>]);

impl<S: Simd, F: Real> Weights<S, F> for ItemWeights<'_, S, F> {
    type Item = Lanes<S, F>;

    #[inline(always)]
    fn item(&self, k: usize) -> Self::Item {
        Lanes::of(self.0, self.1[k])
    }

    #[inline(always)]
    fn of_pair(preferred: Preferred<S, F>, [i, j]: [Self::Item; 2]) -> Lanes<S, F> {
        preferred.choose(i, j)
    }
}

/// W = Δ of the DCG, by 2^ψ and 1/D of the rank, each rounded, and what rounding took.
#[derive(Clone, Copy)]
pub(super) struct LambdaWeights<'a, S: Simd, F: Real> {
    simd: S,
    gains: [&'a [F::Vector<S>]; 2],
    discounts: [&'a [F::Vector<S>]; 2],
}

#[derive(Clone, Copy)]
pub(super) struct LambdaItem<S: Simd, F: Real> {
    gain: [Lanes<S, F>; 2],
    discount: [Lanes<S, F>; 2],
}

impl<S: Simd, F: Real> OfLane for LambdaItem<S, F> {
    #[inline(always)]
    fn of_lane(self, lane: usize) -> Self {
        Self { gain: self.gain.of_lane(lane), discount: self.discount.of_lane(lane) }
    }
}

impl<'a, S: Simd, F: Real> LambdaWeights<'a, S, F> {
    #[inline(always)]
    pub(super) fn of(
        simd: S,
        items: usize,
        gains: &'a [Vec<F>; 2],
        discounts: &'a [Vec<F>; 2],
    ) -> Self {
        let of = |numbers: &'a Vec<F>| &F::vectors::<S>(numbers)[..items];
        Self { simd, gains: gains.each_ref().map(of), discounts: discounts.each_ref().map(of) }
    }
}

impl<S: Simd, F: Real> Weights<S, F> for LambdaWeights<'_, S, F> {
    type Item = LambdaItem<S, F>;

    #[inline(always)]
    fn item(&self, k: usize) -> Self::Item {
        let of = |[rounded, lost]: [&[F::Vector<S>]; 2]| {
            [Lanes::of(self.simd, rounded[k]), Lanes::of(self.simd, lost[k])]
        };
        LambdaItem { gain: of(self.gains), discount: of(self.discounts) }
    }

    #[inline(always)]
    fn of_pair(preferred: Preferred<S, F>, [i, j]: [Self::Item; 2]) -> Lanes<S, F> {
        // 2^b − 2^a of labels that are close would cancel: 2^a (2^(b − a) − 1).
        let difference = preferred.sign;
        let close = difference.constant(F::CLOSE).above(difference.abs());
        let gain = close.select(
            i.gain[0] * difference.exp2_m1(),
            (j.gain[0] - i.gain[0]) + (j.gain[1] - i.gain[1]),
        );
        let discount = (i.discount[0] - j.discount[0]) + (i.discount[1] - j.discount[1]);
        (gain * discount).abs()
    }
}

/// 2^ψ of the labels, rounded, and what rounding took; returns NaN in the lanes where it, or what it
/// is multiplied with, may leave the range, else 0.
#[inline(always)]
pub(super) fn fill_gains<S: Simd, F: Real>(
    simd: S,
    labels: &[F::Vector<S>],
    [rounded, lost]: &mut [Vec<F>; 2],
) -> Lanes<S, F> {
    let zero = Lanes::<S, F>::splat(simd, 0.0);
    let mut trust = zero;
    let gains = F::vectors_mut::<S>(rounded).iter_mut().zip(F::vectors_mut::<S>(lost));
    for ((rounded, lost), &label) in gains.zip(labels) {
        let label = Lanes::of(simd, label);
        let beyond = label.abs().above(zero.constant(F::LARGEST_LABEL));
        trust = beyond.select(zero.constant(f64::NAN), trust);
        let gain = beyond.remove(label).exp2();
        (*rounded, *lost) = (gain[0].vector(), gain[1].vector());
    }
    trust
}

/// A number rounded, and what rounding took.
pub(super) fn rounded_and_lost<F: Real>(x: DoubleDouble) -> [F; 2] {
    let rounded = F::narrow(x.hi);
    [rounded, F::narrow((x.hi - rounded.widen()) + x.lo)]
}

/// Both: W is the product.
impl<S: Simd, F: Real, A: Weights<S, F>, B: Weights<S, F>> Weights<S, F> for (A, B) {
    type Item = (A::Item, B::Item);

    #[inline(always)]
    fn item(&self, k: usize) -> Self::Item {
        (self.0.item(k), self.1.item(k))
    }

    #[inline(always)]
    fn of_pair(preferred: Preferred<S, F>, [i, j]: [Self::Item; 2]) -> Lanes<S, F> {
        A::of_pair(preferred, [i.0, j.0]) * B::of_pair(preferred, [i.1, j.1])
    }
}

impl<'a, S: Simd, F: Real, W: Weights<S, F>> WeightedPairs<'a, S, F, W> {
    #[inline(always)]
    pub(super) fn of(logistic: LogisticPairs<'a, S, F>, weights: W) -> Self {
        let (row, value) = (logistic.row, logistic.linear);
        Self { logistic, weights, row, value }
    }
}

impl<S: Simd, F: Real, W: Weights<S, F>> Pairs<S, F> for WeightedPairs<'_, S, F, W> {
    type Item = WeightedItem<S, F, W::Item>;

    #[inline(always)]
    fn zero(&self) -> Lanes<S, F> {
        self.row.constant(0.0)
    }

    #[inline(always)]
    fn item(&self, k: usize) -> Self::Item {
        WeightedItem { logistic: self.logistic.item(k), weight: self.weights.item(k) }
    }

    #[inline(always)]
    fn absent(&self) -> Self::Item {
        WeightedItem { logistic: self.logistic.absent(), ..self.item(0) }
    }

    #[inline(always)]
    fn add(&mut self, i: Self::Item, j: Self::Item) -> Lanes<S, F> {
        let (of_i, of_j) = (i.logistic, j.logistic);
        let preferred = Preferred::of(of_i.label, of_j.label);
        let (zero, one) = (self.row.constant(0.0), self.row.constant(1.0));
        let weight = W::of_pair(preferred, [i.weight, j.weight]);
        let weight = preferred.any().keep(weight);

        let behind = preferred.flip(of_i.score - of_j.score);
        let (small, large) = (of_i.exp.min(of_j.exp), of_i.exp.max(of_j.exp));
        let (part, ratio) = Lanes::share_and_ratio(small, large);
        self.row = weight.times_plus(behind.max(zero) + ratio.twice_artanh(), self.row);
        preferred.flip(weight * behind.above(zero).select(one - part, part))
    }

    #[inline(always)]
    fn end_row(&mut self) {
        self.value.add(self.row);
        self.row = self.row.constant(0.0);
    }

    #[inline(always)]
    fn value(&self) -> Wide<S, F> {
        self.value
    }
}

impl<S: Simd, F: Real> WeightedPairs<'_, S, F, LambdaWeights<'_, S, F>> {
    /// [`add`](Pairs::add) of an item and of those of at most [`TILE`] vectors from `first` on, which do
    /// not score above it; the slopes are taken from the columns, their sum is returned.
    ///
    /// Step by step for all: the steps of one are a long chain, of which the processor has too few in
    /// flight.
    #[inline(always)]
    pub(super) fn add_behind(
        &mut self,
        ahead: WeightedItem<S, F, LambdaItem<S, F>>,
        first: usize,
        present_in_first: Option<Mask<S, F>>,
        columns: &mut [F::Vector<S>],
    ) -> Lanes<S, F> {
        let (zero, one) = (self.row.constant(0.0), self.row.constant(1.0));
        let of = |x: F::Vector<S>| Lanes::<S, F>::of(self.logistic.simd, x);
        let LogisticItem { score, label, exp } = ahead.logistic;
        let len = columns.len();
        let mut weights = [zero; TILE];
        let weights = &mut weights[..len];
        let labels = &self.logistic.labels[first..][..len];
        let [gains, gains_lost] = self.weights.gains;
        let (gains, gains_lost) = (&gains[first..][..len], &gains_lost[first..][..len]);
        let [discounts, discounts_lost] = self.weights.discounts;
        let discounts = (&discounts[first..][..len], &discounts_lost[first..][..len]);
        for (k, weight) in weights.iter_mut().enumerate() {
            let item = LambdaItem {
                gain: [of(gains[k]), of(gains_lost[k])],
                discount: [of(discounts.0[k]), of(discounts.1[k])],
            };
            let preferred = Preferred::of(label, of(labels[k]));
            *weight = LambdaWeights::of_pair(preferred, [ahead.weight, item]);
        }
        if let Some(present) = present_in_first {
            weights[0] = present.keep(weights[0]);
        }

        let (mut parts, mut ratios) = ([zero; TILE], [zero; TILE]);
        let (parts, ratios) = (&mut parts[..len], &mut ratios[..len]);
        let exps = &self.logistic.exps[first..][..len];
        for ((part, ratio), &exp_b) in parts.iter_mut().zip(&mut *ratios).zip(exps) {
            (*part, *ratio) = Lanes::share_and_ratio(of(exp_b), exp);
        }

        let scores = &self.logistic.scores[first..][..len];
        let mut sum = zero;
        for (k, column) in columns.iter_mut().enumerate() {
            let out_of_order = of(labels[k]).above(label);
            let distance = out_of_order.keep(score - of(scores[k]));
            self.row = weights[k].times_plus(distance + ratios[k].twice_artanh(), self.row);
            let slope = weights[k] * (out_of_order.keep(one) - parts[k]);
            *column = (of(*column) - slope).vector();
            sum = sum + slope;
        }
        sum
    }
}
