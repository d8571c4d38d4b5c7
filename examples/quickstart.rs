//! LiPO's Algorithm 1 for one batch, how well the batch is ranked, and DPO as the special case for pairs.
//!
//!     cargo run --example quickstart

use lipo::losses::{LambdaLoss, LossExt, PairLogistic};
use lipo::metrics::{MetricExt, Ndcg};
use lipo::{Error, labels, scores::ImplicitReward};
use ndarray::array;

fn main() -> Result<(), Error> {
    // Two prompts with three responses each. A trainer has the log-probabilities from its policy
    // (being trained) and its reference (fixed), both [N, K].
    let policy = array![[-12.0, -15.5, -9.0], [-30.0, -28.0, -33.0]];
    let reference = array![[-13.0, -14.0, -9.5], [-30.0, -30.0, -30.0]];
    // A pairwise reward model's probability that response k beats response j: [N, K, K].
    let wins = array![
        [[0.5, 0.9, 0.4], [0.1, 0.5, 0.2], [0.6, 0.8, 0.5]],
        [[0.5, 0.5, 0.7], [0.5, 0.5, 0.6], [0.3, 0.4, 0.5]],
    ];

    let reward = ImplicitReward::new(0.05)?;
    let scores = reward.scores(&policy, &reference)?;
    let psi = labels::from_win_probabilities(&wins)?;
    let (loss, grad) = LambdaLoss.value_and_grad(&scores, &psi)?;
    let grad_log_probs = reward.backward(&grad);

    // Does the policy prefer what the reward model prefers? 1 is the labels' order.
    let ndcg = Ndcg::default().mean(&scores, &psi)?;

    println!("LiPO-λ, K = 3");
    println!("  scores      {scores:.4}");
    println!("  labels      {psi:.4}");
    println!("  loss        {loss:.6}");
    println!("  ∂L/∂log π   {grad_log_probs:.6}");
    println!("  NDCG        {ndcg:.6}");

    // A pair of a chosen and a rejected response, labelled by rank, under the pair-logistic loss is
    // DPO: -log σ(β [(log π_w - log ref_w) - (log π_l - log ref_l)]).
    let margin: f64 = 0.05 * ((-12.0 - -13.0) - (-15.5 - -14.0));
    let by_hand = (-margin).exp().ln_1p();
    let scores = reward.scores(&array![-12.0, -15.5], &array![-13.0, -14.0])?;
    let psi = labels::from_ranks(&array![1.0, 2.0])?;
    let dpo = PairLogistic.value(&scores, &psi)?;

    println!("DPO, K = 2");
    println!("  pair-logistic {dpo:.6}, by hand {by_hand:.6}");
    Ok(())
}
