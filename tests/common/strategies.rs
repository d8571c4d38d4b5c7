//! The runner of properties, and the strategies that draw batches.

use std::ops::RangeInclusive;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{RngSeed, TestRunner};

use super::{Item, TestList};

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
