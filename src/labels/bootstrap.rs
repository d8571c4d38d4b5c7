//! Intervals by resampling comparisons.

use ndarray::{Array1, Array2, Axis};

use super::comparisons::Comparisons;
use super::fit::positive;
use crate::Error;
use crate::numeric::SplitMix64;

/// Bootstrap intervals of whatever is estimated from comparisons.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Bootstrap {
    /// The lower ends `[K]`.
    pub low: Array1<f64>,
    /// The upper ends `[K]`.
    pub high: Array1<f64>,
    /// The standard deviations `[K]` over the resamples.
    pub standard_errors: Array1<f64>,
}

/// Percentile intervals of an estimate by the Bayesian bootstrap (Rubin 1981).
///
/// In each resample every comparison gets a random weight, exponential of mean 1, so that a count of
/// n becomes gamma(n). Unlike draws with replacement that never loses a comparison, and counts need
/// not be whole. But gamma(n) of an n far below 1, such as 1 − Ψ where Ψ is near 1, is mostly next to
/// nothing, where strengths without a [`Prior`](super::Prior) have no end. `coverage`, in (0, 1), is
/// the part of the resamples inside an interval. The same seed gives the same intervals.
///
/// ```
/// use lipo::labels::{BradleyTerry, Comparisons, bootstrap};
/// use ndarray::array;
///
/// let votes = Comparisons::from_counts(&array![[0.0, 30.0], [10.0, 0.0]], None)?;
/// let intervals = bootstrap(&votes, 1000, 0.95, 7, |votes| {
///     Ok(BradleyTerry::default().fit(votes)?.labels())
/// })?;
/// // Of a share of ¾ in 40 votes the standard error is √(¾ · ¼ / 41), and ψ has half of it.
/// assert!((intervals.standard_errors[0] - 0.0338).abs() < 0.003);
/// assert!(intervals.low[0] < 0.625 && 0.625 < intervals.high[0]);
/// # Ok::<(), lipo::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::Parameter`] where `resamples` is 0 or `coverage` is not in (0, 1), [`Error::Shape`] where
/// estimates differ in size, and the errors of `estimate`.
pub fn bootstrap(
    comparisons: &Comparisons,
    resamples: usize,
    coverage: f64,
    seed: u64,
    mut estimate: impl FnMut(&Comparisons) -> Result<Array1<f64>, Error>,
) -> Result<Bootstrap, Error> {
    positive("resamples", resamples as f64)?;
    if !(coverage > 0.0 && coverage < 1.0) {
        return Err(Error::Parameter { name: "coverage", value: coverage, range: "in (0, 1)" });
    }
    let mut random = SplitMix64::new(seed);
    let mut estimates: Vec<Array1<f64>> = Vec::new();
    for _ in 0..resamples {
        let estimate = estimate(&resampled(comparisons, &mut random)?)?;
        if let Some(first) = estimates.first() {
            crate::check::same_shape("estimate", estimate.shape(), first.shape())?;
        }
        estimates.push(estimate);
    }
    let size = estimates[0].len();
    let mut columns = Array2::from_shape_fn((size, resamples), |(k, r)| estimates[r][k]);
    let standard_errors = columns.std_axis(Axis(1), 0.0);
    let mut ends = [Array1::zeros(size), Array1::zeros(size)];
    for (k, mut column) in columns.outer_iter_mut().enumerate() {
        let column = column.as_slice_mut().unwrap_or_default();
        column.sort_unstable_by(f64::total_cmp);
        ends[0][k] = quantile(column, 0.5 * (1.0 - coverage));
        ends[1][k] = quantile(column, 0.5 * (1.0 + coverage));
    }
    let [low, high] = ends;
    Ok(Bootstrap { low, high, standard_errors })
}

fn resampled(comparisons: &Comparisons, random: &mut SplitMix64) -> Result<Comparisons, Error> {
    let mut pairs = comparisons.pairs().to_vec();
    for pair in &mut pairs {
        for count in [&mut pair.wins, &mut pair.losses, &mut pair.ties] {
            if *count > 0.0 {
                // Small shapes can give 0 in f64, which would lose the comparison.
                *count = random.gamma(*count).max(f64::MIN_POSITIVE);
            }
        }
    }
    Comparisons::from_pairs(comparisons.items(), pairs)
}

/// Between order statistics, linearly.
fn quantile(sorted: &[f64], q: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else {
        return f64::NAN;
    };
    let place = q * last as f64;
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // between 0 and last
    let below = (place as usize).min(last);
    let part = place - below as f64;
    sorted[below] + part * (sorted[(below + 1).min(last)] - sorted[below])
}
