//! Figures: those of `fixtures`, those the crate computes, and how the two are compared.

use std::path::Path;

use lipo::losses::{Loss, LossExt};
use lipo::{Lists, Real};
use ndarray::Array1;
use serde::de::DeserializeOwned;

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
