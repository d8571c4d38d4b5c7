//! Every loss, as lists of all lengths take it, against itself computed one number at a time.

use std::fmt::Debug;

use ndarray::Array1;

use crate::losses::{
    Diagonal, Hinge, LambdaWeight, Logistic, Loss, LossExt, Nca, PAPER, PairLoss, Pro, Reduction,
    SmoothedLogistic, SquaredDifference,
};
use crate::numeric::SplitMix64;
use crate::ranking::{LinearGain, ScoreTies};
use crate::{Lists, Real};

fn losses() -> Vec<Box<dyn Loss>> {
    let mut losses: Vec<_> = PAPER.iter().map(|(_, make)| make()).collect();
    let others: [Box<dyn Loss>; 8] = [
        Box::new(Nca),
        Box::new(Pro),
        Box::new(PairLoss::unweighted(SquaredDifference::new(0.3).unwrap())),
        Box::new(PairLoss::unweighted(SmoothedLogistic::new(0.1).unwrap())),
        Box::new(PairLoss::unweighted(Hinge::new(0.75).unwrap())),
        Box::new(PairLoss::new(Logistic, LambdaWeight::dcg().gain(LinearGain))),
        Box::new(PairLoss::new(Logistic, LambdaWeight::dcg().ties(ScoreTies::Expected))),
        Box::new(PairLoss::new(Hinge::default(), LambdaWeight::dcg().cutoff(3))),
    ];
    losses.extend(others);
    losses
}

/// The columns of a batch.
struct Columns {
    sizes: Vec<usize>,
    scores: Vec<f64>,
    labels: Vec<f64>,
    weights: Option<Vec<f64>>,
    mask: Option<Vec<bool>>,
    list_weights: Vec<f64>,
}

impl Columns {
    fn draw(random: &mut SplitMix64, sizes: &[usize], graded: bool, weighted: bool) -> Self {
        let items = sizes.iter().sum();
        // Numbers of few bits are the same in `f32` and `f64`, and tie now and then.
        let mut number = |bits: f64| (random.uniform() * bits).round() / bits;
        let mut column = |f: &mut dyn FnMut(f64) -> f64, bits: f64| {
            (0..items).map(|_| f(number(bits))).collect::<Vec<_>>()
        };
        let scores = column(&mut |x| 6.0 * x - 3.0, 4096.0);
        let labels = column(&mut |x| x, if graded { 4.0 } else { 65536.0 });
        let weights = weighted.then(|| column(&mut |x| 2.0 * x, 8.0));
        let mask = weighted.then(|| column(&mut |x| x, 64.0).iter().map(|&x| x < 0.8).collect());
        let list_weights = sizes.iter().map(|_| number(8.0)).collect();
        Self { sizes: sizes.to_vec(), scores, labels, weights, mask, list_weights }
    }

    /// The value, the gradient and the diagonal under list weights times a factor.
    fn reduced<F: Real>(&self, loss: &dyn Loss, factor: Option<f64>) -> [Vec<f64>; 3] {
        let narrow = |x: &Vec<f64>| x.iter().map(|&x| F::narrow(x)).collect::<Array1<F>>();
        let (scores, labels) = (narrow(&self.scores), narrow(&self.labels));
        let weights = self.weights.as_ref().map(narrow);
        let mask = self.mask.clone().map(Array1::from);
        let list_weights: Array1<F> =
            self.list_weights.iter().map(|x| F::narrow(x * factor.unwrap_or(1.0))).collect();
        let mut lists = Lists::ragged(&scores, &labels, &self.sizes);
        if let (Some(weights), Some(mask)) = (&weights, &mask) {
            lists = lists.weights(weights).mask(mask);
        }
        if weights.is_some() || factor.is_some() {
            lists = lists.list_weights(&list_weights);
        }
        let lists = lists.build().unwrap();
        let (value, gradient, diagonal) =
            loss.reduced_with_diagonal(&lists, Reduction::Sum, Diagonal::Exact).unwrap();
        let shrink = 1.0 / factor.unwrap_or(1.0);
        let widen = |x: Array1<F>| x.iter().map(|x| x.widen() * shrink).collect::<Vec<_>>();
        let with_diagonal = [vec![value.widen() * shrink], widen(gradient), widen(diagonal)];
        if factor.is_none() {
            // Without the diagonal other loops may run.
            let (value, gradient) = loss.reduced(&lists, Reduction::Sum).unwrap();
            let alone = [vec![value.widen()], widen(gradient), Vec::new()];
            are_close::<F>(&alone, &with_diagonal, &loss.name());
        }
        with_diagonal
    }
}

fn all_agree(sizes: &[usize]) {
    // Lists of weights this large are computed one number at a time.
    let large = 2.0_f64.powi(400);
    let mut random = SplitMix64::new(sizes.iter().sum::<usize>() as u64);
    for (graded, weighted) in [(false, false), (true, false), (true, true)] {
        let mut columns = Columns::draw(&mut random, sizes, graded, weighted);
        if !weighted {
            columns.list_weights.fill(1.0);
        }
        for loss in losses() {
            let exact = columns.reduced::<f64>(&*loss, Some(large));
            let about = (loss.name(), graded, weighted, sizes.len(), sizes[0]);
            are_close::<f32>(&columns.reduced::<f32>(&*loss, None), &exact, &about);
            are_close::<f64>(&columns.reduced::<f64>(&*loss, None), &exact, &about);
        }
    }
}

fn are_close<F: Real>(fast: &[Vec<f64>; 3], exact: &[Vec<f64>; 3], about: &impl Debug) {
    let unit = F::epsilon().widen();
    for (what, (fast, exact)) in fast.iter().zip(exact).enumerate() {
        let greatest = exact.iter().fold(0.0_f64, |a, b| a.max(b.abs()));
        for (k, (a, b)) in fast.iter().zip(exact).enumerate() {
            let bound = 16.0 * unit * b.abs() + 4.0 * unit * greatest;
            let precision = F::PRECISION;
            assert!((a - b).abs() <= bound, "{about:?} {precision:?} {what}.{k}: {a:e}, {b:e}");
        }
    }
}

fn lists_of_any_length_agree() {
    for size in [1, 2, 3, 5, 8, 23, 24] {
        all_agree(&[size; 21]);
    }
    all_agree(&[60; 9]);
    let mixed: Vec<_> = (0..40).map(|k| k * 7 % 31).collect();
    all_agree(&mixed);
    for size in [97, 130, 259] {
        all_agree(&[size]);
    }
}

#[test]
fn kernels_give_what_single_numbers_give() {
    lists_of_any_length_agree();
    #[cfg(feature = "simd")]
    crate::vector::tests::in_other_instruction_sets(lists_of_any_length_agree);
}
