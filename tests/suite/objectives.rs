//! Published preference objectives at K = 2, from log-probabilities and back to their gradient.
//!
//! `fixtures/objectives.py` writes each objective as its paper has it and differentiates it
//! numerically at 1050 digits; here the same objective is the expression that `lipo::objectives`
//! names, a reward and a loss, with the winner first and then second. The two share no formula and
//! no derivative. Besides the accuracy that the crate claims for losses, each score may be off by
//! two roundings, which the fixture says the consequences of: no other tolerance is needed, for margins
//! from 10⁻⁷ to 700 or log-probabilities of −10⁵.

use std::collections::BTreeMap;

use crate::common;
use lipo::losses::{
    Hinge, LambdaLoss, ListMle, Logistic, Loss, LossExt, Nca, PairFunction, PairHinge,
    PairLogistic, PairLoss, PointMse, PointSigmoid, Pro, Reduction, RobustLogistic,
    SmoothedLogistic, Softmax, SquaredDifference, TargetMargin,
};
use lipo::scores::{
    FDivergence, FDivergenceReward, ImplicitReward, ReferenceFreeReward, SequenceLogProbs,
};
use lipo::{Error, Lists, Real};
use ndarray::{Array1, Array2, array};
use serde::Deserialize;

#[derive(Deserialize)]
struct Figures {
    published: Vec<Case>,
}

#[derive(Debug, Deserialize)]
struct Case {
    objective: String,
    precision: String,
    /// Of the winner and of the loser.
    policy: Option<[f64; 2]>,
    reference: Option<[f64; 2]>,
    /// In place of these two, the policy's tokens.
    tokens: Option<[Vec<f64>; 2]>,
    labels: Option<[f64; 2]>,
    /// All other parameters.
    #[serde(flatten)]
    numbers: BTreeMap<String, serde_json::Value>,
    value: (f64, f64),
    value_scale: f64,
    value_slack: f64,
    grad: [(f64, f64); 2],
    grad_scale: [f64; 2],
    grad_slack: [f64; 2],
}

impl Case {
    fn number(&self, name: &str) -> f64 {
        self.numbers[name].as_f64().unwrap()
    }
}

/// Value, and gradient with respect to the policy's log-probabilities.
type Outcome<F> = (F, Array1<F>);

/// The arrays of a case, the winner standing at a place of choice.
struct Inputs<'a, F> {
    case: &'a Case,
    winner: usize,
    policy: Array1<F>,
    reference: Array1<F>,
    labels: Array1<F>,
}

impl<'a, F: Real> Inputs<'a, F> {
    fn new(case: &'a Case, winner: usize) -> Self {
        let pair = |pair: [f64; 2]| {
            let [w, l] = pair.map(F::narrow);
            if winner == 0 { array![w, l] } else { array![l, w] }
        };
        Self {
            case,
            winner,
            policy: pair(case.policy.unwrap_or_default()),
            reference: pair(case.reference.unwrap_or_default()),
            labels: pair(case.labels.unwrap_or([1.0, 0.0])),
        }
    }

    /// By the implicit reward.
    fn implicit(&self, beta: f64, loss: &dyn Loss) -> Result<Outcome<F>, Error> {
        let reward = ImplicitReward::new(beta)?;
        let scores = reward.scores(&self.policy, &self.reference)?;
        let (value, grad) = loss.value_and_grad(&scores, &self.labels)?;
        Ok((value, reward.backward(&grad)))
    }

    fn implicit_pair(&self, function: impl PairFunction) -> Result<Outcome<F>, Error> {
        self.implicit(self.case.number("beta"), &PairLoss::unweighted(function))
    }

    fn f_divergence(&self, divergence: FDivergence) -> Result<Outcome<F>, Error> {
        let reward = FDivergenceReward::new(self.case.number("beta"), divergence)?;
        let scores = reward.scores(&self.policy, &self.reference)?;
        let (value, grad) = PairLogistic.value_and_grad(&scores, &self.labels)?;
        Ok((value, reward.backward(&grad, &self.policy, &self.reference)?))
    }

    /// By means of tokens without a reference; the gradient is that of any token of a response.
    fn mean_of_tokens(&self, beta: f64, loss: &dyn Loss) -> Result<Outcome<F>, Error> {
        let tokens = self.case.tokens.as_ref().unwrap();
        let of = |k: usize| &tokens[usize::from(k != self.winner)];
        let length = of(0).len().max(of(1).len());
        let mask = Array2::from_shape_fn((2, length), |(k, t)| t < of(k).len());
        let all = Array2::from_shape_fn((2, length), |(k, t)| {
            of(k).get(t).map_or(F::nan(), |&token| F::narrow(token))
        });
        let reward = ReferenceFreeReward::new(beta)?;
        let scores = reward.scores(&SequenceLogProbs::Mean.log_probs(&all, &mask)?)?;
        let (value, grad) = loss.value_and_grad(&scores, &self.labels)?;
        let grad = SequenceLogProbs::Mean.backward(&reward.backward(&grad), &mask)?;
        Ok((value, grad.column(0).to_owned()))
    }

    /// The expression that `lipo::objectives` has for the case's objective.
    fn lipo(&self) -> Result<Outcome<F>, Error> {
        let number = |name| self.case.number(name);
        match self.case.objective.as_str() {
            "dpo" => self.implicit(number("beta"), &PairLogistic),
            "dpo-pl" => self.implicit(number("beta"), &ListMle),
            "cdpo" => self.implicit_pair(SmoothedLogistic::new(number("epsilon"))?),
            "robust-dpo" => self.implicit_pair(RobustLogistic::new(number("epsilon"))?),
            "soft-dpo" => {
                let mut targets = Array2::from_elem((2, 2), F::nan());
                targets[[self.winner, 1 - self.winner]] = F::narrow(number("target"));
                targets[[1 - self.winner, self.winner]] = F::narrow(1.0 - number("target"));
                let reward = ImplicitReward::new(number("beta"))?;
                let scores = reward.scores(&self.policy, &self.reference)?;
                let lists = Lists::dense(&scores, &self.labels).targets(&targets).build()?;
                let (value, grad) = PairLogistic.reduced(&lists, Reduction::Sum)?;
                Ok((value, reward.backward(&grad)))
            }
            "ipo" => {
                let function = SquaredDifference::new(1.0 / (2.0 * number("tau")))?;
                self.implicit(1.0, &PairLoss::unweighted(function))
            }
            "slic-hf" => {
                let reward = ReferenceFreeReward::new(1.0)?;
                let loss = PairLoss::unweighted(Hinge::new(number("delta"))?);
                let (value, grad) =
                    loss.value_and_grad(&reward.scores(&self.policy)?, &self.labels)?;
                Ok((value, reward.backward(&grad)))
            }
            "slic-norm" => self.implicit(number("beta"), &PairHinge),
            "simpo" => {
                let function = TargetMargin::new(Logistic, number("gamma"))?;
                self.mean_of_tokens(number("beta"), &PairLoss::unweighted(function))
            }
            "nca" => self.implicit(number("beta"), &Nca),
            "info-nca" => self.implicit(number("beta"), &Softmax),
            "pro" => self.mean_of_tokens(1.0, &Pro),
            "rrhf" => self.mean_of_tokens(1.0, &PairLoss::unweighted(Hinge::new(0.0)?)),
            "lipo-lambda" => self.implicit(number("beta"), &LambdaLoss),
            "f-reverse-kl" => self.f_divergence(FDivergence::ReverseKl),
            "f-forward-kl" => self.f_divergence(FDivergence::ForwardKl),
            "f-jensen-shannon" => self.f_divergence(FDivergence::JensenShannon),
            "f-alpha" => self.f_divergence(FDivergence::Alpha(number("alpha"))),
            other => panic!("no objective is called {other}"),
        }
    }
}

/// How many units of its tolerance a number is off by; u is half the epsilon.
fn error<F: Real>(got: F, (hi, lo): (f64, f64), scale: f64, slack: f64) -> f64 {
    let u = F::epsilon().widen() / 2.0;
    let off = ((got.widen() - hi) - lo).abs();
    off / (8.0 * u * scale + 2.0 * u * slack + 2.0 * F::min_positive_value().widen())
}

/// The worst errors of value and gradient of each objective.
fn worst_errors<F: Real>(precision: &str) -> BTreeMap<String, [f64; 2]> {
    let figures: Figures = common::fixture("objectives.json");
    let mut worst = BTreeMap::<String, [f64; 2]>::new();
    for case in figures.published.iter().filter(|case| case.precision == precision) {
        for winner in 0..2 {
            let (value, grad) = Inputs::<F>::new(case, winner).lipo().unwrap();
            let [of_value, of_grad] = worst.entry(case.objective.clone()).or_default();
            let error_of_value = error(value, case.value, case.value_scale, case.value_slack);
            let slope = |k: usize| grad[if winner == 0 { k } else { 1 - k }];
            for k in 0..2 {
                let error = error(slope(k), case.grad[k], case.grad_scale[k], case.grad_slack[k]);
                assert!(error <= 1.0, "gradient off by {error} in {case:?}: {grad}");
                *of_grad = of_grad.max(error);
            }
            assert!(error_of_value <= 1.0, "value off by {error_of_value} in {case:?}: {value}");
            *of_value = of_value.max(error_of_value);
        }
    }
    println!("{worst:#.2?}");
    worst
}

#[test]
fn objectives_are_their_papers_formulas() {
    assert_eq!(worst_errors::<f64>("f64").len(), 18);
    assert_eq!(worst_errors::<f32>("f32").len(), 18);
}

/// What `lipo::objectives` says of TRL's names beyond the papers' objectives, by TRL's formulas.
#[test]
fn names_in_trl() {
    let (policy, reference) = (array![-7.0, -9.5], array![-8.5, -9.0]);
    let ([w, l], beta) = ([1.5, -0.5], 0.4); // the log-ratios
    let log_1p_exp = common::log_1p_exp;
    let implicit = |beta: f64| ImplicitReward::new(beta).unwrap().scores(&policy, &reference);
    let close = |what: &str, got: Result<f64, Error>, expected: f64| {
        common::assert_close(what, got.unwrap(), expected, 1e-14);
    };

    let scores = implicit(beta).unwrap();
    let bco = log_1p_exp(-beta * w) + log_1p_exp(beta * l);
    close("bco_pair", PointSigmoid.value(&scores, &array![1.0, 0.0]), bco);

    let half = 0.5 / beta;
    let sppo = (w - half).powi(2) + (l + half).powi(2);
    close("sppo_hard", PointMse.value(&implicit(1.0).unwrap(), &array![half, -half]), sppo);

    // Of means over 3 and 2 tokens, of policy and reference alike.
    let mean = ImplicitReward::new(1.0).unwrap();
    let mean = mean.scores(&(&policy / array![3.0, 2.0]), &(&reference / array![3.0, 2.0]));
    let ipo = PairLoss::unweighted(SquaredDifference::new(1.0 / (2.0 * beta)).unwrap());
    let expected = (w / 3.0 - l / 2.0 - 1.0 / (2.0 * beta)).powi(2);
    close("ipo", ipo.value(&mean.unwrap(), &array![1.0, 0.0]), expected);

    for coefficient in [0.5, 0.2] {
        let of = |x: f64| ((coefficient - 1.0) * x).exp() / (coefficient - 1.0);
        let reward = FDivergenceReward::new(beta, FDivergence::Alpha(1.0 - coefficient)).unwrap();
        let scores = reward.scores(&policy, &reference).unwrap();
        let dpo = PairLogistic.value(&scores, &array![1.0, 0.0]);
        close("alpha_divergence", dpo, log_1p_exp(-beta * (of(w) - of(l))));
    }
}
