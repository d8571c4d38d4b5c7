//! The pair losses' frame: one loop over ordered pairs, a pair function, a pair weight.
//!
//! l(s, ψ) = Σ_{ψ_i > ψ_j} w_i Δ_ij φ(s_i − s_j)
//!
//! ∂l/∂s_i = Σ_{ψ_i > ψ_j} w_i Δ_ij φ′(s_i − s_j) − Σ_{ψ_j > ψ_i} w_j Δ_ji φ′(s_j − s_i)

use std::cmp::Ordering;

use crate::lists::Ranges;
use crate::losses::{Kernel, Loss, Scratch, lambda_loss::Tables};
use crate::numeric::{DoubleDouble, Sum, scale_by_power_of_two};
use crate::ranking::{argsort_descending, descending};
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
    /// Whether that of the lambda-loss is one.
    pub lambda: bool,
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
        let labels = list.labels();
        value_and_grad(&self.function, list, grad, sums, |pairs| {
            for a in 0..list.len() {
                for b in 0..a {
                    match descending(labels[a], labels[b]) {
                        Ordering::Less => pairs.add(a, b, delta(a, b)),
                        Ordering::Equal => {}
                        Ordering::Greater => pairs.add(b, a, delta(b, a)),
                    }
                }
            }
        })
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

/// The value of a list, and its gradient in `grad`; `add_pairs` adds the pairs that take part.
pub(super) fn value_and_grad<P: PairFunction>(
    function: &P,
    list: &List<'_>,
    grad: &mut [f64],
    sums: &mut Vec<Sum>,
    add_pairs: impl Fn(&mut Pairs<'_, P>),
) -> f64 {
    let sum_up = |exponent: i32, sums: &mut Vec<Sum>| {
        sums.clear();
        sums.resize(list.len(), Sum::default());
        let scale = 2.0_f64.powi(exponent);
        let mut pairs = Pairs { function, list, scale, value: Sum::default(), grad: sums };
        add_pairs(&mut pairs);
        pairs.value.total()
    };
    let value = sum_up(0, sums);
    for (slope, sum) in grad.iter_mut().zip(sums.iter()) {
        *slope = sum.total();
    }
    if value.is_finite() && grad.iter().all(|slope| slope.is_finite()) {
        return value;
    }
    // What overflowed is computed again with weights scaled down: a sum of both signs may be
    // finite though its terms' sums are not. Any larger, it would lose what is not large.
    let exponent = 520;
    let rescaled = sum_up(-exponent, sums);
    let restore = |x: f64| scale_by_power_of_two(x, 2 * exponent);
    for (slope, sum) in grad.iter_mut().zip(sums.iter()).filter(|(slope, _)| !slope.is_finite()) {
        *slope = restore(sum.total());
    }
    if value.is_finite() { value } else { restore(rescaled) }
}

/// What the pairs of a list add up to, each factor of their weights times `scale`.
pub(super) struct Pairs<'a, P> {
    function: &'a P,
    list: &'a List<'a>,
    scale: f64,
    value: Sum,
    grad: &'a mut [Sum],
}

impl<P: PairFunction> Pairs<'_, P> {
    /// Adds w_i Δ φ(s_i − s_j).
    pub(super) fn add(&mut self, i: usize, j: usize, delta: DoubleDouble) {
        let weight = delta * self.scale * (self.list.weight(i) * self.scale);
        if weight.hi == 0.0 {
            return;
        }
        let exact = DoubleDouble::difference(self.list.scores()[i], self.list.scores()[j]);
        let margin = self.list.precision().round(exact.hi);
        let term = self.function.at(margin);
        let moved = term.moved((exact.hi - margin) + exact.lo);
        self.value.add_exact(weight * term.value);
        self.value.add(finite_or_0(weight.hi * moved.value));
        let slope = (weight * (term.slope + moved.slope)).round();
        self.grad[i].add(slope);
        self.grad[j].add(-slope);
    }
}

impl PairTerm {
    /// What value and slope change by where the margin is larger by a rounding error.
    pub(super) fn moved(&self, by: f64) -> Self {
        Self {
            value: finite_or_0(by * (self.slope + 0.5 * by * self.curvature)),
            slope: finite_or_0(by * self.curvature),
            curvature: 0.0,
        }
    }
}

/// A change, beside which what is infinite stays as it is.
fn finite_or_0(x: f64) -> f64 {
    if x.is_finite() { x } else { 0.0 }
}
