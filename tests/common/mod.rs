//! What the tests share: the seven losses by name, and the figures in `fixtures`.

use std::path::Path;

use lipo::losses::{
    LambdaLoss, ListMle, Loss, LossExt, PairHinge, PairLogistic, PointMse, PointSigmoid, Softmax,
};
use lipo::{Lists, Real};
use ndarray::Array1;
use serde::de::DeserializeOwned;

/// The seven losses of the paper under its names.
pub fn losses() -> Vec<(&'static str, Box<dyn Loss>)> {
    vec![
        ("point-mse", Box::new(PointMse)),
        ("point-sigmoid", Box::new(PointSigmoid)),
        ("pair-hinge", Box::new(PairHinge::default())),
        ("pair-logistic", Box::new(PairLogistic::default())),
        ("list-mle", Box::new(ListMle)),
        ("softmax", Box::new(Softmax)),
        ("lambda-loss", Box::new(LambdaLoss::default())),
    ]
}

pub fn loss(name: &str) -> Box<dyn Loss> {
    let found = losses().into_iter().find(|(known, _)| *known == name);
    found.unwrap_or_else(|| panic!("no loss is called {name}")).1
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
