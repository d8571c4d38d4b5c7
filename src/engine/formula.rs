//! What the engine computes with: formulas over a [`Number`], and how it calls them.
//!
//! A pair function or a point function is a generic method, `at`, which says once what the function
//! and its derivatives are. The engine cannot keep a generic method behind a pointer, so each trait
//! has a hidden twin without type parameters ([`TileFunction`], [`RunFunction`]), implemented for
//! every formula: it runs `at` over a buffer of some hundred arguments in vectors of one type. The
//! loops that make the arguments and add the results up are compiled once, in this crate; a formula
//! adds one short loop for each type and instruction set.

use std::fmt::Debug;

use crate::numeric::extended::Extended;
use crate::numeric::number::Number;
use crate::vector::{Kernel, Vector};

/// A pair of items, as a [`PairFunction`] sees it: item i is the preferred one.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Pair<N> {
    /// The margin d = s_i − s_j, rounded to the precision of the arrays.
    pub margin: N,
    /// What rounding took from the margin. Where [`PairFunction::EXACT`] is not set, the engine makes
    /// up for it with the derivatives, and a formula need not look at it.
    pub margin_lost: N,
    /// The label gap g = ψ_i − ψ_j ≥ 0; 0 where [`PairFunction::GAP`] is not set.
    pub gap: N,
    /// What rounding took from the gap.
    pub gap_lost: N,
}

/// A pair function and its derivatives with respect to the margin.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct PairTerm<N> {
    /// φ(d).
    pub value: N,
    /// φ′(d); at a kink, the subgradient of choice.
    pub slope: N,
    /// φ″(d).
    pub curvature: N,
}

impl<N> PairTerm<N> {
    /// A function's value, slope and curvature.
    #[inline(always)]
    pub const fn new(value: N, slope: N, curvature: N) -> Self {
        Self { value, slope, curvature }
    }
}

/// The families of pair functions that the engine has faster algorithms for.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Family {
    /// None: the engine evaluates [`PairFunction::at`] for each pair.
    Other,
    /// scale · log(1 + e^(shift − d)) + tilt · d: the exponential of an item serves all its pairs.
    Logistic {
        /// a, finite and positive.
        scale: f64,
        /// γ, finite.
        shift: f64,
        /// c, finite.
        tilt: f64,
    },
    /// max(0, margin − d): pairs are counted in O(K log K).
    Hinge {
        /// δ, finite.
        margin: f64,
    },
}

/// A function φ of a pair's margin d = s_i − s_j, item i being the preferred one: a point on the
/// first axis of the pair losses.
///
/// Write it with [`formula!`](crate::formula), which makes sure that the function is compiled into
/// the vector loops.
///
/// ```
/// use lipo::losses::{LossExt, Number, Pair, PairFunction, PairLoss, PairTerm};
/// use ndarray::array;
///
/// /// φ(d) = e^−d, RankBoost's.
/// #[derive(Debug)]
/// struct Exponential;
///
/// lipo::formula! {
///     impl PairFunction for Exponential {
///         fn at<N: Number>(&self, pair: Pair<N>) -> PairTerm<N> {
///             let exp = (-pair.margin).exp();
///             PairTerm::new(exp, -exp, exp)
///         }
///     }
/// }
///
/// let loss = PairLoss::unweighted(Exponential);
/// let value = loss.value(&array![1.0_f64, 0.0], &array![1.0, 0.0])?;
/// assert!((value - 0.367879).abs() < 1e-6); // e^-1
/// # Ok::<(), lipo::Error>(())
/// ```
pub trait PairFunction: Debug + Send + Sync {
    /// Whether the function looks at [`Pair::gap`].
    const GAP: bool = false;
    /// Whether pairs of equal labels take part; for them the margin is s_i − s_j of the item i that
    /// stands later in the list, so the function must be even where the gap is 0. Their item weight is
    /// the mean of both items'.
    const TIES: bool = false;
    /// Whether `at` itself makes up for what rounding took from margin and gap.
    const EXACT: bool = false;
    /// Whether the function is made of exponentials, whose tails can fall below the normal numbers of
    /// `f32`; false for polynomials and hinges.
    const EXPONENTIAL: bool = true;

    /// φ and its derivatives.
    fn at<N: Number>(&self, pair: Pair<N>) -> PairTerm<N>;

    /// The family that the function belongs to, if there is a faster algorithm for it.
    fn family(&self) -> Family {
        Family::Other
    }
}

/// Implements [`PairFunction`](crate::losses::PairFunction) or
/// [`PointFunction`](crate::losses::PointFunction) such that its formula is always compiled into the
/// loops that call it.
///
/// A formula that is not is compiled without the machine's vectors and takes twenty times as long,
/// without a word from the compiler.
#[macro_export]
macro_rules! formula {
    (impl $formula:ident for $type:ty {
        $(const $name:ident: bool = $value:expr;)*
        fn at<$n:ident: Number>(&$self:ident, $argument:ident: $input:ty) -> $output:ty $body:block
        $($rest:tt)*
    }) => {
        impl $formula for $type {
            $(const $name: bool = $value;)*

            #[inline(always)]
            fn at<$n: $crate::losses::Number>(&$self, $argument: $input) -> $output $body

            $($rest)*
        }
    };
}

/// The buffers of a tile of pairs: margins in, values and slopes out.
pub struct Terms<'a, E> {
    /// The lanes of the instruction set that the buffers are filled for.
    pub(super) lanes: usize,
    /// The margins d; the values φ(d) replace them.
    pub(super) margins: &'a mut [E],
    /// What rounding took from the margins; the slopes φ′(d) replace it.
    pub(super) lost: &'a mut [E],
    /// The label gaps and what rounding took from them; empty where the function does not look.
    pub(super) gaps: [&'a [E]; 2],
    /// The curvatures φ″(d), where they are asked for; else empty.
    pub(super) curvatures: &'a mut [E],
}

/// A [`PairFunction`] as the engine calls it: over tiles.
pub trait TileFunction: Debug + Send + Sync {
    fn traits(&self) -> Traits;
    fn family(&self) -> Family;
    #[cfg(feature = "simd")]
    fn tile_single(&self, terms: Terms<'_, f32>);
    fn tile_double(&self, terms: Terms<'_, f64>);
    fn careful(&self, pair: Pair<Extended>) -> PairTerm<Extended>;
}

/// The constants of a [`PairFunction`].
#[derive(Debug, Clone, Copy)]
#[allow(clippy::struct_excessive_bools)] // one for each constant
pub struct Traits {
    pub(super) gap: bool,
    pub(crate) ties: bool,
    pub(super) exponential: bool,
    pub(super) exact: bool,
}

impl<P: PairFunction> TileFunction for P {
    fn traits(&self) -> Traits {
        Traits { gap: P::GAP, ties: P::TIES, exponential: P::EXPONENTIAL, exact: P::EXACT }
    }

    fn family(&self) -> Family {
        PairFunction::family(self)
    }

    #[cfg(feature = "simd")]
    fn tile_single(&self, terms: Terms<'_, f32>) {
        crate::vector::run_single(terms.lanes, Tile { function: self, terms });
    }

    fn tile_double(&self, terms: Terms<'_, f64>) {
        crate::vector::run_double(terms.lanes, Tile { function: self, terms });
    }

    fn careful(&self, pair: Pair<Extended>) -> PairTerm<Extended> {
        self.at(pair)
    }
}

struct Tile<'a, P, E> {
    function: &'a P,
    terms: Terms<'a, E>,
}

impl<P: PairFunction, E: crate::Real> Kernel<E> for Tile<'_, P, E> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector<Element = E>>(self, token: V::Token) {
        let Terms { margins, lost, gaps, curvatures, .. } = self.terms;
        let (margins, lost) = (V::raws_mut(margins), V::raws_mut(lost));
        let curvatures = V::raws_mut(curvatures);
        let [gaps, gaps_lost] = gaps.map(V::raws);
        let zero = V::splat(token, 0.0);
        let lost = &mut lost[..margins.len()];
        for k in 0..margins.len() {
            let of = |raw| V::of(token, raw);
            let gap = if P::GAP { [of(gaps[k]), of(gaps_lost[k])] } else { [zero; 2] };
            let rest = of(lost[k]);
            let [gap, gap_lost] = gap;
            let pair = Pair { margin: of(margins[k]), margin_lost: rest, gap, gap_lost };
            let term = self.function.at(pair);
            let (value, slope) = if P::EXACT {
                (term.value, term.slope)
            } else {
                (term.slope.mul_add(rest, term.value), term.curvature.mul_add(rest, term.slope))
            };
            (margins[k], lost[k]) = (value.raw(), slope.raw());
            if let Some(curvature) = curvatures.get_mut(k) {
                *curvature = term.curvature.raw();
            }
        }
    }
}

/// The values of a function at margins, and its slopes in place of what rounding took from them, for
/// any number of margins.
pub(crate) fn tile_of_margins(function: &dyn TileFunction, margins: &mut [f64], lost: &mut [f64]) {
    let lanes = crate::vector::MOST_LANES;
    let gaps = [0.0; crate::vector::MOST_LANES];
    for (margins, lost) in margins.chunks_mut(lanes).zip(lost.chunks_mut(lanes)) {
        // A last chunk that does not fill the lanes is filled up with zeros.
        let (mut full_margins, mut full_lost) = (gaps, gaps);
        let len = margins.len();
        full_margins[..len].copy_from_slice(margins);
        full_lost[..len].copy_from_slice(lost);
        function.tile_double(Terms {
            lanes,
            margins: &mut full_margins,
            lost: &mut full_lost,
            gaps: [&gaps, &gaps],
            curvatures: &mut [],
        });
        margins.copy_from_slice(&full_margins[..len]);
        lost.copy_from_slice(&full_lost[..len]);
    }
}
