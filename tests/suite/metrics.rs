//! Ranking metrics: against two other implementations, their definitions over all orders of tied
//! items, and what must not change them.
//!
//! `fixtures/metrics.py` has the figures of Rax 0.4 (ties by index, masks, weights) and of
//! scikit-learn (ties by expectation), which share nothing with each other or with this crate.
//! [`defined`] writes each metric down again, in O(K²), as a function of given ranks; over every
//! order of the tied items it also says what the closed forms of the expectations must be.

use std::collections::BTreeMap;

use crate::common::{
    Dense, Item, Ragged, TestList, assert_close, batches, custom_discount, fixture, for_all,
    log_discount, of_ranks, rankings,
};
use lipo::metrics::{
    self, AverageRelevancePosition, Binary, BinaryMeasure, Dcg, HitRate, Metric, MetricExt, Ndcg,
    PairAccuracy, Precision, Recall, ReciprocalRank, Tally, Undefined, Workspace,
};
use lipo::ranking::{DiscountTable, LinearGain, ScoreTies, discount_fn, gain_fn};
use lipo::{Error, Lists, Real};
use ndarray::{Array, Array1, Array2, Axis, Dimension, array};
use proptest::prelude::*;
use proptest::sample::select;
use serde::Deserialize;

// --- Metrics by name: "ndcg@3", "linear dcg", "auc"

const CUTOFFS: [Option<usize>; 4] = [None, Some(1), Some(3), Some(10)];

fn parts(name: &str) -> (&str, Option<usize>) {
    name.split_once('@').map_or((name, None), |(kind, n)| (kind, Some(n.parse().unwrap())))
}

fn metric(name: &str, ties: ScoreTies) -> Box<dyn Metric> {
    fn binary<M: BinaryMeasure + Default + 'static>(
        cutoff: Option<usize>,
        ties: ScoreTies,
    ) -> Box<dyn Metric> {
        Box::new(cutoff.map_or_else(Binary::<M>::default, Binary::<M>::at).ties(ties))
    }
    let (kind, n) = parts(name);
    let dcg = n.map_or_else(Dcg::default, Dcg::at).ties(ties);
    let ndcg = n.map_or_else(Ndcg::default, Ndcg::at).ties(ties);
    match kind {
        "dcg" => Box::new(dcg),
        "ndcg" => Box::new(ndcg),
        "linear dcg" => Box::new(dcg.gain(LinearGain)),
        "linear ndcg" => Box::new(ndcg.gain(LinearGain)),
        "custom ndcg" => Box::new(ndcg.gain(gain_fn(odd_gain)).discount(of_ranks(custom_discount))),
        "ap" => binary::<metrics::measures::AveragePrecision>(n, ties),
        "mrr" => binary::<metrics::measures::ReciprocalRank>(n, ties),
        "precision" => binary::<metrics::measures::Precision>(n, ties),
        "recall" => binary::<metrics::measures::Recall>(n, ties),
        "hit rate" => binary::<metrics::measures::HitRate>(n, ties),
        "arp" => Box::new(AverageRelevancePosition::default().ties(ties)),
        "pair accuracy" => Box::new(PairAccuracy::default().ties(ties)),
        _ => panic!("no metric is called {name}"),
    }
}

/// One that does not grow with the label, so that an order of labels cannot stand in for it.
fn odd_gain(label: f64) -> f64 {
    (label - 1.0).powi(2)
}

/// Every metric at every cut-off.
fn names() -> Vec<String> {
    let with_cutoff = [
        "dcg",
        "ndcg",
        "linear ndcg",
        "custom ndcg",
        "ap",
        "mrr",
        "precision",
        "recall",
        "hit rate",
    ];
    let at = |kind: &str| {
        let kind = kind.to_owned();
        CUTOFFS.map(|n| n.map_or_else(|| kind.clone(), |n| format!("{kind}@{n}")))
    };
    let others = ["arp".to_owned(), "pair accuracy".to_owned()];
    with_cutoff.into_iter().flat_map(at).chain(others).collect()
}

// --- Definitions

/// A metric of a list without masked items whose ranks are given.
fn defined(name: &str, list: &TestList, ranks: &[usize]) -> Option<f64> {
    let (kind, n) = parts(name);
    let items = &list.items;
    let n = n.unwrap_or(items.len());
    let counts = |k: &usize| ranks[*k] <= n;
    let all = || 0..items.len();
    let relevant = |k: &usize| items[*k].label >= 1.0;
    let share = |over: f64, under: f64| (under > 0.0).then(|| over / under);
    let count = |which: &dyn Fn(&usize) -> bool| all().filter(|k| which(k)).count() as f64;
    let found = count(&|k| relevant(k) && counts(k));
    let first = || all().filter(relevant).map(|k| ranks[k]).min();

    let gain: fn(f64) -> f64 = match kind {
        "dcg" | "ndcg" => |label| label.exp2() - 1.0,
        "custom ndcg" => odd_gain,
        _ => |label| label,
    };
    let discount = if kind == "custom ndcg" { custom_discount } else { log_discount };
    let dcg = |ranks: &[usize]| {
        let counted = all().filter(|&k| ranks[k] <= n);
        counted.map(|k| items[k].weight * gain(items[k].label) * discount(ranks[k])).sum::<f64>()
    };
    match kind {
        "dcg" | "linear dcg" => Some(dcg(ranks)),
        "ndcg" | "linear ndcg" | "custom ndcg" => {
            let gains: Vec<_> = items.iter().map(|item| item.weight * gain(item.label)).collect();
            share(dcg(ranks), dcg(&rankings_by_index(&gains)))
        }
        "precision" => first().map(|_| found / n.min(items.len()) as f64),
        "recall" => share(found, count(&relevant)),
        "hit rate" => first().map(|first| f64::from(u8::from(first <= n))),
        "mrr" => first().map(|first| if first <= n { 1.0 / first as f64 } else { 0.0 }),
        "ap" => {
            let precision_at =
                |rank: usize| count(&|j| relevant(j) && ranks[*j] <= rank) / rank as f64;
            let sum = all().filter(|k| relevant(k) && counts(k)).map(|k| precision_at(ranks[k]));
            share(sum.sum(), count(&relevant))
        }
        "arp" => {
            let share_of = |k: usize| items[k].weight * items[k].label;
            share(all().map(|k| share_of(k) * ranks[k] as f64).sum(), all().map(share_of).sum())
        }
        "pair accuracy" => {
            let (mut right, mut pairs) = (0.0, 0.0);
            for (i, better) in items.iter().enumerate() {
                for j in all().filter(|&j| better.label > items[j].label) {
                    pairs += better.weight;
                    right += if ranks[i] < ranks[j] { better.weight } else { 0.0 };
                }
            }
            share(right, pairs)
        }
        _ => panic!("no definition of {name}"),
    }
}

/// 1-based ranks, descending, ties by index.
fn rankings_by_index(keys: &[f64]) -> Vec<usize> {
    let above = |k: usize| {
        let first = |j: &usize| keys[*j] > keys[k] || keys[*j] == keys[k] && *j < k;
        (0..keys.len()).filter(first).count()
    };
    (0..keys.len()).map(|k| above(k) + 1).collect()
}

/// Close, or both absent.
fn assert_mean(what: &str, got: f64, expected: f64, tolerance: f64) {
    if !(got.is_nan() && expected.is_nan()) {
        assert_close(what, got, expected, tolerance);
    }
}

/// The mean of the definition over all orders of tied items.
fn expected(name: &str, list: &TestList) -> Option<f64> {
    let orders = rankings(&list.scores());
    let values: Option<Vec<f64>> = orders.iter().map(|ranks| defined(name, list, ranks)).collect();
    values.map(|values| values.iter().sum::<f64>() / values.len() as f64)
}

fn value<F: Real>(metric: &dyn Metric, list: &TestList) -> Option<f64> {
    let dense = Dense::<F>::new(std::slice::from_ref(list));
    metric.per_list(&dense.lists()).unwrap()[0].map(Real::widen)
}

fn assert_same(what: &str, got: Option<f64>, expected: Option<f64>, tolerance: f64) {
    match (got, expected) {
        (Some(got), Some(expected)) => assert_close(what, got, expected, tolerance),
        _ => assert_eq!(got, expected, "{what}"),
    }
}

fn graded() -> impl Strategy<Value = Item> + Clone {
    let scores = prop_oneof![3 => select(vec![-1.0, -0.0, 0.0, 0.5]), 1 => -4.0..4.0];
    let labels = prop_oneof![4 => select(vec![0.0, 1.0, 2.0, 4.0]), 1 => 0.0..3.0];
    let weights = prop_oneof![select(vec![0.0, 1.0, 2.0]), 0.0..3.0];
    (scores, labels, weights, prop::bool::weighted(0.8))
        .prop_map(|(score, label, weight, exists)| Item { score, label, weight, exists })
}

// --- Other implementations

#[derive(Deserialize)]
struct Figures {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    scores: Vec<f64>,
    labels: Vec<f64>,
    mask: Option<Vec<bool>>,
    weights: Option<Vec<f64>>,
    rax: BTreeMap<String, f64>,
    sklearn: BTreeMap<String, f64>,
}

#[test]
fn every_figure_of_rax_and_of_scikit_learn() {
    let mut figures = BTreeMap::<String, usize>::new();
    for case in fixture::<Figures>("metrics.json").cases {
        let mut list = TestList::plain(&case.scores, &case.labels);
        for (k, item) in list.items.iter_mut().enumerate() {
            item.exists = case.mask.as_ref().is_none_or(|mask| mask[k]);
            item.weight = case.weights.as_ref().map_or(1.0, |weights| weights[k]);
        }
        let rax = case.rax.iter().map(|figure| ("Rax", figure, ScoreTies::ByIndex));
        let sklearn =
            case.sklearn.iter().map(|figure| ("scikit-learn", figure, ScoreTies::Expected));
        for (whose, (name, &figure), ties) in rax.chain(sklearn) {
            // An area is the accuracy of pairs of a relevant and an irrelevant item.
            let mut list = list.clone();
            let called = if name == "auc" { "pair accuracy" } else { name };
            if name == "auc" {
                list.items.iter_mut().for_each(|item| item.label = item.label.floor().min(1.0));
            }
            let what = format!("{whose}'s {name} of {}", case.name);
            let got = value::<f64>(&*metric(called, ties), &list);
            assert_same(&what, got, Some(figure), 1e-13 * figure.max(1.0));
            *figures.entry(format!("{whose}: {}", parts(name).0)).or_default() += 1;
        }
    }
    assert_eq!(figures.len(), 12, "{figures:?}");
    assert!(figures.values().all(|&count| count >= 15), "{figures:?}");
}

// --- Closed forms

#[test]
fn a_list_by_hand() {
    // Ranked: labels 1, 3, 0, 2, 0.
    let list = TestList::plain(&[0.1, 0.5, 0.4, 0.2, 0.3], &[0.0, 1.0, 3.0, 2.0, 0.0]);
    let log = |x: f64| x.log2();
    let dcg_at_3 = 1.0 + 7.0 / log(3.0);
    let ideal = 7.0 + 3.0 / log(3.0) + 1.0 / log(4.0);
    for (name, figure) in [
        ("dcg@3", dcg_at_3),
        ("dcg", dcg_at_3 + 3.0 / log(5.0)),
        ("ndcg@3", dcg_at_3 / ideal),
        ("ndcg@10", (dcg_at_3 + 3.0 / log(5.0)) / ideal),
        ("linear dcg@1", 1.0),
        ("linear ndcg@1", 1.0 / 3.0),
        ("ap", (1.0 + 1.0 + 3.0 / 4.0) / 3.0),
        ("ap@3", 2.0 / 3.0),
        ("mrr", 1.0),
        ("precision@3", 2.0 / 3.0),
        ("precision@10", 3.0 / 5.0),
        ("recall@1", 1.0 / 3.0),
        ("hit rate@1", 1.0),
        ("arp", (1.0 + 3.0 * 2.0 + 2.0 * 4.0) / 6.0),
        // Of 9 pairs with unequal labels, wrong: 1 above 3 and 2, 0 above 2.
        ("pair accuracy", 6.0 / 9.0),
    ] {
        assert_same(
            name,
            value::<f64>(&*metric(name, ScoreTies::ByIndex), &list),
            Some(figure),
            1e-15,
        );
    }
}

/// The figures that TF-Ranking's documentation shows for its `ARPMetric`, which weighs the lists of a
/// batch by their labels' sums.
#[test]
fn the_average_relevance_position_of_tf_ranking() {
    let arp = AverageRelevancePosition::default();
    let alone = arp.mean(&array![3.0, 1.0, 2.0], &array![0.0, 1.0, 1.0]).unwrap();
    assert_close("arp", alone, 2.5, 1e-15);
    let (scores, labels) = (array![2.0, 1.0, 2.0, 5.0, 4.0], array![0.0, 1.0, 1.0, 2.0, 0.0]);
    let weights = array![1.0, 3.0];
    let lists = Lists::ragged(&scores, &labels, &[2, 3]).list_weights(&weights).build().unwrap();
    assert_close("arp", arp.mean_over(&lists, Undefined::Skip).unwrap(), 1.75, 1e-15);
}

#[test]
fn a_custom_discount_and_another_bound() {
    let scores = array![0.9, 0.8, 0.7];
    let labels = array![0.2, 0.9, 0.4];
    let dcg_at_2 = DiscountTable::new(vec![1.0, 1.0, 0.0]).unwrap();
    let cumulated = Dcg::default().gain(LinearGain).discount(dcg_at_2);
    assert_close("dcg", cumulated.mean(&scores, &labels).unwrap(), 1.1, 1e-15);
    let mrr =
        |bound| ReciprocalRank::default().relevant_from(bound).mean(&scores, &labels).unwrap();
    assert_eq!([0.1, 0.4, 0.9, 1.0].map(mrr), [1.0, 0.5, 0.5, 0.0]);
}

// --- Definitions

#[test]
fn every_metric_is_its_definition_over_the_orders_of_tied_items() {
    for_all(128, &batches(graded(), 1..=1, 1..=6), |lists| {
        let list = lists[0].existing();
        if list.items.is_empty() {
            return;
        }
        for name in names() {
            let by_index = value::<f64>(&*metric(&name, ScoreTies::ByIndex), &lists[0]);
            let first = defined(&name, &list, &rankings(&list.scores())[0]);
            assert_same(&name, by_index, first, 1e-13);
            let mean = value::<f64>(&*metric(&name, ScoreTies::Expected), &lists[0]);
            assert_same(&format!("expected {name}"), mean, expected(&name, &list), 1e-13);
        }
    });
}

/// Sizes around those at which another algorithm takes over, and beyond.
const SIZES: [usize; 12] = [1, 2, 7, 8, 9, 16, 17, 31, 32, 33, 100, 700];

/// Of many tied scores and labels.
fn list_of(size: usize) -> TestList {
    let numbers = |k: usize| (k * 7919 % 1009) as f64;
    let items = (0..size).map(|k| Item {
        weight: numbers(k + 5) / 500.0,
        ..Item::new((numbers(k) / 60.0).floor(), numbers(k * k + 2) % 6.0)
    });
    TestList { items: items.collect(), weight: 1.0 }
}

/// Lists longer than those whose orders can all be written out: the definition by index, and the
/// expectation by hand.
#[test]
fn lists_of_every_size_are_their_definitions() {
    for size in SIZES {
        let list = list_of(size);
        let ranks = rankings_by_index(&list.scores());
        for name in names() {
            let by_index = value::<f64>(&*metric(&name, ScoreTies::ByIndex), &list);
            assert_same(&name, by_index, defined(&name, &list, &ranks), 1e-11);
        }
        // Mean of the two orders in which all ties are reversed: by linearity, the expectation.
        let reversed = TestList { items: list.items.iter().rev().copied().collect(), weight: 1.0 };
        let back = rankings_by_index(&reversed.scores());
        for name in ["pair accuracy", "arp"] {
            let both = [defined(name, &list, &ranks), defined(name, &reversed, &back)];
            let mean = both[0].zip(both[1]).map(|(forth, back)| f64::midpoint(forth, back));
            let expected = value::<f64>(&*metric(name, ScoreTies::Expected), &list);
            assert_same(name, expected, mean, 1e-12);
        }
    }
}

#[test]
fn weights_of_1_are_as_none() {
    for size in SIZES {
        let list = list_of(size);
        let (scores, labels) = (Array1::from(list.scores()), Array1::from(list.labels()));
        let ones = Array1::ones(size);
        let unweighted = Lists::dense(&scores, &labels).build().unwrap();
        let weighted = Lists::dense(&scores, &labels).weights(&ones).build().unwrap();
        for ties in [ScoreTies::ByIndex, ScoreTies::Expected, ScoreTies::Random { seed: 2 }] {
            for name in names() {
                let metric = metric(&name, ties);
                let of = |lists| metric.per_list(lists).unwrap()[()];
                let what = format!("{name}, {size}, {ties:?}");
                assert_same(&what, of(&unweighted), of(&weighted), 1e-15);
            }
        }
    }
}

#[test]
fn random_orders_average_to_the_expectation() {
    let list = TestList::plain(&[0.5, 0.5, 1.0, 0.5, 0.5, 0.5], &[1.0, 0.0, 0.0, 3.0, 0.0, 2.0]);
    for name in names() {
        let seeds = 0..400;
        let draws = seeds
            .clone()
            .map(|seed| value::<f64>(&*metric(&name, ScoreTies::Random { seed }), &list).unwrap());
        let mean = draws.sum::<f64>() / seeds.end as f64;
        let expected = value::<f64>(&*metric(&name, ScoreTies::Expected), &list).unwrap();
        assert_close(&name, mean, expected, 0.1 * expected.max(1.0));
    }
}

// --- What must not change a value

fn values<F: Real, D: Dimension, B: Dimension>(
    metric: &dyn Metric,
    lists: &Lists<'_, F, D, B>,
) -> Vec<Option<u64>> {
    let values = metric.per_list(lists).unwrap();
    values.iter().map(|value| value.map(|value| value.widen().to_bits())).collect()
}

fn a_list_is_only_its_items<F: Real>() {
    for_all(16, &batches(graded(), 0..=6, 0..=9), |lists| {
        let ties = [ScoreTies::ByIndex, ScoreTies::Expected, ScoreTies::Random { seed: 3 }];
        for (name, ties) in names().iter().flat_map(|name| ties.map(|ties| (name, ties))) {
            let metric = &*metric(name, ties);
            let (dense, ragged) = (Dense::<F>::new(&lists), Ragged::<F>::new(&lists));
            let all = values(metric, &dense.lists());
            assert_eq!(all, values(metric, &ragged.lists()), "{name}, {ties:?}");
            for (list, &value) in lists.iter().zip(&all) {
                let alone = Dense::<F>::new(&[list.existing()]);
                assert_eq!(values(metric, &alone.lists()), [value], "{name}, {ties:?}");
            }
            // The mean is that of the values, weighted by the lists' weights.
            let tally = metric.tally(&dense.lists(), &mut Workspace::default()).unwrap();
            let existing = lists.iter().filter(|list| list.items.iter().any(|item| item.exists));
            assert_eq!(tally.lists(), existing.count());
            let (mut sum, mut weights) = (0.0, 0.0);
            for (list, value) in lists.iter().zip(&all) {
                if let Some(bits) = value {
                    let weight = F::narrow(list.weight).widen();
                    sum += weight * f64::from_bits(*bits);
                    weights += weight;
                }
            }
            let mean: F = tally.mean(Undefined::Skip);
            let expected = sum / weights; // 0/0 = NaN where none counts
            let tolerance = 4.0 * F::epsilon().widen() * expected.max(1.0);
            assert_mean(name, mean.widen(), expected, tolerance);
        }
    });
}

#[test]
fn a_value_does_not_depend_on_layout_padding_or_neighbours() {
    a_list_is_only_its_items::<f32>();
    a_list_is_only_its_items::<f64>();
}

#[test]
fn views_and_more_axes_give_the_same_bits() {
    let scores = Array::from_shape_fn((2, 3, 5), |(n, m, k)| ((n + 2 * m + 3 * k) % 7) as f64);
    let labels = scores.map(|score| (score * 3.0) % 5.0);
    let metric = Ndcg::at(3);
    let all = metric.per_list(&Lists::dense(&scores, &labels).build().unwrap()).unwrap();
    assert_eq!(all.dim(), (2, 3));
    for (n, rows) in scores.axis_iter(Axis(0)).enumerate() {
        for (m, row) in rows.rows().into_iter().enumerate() {
            let labels = labels.index_axis(Axis(0), n);
            let alone = metric.mean(&row, &labels.row(m)).unwrap();
            assert_eq!(Some(alone), all[[n, m]]);
        }
    }
    // Transposed, and back to front.
    let (scores, labels) = (scores.index_axis(Axis(0), 1), labels.index_axis(Axis(0), 1));
    let (by_column, labels_by_column) = (scores.t().to_owned(), labels.t().to_owned());
    let mean = metric.mean(&scores, &labels).unwrap();
    assert_eq!(metric.mean(&by_column.t(), &labels_by_column.t()).unwrap(), mean);
}

#[test]
fn a_permutation_changes_nothing_but_the_order_of_ties() {
    for_all(96, &batches(graded(), 1..=1, 1..=9), |mut lists| {
        for name in names() {
            let expected = &*metric(&name, ScoreTies::Expected);
            let before = value::<f64>(expected, &lists[0]);
            lists[0].items.rotate_left(1);
            let after = value::<f64>(expected, &lists[0]);
            assert_same(&name, after, before, 1e-13);
        }
        // Without ties the rule for them does not matter.
        for (k, item) in lists[0].items.iter_mut().enumerate() {
            item.score += 1e-3 * k as f64;
        }
        let mut scores = lists[0].scores();
        scores.sort_by(f64::total_cmp);
        if scores.windows(2).all(|pair| pair[0] < pair[1]) {
            for name in names() {
                let of = |ties| value::<f64>(&*metric(&name, ties), &lists[0]);
                let by_index = of(ScoreTies::ByIndex);
                assert_eq!(of(ScoreTies::Expected), by_index, "{name}");
                assert_eq!(of(ScoreTies::Random { seed: 5 }), by_index, "{name}");
            }
        }
    });
}

#[test]
fn only_the_order_of_scores_matters() {
    let list = TestList::plain(&[3.0, -1.0, 2.0, 0.5], &[1.0, 2.0, 0.0, 4.0]);
    let mut stretched = list.clone();
    for item in &mut stretched.items {
        item.score = item.score.powi(3) * 1e300;
    }
    for name in names() {
        let metric = &*metric(&name, ScoreTies::Expected);
        assert_eq!(value::<f64>(metric, &list), value::<f64>(metric, &stretched), "{name}");
    }
}

#[test]
fn metrics_together_are_the_metrics_alone_and_tallies_merge() {
    for_all(32, &batches(graded(), 1..=6, 0..=7), |lists| {
        let ties = [ScoreTies::Expected, ScoreTies::Random { seed: 1 }, ScoreTies::ByIndex];
        let names = names();
        let metrics: Vec<_> =
            names.iter().zip(ties.iter().cycle()).map(|(name, &ties)| metric(name, ties)).collect();
        let metrics: Vec<&dyn Metric> = metrics.iter().map(|metric| &**metric).collect();
        let mut workspace = Workspace::default();
        let mut together = vec![Tally::default(); metrics.len()];
        let (front, back) = lists.split_at(lists.len() / 2);
        for part in [front, back] {
            let part = Ragged::<f64>::new(part);
            metrics::tally(&metrics, &part.lists(), &mut together, &mut workspace).unwrap();
        }
        let all = Ragged::<f64>::new(&lists);
        let evaluated = metrics::evaluate(&metrics, &all.lists()).unwrap();
        for (evaluated, tally) in evaluated.iter().zip(&together) {
            assert_eq!(evaluated.undefined_lists(), tally.undefined_lists());
            let means = [evaluated, tally].map(|tally| tally.mean(Undefined::Zero));
            assert_mean("evaluated", means[0], means[1], 0.0);
        }
        let (front, back) = (Ragged::<f64>::new(front), Ragged::<f64>::new(back));
        for ((metric, tally), name) in metrics.iter().zip(together).zip(&names) {
            let merged = metric.tally(&front.lists(), &mut workspace).unwrap();
            let merged = merged.merge(metric.tally(&back.lists(), &mut workspace).unwrap());
            for undefined in [Undefined::Zero, Undefined::One, Undefined::Skip] {
                let alone = metric.mean_over(&all.lists(), undefined).unwrap();
                assert_mean(name, tally.mean(undefined), alone, 0.0);
                assert_mean(name, merged.mean(undefined), alone, 1e-15 * alone.max(1.0));
            }
            assert_eq!(merged.lists(), tally.lists());
            assert_eq!(merged.undefined_lists(), tally.undefined_lists());
        }
    });
}

// --- Lists without a value

#[test]
fn a_list_without_anything_relevant_counts_as_asked() {
    // NDCG 1, none, and no list at all.
    let scores = array![0.3, 0.2, 0.5, 0.4];
    let labels = array![1.0, 0.0, 0.0, 0.0];
    let weights = array![1.0, 3.0, 5.0];
    let lists = Lists::ragged(&scores, &labels, &[2, 2, 0]);
    let (plain, weighted) = (lists.clone().build().unwrap(), lists.list_weights(&weights));
    let weighted = weighted.build().unwrap();
    for name in names() {
        let metric = metric(&name, ScoreTies::ByIndex);
        if parts(&name).0.ends_with("dcg") && !name.starts_with("ndcg") {
            continue; // DCG is 0 there; an odd gain has a value
        }
        let first = value::<f64>(&*metric, &TestList::plain(&[0.3, 0.2], &[1.0, 0.0])).unwrap();
        assert_eq!(metric.per_list(&plain).unwrap(), array![Some(first), None, None], "{name}");
        let mean = |lists, undefined| metric.mean_over(lists, undefined).unwrap();
        assert_eq!(mean(&plain, Undefined::Skip), first, "{name}");
        assert_eq!(mean(&plain, Undefined::Zero), first / 2.0, "{name}");
        assert_eq!(mean(&plain, Undefined::One), f64::midpoint(first, 1.0), "{name}");
        assert_eq!(mean(&weighted, Undefined::Skip), first, "{name}");
        assert_eq!(mean(&weighted, Undefined::Zero), first / 4.0, "{name}");
        assert_eq!(mean(&weighted, Undefined::One), (first + 3.0) / 4.0, "{name}");
        let tally = metric.tally(&plain, &mut Workspace::default()).unwrap();
        assert_eq!((tally.lists(), tally.undefined_lists()), (2, 1), "{name}");
    }
    let none = Lists::ragged(&Array1::<f64>::zeros(0), &Array1::zeros(0), &[])
        .build()
        .map(|lists| Ndcg::default().mean_over(&lists, Undefined::One).unwrap());
    assert!(none.is_ok_and(f64::is_nan));
}

// --- Hard inputs

#[test]
fn nothing_overflows_and_nothing_is_nan() {
    let ends = [0.0, f64::from_bits(1), 1e-300, 1.0, 2.0, 1000.0, 1e300, f64::MAX];
    let item = (select(ends.to_vec()), select(ends.to_vec()), select(ends.to_vec()), any::<bool>());
    let item = item.prop_map(|(score, label, weight, down)| Item {
        score: if down { -score } else { score },
        label,
        weight,
        exists: true,
    });
    let accepted = std::cell::Cell::new(0);
    let list_weight = select(vec![0.0, 1e-300, 1.0, f64::MAX]);
    let lists = (batches(item, 1..=4, 0..=6), prop::collection::vec(list_weight, 4));
    for_all(256, &lists, |(mut lists, weights)| {
        for (list, weight) in lists.iter_mut().zip(weights) {
            list.weight = weight;
        }
        let ragged = Ragged::<f64>::new(&lists);
        for name in names() {
            let metric = metric(&name, ScoreTies::Expected);
            let Ok(values) = metric.per_list(&ragged.lists()) else { continue };
            accepted.set(accepted.get() + 1);
            let largest =
                values.iter().flatten().fold(0.0_f64, |most, value| most.max(value.abs()));
            assert!(largest.is_finite() && values.iter().flatten().all(|value| !value.is_nan()));
            if !name.contains("dcg") || name.contains("ndcg") {
                let bound = if name == "arp" { 6.0 } else { 1.0 };
                assert!(largest <= bound * (1.0 + 1e-15), "{name}: {values:?}");
            }
            for undefined in [Undefined::Zero, Undefined::Skip] {
                let mean = metric.mean_over(&ragged.lists(), undefined).unwrap();
                // Absent where no list counts.
                let counts = |(list, value): (&TestList, &Option<f64>)| {
                    let counts_as = value.is_some() || undefined == Undefined::Zero;
                    counts_as && list.weight > 0.0 && list.items.iter().any(|item| item.exists)
                };
                if !lists.iter().zip(&values).any(counts) {
                    assert!(mean.is_nan(), "{name}: {mean}");
                    continue;
                }
                assert!(
                    mean >= 0.0 && mean <= largest * (1.0 + 1e-15),
                    "{name}: {mean}, {values:?}"
                );
            }
        }
    });
    assert!(accepted.get() > 2500, "{}", accepted.get());
}

#[test]
fn weights_and_gains_at_the_ends_of_the_range() {
    let list = |labels: [f64; 3], weight: f64| {
        let mut list = TestList::plain(&[0.1, 0.3, 0.2], &labels);
        list.items.iter_mut().for_each(|item| item.weight = weight);
        list
    };
    for name in names() {
        let metric = &*metric(&name, ScoreTies::ByIndex);
        let moderate = value::<f64>(metric, &list([1.0, 0.0, 2.0], 1.0));
        for weight in [1e-300, 1e300] {
            let got = value::<f64>(metric, &list([1.0, 0.0, 2.0], weight));
            let factor = if name.contains("dcg") && !name.contains("ndcg") { weight } else { 1.0 };
            let expected = moderate.map(|value| value * factor);
            assert_same(&name, got, expected, 1e-15 * expected.unwrap().max(f64::MIN_POSITIVE));
        }
    }
    // 2^ψ − 1 of small labels is ψ log 2, and its ratio that of the labels.
    let tiny = value::<f64>(&Ndcg::default(), &list([1e-12, 0.0, 2e-12], 1.0));
    let linear = value::<f64>(&Ndcg::default().gain(LinearGain), &list([1.0, 0.0, 2.0], 1.0));
    assert_same("ndcg", tiny, linear, 1e-12);
    let large = value::<f64>(&Ndcg::default(), &list([1015.0, 0.0, 1016.0], 1.0));
    let moderate = value::<f64>(&Ndcg::default(), &list([60.0, 0.0, 61.0], 1.0));
    assert_same("ndcg", large, moderate, 1e-15);
}

#[test]
fn the_mean_of_heavy_lists_is_a_mean() {
    let scores = array![[0.1, 0.2], [0.2, 0.1], [0.2, 0.1]];
    let labels = array![[1.0, 0.0], [1.0, 0.0], [0.0, 0.0]];
    for (weights, zero, skip) in [
        (array![1e308, 1e308, 1e308], 0.5, 0.75),
        (array![1e308, 1.0, 1e308], 0.25, 0.5),
        (array![1e-310, 1e-310, 1e-310], 0.5, 0.75),
        (array![0.0, 1e300, 0.0], 1.0, 1.0),
        (array![0.0, 0.0, 0.0], f64::NAN, f64::NAN),
        (array![0.0, 0.0, 1.0], 0.0, f64::NAN),
    ] {
        let lists = Lists::dense(&scores, &labels).list_weights(&weights).build().unwrap();
        let mrr = |undefined| ReciprocalRank::default().mean_over(&lists, undefined).unwrap();
        assert_mean("as 0", mrr(Undefined::Zero), zero, 1e-12);
        assert_mean("skipped", mrr(Undefined::Skip), skip, 1e-12);
    }
    // A DCG of 10³⁰⁰ with a weight of 10³⁰⁰.
    let (scores, labels) = (array![[0.1], [0.1]], array![[1e300], [3e300]]);
    let weights = array![1e300, 1e300];
    let lists = Lists::dense(&scores, &labels).list_weights(&weights).build().unwrap();
    let dcg = Dcg::default().gain(LinearGain).mean_over(&lists, Undefined::Zero).unwrap();
    assert_close("dcg", dcg, 2e300, 1e285);
}

#[test]
fn a_thousand_tied_items_have_their_expectations() {
    // 250 of 1000 relevant. Of the first relevant item, E(1/τ) by the sum; of precision, ¼.
    let (n, r) = (1000_usize, 250);
    let list = TestList::plain(
        &vec![0.5; n],
        &(0..n).map(|k| f64::from(u8::from(k < r))).collect::<Vec<_>>(),
    );
    let of = |name| value::<f64>(&*metric(name, ScoreTies::Expected), &list).unwrap();
    assert_close("precision@10", of("precision@10"), 0.25, 1e-15);
    assert_close("recall@10", of("recall@10"), 0.01, 1e-15);
    assert_close("pair accuracy", of("pair accuracy"), 0.5, 1e-15);
    assert_close("arp", of("arp"), 500.5, 1e-12);
    let miss: f64 = (0..10).map(|j| (n - r - j) as f64 / (n - j) as f64).product();
    assert_close("hit rate@10", of("hit rate@10"), 1.0 - miss, 1e-14);
    // E AP of a random order: (r − 1)/(n − 1) + (n − r)/(n − 1) · H_n/n (Bestgen 2015).
    let harmonic: f64 = (1..=n).map(|k| 1.0 / k as f64).sum();
    let (n, r) = (n as f64, r as f64);
    let ap = (r - 1.0) / (n - 1.0) + (n - r) / (n - 1.0) * harmonic / n;
    assert_close("ap", of("ap"), ap, 1e-13);
}

// --- Errors

/// A metric, labels, and what is wrong with one of the two.
type Row = (Box<dyn Metric>, Array2<f64>, Error);

/// The broken place lies in the second list, behind a masked item.
fn bad_input(good: &Array2<f64>) -> Vec<Row> {
    let out_of_range = |index: &[usize], value, range| Error::OutOfRange {
        what: "labels",
        index: index.to_vec(),
        value,
        range,
    };
    let cutoff = || Error::Parameter { name: "cut-off", value: 0.0, range: "at least 1" };
    let with = |label: f64| {
        let mut labels = good.clone();
        labels[[1, 2]] = label;
        labels
    };
    let at = [1, 2];
    vec![
        (Box::new(Ndcg::at(0)), good.clone(), cutoff()),
        (Box::new(Dcg::at(0)), good.clone(), cutoff()),
        (Box::new(Precision::at(0)), good.clone(), cutoff()),
        (
            Box::new(Ndcg::default()),
            with(-0.5),
            out_of_range(&at, -0.5, "a label whose gain is at least 0"),
        ),
        (
            Box::new(Dcg::default()),
            with(1024.0),
            out_of_range(&at, 1024.0, "a label whose gain is finite"),
        ),
        (
            Box::new(Dcg::default().gain(LinearGain)),
            with(1e308),
            out_of_range(&at, 1e308, "a label whose DCG is finite"),
        ),
        (
            Box::new(Dcg::default().gain(gain_fn(f64::ln))),
            with(0.0),
            out_of_range(&[0, 2], 0.0, "a label whose gain is finite"),
        ),
        (
            Box::new(AverageRelevancePosition::default()),
            with(-1.0),
            out_of_range(&at, -1.0, "at least 0"),
        ),
        (
            Box::new(Ndcg::default().discount(discount_fn(|rank| rank / 3.0, |_| 1.0 / 3.0))),
            good.clone(),
            Error::Parameter {
                name: "discount",
                value: 2.0 / 3.0,
                range: "at least 0 and at most that of the rank before",
            },
        ),
        (
            Box::new(Recall::default().relevant_from(f64::INFINITY)),
            good.clone(),
            Error::Parameter {
                name: "the least relevant label",
                value: f64::INFINITY,
                range: "finite",
            },
        ),
    ]
}

#[test]
fn bad_input_is_an_error_and_nothing_changes() {
    let scores = array![[f64::NAN, 0.5, 0.1], [0.2, f64::NAN, 0.3]];
    let mask = array![[false, true, true], [true, false, true]];
    let good = array![[9.0, 1.0, 0.0], [1.0, 9.0, 0.0]];
    for (metric, labels, error) in bad_input(&good) {
        let lists = Lists::dense(&scores, &labels).mask(&mask).build().unwrap();
        let workspace = &mut Workspace::default();
        let mut values = array![Some(7.0), None];
        let found = metric.per_list_into(&lists, &mut values, workspace).unwrap_err();
        assert_eq!(found, error);
        assert_eq!(values, array![Some(7.0), None]);
        assert_eq!(metric.mean_over(&lists, Undefined::Skip).unwrap_err(), error);
        let mut tallies = [Tally::default(); 2];
        let metrics: [&dyn Metric; 2] = [&HitRate::default(), &*metric];
        let found = metrics::tally(&metrics, &lists, &mut tallies, workspace).unwrap_err();
        assert_eq!(found, error);
        assert!(tallies.iter().all(|tally| tally.lists() == 0));
    }

    let lists = Lists::dense(&scores, &good).mask(&mask).build().unwrap();
    let shape = |what, expected: &[usize], found: &[usize]| Error::Shape {
        what,
        expected: expected.to_vec(),
        found: found.to_vec(),
    };
    let workspace = &mut Workspace::default();
    let found = Ndcg::default().per_list_into(&lists, &mut Array1::from_elem(3, None), workspace);
    assert_eq!(found.unwrap_err(), shape("values", &[2], &[3]));
    let metrics: [&dyn Metric; 1] = [&Ndcg::default()];
    let found = metrics::tally(&metrics, &lists, &mut [], workspace);
    assert_eq!(found.unwrap_err(), shape("tallies", &[1], &[0]));
}

#[test]
fn a_list_without_items_is_not_checked() {
    let empty = Array2::zeros((2, 0));
    let lists =
        Lists::dense(&empty, &empty).build().map(|lists| Ndcg::at(0).per_list(&lists).unwrap());
    assert_eq!(lists.unwrap(), array![None::<f64>, None]);
}
