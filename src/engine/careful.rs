//! Lists near the ends of the range, one number at a time.
//!
//! What the vector loops give up on comes here: weights 10¹⁹⁰ apart, scores so far apart that
//! exponentials relative to their midrange underflow, gains that agree to twenty bits. The formulas are the
//! same, over [`Extended`] numbers, which neither over- nor underflow; so a product of small factors
//! comes out with all its digits as long as the result itself is a normal number. Nothing here is
//! fast: a pair takes some hundred nanoseconds.

use super::block::{Diagonal, Wanted};
use super::columns::{Filling, TileWeight};
use super::formula::{Pair, PairTerm, TileFunction};
use super::in_order::PositionWeights;
use super::points::{Point, RunFunction};
use super::softmax::{BlockFunction, Shares};
use crate::lists::List;
use crate::numeric::DoubleDouble;
use crate::numeric::extended::Extended;
use crate::numeric::number::Number;
use crate::ranking::{ScoreTies, argsort_descending};

/// Room for one list, and what it comes to.
#[derive(Debug, Clone, Default)]
pub(super) struct Careful {
    pub(super) filling: Filling,
    order: Vec<usize>,
    items: Vec<[Extended; 3]>,
    /// The sums of the results, of each item.
    sums: [Vec<ExtendedSum>; 3],
}

/// A list, and what is wanted of it.
#[derive(Clone, Copy)]
pub(super) struct Task<'a> {
    pub(super) list: List<'a>,
    pub(super) direction: Option<&'a [f64]>,
    /// Ψ, row by row, where pairs are weighed by soft targets.
    pub(super) targets: Option<&'a [f64]>,
    pub(super) wanted: Wanted,
}

impl Task<'_> {
    fn weight(&self, item: usize) -> Extended {
        self.list.weight(item).into()
    }

    fn direction(&self, item: usize) -> Extended {
        self.direction.map_or(0.0, |direction| direction[item]).into()
    }

    fn score(&self, item: usize) -> f64 {
        self.list.scores()[item]
    }
}

/// A sum of numbers of any exponents and both signs.
#[derive(Debug, Clone, Copy)]
struct ExtendedSum(Extended);

impl Default for ExtendedSum {
    fn default() -> Self {
        Self(Extended::ZERO)
    }
}

impl ExtendedSum {
    fn add(&mut self, term: Extended) {
        self.0 = self.0 + term;
    }
}

impl Careful {
    fn clear(&mut self, items: usize) {
        for sums in &mut self.sums {
            sums.clear();
            sums.resize(items, ExtendedSum::default());
        }
    }

    /// The results of an item, before they are rounded: times a weight over a divisor.
    pub(super) fn result(&self, result: usize, item: usize, weight: f64, divisor: f64) -> f64 {
        if weight == 0.0 || divisor == 0.0 {
            return 0.0;
        }
        (self.sums[result][item].0 * Extended::from(weight) / Extended::from(divisor)).round()
    }

    /// A point loss.
    pub(super) fn points(&mut self, task: &Task<'_>, function: &dyn RunFunction) -> f64 {
        let list = task.list;
        self.clear(list.len());
        let one = Extended::from(1.0);
        let shares = function.takes_shares();
        let weighted_label = |item: usize| task.weight(item) * list.labels()[item].into();
        let sum = (0..list.len()).map(weighted_label).fold(Extended::ZERO, |sum, x| sum + x);
        if shares && sum == Extended::ZERO {
            return 0.0;
        }
        let mut value = ExtendedSum::default();
        for item in 0..list.len() {
            let (label, evenly, weight) = if shares {
                (weighted_label(item) / sum, one / Extended::from(list.len() as f64), one)
            } else {
                (list.labels()[item].into(), one, task.weight(item))
            };
            let term = function.careful(Point { score: task.score(item).into(), label, evenly });
            value.add(weight * term.value);
            self.sums[0][item].add(weight * term.slope);
            let curvature = weight * term.curvature;
            self.sums[1][item].add(task.of_diagonal(curvature));
            self.sums[2][item].add(curvature * task.direction(item));
        }
        value.0.round()
    }

    /// A pair loss.
    pub(super) fn pairs(
        &mut self,
        task: &Task<'_>,
        function: &dyn TileFunction,
        weight: &dyn TileWeight,
    ) -> f64 {
        let list = task.list;
        self.clear(list.len());
        self.filling.fill_list(weight, list);
        let mut value = ExtendedSum::default();
        let ties = function.traits().ties;
        let labels = list.labels();
        for a in 0..list.len() {
            for b in 0..a {
                if let Some(targets) = task.targets {
                    for (i, j) in [(a, b), (b, a)] {
                        let target = Extended::from(targets[i * list.len() + j]) * task.weight(i);
                        self.pair(task, function, weight, (i, j), target, &mut value);
                    }
                } else if labels[a] > labels[b] {
                    self.pair(task, function, weight, (a, b), task.weight(a), &mut value);
                } else if labels[b] > labels[a] {
                    self.pair(task, function, weight, (b, a), task.weight(b), &mut value);
                } else if ties && labels[a] == labels[b] {
                    let half = Extended::from(0.5);
                    let mean = half * task.weight(a) + half * task.weight(b);
                    self.pair(task, function, weight, (a, b), mean, &mut value);
                }
            }
        }
        value.0.round()
    }

    fn pair(
        &mut self,
        task: &Task<'_>,
        function: &dyn TileFunction,
        weight: &dyn TileWeight,
        (i, j): (usize, usize),
        factor: Extended,
        value: &mut ExtendedSum,
    ) {
        let (list, zero) = (task.list, Extended::ZERO);
        let weight = factor * self.delta(&list, weight, (i, j));
        if weight == zero {
            return;
        }
        let exact = DoubleDouble::difference(task.score(i), task.score(j));
        let margin = list.precision().round(exact.hi);
        let lost = Extended::from(exact) - Extended::from(margin);
        let gap = DoubleDouble::difference(list.labels()[i], list.labels()[j]);
        let pair = Pair {
            margin: margin.into(),
            margin_lost: lost,
            gap: gap.hi.into(),
            gap_lost: gap.lo.into(),
        };
        let PairTerm { value: of_pair, slope, curvature } = function.careful(pair);
        let (of_pair, slope) = if function.traits().exact {
            (of_pair, slope)
        } else {
            (of_pair + slope * lost, slope + curvature * lost)
        };
        value.add(weight * of_pair);
        let slope = weight * slope;
        self.sums[0][i].add(slope);
        self.sums[0][j].add(-slope);
        let curvature = weight * curvature;
        let of_diagonal = if task.wanted.diagonal == Some(Diagonal::NonNegative) {
            curvature.max(zero)
        } else {
            curvature
        };
        self.sums[1][i].add(of_diagonal);
        self.sums[1][j].add(of_diagonal);
        let change = curvature * (task.direction(i) - task.direction(j));
        self.sums[2][i].add(change);
        self.sums[2][j].add(-change);
    }

    /// Δ of two items.
    fn delta(&self, list: &List<'_>, weight: &dyn TileWeight, (i, j): (usize, usize)) -> Extended {
        if weight.is_one() {
            return Extended::from(1.0);
        }
        let slots = &self.filling.columns.slots;
        let Some(factors) = weight.factors() else {
            let of = |item: usize| slots.each_ref().map(|slot| Extended::from(slot[item]));
            return weight.careful(of(i), of(j));
        };
        let mut delta = Extended::from(1.0);
        if let Some(gain) = factors.gain {
            let difference = gain.difference(list.labels()[i], list.labels()[j]);
            delta = Extended::from(difference.abs() * self.filling.scale);
        }
        if factors.discount.is_some() {
            let discounts = self.filling.discounts();
            let groups = discounts.groups();
            let number = |(hi, lo): (f64, f64)| Extended::from(DoubleDouble { hi, lo });
            let difference = if weight.ties() == ScoreTies::Expected && groups[i] == groups[j] {
                number(discounts.within_groups()[i])
            } else {
                number(discounts.means()[i]) - number(discounts.means()[j])
            };
            delta = delta * difference.abs();
        }
        delta
    }

    /// A loss of the softmax family.
    pub(super) fn shares(&mut self, task: &Task<'_>, function: &dyn BlockFunction) -> f64 {
        let list = task.list;
        let len = list.len();
        self.clear(len);
        let greatest = list.scores().iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let exp =
            |item: usize| Extended::from(DoubleDouble::difference(task.score(item), greatest));
        let parts = &mut self.items;
        parts.clear();
        parts.extend((0..len).map(|item| {
            let part = task.weight(item) * list.labels()[item].into();
            [exp(item).exp(), part, Extended::ZERO]
        }));
        let others = [WithoutOne::of(parts, 0), WithoutOne::of(parts, 1)];
        if others[1].sum() == Extended::ZERO {
            return 0.0;
        }
        let log_sum = others[0].others.ln_1p();
        let item = |item: usize| {
            let [exp_of, part, _] = parts[item];
            Shares {
                q: exp_of / others[0].sum(),
                others_q: others[0].without(item, exp_of) / others[0].sum(),
                surprise: log_sum - exp(item),
                p: part / others[1].sum(),
                others_p: others[1].without(item, part) / others[1].sum(),
            }
        };
        let terms = (0..len).map(|k| function.careful_term(item(k)));
        let sum = terms.fold(Extended::ZERO, |sum, term| sum + term);
        let mean = (0..len).map(|k| item(k).q * task.direction(k));
        let mean = mean.fold(Extended::ZERO, |sum, term| sum + term);
        let levers = (0..len).map(|k| {
            let item = item(k);
            item.q * (task.direction(k) - mean) * function.careful_lever(item)
        });
        let covariance = levers.fold(Extended::ZERO, |sum, term| sum + term);
        for k in 0..len {
            let v = [task.direction(k) - mean, covariance];
            let [slope, curvature, product] = function.careful(item(k), sum, v);
            self.sums[0][k].add(slope);
            let non_negative = task.wanted.diagonal == Some(Diagonal::NonNegative);
            self.sums[1][k].add(if non_negative { curvature.abs() } else { curvature });
            self.sums[2][k].add(product);
        }
        sum.round()
    }

    /// A loss of the list-MLE family: suffix sums as the exponential of their greatest score and a sum
    /// relative to it, so that no one shift has to serve all of a list.
    pub(super) fn in_order(&mut self, task: &Task<'_>, positions: &dyn PositionWeights) -> f64 {
        let list = task.list;
        let len = list.len();
        self.clear(len);
        argsort_descending(list.labels(), &mut self.order);
        let Self { order, items, sums, .. } = self;
        let difference = |a: f64, b: f64| Extended::from(DoubleDouble::difference(a, b));
        let one = Extended::from(1.0);
        // From the end: the greatest score of the suffix, Σ e^(s − greatest) without one of the
        // greatest, and Σ v e^(s − greatest) of the direction v.
        items.clear();
        let (mut greatest, mut others, mut moment) =
            (f64::NEG_INFINITY, Extended::ZERO, Extended::ZERO);
        for &item in order.iter().rev() {
            let score = task.score(item);
            if score > greatest {
                let shrink = if greatest == f64::NEG_INFINITY {
                    Extended::ZERO
                } else {
                    difference(greatest, score).exp()
                };
                let before = if items.is_empty() { Extended::ZERO } else { others + one };
                (others, moment) = (before * shrink, moment * shrink + task.direction(item));
                greatest = score;
            } else {
                let exp = difference(score, greatest).exp();
                others = others + exp;
                moment = moment + exp * task.direction(item);
            }
            items.push([greatest.into(), others, moment]);
        }
        items.reverse();

        let mut value = ExtendedSum::default();
        // Σ v_i/C_i, Σ v_i/C_i² · C_i-relative and Σ v_i M_i/C_i², relative to the current greatest.
        let [mut shares, mut squares, mut moments] = [Extended::ZERO; 3];
        let mut anchor = f64::INFINITY;
        for (position, &item) in order.iter().enumerate() {
            let score = task.score(item);
            let [top, others, moment] = items[position];
            let top = top.round();
            if anchor.is_finite() {
                let shrink = difference(top, anchor).exp();
                shares = shares * shrink;
                squares = squares * shrink * shrink;
                moments = moments * shrink;
            }
            anchor = top;
            let weight = task.weight(item) * positions.at(position, len).into();
            let suffix = others + one;
            value.add(weight * (difference(top, score) + others.ln_1p()));
            // The sum behind the item, relative to this suffix.
            let behind = match items.get(position + 1) {
                None => Extended::ZERO,
                Some(&[next, next_others, _]) => {
                    (next_others + one) * difference(next.round(), top).exp()
                }
            };
            let exp = difference(score, top).exp();
            let slope = exp * shares - weight * behind / suffix;
            sums[0][item].add(slope);
            let before = exp * shares - exp * exp * squares;
            sums[1][item].add(before + weight * exp * behind / (suffix * suffix));
            shares = shares + weight / suffix;
            squares = squares + weight / (suffix * suffix);
            moments = moments + weight * moment / (suffix * suffix);
            sums[2][item].add(exp * (task.direction(item) * shares - moments));
        }
        value.0.round()
    }
}

impl Task<'_> {
    fn of_diagonal(&self, curvature: Extended) -> Extended {
        if self.wanted.diagonal == Some(Diagonal::NonNegative) {
            curvature.abs()
        } else {
            curvature
        }
    }
}

/// A sum of numbers of one sign as its greatest and the sum of the others.
struct WithoutOne {
    top: usize,
    greatest: Extended,
    others: Extended,
}

impl WithoutOne {
    fn of(items: &[[Extended; 3]], column: usize) -> Self {
        let mut sum = Self { top: 0, greatest: Extended::ZERO, others: Extended::ZERO };
        for (k, item) in items.iter().enumerate() {
            if item[column].above(sum.greatest) {
                sum.others = sum.others + sum.greatest;
                (sum.top, sum.greatest) = (k, item[column]);
            } else {
                sum.others = sum.others + item[column];
            }
        }
        sum
    }

    fn sum(&self) -> Extended {
        self.greatest + self.others
    }

    /// The sum without the `k`th, which only for the greatest would cancel.
    fn without(&self, k: usize, item: Extended) -> Extended {
        if k == self.top { self.others } else { self.sum() - item }
    }
}
