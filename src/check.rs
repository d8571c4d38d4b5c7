//! The checks that scores, labels and lists share.

use std::borrow::Cow;

use ndarray::{Array, ArrayRef, Dimension};

use crate::{Error, Real};

pub(crate) fn same_shape(
    what: &'static str,
    found: &[usize],
    expected: &[usize],
) -> Result<(), Error> {
    if found == expected {
        return Ok(());
    }
    Err(Error::Shape { what, expected: expected.to_vec(), found: found.to_vec() })
}

/// An array of zeros, or an error where there is no memory for it: an input without elements can have
/// any number of rows.
pub(crate) fn zeros<F: Real, D: Dimension>(
    name: &'static str,
    shape: D,
) -> Result<Array<F, D>, Error> {
    check_room::<F>(name, shape.size())?;
    Ok(Array::zeros(shape))
}

/// Whether there is memory for as many elements as are named.
pub(crate) fn check_room<T>(name: &'static str, elements: usize) -> Result<(), Error> {
    if has_room::<T>(elements) {
        return Ok(());
    }
    let range = "few enough for this machine's memory";
    Err(Error::Parameter { name, value: elements as f64, range })
}

pub(crate) fn has_room<T>(elements: usize) -> bool {
    Vec::<T>::new().try_reserve_exact(elements).is_ok()
}

pub(crate) fn finite<F: Real>(
    what: &'static str,
    value: F,
    index: impl FnOnce() -> Vec<usize>,
) -> Result<(), Error> {
    if value.is_finite() {
        return Ok(());
    }
    Err(Error::NotFinite { what, index: index(), value: value.widen() })
}

/// Finite, and `inside`, which `range` says in words.
pub(crate) fn within<F: Real>(
    what: &'static str,
    value: F,
    (inside, range): (impl FnOnce(f64) -> bool, &'static str),
    index: impl Fn() -> Vec<usize>,
) -> Result<(), Error> {
    finite(what, value, &index)?;
    let value = value.widen();
    if inside(value) {
        return Ok(());
    }
    Err(Error::OutOfRange { what, index: index(), value, range })
}

/// A cut-off, the last rank that counts, is at least 1.
pub(crate) fn check_cutoff(cutoff: Option<usize>) -> Result<(), Error> {
    if cutoff == Some(0) {
        return Err(Error::Parameter { name: "cut-off", value: 0.0, range: "at least 1" });
    }
    Ok(())
}

/// The index of the `flat`th element, in logical order, of an array of the given shape.
pub(crate) fn unravel(mut flat: usize, shape: &[usize]) -> Vec<usize> {
    let mut index = vec![0; shape.len()];
    for (place, &length) in index.iter_mut().zip(shape).rev() {
        *place = flat % length.max(1);
        flat /= length.max(1);
    }
    index
}

/// A shape whose number of axes is known to suit `D`.
pub(crate) fn dimension<D: Dimension>(shape: &[usize]) -> D {
    let mut dimension = D::zeros(shape.len());
    dimension.slice_mut().copy_from_slice(shape);
    dimension
}

/// The elements in logical order: borrowed where they stand so, copied otherwise.
pub(crate) fn in_order<T: Copy, D: Dimension>(array: &ArrayRef<T, D>) -> Cow<'_, [T]> {
    array.as_slice().map_or_else(|| Cow::Owned(array.iter().copied().collect()), Cow::Borrowed)
}

/// Writes an array in logical order: where its elements stand so, in place, otherwise by way of a copy.
pub(crate) fn write_in_order<F: Real, D: Dimension>(
    array: &mut ArrayRef<F, D>,
    write: impl FnOnce(&mut [F]),
) {
    if let Some(slice) = array.as_slice_mut() {
        return write(slice);
    }
    let mut copy = vec![F::zero(); array.len()];
    write(&mut copy);
    for (out, &x) in array.iter_mut().zip(&copy) {
        *out = x;
    }
}

/// Which items exist; all where no mask was given.
#[derive(Debug, Clone)]
pub(crate) struct Mask<'a>(Option<Cow<'a, [bool]>>);

impl<'a> Mask<'a> {
    pub(crate) fn none() -> Self {
        Self(None)
    }

    pub(crate) fn new<D: Dimension>(
        mask: Option<&'a ArrayRef<bool, D>>,
        expected: &[usize],
    ) -> Result<Self, Error> {
        if let Some(mask) = mask {
            same_shape("mask", mask.shape(), expected)?;
        }
        Ok(Self(mask.map(in_order)))
    }

    pub(crate) fn is_none(&self) -> bool {
        self.0.is_none()
    }

    pub(crate) fn get(&self) -> Option<&[bool]> {
        self.0.as_deref()
    }

    pub(crate) fn exists(&self, item: usize) -> bool {
        self.0.as_ref().is_none_or(|mask| mask[item])
    }
}

#[cfg(test)]
mod tests {
    use super::unravel;

    #[test]
    fn unravel_counts_the_last_axis_fastest() {
        assert_eq!(unravel(7, &[2, 3, 4]), [0, 1, 3]);
        assert_eq!(unravel(23, &[2, 3, 4]), [1, 2, 3]);
        assert!(unravel(0, &[]).is_empty());
        assert_eq!(unravel(0, &[3, 0]), [0, 0]);
    }
}
