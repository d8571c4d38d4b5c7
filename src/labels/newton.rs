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

    /// The greatest change that a step makes to what probabilities are functions of: differences of
    /// strengths that were compared, and other parameters.
    fn reach(&self, step: &[f64]) -> f64;

    /// The part of a step that stays inside the domain.
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
/// The residual is the greatest entry of the next Newton step, as far as the last two tell it,
/// relative to the greatest of the parameters where that is above 1. Each iterate is finite.
pub(super) fn maximise(
    function: &mut impl Concave,
    point: &mut Vec<f64>,
    stopping: &Stopping,
) -> Convergence {
    let n = function.parameters();
    let mut search =
        Search { gradient: vec![0.0; n], trial: vec![0.0; n], next_gradient: vec![0.0; n] };
    let (mut residual, mut before) = (f64::INFINITY, f64::INFINITY);
    function.move_to(point, &mut search.gradient);
    if !search.gradient.iter().all(|entry| entry.is_finite()) {
        return Convergence { iterations: 0, residual, converged: false };
    }
    for iterations in 1..=stopping.max_iterations {
        // An error of the step that is below what the step leaves anyway costs nothing.
        let accuracy = (before * before).clamp(1e-8, 0.1);
        let due = function.shifts().slopes();
        let step = solve(function, &search.gradient, due, accuracy).x;
        if !step.iter().all(|entry| entry.is_finite()) {
            return Convergence { iterations, residual, converged: false };
        }
        let change = greatest(&step) / greatest(point).max(1.0);
        // Where steps have begun to fall off quadratically, so will the next one.
        let ratio = if before.is_finite() { change / before } else { 1.0 };
        residual = if ratio < 0.1 { change * (ratio * ratio).max(accuracy) } else { change };
        before = change;
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
    /// Moves along a step, to where the slope has not turned round by more than half of what it was; a
    /// `last` step is taken as it is. Whether there is such a place that is finite.
    ///
    /// Where probabilities are near 0 or 1, the function is all but straight, and Newton's step is far
    /// too long. The logistic function's curvature changes by a factor of e^r at most within a reach of
    /// r, so that a step of reach r is safe when it is cut to log(1 + r) (Sun and Tran-Dinh 2019).
    fn along(
        &mut self,
        function: &mut impl Concave,
        point: &mut Vec<f64>,
        step: &[f64],
        last: bool,
    ) -> bool {
        const SHORT: f64 = 2.0;
        const TRIALS: usize = 60;
        let slope = dot(&self.gradient, step);
        let reach = function.reach(step);
        let safe = if reach > SHORT { reach.ln_1p() / reach } else { 1.0 };
        let mut part = function.inside(point, step).min(safe);
        for _ in 0..TRIALS {
            for ((trial, &from), &step) in self.trial.iter_mut().zip(&*point).zip(step) {
                *trial = from + part * step;
            }
            function.move_to(&self.trial, &mut self.next_gradient);
            let next = dot(&self.next_gradient, step);
            let finite =
                self.trial.iter().chain(&self.next_gradient).all(|entry| entry.is_finite());
            if finite && (last || next >= -0.5 * slope.abs()) {
                std::mem::swap(point, &mut self.trial);
                std::mem::swap(&mut self.gradient, &mut self.next_gradient);
                return true;
            }
            part *= 0.5;
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
/// residual `accuracy` times what it was at the start. `due` are the sums of the right side over each
/// part that shifts together.
pub(super) fn solve(
    function: &(impl Curvature + ?Sized),
    right: &[f64],
    due: &[f64],
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
    shifts.complete(&mut x, due, &totals);
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
