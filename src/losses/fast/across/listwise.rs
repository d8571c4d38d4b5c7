//! The listwise losses.

use pulp::Simd;

use super::super::TILE;
use super::super::pairs::{ItemWeights, Unit, Weights};
use super::{BlockLoss, Side, Slopes, Spare, exponentials, extremes};
use crate::Real;
use crate::vector::{Lanes, LogProduct, Wide};

/// Softmax of scores s and labels ψ, by Ψ = Σψ, E = e^(s − max s) and C = ΣE:
///
/// l = Σ_k (ψ_k/Ψ) (max s − s_k) + log C, ∂l/∂s_k = (E_k (Ψ − ψ_k) − ψ_k (C − E_k)) / (C Ψ).
///
/// C − E_k of the greatest E_k, 1, would cancel, and so would Ψ − ψ_k: these sums are made without
/// the greatest, of which there may be several: the others of these, too, count.
pub(super) struct Softmax;

impl<F: Real> BlockLoss<F> for Softmax {
    #[inline(always)]
    fn compute<S: Simd>(
        self,
        simd: S,
        Side { scores, labels, weights }: Side<'_, S, F>,
        spare: &mut Spare<F>,
        grad: &mut Slopes<'_, S, F>,
    ) -> (Wide<S, F>, Lanes<S, F>) {
        let (exps, parts) = (&mut spare.exps, &mut spare.shares);
        let (exps, parts) = (F::vectors_mut::<S>(exps), F::vectors_mut::<S>(parts));
        let (zero, one) = (Lanes::<S, F>::splat(simd, 0.0), Lanes::splat(simd, 1.0));
        let of = |x: F::Vector<S>| Lanes::<S, F>::of(simd, x);
        let (least, greatest) = extremes(simd, scores);
        let mut top_part = zero;
        for (k, (part, &label)) in parts.iter_mut().zip(labels).enumerate() {
            let label = of(label);
            let weighted = weights.map_or(label, |weights| label * of(weights[k]));
            let weighted = label.equals(label).keep(weighted);
            top_part = top_part.max(weighted);
            *part = weighted.vector();
        }

        let [mut exp_others, mut part_others, mut distance] = [Wide::<S, F>::zero(simd); 3];
        let (mut tops, mut top_parts) = (-one, -one);
        let mut row = (zero, zero, zero);
        // A loop of its own: the steps of an exponential are a chain.
        for (exp, (&score, &label)) in exps.iter_mut().zip(scores.iter().zip(labels)) {
            let (below, lost) = of(score).plus_exactly(-greatest);
            let above_0 = below.max(zero.constant(-F::SPREAD)).exp_with(lost);
            *exp = of(label).equals(of(label)).keep(above_0).vector();
        }
        for (k, &score) in scores.iter().enumerate() {
            let (score, part, exp) = (of(score), of(parts[k]), of(exps[k]));
            let (is_top, is_top_part) = (exp.equals(one), part.equals(top_part));
            tops = tops + is_top.keep(one);
            top_parts = top_parts + is_top_part.keep(one);
            row.0 = row.0 + is_top.remove(exp);
            row.1 = row.1 + is_top_part.remove(part);
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
}

/// List-MLE without sorting, by A_k = Σ E_j over the items j after k in the order by label and
/// C_k = E_k + A_k:
///
/// l = Σ_k w_k log(1 + A_k/E_k), ∂l/∂s_k = E_k Σ_{i before k} w_i/C_i − w_k A_k/C_k.
pub(super) struct ListMle;

impl<F: Real> BlockLoss<F> for ListMle {
    #[inline(always)]
    fn compute<S: Simd>(
        self,
        simd: S,
        Side { scores, labels, weights }: Side<'_, S, F>,
        spare: &mut Spare<F>,
        grad: &mut Slopes<'_, S, F>,
    ) -> (Wide<S, F>, Lanes<S, F>) {
        let Spare { exps, ranks: after, shares, .. } = spare;
        let exps = F::vectors_mut::<S>(exps);
        let trust = exponentials(simd, scores, labels, exps);
        let room = [exps, F::vectors_mut::<S>(after), F::vectors_mut::<S>(shares)];
        let value = match weights {
            None => list_mle(simd, labels, Unit(simd), room, grad),
            Some(weights) => list_mle(simd, labels, ItemWeights(simd, weights), room, grad),
        };
        (value, trust)
    }
}

#[inline(always)]
fn list_mle<S: Simd, F: Real, W: Weights<S, F, Item = Lanes<S, F>>>(
    simd: S,
    labels: &[F::Vector<S>],
    weights: W,
    [exps, after, shares]: [&mut [F::Vector<S>]; 3],
    grad: &mut Slopes<'_, S, F>,
) -> Wide<S, F> {
    let of = |x: F::Vector<S>| Lanes::<S, F>::of(simd, x);

    for (exp, &label) in exps.iter_mut().zip(labels) {
        *exp = of(label).equals(of(label)).keep(of(*exp)).vector();
    }
    sum_by_order::<S, F, true>(simd, labels, exps, after);

    let mut value = Wide::zero(simd);
    let mut product = LogProduct::one(simd);
    for (k, &label) in labels.iter().enumerate() {
        let label = of(label);
        let present = label.equals(label);
        let (exp, after) = (of(exps[k]), of(after[k]));
        let ratio = present.keep(after / exp);
        let weight = weights.item(k);
        if W::ARE_ONE {
            product.grow(ratio);
            if k % F::RATIOS == 0 {
                product.normalise();
            }
        } else {
            let mut factor = LogProduct::one(simd);
            factor.grow(ratio);
            value.add(present.keep(weight * factor.ln().narrow()));
        }
        let share = weight / (exp + after);
        shares[k] = present.keep(share).vector();
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
/// equal labels by index; by squares of so many rows and columns, that on the diagonal first: beside a
/// longer list, a list of one square has 0 added.
#[inline(always)]
fn sum_by_order<S: Simd, F: Real, const AFTER: bool>(
    simd: S,
    labels: &[F::Vector<S>],
    terms: &[F::Vector<S>],
    sums: &mut [F::Vector<S>],
) {
    let zero = Lanes::<S, F>::splat(simd, 0.0);
    let item = |k: usize| (Lanes::<S, F>::of(simd, labels[k]), Lanes::of(simd, terms[k]));
    for first in (0..labels.len()).step_by(TILE) {
        let rows = first..labels.len().min(first + TILE);
        let mut of_rows = [zero; TILE];
        for i in rows.clone() {
            let mut of_i = zero;
            for (j, of_j) in (first..i).zip(&mut of_rows) {
                let [more_i, more_j] = shared::<S, F, AFTER>(item(i), item(j));
                of_i = of_i + more_i;
                *of_j = *of_j + more_j;
            }
            of_rows[i - first] = of_i;
        }
        for first_column in (0..first).step_by(TILE) {
            let mut of_columns = [zero; TILE];
            for (i, of_two) in rows.clone().step_by(2).zip(of_rows.chunks_exact_mut(2)) {
                // Without a second row its term is 0.
                let absent = (zero.constant(f64::NAN), zero);
                let (a, b) = (item(i), if i + 1 < rows.end { item(i + 1) } else { absent });
                let [mut of_a, mut of_b] = [zero; 2];
                for (j, of_j) in (first_column..).zip(&mut of_columns) {
                    let [more_a, more_of_a] = shared::<S, F, AFTER>(a, item(j));
                    let [more_b, more_of_b] = shared::<S, F, AFTER>(b, item(j));
                    of_a = of_a + more_a;
                    of_b = of_b + more_b;
                    *of_j = *of_j + (more_of_a + more_of_b);
                }
                of_two[0] = of_two[0] + of_a;
                of_two[1] = of_two[1] + of_b;
            }
            add_to::<S, F>(simd, &mut sums[first_column..], &of_columns);
        }
        for (sum, of_row) in sums[rows].iter_mut().zip(of_rows) {
            *sum = of_row.vector();
        }
    }
}

/// What the items i and j, which stands before it, add to each other's sums: the one that comes first by
/// label gets the other's term, or else gives its own.
#[inline(always)]
fn shared<S: Simd, F: Real, const AFTER: bool>(
    (label_i, term_i): (Lanes<S, F>, Lanes<S, F>),
    (label_j, term_j): (Lanes<S, F>, Lanes<S, F>),
) -> [Lanes<S, F>; 2] {
    let i_first = label_i.above(label_j);
    if AFTER {
        [i_first.keep(term_j), i_first.remove(term_i)]
    } else {
        [i_first.remove(term_j), i_first.keep(term_i)]
    }
}

#[inline(always)]
fn add_to<S: Simd, F: Real>(simd: S, sums: &mut [F::Vector<S>], more: &[Lanes<S, F>]) {
    for (sum, &more) in sums.iter_mut().zip(more) {
        *sum = (Lanes::<S, F>::of(simd, *sum) + more).vector();
    }
}
