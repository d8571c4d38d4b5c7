//! What the functions over arrays of Ψ, ranks and rewards share.

use std::hint::select_unpredictable;

use ndarray::{Array, ArrayRef, Axis, Dimension, RemoveAxis};

use crate::check::{Mask, finite, in_order, unravel, within, write_in_order};
use crate::streams::{self, Stream, Within};
use crate::{Error, Real};

/// Ψ_kj as a function of what is known of k and of j.
pub(super) fn win_probabilities_into<F: Real, D: RemoveAxis>(
    what: &'static str,
    known: &ArrayRef<F, D>,
    mask: Option<&ArrayRef<bool, D>>,
    wins: &mut ArrayRef<F, D::Larger>,
    win: impl Fn(F, F) -> F + Copy,
) -> Result<(), Error> {
    let Some(&size) = known.shape().last() else {
        return Err(Error::Axes { what, least: 1, found: 0 });
    };
    let (found, expected) = (wins.shape(), known.shape());
    if found.split_last() != Some((&size, expected)) {
        let expected = expected.iter().copied().chain([size]).collect();
        return Err(Error::Shape { what: "win probabilities", expected, found: found.to_vec() });
    }
    let responses = Responses::new(mask, known.shape())?;
    check_finite(what, known, &responses)?;
    let known = &*in_order(known);
    write_in_order(wins, |wins| {
        streams::run(Squares { known, mask: responses.mask.get(), size, win, wins });
    });
    Ok(())
}

/// Fills squares of win probabilities.
struct Squares<'a, F, W> {
    known: &'a [F],
    mask: Option<&'a [bool]>,
    size: usize,
    win: W,
    wins: &'a mut [F],
}

impl<F: Real, W: Fn(F, F) -> F> Stream for Squares<'_, F, W> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { known, mask, size, win, wins } = self;
        for (k, row) in wins.chunks_exact_mut(size.max(1)).enumerate() {
            let list = k / size * size..(k / size + 1) * size;
            for (out, &of_j) in row.iter_mut().zip(&known[list.clone()]) {
                *out = win(known[k], of_j);
            }
            let Some(mask) = mask else { continue };
            for (out, &exists) in row.iter_mut().zip(&mask[list]) {
                *out = select_unpredictable(exists & mask[k], *out, F::zero());
            }
        }
    }
}

/// The responses of lists of K, counted through the whole array, and which of them exist.
pub(super) struct Responses<'a> {
    size: usize,
    mask: Mask<'a>,
}

impl<'a> Responses<'a> {
    pub(super) fn new<D: Dimension>(
        mask: Option<&'a ArrayRef<bool, D>>,
        shape: &[usize],
    ) -> Result<Self, Error> {
        Ok(Self { size: shape.last().copied().unwrap_or(0), mask: Mask::new(mask, shape)? })
    }

    pub(super) fn exist(&self, k: usize) -> bool {
        self.mask.exists(k)
    }

    /// The existing responses of a list.
    pub(super) fn of_list(&self, list: usize) -> impl Iterator<Item = usize> + '_ {
        (list * self.size..(list + 1) * self.size).filter(|&j| self.exist(j))
    }

    /// The place of Ψ_kj in the flat array of win probabilities.
    pub(super) fn pair(&self, k: usize, j: usize) -> usize {
        k * self.size + j % self.size
    }

    /// The inverse of [`pair`](Self::pair).
    pub(super) fn of_pair(&self, pair: usize) -> (usize, usize) {
        let k = pair / self.size;
        (k, k / self.size * self.size + pair % self.size)
    }

    /// Which responses exist, where not all do.
    pub(super) fn mask(&self) -> Option<&[bool]> {
        self.mask.get()
    }
}

/// The shape `[.., K]` of an array `[.., K, K]`.
pub(super) fn rows<F: Real, D: RemoveAxis>(wins: &ArrayRef<F, D>) -> Result<D::Smaller, Error> {
    let what = "win probabilities";
    let shape = wins.shape();
    let [.., k, j] = *shape else {
        return Err(Error::Axes { what, least: 2, found: shape.len() });
    };
    if k != j {
        let mut expected = shape.to_vec();
        expected[shape.len() - 1] = k;
        return Err(Error::Shape { what, expected, found: shape.to_vec() });
    }
    Ok(wins.raw_dim().remove_axis(Axis(shape.len() - 1)))
}

/// Zeros `[.., K, K]` for an array `[.., K]`.
pub(super) fn squares<F: Real, D: Dimension>(rows: &ArrayRef<F, D>) -> Array<F, D::Larger> {
    let size = rows.shape().last().copied().unwrap_or(0);
    let mut shape = rows.raw_dim().insert_axis(Axis(rows.ndim()));
    shape.slice_mut()[rows.ndim()] = size;
    Array::zeros(shape)
}

pub(super) fn check_win_probabilities<F: Real, D: Dimension>(
    wins: &ArrayRef<F, D>,
    responses: &Responses<'_>,
) -> Result<(), Error> {
    let numbers = &*in_order(wins);
    let (size, mask) = (responses.size, responses.mask.get());
    if streams::run(SquaresWithin { numbers, mask, size }) {
        return Ok(());
    }
    let probability = (|p| (0.0..=1.0).contains(&p), "in [0, 1]");
    for (pair, &win) in numbers.iter().enumerate() {
        let (k, j) = responses.of_pair(pair);
        if responses.exist(k) && responses.exist(j) {
            within("win probabilities", win, probability, || unravel(pair, wins.shape()))?;
        }
    }
    Ok(())
}

/// Whether all win probabilities among responses that exist are in [0, 1].
struct SquaresWithin<'a, F> {
    numbers: &'a [F],
    mask: Option<&'a [bool]>,
    size: usize,
}

impl<F: Real> Stream for SquaresWithin<'_, F> {
    type Output = bool;

    #[inline(always)]
    fn run(self) -> bool {
        let Self { numbers, mask, size } = self;
        let (least, greatest) = (F::zero(), F::one());
        let Some(mask) = mask else {
            return Within { numbers, mask, least, greatest }.run();
        };
        let mut inside = true;
        for (k, numbers) in numbers.chunks_exact(size.max(1)).enumerate() {
            if mask[k] {
                let mask = Some(&mask[k / size * size..(k / size + 1) * size]);
                inside &= Within { numbers, mask, least, greatest }.run();
            }
        }
        inside
    }
}

pub(super) fn check_finite<F: Real, D: Dimension>(
    what: &'static str,
    known: &ArrayRef<F, D>,
    responses: &Responses<'_>,
) -> Result<(), Error> {
    let (numbers, mask) = (&*in_order(known), responses.mask.get());
    if streams::run(Within { numbers, mask, least: F::min_value(), greatest: F::max_value() }) {
        return Ok(());
    }
    for (k, &value) in numbers.iter().enumerate().filter(|&(k, _)| responses.exist(k)) {
        finite(what, value, || unravel(k, known.shape()))?;
    }
    Ok(())
}
