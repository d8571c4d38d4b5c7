//! Everything that belongs to one seed before any loss is tried: the posts, the fine-tuned policy, the
//! reward model, the lists with their labels; and the judges of what a loss makes of the policy.

use lipo::labels;
use ndarray::{Array2, Array3, Axis, Slice};
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde::Serialize;

use crate::Outcome;
use crate::network::Network;
use crate::policy::{Sampler, fine_tune, kl};
use crate::reward_model::{RewardModel, best_accuracy, comparisons};
use crate::support::stats::mean;
use crate::training::{Plan, Preferences};
use crate::world::{self, Post, Token};

/// The number of responses to each post, as in the paper.
pub const RESPONSES: usize = 8;
/// The list size where labels come from ranks (Section 5.4 of the paper).
pub const RANKED: usize = 3;
/// The number of responses to each post by which a policy is judged.
const JUDGED: usize = 2;

/// How much of everything there is.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// Posts with a writer's summary, for fine-tuning.
    pub corpus: usize,
    pub fine_tuning_epochs: usize,
    /// Pairs that annotators compare, for the reward model. A quarter as many more are held out.
    pub comparisons: usize,
    pub reward_model_epochs: usize,
    /// Posts with 8 responses each, for preference optimisation.
    pub lists: usize,
    pub plan: Plan,
    /// Posts on which β and checkpoints are chosen.
    pub validation: usize,
    /// Posts on which win rates are reported.
    pub test: usize,
}

impl Setting {
    pub const FULL: Self = Self {
        corpus: 8000,
        fine_tuning_epochs: 8,
        comparisons: 20000,
        reward_model_epochs: 8,
        lists: 1024,
        plan: Plan { learning_rate: 1e-3, batch: 16, epochs: 2, checkpoints: 16 },
        validation: 256,
        test: 512,
    };
    /// Enough to see that everything runs.
    pub const TINY: Self = Self {
        corpus: 16,
        fine_tuning_epochs: 1,
        comparisons: 16,
        reward_model_epochs: 1,
        lists: 4,
        plan: Plan { learning_rate: 1e-3, batch: 2, epochs: 2, checkpoints: 2 },
        validation: 2,
        test: 4,
    };
}

/// Where the labels of lists come from.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LabelsFrom {
    /// The reward model's win probabilities.
    RewardModel,
    /// An annotator's ranks.
    Ranks,
}

/// A use of randomness. Each has a generator of its own, so that, say, all losses see the same lists in
/// the same order, and all policies are sampled with the same noise.
#[derive(Debug, Clone, Copy)]
pub enum Use {
    World,
    Training,
    Validation,
    Test,
}

impl Use {
    const COUNT: u64 = 4;

    /// The seed of this use in the experiment of a seed.
    pub fn seed(self, of_experiment: u64) -> u64 {
        of_experiment * Self::COUNT + self as u64
    }
}

/// What the judges say of a policy on test posts. Each list has one figure for each post.
#[derive(Debug, Clone)]
pub struct Evaluation {
    /// The share of responses that beat the writer's summary by the reward model (½ for a tie).
    pub proxy: Vec<f64>,
    /// The share of responses that beat the writer's summary by the taste (½ for a tie).
    pub taste: Vec<f64>,
    /// KL(π‖π_ref), in nats a response.
    pub kl: Vec<f64>,
    /// The number of words in a response, averaged over its post's responses.
    pub words: Vec<f64>,
}

/// How often held-out comparisons are foreseen.
#[derive(Debug, Clone, Copy)]
pub struct Accuracy {
    pub reward_model: f64,
    /// By one who knows the taste: annotators are noisy.
    pub greatest: f64,
}

pub struct Laboratory {
    pub seed: u64,
    pub setting: Setting,
    pub reference: Network,
    pub accuracy: Accuracy,
    pub test_posts: Vec<Post>,
    reward_model: RewardModel,
    posts: Vec<Post>,
    /// 8 responses to each of `posts`.
    responses: Vec<Vec<Token>>,
    /// Ψ of the responses, `[N, 8, 8]`.
    wins: Array3<f32>,
    /// The ranks of each post's first three responses.
    ranks: Array2<f32>,
    validation_posts: Vec<Post>,
}

impl Laboratory {
    pub fn new(seed: u64, setting: Setting) -> Outcome<Self> {
        let mut rng = StdRng::seed_from_u64(Use::World.seed(seed));
        let corpus = world::posts(setting.corpus, &mut rng);
        let reference = fine_tune(&corpus, setting.fine_tuning_epochs, &mut rng);

        let compared = comparisons(&reference, &corpus, setting.comparisons, &mut rng);
        let epochs = setting.reward_model_epochs;
        let reward_model = RewardModel::train(&reference, &corpus, &compared, epochs, &mut rng)?;
        let unseen = world::posts(setting.comparisons / 4, &mut rng);
        let held_out = comparisons(&reference, &unseen, unseen.len(), &mut rng);
        let accuracy = Accuracy {
            reward_model: reward_model.accuracy(&unseen, &held_out)?,
            greatest: mean(&best_accuracy(&unseen, &held_out)),
        };

        let posts = world::posts(setting.lists, &mut rng);
        let responses = Sampler::PAPER.responses(&reference, &posts, RESPONSES, &mut rng);
        let slices: Vec<_> = responses.iter().map(Vec::as_slice).collect();
        let wins = reward_model.wins(&posts, &slices)?;
        let ranks = posts
            .iter()
            .zip(responses.chunks(RESPONSES))
            .flat_map(|(post, responses)| world::ranks(post, &responses[..RANKED], &mut rng));
        let ranks = Array2::from_shape_vec((posts.len(), RANKED), ranks.collect())?;
        let validation_posts = world::posts(setting.validation, &mut rng);
        let test_posts = world::posts(setting.test, &mut rng);
        Ok(Self {
            seed,
            setting,
            reference,
            accuracy,
            test_posts,
            reward_model,
            posts,
            responses,
            wins,
            ranks,
            validation_posts,
        })
    }

    /// Lists of the first `size` responses to each post.
    pub fn preferences(&self, labels: LabelsFrom, size: usize) -> Outcome<Preferences<'_>> {
        let lists = self.responses.chunks(RESPONSES);
        let responses = lists.flat_map(|list| &list[..size]).map(Vec::as_slice);
        let labels = match labels {
            LabelsFrom::RewardModel => {
                let first = Slice::from(..size);
                let wins = self.wins.slice_axis(Axis(1), first);
                labels::from_win_probabilities(&wins.slice_axis(Axis(2), first))?
            }
            LabelsFrom::Ranks => labels::from_ranks(&self.ranks)?,
        };
        Ok(Preferences::new(&self.reference, &self.posts, responses.collect(), labels)?)
    }

    /// The share of the policy's responses to validation posts that beat the writers' summaries by the
    /// reward model.
    pub fn validate(&self, policy: &Network) -> Outcome<f64> {
        let mut rng = StdRng::seed_from_u64(Use::Validation.seed(self.seed));
        let posts = &self.validation_posts;
        let responses = Sampler::PAPER.responses(policy, posts, JUDGED, &mut rng);
        Ok(mean(&self.proxy(posts, &responses)?))
    }

    fn proxy(&self, posts: &[Post], responses: &[Vec<Token>]) -> Outcome<Vec<f64>> {
        let wins = self.reward_model.beats_summary(posts, responses)?;
        let wins: Vec<_> = wins.into_iter().map(|win| beats(win.into(), 0.5)).collect();
        Ok(wins.chunks(JUDGED).map(mean).collect())
    }

    pub fn test(&self, policy: &Network) -> Outcome<Evaluation> {
        let mut rng = StdRng::seed_from_u64(Use::Test.seed(self.seed));
        let posts = &self.test_posts;
        let responses = Sampler::PAPER.responses(policy, posts, JUDGED, &mut rng);
        let of_posts = |figure: &dyn Fn(&Post, &Vec<Token>) -> f64| {
            let of_post = |(post, responses): (&Post, &[Vec<Token>])| {
                mean(&responses.iter().map(|one| figure(post, one)).collect::<Vec<_>>())
            };
            posts.iter().zip(responses.chunks(JUDGED)).map(of_post).collect::<Vec<_>>()
        };
        Ok(Evaluation {
            proxy: self.proxy(posts, &responses)?,
            taste: of_posts(&|post, response| {
                beats(world::taste(post, response), world::taste(post, &post.summary))
            }),
            words: of_posts(&|_, response| response.len() as f64 - 1.0),
            kl: kl(policy, &self.reference, posts, &mut rng),
        })
    }

    /// One response to the first test post.
    pub fn sample(&self, policy: &Network) -> Vec<Token> {
        let mut rng = StdRng::seed_from_u64(Use::Test.seed(self.seed));
        Sampler::PAPER.responses(policy, &self.test_posts[..1], 1, &mut rng).remove(0)
    }
}

/// 1 where the first is greater, ½ where they are equal, 0 elsewhere.
fn beats(one: f64, other: f64) -> f64 {
    if one == other { 0.5 } else { f64::from(u8::from(one > other)) }
}
