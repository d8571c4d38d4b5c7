//! Pair-hinge, LiPO Eq. 6.
//!
//! l(s, ψ) = Σ_{ψ_i > ψ_j} w_i max(0, 1 − (s_i − s_j))
//!
//! φ(d) = 1 − d, φ′(d) = −1 where d < 1, else 0.

use crate::losses::Kernel;
use crate::losses::pairs::{PairFunction, PairKernels, PairLoss, PairTerm};

/// Pair-hinge: Σ_{ψ_i > ψ_j} w_i max(0, 1 − (s_i − s_j)), LiPO Eq. 6; SLiC (norm) at K = 2.
///
/// A pair takes part where its margin s_i − s_j, as rounded in the precision of the arrays, is
/// below 1; at the kink the subgradient is 0. See [`PairLoss`] for ties, weights and errors.
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

/// φ(d) = max(0, 1 − d), with φ′(1) = 0.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Hinge;

impl PairFunction for Hinge {
    fn at(&self, margin: f64) -> PairTerm {
        if margin < 1.0 {
            PairTerm { value: 1.0 - margin, slope: -1.0, curvature: 0.0 }
        } else {
            PairTerm { value: 0.0, slope: 0.0, curvature: 0.0 }
        }
    }

    fn kernels(&self) -> PairKernels {
        PairKernels { unweighted: Some(Kernel::PairHinge), lambda: None }
    }
}
