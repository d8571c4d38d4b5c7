//! Long lists, one at a time, their items along the lanes.

mod by_grade;
mod by_score;
mod listwise;

use pulp::{Simd, WithSimd};

use self::by_grade::ByGrade;
use self::by_score::{Lambda, Logistic};
use self::listwise::ListMle;
pub(super) use self::listwise::Listwise;
use super::across::extremes;
use super::grades::{self, Grades};
use super::{Kernel, Rows, add_at};
use crate::Real;
use crate::vector::{self, Lanes, Wide};

/// The items of a list in an order, filled up to whole vectors, and room for what comes of them.
#[derive(Debug, Clone, Default)]
pub struct Long<F> {
    scores: Vec<F>,
    labels: Vec<F>,
    exps: Vec<F>,
    gains: [Vec<F>; 2],
    discounts: [Vec<F>; 2],
    /// Two of `f64` an item of a vector's lanes.
    sums: Vec<f64>,
    /// The gradient of softmax; what columns of pairs come to.
    columns: Vec<F>,
    /// The gradient of the others, in the order, or of a list by grade in its own.
    pub(super) grad: Vec<f64>,
    /// Where the items of a list by grade stand.
    places: Vec<usize>,
    wide: [Vec<f64>; 4],
}

impl<F: Real> Long<F> {
    /// Takes a list's items in an order; items that fill up have a score of the list's and label NaN.
    fn take(&mut self, rows: &Rows<'_, F>, order: Option<&[usize]>, lanes: usize) {
        let len = rows.scores.len();
        let padded = len.next_multiple_of(lanes);
        let of = |out: &mut Vec<F>, numbers: &[F], absent: F| {
            out.clear();
            match order {
                Some(order) => out.extend(order.iter().map(|&item| numbers[item])),
                None => out.extend_from_slice(numbers),
            }
            out.resize(padded, absent);
        };
        of(&mut self.scores, rows.scores, rows.scores[0]);
        of(&mut self.labels, rows.labels, F::nan());
        self.grad.clear();
        self.grad.resize(len, 0.0);
    }

    /// Takes a list's items by grade, each grade filled up.
    fn take_by_grade(&mut self, rows: &Rows<'_, F>, grades: &Grades, lanes: usize) {
        let mut next = [0; grades::MOST];
        let mut padded = 0;
        for (next, size) in next.iter_mut().zip(&grades.sizes) {
            *next = padded;
            padded += size.next_multiple_of(lanes);
        }
        let Self { scores, labels, places, .. } = self;
        for (out, absent) in [(&mut *scores, rows.scores[0]), (&mut *labels, F::nan())] {
            out.clear();
            out.resize(padded, absent);
        }
        places.clear();
        for (item, &grade) in grades.of_items.iter().enumerate() {
            let place = next[grade];
            next[grade] += 1;
            (scores[place], labels[place]) = (rows.scores[item], rows.labels[item]);
            places.push(place);
        }
    }
}

/// Computes a list: its value, and its gradient in `long`; NaN gives up.
pub struct Along<'a, F> {
    pub(super) kernel: Kernel,
    pub(super) rows: Rows<'a, F>,
    pub(super) order: Order<'a>,
    pub(super) long: &'a mut Long<F>,
    /// 1/D of the ranks from 1 on, for the lambda-loss: rounded, and what rounding took.
    pub(super) rank_discounts: &'a [[F; 2]],
}

/// How a list's items are laid along the lanes.
#[derive(Clone, Copy)]
pub(super) enum Order<'a> {
    /// Of list-MLE by label, of pair losses by score.
    Sorted(&'a [usize]),
    /// By grade; for the lambda-loss, there is the order by score, too.
    ByGrade { grades: &'a Grades, by_score: &'a [usize] },
}

impl<F: Real> WithSimd for Along<'_, F> {
    type Output = f64;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> f64 {
        let Self { kernel, rows, order, long, rank_discounts } = self;
        let counted = match kernel {
            Kernel::LambdaLoss { cutoff } => rows.scores.len().min(cutoff),
            _ => 0,
        };
        let rank_discounts = &rank_discounts[..counted];
        let order = match order {
            Order::Sorted(order) => order,
            Order::ByGrade { grades, by_score } => {
                long.take_by_grade(&rows, grades, F::lanes::<S>());
                let is_lambda = matches!(kernel, Kernel::LambdaLoss { .. });
                let kernel = ByGrade { is_lambda, long, grades, by_score, rank_discounts };
                return vector::call(simd, kernel);
            }
        };
        long.take(&rows, Some(order), F::lanes::<S>());
        match kernel {
            Kernel::ListMle => vector::call(simd, ListMle { long }),
            Kernel::PairLogistic => vector::call(simd, Logistic { long }),
            Kernel::LambdaLoss { .. } => vector::call(simd, Lambda { long, rank_discounts }),
            _ => f64::NAN,
        }
    }
}

/// The least and the greatest score of a list.
#[inline(always)]
fn range<S: Simd, F: Real>(simd: S, scores: &[F]) -> (f64, f64) {
    let (least, greatest) = extremes::<S, F>(simd, F::vectors::<S>(scores));
    let numbers = |x: Lanes<S, F>| {
        let vector = x.vector();
        let mut lanes = [0.0; super::MOST_LANES];
        for (lane, x) in lanes.iter_mut().zip(super::numbers::<S, F>(&vector)) {
            *lane = x.widen();
        }
        (lanes, super::numbers::<S, F>(&vector).len())
    };
    let ((least, count), (greatest, _)) = (numbers(least), numbers(greatest));
    let least = least[..count].iter().copied().fold(f64::INFINITY, f64::min);
    let greatest = greatest[..count].iter().copied().fold(f64::NEG_INFINITY, f64::max);
    (least, greatest)
}

/// Fills in e^(s − midrange); returns what the scores spread over.
#[inline(always)]
fn fill_exps_from_midrange<S: Simd, F: Real>(simd: S, scores: &[F], exps: &mut Vec<F>) -> f64 {
    let (least, greatest) = range::<S, F>(simd, scores);
    let spread = greatest - least;
    fill_exps(simd, scores, least + spread * 0.5, exps);
    spread
}

/// Fills in e^(s − anchor).
#[inline(always)]
fn fill_exps<S: Simd, F: Real>(simd: S, scores: &[F], anchor: f64, exps: &mut Vec<F>) {
    exps.resize(scores.len(), F::zero());
    let anchor = Lanes::<S, F>::all(simd, F::narrow(anchor));
    for (exp, &score) in F::vectors_mut::<S>(exps).iter_mut().zip(F::vectors::<S>(scores)) {
        let (above, lost) = Lanes::<S, F>::of(simd, score).plus_exactly(-anchor);
        *exp = above.exp_with(lost).vector();
    }
}

/// The slopes of items along the lanes, as columns of pairs.
struct Columns<'a, S: Simd, F: Real> {
    simd: S,
    slopes: &'a mut [F::Vector<S>],
    /// What slopes have come to: a [`Wide`] sum each.
    sums: &'a mut [S::f64s],
}

impl<'a, S: Simd, F: Real> Columns<'a, S, F> {
    #[inline(always)]
    fn none(simd: S, vectors: usize, (sums, slopes): (&'a mut Vec<f64>, &'a mut Vec<F>)) -> Self {
        sums.clear();
        sums.resize(2 * vectors * S::F64_LANES, 0.0);
        slopes.clear();
        slopes.resize(vectors * F::lanes::<S>(), F::zero());
        Self { simd, slopes: F::vectors_mut::<S>(slopes), sums: S::as_mut_simd_f64s(sums).0 }
    }

    /// Moves the slopes from the `first` vector on into the sums: after at most 32 terms each.
    #[inline(always)]
    fn settle(&mut self, first: usize) {
        for (k, slopes) in self.slopes.iter_mut().enumerate().skip(first) {
            add_at(self.simd, self.sums, k, Lanes::<S, F>::of(self.simd, *slopes));
            *slopes = Lanes::<S, F>::splat(self.simd, 0.0).vector();
        }
    }

    #[inline(always)]
    fn add_to(&self, grad: &mut [f64]) {
        let mut totals = [0.0; super::MOST_LANES];
        for (k, grad) in grad.chunks_mut(F::lanes::<S>()).enumerate() {
            let sums = [self.sums[2 * k], self.sums[2 * k + 1]];
            Wide::<S, F>::of(self.simd, sums).write(&mut totals);
            for (out, total) in grad.iter_mut().zip(totals) {
                *out += total;
            }
        }
    }
}
