//! The floating-point types of the crate's arrays.

use std::fmt::{Debug, Display};

use num_traits::Float;

mod sealed {
    use crate::engine::{Native, OfDouble, OfSingle};

    pub trait Sealed: Sized {
        /// What the engine needs of the type: on a type of its own, so that nothing of it is in scope
        /// where a user writes `F: Real`.
        #[doc(hidden)]
        type Engine: Native<Number = Self>;
    }

    impl Sealed for f32 {
        type Engine = OfSingle;
    }

    impl Sealed for f64 {
        type Engine = OfDouble;
    }
}

/// `f32` or `f64`: the element type of every array that goes in or comes out.
pub trait Real: Float + Debug + Display + Send + Sync + 'static + sealed::Sealed {
    /// Which of the two this is.
    const PRECISION: Precision;

    /// The same number as an `f64`.
    fn widen(self) -> f64;

    /// The nearest number of this type; ±∞ beyond its range.
    fn narrow(wide: f64) -> Self;

    /// The slice itself where this type is `f64`.
    fn as_wide(slice: &[Self]) -> Option<&[f64]>;
}

impl Real for f32 {
    const PRECISION: Precision = Precision::Single;

    fn widen(self) -> f64 {
        f64::from(self)
    }

    #[allow(clippy::cast_possible_truncation)] // rounding is what it is for
    fn narrow(wide: f64) -> Self {
        wide as Self
    }

    fn as_wide(_: &[Self]) -> Option<&[f64]> {
        None
    }
}

impl Real for f64 {
    const PRECISION: Precision = Precision::Double;

    fn widen(self) -> f64 {
        self
    }

    fn narrow(wide: f64) -> Self {
        wide
    }

    fn as_wide(slice: &[Self]) -> Option<&[f64]> {
        Some(slice)
    }
}

/// The type that a list's scores and labels had before they were widened to `f64`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Precision {
    /// `f32`.
    Single,
    /// `f64`.
    Double,
}

impl Precision {
    /// `x` rounded to the precision: ±∞ where it is beyond the range.
    #[must_use]
    pub fn round(self, x: f64) -> f64 {
        match self {
            Self::Single => f32::narrow(x).widen(),
            Self::Double => x,
        }
    }
}
