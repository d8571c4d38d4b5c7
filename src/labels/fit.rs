//! What an estimator of strengths gives back.

use ndarray::{Array1, Array2};

use super::comparisons::Comparisons;
use super::expected_points::expected_points;
use super::limits::check_item;
use super::stopping::Convergence;
use super::ties::{OutcomeProbabilities, TieModel};
use crate::check::check_room;
use crate::numeric::Sum;
use crate::{Error, Real};

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

    /// The labels ψ `[K]`: ψ_k = (1/K) Σ_j Ψ_kj of the [`win_probabilities`](Self::win_probabilities).
    ///
    /// They compare with the ψ of all K² comparisons, of which they are the estimate. Time is of the
    /// order of K times the range of θ, and memory of K: among many items, ψ is a smooth function of θ,
    /// which polynomials give to the last digits.
    #[must_use]
    pub fn labels<F: Real>(&self) -> Array1<F> {
        let strengths: Vec<f64> = self.strengths.to_vec();
        let count = strengths.len() as f64;
        let points = expected_points(self.ties, &strengths);
        points.into_iter().map(|points| F::narrow(points / count)).collect()
    }

    /// The completed Ψ `[K, K]`: the probability that k is preferred to j where neither is shown
    /// first, plus half that of a tie; ½ on the diagonal.
    ///
    /// # Errors
    ///
    /// [`Error::Parameter`] where there is no memory for K² numbers.
    pub fn win_probabilities<F: Real>(&self) -> Result<Array2<F>, Error> {
        let items = self.strengths.len();
        check_room::<F>("pairs of items", items.saturating_mul(items))?;
        let points = |k, j| self.ties.probabilities(self.strengths[k] - self.strengths[j]).points();
        Ok(Array2::from_shape_fn((items, items), |(k, j)| F::narrow(points(k, j))))
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
        Ok(self.ties.probabilities(self.difference(first, second)))
    }

    /// The difference of two log-strengths, the first item being shown first.
    pub(super) fn difference(&self, first: usize, second: usize) -> f64 {
        self.strengths[first] - self.strengths[second] + self.order_effect
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
            let expected = self.ties.probabilities(self.difference(pair.first(), pair.second()));
            let [share, _] = pair.shares();
            sum.add(2.0 * (pair.total() / total) * (share - expected.points()));
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
