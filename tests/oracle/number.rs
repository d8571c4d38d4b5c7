//! Floating-point numbers of 128 bits with an exponent that does not end, and the functions that
//! the definitions need.
//!
//! They are what this binary's references are computed in: the range is wide, because products of
//! tails and weights leave that of `f64` on the way to a result that is in it; the precision leaves
//! 75 bits to spare. Arbitrary precision takes a hundred times as long (65 to 600 µs a function),
//! and a search lives on the number of lists it can look at. The figures of `fixtures/exact.json`,
//! of 800 digits, hold these numbers to the truth.

use std::cmp::Ordering;
use std::ops::{Add, AddAssign, Div, Mul, Neg, Sub};
use std::sync::OnceLock;

/// ±mantissa · 2^exponent; the mantissa's highest bit is set, or all of it is 0.
#[derive(Debug, Clone, Copy)]
pub struct Number {
    negative: bool,
    mantissa: u128,
    exponent: i64,
}

pub const ZERO: Number = Number { negative: false, mantissa: 0, exponent: 0 };
pub const ONE: Number = Number { negative: false, mantissa: 1 << 127, exponent: -127 };

impl From<f64> for Number {
    /// Exact.
    fn from(x: f64) -> Self {
        assert!(x.is_finite(), "{x} is not finite");
        let bits = x.to_bits();
        let (field, fraction) = (bits >> 52 & 0x7ff, bits & ((1 << 52) - 1));
        let mantissa = if field == 0 { fraction } else { fraction | 1 << 52 };
        let exponent = field.max(1).cast_signed() - 1075;
        Self::normal(x.is_sign_negative(), mantissa.into(), exponent)
    }
}

impl From<usize> for Number {
    fn from(n: usize) -> Self {
        Self::normal(false, n as u128, 0)
    }
}

impl Number {
    fn normal(negative: bool, mantissa: u128, exponent: i64) -> Self {
        if mantissa == 0 {
            return ZERO;
        }
        let shift = mantissa.leading_zeros();
        Self { negative, mantissa: mantissa << shift, exponent: exponent - i64::from(shift) }
    }

    pub fn is_zero(self) -> bool {
        self.mantissa == 0
    }

    pub fn is_negative(self) -> bool {
        self.negative
    }

    pub fn abs(self) -> Self {
        Self { negative: false, ..self }
    }

    /// x · 2^by.
    pub fn scale(self, by: i64) -> Self {
        if self.is_zero() { ZERO } else { Self { exponent: self.exponent + by, ..self } }
    }

    /// ⌊log2 |x|⌋ of a number that is not 0.
    pub fn magnitude(self) -> i64 {
        self.exponent + 127
    }

    /// The nearest `f64` to within an ulp; ±∞ and 0 beyond its range.
    pub fn to_f64(self) -> f64 {
        if self.is_zero() {
            return 0.0;
        }
        let head = (self.mantissa >> 64) as f64 * if self.negative { -1.0 } else { 1.0 };
        let exponent = (self.exponent + 64).clamp(-2400, 2400);
        let part = |exponent: i64| 2.0_f64.powi(i32::try_from(exponent).unwrap());
        head * part(exponent / 3) * part(exponent / 3) * part(exponent - exponent / 3 * 2)
    }

    pub fn max(self, other: Self) -> Self {
        if self < other { other } else { self }
    }

    /// e^x for x ≤ 0, and 0 where that is less than e^−1000000.
    pub fn exp(self) -> Self {
        assert!(self.negative || self.is_zero(), "e^x of a positive number");
        if self.is_zero() {
            return ONE;
        }
        if self.magnitude() > 20 {
            return ZERO;
        }
        let halves = (self / ln_2()).to_f64().round();
        let rest = self - ln_2() * Self::from(halves);
        let mut power = taylor_expm1(rest.scale(-8)) + ONE;
        for _ in 0..8 {
            power = power * power;
        }
        #[allow(clippy::cast_possible_truncation)] // an integer
        power.scale(halves as i64)
    }

    /// 2^x, and 0 where that is very little.
    pub fn exp2(self) -> Self {
        let exponent = self * ln_2();
        if exponent.negative { exponent.exp() } else { ONE / (-exponent).exp() }
    }

    /// e^x − 1 for |x| < 1.
    pub fn exp_m1(self) -> Self {
        taylor_expm1(self)
    }

    /// log x for x ≥ 1.
    pub fn ln(self) -> Self {
        static TABLE: OnceLock<Vec<Number>> = OnceLock::new();
        assert!(self >= ONE, "log x of x < 1");
        let table = TABLE.get_or_init(|| (0..64_usize).map(|i| atanh_ln(Self::part(i))).collect());
        let exponent = self.magnitude();
        let fraction = self.scale(-exponent);
        let nearest = ((fraction.mantissa >> 121) & 63) as usize;
        let quotient = fraction / Self::part(nearest);
        let whole = Self::from(usize::try_from(exponent).unwrap()) * ln_2();
        whole + table[nearest] + (quotient - ONE).small_ln_1p()
    }

    /// 1 + i/64.
    fn part(i: usize) -> Self {
        Self::from(64 + i).scale(-6)
    }

    /// log(1 + x) for x ≥ 0.
    pub fn ln_1p(self) -> Self {
        if self.is_zero() {
            ZERO
        } else if self.magnitude() < -6 {
            self.small_ln_1p()
        } else {
            (ONE + self).ln()
        }
    }

    /// log(1 + x) for 0 ≤ x, small.
    fn small_ln_1p(self) -> Self {
        let ratio = self / (self + ONE + ONE);
        atanh(ratio).scale(1)
    }
}

/// 1/n.
fn inverse_of(n: usize) -> Number {
    static TABLE: OnceLock<Vec<Number>> = OnceLock::new();
    let table = TABLE.get_or_init(|| (1..=256_usize).map(|n| ONE / Number::from(n)).collect());
    table[n - 1]
}

/// e^x − 1 by its series.
fn taylor_expm1(x: Number) -> Number {
    let (mut sum, mut term, mut n) = (x, x, 1_usize);
    while !term.is_zero() && term.magnitude() > sum.magnitude() - 132 {
        n += 1;
        term = term * x * inverse_of(n);
        sum += term;
    }
    sum
}

/// atanh x by its series.
fn atanh(x: Number) -> Number {
    let square = x * x;
    let (mut sum, mut power, mut n) = (x, x, 1_usize);
    while !power.is_zero() && power.magnitude() > sum.magnitude() - 132 {
        n += 2;
        power = power * square;
        sum += power * inverse_of(n);
    }
    sum
}

/// log x by the series of atanh((x − 1)/(x + 1)).
fn atanh_ln(x: Number) -> Number {
    atanh((x - ONE) / (x + ONE)).scale(1)
}

pub fn ln_2() -> Number {
    static LN_2: OnceLock<Number> = OnceLock::new();
    *LN_2.get_or_init(|| atanh_ln(ONE + ONE))
}

impl Neg for Number {
    type Output = Self;

    fn neg(self) -> Self {
        Self { negative: !self.negative && !self.is_zero(), ..self }
    }
}

impl Add for Number {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        if self.is_zero() {
            return other;
        }
        if other.is_zero() {
            return self;
        }
        let first = if self.exponent == other.exponent {
            self.mantissa >= other.mantissa
        } else {
            self.exponent > other.exponent
        };
        let (large, small) = if first { (self, other) } else { (other, self) };
        let distance = large.exponent - small.exponent;
        if large.negative == small.negative {
            let shifted = if distance < 128 { small.mantissa >> distance } else { 0 };
            let (sum, carry) = large.mantissa.overflowing_add(shifted);
            return if carry {
                let mantissa = sum >> 1 | 1 << 127;
                Self { mantissa, exponent: large.exponent + 1, ..large }
            } else {
                Self { mantissa: sum, ..large }
            };
        }
        if distance == 1 && small.mantissa & 1 == 1 {
            // Where the highest bits cancel, the bit that the shift takes is one of the result's.
            let difference = large.mantissa - (small.mantissa >> 1) - 1;
            if difference >> 127 == 0 {
                return Self::normal(large.negative, difference << 1 | 1, large.exponent - 1);
            }
        }
        let shifted = if distance < 128 { small.mantissa >> distance } else { 0 };
        Self::normal(large.negative, large.mantissa - shifted, large.exponent)
    }
}

impl AddAssign for Number {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sub for Number {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        self + -other
    }
}

impl Mul for Number {
    type Output = Self;

    fn mul(self, other: Self) -> Self {
        const LOW: u128 = u64::MAX as u128;
        if self.is_zero() || other.is_zero() {
            return ZERO;
        }
        let (a, b) = (self.mantissa, other.mantissa);
        let (high, cross, crossed) =
            ((a >> 64) * (b >> 64), (a >> 64) * (b & LOW), (a & LOW) * (b >> 64));
        let low = ((a & LOW) * (b & LOW)) >> 64;
        let middle = low + (cross & LOW) + (crossed & LOW);
        let mantissa = high + (cross >> 64) + (crossed >> 64) + (middle >> 64);
        let exponent = self.exponent + other.exponent + 128;
        if mantissa >> 127 == 0 {
            // The highest bit of what is cut off.
            let mantissa = mantissa << 1 | (middle >> 63 & 1);
            let negative = self.negative != other.negative;
            return Self { negative, mantissa, exponent: exponent - 1 };
        }
        Self { negative: self.negative != other.negative, mantissa, exponent }
    }
}

impl Div for Number {
    type Output = Self;

    fn div(self, other: Self) -> Self {
        assert!(!other.is_zero(), "division by 0");
        if self.is_zero() {
            return ZERO;
        }
        // 1/b by Newton's iteration from 53 bits, each of which doubles them.
        let unit = Self { negative: false, exponent: -128, ..other };
        let mut inverse = Self::from(1.0 / unit.to_f64());
        for _ in 0..2 {
            inverse += inverse * (ONE - unit * inverse);
        }
        let quotient = self * inverse;
        // One step more on the quotient itself.
        let exact = quotient + inverse * (self - quotient * unit);
        Self { negative: self.negative != other.negative, ..exact.scale(-128 - other.exponent) }
    }
}

impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        self.partial_cmp(other) == Some(Ordering::Equal)
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        let difference = *self - *other;
        Some(match (difference.is_zero(), difference.negative) {
            (true, _) => Ordering::Equal,
            (_, true) => Ordering::Less,
            _ => Ordering::Greater,
        })
    }
}
