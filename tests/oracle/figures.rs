//! The oracle itself against figures of 800 digits (`fixtures/exact.py` and `objectives.py`).

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use crate::definitions::{Case, Terms};
use crate::losses::subjects;
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

fn agrees(file: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(file);
    let figures: Figures = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let mut checked = BTreeMap::<String, usize>::new();
    for figure in figures.cases {
        let Figure { name, precision, scores, labels, weights, losses } = figure;
        let case = Case { single: precision == "f32", scores, labels, weights };
        for (loss, expected) in losses {
            let subject = subjects().into_iter().find(|subject| subject.name == loss).unwrap();
            let exact = (subject.definition)(&case);
            let of_value = error(exact.value.sum(), expected.value, exact.value.scale());
            assert!(of_value < 1e-31, "{loss} of {name}: value off by {of_value:e}");
            for (k, (terms, expected)) in exact.grad.iter().zip(&expected.grad).enumerate() {
                let of_slope = error(terms.sum(), *expected, terms.scale());
                assert!(of_slope < 1e-31, "{loss} of {name}: entry {k} off by {of_slope:e}");
            }
            assert!(scales_agree(&exact.grad, &expected.grad_scale), "{loss} of {name}");
            *checked.entry(loss).or_default() += 1;
        }
    }
    assert!(checked.len() >= 7 && checked.values().all(|&cases| cases > 20), "{checked:?}");
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
    agrees("exact.json");
}

#[test]
fn of_the_losses_of_other_objectives() {
    agrees("objectives.json");
}
