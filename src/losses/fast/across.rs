//! Lists side by side, one a lane.

mod listwise;
mod pairwise;

use pulp::{Simd, WithSimd};

use self::listwise::{ListMle, Softmax};
use self::pairwise::{Hinge, Lambda, Logistic};
use super::points::{CrossEntropy, SquaredError, Terms};
use super::{Kernel, Rows, Run};
use crate::Real;
use crate::vector::{self, Lanes, Squares, Wide};

/// Lists side by side: item k of the list in lane l stands at k·lanes + l.
///
/// A list shorter than the longest is filled up with its own least score, label NaN and weight 0: in
/// no pair, ranked after all else, and weighing nothing.
#[derive(Debug, Clone, Default)]
pub struct Block<F> {
    size: usize,
    lanes: usize,
    weighted: bool,
    scores: Vec<F>,
    labels: Vec<F>,
    weights: Vec<F>,
    spare: Spare<F>,
    grad: Vec<F>,
}

/// Room for what comes of a block's items, a vector each.
#[derive(Debug, Clone, Default)]
struct Spare<F> {
    exps: Vec<F>,
    ranks: Vec<F>,
    shares: Vec<F>,
    gains: [Vec<F>; 2],
    discounts: [Vec<F>; 2],
    /// Two vectors of `f64` an item.
    sums: Vec<f64>,
}

impl<F: Real> Block<F> {
    #[inline(always)]
    fn resize<S: Simd>(&mut self, size: usize) {
        let lanes = F::lanes::<S>();
        if self.size != size || self.lanes != lanes {
            (self.size, self.lanes) = (size, lanes);
            let Self { scores, labels, weights, spare, grad, .. } = self;
            let Spare { exps, ranks, shares, gains, discounts, sums } = spare;
            let numbers = [scores, labels, weights, exps, ranks, shares, grad];
            for numbers in numbers.into_iter().chain(gains).chain(discounts) {
                numbers.resize(size * lanes, F::zero());
            }
            sums.resize(2 * size * S::F64_LANES, 0.0);
        }
    }

    /// Takes lists of one size, one after another, as many as there are lanes.
    #[inline(always)]
    fn fill<S: Simd>(&mut self, squares: Squares, rows: &Rows<'_, F>) {
        let lanes = F::lanes::<S>();
        let size = rows.scores.len() / lanes;
        self.resize::<S>(size);
        self.weighted = false;
        squares.transpose(rows.scores, (lanes, size), &mut self.scores);
        squares.transpose(rows.labels, (lanes, size), &mut self.labels);
    }

    /// Takes any lists, at most as many as there are lanes.
    #[inline(always)]
    fn fill_from<'a, S: Simd>(&mut self, side: impl Iterator<Item = Rows<'a, F>> + Clone) {
        let lanes = F::lanes::<S>();
        self.resize::<S>(side.clone().map(|rows| rows.scores.len()).max().unwrap_or(0));
        self.weighted = side.clone().any(|rows| !rows.weights.is_empty());
        if side.clone().count() < lanes {
            self.scores.fill(F::zero());
            self.labels.fill(F::nan());
            self.weights.fill(F::zero());
        }
        for (lane, rows) in side.enumerate() {
            lay(rows.scores, rows.least_score(), (lane, lanes), &mut self.scores);
            lay(rows.labels, F::nan(), (lane, lanes), &mut self.labels);
            if self.weighted {
                lay(rows.weights, F::zero(), (lane, lanes), &mut self.weights);
            }
        }
    }

    /// Sets the gradients of lists of these sizes out, list by list; returns the room left.
    #[inline(always)]
    fn set_out<'a, S: Simd>(
        &self,
        sizes: impl Iterator<Item = usize>,
        mut out: &'a mut [F],
    ) -> &'a mut [F] {
        let lanes = F::lanes::<S>();
        for (lane, size) in sizes.enumerate() {
            let (of_list, rest) = out.split_at_mut(size);
            out = rest;
            for (out, slopes) in of_list.iter_mut().zip(self.grad.chunks_exact(lanes)) {
                *out = slopes[lane];
            }
        }
        out
    }
}

/// Lays a list's numbers along a lane, and fills up with `absent`.
#[inline(always)]
fn lay<F: Real>(numbers: &[F], absent: F, (lane, lanes): (usize, usize), into: &mut [F]) {
    let (there, beyond) = into.split_at_mut(numbers.len() * lanes);
    for (row, &number) in there.chunks_exact_mut(lanes).zip(numbers) {
        row[lane] = number;
    }
    for row in beyond.chunks_exact_mut(lanes) {
        row[lane] = absent;
    }
}

/// Computes lists side by side; NaN for the value of a list gives up on it.
pub struct Across<'a, F> {
    pub(super) run: Run<'a, F>,
    pub(super) block: &'a mut Block<F>,
    /// 1/D of the ranks from 1 on, for the lambda-loss: rounded, and what rounding took.
    pub(super) rank_discounts: &'a [[F; 2]],
}

impl<F: Real> WithSimd for Across<'_, F> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { run, block, rank_discounts } = self;
        let Run { kernel, precision, items, entries, factors, values, mut slopes } = run;
        let (lanes, squares) = (F::lanes::<S>(), Squares::new());
        for first in (0..entries.len()).step_by(lanes) {
            let lists = lanes.min(entries.len() - first);
            let whole = entries.rectangle(first, lanes).map(|entry| items.rows(entry));
            let side = (first..first + lists).map(|nth| items.rows(entries.get(nth)));
            match &whole {
                Some(rows) => block.fill::<S>(squares, rows),
                None => block.fill_from::<S>(side.clone()),
            }
            let results = (&factors[first..][..lanes], &mut values[first..][..lanes]);
            match kernel {
                Kernel::PointMse | Kernel::PointSigmoid => {
                    let is_sigmoid = kernel == Kernel::PointSigmoid;
                    block.compute(simd, Point { is_sigmoid }, results);
                }
                Kernel::Softmax => block.compute(simd, Softmax, results),
                Kernel::ListMle => block.compute(simd, ListMle, results),
                Kernel::PairHinge => block.compute(simd, Hinge { precision }, results),
                Kernel::PairLogistic => block.compute(simd, Logistic, results),
                Kernel::LambdaLoss { cutoff } => {
                    let counted = rank_discounts.len().min(cutoff);
                    let lambda = Lambda { rank_discounts: &rank_discounts[..counted] };
                    block.compute(simd, lambda, results);
                }
            }
            slopes = if let Some(rows) = whole {
                let (out, rest) = slopes.split_at_mut(rows.scores.len());
                squares.transpose(&block.grad, (block.size, lanes), out);
                rest
            } else {
                block.set_out::<S>(side.map(|rows| rows.scores.len()), slopes)
            };
        }
    }
}

impl<F: Real> Block<F> {
    /// Computes the values of the lists, and their gradients times the factors.
    #[inline(always)]
    fn compute<S: Simd, L: BlockLoss<F>>(
        &mut self,
        simd: S,
        loss: L,
        (factors, values): (&[f64], &mut [f64]),
    ) {
        vector::call(simd, OfBlock { loss, block: self, factors, values });
    }
}

/// A loss of lists side by side.
trait BlockLoss<F: Real> {
    /// The lists' values; to be added to these, 0 where a list can be trusted to the kernel, else NaN;
    /// and the gradients.
    fn compute<S: Simd>(
        self,
        simd: S,
        side: Side<'_, S, F>,
        spare: &mut Spare<F>,
        grad: &mut Slopes<'_, S, F>,
    ) -> (Wide<S, F>, Lanes<S, F>);
}

/// The items of a block, a vector each.
#[derive(Clone, Copy)]
struct Side<'a, S: Simd, F: Real> {
    scores: &'a [F::Vector<S>],
    labels: &'a [F::Vector<S>],
    /// None where all are 1.
    weights: Option<&'a [F::Vector<S>]>,
}

struct OfBlock<'a, F, L> {
    loss: L,
    block: &'a mut Block<F>,
    factors: &'a [f64],
    values: &'a mut [f64],
}

impl<F: Real, L: BlockLoss<F>> WithSimd for OfBlock<'_, F, L> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { loss, block, factors, values } = self;
        let Block { weighted, scores, labels, weights, spare, grad, .. } = block;
        let side = Side {
            scores: F::vectors::<S>(scores),
            labels: F::vectors::<S>(labels),
            weights: weighted.then_some(F::vectors::<S>(weights)),
        };
        let mut grad = Slopes::<S, F> { factors, out: F::vectors_mut::<S>(grad) };
        let (value, trust) = loss.compute(simd, side, spare, &mut grad);
        value.plus(Wide::from_lanes(trust)).write(values);
    }
}

/// Where the gradient of a block goes, each list's times its factor.
struct Slopes<'a, S: Simd, F: Real> {
    factors: &'a [f64],
    out: &'a mut [F::Vector<S>],
}

impl<S: Simd, F: Real> Slopes<'_, S, F> {
    /// The factors, rounded.
    #[inline(always)]
    fn factor(&self, simd: S) -> Lanes<S, F> {
        Lanes::narrowed(simd, self.factors)
    }

    #[inline(always)]
    fn put_wide(&mut self, k: usize, slopes: Wide<S, F>) {
        self.out[k] = slopes.scaled(self.factors).narrow().vector();
    }

    #[inline(always)]
    fn put(&mut self, k: usize, slopes: Lanes<S, F>) {
        self.put_wide(k, Wide::from_lanes(slopes));
    }
}

struct Point {
    is_sigmoid: bool,
}

impl<F: Real> BlockLoss<F> for Point {
    #[inline(always)]
    fn compute<S: Simd>(
        self,
        simd: S,
        side: Side<'_, S, F>,
        _: &mut Spare<F>,
        grad: &mut Slopes<'_, S, F>,
    ) -> (Wide<S, F>, Lanes<S, F>) {
        if self.is_sigmoid {
            points::<S, F, CrossEntropy<S, F>>(simd, side, grad)
        } else {
            points::<S, F, SquaredError<S, F>>(simd, side, grad)
        }
    }
}

/// Lists of point losses have fewer items.
pub(super) const POINT_ITEMS: usize = 24;

/// A point loss.
#[inline(always)]
fn points<S: Simd, F: Real, T: Terms<S, F>>(
    simd: S,
    Side { scores, labels, .. }: Side<'_, S, F>,
    grad: &mut Slopes<'_, S, F>,
) -> (Wide<S, F>, Lanes<S, F>) {
    let mut terms = T::none(simd);
    let factor = grad.factor(simd);
    let mut prepared = [factor; POINT_ITEMS];
    if T::PREPARES {
        for (prepared, (&score, &label)) in prepared.iter_mut().zip(scores.iter().zip(labels)) {
            *prepared = T::prepare(there::<S, F, T>(simd, score, label).0);
        }
    }
    for (k, (&score, &label)) in scores.iter().zip(labels).enumerate() {
        let (score, label) = there::<S, F, T>(simd, score, label);
        grad.out[k] = (terms.add(prepared[k], score, label, None) * factor).vector();
        if k % 2 == 1 {
            terms.end_row();
        }
    }
    terms.end_row();
    (terms.values(), Lanes::splat(simd, 0.0))
}

/// An item's score and label, or those of one that adds nothing.
#[inline(always)]
fn there<S: Simd, F: Real, T: Terms<S, F>>(
    simd: S,
    score: F::Vector<S>,
    label: F::Vector<S>,
) -> (Lanes<S, F>, Lanes<S, F>) {
    let (score, label) = (Lanes::<S, F>::of(simd, score), Lanes::<S, F>::of(simd, label));
    let present = label.equals(label);
    let (no_score, no_label) = T::ABSENT;
    let score = present.select(score, score.constant(no_score));
    (score, present.select(label, score.constant(no_label)))
}

/// Fills in e^(s − midrange), and 1 for what is absent; returns 0 where the list can be trusted to
/// these, else NaN.
#[inline(always)]
fn exponentials<S: Simd, F: Real>(
    simd: S,
    scores: &[F::Vector<S>],
    labels: &[F::Vector<S>],
    exps: &mut [F::Vector<S>],
) -> Lanes<S, F> {
    let (least, greatest) = extremes(simd, scores);
    let midrange = least + (greatest - least).times(0.5);
    for (exp, (&score, &label)) in exps.iter_mut().zip(scores.iter().zip(labels)) {
        let label = Lanes::<S, F>::of(simd, label);
        let (from_midrange, lost) = Lanes::<S, F>::of(simd, score).plus_exactly(-midrange);
        let present = label.equals(label);
        *exp = present.select(from_midrange.exp_with(lost), label.constant(1.0)).vector();
    }
    let narrow = least.constant(F::SPREAD).above(greatest - least);
    narrow.select(least.constant(0.0), least.constant(f64::NAN))
}

/// The least and the greatest score of each list.
#[inline(always)]
pub(super) fn extremes<S: Simd, F: Real>(
    simd: S,
    scores: &[F::Vector<S>],
) -> (Lanes<S, F>, Lanes<S, F>) {
    let mut least = Lanes::splat(simd, f64::INFINITY);
    let mut greatest = -least;
    for &score in scores {
        least = least.min(Lanes::of(simd, score));
        greatest = greatest.max(Lanes::of(simd, score));
    }
    (least, greatest)
}
