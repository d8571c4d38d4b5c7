//! The paper's laboratory in miniature: the whole LiPO pipeline, from a corpus to win rates, with every
//! loss of the crate.
//!
//!     cargo run --release --example alignment
//!     cargo run --release --example alignment -- --seeds 8 --losses softmax,lambda-loss --list-sizes 2,8
//!
//! In a small language of 64 words, a prompt is a rambling post and a response its summary. For each
//! seed, as in Figure 2 of the paper:
//!
//! 1. [`World`]: writers, careful or not, summarise posts; annotators compare summaries by a hidden
//!    taste, with noise.
//! 2. [`fine_tune`]: a neural policy learns to write like the writers (supervised fine-tuning).
//! 3. [`RewardModel`]: another network learns from the annotators which of two summaries is better.
//! 4. [`Preferences`]: the policy writes 8 summaries of each of other posts, at temperature 0.7 among the
//!    40 likeliest words; the reward model's win probabilities Ψ give the labels ψ.
//! 5. [`optimise`]: each loss trains the policy on those lists, from log-probabilities of words to
//!    scores to the loss, and back through the same chain to the network's weights.
//! 6. [`Evaluation`]: how often the policy's summaries beat the writers' under the reward model (the
//!    proxy) and under the hidden taste, and how far it has moved (KL).
//!
//! It prints tables in the layout of the paper's Table 1 and writes CSV files and the pictures of
//! its Figure 3. `examples/README.md` tells which of the paper's findings hold here.

use std::collections::VecDeque;
use std::error::Error;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;
use std::thread;

use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use lipo::labels;
use lipo::losses::{DiscountDifference, GainDifference, Logistic, Loss, LossExt, PairLoss};
use lipo::scores::{ImplicitReward, SequenceLogProbs};
use ndarray::{Array2, Array3, Axis, Slice};
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{Rng, RngExt, SeedableRng, rngs::StdRng};
use rand_distr::{Distribution, Gumbel, StandardNormal};
use serde::Serialize;

pub(crate) mod support;
use support::named;
use support::plot::{self, Bar, Line, Panel, Scale, Spread};
use support::say;
use support::stats::{Interval, bootstrap};
use support::table::{markdown, percent, write_csv};

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// The LiPO pipeline in miniature, with every loss.
#[derive(Parser)]
struct Args {
    /// How many seeds; each has its own posts, networks and preferences
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=1000))]
    seeds: u64,
    /// The losses to train with
    #[arg(long, value_name = "NAME,…", value_delimiter = ',', value_parser = named::loss_parser(), default_values_t = named::LOSSES.map(String::from))]
    losses: Vec<String>,
    /// How many of the 8 responses a list has
    #[arg(long, value_name = "K,…", value_delimiter = ',', default_values_t = [2, 4, 6, 8], value_parser = list_size)]
    list_sizes: Vec<usize>,
    /// The candidates for β; each loss takes the one with which it does best on validation posts
    #[arg(long, value_name = "β,…", value_delimiter = ',', default_values_t = [0.05, 0.1, 0.2, 0.5, 1.0, 2.0], value_parser = beta)]
    beta: Vec<f64>,
    /// Where the CSV files and pictures go
    #[arg(long, value_name = "DIR", default_value = "target/alignment")]
    out: PathBuf,
    /// A world a hundred times smaller: that everything runs, not what comes out
    #[arg(long)]
    tiny: bool,
}

/// The weights of Figure 3(b) that are no losses of Table 1: without the discount, and without the gain.
const GAIN_ALONE: &str = "lambda-loss, gain alone";
const DISCOUNT_ALONE: &str = "lambda-loss, discount alone";

pub(crate) fn loss(name: &str) -> Box<dyn Loss> {
    match name {
        GAIN_ALONE => Box::new(PairLoss::new(Logistic, GainDifference::default())),
        DISCOUNT_ALONE => Box::new(PairLoss::new(Logistic, DiscountDifference::default())),
        _ => named::loss(name),
    }
}

fn list_size(text: &str) -> Outcome<usize> {
    let size = text.parse()?;
    if (2..=RESPONSES).contains(&size) { Ok(size) } else { Err("not in 2 to 8".into()) }
}

fn beta(text: &str) -> Outcome<f64> {
    let beta = text.parse()?;
    ImplicitReward::new(beta)?;
    Ok(beta)
}

/// How much of everything there is.
#[derive(Debug, Clone, Copy)]
struct Setting {
    /// Posts with a writer's summary, for fine-tuning.
    corpus: usize,
    /// Pairs that annotators compared, for the reward model; a quarter as many are held out.
    comparisons: usize,
    /// Posts with 8 responses each, for preference optimisation.
    lists: usize,
    /// Posts on which β is chosen.
    validation: usize,
    /// Posts on which everything is reported.
    test: usize,
    /// Passes over the corpus, the comparisons and the lists.
    epochs: [usize; 3],
}

impl Setting {
    const FULL: Self = Self {
        corpus: 8000,
        comparisons: 20000,
        lists: 1024,
        validation: 256,
        test: 512,
        epochs: [8, 8, 2],
    };
    const TINY: Self =
        Self { corpus: 16, comparisons: 16, lists: 4, validation: 2, test: 4, epochs: [1, 1, 2] };
}

// The paper's sampling, and responses a prompt.
const RESPONSES: usize = 8;
const TEMPERATURE: f32 = 0.7;
const TOP_K: usize = 40;

// One rule for all losses: Adam, whose steps do not depend on a loss's scale, with one learning rate; β
// by validation.
const LEARNING_RATE: f32 = 1e-3;
const BATCH: usize = 16;

fn main() -> ExitCode {
    let args = Args::parse();
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

// 1. The world: words, posts, writers and annotators.

pub(crate) type Token = u8;
type Bag = Vec<Token>;
pub(crate) const VOCABULARY: usize = 64;
const END: Token = 0;
/// A response has at most so many words, the end among them.
pub(crate) const LENGTH: usize = 12;
/// A post's key words, which a good summary mentions.
const KEYS: usize = 3;

const DETERMINERS: [&str; 5] = ["the", "a", "this", "that", "every"];
const PRONOUNS: [&str; 5] = ["he", "she", "we", "they", "you"];
const FILLERS: [&str; 5] = ["well", "so", "then", "again", "still"];
/// Eight topics of three nouns, which want a determiner before them, and three verbs, which want a pronoun.
const TOPICS: [[&str; 6]; 8] = [
    ["boat", "wave", "harbour", "sail", "row", "dive"],
    ["garden", "seed", "rose", "dig", "plant", "water"],
    ["kitchen", "bread", "soup", "bake", "stir", "taste"],
    ["song", "fiddle", "choir", "sing", "hum", "dance"],
    ["storm", "cloud", "frost", "shiver", "thaw", "shelter"],
    ["street", "tram", "market", "walk", "ride", "shop"],
    ["match", "goal", "team", "run", "kick", "win"],
    ["book", "poem", "letter", "read", "write", "spell"],
];
const CONTENT: usize = VOCABULARY - 48;

fn word(token: Token) -> &'static str {
    match usize::from(token) {
        0 => ".",
        token @ 1..=5 => DETERMINERS[token - 1],
        token @ 6..=10 => PRONOUNS[token - 6],
        token @ 11..=15 => FILLERS[token - 11],
        token => TOPICS[(token - CONTENT) / 6][(token - CONTENT) % 6],
    }
}

fn sentence(tokens: &[Token]) -> String {
    tokens.iter().map(|&token| word(token)).collect::<Vec<_>>().join(" ")
}

fn is_content(token: Token) -> bool {
    usize::from(token) >= CONTENT
}

/// Whether a function word may stand before a content word.
fn agrees(function: Token, content: Token) -> bool {
    let is_noun = (usize::from(content) - CONTENT) % 6 < 3;
    if is_noun { (1..=5).contains(&function) } else { (6..=10).contains(&function) }
}

/// A post, its key words, and a writer's summary of it.
#[derive(Debug, Clone)]
pub(crate) struct Post {
    pub(crate) words: Vec<Token>,
    pub(crate) keys: Vec<Token>,
    pub(crate) summary: Vec<Token>,
}

/// What writers and annotators do.
pub(crate) struct World;

impl World {
    /// Each key word twice, three content words of anything, three function words, shuffled.
    fn post(rng: &mut impl Rng) -> Post {
        let token = |index: usize| Token::try_from(index).expect("below the vocabulary");
        let topic = rng.random_range(0..TOPICS.len());
        let mut of_topic: Vec<_> = (0..6).map(|word| token(CONTENT + 6 * topic + word)).collect();
        of_topic.shuffle(rng);
        let keys = of_topic[..KEYS].to_vec();
        let mut words = [keys.clone(), keys.clone()].concat();
        words.extend((0..3).map(|_| token(rng.random_range(CONTENT..VOCABULARY))));
        words.extend((0..3).map(|_| token(rng.random_range(1..CONTENT))));
        words.shuffle(rng);
        let summary = Self::summary(&words, &keys, rng);
        Post { words, keys, summary }
    }

    pub(crate) fn posts(count: usize, rng: &mut impl Rng) -> Vec<Post> {
        (0..count).map(|_| Self::post(rng)).collect()
    }

    /// A careful writer mentions each key word once, after a function word that agrees with it; writers
    /// are more or less careful.
    fn summary(words: &[Token], keys: &[Token], rng: &mut impl Rng) -> Vec<Token> {
        let care = rng.random_range(0.3..0.95);
        let content: Vec<_> = words.iter().copied().filter(|&word| is_content(word)).collect();
        let mut to_mention = keys.to_vec();
        to_mention.shuffle(rng);
        let mut summary = Vec::new();
        for _ in 0..rng.random_range(2..=4) {
            let key = if rng.random_bool(care) { to_mention.pop() } else { None };
            let mention = key.unwrap_or_else(|| *content.choose(rng).expect("a post has words"));
            if rng.random_bool(0.8) {
                let careful = rng.random_bool(care);
                let candidates = 1..Token::try_from(CONTENT).expect("a token");
                let fits = |function: &Token| !careful || agrees(*function, mention);
                let candidates: Vec<_> = candidates.filter(fits).collect();
                summary.push(*candidates.choose(rng).expect("every word has some"));
            }
            summary.push(mention);
        }
        summary.push(END);
        summary
    }

    /// The hidden taste: key words mentioned; nothing else, nothing twice; words that agree; brevity.
    pub(crate) fn taste(post: &Post, response: &[Token]) -> f64 {
        let words = response.strip_suffix(&[END]).unwrap_or(response);
        let (mut mentioned, mut others, mut clashes) = (0.0, 0.0, 0.0);
        for (at, &word) in words.iter().enumerate().filter(|&(_, &word)| is_content(word)) {
            if post.keys.contains(&word) && !words[..at].contains(&word) {
                mentioned += 1.0;
            } else {
                others += 1.0;
            }
            let before = at.checked_sub(1).map_or(word, |before| words[before]);
            if !is_content(before) && !agrees(before, word) {
                clashes += 1.0;
            }
        }
        let too_long = words.len().saturating_sub(2 * KEYS) as f64;
        1.5 * mentioned - 0.7 * others - 0.5 * clashes - 0.3 * too_long
    }

    /// The probability that an annotator prefers the first of two responses (Bradley and Terry).
    pub(crate) fn prefers(post: &Post, first: &[Token], second: &[Token]) -> f64 {
        logistic((Self::taste(post, first) - Self::taste(post, second)) / Self::NOISE)
    }

    /// An annotator's ranks of responses, 1 the best: Plackett and Luce's model, of which
    /// [`prefers`](Self::prefers) is the case of two.
    pub(crate) fn ranks(post: &Post, responses: &[Vec<Token>], rng: &mut impl Rng) -> Vec<f32> {
        let noise = Gumbel::new(0.0, Self::NOISE).expect("a positive scale");
        let noisy: Vec<f64> =
            responses.iter().map(|one| Self::taste(post, one) + noise.sample(rng)).collect();
        let better = |than: f64| noisy.iter().filter(|&&other| other > than).count();
        noisy.iter().map(|&one| 1.0 + better(one) as f32).collect()
    }

    /// The taste's unit of annotators' disagreement.
    const NOISE: f64 = 0.8;
}

fn logistic(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

// 2. The networks: bags of words in, one hidden layer, numbers out.

const EMBEDDING: usize = 32;
const HIDDEN: usize = 64;

/// Embeddings, the hidden layer and its bias, the output layer and its bias; or a gradient of those.
pub(crate) type Weights = [Array2<f32>; 5];

/// A network of bags of words: the embeddings of a bag's words add up (over the root of their number),
/// the bags' sums stand side by side; a layer of softsigns, x / (1 + |x|), and a linear one follow.
#[derive(Debug, Clone)]
pub(crate) struct Network {
    pub(crate) weights: Weights,
    bags: usize,
}

/// What the way back needs of the way forward.
struct Pass {
    inputs: Array2<f32>,
    hidden: Array2<f32>,
    /// One row for each row of bags.
    outputs: Array2<f32>,
}

impl Network {
    pub(crate) fn new(bags: usize, outputs: usize, rng: &mut impl Rng) -> Self {
        let mut normal = |rows: usize, columns: usize, scale: f32| {
            Array2::from_shape_simple_fn((rows, columns), || {
                scale * Distribution::<f32>::sample(&StandardNormal, rng)
            })
        };
        let inputs = bags * EMBEDDING;
        let weights = [
            normal(VOCABULARY, EMBEDDING, 0.5),
            normal(inputs, HIDDEN, (inputs as f32).sqrt().recip()),
            Array2::zeros((1, HIDDEN)),
            normal(HIDDEN, outputs, (HIDDEN as f32).sqrt().recip()),
            Array2::zeros((1, outputs)),
        ];
        Self { weights, bags }
    }

    /// Rows of bags, one row after the other.
    fn forward(&self, rows: &[Bag]) -> Pass {
        let [embeddings, to_hidden, hidden_bias, to_output, output_bias] = &self.weights;
        let mut inputs = Array2::zeros((rows.len(), EMBEDDING));
        for (bag, mut sum) in rows.iter().zip(inputs.rows_mut()) {
            for &token in bag {
                sum.scaled_add(scale(bag), &embeddings.row(token.into()));
            }
        }
        let shape = (rows.len() / self.bags, self.bags * EMBEDDING);
        let inputs = inputs.into_shape_with_order(shape).expect("as many entries");
        let hidden = (inputs.dot(to_hidden) + hidden_bias).mapv_into(|x| x / (1.0 + x.abs()));
        let outputs = hidden.dot(to_output) + output_bias;
        Pass { inputs, hidden, outputs }
    }

    /// From the gradient with respect to the outputs to that with respect to the weights.
    fn backward(&self, rows: &[Bag], pass: &Pass, slopes: &Array2<f32>) -> Weights {
        let [embeddings, to_hidden, _, to_output, _] = &self.weights;
        let sum = |of: &Array2<f32>| of.sum_axis(Axis(0)).insert_axis(Axis(0));
        let mut hidden_slopes = slopes.dot(&to_output.t());
        hidden_slopes.zip_mut_with(&pass.hidden, |slope, y| *slope *= (1.0 - y.abs()).powi(2));
        let input_slopes = hidden_slopes.dot(&to_hidden.t());
        let shape = (rows.len(), EMBEDDING);
        let input_slopes = input_slopes.to_shape(shape).expect("as many entries");
        let mut of_embeddings = Array2::zeros(embeddings.dim());
        for (bag, slopes) in rows.iter().zip(input_slopes.rows()) {
            for &token in bag {
                of_embeddings.row_mut(token.into()).scaled_add(scale(bag), &slopes);
            }
        }
        [
            of_embeddings,
            pass.inputs.t().dot(&hidden_slopes),
            sum(&hidden_slopes),
            pass.hidden.t().dot(slopes),
            sum(slopes),
        ]
    }
}

fn scale(bag: &[Token]) -> f32 {
    (bag.len() as f32).sqrt().recip()
}

/// Adam, Kingma and Ba 2015.
struct Adam {
    rate: f32,
    steps: i32,
    moments: Option<[Weights; 2]>,
}

impl Adam {
    fn new(rate: f32) -> Self {
        Self { rate, steps: 0, moments: None }
    }

    fn step(&mut self, weights: &mut Weights, grad: &Weights) {
        let (decays, tiny) = ([0.9_f32, 0.999], 1e-8);
        self.steps += 1;
        let zeros = || grad.each_ref().map(|part| Array2::zeros(part.dim()));
        let [means, squares] = self.moments.get_or_insert_with(|| [zeros(), zeros()]);
        let [unbias_mean, unbias_square] =
            decays.map(|decay| (1.0 - decay.powi(self.steps)).recip());
        for (((weights, grad), means), squares) in
            weights.iter_mut().zip(grad).zip(means).zip(squares)
        {
            ndarray::azip!((weight in weights, &slope in grad, mean in means, square in squares) {
                *mean += (1.0 - decays[0]) * (slope - *mean);
                *square += (1.0 - decays[1]) * (slope * slope - *square);
                *weight -= self.rate * *mean * unbias_mean
                    / ((*square * unbias_square).sqrt() + tiny);
            });
        }
    }
}

/// Subtracts the logarithm of each row's sum of exponentials.
fn log_softmax(mut logits: Array2<f32>) -> Array2<f32> {
    for mut row in logits.rows_mut() {
        let greatest = row.fold(f32::NEG_INFINITY, |greatest, &logit| greatest.max(logit));
        let sum: f32 = row.iter().map(|logit| (logit - greatest).exp()).sum();
        row -= greatest + sum.ln();
    }
    logits
}

// 3. The policy: a network that gives the next word.

/// What the policy sees: the words of the post that it has not used (which stands for attention), all
/// that it has written, and the last two words of it.
pub(crate) const POLICY_BAGS: usize = 4;

fn context(post: &Post, written: &[Token]) -> [Bag; POLICY_BAGS] {
    let unused = post.words.iter().copied().filter(|word| !written.contains(word));
    let (before, last) = written.split_at(written.len().saturating_sub(1));
    let last_but_one = &before[before.len().saturating_sub(1)..];
    [unused.collect(), written.to_vec(), last.to_vec(), last_but_one.to_vec()]
}

/// The bags of every position of responses, one after the other.
fn positions<'a>(pairs: impl Iterator<Item = (&'a Post, &'a [Token])>) -> Vec<Bag> {
    let of_response = |(post, response): (&'a Post, &'a [Token])| {
        (0..response.len()).flat_map(move |at| context(post, &response[..at]))
    };
    pairs.flat_map(of_response).collect()
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Sampler {
    pub(crate) temperature: f32,
    pub(crate) top_k: usize,
}

impl Sampler {
    pub(crate) const PAPER: Self = Self { temperature: TEMPERATURE, top_k: TOP_K };
    /// The policy's own distribution.
    const PLAIN: Self = Self { temperature: 1.0, top_k: VOCABULARY };

    pub(crate) fn draw(self, logits: &[f32], rng: &mut impl Rng) -> Token {
        let mut tokens: Vec<_> = (0..logits.len()).collect();
        if self.top_k < tokens.len() {
            tokens.select_nth_unstable_by(self.top_k, |&a, &b| logits[b].total_cmp(&logits[a]));
            tokens.truncate(self.top_k);
        }
        let greatest = tokens.iter().map(|&token| logits[token]).fold(f32::NEG_INFINITY, f32::max);
        let mass = |&token: &usize| ((logits[token] - greatest) / self.temperature).exp();
        let mut left = rng.random::<f32>() * tokens.iter().map(mass).sum::<f32>();
        let drawn = tokens.iter().find(|token| {
            left -= mass(token);
            left < 0.0
        });
        let token = drawn.or(tokens.last()).copied().unwrap_or_default();
        Token::try_from(token).expect("below the vocabulary")
    }

    /// `count` responses to each post.
    pub(crate) fn responses(
        self,
        policy: &Network,
        posts: &[Post],
        count: usize,
        rng: &mut impl Rng,
    ) -> Vec<Vec<Token>> {
        let mut responses = vec![Vec::with_capacity(LENGTH); posts.len() * count];
        for _ in 0..LENGTH {
            let open = |response: &Vec<Token>| response.last() != Some(&END);
            let rows: Vec<_> = responses
                .iter()
                .enumerate()
                .filter(|(_, response)| open(response))
                .flat_map(|(index, response)| context(&posts[index / count], response))
                .collect();
            let outputs = policy.forward(&rows).outputs;
            let still_open = responses.iter_mut().filter(|response| open(response));
            for (response, logits) in still_open.zip(outputs.rows()) {
                response.push(self.draw(logits.as_slice().expect("a row"), rng));
            }
        }
        responses
    }
}

/// Supervised fine-tuning: maximum likelihood of the writers' summaries.
fn fine_tune(corpus: &[Post], epochs: usize, rng: &mut StdRng) -> Network {
    let mut policy = Network::new(POLICY_BAGS, VOCABULARY, rng);
    let mut adam = Adam::new(3e-3);
    for_batches(corpus.len(), 32, epochs, rng, |batch| {
        let posts: Vec<_> = batch.iter().map(|&index| &corpus[index]).collect();
        let rows = positions(posts.iter().map(|post| (*post, &post.summary[..])));
        let pass = policy.forward(&rows);
        let words = posts.iter().flat_map(|post| &post.summary);
        let mut slopes = log_softmax(pass.outputs.clone()).mapv_into(f32::exp);
        for (mut row, &word) in slopes.rows_mut().into_iter().zip(words) {
            row[usize::from(word)] -= 1.0;
        }
        slopes /= posts.len() as f32;
        let grad = policy.backward(&rows, &pass, &slopes);
        adam.step(&mut policy.weights, &grad);
    });
    policy
}

/// Shuffled batches of the indices below `count`.
fn for_batches(
    count: usize,
    size: usize,
    epochs: usize,
    rng: &mut StdRng,
    mut step: impl FnMut(&[usize]),
) {
    let mut order: Vec<_> = (0..count).collect();
    for _ in 0..epochs {
        order.shuffle(rng);
        order.chunks(size).for_each(&mut step);
    }
}

// 4. The reward model: which of two responses is better.

/// Sees a post and two responses, gives the logit of the first being better. Nothing makes it fair to
/// the second: win probabilities are symmetrised over both orders.
struct RewardModel(Network);

struct Comparison {
    post: usize,
    responses: [Vec<Token>; 2],
    first_is_better: bool,
}

/// Pairs out of each post's writer's summary and two responses of the policy, compared by annotators.
fn comparisons(
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
            let first_is_better = rng.random_bool(World::prefers(&posts[post], &first, &second));
            Comparison { post, responses: [first, second], first_is_better }
        })
        .collect()
}

impl RewardModel {
    const BAGS: usize = 5;

    /// The post, and each response's words that the post has (which stands for attention) and has not.
    fn bags(post: &Post, first: &[Token], second: &[Token]) -> [Bag; Self::BAGS] {
        let in_post = |response: &[Token]| {
            response.iter().copied().partition(|word| post.words.contains(word))
        };
        let ((first_in, first_out), (second_in, second_out)) = (in_post(first), in_post(second));
        [post.words.clone(), first_in, first_out, second_in, second_out]
    }

    /// It starts with the policy's embeddings, as a reward model starts from a language model.
    fn train(
        policy: &Network,
        posts: &[Post],
        comparisons: &[Comparison],
        epochs: usize,
        rng: &mut StdRng,
    ) -> Self {
        let mut network = Network::new(Self::BAGS, 1, rng);
        network.weights[0].clone_from(&policy.weights[0]);
        let mut adam = Adam::new(2e-3);
        for_batches(comparisons.len(), 32, epochs, rng, |batch| {
            let batch: Vec<_> = batch.iter().map(|&index| &comparisons[index]).collect();
            let rows: Vec<_> = batch
                .iter()
                .flat_map(|one| Self::bags(&posts[one.post], &one.responses[0], &one.responses[1]))
                .collect();
            let pass = network.forward(&rows);
            let mut slopes = pass.outputs.mapv(|logit| (1.0 + (-logit).exp()).recip());
            for (slope, one) in slopes.iter_mut().zip(&batch) {
                *slope = (*slope - f32::from(u8::from(one.first_is_better))) / batch.len() as f32;
            }
            let grad = network.backward(&rows, &pass, &slopes);
            adam.step(&mut network.weights, &grad);
        });
        Self(network)
    }

    /// Win probabilities Ψ `[N, K, K]` among K responses to each of N posts.
    fn wins(&self, posts: &[Post], responses: &[&[Token]]) -> Outcome<Array3<f32>> {
        let size = responses.len() / posts.len();
        let mut rows = Vec::new();
        for (post, responses) in posts.iter().zip(responses.chunks(size)) {
            for first in responses {
                rows.extend(responses.iter().flat_map(|second| Self::bags(post, first, second)));
            }
        }
        let logits = self.0.forward(&rows).outputs;
        let judged = logits.mapv(|logit| (1.0 + (-logit).exp()).recip());
        let judged = judged.into_shape_with_order((posts.len(), size, size))?;
        Ok(labels::symmetrised(&judged)?.wins)
    }

    /// The probability that each response beats the writer's summary of its post.
    fn beats_summary(&self, posts: &[Post], responses: &[Vec<Token>]) -> Outcome<Vec<f32>> {
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
    fn accuracy(&self, posts: &[Post], comparisons: &[Comparison]) -> Outcome<f64> {
        let posts: Vec<_> = comparisons.iter().map(|one| posts[one.post].clone()).collect();
        let pairs: Vec<_> = comparisons
            .iter()
            .flat_map(|one| one.responses.each_ref().map(Vec::as_slice))
            .collect();
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

// 5. Preference optimisation.

/// K responses to each of N posts, their labels ψ `[N, K]`, and their log-probabilities under the
/// reference `[N, K]`.
pub(crate) struct Preferences<'a> {
    pub(crate) posts: &'a [Post],
    pub(crate) responses: Vec<&'a [Token]>,
    pub(crate) labels: Array2<f32>,
    pub(crate) reference: Array2<f32>,
}

/// Log-probabilities of the words of responses `[N, K, LENGTH]`, and what the way back needs.
struct Reading {
    rows: Vec<Bag>,
    pass: Pass,
    log_softmax: Array2<f32>,
    words: Array3<f32>,
    is_word: Array3<bool>,
}

impl Reading {
    /// `responses` has K to each of `posts`.
    fn new(policy: &Network, posts: &[&Post], responses: &[&[Token]]) -> Self {
        let size = responses.len() / posts.len();
        let of_posts = posts.iter().flat_map(|&post| std::iter::repeat_n(post, size));
        let rows = positions(of_posts.zip(responses.iter().copied()));
        let pass = policy.forward(&rows);
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
        Self { rows, pass, log_softmax, words, is_word }
    }

    fn log_probs(&self) -> Result<Array2<f32>, lipo::Error> {
        SequenceLogProbs::Sum.log_probs(&self.words, &self.is_word)
    }

    /// From ∂L/∂log π of responses `[N, K]` to ∂L/∂weights.
    fn backward(
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
        Ok(policy.backward(&self.rows, &self.pass, &slopes))
    }
}

/// The loss of the lists `batch`, and its gradient with respect to the policy's weights.
///
/// # Errors
///
/// Those of the loss.
pub(crate) fn objective(
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

impl<'a> Preferences<'a> {
    /// # Errors
    ///
    /// None with a policy whose weights are finite.
    pub(crate) fn new(
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

/// One training run: which loss, on which lists.
#[derive(Debug, Clone, PartialEq)]
struct Job {
    seed: usize,
    loss: &'static str,
    labels: LabelsFrom,
    size: usize,
    beta: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum LabelsFrom {
    /// The reward model's win probabilities.
    RewardModel,
    /// An annotator's ranks.
    Ranks,
}

/// The list size of Section 5.4, where only ranks are known.
const RANKED: usize = 3;
/// How often a training run is looked at.
const CHECKPOINTS: usize = 8;

#[derive(Debug, Clone, Copy)]
struct Checkpoint {
    epoch: f64,
    /// The mean loss since the last checkpoint.
    loss: f64,
    validation: f64,
}

/// What came out of a job.
struct Run {
    job: Job,
    checkpoints: Vec<Checkpoint>,
    /// On validation posts, proxy alone.
    validation: Vec<f64>,
    test: Evaluation,
    policy: Network,
}

/// Trains the policy on a job's lists.
fn optimise(lab: &Laboratory, job: &Job) -> Outcome<Run> {
    let lists = lab.preferences(job.labels, job.size)?;
    let (loss, reward) = (loss(job.loss), ImplicitReward::new(job.beta)?);
    // The same order of lists and the same sampling noise for every loss.
    let mut rng = StdRng::seed_from_u64(lab.seed);
    let mut policy = lab.reference.clone();
    let mut adam = Adam::new(LEARNING_RATE);
    let epochs = lab.setting.epochs[2];
    let steps = epochs * lists.posts.len().div_ceil(BATCH);
    let (mut order, mut queue) = ((0..lists.posts.len()).collect::<Vec<_>>(), VecDeque::new());
    let mut checkpoints: Vec<Checkpoint> = Vec::new();
    let mut validation = lab.validate(&policy)?;
    let (mut sum, mut count) = (0.0, 0.0);
    for step in 1..=steps {
        if queue.is_empty() {
            order.shuffle(&mut rng);
            queue = order.chunks(BATCH).map(<[_]>::to_vec).collect();
        }
        let batch = queue.pop_front().unwrap_or_default();
        let (value, grad) = objective(&policy, &*loss, reward, &lists, &batch)?;
        adam.step(&mut policy.weights, &grad);
        (sum, count) = (sum + f64::from(value), count + 1.0);
        if step == 1 {
            let validation = mean(&validation);
            checkpoints.push(Checkpoint { epoch: 0.0, loss: f64::from(value), validation });
        }
        if step * CHECKPOINTS / steps > (step - 1) * CHECKPOINTS / steps {
            validation = lab.validate(&policy)?;
            let epoch = (step * epochs) as f64 / steps as f64;
            let (loss, validation) = (sum / count, mean(&validation));
            checkpoints.push(Checkpoint { epoch, loss, validation });
            (sum, count) = (0.0, 0.0);
        }
    }
    let test = lab.test(&policy)?;
    Ok(Run { job: job.clone(), checkpoints, validation, test, policy })
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

// 6. Evaluation, and everything that belongs to a seed.

/// For each post, averaged over two responses: whether the response beats the writer's summary by the
/// reward model and by the taste (½ for a tie); and KL(π‖π_ref) from the policy's own distribution.
struct Evaluation {
    proxy: Vec<f64>,
    taste: Vec<f64>,
    kl: Vec<f64>,
    words: f64,
}

const EVALUATED: usize = 2;

struct Laboratory {
    seed: u64,
    setting: Setting,
    reference: Network,
    reward_model: RewardModel,
    /// The reward model's on held-out comparisons, and what knowing the taste would give.
    accuracy: [f64; 2],
    posts: Vec<Post>,
    responses: Vec<Vec<Token>>,
    wins: Array3<f32>,
    ranks: Array2<f32>,
    validation_posts: Vec<Post>,
    test_posts: Vec<Post>,
}

impl Laboratory {
    fn new(seed: u64, setting: Setting) -> Outcome<Self> {
        let mut rng = StdRng::seed_from_u64(seed);
        let [epochs, reward_epochs, _] = setting.epochs;
        let corpus = World::posts(setting.corpus, &mut rng);
        let reference = fine_tune(&corpus, epochs, &mut rng);

        let compared = comparisons(&reference, &corpus, setting.comparisons, &mut rng);
        let reward_model =
            RewardModel::train(&reference, &corpus, &compared, reward_epochs, &mut rng);
        let unseen = World::posts(setting.comparisons / 4, &mut rng);
        let held_out = comparisons(&reference, &unseen, unseen.len(), &mut rng);
        let knowing = held_out.iter().map(|one| {
            let [first, second] = &one.responses;
            let first = World::prefers(&unseen[one.post], first, second);
            first.max(1.0 - first)
        });
        let accuracy =
            [reward_model.accuracy(&unseen, &held_out)?, mean(&knowing.collect::<Vec<_>>())];

        let posts = World::posts(setting.lists, &mut rng);
        let responses = Sampler::PAPER.responses(&reference, &posts, RESPONSES, &mut rng);
        let slices: Vec<_> = responses.iter().map(Vec::as_slice).collect();
        let wins = reward_model.wins(&posts, &slices)?;
        let ranks = posts
            .iter()
            .zip(responses.chunks(RESPONSES))
            .flat_map(|(post, responses)| World::ranks(post, &responses[..RANKED], &mut rng));
        let ranks = Array2::from_shape_vec((posts.len(), RANKED), ranks.collect())?;
        let validation_posts = World::posts(setting.validation, &mut rng);
        let test_posts = World::posts(setting.test, &mut rng);
        Ok(Self {
            seed,
            setting,
            reference,
            reward_model,
            accuracy,
            posts,
            responses,
            wins,
            ranks,
            validation_posts,
            test_posts,
        })
    }

    /// Lists of the first `size` responses to each post.
    fn preferences(&self, labels: LabelsFrom, size: usize) -> Outcome<Preferences<'_>> {
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

    /// The proxy's view of the policy on the validation posts.
    fn validate(&self, policy: &Network) -> Outcome<Vec<f64>> {
        let mut rng = StdRng::seed_from_u64(self.seed ^ 1);
        let posts = &self.validation_posts;
        let responses = Sampler::PAPER.responses(policy, posts, EVALUATED, &mut rng);
        self.proxy(posts, &responses)
    }

    fn proxy(&self, posts: &[Post], responses: &[Vec<Token>]) -> Outcome<Vec<f64>> {
        let wins = self.reward_model.beats_summary(posts, responses)?;
        let wins: Vec<_> = wins.into_iter().map(|win| beats(win.into(), 0.5)).collect();
        Ok(wins.chunks(EVALUATED).map(mean).collect())
    }

    fn test(&self, policy: &Network) -> Outcome<Evaluation> {
        let mut rng = StdRng::seed_from_u64(self.seed ^ 2);
        let posts = &self.test_posts;
        let responses = Sampler::PAPER.responses(policy, posts, EVALUATED, &mut rng);
        let wins = responses.chunks(EVALUATED).zip(posts).map(|(responses, post)| {
            let taste = |response: &[Token]| World::taste(post, response);
            let win = |one: &Vec<Token>| beats(taste(one), taste(&post.summary));
            mean(&responses.iter().map(win).collect::<Vec<_>>())
        });
        let taste = wins.collect();
        let words = responses.iter().map(|response| response.len() as f64 - 1.0);
        let words = mean(&words.collect::<Vec<_>>());

        let own = Sampler::PLAIN.responses(policy, posts, 1, &mut rng);
        let rows = positions(posts.iter().zip(own.iter().map(Vec::as_slice)));
        let here = log_softmax(policy.forward(&rows).outputs);
        let there = log_softmax(self.reference.forward(&rows).outputs);
        let mut of_words = here.rows().into_iter().zip(there.rows()).map(|(here, there)| {
            let terms = here.iter().zip(there).map(|(&p, &q)| f64::from(p.exp() * (p - q)));
            terms.sum::<f64>()
        });
        let kl = own.iter().map(|response| of_words.by_ref().take(response.len()).sum());
        Ok(Evaluation { proxy: self.proxy(posts, &responses)?, taste, kl: kl.collect(), words })
    }
}

/// 1 where the first is greater, ½ where they are equal, 0 elsewhere.
fn beats(one: f64, other: f64) -> f64 {
    if one == other { 0.5 } else { f64::from(u8::from(one > other)) }
}

// 7. The experiments.

/// Works on jobs in as many threads as there are processors; results come in the jobs' order.
fn in_parallel<J: Sync, R: Send>(
    jobs: &[J],
    progress: &ProgressBar,
    work: impl Fn(&J) -> Outcome<R> + Sync,
) -> Result<Vec<R>, Box<dyn Error>> {
    let queue = Mutex::new(jobs.iter().enumerate());
    let results = Mutex::new(Vec::new());
    let next = || queue.lock().expect("no panics while locked").next();
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some((index, job)) = next() {
                    let result = work(job);
                    results.lock().expect("no panics while locked").push((index, result));
                    progress.inc(1);
                }
            });
        }
    });
    let mut results = results.into_inner().expect("no panics while locked");
    results.sort_by_key(|(index, _)| *index);
    let results: Outcome<Vec<R>> = results.into_iter().map(|(_, result)| result).collect();
    results.map_err(|error| -> Box<dyn Error> { error })
}

/// All runs of all seeds.
struct Results {
    losses: Vec<&'static str>,
    list_sizes: Vec<usize>,
    betas: Vec<f64>,
    labs: Vec<Laboratory>,
    /// The policy before preference optimisation, on each seed's test posts.
    before: Vec<Evaluation>,
    runs: Vec<Run>,
    /// The β of each loss with labels of each source.
    chosen: Vec<(&'static str, LabelsFrom, f64)>,
}

fn run(args: &Args) -> Result<(), Box<dyn Error>> {
    fs::create_dir_all(&args.out).map_err(|error| format!("{}: {error}", args.out.display()))?;
    let results = Results::new(args)?;
    results.print()?;
    results.write(&args.out)?;
    results.draw(&args.out)?;
    say(format_args!("\nThe pictures and CSV files are in {}.", args.out.display()))?;
    Ok(())
}

fn progress(count: usize, of_what: &'static str) -> Result<ProgressBar, Box<dyn Error>> {
    let style = ProgressStyle::with_template("{msg} {bar:40} {pos} of {len}, {eta} left")?;
    Ok(ProgressBar::new(count as u64).with_style(style).with_message(of_what))
}

impl Results {
    fn new(args: &Args) -> Result<Self, Box<dyn Error>> {
        let setting = if args.tiny { Setting::TINY } else { Setting::FULL };
        let mut losses: Vec<_> = named::LOSSES
            .into_iter()
            .filter(|name| args.losses.iter().any(|asked| asked == name))
            .collect();
        if losses.contains(&"lambda-loss") {
            losses.extend([GAIN_ALONE, DISCOUNT_ALONE]);
        }
        let (mut list_sizes, mut betas) = (args.list_sizes.clone(), args.beta.clone());
        list_sizes.sort_unstable();
        list_sizes.dedup();
        betas.sort_unstable_by(f64::total_cmp);
        betas.dedup();

        let seeds: Vec<_> = (0..args.seeds).collect();
        let bar = progress(2 * seeds.len(), "fine-tuning and reward models")?;
        let labs = in_parallel(&seeds, &bar, |&seed| Laboratory::new(seed, setting))?;
        let before = in_parallel(&labs, &bar, |lab| lab.test(&lab.reference))?;
        bar.finish_and_clear();
        let (runs, chosen) = (Vec::new(), Vec::new());
        let mut results = Self { losses, list_sizes, betas, labs, before, runs, chosen };

        // With every β, on the longest lists and on ranks, each loss chooses its β; shorter lists follow.
        let longest = results.longest();
        let sweep = results.jobs(|loss| {
            let sources = [(LabelsFrom::RewardModel, longest), (LabelsFrom::Ranks, RANKED)];
            let sources = sources.into_iter().filter(|(labels, _)| {
                *labels == LabelsFrom::RewardModel || named::LOSSES.contains(&loss)
            });
            let betas = &results.betas;
            let jobs = sources.flat_map(|(labels, size)| {
                betas.iter().map(move |&beta| (loss, labels, size, beta))
            });
            jobs.collect()
        });
        let shorter = results.list_sizes.len() - 1;
        let rest = shorter * results.of_table_1().count() * results.labs.len();
        let bar = progress(sweep.len() + rest, "preference optimisation")?;
        results.runs = in_parallel(&sweep, &bar, |job| optimise(&results.labs[job.seed], job))?;
        results.choose_betas();

        let rest = results.jobs(|loss| {
            let beta = results.beta(loss, LabelsFrom::RewardModel);
            let of_size = |&size: &usize| (loss, LabelsFrom::RewardModel, size, beta);
            let sizes =
                if named::LOSSES.contains(&loss) { &results.list_sizes[..shorter] } else { &[] };
            sizes.iter().map(of_size).collect()
        });
        let runs = in_parallel(&rest, &bar, |job| optimise(&results.labs[job.seed], job))?;
        bar.finish_and_clear();
        results.runs.extend(runs);
        Ok(results)
    }

    fn jobs(
        &self,
        of_loss: impl Fn(&'static str) -> Vec<(&'static str, LabelsFrom, usize, f64)>,
    ) -> Vec<Job> {
        let seeds = 0..self.labs.len();
        let jobs = self.losses.iter().flat_map(|loss| of_loss(loss));
        jobs.flat_map(|(loss, labels, size, beta)| {
            seeds.clone().map(move |seed| Job { seed, loss, labels, size, beta })
        })
        .collect()
    }

    fn of_table_1(&self) -> impl Iterator<Item = &'static str> {
        self.losses.iter().copied().filter(|loss| named::LOSSES.contains(loss))
    }

    fn longest(&self) -> usize {
        self.list_sizes.last().copied().unwrap_or(RESPONSES)
    }

    /// The runs of all seeds, in the seeds' order.
    fn of(&self, loss: &str, labels: LabelsFrom, size: usize, beta: f64) -> Vec<&Run> {
        let is_it = |run: &&Run| {
            let Job { loss: its, labels: from, size: of, beta: with, .. } = &run.job;
            *its == loss && *from == labels && *of == size && *with == beta
        };
        self.runs.iter().filter(is_it).collect()
    }

    /// With labels of the reward model and the loss's own β.
    fn with_size(&self, loss: &str, size: usize) -> Vec<&Run> {
        self.of(loss, LabelsFrom::RewardModel, size, self.beta(loss, LabelsFrom::RewardModel))
    }

    /// With labels from ranks and the loss's own β.
    fn with_ranks(&self, loss: &str) -> Vec<&Run> {
        self.of(loss, LabelsFrom::Ranks, RANKED, self.beta(loss, LabelsFrom::Ranks))
    }

    /// For each loss and source of labels, the β with the greatest proxy win rate on validation posts.
    fn choose_betas(&mut self) {
        for (labels, size) in
            [(LabelsFrom::RewardModel, self.longest()), (LabelsFrom::Ranks, RANKED)]
        {
            for &loss in &self.losses {
                let win_rate = |&beta: &f64| {
                    let runs = self.of(loss, labels, size, beta);
                    mean(&runs.iter().map(|run| mean(&run.validation)).collect::<Vec<_>>())
                };
                let best = self.betas.iter().max_by(|a, b| win_rate(a).total_cmp(&win_rate(b)));
                self.chosen.push((loss, labels, best.copied().unwrap_or(f64::NAN)));
            }
        }
    }

    fn beta(&self, loss: &str, labels: LabelsFrom) -> f64 {
        let is_it = |(its, from, _): &&(&str, LabelsFrom, f64)| *its == loss && *from == labels;
        self.chosen.iter().find(is_it).map_or(f64::NAN, |(.., beta)| *beta)
    }
}

/// The mean of a measure over the test posts of some seeds.
fn over<'a>(
    evaluations: impl IntoIterator<Item = &'a Evaluation>,
    measure: impl Fn(&Evaluation) -> &Vec<f64>,
) -> Interval {
    let groups: Vec<_> = evaluations.into_iter().map(|one| measure(one).clone()).collect();
    bootstrap(&groups, 0)
}

fn tests<'a>(runs: &'a [&Run]) -> impl Iterator<Item = &'a Evaluation> {
    runs.iter().map(|run| &run.test)
}

/// How much more often one wins than another by the taste, post by post.
fn difference(one: &[&Run], other: &[&Run]) -> Interval {
    let pairs = one.iter().zip(other);
    let of_posts = |(one, other): (&&Run, &&Run)| {
        one.test.taste.iter().zip(&other.test.taste).map(|(one, other)| one - other).collect()
    };
    bootstrap(&pairs.map(of_posts).collect::<Vec<_>>(), 0)
}

// 8. What is told, drawn and written.

/// What a loss is known as, at a list size.
fn known_as(loss: &str, size: usize) -> &'static str {
    match (loss, size) {
        ("pair-hinge", 2) => "SLiC",
        ("pair-logistic", 2) => "DPO",
        ("list-mle", 3..) => "DPO-PL",
        ("lambda-loss", _) => "LiPO-λ",
        _ => "",
    }
}

fn signed(difference: Interval) -> String {
    let points = difference.scaled(100.0);
    format!("{:+.1} ± {:.1}", points.mean, points.margin())
}

fn measures<'a>(evaluations: impl IntoIterator<Item = &'a Evaluation> + Clone) -> [String; 4] {
    let words: Vec<_> = evaluations.clone().into_iter().map(|one| one.words).collect();
    [
        percent(over(evaluations.clone(), |one| &one.proxy)),
        percent(over(evaluations.clone(), |one| &one.taste)),
        format!("{:.2}", over(evaluations, |one| &one.kl).mean),
        format!("{:.1}", mean(&words)),
    ]
}

/// A row of a table: what stands first, the measures, and the true win rate less that of a baseline.
fn row<const N: usize>(first: [&str; N], runs: &[&Run], baseline: &[&Run]) -> Vec<String> {
    let compared =
        if baseline.is_empty() { String::new() } else { signed(difference(runs, baseline)) };
    let measures = measures(runs.iter().map(|run| &run.test));
    first.map(String::from).into_iter().chain(measures).chain([compared]).collect()
}

type Measure = fn(&Evaluation) -> &Vec<f64>;

const JUDGES: [(&str, Measure); 2] = [
    ("by the reward model (proxy)", |one| &one.proxy),
    ("by the true preference", |one| &one.taste),
];

const MEASURES: [&str; 4] = ["proxy, %", "true, %", "KL, nats", "words"];

/// A line of `runs.csv`; win rates are shares.
#[derive(Serialize)]
struct RunRecord {
    seed: u64,
    loss: &'static str,
    labels: LabelsFrom,
    list_size: usize,
    beta: f64,
    beta_was_chosen: bool,
    validation_proxy: f64,
    proxy: f64,
    #[serde(rename = "true")]
    taste: f64,
    kl: f64,
    words: f64,
}

/// A line of `summary.csv`: all seeds together, with 95 % intervals.
#[derive(Serialize)]
struct SummaryRecord {
    loss: &'static str,
    labels: LabelsFrom,
    list_size: usize,
    beta: f64,
    beta_was_chosen: bool,
    seeds: usize,
    proxy: f64,
    proxy_low: f64,
    proxy_high: f64,
    #[serde(rename = "true")]
    taste: f64,
    #[serde(rename = "true_low")]
    taste_low: f64,
    #[serde(rename = "true_high")]
    taste_high: f64,
    kl: f64,
}

/// A line of `curves.csv`.
#[derive(Serialize)]
struct CurveRecord {
    seed: u64,
    loss: &'static str,
    labels: LabelsFrom,
    list_size: usize,
    beta: f64,
    epoch: f64,
    training_loss: f64,
    validation_proxy: f64,
}

impl Results {
    fn print(&self) -> io::Result<()> {
        let [accuracy, knowing] = [0, 1].map(|index| {
            let accuracies = self.labs.iter().map(|lab| lab.accuracy[index]);
            100.0 * mean(&accuracies.collect::<Vec<_>>())
        });
        let lab = &self.labs[0];
        say(format_args!(
            "{} seeds. Each: {} summaries for fine-tuning, {} comparisons for the reward model, {} lists, \
             {} posts to choose β, {} to test.\n\
             The reward model agrees with {accuracy:.1} % of held-out comparisons; knowing the taste would, \
             with {knowing:.1} %.\n\
             Win rates are against the writers' summaries, with 95 % bootstrap intervals over seeds and posts.",
            self.labs.len(),
            lab.setting.corpus,
            lab.setting.comparisons,
            lab.setting.lists,
            lab.setting.validation,
            lab.setting.test,
        ))?;
        self.print_table_1()?;
        self.print_list_sizes()?;
        self.print_weights()?;
        self.print_ranks()?;
        self.print_betas()?;
        self.print_samples()?;
        Ok(())
    }

    /// Table 1 of the paper.
    fn print_table_1(&self) -> io::Result<()> {
        say("\n## Win rates (the paper's Table 1)\n")?;
        let dpo = self.with_size("pair-logistic", 2);
        let before = ["before: SFT policy", "", "", ""].map(String::from);
        let mut rows = vec![[&before[..], &measures(&self.before), &[String::new()]].concat()];
        let mut sizes = vec![2, self.longest()];
        sizes.dedup();
        for size in sizes {
            for loss in self.of_table_1() {
                let runs = self.with_size(loss, size);
                let beta = self.beta(loss, LabelsFrom::RewardModel).to_string();
                let first = [loss, known_as(loss, size), &size.to_string(), &beta];
                if !runs.is_empty() {
                    rows.push(row(first, &runs, &dpo));
                }
            }
        }
        let first = ["loss", "known as", "K", "β"];
        let header = [&first[..], &MEASURES, &["true, less that of DPO"]].concat();
        say(markdown(&header, rows))?;
        Ok(())
    }

    fn print_list_sizes(&self) -> io::Result<()> {
        say("\n## Win rate by list size: proxy, then true, % (Figure 3a)\n")?;
        let sizes = || self.list_sizes.iter();
        let mut header = vec!["loss".to_owned()];
        header.extend(sizes().map(|size| format!("proxy, K = {size}")));
        header.extend(sizes().map(|size| format!("true, K = {size}")));
        let rows = self.of_table_1().map(|loss| {
            let mut cells = vec![loss.to_owned()];
            for (_, measure) in JUDGES {
                let of_size = |&size| percent(over(tests(&self.with_size(loss, size)), measure));
                cells.extend(sizes().map(of_size));
            }
            cells
        });
        say(markdown(&header, rows))?;
        Ok(())
    }

    /// The four weights, and their losses.
    fn weights(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        let weights = [
            ("gain and discount (DCG)", "lambda-loss"),
            ("gain alone", GAIN_ALONE),
            ("discount alone", DISCOUNT_ALONE),
            ("constant (pair-logistic)", "pair-logistic"),
        ];
        let all = self.losses.contains(&"lambda-loss");
        weights.into_iter().filter(move |(_, loss)| all && self.losses.contains(loss))
    }

    fn print_weights(&self) -> io::Result<()> {
        if self.weights().next().is_none() {
            return Ok(());
        }
        say(format_args!("\n## Lambda weights, K = {} (Figure 3b)\n", self.longest()))?;
        let dcg = self.with_size("lambda-loss", self.longest());
        let rows = self.weights().map(|(name, loss)| {
            let beta = self.beta(loss, LabelsFrom::RewardModel).to_string();
            row([name, &beta], &self.with_size(loss, self.longest()), &dcg)
        });
        let header = [&["weight", "β"][..], &MEASURES, &["true, less that of DCG"]].concat();
        say(markdown(&header, rows))?;
        Ok(())
    }

    fn print_ranks(&self) -> io::Result<()> {
        say(format_args!("\n## From an annotator's ranks alone, K = {RANKED} (Section 5.4)\n"))?;
        let logistic = self.with_ranks("pair-logistic");
        let rows = self.of_table_1().map(|loss| {
            let beta = self.beta(loss, LabelsFrom::Ranks).to_string();
            row([loss, &beta], &self.with_ranks(loss), &logistic)
        });
        let last = ["true, less that of pair-logistic"];
        say(markdown(&[&["loss", "β"][..], &MEASURES, &last].concat(), rows))?;
        Ok(())
    }

    fn print_betas(&self) -> io::Result<()> {
        say(format_args!(
            "\n## KL (nats) and true win rate (%) by β, K = {}; * is the chosen β\n",
            self.longest()
        ))?;
        let mut header = vec!["loss".to_owned()];
        header.extend(self.betas.iter().map(|beta| format!("β = {beta}")));
        let rows = self.of_table_1().map(|loss| {
            let cells = self.betas.iter().map(|&beta| {
                let runs = self.of(loss, LabelsFrom::RewardModel, self.longest(), beta);
                let kl = over(tests(&runs), |one| &one.kl).mean;
                let taste = 100.0 * over(tests(&runs), |one| &one.taste).mean;
                let star = if beta == self.beta(loss, LabelsFrom::RewardModel) { " *" } else { "" };
                format!("{kl:.2}: {taste:.1}{star}")
            });
            std::iter::once(loss.to_owned()).chain(cells).collect()
        });
        say(markdown(&header, rows))?;
        Ok(())
    }

    /// A post and what becomes of it.
    fn print_samples(&self) -> io::Result<()> {
        let lab = &self.labs[0];
        let posts = &lab.test_posts[..1];
        let write = |policy: &Network| {
            let rng = &mut StdRng::seed_from_u64(0);
            sentence(&Sampler::PAPER.responses(policy, posts, 1, rng)[0])
        };
        say("\n## A post and its summaries\n")?;
        say(format_args!("    {:<24} {}", "post", sentence(&posts[0].words)))?;
        say(format_args!("    {:<24} {}", "key words", sentence(&posts[0].keys)))?;
        say(format_args!("    {:<24} {}", "writer", sentence(&posts[0].summary)))?;
        say(format_args!("    {:<24} {}", "SFT policy", write(&lab.reference)))?;
        for loss in self.of_table_1() {
            if let Some(run) = self.with_size(loss, self.longest()).first() {
                say(format_args!("    {loss:<24} {}", write(&run.policy)))?;
            }
        }
        Ok(())
    }

    fn write(&self, out: &Path) -> Result<(), Box<dyn Error>> {
        let seed = |run: &Run| self.labs[run.job.seed].seed;
        let runs = self.runs.iter().map(|run| RunRecord {
            seed: seed(run),
            loss: run.job.loss,
            labels: run.job.labels,
            list_size: run.job.size,
            beta: run.job.beta,
            beta_was_chosen: run.job.beta == self.beta(run.job.loss, run.job.labels),
            validation_proxy: mean(&run.validation),
            proxy: mean(&run.test.proxy),
            taste: mean(&run.test.taste),
            kl: mean(&run.test.kl),
            words: run.test.words,
        });
        write_csv(&out.join("runs.csv"), runs)?;

        // One run of each group stands for all of its seeds.
        let summaries = self.runs.iter().filter(|run| run.job.seed == 0).map(|run| {
            let Job { loss, labels, size, beta, .. } = run.job;
            let runs = self.of(loss, labels, size, beta);
            let proxy = over(tests(&runs), |one| &one.proxy);
            let taste = over(tests(&runs), |one| &one.taste);
            SummaryRecord {
                loss,
                labels,
                list_size: size,
                beta,
                beta_was_chosen: beta == self.beta(loss, labels),
                seeds: runs.len(),
                proxy: proxy.mean,
                proxy_low: proxy.low,
                proxy_high: proxy.high,
                taste: taste.mean,
                taste_low: taste.low,
                taste_high: taste.high,
                kl: over(tests(&runs), |one| &one.kl).mean,
            }
        });
        write_csv(&out.join("summary.csv"), summaries)?;

        let points = self.runs.iter().flat_map(|run| {
            run.checkpoints.iter().map(move |checkpoint| CurveRecord {
                seed: seed(run),
                loss: run.job.loss,
                labels: run.job.labels,
                list_size: run.job.size,
                beta: run.job.beta,
                epoch: checkpoint.epoch,
                training_loss: checkpoint.loss,
                validation_proxy: checkpoint.validation,
            })
        });
        write_csv(&out.join("curves.csv"), points)
    }

    fn draw(&self, out: &Path) -> Result<(), Box<dyn Error>> {
        let panels = self.by_both_judges("list size K", |loss, judge| {
            let of_size =
                |&size: &usize| (size as f64, win_rate(&self.with_size(loss, size), judge));
            self.list_sizes.iter().map(of_size).collect()
        });
        let x_ticks: Vec<_> = self.list_sizes.iter().map(|&size| size as f64).collect();
        let panels = panels.map(|panel| Panel { x_ticks: x_ticks.clone(), ..panel });
        plot::lines(&out.join("list_size.svg"), "Win rate by list size (Figure 3a)", &panels)?;

        let x_label = "KL from the SFT policy, nats a summary; one point a β";
        let panels = self.by_both_judges(x_label, |loss, judge| {
            let of_beta = |&beta: &f64| {
                let runs = self.of(loss, LabelsFrom::RewardModel, self.longest(), beta);
                (over(tests(&runs), |one| &one.kl).mean, win_rate(&runs, judge))
            };
            self.betas.iter().map(of_beta).collect()
        });
        let x_ticks = vec![0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0];
        let (x_scale, spread) = (Scale::Log, Spread::BarsInPlace);
        let panels =
            panels.map(|panel| Panel { x_ticks: x_ticks.clone(), x_scale, spread, ..panel });
        let title = format!("What distance from the SFT policy buys, K = {}", self.longest());
        plot::lines(&out.join("kl.svg"), &title, &panels)?;

        let panels = [
            self.curves("training loss", "loss, as a share of the first batch's", |run, at| {
                at.loss / run.checkpoints[0].loss
            }),
            self.curves("validation posts, by the reward model (proxy)", WIN_RATE, |_, at| {
                100.0 * at.validation
            }),
        ];
        let title = format!("Training with lists of {}; bands over seeds", self.longest());
        plot::lines(&out.join("curves.svg"), &title, &panels)?;

        let bars = |runs: &mut dyn Iterator<Item = (&str, Vec<&Run>)>| -> Vec<Bar> {
            let bars = runs.flat_map(|(group, runs)| {
                JUDGES.map(|(judge, measure)| Bar {
                    group: group.to_owned(),
                    name: judge.to_owned(),
                    value: win_rate(&runs, measure),
                })
            });
            bars.collect()
        };
        let of_weight = |(name, loss)| (name, self.with_size(loss, self.longest()));
        let weights = bars(&mut self.weights().map(of_weight));
        if !weights.is_empty() {
            let title = "The parts of the lambda weight (Figure 3b)";
            plot::bars(&out.join("lambda_weight.svg"), title, WIN_RATE, &weights, None)?;
        }
        let of_ranks = |loss| (loss, self.with_ranks(loss));
        let ranks = bars(&mut self.of_table_1().map(of_ranks));
        let title = format!("From an annotator's ranks of {RANKED} responses (Section 5.4)");
        plot::bars(&out.join("ranks.svg"), &title, WIN_RATE, &ranks, None)
    }

    /// A panel for each judge, a line for each loss, and the SFT policy to compare with.
    fn by_both_judges(
        &self,
        x_label: &str,
        points: impl Fn(&'static str, Measure) -> Vec<(f64, Interval)>,
    ) -> [Panel; 2] {
        JUDGES.map(|(judge, measure)| {
            let line =
                |loss: &'static str| Line { name: loss.into(), points: points(loss, measure) };
            let before = 100.0 * over(&self.before, measure).mean;
            Panel {
                title: judge.into(),
                x_label: x_label.into(),
                y_label: WIN_RATE.into(),
                lines: self.of_table_1().map(line).collect(),
                reference: Some((before, "SFT policy".into())),
                ..Panel::default()
            }
        })
    }

    fn curves(&self, title: &str, y_label: &str, y: impl Fn(&Run, &Checkpoint) -> f64) -> Panel {
        let line = |loss: &'static str| {
            let runs = self.with_size(loss, self.longest());
            let point = |index: usize| {
                let of_run = |run: &&Run| vec![y(run, &run.checkpoints[index])];
                let values: Vec<_> = runs.iter().map(of_run).collect();
                (runs[0].checkpoints[index].epoch, bootstrap(&values, 0))
            };
            let points = (0..runs[0].checkpoints.len()).map(point).collect();
            Line { name: loss.into(), points }
        };
        Panel {
            title: title.into(),
            x_label: "epoch".into(),
            y_label: y_label.into(),
            lines: self.of_table_1().map(line).collect(),
            spread: Spread::Bands,
            ..Panel::default()
        }
    }
}

const WIN_RATE: &str = "win rate against the writers, %";

/// In per cent.
fn win_rate(runs: &[&Run], judge: Measure) -> Interval {
    over(tests(runs), judge).scaled(100.0)
}
