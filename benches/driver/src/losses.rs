//! The losses that the driver runs, by name.
//!
//! Beside those that the crate itself knows by name (the paper's seven, NCA, PRO) one loss for each
//! way through the engine: the logistic family, hinges, algebraic functions, and weights by columns.

use std::error::Error;

use lipo::losses::{
    ApproxNdcg, GainDifference, Hinge, LambdaWeight, Logistic, Loss, PairLoss, RankDistance,
    RobustLogistic, SmoothedLogistic, SoftZeroOne, SquaredDifference, SquaredGap, TargetMargin,
};
use lipo::ranking::{LinearGain, ScoreTies};

/// A loss and how it is run.
pub struct Run {
    pub loss: Box<dyn Loss>,
    /// Whether the diagonal of the Hessian is computed too: `+diagonal` behind the loss's name.
    pub diagonal: bool,
    /// Whether the lists have soft targets: `+targets` behind the loss's name.
    pub targets: bool,
}

impl Run {
    pub fn named(name: &str) -> Result<Self, Box<dyn Error>> {
        let (name, with) = name.split_once('+').unwrap_or((name, ""));
        let (diagonal, targets) = (with == "diagonal", with == "targets");
        if !(diagonal || targets || with.is_empty()) {
            return Err(format!("no loss is run with {with}").into());
        }
        Ok(Self { loss: loss(name)?, diagonal, targets })
    }
}

fn loss(name: &str) -> Result<Box<dyn Loss>, Box<dyn Error>> {
    let lambda = LambdaWeight::dcg();
    Ok(match name {
        "cdpo" => Box::new(PairLoss::unweighted(SmoothedLogistic::new(0.1)?)),
        "robust" => Box::new(PairLoss::unweighted(RobustLogistic::new(0.1)?)),
        "simpo" => Box::new(PairLoss::unweighted(TargetMargin::new(Logistic, 0.5)?)),
        "ipo" => Box::new(PairLoss::unweighted(SquaredDifference::new(0.5)?)),
        "hinge-0.999" => Box::new(PairLoss::unweighted(Hinge::new(0.999)?)),
        "label-difference" => Box::new(PairLoss::new(Logistic, GainDifference::new(LinearGain))),
        "lambda-linear" => Box::new(PairLoss::new(Logistic, lambda.gain(LinearGain))),
        "lambda-expected" => Box::new(PairLoss::new(Logistic, lambda.ties(ScoreTies::Expected))),
        "lambda-cutoff" => Box::new(PairLoss::new(Logistic, lambda.cutoff(10))),
        "lambda-ndcg" => Box::new(PairLoss::new(Logistic, LambdaWeight::ndcg())),
        "rank-distance" => Box::new(PairLoss::new(Logistic, RankDistance::dcg())),
        "soft-zero-one" => Box::new(PairLoss::unweighted(SoftZeroOne)),
        "squared-gap" => Box::new(PairLoss::unweighted(SquaredGap)),
        "approx-ndcg" => Box::new(ApproxNdcg::new(1.0)?),
        _ => name.parse()?,
    })
}
