//! Lists side by side, one a lane.

use std::ops::Range;

use pulp::{Simd, WithSimd};

use super::pairs::{
    ActivePairs, HingePairs, ItemWeights, LambdaWeights, LogisticPairs, Pairs, Unit, WeightedPairs,
    Weights,
};
use super::points::{CrossEntropy, SquaredError, Terms};
use super::{Kernel, Rows, Run, TILE, add_at};
use crate::numeric::DoubleDouble;
use crate::vector::{Lanes, LogProduct, Squares, Wide};
use crate::{Precision, Real};

/// Lists side by side: item k of the list in lane l stands at k·lanes + l.
///
/// A list shorter than the longest is filled up with its own least score, label NaN and weight 0: in
/// no pair, ranked after all else, and weighing nothing.
#[derive(Debug, Clone, Default)]
pub(super) struct Block<F> {
    size: usize,
    lanes: usize,
    weighted: bool,
    scores: Vec<F>,
    labels: Vec<F>,
    weights: Vec<F>,
    exps: Vec<F>,
    ranks: Vec<F>,
    shares: Vec<F>,
    gains: [Vec<F>; 2],
    discounts: [Vec<F>; 2],
    grad: Vec<F>,
    /// Two of `f64` an item.
    sums: Vec<f64>,
}

impl<F: Real> Block<F> {
    #[inline(always)]
    fn resize<S: Simd>(&mut self, size: usize) {
        let lanes = F::lanes::<S>();
        if self.size != size || self.lanes != lanes {
            (self.size, self.lanes) = (size, lanes);
            let Self {
                scores, labels, weights, exps, ranks, shares, gains, discounts, grad, ..
            } = self;
            let numbers = [scores, labels, weights, exps, ranks, shares, grad];
            for numbers in numbers.into_iter().chain(gains).chain(discounts) {
                numbers.resize(size * lanes, F::zero());
            }
            self.sums.resize(2 * size * S::F64_LANES, 0.0);
        }
    }

    /// Takes lists of one size, one after another, as many as there are lanes.
    #[inline(always)]
    fn fill<S: Simd>(&mut self, squares: Squares, rows: &Rows<'_, F>) {
        let lanes = F::lanes::<S>();
        let size = rows.scores.len() / lanes;
        self.resize::<S>(size);
        self.weighted = false;
        squares.transpose(rows.scores, (lanes, size), &mut self.scores);
        squares.transpose(rows.labels, (lanes, size), &mut self.labels);
    }

    /// Takes any lists, at most as many as there are lanes.
    #[inline(always)]
    fn fill_from<'a, S: Simd>(&mut self, side: impl Iterator<Item = Rows<'a, F>> + Clone) {
        let lanes = F::lanes::<S>();
        self.resize::<S>(side.clone().map(|rows| rows.scores.len()).max().unwrap_or(0));
        self.weighted = side.clone().any(|rows| !rows.weights.is_empty());
        if side.clone().count() < lanes {
            self.scores.fill(F::zero());
            self.labels.fill(F::nan());
            self.weights.fill(F::zero());
        }
        for (lane, rows) in side.enumerate() {
            lay(rows.scores, rows.least_score(), (lane, lanes), &mut self.scores);
            lay(rows.labels, F::nan(), (lane, lanes), &mut self.labels);
            if self.weighted {
                lay(rows.weights, F::zero(), (lane, lanes), &mut self.weights);
            }
        }
    }

    /// Sets the gradients of lists of these sizes out, list by list; returns the room left.
    #[inline(always)]
    fn set_out<'a, S: Simd>(
        &self,
        sizes: impl Iterator<Item = usize>,
        mut out: &'a mut [F],
    ) -> &'a mut [F] {
        let lanes = F::lanes::<S>();
        for (lane, size) in sizes.enumerate() {
            let (of_list, rest) = out.split_at_mut(size);
            out = rest;
            for (out, slopes) in of_list.iter_mut().zip(self.grad.chunks_exact(lanes)) {
                *out = slopes[lane];
            }
        }
        out
    }
}

/// Lays a list's numbers along a lane, and fills up with `absent`.
#[inline(always)]
fn lay<F: Real>(numbers: &[F], absent: F, (lane, lanes): (usize, usize), into: &mut [F]) {
    let (there, beyond) = into.split_at_mut(numbers.len() * lanes);
    for (row, &number) in there.chunks_exact_mut(lanes).zip(numbers) {
        row[lane] = number;
    }
    for row in beyond.chunks_exact_mut(lanes) {
        row[lane] = absent;
    }
}

/// Computes lists side by side; NaN for the value of a list gives up on it.
pub(super) struct Across<'a, F: Real> {
    pub(super) run: Run<'a, F>,
    pub(super) block: &'a mut Block<F>,
    /// 1/D of the ranks from 1 on, for the lambda-loss.
    pub(super) log_discounts: &'a [DoubleDouble],
}

impl<F: Real> WithSimd for Across<'_, F> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { run, block, log_discounts } = self;
        let Run { kernel, precision, items, entries, factors, values, mut slopes } = run;
        let (lanes, squares) = (F::lanes::<S>(), Squares::new());
        for first in (0..entries.len()).step_by(lanes) {
            let lists = lanes.min(entries.len() - first);
            let whole = entries.rectangle(first, lanes).map(|entry| items.rows(entry));
            let side = (first..first + lists).map(|nth| items.rows(entries.get(nth)));
            match &whole {
                Some(rows) => block.fill::<S>(squares, rows),
                None => block.fill_from::<S>(side.clone()),
            }
            let factors = &factors[first..][..lanes];
            let value = block.compute(simd, kernel, precision, factors, log_discounts);
            value.write(&mut values[first..][..lanes]);
            slopes = if let Some(rows) = whole {
                let (out, rest) = slopes.split_at_mut(rows.scores.len());
                squares.transpose(&block.grad, (block.size, lanes), out);
                rest
            } else {
                block.set_out::<S>(side.map(|rows| rows.scores.len()), slopes)
            };
        }
    }
}

impl<F: Real> Block<F> {
    /// The values of the lists; their gradients, times the factors, go to `grad`.
    #[inline(always)]
    fn compute<S: Simd>(
        &mut self,
        simd: S,
        kernel: Kernel,
        precision: Precision,
        factors: &[f64],
        log_discounts: &[DoubleDouble],
    ) -> Wide<S, F> {
        let Self { scores, labels, weights, exps, ranks, shares, gains, discounts, .. } = self;
        let (grad, sums) = (&mut self.grad, &mut self.sums);
        let (scores, labels) = (F::vectors::<S>(scores), F::vectors::<S>(labels));
        let weights = self.weighted.then_some(F::vectors::<S>(weights));
        let exps = F::vectors_mut::<S>(exps);
        let mut grad = Slopes::<S, F> { factors, out: F::vectors_mut::<S>(grad) };
        let certain = Lanes::splat(simd, 0.0);
        let (value, trust) = match kernel {
            Kernel::Softmax => {
                let room = [exps, F::vectors_mut::<S>(ranks)];
                softmax(simd, scores, labels, weights, room, &mut grad)
            }
            Kernel::ListMle => {
                let trust = exponentials(simd, scores, labels, exps);
                let room = [exps, F::vectors_mut::<S>(ranks), F::vectors_mut::<S>(shares)];
                let value = match weights {
                    None => list_mle(simd, labels, Unit(simd), room, &mut grad),
                    Some(weights) => {
                        list_mle(simd, labels, ItemWeights(simd, weights), room, &mut grad)
                    }
                };
                (value, trust)
            }
            Kernel::PairHinge => {
                let value = if let Some(weights) = weights {
                    let weights = ItemWeights(simd, weights);
                    let mut pairs = HingePairs::of(simd, precision, scores, labels, weights);
                    sum_over_pairs(simd, &mut pairs, sums, &mut grad);
                    pairs.value()
                } else if F::EXACT_PRODUCTS {
                    let mut pairs = ActivePairs::of(simd, precision, scores, labels);
                    sum_over_pairs(simd, &mut pairs, sums, &mut grad);
                    pairs.value()
                } else {
                    let mut pairs = HingePairs::of(simd, precision, scores, labels, Unit(simd));
                    sum_over_pairs(simd, &mut pairs, sums, &mut grad);
                    pairs.value()
                };
                (value, certain)
            }
            Kernel::PairLogistic => {
                let trust = exponentials(simd, scores, labels, exps);
                let mut pairs = LogisticPairs::of(simd, scores, labels, exps);
                let value = if let Some(weights) = weights {
                    let mut pairs = WeightedPairs::of(pairs, ItemWeights(simd, weights));
                    sum_over_pairs(simd, &mut pairs, sums, &mut grad);
                    pairs.value()
                } else {
                    sum_over_pairs(simd, &mut pairs, sums, &mut grad);
                    pairs.value()
                };
                (value, trust)
            }
            Kernel::LambdaLoss { cutoff } => {
                let trust =
                    exponentials(simd, scores, labels, exps) + fill_gains(simd, labels, gains);
                rank::<S, F>(simd, scores, F::vectors_mut::<S>(ranks));
                let counted = &log_discounts[..log_discounts.len().min(cutoff)];
                fill_discounts(ranks, counted, discounts);
                let lambda = LambdaWeights::of(simd, gains, discounts);
                let pairs = LogisticPairs::of(simd, scores, labels, exps);
                let value = if let Some(weights) = weights {
                    let weights = (ItemWeights(simd, weights), lambda);
                    let mut pairs = WeightedPairs::of(pairs, weights);
                    sum_over_pairs(simd, &mut pairs, sums, &mut grad);
                    pairs.value()
                } else {
                    let mut pairs = WeightedPairs::of(pairs, lambda);
                    sum_over_pairs(simd, &mut pairs, sums, &mut grad);
                    pairs.value()
                };
                (value, trust)
            }
            Kernel::PointMse => {
                (points::<S, F, SquaredError<S, F>>(simd, scores, labels, &mut grad), certain)
            }
            Kernel::PointSigmoid => {
                (points::<S, F, CrossEntropy<S, F>>(simd, scores, labels, &mut grad), certain)
            }
        };
        value.plus(Wide::from_lanes(trust))
    }
}

/// Where the gradient of a block goes, each list's times its factor.
struct Slopes<'a, S: Simd, F: Real> {
    factors: &'a [f64],
    out: &'a mut [F::Vector<S>],
}

impl<S: Simd, F: Real> Slopes<'_, S, F> {
    /// The factors, rounded.
    #[inline(always)]
    fn factor(&self, simd: S) -> Lanes<S, F> {
        Lanes::narrowed(simd, self.factors)
    }

    #[inline(always)]
    fn put_wide(&mut self, k: usize, slopes: Wide<S, F>) {
        self.out[k] = slopes.scaled(self.factors).narrow().vector();
    }

    #[inline(always)]
    fn put(&mut self, k: usize, slopes: Lanes<S, F>) {
        self.put_wide(k, Wide::from_lanes(slopes));
    }
}

/// A point loss.
#[inline(always)]
fn points<S: Simd, F: Real, T: Terms<S, F>>(
    simd: S,
    scores: &[F::Vector<S>],
    labels: &[F::Vector<S>],
    grad: &mut Slopes<'_, S, F>,
) -> Wide<S, F> {
    let mut terms = T::none(simd);
    let factor = grad.factor(simd);
    for (k, (&score, &label)) in scores.iter().zip(labels).enumerate() {
        let (score, label) = (Lanes::<S, F>::of(simd, score), Lanes::of(simd, label));
        let present = label.equals(label);
        let (no_score, no_label) = T::ABSENT;
        let score = present.select(score, score.constant(no_score));
        let label = present.select(label, score.constant(no_label));
        grad.out[k] = (terms.add(T::prepare(score), score, label, None) * factor).vector();
        if k % 2 == 1 {
            terms.end_row();
        }
    }
    terms.end_row();
    terms.values()
}

/// Softmax of scores s and labels ψ, by Ψ = Σψ, E = e^(s − max s) and C = ΣE:
///
/// l = Σ_k (ψ_k/Ψ) (max s − s_k) + log C, ∂l/∂s_k = (E_k (Ψ − ψ_k) − ψ_k (C − E_k)) / (C Ψ).
///
/// C − E_k of the greatest E_k, 1, would cancel, and so would Ψ − ψ_k: these sums are made without
/// the greatest, of which there may be several: the others of these, too, count.
#[inline(always)]
fn softmax<S: Simd, F: Real>(
    simd: S,
    scores: &[F::Vector<S>],
    labels: &[F::Vector<S>],
    weights: Option<&[F::Vector<S>]>,
    [exps, parts]: [&mut [F::Vector<S>]; 2],
    grad: &mut Slopes<'_, S, F>,
) -> (Wide<S, F>, Lanes<S, F>) {
    let (zero, one) = (Lanes::<S, F>::splat(simd, 0.0), Lanes::splat(simd, 1.0));
    let of = |x: F::Vector<S>| Lanes::<S, F>::of(simd, x);
    let (least, greatest) = extremes(simd, scores);
    let mut top_part = zero;
    for (k, (part, &label)) in parts.iter_mut().zip(labels).enumerate() {
        let label = of(label);
        let weighted = weights.map_or(label, |weights| label * of(weights[k]));
        let weighted = label.equals(label).select(weighted, zero);
        top_part = top_part.max(weighted);
        *part = weighted.vector();
    }

    let [mut exp_others, mut part_others, mut distance] = [Wide::<S, F>::zero(simd); 3];
    let (mut tops, mut top_parts) = (-one, -one);
    let mut row = (zero, zero, zero);
    for (k, &score) in scores.iter().enumerate() {
        let (score, part, label) = (of(score), of(parts[k]), of(labels[k]));
        let (below, lost) = score.plus_exactly(-greatest);
        let exp = below.max(zero.constant(-F::SPREAD)).exp_with(lost);
        let exp = label.equals(label).select(exp, zero);
        exps[k] = exp.vector();
        let (is_top, is_top_part) = (exp.equals(one), part.equals(top_part));
        tops = tops + is_top.select(one, zero);
        top_parts = top_parts + is_top_part.select(one, zero);
        row.0 = row.0 + is_top.select(zero, exp);
        row.1 = row.1 + is_top_part.select(zero, part);
        row.2 = row.2 + part * (greatest - score);
        // Two at a time: one more rounding, and half of the wide additions.
        if k % 2 == 1 || k + 1 == scores.len() {
            exp_others.add(row.0);
            part_others.add(row.1);
            distance.add(row.2);
            row = (zero, zero, zero);
        }
    }
    exp_others.add(tops);
    part_others.add(top_parts * top_part);
    let (mut exp_sum, mut part_sum) = (exp_others, part_others);
    exp_sum.add(one);
    part_sum.add(top_part);

    let exp_others = exp_others.narrow();
    let mut product = LogProduct::one(simd);
    product.grow(exp_others);
    let value = distance.over(part_sum).plus(product.ln());

    let (exp_sum, part_sum) = (exp_sum.narrow(), part_sum.narrow());
    let (shrink, scale) = (one / part_sum, grad.factor(simd) / exp_sum);
    let part_others = part_others.narrow() * shrink;
    for (out, (&exp, &part)) in grad.out.iter_mut().zip(exps.iter().zip(&*parts)) {
        let (exp, part) = (of(exp), of(part));
        let share = part * shrink;
        let others = exp.equals(one).select(exp_others, exp_sum - exp);
        let other_shares = part.equals(top_part).select(part_others, one - share);
        *out = ((exp * other_shares - share * others) * scale).vector();
    }
    // Sums of labels near the ends of the range have shares that under- or overflow; those of 0 too.
    let (low, high) = (zero.constant(F::MODERATE.0), zero.constant(F::MODERATE.1));
    let moderate = high.above(part_sum).and(part_sum.above(low));
    let narrow = zero.constant(F::SPREAD).above(greatest - least);
    (value, moderate.and(narrow).select(zero, zero.constant(f64::NAN)))
}

/// List-MLE without sorting, by A_k = Σ E_j over the items j after k in the order by label and
/// C_k = E_k + A_k:
///
/// l = Σ_k w_k log(1 + A_k/E_k), ∂l/∂s_k = E_k Σ_{i before k} w_i/C_i − w_k A_k/C_k.
#[inline(always)]
fn list_mle<S: Simd, F: Real, W: Weights<S, F, Item = Lanes<S, F>>>(
    simd: S,
    labels: &[F::Vector<S>],
    weights: W,
    [exps, after, shares]: [&mut [F::Vector<S>]; 3],
    grad: &mut Slopes<'_, S, F>,
) -> Wide<S, F> {
    let zero = Lanes::<S, F>::splat(simd, 0.0);
    let of = |x: F::Vector<S>| Lanes::<S, F>::of(simd, x);

    for (exp, &label) in exps.iter_mut().zip(labels) {
        *exp = of(label).equals(of(label)).select(of(*exp), zero).vector();
    }
    sum_by_order::<S, F, true>(simd, labels, exps, after);

    let mut value = Wide::zero(simd);
    let mut product = LogProduct::one(simd);
    for (k, &label) in labels.iter().enumerate() {
        let label = of(label);
        let present = label.equals(label);
        let (exp, after) = (of(exps[k]), of(after[k]));
        let ratio = present.select(after / exp, zero);
        let weight = weights.item(k);
        if W::ARE_ONE {
            product.grow(ratio);
            if k % F::RATIOS == 0 {
                product.normalise();
            }
        } else {
            let mut factor = LogProduct::one(simd);
            factor.grow(ratio);
            value.add(present.select(weight * factor.ln().narrow(), zero));
        }
        let share = weight / (exp + after);
        shares[k] = present.select(share, zero).vector();
    }

    // Σ w_i/C_i over the items before.
    sum_by_order::<S, F, false>(simd, labels, shares, grad.out);
    for k in 0..labels.len() {
        let slope = of(exps[k]) * of(grad.out[k]) - of(after[k]) * of(shares[k]);
        grad.put(k, slope);
    }
    value.plus(product.ln())
}

/// The sums of terms over the items that come after each, or else before it, in the order by label,
/// equal labels by index.
#[inline(always)]
fn sum_by_order<S: Simd, F: Real, const AFTER: bool>(
    simd: S,
    labels: &[F::Vector<S>],
    terms: &[F::Vector<S>],
    sums: &mut [F::Vector<S>],
) {
    let of = |x: F::Vector<S>| Lanes::<S, F>::of(simd, x);
    let zero = Lanes::<S, F>::splat(simd, 0.0);
    let items = labels.len();
    sums.fill(zero.vector());
    // Not with a longer list beside: `Way::Few`.
    if items <= TILE {
        for i in 0..items {
            let (label_i, term_i, mut of_i) = (of(labels[i]), of(terms[i]), zero);
            for (j, sum_j) in sums[..i].iter_mut().enumerate() {
                let (i_first, term_j) = (label_i.above(of(labels[j])), of(terms[j]));
                let (more_i, more_j) = if AFTER {
                    (i_first.select(term_j, zero), i_first.select(zero, term_i))
                } else {
                    (i_first.select(zero, term_j), i_first.select(term_i, zero))
                };
                of_i = of_i + more_i;
                *sum_j = (of(*sum_j) + more_j).vector();
            }
            sums[i] = of_i.vector();
        }
        return;
    }
    for row_tile in (0..items).step_by(TILE) {
        for column_tile in (0..=row_tile).step_by(TILE) {
            let mut of_columns = [zero; TILE];
            for i in (row_tile..items.min(row_tile + TILE)).step_by(2) {
                // Without a second item its term is 0.
                let k = (i + 1).min(items - 1);
                let term_k = if k > i { of(terms[k]) } else { zero };
                let (label_i, label_k, term_i) = (of(labels[i]), of(labels[k]), of(terms[i]));
                let [mut of_i, mut of_k] = [zero; 2];
                let columns = column_tile..i.min(column_tile + TILE);
                let items = labels[columns.clone()].iter().zip(&terms[columns]);
                for (of_j, (&label_j, &term_j)) in of_columns.iter_mut().zip(items) {
                    let (label_j, term_j) = (of(label_j), of(term_j));
                    let (i_first, k_first) = (label_i.above(label_j), label_k.above(label_j));
                    if AFTER {
                        of_i = of_i + i_first.select(term_j, zero);
                        of_k = of_k + k_first.select(term_j, zero);
                        *of_j =
                            *of_j + (i_first.select(zero, term_i) + k_first.select(zero, term_k));
                    } else {
                        of_i = of_i + i_first.select(zero, term_j);
                        of_k = of_k + k_first.select(zero, term_j);
                        *of_j =
                            *of_j + (i_first.select(term_i, zero) + k_first.select(term_k, zero));
                    }
                }
                if column_tile == row_tile && k > i {
                    let k_first = label_k.above(label_i);
                    if AFTER {
                        of_k = of_k + k_first.select(term_i, zero);
                        of_i = of_i + k_first.select(zero, term_k);
                    } else {
                        of_k = of_k + k_first.select(zero, term_i);
                        of_i = of_i + k_first.select(term_k, zero);
                    }
                }
                sums[i] = (of(sums[i]) + of_i).vector();
                if k > i {
                    sums[k] = (of(sums[k]) + of_k).vector();
                }
            }
            for (sum, of_column) in sums[column_tile..].iter_mut().zip(of_columns) {
                *sum = (of(*sum) + of_column).vector();
            }
        }
    }
}

/// Fills in e^(s − midrange), and 1 for what is absent; returns 0 where the list can be trusted to
/// these, else NaN.
#[inline(always)]
fn exponentials<S: Simd, F: Real>(
    simd: S,
    scores: &[F::Vector<S>],
    labels: &[F::Vector<S>],
    exps: &mut [F::Vector<S>],
) -> Lanes<S, F> {
    let (least, greatest) = extremes(simd, scores);
    let midrange = least + (greatest - least).times(0.5);
    for (exp, (&score, &label)) in exps.iter_mut().zip(scores.iter().zip(labels)) {
        let label = Lanes::<S, F>::of(simd, label);
        let (from_midrange, lost) = Lanes::<S, F>::of(simd, score).plus_exactly(-midrange);
        let present = label.equals(label);
        *exp = present.select(from_midrange.exp_with(lost), label.constant(1.0)).vector();
    }
    let narrow = least.constant(F::SPREAD).above(greatest - least);
    narrow.select(least.constant(0.0), least.constant(f64::NAN))
}

/// The least and the greatest score of each list.
#[inline(always)]
pub(super) fn extremes<S: Simd, F: Real>(
    simd: S,
    scores: &[F::Vector<S>],
) -> (Lanes<S, F>, Lanes<S, F>) {
    let mut least = Lanes::splat(simd, f64::INFINITY);
    let mut greatest = -least;
    for &score in scores {
        least = least.min(Lanes::of(simd, score));
        greatest = greatest.max(Lanes::of(simd, score));
    }
    (least, greatest)
}

/// The 1-based ranks by score, descending, equal scores by index.
#[inline(always)]
fn rank<S: Simd, F: Real>(simd: S, scores: &[F::Vector<S>], ranks: &mut [F::Vector<S>]) {
    let of = |x: F::Vector<S>| Lanes::<S, F>::of(simd, x);
    let (zero, one) = (Lanes::splat(simd, 0.0), Lanes::splat(simd, 1.0));
    for (i, &score) in scores.iter().enumerate() {
        let mut rank_i = one;
        for (&before, rank_j) in scores[..i].iter().zip(&mut ranks[..i]) {
            let first = of(score).above(of(before));
            rank_i = rank_i + first.select(zero, one);
            *rank_j = (of(*rank_j) + first.select(one, zero)).vector();
        }
        ranks[i] = rank_i.vector();
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
        let gain = beyond.select(zero, label).exp2();
        (*rounded, *lost) = (gain[0].vector(), gain[1].vector());
    }
    trust
}

/// 1/D of the 1-based ranks, rounded, and what rounding took; 0 behind the last that is given.
#[inline(always)]
fn fill_discounts<F: Real>(
    ranks: &[F],
    log_discounts: &[DoubleDouble],
    [rounded, lost]: &mut [Vec<F>; 2],
) {
    for ((rounded, lost), rank) in rounded.iter_mut().zip(lost).zip(ranks) {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // a whole number
        let rank = rank.widen() as usize;
        let discount = log_discounts.get(rank - 1).copied().unwrap_or(DoubleDouble::ZERO);
        *rounded = F::narrow(discount.hi);
        *lost = F::narrow((discount.hi - rounded.widen()) + discount.lo);
    }
}

/// The gradient of a pair loss, each unordered pair once; its value is in `pairs` afterwards.
#[inline(always)]
fn sum_over_pairs<S: Simd, F: Real, P: Pairs<S, F>>(
    simd: S,
    pairs: &mut P,
    sums: &mut [f64],
    grad: &mut Slopes<'_, S, F>,
) {
    let zero = Lanes::<S, F>::splat(simd, 0.0);
    let items = grad.out.len();
    let mut column_slopes = [zero; TILE];
    if items <= TILE {
        tile(simd, pairs, (0..items, 0), &mut column_slopes, None);
        for (k, &slopes) in column_slopes[..items].iter().enumerate() {
            grad.put_wide(k, pairs.end_item(k, Wide::from_lanes(slopes)));
        }
        return;
    }
    let sums = S::as_mut_simd_f64s(sums).0;
    sums.fill(simd.splat_f64s(0.0));
    for row_tile in (0..items).step_by(TILE) {
        let rows = row_tile..items.min(row_tile + TILE);
        for column_tile in (0..=row_tile).step_by(TILE) {
            column_slopes = [zero; TILE];
            tile(simd, pairs, (rows.clone(), column_tile), &mut column_slopes, Some(&mut *sums));
            for (j, &slopes) in (column_tile..items).zip(&column_slopes) {
                add_at(simd, sums, j, slopes);
            }
        }
    }
    for k in 0..items {
        let slopes = Wide::of(simd, [sums[2 * k], sums[2 * k + 1]]);
        grad.put_wide(k, pairs.end_item(k, slopes));
    }
}

/// The pairs of so many rows, two at a time, and of the columns before each, from `first` on.
#[inline(always)]
fn tile<S: Simd, F: Real, P: Pairs<S, F>>(
    simd: S,
    pairs: &mut P,
    (rows, first): (Range<usize>, usize),
    column_slopes: &mut [Lanes<S, F>; TILE],
    mut sums: Option<&mut [S::f64s]>,
) {
    // In a tile on the diagonal, rows are columns too.
    let is_diagonal = rows.start == first;
    let mut i = rows.start;
    while i < rows.end {
        let both = i + 1 < rows.end;
        let two = [pairs.item(i), if both { pairs.item(i + 1) } else { pairs.absent() }];
        let columns = &mut column_slopes[..TILE.min(i - first)];
        let mut row_slopes = pairs.add_rows(two, first, columns);
        if is_diagonal && both {
            let slopes = pairs.add(two[1], two[0]);
            row_slopes = [row_slopes[0] - slopes, row_slopes[1] + slopes];
        }
        pairs.end_row();
        for (k, slopes) in (i..rows.end).zip(row_slopes) {
            if is_diagonal {
                column_slopes[k - first] = column_slopes[k - first] + slopes;
            } else if let Some(sums) = &mut sums {
                add_at(simd, sums, k, slopes);
            }
        }
        i += 2;
    }
    pairs.end_tile();
}
