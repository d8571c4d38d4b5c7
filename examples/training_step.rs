//! A policy trained from token log-probabilities to parameters by this crate and ndarray alone (the data
//! are of a seeded generator): what a trainer's step does, in miniature.
//!
//!     cargo run --release --example training_step
//!
//! A response is a sequence of T tokens. A linear policy turns the features of the position into
//! logits over the vocabulary; the log-probabilities of the K sampled responses give scores, a
//! hidden reward gives the labels, and the loss's gradient goes back to the policy's weights. The
//! loss falls, and the policy's scores come to order the responses as their labels do: the pair accuracy
//! (the share of pairs in the right order, ½ for a tie) and NDCG rise.

use lipo::losses::{LossExt, PairLogistic};
use lipo::metrics::{MetricExt, Ndcg, PairAccuracy};
use lipo::ranking::ScoreTies;
use lipo::scores::{ImplicitReward, SequenceLogProbs};
use lipo::{Error, labels};
use ndarray::{Array, Array1, Array2, Array3, Axis, Dimension, ShapeBuilder};
use rand::{Rng, RngExt, SeedableRng, rngs::StdRng};
use rand_distr::StandardNormal;

mod support;
use support::stats::log_softmax;

const PROMPTS: usize = 64;
const RESPONSES: usize = 6;
const TOKENS: usize = 10;
const VOCABULARY: usize = 12;
const FEATURES: usize = 8;
const STEPS: usize = 300;
const LEARNING_RATE: f64 = 1.0;

fn main() -> Result<(), Error> {
    let mut rng = StdRng::seed_from_u64(7);
    let data = Data::sample(&mut rng)?;
    let reward = ImplicitReward::new(0.1)?;
    // At first all scores tie: that is worth what a random order is worth.
    let pair_accuracy = PairAccuracy::default().ties(ScoreTies::Expected);
    let ndcg = Ndcg::default().ties(ScoreTies::Expected);

    // The policy starts as the reference: all scores are 0 and tie.
    let reference = 0.3 * normals((FEATURES, VOCABULARY), &mut rng);
    let mut weights = reference.clone();
    let reference_log_probs =
        SequenceLogProbs::Sum.log_probs(&data.token_log_probs(&reference), &data.token_mask)?;

    println!("step    loss  pair accuracy   NDCG");
    for step in 0..=STEPS {
        // Forward: tokens -> responses -> scores -> loss.
        let tokens = data.token_log_probs(&weights);
        let policy_log_probs = SequenceLogProbs::Sum.log_probs(&tokens, &data.token_mask)?;
        let scores = reward.scores(&policy_log_probs, &reference_log_probs)?;
        let (loss, grad) = PairLogistic.value_and_grad(&scores, &data.labels)?;

        if [0, 1, 2, 5, 10, 20, 50, 100, 200, STEPS].contains(&step) {
            let accuracy = pair_accuracy.mean(&scores, &data.labels)?;
            let ndcg = ndcg.mean(&scores, &data.labels)?;
            println!("{step:4}  {loss:6.4}  {accuracy:13.3}  {ndcg:5.3}");
        }

        // Back: scores -> responses -> tokens -> weights.
        let grad_log_probs = reward.backward(&grad);
        let grad_tokens = SequenceLogProbs::Sum.backward(&grad_log_probs, &data.token_mask)?;
        weights = &weights - LEARNING_RATE * data.backward(&weights, &grad_tokens);
    }
    Ok(())
}

/// Responses to prompts, with what a reward model thinks of them.
struct Data {
    /// The token at `[prompt, response, position]`.
    tokens: Array3<usize>,
    /// Which positions belong to the response, and which are padding.
    token_mask: Array3<bool>,
    /// What the policy knows of a prompt at a position: `[prompt, position, feature]`.
    features: Array3<f64>,
    labels: Array2<f64>,
}

impl Data {
    fn sample(rng: &mut impl Rng) -> Result<Self, Error> {
        let shape = (PROMPTS, RESPONSES, TOKENS);
        let tokens = Array3::from_shape_simple_fn(shape, || rng.random_range(0..VOCABULARY));
        let lengths = Array2::from_shape_simple_fn((PROMPTS, RESPONSES), || {
            rng.random_range(TOKENS / 2..=TOKENS)
        });
        let token_mask = Array3::from_shape_fn(shape, |(n, k, t)| t < lengths[[n, k]]);
        // Features of unequal size, so that there is something left to learn after the first step.
        let size = Array1::from_shape_fn(FEATURES, |f| 2.0_f64.powf(-0.5 * f as f64));
        let features = normals((PROMPTS, TOKENS, FEATURES), rng) * &size;

        // The hidden taste: how well each token suits its position, summed over the response.
        let taste = normals((FEATURES, VOCABULARY), rng) / size.insert_axis(Axis(1));
        let rewards = Array2::from_shape_fn((PROMPTS, RESPONSES), |(n, k)| {
            let suits = |t: usize| {
                features.index_axis(Axis(0), n).row(t).dot(&taste.column(tokens[[n, k, t]]))
            };
            (0..lengths[[n, k]]).map(suits).sum::<f64>() / 4.0
        });
        let wins = labels::win_probabilities_from_rewards(&rewards)?;
        let labels = labels::from_win_probabilities(&wins)?;
        Ok(Self { tokens, token_mask, features, labels })
    }

    /// log π(token | prompt, position), `[prompt, response, position]`.
    fn token_log_probs(&self, weights: &Array2<f64>) -> Array3<f64> {
        let mut log_probs = Array3::zeros(self.tokens.dim());
        for n in 0..PROMPTS {
            for t in 0..TOKENS {
                let log_policy = self.log_policy(weights, n, t);
                for k in 0..RESPONSES {
                    log_probs[[n, k, t]] = log_policy[self.tokens[[n, k, t]]];
                }
            }
        }
        log_probs
    }

    /// The chain rule of `token_log_probs`: from ∂L/∂log π of tokens to ∂L/∂weights.
    fn backward(&self, weights: &Array2<f64>, grad_tokens: &Array3<f64>) -> Array2<f64> {
        let mut grad = Array2::zeros(weights.dim());
        for n in 0..PROMPTS {
            for t in 0..TOKENS {
                // ∂log softmax(z)_v/∂z = one-hot(v) - softmax(z)
                let softmax = self.log_policy(weights, n, t).exp();
                let mut grad_logits = Array1::zeros(VOCABULARY);
                for k in 0..RESPONSES {
                    let slope = grad_tokens[[n, k, t]];
                    grad_logits.scaled_add(-slope, &softmax);
                    grad_logits[self.tokens[[n, k, t]]] += slope;
                }
                let features = self.features.index_axis(Axis(0), n);
                let column = features.row(t).insert_axis(Axis(1));
                grad += &column.dot(&grad_logits.insert_axis(Axis(0)));
            }
        }
        grad
    }

    /// log π of each word of the vocabulary.
    fn log_policy(&self, weights: &Array2<f64>, prompt: usize, position: usize) -> Array1<f64> {
        log_softmax(self.features.index_axis(Axis(0), prompt).row(position).dot(weights))
    }
}

fn normals<D: Dimension>(shape: impl ShapeBuilder<Dim = D>, rng: &mut impl Rng) -> Array<f64, D> {
    Array::from_shape_simple_fn(shape, || rng.sample(StandardNormal))
}
