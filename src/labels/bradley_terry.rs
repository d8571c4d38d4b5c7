//! Bradley–Terry by maximum likelihood, with ties, an order effect and a prior.
//!
//! P(k beats j) = σ(d), d = θ_k − θ_j + δ where k is shown first, δ being the order effect.
//!
//! ties: half-wins            σ(d) : σ(−d), a tie counting as half of each
//!       Davidson (1970)      e^{d/2} : e^{−d/2} : ν
//!       Rao–Kupper (1967)    σ(d − log κ), σ(−d − log κ), and the rest
//!
//! Each log-likelihood is concave in (θ, δ, log ν) or (θ, δ, log κ).

use super::comparisons::{Comparisons, Pair};
use super::fit::{Fit, Prior, Stopping, TieModel, davidson, log_sigmoid, mean};
use super::information::Information;
use super::newton::{Concave, maximise};
use crate::Error;
use crate::check::same_shape;
use crate::numeric::{Logistic, Sum};

/// What a tie is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Ties {
    /// Half a win for each.
    #[default]
    HalfWins,
    /// An outcome of its own, its ν fitted: [`TieModel::Davidson`].
    Davidson,
    /// An outcome of its own, its κ fitted: [`TieModel::RaoKupper`].
    RaoKupper,
}

impl Ties {
    /// The model, its parameter being what it is among equals, and whether it is to be fitted: it is
    /// not where there are no ties, whose parameter sits on the edge of its range.
    pub(super) fn starting_at(self, comparisons: &Comparisons) -> Result<(TieModel, bool), Error> {
        let total = comparisons.total();
        let ties: f64 = comparisons.pairs().iter().map(|pair| pair.ties / total).sum();
        let parameter = match self {
            Self::HalfWins => return Ok((TieModel::HalfWins, false)),
            Self::Davidson if ties == 0.0 => return Ok((TieModel::Davidson { nu: 0.0 }, false)),
            Self::RaoKupper if ties == 0.0 => {
                return Ok((TieModel::RaoKupper { kappa: 1.0 }, false));
            }
            Self::Davidson => "ν of Davidson's ties",
            Self::RaoKupper => "κ of Rao and Kupper's ties",
        };
        if comparisons.pairs().iter().all(|pair| pair.ties == pair.total()) {
            return Err(Error::Undetermined { parameter, reason: "all comparisons are ties" });
        }
        let ties = ties.clamp(1e-6, 1.0 - 1e-6);
        let model = if self == Self::Davidson {
            TieModel::Davidson { nu: 2.0 * ties / (1.0 - ties) }
        } else {
            TieModel::RaoKupper { kappa: (2.0 * ties.atanh()).exp() }
        };
        Ok((model, true))
    }
}

/// Bradley–Terry strengths by maximum likelihood, or by maximum a posteriori with a [`Prior`].
///
/// By default ties count as half-wins, there is no order effect and no prior. Newton's method, whose
/// linear systems conjugate gradients solve: time and memory are those of some passes over the
/// pairs. The residual is the greatest entry of the last Newton step, in units of θ.
///
/// ```
/// use lipo::labels::{BradleyTerry, Comparison, Comparisons, Outcome};
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
#[derive(Debug, Clone, Copy, PartialEq)]
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

impl Default for BradleyTerry {
    fn default() -> Self {
        Self {
            ties: Ties::HalfWins,
            order_effect: false,
            prior: Prior::None,
            stopping: Stopping::new(1e-9, 100),
        }
    }
}

impl BradleyTerry {
    /// The same model with another meaning of ties.
    #[must_use]
    pub fn ties(self, ties: Ties) -> Self {
        Self { ties, ..self }
    }

    /// The same model with an order effect δ, which is added to θ of the item shown first.
    ///
    /// ```
    /// use lipo::labels::{BradleyTerry, Comparison, Comparisons, Outcome};
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

    /// The same model with another prior.
    ///
    /// ```
    /// use lipo::labels::{BradleyTerry, Comparison, Comparisons, Outcome, Prior};
    ///
    /// // One vote for 0, none for 1, nothing known of 2.
    /// let votes = Comparisons::from_records(3, [Comparison::new(0, 1, Outcome::First)])?;
    /// assert!(BradleyTerry::default().fit(&votes).is_err());
    /// let fit = BradleyTerry::default().prior(Prior::Gaussian(1.0)).fit(&votes)?;
    /// assert!((fit.strengths[0] - 0.3374).abs() < 1e-4); // θ_0 = σ(−2 θ_0), θ_1 = −θ_0
    /// assert!(fit.strengths[2].abs() < 1e-9);
    /// # Ok::<(), lipo::Error>(())
    /// ```
    #[must_use]
    pub fn prior(self, prior: Prior) -> Self {
        Self { prior, ..self }
    }

    /// The same model with another rule for stopping.
    #[must_use]
    pub fn stopping(self, stopping: Stopping) -> Self {
        Self { stopping, ..self }
    }

    /// Fits the strengths.
    ///
    /// # Errors
    ///
    /// - [`Error::Unconnected`] or [`Error::Separable`], without a prior, where the strengths have no
    ///   finite maximum ([`Comparisons::check_strongly_connected`]);
    /// - [`Error::Undetermined`] where an order effect could be strengths just as well, or where ν, κ
    ///   or δ would grow for ever (all comparisons are ties; what is shown first always won);
    /// - [`Error::NotConverged`] after the greatest number of iterations;
    /// - [`Error::Parameter`] for a prior or a tolerance that is not finite and positive.
    pub fn fit(&self, comparisons: &Comparisons) -> Result<Fit, Error> {
        self.stopping.check()?;
        self.prior.check()?;
        if self.prior == Prior::None {
            comparisons.check_strongly_connected()?;
        }
        self.check_order_effect(comparisons)?;
        let (start, fitted) = self.ties.starting_at(comparisons)?;
        let (ties, start) = if fitted { Threshold::of(start) } else { Threshold::fixed(start) };
        let mut likelihood = Likelihood::new(comparisons, ties, self.order_effect, self.prior);
        let items = comparisons.items();
        let mut point = vec![0.0; likelihood.parameters()];
        if let Some(at) = likelihood.threshold_at() {
            point[at] = start;
        }
        let mut convergence = maximise(&mut likelihood, &mut point, &self.stopping);
        let (order_effect, ties) = likelihood.rest_of(&point);
        if likelihood.runs_away(&point) {
            convergence.converged = false;
            if !self.stopping.accept_unconverged {
                let parameter = match (self.order_effect, likelihood.threshold_at()) {
                    (true, None) => "the order effect",
                    (true, Some(_)) => "the order effect or the probability of a tie",
                    (false, _) => "the probability of a tie",
                };
                let reason = "the likelihood grows for ever with it";
                return Err(Error::Undetermined { parameter, reason });
            }
        }
        let convergence = self.stopping.accept("Bradley–Terry", convergence)?;
        point.truncate(items);
        Ok(Fit { ties, order_effect, ..Fit::new(point, convergence) })
    }

    /// The log-likelihood of comparisons at a fit, plus the logarithm of the prior's density, save
    /// for its constant.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] where the comparisons are of another number of items.
    pub fn log_likelihood(&self, comparisons: &Comparisons, fit: &Fit) -> Result<f64, Error> {
        let items = [fit.strengths.len()];
        same_shape("comparisons", &[comparisons.items()], &items)?;
        let mut sum = Sum::default();
        for pair in comparisons.pairs() {
            let d = fit.strengths[pair.first] - fit.strengths[pair.second] + fit.order_effect;
            sum.add(log_likelihood(pair, d, fit.ties));
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
    /// [`Error::Undetermined`] as in [`fit`](Self::fit), and without a prior [`Error::Unconnected`].
    pub fn information(&self, comparisons: &Comparisons, fit: &Fit) -> Result<Information, Error> {
        let items = [fit.strengths.len()];
        same_shape("comparisons", &[comparisons.items()], &items)?;
        self.prior.check()?;
        if self.prior == Prior::None {
            comparisons.check_connected()?;
        }
        self.check_order_effect(comparisons)?;
        let (ties, threshold) = Threshold::of(fit.ties);
        let mut likelihood = Likelihood::new(comparisons, ties, self.order_effect, self.prior);
        let mut point: Vec<f64> = fit.strengths.iter().map(|theta| theta - fit.origin).collect();
        point.extend(self.order_effect.then_some(fit.order_effect));
        point.extend(likelihood.threshold_at().map(|_| threshold));
        likelihood.move_to(&point, &mut vec![0.0; point.len()]);
        Ok(Information::new(likelihood))
    }

    fn check_order_effect(&self, comparisons: &Comparisons) -> Result<(), Error> {
        if self.order_effect && order_effect_is_strengths(comparisons) {
            let (parameter, reason) =
                ("the order effect", "strengths could explain it just as well");
            return Err(Error::Undetermined { parameter, reason });
        }
        Ok(())
    }
}

fn log_likelihood(pair: &Pair, d: f64, ties: TieModel) -> f64 {
    // An outcome that never came has no term, were its probability 0.
    let term = |count: f64, log: f64| if count > 0.0 { count * log } else { 0.0 };
    match ties {
        TieModel::HalfWins => {
            pair.points() * log_sigmoid(d) + pair.turned().points() * log_sigmoid(-d)
        }
        TieModel::Davidson { nu } => {
            let (_, log_sum) = davidson(d, nu.ln());
            0.5 * d * (pair.wins - pair.losses) + term(pair.ties, nu.ln()) - pair.total() * log_sum
        }
        TieModel::RaoKupper { kappa } => {
            let threshold = kappa.ln();
            term(pair.ties, (2.0 * threshold).exp_m1().ln())
                + (pair.wins + pair.ties) * log_sigmoid(d - threshold)
                + (pair.losses + pair.ties) * log_sigmoid(-d - threshold)
        }
    }
}

/// Whether strengths alone could do what an order effect does: θ_i − θ_j = 1 for every pair of
/// which i was shown first.
fn order_effect_is_strengths(comparisons: &Comparisons) -> bool {
    // Levels that differ by 1 along every pair, found by walking through each part.
    let items = comparisons.items();
    let mut neighbours = vec![Vec::new(); items];
    for pair in comparisons.pairs() {
        neighbours[pair.first].push((pair.second, -1));
        neighbours[pair.second].push((pair.first, 1));
    }
    let mut levels: Vec<Option<i64>> = vec![None; items];
    for start in 0..items {
        let mut walk = if levels[start].is_none() { vec![(start, 0)] } else { Vec::new() };
        while let Some((item, level)) = walk.pop() {
            match levels[item] {
                Some(known) if known != level => return false,
                Some(_) => {}
                None => {
                    levels[item] = Some(level);
                    walk.extend(neighbours[item].iter().map(|&(other, up)| (other, level + up)));
                }
            }
        }
    }
    true
}

/// What is fitted of a tie model.
#[derive(Debug, Clone, Copy)]
pub(super) enum Threshold {
    /// Nothing.
    None(TieModel),
    /// log ν.
    Davidson,
    /// log κ.
    RaoKupper,
}

impl Threshold {
    /// What is fitted of a model, and its value; nothing where that is on the edge of its range.
    fn of(model: TieModel) -> (Self, f64) {
        match model {
            TieModel::Davidson { nu } if nu > 0.0 => (Self::Davidson, nu.ln()),
            TieModel::RaoKupper { kappa } if kappa > 1.0 => (Self::RaoKupper, kappa.ln()),
            edge => Self::fixed(edge),
        }
    }

    fn fixed(model: TieModel) -> (Self, f64) {
        (Self::None(model), 0.0)
    }
}

/// The log-likelihood, at one point of its parameters: θ, then δ, then the threshold, where they are
/// fitted.
#[derive(Debug, Clone)]
pub(super) struct Likelihood {
    items: usize,
    /// With weights divided by `scale`, so that no sum comes near the ends of the range.
    pairs: Vec<Pair>,
    scale: f64,
    ties: Threshold,
    order_effect: bool,
    prior: Prior,
    /// Of each pair, the information on d, on d and the threshold, and on the threshold.
    curvatures: Vec<[f64; 3]>,
    prior_curvatures: Vec<f64>,
}

impl Likelihood {
    fn new(comparisons: &Comparisons, ties: Threshold, order_effect: bool, prior: Prior) -> Self {
        let prior_weight = prior.slope_and_curvature(0.0).1;
        let scale = comparisons.pairs().iter().map(Pair::total).fold(prior_weight, f64::max);
        let scale = if scale > 0.0 && scale.is_finite() { scale } else { 1.0 };
        let mut pairs = comparisons.pairs().to_vec();
        for pair in &mut pairs {
            pair.wins /= scale;
            pair.losses /= scale;
            pair.ties /= scale;
        }
        Self {
            items: comparisons.items(),
            curvatures: vec![[0.0; 3]; pairs.len()],
            prior_curvatures: vec![0.0; comparisons.items()],
            pairs,
            scale,
            ties,
            order_effect,
            prior,
        }
    }

    pub(super) fn items(&self) -> usize {
        self.items
    }

    /// The information is that of the weights divided by this.
    pub(super) fn scale(&self) -> f64 {
        self.scale
    }

    /// The place of the threshold among the parameters.
    pub(super) fn threshold_at(&self) -> Option<usize> {
        let fitted = !matches!(self.ties, Threshold::None(_));
        fitted.then_some(self.items + usize::from(self.order_effect))
    }

    pub(super) fn order_effect_at(&self) -> Option<usize> {
        self.order_effect.then_some(self.items)
    }

    /// The order effect and the tie model at a point.
    fn rest_of(&self, point: &[f64]) -> (f64, TieModel) {
        let order_effect = self.order_effect_at().map_or(0.0, |at| point[at]);
        let threshold = self.threshold_at().map_or(0.0, |at| point[at]).exp();
        let ties = match self.ties {
            Threshold::None(model) => model,
            Threshold::Davidson => TieModel::Davidson { nu: threshold },
            Threshold::RaoKupper => TieModel::RaoKupper { kappa: threshold },
        };
        (order_effect, ties)
    }

    /// Whether δ or the threshold is on its way to infinity. Strengths alone are not, having been
    /// checked before; with a parameter more, some outcome's probability then tends to 0 or 1, which
    /// rounding takes for a maximum in the end.
    fn runs_away(&self, point: &[f64]) -> bool {
        const INFINITE: f64 = 30.0; // odds of 10¹³
        let order_effect = self.order_effect_at().map_or(0.0, |at| point[at]);
        let threshold = self.threshold_at().map_or(0.0, |at| point[at].abs());
        let far = |pair: &Pair| {
            let d = point[pair.first] - point[pair.second] + order_effect;
            d.abs() + threshold > INFINITE
        };
        (self.order_effect || self.threshold_at().is_some()) && self.pairs.iter().any(far)
    }

    /// Of one pair: the derivatives by d and by the threshold, and the information on them.
    fn of_pair(&self, pair: &Pair, d: f64, threshold: f64) -> ([f64; 2], [f64; 3]) {
        match self.ties {
            Threshold::None(_) => {
                let Logistic { rise, fall, .. } = Logistic::at(d);
                let (up, down) = (pair.points(), pair.losses + 0.5 * pair.ties);
                ([up * fall - down * rise, 0.0], [(up + down) * rise * fall, 0.0, 0.0])
            }
            Threshold::Davidson => {
                let (p, _) = davidson(d, threshold);
                let (total, lead) = (pair.total(), p.win - p.loss);
                let on_d = 0.25 * ((p.win + p.loss) * p.tie + 4.0 * p.win * p.loss);
                let slopes =
                    [0.5 * (pair.wins - pair.losses - total * lead), pair.ties - total * p.tie];
                let curvatures = [on_d, -0.5 * lead * p.tie, p.tie * (p.win + p.loss)];
                (slopes, curvatures.map(|curvature| total * curvature))
            }
            Threshold::RaoKupper => {
                let (up, down) = (Logistic::at(d - threshold), Logistic::at(-d - threshold));
                let (for_up, for_down) = (pair.wins + pair.ties, pair.losses + pair.ties);
                let (slope_up, slope_down) = (for_up * up.fall, for_down * down.fall);
                let [curve_up, curve_down] = [slope_up * up.rise, slope_down * down.rise];
                let sinh = threshold.sinh();
                let slopes = [
                    slope_up - slope_down,
                    2.0 * pair.ties / -(-2.0 * threshold).exp_m1() - slope_up - slope_down,
                ];
                let on_threshold = curve_up + curve_down + pair.ties / (sinh * sinh);
                (slopes, [curve_up + curve_down, curve_down - curve_up, on_threshold])
            }
        }
    }
}

impl Concave for Likelihood {
    fn parameters(&self) -> usize {
        self.items + self.order_effect_at().iter().len() + self.threshold_at().iter().len()
    }

    fn move_to(&mut self, point: &[f64], gradient: &mut [f64]) {
        let order_effect = self.order_effect_at().map_or(0.0, |at| point[at]);
        let threshold = self.threshold_at().map_or(0.0, |at| point[at]);
        gradient.fill(0.0);
        let (mut for_order, mut for_threshold) = (Sum::default(), Sum::default());
        for place in 0..self.pairs.len() {
            let pair = self.pairs[place];
            let d = point[pair.first] - point[pair.second] + order_effect;
            let ([by_d, by_threshold], curvatures) = self.of_pair(&pair, d, threshold);
            gradient[pair.first] += by_d;
            gradient[pair.second] -= by_d;
            for_order.add(by_d);
            for_threshold.add(by_threshold);
            self.curvatures[place] = curvatures;
        }
        if let Some(at) = self.order_effect_at() {
            gradient[at] = for_order.total();
        }
        if let Some(at) = self.threshold_at() {
            gradient[at] = for_threshold.total();
        }
        for item in 0..self.items {
            let (slope, curvature) = self.prior.slope_and_curvature(point[item]);
            gradient[item] += slope / self.scale;
            self.prior_curvatures[item] = curvature / self.scale;
        }
    }

    fn information_times(&self, vector: &[f64], product: &mut [f64]) {
        let order_effect = self.order_effect_at().map_or(0.0, |at| vector[at]);
        let threshold = self.threshold_at().map_or(0.0, |at| vector[at]);
        for ((product, curvature), entry) in
            product.iter_mut().zip(&self.prior_curvatures).zip(vector)
        {
            *product = curvature * entry;
        }
        let (mut for_order, mut for_threshold) = (0.0, 0.0);
        for (pair, [on_d, on_both, on_threshold]) in self.pairs.iter().zip(&self.curvatures) {
            let d = vector[pair.first] - vector[pair.second] + order_effect;
            let by_d = on_d * d + on_both * threshold;
            product[pair.first] += by_d;
            product[pair.second] -= by_d;
            for_order += by_d;
            for_threshold += on_both * d + on_threshold * threshold;
        }
        if let Some(at) = self.order_effect_at() {
            product[at] = for_order;
        }
        if let Some(at) = self.threshold_at() {
            product[at] = for_threshold;
        }
    }

    fn diagonal(&self, diagonal: &mut [f64]) {
        diagonal.fill(0.0);
        diagonal[..self.items].copy_from_slice(&self.prior_curvatures);
        let (mut for_order, mut for_threshold) = (0.0, 0.0);
        for (pair, [on_d, _, on_threshold]) in self.pairs.iter().zip(&self.curvatures) {
            diagonal[pair.first] += on_d;
            diagonal[pair.second] += on_d;
            for_order += on_d;
            for_threshold += on_threshold;
        }
        if let Some(at) = self.order_effect_at() {
            diagonal[at] = for_order;
        }
        if let Some(at) = self.threshold_at() {
            diagonal[at] = for_threshold;
        }
    }

    fn project(&self, vector: &mut [f64]) {
        // Without a prior, only differences of strengths matter.
        if self.prior == Prior::None {
            let mean = mean(&vector[..self.items]);
            vector[..self.items].iter_mut().for_each(|entry| *entry -= mean);
        }
    }

    fn inside(&self, point: &[f64], step: &[f64]) -> f64 {
        // log κ > 0.
        match (self.ties, self.threshold_at()) {
            (Threshold::RaoKupper, Some(at)) if step[at] < 0.0 => -0.9 * point[at] / step[at],
            _ => 1.0,
        }
    }
}
