//! Counted rankings of K items.

use super::graph::{self, Arcs};
use super::limits::{check_items, narrow};
use crate::Error;
use crate::check::{finite, within};

/// Rankings of K items: of all of them, of some, or of the best k, with ties and counts.
///
/// ```
/// use lipo::labels::Rankings;
///
/// let mut rankings = Rankings::new(4)?;
/// rankings.push(&[2, 0, 1, 3])?; // of all items, the best first
/// rankings.push(&[0, 3])?; // of two; nothing is said of the others
/// rankings.push_top(&[2, 1])?; // the best two of all; 0 and 3 came behind them
/// rankings.push_top_of(&[1], &[0, 2])?; // the best of three
/// rankings.push_counted(&[3, 1], &[], 25.0)?; // seen 25 times
/// rankings.push_tied(&[&[2], &[0, 3], &[1]], 1.0)?; // 0 and 3 share the second place
/// assert_eq!(rankings.len(), 6);
/// assert!(rankings.push(&[1, 4]).is_err());
/// # Ok::<(), lipo::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Rankings {
    items: usize,
    /// The items of all orders, the ranked ones first in each.
    entries: Vec<u32>,
    orders: Vec<Span>,
    /// How often each ranking was seen.
    counts: Vec<f64>,
}

/// Where an order ends among the entries.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Span {
    end: usize,
    /// How many of its items, at the front, are ranked.
    ranked: usize,
    /// The ranking that it belongs to, and the part that it has of the ranking's count: a ranking with
    /// ties stands here as all its orders.
    ranking: usize,
    part: f64,
}

/// An order of items, the best first.
#[derive(Debug, Clone, Copy)]
pub(super) struct Order<'a> {
    pub(super) items: &'a [u32],
    /// How many of them, at the front, are ranked; the others came behind, in no order.
    pub(super) ranked: usize,
    pub(super) weight: f64,
}

/// Ties may stand for so many orders, 7!.
const MOST_ORDERS: usize = 5040;

impl Rankings {
    /// No rankings of items 0 to `items` − 1 yet.
    ///
    /// # Errors
    ///
    /// [`Error::Parameter`] where there are more items than 32 bits number, or than memory holds.
    pub fn new(items: usize) -> Result<Self, Error> {
        check_items(items)?;
        Ok(Self { items, entries: Vec::new(), orders: Vec::new(), counts: Vec::new() })
    }

    /// Adds a ranking of the items given, the best first.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfRange`] for an item that does not exist, or is ranked twice, its index the place
    /// in the ranking; nothing has been added then.
    pub fn push(&mut self, ranked: &[usize]) -> Result<(), Error> {
        self.push_counted(ranked, &[], 1.0)
    }

    /// Adds the best of all items, the best first; the others came behind, in no order.
    ///
    /// # Errors
    ///
    /// As in [`push`](Self::push).
    pub fn push_top(&mut self, ranked: &[usize]) -> Result<(), Error> {
        let mut behind = vec![true; self.items];
        for &item in ranked {
            behind.get_mut(item).into_iter().for_each(|behind| *behind = false);
        }
        let others: Vec<usize> = (0..self.items).filter(|&item| behind[item]).collect();
        self.push_counted(ranked, &others, 1.0)
    }

    /// Adds the best of some items, the best first; `others` came behind, in no order. A choice of
    /// one among several is the best one.
    ///
    /// # Errors
    ///
    /// As in [`push`](Self::push), the places of `others` following those of `ranked`.
    pub fn push_top_of(&mut self, ranked: &[usize], others: &[usize]) -> Result<(), Error> {
        self.push_counted(ranked, others, 1.0)
    }

    /// Adds a ranking as in [`push_top_of`](Self::push_top_of) that was seen `count` times, finite and
    /// ≥ 0.
    ///
    /// # Errors
    ///
    /// As in `push_top_of`; [`Error::NotFinite`] and [`Error::OutOfRange`] for the count.
    pub fn push_counted(
        &mut self,
        ranked: &[usize],
        others: &[usize],
        count: f64,
    ) -> Result<(), Error> {
        let order: Vec<usize> = ranked.iter().chain(others).copied().collect();
        self.check(&order, count)?;
        self.add(&order, ranked.len(), 1.0);
        self.counts.push(count);
        Ok(())
    }

    /// Adds the choice of one item among several, in one column each: true for the chosen one.
    ///
    /// ```
    /// use lipo::labels::Rankings;
    ///
    /// let mut rankings = Rankings::new(9)?;
    /// rankings.push_one_hot(&[4, 0, 7], &[false, false, true])?; // 7 was the best of 4, 0 and 7
    /// assert!(rankings.push_one_hot(&[4, 0, 7], &[true, false, true]).is_err());
    /// # Ok::<(), lipo::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As in [`push`](Self::push); [`Error::Shape`] where there is not one column an item,
    /// [`Error::OutOfRange`] unless exactly one is true.
    pub fn push_one_hot(&mut self, items: &[usize], chosen: &[bool]) -> Result<(), Error> {
        crate::check::same_shape("chosen", &[chosen.len()], &[items.len()])?;
        let is_chosen = |wanted| {
            let marked = items.iter().zip(chosen).filter(move |&(_, &chosen)| chosen == wanted);
            marked.map(|(&item, _)| item).collect::<Vec<usize>>()
        };
        let (best, others) = (is_chosen(true), is_chosen(false));
        if best.len() != 1 {
            let (value, range) = (best.len() as f64, "exactly one");
            let what = "number of chosen items";
            return Err(Error::OutOfRange { what, index: Vec::new(), value, range });
        }
        self.push_counted(&best, &others, 1.0)
    }

    /// Adds a ranking with ties that was seen `count` times: groups of items, the best group first, the
    /// items of a group being level.
    ///
    /// A tie says that either order might have come: the log-likelihood is the mean over all orders
    /// of each group. So two tied items are half a win for each, as in
    /// [`Ties::HalfWins`](super::Ties::HalfWins).
    ///
    /// # Errors
    ///
    /// As in [`push`](Self::push), the places of the groups following one another, and for the count as
    /// in [`push_counted`](Self::push_counted). [`Error::Parameter`] where ties stand for more than
    /// 7! = 5040 orders: groups of two, seven or fewer, or one of seven, are fine. Beyond that,
    /// [`Comparisons::from_ranks`](super::Comparisons::from_ranks) takes ties of any size, two items
    /// at a time.
    pub fn push_tied(&mut self, groups: &[&[usize]], count: f64) -> Result<(), Error> {
        let order: Vec<usize> = groups.iter().flat_map(|group| group.iter().copied()).collect();
        self.check(&order, count)?;
        let mut orders = 1_usize;
        for number in groups.iter().flat_map(|group| 1..=group.len()) {
            orders = orders.saturating_mul(number);
            if orders > MOST_ORDERS {
                let (name, range) = ("orders that ties stand for", "at most 5040");
                return Err(Error::Parameter { name, value: orders as f64, range });
            }
        }
        let mut all = vec![Vec::new()];
        for group in groups {
            let ways = permutations(group);
            let longer = |order: &Vec<usize>| {
                ways.iter().map(|way| [&**order, &**way].concat()).collect::<Vec<_>>()
            };
            all = all.iter().flat_map(longer).collect();
        }
        for order in &all {
            self.add(order, order.len(), 1.0 / all.len() as f64);
        }
        self.counts.push(count);
        Ok(())
    }

    fn check(&self, order: &[usize], count: f64) -> Result<(), Error> {
        let range = "below the number of items, and one of the ranking's only once";
        // Sorted with their places, equal items stand side by side.
        let mut places: Vec<(usize, usize)> = order.iter().copied().zip(0..).collect();
        places.sort_unstable();
        let twice = places.windows(2).find(|two| two[0].0 == two[1].0).map(|two| two[1]);
        if let Some((item, place)) =
            places.last().copied().filter(|last| last.0 >= self.items).or(twice)
        {
            let (what, index) = ("ranking", vec![place]);
            return Err(Error::OutOfRange { what, index, value: item as f64, range });
        }
        within("count", count, (|count| count >= 0.0, "at least 0"), Vec::new)
    }

    /// Adds an order to the ranking that is about to be counted.
    fn add(&mut self, order: &[usize], ranked: usize, part: f64) {
        self.entries.extend(order.iter().map(|&item| narrow(item)));
        let (end, ranking) = (self.entries.len(), self.counts.len());
        self.orders.push(Span { end, ranked, ranking, part });
    }

    /// The number K of items.
    #[must_use]
    pub fn items(&self) -> usize {
        self.items
    }

    /// The number of rankings, whatever their counts.
    #[must_use]
    pub fn len(&self) -> usize {
        self.counts.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    /// The sum of all counts.
    #[must_use]
    pub fn total(&self) -> f64 {
        self.counts.iter().sum()
    }

    /// How many items all orders have together.
    pub(super) fn entries(&self) -> usize {
        self.entries.len()
    }

    /// All orders, a ranking with ties being several.
    pub(super) fn iter(&self) -> impl Iterator<Item = Order<'_>> {
        let starts = std::iter::once(0).chain(self.orders.iter().map(|span| span.end));
        starts.zip(&self.orders).map(|(start, span)| Order {
            items: &self.entries[start..span.end],
            ranked: span.ranked,
            weight: self.counts[span.ranking] * span.part,
        })
    }

    /// The same rankings with other counts; a count of 0 stays one, and no other becomes one.
    pub(super) fn recounted(&self, mut count: impl FnMut(f64) -> f64) -> Result<Self, Error> {
        let mut rankings = self.clone();
        for old in rankings.counts.iter_mut().filter(|count| **count > 0.0) {
            *old = count(*old).max(f64::MIN_POSITIVE);
        }
        rankings.check_total()?;
        Ok(rankings)
    }

    pub(super) fn check_total(&self) -> Result<(), Error> {
        finite("the sum of the counts", self.total(), Vec::new)
    }

    /// Arcs that lead from items to those that they were ranked above, through which all others
    /// that they were ranked above are reached.
    fn arcs(&self) -> impl Iterator<Item = (usize, usize, ())> + '_ {
        self.iter().filter(|order| order.weight > 0.0).flat_map(
            |Order { items, ranked, .. }| {
                let next = items.iter().zip(items.iter().skip(1)).take(ranked.saturating_sub(1));
                let last = ranked.checked_sub(1).map(|last| &items[last]);
                let behind = items[ranked..].iter();
                let from_last = last
                    .into_iter()
                    .flat_map(move |last| behind.clone().map(move |below| (last, below)));
                next.chain(from_last).map(|(&above, &below)| (above as usize, below as usize, ()))
            },
        )
    }

    /// The parts of the items that rankings link, each ascending, by their least items.
    #[must_use]
    pub fn parts(&self) -> Vec<Vec<usize>> {
        graph::connected_parts(self.items, self.arcs().map(|(above, below, ())| (above, below)))
    }

    /// Whether rankings link all items.
    ///
    /// # Errors
    ///
    /// [`Error::Unconnected`], with the [`parts`](Self::parts), where they do not.
    pub fn check_connected(&self) -> Result<(), Error> {
        let parts = self.parts();
        if parts.len() > 1 { Err(Error::Unconnected { parts }) } else { Ok(()) }
    }

    /// Whether every item was ranked above every other, be it through a chain of others: the condition
    /// for finite strengths (Hunter 2004).
    ///
    /// # Errors
    ///
    /// [`Error::Unconnected`] as in [`check_connected`](Self::check_connected); otherwise
    /// [`Error::Separable`].
    pub fn check_strongly_connected(&self) -> Result<(), Error> {
        let parts = Arcs::new(self.items, || self.arcs()).strong_parts();
        if parts.len() > 1 {
            self.check_connected()?;
            return Err(Error::Separable { parts });
        }
        Ok(())
    }
}

/// All orders of the elements.
fn permutations(elements: &[usize]) -> Vec<Vec<usize>> {
    if elements.is_empty() {
        return vec![Vec::new()];
    }
    let first = |place: usize| {
        let others = [&elements[..place], &elements[place + 1..]].concat();
        permutations(&others).into_iter().map(move |rest| [&[elements[place]], &*rest].concat())
    };
    (0..elements.len()).flat_map(first).collect()
}
