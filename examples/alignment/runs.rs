//! Training runs: what one run of one loss leaves behind, the runs of all seeds together, and how the
//! policies that they picked compare.

use lipo::losses::{DiscountDifference, GainDifference, Logistic, Loss, PairLoss};
use lipo::scores::ImplicitReward;

use crate::Outcome;
use crate::laboratory::{Evaluation, LabelsFrom, Laboratory, Use};
use crate::network::Network;
use crate::support::named;
use crate::support::stats::{Interval, bootstrap, mean};
use crate::training::{Progress, train};
use crate::world::Token;

/// The weights of Figure 3(b) that are no losses of Table 1: without the discount, and without the gain.
pub const GAIN_ALONE: &str = "lambda-loss, gain alone";
pub const DISCOUNT_ALONE: &str = "lambda-loss, discount alone";

pub fn loss(name: &str) -> Box<dyn Loss> {
    match name {
        GAIN_ALONE => Box::new(PairLoss::new(Logistic, GainDifference::dcg())),
        DISCOUNT_ALONE => Box::new(PairLoss::new(Logistic, DiscountDifference::dcg())),
        _ => named::loss(name),
    }
}

/// A training run, but for its seed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Recipe {
    pub loss: &'static str,
    pub labels: LabelsFrom,
    pub list_size: usize,
    pub beta: f64,
}

#[derive(Debug, Clone, Copy)]
pub struct Checkpoint {
    pub progress: Progress,
    /// The proxy's win rate on validation posts.
    pub validation: f64,
}

/// Which checkpoint of a run counts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Stop {
    /// The last.
    Last,
    /// The one with the best win rate on validation posts by the proxy, the earliest of equals. The
    /// policy before training is none of them.
    Best,
}

impl Stop {
    pub const ALL: [Self; 2] = [Self::Last, Self::Best];

    pub fn name(self) -> &'static str {
        match self {
            Self::Last => "last",
            Self::Best => "best",
        }
    }
}

/// A policy that was picked from a run.
#[derive(Debug, Clone)]
pub struct Picked {
    pub checkpoint: Checkpoint,
    pub test: Evaluation,
    /// Its response to the first test post.
    pub sample: Vec<Token>,
}

/// A training run of one seed.
pub struct Run {
    /// From the policy before training to the end.
    pub checkpoints: Vec<Checkpoint>,
    last: Picked,
    best: Picked,
}

impl Run {
    pub fn new(lab: &Laboratory, recipe: Recipe) -> Outcome<Self> {
        let lists = lab.preferences(recipe.labels, recipe.list_size)?;
        let reward = ImplicitReward::new(recipe.beta)?;
        let mut checkpoints: Vec<Checkpoint> = Vec::new();
        let mut best: Option<(Checkpoint, Network)> = None;
        let mut last = lab.reference.clone();
        let look = |progress: Progress, policy: &Network| -> Outcome<()> {
            let checkpoint = Checkpoint { progress, validation: lab.validate(policy)? };
            let is_better =
                best.as_ref().is_none_or(|(best, _)| checkpoint.validation > best.validation);
            if !checkpoints.is_empty() && is_better {
                best = Some((checkpoint, policy.clone()));
            }
            checkpoints.push(checkpoint);
            last.clone_from(policy);
            Ok(())
        };
        let (loss, seed) = (loss(recipe.loss), Use::Training.seed(lab.seed));
        train(&lab.reference, &*loss, reward, &lists, lab.setting.plan, seed, look)?;

        let pick = |checkpoint: Checkpoint, policy: &Network| -> Outcome<Picked> {
            Ok(Picked { checkpoint, test: lab.test(policy)?, sample: lab.sample(policy) })
        };
        let end = *checkpoints.last().ok_or("a plan has a checkpoint")?;
        let last = pick(end, &last)?;
        let best = match best {
            Some((checkpoint, policy)) if checkpoint.progress.epoch < end.progress.epoch => {
                pick(checkpoint, &policy)?
            }
            _ => last.clone(),
        };
        Ok(Self { checkpoints, last, best })
    }

    pub fn picked(&self, stop: Stop) -> &Picked {
        match stop {
            Stop::Last => &self.last,
            Stop::Best => &self.best,
        }
    }
}

/// What is reported of the policies of all seeds, as means over test posts; win rates are shares.
#[derive(Debug, Clone, Copy)]
pub struct Figures {
    pub proxy: Interval,
    pub taste: Interval,
    pub kl: Interval,
    pub words: Interval,
}

impl Figures {
    /// Of one evaluation for each seed.
    pub fn new<'a>(evaluations: impl Iterator<Item = &'a Evaluation>) -> Self {
        let evaluations: Vec<_> = evaluations.collect();
        let over = |measure: fn(&Evaluation) -> &Vec<f64>| {
            bootstrap(&evaluations.iter().map(|one| measure(one).clone()).collect::<Vec<_>>(), 0)
        };
        Self {
            proxy: over(|one| &one.proxy),
            taste: over(|one| &one.taste),
            kl: over(|one| &one.kl),
            words: over(|one| &one.words),
        }
    }
}

/// The runs of a recipe by all seeds.
pub struct Group {
    pub recipe: Recipe,
    /// In the seeds' order.
    pub runs: Vec<Run>,
    /// Of the last checkpoints.
    pub last: Figures,
    /// Of the best checkpoints.
    pub best: Figures,
}

impl Group {
    /// The mean over the seeds of the picked checkpoint's win rate on validation posts.
    pub fn validation(&self, stop: Stop) -> f64 {
        mean(
            &self.runs.iter().map(|run| run.picked(stop).checkpoint.validation).collect::<Vec<_>>(),
        )
    }
}

/// A group, looked at by a rule for checkpoints: an entry of a table.
#[derive(Clone, Copy)]
pub struct Entry<'a> {
    pub group: &'a Group,
    pub stop: Stop,
}

impl<'a> Entry<'a> {
    pub fn figures(self) -> &'a Figures {
        match self.stop {
            Stop::Last => &self.group.last,
            Stop::Best => &self.group.best,
        }
    }

    pub fn picked(self) -> impl Iterator<Item = &'a Picked> + Clone {
        self.group.runs.iter().map(move |run| run.picked(self.stop))
    }

    /// How much more often these policies win than others, post by post.
    pub fn less(self, other: Self, judge: Judge) -> Interval {
        let of_seeds = |(one, other): (&Picked, &Picked)| {
            let (one, other) = (judge.wins(&one.test), judge.wins(&other.test));
            one.iter().zip(other).map(|(one, other)| one - other).collect()
        };
        bootstrap(&self.picked().zip(other.picked()).map(of_seeds).collect::<Vec<_>>(), 0)
    }
}

/// Who says which of two summaries is better.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Judge {
    /// The reward model.
    Proxy,
    /// The hidden taste.
    Taste,
}

impl Judge {
    pub const ALL: [Self; 2] = [Self::Proxy, Self::Taste];

    pub fn name(self) -> &'static str {
        match self {
            Self::Proxy => "proxy",
            Self::Taste => "true",
        }
    }

    fn wins(self, test: &Evaluation) -> &[f64] {
        match self {
            Self::Proxy => &test.proxy,
            Self::Taste => &test.taste,
        }
    }

    pub fn win_rate(self, figures: &Figures) -> Interval {
        match self {
            Self::Proxy => figures.proxy,
            Self::Taste => figures.taste,
        }
    }
}
