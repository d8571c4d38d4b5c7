//! Values and gradients against arithmetic of 800 digits (`fixtures/exact.py`), on hard inputs.
//!
//! A reference is the pair (hi, lo) of the exact result rounded to `f64` and what that left over,
//! so errors far below an ulp are seen. The bounds asserted here are those that the docs claim; the
//! worst error of each loss is printed (`--nocapture`).

use std::collections::BTreeMap;

use crate::common;
use lipo::Precision;
use serde::Deserialize;

#[derive(Deserialize)]
struct Figures {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    precision: String,
    scores: Vec<f64>,
    labels: Vec<f64>,
    weights: Option<Vec<f64>>,
    losses: BTreeMap<String, Exact>,
}

#[derive(Deserialize)]
struct Exact {
    /// None where the exact figure is beyond `f64`.
    value: Option<(f64, f64)>,
    grad: Vec<Option<(f64, f64)>>,
    /// Σ|terms| of each gradient entry.
    grad_scale: Vec<Option<f64>>,
}

/// What a type of floats can tell apart.
struct Format {
    epsilon: f64,
    min_positive: f64,
    max: f64,
}

impl Format {
    fn of(precision: Precision) -> Self {
        match precision {
            Precision::Single => Self {
                epsilon: f32::EPSILON.into(),
                min_positive: f32::MIN_POSITIVE.into(),
                max: f32::MAX.into(),
            },
            Precision::Double => {
                Self { epsilon: f64::EPSILON, min_positive: f64::MIN_POSITIVE, max: f64::MAX }
            }
        }
    }

    /// The distance of the floats around x.
    fn ulp(&self, x: f64) -> f64 {
        let x = x.abs().max(self.min_positive);
        2.0_f64.powi(exponent(x)) * self.epsilon
    }
}

fn exponent(x: f64) -> i32 {
    i32::try_from(x.to_bits() >> 52 & 0x7ff).unwrap() - 1023
}

/// |computed − exact|; 0 where both are beyond the format.
fn error(computed: f64, exact: Option<(f64, f64)>, format: &Format) -> f64 {
    match exact {
        Some((hi, lo)) if computed.is_finite() => ((computed - hi) - lo).abs(),
        Some((hi, _)) if hi.abs() > format.max => 0.0,
        None if computed.is_infinite() => 0.0,
        _ => f64::INFINITY,
    }
}

#[derive(Default)]
struct Worst {
    error: f64,
    case: String,
}

impl Worst {
    fn see(&mut self, error: f64, case: &str) {
        if error.is_nan() || error > self.error {
            *self = Self { error, case: case.to_owned() };
        }
    }
}

/// The worst errors of each loss: of values in ulps, of gradients in u·Σ|terms|, u half the epsilon.
fn worst_errors(file: &str, precision: Precision) -> BTreeMap<String, [Worst; 2]> {
    let figures: Figures = common::fixture(file);
    let (name, format) = match precision {
        Precision::Single => ("f32", Format::of(precision)),
        Precision::Double => ("f64", Format::of(precision)),
    };
    let mut worst = BTreeMap::<String, [Worst; 2]>::new();
    for case in figures.cases.iter().filter(|case| case.precision == name) {
        for (loss_name, exact) in &case.losses {
            let loss = common::loss(loss_name);
            let compute = match precision {
                Precision::Single => common::value_and_grad::<f32>,
                Precision::Double => common::value_and_grad::<f64>,
            };
            let (value, grad) =
                compute(&*loss, &case.scores, &case.labels, None, case.weights.as_deref());
            let [of_value, of_grad] = worst.entry(loss_name.clone()).or_default();
            let hi = exact.value.map_or(format.max, |(hi, _)| hi);
            of_value.see(error(value, exact.value, &format) / format.ulp(hi), &case.name);
            for ((slope, exact), scale) in grad.iter().zip(&exact.grad).zip(&exact.grad_scale) {
                let unit = format.epsilon / 2.0 * scale.unwrap_or(f64::INFINITY);
                let beyond = error(*slope, *exact, &format) - format.min_positive;
                of_grad.see(beyond.max(0.0) / unit.max(f64::MIN_POSITIVE), &case.name);
            }
        }
    }
    for (name, [value, grad]) in &worst {
        println!(
            "{name:31} value {:5.2} ulp ({}), gradient {:5.2} u·Σ|terms| ({})",
            value.error, value.case, grad.error, grad.case
        );
    }
    worst
}

/// What the docs claim for `f64`: of values, of those of the lambda-loss, of gradients.
const F64_BOUNDS: [f64; 3] = if cfg!(feature = "simd") { [4.0, 8.0, 8.0] } else { [2.0, 2.0, 4.0] };

/// What they claim for `f32`: of values, of gradients.
const F32_BOUNDS: [f64; 2] = if cfg!(feature = "simd") { [2.0, 4.0] } else { [1.0, 4.0] };

#[test]
fn f64_is_as_accurate_as_the_docs_say() {
    let [of_values, of_lambda_loss, of_gradients] = F64_BOUNDS;
    let worst = worst_errors("exact.json", Precision::Double);
    assert_eq!(worst.len(), common::losses().len());
    for (name, [value, grad]) in worst {
        let bound = if name == "lambda-loss" { of_lambda_loss } else { of_values };
        assert!(value.error <= bound, "{name}: {} ulp at {}", value.error, value.case);
        assert!(grad.error <= of_gradients, "{name}: gradient {} at {}", grad.error, grad.case);
    }
}

#[test]
fn f32_is_as_accurate_as_the_docs_say() {
    let [of_values, of_gradients] = F32_BOUNDS;
    let worst = worst_errors("exact.json", Precision::Single);
    assert_eq!(worst.len(), common::losses().len());
    for (name, [value, grad]) in worst {
        assert!(value.error <= of_values, "{name}: {} ulp at {}", value.error, value.case);
        assert!(grad.error <= of_gradients, "{name}: gradient {} at {}", grad.error, grad.case);
    }
}

/// The losses without fast kernels are as accurate with the feature `simd` as without.
#[test]
fn losses_of_other_objectives_are_as_accurate() {
    for (precision, of_values) in [(Precision::Double, 2.0), (Precision::Single, 1.0)] {
        let worst = worst_errors("objectives.json", precision);
        assert_eq!(worst.len(), common::objective_losses().len());
        for (name, [value, grad]) in worst {
            assert!(value.error <= of_values, "{name}: {} ulp at {}", value.error, value.case);
            assert!(grad.error <= 4.0, "{name}: gradient {} at {}", grad.error, grad.case);
        }
    }
}
