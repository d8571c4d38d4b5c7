//! The lambda weight of pairs of which one is among the first k.
//!
//! Δ_ij = |G(ψ_i) − G(ψ_j)| · |d(τ_i) − d(τ_j)| if min(τ_i, τ_j) ≤ k, else 0
//!
//! The discounts are those without a cut-off. An item behind rank k is marked by the sign of its
//! discount.

use super::lambda::{check_gains, gain_domain};
use crate::check::check_cutoff;
use crate::engine::{Factors, PairWeight, RankedList, WeightColumns};
use crate::numeric::DoubleDouble;
use crate::numeric::number::Number;
use crate::ranking::{Discount, ExponentialGain, Gain, LogDiscount, check_discount};
use crate::{Error, List, Precision};

/// The lambda weight of the pairs of which at least one item is among the first k by score, 0 for all
/// others: LightGBM's `lambdarank_truncation_level`.
///
/// [`LambdaWeight::cutoff`](crate::losses::LambdaWeight::cutoff) differs in the discounts: there an
/// item behind rank k has discount 0, so that every pair across rank k weighs what entering the first
/// k is worth, and two items far down weigh alike. Here the discount of the item behind k counts as it
/// is, and a pair weighs what the swap changes of the *full* DCG. LightGBM's advice is a k a little
/// greater than the rank that one is evaluated at. The loss of a list takes O(K·k + K log K).
///
/// Equal scores rank by index.
///
/// ```
/// use lipo::losses::{Logistic, LossExt, PairLoss, TruncatedLambdaWeight};
/// use ndarray::array;
///
/// let loss = PairLoss::new(Logistic, TruncatedLambdaWeight::dcg(1));
/// let value = loss.value(&array![0.0_f64, 1.0, -1.0], &array![1.0, 0.0, 0.0])?;
/// assert!((value - 0.484686).abs() < 1e-6); // |1 - 0| · |1/log2(3) - 1| · log(1 + e); ranks 2 and 3: 0
/// # Ok::<(), lipo::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct TruncatedLambdaWeight<G = ExponentialGain, D = LogDiscount> {
    /// G.
    pub gain: G,
    /// 1/D.
    pub discount: D,
    /// k, the truncation level.
    pub level: usize,
    /// Whether the weights of a list are divided by its greatest DCG at rank k, as in LightGBM.
    pub normalised: bool,
}

impl TruncatedLambdaWeight {
    /// The weight of the DCG, of pairs with an item among the first `level`.
    ///
    /// # Errors
    ///
    /// A loss with a level of 0 is [`Error::Parameter`].
    #[must_use]
    pub const fn dcg(level: usize) -> Self {
        Self { gain: ExponentialGain, discount: LogDiscount, level, normalised: false }
    }

    /// The weight of the DCG, divided by the greatest DCG that the first `level` items can have; 0 in
    /// a list where that is 0.
    ///
    /// # Errors
    ///
    /// A loss with a level of 0 is [`Error::Parameter`].
    #[must_use]
    pub const fn ndcg(level: usize) -> Self {
        Self { normalised: true, ..Self::dcg(level) }
    }
}

impl<G, D> TruncatedLambdaWeight<G, D> {
    /// The same weight with another gain.
    #[must_use]
    pub fn gain<H: Gain>(self, gain: H) -> TruncatedLambdaWeight<H, D> {
        let Self { discount, level, normalised, .. } = self;
        TruncatedLambdaWeight { gain, discount, level, normalised }
    }

    /// The same weight with another discount.
    #[must_use]
    pub fn discount<E: Discount>(self, discount: E) -> TruncatedLambdaWeight<G, E> {
        let Self { gain, level, normalised, .. } = self;
        TruncatedLambdaWeight { gain, discount, level, normalised }
    }
}

impl<G: Gain, D: Discount> PairWeight for TruncatedLambdaWeight<G, D> {
    const FORMULA: bool = true;

    fn cutoff(&self) -> Option<usize> {
        Some(self.level)
    }

    /// The gain in slots 0 and 1, the discount in slots 2 and 3: negative behind the level.
    fn fill(&self, ranked: &RankedList<'_>, columns: &mut WeightColumns) {
        let (list, ranking) = (ranked.list(), ranked.ranking());
        let scale = Factors {
            gain: Some(&self.gain),
            discount: Some(&self.discount),
            cutoff: Some(self.level),
            normalised: self.normalised,
        }
        .scale(&list, &mut columns.slots_mut()[3]); // filled below
        for (item, &label) in list.labels().iter().enumerate() {
            let (hi, lo) = self.gain.exact(label);
            let gain = DoubleDouble { hi, lo } * scale;
            columns.set_in_two(0, item, (gain.hi, gain.lo), list.precision());
            let rank = ranking.rank(item);
            let (hi, lo) = self.discount.exact(rank as f64);
            let discount = if rank <= self.level { (hi, lo) } else { (-hi, -lo) };
            columns.set_in_two(2, item, discount, list.precision());
        }
    }

    #[inline(always)]
    fn delta<N: Number>(&self, i: [N; 4], j: [N; 4]) -> N {
        let zero = i[0].constant(0.0);
        let (i_behind, j_behind) = (zero.above(i[2]), zero.above(j[2]));
        let gain = (i[0] - j[0]) + (i[1] - j[1]);
        let lost_of_i = N::select(i_behind, -i[3], i[3]);
        let lost_of_j = N::select(j_behind, -j[3], j[3]);
        let discount = (i[2].abs() - j[2].abs()) + (lost_of_i - lost_of_j);
        (gain.abs() * discount.abs()).remove(N::both(i_behind, j_behind))
    }

    fn domain(&self, precision: Precision) -> (f64, bool) {
        let plain = self.discount.well_known().is_some() && self.level != 0;
        gain_domain(&self.gain, precision, plain)
    }

    fn check(&self, list: &List<'_>) -> Result<(), Error> {
        check_cutoff(Some(self.level))?;
        check_discount(&self.discount, list.len())?;
        check_gains(&self.gain, list)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::losses::testing::{LENGTHS, check_derivatives, check_weight, list};
    use crate::losses::{Logistic, PairLoss};
    use crate::ranking::{LinearGain, Ranking, ReciprocalDiscount, ScoreTies};

    const GRADES: [f64; 4] = [0.0, 1.0, 3.0, 2.0];

    #[test]
    fn derivatives() {
        let weight = TruncatedLambdaWeight::ndcg(4);
        check_derivatives(&PairLoss::new(Logistic, weight), &GRADES, true);
    }

    #[test]
    fn is_the_formula() {
        for level in [1, 2, 5, 39, 100, 200] {
            for items in LENGTHS {
                let (mut scores, labels) = list(items, &GRADES);
                scores[0] = scores[items - 1]; // a tie
                let ranking = Ranking::new(&scores, &labels, ScoreTies::ByIndex);
                let rank = |item: usize| ranking.rank(item) as f64;
                let counts = |i: usize, j: usize| ranking.rank(i).min(ranking.rank(j)) <= level;
                let linear = |i: usize, j: usize| {
                    let delta = (labels[i] - labels[j]) * (1.0 / rank(i) - 1.0 / rank(j));
                    if counts(i, j) { delta.abs() } else { 0.0 }
                };
                let weight =
                    TruncatedLambdaWeight::dcg(level).gain(LinearGain).discount(ReciprocalDiscount);
                check_weight(&weight, &scores, &labels, linear);

                let gain = |label: f64| label.exp2() - 1.0;
                let mut ideal = labels.clone();
                ideal.sort_by(|a, b| b.total_cmp(a));
                let of_place =
                    |(place, label): (usize, &f64)| gain(*label) / (2.0 + place as f64).log2();
                let best: f64 = ideal.iter().enumerate().take(level).map(of_place).sum();
                let ndcg = |i: usize, j: usize| {
                    let discount = |item: usize| 1.0 / (1.0 + rank(item)).log2();
                    let delta = (gain(labels[i]) - gain(labels[j])) * (discount(i) - discount(j));
                    if counts(i, j) { delta.abs() / best } else { 0.0 }
                };
                check_weight(&TruncatedLambdaWeight::ndcg(level), &scores, &labels, ndcg);
            }
        }
    }

    #[test]
    fn level_0_is_an_error() {
        let loss = PairLoss::new(Logistic, TruncatedLambdaWeight::dcg(0));
        let scores = ndarray::array![0.0, 1.0];
        let found = crate::losses::LossExt::value(&loss, &scores, &scores);
        assert!(matches!(found, Err(Error::Parameter { name: "cut-off", .. })));
    }
}
