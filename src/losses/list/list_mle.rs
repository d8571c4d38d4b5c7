//! List-MLE, LiPO Eq. 7.
//!
//! l(s, ψ) = −Σ_k w_τ(k) [s_τ(k) − log Σ_{j ≥ k} e^{s_τ(j)}], τ sorting the labels descending
//!
//! With E_k = e^{s_τ(k)} and the suffix sums C_k = Σ_{j ≥ k} E_j,
//!
//! ∂l/∂s_τ(k) = Σ_{i < k} w_τ(i) E_k / C_i − w_τ(k) C_{k+1} / C_k
//!
//! where E_k/C_k − 1 = −C_{k+1}/C_k does not cancel near the optimum.

use std::borrow::Cow;

use crate::Precision;
use crate::engine::{PositionWeights, Work};
use crate::losses::{Domain, Loss};

/// List-MLE, the negative log-likelihood of the labels' order under Plackett–Luce:
/// −Σ_k w_τ(k) log(e^{s_τ(k)} / Σ_{j ≥ k} e^{s_τ(j)}), LiPO Eq. 7; DPO at K = 2, DPO-PL and PRO on
/// lists.
///
/// τ sorts the labels descending, equal ones by index. Labels may be any finite numbers: only
/// their order counts. O(K log K). Terms, for
/// [`Reduction::MeanOverTerms`](crate::losses::Reduction::MeanOverTerms), are the lists.
///
/// Scores so far apart that their difference overflows are [`Error::Spread`](crate::Error::Spread).
///
/// ```
/// use lipo::losses::{ListMle, LossExt};
/// use ndarray::array;
///
/// let labels = array![3.0_f32, 1.0, 2.0];
/// let value = ListMle.value(&array![3.0, 1.0, 2.0], &labels)?;
/// assert_eq!(value, 0.720_867_63); // log(1 + e^-1 + e^-2) + log(1 + e^-1)
/// // A shift of all scores changes nothing, however large.
/// assert_eq!(ListMle.value(&array![1e7 + 3.0, 1e7 + 1.0, 1e7 + 2.0], &labels)?, value);
/// # Ok::<(), lipo::Error>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct ListMle;

impl PositionWeights for ListMle {
    fn are_one(&self) -> bool {
        true
    }

    fn at(&self, _: usize, _: usize) -> f64 {
        1.0
    }
}

impl Loss for ListMle {
    fn work(&self) -> Work<'_> {
        Work::in_order(self)
    }

    fn name(&self) -> Cow<'static, str> {
        "list-mle".into()
    }

    fn domain(&self, _: Precision) -> Domain {
        Domain::DIFFERENCES
    }
}
