//! The pairwise losses of a list of few distinct labels, by grade: each item against those of lesser
//! grades, so that pairs of equal labels cost nothing.

use pulp::{Simd, WithSimd};

use super::super::TILE;
use super::super::grades::Grades;
use super::super::pairs::{LambdaWeights, LogisticPairs, OfLane, Pairs, WeightedPairs, fill_gains};
use super::{Columns, Long, fill_exps_from_midrange};
use crate::Real;
use crate::vector::{Lanes, Wide};

/// Pair-logistic, or else the lambda-loss.
pub(super) struct ByGrade<'a, F> {
    pub(super) is_lambda: bool,
    pub(super) long: &'a mut Long<F>,
    pub(super) grades: &'a Grades,
    /// Of the lambda-loss: the order by score, and 1/D of the ranks that count.
    pub(super) by_score: &'a [usize],
    pub(super) rank_discounts: &'a [[F; 2]],
}

impl<F: Real> WithSimd for ByGrade<'_, F> {
    type Output = f64;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> f64 {
        let Self { is_lambda, long, grades, by_score, rank_discounts } = self;
        let Long { scores, labels, exps, gains, discounts, sums, columns, grad, places, wide } =
            long;
        if fill_exps_from_midrange(simd, scores, exps) > F::SPREAD {
            return f64::NAN;
        }
        let (scores, labels) = (F::vectors::<S>(scores), F::vectors::<S>(labels));
        let pairs = LogisticPairs::of(simd, scores, labels, F::vectors::<S>(exps));
        let [slopes, ..] = wide;
        slopes.clear();
        slopes.resize(exps.len(), 0.0);
        let room = (sums, columns);
        let value = if is_lambda {
            for numbers in gains.iter_mut().chain(&mut *discounts) {
                numbers.clear();
                numbers.resize(exps.len(), F::zero());
            }
            let trust = fill_gains::<S, F>(simd, labels, gains);
            if Wide::from_lanes(trust).total().round() != 0.0 {
                return f64::NAN;
            }
            let [rounded, lost] = &mut *discounts;
            for (&item, &discount) in by_score.iter().zip(rank_discounts) {
                let place = places[item];
                [rounded[place], lost[place]] = discount;
            }
            let pairs =
                WeightedPairs::of(pairs, LambdaWeights::of(simd, labels.len(), gains, discounts));
            sum_over_pairs(simd, pairs, &grades.sizes, room, slopes)
        } else {
            sum_over_pairs(simd, pairs, &grades.sizes, room, slopes)
        };
        grad.clear();
        grad.extend(places.iter().map(|&place| slopes[place]));
        value
    }
}

/// The value and the gradient; of grades of these sizes, each filled up to whole vectors.
#[inline(always)]
fn sum_over_pairs<S: Simd, F: Real, P: Pairs<S, F>>(
    simd: S,
    mut pairs: P,
    sizes: &[usize],
    room: (&mut Vec<f64>, &mut Vec<F>),
    grad: &mut [f64],
) -> f64
where
    P::Item: OfLane,
{
    let lanes = F::lanes::<S>();
    let mut columns = Columns::<S, F>::none(simd, grad.len() / lanes, room);
    let item = |pairs: &P, k: usize| pairs.item(k / lanes).of_lane(k % lanes);
    let mut first = 0;
    for size in sizes {
        let behind = (first + size).div_ceil(lanes);
        for (nth, grad) in grad[first..][..*size].chunks_mut(2).enumerate() {
            let row = first + 2 * nth;
            let both = grad.len() == 2;
            let second = if both { item(&pairs, row + 1) } else { pairs.absent() };
            let two = [item(&pairs, row), second];
            let mut row_sums = [Wide::<S, F>::zero(simd); 2];
            let mut column = behind;
            for of_columns in columns.slopes[behind..].chunks_mut(TILE) {
                let mut slopes = [pairs.zero(); TILE];
                let slopes = &mut slopes[..of_columns.len()];
                let of_two = pairs.add_rows(two, column, slopes);
                pairs.end_row();
                pairs.end_tile();
                for (sum, of_row) in row_sums.iter_mut().zip(of_two) {
                    sum.add(of_row);
                }
                for (of_column, &slope) in of_columns.iter_mut().zip(&*slopes) {
                    *of_column = (Lanes::<S, F>::of(simd, *of_column) + slope).vector();
                }
                column += TILE;
            }
            for (grad, sum) in grad.iter_mut().zip(row_sums) {
                *grad += sum.total().round();
            }
            if 2 * nth % TILE == TILE - 2 {
                columns.settle(behind);
            }
        }
        columns.settle(behind);
        first = behind * lanes;
    }
    columns.add_to(grad);
    pairs.value().total().round()
}
