//! The log-likelihood of Bradley–Terry models, and its derivatives.
//!
//! Each log-likelihood is concave in (θ, δ, log ν) or (θ, δ, t).

use super::comparisons::{Comparisons, Pair};
use super::limits::narrow;
use super::newton::{Concave, Curvature, power_of_two_near};
use super::prior::Prior;
use super::shifts::Shifts;
use super::ties::{TieModel, davidson};
use crate::numeric::Sum;

/// As far as the logarithm of a tie model's parameter can go: its exponential is a number.
const LARGEST_LOG: f64 = 700.0;

/// What is fitted of a tie model.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Threshold {
    /// Nothing: there are half-wins, or no ties.
    None(TieModel),
    /// log ν.
    Davidson,
    /// t = log κ.
    RaoKupper,
}

impl Threshold {
    /// What is fitted of a model, and its value; nothing where that is on the edge of its range.
    fn of(model: TieModel) -> (Self, f64) {
        match model {
            TieModel::Davidson { nu } if nu > 0.0 => (Self::Davidson, nu.ln()),
            TieModel::RaoKupper { threshold } if threshold > 0.0 => (Self::RaoKupper, threshold),
            edge => (Self::None(edge), 0.0),
        }
    }

    fn model(self, threshold: f64) -> TieModel {
        match self {
            Self::None(model) => model,
            Self::Davidson => TieModel::Davidson { nu: threshold.exp() },
            Self::RaoKupper => TieModel::RaoKupper { threshold },
        }
    }
}

/// The log-likelihood, at one point of its parameters: θ, then δ, then the threshold, where they are
/// fitted.
#[derive(Debug)]
pub(super) struct Likelihood<'a> {
    items: usize,
    pairs: &'a [Pair],
    /// A power of two near the greatest weight.
    scale: f64,
    threshold: Threshold,
    order_effect: bool,
    prior: Prior,
    /// Of each pair, its items and the information on d.
    links: Vec<Link>,
    /// Of each pair, the information on d and the threshold together, and on the threshold; empty
    /// where no threshold is fitted.
    on_threshold: Vec<[f64; 2]>,
    shifts: Shifts,
}

#[derive(Debug, Clone, Copy)]
struct Link {
    first: u32,
    second: u32,
    curvature: f64,
}

/// The derivatives by d and by the threshold of one pair's log-likelihood, and the information on d,
/// on both, and on the threshold.
struct Terms {
    slopes: [f64; 2],
    curvatures: [f64; 3],
}

impl<'a> Likelihood<'a> {
    /// The likelihood, at no point yet, and a point's parameters for strengths, an order effect and a
    /// tie model.
    pub(super) fn new(
        comparisons: &'a Comparisons,
        ties: TieModel,
        order_effect: Option<f64>,
        prior: Prior,
        strengths: Vec<f64>,
    ) -> (Self, Vec<f64>) {
        let pairs = comparisons.pairs();
        let (threshold, start) = Threshold::of(ties);
        let heaviest = pairs.iter().map(Pair::total).fold(0.0, f64::max);
        let scale = power_of_two_near(heaviest.max(prior.slope_and_curvature(0.0).1));
        let mut point = strengths;
        point.extend(order_effect);
        point.extend((!matches!(threshold, Threshold::None(_))).then_some(start));
        let link = |pair: &Pair| Link {
            first: narrow(pair.first()),
            second: narrow(pair.second()),
            curvature: 0.0,
        };
        let mut likelihood = Self {
            items: comparisons.items(),
            pairs,
            scale,
            threshold,
            order_effect: order_effect.is_some(),
            prior,
            links: pairs.iter().map(link).collect(),
            on_threshold: Vec::new(),
            shifts: Shifts::new(comparisons.items(), prior, || comparisons.parts()),
        };
        if likelihood.threshold_at().is_some() {
            likelihood.on_threshold = vec![[0.0; 2]; pairs.len()];
        }
        (likelihood, point)
    }

    /// The place of the threshold among the parameters.
    fn threshold_at(&self) -> Option<usize> {
        let fitted = !matches!(self.threshold, Threshold::None(_));
        fitted.then_some(self.items + usize::from(self.order_effect))
    }

    /// Whether the lightest weight, beside the heaviest, is too small for a number: what balances it
    /// is lost then.
    pub(super) fn loses_weights(&self) -> bool {
        let counts = self.pairs.iter().flat_map(|pair| [pair.wins, pair.losses, pair.ties]);
        let lightest = counts.filter(|&count| count > 0.0).fold(f64::INFINITY, f64::min);
        lightest / self.scale < f64::MIN_POSITIVE
    }

    /// The order effect and the tie model at a point.
    pub(super) fn rest_of(&self, point: &[f64]) -> (f64, TieModel) {
        let order_effect = self.order_effect_at().map_or(0.0, |at| point[at]);
        let threshold = self.threshold_at().map_or(0.0, |at| point[at]);
        (order_effect, self.threshold.model(threshold))
    }

    fn visit_half_wins(&mut self, point: &[f64], gradient: &mut [f64]) {
        // An exponential an item, not a pair, wherever no quotient of two leaves the range.
        const RANGE: f64 = 300.0;
        let within = |strength: &f64| strength.abs() <= RANGE;
        if !point.iter().all(within) {
            return self.visit(point, gradient, |pair, d| of_half_wins(pair, sigmoids(d)));
        }
        let favour = self.order_effect_at().map_or(1.0, |at| point[at].exp());
        let powers: Vec<f64> = point[..self.items].iter().map(|theta| theta.exp()).collect();
        self.visit(point, gradient, |pair, _| {
            let (first, second) = (favour * powers[pair.first()], powers[pair.second()]);
            let per_sum = 1.0 / (first + second);
            of_half_wins(pair, (first * per_sum, second * per_sum))
        });
    }

    /// Visits all pairs, with their terms at a point; writes gradients and curvatures.
    fn visit(&mut self, point: &[f64], gradient: &mut [f64], terms: impl Fn(&Pair, f64) -> Terms) {
        let order_effect = self.order_effect_at().map_or(0.0, |at| point[at]);
        let per_weight = self.scale.recip();
        let (mut for_order, mut for_threshold) = (Sum::default(), Sum::default());
        let (summed, thresholds) = (self.order_effect, !self.on_threshold.is_empty());
        for (place, (pair, link)) in self.pairs.iter().zip(&mut self.links).enumerate() {
            let d = point[pair.first()] - point[pair.second()] + order_effect;
            let Terms { slopes, curvatures: [on_d, on_both, on_threshold] } = terms(pair, d);
            let by_d = slopes[0] * per_weight;
            gradient[pair.first()] += by_d;
            gradient[pair.second()] -= by_d;
            link.curvature = on_d * per_weight;
            if summed {
                for_order.add(by_d);
            }
            if thresholds {
                for_threshold.add(slopes[1] * per_weight);
                self.on_threshold[place] = [on_both * per_weight, on_threshold * per_weight];
            }
        }
        if let Some(at) = self.order_effect_at() {
            gradient[at] = for_order.total();
        }
        if let Some(at) = self.threshold_at() {
            gradient[at] = for_threshold.total();
        }
    }
}

#[inline(always)]
fn of_half_wins(pair: &Pair, (rise, fall): (f64, f64)) -> Terms {
    let (up, down) = (pair.points(), pair.points_of_second());
    let curvature = (up + down) * (rise * fall);
    Terms { slopes: [up * fall - down * rise, 0.0], curvatures: [curvature, 0.0, 0.0] }
}

fn of_davidson(pair: &Pair, d: f64, nu: f64) -> Terms {
    let p = davidson(d, nu);
    let decided = p.win + p.loss;
    // An outcome's probability enters by what is left of 1 beside it, which keeps all its digits.
    let by_d = 0.5
        * (pair.wins * (2.0 * p.loss + p.tie)
            - pair.losses * (2.0 * p.win + p.tie)
            - pair.ties * (p.win - p.loss));
    let by_threshold = pair.ties * decided - (pair.wins + pair.losses) * p.tie;
    let on_d = 0.25 * (decided * p.tie + 4.0 * p.win * p.loss);
    let curvatures = [on_d, -0.5 * (p.win - p.loss) * p.tie, p.tie * decided];
    let total = pair.total();
    Terms { slopes: [by_d, by_threshold], curvatures: curvatures.map(|entry| total * entry) }
}

fn of_rao_kupper(pair: &Pair, d: f64, threshold: f64) -> Terms {
    let (up, down) = (sigmoids(d - threshold), sigmoids(-d - threshold));
    let (for_up, for_down) = (pair.wins + pair.ties, pair.losses + pair.ties);
    let (slope_up, slope_down) = (for_up * up.1, for_down * down.1);
    let [curve_up, curve_down] = [slope_up * up.0, slope_down * down.0];
    let sinh = threshold.sinh();
    let of_ties = 2.0 * pair.ties / -(-2.0 * threshold).exp_m1();
    let on_threshold = curve_up + curve_down + pair.ties / (sinh * sinh);
    Terms {
        slopes: [slope_up - slope_down, of_ties - slope_up - slope_down],
        curvatures: [curve_up + curve_down, curve_down - curve_up, on_threshold],
    }
}

/// σ(x) and σ(−x).
#[inline(always)]
fn sigmoids(x: f64) -> (f64, f64) {
    let exp = (-x.abs()).exp();
    let greater = 1.0 / (1.0 + exp);
    let lesser = exp * greater;
    if x < 0.0 { (lesser, greater) } else { (greater, lesser) }
}

impl Curvature for Likelihood<'_> {
    fn parameters(&self) -> usize {
        self.items + self.order_effect_at().iter().len() + self.threshold_at().iter().len()
    }

    fn items(&self) -> usize {
        self.items
    }

    fn scale(&self) -> f64 {
        self.scale
    }

    fn order_effect_at(&self) -> Option<usize> {
        self.order_effect.then_some(self.items)
    }

    fn times(&self, vector: &[f64], product: &mut [f64]) {
        product.fill(0.0);
        self.shifts.add_times(|item| vector[item], product);
        let order_effect = self.order_effect_at().map_or(0.0, |at| vector[at]);
        let mut for_order = 0.0;
        // Links are sorted: the sum of one first item stays in a register.
        for links in self.links.chunk_by(|link, next| link.first == next.first) {
            let first = links[0].first as usize;
            let from = vector[first] + order_effect;
            let mut sum = 0.0;
            for &Link { second, curvature, .. } in links {
                let by_d = curvature * (from - vector[second as usize]);
                product[second as usize] -= by_d;
                sum += by_d;
            }
            product[first] += sum;
            for_order += sum;
        }
        if let Some(at) = self.threshold_at() {
            let threshold = vector[at];
            let mut for_threshold = 0.0;
            for (link, [on_both, on_threshold]) in self.links.iter().zip(&self.on_threshold) {
                let (first, second) = (link.first as usize, link.second as usize);
                let d = vector[first] - vector[second] + order_effect;
                let by_d = on_both * threshold;
                product[first] += by_d;
                product[second] -= by_d;
                for_order += by_d;
                for_threshold += on_both * d + on_threshold * threshold;
            }
            product[at] = for_threshold;
        }
        if let Some(at) = self.order_effect_at() {
            product[at] = for_order;
        }
    }

    fn diagonal(&self, diagonal: &mut [f64]) {
        diagonal.fill(0.0);
        self.shifts.add_times(|_| 1.0, diagonal);
        let mut for_order = 0.0;
        for link in &self.links {
            diagonal[link.first as usize] += link.curvature;
            diagonal[link.second as usize] += link.curvature;
            for_order += link.curvature;
        }
        if let Some(at) = self.order_effect_at() {
            diagonal[at] = for_order;
        }
        if let Some(at) = self.threshold_at() {
            diagonal[at] = self.on_threshold.iter().map(|[_, on_threshold]| on_threshold).sum();
        }
    }

    fn shifts(&self) -> &Shifts {
        &self.shifts
    }
}

impl Concave for Likelihood<'_> {
    fn move_to(&mut self, point: &[f64], gradient: &mut [f64]) {
        gradient.fill(0.0);
        let threshold = self.threshold_at().map_or(0.0, |at| point[at]);
        match self.threshold {
            Threshold::None(_) => self.visit_half_wins(point, gradient),
            Threshold::Davidson => {
                let nu = threshold.exp();
                self.visit(point, gradient, |pair, d| of_davidson(pair, d, nu));
            }
            Threshold::RaoKupper => {
                self.visit(point, gradient, |pair, d| of_rao_kupper(pair, d, threshold));
            }
        }
        let (strengths, gradient) = (&point[..self.items], &mut gradient[..self.items]);
        self.shifts.add_prior(self.prior, strengths, self.scale, gradient);
    }

    fn reach(&self, step: &[f64]) -> f64 {
        let order_effect = self.order_effect_at().map_or(0.0, |at| step[at]);
        let threshold = self.threshold_at().map_or(0.0, |at| step[at]);
        let reach = |reach: f64, link: &Link| {
            reach.max((step[link.first as usize] - step[link.second as usize] + order_effect).abs())
        };
        self.links.iter().fold(threshold.abs(), reach)
    }

    fn inside(&self, point: &[f64], step: &[f64]) -> f64 {
        let Some(at) = self.threshold_at() else { return 1.0 };
        let part = match self.threshold {
            _ if step[at] == 0.0 => 1.0,
            _ if step[at] > 0.0 => (LARGEST_LOG - point[at]) / step[at],
            // t > 0.
            Threshold::RaoKupper => -0.9 * point[at] / step[at],
            _ => (-LARGEST_LOG - point[at]) / step[at],
        };
        part.clamp(0.0, 1.0)
    }
}
