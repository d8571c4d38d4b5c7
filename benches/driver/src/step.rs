//! The step of a trainer, end to end: from log-probabilities of tokens to the loss, and from its
//! gradient back to the tokens, into arrays that are there already.

use std::hint::black_box;
use std::path::Path;

use lipo::losses::{LambdaLoss, LossExt, Reduction, Workspace};
use lipo::scores::{self, ImplicitReward, Responses, RewardExt, SequenceLogProbs, Tokens};
use lipo::{Lists, Real, labels};
use ndarray::{Array2, Array3};

use crate::{Call, Fallible, numbers};

const BETA: f64 = 0.05;

pub struct Step<F> {
    policy: Array3<F>,
    reference: Array3<F>,
    mask: Array3<bool>,
    wins: Array3<F>,
    /// Log-probabilities of responses under the policy and the reference.
    log_probs: [Array2<F>; 2],
    scores: Array2<F>,
    psi: Array2<F>,
    grad: Array2<F>,
    grad_log_probs: Array2<F>,
    grad_tokens: Array3<F>,
    workspace: Workspace,
    of_scores: scores::Workspace,
}

impl<F: Real> Step<F> {
    /// Policy, reference and mask are `[lists, size, tokens]`, wins `[lists, size, size]`.
    pub fn load(
        (lists, size, tokens): (usize, usize, usize),
        [policy, reference, mask, wins]: [&str; 4],
    ) -> Fallible<Self> {
        let cube = |path, last| -> Fallible<Array3<F>> {
            let numbers = numbers(path)?.into_iter().map(F::narrow).collect();
            Ok(Array3::from_shape_vec((lists, size, last), numbers)?)
        };
        let rows = Array2::zeros((lists, size));
        Ok(Self {
            policy: cube(policy, tokens)?,
            reference: cube(reference, tokens)?,
            mask: cube(mask, tokens)?.mapv(|exists| exists != F::zero()),
            wins: cube(wins, size)?,
            log_probs: [rows.clone(), rows.clone()],
            scores: rows.clone(),
            psi: rows.clone(),
            grad: rows.clone(),
            grad_log_probs: rows,
            grad_tokens: Array3::zeros((lists, size, tokens)),
            workspace: Workspace::default(),
            of_scores: scores::Workspace::default(),
        })
    }

    fn step(&mut self) -> Result<F, lipo::Error> {
        let (sequence, reward) = (SequenceLogProbs::Sum, ImplicitReward::new(BETA)?);
        let [policy, reference] = &mut self.log_probs;
        for (tokens, log_probs) in [(&self.policy, &mut *policy), (&self.reference, reference)] {
            let tokens = Tokens::new(black_box(tokens), &self.mask);
            sequence.log_probs_into(&tokens, log_probs, &mut self.of_scores)?;
        }
        let responses = Responses::new(&self.log_probs[0], &self.log_probs[1]);
        reward.scores_into(&responses, &mut self.scores)?;
        labels::from_win_probabilities_into(black_box(&self.wins), None, &mut self.psi)?;
        let lists = Lists::dense(&self.scores, &self.psi).build()?;
        let (grad, workspace) = (&mut self.grad, &mut self.workspace);
        let loss = LambdaLoss;
        let value = loss.reduced_into(&lists, Reduction::MeanOverLists, grad, workspace)?;
        reward.backward_into(grad, &responses, &mut self.grad_log_probs)?;
        sequence.backward_into(&self.grad_log_probs, &self.mask, &mut self.grad_tokens)?;
        Ok(value)
    }
}

impl<F: Real> Call for Step<F> {
    fn call(&mut self) {
        let value = self.step().expect("`result` has shown that the input is valid");
        black_box((value, &self.grad_tokens));
    }

    fn result(&mut self, gradient: &Path) -> Fallible<f64> {
        let value = self.step()?;
        let bytes: Vec<u8> =
            self.grad_tokens.iter().flat_map(|slope| slope.widen().to_ne_bytes()).collect();
        std::fs::write(gradient, bytes)?;
        Ok(value.widen())
    }
}
