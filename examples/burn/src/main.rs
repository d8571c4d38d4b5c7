//! A small policy trained from preferences between its own responses, with any loss of lipo.
//!
//!     cargo run -- [--node] [LOSS]
//!
//! A prompt is a vector, a response a sequence of tokens. The policy samples responses, a hidden taste
//! ranks them, and the loss moves the policy towards those that rank high. What it has learnt is
//! measured on prompts that it was not trained on.

use std::process::ExitCode;

use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::optim::{AdamConfig, GradientsParams};
use burn::tensor::activation::{log_softmax, softmax};
use burn::tensor::{Device, Distribution, Int, Tensor};
use lipo::losses::{Loss, LossExt};
use lipo::metrics::{MetricExt, PairAccuracy};
use lipo::ranking::ScoreTies;
use lipo::{Error, labels};
use lipo_burn::{losses, node::known_gradient, surrogate, to_array, to_tensor};
use ndarray::Array2;

const TRAINING_PROMPTS: usize = 256;
const HELD_OUT_PROMPTS: usize = 128;
const FEATURES: usize = 8; // of a prompt
const RESPONSES: usize = 8; // to a prompt
const TOKENS: usize = 6; // of a response
const VOCABULARY: usize = 12;
const BETA: f32 = 0.5;
const LEARNING_RATE: f64 = 0.02;
const STEPS: usize = 60;

/// π(y|x): the prompt gives the logits of each token.
#[derive(Module, Debug)]
struct Policy {
    hidden: Linear,
    logits: Linear,
}

impl Policy {
    fn new(device: &Device) -> Self {
        Self {
            hidden: LinearConfig::new(FEATURES, 32).init(device),
            logits: LinearConfig::new(32, TOKENS * VOCABULARY).init(device),
        }
    }

    /// The logits of all tokens of the vocabulary, `[N, T, V]`.
    fn logits(&self, prompts: Tensor<2>) -> Tensor<3> {
        let rows = prompts.dims()[0];
        self.logits.forward(self.hidden.forward(prompts).tanh()).reshape([rows, TOKENS, VOCABULARY])
    }

    /// log π(y|x) of K responses `[N, T, K]` to N prompts, `[N, K]`.
    fn log_probs(&self, prompts: &Tensor<2>, responses: &Tensor<3, Int>) -> Tensor<2> {
        let tokens = log_softmax(self.logits(prompts.clone()), 2);
        tokens.gather(2, responses.clone()).sum_dim(1).squeeze_dim(1)
    }
}

/// Prompts, responses to each, and how good the responses are.
struct Lists {
    prompts: Tensor<2>,
    responses: Tensor<3, Int>,
    reference: Tensor<2>, // log π_ref(y|x)
    psi: Array2<f32>,
}

impl Lists {
    fn sample(count: usize, policy: &Policy, taste: &Tensor<2>) -> Result<Self, Error> {
        let normal = Distribution::Normal(0.0, 1.0);
        let prompts = Tensor::random([count, FEATURES], normal, &taste.device());
        let responses = softmax(policy.logits(prompts.clone()), 2).categorical(RESPONSES);
        // The taste: how well a token suits the prompt, summed over the response.
        let suits = prompts.clone().matmul(taste.clone()).unsqueeze_dim::<3>(1);
        let rewards = suits.repeat_dim(1, TOKENS).gather(2, responses.clone()).sum_dim(1);
        let rewards: Array2<f32> = to_array(&rewards.squeeze_dim(1));
        let wins = labels::win_probabilities_from_rewards(&rewards)?;
        let psi = labels::from_win_probabilities(&wins)?;
        let reference = policy.log_probs(&prompts, &responses).detach();
        Ok(Self { prompts, responses, reference, psi })
    }

    /// s = β (log π − log π_ref), `[N, K]`.
    fn scores(&self, policy: &Policy) -> Tensor<2> {
        (policy.log_probs(&self.prompts, &self.responses) - self.reference.clone()) * BETA
    }

    /// The share of the pairs that the policy puts in the order of the labels; ½ where it cannot tell.
    fn accuracy(&self, policy: &Policy) -> Result<f32, Error> {
        let scores = to_array(&self.scores(policy));
        PairAccuracy::default().ties(ScoreTies::Expected).mean(&scores, &self.psi)
    }
}

fn train(loss: &dyn Loss, by_node: bool) -> Result<(), Error> {
    let device = Device::flex().autodiff();
    device.seed(7);
    let mut policy = Policy::new(&device);
    let taste = Tensor::random([FEATURES, VOCABULARY], Distribution::Normal(0.0, 1.0), &device);
    let training = Lists::sample(TRAINING_PROMPTS, &policy, &taste)?;
    let held_out = Lists::sample(HELD_OUT_PROMPTS, &policy, &taste)?;

    let mut optimizer = AdamConfig::new().init();
    println!("step     loss  pair accuracy, training  held out");
    for step in 0..=STEPS {
        let scores = training.scores(&policy);
        let (value, grad) = loss.value_and_grad(&to_array(&scores), &training.psi)?;
        if step % 10 == 0 {
            let (seen, unseen) = (training.accuracy(&policy)?, held_out.accuracy(&policy)?);
            println!("{step:4}  {value:7.4}  {seen:23.3}  {unseen:8.3}");
        }
        let grad = to_tensor(grad, &scores);
        let loss = if by_node {
            known_gradient(value, grad, scores)
        } else {
            surrogate(value, grad, scores)
        };
        let grads = GradientsParams::from_grads(loss.backward(), &policy);
        policy = optimizer.step(LEARNING_RATE, policy, grads);
    }
    Ok(())
}

fn main() -> ExitCode {
    let losses = losses();
    let (flags, names): (Vec<_>, Vec<_>) = std::env::args().skip(1).partition(|a| a == "--node");
    let name = names.first().map_or("lambda-loss", String::as_str);
    let Some((_, loss)) = losses.iter().find(|(known, _)| *known == name) else {
        let known = losses.each_ref().map(|(name, _)| *name).join(", ");
        eprintln!("no loss is named {name}; there are {known}");
        return ExitCode::FAILURE;
    };
    if let Err(error) = train(loss, !flags.is_empty()) {
        eprintln!("{error}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
