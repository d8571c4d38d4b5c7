//! The losses under test, by name and as a grid.

use lipo::losses::{
    Discount, Gain, Hinge, LambdaLoss, LambdaWeight, ListMle, Logistic, Loss, Nca, PairFunction,
    PairHinge, PairLogistic, PairLoss, PointMse, PointSigmoid, Pro, Reduction, RobustLogistic,
    ScoreTies, SmoothedLogistic, Softmax, SquaredDifference, TargetMargin, Unweighted,
};

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

/// The losses of other published objectives.
pub fn objective_losses() -> Vec<(&'static str, Box<dyn Loss>)> {
    fn pair<P: PairFunction + 'static>(function: P) -> Box<dyn Loss> {
        Box::new(PairLoss::unweighted(function))
    }
    vec![
        ("hinge of margin 0.45", pair(Hinge::with_margin(0.45).unwrap())),
        ("hinge of margin 0", pair(Hinge::with_margin(0.0).unwrap())),
        ("squared difference", pair(SquaredDifference::new(5.0).unwrap())),
        ("smoothed logistic", pair(SmoothedLogistic::new(0.1).unwrap())),
        ("robust logistic", pair(RobustLogistic::new(0.1).unwrap())),
        ("logistic beyond a target margin", pair(TargetMargin::new(Logistic, 0.5).unwrap())),
        ("nca", Box::new(Nca)),
        ("pro", Box::new(Pro)),
    ]
}

pub fn loss(name: &str) -> Box<dyn Loss> {
    let found = losses().into_iter().chain(objective_losses()).find(|(known, _)| *known == name);
    found.unwrap_or_else(|| panic!("no loss is called {name}")).1
}

/// Lambda weights of every kind of gain and discount.
pub fn lambda_weights() -> Vec<(&'static str, LambdaWeight)> {
    let default = LambdaWeight::default();
    vec![
        ("dcg", LambdaWeight::dcg()),
        ("constant gain difference", LambdaWeight::constant_gain_difference()),
        ("constant discount difference", LambdaWeight::constant_discount_difference()),
        ("constant", LambdaWeight::constant()),
        ("linear gain", default.gain(Gain::Linear)),
        ("custom gain", default.gain(Gain::Custom(custom_gain))),
        ("custom discount", default.discount(Discount::Custom(custom_discount))),
    ]
}

/// A gain that falls and rises, so that an order of labels cannot stand in for it.
pub fn custom_gain(label: f64) -> f64 {
    label * label - label
}

/// A discount with equal neighbours and, from rank 4 on, a cut-off.
pub fn custom_discount(rank: usize) -> f64 {
    match rank {
        1 | 2 => 1.0,
        3 => 2.5,
        _ => f64::INFINITY,
    }
}

pub const TIE_RULES: [ScoreTies; 3] =
    [ScoreTies::ByIndex, ScoreTies::Expected, ScoreTies::Random { seed: 7 }];

/// The pair losses that the crate's pair functions, pair weights and tie rules make.
pub fn pair_grid() -> Vec<(String, Box<dyn Loss>)> {
    let mut grid: Vec<(String, Box<dyn Loss>)> = vec![
        ("hinge".into(), Box::new(PairLoss { function: Hinge, weight: Unweighted })),
        ("logistic".into(), Box::new(PairLoss { function: Logistic, weight: Unweighted })),
    ];
    for (name, weight) in lambda_weights() {
        for ties in TIE_RULES {
            let (weight, name) = (weight.ties(ties), format!("{name}, {ties:?}"));
            grid.push((format!("hinge, {name}"), Box::new(PairLoss { function: Hinge, weight })));
            let logistic = PairLoss { function: Logistic, weight };
            grid.push((format!("logistic, {name}"), Box::new(logistic)));
        }
    }
    grid
}

/// The losses that are no pair losses, and the whole grid of those.
pub fn every_loss() -> Vec<(String, Box<dyn Loss>)> {
    let others = losses().into_iter().filter(|(name, _)| !is_pair_loss(name));
    let others = others.chain(objective_losses());
    others.map(|(name, loss)| (name.to_owned(), loss)).chain(pair_grid()).collect()
}

pub fn is_pair_loss(name: &str) -> bool {
    !name.starts_with("point") && !matches!(name, "list-mle" | "softmax" | "nca" | "pro")
}

/// Whether only the differences of scores count.
pub fn takes_differences(name: &str) -> bool {
    !name.starts_with("point") && !matches!(name, "nca" | "pro")
}

pub const REDUCTIONS: [Reduction; 3] =
    [Reduction::MeanOverLists, Reduction::Sum, Reduction::MeanOverTerms];
