//! Iterations that give each item, one after another, the strength at which what comes to it balances
//! what leaves it.

use super::comparisons::Pair;
use super::fit::mean;
use super::stopping::{Convergence, Stopping};

/// Whom each item met.
pub(super) struct Opponents {
    starts: Vec<usize>,
    all: Vec<Opponent>,
}

/// An opponent, and what each of the two earned against the other.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Opponent {
    pub(super) item: usize,
    pub(super) earned: f64,
    pub(super) conceded: f64,
}

impl Opponents {
    /// Of pairs, each of which stands here once, and what either item earned.
    pub(super) fn new(items: usize, pairs: &[Pair], earned: impl Fn(&Pair) -> [f64; 2]) -> Self {
        let mut starts = vec![0; items + 1];
        for pair in pairs {
            starts[pair.first() + 1] += 1;
            starts[pair.second() + 1] += 1;
        }
        for item in 0..items {
            starts[item + 1] += starts[item];
        }
        let mut place = starts.clone();
        let mut all = vec![Opponent::default(); 2 * pairs.len()];
        for pair in pairs {
            let (first, second, [of_first, of_second]) =
                (pair.first(), pair.second(), earned(pair));
            for (item, other, earned, conceded) in
                [(first, second, of_first, of_second), (second, first, of_second, of_first)]
            {
                all[place[item]] = Opponent { item: other, earned, conceded };
                place[item] += 1;
            }
        }
        Self { starts, all }
    }

    pub(super) fn of(&self, item: usize) -> &[Opponent] {
        &self.all[self.starts[item]..self.starts[item + 1]]
    }
}

/// An iteration over log-strengths and perhaps a parameter more.
pub(super) trait Sweep {
    /// By how much an item's strength rises.
    fn step(&self, item: usize, strengths: &[f64]) -> f64;

    /// Whether a common factor of all strengths changes nothing, so that their mean can be held at 0.
    fn is_free_to_shift(&self) -> bool;

    /// Goes on with what is no strength, and returns the change of its logarithm.
    fn advance(&mut self, _strengths: &[f64]) -> f64 {
        0.0
    }
}

/// Sweeps until what is still to come is below the tolerance.
///
/// The changes of an iteration fall off like a geometric series in the end, by some ratio ρ. The
/// residual is what is left of the series, the greatest change times ρ/(1 − ρ): the change alone would
/// stop an iteration early whose steps are small and many. `strengths` stay finite.
pub(super) fn sweep(
    sweep: &mut impl Sweep,
    strengths: &mut Vec<f64>,
    stopping: &Stopping,
) -> Convergence {
    const SLOWLY: f64 = 0.9;
    let mut convergence = Convergence { iterations: 0, residual: f64::INFINITY, converged: false };
    let mut next = strengths.clone();
    let mut before = f64::INFINITY;
    let mut ratio = 1.0_f64;
    while !convergence.converged && convergence.iterations < stopping.max_iterations {
        for item in 0..next.len() {
            next[item] += sweep.step(item, &next);
        }
        if sweep.is_free_to_shift() {
            let mean = mean(&next);
            for strength in &mut next {
                *strength -= mean;
            }
        }
        let of_parameter = sweep.advance(&next).abs();
        let changes = next.iter().zip(&*strengths).map(|(now, before)| (now - before).abs());
        // A change that is no number counts as infinite.
        let change = changes.fold(
            of_parameter,
            |greatest, change| {
                if greatest >= change { greatest } else { change }
            },
        );
        convergence.iterations += 1;
        if !change.is_finite() || !next.iter().all(|strength| strength.is_finite()) {
            break;
        }
        // Rounding moves strengths for ever, by about this; such changes tell nothing of the ratio.
        let size = next.iter().fold(1.0_f64, |size, strength| size.max(strength.abs()));
        let rest = 2.0 * f64::EPSILON * size;
        if before.is_finite() && before > rest {
            // A lucky iteration tells little: the ratio forgets slowly.
            ratio = (change / before).max(SLOWLY * ratio).min(1.0);
        } else if change <= rest && ratio == 1.0 {
            ratio = SLOWLY; // at the balance from the start
        }
        before = change;
        let left = if ratio < 1.0 { ratio / (1.0 - ratio) } else { f64::INFINITY };
        convergence.residual = if change == 0.0 { 0.0 } else { change * left };
        convergence.converged = convergence.residual <= stopping.tolerance;
        strengths.copy_from_slice(&next);
    }
    convergence
}
