//! What the kernels need to know of `f32` and `f64`, and the kernels compiled for each.

use std::any::TypeId;

use super::across::Across;
use super::along::{Along, Listwise};
use super::points::Points;
use super::{Buffers, OfType};
use crate::Real;
use crate::vector::{self, Element, FiniteRange};

/// What the kernels need to know of `f32` and `f64`.
pub trait Fast: Element {
    /// What scores may spread over: beyond it, exponentials or their quotients leave the range.
    const SPREAD: f64;
    /// Between these, products of results with factors stay in the range.
    const MODERATE: (f64, f64);
    /// Between these, so do products with item weights.
    const WEIGHTS: (f64, f64);
    /// The largest magnitude of a label whose 2^ψ, times anything else, stays in the range.
    const LARGEST_LABEL: f64;
    /// So many ratios as large as the spread allows, times K, have a product in the range of f64.
    const RATIOS: usize;
    /// List-MLE of no more items is faster in O(K²), side by side, than in order.
    const UNSORTED: usize;
    /// The fewest items that a list must have for kernels in this type.
    const FEWEST_ITEMS: usize;
    /// Beyond it, e^−x is no normal number.
    const LARGEST_EXPONENT: f64;
    /// Whether products with whole numbers are exact in f64.
    const EXACT_PRODUCTS: bool;
    /// The least mean of logarithms that a product of their arguments tells exactly.
    const LEAST_LOG: f64;

    fn buffers(room: &mut Buffers) -> &mut OfType<Self>;

    // The kernels, as functions that are not generic: these would be compiled again in every crate
    // that calls them.

    fn across(lists: usize, kernel: Across<'_, Self>);
    fn listwise(kernel: Listwise<'_, Self>);
    fn points(kernel: Points<'_, Self>);
    fn along(kernel: Along<'_, Self>) -> f64;
    fn finite_range(numbers: &[Self]) -> Option<(f64, f64)>;

    /// The slice itself where F is this type.
    fn same<F: Real>(slice: &mut [F]) -> Option<&mut [Self]> {
        if TypeId::of::<F>() != TypeId::of::<Self>() {
            return None;
        }
        pulp::bytemuck::try_cast_slice_mut(slice).ok()
    }
}

/// A type's kernels.
macro_rules! kernels {
    () => {
        fn across(lists: usize, kernel: Across<'_, Self>) {
            vector::dispatch_for::<Self, _>(lists, kernel);
        }

        fn listwise(kernel: Listwise<'_, Self>) {
            vector::dispatch(kernel);
        }

        fn points(kernel: Points<'_, Self>) {
            vector::dispatch(kernel);
        }

        fn along(kernel: Along<'_, Self>) -> f64 {
            vector::dispatch(kernel)
        }

        fn finite_range(numbers: &[Self]) -> Option<(f64, f64)> {
            vector::dispatch_for::<Self, _>(numbers.len(), FiniteRange(numbers))
        }
    };
}

impl Fast for f32 {
    kernels!();

    const SPREAD: f64 = 80.0;
    const RATIOS: usize = 7;
    const UNSORTED: usize = 144;
    const MODERATE: (f64, f64) = (1e-28, 1e28);
    const WEIGHTS: (f64, f64) = (1e-8, 1e8);
    const LARGEST_LABEL: f64 = 30.0;
    const FEWEST_ITEMS: usize = 8;
    const LARGEST_EXPONENT: f64 = 87.0;
    const EXACT_PRODUCTS: bool = true;
    const LEAST_LOG: f64 = 4e-9; // 2⁻²⁸: the products are in f64

    fn buffers(room: &mut Buffers) -> &mut OfType<Self> {
        &mut room.single
    }
}

impl Fast for f64 {
    kernels!();

    const SPREAD: f64 = 600.0;
    const RATIOS: usize = 1;
    const UNSORTED: usize = 72;
    const MODERATE: (f64, f64) = (1e-200, 1e200);
    const WEIGHTS: (f64, f64) = (1e-100, 1e100);
    const LARGEST_LABEL: f64 = 500.0;
    const FEWEST_ITEMS: usize = 2;
    const LARGEST_EXPONENT: f64 = 708.0;
    const EXACT_PRODUCTS: bool = false;
    const LEAST_LOG: f64 = 1e-290;

    fn buffers(room: &mut Buffers) -> &mut OfType<Self> {
        &mut room.double
    }
}
