//! The training loop.

use std::path::{Path, PathBuf};

use rand::seq::SliceRandom;
use rand::{SeedableRng, rngs::StdRng};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::checkpoint::{self, State};
use crate::data::{Batch, Example};
use crate::evaluate::{Metrics, check_labels, evaluate};
use crate::model::Llama;
use crate::node::node;
use crate::objective::Objective;
use crate::optimizer::{AdamW, Gradient, learning_rate};
use crate::report::{self, Progress};
use crate::{Context, Result, weights};

/// How to train.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Passes over the data.
    pub epochs: usize,
    /// Lists per optimizer step.
    pub batch: usize,
    /// Lists per forward and backward pass; their gradients add up to the batch's.
    pub micro_batch: usize,
    /// The learning rate after the warm-up.
    pub learning_rate: f64,
    /// The share of all steps that warm up.
    pub warm_up: f64,
    /// AdamW's weight decay.
    pub weight_decay: f64,
    /// The greatest norm of a gradient.
    pub clip: f64,
    /// Decides the order of the lists.
    pub seed: u64,
    /// Optimizer steps between checkpoints; there is one after each epoch as well.
    pub save_every: usize,
    /// Stop after that many steps of this process, with a checkpoint.
    pub max_steps: Option<usize>,
    /// Go on from the checkpoint in the output folder.
    pub resume: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            epochs: 3,
            batch: 16,
            micro_batch: 4,
            learning_rate: 1e-5,
            warm_up: 0.1,
            weight_decay: 0.0,
            clip: 1.0,
            seed: 1,
            save_every: 100,
            max_steps: None,
            resume: false,
        }
    }
}

/// One line of the history: an epoch, or, as epoch 0, the state before training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Epoch {
    /// Its number.
    pub epoch: usize,
    /// Optimizer steps until its end.
    pub step: usize,
    /// The mean over its lists of the loss, each when it was learnt from.
    pub train_loss: Option<f64>,
    /// Metrics at its end, if lists were held out.
    pub held_out: Option<Metrics>,
}

/// What a run works on. The reference log-probabilities of all examples are known.
pub struct Run<'a> {
    /// The policy; at first it is the reference.
    pub model: &'a Llama,
    /// The folder that the policy came from.
    pub origin: &'a Path,
    /// Loss and reward.
    pub objective: &'a Objective,
    /// Lists to learn from.
    pub train: &'a [Example],
    /// Lists to measure on.
    pub held_out: &'a [Example],
    /// How to train.
    pub settings: &'a Settings,
    /// Whatever else the result depends on, by name: another run must not go on from its checkpoint.
    pub identity: Map<String, Value>,
    /// Where everything goes.
    pub out: PathBuf,
}

impl Run<'_> {
    /// Trains, and writes to the output folder: the checkpoint, `metrics.csv`, `metrics.svg`, and, when
    /// all epochs are done, the model.
    ///
    /// Returns the history, and whether all epochs are done.
    ///
    /// # Errors
    ///
    /// Data that the loss does not take, a loss or gradient that is not finite, files that cannot be
    /// read or written.
    pub fn train(&self, progress: &mut Progress) -> Result<(Vec<Epoch>, bool)> {
        let (settings, variables) = (self.settings, self.model.variables());
        if self.train.is_empty() {
            return Err("no lists to learn from".into());
        }
        std::fs::create_dir_all(&self.out).at(self.out.display())?;
        check_labels(self.objective, self.train, self.model.device())?;
        check_labels(self.objective, self.held_out, self.model.device())?;
        let mut optimizer = AdamW::new(variables, settings.weight_decay)?;
        let mut state = self.begin(&mut optimizer)?;
        progress.say(report::HEADING);
        state.history.iter().for_each(|epoch| progress.say(&report::row(epoch)));

        let steps_per_epoch = self.train.len().div_ceil(settings.batch);
        let steps = steps_per_epoch * settings.epochs;
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // a share of the steps
        let warm_up = (settings.warm_up * steps as f64).ceil() as usize;
        let last = settings.max_steps.map_or(steps, |most| steps.min(state.step + most));
        progress.begin("training, step", last - state.step);
        while state.step < last {
            let order = self.order(state.epoch);
            let lists =
                order.iter().skip(state.step_in_epoch * settings.batch).take(settings.batch);
            let lists: Vec<&Example> = lists.map(|&list| &self.train[list]).collect();
            let (loss, mut gradient) = self.gradient(&lists)?;
            let norm = gradient.clip(settings.clip)?;
            if !loss.is_finite() || !norm.is_finite() {
                let step = state.step + 1;
                return Err(format!("step {step}: loss {loss}, norm of the gradient {norm}").into());
            }
            let rate = learning_rate(settings.learning_rate, state.step, warm_up, steps);
            optimizer.step(&gradient, rate)?;
            state.step += 1;
            state.step_in_epoch += 1;
            state.loss += loss;
            state.lists += lists.len();
            progress.step(1, &format!(", loss {:.4}", loss / lists.len() as f64));
            if state.step_in_epoch == steps_per_epoch {
                self.end_epoch(&mut state)?;
                progress.say(&report::row(&state.history[state.history.len() - 1]));
                checkpoint::save(&self.out, self.model, &optimizer, &state)?;
            } else if state.step.is_multiple_of(settings.save_every) || state.step == last {
                checkpoint::save(&self.out, self.model, &optimizer, &state)?;
            }
        }
        progress.end();
        let done = state.step == steps;
        if done {
            weights::save(self.model, self.origin, &self.out.join("model"))?;
        }
        self.report(&state)?;
        Ok((state.history, done))
    }

    /// The state to start from: the checkpoint's, or that before training.
    fn begin(&self, optimizer: &mut AdamW) -> Result<State> {
        let settings = self.settings_of_result();
        let found = checkpoint::path(&self.out);
        if self.settings.resume {
            return checkpoint::restore(&self.out, optimizer, &settings);
        }
        if found.exists() {
            let choice = "--resume goes on from it, another --out begins anew";
            return Err(format!("{} is there already: {choice}", found.display()).into());
        }
        let held_out = self.measure()?;
        let before = Epoch { epoch: 0, step: 0, train_loss: None, held_out };
        Ok(State { settings, history: vec![before], ..State::default() })
    }

    fn settings_of_result(&self) -> Map<String, Value> {
        let settings = self.settings;
        let mut all = self.identity.clone();
        for (name, value) in [
            ("epochs", json!(settings.epochs)),
            ("batch", json!(settings.batch)),
            ("micro_batch", json!(settings.micro_batch)),
            ("learning_rate", json!(settings.learning_rate)),
            ("warm_up", json!(settings.warm_up)),
            ("weight_decay", json!(settings.weight_decay)),
            ("clip", json!(settings.clip)),
            ("seed", json!(settings.seed)),
        ] {
            all.insert(name.into(), value);
        }
        all
    }

    /// The order of the lists in an epoch, which depends on the seed and the epoch alone.
    fn order(&self, epoch: usize) -> Vec<usize> {
        let mut order: Vec<_> = (0..self.train.len()).collect();
        let seed =
            self.settings.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(epoch as u64);
        order.shuffle(&mut StdRng::seed_from_u64(seed));
        order
    }

    /// The sum over lists of the loss, and the gradient of its mean.
    ///
    /// # Errors
    ///
    /// Those of candle and lipo.
    pub fn gradient(&self, lists: &[&Example]) -> Result<(f64, Gradient)> {
        let variables = self.model.variables();
        let (mut total, mut gradient) = (0.0, Gradient::zero(variables));
        for part in lists.chunks(self.settings.micro_batch) {
            let batch = Batch::new(part, self.objective.tokens, self.model.device())?;
            let labelled = batch.labelled(part)?;
            let log_probs = batch.log_probs(&batch.token_log_probs(self.model)?)?;
            let loss = node(&log_probs, |policy| self.objective.value_and_grad(policy, &labelled))?;
            total += f64::from(loss.to_scalar::<f32>()?);
            gradient.add(variables, &(loss / lists.len() as f64)?.backward()?)?;
        }
        Ok((total, gradient))
    }

    fn end_epoch(&self, state: &mut State) -> Result<()> {
        state.epoch += 1;
        state.history.push(Epoch {
            epoch: state.epoch,
            step: state.step,
            train_loss: Some(state.loss / state.lists as f64),
            held_out: self.measure()?,
        });
        (state.step_in_epoch, state.loss, state.lists) = (0, 0.0, 0);
        self.report(state)
    }

    fn measure(&self) -> Result<Option<Metrics>> {
        let some = !self.held_out.is_empty();
        some.then(|| evaluate(self.model, self.objective, self.held_out)).transpose()
    }

    fn report(&self, state: &State) -> Result<()> {
        report::write_csv(&self.out.join("metrics.csv"), &state.history)?;
        report::write_picture(&self.out.join("metrics.svg"), &[("policy", &state.history)])
    }
}
