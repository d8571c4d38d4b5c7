//! Newman's iteration for Bradley–Terry strengths (*Efficient computation of rankings from pairwise
//! comparisons*, JMLR 24, 2023).
//!
//! π_i ← Σ_j w_ij π_j/(π_i + π_j) / Σ_j w_ji/(π_i + π_j), one item after the other
//!
//! w_ij being the points of i against j. With Davidson's ties (ν = 2v in the paper's terms) π_j/(…)
//! becomes the points that j can expect. In θ = log π: θ_i ← θ_i + log Σ_j w_ij e_ji − log Σ_j w_ji e_ij,
//! where e_ij are the points that i can expect against j.

use super::bradley_terry::Ties;
use super::comparisons::{Comparisons, Pair};
use super::fit::{Convergence, Fit, Stopping, TieModel, davidson, mean, positive};
use crate::Error;
use crate::numeric::Logistic;

/// Bradley–Terry strengths by Newman's iteration: the maximum that
/// [`BradleyTerry`](super::BradleyTerry) finds too, by steps that are cheap and many.
///
/// The residual is the greatest change of a θ in the last iteration.
///
/// ```
/// use lipo::labels::{BradleyTerry, Comparisons, Newman};
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
    /// How often each item has won and lost against one more item of strength 1, ≥ 0; 0 is no prior,
    /// 1 the paper's: [`Prior::PseudoCounts`](super::Prior::PseudoCounts).
    pub pseudo_counts: f64,
    /// When the iteration stops.
    pub stopping: Stopping,
}

impl Default for Newman {
    fn default() -> Self {
        Self { davidson: false, pseudo_counts: 0.0, stopping: Stopping::new(1e-10, 100_000) }
    }
}

impl Newman {
    /// With Davidson's ties.
    #[must_use]
    pub fn davidson(self) -> Self {
        Self { davidson: true, ..self }
    }

    /// With another number of wins and losses against one more item of strength 1.
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
    /// Those of [`BradleyTerry::fit`](super::BradleyTerry::fit).
    pub fn fit(&self, comparisons: &Comparisons) -> Result<Fit, Error> {
        self.stopping.check()?;
        if self.pseudo_counts == 0.0 {
            comparisons.check_strongly_connected()?;
        } else {
            positive("pseudo-counts", self.pseudo_counts)?;
        }
        let ties = if self.davidson { Ties::Davidson } else { Ties::HalfWins };
        let (mut model, _) = ties.starting_at(comparisons)?;
        let pairs = comparisons.both_orders();
        let opponents = Opponents::new(comparisons.items(), &pairs);
        let mut theta = vec![0.0; comparisons.items()];
        let mut convergence =
            Convergence { iterations: 0, residual: f64::INFINITY, converged: false };
        while !convergence.converged && convergence.iterations < self.stopping.max_iterations {
            let before = (theta.clone(), model);
            for item in 0..theta.len() {
                theta[item] += self.step(item, &theta, model, &opponents);
            }
            if self.pseudo_counts == 0.0 {
                let mean = mean(&theta);
                for theta in &mut theta {
                    *theta -= mean;
                }
            }
            if let TieModel::Davidson { nu } = &mut model {
                *nu = next_nu(*nu, &theta, &pairs);
            }
            let changes = theta.iter().zip(&before.0).map(|(now, before)| now - before);
            let residual = changes.fold(change_of_ties(before.1, model), |greatest, change| {
                if change.is_nan() { f64::INFINITY } else { greatest.max(change.abs()) }
            });
            convergence.iterations += 1;
            convergence.residual = residual;
            convergence.converged = residual <= self.stopping.tolerance;
            if !residual.is_finite() {
                break;
            }
        }
        let convergence = self.stopping.accept("Newman's iteration", convergence)?;
        Ok(Fit { ties: model, ..Fit::new(theta, convergence) })
    }

    /// By how much an item's θ rises.
    fn step(&self, item: usize, theta: &[f64], model: TieModel, opponents: &Opponents) -> f64 {
        let virtual_opponent = Logistic::at(theta[item]);
        let mut earned = self.pseudo_counts * virtual_opponent.fall;
        let mut given = self.pseudo_counts * virtual_opponent.rise;
        for &Opponent { item: other, points, conceded } in opponents.of(item) {
            let expected = model.probabilities(theta[item] - theta[other]);
            earned += points * (expected.loss + 0.5 * expected.tie);
            given += conceded * expected.points();
        }
        if earned > 0.0 || given > 0.0 { earned.ln() - given.ln() } else { 0.0 }
    }
}

/// ν ← 2 Σ ties (e^{d/2} + e^{−d/2})/D / Σ (wins + losses)·2/D, in Newman's Eq. 29 with ν = 2v.
fn next_nu(nu: f64, theta: &[f64], pairs: &[Pair]) -> f64 {
    let (mut tied, mut decided) = (0.0, 0.0);
    let log_nu = nu.ln();
    for pair in pairs {
        let (p, log_sum) = davidson(theta[pair.first] - theta[pair.second], log_nu);
        tied += pair.ties * (p.win + p.loss);
        decided += (pair.wins + pair.losses) * (-log_sum).exp();
    }
    if tied > 0.0 { tied / decided } else { 0.0 }
}

fn change_of_ties(before: TieModel, now: TieModel) -> f64 {
    match (before, now) {
        (TieModel::Davidson { nu: before }, TieModel::Davidson { nu: now }) if now != before => {
            let change = (now.ln() - before.ln()).abs();
            if change.is_nan() { f64::INFINITY } else { change }
        }
        _ => 0.0,
    }
}

/// Whom each item met.
struct Opponents {
    starts: Vec<usize>,
    all: Vec<Opponent>,
}

#[derive(Clone, Copy, Default)]
struct Opponent {
    item: usize,
    points: f64,
    conceded: f64,
}

impl Opponents {
    fn new(items: usize, pairs: &[Pair]) -> Self {
        let mut starts = vec![0; items + 1];
        for pair in pairs {
            starts[pair.first + 1] += 1;
            starts[pair.second + 1] += 1;
        }
        for item in 0..items {
            starts[item + 1] += starts[item];
        }
        let mut place = starts.clone();
        let mut all = vec![Opponent::default(); 2 * pairs.len()];
        for pair in pairs.iter().flat_map(|pair| [*pair, pair.turned()]) {
            let (points, conceded) = (pair.points(), pair.turned().points());
            all[place[pair.first]] = Opponent { item: pair.second, points, conceded };
            place[pair.first] += 1;
        }
        Self { starts, all }
    }

    fn of(&self, item: usize) -> &[Opponent] {
        &self.all[self.starts[item]..self.starts[item + 1]]
    }
}
