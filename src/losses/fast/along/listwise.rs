//! The listwise losses.

use pulp::{Simd, WithSimd, bytemuck};

use super::super::Run;
use super::super::across::extremes;
use super::{Long, fill_exps, range};
use crate::Real;
use crate::numeric::{DoubleDouble, ln_1p};
use crate::vector::{Lanes, LogProduct, Squares, Wide};

/// Computes lists one after another, in the order they have; NaN for the value of a list gives up.
pub struct Listwise<'a, F> {
    pub(in super::super) run: Run<'a, F>,
    pub(in super::super) long: &'a mut Long<F>,
}

impl<F: Real> WithSimd for Listwise<'_, F> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { run: Run { items, entries, factors, values, mut slopes, .. }, long } = self;
        let lanes = F::lanes::<S>();
        for ((entry, value), &factor) in entries.iter().zip(values).zip(factors) {
            let rows = items.rows(entry);
            let len = rows.scores.len();
            let (out, rest) = slopes.split_at_mut(len);
            slopes = rest;
            if len.is_multiple_of(lanes) {
                let list = [rows.scores, rows.labels];
                *value = softmax::<S, F>(simd, list, len, factor, &mut long.exps, out);
            } else {
                long.take(&rows, None, lanes);
                let Long { scores, labels, exps, columns, .. } = &mut *long;
                labels[len..].fill(F::zero());
                columns.resize(scores.len(), F::zero());
                *value = softmax::<S, F>(simd, [scores, labels], len, factor, exps, columns);
                out.copy_from_slice(&columns[..len]);
            }
        }
    }
}

/// As [`super::super::across`] has it.
#[inline(always)]
fn softmax<S: Simd, F: Real>(
    simd: S,
    [scores, labels]: [&[F]; 2],
    items: usize,
    factor: f64,
    exps: &mut Vec<F>,
    slopes: &mut [F],
) -> f64 {
    let of = |x: F::Vector<S>| Lanes::<S, F>::of(simd, x);
    let all = |x: f64| Lanes::<S, F>::all(simd, F::narrow(x));
    let (zero, one) = (all(0.0), all(1.0));
    let (score_vectors, labels) = (F::vectors::<S>(scores), F::vectors::<S>(labels));
    let (least, greatest) = extremes::<S, F>(simd, score_vectors);
    let (least, greatest) = (least.least().widen(), greatest.greatest().widen());
    let top_label = extremes::<S, F>(simd, labels).1.greatest();
    if greatest - least > F::SPREAD {
        return f64::NAN;
    }
    fill_exps(simd, scores, greatest, exps);
    exps[items..].fill(F::zero());
    let exps = F::vectors::<S>(exps);

    // Sums without the greatest, of which there may be several: the others of these, too, count.
    let [mut exp_sum, mut label_sum, mut value] = [Wide::<S, F>::zero(simd); 3];
    let (mut tops, mut top_labels, mut row) = (zero, zero, (zero, zero, zero));
    let (greatest, top) = (all(greatest), Lanes::all(simd, top_label));
    for (k, (&score, &label)) in score_vectors.iter().zip(labels).enumerate() {
        let (exp, label) = (of(exps[k]), of(label));
        let (is_top, is_top_label) = (exp.equals(one), label.equals(top));
        tops = tops + is_top.keep(one);
        top_labels = top_labels + is_top_label.keep(one);
        row.0 = row.0 + is_top.remove(exp);
        row.1 = row.1 + is_top_label.remove(label);
        row.2 = label.times_plus(greatest - of(score), row.2);
        // Two at a time: one more rounding, and half of the wide additions.
        if k % 2 == 1 || k + 1 == labels.len() {
            exp_sum.add(row.0);
            label_sum.add(row.1);
            value.add(row.2);
            row = (zero, zero, zero);
        }
    }
    let count = |counts: Lanes<S, F>| Wide::<S, F>::from_lanes(counts).total().round() - 1.0;
    let exp_others = DoubleDouble::from(count(tops)) + exp_sum.total();
    let label_others =
        DoubleDouble::product(count(top_labels), top_label.widen()) + label_sum.total();
    let exp_total = (exp_others + DoubleDouble::ONE).round();
    let label_total = label_others + top_label.widen().into();
    if !(F::MODERATE.0..F::MODERATE.1).contains(&label_total.round()) {
        return f64::NAN;
    }

    let shrink = 1.0 / label_total.round();
    let (exp_sum, scale, top_others) =
        (all(exp_total), all(factor / exp_total), all(exp_others.round()));
    let (top_label_others, shrink) = (all(label_others.round() * shrink), all(shrink));
    let items = labels.iter().zip(exps);
    for (slope, (&label, &exp)) in F::vectors_mut::<S>(slopes).iter_mut().zip(items) {
        let (exp, label) = (of(exp), of(label));
        let share = label * shrink;
        let others = exp.equals(one).select(top_others, exp_sum - exp);
        let other_shares = label.equals(top).select(top_label_others, one - share);
        *slope = ((exp * other_shares - share * others) * scale).vector();
    }
    (value.total() / label_total + ln_1p(exp_others)).round()
}

/// List-MLE of a list sorted by label, by the sums C_k over what comes from k on:
///
/// l = Σ_k log(C_k/E_k), ∂l/∂s_k = E_k Σ_{i < k} 1/C_i − C_{k+1}/C_k; all in f64.
///
/// Each lane takes a stretch of the list, so that the sums run along all of them at a time.
pub(super) struct ListMle<'a, F> {
    pub(super) long: &'a mut Long<F>,
}

impl<F: Real> WithSimd for ListMle<'_, F> {
    type Output = f64;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> f64 {
        /// Ratios between two normalisations, where the spread allows it.
        const RATIOS: usize = 8;
        let Long { scores, grad, wide: [first, second, after, shares], .. } = self.long;
        let (items, lanes) = (grad.len(), S::F64_LANES);
        let (least, greatest) = range::<S, F>(simd, scores);
        let spread = greatest - least;
        if spread > f64::min(F::SPREAD * 8.0, 600.0) {
            return f64::NAN;
        }
        let stretch = items.div_ceil(lanes);
        let squares = Squares::new();
        first.clear();
        first.extend(scores[..items].iter().map(|score| score.widen()));
        first.resize(stretch * lanes, least);
        fill_exps::<S, f64>(simd, first, least + spread * 0.5, second);
        second[items..].fill(0.0);
        squares.transpose(second, (lanes, stretch), first);
        for numbers in [&mut *after, &mut *shares] {
            numbers.resize(first.len(), 0.0);
        }
        let exps = S::as_mut_simd_f64s(first).0;
        let (after, shares) = (S::as_mut_simd_f64s(after).0, S::as_mut_simd_f64s(shares).0);

        let of = |x: S::f64s| Lanes::<S, f64>::of(simd, x);
        let (zero, one) = (Lanes::<S, f64>::splat(simd, 0.0), Lanes::splat(simd, 1.0));
        let mut whole = Wide::zero(simd);
        for &exp in &*exps {
            whole.add(of(exp));
        }
        let mut sum = of_stretches(simd, whole, Others::Behind);
        let mut of_shares = Wide::zero(simd);
        let mut product = LogProduct::<S, f64>::one(simd);
        // The product of so many ratios, each below 1 + K e^spread, stays in the range.
        let narrow = RATIOS as f64 * (spread + (1.0 + items as f64).ln()) < 600.0;
        let ratios = if narrow { RATIOS } else { 1 };
        let steps = exps.iter().zip(&mut *after).zip(&mut *shares).enumerate();
        for (step, ((&exp, after), share)) in steps.rev() {
            let (exp, behind) = (of(exp), sum.narrow());
            let present = exp.above(zero);
            product.grow(present.keep(behind / exp));
            if step & (ratios - 1) == 0 {
                product.normalise();
            }
            let of_item = present.keep(one / (behind + exp));
            of_shares.add(of_item);
            (*after, *share) = (behind.vector(), of_item.vector());
            sum.add(exp);
        }
        let mut before = of_stretches(simd, of_shares, Others::Before);
        for ((exp, &after), &share) in exps.iter_mut().zip(&*after).zip(&*shares) {
            *exp = (of(*exp) * before.narrow() - of(after) * of(share)).vector();
            before.add(of(share));
        }
        squares.transpose(first, (stretch, lanes), second);
        grad.copy_from_slice(&second[..items]);
        product.ln().total().round()
    }
}

/// Stretches on one side of another.
#[derive(Clone, Copy)]
enum Others {
    Before,
    Behind,
}

/// The sums of all stretches before, or behind, that of each lane.
#[inline(always)]
fn of_stretches<S: Simd>(simd: S, sums: Wide<S, f64>, others: Others) -> Wide<S, f64> {
    let mut sums = sums.vectors();
    let numbers = bytemuck::cast_slice_mut::<_, f64>(&mut sums);
    let mut sum = DoubleDouble::ZERO;
    for k in 0..S::F64_LANES {
        let lane = match others {
            Others::Before => k,
            Others::Behind => S::F64_LANES - 1 - k,
        };
        let lost = S::F64_LANES + lane;
        let of_lane = DoubleDouble::sum(numbers[lane], numbers[lost]);
        (numbers[lane], numbers[lost]) = (sum.hi, sum.lo);
        sum = sum + of_lane;
    }
    Wide::of(simd, sums)
}
