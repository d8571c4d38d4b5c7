//! How the values of lists become one.

use crate::Real;
use crate::numeric::{DoubleDouble, WideRangeSum};

/// How the values of lists become one.
///
/// W are the list weights, 1 where none are given, l the per-list values; the gradient is that of
/// the reduced value. [`LossExt::per_list`](super::LossExt::per_list) does not reduce at all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reduction {
    /// Σ W·l / N, N the number of lists with at least one item (LiPO, Eq. 3); 0 where N = 0.
    #[default]
    MeanOverLists,
    /// Σ W·l.
    Sum,
    /// Σ W·l divided by the number of terms of all lists ([`Loss::terms`](super::Loss::terms)), which is Rax's mean; 0
    /// where there are none.
    MeanOverTerms,
}

/// What a batch adds up to, before it is reduced.
///
/// Totals of parts of a batch (shards, blocks of a stream) add up to that of the whole, up to the
/// rounding of a compensated sum: that is how to reduce what does not fit into one call. The values
/// are added up in `f64`, before any of them is rounded to `f32`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Total {
    values: WideRangeSum,
    pub(super) lists: usize,
    pub(super) terms: u64,
}

impl Total {
    /// Adds the values of lists without weights.
    pub(super) fn add_all(&mut self, values: &[f64]) {
        let moderate = |value: &f64| value.abs() < WideRangeSum::LARGE;
        if !values.iter().all(moderate) {
            return values.iter().for_each(|&value| self.values.add(value));
        }
        // Four sums side by side, so that no addition waits for the one before.
        let mut sums = [[0.0_f64; 4]; 2];
        let chunks = values.chunks_exact(4);
        let rest = chunks.remainder();
        for chunk in chunks {
            for (lane, &value) in chunk.iter().enumerate() {
                let sum = DoubleDouble::sum(sums[0][lane], value);
                sums[0][lane] = sum.hi;
                sums[1][lane] += sum.lo;
            }
        }
        let sums = sums.into_iter().flatten().chain(rest.iter().copied());
        let sum = sums.fold(DoubleDouble::ZERO, |sum, term| sum + term.into());
        self.values.add_moderate_sum(sum);
    }

    pub(super) fn add(&mut self, weight: f64, value: f64) {
        // A weight of 0 takes part, with 0, even where the value is infinite.
        if weight != 0.0 {
            self.values.add_product(weight, value);
        }
    }

    /// The total of both.
    #[must_use]
    pub fn merge(mut self, other: Self) -> Self {
        self.values.merge(other.values);
        self.lists += other.lists;
        self.terms += other.terms;
        self
    }

    /// The reduced value.
    #[must_use]
    pub fn reduce<F: Real>(&self, reduction: Reduction) -> F {
        let divisor = self.divisor(reduction);
        if divisor == 0.0 { F::zero() } else { F::narrow(self.values.divided_by(divisor)) }
    }

    /// The number of lists with at least one item.
    #[must_use]
    pub fn lists(&self) -> usize {
        self.lists
    }

    /// The number of terms ([`Loss::terms`](super::Loss::terms)).
    #[must_use]
    pub fn terms(&self) -> u64 {
        self.terms
    }

    /// What the sum is divided by; 0 where there is nothing to divide.
    pub(super) fn divisor(&self, reduction: Reduction) -> f64 {
        match reduction {
            Reduction::MeanOverLists => self.lists as f64,
            Reduction::Sum => 1.0,
            Reduction::MeanOverTerms => self.terms as f64,
        }
    }
}
