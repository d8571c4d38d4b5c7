//! Counted pairwise outcomes among K items.

use ndarray::{ArrayRef, Axis, Ix2, RemoveAxis};

use super::graph::{self, Arcs};
use super::limits::{check_item, check_items, narrow};
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

impl Outcome {
    /// The outcome of a vote that names its winner; none where the winner is neither of the two.
    ///
    /// ```
    /// use lipo::labels::Outcome;
    ///
    /// assert_eq!(Outcome::of_winner(&"a", &"b", &"b"), Some(Outcome::Second));
    /// assert_eq!(Outcome::of_winner(&"a", &"b", &"c"), None);
    /// ```
    #[must_use]
    pub fn of_winner<N: PartialEq + ?Sized>(first: &N, second: &N, winner: &N) -> Option<Self> {
        match (winner == first, winner == second) {
            (true, false) => Some(Self::First),
            (false, true) => Some(Self::Second),
            _ => None,
        }
    }

    /// The outcome of a vote in three columns, \[the first won, the second won, a tie\]; none unless
    /// exactly one of them is true.
    ///
    /// ```
    /// use lipo::labels::Outcome;
    ///
    /// assert_eq!(Outcome::of_one_hot([false, false, true]), Some(Outcome::Tie));
    /// assert_eq!(Outcome::of_one_hot([true, true, false]), None);
    /// ```
    #[must_use]
    pub fn of_one_hot(columns: [bool; 3]) -> Option<Self> {
        match columns {
            [true, false, false] => Some(Self::First),
            [false, true, false] => Some(Self::Second),
            [false, false, true] => Some(Self::Tie),
            _ => None,
        }
    }

    /// The outcome, the two items being named in the other order.
    #[must_use]
    pub fn turned(self) -> Self {
        match self {
            Self::First => Self::Second,
            Self::Second => Self::First,
            Self::Tie => Self::Tie,
        }
    }
}

/// One judgement: a record of a file of votes.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
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

    /// A judgement of weight 1 that names its winner; without a winner it is a tie.
    ///
    /// ```
    /// use lipo::labels::{Comparison, Outcome};
    ///
    /// assert_eq!(Comparison::won_by(4, 7, Some(7))?, Comparison::new(4, 7, Outcome::Second));
    /// assert_eq!(Comparison::won_by(4, 7, None)?, Comparison::new(4, 7, Outcome::Tie));
    /// assert!(Comparison::won_by(4, 7, Some(5)).is_err());
    /// # Ok::<(), lipo::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::OutOfRange`] where the winner is neither of the two.
    pub fn won_by(first: usize, second: usize, winner: Option<usize>) -> Result<Self, Error> {
        let outcome = match winner {
            None => Outcome::Tie,
            Some(winner) => Outcome::of_winner(&first, &second, &winner).ok_or({
                let (what, range) = ("winner", "one of the two items");
                Error::OutOfRange { what, index: Vec::new(), value: winner as f64, range }
            })?,
        };
        Ok(Self::new(first, second, outcome))
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
    // In 32 bits: there may be as many pairs as votes, and each pass over them is bound by memory.
    first: u32,
    second: u32,
    /// The weight of what the first item won.
    pub wins: f64,
    /// The weight of what the first item lost.
    pub losses: f64,
    /// The weight of the ties.
    pub ties: f64,
}

impl Pair {
    fn new(first: usize, second: usize) -> Self {
        let (first, second) = (narrow(first), narrow(second));
        Self { first, second, wins: 0.0, losses: 0.0, ties: 0.0 }
    }

    /// The item shown first.
    #[must_use]
    pub fn first(&self) -> usize {
        self.first as usize
    }

    /// The item shown second.
    #[must_use]
    pub fn second(&self) -> usize {
        self.second as usize
    }

    /// Sorts pairs by first item, then by second.
    fn key(&self) -> u64 {
        u64::from(self.first) << 32 | u64::from(self.second)
    }

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

    /// What the second item earned.
    #[must_use]
    pub fn points_of_second(&self) -> f64 {
        self.losses + 0.5 * self.ties
    }

    /// The same pair with other counts.
    pub(super) fn counted(self, wins: f64, losses: f64, ties: f64) -> Self {
        Self { wins, losses, ties, ..self }
    }

    /// The first item's part of the points, then the second's, each to the last digit.
    pub(super) fn shares(&self) -> [f64; 2] {
        [self.points() / self.total(), self.points_of_second() / self.total()]
    }

    /// Who earned points against whom: a winner against a loser, or either where they tied.
    pub(super) fn earned(&self) -> impl Iterator<Item = (usize, usize, ())> + use<> {
        let (first, second) = (self.first(), self.second());
        let tied = self.ties > 0.0;
        let of_first = (tied || self.wins > 0.0).then_some((first, second, ()));
        let of_second = (tied || self.losses > 0.0).then_some((second, first, ()));
        of_first.into_iter().chain(of_second)
    }

    /// Who gave points to whom.
    fn conceded(&self) -> impl Iterator<Item = (usize, usize, ())> + use<> {
        self.earned().map(|(winner, loser, label)| (loser, winner, label))
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
        check_items(items)?;
        let records = records.into_iter();
        let mut pairs = Counting::with_capacity(records.size_hint().0);
        for (place, record) in records.enumerate() {
            let Comparison { first, second, outcome, weight } = record;
            let index = || vec![place];
            check_item("first items", first, items, index)?;
            check_item("second items", second, items, index)?;
            if first == second {
                let (what, range) = ("second items", "another item than the first");
                return Err(Error::OutOfRange { what, index: index(), value: first as f64, range });
            }
            within("weights", weight, WEIGHT, index)?;
            let mut pair = Pair::new(first, second);
            match outcome {
                Outcome::First => pair.wins = weight,
                Outcome::Second => pair.losses = weight,
                Outcome::Tie => pair.ties = weight,
            }
            pairs.push(pair);
        }
        Self::from_pairs(items, pairs.pairs)
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
        check_items(items)?;
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
                let mut pair = Pair::new(k, j);
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
        check_items(items)?;
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
                pairs.push(Pair { wins, losses: 1.0 - wins, ..Pair::new(first, second) });
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
        check_items(items)?;
        for (place, &value) in lists.iter().enumerate().filter(|(_, value)| !value.is_nan()) {
            finite(what, value, || unravel(place, lists.shape()))?;
        }
        let mut pairs = Counting::with_capacity(0);
        // Lists without items can be more than a loop has time for.
        let lists = (!lists.is_empty()).then(|| lists.lanes(Axis(lists.ndim() - 1)));
        for list in lists.into_iter().flatten() {
            let known: Vec<usize> = (0..items).filter(|&item| !list[item].is_nan()).collect();
            for (place, &first) in known.iter().enumerate() {
                for &second in &known[place + 1..] {
                    let [wins, losses] =
                        [(first, second), (second, first)].map(|(a, b)| better(list[a], list[b]));
                    let [wins, losses, ties] =
                        [wins, losses, !wins && !losses].map(|yes| f64::from(u8::from(yes)));
                    pairs.push(Pair { wins, losses, ties, ..Pair::new(first, second) });
                }
            }
        }
        Self::from_pairs(items, pairs.pairs)
    }

    pub(super) fn from_pairs(items: usize, mut pairs: Vec<Pair>) -> Result<Self, Error> {
        add_up(&mut pairs);
        pairs.retain(|pair| pair.total() > 0.0);
        pairs.shrink_to_fit();
        let counted = Self { items, pairs };
        finite("the sum of the weights", counted.total(), Vec::new)?;
        Ok(counted)
    }

    /// The same pairs with other counts; a count of 0 stays one, and no other becomes one.
    pub(super) fn recounted(&self, mut count: impl FnMut(f64) -> f64) -> Result<Self, Error> {
        let mut pairs = self.pairs.clone();
        for pair in &mut pairs {
            for old in [&mut pair.wins, &mut pair.losses, &mut pair.ties] {
                if *old > 0.0 {
                    // What is too small for a number would lose the comparison.
                    *old = count(*old).max(f64::MIN_POSITIVE);
                }
            }
        }
        let counted = Self { items: self.items, pairs };
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
        let mut pairs = self.pairs.iter().map(ascending).collect();
        add_up(&mut pairs);
        pairs
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
        let edges = self.pairs.iter().map(|pair| (pair.first(), pair.second()));
        graph::connected_parts(self.items, edges)
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
        let arcs = Arcs::new(self.items, || self.pairs.iter().flat_map(Pair::earned));
        arcs.strong_parts()
    }

    /// Whether few scans over the pairs find a way from item 0 to every other along arcs; there may be
    /// longer ways where they do not.
    fn reaches_all<I>(&self, arcs: impl Fn(&Pair) -> I) -> bool
    where
        I: Iterator<Item = (usize, usize, ())>,
    {
        const SCANS: usize = 8;
        let mut reached = vec![false; self.items];
        reached.iter_mut().take(1).for_each(|reached| *reached = true);
        for _ in 0..SCANS {
            let mut grew = false;
            for (source, target, ()) in self.pairs.iter().flat_map(&arcs) {
                if reached[source] && !reached[target] {
                    reached[target] = true;
                    grew = true;
                }
            }
            if !grew {
                break;
            }
        }
        reached.into_iter().all(|reached| reached)
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
        // Most files of votes have short paths: some scans tell what parts would take a graph for.
        if self.reaches_all(Pair::earned) && self.reaches_all(Pair::conceded) {
            return Ok(());
        }
        let parts = self.strong_parts();
        if parts.len() > 1 {
            self.check_connected()?;
            return Err(Error::Separable { parts });
        }
        Ok(())
    }
}

/// Pairs that are being counted: as many repeat, those of the same items are added up now and then,
/// which keeps memory to some times the pairs that there are.
struct Counting {
    pairs: Vec<Pair>,
    limit: usize,
}

impl Counting {
    fn with_capacity(records: usize) -> Self {
        const FEW: usize = 1 << 16;
        let mut pairs = Vec::new();
        // A hint that cannot be held is not an error: the records may never come.
        let _ = pairs.try_reserve(records.min(1 << 24));
        Self { pairs, limit: FEW }
    }

    fn push(&mut self, pair: Pair) {
        if self.pairs.len() >= self.limit {
            add_up(&mut self.pairs);
            // Sorting again what hardly repeats would cost more than it saves.
            self.limit = self.limit.max(16 * self.pairs.len());
        }
        self.pairs.push(pair);
    }
}

/// Puts pairs in order of first and second item, those of the same two added up.
fn add_up(pairs: &mut Vec<Pair>) {
    pairs.sort_unstable_by_key(Pair::key);
    pairs.dedup_by(|next, kept| {
        let same = next.key() == kept.key();
        if same {
            kept.wins += next.wins;
            kept.losses += next.losses;
            kept.ties += next.ties;
        }
        same
    });
}

fn square(what: &'static str, shape: &[usize]) -> Result<usize, Error> {
    let items = shape[0];
    same_shape(what, shape, &[items, items])?;
    Ok(items)
}
