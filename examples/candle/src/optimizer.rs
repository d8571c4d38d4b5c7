//! AdamW with moments that can be saved, and what surrounds a step.
//!
//! candle's own AdamW keeps its moments to itself, so that a run that goes on from a checkpoint would
//! begin with moments of 0 and come out elsewhere.

use std::collections::BTreeMap;

use candle_core::{Tensor, Var, backprop::GradStore};

use crate::Result;

const BETAS: (f64, f64) = (0.9, 0.999);
const EPSILON: f64 = 1e-8;

/// AdamW (Loshchilov & Hutter 2019) of named variables.
pub struct AdamW {
    parameters: Vec<Parameter>,
    /// Steps taken.
    pub steps: usize,
    weight_decay: f64,
}

struct Parameter {
    name: String,
    var: Var,
    first: Tensor,
    second: Tensor,
}

impl AdamW {
    /// An optimizer that has taken no step. Matrices decay, the weights of norms do not.
    ///
    /// # Errors
    ///
    /// Those of candle.
    pub fn new(variables: &[(String, Var)], weight_decay: f64) -> Result<Self> {
        let parameters = variables.iter().map(|(name, var)| {
            let (first, second) = (var.zeros_like()?, var.zeros_like()?);
            Ok(Parameter { name: name.clone(), var: var.clone(), first, second })
        });
        Ok(Self { parameters: parameters.collect::<Result<_>>()?, steps: 0, weight_decay })
    }

    /// One step against the gradient.
    ///
    /// # Errors
    ///
    /// Those of candle.
    pub fn step(&mut self, gradient: &Gradient, learning_rate: f64) -> Result<()> {
        self.steps += 1;
        let unbiased = |beta: f64| 1.0 - beta.powf(self.steps as f64);
        let scale = (1.0 / unbiased(BETAS.0), 1.0 / unbiased(BETAS.1));
        for (parameter, grad) in self.parameters.iter_mut().zip(&gradient.0) {
            let Some(grad) = grad else { continue };
            let Parameter { var, first, second, .. } = parameter;
            *first = ((&*first * BETAS.0)? + (grad * (1.0 - BETAS.0))?)?;
            *second = ((&*second * BETAS.1)? + (grad.sqr()? * (1.0 - BETAS.1))?)?;
            let direction = ((&*first * scale.0)? / ((&*second * scale.1)?.sqrt()? + EPSILON)?)?;
            let decay = if var.rank() < 2 { 0.0 } else { self.weight_decay };
            let kept = (var.as_detached_tensor() * (1.0 - learning_rate * decay))?;
            var.set(&(kept - (direction * learning_rate)?)?)?;
        }
        Ok(())
    }

    /// The moments, by names that no weight has.
    #[must_use]
    pub fn moments(&self) -> BTreeMap<String, Tensor> {
        let of = |parameter: &Parameter| {
            let name = &parameter.name;
            [
                (format!("first_moment.{name}"), parameter.first.clone()),
                (format!("second_moment.{name}"), parameter.second.clone()),
            ]
        };
        self.parameters.iter().flat_map(of).collect()
    }

    /// Puts back what [`moments`](Self::moments) gave, and variables under their own names.
    ///
    /// # Errors
    ///
    /// A tensor that is missing, by its name.
    pub fn restore(&mut self, tensors: &BTreeMap<String, Tensor>, steps: usize) -> Result<()> {
        self.steps = steps;
        for Parameter { name, var, first, second } in &mut self.parameters {
            let get = |name: String, like: &Tensor| -> Result<Tensor> {
                let tensor = tensors.get(&name).ok_or_else(|| format!("no tensor {name}"))?;
                if tensor.shape() != like.shape() {
                    return Err(format!("{name} has shape {:?}", tensor.shape()).into());
                }
                Ok(tensor.to_device(like.device())?)
            };
            *first = get(format!("first_moment.{name}"), var)?;
            *second = get(format!("second_moment.{name}"), var)?;
            var.set(&get(name.clone(), var)?)?;
        }
        Ok(())
    }
}

/// A gradient with respect to each variable, added up over parts of a batch.
pub struct Gradient(Vec<Option<Tensor>>);

impl Gradient {
    /// No gradient yet.
    #[must_use]
    pub fn zero(variables: &[(String, Var)]) -> Self {
        Self(vec![None; variables.len()])
    }

    /// Adds what a backward pass gave.
    ///
    /// # Errors
    ///
    /// Those of candle.
    pub fn add(&mut self, variables: &[(String, Var)], grads: &GradStore) -> Result<()> {
        for (sum, (_, var)) in self.0.iter_mut().zip(variables) {
            if let Some(grad) = grads.get(var) {
                // Detached, or it would keep the activations that it was computed from.
                let grad = grad.detach();
                *sum = Some(match sum.take() {
                    Some(sum) => (sum + grad)?,
                    None => grad,
                });
            }
        }
        Ok(())
    }

    /// The gradient with respect to each variable, in their order.
    pub fn tensors(&self) -> impl Iterator<Item = Option<&Tensor>> {
        self.0.iter().map(Option::as_ref)
    }

    /// Scales the gradient so that its norm is at most `limit`; returns the norm that it had.
    ///
    /// # Errors
    ///
    /// Those of candle.
    pub fn clip(&mut self, limit: f64) -> Result<f64> {
        let mut squares = 0.0;
        for grad in self.0.iter().flatten() {
            squares += f64::from(grad.sqr()?.sum_all()?.to_scalar::<f32>()?);
        }
        let norm = squares.sqrt();
        if norm > limit {
            for grad in self.0.iter_mut().flatten() {
                *grad = (&*grad * (limit / norm))?;
            }
        }
        Ok(norm)
    }
}

/// The learning rate of a step, counted from 0: linear from 0 to `peak` over the warm-up, then linear
/// to 0 at the last.
#[must_use]
pub fn learning_rate(peak: f64, step: usize, warm_up: usize, steps: usize) -> f64 {
    let share = if step < warm_up {
        (step + 1) as f64 / warm_up as f64
    } else {
        steps.saturating_sub(step) as f64 / steps.saturating_sub(warm_up).max(1) as f64
    };
    peak * share.min(1.0)
}
