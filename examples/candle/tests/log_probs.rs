//! Token log-probabilities against candle's log-softmax and gather, values and gradients.

mod common;

use candle_core::{Device, Tensor, Var};
use candle_nn::ops::log_softmax;
use common::noise;
use lipo_candle::log_probs::{in_blocks, of_hidden, of_logits};

const POSITIONS: usize = 7;
const HIDDEN: usize = 5;
const VOCABULARY: usize = 11;

fn setting() -> (Var, Var, Tensor, Tensor) {
    let matrix = |rows: usize, columns: usize, scale: f64, seed| {
        let tensor = Tensor::from_vec(noise(rows * columns, seed), (rows, columns), &Device::Cpu);
        Var::from_tensor(&(tensor.unwrap() * scale).unwrap()).unwrap()
    };
    let slopes = Tensor::from_vec(noise(POSITIONS, 3), POSITIONS, &Device::Cpu).unwrap();
    let targets = Tensor::new(&[3_u32, 0, 10, 3, 7, 1, 10], &Device::Cpu).unwrap();
    (matrix(POSITIONS, HIDDEN, 4.0, 1), matrix(VOCABULARY, HIDDEN, 4.0, 2), targets, slopes)
}

fn same(a: &Tensor, b: &Tensor) {
    assert_eq!(a.dims(), b.dims());
    let numbers = |x: &Tensor| x.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    for (x, y) in numbers(a).into_iter().zip(numbers(b)) {
        assert!((x - y).abs() <= 2e-5 * (1.0 + y.abs()), "{x} and {y}");
    }
}

#[test]
fn blocks_have_the_values_and_gradients_of_log_softmax_and_gather() {
    let (hidden, head, targets, slopes) = setting();
    // The output layer in a second place too, as where it is the embedding.
    let weighted = |log_probs: &Tensor| {
        let sum = (log_probs * &slopes).unwrap().sum_all().unwrap();
        (sum + head.sqr().unwrap().sum_all().unwrap()).unwrap().backward().unwrap()
    };
    let logits = hidden.matmul(&head.t().unwrap()).unwrap();
    let plain = log_softmax(&logits, 1).unwrap();
    let plain = plain.gather(&targets.unsqueeze(1).unwrap(), 1).unwrap().squeeze(1).unwrap();
    let expected = weighted(&plain);
    same(&of_logits(&logits, &targets).unwrap(), &plain);
    for rows in [1, 2, 3, POSITIONS, 100] {
        let log_probs = in_blocks(&hidden, &head, &targets, rows).unwrap();
        same(&log_probs, &plain);
        let grads = weighted(&log_probs);
        for variable in [&hidden, &head] {
            same(grads.get(variable).unwrap(), expected.get(variable).unwrap());
        }
    }
    same(&of_hidden(&hidden, &head, &targets).unwrap(), &plain);
}

#[test]
fn probabilities_of_all_tokens_add_up_to_1_even_far_from_0() {
    let (hidden, head, _, _) = setting();
    let hidden = (hidden.as_tensor() * 50.0).unwrap();
    let of = |token: usize| {
        let targets = Tensor::full(u32::try_from(token).unwrap(), POSITIONS, &Device::Cpu).unwrap();
        of_hidden(&hidden, &head, &targets).unwrap().to_vec1::<f32>().unwrap()
    };
    let mut sums = [0.0_f64; POSITIONS];
    for token in 0..VOCABULARY {
        for (sum, log_prob) in sums.iter_mut().zip(of(token)) {
            assert!(log_prob <= 0.0 && log_prob.is_finite());
            *sum += f64::from(log_prob).exp();
        }
    }
    assert!(sums.iter().all(|sum| (sum - 1.0).abs() < 1e-4), "{sums:?}");
}
