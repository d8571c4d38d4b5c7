//! Plackett–Luce strengths of rankings (Luce 1959, Plackett 1975).
//!
//! P(ranking) = Π_s e^{θ_s} / Σ_{t ≥ s} e^{θ_t}: at each stage the next item is chosen among those that
//! are left. A top-k ranking has its first k stages only.

use super::estimator::{Estimator, setters};
use super::fit::Fit;
use super::information::Information;
use super::newton::{Concave, Curvature, maximise, power_of_two_near};
use super::prior::Prior;
use super::rankings::{Order, Rankings};
use super::shifts::Shifts;
use super::stopping::Stopping;
use crate::Error;
use crate::check::same_shape;

/// Plackett–Luce strengths by maximum likelihood, or by maximum a posteriori with a [`Prior`].
///
/// On rankings of two items it is [`BradleyTerry`](super::BradleyTerry). The residual is how far θ still
/// has to go: the greatest entry that the next Newton step would have (relative to the greatest |θ|
/// where that is above 1).
///
/// ```
/// use lipo::labels::{Estimator, PlackettLuce, Rankings};
///
/// // The best of three items, 5, 3 and 2 times: those are the shares.
/// let mut rankings = Rankings::new(3)?;
/// rankings.push_counted(&[0], &[1, 2], 5.0)?;
/// rankings.push_counted(&[1], &[2, 0], 3.0)?;
/// rankings.push_counted(&[2], &[0, 1], 2.0)?;
/// let fit = PlackettLuce::default().fit(&rankings)?;
/// assert!((fit.shares()[0] - 0.5).abs() < 1e-9 && (fit.shares()[1] - 0.3).abs() < 1e-9);
/// # Ok::<(), lipo::Error>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq)]
#[non_exhaustive]
pub struct PlackettLuce {
    /// What is known of strengths beforehand.
    pub prior: Prior,
    /// When the iteration stops.
    pub stopping: Stopping,
}

setters! { PlackettLuce {
    /// The same model with another prior.
    prior: Prior,
    /// The same model with another rule for stopping.
    stopping: Stopping,
} }

impl PlackettLuce {
    /// Fits from where another fit ended, such as that of the rankings of which these are a
    /// [resample](super::bootstrap): the same maximum in fewer iterations.
    ///
    /// # Errors
    ///
    /// Those of [`fit`](Estimator::fit), and [`Error::Shape`] where `start` is of another number of
    /// items.
    pub fn fit_from(&self, rankings: &Rankings, start: &Fit) -> Result<Fit, Error> {
        same_shape("starting strengths", &[start.strengths.len()], &[rankings.items()])?;
        self.fit_at(rankings, start.strengths.iter().map(|theta| theta - start.origin).collect())
    }

    fn fit_at(&self, rankings: &Rankings, mut point: Vec<f64>) -> Result<Fit, Error> {
        self.stopping.check()?;
        self.prior.check()?;
        rankings.check_total()?;
        if self.prior == Prior::None {
            rankings.check_strongly_connected()?;
        }
        let mut likelihood = Likelihood::new(rankings, self.prior);
        let convergence = maximise(&mut likelihood, &mut point, &self.stopping);
        let convergence = self.stopping.accept("Plackett–Luce", convergence)?;
        Ok(Fit::new(point, convergence))
    }

    /// The information that rankings hold on the strengths: standard errors and covariances.
    ///
    /// ```
    /// use lipo::labels::{Estimator, PlackettLuce, Rankings};
    ///
    /// // Three wins to one, as rankings of two: 1/√(4 · ¾ · ¼).
    /// let mut rankings = Rankings::new(2)?;
    /// rankings.push_counted(&[0, 1], &[], 3.0)?;
    /// rankings.push_counted(&[1, 0], &[], 1.0)?;
    /// let model = PlackettLuce::default();
    /// let fit = model.fit(&rankings)?;
    /// let information = model.information(&rankings, &fit)?;
    /// let error = information.standard_error_of_difference(0, 1)?;
    /// assert!((error - 1.0 / 0.75_f64.sqrt()).abs() < 1e-9);
    /// # Ok::<(), lipo::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] where the rankings are of another number of items, [`Error::Parameter`] for a
    /// prior out of its range, and without a prior [`Error::Unconnected`].
    pub fn information<'a>(
        &self,
        rankings: &'a Rankings,
        fit: &Fit,
    ) -> Result<Information<'a>, Error> {
        same_shape("rankings", &[rankings.items()], &[fit.strengths.len()])?;
        self.prior.check()?;
        rankings.check_total()?;
        if self.prior == Prior::None {
            rankings.check_connected()?;
        }
        let mut likelihood = Likelihood::new(rankings, self.prior);
        let point: Vec<f64> = fit.strengths.iter().map(|theta| theta - fit.origin).collect();
        likelihood.move_to(&point, &mut vec![0.0; point.len()]);
        Ok(Information::new(likelihood))
    }
}

impl Estimator<Rankings> for PlackettLuce {
    /// Fits the strengths.
    ///
    /// # Errors
    ///
    /// Without a prior, [`Error::Unconnected`] or [`Error::Separable`] where the items can be put in
    /// parts of which one was nowhere ranked above the others; [`Error::NotConverged`];
    /// [`Error::Parameter`] for a prior or a tolerance out of its range; [`Error::NotFinite`] where the
    /// counts add up to more than an `f64` holds.
    fn fit(&self, rankings: &Rankings) -> Result<Fit, Error> {
        self.fit_at(rankings, vec![0.0; rankings.items()])
    }
}

/// The log-likelihood divided by `scale`.
struct Likelihood<'a> {
    rankings: &'a Rankings,
    prior: Prior,
    scale: f64,
    point: Vec<f64>,
    /// log Σ_{t ≥ s} e^{θ_t} at each place s of each order.
    log_sums: Vec<f64>,
    shifts: Shifts,
}

impl<'a> Likelihood<'a> {
    fn new(rankings: &'a Rankings, prior: Prior) -> Self {
        let heaviest = rankings.iter().map(|order| order.weight).fold(0.0, f64::max);
        Self {
            rankings,
            prior,
            scale: power_of_two_near(heaviest.max(prior.slope_and_curvature(0.0).1)),
            point: vec![0.0; rankings.items()],
            log_sums: vec![0.0; rankings.entries()],
            shifts: Shifts::new(rankings.items(), prior, || rankings.parts()),
        }
    }

    /// Calls `visit` with each order, its weight being divided by the scale, and its log-sums.
    fn for_each(&self, mut visit: impl FnMut(Order<'_>, &[f64])) {
        let mut start = 0;
        for order in self.rankings.iter() {
            let end = start + order.items.len();
            let weight = order.weight / self.scale;
            visit(Order { weight, ..order }, &self.log_sums[start..end]);
            start = end;
        }
    }

    /// Calls `visit` with each item of an order and Σ_s p_s · `of_stage`(s) over the stages s at which
    /// it could be chosen, p_s being its probability there.
    fn for_each_item(
        &self,
        order: Order<'_>,
        log_sums: &[f64],
        of_stage: impl Fn(usize) -> f64,
        mut visit: impl FnMut(usize, f64),
    ) {
        // Σ_s e^{c_at − c_s} · of_stage(s) over the stages so far: no exponential is above 1.
        let (mut sum, mut at) = (0.0, f64::INFINITY);
        for (place, &item) in order.items.iter().enumerate() {
            let item = item as usize;
            if place < order.ranked {
                let log_sum = log_sums[place];
                sum = sum * (log_sum - at).exp() + of_stage(place);
                at = log_sum;
            }
            visit(item, sum * (self.point[item] - at).exp());
        }
    }
}

impl Curvature for Likelihood<'_> {
    fn parameters(&self) -> usize {
        self.rankings.items()
    }

    fn items(&self) -> usize {
        self.rankings.items()
    }

    fn scale(&self) -> f64 {
        self.scale
    }

    fn times(&self, vector: &[f64], product: &mut [f64]) {
        product.fill(0.0);
        let mut means = Vec::new();
        self.for_each(|order, log_sums| {
            // The expectation of the vector at each stage, from the last to the first.
            means.clear();
            means.resize(order.items.len(), 0.0);
            let (mut expected, mut below) = (0.0, f64::NEG_INFINITY);
            for (place, &item) in order.items.iter().enumerate().rev() {
                let log_sum = log_sums[place];
                let chosen = (self.point[item as usize] - log_sum).exp();
                expected = vector[item as usize] * chosen + expected * (below - log_sum).exp();
                below = log_sum;
                means[place] = expected;
            }
            // Σ_s p_s (v − E_s v) = v Σ_s p_s − Σ_s p_s E_s v.
            let weight = order.weight;
            self.for_each_item(
                order,
                log_sums,
                |_| 1.0,
                |item, sum| {
                    product[item] += weight * vector[item] * sum;
                },
            );
            self.for_each_item(
                order,
                log_sums,
                |stage| means[stage],
                |item, sum| {
                    product[item] -= weight * sum;
                },
            );
        });
        self.shifts.add_times(|item| vector[item], product);
    }

    fn diagonal(&self, diagonal: &mut [f64]) {
        diagonal.fill(0.0);
        self.for_each(|order, log_sums| {
            for (place, &item) in order.items.iter().enumerate() {
                // Σ_s p_s (1 − p_s) of the last stage only, which is enough to precondition with.
                if order.ranked > 0 {
                    let last = place.min(order.ranked - 1);
                    let p = (self.point[item as usize] - log_sums[last]).exp();
                    diagonal[item as usize] += order.weight * p * (1.0 - p).max(f64::EPSILON);
                }
            }
        });
        self.shifts.add_times(|_| 1.0, diagonal);
    }

    fn shifts(&self) -> &Shifts {
        &self.shifts
    }
}

impl Concave for Likelihood<'_> {
    fn reach(&self, step: &[f64]) -> f64 {
        self.rankings.iter().fold(0.0, |reach, order| {
            let steps = order.items.iter().map(|&item| step[item as usize]);
            let least = steps.clone().fold(f64::INFINITY, f64::min);
            reach.max(steps.fold(f64::NEG_INFINITY, f64::max) - least)
        })
    }

    fn move_to(&mut self, point: &[f64], gradient: &mut [f64]) {
        self.point.copy_from_slice(point);
        let mut start = 0;
        for order in self.rankings.iter() {
            let mut log_sum = f64::NEG_INFINITY;
            for (place, &item) in order.items.iter().enumerate().rev() {
                let strength = point[item as usize];
                let (greatest, least) = (strength.max(log_sum), strength.min(log_sum));
                log_sum = greatest + (least - greatest).exp().ln_1p();
                self.log_sums[start + place] = log_sum;
            }
            start += order.items.len();
        }
        gradient.fill(0.0);
        self.for_each(|order, log_sums| {
            for &item in &order.items[..order.ranked] {
                gradient[item as usize] += order.weight;
            }
            self.for_each_item(
                order,
                log_sums,
                |_| 1.0,
                |item, expected| {
                    gradient[item] -= order.weight * expected;
                },
            );
        });
        self.shifts.add_prior(self.prior, point, self.scale, gradient);
    }
}
