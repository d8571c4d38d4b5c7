//! Losses that a user writes: one function of one list, or of one margin.
//!
//! The losses here are not the crate's, so whatever they get beyond that function (batches, masks,
//! ragged lists, weights, reductions, `dyn`, `f32`, errors in the caller's terms) can only come from
//! what every loss shares. Each result is compared with a loop over the test's own lists. The
//! losses also check what they are handed, since the trait's docs promise it.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::common::{
    Definition, Dense, Item, Outcome, REDUCTIONS, Ragged, TestList, TestWeight, assert_all_close,
    assert_close, batches, deltas, every_loss, for_all, items, value_and_grad,
};
use lipo::losses::{
    Domain, LambdaWeight, ListFunction, ListResults, Loss, LossExt, Number, Pair, PairFunction,
    PairLoss, PairTerm, PointMse, Work, Workspace,
};
use lipo::{Error, List, Lists, Precision, Real};
use ndarray::{Array, Array3, array};
use proptest::prelude::*;

/// Σ_k w_k max(0, |ψ_k − s_k| − margin)² over the items with ψ_k ≥ 0, labels of at most 1; items with
/// a negative label are unlabelled and count as no terms.
#[derive(Debug)]
struct TolerantMse {
    margin: f64,
    lists_computed: AtomicUsize,
}

impl TolerantMse {
    fn new() -> Self {
        Self { margin: 0.25, lists_computed: AtomicUsize::new(0) }
    }

    /// The value and slope of one item.
    fn item(&self, score: f64, label: f64) -> (f64, f64) {
        let excess = ((score - label).abs() - self.margin).max(0.0);
        if label < 0.0 {
            return (0.0, 0.0);
        }
        (excess * excess, 2.0 * excess * (score - label).signum())
    }
}

impl ListFunction for TolerantMse {
    fn list(&self, list: &List<'_>, results: &mut ListResults<'_>) -> f64 {
        assert!(!list.is_empty());
        let grad = results.gradient();
        assert!(grad.iter().all(|&slope| slope == 0.0), "{grad:?}");
        assert_eq!(
            (list.scores().len(), list.labels().len(), grad.len()),
            (list.len(), list.len(), list.len())
        );
        self.lists_computed.fetch_add(1, Ordering::Relaxed);
        let mut sum = 0.0;
        for (k, slope) in grad.iter_mut().enumerate() {
            let (value, of_item) = self.item(list.scores()[k], list.labels()[k]);
            sum += list.weight(k) * value;
            *slope = list.weight(k) * of_item;
        }
        sum
    }
}

impl Loss for TolerantMse {
    fn work(&self) -> Work<'_> {
        Work::list(self)
    }

    fn domain(&self, _: Precision) -> Domain {
        Domain::ANY.with_check()
    }

    fn check(&self, list: &List<'_>) -> Result<(), Error> {
        assert!(!list.is_empty());
        match list.labels().iter().position(|&label| label > 1.0) {
            Some(item) => Err(list.label_out_of_range(item, "at most 1")),
            None => Ok(()),
        }
    }

    fn terms(&self, list: &List<'_>, _: &mut Vec<f64>) -> u64 {
        assert!(!list.is_empty());
        list.labels().iter().filter(|&&label| label >= 0.0).count() as u64
    }
}

/// φ(d) = max(0, 1 − d)².
#[derive(Debug, Clone, Copy)]
struct SquaredHinge;

impl SquaredHinge {
    fn value_and_slope(d: f64) -> (f64, f64) {
        let excess = (1.0 - d).max(0.0);
        (excess * excess, -2.0 * excess)
    }
}

lipo::formula! {
    impl PairFunction for SquaredHinge {
        fn at<N: Number>(&self, pair: Pair<N>) -> PairTerm<N> {
            let zero = pair.margin.constant(0.0);
            let excess = (pair.margin.constant(1.0) - pair.margin).max(zero);
            let curvature = pair.margin.constant(2.0).keep(excess.above(zero));
            PairTerm::new(excess * excess, excess.times(-2.0), curvature)
        }
    }
}

/// Items of which some are unlabelled.
fn partly_labelled() -> impl Strategy<Value = Item> + Clone {
    let unlabelled = prop::bool::weighted(0.2);
    (items(), unlabelled).prop_map(
        |(item, unlabelled)| {
            if unlabelled { Item { label: -1.0, ..item } } else { item }
        },
    )
}

#[test]
fn a_list_loss_gets_batches_masks_weights_and_reductions() {
    for_all(300, &batches(partly_labelled(), 0..=4, 0..=5), |lists| {
        let loss = TolerantMse::new();
        let ragged = Ragged::<f64>::new(&lists);
        let outcome = Outcome::of_ragged(&loss, &ragged);
        assert_eq!(Outcome::of_dense(&loss, &Dense::<f64>::new(&lists)), outcome);

        let existing: Vec<_> = lists.iter().map(TestList::existing).collect();
        let labelled = |list: &TestList| list.items.iter().filter(|item| item.label >= 0.0).count();
        let nonempty = existing.iter().filter(|list| !list.items.is_empty()).count();
        let terms: usize = existing.iter().map(labelled).sum();
        let mut sum = 0.0;
        let mut grad = Vec::new();
        for list in &existing {
            for item in &list.items {
                let (value, slope) = loss.item(item.score, item.label);
                sum += list.weight * item.weight * value;
                grad.push(list.weight * item.weight * slope);
            }
        }
        for ((value, slopes), divisor) in outcome.reduced.iter().zip([nonempty, 1, terms]) {
            #[allow(clippy::cast_precision_loss)] // small counts
            let share = |x: f64| if divisor == 0 { 0.0 } else { x / divisor as f64 };
            let tolerance = |x: f64| 1e-14 * (1.0 + x.abs());
            assert_close("value", f64::from_bits(*value), share(sum), tolerance(sum));
            assert_eq!(slopes.len(), grad.len());
            for (slope, expected) in slopes.iter().zip(&grad) {
                assert_close(
                    "slope",
                    f64::from_bits(*slope),
                    share(*expected),
                    tolerance(*expected),
                );
            }
        }
    });
}

#[test]
fn a_pair_function_gets_weights_and_the_gradient_of_pairs() {
    let list = batches(items(), 1..=1, 0..=5).prop_map(|lists| lists[0].existing());
    for_all(300, &list, |list| {
        let (scores, labels, weights) = (list.scores(), list.labels(), list.weights());
        let dcg = LambdaWeight::dcg();
        let delta = deltas(&TestWeight::dcg(), &scores, &labels).swap_remove(0);
        let ones = Array::ones(delta.dim());
        let unweighted = PairLoss::unweighted(SquaredHinge);
        let lambda = PairLoss::new(SquaredHinge, dcg);
        for (loss, delta) in [(&unweighted as &dyn Loss, &ones), (&lambda, &delta)] {
            let (value, grad) = value_and_grad::<f64>(loss, &scores, &labels, None, Some(&weights));
            let of_pair = SquaredHinge::value_and_slope;
            let expected = Definition::of_pairs(&list, of_pair, |i, j| delta[[i, j]]);
            assert_close("value", value, expected.value, 1e-12 * (1.0 + expected.value));
            let largest = expected.scale().into_iter().fold(1.0, f64::max);
            assert_all_close("gradient", &grad, &expected.grad(), 1e-12 * largest);
        }
    });
}

#[test]
fn a_list_comes_in_f64_and_names_the_precision_of_the_arrays() {
    #[derive(Debug)]
    struct Spy(Precision);
    impl ListFunction for Spy {
        fn list(&self, list: &List<'_>, results: &mut ListResults<'_>) -> f64 {
            assert_eq!(list.precision(), self.0);
            // What is left of 0.1 beyond f32.
            results.gradient()[0] = 1.0 / 3.0;
            self.0.round(list.scores()[0]) - list.scores()[0]
        }
    }
    impl Loss for Spy {
        fn work(&self) -> Work<'_> {
            Work::list(self)
        }
    }
    fn outcome<F: Real>(precision: Precision) -> (F, F) {
        let tenth = array![F::narrow(0.1)];
        let (value, grad) = Spy(precision).value_and_grad(&tenth, &tenth).unwrap();
        (value, grad[0])
    }
    assert_eq!(outcome::<f32>(Precision::Single), (0.0, 1.0 / 3.0));
    assert_eq!(outcome::<f64>(Precision::Double), (0.0, 1.0 / 3.0));
}

#[test]
fn the_losses_of_crate_and_user_stand_in_one_collection() {
    let mut zoo: Vec<Box<dyn Loss>> = every_loss().into_iter().map(|(_, loss)| loss).collect();
    let crates_own = zoo.len();
    zoo.push(Box::new(TolerantMse::new()));
    zoo.push(Box::new(PairLoss::unweighted(SquaredHinge)));
    let (scores, labels) =
        (array![[0.5_f32, 2.0], [1.0, 0.0]], array![[1.0_f32, 0.0], [1.0, 0.25]]);
    let values: Vec<f32> = zoo.iter().map(|loss| loss.value(&scores, &labels).unwrap()).collect();
    // ((0.25² + 1.75²) + 0) / 2 and ((1 + 1.5)² + 0) / 2.
    assert_eq!(values[crates_own..], [1.5625, 3.125]);
}

#[test]
fn an_error_names_the_place_in_the_callers_arrays() {
    // Item 1 of list [1, 0], of which the first is masked, so that the loss sees it as item 0.
    let mut labels = Array3::zeros((2, 2, 3));
    labels[[1, 0, 1]] = 1.5;
    labels[[0, 1, 2]] = 7.0; // masked
    let scores = Array3::<f64>::zeros(labels.dim());
    let mut mask = Array3::from_elem(labels.dim(), true);
    mask[[1, 0, 0]] = false;
    mask[[0, 1, 2]] = false;
    let range = "at most 1";
    let expected = |index| Error::OutOfRange { what: "labels", index, value: 1.5, range };

    let loss = TolerantMse::new();
    let lists = Lists::dense(&scores, &labels).mask(&mask).build().unwrap();
    let (mut grad, mut values) =
        (Array::from_elem(labels.dim(), 7.0), Array::from_elem((2, 2), 7.0));
    let workspace = &mut Workspace::default();
    for reduction in REDUCTIONS {
        let error = loss.reduced_into(&lists, reduction, &mut grad, workspace).unwrap_err();
        assert_eq!(error, expected(vec![1, 0, 1]));
        assert_eq!(error.to_string(), "labels[1, 0, 1] is 1.5e0, which is not at most 1");
    }
    let error = loss.per_list_into(&lists, &mut values, &mut grad, workspace).unwrap_err();
    assert_eq!(error, expected(vec![1, 0, 1]));
    assert_eq!(loss.total(&lists, workspace).unwrap_err(), expected(vec![1, 0, 1]));
    // Every list is asked before the first is computed, and nothing is written.
    assert_eq!(loss.lists_computed.load(Ordering::Relaxed), 0);
    assert!(grad.iter().chain(&values).all(|&x| x == 7.0));

    let flat = |array: &Array3<f64>| array.flatten().into_owned();
    let (scores, labels, mask) = (flat(&scores), flat(&labels), mask.flatten().into_owned());
    let ragged = Lists::ragged(&scores, &labels, &[5, 0, 2, 5]).mask(&mask).build().unwrap();
    assert_eq!(loss.per_list(&ragged).unwrap_err(), expected(vec![7]));
}

#[test]
fn errors_of_every_kind_are_translated_or_left_alone() {
    #[derive(Debug)]
    struct Refuses(Error);
    impl ListFunction for Refuses {
        fn list(&self, _: &List<'_>, _: &mut ListResults<'_>) -> f64 {
            0.0
        }
    }
    impl Loss for Refuses {
        fn work(&self) -> Work<'_> {
            Work::list(self)
        }
        fn domain(&self, _: Precision) -> Domain {
            Domain::ANY.with_check()
        }
        fn check(&self, list: &List<'_>) -> Result<(), Error> {
            if list.scores()[0] == 1.0 { Err(self.0.clone()) } else { Ok(()) }
        }
    }
    let scores = array![[0.0_f64, 0.0, 0.0], [0.0, 1.0, 2.0]];
    let mask = array![[true, true, true], [false, true, true]];
    let lists = Lists::dense(&scores, &scores).mask(&mask).build().unwrap();
    let out_of_range = |index| Error::OutOfRange { what: "labels", index, value: 2.0, range: "1" };
    let not_finite = |index| Error::NotFinite { what: "gain", index, value: f64::INFINITY };
    let spread = |list| Error::Spread { list, least: 1.0, greatest: 2.0 };
    let parameter = Error::Parameter { name: "margin", value: -1.0, range: "positive" };
    for (raised, expected) in [
        (out_of_range(vec![1]), out_of_range(vec![1, 2])),
        (not_finite(vec![0]), not_finite(vec![1, 1])),
        (spread(vec![]), spread(vec![1])),
        (parameter.clone(), parameter),
    ] {
        assert_eq!(Refuses(raised).per_list(&lists).unwrap_err(), expected);
    }
    // No index that a loss gives makes a panic.
    for index in [vec![], vec![2], vec![usize::MAX], vec![0, 0, 0]] {
        assert!(Refuses(out_of_range(index)).per_list(&lists).is_err());
    }
}

#[test]
fn a_pair_function_beyond_the_range_is_infinite() {
    /// e^−d
    #[derive(Debug)]
    struct Exponential;
    lipo::formula! {
        impl PairFunction for Exponential {
            fn at<N: Number>(&self, pair: Pair<N>) -> PairTerm<N> {
                let exp = (-pair.margin).exp();
                PairTerm::new(exp, -exp, exp)
            }
        }
    }
    let loss = PairLoss::unweighted(Exponential);
    let (value, grad) = loss.value_and_grad(&array![0.0, 800.0], &array![1.0, 0.0]).unwrap();
    assert_eq!((value, grad), (f64::INFINITY, array![f64::NEG_INFINITY, f64::INFINITY]));
}

#[test]
fn a_default_loss_has_one_term_a_list() {
    #[derive(Debug)]
    struct Nothing;
    impl ListFunction for Nothing {
        fn list(&self, _: &List<'_>, _: &mut ListResults<'_>) -> f64 {
            1.0
        }
    }
    impl Loss for Nothing {
        fn work(&self) -> Work<'_> {
            Work::list(self)
        }
    }
    let zeros = array![[0.0_f64, 0.0], [0.0, 0.0], [0.0, 0.0]];
    let mask = array![[true, true], [false, true], [false, false]];
    let lists = Lists::dense(&zeros, &zeros).mask(&mask).build().unwrap();
    let workspace = &mut Workspace::default();
    let total = Nothing.total(&lists, workspace).unwrap();
    assert_eq!((total.lists(), total.terms()), (2, 2));
    assert_eq!(PointMse.total(&lists, workspace).unwrap().terms(), 3);
    // A list without items has the value 0, whatever the loss.
    assert_eq!(Nothing.per_list(&lists).unwrap().0, array![1.0, 1.0, 0.0]);
    assert_eq!(REDUCTIONS.map(|reduction| total.reduce::<f64>(reduction)), [1.0, 2.0, 1.0]);
}
