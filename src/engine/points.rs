//! Point losses: one term an item.

use std::fmt::Debug;

use super::block::{Block, Diagonal, Layout, Wanted, extremes};
use crate::numeric::extended::Extended;
use crate::numeric::number::Number;
use crate::vector::{Kernel, MOST_LANES, Vector, WideSum};
use crate::{Precision, Real};

/// An item, as a [`PointFunction`] sees it.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Point<N> {
    /// The score s.
    pub score: N,
    /// The label ψ; where [`PointFunction::SHARES`] is set, its share ψ/Σψ of the labels of the list.
    pub label: N,
    /// 1/K, where [`PointFunction::SHARES`] is set; else 1.
    pub evenly: N,
}

/// A point function and its derivatives with respect to the score.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct PointTerm<N> {
    /// The value.
    pub value: N,
    /// Its first derivative.
    pub slope: N,
    /// Its second derivative.
    pub curvature: N,
}

impl<N> PointTerm<N> {
    /// A function's value, slope and curvature.
    #[inline(always)]
    pub const fn new(value: N, slope: N, curvature: N) -> Self {
        Self { value, slope, curvature }
    }
}

/// A function of one score and one label. Write it with [`formula!`](crate::formula).
///
/// ```
/// use lipo::losses::{LossExt, Number, Point, PointFunction, PointLoss, PointTerm};
/// use ndarray::array;
///
/// /// log cosh(s − ψ): like a square near 0, like a magnitude far out.
/// #[derive(Debug)]
/// struct LogCosh;
///
/// lipo::formula! {
///     impl PointFunction for LogCosh {
///         fn at<N: Number>(&self, point: Point<N>) -> PointTerm<N> {
///             let x = point.score - point.label;
///             let exp = (-x.abs().times(2.0)).exp(); // e^−2|x|
///             let one = x.constant(1.0);
///             let size = (one - exp) / (one + exp); // tanh |x|
///             let slope = N::select(x.above(x.constant(0.0)), size, -size);
///             PointTerm::new(x.abs() + exp.ln_1p() - x.constant(2.0_f64.ln()), slope, one - size * size)
///         }
///     }
/// }
///
/// let (value, grad) = PointLoss::new(LogCosh).value_and_grad(&array![1.0_f64], &array![0.0])?;
/// assert!((value - 0.433781).abs() < 1e-6); // log cosh 1
/// assert!((grad[0] - 0.761594).abs() < 1e-6); // tanh 1
/// # Ok::<(), lipo::Error>(())
/// ```
pub trait PointFunction: Debug + Send + Sync {
    /// Whether the function takes shares of the labels in place of the labels.
    const SHARES: bool = false;
    /// Whether the function is made of exponentials, whose tails can fall below the normal numbers of
    /// `f32`; false for polynomials and hinges.
    const EXPONENTIAL: bool = true;

    /// The function and its derivatives.
    fn at<N: Number>(&self, point: Point<N>) -> PointTerm<N>;
}

/// The columns of a run of items: scores and labels in, values, slopes and curvatures out.
pub struct PointRun<'a, E> {
    /// The lanes of the instruction set that the columns are filled for.
    pub(super) lanes: usize,
    pub(super) scores: &'a [E],
    /// The labels, or their shares; NaN where there is no item.
    pub(super) labels: &'a [E],
    /// 1/K in each lane of a vector, or 1.
    pub(super) evenly: &'a [E],
    pub(super) values: &'a mut [E],
    pub(super) slopes: &'a mut [E],
    pub(super) curvatures: &'a mut [E],
}

/// A [`PointFunction`] as the engine calls it: over runs of items.
pub trait RunFunction: Debug + Send + Sync {
    fn takes_shares(&self) -> bool;
    fn is_exponential(&self) -> bool;
    #[cfg(feature = "simd")]
    fn run_single(&self, run: PointRun<'_, f32>);
    fn run_double(&self, run: PointRun<'_, f64>);
    fn careful(&self, point: Point<Extended>) -> PointTerm<Extended>;
}

impl<P: PointFunction> RunFunction for P {
    fn takes_shares(&self) -> bool {
        P::SHARES
    }

    fn is_exponential(&self) -> bool {
        P::EXPONENTIAL
    }

    #[cfg(feature = "simd")]
    fn run_single(&self, run: PointRun<'_, f32>) {
        crate::vector::run_single(run.lanes, Each { function: self, run });
    }

    fn run_double(&self, run: PointRun<'_, f64>) {
        crate::vector::run_double(run.lanes, Each { function: self, run });
    }

    fn careful(&self, point: Point<Extended>) -> PointTerm<Extended> {
        self.at(point)
    }
}

struct Each<'a, P, E> {
    function: &'a P,
    run: PointRun<'a, E>,
}

impl<P: PointFunction, E: Real> Kernel<E> for Each<'_, P, E> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector<Element = E>>(self, token: V::Token) {
        let PointRun { scores, labels, evenly, values, slopes, curvatures, .. } = self.run;
        let (scores, labels) = (V::raws(scores), V::raws(labels));
        let (values, slopes) = (V::raws_mut(values), V::raws_mut(slopes));
        let curvatures = V::raws_mut(curvatures);
        let (labels, len) = (&labels[..scores.len()], scores.len());
        let (values, slopes) = (&mut values[..len], &mut slopes[..len]);
        let zero = V::splat(token, 0.0);
        let evenly = V::of(token, V::raws(evenly)[0]);
        for k in 0..len {
            let (score, label) = (V::of(token, scores[k]), V::of(token, labels[k]));
            let present = label.equals(label);
            let point = Point { score, label: V::select(present, label, zero), evenly };
            let term = self.function.at(point);
            values[k] = term.value.keep(present).raw();
            slopes[k] = term.slope.keep(present).raw();
            if let Some(curvature) = curvatures.get_mut(k) {
                *curvature = term.curvature.keep(present).raw();
            }
        }
    }
}

/// The types of the arrays, as a point function is called in them.
pub(super) trait NativePoints: Real {
    fn run_points(function: &dyn RunFunction, run: PointRun<'_, Self>);
}

#[cfg(feature = "simd")]
impl NativePoints for f32 {
    fn run_points(function: &dyn RunFunction, run: PointRun<'_, Self>) {
        function.run_single(run);
    }
}

impl NativePoints for f64 {
    fn run_points(function: &dyn RunFunction, run: PointRun<'_, Self>) {
        function.run_double(run);
    }
}

/// The values and the results of a block's lists, of a function of shares: the item weights are in
/// these. Functions of labels go through [`flat`](super::flat).
pub(super) struct PointBlock<'a, E> {
    pub(super) function: &'a dyn RunFunction,
    pub(super) block: &'a mut Block<E>,
    pub(super) wanted: Wanted,
    /// The lists' factors in the results, as many as there are lanes; one, in lanes.
    pub(super) factors: &'a [f64],
    /// The lists' values; NaN where the list is not to be trusted to this kernel.
    pub(super) values: &'a mut [f64],
}

impl<E: NativePoints> Kernel<E> for PointBlock<'_, E> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector<Element = E>>(self, token: V::Token) {
        let Self { function, block, wanted, factors, values } = self;
        let mut evenly = [E::one(); MOST_LANES];
        V::call(token, Shares::<V> { token, block, evenly: &mut evenly });
        let Block { scores, spare, exps, .. } = &mut *block;
        let [of_values, of_slopes, labels] = spare;
        let mut none = [];
        let curvatures = if wanted.curvature() { &mut exps[..] } else { &mut none[..] };
        E::run_points(
            function,
            PointRun {
                lanes: V::lanes(),
                scores,
                labels,
                evenly: &evenly,
                values: of_values,
                slopes: of_slopes,
                curvatures,
            },
        );
        V::call(token, Finish::<V> { token, block, function, wanted, factors, values });
    }
}

/// Labels, times the weights, over their sums; and 1/K.
struct Shares<'a, V: Vector> {
    token: V::Token,
    block: &'a mut Block<V::Element>,
    evenly: &'a mut [V::Element],
}

impl<V: Vector> Kernel<V::Element> for Shares<'_, V> {
    type Output = ();

    #[inline(always)]
    fn run<W: Vector<Element = V::Element>>(self, _: W::Token) {
        let Self { token, block, evenly } = self;
        let of = |raw| V::of(token, raw);
        let Block { labels, weights, spare: [_, _, shares], weighted, layout, .. } = block;
        let (labels, weights) = (V::raws(labels), V::raws(weights));
        let shares = V::raws_mut(shares);
        let (mut sum, mut count) = (V::Wide::zero(token), V::splat(token, 0.0));
        for (k, (share, &label)) in shares.iter_mut().zip(labels).enumerate() {
            let label = of(label);
            let weighted = if *weighted { label * of(weights[k]) } else { label };
            *share = weighted.raw();
            let present = label.equals(label);
            sum.add(weighted.keep(present));
            count = count + label.constant(1.0).keep(present);
        }
        let (sum, count) = match layout {
            Layout::SideBySide => (sum.narrow(), count),
            Layout::InLanes => {
                let items = block.items as f64;
                (V::splat(token, sum.total().round()), V::splat(token, items))
            }
        };
        let (one, zero) = (V::splat(token, 1.0), V::splat(token, 0.0));
        // Near the ends of the range shares lose digits: infinite ones make the list be given up. Where
        // the labels sum to 0 there is no share, and the list counts as one without items.
        let (low, high) = match V::Element::PRECISION {
            Precision::Single => (1e-28, 1e28),
            Precision::Double => (1e-200, 1e200),
        };
        let moderate = V::both(one.constant(high).above(sum), sum.above(one.constant(low)));
        let beyond =
            V::select(sum.above(zero), one.constant(f64::INFINITY), one.constant(f64::NAN));
        for share in shares {
            *share = V::select(moderate, of(*share) / sum, beyond).raw();
        }
        V::raws_mut(evenly)[0] = (one / count).raw();
    }
}

struct Finish<'a, V: Vector> {
    token: V::Token,
    block: &'a mut Block<V::Element>,
    function: &'a dyn RunFunction,
    wanted: Wanted,
    factors: &'a [f64],
    values: &'a mut [f64],
}

impl<V: Vector> Kernel<V::Element> for Finish<'_, V> {
    type Output = ();

    #[inline(always)]
    fn run<W: Vector<Element = V::Element>>(self, _: W::Token) {
        let Self { token, function, block, wanted, factors, values } = self;
        let of = |raw| V::of(token, raw);
        let in_lanes = block.layout == Layout::InLanes;
        // A weight above 1 may lift what has fallen below the normal numbers back into them.
        let lifts = block.weighted || factors.iter().any(|&factor| factor > 1.0);
        let mut trust = V::splat(token, 0.0);
        if lifts && function.is_exponential() {
            let (least, greatest) = extremes::<V>(token, block);
            let near = least.constant(V::SPREAD).above(greatest.max(-least));
            trust = V::select(near, trust, least.constant(f64::NAN));
        }
        let factor =
            if in_lanes { V::splat(token, factors[0]) } else { V::narrowed(token, factors) };
        let Block { spare: [of_values, of_slopes, _], out, exps, direction, .. } = block;
        let (of_values, of_slopes) = (V::raws(of_values), V::raws(of_slopes));
        let [gradient, diagonal, product] = out.each_mut().map(|out| V::raws_mut(out));
        let mut total = V::Wide::zero(token);
        for (k, out) in gradient.iter_mut().enumerate() {
            let (value, slope) = (of(of_values[k]), of(of_slopes[k]));
            total.add(value);
            *out = (slope * factor).raw();
        }
        total.add(trust);
        if in_lanes {
            values[0] = total.total().round();
        } else {
            total.write(values);
        }
        if !wanted.curvature() {
            return;
        }
        let curvatures = V::raws(exps);
        let directions = V::raws(direction);
        for (k, (diagonal, product)) in diagonal.iter_mut().zip(product).enumerate() {
            let mut curvature = of(curvatures[k]);
            *product = (curvature * of(directions[k]) * factor).raw();
            if wanted.diagonal == Some(Diagonal::NonNegative) {
                curvature = curvature.abs();
            }
            *diagonal = (curvature * factor).raw();
        }
    }
}
