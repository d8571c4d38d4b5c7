//! Intervals by resampling comparisons or rankings.

use ndarray::{Array1, Array2, Axis, Zip};

use super::comparisons::Comparisons;
use super::limits::positive;
use super::rankings::Rankings;
use crate::Error;
use crate::check::{check_room, same_shape};
use crate::numeric::SplitMix64;

/// Bootstrap intervals of whatever is estimated from comparisons or rankings.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Bootstrap {
    /// The lower ends `[K]`.
    pub low: Array1<f64>,
    /// The upper ends `[K]`.
    pub high: Array1<f64>,
    /// The standard deviations `[K]` over the resamples.
    pub standard_errors: Array1<f64>,
    /// The number of resamples that had an estimate; the intervals are theirs.
    pub estimates: usize,
    /// The number of resamples that had none.
    pub failures: usize,
    /// Why the first that had none had none.
    pub first_failure: Option<Error>,
}

/// Data whose counts can be drawn anew: [`Comparisons`] and [`Rankings`].
pub trait Resample: Sized + Sync + sealed::Sealed {}

impl Resample for Comparisons {}
impl Resample for Rankings {}

mod sealed {
    use super::{Comparisons, Error, Rankings};

    pub trait Sealed: Sized {
        fn with_counts(&self, count: impl FnMut(f64) -> f64) -> Result<Self, Error>;
    }

    impl Sealed for Comparisons {
        fn with_counts(&self, count: impl FnMut(f64) -> f64) -> Result<Self, Error> {
            self.recounted(count)
        }
    }

    impl Sealed for Rankings {
        fn with_counts(&self, count: impl FnMut(f64) -> f64) -> Result<Self, Error> {
            self.recounted(count)
        }
    }
}

/// Percentile intervals of an estimate by the Bayesian bootstrap (Rubin 1981).
///
/// In each resample every comparison or ranking gets a random weight, exponential of mean 1, so that
/// a count of n becomes gamma(n). Unlike draws with replacement that never loses a comparison, and
/// counts need not be whole. But gamma(n) of an n far below 1, such as 1 − Ψ where Ψ is near 1, is
/// mostly next to nothing, and strengths without a [`Prior`](super::Prior) may then be too far apart
/// for an iteration. A resample without an estimate is counted as one, and the intervals are those of
/// the others: where failures are many, they are too short.
///
/// `coverage`, in (0, 1), is the part of the resamples inside an interval. The same seed gives the same
/// intervals, with the feature `rayon` too, which runs resamples side by side.
/// [`BradleyTerry::fit_from`](super::BradleyTerry::fit_from) makes each fit shorter.
///
/// ```
/// use lipo::labels::{BradleyTerry, Comparisons, Estimator, bootstrap};
/// use ndarray::array;
///
/// let votes = Comparisons::from_counts(&array![[0.0, 30.0], [10.0, 0.0]], None)?;
/// let model = BradleyTerry::default();
/// let fit = model.fit(&votes)?;
/// let intervals = bootstrap(&votes, 1000, 0.95, 7, |votes| {
///     Ok(model.fit_from(votes, &fit)?.labels())
/// })?;
/// // Of a share of ¾ in 40 votes the standard error is √(¾ · ¼ / 41), and ψ has half of it.
/// assert!((intervals.standard_errors[0] - 0.0338).abs() < 0.003);
/// assert!(intervals.low[0] < 0.625 && 0.625 < intervals.high[0]);
/// assert_eq!(intervals.estimates, 1000);
/// # Ok::<(), lipo::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::Parameter`] where `resamples` is 0, or more than there is memory for, or `coverage` is not
/// in (0, 1); [`Error::Shape`] where estimates differ in size; where no resample has an estimate, the
/// error of the first.
pub fn bootstrap<Data: Resample>(
    data: &Data,
    resamples: usize,
    coverage: f64,
    seed: u64,
    estimate: impl Fn(&Data) -> Result<Array1<f64>, Error> + Sync,
) -> Result<Bootstrap, Error> {
    positive("resamples", resamples as f64)?;
    if !(coverage > 0.0 && coverage < 1.0) {
        return Err(Error::Parameter { name: "coverage", value: coverage, range: "in (0, 1)" });
    }
    check_room::<[usize; 16]>("resamples", resamples)?;
    // A seed for each, so that it does not matter which is drawn first.
    let mut random = SplitMix64::new(seed);
    let seeds: Array1<u64> = (0..resamples).map(|_| random.next()).collect();
    let resample = |&seed: &u64| {
        let mut random = SplitMix64::new(seed);
        estimate(&data.with_counts(|count| gamma(count, &mut random))?)
    };
    let mut results: Array1<Option<Result<Array1<f64>, Error>>> =
        Array1::from_elem(resamples, None);
    let zip = Zip::from(&mut results).and(&seeds);
    #[cfg(feature = "rayon")]
    zip.par_for_each(|result, seed| *result = Some(resample(seed)));
    #[cfg(not(feature = "rayon"))]
    zip.for_each(|result, seed| *result = Some(resample(seed)));

    let (mut estimates, mut first_failure) = (Vec::new(), None);
    for result in results.into_iter().flatten() {
        match result {
            Ok(estimate) => estimates.push(estimate),
            Err(error) => first_failure = first_failure.or(Some(error)),
        }
    }
    let Some(first) = estimates.first() else {
        let never = Error::Parameter { name: "resamples", value: 0.0, range: "at least 1" };
        return Err(first_failure.unwrap_or(never));
    };
    let size = first.len();
    for estimate in &estimates {
        same_shape("estimate", estimate.shape(), &[size])?;
    }
    let count = estimates.len();
    check_room::<f64>("estimates", size.saturating_mul(count))?;
    let mut columns = Array2::from_shape_fn((size, count), |(k, r)| estimates[r][k]);
    let standard_errors = columns.std_axis(Axis(1), 0.0);
    let mut ends = [Array1::zeros(size), Array1::zeros(size)];
    for (k, mut column) in columns.outer_iter_mut().enumerate() {
        let column = column.as_slice_mut().unwrap_or_default();
        column.sort_unstable_by(f64::total_cmp);
        ends[0][k] = quantile(column, 0.5 * (1.0 - coverage));
        ends[1][k] = quantile(column, 0.5 * (1.0 + coverage));
    }
    let [low, high] = ends;
    let failures = resamples - count;
    Ok(Bootstrap { low, high, standard_errors, estimates: count, failures, first_failure })
}

/// Gamma of a shape, which is exponential where the shape is 1, as most counts are.
fn gamma(shape: f64, random: &mut SplitMix64) -> f64 {
    if shape == 1.0 { -random.uniform().ln() } else { random.gamma(shape) }
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
