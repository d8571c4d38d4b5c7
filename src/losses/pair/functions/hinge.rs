//! The hinge of a margin δ.
//!
//! φ(d) = max(0, δ − d), φ′(d) = −1 where d < δ, else 0, φ″(d) = 0

use crate::Error;
use crate::engine::{Family, Pair, PairFunction, PairTerm};
use crate::losses::pair::finite_parameter;

/// φ(d) = max(0, δ − d), with φ′(δ) = 0: SLiC's, with δ = 1 by default.
///
/// A pair takes part where its margin, as rounded in the precision of the arrays, is below δ.
///
/// ```
/// use lipo::losses::{Hinge, LossExt, PairLoss};
/// use ndarray::array;
///
/// let rrhf = PairLoss::unweighted(Hinge::new(0.0)?);
/// assert_eq!(rrhf.value(&array![0.25, 0.5, 0.0], &array![1.0, 0.5, 0.0])?, 0.25);
/// # Ok::<(), lipo::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hinge {
    margin: f64,
}

impl Hinge {
    /// The hinge of margin 1.
    pub const ONE: Self = Self { margin: 1.0 };

    /// The hinge of a margin δ, finite: SLiC-HF's, or RRHF's 0.
    ///
    /// # Errors
    ///
    /// [`Error::Parameter`] for a margin that is not finite.
    pub fn new(margin: f64) -> Result<Self, Error> {
        Ok(Self { margin: finite_parameter("margin", margin)? })
    }

    /// δ.
    #[must_use]
    pub fn margin(&self) -> f64 {
        self.margin
    }
}

impl Default for Hinge {
    fn default() -> Self {
        Self::ONE
    }
}

crate::formula! {
    impl PairFunction for Hinge {
        const EXACT: bool = true;
        const EXPONENTIAL: bool = false;

        fn at<N: Number>(&self, pair: Pair<N>) -> PairTerm<N> {
            let (zero, one) = (pair.margin.constant(0.0), pair.margin.constant(1.0));
            let (kink, rest) = pair.margin.constant_exactly(self.margin);
            // Exact where the margin is near the kink; elsewhere the sign is clear.
            let short = (kink - pair.margin) + rest;
            let active = short.above(zero);
            let value = (short - pair.margin_lost).keep(active);
            PairTerm::new(value, (-one).keep(active), zero)
        }

        fn family(&self) -> Family {
            Family::Hinge { margin: self.margin }
        }
    }
}
