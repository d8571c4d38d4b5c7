//! Preference optimisation: a loss of the crate trains the policy on lists of responses.
//!
//! [`objective`] is the whole chain, in the order in which a trainer of language models has it: words to
//! log-probabilities of responses, to scores, to the loss, and back through the same steps to the
//! network's weights.

use lipo::losses::{Loss, LossExt};
use lipo::scores::ImplicitReward;
use ndarray::{Array2, Axis};
use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::network::{Network, Weights, batches};
use crate::policy::Reading;
use crate::support::optim::Adam;
use crate::support::stats::mean;
use crate::world::{Post, Token};

/// Lists to optimise on: K responses to each of N posts.
pub struct Preferences<'a> {
    pub posts: &'a [Post],
    /// The responses to the first post, then to the second, and so on.
    pub responses: Vec<&'a [Token]>,
    /// ψ, `[N, K]`.
    pub labels: Array2<f32>,
    /// Log-probabilities under the reference, `[N, K]`.
    pub reference: Array2<f32>,
}

impl<'a> Preferences<'a> {
    /// # Errors
    ///
    /// None with a policy whose weights are finite.
    pub fn new(
        reference: &Network,
        posts: &'a [Post],
        responses: Vec<&'a [Token]>,
        labels: Array2<f32>,
    ) -> Result<Self, lipo::Error> {
        let of_posts: Vec<_> = posts.iter().collect();
        let reference = Reading::new(reference, &of_posts, &responses).log_probs()?;
        Ok(Self { posts, responses, labels, reference })
    }
}

/// The loss of the lists `batch`, and its gradient with respect to the policy's weights.
///
/// # Errors
///
/// Those of the loss.
pub fn objective(
    policy: &Network,
    loss: &dyn Loss,
    reward: ImplicitReward,
    lists: &Preferences<'_>,
    batch: &[usize],
) -> Result<(f32, Weights), lipo::Error> {
    let size = lists.labels.ncols();
    let posts: Vec<_> = batch.iter().map(|&list| &lists.posts[list]).collect();
    let responses: Vec<_> = batch
        .iter()
        .flat_map(|&list| &lists.responses[list * size..(list + 1) * size])
        .copied()
        .collect();
    // Forward: words -> responses -> scores -> loss.
    let reading = Reading::new(policy, &posts, &responses);
    let reference = lists.reference.select(Axis(0), batch);
    let scores = reward.scores(&reading.log_probs()?, &reference)?;
    let (value, grad) = loss.value_and_grad(&scores, &lists.labels.select(Axis(0), batch))?;
    // Back: scores -> responses -> words -> weights.
    Ok((value, reading.backward(policy, &responses, &reward.backward(&grad))?))
}

/// How a policy is trained. It is the same for all losses: Adam's steps do not depend on a loss's
/// scale, so one learning rate serves all of them.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    pub learning_rate: f32,
    /// The number of lists in a step.
    pub batch: usize,
    /// The number of passes over the lists.
    pub epochs: usize,
    /// The number of times that a training run is looked at, its end among them.
    pub checkpoints: usize,
}

/// Where a training run has got to.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    pub epoch: f64,
    /// The mean loss of the batches since the last checkpoint, each before its step.
    pub loss: f64,
}

/// Trains a copy of `reference`, and hands the policy to `look` after the first batch's loss is known
/// and before its step (epoch 0), and at each checkpoint of the plan.
///
/// # Errors
///
/// Those of the loss and of `look`.
pub fn train<E: From<lipo::Error>>(
    reference: &Network,
    loss: &dyn Loss,
    reward: ImplicitReward,
    lists: &Preferences<'_>,
    plan: Plan,
    seed: u64,
    mut look: impl FnMut(Progress, &Network) -> Result<(), E>,
) -> Result<(), E> {
    let mut policy = reference.clone();
    let mut adam = Adam::new(plan.learning_rate);
    let steps = plan.epochs * lists.posts.len().div_ceil(plan.batch);
    let mut rng = StdRng::seed_from_u64(seed);
    let mut losses = Vec::new();
    let order = batches(lists.posts.len(), plan.batch, plan.epochs, &mut rng);
    for (before, batch) in order.enumerate() {
        let (value, grad) = objective(&policy, loss, reward, lists, &batch)?;
        losses.push(f64::from(value));
        if before == 0 {
            look(Progress { epoch: 0.0, loss: value.into() }, &policy)?;
        }
        adam.step(&mut policy.weights, &grad);
        let step = before + 1;
        if step * plan.checkpoints / steps > before * plan.checkpoints / steps {
            let epoch = (step * plan.epochs) as f64 / steps as f64;
            look(Progress { epoch, loss: mean(&losses) }, &policy)?;
            losses.clear();
        }
    }
    Ok(())
}
