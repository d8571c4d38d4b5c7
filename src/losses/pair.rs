//! Pair losses: a pair function and a pair weight.
//!
//! l(s, ψ) = Σ_{ψ_i > ψ_j} w_i Δ_ij φ(s_i − s_j)
//!
//! ∂l/∂s_i = Σ_{ψ_i > ψ_j} w_i Δ_ij φ′(s_i − s_j) − Σ_{ψ_j > ψ_i} w_j Δ_ji φ′(s_j − s_i)

mod functions;
mod given;
mod weights;

use std::borrow::Cow;

pub use functions::{
    Davidson, Hinge, Logistic, RobustLogistic, SmoothedLogistic, SoftZeroOne, SquaredDifference,
    SquaredGap, TargetMargin,
};
pub use given::GivenPairs;
pub use weights::{
    AveragePrecisionWeight, DiscountDifference, GainDifference, LambdaWeight, RankDistance,
    TruncatedLambdaWeight,
};

use crate::engine::{
    PairFunction, PairWeight, PairWork, Shape, TileFunction, TileWeight, Unweighted, Work,
};
use crate::losses::{Domain, Loss};
use crate::{Error, List, Precision};

/// A pair loss: Σ_{ψ_i > ψ_j} w_i Δ_ij φ(s_i − s_j), of a pair function φ and a pair weight Δ.
///
/// Pairs of equal labels take no part (unless the function sets [`PairFunction::TIES`]), so a list
/// without two different labels has value and gradient 0. w_i is the weight of the preferred item.
/// Over lists with soft targets Ψ ([`ListsBuilder::targets`](crate::lists::ListsBuilder::targets)) it is
/// Σ_{i ≠ j} Ψ_ij w_i Δ_ij φ(s_i − s_j). Terms, for
/// [`Reduction::MeanOverTerms`](crate::losses::Reduction::MeanOverTerms), are the ordered pairs.
///
/// ```
/// use lipo::losses::{Hinge, LambdaWeight, LossExt, PairLoss};
/// use ndarray::array;
///
/// // SLiC's hinge under the weights of LiPO-λ.
/// let loss = PairLoss::new(Hinge::default(), LambdaWeight::dcg());
/// let value = loss.value(&array![0.5_f64, 0.0], &array![1.0, 0.0])?;
/// assert!((value - 0.184535).abs() < 1e-6); // |1 - 0| · |1 - 1/log2(3)| · (1 - 0.5)
/// # Ok::<(), lipo::Error>(())
/// ```
///
/// Scores so far apart that their difference overflows are [`Error::Spread`].
#[derive(Debug, Clone, Copy, Default, PartialEq)]
#[non_exhaustive]
pub struct PairLoss<P, W = Unweighted> {
    /// φ.
    pub function: P,
    /// Δ.
    pub weight: W,
}

impl<P> PairLoss<P> {
    /// The pair loss of a function, every pair with weight 1.
    ///
    /// ```
    /// use lipo::losses::{LossExt, PairLoss, SmoothedLogistic};
    /// use ndarray::array;
    ///
    /// let loss = PairLoss::unweighted(SmoothedLogistic::new(0.1)?);
    /// let value = loss.value(&array![0.5_f64, 0.0], &array![1.0, 0.0])?;
    /// assert!((value - 0.524077).abs() < 1e-6); // 0.9 log(1 + e^-0.5) + 0.1 log(1 + e^0.5)
    /// # Ok::<(), lipo::Error>(())
    /// ```
    pub const fn unweighted(function: P) -> Self {
        Self { function, weight: Unweighted }
    }
}

impl<P, W> PairLoss<P, W> {
    /// The pair loss of a function and a weight.
    pub const fn new(function: P, weight: W) -> Self {
        Self { function, weight }
    }
}

impl<P: PairFunction, W: PairWeight> Loss for PairLoss<P, W> {
    fn work(&self) -> Work<'_> {
        work(&self.function, &self.weight)
    }

    fn domain(&self, precision: Precision) -> Domain {
        domain(&self.weight, precision)
    }

    fn check(&self, list: &List<'_>) -> Result<(), Error> {
        self.weight.check(list)
    }
}

/// Pair losses that are single values, with the function and the weight that they stand for.
macro_rules! named_pair_loss {
    ($loss:ty, $name:literal, $function:expr, $weight:expr) => {
        impl Loss for $loss {
            fn work(&self) -> Work<'_> {
                work(&$function, &$weight)
            }

            fn name(&self) -> Cow<'static, str> {
                $name.into()
            }

            fn domain(&self, precision: Precision) -> Domain {
                domain(&$weight, precision)
            }

            fn check(&self, list: &List<'_>) -> Result<(), Error> {
                PairWeight::check(&$weight, list)
            }
        }
    };
}

/// Pair-logistic: Σ_{ψ_i > ψ_j} w_i log(1 + e^−(s_i − s_j)), LiPO Eq. 5; DPO at K = 2, RankNet's
/// loss on lists.
///
/// See [`PairLoss`] for ties, weights and errors.
///
/// ```
/// use lipo::losses::{LossExt, PairLogistic};
/// use ndarray::array;
///
/// let (value, grad) = PairLogistic.value_and_grad(&array![0.0_f64, 0.0, 0.0], &array![1.0, 0.5, 0.0])?;
/// assert!((value - 2.079442).abs() < 1e-6); // 3 log 2
/// assert_eq!(grad, array![-1.0, 0.0, 1.0]);
/// # Ok::<(), lipo::Error>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct PairLogistic;

named_pair_loss!(PairLogistic, "pair-logistic", Logistic, Unweighted);

/// Pair-hinge: Σ_{ψ_i > ψ_j} w_i max(0, 1 − (s_i − s_j)), LiPO Eq. 6; SLiC (norm) at K = 2.
///
/// A pair takes part where its margin s_i − s_j, as rounded in the precision of the arrays, is
/// below 1; at the kink the subgradient is 0. See [`PairLoss`] for ties, weights and errors, and
/// [`Hinge::new`] for another margin than 1.
///
/// ```
/// use lipo::losses::{LossExt, PairHinge};
/// use ndarray::array;
///
/// let labels = array![1.0, 0.5, 0.0];
/// let (value, grad) = PairHinge.value_and_grad(&array![0.5, 0.25, -1.0], &labels)?;
/// assert_eq!(value, 0.75); // margins 0.25, 1.5 and 1.25
/// assert_eq!(grad, array![-1.0, 1.0, 0.0]);
/// # Ok::<(), lipo::Error>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct PairHinge;

named_pair_loss!(PairHinge, "pair-hinge", Hinge::ONE, Unweighted);

/// Lambda-loss: Σ_{ψ_i > ψ_j} w_i Δ_ij log(1 + e^−(s_i − s_j)), LiPO Eq. 8, the paper's LiPO-λ.
///
/// Δ_ij ([`LambdaWeight`]) is what swapping the two items would change of the DCG. The ranks come
/// from the scores given, and Δ is a constant in the gradient, as in LambdaRank. Equal scores rank by
/// index: before the first step, where policy and reference are the same, all scores tie, and what one
/// wants is `PairLoss::new(Logistic, LambdaWeight::dcg().ties(ScoreTies::Expected))`, which does not
/// depend on the order in which responses are stored.
///
/// See [`PairLoss`] for equal labels, weights and errors.
///
/// ```
/// use lipo::losses::{LambdaLoss, LossExt};
/// use ndarray::array;
///
/// let (value, grad) = LambdaLoss.value_and_grad(&array![0.0_f64, 1.0], &array![1.0, 0.0])?;
/// assert!((value - 0.484686).abs() < 1e-6); // |1 - 0| · |1/log2(3) - 1| · log(1 + e)
/// assert!((grad[0] + 0.269812).abs() < 1e-6); // -|1/log2(3) - 1| · σ(1)
/// # Ok::<(), lipo::Error>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct LambdaLoss;

named_pair_loss!(LambdaLoss, "lambda-loss", Logistic, LambdaWeight::DCG);

fn work<'a>(function: &'a dyn TileFunction, weight: &'a dyn TileWeight) -> Work<'a> {
    Work(Shape::Pairs(PairWork { function, weight }))
}

fn domain(weight: &dyn TileWeight, precision: Precision) -> Domain {
    let (greatest, further) = weight.domain(precision);
    let domain = Domain::DIFFERENCES.with_labels(
        f64::NEG_INFINITY,
        greatest,
        "a label whose gain is finite",
    );
    if further { domain.with_check() } else { domain }
}

/// The number of pairs of a list: of unequal labels, or of all items where ties take part.
pub(super) fn count(list: &List<'_>, ties: bool, sorted: &mut Vec<f64>) -> u64 {
    let labels = list.labels();
    let pairs = |items: usize| items as u64 * (items as u64).saturating_sub(1) / 2;
    if ties {
        return pairs(labels.len());
    }
    sorted.clear();
    sorted.extend_from_slice(labels);
    sorted.sort_unstable_by(f64::total_cmp);
    let tied = sorted.chunk_by(|a, b| a == b).map(|group| pairs(group.len())).sum::<u64>();
    pairs(labels.len()) - tied
}

/// A parameter that has to be finite.
fn finite_parameter(name: &'static str, value: f64) -> Result<f64, Error> {
    if value.is_finite() {
        return Ok(value);
    }
    Err(Error::Parameter { name, value, range: "finite" })
}
