//! How well comparisons or rankings determine strengths.

use ndarray::{Array1, Array2, Zip};

use super::fit::mean;
use super::limits::check_item;
use super::newton::{Curvature, solve};
use crate::Error;
use crate::check::check_room;

/// The observed Fisher information on a fit's parameters: the negative Hessian of the
/// log-likelihood (and of the prior, where there is one), from
/// [`BradleyTerry::information`](super::BradleyTerry::information) or
/// [`PlackettLuce::information`](super::PlackettLuce::information).
///
/// Covariances are those of strengths θ of mean 0, the other parameters being fitted too. Nothing
/// is inverted: each column is one sparse system. What a system's solution cannot be told from
/// rounding is [`Error::NotConverged`].
pub struct Information<'a> {
    curvature: Box<dyn Curvature + Send + Sync + 'a>,
}

/// Of the solutions of systems.
const ACCURACY: f64 = 1e-12;
/// A variance bᵀ A⁻¹ b of the solution of A x = b has the square of the solution's error.
const ACCURACY_OF_VARIANCE: f64 = 1e-5;

impl<'a> Information<'a> {
    pub(super) fn new(curvature: impl Curvature + Send + Sync + 'a) -> Self {
        Self { curvature: Box::new(curvature) }
    }

    /// The number K of items.
    #[must_use]
    pub fn items(&self) -> usize {
        self.curvature.items()
    }

    /// The covariances `[K]` of θ of an item with all θ.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfRange`] for an item that does not exist, [`Error::NotConverged`] where rounding
    /// leaves no solution.
    pub fn covariances_of(&self, item: usize) -> Result<Array1<f64>, Error> {
        let items = self.items();
        check_item("item", item, items, Vec::new)?;
        let (form, sums) = self.centred_unit(item);
        let mut column = self.solution(&form, &sums, ACCURACY)?;
        column.truncate(items);
        let mean = mean(&column);
        let column = column.into_iter().map(|entry| (entry - mean) / self.curvature.scale());
        Ok(column.collect())
    }

    /// The covariances `[K, K]` of θ: K sparse systems.
    ///
    /// # Errors
    ///
    /// [`Error::Parameter`] where there is no memory for K² numbers, [`Error::NotConverged`] as in
    /// [`covariances_of`](Self::covariances_of).
    pub fn covariances(&self) -> Result<Array2<f64>, Error> {
        let items = self.items();
        check_room::<f64>("pairs of items", items.saturating_mul(items))?;
        let mut covariances = Array2::zeros((items, items));
        for (item, mut row) in covariances.outer_iter_mut().enumerate() {
            row.assign(&self.covariances_of(item)?);
        }
        Ok(covariances)
    }

    /// The standard errors `[K]` of θ: K sparse systems, side by side with the feature `rayon`.
    ///
    /// ```
    /// use lipo::labels::{BradleyTerry, Comparison, Comparisons, Estimator, Outcome};
    ///
    /// let votes = [(0, 1), (0, 1), (0, 1), (1, 0)];
    /// let votes = votes.map(|(winner, loser)| Comparison::new(winner, loser, Outcome::First));
    /// let votes = Comparisons::from_records(2, votes)?;
    /// let model = BradleyTerry::default();
    /// let fit = model.fit(&votes)?;
    /// let information = model.information(&votes, &fit)?;
    /// // The log odds have 1/√(n p (1 − p)) = 1/√(4 · ¾ · ¼), and θ_0 is half of them.
    /// assert!((information.standard_errors()?[0] - 0.5 / 0.75_f64.sqrt()).abs() < 1e-9);
    /// assert!((information.standard_error_of_difference(0, 1)? - 1.0 / 0.75_f64.sqrt()).abs() < 1e-9);
    /// # Ok::<(), lipo::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::NotConverged`] as in [`covariances_of`](Self::covariances_of).
    pub fn standard_errors(&self) -> Result<Array1<f64>, Error> {
        let error = |item| {
            let (form, sums) = self.centred_unit(item);
            self.standard_error(&form, &sums)
        };
        let mut errors: Array1<Result<f64, Error>> = Array1::from_elem(self.items(), Ok(0.0));
        let zip = Zip::indexed(&mut errors);
        #[cfg(feature = "rayon")]
        zip.par_for_each(|item, found| *found = error(item));
        #[cfg(not(feature = "rayon"))]
        zip.for_each(|item, found| *found = error(item));
        errors.into_iter().collect()
    }

    /// The standard error of θ_k − θ_j.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfRange`] for an item that does not exist, [`Error::NotConverged`] as in
    /// [`covariances_of`](Self::covariances_of).
    pub fn standard_error_of_difference(&self, k: usize, j: usize) -> Result<f64, Error> {
        let items = self.items();
        check_item("item", k, items, Vec::new)?;
        check_item("item", j, items, Vec::new)?;
        let mut right = vec![0.0; self.curvature.parameters()];
        right[k] += 1.0;
        right[j] -= 1.0;
        let sums = self.curvature.shifts().sums(|item| right[item]);
        self.standard_error(&right, &sums)
    }

    /// The standard error of the order effect δ, where one was fitted.
    ///
    /// # Errors
    ///
    /// [`Error::NotConverged`] as in [`covariances_of`](Self::covariances_of).
    pub fn standard_error_of_order_effect(&self) -> Result<Option<f64>, Error> {
        let Some(at) = self.curvature.order_effect_at() else { return Ok(None) };
        let mut right = vec![0.0; self.curvature.parameters()];
        right[at] = 1.0;
        let sums = self.curvature.shifts().sums(|_| 0.0);
        self.standard_error(&right, &sums).map(Some)
    }

    /// The linear form of θ_item less the mean of all θ, and its sums over each part.
    fn centred_unit(&self, item: usize) -> (Vec<f64>, Vec<f64>) {
        let items = self.items();
        let mut form = vec![0.0; self.curvature.parameters()];
        form[..items].fill(-1.0 / items as f64);
        form[item] += 1.0;
        (form, self.curvature.shifts().sums_of_centred_unit(item))
    }

    /// Of a linear form of the parameters.
    fn standard_error(&self, form: &[f64], sums: &[f64]) -> Result<f64, Error> {
        let solution = self.solution(form, sums, ACCURACY_OF_VARIANCE)?;
        let variance: f64 = solution.iter().zip(form).map(|(x, b)| x * b).sum();
        // Two roots: a variance may be smaller than numbers are.
        Ok(variance.max(0.0).sqrt() / self.curvature.scale().sqrt())
    }

    fn solution(&self, right: &[f64], sums: &[f64], tolerance: f64) -> Result<Vec<f64>, Error> {
        let solution = solve(&*self.curvature, right, sums, tolerance);
        let (iterations, residual) = (solution.iterations, solution.residual);
        if residual <= tolerance && solution.x.iter().all(|entry| entry.is_finite()) {
            return Ok(solution.x);
        }
        Err(Error::NotConverged {
            what: "a system of the information",
            iterations,
            residual,
            tolerance,
        })
    }
}

impl std::fmt::Debug for Information<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Information").field("items", &self.items()).finish_non_exhaustive()
    }
}
