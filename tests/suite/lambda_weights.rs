//! The lambda weights Δ_ij = |G_i − G_j| · |d(τ_i) − d(τ_j)| one by one.
//!
//! A pair loss with φ(d) = d and a weight of 1 at a single item has the gradient −Δ_ij at each item j
//! that it beats, so Δ can be read off the public interface and compared with its definition: by
//! hand for the four weights of the paper's Figure 3(b), and for tied scores with every order of the
//! tied items written out, of which the rules take the first, the mean, or one by chance.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::common::{
    TIE_RULES, TestWeight, assert_all_close, assert_close, deltas, lambda_weights, mean,
    value_and_grad,
};
use lipo::Error;
use lipo::losses::{
    GainDifference, Hinge, LambdaLoss, LambdaWeight, Logistic, Loss, LossExt, Pair, PairFunction,
    PairLogistic, PairLoss, PairTerm, PairWeight,
};
use lipo::ranking::{
    Discount, DiscountTable, ExponentialGain, Gain, LinearGain, LogDiscount, ScoreTies,
    discount_fn, gain_fn,
};
use ndarray::{Array2, array, aview1};

/// φ(d) = d.
#[derive(Debug, Clone, Copy)]
struct Margin;

lipo::formula! {
    impl PairFunction for Margin {
        const EXPONENTIAL: bool = false;

        fn at<N: Number>(&self, pair: Pair<N>) -> PairTerm<N> {
            PairTerm::new(pair.margin, pair.margin.constant(1.0), pair.margin.constant(0.0))
        }
    }
}

/// Δ_ij where ψ_i > ψ_j, else 0.
fn observed(weight: impl PairWeight + 'static, scores: &[f64], labels: &[f64]) -> Array2<f64> {
    observed_of(&PairLoss::new(Margin, weight), scores, labels)
}

/// The same of the weight of a loss of that function.
fn observed_of(loss: &dyn Loss, scores: &[f64], labels: &[f64]) -> Array2<f64> {
    let mut delta = Array2::zeros((scores.len(), scores.len()));
    for (i, mut row) in delta.rows_mut().into_iter().enumerate() {
        let mut only_i = vec![0.0; scores.len()];
        only_i[i] = 1.0;
        let (_, grad) = value_and_grad::<f64>(loss, scores, labels, None, Some(&only_i));
        for j in (0..scores.len()).filter(|&j| labels[i] > labels[j]) {
            row[j] = -grad[j];
        }
    }
    delta
}

/// Where ψ_i > ψ_j, as `observed` has it.
fn of_pairs(mut delta: Array2<f64>, labels: &[f64]) -> Array2<f64> {
    for ((i, j), delta) in delta.indexed_iter_mut() {
        if labels[i] <= labels[j] {
            *delta = 0.0;
        }
    }
    delta
}

fn close(a: &Array2<f64>, b: &Array2<f64>) -> bool {
    a.iter().zip(b).all(|(a, b)| (a - b).abs() <= 1e-12)
}

const LABELS: [f64; 6] = [0.3, 2.0, 0.0, 1.0, 3.5, 0.7];

/// Scores of lists with ties, and how many orders the ties leave.
const TIED: [(&[f64], usize); 8] = [
    (&[1.0, 0.0], 1),
    (&[0.5, 0.5], 2),
    (&[-0.0, 0.0, 1.0], 2),
    (&[2.0, 2.0, 2.0], 6),
    (&[1.0, 0.0, 1.0, 0.0], 4),
    (&[0.0, 3.0, 0.0, -1.0, 0.0], 6),
    (&[1.0, 1.0, 0.0, 2.0, 0.0, 0.0], 12),
    (&[0.0, -0.0, 0.0, -0.0, 0.0, 0.0], 720),
];

#[test]
fn figure_3b_by_hand() {
    // Item 2 ranks first, then 0, then 1: 1/D is 1/log2(3), 1/2 and 1.
    let (scores, labels) = ([0.3, -0.5, 1.1], [1.0, 0.25, 0.0]);
    let second = 2.0_f64.ln() / 3.0_f64.ln();
    let (discount_01, discount_02, discount_12) = (second - 0.5, 1.0 - second, 0.5);
    let root = 2.0_f64.powf(0.25);
    let (gain_01, gain_02, gain_12) = (2.0 - root, 1.0, root - 1.0);
    let of_both = [gain_01 * discount_01, gain_02 * discount_02, gain_12 * discount_12];
    let of_discounts = [discount_01, discount_02, discount_12];
    let of_gains = [gain_01, gain_02, gain_12];
    let hands = [of_both, of_discounts, of_gains, [1.0; 3]];
    for ((name, weight), [d01, d02, d12]) in lambda_weights().into_iter().zip(hands) {
        let by_hand = array![[0.0, d01, d02], [0.0, 0.0, d12], [0.0, 0.0, 0.0]];
        let delta = observed_of(&*weight.loss(Margin), &scores, &labels);
        assert!(close(&delta, &by_hand), "{name}: {delta}");

        let loss = weight.loss(Logistic);
        let value = loss.value(&aview1(&scores), &aview1(&labels)).unwrap();
        let sum = |l01: f64, l02: f64, l12: f64| d01 * l01 + d02 * l02 + d12 * l12;
        let expected = sum((-0.8_f64).exp().ln_1p(), 0.8_f64.exp().ln_1p(), 1.6_f64.exp().ln_1p());
        assert_close("value", value, expected, 1e-15);
    }
}

#[test]
fn ties_go_by_index_unless_asked_otherwise() {
    for (scores, _) in TIED {
        let labels = &LABELS[..scores.len()];
        for (name, weight) in lambda_weights() {
            let expected = of_pairs(deltas(&weight, scores, labels).swap_remove(0), labels);
            let delta = observed_of(&*weight.loss(Margin), scores, labels);
            assert!(close(&delta, &expected), "{name} of {scores:?}: {delta}");
            let by_index = weight.ties(ScoreTies::ByIndex).loss(Margin);
            assert_eq!(observed_of(&*by_index, scores, labels), delta);
        }
    }
}

#[test]
fn expected_is_the_mean_over_all_orders() {
    for (scores, orders) in TIED {
        let labels = &LABELS[..scores.len()];
        for (name, weight) in lambda_weights() {
            let all = deltas(&weight, scores, labels);
            assert_eq!(all.len(), orders, "{scores:?}");
            let delta =
                observed_of(&*weight.ties(ScoreTies::Expected).loss(Margin), scores, labels);
            let expected = of_pairs(mean(&all), labels);
            assert!(close(&delta, &expected), "{name} of {scores:?}: {delta}");
        }
    }
}

#[test]
fn random_takes_each_order_equally_often() {
    const SEEDS: u64 = 3000;
    // Δ tells all orders apart, unless there are only two items.
    let told_apart = |(scores, orders): &(&[f64], usize)| scores.len() > 2 && *orders <= 12;
    for (scores, orders) in TIED.into_iter().filter(told_apart) {
        let labels = &LABELS[..scores.len()];
        let all: Vec<_> = deltas(&TestWeight::dcg(), scores, labels)
            .into_iter()
            .map(|delta| of_pairs(delta, labels))
            .collect();
        let mut counts = vec![0.0; orders];
        for seed in 0..SEEDS {
            let weight = LambdaWeight::dcg().ties(ScoreTies::Random { seed });
            let delta = observed(weight, scores, labels);
            let found = all.iter().position(|order| close(&delta, order));
            counts[found.unwrap_or_else(|| panic!("{delta} of {scores:?} is of no order"))] += 1.0;
        }
        // Five standard deviations.
        #[allow(clippy::cast_precision_loss)] // small numbers
        let mean = SEEDS as f64 / orders as f64;
        assert_all_close(&format!("{scores:?}"), &counts, &vec![mean; orders], 5.0 * mean.sqrt());
    }
}

#[test]
fn random_averages_to_expected() {
    const SEEDS: u64 = 2000;
    let (scores, orders) = TIED[7];
    assert_eq!(orders, 720);
    for (_, weight) in lambda_weights().into_iter().take(2) {
        let of = |ties| observed_of(&*weight.clone().ties(ties).loss(Margin), scores, &LABELS);
        let drawn = |seed| of(ScoreTies::Random { seed });
        let average = mean(&(0..SEEDS).map(drawn).collect::<Vec<_>>());
        let expected = of(ScoreTies::Expected);
        for (average, expected) in average.iter().zip(&expected) {
            // More than five standard deviations of the mean.
            assert_close("mean", *average, *expected, 0.1 * expected);
        }
    }
}

#[test]
fn random_orders_depend_on_seed_and_labels_only() {
    let tied = [0.0; 6];
    let drawn = |seed, scores: &[f64], labels: &[f64]| {
        observed(LambdaWeight::dcg().ties(ScoreTies::Random { seed }), scores, labels)
    };
    assert_eq!(drawn(3, &tied, &LABELS), drawn(3, &tied, &LABELS));
    assert_eq!(drawn(3, &[-7.5; 6], &LABELS), drawn(3, &tied, &LABELS));
    assert_ne!(drawn(4, &tied, &LABELS), drawn(3, &tied, &LABELS));
    // Without ties nothing is left to chance.
    let sorted = [6.0, 1.0, 4.0, 5.0, 2.0, 3.0];
    assert_eq!(drawn(3, &sorted, &LABELS), drawn(4, &sorted, &LABELS));

    // Lists beside each other: the first item of each comes first independently of the others'.
    let mut patterns = BTreeMap::<Vec<bool>, f64>::new();
    for seed in 0..800 {
        let pattern = [[1.0, 0.0, 0.5], [0.9, 0.0, 0.5], [0.0, 1.0, 0.5]].map(|labels| {
            let delta = drawn(seed, &[2.0, 2.0, -1.0], &labels);
            // The last item ranks third, so Δ with it tells who of the other two is first.
            let top = usize::from(labels[0] < labels[1]);
            delta[[top, 2]] > (labels[top].exp2() - 0.5_f64.exp2()) * 0.3
        });
        *patterns.entry(pattern.to_vec()).or_default() += 1.0;
    }
    let counts: Vec<f64> = patterns.into_values().collect();
    assert_all_close("patterns", &counts, &[100.0; 8], 50.0);
}

#[test]
fn zeros_of_both_signs_tie() {
    let labels = [0.0, 1.0, 0.5];
    for ties in TIE_RULES {
        let delta = |zeros: &[f64]| observed(LambdaWeight::dcg().ties(ties), zeros, &labels);
        let expected = delta(&[0.0, 0.0, 0.0]);
        for zeros in [[-0.0, 0.0, 0.0], [0.0, -0.0, 0.0], [0.0, 0.0, -0.0], [-0.0, -0.0, -0.0]] {
            assert_eq!(delta(&zeros), expected, "{ties:?}, {zeros:?}");
        }
    }
    // Labels of 0 and −0 are equal too, and make no pair.
    let value = PairLogistic.value(&array![0.0, 1.0], &array![0.0, -0.0]);
    assert_eq!(value, Ok(0.0));
}

#[test]
fn a_discount_of_0_cuts_the_dcg_off() {
    let at_2 = DiscountTable::new(vec![1.0, LogDiscount.at(2.0), 0.0]).unwrap();
    let weight = LambdaWeight::dcg().discount(at_2);
    let labels = [0.0, 1.0, 2.0, 3.0];
    let second = 2.0_f64.ln() / 3.0_f64.ln();
    // By score the items rank 1, 2, 3, 4; the last two are cut off and make no pair.
    let by_hand = array![
        [0.0, 0.0, 0.0, 0.0],
        [1.0 * (1.0 - second), 0.0, 0.0, 0.0],
        [3.0 * 1.0, 2.0 * second, 0.0, 0.0],
        [7.0 * 1.0, 6.0 * second, 0.0, 0.0],
    ];
    let scores = [4.0, 3.0, 2.0, 1.0];
    let by_table = observed(weight, &scores, &labels);
    let by_cutoff = observed(LambdaWeight::dcg().cutoff(2), &scores, &labels);
    for delta in [by_table, by_cutoff] {
        assert!(close(&delta, &by_hand), "{delta}");
    }
}

#[test]
fn a_cutoff_goes_through_tied_ranks() {
    // Ranks 1 to 3 tie; the expectation is over their orders, of which the third has d = 0.
    let weight = LambdaWeight::dcg().cutoff(2).ties(ScoreTies::Expected);
    let second = 2.0_f64.ln() / 3.0_f64.ln();
    let within = 2.0 / 3.0; // the mean of 1 − v, 1 and v, v being the second
    let mean = (1.0 + second) / 3.0;
    let delta = observed(weight, &[1.0, 1.0, 1.0, 0.0], &[0.0, 1.0, 2.0, 3.0]);
    let by_hand = array![
        [0.0, 0.0, 0.0, 0.0],
        [within, 0.0, 0.0, 0.0],
        [3.0 * within, 2.0 * within, 0.0, 0.0],
        [7.0 * mean, 6.0 * mean, 4.0 * mean, 0.0],
    ];
    assert!(close(&delta, &by_hand), "{delta}");
    let first_only = PairLoss::new(Logistic, LambdaWeight::dcg().cutoff(0));
    let refused = first_only.value(&array![0.0, 1.0], &array![0.0, 1.0]);
    assert!(matches!(refused, Err(Error::Parameter { name: "cut-off", .. })));
}

/// What a loss says of three items whose labels are 0.5, −1 and 2.
fn outcome(weight: impl PairWeight) -> Result<(f64, ndarray::Array1<f64>), Error> {
    let loss = PairLoss::new(Hinge::default(), weight);
    loss.value_and_grad(&array![3.0, 1.0, 2.5], &array![0.5, -1.0, 2.0])
}

#[test]
fn a_discount_is_finite_not_negative_and_does_not_rise() {
    type Discounts = fn(f64) -> f64;
    let falling = "at least 0 and at most that of the rank before";
    let bad: [(Discounts, f64, &str); 6] = [
        (|_| -1.0, -1.0, falling),
        (|_| f64::NAN, f64::NAN, "finite"),
        (|_| f64::INFINITY, f64::INFINITY, "finite"),
        (|rank| if rank == 2.0 { f64::NEG_INFINITY } else { 1.0 }, f64::NEG_INFINITY, "finite"),
        (|rank| rank, 2.0, falling),
        (|rank| if rank == 3.0 { 0.5 } else { 0.25 }, 0.5, falling),
    ];
    for (discount, value, range) in bad {
        let weight = LambdaWeight::dcg().discount(discount_fn(discount, |_| 0.0));
        let error = outcome(weight).unwrap_err();
        let expected = Error::Parameter { name: "discount", value, range };
        assert_eq!(format!("{error:?}"), format!("{expected:?}"));
    }
    let nothing = LambdaWeight::dcg().discount(discount_fn(|_| 0.0, |_| 0.0));
    assert_eq!(outcome(nothing), Ok((0.0, array![0.0, 0.0, 0.0])));
}

#[test]
fn a_gain_is_finite_and_so_are_differences() {
    type Gains = fn(f64) -> f64;
    let finite = "a label whose gain is finite";
    let differ = "a label whose gain differs finitely";
    let bad: [(Gains, usize, &str); 4] = [
        (|_| f64::NAN, 0, finite),
        (|label| if label > 1.0 { f64::INFINITY } else { label }, 2, finite),
        (|label| if label < 0.0 { f64::NEG_INFINITY } else { label }, 1, finite),
        (|label| if label > 1.0 { f64::MAX } else { -f64::MAX }, 2, differ),
    ];
    for (gain, item, range) in bad {
        let weight = LambdaWeight::dcg().gain(gain_fn(gain));
        let error = outcome(weight).unwrap_err();
        let value = [0.5, -1.0, 2.0][item];
        assert_eq!(error, Error::OutOfRange { what: "labels", index: vec![item], value, range });
    }
}

#[test]
fn gains_vanish_far_below_0() {
    let discount = 1.0 - 2.0_f64.ln() / 3.0_f64.ln();
    let scores = aview1(&[1.0, 0.0]);
    for (labels, gains) in [
        ([0.0, -400.0], 1.0),
        ([0.0, -1074.0], 1.0),
        ([3.0, -2000.0], 8.0),
        ([1.0, -1e5], 2.0),
        ([1.0, f64::MIN], 2.0),
        ([-1e5, -2e5], 0.0),
        ([-600.0, -700.0], (-600.0_f64).exp2()),
    ] {
        let value = LambdaLoss.value(&scores, &aview1(&labels)).unwrap();
        let expected = gains * discount * (-1.0_f64).exp().ln_1p();
        assert_close(&format!("{labels:?}"), value, expected, 1e-14 * expected);
    }
}

/// Gains and discounts that are in their domains, and whose Δ is beyond `f64`.
#[test]
fn a_weight_beyond_the_range_is_an_error_or_infinite() {
    type Weight = LambdaWeight<Arc<dyn Gain>, Arc<dyn Discount>>;
    fn weight(gain: impl Gain + 'static, discount: impl Discount + 'static) -> Weight {
        let (gain, discount) = (Arc::new(gain) as Arc<dyn Gain>, Arc::new(discount) as _);
        LambdaWeight::dcg().gain(gain).discount::<Arc<dyn Discount>>(discount)
    }
    let constant = |value: f64| discount_fn(move |_| value, |_| 0.0);
    let steep_discount = || discount_fn(|rank| if rank == 1.0 { 1e200 } else { 1.0 }, |_| 0.0);
    let huge = gain_fn(|label| 1e200 * label);
    let steep = gain_fn(|label| if label > 1.0 { f64::MAX } else { -1.0 });
    let mut not_a_number = Vec::new();
    for (name, weight) in [
        ("a discount at the end of the range", weight(ExponentialGain, constant(f64::MAX))),
        ("the same, expected", weight(LinearGain, constant(f64::MAX)).ties(ScoreTies::Expected)),
        ("the product overflows", weight(huge, steep_discount())),
        ("the product overflows, with the greatest gain", weight(steep, steep_discount())),
        ("the difference of linear gains overflows", weight(LinearGain, LogDiscount)),
    ] {
        // Of margins below, at and above the hinge's kink.
        for margin in [-1.0, 1.0, 3.0] {
            let loss = PairLoss::new(Hinge::default(), weight.clone());
            let labels = array![f64::MAX, 2.0, f64::MIN];
            // The other gains would reject labels that are not of moderate size.
            let labels = if name.contains("linear") { labels } else { array![1.5, 0.5, 1.0] };
            let scores = array![2.0 * margin, margin, 0.0];
            if let Ok((value, grad)) = loss.value_and_grad(&scores, &labels)
                && (value.is_nan() || grad.iter().any(|slope| slope.is_nan()))
            {
                not_a_number.push((name, margin, value, grad));
            }
        }
    }
    assert!(not_a_number.is_empty(), "{not_a_number:#?}");
}

#[test]
fn the_rounding_of_a_margin_does_not_meet_an_infinite_weight() {
    // w Δ is beyond `f64`, what the margin's rounding lost is −1.7e53, and φ is 0.
    let loss = PairLoss::new(Hinge::default(), GainDifference::dcg());
    let (scores, labels) = ([1.7218479456387108e53, 5e149], [0.0, 1023.9999999999999]);
    let outcome = value_and_grad::<f64>(&loss, &scores, &labels, None, Some(&[0.0, 1e308]));
    assert_eq!(outcome, (0.0, vec![0.0, 0.0]));
}
