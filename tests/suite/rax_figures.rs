//! The figures of Rax 0.4, the library that the paper's authors ran (`fixtures/rax.py`).
//!
//! Rax is an implementation that shares nothing with this one but the formulas, so agreement of
//! values and gradients, which Rax gets by automatic differentiation, excludes a misread formula, a
//! lost factor and a wrong convention for ties, masks or weights. Where Rax is wrong, the truth comes
//! from arithmetic of more digits; where its conventions differ, the way to its figures is shown.

use std::collections::BTreeMap;

use crate::common::{self, assert_all_close, assert_close, loss, value_and_grad};
use lipo::losses::{LossExt, PairLogistic, Reduction};
use lipo::{Error, Lists};
use ndarray::{Array1, array};
use serde::Deserialize;

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
    losses: BTreeMap<String, Figure>,
}

/// The sum over a list's terms and its gradient.
#[derive(Deserialize)]
struct Figure {
    value: f64,
    grad: Vec<f64>,
}

fn cases() -> Vec<Case> {
    common::fixture::<Figures>("rax.json").cases
}

fn tolerance(figure: f64) -> f64 {
    1e-12 * figure.abs().max(1.0)
}

#[test]
fn every_figure() {
    let mut figures = BTreeMap::<String, usize>::new();
    for Case { name, scores, labels, mask, weights, losses } in cases() {
        for (loss_name, figure) in losses {
            let what = format!("{loss_name} of {name}");
            let (value, grad) = value_and_grad::<f64>(
                &*loss(&loss_name),
                &scores,
                &labels,
                mask.as_deref(),
                weights.as_deref(),
            );
            assert_close(&what, value, figure.value, tolerance(figure.value));
            assert_eq!(grad.len(), figure.grad.len(), "{what}");
            for (slope, expected) in grad.into_iter().zip(figure.grad) {
                assert_close(&what, slope, expected, tolerance(expected));
            }
            *figures.entry(loss_name).or_default() += 1;
        }
    }
    assert_eq!(figures.len(), 7);
    assert!(figures.values().all(|&count| count >= 30), "{figures:?}");
}

/// Rax gives 0, since it takes the logarithm of 1 − σ rounded.
#[test]
fn a_confident_sigmoid_keeps_its_loss() {
    let (value, grad) = value_and_grad::<f32>(&*loss("point-sigmoid"), &[17.0], &[1.0], None, None);
    assert_close("value", value, 4.139937e-8, 1e-14); // log(1 + e^-17)
    assert_close("slope", grad[0], -4.139937e-8, 1e-14); // -σ(-17)
}

/// Rax gives −0.0, since it shifts by one maximum and adds 1e-10 inside the logarithm.
#[test]
fn list_mle_does_not_see_an_offset() {
    let labels = [3.0, 1.0, 2.0];
    let offset = [1e7 + 3.0, 1e7 + 1.0, 1e7 + 2.0]; // whole numbers, which f32 holds
    let (value, grad) = value_and_grad::<f32>(&*loss("list-mle"), &offset, &labels, None, None);
    // log(1 + e^-1 + e^-2) + log(1 + e^-1)
    let truth = ((-1.0_f64).exp() + (-2.0_f64).exp()).ln_1p() + (-1.0_f64).exp().ln_1p();
    assert_close("value", value, truth, f64::from(f32::EPSILON));
    assert_close("truth", truth, 0.7209, 5e-5);
    let near = value_and_grad::<f32>(&*loss("list-mle"), &labels, &labels, None, None);
    assert_eq!((value, grad), near);
}

/// Rax gives a clean 0.0.
#[test]
fn a_nan_label_is_an_error() {
    let labels = array![0.0_f32, f32::NAN, 1.0];
    let error = PairLogistic.value(&array![0.0, 1.0, 2.0], &labels).unwrap_err();
    let Error::NotFinite { what: "labels", index, value } = error else { panic!("{error:?}") };
    assert!(index == [1] && value.is_nan());
}

/// The lists of the figures that have no item weights, as one ragged batch.
struct Batch {
    scores: Array1<f64>,
    labels: Array1<f64>,
    mask: Array1<bool>,
    sizes: Vec<usize>,
    cases: Vec<Case>,
}

impl Batch {
    fn of(loss: &str) -> Self {
        let cases: Vec<Case> = cases()
            .into_iter()
            .filter(|case| case.weights.is_none() && case.losses.contains_key(loss))
            .collect();
        let existing =
            |case: &Case| case.mask.clone().unwrap_or_else(|| vec![true; case.scores.len()]);
        Self {
            scores: cases.iter().flat_map(|case| case.scores.clone()).collect(),
            labels: cases.iter().flat_map(|case| case.labels.clone()).collect(),
            mask: cases.iter().flat_map(existing).collect(),
            sizes: cases.iter().map(|case| case.scores.len()).collect(),
            cases,
        }
    }

    /// Rax's mean: over terms, with a factor for every list that Rax has and the crate has not.
    fn reduce(&self, loss_name: &str, factor: impl Fn(&Case) -> f64) -> (f64, Vec<f64>) {
        let factors: Array1<f64> = self.cases.iter().map(factor).collect();
        let lists = Lists::ragged(&self.scores, &self.labels, &self.sizes).mask(&self.mask);
        let lists = lists.list_weights(&factors).build().unwrap();
        let (value, grad) = loss(loss_name).reduced(&lists, Reduction::MeanOverTerms).unwrap();
        (value, grad.to_vec())
    }

    /// The same from Rax's figures.
    fn figures(
        &self,
        loss: &str,
        factor: impl Fn(&Case) -> f64,
        terms: impl Fn(&Case) -> usize,
    ) -> (f64, Vec<f64>) {
        #[allow(clippy::cast_precision_loss)] // small counts
        let terms = self.cases.iter().map(terms).sum::<usize>() as f64;
        let figures = || self.cases.iter().map(|case| (factor(case), &case.losses[loss]));
        let value = figures().map(|(factor, figure)| factor * figure.value).sum::<f64>();
        let grad = figures().flat_map(|(factor, figure)| {
            figure.grad.iter().map(move |slope| factor * slope / terms)
        });
        (value / terms, grad.collect())
    }
}

impl Case {
    fn existing_labels(&self) -> Vec<f64> {
        let exists = |k: usize| self.mask.as_ref().is_none_or(|mask| mask[k]);
        let labels = self.labels.iter().enumerate();
        labels.filter(|&(k, _)| exists(k)).map(|(_, &label)| label).collect()
    }

    fn pairs(&self) -> usize {
        let labels = self.existing_labels();
        labels.iter().map(|a| labels.iter().filter(|b| a > b).count()).sum()
    }
}

#[test]
#[allow(clippy::cast_precision_loss)] // small counts
fn what_rax_reduces_otherwise() {
    type PerCase<T> = fn(&Case) -> T;
    let one: PerCase<f64> = |_| 1.0;
    // Rax's DCG weights are multiplied by the size of the list, masked items included.
    let size: PerCase<f64> = |case| case.scores.len() as f64;
    // Rax does not normalise the labels of softmax.
    let labels: PerCase<f64> = |case| case.existing_labels().iter().sum();

    let items: PerCase<usize> = |case| case.existing_labels().len();
    let lists: PerCase<usize> = |_| 1;
    for (loss, factor, terms) in [
        ("point-mse", one, items),
        ("point-sigmoid", one, items),
        ("pair-hinge", one, Case::pairs),
        ("pair-logistic", one, Case::pairs),
        ("list-mle", one, lists),
        ("softmax", labels, lists),
        ("lambda-loss", size, Case::pairs),
    ] {
        let batch = Batch::of(loss);
        let (value, grad) = batch.reduce(loss, factor);
        let (expected, slopes) = batch.figures(loss, factor, terms);
        assert_close(loss, value, expected, tolerance(expected));
        assert_all_close(loss, &grad, &slopes, 1e-12);
    }
}
