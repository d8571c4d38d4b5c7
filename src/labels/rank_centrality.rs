//! Rank centrality (Negahban, Oh and Shah, *Rank centrality: ranking from pairwise comparisons*,
//! Operations Research 65, 2017).
//!
//! A walk goes from i to a random opponent j with probability P_ij = (1/d) · a_ij, a_ij being j's share
//! of the points against i and d the greatest number of opponents; otherwise it stays. Strengths are
//! the shares of its time: π = π P, or, whatever d is,
//!
//! π_j ← Σ_i π_i a_ij / Σ_i a_ji, one item after the other
//!
//! which has no differences, so that the least share has as many right digits as the greatest.

use super::comparisons::{Comparisons, Pair};
use super::estimator::{Estimator, setters};
use super::fit::Fit;
use super::prior::check_size;
use super::stopping::Stopping;
use super::sweeps::{Opponents, Sweep, sweep};
use crate::Error;

/// Strengths by rank centrality: the stationary distribution of a walk towards winners.
///
/// Under a Bradley–Terry model the shares of points tend to π_j/(π_i + π_j), and π to the strengths;
/// [`Fit::shares`] is π. The residual is how far θ = log π still has to go, the changes of the
/// iterations falling off as they have until then. A tie is half a point for each.
///
/// ```
/// use lipo::labels::{Comparisons, Estimator, RankCentrality};
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
    /// How many wins and losses each compared pair has on top of its own, 0 or from 10⁻¹⁵⁰ to 10¹⁵⁰: the
    /// ε of the paper, which keeps pairs that only one item won from being a dead end.
    pub pseudo_counts: f64,
    /// When the iteration stops.
    pub stopping: Stopping,
}

impl Default for RankCentrality {
    fn default() -> Self {
        Self { pseudo_counts: 0.0, stopping: Stopping::new(1e-12, 100_000) }
    }
}

setters! { RankCentrality {
    /// With another number of wins and losses on top.
    pseudo_counts: f64,
    /// With another rule for stopping.
    stopping: Stopping,
} }

impl Estimator for RankCentrality {
    /// Fits the strengths.
    ///
    /// # Errors
    ///
    /// [`Error::Unconnected`], and without pseudo-counts [`Error::Separable`]: a walk does not leave
    /// the items that never lost; [`Error::NotConverged`]; [`Error::Parameter`] for pseudo-counts or
    /// a tolerance out of their range.
    fn fit(&self, comparisons: &Comparisons) -> Result<Fit, Error> {
        self.stopping.check()?;
        if self.pseudo_counts == 0.0 {
            comparisons.check_strongly_connected()?;
        } else {
            check_size("pseudo-counts", self.pseudo_counts)?;
            comparisons.check_connected()?;
        }
        // Divided first, so that no sum overflows.
        let shares = |pair: &Pair| {
            let pseudo = self.pseudo_counts / pair.total();
            let with_pseudo = |share: f64| (share + pseudo) / (1.0 + 2.0 * pseudo);
            if pseudo.is_finite() { pair.shares().map(with_pseudo) } else { [0.5; 2] }
        };
        let pairs = comparisons.both_orders();
        let mut walk = Walk(Opponents::new(comparisons.items(), &pairs, shares));
        let mut strengths = vec![0.0; comparisons.items()];
        let convergence = sweep(&mut walk, &mut strengths, &self.stopping);
        let convergence = self.stopping.accept("rank centrality", convergence)?;
        Ok(Fit::new(strengths, convergence))
    }
}

/// What the walk brings to an item balances what it takes away.
struct Walk(Opponents);

impl Sweep for Walk {
    fn step(&self, item: usize, strengths: &[f64]) -> f64 {
        let (mut brought, mut taken) = (0.0, 0.0);
        for opponent in self.0.of(item) {
            brought += opponent.earned * (strengths[opponent.item] - strengths[item]).exp();
            taken += opponent.conceded;
        }
        if brought > 0.0 || taken > 0.0 { brought.ln() - taken.ln() } else { 0.0 }
    }

    fn is_free_to_shift(&self) -> bool {
        true
    }
}
