//! Pair weights as columns: a few numbers for each item, of which the weight of a pair is made.
//!
//! The commonest weight is a product of differences, Δ_ij = |g_i − g_j| · |d_i − d_j|. Gains and
//! discounts that lie close together differ by less than `f64` resolves, so a column holds each number
//! as rounded and what rounding took from it, in two *slots*. The slots are filled in O(K) for each
//! list; the loops over pairs read them.

use std::fmt::Debug;

use super::block::Block;
use crate::lists::List;
use crate::numeric::DoubleDouble;
use crate::numeric::extended::Extended;
use crate::numeric::number::Number;
use crate::ranking::{Discount, DiscountColumns, Gain, Ranking, ScoreTies, WellKnown};
use crate::vector::{Kernel, Vector};
use crate::{Error, Precision, Real};
use num_traits::Float as _;

/// One list and its ranking by score, as a [`PairWeight`] sees it.
#[derive(Debug, Clone, Copy)]
pub struct RankedList<'a> {
    list: List<'a>,
    ranking: &'a Ranking,
}

impl<'a> RankedList<'a> {
    pub(super) fn new(list: List<'a>, ranking: &'a Ranking) -> Self {
        Self { list, ranking }
    }

    /// The list.
    #[must_use]
    pub fn list(&self) -> List<'a> {
        self.list
    }

    /// The ranking of the list under the weight's rule for ties.
    #[must_use]
    pub fn ranking(&self) -> &'a Ranking {
        self.ranking
    }
}

/// The columns of one list: four slots for each item.
#[derive(Debug, Clone, Default)]
pub struct WeightColumns {
    pub(super) slots: [Vec<f64>; 4],
}

impl WeightColumns {
    pub(super) fn clear(&mut self, items: usize) {
        for slot in &mut self.slots {
            slot.clear();
            slot.resize(items, 0.0);
        }
    }

    /// Sets the gain g of an item.
    pub fn set_gain(&mut self, item: usize, gain: f64) {
        self.slots[0][item] = gain;
    }

    /// Sets the discount d of an item.
    pub fn set_discount(&mut self, item: usize, discount: f64) {
        self.slots[2][item] = discount;
    }

    /// Sets a slot of an item to a number rounded to the precision of the arrays, and the slot behind
    /// it to what rounding took.
    pub(crate) fn set_in_two(
        &mut self,
        slot: usize,
        item: usize,
        (hi, lo): (f64, f64),
        precision: Precision,
    ) {
        let rounded = precision.round(hi);
        self.slots[slot][item] = rounded;
        self.slots[slot + 1][item] = (hi - rounded) + lo;
    }

    /// The four slots of a weight with a formula of its own, which may mean anything. Without one they
    /// are the gain, what rounding took from it, the discount, and what rounding took from that.
    pub fn slots_mut(&mut self) -> &mut [Vec<f64>; 4] {
        &mut self.slots
    }
}

/// A weight Δ_ij ≥ 0 of the pairs of a list, a constant in the gradient: a point on the second axis of
/// the pair losses.
///
/// A weight sees the list and its ranking by score, and fills a few columns in O(K). In most cases
/// Δ_ij = |g_i − g_j| · |d_i − d_j| of two columns:
///
/// ```
/// use lipo::losses::{Logistic, LossExt, PairLoss, PairWeight, RankedList, WeightColumns};
/// use ndarray::array;
///
/// /// |ψ_i − ψ_j| · |1/τ_i² − 1/τ_j²|
/// #[derive(Debug)]
/// struct InverseSquare;
///
/// impl PairWeight for InverseSquare {
///     fn fill(&self, ranked: &RankedList<'_>, columns: &mut WeightColumns) {
///         for (item, &label) in ranked.list().labels().iter().enumerate() {
///             columns.set_gain(item, label);
///             columns.set_discount(item, (ranked.ranking().rank(item) as f64).powi(-2));
///         }
///     }
/// }
///
/// let loss = PairLoss::new(Logistic, InverseSquare);
/// let value = loss.value(&array![0.0_f64, 1.0], &array![1.0, 0.0])?;
/// assert!((value - 0.984946).abs() < 1e-6); // |1 - 0| · |1/4 - 1| · log(1 + e)
/// # Ok::<(), lipo::Error>(())
/// ```
///
/// A weight that is no such product sets [`FORMULA`](Self::FORMULA) and says in
/// [`delta`](Self::delta) what it makes of the slots.
pub trait PairWeight: Debug + Send + Sync {
    /// Whether Δ is what [`delta`](Self::delta) says, and not the product of differences.
    const FORMULA: bool = false;

    /// Whether the list is in the weight's domain.
    ///
    /// # Errors
    ///
    /// An index in the error counts the list's items; it is translated to the caller's arrays.
    fn check(&self, list: &List<'_>) -> Result<(), Error> {
        let _ = list;
        Ok(())
    }

    /// The rule for the ranks of equal scores.
    fn ties(&self) -> ScoreTies {
        ScoreTies::ByIndex
    }

    /// The last rank that counts, if there is one: Δ is taken for 0 where both ranks are behind it.
    /// With it the loss of a list takes O(K·cut-off + K log K).
    fn cutoff(&self) -> Option<usize> {
        None
    }

    /// Fills the columns of a list; they come filled with 0.
    fn fill(&self, ranked: &RankedList<'_>, columns: &mut WeightColumns);

    /// Δ of two items, by their slots; `#[inline(always)]`.
    #[inline(always)]
    fn delta<N: Number>(&self, i: [N; 4], j: [N; 4]) -> N {
        let gain = (i[0] - j[0]) + (i[1] - j[1]);
        let discount = (i[2] - j[2]) + (i[3] - j[3]);
        gain.abs() * discount.abs()
    }

    /// The gain and the discount of which Δ is made, where the engine can fill the columns itself.
    #[doc(hidden)]
    fn factors(&self) -> Option<Factors<'_>> {
        None
    }

    /// The greatest label whose gain is finite in a precision, and whether [`check`](Self::check) has
    /// more to say.
    #[doc(hidden)]
    fn domain(&self, precision: Precision) -> (f64, bool) {
        let _ = precision;
        (f64::INFINITY, true)
    }

    /// Whether Δ is 1.
    #[doc(hidden)]
    fn is_one(&self) -> bool {
        false
    }
}

/// |G(ψ_i) − G(ψ_j)| · |d(τ_i) − d(τ_j)| · scale, or one factor of it.
#[doc(hidden)]
#[derive(Debug, Clone, Copy)]
pub struct Factors<'a> {
    /// None where the gain differences are 1.
    pub(crate) gain: Option<&'a dyn Gain>,
    /// None where the discount differences are 1.
    pub(crate) discount: Option<&'a dyn Discount>,
    /// The last rank whose discount is not 0.
    pub(crate) cutoff: Option<usize>,
    /// Whether the weights of a list are divided by its greatest DCG.
    pub(crate) normalised: bool,
}

/// A [`PairWeight`] as the engine calls it.
pub trait TileWeight: Debug + Send + Sync {
    fn has_formula(&self) -> bool;
    fn domain(&self, precision: Precision) -> (f64, bool);
    fn is_one(&self) -> bool;
    fn ties(&self) -> ScoreTies;
    fn cutoff(&self) -> Option<usize>;
    fn factors(&self) -> Option<Factors<'_>>;
    fn fill(&self, ranked: &RankedList<'_>, columns: &mut WeightColumns);
    #[cfg(feature = "simd")]
    fn tile_single(&self, slots: PairSlots<'_, f32>);
    fn tile_double(&self, slots: PairSlots<'_, f64>);
    fn careful(&self, i: [Extended; 4], j: [Extended; 4]) -> Extended;
}

/// The slots of the pairs of a tile, and their weights.
pub struct PairSlots<'a, E> {
    pub(super) lanes: usize,
    pub(super) preferred: [&'a [E]; 4],
    pub(super) others: [&'a [E]; 4],
    /// Are multiplied by Δ.
    pub(super) weights: &'a mut [E],
}

impl<W: PairWeight> TileWeight for W {
    fn has_formula(&self) -> bool {
        W::FORMULA
    }

    fn domain(&self, precision: Precision) -> (f64, bool) {
        PairWeight::domain(self, precision)
    }

    fn is_one(&self) -> bool {
        PairWeight::is_one(self)
    }

    fn ties(&self) -> ScoreTies {
        PairWeight::ties(self)
    }

    fn cutoff(&self) -> Option<usize> {
        PairWeight::cutoff(self)
    }

    fn factors(&self) -> Option<Factors<'_>> {
        PairWeight::factors(self)
    }

    fn fill(&self, ranked: &RankedList<'_>, columns: &mut WeightColumns) {
        PairWeight::fill(self, ranked, columns);
    }

    #[cfg(feature = "simd")]
    fn tile_single(&self, slots: PairSlots<'_, f32>) {
        if W::FORMULA {
            crate::vector::run_single(slots.lanes, OfTile { weight: self, slots });
        }
    }

    fn tile_double(&self, slots: PairSlots<'_, f64>) {
        if W::FORMULA {
            crate::vector::run_double(slots.lanes, OfTile { weight: self, slots });
        }
    }

    fn careful(&self, i: [Extended; 4], j: [Extended; 4]) -> Extended {
        self.delta(i, j)
    }
}

struct OfTile<'a, W, E> {
    weight: &'a W,
    slots: PairSlots<'a, E>,
}

impl<W: PairWeight, E: Real> Kernel<E> for OfTile<'_, W, E> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector<Element = E>>(self, token: V::Token) {
        let PairSlots { preferred, others, weights, .. } = self.slots;
        let (preferred, others) = (preferred.map(V::raws), others.map(V::raws));
        let weights = V::raws_mut(weights);
        let len = weights.len();
        let preferred = preferred.map(|slot| &slot[..len]);
        let others = others.map(|slot| &slot[..len]);
        for (k, weight) in weights.iter_mut().enumerate() {
            let at = |slots: &[&[V::Raw]; 4]| slots.map(|slot| V::of(token, slot[k]));
            let delta = self.weight.delta(at(&preferred), at(&others));
            *weight = (V::of(token, *weight) * delta).raw();
        }
    }
}

/// Δ_ij = 1.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Unweighted;

impl PairWeight for Unweighted {
    fn fill(&self, _: &RankedList<'_>, _: &mut WeightColumns) {}

    fn domain(&self, _: Precision) -> (f64, bool) {
        (f64::INFINITY, false)
    }

    fn is_one(&self) -> bool {
        true
    }
}

/// Room for what columns are filled with.
#[derive(Debug, Clone, Default)]
pub(super) struct Filling {
    pub(super) ranking: Ranking,
    pub(super) columns: WeightColumns,
    discounts: DiscountColumns,
    /// d of the ranks from 1 on, rounded and lost.
    table: Vec<(f64, f64)>,
    /// Which discount and cut-off the table is of.
    key: (Option<WellKnown>, Option<usize>),
    /// The mean of the discounts of a tied group, and of their absolute differences over pairs, for
    /// each end of the group and each start.
    groups: Vec<[(f64, f64); 2]>,
    wide: [Vec<f64>; 3],
    gains: Vec<f64>,
    /// What the gains of the last list were multiplied by.
    pub(super) scale: f64,
}

impl Filling {
    /// Ranks a list, and fills the columns of its weights.
    pub(super) fn fill_list(&mut self, weight: &dyn TileWeight, list: List<'_>) {
        let Self { ranking, columns, discounts, gains, scale: of_gains, .. } = self;
        ranking.update(list.scores(), list.labels(), weight.ties());
        columns.clear(list.len());
        let Some(factors) = weight.factors() else {
            return weight.fill(&RankedList::new(list, ranking), columns);
        };
        let scale = factors.scale(&list, gains);
        *of_gains = scale;
        let [gain, gain_lost, discount, discount_lost] = &mut columns.slots;
        if let Some(of_label) = factors.gain {
            let items = gain.iter_mut().zip(gain_lost);
            for ((gain, lost), &label) in items.zip(list.labels()) {
                let (hi, lo) = of_label.exact(label);
                let scaled = DoubleDouble { hi, lo } * scale;
                (*gain, *lost) = (scaled.hi, scaled.lo);
            }
        }
        if let Some(of_rank) = factors.discount {
            ranking.discounts(of_rank, factors.cutoff, discounts);
            for (item, &(hi, lo)) in discounts.means().iter().enumerate() {
                (discount[item], discount_lost[item]) = (hi, lo);
            }
        }
    }

    /// What the discounts make of the list that was filled last.
    pub(super) fn discounts(&self) -> &DiscountColumns {
        &self.discounts
    }

    /// Fills the slots of a block whose lists lie side by side; returns whether gains are as exact as
    /// they can be.
    #[inline(always)]
    pub(super) fn fill_side_by_side<V: Vector>(
        &mut self,
        token: V::Token,
        weight: &dyn TileWeight,
        block: &mut Block<V::Element>,
    ) -> bool {
        let ties = weight.ties();
        match weight.factors() {
            Some(factors) if !factors.normalised && !matches!(ties, ScoreTies::Random { .. }) => {
                if let Some(gain) = factors.gain {
                    fill_gains::<V>(token, gain, block);
                }
                if let Some(discount) = factors.discount {
                    let expected = ties == ScoreTies::Expected;
                    V::call(token, Ranks::<V> { token, block, expected });
                    self.fill_discounts(discount, factors.cutoff, expected, block);
                }
                factors.gain.is_none_or(|gain| !gain.is_exponential())
            }
            _ => {
                self.fill_each(V::lanes(), weight, block);
                true
            }
        }
    }

    /// Fills the gains of the lists whose value is NaN anew, as exactly as they can be.
    pub(super) fn fill_exact_gains<E: Real>(
        &self,
        weight: &dyn TileWeight,
        block: &mut Block<E>,
        values: &[f64],
    ) {
        let Some(gain) = weight.factors().and_then(|factors| factors.gain) else { return };
        let Block { labels, slots: [rounded, lost, ..], .. } = block;
        let lanes = values.len();
        for lane in (0..lanes).filter(|&lane| values[lane].is_nan()) {
            for at in (lane..labels.len()).step_by(lanes) {
                (rounded[at], lost[at]) = exact_gain(gain, labels[at]);
            }
        }
    }

    /// The slots of each list on its own.
    fn fill_each<E: Real>(&mut self, lanes: usize, weight: &dyn TileWeight, block: &mut Block<E>) {
        for lane in 0..block.lists {
            let [mut scores, mut labels, mut weights] = std::mem::take(&mut self.wide);
            let columns = [
                (&mut scores, &block.scores),
                (&mut labels, &block.labels),
                (&mut weights, &block.weights),
            ];
            let len =
                (0..block.vectors).take_while(|k| !block.labels[k * lanes + lane].is_nan()).count();
            for (wide, column) in columns {
                wide.clear();
                wide.extend((0..len).map(|k| column[k * lanes + lane].widen()));
            }
            let of_items = block.weighted.then_some(&weights[..]);
            self.fill_list(weight, List::new(&scores, &labels, of_items, E::PRECISION));
            for (slot, numbers) in block.slots.iter_mut().zip(&self.columns.slots) {
                for (k, &number) in numbers.iter().enumerate() {
                    slot[k * lanes + lane] = E::narrow(number);
                }
            }
            let places = (0..len).map(|k| (k * lanes + lane, k));
            self.narrow_lost(weight, &mut block.slots, places);
            if weight.factors().is_some() && weight.ties() == ScoreTies::Expected {
                for (k, &(within, _)) in self.discounts.within_groups().iter().enumerate() {
                    block.slots[4][k * lanes + lane] = E::narrow(within);
                }
            }
            self.wide = [scores, labels, weights];
        }
    }

    /// A type narrower than `f64` loses more to rounding, which goes into the slots of what is lost;
    /// `places` gives the place of each item in the block.
    fn narrow_lost<E: Real>(
        &self,
        weight: &dyn TileWeight,
        slots: &mut [Vec<E>; 5],
        places: impl Iterator<Item = (usize, usize)>,
    ) {
        if weight.has_formula() {
            return;
        }
        let [gains, gains_lost, discounts, discounts_lost] = &self.columns.slots;
        let [gain, gain_lost, discount, discount_lost, _] = slots;
        for (at, item) in places {
            let rest = (gains[item] - gain[at].widen()) + gains_lost[item];
            gain_lost[at] = E::narrow(rest);
            let rest = (discounts[item] - discount[at].widen()) + discounts_lost[item];
            discount_lost[at] = E::narrow(rest);
        }
    }

    /// Lays the slots of the list that was filled last along the lanes, in an order.
    pub(super) fn lay_in_lanes<E: Real>(
        &self,
        weight: &dyn TileWeight,
        block: &mut Block<E>,
        order: &[usize],
    ) {
        for (slot, numbers) in block.slots.iter_mut().zip(&self.columns.slots) {
            for (there, &item) in slot.iter_mut().zip(order) {
                *there = E::narrow(numbers[item]);
            }
            slot[order.len()..].fill(E::zero());
        }
        self.narrow_lost(weight, &mut block.slots, order.iter().copied().enumerate());
        if weight.factors().is_some() && weight.ties() == ScoreTies::Expected {
            let within = self.discounts.within_groups();
            for (there, &item) in block.slots[4].iter_mut().zip(order) {
                *there = E::narrow(within[item].0);
            }
        }
    }

    /// Discounts of ranks (`spare[0]`), or of tied groups that start behind `spare[0]` items and have
    /// `spare[1]` items.
    #[inline(always)]
    fn fill_discounts<E: Real>(
        &mut self,
        discount: &dyn Discount,
        cutoff: Option<usize>,
        expected: bool,
        block: &mut Block<E>,
    ) {
        let longest = block.vectors;
        self.extend_table(discount, cutoff, longest);
        if expected {
            self.extend_groups(longest);
        }
        let Block { slots: [_, _, rounded, lost, within], spare: [ranks, sizes, _], .. } = block;
        let discounts = rounded.iter_mut().zip(lost).zip(&*ranks);
        if !expected {
            for ((rounded, lost), &rank) in discounts {
                let (hi, lo) = self.table[whole(rank) - 1];
                *rounded = E::narrow(hi);
                *lost = E::narrow((hi - rounded.widen()) + lo);
            }
            return;
        }
        for (((rounded, lost), &start), (&size, within)) in discounts.zip(sizes.iter().zip(within))
        {
            let (start, size) = (whole(start), whole(size));
            let end = (start + size).min(longest);
            let [(hi, lo), (spread, _)] = self.groups[end * (end - 1) / 2 + start];
            *rounded = E::narrow(hi);
            *lost = E::narrow((hi - rounded.widen()) + lo);
            *within = E::narrow(spread);
        }
    }

    /// The discounts of the ranks up to `longest`, 0 behind the cut-off. The table is of one discount
    /// and one cut-off: another begins it anew.
    fn extend_table(&mut self, discount: &dyn Discount, cutoff: Option<usize>, longest: usize) {
        let key = (discount.well_known(), cutoff);
        if key.0.is_none() || self.key != key {
            self.table.clear();
            self.groups.clear();
            self.key = key;
        }
        let counts = |rank: usize| cutoff.is_none_or(|cutoff| rank <= cutoff);
        let of_rank =
            |rank: usize| if counts(rank) { discount.exact(rank as f64) } else { (0.0, 0.0) };
        self.table.extend((self.table.len() + 1..=longest).map(of_rank));
    }

    /// The means of all groups that end within the first `longest` ranks.
    fn extend_groups(&mut self, longest: usize) {
        let mut end = 1;
        while end * (end - 1) / 2 < self.groups.len() {
            end += 1;
        }
        for end in end..=longest {
            let first = end * (end - 1) / 2;
            self.groups.resize(first + end, [(0.0, 0.0); 2]);
            let (mut sum, mut differences) = (DoubleDouble::ZERO, DoubleDouble::ZERO);
            for start in (0..end).rev() {
                let (hi, lo) = self.table[start];
                let (discount, behind) = (DoubleDouble { hi, lo }, (end - start - 1) as f64);
                // The new first rank differs from each behind it by d − d_b.
                differences = differences + (discount * behind - sum);
                sum = sum + discount;
                let (size, pairs) = (behind + 1.0, (behind * (behind + 1.0) / 2.0).max(1.0));
                let [mean, spread] = [sum / size.into(), (differences / pairs.into()).abs()];
                self.groups[first + start] = [(mean.hi, mean.lo), (spread.hi, spread.lo)];
            }
        }
    }
}

impl Factors<'_> {
    /// What all gains of a list are multiplied by: 1 over its greatest DCG where the weight is
    /// normalised, 0 where there is none.
    pub(crate) fn scale(&self, list: &List<'_>, gains: &mut Vec<f64>) -> f64 {
        let (true, Some(gain), Some(discount)) = (self.normalised, self.gain, self.discount) else {
            return 1.0;
        };
        gains.clear();
        gains.extend(list.labels().iter().map(|&label| gain.at(label)));
        gains.sort_unstable_by(|a, b| b.total_cmp(a));
        let counted = self.cutoff.unwrap_or(gains.len()).min(gains.len());
        let ideal: f64 = gains[..counted]
            .iter()
            .enumerate()
            .map(|(place, gain)| gain * discount.at((place + 1) as f64))
            .sum();
        if ideal > 0.0 { ideal.recip() } else { 0.0 }
    }
}

/// A whole number below 2³² in a number of the block.
#[inline(always)]
#[allow(clippy::cast_possible_truncation)] // of the last bits alone
fn whole<E: Real>(x: E) -> usize {
    // Once 2⁵² is added, it stands in the last bits. A conversion would ask for more.
    (x.widen() + 4_503_599_627_370_496.0).to_bits() as u32 as usize
}

/// Fills the gains of a block, rounded and lost.
#[inline(always)]
fn fill_gains<V: Vector>(token: V::Token, gain: &dyn Gain, block: &mut Block<V::Element>) {
    if gain.is_exponential() {
        return V::call(token, ExponentialGains::<V> { token, block });
    }
    let Block { labels, slots: [rounded, lost, ..], .. } = block;
    for ((rounded, lost), label) in rounded.iter_mut().zip(lost).zip(&*labels) {
        (*rounded, *lost) = exact_gain(gain, *label);
    }
}

/// A gain, rounded and lost; 0 where there is no item.
fn exact_gain<E: Real>(gain: &dyn Gain, label: E) -> (E, E) {
    if label.is_nan() {
        return (E::zero(), E::zero());
    }
    let (hi, lo) = gain.exact(label.widen());
    let rounded = E::narrow(hi);
    (rounded, E::narrow((hi - rounded.widen()) + lo))
}

/// 2^ψ − 1, rounded and lost.
struct ExponentialGains<'a, V: Vector> {
    token: V::Token,
    block: &'a mut Block<V::Element>,
}

impl<V: Vector> Kernel<V::Element> for ExponentialGains<'_, V> {
    type Output = ();

    #[inline(always)]
    fn run<W: Vector<Element = V::Element>>(self, _: W::Token) {
        let Self { token, block } = self;
        let Block { labels, slots: [rounded, lost, ..], .. } = block;
        let labels = V::raws(labels);
        let slots = V::raws_mut(rounded).iter_mut().zip(V::raws_mut(lost));
        for ((rounded, lost), &label) in slots.zip(labels) {
            let label = V::of(token, label);
            let [gain, rest] = label.keep(label.equals(label)).exp2_m1();
            (*rounded, *lost) = (gain.raw(), rest.raw());
        }
    }
}

/// The 1-based ranks by score, descending, equal scores by index, into `spare[0]`; or else the numbers
/// of items above each, and the numbers of those that it ties with, itself among them, into `spare[1]`.
struct Ranks<'a, V: Vector> {
    token: V::Token,
    block: &'a mut Block<V::Element>,
    expected: bool,
}

impl<V: Vector> Kernel<V::Element> for Ranks<'_, V> {
    type Output = ();

    #[inline(always)]
    fn run<W: Vector<Element = V::Element>>(self, _: W::Token) {
        let Self { token, block, expected } = self;
        let Block { scores, labels, spare: [ranks, sizes, _], .. } = block;
        let (scores, labels) = (V::raws(scores), V::raws(labels));
        let (ranks, sizes) = (V::raws_mut(ranks), V::raws_mut(sizes));
        let of = |raw| V::of(token, raw);
        let one = V::splat(token, 1.0);
        let first = if expected { one.constant(0.0) } else { one };
        for i in 0..scores.len() {
            let (score, mut rank, mut size) = (of(scores[i]), first, one);
            let label = of(labels[i]);
            let present = label.equals(label);
            for j in 0..i {
                let before = of(scores[j]);
                let above = score.above(before);
                ranks[j] = (of(ranks[j]) + one.keep(above)).raw();
                if expected {
                    let equal = V::both(score.equals(before), present);
                    rank = rank + one.keep(before.above(score));
                    size = size + one.keep(equal);
                    sizes[j] = (of(sizes[j]) + one.keep(equal)).raw();
                } else {
                    rank = rank + one.remove(above);
                }
            }
            (ranks[i], sizes[i]) = (rank.raw(), size.raw());
        }
    }
}
