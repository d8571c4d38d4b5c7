//! Strengths from comparisons: closed forms, invariants, and what has no answer.
//!
//! Closed forms are short enough to check by eye. Invariants hold for any data: permuting items
//! permutes strengths, ψ from a part of a Bradley–Terry judge's Ψ is ψ from all of it. What has no
//! maximum has to be an error, and no input may panic or give NaN.

use std::cell::Cell;

use crate::common;
use lipo::Error;
use lipo::labels::{
    self, BradleyTerry, Comparison, Comparisons, Estimator, Fit, Newman, Outcome, PlackettLuce,
    Prior, PromptVotes, RankCentrality, Rankings, Stopping, TieModel, Ties, average_win_rate,
    average_win_rate_with_prior, averaged_over_orders, bootstrap, borda, copeland, cyclic_pairs,
    informative_pairs, position_bias, random_pairs, sorted_pairs,
};
use ndarray::{Array1, Array2, array};
use proptest::collection::vec;
use proptest::prelude::*;
use rand::{RngExt, SeedableRng, rngs::StdRng};

const OUTCOMES: [Outcome; 3] = [Outcome::First, Outcome::Second, Outcome::Tie];

/// Records of wins, losses and ties of 0 against 1.
fn duel(wins: f64, losses: f64, ties: f64) -> Comparisons {
    let counts = [wins, losses, ties];
    let records = OUTCOMES.into_iter().zip(counts).map(|(o, n)| Comparison::new(0, 1, o).weight(n));
    Comparisons::from_records(2, records).unwrap()
}

/// Wins of the first over the second of each pair.
fn won(items: usize, pairs: &[(usize, usize)]) -> Comparisons {
    let records = pairs.iter().map(|&(i, j)| Comparison::new(i, j, Outcome::First));
    Comparisons::from_records(items, records).unwrap()
}

type Estimate = fn(&Comparisons) -> Result<Array1<f64>, Error>;

/// Every estimator of strength, and whether it needs strongly connected comparisons.
const ESTIMATORS: [(&str, Estimate, bool); 10] = [
    ("average win rate", average_win_rate, false),
    ("borda", borda, false),
    ("copeland", copeland, false),
    ("bradley-terry", |votes| theta(BradleyTerry::default().fit(votes)), true),
    ("davidson", |votes| theta(BradleyTerry::default().ties(Ties::Davidson).fit(votes)), true),
    ("rao-kupper", |votes| theta(BradleyTerry::default().ties(Ties::RaoKupper).fit(votes)), true),
    ("newman", |votes| theta(Newman::default().fit(votes)), true),
    ("newman, davidson", |votes| theta(Newman::default().davidson().fit(votes)), true),
    ("rank centrality", |votes| theta(RankCentrality::default().fit(votes)), true),
    (
        "rank centrality, pseudo-counts",
        |votes| theta(RankCentrality::default().pseudo_counts(0.5).fit(votes)),
        false,
    ),
];

fn theta(fit: Result<Fit, Error>) -> Result<Array1<f64>, Error> {
    Ok(fit?.strengths)
}

fn close(a: f64, b: f64, tolerance: f64) -> bool {
    (a - b).abs() <= tolerance
}

// --- Closed forms

#[test]
fn two_items_have_the_log_odds() {
    for (wins, losses) in [(3.0, 1.0), (1.0, 9.0), (0.25, 7.0), (1e6, 1.0), (5.0, 5.0)] {
        let votes = duel(wins, losses, 0.0);
        let log_odds = f64::ln(wins / losses);
        for (name, estimator, strong) in ESTIMATORS.into_iter().filter(|(_, _, strong)| *strong) {
            let theta = estimator(&votes).unwrap();
            assert!(close(theta[0] - theta[1], log_odds, 1e-8), "{name}: {theta}");
            assert!(close(theta[0] + theta[1], 0.0, 1e-12) && strong, "{name}: {theta}");
        }
    }
}

/// With all outcomes of one pair, each model fits its frequencies exactly: w : l : t.
#[test]
fn two_items_with_ties_have_the_frequencies() {
    let (wins, losses, ties): (f64, f64, f64) = (5.0, 2.0, 3.0);
    let votes = duel(wins, losses, ties);

    let davidson = BradleyTerry::default().ties(Ties::Davidson).fit(&votes).unwrap();
    assert!(close(davidson.strengths[0], 0.5 * (wins / losses).ln(), 1e-10));
    let TieModel::Davidson { nu, .. } = davidson.ties else { panic!("{davidson:?}") };
    assert!(close(nu, ties / (wins * losses).sqrt(), 1e-10));

    // σ(d − log κ) = w/n, σ(−d − log κ) = l/n: the sum and difference of their log odds.
    let rao_kupper = BradleyTerry::default().ties(Ties::RaoKupper).fit(&votes).unwrap();
    let (up, down) = ((wins / (losses + ties)).ln(), (losses / (wins + ties)).ln());
    assert!(close(rao_kupper.strengths[0], 0.25 * (up - down), 1e-10));
    let TieModel::RaoKupper { threshold, .. } = rao_kupper.ties else { panic!("{rao_kupper:?}") };
    assert!(close(threshold, -0.5 * (up + down), 1e-10));

    let half = BradleyTerry::default().fit(&votes).unwrap();
    assert!(close(half.strengths[0], 0.5 * (6.5_f64 / 3.5).ln(), 1e-10));
    for fit in [&davidson, &rao_kupper] {
        let outcome = fit.outcome(0, 1).unwrap();
        let sum = outcome.win + outcome.loss + outcome.tie;
        assert!(close(outcome.win, 0.5, 1e-10) && close(outcome.tie, 0.3, 1e-10), "{outcome:?}");
        assert!(close(sum, 1.0, 1e-12), "{outcome:?}");
        let psi: Array1<f64> = fit.labels();
        assert!(close(psi[0], f64::midpoint(0.5, 0.65), 1e-10), "{psi}");
    }
}

/// In a ring of three, item k beats k + 1 with odds a, which are nobody's: all are equal.
#[test]
fn a_ring_is_level() {
    let records = (0..3).flat_map(|k| {
        [(Outcome::First, 3.0), (Outcome::Second, 1.0)]
            .map(|(outcome, n)| Comparison::new(k, (k + 1) % 3, outcome).weight(n))
    });
    let votes = Comparisons::from_records(3, records).unwrap();
    for (name, estimator, _) in ESTIMATORS {
        let found = estimator(&votes).unwrap();
        assert!(found.iter().all(|&x| close(x, found[0], 1e-9)), "{name}: {found}");
    }
}

/// Each item of a chain beats the next two times of three: θ falls by log 2 a step, and differences
/// add up their variances, 1/(3 · ⅔ · ⅓) a step.
#[test]
fn a_chain_adds_up() {
    let items = 60;
    let steps = (1..items).flat_map(|item| [(item - 1, item), (item - 1, item), (item, item - 1)]);
    let votes = won(items, &steps.collect::<Vec<_>>());
    let model = BradleyTerry::default();
    let fits = [model.fit(&votes), RankCentrality::default().fit(&votes)];
    for (fit, tolerance) in fits.into_iter().zip([1e-10, 1e-8]) {
        let theta = fit.unwrap().strengths;
        for item in 1..items {
            assert!(close(theta[item - 1] - theta[item], 2.0_f64.ln(), tolerance), "{theta}");
        }
    }
    let information = model.information(&votes, &model.fit(&votes).unwrap()).unwrap();
    let error = information.standard_error_of_difference(0, items - 1).unwrap();
    assert!(close(error, f64::sqrt(1.5 * 59.0), 1e-9), "{error}");
}

/// The direct route for all K² comparisons and the strengths' agree where Ψ is Bradley–Terry, and
/// then a connected part of Ψ is enough.
#[test]
fn a_part_of_bradley_terry_probabilities_is_all_of_them() {
    let rewards = array![0.3, -1.2, 2.0, 0.9, -0.4, 0.0];
    let wins = labels::win_probabilities_from_rewards(&rewards).unwrap();
    let psi = labels::from_win_probabilities(&wins).unwrap();
    let ring = Array2::from_shape_fn((6, 6), |(k, j)| j == (k + 1) % 6);
    for mask in [None, Some(&*ring)] {
        let known = Comparisons::from_win_probabilities(&wins, mask).unwrap();
        for fit in [
            BradleyTerry::default().fit(&known).unwrap(),
            Newman::default().fit(&known).unwrap(),
            RankCentrality::default().fit(&known).unwrap(),
        ] {
            let labels: Array1<f64> = fit.labels();
            assert!(labels.iter().zip(&psi).all(|(a, b)| close(*a, *b, 1e-8)), "{labels} {psi}");
            let completed: Array2<f64> = fit.win_probabilities().unwrap();
            assert!(completed.iter().zip(&wins).all(|(a, b)| close(*a, *b, 1e-8)));
            let single: Array1<f32> = fit.labels();
            assert!(single.iter().zip(&psi).all(|(a, b)| close(f64::from(*a), *b, 1e-7)));
        }
    }
    let full = Comparisons::from_win_probabilities(&wins, None).unwrap();
    let rates = average_win_rate(&full).unwrap();
    let from_rates = rates.mapv(|rate| (0.5 + 5.0 * rate) / 6.0);
    assert!(from_rates.iter().zip(&psi).all(|(a, b)| close(*a, *b, 1e-12)), "{from_rates} {psi}");
}

#[test]
fn plackett_luce_of_pairs_is_bradley_terry() {
    let pairs = [(0, 1), (1, 2), (2, 0), (0, 3), (3, 2), (2, 3), (0, 1), (3, 1), (1, 0)];
    for prior in [Prior::None, Prior::Gaussian(0.7), Prior::PseudoCounts(2.0)] {
        let bradley_terry = BradleyTerry::default().prior(prior).fit(&won(4, &pairs)).unwrap();
        let mut rankings = Rankings::new(4).unwrap();
        for (k, &(i, j)) in pairs.iter().enumerate() {
            // A pair is a ranking of two, and the best of two.
            let pushed =
                if k % 2 == 0 { rankings.push(&[i, j]) } else { rankings.push_top_of(&[i], &[j]) };
            pushed.unwrap();
        }
        let fit = PlackettLuce::default().prior(prior).fit(&rankings).unwrap();
        let both = fit.strengths.iter().zip(&bradley_terry.strengths);
        assert!(both.clone().all(|(a, b)| close(*a, *b, 1e-9)), "{fit:?} {bradley_terry:?}");
    }
}

#[test]
fn comparisons_from_what_people_have() {
    let from_ranks = Comparisons::from_ranks(&array![[1.0, 2.0, 2.0]]).unwrap();
    let from_ratings = Comparisons::from_ratings(&array![5_f32, 3.0, 3.0]).unwrap();
    let (tie, first) = (Outcome::Tie, Outcome::First);
    let records = [(0, 1, first), (0, 2, first), (1, 2, tie)];
    let records = records.map(|(i, j, outcome)| Comparison::new(i, j, outcome));
    let from_records = Comparisons::from_records(3, records).unwrap();
    assert_eq!(from_ranks, from_records);
    assert_eq!(from_ratings, from_records);
    let (wins, ties) = (array![[9.0, 1.0, 1.0], [0.0; 3], [0.0; 3]], Array2::<f64>::eye(3));
    let mut ties = ties * 7.0;
    ties[[1, 2]] = 1.0;
    // Counts know of no order: half of each is of either.
    let counted = Comparisons::from_counts(&wins, Some(&ties)).unwrap();
    let turned = [(1, 0, Outcome::Second), (2, 0, Outcome::Second), (2, 1, tie)];
    let turned = turned.map(|(i, j, outcome)| Comparison::new(i, j, outcome));
    let halves = records.into_iter().chain(turned).map(|record| record.weight(0.5));
    assert_eq!(counted, Comparisons::from_records(3, halves).unwrap());
    let averaged = averaged_over_orders(&counted).unwrap();
    assert_eq!(averaged.comparisons, counted);
    assert_eq!((averaged.before.first_advantage, averaged.before.greatest_asymmetry), (0.0, 0.0));
    let lopsided = Comparisons::from_counts(&array![[0.0, 30.0], [10.0, 0.0]], None).unwrap();
    let fit = BradleyTerry::default().order_effect().fit(&lopsided).unwrap();
    assert!(fit.order_effect.abs() < 1e-9, "{fit:?}");
    // The average over ranks of all is what from_ranks gives.
    let psi = labels::from_ranks(&array![1.0, 2.0, 2.0]).unwrap();
    let rates = average_win_rate(&from_ranks).unwrap().mapv(|rate| (0.5 + 2.0 * rate) / 3.0);
    assert!(rates.iter().zip(&psi).all(|(a, b)| close(*a, *b, 1e-15)));
    // Lists are counted together.
    let batch =
        Comparisons::from_ranks(&array![[[1.0, 2.0], [2.0, 1.0]], [[1.0, 1.0], [1.0, 2.0]]]);
    let batch = batch.unwrap();
    assert_eq!(batch.pairs().len(), 1);
    let pair = batch.pairs()[0];
    assert_eq!((pair.wins, pair.losses, pair.ties), (2.0, 1.0, 1.0));
}

// --- Bias for what is shown first

/// Strength and position are told apart where either alone would mislead: only one order of each
/// pair was judged, strong items mostly second.
#[test]
fn order_effect_is_fitted_from_single_orders() {
    let (theta, delta) = ([0.0_f64, 0.8, 1.6, -0.5], 0.6);
    let orders = [(0, 1), (1, 2), (0, 2), (3, 0), (3, 1), (2, 3)];
    let records = orders.iter().flat_map(|&(i, j)| {
        let win = 1.0 / (1.0 + (theta[j] - theta[i] - delta).exp());
        [(Outcome::First, win), (Outcome::Second, 1.0 - win)]
            .map(|(outcome, share)| Comparison::new(i, j, outcome).weight(100.0 * share))
    });
    let votes = Comparisons::from_records(4, records).unwrap();
    let fit = BradleyTerry::default().order_effect().fit(&votes).unwrap();
    assert!(close(fit.order_effect, delta, 1e-8));
    let mean = theta.iter().sum::<f64>() / 4.0;
    for (item, theta) in theta.iter().enumerate() {
        assert!(close(fit.strengths[item], theta - mean, 1e-8), "{fit:?}");
    }
    assert!(close(fit.unexplained_advantage(&votes).unwrap(), 0.0, 1e-10));
    let without = BradleyTerry::default().fit(&votes).unwrap();
    assert!(without.unexplained_advantage(&votes).unwrap() > 0.01);

    let bias = position_bias(&votes);
    assert_eq!((bias.both_orders, bias.one_order), (0, 6));
    assert_eq!(averaged_over_orders(&votes).unwrap().comparisons, votes);
}

#[test]
fn averaging_orders_is_what_symmetrising_does() {
    let wins = array![[0.5, 0.9, 0.4], [0.3, 0.5, 0.2], [0.7, 0.8, 0.5]];
    let judged = Comparisons::from_win_probabilities(&wins, None).unwrap();
    let averaged = averaged_over_orders(&judged).unwrap();
    let symmetrised = labels::symmetrised(&wins).unwrap();
    assert!(close(averaged.before.mean_asymmetry, symmetrised.mean_asymmetry[()], 1e-15));
    assert!(close(averaged.before.greatest_asymmetry, symmetrised.greatest_asymmetry[()], 1e-15));
    assert!(averaged.after.greatest_asymmetry < 1e-15);
    for pair in averaged.comparisons.pairs() {
        let expected = symmetrised.wins[[pair.first(), pair.second()]];
        assert!(close(pair.points() / pair.total(), expected, 1e-15), "{pair:?}");
    }
}

#[test]
fn an_order_effect_that_strengths_could_be_is_refused() {
    // Along a path shown in order, strengths that fall by 1 a step do what δ = 1 does.
    let records = [(0, 1), (1, 2)]
        .iter()
        .flat_map(|&(i, j)| OUTCOMES.map(|outcome| Comparison::new(i, j, outcome)));
    let votes = Comparisons::from_records(3, records).unwrap();
    let model = BradleyTerry::default().order_effect();
    let error = model.fit(&votes).unwrap_err();
    assert!(matches!(error, Error::Undetermined { parameter: "the order effect", .. }));
    // A prior prefers the order effect, which it does not hold, to strengths, which it does.
    let fit = model.prior(Prior::Gaussian(1.0)).fit(&votes).unwrap();
    assert!(fit.order_effect.abs() < 1e-9 && fit.strengths.iter().all(|x| x.abs() < 1e-9));
}

// --- What has no maximum

#[test]
fn unconnected_comparisons_name_their_parts() {
    let records = [(0, 2), (2, 0), (3, 1), (1, 3)];
    let votes = won(5, &records);
    for (name, estimator, _) in ESTIMATORS {
        let error = estimator(&votes).unwrap_err();
        assert_eq!(
            error,
            Error::Unconnected { parts: vec![vec![0, 2], vec![1, 3], vec![4]] },
            "{name}"
        );
    }
    let mut rankings = Rankings::new(4).unwrap();
    rankings.push(&[0, 1]).unwrap();
    rankings.push(&[1, 0]).unwrap();
    rankings.push(&[3, 2]).unwrap();
    let error = PlackettLuce::default().fit(&rankings).unwrap_err();
    assert_eq!(error, Error::Unconnected { parts: vec![vec![0, 1], vec![2, 3]] });
}

#[test]
fn who_never_lost_is_named_and_a_prior_helps() {
    // 3 beat 0, and 0, 1, 2 beat each other.
    let votes = won(4, &[(3, 0), (0, 1), (1, 2), (2, 0)]);
    for (name, estimator, strong) in ESTIMATORS {
        match estimator(&votes) {
            Ok(found) => assert!(!strong && found.iter().all(|x| x.is_finite()), "{name}"),
            Err(error) => {
                let parts = vec![vec![3], vec![0, 1, 2]];
                assert_eq!(error, Error::Separable { parts }, "{name}");
            }
        }
    }
    for prior in [Prior::Gaussian(2.0), Prior::PseudoCounts(0.1)] {
        let fit = BradleyTerry::default().prior(prior).fit(&votes).unwrap();
        let best = (0..3).all(|item| fit.strengths[3] > fit.strengths[item]);
        assert!(best && fit.strengths[3] < 10.0, "{fit:?}");
    }
    let newman = Newman::default().pseudo_counts(0.1).fit(&votes).unwrap();
    let newton = BradleyTerry::default().prior(Prior::PseudoCounts(0.1)).fit(&votes).unwrap();
    assert!((&newman.strengths - &newton.strengths).iter().all(|d| d.abs() < 1e-8));
    // The prior's standard deviation is what there is to know of an item that nobody met.
    let lone = won(3, &[(0, 1), (1, 0)]);
    let model = BradleyTerry::default().prior(Prior::Gaussian(0.7));
    let information = model.information(&lone, &model.fit(&lone).unwrap()).unwrap();
    let error = information.standard_error_of_difference(2, 0).unwrap();
    assert!(error > 0.7 && error < 0.7 * 2.0_f64.sqrt(), "{error}");
    let psi = average_win_rate_with_prior(&lone, 1.0).unwrap();
    assert_eq!(psi[2], 0.5);
}

/// One win and one tie: Davidson's ν and θ grow together for ever, though the graph is strongly
/// connected, and the gradient becomes 0 in the end. As with an order effect where what is shown
/// first always wins.
#[test]
fn parameters_that_run_away_are_no_fits() {
    let always = won(3, &[(0, 1), (1, 0), (1, 2), (2, 1)]);
    let some = [(0, 1, 2.0), (1, 0, 5.0), (1, 2, 1.0), (2, 1, 1.0)];
    let some = some.map(|(i, j, n)| Comparison::new(i, j, Outcome::First).weight(n));
    let some = Comparisons::from_records(3, some).unwrap();
    let model = BradleyTerry::default();
    let prior = Prior::Gaussian(1.0);
    for (model, votes) in [
        (model.ties(Ties::Davidson), &duel(1.0, 0.0, 1.0)),
        (model.ties(Ties::RaoKupper), &duel(1.0, 0.0, 1.0)),
        (model.order_effect(), &always),
        (model.order_effect(), &some),
        (model.order_effect().prior(prior), &always),
        (model.order_effect().ties(Ties::Davidson), &duel(1.0, 0.0, 1.0)),
    ] {
        let error = model.fit(votes).unwrap_err();
        assert!(matches!(error, Error::Undetermined { .. }), "{model:?}: {error}");
        // That there is no maximum is decided beforehand, so that there is no last iterate.
        assert_eq!(model.stopping(model.stopping.accept_unconverged()).fit(votes), Err(error));
    }
    let error = Newman::default().davidson().fit(&duel(1.0, 0.0, 1.0)).unwrap_err();
    assert!(matches!(error, Error::Undetermined { .. }), "{error}");
    let ties = duel(0.0, 0.0, 3.0);
    let error = model.ties(Ties::Davidson).fit(&ties).unwrap_err();
    assert!(matches!(error, Error::Undetermined { .. }), "{error}");
    assert_eq!(model.fit(&ties).unwrap().strengths.to_vec(), [0.0, 0.0]);
}

#[test]
fn no_convergence_is_no_silence() {
    let votes = won(3, &[(0, 1), (1, 0), (0, 1), (0, 1), (1, 2), (2, 0)]);
    let few = |stopping: Stopping| Stopping::new(stopping.tolerance, 1);
    let fits = [
        BradleyTerry::default().stopping(few(BradleyTerry::default().stopping)).fit(&votes),
        Newman::default().stopping(few(Newman::default().stopping)).fit(&votes),
        RankCentrality::default().stopping(few(RankCentrality::default().stopping)).fit(&votes),
    ];
    for fit in fits {
        let error = fit.unwrap_err();
        assert!(matches!(error, Error::NotConverged { iterations: 1, .. }), "{error}");
    }
    let accept = Stopping::new(1e-9, 1).accept_unconverged();
    let fit = BradleyTerry::default().stopping(accept).fit(&votes).unwrap();
    assert!(!fit.convergence.converged && fit.convergence.residual > 0.1, "{fit:?}");
}

#[test]
fn bad_records_are_named() {
    let record = Comparison::new(0, 1, Outcome::First);
    let bad = |bad: Comparison| Comparisons::from_records(2, [record, bad]).unwrap_err();
    let at_1 = |error: Error| match error {
        Error::OutOfRange { index, .. } | Error::NotFinite { index, .. } => index == [1],
        _ => false,
    };
    for (first, second) in [(2, 0), (0, 2), (1, 1), (usize::MAX, 0)] {
        assert!(at_1(bad(Comparison::new(first, second, Outcome::First))), "{first} {second}");
    }
    for weight in [-1.0, f64::NAN, f64::INFINITY] {
        assert!(at_1(bad(record.weight(weight))), "{weight}");
    }
    let error = Comparisons::from_records(2, [record.weight(f64::MAX); 2]).unwrap_err();
    assert!(matches!(error, Error::NotFinite { .. }), "{error}");
    let error = Comparisons::from_win_probabilities(&array![[0.0, 1.5], [f64::NAN, 0.0]], None);
    assert!(matches!(error, Err(Error::OutOfRange { ref index, .. }) if *index == [0, 1]));
    let error = Comparisons::from_counts(&array![[0.0, 1.0], [-2.0, 0.0]], None);
    assert!(matches!(error, Err(Error::OutOfRange { ref index, .. }) if *index == [1, 0]));
    let error = Comparisons::from_counts(&Array2::<f32>::zeros((2, 3)), None).unwrap_err();
    assert!(matches!(error, Error::Shape { .. }));
    let error = Comparisons::from_ranks(&array![[1.0, 2.0], [1.0, f64::INFINITY]]);
    assert!(matches!(error, Err(Error::NotFinite { ref index, .. }) if *index == [1, 1]));
    for (name, value) in [("σ", -1.0), ("σ", 0.0), ("σ", f64::NAN)] {
        let model = BradleyTerry::default().prior(Prior::Gaussian(value));
        assert!(matches!(model.fit(&duel(1.0, 1.0, 0.0)), Err(Error::Parameter { .. })), "{name}");
    }
    let mut rankings = Rankings::new(3).unwrap();
    for bad in [&[0, 1, 0][..], &[3], &[0, usize::MAX]] {
        assert!(rankings.push(bad).is_err() && rankings.push_top(bad).is_err());
    }
    assert!(rankings.is_empty());
    let fit = BradleyTerry::default().fit(&duel(1.0, 1.0, 0.0)).unwrap();
    assert!(fit.outcome(0, 2).is_err());
    assert!(fit.unexplained_advantage(&won(3, &[])).is_err());
}

#[test]
fn no_items_and_one_item_have_trivial_strengths() {
    for items in [0, 1] {
        let none = Comparisons::from_records(items, []).unwrap();
        for (name, estimator, _) in ESTIMATORS {
            let found = estimator(&none).unwrap();
            assert!(found.len() == items && found.iter().all(|x| x.is_finite()), "{name}: {found}");
        }
        assert_eq!(
            PlackettLuce::default().fit(&Rankings::new(items).unwrap()).unwrap().strengths.len(),
            items
        );
        let fit = BradleyTerry::default().fit(&none).unwrap();
        assert!(fit.labels::<f64>().iter().all(|&psi| psi == 0.5));
        assert!(fit.shares().iter().all(|&share| share == 1.0));
        assert_eq!(fit.unexplained_advantage(&none).unwrap(), 0.0);
        assert_eq!(position_bias(&none).first_advantage, 0.0);
        assert!(
            random_pairs(items, 5, 1).unwrap().is_empty()
                && cyclic_pairs(items, 5).unwrap().is_empty()
        );
        assert!(sorted_pairs(&vec![0.0; items], 5).unwrap().is_empty());
    }
}

// --- What has a maximum that is far away

/// Eight items, of which each beats the next one 99 : 1, one vote for the first over the last, and one
/// tie of the first two. Each pair of the chain is shown one way, or both.
fn long_chain(both_ways: bool) -> Comparisons {
    let (first, second) = (Outcome::First, Outcome::Second);
    let mut records = vec![Comparison::new(0, 7, first), Comparison::new(0, 1, Outcome::Tie)];
    for item in 0..7 {
        let weight = if both_ways { 0.5 } else { 1.0 };
        let forth = |outcome, weight| Comparison::new(item, item + 1, outcome).weight(weight);
        records.extend([forth(first, 99.0 * weight), forth(second, weight)]);
        if both_ways {
            let back = |outcome, weight| Comparison::new(item + 1, item, outcome).weight(weight);
            records.extend([back(second, 49.5), back(first, 0.5)]);
        }
    }
    Comparisons::from_records(8, records).unwrap()
}

fn nu(fit: &Fit) -> f64 {
    let TieModel::Davidson { nu, .. } = fit.ties else { panic!("{fit:?}") };
    nu
}

/// Maxima of the log-likelihoods, from arithmetic of many digits.
#[test]
fn far_maxima_are_found() {
    let range = |fit: &Fit| fit.strengths[0] - fit.strengths[7];
    let votes = long_chain(false);
    let davidson = BradleyTerry::default().ties(Ties::Davidson);
    let newman = Newman::default().davidson().fit(&votes).unwrap();
    for (fit, tolerance) in [(davidson.fit(&votes).unwrap(), 1e-12), (newman, 1e-9)] {
        assert!(close(range(&fit), 32.2486056716607, 32.0 * tolerance), "{fit:?}");
        assert!(close(nu(&fit), 0.0144012457848, 6e-14 + tolerance), "{fit:?}");
    }
    let fit = davidson.prior(Prior::Gaussian(5.0)).fit(&votes).unwrap();
    assert!(close(range(&fit), 27.516697047368, 1e-12), "{fit:?}");
    assert!(close(nu(&fit), 0.0103823009395, 6e-14), "{fit:?}");
    // Shown one way only, the order effect can fall for ever, strengths keeping pace.
    for model in [BradleyTerry::default(), davidson] {
        let error = model.order_effect().fit(&votes).unwrap_err();
        assert!(matches!(error, Error::Undetermined { parameter: "the order effect", .. }));
        assert!(model.order_effect().prior(Prior::Gaussian(5.0)).fit(&votes).is_ok());
    }

    let votes = long_chain(true);
    let fit = BradleyTerry::default().order_effect().fit(&votes).unwrap();
    assert!(close(range(&fit), 31.7807458128394, 3e-12), "{fit:?}");
    assert!(close(fit.order_effect, -0.0655039232877, 6e-14), "{fit:?}");
    let fit = davidson.order_effect().fit(&votes).unwrap();
    assert!(close(range(&fit), 32.2650059684102, 3e-12), "{fit:?}");
    assert!(close(fit.order_effect, -0.0677928787752, 6e-14), "{fit:?}");
    assert!(close(nu(&fit), 0.0144095097131, 6e-14), "{fit:?}");
}

#[test]
fn long_chains_converge() {
    for (items, odds) in [(1000, 10.0), (300, 1e9), (50, 1e100)] {
        let records = (1..items).flat_map(|item| {
            [(Outcome::First, odds), (Outcome::Second, 1.0)]
                .map(|(outcome, weight)| Comparison::new(item - 1, item, outcome).weight(weight))
        });
        let votes = Comparisons::from_records(items, records).unwrap();
        let fit = BradleyTerry::default().fit(&votes).unwrap();
        let expected = (items - 1) as f64 * odds.ln();
        let range = fit.strengths[0] - fit.strengths[items - 1];
        assert!(close(range, expected, 1e-9 * expected), "{items} {odds}: {range} {expected}");
        assert!(fit.labels::<f64>().iter().all(|psi| (0.0..=1.0).contains(psi)));
    }
}

/// Links of 10 : 1 and of 10¹² : 1, one after the other: no one length of a step suits both.
#[test]
fn uneven_chains_converge() {
    let odds = |item: usize| if item.is_multiple_of(2) { 10.0 } else { 1e12 };
    let records = (1..40).flat_map(|item| {
        [(Outcome::First, odds(item)), (Outcome::Second, 1.0)]
            .map(|(outcome, weight)| Comparison::new(item - 1, item, outcome).weight(weight))
    });
    let votes = Comparisons::from_records(40, records).unwrap();
    for fit in [BradleyTerry::default().fit(&votes), Newman::default().fit(&votes)] {
        let fit = fit.unwrap();
        let theta = &fit.strengths;
        for item in 1..40 {
            let step = theta[item - 1] - theta[item];
            assert!(close(step, odds(item).ln(), 1e-6), "{item}: {step} {fit:?}");
        }
    }
}

#[test]
fn a_common_factor_of_weights_changes_nothing() {
    let level = [(Outcome::First, 1.0), (Outcome::Second, 1.0), (Outcome::Tie, 1.0)];
    let lopsided = [(Outcome::First, 5.0), (Outcome::Second, 1.0), (Outcome::Tie, 3.0)];
    let mut cases = vec![(2, level.map(|(o, n)| Comparison::new(0, 1, o).weight(n)).to_vec())];
    let ring = (0..5).flat_map(|item| {
        lopsided.map(|(o, n)| Comparison::new(item, (item + 1) % 5, o).weight(n + item as f64))
    });
    cases.push((5, ring.collect()));
    for (items, records) in cases {
        let fits = |factor: f64| {
            let records = records.iter().map(|record| record.weight(record.weight * factor));
            let votes = Comparisons::from_records(items, records).unwrap();
            let model = BradleyTerry::default();
            [
                model.fit(&votes),
                model.ties(Ties::Davidson).fit(&votes),
                model.ties(Ties::RaoKupper).fit(&votes),
                Newman::default().fit(&votes),
                Newman::default().davidson().fit(&votes),
                RankCentrality::default().fit(&votes),
            ]
            .map(|fit| fit.unwrap())
        };
        let ones = fits(1.0);
        for factor in [0.01, 0.1, 1.0 / 336.0, 1.0 / 3.0, 7e-200, 1e300] {
            for (one, fit) in ones.iter().zip(fits(factor)) {
                let differences = &one.strengths - &fit.strengths;
                assert!(differences.iter().all(|d| d.abs() < 1e-9), "{factor}: {one:?} {fit:?}");
                if items == 2 {
                    assert!(fit.labels::<f64>().iter().all(|&psi| close(psi, 0.5, 1e-12)));
                }
                if let (2, TieModel::Davidson { nu, .. }) = (items, fit.ties) {
                    assert!(close(nu, 1.0, 1e-9), "{factor}: {fit:?}");
                }
            }
        }
    }
}

/// 10¹² : 1 and 10⁹ : 1, whose small part is the difference of two numbers near 1.
#[test]
fn the_loser_has_all_its_digits() {
    let fit = RankCentrality::default().fit(&duel(1e12, 1.0, 0.0)).unwrap();
    assert!(close(fit.strengths[0] - fit.strengths[1], 1e12_f64.ln(), 1e-12), "{fit:?}");
    assert!(close(fit.shares()[1] * (1e12 + 1.0), 1.0, 1e-12), "{fit:?}");
    for votes in [duel(1e9, 1.0, 0.0), duel(1.0, 1e9, 0.0)] {
        let mut rates = average_win_rate(&votes).unwrap().to_vec();
        rates.sort_by(f64::total_cmp);
        assert_eq!(rates[0], 9.99999999e-10);
        assert_eq!(rates[0], 1.0 / (1e9 + 1.0));
    }
}

// --- What is too large, or too far apart, for numbers

#[test]
fn sizes_beyond_memory_are_errors() {
    for items in [1 << 40, 1 << 60, usize::MAX] {
        let too_many = |error: Error| matches!(error, Error::Parameter { name: "items", .. });
        assert!(too_many(Rankings::new(items).unwrap_err()));
        assert!(too_many(Comparisons::from_records(items, []).unwrap_err()));
    }
    let none = Array2::<f64>::zeros((0, 1 << 40));
    assert!(matches!(Comparisons::from_ranks(&none), Err(Error::Parameter { .. })));
    assert!(matches!(Comparisons::from_ratings(&none), Err(Error::Parameter { .. })));
    assert!(matches!(Comparisons::from_counts(&none, None), Err(Error::Shape { .. })));
    assert!(matches!(Comparisons::from_win_probabilities(&none, None), Err(Error::Shape { .. })));
    let none = Array2::<f64>::zeros((1 << 40, 0));
    assert_eq!(Comparisons::from_ranks(&none).unwrap().items(), 0);
    assert!(matches!(Comparisons::from_counts(&none, None), Err(Error::Shape { .. })));
    let lists = ndarray::Array3::<f64>::zeros((1 << 40, 0, 0));
    assert!(matches!(labels::symmetrised(&lists), Err(Error::Parameter { name: "lists", .. })));
    for budget in [1 << 40, 1 << 60, usize::MAX] {
        assert!(random_pairs(8, budget, 1).is_err() && cyclic_pairs(8, budget).is_err());
        assert!(sorted_pairs(&[0.0, 1.0], budget).is_err());
        let votes = duel(1.0, 1.0, 0.0);
        assert!(bootstrap(&votes, budget, 0.9, 1, average_win_rate).is_err());
        let model = BradleyTerry::default();
        let fit = model.fit(&votes).unwrap();
        let information = model.information(&votes, &fit).unwrap();
        assert!(informative_pairs(&votes, &fit, &information, budget).is_err());
    }
    // Strengths of many items fit in memory; their pairs do not.
    let items = 3_000_000;
    let lone = Comparisons::from_records(items, [Comparison::new(0, 1, Outcome::Tie)]).unwrap();
    let model = BradleyTerry::default().prior(Prior::Gaussian(1.0));
    let fit = model.fit(&lone).unwrap();
    assert!(matches!(fit.win_probabilities::<f64>(), Err(Error::Parameter { .. })));
    let information = model.information(&lone, &fit).unwrap();
    assert!(matches!(information.covariances(), Err(Error::Parameter { .. })));
}

#[test]
fn likelihoods_of_huge_weights_are_no_nan() {
    for scale in [1e300, 2e306, 4e306, 1e307] {
        let votes = duel(5.0 * scale, 2.0 * scale, 3.0 * scale);
        for ties in [Ties::HalfWins, Ties::Davidson, Ties::RaoKupper] {
            let model = BradleyTerry::default().ties(ties);
            let fit = model.fit(&votes).unwrap();
            let got = model.log_likelihood(&votes, &fit).unwrap();
            let of_ones = model.log_likelihood(&duel(5.0, 2.0, 3.0), &fit).unwrap();
            let expected = of_ones * scale;
            let right = got == expected || close(got / expected, 1.0, 1e-12);
            assert!(right, "{ties:?} {scale}: {got} {expected}");
        }
    }
}

#[test]
fn priors_of_any_size_have_finite_covariances_or_none() {
    let votes = won(3, &[(0, 1), (1, 0), (1, 2), (2, 1), (0, 1)]);
    let free = BradleyTerry::default();
    let of_none = free.information(&votes, &free.fit(&votes).unwrap()).unwrap();
    let of_none = of_none.covariances().unwrap();
    for deviation in [1e-308, 1e-151, 1e151, 5e-324, 1e308] {
        let model = free.prior(Prior::Gaussian(deviation));
        assert!(matches!(model.fit(&votes), Err(Error::Parameter { .. })), "{deviation}");
    }
    for count in [5e-324, 1e-308, 1e300] {
        let model = free.prior(Prior::PseudoCounts(count));
        assert!(matches!(model.fit(&votes), Err(Error::Parameter { .. })), "{count}");
        let newman = Newman::default().pseudo_counts(count);
        assert!(matches!(newman.fit(&votes), Err(Error::Parameter { .. })), "{count}");
        let walk = RankCentrality::default().pseudo_counts(count);
        assert!(matches!(walk.fit(&votes), Err(Error::Parameter { .. })), "{count}");
    }
    // A prior that says next to nothing is none, and one that says all leaves nothing else.
    for prior in [Prior::Gaussian(1e38), Prior::Gaussian(1e150), Prior::PseudoCounts(1e-150)] {
        let model = free.prior(prior);
        let information = model.information(&votes, &model.fit(&votes).unwrap()).unwrap();
        let differences = information.covariances().unwrap() - &of_none;
        assert!(differences.iter().all(|d| d.abs() < 1e-12), "{prior:?}: {differences}");
    }
    for deviation in [1e-150, 1e-38, 1e-9] {
        let model = free.prior(Prior::Gaussian(deviation));
        let information = model.information(&votes, &model.fit(&votes).unwrap()).unwrap();
        let error = information.standard_error_of_difference(0, 2).unwrap();
        assert!(close(error / (deviation * 2.0_f64.sqrt()), 1.0, 1e-9), "{deviation}: {error}");
    }
    // Two parts that nothing links: each part's mean is the prior's alone, whatever its size.
    let apart = won(4, &[(0, 1), (1, 0), (2, 3), (3, 2)]);
    for deviation in [1e-9, 1.0, 1e9, 1e38, 1e150] {
        let model = free.prior(Prior::Gaussian(deviation));
        let fit = model.fit(&apart).unwrap();
        assert!(fit.strengths.iter().all(|theta| theta.abs() < 1e-9), "{fit:?}");
        let information = model.information(&apart, &fit).unwrap();
        // Var(θ_0) = (σ² + (1/σ² + 1)⁻¹)/2, half of it the part's mean's, half the difference's.
        let inside = 0.5 * (deviation.powi(-2) + 1.0).recip();
        let expected = (2.0 * (0.5 * deviation * deviation + inside)).sqrt();
        let error = information.standard_error_of_difference(0, 2).unwrap();
        assert!(close(error / expected, 1.0, 1e-9), "{deviation}: {error} {expected}");
        let within = information.standard_error_of_difference(0, 1).unwrap();
        assert!(close(within / (4.0 * inside).sqrt(), 1.0, 1e-9), "{deviation}: {within}");
    }
}

/// An iterate that is accepted before it converged has finite strengths, a finite parameter of ties,
/// and probabilities.
#[test]
fn unconverged_iterates_are_finite() {
    let (accepted, refused) = (Cell::new(0), Cell::new(0));
    common::for_all(24, &records(), |(items, records)| {
        let votes = Comparisons::from_records(items, records).unwrap();
        for iterations in [0, 1, 2, 5, 20] {
            let few = Stopping::new(1e-15, iterations).accept_unconverged();
            let mut fits = Vec::new();
            for ties in [Ties::HalfWins, Ties::Davidson, Ties::RaoKupper] {
                for prior in [Prior::None, Prior::Gaussian(3.0), Prior::PseudoCounts(1e-150)] {
                    let model = BradleyTerry::default().ties(ties).prior(prior).stopping(few);
                    fits.extend([model.fit(&votes), model.order_effect().fit(&votes)]);
                }
            }
            for counts in [0.0, 1e-150, 1e-3, 1e150] {
                let newman = Newman::default().pseudo_counts(counts).stopping(few);
                fits.extend([newman.fit(&votes), newman.davidson().fit(&votes)]);
                let walk = RankCentrality::default().pseudo_counts(counts).stopping(few);
                fits.push(walk.fit(&votes));
            }
            for fit in fits {
                let Ok(fit) = fit else {
                    refused.set(refused.get() + 1);
                    continue;
                };
                accepted.set(accepted.get() + 1);
                assert!(fit.strengths.iter().all(|x| x.is_finite()), "{fit:?}");
                assert!(fit.order_effect.is_finite(), "{fit:?}");
                match fit.ties {
                    TieModel::Davidson { nu: parameter, .. }
                    | TieModel::RaoKupper { threshold: parameter, .. } => {
                        assert!(parameter.is_finite() && parameter >= 0.0, "{fit:?}");
                    }
                    _ => {}
                }
                let psi = fit.labels::<f64>();
                assert!(psi.iter().all(|psi| (0.0..=1.0).contains(psi)), "{fit:?}");
                for (first, second) in [(0, 1), (1, 0), (0, items - 1)] {
                    let p = fit.outcome(first, second).unwrap();
                    let each = [p.win, p.loss, p.tie, p.points()];
                    assert!(each.iter().all(|p| (0.0..=1.0).contains(p)), "{p:?} {fit:?}");
                    assert!(close(p.win + p.loss + p.tie, 1.0, 1e-15), "{p:?} {fit:?}");
                }
            }
        }
    });
    assert!(accepted.get() > 1000 && refused.get() > 50, "{accepted:?} {refused:?}");
}

/// 10³⁰⁰ : 10⁻³⁰⁰ has a maximum, of which the lesser weight is lost beside the greater.
#[test]
fn weights_too_far_apart_are_no_convergence() {
    for votes in [duel(1e300, 1e-300, 0.0), duel(1e-20, 1e300, 0.0)] {
        let error = BradleyTerry::default().fit(&votes).unwrap_err();
        assert!(matches!(error, Error::NotConverged { .. }), "{error}");
    }
    let fit = BradleyTerry::default().fit(&duel(1e200, 1.0, 0.0)).unwrap();
    assert!(close(fit.strengths[0], 100.0 * 10.0_f64.ln(), 1e-9), "{fit:?}");
}

// --- Rankings

/// The mean over all orders of tied items: a tie of two is half a win for each, and of more items
/// what their orders give, each counted in part.
#[test]
fn tied_rankings_are_the_mean_of_their_orders() {
    let pairs = [(0, 1, 3.0, 1.0, 2.0), (1, 2, 2.0, 2.0, 1.0), (0, 2, 1.0, 1.0, 4.0)];
    let records = pairs.iter().flat_map(|&(i, j, wins, losses, ties)| {
        OUTCOMES
            .into_iter()
            .zip([wins, losses, ties])
            .map(move |(outcome, n)| Comparison::new(i, j, outcome).weight(n))
    });
    let votes = Comparisons::from_records(3, records).unwrap();
    let mut rankings = Rankings::new(3).unwrap();
    for (i, j, wins, losses, ties) in pairs {
        rankings.push_counted(&[i, j], &[], wins).unwrap();
        rankings.push_counted(&[j], &[i], losses).unwrap();
        rankings.push_tied(&[&[i, j]], ties).unwrap();
    }
    let (bradley_terry, model) = (BradleyTerry::default(), PlackettLuce::default());
    for prior in [Prior::None, Prior::Gaussian(0.8), Prior::PseudoCounts(0.5)] {
        let (bradley_terry, model) = (bradley_terry.prior(prior), model.prior(prior));
        let (of_votes, fit) = (bradley_terry.fit(&votes).unwrap(), model.fit(&rankings).unwrap());
        let differences = &of_votes.strengths - &fit.strengths;
        assert!(differences.iter().all(|d| d.abs() < 1e-9), "{of_votes:?} {fit:?}");
        // The information too, and so the standard errors.
        let expected = bradley_terry.information(&votes, &of_votes).unwrap();
        let got = model.information(&rankings, &fit).unwrap();
        let differences = expected.covariances().unwrap() - got.covariances().unwrap();
        assert!(differences.iter().all(|d| d.abs() < 1e-9), "{prior:?}: {differences}");
    }

    let mut tied = Rankings::new(5).unwrap();
    let mut spelled = Rankings::new(5).unwrap();
    for rankings in [&mut tied, &mut spelled] {
        rankings.push(&[4, 2, 1, 0, 3]).unwrap();
        rankings.push_top_of(&[3], &[0, 1]).unwrap();
        rankings.push(&[0, 4]).unwrap();
    }
    tied.push_tied(&[&[3], &[0, 1, 2], &[4]], 6.0).unwrap();
    for [a, b, c] in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        spelled.push(&[3, a, b, c, 4]).unwrap();
    }
    let [tied_fit, spelled_fit] = [&tied, &spelled].map(|rankings| model.fit(rankings).unwrap());
    assert!((&tied_fit.strengths - &spelled_fit.strengths).iter().all(|d| d.abs() < 1e-9));
    assert_eq!((tied.len(), spelled.len(), tied.total()), (4, 9, 9.0));

    // 7! orders are the most; nothing is added beyond.
    let mut many = Rankings::new(16).unwrap();
    assert!(many.push_tied(&[&[0, 1, 2, 3, 4, 5, 6]], 1.0).is_ok());
    let error = many.push_tied(&[&[0, 1, 2, 3, 4, 5, 6, 7]], 1.0).unwrap_err();
    assert!(matches!(error, Error::Parameter { .. }) && many.len() == 1, "{error}");
    for count in [-1.0, f64::NAN, f64::INFINITY] {
        assert!(many.push_counted(&[0, 1], &[], count).is_err() && many.len() == 1);
    }
    let mut heavy = Rankings::new(2).unwrap();
    heavy.push_counted(&[0, 1], &[], f64::MAX).unwrap();
    heavy.push_counted(&[1, 0], &[], f64::MAX).unwrap();
    assert!(matches!(model.fit(&heavy), Err(Error::NotFinite { .. })));
}

/// Against second differences of the log-likelihood, and the spread of resamples.
#[test]
fn rankings_have_standard_errors_and_intervals() {
    let mut rankings = Rankings::new(4).unwrap();
    let seen = [([0, 1, 2, 3], 9.0), ([1, 0, 3, 2], 7.0), ([3, 2, 1, 0], 5.0), ([2, 0, 1, 3], 8.0)];
    for (order, count) in seen {
        rankings.push_counted(&order, &[], count).unwrap();
    }
    rankings.push_counted(&[2], &[3, 0], 6.0).unwrap();
    let model = PlackettLuce::default();
    let fit = model.fit(&rankings).unwrap();
    let value = |theta: &[f64]| {
        let stage = |order: &[usize]| {
            theta[order[0]] - order.iter().map(|&item| theta[item].exp()).sum::<f64>().ln()
        };
        let full = |order: &[usize]| (0..3).map(|place| stage(&order[place..])).sum::<f64>();
        seen.iter().map(|(order, count)| count * full(order)).sum::<f64>() + 6.0 * stage(&[2, 3, 0])
    };
    // The likelihood is that of the differences: θ_3 is held, and covariances are of differences.
    let h = 1e-4;
    let moved = |moves: &[(usize, f64)]| {
        let mut theta = fit.strengths.to_vec();
        for &(item, by) in moves {
            theta[item] += by;
        }
        value(&theta)
    };
    let information = Array2::from_shape_fn((3, 3), |(a, b)| {
        let mixed = moved(&[(a, h), (b, h)]) + moved(&[(a, -h), (b, -h)])
            - moved(&[(a, h), (b, -h)])
            - moved(&[(a, -h), (b, h)]);
        -mixed / (4.0 * h * h)
    });
    let covariances = model.information(&rankings, &fit).unwrap().covariances().unwrap();
    let c = |k: usize, j: usize| {
        covariances[[k, j]] - covariances[[k, 3]] - covariances[[3, j]] + covariances[[3, 3]]
    };
    let product = information.dot(&Array2::from_shape_fn((3, 3), |(k, j)| c(k, j)));
    for ((k, j), &entry) in product.indexed_iter() {
        assert!(close(entry, f64::from(u8::from(k == j)), 1e-5), "{product}");
    }

    // Of rankings drawn from the model, resamples scatter as the information says.
    let mut rng = StdRng::seed_from_u64(6);
    let mut drawn = Rankings::new(4).unwrap();
    for _ in 0..400 {
        let mut keys: Vec<(f64, usize)> = (0..4)
            .map(|item| (0.5 * item as f64 - (-rng.random::<f64>().ln()).ln(), item))
            .collect();
        keys.sort_by(|a, b| b.0.total_cmp(&a.0));
        drawn.push(&keys.iter().map(|&(_, item)| item).collect::<Vec<_>>()).unwrap();
    }
    let fit = model.fit(&drawn).unwrap();
    let errors = model.information(&drawn, &fit).unwrap().standard_errors().unwrap();
    let from_fit = |rankings: &Rankings| theta(model.fit_from(rankings, &fit));
    let intervals = bootstrap(&drawn, 300, 0.9, 3, from_fit).unwrap();
    assert_eq!((intervals.estimates, intervals.failures), (300, 0));
    for item in 0..4 {
        let ratio = intervals.standard_errors[item] / errors[item];
        assert!(ratio > 0.8 && ratio < 1.25, "{ratio}");
        assert!(intervals.low[item] < fit.strengths[item]);
        assert!(fit.strengths[item] < intervals.high[item]);
    }
}

// --- Many prompts

#[test]
fn prompts_without_an_estimate_are_named_with_the_reason() {
    let (first, second, tie) = (Outcome::First, Outcome::Second, Outcome::Tie);
    let winners = [("p", "a", "b", "a"), ("p", "c", "a", "c"), ("p", "b", "c", "b")];
    let named = winners.map(|(prompt, i, j, winner)| {
        (prompt, i, j, Outcome::of_winner(i, j, winner).unwrap(), 2.0)
    });
    let others = [
        ("apart", "1", "2", tie, 1.0),
        ("apart", "3", "4", tie, 1.0),
        ("p", "a", "c", tie, 1.0),
        ("lost", "x", "y", first, 1.0),
        ("lost", "y", "x", second, 1.0),
        ("none", "x", "y", first, 0.0),
    ];
    let votes = PromptVotes::from_records(named.into_iter().chain(others)).unwrap();
    assert_eq!(votes.prompts().len(), 4);
    let model = BradleyTerry::default();
    let labels = votes.labels::<f64>(&model, None);
    assert_eq!((&*labels.prompts, &*labels.sizes), (&["p"][..], &[3][..]));
    assert_eq!(labels.responses, ["a", "b", "c"]);
    let alone = model.fit(&votes.prompts()[0].comparisons).unwrap().labels::<f64>();
    assert_eq!(labels.psi, alone);
    let reasons: Vec<_> = labels.failures.iter().map(|(name, error)| (*name, error)).collect();
    assert!(matches!(reasons[0], ("apart", Error::Unconnected { parts }) if parts.len() == 2));
    assert!(matches!(reasons[1], ("lost", Error::Separable { .. })), "{reasons:?}");
    assert!(matches!(reasons[2], ("none", Error::Unconnected { .. })), "{reasons:?}");

    let fallback = model.prior(Prior::Gaussian(1.0));
    let all = votes.labels::<f32>(&model, Some(&fallback));
    assert!(all.failures.is_empty());
    assert_eq!(
        (&*all.prompts, &*all.sizes),
        (&["p", "apart", "lost", "none"][..], &[3, 4, 2, 2][..])
    );
    let places: Vec<_> = all.fallbacks.iter().map(|&(place, _)| place).collect();
    assert_eq!((places, all.psi.len()), (vec![1, 2, 3], 11));
    assert!(all.psi[7] > 0.5 && all.psi[8] < 0.5 && all.psi[10] == 0.5, "{all:?}");
    // What a fallback cannot do either has the fallback's reason.
    let strict = votes.labels::<f64>(&model, Some(&Newman::default()));
    assert_eq!(strict.failures, labels.failures);

    // The place of a wrong record is that in the file, whatever its prompt.
    let bad = [("p", 1, 2, first, 1.0), ("q", 1, 2, first, 1.0), ("p", 2, 2, first, 1.0)];
    let error = PromptVotes::from_records(bad).unwrap_err();
    assert!(matches!(error, Error::OutOfRange { ref index, .. } if *index == [2]), "{error}");
    let bad = [("p", 1, 2, first, 1.0), ("q", 1, 2, first, f64::NAN)];
    let error = PromptVotes::from_records(bad).unwrap_err();
    assert!(matches!(error, Error::NotFinite { ref index, .. } if *index == [1]), "{error}");
}

// --- Any data

fn records() -> impl Strategy<Value = (usize, Vec<Comparison>)> {
    (2_usize..7).prop_flat_map(|items| {
        let weight = prop_oneof![
            4 => Just(1.0),
            1 => prop::sample::select(vec![0.0, 1e-300, 1e-9, 3.5, 1e12, 1e300]),
        ];
        let record = (0..items, 1..items, prop::sample::select(OUTCOMES.to_vec()), weight);
        let record = record.prop_map(move |(first, on, outcome, weight)| {
            Comparison::new(first, (first + on) % items, outcome).weight(weight)
        });
        (Just(items), vec(record, 0..40))
    })
}

/// Whatever the data: no panic, and what comes out is finite, or says that it did not converge.
#[test]
fn any_data_have_an_answer_or_an_error() {
    common::for_all(24, &records(), |(items, records)| {
        let votes = Comparisons::from_records(items, records).unwrap();
        let stopping = Stopping::new(1e-9, 100).accept_unconverged();
        for fit in [
            BradleyTerry::default().fit(&votes),
            BradleyTerry::default().stopping(stopping).fit(&votes),
            Newman::default().stopping(stopping).fit(&votes),
            Newman::default().davidson().stopping(stopping).fit(&votes),
            Newman::default().pseudo_counts(1e-3).stopping(stopping).fit(&votes),
            RankCentrality::default().stopping(stopping).fit(&votes),
            RankCentrality::default().pseudo_counts(1e-3).stopping(stopping).fit(&votes),
        ] {
            let Ok(fit) = fit else { continue };
            assert!(fit.strengths.iter().all(|x| x.is_finite()), "{fit:?}");
            assert!(fit.labels::<f32>().iter().all(|psi| (0.0..=1.0).contains(psi)), "{fit:?}");
        }
        for ties in [Ties::HalfWins, Ties::Davidson, Ties::RaoKupper] {
            for prior in [Prior::Gaussian(1.0), Prior::PseudoCounts(1.0), Prior::Gaussian(1e-200)] {
                for model in [BradleyTerry::default(), BradleyTerry::default().order_effect()] {
                    let model = model.ties(ties).prior(prior);
                    let Ok(fit) = model.fit(&votes) else { continue };
                    let psi: Array1<f64> = fit.labels();
                    assert!(psi.iter().all(|psi| (0.0..=1.0).contains(psi)), "{model:?}: {fit:?}");
                    let information = model.information(&votes, &fit).unwrap();
                    // Weights from 1e-300 to 1e300 leave some systems to rounding, which is an error.
                    let errors = match information.standard_errors() {
                        Err(Error::NotConverged { .. }) => continue,
                        errors => errors.unwrap(),
                    };
                    assert!(errors.iter().all(|x| x.is_finite()), "{model:?}: {errors}");
                }
            }
        }
        assert!(position_bias(&votes).mean_asymmetry.is_finite());
        averaged_over_orders(&votes).unwrap();
    });
}

/// With a prior and weights of the same size, there always is an answer.
#[test]
fn a_prior_always_has_an_answer() {
    common::for_all(48, &records(), |(items, records)| {
        let records = records.into_iter().map(|record| record.weight(1.0));
        let votes = Comparisons::from_records(items, records).unwrap();
        for prior in [Prior::Gaussian(1.0), Prior::Gaussian(20.0), Prior::PseudoCounts(0.01)] {
            let fit = BradleyTerry::default().prior(prior).fit(&votes).unwrap();
            assert!(fit.convergence.converged);
            let Prior::PseudoCounts(count) = prior else { continue };
            let newman = Newman::default().pseudo_counts(count).fit(&votes).unwrap();
            let differences = &newman.strengths - &fit.strengths;
            assert!(differences.iter().all(|d| d.abs() < 1e-5), "{newman:?} {fit:?}");
        }
    });
}

#[test]
fn permuting_items_permutes_strengths() {
    common::for_all(64, &records(), |(items, records)| {
        let permuted = |item: usize| items - 1 - (item + 1) % items;
        let turned = records.iter().map(|record| {
            // The records in another order too, which no result may depend on but for rounding.
            Comparison::new(permuted(record.first), permuted(record.second), record.outcome)
        });
        let turned: Vec<_> = turned.rev().map(|record| record.weight(1.0)).collect();
        let records = records.iter().map(|record| record.weight(1.0));
        let votes = Comparisons::from_records(items, records).unwrap();
        let turned = Comparisons::from_records(items, turned).unwrap();
        for (name, estimator, _) in ESTIMATORS {
            let (Ok(found), Ok(turned)) = (estimator(&votes), estimator(&turned)) else { continue };
            for item in 0..items {
                let (a, b) = (found[item], turned[permuted(item)]);
                assert!(close(a, b, 1e-7), "{name}: {found} {turned}");
            }
        }
    });
}

/// Doubling all weights changes no estimate, and divides variances by 2.
#[test]
fn weights_are_counts() {
    let votes = duel(3.0, 1.0, 2.0);
    let twice = votes.and(&votes).unwrap();
    assert_eq!(twice, duel(6.0, 2.0, 4.0));
    for scale in [1e-250, 1e250] {
        let scaled = duel(3.0 * scale, scale, 2.0 * scale);
        for ties in [Ties::HalfWins, Ties::Davidson, Ties::RaoKupper] {
            let model = BradleyTerry::default().ties(ties);
            let (fit, of_scaled) = (model.fit(&votes).unwrap(), model.fit(&scaled).unwrap());
            assert!(close(fit.strengths[0], of_scaled.strengths[0], 1e-10), "{ties:?} {scale}");
            let error = |votes, fit| {
                model.information(votes, fit).unwrap().standard_error_of_difference(0, 1).unwrap()
            };
            let ratio = error(&scaled, &of_scaled) / error(&votes, &fit) * f64::sqrt(scale);
            assert!(close(ratio, 1.0, 1e-8), "{ties:?} {scale}: {ratio}");
        }
    }
}

// --- Resampling and designs

#[test]
fn bootstrap_intervals_are_seeded_and_agree_with_the_information() {
    let pairs = cyclic_pairs(6, 90).unwrap();
    let records = pairs
        .iter()
        .enumerate()
        .map(|(n, &(i, j))| Comparison::new(i, j, OUTCOMES[(7 * n * n + n / 4) % 3]));
    let votes = Comparisons::from_records(6, records).unwrap();
    let model = BradleyTerry::default();
    let fit = model.fit(&votes).unwrap();
    let run = |seed| bootstrap(&votes, 400, 0.9, seed, |votes| theta(model.fit(votes))).unwrap();
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
    let intervals = run(1);
    let errors = model.information(&votes, &fit).unwrap().standard_errors().unwrap();
    for item in 0..6 {
        assert!(
            intervals.low[item] < fit.strengths[item] && fit.strengths[item] < intervals.high[item]
        );
        // Half-wins for ties scatter less than the binomial counts that the information assumes.
        let ratio = intervals.standard_errors[item] / errors[item];
        assert!(ratio > 0.6 && ratio < 1.15, "{ratio}");
    }
    // Of a Ψ near 1 the other part is all but lost; a prior makes up for it.
    let sure = array![[0.5, 0.999], [0.001, 0.5]];
    let sure = Comparisons::from_win_probabilities(&sure, None).unwrap();
    let resampled =
        |model: BradleyTerry| bootstrap(&sure, 50, 0.9, 1, |votes| theta(model.fit(votes)));
    // Far apart as they are, the strengths of most resamples are numbers.
    let without = resampled(model).unwrap();
    assert_eq!(without.estimates + without.failures, 50);
    assert_eq!(without.first_failure.is_some(), without.failures > 0);
    let with = resampled(model.prior(Prior::Gaussian(1.5))).unwrap();
    assert_eq!((with.failures, with.first_failure), (0, None));
    // A resample without an estimate does not take the others' intervals down.
    let none = |votes: &Comparisons| {
        let error = Error::NotConverged { what: "", iterations: 1, residual: 1.0, tolerance: 0.1 };
        if votes.pairs()[0].total() > 2.0 { Err(error) } else { average_win_rate(votes) }
    };
    let some = bootstrap(&duel(1.0, 1.0, 0.0), 200, 0.9, 1, none).unwrap();
    assert!(some.failures > 20 && some.estimates > 20 && some.failures + some.estimates == 200);
    assert!(matches!(some.first_failure, Some(Error::NotConverged { .. })));
    assert!(some.low[0] < 0.5 && some.high[0] > 0.5);
    let error = bootstrap(&duel(1.0, 1.0, 0.0), 20, 0.9, 1, |_| average_win_rate(&won(2, &[])));
    assert!(matches!(error, Err(Error::Unconnected { .. })));
    assert!(bootstrap(&votes, 0, 0.9, 1, average_win_rate).is_err());
    assert!(bootstrap(&votes, 10, 1.0, 1, average_win_rate).is_err());
}

#[test]
fn designs_ask_what_they_say() {
    for items in 2..12 {
        let all = items * (items - 1) / 2;
        let unordered = |pairs: &[(usize, usize)]| {
            let mut pairs: Vec<_> = pairs.iter().map(|&(i, j)| (i.min(j), i.max(j))).collect();
            pairs.sort_unstable();
            pairs.dedup();
            pairs.len()
        };
        let strengths: Vec<f64> = (0..items).map(|i| (i * i % 7) as f64).collect();
        for pairs in [
            random_pairs(items, all, 3).unwrap(),
            cyclic_pairs(items, all).unwrap(),
            sorted_pairs(&strengths, all).unwrap(),
        ] {
            assert!(pairs.len() == all && unordered(&pairs) == all, "{items}: {pairs:?}");
        }
        assert_eq!(random_pairs(items, 3 * all + 1, 3).unwrap().len(), 3 * all + 1);
        assert!(
            won(items, &cyclic_pairs(items, items.min(all)).unwrap()).check_connected().is_ok()
        );
    }
    // Far more items than could be listed.
    assert_eq!(random_pairs(usize::MAX, 3, 1).unwrap().len(), 3);
    assert_eq!(cyclic_pairs(usize::MAX, 2).unwrap(), [(0, 1), (1, 2)]);
}

/// The first of the most informative pairs is the one that lowers the determinant of the covariance
/// most, by trying all.
#[test]
fn informative_pairs_raise_the_determinant_most() {
    let asked = won(4, &[(0, 1), (1, 2), (2, 3), (1, 0), (1, 2)]);
    let model = BradleyTerry::default().prior(Prior::Gaussian(1.0));
    let fit = model.fit(&asked).unwrap();
    let log_determinant = |votes: &Comparisons| {
        // Of the covariance of the differences from item 0, by elimination.
        let covariances = model.information(votes, &fit).unwrap().covariances().unwrap();
        let c = |k: usize, j: usize| {
            covariances[[k, j]] - covariances[[k, 0]] - covariances[[0, j]] + covariances[[0, 0]]
        };
        let mut m = Array2::from_shape_fn((3, 3), |(k, j)| c(k + 1, j + 1));
        let mut log = 0.0;
        for pivot in 0..3 {
            log += m[[pivot, pivot]].ln();
            for row in pivot + 1..3 {
                let factor = m[[row, pivot]] / m[[pivot, pivot]];
                for column in 0..3 {
                    m[[row, column]] -= factor * m[[pivot, column]];
                }
            }
        }
        log
    };
    let mut best = (f64::INFINITY, (0, 0));
    for k in 0..4 {
        for j in k + 1..4 {
            let asked = asked.and(&won(4, &[(k, j)])).unwrap();
            let log = log_determinant(&asked);
            if log < best.0 {
                best = (log, (k, j));
            }
        }
    }
    let information = model.information(&asked, &fit).unwrap();
    let pairs = informative_pairs(&asked, &fit, &information, 6).unwrap();
    let (i, j) = pairs[0];
    assert_eq!((i.min(j), i.max(j)), best.1);
    assert_eq!(pairs.len(), 6);
}
