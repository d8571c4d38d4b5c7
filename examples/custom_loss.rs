//! Losses of one's own beside those of the crate: a point loss by one per-list function, a pair loss
//! by one pair function.
//!
//!     cargo run --example custom_loss
//!
//! Both get batches, masks, ragged lists, weights, reductions and dynamic dispatch with it. The last
//! column checks the gradients against central differences.

use lipo::losses::{
    LambdaWeight, ListFunction, ListResults, Loss, LossExt, Number, Pair, PairFunction,
    PairLogistic, PairLoss, PairTerm, Reduction, Work,
};
use lipo::{Error, List, Lists};
use ndarray::{Array1, array};

/// The Huber loss of each item, Σ_k w_k h(s_k − ψ_k): h(d) = d²/2 where |d| ≤ δ, else δ|d| − δ²/2.
#[derive(Debug)]
struct PointHuber {
    delta: f64,
}

impl ListFunction for PointHuber {
    fn list(&self, list: &List<'_>, results: &mut ListResults<'_>) -> f64 {
        let mut value = 0.0;
        for (k, (score, label)) in list.scores().iter().zip(list.labels()).enumerate() {
            let distance: f64 = score - label;
            let clamped = distance.clamp(-self.delta, self.delta);
            value += list.weight(k) * clamped * (distance - clamped / 2.0);
            results.gradient()[k] = list.weight(k) * clamped;
        }
        value
    }
}

impl Loss for PointHuber {
    fn work(&self) -> Work<'_> {
        Work::list(self)
    }

    fn terms(&self, list: &List<'_>) -> u64 {
        list.len() as u64
    }
}

/// φ(d) = max(0, 1 − d)².
#[derive(Debug)]
struct SquaredHinge;

lipo::formula! {
    impl PairFunction for SquaredHinge {
        fn at<N: Number>(&self, pair: Pair<N>) -> PairTerm<N> {
            let zero = pair.margin.constant(0.0);
            let short = (pair.margin.constant(1.0) - pair.margin).max(zero);
            let curvature = pair.margin.constant(2.0).keep(short.above(zero));
            PairTerm::new(short * short, short.times(-2.0), curvature)
        }
    }
}

fn main() -> Result<(), Error> {
    let losses: [(&str, Box<dyn Loss>); 4] = [
        ("huber", Box::new(PointHuber { delta: 0.5 })),
        ("squared hinge", Box::new(PairLoss::unweighted(SquaredHinge))),
        ("squared hinge, DCG", Box::new(PairLoss::new(SquaredHinge, LambdaWeight::dcg()))),
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

    println!("{:18}  {:>7}  {:42}  off by", "loss", "value", "gradient");
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
        println!("{name:18}  {value:7.4}  {:42}  {off:.0e}", format!("{grad:.3}"));
    }
    Ok(())
}
