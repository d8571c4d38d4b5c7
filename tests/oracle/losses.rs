//! The losses under test: a name, how the crate makes one, its definition, and what is known of it.
//!
//! A new loss is one line here and a definition in `definitions.rs`.

use lipo::losses::{
    DiscountDifference, GainDifference, Hinge, LambdaLoss, LambdaWeight, ListMle, Logistic, Loss,
    LossExt, Nca, PairHinge, PairLogistic, PairLoss, PairWeight, PointMse, PointSigmoid, Pro,
    Reduction, RobustLogistic, SmoothedLogistic, Softmax, SquaredDifference, TargetMargin,
};
use lipo::ranking::{LinearGain, ReciprocalDiscount, ScoreTies};
use lipo::{Error, Lists, Real};
use ndarray::{Array1, Array2};

use crate::definitions::{self as by, Case, Exact, Lambda, ordered_pairs, unweighted};
use crate::number::{ONE, ZERO};

/// The labels that a loss takes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Labels {
    /// Any finite numbers.
    Any,
    /// From 0 to 1.
    Unit,
    /// At least 0.
    NotNegative,
    /// Those whose 2^ψ is finite.
    Gain,
}

/// What item weights multiply.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Weights {
    /// Terms: twice the weights is twice the loss.
    Terms,
    /// Labels that are normalised afterwards: twice the weights is the same loss.
    Labels,
}

#[derive(Clone, Copy)]
pub struct Subject {
    pub name: &'static str,
    pub loss: fn() -> Box<dyn Loss>,
    pub definition: fn(&Case) -> Exact,
    pub labels: Labels,
    pub weights: Weights,
    /// Whether nothing but the differences of scores counts.
    pub shift_invariant: bool,
    /// Whether equal scores are told apart by their place.
    pub ranks_scores_by_index: bool,
    /// Whether equal labels are.
    pub ranks_labels_by_index: bool,
    /// The greatest score for which the reference's own error is small.
    pub greatest_score: f64,
}

impl Subject {
    fn new(
        name: &'static str,
        loss: fn() -> Box<dyn Loss>,
        definition: fn(&Case) -> Exact,
    ) -> Self {
        Self {
            name,
            loss,
            definition,
            labels: Labels::Any,
            weights: Weights::Terms,
            shift_invariant: true,
            ranks_scores_by_index: false,
            ranks_labels_by_index: false,
            greatest_score: 1e30,
        }
    }

    fn labels(self, labels: Labels) -> Self {
        Self { labels, ..self }
    }

    fn weighs_labels(self) -> Self {
        Self { weights: Weights::Labels, ..self }
    }

    fn of_places(self) -> Self {
        Self { shift_invariant: false, ..self }
    }

    fn scores_by_index(self) -> Self {
        Self { ranks_scores_by_index: true, ..self }
    }

    fn labels_by_index(self) -> Self {
        Self { ranks_labels_by_index: true, ..self }
    }

    fn scores_to(self, greatest_score: f64) -> Self {
        Self { greatest_score, ..self }
    }
}

fn of_pairs<P: lipo::losses::PairFunction + 'static>(function: P) -> Box<dyn Loss> {
    Box::new(PairLoss::unweighted(function))
}

fn weighted_logistic(weight: impl PairWeight + 'static) -> Box<dyn Loss> {
    Box::new(PairLoss::new(Logistic, weight))
}

fn lambda(case: &Case, weight: Lambda) -> Exact {
    ordered_pairs(case, by::logistic(), weight.of(case))
}

/// Every loss.
pub fn subjects() -> Vec<Subject> {
    let new = Subject::new;
    vec![
        new("point-mse", || Box::new(PointMse), by::point_mse).of_places(),
        new("point-sigmoid", || Box::new(PointSigmoid), by::point_sigmoid)
            .labels(Labels::Unit)
            .of_places(),
        new("pair-hinge", || Box::new(PairHinge), |c| unweighted(c, by::hinge(1.0))),
        new(
            "hinge of margin 0.45",
            || of_pairs(Hinge::new(0.45).unwrap()),
            |c| unweighted(c, by::hinge(0.45)),
        ),
        new(
            "hinge of margin 0",
            || of_pairs(Hinge::new(0.0).unwrap()),
            |c| unweighted(c, by::hinge(0.0)),
        ),
        new("pair-logistic", || Box::new(PairLogistic), |c| unweighted(c, by::logistic())),
        new(
            "smoothed logistic",
            || of_pairs(SmoothedLogistic::new(0.1).unwrap()),
            |c| unweighted(c, by::smoothed(0.1)),
        ),
        new(
            "robust logistic",
            || of_pairs(RobustLogistic::new(0.1).unwrap()),
            |c| unweighted(c, by::robust(0.1)),
        ),
        new(
            "logistic beyond a target margin",
            || of_pairs(TargetMargin::new(Logistic, 0.5).unwrap()),
            |c| unweighted(c, by::logistic_family(ONE, 0.5, ZERO)),
        ),
        new(
            "squared difference",
            || of_pairs(SquaredDifference::new(5.0).unwrap()),
            |c| unweighted(c, by::squared(5.0)),
        ),
        new("list-mle", || Box::new(ListMle), by::list_mle).labels_by_index(),
        new("softmax", || Box::new(Softmax), by::softmax)
            .labels(Labels::NotNegative)
            .weighs_labels(),
        new("nca", || Box::new(Nca), by::nca)
            .labels(Labels::NotNegative)
            .weighs_labels()
            .of_places(),
        new("pro", || Box::new(Pro), by::pro).labels_by_index().of_places().scores_to(1e3),
        new("lambda-loss", || Box::new(LambdaLoss), |c| lambda(c, Lambda::default()))
            .labels(Labels::Gain)
            .scores_by_index(),
        new(
            "lambda-loss at 5",
            || weighted_logistic(LambdaWeight::dcg().cutoff(5)),
            |c| lambda(c, Lambda { cutoff: 5, ..Lambda::default() }),
        )
        .labels(Labels::Gain)
        .scores_by_index(),
        new(
            "lambda-loss, expected ties",
            || weighted_logistic(LambdaWeight::dcg().ties(ScoreTies::Expected)),
            |c| lambda(c, Lambda { expected: true, ..Lambda::default() }),
        )
        .labels(Labels::Gain),
        new(
            "lambda-loss, linear gain",
            || weighted_logistic(LambdaWeight::dcg().gain(LinearGain)),
            |c| lambda(c, Lambda { gain: by::Gain::Linear, ..Lambda::default() }),
        )
        .scores_by_index(),
        new(
            "lambda-loss, constant gain, discount 1/r",
            || weighted_logistic(DiscountDifference::new(ReciprocalDiscount)),
            |c| {
                let (gain, discount) = (by::Gain::Constant, by::Discount::Reciprocal);
                lambda(c, Lambda { gain, discount, ..Lambda::default() })
            },
        )
        .scores_by_index(),
        new(
            "lambda-loss, constant discount",
            || weighted_logistic(GainDifference::dcg()),
            |c| lambda(c, Lambda { discount: by::Discount::Constant, ..Lambda::default() }),
        )
        .labels(Labels::Gain),
        new(
            "hinge, dcg",
            || Box::new(PairLoss::new(Hinge::default(), LambdaWeight::dcg())),
            |c| ordered_pairs(c, by::hinge(1.0), Lambda::default().of(c)),
        )
        .labels(Labels::Gain)
        .scores_by_index(),
    ]
}

pub fn subject(name: &str) -> Subject {
    let found = subjects().into_iter().find(|subject| subject.name == name);
    found.unwrap_or_else(|| panic!("no loss is called {name}"))
}

/// What the crate says of one list: the value, and the gradient.
pub type Computed = Result<(f64, Vec<f64>), Error>;

/// The loss of one list, as the crate computes it in the list's own type.
pub fn compute(loss: &dyn Loss, case: &Case) -> Computed {
    if case.single { compute_in::<f32>(loss, case) } else { compute_in::<f64>(loss, case) }
}

fn compute_in<F: Real>(loss: &dyn Loss, case: &Case) -> Computed {
    let (scores, labels) = (narrow::<F>(&case.scores), narrow::<F>(&case.labels));
    let weights = case.weights.as_deref().map(narrow::<F>);
    let mut lists = Lists::dense(&scores, &labels);
    if let Some(weights) = &weights {
        lists = lists.weights(weights);
    }
    let (value, grad) = loss.per_list(&lists.build()?)?;
    Ok((value[()].widen(), grad.iter().map(|slope| slope.widen()).collect()))
}

/// The logistic loss against soft targets `[K, K]`, as the crate computes it.
pub fn compute_soft_logistic(case: &Case, targets: &[f64]) -> Computed {
    fn of<F: Real>(case: &Case, targets: &[f64]) -> Computed {
        let (scores, size) = (narrow::<F>(&case.scores), case.len());
        let targets =
            Array2::from_shape_fn((size, size), |(i, j)| F::narrow(targets[i * size + j]));
        let weights = case.weights.as_deref().map(narrow::<F>);
        let mut lists = Lists::dense(&scores, &scores).targets(&targets);
        if let Some(weights) = &weights {
            lists = lists.weights(weights);
        }
        let (value, grad) = PairLogistic.reduced(&lists.build()?, Reduction::Sum)?;
        Ok((value.widen(), grad.iter().map(|slope| slope.widen()).collect()))
    }
    if case.single { of::<f32>(case, targets) } else { of::<f64>(case, targets) }
}

/// A batch of lists, one after another.
#[derive(Debug, Clone)]
pub struct Batch {
    pub lists: Vec<Case>,
    /// The items that exist, list after list.
    pub mask: Option<Vec<bool>>,
    pub list_weights: Option<Vec<f64>>,
}

impl Batch {
    pub fn of(lists: Vec<Case>) -> Self {
        Self { lists, mask: None, list_weights: None }
    }
}

/// How results of a batch are put together.
#[derive(Debug, Clone, Copy)]
pub enum Reduced {
    No,
    By(Reduction),
}

pub const REDUCED: [Reduced; 4] = [
    Reduced::No,
    Reduced::By(Reduction::MeanOverLists),
    Reduced::By(Reduction::Sum),
    Reduced::By(Reduction::MeanOverTerms),
];

/// The values, of which there is one where they are reduced, and the gradient of a batch of one type.
pub fn compute_batch(
    loss: &dyn Loss,
    batch: &Batch,
    reduced: Reduced,
) -> Result<(Vec<f64>, Vec<f64>), Error> {
    fn of<F: Real>(
        loss: &dyn Loss,
        batch: &Batch,
        reduced: Reduced,
    ) -> Result<(Vec<f64>, Vec<f64>), Error> {
        let joined = |part: fn(&Case) -> Vec<f64>| {
            narrow::<F>(&batch.lists.iter().flat_map(part).collect::<Vec<f64>>())
        };
        let scores = joined(|list| list.scores.clone());
        let labels = joined(|list| list.labels.clone());
        let weights = joined(|list| list.weights.clone().unwrap_or(vec![1.0; list.len()]));
        let sizes: Vec<usize> = batch.lists.iter().map(Case::len).collect();
        let mask = batch.mask.clone().map(Array1::from);
        let list_weights = batch.list_weights.as_deref().map(narrow::<F>);
        let mut lists = Lists::ragged(&scores, &labels, &sizes);
        if batch.lists.iter().any(|list| list.weights.is_some()) {
            lists = lists.weights(&weights);
        }
        if let Some(mask) = &mask {
            lists = lists.mask(mask);
        }
        if let Some(list_weights) = &list_weights {
            lists = lists.list_weights(list_weights);
        }
        let lists = lists.build()?;
        let widen = |numbers: Array1<F>| numbers.iter().map(|x| x.widen()).collect::<Vec<_>>();
        Ok(match reduced {
            Reduced::No => {
                let (values, grad) = loss.per_list(&lists)?;
                (widen(values), widen(grad))
            }
            Reduced::By(reduction) => {
                let (value, grad) = loss.reduced(&lists, reduction)?;
                (vec![value.widen()], widen(grad))
            }
        })
    }
    if batch.lists[0].single {
        of::<f32>(loss, batch, reduced)
    } else {
        of::<f64>(loss, batch, reduced)
    }
}

fn narrow<F: Real>(numbers: &[f64]) -> Array1<F> {
    numbers.iter().map(|&x| F::narrow(x)).collect()
}
