//! The policy: a network that gives the next word of a response. Here it is sampled, fine-tuned on the
//! writers' summaries, and read: what log-probability does it give to a response, and how does that
//! change with its weights?

use lipo::scores::SequenceLogProbs;
use ndarray::{Array2, Array3};
use rand::rngs::StdRng;
use rand::{Rng, RngExt};

use crate::network::{Bag, Network, Pass, Weights, batches};
use crate::support::optim::Adam;
use crate::support::stats::log_softmax;
use crate::world::{END, LENGTH, Post, Token, VOCABULARY};

/// The number of bags that [`context`] makes.
pub const BAGS: usize = 4;

/// What the policy sees before it writes a word: the words of the post that it has not used (which
/// stands for attention), all words that it has written, the last of them, and the last but one.
fn context(post: &Post, written: &[Token]) -> [Bag; BAGS] {
    let unused = post.words.iter().copied().filter(|word| !written.contains(word));
    let (before, last) = written.split_at(written.len().saturating_sub(1));
    let last_but_one = &before[before.len().saturating_sub(1)..];
    [unused.collect(), written.to_vec(), last.to_vec(), last_but_one.to_vec()]
}

/// The context of each word of each response, one after another.
fn contexts<'a>(pairs: impl Iterator<Item = (&'a Post, &'a [Token])>) -> Vec<Bag> {
    let of_response = |(post, response): (&'a Post, &'a [Token])| {
        (0..response.len()).flat_map(move |at| context(post, &response[..at]))
    };
    pairs.flat_map(of_response).collect()
}

/// How responses are drawn from a policy.
#[derive(Debug, Clone, Copy)]
pub struct Sampler {
    pub temperature: f32,
    /// The number of likeliest words among which one is drawn.
    pub top_k: usize,
}

impl Sampler {
    /// The paper's sampling.
    pub const PAPER: Self = Self { temperature: 0.7, top_k: 40 };
    /// The policy's own distribution.
    const PLAIN: Self = Self { temperature: 1.0, top_k: VOCABULARY };

    pub fn draw(self, logits: &[f32], rng: &mut impl Rng) -> Token {
        let mut tokens: Vec<_> = (0..logits.len()).collect();
        if self.top_k < tokens.len() {
            tokens.select_nth_unstable_by(self.top_k, |&a, &b| logits[b].total_cmp(&logits[a]));
            tokens.truncate(self.top_k);
        }
        let greatest = tokens.iter().map(|&token| logits[token]).fold(f32::NEG_INFINITY, f32::max);
        let masses: Vec<f32> = tokens
            .iter()
            .map(|&token| ((logits[token] - greatest) / self.temperature).exp())
            .collect();
        let mut left = rng.random::<f32>() * masses.iter().sum::<f32>();
        let drawn = tokens.iter().zip(masses).find(|(_, mass)| {
            left -= mass;
            left < 0.0
        });
        let token = drawn.map(|(token, _)| token).or(tokens.last()).copied().unwrap_or_default();
        Token::try_from(token).expect("below the vocabulary")
    }

    /// `count` responses to each post.
    pub fn responses(
        self,
        policy: &Network,
        posts: &[Post],
        count: usize,
        rng: &mut impl Rng,
    ) -> Vec<Vec<Token>> {
        let mut responses = vec![Vec::with_capacity(LENGTH); posts.len() * count];
        for _ in 0..LENGTH {
            let open = |response: &Vec<Token>| response.last() != Some(&END);
            let contexts: Vec<_> = responses
                .iter()
                .enumerate()
                .filter(|(_, response)| open(response))
                .flat_map(|(index, response)| context(&posts[index / count], response))
                .collect();
            let outputs = policy.forward(&contexts).outputs;
            let still_open = responses.iter_mut().filter(|response| open(response));
            for (response, logits) in still_open.zip(outputs.rows()) {
                response.push(self.draw(logits.as_slice().expect("a row"), rng));
            }
        }
        responses
    }
}

/// Supervised fine-tuning: maximum likelihood of the writers' summaries.
pub fn fine_tune(corpus: &[Post], epochs: usize, rng: &mut StdRng) -> Network {
    let mut policy = Network::new(BAGS, VOCABULARY, rng);
    let mut adam = Adam::new(3e-3);
    for batch in batches(corpus.len(), 32, epochs, rng) {
        let posts: Vec<_> = batch.iter().map(|&index| &corpus[index]).collect();
        let contexts = contexts(posts.iter().map(|post| (*post, &post.summary[..])));
        let pass = policy.forward(&contexts);
        // The slopes of −log softmax(z)_word are softmax(z) − one-hot(word).
        let words = posts.iter().flat_map(|post| &post.summary);
        let mut slopes = log_softmax(pass.outputs.clone()).mapv_into(f32::exp);
        for (mut row, &word) in slopes.rows_mut().into_iter().zip(words) {
            row[usize::from(word)] -= 1.0;
        }
        slopes /= posts.len() as f32;
        let grad = policy.backward(&contexts, &pass, &slopes);
        adam.step(&mut policy.weights, &grad);
    }
    policy
}

/// The log-probabilities of the words of K responses to each of N posts, and what the way back to the
/// weights needs.
pub struct Reading {
    contexts: Vec<Bag>,
    pass: Pass,
    log_softmax: Array2<f32>,
    /// `[N, K, LENGTH]`
    words: Array3<f32>,
    /// `[N, K, LENGTH]`, false after a response's end.
    is_word: Array3<bool>,
}

impl Reading {
    /// Reads `responses`, of which each of `posts` has as many, one post after another.
    pub fn new(policy: &Network, posts: &[&Post], responses: &[&[Token]]) -> Self {
        let size = responses.len() / posts.len();
        let of_posts = posts.iter().flat_map(|&post| std::iter::repeat_n(post, size));
        let contexts = contexts(of_posts.zip(responses.iter().copied()));
        let pass = policy.forward(&contexts);
        let log_softmax = log_softmax(pass.outputs.clone());
        let shape = (posts.len(), size, LENGTH);
        let is_word = Array3::from_shape_fn(shape, |(n, k, t)| t < responses[n * size + k].len());
        let mut words = Array3::zeros(shape);
        let mut position = log_softmax.rows().into_iter();
        for (response, mut places) in responses.iter().zip(words.rows_mut()) {
            for ((&token, place), row) in response.iter().zip(&mut places).zip(&mut position) {
                *place = row[usize::from(token)];
            }
        }
        Self { contexts, pass, log_softmax, words, is_word }
    }

    /// log π of each response, `[N, K]`.
    pub fn log_probs(&self) -> Result<Array2<f32>, lipo::Error> {
        SequenceLogProbs::Sum.log_probs(&self.words, &self.is_word)
    }

    /// From ∂L/∂log π of the responses, `[N, K]`, to ∂L/∂weights.
    pub fn backward(
        self,
        policy: &Network,
        responses: &[&[Token]],
        grad: &Array2<f32>,
    ) -> Result<Weights, lipo::Error> {
        let of_words = SequenceLogProbs::Sum.backward(grad, &self.is_word)?;
        let of_words = of_words.iter().zip(&self.is_word).filter(|(_, is_word)| **is_word);
        // ∂log softmax(z)_v/∂z = one-hot(v) − softmax(z)
        let mut slopes = self.log_softmax.mapv_into(f32::exp);
        let words = responses.iter().copied().flatten();
        for ((mut row, (&slope, _)), &word) in
            slopes.rows_mut().into_iter().zip(of_words).zip(words)
        {
            row *= -slope;
            row[usize::from(word)] += slope;
        }
        Ok(policy.backward(&self.contexts, &self.pass, &slopes))
    }
}

/// For each post, how far a policy has moved from the reference: Σ over the words of one response that
/// the policy itself writes, of the KL divergence of the two distributions of the next word.
pub fn kl(policy: &Network, reference: &Network, posts: &[Post], rng: &mut impl Rng) -> Vec<f64> {
    let own = Sampler::PLAIN.responses(policy, posts, 1, rng);
    let contexts = contexts(posts.iter().zip(own.iter().map(Vec::as_slice)));
    let here = log_softmax(policy.forward(&contexts).outputs);
    let there = log_softmax(reference.forward(&contexts).outputs);
    let mut of_words = here.rows().into_iter().zip(there.rows()).map(|(here, there)| {
        let terms = here.iter().zip(there).map(|(&p, &q)| f64::from(p.exp() * (p - q)));
        terms.sum::<f64>()
    });
    own.iter().map(|response| of_words.by_ref().take(response.len()).sum()).collect()
}
