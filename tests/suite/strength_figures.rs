//! The figures of evalica, choix and scipy's optimiser (`fixtures/strengths.py`).
//!
//! evalica and choix share nothing with this crate but the models, and reach the maxima by other
//! iterations; scipy maximises log-likelihoods that were written down a second time. So agreement
//! excludes a misread model, a lost half of a tie, a wrong sign of the order effect and an iteration
//! that stops too early. 59 items and 9,000 votes with ties are the size of a file that people made.

use crate::common;
use lipo::labels::{
    BradleyTerry, Comparison, Comparisons, Estimator, Fit, Newman, Outcome, PlackettLuce, Prior,
    RankCentrality, Rankings, TieModel, Ties, average_win_rate, borda,
};
use ndarray::{Array2, ArrayRef1};
use serde::Deserialize;

#[derive(Deserialize)]
struct Figures {
    votes: Votes,
    small: Small,
    rankings: Ranked,
}

#[derive(Deserialize)]
struct Votes {
    items: usize,
    first: Vec<usize>,
    second: Vec<usize>,
    outcome: Vec<usize>,
    counting: Vec<f64>,
    average_win_rate: Vec<f64>,
    bradley_terry: Vec<f64>,
    bradley_terry_shares: Vec<f64>,
    bradley_terry_shares_at_default_tolerance: Vec<f64>,
    newman: Vec<f64>,
    newman_v: f64,
}

impl Votes {
    fn comparisons(&self) -> Comparisons {
        let outcomes = [Outcome::First, Outcome::Second, Outcome::Tie];
        let pairs = self.first.iter().zip(&self.second).zip(&self.outcome);
        let records = pairs.map(|((&i, &j), &outcome)| Comparison::new(i, j, outcomes[outcome]));
        Comparisons::from_records(self.items, records).unwrap()
    }
}

#[derive(Deserialize)]
struct Small {
    items: usize,
    /// First, second, wins, losses, ties.
    pairs: Vec<(usize, usize, f64, f64, f64)>,
    fits: Vec<Maximum>,
    choix: Choix,
}

impl Small {
    fn comparisons(&self, with_ties: bool) -> Comparisons {
        let records = self.pairs.iter().flat_map(|&(i, j, wins, losses, ties)| {
            let ties = if with_ties { ties } else { 0.0 };
            [(Outcome::First, wins), (Outcome::Second, losses), (Outcome::Tie, ties)]
                .map(|(outcome, weight)| Comparison::new(i, j, outcome).weight(weight))
        });
        Comparisons::from_records(self.items, records).unwrap()
    }
}

#[derive(Deserialize)]
struct Maximum {
    ties: String,
    order_effect: bool,
    sigma: Option<f64>,
    pseudo: Option<f64>,
    theta: Vec<f64>,
    delta: f64,
    threshold: f64,
    log_likelihood: f64,
}

impl Maximum {
    fn model(&self) -> BradleyTerry {
        let ties = match &*self.ties {
            "half-wins" => Ties::HalfWins,
            "davidson" => Ties::Davidson,
            _ => Ties::RaoKupper,
        };
        let prior = match (self.sigma, self.pseudo) {
            (Some(sigma), _) => Prior::Gaussian(sigma),
            (_, Some(pseudo)) => Prior::PseudoCounts(pseudo),
            _ => Prior::None,
        };
        let model = BradleyTerry::default().ties(ties).prior(prior);
        if self.order_effect { model.order_effect() } else { model }
    }
}

#[derive(Deserialize)]
struct Choix {
    ilsr: Vec<f64>,
    mm: Vec<f64>,
    opt_alpha_half: Vec<f64>,
    rank_centrality: Vec<f64>,
}

#[derive(Deserialize)]
struct Ranked {
    items: usize,
    full: Vec<Vec<usize>>,
    full_theta: Vec<f64>,
    full_theta_alpha_half: Vec<f64>,
    top: Vec<Vec<usize>>,
    top_theta: Vec<f64>,
}

fn figures() -> Figures {
    common::fixture("strengths.json")
}

fn assert_near(what: &str, got: &ArrayRef1<f64>, expected: &[f64], tolerance: f64) {
    assert_eq!(got.len(), expected.len(), "{what}");
    for (item, (got, expected)) in got.iter().zip(expected).enumerate() {
        assert!((got - expected).abs() <= tolerance, "{what}[{item}]: {got} != {expected}");
    }
}

fn tie_parameter(fit: &Fit) -> f64 {
    match fit.ties {
        TieModel::Davidson { nu, .. } => nu,
        TieModel::RaoKupper { threshold, .. } => threshold.exp(),
        _ => 1.0,
    }
}

#[test]
fn evalica() {
    let votes = figures().votes;
    let comparisons = votes.comparisons();
    assert_near("counting", &borda(&comparisons).unwrap(), &votes.counting, 1e-9);
    let rates = average_win_rate(&comparisons).unwrap();
    assert_near("average win rate", &rates, &votes.average_win_rate, 1e-13);

    let fit = BradleyTerry::default().fit(&comparisons).unwrap();
    assert_near("Bradley–Terry", &fit.strengths, &votes.bradley_terry, 1e-10);
    assert_near("shares", &fit.shares(), &votes.bradley_terry_shares, 1e-12);
    let short = &votes.bradley_terry_shares_at_default_tolerance;
    assert_near("shares as published", &fit.shares(), short, 1e-9);
    assert!(fit.convergence.converged && fit.convergence.iterations < 10);

    let newman = Newman::default().fit(&comparisons).unwrap();
    assert_near("Newman", &newman.strengths, &votes.bradley_terry, 1e-9);
    let davidson = Newman::default().davidson().fit(&comparisons).unwrap();
    assert_near("Newman with ties", &davidson.strengths, &votes.newman, 1e-9);
    assert!((tie_parameter(&davidson) - 2.0 * votes.newman_v).abs() < 1e-9);
    let davidson = BradleyTerry::default().ties(Ties::Davidson).fit(&comparisons).unwrap();
    assert_near("Davidson", &davidson.strengths, &votes.newman, 1e-9);
    assert!((tie_parameter(&davidson) - 2.0 * votes.newman_v).abs() < 1e-9);
}

/// Maxima are flat: where scipy's search without derivatives finds the log-likelihood to 1e-13, it
/// finds the parameters to 1e-6 or so.
#[test]
fn maxima_that_scipy_finds() {
    let small = figures().small;
    let comparisons = small.comparisons(true);
    assert_eq!(small.fits.len(), 18);
    for maximum in &small.fits {
        let model = maximum.model();
        let fit = model.fit(&comparisons).unwrap();
        let what = format!("{model:?}");
        assert_near(&what, &fit.strengths, &maximum.theta, 3e-6);
        assert!((fit.order_effect - maximum.delta).abs() < 3e-6, "{what}: {fit:?}");
        assert!((tie_parameter(&fit) - maximum.threshold).abs() < 3e-6, "{what}: {fit:?}");
        let log_likelihood = model.log_likelihood(&comparisons, &fit).unwrap();
        assert!((log_likelihood - maximum.log_likelihood).abs() < 1e-9, "{what}");
        assert!(log_likelihood > maximum.log_likelihood - 1e-12, "{what}: not the maximum");
    }
}

#[test]
fn choix_on_pairs() {
    let small = figures().small;
    let comparisons = small.comparisons(false);
    let fit = BradleyTerry::default().fit(&comparisons).unwrap();
    assert_near("ilsr", &fit.strengths, &small.choix.ilsr, 1e-9);
    assert_near("mm", &fit.strengths, &small.choix.mm, 1e-9);
    let fit = RankCentrality::default().fit(&comparisons).unwrap();
    assert_near("rank centrality", &fit.strengths, &small.choix.rank_centrality, 1e-10);

    // Weights were multiplied by 4 to be whole, and α of choix is 1/(2σ²), whatever its docs say.
    let times_four = comparisons.and(&comparisons).unwrap();
    let times_four = times_four.and(&times_four).unwrap();
    let fit = BradleyTerry::default().prior(Prior::Gaussian(1.0)).fit(&times_four).unwrap();
    assert_near("opt_pairwise", &fit.strengths, &small.choix.opt_alpha_half, 1e-6);
}

#[test]
fn choix_on_rankings() {
    let ranked = figures().rankings;
    let mut full = Rankings::new(ranked.items).unwrap();
    ranked.full.iter().for_each(|order| full.push(order).unwrap());
    let fit = PlackettLuce::default().fit(&full).unwrap();
    assert_near("ilsr_rankings", &fit.strengths, &ranked.full_theta, 1e-9);
    let fit = PlackettLuce::default().prior(Prior::Gaussian(1.0)).fit(&full).unwrap();
    assert_near("opt_rankings", &fit.strengths, &ranked.full_theta_alpha_half, 1e-6);

    let mut top = Rankings::new(ranked.items).unwrap();
    ranked.top.iter().for_each(|order| top.push_top(order).unwrap());
    let fit = PlackettLuce::default().fit(&top).unwrap();
    assert_near("ilsr_top1", &fit.strengths, &ranked.top_theta, 1e-9);
}

/// The information is minus the Hessian: against central differences of the log-likelihood at the
/// fit, inverted by hand.
#[test]
fn standard_errors_are_those_of_the_numeric_hessian() {
    let small = figures().small;
    let comparisons = small.comparisons(true);
    for maximum in &small.fits {
        let model = maximum.model();
        let fit = model.fit(&comparisons).unwrap();
        let information = model.information(&comparisons, &fit).unwrap();
        let expected = numeric_covariances(&model, &comparisons, &fit);
        let got = information.covariances().unwrap();
        for ((k, j), &got) in got.indexed_iter() {
            let expected = expected[[k, j]];
            assert!((got - expected).abs() < 2e-6, "{model:?} [{k}, {j}]: {got} != {expected}");
        }
        let errors = information.standard_errors().unwrap();
        let difference = got[[0, 0]] + got[[1, 1]] - 2.0 * got[[0, 1]];
        assert!((errors[2] - got[[2, 2]].sqrt()).abs() < 1e-9);
        let error = information.standard_error_of_difference(0, 1).unwrap();
        assert!((error - difference.sqrt()).abs() < 1e-9);
        if let Some(error) = information.standard_error_of_order_effect().unwrap() {
            let at = small.items;
            assert!((error - expected[[at, at]].sqrt()).abs() < 1e-5, "{model:?}");
        }
    }
}

/// Covariances of the centred strengths, then of δ and the threshold's logarithm.
fn numeric_covariances(model: &BradleyTerry, comparisons: &Comparisons, fit: &Fit) -> Array2<f64> {
    let items = comparisons.items();
    // The prior is not where the centred strengths are 0: a likelihood of uncentred ones is needed.
    let origin = origin(model, fit);
    let mut point: Vec<f64> = fit.strengths.iter().map(|theta| theta - origin).collect();
    if model.order_effect {
        point.push(fit.order_effect);
    }
    if model.ties != Ties::HalfWins {
        point.push(tie_parameter(fit).ln());
    }
    let value = |point: &[f64]| likelihood(model, comparisons, point);
    let n = point.len();
    let h = 1e-3;
    let mut information = Array2::zeros((n, n));
    for a in 0..n {
        for b in 0..n {
            let shifted = |by_a: f64, by_b: f64| {
                let mut point = point.clone();
                point[a] += by_a;
                point[b] += by_b;
                value(&point)
            };
            let mixed = |h: f64| {
                (shifted(h, h) - shifted(h, -h) - shifted(-h, h) + shifted(-h, -h)) / (4.0 * h * h)
            };
            // Richardson: the error of order h² cancels.
            information[[a, b]] = -(4.0 * mixed(h) - mixed(2.0 * h)) / 3.0;
        }
    }
    if model.prior == Prior::None {
        // A shift of all strengths is free; pinning it changes no centred covariance.
        for ((a, b), entry) in information.indexed_iter_mut() {
            *entry += f64::from(u8::from(a < items && b < items));
        }
    }
    let mut inverse = inverse(information);
    for axis in [ndarray::Axis(0), ndarray::Axis(1)] {
        for mut lane in inverse.lanes_mut(axis) {
            let mean = lane.iter().take(items).sum::<f64>() / items as f64;
            for entry in lane.iter_mut().take(items) {
                *entry -= mean;
            }
        }
    }
    inverse
}

/// Where the prior's 0 lies among the centred strengths: where the slopes of the priors add up to 0.
fn origin(model: &BradleyTerry, fit: &Fit) -> f64 {
    let Prior::PseudoCounts(_) = model.prior else { return 0.0 };
    let slope = |origin: f64| -> f64 {
        fit.strengths.iter().map(|theta| (0.5 * (theta - origin)).tanh()).sum()
    };
    let (mut low, mut high) = (-10.0, 10.0);
    for _ in 0..100 {
        let middle = f64::midpoint(low, high);
        *(if slope(middle) > 0.0 { &mut low } else { &mut high }) = middle;
    }
    low
}

fn likelihood(model: &BradleyTerry, comparisons: &Comparisons, point: &[f64]) -> f64 {
    let items = comparisons.items();
    let softplus = |x: f64| x.max(0.0) + (-x.abs()).exp().ln_1p();
    let delta = if model.order_effect { point[items] } else { 0.0 };
    let threshold = point[point.len() - 1];
    let of_pair = |pair: &lipo::labels::Pair| {
        let d = point[pair.first()] - point[pair.second()] + delta;
        let [win, loss, tie] = match model.ties {
            Ties::HalfWins => {
                let [win, loss] = [-softplus(-d), -softplus(d)];
                [win, loss, f64::midpoint(win, loss)]
            }
            Ties::Davidson => {
                let sum = (0.5 * d).exp() + (-0.5 * d).exp() + threshold.exp();
                [0.5 * d, -0.5 * d, threshold].map(|log| log - sum.ln())
            }
            _ => {
                let [win, loss] = [-softplus(threshold - d), -softplus(threshold + d)];
                [win, loss, (1.0 - win.exp() - loss.exp()).ln()]
            }
        };
        pair.wins * win + pair.losses * loss + pair.ties * tie
    };
    let of_prior = |&theta: &f64| match model.prior {
        Prior::None => 0.0,
        Prior::Gaussian(sigma) => -0.5 * (theta / sigma).powi(2),
        Prior::PseudoCounts(count) => -count * (softplus(theta) + softplus(-theta)),
        _ => unreachable!("a prior without a definition here"),
    };
    comparisons.pairs().iter().map(of_pair).sum::<f64>()
        + point[..items].iter().map(of_prior).sum::<f64>()
}

/// Gauss and Jordan.
fn inverse(mut matrix: Array2<f64>) -> Array2<f64> {
    let n = matrix.nrows();
    let mut inverse = Array2::eye(n);
    for pivot in 0..n {
        let scale = matrix[[pivot, pivot]];
        for both in [&mut matrix, &mut inverse] {
            both.row_mut(pivot).map_inplace(|entry| *entry /= scale);
        }
        for row in (0..n).filter(|&row| row != pivot) {
            let factor = matrix[[row, pivot]];
            for both in [&mut matrix, &mut inverse] {
                let pivot = both.row(pivot).to_owned();
                both.row_mut(row).scaled_add(-factor, &pivot);
            }
        }
    }
    inverse
}
