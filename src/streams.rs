//! Loops over whole arrays, at the speed of memory: sums of rows, products, range checks.
//!
//! Each loop is a struct, a [`Stream`], whose `run` is plain Rust over slices. [`run`] compiles it a
//! second time for the widest instruction set of the machine. Three rules make the compiler turn a
//! loop into vectors, and each is broken at a cost of three to ten times:
//!
//! - sums and extremes are kept in arrays of [`LANES`] numbers, which stay in registers as long as
//!   every index is a constant after unrolling; the remainder of a row is padded with zeros into a
//!   whole array, so that no index is computed;
//! - nothing branches on a mask or on a comparison: a value is selected;
//! - everything is `inline(always)`: a call that is not inlined leaves the instruction set.
//!
//! Which number goes to which lane depends on its place in the row alone, and masked numbers add
//! exact zeros. So a sum has the same bits whatever the instruction set, the number of threads and
//! the padding behind the row.

use std::hint::select_unpredictable;

#[cfg(feature = "rayon")]
use ndarray::parallel::prelude::*;

use crate::Real;
use crate::numeric::Sum;
use crate::vector::{Kernel, Vector};

/// A loop over arrays.
pub(crate) trait Stream {
    type Output;

    fn run(self) -> Self::Output;
}

/// Runs a loop compiled for the widest instruction set of the machine.
pub(crate) fn run<T: Stream>(stream: T) -> T::Output {
    struct InVectors<T>(T);
    impl<T: Stream> Kernel<f64> for InVectors<T> {
        type Output = T::Output;

        #[inline(always)]
        fn run<V: Vector<Element = f64>>(self, _: V::Token) -> T::Output {
            self.0.run()
        }
    }
    crate::vector::run_double(crate::vector::MOST_LANES, InVectors(stream))
}

/// How many rows of a batch one thread takes at a time; all of them where threads would cost more
/// than they spare. What is computed does not depend on it.
#[cfg(feature = "rayon")]
pub(crate) fn rows_at_a_time(rows: usize, length: usize) -> usize {
    /// Numbers that one thread streams in about 100 µs.
    const WORTH_IT: usize = 300_000;
    if rows.saturating_mul(length) < WORTH_IT {
        return rows.max(1);
    }
    // Four parts a thread, since a thread may be held up.
    rows.div_ceil(4 * std::thread::available_parallelism().map_or(1, usize::from)).max(1)
}

#[cfg(not(feature = "rayon"))]
pub(crate) fn rows_at_a_time(rows: usize, _: usize) -> usize {
    rows.max(1)
}

/// Runs the loops of all parts, by several threads where there are several parts, and tells whether
/// all gave true.
#[cfg(feature = "rayon")]
pub(crate) fn all<T: Stream<Output = bool> + Send>(
    parts: impl ExactSizeIterator<Item = T>,
) -> bool {
    if parts.len() < 2 {
        return parts.fold(true, |good, part| good & run(part));
    }
    let parts: Vec<T> = parts.collect();
    parts.into_par_iter().map(run).reduce(|| true, |a, b| a & b)
}

#[cfg(not(feature = "rayon"))]
pub(crate) fn all<T: Stream<Output = bool>>(parts: impl ExactSizeIterator<Item = T>) -> bool {
    parts.fold(true, |good, part| good & run(part))
}

/// What a number of a row counts: a `bool` masks it, a number weighs it, `()` takes it as it is.
pub trait Weight<F>: Copy + Send + Sync + 'static {
    /// Whether the number exists. The others may hold anything, NaN included.
    fn exists(self) -> bool;

    /// The weight as a number.
    fn factor(self) -> F;

    /// The weight times a number that exists.
    #[inline(always)]
    fn times(self, x: F) -> f64
    where
        F: Real,
    {
        x.widen()
    }

    /// The weight times a number, where the weight exists.
    #[inline(always)]
    fn of(self, x: f64) -> F
    where
        F: Real,
    {
        F::narrow(x)
    }
}

impl<F: Real> Weight<F> for () {
    #[inline(always)]
    fn exists(self) -> bool {
        true
    }

    #[inline(always)]
    fn factor(self) -> F {
        F::one()
    }
}

impl<F: Real> Weight<F> for bool {
    #[inline(always)]
    fn exists(self) -> bool {
        self
    }

    #[inline(always)]
    fn factor(self) -> F {
        select_unpredictable(self, F::one(), F::zero())
    }
}

impl<F: Real> Weight<F> for F {
    #[inline(always)]
    fn exists(self) -> bool {
        self != F::zero()
    }

    #[inline(always)]
    fn factor(self) -> F {
        self
    }

    #[inline(always)]
    fn times(self, x: F) -> f64 {
        self.widen() * x.widen()
    }

    #[inline(always)]
    fn of(self, x: f64) -> F {
        F::narrow(self.widen() * x)
    }
}

/// As many weights `()` as are asked for; they take no memory.
pub(crate) fn unweighted(count: usize) -> &'static [()] {
    const ALL: &[()] = &[(); usize::MAX];
    &ALL[..count]
}

/// Numbers that are added side by side in long rows.
pub(crate) const LANES: usize = 16;

/// Lanes in rows that may be short.
pub(crate) const FEW_LANES: usize = 8;

/// The sum of a row's numbers times their weights, and the greatest of those that exist or 0.
///
/// Blocks of [`block`] numbers are added plainly and their sums with compensation: for `f64` the error
/// is at most 12 u Σ|terms| however long the row is.
#[inline(always)]
pub(crate) fn row_sum<F: Real, W: Weight<F>, const L: usize>(
    row: &[F],
    weights: &[W],
    greatest: &mut [F; L],
) -> f64 {
    let mut sum = Sum::default();
    let (mut row, mut weights) = (row, weights);
    loop {
        let length = row.len().min(block::<F>(L));
        let (block, rest) = row.split_at(length);
        let (block_weights, rest_weights) = weights.split_at(length);
        sum.add(block_sum(block, block_weights, greatest));
        if rest.is_empty() {
            return sum.total();
        }
        (row, weights) = (rest, rest_weights);
    }
}

/// [`row_sum`] of the numbers that exist, to the bit as if the others were not there: each takes the
/// lane of its place among those that exist.
#[inline(always)]
pub(crate) fn packed_row_sum<F: Real>(row: &[F], mask: &[bool]) -> f64 {
    let mut sum = Sum::default();
    let (mut packed, mut count) = ([F::zero(); block::<f32>(FEW_LANES)], 0);
    let mut add = |packed: &[F]| {
        let most = &mut [F::zero(); FEW_LANES];
        sum.add(block_sum(packed, unweighted(packed.len()), most));
    };
    for (&x, &exists) in row.iter().zip(mask) {
        packed[count] = x;
        count += usize::from(exists);
        if count == block::<F>(FEW_LANES) {
            add(&packed[..count]);
            count = 0;
        }
    }
    add(&packed[..count]);
    sum.total()
}

/// How many numbers are added plainly in so many lanes. Those of `f32`, added in `f64`, may be many.
const fn block<F>(lanes: usize) -> usize {
    if size_of::<F>() < size_of::<f64>() { 64 * lanes } else { 8 * lanes }
}

#[inline(always)]
fn block_sum<F: Real, W: Weight<F>, const L: usize>(
    block: &[F],
    weights: &[W],
    greatest: &mut [F; L],
) -> f64 {
    let mut sums = [0.0_f64; L];
    let mut most = *greatest;
    let (chunks, rest) = block.as_chunks::<L>();
    let (weight_chunks, rest_weights) = weights.as_chunks::<L>();
    for (x, weight) in chunks.iter().zip(weight_chunks) {
        for lane in 0..L {
            let exists = weight[lane].exists();
            let kept = select_unpredictable(exists, x[lane], F::zero());
            most[lane] = select_unpredictable(kept > most[lane], kept, most[lane]);
            sums[lane] += weight[lane].times(kept);
        }
    }
    if !rest.is_empty() {
        let (mut kept, mut terms) = ([F::zero(); L], [0.0; L]);
        for (lane, (&x, weight)) in rest.iter().zip(rest_weights).enumerate() {
            kept[lane] = select_unpredictable(weight.exists(), x, F::zero());
            terms[lane] = weight.times(kept[lane]);
        }
        for lane in 0..L {
            most[lane] = select_unpredictable(kept[lane] > most[lane], kept[lane], most[lane]);
            sums[lane] += terms[lane];
        }
    }
    *greatest = most;
    fold(sums)
}

/// The sum of all lanes, in pairs.
#[inline(always)]
pub(crate) fn fold<const L: usize>(mut lanes: [f64; L]) -> f64 {
    let mut len = L;
    while len > 1 {
        len /= 2;
        for lane in 0..len {
            lanes[lane] += lanes[lane + len];
        }
    }
    lanes[0]
}

/// Whether all numbers that exist lie between two.
pub(crate) struct Within<'a, F> {
    pub(crate) numbers: &'a [F],
    pub(crate) mask: Option<&'a [bool]>,
    pub(crate) least: F,
    pub(crate) greatest: F,
}

impl<F: Real> Stream for Within<'_, F> {
    type Output = bool;

    #[inline(always)]
    fn run(self) -> bool {
        let Self { numbers, mask, least, greatest } = self;
        let mut outside = 0_u32;
        // NaN is not inside.
        let not_inside = |x: F| u32::from(x >= least) & u32::from(x <= greatest) ^ 1;
        match mask {
            None => {
                for &x in numbers {
                    outside |= not_inside(x);
                }
            }
            Some(mask) => {
                for (&x, &exists) in numbers.iter().zip(mask) {
                    outside |= u32::from(exists) & not_inside(x);
                }
            }
        }
        outside == 0
    }
}

/// factor · (x − y) of each number x, without y factor · x; 0 where the mask is false.
///
/// Each row has a factor of its own; one factor serves all where there is only one.
pub(crate) struct Products<'a, F> {
    pub(crate) minuends: &'a [F],
    pub(crate) subtrahends: Option<&'a [F]>,
    pub(crate) mask: Option<&'a [bool]>,
    pub(crate) factor: f64,
    /// Factors of the rows beside the common one, and how long a row is.
    pub(crate) rows: Option<(&'a [F], usize)>,
    pub(crate) out: &'a mut [F],
}

impl<F: Real> Stream for Products<'_, F> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { minuends, subtrahends, mask, factor, rows, out } = self;
        let Some((factors, length)) = rows else {
            return products(minuends, subtrahends, mask, factor, out);
        };
        for (row, (of_row, out)) in factors.iter().zip(out.chunks_mut(length.max(1))).enumerate() {
            let place = row * length..(row + 1) * length;
            products(
                &minuends[place.clone()],
                subtrahends.map(|y| &y[place.clone()]),
                mask.map(|mask| &mask[place.clone()]),
                factor * of_row.widen(),
                out,
            );
        }
    }
}

#[inline(always)]
fn products<F: Real>(
    minuends: &[F],
    subtrahends: Option<&[F]>,
    mask: Option<&[bool]>,
    factor: f64,
    out: &mut [F],
) {
    match subtrahends {
        None => write(out, mask, minuends.iter().map(|x| F::narrow(factor * x.widen()))),
        Some(subtrahends) => {
            let differences = minuends.iter().zip(subtrahends);
            let differences = differences.map(|(x, y)| x.widen() - y.widen());
            write(out, mask, differences.map(|difference| F::narrow(factor * difference)));
        }
    }
}

/// Writes numbers, 0 where the mask is false.
#[inline(always)]
fn write<F: Real>(out: &mut [F], mask: Option<&[bool]>, numbers: impl Iterator<Item = F>) {
    match mask {
        None => {
            for (out, x) in out.iter_mut().zip(numbers) {
                *out = x;
            }
        }
        Some(mask) => {
            for ((out, x), &exists) in out.iter_mut().zip(numbers).zip(mask) {
                *out = select_unpredictable(exists, x, F::zero());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_the_same_however_it_is_padded() {
        let row: Vec<f64> = (0..300_u32).map(|k| -f64::from(k * 7919 % 1009) / 333.0).collect();
        for length in [0, 1, 7, 15, 16, 17, 128, 129, 300] {
            let mut greatest = [0.0; LANES];
            let alone = row_sum(&row[..length], &vec![true; length], &mut greatest);
            let exact: Sum = row[..length].iter().fold(Sum::default(), |mut sum, &x| {
                sum.add(x);
                sum
            });
            assert!((alone - exact.total()).abs() <= 1e-15 * alone.abs(), "{length}");
            for padding in [1, 8, 16, 200] {
                let mut padded = row[..length].to_vec();
                padded.resize(length + padding, f64::NAN);
                let mask: Vec<bool> = (0..length + padding).map(|k| k < length).collect();
                let sum = row_sum(&padded, &mask, &mut greatest);
                assert_eq!(sum.to_bits(), alone.to_bits(), "{length} + {padding}");
            }
            assert_eq!(greatest, [0.0; LANES]);
        }
    }

    #[test]
    fn a_packed_row_is_the_row_without_what_is_masked() {
        let row: Vec<f64> = (0..300_u32).map(|k| f64::from(k * 7919 % 1009) / 1009.0).collect();
        for kept in [1, 2, 3, 7, 300] {
            let mask: Vec<bool> = (0..300).map(|k| k % kept == 0).collect();
            let existing: Vec<f64> = row.iter().step_by(kept).copied().collect();
            let most = &mut [0.0; FEW_LANES];
            let alone = row_sum(&existing, unweighted(existing.len()), most);
            let nan_elsewhere: Vec<f64> = row
                .iter()
                .zip(&mask)
                .map(|(&x, &exists)| if exists { x } else { f64::NAN })
                .collect();
            assert_eq!(packed_row_sum(&nan_elsewhere, &mask).to_bits(), alone.to_bits(), "{kept}");
        }
    }

    #[test]
    fn what_is_outside_is_seen_wherever_it_stands() {
        let good = vec![-1.0_f32; 70];
        let within = |numbers: &[f32], mask: Option<&[bool]>| {
            run(Within { numbers, mask, least: f32::MIN, greatest: 0.1 })
        };
        assert!(within(&good, None) && within(&[], None));
        for place in 0..good.len() {
            for bad in [0.2, f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                let mut numbers = good.clone();
                numbers[place] = bad;
                let (mut mask, none) = (vec![true; good.len()], vec![false; good.len()]);
                assert!(!within(&numbers, None) && !within(&numbers, Some(&mask)));
                mask[place] = false;
                assert!(within(&numbers, Some(&mask)) && within(&numbers, Some(&none)));
            }
        }
    }
}
