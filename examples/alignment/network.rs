//! The network that the policy and the reward model are made of: bags of words in, one hidden layer,
//! numbers out. It is small enough to train hundreds of times, and its gradient is written out.

use ndarray::{Array2, Axis};
use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand_distr::{Distribution, StandardNormal};

use crate::world::{Token, VOCABULARY};

const EMBEDDING: usize = 32;
const HIDDEN: usize = 64;

/// Words whose order does not matter.
pub type Bag = Vec<Token>;

/// The weights of a network, or the gradient of a loss with respect to them: the embeddings, one row for
/// each word; the hidden layer and its bias; the output layer and its bias.
pub type Weights = [Array2<f32>; 5];

/// A network of bags of words. The embeddings of a bag's words are added (and divided by the root of
/// their number), and the sums of the bags of one input stand side by side; a layer of softsigns,
/// x / (1 + |x|), and a linear layer follow.
#[derive(Debug, Clone)]
pub struct Network {
    pub weights: Weights,
    /// The number of bags of one input.
    bags: usize,
}

/// The numbers of a forward pass that the backward pass needs.
pub struct Pass {
    inputs: Array2<f32>,
    hidden: Array2<f32>,
    /// One row for each input.
    pub outputs: Array2<f32>,
}

impl Network {
    pub fn new(bags: usize, outputs: usize, rng: &mut impl Rng) -> Self {
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

    /// Takes over what another network has learned about words.
    pub fn take_embeddings(&mut self, other: &Self) {
        let ([own, ..], [others, ..]) = (&mut self.weights, &other.weights);
        own.clone_from(others);
    }

    /// The outputs for inputs whose bags stand one after another.
    pub fn forward(&self, bags: &[Bag]) -> Pass {
        let [embeddings, to_hidden, hidden_bias, to_output, output_bias] = &self.weights;
        let mut inputs = Array2::zeros((bags.len(), EMBEDDING));
        for (bag, mut sum) in bags.iter().zip(inputs.rows_mut()) {
            for &token in bag {
                sum.scaled_add(scale(bag), &embeddings.row(token.into()));
            }
        }
        let shape = (bags.len() / self.bags, self.bags * EMBEDDING);
        let inputs = inputs.into_shape_with_order(shape).expect("as many entries");
        let hidden = inputs.dot(to_hidden) + hidden_bias;
        let hidden = hidden.mapv_into(|x| x / (1.0 + x.abs()));
        let outputs = hidden.dot(to_output) + output_bias;
        Pass { inputs, hidden, outputs }
    }

    /// The gradient with respect to the weights, from the one with respect to the outputs.
    pub fn backward(&self, bags: &[Bag], pass: &Pass, slopes: &Array2<f32>) -> Weights {
        let [embeddings, to_hidden, _, to_output, _] = &self.weights;
        let sum = |of: &Array2<f32>| of.sum_axis(Axis(0)).insert_axis(Axis(0));
        let mut hidden_slopes = slopes.dot(&to_output.t());
        hidden_slopes.zip_mut_with(&pass.hidden, |slope, y| *slope *= (1.0 - y.abs()).powi(2));
        let input_slopes = hidden_slopes.dot(&to_hidden.t());
        let shape = (bags.len(), EMBEDDING);
        let input_slopes = input_slopes.to_shape(shape).expect("as many entries");
        let mut of_embeddings = Array2::zeros(embeddings.dim());
        for (bag, slopes) in bags.iter().zip(input_slopes.rows()) {
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

/// Batches of the indices below `count`, in a new random order for each epoch.
pub fn batches(
    count: usize,
    size: usize,
    epochs: usize,
    rng: &mut StdRng,
) -> impl Iterator<Item = Vec<usize>> {
    let mut order: Vec<_> = (0..count).collect();
    (0..epochs).flat_map(move |_| {
        order.shuffle(rng);
        order.chunks(size).map(<[_]>::to_vec).collect::<Vec<_>>()
    })
}
