//! What the functions over arrays of Ψ, ranks and rewards share.

use ndarray::{Array, ArrayRef, Axis, Dimension, RemoveAxis};

use crate::check::{Mask, finite, in_order, unravel, within};
use crate::numeric::Sum;
use crate::{Error, Real};

/// Ψ_kj as a function of what is known of k and of j.
pub(super) fn win_probabilities_into<F: Real, D: RemoveAxis>(
    what: &'static str,
    known: &ArrayRef<F, D>,
    mask: Option<&ArrayRef<bool, D>>,
    wins: &mut ArrayRef<F, D::Larger>,
    win: impl Fn(F, F) -> f64,
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
    let known = in_order(known);
    for (pair, out) in wins.iter_mut().enumerate() {
        let (k, j) = responses.of_pair(pair);
        let exist = responses.exist(k) && responses.exist(j);
        *out = if exist { F::narrow(win(known[k], known[j])) } else { F::zero() };
    }
    Ok(())
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

    /// The existing responses that k is compared with, itself among them; none where k does not
    /// exist.
    pub(super) fn opponents(&self, k: usize) -> impl Iterator<Item = usize> + '_ {
        self.of_list(k / self.size).filter(move |_| self.exist(k))
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

    /// The mean of a sum over the opponents of k.
    pub(super) fn mean<F: Real>(&self, k: usize, sum: Sum) -> F {
        let count = self.opponents(k).count().max(1) as f64;
        F::narrow((sum.exact() / count.into()).round())
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
    let probability = (|p| (0.0..=1.0).contains(&p), "in [0, 1]");
    for (pair, &win) in wins.iter().enumerate() {
        let (k, j) = responses.of_pair(pair);
        if responses.exist(k) && responses.exist(j) {
            within("win probabilities", win, probability, || unravel(pair, wins.shape()))?;
        }
    }
    Ok(())
}

pub(super) fn check_finite<F: Real, D: Dimension>(
    what: &'static str,
    known: &ArrayRef<F, D>,
    responses: &Responses<'_>,
) -> Result<(), Error> {
    for (k, &value) in known.iter().enumerate().filter(|&(k, _)| responses.exist(k)) {
        finite(what, value, || unravel(k, known.shape()))?;
    }
    Ok(())
}
