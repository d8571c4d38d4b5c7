//! A run: lists of one strategy, laid out in blocks and computed in the machine's vectors.

use super::batch::{Part, Room};
use super::block::{Block, Layout, Wanted};
use super::columns::Filling;
use super::counts::Counts;
use super::flat::{FlatPoints, Terms};
use super::formula::Family;
use super::in_order::{InOrder, Ordered, SideBySide};
use super::lists::{Entries, Entry, Items, ListItems};
use super::pairs::{NativePairs, PairBlock, PairPlan, Way};
use super::points::{NativePoints, PointBlock};
use super::softmax::{NativeShares, ShareBlock};
use super::strategy::Strategy;
use super::tile::Buffers;
use super::{PairWork, Shape};
use crate::Real;
use crate::lists::List;
use crate::ranking::argsort_descending;
use crate::vector::{Kernel, MOST_LANES, Vector};

/// What the engine needs of `f32` or `f64`, on a type of its own: nothing of it is in scope where a
/// user writes `F: Real`.
pub trait Native: Copy + 'static {
    /// The type.
    type Number: Real;

    #[doc(hidden)]
    #[allow(private_interfaces)]
    fn evaluate(part: Part<'_, Self::Number>, shape: &Shape<'_>, room: &mut Room);

    #[doc(hidden)]
    fn finite_range(numbers: &[Self::Number]) -> Option<(f64, f64)>;
}

/// `f32`, to the engine.
#[derive(Debug, Clone, Copy)]
pub enum OfSingle {}

/// `f64`, to the engine.
#[derive(Debug, Clone, Copy)]
pub enum OfDouble {}

impl Native for OfSingle {
    type Number = f32;

    #[allow(private_interfaces)]
    fn evaluate(part: Part<'_, f32>, shape: &Shape<'_>, room: &mut Room) {
        part.evaluate(shape, room);
    }

    fn finite_range(numbers: &[f32]) -> Option<(f64, f64)> {
        #[cfg(feature = "simd")]
        if crate::vector::has_vectors() {
            return super::range::finite_range(numbers);
        }
        super::range::plain_finite_range(numbers)
    }
}

impl Native for OfDouble {
    type Number = f64;

    #[allow(private_interfaces)]
    fn evaluate(part: Part<'_, f64>, shape: &Shape<'_>, room: &mut Room) {
        part.evaluate(shape, room);
    }

    fn finite_range(numbers: &[f64]) -> Option<(f64, f64)> {
        super::range::finite_range(numbers)
    }
}

/// A type that kernels are compiled for.
pub(super) trait Element: NativePairs + NativePoints + NativeShares {
    /// Factors of lists and item weights between these leave products in the range.
    const MODERATE: (f64, f64);

    fn run<K: Kernel<Self>>(lanes: usize, kernel: K) -> K::Output;
}

#[cfg(feature = "simd")]
impl Element for f32 {
    const MODERATE: (f64, f64) = (1e-8, 1e8);

    fn run<K: Kernel<Self>>(lanes: usize, kernel: K) -> K::Output {
        crate::vector::run_single(lanes, kernel)
    }
}

impl Element for f64 {
    const MODERATE: (f64, f64) = (1e-100, 1e100);

    fn run<K: Kernel<Self>>(lanes: usize, kernel: K) -> K::Output {
        crate::vector::run_double(lanes, kernel)
    }
}

/// Room for the runs of one type.
#[derive(Debug, Clone, Default)]
pub(super) struct RunScratch<E> {
    pub(super) factors: Vec<f64>,
    pub(super) values: Vec<f64>,
    pub(super) results: [Vec<E>; 3],
    pub(super) work: WorkScratch<E>,
}

/// Room for what a run computes with.
#[derive(Debug, Clone, Default)]
pub(super) struct WorkScratch<E> {
    block: Block<E>,
    buffers: Option<Box<Buffers<E>>>,
    filling: Filling,
    in_order: InOrder,
    counts: Counts,
    terms: Terms<E>,
    wide: [Vec<f64>; 4],
}

/// Lists of one strategy: their values and, list after list, their results times their factors.
pub(super) struct Run<'a, E> {
    pub(super) shape: &'a Shape<'a>,
    pub(super) strategy: Strategy,
    pub(super) wanted: Wanted,
    /// Whether the arrays are of `f32`, whatever the run is computed in.
    pub(super) single: bool,
    pub(super) items: Items<'a, E>,
    pub(super) entries: Entries<'a>,
    /// These and the values are filled up to a multiple of [`MOST_LANES`].
    pub(super) factors: &'a [f64],
    pub(super) values: &'a mut [f64],
    /// Empty where a result is not wanted.
    pub(super) results: [&'a mut [E]; 3],
    pub(super) scratch: &'a mut WorkScratch<E>,
}

impl<E: Element> Kernel<E> for Run<'_, E> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector<Element = E>>(mut self, token: V::Token) {
        match (self.strategy, self.shape) {
            (Strategy::SideBySide, _) => return self.side_by_side::<V>(token),
            (Strategy::Flat, Shape::Points(function)) => {
                let Self { wanted, items, entries, factors, values, results, scratch, .. } = self;
                let (function, terms) = (*function, &mut scratch.terms);
                let points = FlatPoints {
                    function,
                    wanted,
                    items,
                    entries,
                    factors,
                    values,
                    results,
                    terms,
                };
                return points.run::<V>(token);
            }
            _ => {}
        }
        let mut start = 0;
        for nth in 0..self.entries.len() {
            let entry = self.entries.get(nth);
            self.values[nth] = self.single_list::<V>(token, nth, entry, start);
            start += entry.len();
        }
    }
}

impl<E: Element> Run<'_, E> {
    #[inline(always)]
    fn side_by_side<V: Vector<Element = E>>(&mut self, token: V::Token) {
        let lanes = V::lanes();
        let mut start = 0;
        for first in (0..self.entries.len()).step_by(lanes) {
            let lists = lanes.min(self.entries.len() - first);
            let whole = self.entries.rectangle(first, lanes).map(|entry| self.items.of(entry));
            let (entries, items) = (self.entries, self.items);
            let side = (first..first + lists).map(|nth| items.of(entries.get(nth)));
            let block = &mut self.scratch.block;
            match whole {
                Some(whole) => block.fill_whole::<V>(whole),
                None => block.fill_side_by_side::<V>(side.clone()),
            }
            if !self.items.targets.is_empty() {
                block.fill_targets::<V>(side.clone().map(|list| list.targets));
            }
            let factors = first..first + lanes;
            self.compute::<V>(token, factors.clone(), factors);
            let sizes = side.map(|list| list.scores.len());
            let items = whole.map_or_else(|| sizes.clone().sum(), |whole| whole.scores.len());
            for (result, out) in self.results.iter_mut().enumerate() {
                if !out.is_empty() {
                    let out = &mut out[start..start + items];
                    self.scratch.block.set_out::<V>(result, whole.is_some(), sizes.clone(), out);
                }
            }
            start += items;
        }
    }

    /// The block that has been filled.
    #[inline(always)]
    fn compute<V: Vector<Element = E>>(
        &mut self,
        token: V::Token,
        factors: std::ops::Range<usize>,
        values: std::ops::Range<usize>,
    ) {
        let Self { shape, wanted, single, scratch, .. } = self;
        let (wanted, single) = (*wanted, *single);
        let (factors, values) = (&self.factors[factors], &mut self.values[values]);
        let WorkScratch { block, buffers, filling, .. } = &mut **scratch;
        match shape {
            Shape::Points(function) => {
                let function = *function;
                V::call(token, PointBlock { function, block, wanted, factors, values });
            }
            Shape::Shares(function) => {
                let moderate = <E as NativeShares>::MODERATE;
                let lanes = V::lanes();
                E::run_block(
                    *function,
                    ShareBlock { block, wanted, lanes, moderate, factors, values },
                );
            }
            Shape::InOrder(_) => V::call(token, SideBySide { block, factors, values }),
            Shape::Pairs(work) => {
                let mut plan = plan(work, block, wanted, single);
                if plan.weight.is_some() && block.layout == Layout::SideBySide {
                    plan.exact_gains = filling.fill_side_by_side::<V>(token, work.weight, block);
                }
                let buffers = buffers.get_or_insert_default();
                loop {
                    let values = &mut *values;
                    V::call(token, PairBlock { plan, block, buffers, wanted, factors, values });
                    let can_be_finer = !plan.exact_gains && E::LEAST_EXACT_GAP < E::LEAST_GAP;
                    if !can_be_finer || values.iter().all(|value| !value.is_nan()) {
                        break;
                    }
                    // The others have the same columns once more, and so the same results.
                    filling.fill_exact_gains(work.weight, block, values);
                    plan.exact_gains = true;
                }
            }
            Shape::Own(_) => {}
        }
    }

    /// One list; returns its value.
    #[inline(always)]
    fn single_list<V: Vector<Element = E>>(
        &mut self,
        token: V::Token,
        nth: usize,
        entry: Entry,
        start: usize,
    ) -> f64 {
        let list = self.items.of(entry);
        let range = start..start + entry.len();
        match self.strategy {
            Strategy::InLanes => {
                self.fill_in_lanes::<V>(list);
                self.compute::<V>(token, nth..nth + 1, nth..nth + 1);
                self.set_out(range);
                self.values[nth]
            }
            Strategy::Sorted => self.sorted(list, nth, range),
            Strategy::Counted => self.counted(list, nth, range),
            _ => {
                for out in &mut self.results {
                    if let Some(out) = out.get_mut(range.clone()) {
                        out.fill(E::zero());
                    }
                }
                0.0
            }
        }
    }

    /// Lays one list out along the lanes; by rank, where the weight has a cut-off.
    #[inline(always)]
    fn fill_in_lanes<V: Vector<Element = E>>(&mut self, list: ListItems<'_, E>) {
        let precision =
            if self.single { crate::Precision::Single } else { crate::Precision::Double };
        let WorkScratch { block, filling, in_order, wide, .. } = &mut *self.scratch;
        let Shape::Pairs(PairWork { weight, .. }) = self.shape else {
            return block.fill_in_lanes::<V>(list, None);
        };
        if weight.is_one() {
            block.fill_in_lanes::<V>(list, None);
            if !list.targets.is_empty() {
                block.fill_targets_in_lanes::<V>(list.targets, None);
            }
            return;
        }
        let [scores, labels, weights, _] = wide;
        for (wide, numbers) in [
            (&mut *scores, list.scores),
            (&mut *labels, list.labels),
            (&mut *weights, list.weights),
        ] {
            wide.clear();
            wide.extend(numbers.iter().map(|x| x.widen()));
        }
        let of_items = (!weights.is_empty()).then_some(&weights[..]);
        let as_list = List::new(scores, labels, of_items, precision);
        filling.fill_list(*weight, as_list);
        let order = &mut in_order.order;
        order.clear();
        order.extend_from_slice(filling.ranking.order());
        block.fill_in_lanes::<V>(list, Some(order));
        filling.lay_in_lanes(*weight, block, order);
        if !list.targets.is_empty() {
            block.fill_targets_in_lanes::<V>(list.targets, Some(order));
        }
    }

    /// Sets the results of one list out, in its own order.
    #[inline(always)]
    fn set_out(&mut self, range: std::ops::Range<usize>) {
        let WorkScratch { block, in_order, .. } = &*self.scratch;
        let permuted = matches!(self.shape, Shape::Pairs(work) if !work.weight.is_one());
        for (out, results) in self.results.iter_mut().zip(&block.out) {
            let Some(out) = out.get_mut(range.clone()) else { continue };
            if permuted {
                for (&item, &result) in in_order.order.iter().zip(results) {
                    out[item] = result;
                }
            } else {
                out.copy_from_slice(&results[..out.len()]);
            }
        }
    }

    fn widen(&mut self, list: ListItems<'_, E>) {
        let columns = [list.scores, list.labels, list.weights, list.direction];
        for (wide, numbers) in self.scratch.wide.iter_mut().zip(columns) {
            wide.clear();
            wide.extend(numbers.iter().map(|x| x.widen()));
        }
    }

    fn sorted(&mut self, list: ListItems<'_, E>, nth: usize, range: std::ops::Range<usize>) -> f64 {
        let Shape::InOrder(positions) = self.shape else { return f64::NAN };
        self.widen(list);
        let WorkScratch { in_order, wide: [scores, labels, weights, direction], .. } =
            &mut *self.scratch;
        argsort_descending(labels, &mut in_order.order);
        let (positions, wanted) = (*positions, self.wanted);
        let value = in_order.compute(&Ordered { scores, weights, direction, positions, wanted });
        let factor = self.factors[nth];
        for (out, results) in self.results.iter_mut().zip(&in_order.results) {
            let Some(out) = out.get_mut(range.clone()) else { continue };
            for (&item, &result) in in_order.order.iter().zip(results) {
                out[item] = E::narrow(result * factor);
            }
        }
        value
    }

    fn counted(
        &mut self,
        list: ListItems<'_, E>,
        nth: usize,
        range: std::ops::Range<usize>,
    ) -> f64 {
        let Shape::Pairs(work) = self.shape else { return f64::NAN };
        let Family::Hinge { margin } = work.function.family() else { return f64::NAN };
        self.widen(list);
        let precision =
            if self.single { crate::Precision::Single } else { crate::Precision::Double };
        let WorkScratch { counts, wide: [scores, labels, ..], .. } = &mut *self.scratch;
        let value = counts.count(&List::new(scores, labels, None, precision), margin);
        let factor = self.factors[nth];
        if let Some(out) = self.results[0].get_mut(range) {
            for (out, &balance) in out.iter_mut().zip(&counts.balance) {
                *out = E::narrow(balance as f64 * factor);
            }
        }
        value
    }
}

/// How the pairs of a block are computed.
fn plan<'a, E: Element>(
    work: &PairWork<'a>,
    block: &Block<E>,
    wanted: Wanted,
    single: bool,
) -> PairPlan<'a> {
    let PairWork { function, weight } = *work;
    let bare = weight.is_one() && !block.weighted && !block.has_targets;
    let factors = weight.factors();
    let limit = match block.layout {
        Layout::InLanes => weight.cutoff().unwrap_or(usize::MAX),
        Layout::SideBySide => usize::MAX,
    };
    PairPlan {
        function,
        way: Way::of(function, bare, wanted),
        weight: (!weight.is_one()).then_some(weight),
        tied: factors.is_some_and(|factors| factors.discount.is_some())
            && weight.ties() == crate::ranking::ScoreTies::Expected,
        single: single && E::PRECISION == crate::Precision::Double,
        exact_gains: true,
        limit,
    }
}

/// The lanes that a run of so many lists should have.
pub(super) fn lanes(strategy: Strategy, lists: usize) -> usize {
    if strategy == Strategy::SideBySide { lists } else { MOST_LANES }
}
