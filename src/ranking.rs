//! Rankings: orders and ranks, equal scores, gains of labels and discounts of ranks.
//!
//! Pair weights, metrics and smoothed metrics speak of the same few things:
//!
//! - The *order* of a list has its items by score, descending, and the *rank* τ of an item is its
//!   1-based place in the order. [`Ranking`] holds both.
//! - *Tied* items have equal scores (−0.0 equals 0.0). [`ScoreTies`] says which ranks they get.
//! - The *gain* G of an item is a function of its label: [`Gain`].
//! - The *discount* d of a rank is the factor that multiplies the gain of the item at that rank:
//!   [`Discount`]. It falls from rank to rank; the DCG's is 1/log2(1 + r).
//! - A *cut-off* is the last rank that counts, an `Option<usize>` beside the discount: a discount
//!   beyond the cut-off is 0.
//!
//! ```
//! use lipo::ranking::{Discount, ExponentialGain, Gain, LogDiscount, Ranking, ScoreTies};
//!
//! let (scores, labels) = ([2.0, 1.0, 3.0], [2.0, 0.0, 1.0]);
//! let ranking = Ranking::new(&scores, &labels, ScoreTies::ByIndex);
//! assert_eq!(ranking.order(), [2, 0, 1]);
//! let term = |item| ExponentialGain.at(labels[item]) * LogDiscount.at(ranking.rank(item) as f64);
//! let dcg: f64 = (0..3).map(term).sum();
//! assert!((dcg - 2.892789).abs() < 1e-6); // 1/log2(2) + 3/log2(3) + 0/log2(4)
//! ```

use std::ops::Range;

use crate::numeric::SplitMix64;

mod columns;
mod discount;
mod gain;
mod order;

pub use columns::DiscountColumns;
pub use discount::{
    Discount, DiscountFn, DiscountTable, LogDiscount, ReciprocalDiscount, discount_fn,
};
pub(crate) use discount::{DiscountsByRank, WellKnown, check_discount};
pub use gain::{ExponentialGain, Gain, GainFn, GainTable, LinearGain, gain_fn};
pub use order::argsort_descending;
pub(crate) use order::{argsort_by_descending, count_greater, sort_greatest};

/// The ranks of items with equal scores.
///
/// They matter: before the first step of training, where the policy is the reference, all scores
/// are 0, and a weight or a metric that looks at ranks sees nothing but this rule.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ScoreTies {
    /// By index, ascending, as in Rax; −0.0 equals 0.0.
    #[default]
    ByIndex,
    /// The expectation over uniformly random orders of the tied items, in closed form: a permutation
    /// of the items permutes the results, whatever is tied. The order itself is that by index.
    Expected,
    /// A random order, drawn from the seed and the list's labels, so that a list's order does not
    /// depend on the lists beside it. Lists of the same labels get the same order: change the seed
    /// from step to step.
    Random {
        /// The seed.
        seed: u64,
    },
}

/// The order of the items of one list by score, descending, and what follows from it.
///
/// One `Ranking` serves many lists in turn: [`update`](Self::update) reuses its memory.
#[derive(Debug, Clone, Default)]
pub struct Ranking {
    order: Vec<usize>,
    /// The place of each item in the order.
    places: Vec<usize>,
    /// The place at which each tied group ends; empty where every item is a group by itself.
    group_ends: Vec<usize>,
    random_keys: Vec<u64>,
}

impl Ranking {
    /// The ranking of a list. Only [`ScoreTies::Random`] looks at the labels.
    ///
    /// NaN scores rank first where their sign bit is clear, else last.
    ///
    /// # Panics
    ///
    /// Where there are not as many labels as scores.
    #[must_use]
    pub fn new(scores: &[f64], labels: &[f64], ties: ScoreTies) -> Self {
        let mut ranking = Self::default();
        ranking.update(scores, labels, ties);
        ranking
    }

    /// Makes this the ranking of another list, as [`new`](Self::new) does, in the same memory.
    ///
    /// # Panics
    ///
    /// Where there are not as many labels as scores.
    pub fn update(&mut self, scores: &[f64], labels: &[f64], ties: ScoreTies) {
        assert_eq!(scores.len(), labels.len(), "a label for each score");
        let random = matches!(ties, ScoreTies::Random { .. });
        let Self { order, places, group_ends, random_keys } = self;
        places.resize(scores.len(), 0);
        order.resize(scores.len(), 0);
        let few = scores.len() <= order::FEW;
        let ranked = few.then(|| order::rank_few(scores, places, !random)).flatten();
        let may_be_tied = if let Some(tied) = ranked {
            places.iter().enumerate().for_each(|(item, &place)| order[place] = item);
            tied
        } else {
            argsort(scores, labels, ties, random_keys, order);
            order.iter().enumerate().for_each(|(place, &item)| places[item] = place);
            true
        };
        group_ends.clear();
        if may_be_tied && ties == ScoreTies::Expected {
            let mut end = 0;
            group_ends.extend(order.chunk_by(|&i, &j| scores[i] == scores[j]).map(|group| {
                end += group.len();
                end
            }));
        }
    }

    /// The number of items.
    #[must_use]
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// Whether there are no items.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// The items from rank 1 on.
    #[must_use]
    pub fn order(&self) -> &[usize] {
        &self.order
    }

    /// The rank τ of an item, from 1 on. Under [`ScoreTies::Expected`] it is that by index, one of
    /// the ranks of the item's tied group.
    ///
    /// # Panics
    ///
    /// Where there is no such item.
    #[must_use]
    pub fn rank(&self, item: usize) -> usize {
        self.places[item] + 1
    }

    /// The tied groups from rank 1 on, as ranges of places in the [`order`](Self::order). Within a
    /// group every order is as likely as any other. Unless the rule is [`ScoreTies::Expected`], every
    /// item is a group by itself.
    ///
    /// ```
    /// use lipo::ranking::{Ranking, ScoreTies};
    ///
    /// let scores = [0.5, 0.7, 0.5];
    /// let ranking = Ranking::new(&scores, &[0.0; 3], ScoreTies::Expected);
    /// let groups: Vec<_> = ranking.groups().map(|places| &ranking.order()[places]).collect();
    /// assert_eq!(groups, [&[1][..], &[0, 2]]);
    /// ```
    #[must_use]
    pub fn groups(&self) -> impl DoubleEndedIterator<Item = Range<usize>> + ExactSizeIterator {
        self.groups_unless(false)
    }

    /// The tied groups, or every place by itself.
    pub(crate) fn groups_unless(
        &self,
        each_alone: bool,
    ) -> impl DoubleEndedIterator<Item = Range<usize>> + ExactSizeIterator {
        let each_alone = each_alone || !self.is_grouped();
        let groups = if each_alone { self.len() } else { self.group_ends.len() };
        (0..groups).map(move |group| {
            if each_alone {
                return group..group + 1;
            }
            let start = if group == 0 { 0 } else { self.group_ends[group - 1] };
            start..self.group_ends[group]
        })
    }

    /// Whether items may share a group.
    pub(crate) fn is_grouped(&self) -> bool {
        !self.group_ends.is_empty()
    }

    /// The place of each item in the order.
    pub(crate) fn places(&self) -> &[usize] {
        &self.places
    }

    /// Fills `columns` with what a discount, 0 beyond the cut-off, makes of each item.
    ///
    /// O(K), without allocation once `columns` has seen a list of this size; a discount whose values
    /// are well known ([`LogDiscount`], [`ReciprocalDiscount`]) is evaluated once a rank, not once a
    /// list.
    ///
    /// ```
    /// use lipo::ranking::{DiscountColumns, LogDiscount, Ranking, ScoreTies};
    ///
    /// // The first two items tie on ranks 1 and 2, whose discounts are 1 and 0.630930.
    /// let ranking = Ranking::new(&[1.0, 1.0, 0.0], &[0.0; 3], ScoreTies::Expected);
    /// let mut columns = DiscountColumns::default();
    /// ranking.discounts(&LogDiscount, Some(2), &mut columns);
    /// let rounded = |column: &[(f64, f64)]| column.iter().map(|x| x.0).collect::<Vec<_>>();
    /// let (means, within) = (rounded(columns.means()), rounded(columns.within_groups()));
    /// assert!((means[0] - 0.815465).abs() < 1e-6 && (within[0] - 0.369070).abs() < 1e-6);
    /// assert_eq!((means[2], within[2]), (0.0, 0.0)); // alone, and beyond the cut-off
    /// assert_eq!(columns.groups(), [0, 0, 2]);
    /// ```
    pub fn discounts(
        &self,
        discount: &dyn Discount,
        cutoff: Option<usize>,
        columns: &mut DiscountColumns,
    ) {
        columns.fill(self, discount, cutoff);
    }
}

/// Fills `order` with the items from rank 1 on; by index where the rule is an expectation.
fn argsort(
    scores: &[f64],
    labels: &[f64],
    ties: ScoreTies,
    random_keys: &mut Vec<u64>,
    order: &mut Vec<usize>,
) {
    if let ScoreTies::Random { seed } = ties {
        fill_random_keys(seed, labels, random_keys);
        argsort_by_descending(scores, order, |item| random_keys[item]);
    } else {
        argsort_by_descending(scores, order, |_| 0);
    }
}

/// A random number for every item, from the seed and the list's labels.
fn fill_random_keys(seed: u64, labels: &[f64], keys: &mut Vec<u64>) {
    let state = labels.iter().fold(seed, |state, label| mix(state ^ (label + 0.0).to_bits()));
    keys.clear();
    keys.extend((0..labels.len() as u64).map(|item| mix(state ^ mix(item))));
}

/// A bijection whose output bits all depend on all input bits.
fn mix(x: u64) -> u64 {
    SplitMix64::new(x).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_are_places_in_the_order() {
        let (scores, labels) = ([0.5, -0.0, 2.0, 0.0, 0.5], [0.0, 1.0, 2.0, 3.0, 4.0]);
        let mut ranking = Ranking::new(&[1.0; 7], &[0.0; 7], ScoreTies::Random { seed: 1 });
        for ties in [ScoreTies::ByIndex, ScoreTies::Expected] {
            ranking.update(&scores, &labels, ties);
            assert_eq!(ranking.order(), [2, 0, 4, 1, 3], "{ties:?}");
            let ranks: Vec<_> = (0..5).map(|item| ranking.rank(item)).collect();
            assert_eq!(ranks, [2, 4, 1, 5, 3], "{ties:?}");
        }
        let groups: Vec<_> = ranking.groups().collect();
        assert_eq!(groups, [0..1, 1..3, 3..5]);
        ranking.update(&scores, &labels, ScoreTies::ByIndex);
        assert_eq!(ranking.groups().len(), 5);
        ranking.update(&[], &[], ScoreTies::Expected);
        assert!(ranking.is_empty() && ranking.groups().len() == 0);
    }

    #[test]
    fn random_orders_differ_by_seed_and_leave_what_is_not_tied() {
        let (scores, labels) = ([1.0, 0.0, 0.0, 0.0, 0.0], [0.5, 0.0, 1.0, 2.0, 3.0]);
        let order = |seed| {
            let ranking = Ranking::new(&scores, &labels, ScoreTies::Random { seed });
            assert_eq!(ranking.groups().len(), 5);
            ranking.order().to_vec()
        };
        assert_eq!(order(5), order(5));
        let orders: std::collections::BTreeSet<_> = (0..400).map(order).collect();
        assert_eq!(orders.len(), 24);
        assert!(orders.iter().all(|order| order[0] == 0));
    }
}
