//! The oracle itself against figures of 800 digits (`fixtures/exact.py` and `objectives.py`), and the
//! crate on the hard inputs of these.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use crate::accuracy::assert_computed;
use crate::definitions::{Case, Terms};
use crate::losses::{Subject, compute, subject};
use crate::number::Number;

#[derive(Deserialize)]
struct Figures {
    cases: Vec<Figure>,
}

#[derive(Deserialize)]
struct Figure {
    name: String,
    precision: String,
    scores: Vec<f64>,
    labels: Vec<f64>,
    weights: Option<Vec<f64>>,
    losses: BTreeMap<String, Expected>,
}

/// Exact figures as the sum of two `f64`; None where that is beyond their range.
#[derive(Deserialize)]
struct Expected {
    value: Option<(f64, f64)>,
    grad: Vec<Option<(f64, f64)>>,
    /// Σ|terms| of each gradient entry.
    grad_scale: Vec<Option<f64>>,
}

/// |found − expected| as a multiple of the scale; what two `f64` cannot hold is no error.
fn error(found: Number, expected: Option<(f64, f64)>, scale: Number) -> f64 {
    let Some((hi, lo)) = expected else {
        return if found.abs() > f64::MAX.into() { 0.0 } else { f64::INFINITY };
    };
    let error = (found - Number::from(hi) - Number::from(lo)).abs();
    if error < Number::from(f64::MIN_POSITIVE).scale(-50) {
        return 0.0;
    }
    (error / scale).to_f64()
}

/// The figures of a file: the loss, the list and its name, and what is expected.
fn figures(file: &str) -> Vec<(Subject, Case, String, Expected)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(file);
    let figures: Figures = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let mut all = Vec::new();
    for Figure { name, precision, scores, labels, weights, losses } in figures.cases {
        let case = Case { single: precision == "f32", scores, labels, weights };
        for (loss, expected) in losses {
            all.push((subject(&loss), case.clone(), name.clone(), expected));
        }
    }
    assert!(all.len() > 2000, "{file} has only {} figures", all.len());
    all
}

/// Holds the oracle to the figures of a file, and the crate to the oracle.
fn agree(file: &str) {
    let mut worst = BTreeMap::<(&str, bool), (f64, f64)>::new();
    for (Subject { name, loss, definition, .. }, case, of, expected) in figures(file) {
        let exact = definition(&case);
        let of_value = error(exact.value.sum(), expected.value, exact.value.scale());
        assert!(of_value < 1e-31, "{name} of {of}: the oracle's value is off by {of_value:e}");
        for (k, (terms, expected)) in exact.grad.iter().zip(&expected.grad).enumerate() {
            let of_slope = error(terms.sum(), *expected, terms.scale());
            assert!(of_slope < 1e-31, "{name} of {of}: the oracle's entry {k} off by {of_slope:e}");
        }
        assert!(scales_agree(&exact.grad, &expected.grad_scale), "{name} of {of}");

        let errors = assert_computed(name, &case, &compute(&*loss(), &case).unwrap(), &exact);
        let (value, grad) = worst.entry((name, case.single)).or_default();
        (*value, *grad) = (value.max(errors.value), grad.max(errors.grad));
    }
    for ((name, single), (value, grad)) in worst {
        let precision = if single { "f32" } else { "f64" };
        println!("{name:40} {precision} value {value:5.2}, gradient {grad:5.2}");
    }
}

fn scales_agree(grad: &[Terms], expected: &[Option<f64>]) -> bool {
    grad.iter().zip(expected).all(|(terms, expected)| {
        expected.is_none_or(|expected| {
            let difference = (terms.scale() - expected.into()).abs();
            difference <= Number::from(expected) * 1e-12.into() + f64::MIN_POSITIVE.into()
        })
    })
}

#[test]
fn of_the_seven_losses() {
    agree("exact.json");
}

#[test]
fn of_the_losses_of_other_objectives() {
    agree("objectives.json");
}
