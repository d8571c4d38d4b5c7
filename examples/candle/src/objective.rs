//! Losses and rewards by name: the one file that calls lipo's losses.
//!
//! An objective is a loss of scores and labels, a reward that makes scores of log-probabilities, and the
//! way in which the log-probabilities of tokens become that of a response. A published objective
//! (`dpo`, `simpo`, …) names all three; each can be replaced.

use lipo::losses::{
    Hinge, LambdaLoss, ListMle, Logistic, Loss, LossExt, Nca, PairHinge, PairLogistic, PairLoss,
    PointMse, PointSigmoid, Pro, Reduction, RobustLogistic, SmoothedLogistic, Softmax,
    SquaredDifference, TargetMargin,
};
use lipo::scores::{
    FDivergence, FDivergenceReward, ImplicitReward, ReferenceFreeReward, Responses, Reward,
    RewardExt, SequenceLogProbs,
};
use lipo::{Error, Lists, Real};
use ndarray::{Array2, Array3, Ix2};

use crate::Result;

/// A loss by name: its reward, whether it averages over tokens, and what its parameter is.
pub struct Named {
    /// The name.
    pub name: &'static str,
    reward: &'static str,
    average: bool,
    /// Whether pairs are weighed by win probabilities, in place of asking which label is greater.
    soft: bool,
    /// What `--parameter` is to the loss, and its value where none is given.
    pub parameter: Option<(&'static str, f64)>,
    make: fn(f64) -> std::result::Result<Box<dyn Loss>, Error>,
}

/// The losses of the paper, then published objectives.
pub const LOSSES: &[Named] = &[
    named("point-mse", |_| labels(PointMse)),
    named("point-sigmoid", |_| labels(PointSigmoid)),
    named("pair-hinge", |_| labels(PairHinge)),
    named("pair-logistic", |_| labels(PairLogistic)),
    named("list-mle", |_| labels(ListMle)),
    named("softmax", |_| labels(Softmax)),
    named("lambda-loss", |_| labels(LambdaLoss)),
    named("dpo", |_| labels(PairLogistic)),
    Named { soft: true, ..named("soft-dpo", |_| labels(PairLogistic)) },
    with("cdpo", ("ε, the share of wrong labels", 0.1), |epsilon| {
        labels(PairLoss::unweighted(SmoothedLogistic::new(epsilon)?))
    }),
    with("robust-dpo", ("ε, the share of wrong labels", 0.1), |epsilon| {
        labels(PairLoss::unweighted(RobustLogistic::new(epsilon)?))
    }),
    with("ipo", ("the margin that is wanted, β/2τ in its paper's terms", 0.5), |margin| {
        labels(PairLoss::unweighted(SquaredDifference::new(margin)?))
    }),
    named("slic", |_| labels(PairHinge)),
    Named {
        reward: "reference-free",
        ..with("slic-hf", ("the margin δ", 1.0), |margin| {
            labels(PairLoss::unweighted(Hinge::new(margin)?))
        })
    },
    Named { reward: "reference-free", ..named("cpo", |_| labels(PairLogistic)) },
    Named {
        reward: "reference-free",
        average: true,
        ..with("simpo", ("the target margin γ", 0.5), |margin| {
            labels(PairLoss::unweighted(TargetMargin::new(Logistic, margin)?))
        })
    },
    Named {
        reward: "reference-free",
        average: true,
        ..named("rrhf", |_| labels(PairLoss::unweighted(Hinge::new(0.0)?)))
    },
    Named { reward: "reference-free", average: true, ..named("pro", |_| labels(Pro)) },
    named("nca", |_| labels(Nca)),
    named("infonca", |_| labels(Softmax)),
    named("dpo-pl", |_| labels(ListMle)),
    named("lipo-lambda", |_| labels(LambdaLoss)),
];

/// The names of the rewards.
pub const REWARDS: [&str; 5] =
    ["implicit", "reference-free", "forward-kl", "jensen-shannon", "alpha"];

type Make = fn(f64) -> std::result::Result<Box<dyn Loss>, Error>;

const fn named(name: &'static str, make: Make) -> Named {
    Named { name, reward: "implicit", average: false, soft: false, parameter: None, make }
}

const fn with(name: &'static str, parameter: (&'static str, f64), make: Make) -> Named {
    Named { parameter: Some(parameter), ..named(name, make) }
}

#[allow(clippy::unnecessary_wraps)] // the table's other rows can fail
fn labels(loss: impl Loss + 'static) -> std::result::Result<Box<dyn Loss>, Error> {
    Ok(Box::new(loss))
}

/// A loss, its reward, and how tokens make a response.
pub struct Objective {
    loss: Box<dyn Loss>,
    /// Whether the loss is over soft targets.
    soft: bool,
    reward: Box<dyn Reward>,
    /// Whether a response's log-probability is the sum of its tokens', or the mean.
    pub tokens: SequenceLogProbs,
}

/// What can be chosen beside the loss; the loss decides where nothing is.
#[derive(Debug, Clone, Copy, Default)]
pub struct Choice<'a> {
    /// One of [`REWARDS`].
    pub reward: Option<&'a str>,
    /// Whether log-probabilities are averaged over a response's tokens.
    pub average: Option<bool>,
    /// The parameter of the loss ([`Named::parameter`]).
    pub parameter: Option<f64>,
    /// α of the reward of that name, in (0, 1).
    pub alpha: Option<f64>,
}

/// Lists of responses as lipo takes them: `[N, K]`, shorter lists masked at the end.
#[derive(Debug, Clone)]
pub struct Labelled<F> {
    /// log π_ref of each response.
    pub reference: Array2<F>,
    /// ψ.
    pub labels: Array2<F>,
    /// Ψ `[N, K, K]`, where it is known for all lists.
    pub wins: Option<Array3<F>>,
    /// Which responses there are.
    pub mask: Array2<bool>,
}

impl Objective {
    /// The objective of a name, with coefficient β.
    ///
    /// # Errors
    ///
    /// Names that are not known, and parameters outside their range.
    pub fn new(name: &str, beta: f64, choice: Choice<'_>) -> Result<Self> {
        let named = LOSSES.iter().find(|named| named.name == name);
        let named = named.ok_or_else(|| format!("there is no loss {name:?}"))?;
        if choice.parameter.is_some() && named.parameter.is_none() {
            return Err(format!("the loss {name} has no parameter").into());
        }
        let reward = choice.reward.unwrap_or(named.reward);
        if choice.alpha.is_some() && reward != "alpha" {
            return Err(format!("the reward {reward} has no α").into());
        }
        let divergence = |divergence| FDivergenceReward::new(beta, divergence);
        let reward: Box<dyn Reward> = match reward {
            "implicit" => Box::new(ImplicitReward::new(beta)?),
            "reference-free" => Box::new(ReferenceFreeReward::new(beta)?),
            "forward-kl" => Box::new(divergence(FDivergence::ForwardKl)?),
            "jensen-shannon" => Box::new(divergence(FDivergence::JensenShannon)?),
            "alpha" => Box::new(divergence(FDivergence::Alpha(choice.alpha.unwrap_or(0.5)))?),
            other => return Err(format!("there is no reward {other:?}").into()),
        };
        let average = choice.average.unwrap_or(named.average);
        let tokens = if average { SequenceLogProbs::Mean } else { SequenceLogProbs::Sum };
        let parameter = choice.parameter.or(named.parameter.map(|(_, value)| value));
        let loss = (named.make)(parameter.unwrap_or(0.0))?;
        Ok(Self { loss, soft: named.soft, reward, tokens })
    }

    /// What the reward takes: the responses, with a reference if the reward has one.
    fn responses<'a, F: Real>(
        &self,
        policy: &'a Array2<F>,
        lists: &'a Labelled<F>,
    ) -> Responses<'a, F, Ix2> {
        let responses = if self.reward.uses_reference() {
            Responses::new(policy, &lists.reference)
        } else {
            Responses::reference_free(policy)
        };
        responses.mask(&lists.mask)
    }

    /// The scores of responses with log-probabilities `[N, K]`; 0 where there is none.
    ///
    /// # Errors
    ///
    /// Those of lipo.
    pub fn scores<F: Real>(
        &self,
        policy: &Array2<F>,
        lists: &Labelled<F>,
    ) -> std::result::Result<Array2<F>, Error> {
        self.reward.scores_over(&self.responses(policy, lists))
    }

    /// The sum over lists of the loss, and its gradient with respect to the log-probabilities.
    ///
    /// # Errors
    ///
    /// Those of lipo, labels outside the loss's domain among them.
    pub fn value_and_grad<F: Real>(
        &self,
        policy: &Array2<F>,
        lists: &Labelled<F>,
    ) -> std::result::Result<(F, Array2<F>), Error> {
        let scores = self.scores(policy, lists)?;
        let scored = Lists::dense(&scores, &lists.labels).mask(&lists.mask);
        // Where Ψ is asked for and not known, an array of the wrong shape, which is an error.
        let none = Array3::zeros((0, 0, 0));
        let wins = lists.wins.as_ref().unwrap_or(&none);
        let scored = if self.soft { scored.targets(wins) } else { scored };
        let (value, grad) = self.loss.reduced(&scored.build()?, Reduction::Sum)?;
        let grad = self.reward.backward_over(&grad, &self.responses(policy, lists))?;
        Ok((value, grad))
    }

    /// Whether the loss takes win probabilities, which labels alone do not give.
    #[must_use]
    pub fn needs_win_probabilities(&self) -> bool {
        self.soft
    }
}
