//! Means, their bootstrap intervals, and log-softmax.

use ndarray::{Array, Axis, Dimension};
use num_traits::Float;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde::Serialize;

/// The mean of values; NaN of none.
pub fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Log-softmax along the last axis: logits become log-probabilities, log softmax(z)_v = z_v − log Σ_u e^(z_u).
pub fn log_softmax<F: Float, D: Dimension>(mut logits: Array<F, D>) -> Array<F, D> {
    let last = Axis(logits.ndim() - 1);
    for mut lane in logits.lanes_mut(last) {
        // The greatest is taken out first, so that no exponential overflows.
        let greatest = lane.fold(F::neg_infinity(), |greatest, &logit| greatest.max(logit));
        let sum = lane.fold(F::zero(), |sum, &logit| sum + (logit - greatest).exp());
        let log_sum = greatest + sum.ln();
        lane.mapv_inplace(|logit| logit - log_sum);
    }
    logits
}

/// A mean and its 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Interval {
    pub mean: f64,
    pub low: f64,
    pub high: f64,
}

impl Interval {
    /// A figure that is known, or whose interval is not.
    pub fn exact(mean: f64) -> Self {
        Self { mean, low: mean, high: mean }
    }

    /// The interval in other units.
    pub fn scaled(self, by: f64) -> Self {
        Self { mean: self.mean * by, low: self.low * by, high: self.high * by }
    }

    /// Half the interval's width.
    pub fn margin(self) -> f64 {
        (self.high - self.low) / 2.0
    }
}

/// The mean over all values of all groups, with a percentile bootstrap interval of 95 %.
///
/// Of several groups (seeds) it draws groups, then values within each drawn group, so that the
/// interval covers both; of one group it draws values. Deterministic by `seed`; 0 values give NaN.
pub fn bootstrap(groups: &[Vec<f64>], seed: u64) -> Interval {
    const RESAMPLES: usize = 1000;
    let total = |group: &Vec<f64>| (group.iter().sum::<f64>(), group.len());
    let mean_of = |totals: &mut dyn Iterator<Item = (f64, usize)>| {
        let (sum, count) = totals.fold((0.0, 0), |a, b| (a.0 + b.0, a.1 + b.1));
        sum / count as f64
    };
    let mean = mean_of(&mut groups.iter().map(total));
    if mean.is_nan() {
        return Interval::exact(mean);
    }
    let mut rng = StdRng::seed_from_u64(seed);
    let groups: Vec<_> = groups.iter().filter(|group| !group.is_empty()).collect();
    let mut means: Vec<_> = (0..RESAMPLES)
        .map(|_| {
            mean_of(&mut (0..groups.len()).map(|_| {
                let group = groups[rng.random_range(0..groups.len())];
                let drawn = (0..group.len()).map(|_| group[rng.random_range(0..group.len())]);
                (drawn.sum(), group.len())
            }))
        })
        .collect();
    means.sort_unstable_by(f64::total_cmp);
    Interval { mean, low: quantile(&means, 0.025), high: quantile(&means, 0.975) }
}

/// A quantile of sorted values, linear between them.
fn quantile(sorted: &[f64], q: f64) -> f64 {
    let place = q * (sorted.len() - 1) as f64;
    let below = place.floor();
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // 0 ≤ q ≤ 1
    let (low, high) = (sorted[below as usize], sorted[place.ceil() as usize]);
    low + (high - low) * (place - below)
}
