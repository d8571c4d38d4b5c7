//! The pairwise losses: each unordered pair once.

use std::ops::Range;

use pulp::Simd;

use super::super::pairs::{
    ActivePairs, HingePairs, ItemWeights, LambdaWeights, LogisticPairs, Margins, Pairs, Unit,
    WeightedPairs, fill_gains,
};
use super::super::{TILE, add_at};
use super::{BlockLoss, Side, Slopes, Spare, exponentials};
use crate::vector::{Lanes, Wide};
use crate::{Precision, Real};

pub(super) struct Hinge {
    /// That of the caller's arrays.
    pub(super) precision: Precision,
}

impl<F: Real> BlockLoss<F> for Hinge {
    #[inline(always)]
    fn compute<S: Simd>(
        self,
        simd: S,
        Side { scores, labels, weights }: Side<'_, S, F>,
        spare: &mut Spare<F>,
        grad: &mut Slopes<'_, S, F>,
    ) -> (Wide<S, F>, Lanes<S, F>) {
        let margins = Margins::of(simd, self.precision, scores, labels);
        let sums = &mut spare.sums;
        let value = if let Some(weights) = weights {
            let pairs = HingePairs::of(margins, ItemWeights(simd, weights));
            sum_over_pairs(simd, pairs, sums, grad)
        } else if F::EXACT_PRODUCTS {
            sum_over_pairs(simd, ActivePairs::of(margins), sums, grad)
        } else {
            sum_over_pairs(simd, HingePairs::of(margins, Unit(simd)), sums, grad)
        };
        (value, Lanes::splat(simd, 0.0))
    }
}

pub(super) struct Logistic;

impl<F: Real> BlockLoss<F> for Logistic {
    #[inline(always)]
    fn compute<S: Simd>(
        self,
        simd: S,
        Side { scores, labels, weights }: Side<'_, S, F>,
        spare: &mut Spare<F>,
        grad: &mut Slopes<'_, S, F>,
    ) -> (Wide<S, F>, Lanes<S, F>) {
        let Spare { exps, sums, .. } = spare;
        let trust = exponentials(simd, scores, labels, F::vectors_mut::<S>(exps));
        let pairs = LogisticPairs::of(simd, scores, labels, F::vectors::<S>(exps));
        let value = if let Some(weights) = weights {
            let pairs = WeightedPairs::of(pairs, ItemWeights(simd, weights));
            sum_over_pairs(simd, pairs, sums, grad)
        } else {
            sum_over_pairs(simd, pairs, sums, grad)
        };
        (value, trust)
    }
}

pub(super) struct Lambda<'a, F> {
    /// 1/D of the ranks from 1 on, rounded, and what rounding took; of those behind it is 0.
    pub(super) rank_discounts: &'a [[F; 2]],
}

impl<F: Real> BlockLoss<F> for Lambda<'_, F> {
    #[inline(always)]
    fn compute<S: Simd>(
        self,
        simd: S,
        Side { scores, labels, weights }: Side<'_, S, F>,
        spare: &mut Spare<F>,
        grad: &mut Slopes<'_, S, F>,
    ) -> (Wide<S, F>, Lanes<S, F>) {
        let Spare { exps, ranks, gains, discounts, sums, .. } = spare;
        let trust = exponentials(simd, scores, labels, F::vectors_mut::<S>(exps))
            + fill_gains(simd, labels, gains);
        rank::<S, F>(simd, scores, F::vectors_mut::<S>(ranks));
        fill_discounts(ranks, self.rank_discounts, discounts);
        let lambda = LambdaWeights::of(simd, labels.len(), gains, discounts);
        let pairs = LogisticPairs::of(simd, scores, labels, F::vectors::<S>(exps));
        let value = if let Some(weights) = weights {
            let weights = (ItemWeights(simd, weights), lambda);
            sum_over_pairs(simd, WeightedPairs::of(pairs, weights), sums, grad)
        } else {
            sum_over_pairs(simd, WeightedPairs::of(pairs, lambda), sums, grad)
        };
        (value, trust)
    }
}

/// The 1-based ranks by score, descending, equal scores by index.
#[inline(always)]
fn rank<S: Simd, F: Real>(simd: S, scores: &[F::Vector<S>], ranks: &mut [F::Vector<S>]) {
    let of = |x: F::Vector<S>| Lanes::<S, F>::of(simd, x);
    let one = Lanes::splat(simd, 1.0);
    for (i, &score) in scores.iter().enumerate() {
        let mut rank_i = one;
        for (&before, rank_j) in scores[..i].iter().zip(&mut ranks[..i]) {
            let first = of(score).above(of(before));
            rank_i = rank_i + first.remove(one);
            *rank_j = (of(*rank_j) + first.keep(one)).vector();
        }
        ranks[i] = rank_i.vector();
    }
}

/// 1/D of 1-based ranks, rounded, and what rounding took; 0 behind the last that is given.
#[inline(always)]
fn fill_discounts<F: Real>(
    ranks: &[F],
    rank_discounts: &[[F; 2]],
    [rounded, lost]: &mut [Vec<F>; 2],
) {
    for ((rounded, lost), rank) in rounded.iter_mut().zip(lost).zip(ranks) {
        // A whole number: that of the last bits once 2⁵² is added. A conversion would ask for more.
        #[allow(clippy::cast_possible_truncation)]
        let rank = (rank.widen() + 4_503_599_627_370_496.0).to_bits() as u32 as usize;
        [*rounded, *lost] = rank_discounts.get(rank - 1).copied().unwrap_or([F::zero(); 2]);
    }
}

/// The value and the gradient of a pair loss.
#[inline(always)]
fn sum_over_pairs<S: Simd, F: Real, P: Pairs<S, F>>(
    simd: S,
    mut pairs: P,
    sums: &mut [f64],
    grad: &mut Slopes<'_, S, F>,
) -> Wide<S, F> {
    let zero = Lanes::<S, F>::splat(simd, 0.0);
    let items = grad.out.len();
    let mut column_slopes = [zero; TILE];
    if items <= TILE {
        tile(simd, &mut pairs, (0..items, 0), &mut column_slopes, None);
        for (k, &slopes) in column_slopes[..items].iter().enumerate() {
            grad.put_wide(k, pairs.end_item(k, Wide::from_lanes(slopes)));
        }
        return pairs.value();
    }
    let sums = S::as_mut_simd_f64s(sums).0;
    sums.fill(simd.splat_f64s(0.0));
    for row_tile in (0..items).step_by(TILE) {
        let rows = row_tile..items.min(row_tile + TILE);
        for column_tile in (0..=row_tile).step_by(TILE) {
            column_slopes = [zero; TILE];
            tile(
                simd,
                &mut pairs,
                (rows.clone(), column_tile),
                &mut column_slopes,
                Some(&mut *sums),
            );
            for (j, &slopes) in (column_tile..items).zip(&column_slopes) {
                add_at(simd, sums, j, slopes);
            }
        }
    }
    for k in 0..items {
        let slopes = Wide::of(simd, [sums[2 * k], sums[2 * k + 1]]);
        grad.put_wide(k, pairs.end_item(k, slopes));
    }
    pairs.value()
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
