//! The batch loop that every loss shares: lists in, values and gradients out.

#[cfg(feature = "rayon")]
use ndarray::parallel::prelude::*;

use crate::lists::{Flat, ListBuffers, Place};
#[cfg(all(feature = "simd", feature = "rayon"))]
use crate::losses::Kernel;
#[cfg(feature = "simd")]
use crate::losses::fast;
use crate::losses::{Loss, Scratch, Total};
use crate::{List, Real};

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
pub(super) struct Room {
    #[cfg(feature = "simd")]
    pub(super) fast: fast::Room,
    pub(super) plain: Plain,
}

/// Room for one list at a time.
#[derive(Debug, Clone, Default)]
pub(super) struct Plain {
    lists: ListBuffers,
    grad: Vec<f64>,
    scratch: Scratch,
}

impl Workspace {
    /// The values of the lists that were evaluated last.
    pub(super) fn values(&self) -> &[f64] {
        &self.values
    }

    pub(super) fn for_lists(&mut self) -> (&mut ListBuffers, &mut Scratch) {
        let Plain { lists, scratch, .. } = &mut self.rooms(1)[0].plain;
        (lists, scratch)
    }

    fn rooms(&mut self, count: usize) -> &mut [Room] {
        if self.rooms.len() < count {
            self.rooms.resize(count, Room::default());
        }
        &mut self.rooms
    }
}

/// What the lists' parts in the reduced gradient come from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shares<'a, F> {
    weights: Option<&'a [F]>,
    divisor: f64,
    /// That of a list of weight 1.
    share: Share,
}

impl<'a, F: Real> Shares<'a, F> {
    fn new(weights: Option<&'a [F]>, divisor: f64) -> Self {
        Self { weights, divisor, share: Share::new(1.0, divisor) }
    }

    /// The factor of all lists, where it is one.
    #[cfg(feature = "simd")]
    pub(super) fn common_factor(&self) -> Option<f64> {
        self.weights.is_none().then_some(self.share.factor)
    }

    pub(super) fn of(&self, list: usize) -> Share {
        match self.weights {
            None => self.share,
            Some(weights) => Share::new(weights[list].widen(), self.divisor),
        }
    }
}

/// A list's part in the reduced gradient: its weight over what the sum is divided by.
#[derive(Debug, Clone, Copy)]
pub(super) struct Share {
    weight: f64,
    divisor: f64,
    /// The share, where it is a normal number or 0.
    pub(super) factor: f64,
}

impl Share {
    pub(super) fn new(weight: f64, divisor: f64) -> Self {
        let factor = if divisor == 0.0 { 0.0 } else { weight / divisor };
        Self { weight, divisor, factor }
    }

    pub(super) fn of(self, slope: f64) -> f64 {
        if self.factor.is_normal() {
            slope * self.factor
        } else if self.weight == 0.0 || self.divisor == 0.0 {
            0.0 // even of an infinite slope
        } else {
            slope * self.weight / self.divisor
        }
    }
}

/// Lists to compute, from `results.first` on.
pub(super) struct Job<'a, F> {
    pub(super) lists: Flat<'a, F>,
    pub(super) count: usize,
    pub(super) shares: Shares<'a, F>,
    pub(super) results: Results<'a, F>,
}

/// Where the values and gradients of some lists go.
pub(super) struct Results<'a, F> {
    /// The first of the lists.
    pub(super) first: Place,
    values: &'a mut [f64],
    /// Of the lists' items; where it is asked for.
    grad: Option<&'a mut [F]>,
}

impl<F: Real> Results<'_, F> {
    pub(super) fn write_value(&mut self, place: Place, value: f64) {
        self.values[place.list - self.first.list] = value;
    }

    /// The values of a list and those behind it.
    #[cfg(feature = "simd")]
    pub(super) fn write_values(&mut self, place: Place, values: &[f64]) {
        self.values[place.list - self.first.list..][..values.len()].copy_from_slice(values);
    }

    /// The gradient at a list's place, where it is asked for.
    pub(super) fn grad(&mut self, place: Place) -> Option<&mut [F]> {
        let grad = self.grad.as_deref_mut()?;
        Some(&mut grad[place.start - self.first.start..place.end - self.first.start])
    }

    /// A list's gradient: the slope of its `k`th item, which stands at `index[k]` of the place, or
    /// at k where there is no index; 0 elsewhere.
    #[cfg(feature = "simd")]
    #[inline]
    pub(super) fn write_grad(
        &mut self,
        place: Place,
        index: Option<&[usize]>,
        slope: impl Fn(usize) -> F,
    ) {
        let Some(grad) = self.grad(place) else { return };
        if let Some(index) = index {
            grad.fill(F::zero());
            for (k, &item) in index.iter().enumerate() {
                grad[item] = slope(k);
            }
        } else {
            for (k, out) in grad.iter_mut().enumerate() {
                *out = slope(k);
            }
        }
    }
}

/// Computes every list of a loss: the values go to the workspace and to the total, the gradients,
/// each list's share of the reduced one, to `grad`. Without a divisor nothing is reduced.
pub(super) fn evaluate<L: Loss + ?Sized, F: Real>(
    loss: &L,
    lists: &Flat<'_, F>,
    divisor: Option<f64>,
    total: &mut Total,
    grad: Option<&mut [F]>,
    workspace: &mut Workspace,
) {
    let parts = parts(loss, lists);
    workspace.rooms(parts);
    with_job(lists, divisor, total, grad, workspace, |job, rooms| {
        #[cfg(feature = "rayon")]
        if parts > 1 {
            return job.evaluate_in_parallel(loss, &mut rooms[..parts]);
        }
        job.evaluate(loss, &mut rooms[0]);
    });
}

/// [`evaluate`] by a function of a list and its place.
pub(super) fn evaluate_each<F: Real>(
    lists: &Flat<'_, F>,
    divisor: Option<f64>,
    total: &mut Total,
    grad: Option<&mut [F]>,
    workspace: &mut Workspace,
    mut of_list: impl FnMut(Place, &List<'_>, &mut [f64], &mut Scratch) -> f64,
) {
    workspace.rooms(1);
    with_job(lists, divisor, total, grad, workspace, |mut job, rooms| {
        let room = &mut rooms[0];
        for place in lists.places() {
            job.evaluate_one(place, &mut room.plain, |list, grad, scratch| {
                of_list(place, list, grad, scratch)
            });
        }
    });
}

fn with_job<F: Real>(
    lists: &Flat<'_, F>,
    divisor: Option<f64>,
    total: &mut Total,
    grad: Option<&mut [F]>,
    workspace: &mut Workspace,
    evaluate: impl FnOnce(Job<'_, F>, &mut [Room]),
) {
    let weights = lists.list_weights;
    let shares = Shares::new(divisor.and(weights), divisor.unwrap_or(1.0));
    let Workspace { rooms, values } = workspace;
    values.clear();
    values.resize(lists.len(), 0.0);
    let results = Results { first: Place::default(), values, grad };
    evaluate(Job { lists: *lists, count: lists.len(), shares, results }, rooms);

    let weights = weights.filter(|weights| weights.iter().any(|&weight| weight != F::one()));
    let Some(weights) = weights else { return total.add_all(values) };
    // The weight of a list without items, whose value is 0, may be anything.
    for (weight, &value) in weights.iter().zip(&*values).filter(|(_, value)| **value != 0.0) {
        total.add(weight.widen(), value);
    }
}

/// Into how many parts to divide a batch; what comes out does not depend on it.
#[cfg(feature = "rayon")]
fn parts<L: Loss + ?Sized, F: Real>(loss: &L, lists: &Flat<'_, F>) -> usize {
    /// Of this much work, threads spare more than they cost: some 100 µs.
    const WORTH_IT: usize = 100_000;
    let items = lists.scores.len();
    let pairs = items.saturating_mul(items / lists.len().max(1)) / 16;
    // In nanoseconds, roughly.
    let work = match loss.kernel() {
        #[cfg(feature = "simd")]
        Some(Kernel::PointMse | Kernel::PointSigmoid) => items / 2,
        #[cfg(feature = "simd")]
        Some(Kernel::Softmax) => 2 * items,
        #[cfg(feature = "simd")]
        Some(_) => items.saturating_mul(4).saturating_add(pairs),
        _ => items.saturating_add(pairs).saturating_mul(20),
    };
    // More than threads, since lists may differ.
    if work < WORTH_IT {
        1
    } else {
        4 * std::thread::available_parallelism().map_or(1, usize::from)
    }
}

#[cfg(not(feature = "rayon"))]
fn parts<L: Loss + ?Sized, F: Real>(_: &L, _: &Flat<'_, F>) -> usize {
    1
}

#[cfg(feature = "rayon")]
impl<F: Real> Job<'_, F> {
    /// Each of as many parts as there are rooms by whichever thread is free.
    fn evaluate_in_parallel<L: Loss + ?Sized>(self, loss: &L, rooms: &mut [Room]) {
        let mut parts = Vec::with_capacity(rooms.len());
        let (mut rest, count) = (self, rooms.len());
        for (n, room) in rooms.iter_mut().enumerate() {
            let lists = rest.count / (count - n);
            let (part, others) = rest.split_at(lists);
            parts.push((part, room));
            rest = others;
        }
        parts.into_par_iter().for_each(|(part, room)| part.evaluate(loss, room));
    }

    /// The first lists, and the others.
    fn split_at(self, lists: usize) -> (Self, Self) {
        let Results { first, values, grad } = self.results;
        let items = (first.list..first.list + lists).map(|list| self.lists.size(list)).sum();
        let second = Place { list: first.list + lists, start: first.start + items, end: 0 };
        let (values, other_values) = values.split_at_mut(lists);
        let (grad, other_grad) = grad.map(|grad| grad.split_at_mut(items)).unzip();
        (
            Self { count: lists, results: Results { first, values, grad }, ..self },
            Self {
                count: self.count - lists,
                results: Results { first: second, values: other_values, grad: other_grad },
                ..self
            },
        )
    }
}

impl<F: Real> Job<'_, F> {
    fn evaluate<L: Loss + ?Sized>(mut self, loss: &L, room: &mut Room) {
        #[cfg(feature = "simd")]
        if let Some(kernel) = loss.kernel() {
            return fast::evaluate(kernel, loss, self, room);
        }
        for place in self.lists.places_from(self.results.first).take(self.count) {
            self.evaluate_plainly(loss, place, &mut room.plain);
        }
    }

    /// One list by the loss's own function.
    pub(super) fn evaluate_plainly<L: Loss + ?Sized>(
        &mut self,
        loss: &L,
        place: Place,
        plain: &mut Plain,
    ) {
        self.evaluate_one(place, plain, |list, grad, scratch| loss.list(list, grad, scratch));
    }

    fn evaluate_one(
        &mut self,
        place: Place,
        plain: &mut Plain,
        of_list: impl FnOnce(&List<'_>, &mut [f64], &mut Scratch) -> f64,
    ) {
        let Plain { lists: buffers, grad, scratch } = plain;
        let list = self.lists.list(place, buffers);
        grad.clear();
        grad.resize(list.len(), 0.0);
        let value = if list.is_empty() { 0.0 } else { of_list(&list, grad, scratch) };
        self.results.write_value(place, value);
        let (lists, share) = (self.lists, self.shares.of(place.list));
        let Some(out) = self.results.grad(place) else { return };
        let mut slopes = grad.iter().map(|&slope| F::narrow(share.of(slope)));
        for (item, out) in (place.start..).zip(out) {
            let slope = if lists.exists(item) { slopes.next() } else { None };
            *out = slope.unwrap_or(F::zero());
        }
    }
}
