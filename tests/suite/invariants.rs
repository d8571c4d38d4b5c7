//! What must not change a result, or must change it in a known way.
//!
//! Each property compares two computations of which neither is known, so together they pin down what
//! no list of figures can: that a list is only its items. Wherever the design promises the same
//! bits, bits are compared ([`Outcome`]: values, gradients, and both under every reduction); a
//! tolerance stands only where sums run in another order. Lists are drawn with ties, zeros of both
//! signs, wide spreads, zero weights and masked items, for the losses of the paper and the whole
//! grid of pair losses, in `f32` and `f64`.

use crate::common::{
    Definition, Dense, Item, Outcome, REDUCTIONS, Ragged, TestList, assert_all_close, assert_close,
    batches, bits, every_loss, for_all, is_pair_loss, items, loss, losses, pair_grid,
    takes_differences, value_and_grad,
};
use lipo::losses::{
    DiscountDifference, LambdaLoss, ListMle, Logistic, Loss, LossExt, PairHinge, PairLogistic,
    PairLoss, PointMse, PointSigmoid, Reduction, Softmax, Total, Workspace,
};
use lipo::scores::{
    self, FDivergence, FDivergenceReward, ImplicitReward, ReferenceFreeReward, Responses,
    RewardExt, SequenceLogProbs, Tokens,
};
use lipo::{Error, Lists, Real, labels};
use ndarray::{
    Array, Array1, Array2, ArrayBase, ArrayRef, ArrayView, ArrayViewMut, Axis, Dim, Dimension, Ix1,
    Ix2, IxDyn, RawData, RemoveAxis, Slice, array,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

/// A function that writes an array of the caller.
type WriteTo<'a, D> = dyn Fn(&mut ArrayRef<f64, D>) -> Result<(), Error> + 'a;

/// Runs a property in both precisions.
macro_rules! in_both {
    ($property:ident($($argument:expr),*)) => {
        $property::<f32>($($argument),*);
        $property::<f64>($($argument),*);
    };
}

/// More lists than any vector has lanes, and some long ones.
fn any_lists() -> impl Strategy<Value = Vec<TestList>> {
    prop_oneof![
        8 => batches(items(), 0..=4, 0..=6),
        2 => batches(items(), 5..=11, 0..=4),
        1 => batches(items(), 1..=3, 10..=40),
    ]
}

/// Lists of one small size, as they fill all lanes of a vector, without masked items.
fn even_lists() -> impl Strategy<Value = Vec<TestList>> {
    let item = items().prop_map(|item| Item { exists: true, ..item });
    (1..=3_usize).prop_flat_map(move |size| batches(item.clone(), 1..=9, size..=size))
}

/// What may stand behind a mask, or be the weight of a list that has no items.
fn garbage() -> impl Strategy<Value = f64> + Clone {
    select(vec![f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e300, -1e300, -1.0, 0.0])
}

// --- Masks and layouts: the same bits

#[test]
fn masked_items_do_not_exist() {
    fn holds<F: Real>(lists: &[TestList], existing: &[TestList]) {
        for (name, loss) in every_loss() {
            let alone = Outcome::of_ragged(&*loss, &Ragged::<F>::new(existing));
            let ragged = Outcome::of_ragged(&*loss, &Ragged::<F>::new(lists));
            assert_eq!(ragged, alone, "{name}, ragged");
            let dense = Outcome::of_dense(&*loss, &Dense::<F>::new(lists));
            assert_eq!(dense, alone, "{name}, dense");
        }
    }
    let item = (items(), [garbage(), garbage(), garbage()]).prop_map(|(item, garbage)| {
        let [score, label, weight] = garbage;
        if item.exists { item } else { Item { score, label, weight, exists: false } }
    });
    for_all(100, &(batches(item, 0..=4, 0..=8), vec(garbage(), 4)), |(mut lists, garbage)| {
        let existing: Vec<_> = lists.iter().map(TestList::existing).collect();
        for ((list, existing), garbage) in lists.iter_mut().zip(&existing).zip(garbage) {
            if existing.items.is_empty() {
                list.weight = garbage;
            }
        }
        in_both!(holds(&lists, &existing));
    });
}

#[test]
fn a_batch_is_its_lists_alone() {
    fn holds<F: Real>(lists: &[TestList]) {
        for (name, loss) in every_loss() {
            let dressed =
                |lists: &[TestList]| loss.per_list(&Ragged::<F>::new(lists).lists()).unwrap();
            let bare = |lists: &[TestList]| {
                let existing: Vec<_> = lists.iter().map(TestList::existing).collect();
                loss.per_list(&Ragged::<F>::new(&existing).bare()).unwrap()
            };
            for per_list in [&dressed as &dyn Fn(&[TestList]) -> _, &bare] {
                let (values, grad) = per_list(lists);
                let alone = lists.iter().map(std::slice::from_ref).map(per_list);
                let alone = alone.map(|(value, grad)| (bits(&value), bits(&grad)));
                let (alone_values, alone_grads): (Vec<_>, Vec<_>) = alone.unzip();
                assert_eq!(bits(&values), alone_values.concat(), "{name}");
                assert_eq!(bits(&grad), alone_grads.concat(), "{name}");
            }
        }
    }
    for_all(100, &any_lists(), |lists| {
        in_both!(holds(&lists));
    });
}

#[test]
fn leading_axes_are_one_batch() {
    fn holds<F: Real>(lists: &[TestList]) {
        let flat = Dense::<F>::new(lists);
        let size = flat.scores.dim().1;
        let cube = flat.reshaped(Dim([2, 3, size]), Dim([2, 3]));
        let dynamic = flat.reshaped(IxDyn(&[3, 1, 2, size]), IxDyn(&[3, 1, 2]));
        for (name, loss) in every_loss() {
            let expected = Outcome::of_dense(&*loss, &flat);
            assert_eq!(Outcome::of_dense(&*loss, &cube), expected, "{name}");
            assert_eq!(Outcome::of_dense(&*loss, &dynamic), expected, "{name}");
        }
    }
    for_all(50, &batches(items(), 6..=6, 0..=4), |lists| {
        in_both!(holds(&lists));
    });
}

#[test]
fn one_list_needs_no_batch_axis() {
    fn holds<F: Real>(list: &TestList) {
        let list = std::slice::from_ref(list);
        let (batch, ragged) = (Dense::<F>::new(list), Ragged::<F>::new(list));
        let size = ragged.scores.len();
        for (name, loss) in every_loss() {
            let expected = Outcome::of_dense(&*loss, &batch);
            let vector = batch.reshaped(Dim([size]), Dim([]));
            assert_eq!(Outcome::of_dense(&*loss, &vector), expected, "{name}");
            let dynamic = batch.reshaped(IxDyn(&[size]), IxDyn(&[]));
            assert_eq!(Outcome::of_dense(&*loss, &dynamic), expected, "{name}");
            assert_eq!(Outcome::of_ragged(&*loss, &ragged), expected, "{name}");
        }
    }
    for_all(100, &batches(items(), 1..=1, 0..=6), |lists| {
        in_both!(holds(&lists[0]));
    });
}

#[test]
fn what_changes_nothing_may_be_left_out() {
    fn holds<F: Real>(lists: &[TestList]) {
        let existing: Vec<_> = lists.iter().map(TestList::existing).collect();
        let lists = Ragged::<F>::new(&existing);
        let dressed = Ragged {
            weights: Array::ones(lists.scores.len()),
            list_weights: Array::ones(lists.sizes.len()),
            ..lists.clone()
        };
        for (name, loss) in every_loss() {
            let expected = Outcome::of(&*loss, &lists.bare(), &lists.mask);
            assert_eq!(Outcome::of_ragged(&*loss, &dressed), expected, "{name}");
        }
    }
    for_all(100, &any_lists(), |lists| {
        in_both!(holds(&lists));
    });
}

/// How the elements of an array may lie in memory.
#[derive(Debug, Clone, Copy)]
enum Layout {
    RowMajor,
    ColumnMajor,
    Reversed,
    EverySecond,
    EverySecondBackwards,
}

const LAYOUTS: [Layout; 5] = [
    Layout::RowMajor,
    Layout::ColumnMajor,
    Layout::Reversed,
    Layout::EverySecond,
    Layout::EverySecondBackwards,
];

/// An array laid out in a piece of memory, with gaps.
struct Placed<T, D> {
    memory: Array<T, D>,
    layout: Layout,
}

impl<T: Copy, D: Dimension> Placed<T, D> {
    fn new(layout: Layout, array: &Array<T, D>, gap: T) -> Self {
        let mut shape = array.raw_dim();
        match layout {
            Layout::RowMajor | Layout::Reversed => {}
            Layout::ColumnMajor => shape.slice_mut().reverse(),
            Layout::EverySecond | Layout::EverySecondBackwards => {
                shape.slice_mut().iter_mut().for_each(|length| *length *= 2);
            }
        }
        let mut placed = Self { memory: Array::from_elem(shape, gap), layout };
        placed.view_mut().assign(array);
        placed
    }

    fn view(&self) -> ArrayView<'_, T, D> {
        Self::arranged(self.memory.view(), self.layout)
    }

    fn view_mut(&mut self) -> ArrayViewMut<'_, T, D> {
        Self::arranged(self.memory.view_mut(), self.layout)
    }

    fn arranged<S: RawData>(mut memory: ArrayBase<S, D>, layout: Layout) -> ArrayBase<S, D> {
        let step = match layout {
            Layout::RowMajor => return memory,
            Layout::ColumnMajor => return memory.reversed_axes(),
            Layout::Reversed => -1,
            Layout::EverySecond => 2,
            Layout::EverySecondBackwards => -2,
        };
        for axis in 0..memory.ndim() {
            memory.slice_axis_inplace(Axis(axis), Slice::new(0, None, step));
        }
        memory
    }
}

#[test]
fn layouts_of_inputs_do_not_matter() {
    fn holds<F: Real>(lists: &[TestList]) {
        let batch = Dense::<F>::new(lists);
        for (name, loss) in losses() {
            let expected = Outcome::of_dense(&*loss, &batch);
            for (n, layout) in LAYOUTS.into_iter().enumerate() {
                // Each array in a layout of its own.
                let other = |skip: usize| LAYOUTS[(n + skip) % LAYOUTS.len()];
                let scores = Placed::new(layout, &batch.scores, F::nan());
                let labels = Placed::new(other(1), &batch.labels, F::nan());
                let mask = Placed::new(other(2), &batch.mask, true);
                let weights = Placed::new(other(3), &batch.weights, F::nan());
                let list_weights = Placed::new(other(4), &batch.list_weights, F::nan());
                let (scores, labels, mask) = (scores.view(), labels.view(), mask.view());
                let (weights, list_weights) = (weights.view(), list_weights.view());
                let placed = Lists::dense(&scores, &labels).mask(&mask).weights(&weights);
                let placed = placed.list_weights(&list_weights).build().unwrap();
                assert_eq!(Outcome::of(&*loss, &placed, &mask), expected, "{name}, {layout:?}");
            }
        }
    }
    for_all(50, &any_lists(), |lists| {
        in_both!(holds(&lists));
    });
}

#[test]
fn ragged_lists_may_be_views() {
    fn holds<F: Real>(lists: &[TestList]) {
        let ragged = Ragged::<F>::new(lists);
        let bare = Ragged { weights: Array::ones(ragged.scores.len()), ..ragged.clone() };
        for (name, loss) in losses() {
            let expected = Outcome::of_ragged(&*loss, &bare);
            for layout in LAYOUTS {
                let scores = Placed::new(layout, &ragged.scores, F::nan());
                let labels = Placed::new(layout, &ragged.labels, F::nan());
                let mask = Placed::new(layout, &ragged.mask, true);
                let (scores, labels, mask) = (scores.view(), labels.view(), mask.view());
                let placed = Lists::ragged(&scores, &labels, &ragged.sizes).mask(&mask);
                let placed = placed.list_weights(&ragged.list_weights).build().unwrap();
                assert_eq!(Outcome::of(&*loss, &placed, &mask), expected, "{name}, {layout:?}");
            }
        }
    }
    for_all(50, &any_lists(), |lists| {
        in_both!(holds(&lists));
    });
}

#[test]
fn repeated_rows_of_a_broadcast_are_rows() {
    let (scores, labels) = (array![[0.3_f64, -1.0, 2.0], [0.0, 0.5, 0.5]], array![1.0, 0.25, 0.0]);
    let broadcast = labels.broadcast((2, 3)).unwrap();
    for (name, loss) in losses() {
        let expected = loss.value_and_grad(&scores, &broadcast.to_owned()).unwrap();
        assert_eq!(loss.value_and_grad(&scores, &broadcast).unwrap(), expected, "{name}");
    }
}

#[test]
fn results_go_to_arrays_of_any_layout() {
    fn holds<F: Real>(lists: &[TestList]) {
        let batch = Dense::<F>::new(lists);
        let gap = F::narrow(7.0);
        let workspace = &mut Workspace::default();
        for (name, loss) in losses() {
            let (values, grad) = loss.per_list(&batch.lists()).unwrap();
            let (_, mean_grad) = loss.reduced(&batch.lists(), Reduction::default()).unwrap();
            for layout in LAYOUTS {
                let placed = |array: &Array2<F>| bits(&Placed::new(layout, array, gap).memory);
                let mut out = Placed::new(layout, &Array::zeros(grad.dim()), gap);
                let mut out_values = Placed::new(layout, &Array::zeros(values.dim()), gap);
                let (into, values_into) = (&mut out.view_mut(), &mut out_values.view_mut());
                loss.per_list_into(&batch.lists(), values_into, into, workspace).unwrap();
                let expected = Placed::new(layout, &values, gap).memory;
                assert_eq!(bits(&out_values.memory), bits(&expected), "{name}, {layout:?}");
                assert_eq!(bits(&out.memory), placed(&grad), "{name}, {layout:?}");

                let (into, mean) = (&mut out.view_mut(), Reduction::default());
                loss.reduced_into(&batch.lists(), mean, into, workspace).unwrap();
                assert_eq!(bits(&out.memory), placed(&mean_grad), "{name}, {layout:?}");
            }
        }
    }
    for_all(50, &any_lists(), |lists| {
        in_both!(holds(&lists));
    });
}

/// That a function of an array writes the same to any layout from any layout.
fn assert_layouts_do_not_matter<D: Dimension, E: Dimension>(
    what: &str,
    input: &Array<f64, D>,
    shape: &E,
    function: impl Fn(&ArrayRef<f64, D>, &mut ArrayRef<f64, E>) -> Result<(), lipo::Error>,
) {
    let mut expected = Array::zeros(shape.clone());
    function(input, &mut expected).unwrap();
    assert!(expected.iter().any(|&x| x != 0.0), "{what} writes nothing");
    for from in LAYOUTS {
        for to in LAYOUTS {
            let mut out = Placed::new(to, &Array::zeros(shape.clone()), 7.0);
            function(&Placed::new(from, input, f64::NAN).view(), &mut out.view_mut()).unwrap();
            let expected = Placed::new(to, &expected, 7.0).memory;
            assert_eq!(bits(&out.memory), bits(&expected), "{what}, {from:?} to {to:?}");
        }
    }
}

#[test]
fn layouts_do_not_matter_to_scores_and_labels() {
    let rows = Array2::from_shape_fn(
        (2, 3),
        |(n, k)| if n == 0 { -0.5 } else { -1.0 - [2.0, 0.0, 1.0][k] },
    );
    let cube = Array::from_shape_fn((2, 3, 3), |(n, k, j)| {
        [0.1, 0.8, 0.3, 0.9, 0.4][(3 * n + k + 2 * j) % 5]
    });
    let row_mask = array![[true, true, false], [true, true, true]];
    let placed_mask = Placed::new(Layout::EverySecondBackwards, &row_mask, true);
    let mask = placed_mask.view();
    let cube_mask = Array::from_shape_fn((2, 3, 3), |(n, k, j)| (n + k + j) % 3 != 0);
    let placed_cube_mask = Placed::new(Layout::ColumnMajor, &cube_mask, true);
    let cube_mask = placed_cube_mask.view();
    let (row_shape, cube_shape) = (rows.raw_dim(), cube.raw_dim());
    let reference = Placed::new(Layout::Reversed, &(&rows * 0.5), f64::NAN);

    let reward = ImplicitReward::new(0.1).unwrap();
    assert_layouts_do_not_matter("scores", &rows, &row_shape, |policy, out| {
        reward.scores_into(&Responses::new(policy, &reference.view()).mask(&mask), out)
    });
    assert_layouts_do_not_matter("reward backward", &rows, &row_shape, |grad, out| {
        reward.backward_into(grad, &Responses::reference_free(grad).mask(&mask), out)
    });
    let free = ReferenceFreeReward::new(0.1).unwrap();
    assert_layouts_do_not_matter("reference-free scores", &rows, &row_shape, |policy, out| {
        free.scores_into(&Responses::reference_free(policy).mask(&mask), out)
    });
    let of_f = FDivergenceReward::new(0.1, FDivergence::JensenShannon).unwrap();
    assert_layouts_do_not_matter("f-divergence scores", &rows, &row_shape, |policy, out| {
        of_f.scores_into(&Responses::new(policy, &reference.view()).mask(&mask), out)
    });
    assert_layouts_do_not_matter("f-divergence backward", &rows, &row_shape, |grad, out| {
        of_f.backward_into(grad, &Responses::new(grad, &reference.view()).mask(&mask), out)
    });
    for sequence in [SequenceLogProbs::Sum, SequenceLogProbs::Mean] {
        assert_layouts_do_not_matter("log_probs", &-&cube, &row_shape, |tokens, out| {
            let tokens = Tokens::new(tokens, &cube_mask);
            sequence.log_probs_into(&tokens, out, &mut scores::Workspace::default())
        });
        assert_layouts_do_not_matter("tokens backward", &rows, &cube_shape, |grad, out| {
            sequence.backward_into(grad, &cube_mask, out)
        });
    }
    assert_layouts_do_not_matter("win probabilities", &cube, &row_shape, |wins, out| {
        labels::from_win_probabilities_into(wins, Some(&mask), out)
    });
    assert_layouts_do_not_matter("ranks", &rows, &row_shape, |ranks, out| {
        labels::from_ranks_into(ranks, Some(&mask), out)
    });
    assert_layouts_do_not_matter("wins from ranks", &rows, &cube_shape, |ranks, out| {
        labels::win_probabilities_from_ranks_into(ranks, Some(&mask), out)
    });
    assert_layouts_do_not_matter("wins from rewards", &rows, &cube_shape, |rewards, out| {
        labels::win_probabilities_from_rewards_into(rewards, Some(&mask), out)
    });
    assert_layouts_do_not_matter("symmetrised", &cube, &cube_shape, |wins, out| {
        out.assign(&labels::symmetrised(wins)?.wins);
        Ok(())
    });
}

// --- Scores and labels

/// Responses of one list: log-probabilities of policy and reference, a rank or reward, and a row of
/// win probabilities, of which the first K count.
type Response = (f64, f64, f64, [f64; 5], bool);

fn responses() -> impl Strategy<Value = Vec<Response>> {
    let known = select(vec![1.0, 2.0, 2.5, 3.0, -4.0]);
    let response =
        (-9.0..0.0, -9.0..0.0, known, [0.0..=1.0, 0.0..=1.0, 0.0..=1.0, 0.0..=1.0, 0.0..=1.0]);
    let response = (response, prop::bool::weighted(0.7));
    let response = response.prop_map(|((policy, reference, known, wins), exists)| {
        (policy, reference, known, wins, exists)
    });
    vec(response, 0..=5)
}

/// All that the crate makes of responses, as `[K]` and `[K, K]`, by name.
struct Made {
    rows: Vec<(&'static str, Array1<f64>)>,
    squares: Vec<(&'static str, Array2<f64>)>,
    asymmetry: [f64; 2],
}

impl Made {
    fn of(
        [policy, reference, known]: [&Array1<f64>; 3],
        wins: &Array2<f64>,
        mask: Option<&Array1<bool>>,
    ) -> Self {
        let (size, mask) = (known.len(), mask.map(|mask| &**mask));
        let row = |into: &WriteTo<'_, Ix1>| {
            let mut row = Array::from_elem(size, 7.0);
            into(&mut row).unwrap();
            row
        };
        let square = |into: &WriteTo<'_, Ix2>| {
            let mut square = Array::from_elem((size, size), 7.0);
            into(&mut square).unwrap();
            square
        };
        let reward = ImplicitReward::new(0.1).unwrap();
        let responses = Responses::new(policy, reference);
        let responses = mask.map_or(responses, |mask| responses.mask(mask));
        let mut symmetrised = labels::symmetrised(&Array2::zeros((size, size))).unwrap();
        labels::symmetrised_into(wins, mask, &mut symmetrised).unwrap();
        Self {
            rows: vec![
                ("scores", row(&|out| reward.scores_into(&responses, out))),
                (
                    "labels of wins",
                    row(&|out| labels::from_win_probabilities_into(wins, mask, out)),
                ),
                ("labels of ranks", row(&|out| labels::from_ranks_into(known, mask, out))),
            ],
            squares: vec![
                (
                    "wins of ranks",
                    square(&|out| labels::win_probabilities_from_ranks_into(known, mask, out)),
                ),
                (
                    "wins of rewards",
                    square(&|out| labels::win_probabilities_from_rewards_into(known, mask, out)),
                ),
                ("symmetrised", symmetrised.wins),
            ],
            asymmetry: [symmetrised.mean_asymmetry[()], symmetrised.greatest_asymmetry[()]],
        }
    }
}

#[test]
fn masked_responses_have_no_part_in_scores_and_labels() {
    for_all(500, &(responses(), garbage()), |(responses, garbage)| {
        let mask: Array1<bool> = responses.iter().map(|response| response.4).collect();
        let existing: Vec<usize> = (0..mask.len()).filter(|&k| mask[k]).collect();
        let all: Vec<usize> = (0..mask.len()).collect();
        let row = |of: &[usize], what: fn(&Response) -> f64| -> Array1<f64> {
            of.iter().map(|&k| if mask[k] { what(&responses[k]) } else { garbage }).collect()
        };
        let made = |of: &[usize], mask_of: Option<&Array1<bool>>| {
            let wins = Array2::from_shape_fn((of.len(), of.len()), |(k, j)| {
                if mask[of[k]] && mask[of[j]] { responses[of[k]].3[of[j]] } else { garbage }
            });
            Made::of([&row(of, |r| r.0), &row(of, |r| r.1), &row(of, |r| r.2)], &wins, mask_of)
        };
        let (masked, alone) = (made(&all, Some(&mask)), made(&existing, None));
        for ((what, masked), (_, alone)) in masked.rows.into_iter().zip(alone.rows) {
            let mut expected = Array1::zeros(all.len());
            existing.iter().zip(alone).for_each(|(&k, x)| expected[k] = x);
            assert_eq!(bits(&masked), bits(&expected), "{what}");
        }
        for ((what, masked), (_, alone)) in masked.squares.into_iter().zip(alone.squares) {
            let mut expected = Array2::zeros((all.len(), all.len()));
            for ((k, j), &x) in alone.indexed_iter() {
                expected[[existing[k], existing[j]]] = x;
            }
            assert_eq!(bits(&masked), bits(&expected), "{what}");
        }
        assert_eq!(masked.asymmetry, alone.asymmetry);
    });
}

#[test]
fn labels_and_asymmetries_by_hand() {
    // The judge favours what it is shown first by 0.25, 0.5 and 0 in the three pairs.
    let wins = array![[0.5, 0.75, 1.0], [0.5, 0.5, 0.25], [0.5, 0.75, 0.5]];
    let batch = ndarray::stack![Axis(0), wins, wins.t(), Array2::from_elem((3, 3), 0.5)];
    let judged = labels::symmetrised(&batch).unwrap();
    assert_eq!(judged.mean_asymmetry, array![0.25, 0.25, 0.0]);
    assert_eq!(judged.greatest_asymmetry, array![0.5, 0.5, 0.0]);
    let expected = array![[0.5, 0.625, 0.75], [0.375, 0.5, 0.25], [0.25, 0.75, 0.5]];
    assert_eq!(judged.wins.index_axis(Axis(0), 0), expected);
    assert_eq!(judged.wins.index_axis(Axis(0), 1), expected.t());
    let psi = labels::from_win_probabilities(&judged.wins).unwrap();
    assert_eq!(psi.index_axis(Axis(0), 0), array![0.625, 0.375, 0.5]);
    assert_eq!(psi.index_axis(Axis(0), 2), array![0.5, 0.5, 0.5]);
    // A bias against the first shown is negative.
    let against = labels::symmetrised(&array![[0.5, 0.25], [0.5, 0.5]]).unwrap();
    assert_eq!((against.mean_asymmetry[()], against.greatest_asymmetry[()]), (-0.25, 0.25));
    // Responses that tie win half of each other.
    let ranks = array![[1.0, 2.0, 2.0, 4.0], [2.0, 1.0, 7.0, 7.0]];
    let psi = array![[0.875, 0.5, 0.5, 0.125], [0.625, 0.875, 0.25, 0.25]];
    assert_eq!(labels::from_ranks(&ranks), Ok(psi.clone()));
    let wins = labels::win_probabilities_from_ranks(&ranks).unwrap();
    assert_eq!(labels::from_win_probabilities(&wins), Ok(psi));
    let rewards = array![[800.0, 0.0], [-1.0, 1e300], [3.5, 3.5]];
    let wins = labels::win_probabilities_from_rewards(&rewards).unwrap();
    for (n, expected) in [1.0, 0.0, 0.5].into_iter().enumerate() {
        assert_eq!(
            (wins[[n, 0, 0]], wins[[n, 0, 1]], wins[[n, 1, 0]]),
            (0.5, expected, 1.0 - expected)
        );
    }
}

// --- How a loss is called: the same bits

#[test]
fn a_used_workspace_is_as_good_as_a_fresh_one() {
    fn holds<F: Real>(calls: &[(Index, bool, Vec<TestList>)]) {
        let (all, workspace) = (every_loss(), &mut Workspace::default());
        for (which, bare, lists) in calls {
            let (name, loss) = which.get(&all);
            let existing: Vec<_> = lists.iter().map(TestList::existing).collect();
            let ragged = Ragged::<F>::new(if *bare { &existing } else { lists });
            let lists = if *bare { ragged.bare() } else { ragged.lists() };
            let (values, grad) = loss.per_list(&lists).unwrap();
            let mut into_values = Array::from_elem(lists.batch_shape(), F::nan());
            let mut into = Array::from_elem(lists.shape(), F::nan());
            let total_into =
                loss.per_list_into(&lists, &mut into_values, &mut into, workspace).unwrap();
            assert_eq!(bits(&into_values), bits(&values), "{name}");
            assert_eq!(bits(&into), bits(&grad), "{name}");

            let total = loss.total(&lists, workspace).unwrap();
            for reduction in REDUCTIONS {
                let (value, grad) = loss.reduced(&lists, reduction).unwrap();
                let value_into = loss.reduced_into(&lists, reduction, &mut into, workspace);
                assert_eq!(bits(&into), bits(&grad), "{name}, {reduction:?}");
                for other in
                    [value_into.unwrap(), total.reduce(reduction), total_into.reduce(reduction)]
                {
                    assert_eq!(
                        other.widen().to_bits(),
                        value.widen().to_bits(),
                        "{name}, {reduction:?}"
                    );
                }
            }
        }
    }
    // One after another, of other losses and sizes.
    let lists = prop_oneof![any_lists(), even_lists()];
    for_all(100, &vec((any::<Index>(), any::<bool>(), lists), 10), |calls| {
        in_both!(holds(&calls));
    });
}

#[test]
fn values_are_means_over_lists_unless_asked_otherwise() {
    let item = items().prop_map(|item| Item { exists: true, ..item });
    for_all(50, &batches(item, 0..=3, 4..=4), |lists| {
        let Dense { scores, labels, .. } = &Dense::<f64>::new(&lists);
        let lists = Lists::dense(scores, labels).build().unwrap();
        for (name, loss) in every_loss() {
            let mean = loss.reduced(&lists, Reduction::MeanOverLists).unwrap();
            assert_eq!(loss.value(scores, labels).unwrap(), mean.0, "{name}");
            assert_eq!(loss.value_and_grad(scores, labels).unwrap(), mean, "{name}");
        }
    });
}

#[test]
fn a_loss_behind_a_pointer_is_the_loss() {
    fn holds(loss: &impl Loss, lists: &Dense<f64>) {
        let behind: &dyn Loss = loss;
        for reduction in REDUCTIONS {
            let expected = loss.reduced(&lists.lists(), reduction).unwrap();
            assert_eq!(behind.reduced(&lists.lists(), reduction).unwrap(), expected);
        }
    }
    for_all(50, &any_lists(), |lists| {
        let lists = &Dense::new(&lists);
        holds(&PointMse, lists);
        holds(&PointSigmoid, lists);
        holds(&PairHinge, lists);
        holds(&PairLogistic, lists);
        holds(&ListMle, lists);
        holds(&Softmax, lists);
        holds(&LambdaLoss, lists);
    });
}

// --- Reductions

/// The number of terms of a list, by the kind of loss.
fn terms(loss: &str, list: &TestList) -> usize {
    let items = list.existing().items;
    if loss.starts_with("point") {
        return items.len();
    }
    if is_pair_loss(loss) {
        if matches!(loss, "squared gap" | "davidson") {
            return items.len() * items.len().saturating_sub(1) / 2; // those of equal labels, too
        }
        let beaten = |a: &Item| items.iter().filter(|b| a.label > b.label).count();
        return items.iter().map(beaten).sum();
    }
    usize::from(!items.is_empty())
}

#[test]
#[allow(clippy::cast_precision_loss)] // small counts
fn reductions_divide_weighted_sums() {
    for_all(100, &any_lists(), |test_lists| {
        let batch = Dense::<f64>::new(&test_lists);
        let lists = batch.lists();
        let nonempty = test_lists.iter().filter(|list| terms("list-mle", list) > 0).count();
        for (name, loss) in every_loss() {
            let terms = test_lists.iter().map(|list| terms(&name, list)).sum();
            let total = loss.total(&lists, &mut Workspace::default()).unwrap();
            assert_eq!((total.lists(), total.terms()), (nonempty, terms as u64), "{name}");

            let (values, grads) = loss.per_list(&lists).unwrap();
            let sum = values.iter().zip(&batch.list_weights).map(|(l, w)| w * l).sum::<f64>();
            for (reduction, divisor) in REDUCTIONS.into_iter().zip([nonempty, 1, terms]) {
                let what = format!("{name}, {reduction:?}");
                let (value, grad) = loss.reduced(&lists, reduction).unwrap();
                let share = |x: f64| if divisor == 0 { 0.0 } else { x / divisor as f64 };
                assert_close(&what, value, share(sum), relative(1e-14, value));
                for ((n, k), slope) in grad.indexed_iter() {
                    let expected = share(batch.list_weights[n] * grads[[n, k]]);
                    assert_close(&what, *slope, expected, relative(1e-15, *slope));
                }
            }
        }
    });
}

#[test]
fn totals_of_shards_add_up() {
    let shards = (any_lists(), any_lists(), any_lists());
    for_all(100, &shards, |(first, second, third)| {
        for (name, loss) in every_loss() {
            let total = |lists: &[TestList]| {
                let workspace = &mut Workspace::default();
                loss.total(&Ragged::<f64>::new(lists).lists(), workspace).unwrap()
            };
            let whole = total(&[&first[..], &second, &third].concat());
            let [first, second, third] = [&first, &second, &third].map(|lists| total(lists));
            for merged in [
                first.merge(second).merge(third),
                first.merge(second.merge(third)),
                Total::default().merge(third).merge(first).merge(second),
            ] {
                assert_eq!(
                    (merged.lists(), merged.terms()),
                    (whole.lists(), whole.terms()),
                    "{name}"
                );
                for reduction in REDUCTIONS {
                    let (merged, whole): (f64, f64) =
                        (merged.reduce(reduction), whole.reduce(reduction));
                    assert_close(&name, merged, whole, relative(f64::EPSILON, whole));
                }
            }
        }
    });
}

#[test]
fn a_weight_of_0_is_no_mask() {
    let (scores, labels) = (array![0.0_f64, 1.0, 2.0], array![1.0, 0.5, 0.0]);
    let (weights, mask) = (array![1.0, 0.0, 1.0], array![true, false, true]);
    let weighted = || Lists::dense(&scores, &labels).weights(&weights).build().unwrap();
    let masked = || Lists::dense(&scores, &labels).mask(&mask).build().unwrap();
    let (e1, e2) = (1.0_f64.exp(), 2.0_f64.exp());
    let half = PairLoss::new(Logistic, DiscountDifference::dcg());
    let discount = |rank: f64| 1.0 / (1.0 + rank).log2();
    let table: [(&str, &dyn Loss, f64, f64); 4] = [
        // Item 1 stands in the denominator, though it has no part in the labels.
        ("softmax", &Softmax, (1.0 + e1 + e2).ln(), (1.0 + e2).ln()),
        // Its own factor is gone, that of item 0 still has it as a rival.
        ("list-mle", &ListMle, (1.0 + e1 + e2).ln(), (1.0 + e2).ln()),
        // As the worse of a pair it is still there.
        ("pair-logistic", &PairLogistic, e1.ln_1p() + e2.ln_1p(), e2.ln_1p()),
        // It takes up rank 2.
        (
            "lambda-loss",
            &half,
            (discount(2.0) - discount(3.0)) * e1.ln_1p() + (1.0 - discount(3.0)) * e2.ln_1p(),
            (1.0 - discount(2.0)) * e2.ln_1p(),
        ),
    ];
    for (name, loss, of_weight, of_mask) in table {
        assert_close(name, loss.reduced(&weighted(), Reduction::Sum).unwrap().0, of_weight, 1e-14);
        assert_close(name, loss.reduced(&masked(), Reduction::Sum).unwrap().0, of_mask, 1e-14);
    }
    // And it is counted.
    let terms = |lists| PointMse.total(&lists, &mut Workspace::default()).unwrap().terms();
    assert_eq!((terms(weighted()), terms(masked())), (3, 2));
}

// --- The items of a list

#[test]
fn the_order_of_items_does_not_matter() {
    let lists = batches(items(), 1..=1, 0..=6).prop_map(|lists| lists[0].existing());
    let orders = Just((0..6_usize).collect::<Vec<_>>()).prop_shuffle();
    for_all(400, &(lists, orders), |(list, mut order)| {
        let size = list.items.len();
        order.retain(|&k| k < size);
        let permuted = TestList { items: order.iter().map(|&k| list.items[k]).collect(), ..list };
        let tied = |key: fn(&Item) -> f64| {
            let keys: Vec<f64> = list.items.iter().map(key).collect();
            (0..size).any(|i| (0..i).any(|j| keys[i] == keys[j]))
        };
        let (scores_tie, labels_tie) = (tied(|item| item.score), tied(|item| item.label));
        for (name, loss) in every_loss() {
            // These go by index, or by chance, where others cannot tell items apart.
            let by_index =
                name == "lambda-loss" || name.contains("ByIndex") || name.contains("Random");
            if scores_tie && by_index
                || labels_tie && matches!(&*name, "list-mle" | "pro" | "positional")
            {
                continue;
            }
            let outcome = |list: &TestList| {
                let weights = list.weights();
                value_and_grad::<f64>(&*loss, &list.scores(), &list.labels(), None, Some(&weights))
            };
            let ((value, grad), (permuted_value, permuted_grad)) =
                (outcome(&list), outcome(&permuted));
            assert_close(&name, permuted_value, value, relative(32.0 * f64::EPSILON, value));
            let expected: Vec<f64> = order.iter().map(|&k| grad[k]).collect();
            let greatest =
                expected.iter().fold(1.0_f64, |greatest, slope| greatest.max(slope.abs()));
            assert_all_close(&name, &permuted_grad, &expected, 1e-14 * greatest);
        }
    });
}

#[test]
fn a_shift_of_all_scores_does_not_matter() {
    fn holds<F: Real>(lists: &[TestList], shift: f64) {
        let shifted: Vec<_> = lists
            .iter()
            .cloned()
            .map(|mut list| {
                list.items.iter_mut().for_each(|item| item.score += shift);
                list
            })
            .collect();
        for (name, loss) in every_loss().into_iter().filter(|(name, _)| takes_differences(name)) {
            let expected = Outcome::of_dense(&*loss, &Dense::<F>::new(lists));
            let outcome = Outcome::of_dense(&*loss, &Dense::<F>::new(&shifted));
            assert_eq!(outcome, expected, "{name}, shift {shift}");
        }
    }
    // Multiples of 1/8, which stay exact.
    let item = items().prop_map(|item| Item { score: (8.0 * item.score).round() / 8.0, ..item });
    for_all(50, &batches(item, 0..=3, 0..=6), |lists| {
        for sign in [1.0, -1.0] {
            holds::<f32>(&lists, sign * 2.0_f64.powi(18));
            holds::<f64>(&lists, sign * 2.0_f64.powi(48));
        }
    });
}

#[test]
fn equal_scores_are_the_same_at_any_height() {
    let labels = [0.5, 1.0, 0.0, 0.25];
    for size in 1..=4 {
        for (name, loss) in every_loss().into_iter().filter(|(name, _)| takes_differences(name)) {
            let outcome = |height: f64| {
                let list = TestList::plain(&vec![height; size], &labels[..size]);
                Outcome::of_dense(&*loss, &Dense::<f64>::new(&[list]))
            };
            let expected = outcome(0.0);
            for height in [1e5, -1e20, 9e307, -1e308, f64::MAX, f64::MIN, 5e-324] {
                assert_eq!(outcome(height), expected, "{name} of {size} scores of {height:e}");
            }
        }
    }
}

#[test]
fn gradients_of_differences_sum_to_0() {
    fn holds<F: Real>(list: &TestList, unit: f64) {
        let list = list.existing().rounded::<F>();
        let (scores, labels, weights) = (list.scores(), list.labels(), list.weights());
        for (name, loss) in losses().into_iter().filter(|(name, _)| !name.starts_with("point")) {
            let (_, grad) = value_and_grad::<F>(&*loss, &scores, &labels, None, Some(&weights));
            let scale: f64 = Definition::of(name, &list).scale().into_iter().sum();
            let bound = 4.0 * unit * scale + 6.0 * F::min_positive_value().widen();
            assert_close(name, exact_sum(&grad), 0.0, bound);
        }
    }
    for_all(1000, &batches(items(), 1..=1, 0..=6), |lists| {
        holds::<f32>(&lists[0], f64::from(f32::EPSILON) / 2.0);
        holds::<f64>(&lists[0], f64::EPSILON / 2.0);
    });
}

/// What may go wrong with x; something always, where numbers are subnormal.
fn relative(error: f64, x: f64) -> f64 {
    error * x.abs() + f64::MIN_POSITIVE
}

/// A sum that is exact up to its last rounding for numbers of similar size.
fn exact_sum(numbers: &[f64]) -> f64 {
    let (mut sum, mut lost) = (0.0, 0.0);
    for &x in numbers {
        let next: f64 = sum + x;
        let part = next - sum;
        lost += (sum - (next - part)) + (x - part);
        sum = next;
    }
    sum + lost
}

#[test]
fn equal_labels_make_no_pairs() {
    let lists = (batches(items(), 1..=3, 0..=5), 0.0..=1.0);
    for_all(100, &lists, |(mut lists, label)| {
        lists.iter_mut().flat_map(|list| &mut list.items).for_each(|item| item.label = label);
        let batch = Dense::<f64>::new(&lists);
        for (name, loss) in pair_grid() {
            let Outcome { values, grad, reduced } = Outcome::of_dense(&*loss, &batch);
            let reduced =
                reduced.into_iter().flat_map(|(value, grad)| [vec![value], grad].concat());
            assert!(values.into_iter().chain(grad).chain(reduced).all(|bits| bits == 0), "{name}");
        }
    });
}

#[test]
fn the_hinge_ends_where_the_rounded_margin_is_1() {
    let below_1 = 1.0 - f64::EPSILON / 2.0;
    // Scores of the better and the worse item; value and slope in f64 and in f32.
    for (better, worse, double, single) in [
        (1.0, 0.0, (0.0, 0.0), (0.0, 0.0)),
        (0.5, -0.5, (0.0, 0.0), (0.0, 0.0)),
        (1e5 + 1.0, 1e5, (0.0, 0.0), (0.0, 0.0)),
        (1.0, 1e-17, (0.0, 0.0), (0.0, 0.0)),
        (1.0, 2.0_f64.powi(-30), (2.0_f64.powi(-30), -1.0), (0.0, 0.0)),
        (1.0, 2.0_f64.powi(-10), (2.0_f64.powi(-10), -1.0), (2.0_f64.powi(-10), -1.0)),
        (1.0, -1e-3, (0.0, 0.0), (0.0, 0.0)),
        (below_1, 0.0, (f64::EPSILON / 2.0, -1.0), (0.0, 0.0)),
        // Half way from 1 to the number below it, which goes to 1.
        (below_1, -f64::EPSILON / 4.0, (0.0, 0.0), (0.0, 0.0)),
    ] {
        let loss = PairHinge;
        let pair = |(value, slope): (f64, f64)| (value, vec![slope, 0.0 - slope]);
        let (scores, labels) = ([better, worse], [1.0, 0.0]);
        let (in_f64, in_f32) = (
            value_and_grad::<f64>(&loss, &scores, &labels, None, None),
            value_and_grad::<f32>(&loss, &scores, &labels, None, None),
        );
        assert_eq!((in_f64, in_f32), (pair(double), pair(single)), "{scores:?}");
    }
}

// --- Sizes

#[test]
fn nothing_has_a_loss_of_0() {
    fn is_zero<D: RemoveAxis>(lists: &Dense<f64, D>) {
        for (name, loss) in every_loss() {
            let Outcome { values, grad, reduced } = Outcome::of_dense(&*loss, lists);
            assert_eq!(values, vec![0; lists.list_weights.len()], "{name}");
            assert!(
                grad.is_empty()
                    && reduced.iter().all(|(value, grad)| (*value, grad.len()) == (0, 0)),
                "{name}"
            );
            let total = loss.total(&lists.lists(), &mut Workspace::default()).unwrap();
            assert_eq!((total.lists(), total.terms()), (0, 0), "{name}");
        }
    }
    let masked = Item { exists: false, ..Item::new(0.5, 1.0) };
    let list = |items: Vec<Item>| TestList { items, weight: 2.0 };
    for lists in [
        vec![],
        vec![list(vec![]); 3],
        vec![list(vec![masked; 2]); 3],
        vec![list(vec![masked]), list(vec![])],
    ] {
        is_zero(&Dense::new(&lists));
        let ragged = Ragged::<f64>::new(&lists);
        for (name, loss) in every_loss() {
            let outcome = Outcome::of_ragged(&*loss, &ragged);
            assert_eq!(outcome, Outcome::of_dense(&*loss, &Dense::<f64>::new(&lists)), "{name}");
        }
    }
    let empty = Dense::new(&[]);
    is_zero(&empty.reshaped(Dim([0, 3]), Dim([0])));
    is_zero(&empty.reshaped(Dim([4, 0, 3]), Dim([4, 0])));
    is_zero(&Dense::new(&[list(vec![])]).reshaped(IxDyn(&[0]), IxDyn(&[])));
}

#[test]
fn one_item_has_no_rival() {
    for (name, loss) in every_loss() {
        let (value, grad) = value_and_grad::<f64>(&*loss, &[0.75], &[1.0], None, None);
        let expected = match name.as_str() {
            "point-mse" => (0.0625, vec![-0.5]),
            "point-sigmoid" => ((-0.75_f64).exp().ln_1p(), vec![-1.0 / (1.0 + 0.75_f64.exp())]),
            "approx-ndcg" => (-1.0, vec![0.0]), // the NDCG of any one item
            // σ(z − s), of z = 0.1.
            "point utility" => {
                let (fall, rise) = (1.0 / (1.0 + 0.65_f64.exp()), 1.0 / (1.0 + (-0.65_f64).exp()));
                (fall, vec![-fall * rise])
            }
            // It is all of the labels' shares and all of the noise.
            "nca" => (0.75 + 2.0 * (-0.75_f64).exp().ln_1p(), vec![0.375_f64.tanh()]),
            _ => (0.0, vec![0.0]),
        };
        assert_close(&name, value, expected.0, 1e-16);
        assert_all_close(&name, &grad, &expected.1, 1e-16);
    }
}

#[test]
#[allow(clippy::cast_precision_loss)] // whole numbers far below 2⁵³
fn long_lists_of_losses_that_take_no_pairs() {
    const K: usize = 10_000;
    let k = K as f64;
    let rising: Vec<f64> = (0..K).map(|item| item as f64).collect();
    let steep: Vec<f64> = rising.iter().map(|item| 800.0 * item).collect();
    let falling: Vec<f64> = rising.iter().map(|item| -item).collect();
    let (zeros, ones) = (vec![0.0; K], vec![1.0; K]);
    let log_factorial: f64 = (1..=K).map(|item| (item as f64).ln()).sum();
    for (name, scores, labels, expected) in [
        ("point-mse", &rising, &zeros, (k - 1.0) * k * (2.0 * k - 1.0) / 6.0),
        ("point-sigmoid", &zeros, &ones, k * 2.0_f64.ln()),
        ("softmax", &zeros, &ones, k.ln()),
        // The best score has almost all of it: −Σ p (s − 800 (K − 1)).
        ("softmax", &steep, &ones, 800.0 * (k - 1.0) / 2.0),
        ("list-mle", &zeros, &rising, log_factorial),
        // The worst item first, each 800 below the next.
        ("list-mle", &steep, &falling, 800.0 * k * (k - 1.0) / 2.0),
        ("list-mle", &steep, &rising, 0.0),
    ] {
        let (value, grad) = value_and_grad::<f64>(&*loss(name), scores, labels, None, None);
        assert_close(name, value, expected, 1e-12 * expected);
        assert!(grad.iter().all(|slope| slope.is_finite()));
        if !name.starts_with("point") {
            assert_close(name, exact_sum(&grad), 0.0, 1e-12 * k);
        }
    }
}
