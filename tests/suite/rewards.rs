//! Rewards and their chain rules.
//!
//! The links of f-DPO are held to arithmetic of 800 digits over log-ratios from 10⁻³⁰⁰ to the ends of
//! the range (`fixtures/objectives.py`), to within a few ulp: no constant, no clip and no wrong branch
//! would pass. Sums over tokens are held to sums of twice the precision. The way from tokens through each reward and a loss and back is held to finite differences;
//! what is one reward under two names, to the same bits.

use crate::common::{self, assert_close, bits, draw_tokens, for_all, losses, slope, token_mask};
use lipo::losses::{LossExt, Reduction};
use lipo::scores::{
    FDivergence, FDivergenceReward, ImplicitReward, ReferenceFreeReward, Responses, Reward,
    RewardExt, SequenceLogProbs, Tokens,
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
fn links_and_their_slopes_are_accurate() {
    const BOUND: f64 = 4.0; // ulp
    let links = common::fixture::<Figures>("objectives.json").links;
    assert!(links.len() > 400);
    for link in &links {
        let (reward, policy) = (link.reward(), array![link.policy]);
        let reference = array![link.reference];
        let score = reward.scores(&policy, &reference).unwrap()[0];
        let error = ulps(score, link.score, f64::NEG_INFINITY);
        assert!(error <= BOUND, "score {score:e} off by {error} ulp: {link:?}");
        let slope = reward.backward(&array![1.0], &policy, &reference).unwrap()[0];
        let error = ulps(slope, link.slope, f64::INFINITY);
        assert!(error <= BOUND, "slope {slope:e} off by {error} ulp: {link:?}");
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

fn rewards() -> Vec<Box<dyn Reward>> {
    let f = divergences().map(|divergence| FDivergenceReward::new(0.4, divergence).unwrap());
    let others: [Box<dyn Reward>; 3] = [
        Box::new(ReferenceFreeReward::new(0.4).unwrap()),
        Box::new(ImplicitReward::new(0.4).unwrap()),
        Box::new(Cubic),
    ];
    f.into_iter().map(|reward| Box::new(reward) as Box<dyn Reward>).chain(others).collect()
}

/// A user's reward: x³/8.
#[derive(Debug)]
struct Cubic;

impl Reward for Cubic {
    fn score(&self, x: f64) -> f64 {
        x.powi(3) / 8.0
    }

    fn chain(&self, grad: f64, x: f64) -> f64 {
        grad * 3.0 / 8.0 * x.powi(2)
    }
}

/// Whether the gradient depends on the log-probabilities.
fn is_curved(reward: &dyn Reward) -> bool {
    reward.coefficient().is_none()
}

/// Two prompts with three responses of up to four tokens, the last response of the first masked.
struct Case {
    policy: Array3<f64>,
    reference: Array3<f64>,
    token_mask: Array3<bool>,
    /// 0 where the token mask is false.
    weights: Array3<f64>,
    mask: Array2<bool>,
    betas: Array1<f64>,
    labels: Array2<f64>,
}

impl Case {
    fn new() -> Self {
        let token_mask = token_mask();
        let draw = |salt| draw_tokens(&token_mask, [89, 37, 61], salt, 2.0);
        Self {
            policy: draw(5),
            reference: draw(11),
            mask: array![[true, true, false], [true, true, true]],
            labels: array![[0.2, 0.9, 0.0], [1.0, 0.3, 0.6]],
            betas: array![0.7, 0.9],
            weights: Array::from_shape_fn((2, 3, 4), |(n, k, t)| {
                let weight = [1.0, 0.25, 0.5][(n + 2 * k + t) % 3];
                if token_mask[[n, k, t]] { weight } else { 0.0 }
            }),
            token_mask,
        }
    }
}

#[test]
fn chain_rules_reach_the_tokens() {
    let case = Case::new();
    for sequence in [SequenceLogProbs::Sum, SequenceLogProbs::Mean] {
        let log_probs = |tokens: &Array3<f64>| sequence.log_probs(tokens, &case.weights).unwrap();
        let reference = log_probs(&case.reference);
        for reward in rewards() {
            for (name, loss) in losses() {
                let outcome = |tokens: &Array3<f64>| {
                    let policy = log_probs(tokens);
                    let responses = Responses::new(&policy, &reference);
                    let responses = responses.mask(&case.mask).betas(&case.betas);
                    let scores = reward.scores_over(&responses).unwrap();
                    let lists = Lists::dense(&scores, &case.labels).mask(&case.mask);
                    loss.reduced(&lists.build().unwrap(), Reduction::Sum).unwrap()
                };
                let (_, grad) = outcome(&case.policy);
                let policy = log_probs(&case.policy);
                let responses = Responses::new(&policy, &reference);
                let responses = responses.mask(&case.mask).betas(&case.betas);
                let back = reward.backward_over(&grad, &responses).unwrap();
                let back = sequence.backward(&back, &case.weights).unwrap();
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
    for reward in rewards() {
        let responses = Responses::new(&policy, &reference).mask(&mask);
        let out = reward.scores_over(&responses).unwrap();
        assert!(out[[0, 0]] != 0.0 && out[[0, 1]] == 0.0 && out[[0, 2]] == 0.0, "{reward:?}");
        let first = |array: &Array2<f64>| array![[array[[0, 0]]]];
        let (policy, reference) = (first(&policy), first(&reference));
        let alone = reward.scores_over(&Responses::new(&policy, &reference)).unwrap();
        assert_eq!(alone[[0, 0]], out[[0, 0]]);
        let out = reward.backward_over(&grad, &responses).unwrap();
        assert!(out[[0, 0]] > 0.0 && out[[0, 1]] == 0.0 && out[[0, 2]] == 0.0, "{reward:?}");
    }
}

#[test]
fn a_beta_of_a_list_multiplies_that_of_the_reward() {
    let (policy, reference) =
        (array![[-1.0, -3.0], [-2.0, -5.0]], array![[-2.0, -2.5], [-2.5, -1.0]]);
    let (grad, betas) = (array![[1.0, -2.0], [0.5, 0.25]], array![0.5, 4.0]);
    for reward in rewards() {
        let plain = Responses::new(&policy, &reference);
        let scores = reward.scores_over(&plain).unwrap();
        let back = reward.backward_over(&grad, &plain).unwrap();
        let column = betas.view().insert_axis(ndarray::Axis(1));
        let with_betas = plain.betas(&betas);
        assert_eq!(reward.scores_over(&with_betas), Ok(scores * column), "{reward:?}");
        assert_eq!(reward.backward_over(&grad, &with_betas), Ok(back * column), "{reward:?}");
    }
}

// --- Sums over tokens

/// A number of a sequence that looks random, in [0, 1).
fn draw(seed: &mut u64) -> f64 {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    f64::from(u32::try_from(*seed >> 33).unwrap()) / 2.0_f64.powi(31)
}

/// Σ and Σ|·| of products, kept to twice the precision.
fn sums_of(terms: impl Iterator<Item = (f64, f64)>) -> (f64, f64) {
    let (mut sum, mut lost, mut magnitude) = (0.0_f64, 0.0, 0.0);
    for (a, b) in terms {
        let term = a * b;
        lost += a.mul_add(b, -term);
        let next = sum + term;
        lost += if sum.abs() > term.abs() { (sum - next) + term } else { (term - next) + sum };
        sum = next;
        magnitude += term.abs();
    }
    (sum + lost, magnitude)
}

#[test]
fn sums_over_tokens_are_accurate_however_long() {
    fn holds<F: Real>(unit: f64) {
        let mut seed = 3;
        for length in [0, 1, 2, 5, 8, 15, 16, 17, 31, 100, 127, 128, 129, 255, 1000, 8192, 20_001] {
            let mut tokens = Array2::from_shape_fn((3, length), |_| {
                F::narrow(-(6.0 * draw(&mut seed) - 3.0).exp())
            });
            let mask = Array2::from_shape_fn((3, length), |(k, _)| k == 0 || draw(&mut seed) < 0.6);
            let weights = Array2::from_shape_fn((3, length), |at| {
                if mask[at] { F::narrow(draw(&mut seed) + 0.01) } else { F::zero() }
            });
            tokens.zip_mut_with(&mask, |token, &exists| {
                if !exists {
                    *token = F::nan();
                }
            });
            for sequence in [SequenceLogProbs::Sum, SequenceLogProbs::Mean] {
                let masked = sequence.log_probs(&tokens, &mask).unwrap();
                let weighted = sequence.log_probs(&tokens, &weights).unwrap();
                for k in 0..3 {
                    let existing = || (0..length).filter(|&t| mask[[k, t]]);
                    let check = |got: F, weight: &dyn Fn(usize) -> f64| {
                        let terms = existing().map(|t| (tokens[[k, t]].widen(), weight(t)));
                        let (mut sum, mut magnitude) = sums_of(terms);
                        let total = sums_of(existing().map(|t| (weight(t), 1.0))).0;
                        if sequence == SequenceLogProbs::Mean && total > 0.0 {
                            (sum, magnitude) = (sum / total, magnitude / total);
                        }
                        let error = (got.widen() - sum).abs();
                        assert!(
                            error <= 16.0 * unit * magnitude,
                            "{sequence:?} of {length}: {error:e}"
                        );
                    };
                    check(masked[k], &|_| 1.0);
                    check(weighted[k], &|t| weights[[k, t]].widen());
                }
            }
        }
    }
    // In `f32` the sums are in `f64`: they are rounded once, the quotient of the mean included.
    holds::<f32>(f64::from(f32::EPSILON) / 32.0 * 1.01);
    holds::<f64>(f64::EPSILON / 2.0);
}

#[test]
fn padding_before_and_behind_does_not_change_a_bit() {
    fn holds<F: Real>() {
        let mut seed = 17;
        for length in [1, 3, 16, 40, 300] {
            let tokens: Vec<F> = (0..length).map(|_| F::narrow(-5.0 * draw(&mut seed))).collect();
            for sequence in [SequenceLogProbs::Sum, SequenceLogProbs::Mean] {
                let alone = Array1::from(tokens.clone());
                let alone = sequence.log_probs(&alone, &alone.mapv(|_| true)).unwrap();
                for (before, behind) in [(0, 1), (0, 100), (1, 0), (7, 9), (16, 3), (130, 130)] {
                    let whole = before + length + behind;
                    let inside = |t: usize| (before..before + length).contains(&t);
                    let mask = Array1::from_shape_fn(whole, inside);
                    let padded = Array1::from_shape_fn(whole, |t| {
                        if inside(t) { tokens[t - before] } else { F::nan() }
                    });
                    let sum = sequence.log_probs(&padded, &mask).unwrap();
                    assert_eq!(sum[()].widen().to_bits(), alone[()].widen().to_bits());
                    // A mask is weights of 1 and 0.
                    let weights = mask.mapv(|exists| if exists { F::one() } else { F::zero() });
                    assert_eq!(sequence.log_probs(&padded, &weights), Ok(sum.clone()));
                    let slope = ndarray::arr0(F::narrow(0.3));
                    let back = sequence.backward(&slope, &mask).unwrap();
                    assert_eq!(sequence.backward(&slope, &weights), Ok(back.clone()));
                    let count = F::narrow(if sequence == SequenceLogProbs::Sum {
                        1.0
                    } else {
                        f64::from(u16::try_from(length).unwrap())
                    });
                    for (t, &share) in back.iter().enumerate() {
                        let expected = if inside(t) {
                            F::narrow(slope[()].widen() / count.widen())
                        } else {
                            F::zero()
                        };
                        assert_eq!(share, expected);
                    }
                }
            }
        }
    }
    holds::<f32>();
    holds::<f64>();
}

/// So many tokens that, with the feature `rayon`, several threads add them.
#[test]
fn a_large_batch_has_the_bits_of_its_responses() {
    let (responses, length) = (2500, 256);
    let mut seed = 5;
    let tokens =
        Array2::from_shape_fn((responses, length), |_| -(8.0 * draw(&mut seed) - 4.0).exp());
    let mask = Array2::from_shape_fn((responses, length), |_| draw(&mut seed) < 0.7);
    for sequence in [SequenceLogProbs::Sum, SequenceLogProbs::Mean] {
        let sums = sequence.log_probs(&tokens, &mask).unwrap();
        let back = sequence.backward(&sums, &mask).unwrap();
        for k in (0..responses).step_by(97) {
            let (tokens, mask) = (tokens.row(k), mask.row(k));
            let alone = sequence.log_probs(&tokens, &mask).unwrap();
            assert_eq!(alone[()].to_bits(), sums[k].to_bits());
            let alone = sequence.backward(&alone, &mask).unwrap();
            assert_eq!(bits(&alone), bits(&back.row(k)));
        }
        // What is wrong in the last of the parts is seen, and named.
        let mut wrong = tokens.clone();
        let last = (0..length).rev().find(|&t| mask[[responses - 1, t]]).unwrap();
        wrong[[responses - 1, last]] = 0.5;
        let error = sequence.log_probs(&wrong, &mask).unwrap_err().to_string();
        let place = format!("token log-probabilities[{}, {last}] is 5e-1", responses - 1);
        assert!(error.starts_with(&place), "{error}");
    }
}

#[test]
fn sums_that_overflow_on_the_way_are_right() {
    let huge = -f64::MAX;
    let tokens = array![[huge, huge, -1.0], [huge, 0.0, 0.0]];
    let mask = array![[true, true, false], [true, true, true]];
    let sums = SequenceLogProbs::Sum.log_probs(&tokens, &mask).unwrap();
    assert_eq!(sums, array![f64::NEG_INFINITY, huge]);
    let means = SequenceLogProbs::Mean.log_probs(&tokens, &mask).unwrap();
    assert_eq!(means, array![huge, huge / 3.0]);
    let weights = array![[0.25, 0.25, 0.0], [4.0, 4.0, 0.0]];
    let sums = SequenceLogProbs::Sum.log_probs(&tokens, &weights).unwrap();
    assert_eq!(sums, array![huge / 2.0, f64::NEG_INFINITY]);
    let means = SequenceLogProbs::Mean.log_probs(&tokens, &weights).unwrap();
    assert_eq!(means, array![huge, huge / 2.0]);
    // Log-densities of both signs.
    let densities = array![[f64::MAX, f64::MAX, -f64::MAX]];
    let mask = array![[true, true, true]];
    let tokens = Tokens::new(&densities, &mask).at_most(f64::INFINITY);
    assert_eq!(SequenceLogProbs::Sum.log_probs_over(&tokens), Ok(array![f64::MAX]));
}

// --- Bad input

#[test]
fn more_responses_than_memory_are_an_error() {
    // A zero axis behind it: there is nothing to read, and too much to write.
    let tokens = Array2::<f64>::zeros((1 << 40, 0));
    let mask = tokens.map(|_| true);
    let error = SequenceLogProbs::Sum.log_probs(&tokens, &mask).unwrap_err();
    assert!(matches!(error, Error::Parameter { name: "responses", .. }), "{error}");
}

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
    for reward in rewards() {
        let scores = |policy: &Array2<f64>, reference: &Array2<f64>, out: &mut ArrayRef<f64, _>| {
            reward.scores_into(&Responses::new(policy, reference), out)
        };
        let backward =
            |grad: &Array2<f64>, policy: &Array2<f64>, reference: &Array2<f64>, out: &mut _| {
                reward.backward_into(grad, &Responses::new(policy, reference), out)
            };
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.11, 35.0] {
            let mut bad = good.clone();
            bad[[1, 0]] = value;
            let what = "policy log-probabilities[1, 0]";
            refused(what, &|out| scores(&bad, &good, out));
            if is_curved(&reward) {
                refused(what, &|out| backward(&good, &bad, &good, out));
            }
            let what = "reference log-probabilities[1, 0]";
            if reward.uses_reference() {
                refused(what, &|out| scores(&good, &bad, out));
            } else {
                let same = reward.scores_over(&Responses::reference_free(&good)).unwrap();
                assert_eq!(reward.scores_over(&Responses::new(&good, &bad)), Ok(same));
            }
            if is_curved(&reward) {
                refused(what, &|out| backward(&good, &good, &bad, out));
            }
        }
        refused("scores: shape [2, 2]", &|out| scores(&wide, &wide, out));
        let what = "gradient of the ";
        refused(what, &|out| backward(&wide, &good, &good, out));
        refused(what, &|out| backward(&wide, &wide, &wide, out));
        let what = "reference log-probabilities: shape [1, 3]";
        refused(what, &|out| scores(&good, &wide, out));
        refused(what, &|out| backward(&good, &good, &wide, out));
        let masked = Responses::new(&good, &good).mask(&mask);
        let what = "mask: shape [2, 1]";
        refused(what, &|out| reward.scores_into(&masked, out));
        refused(what, &|out| reward.backward_into(&good, &masked, out));
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
