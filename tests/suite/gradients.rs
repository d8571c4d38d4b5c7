//! Gradients against central finite differences.
//!
//! A gradient is what a trainer uses and nobody sees, so every loss and the whole grid of pair losses
//! is differenced through the public interface, under item weights, masks, batches, list weights and
//! every reduction: a slope that is missing, doubled or at the wrong place differs from the
//! difference quotient by far more than its error of about 1e-12.
//!
//! Lists are drawn so that no score comes near another and no margin near the hinge's kink. There
//! the ranks are constant, and the lambda losses' differences have constant weights of themselves.
//! Tied scores, where a difference would change the ranks, are tested with Δ computed here, from
//! its definition, and held fixed.

use crate::common::{
    Definition, Dense, Item, PairTerms, REDUCTIONS, TIE_RULES, TestList, TestWeight, assert_close,
    batches, deltas, every_loss, for_all, hinge, items, lambda_weights, logistic, mean, slope,
    value_and_grad,
};
use lipo::losses::{Hinge, Logistic, Loss, LossExt, Reduction, Workspace};
use lipo::ranking::ScoreTies;
use ndarray::Array2;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

/// Lists whose scores are at least 0.26 apart, and whose margins are at least 0.06 from 1.
fn smooth_batches() -> impl Strategy<Value = Vec<TestList>> {
    let places = Just((-6..=6).map(f64::from).collect::<Vec<_>>()).prop_shuffle();
    let places = vec((places, vec(-0.02..0.02, 5)), 3);
    (batches(items(), 1..=3, 0..=5), places).prop_map(|(mut lists, places)| {
        for (list, (places, jitter)) in lists.iter_mut().zip(places) {
            for (item, (place, jitter)) in list.items.iter_mut().zip(places.iter().zip(jitter)) {
                item.score = 0.3 * place + jitter;
            }
        }
        lists
    })
}

#[test]
fn of_the_reduced_value() {
    fn holds(name: &str, loss: &dyn Loss, batch: &Dense<f64>, reduction: Reduction) {
        let workspace = &mut Workspace::default();
        let (_, grad) = loss.reduced(&batch.lists(), reduction).unwrap();
        for (index, &got) in grad.indexed_iter() {
            let mut moved = batch.clone();
            let value = |score| {
                moved.scores[index] = score;
                loss.total(&moved.lists(), workspace).unwrap().reduce(reduction)
            };
            let expected = slope(value, batch.scores[index]);
            assert_close(&format!("{name}, {reduction:?}, {index:?}"), got, expected, 1e-9);
        }
    }
    for_all(16, &smooth_batches(), |lists| {
        for (name, loss) in every_loss() {
            for reduction in REDUCTIONS {
                holds(&name, &*loss, &Dense::new(&lists), reduction);
            }
        }
    });
}

/// A list whose scores tie, without a margin near 1.
fn tied_lists() -> impl Strategy<Value = TestList> {
    let scores = select(vec![-0.6, -0.3, -0.0, 0.0, 0.3]);
    let item = (items(), scores).prop_map(|(item, score)| Item { score, ..item });
    batches(item, 1..=1, 0..=5).prop_map(|lists| lists[0].existing())
}

/// The values of Δ that a tie rule allows: all those of some order, where the order is random.
fn allowed_deltas(weight: &TestWeight, ties: ScoreTies, list: &TestList) -> Vec<Array2<f64>> {
    let mut all = deltas(weight, &list.scores(), &list.labels());
    match ties {
        ScoreTies::Expected => vec![mean(&all)],
        ScoreTies::Random { .. } => all,
        _ => {
            all.truncate(1);
            all
        }
    }
}

/// Whether value and gradient are those of the pair loss with constant weights Δ.
fn agrees(
    (value, grad): &(f64, Vec<f64>),
    list: &TestList,
    function: PairTerms,
    delta: &Array2<f64>,
) -> bool {
    let close = |got: f64, expected: f64| (got - expected).abs() < 1e-9;
    let frozen = |list: &TestList| Definition::of_pairs(list, function, |i, j| delta[[i, j]]).value;
    let slopes = list.items.iter().enumerate().map(|(k, item)| {
        let mut moved = list.clone();
        slope(
            |score| {
                moved.items[k].score = score;
                frozen(&moved)
            },
            item.score,
        )
    });
    close(*value, frozen(list)) && grad.iter().zip(slopes).all(|(&got, slope)| close(got, slope))
}

#[test]
fn of_lambda_losses_at_tied_scores() {
    for_all(100, &tied_lists(), |list| {
        let (scores, labels, weights) = (list.scores(), list.labels(), list.weights());
        for (name, weight) in lambda_weights() {
            for ties in TIE_RULES {
                let allowed = allowed_deltas(&weight, ties, &list);
                let weight = weight.clone().ties(ties);
                let functions: [(Box<dyn Loss>, PairTerms); 2] =
                    [(weight.loss(Hinge::default()), hinge), (weight.loss(Logistic), logistic)];
                for (loss, function) in functions {
                    let got = value_and_grad::<f64>(&*loss, &scores, &labels, None, Some(&weights));
                    assert!(
                        allowed.iter().any(|delta| agrees(&got, &list, function, delta)),
                        "{name}, {ties:?}: {got:?}"
                    );
                }
            }
        }
    });
}
