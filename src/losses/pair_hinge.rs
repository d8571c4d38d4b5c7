//! Pair-hinge, LiPO Eq. 6.
//!
//! l(s, ψ) = Σ_{ψ_i > ψ_j} w_i max(0, δ − (s_i − s_j)), δ = 1 by default
//!
//! φ(d) = δ − d, φ′(d) = −1 where d < δ, else 0.

use crate::Error;
use crate::losses::Kernel;
use crate::losses::pairs::{PairFunction, PairKernels, PairLoss, PairTerm};

/// Pair-hinge: Σ_{ψ_i > ψ_j} w_i max(0, 1 − (s_i − s_j)), LiPO Eq. 6; SLiC (norm) at K = 2.
///
/// A pair takes part where its margin s_i − s_j, as rounded in the precision of the arrays, is
/// below 1; at the kink the subgradient is 0. See [`PairLoss`] for ties, weights and errors, and
/// [`Hinge::with_margin`] for another margin than 1.
///
/// ```
/// use lipo::losses::{LossExt, PairHinge};
/// use ndarray::array;
///
/// let labels = array![1.0, 0.5, 0.0];
/// let (value, grad) = PairHinge::default().value_and_grad(&array![0.5, 0.25, -1.0], &labels)?;
/// assert_eq!(value, 0.75); // margins 0.25, 1.5 and 1.25
/// assert_eq!(grad, array![-1.0, 1.0, 0.0]);
/// # Ok::<(), lipo::Error>(())
/// ```
pub type PairHinge = PairLoss<Hinge>;

/// φ(d) = max(0, δ − d), with φ′(δ) = 0.
///
/// The value `Hinge`, which is also the default, has δ = 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hinge {
    margin: f64,
}

/// The [`Hinge`](struct@Hinge) of margin 1, written like the functions without a parameter.
#[allow(non_upper_case_globals)]
pub const Hinge: Hinge = Hinge { margin: 1.0 };

impl Hinge {
    /// The hinge of a margin δ, finite: SLiC-HF's, or RRHF's 0.
    ///
    /// ```
    /// use lipo::losses::{Hinge, LossExt, PairLoss};
    /// use ndarray::array;
    ///
    /// let rrhf = PairLoss::unweighted(Hinge::with_margin(0.0)?);
    /// assert_eq!(rrhf.value(&array![0.25, 0.5, 0.0], &array![1.0, 0.5, 0.0])?, 0.25);
    /// # Ok::<(), lipo::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Parameter`] for a margin that is not finite.
    pub fn with_margin(margin: f64) -> Result<Self, Error> {
        if margin.is_finite() {
            return Ok(Self { margin });
        }
        Err(Error::Parameter { name: "margin", value: margin, range: "finite" })
    }

    /// δ.
    #[must_use]
    pub fn margin(&self) -> f64 {
        self.margin
    }
}

impl Default for Hinge {
    fn default() -> Self {
        Hinge
    }
}

impl PairFunction for Hinge {
    fn at(&self, margin: f64) -> PairTerm {
        if margin < self.margin {
            PairTerm { value: self.margin - margin, slope: -1.0, curvature: 0.0 }
        } else {
            PairTerm { value: 0.0, slope: 0.0, curvature: 0.0 }
        }
    }

    fn kernels(&self) -> PairKernels {
        let unweighted = (self.margin == 1.0).then_some(Kernel::PairHinge);
        PairKernels { unweighted, lambda: false }
    }
}
