//! The softmax family: functions of the shares of exponentials and of labels in a list.
//!
//! With C = Σ e^{s_j} and Ψ = Σ w_j ψ_j, an item has the shares q = e^s/C and p = w ψ/Ψ. What makes it
//! exact is that the sums *without* an item, 1 − q and 1 − p, are never differences of nearly equal
//! numbers: they are sums of the others where the item is the greatest, and elsewhere C is at least
//! twice as large as the item.

use std::fmt::Debug;

use super::block::{Block, Diagonal, Layout, Wanted, extremes};
use crate::Real;
use crate::numeric::extended::Extended;
use crate::numeric::number::Number;
use crate::vector::{Kernel, Vector, WideSum};

/// An item's shares, as a [`ShareFunction`] sees them.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Shares<N> {
    /// q = softmax(s).
    pub q: N,
    /// 1 − q, exact also where q is nearly 1.
    pub others_q: N,
    /// −log q.
    pub surprise: N,
    /// p, the item's share of the labels.
    pub p: N,
    /// 1 − p, exact also where p is nearly 1.
    pub others_p: N,
}

/// A loss f(Σ_k t(q_k, p_k)) of the softmax family.
///
/// Like a pair function it is written once over a [`Number`]; every method is to be
/// `#[inline(always)]`.
pub trait ShareFunction: Debug + Send + Sync {
    /// t, an item's term of the value.
    fn term<N: Number>(&self, item: Shares<N>) -> N;

    /// The derivative with respect to the score of an item, by the sum of the terms.
    fn slope<N: Number>(&self, item: Shares<N>, sum: N) -> N;

    /// The second derivative with respect to the score of an item.
    fn curvature<N: Number>(&self, item: Shares<N>, sum: N) -> N;

    /// The weight of q (v − v̄) in the second sum of a Hessian-vector product: a of Σ q (v − v̄) a.
    fn lever<N: Number>(&self, item: Shares<N>) -> N;

    /// An entry of the Hessian's product with v: `v` is v_k − Σ q v, `covariance` Σ q (v − v̄) a.
    fn product<N: Number>(&self, item: Shares<N>, sum: N, v: N, covariance: N) -> N;
}

/// A [`ShareFunction`] as the engine calls it: a block at a time.
pub trait BlockFunction: Debug + Send + Sync {
    #[cfg(feature = "simd")]
    fn block_single(&self, block: ShareBlock<'_, f32>);
    fn block_double(&self, block: ShareBlock<'_, f64>);
    fn careful_term(&self, item: Shares<Extended>) -> Extended;
    /// The slope, the curvature and, for v and the covariance, the product.
    fn careful(&self, item: Shares<Extended>, sum: Extended, v: [Extended; 2]) -> [Extended; 3];
    fn careful_lever(&self, item: Shares<Extended>) -> Extended;
}

impl<L: ShareFunction> BlockFunction for L {
    #[cfg(feature = "simd")]
    fn block_single(&self, block: ShareBlock<'_, f32>) {
        crate::vector::run_single(block.lanes, OfBlock { function: self, block });
    }

    fn block_double(&self, block: ShareBlock<'_, f64>) {
        crate::vector::run_double(block.lanes, OfBlock { function: self, block });
    }

    fn careful_term(&self, item: Shares<Extended>) -> Extended {
        self.term(item)
    }

    fn careful(&self, item: Shares<Extended>, sum: Extended, v: [Extended; 2]) -> [Extended; 3] {
        let [v, covariance] = v;
        let product = self.product(item, sum, v, covariance);
        [self.slope(item, sum), self.curvature(item, sum), product]
    }

    fn careful_lever(&self, item: Shares<Extended>) -> Extended {
        self.lever(item)
    }
}

/// The types of the arrays, as a member of the family is called in them.
pub(super) trait NativeShares: Real {
    /// Sums of labels between these have shares in the range of normal numbers.
    const MODERATE: (f64, f64);

    fn run_block(function: &dyn BlockFunction, block: ShareBlock<'_, Self>);
}

#[cfg(feature = "simd")]
impl NativeShares for f32 {
    const MODERATE: (f64, f64) = (1e-28, 1e28);

    fn run_block(function: &dyn BlockFunction, block: ShareBlock<'_, Self>) {
        function.block_single(block);
    }
}

impl NativeShares for f64 {
    const MODERATE: (f64, f64) = (1e-200, 1e200);

    fn run_block(function: &dyn BlockFunction, block: ShareBlock<'_, Self>) {
        function.block_double(block);
    }
}

/// The values and the results of a block's lists.
pub struct ShareBlock<'a, E> {
    pub(super) block: &'a mut Block<E>,
    pub(super) wanted: Wanted,
    /// The lanes of the instruction set that the block was made for.
    pub(super) lanes: usize,
    pub(super) moderate: (f64, f64),
    /// The lists' factors in the results, as many as there are lanes; one, in lanes.
    pub(super) factors: &'a [f64],
    /// The lists' values; NaN where the list is not to be trusted to this kernel.
    pub(super) values: &'a mut [f64],
}

struct OfBlock<'a, L, E> {
    function: &'a L,
    block: ShareBlock<'a, E>,
}

/// Sums over the items of a list, in every lane of its block.
#[inline(always)]
fn all<V: Vector>(token: V::Token, layout: Layout, sum: V::Wide) -> V {
    match layout {
        Layout::SideBySide => sum.narrow(),
        Layout::InLanes => V::splat(token, sum.total().round()),
    }
}

impl<L: ShareFunction, E: Real> Kernel<E> for OfBlock<'_, L, E> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector<Element = E>>(self, token: V::Token) {
        let Self { function, block } = self;
        let ShareBlock { block, wanted, moderate, factors, values, .. } = block;
        let sums = V::call(token, MakeSums::<V> { token, block, moderate });
        let layout = block.layout;
        let of = |raw| V::of(token, raw);
        let Block { scores, labels, exps, spare: [parts, ..], out, direction, .. } = block;
        let (scores, labels) = (V::raws(scores), V::raws(labels));
        let (exps, parts) = (V::raws(exps), V::raws(parts));
        let len = scores.len();
        let items = ShareItems::<V> { token, sums, scores, labels, exps, parts };

        let mut value = V::Wide::zero(token);
        for k in 0..len {
            value.add(function.term(items.shares(k)).keep(items.present(k)));
        }
        let sum = all::<V>(token, layout, value);
        value.add(sums.trust);
        let factor = match layout {
            Layout::SideBySide => {
                value.write(values);
                V::narrowed(token, factors)
            }
            Layout::InLanes => {
                values[0] = value.total().round() + sums.trust.lane(0).widen();
                V::splat(token, factors[0])
            }
        };
        let [gradient, diagonal, product] = out.each_mut().map(|out| V::raws_mut(out));
        for (k, out) in gradient[..len].iter_mut().enumerate() {
            let slope = function.slope(items.shares(k), sum);
            *out = (slope.keep(items.present(k)) * factor).raw();
        }
        if wanted.diagonal.is_some() {
            for (k, out) in diagonal[..len].iter_mut().enumerate() {
                let curvature = function.curvature(items.shares(k), sum);
                let mut curvature = curvature.keep(items.present(k));
                if wanted.diagonal == Some(Diagonal::NonNegative) {
                    curvature = curvature.abs();
                }
                *out = (curvature * factor).raw();
            }
        }
        if wanted.product {
            let direction = V::raws(direction);
            let mut mean = V::Wide::zero(token);
            for (k, &along) in direction[..len].iter().enumerate() {
                let along = of(along).keep(items.present(k));
                mean.add_product(items.shares(k).q, along);
            }
            let mean = all::<V>(token, layout, mean);
            let mut covariance = V::Wide::zero(token);
            for (k, &along) in direction[..len].iter().enumerate() {
                let item = items.shares(k);
                let change = item.q * (of(along) - mean);
                covariance.add((change * function.lever(item)).keep(items.present(k)));
            }
            let covariance = all::<V>(token, layout, covariance);
            for (k, out) in product[..len].iter_mut().enumerate() {
                let change = of(direction[k]) - mean;
                let product = function.product(items.shares(k), sum, change, covariance);
                *out = (product.keep(items.present(k)) * factor).raw();
            }
        }
    }
}

/// The items of a block.
struct ShareItems<'a, V: Vector> {
    token: V::Token,
    sums: Sums<V>,
    scores: &'a [V::Raw],
    labels: &'a [V::Raw],
    exps: &'a [V::Raw],
    parts: &'a [V::Raw],
}

impl<V: Vector> ShareItems<'_, V> {
    #[inline(always)]
    fn shares(&self, k: usize) -> Shares<V> {
        let of = [self.scores[k], self.exps[k], self.parts[k]];
        let [score, exp, part] = of.map(|raw| V::of(self.token, raw));
        self.sums.shares(score, exp, part)
    }

    /// Where there is an item, in lists whose labels do not sum to 0.
    #[inline(always)]
    fn present(&self, k: usize) -> V::Mask {
        let label = V::of(self.token, self.labels[k]);
        V::both(label.equals(label), self.sums.not_empty)
    }
}

/// What the items' shares are made of.
#[derive(Clone, Copy)]
struct Sums<V: Vector> {
    greatest: V,
    /// Σ E without one of the greatest, E = e^(s − greatest).
    exp_others: V,
    exp_sum: V,
    log_sum: V,
    top_part: V,
    part_others: V,
    part_sum: V,
    /// 1 over the two sums.
    shrink: [V; 2],
    /// 0 where a list may be trusted to this kernel, else NaN.
    trust: V,
    /// Lists whose labels do not sum to 0.
    not_empty: V::Mask,
}

impl<V: Vector> Sums<V> {
    #[inline(always)]
    fn shares(&self, score: V, exp: V, part: V) -> Shares<V> {
        let one = exp.constant(1.0);
        let [shrink_exp, shrink_part] = self.shrink;
        let (q, p) = (exp * shrink_exp, part * shrink_part);
        let others = V::select(exp.equals(one), self.exp_others, self.exp_sum - exp);
        let other_parts =
            V::select(part.equals(self.top_part), self.part_others, self.part_sum - part);
        Shares {
            q,
            others_q: others * shrink_exp,
            surprise: (self.greatest - score) + self.log_sum,
            p,
            others_p: other_parts * shrink_part,
        }
    }
}

/// Fills in exponentials and weighted labels, and sums them up.
struct MakeSums<'a, V: Vector> {
    token: V::Token,
    block: &'a mut Block<V::Element>,
    moderate: (f64, f64),
}

impl<V: Vector> Kernel<V::Element> for MakeSums<'_, V> {
    type Output = Sums<V>;

    #[inline(always)]
    fn run<W: Vector<Element = V::Element>>(self, _: W::Token) -> Sums<V> {
        let Self { token, block, moderate } = self;
        let of = |raw| V::of(token, raw);
        let (zero, one) = (V::splat(token, 0.0), V::splat(token, 1.0));
        let (least, greatest) = extremes::<V>(token, block);
        let (layout, weighted) = (block.layout, block.weighted);
        let Block { scores, labels, weights, exps, spare: [parts, ..], .. } = block;
        let (scores, labels, weights) = (V::raws(scores), V::raws(labels), V::raws(weights));
        let (exps, parts) = (V::raws_mut(exps), V::raws_mut(parts));
        let mut top_part = zero;
        for (k, (part, &label)) in parts.iter_mut().zip(labels).enumerate() {
            let label = of(label);
            let product = if weighted { label * of(weights[k]) } else { label };
            let product = product.keep(label.equals(label));
            top_part = top_part.max(product);
            *part = product.raw();
        }
        if layout == Layout::InLanes {
            top_part = V::all(token, top_part.greatest_lane());
        }
        // The exponentials in a loop of their own, so that many of them are in flight.
        for (exp, (&score, &label)) in exps.iter_mut().zip(scores.iter().zip(labels)) {
            let (below, lost) = of(score).plus_exactly(-greatest);
            let label = of(label);
            let exp_of = below.max(zero.constant(-V::SPREAD)).exp_of_sum(lost);
            *exp = exp_of.keep(label.equals(label)).raw();
        }
        let (mut exp_others, mut part_others) = (V::Wide::zero(token), V::Wide::zero(token));
        let (mut tops, mut top_parts) = (zero, zero);
        for (&exp, &part) in exps.iter().zip(&*parts) {
            let (exp, part) = (of(exp), of(part));
            let (is_top, is_top_part) = (exp.equals(one), part.equals(top_part));
            tops = tops + one.keep(is_top);
            top_parts = top_parts + one.keep(is_top_part);
            exp_others.add(exp.remove(is_top));
            part_others.add(part.remove(is_top_part));
        }
        if layout == Layout::InLanes {
            // The counts as sums over all lanes, in one of them.
            let count = |counts: V| V::splat(token, V::Wide::of(token, counts).total().round());
            (tops, top_parts) = (count(tops), count(top_parts));
        }
        let mut exp_others = all::<V>(token, layout, exp_others);
        let mut part_others = all::<V>(token, layout, part_others);
        exp_others = exp_others + (tops - one);
        part_others = (top_parts - one).mul_add(top_part, part_others);
        let (exp_sum, part_sum) = (exp_others + one, part_others + top_part);
        let (low, high) = (zero.constant(moderate.0), zero.constant(moderate.1));
        let is_moderate = V::both(high.above(part_sum), part_sum.above(low));
        let is_narrow = zero.constant(V::SPREAD).above(greatest - least);
        let not_empty = part_sum.above(zero);
        let nan = zero.constant(f64::NAN);
        let part_sum = V::select(not_empty, part_sum, one);
        let trust = V::select(is_moderate, zero, nan);
        let trust = V::select(not_empty, V::select(is_narrow, trust, nan), zero);
        Sums {
            greatest,
            exp_others,
            exp_sum,
            log_sum: exp_others.ln_1p(),
            top_part,
            part_others,
            part_sum,
            shrink: [one / exp_sum, one / part_sum],
            trust,
            not_empty,
        }
    }
}
