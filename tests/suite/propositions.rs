//! LiPO's Propositions 2.1 to 2.3, from log-probabilities and back to their gradient.
//!
//! For two responses the listwise objective is that of DPO or SLiC, and these are written here as
//! their papers have them, in log-probabilities of a winner and a loser, without scores or lists. The
//! two sides share no code, so their agreement checks the scores, the losses and the chain rules
//! at once; the way through tokens is checked by finite differences from end to end.

use crate::common::{
    assert_all_close, assert_close, draw_tokens, for_all, hinge, log_1p_exp, losses, sigmoid,
    slope, token_mask,
};
use lipo::losses::{ListMle, Loss, LossExt, PairHinge, PairLogistic, Softmax};
use lipo::scores::{ImplicitReward, Responses, RewardExt, SequenceLogProbs};
use lipo::{Lists, Real, labels};
use ndarray::{Array1, Array2, Array3, array};
use proptest::prelude::*;

/// Policy and reference log-probabilities of two responses, the preferred one first.
#[derive(Debug, Clone, Copy)]
struct Preference {
    policy: [f64; 2],
    reference: [f64; 2],
    beta: f64,
}

impl Preference {
    /// β [(log π_w − log ref_w) − (log π_l − log ref_l)]
    fn margin(&self) -> f64 {
        let [of_winner, of_loser] = [0, 1].map(|k| self.policy[k] - self.reference[k]);
        self.beta * (of_winner - of_loser)
    }

    /// −log σ(margin), and its gradient with respect to log π_w and log π_l.
    fn dpo(&self) -> (f64, [f64; 2]) {
        let pull = self.beta * sigmoid(-self.margin());
        (log_1p_exp(-self.margin()), [-pull, pull])
    }

    /// max(0, 1 − margin), and its gradient.
    fn slic_norm(&self) -> (f64, [f64; 2]) {
        let (value, slope) = hinge(self.margin());
        (value, [self.beta * slope, -self.beta * slope])
    }

    /// The loss by this crate, from log-probabilities to their gradient; `winner` is the place of the
    /// preferred response.
    fn lipo<F: Real>(&self, loss: &dyn Loss, labels: &Array1<F>, winner: usize) -> (f64, [f64; 2]) {
        let place = |[w, l]: [f64; 2]| if winner == 0 { array![w, l] } else { array![l, w] };
        let [policy, reference] = [self.policy, self.reference].map(|x| place(x).mapv(F::narrow));
        let reward = ImplicitReward::new(self.beta).unwrap();
        let scores = reward.scores(&policy, &reference).unwrap();
        let (value, grad) = loss.value_and_grad(&scores, labels).unwrap();
        let grad = reward.backward(&grad).mapv(Real::widen);
        (value.widen(), [grad[winner], grad[1 - winner]])
    }
}

fn preferences() -> impl Strategy<Value = Preference> {
    let log_probs = || [-200.0..0.0, -200.0..0.0];
    let beta = prop_oneof![Just(0.05), 0.01..2.0];
    (log_probs(), log_probs(), beta).prop_map(|(policy, reference, beta)| Preference {
        policy,
        reference,
        beta,
    })
}

/// That a loss on labels that prefer one response is the given function of the log-probabilities.
fn assert_is(
    what: &str,
    loss: &dyn Loss,
    preferred: [f64; 2],
    expected: fn(&Preference) -> (f64, [f64; 2]),
) {
    fn holds<F: Real>(
        what: &str,
        (loss, preferred): (&dyn Loss, [f64; 2]),
        preference: &Preference,
        (value, grad): (f64, [f64; 2]),
        tolerance: f64,
    ) {
        let [high, low] = preferred.map(F::narrow);
        for (winner, labels) in [array![high, low], array![low, high]].iter().enumerate() {
            let got = preference.lipo::<F>(loss, labels, winner);
            assert_close(what, got.0, value, tolerance);
            assert_all_close(what, &got.1, &grad, tolerance * preference.beta);
        }
    }
    for_all(300, &preferences(), |preference| {
        let expected = expected(&preference);
        holds::<f64>(what, (loss, preferred), &preference, expected, 1e-12);
        // Near its kink the hinge's slope hangs on a rounding error.
        if (preference.margin() - 1.0).abs() > 1e-3 {
            holds::<f32>(what, (loss, preferred), &preference, expected, 1e-3);
        }
    });
}

#[test]
fn proposition_2_1_pair_logistic_is_dpo() {
    assert_is("graded labels", &PairLogistic, [0.75, 0.25], Preference::dpo);
    assert_is("one-hot labels", &PairLogistic, [1.0, 0.0], Preference::dpo);
}

#[test]
fn proposition_2_2_pair_hinge_is_slic_norm() {
    assert_is("graded labels", &PairHinge, [0.75, 0.25], Preference::slic_norm);
    assert_is("one-hot labels", &PairHinge, [1.0, 0.0], Preference::slic_norm);
}

#[test]
fn proposition_2_3_list_mle_and_one_hot_softmax_are_dpo() {
    assert_is("list-mle", &ListMle, [0.75, 0.25], Preference::dpo);
    assert_is("softmax", &Softmax, [1.0, 0.0], Preference::dpo);
}

#[test]
fn labels_of_a_comparison_prefer_its_winner() {
    // A judge's probabilities and ranks both give labels of two responses that make them a pair.
    let wins = array![[0.5, 0.875], [0.125, 0.5]];
    assert_eq!(labels::from_win_probabilities(&wins), Ok(array![0.6875, 0.3125]));
    assert_eq!(labels::from_ranks(&array![1.0, 2.0]), Ok(array![0.75, 0.25]));
}

/// Two prompts with three responses of up to four tokens; the last response of the first is masked.
/// No two scores of a prompt come near each other, nor a margin near 1.
struct Tokens {
    policy: Array3<f64>,
    reference: Array3<f64>,
    token_mask: Array3<bool>,
    mask: Array2<bool>,
    labels: Array2<f64>,
    reward: ImplicitReward,
}

impl Tokens {
    fn new() -> Self {
        let token_mask = token_mask();
        let draw = |salt| draw_tokens(&token_mask, [97, 31, 57], salt, 3.0);
        Self {
            policy: draw(2),
            reference: draw(3),
            mask: array![[true, true, false], [true, true, true]],
            labels: array![[0.2, 0.9, 0.0], [1.0, 0.3, 0.6]],
            token_mask,
            reward: ImplicitReward::new(0.3).unwrap(),
        }
    }

    fn loss(
        &self,
        loss: &dyn Loss,
        sequence: SequenceLogProbs,
        policy: &Array3<f64>,
    ) -> (f64, Array2<f64>) {
        let log_probs = |tokens| sequence.log_probs(tokens, &self.token_mask).unwrap();
        let (policy, reference) = (log_probs(policy), log_probs(&self.reference));
        let responses = Responses::new(&policy, &reference).mask(&self.mask);
        let scores = self.reward.scores_over(&responses).unwrap();
        let lists = Lists::dense(&scores, &self.labels).mask(&self.mask).build().unwrap();
        loss.reduced(&lists, lipo::losses::Reduction::MeanOverLists).unwrap()
    }
}

#[test]
fn the_chain_rule_reaches_the_tokens() {
    let tokens = Tokens::new();
    for sequence in [SequenceLogProbs::Sum, SequenceLogProbs::Mean] {
        for (name, loss) in losses() {
            let (_, grad) = tokens.loss(&*loss, sequence, &tokens.policy);
            let grad = sequence.backward(&tokens.reward.backward(&grad), &tokens.token_mask);
            for (index, &got) in grad.unwrap().indexed_iter() {
                let mut policy = tokens.policy.clone();
                let value = |token| {
                    policy[index] = token;
                    tokens.loss(&*loss, sequence, &policy).0
                };
                let expected = slope(value, tokens.policy[index]);
                let what = format!("{name}, {sequence:?}, token {index:?}");
                assert_close(&what, got, expected, 1e-10);
                assert!(tokens.token_mask[index] || got == 0.0, "{what}");
            }
        }
    }
}

#[test]
fn sequence_log_probs_by_hand() {
    let tokens = array![[-1.0, -0.5, -0.25], [-2.0, f64::NAN, -4.0], [f64::INFINITY, 1.0, 7.0]];
    let mask = array![[true, true, true], [true, false, true], [false, false, false]];
    let grad = array![3.0, -1.0, 0.5];
    for (sequence, expected, slopes) in [
        (
            SequenceLogProbs::Sum,
            array![-1.75, -6.0, 0.0],
            array![[3.0; 3], [-1.0, 0.0, -1.0], [0.0; 3]],
        ),
        (
            SequenceLogProbs::Mean,
            array![-1.75 / 3.0, -3.0, 0.0],
            array![[1.0; 3], [-0.5, 0.0, -0.5], [0.0; 3]],
        ),
    ] {
        assert_eq!(sequence.log_probs(&tokens, &mask), Ok(expected));
        assert_eq!(sequence.backward(&grad, &mask), Ok(slopes));
    }
}
