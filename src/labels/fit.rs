//! What an estimator of strengths gives back, and when it stops.

use ndarray::{Array1, Array2};

use super::comparisons::{Comparisons, check_item};
use crate::numeric::{Logistic, Sum};
use crate::{Error, Real};

/// When an iteration stops.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stopping {
    /// The residual at which it has converged, > 0.
    pub tolerance: f64,
    /// The greatest number of iterations.
    pub max_iterations: usize,
    /// Whether the last iterate is returned, with [`Convergence::converged`] false, where the
    /// tolerance was not reached. By default that is [`Error::NotConverged`].
    pub accept_unconverged: bool,
}

impl Stopping {
    pub(super) const fn new(tolerance: f64, max_iterations: usize) -> Self {
        Self { tolerance, max_iterations, accept_unconverged: false }
    }

    pub(super) fn check(&self) -> Result<(), Error> {
        positive("tolerance", self.tolerance)
    }

    /// The error that non-convergence is unless it was allowed.
    pub(super) fn accept(
        &self,
        what: &'static str,
        convergence: Convergence,
    ) -> Result<Convergence, Error> {
        let Convergence { iterations, residual, converged } = convergence;
        if converged || self.accept_unconverged {
            return Ok(convergence);
        }
        Err(Error::NotConverged { what, iterations, residual, tolerance: self.tolerance })
    }
}

/// How an iteration ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Convergence {
    /// The number of iterations.
    pub iterations: usize,
    /// The residual of the last one; each estimator says what it is.
    pub residual: f64,
    /// Whether the residual came down to the tolerance. Always true unless
    /// [`Stopping::accept_unconverged`] was set.
    pub converged: bool,
}

/// What is known of strengths before any comparison.
///
/// With a prior, an item that won everything has a finite strength, and items that nothing links can
/// be estimated: the prior says where they stand.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub enum Prior {
    /// Nothing: maximum likelihood.
    #[default]
    None,
    /// Each log-strength is normal with mean 0 and this standard deviation σ, > 0: −θ²/(2σ²) is added
    /// to the log-likelihood.
    Gaussian(f64),
    /// Each item has won and lost this many times, > 0, against one more item of strength 1:
    /// a·log σ(θ) + a·log σ(−θ) is added to the log-likelihood. a = 1 is the prior of Newman (2023).
    PseudoCounts(f64),
}

impl Prior {
    pub(super) fn check(self) -> Result<(), Error> {
        match self {
            Self::None => Ok(()),
            Self::Gaussian(deviation) => positive("σ of the prior", deviation),
            Self::PseudoCounts(count) => positive("pseudo-counts", count),
        }
    }

    /// The derivative by θ of what the prior adds to the log-likelihood, and the negative of its
    /// second derivative.
    pub(super) fn slope_and_curvature(self, strength: f64) -> (f64, f64) {
        match self {
            Self::None => (0.0, 0.0),
            Self::Gaussian(deviation) => {
                let precision = deviation.recip().powi(2);
                (-precision * strength, precision)
            }
            Self::PseudoCounts(count) => {
                let Logistic { rise, fall, .. } = Logistic::at(strength);
                (count * (fall - rise), 2.0 * count * rise * fall)
            }
        }
    }

    pub(super) fn log_density(self, strength: f64) -> f64 {
        match self {
            Self::None => 0.0,
            Self::Gaussian(deviation) => -0.5 * (strength / deviation).powi(2),
            Self::PseudoCounts(count) => count * (log_sigmoid(strength) + log_sigmoid(-strength)),
        }
    }
}

/// log σ(x).
pub(super) fn log_sigmoid(x: f64) -> f64 {
    x.min(0.0) - Logistic::at(x).log
}

/// How likely a tie is, given the difference d of two log-strengths, with its fitted parameter.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum TieModel {
    /// There are no ties: what ties there were counted as half a win each.
    HalfWins,
    /// Davidson (1970): win, loss and tie are as e^{d/2} : e^{−d/2} : ν.
    Davidson {
        /// ν ≥ 0.
        nu: f64,
    },
    /// Rao and Kupper (1967): a win has probability σ(d − log κ), a loss σ(−d − log κ).
    RaoKupper {
        /// κ ≥ 1.
        kappa: f64,
    },
}

/// How likely each outcome of a comparison is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OutcomeProbabilities {
    /// The first item wins.
    pub win: f64,
    /// The second item wins.
    pub loss: f64,
    /// Neither does.
    pub tie: f64,
}

impl OutcomeProbabilities {
    /// What the first item can expect: its probability of a win, and half of that of a tie.
    #[must_use]
    pub fn points(&self) -> f64 {
        self.win + 0.5 * self.tie
    }
}

impl TieModel {
    /// The probabilities at a difference d of log-strengths.
    #[must_use]
    pub fn probabilities(self, d: f64) -> OutcomeProbabilities {
        match self {
            Self::HalfWins => {
                let Logistic { rise, fall, .. } = Logistic::at(d);
                OutcomeProbabilities { win: rise, loss: fall, tie: 0.0 }
            }
            Self::Davidson { nu } => davidson(d, nu.ln()).0,
            Self::RaoKupper { kappa } => {
                let threshold = kappa.ln();
                let (up, down) = (Logistic::at(d - threshold), Logistic::at(-d - threshold));
                let tie = (2.0 * threshold).exp_m1() * up.rise * down.rise;
                OutcomeProbabilities { win: up.rise, loss: down.rise, tie: tie.min(1.0) }
            }
        }
    }
}

/// Davidson's probabilities, and the logarithm of e^{d/2} + e^{−d/2} + e^{log ν}.
pub(super) fn davidson(d: f64, log_nu: f64) -> (OutcomeProbabilities, f64) {
    let greatest = (0.5 * d.abs()).max(log_nu);
    let [win, loss, tie] = [0.5 * d, -0.5 * d, log_nu].map(|x| (x - greatest).exp());
    let sum = win + loss + tie;
    let probabilities = OutcomeProbabilities { win: win / sum, loss: loss / sum, tie: tie / sum };
    (probabilities, greatest + sum.ln())
}

/// Strengths of K items, fitted to comparisons or rankings.
///
/// θ are log-strengths, the strength of an item being e^θ, as in P(k beats j) = σ(θ_k − θ_j).
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Fit {
    /// θ `[K]`, of mean 0.
    pub strengths: Array1<f64>,
    /// How ties were modelled.
    pub ties: TieModel,
    /// By how much θ of the item shown first is raised; 0 where no order effect was fitted.
    pub order_effect: f64,
    /// How the iteration ended.
    pub convergence: Convergence,
    /// Where the prior's 0 lies among the strengths.
    pub(super) origin: f64,
}

impl Fit {
    pub(super) fn new(mut strengths: Vec<f64>, convergence: Convergence) -> Self {
        let mean = mean(&strengths);
        for strength in &mut strengths {
            *strength -= mean;
        }
        Self {
            strengths: Array1::from(strengths),
            ties: TieModel::HalfWins,
            order_effect: 0.0,
            convergence,
            origin: -mean,
        }
    }

    /// The labels ψ `[K]`: ψ_k = (1/K) Σ_j Ψ_kj of the [`win_probabilities`](Self::win_probabilities),
    /// in time K² and memory K.
    ///
    /// They compare with the ψ of all K² comparisons, of which they are the estimate.
    #[must_use]
    pub fn labels<F: Real>(&self) -> Array1<F> {
        let theta = &self.strengths;
        let label = |k| {
            let mut sum = Sum::default();
            (0..theta.len()).for_each(|j| sum.add(self.points(k, j)));
            F::narrow(sum.total() / theta.len() as f64)
        };
        (0..theta.len()).map(label).collect()
    }

    /// The completed Ψ `[K, K]`: the probability that k is preferred to j where neither is shown
    /// first, plus half that of a tie; ½ on the diagonal.
    #[must_use]
    pub fn win_probabilities<F: Real>(&self) -> Array2<F> {
        let items = self.strengths.len();
        Array2::from_shape_fn((items, items), |(k, j)| F::narrow(self.points(k, j)))
    }

    fn points(&self, k: usize, j: usize) -> f64 {
        self.ties.probabilities(self.strengths[k] - self.strengths[j]).points()
    }

    /// Strengths `[K]` that add up to 1: e^θ / Σ e^θ.
    #[must_use]
    pub fn shares(&self) -> Array1<f64> {
        let greatest = self.strengths.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let shares = self.strengths.mapv(|strength| (strength - greatest).exp());
        let sum = shares.sum();
        shares / sum
    }

    /// How likely each outcome is where `first` is shown first, the order effect included.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfRange`] for an item that does not exist.
    pub fn outcome(&self, first: usize, second: usize) -> Result<OutcomeProbabilities, Error> {
        let items = self.strengths.len();
        check_item("first item", first, items, Vec::new)?;
        check_item("second item", second, items, Vec::new)?;
        let d = self.strengths[first] - self.strengths[second] + self.order_effect;
        Ok(self.ties.probabilities(d))
    }

    /// What the fit leaves unexplained of an advantage of being shown first: the mean, over the
    /// comparisons, of the first item's points less those it could expect, times 2. In \[−2, 2\];
    /// an advantage of 1 is always winning where ½ could be expected.
    ///
    /// A fit without an order effect has all of it left, one with an order effect none, or next to
    /// none under Rao and Kupper's ties, whose likelihood does not balance points.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] where the comparisons are of another number of items.
    pub fn unexplained_advantage(&self, comparisons: &Comparisons) -> Result<f64, Error> {
        let items = [self.strengths.len()];
        crate::check::same_shape("comparisons", &[comparisons.items()], &items)?;
        let mut sum = Sum::default();
        let total = comparisons.total();
        for pair in comparisons.pairs() {
            let d = self.strengths[pair.first] - self.strengths[pair.second] + self.order_effect;
            let share = pair.total() / total;
            let surprise = pair.points() / pair.total() - self.ties.probabilities(d).points();
            sum.add(2.0 * share * surprise);
        }
        Ok(sum.total())
    }
}

pub(super) fn mean(values: &[f64]) -> f64 {
    let mut sum = Sum::default();
    for &value in values {
        sum.add(value);
    }
    sum.total() / values.len().max(1) as f64
}

pub(super) fn positive(name: &'static str, value: f64) -> Result<(), Error> {
    if value.is_finite() && value > 0.0 {
        return Ok(());
    }
    Err(Error::Parameter { name, value, range: "finite and positive" })
}
