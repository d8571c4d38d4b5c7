//! Strengths by counting: average win rate, Borda, Copeland.

use ndarray::Array1;

use super::comparisons::Comparisons;
use super::limits::positive;
use crate::Error;
use crate::numeric::Sum;

/// The average win rate `[K]`: the mean, over the opponents that an item met, of its share of points
/// against them, a tie being half a point for each.
///
/// Each opponent counts alike, however often it was met. Where all pairs were compared, the label is
/// ψ_k = (½ + (K − 1) · rate_k) / K: an item's own Ψ_kk = ½ is part of ψ, and not of the rate.
///
/// ```
/// use lipo::labels::{self, Comparison, Comparisons, Outcome};
///
/// let votes = [(0, 1, Outcome::First), (1, 0, Outcome::Tie), (0, 2, Outcome::Second)];
/// let votes = votes.map(|(i, j, outcome)| Comparison::new(i, j, outcome));
/// let votes = Comparisons::from_records(3, votes)?;
/// assert_eq!(labels::average_win_rate(&votes)?.to_vec(), [0.375, 0.25, 1.0]);
/// # Ok::<(), lipo::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::Unconnected`] where comparisons do not link all items: rates from different parts say
/// nothing about each other. [`average_win_rate_with_prior`] takes them all the same.
pub fn average_win_rate(comparisons: &Comparisons) -> Result<Array1<f64>, Error> {
    comparisons.check_connected()?;
    Ok(rates(comparisons, 0.0))
}

/// [`average_win_rate`] where each item has also met `opponents` more opponents, > 0, who share the
/// points with everyone. It needs no connected comparisons; an item that was never compared has ½.
///
/// # Errors
///
/// [`Error::Parameter`] where `opponents` is not finite and positive.
pub fn average_win_rate_with_prior(
    comparisons: &Comparisons,
    opponents: f64,
) -> Result<Array1<f64>, Error> {
    positive("opponents of the prior", opponents)?;
    Ok(rates(comparisons, opponents))
}

fn rates(comparisons: &Comparisons, prior_opponents: f64) -> Array1<f64> {
    let mut met = vec![0_usize; comparisons.items()];
    let mut rates = vec![Sum::default(); comparisons.items()];
    for pair in comparisons.both_orders() {
        // The loser's share is no difference from 1: of 10⁹ to 1 it has all its digits.
        for (item, share) in [pair.first(), pair.second()].into_iter().zip(pair.shares()) {
            met[item] += 1;
            rates[item].add(share);
        }
    }
    let rate = |(mut sum, met): (Sum, usize)| {
        sum.add(0.5 * prior_opponents);
        let opponents = met as f64 + prior_opponents;
        // A single item has no opponent.
        if opponents > 0.0 { sum.total() / opponents } else { 0.5 }
    };
    rates.into_iter().zip(met).map(rate).collect()
}

/// Borda counts `[K]`: an item's wins, and half of its ties, against all others.
///
/// Where every pair was compared once, that is how many items it beats. Items that were compared
/// more often have higher counts.
///
/// ```
/// use lipo::labels::{self, Comparisons};
/// use ndarray::array;
///
/// // Two rankings of three items.
/// let ranked = Comparisons::from_ranks(&array![[1.0, 2.0, 3.0], [1.0, 3.0, 2.0]])?;
/// assert_eq!(labels::borda(&ranked)?.to_vec(), [4.0, 1.0, 1.0]);
/// # Ok::<(), lipo::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::Unconnected`] where comparisons do not link all items.
pub fn borda(comparisons: &Comparisons) -> Result<Array1<f64>, Error> {
    comparisons.check_connected()?;
    let mut points = vec![Sum::default(); comparisons.items()];
    for pair in comparisons.pairs() {
        points[pair.first()].add(pair.points());
        points[pair.second()].add(pair.points_of_second());
    }
    Ok(points.into_iter().map(Sum::total).collect())
}

/// Copeland counts `[K]`: how many others an item has more points against than they have against it,
/// and half of those it is level with. An opponent it never met counts nothing.
///
/// ```
/// use lipo::labels::{self, Comparisons};
/// use ndarray::array;
///
/// let ranked = Comparisons::from_ranks(&array![[1.0, 2.0, 3.0], [1.0, 3.0, 2.0]])?;
/// assert_eq!(labels::copeland(&ranked)?.to_vec(), [2.0, 0.5, 0.5]);
/// # Ok::<(), lipo::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::Unconnected`] where comparisons do not link all items.
pub fn copeland(comparisons: &Comparisons) -> Result<Array1<f64>, Error> {
    comparisons.check_connected()?;
    let mut counts = Array1::zeros(comparisons.items());
    for pair in comparisons.both_orders() {
        let (gained, lost) = if pair.wins > pair.losses {
            (1.0, 0.0)
        } else if pair.wins < pair.losses {
            (0.0, 1.0)
        } else {
            (0.5, 0.5)
        };
        counts[pair.first()] += gained;
        counts[pair.second()] += lost;
    }
    Ok(counts)
}
