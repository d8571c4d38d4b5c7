//! The weight of a rank distance: how much two items that many ranks apart can change the DCG.
//!
//! Δ_ij = |G(ψ_i) − G(ψ_j)| · |d(δ) − d(δ + 1)|, δ = |τ_i − τ_j|
//!
//! For d(r) = 1/log2(1 + r) the second factor is log 2 · log(1 + 1/(1 + δ)) / [log(1 + δ) log(2 + δ)],
//! in which nothing cancels.

use std::f64::consts::LN_2;

use super::lambda::{check_gains, gain_domain};
use crate::engine::{PairWeight, RankedList, WeightColumns};
use crate::numeric::number::Number;
use crate::ranking::{Discount, ExponentialGain, Gain, LogDiscount, WellKnown, check_discount};
use crate::{Error, List, Precision};

/// The weight Δ_ij = |G_i − G_j| · |1/D(δ) − 1/D(δ + 1)| of the rank distance δ = |τ_i − τ_j|, with
/// replaceable gain G and discount 1/D: LambdaLoss's NDCG-Loss2 (Wang et al. 2018,
/// [doi 10.1145/3269206.3271784](https://doi.org/10.1145/3269206.3271784), Section 5.3), Rax's
/// `dcg2_lambdaweight` without its factor K.
///
/// It bounds the DCG more tightly than [`LambdaWeight`](crate::losses::LambdaWeight) does. Neighbours
/// in the ranking weigh most, wherever they stand; the weight of a pair far down the list does not
/// fade, so that a list is sorted throughout. Equal scores rank by index.
///
/// With the default discount the weight is computed in vectors; with another, the discount is
/// called twice for each pair.
///
/// ```
/// use lipo::losses::{Logistic, LossExt, PairLoss, RankDistance};
/// use ndarray::array;
///
/// let loss = PairLoss::new(Logistic, RankDistance::dcg());
/// let value = loss.value(&array![0.0_f64, 1.0, 2.0], &array![1.0, 0.0, 0.0])?;
/// // log(1 + e) |1/log2(2) - 1/log2(3)| + log(1 + e²) |1/log2(3) - 1/log2(4)|
/// assert!((value - 0.763164).abs() < 1e-6);
/// # Ok::<(), lipo::Error>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq)]
#[non_exhaustive]
pub struct RankDistance<G = ExponentialGain, D = LogDiscount> {
    /// G.
    pub gain: G,
    /// 1/D.
    pub discount: D,
}

impl RankDistance {
    /// The weight of the DCG's gain and discount, the default.
    #[must_use]
    pub const fn dcg() -> Self {
        Self { gain: ExponentialGain, discount: LogDiscount }
    }
}

impl<G, D> RankDistance<G, D> {
    /// The weight of a gain and a discount.
    pub const fn new(gain: G, discount: D) -> Self {
        Self { gain, discount }
    }
}

impl<G: Gain, D: Discount> PairWeight for RankDistance<G, D> {
    const FORMULA: bool = true;

    /// The gain in slots 0 and 1, the rank in slot 2.
    fn fill(&self, ranked: &RankedList<'_>, columns: &mut WeightColumns) {
        let (list, ranking) = (ranked.list(), ranked.ranking());
        for (item, &label) in list.labels().iter().enumerate() {
            columns.set_in_two(0, item, self.gain.exact(label), list.precision());
            columns.slots_mut()[2][item] = ranking.rank(item) as f64;
        }
    }

    #[inline(always)]
    fn delta<N: Number>(&self, i: [N; 4], j: [N; 4]) -> N {
        let gain = (i[0] - j[0]) + (i[1] - j[1]);
        let one = gain.constant(1.0);
        // Lanes without a pair have no distance.
        let distance = (i[2] - j[2]).abs().max(one);
        let fall = match self.discount.well_known() {
            Some(WellKnown::Log) => {
                let (near, far) = (distance.ln_1p(), (distance + one).ln_1p());
                (one / (distance + one)).ln_1p_unit().times(LN_2) / (near * far)
            }
            Some(WellKnown::Reciprocal) => one / (distance * (distance + one)),
            None => distance.map(|delta| self.discount.at(delta) - self.discount.at(delta + 1.0)),
        };
        gain.abs() * fall.abs()
    }

    fn domain(&self, precision: Precision) -> (f64, bool) {
        gain_domain(&self.gain, precision, self.discount.well_known().is_some())
    }

    fn check(&self, list: &List<'_>) -> Result<(), Error> {
        check_discount(&self.discount, list.len())?;
        check_gains(&self.gain, list)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::losses::testing::{LENGTHS, check_derivatives, check_weight, list};
    use crate::losses::{Logistic, PairLoss};
    use crate::ranking::{DiscountTable, LinearGain, Ranking, ReciprocalDiscount, ScoreTies};

    const GRADES: [f64; 4] = [0.0, 1.0, 3.0, 1.0];

    #[test]
    fn derivatives() {
        check_derivatives(&PairLoss::new(Logistic, RankDistance::dcg()), &GRADES, true);
    }

    /// The formula as printed, by ranks from a sort.
    fn check_formula<D: Discount + Copy>(discount: D) {
        for items in LENGTHS {
            let (mut scores, labels) = list(items, &GRADES);
            scores[0] = scores[items - 1]; // a tie
            let ranking = Ranking::new(&scores, &labels, ScoreTies::ByIndex);
            let delta = |i: usize, j: usize| {
                let delta = ranking.rank(i).abs_diff(ranking.rank(j)) as f64;
                (labels[i] - labels[j]).abs() * (discount.at(delta) - discount.at(delta + 1.0))
            };
            check_weight(&RankDistance::new(LinearGain, discount), &scores, &labels, delta);
        }
    }

    #[test]
    fn is_the_formula_of_each_discount() {
        check_formula(LogDiscount);
        check_formula(ReciprocalDiscount);
        check_formula(&DiscountTable::new(vec![1.0, 0.7, 0.6, 0.1]).unwrap());
    }
}
