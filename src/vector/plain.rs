//! Vectors of one lane: plain `f64`, for machines and builds without vectors.

use super::{Kernel, LogProduct, Vector, WideSum};
use crate::numeric::DoubleDouble;

impl Vector for f64 {
    type Token = ();
    type Element = f64;
    type Raw = f64;
    type Wide = PlainSum;
    type Product = PlainProduct;

    const SPREAD: f64 = 600.0;

    #[inline(always)]
    fn lanes() -> usize {
        1
    }

    #[inline(always)]
    fn call<K: Kernel<f64>>((): (), kernel: K) -> K::Output {
        kernel.run::<f64>(())
    }

    #[inline(always)]
    fn splat((): (), x: f64) -> Self {
        x
    }

    #[inline(always)]
    fn all((): (), x: f64) -> Self {
        x
    }

    #[inline(always)]
    fn of((): (), raw: f64) -> Self {
        raw
    }

    #[inline(always)]
    fn raw(self) -> f64 {
        self
    }

    #[inline(always)]
    fn raws(numbers: &[f64]) -> &[f64] {
        numbers
    }

    #[inline(always)]
    fn raws_mut(numbers: &mut [f64]) -> &mut [f64] {
        numbers
    }

    #[inline(always)]
    fn narrowed((): (), numbers: &[f64]) -> Self {
        numbers[0]
    }

    #[inline(always)]
    fn lane(self, _: usize) -> f64 {
        self
    }

    #[inline(always)]
    fn greatest_lane(self) -> f64 {
        self
    }

    #[inline(always)]
    fn least_lane(self) -> f64 {
        self
    }

    #[inline(always)]
    fn flip(self, sign: Self) -> Self {
        f64::from_bits(self.to_bits() ^ (sign.to_bits() & 1 << 63))
    }

    #[inline(always)]
    fn exp_of_sum(self, lost: Self) -> Self {
        let exp = self.exp();
        exp * lost + exp
    }

    #[inline(always)]
    fn twice_artanh(self) -> Self {
        f64::ln_1p(2.0 * self / (1.0 - self))
    }

    #[inline(always)]
    fn exp2_m1(self) -> [Self; 2] {
        let power = DoubleDouble::exp2(self);
        let gain = power - DoubleDouble::ONE;
        if power.hi < f64::MAX && gain.hi.abs() > 0.25 {
            return [gain.hi, gain.lo];
        }
        let gain = (DoubleDouble::LN_2 * self).exp_m1();
        [if self.abs() < 1000.0 { gain.hi } else { f64::NAN }, gain.lo]
    }

    #[inline(always)]
    #[allow(clippy::cast_possible_truncation)] // rounding is what it is for
    fn rounded_to_single(self) -> Self {
        f64::from(self as f32)
    }

    #[inline(always)]
    fn transpose(from: &[f64], _: (usize, usize), into: &mut [f64]) {
        into[..from.len()].copy_from_slice(from);
    }
}

/// A sum, and what its additions rounded away.
#[derive(Debug, Clone, Copy)]
pub struct PlainSum {
    rounded: f64,
    lost: f64,
}

impl WideSum<f64> for PlainSum {
    #[inline(always)]
    fn zero((): ()) -> Self {
        Self { rounded: 0.0, lost: 0.0 }
    }

    #[inline(always)]
    fn add(&mut self, term: f64) {
        let (sum, lost) = self.rounded.plus_exactly(term);
        *self = Self { rounded: sum, lost: self.lost + lost };
    }

    #[inline(always)]
    fn add_product(&mut self, a: f64, b: f64) {
        let product = DoubleDouble::product(a, b);
        self.add(product.hi);
        self.lost += product.lo;
    }

    #[inline(always)]
    fn plus(mut self, other: Self) -> Self {
        self.add(other.rounded);
        Self { lost: self.lost + other.lost, ..self }
    }

    #[inline(always)]
    fn minus(self, other: Self) -> Self {
        self.plus(Self { rounded: -other.rounded, lost: -other.lost })
    }

    #[inline(always)]
    fn scaled(self, factors: &[f64]) -> Self {
        Self { rounded: self.narrow() * factors[0], lost: 0.0 }
    }

    #[inline(always)]
    fn narrow(self) -> f64 {
        self.rounded + self.lost
    }

    #[inline(always)]
    fn total(self) -> DoubleDouble {
        DoubleDouble::sum(self.rounded, self.lost)
    }

    #[inline(always)]
    fn write(self, totals: &mut [f64]) {
        totals[0] = self.narrow();
    }

    #[inline(always)]
    fn load((): (), sums: &[f64], k: usize) -> Self {
        Self { rounded: sums[2 * k], lost: sums[2 * k + 1] }
    }

    #[inline(always)]
    fn store(self, sums: &mut [f64], k: usize) {
        sums[2 * k..2 * k + 2].copy_from_slice(&[self.rounded, self.lost]);
    }

    #[inline(always)]
    fn length() -> usize {
        2
    }
}

/// Σ log(1 + x), as the logarithm of a product where its factors are small enough to be multiplied.
#[derive(Debug, Clone, Copy)]
pub struct PlainProduct {
    product: DoubleDouble,
    exponent: f64,
}

impl LogProduct<f64> for PlainProduct {
    #[inline(always)]
    fn one((): ()) -> Self {
        Self { product: DoubleDouble::ONE, exponent: 0.0 }
    }

    #[inline(always)]
    fn grow(&mut self, part: f64) {
        let more = DoubleDouble::product(self.product.hi, part);
        let (sum, lost) = self.product.hi.plus_exactly(more.hi);
        self.product.hi = sum;
        self.product.lo += self.product.lo * part + (lost + more.lo);
    }

    #[inline(always)]
    fn normalise(&mut self) {
        // To between √½ and √2: near 1 the exponent is 0, and takes no digits from the logarithm.
        let bits = self.product.hi.to_bits();
        let mantissa = bits & ((1 << 52) - 1);
        let of_root = std::f64::consts::SQRT_2.to_bits() & ((1 << 52) - 1);
        let biased = (bits >> 52) as i32 + i32::from(mantissa > of_root);
        self.exponent += f64::from(biased - 1023);
        self.product = self.product.scale(1023 - biased);
    }

    #[inline(always)]
    fn ln(self) -> PlainSum {
        let x = self.product.hi;
        let logarithm = DoubleDouble::sum(x - 1.0, self.product.lo);
        let mut sum = PlainSum::zero(());
        sum.add_product(self.exponent, std::f64::consts::LN_2);
        sum.add(logarithm.round().ln_1p());
        sum
    }
}
