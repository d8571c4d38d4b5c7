//! Laws that every loss passes, by one function each, over the table of losses.

use crate::accuracy::{assert_accurate, assert_computed};
use crate::definitions::{Case, Exact, logistic, soft_pairs};
use crate::losses::{
    Batch, Labels, REDUCED, Reduced, Subject, Weights, compute, compute_batch,
    compute_soft_logistic, subjects,
};
use crate::number::Number;
use crate::search::{Random, draw};

/// Losses that break a law today, by the law's name.
const KNOWN_FAULTS: &[(&str, &str)] = &[("nan", "point-mse")];

/// Runs a law for every loss in both types, with random numbers of its own.
fn for_every_loss(law: &str, check: impl Fn(&Subject, bool, &mut Random) -> Result<(), String>) {
    let mut broken = Vec::new();
    for subject in subjects() {
        for single in [true, false] {
            let mut random = Random::new(1878);
            if let Err(error) = check(&subject, single, &mut random)
                && !KNOWN_FAULTS.contains(&(law, subject.name))
            {
                broken.push(format!("{} ({}): {error}", subject.name, f(single)));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

fn f(single: bool) -> &'static str {
    if single { "f32" } else { "f64" }
}

/// A list of moderate numbers that are multiples of 2⁻¹⁰, scores and labels all different.
fn moderate(single: bool, items: usize, random: &mut Random) -> Case {
    let mut distinct = |count: i32, unit: f64| {
        let mut numbers: Vec<f64> = Vec::new();
        while numbers.len() < items {
            let number = f64::from(count) * random.unit();
            let number = number.floor() * unit;
            if !numbers.contains(&number) {
                numbers.push(number);
            }
        }
        numbers
    };
    let scores = distinct(8192, 1.0 / 1024.0).iter().map(|score| score - 4.0).collect();
    let labels = distinct(1024, 1.0 / 1024.0);
    let weights =
        (random.below(2) == 0).then(|| (0..items).map(|_| random.between(0.0, 3.0)).collect());
    Case { single, scores, labels, weights }.rounded()
}

/// The case with its items in another order, and that order.
fn permuted(case: &Case, random: &mut Random) -> (Case, Vec<usize>) {
    let mut order: Vec<usize> = (0..case.len()).collect();
    for k in (1..order.len()).rev() {
        order.swap(k, random.below(k + 1));
    }
    let pick = |numbers: &[f64]| order.iter().map(|&k| numbers[k]).collect::<Vec<f64>>();
    let weights = case.weights.as_deref().map(pick);
    let (scores, labels) = (pick(&case.scores), pick(&case.labels));
    (Case { scores, labels, weights, ..*case }, order)
}

/// The definition's derivatives are those of its value: differences in numbers of 128 bits.
#[test]
fn the_gradient_is_the_derivative_and_the_curvature_its() {
    const STEP: f64 = 1.0 / (1_u64 << 30) as f64;
    let close = |what: &str, found: Number, expected: Number| {
        let (found, expected) = (found.to_f64(), expected.to_f64());
        assert!(
            (found - expected).abs() < 1e-13 * (1.0 + expected.abs()),
            "{what}: {found} {expected}"
        );
    };
    for subject in subjects() {
        let mut random = Random::new(1);
        for items in [1, 2, 3, 5, 9] {
            // Off the grid on which margins could be those of kinks.
            let mut case = moderate(false, items, &mut random);
            case.scores.iter_mut().enumerate().for_each(|(k, s)| *s += (k + 1) as f64 / 65536.0);
            let exact = (subject.definition)(&case);
            for k in 0..items {
                let value = |by: f64| {
                    let mut moved = case.clone();
                    moved.scores[k] += by;
                    (subject.definition)(&moved).value.sum()
                };
                let (up, down) = (value(STEP), value(-STEP));
                close(subject.name, exact.grad[k].sum(), (up - down).scale(29));
                let second = (up + down - exact.value.sum().scale(1)).scale(60);
                close(subject.name, exact.curvature[k].sum(), second);
            }
            assert_accurate(&subject, &case);
            case.single = true;
            assert_accurate(&subject, &case.rounded());
        }
    }
}

#[test]
fn a_shift_of_all_scores_changes_nothing() {
    for_every_loss("shift", |subject, single, random| {
        for items in [1, 2, 3, 8, 33, 100] {
            let case = moderate(single, items, random);
            let exact = (subject.definition)(&case);
            for by in [-1000.0, 0.5, 4096.0] {
                let mut moved = case.clone();
                moved.scores.iter_mut().for_each(|score| *score += by);
                if subject.shift_invariant {
                    agrees(subject, &moved, &exact)?;
                }
            }
        }
        Ok(())
    });
}

#[test]
fn a_permutation_of_the_items_permutes_the_gradient() {
    for_every_loss("permutation", |subject, single, random| {
        for items in [2, 3, 7, 20, 100] {
            let mut case = moderate(single, items, random);
            if !subject.ranks_scores_by_index && random.below(2) == 0 {
                case.scores.iter_mut().for_each(|score| *score = score.round());
            }
            if !subject.ranks_labels_by_index && random.below(2) == 0 {
                case.labels.iter_mut().for_each(|label| *label = label.round());
            }
            let exact = (subject.definition)(&case);
            let (moved, order) = permuted(&case, random);
            let pick = |terms: &[_]| order.iter().map(|&k| terms[k]).collect();
            let (grad, curvature) = (pick(&exact.grad), pick(&exact.curvature));
            agrees(subject, &moved, &Exact { value: exact.value, grad, curvature })?;
        }
        Ok(())
    });
}

/// Twice the weights of items is twice the loss, or the same where they weigh labels.
#[test]
fn a_weight_of_2_is_twice() {
    for_every_loss("twice", |subject, single, random| {
        for items in [1, 2, 3, 8, 33, 100] {
            let case = moderate(single, items, random);
            let mut doubled = case.clone();
            let weights = doubled.weights.get_or_insert_with(|| vec![1.0; items]);
            for weight in weights {
                *weight *= 2.0;
            }
            let (mut value, mut grad) = of(subject, &doubled)?;
            if subject.weights == Weights::Terms {
                value /= 2.0;
                for slope in &mut grad {
                    *slope /= 2.0;
                }
            }
            let exact = (subject.definition)(&case);
            assert_computed(subject.name, &case, &(value, grad), &exact);
        }
        Ok(())
    });
}

fn of(subject: &Subject, case: &Case) -> Result<(f64, Vec<f64>), String> {
    compute(&*(subject.loss)(), case).map_err(|error| error.to_string())
}

/// Whether the crate's result for a list is the one that is expected of another.
fn agrees(subject: &Subject, case: &Case, exact: &Exact) -> Result<(), String> {
    assert_computed(subject.name, case, &of(subject, case)?, exact);
    Ok(())
}

/// Lists of all lengths up to 300, each in the loss's domain by itself.
fn lists(subject: &Subject, single: bool, random: &mut Random) -> Vec<Case> {
    let weighted = random.below(2) == 0;
    let mut lists = Vec::new();
    while lists.len() < 40 {
        let mut case = if random.below(3) == 0 {
            draw(subject, single, random)
        } else {
            let items = random.pick(&[1, 2, 2, 3, 3, 4, 5, 6, 7, 8, 8, 9, 16, 40, 129, 300]);
            moderate(single, items, random)
        };
        case.weights = weighted.then(|| case.weights.unwrap_or(vec![0.75; case.scores.len()]));
        if of(subject, &case).is_ok() {
            lists.push(case);
        }
    }
    lists
}

fn bits(numbers: &[f64]) -> Vec<u64> {
    numbers.iter().map(|x| x.to_bits()).collect()
}

#[test]
fn a_list_alone_is_as_in_a_batch() {
    for_every_loss("alone", |subject, single, random| {
        for _ in 0..2 {
            let lists = lists(subject, single, random);
            let loss = (subject.loss)();
            let batch = Batch::of(lists.clone());
            let (values, grad) = compute_batch(&*loss, &batch, Reduced::No).unwrap();
            let mut start = 0;
            for (list, value) in lists.iter().zip(values) {
                let alone = compute_batch(&*loss, &Batch::of(vec![list.clone()]), Reduced::No);
                let (alone, slopes) = alone.unwrap();
                let dense = of(subject, list)?;
                let slice = &grad[start..start + list.len()];
                let differs = |what| Err(format!("{what}: {}", list.literal()));
                if alone[0].to_bits() != value.to_bits() || bits(&slopes) != bits(slice) {
                    return differs("alone in a batch");
                }
                if dense.0.to_bits() != value.to_bits() || bits(&dense.1) != bits(slice) {
                    return differs("alone in an array");
                }
                start += list.len();
            }
        }
        Ok(())
    });
}

#[test]
fn a_mask_is_absence() {
    for_every_loss("mask", |subject, single, random| {
        let lists = lists(subject, single, random);
        let mut with_garbage = lists.clone();
        let mut mask = Vec::new();
        for list in &mut with_garbage {
            let mut exists = vec![true; list.len()];
            for _ in 0..random.below(5) {
                let at = random.below(list.len() + 1);
                list.scores.insert(at, f64::NAN);
                list.labels.insert(at, -1e300);
                list.weights.iter_mut().for_each(|weights| weights.insert(at, f64::INFINITY));
                exists.insert(at, false);
            }
            mask.append(&mut exists);
        }
        let loss = (subject.loss)();
        let masked = Batch { lists: with_garbage, mask: Some(mask.clone()), list_weights: None };
        for reduced in REDUCED {
            let (values, grad) = compute_batch(&*loss, &Batch::of(lists.clone()), reduced).unwrap();
            let (found, masked_grad) = compute_batch(&*loss, &masked, reduced).unwrap();
            let existing = masked_grad.iter().zip(&mask).filter(|(_, exists)| **exists);
            let existing: Vec<f64> = existing.map(|(slope, _)| *slope).collect();
            let absent = masked_grad.iter().zip(&mask).filter(|(_, exists)| !**exists);
            if absent.into_iter().any(|(slope, _)| slope.to_bits() != 0) {
                return Err("a masked item has a gradient".into());
            }
            if bits(&values) != bits(&found) || bits(&grad) != bits(&existing) {
                return Err(format!("{reduced:?} depends on masked items"));
            }
        }
        Ok(())
    });
}

/// Finite input gives no NaN: the places where 0 meets an overflow.
#[test]
fn finite_input_never_gives_nan() {
    for_every_loss("nan", |subject, single, random| {
        let loss = (subject.loss)();
        let max = if single { f64::from(f32::MAX) } else { f64::MAX };
        let least = if single { 1e-45 } else { 5e-324 };
        let mut computed = 0;
        for _ in 0..30 {
            let score = random.pick(&[1.0, 100.0, 1e30, max.sqrt(), max / 4.0, max]);
            let label = match subject.labels {
                Labels::Unit => 1.0,
                Labels::Gain => random.pick(&[1.0, 120.0]),
                _ => random.pick(&[1.0, 1e30, max.sqrt(), max / 4.0, max]),
            };
            let signed = matches!(subject.labels, Labels::Any | Labels::Gain);
            let weights = random.below(3) > 0;
            let mut list = || {
                let items =
                    if random.below(30) == 0 { 300 } else { random.pick(&[1, 2, 2, 3, 5, 8, 20]) };
                let mut extreme = |greatest: f64, signed: bool| {
                    let x = match random.below(6) {
                        0 => 0.0,
                        1 => least,
                        2 => greatest * random.unit(),
                        3 => random.unit(),
                        _ => greatest,
                    };
                    let x = x.min(greatest);
                    if signed && random.below(2) == 0 { -x } else { x }
                };
                let scores = (0..items).map(|_| extreme(score, true)).collect();
                let labels = (0..items).map(|_| extreme(label, signed)).collect();
                let weights = weights.then(|| (0..items).map(|_| extreme(max, false)).collect());
                Case { single, scores, labels, weights }.rounded()
            };
            let lists = vec![list(), list(), list()];
            let list_weights = (random.below(3) > 0)
                .then(|| (0..3).map(|_| random.pick(&[0.0, 0.0, least, 0.3, 1.0, max])).collect());
            let batch = Batch { lists, mask: None, list_weights };
            for reduced in REDUCED {
                let Ok((values, grad)) = compute_batch(&*loss, &batch, reduced) else { continue };
                computed += 1;
                if values.iter().chain(&grad).any(|x| x.is_nan()) {
                    let lists: Vec<String> = batch.lists.iter().map(Case::literal).collect();
                    let weights = &batch.list_weights;
                    let least = lists.join(",\n");
                    return Err(format!("{reduced:?}, list weights {weights:?}: {least}"));
                }
            }
        }
        if computed < 30 { Err(format!("only {computed} batches in the domain")) } else { Ok(()) }
    });
}

#[test]
fn soft_targets_weigh_both_orders_of_a_pair() {
    let mut random = Random::new(3);
    for single in [true, false] {
        for items in [1, 2, 3, 8, 40] {
            let case = moderate(single, items, &mut random);
            let targets: Vec<f64> =
                (0..items * items).map(|_| random.below(129) as f64 / 128.0).collect();
            let exact = soft_pairs(&case, &targets, logistic());
            let computed = compute_soft_logistic(&case, &targets).unwrap();
            assert_computed("soft pairs", &case, &computed, &exact);
        }
    }
}
