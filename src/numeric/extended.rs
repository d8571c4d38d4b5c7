//! Numbers of 106 bits whose exponents do not run out.

use std::ops::{Add, Div, Mul, Neg, Sub};

use super::number::{Number, sealed};
use super::{DoubleDouble, scale_by_power_of_two};

/// The number mantissa · 2^exponent, the mantissa's magnitude in [½, 1) or 0.
///
/// No product, quotient or exponential over- or underflows on the way to a result that `f64` has.
/// Formulas over this number are slow and right everywhere: lists that the kernels give up on are
/// computed with them.
///
/// Public in a private module: hidden methods of public traits take it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Extended {
    mantissa: DoubleDouble,
    exponent: i64,
}

/// Two numbers whose exponents are further apart than this do not overlap.
const APART: i64 = 130;

impl Extended {
    pub(crate) const ZERO: Self = Self { mantissa: DoubleDouble::ZERO, exponent: 0 };

    /// mantissa · 2^exponent of any mantissa.
    pub(crate) fn new(mantissa: DoubleDouble, exponent: i64) -> Self {
        if mantissa.hi == 0.0 || !mantissa.hi.is_finite() {
            return Self { mantissa, exponent: 0 };
        }
        let bits = mantissa.hi.to_bits();
        let biased = (bits >> 52 & 0x7ff).cast_signed();
        if biased == 0 {
            // Denormal: into the normal range first.
            return Self::new(mantissa.scale(200), exponent - 200);
        }
        let shift = biased - 1022;
        #[allow(clippy::cast_possible_truncation)] // at most 1024
        let mantissa = mantissa.scale(-shift as i32);
        Self { mantissa, exponent: exponent + shift }
    }

    /// The nearest `f64`, ±∞ beyond its range.
    pub(crate) fn round(self) -> f64 {
        #[allow(clippy::cast_possible_truncation)] // clamped
        let exponent = self.exponent.clamp(-3000, 3000) as i32;
        scale_by_power_of_two(self.mantissa.round(), exponent)
    }

    fn is_negative(self) -> bool {
        self.mantissa.hi < 0.0
    }

    /// The exponent, for comparing magnitudes.
    fn order(self) -> i64 {
        if self.mantissa.hi == 0.0 { i64::MIN / 4 } else { self.exponent }
    }
}

impl From<f64> for Extended {
    fn from(x: f64) -> Self {
        Self::new(x.into(), 0)
    }
}

impl From<DoubleDouble> for Extended {
    fn from(x: DoubleDouble) -> Self {
        Self::new(x, 0)
    }
}

impl Add for Extended {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        let (large, small) =
            if self.order() >= other.order() { (self, other) } else { (other, self) };
        let shift = small.order() - large.order();
        if shift < -APART {
            return large;
        }
        #[allow(clippy::cast_possible_truncation)] // at most APART
        let sum = large.mantissa + small.mantissa.scale(shift as i32);
        Self::new(sum, large.exponent)
    }
}

impl Neg for Extended {
    type Output = Self;
    fn neg(self) -> Self {
        Self { mantissa: -self.mantissa, ..self }
    }
}

impl Sub for Extended {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        self + -other
    }
}

impl Mul for Extended {
    type Output = Self;
    fn mul(self, other: Self) -> Self {
        Self::new(self.mantissa * other.mantissa, self.exponent + other.exponent)
    }
}

impl Div for Extended {
    type Output = Self;
    fn div(self, other: Self) -> Self {
        Self::new(self.mantissa / other.mantissa, self.exponent - other.exponent)
    }
}

impl sealed::Sealed for Extended {}

impl Number for Extended {
    type Mask = bool;

    fn constant(self, x: f64) -> Self {
        x.into()
    }

    fn constant_exactly(self, x: f64) -> (Self, Self) {
        (x.into(), Self::ZERO)
    }

    fn mul_add(self, factor: Self, term: Self) -> Self {
        self * factor + term
    }

    fn above(self, other: Self) -> bool {
        (self - other).mantissa.hi > 0.0
    }

    fn equals(self, other: Self) -> bool {
        (self - other).mantissa.hi == 0.0
    }

    fn both(a: bool, b: bool) -> bool {
        a && b
    }

    fn select(mask: bool, yes: Self, no: Self) -> Self {
        if mask { yes } else { no }
    }

    fn max(self, other: Self) -> Self {
        if self.above(other) { self } else { other }
    }

    fn min(self, other: Self) -> Self {
        if other.above(self) { self } else { other }
    }

    fn abs(self) -> Self {
        if self.is_negative() { -self } else { self }
    }

    fn exp(self) -> Self {
        // Beyond it, the result is not within reach of f64, whatever it is multiplied by.
        const FARTHEST: f64 = 1e6;
        let x = self.round();
        if x.abs() > FARTHEST {
            return if x < 0.0 { Self::ZERO } else { Self::new(DoubleDouble::ONE, 1 << 40) };
        }
        let powers = (x * std::f64::consts::LOG2_E).round();
        #[allow(clippy::cast_possible_truncation)] // clamped: a mantissa far below 1 is 0 beside x
        let exponent = self.exponent.clamp(-1000, 1000) as i32;
        let rest = self.mantissa.scale(exponent) - DoubleDouble::LN_2 * powers;
        #[allow(clippy::cast_possible_truncation)] // at most 1.5e6
        Self::new(rest.exp(), powers as i64)
    }

    fn ln(self) -> Self {
        let above_half = self.mantissa * 2.0;
        // In [1, 2): by log(1 + x), which is exact near 1 too.
        let logarithm = (above_half - DoubleDouble::ONE).ln_1p();
        Self::from(DoubleDouble::LN_2 * (self.exponent - 1) as f64) + Self::from(logarithm)
    }

    fn ln_1p(self) -> Self {
        if self.exponent > 0 {
            return (Self::from(1.0) + self).ln();
        }
        if self.order() < -110 {
            return self;
        }
        #[allow(clippy::cast_possible_truncation)] // between −110 and 0
        Self::from(self.mantissa.scale(self.exponent as i32).ln_1p())
    }

    fn ln_1p_unit(self) -> Self {
        self.ln_1p()
    }

    fn map(self, function: impl Fn(f64) -> f64) -> Self {
        function(self.round()).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponents_do_not_run_out() {
        let tiny = Extended::from(1e-300) * Extended::from(1e-300);
        assert_eq!((tiny / Extended::from(1e-300)).round(), 1e-300);
        assert_eq!((tiny * Extended::from(1e305) * Extended::from(1e300)).round(), 1e5);
        let far = Extended::from(-2000.0).exp() * Extended::from(2000.0).exp();
        assert!((far.round() - 1.0).abs() < 1e-15);
        assert_eq!(Extended::from(5e-324).round(), 5e-324);
        assert_eq!((Extended::from(1.0) + tiny).round(), 1.0);
        assert_eq!((Extended::from(f64::MAX) + Extended::from(f64::MAX)).round(), f64::INFINITY);
    }

    #[test]
    fn functions_are_right_at_both_ends() {
        let x = Extended::from(-700.0).exp();
        assert_eq!(x.ln_1p().round(), x.round());
        assert!((x.ln().round() + 700.0).abs() < 1e-12);
        assert!((Extended::from(1e200).ln_1p().round() - 460.517_018_598_809_1).abs() < 1e-12);
        assert_eq!(Extended::from(1.0).ln_1p().round(), std::f64::consts::LN_2);
        assert_eq!(Extended::from(-1e30).exp().round(), 0.0);
    }
}
