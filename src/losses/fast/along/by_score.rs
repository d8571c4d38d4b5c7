//! The pairwise losses of a list sorted by score: each item against those behind it.

use pulp::{Simd, WithSimd};

use super::super::pairs::{LambdaWeights, LogisticPairs, OfLane, Pairs, WeightedPairs, fill_gains};
use super::super::{MOST_LANES, TILE};
use super::{Columns, Long, fill_exps_from_midrange};
use crate::Real;
use crate::vector::{Lanes, LogProduct, Wide};

/// The lambda-loss of a list sorted by score: each item against those behind it. Of ranks behind the
/// last that is given 1/D is 0.
pub(super) struct Lambda<'a, F> {
    pub(super) long: &'a mut Long<F>,
    /// Of the ranks that count.
    pub(super) rank_discounts: &'a [[F; 2]],
}

impl<F: Real> WithSimd for Lambda<'_, F> {
    type Output = f64;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> f64 {
        let Self { long, rank_discounts } = self;
        let Long { scores, labels, exps, gains, discounts, sums, columns, grad, .. } = long;
        let items = grad.len();
        let spread = fill_exps_from_midrange(simd, scores, exps);
        // Of items that fill up, a pair comes to 0.
        exps[items..].fill(F::zero());
        for numbers in &mut *gains {
            numbers.resize(scores.len(), F::zero());
        }
        labels[items..].fill(F::zero());
        let trust = fill_gains::<S, F>(simd, F::vectors::<S>(labels), gains);
        let trust = Wide::from_lanes(trust).total().round();
        if spread > F::SPREAD || trust != 0.0 {
            return f64::NAN;
        }
        labels[items..].fill(F::nan());
        let [rounded, lost] = &mut *discounts;
        rounded.clear();
        lost.clear();
        for &[of_rank, lost_of_rank] in rank_discounts {
            rounded.push(of_rank);
            lost.push(lost_of_rank);
        }
        rounded.resize(scores.len(), F::zero());
        lost.resize(scores.len(), F::zero());
        let (scores, labels) = (F::vectors::<S>(scores), F::vectors::<S>(labels));
        let logistic = LogisticPairs::of(simd, scores, labels, F::vectors::<S>(exps));
        let mut pairs =
            WeightedPairs::of(logistic, LambdaWeights::of(simd, labels.len(), gains, discounts));
        // Behind the last rank that counts, all pairs weigh 0.
        rows(simd, &mut pairs, rank_discounts.len(), (sums, columns), grad);
        pairs.value().total().round()
    }
}

/// The gradient of the lambda-loss, each of the first items against the vectors of those behind it.
#[inline(always)]
fn rows<S: Simd, F: Real>(
    simd: S,
    pairs: &mut WeightedPairs<'_, S, F, LambdaWeights<'_, S, F>>,
    rows: usize,
    room: (&mut Vec<f64>, &mut Vec<F>),
    grad: &mut [f64],
) {
    let lanes = F::lanes::<S>();
    let places = places::<S, F>(simd);
    let mut columns = Columns::<S, F>::none(simd, grad.len().div_ceil(lanes), room);
    for (row, grad) in grad[..rows].iter_mut().enumerate() {
        let item = pairs.item(row / lanes).of_lane(row % lanes);
        let mut row_sum = Wide::zero(simd);
        // Of the row's own vector, those behind it.
        let mut present = Some(places.above(Lanes::splat(simd, (row % lanes) as f64)));
        let mut first = row / lanes;
        for columns in columns.slopes[first..].chunks_mut(TILE) {
            row_sum.add(pairs.add_behind(item, first, present.take(), columns));
            pairs.end_row();
            first += TILE;
        }
        *grad += row_sum.total().round();
        if row % TILE == TILE - 1 || row + 1 == rows {
            columns.settle((row - row % TILE) / lanes);
        }
    }
    columns.add_to(grad);
}

/// The numbers of the lanes: 0, 1, …
#[inline(always)]
fn places<S: Simd, F: Real>(simd: S) -> Lanes<S, F> {
    let mut places = [F::zero(); MOST_LANES];
    for (k, place) in places.iter_mut().enumerate() {
        *place = F::narrow(k as f64);
    }
    Lanes::of(simd, F::vectors::<S>(&places)[0])
}

/// Σ log(1 − q) of a list sorted by score, q = E_b/(E_a + E_b) for a before b, over pairs of unequal
/// labels; the gradient is that of its negative: −Σ_b q_ab + Σ_a q_ak.
pub(super) struct Logistic<'a, F> {
    pub(super) long: &'a mut Long<F>,
}

impl<F: Real> WithSimd for Logistic<'_, F> {
    type Output = f64;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> f64 {
        /// Rows at a time, and vectors of columns between two normalisations.
        const ROWS: usize = 4;
        const COLUMNS: usize = 32;
        let Long { scores, labels, exps, sums, columns, grad, .. } = self.long;
        let (items, lanes) = (grad.len(), F::lanes::<S>());
        // An exponential over the product of two must not leave the range either.
        if fill_exps_from_midrange(simd, scores, exps) > 0.7 * F::SPREAD {
            return f64::NAN;
        }
        exps[items..].fill(F::zero());

        let of = |x: F::Vector<S>| Lanes::<S, F>::of(simd, x);
        let zero = Lanes::<S, F>::splat(simd, 0.0);
        let vectors = exps.len() / lanes;
        let places = places::<S, F>(simd);
        let mut columns = Columns::<S, F>::none(simd, vectors, (sums, columns));
        let (exps_of, labels_of) = (F::vectors::<S>(exps), F::vectors::<S>(labels));
        let mut product = [LogProduct::<S, F>::one(simd); 2];
        for start in (0..items).step_by(ROWS) {
            let first = start / lanes;
            let mut row = [(zero, zero); ROWS];
            for (r, row) in row.iter_mut().enumerate() {
                let there = start + r < items;
                let exp = if there { exps[start + r] } else { F::one() };
                let label = if there { labels[start + r] } else { F::nan() };
                *row = (Lanes::all(simd, exp), Lanes::all(simd, label));
            }
            let mut row_sums = [Wide::<S, F>::zero(simd); ROWS];
            // The rows' own vectors, in which only what is behind them counts.
            let mut from = first;
            while from < vectors.min((start + ROWS).div_ceil(lanes)) {
                let mut column = of(columns.slopes[from]);
                let (exp_b, label_b) = (of(exps_of[from]), of(labels_of[from]));
                for (r, (&(exp_a, label_a), row_sum)) in row.iter().zip(&mut row_sums).enumerate() {
                    let place = (start + r) as f64 - (from * lanes) as f64;
                    let part = exp_b / (exp_a + exp_b);
                    let part = label_a.equals(label_b).remove(part);
                    let part = places.above(Lanes::splat(simd, place)).keep(part);
                    product[0].grow(-part);
                    row_sum.add(part);
                    column = column + part;
                }
                columns.slopes[from] = column.vector();
                from += 1;
            }
            while from < vectors {
                let to = vectors.min(from + COLUMNS);
                let mut tile_sums = [zero; ROWS];
                let items = exps_of[from..to].iter().zip(&labels_of[from..to]);
                for (column, (&exp_b, &label_b)) in columns.slopes[from..to].iter_mut().zip(items) {
                    let (exp_b, label_b) = (of(exp_b), of(label_b));
                    // Two quotients by one division: products of two sums stay in the range.
                    let mut parts = [zero; ROWS];
                    for (parts, row) in parts.chunks_exact_mut(2).zip(row.chunks_exact(2)) {
                        let sums = [row[0].0 + exp_b, row[1].0 + exp_b];
                        let inverse = exp_b / (sums[0] * sums[1]);
                        let quotients = [inverse * sums[1], inverse * sums[0]];
                        for (k, part) in parts.iter_mut().enumerate() {
                            *part = row[k].1.equals(label_b).remove(quotients[k]);
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
                columns.settle((start - start % TILE) / lanes);
            }
        }
        columns.add_to(grad);
        let [a, b] = product;
        -(a.ln().plus(b.ln())).total().round()
    }
}
