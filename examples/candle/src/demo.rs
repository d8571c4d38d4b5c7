//! A tiny model, its tokenizer and a task, made from a seed: the whole program without a download.
//!
//! A prompt names two words of a topic, a response is a handful of words of all topics, and it is the
//! better the more of its words are of the prompt's topic. The pairs of words in held-out prompts are in
//! no prompt to learn from.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use candle_core::Device;
use rand::{Rng, SeedableRng, rngs::StdRng};
use serde_json::{Map, Value, json};

use crate::model::Config;
use crate::{Context, Result, files, weights};

const TOPICS: [[&str; 6]; 4] = [
    ["boat", "wave", "harbour", "sail", "anchor", "tide"],
    ["seed", "rose", "spade", "hedge", "blossom", "soil"],
    ["bread", "oven", "dough", "flour", "crust", "yeast"],
    ["fiddle", "choir", "song", "drum", "tune", "chord"],
];
/// The tokens that belong to no topic; a token's id is its place in this list, and those of the topics follow.
const OTHERS: [&str; 5] = ["<unk>", "<s>", "</s>", "write", "about"];

/// Writes `model/`, `train.jsonl` and `held-out.jsonl` to a folder.
///
/// # Errors
///
/// Files that cannot be written.
pub fn make(folder: &Path, lists: usize, held_out: usize, seed: u64) -> Result<()> {
    let model = folder.join("model");
    fs::create_dir_all(&model).at(model.display())?;
    let config = config();
    files::write_text(&model.join("config.json"), &format!("{config:#}\n"))?;
    files::write_text(&model.join("tokenizer.json"), &format!("{:#}\n", tokenizer()))?;
    let config: Config = serde_json::from_value(config)?;
    let llama = weights::random(&config, seed, &Device::Cpu)?;
    files::write_tensors(&model.join("model.safetensors"), &weights::tensors(&llama), "")?;
    let mut rng = StdRng::seed_from_u64(seed);
    files::write_text(&folder.join("train.jsonl"), &lines(lists, &mut rng, false)?)?;
    files::write_text(&folder.join("held-out.jsonl"), &lines(held_out, &mut rng, true)?)
}

/// `config.json` of a decoder of two layers, with grouped queries and a tied output layer.
#[must_use]
pub fn config() -> Value {
    json!({
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": OTHERS.len() + TOPICS.as_flattened().len(),
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0,
        "max_position_embeddings": 64,
        "hidden_act": "silu",
        "tie_word_embeddings": true,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "torch_dtype": "float32",
    })
}

/// `tokenizer.json` of a tokenizer of whole words, which puts `<s>` in front.
#[must_use]
pub fn tokenizer() -> Value {
    let words = OTHERS.iter().chain(TOPICS.as_flattened()).enumerate();
    let vocabulary: Map<String, Value> =
        words.map(|(id, &word)| (word.into(), id.into())).collect();
    let special = OTHERS[..3].iter().enumerate().map(|(id, content)| {
        json!({
            "id": id, "content": content, "special": true, "normalized": false,
            "single_word": false, "lstrip": false, "rstrip": false,
        })
    });
    json!({
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": special.collect::<Vec<_>>(),
        "normalizer": null,
        "pre_tokenizer": {
            "type": "Split", "pattern": { "Regex": r"\s+" }, "behavior": "Removed", "invert": false,
        },
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [{ "SpecialToken": { "id": "<s>", "type_id": 0 } }, { "Sequence": { "id": "A", "type_id": 0 } }],
            "pair": [{ "Sequence": { "id": "A", "type_id": 0 } }, { "Sequence": { "id": "B", "type_id": 1 } }],
            "special_tokens": { "<s>": { "id": "<s>", "ids": [1], "tokens": ["<s>"] } },
        },
        "decoder": null,
        "model": { "type": "WordLevel", "vocab": vocabulary, "unk_token": "<unk>" },
    })
}

/// Lines with each of the three forms of labels in turn.
fn lines(count: usize, rng: &mut StdRng, held_out: bool) -> Result<String> {
    let mut text = String::new();
    for line in 0..count {
        let topic = rng.random_range(0..TOPICS.len());
        let (first, second) = loop {
            let (first, second) = (rng.random_range(0..6), rng.random_range(0..6));
            if first != second && ((first + second) % 3 == 0) == held_out {
                break (first, second);
            }
        };
        let prompt = format!("write about {} {}", TOPICS[topic][first], TOPICS[topic][second]);
        let (mut responses, mut goods) = (Vec::new(), Vec::new());
        for _ in 0..rng.random_range(2..=5) {
            let own = rng.random_range(0.0..1.0);
            let length = rng.random_range(3..=6);
            let mut good = 0;
            let words = (0..length).map(|_| {
                let of =
                    if rng.random_bool(own) { topic } else { rng.random_range(0..TOPICS.len()) };
                good += usize::from(of == topic);
                TOPICS[of][rng.random_range(0..6)]
            });
            responses.push(words.collect::<Vec<_>>().join(" "));
            goods.push(good as f64 / f64::from(length));
        }
        let ranks = goods.iter().map(|good| 1 + goods.iter().filter(|&other| other > good).count());
        let wins = |i: f64| goods.iter().map(move |j| 1.0 / (1.0 + (8.0 * (j - i)).exp()));
        let (form, labels) = match line % 3 {
            0 => ("labels", json!(goods)),
            1 => ("ranks", json!(ranks.collect::<Vec<_>>())),
            _ => {
                let wins = goods.iter().map(|&i| wins(i).collect::<Vec<_>>());
                ("win_probabilities", json!(wins.collect::<Vec<_>>()))
            }
        };
        let record = json!({ "prompt": prompt, "responses": responses, form: labels });
        writeln!(text, "{record}")?;
    }
    Ok(text)
}

/// The lists to learn from in the demonstration.
pub const LISTS: usize = 400;
/// The lists that it holds out.
pub const HELD_OUT: usize = 80;

/// The arguments by which the demonstration trains on what [`make`] made.
#[must_use]
pub fn arguments(inputs: &Path, out: &Path, loss: &str) -> Vec<String> {
    let path = |path: &Path| path.display().to_string();
    let mut arguments = vec!["train".to_owned(), path(&inputs.join("model"))];
    arguments.extend([path(&inputs.join("train.jsonl")), "--held-out".to_owned()]);
    arguments.extend([path(&inputs.join("held-out.jsonl")), "--out".to_owned(), path(out)]);
    let rest = "--beta 0.5 --epochs 4 --batch 16 --micro-batch 8 --learning-rate 0.005";
    arguments.extend(["--loss".to_owned(), loss.to_owned()]);
    arguments.extend(rest.split(' ').map(str::to_owned));
    arguments
}
