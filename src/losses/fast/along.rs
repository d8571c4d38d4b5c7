//! Long lists, one at a time, their items along the lanes.

use pulp::{Simd, WithSimd, bytemuck};

use super::across::{extremes, fill_gains};
use super::pairs::{LambdaWeights, LogisticPairs, Pairs, WeightedPairs};
use super::{Kernel, Rows, Run, TILE, add_at};
use crate::Real;
use crate::numeric::{DoubleDouble, ln_1p};
use crate::vector::{Lanes, LogProduct, Squares, Wide};

/// The items of a list in an order, filled up to whole vectors, and room for what comes of them.
#[derive(Debug, Clone, Default)]
pub(super) struct Long<F> {
    scores: Vec<F>,
    labels: Vec<F>,
    exps: Vec<F>,
    gains: [Vec<F>; 2],
    discounts: [Vec<F>; 2],
    /// Two of `f64` an item of a vector's lanes.
    sums: Vec<f64>,
    /// The gradient of softmax; what columns of pairs come to.
    columns: Vec<F>,
    /// The gradient of the others, in the order.
    pub(super) grad: Vec<f64>,
    wide: [Vec<f64>; 4],
}

impl<F: Real> Long<F> {
    /// Takes a list's items in an order; items that fill up have a score of the list's and label NaN.
    pub(super) fn take(&mut self, rows: &Rows<'_, F>, order: Option<&[usize]>, lanes: usize) {
        let len = rows.scores.len();
        let padded = len.next_multiple_of(lanes);
        let of = |out: &mut Vec<F>, numbers: &[F], absent: F| {
            out.clear();
            match order {
                Some(order) => out.extend(order.iter().map(|&item| numbers[item])),
                None => out.extend_from_slice(numbers),
            }
            out.resize(padded, absent);
        };
        of(&mut self.scores, rows.scores, rows.scores[0]);
        of(&mut self.labels, rows.labels, F::nan());
        self.grad.clear();
        self.grad.resize(len, 0.0);
    }
}

/// Computes the value of a list that `long` has taken, and its gradient; NaN gives up.
pub(super) struct Along<'a, F> {
    pub(super) kernel: Kernel,
    pub(super) long: &'a mut Long<F>,
    /// 1/D of the ranks from 1 on, for the lambda-loss.
    pub(super) log_discounts: &'a [DoubleDouble],
}

impl<F: Real> WithSimd for Along<'_, F> {
    type Output = f64;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> f64 {
        let Self { kernel, long, log_discounts } = self;
        match kernel {
            Kernel::ListMle => list_mle::<S, F>(simd, long),
            Kernel::PairLogistic => logistic::<S, F>(simd, long),
            Kernel::LambdaLoss { cutoff } => {
                let counted = long.grad.len().min(cutoff);
                lambda::<S, F>(simd, long, &log_discounts[..counted])
            }
            _ => f64::NAN,
        }
    }
}

/// The least and the greatest score of a list.
#[inline(always)]
fn range<S: Simd, F: Real>(simd: S, scores: &[F]) -> (f64, f64) {
    let (least, greatest) = extremes::<S, F>(simd, F::vectors::<S>(scores));
    let numbers = |x: Lanes<S, F>| {
        let vector = x.vector();
        let mut lanes = [0.0; super::MOST_LANES];
        for (lane, x) in lanes.iter_mut().zip(super::numbers::<S, F>(&vector)) {
            *lane = x.widen();
        }
        (lanes, super::numbers::<S, F>(&vector).len())
    };
    let ((least, count), (greatest, _)) = (numbers(least), numbers(greatest));
    let least = least[..count].iter().copied().fold(f64::INFINITY, f64::min);
    let greatest = greatest[..count].iter().copied().fold(f64::NEG_INFINITY, f64::max);
    (least, greatest)
}

/// Fills in e^(s − anchor).
#[inline(always)]
fn fill_exps<S: Simd, F: Real>(simd: S, scores: &[F], anchor: f64, exps: &mut Vec<F>) {
    exps.resize(scores.len(), F::zero());
    let anchor = Lanes::<S, F>::all(simd, F::narrow(anchor));
    for (exp, &score) in F::vectors_mut::<S>(exps).iter_mut().zip(F::vectors::<S>(scores)) {
        let (above, lost) = Lanes::<S, F>::of(simd, score).plus_exactly(-anchor);
        *exp = above.exp_with(lost).vector();
    }
}

/// Computes lists one after another, in the order they have; NaN for the value of a list gives up.
pub(super) struct Listwise<'a, F> {
    pub(super) run: Run<'a, F>,
    pub(super) long: &'a mut Long<F>,
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

/// As [`super::across`] has it.
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
        tops = tops + is_top.select(one, zero);
        top_labels = top_labels + is_top_label.select(one, zero);
        row.0 = row.0 + is_top.select(zero, exp);
        row.1 = row.1 + is_top_label.select(zero, label);
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
#[inline(always)]
fn list_mle<S: Simd, F: Real>(simd: S, long: &mut Long<F>) -> f64 {
    /// Ratios between two normalisations, where the spread allows it.
    const RATIOS: usize = 8;
    let Long { scores, grad, wide: [first, second, after, shares], .. } = long;
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
        product.grow(present.select(behind / exp, zero));
        if step & (ratios - 1) == 0 {
            product.normalise();
        }
        let of_item = present.select(one / (behind + exp), zero);
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

/// The lambda-loss of a list sorted by score: each item against those behind it. Of ranks behind the
/// last that is given 1/D is 0.
#[inline(always)]
fn lambda<S: Simd, F: Real>(simd: S, long: &mut Long<F>, log_discounts: &[DoubleDouble]) -> f64 {
    let Long { scores, labels, exps, gains, discounts, sums, columns, grad, .. } = long;
    let items = grad.len();
    let (least, greatest) = range::<S, F>(simd, scores);
    fill_exps(simd, scores, least + (greatest - least) * 0.5, exps);
    // Of items that fill up, a pair comes to 0.
    exps[items..].fill(F::zero());
    for numbers in &mut *gains {
        numbers.resize(scores.len(), F::zero());
    }
    labels[items..].fill(F::zero());
    let trust = fill_gains::<S, F>(simd, F::vectors::<S>(labels), gains);
    let trust = Wide::from_lanes(trust).total().round();
    if greatest - least > F::SPREAD || trust != 0.0 {
        return f64::NAN;
    }
    labels[items..].fill(F::nan());
    let [rounded, lost] = &mut *discounts;
    rounded.clear();
    lost.clear();
    for discount in log_discounts {
        let hi = F::narrow(discount.hi);
        rounded.push(hi);
        lost.push(F::narrow((discount.hi - hi.widen()) + discount.lo));
    }
    rounded.resize(scores.len(), F::zero());
    lost.resize(scores.len(), F::zero());
    let (scores, labels) = (F::vectors::<S>(scores), F::vectors::<S>(labels));
    let logistic = LogisticPairs::of(simd, scores, labels, F::vectors::<S>(exps));
    let mut pairs = WeightedPairs::of(logistic, LambdaWeights::of(simd, gains, discounts));
    // Behind the last rank that counts, all pairs weigh 0.
    rows(simd, &mut pairs, log_discounts.len(), (sums, columns), grad);
    pairs.value().total().round()
}

/// The gradient of the lambda-loss, each of the first items against the vectors of those behind it.
#[inline(always)]
fn rows<S: Simd, F: Real>(
    simd: S,
    pairs: &mut WeightedPairs<'_, S, F, LambdaWeights<'_, S, F>>,
    rows: usize,
    (sums, columns): (&mut Vec<f64>, &mut Vec<F>),
    grad: &mut [f64],
) {
    let lanes = F::lanes::<S>();
    let places = places::<S, F>(simd);
    let vectors = grad.len().div_ceil(lanes);
    sums.clear();
    sums.resize(2 * vectors * S::F64_LANES, 0.0);
    columns.clear();
    columns.resize(vectors * lanes, F::zero());
    let columns = F::vectors_mut::<S>(columns);
    let sums = S::as_mut_simd_f64s(sums).0;
    for (row, grad) in grad[..rows].iter_mut().enumerate() {
        let item = pairs.item_of_all(row);
        let mut row_sum = Wide::zero(simd);
        // Of the row's own vector, those behind it.
        let mut present = Some(places.above(Lanes::splat(simd, (row % lanes) as f64)));
        let mut first = row / lanes;
        for columns in columns[first..].chunks_mut(TILE) {
            row_sum.add(pairs.add_behind(item, first, present.take(), columns));
            pairs.end_row();
            first += TILE;
        }
        *grad += row_sum.total().round();
        if row % TILE == TILE - 1 || row + 1 == rows {
            empty::<S, F>(simd, columns, sums, (row - row % TILE) / lanes);
        }
    }
    add_columns::<S, F>(simd, sums, grad);
}

/// Moves what the columns from the `first` vector on have come to into [`Wide`] sums.
#[inline(always)]
fn empty<S: Simd, F: Real>(
    simd: S,
    columns: &mut [F::Vector<S>],
    sums: &mut [S::f64s],
    first: usize,
) {
    for (k, column) in columns.iter_mut().enumerate().skip(first) {
        add_at(simd, sums, k, Lanes::<S, F>::of(simd, *column));
        *column = Lanes::<S, F>::splat(simd, 0.0).vector();
    }
}

#[inline(always)]
fn add_columns<S: Simd, F: Real>(simd: S, sums: &[S::f64s], grad: &mut [f64]) {
    let mut totals = [0.0; super::MOST_LANES];
    for (k, grad) in grad.chunks_mut(F::lanes::<S>()).enumerate() {
        Wide::<S, F>::of(simd, [sums[2 * k], sums[2 * k + 1]]).write(&mut totals);
        for (out, total) in grad.iter_mut().zip(totals) {
            *out += total;
        }
    }
}

/// The numbers of the lanes: 0, 1, …
#[inline(always)]
fn places<S: Simd, F: Real>(simd: S) -> Lanes<S, F> {
    let mut places = [F::zero(); super::MOST_LANES];
    for (k, place) in places.iter_mut().enumerate() {
        *place = F::narrow(k as f64);
    }
    Lanes::of(simd, F::vectors::<S>(&places)[0])
}

/// Σ log(1 − q) of a list sorted by score, q = E_b/(E_a + E_b) for a before b, over pairs of unequal
/// labels; the gradient is that of its negative: −Σ_b q_ab + Σ_a q_ak.
#[inline(always)]
fn logistic<S: Simd, F: Real>(simd: S, long: &mut Long<F>) -> f64 {
    /// Rows at a time, and vectors of columns between two normalisations.
    const ROWS: usize = 4;
    const COLUMNS: usize = 32;
    let Long { scores, labels, exps, sums, columns, grad, .. } = long;
    let (items, lanes) = (grad.len(), F::lanes::<S>());
    let (least, greatest) = range::<S, F>(simd, scores);
    // An exponential over the product of two must not leave the range either.
    if greatest - least > 0.7 * F::SPREAD {
        return f64::NAN;
    }
    fill_exps(simd, scores, least + (greatest - least) * 0.5, exps);
    exps[items..].fill(F::zero());

    let of = |x: F::Vector<S>| Lanes::<S, F>::of(simd, x);
    let zero = Lanes::<S, F>::splat(simd, 0.0);
    let vectors = exps.len() / lanes;
    let places = places::<S, F>(simd);
    columns.clear();
    columns.resize(exps.len(), F::zero());
    sums.clear();
    sums.resize(2 * vectors * S::F64_LANES, 0.0);
    let columns = F::vectors_mut::<S>(columns);
    let sums = S::as_mut_simd_f64s(sums).0;
    let (exps_of, labels_of) = (F::vectors::<S>(exps), F::vectors::<S>(labels));
    let mut product = [LogProduct::<S, F>::one(simd); 2];
    for start in (0..items).step_by(ROWS) {
        let first = start / lanes;
        let mut row = [(zero, zero, zero); ROWS];
        for (r, row) in row.iter_mut().enumerate() {
            let there = start + r < items;
            let exp = if there { exps[start + r] } else { F::one() };
            let label = if there { labels[start + r] } else { F::nan() };
            let place = Lanes::splat(simd, (start + r - first * lanes) as f64);
            *row = (Lanes::all(simd, exp), Lanes::all(simd, label), place);
        }
        let mut row_sums = [Wide::<S, F>::zero(simd); ROWS];
        // The rows' own vector, in which only what is behind them counts.
        let mut column = of(columns[first]);
        let (exp_b, label_b) = (of(exps_of[first]), of(labels_of[first]));
        for (&(exp_a, label_a, place), row_sum) in row.iter().zip(&mut row_sums) {
            let part = exp_b / (exp_a + exp_b);
            let part = label_a.equals(label_b).select(zero, part);
            let part = places.above(place).select(part, zero);
            product[0].grow(-part);
            row_sum.add(part);
            column = column + part;
        }
        columns[first] = column.vector();
        let mut from = first + 1;
        while from < vectors {
            let to = vectors.min(from + COLUMNS);
            let mut tile_sums = [zero; ROWS];
            let items = exps_of[from..to].iter().zip(&labels_of[from..to]);
            for (column, (&exp_b, &label_b)) in columns[from..to].iter_mut().zip(items) {
                let (exp_b, label_b) = (of(exp_b), of(label_b));
                // Two quotients by one division: products of two sums stay in the range.
                let mut parts = [zero; ROWS];
                for (parts, row) in parts.chunks_exact_mut(2).zip(row.chunks_exact(2)) {
                    let sums = [row[0].0 + exp_b, row[1].0 + exp_b];
                    let inverse = exp_b / (sums[0] * sums[1]);
                    let quotients = [inverse * sums[1], inverse * sums[0]];
                    for (k, part) in parts.iter_mut().enumerate() {
                        *part = row[k].1.equals(label_b).select(zero, quotients[k]);
                    }
                }
                for (sum, part) in tile_sums.iter_mut().zip(parts) {
                    *sum = *sum + part;
                }
                let [a, b, c, d] = parts;
                *column = (of(*column) + ((a + b) + (c + d))).vector();
                // (1 − a)(1 − b) = 1 − (a + b − ab): two factors in one.
                product[0].grow(a.times_plus(b, -(a + b)));
                product[1].grow(c.times_plus(d, -(c + d)));
            }
            for (row_sum, sum) in row_sums.iter_mut().zip(tile_sums) {
                row_sum.add(sum);
            }
            for product in &mut product {
                product.normalise();
            }
            from = to;
        }
        for (row_sum, grad) in row_sums.into_iter().zip(&mut grad[start..]) {
            *grad -= row_sum.total().round();
        }
        if start % TILE == TILE - ROWS || start + ROWS >= items {
            empty::<S, F>(simd, columns, sums, (start - start % TILE) / lanes);
        }
    }
    add_columns::<S, F>(simd, sums, grad);
    let [a, b] = product;
    -(a.ln().plus(b.ln())).total().round()
}
