//! Vectors of `f64` in the widest instruction set of the machine, and functions of them.
//!
//! One abstraction serves every kernel: [`Lanes`], numbers that are added, multiplied and compared
//! side by side. Which instruction set it is is decided at run time, once a block of lists.

use std::ops::{Add, Div, Mul, Neg, Sub};

use pulp::{Arch, Simd, WithSimd, bytemuck};

/// Runs a kernel in the widest instruction set that the machine has.
pub(crate) fn dispatch<K: WithSimd>(kernel: K) -> K::Output {
    Arch::new().dispatch(kernel)
}

/// `S::F64_LANES` numbers side by side.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lanes<S: Simd> {
    simd: S,
    x: S::f64s,
}

/// The outcome of a comparison, lane by lane.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mask<S: Simd> {
    simd: S,
    is: S::m64s,
}

// Everything is `inline(always)`: a call that is not inlined leaves the instruction set.
impl<S: Simd> Lanes<S> {
    #[inline(always)]
    pub(crate) fn splat(simd: S, x: f64) -> Self {
        Self { simd, x: simd.splat_f64s(x) }
    }

    /// The vectors that lie in a slice, which holds whole ones.
    #[inline(always)]
    pub(crate) fn slice(numbers: &[f64]) -> &[S::f64s] {
        S::as_simd_f64s(numbers).0
    }

    #[inline(always)]
    pub(crate) fn slice_mut(numbers: &mut [f64]) -> &mut [S::f64s] {
        S::as_mut_simd_f64s(numbers).0
    }

    #[inline(always)]
    pub(crate) fn of(simd: S, x: S::f64s) -> Self {
        Self { simd, x }
    }

    /// Another vector of the same kind.
    #[inline(always)]
    pub(crate) fn with(self, x: S::f64s) -> Self {
        Self { x, ..self }
    }

    #[inline(always)]
    pub(crate) fn vector(self) -> S::f64s {
        self.x
    }

    /// self · factor + term, fused where the machine can.
    #[inline(always)]
    pub(crate) fn times_plus(self, factor: Self, term: Self) -> Self {
        Self { x: self.simd.mul_add_e_f64s(self.x, factor.x, term.x), ..self }
    }

    /// The rounded sum, and what rounding took from it.
    #[inline(always)]
    pub(crate) fn plus_exactly(self, other: Self) -> (Self, Self) {
        let sum = self + other;
        let of_other = sum - self;
        (sum, (self - (sum - of_other)) + (other - of_other))
    }

    #[inline(always)]
    pub(crate) fn max(self, other: Self) -> Self {
        Self { x: self.simd.max_f64s(self.x, other.x), ..self }
    }

    #[inline(always)]
    pub(crate) fn min(self, other: Self) -> Self {
        Self { x: self.simd.min_f64s(self.x, other.x), ..self }
    }

    #[inline(always)]
    pub(crate) fn abs(self) -> Self {
        Self { x: self.simd.abs_f64s(self.x), ..self }
    }

    #[inline(always)]
    pub(crate) fn above(self, other: Self) -> Mask<S> {
        Mask { simd: self.simd, is: self.simd.greater_than_f64s(self.x, other.x) }
    }

    #[inline(always)]
    pub(crate) fn equals(self, other: Self) -> Mask<S> {
        Mask { simd: self.simd, is: self.simd.equal_f64s(self.x, other.x) }
    }

    #[inline(always)]
    fn bits(self, each: impl Fn(u64) -> u64) -> Self {
        let mut x = self.x;
        let lanes: &mut [u64] = bytemuck::cast_slice_mut(std::slice::from_mut(&mut x));
        for lane in lanes {
            *lane = each(*lane);
        }
        Self { x, ..self }
    }

    #[inline(always)]
    pub(crate) fn times(self, factor: f64) -> Self {
        self * self.constant(factor)
    }

    #[inline(always)]
    pub(crate) fn constant(self, x: f64) -> Self {
        Self::splat(self.simd, x)
    }

    /// c_0 + c_1 x + c_2 x² + …, four coefficients at a time, N a multiple of 4.
    #[inline(always)]
    fn polynomial<const N: usize>(self, c: &[f64; N]) -> Self {
        let x2 = self * self;
        let x4 = x2 * x2;
        let mut sum = self.cubic(x2, [c[N - 4], c[N - 3], c[N - 2], c[N - 1]]);
        let mut k = N - 4;
        while k > 0 {
            k -= 4;
            sum = sum.times_plus(x4, self.cubic(x2, [c[k], c[k + 1], c[k + 2], c[k + 3]]));
        }
        sum
    }

    #[inline(always)]
    fn cubic(self, square: Self, [c0, c1, c2, c3]: [f64; 4]) -> Self {
        let even = self.constant(c1).times_plus(self, self.constant(c0));
        let odd = self.constant(c3).times_plus(self, self.constant(c2));
        odd.times_plus(square, even)
    }

    /// e^(self + lost) within 1 ulp, for |self| ≤ 700 and `lost` below an ulp of it.
    #[inline(always)]
    pub(crate) fn exp(self, lost: Self) -> Self {
        // log 2 in two parts, the first with zeros enough that n times it is exact.
        const LN_2_HIGH: f64 = 6.931_471_803_691_238e-1;
        const LN_2_LOW: f64 = 1.908_214_929_270_587_7e-10;
        let (n, power) = self.times(std::f64::consts::LOG2_E).power_of_two();
        let r = n.times_plus(self.constant(-LN_2_HIGH), self);
        let r = n.times_plus(self.constant(-LN_2_LOW), r) + lost;
        (r * r).times_plus(r.polynomial(&EXP), r).times_plus(power, power)
    }

    /// 2^self within 1 ulp, for |self| ≤ 1000.
    #[inline(always)]
    pub(crate) fn exp2(self) -> Self {
        let (n, power) = self.power_of_two();
        let r = (self - n).times(std::f64::consts::LN_2);
        (r * r).times_plus(r.polynomial(&EXP), r).times_plus(power, power)
    }

    /// 2^self − 1, for |self| ≤ 1.
    #[inline(always)]
    pub(crate) fn exp2_m1(self) -> Self {
        let x = self.times(std::f64::consts::LN_2);
        (x * x).times_plus(x.polynomial(&EXP_WIDE), x)
    }

    /// self rounded to an integer n, and 2^n, for |self| ≤ 1022.
    #[inline(always)]
    fn power_of_two(self) -> (Self, Self) {
        // Adding it rounds to an integer, which then stands, with the bias of exponents, in the low
        // bits.
        const ROUND: f64 = 6_755_399_441_055_744.0 + 1023.0; // 1.5·2⁵² + 1023
        let round = self.constant(ROUND);
        let shifted = self + round;
        (shifted - round, shifted.bits(|bits| bits << 52))
    }

    /// log(1 + self) within 2 ulp, for self ≥ 0.
    #[inline(always)]
    pub(crate) fn ln_1p(self) -> Self {
        let one = self.constant(1.0);
        // Where 1 + self would round away what a small logarithm is made of, it is not taken.
        let small = self.constant(0.5).above(self);
        let sum = one + self;
        let halve = sum.mantissa().above(self.constant(std::f64::consts::SQRT_2));
        let mantissa = halve.select(sum.mantissa().times(0.5), sum.mantissa());
        let exponent = halve.select(sum.exponent() + one, sum.exponent());
        let above = small.select(self, mantissa - one);
        let exponent = small.select(self.constant(0.0), exponent);
        let logarithm = (above / (above + self.constant(2.0))).twice_artanh();
        exponent.times_plus(self.constant(std::f64::consts::LN_2), logarithm)
    }

    /// log(1 + small/large) within 2 ulp, for 0 ≤ small ≤ large.
    #[inline(always)]
    pub(crate) fn ln_1p_of_ratio(small: Self, large: Self) -> Self {
        (small / (large + large + small)).twice_artanh()
    }

    /// 2 artanh(self) = log((1 + self)/(1 − self)), for |self| ≤ 1/3.
    #[inline(always)]
    fn twice_artanh(self) -> Self {
        self * (self * self).polynomial(&TWICE_ARTANH)
    }

    #[inline(always)]
    fn mantissa(self) -> Self {
        self.bits(|bits| bits & 0x000f_ffff_ffff_ffff | 0x3ff0_0000_0000_0000)
    }

    #[inline(always)]
    fn exponent(self) -> Self {
        // The integer in the low bits of a number of 2⁵² is added to it.
        self.bits(|bits| bits >> 52 | 0x4330_0000_0000_0000)
            - self.constant(4_503_599_627_370_496.0 + 1023.0)
    }
}

/// 1/k! from k = 2 on: (e^x − 1 − x)/x² in powers of x.
const fn taylor<const N: usize>() -> [f64; N] {
    let mut coefficients = [0.5; N];
    let mut k = 1;
    while k < N {
        coefficients[k] = coefficients[k - 1] / (k + 2) as f64;
        k += 1;
    }
    coefficients
}

/// The first term left out is below 2⁻⁵⁷ for |x| ≤ log(2)/2,
const EXP: [f64; 12] = taylor();
/// and here for |x| ≤ log 2.
const EXP_WIDE: [f64; 16] = taylor();

/// 2 artanh(t)/t in powers of t², for |t| ≤ 1/3: the best by Chebyshev's nodes, relative error 2⁻59.
const TWICE_ARTANH: [f64; 12] = [
    2.0,
    0.6666666666666669,
    0.3999999999999287,
    0.28571428572622926,
    0.22222222119103674,
    0.18181823422495252,
    0.1538444706045997,
    0.13336876815743837,
    0.11715274668110426,
    0.10976616637947494,
    0.06980390498332432,
    0.16488285931389568,
];

/// A sum in each lane that keeps what its additions round away.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LaneSum<S: Simd> {
    rounded: Lanes<S>,
    lost: Lanes<S>,
}

impl<S: Simd> LaneSum<S> {
    #[inline(always)]
    pub(crate) fn zero(simd: S) -> Self {
        let zero = Lanes::splat(simd, 0.0);
        Self { rounded: zero, lost: zero }
    }

    #[inline(always)]
    pub(crate) fn add(&mut self, term: Lanes<S>) {
        let (sum, lost) = self.rounded.plus_exactly(term);
        self.rounded = sum;
        self.lost = self.lost + lost;
    }

    /// Adds a product, with what rounding takes from it where the machine fuses.
    #[inline(always)]
    pub(crate) fn add_product(&mut self, a: Lanes<S>, b: Lanes<S>) {
        let product = a * b;
        self.add(product);
        self.lost = self.lost + a.times_plus(b, -product);
    }

    #[inline(always)]
    pub(crate) fn total(self) -> Lanes<S> {
        self.rounded + self.lost
    }
}

impl<S: Simd> Mask<S> {
    #[inline(always)]
    pub(crate) fn select(self, yes: Lanes<S>, no: Lanes<S>) -> Lanes<S> {
        Lanes { x: self.simd.select_f64s(self.is, yes.x, no.x), ..yes }
    }

    #[inline(always)]
    pub(crate) fn or(self, other: Self) -> Self {
        Self { is: self.simd.or_m64s(self.is, other.is), ..self }
    }

    #[inline(always)]
    pub(crate) fn and(self, other: Self) -> Self {
        Self { is: self.simd.and_m64s(self.is, other.is), ..self }
    }
}

impl<S: Simd> Add for Lanes<S> {
    type Output = Self;
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        Self { x: self.simd.add_f64s(self.x, other.x), ..self }
    }
}

impl<S: Simd> Sub for Lanes<S> {
    type Output = Self;
    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        Self { x: self.simd.sub_f64s(self.x, other.x), ..self }
    }
}

impl<S: Simd> Mul for Lanes<S> {
    type Output = Self;
    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        Self { x: self.simd.mul_f64s(self.x, other.x), ..self }
    }
}

impl<S: Simd> Div for Lanes<S> {
    type Output = Self;
    #[inline(always)]
    fn div(self, other: Self) -> Self {
        Self { x: self.simd.div_f64s(self.x, other.x), ..self }
    }
}

impl<S: Simd> Neg for Lanes<S> {
    type Output = Self;
    #[inline(always)]
    fn neg(self) -> Self {
        Self { x: self.simd.neg_f64s(self.x), ..self }
    }
}
