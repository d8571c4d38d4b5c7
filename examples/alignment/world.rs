//! The world: a language of 64 words, posts, the writers who summarise them, and the annotators who
//! compare summaries by a hidden taste.

use num_traits::Float;
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{Rng, RngExt};
use rand_distr::{Distribution, Gumbel};

/// A word, as its number below [`VOCABULARY`].
pub type Token = u8;

pub const VOCABULARY: usize = 64;
/// The token that ends a response.
pub const END: Token = 0;
/// The greatest number of tokens in a response, its end among them.
pub const LENGTH: usize = 12;
/// The number of a post's key words, which a good summary mentions.
const KEYS: usize = 3;
/// The scale of the annotators' noise, in units of the taste.
const NOISE: f64 = 0.8;

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
/// The first token of the topics.
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

/// Tokens as a reader sees them.
pub fn sentence(tokens: &[Token]) -> String {
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
pub struct Post {
    pub words: Vec<Token>,
    pub keys: Vec<Token>,
    pub summary: Vec<Token>,
}

pub fn posts(count: usize, rng: &mut impl Rng) -> Vec<Post> {
    (0..count).map(|_| post(rng)).collect()
}

/// Each key word twice, three content words of any topic and three function words, shuffled.
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
    let summary = summary(&words, &keys, rng);
    Post { words, keys, summary }
}

/// A writer's summary. A careful writer mentions each key word once, after a function word that agrees
/// with it; how careful the writer is, is drawn for each summary.
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

/// The hidden taste: it likes key words that are mentioned; it dislikes other content words,
/// repetition, function words that do not agree, and length.
pub fn taste(post: &Post, response: &[Token]) -> f64 {
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
pub fn prefers(post: &Post, first: &[Token], second: &[Token]) -> f64 {
    logistic((taste(post, first) - taste(post, second)) / NOISE)
}

/// An annotator's ranks of responses, 1 the best: Plackett and Luce's model, of which [`prefers`] is
/// the case of two responses.
pub fn ranks(post: &Post, responses: &[Vec<Token>], rng: &mut impl Rng) -> Vec<f32> {
    let noise = Gumbel::new(0.0, NOISE).expect("a positive scale");
    let noisy: Vec<f64> =
        responses.iter().map(|one| taste(post, one) + noise.sample(rng)).collect();
    let better = |than: f64| noisy.iter().filter(|&&other| other > than).count();
    noisy.iter().map(|&one| 1.0 + better(one) as f32).collect()
}

/// σ(x) = 1 / (1 + e^−x), the probability of winning by a difference of x.
pub fn logistic<F: Float>(x: F) -> F {
    (F::one() + (-x).exp()).recip()
}
