//! The pair losses' frame: one loop over ordered pairs, a pair function, a pair weight.
//!
//! l(s, ψ) = Σ_{ψ_i > ψ_j} w_i Δ_ij φ(s_i − s_j)
//!
//! ∂l/∂s_i = Σ_{ψ_i > ψ_j} w_i Δ_ij φ′(s_i − s_j) − Σ_{ψ_j > ψ_i} w_j Δ_ji φ′(s_j − s_i)

use std::cmp::Ordering;

use crate::lists::Ranges;
use crate::losses::{Kernel, Loss, Scratch, lambda_loss::Tables};
use crate::numeric::{DoubleDouble, Sum, scale_by_power_of_two};
use crate::order::{argsort_descending, descending};
use crate::{Error, List};

/// A pair loss: Σ_{ψ_i > ψ_j} w_i Δ_ij φ(s_i − s_j), of a pair function φ and a pair weight Δ.
///
/// Pairs of equal labels take no part, so a list without two different labels has value and
/// gradient 0. w_i is the weight of the preferred item. Terms, for
/// [`Reduction::MeanOverTerms`](crate::losses::Reduction::MeanOverTerms), are the ordered pairs.
///
/// [`PairHinge`](crate::losses::PairHinge), [`PairLogistic`](crate::losses::PairLogistic) and
/// [`LambdaLoss`](crate::losses::LambdaLoss) are points of this grid; any other is written down as
///
/// ```
/// use lipo::losses::{Hinge, LambdaWeight, LossExt, PairLoss};
/// use ndarray::array;
///
/// // SLiC's hinge under the weights of LiPO-λ.
/// let loss = PairLoss { function: Hinge, weight: LambdaWeight::default() };
/// let value = loss.value(&array![0.5_f64, 0.0], &array![1.0, 0.0])?;
/// assert!((value - 0.184535).abs() < 1e-6); // |1 - 0| · |1 - 1/log2(3)| · (1 - 0.5)
/// # Ok::<(), lipo::Error>(())
/// ```
///
/// Scores so far apart that their difference overflows are [`Error::Spread`].
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct PairLoss<P, W = Unweighted> {
    /// φ.
    pub function: P,
    /// Δ.
    pub weight: W,
}

/// A function φ of a pair's margin d = s_i − s_j, item i being the preferred one.
///
/// ```
/// use lipo::losses::{LossExt, PairFunction, PairLoss, PairTerm, Unweighted};
/// use ndarray::array;
///
/// /// e^−d, RankBoost's.
/// struct Exponential;
///
/// impl PairFunction for Exponential {
///     fn at(&self, margin: f64) -> PairTerm {
///         let exp = (-margin).exp();
///         PairTerm { value: exp, slope: -exp, curvature: exp }
///     }
/// }
///
/// let loss = PairLoss { function: Exponential, weight: Unweighted };
/// let value = loss.value(&array![1.0_f64, 0.0], &array![1.0, 0.0])?;
/// assert!((value - 0.367879).abs() < 1e-6); // e^-1
/// # Ok::<(), lipo::Error>(())
/// ```
pub trait PairFunction: Send + Sync {
    /// φ and its derivatives at a margin.
    ///
    /// The margin comes rounded to the caller's precision; what rounding took from it is made up
    /// for with the derivatives, so a kink of φ has one place for value and gradient.
    fn at(&self, margin: f64) -> PairTerm;

    /// The fast kernels for this function under the weights that have them.
    #[doc(hidden)]
    fn kernels(&self) -> PairKernels {
        PairKernels::default()
    }
}

/// The fast kernels of a pair function.
#[doc(hidden)]
#[derive(Debug, Clone, Copy, Default)]
pub struct PairKernels {
    pub unweighted: Option<Kernel>,
    /// Under the default [`LambdaWeight`](crate::losses::LambdaWeight).
    pub lambda: Option<Kernel>,
}

/// A pair function and its derivatives at one margin d.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PairTerm {
    /// φ(d).
    pub value: f64,
    /// φ′(d); at a kink, the subgradient of choice.
    pub slope: f64,
    /// φ″(d).
    pub curvature: f64,
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::Unweighted {}
    impl Sealed for crate::losses::LambdaWeight {}
}

/// A weight Δ_ij ≥ 0 of the pairs of a list, a constant in the gradient.
///
/// Sealed: the weights are those of this crate, [`Unweighted`] and
/// [`LambdaWeight`](crate::losses::LambdaWeight) with its replaceable gain and discount.
pub trait PairWeight: sealed::Sealed + Send + Sync {
    #[doc(hidden)]
    fn check(&self, list: &List<'_>) -> Result<(), Error>;

    #[doc(hidden)]
    fn accepts(&self, ranges: &Ranges) -> bool;

    /// The fast kernel for this weight.
    #[doc(hidden)]
    fn choose(&self, kernels: PairKernels) -> Option<Kernel>;

    /// Δ of a list, as a function of the items i and j.
    #[doc(hidden)]
    fn of_list(
        &self,
        list: &List<'_>,
        order: &mut Vec<usize>,
        tables: &mut Tables,
    ) -> impl Fn(usize, usize) -> DoubleDouble;
}

/// Δ_ij = 1.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Unweighted;

impl PairWeight for Unweighted {
    fn accepts(&self, _: &Ranges) -> bool {
        true
    }

    fn choose(&self, kernels: PairKernels) -> Option<Kernel> {
        kernels.unweighted
    }

    fn check(&self, _: &List<'_>) -> Result<(), Error> {
        Ok(())
    }

    fn of_list(
        &self,
        _: &List<'_>,
        _: &mut Vec<usize>,
        _: &mut Tables,
    ) -> impl Fn(usize, usize) -> DoubleDouble {
        |_, _| DoubleDouble::ONE
    }
}

impl<P: PairFunction, W: PairWeight> Loss for PairLoss<P, W> {
    fn list(&self, list: &List<'_>, grad: &mut [f64], scratch: &mut Scratch) -> f64 {
        let Scratch { order, grad: sums, pair_weights, .. } = scratch;
        let delta = self.weight.of_list(list, order, pair_weights);
        let value = sum_over_pairs(&self.function, &delta, list, 0, sums);
        for (slope, sum) in grad.iter_mut().zip(sums.iter()) {
            *slope = sum.total();
        }
        if value.is_finite() && grad.iter().all(|slope| slope.is_finite()) {
            return value;
        }
        // What overflowed is computed again with weights scaled down: a sum of both signs may be
        // finite though its terms' sums are not. Any larger, it would lose what is not large.
        let exponent = 520;
        let rescaled = sum_over_pairs(&self.function, &delta, list, -exponent, sums);
        let restore = |x: f64| scale_by_power_of_two(x, 2 * exponent);
        for (slope, sum) in grad.iter_mut().zip(sums.iter()).filter(|(slope, _)| !slope.is_finite())
        {
            *slope = restore(sum.total());
        }
        if value.is_finite() { value } else { restore(rescaled) }
    }

    fn check(&self, list: &List<'_>) -> Result<(), Error> {
        list.check_spread()?;
        self.weight.check(list)
    }

    fn terms(&self, list: &List<'_>, scratch: &mut Scratch) -> u64 {
        argsort_descending(list.labels(), &mut scratch.order);
        let labels = list.labels();
        let pairs = |items: usize| items as u64 * (items as u64).saturating_sub(1) / 2;
        let tied = scratch.order.chunk_by(|&i, &j| labels[i] == labels[j]);
        pairs(list.len()) - tied.map(|group| pairs(group.len())).sum::<u64>()
    }

    fn accepts(&self, ranges: &Ranges) -> bool {
        ranges.spread_is_finite() && self.weight.accepts(ranges)
    }

    fn kernel(&self) -> Option<Kernel> {
        self.weight.choose(self.function.kernels())
    }
}

/// The value, and in `grad` its gradient, with each factor of the weights times 2^exponent.
fn sum_over_pairs(
    function: &impl PairFunction,
    delta: &impl Fn(usize, usize) -> DoubleDouble,
    list: &List<'_>,
    exponent: i32,
    grad: &mut Vec<Sum>,
) -> f64 {
    let (scores, labels) = (list.scores(), list.labels());
    let scale = 2.0_f64.powi(exponent);
    let mut value = Sum::default();
    grad.clear();
    grad.resize(list.len(), Sum::default());
    for a in 0..list.len() {
        for b in 0..a {
            let (i, j) = match descending(labels[a], labels[b]) {
                Ordering::Less => (a, b),
                Ordering::Equal => continue,
                Ordering::Greater => (b, a),
            };
            let weight = delta(i, j) * scale * (list.weight(i) * scale);
            if weight.hi == 0.0 {
                continue;
            }
            let exact = DoubleDouble::difference(scores[i], scores[j]);
            let margin = list.precision().round(exact.hi);
            let lost = (exact.hi - margin) + exact.lo;
            let term = function.at(margin);
            value.add_exact(weight * term.value);
            // What rounding the margin lost, to first order; nothing beside what is infinite.
            value.add(finite_or_0(weight.hi * (lost * term.slope)));
            let slope = weight * (term.slope + finite_or_0(lost * term.curvature));
            let slope = slope.round();
            grad[i].add(slope);
            grad[j].add(-slope);
        }
    }
    value.total()
}

fn finite_or_0(x: f64) -> f64 {
    if x.is_finite() { x } else { 0.0 }
}
