//! Numbers of twice the precision of `f64`, as an unevaluated sum of two.

use std::ops::{Add, Div, Mul, Neg, Sub};

/// The number hi + lo, where hi is the sum rounded to `f64`: about 106 bits.
///
/// Where hi is infinite, lo is 0. The algorithms are Dekker's and Knuth's; without fused
/// multiply-adds, which are a slow library call on targets that lack the instruction.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct DoubleDouble {
    pub(crate) hi: f64,
    pub(crate) lo: f64,
}

impl DoubleDouble {
    pub(crate) const ZERO: Self = Self { hi: 0.0, lo: 0.0 };
    pub(crate) const ONE: Self = Self { hi: 1.0, lo: 0.0 };
    pub(crate) const LN_2: Self =
        Self { hi: std::f64::consts::LN_2, lo: 2.319_046_813_846_299_6e-17 };

    const fn finite(hi: f64, lo: f64) -> Self {
        Self { hi, lo: if lo.is_finite() { lo } else { 0.0 } }
    }

    /// a + b, exactly.
    pub(crate) const fn sum(a: f64, b: f64) -> Self {
        let hi = a + b;
        let of_b = hi - a;
        Self::finite(hi, (a - (hi - of_b)) + (b - of_b))
    }

    /// a − b, exactly.
    pub(crate) const fn difference(a: f64, b: f64) -> Self {
        Self::sum(a, -b)
    }

    /// a · b, exactly unless the rounding error underflows or a factor exceeds 2⁹⁹⁶.
    pub(crate) const fn product(a: f64, b: f64) -> Self {
        let hi = a * b;
        let ((a1, a2), (b1, b2)) = (split(a), split(b));
        Self::finite(hi, ((a1 * b1 - hi) + a1 * b2 + a2 * b1) + a2 * b2)
    }

    /// a + b where |a| ≥ |b|; a where it is infinite, whatever became of b.
    const fn ordered_sum(a: f64, b: f64) -> Self {
        let hi = if b.is_finite() { a + b } else { a };
        Self::finite(hi, b - (hi - a))
    }

    const fn plus(self, other: Self) -> Self {
        let (high, low) = (Self::sum(self.hi, other.hi), Self::sum(self.lo, other.lo));
        let sum = Self::ordered_sum(high.hi, high.lo + low.hi);
        Self::ordered_sum(sum.hi, sum.lo + low.lo)
    }

    const fn times(self, other: Self) -> Self {
        let product = Self::product(self.hi, other.hi);
        Self::ordered_sum(product.hi, product.lo + (self.hi * other.lo + self.lo * other.hi))
    }

    /// The nearest `f64`.
    pub(crate) fn round(self) -> f64 {
        self.hi + self.lo
    }

    pub(crate) fn abs(self) -> Self {
        if self.hi < 0.0 { -self } else { self }
    }

    /// self · 2^exponent.
    pub(crate) fn scale(self, exponent: i32) -> Self {
        let hi = super::scale_by_power_of_two(self.hi, exponent);
        Self::finite(hi, super::scale_by_power_of_two(self.lo, exponent))
    }

    /// e^self to about 85 bits; the bounds of `f64` make it 0 or ∞ beyond ±750.
    pub(crate) fn exp(self) -> Self {
        if self.hi.abs() > 750.0 {
            return if self.hi < 0.0 { Self::ZERO } else { f64::INFINITY.into() };
        }
        let steps = (self.hi * (STEPS_F64 / std::f64::consts::LN_2)).round();
        exp_of_steps(steps, self - LN_2_STEP * steps)
    }

    /// e^self − 1 to about 77 bits, near 0 too.
    pub(crate) fn exp_m1(self) -> Self {
        if self.hi.abs() < LN_2_STEP.hi / 2.0 {
            exp_m1_of_rest(self)
        } else {
            self.exp() - Self::ONE
        }
    }

    /// log(1 + self) for self ≥ −½ to about 77 bits, near 0 too.
    pub(crate) fn ln_1p(self) -> Self {
        let rough = self.hi.ln_1p();
        if !rough.is_finite() {
            return rough.into();
        }
        // One step of Newton's method on e^y − 1 = self.
        let missing = Self::from(-rough).exp_m1();
        Self::from(rough) + (self + missing + self * missing)
    }

    /// 2^x to about 85 bits.
    pub(crate) fn exp2(x: f64) -> Self {
        if x.abs() > 1100.0 {
            return if x < 0.0 { Self::ZERO } else { f64::INFINITY.into() };
        }
        let steps = (x * STEPS_F64).round();
        exp_of_steps(steps, Self::LN_2 * (x - steps / STEPS_F64))
    }

    /// log(self) for a normal number, not close to 1, to about 80 bits.
    pub(crate) fn ln(self) -> Self {
        let rough = self.hi.ln();
        // One step of Newton's method on e^y = self.
        Self::from(rough) + (self * Self::from(-rough).exp() - Self::ONE)
    }
}

/// Veltkamp's split of x into halves of 26 bits, whose products are exact.
const fn split(x: f64) -> (f64, f64) {
    let scaled = 134_217_729.0 * x; // 2²⁷ + 1
    let high = scaled - (scaled - x);
    (high, x - high)
}

const STEPS: usize = 64;
const STEPS_F64: f64 = 64.0;

/// log(2)/64: the logarithm of one step of the table.
const LN_2_STEP: DoubleDouble =
    DoubleDouble { hi: DoubleDouble::LN_2.hi / STEPS_F64, lo: DoubleDouble::LN_2.lo / STEPS_F64 };

/// 2^(i/64) for i in 0..64.
static POWERS: [DoubleDouble; STEPS] = {
    let step = DoubleDouble { hi: 1.010_889_286_051_700_5, lo: -1.523_477_860_336_857_7e-17 };
    let mut powers = [DoubleDouble::ONE; STEPS];
    let mut i = 1;
    while i < STEPS {
        powers[i] = powers[i - 1].times(step);
        i += 1;
    }
    powers
};

/// 2^(steps/64) · e^rest, |rest| ≤ log(2)/128.
fn exp_of_steps(steps: f64, rest: DoubleDouble) -> DoubleDouble {
    #[allow(clippy::cast_possible_truncation)] // at most 1100·64
    let steps = steps as i32;
    #[allow(clippy::cast_sign_loss)] // the Euclidean remainder is not negative
    let power = POWERS[steps.rem_euclid(64) as usize];
    let exp = DoubleDouble::ONE + exp_m1_of_rest(rest);
    (power * exp).scale(steps.div_euclid(64))
}

/// e^rest − 1, |rest| ≤ log(2)/128.
fn exp_m1_of_rest(rest: DoubleDouble) -> DoubleDouble {
    const THIRD: DoubleDouble =
        DoubleDouble { hi: 0.333_333_333_333_333_3, lo: 1.850_371_707_708_594e-17 };
    // Taylor: 1 + r(1 + r/2(1 + r/3(1 + r/4(…)))), in one f64 from the fourth power on.
    let r = rest.hi;
    let tail = r / 4.0
        * (1.0 + r / 5.0 * (1.0 + r / 6.0 * (1.0 + r / 7.0 * (1.0 + r / 8.0 * (1.0 + r / 9.0)))));
    let third = DoubleDouble::ONE + rest * THIRD * DoubleDouble::sum(1.0, tail);
    let second = DoubleDouble::ONE + rest * 0.5 * third;
    rest * second
}

impl From<f64> for DoubleDouble {
    fn from(hi: f64) -> Self {
        Self { hi, lo: 0.0 }
    }
}

impl Add for DoubleDouble {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        self.plus(other)
    }
}

impl Sub for DoubleDouble {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        self.plus(-other)
    }
}

impl Neg for DoubleDouble {
    type Output = Self;
    fn neg(self) -> Self {
        Self { hi: -self.hi, lo: -self.lo }
    }
}

impl Mul for DoubleDouble {
    type Output = Self;
    fn mul(self, other: Self) -> Self {
        self.times(other)
    }
}

impl Mul<f64> for DoubleDouble {
    type Output = Self;
    fn mul(self, other: f64) -> Self {
        self.times(other.into())
    }
}

impl Div for DoubleDouble {
    type Output = Self;
    fn div(self, other: Self) -> Self {
        let quotient = self.hi / other.hi;
        let rest = self - other * quotient;
        Self::ordered_sum(quotient, rest.hi / other.hi)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// |computed − (hi + lo)| relative to hi.
    fn relative_error(computed: DoubleDouble, hi: f64, lo: f64) -> f64 {
        ((computed - DoubleDouble { hi, lo }).round() / hi).abs()
    }

    // The references, hi and lo, are from 80-digit arithmetic.

    #[test]
    fn exp_has_85_bits() {
        let bound = 2.0_f64.powi(-85);
        for (x, hi, lo) in [
            (1.5, 4.4816890703380645, 3.0481759556536343e-16),
            (-0.1, 0.9048374180359595, 5.055984668733208e-17),
            (0.0054, 1.0054146062794678, -7.222965820335253e-17),
            (1e-09, 1.000000001, -8.224037093664211e-17),
            (-33.3, 3.4513877443742162e-15, 4.2123472891974585e-32),
            (300.25, 2.4941248615349213e+130, -6.154945403062824e+113),
            (-600.5, 1.6075467697937942e-261, 3.537726127764541e-279),
        ] {
            assert!(relative_error(DoubleDouble::from(x).exp(), hi, lo) < bound, "e^{x}");
        }
        assert_eq!(DoubleDouble::ZERO.exp(), DoubleDouble::ONE);
    }

    #[test]
    fn exp2_has_85_bits() {
        let bound = 2.0_f64.powi(-85);
        for (x, hi, lo) in [
            (0.3, 1.2311444133449163, -3.572339831433251e-17),
            (-0.7, 0.6155722066724582, 5.823917615522084e-18),
            (1e-09, 1.000000000693147, 8.55237134015003e-17),
            (20.6, 1589344.0144452087, 3.3583567581029905e-11),
            (900.1, 9.059392941988294e+270, 4.1613373011048907e+254),
            (-900.1, 1.1038267204033285e-271, -5.2131416622227896e-288),
        ] {
            assert!(relative_error(DoubleDouble::exp2(x), hi, lo) < bound, "2^{x}");
        }
        assert_eq!(DoubleDouble::exp2(-3.0), 0.125.into());
    }

    #[test]
    fn ln_has_80_bits() {
        let bound = 2.0_f64.powi(-80);
        for (x, hi, lo) in [
            (7.0, 1.9459101490553132, 7.323586207904907e-17),
            (3.0, 1.0986122886681098, -9.07129723500153e-17),
            (100.0, 4.605170185988092, -4.3415124467644987e-16),
            (4097.0, 8.318010277546872, -7.577491015933146e-16),
            (1000000.0, 13.815510557964274, 4.739031053709008e-16),
        ] {
            assert!(relative_error(DoubleDouble::from(x).ln(), hi, lo) < bound, "log {x}");
        }
    }

    #[test]
    fn exp_m1_has_77_bits() {
        let bound = 2.0_f64.powi(-77);
        for (x, hi, lo) in [
            (1e-300, 1e-300, 0.0),
            (1e-10, 1.00000000005e-10, 3.3900133221217734e-27),
            (0.003, 0.003004504503377026, -3.959666761238407e-20),
            (-0.0054, -0.005385446208608829, -2.997883042008907e-19),
            (0.0055, 0.005515152767336249, 3.957537648608259e-19),
            (-0.3, -0.2591817793182821, -1.805530505953e-18),
            (2.5, 11.182493960703473, 2.0334002173348147e-16),
            (-30.0, -0.9999999999999064, -1.557128749895031e-17),
        ] {
            assert!(relative_error(DoubleDouble::from(x).exp_m1(), hi, lo) < bound, "e^{x} - 1");
        }
        assert_eq!(DoubleDouble::from(1e30).exp_m1().round(), f64::INFINITY);
    }

    #[test]
    fn ln_1p_has_77_bits() {
        let bound = 2.0_f64.powi(-77);
        for (x, hi, lo) in [
            (1e-300, 1e-300, 0.0),
            (1e-10, 9.999999999500001e-11, -3.389513322121794e-27),
            (-0.003, -0.0030045090202987217, -1.4550901662155656e-19),
            (0.0055, 0.005484930230569685, 2.577979048653517e-19),
            (0.7, 0.5306282510621704, -5.076541175216476e-18),
            (1e8, 18.420680753952364, 9.38704990437131e-16),
        ] {
            assert!(relative_error(DoubleDouble::from(x).ln_1p(), hi, lo) < bound, "log(1 + {x})");
        }
        assert_eq!(DoubleDouble::from(f64::INFINITY).ln_1p().round(), f64::INFINITY);
    }

    #[test]
    fn division_has_100_bits() {
        let third = DoubleDouble::ONE / 3.0.into();
        assert!((third * 3.0 - DoubleDouble::ONE).round().abs() < 2.0_f64.powi(-100));
    }

    #[test]
    fn the_bounds_of_f64_are_reached_without_nan() {
        assert_eq!(DoubleDouble::from(1e30).exp().round(), f64::INFINITY);
        assert_eq!(DoubleDouble::from(-1e30).exp().round(), 0.0);
        assert_eq!(DoubleDouble::from(710.0).exp().round(), f64::INFINITY);
        assert_eq!(DoubleDouble::from(-745.0).exp().round(), f64::from_bits(1));
        let largest = DoubleDouble::from(f64::MAX);
        assert_eq!((largest + largest).round(), f64::INFINITY);
        assert_eq!((largest * largest).round(), f64::INFINITY);
        assert_eq!((largest / largest).round(), 1.0);
    }
}
