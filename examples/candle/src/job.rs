//! The arguments of `finetune train`, and what it does with them.

use std::path::PathBuf;

use candle_core::Device;
use clap::Args;
use clap::builder::{PossibleValue, PossibleValuesParser};
use rand::seq::SliceRandom;
use rand::{SeedableRng, rngs::StdRng};
use serde_json::json;

use crate::data::{Encoder, Example};
use crate::files::Fingerprint;
use crate::objective::{Choice, LOSSES, Objective, REWARDS};
use crate::report::Progress;
use crate::train::{Epoch, Run, Settings};
use crate::{Context, Result, reference, weights};

/// Fine-tunes a causal language model on preferences.
#[derive(Debug, Clone, Args)]
pub struct Job {
    /// The model's folder: config.json, tokenizer.json, *.safetensors (Llama-type)
    pub model: PathBuf,
    /// JSON Lines of prompt, responses, and one of labels, ranks, win_probabilities
    pub data: PathBuf,
    /// Where checkpoint, metrics, picture and the trained model go
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Lines to measure on, in the format of DATA
    #[arg(long, value_name = "FILE")]
    pub held_out: Option<PathBuf>,
    /// The share of DATA's lines to measure on, chosen by the seed, where there is no --held-out
    #[arg(long, value_name = "SHARE", default_value_t = 0.1, value_parser = share)]
    pub held_out_share: f64,
    /// The loss
    #[arg(long, default_value = "lambda-loss", value_parser = losses())]
    pub loss: String,
    /// The loss's parameter, where it has one
    #[arg(long, value_name = "NUMBER")]
    pub parameter: Option<f64>,
    /// The coefficient β of the reward
    #[arg(long, default_value_t = 0.1)]
    pub beta: f64,
    /// The reward, in place of the loss's own
    #[arg(long, value_parser = PossibleValuesParser::new(REWARDS))]
    pub reward: Option<String>,
    /// α of the reward alpha, between 0 and 1 [default: 0.5]
    #[arg(long)]
    pub alpha: Option<f64>,
    /// Average log-probabilities over a response's tokens (or, =false, add them up)
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub average: Option<bool>,
    /// Passes over the data
    #[arg(long, default_value_t = Settings::default().epochs, value_parser = positive())]
    pub epochs: usize,
    /// Lists per optimizer step
    #[arg(long, default_value_t = Settings::default().batch, value_parser = positive())]
    pub batch: usize,
    /// Lists per forward and backward pass, whose gradients add up
    #[arg(long, default_value_t = Settings::default().micro_batch, value_parser = positive())]
    pub micro_batch: usize,
    /// The learning rate after the warm-up; it falls to 0 at the end
    #[arg(long, default_value_t = Settings::default().learning_rate, value_parser = not_negative)]
    pub learning_rate: f64,
    /// The share of the steps that warm up
    #[arg(long, value_name = "SHARE", default_value_t = Settings::default().warm_up, value_parser = share)]
    pub warm_up: f64,
    /// AdamW's weight decay
    #[arg(long, default_value_t = Settings::default().weight_decay, value_parser = not_negative)]
    pub weight_decay: f64,
    /// The greatest norm of a gradient
    #[arg(long, default_value_t = Settings::default().clip, value_parser = not_negative)]
    pub clip: f64,
    /// The seed of the order of the lists
    #[arg(long, default_value_t = Settings::default().seed)]
    pub seed: u64,
    /// The most tokens of prompt and response [default: as many as the model has positions]
    #[arg(long, value_name = "TOKENS", value_parser = positive())]
    pub max_length: Option<usize>,
    /// Prompts have their special tokens already, from a chat template
    #[arg(long)]
    pub no_special_tokens: bool,
    /// Optimizer steps between checkpoints; there is one after each epoch as well
    #[arg(long, value_name = "STEPS", default_value_t = Settings::default().save_every, value_parser = positive())]
    pub save_every: usize,
    /// Stop after that many steps, with a checkpoint
    #[arg(long, value_name = "STEPS", value_parser = positive())]
    pub max_steps: Option<usize>,
    /// Go on from the checkpoint in --out
    #[arg(long)]
    pub resume: bool,
    /// Where to compute: cuda and metal with the features of these names
    #[arg(long, default_value = "cpu", value_parser = ["cpu", "cuda", "metal"])]
    pub device: String,
}

fn losses() -> PossibleValuesParser {
    PossibleValuesParser::new(LOSSES.iter().map(|loss| {
        let value = PossibleValue::new(loss.name);
        match loss.parameter {
            Some((what, default)) => value.help(format!("parameter: {what} [default: {default}]")),
            None => value,
        }
    }))
}

fn positive() -> clap::builder::RangedU64ValueParser<usize> {
    clap::builder::RangedU64ValueParser::new().range(1..)
}

fn not_negative(text: &str) -> Result<f64> {
    let number: f64 = text.parse()?;
    if number >= 0.0 && number.is_finite() { Ok(number) } else { Err("below 0".into()) }
}

fn share(text: &str) -> Result<f64> {
    let share: f64 = text.parse()?;
    if (0.0..1.0).contains(&share) { Ok(share) } else { Err("not from 0 to below 1".into()) }
}

impl Job {
    /// Trains; returns the history, and whether all epochs are done.
    ///
    /// # Errors
    ///
    /// Whatever is wrong with the arguments and the files, in a sentence that names it.
    pub fn run(&self, progress: &mut Progress) -> Result<(Vec<Epoch>, bool)> {
        let choice = Choice {
            reward: self.reward.as_deref(),
            average: self.average,
            parameter: self.parameter,
            alpha: self.alpha,
        };
        let objective = Objective::new(&self.loss, self.beta, choice)?;
        let device = match &*self.device {
            "cuda" => Device::new_cuda(0).at("--device cuda")?,
            "metal" => Device::new_metal(0).at("--device metal")?,
            _ => Device::Cpu,
        };
        let config = weights::config(&self.model)?;
        let longest = self.max_length.unwrap_or_else(|| config.longest());
        let encoder = Encoder::new(&self.model, &config, longest, !self.no_special_tokens)?;
        // All text is read, and found right or wrong, before the weights are.
        let mut train = encoder.read(&self.data)?;
        let mut held_out = match &self.held_out {
            Some(path) => encoder.read(path)?,
            None => Vec::new(),
        };
        let model = weights::load(&self.model, &device)?;
        let mut identity = serde_json::Map::new();
        let files = [(Some(&self.data), &mut train), (self.held_out.as_ref(), &mut held_out)];
        for (path, examples) in files {
            let Some(path) = path else { continue };
            let tokens = reference::fingerprint(&self.model, examples)?;
            reference::fill(&model, path, examples, tokens, progress)?;
            let mut all = Fingerprint::default();
            all.add_file(path)?;
            identity.insert(format!("contents of {}", path.display()), format!("{all}").into());
            identity.insert(
                format!("model and tokens of {}", path.display()),
                format!("{tokens}").into(),
            );
        }
        if self.held_out.is_none() {
            held_out = self.split(&mut train);
            identity.insert("held_out_share".into(), json!(self.held_out_share));
        }
        for (name, value) in [
            ("loss", json!(self.loss)),
            ("parameter", json!(self.parameter)),
            ("beta", json!(self.beta)),
            ("reward", json!(self.reward)),
            ("alpha", json!(self.alpha)),
            ("average", json!(self.average)),
        ] {
            identity.insert(name.into(), value);
        }
        let tokens: usize = train.iter().chain(&held_out).map(Example::tokens).sum();
        let (learnt, measured) = (train.len(), held_out.len());
        progress.say(&format!(
            "{}: {learnt} lists to learn from, {measured} held out, {tokens} tokens in responses",
            self.loss
        ));
        let run = Run {
            model: &model,
            origin: &self.model,
            objective: &objective,
            train: &train,
            held_out: &held_out,
            settings: &self.settings(),
            identity,
            out: self.out.clone(),
        };
        run.train(progress)
    }

    fn settings(&self) -> Settings {
        Settings {
            epochs: self.epochs,
            batch: self.batch,
            micro_batch: self.micro_batch,
            learning_rate: self.learning_rate,
            warm_up: self.warm_up,
            weight_decay: self.weight_decay,
            clip: self.clip,
            seed: self.seed,
            save_every: self.save_every,
            max_steps: self.max_steps,
            resume: self.resume,
        }
    }

    /// Takes the held-out share away from the lists.
    fn split(&self, train: &mut Vec<Example>) -> Vec<Example> {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // a share of a length
        let count = (self.held_out_share * train.len() as f64).round() as usize;
        let mut order: Vec<_> = (0..train.len()).collect();
        order.shuffle(&mut StdRng::seed_from_u64(self.seed));
        let mut chosen = order[..count].to_vec();
        chosen.sort_unstable();
        let mut held_out: Vec<_> = chosen.iter().rev().map(|&list| train.remove(list)).collect();
        held_out.reverse();
        held_out
    }
}
