//! Results that were wrong once, each with the right ones from elsewhere (800 digits of mpmath).

use crate::accuracy::{assert_accurate, assert_computed};
use crate::definitions::Case;
use crate::losses::{Batch, Reduced, compute, compute_batch, subject};
use lipo::Lists;
use lipo::losses::{LossExt, PointMse, Reduction};
use ndarray::array;

/// The gradient of a list, checked against the oracle, and the oracle against known figures.
fn has_gradient(name: &str, case: &Case, expected: &[f64], digits: f64) {
    let subject = subject(name);
    let exact = (subject.definition)(case);
    for (k, (terms, &expected)) in exact.grad.iter().zip(expected).enumerate() {
        let found = terms.sum().to_f64();
        let close = (found - expected).abs() <= digits * expected.abs();
        assert!(close, "the oracle's entry {k} of {name} is {found:e}, not {expected:e}");
    }
    assert_accurate(&subject, case);
}

fn has_last_gradient(name: &str, case: &Case, expected: f64, digits: f64) {
    let last = (subject(name).definition)(case).grad[case.len() - 1].sum().to_f64();
    assert!((last - expected).abs() <= digits * expected.abs(), "{name}: {last:e}");
    assert_accurate(&subject(name), case);
}

fn eighths<const K: usize>() -> [f64; K] {
    std::array::from_fn(|k| k as f64 / 8.0)
}

#[test]
fn lambda_loss_of_f32_keeps_the_gradient_of_a_far_leader() {
    let case = Case::new(true, [1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 70.0], eighths());
    has_last_gradient("lambda-loss", &case, -9.834907e-31, 1e-6);
}

#[test]
fn lambda_loss_of_f64_keeps_the_gradient_of_a_far_leader() {
    let case = Case::new(false, [1.0, 0.0, 500.0], [0.0, 0.5, 1.0]);
    has_last_gradient("lambda-loss", &case, -9.234378e-218, 1e-6);
}

/// From a lead of 60 (f32) and 475 (f64) on, digits went.
#[test]
fn leads_of_all_sizes_keep_their_digits() {
    for name in ["lambda-loss", "pair-logistic", "lambda-loss, linear gain"] {
        for (single, leads) in [(true, 40..87), (false, 450..708)] {
            for lead in leads {
                let mut scores = [0.0; 8];
                (scores[0], scores[7]) = (1.0, f64::from(lead));
                let case = Case::new(single, scores, eighths());
                assert_accurate(&subject(name), &case);
                assert_accurate(&subject(name), &case.weighted([0.3; 8]));
            }
        }
    }
}

#[test]
fn list_mle_keeps_small_weights_beside_large_ones() {
    let case = Case::new(false, [0.0; 3], [1.0, 0.5, 0.0]).weighted([1e-60, 1e-60, 1e130]);
    has_gradient("list-mle", &case, &[-6.67e-61, -1.67e-61, 8.33e-61], 1e-2);
    let case = Case::new(false, [320.0, 0.0, -700.0], [1.0, 0.5, 0.0]).weighted([1e-45, 1.0, 1.0]);
    let second = (subject("list-mle").definition)(&case).grad[1].sum().to_f64();
    assert!((second - 1.06e-184).abs() < 1e-186, "{second:e}");
    assert_accurate(&subject("list-mle"), &case);
}

#[test]
fn point_sigmoid_keeps_normal_slopes() {
    let case = Case::new(true, [87.1127], [1.0]);
    has_gradient("point-sigmoid", &case, &[-1.4704e-38], 1e-4);
    for (single, scores) in [(true, [87.0, 87.2, 87.3]), (false, [707.5, 708.2, 708.3])] {
        assert_accurate(&subject("point-sigmoid"), &Case::new(single, scores, [1.0; 3]));
        let mirrored = scores.map(|score: f64| -score);
        assert_accurate(&subject("point-sigmoid"), &Case::new(single, mirrored, [0.0; 3]));
        // As long as a kernel wants it.
        let long: [f64; 99] = std::array::from_fn(|k| scores[k % 3]);
        assert_accurate(&subject("point-sigmoid"), &Case::new(single, long, [1.0; 99]));
        let long = long.map(|score| -score);
        assert_accurate(&subject("point-sigmoid"), &Case::new(single, long, [0.0; 99]));
        // Batches and their sums.
        let lists = scores.map(|score| Case::new(single, [score], [1.0]));
        let batch = Batch::of(lists.iter().cycle().take(99).cloned().collect());
        for reduced in [Reduced::No, Reduced::By(Reduction::Sum)] {
            let loss = (subject("point-sigmoid").loss)();
            let (_, grad) = compute_batch(&*loss, &batch, reduced).unwrap();
            for (list, slope) in batch.lists.iter().zip(grad) {
                let exact = (subject("point-sigmoid").definition)(list);
                let computed = (exact.value.sum().to_f64(), vec![slope]);
                assert_computed("point-sigmoid", list, &computed, &exact);
            }
        }
    }
}

#[test]
fn a_weight_of_0_times_an_overflow_is_0() {
    let (scores, labels) =
        (array![[0.0_f32, 1.0], [0.0, 1.0]], array![[3e38_f32, 1.0], [1.0, 0.0]]);
    let weights = array![0.0_f32, 1.0];
    let lists = Lists::dense(&scores, &labels).list_weights(&weights).build().unwrap();
    let (_, grad) = PointMse.reduced(&lists, Reduction::default()).unwrap();
    assert_eq!(grad, array![[0.0, 0.0], [-1.0, 1.0]]);
}

#[test]
fn tied_scores_under_a_common_weight_keep_the_bounds() {
    let labels: [f64; 48] = std::array::from_fn(|k| k as f64 / 128.0);
    for single in [true, false] {
        let case = Case::new(single, [0.0; 48], labels).weighted([0.3; 48]);
        assert_accurate(&subject("pair-logistic"), &case);
        assert_accurate(&subject("lambda-loss"), &case);
    }
}

#[test]
fn dpo_keeps_the_bounds() {
    let case = Case::new(false, [6.893203906370995, 3.399830636060048], [1.0, 0.0]);
    let exact = (subject("pair-logistic").definition)(&case).value.sum().to_f64();
    assert_eq!(exact, 0.02994528853996837); // 0.029945288539968368064
    let (value, _) = compute(&*(subject("pair-logistic").loss)(), &case).unwrap();
    assert!((value - exact).abs() <= 16.0 * 3.47e-18, "{value}");
    assert_accurate(&subject("pair-logistic"), &case);
}
