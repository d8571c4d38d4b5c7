//! Newman's iteration for Bradley–Terry strengths (*Efficient computation of rankings from pairwise
//! comparisons*, JMLR 24, 2023).
//!
//! π_i ← Σ_j w_ij π_j/(π_i + π_j) / Σ_j w_ji/(π_i + π_j), one item after the other
//!
//! w_ij being the points of i against j. With Davidson's ties (ν = 2v in the paper's terms) π_j/(…)
//! becomes the points that j can expect. In θ = log π: θ_i ← θ_i + log Σ_j w_ij e_ji − log Σ_j w_ji e_ij,
//! where e_ij are the points that i can expect against j.

use super::comparisons::{Comparisons, Pair};
use super::estimator::{Estimator, setters};
use super::existence;
use super::fit::Fit;
use super::prior::{Prior, check_size};
use super::stopping::Stopping;
use super::sweeps::{Opponent, Opponents, Sweep, sweep};
use super::ties::{TieModel, Ties, davidson};
use crate::Error;
use crate::numeric::Logistic;

/// Bradley–Terry strengths by Newman's iteration: the maximum that
/// [`BradleyTerry`](super::BradleyTerry) finds too, by steps that are cheap and many.
///
/// The residual is how far θ still has to go, the changes of the iterations falling off as they have
/// until then.
///
/// ```
/// use lipo::labels::{BradleyTerry, Comparisons, Estimator, Newman};
/// use ndarray::array;
///
/// let wins = array![[0.0, 3.0, 2.0], [1.0, 0.0, 4.0], [1.0, 2.0, 0.0]];
/// let votes = Comparisons::from_counts(&wins, None)?;
/// let (newman, newton) = (Newman::default().fit(&votes)?, BradleyTerry::default().fit(&votes)?);
/// assert!((newman.strengths[0] - newton.strengths[0]).abs() < 1e-8);
/// # Ok::<(), lipo::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Newman {
    /// Whether ties are an outcome of their own, with Davidson's ν fitted, not half-wins.
    pub davidson: bool,
    /// How often each item has won and lost against one more item of strength 1: 0 is no prior, 1 the
    /// paper's; others are a [`Prior::PseudoCounts`], from 10⁻¹⁵⁰ to 10¹⁵⁰.
    pub pseudo_counts: f64,
    /// When the iteration stops.
    pub stopping: Stopping,
}

impl Default for Newman {
    fn default() -> Self {
        Self { davidson: false, pseudo_counts: 0.0, stopping: Stopping::new(1e-10, 100_000) }
    }
}

setters! { Newman {
    /// With another number of wins and losses against one more item of strength 1.
    pseudo_counts: f64,
    /// With another rule for stopping.
    stopping: Stopping,
} }

impl Newman {
    /// With Davidson's ties.
    #[must_use]
    pub fn davidson(self) -> Self {
        Self { davidson: true, ..self }
    }
}

impl Estimator for Newman {
    /// Fits the strengths.
    ///
    /// # Errors
    ///
    /// Those of [`BradleyTerry`](super::BradleyTerry).
    fn fit(&self, comparisons: &Comparisons) -> Result<Fit, Error> {
        self.stopping.check()?;
        let prior = if self.pseudo_counts == 0.0 {
            Prior::None
        } else {
            check_size("pseudo-counts", self.pseudo_counts)?;
            Prior::PseudoCounts(self.pseudo_counts)
        };
        let ties = if self.davidson { Ties::Davidson } else { Ties::HalfWins };
        let ties = ties.starting_at(comparisons);
        existence::check(comparisons, ties.has_ties(), false, prior)?;
        let pairs = comparisons.both_orders();
        let earned = |pair: &Pair| [pair.points(), pair.points_of_second()];
        let mut balance = Balance {
            opponents: Opponents::new(comparisons.items(), &pairs, earned),
            pairs,
            ties,
            pseudo_counts: self.pseudo_counts,
        };
        let mut strengths = vec![0.0; comparisons.items()];
        let convergence = sweep(&mut balance, &mut strengths, &self.stopping);
        let convergence = self.stopping.accept("Newman's iteration", convergence)?;
        Ok(Fit { ties: balance.ties, ..Fit::new(strengths, convergence) })
    }
}

/// An item's points balance those that it could expect to concede.
struct Balance {
    opponents: Opponents,
    pairs: Vec<Pair>,
    ties: TieModel,
    pseudo_counts: f64,
}

impl Sweep for Balance {
    fn step(&self, item: usize, strengths: &[f64]) -> f64 {
        let virtual_opponent = Logistic::at(strengths[item]);
        let mut earned = self.pseudo_counts * virtual_opponent.fall;
        let mut given = self.pseudo_counts * virtual_opponent.rise;
        for opponent in self.opponents.of(item) {
            let &Opponent { item: other, earned: points, conceded } = opponent;
            let expected = self.ties.probabilities(strengths[item] - strengths[other]);
            earned += points * expected.points_of_second();
            given += conceded * expected.points();
        }
        if earned > 0.0 || given > 0.0 { earned.ln() - given.ln() } else { 0.0 }
    }

    fn is_free_to_shift(&self) -> bool {
        self.pseudo_counts == 0.0
    }

    /// ν ← ν Σ ties (win + loss) / Σ (wins + losses) tie, which is Newman's Eq. 29 with ν = 2v.
    fn advance(&mut self, strengths: &[f64]) -> f64 {
        let TieModel::Davidson { nu } = &mut self.ties else { return 0.0 };
        if *nu == 0.0 {
            return 0.0;
        }
        let (mut tied, mut decided) = (0.0, 0.0);
        for pair in &self.pairs {
            let p = davidson(strengths[pair.first()] - strengths[pair.second()], *nu);
            tied += pair.ties * (p.win + p.loss);
            decided += (pair.wins + pair.losses) * p.tie;
        }
        let change = tied.ln() - decided.ln();
        let next = *nu * change.exp();
        // A parameter that is no number stays what it was, and the iteration stops.
        if next.is_normal() {
            *nu = next;
            change
        } else {
            f64::INFINITY
        }
    }
}
