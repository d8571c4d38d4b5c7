//! Vectors in the widest instruction set of the machine, and functions of them.
//!
//! A kernel is written once, over a [`Vector`]: numbers that are loaded, added, multiplied and
//! compared side by side. [`Lanes`] are the vectors of an instruction set, in `f32` and in `f64`
//! (feature `simd`); a plain `f64` is a vector of one lane. A [`WideSum`] is a sum, and a
//! [`LogProduct`] a logarithm of a product, kept to more than the type's precision.
//!
//! A kernel enters its instruction set once, in [`Real`](crate::Real)'s hidden `run`. All that it
//! calls from there on is `inline(always)`: a call that is not inlined is compiled without the
//! instruction set, which costs a factor of ten and shows in nothing but the instruction counts.

#[cfg(feature = "simd")]
mod element;
#[cfg(feature = "simd")]
mod lanes;
mod plain;
#[cfg(feature = "simd")]
mod squares;

#[cfg(feature = "simd")]
pub(crate) use dispatch::{MOST_LANES, has_vectors, run_double, run_single};
#[cfg(feature = "simd")]
pub(crate) use squares::Squares;

use crate::Real;
use crate::numeric::DoubleDouble;
use crate::numeric::number::Number;

#[cfg(not(feature = "simd"))]
pub(crate) use without::{MOST_LANES, has_vectors, run_double};

/// Something to compute in vectors of the type `E`.
pub(crate) trait Kernel<E> {
    type Output;

    /// Computes it; `inline(always)`.
    fn run<V: Vector<Element = E>>(self, token: V::Token) -> Self::Output;
}

/// Numbers side by side that kernels load, compute with and store.
pub(crate) trait Vector: Number {
    /// What a vector is made with: the proof that the machine has the instruction set.
    type Token: Copy;
    /// The type of each number.
    type Element: Real;
    /// The vector as it lies in memory.
    type Raw: Copy;
    type Wide: WideSum<Self>;
    type Product: LogProduct<Self>;

    /// The widest spread of scores whose exponentials, relative to their midrange, have products and
    /// quotients of two in the range of normal numbers.
    const SPREAD: f64;

    /// Runs a kernel as a function of its own, in the instruction set of the token. Inlined into one
    /// function, kernels would take longer to compile, and an unoptimised build's stack frame would
    /// be megabytes.
    fn call<K: Kernel<Self::Element>>(token: Self::Token, kernel: K) -> K::Output;
    /// The number of lanes.
    fn lanes() -> usize;
    fn splat(token: Self::Token, x: f64) -> Self;
    fn all(token: Self::Token, x: Self::Element) -> Self;
    fn of(token: Self::Token, raw: Self::Raw) -> Self;
    fn raw(self) -> Self::Raw;
    /// The numbers as vectors, without the rest that does not fill one.
    fn raws(numbers: &[Self::Element]) -> &[Self::Raw];
    fn raws_mut(numbers: &mut [Self::Element]) -> &mut [Self::Raw];
    /// As many numbers as there are lanes, rounded to the type.
    fn narrowed(token: Self::Token, numbers: &[f64]) -> Self;
    /// The number of one lane.
    fn lane(self, k: usize) -> Self::Element;
    /// The greatest of the lanes, none of which is NaN.
    fn greatest_lane(self) -> Self::Element;
    /// The least of the lanes, none of which is NaN.
    fn least_lane(self) -> Self::Element;
    /// `self`, negated where `sign` is negative.
    #[must_use]
    fn flip(self, sign: Self) -> Self;
    /// e^(self + lost) within 1 ulp, where it is a normal number and `lost` below an ulp of self.
    #[must_use]
    fn exp_of_sum(self, lost: Self) -> Self;
    /// 2 artanh(self) = log((1 + self)/(1 − self)), for 0 ≤ self ≤ 1/3.
    #[must_use]
    fn twice_artanh(self) -> Self;
    /// 2^self − 1 where it is in the range, rounded, and what rounding took: together to 48 bits of
    /// `f32`, to 66 of `f64`. Beyond the range the result is not finite.
    fn exp2_m1(self) -> [Self; 2];
    /// Each number rounded to `f32`.
    #[must_use]
    fn rounded_to_single(self) -> Self;
    /// Turns `(rows, columns)` numbers into columns of rows.
    fn transpose(from: &[Self::Element], shape: (usize, usize), into: &mut [Self::Element]);

    /// The rounded sum, and what rounding took from it.
    #[inline(always)]
    fn plus_exactly(self, other: Self) -> (Self, Self) {
        let sum = self + other;
        let of_other = sum - self;
        (sum, (self - (sum - of_other)) + (other - of_other))
    }
}

/// A sum in each lane, kept to more than the precision of the type.
pub(crate) trait WideSum<V: Vector>: Copy {
    fn zero(token: V::Token) -> Self;
    fn add(&mut self, term: V);
    /// Adds a product together with what rounding takes from it.
    fn add_product(&mut self, a: V, b: V);
    fn plus(self, other: Self) -> Self;
    fn minus(self, other: Self) -> Self;
    /// The sums times numbers in `f64`, as many as there are lanes.
    fn scaled(self, factors: &[f64]) -> Self;
    /// The sums, rounded to the type.
    fn narrow(self) -> V;
    /// The sum of all lanes.
    fn total(self) -> DoubleDouble;
    /// Writes the sums, as many numbers as there are lanes.
    fn write(self, totals: &mut [f64]);
    /// The `k`th of many sums in memory, which take [`length`](Self::length) numbers each.
    fn load(token: V::Token, sums: &[f64], k: usize) -> Self;
    fn store(self, sums: &mut [f64], k: usize);
    fn length() -> usize;

    #[inline(always)]
    fn of(token: V::Token, x: V) -> Self {
        let mut sum = Self::zero(token);
        sum.add(x);
        sum
    }
}

/// Σ log(1 + x) in each lane, as the logarithm of a product.
pub(crate) trait LogProduct<V: Vector>: Copy {
    fn one(token: V::Token) -> Self;
    /// Multiplies by 1 + `part`.
    fn grow(&mut self, part: V);
    /// Moves the exponents out of the products, so that they do not run out.
    fn normalise(&mut self);
    fn ln(self) -> V::Wide;
}

/// Runs a kernel without an instruction set of its own.
pub(crate) fn run_plainly<K: Kernel<f64>>(kernel: K) -> K::Output {
    kernel.run::<f64>(())
}

#[cfg(not(feature = "simd"))]
mod without {
    use super::Kernel;

    pub(crate) const MOST_LANES: usize = 1;

    pub(crate) fn has_vectors() -> bool {
        false
    }

    pub(crate) fn run_double<K: Kernel<f64>>(_: usize, kernel: K) -> K::Output {
        super::run_plainly(kernel)
    }
}

#[cfg(feature = "simd")]
mod dispatch {
    use pulp::{Arch, Simd, WithSimd};

    use super::Kernel;
    use super::element::{Double, Element, Single};
    use super::lanes::Lanes;

    /// No instruction set has more lanes.
    pub(crate) const MOST_LANES: usize = 16;

    /// Whether the machine has an instruction set that the kernels are compiled for.
    ///
    /// WebAssembly leaves it open whether products are fused with sums, on which wide sums stand.
    pub(crate) fn has_vectors() -> bool {
        !cfg!(target_arch = "wasm32") && !matches!(instruction_set(), Arch::Scalar)
    }

    /// The widest of the machine, if a test does not ask for another.
    fn instruction_set() -> Arch {
        #[cfg(test)]
        if let Some(asked_for) = super::tests::ASKED_FOR.get() {
            return asked_for;
        }
        Arch::new()
    }

    /// Runs a kernel of `f32` in the machine's vectors.
    pub(crate) fn run_single<K: Kernel<f32>>(lanes: usize, kernel: K) -> K::Output {
        run::<Single, K>(lanes, kernel)
    }

    /// Runs a kernel of `f64` in the machine's vectors.
    pub(crate) fn run_double<K: Kernel<f64>>(lanes: usize, kernel: K) -> K::Output {
        if has_vectors() { run::<Double, K>(lanes, kernel) } else { super::run_plainly(kernel) }
    }

    /// A kernel of any vectors as pulp runs it: in those of one instruction set.
    pub(super) struct InLanes<E, K> {
        kernel: K,
        of: std::marker::PhantomData<E>,
    }

    impl<E, K> InLanes<E, K> {
        #[inline(always)]
        pub(super) fn new(kernel: K) -> Self {
            Self { kernel, of: std::marker::PhantomData }
        }
    }

    impl<E: Element, K: Kernel<E::Number>> WithSimd for InLanes<E, K> {
        type Output = K::Output;

        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) -> K::Output {
            self.kernel.run::<Lanes<S, E>>(simd)
        }
    }

    /// Runs a kernel in the narrowest instruction set that has `lanes` lanes, or else in the widest.
    #[allow(unused_variables)] // where there is but one
    fn run<E: Element, K: Kernel<E::Number>>(lanes: usize, kernel: K) -> K::Output {
        let kernel = InLanes::<E, K>::new(kernel);
        #[cfg(test)]
        if super::tests::AS_WIDE_AS_ANY.get() {
            return pulp::Scalar512b.vectorize(kernel);
        }
        match instruction_set() {
            #[cfg(target_arch = "x86_64")]
            Arch::V4(wide) if lanes <= E::lanes::<pulp::x86::V3>() => {
                let narrow: pulp::x86::V3 = *wide;
                Simd::vectorize(narrow, kernel)
            }
            #[cfg(target_arch = "x86_64")]
            Arch::V4(simd) => Simd::vectorize(simd, kernel),
            #[cfg(target_arch = "x86_64")]
            Arch::V3(simd) => Simd::vectorize(simd, kernel),
            #[cfg(target_arch = "aarch64")]
            Arch::Neon(simd) => Simd::vectorize(simd, kernel),
            _ => unreachable!("kernels are run where the machine has vectors"),
        }
    }
}

#[cfg(all(test, feature = "simd"))]
pub(crate) mod tests {
    use std::cell::Cell;

    use pulp::Arch;

    thread_local! {
        pub(super) static ASKED_FOR: Cell<Option<Arch>> = const { Cell::new(None) };
        pub(super) static AS_WIDE_AS_ANY: Cell<bool> = const { Cell::new(false) };
    }

    /// Runs a test in every instruction set that the machine has beside its widest, without vectors,
    /// and in arrays with as many lanes as any machine's vectors.
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
        ASKED_FOR.set(None);
        AS_WIDE_AS_ANY.set(true);
        test();
        AS_WIDE_AS_ANY.set(false);
    }
}
