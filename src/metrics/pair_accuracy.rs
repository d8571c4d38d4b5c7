//! Ordered pair accuracy.
//!
//! Σ_{ψ_i > ψ_j} w_i [τ_i < τ_j] / Σ_{ψ_i > ψ_j} w_i
//!
//! Counted in O(K log K): the items enter from the lowest rank up, and a Fenwick tree over the
//! distinct labels tells how many of those that are in have a lower label.

use crate::metrics::{Metric, Ranking, Scratch, greatest_weight};
use crate::numeric::Sum;
use crate::ranking::{ScoreTies, argsort_descending};

/// Ordered pair accuracy: the share of the pairs ψ_i > ψ_j that the scores put in that order, a pair
/// weighing w_i, i the preferred item. The accuracy of a reward model on preferences; with two labels
/// and [`ScoreTies::Expected`], the area under the ROC curve.
///
/// Pairs with equal labels take no part; not defined where there are no others. Equal scores are in
/// the order of their indices by default, and count half under `Expected`; in Rax they count 0.
///
/// ```
/// use lipo::{metrics::{MetricExt, PairAccuracy}, ranking::ScoreTies};
/// use ndarray::array;
///
/// let (scores, labels) = (array![0.5_f64, 0.7, 0.5], array![2.0, 1.0, 0.0]);
/// let accuracy = PairAccuracy::default().mean(&scores, &labels)?;
/// assert!((accuracy - 0.666667).abs() < 1e-6); // all but the first two items' pair
/// let expected = PairAccuracy::default().ties(ScoreTies::Expected).mean(&scores, &labels)?;
/// assert_eq!(expected, 0.5); // (0 + 1/2 + 1) / 3
/// # Ok::<(), lipo::Error>(())
/// ```
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct PairAccuracy {
    /// The order of equal scores.
    pub ties: ScoreTies,
}

impl PairAccuracy {
    /// The same metric with another rule for equal scores.
    #[must_use]
    pub fn ties(self, ties: ScoreTies) -> Self {
        Self { ties }
    }
}

/// Room to count pairs.
#[derive(Debug, Clone, Default)]
pub struct Tables {
    by_label: Vec<usize>,
    items: Vec<Item>,
    tree: Vec<usize>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Item {
    /// The place of the label among the distinct ones, ascending.
    level: usize,
    /// The number of items with a lower label.
    lower: usize,
}

impl Metric for PairAccuracy {
    fn ties(&self) -> ScoreTies {
        self.ties
    }

    fn list(&self, ranking: &Ranking<'_>, scratch: &mut Scratch) -> Option<f64> {
        let list = ranking.list();
        // Shares of the greatest weight, whose sums stay within the range.
        let greatest = greatest_weight(&list);
        if greatest == 0.0 {
            return None;
        }
        let weight = |item| list.weight(item) / greatest;
        let Tables { by_label, items, tree } = &mut scratch.pairs;
        let levels = fill(items, by_label, list.labels());

        let mut pairs = Sum::default();
        items.iter().enumerate().for_each(|(i, item)| pairs.add(weight(i) * item.lower as f64));

        let mut entered = Fenwick::new(tree, levels);
        let mut right = Sum::default();
        for group in ranking.groups().rev() {
            if let [i] = *group {
                right.add(weight(i) * entered.below(items[i].level) as f64);
                entered.enter(items[i].level);
                continue;
            }
            // Half of the pairs within the group: those of before and of after it has entered.
            let mut add_half = |entered: &Fenwick<'_>| {
                for &i in group {
                    right.add(0.5 * weight(i) * entered.below(items[i].level) as f64);
                }
            };
            add_half(&entered);
            for &i in group {
                entered.enter(items[i].level);
            }
            add_half(&entered);
        }
        (pairs.total() > 0.0).then(|| right.total() / pairs.total())
    }
}

/// Returns the number of distinct labels.
fn fill(items: &mut Vec<Item>, by_label: &mut Vec<usize>, labels: &[f64]) -> usize {
    argsort_descending(labels, by_label);
    items.clear();
    items.resize(labels.len(), Item::default());
    let (mut level, mut lower) = (0, 0);
    for group in by_label.chunk_by(|&i, &j| labels[i] == labels[j]).rev() {
        for &i in group {
            items[i] = Item { level, lower };
        }
        level += 1;
        lower += group.len();
    }
    level
}

/// Counts by level, of which prefix sums take the logarithm of the number of levels (Fenwick 1994).
struct Fenwick<'t>(&'t mut [usize]);

impl<'t> Fenwick<'t> {
    fn new(tree: &'t mut Vec<usize>, levels: usize) -> Self {
        tree.clear();
        tree.resize(levels + 1, 0);
        Self(tree)
    }

    fn enter(&mut self, level: usize) {
        let mut node = level + 1;
        while node < self.0.len() {
            self.0[node] += 1;
            node += 1 << node.trailing_zeros();
        }
    }

    /// How many have entered at levels below.
    fn below(&self, level: usize) -> usize {
        let (mut node, mut count) = (level, 0);
        while node > 0 {
            count += self.0[node];
            node &= node - 1;
        }
        count
    }
}
