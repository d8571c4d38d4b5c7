//! Bad input gets a typed error, and nothing changes; no input panics or gives NaN.
//!
//! Two halves. Tables break a good input in one place each, and state the error with its fields
//! and its message, through every function that takes the input, into arrays that hold garbage
//! and must keep it. The broken places lie in the second list, behind a masked item that holds NaN, so
//! an index that counts wrongly shows. Properties feed numbers of all bit patterns, and arrays of
//! all shapes, to every public function: mostly finite numbers at the ends of the range, since what
//! is NaN at once is the easier half. They count how much of it was accepted, so that they cannot
//! end up testing errors only.

use std::cell::Cell;

use crate::common::{
    Definition, Dense, Item, REDUCTIONS, Ragged, TestList, assert_all_close, assert_close, bits,
    every_loss, for_all, loss, losses, takes_differences, value_and_grad,
};
use lipo::losses::{
    Hinge, LambdaLoss, LambdaWeight, Logistic, Loss, LossExt, PairFunction, PairHinge, PairLoss,
    Reduction, RobustLogistic, SmoothedLogistic, SquaredDifference, TargetMargin, Workspace,
};
use lipo::scores::{self, ImplicitReward, Responses, RewardExt, SequenceLogProbs, Tokens};
use lipo::{Error, Lists, Real, labels, ranking};
use ndarray::{
    Array, Array1, Array2, Array3, ArrayD, ArrayRef, Dim, Dimension, Ix1, Ix2, Ix3, IxDyn, array,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

const NAN: f64 = f64::NAN;
const INFINITY: f64 = f64::INFINITY;

// --- Errors as they are stated

fn not_finite(what: &'static str, index: &[usize], value: f64) -> Error {
    Error::NotFinite { what, index: index.to_vec(), value }
}

fn out_of_range(what: &'static str, index: &[usize], value: f64, range: &'static str) -> Error {
    Error::OutOfRange { what, index: index.to_vec(), value, range }
}

fn shape(what: &'static str, expected: &[usize], found: &[usize]) -> Error {
    Error::Shape { what, expected: expected.to_vec(), found: found.to_vec() }
}

fn axes(what: &'static str, least: usize) -> Error {
    Error::Axes { what, least, found: 0 }
}

/// Compares errors by what they print, since NaN is not equal to itself.
fn assert_error<T>(result: Result<T, Error>, expected: &Error) {
    let error = result.err().unwrap_or_else(|| panic!("no error where {expected:?} is expected"));
    assert_eq!(format!("{error:?}"), format!("{expected:?}"));
}

/// That a call fails as expected and leaves the array as it was, whatever it holds.
fn assert_refused<T, D: Dimension>(
    shape: D,
    expected: &Error,
    call: impl FnOnce(&mut ArrayRef<f64, D>) -> Result<T, Error>,
) {
    let garbage = [NAN, -0.0, 7.5, -INFINITY, f64::from_bits(0x7ff4_dead_beef_0001)];
    let mut garbage = garbage.into_iter().cycle();
    let mut out = Array::from_shape_simple_fn(shape, || garbage.next().unwrap());
    let before = bits(&out);
    assert_error(call(&mut out), expected);
    assert_eq!(bits(&out), before, "{expected:?}, but something was written");
}

// --- Lists and losses

/// Two lists of three items; item [1, 0] is masked and holds NaN.
type Input = Dense<f64, IxDyn>;

fn good() -> Input {
    Dense {
        scores: array![[0.5, -1.0, 0.0], [NAN, 1.5, -0.5]].into_dyn(),
        labels: array![[1.0, 0.0, 0.5], [INFINITY, 0.25, 0.75]].into_dyn(),
        mask: array![[true, true, true], [false, true, true]].into_dyn(),
        weights: array![[1.0, 0.0, 2.0], [-1.0, 0.5, 1.0]].into_dyn(),
        list_weights: array![1.0, 2.0].into_dyn(),
    }
}

fn broken(change: fn(&mut Input)) -> Input {
    let mut input = good();
    change(&mut input);
    input
}

/// The same lists one after another in flat arrays.
fn flattened(input: &Input) -> Ragged<f64> {
    let flat = |array: &ArrayD<f64>| array.iter().copied().collect();
    Ragged {
        scores: flat(&input.scores),
        labels: flat(&input.labels),
        mask: input.mask.iter().copied().collect(),
        weights: flat(&input.weights),
        list_weights: flat(&input.list_weights),
        sizes: vec![3, 3],
    }
}

/// The error about the same item in flat arrays.
fn in_flat_arrays(error: &Error) -> Error {
    let mut error = error.clone();
    if let Error::NotFinite { index, .. } | Error::OutOfRange { index, .. } = &mut error
        && let [list, item] = index[..]
    {
        *index = vec![3 * list + item];
    }
    error
}

#[test]
fn the_good_input_is_good() {
    for (name, loss) in every_loss() {
        let input = good();
        let (value, grad) = loss.reduced(&input.lists(), Reduction::Sum).unwrap();
        assert!(value.is_finite() && grad.iter().all(|slope| slope.is_finite()), "{name}");
        assert!(loss.per_list(&flattened(&input).lists()).is_ok(), "{name}");
    }
}

#[test]
fn elements_of_lists() {
    type Row = (fn(&mut Input), Error, &'static str);
    let table: [Row; 11] = [
        (
            |input| input.scores[[1, 2]] = NAN,
            not_finite("scores", &[1, 2], NAN),
            "scores[1, 2] is NaN, not a finite number",
        ),
        (
            |input| input.scores[[1, 1]] = -INFINITY,
            not_finite("scores", &[1, 1], -INFINITY),
            "scores[1, 1] is -inf, not a finite number",
        ),
        (
            |input| input.labels[[1, 2]] = INFINITY,
            not_finite("labels", &[1, 2], INFINITY),
            "labels[1, 2] is inf, not a finite number",
        ),
        (
            |input| input.labels[[0, 0]] = NAN,
            not_finite("labels", &[0, 0], NAN),
            "labels[0, 0] is NaN, not a finite number",
        ),
        (
            |input| input.weights[[1, 1]] = NAN,
            not_finite("weights", &[1, 1], NAN),
            "weights[1, 1] is NaN, not a finite number",
        ),
        (
            |input| input.weights[[0, 2]] = INFINITY,
            not_finite("weights", &[0, 2], INFINITY),
            "weights[0, 2] is inf, not a finite number",
        ),
        (
            |input| input.weights[[1, 2]] = -0.5,
            out_of_range("weights", &[1, 2], -0.5, "at least 0"),
            "weights[1, 2] is -5e-1, which is not at least 0",
        ),
        (
            |input| input.list_weights[[1]] = NAN,
            not_finite("list weights", &[1], NAN),
            "list weights[1] is NaN, not a finite number",
        ),
        (
            |input| input.list_weights[[1]] = INFINITY,
            not_finite("list weights", &[1], INFINITY),
            "list weights[1] is inf, not a finite number",
        ),
        (
            |input| input.list_weights[[0]] = -1e-300,
            out_of_range("list weights", &[0], -1e-300, "at least 0"),
            "list weights[0] is -1e-300, which is not at least 0",
        ),
        // The first of two in the order of the array.
        (
            |input| input.labels.fill(NAN),
            not_finite("labels", &[0, 0], NAN),
            "labels[0, 0] is NaN, not a finite number",
        ),
    ];
    for (change, expected, message) in table {
        let input = broken(change);
        assert_error(input.build(), &expected);
        assert_error(flattened(&input).build(), &in_flat_arrays(&expected));
        assert_eq!(expected.to_string(), message);
    }
    // The shorthands build the lists themselves.
    let (scores, labels) = (array![0.0, 1.0, NAN], array![0.0, 1.0, 2.0]);
    for (_, loss) in losses() {
        for (scores, labels, what) in [(&scores, &labels, "scores"), (&labels, &scores, "labels")] {
            assert_error(loss.value(scores, labels), &not_finite(what, &[2], NAN));
            assert_error(loss.value_and_grad(scores, labels), &not_finite(what, &[2], NAN));
        }
    }
}

#[test]
fn shapes_of_lists() {
    type Row = (fn(&mut Input), Error, &'static str);
    let table: [Row; 6] = [
        (
            |input| input.labels = Array::zeros(IxDyn(&[3, 2])),
            shape("labels", &[2, 3], &[3, 2]),
            "labels: shape [3, 2] where [2, 3] is expected",
        ),
        (
            |input| input.labels = Array::zeros(IxDyn(&[6])),
            shape("labels", &[2, 3], &[6]),
            "labels: shape [6] where [2, 3] is expected",
        ),
        (
            |input| input.mask = Array::from_elem(IxDyn(&[2, 1]), true),
            shape("mask", &[2, 3], &[2, 1]),
            "mask: shape [2, 1] where [2, 3] is expected",
        ),
        (
            |input| input.weights = Array::ones(IxDyn(&[3])),
            shape("weights", &[2, 3], &[3]),
            "weights: shape [3] where [2, 3] is expected",
        ),
        (
            |input| input.list_weights = Array::ones(IxDyn(&[3])),
            shape("list weights", &[2], &[3]),
            "list weights: shape [3] where [2] is expected",
        ),
        (
            |input| {
                let scalar = Array::zeros(IxDyn(&[]));
                input.mask = Array::from_elem(IxDyn(&[]), true);
                (input.scores, input.labels, input.weights) =
                    (scalar.clone(), scalar.clone(), scalar);
            },
            axes("scores", 1),
            "scores: 0 axes where at least 1 are expected",
        ),
    ];
    for (change, expected, message) in table {
        assert_error(broken(change).build(), &expected);
        assert_eq!(expected.to_string(), message);
    }

    let (three, two) = (array![0.0, 1.0, 2.0], array![0.0, 1.0]);
    for (_, loss) in losses() {
        assert_error(loss.value(&three, &two), &shape("labels", &[3], &[2]));
        assert_error(loss.value_and_grad(&three, &two), &shape("labels", &[3], &[2]));
    }
}

#[test]
fn groups_of_ragged_lists() {
    let scores = array![0.0, 1.0, 2.0];
    for (sizes, total) in [
        (&[][..], 0),
        (&[2], 2),
        (&[2, 2], 4),
        (&[3, 0, 1], 4),
        (&[usize::MAX], usize::MAX),
        (&[3, usize::MAX], usize::MAX),
        // These would add up to 3, if the sum wrapped around.
        (&[usize::MAX, 4], usize::MAX),
    ] {
        let expected = Error::GroupSizes { total, items: 3 };
        assert_error(Lists::ragged(&scores, &scores, sizes).build(), &expected);
    }
    assert_eq!(
        Error::GroupSizes { total: 2, items: 3 }.to_string(),
        "group sizes: they add up to 2 where there are 3 items"
    );
    let (weights, sizes) = (array![1.0, 1.0, 1.0], [2, 1]);
    let lists = Lists::ragged(&scores, &scores, &sizes).list_weights(&weights);
    assert_error(lists.build(), &shape("list weights", &[2], &[3]));
    let labels = array![0.0, 1.0];
    assert_error(Lists::ragged(&scores, &labels, &sizes).build(), &shape("labels", &[3], &[2]));
}

/// That every way to apply a loss fails as expected and writes nothing.
fn assert_loss_refuses(loss: &dyn Loss, input: &Input, expected: &Error) {
    fn holds<D: Dimension, B: Dimension>(
        loss: &dyn Loss,
        lists: &Lists<'_, f64, D, B>,
        expected: &Error,
    ) {
        let workspace = &mut Workspace::default();
        for reduction in REDUCTIONS {
            assert_error(loss.reduced(lists, reduction), expected);
            assert_refused(lists.shape(), expected, |grad| {
                loss.reduced_into(lists, reduction, grad, workspace)
            });
        }
        assert_error(loss.per_list(lists), expected);
        assert_error(loss.total(lists, workspace), expected);
        assert_refused(lists.shape(), expected, |grad| {
            loss.per_list_into(lists, &mut Array::zeros(lists.batch_shape()), grad, workspace)
        });
        assert_refused(lists.batch_shape(), expected, |values| {
            loss.per_list_into(lists, values, &mut Array::zeros(lists.shape()), workspace)
        });
    }
    holds(loss, &input.lists(), expected);
    // Without a mask, and so without garbage.
    let unmasked = |array: &ArrayD<f64>| array.mapv(|x| if x.is_finite() { x } else { 0.5 });
    let (scores, labels) = (unmasked(&input.scores), unmasked(&input.labels));
    holds(loss, &Lists::dense(&scores, &labels).build().unwrap(), expected);
    holds(loss, &flattened(input).lists(), &in_flat_arrays(expected));
}

#[test]
fn labels_outside_a_losss_domain() {
    type Row = (&'static str, fn(&mut Input), Error, &'static str);
    let table: [Row; 6] = [
        (
            "point-sigmoid",
            |input| input.labels[[1, 2]] = -0.125,
            out_of_range("labels", &[1, 2], -0.125, "in [0, 1]"),
            "labels[1, 2] is -1.25e-1, which is not in [0, 1]",
        ),
        (
            "point-sigmoid",
            |input| input.labels[[1, 1]] = 1.0 + f64::EPSILON,
            out_of_range("labels", &[1, 1], 1.0 + f64::EPSILON, "in [0, 1]"),
            "labels[1, 1] is 1.0000000000000002e0, which is not in [0, 1]",
        ),
        (
            "softmax",
            |input| input.labels[[1, 1]] = -5e-324,
            out_of_range("labels", &[1, 1], -5e-324, "at least 0"),
            "labels[1, 1] is -5e-324, which is not at least 0",
        ),
        (
            "softmax",
            |input| input.labels[[0, 2]] = f64::MIN,
            out_of_range("labels", &[0, 2], f64::MIN, "at least 0"),
            "labels[0, 2] is -1.7976931348623157e308, which is not at least 0",
        ),
        (
            "lambda-loss",
            |input| input.labels[[1, 2]] = 1024.0,
            out_of_range("labels", &[1, 2], 1024.0, "a label whose gain is finite"),
            "labels[1, 2] is 1.024e3, which is not a label whose gain is finite",
        ),
        (
            "lambda-loss",
            |input| input.labels[[1, 1]] = f64::MAX,
            out_of_range("labels", &[1, 1], f64::MAX, "a label whose gain is finite"),
            "labels[1, 1] is 1.7976931348623157e308, which is not a label whose gain is finite",
        ),
    ];
    for (name, change, expected, message) in table {
        assert_loss_refuses(&*loss(name), &broken(change), &expected);
        assert_eq!(expected.to_string(), message);
    }
    // The ends of the domains belong to them.
    for (name, change) in [
        ("point-sigmoid", (|input| input.labels[[1, 1]] = 1.0) as fn(&mut Input)),
        ("point-sigmoid", |input| input.labels[[1, 1]] = -0.0),
        ("softmax", |input| input.labels[[1, 1]] = -0.0),
        ("softmax", |input| input.labels[[1, 1]] = f64::MAX),
        ("lambda-loss", |input| input.labels[[1, 1]] = 1023.9),
        ("lambda-loss", |input| input.labels[[1, 1]] = f64::MIN),
    ] {
        assert!(loss(name).per_list(&broken(change).lists()).is_ok(), "{name}");
    }
}

#[test]
fn scores_whose_difference_overflows() {
    let wide = broken(|input| {
        input.scores[[1, 1]] = -1e308;
        input.scores[[1, 2]] = 1e308;
    });
    let expected = Error::Spread { list: vec![1], least: -1e308, greatest: 1e308 };
    let message = "scores of list [1]: the difference of 1e308 and -1e308 overflows";
    assert_eq!(expected.to_string(), message);
    for (name, loss) in every_loss() {
        if name.starts_with("point") || name == "nca" {
            assert!(loss.per_list(&wide.lists()).is_ok(), "{name}");
        } else if takes_differences(&name) {
            assert_loss_refuses(&*loss, &wide, &expected);
        }
    }
}

#[test]
fn the_range_of_f32_is_that_of_the_arrays() {
    let expected =
        Error::Spread { list: vec![], least: -f64::from(2e38_f32), greatest: f64::from(2e38_f32) };
    let labels = array![1.0_f32, 0.0];
    for (name, loss) in losses().into_iter().filter(|(name, _)| !name.starts_with("point")) {
        let wide = loss.value(&array![2e38_f32, -2e38], &labels);
        assert_eq!(wide, Err(expected.clone()), "{name}");
        assert!(loss.value(&array![2e38_f64, -2e38], &array![1.0, 0.0]).is_ok(), "{name}");
    }
    let gain = "a label whose gain is finite";
    let graded = LambdaLoss.value(&array![0.0_f32, 1.0], &array![0.0, 128.0]);
    assert_eq!(graded, Err(out_of_range("labels", &[1], 128.0, gain)));
    let graded = LambdaLoss.value(&array![0.0_f32, 1.0], &array![0.0, 127.9]);
    assert!(graded.is_ok_and(f32::is_finite));
    let custom = LambdaWeight::dcg().gain(ranking::gain_fn(|label| 1e39 * label));
    let graded = PairLoss::new(Logistic, custom).value(&array![0.0_f32, 1.0], &array![0.0, 1.0]);
    assert_eq!(graded, Err(out_of_range("labels", &[1], 1.0, gain)));
}

#[test]
fn parameters_of_losses() {
    let infinite = [NAN, INFINITY, -INFINITY];
    for value in infinite {
        for (name, error) in [
            ("margin", Hinge::new(value).err()),
            ("target", SquaredDifference::new(value).err()),
            ("target margin", TargetMargin::new(Hinge::default(), value).err()),
        ] {
            assert_error::<()>(
                Err(error.unwrap()),
                &Error::Parameter { name, value, range: "finite" },
            );
        }
    }
    for value in infinite.into_iter().chain([-5e-324, 0.5, 1.0]) {
        let expected = Error::Parameter { name: "epsilon", value, range: "in [0, 0.5)" };
        assert_error(SmoothedLogistic::new(value), &expected);
        assert_error(RobustLogistic::new(value), &expected);
    }
    // The ends of the ranges belong to them; without noise it is the logistic function.
    assert_eq!(Hinge::new(1.0), Ok(Hinge::default()));
    assert!(
        TargetMargin::new(Hinge::default(), f64::MAX).is_ok()
            && SquaredDifference::new(-0.0).is_ok()
    );
    fn at(function: impl PairFunction, margin: f64) -> (f64, Array1<f64>) {
        let loss = PairLoss::unweighted(function);
        loss.value_and_grad(&array![margin, 0.0], &array![1.0, 0.0]).unwrap()
    }
    for margin in [-800.0, -1.0, 0.0, 1e-9, 3.0, 800.0] {
        let expected = at(Logistic, margin);
        assert_eq!(at(SmoothedLogistic::new(0.0).unwrap(), margin), expected);
        assert_eq!(at(RobustLogistic::new(0.0).unwrap(), margin), expected);
    }
}

#[test]
fn what_pro_and_nca_refuse() {
    type Row = (&'static str, fn(&mut Input), Error);
    let scores = "a score that is finite over its temperature";
    let labels = "a label within range of the least";
    let table: [Row; 3] = [
        (
            "nca",
            |input| input.labels[[1, 2]] = -0.5,
            out_of_range("labels", &[1, 2], -0.5, "at least 0"),
        ),
        (
            "pro",
            |input| {
                input.scores[[1, 2]] = 1e200;
                input.labels[[1, 1]] = 1e150;
            },
            out_of_range("scores", &[1, 2], 1e200, scores),
        ),
        (
            "pro",
            |input| {
                input.labels[[1, 2]] = 1e308;
                input.labels[[1, 1]] = -1e308;
            },
            out_of_range("labels", &[1, 2], 1e308, labels),
        ),
    ];
    for (name, change, expected) in table {
        assert_loss_refuses(&*loss(name), &broken(change), &expected);
    }
}

#[test]
fn shapes_of_results() {
    let input = good();
    let (lists, workspace) = (input.lists(), &mut Workspace::default());
    for (_, loss) in losses() {
        for found in [&[3, 2][..], &[2, 4], &[6], &[2, 3, 1], &[]] {
            let expected = shape("gradient", &[2, 3], found);
            for reduction in REDUCTIONS {
                assert_refused(IxDyn(found), &expected, |grad| {
                    loss.reduced_into(&lists, reduction, grad, workspace)
                });
            }
            assert_refused(IxDyn(found), &expected, |grad| {
                loss.per_list_into(&lists, &mut Array::zeros(IxDyn(&[2])), grad, workspace)
            });
        }
        for found in [&[3][..], &[2, 1], &[]] {
            assert_refused(IxDyn(found), &shape("values", &[2], found), |values| {
                loss.per_list_into(&lists, values, &mut Array::zeros(IxDyn(&[2, 3])), workspace)
            });
        }
    }
}

// --- Scores

#[test]
fn beta() {
    for beta in [0.0, -0.0, -0.05, NAN, INFINITY, -INFINITY] {
        let range = "finite and positive";
        assert_error(
            ImplicitReward::new(beta),
            &Error::Parameter { name: "beta", value: beta, range },
        );
    }
    let error = ImplicitReward::new(-0.05).unwrap_err();
    assert_eq!(error.to_string(), "beta is -0.05, which is not finite and positive");
    assert_eq!(ImplicitReward::new(5e-324).map(|reward| reward.beta()), Ok(5e-324));
}

#[test]
fn log_probabilities() {
    let reward = ImplicitReward::new(0.1).unwrap();
    let good = array![[-1.0, -2.0], [0.0, -4.0]];
    let mask = array![[true, true], [false, true]];
    let range = "a log-probability, at most 0 (or 0.1, rounded)";
    let (policy, reference) = ("policy log-probabilities", "reference log-probabilities");
    for value in [NAN, INFINITY, -INFINITY, 0.101, 35.0] {
        let expected = |what, index: &[usize]| {
            if value.is_finite() {
                out_of_range(what, index, value, range)
            } else {
                not_finite(what, index, value)
            }
        };
        let mut bad = good.clone();
        bad[[1, 1]] = value;
        for (inputs, what) in [((&bad, &good), policy), ((&good, &bad), reference)] {
            let expected = expected(what, &[1, 1]);
            assert_error(reward.scores(inputs.0, inputs.1), &expected);
            let responses = Responses::new(inputs.0, inputs.1);
            for responses in [responses, responses.mask(&mask)] {
                assert_error(reward.scores_over(&responses), &expected);
                assert_refused(good.raw_dim(), &expected, |out| {
                    reward.scores_into(&responses, out)
                });
            }
        }

        let mut tokens = Array3::from_elem((2, 2, 2), -1.0);
        let mut token_mask = tokens.mapv(|_| true);
        (tokens[[1, 0, 0]], token_mask[[1, 0, 0]]) = (NAN, false);
        tokens[[1, 0, 1]] = value;
        let expected = expected("token log-probabilities", &[1, 0, 1]);
        for sequence in [SequenceLogProbs::Sum, SequenceLogProbs::Mean] {
            assert_error(sequence.log_probs(&tokens, &token_mask), &expected);
            assert_refused(good.raw_dim(), &expected, |out| {
                let tokens = Tokens::new(&tokens, &token_mask);
                sequence.log_probs_into(&tokens, out, &mut scores::Workspace::default())
            });
        }
    }
    assert_eq!(
        out_of_range(policy, &[1], 35.0, range).to_string(),
        "policy log-probabilities[1] is 3.5e1, which is not a log-probability, at most 0 (or 0.1, \
         rounded)"
    );
    // Rounding above 0 passes, and whatever is masked.
    let mut odd = good.clone();
    odd[[1, 1]] = 0.0625;
    odd[[1, 0]] = NAN;
    let odd = Responses::new(&odd, &odd).mask(&mask);
    assert!(reward.scores_over(&odd).is_ok());
    // The bound is the caller's.
    assert!(reward.scores_over(&odd.at_most(0.0625)).is_ok());
    let range = "a log-probability, at most the bound that was set";
    let expected = out_of_range(policy, &[1, 1], 0.0625, range);
    assert_error(reward.scores_over(&odd.at_most(0.01)), &expected);
    for bound in [-0.1, NAN] {
        let error = reward.scores_over(&odd.at_most(bound)).unwrap_err().to_string();
        assert_eq!(
            error,
            format!("the greatest log-probability is {bound}, which is not at least 0")
        );
    }
}

#[test]
fn the_bound_of_log_probabilities_is_the_callers() {
    fn holds<F: Real>() {
        let array = |x: f64| Array2::from_elem((2, 3), F::narrow(x));
        let mask = Array2::from_elem((2, 3), true);
        let passes = |x: f64, bound: Option<f64>| {
            let array = array(x);
            let (tokens, responses) =
                (Tokens::new(&array, &mask), Responses::reference_free(&array));
            let tokens = bound.map_or(tokens, |bound| tokens.at_most(bound));
            let responses = bound.map_or(responses, |bound| responses.at_most(bound));
            let reward = ImplicitReward::new(1.0).unwrap();
            let results = [
                reward.scores_over(&responses).is_ok(),
                SequenceLogProbs::Sum.log_probs_over(&tokens).is_ok(),
                SequenceLogProbs::Mean.log_probs_over(&tokens).is_ok(),
            ];
            assert!(results == [results[0]; 3], "{x}, {bound:?}: {results:?}");
            results[0]
        };
        // What `bf16` rounds to, the bound itself, what is just above.
        assert!(passes(0.0625, None) && passes(0.1, None) && !passes(0.1000001, None));
        assert!(passes(0.0, Some(0.0)) && !passes(1e-30, Some(0.0)) && passes(-1e30, Some(0.0)));
        assert!(passes(3.5, Some(3.5)) && !passes(3.500001, Some(3.5)));
        assert!(passes(1e30, Some(INFINITY)) && !passes(INFINITY, Some(INFINITY)));
        assert!(!passes(-INFINITY, Some(INFINITY)) && !passes(NAN, Some(INFINITY)));
        assert!(!passes(-1.0, Some(NAN)) && !passes(-1.0, Some(-1.0)));
    }
    holds::<f32>();
    holds::<f64>();
}

#[test]
fn token_weights_and_betas() {
    let tokens = array![[-1.0, -2.0], [NAN, -4.0]];
    let good = array![[1.0, 0.5], [0.0, 2.0]];
    let (sequence, grad) = (SequenceLogProbs::Mean, array![1.0, 2.0]);
    assert_eq!(sequence.log_probs(&tokens, &good), Ok(array![-4.0 / 3.0, -4.0]));
    for value in [NAN, INFINITY, -INFINITY, -1e-300] {
        let mut weights = good.clone();
        weights[[1, 1]] = value;
        let expected = if value.is_finite() {
            out_of_range("token weights", &[1, 1], value, "at least 0")
        } else {
            not_finite("token weights", &[1, 1], value)
        };
        assert_error(sequence.log_probs(&tokens, &weights), &expected);
        assert_error(sequence.backward(&grad, &weights), &expected);
        assert_refused(grad.raw_dim(), &expected, |out| {
            let tokens = Tokens::new(&tokens, &weights);
            sequence.log_probs_into(&tokens, out, &mut scores::Workspace::default())
        });
        assert_refused(good.raw_dim(), &expected, |out| {
            sequence.backward_into(&grad, &weights, out)
        });
    }
    let expected = shape("token weights", &[2, 2], &[1, 2]);
    assert_error(sequence.log_probs(&tokens, &array![[1.0, 1.0]]), &expected);

    let (log_probs, reward) =
        (array![[-1.0, -2.0], [-3.0, -4.0]], ImplicitReward::new(1.0).unwrap());
    let responses = Responses::reference_free(&log_probs);
    for value in [NAN, INFINITY, 0.0, -0.5] {
        let betas = array![0.5, value];
        let expected = if value.is_finite() {
            out_of_range("betas", &[1], value, "positive")
        } else {
            not_finite("betas", &[1], value)
        };
        let responses = responses.betas(&betas);
        assert_refused(good.raw_dim(), &expected, |out| reward.scores_into(&responses, out));
        assert_refused(good.raw_dim(), &expected, |out| {
            reward.backward_into(&good, &responses, out)
        });
    }
    let betas = array![0.5];
    let expected = shape("betas", &[2], &[1]);
    assert_error(reward.scores_over(&responses.betas(&betas)), &expected);
}

#[test]
fn shapes_of_scores() {
    let reward = ImplicitReward::new(0.1).unwrap();
    let (good, other) = (Array2::from_elem((2, 3), -1.0), Array2::from_elem((3, 2), -1.0));
    let (mask, other_mask) = (good.mapv(|_| true), other.mapv(|_| true));
    let expected = shape("reference log-probabilities", &[2, 3], &[3, 2]);
    assert_error(reward.scores(&good, &other), &expected);
    let oblong = Responses::new(&good, &other).mask(&mask);
    assert_error(reward.scores_over(&oblong), &expected);
    assert_refused(good.raw_dim(), &expected, |out| reward.scores_into(&oblong, out));
    let responses = Responses::new(&good, &good);
    let expected = shape("mask", &[2, 3], &[3, 2]);
    assert_error(reward.scores_over(&responses.mask(&other_mask)), &expected);
    assert_refused(good.raw_dim(), &expected, |out| {
        reward.scores_into(&responses.mask(&other_mask), out)
    });
    let expected = shape("scores", &[2, 3], &[3, 2]);
    assert_refused(other.raw_dim(), &expected, |out| reward.scores_into(&responses, out));
    let expected = shape("gradient of the scores", &[2, 3], &[3, 2]);
    assert_error(reward.backward_over(&other, &responses), &expected);
    let expected = shape("gradient of the log-probabilities", &[2, 3], &[3, 2]);
    assert_refused(other.raw_dim(), &expected, |out| reward.backward_into(&good, &responses, out));

    let sequence = SequenceLogProbs::Mean;
    let row = Array1::from_elem(2, -1.0);
    let expected = shape("token mask", &[2, 3], &[3, 2]);
    assert_error(sequence.log_probs(&good, &other_mask), &expected);
    assert_refused(row.raw_dim(), &expected, |out| {
        let tokens = Tokens::new(&good, &other_mask);
        sequence.log_probs_into(&tokens, out, &mut scores::Workspace::default())
    });
    let expected = shape("log-probabilities", &[2], &[3]);
    assert_refused(array![0.0, 0.0, 0.0].raw_dim(), &expected, |out| {
        let tokens = Tokens::new(&good, &mask);
        sequence.log_probs_into(&tokens, out, &mut scores::Workspace::default())
    });
    let expected = shape("gradient of the log-probabilities", &[3], &[2]);
    assert_error(sequence.backward(&row, &other_mask), &expected);
    assert_refused(other.raw_dim(), &expected, |out| {
        sequence.backward_into(&row, &other_mask, out)
    });
    let expected = shape("gradient of the token log-probabilities", &[2, 3], &[3, 2]);
    assert_refused(other.raw_dim(), &expected, |out| sequence.backward_into(&row, &mask, out));

    let scalar = Array::from_elem(IxDyn(&[]), -1.0);
    let scalar_mask = scalar.mapv(|_| true);
    let expected = axes("token log-probabilities", 1);
    assert_error(sequence.log_probs(&scalar, &scalar_mask), &expected);
    assert_refused(scalar.raw_dim(), &expected, |out| {
        let tokens = Tokens::new(&scalar, &scalar_mask);
        sequence.log_probs_into(&tokens, out, &mut scores::Workspace::default())
    });
    assert_error(sequence.backward(&scalar, &scalar_mask), &axes("token mask", 1));
    assert_refused(scalar.raw_dim(), &axes("token mask", 1), |out| {
        sequence.backward_into(&scalar, &scalar_mask, out)
    });
}

// --- Labels

#[test]
fn win_probabilities() {
    let good = Array3::from_elem((2, 2, 2), 0.5);
    let mask = array![[true, true], [true, true]];
    let range = "in [0, 1]";
    for value in [NAN, INFINITY, -INFINITY, -1e-9, 1.0 + f64::EPSILON, 50.0] {
        let mut wins = good.clone();
        wins[[1, 0, 1]] = value;
        let expected = if value.is_finite() {
            out_of_range("win probabilities", &[1, 0, 1], value, range)
        } else {
            not_finite("win probabilities", &[1, 0, 1], value)
        };
        assert_error(labels::from_win_probabilities(&wins), &expected);
        assert_error(labels::WinProbabilities::new(&wins).mask(&mask).labels(), &expected);
        assert_error(labels::symmetrised(&wins), &expected);
        for mask in [None, Some(&*mask)] {
            assert_refused(mask_shape(&good), &expected, |out| {
                labels::from_win_probabilities_into(&wins, mask, out)
            });
            assert_symmetrised_refused(&wins, mask, &expected);
        }
        // Where either response is masked, it does not matter.
        for k in [0, 1] {
            let mut mask = mask.clone();
            mask[[1, k]] = false;
            assert!(labels::WinProbabilities::new(&wins).mask(&mask).labels().is_ok());
        }
    }
    assert_eq!(
        out_of_range("win probabilities", &[1, 0, 1], 50.0, range).to_string(),
        "win probabilities[1, 0, 1] is 5e1, which is not in [0, 1]"
    );
}

#[test]
fn win_probabilities_that_do_not_add_up() {
    let wins = array![[[0.5, 0.75], [0.25, 0.5]], [[0.5, 1.0], [0.0, 0.5]]];
    let checked = |wins: &Array3<f64>, tolerance| {
        labels::WinProbabilities::new(wins).complementary(tolerance).labels()
    };
    assert_eq!(checked(&wins, 0.0), labels::from_win_probabilities(&wins));
    for (place, by, what, index, is) in [
        ([1, 1, 1], -0.5, "diagonal win probabilities", [1, 1, 1], 0.0),
        ([0, 0, 0], 0.25, "diagonal win probabilities", [0, 0, 0], 0.75),
        ([1, 1, 0], 0.25, "sums of opposite win probabilities", [1, 0, 1], 1.25),
        ([0, 0, 1], -0.5, "sums of opposite win probabilities", [0, 0, 1], 0.5),
    ] {
        let mut wrong = wins.clone();
        wrong[place] += by;
        let range = if what.starts_with('d') {
            "½, within the tolerance"
        } else {
            "1, within the tolerance"
        };
        let expected = out_of_range(what, &index, is, range);
        assert_error(checked(&wrong, 0.2), &expected);
        assert_refused(mask_shape(&wrong), &expected, |out| {
            labels::WinProbabilities::new(&wrong).complementary(0.2).labels_into(out)
        });
        // Within the tolerance, not asked for, or masked.
        assert_eq!(checked(&wrong, 0.5), labels::from_win_probabilities(&wrong));
        let mut mask = array![[true, true], [true, true]];
        mask[[place[0], place[1]]] = false;
        let masked = labels::WinProbabilities::new(&wrong).mask(&mask);
        assert_eq!(masked.complementary(0.0).labels(), masked.labels());
    }
    for tolerance in [-1e-9, NAN] {
        let range = "at least 0";
        let expected = Error::Parameter { name: "tolerance", value: tolerance, range };
        assert_error(checked(&wins, tolerance), &expected);
    }
}

fn mask_shape(wins: &Array3<f64>) -> Ix2 {
    Ix2(wins.dim().0, wins.dim().1)
}

/// That `symmetrised_into` fails and leaves all its arrays as they were.
fn assert_symmetrised_refused(
    wins: &Array3<f64>,
    mask: Option<&ArrayRef<bool, Ix2>>,
    expected: &Error,
) {
    let mut out = labels::Symmetrised {
        wins: Array::from_elem((2, 2, 2), 7.0),
        mean_asymmetry: Array::from_elem(2, 7.0),
        greatest_asymmetry: Array::from_elem(2, 7.0),
    };
    let before = out.clone();
    assert_error(labels::symmetrised_into(wins, mask, &mut out), expected);
    assert_eq!(out, before);
}

#[test]
fn shapes_of_win_probabilities() {
    type Break = fn(&mut labels::Symmetrised<f64, Ix3, Ix1>);
    let oblong = Array3::from_elem((2, 2, 3), 0.5);
    let mask = array![[true, true], [true, true]];
    let expected = shape("win probabilities", &[2, 2, 2], &[2, 2, 3]);
    assert_error(labels::from_win_probabilities(&oblong), &expected);
    assert_error(labels::WinProbabilities::new(&oblong).mask(&mask).labels(), &expected);
    assert_error(labels::symmetrised(&oblong), &expected);
    assert_refused(mask_shape(&oblong), &expected, |out| {
        labels::from_win_probabilities_into(&oblong, None, out)
    });
    assert_symmetrised_refused(&oblong, None, &expected);

    let wins = Array3::from_elem((2, 2, 2), 0.5);
    let other_mask = array![[true, true, true]];
    let expected = shape("mask", &[2, 2], &[1, 3]);
    assert_error(labels::WinProbabilities::new(&wins).mask(&other_mask).labels(), &expected);
    assert_symmetrised_refused(&wins, Some(&other_mask), &expected);
    let expected = shape("labels", &[2, 2], &[1, 3]);
    assert_refused(Ix2(1, 3), &expected, |out| {
        labels::from_win_probabilities_into(&wins, None, out)
    });
    let breaks: [(Break, Error); 3] = [
        (
            |out| out.wins = Array::zeros((2, 2, 3)),
            shape("symmetrised win probabilities", &[2, 2, 2], &[2, 2, 3]),
        ),
        (|out| out.mean_asymmetry = Array::zeros(3), shape("mean asymmetry", &[2], &[3])),
        (|out| out.greatest_asymmetry = Array::zeros(1), shape("greatest asymmetry", &[2], &[1])),
    ];
    for (change, expected) in breaks {
        let mut out = labels::symmetrised(&wins).unwrap();
        change(&mut out);
        let before = out.clone();
        assert_error(labels::symmetrised_into(&wins, None, &mut out), &expected);
        assert_eq!(out, before);
    }
    for found in 0..2 {
        let flat = Array::from_elem(IxDyn(&[4, 4][..found]), 0.5);
        let expected = Error::Axes { what: "win probabilities", least: 2, found };
        assert_error(labels::from_win_probabilities(&flat), &expected);
        assert_error(labels::symmetrised(&flat), &expected);
    }
}

#[test]
fn ranks_and_rewards() {
    type IntoSquare = fn(
        &Array2<f64>,
        Option<&ArrayRef<bool, Ix2>>,
        &mut ArrayRef<f64, Ix3>,
    ) -> Result<(), Error>;
    let to_squares: [(IntoSquare, &'static str); 2] = [
        (|known, mask, out| labels::win_probabilities_from_ranks_into(known, mask, out), "ranks"),
        (
            |known, mask, out| labels::win_probabilities_from_rewards_into(known, mask, out),
            "rewards",
        ),
    ];
    let good = array![[1.0, 2.0], [2.0, 1.0]];
    let mask = array![[true, true], [false, true]];
    let cube = Ix3(2, 2, 2);
    for value in [NAN, INFINITY, -INFINITY] {
        let mut bad = good.clone();
        bad[[1, 1]] = value;
        for mask in [None, Some(&*mask)] {
            for (into, what) in to_squares {
                assert_refused(cube, &not_finite(what, &[1, 1], value), |out| {
                    into(&bad, mask, out)
                });
            }
            assert_refused(good.raw_dim(), &not_finite("ranks", &[1, 1], value), |out| {
                labels::from_ranks_into(&bad, mask, out)
            });
        }
        assert_error(labels::from_ranks(&bad), &not_finite("ranks", &[1, 1], value));
        let expected = not_finite("ranks", &[1, 1], value);
        assert_error(labels::win_probabilities_from_ranks(&bad), &expected);
        let expected = not_finite("rewards", &[1, 1], value);
        assert_error(labels::win_probabilities_from_rewards(&bad), &expected);
    }

    let other_mask = array![[true, true, true]];
    for (into, _) in to_squares {
        let expected = shape("mask", &[2, 2], &[1, 3]);
        assert_refused(cube, &expected, |out| into(&good, Some(&other_mask), out));
        for found in [[2, 2, 3], [2, 3, 2], [1, 2, 2]] {
            let expected = shape("win probabilities", &[2, 2, 2], &found);
            let found = Dim(found);
            assert_refused(found, &expected, |out| into(&good, None, out));
        }
    }
    let expected = shape("labels", &[2, 2], &[1, 3]);
    assert_refused(Ix2(1, 3), &expected, |out| labels::from_ranks_into(&good, None, out));
    let scalar = Array::<f64, _>::zeros(IxDyn(&[]));
    assert_error(labels::from_ranks(&scalar), &axes("ranks", 1));
    assert_error(labels::win_probabilities_from_ranks(&scalar), &axes("ranks", 1));
    assert_error(labels::win_probabilities_from_rewards(&scalar), &axes("rewards", 1));
}

// --- The ends of the range

#[test]
fn a_loss_beyond_the_range_is_infinite() {
    /// Scores, labels, weights; the value and the gradient, which may be finite all the same.
    type Row<'a> = (&'a str, &'a [f64], &'a [f64], &'a [f64], f64, &'a [f64]);
    const BIG: f64 = 1.7e308;
    let second = 2.0_f64.ln() / 3.0_f64.ln();
    // 7 (1 − ½) and 7 (1/log2(3) − ½): item 0 ranks third.
    let (d01, d02) = (3.5, 7.0 * (second - 0.5));
    let sigma = 1.0 / (1.0 + (-1.0_f64).exp());
    // Two pairs that item 0 should win and loses by far.
    let (lost, labels) = ([0.0, BIG, BIG], [3.0, 0.0, 0.0]);
    let table: [Row; 13] = [
        ("point-mse", &[1e200], &[0.0], &[1.0], INFINITY, &[2e200]),
        ("point-sigmoid", &[BIG, BIG], &[0.0, 0.0], &[1.0; 2], INFINITY, &[1.0, 1.0]),
        ("point-sigmoid", &[1.0], &[0.0], &[BIG], INFINITY, &[BIG * sigma]),
        ("pair-hinge", &lost, &labels, &[1.0; 3], INFINITY, &[-2.0, 1.0, 1.0]),
        ("pair-hinge", &[0.0, 1.0], &[1.0, 0.0], &[BIG, 1.0], INFINITY, &[-BIG, BIG]),
        ("pair-logistic", &lost, &labels, &[1.0; 3], INFINITY, &[-2.0, 1.0, 1.0]),
        ("pair-logistic", &[0.0, 1e300], &[1.0, 0.0], &[1e10, 1.0], INFINITY, &[-1e10, 1e10]),
        (
            "pair-logistic",
            &[0.0, 1.0],
            &labels[..2],
            &[BIG, 1.0],
            INFINITY,
            &[-BIG * sigma, BIG * sigma],
        ),
        ("lambda-loss", &lost, &labels, &[1.0; 3], INFINITY, &[-d01 - d02, d01, d02]),
        ("list-mle", &[0.0, 0.0, BIG], &[2.0, 1.0, 0.0], &[1.0; 3], INFINITY, &[-1.0, -1.0, 2.0]),
        (
            "list-mle",
            &[0.0, 1.0],
            &labels[..2],
            &[BIG, 0.0],
            INFINITY,
            &[-BIG * sigma, BIG * sigma],
        ),
        // Item 2 has no part in either factor, nor in what overflows.
        (
            "list-mle",
            &[0.0, 0.0, 0.0, 1e30],
            &[3.0, 2.0, 1.0, 0.0],
            &[BIG, BIG, 0.0, 0.0],
            INFINITY,
            &[-BIG, -BIG, 0.0, INFINITY],
        ),
        // Shares of the labels are never beyond the range, nor is the loss.
        ("softmax", &[0.0, 0.0], &[BIG, BIG], &[BIG, BIG], 2.0_f64.ln(), &[0.0, 0.0]),
    ];
    for (name, scores, labels, weights, expected, slopes) in table {
        let what = format!("{name} of {scores:?} with weights {weights:?}");
        let (value, grad) =
            value_and_grad::<f64>(&*loss(name), scores, labels, None, Some(weights));
        assert_close(&what, value, expected, 1e-15);
        assert_eq!(grad.len(), slopes.len());
        for (slope, expected) in grad.iter().zip(slopes) {
            assert_close(&what, *slope, *expected, 1e-15 * expected.abs());
        }
    }
}

/// Tiny factors times large ones: a normal number in one order of the products, 0 in another.
#[test]
fn a_small_loss_is_not_lost_to_underflow() {
    type Row<'a> = (&'a str, &'a [f64], &'a [f64], &'a [f64], f64);
    let delta = (499.0_f64.exp2() - 1.0) * (1.0 - 2.0_f64.ln() / 3.0_f64.ln());
    let table: [Row; 6] = [
        ("point-mse", &[1e-170], &[0.0], &[1e100], 1e-240),
        ("point-mse", &[1e-170], &[0.0], &[1e300], 1e-40),
        ("point-sigmoid", &[690.0], &[1.0], &[1e100], 1e100 * (-690.0_f64).exp()),
        ("pair-logistic", &[590.0, 0.0], &[1.0, 0.0], &[1e100, 0.0], 1e100 * (-590.0_f64).exp()),
        // The first item is above the second by 610 and above the third by 832.
        (
            "list-mle",
            &[608.0, -2.0, -224.0],
            &[2.0, 1.0, 0.0],
            &[1.0, 0.0, 0.0],
            (-610.0_f64).exp(),
        ),
        (
            "lambda-loss",
            &[590.0, 0.0],
            &[499.0, 0.0],
            &[1e-100, 0.0],
            1e-100 * delta * (-590.0_f64).exp(),
        ),
    ];
    for (name, scores, labels, weights, expected) in table {
        let what = format!("{name} of {scores:?} with weights {weights:?}");
        let (value, _) = value_and_grad::<f64>(&*loss(name), scores, labels, None, Some(weights));
        assert_close(&what, value, expected, 1e-12 * expected);
    }
}

#[test]
fn a_tiny_list_weight_is_not_lost_to_the_divisor() {
    // A value of 2e300 and slopes of −2e300 and 1e300, times a weight, over 2 pairs.
    let (scores, labels) = (array![[0.0, 0.0, 0.0]], array![[1.0, 0.0, 0.0]]);
    let (weights, list_weights) = (array![[1e300, 0.0, 0.0]], array![5e-324]);
    let lists = Lists::dense(&scores, &labels).weights(&weights).list_weights(&list_weights);
    let lists = lists.build().unwrap();
    let (value, grad) = PairHinge.reduced(&lists, Reduction::MeanOverTerms).unwrap();
    let share = 1e300 * 5e-324;
    assert_close("value", value, share, 1e-15 * share);
    assert_all_close("gradient", &wide(&grad), &[-share, share / 2.0, share / 2.0], 1e-15 * share);
}

#[test]
fn a_mean_over_tokens_near_the_end_of_the_range_is_finite() {
    let (tokens, mask) = (array![-1e308, -1e308], array![true, true]);
    assert_eq!(SequenceLogProbs::Mean.log_probs(&tokens, &mask), Ok(ndarray::arr0(-1e308)));
    assert_eq!(SequenceLogProbs::Sum.log_probs(&tokens, &mask), Ok(ndarray::arr0(-INFINITY)));
}

#[test]
fn a_mean_of_values_near_the_end_of_the_range_is_finite() {
    let loss = PairHinge;
    let labels = array![[1.0, 0.0, 0.0], [1.0, 0.0, 0.0]];
    let scores = array![[0.0, 6e307, 6e307], [0.0, 6e307, 6e307]];
    assert_eq!(loss.value(&scores, &labels), Ok(1.2e308));
    let lists = Lists::dense(&scores, &labels).build().unwrap();
    let reduced = |reduction| loss.reduced(&lists, reduction).unwrap().0;
    assert_eq!(REDUCTIONS.map(reduced), [1.2e308, INFINITY, 6e307]);

    // In f32 a list may be beyond the range, and the mean not.
    let (scores, labels) = (
        scores.mapv(|s: f64| if s > 0.0 { 3e38_f32 } else { 0.0 }),
        array![[1.0_f32, 0.0, 0.0], [0.0, 0.0, 0.0]],
    );
    let lists = Lists::dense(&scores, &labels).build().unwrap();
    let (values, _) = loss.per_list(&lists).unwrap();
    assert_eq!(values, array![f32::INFINITY, 0.0]);
    assert_eq!(loss.value(&scores, &labels), Ok(3e38_f32));
}

// --- All bit patterns

trait Bits: Real {
    fn from_raw(bits: u64) -> Self;
    fn specials() -> Vec<Self>;
}

macro_rules! bits_of {
    ($float:ident, $largest_label:expr, [$($special:expr),*]) => {
        impl Bits for $float {
            #[allow(clippy::cast_possible_truncation)] // the lower bits will do
            fn from_raw(bits: u64) -> Self {
                $float::from_bits(bits as _)
            }

            fn specials() -> Vec<Self> {
                let tiny = $float::from_bits(1);
                let ends = [tiny, $float::MIN_POSITIVE, $float::EPSILON, $float::MAX];
                let middle = [0.0, 0.5, 1.0, 1.0 - $float::EPSILON / 2.0, 1.0 + $float::EPSILON];
                let odd = [$float::NAN, $float::INFINITY, $largest_label, 1e-3, 750.0];
                let positive = ends.into_iter().chain(middle).chain(odd).chain([$($special),*]);
                positive.flat_map(|x| [x, -x]).collect()
            }
        }
    };
}

bits_of!(f32, 127.99999, [1e-38, 1e30, 1e38, 88.0]);
bits_of!(f64, 1023.9999999999999, [1e-300, 1e-200, 1e150, 1e300, 1e308, 709.0]);

/// What numbers are confined to, so that a function does not refuse them.
#[derive(Debug, Clone, Copy)]
enum Domain {
    Anything,
    Finite,
    /// Half of the range, within which differences do not overflow.
    Half,
    Positive,
    Negative,
    Unit,
    /// Labels whose gain is finite.
    Graded,
}

/// Numbers of F, widened: of any bits, special, and of moderate size, by turns.
fn numbers<F: Bits>(domain: Domain) -> impl Strategy<Value = f64> + Clone {
    #[allow(clippy::cast_precision_loss)] // any number between −5 and 5
    let moderate = |bits: u64| F::narrow(10.0 * (bits as f64 / u64::MAX as f64 - 0.5));
    let any = prop_oneof![
        any::<u64>().prop_map(F::from_raw),
        select(F::specials()),
        any::<u64>().prop_map(moderate),
    ];
    any.prop_map(move |any| {
        let finite = if any.is_finite() { any } else { F::narrow(0.75) };
        let confined = match domain {
            Domain::Anything => any,
            Domain::Finite => finite,
            Domain::Half => finite * F::narrow(0.5),
            Domain::Positive => finite.abs(),
            Domain::Negative => -finite.abs(),
            Domain::Unit => finite.abs().min(finite.abs().recip()),
            Domain::Graded => finite % F::max_value().log2(),
        };
        confined.widen()
    })
}

/// Domains of scores, labels, and weights of items and lists.
type Regime = [Domain; 3];

const REGIMES: [Regime; 5] = [
    [Domain::Anything, Domain::Anything, Domain::Anything],
    [Domain::Finite, Domain::Finite, Domain::Positive],
    [Domain::Half, Domain::Unit, Domain::Positive],
    [Domain::Half, Domain::Positive, Domain::Positive],
    [Domain::Half, Domain::Graded, Domain::Positive],
];

fn lists_within<F: Bits>(
    lists: usize,
    [scores, labels, weights]: Regime,
) -> impl Strategy<Value = Vec<TestList>> {
    // Behind the mask there is anything.
    let masked =
        [(); 3].map(|()| numbers::<F>(Domain::Anything)).prop_map(|garbage| (garbage, false));
    let existing = [scores, labels, weights].map(numbers::<F>).prop_map(|numbers| (numbers, true));
    let item = prop_oneof![1 => masked, 4 => existing]
        .prop_map(|([score, label, weight], exists)| Item { score, label, weight, exists });
    let list = (vec(item, 0..=6), numbers::<F>(weights));
    vec(list.prop_map(|(items, weight)| TestList { items, weight }), 0..=lists)
}

/// How many results there were, and how many of these were no errors.
#[derive(Default)]
struct Count {
    all: Cell<f64>,
    accepted: Cell<f64>,
}

impl Count {
    /// Looks at a result, which must hold no NaN.
    fn see<T>(&self, what: &str, result: &Result<T, Error>, numbers: impl Fn(&T) -> Vec<f64>) {
        self.all.set(self.all.get() + 1.0);
        if let Ok(result) = result {
            self.accepted.set(self.accepted.get() + 1.0);
            let numbers = numbers(result);
            assert!(!numbers.iter().any(|x| x.is_nan()), "{what}: {numbers:?}");
        }
    }

    fn assert_accepted(&self, least: f64) {
        let share = self.accepted.get() / self.all.get();
        assert!(share > least, "only {share} of the inputs were accepted");
    }
}

fn wide<F: Real, D: Dimension>(array: &Array<F, D>) -> Vec<f64> {
    array.iter().map(|x| x.widen()).collect()
}

#[test]
fn losses_of_all_bit_patterns() {
    fn see<F: Bits>(lists: &[TestList], (name, loss): &(String, Box<dyn Loss>), count: &Count) {
        let (dense, ragged) = (Dense::<F>::new(lists), Ragged::<F>::new(lists));
        let (Ok(dense), Ok(ragged)) = (dense.build(), ragged.build()) else {
            assert!(dense.build().is_err() && ragged.build().is_err());
            return;
        };
        let per_list = loss.per_list(&dense);
        count.see(name, &per_list, |(values, grad)| [wide(values), wide(grad)].concat());
        assert_eq!(loss.per_list(&ragged).is_ok(), per_list.is_ok(), "{name}");
        let total = loss.total(&ragged, &mut Workspace::default());
        for reduction in REDUCTIONS {
            let what = format!("{name}, {reduction:?}");
            let reduced = loss.reduced(&dense, reduction);
            assert_eq!(reduced.is_ok(), per_list.is_ok(), "{what}");
            let all = |(value, grad): &(F, Array2<F>)| [vec![value.widen()], wide(grad)].concat();
            count.see(&what, &reduced, all);
            count.see(&what, &total, |total| vec![total.reduce(reduction)]);
        }
    }
    fn holds<F: Bits>() {
        let (all, count) = (every_loss(), Count::default());
        let some = subsequence((0..all.len()).collect::<Vec<_>>(), 8);
        let lists = select(&REGIMES[..]).prop_flat_map(|regime| lists_within::<F>(2, regime));
        for_all(2000, &(lists, some), |(lists, some)| {
            for loss in some {
                see::<F>(&lists, &all[loss], &count);
            }
        });
        count.assert_accepted(0.6);
    }
    holds::<f32>();
    holds::<f64>();
}

/// At the ends of the range too a loss is what its definition says, as far as that stays finite.
#[test]
fn losses_of_extreme_numbers_are_their_definitions() {
    fn compare(name: &str, list: &TestList) {
        let (scores, labels, weights) = (list.scores(), list.labels(), list.weights());
        let defined = Definition::of(name, list);
        let product = |item: &Item| item.weight * item.label;
        let moderate = |item: &Item| (1e-290..1e290).contains(&product(item));
        if name == "softmax" && !list.items.iter().all(|item| moderate(item) || item.label == 0.0) {
            return; // products that are not exact
        }
        let (value, grad) =
            value_and_grad::<f64>(&*loss(name), &scores, &labels, None, Some(&weights));
        // As exact as the definition's ln(1 + x) and sums of shares.
        let lost = 1e-15 * (1.0 + weights.iter().sum::<f64>());
        let tolerance = |x: f64| 1e-12 * x + lost;
        // Nearer to the end the definition's own rounding may go beyond it.
        if defined.value < 1e308 {
            assert_close(name, value, defined.value, tolerance(defined.value));
        } else if name.starts_with("pair") {
            assert!(value >= 1e308, "{name}: {value}");
        }
        for ((slope, expected), scale) in grad.iter().zip(defined.grad()).zip(defined.scale()) {
            if scale < 1e308 {
                assert_close(name, *slope, expected, tolerance(scale));
            }
        }
    }
    for weights in [Domain::Positive, Domain::Unit] {
        let lists = lists_within::<f64>(1, [Domain::Half, Domain::Unit, weights]);
        for_all(2000, &lists, |lists| {
            for list in lists.iter().map(TestList::existing) {
                // That of the lambda loss loses the difference of nearly equal gains.
                let names = losses().into_iter().map(|(name, _)| name);
                names.filter(|name| *name != "lambda-loss").for_each(|name| compare(name, &list));
            }
        });
    }
}

#[test]
fn scores_of_all_bit_patterns() {
    fn holds<F: Bits>() {
        let count = Count::default();
        let domains = select(vec![
            [Domain::Anything, Domain::Anything],
            [Domain::Negative, Domain::Positive],
            [Domain::Negative, Domain::Positive],
        ]);
        let cases = domains.prop_flat_map(|[log_probs, beta]| {
            let anything = numbers::<F>(Domain::Anything);
            let response =
                (numbers::<F>(log_probs), numbers::<F>(log_probs), anything, any::<bool>());
            (vec(response, 0..=6), numbers::<f64>(beta))
        });
        for_all(2000, &cases, |(responses, beta)| {
            let array = |of: fn(&(f64, f64, f64, bool)) -> f64| -> Array1<F> {
                responses.iter().map(|response| F::narrow(of(response))).collect()
            };
            let (policy, reference, grad) = (array(|r| r.0), array(|r| r.1), array(|r| r.2));
            let mask: Array1<bool> = responses.iter().map(|response| response.3).collect();
            let no_new_nan = |from: &Array1<F>, to: &Array1<F>| {
                assert!(
                    from.iter().any(|x| x.is_nan()) || !to.iter().any(|x| x.is_nan()),
                    "{from} {to}"
                );
            };
            for sequence in [SequenceLogProbs::Sum, SequenceLogProbs::Mean] {
                let log_prob = sequence.log_probs(&policy, &mask);
                count.see("log_probs", &log_prob, |log_prob| vec![log_prob[()].widen()]);
                let slope = grad.iter().take(1).copied().chain([F::one()]).next().unwrap();
                let tokens = sequence.backward(&Array::from_elem((), slope), &mask).unwrap();
                no_new_nan(&array![slope], &tokens);
            }
            let Ok(reward) = ImplicitReward::new(beta) else {
                assert!(!(beta > 0.0 && beta.is_finite()));
                return;
            };
            count.see("scores", &reward.scores(&policy, &reference), wide);
            let responses = Responses::new(&policy, &reference).mask(&mask);
            count.see("masked", &reward.scores_over(&responses), wide);
            no_new_nan(&grad, &reward.backward(&grad));
        });
        count.assert_accepted(0.6);
    }
    holds::<f32>();
    holds::<f64>();
}

#[test]
fn labels_of_all_bit_patterns() {
    fn holds<F: Bits>() {
        let count = Count::default();
        let see_unit = |what: &str, result: Result<Vec<f64>, Error>| {
            count.see(what, &result, Clone::clone);
            let mut numbers = result.into_iter().flatten();
            assert!(numbers.all(|x| (0.0..=1.0).contains(&x)), "{what}");
        };
        let domains = select(vec![
            [Domain::Anything, Domain::Anything],
            [Domain::Finite, Domain::Unit],
            [Domain::Finite, Domain::Unit],
        ]);
        let cases = (domains, 0..=6_usize).prop_flat_map(|([known, wins], size)| {
            let known = vec((numbers::<F>(known), any::<bool>()), size);
            (known, vec(numbers::<F>(wins), size * size))
        });
        for_all(2000, &cases, |(responses, wins)| {
            let (known, mask): (Vec<F>, Vec<bool>) =
                responses.into_iter().map(|(known, exists)| (F::narrow(known), exists)).unzip();
            let (known, mask) = (Array1::from(known), Array1::from(mask));
            let wins: Vec<F> = wins.into_iter().map(F::narrow).collect();
            let wins = Array2::from_shape_vec((known.len(), known.len()), wins).unwrap();

            let of_wins = labels::from_win_probabilities(&wins);
            see_unit("labels of wins", of_wins.map(|psi| wide(&psi)));
            let of_wins = labels::WinProbabilities::new(&wins).mask(&mask).labels();
            see_unit("labels of masked wins", of_wins.map(|psi| wide(&psi)));
            see_unit("labels of ranks", labels::from_ranks(&known).map(|psi| wide(&psi)));
            let of_ranks = labels::win_probabilities_from_ranks(&known);
            see_unit("wins of ranks", of_ranks.map(|wins| wide(&wins)));
            let of_rewards = labels::win_probabilities_from_rewards(&known);
            see_unit("wins of rewards", of_rewards.map(|wins| wide(&wins)));
            let symmetrised = labels::symmetrised(&wins);
            count.see("asymmetries", &symmetrised, |all| {
                [wide(&all.mean_asymmetry), wide(&all.greatest_asymmetry)].concat()
            });
            see_unit("symmetrised", symmetrised.map(|all| wide(&all.wins)));
        });
        count.assert_accepted(0.6);
    }
    holds::<f32>();
    holds::<f64>();
}

#[test]
fn orders_of_all_bit_patterns() {
    for_all(2000, &vec(numbers::<f64>(Domain::Anything), 0..=8), |keys| {
        let mut order = vec![9; 3];
        ranking::argsort_descending(&keys, &mut order);
        for pair in order.windows(2) {
            let (first, second) = (keys[pair[0]], keys[pair[1]]);
            assert!(
                first > second
                    || first == second && pair[0] < pair[1]
                    || first.is_nan()
                    || second.is_nan()
            );
        }
        order.sort_unstable();
        assert_eq!(order, (0..keys.len()).collect::<Vec<_>>());
    });
}

// --- All shapes

/// A shape of up to three axes, and how often another shape takes its place.
fn shapes() -> impl Strategy<Value = Vec<usize>> {
    vec(0..=2_usize, 0..=3)
}

#[test]
fn arrays_of_all_shapes() {
    let accepted = Cell::new(0);
    let replaced = prop::option::weighted(0.1, shapes());
    for_all(2000, &(shapes(), vec(replaced, 8)), |(shape, replaced)| {
        let all_fit = replaced.iter().all(Option::is_none) && !shape.is_empty();
        let shorter = shape.split_last().map_or(&[][..], |(_, shorter)| shorter).to_vec();
        let square = [&shape[..], shape.last().map_or(&[][..], std::slice::from_ref)].concat();
        let fitting = [&shape, &shape, &shape, &shape, &shorter, &shape, &shorter, &square];
        let [scores, labels, mask, weights, list_weights, grad, values, wins] =
            std::array::from_fn(|n| {
                let shape = replaced[n].as_ref().unwrap_or(fitting[n]);
                Array::from_elem(IxDyn(shape), 0.5)
            });
        let mask = mask.mapv(|_: f64| true);
        let (mut grad, mut values, mut wins) = (grad, values, wins);
        let results = Cell::new(vec![]);
        let saw = |ok: bool| {
            let mut seen = results.take();
            seen.push(ok);
            results.set(seen);
        };

        let lists = Lists::dense(&scores, &labels).mask(&mask).weights(&weights);
        let lists = lists.list_weights(&list_weights).build();
        saw(lists.is_ok());
        if let Ok(lists) = &lists {
            let workspace = &mut Workspace::default();
            for (_, loss) in losses() {
                saw(loss.per_list_into(lists, &mut values, &mut grad, workspace).is_ok());
                saw(loss.reduced_into(lists, Reduction::Sum, &mut grad, workspace).is_ok());
                assert!(loss.per_list(lists).is_ok());
            }
        }
        let (policy, reference) = (-&scores, -&labels);
        let reward = ImplicitReward::new(0.1).unwrap();
        saw(reward.scores(&policy, &reference).is_ok());
        let responses = Responses::new(&policy, &reference).mask(&mask);
        saw(reward.scores_over(&responses).is_ok());
        saw(reward.scores_into(&responses, &mut grad).is_ok());
        saw(reward.backward_over(&policy, &responses).is_ok());
        saw(reward.backward_into(&policy, &responses, &mut grad).is_ok());
        let sequence = SequenceLogProbs::Mean;
        saw(sequence.log_probs(&policy, &mask).is_ok());
        let (tokens, workspace) = (Tokens::new(&policy, &mask), &mut scores::Workspace::default());
        saw(sequence.log_probs_into(&tokens, &mut values, workspace).is_ok());
        saw(sequence.backward(&list_weights, &mask).is_ok());
        saw(sequence.backward_into(&list_weights, &mask, &mut grad).is_ok());
        saw(labels::from_ranks(&scores).is_ok());
        saw(labels::from_ranks_into(&scores, Some(&mask), &mut grad).is_ok());
        saw(labels::win_probabilities_from_ranks(&scores).is_ok());
        saw(labels::win_probabilities_from_ranks_into(&scores, Some(&mask), &mut wins).is_ok());
        saw(labels::win_probabilities_from_rewards(&scores).is_ok());
        saw(labels::win_probabilities_from_rewards_into(&scores, None, &mut wins).is_ok());
        wins.fill(0.5);
        saw(labels::from_win_probabilities(&wins).is_ok());
        let checked = labels::WinProbabilities::new(&wins).complementary(0.0);
        saw(checked.labels().is_ok());
        saw(checked.mask(&mask).labels_into(&mut grad).is_ok());
        saw(labels::from_win_probabilities_into(&wins, Some(&mask), &mut grad).is_ok());
        let symmetrised = labels::symmetrised(&wins);
        saw(symmetrised.is_ok());
        if let Ok(mut symmetrised) = symmetrised {
            saw(labels::symmetrised_into(&wins, Some(&mask), &mut symmetrised).is_ok());
        }
        if all_fit {
            assert!(results.take().into_iter().all(|ok| ok), "{shape:?}");
            accepted.set(accepted.get() + 1);
        }
    });
    assert!(accepted.get() > 200, "{accepted:?}");
}
