//! Counted pairwise outcomes among K items.

use ndarray::{ArrayRef, Axis, Ix2, RemoveAxis};

use super::graph;
use crate::check::{finite, same_shape, unravel, within};
use crate::{Error, Real};

/// How a comparison of two items came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The first item won.
    First,
    /// The second item won.
    Second,
    /// Neither did.
    Tie,
}

/// One judgement: a record of a file of votes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Comparison {
    /// The item shown first, 0 to K − 1.
    pub first: usize,
    /// The item shown second, another one.
    pub second: usize,
    /// Which of them won.
    pub outcome: Outcome,
    /// How many judgements it counts for, finite and ≥ 0.
    pub weight: f64,
}

impl Comparison {
    /// A judgement of weight 1.
    #[must_use]
    pub fn new(first: usize, second: usize, outcome: Outcome) -> Self {
        Self { first, second, outcome, weight: 1.0 }
    }

    /// The same judgement with another weight.
    #[must_use]
    pub fn weight(self, weight: f64) -> Self {
        Self { weight, ..self }
    }
}

/// What became of all comparisons of two items in one order of showing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pair {
    /// The item shown first.
    pub first: usize,
    /// The item shown second.
    pub second: usize,
    /// The weight of what the first item won.
    pub wins: f64,
    /// The weight of what the first item lost.
    pub losses: f64,
    /// The weight of the ties.
    pub ties: f64,
}

impl Pair {
    /// The weight of all comparisons.
    #[must_use]
    pub fn total(&self) -> f64 {
        self.wins + self.losses + self.ties
    }

    /// What the first item earned: its wins, and half of the ties.
    #[must_use]
    pub fn points(&self) -> f64 {
        self.wins + 0.5 * self.ties
    }

    /// The same comparisons, seen from the second item.
    #[must_use]
    pub fn turned(&self) -> Self {
        let Self { first, second, wins, losses, ties } = *self;
        Self { first: second, second: first, wins: losses, losses: wins, ties }
    }
}

/// Wins, losses and ties among K items: what people, judges and rankings have said of some pairs.
///
/// Only pairs that were compared take memory. The two orders of showing a pair are counted apart,
/// so that a bias for what is shown first can be seen; whatever has no such order (rankings,
/// ratings) has one order only.
///
/// ```
/// use lipo::labels::{Comparison, Comparisons, Outcome};
///
/// let votes = Comparisons::from_records(3, [
///     Comparison::new(0, 1, Outcome::First),
///     Comparison::new(0, 1, Outcome::Tie),
///     Comparison::new(2, 1, Outcome::Second).weight(2.0),
/// ])?;
/// assert_eq!(votes.pairs().len(), 2);
/// assert_eq!((votes.pairs()[0].points(), votes.total()), (1.5, 4.0));
/// votes.check_connected()?;
/// # Ok::<(), lipo::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Comparisons {
    items: usize,
    /// By first and second item, each order of a pair once, none of total 0.
    pairs: Vec<Pair>,
}

const WEIGHT: (fn(f64) -> bool, &str) = (|weight| weight >= 0.0, "at least 0");

impl Comparisons {
    /// Counts the records of comparisons among items 0 to `items` − 1.
    ///
    /// # Errors
    ///
    /// Where a record names an item that does not exist, or one item twice
    /// ([`Error::OutOfRange`], its index the place of the record), or has a weight that is not
    /// finite and ≥ 0; [`Error::NotFinite`] where the weights add up to more than an `f64` holds.
    pub fn from_records(
        items: usize,
        records: impl IntoIterator<Item = Comparison>,
    ) -> Result<Self, Error> {
        let mut pairs = Vec::new();
        for (place, record) in records.into_iter().enumerate() {
            let Comparison { first, second, outcome, weight } = record;
            let index = || vec![place];
            check_item("first items", first, items, index)?;
            check_item("second items", second, items, index)?;
            if first == second {
                let (what, range) = ("second items", "another item than the first");
                return Err(Error::OutOfRange { what, index: index(), value: first as f64, range });
            }
            within("weights", weight, WEIGHT, index)?;
            let mut pair = Pair { first, second, wins: 0.0, losses: 0.0, ties: 0.0 };
            match outcome {
                Outcome::First => pair.wins = weight,
                Outcome::Second => pair.losses = weight,
                Outcome::Tie => pair.ties = weight,
            }
            pairs.push(pair);
        }
        Self::from_pairs(items, pairs)
    }

    /// Counts wins and ties `[K, K]`: `wins[[k, j]]` is how often k beat j. A tie of k and j stands in
    /// either `ties[[k, j]]` or `ties[[j, k]]`, which are added up; without `ties` there were none.
    /// Diagonals are not looked at.
    ///
    /// An order of showing is not known here: half of each count goes to either order, which makes
    /// no bias for what is shown first, and nothing for averaging over orders to take out.
    ///
    /// ```
    /// use lipo::labels::{Comparisons, position_bias};
    /// use ndarray::array;
    ///
    /// let votes = Comparisons::from_counts(&array![[0.0, 3.0], [1.0, 0.0]], None)?;
    /// let [pair, turned] = [votes.pairs()[0], votes.pairs()[1]];
    /// assert_eq!((pair.wins, pair.losses), (1.5, 0.5));
    /// assert_eq!((turned.wins, turned.losses), (0.5, 1.5));
    /// assert_eq!(position_bias(&votes).mean_asymmetry, 0.0);
    /// # Ok::<(), lipo::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] where an array is not `[K, K]`, and as in
    /// [`from_records`](Self::from_records) for the numbers.
    pub fn from_counts<F: Real>(
        wins: &ArrayRef<F, Ix2>,
        ties: Option<&ArrayRef<F, Ix2>>,
    ) -> Result<Self, Error> {
        let items = square("wins", wins.shape())?;
        let mut pairs = Vec::new();
        if let Some(ties) = ties {
            same_shape("ties", ties.shape(), wins.shape())?;
        }
        for (what, counts) in [("wins", Some(wins)), ("ties", ties)] {
            for ((k, j), &count) in counts.iter().flat_map(|counts| counts.indexed_iter()) {
                if k == j {
                    continue;
                }
                within(what, count, WEIGHT, || vec![k, j])?;
                let mut pair = Pair { first: k, second: j, wins: 0.0, losses: 0.0, ties: 0.0 };
                *(if what == "wins" { &mut pair.wins } else { &mut pair.ties }) =
                    0.5 * count.widen();
                pairs.extend([pair, pair.turned()]);
            }
        }
        Self::from_pairs(items, pairs)
    }

    /// One comparison for every known entry of a partly filled matrix of win probabilities
    /// Ψ `[K, K]`: Ψ_kj of a win for k, shown first, and 1 − Ψ_kj of one for j.
    ///
    /// NaN, and whatever `mask` is false for, is unknown. The diagonal is not looked at.
    ///
    /// ```
    /// use lipo::labels::Comparisons;
    /// use ndarray::array;
    ///
    /// let nan = f64::NAN;
    /// let judged = array![[nan, 0.75, nan], [nan, nan, 0.5], [nan, 1.0, nan]];
    /// let judged = Comparisons::from_win_probabilities(&judged, None)?;
    /// assert_eq!((judged.pairs().len(), judged.pairs()[0].losses), (3, 0.25));
    /// # Ok::<(), lipo::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] where an array is not `[K, K]`; [`Error::NotFinite`] and
    /// [`Error::OutOfRange`] for what is known and no probability.
    pub fn from_win_probabilities<F: Real>(
        wins: &ArrayRef<F, Ix2>,
        mask: Option<&ArrayRef<bool, Ix2>>,
    ) -> Result<Self, Error> {
        let items = square("win probabilities", wins.shape())?;
        if let Some(mask) = mask {
            same_shape("mask", mask.shape(), wins.shape())?;
        }
        let probability = (|p| (0.0..=1.0).contains(&p), "in [0, 1]");
        let mut pairs = Vec::new();
        for ((first, second), &win) in wins.indexed_iter() {
            let known = mask.is_none_or(|mask| mask[[first, second]]) && !win.is_nan();
            if known && first != second {
                within("win probabilities", win, probability, || vec![first, second])?;
                let wins = win.widen();
                pairs.push(Pair { first, second, wins, losses: 1.0 - wins, ties: 0.0 });
            }
        }
        Self::from_pairs(items, pairs)
    }

    /// One comparison for every two items of each list of ranks `[.., K]`, 1 the best: a win for the
    /// lower rank, a tie where ranks are equal. NaN is an item that was not ranked.
    ///
    /// Nothing was shown first: that the lesser item stands first in each pair has no meaning here,
    /// nor has a [`position_bias`](super::position_bias).
    ///
    /// # Errors
    ///
    /// [`Error::Axes`] where ranks have no axis, [`Error::NotFinite`] for an infinite rank.
    pub fn from_ranks<F: Real, D: RemoveAxis>(ranks: &ArrayRef<F, D>) -> Result<Self, Error> {
        Self::from_lists("ranks", ranks, |rank, other| rank < other)
    }

    /// One comparison for every two items of each list of ratings `[.., K]`: a win for the higher
    /// rating, a tie where ratings are equal. NaN is an item that was not rated. As with
    /// [`from_ranks`](Self::from_ranks), nothing was shown first.
    ///
    /// ```
    /// use lipo::labels::Comparisons;
    /// use ndarray::array;
    ///
    /// // Two people's stars for three items.
    /// let stars = array![[5.0, 3.0, 3.0], [4.0, f64::NAN, 5.0]];
    /// let rated = Comparisons::from_ratings(&stars)?;
    /// assert_eq!(rated.total(), 4.0);
    /// assert_eq!(rated.pairs()[1].losses, 1.0); // of item 0 against item 2
    /// # Ok::<(), lipo::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Axes`] where ratings have no axis, [`Error::NotFinite`] for an infinite rating.
    pub fn from_ratings<F: Real, D: RemoveAxis>(ratings: &ArrayRef<F, D>) -> Result<Self, Error> {
        Self::from_lists("ratings", ratings, |rating, other| rating > other)
    }

    fn from_lists<F: Real, D: RemoveAxis>(
        what: &'static str,
        lists: &ArrayRef<F, D>,
        better: impl Fn(F, F) -> bool,
    ) -> Result<Self, Error> {
        let Some(&items) = lists.shape().last() else {
            return Err(Error::Axes { what, least: 1, found: 0 });
        };
        for (place, &value) in lists.iter().enumerate().filter(|(_, value)| !value.is_nan()) {
            finite(what, value, || unravel(place, lists.shape()))?;
        }
        let mut counted = Self { items, pairs: Vec::new() };
        for list in lists.lanes(Axis(lists.ndim() - 1)) {
            let known: Vec<usize> = (0..items).filter(|&item| !list[item].is_nan()).collect();
            let mut pairs = Vec::new();
            for (place, &first) in known.iter().enumerate() {
                for &second in &known[place + 1..] {
                    let [wins, losses] =
                        [(first, second), (second, first)].map(|(a, b)| better(list[a], list[b]));
                    let [wins, losses, ties] =
                        [wins, losses, !wins && !losses].map(|yes| f64::from(u8::from(yes)));
                    pairs.push(Pair { first, second, wins, losses, ties });
                }
            }
            counted.pairs.append(&mut pairs);
            // Many lists repeat their pairs: counting now and then keeps memory to the pairs.
            if counted.pairs.len() > items.saturating_mul(items).saturating_mul(2) {
                counted = Self::from_pairs(items, counted.pairs)?;
            }
        }
        Self::from_pairs(items, counted.pairs)
    }

    pub(super) fn from_pairs(items: usize, pairs: Vec<Pair>) -> Result<Self, Error> {
        let mut pairs = added_up(pairs);
        pairs.retain(|pair| pair.total() > 0.0);
        let counted = Self { items, pairs };
        finite("the sum of the weights", counted.total(), Vec::new)?;
        Ok(counted)
    }

    /// These comparisons and others among the same items.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] where the numbers of items differ, [`Error::NotFinite`] where the weights
    /// add up to more than an `f64` holds.
    pub fn and(&self, others: &Self) -> Result<Self, Error> {
        same_shape("comparisons", &[others.items], &[self.items])?;
        Self::from_pairs(self.items, [&*self.pairs, &*others.pairs].concat())
    }

    /// Each pair once, its lesser item first, both orders of showing added up.
    pub(super) fn both_orders(&self) -> Vec<Pair> {
        let ascending = |pair: &Pair| if pair.first < pair.second { *pair } else { pair.turned() };
        added_up(self.pairs.iter().map(ascending).collect())
    }

    /// The number K of items.
    #[must_use]
    pub fn items(&self) -> usize {
        self.items
    }

    /// What was compared, each order of a pair once, by first and second item.
    #[must_use]
    pub fn pairs(&self) -> &[Pair] {
        &self.pairs
    }

    /// The weight of all comparisons.
    #[must_use]
    pub fn total(&self) -> f64 {
        self.pairs.iter().map(Pair::total).sum()
    }

    /// The parts of the items that comparisons link, each ascending, by their least items.
    #[must_use]
    pub fn parts(&self) -> Vec<Vec<usize>> {
        graph::connected_parts(self.items, self.pairs.iter().map(|pair| (pair.first, pair.second)))
    }

    /// The parts within which every item has won or tied against every other, be it through a chain
    /// of others; the part that lost to nobody first.
    ///
    /// Strengths that maximise a likelihood are finite where there is one such part (Ford 1957).
    ///
    /// ```
    /// use lipo::labels::{Comparison, Comparisons, Outcome};
    ///
    /// // 2 won everything; 0 and 1 beat each other.
    /// let votes = [(2, 0), (0, 1), (1, 0)].map(|(i, j)| Comparison::new(i, j, Outcome::First));
    /// let votes = Comparisons::from_records(3, votes)?;
    /// assert_eq!(votes.parts(), [[0, 1, 2]]);
    /// assert_eq!(votes.strong_parts(), [vec![2], vec![0, 1]]);
    /// # Ok::<(), lipo::Error>(())
    /// ```
    #[must_use]
    pub fn strong_parts(&self) -> Vec<Vec<usize>> {
        let mut edges = Vec::with_capacity(self.pairs.len());
        for pair in self.pairs.iter().flat_map(|pair| [*pair, pair.turned()]) {
            if pair.points() > 0.0 {
                edges.push((pair.first, pair.second));
            }
        }
        graph::strong_parts(self.items, &edges)
    }

    /// Whether comparisons link all items.
    ///
    /// # Errors
    ///
    /// [`Error::Unconnected`], with the [`parts`](Self::parts), where they do not.
    pub fn check_connected(&self) -> Result<(), Error> {
        let parts = self.parts();
        if parts.len() > 1 { Err(Error::Unconnected { parts }) } else { Ok(()) }
    }

    /// Whether every item has won or tied against every other, be it through a chain of others.
    ///
    /// # Errors
    ///
    /// [`Error::Unconnected`] as in [`check_connected`](Self::check_connected); otherwise
    /// [`Error::Separable`], with the [`strong_parts`](Self::strong_parts).
    pub fn check_strongly_connected(&self) -> Result<(), Error> {
        let parts = self.strong_parts();
        if parts.len() > 1 {
            self.check_connected()?;
            return Err(Error::Separable { parts });
        }
        Ok(())
    }
}

/// Pairs by first and second item, those of the same two added up.
fn added_up(mut pairs: Vec<Pair>) -> Vec<Pair> {
    pairs.sort_by_key(|pair| (pair.first, pair.second));
    pairs.dedup_by(|next, kept| {
        let same = (next.first, next.second) == (kept.first, kept.second);
        if same {
            kept.wins += next.wins;
            kept.losses += next.losses;
            kept.ties += next.ties;
        }
        same
    });
    pairs
}

pub(super) fn check_item(
    what: &'static str,
    item: usize,
    items: usize,
    index: impl FnOnce() -> Vec<usize>,
) -> Result<(), Error> {
    if item < items {
        return Ok(());
    }
    let range = "below the number of items";
    Err(Error::OutOfRange { what, index: index(), value: item as f64, range })
}

fn square(what: &'static str, shape: &[usize]) -> Result<usize, Error> {
    let items = shape[0];
    same_shape(what, shape, &[items, items])?;
    Ok(items)
}
