//! The point losses: items along the lanes.

use pulp::{Simd, WithSimd};

use super::{Entry, Items, Kernel, MOST_LANES, Run, numbers};
use crate::Real;
use crate::numeric::DoubleDouble;
use crate::vector::{Lanes, LogProduct, Wide, logarithms};

/// Computes lists one after another.
pub struct Points<'a, F> {
    pub(super) run: Run<'a, F>,
    pub(super) sums: &'a mut PointSums,
}

/// What the items of each list come to beside their values: a product.
#[derive(Debug, Clone, Default)]
pub(super) struct PointSums {
    products: Vec<f64>,
    products_lost: Vec<f64>,
    exponents: Vec<f64>,
}

impl<F: Real> WithSimd for Points<'_, F> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        match self.run.kernel {
            Kernel::PointSigmoid => self.all::<S, CrossEntropy<S, F>>(simd),
            _ => self.all::<S, SquaredError<S, F>>(simd),
        }
    }
}

/// A point loss's terms in the making.
pub(super) trait Terms<S: Simd, F: Real> {
    /// Score and label of an item that adds nothing.
    const ABSENT: (f64, f64);

    fn none(simd: S) -> Self;

    /// Whether [`prepare`](Self::prepare) does anything.
    const PREPARES: bool;

    /// What takes long of a term: a step of its own, since the steps of one are a chain, of which the
    /// processor has too few in flight.
    fn prepare(score: Lanes<S, F>) -> Lanes<S, F>;

    /// Adds terms to the value, returns their slopes.
    fn add(
        &mut self,
        prepared: Lanes<S, F>,
        score: Lanes<S, F>,
        label: Lanes<S, F>,
        weight: Option<Lanes<S, F>>,
    ) -> Lanes<S, F>;

    /// Called after at most two vectors, and at last.
    fn end_row(&mut self) {}

    /// Called after at most [`TILE`] vectors, and at last.
    fn end_tile(&mut self) {}

    /// The sum of all lanes' sums, and the product of their products.
    fn total(self) -> (DoubleDouble, (DoubleDouble, f64));

    /// The values of the lanes.
    fn values(self) -> Wide<S, F>;
}

/// So many vectors at a time; their factors, from 1 to 2, leave room for as many more.
const TILE: usize = 32;

/// w (ψ − s)², slope 2 w (s − ψ).
pub(super) struct SquaredError<S: Simd, F: Real>(Wide<S, F>);

impl<S: Simd, F: Real> Terms<S, F> for SquaredError<S, F> {
    const ABSENT: (f64, f64) = (0.0, 0.0);
    const PREPARES: bool = false;

    #[inline(always)]
    fn none(simd: S) -> Self {
        Self(Wide::zero(simd))
    }

    #[inline(always)]
    fn prepare(score: Lanes<S, F>) -> Lanes<S, F> {
        score
    }

    #[inline(always)]
    fn add(
        &mut self,
        _: Lanes<S, F>,
        score: Lanes<S, F>,
        label: Lanes<S, F>,
        weight: Option<Lanes<S, F>>,
    ) -> Lanes<S, F> {
        let distance = score - label;
        // In this order no product underflows that should not.
        let weighted = weight.map_or(distance, |weight| weight * distance);
        self.0.add_product(weighted, distance);
        weighted + weighted
    }

    #[inline(always)]
    fn total(self) -> (DoubleDouble, (DoubleDouble, f64)) {
        (self.0.total(), (DoubleDouble::ONE, 0.0))
    }

    #[inline(always)]
    fn values(self) -> Wide<S, F> {
        self.0
    }
}

/// −w [ψ log σ(s) + (1 − ψ) log σ(−s)] = w [|s| ℓ + log(1 + E)], slope ±w (ℓ − E/(1 + E)), where
/// ℓ is ψ where s < 0, else 1 − ψ; E is e^−|s|; the slope's sign is that of s, + where this is 0.
pub(super) struct CrossEntropy<S: Simd, F: Real> {
    sum: Wide<S, F>,
    /// Of 1 + E, where there are no weights.
    product: LogProduct<S, F>,
    /// The sum of |s| ℓ, and the product of 1 + E less 1.
    row: (Lanes<S, F>, Lanes<S, F>),
}

impl<S: Simd, F: Real> Terms<S, F> for CrossEntropy<S, F> {
    const ABSENT: (f64, f64) = (1e30, 1.0);
    const PREPARES: bool = true;

    #[inline(always)]
    fn none(simd: S) -> Self {
        let zero = Lanes::splat(simd, 0.0);
        Self { sum: Wide::zero(simd), product: LogProduct::one(simd), row: (zero, zero) }
    }

    /// e^−|s|.
    #[inline(always)]
    fn prepare(score: Lanes<S, F>) -> Lanes<S, F> {
        // Further out it is no normal number, and taken for 0.
        let (size, farthest) = (score.abs(), score.constant(F::LARGEST_EXPONENT));
        let exp = (-size.min(farthest)).exp();
        size.above(farthest).select(score.constant(0.0), exp)
    }

    #[inline(always)]
    fn add(
        &mut self,
        exp: Lanes<S, F>,
        score: Lanes<S, F>,
        label: Lanes<S, F>,
        weight: Option<Lanes<S, F>>,
    ) -> Lanes<S, F> {
        let (zero, one) = (score.constant(0.0), score.constant(1.0));
        let size = score.abs();
        let (is_negative, share, rest) = (zero.above(score), exp / (one + exp), one - label);
        let linear = is_negative.select(label, rest);
        let slope = is_negative.select(share - label, rest - share);
        if let Some(weight) = weight {
            let logarithm = Lanes::ln_1p_of_ratio(exp, one);
            self.sum.add_product(weight, linear.times_plus(size, logarithm));
            weight * slope
        } else {
            let (sum, product) = self.row;
            self.row = (linear.times_plus(size, sum), exp.times_plus(product, exp + product));
            slope
        }
    }

    #[inline(always)]
    fn end_row(&mut self) {
        self.sum.add(self.row.0);
        self.product.grow(self.row.1);
        let zero = self.row.0.constant(0.0);
        self.row = (zero, zero);
    }

    #[inline(always)]
    fn end_tile(&mut self) {
        self.product.normalise();
    }

    #[inline(always)]
    fn total(self) -> (DoubleDouble, (DoubleDouble, f64)) {
        (self.sum.total(), self.product.total())
    }

    #[inline(always)]
    fn values(self) -> Wide<S, F> {
        self.sum.plus(self.product.ln())
    }
}

impl<F: Real> Points<'_, F> {
    #[inline(always)]
    fn all<S: Simd, T: Terms<S, F>>(self, simd: S) {
        let Run { kernel, items, entries, factors, values, mut slopes, .. } = self.run;
        let PointSums { products, products_lost, exponents } = self.sums;
        for (numbers, empty) in [(&mut *products, 1.0), (products_lost, 0.0), (exponents, 0.0)] {
            numbers.clear();
            numbers.resize(values.len(), empty);
        }
        for nth in 0..entries.len() {
            let entry = entries.get(nth);
            let (of_list, rest) = slopes.split_at_mut(entry.len());
            slopes = rest;
            let factor = Lanes::<S, F>::splat(simd, factors[nth]);
            let (sum, (product, exponent)) = of::<S, F, T>(simd, &items, entry, factor, of_list);
            values[nth] = sum.hi;
            products[nth] = product.hi;
            products_lost[nth] = product.lo;
            exponents[nth] = exponent;
        }
        if kernel == Kernel::PointSigmoid {
            logarithms(simd, products, products_lost, exponents, values);
        }
    }
}

/// One list.
#[inline(always)]
fn of<S: Simd, F: Real, T: Terms<S, F>>(
    simd: S,
    items: &Items<'_, F>,
    entry: Entry,
    factor: Lanes<S, F>,
    slopes: &mut [F],
) -> (DoubleDouble, (DoubleDouble, f64)) {
    let rows = items.rows(entry);
    let (scores, labels) = (F::vectors::<S>(rows.scores), F::vectors::<S>(rows.labels));
    let weights = F::vectors::<S>(rows.weights);
    let whole = scores.len() * F::lanes::<S>();
    let (slopes, last_slopes) = slopes.split_at_mut(whole);
    let mut terms = T::none(simd);
    for (tile, slopes) in F::vectors_mut::<S>(slopes).chunks_mut(TILE).enumerate() {
        let (first, len) = (tile * TILE, slopes.len());
        let items = [&scores[first..][..len], &labels[first..][..len]];
        if entry.weighted {
            let weights = &weights[first..][..len];
            let weight = |k: usize| Some(Lanes::of(simd, weights[k]));
            add_tile(simd, &mut terms, items, weight, factor, slopes);
        } else {
            add_tile(simd, &mut terms, items, |_| None, factor, slopes);
        }
    }
    if !last_slopes.is_empty() {
        // Filled up with items that add nothing.
        let mut last = [T::ABSENT.0, T::ABSENT.1, 0.0].map(|x| [F::narrow(x); MOST_LANES]);
        for (last, rows) in last.iter_mut().zip([rows.scores, rows.labels, rows.weights]) {
            for (last, &x) in last.iter_mut().zip(rows.get(whole..).unwrap_or_default()) {
                *last = x;
            }
        }
        let [score, label, weight] =
            [0, 1, 2].map(|n| Lanes::<S, F>::of(simd, F::vectors::<S>(&last[n])[0]));
        let slope =
            terms.add(T::prepare(score), score, label, entry.weighted.then_some(weight)) * factor;
        for (out, &slope) in last_slopes.iter_mut().zip(numbers::<S, F>(&slope.vector())) {
            *out = slope;
        }
        terms.end_row();
    }
    terms.total()
}

/// Adds so many vectors of terms.
#[inline(always)]
fn add_tile<S: Simd, F: Real, T: Terms<S, F>>(
    simd: S,
    terms: &mut T,
    [scores, labels]: [&[F::Vector<S>]; 2],
    weight: impl Fn(usize) -> Option<Lanes<S, F>>,
    factor: Lanes<S, F>,
    slopes: &mut [F::Vector<S>],
) {
    let of = |x: F::Vector<S>| Lanes::<S, F>::of(simd, x);
    let mut prepared = [factor; TILE];
    if T::PREPARES {
        for (prepared, &score) in prepared.iter_mut().zip(scores) {
            *prepared = T::prepare(of(score));
        }
    }
    for (k, slope) in slopes.iter_mut().enumerate() {
        let of_term = terms.add(prepared[k % TILE], of(scores[k]), of(labels[k]), weight(k));
        *slope = (of_term * factor).vector();
        if k % 2 == 1 {
            terms.end_row();
        }
    }
    terms.end_row();
    terms.end_tile();
}
