//! The number that formulas are written over.

use std::ops::{Add, Div, Mul, Neg, Sub};

/// What a formula computes with: one number, or as many side by side as a vector has lanes.
///
/// A pair function, a pair weight or a point function is written once over this trait. The crate
/// compiles the formula for vectors of `f32` and `f64` in the machine's instruction set, for plain
/// `f64`, and for the numbers of wide exponent that lists near the ends of the range need. A formula
/// cannot branch on a number, since each lane may differ: compare with [`above`](Self::above) and
/// choose with [`select`](Self::select).
///
/// The trait is sealed: the crate implements it, formulas use it.
pub trait Number:
    Copy
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + sealed::Sealed
{
    /// The outcome of a comparison, lane by lane.
    type Mask: Copy;

    /// A constant, in every lane.
    #[must_use]
    fn constant(self, x: f64) -> Self;

    /// A constant, and what rounding it to the type takes from it.
    #[must_use]
    fn constant_exactly(self, x: f64) -> (Self, Self);

    /// The product with a constant.
    #[inline(always)]
    #[must_use]
    fn times(self, factor: f64) -> Self {
        self * self.constant(factor)
    }

    /// self · factor + term, fused where the machine can.
    #[must_use]
    fn mul_add(self, factor: Self, term: Self) -> Self;

    /// Where self is above the other; false for NaN.
    fn above(self, other: Self) -> Self::Mask;

    /// Where self equals the other; false for NaN.
    fn equals(self, other: Self) -> Self::Mask;

    /// Where both are so.
    fn both(a: Self::Mask, b: Self::Mask) -> Self::Mask;

    /// `yes` where the mask is so, `no` elsewhere.
    #[must_use]
    fn select(mask: Self::Mask, yes: Self, no: Self) -> Self;

    /// `self` where the mask is so, 0 elsewhere.
    #[inline(always)]
    #[must_use]
    fn keep(self, mask: Self::Mask) -> Self {
        Self::select(mask, self, self.constant(0.0))
    }

    /// 0 where the mask is so, `self` elsewhere.
    #[inline(always)]
    #[must_use]
    fn remove(self, mask: Self::Mask) -> Self {
        Self::select(mask, self.constant(0.0), self)
    }

    /// The greater of two numbers, neither of which is NaN.
    #[must_use]
    fn max(self, other: Self) -> Self;

    /// The lesser of two numbers, neither of which is NaN.
    #[must_use]
    fn min(self, other: Self) -> Self;

    /// The magnitude.
    #[must_use]
    fn abs(self) -> Self;

    /// e^self; 0 where that is below the normal numbers, a large number or ∞ where it is above them.
    #[must_use]
    fn exp(self) -> Self;

    /// log(self), for positive normal numbers.
    #[must_use]
    fn ln(self) -> Self;

    /// log(1 + self), for self ≥ 0.
    #[must_use]
    fn ln_1p(self) -> Self;

    /// log(1 + self), for 0 ≤ self ≤ 1: the quicker one.
    #[must_use]
    fn ln_1p_unit(self) -> Self;

    /// Any function of `f64`, lane by lane: for what the trait does not have, at the speed of that
    /// function.
    #[must_use]
    fn map(self, function: impl Fn(f64) -> f64) -> Self;

    /// log(1 + e^−self) and its first two derivatives, each with its relative accuracy on both tails.
    #[inline(always)]
    #[must_use]
    fn softplus_of_negative(self) -> Softplus<Self> {
        let (zero, one) = (self.constant(0.0), self.constant(1.0));
        let exp = (-self.abs()).exp();
        let large = one / (one + exp);
        let small = exp * large;
        let behind = zero.above(self);
        Softplus {
            value: (-self).max(zero) + exp.ln_1p_unit(),
            slope: -Self::select(behind, large, small),
            curvature: small * large,
        }
    }
}

/// log(1 + e^−x) and its derivatives: −σ(−x) and σ(x)·σ(−x).
#[derive(Debug, Clone, Copy)]
pub struct Softplus<N> {
    /// log(1 + e^−x).
    pub value: N,
    /// −σ(−x).
    pub slope: N,
    /// σ(x)·σ(−x).
    pub curvature: N,
}

pub(crate) mod sealed {
    pub trait Sealed {}
}

impl sealed::Sealed for f64 {}

impl Number for f64 {
    type Mask = bool;

    #[inline(always)]
    fn constant(self, x: f64) -> Self {
        x
    }

    #[inline(always)]
    fn constant_exactly(self, x: f64) -> (Self, Self) {
        (x, 0.0)
    }

    /// Rounded twice: without the machine's instruction, fusing is a slow library call.
    #[inline(always)]
    fn mul_add(self, factor: Self, term: Self) -> Self {
        self * factor + term
    }

    #[inline(always)]
    fn above(self, other: Self) -> bool {
        self > other
    }

    #[inline(always)]
    fn equals(self, other: Self) -> bool {
        self == other
    }

    #[inline(always)]
    fn both(a: bool, b: bool) -> bool {
        a & b
    }

    #[inline(always)]
    fn select(mask: bool, yes: Self, no: Self) -> Self {
        if mask { yes } else { no }
    }

    #[inline(always)]
    fn max(self, other: Self) -> Self {
        if self > other { self } else { other }
    }

    #[inline(always)]
    fn min(self, other: Self) -> Self {
        if self < other { self } else { other }
    }

    #[inline(always)]
    fn abs(self) -> Self {
        f64::abs(self)
    }

    #[inline(always)]
    fn exp(self) -> Self {
        f64::exp(self)
    }

    #[inline(always)]
    fn ln(self) -> Self {
        f64::ln(self)
    }

    #[inline(always)]
    fn ln_1p(self) -> Self {
        f64::ln_1p(self)
    }

    #[inline(always)]
    fn ln_1p_unit(self) -> Self {
        f64::ln_1p(self)
    }

    #[inline(always)]
    fn map(self, function: impl Fn(f64) -> f64) -> Self {
        function(self)
    }
}
