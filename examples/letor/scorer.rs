//! The scorer: a linear function of a document's features, or a neural network of one hidden layer.

use ndarray::{Array1, Array2, Axis};
use rand::{Rng, RngExt};
use rand_distr::StandardNormal;

/// Layers x·W + b, with max(0, ·) between two. The last starts at 0, so that all scores tie.
#[derive(Clone)]
pub struct Scorer {
    /// W `[inputs, outputs]` and b `[1, outputs]` of each layer in turn.
    pub parameters: Vec<Array2<f64>>,
}

impl Scorer {
    pub fn new(features: usize, hidden: usize, rng: &mut impl Rng) -> Self {
        if hidden == 0 {
            return Self { parameters: vec![Array2::zeros((features, 1)), Array2::zeros((1, 1))] };
        }
        let size = (2.0 / features.max(1) as f64).sqrt(); // He et al. 2015
        let mut weight = || size * rng.sample::<f64, _>(StandardNormal);
        Self {
            parameters: vec![
                Array2::from_shape_simple_fn((features, hidden), &mut weight),
                Array2::zeros((1, hidden)),
                Array2::zeros((hidden, 1)),
                Array2::zeros((1, 1)),
            ],
        }
    }

    /// The input of each layer, and the scores.
    pub fn forward(&self, features: Array2<f64>) -> (Vec<Array2<f64>>, Array1<f64>) {
        let (mut inputs, mut x) = (Vec::new(), features);
        for layer in self.parameters.chunks_exact(2) {
            if !inputs.is_empty() {
                x.mapv_inplace(|x| x.max(0.0));
            }
            let output = x.dot(&layer[0]) + &layer[1];
            inputs.push(x);
            x = output;
        }
        (inputs, x.remove_axis(Axis(1)))
    }

    /// The chain rule back through [`forward`](Self::forward): from ∂L/∂scores to ∂L/∂parameters.
    pub fn backward(&self, inputs: &[Array2<f64>], grad_scores: Array1<f64>) -> Vec<Array2<f64>> {
        let mut grad = self.parameters.clone();
        let mut grad_output = grad_scores.insert_axis(Axis(1));
        for (layer, input) in inputs.iter().enumerate().rev() {
            grad[2 * layer] = input.t().dot(&grad_output);
            grad[2 * layer + 1] = grad_output.sum_axis(Axis(0)).insert_axis(Axis(0));
            if layer > 0 {
                grad_output = grad_output.dot(&self.parameters[2 * layer].t());
                grad_output.zip_mut_with(input, |grad, &x| *grad *= f64::from(u8::from(x > 0.0)));
            }
        }
        grad
    }
}
