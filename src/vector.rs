//! Vectors in the widest instruction set of the machine, and functions of them.
//!
//! One abstraction serves every kernel, in `f32` and in `f64`: [`Lanes`], numbers that are added,
//! multiplied and compared side by side. [`Element`] is what it needs of the two types. [`Wide`] is
//! a sum, and [`LogProduct`] a logarithm of a product, kept to more than the type's precision.
//!
//! Everything is `inline(always)`: a call that is not inlined leaves the instruction set.

use std::any::TypeId;
use std::marker::PhantomData;
use std::ops::{Add, Div, Mul, Neg, Sub};

use crate::Real;
use crate::numeric::{DoubleDouble, Sum};
#[cfg(target_arch = "x86_64")]
use pulp::x86::V3;
use pulp::{Arch, Scalar128b, Simd, WithSimd, bytemuck};

mod squares;

pub(crate) use squares::Squares;

/// Whether products are added unrounded. Arrays would have a library do so, number by number;
/// WebAssembly leaves it open.
#[inline(always)]
fn fuses<S: Simd>() -> bool {
    cfg!(not(target_arch = "wasm32")) && TypeId::of::<S>() != TypeId::of::<Scalar128b>()
}

/// Runs a kernel in the widest instruction set that the machine has.
pub(crate) fn dispatch<K: WithSimd>(kernel: K) -> K::Output {
    #[cfg(test)]
    if tests::AS_WIDE_AS_ANY.get() {
        return call(pulp::Scalar512b, kernel);
    }
    match instruction_set() {
        // Arrays, of which the compiler makes the vectors that every machine has.
        Arch::Scalar => call(Scalar128b, kernel),
        #[allow(unreachable_patterns)] // where there is no other
        arch => arch.dispatch(kernel),
    }
}

/// The widest of the machine, if a test does not ask for another.
fn instruction_set() -> Arch {
    #[cfg(test)]
    if let Some(asked_for) = tests::ASKED_FOR.get() {
        return asked_for;
    }
    Arch::new()
}

/// Runs a kernel in the narrowest instruction set that the machine has of so many lanes, or else in
/// the widest.
#[cfg_attr(not(target_arch = "x86_64"), allow(unused_variables))]
pub(crate) fn dispatch_for<F: Element, K: WithSimd>(lanes: usize, kernel: K) -> K::Output {
    #[cfg(target_arch = "x86_64")]
    if let Arch::V4(wide) = instruction_set()
        && lanes <= F::lanes::<V3>()
    {
        let narrow: V3 = *wide;
        return Simd::vectorize(narrow, kernel);
    }
    dispatch(kernel)
}

/// Runs a kernel as a function of its own: of all in one, an unoptimised build would have a frame of
/// megabytes.
pub(crate) fn call<S: Simd, K: WithSimd>(simd: S, kernel: K) -> K::Output {
    simd.vectorize(kernel)
}

/// What vectors need of `f32` and `f64`.
pub trait Element: bytemuck::Pod {
    /// Numbers side by side.
    type Vector<S: Simd>: Copy + bytemuck::Pod;
    /// The outcome of a comparison, lane by lane.
    type Mask<S: Simd>: Copy;
    /// `SIDE` rows of as many numbers, which registers can transpose.
    type Square: bytemuck::Pod;

    const SIDE: usize;
    /// log 2 in two parts, the first with zeros enough that products with exponents are exact.
    const LN_2: [f64; 2];
    /// (e^x − 1 − x)/x² for |x| ≤ log(2)/2, in powers of x,
    const EXP: &'static [f64];
    /// and for |x| ≤ log(2)·CLOSE.
    const EXP_CLOSE: &'static [f64];
    /// Powers of 2 whose exponents are as close as this differ by too little to subtract one from the
    /// other, even with what rounding took from them.
    const CLOSE: f64;
    /// 2 artanh(t)/t for |t| ≤ 1/3, in powers of t²: the best by Chebyshev's nodes.
    const TWICE_ARTANH: &'static [f64];
    /// Added to a number, it rounds this to an integer, which then stands, with the bias of
    /// exponents, in the low bits.
    const ROUND: f64;

    fn from_f64(x: f64) -> Self;
    fn transposed(avx: squares::Avx, square: Self::Square) -> Self::Square;
    fn lanes<S: Simd>() -> usize;
    fn splat<S: Simd>(simd: S, x: Self) -> Self::Vector<S>;
    fn vectors<S: Simd>(numbers: &[Self]) -> &[Self::Vector<S>];
    fn vectors_mut<S: Simd>(numbers: &mut [Self]) -> &mut [Self::Vector<S>];
    fn add<S: Simd>(simd: S, a: Self::Vector<S>, b: Self::Vector<S>) -> Self::Vector<S>;
    fn sub<S: Simd>(simd: S, a: Self::Vector<S>, b: Self::Vector<S>) -> Self::Vector<S>;
    fn mul<S: Simd>(simd: S, a: Self::Vector<S>, b: Self::Vector<S>) -> Self::Vector<S>;
    fn div<S: Simd>(simd: S, a: Self::Vector<S>, b: Self::Vector<S>) -> Self::Vector<S>;
    fn neg<S: Simd>(simd: S, a: Self::Vector<S>) -> Self::Vector<S>;
    fn abs<S: Simd>(simd: S, a: Self::Vector<S>) -> Self::Vector<S>;
    fn max<S: Simd>(simd: S, a: Self::Vector<S>, b: Self::Vector<S>) -> Self::Vector<S>;
    fn min<S: Simd>(simd: S, a: Self::Vector<S>, b: Self::Vector<S>) -> Self::Vector<S>;
    /// a·b + c, fused where the machine can.
    fn mul_add<S: Simd>(
        simd: S,
        a: Self::Vector<S>,
        b: Self::Vector<S>,
        c: Self::Vector<S>,
    ) -> Self::Vector<S>;
    fn above<S: Simd>(simd: S, a: Self::Vector<S>, b: Self::Vector<S>) -> Self::Mask<S>;
    fn equals<S: Simd>(simd: S, a: Self::Vector<S>, b: Self::Vector<S>) -> Self::Mask<S>;
    fn and<S: Simd>(simd: S, a: Self::Mask<S>, b: Self::Mask<S>) -> Self::Mask<S>;
    fn select<S: Simd>(
        simd: S,
        mask: Self::Mask<S>,
        yes: Self::Vector<S>,
        no: Self::Vector<S>,
    ) -> Self::Vector<S>;
    /// `x` or, where the mask is not, 0.
    fn keep<S: Simd>(simd: S, mask: Self::Mask<S>, x: Self::Vector<S>) -> Self::Vector<S>;
    /// `x` or, where the mask is, 0.
    fn remove<S: Simd>(simd: S, mask: Self::Mask<S>, x: Self::Vector<S>) -> Self::Vector<S>;
    /// `x`, negated where `sign` is negative.
    fn flip<S: Simd>(simd: S, x: Self::Vector<S>, sign: Self::Vector<S>) -> Self::Vector<S>;
    /// The greatest of the lanes,
    fn greatest<S: Simd>(simd: S, x: Self::Vector<S>) -> Self;
    /// the least,
    fn least<S: Simd>(simd: S, x: Self::Vector<S>) -> Self;
    /// and their sum, in some order.
    fn sum<S: Simd>(simd: S, x: Self::Vector<S>) -> Self;
    /// 2^x where it is a normal number, rounded, and, for `f32`, what rounding took from it.
    fn exp2<S: Simd>(simd: S, x: Self::Vector<S>) -> [Self::Vector<S>; 2];
    /// 2^n of what adding [`ROUND`](Self::ROUND) left.
    fn power_of_two<S: Simd>(rounded: Self::Vector<S>) -> Self::Vector<S>;

    /// Adds to a [`Wide`] sum.
    fn widely_add<S: Simd>(simd: S, sum: [S::f64s; 2], term: Self::Vector<S>) -> [S::f64s; 2];
    /// Adds a product to a [`Wide`] sum.
    fn widely_add_product<S: Simd>(
        simd: S,
        sum: [S::f64s; 2],
        a: Self::Vector<S>,
        b: Self::Vector<S>,
    ) -> [S::f64s; 2];
    /// The sum of the lanes of a [`Wide`] sum, which it uses up.
    fn total(sums: &mut [f64]) -> DoubleDouble;
    /// The product of the lanes of a [`Wide`] product, which it uses up.
    fn product(factors: &mut [f64]) -> DoubleDouble;
    /// Multiplies a [`Wide`] product by 1 + `part`.
    fn widely_grow<S: Simd>(simd: S, product: [S::f64s; 2], part: Self::Vector<S>) -> [S::f64s; 2];
    /// The logarithm of a [`Wide`] product times 2^exponents.
    fn widely_ln<S: Simd>(simd: S, product: [S::f64s; 2], exponents: [S::f64s; 2]) -> [S::f64s; 2];
    /// Moves the exponents out of a [`Wide`] product.
    fn normalise<S: Simd>(simd: S, product: &mut [S::f64s; 2], exponents: &mut [S::f64s; 2]);
    /// A [`Wide`] sum, rounded.
    fn narrowed<S: Simd>(simd: S, sum: [S::f64s; 2]) -> Self::Vector<S>;
    /// A [`Wide`] sum times a number in each lane.
    fn scale<S: Simd>(simd: S, sum: [S::f64s; 2], factors: &[S::f64s]) -> [S::f64s; 2];
    /// A [`Wide`] sum over another.
    fn ratio<S: Simd>(simd: S, sum: [S::f64s; 2], over: [S::f64s; 2]) -> [S::f64s; 2];
    /// The lanes of a [`Wide`] sum, as so many vectors of `f64` as the type's lanes take.
    fn totals<S: Simd>(simd: S, sum: &[S::f64s; 2]) -> ([S::f64s; 2], usize);
}

/// A vector's methods, which differ between the types in nothing but their names.
macro_rules! vector_methods {
    ($float:ty, $bits:ty, $mantissa_bits:literal, $vector:ident, $mask:ident, $lanes:ident,
     $splat:ident, $slice:ident, $slice_mut:ident, $add:ident, $sub:ident, $mul:ident, $div:ident,
     $neg:ident, $abs:ident, $max:ident, $min:ident, $mul_add:ident, $above:ident, $equals:ident,
     $and:ident, $select:ident, $bit_and:ident, $bit_xor:ident, $greatest:ident, $least:ident,
     $sum:ident) => {
        type Vector<S: Simd> = S::$vector;
        type Mask<S: Simd> = S::$mask;

        #[inline(always)]
        fn lanes<S: Simd>() -> usize {
            S::$lanes
        }
        #[inline(always)]
        fn splat<S: Simd>(simd: S, x: Self) -> S::$vector {
            simd.$splat(x)
        }
        #[inline(always)]
        fn vectors<S: Simd>(numbers: &[Self]) -> &[S::$vector] {
            S::$slice(numbers).0
        }
        #[inline(always)]
        fn vectors_mut<S: Simd>(numbers: &mut [Self]) -> &mut [S::$vector] {
            S::$slice_mut(numbers).0
        }
        #[inline(always)]
        fn add<S: Simd>(simd: S, a: S::$vector, b: S::$vector) -> S::$vector {
            simd.$add(a, b)
        }
        #[inline(always)]
        fn sub<S: Simd>(simd: S, a: S::$vector, b: S::$vector) -> S::$vector {
            simd.$sub(a, b)
        }
        #[inline(always)]
        fn mul<S: Simd>(simd: S, a: S::$vector, b: S::$vector) -> S::$vector {
            simd.$mul(a, b)
        }
        #[inline(always)]
        fn div<S: Simd>(simd: S, a: S::$vector, b: S::$vector) -> S::$vector {
            simd.$div(a, b)
        }
        #[inline(always)]
        fn neg<S: Simd>(simd: S, a: S::$vector) -> S::$vector {
            simd.$neg(a)
        }
        #[inline(always)]
        fn abs<S: Simd>(simd: S, a: S::$vector) -> S::$vector {
            simd.$abs(a)
        }
        #[inline(always)]
        fn max<S: Simd>(simd: S, a: S::$vector, b: S::$vector) -> S::$vector {
            simd.$max(a, b)
        }
        #[inline(always)]
        fn min<S: Simd>(simd: S, a: S::$vector, b: S::$vector) -> S::$vector {
            simd.$min(a, b)
        }
        #[inline(always)]
        fn mul_add<S: Simd>(simd: S, a: S::$vector, b: S::$vector, c: S::$vector) -> S::$vector {
            if fuses::<S>() { simd.$mul_add(a, b, c) } else { simd.$add(simd.$mul(a, b), c) }
        }
        #[inline(always)]
        fn above<S: Simd>(simd: S, a: S::$vector, b: S::$vector) -> S::$mask {
            simd.$above(a, b)
        }
        #[inline(always)]
        fn equals<S: Simd>(simd: S, a: S::$vector, b: S::$vector) -> S::$mask {
            simd.$equals(a, b)
        }
        #[inline(always)]
        fn and<S: Simd>(simd: S, a: S::$mask, b: S::$mask) -> S::$mask {
            simd.$and(a, b)
        }
        #[inline(always)]
        fn select<S: Simd>(simd: S, mask: S::$mask, yes: S::$vector, no: S::$vector) -> S::$vector {
            simd.$select(mask, yes, no)
        }
        #[inline(always)]
        fn keep<S: Simd>(simd: S, mask: S::$mask, x: S::$vector) -> S::$vector {
            // A mask of the vector's size has all bits of a lane alike; for a select, compilers forget it.
            if size_of::<S::$mask>() == size_of::<S::$vector>() {
                simd.$bit_and(bytemuck::cast(mask), x)
            } else {
                simd.$select(mask, x, simd.$splat(0.0))
            }
        }
        #[inline(always)]
        fn remove<S: Simd>(simd: S, mask: S::$mask, x: S::$vector) -> S::$vector {
            if size_of::<S::$mask>() == size_of::<S::$vector>() {
                simd.$bit_xor(x, Self::keep(simd, mask, x))
            } else {
                simd.$select(mask, simd.$splat(0.0), x)
            }
        }
        #[inline(always)]
        fn flip<S: Simd>(simd: S, x: S::$vector, sign: S::$vector) -> S::$vector {
            simd.$bit_xor(x, simd.$bit_and(sign, simd.$splat(-0.0)))
        }
        #[inline(always)]
        fn greatest<S: Simd>(simd: S, x: S::$vector) -> Self {
            simd.$greatest(x)
        }
        #[inline(always)]
        fn least<S: Simd>(simd: S, x: S::$vector) -> Self {
            simd.$least(x)
        }
        #[inline(always)]
        fn sum<S: Simd>(simd: S, x: S::$vector) -> Self {
            simd.$sum(x)
        }
        #[inline(always)]
        fn power_of_two<S: Simd>(mut rounded: S::$vector) -> S::$vector {
            let lanes: &mut [$bits] = bytemuck::cast_slice_mut(std::slice::from_mut(&mut rounded));
            for lane in lanes {
                *lane <<= $mantissa_bits;
            }
            rounded
        }
    };
}

impl Element for f32 {
    vector_methods!(
        f32,
        u32,
        23,
        f32s,
        m32s,
        F32_LANES,
        splat_f32s,
        as_simd_f32s,
        as_mut_simd_f32s,
        add_f32s,
        sub_f32s,
        mul_f32s,
        div_f32s,
        neg_f32s,
        abs_f32s,
        max_f32s,
        min_f32s,
        mul_add_e_f32s,
        greater_than_f32s,
        equal_f32s,
        and_m32s,
        select_f32s,
        and_f32s,
        xor_f32s,
        reduce_max_f32s,
        reduce_min_f32s,
        reduce_sum_f32s
    );

    type Square = [[f32; 8]; 8];

    const SIDE: usize = 8;
    const LN_2: [f64; 2] = [0.693_359_375, -2.121_944_400_546_905_8e-4];
    const EXP: &'static [f64] = &taylor::<6>();
    const EXP_CLOSE: &'static [f64] = &taylor::<3>();
    const CLOSE: f64 = 1.0 / 64.0;
    // Relative error 2⁻²⁷·⁹.
    const TWICE_ARTANH: &'static [f64] = &[
        2.0000000076817583,
        0.6666632164138013,
        0.40024595230708193,
        0.27965157744601143,
        0.28157778366430586,
    ];
    const ROUND: f64 = 12_582_912.0 + 127.0; // 1.5·2²³ + 127

    #[inline(always)]
    #[allow(clippy::cast_possible_truncation)] // rounding is what it is for
    fn from_f64(x: f64) -> Self {
        x as Self
    }

    #[inline(always)]
    fn transposed(avx: squares::Avx, square: Self::Square) -> Self::Square {
        squares::transposed_f32(avx, square)
    }

    #[inline(always)]
    fn exp2<S: Simd>(simd: S, x: S::f32s) -> [S::f32s; 2] {
        let [low, high] = halves(simd, x);
        let exact = [
            Lanes::<S, f64>::of(simd, low).rough_exp2().vector(),
            Lanes::<S, f64>::of(simd, high).rough_exp2().vector(),
        ];
        let rounded = Self::narrowed(simd, exact);
        let [low, high] = halves(simd, rounded);
        let lost = [simd.sub_f64s(exact[0], low), simd.sub_f64s(exact[1], high)];
        [rounded, Self::narrowed(simd, lost)]
    }

    // A Wide is here the two halves of the lanes, in f64.

    #[inline(always)]
    fn widely_add<S: Simd>(simd: S, [low, high]: [S::f64s; 2], term: S::f32s) -> [S::f64s; 2] {
        let [term_low, term_high] = halves(simd, term);
        [simd.add_f64s(low, term_low), simd.add_f64s(high, term_high)]
    }

    #[inline(always)]
    fn widely_add_product<S: Simd>(
        simd: S,
        [low, high]: [S::f64s; 2],
        a: S::f32s,
        b: S::f32s,
    ) -> [S::f64s; 2] {
        let ([a_low, a_high], [b_low, b_high]) = (halves(simd, a), halves(simd, b));
        [
            <f64 as Element>::mul_add(simd, a_low, b_low, low),
            <f64 as Element>::mul_add(simd, a_high, b_high, high),
        ]
    }

    #[inline(always)]
    fn total(sums: &mut [f64]) -> DoubleDouble {
        fold(sums, |a, b| a + b).into()
    }

    #[inline(always)]
    fn product(factors: &mut [f64]) -> DoubleDouble {
        fold(factors, |a, b| a * b).into()
    }

    #[inline(always)]
    fn widely_grow<S: Simd>(simd: S, [low, high]: [S::f64s; 2], part: S::f32s) -> [S::f64s; 2] {
        let [part_low, part_high] = halves(simd, part);
        [
            <f64 as Element>::mul_add(simd, low, part_low, low),
            <f64 as Element>::mul_add(simd, high, part_high, high),
        ]
    }

    #[inline(always)]
    fn widely_ln<S: Simd>(
        simd: S,
        [low, high]: [S::f64s; 2],
        exponents: [S::f64s; 2],
    ) -> [S::f64s; 2] {
        let zero = Lanes::splat(simd, 0.0);
        let ln =
            |x, exponent| Lanes::<S, f64>::of(simd, x).ln(zero, Lanes::of(simd, exponent)).vector();
        [ln(low, exponents[0]), ln(high, exponents[1])]
    }

    #[inline(always)]
    fn normalise<S: Simd>(simd: S, product: &mut [S::f64s; 2], exponents: &mut [S::f64s; 2]) {
        for (x, sum) in product.iter_mut().zip(exponents) {
            let (exponent, mantissa) = Lanes::<S, f64>::of(simd, *x).split();
            *sum = simd.add_f64s(*sum, exponent.vector());
            *x = mantissa.vector();
        }
    }

    #[inline(always)]
    #[allow(clippy::cast_possible_truncation)] // rounding is what it is for
    fn narrowed<S: Simd>(simd: S, wide: [S::f64s; 2]) -> S::f32s {
        let mut narrow = simd.splat_f32s(0.0);
        let lanes: &mut [f32] = bytemuck::cast_slice_mut(std::slice::from_mut(&mut narrow));
        for (lane, &x) in lanes.iter_mut().zip(bytemuck::cast_slice::<_, f64>(&wide)) {
            *lane = x as f32;
        }
        narrow
    }

    #[inline(always)]
    fn scale<S: Simd>(simd: S, sum: [S::f64s; 2], factors: &[S::f64s]) -> [S::f64s; 2] {
        [simd.mul_f64s(sum[0], factors[0]), simd.mul_f64s(sum[1], factors[1])]
    }

    #[inline(always)]
    fn ratio<S: Simd>(simd: S, sum: [S::f64s; 2], over: [S::f64s; 2]) -> [S::f64s; 2] {
        [simd.div_f64s(sum[0], over[0]), simd.div_f64s(sum[1], over[1])]
    }

    #[inline(always)]
    fn totals<S: Simd>(_: S, sum: &[S::f64s; 2]) -> ([S::f64s; 2], usize) {
        (*sum, 2)
    }
}

/// Folds so many numbers as a power of two, in pairs.
#[inline(always)]
fn fold(numbers: &mut [f64], with: impl Fn(f64, f64) -> f64) -> f64 {
    let mut len = numbers.len();
    while len > 1 {
        len /= 2;
        for k in 0..len {
            numbers[k] = with(numbers[k], numbers[k + len]);
        }
    }
    numbers[0]
}

/// The lanes of a vector of `f32`, in their order, in two of `f64`.
#[inline(always)]
fn halves<S: Simd>(simd: S, x: S::f32s) -> [S::f64s; 2] {
    let mut wide = [simd.splat_f64s(0.0); 2];
    let lanes: &[f32] = bytemuck::cast_slice(std::slice::from_ref(&x));
    for (wide, &lane) in bytemuck::cast_slice_mut::<_, f64>(&mut wide).iter_mut().zip(lanes) {
        *wide = f64::from(lane);
    }
    wide
}

impl Element for f64 {
    vector_methods!(
        f64,
        u64,
        52,
        f64s,
        m64s,
        F64_LANES,
        splat_f64s,
        as_simd_f64s,
        as_mut_simd_f64s,
        add_f64s,
        sub_f64s,
        mul_f64s,
        div_f64s,
        neg_f64s,
        abs_f64s,
        max_f64s,
        min_f64s,
        mul_add_e_f64s,
        greater_than_f64s,
        equal_f64s,
        and_m64s,
        select_f64s,
        and_f64s,
        xor_f64s,
        reduce_max_f64s,
        reduce_min_f64s,
        reduce_sum_f64s
    );

    type Square = [[f64; 4]; 4];

    const SIDE: usize = 4;
    const LN_2: [f64; 2] = [6.931_471_803_691_238e-1, 1.908_214_929_270_587_7e-10];
    const EXP: &'static [f64] = &taylor::<12>();
    const EXP_CLOSE: &'static [f64] = &taylor::<16>();
    const CLOSE: f64 = 1.0;
    // Relative error 2⁻⁵⁹.
    const TWICE_ARTANH: &'static [f64] = &[
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
    const ROUND: f64 = 6_755_399_441_055_744.0 + 1023.0; // 1.5·2⁵² + 1023

    #[inline(always)]
    fn from_f64(x: f64) -> Self {
        x
    }

    #[inline(always)]
    fn transposed(avx: squares::Avx, square: Self::Square) -> Self::Square {
        squares::transposed_f64(avx, square)
    }

    #[inline(always)]
    fn exp2<S: Simd>(simd: S, x: S::f64s) -> [S::f64s; 2] {
        [Lanes::<S, f64>::of(simd, x).rough_exp2().vector(), simd.splat_f64s(0.0)]
    }

    // A Wide is here a number rounded, and what rounding took.

    #[inline(always)]
    fn widely_add<S: Simd>(simd: S, [rounded, lost]: [S::f64s; 2], term: S::f64s) -> [S::f64s; 2] {
        let (sum, rest) = Lanes::<S, f64>::of(simd, rounded).plus_exactly(Lanes::of(simd, term));
        [sum.vector(), simd.add_f64s(lost, rest.vector())]
    }

    #[inline(always)]
    fn widely_add_product<S: Simd>(
        simd: S,
        sum: [S::f64s; 2],
        a: S::f64s,
        b: S::f64s,
    ) -> [S::f64s; 2] {
        let [product, lost] = exact_product(simd, a, b);
        let [sum, sum_lost] = Self::widely_add(simd, sum, product);
        [sum, simd.add_f64s(sum_lost, lost)]
    }

    #[inline(always)]
    fn total(sums: &mut [f64]) -> DoubleDouble {
        let (rounded, lost) = sums.split_at(sums.len() / 2);
        let mut sum = Sum::default();
        for (&rounded, &lost) in rounded.iter().zip(lost) {
            sum.add_moderate(rounded);
            sum.add_lost(lost);
        }
        sum.exact()
    }

    #[inline(always)]
    fn product(factors: &mut [f64]) -> DoubleDouble {
        let (rounded, lost) = factors.split_at(factors.len() / 2);
        let mut product = DoubleDouble::ONE;
        for (&hi, &lo) in rounded.iter().zip(lost) {
            product = product * DoubleDouble { hi, lo };
        }
        product
    }

    #[inline(always)]
    fn widely_grow<S: Simd>(simd: S, [rounded, lost]: [S::f64s; 2], part: S::f64s) -> [S::f64s; 2] {
        let lost_grown = <Self as Element>::mul_add(simd, lost, part, lost);
        if !fuses::<S>() {
            let [more, more_lost] = exact_product(simd, rounded, part);
            let [product, lost] = Self::widely_add(simd, [rounded, lost_grown], more);
            return [product, simd.add_f64s(lost, more_lost)];
        }
        let product = simd.mul_add_e_f64s(rounded, part, rounded);
        // The difference is exact where 1 + part is between 1/2 and 2; elsewhere the logarithm is so
        // large that it need not be.
        let difference = simd.sub_f64s(rounded, product);
        let rest = simd.mul_add_e_f64s(rounded, part, difference);
        [product, simd.add_f64s(lost_grown, rest)]
    }

    #[inline(always)]
    fn widely_ln<S: Simd>(
        simd: S,
        [rounded, lost]: [S::f64s; 2],
        [exponents, _]: [S::f64s; 2],
    ) -> [S::f64s; 2] {
        let (x, lost) = (Lanes::<S, f64>::of(simd, rounded), Lanes::of(simd, lost));
        [x.ln(lost, Lanes::of(simd, exponents)).vector(), simd.splat_f64s(0.0)]
    }

    #[inline(always)]
    fn normalise<S: Simd>(simd: S, product: &mut [S::f64s; 2], exponents: &mut [S::f64s; 2]) {
        let x = Lanes::<S, f64>::of(simd, product[0]);
        let (exponent, mantissa) = x.split();
        exponents[0] = simd.add_f64s(exponents[0], exponent.vector());
        // A power of two: what dividing by it gives is exact.
        product[1] = simd.mul_f64s(product[1], (mantissa / x).vector());
        product[0] = mantissa.vector();
    }

    #[inline(always)]
    fn narrowed<S: Simd>(simd: S, [rounded, lost]: [S::f64s; 2]) -> S::f64s {
        simd.add_f64s(rounded, lost)
    }

    #[inline(always)]
    fn scale<S: Simd>(simd: S, sum: [S::f64s; 2], factors: &[S::f64s]) -> [S::f64s; 2] {
        [simd.mul_f64s(simd.add_f64s(sum[0], sum[1]), factors[0]), simd.splat_f64s(0.0)]
    }

    #[inline(always)]
    fn ratio<S: Simd>(simd: S, sum: [S::f64s; 2], over: [S::f64s; 2]) -> [S::f64s; 2] {
        let rounded = |[rounded, lost]: [S::f64s; 2]| simd.add_f64s(rounded, lost);
        [simd.div_f64s(rounded(sum), rounded(over)), simd.splat_f64s(0.0)]
    }

    #[inline(always)]
    fn totals<S: Simd>(simd: S, sum: &[S::f64s; 2]) -> ([S::f64s; 2], usize) {
        ([simd.add_f64s(sum[0], sum[1]), sum[1]], 1)
    }
}

/// The rounded product, and what rounding took from it.
#[inline(always)]
fn exact_product<S: Simd>(simd: S, a: S::f64s, b: S::f64s) -> [S::f64s; 2] {
    let product = simd.mul_f64s(a, b);
    if fuses::<S>() {
        return [product, simd.mul_add_e_f64s(a, b, simd.neg_f64s(product))];
    }
    // Dekker's: parts of 26 bits have exact products.
    let [a, a_low] = Lanes::<S, f64>::of(simd, a).in_two();
    let [b, b_low] = Lanes::<S, f64>::of(simd, b).in_two();
    let rest = a * b - Lanes::of(simd, product);
    let lost = ((rest + a * b_low) + a_low * b) + a_low * b_low;
    [product, lost.vector()]
}

/// 1/k! from k = 2 on: (e^x − 1 − x)/x² in powers of x.
///
/// The first term left out is below 2⁻²⁷ (`f32`) and 2⁻⁵⁷ (`f64`) where the tables are used.
const fn taylor<const N: usize>() -> [f64; N] {
    let mut coefficients = [0.5; N];
    let mut k = 1;
    while k < N {
        coefficients[k] = coefficients[k - 1] / (k + 2) as f64;
        k += 1;
    }
    coefficients
}

/// As many numbers side by side as the instruction set has lanes for.
#[derive(Clone, Copy)]
pub(crate) struct Lanes<S: Simd, F: Element> {
    simd: S,
    x: F::Vector<S>,
}

/// The outcome of a comparison, lane by lane.
#[derive(Clone, Copy)]
pub(crate) struct Mask<S: Simd, F: Element> {
    simd: S,
    is: F::Mask<S>,
}

impl<S: Simd, F: Element> Lanes<S, F> {
    #[inline(always)]
    pub(crate) fn splat(simd: S, x: f64) -> Self {
        Self { simd, x: F::splat(simd, F::from_f64(x)) }
    }

    #[inline(always)]
    pub(crate) fn all(simd: S, x: F) -> Self {
        Self { simd, x: F::splat(simd, x) }
    }

    #[inline(always)]
    pub(crate) fn of(simd: S, x: F::Vector<S>) -> Self {
        Self { simd, x }
    }

    /// As many numbers as there are lanes, rounded to the type.
    #[inline(always)]
    pub(crate) fn narrowed(simd: S, numbers: &[f64]) -> Self {
        let mut x = F::splat(simd, F::from_f64(0.0));
        let lanes: &mut [F] = bytemuck::cast_slice_mut(std::slice::from_mut(&mut x));
        for (lane, &number) in lanes.iter_mut().zip(numbers) {
            *lane = F::from_f64(number);
        }
        Self { simd, x }
    }

    #[inline(always)]
    pub(crate) fn vector(self) -> F::Vector<S> {
        self.x
    }

    /// The number of one lane, in all.
    #[inline(always)]
    pub(crate) fn lane(self, k: usize) -> Self {
        let lanes: &[F] = bytemuck::cast_slice(std::slice::from_ref(&self.x));
        Self::all(self.simd, lanes[k])
    }

    #[inline(always)]
    pub(crate) fn constant(self, x: f64) -> Self {
        Self::splat(self.simd, x)
    }

    #[inline(always)]
    pub(crate) fn times(self, factor: f64) -> Self {
        self * self.constant(factor)
    }

    /// self · factor + term, fused where the machine can.
    #[inline(always)]
    pub(crate) fn times_plus(self, factor: Self, term: Self) -> Self {
        Self { x: F::mul_add(self.simd, self.x, factor.x, term.x), ..self }
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
        Self { x: F::max(self.simd, self.x, other.x), ..self }
    }

    #[inline(always)]
    pub(crate) fn min(self, other: Self) -> Self {
        Self { x: F::min(self.simd, self.x, other.x), ..self }
    }

    /// The greatest of the lanes, none of which is NaN.
    #[inline(always)]
    pub(crate) fn greatest(self) -> F {
        F::greatest(self.simd, self.x)
    }

    /// The least of the lanes, none of which is NaN.
    #[inline(always)]
    pub(crate) fn least(self) -> F {
        F::least(self.simd, self.x)
    }

    #[inline(always)]
    pub(crate) fn abs(self) -> Self {
        Self { x: F::abs(self.simd, self.x), ..self }
    }

    /// self, negated where `sign` is negative.
    #[inline(always)]
    pub(crate) fn flip(self, sign: Self) -> Self {
        Self { x: F::flip(self.simd, self.x, sign.x), ..self }
    }

    #[inline(always)]
    pub(crate) fn above(self, other: Self) -> Mask<S, F> {
        Mask { simd: self.simd, is: F::above(self.simd, self.x, other.x) }
    }

    #[inline(always)]
    pub(crate) fn equals(self, other: Self) -> Mask<S, F> {
        Mask { simd: self.simd, is: F::equals(self.simd, self.x, other.x) }
    }

    /// c_0 + c_1 x + c_2 x² + …
    #[inline(always)]
    fn polynomial(self, c: &[f64]) -> Self {
        let square = self * self;
        let fourth = square * square;
        // Four coefficients at a time, from the last on.
        let mut sum: Option<Self> = None;
        for c in c.chunks(4).rev() {
            let pair = |c: &[f64]| match *c {
                [c0] => self.constant(c0),
                _ => self.constant(c[1]).times_plus(self, self.constant(c[0])),
            };
            let part =
                if c.len() > 2 { pair(&c[2..]).times_plus(square, pair(&c[..2])) } else { pair(c) };
            sum = Some(sum.map_or(part, |sum| sum.times_plus(fourth, part)));
        }
        sum.unwrap_or(self)
    }

    /// e^(self + lost) within 1 ulp, where it is a normal number, `lost` being below an ulp of self.
    #[inline(always)]
    pub(crate) fn exp_with(self, lost: Self) -> Self {
        let (r, power) = self.reduced();
        (r + lost).exp_m1_reduced().times_plus(power, power)
    }

    /// e^self within 1 ulp, where it is a normal number.
    #[inline(always)]
    pub(crate) fn exp(self) -> Self {
        let (r, power) = self.reduced();
        r.exp_m1_reduced().times_plus(power, power)
    }

    /// self − n log 2, for the nearest integer n, and 2^n.
    #[inline(always)]
    fn reduced(self) -> (Self, Self) {
        let (n, power) = self.times(std::f64::consts::LOG2_E).power_of_two();
        let r = n.times_plus(self.constant(-F::LN_2[0]), self);
        (n.times_plus(self.constant(-F::LN_2[1]), r), power)
    }

    /// e^self − 1, for |self| ≤ log(2)/2.
    #[inline(always)]
    fn exp_m1_reduced(self) -> Self {
        (self * self).times_plus(self.polynomial(F::EXP), self)
    }

    /// 2^self where it is a normal number, rounded, and, for `f32`, what rounding took from it.
    #[inline(always)]
    pub(crate) fn exp2(self) -> [Self; 2] {
        let [rounded, lost] = F::exp2(self.simd, self.x);
        [Self { x: rounded, ..self }, Self { x: lost, ..self }]
    }

    /// 2^self within 1 ulp, where it is a normal number.
    #[inline(always)]
    fn rough_exp2(self) -> Self {
        let (n, power) = self.power_of_two();
        let r = (self - n).times(std::f64::consts::LN_2);
        r.exp_m1_reduced().times_plus(power, power)
    }

    /// 2^self − 1, for |self| ≤ [`CLOSE`](Element::CLOSE).
    #[inline(always)]
    pub(crate) fn exp2_m1(self) -> Self {
        let x = self.times(std::f64::consts::LN_2);
        (x * x).times_plus(x.polynomial(F::EXP_CLOSE), x)
    }

    /// self rounded to an integer n, and 2^n.
    #[inline(always)]
    fn power_of_two(self) -> (Self, Self) {
        let round = self.constant(F::ROUND);
        let shifted = self + round;
        (shifted - round, Self { x: F::power_of_two(shifted.x), ..self })
    }

    /// small/(small + large), and the number t of which log(1 + small/large) = 2 artanh(t), for
    /// 0 < small ≤ large whose squares are in the range; by one division.
    #[inline(always)]
    pub(crate) fn share_and_ratio(small: Self, large: Self) -> (Self, Self) {
        let sum = small + large;
        let twice = sum + large;
        let inverse = small / (sum * twice);
        (inverse * twice, inverse * sum)
    }

    /// log(1 + small/large) within 2 ulp, for 0 ≤ small ≤ large.
    #[inline(always)]
    pub(crate) fn ln_1p_of_ratio(small: Self, large: Self) -> Self {
        (small / (large + large + small)).twice_artanh()
    }

    /// 2 artanh(self) = log((1 + self)/(1 − self)), for |self| ≤ 1/3.
    #[inline(always)]
    pub(crate) fn twice_artanh(self) -> Self {
        self * (self * self).polynomial(F::TWICE_ARTANH)
    }
}

impl<S: Simd> Lanes<S, f64> {
    /// log(self + lost) + exponent·log 2 within 2 ulp, for a positive normal number.
    #[inline(always)]
    fn ln(self, lost: Self, exponent: Self) -> Self {
        let (more, mantissa) = self.split();
        let above = (mantissa - self.constant(1.0)) + lost * (mantissa / self);
        let logarithm = (above / (above + self.constant(2.0))).twice_artanh();
        (exponent + more).times_plus(self.constant(std::f64::consts::LN_2), logarithm)
    }

    /// Parts of 26 bits.
    #[inline(always)]
    fn in_two(self) -> [Self; 2] {
        let shifted = self.times(134_217_729.0); // 2²⁷ + 1
        let high = shifted - (shifted - self);
        [high, self - high]
    }

    /// The exponent n and the mantissa, in [1/√2, √2), of a positive normal number.
    #[inline(always)]
    fn split(self) -> (Self, Self) {
        // Adding it to the bits makes mantissas from √2 on carry into the exponent.
        const CARRY: u64 = 0x3ff0_0000_0000_0000 - 0x3fe6_a09e_667f_3bcd;
        const MANTISSA: u64 = 0x000f_ffff_ffff_ffff;
        let exponent = self.bits(|bits| bits.wrapping_add(CARRY) >> 52 | 0x4330_0000_0000_0000)
            - self.constant(4_503_599_627_370_496.0 + 1023.0); // 2⁵² + 1023
        let mantissa =
            self.bits(|bits| (bits.wrapping_add(CARRY) & MANTISSA) + 0x3fe6_a09e_667f_3bcd);
        (exponent, mantissa)
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
}

/// The least and the greatest number, or None where one is not finite.
pub(crate) struct FiniteRange<'a, F>(pub(crate) &'a [F]);

impl<F: Real> WithSimd for FiniteRange<'_, F> {
    type Output = Option<(f64, f64)>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Self::Output {
        // Several at a time, so that none waits for the one before.
        const CHAINS: usize = 4;
        let mut least = [Lanes::<S, F>::splat(simd, f64::INFINITY); CHAINS];
        let mut greatest = [Lanes::<S, F>::splat(simd, f64::NEG_INFINITY); CHAINS];
        // NaN for good after a NaN or an infinity.
        let mut zeros = [Lanes::<S, F>::splat(simd, 0.0); CHAINS];
        let vectors = F::vectors::<S>(self.0);
        let mut see = |chain: usize, x: F::Vector<S>| {
            let x = Lanes::of(simd, x);
            least[chain] = least[chain].min(x);
            greatest[chain] = greatest[chain].max(x);
            zeros[chain] = x.times_plus(x.constant(0.0), zeros[chain]);
        };
        let chunks = vectors.chunks_exact(CHAINS);
        for (chain, &x) in chunks.remainder().iter().enumerate() {
            see(chain, x);
        }
        for chunk in chunks {
            for (chain, &x) in chunk.iter().enumerate() {
                see(chain, x);
            }
        }
        let rest = &self.0[vectors.len() * F::lanes::<S>()..];
        if let Some(&first) = rest.first() {
            let mut last = F::splat(simd, first);
            let lanes: &mut [F] = bytemuck::cast_slice_mut(std::slice::from_mut(&mut last));
            for (lane, &x) in lanes.iter_mut().zip(rest) {
                *lane = x;
            }
            see(0, last);
        }
        let least = least[0].min(least[1]).min(least[2].min(least[3]));
        let greatest = greatest[0].max(greatest[1]).max(greatest[2].max(greatest[3]));
        let zeros = (zeros[0] + zeros[1]) + (zeros[2] + zeros[3]);
        let zero = F::sum(simd, zeros.vector()) == F::zero();
        zero.then(|| (least.least().widen(), greatest.greatest().widen()))
    }
}

/// The sum of numbers that do not overflow, and the greatest magnitude of one.
pub(crate) struct SumAndGreatest<'a>(pub(crate) &'a [f64]);

impl WithSimd for SumAndGreatest<'_> {
    type Output = (DoubleDouble, f64);

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Self::Output {
        let mut sums = [Wide::<S, f64>::zero(simd); 2];
        let mut greatest = Lanes::<S, f64>::splat(simd, 0.0);
        let vectors = f64::vectors::<S>(self.0);
        for (k, &x) in vectors.iter().enumerate() {
            let x = Lanes::of(simd, x);
            sums[k % 2].add(x);
            greatest = greatest.max(x.abs());
        }
        let mut sum = Sum::default();
        sum.add_exact(sums[0].total());
        sum.add_exact(sums[1].total());
        let rest = &self.0[vectors.len() * S::F64_LANES..];
        for &x in rest {
            sum.add(x);
        }
        let greatest = greatest.vector();
        let greatest = bytemuck::cast_slice::<_, f64>(std::slice::from_ref(&greatest)).iter();
        let greatest = greatest.chain(rest).fold(0.0_f64, |greatest, x| {
            // NaN is to be the greatest.
            if x.abs() < greatest { greatest } else { x.abs() }
        });
        (sum.exact(), greatest)
    }
}

/// Adds log(product + lost) + exponent·log 2, number by number.
#[inline(always)]
pub(crate) fn logarithms<S: Simd>(
    simd: S,
    products: &[f64],
    lost: &[f64],
    exponents: &[f64],
    sums: &mut [f64],
) {
    let vectors = |numbers| S::as_simd_f64s(numbers).0;
    let (products, lost, exponents) = (vectors(products), vectors(lost), vectors(exponents));
    for (k, sum) in S::as_mut_simd_f64s(sums).0.iter_mut().enumerate() {
        let [product, lost, exponent] =
            [products[k], lost[k], exponents[k]].map(|x| Lanes::<S, f64>::of(simd, x));
        *sum = simd.add_f64s(*sum, product.ln(lost, exponent).vector());
    }
}

/// A sum in each lane, kept to more than the precision of the type: for `f32` in `f64`, for `f64`
/// together with what the additions round away.
#[derive(Clone, Copy)]
pub(crate) struct Wide<S: Simd, F: Element> {
    simd: S,
    x: [S::f64s; 2],
    of: PhantomData<F>,
}

impl<S: Simd, F: Element> Wide<S, F> {
    #[inline(always)]
    pub(crate) fn zero(simd: S) -> Self {
        Self::of(simd, [simd.splat_f64s(0.0); 2])
    }

    #[inline(always)]
    pub(crate) fn of(simd: S, x: [S::f64s; 2]) -> Self {
        Self { simd, x, of: PhantomData }
    }

    #[inline(always)]
    pub(crate) fn vectors(self) -> [S::f64s; 2] {
        self.x
    }

    #[inline(always)]
    pub(crate) fn add(&mut self, term: Lanes<S, F>) {
        self.x = F::widely_add(self.simd, self.x, term.x);
    }

    /// The sums, rounded to the type.
    #[inline(always)]
    pub(crate) fn narrow(self) -> Lanes<S, F> {
        Lanes::of(self.simd, F::narrowed(self.simd, self.x))
    }

    /// The sums times numbers in f64, as many as there are lanes.
    #[inline(always)]
    pub(crate) fn scaled(self, factors: &[f64]) -> Self {
        Self { x: F::scale(self.simd, self.x, S::as_simd_f64s(factors).0), ..self }
    }

    /// The sums over others.
    #[inline(always)]
    pub(crate) fn over(self, others: Self) -> Self {
        Self { x: F::ratio(self.simd, self.x, others.x), ..self }
    }

    #[inline(always)]
    pub(crate) fn from_lanes(x: Lanes<S, F>) -> Self {
        let mut sum = Self::zero(x.simd);
        sum.add(x);
        sum
    }

    #[inline(always)]
    pub(crate) fn minus(self, other: Self) -> Self {
        let negative = |x| self.simd.neg_f64s(x);
        self.plus(Self { x: other.x.map(negative), ..self })
    }

    /// Both sums together.
    #[inline(always)]
    pub(crate) fn plus(self, other: Self) -> Self {
        let [a, b] = other.x;
        let add = |x, y| self.simd.add_f64s(x, y);
        Self { x: [add(self.x[0], a), add(self.x[1], b)], ..self }
    }

    /// Adds a product, with what rounding takes from it where the machine fuses.
    #[inline(always)]
    pub(crate) fn add_product(&mut self, a: Lanes<S, F>, b: Lanes<S, F>) {
        self.x = F::widely_add_product(self.simd, self.x, a.x, b.x);
    }

    /// The sum of all lanes.
    #[inline(always)]
    pub(crate) fn total(mut self) -> DoubleDouble {
        F::total(bytemuck::cast_slice_mut(&mut self.x))
    }

    /// The sums, as many numbers as there are lanes.
    #[inline(always)]
    pub(crate) fn write(self, totals: &mut [f64]) {
        let (vectors, count) = F::totals(self.simd, &self.x);
        for (total, vector) in S::as_mut_simd_f64s(totals).0.iter_mut().zip(&vectors[..count]) {
            *total = *vector;
        }
    }
}

/// Σ log(1 + x) in each lane, as the logarithm of the product, kept to more than the precision of
/// the type: exact in effect, for one multiplication or two a factor.
#[derive(Clone, Copy)]
pub(crate) struct LogProduct<S: Simd, F: Element> {
    simd: S,
    product: [S::f64s; 2],
    exponents: [S::f64s; 2],
    of: PhantomData<F>,
}

impl<S: Simd, F: Element> LogProduct<S, F> {
    #[inline(always)]
    pub(crate) fn one(simd: S) -> Self {
        let zero = [simd.splat_f64s(0.0); 2];
        let one = F::widely_add(simd, zero, F::splat(simd, F::from_f64(1.0)));
        Self { simd, product: one, exponents: zero, of: PhantomData }
    }

    /// Multiplies by 1 + `part`.
    #[inline(always)]
    pub(crate) fn grow(&mut self, part: Lanes<S, F>) {
        self.product = F::widely_grow(self.simd, self.product, part.x);
    }

    #[inline(always)]
    pub(crate) fn normalise(&mut self) {
        F::normalise(self.simd, &mut self.product, &mut self.exponents);
    }

    /// The product of all lanes, as a number and an exponent of 2.
    #[inline(always)]
    pub(crate) fn total(mut self) -> (DoubleDouble, f64) {
        let exponent = fold(bytemuck::cast_slice_mut(&mut self.exponents), |a, b| a + b);
        (F::product(bytemuck::cast_slice_mut(&mut self.product)), exponent)
    }

    #[inline(always)]
    pub(crate) fn ln(self) -> Wide<S, F> {
        Wide::of(self.simd, F::widely_ln(self.simd, self.product, self.exponents))
    }
}

impl<S: Simd, F: Element> Mask<S, F> {
    #[inline(always)]
    pub(crate) fn select(self, yes: Lanes<S, F>, no: Lanes<S, F>) -> Lanes<S, F> {
        Lanes { x: F::select(self.simd, self.is, yes.x, no.x), ..yes }
    }

    /// `x` where it is so, 0 elsewhere.
    #[inline(always)]
    pub(crate) fn keep(self, x: Lanes<S, F>) -> Lanes<S, F> {
        Lanes { x: F::keep(self.simd, self.is, x.x), ..x }
    }

    /// 0 where it is so, `x` elsewhere.
    #[inline(always)]
    pub(crate) fn remove(self, x: Lanes<S, F>) -> Lanes<S, F> {
        Lanes { x: F::remove(self.simd, self.is, x.x), ..x }
    }

    #[inline(always)]
    pub(crate) fn and(self, other: Self) -> Self {
        Self { is: F::and(self.simd, self.is, other.is), ..self }
    }
}

macro_rules! operators {
    ($($operator:ident, $method:ident);*) => {$(
        impl<S: Simd, F: Element> $operator for Lanes<S, F> {
            type Output = Self;
            #[inline(always)]
            fn $method(self, other: Self) -> Self {
                Self { x: F::$method(self.simd, self.x, other.x), ..self }
            }
        }
    )*};
}

operators!(Add, add; Sub, sub; Mul, mul; Div, div);

impl<S: Simd, F: Element> Neg for Lanes<S, F> {
    type Output = Self;
    #[inline(always)]
    fn neg(self) -> Self {
        Self { x: F::neg(self.simd, self.x), ..self }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::cell::Cell;

    use super::*;

    thread_local! {
        pub(super) static ASKED_FOR: Cell<Option<Arch>> = const { Cell::new(None) };
        pub(super) static AS_WIDE_AS_ANY: Cell<bool> = const { Cell::new(false) };
    }

    /// Runs a test in every instruction set that the machine has beside its widest, and in arrays with
    /// as many lanes as any machine's vectors.
    pub(crate) fn in_other_instruction_sets(test: impl Fn()) {
        let mut narrower = vec![Arch::Scalar];
        #[cfg(target_arch = "x86_64")]
        if let Arch::V4(wide) = Arch::new() {
            narrower.push(Arch::V3(*wide));
        }
        for arch in narrower {
            ASKED_FOR.set(Some(arch));
            test();
        }
        AS_WIDE_AS_ANY.set(true);
        test();
        AS_WIDE_AS_ANY.set(false);
        ASKED_FOR.set(None);
    }
}
