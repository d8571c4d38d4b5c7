//! Every loss, as lists of all lengths take it, against itself computed one number at a time.

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
        let (same, only_gradient) = loss.reduced(&lists, Reduction::Sum).unwrap();
        let close = |a: F, b: F| (a.widen() - b.widen()).abs() <= 1e-5 * a.widen().abs() + 1e-4;
        let shrink = 1.0 / factor.unwrap_or(1.0);
        if factor.is_none() {
            assert!(close(value, same), "{}: {value:?}, {same:?}", loss.name());
            assert!(gradient.iter().zip(&only_gradient).all(|(&a, &b)| close(a, b)));
        }
        let widen = |x: Array1<F>| x.iter().map(|x| x.widen() * shrink).collect::<Vec<_>>();
        [vec![same.widen() * shrink], widen(only_gradient), widen(diagonal)]
    }
}

fn all_agree<F: Real>(sizes: &[usize]) {
    // Lists of weights this large are computed one number at a time.
    let large = 2.0_f64.powi(400);
    let mut random = SplitMix64::new(sizes.iter().sum::<usize>() as u64);
    for (graded, weighted) in [(false, false), (true, false), (true, true)] {
        let mut columns = Columns::draw(&mut random, sizes, graded, weighted);
        if !weighted {
            columns.list_weights.fill(1.0);
        }
        for loss in losses() {
            let fast = columns.reduced::<F>(&*loss, None);
            let exact = columns.reduced::<f64>(&*loss, Some(large));
            for (what, (fast, exact)) in fast.iter().zip(&exact).enumerate() {
                let greatest = exact.iter().fold(0.0_f64, |a, b| a.max(b.abs()));
                let unit = F::epsilon().widen();
                for (k, (a, b)) in fast.iter().zip(exact).enumerate() {
                    let error = (a - b).abs();
                    let bound = 16.0 * unit * b.abs() + 4.0 * unit * greatest;
                    let about = (graded, weighted, F::PRECISION, sizes.len(), sizes[0]);
                    assert!(error <= bound, "{} {about:?} {what}.{k}: {a:e}, {b:e}", loss.name());
                }
            }
        }
    }
}

fn lists_of_any_length_agree() {
    for size in [1, 2, 3, 5, 8, 23, 24, 33, 60] {
        all_agree::<f32>(&[size; 21]);
        all_agree::<f64>(&[size; 21]);
    }
    let mixed: Vec<_> = (0..40).map(|k| k * 7 % 31).collect();
    all_agree::<f32>(&mixed);
    all_agree::<f64>(&mixed);
    for size in [97, 150, 259] {
        all_agree::<f32>(&[size]);
        all_agree::<f64>(&[size]);
    }
}

#[test]
fn kernels_give_what_single_numbers_give() {
    lists_of_any_length_agree();
    #[cfg(feature = "simd")]
    crate::vector::tests::in_other_instruction_sets(lists_of_any_length_agree);
}
