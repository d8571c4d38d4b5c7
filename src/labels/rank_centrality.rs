//! Rank centrality (Negahban, Oh and Shah, *Rank centrality: ranking from pairwise comparisons*,
//! Operations Research 65, 2017).
//!
//! A walk goes from i to a random opponent j with probability P_ij = (1/d) · a_ij, a_ij being j's share
//! of the points against i and d the greatest number of opponents; otherwise it stays. Strengths are
//! the shares of its time: π = π P.

use super::comparisons::Comparisons;
use super::fit::{Convergence, Fit, Stopping};
use crate::Error;

/// Strengths by rank centrality: the stationary distribution of a walk towards winners.
///
/// Under a Bradley–Terry model the shares of points tend to π_j/(π_i + π_j), and π to the strengths;
/// [`Fit::shares`] is π. The residual is the greatest |π P − π| / π: the last change of a θ, which bounds
/// the error where the walk mixes in a few steps. A tie is half a point for each.
///
/// ```
/// use lipo::labels::{Comparisons, RankCentrality};
/// use ndarray::array;
///
/// let votes = Comparisons::from_counts(&array![[0.0, 3.0], [1.0, 0.0]], None)?;
/// let fit = RankCentrality::default().fit(&votes)?;
/// assert!((fit.shares()[0] - 0.75).abs() < 1e-9);
/// # Ok::<(), lipo::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct RankCentrality {
    /// How many wins and losses each compared pair has on top of its own, ≥ 0: the ε of the paper,
    /// which keeps pairs that only one item won from being a dead end.
    pub pseudo_counts: f64,
    /// When the iteration stops.
    pub stopping: Stopping,
}

impl Default for RankCentrality {
    fn default() -> Self {
        Self { pseudo_counts: 0.0, stopping: Stopping::new(1e-12, 100_000) }
    }
}

impl RankCentrality {
    /// With another number of wins and losses on top.
    #[must_use]
    pub fn pseudo_counts(self, pseudo_counts: f64) -> Self {
        Self { pseudo_counts, ..self }
    }

    /// With another rule for stopping.
    #[must_use]
    pub fn stopping(self, stopping: Stopping) -> Self {
        Self { stopping, ..self }
    }

    /// Fits the strengths.
    ///
    /// # Errors
    ///
    /// [`Error::Unconnected`], and without pseudo-counts [`Error::Separable`]: a walk does not leave
    /// the items that never lost; [`Error::NotConverged`]; [`Error::Parameter`] for pseudo-counts
    /// that are not finite and ≥ 0, or a tolerance that is not finite and positive.
    pub fn fit(&self, comparisons: &Comparisons) -> Result<Fit, Error> {
        self.stopping.check()?;
        if self.pseudo_counts == 0.0 {
            comparisons.check_strongly_connected()?;
        } else {
            super::fit::positive("pseudo-counts", self.pseudo_counts)?;
            comparisons.check_connected()?;
        }
        let items = comparisons.items();
        let mut opponents = vec![0_usize; items];
        let pairs: Vec<(usize, usize, f64)> = comparisons
            .both_orders()
            .into_iter()
            .map(|pair| {
                opponents[pair.first] += 1;
                opponents[pair.second] += 1;
                // Divided first, so that no sum overflows.
                let total = pair.total();
                let pseudo = self.pseudo_counts / total;
                let share = if pseudo.is_finite() {
                    (pair.points() / total + pseudo) / (1.0 + 2.0 * pseudo)
                } else {
                    0.5
                };
                (pair.first, pair.second, share)
            })
            .collect();
        let most = opponents.into_iter().max().unwrap_or(0).max(1) as f64;
        let mut shares = vec![1.0 / items.max(1) as f64; items];
        let mut convergence =
            Convergence { iterations: 0, residual: f64::INFINITY, converged: false };
        let mut flow = vec![0.0; items];
        while !convergence.converged && convergence.iterations < self.stopping.max_iterations {
            flow.fill(0.0);
            for &(first, second, share) in &pairs {
                let to_first = shares[second] * share - shares[first] * (1.0 - share);
                flow[first] += to_first;
                flow[second] -= to_first;
            }
            // Relative to each share: small ones have to be right too, as their logarithms are.
            let residual = flow.iter().zip(&shares).fold(0.0_f64, |greatest, (flow, share)| {
                let change = (flow / (most * share)).abs();
                if change.is_nan() { f64::INFINITY } else { greatest.max(change) }
            });
            shares.iter_mut().zip(&flow).for_each(|(share, flow)| *share += flow / most);
            convergence.iterations += 1;
            convergence.residual = residual;
            convergence.converged = residual <= self.stopping.tolerance;
        }
        let convergence = self.stopping.accept("rank centrality", convergence)?;
        // Shares below the range, which an unconverged fit may have.
        let strengths = shares.iter().map(|share| share.max(f64::MIN_POSITIVE).ln()).collect();
        Ok(Fit::new(strengths, convergence))
    }
}
