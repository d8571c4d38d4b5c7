//! Bradley–Terry by maximum likelihood, with ties, an order effect and a prior.
//!
//! P(k beats j) = σ(d), d = θ_k − θ_j + δ where k is shown first, δ being the order effect.

use super::comparisons::Comparisons;
use super::estimator::{Estimator, setters};
use super::existence;
use super::fit::Fit;
use super::information::Information;
use super::likelihood::Likelihood;
use super::newton::{Concave, maximise};
use super::prior::Prior;
use super::stopping::Stopping;
use super::ties::Ties;
use crate::Error;
use crate::check::same_shape;
use crate::numeric::Sum;

/// Bradley–Terry strengths by maximum likelihood, or by maximum a posteriori with a [`Prior`].
///
/// By default ties count as half-wins, there is no order effect and no prior. Newton's method, whose
/// linear systems conjugate gradients solve: time and memory are those of some passes over the
/// pairs. The residual is how far θ still has to go: the greatest entry that the next Newton step would
/// have (relative to the greatest |θ| where that is above 1).
///
/// ```
/// use lipo::labels::{BradleyTerry, Comparison, Comparisons, Estimator, Outcome};
///
/// // Three wins to one: θ_0 − θ_1 = log 3.
/// let votes = [(0, 1), (0, 1), (0, 1), (1, 0)];
/// let votes = votes.map(|(winner, loser)| Comparison::new(winner, loser, Outcome::First));
/// let fit = BradleyTerry::default().fit(&Comparisons::from_records(2, votes)?)?;
/// assert!((fit.strengths[0] - 0.5 * 3.0_f64.ln()).abs() < 1e-12);
/// let psi = fit.labels::<f64>(); // (½ + ¾) / 2
/// assert!((psi[0] - 0.625).abs() < 1e-12 && (psi[1] - 0.375).abs() < 1e-12);
/// # Ok::<(), lipo::Error>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq)]
#[non_exhaustive]
pub struct BradleyTerry {
    /// What a tie is.
    pub ties: Ties,
    /// Whether an advantage of what is shown first is fitted, alike for all items.
    pub order_effect: bool,
    /// What is known of strengths beforehand.
    pub prior: Prior,
    /// When the iteration stops.
    pub stopping: Stopping,
}

setters! { BradleyTerry {
    /// The same model with another meaning of ties.
    ties: Ties,
    /// The same model with another prior.
    ///
    /// ```
    /// use lipo::labels::{BradleyTerry, Comparison, Comparisons, Estimator, Outcome, Prior};
    ///
    /// // One vote for 0, none for 1, nothing known of 2.
    /// let votes = Comparisons::from_records(3, [Comparison::new(0, 1, Outcome::First)])?;
    /// assert!(BradleyTerry::default().fit(&votes).is_err());
    /// let fit = BradleyTerry::default().prior(Prior::Gaussian(1.0)).fit(&votes)?;
    /// assert!((fit.strengths[0] - 0.3374).abs() < 1e-4); // θ_0 = σ(−2 θ_0), θ_1 = −θ_0
    /// assert!(fit.strengths[2].abs() < 1e-9);
    /// # Ok::<(), lipo::Error>(())
    /// ```
    prior: Prior,
    /// The same model with another rule for stopping.
    stopping: Stopping,
} }

impl BradleyTerry {
    /// The same model with an order effect δ, which is added to θ of the item shown first.
    ///
    /// ```
    /// use lipo::labels::{BradleyTerry, Comparison, Comparisons, Estimator, Outcome};
    ///
    /// // Whatever is shown first wins three times of four.
    /// let judged = [(0, 1, Outcome::First, 3.0), (0, 1, Outcome::Second, 1.0),
    ///               (1, 0, Outcome::First, 3.0), (1, 0, Outcome::Second, 1.0)];
    /// let judged = judged.map(|(i, j, outcome, n)| Comparison::new(i, j, outcome).weight(n));
    /// let judged = Comparisons::from_records(2, judged)?;
    /// let fit = BradleyTerry::default().order_effect().fit(&judged)?;
    /// assert!((fit.order_effect - 3.0_f64.ln()).abs() < 1e-9);
    /// assert!(fit.strengths[0].abs() < 1e-9);
    /// # Ok::<(), lipo::Error>(())
    /// ```
    #[must_use]
    pub fn order_effect(self) -> Self {
        Self { order_effect: true, ..self }
    }

    /// Fits from where another fit ended, such as that of the comparisons of which these are a
    /// [resample](super::bootstrap): the same maximum in fewer iterations.
    ///
    /// ```
    /// use lipo::labels::{BradleyTerry, Comparisons, Estimator};
    /// use ndarray::array;
    ///
    /// let model = BradleyTerry::default();
    /// let before = Comparisons::from_counts(&array![[0.0, 3.0], [1.0, 0.0]], None)?;
    /// let after = Comparisons::from_counts(&array![[0.0, 4.0], [1.0, 0.0]], None)?;
    /// let fit = model.fit_from(&after, &model.fit(&before)?)?;
    /// assert!((fit.strengths[0] - model.fit(&after)?.strengths[0]).abs() < 1e-9);
    /// # Ok::<(), lipo::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`fit`](Estimator::fit), and [`Error::Shape`] where `start` is of another number of
    /// items.
    pub fn fit_from(&self, comparisons: &Comparisons, start: &Fit) -> Result<Fit, Error> {
        same_shape("starting strengths", &[start.strengths.len()], &[comparisons.items()])?;
        let strengths = start.strengths.iter().map(|theta| theta - start.origin).collect();
        self.fit_at(comparisons, strengths, start.order_effect)
    }

    fn fit_at(
        &self,
        comparisons: &Comparisons,
        strengths: Vec<f64>,
        order_effect: f64,
    ) -> Result<Fit, Error> {
        self.stopping.check()?;
        self.prior.check()?;
        let ties = self.ties.starting_at(comparisons);
        let fitted = ties.has_ties();
        existence::check(comparisons, fitted, self.order_effect, self.prior)?;
        let order_effect = self.order_effect.then_some(order_effect);
        let (mut likelihood, mut point) =
            Likelihood::new(comparisons, ties, order_effect, self.prior, strengths);
        let mut convergence = maximise(&mut likelihood, &mut point, &self.stopping);
        // Beside a prior, what is lost moves strengths by less than rounding does.
        let bounded = !matches!(self.prior, Prior::None) && order_effect.is_none() && !fitted;
        if !bounded && likelihood.loses_weights() {
            convergence.converged = false;
            convergence.residual = f64::INFINITY;
        }
        let convergence = self.stopping.accept("Bradley–Terry", convergence)?;
        let (order_effect, ties) = likelihood.rest_of(&point);
        point.truncate(comparisons.items());
        Ok(Fit { ties, order_effect, ..Fit::new(point, convergence) })
    }

    /// The log-likelihood of comparisons at a fit, plus the logarithm of the prior's density, save
    /// for its constant. It is −∞ where weights are so large that no number holds it.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] where the comparisons are of another number of items.
    pub fn log_likelihood(&self, comparisons: &Comparisons, fit: &Fit) -> Result<f64, Error> {
        let items = [fit.strengths.len()];
        same_shape("comparisons", &[comparisons.items()], &items)?;
        let mut sum = Sum::default();
        for pair in comparisons.pairs() {
            let d = fit.difference(pair.first(), pair.second());
            sum.add(fit.ties.log_likelihood(pair, d));
        }
        fit.strengths.iter().for_each(|&theta| sum.add(self.prior.log_density(theta - fit.origin)));
        Ok(sum.total())
    }

    /// The information that comparisons hold on the strengths: standard errors and covariances.
    ///
    /// `fit` is this model's, usually of these comparisons. Other comparisons are allowed, for what
    /// has not been asked yet.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] where the comparisons are of another number of items,
    /// [`Error::Undetermined`] as in [`fit`](Estimator::fit), and without a prior
    /// [`Error::Unconnected`].
    pub fn information<'a>(
        &self,
        comparisons: &'a Comparisons,
        fit: &Fit,
    ) -> Result<Information<'a>, Error> {
        let items = [fit.strengths.len()];
        same_shape("comparisons", &[comparisons.items()], &items)?;
        self.prior.check()?;
        if self.prior == Prior::None {
            comparisons.check_connected()?;
        }
        existence::check_order_effect_is_seen(comparisons, self.order_effect, self.prior)?;
        let strengths = fit.strengths.iter().map(|theta| theta - fit.origin).collect();
        let order_effect = self.order_effect.then_some(fit.order_effect);
        let (mut likelihood, point) =
            Likelihood::new(comparisons, fit.ties, order_effect, self.prior, strengths);
        likelihood.move_to(&point, &mut vec![0.0; point.len()]);
        Ok(Information::new(likelihood))
    }
}

impl Estimator for BradleyTerry {
    /// Fits the strengths.
    ///
    /// # Errors
    ///
    /// Where the likelihood has no maximum, which is decided from who was compared with whom, and
    /// how: without a prior, [`Error::Unconnected`] or [`Error::Separable`]; with or without one,
    /// [`Error::Undetermined`] where an order effect or the probability of a tie has no best value.
    /// [`Error::NotConverged`]; [`Error::Parameter`] for a prior or a tolerance out of its range.
    fn fit(&self, comparisons: &Comparisons) -> Result<Fit, Error> {
        self.fit_at(comparisons, vec![0.0; comparisons.items()], 0.0)
    }
}
