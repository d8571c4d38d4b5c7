//! Orders: the one rule for ties.
//!
//! Larger comes first, equals by index (−0.0 equals 0.0), so that an order is always the same.

use std::cmp::Ordering;

/// Fills `order` with the indices that sort `keys` descending, equal keys by index.
///
/// NaN has a place too: above +∞ where its sign bit is clear, below −∞ where it is set.
///
/// ```
/// let mut order = Vec::new();
/// lipo::order::argsort_descending(&[0.5, 2.0, -0.0, 0.0, 2.0], &mut order);
/// assert_eq!(order, [1, 4, 0, 2, 3]);
/// ```
pub fn argsort_descending(keys: &[f64], order: &mut Vec<usize>) {
    argsort_by_descending(keys, order, |_| 0);
}

/// As [`argsort_descending`], with equal keys by a second key, ascending, before the index.
pub(crate) fn argsort_by_descending(
    keys: &[f64],
    order: &mut Vec<usize>,
    second: impl Fn(usize) -> u64,
) {
    order.clear();
    order.extend(0..keys.len());
    order.sort_unstable_by(|&i, &j| {
        descending(keys[i], keys[j]).then_with(|| (second(i), i).cmp(&(second(j), j)))
    });
}

/// The order of two keys where the larger comes first; total, with −0.0 equal to 0.0.
pub(crate) fn descending(a: f64, b: f64) -> Ordering {
    // Adding 0.0 turns −0.0 into 0.0 and leaves all else alone.
    (b + 0.0).total_cmp(&(a + 0.0))
}
