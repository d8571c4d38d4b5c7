//! Losses of one's own beside those of the crate: a point function, a pair function and a pair weight,
//! each written once, and as fast as the built-in ones.
//!
//!     cargo run --example custom_loss
//!
//! Both get batches, masks, ragged lists, weights, reductions and dynamic dispatch with it. The last
//! column checks the gradients against central differences.

use lipo::losses::{
    LambdaWeight, Loss, LossExt, Pair, PairFunction, PairLogistic, PairLoss, PairTerm, PairWeight,
    Point, PointFunction, PointLoss, PointTerm, RankedList, Reduction, WeightColumns,
};
use lipo::{Error, Lists};
use ndarray::{Array1, array};

/// The Huber loss of each item, Σ_k w_k h(s_k − ψ_k): h(d) = d²/2 where |d| ≤ δ, else δ|d| − δ²/2.
#[derive(Debug)]
struct Huber {
    delta: f64,
}

lipo::formula! {
    impl PointFunction for Huber {
        const EXPONENTIAL: bool = false;

        fn at<N: Number>(&self, point: Point<N>) -> PointTerm<N> {
            let distance = point.score - point.label;
            let delta = distance.constant(self.delta);
            let clamped = distance.min(delta).max(-delta);
            let value = clamped * (distance - clamped.times(0.5));
            let curvature = distance.constant(1.0).keep(delta.above(distance.abs()));
            PointTerm::new(value, clamped, curvature)
        }
    }
}

/// φ(d) = max(0, 1 − d)².
#[derive(Debug)]
struct SquaredHinge;

lipo::formula! {
    impl PairFunction for SquaredHinge {
        const EXPONENTIAL: bool = false;

        fn at<N: Number>(&self, pair: Pair<N>) -> PairTerm<N> {
            let (zero, two) = (pair.margin.constant(0.0), pair.margin.constant(2.0));
            let short = (pair.margin.constant(1.0) - pair.margin).max(zero);
            PairTerm::new(short * short, -(short + short), two.keep(short.above(zero)))
        }
    }
}

/// Δ_ij = |ψ_i − ψ_j| · |1/τ_i² − 1/τ_j²|, τ being the ranks by score.
#[derive(Debug)]
struct InverseSquare;

impl PairWeight for InverseSquare {
    fn fill(&self, ranked: &RankedList<'_>, columns: &mut WeightColumns) {
        for (item, &label) in ranked.list().labels().iter().enumerate() {
            let rank = ranked.ranking().rank(item) as f64;
            columns.set_gain(item, label);
            columns.set_discount(item, 1.0 / (rank * rank));
        }
    }
}

fn main() -> Result<(), Error> {
    let losses: [(&str, Box<dyn Loss>); 5] = [
        ("huber", Box::new(PointLoss::new(Huber { delta: 0.5 }))),
        ("squared hinge", Box::new(PairLoss::unweighted(SquaredHinge))),
        ("squared hinge, DCG", Box::new(PairLoss::new(SquaredHinge, LambdaWeight::dcg()))),
        ("squared hinge, 1/τ²", Box::new(PairLoss::new(SquaredHinge, InverseSquare))),
        ("pair-logistic", Box::new(PairLogistic)),
    ];

    // Two lists, of three items and of two; the last item is padding.
    let scores = array![0.2, 1.1, -0.4, 0.3, 0.1, f64::NAN];
    let labels = array![1.0, 0.5, 0.0, 0.0, 1.0, f64::NAN];
    let mask = array![true, true, true, true, true, false];
    let reduced = |loss: &dyn Loss, scores: &Array1<f64>| {
        let lists = Lists::ragged(scores, &labels, &[3, 3]).mask(&mask).build()?;
        loss.reduced(&lists, Reduction::MeanOverLists)
    };

    println!("{:19}  {:>7}  {:42}  off by", "loss", "value", "gradient");
    for (name, loss) in &losses {
        let (value, grad) = reduced(&**loss, &scores)?;
        let mut off = 0.0_f64;
        for k in 0..5 {
            let step = 1e-5;
            let at = |score| {
                let mut moved = scores.clone();
                moved[k] = score;
                Ok(reduced(&**loss, &moved)?.0)
            };
            let difference = at(scores[k] + step)? - at(scores[k] - step)?;
            off = off.max((difference / (2.0 * step) - grad[k]).abs());
        }
        println!("{name:19}  {value:7.4}  {:42}  {off:.0e}", format!("{grad:.3}"));
    }
    Ok(())
}
