//! What the tests share: losses by name, test lists and their layouts, the losses' definitions
//! written out naively, the figures in `fixtures`, and the runner of properties.

#![allow(dead_code)] // every file of tests uses a part of it

use std::ops::RangeInclusive;
use std::path::Path;

use lipo::losses::{
    Hinge, LambdaLoss, LambdaWeight, ListMle, Logistic, Loss, LossExt, Nca, PairFunction,
    PairHinge, PairLogistic, PairLoss, PointMse, PointSigmoid, Pro, Reduction, RobustLogistic,
    SmoothedLogistic, Softmax, SquaredDifference, TargetMargin, Unweighted,
};
use lipo::ranking::{Discount, LinearGain, ScoreTies, discount_fn, gain_fn};
use lipo::{Error, Lists, Real};
use ndarray::{Array, Array1, Array2, ArrayRef, Dimension, Ix1, Ix2, RemoveAxis};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{RngSeed, TestRunner};
use serde::de::DeserializeOwned;

// --- Losses

/// The seven losses of the paper under its names.
pub fn losses() -> Vec<(&'static str, Box<dyn Loss>)> {
    vec![
        ("point-mse", Box::new(PointMse)),
        ("point-sigmoid", Box::new(PointSigmoid)),
        ("pair-hinge", Box::new(PairHinge::default())),
        ("pair-logistic", Box::new(PairLogistic::default())),
        ("list-mle", Box::new(ListMle)),
        ("softmax", Box::new(Softmax)),
        ("lambda-loss", Box::new(LambdaLoss::default())),
    ]
}

/// The losses of other published objectives.
pub fn objective_losses() -> Vec<(&'static str, Box<dyn Loss>)> {
    fn pair<P: PairFunction + 'static>(function: P) -> Box<dyn Loss> {
        Box::new(PairLoss::unweighted(function))
    }
    vec![
        ("hinge of margin 0.45", pair(Hinge::with_margin(0.45).unwrap())),
        ("hinge of margin 0", pair(Hinge::with_margin(0.0).unwrap())),
        ("squared difference", pair(SquaredDifference::new(5.0).unwrap())),
        ("smoothed logistic", pair(SmoothedLogistic::new(0.1).unwrap())),
        ("robust logistic", pair(RobustLogistic::new(0.1).unwrap())),
        ("logistic beyond a target margin", pair(TargetMargin::new(Logistic, 0.5).unwrap())),
        ("nca", Box::new(Nca)),
        ("pro", Box::new(Pro)),
    ]
}

pub fn loss(name: &str) -> Box<dyn Loss> {
    let found = losses().into_iter().chain(objective_losses()).find(|(known, _)| *known == name);
    found.unwrap_or_else(|| panic!("no loss is called {name}")).1
}

/// A lambda weight, and its gain and discount as the tests know them; None where their differences
/// are 1.
#[derive(Clone)]
pub struct TestWeight {
    pub weight: LambdaWeight,
    pub gain: Option<fn(f64) -> f64>,
    pub discount: Option<fn(usize) -> f64>,
}

impl TestWeight {
    pub fn dcg() -> Self {
        let (gain, discount) = (Some(exponential_gain as fn(f64) -> f64), Some(log_discount as _));
        Self { weight: LambdaWeight::dcg(), gain, discount }
    }
}

pub fn exponential_gain(label: f64) -> f64 {
    label.exp2() - 1.0
}

#[allow(clippy::cast_precision_loss)] // small ranks
pub fn log_discount(rank: usize) -> f64 {
    1.0 / (1.0 + rank as f64).log2()
}

/// Lambda weights of every kind of gain and discount.
pub fn lambda_weights() -> Vec<(&'static str, TestWeight)> {
    let default = TestWeight::dcg();
    let weight = LambdaWeight::dcg;
    let with_gain = |weight, gain| TestWeight { weight, gain, ..default.clone() };
    let with_discount = |weight, discount| TestWeight { weight, discount, ..default.clone() };
    vec![
        ("dcg", default.clone()),
        ("constant gain difference", with_gain(LambdaWeight::constant_gain_difference(), None)),
        (
            "constant discount difference",
            with_discount(LambdaWeight::constant_discount_difference(), None),
        ),
        ("constant", TestWeight { weight: LambdaWeight::constant(), gain: None, discount: None }),
        ("linear gain", with_gain(weight().gain(LinearGain), Some(|label| label))),
        ("custom gain", with_gain(weight().gain(gain_fn(custom_gain)), Some(custom_gain))),
        (
            "custom discount",
            with_discount(weight().discount(of_ranks(custom_discount)), Some(custom_discount)),
        ),
    ]
}

/// The discount of a function of integer ranks.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // small ranks
pub fn of_ranks(discount: fn(usize) -> f64) -> impl Discount + Copy {
    discount_fn(move |rank| discount(rank as usize), |_| f64::NAN)
}

/// A gain that falls and rises, so that an order of labels cannot stand in for it.
pub fn custom_gain(label: f64) -> f64 {
    label * label - label
}

/// A discount with equal neighbours and, from rank 4 on, a cut-off.
pub fn custom_discount(rank: usize) -> f64 {
    match rank {
        1 | 2 => 1.0,
        3 => 0.4,
        _ => 0.0,
    }
}

pub const TIE_RULES: [ScoreTies; 3] =
    [ScoreTies::ByIndex, ScoreTies::Expected, ScoreTies::Random { seed: 7 }];

/// The pair losses that the crate's pair functions, pair weights and tie rules make.
pub fn pair_grid() -> Vec<(String, Box<dyn Loss>)> {
    let mut grid: Vec<(String, Box<dyn Loss>)> = vec![
        ("hinge".into(), Box::new(PairLoss { function: Hinge, weight: Unweighted })),
        ("logistic".into(), Box::new(PairLoss { function: Logistic, weight: Unweighted })),
    ];
    for (name, TestWeight { weight, .. }) in lambda_weights() {
        for ties in TIE_RULES {
            let (weight, name) = (weight.clone().ties(ties), format!("{name}, {ties:?}"));
            let hinge = PairLoss { function: Hinge, weight: weight.clone() };
            grid.push((format!("hinge, {name}"), Box::new(hinge)));
            let logistic = PairLoss { function: Logistic, weight };
            grid.push((format!("logistic, {name}"), Box::new(logistic)));
        }
    }
    grid
}

/// The losses that are no pair losses, and the whole grid of those.
pub fn every_loss() -> Vec<(String, Box<dyn Loss>)> {
    let others = losses().into_iter().filter(|(name, _)| !is_pair_loss(name));
    let others = others.chain(objective_losses());
    others.map(|(name, loss)| (name.to_owned(), loss)).chain(pair_grid()).collect()
}

pub fn is_pair_loss(name: &str) -> bool {
    !name.starts_with("point") && !matches!(name, "list-mle" | "softmax" | "nca" | "pro")
}

/// Whether only the differences of scores count.
pub fn takes_differences(name: &str) -> bool {
    !name.starts_with("point") && !matches!(name, "nca" | "pro")
}

pub const REDUCTIONS: [Reduction; 3] =
    [Reduction::MeanOverLists, Reduction::Sum, Reduction::MeanOverTerms];

// --- Lists

#[derive(Debug, Clone, Copy)]
pub struct Item {
    pub score: f64,
    pub label: f64,
    pub weight: f64,
    pub exists: bool,
}

impl Item {
    pub fn new(score: f64, label: f64) -> Self {
        Self { score, label, weight: 1.0, exists: true }
    }
}

/// A list as a test draws it, before it is laid out in arrays.
#[derive(Debug, Clone)]
pub struct TestList {
    pub items: Vec<Item>,
    pub weight: f64,
}

impl TestList {
    /// Without weights and mask.
    pub fn plain(scores: &[f64], labels: &[f64]) -> Self {
        let items = scores.iter().zip(labels).map(|(&s, &psi)| Item::new(s, psi));
        Self { items: items.collect(), weight: 1.0 }
    }

    pub fn scores(&self) -> Vec<f64> {
        self.items.iter().map(|item| item.score).collect()
    }

    pub fn labels(&self) -> Vec<f64> {
        self.items.iter().map(|item| item.label).collect()
    }

    pub fn weights(&self) -> Vec<f64> {
        self.items.iter().map(|item| item.weight).collect()
    }

    /// With numbers that F holds exactly.
    pub fn rounded<F: Real>(&self) -> Self {
        let round = |x| F::narrow(x).widen();
        let items = self.items.iter().map(|item| Item {
            score: round(item.score),
            label: round(item.label),
            weight: round(item.weight),
            exists: item.exists,
        });
        Self { items: items.collect(), weight: round(self.weight) }
    }

    /// Without its masked items.
    pub fn existing(&self) -> Self {
        let items = self.items.iter().copied().filter(|item| item.exists);
        Self { items: items.collect(), weight: self.weight }
    }
}

/// Arrays of lists along the last axis, with all that may stand beside scores and labels.
#[derive(Debug, Clone)]
pub struct Dense<F, D: RemoveAxis = Ix2> {
    pub scores: Array<F, D>,
    pub labels: Array<F, D>,
    pub weights: Array<F, D>,
    pub mask: Array<bool, D>,
    pub list_weights: Array<F, D::Smaller>,
}

impl<F: Real> Dense<F> {
    /// Lists of one size; shorter ones are filled up with masked items that hold garbage.
    pub fn new(lists: &[TestList]) -> Self {
        let size = lists.iter().map(|list| list.items.len()).max().unwrap_or(0);
        let garbage = Item { score: f64::NAN, label: -1e300, weight: f64::INFINITY, exists: false };
        let item = |(n, k): (usize, usize)| *lists[n].items.get(k).unwrap_or(&garbage);
        let shape = (lists.len(), size);
        Self {
            scores: Array2::from_shape_fn(shape, |at| F::narrow(item(at).score)),
            labels: Array2::from_shape_fn(shape, |at| F::narrow(item(at).label)),
            weights: Array2::from_shape_fn(shape, |at| F::narrow(item(at).weight)),
            mask: Array2::from_shape_fn(shape, |at| item(at).exists),
            list_weights: lists.iter().map(|list| F::narrow(list.weight)).collect(),
        }
    }
}

impl<F: Real, D: RemoveAxis> Dense<F, D> {
    pub fn build(&self) -> Result<Lists<'_, F, D, D::Smaller>, Error> {
        let lists = Lists::dense(&self.scores, &self.labels).mask(&self.mask);
        lists.weights(&self.weights).list_weights(&self.list_weights).build()
    }

    pub fn lists(&self) -> Lists<'_, F, D, D::Smaller> {
        self.build().unwrap()
    }

    /// The same elements under another shape.
    pub fn reshaped<E: RemoveAxis>(&self, shape: E, batch: E::Smaller) -> Dense<F, E> {
        Dense {
            scores: reshaped(&self.scores, shape.clone()),
            labels: reshaped(&self.labels, shape.clone()),
            weights: reshaped(&self.weights, shape.clone()),
            mask: reshaped(&self.mask, shape),
            list_weights: reshaped(&self.list_weights, batch),
        }
    }
}

fn reshaped<T: Clone, D: Dimension, E: Dimension>(array: &Array<T, D>, shape: E) -> Array<T, E> {
    array.clone().into_shape_with_order(shape).unwrap()
}

/// Flat arrays of lists, one after another.
#[derive(Debug, Clone)]
pub struct Ragged<F> {
    pub scores: Array1<F>,
    pub labels: Array1<F>,
    pub weights: Array1<F>,
    pub mask: Array1<bool>,
    pub list_weights: Array1<F>,
    pub sizes: Vec<usize>,
}

impl<F: Real> Ragged<F> {
    pub fn new(lists: &[TestList]) -> Self {
        let items = || lists.iter().flat_map(|list| &list.items);
        Self {
            scores: items().map(|item| F::narrow(item.score)).collect(),
            labels: items().map(|item| F::narrow(item.label)).collect(),
            weights: items().map(|item| F::narrow(item.weight)).collect(),
            mask: items().map(|item| item.exists).collect(),
            list_weights: lists.iter().map(|list| F::narrow(list.weight)).collect(),
            sizes: lists.iter().map(|list| list.items.len()).collect(),
        }
    }

    pub fn build(&self) -> Result<Lists<'_, F, Ix1, Ix1>, Error> {
        let lists = Lists::ragged(&self.scores, &self.labels, &self.sizes).mask(&self.mask);
        lists.weights(&self.weights).list_weights(&self.list_weights).build()
    }

    pub fn lists(&self) -> Lists<'_, F, Ix1, Ix1> {
        self.build().unwrap()
    }

    /// Without mask and weights.
    pub fn bare(&self) -> Lists<'_, F, Ix1, Ix1> {
        Lists::ragged(&self.scores, &self.labels, &self.sizes).build().unwrap()
    }
}

pub fn bits<F: Real, D: Dimension>(array: &ArrayRef<F, D>) -> Vec<u64> {
    array.iter().map(|x| x.widen().to_bits()).collect()
}

/// All that a loss says about lists, as bits: what does not depend on the layout of the arrays.
#[derive(Debug, PartialEq)]
pub struct Outcome {
    pub values: Vec<u64>,
    /// Of the items that exist.
    pub grad: Vec<u64>,
    /// Value and gradient under each reduction.
    pub reduced: Vec<(u64, Vec<u64>)>,
}

impl Outcome {
    pub fn of<F: Real, D: Dimension, B: Dimension>(
        loss: &dyn Loss,
        lists: &Lists<'_, F, D, B>,
        mask: &ArrayRef<bool, D>,
    ) -> Self {
        let existing = |grad: &Array<F, D>| {
            let (existing, masked): (Vec<_>, Vec<_>) =
                bits(grad).into_iter().zip(mask).partition(|(_, exists)| **exists);
            assert!(masked.iter().all(|(bits, _)| *bits == 0), "a masked item has a gradient");
            existing.into_iter().map(|(bits, _)| bits).collect::<Vec<_>>()
        };
        let (values, grad) = loss.per_list(lists).unwrap();
        let reduced = REDUCTIONS.map(|reduction| {
            let (value, grad) = loss.reduced(lists, reduction).unwrap();
            (value.widen().to_bits(), existing(&grad))
        });
        Self { values: bits(&values), grad: existing(&grad), reduced: reduced.into() }
    }

    pub fn of_dense<F: Real, D: RemoveAxis>(loss: &dyn Loss, lists: &Dense<F, D>) -> Self {
        Self::of(loss, &lists.lists(), &lists.mask)
    }

    pub fn of_ragged<F: Real>(loss: &dyn Loss, lists: &Ragged<F>) -> Self {
        Self::of(loss, &lists.lists(), &lists.mask)
    }
}

// --- Definitions

/// A loss by its formula, term by term, in plain `f64`: for scores and weights of moderate size.
#[derive(Debug, Clone)]
pub struct Definition {
    pub value: f64,
    /// The gradient is `plus − minus`; their sum is the Σ|terms| that bounds its rounding.
    pub plus: Vec<f64>,
    pub minus: Vec<f64>,
}

impl Definition {
    fn zero(items: usize) -> Self {
        Self { value: 0.0, plus: vec![0.0; items], minus: vec![0.0; items] }
    }

    pub fn grad(&self) -> Vec<f64> {
        self.plus.iter().zip(&self.minus).map(|(plus, minus)| plus - minus).collect()
    }

    pub fn scale(&self) -> Vec<f64> {
        self.plus.iter().zip(&self.minus).map(|(plus, minus)| plus + minus).collect()
    }

    fn add_slope(&mut self, item: usize, slope: f64) {
        self.plus[item] += slope.max(0.0);
        self.minus[item] += (-slope).max(0.0);
    }

    /// Of one of the seven losses; all items of the list count as existing.
    pub fn of(loss: &str, list: &TestList) -> Self {
        match loss {
            "point-mse" => Self::of_points(list, |s, psi| ((psi - s).powi(2), 2.0 * (s - psi))),
            "point-sigmoid" => Self::of_points(list, |s, psi| {
                let value = psi * log_1p_exp(-s) + (1.0 - psi) * log_1p_exp(s);
                (value, (1.0 - psi) * sigmoid(s) - psi * sigmoid(-s))
            }),
            "pair-hinge" => Self::of_pairs(list, hinge, |_, _| 1.0),
            "pair-logistic" => Self::of_pairs(list, logistic, |_, _| 1.0),
            "list-mle" => Self::of_list_mle(list),
            "softmax" => Self::of_softmax(list),
            "lambda-loss" => {
                let (labels, ranks) = (list.labels(), &rankings(&list.scores())[0]);
                let delta = |i, j| delta(&TestWeight::dcg(), &labels, ranks, i, j);
                Self::of_pairs(list, logistic, delta)
            }
            _ => panic!("no definition of {loss}"),
        }
    }

    fn of_points(list: &TestList, term: impl Fn(f64, f64) -> (f64, f64)) -> Self {
        let mut all = Self::zero(list.items.len());
        for (k, item) in list.items.iter().enumerate() {
            let (value, slope) = term(item.score, item.label);
            all.value += item.weight * value;
            all.add_slope(k, item.weight * slope);
        }
        all
    }

    /// Of Σ_{ψ_i > ψ_j} w_i Δ_ij φ(s_i − s_j), Δ a constant; `function` gives φ and φ′.
    pub fn of_pairs(
        list: &TestList,
        function: impl Fn(f64) -> (f64, f64),
        delta: impl Fn(usize, usize) -> f64,
    ) -> Self {
        let mut all = Self::zero(list.items.len());
        for (i, better) in list.items.iter().enumerate() {
            for (j, worse) in list.items.iter().enumerate() {
                if better.label > worse.label {
                    let weight = better.weight * delta(i, j);
                    let (value, slope) = function(better.score - worse.score);
                    all.value += weight * value;
                    all.add_slope(i, weight * slope);
                    all.add_slope(j, -weight * slope);
                }
            }
        }
        all
    }

    fn of_list_mle(list: &TestList) -> Self {
        let mut all = Self::zero(list.items.len());
        let mut rest: Vec<usize> = (0..list.items.len()).collect();
        rest.sort_by(|&i, &j| list.items[j].label.total_cmp(&list.items[i].label));
        while let Some(&head) = rest.first() {
            let weight = list.items[head].weight;
            let score = |k: usize| list.items[k].score;
            let top = rest.iter().map(|&k| score(k)).fold(f64::NEG_INFINITY, f64::max);
            let sum: f64 = rest.iter().map(|&k| (score(k) - top).exp()).sum();
            all.value += weight * ((top - score(head)) + sum.ln());
            rest.remove(0);
            for &k in &rest {
                all.plus[k] += weight * (score(k) - top).exp() / sum;
                all.minus[head] += weight * (score(k) - top).exp() / sum;
            }
        }
        all
    }

    fn of_softmax(list: &TestList) -> Self {
        let mut all = Self::zero(list.items.len());
        let total: f64 = list.items.iter().map(|item| item.weight * item.label).sum();
        if total == 0.0 {
            return all;
        }
        let top = list.scores().into_iter().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = list.items.iter().map(|item| (item.score - top).exp()).sum();
        let p = |k: usize| list.items[k].weight * list.items[k].label / total;
        let q = |k: usize| (list.items[k].score - top).exp() / sum;
        for (k, item) in list.items.iter().enumerate() {
            all.value += p(k) * ((top - item.score) + sum.ln());
            for j in (0..list.items.len()).filter(|&j| j != k) {
                all.plus[k] += q(k) * p(j);
                all.minus[k] += p(k) * q(j);
            }
        }
        all
    }
}

/// φ(d) and φ′(d).
pub type PairTerms = fn(f64) -> (f64, f64);

pub fn hinge(d: f64) -> (f64, f64) {
    if d < 1.0 { (1.0 - d, -1.0) } else { (0.0, 0.0) }
}

pub fn logistic(d: f64) -> (f64, f64) {
    (log_1p_exp(-d), -sigmoid(-d))
}

pub fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

pub fn log_1p_exp(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

/// |G_i − G_j| · |d(τ_i) − d(τ_j)| for given ranks τ.
pub fn delta(weight: &TestWeight, labels: &[f64], ranks: &[usize], i: usize, j: usize) -> f64 {
    let gains = weight.gain.map_or(1.0, |gain| (gain(labels[i]) - gain(labels[j])).abs());
    let of = |discount: fn(usize) -> f64| (discount(ranks[i]) - discount(ranks[j])).abs();
    gains * weight.discount.map_or(1.0, of)
}

/// Δ under every order of tied items; that by index comes first.
pub fn deltas(weight: &TestWeight, scores: &[f64], labels: &[f64]) -> Vec<Array2<f64>> {
    let size = (scores.len(), scores.len());
    let of_ranks = |ranks: &Vec<usize>| {
        Array2::from_shape_fn(size, |(i, j)| delta(weight, labels, ranks, i, j))
    };
    rankings(scores).iter().map(of_ranks).collect()
}

pub fn mean(arrays: &[Array2<f64>]) -> Array2<f64> {
    #[allow(clippy::cast_precision_loss)] // few arrays
    let count = arrays.len() as f64;
    arrays.iter().fold(Array2::zeros(arrays[0].dim()), |sum, array| sum + array) / count
}

/// The 1-based ranks by score, descending, under every order of tied items; by index comes first.
pub fn rankings(scores: &[f64]) -> Vec<Vec<usize>> {
    fn extend(scores: &[f64], ranks: &mut Vec<usize>, rank: usize, all: &mut Vec<Vec<usize>>) {
        let unranked = || (0..scores.len()).filter(|&k| ranks[k] == 0);
        let best = unranked().map(|k| scores[k]).fold(f64::NEG_INFINITY, f64::max);
        let next: Vec<usize> = unranked().filter(|&k| scores[k] == best).collect();
        if next.is_empty() {
            all.push(ranks.clone());
        }
        for k in next {
            ranks[k] = rank;
            extend(scores, ranks, rank + 1, all);
            ranks[k] = 0;
        }
    }
    let mut all = Vec::new();
    extend(scores, &mut vec![0; scores.len()], 1, &mut all);
    all
}

// --- Assertions

pub fn assert_close(what: &str, got: f64, expected: f64, tolerance: f64) {
    let close = got == expected || (got - expected).abs() <= tolerance;
    assert!(close, "{what}: {got:e} where {expected:e} is expected");
}

pub fn assert_all_close(what: &str, got: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(got.len(), expected.len(), "{what}");
    for (k, (&got, &expected)) in got.iter().zip(expected).enumerate() {
        assert_close(&format!("{what}, item {k}"), got, expected, tolerance);
    }
}

/// f′(x) by the five-point rule, whose error is of the order of 10⁻¹².
pub fn slope(mut f: impl FnMut(f64) -> f64, x: f64) -> f64 {
    const STEP: f64 = 1e-3;
    let mut at = |steps: f64| f(x + steps * STEP);
    (at(-2.0) - 8.0 * at(-1.0) + 8.0 * at(1.0) - at(2.0)) / (12.0 * STEP)
}

// --- Properties

/// Runs a test on what a strategy draws; a failure shows the least case that fails.
///
/// The seed is fixed, so that a failure comes from the change at hand. The environment variable
/// `PROPTEST_RNG_SEED` replaces it, and `PROPTEST_CASES` is the number of cases where 256 stand here.
pub fn for_all<S: Strategy>(cases: u32, strategy: &S, test: impl Fn(S::Value)) {
    let default = ProptestConfig::default();
    let config = ProptestConfig {
        cases: (cases * default.cases).div_ceil(256),
        rng_seed: match default.rng_seed {
            RngSeed::Random => RngSeed::Fixed(1878),
            fixed @ RngSeed::Fixed(_) => fixed,
        },
        failure_persistence: None,
        ..default
    };
    let outcome = TestRunner::new(config).run(strategy, |case| {
        test(case);
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}

/// Batches of lists.
pub fn batches(
    item: impl Strategy<Value = Item> + Clone,
    lists: RangeInclusive<usize>,
    items: RangeInclusive<usize>,
) -> impl Strategy<Value = Vec<TestList>> {
    let list = (vec(item, items), select(vec![1.0, 0.0, 2.0, 0.3, 1e-3]));
    vec(list.prop_map(|(items, weight)| TestList { items, weight }), lists)
}

/// Items for every loss, with labels in [0, 1]; ties are as frequent as free numbers.
pub fn items() -> impl Strategy<Value = Item> + Clone {
    let scores = prop_oneof![
        4 => select(vec![-1.5, -1.0, -0.5, -0.0, 0.0, 0.5, 1.0]),
        3 => -4.0..4.0,
        1 => -800.0..800.0,
    ];
    let labels = prop_oneof![select(vec![0.0, 0.25, 0.5, 1.0]), 0.0..=1.0];
    let weights = prop_oneof![select(vec![0.0, 1.0, 2.0]), 0.0..3.0];
    (scores, labels, weights, prop::bool::weighted(0.8))
        .prop_map(|(score, label, weight, exists)| Item { score, label, weight, exists })
}

// --- Figures

pub fn fixture<T: DeserializeOwned>(file: &str) -> T {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(file);
    let text = std::fs::read_to_string(&path).unwrap();
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// The value and gradient of one list given as `f64`, computed in F.
pub fn value_and_grad<F: Real>(
    loss: &dyn Loss,
    scores: &[f64],
    labels: &[f64],
    mask: Option<&[bool]>,
    weights: Option<&[f64]>,
) -> (f64, Vec<f64>) {
    let narrow = |xs: &[f64]| xs.iter().map(|&x| F::narrow(x)).collect::<Array1<F>>();
    let (scores, labels) = (narrow(scores), narrow(labels));
    let (mask, weights) = (mask.map(|mask| Array1::from(mask.to_vec())), weights.map(narrow));
    let mut lists = Lists::dense(&scores, &labels);
    if let Some(mask) = &mask {
        lists = lists.mask(mask);
    }
    if let Some(weights) = &weights {
        lists = lists.weights(weights);
    }
    let (value, grad) = loss.per_list(&lists.build().unwrap()).unwrap();
    (value[()].widen(), grad.iter().map(|slope| slope.widen()).collect())
}
