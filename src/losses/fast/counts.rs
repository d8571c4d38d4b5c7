//! Counting pairs in O(K log K).
//!
//! Where a pair loss is linear on each side of a kink, it is a matter of counting: with c_k the number
//! of pairs below the kink in which k is not preferred, less that of those in which it is,
//!
//! Σ_{ψ_i > ψ_j, s_i − s_j < θ} (θ − (s_i − s_j)) = θ·(number of pairs) + Σ_k c_k s_k
//!
//! and c_k is the derivative by s_k.

use pulp::{Simd, WithSimd};

use crate::lists::List;
use crate::numeric::{DoubleDouble, Sum};
use crate::ranking::{argsort_by_descending, argsort_descending};
use crate::vector;

/// Room for the counts of a list.
#[derive(Debug, Clone, Default)]
pub(super) struct Counts {
    pub(super) by_score: Vec<usize>,
    by_label: Vec<usize>,
    /// Where an item stands in the order by label, then in that by score.
    position: Vec<usize>,
    /// How many of the first in the order by score are below the kink against an item preferred to
    /// them, and how many come before those that are not, it being preferred to none.
    reach: Vec<(usize, usize)>,
    seen: Positions,
    /// c_k.
    pub(super) balance: Vec<i64>,
}

impl Counts {
    /// Counts the pairs whose margin, rounded to the list's precision, is below the kink θ; returns
    /// θ·(number of pairs) + Σ_k c_k s_k.
    pub(super) fn count(&mut self, list: &List<'_>, kink: f64) -> f64 {
        vector::dispatch(Counting { counts: self, list, kink })
    }

    #[inline(always)]
    fn count_pairs(&mut self, list: &List<'_>, kink: f64) -> f64 {
        let (scores, labels) = (list.scores(), list.labels());
        let items = scores.len();
        argsort_descending(labels, &mut self.by_label);
        self.position.clear();
        self.position.resize(items, 0);
        for (position, &item) in self.by_label.iter().enumerate() {
            self.position[item] = position;
        }
        // Of equal scores the preferred first: a pair is out of order where its margin is below 0.
        let position = &self.position;
        argsort_by_descending(scores, &mut self.by_score, |item| position[item] as u64);
        self.fill_reach(list, kink);
        self.balance.clear();
        self.balance.resize(items, 0);
        self.seen.reset(items);

        // From the least label on: those seen are the dispreferred.
        let (mut pairs, mut seen) = (0, 0);
        let mut groups = self.by_label.as_slice();
        while let Some(&last) = groups.last() {
            let size =
                groups.iter().rev().take_while(|&&item| labels[item] == labels[last]).count();
            let (rest, group) = groups.split_at(groups.len() - size);
            groups = rest;
            for &item in group {
                let active = self.seen.count_before(self.reach[item].0);
                pairs += active;
                self.balance[item] -= to_i64(active);
            }
            for &item in group {
                self.seen.insert(self.position[item]);
            }
            seen += size;
            // Of the items at or behind `from`, those not seen have greater labels.
            for &item in group {
                let from = self.reach[item].1;
                let seen_behind = seen - self.seen.count_before(from);
                self.balance[item] += to_i64(items - from - seen_behind);
            }
        }

        let mut value = Sum::default();
        value.add_exact(DoubleDouble::product(kink, pairs as f64));
        for (&score, &balance) in scores.iter().zip(&self.balance) {
            value.add_exact(DoubleDouble::product(balance as f64, score));
        }
        value.total()
    }

    /// Both bounds move in one direction along the order by score.
    #[inline(always)]
    fn fill_reach(&mut self, list: &List<'_>, kink: f64) {
        let (scores, items) = (list.scores(), list.len());
        let below = |i: usize, j: usize| list.precision().round(scores[i] - scores[j]) < kink;
        self.reach.clear();
        self.reach.resize(items, (0, 0));
        let (mut reached, mut from) = (0, 0);
        for (position, &item) in self.by_score.iter().enumerate() {
            self.position[item] = position;
            while reached < items && below(item, self.by_score[reached]) {
                reached += 1;
            }
            while from < items && !below(self.by_score[from], item) {
                from += 1;
            }
            self.reach[item] = (reached, from);
        }
    }
}

/// Counting takes no vectors, but the machine's instructions for bits.
struct Counting<'a> {
    counts: &'a mut Counts,
    list: &'a List<'a>,
    kink: f64,
}

impl WithSimd for Counting<'_> {
    type Output = f64;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> f64 {
        self.counts.count_pairs(self.list, self.kink)
    }
}

#[inline(always)]
fn to_i64(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// A set of positions that counts those before one: words of bits, the counts before each within its
/// block, and a Fenwick tree over blocks.
///
/// What is unpredictable costs most: within a block, nothing branches.
#[derive(Debug, Clone, Default)]
struct Positions {
    words: Vec<u64>,
    before: Vec<[u32; Self::WORDS]>,
    tree: Vec<u32>,
}

impl Positions {
    /// Words of a block.
    const WORDS: usize = 16;

    /// Empties the set, for positions up to `len`.
    fn reset(&mut self, len: usize) {
        let blocks = len / (64 * Self::WORDS) + 1;
        self.words.clear();
        self.words.resize(blocks * Self::WORDS, 0);
        self.before.clear();
        self.before.resize(blocks, [0; Self::WORDS]);
        self.tree.clear();
        self.tree.resize(blocks + 1, 0);
    }

    #[inline(always)]
    fn insert(&mut self, position: usize) {
        let word = position / 64;
        self.words[word] |= 1 << (position % 64);
        let (block, word) = (word / Self::WORDS, word % Self::WORDS);
        for (other, before) in self.before[block].iter_mut().enumerate() {
            *before += u32::from(other > word);
        }
        let mut node = block + 1;
        while node < self.tree.len() {
            self.tree[node] += 1;
            node += node & node.wrapping_neg();
        }
    }

    #[inline(always)]
    fn count_before(&self, position: usize) -> usize {
        let word = position / 64;
        let there = self.words[word] & ((1 << (position % 64)) - 1);
        let (mut node, word) = (word / Self::WORDS, word % Self::WORDS);
        let mut count = there.count_ones() + self.before[node][word];
        while node > 0 {
            count += self.tree[node];
            node &= node - 1;
        }
        count as usize
    }
}

#[cfg(test)]
mod tests {
    use super::Positions;

    #[test]
    fn positions_count_what_is_before() {
        let mut positions = Positions::default();
        positions.reset(5000);
        let inserted = [0, 5, 63, 64, 65, 127, 128, 200, 1023, 1024, 3000, 4095, 4096, 4999];
        for position in inserted {
            positions.insert(position);
        }
        for end in 0..=5000 {
            let expected = inserted.iter().filter(|&&position| position < end).count();
            assert_eq!(positions.count_before(end), expected, "before {end}");
        }
    }
}
