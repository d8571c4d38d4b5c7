//! Lists as the vector loops take them.
//!
//! There are two layouts, and every loop serves both. *Side by side*, one list a lane: the `k`th vector
//! of a column holds item k of as many lists as there are lanes. *In lanes*, one list: the `k`th vector
//! holds as many consecutive items. Side by side is for short lists, since what a list of five items
//! leaves empty of a vector of eight would be wasted, and since sums over items need no sums over
//! lanes.
//!
//! What fills up a block (beside a shorter list, in a lane without a list, behind a list's last item)
//! has the least score of its list, label NaN and weight 0: it is in no pair, ranks after all else
//! and weighs nothing, so that sums have exact zeros added and no list's bits depend on its
//! neighbours.

use super::lists::ListItems;
use crate::vector::{Vector, WideSum};
use crate::{Precision, Real};

/// The number of results an item may have: gradient, diagonal of the Hessian, Hessian-vector product.
pub(super) const RESULTS: usize = 3;

/// Which of the results are asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) diagonal: Option<Diagonal>,
    pub(super) product: bool,
}

/// Which diagonal of second derivatives a loss gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Diagonal {
    /// That of the Hessian, which may be negative where the loss is not convex.
    Exact,
    /// Without what is negative in it, as boosting wants it: a pair loss adds up the curvatures of pairs
    /// that are not negative, other losses give the magnitude of the diagonal.
    NonNegative,
}

impl Wanted {
    pub(super) fn curvature(self) -> bool {
        self.diagonal.is_some() || self.product
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Layout {
    #[default]
    SideBySide,
    InLanes,
}

/// The columns of a block; each has `vectors` vectors.
#[derive(Debug, Clone, Default)]
pub(super) struct Block<E> {
    pub(super) layout: Layout,
    pub(super) vectors: usize,
    /// The greatest number of items of a list.
    pub(super) items: usize,
    pub(super) lists: usize,
    pub(super) weighted: bool,
    lanes: usize,
    pub(super) scores: Vec<E>,
    pub(super) labels: Vec<E>,
    pub(super) weights: Vec<E>,
    /// The direction that the Hessian is multiplied with.
    pub(super) direction: Vec<E>,
    /// e^(s − midrange).
    pub(super) exps: Vec<E>,
    /// What pair weights are made of, see `columns.rs`.
    pub(super) slots: [Vec<E>; 5],
    /// Soft targets Ψ_ij of rows i and columns j, a vector each row by row, and Ψ_ji; filled where
    /// `has_targets`.
    pub(super) targets: [Vec<E>; 2],
    pub(super) has_targets: bool,
    /// Rooms of a vector an item, for whatever a loss needs.
    pub(super) spare: [Vec<E>; 3],
    /// A wide sum for each vector and result, and eight more for the rows of a tile.
    pub(super) sums: [Vec<f64>; RESULTS],
    /// In lanes, the sums of the items as rows.
    pub(super) row_sums: [Vec<f64>; RESULTS],
    /// The results.
    pub(super) out: [Vec<E>; RESULTS],
}

/// The rows of a tile.
pub(super) const ROWS: usize = 8;

impl<E: Real> Block<E> {
    /// Makes room for `vectors` vectors in each column.
    #[inline(always)]
    fn resize<V: Vector<Element = E>>(&mut self, vectors: usize) {
        let lanes = V::lanes();
        if self.vectors == vectors && self.lanes == lanes {
            return;
        }
        (self.vectors, self.lanes) = (vectors, lanes);
        let Self { scores, labels, weights, direction, exps, slots, spare, out, .. } = self;
        let columns = [scores, labels, weights, direction, exps];
        for column in columns.into_iter().chain(slots).chain(spare).chain(out) {
            column.resize(vectors * lanes, E::zero());
        }
        for sums in &mut self.sums {
            sums.resize((vectors + ROWS) * V::Wide::length(), 0.0);
        }
        for sums in &mut self.row_sums {
            sums.resize(vectors * lanes, 0.0);
        }
    }

    /// Takes lists of one size that lie one after another, as many as there are lanes.
    #[inline(always)]
    pub(super) fn fill_whole<V: Vector<Element = E>>(&mut self, whole: ListItems<'_, E>) {
        let lanes = V::lanes();
        let size = whole.scores.len() / lanes;
        self.resize::<V>(size);
        (self.layout, self.items, self.lists) = (Layout::SideBySide, size, lanes);
        (self.weighted, self.has_targets) = (false, false);
        V::transpose(whole.scores, (lanes, size), &mut self.scores);
        V::transpose(whole.labels, (lanes, size), &mut self.labels);
        if !whole.direction.is_empty() {
            V::transpose(whole.direction, (lanes, size), &mut self.direction);
        }
    }

    /// Takes any lists, at most as many as there are lanes.
    #[inline(always)]
    pub(super) fn fill_side_by_side<'a, V: Vector<Element = E>>(
        &mut self,
        lists: impl Iterator<Item = ListItems<'a, E>> + Clone,
    ) {
        let lanes = V::lanes();
        let size = lists.clone().map(|list| list.scores.len()).max().unwrap_or(0);
        self.resize::<V>(size);
        (self.layout, self.items) = (Layout::SideBySide, size);
        self.lists = lists.clone().count();
        self.weighted = lists.clone().any(|list| !list.weights.is_empty());
        self.has_targets = false;
        if self.lists < lanes {
            self.scores.fill(E::zero());
            self.labels.fill(E::nan());
            self.weights.fill(E::zero());
            self.direction.fill(E::zero());
        }
        for (lane, list) in lists.enumerate() {
            let lane = (lane, lanes);
            lay(list.scores, list.least_score(), lane, &mut self.scores);
            lay(list.labels, E::nan(), lane, &mut self.labels);
            if self.weighted {
                if list.weights.is_empty() {
                    let ones = list.scores.iter().map(|_| E::one());
                    lay_each(ones, list.scores.len(), E::zero(), lane, &mut self.weights);
                } else {
                    lay(list.weights, E::zero(), lane, &mut self.weights);
                }
            }
            if !list.direction.is_empty() {
                lay(list.direction, E::zero(), lane, &mut self.direction);
            }
        }
    }

    /// Takes one list, its items in the given order.
    #[inline(always)]
    pub(super) fn fill_in_lanes<V: Vector<Element = E>>(
        &mut self,
        list: ListItems<'_, E>,
        order: Option<&[usize]>,
    ) {
        let items = list.scores.len();
        self.resize::<V>(items.div_ceil(V::lanes()));
        (self.layout, self.items, self.lists) = (Layout::InLanes, items, 1);
        (self.weighted, self.has_targets) = (!list.weights.is_empty(), false);
        let columns = [
            (&mut self.scores, list.scores, list.least_score()),
            (&mut self.labels, list.labels, E::nan()),
            (&mut self.weights, list.weights, E::zero()),
            (&mut self.direction, list.direction, E::zero()),
        ];
        for (column, numbers, absent) in columns {
            if numbers.is_empty() {
                continue;
            }
            let (there, beyond) = column.split_at_mut(items);
            match order {
                None => there.copy_from_slice(numbers),
                Some(order) => {
                    for (there, &item) in there.iter_mut().zip(order) {
                        *there = numbers[item];
                    }
                }
            }
            beyond.fill(absent);
        }
        for sums in &mut self.row_sums {
            sums.fill(0.0);
        }
    }

    /// Lays out the soft targets of the lists that were filled in side by side.
    #[inline(always)]
    pub(super) fn fill_targets<'a, V: Vector<Element = E>>(
        &mut self,
        matrices: impl Iterator<Item = &'a [E]>,
    ) {
        let (lanes, size) = (V::lanes(), self.vectors);
        let [targets, transposed] = &mut self.targets;
        for numbers in [&mut *targets, &mut *transposed] {
            numbers.clear();
            numbers.resize(size * size * lanes, E::zero());
        }
        for (lane, matrix) in matrices.enumerate() {
            let items = matrix.len().isqrt();
            for (row, line) in matrix.chunks_exact(items.max(1)).enumerate() {
                for (column, &target) in line.iter().enumerate() {
                    targets[(row * size + column) * lanes + lane] = target;
                    transposed[(column * size + row) * lanes + lane] = target;
                }
            }
        }
        self.has_targets = true;
    }

    /// Lays out the soft targets of the list that was filled in along the lanes, in the same order.
    #[inline(always)]
    pub(super) fn fill_targets_in_lanes<V: Vector<Element = E>>(
        &mut self,
        matrix: &[E],
        order: Option<&[usize]>,
    ) {
        let (items, stride) = (self.items, self.vectors * V::lanes());
        let [targets, transposed] = &mut self.targets;
        for numbers in [&mut *targets, &mut *transposed] {
            numbers.clear();
            numbers.resize(items * stride, E::zero());
        }
        let at = |k: usize| order.map_or(k, |order| order[k]);
        for row in 0..items {
            for column in 0..items {
                let target = matrix[at(row) * items + at(column)];
                targets[row * stride + column] = target;
                transposed[column * stride + row] = target;
            }
        }
        self.has_targets = true;
    }

    /// Sets the `result`th results of a whole block, or of lists of these sizes, out list by list.
    #[inline(always)]
    pub(super) fn set_out<V: Vector<Element = E>>(
        &self,
        result: usize,
        whole: bool,
        sizes: impl Iterator<Item = usize>,
        mut out: &mut [E],
    ) {
        let lanes = V::lanes();
        let results = &self.out[result];
        if whole {
            return V::transpose(results, (self.vectors, lanes), out);
        }
        for (lane, size) in sizes.enumerate() {
            let (of_list, rest) = out.split_at_mut(size);
            out = rest;
            for (out, results) in of_list.iter_mut().zip(results.chunks_exact(lanes)) {
                *out = results[lane];
            }
        }
    }

    /// Gives up on lists (NaN in `values`) whose values are so small that the kernel does not tell them
    /// from 0: below `least` of the list's items and of its greatest magnitude of a score. A list whose
    /// slopes are all 0 has the value 0.
    ///
    /// `greatest` bounds the magnitudes of all scores.
    pub(super) fn distrust_small(
        &self,
        values: &mut [f64],
        greatest: f64,
        least: impl Fn(f64, f64) -> f64,
        lanes: usize,
    ) {
        let lists = if self.layout == Layout::InLanes { 1 } else { lanes };
        // A first look, at what bounds all lists of the block.
        let bound = least(self.items as f64, greatest);
        for (lane, value) in values.iter_mut().enumerate().take(lists) {
            if value.abs() >= bound {
                continue;
            }
            let of_list = (lane..self.labels.len()).step_by(if lists == 1 { 1 } else { lanes });
            let (mut items, mut greatest, mut flat) = (0.0, 0.0_f64, true);
            for k in of_list.filter(|&k| !self.labels[k].is_nan()) {
                items += 1.0;
                greatest = greatest.max(self.scores[k].widen().abs());
                flat &= self.out[0][k] == E::zero();
            }
            if value.abs() < least(items, greatest) && !flat {
                *value = f64::NAN;
            }
        }
    }

    /// Empties the wide sums of the results that are asked for.
    #[inline(always)]
    pub(super) fn clear_sums(&mut self, wanted: Wanted) {
        self.sums[0].fill(0.0);
        for sums in self.sums[1..].iter_mut().filter(|_| wanted.curvature()) {
            sums.fill(0.0);
        }
    }
}

/// Lays a list's numbers along a lane, and fills up with `absent`.
#[inline(always)]
fn lay<E: Real>(numbers: &[E], absent: E, lane: (usize, usize), into: &mut [E]) {
    lay_each(numbers.iter().copied(), numbers.len(), absent, lane, into);
}

#[inline(always)]
fn lay_each<E: Real>(
    numbers: impl Iterator<Item = E>,
    len: usize,
    absent: E,
    (lane, lanes): (usize, usize),
    into: &mut [E],
) {
    let (there, beyond) = into.split_at_mut(len * lanes);
    for (row, number) in there.chunks_exact_mut(lanes).zip(numbers) {
        row[lane] = number;
    }
    for row in beyond.chunks_exact_mut(lanes) {
        row[lane] = absent;
    }
}

/// The least and the greatest score of each list, in every lane of its block.
#[inline(always)]
pub(super) fn extremes<V: Vector>(token: V::Token, block: &Block<V::Element>) -> (V, V) {
    let mut least = V::splat(token, f64::INFINITY);
    let mut greatest = -least;
    for &score in V::raws(&block.scores) {
        least = least.min(V::of(token, score));
        greatest = greatest.max(V::of(token, score));
    }
    match block.layout {
        Layout::SideBySide => (least, greatest),
        Layout::InLanes => {
            (V::all(token, least.least_lane()), V::all(token, greatest.greatest_lane()))
        }
    }
}

/// The least mean of logarithms that a product of their arguments, kept as wide as the type's sums
/// are, tells exactly.
pub(super) fn least_log<E: Real>() -> f64 {
    match E::PRECISION {
        Precision::Single => 4e-9, // 2⁻²⁸: the products are in f64
        Precision::Double => 1e-290,
    }
}
