//! What is known of strengths before any comparison.

use super::ties::log_sigmoid;
use crate::Error;
use crate::numeric::Logistic;

/// What is known of strengths before any comparison.
///
/// With a prior, an item that won everything has a finite strength, and items that nothing links can
/// be estimated: the prior says where they stand. It is a prior of strengths: an order effect, or the
/// probability of a tie, has none.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
#[non_exhaustive]
pub enum Prior {
    /// Nothing: maximum likelihood.
    #[default]
    None,
    /// Each log-strength is normal with mean 0 and this standard deviation σ, from 10⁻¹⁵⁰ to 10¹⁵⁰:
    /// −θ²/(2σ²) is added to the log-likelihood.
    Gaussian(f64),
    /// Each item has won and lost this many times, from 10⁻¹⁵⁰ to 10¹⁵⁰, against one more item of
    /// strength 1: a·log σ(θ) + a·log σ(−θ) is added to the log-likelihood. a = 1 is the prior of
    /// Newman (2023).
    PseudoCounts(f64),
}

impl Prior {
    pub(super) fn check(self) -> Result<(), Error> {
        match self {
            Self::None => Ok(()),
            Self::Gaussian(deviation) => check_size("σ of the prior", deviation),
            Self::PseudoCounts(count) => check_size("pseudo-counts", count),
        }
    }

    /// The derivative by θ of what the prior adds to the log-likelihood, and the negative of its
    /// second derivative.
    pub(super) fn slope_and_curvature(self, strength: f64) -> (f64, f64) {
        match self {
            Self::None => (0.0, 0.0),
            Self::Gaussian(deviation) => {
                let precision = deviation.recip().powi(2);
                (-precision * strength, precision)
            }
            Self::PseudoCounts(count) => {
                let Logistic { rise, fall, .. } = Logistic::at(strength);
                (count * (fall - rise), 2.0 * count * rise * fall)
            }
        }
    }

    pub(super) fn log_density(self, strength: f64) -> f64 {
        match self {
            Self::None => 0.0,
            Self::Gaussian(deviation) => -0.5 * (strength / deviation).powi(2),
            Self::PseudoCounts(count) => count * (log_sigmoid(strength) + log_sigmoid(-strength)),
        }
    }
}

/// Squares of what lies within these bounds are numbers, and so are their inverses.
pub(super) fn check_size(name: &'static str, value: f64) -> Result<(), Error> {
    if (1e-150..=1e150).contains(&value) {
        return Ok(());
    }
    Err(Error::Parameter { name, value, range: "between 1e-150 and 1e150" })
}
