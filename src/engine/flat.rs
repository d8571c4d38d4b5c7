//! Point losses of a run: one term an item, whatever lists the items are of.
//!
//! The items are taken as they lie, some hundreds at a time, and no list has a beginning of a vector
//! to itself. Only the values are sums over lists.

use super::block::{Diagonal, Wanted};
use super::lists::{Entries, Entry, Items};
use super::points::{NativePoints, PointRun, RunFunction};
use crate::Real;
use crate::vector::{Kernel, MOST_LANES, Vector, WideSum};

/// So many items are computed at a time, or one list.
const ITEMS: usize = 512;
/// Lists of at least this many items are summed along the lanes, shorter ones side by side.
const SUMMED_IN_LANES: usize = 24;

/// Room for the terms of a group of lists.
#[derive(Debug, Clone, Default)]
pub(super) struct Terms<E> {
    values: Vec<E>,
    slopes: Vec<E>,
    curvatures: Vec<E>,
    /// Terms of the values and item weights of short lists, item by item of as many as there are lanes.
    columns: [Vec<E>; 2],
}

/// Lists to compute, whose items lie one list after another.
pub(super) struct FlatPoints<'a, 'r, E> {
    pub(super) function: &'a dyn RunFunction,
    pub(super) wanted: Wanted,
    pub(super) items: Items<'a, E>,
    pub(super) entries: Entries<'a>,
    pub(super) factors: &'a [f64],
    pub(super) values: &'r mut [f64],
    pub(super) results: [&'r mut [E]; 3],
    pub(super) terms: &'r mut Terms<E>,
}

impl<E: NativePoints> Kernel<E> for FlatPoints<'_, '_, E> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector<Element = E>>(mut self, token: V::Token) {
        let (lists, mut first, mut start) = (self.entries.len(), 0, 0);
        while first < lists {
            let (end, items) = self.entries.within(first, ITEMS);
            self.group::<V>(token, first..end, start..start + items);
            (first, start) = (end, start + items);
        }
    }
}

impl<E: NativePoints> FlatPoints<'_, '_, E> {
    /// Some lists, whose results stand in a range.
    #[inline(always)]
    fn group<V: Vector<Element = E>>(
        &mut self,
        token: V::Token,
        lists: std::ops::Range<usize>,
        range: std::ops::Range<usize>,
    ) {
        let first = self.entries.get(lists.start);
        let end = self.entries.get(lists.end - 1).end;
        let group = self.items.of(Entry { end, ..first });
        let len = range.len();
        let padded = len.next_multiple_of(MOST_LANES);
        let Terms { values, slopes, curvatures, .. } = &mut *self.terms;
        let curved = if self.wanted.curvature() { padded } else { 0 };
        for (terms, len) in [(values, padded), (slopes, padded), (curvatures, curved)] {
            terms.resize(terms.len().max(len), E::zero());
        }
        // The items that do not fill a vector come with others behind them.
        let whole = len / V::lanes() * V::lanes();
        let mut rest = [[E::zero(); MOST_LANES], [E::nan(); MOST_LANES]];
        rest[0][..len - whole].copy_from_slice(&group.scores[whole..]);
        rest[1][..len - whole].copy_from_slice(&group.labels[whole..]);
        let parts = [
            (0, &group.scores[..whole], &group.labels[..whole]),
            (whole, &rest[0][..], &rest[1][..]),
        ];
        let count = if whole < len { 2 } else { 1 };
        for (start, scores, labels) in parts.into_iter().take(count) {
            let Terms { values, slopes, curvatures, .. } = &mut *self.terms;
            let scores = &scores[..scores.len().min(padded - start)];
            let run = PointRun {
                lanes: V::lanes(),
                scores,
                labels,
                evenly: &[E::one(); MOST_LANES],
                values: &mut values[start..],
                slopes: &mut slopes[start..],
                curvatures: curvatures.get_mut(start..).filter(|_| curved > 0).unwrap_or_default(),
            };
            E::run_points(self.function, run);
        }
        V::call(token, Scaled::<E> { points: self, lists: lists.clone(), range: range.clone() });
        V::call(token, Values::<E> { points: self, lists });
    }

    /// The item weights of the `nth` list; empty where all are 1.
    #[inline(always)]
    fn weights(&self, nth: usize) -> &[E] {
        self.items.of(self.entries.get(nth)).weights
    }

    /// Whether what terms of a list lost below the normal numbers may be more than rounding, once it is
    /// weighted.
    fn underflows(&self, nth: usize) -> bool {
        let list = self.items.of(self.entries.get(nth));
        let greatest = |greatest: E, &weight: &E| if weight > greatest { weight } else { greatest };
        let weight = if list.weights.is_empty() {
            1.0
        } else {
            list.weights.iter().fold(E::zero(), greatest).widen()
        };
        let lost = E::min_positive_value().widen() * list.scores.len() as f64;
        self.values[nth].abs() < lost * weight
    }

    /// Whether a list is to be trusted to this kernel: a weight above 1 may lift what has fallen below
    /// the normal numbers back into them.
    fn trusts(&self, nth: usize, spread: f64) -> bool {
        let entry = self.entries.get(nth);
        let near = |score: &E| score.abs().widen() < spread;
        !(entry.weighted || self.factors[nth] > 1.0) || self.items.of(entry).scores.iter().all(near)
    }
}

/// Writes the terms' derivatives, times the weights and the lists' factors.
struct Scaled<'a, 'b, 'r, E> {
    points: &'b mut FlatPoints<'a, 'r, E>,
    lists: std::ops::Range<usize>,
    range: std::ops::Range<usize>,
}

impl<E: NativePoints> Kernel<E> for Scaled<'_, '_, '_, E> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector<Element = E>>(self, _: V::Token) {
        let Self { points, lists, range } = self;
        let weighted = points.entries.get(lists.start).weighted;
        let factors = &points.factors[lists.clone()];
        if !weighted && factors.iter().all(|&factor| factor == factors[0]) {
            points.scale(range.clone(), 0, &[], E::narrow(factors[0]));
            return;
        }
        let mut start = range.start;
        for nth in lists {
            let entry = points.entries.get(nth);
            let weights = points.items.of(entry).weights;
            let of_list = start..start + entry.len();
            let factor = E::narrow(points.factors[nth]);
            points.scale(of_list.clone(), start - range.start, weights, factor);
            start = of_list.end;
        }
    }
}

impl<E: NativePoints> FlatPoints<'_, '_, E> {
    /// The results of a range, of the terms from `at` on.
    #[inline(always)]
    fn scale(&mut self, range: std::ops::Range<usize>, at: usize, weights: &[E], factor: E) {
        let Self { results: [gradient, diagonal, product], terms, wanted, items, entries, .. } =
            self;
        let direction = items.direction.get(entries.get(0).start..).unwrap_or_default();
        if let Some(out) = gradient.get_mut(range.clone()) {
            scale(out, &terms.slopes[at..], weights, factor);
        }
        if let Some(out) = product.get_mut(range.clone()).filter(|_| wanted.product) {
            scale(out, &terms.curvatures[at..], weights, factor);
            for (out, &along) in out.iter_mut().zip(&direction[range.start..]) {
                *out = *out * along;
            }
        }
        if let Some(out) = diagonal.get_mut(range).filter(|_| wanted.diagonal.is_some()) {
            scale(out, &terms.curvatures[at..], weights, factor);
            if wanted.diagonal == Some(Diagonal::NonNegative) {
                for out in out {
                    *out = out.abs();
                }
            }
        }
    }
}

/// Terms times weights and a factor.
#[inline(always)]
fn scale<E: Real>(out: &mut [E], terms: &[E], weights: &[E], factor: E) {
    let terms = &terms[..out.len()];
    if weights.is_empty() {
        for (out, &term) in out.iter_mut().zip(terms) {
            *out = term * factor;
        }
    } else {
        // In this order no product underflows that should not.
        for ((out, &term), &weight) in out.iter_mut().zip(terms).zip(weights) {
            *out = term * (weight * factor);
        }
    }
}

/// Sums the terms' values up, list by list.
struct Values<'a, 'b, 'r, E> {
    points: &'b mut FlatPoints<'a, 'r, E>,
    lists: std::ops::Range<usize>,
}

impl<E: NativePoints> Kernel<E> for Values<'_, '_, '_, E> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector<Element = E>>(self, token: V::Token) {
        let Self { points, lists } = self;
        let lanes = V::lanes();
        let (mut nth, mut start) = (lists.start, 0);
        while nth < lists.end {
            let len = points.entries.get(nth).len();
            if len >= SUMMED_IN_LANES {
                let value = points.sum_in_lanes::<V>(token, nth, start..start + len);
                points.values[nth] = value;
                (nth, start) = (nth + 1, start + len);
                continue;
            }
            let most = (nth + lanes).min(lists.end);
            let is_short = |nth: &usize| points.entries.get(*nth).len() < SUMMED_IN_LANES;
            if most == nth + lanes && points.entries.rectangle(nth, lanes).is_some() {
                points.sum_rectangle::<V>(token, nth, start..start + len * lanes);
                (nth, start) = (most, start + len * lanes);
                continue;
            }
            let end = nth + (nth..most).take_while(is_short).count();
            start = points.sum_side_by_side::<V>(token, nth..end, start);
            nth = end;
        }
        let weighted = points.entries.get(lists.start).weighted;
        let lifts = weighted || points.factors[lists.clone()].iter().any(|&factor| factor > 1.0);
        if lifts {
            for nth in lists {
                if points.underflows(nth)
                    || points.function.is_exponential() && !points.trusts(nth, V::SPREAD)
                {
                    points.values[nth] = f64::NAN;
                }
            }
        }
    }
}

impl<E: NativePoints> FlatPoints<'_, '_, E> {
    /// The sum of the terms of a range, those of the `nth` list.
    #[inline(always)]
    fn sum_in_lanes<V: Vector<Element = E>>(
        &self,
        token: V::Token,
        nth: usize,
        range: std::ops::Range<usize>,
    ) -> f64 {
        let (weights, values) = (self.weights(nth), &self.terms.values[range]);
        let mut sum = V::Wide::zero(token);
        let of = |raw| V::of(token, raw);
        let vectors = V::raws(values);
        if weights.is_empty() {
            for &value in vectors {
                sum.add(of(value));
            }
        } else {
            for (&value, &weight) in vectors.iter().zip(V::raws(weights)) {
                sum.add_product(of(weight), of(value));
            }
        }
        let whole = vectors.len() * V::lanes();
        if whole < values.len() {
            let mut rest = [[E::zero(); MOST_LANES]; 2];
            let [rest_values, rest_weights] = &mut rest;
            rest_values[..values.len() - whole].copy_from_slice(&values[whole..]);
            let value = of(V::raws(rest_values)[0]);
            if weights.is_empty() {
                sum.add(value);
            } else {
                rest_weights[..values.len() - whole].copy_from_slice(&weights[whole..]);
                sum.add_product(of(V::raws(rest_weights)[0]), value);
            }
        }
        sum.total().round()
    }

    /// The sums of as many short lists of one size as there are lanes, from the `nth` on.
    #[inline(always)]
    fn sum_rectangle<V: Vector<Element = E>>(
        &mut self,
        token: V::Token,
        nth: usize,
        range: std::ops::Range<usize>,
    ) {
        let (lanes, size) = (V::lanes(), range.len() / V::lanes());
        let Terms { values, columns: [columns, _], .. } = &mut *self.terms;
        columns.resize(SUMMED_IN_LANES * MOST_LANES, E::zero());
        V::transpose(&values[range], (lanes, size), columns);
        let mut sum = V::Wide::zero(token);
        for &value in &V::raws(columns)[..size] {
            sum.add(V::of(token, value));
        }
        sum.write(&mut self.values[nth..nth + lanes]);
    }

    /// The sums of short lists, at most as many as there are lanes, whose terms begin at `start`;
    /// returns where they end.
    #[inline(always)]
    fn sum_side_by_side<V: Vector<Element = E>>(
        &mut self,
        token: V::Token,
        lists: std::ops::Range<usize>,
        start: usize,
    ) -> usize {
        let lanes = V::lanes();
        let Terms { values, columns, .. } = &mut *self.terms;
        for column in &mut *columns {
            column.clear();
            column.resize(SUMMED_IN_LANES * MOST_LANES, E::zero());
        }
        let [terms, weights] = columns;
        let (mut longest, mut end) = (0, start);
        for (lane, nth) in lists.clone().enumerate() {
            let list = self.items.of(self.entries.get(nth));
            let len = list.scores.len();
            longest = longest.max(len);
            lay(&values[end..end + len], &mut terms[lane..], lanes);
            lay(list.weights, &mut weights[lane..], lanes);
            end += len;
        }
        let weighted = self.entries.get(lists.start).weighted;
        let mut sum = V::Wide::zero(token);
        let vectors = V::raws(terms).iter().zip(V::raws(weights));
        for (&term, &weight) in vectors.take(longest) {
            if weighted {
                sum.add_product(V::of(token, weight), V::of(token, term));
            } else {
                sum.add(V::of(token, term));
            }
        }
        let mut totals = [0.0; MOST_LANES];
        sum.write(&mut totals);
        self.values[lists.clone()].copy_from_slice(&totals[..lists.len()]);
        end
    }
}

/// Lays numbers along a lane.
#[inline(always)]
fn lay<E: Real>(numbers: &[E], column: &mut [E], lanes: usize) {
    for (there, &number) in column.iter_mut().step_by(lanes).zip(numbers) {
        *there = number;
    }
}
