//! Lists as the kernels take them: where they lie, and their items, as they stand or taken out.

use crate::Real;
use crate::lists::{Flat, Place};

/// A list, and where in the [`Items`] of a batch it lies.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Entry {
    pub(super) place: Place,
    pub(super) start: usize,
    pub(super) end: usize,
    /// Whether an item weight is not 1.
    pub(super) weighted: bool,
}

impl From<Place> for Entry {
    fn from(place: Place) -> Self {
        Self { place, start: place.start, end: place.end, weighted: false }
    }
}

impl Entry {
    /// Lists of one kernel and length come together.
    pub(super) fn key(&self) -> (usize, bool) {
        (self.len(), self.weighted)
    }

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
    /// How far from the start of its list an item stands in the caller's arrays; none where no item
    /// of a list is left out.
    pub(super) index: Option<&'a [usize]>,
}

impl<'a, F: Real> Items<'a, F> {
    pub(super) fn standing(lists: &Flat<'a, F>) -> Self {
        Self { scores: lists.scores, labels: lists.labels, weights: &[], index: None }
    }

    pub(super) fn rows(&self, Entry { start, end, weighted, .. }: Entry) -> Rows<'a, F> {
        let weights = if weighted { &self.weights[start..end] } else { &[] };
        Rows { scores: &self.scores[start..end], labels: &self.labels[start..end], weights }
    }
}

/// The items of one list.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rows<'a, F> {
    pub(super) scores: &'a [F],
    pub(super) labels: &'a [F],
    /// Empty where all are 1.
    pub(super) weights: &'a [F],
}

impl<F> Default for Rows<'_, F> {
    fn default() -> Self {
        Self { scores: &[], labels: &[], weights: &[] }
    }
}

impl<F: Real> Rows<'_, F> {
    /// Whether no product with a weight leaves the range that a product without does not leave.
    pub(super) fn weights_are_moderate(&self) -> bool {
        let (least, greatest) = F::WEIGHTS;
        let moderate = |weight: f64| weight == 0.0 || (least..=greatest).contains(&weight);
        self.weights.iter().all(|weight| moderate(weight.widen()))
    }

    pub(super) fn labels_are_equal(&self) -> bool {
        self.labels.iter().all(|&label| label == self.labels[0])
    }

    pub(super) fn least_score(&self) -> F {
        let least = self.scores.iter().fold(F::infinity(), |least, &score| least.min(score));
        if self.scores.is_empty() { F::zero() } else { least }
    }
}

/// Items that exist, taken out of the caller's arrays.
#[derive(Debug, Clone, Default)]
pub(super) struct Taken<F> {
    pub(super) scores: Vec<F>,
    pub(super) labels: Vec<F>,
    pub(super) weights: Vec<F>,
    pub(super) index: Vec<usize>,
}

impl<F: Real> Taken<F> {
    pub(super) fn clear(&mut self) {
        let Self { scores, labels, weights, index } = self;
        for numbers in [scores, labels, weights] {
            numbers.clear();
        }
        index.clear();
    }

    pub(super) fn take<G: Real>(&mut self, lists: &Flat<'_, G>, place: Place) -> Entry {
        let Self { scores, labels, weights, index } = self;
        let start = scores.len();
        let pairs =
            [(scores, Some(lists.scores)), (labels, Some(lists.labels)), (weights, lists.weights)];
        for (taken, numbers) in pairs {
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
        Entry { place, start, end: self.scores.len(), weighted }
    }

    pub(super) fn items(&self, are_masked: bool) -> Items<'_, F> {
        let Self { scores, labels, weights, index } = self;
        let index = are_masked.then_some(index.as_slice());
        Items { scores, labels, weights, index }
    }
}

/// Lists to compute.
#[derive(Debug, Clone, Copy)]
pub(super) enum Entries<'a> {
    Listed(&'a [Entry]),
    /// So many lists of one size, one after another in the caller's arrays; in the [`Items`], so much
    /// further to the front.
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
                Entry { place, start, end, weighted: false }
            }
        }
    }

    /// So many lists from the `first` on as one, if they are unweighted, of one size, and their items
    /// one after another.
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

    pub(super) fn iter(self) -> impl Iterator<Item = Entry> {
        (0..self.len()).map(move |nth| self.get(nth))
    }

    /// The number of items of the longest list.
    pub(super) fn longest(self) -> usize {
        match self {
            Self::Listed(entries) => entries.iter().map(Entry::len).max().unwrap_or(0),
            Self::Equal { first, .. } => first.len(),
        }
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
