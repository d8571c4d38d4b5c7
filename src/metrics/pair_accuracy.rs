//! Ordered pair accuracy.
//!
//! Σ_{ψ_i > ψ_j} w_i [τ_i < τ_j] / Σ_{ψ_i > ψ_j} w_i
//!
//! Of few items, counted pair by pair, which has no branches; of more, in O(K log K): the items enter from the lowest rank up, and a Fenwick tree over the
//! distinct labels tells how many of those that are in have a lower label.

use crate::List;
use crate::metrics::{Extent, Metric, RankedList, Scratch, greatest_weight};
use crate::numeric::Sum;
use crate::ranking::{ScoreTies, argsort_descending, count_greater};

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

/// Up to this many items, each pair is looked at.
const FEW: usize = 32;

/// Room to count pairs.
#[derive(Debug, Clone, Default)]
pub struct Room {
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
    /// The number of these that are ranked below; tied ones count half.
    lower_below: f64,
}

impl Metric for PairAccuracy {
    fn ties(&self) -> ScoreTies {
        self.ties
    }

    fn accepts(&self, _: &Extent) -> bool {
        true
    }

    #[inline]
    fn list(&self, ranked: &RankedList<'_>, scratch: &mut Scratch) -> Option<f64> {
        match ranked.list().len() {
            0..=8 => of_few::<8>(ranked),
            9..=16 => of_few::<16>(ranked),
            17..=FEW => of_few::<FEW>(ranked),
            _ => of_many(ranked, &mut scratch.pairs),
        }
    }
}

/// The share of pairs, each looked at. For each item, the comparisons with all others are added up in
/// vectors of bytes of fixed size, which hold the counts up to 2 · [`FEW`].
#[allow(clippy::cast_possible_truncation, clippy::cast_possible_wrap)] // places of few items
fn of_few<const N: usize>(ranked: &RankedList<'_>) -> Option<f64> {
    let list = ranked.list();
    let len = list.len();
    // A label is lower where more labels are greater. Items that do not exist are preferred to none.
    let (_, greater) = count_greater::<N>(list.labels());
    let mut levels = [i8::MAX; N];
    levels.iter_mut().zip(&greater[..len]).for_each(|(level, &greater)| *level = greater as i8);
    let mut places = [0; N];
    let (mut lower, mut lower_below) = ([0_i8; N], [0_i8; N]);
    if ranked.is_grouped() {
        // Twice the pairs, since those within a group count half.
        for range in ranked.ranking.groups() {
            let place = range.start as i8;
            ranked.order()[range].iter().for_each(|&item| places[item] = place);
        }
        for (&level, &place) in levels[..len].iter().zip(&places) {
            for i in 0..N {
                let pair = level > levels[i];
                lower[i] += 2 * i8::from(pair);
                lower_below[i] += i8::from(pair && place > places[i]);
                lower_below[i] += i8::from(pair && place >= places[i]);
            }
        }
    } else {
        let of_items = places.iter_mut().zip(ranked.ranking.places());
        of_items.for_each(|(of_item, &place)| *of_item = place as i8);
        for (&level, &place) in levels[..len].iter().zip(&places) {
            for i in 0..N {
                let pair = level > levels[i];
                lower[i] += i8::from(pair);
                lower_below[i] += i8::from(pair && place > places[i]);
            }
        }
    }
    let Some(weights) = list.weights() else {
        let sum = |counts: &[i8; N]| counts.iter().map(|&count| i32::from(count)).sum::<i32>();
        let (pairs, right) = (sum(&lower), sum(&lower_below));
        return (pairs > 0).then(|| f64::from(right) / f64::from(pairs));
    };
    let counts = |i: usize| (weights[i], f64::from(lower[i]), f64::from(lower_below[i]));
    share(&list, (0..len).map(counts))
}

/// Σ w · right / Σ w · pairs.
fn share(list: &List<'_>, items: impl Iterator<Item = (f64, f64, f64)>) -> Option<f64> {
    // Shares of the greatest weight, whose sums stay within the range.
    let greatest = greatest_weight(list);
    if greatest == 0.0 {
        return None;
    }
    let (mut all, mut all_right) = (Sum::default(), Sum::default());
    for (weight, pairs, right) in items {
        all.add_moderate(weight / greatest * pairs);
        all_right.add_moderate(weight / greatest * right);
    }
    (all.total() > 0.0).then(|| all_right.total() / all.total())
}

fn of_many(ranked: &RankedList<'_>, room: &mut Room) -> Option<f64> {
    let list = ranked.list();
    let Room { by_label, items, tree } = room;
    let levels = fill(items, by_label, list.labels());
    let mut entered = Fenwick::new(tree, levels);
    for group in ranked.groups().rev() {
        if let [i] = *group {
            items[i].lower_below = entered.below(items[i].level) as f64;
            entered.enter(items[i].level);
            continue;
        }
        // Half of the pairs within the group: those of before and of after it has entered.
        for &i in group {
            items[i].lower_below = 0.5 * entered.below(items[i].level) as f64;
        }
        for &i in group {
            entered.enter(items[i].level);
        }
        for &i in group {
            items[i].lower_below += 0.5 * entered.below(items[i].level) as f64;
        }
    }
    let counts = |(i, item): (usize, &Item)| (list.weight(i), item.lower as f64, item.lower_below);
    share(&list, items.iter().enumerate().map(counts))
}

/// Returns the number of distinct labels.
fn fill(items: &mut Vec<Item>, by_label: &mut Vec<usize>, labels: &[f64]) -> usize {
    argsort_descending(labels, by_label);
    items.clear();
    items.resize(labels.len(), Item::default());
    let (mut level, mut lower) = (0, 0);
    for group in by_label.chunk_by(|&i, &j| labels[i] == labels[j]).rev() {
        for &i in group {
            items[i] = Item { level, lower, lower_below: 0.0 };
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
