//! An adversarial search: hill-climbing on the error, from lists drawn in all shapes that have ever
//! been hard.

use std::time::{Duration, Instant};

use crate::accuracy::{BOUND, Errors, measure};
use crate::definitions::Case;
use crate::losses::{Labels, Subject, subjects};

/// SplitMix64.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }

    /// In [0, 1).
    #[allow(clippy::cast_precision_loss)] // 53 bits
    pub fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// Below n.
    #[allow(clippy::cast_possible_truncation)]
    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }
}

/// A list in the loss's domain.
pub fn draw(subject: &Subject, single: bool, random: &mut Random) -> Case {
    // Short lists are where most mistakes are within reach, and a thousand cost what one of 300 does.
    let longest = match random.below(60) {
        0 => 300,
        1..4 => random.pick(&[64, 65, 137]),
        4..12 => random.pick(&[16, 17, 33]),
        _ => random.pick(&[1, 2, 2, 3, 4, 5, 7, 8, 9]),
    };
    let items = if random.below(2) == 0 { longest } else { 1 + random.below(longest) };
    let mut score = draw_score(subject, single, random);
    let mut label = draw_label(subject.labels, random);
    let mut scores: Vec<f64> = (0..items).map(|_| score(random)).collect();
    if random.below(5) == 0 {
        // A leader, or one left behind, by some distance.
        let lead =
            random.pick(&[1.0, -1.0]) * random.between(1.0, if single { 90.0 } else { 710.0 });
        scores[random.below(items)] += lead;
    }
    let mut labels: Vec<f64> = (0..items).map(|_| label(random)).collect();
    if random.below(3) == 0 {
        // Near the optimum, where all that is left is tails.
        scores.sort_by(f64::total_cmp);
        labels.sort_by(f64::total_cmp);
    }
    let weights =
        draw_weight(single, random).map(|mut weight| (0..items).map(|_| weight(random)).collect());
    Case { single, scores, labels, weights }.rounded()
}

type Draw = Box<dyn FnMut(&mut Random) -> f64>;

fn draw_score(subject: &Subject, single: bool, random: &mut Random) -> Draw {
    let edge = if single { 88.0 } else { 709.0 };
    let spread: f64 = random.pick(&[0.0, 0.1, 1.0, 1.0, 4.0, 10.0, 40.0, 100.0, edge, 1e3, 1e30]);
    let spread = spread.min(subject.greatest_score);
    let shift = random.pick(&[0.0, 0.0, 0.0, 1.0, -10.0, 250.0, 1000.0]);
    match random.below(4) {
        0 => Box::new(move |random| shift + random.pick(&[-0.5, -0.25, -0.0, 0.0, 1.0]) * spread),
        1 => Box::new(move |_| shift + spread),
        _ => Box::new(move |random| shift + random.between(-0.5, 0.5) * spread),
    }
}

fn draw_label(labels: Labels, random: &mut Random) -> Draw {
    let common = random.unit();
    match random.below(7) {
        0 => Box::new(move |_| common),
        1 => Box::new(|random| random.pick(&[0.0, 1.0])),
        2 if labels == Labels::Unit => Box::new(|random| random.pick(&[0.0, 1e-20, 0.5, 1.0])),
        2 => Box::new(|random| random.pick(&[0.0, 1.0, 2.0, 3.0, 4.0])),
        3 => {
            let step = random.pick(&[1e-7, 1e-12, 1e-15, 2e-16]);
            Box::new(move |random| (common + step * random.between(0.0, 8.0).floor()).min(1.0))
        }
        4 => Box::new(|random| random.between(0.0, 128.0).floor() / 128.0),
        5 if labels != Labels::Unit => {
            let low = if labels == Labels::NotNegative { 0.0 } else { -30.0 };
            Box::new(move |random| random.between(low, 30.0))
        }
        _ => Box::new(Random::unit),
    }
}

fn draw_weight(single: bool, random: &mut Random) -> Option<Draw> {
    let range = if single { 12.0 } else { 95.0 };
    Some(match random.below(10) {
        0..3 => return None,
        3 => Box::new(|_| 0.3),
        4 => {
            let common = random.between(0.0, 3.0);
            Box::new(move |_| common)
        }
        5 => Box::new(|random| random.pick(&[0.0, 1.0])),
        6 => Box::new(|random| random.between(0.0, 3.0)),
        7 => Box::new(|random| random.pick(&[0.3, 1e-3])),
        8 => {
            let sizes = [(); 3].map(|()| 10.0_f64.powf(random.between(-range, range)));
            Box::new(move |random| random.pick(&sizes))
        }
        _ => Box::new(move |random| 10.0_f64.powf(random.between(-range, range))),
    })
}

/// A list near another.
fn mutate(subject: &Subject, case: &Case, random: &mut Random) -> Case {
    let mut next = case.clone();
    let (k, other) = (random.below(case.len()), random.below(case.len()));
    let nudge = 1.0 + random.between(-1.0, 1.0) * random.pick(&[1e-1, 1e-4, 1e-8, 1e-15]);
    match random.below(12) {
        0 => next.scores[k] = draw_score(subject, case.single, random)(random),
        1 if random.below(2) == 0 => next.scores[k] = case.scores[other],
        1 => next.scores[k] += random.between(-1.0, 1.0) * if case.single { 90.0 } else { 710.0 },
        2 | 3 => next.scores[k] *= nudge,
        4 => next.scores.iter_mut().for_each(|score| *score *= nudge),
        5 => {
            let by = random.between(-1.0, 1.0) * random.pick(&[1e-3, 1.0, 30.0]);
            next.scores.iter_mut().for_each(|score| *score += by);
        }
        6 => next.labels[k] = case.labels[other],
        7 => next.labels[k] = draw_label(subject.labels, random)(random),
        8 => {
            next.scores.push(case.scores[k]);
            next.labels.push(case.labels[other]);
            next.weights.iter_mut().for_each(|weights| weights.push(weights[k]));
        }
        9 if case.len() > 1 => {
            next.scores.remove(k);
            next.labels.remove(k);
            if let Some(weights) = &mut next.weights {
                weights.remove(k);
            }
        }
        10 => next.weights.iter_mut().for_each(|weights| weights[k] *= nudge),
        _ => next.weights.iter_mut().flatten().for_each(|weight| *weight *= nudge),
    }
    let in_range = next.scores.iter().all(|score| score.abs() <= subject.greatest_score);
    if in_range && next.len() <= 300 { next.rounded() } else { case.clone() }
}

/// How long to search: by the work of the definitions, so that it does not depend on the machine, or
/// by the clock.
#[derive(Debug, Clone, Copy)]
enum Effort {
    Pairs(usize),
    Time(Duration),
}

/// The worst list that the search finds, and its error.
fn search(subject: &Subject, single: bool, effort: Effort) -> (f64, Case) {
    let seed = subject
        .name
        .bytes()
        .fold(u64::from(single), |seed, byte| seed.wrapping_mul(31).wrapping_add(byte.into()));
    let (mut random, mut pairs, start) = (Random::new(seed), 0, Instant::now());
    let mut worst = (-1.0, draw(subject, single, &mut random));
    loop {
        let mut case = draw(subject, single, &mut random);
        let mut error = -1.0;
        let mut failures = 0;
        let patience = random.pick(&[1, 5, 40]);
        while failures < patience {
            let next = if error < 0.0 { case.clone() } else { mutate(subject, &case, &mut random) };
            pairs += 10 + next.len() * next.len();
            match measure(subject, &next).map(Errors::worst) {
                Some(found) if found > error => (error, case, failures) = (found, next, 0),
                None if error < 0.0 => break,
                _ => failures += 1,
            }
            if error == f64::INFINITY {
                break;
            }
            let done = match effort {
                Effort::Pairs(most) => pairs > most,
                Effort::Time(most) => start.elapsed() > most,
            };
            if done {
                failures = usize::MAX;
                break;
            }
        }
        if error > worst.0 {
            worst = (error, case);
        }
        if failures == usize::MAX {
            return worst;
        }
    }
}

#[test]
fn search_finds_no_list_beyond_the_bounds() {
    let seconds = std::env::var("LIPO_SEARCH_SECONDS").ok();
    let seconds: Option<f64> = seconds.map(|seconds| seconds.parse().unwrap());
    let attacks: Vec<(Subject, bool)> =
        subjects().into_iter().flat_map(|subject| [(subject, true), (subject, false)]).collect();
    let effort = seconds.map_or(Effort::Pairs(400_000), |seconds| {
        Effort::Time(Duration::from_secs_f64(2.0 * seconds / attacks.len() as f64))
    });
    let (even, odd): (Vec<_>, Vec<_>) = attacks.iter().enumerate().partition(|(n, _)| n % 2 == 0);
    let run = |attacks: &[(usize, &(Subject, bool))]| {
        let mut beyond = Vec::new();
        for (_, (subject, single)) in attacks {
            let (error, case) = search(subject, *single, effort);
            let precision = if *single { "f32" } else { "f64" };
            println!("{:40} {precision} {error:8.2}  {}", subject.name, case.literal());
            if error > BOUND {
                beyond.push(format!(
                    "{} in {precision}: {error} at {}",
                    subject.name,
                    case.literal()
                ));
            }
        }
        beyond
    };
    let beyond = std::thread::scope(|scope| {
        let other = scope.spawn(|| run(&odd));
        [run(&even), other.join().unwrap()].concat()
    });
    assert!(beyond.is_empty(), "{}", beyond.join("\n"));
}
