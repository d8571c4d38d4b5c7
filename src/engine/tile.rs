//! Pairs of items, a tile at a time.
//!
//! A tile is at most eight *rows* against sixteen *columns*. Side by side, a row and a column are one
//! item of each list, a vector of as many lists. In lanes, a row is one item, copied to all lanes,
//! and a column a vector of consecutive items. The loops do not see the difference:
//!
//! ```text
//! for each row r, for each column c before it:
//!     preferred = which of the two has the greater label
//!     margin    = score of the preferred − score of the other        (with its rounding error)
//!     weight    = +1 where r is preferred, −1 where c is, 0 where neither      → [`Margins`]
//! values, slopes = φ(margins)                          → `TileFunction`: one call for the tile
//! weight *= Δ of r and c, item weight of the preferred                         → [`Weigh`]
//! value += |weight| · φ,  slope of r += weight · φ′,  slope of c −= weight · φ′  → [`Accumulate`]
//! ```
//!
//! Each step is a loop of its own over buffers that stay in the first-level cache. So a step is
//! compiled once, whatever it is combined with, and what is asked for seldom (ties, gaps, curvature)
//! costs nothing where it is not asked for. The two commonest losses have loops that do it all at
//! once: [`LogisticSums`] and [`HingeSums`].

use super::block::{Block, Diagonal, Layout, ROWS, Wanted};
use crate::Real;
use crate::vector::{Kernel, LogProduct, MOST_LANES, Vector, WideSum};

/// The columns of a tile.
pub(super) const COLUMNS: usize = 16;

/// What the loops read of items, a vector each.
pub(super) struct Side<'a, V: Vector> {
    pub(super) scores: &'a [V::Raw],
    pub(super) labels: &'a [V::Raw],
    pub(super) weights: &'a [V::Raw],
    pub(super) direction: &'a [V::Raw],
    pub(super) exps: &'a [V::Raw],
    pub(super) slots: [&'a [V::Raw]; 5],
}

#[allow(clippy::expl_impl_clone_on_copy)] // a derive would ask it of the vectors
impl<V: Vector> Clone for Side<'_, V> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<V: Vector> Copy for Side<'_, V> {}

const COUNT: [f64; 16] =
    [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0, 12.0, 13.0, 14.0, 15.0];

/// Items of one list, each copied to all lanes.
pub(super) struct Copies<V: Vector> {
    columns: [[V::Raw; ROWS]; 10],
}

impl<V: Vector> Copies<V> {
    /// The items from `first` on.
    #[inline(always)]
    pub(super) fn of(token: V::Token, block: &Block<V::Element>, first: usize) -> Self {
        let Block { scores, labels, weights, direction, exps, slots, .. } = block;
        let mut columns = [[V::splat(token, 0.0).raw(); ROWS]; 10];
        let all = [scores, labels, weights, direction, exps].into_iter().chain(slots);
        for (column, numbers) in columns.iter_mut().zip(all) {
            for (copy, &number) in column.iter_mut().zip(&numbers[first..]) {
                *copy = V::all(token, number).raw();
            }
        }
        Self { columns }
    }

    #[inline(always)]
    pub(super) fn side(&self, rows: usize) -> Side<'_, V> {
        let [scores, labels, weights, direction, exps, slots @ ..] =
            self.columns.each_ref().map(|column| &column[..rows]);
        Side { scores, labels, weights, direction, exps, slots }
    }

    /// The labels against one vector of columns, in which the first of the items is the `ahead`th lane:
    /// NaN in the lanes that do not stand before the row.
    #[inline(always)]
    pub(super) fn labels_behind(&self, token: V::Token, ahead: f64) -> [V::Raw; ROWS] {
        let mut labels = self.columns[1];
        let lanes = V::narrowed(token, &COUNT);
        for (row, label) in labels.iter_mut().enumerate() {
            let before = V::splat(token, ahead + row as f64).above(lanes);
            *label = V::select(before, V::of(token, *label), lanes.constant(f64::NAN)).raw();
        }
        labels
    }
}

impl<E: Real> Block<E> {
    /// The vectors of a range.
    #[inline(always)]
    pub(super) fn side<V: Vector<Element = E>>(&self, first: usize, len: usize) -> Side<'_, V> {
        #[inline(always)]
        fn part<V: Vector>(column: &[V::Element], first: usize, len: usize) -> &[V::Raw] {
            &V::raws(column)[first..first + len]
        }
        let Self { scores, labels, weights, direction, exps, slots, .. } = self;
        Side {
            scores: part::<V>(scores, first, len),
            labels: part::<V>(labels, first, len),
            weights: part::<V>(weights, first, len),
            direction: part::<V>(direction, first, len),
            exps: part::<V>(exps, first, len),
            slots: slots.each_ref().map(|slot| part::<V>(slot, first, len)),
        }
    }
}

/// Rows and columns, and which of the pairs of a row and a column are meant.
pub(super) struct Tile<'a, V: Vector> {
    pub(super) token: V::Token,
    pub(super) rows: Side<'a, V>,
    pub(super) columns: Side<'a, V>,
    /// Side by side, the index of the first row less that of the first column.
    pub(super) ahead: usize,
    pub(super) layout: Layout,
    pub(super) order: PairOrder,
}

/// Which item of a pair is the preferred one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PairOrder {
    /// That of the greater label; neither where labels are equal.
    ByLabel,
    /// The row, whatever the labels: against soft targets each pair comes in both orders.
    Row,
    /// The column.
    Column,
}

#[allow(clippy::expl_impl_clone_on_copy)] // a derive would ask it of the vectors
impl<V: Vector> Clone for Tile<'_, V> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<V: Vector> Copy for Tile<'_, V> {}

impl<V: Vector> Tile<'_, V> {
    /// The number of columns against a row.
    #[inline(always)]
    fn width(&self, row: usize) -> usize {
        let columns = self.columns.scores.len();
        match self.layout {
            Layout::SideBySide => columns.min(self.ahead + row),
            Layout::InLanes => columns,
        }
    }

    /// The number of pairs, in vectors.
    fn pairs(&self) -> usize {
        (0..self.rows.scores.len()).map(|row| self.width(row)).sum()
    }

    #[inline(always)]
    fn of(&self, raw: V::Raw) -> V {
        V::of(self.token, raw)
    }

    /// Which item of a row and a column is preferred.
    #[inline(always)]
    fn preferred(&self, row: usize, column: usize) -> Preferred<V> {
        let label = self.of(self.rows.labels[row]);
        let column_label = self.of(self.columns.labels[column]);
        let sign = column_label - label;
        match self.order {
            PairOrder::ByLabel => Preferred { sign },
            // 0 or NaN, and −1 or 1 more.
            PairOrder::Row => Preferred { sign: sign.times(0.0) - sign.constant(1.0) },
            PairOrder::Column => Preferred { sign: sign.times(0.0) + sign.constant(1.0) },
        }
    }
}

/// Which item of a pair is preferred: the sign is negative where the row is, positive where the
/// column is; 0 where labels are equal, NaN where an item is absent.
#[derive(Clone, Copy)]
struct Preferred<V> {
    sign: V,
}

impl<V: Vector> Preferred<V> {
    #[inline(always)]
    fn of(row: V, column: V) -> Self {
        Self { sign: column - row }
    }

    /// Where one is.
    #[inline(always)]
    fn any(self) -> V::Mask {
        self.sign.abs().above(self.sign.constant(0.0))
    }

    /// Where the column is.
    #[inline(always)]
    fn column(self) -> V::Mask {
        self.sign.above(self.sign.constant(0.0))
    }
}

/// The buffers of a tile's steps.
#[derive(Debug, Clone)]
pub(super) struct Buffers<E> {
    /// Margins, then values.
    pub(super) margins: Vec<E>,
    /// What rounding took from the margins, then slopes.
    pub(super) lost: Vec<E>,
    /// + where the row is preferred, − where the column is, 0 where neither.
    pub(super) weights: Vec<E>,
    pub(super) gaps: [Vec<E>; 2],
    pub(super) curvatures: Vec<E>,
    /// The four slots of the preferred items, and those of the others; filled for weights with a
    /// formula of their own.
    pub(super) slots: [Vec<E>; 8],
}

impl<E: Real> Default for Buffers<E> {
    fn default() -> Self {
        let room = || vec![E::zero(); ROWS * COLUMNS * MOST_LANES];
        Self {
            margins: room(),
            lost: room(),
            weights: room(),
            gaps: [room(), room()],
            curvatures: room(),
            slots: std::array::from_fn(|_| room()),
        }
    }
}

/// Makes margins and signs; returns the number of pairs, in numbers.
pub(super) struct Margins<'a, V: Vector> {
    pub(super) tile: Tile<'a, V>,
    pub(super) buffers: &'a mut Buffers<V::Element>,
    /// Whether margins are to be rounded to `f32`, since the arrays are.
    pub(super) single: bool,
    pub(super) gap: bool,
    pub(super) ties: bool,
}

impl<V: Vector> Kernel<V::Element> for Margins<'_, V> {
    type Output = usize;

    #[inline(always)]
    fn run<W: Vector<Element = V::Element>>(self, _: W::Token) -> usize {
        let Self { tile, buffers, single, gap, ties } = self;
        let Buffers { margins, lost, weights, gaps, .. } = buffers;
        let (margins, lost) = (V::raws_mut(margins), V::raws_mut(lost));
        let (weights, [gaps, gaps_lost]) = (V::raws_mut(weights), gaps.each_mut());
        let (gaps, gaps_lost) = (V::raws_mut(gaps), V::raws_mut(gaps_lost));
        let one = V::splat(tile.token, 1.0);
        let mut pair = 0;
        for row in 0..tile.rows.scores.len() {
            let score = tile.of(tile.rows.scores[row]);
            for column in 0..tile.width(row) {
                let preferred = tile.preferred(row, column);
                let sign = preferred.sign;
                let any = if ties { sign.equals(sign) } else { preferred.any() };
                let (difference, rest) = tile.of(tile.columns.scores[column]).plus_exactly(-score);
                let (mut margin, mut rest) = (difference.flip(sign), rest.flip(sign));
                if single {
                    let rounded = margin.rounded_to_single();
                    rest = (margin - rounded) + rest;
                    margin = rounded;
                }
                margins[pair] = margin.keep(any).raw();
                lost[pair] = rest.keep(any).raw();
                weights[pair] = (-one).flip(sign).keep(any).raw();
                if gap {
                    let label = tile.of(tile.rows.labels[row]);
                    let column_label = tile.of(tile.columns.labels[column]);
                    let (gap, gap_rest) = column_label.plus_exactly(-label);
                    gaps[pair] = gap.flip(sign).keep(any).raw();
                    gaps_lost[pair] = gap_rest.flip(sign).keep(any).raw();
                }
                pair += 1;
            }
        }
        pair * V::lanes()
    }
}

/// The coefficients of scale · log(1 + e^(shift − d)) + tilt · d.
#[derive(Debug, Clone, Copy)]
pub(super) struct Coefficients {
    pub(super) scale: f64,
    pub(super) shift: f64,
    pub(super) tilt: f64,
}

impl Coefficients {
    pub(super) fn are_plain(&self) -> bool {
        (self.scale, self.shift, self.tilt) == (1.0, 0.0, 0.0)
    }
}

/// A pair of the logistic family by the exponentials of its items: how far the margin is behind the
/// shift, 0 where there is no pair, and the lesser, the greater and the sum of e^shift times the
/// exponential of the other item, and of that of the preferred one.
#[inline(always)]
fn logistic_pair<V: Vector, const PLAIN: bool>(
    preferred: Preferred<V>,
    difference: V,
    [row, column]: [V; 2],
    [shift, shift_exp]: [V; 2],
) -> (V, [V; 3]) {
    let behind = difference.flip(preferred.sign);
    if PLAIN {
        let exps = [row.min(column), row.max(column), row + column];
        return (behind.keep(preferred.any()), exps);
    }
    let is_column = preferred.column();
    let other = V::select(is_column, row, column) * shift_exp;
    let of_preferred = V::select(is_column, column, row);
    let exps = [other.min(of_preferred), other.max(of_preferred), other + of_preferred];
    ((behind + shift).keep(preferred.any()), exps)
}

/// Values, slopes and signs of the logistic family, from exponentials made once an item.
pub(super) struct LogisticTerms<'a, V: Vector> {
    pub(super) tile: Tile<'a, V>,
    pub(super) buffers: &'a mut Buffers<V::Element>,
    pub(super) family: Coefficients,
    pub(super) curvature: bool,
}

impl<V: Vector> Kernel<V::Element> for LogisticTerms<'_, V> {
    type Output = usize;

    #[inline(always)]
    fn run<W: Vector<Element = V::Element>>(self, token: W::Token) -> usize {
        if self.family.are_plain() {
            self.all::<true>()
        } else {
            let _ = token;
            self.all::<false>()
        }
    }
}

impl<V: Vector> LogisticTerms<'_, V> {
    #[inline(always)]
    fn all<const PLAIN: bool>(self) -> usize {
        let Self { tile, buffers, family: Coefficients { scale, shift, tilt }, curvature } = self;
        let Buffers { margins, lost, weights, curvatures, .. } = buffers;
        let (margins, lost) = (V::raws_mut(margins), V::raws_mut(lost));
        let (weights, curvatures) = (V::raws_mut(weights), V::raws_mut(curvatures));
        let splat = |x| V::splat(tile.token, x);
        let (zero, one) = (splat(0.0), splat(1.0));
        let shifts = [splat(shift), splat(shift.exp())];
        let (scale, tilt) = (splat(scale), splat(tilt));
        let mut pair = 0;
        for row in 0..tile.rows.scores.len() {
            let (score, exp) = (tile.of(tile.rows.scores[row]), tile.of(tile.rows.exps[row]));
            for column in 0..tile.width(row) {
                let preferred = tile.preferred(row, column);
                let difference = score - tile.of(tile.columns.scores[column]);
                let exps = [exp, tile.of(tile.columns.exps[column])];
                let (behind, [small, large, sum]) =
                    logistic_pair::<V, PLAIN>(preferred, difference, exps, shifts);
                // small/(small + large), and t of log(1 + small/large) = 2 artanh(t), by one division.
                let twice = sum + large;
                let inverse = one / (sum * twice);
                let part = (small * twice) * inverse;
                let mut value = behind.max(zero) + ((small * sum) * inverse).twice_artanh();
                let mut slope = V::select(behind.above(zero), part - one, -part);
                if !PLAIN {
                    value = (shifts[0] - behind).mul_add(tilt, value * scale);
                    slope = slope.mul_add(scale, tilt);
                }
                margins[pair] = value.raw();
                lost[pair] = slope.raw();
                weights[pair] = (-one).flip(preferred.sign).keep(preferred.any()).raw();
                if curvature {
                    let curvature = part * (one - part);
                    let curvature = if PLAIN { curvature } else { curvature * scale };
                    curvatures[pair] = curvature.raw();
                }
                pair += 1;
            }
        }
        pair * V::lanes()
    }
}

/// Multiplies the signs by the pairs' weights.
pub(super) struct Weigh<'a, V: Vector> {
    pub(super) tile: Tile<'a, V>,
    pub(super) weights: &'a mut [V::Element],
    /// Whether the weights have factors |g_i − g_j| and |d_i − d_j| of the slots [g, lost of g, d, lost
    /// of d].
    pub(super) factors: [bool; 2],
    /// Equal scores have the discount difference of the fifth slot.
    pub(super) tied: bool,
    /// The item weight of the preferred item.
    pub(super) items: bool,
    /// Pairs of equal labels take part, with the mean of both item weights.
    pub(super) ties: bool,
    /// Weights of pairs, row by row, from that of the first row and the first column on; and from row
    /// to row, in vectors.
    pub(super) matrix: Option<(&'a [V::Element], usize)>,
    /// The least |g_i − g_j| so far of the pairs, and the least weight above 0, a vector each.
    pub(super) least: &'a mut [[V::Element; MOST_LANES]; 2],
}

impl<V: Vector> Kernel<V::Element> for Weigh<'_, V> {
    type Output = ();

    #[inline(always)]
    fn run<W: Vector<Element = V::Element>>(self, _: W::Token) {
        let Self { tile, weights, factors, tied, items, ties, matrix, least } = self;
        let weights = V::raws_mut(weights);
        let [least_gap, least_weight] = least.each_mut().map(|least| &mut V::raws_mut(least)[0]);
        let zero = V::splat(tile.token, 0.0);
        match (factors, tied) {
            ([false, false], _) => {}
            ([true, false], _) => {
                Self::differences::<true, false, false>(&tile, weights, least_gap);
            }
            ([false, true], false) => {
                Self::differences::<false, true, false>(&tile, weights, least_gap);
            }
            ([false, true], true) => {
                Self::differences::<false, true, true>(&tile, weights, least_gap);
            }
            ([true, true], false) => {
                Self::differences::<true, true, false>(&tile, weights, least_gap);
            }
            ([true, true], true) => {
                Self::differences::<true, true, true>(&tile, weights, least_gap);
            }
        }
        if let Some((matrix, stride)) = matrix {
            let matrix = V::raws(matrix);
            let mut pair = 0;
            for row in 0..tile.rows.scores.len() {
                let width = tile.width(row);
                for &of_pair in &matrix[row * stride..][..width] {
                    weights[pair] = (tile.of(weights[pair]) * tile.of(of_pair)).raw();
                    pair += 1;
                }
            }
        }
        if items && ties {
            let half = V::splat(tile.token, 0.5);
            let mut pair = 0;
            for row in 0..tile.rows.weights.len() {
                let [of_row, label] =
                    [tile.rows.weights[row], tile.rows.labels[row]].map(|raw| tile.of(raw));
                let columns = tile.columns.weights.iter().zip(tile.columns.labels);
                for (&of_column, &other) in columns.take(tile.width(row)) {
                    let (of_column, other) = (tile.of(of_column), tile.of(other));
                    let mean = half.mul_add(of_row, half * of_column);
                    let of_item = V::select(other.above(label), of_column, mean);
                    let of_item = V::select(label.above(other), of_row, of_item);
                    weights[pair] = (tile.of(weights[pair]) * of_item).raw();
                    pair += 1;
                }
            }
        } else if items {
            let mut pair = 0;
            for row in 0..tile.rows.weights.len() {
                let of_row = tile.of(tile.rows.weights[row]);
                for &of_column in &tile.columns.weights[..tile.width(row)] {
                    let weight = tile.of(weights[pair]);
                    let of_item = V::select(weight.above(zero), of_row, tile.of(of_column));
                    weights[pair] = (weight * of_item).raw();
                    pair += 1;
                }
            }
        }
        let mut least = tile.of(*least_weight);
        let large = V::splat(tile.token, f64::INFINITY);
        for &weight in &weights[..tile.pairs()] {
            let weight = tile.of(weight).abs();
            least = least.min(V::select(weight.above(zero), weight, large));
        }
        *least_weight = least.raw();
    }
}

impl<V: Vector> Weigh<'_, V> {
    #[inline(always)]
    fn differences<const GAIN: bool, const DISCOUNT: bool, const TIED: bool>(
        tile: &Tile<'_, V>,
        weights: &mut [V::Raw],
        least: &mut V::Raw,
    ) {
        let of = |raw| V::of(tile.token, raw);
        let (zero, large) = (V::splat(tile.token, 0.0), V::splat(tile.token, f64::INFINITY));
        let mut least_gap = of(*least);
        let mut pair = 0;
        for row in 0..tile.rows.scores.len() {
            let [gain, gain_lost, discount, discount_lost, _] =
                tile.rows.slots.map(|slot| of(slot[row]));
            let score = of(tile.rows.scores[row]);
            let width = tile.width(row);
            let columns = tile.columns.slots.map(|slot| &slot[..width]);
            let scores = &tile.columns.scores[..width];
            let weights = &mut weights[pair..][..width];
            for column in 0..width {
                let mut weight = of(weights[column]);
                let mut factor = zero;
                if DISCOUNT {
                    factor = (discount - of(columns[2][column]))
                        + (discount_lost - of(columns[3][column]));
                    if TIED {
                        let equal = score.equals(of(scores[column]));
                        factor = V::select(equal, of(columns[4][column]), factor);
                    }
                    factor = factor.abs();
                }
                if GAIN {
                    let gain =
                        (gain - of(columns[0][column])) + (gain_lost - of(columns[1][column]));
                    let (gap, is_pair) = (gain.abs(), weight.abs().above(zero));
                    least_gap = least_gap.min(V::select(is_pair, gap, large));
                    factor = if DISCOUNT { factor * gap } else { gap };
                }
                weight = weight * factor;
                weights[column] = weight.raw();
            }
            pair += width;
        }
        *least = least_gap.raw();
    }
}

/// Sets out the slots of the preferred items and of the others, pair by pair.
pub(super) struct SlotsOfPairs<'a, V: Vector> {
    pub(super) tile: Tile<'a, V>,
    pub(super) buffers: &'a mut Buffers<V::Element>,
}

impl<V: Vector> Kernel<V::Element> for SlotsOfPairs<'_, V> {
    type Output = ();

    #[inline(always)]
    fn run<W: Vector<Element = V::Element>>(self, _: W::Token) {
        let Self { tile, buffers } = self;
        let zero = V::splat(tile.token, 0.0);
        let weights = V::raws(&buffers.weights);
        for slot in 0..4 {
            let (preferred, others) = buffers.slots.split_at_mut(4);
            let preferred = V::raws_mut(&mut preferred[slot]);
            let others = V::raws_mut(&mut others[slot]);
            let mut pair = 0;
            for row in 0..tile.rows.scores.len() {
                let of_row = tile.of(tile.rows.slots[slot][row]);
                for &of_column in &tile.columns.slots[slot][..tile.width(row)] {
                    let of_column = tile.of(of_column);
                    let is_row = tile.of(weights[pair]).above(zero);
                    preferred[pair] = V::select(is_row, of_row, of_column).raw();
                    others[pair] = V::select(is_row, of_column, of_row).raw();
                    pair += 1;
                }
            }
        }
    }
}

/// Adds the terms of a tile to the value and to the results of rows and columns.
pub(super) struct Accumulate<'a, V: Vector> {
    pub(super) tile: Tile<'a, V>,
    pub(super) buffers: &'a Buffers<V::Element>,
    pub(super) wanted: Wanted,
    /// A wide sum.
    pub(super) value: &'a mut [f64],
    /// The wide sums of each result.
    pub(super) sums: &'a mut [Vec<f64>; 3],
    /// Where in the sums those of the rows and of the columns start.
    pub(super) starts: [usize; 2],
}

impl<V: Vector> Kernel<V::Element> for Accumulate<'_, V> {
    type Output = ();

    #[inline(always)]
    fn run<W: Vector<Element = V::Element>>(self, _: W::Token) {
        let Self { tile, buffers, wanted, value, sums, starts } = self;
        let Buffers { margins: values, lost: slopes, weights, curvatures, .. } = buffers;
        let of = |raw| V::of(tile.token, raw);
        let (values, slopes) = (V::raws(values), V::raws(slopes));
        let (weights, curvatures) = (V::raws(weights), V::raws(curvatures));
        let zero = V::splat(tile.token, 0.0);
        let [of_slopes, of_diagonal, of_product] = sums;

        let mut total = V::Wide::load(tile.token, value, 0);
        let mut of_columns = [zero; COLUMNS];
        let mut pair = 0;
        for row in 0..tile.rows.scores.len() {
            let (mut of_row, mut of_values) = (zero, zero);
            let width = tile.width(row);
            let (values, slopes) = (&values[pair..][..width], &slopes[pair..][..width]);
            let weights = &weights[pair..][..width];
            for column in 0..width {
                let weight = of(weights[column]);
                let slope = weight * of(slopes[column]);
                of_values = weight.abs().mul_add(of(values[column]), of_values);
                of_row = of_row + slope;
                of_columns[column] = of_columns[column] - slope;
            }
            pair += width;
            total.add(of_values);
            add_at(tile.token, of_slopes, starts[0] + row, of_row);
        }
        total.store(value, 0);
        flush(&tile, of_slopes, starts[1], &of_columns);

        if let Some(diagonal) = wanted.diagonal {
            let mut of_columns = [zero; COLUMNS];
            let mut pair = 0;
            for row in 0..tile.rows.scores.len() {
                let mut of_row = zero;
                for of_column in &mut of_columns[..tile.width(row)] {
                    let mut curvature = of(weights[pair]).abs() * of(curvatures[pair]);
                    if diagonal == Diagonal::NonNegative {
                        curvature = curvature.max(zero);
                    }
                    of_row = of_row + curvature;
                    *of_column = *of_column + curvature;
                    pair += 1;
                }
                add_at(tile.token, of_diagonal, starts[0] + row, of_row);
            }
            flush(&tile, of_diagonal, starts[1], &of_columns);
        }
        if wanted.product {
            let mut of_columns = [zero; COLUMNS];
            let mut pair = 0;
            for row in 0..tile.rows.scores.len() {
                let (mut of_row, along) = (zero, of(tile.rows.direction[row]));
                for (column, of_column) in of_columns[..tile.width(row)].iter_mut().enumerate() {
                    let curvature = of(weights[pair]).abs() * of(curvatures[pair]);
                    let change = curvature * (along - of(tile.columns.direction[column]));
                    of_row = of_row + change;
                    *of_column = *of_column - change;
                    pair += 1;
                }
                add_at(tile.token, of_product, starts[0] + row, of_row);
            }
            flush(&tile, of_product, starts[1], &of_columns);
        }
    }
}

/// Adds to the `k`th of many wide sums.
#[inline(always)]
fn add_at<V: Vector>(token: V::Token, sums: &mut [f64], k: usize, term: V) {
    let mut sum = V::Wide::load(token, sums, k);
    sum.add(term);
    sum.store(sums, k);
}

/// Adds the columns' terms to their wide sums.
#[inline(always)]
fn flush<V: Vector>(tile: &Tile<'_, V>, sums: &mut [f64], start: usize, terms: &[V; COLUMNS]) {
    for (column, &term) in terms[..tile.columns.scores.len()].iter().enumerate() {
        add_at(tile.token, sums, start + column, term);
    }
}

/// All of the logistic family without weights: Σ max(γ − d, 0) − log Π (1 − q), where q is the smaller
/// of σ(d − γ) and σ(γ − d). One division serves two pairs, and one logarithm all pairs.
pub(super) struct LogisticSums<'a, V: Vector> {
    pub(super) tile: Tile<'a, V>,
    pub(super) family: Coefficients,
    pub(super) diagonal: bool,
    /// Two wide sums: what is linear, and the logarithms.
    pub(super) value: &'a mut [f64],
    pub(super) sums: &'a mut [Vec<f64>; 3],
    pub(super) starts: [usize; 2],
}

impl<V: Vector> Kernel<V::Element> for LogisticSums<'_, V> {
    type Output = ();

    #[inline(always)]
    fn run<W: Vector<Element = V::Element>>(self, _: W::Token) {
        match (self.family.are_plain(), self.diagonal) {
            (true, false) => self.all::<true, false>(),
            (true, true) => self.all::<true, true>(),
            (false, false) => self.all::<false, false>(),
            (false, true) => self.all::<false, true>(),
        }
    }
}

/// What a row of [`LogisticSums`] adds up.
#[derive(Clone, Copy)]
struct Row<V> {
    score: V,
    exp: V,
    slope: V,
    curvature: V,
}

impl<V: Vector> Row<V> {
    #[inline(always)]
    fn of(tile: &Tile<'_, V>, row: usize) -> Self {
        let zero = V::splat(tile.token, 0.0);
        let (score, exp) = (tile.of(tile.rows.scores[row]), tile.of(tile.rows.exps[row]));
        Self { score, exp, slope: zero, curvature: zero }
    }

    /// Adds the sums to the `at`th of the wide ones.
    #[inline(always)]
    fn end<const CURVED: bool>(
        self,
        tile: &Tile<'_, V>,
        scale: V,
        [slopes, curvatures]: [&mut Vec<f64>; 2],
        at: usize,
    ) {
        add_at(tile.token, slopes, at, self.slope);
        if CURVED {
            add_at(tile.token, curvatures, at, self.curvature * scale);
        }
    }
}

/// A pair of [`LogisticSums`] before its division.
#[derive(Clone, Copy)]
struct Fraction<V> {
    preferred: Preferred<V>,
    behind: V,
    small: V,
    sum: V,
}

/// What all pairs of [`LogisticSums`] have in common.
struct Constants<V> {
    zero: V,
    one: V,
    scale: V,
    tilt: V,
    shifts: [V; 2],
}

impl<V: Vector> Constants<V> {
    /// The pair of a row and a column; adds to `line` what is linear of its value.
    #[inline(always)]
    fn fraction<const PLAIN: bool>(
        &self,
        row: &Row<V>,
        label: V,
        [score, column_label, exp]: [V; 3],
        line: &mut V,
    ) -> Fraction<V> {
        let preferred = Preferred::of(label, column_label);
        let exps = [row.exp, exp];
        let (behind, [small, _, sum]) =
            logistic_pair::<V, PLAIN>(preferred, row.score - score, exps, self.shifts);
        let rise = behind.max(self.zero);
        *line = if PLAIN {
            *line + rise
        } else {
            let margin = (self.shifts[0] - behind).keep(preferred.any());
            margin.mul_add(self.tilt, rise.mul_add(self.scale, *line))
        };
        Fraction { preferred, behind, small, sum }
    }

    /// Adds the slope and the curvature of a pair whose quotient is `part`; returns the quotient, 0
    /// where there is no pair.
    #[inline(always)]
    fn finish<const PLAIN: bool, const CURVED: bool>(
        &self,
        Fraction { preferred, behind, .. }: Fraction<V>,
        part: V,
        row: &mut Row<V>,
        column: &mut V,
        curvature: &mut V,
    ) -> V {
        let part = part.keep(preferred.any());
        let mut size = V::select(behind.above(self.zero), self.one - part, part);
        if !PLAIN {
            size = size.mul_add(self.scale, -self.tilt).keep(preferred.any());
        }
        let slope = size.flip(preferred.sign);
        row.slope = row.slope + slope;
        *column = *column - slope;
        if CURVED {
            let bend = part * (self.one - part);
            row.curvature = row.curvature + bend;
            *curvature = *curvature + bend;
        }
        part
    }
}

impl<V: Vector> LogisticSums<'_, V> {
    #[inline(always)]
    fn all<const PLAIN: bool, const CURVED: bool>(self) {
        let Self { tile, family: Coefficients { scale, shift, tilt }, value, sums, starts, .. } =
            self;
        let splat = |x| V::splat(tile.token, x);
        let zero = splat(0.0);
        let shifts = [splat(shift), splat(shift.exp())];
        let constants =
            Constants { zero, one: splat(1.0), scale: splat(scale), tilt: splat(tilt), shifts };
        let mut linear = V::Wide::load(tile.token, value, 0);
        let mut product = V::Product::one(tile.token);
        let (mut slopes, mut curvatures) = ([zero; COLUMNS], [zero; COLUMNS]);
        let rows = tile.rows.scores.len();
        let [of_slopes, of_curvatures, _] = sums;
        let Side { scores, labels, exps, .. } = tile.columns;
        let nowhere = splat(f64::NAN);
        let absent = Row { score: zero, exp: constants.one, slope: zero, curvature: zero };
        let mut row = 0;
        while row < rows {
            // Two rows at a time. An odd last row goes with an absent item, as it does beside a
            // longer list: the quotients are rounded alike.
            let both = row + 1 < rows;
            let (mut a, mut b, mut line) = (Row::of(&tile, row), absent, zero);
            if both {
                b = Row::of(&tile, row + 1);
            }
            let label_a = tile.of(tile.rows.labels[row]);
            let label_b = if both { tile.of(tile.rows.labels[row + 1]) } else { nowhere };
            let common = tile.width(row);
            let (scores_before, labels_before) = (&scores[..common], &labels[..common]);
            let exps_before = &exps[..common];
            let columns = slopes[..common].iter_mut().zip(&mut curvatures[..common]);
            for (k, (slope, curvature)) in columns.enumerate() {
                let items = [scores_before[k], labels_before[k], exps_before[k]];
                let items = items.map(|raw| tile.of(raw));
                let of_a = constants.fraction::<PLAIN>(&a, label_a, items, &mut line);
                let of_b = constants.fraction::<PLAIN>(&b, label_b, items, &mut line);
                let inverse = constants.one / (of_a.sum * of_b.sum);
                let part_a = of_a.small * (inverse * of_b.sum);
                let part_b = of_b.small * (inverse * of_a.sum);
                let part_a =
                    constants.finish::<PLAIN, CURVED>(of_a, part_a, &mut a, slope, curvature);
                let part_b =
                    constants.finish::<PLAIN, CURVED>(of_b, part_b, &mut b, slope, curvature);
                // (1 − a)(1 − b) = 1 + ab − (a + b).
                product.grow(part_a.mul_add(part_b, -(part_a + part_b)));
            }
            if both {
                for k in common..tile.width(row + 1) {
                    let items = [scores[k], labels[k], exps[k]].map(|raw| tile.of(raw));
                    let of_b = constants.fraction::<PLAIN>(&b, label_b, items, &mut line);
                    let (slope, curvature) = (&mut slopes[k], &mut curvatures[k]);
                    let part = of_b.small / of_b.sum;
                    let part =
                        constants.finish::<PLAIN, CURVED>(of_b, part, &mut b, slope, curvature);
                    product.grow(-part);
                }
                b.end::<CURVED>(
                    &tile,
                    constants.scale,
                    [of_slopes, of_curvatures],
                    starts[0] + row + 1,
                );
            }
            a.end::<CURVED>(&tile, constants.scale, [of_slopes, of_curvatures], starts[0] + row);
            linear.add(line);
            row += 2;
        }
        // No factor is below 1/2, so that the product of a tile is a normal number.
        product.normalise();
        linear.store(value, 0);
        let logarithms = V::Wide::load(tile.token, value, 1).plus(product.ln());
        logarithms.store(value, 1);
        flush(&tile, of_slopes, starts[1], &slopes);
        if CURVED {
            let scaled = curvatures.map(|curvature| curvature * constants.scale);
            flush(&tile, of_curvatures, starts[1], &scaled);
        }
    }
}

/// The hinge max(0, δ − d) without weights, by counting: the slope of an item is the number of active
/// pairs in which it is not preferred less that of those in which it is, and the value is
/// δ·(number of active pairs) + Σ slope · score.
pub(super) struct HingeSums<'a, V: Vector> {
    pub(super) tile: Tile<'a, V>,
    /// The least number of the arrays' type that is not below δ: a margin of that type is active where
    /// it is below this.
    pub(super) kink: f64,
    /// Whether margins are to be rounded to `f32`, since the arrays are.
    pub(super) single: bool,
    /// A wide sum: the number of pairs.
    pub(super) count: &'a mut [f64],
    pub(super) sums: &'a mut [Vec<f64>; 3],
    pub(super) starts: [usize; 2],
}

impl<V: Vector> Kernel<V::Element> for HingeSums<'_, V> {
    type Output = ();

    #[inline(always)]
    fn run<W: Vector<Element = V::Element>>(self, _: W::Token) {
        let Self { tile, kink, single, count, sums, starts } = self;
        let (zero, one) = (V::splat(tile.token, 0.0), V::splat(tile.token, 1.0));
        let kink = V::splat(tile.token, kink);
        let mut total = V::Wide::load(tile.token, count, 0);
        let mut of_columns = [zero; COLUMNS];
        for row in 0..tile.rows.scores.len() {
            let score = tile.of(tile.rows.scores[row]);
            let label = tile.of(tile.rows.labels[row]);
            let (mut of_row, mut active) = (zero, zero);
            let width = tile.width(row);
            let scores = &tile.columns.scores[..width];
            let labels = &tile.columns.labels[..width];
            for (k, of_column) in of_columns[..width].iter_mut().enumerate() {
                let column_label = tile.of(labels[k]);
                let mut ahead = score - tile.of(scores[k]);
                if single {
                    ahead = ahead.rounded_to_single();
                }
                let of_preferred_row = one.keep(kink.above(ahead)).keep(label.above(column_label));
                let of_preferred_column =
                    one.keep(kink.above(-ahead)).keep(column_label.above(label));
                let slope = of_preferred_column - of_preferred_row;
                active = active + (of_preferred_column + of_preferred_row);
                of_row = of_row + slope;
                *of_column = *of_column - slope;
            }
            total.add(active);
            add_at(tile.token, &mut sums[0], starts[0] + row, of_row);
        }
        total.store(count, 0);
        flush(&tile, &mut sums[0], starts[1], &of_columns);
    }
}
