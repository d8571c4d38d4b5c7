//! Lists of every size at which an engine may change its strategy, against the oracle.

use crate::accuracy::assert_accurate;
use crate::definitions::Case;
use crate::losses::{Labels, Subject, subject, subjects};
use crate::search::Random;

/// Labels and scores as training has them: a few grades, or continuous.
fn list(labels: Labels, single: bool, items: usize, graded: bool, random: &mut Random) -> Case {
    let scores = (0..items).map(|_| random.between(-4.0, 4.0)).collect();
    let grades = if labels == Labels::Unit { 1.0 } else { 4.0 };
    let labels = (0..items)
        .map(|_| if graded { grades * random.below(5) as f64 / 4.0 } else { random.unit() });
    Case { single, scores, labels: labels.collect(), weights: None }.rounded()
}

fn weighted(case: Case, random: &mut Random) -> Case {
    let weights = (0..case.len()).map(|_| random.between(0.0, 3.0)).collect();
    Case { weights: Some(weights), ..case }.rounded()
}

fn holds_at(subject: &Subject, sizes: &[usize], weigh: bool) {
    for single in [true, false] {
        let mut random = Random::new(257);
        for &items in sizes {
            let graded = random.below(2) == 0;
            let case = list(subject.labels, single, items, graded, &mut random);
            assert_accurate(subject, &if weigh { weighted(case, &mut random) } else { case });
        }
    }
}

#[test]
fn lists_of_every_size() {
    let sizes = [1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 137, 257];
    for subject in subjects() {
        holds_at(&subject, &sizes, false);
    }
}

#[test]
fn weighted_lists_of_every_size() {
    let sizes = [1, 2, 3, 4, 7, 8, 9, 16, 17, 33, 64, 300];
    for subject in subjects() {
        holds_at(&subject, &sizes, true);
    }
}

#[test]
fn lists_of_1000() {
    for name in ["pair-hinge", "pair-logistic", "lambda-loss", "softmax"] {
        holds_at(&subject(name), &[1000], false);
    }
}
