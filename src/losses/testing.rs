//! What every formula is held to: its derivatives are those of its values, in `f32` and `f64`, in
//! lists of every strategy.

use ndarray::Array1;

use crate::losses::{Diagonal, Logistic, Loss, LossExt, PairLoss, PairWeight, Reduction};
use crate::{Lists, Real};

/// One length for each way in which lists are computed, from no pair at all to many vectors.
pub(crate) const LENGTHS: [usize; 6] = [1, 2, 3, 8, 40, 130];

/// Scores that differ by at least 0.03 and are numbers of `f32`, out of order; and labels that take
/// turns, so that many are equal.
pub(crate) fn list(items: usize, labels: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let score = |item: usize| f64::from(((item * 57 + 31) % 131) as f32 * 0.03125 - 1.9);
    let label = |item: usize| labels[(item * item + item / 3) % labels.len()];
    ((0..items).map(score).collect(), (0..items).map(label).collect())
}

/// The value of a list, its gradient, and the diagonal of its Hessian.
pub(crate) fn results<F: Real>(
    loss: &dyn Loss,
    scores: &[f64],
    labels: &[f64],
) -> (f64, Vec<f64>, Vec<f64>) {
    let array = |numbers: &[f64]| numbers.iter().map(|&x| F::narrow(x)).collect::<Array1<F>>();
    let (scores, labels) = (array(scores), array(labels));
    let lists = Lists::dense(&scores, &labels).build().unwrap();
    let (value, gradient, diagonal) =
        loss.reduced_with_diagonal(&lists, Reduction::Sum, Diagonal::Exact).unwrap();
    let wide = |numbers: Array1<F>| numbers.iter().map(|x| x.widen()).collect();
    (value.widen(), wide(gradient), wide(diagonal))
}

/// Checks a loss over lists of these labels: gradient and, if it has one, diagonal against central
/// differences, and `f32` against `f64`.
pub(crate) fn check_derivatives(loss: &dyn Loss, labels: &[f64], has_diagonal: bool) {
    let step = 1e-5;
    for items in LENGTHS {
        let (scores, labels) = list(items, labels);
        let (value, gradient, diagonal) = results::<f64>(loss, &scores, &labels);
        let (single, of_single, diagonal_of_single) = results::<f32>(loss, &scores, &labels);
        let scale = [&gradient, &diagonal].map(|numbers| numbers.iter().fold(1.0, of_magnitude));
        close(&format!("{loss:?}: value of {items}"), single, value, 2e-6 * value.abs().max(1.0));
        for item in 0..items {
            let what = format!("{loss:?}: item {item} of {items}");
            close(&what, of_single[item], gradient[item], 5e-6 * scale[0]);
            close(&what, diagonal_of_single[item], diagonal[item], 5e-6 * scale[1]);
            if item >= 10 && item + 4 < items {
                continue;
            }
            let at = |change: f64| {
                let mut scores = scores.clone();
                scores[item] += change;
                results::<f64>(loss, &scores, &labels)
            };
            let (more, less) = (at(step), at(-step));
            let slope = (more.0 - less.0) / (2.0 * step);
            close(&what, gradient[item], slope, 1e-9 * value.abs().max(10.0));
            if has_diagonal {
                let curvature = (more.1[item] - less.1[item]) / (2.0 * step);
                close(&what, diagonal[item], curvature, 1e-8 * scale[0]);
            }
        }
    }
}

fn of_magnitude(greatest: f64, number: &f64) -> f64 {
    greatest.max(number.abs())
}

#[track_caller]
pub(crate) fn close(what: &str, found: f64, expected: f64, tolerance: f64) {
    let error = (found - expected).abs();
    assert!(error <= tolerance, "{what}: found {found}, expected {expected}, off by {error:e}");
}

/// Checks a pair weight against a formula for each pair, under the logistic function, whose pairs are
/// added up one by one.
pub(crate) fn check_weight<W: PairWeight + Copy>(
    weight: &W,
    scores: &[f64],
    labels: &[f64],
    delta: impl Fn(usize, usize) -> f64,
) {
    let loss = PairLoss::new(Logistic, *weight);
    let (mut value, mut gradient) = (0.0, vec![0.0; scores.len()]);
    for i in 0..scores.len() {
        for j in (0..scores.len()).filter(|&j| labels[i] > labels[j]) {
            let (margin, delta) = (scores[i] - scores[j], delta(i, j));
            value += delta * (-margin).exp().ln_1p();
            let slope = delta / (1.0 + margin.exp());
            gradient[i] -= slope;
            gradient[j] += slope;
        }
    }
    let items = scores.len();
    let scale = gradient.iter().fold(1.0, of_magnitude);
    let check = |(found, slopes, _): (f64, Vec<f64>, Vec<f64>), tolerance: f64| {
        close(&format!("{loss:?} of {items}"), found, value, tolerance * value);
        for (found, expected) in slopes.into_iter().zip(&gradient) {
            close(&format!("{loss:?} of {items}"), found, *expected, tolerance * scale);
        }
    };
    check(results::<f64>(&loss, scores, labels), 2e-13);
    check(results::<f32>(&loss, scores, labels), 2e-6);
}
