//! What a discount makes of the items of a ranked list, as columns.

use super::Ranking;
use super::discount::{Discount, DiscountsByRank};
use crate::numeric::DoubleDouble;

/// What a discount makes of each item of a list: [`Ranking::discounts`] fills it.
///
/// Numbers are pairs: rounded to `f64`, and what rounding took. |d(τ_i) − d(τ_j)| of two items, or its
/// expectation over the orders of tied items, is the difference of their [means](Self::means) where
/// their [groups](Self::groups) differ, and [`within_groups`](Self::within_groups) of either where the
/// groups are the same.
#[derive(Debug, Clone, Default)]
pub struct DiscountColumns {
    means: Vec<(f64, f64)>,
    within_groups: Vec<(f64, f64)>,
    groups: Vec<usize>,
    by_rank: DiscountsByRank<DoubleDouble>,
}

impl DiscountColumns {
    /// For each item its discount d(τ); for tied items under an expectation, the mean over their
    /// ranks.
    #[must_use]
    pub fn means(&self) -> &[(f64, f64)] {
        &self.means
    }

    /// For each item the mean of |d(a) − d(b)| over the pairs of different ranks a, b of its tied
    /// group; 0 for an item that is a group by itself.
    #[must_use]
    pub fn within_groups(&self) -> &[(f64, f64)] {
        &self.within_groups
    }

    /// For each item its tied group, named by the number of items ranked above the group.
    #[must_use]
    pub fn groups(&self) -> &[usize] {
        &self.groups
    }

    pub(super) fn fill(
        &mut self,
        ranking: &Ranking,
        discount: &dyn Discount,
        cutoff: Option<usize>,
    ) {
        let len = ranking.len();
        let cutoff = cutoff.map_or(len, |cutoff| cutoff.min(len));
        let table = self.by_rank.fill(discount, cutoff, |rank| {
            let (hi, lo) = discount.exact(rank);
            DoubleDouble { hi, lo }
        });

        self.means.resize(len, (0.0, 0.0));
        self.within_groups.resize(len, (0.0, 0.0));
        self.groups.resize(len, 0);
        for places in ranking.groups() {
            let counted = &table[places.start.min(cutoff)..places.end.min(cutoff)];
            let (mean, within_group) = mean_and_spread(counted, places.len());
            for &item in &ranking.order()[places.clone()] {
                self.means[item] = (mean.hi, mean.lo);
                self.within_groups[item] = (within_group.hi, within_group.lo);
                self.groups[item] = places.start;
            }
        }
    }
}

/// The mean of `size` discounts in falling order, and the mean of their absolute differences over
/// pairs. Those behind the ones given are 0.
fn mean_and_spread(counted: &[DoubleDouble], size: usize) -> (DoubleDouble, DoubleDouble) {
    if size == 1 {
        return (counted.first().copied().unwrap_or(DoubleDouble::ZERO), DoubleDouble::ZERO);
    }
    let (mut sum, mut spread) = (DoubleDouble::ZERO, DoubleDouble::ZERO);
    for (a, &discount) in counted.iter().enumerate() {
        sum = sum + discount;
        // In Σ_{a < b} (d_a − d_b), d_a counts size − 1 − a times up and a times down.
        spread = spread + discount * ((size - 1) as f64 - 2.0 * a as f64);
    }
    let pairs = size as f64 * (size - 1) as f64 / 2.0;
    (sum / (size as f64).into(), (spread / pairs.into()).abs())
}

#[cfg(test)]
mod tests {
    use super::super::{DiscountTable, LogDiscount, Ranking, ReciprocalDiscount, ScoreTies};
    use super::*;

    /// All orders of `items`.
    fn orders(items: &[usize]) -> Vec<Vec<usize>> {
        if items.is_empty() {
            return vec![vec![]];
        }
        let mut all = Vec::new();
        for (k, &first) in items.iter().enumerate() {
            let mut rest = items.to_vec();
            rest.remove(k);
            all.extend(orders(&rest).into_iter().map(|mut order| {
                order.insert(0, first);
                order
            }));
        }
        all
    }

    /// E|d(τ_i) − d(τ_j)| and E d(τ_i), over all orders of the items that fall by score.
    fn by_all_orders(
        scores: &[f64],
        discount: &dyn Discount,
        cutoff: usize,
        (i, j): (usize, usize),
    ) -> (f64, f64) {
        let items: Vec<_> = (0..scores.len()).collect();
        let at = |order: &[usize], item| {
            let rank = order.iter().position(|&k| k == item).unwrap() + 1;
            if rank <= cutoff { discount.at(rank as f64) } else { 0.0 }
        };
        let (mut difference, mut mean, mut count) = (0.0, 0.0, 0.0);
        for order in orders(&items) {
            if order.is_sorted_by(|&a, &b| scores[a] >= scores[b]) {
                difference += (at(&order, i) - at(&order, j)).abs();
                mean += at(&order, i);
                count += 1.0;
            }
        }
        (difference / count, mean / count)
    }

    #[test]
    fn columns_are_expectations_over_all_orders() {
        let table = DiscountTable::new(vec![3.0, 3.0, 0.5, 0.25]).unwrap();
        let mut columns = DiscountColumns::default();
        for scores in [
            &[0.0; 5][..],
            &[1.0, 0.0, 1.0, 0.0, 0.0],
            &[0.5, 2.0, 1.0],
            &[-0.0, 0.0, 7.0, 0.0],
            &[1.0],
        ] {
            let len = scores.len();
            let ranking = Ranking::new(scores, &vec![0.0; len], ScoreTies::Expected);
            // One after the other in the same memory, so that a table of one serves no other.
            for discount in [&LogDiscount as &dyn Discount, &table, &ReciprocalDiscount, &table] {
                for cutoff in 1..=len + 1 {
                    ranking.discounts(discount, Some(cutoff), &mut columns);
                    for (i, j) in (0..len).flat_map(|i| (0..len).map(move |j| (i, j))) {
                        let case = format!("{scores:?}, {discount:?}@{cutoff}, {i}, {j}");
                        let (expected, mean) = by_all_orders(scores, discount, cutoff, (i, j));
                        let (x, y) = (columns.means()[i], columns.means()[j]);
                        assert!((x.0 - mean).abs() < 1e-14, "{case}");
                        let found = if i == j {
                            0.0
                        } else if columns.groups()[i] == columns.groups()[j] {
                            assert_eq!(columns.within_groups()[i], columns.within_groups()[j]);
                            columns.within_groups()[i].0
                        } else {
                            (x.0 - y.0).abs()
                        };
                        assert!((found - expected).abs() < 1e-14, "{case}: {found}, {expected}");
                    }
                }
            }
        }
    }

    #[test]
    fn without_ties_each_item_has_the_discount_of_its_rank() {
        let (scores, labels) = ([0.0, 1.0, 0.0], [0.0; 3]);
        let mut columns = DiscountColumns::default();
        for ties in [ScoreTies::ByIndex, ScoreTies::Random { seed: 3 }] {
            let ranking = Ranking::new(&scores, &labels, ties);
            ranking.discounts(&LogDiscount, None, &mut columns);
            for item in 0..3 {
                let rank = ranking.rank(item);
                assert_eq!(columns.means()[item], LogDiscount.exact(rank as f64));
                assert_eq!(columns.within_groups()[item], (0.0, 0.0));
                assert_eq!(columns.groups()[item], rank - 1);
            }
        }
    }
}
