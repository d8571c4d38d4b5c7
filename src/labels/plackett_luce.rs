//! Plackett–Luce strengths of rankings (Luce 1959, Plackett 1975).
//!
//! P(ranking) = Π_s e^{θ_s} / Σ_{t ≥ s} e^{θ_t}: at each stage the next item is chosen among those that
//! are left. A top-k ranking has its first k stages only.

use super::fit::{Fit, Prior, Stopping, mean};
use super::graph;
use super::newton::{Concave, maximise};
use crate::Error;

/// Rankings of K items: of all of them, of some, or of the best k.
///
/// ```
/// use lipo::labels::Rankings;
///
/// let mut rankings = Rankings::new(4);
/// rankings.push(&[2, 0, 1, 3])?; // of all items, the best first
/// rankings.push(&[0, 3])?; // of two; nothing is said of the others
/// rankings.push_top(&[2, 1])?; // the best two of all; 0 and 3 came behind them
/// rankings.push_top_of(&[1], &[0, 2])?; // the best of three
/// assert_eq!(rankings.len(), 4);
/// assert!(rankings.push(&[1, 4]).is_err());
/// # Ok::<(), lipo::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Rankings {
    items: usize,
    /// The items of all rankings, the ranked ones first in each.
    orders: Vec<usize>,
    /// Where each ranking ends, and how many of its items are ranked.
    ends: Vec<(usize, usize)>,
}

impl Rankings {
    /// No rankings of items 0 to `items` − 1 yet.
    #[must_use]
    pub fn new(items: usize) -> Self {
        Self { items, orders: Vec::new(), ends: Vec::new() }
    }

    /// Adds a ranking of the items given, the best first.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfRange`] for an item that does not exist, or is ranked twice, its index the place
    /// in the ranking; nothing has been added then.
    pub fn push(&mut self, ranked: &[usize]) -> Result<(), Error> {
        self.push_top_of(ranked, &[])
    }

    /// Adds the best of all items, the best first; the others came behind, in no order.
    ///
    /// # Errors
    ///
    /// As in [`push`](Self::push).
    pub fn push_top(&mut self, ranked: &[usize]) -> Result<(), Error> {
        let mut behind = vec![true; self.items];
        for &item in ranked {
            behind.get_mut(item).into_iter().for_each(|behind| *behind = false);
        }
        let others: Vec<usize> = (0..self.items).filter(|&item| behind[item]).collect();
        self.push_top_of(ranked, &others)
    }

    /// Adds the best of some items, the best first; `others` came behind, in no order.
    ///
    /// # Errors
    ///
    /// As in [`push`](Self::push), the places of `others` following those of `ranked`.
    pub fn push_top_of(&mut self, ranked: &[usize], others: &[usize]) -> Result<(), Error> {
        let order = || ranked.iter().chain(others).copied();
        let range = "below the number of items, and one of the ranking's only once";
        // Sorted with their places, equal items stand side by side.
        let mut places: Vec<(usize, usize)> = order().zip(0..).collect();
        places.sort_unstable();
        let twice = places.windows(2).find(|two| two[0].0 == two[1].0).map(|two| two[1]);
        if let Some((item, place)) =
            places.last().copied().filter(|last| last.0 >= self.items).or(twice)
        {
            let (what, index) = ("ranking", vec![place]);
            return Err(Error::OutOfRange { what, index, value: item as f64, range });
        }
        self.orders.extend(order());
        self.ends.push((self.orders.len(), ranked.len()));
        Ok(())
    }

    /// The number K of items.
    #[must_use]
    pub fn items(&self) -> usize {
        self.items
    }

    /// The number of rankings.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The items of each ranking, and how many of them, at the front, are ranked.
    fn iter(&self) -> impl Iterator<Item = (&[usize], usize)> {
        let starts = std::iter::once(0).chain(self.ends.iter().map(|&(end, _)| end));
        starts.zip(&self.ends).map(|(start, &(end, ranked))| (&self.orders[start..end], ranked))
    }

    /// Edges that lead from each item to all that it was ranked above.
    fn edges(&self) -> Vec<(usize, usize)> {
        let mut edges = Vec::new();
        for (order, ranked) in self.iter() {
            let next = order.iter().zip(order.iter().skip(1)).take(ranked.saturating_sub(1));
            edges.extend(next.map(|(&above, &below)| (above, below)));
            if let Some(last) = ranked.checked_sub(1) {
                edges.extend(order[ranked..].iter().map(|&below| (order[last], below)));
            }
        }
        edges
    }

    fn check_strongly_connected(&self) -> Result<(), Error> {
        let edges = self.edges();
        let parts = graph::strong_parts(self.items, &edges);
        if parts.len() <= 1 {
            return Ok(());
        }
        let connected = graph::connected_parts(self.items, edges.into_iter());
        Err(if connected.len() > 1 {
            Error::Unconnected { parts: connected }
        } else {
            Error::Separable { parts }
        })
    }
}

/// Plackett–Luce strengths by maximum likelihood, or by maximum a posteriori with a [`Prior`].
///
/// On rankings of two items it is [`BradleyTerry`](super::BradleyTerry). The residual is the greatest
/// entry of the last Newton step, in units of θ.
///
/// ```
/// use lipo::labels::{PlackettLuce, Rankings};
///
/// // The best of three items, 5, 3 and 2 times: those are the shares.
/// let mut rankings = Rankings::new(3);
/// for (item, times) in [(0, 5), (1, 3), (2, 2)] {
///     (0..times).try_for_each(|_| rankings.push_top(&[item]))?;
/// }
/// let fit = PlackettLuce::default().fit(&rankings)?;
/// assert!((fit.shares()[0] - 0.5).abs() < 1e-9 && (fit.shares()[1] - 0.3).abs() < 1e-9);
/// # Ok::<(), lipo::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct PlackettLuce {
    /// What is known of strengths beforehand.
    pub prior: Prior,
    /// When the iteration stops.
    pub stopping: Stopping,
}

impl Default for PlackettLuce {
    fn default() -> Self {
        Self { prior: Prior::None, stopping: Stopping::new(1e-9, 100) }
    }
}

impl PlackettLuce {
    /// The same model with another prior.
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
    /// Without a prior, [`Error::Unconnected`] or [`Error::Separable`] where the items cannot be put
    /// in parts of which each was somewhere ranked above each other; [`Error::NotConverged`];
    /// [`Error::Parameter`] for a prior or a tolerance that is not finite and positive.
    pub fn fit(&self, rankings: &Rankings) -> Result<Fit, Error> {
        self.stopping.check()?;
        self.prior.check()?;
        if self.prior == Prior::None {
            rankings.check_strongly_connected()?;
        }
        let mut point = vec![0.0; rankings.items];
        let mut likelihood = Likelihood {
            rankings,
            prior: self.prior,
            scale: self.prior.slope_and_curvature(0.0).1.max(1.0),
            point: point.clone(),
            log_sums: vec![0.0; rankings.orders.len()],
            prior_curvatures: point.clone(),
        };
        let convergence = maximise(&mut likelihood, &mut point, &self.stopping);
        let convergence = self.stopping.accept("Plackett–Luce", convergence)?;
        Ok(Fit::new(point, convergence))
    }
}

/// The log-likelihood divided by `scale`, which keeps a strong prior from overflowing.
struct Likelihood<'a> {
    rankings: &'a Rankings,
    prior: Prior,
    scale: f64,
    point: Vec<f64>,
    /// log Σ_{t ≥ s} e^{θ_t} at each place s of each ranking.
    log_sums: Vec<f64>,
    prior_curvatures: Vec<f64>,
}

impl Likelihood<'_> {
    /// Calls `visit` with each ranking's items, how many are ranked, and its log-sums.
    fn for_each(&self, mut visit: impl FnMut(&[usize], usize, &[f64])) {
        let mut start = 0;
        for (order, ranked) in self.rankings.iter() {
            visit(order, ranked, &self.log_sums[start..start + order.len()]);
            start += order.len();
        }
    }

    /// Calls `visit` with each item of a ranking and Σ_s p_s · `of_stage`(s) over the stages s at
    /// which it could be chosen, p_s being its probability there.
    fn for_each_item(
        &self,
        (order, ranked, log_sums): (&[usize], usize, &[f64]),
        of_stage: impl Fn(usize) -> f64,
        mut visit: impl FnMut(usize, f64),
    ) {
        // Σ_s e^{c_at − c_s} · of_stage(s) over the stages so far: no exponential is above 1.
        let (mut sum, mut at) = (0.0, f64::INFINITY);
        for (place, &item) in order.iter().enumerate() {
            if place < ranked {
                let log_sum = log_sums[place];
                sum = sum * (log_sum - at).exp() + of_stage(place);
                at = log_sum;
            }
            visit(item, sum * (self.point[item] - at).exp());
        }
    }
}

impl Concave for Likelihood<'_> {
    fn parameters(&self) -> usize {
        self.rankings.items
    }

    fn move_to(&mut self, point: &[f64], gradient: &mut [f64]) {
        self.point.copy_from_slice(point);
        let mut start = 0;
        for (order, _) in self.rankings.iter() {
            let mut log_sum = f64::NEG_INFINITY;
            for (place, &item) in order.iter().enumerate().rev() {
                let greatest = point[item].max(log_sum);
                let least = point[item].min(log_sum);
                log_sum = greatest + (least - greatest).exp().ln_1p();
                self.log_sums[start + place] = log_sum;
            }
            start += order.len();
        }
        gradient.fill(0.0);
        self.for_each(|order, ranked, log_sums| {
            order[..ranked].iter().for_each(|&item| gradient[item] += 1.0);
            self.for_each_item(
                (order, ranked, log_sums),
                |_| 1.0,
                |item, expected| {
                    gradient[item] -= expected;
                },
            );
        });
        for (item, gradient) in gradient.iter_mut().enumerate() {
            let (slope, curvature) = self.prior.slope_and_curvature(point[item]);
            *gradient = (*gradient + slope) / self.scale;
            self.prior_curvatures[item] = curvature / self.scale;
        }
    }

    fn information_times(&self, vector: &[f64], product: &mut [f64]) {
        product.fill(0.0);
        let mut means = Vec::new();
        self.for_each(|order, ranked, log_sums| {
            // The expectation of the vector at each stage, from the last to the first.
            means.clear();
            means.resize(order.len(), 0.0);
            let (mut expected, mut below) = (0.0, f64::NEG_INFINITY);
            for (place, &item) in order.iter().enumerate().rev() {
                let log_sum = log_sums[place];
                let chosen = (self.point[item] - log_sum).exp();
                expected = vector[item] * chosen + expected * (below - log_sum).exp();
                below = log_sum;
                means[place] = expected;
            }
            // Σ_s p_s (v − E_s v) = v Σ_s p_s − Σ_s p_s E_s v.
            let ranking = (order, ranked, log_sums);
            self.for_each_item(ranking, |_| 1.0, |item, sum| product[item] += vector[item] * sum);
            self.for_each_item(ranking, |stage| means[stage], |item, sum| product[item] -= sum);
        });
        for ((product, curvature), entry) in
            product.iter_mut().zip(&self.prior_curvatures).zip(vector)
        {
            *product = *product / self.scale + curvature * entry;
        }
    }

    fn diagonal(&self, diagonal: &mut [f64]) {
        diagonal.fill(0.0);
        self.for_each(|order, ranked, log_sums| {
            for (place, &item) in order.iter().enumerate() {
                // Σ_s p_s (1 − p_s); bounded by Σ_s p_s, which is enough to precondition with.
                let last = place.min(ranked.saturating_sub(1));
                if ranked > 0 {
                    let p = (self.point[item] - log_sums[last]).exp();
                    diagonal[item] += p * (1.0 - p).max(f64::EPSILON);
                }
            }
        });
        for (diagonal, curvature) in diagonal.iter_mut().zip(&self.prior_curvatures) {
            *diagonal = *diagonal / self.scale + curvature;
        }
    }

    fn project(&self, vector: &mut [f64]) {
        if self.prior == Prior::None {
            let mean = mean(vector);
            for entry in vector {
                *entry -= mean;
            }
        }
    }
}
