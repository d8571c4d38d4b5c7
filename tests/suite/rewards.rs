//! Rewards and their chain rules.
//!
//! The links of f-DPO are held to arithmetic of 800 digits over log-ratios from 10⁻³⁰⁰ to the ends of
//! the range (`fixtures/objectives.py`), to within an ulp: no constant, no clip and no wrong branch
//! would pass. The way from tokens through each reward and a loss and back is held to finite differences;
//! what is one reward under two names, to the same bits.

use crate::common::{self, assert_close, bits, for_all, losses, slope};
use lipo::losses::{LossExt, Reduction};
use lipo::scores::{
    FDivergence, FDivergenceReward, ImplicitReward, ReferenceFreeReward, SequenceLogProbs,
};
use lipo::{Error, Lists, Real};
use ndarray::{Array, Array1, Array2, Array3, ArrayRef, IxDyn, array};
use proptest::prelude::*;
use serde::Deserialize;

#[derive(Deserialize)]
struct Figures {
    links: Vec<Link>,
}

#[derive(Debug, Deserialize)]
struct Link {
    divergence: String,
    alpha: Option<f64>,
    beta: f64,
    policy: f64,
    reference: f64,
    /// None beyond the range, below which it is −∞.
    score: Option<(f64, f64)>,
    slope: Option<(f64, f64)>,
}

impl Link {
    fn reward(&self) -> FDivergenceReward {
        let divergence = match self.divergence.as_str() {
            "reverse-kl" => FDivergence::ReverseKl,
            "forward-kl" => FDivergence::ForwardKl,
            "jensen-shannon" => FDivergence::JensenShannon,
            _ => FDivergence::Alpha(self.alpha.unwrap()),
        };
        FDivergenceReward::new(self.beta, divergence).unwrap()
    }
}

/// |got − exact| in ulps of exact.
fn ulps(got: f64, exact: Option<(f64, f64)>, beyond: f64) -> f64 {
    let Some((hi, lo)) = exact else {
        return if got == beyond { 0.0 } else { f64::INFINITY };
    };
    let magnitude = hi.abs().max(f64::MIN_POSITIVE);
    let ulp = f64::from_bits(magnitude.to_bits() + 1) - magnitude;
    ((got - hi) - lo).abs() / ulp
}

#[test]
fn links_and_their_slopes_are_exact() {
    let links = common::fixture::<Figures>("objectives.json").links;
    assert!(links.len() > 400);
    for link in &links {
        let (reward, policy) = (link.reward(), array![link.policy]);
        let reference = array![link.reference];
        let score = reward.scores(&policy, &reference).unwrap()[0];
        let error = ulps(score, link.score, f64::NEG_INFINITY);
        assert!(error <= 0.51, "score {score:e} off by {error} ulp: {link:?}");
        let slope = reward.backward(&array![1.0], &policy, &reference).unwrap()[0];
        let error = ulps(slope, link.slope, f64::INFINITY);
        // Subnormal factors have been rounded themselves.
        let bound = if slope < f64::MIN_POSITIVE { 1.0 } else { 0.51 };
        assert!(error <= bound, "slope {slope:e} off by {error} ulp: {link:?}");
    }
}

#[test]
fn a_response_as_likely_as_under_the_reference_has_score_0() {
    for divergence in divergences() {
        let reward = FDivergenceReward::new(0.3, divergence).unwrap();
        let log_probs = array![0.0_f32, -1.0, -1e5];
        let scores = reward.scores(&log_probs, &log_probs).unwrap();
        assert!(scores.iter().all(|&score| score == 0.0), "{divergence:?}: {scores}");
    }
}

#[test]
fn a_large_coefficient_does_not_hide_what_a_small_one_makes_finite() {
    // e^715 is beyond the range, a ten billionth of it is not.
    let (policy, reference) = (array![-715.0], array![0.0]);
    let reward = FDivergenceReward::new(1e-10, FDivergence::ForwardKl).unwrap();
    let expected = 1e-10 * 365.0_f64.exp() * 350.0_f64.exp();
    let scores = reward.scores(&policy, &reference).unwrap();
    assert_close("score", scores[0], -expected, 1e-13 * expected);
    let grad = reward.backward(&array![1e-3], &policy, &reference).unwrap();
    assert_close("slope", grad[0], 1e-3 * expected, 1e-16 * expected);
}

fn divergences() -> [FDivergence; 4] {
    [
        FDivergence::ReverseKl,
        FDivergence::ForwardKl,
        FDivergence::JensenShannon,
        FDivergence::Alpha(0.4),
    ]
}

#[test]
fn alpha_goes_from_reverse_to_forward_kl() {
    let (policy, reference) = (array![-3.0_f64, -1.0, -7.5], array![-2.0, -4.0, -7.0]);
    let scores = |divergence| {
        FDivergenceReward::new(0.7, divergence).unwrap().scores(&policy, &reference).unwrap()
    };
    for (alpha, end) in [(1e-12, FDivergence::ReverseKl), (1.0 - 1e-12, FDivergence::ForwardKl)] {
        for (score, expected) in scores(FDivergence::Alpha(alpha)).iter().zip(&scores(end)) {
            assert_close("score", *score, *expected, 1e-10);
        }
    }
}

#[test]
fn rewards_of_two_names_are_the_same_bits() {
    fn holds<F: Real>(responses: &[(f64, f64, f64)], beta: f64) {
        let row = |of: fn(&(f64, f64, f64)) -> f64| -> Array1<F> {
            responses.iter().map(|response| F::narrow(of(response))).collect()
        };
        let (policy, reference, grad) = (row(|r| r.0), row(|r| r.1), row(|r| r.2));
        let implicit = ImplicitReward::new(beta).unwrap();
        let reverse = FDivergenceReward::new(beta, FDivergence::ReverseKl).unwrap();
        let scores = implicit.scores(&policy, &reference).unwrap();
        assert_eq!(bits(&reverse.scores(&policy, &reference).unwrap()), bits(&scores));
        let back = implicit.backward(&grad);
        assert_eq!(bits(&reverse.backward(&grad, &policy, &reference).unwrap()), bits(&back));

        let (free, none) = (ReferenceFreeReward::new(beta).unwrap(), Array1::zeros(policy.len()));
        let scores = implicit.scores(&policy, &none).unwrap();
        assert_eq!(free.scores(&policy).unwrap(), scores);
        assert_eq!(bits(&free.backward(&grad)), bits(&back));
    }
    let response = (-900.0..0.0, -900.0..0.0, -2.0..2.0);
    for_all(200, &(prop::collection::vec(response, 0..5), 0.01..3.0), |(responses, beta)| {
        holds::<f32>(&responses, beta);
        holds::<f64>(&responses, beta);
    });
}

/// A reward, applied to sequences' log-probabilities under a mask, and its chain rule.
#[derive(Debug, Clone, Copy)]
enum Reward {
    Free(ReferenceFreeReward),
    F(FDivergenceReward),
}

impl Reward {
    fn all() -> Vec<Self> {
        let f = divergences().map(|divergence| FDivergenceReward::new(0.4, divergence).unwrap());
        let free = ReferenceFreeReward::new(0.4).unwrap();
        f.into_iter().map(Self::F).chain([Self::Free(free)]).collect()
    }

    fn scores(
        self,
        policy: &Array2<f64>,
        reference: &Array2<f64>,
        mask: Option<&ArrayRef<bool, ndarray::Ix2>>,
        out: &mut ArrayRef<f64, ndarray::Ix2>,
    ) -> Result<(), Error> {
        match self {
            Self::Free(reward) => reward.scores_into(policy, mask, out),
            Self::F(reward) => reward.scores_into(policy, reference, mask, out),
        }
    }

    fn backward(
        self,
        grad: &Array2<f64>,
        policy: &Array2<f64>,
        reference: &Array2<f64>,
        mask: Option<&ArrayRef<bool, ndarray::Ix2>>,
        out: &mut ArrayRef<f64, ndarray::Ix2>,
    ) -> Result<(), Error> {
        match self {
            Self::Free(reward) => reward.backward_into(grad, out),
            Self::F(reward) => reward.backward_into(grad, policy, reference, mask, out),
        }
    }
}

/// Two prompts with three responses of up to four tokens, the last response of the first masked.
struct Tokens {
    policy: Array3<f64>,
    reference: Array3<f64>,
    token_mask: Array3<bool>,
    mask: Array2<bool>,
    labels: Array2<f64>,
}

impl Tokens {
    fn new() -> Self {
        let lengths = array![[3, 1, 0], [2, 4, 1]];
        let token_mask = Array::from_shape_fn((2, 3, 4), |(n, k, t)| t < lengths[[n, k]]);
        #[allow(clippy::cast_precision_loss)] // small numbers
        let draw = |salt: usize| {
            Array::from_shape_fn((2, 3, 4), |(n, k, t)| {
                let number = (n * 89 + k * 37 + t * 61 + salt) * 48_271 % 997;
                if token_mask[[n, k, t]] { -0.1 - 2.0 * number as f64 / 997.0 } else { f64::NAN }
            })
        };
        Self {
            policy: draw(5),
            reference: draw(11),
            mask: array![[true, true, false], [true, true, true]],
            labels: array![[0.2, 0.9, 0.0], [1.0, 0.3, 0.6]],
            token_mask,
        }
    }
}

#[test]
fn chain_rules_reach_the_tokens() {
    let case = Tokens::new();
    for sequence in [SequenceLogProbs::Sum, SequenceLogProbs::Mean] {
        let log_probs =
            |tokens: &Array3<f64>| sequence.log_probs(tokens, &case.token_mask).unwrap();
        let reference = log_probs(&case.reference);
        for reward in Reward::all() {
            for (name, loss) in losses() {
                let outcome = |tokens: &Array3<f64>| {
                    let policy = log_probs(tokens);
                    let mut scores = Array2::zeros(policy.dim());
                    reward.scores(&policy, &reference, Some(&*case.mask), &mut scores).unwrap();
                    let lists = Lists::dense(&scores, &case.labels).mask(&case.mask);
                    loss.reduced(&lists.build().unwrap(), Reduction::Sum).unwrap()
                };
                let (_, grad) = outcome(&case.policy);
                let policy = log_probs(&case.policy);
                let mut back = Array2::zeros(policy.dim());
                reward.backward(&grad, &policy, &reference, Some(&*case.mask), &mut back).unwrap();
                let back = sequence.backward(&back, &case.token_mask).unwrap();
                for (index, &got) in back.indexed_iter() {
                    let mut moved = case.policy.clone();
                    let value = |token| {
                        moved[index] = token;
                        outcome(&moved).0
                    };
                    let expected = slope(value, case.policy[index]);
                    let what = format!("{name}, {reward:?}, {sequence:?}, token {index:?}");
                    assert_close(&what, got, expected, 1e-9);
                    assert!(case.token_mask[index] || got == 0.0, "{what}");
                }
            }
        }
    }
}

#[test]
fn masked_responses_may_be_anything() {
    let (policy, reference) = (array![[-1.0, f64::NAN, 35.0]], array![[-2.0, 7.0, f64::INFINITY]]);
    let (mask, grad) = (array![[true, false, false]], array![[1.0, f64::NAN, 2.0]]);
    for reward in Reward::all() {
        let mut out = array![[7.0, 7.0, 7.0]];
        reward.scores(&policy, &reference, Some(&*mask), &mut out).unwrap();
        assert!(out[[0, 0]] != 0.0 && out[[0, 1]] == 0.0 && out[[0, 2]] == 0.0, "{reward:?}");
        let mut alone = array![[7.0]];
        let first = |array: &Array2<f64>| array![[array[[0, 0]]]];
        reward.scores(&first(&policy), &first(&reference), None, &mut alone).unwrap();
        assert_eq!(alone[[0, 0]], out[[0, 0]]);
        if let Reward::F(_) = reward {
            reward.backward(&grad, &policy, &reference, Some(&*mask), &mut out).unwrap();
            assert!(out[[0, 0]] > 0.0 && out[[0, 1]] == 0.0 && out[[0, 2]] == 0.0, "{reward:?}");
        }
    }
}

// --- Bad input

#[test]
fn parameters_outside_their_ranges() {
    for beta in [0.0, -0.05, f64::NAN, f64::INFINITY] {
        let is_refused = |error: Option<Error>| {
            let message = error.unwrap().to_string();
            assert_eq!(message, format!("beta is {beta}, which is not finite and positive"));
        };
        is_refused(ReferenceFreeReward::new(beta).err());
        is_refused(FDivergenceReward::new(beta, FDivergence::ForwardKl).err());
    }
    for alpha in [0.0, 1.0, -0.5, f64::NAN, f64::INFINITY] {
        let error = FDivergenceReward::new(0.1, FDivergence::Alpha(alpha)).unwrap_err();
        assert_eq!(error.to_string(), format!("alpha is {alpha}, which is not in (0, 1)"));
    }
}

#[test]
fn bad_log_probabilities_and_shapes_change_nothing() {
    let good = array![[-1.0, -2.0], [0.0, -4.0]];
    let (wide, mask) = (array![[-1.0, -1.0, -1.0]], array![[true], [true]]);
    let garbage = array![[f64::NAN, -0.0], [7.5, f64::INFINITY]];
    let refused = |what: &str, call: &dyn Fn(&mut ArrayRef<f64, _>) -> Result<(), Error>| {
        let mut out = garbage.clone();
        let error = call(&mut out).unwrap_err();
        assert_eq!(bits(&out), bits(&garbage), "{what}: {error}");
        assert!(error.to_string().starts_with(what), "{error} where {what} is expected");
    };
    for reward in Reward::all() {
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0011, 35.0] {
            let mut bad = good.clone();
            bad[[1, 0]] = value;
            let what = "policy log-probabilities[1, 0]";
            refused(what, &|out| reward.scores(&bad, &good, None, out));
            if let Reward::F(_) = reward {
                refused(what, &|out| reward.backward(&good, &bad, &good, None, out));
                let what = "reference log-probabilities[1, 0]";
                refused(what, &|out| reward.scores(&good, &bad, None, out));
                refused(what, &|out| reward.backward(&good, &good, &bad, None, out));
            }
        }
        refused("scores: shape [2, 2]", &|out| reward.scores(&wide, &wide, None, out));
        refused("mask: shape [2, 1]", &|out| reward.scores(&good, &good, Some(&*mask), out));
        let what = "gradient of the ";
        refused(what, &|out| reward.backward(&wide, &good, &good, None, out));
        refused(what, &|out| reward.backward(&wide, &wide, &wide, None, out));
        if let Reward::F(_) = reward {
            let what = "reference log-probabilities: shape [1, 3]";
            refused(what, &|out| reward.scores(&good, &wide, None, out));
            refused(what, &|out| reward.backward(&good, &good, &wide, None, out));
            let what = "mask: shape [2, 1]";
            refused(what, &|out| reward.backward(&good, &good, &good, Some(&*mask), out));
        }
    }
}

#[test]
fn rewards_of_extreme_numbers_are_no_nan() {
    fn holds<F: Real>(beta: f64, [policy, reference, slope]: [f64; 3]) {
        let [policy, reference, slope] =
            [policy, reference, slope].map(|x| Array::from_elem(IxDyn(&[]), F::narrow(x)));
        for divergence in divergences().into_iter().chain([FDivergence::Alpha(5e-324)]) {
            let reward = FDivergenceReward::new(beta, divergence).unwrap();
            let Ok(scores) = reward.scores(&policy, &reference) else {
                continue;
            };
            let back = reward.backward(&slope, &policy, &reference).unwrap();
            for x in scores.iter().chain(&back) {
                assert!(!x.is_nan(), "{reward:?} of {policy} and {reference}, slope {slope}");
            }
        }
    }
    let ends = [5e-324, 1e-300, 1e-30, 1.0, 700.0, 745.0, 1500.0, 1e30, 1e300, f64::MAX];
    let end = || prop::sample::select(ends.to_vec());
    let slopes = prop_oneof![Just(0.0), Just(f64::INFINITY), end()];
    for_all(2000, &(end(), end(), end(), slopes, any::<bool>()), |(beta, a, b, slope, up)| {
        let slope = if up { slope } else { -slope };
        holds::<f64>(beta, [-a, -b, slope]);
        holds::<f32>(beta, [-a, -b, slope]);
    });
}
