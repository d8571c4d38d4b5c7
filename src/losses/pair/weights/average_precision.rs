//! The weight of average precision: what swapping two items would change of it.
//!
//! With y = 1 where an item is relevant, else 0, R = Σ y, N_τ the relevant items up to rank τ, and
//!
//! x_τ = N_τ/τ − Σ_{r ≤ τ} y_r/r,
//!
//! swapping a relevant item i and another j changes R · AP = Σ_τ y_τ N_τ/τ by
//!
//! |x_i − x_j| where i ranks above j, else |(x_i + 1/τ_i) − (x_j + 1/τ_j)|:
//!
//! the term of the place that i leaves, that of the place that it comes to, and y_r/r for each place
//! between them, before which one relevant item fewer or more now stands.

use crate::engine::{PairWeight, RankedList, WeightColumns};
use crate::numeric::DoubleDouble;
use crate::numeric::number::Number;
use crate::{Error, Precision};

/// The weight Δ_ij by which swapping two items in the ranking would change the average precision,
/// |ΔAP|: `XGBoost`'s `rank:map`, LambdaMAP (Donmez et al. 2009,
/// [doi 10.1145/1571941.1572021](https://doi.org/10.1145/1571941.1572021)).
///
/// An item is relevant if its label is at least the threshold. Pairs of equal relevance have weight
/// 0, even where their labels differ, and a list without a relevant item has value 0. One wants it
/// for binary judgements, where every relevant item is to be found: average precision falls off
/// less steeply than [`LambdaWeight`](crate::losses::LambdaWeight)'s DCG between relevant items that
/// are missed. Equal scores rank by index.
///
/// ```
/// use lipo::losses::{AveragePrecisionWeight, Logistic, LossExt, PairLoss};
/// use ndarray::array;
///
/// let loss = PairLoss::new(Logistic, AveragePrecisionWeight::new(1.0)?);
/// let value = loss.value(&array![0.0_f64, 1.0], &array![1.0, 0.0])?;
/// assert!((value - 0.656631).abs() < 1e-6); // |1/2 - 1| · log(1 + e)
/// # Ok::<(), lipo::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AveragePrecisionWeight {
    threshold: f64,
}

impl AveragePrecisionWeight {
    /// The weight with the least label of a relevant item, finite.
    ///
    /// # Errors
    ///
    /// [`Error::Parameter`] for any other threshold.
    pub fn new(threshold: f64) -> Result<Self, Error> {
        let threshold = crate::losses::pair::finite_parameter("threshold", threshold)?;
        Ok(Self { threshold })
    }

    /// The least label of a relevant item.
    #[must_use]
    pub fn threshold(&self) -> f64 {
        self.threshold
    }
}

impl PairWeight for AveragePrecisionWeight {
    const FORMULA: bool = true;

    /// y/R in slot 0, x in slots 1 and 2, τ in slot 3.
    fn fill(&self, ranked: &RankedList<'_>, columns: &mut WeightColumns) {
        let (list, order) = (ranked.list(), ranked.ranking().order());
        let is_relevant = |item: usize| list.labels()[item] >= self.threshold;
        let relevant = order.iter().filter(|&&item| is_relevant(item)).count();
        let (mut above, mut reciprocals) = (0.0, DoubleDouble::ZERO);
        for (place, &item) in order.iter().enumerate() {
            let rank = (place + 1) as f64;
            if is_relevant(item) {
                above += 1.0;
                reciprocals = reciprocals + DoubleDouble::ONE / rank.into();
                columns.slots_mut()[0][item] = (relevant as f64).recip();
            }
            let x = DoubleDouble::from(above) / rank.into() - reciprocals;
            columns.set_in_two(1, item, (x.hi, x.lo), list.precision());
            columns.slots_mut()[3][item] = rank;
        }
    }

    #[inline(always)]
    fn delta<N: Number>(&self, i: [N; 4], j: [N; 4]) -> N {
        let share = i[0] - j[0];
        let (zero, one) = (share.constant(0.0), share.constant(1.0));
        // Where the relevant item of the two ranks below the other: 1/τ_i − 1/τ_j.
        let below = (share * (i[3] - j[3])).above(zero);
        // Lanes without a pair have no ranks.
        let reciprocals = (j[3] - i[3]) / (i[3] * j[3]).max(one);
        let change = ((i[1] - j[1]) + reciprocals.keep(below)) + (i[2] - j[2]);
        share.abs() * change.abs()
    }

    fn domain(&self, _: Precision) -> (f64, bool) {
        (f64::INFINITY, false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::losses::testing::{LENGTHS, check_derivatives, check_weight, list};
    use crate::losses::{Logistic, PairLoss};
    use crate::ranking::{Ranking, ScoreTies};

    const GRADES: [f64; 4] = [0.0, 1.0, 3.0, 2.0];

    #[test]
    fn derivatives() {
        let weight = AveragePrecisionWeight::new(2.0).unwrap();
        check_derivatives(&PairLoss::new(Logistic, weight), &GRADES, true);
    }

    /// The average precision of an order, from its definition.
    fn average_precision(order: &[usize], is_relevant: impl Fn(usize) -> bool) -> f64 {
        let (mut found, mut sum) = (0.0, 0.0);
        for (place, &item) in order.iter().enumerate() {
            if is_relevant(item) {
                found += 1.0;
                sum += found / (place + 1) as f64;
            }
        }
        if found > 0.0 { sum / found } else { 0.0 }
    }

    #[test]
    fn is_what_a_swap_changes() {
        for threshold in [1.0, 2.0, 3.0, 4.0, -1.0] {
            for items in LENGTHS {
                let (mut scores, labels) = list(items, &GRADES);
                scores[0] = scores[items - 1]; // a tie
                let ranking = Ranking::new(&scores, &labels, ScoreTies::ByIndex);
                let of = |order: &[usize]| average_precision(order, |k| labels[k] >= threshold);
                let before = of(ranking.order());
                let delta = |i: usize, j: usize| {
                    let mut order = ranking.order().to_vec();
                    order.swap(ranking.rank(i) - 1, ranking.rank(j) - 1);
                    (of(&order) - before).abs()
                };
                let weight = AveragePrecisionWeight::new(threshold).unwrap();
                check_weight(&weight, &scores, &labels, delta);
            }
        }
    }
}
