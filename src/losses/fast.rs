//! The fast kernels, and which list takes which.
//!
//! | list | kernel |
//! |---|---|
//! | of a [`Kernel`]'s loss | [`across`]: as many lists side by side as a vector has lanes of `f64` |
//! | one that this gives up on | the plain one, [`Loss::list`] |
//!
//! It gives up on scores that spread over more than [`SPREAD`], on weights, labels and results near
//! the ends of the range. Everything is computed in `f64`, whatever the arrays hold. A list's bits
//! depend on nothing but the list: lanes do not mix, and the items that a shorter list lacks beside a
//! longer one add exact zeros.
//!
//! From the public call to the vectors: `LossExt::reduced_into` → `for_each_list` in `losses.rs` →
//! [`for_each_list`] here, which takes lists by the block → [`Block::compute`] → [`Across`], one
//! match over the losses.

mod across;
mod pairs;

use ndarray::Dimension;
use pulp::{Simd, WithSimd};

use self::across::Across;
use crate::lists::Place;
use crate::losses::lambda_loss::extend_log_discounts;
use crate::losses::{Kernel, Loss, Workspace};
use crate::numeric::DoubleDouble;
use crate::order::descending;
use crate::{Lists, Precision, Real, vector};

/// What a list may spread over: beyond it, products of exponentials leave the range of `f64`.
const SPREAD: f64 = 600.0;

/// No instruction set has more lanes of `f64`.
const MOST_LANES: usize = 8;

/// Room for the fast kernels.
#[derive(Debug, Clone, Default)]
pub(crate) struct Room {
    taken: [Taken; MOST_LANES],
    block: Block,
    log_discounts: Vec<DoubleDouble>,
}

/// Calls `each` with the value and the gradient of every list, in order.
pub(super) fn for_each_list<L: Loss + ?Sized, F: Real, D: Dimension, B: Dimension>(
    kernel: Kernel,
    loss: &L,
    lists: &Lists<'_, F, D, B>,
    workspace: &mut Workspace,
    mut each: impl FnMut(Place, f64, &[f64]),
) {
    let Workspace { fast: Room { taken, block, log_discounts }, lists: buffers, grad, scratch } =
        workspace;
    let lanes = vector::dispatch(CountLanes);
    let as_they_stand = lists.is_plain() && kernel != Kernel::ListMle;
    let mut places = lists.places();
    loop {
        let mut in_block = [Place::default(); MOST_LANES];
        let mut count = 0;
        for place in places.by_ref().take(lanes) {
            in_block[count] = place;
            count += 1;
        }
        if count == 0 {
            return;
        }
        let in_block = &in_block[..count];
        if as_they_stand {
            let mut rows = [Rows::<F>::default(); MOST_LANES];
            for (rows, &place) in rows.iter_mut().zip(in_block) {
                *rows = Rows::standing(lists, place);
            }
            block.compute(kernel, F::PRECISION, &rows[..count], log_discounts);
        } else {
            let mut rows = [Rows::<f64>::default(); MOST_LANES];
            for ((rows, taken), &place) in rows.iter_mut().zip(&mut *taken).zip(in_block) {
                *rows = taken.take(lists, place, kernel == Kernel::ListMle);
            }
            block.compute(kernel, F::PRECISION, &rows[..count], log_discounts);
        }
        for (lane, &place) in in_block.iter().enumerate() {
            let (value, of_lane) = block.result(lane);
            let trusted =
                value.is_finite() && (as_they_stand || taken[lane].weights_are_moderate());
            if trusted && as_they_stand {
                each(place, value, of_lane);
                continue;
            }
            grad.clear();
            grad.resize(of_lane.len(), 0.0);
            if trusted {
                for (&item, &slope) in taken[lane].order.iter().zip(of_lane) {
                    grad[item] = slope;
                }
                each(place, value, grad);
            } else {
                let list = lists.list(place, buffers);
                each(place, loss.list(&list, grad, scratch), grad);
            }
        }
    }
}

struct CountLanes;

impl WithSimd for CountLanes {
    type Output = usize;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> usize {
        S::F64_LANES
    }
}

/// The items of one list.
#[derive(Debug, Clone, Copy)]
struct Rows<'a, E> {
    scores: &'a [E],
    labels: &'a [E],
    /// Empty where all are 1.
    weights: &'a [E],
}

impl<'a, F: Real> Rows<'a, F> {
    /// The items as they stand in the caller's arrays.
    fn standing<D: Dimension, B: Dimension>(lists: &'a Lists<'_, F, D, B>, place: Place) -> Self {
        let (scores, labels) = lists.flat();
        let items = place.start..place.end;
        Self { scores: &scores[items.clone()], labels: &labels[items], weights: &[] }
    }

    fn least_score(&self) -> f64 {
        let least = self.scores.iter().fold(F::infinity(), |least, &score| least.min(score));
        if self.scores.is_empty() { 0.0 } else { least.widen() }
    }
}

impl<E> Default for Rows<'_, E> {
    fn default() -> Self {
        Self { scores: &[], labels: &[], weights: &[] }
    }
}

/// The items of a list that exist, taken out of the caller's arrays.
#[derive(Debug, Clone, Default)]
struct Taken {
    /// Which of the list's existing items stands at a position.
    order: Vec<usize>,
    /// Scores, labels and weights, in the list's order.
    items: Vec<(f64, f64, f64)>,
    scores: Vec<f64>,
    labels: Vec<f64>,
    weights: Vec<f64>,
}

impl Taken {
    fn take<F: Real, D: Dimension, B: Dimension>(
        &mut self,
        lists: &Lists<'_, F, D, B>,
        place: Place,
        by_label: bool,
    ) -> Rows<'_, f64> {
        let Self { order, items, scores, labels, weights } = self;
        let existing = (place.start..place.end).filter(|&item| lists.exists(item));
        items.clear();
        items.extend(existing.map(|item| lists.item(item)));
        order.clear();
        order.extend(0..items.len());
        if by_label {
            order.sort_unstable_by(|&i, &j| descending(items[i].1, items[j].1).then(i.cmp(&j)));
        }
        for numbers in [&mut *scores, labels, weights] {
            numbers.clear();
        }
        for &item in &*order {
            let (score, label, weight) = items[item];
            scores.push(score);
            labels.push(label);
            weights.push(weight);
        }
        Rows { scores, labels, weights }
    }

    /// Whether no product with a weight leaves the range that a product without does not leave.
    fn weights_are_moderate(&self) -> bool {
        self.weights.iter().all(|&weight| weight == 0.0 || (1e-100..=1e100).contains(&weight))
    }
}

/// Lists side by side: item k of the list in lane l stands at k·lanes + l.
///
/// A list shorter than the longest is filled up with its own least score, label NaN and weight 0: in
/// no pair, ranked after all else, and weighing nothing.
#[derive(Debug, Clone, Default)]
pub(crate) struct Block {
    size: usize,
    scores: Vec<f64>,
    labels: Vec<f64>,
    weights: Vec<f64>,
    /// Whether the weights are 1 in every lane, from last time.
    all_ones: bool,
    grad: Vec<f64>,
    /// What the additions of the gradient rounded away.
    lost: Vec<f64>,
    exps: Vec<f64>,
    ranks: Vec<f64>,
    tables: pairs::Tables,
    values: Vec<f64>,
    /// The gradients of the lists, one list after another.
    grad_by_list: Vec<f64>,
    lengths: [usize; MOST_LANES],
}

impl Block {
    /// Computes lists of these rows, one a lane.
    fn compute<E: Real>(
        &mut self,
        kernel: Kernel,
        precision: Precision,
        rows: &[Rows<'_, E>],
        log_discounts: &mut Vec<DoubleDouble>,
    ) {
        self.size = rows.iter().map(|rows| rows.scores.len()).max().unwrap_or(0);
        if kernel == Kernel::LambdaLoss {
            extend_log_discounts(log_discounts, self.size);
        }
        vector::dispatch(Across { kernel, precision, rows, block: self, log_discounts });
    }

    #[inline(always)]
    fn fill<S: Simd, E: Real>(&mut self, rows: &[Rows<'_, E>]) {
        let lanes = S::F64_LANES;
        let len = self.size * lanes;
        if self.scores.len() != len {
            let Self { scores, labels, weights, grad, lost, exps, ranks, tables, .. } = self;
            for numbers in [scores, labels, weights, grad, lost, exps, ranks] {
                numbers.clear();
                numbers.resize(len, 0.0);
            }
            tables.resize(len);
            self.grad_by_list.resize(len, 0.0);
            self.all_ones = false;
        }
        self.values.resize(lanes, 0.0);
        let full = rows.len() == lanes && rows.iter().all(|rows| rows.scores.len() == self.size);
        let unweighted = rows.iter().all(|rows| rows.weights.is_empty());
        for lane in 0..lanes {
            let rows = rows.get(lane).copied().unwrap_or_default();
            self.lengths[lane] = rows.scores.len();
            let least = if full { 0.0 } else { rows.least_score() };
            lay::<S, E>(rows.scores, least, lane, &mut self.scores);
            lay::<S, E>(rows.labels, f64::NAN, lane, &mut self.labels);
            if !rows.weights.is_empty() {
                lay::<S, E>(rows.weights, 0.0, lane, &mut self.weights);
            } else if !(full && unweighted && self.all_ones) {
                for (k, row) in self.weights.chunks_exact_mut(lanes).enumerate() {
                    row[lane] = if k < rows.scores.len() { 1.0 } else { 0.0 };
                }
            }
        }
        self.all_ones = full && unweighted;
    }

    /// Sets the gradients out list by list.
    #[inline(always)]
    fn set_out<S: Simd>(&mut self) {
        let lanes = S::F64_LANES;
        for lane in 0..lanes {
            let of_list = &mut self.grad_by_list[lane * self.size..][..self.size];
            for (out, slopes) in of_list.iter_mut().zip(self.grad.chunks_exact(lanes)) {
                *out = slopes[lane];
            }
        }
    }

    /// The value and the gradient of the list in a lane.
    fn result(&self, lane: usize) -> (f64, &[f64]) {
        match self.lengths[lane] {
            0 => (0.0, &[]),
            length => (self.values[lane], &self.grad_by_list[lane * self.size..][..length]),
        }
    }
}

/// Lays a list's numbers along a lane, and fills up with `absent`.
#[inline(always)]
fn lay<S: Simd, E: Real>(numbers: &[E], absent: f64, lane: usize, into: &mut [f64]) {
    let (there, beyond) = into.split_at_mut(numbers.len() * S::F64_LANES);
    for (row, &number) in there.chunks_exact_mut(S::F64_LANES).zip(numbers) {
        row[lane] = number.widen();
    }
    for row in beyond.chunks_exact_mut(S::F64_LANES) {
        row[lane] = absent;
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;
    use rand::{Rng, RngExt, SeedableRng, rngs::StdRng};
    use rand_distr::StandardNormal;

    use super::*;
    use crate::losses::{
        LambdaLoss, ListMle, PairHinge, PairLogistic, PointMse, PointSigmoid, Softmax,
        for_each_list_plainly,
    };

    fn losses() -> [Box<dyn Loss>; 7] {
        [
            Box::new(PointMse),
            Box::new(PointSigmoid),
            Box::new(Softmax),
            Box::new(ListMle),
            Box::new(PairHinge::default()),
            Box::new(PairLogistic::default()),
            Box::new(LambdaLoss::default()),
        ]
    }

    /// Lists of one kind: some with ties, offsets, spreads beyond what the kernels take.
    fn scores(kind: usize, shape: (usize, usize), rng: &mut impl Rng) -> Array2<f64> {
        let mut normal = || rng.sample::<f64, _>(StandardNormal);
        Array2::from_shape_simple_fn(shape, || match kind {
            0 => 2.0 * normal(),
            1 => normal().round(),
            2 => 0.0,
            3 => 1e5 + normal(),
            4 => 100.0 * normal(),
            5 => 1e4 * normal(),
            _ => 1e-3 * normal(),
        })
    }

    /// What the plain kernel gives is right (`tests/exact_figures.rs` holds both to that); this shows
    /// that the fast one is never far from it, whatever the length, the neighbours and the weights.
    #[test]
    fn fast_kernels_agree_with_the_plain_ones() {
        let mut rng = StdRng::seed_from_u64(1);
        for size in [1, 2, 3, 7, 8, 15, 16, 17, 31, 33, 64, 65, 130] {
            for kind in 0..7 {
                let shape = (6, size);
                let scores = scores(kind, shape, &mut rng);
                let labels = Array2::from_shape_simple_fn(shape, || {
                    f64::from(rng.random_range(0..=20_u8)) / 20.0
                });
                let mask = Array2::from_shape_simple_fn(shape, || rng.random_bool(0.8));
                let weights = Array2::from_shape_simple_fn(shape, || {
                    if rng.random_bool(0.1) { 0.0 } else { 10.0 * rng.random::<f64>() }
                });
                let plain = Lists::dense(&scores, &labels).build().unwrap();
                let dressed = Lists::dense(&scores, &labels).mask(&mask).weights(&weights);
                for lists in [plain, dressed.build().unwrap()] {
                    for (nth, loss) in losses().iter().enumerate() {
                        let context = format!("loss {nth}, size {size}, kind {kind}");
                        assert_close(&**loss, &lists, &context);
                    }
                }
            }
        }
    }

    fn assert_close<D: Dimension, B: Dimension>(
        loss: &dyn Loss,
        lists: &Lists<'_, f64, D, B>,
        context: &str,
    ) {
        let workspace = &mut Workspace::default();
        let mut expected = Vec::new();
        for_each_list_plainly(loss, lists, workspace, |_, value, grad| {
            expected.push((value, grad.to_vec()));
        });
        let mut expected = expected.iter();
        let kernel = loss.kernel().unwrap();
        for_each_list(kernel, loss, lists, workspace, |_, value, grad| {
            let (plain_value, plain_grad) = expected.next().unwrap();
            let close = (value - plain_value).abs() <= 8.0 * f64::EPSILON * plain_value.abs();
            assert!(close, "{context}: {value} is not {plain_value}");
            assert_eq!(grad.len(), plain_grad.len(), "{context}");
            let scale = plain_grad.iter().fold(0.0_f64, |most, slope| most.max(slope.abs()));
            for (slope, plain) in grad.iter().zip(plain_grad) {
                let close = (slope - plain).abs() <= 1e-14 * scale.max(plain_value.abs()) + 1e-300;
                assert!(close, "{context}: gradient {slope} is not {plain}");
            }
        });
        assert!(expected.next().is_none(), "{context}");
    }
}
