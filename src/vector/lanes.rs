//! Numbers side by side, in the registers of an instruction set.

use std::ops::{Add, Div, Mul, Neg, Sub};

use pulp::{Simd, bytemuck};

use super::dispatch::InLanes;
use super::element::{Double, Element};
use super::{Kernel, LogProduct, Squares, Vector, WideSum};
use crate::numeric::DoubleDouble;
use crate::numeric::number::{Number, sealed};

/// As many numbers side by side as the instruction set has lanes for.
#[derive(Debug, Clone, Copy)]
pub struct Lanes<S: Simd, E: Element> {
    simd: S,
    x: E::Vector<S>,
}

/// The outcome of a comparison, lane by lane.
#[derive(Debug, Clone, Copy)]
pub struct LaneMask<S: Simd, E: Element> {
    simd: S,
    is: E::Mask<S>,
}

impl<S: Simd> Lanes<S, Double> {
    /// 2^self − 1 to some 66 bits, for |self| < 1000.
    #[inline(always)]
    pub(super) fn exp2_m1_in_two(self) -> [Self; 2] {
        // y = r log 2 in two parts, where r is what is beyond an integer n.
        let round = self.constant(Double::ROUND);
        let shifted = self + round;
        let (n, power) =
            (shifted - round, Self { x: Double::power_of_two::<S>(shifted.x), ..self });
        let (r, log) = (self - n, self.constant(std::f64::consts::LN_2));
        let y = r * log;
        let y_lost = r.mul_add(log, -y) + r.times(2.319_046_813_846_299_6e-17);
        // e^y − 1 = y + y²/2 + y³/6 + y⁴/24 + y⁵ (1/120 + …), the first four with what rounding takes.
        let product = |a: Self, b: Self| {
            let product = a * b;
            (product, a.mul_add(b, -product))
        };
        let (square, square_lost) = product(y, y);
        let (cube, cube_lost) = product(square, y);
        let (sixth, sixth_lost) = product(cube, self.constant(1.0 / 6.0));
        let sixth_lost = cube.mul_add(self.constant(9.251_858_538_542_97e-18), sixth_lost)
            + cube_lost.mul_add(self.constant(1.0 / 6.0), (square_lost * y).times(1.0 / 6.0));
        // 1/24 rounded is too small by 2.3e-18.
        let (fourth, fourth_lost) = product(cube, y);
        let (part, part_lost) = product(fourth, self.constant(1.0 / 24.0));
        let fourth_lost = (square_lost.mul_add(y, cube_lost) * y + fourth_lost).times(1.0 / 24.0)
            + fourth.mul_add(self.constant(2.312_964_634_635_742_7e-18), part_lost);
        let rest = (fourth * y) * y.polynomial(&Double::EXP[3..]);
        let (sum, lost_1) = y.plus_exactly(square.times(0.5));
        let (sum, lost_2) = sum.plus_exactly(sixth);
        let (sum, lost_3) = sum.plus_exactly(part);
        let (sum, lost_4) = sum.plus_exactly(rest);
        let lost = ((lost_1 + lost_2) + (lost_3 + lost_4)) + (sixth_lost + fourth_lost);
        let lost = lost + square_lost.times(0.5) + (y_lost + y_lost * sum);
        // 2^n (1 + e) − 1 = (2^n − 1) + 2^n e.
        let (whole, whole_lost) = power.plus_exactly(self.constant(-1.0));
        let (gain, gain_lost) = whole.plus_exactly(power * sum);
        let lost = power.mul_add(lost, whole_lost + gain_lost);
        let gain_2 = gain + lost;
        [gain_2, lost - (gain_2 - gain)]
    }
}

impl<S: Simd, E: Element> Lanes<S, E> {
    /// e^self within 1 ulp, where it is a normal number.
    #[inline(always)]
    fn exp_in_range(self) -> Self {
        let (r, power) = self.reduced();
        r.exp_m1_reduced().mul_add(power, power)
    }

    #[inline(always)]
    pub(super) fn splat(simd: S, x: f64) -> Self {
        Self { simd, x: E::splat(simd, E::from_f64(x)) }
    }

    #[inline(always)]
    pub(super) fn of(simd: S, x: E::Vector<S>) -> Self {
        Self { simd, x }
    }

    #[inline(always)]
    pub(super) fn vector(self) -> E::Vector<S> {
        self.x
    }

    /// c_0 + c_1 x + c_2 x² + …
    #[inline(always)]
    fn polynomial(self, c: &[f64]) -> Self {
        let square = self * self;
        let fourth = square * square;
        // Estrin's form: four coefficients at a time, from the last on.
        let mut sum: Option<Self> = None;
        for c in c.chunks(4).rev() {
            let pair = |c: &[f64]| match *c {
                [c0] => self.constant(c0),
                _ => self.constant(c[1]).mul_add(self, self.constant(c[0])),
            };
            let part =
                if c.len() > 2 { pair(&c[2..]).mul_add(square, pair(&c[..2])) } else { pair(c) };
            sum = Some(sum.map_or(part, |sum| sum.mul_add(fourth, part)));
        }
        sum.unwrap_or(self)
    }

    /// self − n log 2, for the nearest integer n, and 2^n.
    #[inline(always)]
    fn reduced(self) -> (Self, Self) {
        let round = self.constant(E::ROUND);
        let shifted = self.mul_add(self.constant(std::f64::consts::LOG2_E), round);
        let (n, power) = (shifted - round, Self { x: E::power_of_two(shifted.x), ..self });
        let r = n.mul_add(self.constant(-E::LN_2[0]), self);
        (n.mul_add(self.constant(-E::LN_2[1]), r), power)
    }

    /// e^self − 1, for |self| ≤ log(2)/2.
    #[inline(always)]
    fn exp_m1_reduced(self) -> Self {
        (self * self).mul_add(self.polynomial(E::EXP), self)
    }

    /// log(self + lost) + exponent·log 2 within 2 ulp, for a positive normal number.
    #[inline(always)]
    pub(super) fn ln_of_sum(self, lost: Self, exponent: Self) -> Self {
        let (more, mantissa) = E::split(self.simd, self.x);
        let (more, mantissa) = (Self { x: more, ..self }, Self { x: mantissa, ..self });
        let above = (mantissa - self.constant(1.0)) + lost * (mantissa / self);
        let logarithm = (above / (above + self.constant(2.0))).twice_artanh();
        let exponent = exponent + more;
        let logarithm = exponent.mul_add(self.constant(E::LN_2[1]), logarithm);
        exponent.mul_add(self.constant(E::LN_2[0]), logarithm)
    }

    /// The numbers of the lanes.
    #[inline(always)]
    fn numbers(&self) -> &[E::Number] {
        bytemuck::cast_slice(std::slice::from_ref(&self.x))
    }
}

macro_rules! operators {
    ($($operator:ident, $method:ident);*) => {$(
        impl<S: Simd, E: Element> $operator for Lanes<S, E> {
            type Output = Self;
            #[inline(always)]
            fn $method(self, other: Self) -> Self {
                Self { x: E::$method(self.simd, self.x, other.x), ..self }
            }
        }
    )*};
}

operators!(Add, add; Sub, sub; Mul, mul; Div, div);

impl<S: Simd, E: Element> Neg for Lanes<S, E> {
    type Output = Self;
    #[inline(always)]
    fn neg(self) -> Self {
        Self { x: E::neg(self.simd, self.x), ..self }
    }
}

impl<S: Simd, E: Element> sealed::Sealed for Lanes<S, E> {}

impl<S: Simd, E: Element> Number for Lanes<S, E> {
    type Mask = LaneMask<S, E>;

    #[inline(always)]
    fn constant(self, x: f64) -> Self {
        Self::splat(self.simd, x)
    }

    #[inline(always)]
    fn constant_exactly(self, x: f64) -> (Self, Self) {
        let rounded = E::from_f64(x);
        let lost = x - crate::Real::widen(rounded);
        (Self { x: E::splat(self.simd, rounded), ..self }, self.constant(lost))
    }

    #[inline(always)]
    fn mul_add(self, factor: Self, term: Self) -> Self {
        Self { x: E::mul_add(self.simd, self.x, factor.x, term.x), ..self }
    }

    #[inline(always)]
    fn above(self, other: Self) -> LaneMask<S, E> {
        LaneMask { simd: self.simd, is: E::above(self.simd, self.x, other.x) }
    }

    #[inline(always)]
    fn equals(self, other: Self) -> LaneMask<S, E> {
        LaneMask { simd: self.simd, is: E::equals(self.simd, self.x, other.x) }
    }

    #[inline(always)]
    fn both(a: LaneMask<S, E>, b: LaneMask<S, E>) -> LaneMask<S, E> {
        LaneMask { simd: a.simd, is: E::both(a.simd, a.is, b.is) }
    }

    #[inline(always)]
    fn select(mask: LaneMask<S, E>, yes: Self, no: Self) -> Self {
        Self { x: E::select(yes.simd, mask.is, yes.x, no.x), ..yes }
    }

    #[inline(always)]
    fn keep(self, mask: LaneMask<S, E>) -> Self {
        Self { x: E::keep(self.simd, mask.is, self.x), ..self }
    }

    #[inline(always)]
    fn remove(self, mask: LaneMask<S, E>) -> Self {
        Self { x: E::remove(self.simd, mask.is, self.x), ..self }
    }

    #[inline(always)]
    fn max(self, other: Self) -> Self {
        Self { x: E::max(self.simd, self.x, other.x), ..self }
    }

    #[inline(always)]
    fn min(self, other: Self) -> Self {
        Self { x: E::min(self.simd, self.x, other.x), ..self }
    }

    #[inline(always)]
    fn abs(self) -> Self {
        Self { x: E::abs(self.simd, self.x), ..self }
    }

    #[inline(always)]
    fn exp(self) -> Self {
        let (least, greatest) = E::EXP_RANGE;
        let least = self.constant(least);
        let exp = self.max(least).min(self.constant(greatest)).exp_in_range();
        exp.remove(least.above(self))
    }

    #[inline(always)]
    fn ln(self) -> Self {
        let zero = self.constant(0.0);
        self.ln_of_sum(zero, zero)
    }

    #[inline(always)]
    fn ln_1p(self) -> Self {
        let one = self.constant(1.0);
        let (sum, lost) = self.plus_exactly(one);
        sum.ln_of_sum(lost, self.constant(0.0))
    }

    #[inline(always)]
    fn ln_1p_unit(self) -> Self {
        (self / (self + self.constant(2.0))).twice_artanh()
    }

    #[inline(always)]
    fn map(self, function: impl Fn(f64) -> f64) -> Self {
        let mut x = self.x;
        let lanes: &mut [E::Number] = bytemuck::cast_slice_mut(std::slice::from_mut(&mut x));
        for lane in lanes {
            *lane = E::from_f64(function(crate::Real::widen(*lane)));
        }
        Self { x, ..self }
    }
}

impl<S: Simd, E: Element> Vector for Lanes<S, E> {
    type Token = S;
    type Element = E::Number;
    type Raw = E::Vector<S>;
    type Wide = LaneSum<S, E>;
    type Product = LaneProduct<S, E>;

    const SPREAD: f64 = if E::SIDE == 8 { 80.0 } else { 600.0 };

    #[inline(always)]
    fn lanes() -> usize {
        E::lanes::<S>()
    }

    #[inline(always)]
    fn call<K: Kernel<E::Number>>(simd: S, kernel: K) -> K::Output {
        simd.vectorize(InLanes::<E, K>::new(kernel))
    }

    #[inline(always)]
    fn splat(token: S, x: f64) -> Self {
        Self::splat(token, x)
    }

    #[inline(always)]
    fn all(simd: S, x: E::Number) -> Self {
        Self { simd, x: E::splat(simd, x) }
    }

    #[inline(always)]
    fn of(token: S, raw: E::Vector<S>) -> Self {
        Self::of(token, raw)
    }

    #[inline(always)]
    fn raw(self) -> E::Vector<S> {
        self.x
    }

    #[inline(always)]
    fn raws(numbers: &[E::Number]) -> &[E::Vector<S>] {
        E::vectors::<S>(numbers)
    }

    #[inline(always)]
    fn raws_mut(numbers: &mut [E::Number]) -> &mut [E::Vector<S>] {
        E::vectors_mut::<S>(numbers)
    }

    #[inline(always)]
    fn narrowed(simd: S, numbers: &[f64]) -> Self {
        let mut x = E::splat(simd, E::from_f64(0.0));
        let lanes: &mut [E::Number] = bytemuck::cast_slice_mut(std::slice::from_mut(&mut x));
        for (lane, &number) in lanes.iter_mut().zip(numbers) {
            *lane = E::from_f64(number);
        }
        Self { simd, x }
    }

    #[inline(always)]
    fn lane(self, k: usize) -> E::Number {
        self.numbers()[k]
    }

    #[inline(always)]
    fn greatest_lane(self) -> E::Number {
        E::greatest(self.simd, self.x)
    }

    #[inline(always)]
    fn least_lane(self) -> E::Number {
        E::least(self.simd, self.x)
    }

    #[inline(always)]
    fn flip(self, sign: Self) -> Self {
        Self { x: E::flip(self.simd, self.x, sign.x), ..self }
    }

    #[inline(always)]
    fn exp_of_sum(self, lost: Self) -> Self {
        let (r, power) = self.reduced();
        (r + lost).exp_m1_reduced().mul_add(power, power)
    }

    #[inline(always)]
    fn twice_artanh(self) -> Self {
        self * (self * self).polynomial(E::TWICE_ARTANH)
    }

    #[inline(always)]
    fn exp2_m1(self) -> [Self; 2] {
        let [gain, lost] = E::exp2_m1(self.simd, self.x);
        let within = self.constant(E::LARGEST_POWER).above(self.abs());
        let gain = Self { x: gain, ..self };
        [Self::select(within, gain, self.constant(f64::NAN)), Self { x: lost, ..self }]
    }

    #[inline(always)]
    fn rounded_to_single(self) -> Self {
        Self { x: E::rounded_to_single(self.simd, self.x), ..self }
    }

    #[inline(always)]
    fn transpose(from: &[E::Number], shape: (usize, usize), into: &mut [E::Number]) {
        Squares::new().transpose::<E>(from, shape, into);
    }
}

/// A sum in each lane, kept to more than the precision of the type: for `f32` in `f64`, for `f64`
/// together with what the additions round away.
#[derive(Debug, Clone, Copy)]
pub struct LaneSum<S: Simd, E> {
    simd: S,
    x: [S::f64s; 2],
    of: std::marker::PhantomData<E>,
}

impl<S: Simd, E: Element> LaneSum<S, E> {
    #[inline(always)]
    fn of(simd: S, x: [S::f64s; 2]) -> Self {
        Self { simd, x, of: std::marker::PhantomData }
    }
}

impl<S: Simd, E: Element> WideSum<Lanes<S, E>> for LaneSum<S, E> {
    #[inline(always)]
    fn zero(simd: S) -> Self {
        Self::of(simd, [simd.splat_f64s(0.0); 2])
    }

    #[inline(always)]
    fn add(&mut self, term: Lanes<S, E>) {
        self.x = E::widely_add(self.simd, self.x, term.x);
    }

    #[inline(always)]
    fn add_product(&mut self, a: Lanes<S, E>, b: Lanes<S, E>) {
        self.x = E::widely_add_product(self.simd, self.x, a.x, b.x);
    }

    #[inline(always)]
    fn plus(self, other: Self) -> Self {
        let add = |x, y| self.simd.add_f64s(x, y);
        Self { x: [add(self.x[0], other.x[0]), add(self.x[1], other.x[1])], ..self }
    }

    #[inline(always)]
    fn minus(self, other: Self) -> Self {
        let negative = |x| self.simd.neg_f64s(x);
        self.plus(Self { x: other.x.map(negative), ..self })
    }

    #[inline(always)]
    fn scaled(self, factors: &[f64]) -> Self {
        Self { x: E::scale(self.simd, self.x, S::as_simd_f64s(factors).0), ..self }
    }

    #[inline(always)]
    fn narrow(self) -> Lanes<S, E> {
        Lanes::of(self.simd, E::narrowed(self.simd, self.x))
    }

    #[inline(always)]
    fn total(mut self) -> DoubleDouble {
        E::total(bytemuck::cast_slice_mut(&mut self.x))
    }

    #[inline(always)]
    fn write(self, totals: &mut [f64]) {
        let (vectors, count) = E::totals(self.simd, &self.x);
        for (total, vector) in S::as_mut_simd_f64s(totals).0.iter_mut().zip(&vectors[..count]) {
            *total = *vector;
        }
    }

    #[inline(always)]
    fn load(simd: S, sums: &[f64], k: usize) -> Self {
        let sums = S::as_simd_f64s(sums).0;
        Self::of(simd, [sums[2 * k], sums[2 * k + 1]])
    }

    #[inline(always)]
    fn store(self, sums: &mut [f64], k: usize) {
        let sums = S::as_mut_simd_f64s(sums).0;
        [sums[2 * k], sums[2 * k + 1]] = self.x;
    }

    #[inline(always)]
    fn length() -> usize {
        2 * S::F64_LANES
    }
}

/// Σ log(1 + x) in each lane, as the logarithm of the product, kept to more than the precision of
/// the type: exact in effect, for one multiplication or two a factor.
#[derive(Debug, Clone, Copy)]
pub struct LaneProduct<S: Simd, E> {
    simd: S,
    product: [S::f64s; 2],
    exponents: [S::f64s; 2],
    of: std::marker::PhantomData<E>,
}

impl<S: Simd, E: Element> LogProduct<Lanes<S, E>> for LaneProduct<S, E> {
    #[inline(always)]
    fn one(simd: S) -> Self {
        let zero = [simd.splat_f64s(0.0); 2];
        let product = E::widely_add(simd, zero, E::splat(simd, E::from_f64(1.0)));
        Self { simd, product, exponents: zero, of: std::marker::PhantomData }
    }

    #[inline(always)]
    fn grow(&mut self, part: Lanes<S, E>) {
        self.product = E::widely_grow(self.simd, self.product, part.x);
    }

    #[inline(always)]
    fn normalise(&mut self) {
        E::normalise(self.simd, &mut self.product, &mut self.exponents);
    }

    #[inline(always)]
    fn ln(self) -> LaneSum<S, E> {
        LaneSum::of(self.simd, E::widely_ln(self.simd, self.product, self.exponents))
    }
}
