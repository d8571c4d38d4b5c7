//! From preferences to labels ψ `[.., K]`.
//!
//! Ψ_kj is the probability that response k is preferred to response j, as a pairwise reward model
//! or a judge gives it; ψ_k = (1/K) Σ_j Ψ_kj, the probability that response k beats one of the
//! list drawn at random, is its label in LiPO.
//!
//! | what is known | what it takes |
//! |---|---|
//! | Ψ of all pairs, `[.., K, K]` | [`from_win_probabilities`]; checked to add up, [`WinProbabilities`] |
//! | Ψ of a judge with a bias for what it is shown first | [`symmetrised`] before |
//! | an order of all | [`from_ranks`], [`win_probabilities_from_ranks`] |
//! | pointwise rewards | [`win_probabilities_from_rewards`] (Bradley–Terry) |
//! | votes, ties, ratings, Ψ of some pairs | [`Comparisons`], then an [`Estimator`] of strengths |
//! | votes on the responses to many prompts | [`PromptVotes`], then an [`Estimator`]: ragged lists of ψ |
//! | rankings, full or of the best, with ties and counts | [`Rankings`], then [`PlackettLuce`] |
//!
//! The functions of arrays have `_into` forms, which take an optional mask `[.., K]` of the responses
//! that exist and the caller's array, and allocate nothing as long as the arrays are in standard
//! layout. What belongs to a masked response may hold anything, takes no part in any ψ (K counts
//! the others), and becomes 0.
//!
//! # From votes to a trained policy
//!
//! Votes are partial, tied and biased. They are counted, strengths explain them, and the strengths'
//! ψ stand for those of all K² comparisons:
//!
//! ```
//! use lipo::labels::{
//!     BradleyTerry, Comparison, Comparisons, Estimator, Outcome, Prior, Ties, position_bias,
//! };
//! use lipo::losses::{LambdaLoss, LossExt};
//! use lipo::scores::ImplicitReward;
//! use ndarray::{Array1, Array2, Axis};
//!
//! // 1. A file of votes on the responses 0, 1, … to each of N prompts. Where a file has names,
//! // give each a number; `examples/votes` reads such a file.
//! let file = "prompt,left,right,winner
//! 0,0,1,left\n0,1,2,tie\n0,2,0,right\n0,3,1,left\n0,0,3,left\n0,2,3,left
//! 1,1,0,left\n1,1,2,left\n1,3,1,right\n1,0,3,tie";
//! let (prompts, responses) = (2, 4);
//! let mut votes = vec![Vec::new(); prompts];
//! for line in file.lines().skip(1) {
//!     let fields: Vec<&str> = line.trim().split(',').collect();
//!     let outcome = match fields[3] {
//!         "left" => Outcome::First,
//!         "right" => Outcome::Second,
//!         _ => Outcome::Tie,
//!     };
//!     let [prompt, left, right] = [0, 1, 2].map(|field| fields[field].parse::<usize>().unwrap());
//!     votes[prompt].push(Comparison::new(left, right, outcome));
//! }
//!
//! // 2. Votes -> strengths -> ψ, a row a prompt. The prior keeps a response that won everything
//! // finite, and one that nobody voted on in the middle.
//! let model = BradleyTerry::default().ties(Ties::Davidson).prior(Prior::Gaussian(1.5));
//! let mut psi = Array2::zeros((prompts, responses)); // [N, K]
//! for (votes, mut row) in votes.into_iter().zip(psi.outer_iter_mut()) {
//!     let votes = Comparisons::from_records(responses, votes)?;
//!     println!("{:?}", position_bias(&votes)); // and .order_effect(), where there is one
//!     let labels: Array1<f64> = model.fit(&votes)?.labels();
//!     row.assign(&labels);
//! }
//! assert!(psi[[0, 0]] > psi[[0, 1]] && psi[[1, 1]] > psi[[1, 0]]);
//!
//! // 3. ψ -> a trained policy. This one is a table of logits [N, K], and starts as the reference.
//! let log_softmax = |logits: &Array2<f64>| {
//!     logits - &logits.exp().sum_axis(Axis(1)).ln().insert_axis(Axis(1))
//! };
//! let reward = ImplicitReward::new(0.05)?; // β
//! let mut logits = Array2::zeros((prompts, responses));
//! let reference = log_softmax(&logits);
//! for _ in 0..200 {
//!     let policy = log_softmax(&logits);
//!     let scores = reward.scores(&policy, &reference)?;
//!     let (_loss, grad) = LambdaLoss.value_and_grad(&scores, &psi)?;
//!     let grad = reward.backward(&grad); // ∂L/∂log π: here a model's own backward pass begins
//!     let sums = grad.sum_axis(Axis(1)).insert_axis(Axis(1));
//!     logits = logits - 100.0 * (grad - policy.exp() * sums);
//! }
//!
//! // What was voted for has become more probable than what was not: at first it was ¼ for all.
//! let policy = log_softmax(&logits).exp();
//! assert!(policy[[0, 0]] > 0.5 && policy[[1, 1]] > 0.5);
//! for (policy, psi) in policy.iter().zip(&psi) {
//!     println!("ψ = {psi:.3}, π = {policy:.3}");
//! }
//! # Ok::<(), lipo::Error>(())
//! ```
//!
//! `examples/training_step.rs` does step 3 with a policy that has weights and tokens.
//!
//! # Estimators of strength
//!
//! | estimator | what it is | the residual it reports |
//! |---|---|---|
//! | [`average_win_rate`] | mean share of points over the opponents met | none |
//! | [`borda`], [`copeland`] | counts of points; of opponents beaten | none |
//! | [`BradleyTerry`] | maximum likelihood; ties, order effect, prior; [`Information`] | next Newton step |
//! | [`Newman`] | the same maximum by Newman's iteration | what is left of θ's changes |
//! | [`RankCentrality`] | stationary distribution of a walk towards winners | what is left of θ's changes |
//! | [`PlackettLuce`] | maximum likelihood of [`Rankings`]; [`Information`] | next Newton step |
//!
//! None fails silently, and none refuses what has an answer. Whether a likelihood has a maximum is
//! decided exactly, from who was compared with whom and how it came out. Comparisons that do not link
//! all items are [`Error::Unconnected`], which names the parts; an item (or several) that never lost
//! is [`Error::Separable`] where strengths would be infinite. A [`Prior`], or [`Newman`]'s
//! `pseudo_counts`, makes both fine, those of [`RankCentrality`] the second,
//! [`average_win_rate_with_prior`] the first. An order effect, or the probability of a tie, that has no
//! best value is [`Error::Undetermined`]. What did not converge, a limit of the iteration, is
//! [`Error::NotConverged`], unless [`Stopping::accept_unconverged`] asks for the last iterate, whose
//! [`Convergence`] says so. Whatever is returned is finite, and probabilities are.
//!
//! A common factor of all weights changes no estimate, and does not decide whether there is one.
//!
//! How sure is it? [`BradleyTerry::information`] and [`PlackettLuce::information`] have standard errors,
//! [`bootstrap`] seeded intervals of anything, ψ among them. Which pairs to ask next? [`random_pairs`],
//! [`cyclic_pairs`], [`sorted_pairs`], [`informative_pairs`]. Is what is shown first favoured?
//! [`position_bias`] measures it, [`averaged_over_orders`] takes it out where both orders were asked,
//! [`BradleyTerry::order_effect`](BradleyTerry::order_effect()) fits it otherwise, and
//! [`Fit::unexplained_advantage`] tells what is left.
//!
//! # Figures of other programs
//!
//! | there | here |
//! |---|---|
//! | evalica `average_win_rate` | [`average_win_rate`] |
//! | evalica `counting` | [`borda`] |
//! | evalica `bradley_terry` | e^θ of [`BradleyTerry`]; divided by their sum, [`Fit::shares`] |
//! | evalica `newman` | the same of [`Newman::davidson`](Newman::davidson()), save for a common factor; its v is ν/2 |
//! | choix `ilsr_pairwise`, `mm_pairwise`, `opt_pairwise` | θ of [`BradleyTerry`]; `alpha` of `opt_pairwise` is 1/(2σ²) of [`Prior::Gaussian`] |
//! | choix `rank_centrality` | θ of [`RankCentrality`] |
//! | choix `ilsr_rankings`, `opt_rankings`; `ilsr_top1` | θ of [`PlackettLuce`]; with [`Rankings::push_top_of`] of one |
//!
//! `cargo run --release --example votes -- FILE.csv` prints evalica's average win rate and, as the share,
//! its Bradley–Terry score divided by the sum of all; with `--format json`, to the last digit.
//! evalica stops when the norm of the change is below its `tolerance`; at its default of 10⁻⁶ its shares
//! of 59 items in 9,000 votes are within 10⁻⁹ of these (`tests/suite/strength_figures.rs`).

mod bootstrap;
mod bradley_terry;
mod comparisons;
mod design;
mod estimator;
mod existence;
mod expected_points;
mod fit;
mod graph;
mod information;
mod likelihood;
mod limits;
mod newman;
mod newton;
mod plackett_luce;
mod position_bias;
mod prior;
mod prompts;
mod rank_centrality;
mod rankings;
mod ranks;
mod responses;
mod shifts;
mod stopping;
mod sweeps;
mod ties;
mod win_probabilities;
mod win_rate;

pub use bootstrap::{Bootstrap, Resample, bootstrap};
pub use bradley_terry::BradleyTerry;
pub use comparisons::{Comparison, Comparisons, Outcome, Pair};
pub use design::{cyclic_pairs, informative_pairs, random_pairs, sorted_pairs};
pub use estimator::Estimator;
pub use fit::Fit;
pub use information::Information;
pub use newman::Newman;
pub use plackett_luce::PlackettLuce;
pub use position_bias::{
    OrderAveraged, PositionBias, Symmetrised, averaged_over_orders, position_bias, symmetrised,
    symmetrised_into,
};
pub use prior::Prior;
pub use prompts::{Prompt, PromptVotes, RaggedLabels};
pub use rank_centrality::RankCentrality;
pub use rankings::Rankings;
pub use ranks::{
    from_ranks, from_ranks_into, win_probabilities_from_ranks, win_probabilities_from_ranks_into,
};
pub use stopping::{Convergence, Stopping};
pub use ties::{OutcomeProbabilities, TieModel, Ties};
pub use win_probabilities::{
    WinProbabilities, from_win_probabilities, from_win_probabilities_into,
    win_probabilities_from_rewards, win_probabilities_from_rewards_into,
};
pub use win_rate::{average_win_rate, average_win_rate_with_prior, borda, copeland};

#[cfg(doc)]
use crate::Error;
