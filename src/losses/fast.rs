//! The fast kernels, and which list takes which.
//!
//! | loss | a list of | kernel |
//! |---|---|---|
//! | any | few items; weighted ones, of others than point losses | [`across`]: side by side, one a lane |
//! | point | many items, or weighted ones | [`points`]: items along the lanes |
//! | softmax | many items | [`along`]: one list after another, along the lanes |
//! | list-mle, pair-logistic, lambda-loss | many items | [`along`]: one list, in an order, along the lanes |
//! | of these, pair losses | many items of few labels, see [`Grades::pay`] | the same, by grade |
//! | pair-hinge | many items | [`counts`]: pairs counted in O(K log K) |
//!
//! The numbers are in [`Way::of`]. Kernels compute in the type of the arrays; sums, and logarithms of
//! products, in more. In `f32`, lists of fewer than [`Fast::FEWEST_ITEMS`] items are left to `f64`.
//!
//! A kernel gives up on a list that it may not be exact for: scores that spread too widely for
//! exponentials, weights, labels or results near the ends of the range. The list then goes, if it is
//! of `f32`, to the same kernels in `f64`, and at last to the plain one, [`Loss::list`]. A list's
//! bits depend on nothing but the list: lanes do not mix, and the items that a shorter list lacks
//! beside a longer one add exact zeros.
//!
//! From the public call to the vectors: `LossExt::reduced_into` → `evaluate` in `batch.rs` →
//! [`evaluate`] here, which takes lists by the window → [`Batch::compute`], which sorts them by
//! length into runs of one [`Way`] → [`Across`], [`Points`], [`Listwise`] or [`Along`], each one match
//! over the losses, through [`Fast`], for whose types they are compiled.

mod across;
mod along;
mod counts;
mod element;
mod grades;
mod lists;
mod pairs;
mod points;

use pulp::Simd;

use self::across::{Across, Block, POINT_ITEMS};
use self::along::{Along, Listwise, Long, Order};
use self::counts::Counts;
pub use self::element::Fast;
use self::grades::Grades;
use self::lists::{Entries, Entry, Items, Rows, Taken};
use self::pairs::rounded_and_lost;
use self::points::{PointSums, Points};
use crate::lists::{List, Place};
use crate::losses::batch::{self, Job};
use crate::losses::lambda_loss::log_discount;
use crate::losses::{Kernel, Loss};
use crate::ranking::argsort_descending;
use crate::vector::{Lanes, Wide};
use crate::{Precision, Real};

/// No instruction set has more lanes.
const MOST_LANES: usize = 16;

/// So many lists are sorted by length at a time.
const WINDOW: usize = 512;

/// Room for the fast kernels.
#[derive(Debug, Clone, Default)]
pub(crate) struct Room {
    buffers: Buffers,
    window: Vec<Entry>,
    given_up: Vec<Entry>,
}

/// Room for the lists of either type.
#[derive(Debug, Clone, Default)]
pub struct Buffers {
    single: OfType<f32>,
    double: OfType<f64>,
}

#[derive(Debug, Clone, Default)]
pub struct OfType<F> {
    taken: Taken<F>,
    bench: Bench<F>,
}

/// What kernels work on.
#[derive(Debug, Clone, Default)]
struct Bench<F> {
    /// Of the lists of a run, one after another: their shares in the gradient,
    factors: Vec<f64>,
    /// what they come to,
    values: Vec<f64>,
    /// and the slopes of their items.
    slopes: Vec<F>,
    block: Block<F>,
    sums: PointSums,
    long: Long<F>,
    counts: Counts,
    grades: Grades,
    order: Vec<usize>,
    wide: [Vec<f64>; 2],
    /// 1/D of the ranks from 1 on, rounded, and what rounding took.
    rank_discounts: Vec<[F; 2]>,
}

/// How a list is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// The loss is 0.
    Zero,
    /// Lists side by side, one a lane.
    Across,
    /// Lists one after another, items along the lanes.
    Items,
    /// One list, in an order, along the lanes.
    Along,
    /// Without vectors, by counting pairs in O(K log K).
    Counted,
    /// Not in this type.
    GivenUp,
}

impl Way {
    /// The choice between the kernels, by the size of a list alone.
    fn of<F: Fast>(kernel: Kernel, entry: Entry) -> Self {
        match (kernel, entry.len()) {
            (Kernel::PointMse | Kernel::PointSigmoid, ..POINT_ITEMS) if !entry.weighted => {
                Self::Across
            }
            (Kernel::PointMse | Kernel::PointSigmoid, _) => Self::Items,
            (_, ..=1) => Self::Zero,
            // Where nothing averages the errors out, f32 is too coarse.
            (_, len) if len < F::FEWEST_ITEMS => Self::GivenUp,
            _ if entry.weighted => Self::Across,
            (Kernel::Softmax, 97..) => Self::Items,
            (Kernel::PairLogistic | Kernel::LambdaLoss { .. }, 97..) => Self::Along,
            (Kernel::ListMle, len) if len > F::UNSORTED => Self::Along,
            (Kernel::PairHinge, 257..) => Self::Counted,
            _ => Self::Across,
        }
    }
}

/// Computes the values and the gradients of the lists of a job.
pub(super) fn evaluate<L: Loss + ?Sized, F: Real>(
    kernel: Kernel,
    loss: &L,
    mut job: Job<'_, F>,
    room: &mut batch::Room,
) {
    let lists = job.lists;
    let equal = lists.equal_size().filter(|_| lists.is_plain());
    let precision = F::PRECISION;
    let mut next = job.results.first;
    let end = next.list + job.count;
    while next.list < end {
        let Room { buffers, window, given_up } = &mut room.fast;
        let OfType { taken, bench } = F::buffers(buffers);
        let count = WINDOW.min(end - next.list);
        given_up.clear();
        if let Some(size) = equal {
            let first = Place { end: next.start + size, ..next };
            let whole = Place { end: next.start + count * size, ..next };
            next = Place { list: next.list + count, start: whole.end, end: 0 };
            if precision == Precision::Single && Way::of::<F>(kernel, first.into()) == Way::GivenUp
            {
                let OfType { taken, bench } = &mut buffers.double;
                taken.clear();
                taken.take(&lists, whole);
                let entries = Entries::Equal { first, lists: count, shift: whole.start };
                let items = taken.items(false);
                Batch { kernel, precision, items, given_up }.run(entries, bench, &mut job);
            } else {
                let entries = Entries::Equal { first, lists: count, shift: 0 };
                let items = Items::standing(&lists);
                Batch { kernel, precision, items, given_up }.run(entries, bench, &mut job);
            }
        } else {
            window.clear();
            taken.clear();
            let plain = lists.is_plain();
            for place in lists.places_from(next).take(count) {
                window.push(if plain { place.into() } else { taken.take(&lists, place) });
                next = Place { list: place.list + 1, start: place.end, end: 0 };
            }
            let items =
                if plain { Items::standing(&lists) } else { taken.items(lists.mask.is_some()) };
            Batch { kernel, precision, items, given_up }.compute(window, bench, &mut job);
        }

        if !given_up.is_empty() && precision == Precision::Single {
            let OfType { taken, bench } = &mut buffers.double;
            taken.clear();
            window.clear();
            window.extend(given_up.drain(..).map(|entry| taken.take(&lists, entry.place)));
            let items = taken.items(lists.mask.is_some());
            Batch { kernel, precision, items, given_up }.compute(window, bench, &mut job);
        }
        for entry in given_up {
            job.evaluate_plainly(loss, entry.place, &mut room.plain);
        }
    }
}

/// What a kernel computes: lists' values, and, one list after another, their gradients times their
/// factors.
struct Run<'a, E> {
    kernel: Kernel,
    /// That of the caller's arrays.
    precision: Precision,
    items: Items<'a, E>,
    entries: Entries<'a>,
    /// These and the values are filled up to a multiple of [`MOST_LANES`].
    factors: &'a [f64],
    values: &'a mut [f64],
    slopes: &'a mut [E],
}

/// Lists to compute in the type E.
struct Batch<'a, E> {
    kernel: Kernel,
    /// That of the caller's arrays.
    precision: Precision,
    items: Items<'a, E>,
    given_up: &'a mut Vec<Entry>,
}

impl<E: Real> Batch<'_, E> {
    /// Lists of whatever lengths.
    fn compute<F: Real>(
        mut self,
        window: &mut [Entry],
        bench: &mut Bench<E>,
        job: &mut Job<'_, F>,
    ) {
        let kernel = self.kernel;
        let way = |entry: &Entry| (Way::of::<E>(kernel, *entry), entry.weighted);
        // Lists side by side should be of one length.
        if window.iter().any(|entry| entry.key() != window[0].key())
            && window.iter().any(|entry| way(entry).0 == Way::Across)
        {
            window.sort_unstable_by_key(|entry| (entry.key(), entry.place.list));
        }
        for alike in window.chunk_by(|a, b| way(a) == way(b)) {
            self.run(Entries::Listed(alike), bench, job);
        }
    }

    /// Lists that are computed in one way.
    fn run<F: Real>(&mut self, entries: Entries<'_>, bench: &mut Bench<E>, job: &mut Job<'_, F>) {
        if let Kernel::LambdaLoss { .. } = self.kernel {
            let ranks = bench.rank_discounts.len() + 1..=entries.longest();
            bench.rank_discounts.extend(ranks.map(|rank| rounded_and_lost(log_discount(rank))));
        }
        match Way::of::<E>(self.kernel, entries.get(0)) {
            Way::Zero => {
                for entry in entries.iter() {
                    job.results.write_value(entry.place, 0.0);
                    job.results.write_grad(entry.place, self.index(entry), |_| F::zero());
                }
            }
            way @ (Way::Across | Way::Items) => self.together(way, entries, bench, job),
            way @ (Way::Along | Way::Counted) => {
                for entry in entries.iter() {
                    self.single(way, entry, bench, job);
                }
            }
            Way::GivenUp => self.given_up.extend(entries.iter()),
        }
    }

    /// Lists that one kernel takes one after another, or side by side.
    fn together<F: Real>(
        &mut self,
        way: Way,
        entries: Entries<'_>,
        bench: &mut Bench<E>,
        job: &mut Job<'_, F>,
    ) {
        let Bench { factors, values, slopes, block, sums, long, rank_discounts, .. } = bench;
        let (lists, padded) = (entries.len(), entries.len().next_multiple_of(MOST_LANES));
        factors.clear();
        let common_factor = job.shares.common_factor();
        if common_factor.is_none() {
            factors.extend(entries.iter().map(|entry| job.shares.of(entry.place.list).factor));
        }
        factors.resize(padded, common_factor.unwrap_or(0.0));
        values.clear();
        values.resize(padded, 0.0);
        // Where the items are the caller's, so is the array of slopes.
        let whole = entries.whole().filter(|_| self.items.index.is_none());
        let direct = whole.and_then(|whole| job.results.grad(whole)).and_then(E::same);
        let is_direct = direct.is_some();
        let slopes = direct.unwrap_or_else(|| {
            let len = entries.items();
            slopes.resize(slopes.len().max(len), E::zero());
            &mut slopes[..len]
        });
        let (kernel, precision, items) = (self.kernel, self.precision, self.items);
        let run = Run { kernel, precision, items, entries, factors, values, slopes };
        if way == Way::Across {
            E::across(lists, Across { run, block, rank_discounts });
        } else if kernel == Kernel::Softmax {
            E::listwise(Listwise { run, long });
        } else {
            E::points(Points { run, sums });
        }

        let Bench { factors, values, slopes, .. } = &*bench;
        let (factors, values) = (&factors[..lists], &values[..lists]);
        // The usual case: all are as they should be.
        let usual = lists > 1
            && !entries.get(0).weighted
            && f64::finite_range(values)
                .is_some_and(|(least, _)| least >= self.least(entries.longest()))
            && match common_factor {
                Some(factor) => Self::is_moderate(factor),
                None => factors.iter().all(|&factor| Self::is_moderate(factor)),
            };
        if let (true, Some(whole)) = (usual, whole) {
            if !is_direct {
                let slopes = &slopes[..whole.len()];
                job.results.write_grad(whole, None, |k| F::narrow(slopes[k].widen()));
            }
            return job.results.write_values(whole, values);
        }
        let mut start = 0;
        for ((entry, &value), &factor) in entries.iter().zip(values).zip(factors) {
            let len = entry.len();
            if usual || self.trusts(value, &self.items.rows(entry), factor) {
                job.results.write_value(entry.place, value);
                if !is_direct {
                    self.write(&slopes[start..start + len], entry, job);
                }
            } else {
                self.given_up.push(entry);
            }
            start += len;
        }
    }

    /// One list.
    fn single<F: Real>(
        &mut self,
        way: Way,
        entry: Entry,
        bench: &mut Bench<E>,
        job: &mut Job<'_, F>,
    ) {
        let rows = self.items.rows(entry);
        let Bench { long, counts, grades, order, wide: [scores, labels], rank_discounts, .. } =
            bench;
        for (wide, numbers) in [(&mut *scores, rows.scores), (&mut *labels, rows.labels)] {
            wide.clear();
            wide.extend(numbers.iter().map(|x| x.widen()));
        }
        let list = List::bare(scores, labels, self.precision);
        let kernel = self.kernel;
        let grades = Some(kernel)
            .filter(|kernel| kernel.is_of_pairs() && way == Way::Along)
            .and_then(|_| grades.of(rows.labels))
            .filter(|grades| grades.pay(kernel));
        // What counting gives, and the order in which the kernel wants the items.
        let (counted, order) = match (kernel, grades) {
            (Kernel::PairHinge, _) => (Some(counts.count(&list, 1.0)), None),
            (Kernel::PairLogistic, None) => {
                (Some(counts.count(&list, 0.0)), Some(Order::Sorted(&counts.by_score)))
            }
            (Kernel::PairLogistic, Some(grades)) => {
                (None, Some(Order::ByGrade { grades, by_score: &[] }))
            }
            (Kernel::LambdaLoss { .. }, grades) => {
                argsort_descending(scores, order);
                let by_grade = |grades| Order::ByGrade { grades, by_score: order };
                (None, Some(grades.map_or(Order::Sorted(order), by_grade)))
            }
            (Kernel::ListMle, _) => {
                argsort_descending(labels, order);
                (None, Some(Order::Sorted(order)))
            }
            _ => (None, None),
        };
        let mut value = counted.unwrap_or(0.0);
        if let Some(order) = order {
            value += E::along(Along { kernel, rows, order, long, rank_discounts });
        }
        let factor = job.shares.of(entry.place.list).factor;
        if !self.trusts(value, &rows, factor) {
            self.given_up.push(entry);
            return;
        }
        job.results.write_value(entry.place, value);
        // The gradient in the list's own order.
        let grad = scores;
        grad.fill(0.0);
        if counted.is_some() {
            for (slope, &balance) in grad.iter_mut().zip(&counts.balance) {
                *slope = balance as f64;
            }
        }
        match order {
            Some(Order::Sorted(order)) => {
                for (&k, slope) in order.iter().zip(&long.grad) {
                    grad[k] += slope;
                }
            }
            Some(Order::ByGrade { .. }) => grad.copy_from_slice(&long.grad),
            None => {}
        }
        job.results.write_grad(entry.place, self.index(entry), |k| F::narrow(grad[k] * factor));
    }

    /// Below it, a list's value may not be as exact as it should be.
    fn least(&self, items: usize) -> f64 {
        let items = items as f64;
        match self.kernel {
            Kernel::PairHinge => f64::NEG_INFINITY,
            Kernel::LambdaLoss { .. } | Kernel::PointMse => E::MODERATE.0,
            Kernel::PairLogistic => E::LEAST_LOG * items * items,
            _ => E::LEAST_LOG * items,
        }
    }

    /// Whether a list's results are as exact as they should be.
    fn trusts(&self, value: f64, rows: &Rows<'_, E>, factor: f64) -> bool {
        let items = rows.scores.len();
        let least = self.least(items);
        let no_pairs = || value == 0.0 && self.kernel.is_of_pairs() && rows.labels_are_equal();
        value.is_finite()
            && (value >= least || items == 0 || no_pairs())
            && Self::is_moderate(factor)
            && rows.weights_are_moderate()
    }

    fn is_moderate(factor: f64) -> bool {
        factor == 0.0 || (E::MODERATE.0..E::MODERATE.1).contains(&factor)
    }

    #[inline]
    fn write<F: Real>(&self, slopes: &[E], entry: Entry, job: &mut Job<'_, F>) {
        if let (None, Some(grad)) = (self.items.index, job.results.grad(entry.place))
            && let Some(grad) = E::same(grad)
        {
            return grad.copy_from_slice(slopes);
        }
        let slope = |k: usize| F::narrow(slopes[k].widen());
        job.results.write_grad(entry.place, self.index(entry), slope);
    }

    fn index(&self, entry: Entry) -> Option<&[usize]> {
        self.items.index.map(|index| &index[entry.start..entry.end])
    }
}

/// The lanes of a vector.
#[inline(always)]
fn numbers<S: Simd, F: Real>(vector: &F::Vector<S>) -> &[F] {
    pulp::bytemuck::cast_slice(std::slice::from_ref(vector))
}

/// So many terms are added up plainly before what they come to goes into a `Wide` sum.
const TILE: usize = 16;

/// Adds to the `k`th of `Wide` sums.
#[inline(always)]
fn add_at<S: Simd, F: Real>(simd: S, sums: &mut [S::f64s], k: usize, slopes: Lanes<S, F>) {
    let mut sum = Wide::<S, F>::of(simd, [sums[2 * k], sums[2 * k + 1]]);
    sum.add(slopes);
    [sums[2 * k], sums[2 * k + 1]] = sum.vectors();
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, Dimension};
    use rand::{Rng, RngExt, SeedableRng, rngs::StdRng};
    use rand_distr::StandardNormal;

    use crate::losses::{
        LambdaLoss, LambdaWeight, ListMle, Loss, LossExt, PairHinge, PairLogistic, PointMse,
        PointSigmoid, Scratch, Softmax,
    };
    use crate::{Error, List, Lists, Precision, Real, vector};

    fn losses() -> [Box<dyn Loss>; 9] {
        [
            Box::new(PointMse),
            Box::new(PointSigmoid),
            Box::new(Softmax),
            Box::new(ListMle),
            Box::new(PairHinge::default()),
            Box::new(PairLogistic::default()),
            Box::new(LambdaLoss::default()),
            Box::new(LambdaLoss::with_weight(LambdaWeight::dcg().cutoff(3))),
            Box::new(LambdaLoss::with_weight(LambdaWeight::dcg().cutoff(50))),
        ]
    }

    /// A loss without its fast kernel.
    struct Plain<'a>(&'a dyn Loss);

    impl Loss for Plain<'_> {
        fn list(&self, list: &List<'_>, grad: &mut [f64], scratch: &mut Scratch) -> f64 {
            self.0.list(list, grad, scratch)
        }

        fn check(&self, list: &List<'_>) -> Result<(), Error> {
            self.0.check(list)
        }

        fn terms(&self, list: &List<'_>, scratch: &mut Scratch) -> u64 {
            self.0.terms(list, scratch)
        }
    }

    /// Scores of one kind: some with ties, offsets, spreads beyond what the kernels take.
    fn scores<F: Real>(kind: usize, shape: (usize, usize), rng: &mut impl Rng) -> Array2<F> {
        let mut normal = || rng.sample::<f64, _>(StandardNormal);
        Array2::from_shape_simple_fn(shape, || {
            F::narrow(match kind {
                0 => 2.0 * normal(),
                1 => normal().round(),
                2 => 0.0,
                3 => 1e5 + normal(),
                4 => 100.0 * normal(),
                5 => 1e4 * normal(),
                6 => 1e-3 * normal(),
                _ => 1e-310 * normal(),
            })
        })
    }

    /// What the plain kernel gives is right (`tests/exact_figures.rs` holds both to that); this shows
    /// that the fast one is never far from it, whatever the length, the neighbours and the weights.
    fn fast_kernels_agree_with_the_plain_ones<F: Real>(sizes: &[usize]) {
        let mut rng = StdRng::seed_from_u64(1);
        for &size in sizes {
            for kind in 0..8 {
                let shape = (if size > 100 { 2 } else { 9 }, size);
                let scores = scores::<F>(kind, shape, &mut rng);
                // Of many grades, and of three.
                let labels = Array2::from_shape_simple_fn(shape, || {
                    F::narrow(match kind % 2 {
                        0 => f64::from(rng.random_range(0..=20_u8)) / 20.0,
                        _ => (3.0 * rng.random::<f64>().powi(3)).floor() / 2.0,
                    })
                });
                let mask = Array2::from_shape_simple_fn(shape, || rng.random_bool(0.8));
                let weights = Array2::from_shape_simple_fn(shape, || {
                    F::narrow(if rng.random_bool(0.1) { 0.0 } else { 10.0 * rng.random::<f64>() })
                });
                let bare = Lists::dense(&scores, &labels).build().unwrap();
                let masked = Lists::dense(&scores, &labels).mask(&mask).build().unwrap();
                let dressed = Lists::dense(&scores, &labels).mask(&mask).weights(&weights);
                for lists in [bare, masked, dressed.build().unwrap()] {
                    for (nth, loss) in losses().iter().enumerate() {
                        let context = format!("loss {nth}, size {size}, kind {kind}");
                        assert_close(&**loss, &lists, &context);
                    }
                }
            }
        }
    }

    /// Around every bound of a kernel or block.
    const SIZES: [usize; 21] =
        [1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 33, 64, 65, 72, 73, 96, 97, 129, 144, 145, 300];

    #[test]
    fn in_single_precision_fast_kernels_agree_with_the_plain_ones() {
        fast_kernels_agree_with_the_plain_ones::<f32>(&SIZES);
    }

    #[test]
    fn in_double_precision_fast_kernels_agree_with_the_plain_ones() {
        fast_kernels_agree_with_the_plain_ones::<f64>(&SIZES);
    }

    #[test]
    fn fast_kernels_agree_in_other_instruction_sets() {
        vector::tests::in_other_instruction_sets(|| {
            fast_kernels_agree_with_the_plain_ones::<f32>(&[9, 33, 150]);
            fast_kernels_agree_with_the_plain_ones::<f64>(&[3, 33, 150]);
        });
    }

    fn assert_close<F: Real, D: Dimension, B: Dimension>(
        loss: &dyn Loss,
        lists: &Lists<'_, F, D, B>,
        context: &str,
    ) {
        let epsilon = match F::PRECISION {
            Precision::Single => f64::from(f32::EPSILON),
            Precision::Double => f64::EPSILON,
        };
        let (values, grad) = loss.per_list(lists).unwrap();
        let (plain_values, plain_grad) = Plain(loss).per_list(lists).unwrap();
        for (value, plain) in values.iter().zip(&plain_values) {
            let (value, plain) = (value.widen(), plain.widen());
            let close = (value - plain).abs() <= 8.0 * epsilon * plain.abs() + f64::MIN_POSITIVE;
            assert!(close, "{context}: {value:e} is not {plain:e}");
        }
        let lists = grad.len() / lists.len().max(1);
        let slopes =
            |array: &ndarray::Array<F, D>| array.iter().map(|x| x.widen()).collect::<Vec<_>>();
        let (grad, plain_grad) = (slopes(&grad), slopes(&plain_grad));
        let lists = grad.chunks(lists.max(1)).zip(plain_grad.chunks(lists.max(1)));
        for ((grad, plain_grad), value) in lists.zip(&plain_values) {
            let scale =
                plain_grad.iter().fold(value.widen().abs(), |most, slope| most.max(slope.abs()));
            for (slope, plain) in grad.iter().zip(plain_grad) {
                let close = (slope - plain).abs() <= 50.0 * epsilon * scale + 1e-37;
                assert!(close, "{context}: gradient {slope:e} is not {plain:e}");
            }
        }
    }
}
