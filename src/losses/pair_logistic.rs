//! Pair-logistic, LiPO Eq. 5.
//!
//! l(s, ψ) = Σ_{ψ_i > ψ_j} w_i log(1 + e^−(s_i − s_j))
//!
//! φ(d) = max(−d, 0) + log(1 + e^−|d|), φ′(d) = −σ(−d), φ″(d) = σ(d) σ(−d).

use crate::Error;
use crate::losses::Kernel;
use crate::losses::pairs::{PairFunction, PairKernels, PairLoss, PairTerm};
use crate::numeric;

/// Pair-logistic: Σ_{ψ_i > ψ_j} w_i log(1 + e^−(s_i − s_j)), LiPO Eq. 5; DPO at K = 2, RankNet's
/// loss on lists.
///
/// See [`PairLoss`] for ties, weights and errors.
///
/// ```
/// use lipo::losses::{LossExt, PairLogistic};
/// use ndarray::array;
///
/// let loss = PairLogistic::default();
/// let (value, grad) = loss.value_and_grad(&array![0.0_f64, 0.0, 0.0], &array![1.0, 0.5, 0.0])?;
/// assert!((value - 2.079442).abs() < 1e-6); // 3 log 2
/// assert_eq!(grad, array![-1.0, 0.0, 1.0]);
/// # Ok::<(), lipo::Error>(())
/// ```
pub type PairLogistic = PairLoss<Logistic>;

/// φ(d) = log(1 + e^−d).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Logistic;

impl PairFunction for Logistic {
    fn at(&self, margin: f64) -> PairTerm {
        let at = numeric::Logistic::at(margin);
        PairTerm {
            value: (-margin).max(0.0) + at.log,
            slope: -at.fall,
            curvature: at.rise * at.fall,
        }
    }

    fn kernels(&self) -> PairKernels {
        PairKernels { unweighted: Some(Kernel::PairLogistic), lambda: true }
    }
}

/// The probability ε with which a label is flipped, for the functions that allow for it.
pub(super) fn checked_noise(epsilon: f64) -> Result<f64, Error> {
    if (0.0..0.5).contains(&epsilon) {
        return Ok(epsilon);
    }
    Err(Error::Parameter { name: "epsilon", value: epsilon, range: "in [0, 0.5)" })
}
