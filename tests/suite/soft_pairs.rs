//! Pair losses of lists with soft targets: what they are where the targets are hard, what the frame that they
//! share with other losses gives them, and their gradients.
//!
//! Three independent ways to know a value: a double loop over the definition; hard targets, where
//! the loss is the pair loss of the same function; and K = 2, where it is label smoothing.

use crate::common::{
    Dense, Item, REDUCTIONS, TestList, assert_all_close, assert_close, batches, bits, for_all,
    items, log_1p_exp, slope,
};
use lipo::losses::{
    Hinge, Logistic, Loss, LossExt, PairFunction, PairLogistic, PairLoss, Reduction,
    SmoothedLogistic, Softmax, SquaredDifference, TargetMargin, Workspace,
};
use lipo::{Error, Lists, Real};
use ndarray::{
    Array, Array1, Array2, Array3, Array4, ArrayD, ArrayRef, Axis, Ix3, IxDyn, RemoveAxis, array,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

/// Lists with all that they may have, targets among it.
fn with_targets<'a, F: Real, D: RemoveAxis>(
    dense: &'a Dense<F, D>,
    targets: &'a ArrayRef<F, D::Larger>,
) -> Lists<'a, F, D, D::Smaller> {
    let lists = Lists::dense(&dense.scores, &dense.labels).mask(&dense.mask).targets(targets);
    lists.weights(&dense.weights).list_weights(&dense.list_weights).build().unwrap()
}

/// The mean over lists of a loss, labels being 0.
fn value_and_grad<D: RemoveAxis>(
    loss: &dyn Loss,
    scores: &ArrayRef<f64, D>,
    targets: &ArrayRef<f64, D::Larger>,
) -> Result<(f64, Array<f64, D>), Error> {
    let labels = Array::zeros(scores.raw_dim());
    let lists = Lists::dense(scores, &labels).targets(targets).build()?;
    loss.reduced(&lists, Reduction::MeanOverLists)
}

/// Lists of up to five items, and targets for them, with garbage where an item is masked.
fn lists_and_targets() -> impl Strategy<Value = (Dense<f64>, Array3<f64>)> {
    let target = prop_oneof![select(vec![0.0, 0.5, 1.0]), 0.0..=1.0];
    (batches(items(), 1..=3, 0..=5), vec(target, 75)).prop_map(|(lists, targets)| {
        let dense = Dense::new(&lists);
        let (n, k) = dense.scores.dim();
        let targets = Array3::from_shape_fn((n, k, k), |(n, i, j)| {
            let exist = dense.mask[[n, i]] && dense.mask[[n, j]] && i != j;
            if exist { targets[25 * n + 5 * i + j] } else { f64::NAN }
        });
        (dense, targets)
    })
}

#[test]
fn values_and_gradients_are_the_definitions() {
    for_all(100, &lists_and_targets(), |(dense, targets)| {
        let loss = PairLogistic;
        let value_of = |dense: &Dense<f64>| {
            let mut sum = 0.0;
            for ((n, i, j), psi) in targets.indexed_iter().filter(|(_, psi)| !psi.is_nan()) {
                let margin = dense.scores[[n, i]] - dense.scores[[n, j]];
                let weight = dense.list_weights[n] * dense.weights[[n, i]];
                sum += weight * psi * log_1p_exp(-margin);
            }
            sum
        };
        let (value, grad) = loss.reduced(&with_targets(&dense, &targets), Reduction::Sum).unwrap();
        let expected = value_of(&dense);
        assert_close("value", value, expected, 1e-12 * (1.0 + expected));
        for (index, &got) in grad.indexed_iter() {
            if !dense.mask[index] {
                assert_eq!(got, 0.0);
                continue;
            }
            let mut moved = dense.clone();
            let value = |score| {
                moved.scores[index] = score;
                value_of(&moved)
            };
            let expected_slope = slope(value, dense.scores[index]);
            assert_close("slope", got, expected_slope, 1e-8 * (1.0 + expected.abs()));
        }

        // The other reductions divide that.
        let existing =
            |row: ndarray::ArrayView1<bool>| row.iter().filter(|&&exists| exists).count();
        let counts = dense.mask.rows().into_iter().map(existing).collect::<Vec<_>>();
        let lists = counts.iter().filter(|&&items| items > 0).count();
        let pairs: usize = counts.iter().map(|&items| items * items.saturating_sub(1)).sum();
        for (reduction, divisor) in REDUCTIONS.into_iter().zip([lists, 1, pairs]) {
            #[allow(clippy::cast_precision_loss)] // small counts
            let share = |x: f64| if divisor == 0 { 0.0 } else { x / divisor as f64 };
            let (reduced, reduced_grad) =
                loss.reduced(&with_targets(&dense, &targets), reduction).unwrap();
            assert_close("reduced", reduced, share(value), 1e-14 * value.abs());
            let expected: Vec<f64> = grad.iter().map(|&slope| share(slope)).collect();
            let got: Vec<f64> = reduced_grad.iter().copied().collect();
            assert_all_close("reduced gradient", &got, &expected, 1e-13);
        }
    });
}

#[test]
fn hard_targets_make_the_pair_loss() {
    fn holds<F: Real, P: PairFunction + Copy>(function: P, lists: &[TestList]) {
        let dense = Dense::<F>::new(lists);
        let (n, k) = dense.scores.dim();
        let targets = Array3::from_shape_fn((n, k, k), |(n, i, j)| {
            let wins = dense.labels[[n, i]] > dense.labels[[n, j]];
            if wins { F::one() } else { F::zero() }
        });
        for reduction in [Reduction::Sum, Reduction::MeanOverLists] {
            let hard = PairLoss::unweighted(function).reduced(&dense.lists(), reduction).unwrap();
            let soft = PairLoss::unweighted(function);
            let soft = soft.reduced(&with_targets(&dense, &targets), reduction).unwrap();
            let tolerance = 16.0 * F::epsilon().widen();
            let (value, expected) = (soft.0.widen(), hard.0.widen());
            assert_close("value", value, expected, tolerance * expected.abs());
            for (got, expected) in soft.1.iter().zip(&hard.1) {
                let scale = 1.0 + lists.len() as f64 * 1e4;
                assert_close("slope", got.widen(), expected.widen(), tolerance * scale);
            }
        }
    }
    for_all(100, &batches(items(), 1..=3, 0..=5), |lists| {
        let shifted = TargetMargin::new(Logistic, 0.5).unwrap();
        holds::<f32, _>(Logistic, &lists);
        holds::<f64, _>(Logistic, &lists);
        holds::<f64, _>(Hinge::default(), &lists);
        holds::<f64, _>(SquaredDifference::new(2.0).unwrap(), &lists);
        holds::<f64, _>(shifted, &lists);
    });
}

#[test]
fn two_responses_have_smoothed_labels() {
    for_all(300, &(-40.0..40.0, -40.0..40.0, 0.0..0.5), |(winner, loser, epsilon)| {
        let scores = array![winner, loser];
        let targets = array![[0.5, 1.0 - epsilon], [epsilon, 0.5]];
        let soft = value_and_grad(&PairLogistic, &scores, &targets).unwrap();
        let smoothed = PairLoss::unweighted(SmoothedLogistic::new(epsilon).unwrap());
        let smoothed = smoothed.value_and_grad(&scores, &array![1.0, 0.0]).unwrap();
        assert_close("value", soft.0, smoothed.0, 1e-14 * smoothed.0);
        assert_all_close(
            "gradient",
            soft.1.as_slice().unwrap(),
            smoothed.1.as_slice().unwrap(),
            1e-15,
        );
    });
}

#[test]
fn the_least_is_where_the_scores_explain_the_targets() {
    // Bradley–Terry's probabilities of scores are their own best targets.
    let scores = array![0.3, -1.2, 2.0, 0.0];
    let targets =
        Array2::from_shape_fn((4, 4), |(i, j)| 1.0 / (1.0 + f64::exp(scores[j] - scores[i])));
    let (_, grad) = value_and_grad(&PairLogistic, &scores, &targets).unwrap();
    assert_all_close("gradient", grad.as_slice().unwrap(), &[0.0; 4], 1e-15);
}

#[test]
fn batches_and_layouts_are_those_of_lists() {
    for_all(50, &lists_and_targets(), |(dense, targets)| {
        let loss = PairLogistic;
        let (value, grad) = loss.reduced(&with_targets(&dense, &targets), Reduction::Sum).unwrap();
        let (n, k) = dense.scores.dim();
        // More batch axes, of fixed and dynamic number.
        let cube = dense.reshaped(Ix3(1, n, k), ndarray::Ix2(1, n));
        let cube_targets: Array4<f64> = targets.clone().insert_axis(Axis(0));
        let (other, cube_grad) =
            loss.reduced(&with_targets(&cube, &cube_targets), Reduction::Sum).unwrap();
        assert_eq!((other.to_bits(), bits(&cube_grad)), (value.to_bits(), bits(&grad)));
        let dynamic = dense.reshaped(IxDyn(&[n, k]), IxDyn(&[n]));
        let targets_dynamic: ArrayD<f64> = targets.clone().into_dyn();
        let lists = with_targets(&dynamic, &targets_dynamic);
        let outcome = loss.reduced(&lists, Reduction::Sum).unwrap();
        assert_eq!((outcome.0.to_bits(), bits(&outcome.1)), (value.to_bits(), bits(&grad)));
        // Targets that are a transposed view, and a used workspace.
        let transposed = targets.clone().permuted_axes([0, 2, 1]).as_standard_layout().into_owned();
        let view = transposed.view().permuted_axes([0, 2, 1]);
        let (workspace, mut into) = (&mut Workspace::default(), grad.clone());
        for _ in 0..2 {
            into.fill(7.0);
            let lists = with_targets(&dense, &view);
            let other = loss.reduced_into(&lists, Reduction::Sum, &mut into, workspace).unwrap();
            assert_eq!((other.to_bits(), bits(&into)), (value.to_bits(), bits(&grad)));
        }
    });
}

#[test]
fn bad_targets_are_refused() {
    let (scores, labels) = (array![[0.5, 1.0, 2.0], [f64::NAN, 0.0, 1.0]], Array2::zeros((2, 3)));
    let mask = array![[true, true, true], [false, true, true]];
    let build = |targets: &Array3<f64>| {
        Lists::dense(&scores, &labels).mask(&mask).targets(targets).build().map(|_| ())
    };
    let good = Array3::from_elem((2, 3, 3), 0.5);
    for (value, message) in [
        (f64::NAN, "targets[1, 2, 1] is NaN, not a finite number"),
        (f64::INFINITY, "targets[1, 2, 1] is inf, not a finite number"),
        (-0.125, "targets[1, 2, 1] is -1.25e-1, which is not at least 0"),
    ] {
        let mut bad = good.clone();
        bad[[1, 2, 1]] = value;
        assert_eq!(build(&bad).unwrap_err().to_string(), message);
        // Where either item is masked, and on the diagonal, it does not matter.
        let mut odd = good.clone();
        for place in [[1, 0, 1], [1, 2, 0], [1, 0, 0], [0, 1, 1]] {
            odd[place] = value;
        }
        let lists = |targets| Lists::dense(&scores, &labels).mask(&mask).targets(targets).build();
        let outcome = |targets| PairLogistic.reduced(&lists(targets).unwrap(), Reduction::Sum);
        assert_eq!(outcome(&odd), outcome(&good));
    }
    for shape in [(2, 3, 2), (2, 2, 3), (3, 3, 3), (1, 3, 3)] {
        let (n, k, l) = shape;
        let message = format!("targets: shape [{n}, {k}, {l}] where [2, 3, 3] is expected");
        let error = build(&Array3::from_elem(shape, 0.5)).unwrap_err();
        assert_eq!(error.to_string(), message);
    }
    // Targets above 1 are weights like others.
    let (one, two) = (good.clone(), good.map(|target| 2.0 * target));
    let value = |targets: &Array3<f64>| {
        let lists = Lists::dense(&scores, &labels).mask(&mask).targets(targets).build().unwrap();
        PairLogistic.reduced(&lists, Reduction::Sum).unwrap().0
    };
    assert_close("twice", value(&two), 2.0 * value(&one), 1e-14);

    let wide = array![[0.0, 0.0], [-1e308, 1e308]];
    let error = value_and_grad(&PairLogistic, &wide, &Array3::from_elem((2, 2, 2), 0.5));
    assert_eq!(error, Err(Error::Spread { list: vec![1], least: -1e308, greatest: 1e308 }));
    let flat = ArrayD::from_elem(IxDyn(&[]), 0.5);
    assert!(value_and_grad(&PairLogistic, &flat, &flat).is_err());
    let empty = value_and_grad(&PairLogistic, &Array1::zeros(0), &Array2::zeros((0, 0))).unwrap();
    assert_eq!(empty, (0.0, Array1::zeros(0)));
}

#[test]
fn a_loss_without_pairs_refuses_targets_and_writes_nothing() {
    let (scores, targets) = (array![0.5, 1.0], array![[0.5, 0.75], [0.25, 0.5]]);
    let lists = Lists::dense(&scores, &scores).targets(&targets).build().unwrap();
    let (mut grad, workspace) = (array![7.5, -0.0], &mut Workspace::default());
    let error = Softmax.reduced_into(&lists, Reduction::Sum, &mut grad, workspace).unwrap_err();
    assert_eq!(error, Error::Targets { loss: "softmax".into() });
    assert_eq!(error.to_string(), "targets: they weigh pairs, which softmax does not compare");
    assert_eq!(bits(&grad), bits(&array![7.5, -0.0]));
}

#[test]
fn extreme_numbers_are_no_nan() {
    fn see<P: PairFunction>(function: P, dense: &Dense<f64>, targets: &Array3<f64>) {
        let loss = PairLoss::unweighted(function);
        let (value, grad) = loss.reduced(&with_targets(dense, targets), Reduction::Sum).unwrap();
        assert!(!value.is_nan() && !grad.iter().any(|slope| slope.is_nan()), "{value} {grad}");
    }
    let ends = [0.0, 5e-324, 1e-300, 1.0, 745.0, 1e30, 8e307, -8e307, -1e150, -1.0];
    let item = (select(ends.to_vec()), select(vec![0.0, 5e-324, 1.0, 1e300, f64::MAX]));
    let item = item.prop_map(|(score, weight)| Item { weight, ..Item::new(score, 0.0) });
    let target = select(vec![0.0, 5e-324, 0.5, 1.0]);
    for_all(500, &(batches(item, 1..=2, 1..=4), vec(target, 32)), |(lists, targets)| {
        let dense = Dense::<f64>::new(&lists);
        let (n, k) = dense.scores.dim();
        let targets = Array3::from_shape_fn((n, k, k), |(n, i, j)| targets[16 * n + 4 * i + j]);
        see(Logistic, &dense, &targets);
        see(Hinge::default(), &dense, &targets);
        see(SquaredDifference::new(-1e308).unwrap(), &dense, &targets);
    });
}
