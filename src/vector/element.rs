//! What the vector layer needs to know of `f32` and `f64`.
//!
//! The operations stand on marker types, [`Single`] and [`Double`], and not on `f32` and `f64`
//! themselves: an operation named `max` on `f32` would be in scope, and ambiguous, wherever a user
//! writes `F: Real`.

use pulp::{Simd, bytemuck};

use super::lanes::Lanes;
use super::squares;
use crate::Real;
use crate::numeric::{DoubleDouble, Sum};

/// `f32`, to the vector layer.
#[derive(Debug, Clone, Copy)]
pub enum Single {}

/// `f64`, to the vector layer.
#[derive(Debug, Clone, Copy)]
pub enum Double {}

/// The vector operations of one type.
pub trait Element: Copy + 'static {
    /// The type itself.
    type Number: Real + bytemuck::Pod;
    /// Numbers side by side.
    type Vector<S: Simd>: Copy + bytemuck::Pod;
    /// The outcome of a comparison, lane by lane.
    type Mask<S: Simd>: Copy;
    /// `SIDE` rows of as many numbers, which registers can transpose.
    type Square: bytemuck::Pod;

    /// The rows of a [`Square`](Self::Square).
    const SIDE: usize;
    /// log 2 in two parts, the first with enough zeros that its products with exponents are exact.
    const LN_2: [f64; 2];
    /// The coefficients of (e^x − 1 − x)/x² for |x| ≤ log(2)/2, in powers of x.
    const EXP: &'static [f64];
    /// The coefficients of 2 artanh(t)/t for |t| ≤ 1/3, in powers of t²: a fit at Chebyshev's nodes.
    const TWICE_ARTANH: &'static [f64];
    /// Added to a number, it rounds the number to an integer, which then stands, with the bias of
    /// exponents, in the low bits.
    const ROUND: f64;
    /// The least and the greatest number whose exponential is a normal number.
    const EXP_RANGE: (f64, f64);
    /// Beyond this x, products with 2^x may leave the range.
    const LARGEST_POWER: f64;

    fn from_f64(x: f64) -> Self::Number;
    fn transposed(avx: squares::Avx, square: Self::Square) -> Self::Square;
    fn lanes<S: Simd>() -> usize;
    fn splat<S: Simd>(simd: S, x: Self::Number) -> Self::Vector<S>;
    fn vectors<S: Simd>(numbers: &[Self::Number]) -> &[Self::Vector<S>];
    fn vectors_mut<S: Simd>(numbers: &mut [Self::Number]) -> &mut [Self::Vector<S>];
    fn add<S: Simd>(simd: S, a: Self::Vector<S>, b: Self::Vector<S>) -> Self::Vector<S>;
    fn sub<S: Simd>(simd: S, a: Self::Vector<S>, b: Self::Vector<S>) -> Self::Vector<S>;
    fn mul<S: Simd>(simd: S, a: Self::Vector<S>, b: Self::Vector<S>) -> Self::Vector<S>;
    fn div<S: Simd>(simd: S, a: Self::Vector<S>, b: Self::Vector<S>) -> Self::Vector<S>;
    fn neg<S: Simd>(simd: S, a: Self::Vector<S>) -> Self::Vector<S>;
    fn abs<S: Simd>(simd: S, a: Self::Vector<S>) -> Self::Vector<S>;
    fn max<S: Simd>(simd: S, a: Self::Vector<S>, b: Self::Vector<S>) -> Self::Vector<S>;
    fn min<S: Simd>(simd: S, a: Self::Vector<S>, b: Self::Vector<S>) -> Self::Vector<S>;
    /// a·b + c, rounded once.
    fn mul_add<S: Simd>(
        simd: S,
        a: Self::Vector<S>,
        b: Self::Vector<S>,
        c: Self::Vector<S>,
    ) -> Self::Vector<S>;
    fn above<S: Simd>(simd: S, a: Self::Vector<S>, b: Self::Vector<S>) -> Self::Mask<S>;
    fn equals<S: Simd>(simd: S, a: Self::Vector<S>, b: Self::Vector<S>) -> Self::Mask<S>;
    fn both<S: Simd>(simd: S, a: Self::Mask<S>, b: Self::Mask<S>) -> Self::Mask<S>;
    fn select<S: Simd>(
        simd: S,
        mask: Self::Mask<S>,
        yes: Self::Vector<S>,
        no: Self::Vector<S>,
    ) -> Self::Vector<S>;
    /// `x` where the mask is so, 0 elsewhere.
    fn keep<S: Simd>(simd: S, mask: Self::Mask<S>, x: Self::Vector<S>) -> Self::Vector<S>;
    /// 0 where the mask is so, `x` elsewhere.
    fn remove<S: Simd>(simd: S, mask: Self::Mask<S>, x: Self::Vector<S>) -> Self::Vector<S>;
    /// `x`, negated where `sign` is negative.
    fn flip<S: Simd>(simd: S, x: Self::Vector<S>, sign: Self::Vector<S>) -> Self::Vector<S>;
    /// The greatest of the lanes.
    fn greatest<S: Simd>(simd: S, x: Self::Vector<S>) -> Self::Number;
    /// The least of the lanes.
    fn least<S: Simd>(simd: S, x: Self::Vector<S>) -> Self::Number;
    /// 2^n of what adding [`ROUND`](Self::ROUND) left.
    fn power_of_two<S: Simd>(rounded: Self::Vector<S>) -> Self::Vector<S>;
    /// The exponent n and the mantissa, in [1/√2, √2), of a positive normal number.
    fn split<S: Simd>(simd: S, x: Self::Vector<S>) -> (Self::Vector<S>, Self::Vector<S>);
    /// 2^x − 1 where |x| is below [`LARGEST_POWER`](Self::LARGEST_POWER), rounded and lost.
    fn exp2_m1<S: Simd>(simd: S, x: Self::Vector<S>) -> [Self::Vector<S>; 2];
    /// Rounded to `f32`.
    fn rounded_to_single<S: Simd>(simd: S, x: Self::Vector<S>) -> Self::Vector<S>;

    /// Adds a term to a wide sum.
    fn widely_add<S: Simd>(simd: S, sum: [S::f64s; 2], term: Self::Vector<S>) -> [S::f64s; 2];
    /// Adds a product to a wide sum.
    fn widely_add_product<S: Simd>(
        simd: S,
        sum: [S::f64s; 2],
        a: Self::Vector<S>,
        b: Self::Vector<S>,
    ) -> [S::f64s; 2];
    /// The sum of the lanes of a wide sum, which it uses up.
    fn total(sums: &mut [f64]) -> DoubleDouble;
    /// Multiplies a wide product by 1 + `part`.
    fn widely_grow<S: Simd>(simd: S, product: [S::f64s; 2], part: Self::Vector<S>) -> [S::f64s; 2];
    /// The logarithm of a wide product times 2^exponents.
    fn widely_ln<S: Simd>(simd: S, product: [S::f64s; 2], exponents: [S::f64s; 2]) -> [S::f64s; 2];
    /// Moves the exponents out of a wide product.
    fn normalise<S: Simd>(simd: S, product: &mut [S::f64s; 2], exponents: &mut [S::f64s; 2]);
    /// A wide sum, rounded.
    fn narrowed<S: Simd>(simd: S, sum: [S::f64s; 2]) -> Self::Vector<S>;
    /// A wide sum times a number in each lane.
    fn scale<S: Simd>(simd: S, sum: [S::f64s; 2], factors: &[S::f64s]) -> [S::f64s; 2];
    /// The lanes of a wide sum, as so many vectors of `f64` as the type's lanes take.
    fn totals<S: Simd>(simd: S, sum: &[S::f64s; 2]) -> ([S::f64s; 2], usize);
}

/// The methods that differ between the types in nothing but the names of pulp's operations.
macro_rules! vector_methods {
    ($float:ty, $bits:ty, $mantissa_bits:literal, $root_half:literal, $bias:literal, $magic:literal,
     $vector:ident, $mask:ident, $lanes:ident, $splat:ident, $slice:ident, $slice_mut:ident,
     $add:ident, $sub:ident, $mul:ident, $div:ident, $neg:ident, $abs:ident, $max:ident,
     $min:ident, $mul_add:ident, $above:ident, $equals:ident, $and:ident, $select:ident,
     $bit_and:ident, $bit_xor:ident, $greatest:ident, $least:ident) => {
        type Number = $float;
        type Vector<S: Simd> = S::$vector;
        type Mask<S: Simd> = S::$mask;

        #[inline(always)]
        #[allow(clippy::cast_possible_truncation)] // rounding is what it is for
        fn from_f64(x: f64) -> $float {
            x as $float
        }
        #[inline(always)]
        fn lanes<S: Simd>() -> usize {
            S::$lanes
        }
        #[inline(always)]
        fn splat<S: Simd>(simd: S, x: $float) -> S::$vector {
            simd.$splat(x)
        }
        #[inline(always)]
        fn vectors<S: Simd>(numbers: &[$float]) -> &[S::$vector] {
            S::$slice(numbers).0
        }
        #[inline(always)]
        fn vectors_mut<S: Simd>(numbers: &mut [$float]) -> &mut [S::$vector] {
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
            simd.$mul_add(a, b, c)
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
        fn both<S: Simd>(simd: S, a: S::$mask, b: S::$mask) -> S::$mask {
            simd.$and(a, b)
        }
        #[inline(always)]
        fn select<S: Simd>(simd: S, mask: S::$mask, yes: S::$vector, no: S::$vector) -> S::$vector {
            simd.$select(mask, yes, no)
        }
        #[inline(always)]
        fn keep<S: Simd>(simd: S, mask: S::$mask, x: S::$vector) -> S::$vector {
            // A mask as large as the vector has all bits of a lane alike, so that an `and` of bits
            // does what compilers do not make of a select.
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
        fn greatest<S: Simd>(simd: S, x: S::$vector) -> $float {
            simd.$greatest(x)
        }
        #[inline(always)]
        fn least<S: Simd>(simd: S, x: S::$vector) -> $float {
            simd.$least(x)
        }
        #[inline(always)]
        fn power_of_two<S: Simd>(mut rounded: S::$vector) -> S::$vector {
            let lanes: &mut [$bits] = bytemuck::cast_slice_mut(std::slice::from_mut(&mut rounded));
            for lane in lanes {
                *lane <<= $mantissa_bits;
            }
            rounded
        }
        #[inline(always)]
        fn split<S: Simd>(simd: S, x: S::$vector) -> (S::$vector, S::$vector) {
            // Added to the bits, it makes mantissas from √2 on carry into the exponent.
            const CARRY: $bits = ($bias << $mantissa_bits) - $root_half;
            const MANTISSA: $bits = (1 << $mantissa_bits) - 1;
            let magic: $float = <$float>::from_bits($magic);
            let mut exponent = x;
            let lanes: &mut [$bits] = bytemuck::cast_slice_mut(std::slice::from_mut(&mut exponent));
            for lane in lanes {
                *lane = lane.wrapping_add(CARRY) >> $mantissa_bits | $magic;
            }
            let exponent = simd.$sub(exponent, simd.$splat(magic + $bias as $float));
            let mut mantissa = x;
            let lanes: &mut [$bits] = bytemuck::cast_slice_mut(std::slice::from_mut(&mut mantissa));
            for lane in lanes {
                *lane = (lane.wrapping_add(CARRY) & MANTISSA) + $root_half;
            }
            (exponent, mantissa)
        }
    };
}

impl Element for Single {
    vector_methods!(
        f32,
        u32,
        23,
        0x3f35_04f3,
        127,
        0x4b00_0000, // 2²³
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
        reduce_min_f32s
    );

    type Square = [[f32; 8]; 8];

    const SIDE: usize = 8;
    const LN_2: [f64; 2] = [0.693_359_375, -2.121_944_400_546_905_8e-4];
    const EXP: &'static [f64] = &taylor::<6>();
    // Relative error 2⁻²⁷·⁹.
    const TWICE_ARTANH: &'static [f64] = &[
        2.0000000076817583,
        0.6666632164138013,
        0.40024595230708193,
        0.27965157744601143,
        0.28157778366430586,
    ];
    const ROUND: f64 = 12_582_912.0 + 127.0; // 1.5·2²³ + 127
    const EXP_RANGE: (f64, f64) = (-87.33, 88.0);
    const LARGEST_POWER: f64 = 60.0;

    #[inline(always)]
    fn transposed(avx: squares::Avx, square: Self::Square) -> Self::Square {
        squares::transposed_f32(avx, square)
    }

    #[inline(always)]
    fn exp2_m1<S: Simd>(simd: S, x: S::f32s) -> [S::f32s; 2] {
        let [low, high] = halves(simd, x);
        let exact = |x| Lanes::<S, Double>::of(simd, x).exp2_m1_in_two()[0].vector();
        let exact = [exact(low), exact(high)];
        let rounded = Self::narrowed(simd, exact);
        let [low, high] = halves(simd, rounded);
        let lost = [simd.sub_f64s(exact[0], low), simd.sub_f64s(exact[1], high)];
        [rounded, Self::narrowed(simd, lost)]
    }

    #[inline(always)]
    fn rounded_to_single<S: Simd>(_: S, x: S::f32s) -> S::f32s {
        x
    }

    // A wide sum is here the two halves of the lanes, in f64.

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
        [simd.mul_add_e_f64s(a_low, b_low, low), simd.mul_add_e_f64s(a_high, b_high, high)]
    }

    #[inline(always)]
    fn total(sums: &mut [f64]) -> DoubleDouble {
        let mut len = sums.len();
        while len > 1 {
            len /= 2;
            for k in 0..len {
                sums[k] += sums[k + len];
            }
        }
        sums[0].into()
    }

    #[inline(always)]
    fn widely_grow<S: Simd>(simd: S, [low, high]: [S::f64s; 2], part: S::f32s) -> [S::f64s; 2] {
        let [part_low, part_high] = halves(simd, part);
        [simd.mul_add_e_f64s(low, part_low, low), simd.mul_add_e_f64s(high, part_high, high)]
    }

    #[inline(always)]
    fn widely_ln<S: Simd>(
        simd: S,
        [low, high]: [S::f64s; 2],
        exponents: [S::f64s; 2],
    ) -> [S::f64s; 2] {
        let zero = Lanes::<S, Double>::splat(simd, 0.0);
        let ln = |x, exponent| {
            let exponent = Lanes::<S, Double>::of(simd, exponent);
            Lanes::<S, Double>::of(simd, x).ln_of_sum(zero, exponent).vector()
        };
        [ln(low, exponents[0]), ln(high, exponents[1])]
    }

    #[inline(always)]
    fn normalise<S: Simd>(simd: S, product: &mut [S::f64s; 2], exponents: &mut [S::f64s; 2]) {
        for (x, sum) in product.iter_mut().zip(exponents) {
            let (exponent, mantissa) = Double::split(simd, *x);
            *sum = simd.add_f64s(*sum, exponent);
            *x = mantissa;
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
    fn totals<S: Simd>(_: S, sum: &[S::f64s; 2]) -> ([S::f64s; 2], usize) {
        (*sum, 2)
    }
}

/// The lanes of a vector of `f32`, in their order, in two of `f64`.
#[inline(always)]
pub(super) fn halves<S: Simd>(simd: S, x: S::f32s) -> [S::f64s; 2] {
    let mut wide = [simd.splat_f64s(0.0); 2];
    let lanes: &[f32] = bytemuck::cast_slice(std::slice::from_ref(&x));
    for (wide, &lane) in bytemuck::cast_slice_mut::<_, f64>(&mut wide).iter_mut().zip(lanes) {
        *wide = f64::from(lane);
    }
    wide
}

impl Element for Double {
    vector_methods!(
        f64,
        u64,
        52,
        0x3fe6_a09e_667f_3bcd,
        1023,
        0x4330_0000_0000_0000, // 2⁵²
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
        reduce_min_f64s
    );

    type Square = [[f64; 4]; 4];

    const SIDE: usize = 4;
    const LN_2: [f64; 2] = [6.931_471_803_691_238e-1, 1.908_214_929_270_587_7e-10];
    const EXP: &'static [f64] = &taylor::<12>();
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
    const EXP_RANGE: (f64, f64) = (-708.39, 709.0);
    const LARGEST_POWER: f64 = 500.0;

    #[inline(always)]
    fn transposed(avx: squares::Avx, square: Self::Square) -> Self::Square {
        squares::transposed_f64(avx, square)
    }

    #[inline(always)]
    fn exp2_m1<S: Simd>(simd: S, x: S::f64s) -> [S::f64s; 2] {
        Lanes::<S, Self>::of(simd, x).exp2_m1_in_two().map(Lanes::vector)
    }

    #[inline(always)]
    #[allow(clippy::cast_possible_truncation)] // rounding is what it is for
    fn rounded_to_single<S: Simd>(_: S, mut x: S::f64s) -> S::f64s {
        let lanes: &mut [f64] = bytemuck::cast_slice_mut(std::slice::from_mut(&mut x));
        for lane in lanes {
            *lane = f64::from(*lane as f32);
        }
        x
    }

    // A wide sum is here a number rounded, and what rounding took.

    #[inline(always)]
    fn widely_add<S: Simd>(simd: S, [rounded, lost]: [S::f64s; 2], term: S::f64s) -> [S::f64s; 2] {
        let sum = simd.add_f64s(rounded, term);
        let of_term = simd.sub_f64s(sum, rounded);
        let rest = simd.add_f64s(
            simd.sub_f64s(rounded, simd.sub_f64s(sum, of_term)),
            simd.sub_f64s(term, of_term),
        );
        [sum, simd.add_f64s(lost, rest)]
    }

    #[inline(always)]
    fn widely_add_product<S: Simd>(
        simd: S,
        sum: [S::f64s; 2],
        a: S::f64s,
        b: S::f64s,
    ) -> [S::f64s; 2] {
        let product = simd.mul_f64s(a, b);
        let lost = simd.mul_add_e_f64s(a, b, simd.neg_f64s(product));
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
    fn widely_grow<S: Simd>(simd: S, [rounded, lost]: [S::f64s; 2], part: S::f64s) -> [S::f64s; 2] {
        let lost_grown = simd.mul_add_e_f64s(lost, part, lost);
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
        let x = Lanes::<S, Double>::of(simd, rounded);
        let (lost, exponents) = (Lanes::of(simd, lost), Lanes::of(simd, exponents));
        [x.ln_of_sum(lost, exponents).vector(), simd.splat_f64s(0.0)]
    }

    #[inline(always)]
    fn normalise<S: Simd>(simd: S, product: &mut [S::f64s; 2], exponents: &mut [S::f64s; 2]) {
        let (exponent, mantissa) = Self::split(simd, product[0]);
        exponents[0] = simd.add_f64s(exponents[0], exponent);
        // The quotient is a power of two, so that the product with it is exact.
        let shrink = simd.div_f64s(mantissa, product[0]);
        *product = [mantissa, simd.mul_f64s(product[1], shrink)];
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
    fn totals<S: Simd>(simd: S, sum: &[S::f64s; 2]) -> ([S::f64s; 2], usize) {
        ([simd.add_f64s(sum[0], sum[1]), sum[1]], 1)
    }
}

/// 1/k! from k = 2 on: the coefficients of (e^x − 1 − x)/x².
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
