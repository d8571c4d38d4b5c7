//! Pair losses: the pairs of a block, tile by tile.

use super::block::{Block, Layout, ROWS, Wanted, extremes, least_log};
use super::columns::{PairSlots, TileWeight};
use super::formula::{Family, Terms, TileFunction};
use super::tile::{
    Accumulate, Buffers, COLUMNS, Coefficients, Copies, HingeSums, LogisticSums, LogisticTerms,
    Margins, PairOrder, SlotsOfPairs, Tile, Weigh,
};
use crate::vector::{Kernel, MOST_LANES, Vector, WideSum};
use crate::{Precision, Real};

/// How the pairs of a block are computed.
#[derive(Debug, Clone, Copy)]
pub(super) struct PairPlan<'a> {
    pub(super) function: &'a dyn TileFunction,
    pub(super) way: Way,
    /// The weight, if it is not 1.
    pub(super) weight: Option<&'a dyn TileWeight>,
    /// Whether equal scores have a discount difference of their own.
    pub(super) tied: bool,
    /// Whether the arrays are of `f32`, while the block is not.
    pub(super) single: bool,
    /// Whether the columns hold gains as exactly as they can.
    pub(super) exact_gains: bool,
    /// Only pairs with one of the first `limit` items of the block.
    pub(super) limit: usize,
}

/// The step that makes values and slopes.
#[derive(Debug, Clone, Copy)]
pub(super) enum Way {
    /// Everything at once, without weights, from exponentials of the items.
    LogisticSums(Coefficients),
    /// Everything at once, without weights: counts of active pairs.
    HingeSums { margin: f64 },
    /// Values and slopes from exponentials of the items.
    LogisticTerms(Coefficients),
    /// Values and slopes from margins.
    Terms,
}

impl Way {
    /// The best way to a function's values; `bare` where pairs have no weights.
    pub(super) fn of(function: &dyn TileFunction, bare: bool, wanted: Wanted) -> Self {
        match function.family() {
            Family::Logistic { scale, shift, tilt } => {
                let coefficients = Coefficients { scale, shift, tilt };
                if bare && !wanted.product {
                    Self::LogisticSums(coefficients)
                } else {
                    Self::LogisticTerms(coefficients)
                }
            }
            Family::Hinge { margin } if bare && !wanted.curvature() => Self::HingeSums { margin },
            _ => Self::Terms,
        }
    }

    fn coefficients(self) -> Option<Coefficients> {
        match self {
            Self::LogisticSums(family) | Self::LogisticTerms(family) => Some(family),
            _ => None,
        }
    }
}

/// The values and the results of a block's lists.
pub(super) struct PairBlock<'a, E> {
    pub(super) plan: PairPlan<'a>,
    pub(super) block: &'a mut Block<E>,
    pub(super) buffers: &'a mut Buffers<E>,
    pub(super) wanted: Wanted,
    /// The lists' factors in the results, as many as there are lanes; one, in lanes.
    pub(super) factors: &'a [f64],
    /// The lists' values; NaN where the list is not to be trusted to this kernel.
    pub(super) values: &'a mut [f64],
}

/// Room for the wide sums that make a value.
const VALUE_SUMS: usize = 64;

impl<E: NativePairs> Kernel<E> for PairBlock<'_, E> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector<Element = E>>(self, token: V::Token) {
        let Self { plan, block, buffers, wanted, factors, values } = self;
        let weighted = plan.weight.is_some() || block.weighted || block.has_targets;
        let mut trust = V::splat(token, 0.0);
        if let Some(Coefficients { shift, .. }) = plan.way.coefficients() {
            trust = V::call(token, Exponentials::<V> { token, block, shift });
        }
        block.clear_sums(wanted);
        let mut value = [0.0; VALUE_SUMS];
        let mut least = [[E::infinity(); MOST_LANES]; 2];
        let mut tiles = Tiles { plan, buffers, wanted, value: &mut value, least: &mut least };
        match block.layout {
            Layout::SideBySide => tiles.side_by_side::<V>(token, block),
            Layout::InLanes => tiles.in_lanes::<V>(token, block),
        }
        let exponential = plan.function.traits().exponential;
        if weighted || (exponential && plan.way.coefficients().is_none()) {
            let least = &least;
            trust = trust + V::call(token, Trust::<V> { token, block, plan, weighted, least });
        }
        let finish =
            Finish::<V> { token, block, plan, wanted, factors, values, value: &value, trust };
        V::call(token, finish);
    }
}

/// Whether lists are to be trusted to the kernel: 0 where they are, else NaN.
struct Trust<'a, V: Vector> {
    token: V::Token,
    block: &'a Block<V::Element>,
    plan: PairPlan<'a>,
    weighted: bool,
    least: &'a [[V::Element; MOST_LANES]; 2],
}

impl<V: Vector<Element: NativePairs>> Kernel<V::Element> for Trust<'_, V> {
    type Output = V;

    #[inline(always)]
    fn run<W: Vector<Element = V::Element>>(self, _: W::Token) -> V {
        let Self { token, block, plan, weighted, least } = self;
        let splat = |x| V::splat(token, x);
        let (zero, nan) = (splat(0.0), splat(f64::NAN));
        let all = |least: V| match block.layout {
            Layout::SideBySide => least,
            Layout::InLanes => V::all(token, least.least_lane()),
        };
        let [least_gap, least_weight] =
            least.each_ref().map(|least| all(V::of(token, V::raws(least)[0])));
        let mut trust = zero;
        let (low, high) = extremes::<V>(token, block);
        let spread = high - low;
        let exponential = plan.function.traits().exponential;
        if exponential {
            trust = V::select(splat(V::SPREAD).above(spread), trust, nan);
        }
        if weighted {
            // The least product of a weight and an exponential is a normal number.
            let tail = if exponential { (-spread).exp() } else { splat(1.0) };
            let normal = (least_weight * tail).above(splat(V::Element::LEAST_NORMAL));
            trust = V::select(normal, trust, nan);
        }
        if plan.weight.is_some_and(|weight| weight.factors().is_some_and(|f| f.gain.is_some())) {
            // Unequal gains that are too close differ by too little beside what rounding took.
            let mut greatest = zero;
            for &gain in V::raws(&block.slots[0]) {
                greatest = greatest.max(V::of(token, gain).abs());
            }
            if block.layout == Layout::InLanes {
                greatest = V::all(token, greatest.greatest_lane());
            }
            let limit =
                if plan.exact_gains { V::Element::LEAST_EXACT_GAP } else { V::Element::LEAST_GAP };
            let enough = least_gap.above(greatest.times(limit));
            trust = V::select(enough, trust, nan);
        }
        trust
    }
}

/// What differs between `f32` and `f64` for the pair losses.
pub(super) trait NativePairs: Real {
    /// Gains made in vectors that are relatively closer than this are made anew, one by one.
    const LEAST_GAP: f64;
    /// Gains that are relatively closer than this are left to a kernel that keeps more of them.
    const LEAST_EXACT_GAP: f64;
    /// The least normal number.
    const LEAST_NORMAL: f64;

    fn tile(function: &dyn TileFunction, terms: Terms<'_, Self>);
    fn weigh(weight: &dyn TileWeight, slots: PairSlots<'_, Self>);
    /// The least number of the type that is not below x.
    fn least_from(x: f64) -> f64;
}

#[cfg(feature = "simd")]
impl NativePairs for f32 {
    const LEAST_GAP: f64 = 1.0 / (1 << 25) as f64;
    const LEAST_EXACT_GAP: f64 = Self::LEAST_GAP; // two numbers hold no more than vectors make
    const LEAST_NORMAL: f64 = 1.2e-38;

    fn tile(function: &dyn TileFunction, terms: Terms<'_, Self>) {
        function.tile_single(terms);
    }

    fn weigh(weight: &dyn TileWeight, slots: PairSlots<'_, Self>) {
        weight.tile_single(slots);
    }

    fn least_from(x: f64) -> f64 {
        least_single_from(x)
    }
}

impl NativePairs for f64 {
    const LEAST_GAP: f64 = 1.0 / (1 << 14) as f64;
    const LEAST_EXACT_GAP: f64 = 1.0 / (1_u64 << 34) as f64;
    const LEAST_NORMAL: f64 = 2.3e-308;

    fn tile(function: &dyn TileFunction, terms: Terms<'_, Self>) {
        function.tile_double(terms);
    }

    fn weigh(weight: &dyn TileWeight, slots: PairSlots<'_, Self>) {
        weight.tile_double(slots);
    }

    fn least_from(x: f64) -> f64 {
        x
    }
}

/// The tiles of a block.
struct Tiles<'a, 'p, E> {
    plan: PairPlan<'p>,
    buffers: &'a mut Buffers<E>,
    wanted: Wanted,
    value: &'a mut [f64],
    least: &'a mut [[E; MOST_LANES]; 2],
}

/// The columns of a block that tiles write to or read pair by pair.
struct Shared<'a, E> {
    weighted: bool,
    sums: &'a mut [Vec<f64>; 3],
    /// Ψ_ij and Ψ_ji, and the vectors of a row; empty where there are none.
    targets: &'a [Vec<E>; 2],
    stride: usize,
}

impl<E: NativePairs> Tiles<'_, '_, E> {
    #[inline(always)]
    fn side_by_side<V: Vector<Element = E>>(&mut self, token: V::Token, block: &mut Block<E>) {
        let (items, layout) = (block.vectors, block.layout);
        let mut sums = std::mem::take(&mut block.sums);
        for first_row in (0..items).step_by(ROWS) {
            let rows = block.side::<V>(first_row, ROWS.min(items - first_row));
            // The last row has the most columns before it.
            let before = first_row + rows.scores.len() - 1;
            for first in (0..before).step_by(COLUMNS) {
                let columns = block.side::<V>(first, COLUMNS.min(before - first));
                let ahead = first_row - first.min(first_row);
                let order = PairOrder::ByLabel;
                let tile = Tile { token, rows, columns, ahead, layout, order };
                let shared = Shared {
                    weighted: block.weighted,
                    sums: &mut sums,
                    targets: &block.targets,
                    stride: if block.has_targets { items } else { 0 },
                };
                self.add(tile, shared, [first_row, first], first_row);
            }
        }
        block.sums = sums;
    }

    #[inline(always)]
    fn in_lanes<V: Vector<Element = E>>(&mut self, token: V::Token, block: &mut Block<E>) {
        let (items, vectors, lanes) = (block.items, block.vectors, V::lanes());
        let layout = block.layout;
        let mut sums = std::mem::take(&mut block.sums);
        let row_start = vectors;
        for first_row in (0..items).step_by(ROWS) {
            let len = ROWS.min(items - first_row);
            let copies = Copies::<V>::of(token, block, first_row);
            // Vectors of items that all stand before the first row, and then those of which some do.
            let limit = self.plan.limit.div_ceil(lanes);
            let whole = (first_row / lanes).min(limit);
            let end = (first_row + len - 1).div_ceil(lanes).min(limit);
            let mut first = 0;
            while first < end {
                let mut rows = copies.side(len);
                let (labels, width);
                if first < whole {
                    width = COLUMNS.min(whole - first);
                } else {
                    let ahead = first_row as f64 - (first * lanes) as f64;
                    labels = copies.labels_behind(token, ahead);
                    (rows.labels, width) = (&labels[..len], 1);
                }
                let columns = block.side::<V>(first, width);
                let (ahead, order) = (0, PairOrder::ByLabel);
                let tile = Tile { token, rows, columns, ahead, layout, order };
                let shared = Shared {
                    weighted: block.weighted,
                    sums: &mut sums,
                    targets: &block.targets,
                    stride: if block.has_targets { vectors } else { 0 },
                };
                self.add(tile, shared, [row_start, first], first_row);
                first += width;
            }
            let results = [true, self.wanted.curvature(), self.wanted.curvature()];
            for ((sums, row_sums), _) in
                sums.iter_mut().zip(&mut block.row_sums).zip(results).filter(|(_, wanted)| *wanted)
            {
                for row in 0..len {
                    let sum = V::Wide::load(token, sums, row_start + row);
                    row_sums[first_row + row] = sum.total().round();
                    V::Wide::zero(token).store(sums, row_start + row);
                }
            }
        }
        block.sums = sums;
    }

    /// Adds the pairs of a tile; `first_row` is the index of its first row.
    #[inline(always)]
    fn add<V: Vector<Element = E>>(
        &mut self,
        tile: Tile<'_, V>,
        shared: Shared<'_, E>,
        starts: [usize; 2],
        first_row: usize,
    ) {
        let Shared { weighted, sums, targets, stride } = shared;
        if stride == 0 {
            return self.add_pairs(tile, weighted, sums, starts, None);
        }
        // Against soft targets, each pair in both orders.
        let first = (first_row * stride + starts[1]) * V::lanes();
        let orders = [(PairOrder::Row, &targets[0]), (PairOrder::Column, &targets[1])];
        for (order, targets) in orders {
            let matrix = Some((&targets[first..], stride));
            self.add_pairs(Tile { order, ..tile }, weighted, sums, starts, matrix);
        }
    }

    #[inline(always)]
    fn add_pairs<V: Vector<Element = E>>(
        &mut self,
        tile: Tile<'_, V>,
        weighted: bool,
        sums: &mut [Vec<f64>; 3],
        starts: [usize; 2],
        matrix: Option<(&[E], usize)>,
    ) {
        let Self { plan, buffers, wanted, value, least } = self;
        let (token, wanted, value) = (tile.token, *wanted, &mut **value);
        let curvature = wanted.curvature();
        let pairs = match plan.way {
            Way::LogisticSums(family) => {
                let diagonal = wanted.diagonal.is_some();
                let sums = LogisticSums { tile, family, diagonal, value, sums, starts };
                return V::call(token, sums);
            }
            Way::HingeSums { margin } => {
                let single = plan.single;
                let kink = if single { least_single_from(margin) } else { E::least_from(margin) };
                return V::call(
                    token,
                    HingeSums { tile, kink, single, count: value, sums, starts },
                );
            }
            Way::LogisticTerms(family) => {
                V::call(token, LogisticTerms { tile, buffers, family, curvature })
            }
            Way::Terms => {
                let traits = plan.function.traits();
                let (gap, ties, single) = (traits.gap, traits.ties, plan.single);
                let pairs = V::call(token, Margins { tile, buffers, single, gap, ties });
                let Buffers { margins, lost, gaps, curvatures, .. } = &mut **buffers;
                let gaps = gaps.each_ref().map(|gaps| &gaps[..pairs]);
                let terms = Terms {
                    lanes: V::lanes(),
                    margins: &mut margins[..pairs],
                    lost: &mut lost[..pairs],
                    gaps,
                    curvatures: &mut curvatures[..if curvature { pairs } else { 0 }],
                };
                E::tile(plan.function, terms);
                pairs
            }
        };
        let by_formula =
            |weight: &&dyn TileWeight| weight.factors().is_none() && weight.has_formula();
        if let Some(weight) = plan.weight.filter(by_formula) {
            V::call(token, SlotsOfPairs { tile, buffers });
            let Buffers { weights, slots, .. } = &mut **buffers;
            let slot = |k: usize| &slots[k][..pairs];
            let slots = PairSlots {
                lanes: V::lanes(),
                preferred: [slot(0), slot(1), slot(2), slot(3)],
                others: [slot(4), slot(5), slot(6), slot(7)],
                weights: &mut weights[..pairs],
            };
            E::weigh(weight, slots);
        }
        if plan.weight.is_some() || weighted || matrix.is_some() {
            let factors = plan.weight.map_or([false, false], |weight| match weight.factors() {
                Some(factors) => [factors.gain.is_some(), factors.discount.is_some()],
                None => [!weight.has_formula(); 2],
            });
            let (weights, tied) = (&mut buffers.weights[..], plan.tied);
            let ties = plan.function.traits().ties && matrix.is_none();
            let items = weighted;
            V::call(token, Weigh { tile, weights, factors, tied, items, ties, matrix, least });
        }
        V::call(token, Accumulate { tile, buffers, wanted, value, sums, starts });
    }
}

/// Fills in e^(s − midrange), 1 for what is absent; returns 0 where the list may be trusted to these,
/// else NaN.
struct Exponentials<'a, V: Vector> {
    token: V::Token,
    block: &'a mut Block<V::Element>,
    shift: f64,
}

impl<V: Vector> Kernel<V::Element> for Exponentials<'_, V> {
    type Output = V;

    #[inline(always)]
    fn run<W: Vector<Element = V::Element>>(self, _: W::Token) -> V {
        let Self { token, block, shift } = self;
        let of = |raw| V::of(token, raw);
        let (least, greatest) = extremes::<V>(token, block);
        let midrange = least + (greatest - least).times(0.5);
        let (scores, labels) = (V::raws(&block.scores), V::raws(&block.labels));
        for (exp, (&score, &label)) in
            V::raws_mut(&mut block.exps).iter_mut().zip(scores.iter().zip(labels))
        {
            let label = of(label);
            let (from_midrange, lost) = of(score).plus_exactly(-midrange);
            let present = label.equals(label);
            *exp = V::select(present, from_midrange.exp_of_sum(lost), label.constant(1.0)).raw();
        }
        let narrow = least.constant(V::SPREAD - shift.abs()).above(greatest - least);
        V::select(narrow, least.constant(0.0), least.constant(f64::NAN))
    }
}

/// Makes values and results of the sums.
struct Finish<'a, V: Vector> {
    token: V::Token,
    block: &'a mut Block<V::Element>,
    plan: PairPlan<'a>,
    wanted: Wanted,
    factors: &'a [f64],
    values: &'a mut [f64],
    value: &'a [f64],
    trust: V,
}

impl<V: Vector<Element: NativePairs>> Kernel<V::Element> for Finish<'_, V> {
    type Output = ();

    #[inline(always)]
    fn run<W: Vector<Element = V::Element>>(self, _: W::Token) {
        let Self { token, block, plan, wanted, factors, values, value, trust } = self;
        let mut total = V::Wide::load(token, value, 0);
        match plan.way {
            Way::LogisticSums(Coefficients { scale, .. }) => {
                let logarithms = V::Wide::load(token, value, 1);
                let factors = [scale; MOST_LANES];
                let scaled = if scale == 1.0 { logarithms } else { logarithms.scaled(&factors) };
                total = total.minus(scaled);
            }
            Way::HingeSums { margin } => {
                total = total.scaled(&[margin; MOST_LANES]);
                let scores = V::raws(&block.scores);
                for (k, &score) in scores.iter().enumerate() {
                    let slope = V::Wide::load(token, &block.sums[0], k).narrow();
                    total.add_product(slope, V::of(token, score));
                }
                if block.layout == Layout::InLanes {
                    for (k, &score) in scores.iter().enumerate() {
                        let rows = &block.row_sums[0][k * V::lanes()..];
                        total.add_product(V::narrowed(token, rows), V::of(token, score));
                    }
                }
            }
            _ => {}
        }
        let results = [true, wanted.diagonal.is_some(), wanted.product];
        match block.layout {
            Layout::SideBySide => {
                total.plus(V::Wide::of(token, trust)).write(values);
                for (result, _) in results.iter().enumerate().filter(|(_, wanted)| **wanted) {
                    let out = V::raws_mut(&mut block.out[result]);
                    for (k, out) in out.iter_mut().enumerate() {
                        let sum = V::Wide::load(token, &block.sums[result], k);
                        *out = sum.scaled(factors).narrow().raw();
                    }
                }
            }
            Layout::InLanes => {
                values[0] = total.total().round() + trust.lane(0).widen();
                for (result, _) in results.iter().enumerate().filter(|(_, wanted)| **wanted) {
                    let mut sums = [0.0; MOST_LANES];
                    let lanes = V::lanes();
                    let out = block.out[result].chunks_exact_mut(lanes);
                    let rows = block.row_sums[result].chunks_exact(lanes);
                    for (k, (out, rows)) in out.zip(rows).enumerate() {
                        V::Wide::load(token, &block.sums[result], k).write(&mut sums);
                        for ((out, &row), &column) in out.iter_mut().zip(rows).zip(&sums) {
                            *out = V::Element::narrow((row + column) * factors[0]);
                        }
                    }
                }
            }
        }
        let lanes = V::lanes();
        match plan.way {
            // Where all margins are large, the product of the 1 − q does not tell the q apart from 0.
            Way::LogisticSums(_) => {
                let least = |items: f64, _| least_log::<V::Element>() * items * items;
                block.distrust_small(values, 0.0, least, lanes);
            }
            // Scores far greater than the value cancel in its sum.
            Way::HingeSums { .. } => {
                let rounding = match V::Element::PRECISION {
                    Precision::Single => 1.0 / (1_u64 << 28) as f64,
                    Precision::Double => 1e-27,
                };
                let least = |items: f64, greatest: f64| rounding * items * items * greatest;
                let (low, high) = extremes::<V>(token, block);
                let greatest = high.abs().max(low.abs()).greatest_lane().widen();
                block.distrust_small(values, greatest, least, lanes);
            }
            _ => {}
        }
    }
}

/// The least number of `f32` that is not below x.
fn least_single_from(x: f64) -> f64 {
    let nearest = f32::narrow(x);
    if nearest.widen() < x { nearest.next_up().widen() } else { nearest.widen() }
}
