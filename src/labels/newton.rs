//! Maximising a concave log-likelihood by Newton's method, its systems solved by conjugate gradients:
//! each iteration costs some passes over the data, and no matrix is formed.

use super::fit::{Convergence, Stopping};

/// A concave function of n parameters.
pub(super) trait Concave {
    fn parameters(&self) -> usize;

    /// Goes to a point, and writes the gradient there.
    fn move_to(&mut self, point: &[f64], gradient: &mut [f64]);

    /// Writes the product of a vector and the information (the negative Hessian) at the point.
    fn information_times(&self, vector: &[f64], product: &mut [f64]);

    /// Writes the diagonal of the information at the point.
    fn diagonal(&self, diagonal: &mut [f64]);

    /// Takes the directions in which the function is constant out of a vector.
    fn project(&self, vector: &mut [f64]);

    /// The part of a step that stays inside the domain.
    fn inside(&self, _point: &[f64], _step: &[f64]) -> f64 {
        1.0
    }
}

/// Goes from `point` to the maximum. The residual is the greatest entry of the last Newton step:
/// where there is a maximum, it falls off quadratically and bounds the error; where there is none,
/// it never falls.
pub(super) fn maximise(
    function: &mut impl Concave,
    point: &mut Vec<f64>,
    stopping: &Stopping,
) -> Convergence {
    let n = function.parameters();
    let (mut gradient, mut next_gradient) = (vec![0.0; n], vec![0.0; n]);
    let mut trial = vec![0.0; n];
    let mut residual = f64::INFINITY;
    function.move_to(point, &mut gradient);
    for iterations in 1..=stopping.max_iterations {
        let step = solve(function, &gradient, 1e-6);
        let longest = step.iter().fold(0.0_f64, |longest, entry| longest.max(entry.abs()));
        if !step.iter().all(|entry| entry.is_finite()) {
            return Convergence { iterations, residual, converged: false };
        }
        residual = longest;
        // Far away, where there is next to no curvature, a step can be as long as it likes.
        let mut part = function.inside(point, &step).min(LONGEST_STEP / longest).min(1.0);
        let slope = dot(&gradient, &step);
        for _ in 0..60 {
            for ((trial, &from), &step) in trial.iter_mut().zip(&*point).zip(&step) {
                *trial = from + part * step;
            }
            function.move_to(&trial, &mut next_gradient);
            // A concave function has gone too far where its slope has turned round.
            if dot(&next_gradient, &step) >= -0.5 * slope.abs() {
                break;
            }
            part *= 0.5;
        }
        std::mem::swap(point, &mut trial);
        std::mem::swap(&mut gradient, &mut next_gradient);
        if residual <= stopping.tolerance {
            return Convergence { iterations, residual, converged: true };
        }
    }
    let iterations = stopping.max_iterations;
    Convergence { iterations, residual, converged: false }
}

const LONGEST_STEP: f64 = 10.0;

/// Solves information · x = `right` by conjugate gradients, preconditioned by the diagonal, to a
/// residual `accuracy` times what it was at the start.
pub(super) fn solve(function: &impl Concave, right: &[f64], accuracy: f64) -> Vec<f64> {
    let n = right.len();
    let mut inverse_diagonal = vec![0.0; n];
    function.diagonal(&mut inverse_diagonal);
    for entry in &mut inverse_diagonal {
        *entry = if *entry > 0.0 { entry.recip() } else { 0.0 };
    }
    let mut x = vec![0.0; n];
    let mut residual = right.to_vec();
    function.project(&mut residual);
    let precondition = |residual: &[f64]| -> Vec<f64> {
        residual.iter().zip(&inverse_diagonal).map(|(r, inverse)| r * inverse).collect()
    };
    let mut z = precondition(&residual);
    let mut direction = z.clone();
    let mut product = vec![0.0; n];
    let mut size = dot(&residual, &z);
    let enough = size * accuracy * accuracy;
    // In exact arithmetic n iterations are enough.
    for _ in 0..10 * n + 100 {
        if size <= enough || size <= 0.0 {
            break;
        }
        function.information_times(&direction, &mut product);
        let part = size / dot(&direction, &product);
        if !part.is_finite() {
            break;
        }
        add(&mut x, part, &direction);
        add(&mut residual, -part, &product);
        function.project(&mut residual);
        z = precondition(&residual);
        let next = dot(&residual, &z);
        let turn = next / size;
        size = next;
        direction.iter_mut().zip(&z).for_each(|(direction, z)| *direction = z + turn * *direction);
    }
    function.project(&mut x);
    x
}

fn add(to: &mut [f64], part: f64, vector: &[f64]) {
    to.iter_mut().zip(vector).for_each(|(to, entry)| *to += part * entry);
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}
