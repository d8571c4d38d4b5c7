//! When an iteration stops, and how it ended.

use super::limits::positive;
use crate::Error;

/// When an iteration stops.
///
/// A residual is a change of log-strengths: that all weights are multiplied by a number changes none.
/// The default suits Newton's method; estimators whose steps are smaller have defaults of their own.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Stopping {
    /// The residual at which it has converged, > 0.
    pub tolerance: f64,
    /// The greatest number of iterations.
    pub max_iterations: usize,
    /// Whether the last iterate is returned, with [`Convergence::converged`] false, where the
    /// tolerance was not reached. By default that is [`Error::NotConverged`].
    pub accept_unconverged: bool,
}

impl Default for Stopping {
    fn default() -> Self {
        Self::new(1e-11, 1000)
    }
}

impl Stopping {
    /// At a residual, or as an error after a number of iterations.
    #[must_use]
    pub const fn new(tolerance: f64, max_iterations: usize) -> Self {
        Self { tolerance, max_iterations, accept_unconverged: false }
    }

    /// With the last iterate in place of [`Error::NotConverged`].
    #[must_use]
    pub const fn accept_unconverged(self) -> Self {
        Self { accept_unconverged: true, ..self }
    }

    pub(super) fn check(&self) -> Result<(), Error> {
        positive("tolerance", self.tolerance)
    }

    /// The error that non-convergence is unless it was allowed.
    pub(super) fn accept(
        &self,
        what: &'static str,
        convergence: Convergence,
    ) -> Result<Convergence, Error> {
        let Convergence { iterations, residual, converged } = convergence;
        if converged || self.accept_unconverged {
            return Ok(convergence);
        }
        Err(Error::NotConverged { what, iterations, residual, tolerance: self.tolerance })
    }
}

/// How an iteration ended.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Convergence {
    /// The number of iterations.
    pub iterations: usize,
    /// The residual of the last one; each estimator says what it is.
    pub residual: f64,
    /// Whether the residual came down to the tolerance. Always true unless
    /// [`Stopping::accept_unconverged`] was set.
    pub converged: bool,
}
