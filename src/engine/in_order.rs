//! The list-MLE family: the likelihood of an order, position by position.
//!
//! l = Σ_k v_k log(C_k / E_k), where the items stand in the order of their labels, E = e^s, and C_k is
//! the suffix sum Σ_{j ≥ k} E_j; v_k is the weight of the item times that of its position. With
//! A_k = C_{k+1}, the sum behind k, and P_k = Σ_{i < k} v_i / C_i,
//!
//! ```text
//! value     = Σ_k v_k log(1 + A_k/E_k)
//! ∂l/∂s_k   = E_k P_k − v_k A_k/C_k
//! ```
//!
//! where neither cancels near the optimum. Two scans, one from the end for C and one from the start
//! for P, are all that is sequential; exponentials and logarithms are made in vectors. Scans are in
//! `f64` and compensated. Short lists go side by side instead, where the sums over the items behind
//! or before one are masked sums over all pairs, without a sort.

use super::block::{Block, Wanted, least_log};
use crate::Real;
use crate::vector::{Kernel, LogProduct, Vector, WideSum};

/// The weights of the positions of an order.
pub trait PositionWeights: std::fmt::Debug + Send + Sync {
    /// Whether all positions have weight 1.
    fn are_one(&self) -> bool;

    /// The weight of the 0-based `position` of `items`; finite and at least 0.
    fn at(&self, position: usize, items: usize) -> f64;
}

/// Room for one list in its order.
#[derive(Debug, Clone, Default)]
pub(super) struct InOrder {
    pub(super) order: Vec<usize>,
    scores: Vec<f64>,
    /// v.
    weights: Vec<f64>,
    exps: Vec<f64>,
    after: Vec<f64>,
    /// v_k / C_k.
    shares: Vec<f64>,
    /// The gradient, the diagonal and the product, in the order.
    pub(super) results: [Vec<f64>; 3],
    direction: Vec<f64>,
    moments: Vec<f64>,
}

/// A list to be computed in order.
pub(super) struct Ordered<'a> {
    pub(super) scores: &'a [f64],
    /// Empty where all are 1.
    pub(super) weights: &'a [f64],
    pub(super) direction: &'a [f64],
    pub(super) positions: &'a dyn PositionWeights,
    pub(super) wanted: Wanted,
}

impl InOrder {
    /// The value of a list whose `order` has been filled in; NaN where it is not to be trusted.
    pub(super) fn compute(&mut self, list: &Ordered<'_>) -> f64 {
        let items = self.order.len();
        let Self { order, scores, weights, exps, after, shares, results, direction, .. } = self;
        let gather = |numbers: &[f64], into: &mut Vec<f64>| {
            into.clear();
            if !numbers.is_empty() {
                into.extend(order.iter().map(|&item| numbers[item]));
            }
        };
        gather(list.scores, scores);
        let weighted = !list.weights.is_empty() || !list.positions.are_one();
        weights.clear();
        if weighted {
            let of = |(position, &item): (usize, &usize)| {
                let weight = list.weights.get(item).copied().unwrap_or(1.0);
                weight * list.positions.at(position, items)
            };
            weights.extend(order.iter().enumerate().map(of));
        }
        for numbers in [&mut *exps, after, shares].into_iter().chain(&mut *results) {
            numbers.clear();
            numbers.resize(items, 0.0);
        }
        let greatest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let least = scores.iter().copied().fold(f64::INFINITY, f64::min);
        if greatest - least > <f64 as Vector>::SPREAD || !are_moderate(weights) {
            return f64::NAN;
        }
        let lanes = crate::vector::MOST_LANES;
        crate::vector::run_double(lanes, Exponentials { scores, greatest, exps });
        let mut sum = Compensated::default();
        for (after, &exp) in after.iter_mut().zip(&*exps).rev() {
            *after = sum.get();
            sum.add(exp);
        }
        let weights = &weights[..];
        let value = crate::vector::run_double(lanes, Logarithms { exps, after, weights, shares });
        let mut before = Compensated::default();
        for (k, slope) in results[0].iter_mut().enumerate() {
            *slope = exps[k] * before.get() - after[k] * shares[k];
            before.add(shares[k]);
        }
        if list.wanted.curvature() {
            gather(list.direction, direction);
            self.curvature(weighted);
        }
        value
    }

    /// The diagonal, Σ_{i ≤ k} v_i q (1 − q) of q = E_k/C_i, and the product with the direction.
    fn curvature(&mut self, weighted: bool) {
        let Self {
            weights,
            exps,
            after,
            shares,
            results: [_, diagonal, product],
            direction,
            moments,
            ..
        } = self;
        // Σ E_j v_j over the items from k on.
        moments.clear();
        moments.resize(exps.len(), 0.0);
        let mut sum = Compensated::default();
        for (k, moment) in moments.iter_mut().enumerate().rev() {
            sum.add(exps[k] * direction.get(k).copied().unwrap_or(0.0));
            *moment = sum.get();
        }
        let [mut shares_before, mut squares_before, mut moments_before] =
            [Compensated::default(); 3];
        for k in 0..exps.len() {
            let weight = if weighted { weights[k] } else { 1.0 };
            let (exp, suffix) = (exps[k], exps[k] + after[k]);
            let own = shares[k] * exp * (after[k] / suffix);
            let square = if weight == 0.0 { 0.0 } else { shares[k] / suffix };
            // q (1 − q) of the positions before: E P − E² Σ v/C².
            let before = exp * shares_before.get() - exp * exp * squares_before.get();
            diagonal[k] = before + own;
            shares_before.add(shares[k]);
            squares_before.add(square);
            moments_before.add(square * moments[k]);
            let along = direction.get(k).copied().unwrap_or(0.0);
            product[k] = exp * (along * shares_before.get() - moments_before.get());
        }
    }
}

/// Whether no product with a weight leaves the range.
fn are_moderate(weights: &[f64]) -> bool {
    weights.iter().all(|&weight| weight == 0.0 || (1e-30..1e30).contains(&weight))
}

/// A running sum with what its additions rounded away.
#[derive(Clone, Copy, Default)]
struct Compensated {
    rounded: f64,
    lost: f64,
}

impl Compensated {
    #[inline(always)]
    fn add(&mut self, term: f64) {
        let (sum, lost) = Vector::plus_exactly(self.rounded, term);
        self.rounded = sum;
        self.lost += lost;
    }

    #[inline(always)]
    fn get(self) -> f64 {
        self.rounded + self.lost
    }
}

struct Exponentials<'a> {
    scores: &'a [f64],
    greatest: f64,
    exps: &'a mut [f64],
}

impl Kernel<f64> for Exponentials<'_> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector<Element = f64>>(self, token: V::Token) {
        let Self { scores, greatest, exps } = self;
        let greatest = V::splat(token, greatest);
        let whole = scores.len() / V::lanes() * V::lanes();
        for (exp_of, &score) in V::raws_mut(exps).iter_mut().zip(V::raws(scores)) {
            *exp_of = exp_above(V::of(token, score), greatest).raw();
        }
        let rest = V::narrowed(token, &padded(&scores[whole..], greatest.lane(0)));
        let rest = exp_above(rest, greatest);
        for (k, exp_of) in exps[whole..].iter_mut().enumerate() {
            *exp_of = rest.lane(k);
        }
    }
}

/// e^(score − greatest).
#[inline(always)]
fn exp_above<V: Vector>(score: V, greatest: V) -> V {
    let (below, lost) = score.plus_exactly(-greatest);
    below.exp_of_sum(lost)
}

/// Numbers that do not fill a vector, with others behind them.
#[inline(always)]
fn padded(numbers: &[f64], absent: f64) -> [f64; crate::vector::MOST_LANES] {
    let mut all = [absent; crate::vector::MOST_LANES];
    all[..numbers.len()].copy_from_slice(numbers);
    all
}

/// Σ v log(1 + A/E), and v/C.
struct Logarithms<'a> {
    exps: &'a [f64],
    after: &'a [f64],
    /// Empty where all are 1.
    weights: &'a [f64],
    shares: &'a mut [f64],
}

impl Kernel<f64> for Logarithms<'_> {
    type Output = f64;

    #[inline(always)]
    fn run<V: Vector<Element = f64>>(self, token: V::Token) -> f64 {
        let Self { exps, after, weights, shares } = self;
        let mut sums =
            LogarithmSums::<V> { sum: V::Wide::zero(token), product: V::Product::one(token) };
        let (exp_vectors, after_vectors) = (V::raws(exps), V::raws(after));
        let weight_vectors = V::raws(weights);
        for (k, share) in V::raws_mut(shares).iter_mut().enumerate() {
            let (exp, after) = (V::of(token, exp_vectors[k]), V::of(token, after_vectors[k]));
            let weight = weight_vectors.get(k).map(|&weight| V::of(token, weight));
            *share = sums.add(exp, after, weight).raw();
        }
        let whole = exps.len() / V::lanes() * V::lanes();
        if whole < exps.len() {
            let rest =
                |numbers: &[f64], absent| padded(numbers.get(whole..).unwrap_or_default(), absent);
            let [exp, after] =
                [rest(exps, 1.0), rest(after, 0.0)].map(|rest| V::narrowed(token, &rest));
            let weight = (!weights.is_empty()).then(|| V::narrowed(token, &rest(weights, 0.0)));
            let of_rest = sums.add(exp, after, weight);
            for (k, share) in shares[whole..].iter_mut().enumerate() {
                *share = of_rest.lane(k);
            }
        }
        sums.sum.plus(sums.product.ln()).total().round()
    }
}

/// Σ v log(1 + A/E), that of weights 1 as the logarithm of a product.
struct LogarithmSums<V: Vector> {
    sum: V::Wide,
    product: V::Product,
}

impl<V: Vector> LogarithmSums<V> {
    /// Adds the terms of items; returns their v/C.
    #[inline(always)]
    fn add(&mut self, exp: V, after: V, weight: Option<V>) -> V {
        let ratio = after / exp;
        match weight {
            None => {
                self.product.grow(ratio);
                self.product.normalise();
                exp.constant(1.0) / (exp + after)
            }
            Some(weight) => {
                self.sum.add_product(weight, ratio.ln_1p());
                weight / (exp + after)
            }
        }
    }
}

/// Lists side by side, by masked sums over pairs; all weights of positions being 1.
pub(super) struct SideBySide<'a, E> {
    pub(super) block: &'a mut Block<E>,
    pub(super) factors: &'a [f64],
    pub(super) values: &'a mut [f64],
}

impl<E: Real> Kernel<E> for SideBySide<'_, E> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector<Element = E>>(self, token: V::Token) {
        let Self { block, factors, values } = self;
        let of = |raw| V::of(token, raw);
        let (zero, one) = (V::splat(token, 0.0), V::splat(token, 1.0));
        let (least, greatest) = super::block::extremes::<V>(token, block);
        let Block { scores, labels, weights, exps, spare: [after, shares, before], out, .. } =
            block;
        let (scores, labels, weights) = (V::raws(scores), V::raws(labels), V::raws(weights));
        let weighted = block.weighted;
        let exps = V::raws_mut(exps);
        let [after, shares, before] = [after, shares, before].map(|numbers| V::raws_mut(numbers));
        let midrange = least + (greatest - least).times(0.5);
        for (exp, (&score, &label)) in exps.iter_mut().zip(scores.iter().zip(labels)) {
            let (from_midrange, lost) = of(score).plus_exactly(-midrange);
            let label = of(label);
            *exp = from_midrange.exp_of_sum(lost).keep(label.equals(label)).raw();
        }
        let items = scores.len();
        sum_by_order::<V, true>(token, labels, exps, after);
        let mut value = V::Wide::zero(token);
        let mut product = V::Product::one(token);
        for k in 0..items {
            let (label, exp, behind) = (of(labels[k]), of(exps[k]), of(after[k]));
            let present = label.equals(label);
            let ratio = (behind / exp).keep(present);
            let mut share = one / (exp + behind);
            if weighted {
                let weight = of(weights[k]);
                value.add_product(weight, ratio.ln_1p().keep(present));
                share = weight / (exp + behind);
            } else {
                product.grow(ratio);
                product.normalise();
            }
            shares[k] = share.keep(present).raw();
        }
        // Σ v_i/C_i over the items before.
        sum_by_order::<V, false>(token, labels, shares, before);
        let factor = V::narrowed(token, factors);
        for (k, out) in V::raws_mut(&mut out[0]).iter_mut().enumerate() {
            let slope = of(exps[k]) * of(before[k]) - of(after[k]) * of(shares[k]);
            *out = (slope * factor).raw();
        }
        let narrow = zero.constant(V::SPREAD).above(greatest - least);
        let trust = V::select(narrow, zero, zero.constant(f64::NAN));
        value.plus(product.ln()).plus(V::Wide::of(token, trust)).write(values);
        if !weighted {
            block.distrust_small(values, 0.0, |items, _| least_log::<E>() * items, V::lanes());
        }
    }
}

/// For each item, the sum of `terms` over the items behind it (`BEHIND`) or before it in the order by
/// label, equal labels by index; by tiles of eight rows and columns, so that no more than eight terms
/// and then as many sums are added up plainly.
#[inline(always)]
fn sum_by_order<V: Vector, const BEHIND: bool>(
    token: V::Token,
    labels: &[V::Raw],
    terms: &[V::Raw],
    sums: &mut [V::Raw],
) {
    const SIDE: usize = 8;
    let zero = V::splat(token, 0.0);
    let items = labels.len();
    for first_row in (0..items).step_by(SIDE) {
        let end = items.min(first_row + SIDE);
        let mut totals = [zero; SIDE];
        for first in (0..end).step_by(SIDE) {
            let mut of_rows = [zero; SIDE];
            for column in first..end.min(first + SIDE) {
                let (label, term) = (V::of(token, labels[column]), V::of(token, terms[column]));
                let mut of_column = zero;
                for row in first_row.max(column + 1)..end {
                    let (row_label, row_term) =
                        (V::of(token, labels[row]), V::of(token, terms[row]));
                    let row_first = row_label.above(label);
                    // The one that comes first has the other behind it.
                    let (to_row, to_column) = if BEHIND {
                        (term.keep(row_first), row_term.remove(row_first))
                    } else {
                        (term.remove(row_first), row_term.keep(row_first))
                    };
                    of_rows[row - first_row] = of_rows[row - first_row] + to_row;
                    of_column = of_column + to_column;
                }
                if column < first_row {
                    sums[column] = (V::of(token, sums[column]) + of_column).raw();
                } else {
                    of_rows[column - first_row] = of_rows[column - first_row] + of_column;
                }
            }
            for (total, of_row) in totals.iter_mut().zip(of_rows) {
                *total = *total + of_row;
            }
        }
        for (sum, total) in sums[first_row..end].iter_mut().zip(totals) {
            *sum = total.raw();
        }
    }
}
