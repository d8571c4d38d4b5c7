//! Maximising a concave log-likelihood by Newton's method, its systems solved by conjugate gradients:
//! each iteration costs some passes over the data, and no matrix is formed.

use super::shifts::Shifts;
use super::stopping::{Convergence, Stopping};

/// The information (the negative Hessian of a log-likelihood) of n parameters, of which the first are
/// the strengths of items.
///
/// It is that of the log-likelihood divided by `scale`, so that no sum comes near the ends of the range.
pub(super) trait Curvature {
    fn parameters(&self) -> usize;

    fn items(&self) -> usize;

    fn scale(&self) -> f64;

    /// The place of the order effect among the parameters.
    fn order_effect_at(&self) -> Option<usize> {
        None
    }

    /// Writes the product of a vector and the information.
    fn times(&self, vector: &[f64], product: &mut [f64]);

    /// Writes the diagonal of the information, or what comes near it.
    fn diagonal(&self, diagonal: &mut [f64]);

    /// What the information does to strengths that move together.
    fn shifts(&self) -> &Shifts;
}

/// A concave function, with the curvature at the point where it is.
pub(super) trait Concave: Curvature {
    /// Goes to a point, and writes the gradient there.
    fn move_to(&mut self, point: &[f64], gradient: &mut [f64]);

    /// The part of a step, up to 1, that stays inside the domain.
    fn inside(&self, _point: &[f64], _step: &[f64]) -> f64 {
        1.0
    }
}

/// A power of two by which weights up to this one can be divided exactly.
pub(super) fn power_of_two_near(weight: f64) -> f64 {
    if weight > 0.0 { weight.log2().floor().clamp(-1000.0, 1000.0).exp2() } else { 1.0 }
}

/// Goes from `point` to the maximum.
///
/// The residual is the greatest entry of the last Newton step, relative to the greatest of the
/// parameters where that is above 1. Near the maximum it falls off quadratically and bounds the error.
/// Each iterate is finite.
pub(super) fn maximise(
    function: &mut impl Concave,
    point: &mut Vec<f64>,
    stopping: &Stopping,
) -> Convergence {
    let n = function.parameters();
    let mut search =
        Search { gradient: vec![0.0; n], trial: vec![0.0; n], next_gradient: vec![0.0; n] };
    let mut residual = f64::INFINITY;
    function.move_to(point, &mut search.gradient);
    if !search.gradient.iter().all(|entry| entry.is_finite()) {
        return Convergence { iterations: 0, residual, converged: false };
    }
    for iterations in 1..=stopping.max_iterations {
        // An error of the step that is below what the step leaves anyway costs nothing.
        let accuracy = (residual * residual).clamp(1e-8, 0.1);
        let step = solve(function, &search.gradient, accuracy).x;
        if !step.iter().all(|entry| entry.is_finite()) {
            return Convergence { iterations, residual, converged: false };
        }
        residual = greatest(&step) / greatest(point).max(1.0);
        let converged = residual <= stopping.tolerance;
        let moved = search.along(function, point, &step, converged);
        if converged || !moved {
            return Convergence { iterations, residual, converged };
        }
    }
    Convergence { iterations: stopping.max_iterations, residual, converged: false }
}

fn greatest(vector: &[f64]) -> f64 {
    vector.iter().fold(0.0, |greatest, entry| greatest.max(entry.abs()))
}

/// The gradient at a point, and room for another point and its gradient.
struct Search {
    gradient: Vec<f64>,
    trial: Vec<f64>,
    next_gradient: Vec<f64>,
}

impl Search {
    /// Moves along a step to where the slope is at most half of what it was, in either direction; a
    /// `last` step is taken as it is. Whether there is such a place that is finite.
    ///
    /// Where the function is steep and hardly curved, as probabilities near 0 or 1 make it, Newton's
    /// step is far too long or far too short.
    fn along(
        &mut self,
        function: &mut impl Concave,
        point: &mut Vec<f64>,
        step: &[f64],
        last: bool,
    ) -> bool {
        const TRIALS: usize = 100;
        let slope = dot(&self.gradient, step);
        let most = function.inside(point, step);
        let mut part = most.min(1.0);
        // Parts at which the slope is still too great, and too low.
        let (mut short, mut long) = (0.0, f64::INFINITY);
        for _ in 0..TRIALS {
            for ((trial, &from), &step) in self.trial.iter_mut().zip(&*point).zip(step) {
                *trial = from + part * step;
            }
            function.move_to(&self.trial, &mut self.next_gradient);
            let next = dot(&self.next_gradient, step);
            let finite = next.is_finite() && self.trial.iter().all(|entry| entry.is_finite());
            if finite && (last || next.abs() <= 0.5 * slope.abs() || (next > 0.0 && part >= most)) {
                std::mem::swap(point, &mut self.trial);
                std::mem::swap(&mut self.gradient, &mut self.next_gradient);
                return true;
            }
            if finite && next > 0.0 {
                short = part;
                part = if long.is_finite() { f64::midpoint(short, long) } else { 2.0 * part };
                part = part.min(most);
            } else {
                long = part;
                part = if short > 0.0 { f64::midpoint(short, long) } else { 0.25 * part };
            }
            if part <= short || part >= long {
                break;
            }
        }
        function.move_to(point, &mut self.gradient);
        false
    }
}

/// What conjugate gradients found.
pub(super) struct Solution {
    pub(super) x: Vec<f64>,
    pub(super) iterations: usize,
    /// The residual, as a part of the right side, in the norm of the preconditioner.
    pub(super) residual: f64,
}

/// Solves information · x = `right` by conjugate gradients, preconditioned by the diagonal, to a
/// residual `accuracy` times what it was at the start.
pub(super) fn solve(
    function: &(impl Curvature + ?Sized),
    right: &[f64],
    accuracy: f64,
) -> Solution {
    let n = right.len();
    let shifts = function.shifts();
    let totals = shifts.totals();
    let mut inverse_diagonal = vec![0.0; n];
    function.diagonal(&mut inverse_diagonal);
    for entry in &mut inverse_diagonal {
        *entry = if *entry > 0.0 { entry.recip() } else { 0.0 };
    }
    let mut x = vec![0.0; n];
    let mut residual = right.to_vec();
    shifts.deflate(&mut residual, &totals);
    let mut z = vec![0.0; n];
    let mut direction = vec![0.0; n];
    let mut product = vec![0.0; n];
    let mut size = preconditioned(&residual, &inverse_diagonal, &mut z);
    let start = size;
    direction.copy_from_slice(&z);
    let mut iterations = 0;
    // In exact arithmetic n iterations are enough.
    while size > start * accuracy * accuracy && iterations < 10 * n + 100 {
        function.times(&direction, &mut product);
        shifts.deflate(&mut product, &totals);
        let part = size / dot(&direction, &product);
        if !part.is_finite() {
            break;
        }
        add(&mut x, part, &direction);
        add(&mut residual, -part, &product);
        let next = preconditioned(&residual, &inverse_diagonal, &mut z);
        let turn = next / size;
        size = next;
        direction.iter_mut().zip(&z).for_each(|(direction, z)| *direction = z + turn * *direction);
        iterations += 1;
    }
    shifts.complete(&mut x, right, &totals);
    let residual = if start == 0.0 { 0.0 } else { (size / start).sqrt() };
    Solution { x, iterations, residual }
}

/// Writes the product of the inverse diagonal and a residual; their product is its size.
fn preconditioned(residual: &[f64], inverse_diagonal: &[f64], z: &mut [f64]) -> f64 {
    for ((z, residual), inverse) in z.iter_mut().zip(residual).zip(inverse_diagonal) {
        *z = residual * inverse;
    }
    dot(residual, z)
}

fn add(to: &mut [f64], part: f64, vector: &[f64]) {
    to.iter_mut().zip(vector).for_each(|(to, entry)| *to += part * entry);
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}
