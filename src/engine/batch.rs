//! The batch loop: lists in, values and results out.

#[cfg(feature = "rayon")]
use ndarray::parallel::prelude::*;

use super::block::{Diagonal, Wanted};
use super::careful::{Careful, Task};
use super::lists::{Entries, Entry, Gathered, Items};
use super::run::{Element, Native, Run, RunScratch, lanes};
use super::strategy::{self, Strategy};
use super::{ListResults, Scratch, Shape, Work};
use crate::lists::{Flat, ListBuffers, Place};
use crate::vector::{MOST_LANES, has_vectors};
use crate::{Precision, Real};

/// Lists are sorted by length within windows of this many.
const WINDOW: usize = 512;

/// Room that calls reuse: after the first call of a size, the `_into` forms allocate nothing (as
/// long as the arrays are in standard layout).
///
/// It holds no results and no state; any workspace serves any loss and any lists.
#[derive(Debug, Clone, Default)]
pub struct Workspace {
    /// One for each part of a batch that is computed on its own; at least one.
    rooms: Vec<Room>,
    values: Vec<f64>,
}

/// The part of a [`Workspace`] that one thread uses.
#[derive(Debug, Clone, Default)]
pub struct Room {
    single: OfType<f32>,
    double: OfType<f64>,
    window: Vec<Entry>,
    given_up: Vec<Entry>,
    pub(super) plain: Plain,
}

/// Room for the lists of one type.
#[derive(Debug, Clone, Default)]
pub(super) struct OfType<E> {
    gathered: Gathered<E>,
    run: RunScratch<E>,
}

/// Room for one list at a time, in `f64`.
#[derive(Debug, Clone, Default)]
pub(super) struct Plain {
    lists: ListBuffers,
    careful: Careful,
    results: [Vec<f64>; 3],
    scratch: Scratch,
}

impl Workspace {
    /// The values of the lists that were evaluated last.
    pub(crate) fn values(&self) -> &[f64] {
        &self.values
    }

    /// Room for the items of one list, and for numbers.
    pub(crate) fn for_lists(&mut self) -> (&mut ListBuffers, &mut Vec<f64>) {
        let Plain { lists, scratch, .. } = &mut self.rooms(1)[0].plain;
        (lists, &mut scratch.numbers)
    }

    fn rooms(&mut self, count: usize) -> &mut [Room] {
        if self.rooms.len() < count {
            self.rooms.resize(count, Room::default());
        }
        &mut self.rooms
    }
}

/// Where the results go: arrays of the scores' shape, or nowhere.
#[derive(Debug)]
pub(crate) struct Outputs<'a, F> {
    pub(crate) gradient: Option<&'a mut [F]>,
    pub(crate) diagonal: Option<(Diagonal, &'a mut [F])>,
    /// Where the products of the Hessian with the direction of the lists go.
    pub(crate) product: Option<&'a mut [F]>,
}

impl<F> Default for Outputs<'_, F> {
    fn default() -> Self {
        Self { gradient: None, diagonal: None, product: None }
    }
}

/// Each list's part in the reduced results: its weight over what the sum is divided by.
#[derive(Debug, Clone, Copy)]
struct Shares<'a, F> {
    weights: Option<&'a [F]>,
    divisor: f64,
}

impl<F: Real> Shares<'_, F> {
    fn weight(&self, list: usize) -> f64 {
        self.weights.map_or(1.0, |weights| weights[list].widen())
    }

    fn factor(&self, list: usize) -> f64 {
        if self.divisor == 0.0 { 0.0 } else { self.weight(list) / self.divisor }
    }
}

/// A part of a batch: lists to compute, from `first` on.
pub(super) struct Part<'a, F> {
    lists: Flat<'a, F>,
    count: usize,
    shares: Shares<'a, F>,
    wanted: Wanted,
    /// The first of the lists.
    first: Place,
    values: &'a mut [f64],
    /// The results of the lists' items, where they are asked for.
    results: [Option<&'a mut [F]>; 3],
}

/// Computes every list of a loss: the values go to the workspace, the results, each list's share of
/// the reduced ones, to `outputs`. Without a divisor nothing is reduced.
pub(crate) fn evaluate<F: Real>(
    work: Work<'_>,
    lists: &Flat<'_, F>,
    divisor: Option<f64>,
    outputs: Outputs<'_, F>,
    workspace: &mut Workspace,
) {
    let shape = work.0;
    let parts = parts(&shape, lists);
    workspace.rooms(parts);
    let Workspace { rooms, values } = workspace;
    values.clear();
    values.resize(lists.len(), 0.0);
    let weights = divisor.and(lists.list_weights);
    let Outputs { gradient, diagonal, product } = outputs;
    let wanted =
        Wanted { diagonal: diagonal.as_ref().map(|(which, _)| *which), product: product.is_some() };
    let part = Part {
        lists: *lists,
        count: lists.len(),
        shares: Shares { weights, divisor: divisor.unwrap_or(1.0) },
        wanted,
        first: Place::default(),
        values,
        results: [gradient, diagonal.map(|(_, out)| out), product],
    };
    #[cfg(feature = "rayon")]
    if parts > 1 {
        return part.evaluate_in_parallel(&shape, &mut rooms[..parts]);
    }
    F::Engine::evaluate(part, &shape, &mut rooms[0]);
}

/// Into how many parts to divide a batch; what comes out does not depend on it.
#[cfg(feature = "rayon")]
fn parts<F: Real>(shape: &Shape<'_>, lists: &Flat<'_, F>) -> usize {
    /// In nanoseconds: for less work, threads cost more than they spare.
    const WORTH_IT: usize = 100_000;
    if strategy::work(shape, lists.scores.len(), lists.len()) < WORTH_IT {
        return 1;
    }
    // More than threads, since lists may differ.
    4 * std::thread::available_parallelism().map_or(1, usize::from)
}

#[cfg(not(feature = "rayon"))]
fn parts<F: Real>(_: &Shape<'_>, _: &Flat<'_, F>) -> usize {
    1
}

#[cfg(feature = "rayon")]
impl<F: Real> Part<'_, F> {
    /// As many parts as there are rooms, each by whichever thread is free.
    fn evaluate_in_parallel(self, shape: &Shape<'_>, rooms: &mut [Room]) {
        let mut parts = Vec::with_capacity(rooms.len());
        let (mut rest, count) = (self, rooms.len());
        for (n, room) in rooms.iter_mut().enumerate() {
            let lists = rest.count / (count - n);
            let (part, others) = rest.split_at(lists);
            parts.push((part, room));
            rest = others;
        }
        parts.into_par_iter().for_each(|(part, room)| F::Engine::evaluate(part, shape, room));
    }

    /// The first lists, and the others.
    fn split_at(self, lists: usize) -> (Self, Self) {
        let Self { first, values, results, .. } = self;
        let items = (first.list..first.list + lists).map(|list| self.lists.size(list)).sum();
        let second = Place { list: first.list + lists, start: first.start + items, end: 0 };
        let (values, other_values) = values.split_at_mut(lists);
        let mut other_results = [None, None, None];
        let results = results.map(|out| out.map(|out| out.split_at_mut(items)));
        let mut of_first = [None, None, None];
        for (k, both) in results.into_iter().enumerate() {
            if let Some((out, others)) = both {
                (of_first[k], other_results[k]) = (Some(out), Some(others));
            }
        }
        (
            Self { count: lists, values, results: of_first, ..self },
            Self {
                count: self.count - lists,
                first: second,
                values: other_values,
                results: other_results,
                ..self
            },
        )
    }
}

impl<F: Real> Part<'_, F> {
    pub(super) fn evaluate(mut self, shape: &Shape<'_>, room: &mut Room)
    where
        F: OfRoom,
    {
        let mut next = self.first;
        let end = next.list + self.count;
        while next.list < end {
            room.given_up.clear();
            let (first, lists) = (next, WINDOW.min(end - next.list));
            for place in self.lists.places_from(first).take(lists) {
                next = Place { list: place.list + 1, start: place.end, end: 0 };
            }
            if let Shape::Own(_) = shape {
                let places = self.lists.places_from(first).take(lists);
                room.given_up.extend(places.map(Entry::from));
            } else {
                F::compute(&mut self, shape, room, first, lists);
            }
            let Room { given_up, plain, .. } = &mut *room;
            for entry in given_up {
                self.evaluate_carefully(shape, entry.place, plain);
            }
        }
    }

    /// The lists of a window in their own type.
    fn compute_natively(&mut self, shape: &Shape<'_>, room: &mut Room, first: Place, lists: usize)
    where
        F: Element + OfRoom,
    {
        let flat = self.lists;
        let Room { single, double, window, given_up, .. } = room;
        let OfType { gathered, run } = F::of_room(single, double);
        if let (Some(size), true) = (flat.equal_size(), flat.is_plain()) {
            let first = Place { end: first.start + size, ..first };
            let entries = Entries::Equal { first, lists, shift: 0 };
            let items = Items::borrowed(&flat);
            let own = Some::<Own<F, F>>(|numbers| numbers);
            return Batch { shape, items, given_up, own }.run(entries, run, self);
        }
        gathered.clear();
        window.clear();
        let plain = flat.is_plain() && flat.targets.is_none();
        let entry = |place: Place| if plain { place.into() } else { gathered.gather(&flat, place) };
        window.extend(flat.places_from(first).take(lists).map(entry));
        let items =
            if plain { Items::borrowed(&flat) } else { gathered.items(flat.mask.is_some()) };
        let own = Some::<Own<F, F>>(|numbers| numbers);
        Batch { shape, items, given_up, own }.compute(window, run, self);
    }

    /// Lists in `f64`: those of a window, or else those that were given up.
    fn compute_widened(
        &mut self,
        shape: &Shape<'_>,
        room: &mut Room,
        places: Option<(Place, usize)>,
    ) {
        let flat = self.lists;
        let Room { double: OfType { gathered, run }, window, given_up, .. } = room;
        gathered.clear();
        window.clear();
        if let Some((first, lists)) = places {
            let places = flat.places_from(first).take(lists);
            window.extend(places.map(|place| gathered.gather(&flat, place)));
        } else {
            let places = given_up.drain(..).map(|entry| entry.place);
            window.extend(places.map(|place| gathered.gather(&flat, place)));
        }
        if !window.is_empty() {
            let items = gathered.items(flat.mask.is_some());
            Batch { shape, items, given_up, own: None }.compute(window, run, self);
        }
    }

    /// One list, one number at a time.
    fn evaluate_carefully(&mut self, shape: &Shape<'_>, place: Place, plain: &mut Plain) {
        let Plain { lists: buffers, careful, results, scratch } = plain;
        let (list, direction, targets) = self.lists.whole_list(place, buffers);
        let wanted = self.wanted;
        let weight = self.shares.weight(place.list);
        let divisor = self.shares.divisor;
        let task = Task { list, direction, targets, wanted };
        let mut own = false;
        let value = match shape {
            _ if list.is_empty() => 0.0,
            Shape::Points(function) => careful.points(&task, *function),
            Shape::Pairs(work) => careful.pairs(&task, work.function, work.weight),
            Shape::Shares(function) => careful.shares(&task, *function),
            Shape::InOrder(positions) => careful.in_order(&task, *positions),
            Shape::Own(function) => {
                own = true;
                for results in &mut *results {
                    results.clear();
                    results.resize(list.len(), 0.0);
                }
                let [gradient, diagonal, product] = results;
                let mut results = ListResults {
                    gradient,
                    diagonal: wanted.diagonal.map(|_| &mut diagonal[..]),
                    product: direction.filter(|_| wanted.product).map(|v| (v, &mut product[..])),
                    scratch,
                };
                function.list(&list, &mut results)
            }
        };
        self.values[place.list - self.first.list] = value;
        let factor = Share { weight, divisor };
        let lists = self.lists;
        let range = place.start - self.first.start..place.end - self.first.start;
        for (result, out) in self.results.iter_mut().enumerate() {
            let Some(out) = out.as_deref_mut() else { continue };
            let mut item = 0;
            for (place, out) in (place.start..).zip(&mut out[range.clone()]) {
                *out = F::zero();
                if lists.exists(place) {
                    let exact = if own {
                        let x = results[result][item];
                        let negative = result == 1
                            && wanted.diagonal == Some(Diagonal::NonNegative)
                            && x < 0.0;
                        factor.of(if negative { -x } else { x })
                    } else {
                        careful.result(result, item, weight, divisor)
                    };
                    *out = F::narrow(exact);
                    item += 1;
                }
            }
        }
    }

    /// The results at a list's place, where they are asked for.
    fn out(&mut self, result: usize, place: Place) -> Option<&mut [F]> {
        let out = self.results[result].as_deref_mut()?;
        Some(&mut out[place.start - self.first.start..place.end - self.first.start])
    }

    /// Writes a list's results: those of its `k`th item, which stands at `index[k]` of the place, or
    /// at k where there is no index; 0 elsewhere.
    #[inline]
    fn write<E: Real>(
        &mut self,
        result: usize,
        place: Place,
        index: Option<&[usize]>,
        results: &[E],
    ) {
        let Some(out) = self.out(result, place) else { return };
        if let Some(index) = index {
            out.fill(F::zero());
            for (&item, &result) in index.iter().zip(results) {
                out[item] = F::narrow(result.widen());
            }
        } else {
            for (out, &result) in out.iter_mut().zip(results) {
                *out = F::narrow(result.widen());
            }
        }
    }
}

/// A list's part in the reduced results of a function in `f64`.
#[derive(Clone, Copy)]
struct Share {
    weight: f64,
    divisor: f64,
}

impl Share {
    fn of(self, slope: f64) -> f64 {
        if self.weight == 0.0 || self.divisor == 0.0 {
            return 0.0; // even of an infinite slope
        }
        let factor = self.weight / self.divisor;
        if factor.is_normal() { slope * factor } else { slope * self.weight / self.divisor }
    }
}

/// How the lists of a type are computed, and where its room is.
pub(super) trait OfRoom: Real {
    /// The values and results of a window's lists; those given up are left in the room.
    fn compute(
        part: &mut Part<'_, Self>,
        shape: &Shape<'_>,
        room: &mut Room,
        first: Place,
        lists: usize,
    );

    fn of_room<'a>(
        single: &'a mut OfType<f32>,
        double: &'a mut OfType<f64>,
    ) -> &'a mut OfType<Self>;
}

impl OfRoom for f32 {
    fn compute(
        part: &mut Part<'_, Self>,
        shape: &Shape<'_>,
        room: &mut Room,
        first: Place,
        lists: usize,
    ) {
        #[cfg(feature = "simd")]
        if has_vectors() {
            part.compute_natively(shape, room, first, lists);
            return part.compute_widened(shape, room, None);
        }
        part.compute_widened(shape, room, Some((first, lists)));
    }

    fn of_room<'a>(single: &'a mut OfType<f32>, _: &'a mut OfType<f64>) -> &'a mut OfType<Self> {
        single
    }
}

impl OfRoom for f64 {
    fn compute(
        part: &mut Part<'_, Self>,
        shape: &Shape<'_>,
        room: &mut Room,
        first: Place,
        lists: usize,
    ) {
        part.compute_natively(shape, room, first, lists);
    }

    fn of_room<'a>(_: &'a mut OfType<f32>, double: &'a mut OfType<f64>) -> &'a mut OfType<Self> {
        double
    }
}

/// The arrays' numbers as those of a run whose type is theirs.
type Own<F, E> = fn(&mut [F]) -> &mut [E];

/// Lists to compute in the type E, of arrays of the type F.
struct Batch<'a, F, E> {
    shape: &'a Shape<'a>,
    items: Items<'a, E>,
    given_up: &'a mut Vec<Entry>,
    /// None where the types differ.
    own: Option<Own<F, E>>,
}

impl<F: Real, E: Element> Batch<'_, F, E> {
    fn strategy(&self, entry: Entry, part: &Part<'_, F>) -> Strategy {
        let traits = strategy::Traits {
            items: entry.len(),
            weighted: entry.weighted,
            curvature: part.wanted.curvature(),
            vectors: has_vectors(),
            targets: !self.items.targets.is_empty(),
        };
        Strategy::of(self.shape, traits)
    }

    /// Lists of any lengths.
    fn compute(
        mut self,
        window: &mut [Entry],
        scratch: &mut RunScratch<E>,
        part: &mut Part<'_, F>,
    ) {
        let key = |entry: &Entry| (entry.len(), entry.weighted);
        // Lists side by side should be of one length.
        if window.iter().any(|entry| key(entry) != key(&window[0]))
            && window.iter().any(|entry| self.strategy(*entry, part).wants_equal_lengths())
        {
            window.sort_unstable_by_key(|entry| (key(entry), entry.place.list));
        }
        let mut rest = &*window;
        while let Some(&first) = rest.first() {
            let way = (self.strategy(first, part), first.weighted);
            let alike = |entry: &&Entry| (self.strategy(**entry, part), entry.weighted) == way;
            let len = rest.iter().take_while(alike).count();
            let (run, others) = rest.split_at(len);
            self.run(Entries::Listed(run), scratch, part);
            rest = others;
        }
    }

    /// Lists of one strategy.
    fn run(&mut self, entries: Entries<'_>, scratch: &mut RunScratch<E>, part: &mut Part<'_, F>) {
        let RunScratch { factors, values, results, work } = scratch;
        let strategy = self.strategy(entries.get(0), part);
        let (lists, padded) = (entries.len(), entries.len().next_multiple_of(MOST_LANES));
        factors.clear();
        match part.shares.weights {
            None => factors.resize(lists, part.shares.factor(part.first.list)),
            Some(_) => {
                factors.extend(entries.iter().map(|entry| part.shares.factor(entry.place.list)));
            }
        }
        factors.resize(padded, 0.0);
        values.resize(values.len().max(padded), 0.0);
        let first = part.first;
        // Lists that fill a range of the arrays have their results go straight there.
        let whole = entries.whole().filter(|_| self.items.index.is_none());
        let direct = whole.zip(self.own);
        let items = entries.items();
        let mut slices: [&mut [E]; 3] = Default::default();
        let outs = part.results.iter_mut().zip(results.iter_mut()).zip(&mut slices);
        for ((out, results), slice) in outs {
            let Some(out) = out.as_deref_mut() else { continue };
            if let Some((place, own)) = direct {
                *slice = own(&mut out[place.start - first.start..place.end - first.start]);
            } else {
                results.resize(results.len().max(items), E::zero());
                *slice = &mut results[..items];
            }
        }
        let run = Run {
            shape: self.shape,
            strategy,
            wanted: part.wanted,
            single: F::PRECISION == Precision::Single,
            items: self.items,
            entries,
            factors,
            values: &mut values[..padded],
            results: slices,
            scratch: work,
        };
        E::run(lanes(strategy, lists), run);

        let (factors, values) = (&factors[..lists], &values[..lists]);
        if let Some((place, _)) = direct
            && !entries.any_weighted()
            && values.iter().fold(true, |all, value| all & value.is_finite())
            && factors.iter().fold(true, |all, &factor| all & Self::is_moderate(factor))
        {
            part.values[place.list - first.list..][..lists].copy_from_slice(values);
            return;
        }
        let mut start = 0;
        for ((entry, &value), &factor) in entries.iter().zip(values).zip(factors) {
            let range = start..start + entry.len();
            start = range.end;
            if !self.trusts(value, entry, factor) {
                self.given_up.push(entry);
                continue;
            }
            part.values[entry.place.list - first.list] = value;
            if direct.is_some() {
                continue;
            }
            for (result, results) in results.iter().enumerate() {
                if part.results[result].is_some() {
                    let index = self.items.index.map(|index| &index[entry.start..entry.end]);
                    part.write(result, entry.place, index, &results[range.clone()]);
                }
            }
        }
    }

    /// Whether products with a factor or a weight stay in the range.
    fn is_moderate(x: f64) -> bool {
        let (least, greatest) = <E as Element>::MODERATE;
        x == 0.0 || (least..=greatest).contains(&x)
    }

    /// Whether a list's results are as exact as they should be.
    fn trusts(&self, value: f64, entry: Entry, factor: f64) -> bool {
        let weights = self.items.of(entry).weights;
        value.is_finite()
            && Self::is_moderate(factor)
            && weights.iter().all(|weight| Self::is_moderate(weight.widen()))
    }
}
