//! The reward model: a network that learns from annotators which of two responses is better.

use lipo::labels;
use lipo::losses::{LossExt, PointSigmoid};
use ndarray::{Array2, Array3, Axis};
use rand::RngExt;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;

use crate::Outcome;
use crate::network::{Bag, Network, batches};
use crate::policy::Sampler;
use crate::support::optim::Adam;
use crate::world::{self, Post, Token, logistic};

/// Two responses to a post, compared by an annotator.
pub struct Comparison {
    /// The post's index.
    post: usize,
    first: Vec<Token>,
    second: Vec<Token>,
    first_is_better: bool,
}

/// Compares pairs out of each post's writer's summary and two responses of the policy.
pub fn comparisons(
    policy: &Network,
    posts: &[Post],
    count: usize,
    rng: &mut StdRng,
) -> Vec<Comparison> {
    let responses = Sampler::PAPER.responses(policy, posts, 2, rng);
    (0..count)
        .map(|index| {
            let post = index % posts.len();
            let mut candidates = responses[2 * post..2 * post + 2].to_vec();
            candidates.push(posts[post].summary.clone());
            candidates.shuffle(rng);
            candidates.truncate(2);
            let [first, second] = <[_; 2]>::try_from(candidates).expect("two are left");
            let first_is_better = rng.random_bool(world::prefers(&posts[post], &first, &second));
            Comparison { post, first, second, first_is_better }
        })
        .collect()
}

/// How often annotators agree with one who knows the taste: no reward model can do better.
pub fn best_accuracy(posts: &[Post], comparisons: &[Comparison]) -> Vec<f64> {
    let agreement = |one: &Comparison| {
        let first = world::prefers(&posts[one.post], &one.first, &one.second);
        first.max(1.0 - first)
    };
    comparisons.iter().map(agreement).collect()
}

/// A network that sees a post and two responses, and gives the logit of the first being better.
///
/// Nothing makes it fair to the second response: win probabilities are averaged over both orders.
pub struct RewardModel(Network);

impl RewardModel {
    const BAGS: usize = 5;

    /// The post, and for each response its words that the post has (which stands for attention), and
    /// its words that the post has not.
    fn bags(post: &Post, first: &[Token], second: &[Token]) -> [Bag; Self::BAGS] {
        let in_post = |response: &[Token]| {
            response.iter().copied().partition(|word| post.words.contains(word))
        };
        let ((first_in, first_out), (second_in, second_out)) = (in_post(first), in_post(second));
        [post.words.clone(), first_in, first_out, second_in, second_out]
    }

    /// Trains a reward model by the logistic loss of each comparison, which is [`PointSigmoid`] on
    /// lists of one item. It starts with the policy's embeddings, as a reward model starts from a
    /// language model.
    pub fn train(
        policy: &Network,
        posts: &[Post],
        comparisons: &[Comparison],
        epochs: usize,
        rng: &mut StdRng,
    ) -> Outcome<Self> {
        let mut network = Network::new(Self::BAGS, 1, rng);
        network.take_embeddings(policy);
        let mut adam = Adam::new(2e-3);
        for batch in batches(comparisons.len(), 32, epochs, rng) {
            let batch: Vec<_> = batch.iter().map(|&index| &comparisons[index]).collect();
            let bags: Vec<_> = batch
                .iter()
                .flat_map(|one| Self::bags(&posts[one.post], &one.first, &one.second))
                .collect();
            let pass = network.forward(&bags);
            let first_is_better = Array2::from_shape_fn(pass.outputs.dim(), |(index, _)| {
                f32::from(u8::from(batch[index].first_is_better))
            });
            let (_, slopes) = PointSigmoid.value_and_grad(&pass.outputs, &first_is_better)?;
            let grad = network.backward(&bags, &pass, &slopes);
            adam.step(&mut network.weights, &grad);
        }
        Ok(Self(network))
    }

    /// Win probabilities Ψ `[N, K, K]` among K responses to each of N posts.
    pub fn wins(&self, posts: &[Post], responses: &[&[Token]]) -> Outcome<Array3<f32>> {
        let size = responses.len() / posts.len();
        let mut bags = Vec::new();
        for (post, responses) in posts.iter().zip(responses.chunks(size)) {
            for first in responses {
                bags.extend(responses.iter().flat_map(|second| Self::bags(post, first, second)));
            }
        }
        let judged = self.0.forward(&bags).outputs.mapv_into(logistic);
        let judged = judged.into_shape_with_order((posts.len(), size, size))?;
        Ok(labels::symmetrised(&judged)?.wins)
    }

    /// The probability that each response beats the writer's summary of its post.
    pub fn beats_summary(&self, posts: &[Post], responses: &[Vec<Token>]) -> Outcome<Vec<f32>> {
        let count = responses.len() / posts.len();
        let repeated: Vec<_> =
            posts.iter().flat_map(|post| std::iter::repeat_n(post.clone(), count)).collect();
        let pairs: Vec<&[Token]> = responses
            .iter()
            .zip(&repeated)
            .flat_map(|(response, post)| [&response[..], &post.summary[..]])
            .collect();
        Ok(first_wins(&self.wins(&repeated, &pairs)?))
    }

    /// The share of comparisons on which it agrees with the annotator.
    pub fn accuracy(&self, posts: &[Post], comparisons: &[Comparison]) -> Outcome<f64> {
        let posts: Vec<_> = comparisons.iter().map(|one| posts[one.post].clone()).collect();
        let pairs: Vec<_> =
            comparisons.iter().flat_map(|one| [&one.first[..], &one.second[..]]).collect();
        let wins = self.wins(&posts, &pairs)?;
        let right = comparisons
            .iter()
            .zip(first_wins(&wins))
            .filter(|(one, win)| one.first_is_better == (*win > 0.5));
        Ok(right.count() as f64 / comparisons.len() as f64)
    }
}

/// The first response's win probability in each list of two.
fn first_wins(wins: &Array3<f32>) -> Vec<f32> {
    wins.index_axis(Axis(2), 1).index_axis(Axis(1), 0).to_vec()
}
