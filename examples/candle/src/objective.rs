//! Losses and rewards by name: the one file that calls lipo's losses.
//!
//! An objective is a loss of scores and labels, a reward that makes scores of log-probabilities, and the
//! way in which the log-probabilities of tokens become that of a response. A published objective
//! (`dpo`, `simpo`, …) names all three; each can be replaced.

use lipo::losses::{
    Hinge, LambdaLoss, ListMle, Logistic, Loss, LossExt, Nca, PairHinge, PairLogistic, PairLoss,
    PointMse, PointSigmoid, Pro, Reduction, RobustLogistic, SmoothedLogistic, SoftPairLoss,
    Softmax, SquaredDifference, TargetMargin,
};
use lipo::scores::{
    FDivergence, FDivergenceReward, ImplicitReward, ReferenceFreeReward, SequenceLogProbs,
};
use lipo::{Error, Lists, Real};
use ndarray::{Array2, Array3};

use crate::Result;

/// A loss by name: its reward, whether it averages over tokens, and what its parameter is.
pub struct Named {
    /// The name.
    pub name: &'static str,
    reward: &'static str,
    average: bool,
    /// What `--parameter` is to the loss, and its value where none is given.
    pub parameter: Option<(&'static str, f64)>,
    make: fn(f64) -> std::result::Result<AnyLoss, Error>,
}

/// The losses of the paper, then published objectives.
pub const LOSSES: &[Named] = &[
    named("point-mse", |_| labels(PointMse)),
    named("point-sigmoid", |_| labels(PointSigmoid)),
    named("pair-hinge", |_| labels(PairHinge::default())),
    named("pair-logistic", |_| labels(PairLogistic::default())),
    named("list-mle", |_| labels(ListMle)),
    named("softmax", |_| labels(Softmax)),
    named("lambda-loss", |_| labels(LambdaLoss::default())),
    named("dpo", |_| labels(PairLogistic::default())),
    named("soft-dpo", |_| Ok(AnyLoss::SoftPairs(SoftPairLoss { function: Logistic }))),
    with("cdpo", ("ε, the share of wrong labels", 0.1), |epsilon| {
        labels(PairLoss::unweighted(SmoothedLogistic::new(epsilon)?))
    }),
    with("robust-dpo", ("ε, the share of wrong labels", 0.1), |epsilon| {
        labels(PairLoss::unweighted(RobustLogistic::new(epsilon)?))
    }),
    with("ipo", ("the margin that is wanted, β/2τ in its paper's terms", 0.5), |margin| {
        labels(PairLoss::unweighted(SquaredDifference::new(margin)?))
    }),
    named("slic", |_| labels(PairHinge::default())),
    Named {
        reward: "reference-free",
        ..with("slic-hf", ("the margin δ", 1.0), |margin| {
            labels(PairLoss::unweighted(Hinge::with_margin(margin)?))
        })
    },
    Named { reward: "reference-free", ..named("cpo", |_| labels(PairLogistic::default())) },
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
        ..named("rrhf", |_| labels(PairLoss::unweighted(Hinge::with_margin(0.0)?)))
    },
    Named { reward: "reference-free", average: true, ..named("pro", |_| labels(Pro)) },
    named("nca", |_| labels(Nca)),
    named("infonca", |_| labels(Softmax)),
    named("dpo-pl", |_| labels(ListMle)),
    named("lipo-lambda", |_| labels(LambdaLoss::default())),
];

/// The names of the rewards.
pub const REWARDS: [&str; 5] =
    ["implicit", "reference-free", "forward-kl", "jensen-shannon", "alpha"];

type Make = fn(f64) -> std::result::Result<AnyLoss, Error>;

const fn named(name: &'static str, make: Make) -> Named {
    Named { name, reward: "implicit", average: false, parameter: None, make }
}

const fn with(name: &'static str, parameter: (&'static str, f64), make: Make) -> Named {
    Named { parameter: Some(parameter), ..named(name, make) }
}

#[allow(clippy::unnecessary_wraps)] // the table's other rows can fail
fn labels(loss: impl Loss + 'static) -> std::result::Result<AnyLoss, Error> {
    Ok(AnyLoss::Labels(Box::new(loss)))
}

/// A loss of labels ψ, or one of win probabilities Ψ.
enum AnyLoss {
    Labels(Box<dyn Loss>),
    SoftPairs(SoftPairLoss<Logistic>),
}

enum Reward {
    Implicit(ImplicitReward),
    ReferenceFree(ReferenceFreeReward),
    Divergence(FDivergenceReward),
}

/// A loss, its reward, and how tokens make a response.
pub struct Objective {
    loss: AnyLoss,
    reward: Reward,
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
        let reward = match reward {
            "implicit" => Reward::Implicit(ImplicitReward::new(beta)?),
            "reference-free" => Reward::ReferenceFree(ReferenceFreeReward::new(beta)?),
            "forward-kl" => Reward::Divergence(divergence(FDivergence::ForwardKl)?),
            "jensen-shannon" => Reward::Divergence(divergence(FDivergence::JensenShannon)?),
            "alpha" => {
                let alpha = choice.alpha.unwrap_or(0.5);
                Reward::Divergence(divergence(FDivergence::Alpha(alpha))?)
            }
            other => return Err(format!("there is no reward {other:?}").into()),
        };
        let average = choice.average.unwrap_or(named.average);
        let tokens = if average { SequenceLogProbs::Mean } else { SequenceLogProbs::Sum };
        let parameter = choice.parameter.or(named.parameter.map(|(_, value)| value));
        Ok(Self { loss: (named.make)(parameter.unwrap_or(0.0))?, reward, tokens })
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
        let mask = &lists.mask;
        match &self.reward {
            Reward::Implicit(reward) => reward.scores_masked(policy, &lists.reference, mask),
            Reward::ReferenceFree(reward) => reward.scores_masked(policy, mask),
            Reward::Divergence(reward) => reward.scores_masked(policy, &lists.reference, mask),
        }
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
        let scored = Lists::dense(&scores, &lists.labels).mask(&lists.mask).build()?;
        let (value, grad) = match &self.loss {
            AnyLoss::Labels(loss) => loss.reduced(&scored, Reduction::Sum)?,
            AnyLoss::SoftPairs(loss) => {
                let none = Array3::zeros((0, 0, 0));
                // Where Ψ is not known, an array of the wrong shape, which is an error.
                let wins = lists.wins.as_ref().unwrap_or(&none);
                loss.reduced(&scored, wins, Reduction::Sum)?
            }
        };
        let grad = match &self.reward {
            Reward::Implicit(reward) => reward.backward(&grad),
            Reward::ReferenceFree(reward) => reward.backward(&grad),
            Reward::Divergence(reward) => {
                let mut of_log_probs = Array2::zeros(grad.dim());
                let (reference, mask) = (&lists.reference, Some(&*lists.mask));
                reward.backward_into(&grad, policy, reference, mask, &mut of_log_probs)?;
                of_log_probs
            }
        };
        Ok((value, grad))
    }

    /// Whether the loss takes win probabilities, which labels alone do not give.
    #[must_use]
    pub fn needs_win_probabilities(&self) -> bool {
        matches!(self.loss, AnyLoss::SoftPairs(_))
    }
}
