//! How well comparisons determine strengths.

use ndarray::{Array1, Array2};

use super::bradley_terry::Likelihood;
use super::comparisons::check_item;
use super::fit::mean;
use super::newton::{Concave, solve};
use crate::Error;

/// The observed Fisher information on a fit's parameters: the negative Hessian of the
/// log-likelihood (and of the prior, where there is one), from
/// [`BradleyTerry::information`](super::BradleyTerry::information).
///
/// Covariances are those of strengths θ of mean 0, the other parameters being fitted too. Nothing
/// is inverted: each column is one sparse system.
#[derive(Debug, Clone)]
pub struct Information {
    likelihood: Likelihood,
}

const ACCURACY: f64 = 1e-12;

impl Information {
    pub(super) fn new(likelihood: Likelihood) -> Self {
        Self { likelihood }
    }

    /// The number K of items.
    #[must_use]
    pub fn items(&self) -> usize {
        self.likelihood.items()
    }

    /// The covariances `[K]` of θ of an item with all θ.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfRange`] for an item that does not exist.
    pub fn covariances_of(&self, item: usize) -> Result<Array1<f64>, Error> {
        let items = self.likelihood.items();
        check_item("item", item, items, Vec::new)?;
        let mut right = vec![0.0; self.likelihood.parameters()];
        right[..items].fill(-1.0 / items as f64);
        right[item] += 1.0;
        Ok(self.strengths_of(&right))
    }

    /// The covariances `[K, K]` of θ: K sparse systems.
    #[must_use]
    pub fn covariances(&self) -> Array2<f64> {
        let items = self.likelihood.items();
        let mut covariances = Array2::zeros((items, items));
        for (item, mut row) in covariances.outer_iter_mut().enumerate() {
            if let Ok(column) = self.covariances_of(item) {
                row.assign(&column);
            }
        }
        covariances
    }

    /// The standard errors `[K]` of θ: K sparse systems.
    ///
    /// ```
    /// use lipo::labels::{BradleyTerry, Comparison, Comparisons, Outcome};
    ///
    /// let votes = [(0, 1), (0, 1), (0, 1), (1, 0)];
    /// let votes = votes.map(|(winner, loser)| Comparison::new(winner, loser, Outcome::First));
    /// let votes = Comparisons::from_records(2, votes)?;
    /// let model = BradleyTerry::default();
    /// let information = model.information(&votes, &model.fit(&votes)?)?;
    /// // The log odds have 1/√(n p (1 − p)) = 1/√(4 · ¾ · ¼), and θ_0 is half of them.
    /// assert!((information.standard_errors()[0] - 0.5 / 0.75_f64.sqrt()).abs() < 1e-9);
    /// assert!((information.standard_error_of_difference(0, 1)? - 1.0 / 0.75_f64.sqrt()).abs() < 1e-9);
    /// # Ok::<(), lipo::Error>(())
    /// ```
    #[must_use]
    pub fn standard_errors(&self) -> Array1<f64> {
        let variance = |item| self.covariances_of(item).map_or(0.0, |column| column[item]);
        (0..self.likelihood.items()).map(|item| variance(item).max(0.0).sqrt()).collect()
    }

    /// The standard error of θ_k − θ_j.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfRange`] for an item that does not exist.
    pub fn standard_error_of_difference(&self, k: usize, j: usize) -> Result<f64, Error> {
        let items = self.likelihood.items();
        check_item("item", k, items, Vec::new)?;
        check_item("item", j, items, Vec::new)?;
        let mut right = vec![0.0; self.likelihood.parameters()];
        right[k] += 1.0;
        right[j] -= 1.0;
        let solution = self.strengths_of(&right);
        Ok((solution[k] - solution[j]).max(0.0).sqrt())
    }

    /// The standard error of the order effect δ, where one was fitted.
    #[must_use]
    pub fn standard_error_of_order_effect(&self) -> Option<f64> {
        self.likelihood.order_effect_at().map(|at| {
            let mut right = vec![0.0; self.likelihood.parameters()];
            right[at] = 1.0;
            let variance = solve(&self.likelihood, &right, ACCURACY)[at] / self.likelihood.scale();
            variance.max(0.0).sqrt()
        })
    }

    /// The strengths' part, centred, of the solution of a system.
    fn strengths_of(&self, right: &[f64]) -> Array1<f64> {
        let mut solution = solve(&self.likelihood, right, ACCURACY);
        solution.truncate(self.likelihood.items());
        let mean = mean(&solution);
        solution.into_iter().map(|entry| (entry - mean) / self.likelihood.scale()).collect()
    }
}
