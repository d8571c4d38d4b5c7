//! Where lists lie, and their items: borrowed from the caller's arrays, or gathered from them.

use crate::Real;
use crate::lists::{Flat, Place};

/// A list, and where in the [`Items`] of a batch it lies.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Entry {
    pub(super) place: Place,
    pub(super) start: usize,
    pub(super) end: usize,
    /// Where the list's soft targets start.
    pub(super) targets: usize,
    /// Whether an item weight is not 1.
    pub(super) weighted: bool,
}

impl From<Place> for Entry {
    fn from(place: Place) -> Self {
        let targets = place.list * place.len() * place.len();
        Self { place, start: place.start, end: place.end, targets, weighted: false }
    }
}

impl Entry {
    pub(super) fn len(&self) -> usize {
        self.end - self.start
    }
}

/// Items of many lists.
#[derive(Debug, Clone, Copy)]
pub(super) struct Items<'a, F> {
    pub(super) scores: &'a [F],
    pub(super) labels: &'a [F],
    /// Empty where all are 1.
    pub(super) weights: &'a [F],
    /// The direction that the Hessian is multiplied with; else empty.
    pub(super) direction: &'a [F],
    /// The soft targets of all lists, a matrix each, row by row; else empty.
    pub(super) targets: &'a [F],
    /// How far from the start of its list an item stands in the caller's arrays; none where no item
    /// of a list is left out.
    pub(super) index: Option<&'a [usize]>,
}

impl<'a, F: Real> Items<'a, F> {
    pub(super) fn borrowed(lists: &Flat<'a, F>) -> Self {
        Self {
            scores: lists.scores,
            labels: lists.labels,
            weights: &[],
            direction: lists.direction.unwrap_or_default(),
            targets: lists.targets.unwrap_or_default(),
            index: None,
        }
    }

    #[inline(always)]
    pub(super) fn of(&self, entry: Entry) -> ListItems<'a, F> {
        let Entry { start, end, weighted, targets, .. } = entry;
        let len = end - start;
        let part = |numbers: &'a [F], given: bool| if given { &numbers[start..end] } else { &[] };
        ListItems {
            scores: part(self.scores, true),
            labels: part(self.labels, true),
            weights: part(self.weights, weighted),
            direction: part(self.direction, !self.direction.is_empty()),
            targets: self.targets.get(targets..targets + len * len).unwrap_or_default(),
        }
    }
}

/// The items of one list.
#[derive(Debug, Clone, Copy)]
pub(super) struct ListItems<'a, F> {
    pub(super) scores: &'a [F],
    pub(super) labels: &'a [F],
    /// Empty where all are 1.
    pub(super) weights: &'a [F],
    /// Empty where no Hessian-vector product is asked for.
    pub(super) direction: &'a [F],
    /// The soft targets, row by row; empty where there are none.
    pub(super) targets: &'a [F],
}

impl<F: Real> ListItems<'_, F> {
    /// The least score; 0 where there is none.
    pub(super) fn least_score(&self) -> F {
        let least = self.scores.iter().fold(F::infinity(), |least, &score| least.min(score));
        if self.scores.is_empty() { F::zero() } else { least }
    }
}

/// Items that exist, taken out of the caller's arrays.
#[derive(Debug, Clone, Default)]
pub(super) struct Gathered<F> {
    pub(super) scores: Vec<F>,
    pub(super) labels: Vec<F>,
    pub(super) weights: Vec<F>,
    pub(super) direction: Vec<F>,
    pub(super) targets: Vec<F>,
    pub(super) index: Vec<usize>,
}

impl<F: Real> Gathered<F> {
    pub(super) fn clear(&mut self) {
        let Self { scores, labels, weights, direction, targets, index } = self;
        for numbers in [scores, labels, weights, direction, targets] {
            numbers.clear();
        }
        index.clear();
    }

    pub(super) fn gather<G: Real>(&mut self, lists: &Flat<'_, G>, place: Place) -> Entry {
        let Self { scores, labels, weights, direction, targets, index } = self;
        let start = scores.len();
        let targets_start = targets.len();
        if let Some(all) = lists.targets {
            let len = place.len();
            let matrix = &all[place.list * len * len..][..len * len];
            let existing = |item: usize| lists.exists(place.start + item);
            for row in (0..len).filter(|&row| existing(row)) {
                let row = matrix[row * len..][..len].iter().enumerate();
                let row = row.filter(|(column, _)| existing(*column));
                targets.extend(row.map(|(_, target)| F::narrow(target.widen())));
            }
        }
        let columns = [
            (scores, Some(lists.scores)),
            (labels, Some(lists.labels)),
            (weights, lists.weights),
            (direction, lists.direction),
        ];
        for (taken, numbers) in columns {
            let Some(numbers) = numbers else { continue };
            let numbers = numbers[place.start..place.end].iter().map(|x| F::narrow(x.widen()));
            match lists.mask {
                None => taken.extend(numbers),
                Some(mask) => {
                    let numbers = numbers.zip(&mask[place.start..place.end]);
                    taken.extend(numbers.filter(|(_, exists)| **exists).map(|(x, _)| x));
                }
            }
        }
        if lists.mask.is_some() {
            let exists = |&item: &usize| lists.exists(place.start + item);
            index.extend((0..place.len()).filter(exists));
        }
        let weighted = self.weights.get(start..).is_some_and(|w| w.iter().any(|&w| w != F::one()));
        Entry { place, start, end: self.scores.len(), targets: targets_start, weighted }
    }

    pub(super) fn items(&self, are_masked: bool) -> Items<'_, F> {
        let Self { scores, labels, weights, direction, targets, index } = self;
        let index = are_masked.then_some(index.as_slice());
        Items { scores, labels, weights, direction, targets, index }
    }
}

/// Lists to compute.
#[derive(Debug, Clone, Copy)]
pub(super) enum Entries<'a> {
    Listed(&'a [Entry]),
    /// `lists` lists of equal size, contiguous in the caller's arrays; in the [`Items`] they start
    /// `shift` elements earlier.
    Equal {
        first: Place,
        lists: usize,
        shift: usize,
    },
}

impl Entries<'_> {
    pub(super) fn len(self) -> usize {
        match self {
            Self::Listed(entries) => entries.len(),
            Self::Equal { lists, .. } => lists,
        }
    }

    #[inline(always)]
    pub(super) fn get(self, nth: usize) -> Entry {
        match self {
            Self::Listed(entries) => entries[nth],
            Self::Equal { first, shift, .. } => {
                let start = first.start + nth * first.len();
                let place = Place { list: first.list + nth, start, end: start + first.len() };
                let (start, end) = (place.start - shift, place.end - shift);
                let targets = start * first.len();
                Entry { place, start, end, targets, weighted: false }
            }
        }
    }

    /// `lists` lists from the `first` on as one entry, if they are unweighted, of one size, and their
    /// items contiguous.
    #[inline(always)]
    pub(super) fn rectangle(self, first: usize, lists: usize) -> Option<Entry> {
        let last = first + lists - 1;
        if last >= self.len() {
            return None;
        }
        if let Self::Listed(entries) = self {
            let alike = |two: &[Entry]| two[0].end == two[1].start && two[0].len() == two[1].len();
            if entries[first].weighted || !entries[first..=last].windows(2).all(alike) {
                return None;
            }
        }
        Some(Entry { end: self.get(last).end, ..self.get(first) })
    }

    /// The end of the lists from the `first` on that have at most so many items in all, and the number
    /// of their items; one list at least.
    pub(super) fn within(self, first: usize, most: usize) -> (usize, usize) {
        if let Self::Equal { first: place, lists, .. } = self {
            let size = place.len();
            let end = (first + (most / size.max(1)).max(1)).min(lists);
            return (end, (end - first) * size);
        }
        let (mut end, mut items) = (first + 1, self.get(first).len());
        while end < self.len() && items + self.get(end).len() <= most {
            items += self.get(end).len();
            end += 1;
        }
        (end, items)
    }

    pub(super) fn iter(self) -> impl Iterator<Item = Entry> {
        (0..self.len()).map(move |nth| self.get(nth))
    }

    /// Whether a list has item weights.
    pub(super) fn any_weighted(self) -> bool {
        matches!(self, Self::Listed(entries) if entries.iter().any(|entry| entry.weighted))
    }

    /// The number of items of all lists.
    pub(super) fn items(self) -> usize {
        match self {
            Self::Listed(entries) => entries.iter().map(Entry::len).sum(),
            Self::Equal { first, lists, .. } => lists * first.len(),
        }
    }

    /// The place in the caller's arrays that the lists fill, none of others between them.
    pub(super) fn whole(self) -> Option<Place> {
        let next = |two: &[Entry]| {
            let [one, other] = [two[0].place, two[1].place];
            one.list + 1 == other.list && one.end == other.start
        };
        let in_a_row = match self {
            Self::Listed(entries) => entries.windows(2).all(next),
            Self::Equal { .. } => true,
        };
        let last = self.len().checked_sub(1).filter(|_| in_a_row)?;
        Some(Place { end: self.get(last).place.end, ..self.get(0).place })
    }
}
