//! Lists side by side, one a lane.

use pulp::{Simd, WithSimd};

use super::pairs::{HingePairs, LambdaPairs, LogisticPairs, Pairs, Term};
use super::{Block, Kernel, Rows, SPREAD};
use crate::numeric::DoubleDouble;
use crate::vector::{LaneSum, Lanes};
use crate::{Precision, Real};

/// Computes the values and the gradients of a block; NaN for the value of a list gives up on it.
pub(super) struct Across<'a, E> {
    pub(super) kernel: Kernel,
    pub(super) precision: Precision,
    pub(super) rows: &'a [Rows<'a, E>],
    pub(super) block: &'a mut Block,
    /// 1/D of the ranks from 1 on, for the lambda-loss.
    pub(super) log_discounts: &'a [DoubleDouble],
}

impl<E: Real> WithSimd for Across<'_, E> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { kernel, precision, rows, block, log_discounts } = self;
        block.fill::<S, E>(rows);
        let Block { scores, labels, weights, exps, ranks, tables, grad, lost, .. } = &mut *block;
        let value = match kernel {
            Kernel::PointMse => point::<S, SquaredError>(simd, scores, labels, weights, grad),
            Kernel::PointSigmoid => point::<S, CrossEntropy>(simd, scores, labels, weights, grad),
            Kernel::Softmax => softmax(simd, scores, labels, weights, exps, grad),
            Kernel::ListMle => {
                let trusted = exponentials(simd, scores, exps);
                trusted * list_mle(simd, scores, labels, weights, exps, lost, grad)
            }
            Kernel::PairHinge => {
                let pairs = HingePairs::of(simd, scores, weights, precision);
                sum_over_pairs(simd, &pairs, labels, grad, lost)
            }
            Kernel::PairLogistic => {
                let trusted = exponentials(simd, scores, exps);
                let pairs = LogisticPairs::of(simd, scores, exps, weights);
                trusted * sum_over_pairs(simd, &pairs, labels, grad, lost)
            }
            Kernel::LambdaLoss => {
                let trusted = exponentials(simd, scores, exps) * tables.fill_gains(simd, labels);
                rank(simd, scores, ranks);
                tables.fill_discounts(ranks, log_discounts);
                let logistic = LogisticPairs::of(simd, scores, exps, weights);
                let pairs = LambdaPairs::of(logistic, labels, tables);
                trusted * sum_over_pairs(simd, &pairs, labels, grad, lost)
            }
        };
        Lanes::<S>::slice_mut(&mut block.values)[0] = value.vector();
        block.set_out::<S>();
    }
}

/// A point loss's term of an item and its slope.
trait PointTerm<S: Simd> {
    fn at(score: Lanes<S>, label: Lanes<S>, weight: Lanes<S>) -> (Lanes<S>, Lanes<S>);
}

struct SquaredError;

impl<S: Simd> PointTerm<S> for SquaredError {
    #[inline(always)]
    fn at(score: Lanes<S>, label: Lanes<S>, weight: Lanes<S>) -> (Lanes<S>, Lanes<S>) {
        let distance = score - label;
        // In this order no product underflows that should not.
        let weighted = weight * distance;
        (weighted * distance, weighted + weighted)
    }
}

struct CrossEntropy;

impl<S: Simd> PointTerm<S> for CrossEntropy {
    #[inline(always)]
    fn at(score: Lanes<S>, label: Lanes<S>, weight: Lanes<S>) -> (Lanes<S>, Lanes<S>) {
        let (zero, one) = (score.constant(0.0), score.constant(1.0));
        let exp = (-score.abs()).exp(zero);
        let negative = zero.above(score);
        let linear = negative.select(label, one - label) * score.abs();
        let value = linear + Lanes::ln_1p_of_ratio(exp, one);
        let (near, far) = (one / (one + exp), exp / (one + exp));
        let (rise, fall) = (negative.select(far, near), negative.select(near, far));
        // Further out e^−|s| leaves the range of normal numbers.
        let far_out = score.abs().above(score.constant(700.0));
        let value = far_out.select(score.constant(f64::NAN), value);
        (weight * value, weight * ((one - label) * rise - label * fall))
    }
}

#[inline(always)]
fn point<S: Simd, T: PointTerm<S>>(
    simd: S,
    scores: &[f64],
    labels: &[f64],
    weights: &[f64],
    grad: &mut [f64],
) -> Lanes<S> {
    let zero = Lanes::splat(simd, 0.0);
    let labels = Lanes::<S>::slice(labels);
    let weights = Lanes::<S>::slice(weights);
    let grad = Lanes::<S>::slice_mut(grad);
    let mut value = LaneSum::zero(simd);
    for (k, &score) in Lanes::<S>::slice(scores).iter().enumerate() {
        let (label, weight) = (Lanes::of(simd, labels[k]), Lanes::of(simd, weights[k]));
        let present = label.equals(label);
        let score = present.select(Lanes::of(simd, score), zero);
        let (term, slope) = T::at(score, present.select(label, zero), weight);
        value.add(term);
        grad[k] = slope.vector();
    }
    value.total()
}

#[inline(always)]
fn softmax<S: Simd>(
    simd: S,
    scores: &[f64],
    labels: &mut [f64],
    weights: &[f64],
    exps: &mut [f64],
    grad: &mut [f64],
) -> Lanes<S> {
    let zero = Lanes::<S>::splat(simd, 0.0);
    let (least, greatest) = extremes(simd, scores);
    let scores = Lanes::<S>::slice(scores);
    let labels = Lanes::<S>::slice_mut(labels);
    let exps = Lanes::<S>::slice_mut(exps);

    let mut exp_sum = Shares::none(simd);
    let mut label_sum = Shares::none(simd);
    for (k, &weight) in Lanes::<S>::slice(weights).iter().enumerate() {
        let label = Lanes::of(simd, labels[k]);
        let present = label.equals(label);
        let label = present.select(label * Lanes::of(simd, weight), zero);
        let (below, lost) = Lanes::of(simd, scores[k]).plus_exactly(-greatest);
        let exp = present.select(below.max(zero.constant(-SPREAD)).exp(lost), zero);
        (labels[k], exps[k]) = (label.vector(), exp.vector());
        exp_sum.add(exp, k);
        label_sum.add(label, k);
    }

    let log_sum = exp_sum.others.total().ln_1p();
    let mut value = LaneSum::zero(simd);
    for (k, grad) in Lanes::<S>::slice_mut(grad).iter_mut().enumerate() {
        let (label, label_others) = label_sum.share(Lanes::of(simd, labels[k]), k);
        let (exp, exp_others) = exp_sum.share(Lanes::of(simd, exps[k]), k);
        value.add_product(label, greatest - Lanes::of(simd, scores[k]) + log_sum);
        *grad = (exp * label_others - label * exp_others).vector();
    }
    // Sums of labels near the ends of the range have shares that under- or overflow; those of 0 too.
    let sum = label_sum.sum();
    let moderate = zero.constant(1e200).above(sum).and(sum.above(zero.constant(1e-200)));
    let narrow = zero.constant(SPREAD).above(greatest - least);
    moderate.and(narrow).select(value.total(), zero.constant(f64::NAN))
}

/// List-MLE of lists sorted by label; `after` is room for the suffix sums.
#[inline(always)]
fn list_mle<S: Simd>(
    simd: S,
    scores: &[f64],
    labels: &[f64],
    weights: &[f64],
    exps: &[f64],
    after: &mut [f64],
    grad: &mut [f64],
) -> Lanes<S> {
    let (zero, one) = (Lanes::<S>::splat(simd, 0.0), Lanes::splat(simd, 1.0));
    let (scores, labels) = (Lanes::<S>::slice(scores), Lanes::<S>::slice(labels));
    let (weights, exps) = (Lanes::<S>::slice(weights), Lanes::<S>::slice(exps));
    let after = Lanes::<S>::slice_mut(after);

    let mut value = LaneSum::zero(simd);
    let mut suffix = Shares::none(simd);
    let mut greatest = zero.constant(f64::NEG_INFINITY);
    for (k, after) in after.iter_mut().enumerate().rev() {
        let label = Lanes::of(simd, labels[k]);
        let present = label.equals(label);
        let score = Lanes::of(simd, scores[k]);
        *after = suffix.sum().vector();
        suffix.add(present.select(Lanes::of(simd, exps[k]), zero), k);
        greatest = present.select(greatest.max(score), greatest);
        let log_sum = greatest - score + (suffix.others.total() / suffix.greatest).ln_1p();
        value.add_product(Lanes::of(simd, weights[k]), present.select(log_sum, zero));
    }

    // Σ_{i < k} w_i / C_i.
    let mut sum = LaneSum::zero(simd);
    for (k, grad) in Lanes::<S>::slice_mut(grad).iter_mut().enumerate() {
        let label = Lanes::of(simd, labels[k]);
        let present = label.equals(label);
        let (exp, after) = (Lanes::of(simd, exps[k]), Lanes::of(simd, after[k]));
        let share = Lanes::of(simd, weights[k]) * (one / (after + exp));
        *grad = (exp * sum.total() - after * share).vector();
        sum.add(present.select(share, zero));
    }
    value.total()
}

/// A sum of non-negative numbers as the greatest of them and the sum of the others: taking only that
/// one from the whole would cancel.
struct Shares<S: Simd> {
    greatest: Lanes<S>,
    place: Lanes<S>,
    others: LaneSum<S>,
}

impl<S: Simd> Shares<S> {
    #[inline(always)]
    fn none(simd: S) -> Self {
        let zero = Lanes::splat(simd, 0.0);
        Self { greatest: zero, place: zero, others: LaneSum::zero(simd) }
    }

    #[inline(always)]
    fn add(&mut self, part: Lanes<S>, k: usize) {
        let greater = part.above(self.greatest);
        self.others.add(greater.select(self.greatest, part));
        self.greatest = greater.select(part, self.greatest);
        self.place = greater.select(part.constant(k as f64), self.place);
    }

    #[inline(always)]
    fn sum(&self) -> Lanes<S> {
        self.greatest + self.others.total()
    }

    /// The share of the `k`th part in the sum, and that of all others.
    #[inline(always)]
    fn share(&self, part: Lanes<S>, k: usize) -> (Lanes<S>, Lanes<S>) {
        let is_greatest = self.place.equals(part.constant(k as f64));
        let others = is_greatest.select(self.others.total(), self.sum() - part);
        (part / self.sum(), others / self.sum())
    }
}

/// Fills in e^(s − midrange); returns 1 where the list can be trusted to these, else NaN.
#[inline(always)]
fn exponentials<S: Simd>(simd: S, scores: &[f64], exps: &mut [f64]) -> Lanes<S> {
    let (least, greatest) = extremes(simd, scores);
    let midrange = least + (greatest - least).times(0.5);
    for (exp, &score) in Lanes::<S>::slice_mut(exps).iter_mut().zip(Lanes::<S>::slice(scores)) {
        let (from_midrange, lost) = Lanes::of(simd, score).plus_exactly(-midrange);
        *exp = from_midrange.exp(lost).vector();
    }
    let narrow = least.constant(SPREAD).above(greatest - least);
    narrow.select(least.constant(1.0), least.constant(f64::NAN))
}

/// The least and the greatest score of each list.
#[inline(always)]
fn extremes<S: Simd>(simd: S, scores: &[f64]) -> (Lanes<S>, Lanes<S>) {
    let mut least = Lanes::splat(simd, f64::INFINITY);
    let mut greatest = -least;
    for &score in Lanes::<S>::slice(scores) {
        least = least.min(Lanes::of(simd, score));
        greatest = greatest.max(Lanes::of(simd, score));
    }
    (least, greatest)
}

/// The 1-based ranks by score, descending, equal scores by index.
#[inline(always)]
fn rank<S: Simd>(simd: S, scores: &[f64], ranks: &mut [f64]) {
    let (zero, one) = (Lanes::splat(simd, 0.0), Lanes::splat(simd, 1.0));
    let ranks = Lanes::<S>::slice_mut(ranks);
    let scores = Lanes::<S>::slice(scores);
    for (i, &score) in scores.iter().enumerate() {
        let mut rank_i = one;
        for (&before, rank_j) in scores[..i].iter().zip(&mut ranks[..i]) {
            let first = Lanes::of(simd, score).above(Lanes::of(simd, before));
            rank_i = rank_i + first.select(zero, one);
            *rank_j = (Lanes::of(simd, *rank_j) + first.select(one, zero)).vector();
        }
        ranks[i] = rank_i.vector();
    }
}

/// The value of a pair loss and its gradient, a sum and what its additions rounded away: each
/// unordered pair once.
#[inline(always)]
fn sum_over_pairs<S: Simd, P: Pairs<S>>(
    simd: S,
    pairs: &P,
    labels: &[f64],
    grad: &mut [f64],
    lost: &mut [f64],
) -> Lanes<S> {
    /// So many terms are added up plainly before what they come to is added exactly.
    const TILE: usize = 16;
    let zero = Lanes::splat(simd, 0.0);
    let labels = Lanes::<S>::slice(labels);
    let (grad, lost) = (Lanes::<S>::slice_mut(grad), Lanes::<S>::slice_mut(lost));
    grad.fill(zero.vector());
    lost.fill(zero.vector());
    let mut value = LaneSum::zero(simd);
    for row_tile in (0..labels.len()).step_by(TILE) {
        for column_tile in (0..=row_tile).step_by(TILE) {
            let mut column_slopes = [zero.vector(); TILE];
            for i in row_tile..labels.len().min(row_tile + TILE) {
                let columns = column_tile..i.min(column_tile + TILE);
                let (item_i, label_i) = (pairs.item(i), Lanes::of(simd, labels[i]));
                let (mut row_value, mut row_lost, mut row_slope) = (zero, zero, zero);
                for (j, column_slope) in columns.zip(&mut column_slopes) {
                    let label_j = Lanes::of(simd, labels[j]);
                    let i_preferred = label_i.above(label_j);
                    let ordered = i_preferred.or(label_j.above(label_i));
                    let Term { weight, value, slope } =
                        pairs.at(item_i, pairs.item(j), i_preferred);
                    let weight = ordered.select(weight, zero);
                    let term = weight * value;
                    row_value = row_value + term;
                    row_lost = row_lost + weight.times_plus(value, -term);
                    // The slope of the preferred item's score; the other's is its negative.
                    let slope = weight * i_preferred.select(slope, -slope);
                    row_slope = row_slope + slope;
                    *column_slope = (Lanes::of(simd, *column_slope) - slope).vector();
                }
                value.add(row_value);
                value.add(row_lost);
                add_exactly(&mut grad[i], &mut lost[i], row_slope);
            }
            let columns = column_tile..labels.len().min(column_tile + TILE);
            for (j, &column_slope) in columns.zip(&column_slopes) {
                add_exactly(&mut grad[j], &mut lost[j], Lanes::of(simd, column_slope));
            }
        }
    }
    for (grad, lost) in grad.iter_mut().zip(lost) {
        *grad = (Lanes::of(simd, *grad) + Lanes::of(simd, *lost)).vector();
    }
    value.total()
}

#[inline(always)]
fn add_exactly<S: Simd>(sum: &mut S::f64s, lost: &mut S::f64s, term: Lanes<S>) {
    let (rounded, rest) = term.with(*sum).plus_exactly(term);
    *sum = rounded.vector();
    *lost = (term.with(*lost) + rest).vector();
}
