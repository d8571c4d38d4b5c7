//! Orders of keys, under the one rule for equal keys.
//!
//! Larger comes first, equals by index (−0.0 equals 0.0), so that an order is always the same.

use std::cmp::Ordering;

/// Fills `order` with the indices that sort `keys` descending, equal keys by index.
///
/// NaN has a place too: above +∞ where its sign bit is clear, below −∞ where it is set.
///
/// ```
/// let mut order = Vec::new();
/// lipo::ranking::argsort_descending(&[0.5, 2.0, -0.0, 0.0, 2.0], &mut order);
/// assert_eq!(order, [1, 4, 0, 2, 3]);
/// ```
pub fn argsort_descending(keys: &[f64], order: &mut Vec<usize>) {
    let mut places = [0; FEW];
    if let Some(places) = places.get_mut(..keys.len())
        && rank_few(keys, places, true).is_some()
    {
        order.resize(keys.len(), 0);
        places.iter().enumerate().for_each(|(item, &place)| order[place] = item);
        return;
    }
    argsort_by_descending(keys, order, |_| 0);
}

/// Up to this many keys are ranked by counting instead of sorting.
pub(super) const FEW: usize = 16;

/// Fills `places` with the place of each of at most [`FEW`] keys in the order of
/// [`argsort_descending`], and returns whether any keys are equal. None where a key is NaN or, unless
/// equal keys go `by_index`, where any are equal; the places are then of no use.
///
/// The place of a key is the number of keys that come before it. Counting takes K² comparisons, but
/// has no branches that depend on the keys, and runs in vectors of fixed size: that is faster than any
/// sort.
pub(super) fn rank_few(keys: &[f64], places: &mut [usize], by_index: bool) -> Option<bool> {
    match keys.len() {
        0..=8 => rank_padded::<8>(keys, places, by_index),
        _ => rank_padded::<FEW>(keys, places, by_index),
    }
}

#[inline]
fn rank_padded<const N: usize>(keys: &[f64], places: &mut [usize], by_index: bool) -> Option<bool> {
    let (padded, mut before) = count_greater::<N>(keys);
    // Each pair of different keys was counted once.
    let pairs = keys.len() * keys.len().saturating_sub(1) / 2;
    let counted = |before: &[usize; N]| before[..keys.len()].iter().sum::<usize>();
    let tied = counted(&before) < pairs;
    if tied {
        if !by_index {
            return None;
        }
        let index: [f64; N] = std::array::from_fn(|i| i as f64);
        for (&key, &j) in keys.iter().zip(&index) {
            for i in 0..N {
                before[i] += usize::from(key == padded[i] && j < index[i]);
            }
        }
        // A NaN is in no order with others.
        if counted(&before) < pairs {
            return None;
        }
    }
    places.copy_from_slice(&before[..keys.len()]);
    Some(tied)
}

/// The keys, padded, and for each the number of keys that are greater. No padding is greater than
/// anything.
#[inline]
pub(crate) fn count_greater<const N: usize>(keys: &[f64]) -> ([f64; N], [usize; N]) {
    let mut padded = [f64::NEG_INFINITY; N];
    padded[..keys.len()].copy_from_slice(keys);
    let mut greater = [0; N];
    for &key in keys {
        for (greater, &other) in greater.iter_mut().zip(&padded) {
            *greater += usize::from(key > other);
        }
    }
    (padded, greater)
}

/// As [`argsort_descending`], with equal keys by a second key, ascending, before the index.
pub(crate) fn argsort_by_descending(
    keys: &[f64],
    order: &mut Vec<usize>,
    second: impl Fn(usize) -> u64,
) {
    order.clear();
    let first_then_second = |&i: &usize, &j: &usize| {
        descending(keys[i], keys[j]).then_with(|| (second(i), i).cmp(&(second(j), j)))
    };
    // Few keys come here where they are NaN or have a second key: packing does not pay for them.
    if usize::BITS < u64::BITS || keys.len() <= 20 {
        order.extend(0..keys.len());
        order.sort_unstable_by(first_then_second);
        return;
    }
    // Sorting numbers takes half as long as sorting indices by what they point to. So the index goes
    // where the last bits of the key are, and what only these tell apart is sorted after.
    let index_bits = if keys.len() < DIGITS_PAY || keys.len() > u32::MAX as usize {
        let index_bits = keys.len().next_power_of_two() - 1;
        let packed = |(i, &key): (usize, &f64)| descending_bits(key) & !index_bits | i;
        order.extend(keys.iter().enumerate().map(packed));
        order.sort_unstable();
        index_bits
    } else {
        sort_by_digits(keys, order);
        LAST_BITS
    };
    let (mut start, mut first) = (0, order[0]);
    for end in 1..=order.len() {
        let next = order.get(end).copied();
        order[end - 1] &= index_bits;
        if next.is_some_and(|packed| (packed ^ first) & !index_bits == 0) {
            continue;
        }
        let run = &mut order[start..end];
        if run.len() > 1 && !run.is_sorted_by(|i, j| first_then_second(i, j).is_lt()) {
            run.sort_unstable_by(first_then_second);
        }
        (start, first) = (end, next.unwrap_or(0));
    }
}

/// From so many keys on, sorting by digits is faster.
const DIGITS_PAY: usize = 400;
const DIGIT_BITS: u32 = 11;
/// Two digits come before them.
const LAST_BITS: usize = usize::MAX >> (2 * DIGIT_BITS);

/// Fills `order` with the first two digits in which keys differ, and with indices in the last bits;
/// sorts by the former.
fn sort_by_digits(keys: &[f64], order: &mut Vec<usize>) {
    order.extend(keys.iter().map(|&key| descending_bits(key)));
    let first = order[0];
    let differing = order.iter().fold(0, |bits, &key| bits | (key ^ first));
    let common = differing.leading_zeros().min(usize::BITS - 1);
    let mut counts = [[0; 1 << DIGIT_BITS]; 2];
    for (i, packed) in order.iter_mut().enumerate() {
        *packed = (*packed << common) & !LAST_BITS | i;
        counts[0][digit(*packed, 0)] += 1;
        counts[1][digit(*packed, 1)] += 1;
    }
    // The second half is for what is sorted by the second digit.
    order.resize(2 * keys.len(), 0);
    let (half, other_half) = order.split_at_mut(keys.len());
    scatter(half, other_half, 1, &mut counts[1]);
    scatter(other_half, half, 0, &mut counts[0]);
    order.truncate(keys.len());
}

fn digit(packed: usize, nth: u32) -> usize {
    packed << (nth * DIGIT_BITS) >> (usize::BITS - DIGIT_BITS)
}

/// Sorts by a digit, of whose values there are so many; equals stay as they are.
fn scatter(from: &[usize], to: &mut [usize], nth: u32, counts: &mut [u32]) {
    let mut start = 0;
    for count in &mut *counts {
        start += std::mem::replace(count, start);
    }
    for &packed in from {
        let place = &mut counts[digit(packed, nth)];
        to[*place as usize] = packed;
        *place += 1;
    }
}

/// Brings the `depth` greatest values, which are above −∞, to the front, in descending order.
pub(crate) fn sort_greatest(values: &mut [f64], depth: usize) {
    match values.len() {
        0..=8 => sort_few::<8>(values),
        9..=FEW => sort_few::<FEW>(values),
        _ => {
            let falling = |a: &f64, b: &f64| b.total_cmp(a);
            if depth < values.len() && depth > 0 {
                values.select_nth_unstable_by(depth - 1, falling);
            }
            values[..depth].sort_unstable_by(falling);
        }
    }
}

fn sort_few<const N: usize>(values: &mut [f64]) {
    let (_, greater) = count_greater::<N>(values);
    let mut sorted = [f64::NEG_INFINITY; N];
    for (&value, &place) in values.iter().zip(&greater) {
        sorted[place] = value;
    }
    // Equal values went to the first of their places; the others are still empty.
    let mut last = f64::INFINITY;
    for (value, sorted) in values.iter_mut().zip(sorted) {
        last = if sorted > f64::NEG_INFINITY { sorted } else { last };
        *value = last;
    }
}

/// The order of two keys where the larger comes first; total, with −0.0 equal to 0.0.
pub(crate) fn descending(a: f64, b: f64) -> Ordering {
    // Adding 0.0 turns −0.0 into 0.0 and leaves all else alone.
    (b + 0.0).total_cmp(&(a + 0.0))
}

/// A number that falls as the key grows.
#[allow(clippy::cast_possible_truncation)] // of use only where both have 64 bits
fn descending_bits(key: f64) -> usize {
    let bits = (key + 0.0).to_bits();
    (if bits >> 63 == 0 { !(bits | 1 << 63) } else { bits }) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rule, written down: what every other way must give.
    fn plainly(keys: &[f64], second: impl Fn(usize) -> u64) -> Vec<usize> {
        let mut order: Vec<_> = (0..keys.len()).collect();
        order.sort_by(|&i, &j| {
            descending(keys[i], keys[j]).then(second(i).cmp(&second(j))).then(i.cmp(&j))
        });
        order
    }

    /// Numbers that look random, the same ones every time.
    fn scramble(x: usize) -> u64 {
        (x as u64 ^ 0x5851_f42d).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29)
    }

    #[test]
    fn the_greatest_come_first() {
        for size in [0, 1, 5, 8, 9, 32, 33, 100] {
            let values: Vec<_> = (0..size).map(|i| (scramble(i) % 20) as f64 - 3.0).collect();
            let mut sorted = values.clone();
            sorted.sort_by(|a, b| b.total_cmp(a));
            for depth in [0, 1, 3, size].into_iter().filter(|&depth| depth <= size) {
                let mut greatest = values.clone();
                sort_greatest(&mut greatest, depth);
                assert_eq!(greatest[..depth], sorted[..depth], "{depth} of {size}");
            }
        }
    }

    #[test]
    fn packed_keys_are_sorted_as_plain_ones() {
        type Key = fn(usize) -> f64;
        let kinds: [(&str, Key); 9] = [
            ("all bit patterns", |i| f64::from_bits(scramble(i).wrapping_mul(scramble(i + 7)))),
            ("all equal", |_| -2.5),
            ("few values", |i| (scramble(i) % 5) as f64 - 2.0),
            ("zeros of both signs", |i| if scramble(i).is_multiple_of(2) { 0.0 } else { -0.0 }),
            ("neighbours", |i| f64::from_bits(1.0_f64.to_bits() + scramble(i) % 3000)),
            ("negative neighbours", |i| -f64::from_bits(1e300_f64.to_bits() + scramble(i) % 3000)),
            ("denormals", |i| f64::from_bits(scramble(i) % 500)),
            ("NaN and infinities", |i| {
                [f64::NAN, -f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0, 1.0][i * 7 % 6]
            }),
            ("sorted already", |i| i as f64),
        ];
        let mut order = vec![7; 3];
        for size in [
            0, 1, 2, 7, 8, 9, 15, 16, 17, 19, 20, 21, 22, 31, 32, 33, 64, 65, 399, 400, 1000, 1024,
            1025,
        ] {
            for (kind, key) in kinds {
                let keys: Vec<_> = (0..size).map(key).collect();
                argsort_descending(&keys, &mut order);
                assert_eq!(order, plainly(&keys, |_| 0), "{size} keys, {kind}");
                let second = |i| scramble(i) % 10;
                argsort_by_descending(&keys, &mut order, second);
                assert_eq!(order, plainly(&keys, second), "{size} keys, {kind}, by a second");
            }
        }
    }
}
