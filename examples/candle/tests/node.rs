//! The node's value and gradient: lipo's, and those of central differences through candle's graph, for
//! every loss and every reward.

mod common;

use candle_core::{DType, Device, Tensor, Var};
use common::{array, variable};
use lipo::losses::{LossExt, PairLogistic};
use lipo::scores::ImplicitReward;
use lipo_candle::node::node;
use lipo_candle::objective::{Choice, LOSSES, Labelled, Objective, REWARDS};
use lipo_candle::surrogate::surrogate;
use ndarray::{Array2, Array3, array};

/// Two lists, of four responses and of three, and what may stand where the eighth would be.
fn lists(absent: f64) -> (Array2<f64>, Labelled<f64>) {
    let policy = array![[-1.3, -2.9, -0.4, -2.2], [-3.1, -1.7, -2.6, absent]];
    let reference = array![[-1.9, -2.0, -1.1, -2.4], [-2.3, -2.5, -2.2, absent]];
    let labels = array![[0.9, 0.2, 0.4, 0.0], [0.3, 0.3, 1.0, absent]];
    let mask = array![[true, true, true, true], [true, true, true, false]];
    let wins = Array3::from_shape_fn((2, 4, 4), |(n, i, j)| {
        if i == j { 0.5 } else { 0.1 + 0.2 * ((3 * i + j + n) % 4) as f64 }
    });
    (policy, Labelled { reference, labels, wins: Some(wins), mask })
}

fn objectives() -> impl Iterator<Item = (String, Objective)> {
    LOSSES.iter().flat_map(|loss| {
        REWARDS.into_iter().flat_map(move |reward| {
            [false, true].map(|average| {
                let (reward, average) = (Some(reward), Some(average));
                let choice = Choice { reward, average, ..Choice::default() };
                let objective = Objective::new(loss.name, 0.7, choice).unwrap();
                (format!("{} of {reward:?}", loss.name), objective)
            })
        })
    })
}

#[test]
fn every_loss_and_reward_has_the_gradient_of_central_differences() {
    let (policy, lists) = lists(-1.0);
    // log π as a function of variables, so that the node stands within a graph: −x² / 2, and 3 L − 1.
    let x = policy.mapv(|log_prob| (-2.0 * log_prob).sqrt());
    let loss_at = |objective: &Objective, x: &Var| {
        let log_probs = (x.sqr().unwrap() * -0.5).unwrap();
        let loss = node(&log_probs, |policy| objective.value_and_grad(policy, &lists)).unwrap();
        ((loss * 3.0).unwrap() - 1.0).unwrap()
    };
    let value_at =
        |objective: &Objective, x: &Var| loss_at(objective, x).to_scalar::<f64>().unwrap();
    let mut steep = 0;
    for (name, objective) in objectives() {
        let variables = variable(&x);
        let grads = loss_at(&objective, &variables).backward().unwrap();
        let grads = array(grads.get(&variables).unwrap());
        for ((n, k), &grad) in grads.indexed_iter() {
            let h = 1e-5;
            let moved = |by: f64| {
                let mut moved = x.clone();
                moved[(n, k)] += by;
                value_at(&objective, &variable(&moved))
            };
            let difference = (moved(h) - moved(-h)) / (2.0 * h);
            let close = (grad - difference).abs() <= 1e-7 * (1.0 + difference.abs());
            assert!(close, "{name} at {n}, {k}: {grad}, and by differences {difference}");
            steep += usize::from(grad.abs() > 0.01);
        }
        assert_eq!(grads[(1, 3)], 0.0, "{name}: a response that is not there");
    }
    assert!(steep > 500, "{steep} slopes that a wrong gradient would miss");
}

#[test]
fn value_and_gradient_are_lipos_to_the_last_bit() {
    let (policy, lists) = lists(f64::NEG_INFINITY);
    for (name, objective) in objectives() {
        let variables = variable(&policy);
        let loss = node(&variables, |policy| objective.value_and_grad(policy, &lists)).unwrap();
        let (value, grad) = objective.value_and_grad(&policy, &lists).unwrap();
        assert_eq!(loss.to_scalar::<f64>().unwrap(), value, "{name}");
        assert_eq!(array(loss.backward().unwrap().get(&variables).unwrap()), grad, "{name}");
    }
}

#[test]
fn the_surrogate_has_the_nodes_value_and_gradient() {
    let (policy, lists) = lists(-1.0);
    for (name, objective) in objectives() {
        let variables = variable(&policy);
        let (value, grad) = objective.value_and_grad(&policy, &lists).unwrap();
        let loss = surrogate(&variables, value, variable(&grad).as_tensor()).unwrap();
        assert_eq!(loss.to_scalar::<f64>().unwrap(), value, "{name}");
        assert_eq!(array(loss.backward().unwrap().get(&variables).unwrap()), grad, "{name}");
    }
}

#[test]
fn single_precision_and_views_work_as_well() {
    // The transpose of [K, N] is a view that is not contiguous.
    let columns = [[-1.0_f32, -2.0], [-2.5, -0.5], [-0.25, -1.5]];
    let columns = Var::new(&columns, &Device::Cpu).unwrap();
    let reference = array![[-1.5_f32, -2.0, -0.5], [-1.0, -1.0, -1.0]];
    let labels = array![[1.0, 0.0, 0.5], [0.0, 2.0, 1.0]];
    let reward = ImplicitReward::new(0.3).unwrap();
    let both = |policy: &Array2<f32>| {
        let scores = reward.scores(policy, &reference)?;
        let (value, grad) = PairLogistic::default().value_and_grad(&scores, &labels)?;
        Ok::<_, lipo::Error>((value, reward.backward(&grad)))
    };
    let loss = node(&columns.t().unwrap(), both).unwrap();
    let policy = array![[-1.0, -2.5, -0.25], [-2.0, -0.5, -1.5]];
    let (value, grad) = both(&policy).unwrap();
    assert_eq!(loss.to_scalar::<f32>().unwrap(), value);
    let grads = loss.backward().unwrap().get(&columns).unwrap().to_vec2::<f32>().unwrap();
    for ((n, k), &slope) in grad.indexed_iter() {
        assert_eq!(grads[k][n], slope);
    }
}

#[test]
fn what_is_wrong_is_an_error() {
    let (policy, lists) = lists(-1.0);
    let objective = Objective::new("dpo", 0.1, Choice::default()).unwrap();
    let dpo = |policy: &Array2<f64>| objective.value_and_grad(policy, &lists);
    let message = |tensor: &Tensor| node(tensor, dpo).unwrap_err().to_string();

    let loss_in_place_of_log_probs = variable(&policy.mapv(|log_prob| -log_prob));
    assert!(message(&loss_in_place_of_log_probs).contains("log-probabilit"));
    let other_shape = Tensor::zeros((2, 3), DType::F64, &Device::Cpu).unwrap();
    assert!(message(&other_shape).contains("[2, 4]"), "{}", message(&other_shape));
    let other_type = variable(&policy).to_dtype(DType::F32).unwrap();
    assert!(message(&other_type).contains("F32"), "{}", message(&other_type));
    let other_rank = Tensor::zeros(8, DType::F64, &Device::Cpu).unwrap();
    assert!(message(&other_rank).contains("rank"), "{}", message(&other_rank));
    let short = node(&variable(&policy), |_| Ok::<_, lipo::Error>((0.0, array![[1.0]])));
    assert!(short.unwrap_err().to_string().contains("(1, 1)"));
}

#[test]
fn names_and_parameters_that_make_no_sense_are_errors() {
    let message = |name: &str, beta: f64, choice: Choice<'_>| {
        Objective::new(name, beta, choice).err().map(|error| error.to_string()).unwrap_or_default()
    };
    let none = Choice::default();
    assert!(message("dop", 0.1, none).contains("dop"));
    assert!(message("dpo", 0.0, none).contains("beta"));
    assert!(message("dpo", 0.1, Choice { parameter: Some(1.0), ..none }).contains("no parameter"));
    assert!(message("cdpo", 0.1, Choice { parameter: Some(0.7), ..none }).contains("0.7"));
    assert!(message("dpo", 0.1, Choice { alpha: Some(0.5), ..none }).contains("no α"));
    assert!(message("dpo", 0.1, Choice { reward: Some("free"), ..none }).contains("free"));
    let divergence = Choice { reward: Some("alpha"), alpha: Some(1.5), ..none };
    assert!(message("dpo", 0.1, divergence).contains("1.5"));
}
