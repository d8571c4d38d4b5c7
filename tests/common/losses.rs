//! The losses under test, by name and as a grid.

use std::sync::Arc;

use lipo::losses::{
    ApproxNdcg, AveragePrecisionWeight, Davidson, DiscountDifference, ExponentialPositions,
    GainDifference, Hinge, LambdaWeight, Logistic, Loss, Nca, PAPER, PairFunction, PairLoss,
    PointLoss, PositionalListMle, Pro, RankDistance, Reduction, ReverseKl, RobustLogistic,
    SmoothedLogistic, SoftZeroOne, SquaredDifference, SquaredGap, TargetMargin,
    TruncatedLambdaWeight, Unweighted, Utility,
};
use lipo::ranking::{
    Discount, ExponentialGain, Gain, LinearGain, LogDiscount, ScoreTies, discount_fn, gain_fn,
};

/// The seven losses of the paper under its names.
pub fn losses() -> Vec<(&'static str, Box<dyn Loss>)> {
    PAPER.map(|(name, make)| (name, make())).into()
}

/// The losses of other published objectives.
pub fn objective_losses() -> Vec<(&'static str, Box<dyn Loss>)> {
    fn pair<P: PairFunction + 'static>(function: P) -> Box<dyn Loss> {
        Box::new(PairLoss::unweighted(function))
    }
    vec![
        ("hinge of margin 0.45", pair(Hinge::new(0.45).unwrap())),
        ("hinge of margin 0", pair(Hinge::new(0.0).unwrap())),
        ("squared difference", pair(SquaredDifference::new(5.0).unwrap())),
        ("smoothed logistic", pair(SmoothedLogistic::new(0.1).unwrap())),
        ("robust logistic", pair(RobustLogistic::new(0.1).unwrap())),
        ("logistic beyond a target margin", pair(TargetMargin::new(Logistic, 0.5).unwrap())),
        ("nca", Box::new(Nca)),
        ("pro", Box::new(Pro)),
    ]
}

/// Losses beside those of the objectives' table. ByIndex: equal scores are ranked by index.
pub fn further_losses() -> Vec<(&'static str, Box<dyn Loss>)> {
    let average_precision = AveragePrecisionWeight::new(0.5).unwrap();
    vec![
        ("soft zero-one", Box::new(PairLoss::unweighted(SoftZeroOne))),
        ("squared gap", Box::new(PairLoss::unweighted(SquaredGap))),
        ("davidson", Box::new(PairLoss::unweighted(Davidson::new(1.0).unwrap()))),
        ("rank distance, ByIndex", Box::new(PairLoss::new(Logistic, RankDistance::dcg()))),
        ("average precision, ByIndex", Box::new(PairLoss::new(Logistic, average_precision))),
        ("truncated, ByIndex", Box::new(PairLoss::new(Logistic, TruncatedLambdaWeight::ndcg(3)))),
        ("point utility", Box::new(PointLoss::new(Utility::new(0.1).unwrap()))),
        ("reverse divergence", Box::new(ReverseKl::new(0.01).unwrap())),
        ("positional", Box::new(PositionalListMle::new(ExponentialPositions))),
        ("approx-ndcg", Box::new(ApproxNdcg::new(1.0).unwrap())),
    ]
}

pub fn loss(name: &str) -> Box<dyn Loss> {
    let found = losses().into_iter().chain(objective_losses()).find(|(known, _)| *known == name);
    found.unwrap_or_else(|| panic!("no loss is called {name}")).1
}

/// A weight that is made of a gain and a discount, and these as the tests know them; None where their
/// differences are 1.
#[derive(Clone)]
pub struct TestWeight {
    kind: Kind,
    pub gain: Option<fn(f64) -> f64>,
    pub discount: Option<fn(usize) -> f64>,
}

/// The types of the crate's weights.
#[derive(Clone)]
enum Kind {
    Lambda(LambdaWeight<Arc<dyn Gain>, Arc<dyn Discount>>),
    GainDifference,
    DiscountDifference(ScoreTies),
    Unweighted,
}

impl TestWeight {
    pub fn dcg() -> Self {
        Self::lambda(ExponentialGain, exponential_gain, LogDiscount, log_discount)
    }

    fn lambda(
        gain: impl Gain + 'static,
        as_function: fn(f64) -> f64,
        discount: impl Discount + 'static,
        of_rank: fn(usize) -> f64,
    ) -> Self {
        let (gain, discount) = (Arc::new(gain) as Arc<dyn Gain>, Arc::new(discount) as Arc<_>);
        let weight = LambdaWeight::dcg().gain(gain).discount::<Arc<dyn Discount>>(discount);
        Self { kind: Kind::Lambda(weight), gain: Some(as_function), discount: Some(of_rank) }
    }

    pub fn ties(mut self, ties: ScoreTies) -> Self {
        self.kind = match self.kind {
            Kind::Lambda(weight) => Kind::Lambda(weight.ties(ties)),
            Kind::DiscountDifference(_) => Kind::DiscountDifference(ties),
            of_labels => of_labels,
        };
        self
    }

    /// The loss of a pair function under this weight.
    pub fn loss(&self, function: impl PairFunction + 'static) -> Box<dyn Loss> {
        match &self.kind {
            Kind::Lambda(weight) => Box::new(PairLoss::new(function, weight.clone())),
            Kind::GainDifference => Box::new(PairLoss::new(function, GainDifference::dcg())),
            &Kind::DiscountDifference(ties) => {
                let weight = DiscountDifference::dcg().ties(ties);
                Box::new(PairLoss::new(function, weight))
            }
            Kind::Unweighted => Box::new(PairLoss::new(function, Unweighted)),
        }
    }
}

pub fn exponential_gain(label: f64) -> f64 {
    label.exp2() - 1.0
}

#[allow(clippy::cast_precision_loss)] // small ranks
pub fn log_discount(rank: usize) -> f64 {
    1.0 / (1.0 + rank as f64).log2()
}

/// Weights of every kind of gain and discount.
pub fn lambda_weights() -> Vec<(&'static str, TestWeight)> {
    let (gain, discount) = (exponential_gain as fn(f64) -> f64, log_discount as fn(usize) -> f64);
    let constant = |kind, gain, discount| TestWeight { kind, gain, discount };
    let index = ScoreTies::ByIndex;
    vec![
        ("dcg", TestWeight::dcg()),
        ("constant gain", constant(Kind::DiscountDifference(index), None, Some(discount))),
        ("constant discount", constant(Kind::GainDifference, Some(gain), None)),
        ("constant", constant(Kind::Unweighted, None, None)),
        ("linear gain", TestWeight::lambda(LinearGain, |label| label, LogDiscount, discount)),
        (
            "custom gain",
            TestWeight::lambda(gain_fn(custom_gain), custom_gain, LogDiscount, discount),
        ),
        (
            "custom discount",
            TestWeight::lambda(ExponentialGain, gain, of_ranks(custom_discount), custom_discount),
        ),
    ]
}

/// The discount of a function of integer ranks.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // small ranks
pub fn of_ranks(discount: fn(usize) -> f64) -> impl Discount + Copy {
    discount_fn(move |rank| discount(rank as usize), |_| f64::NAN)
}

/// A gain that falls and rises, so that an order of labels cannot stand in for it.
pub fn custom_gain(label: f64) -> f64 {
    label * label - label
}

/// A discount with equal neighbours and, from rank 4 on, a cut-off.
pub fn custom_discount(rank: usize) -> f64 {
    match rank {
        1 | 2 => 1.0,
        3 => 0.4,
        _ => 0.0,
    }
}

pub const TIE_RULES: [ScoreTies; 3] =
    [ScoreTies::ByIndex, ScoreTies::Expected, ScoreTies::Random { seed: 7 }];

/// The pair losses that the crate's pair functions, pair weights and tie rules make.
pub fn pair_grid() -> Vec<(String, Box<dyn Loss>)> {
    let mut grid: Vec<(String, Box<dyn Loss>)> = vec![
        ("hinge".into(), Box::new(PairLoss::unweighted(Hinge::default()))),
        ("logistic".into(), Box::new(PairLoss::unweighted(Logistic))),
    ];
    for (name, weight) in lambda_weights() {
        for ties in TIE_RULES {
            let (weight, name) = (weight.clone().ties(ties), format!("{name}, {ties:?}"));
            grid.push((format!("hinge, {name}"), weight.loss(Hinge::default())));
            grid.push((format!("logistic, {name}"), weight.loss(Logistic)));
        }
    }
    grid
}

/// The losses that are no pair losses, and the whole grid of those.
pub fn every_loss() -> Vec<(String, Box<dyn Loss>)> {
    let others = losses().into_iter().filter(|(name, _)| !is_pair_loss(name));
    let others = others.chain(objective_losses()).chain(further_losses());
    others.map(|(name, loss)| (name.to_owned(), loss)).chain(pair_grid()).collect()
}

pub fn is_pair_loss(name: &str) -> bool {
    let of_lists =
        ["list-mle", "softmax", "nca", "pro", "reverse divergence", "positional", "approx-ndcg"];
    !name.starts_with("point") && !of_lists.contains(&name)
}

/// Whether only the differences of scores count.
pub fn takes_differences(name: &str) -> bool {
    !name.starts_with("point") && !matches!(name, "nca" | "pro")
}

pub const REDUCTIONS: [Reduction; 3] =
    [Reduction::MeanOverLists, Reduction::Sum, Reduction::MeanOverTerms];
