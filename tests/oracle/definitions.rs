//! The losses by their definitions, term by term, in [`Number`]s: O(K²), and nothing shared with
//! the crate.

use crate::number::{Number, ONE, ZERO, ln_2};

/// One list, in numbers that its precision holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    /// Whether the list is given to the crate as `f32`.
    pub single: bool,
    pub scores: Vec<f64>,
    pub labels: Vec<f64>,
    /// None where no weights are given.
    pub weights: Option<Vec<f64>>,
}

impl Case {
    pub fn new<const K: usize>(single: bool, scores: [f64; K], labels: [f64; K]) -> Self {
        Self { single, scores: scores.into(), labels: labels.into(), weights: None }.rounded()
    }

    pub fn weighted<const K: usize>(self, weights: [f64; K]) -> Self {
        Self { weights: Some(weights.into()), ..self }.rounded()
    }

    /// With numbers that the precision holds.
    pub fn rounded(mut self) -> Self {
        let single = self.single;
        let lists = [&mut self.scores, &mut self.labels].into_iter().chain(&mut self.weights);
        lists.flatten().for_each(|x| *x = round(single, *x));
        self
    }

    /// As Rust source.
    pub fn literal(&self) -> String {
        let Self { single, scores, labels, weights } = self;
        let weights =
            weights.as_ref().map_or("None".to_owned(), |weights| format!("Some(vec!{weights:?})"));
        format!(
            "Case {{ single: {single}, scores: vec!{scores:?}, labels: vec!{labels:?}, \
             weights: {weights} }}"
        )
    }

    pub fn len(&self) -> usize {
        self.scores.len()
    }

    fn score(&self, k: usize) -> Number {
        self.scores[k].into()
    }

    fn label(&self, k: usize) -> Number {
        self.labels[k].into()
    }

    fn weight(&self, k: usize) -> Number {
        self.weights.as_ref().map_or(ONE, |weights| weights[k].into())
    }

    /// Items in the order of falling numbers, equal ones by index.
    fn descending(numbers: &[f64]) -> Vec<usize> {
        let mut order: Vec<usize> = (0..numbers.len()).collect();
        order.sort_by(|&i, &j| numbers[j].partial_cmp(&numbers[i]).unwrap());
        order
    }
}

/// `x` rounded to the precision.
pub fn round(single: bool, x: f64) -> f64 {
    #[allow(clippy::cast_possible_truncation)] // rounding is what it is for
    if single { f64::from(x as f32) } else { x }
}

/// A sum of terms of both signs.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    plus: Number,
    minus: Number,
}

impl Default for Terms {
    fn default() -> Self {
        Self { plus: ZERO, minus: ZERO }
    }
}

impl Terms {
    fn add(&mut self, term: Number) {
        if term.is_negative() {
            self.minus += term.abs();
        } else {
            self.plus += term;
        }
    }

    pub fn sum(&self) -> Number {
        self.plus - self.minus
    }

    /// Σ|terms|.
    pub fn scale(&self) -> Number {
        self.plus + self.minus
    }

    /// Whether there are terms of both signs.
    pub fn cancels(&self) -> bool {
        !self.plus.is_zero() && !self.minus.is_zero()
    }
}

/// What a loss is of one list.
#[derive(Debug, Clone)]
pub struct Exact {
    pub value: Terms,
    pub grad: Vec<Terms>,
    /// The diagonal of the Hessian; lambda weights are constants.
    pub curvature: Vec<Terms>,
}

impl Exact {
    fn zero(items: usize) -> Self {
        let zeros = vec![Terms::default(); items];
        Self { value: Terms::default(), grad: zeros.clone(), curvature: zeros }
    }
}

/// The terms of a function of one number and of its derivatives.
#[derive(Debug, Clone, Default)]
pub struct Function {
    pub value: Vec<Number>,
    pub slope: Vec<Number>,
    pub curvature: Vec<Number>,
}

impl Function {
    fn times(mut self, factor: Number) -> Self {
        let parts = [&mut self.value, &mut self.slope, &mut self.curvature];
        parts.into_iter().flatten().for_each(|term| *term = *term * factor);
        self
    }

    fn plus(mut self, mut other: Self) -> Self {
        self.value.append(&mut other.value);
        self.slope.append(&mut other.slope);
        self.curvature.append(&mut other.curvature);
        self
    }
}

/// log(1 + e^x), σ(x), σ(x) σ(−x).
fn softplus(x: Number) -> Function {
    let small = (-x.abs()).exp();
    let below = small / (ONE + small);
    let above = ONE / (ONE + small);
    Function {
        value: vec![x.max(ZERO) + small.ln_1p()],
        slope: vec![if x.is_negative() { below } else { above }],
        curvature: vec![above * below],
    }
}

/// log(1 + e^−x) as a function of x.
fn falling_softplus(x: Number) -> Function {
    let mut function = softplus(-x);
    function.slope[0] = -function.slope[0];
    function
}

// --- Point losses

/// Σ_k w_k f(s_k, ψ_k).
pub fn points(case: &Case, function: impl Fn(Number, Number) -> Function) -> Exact {
    let mut exact = Exact::zero(case.len());
    for k in 0..case.len() {
        let at = function(case.score(k), case.label(k)).times(case.weight(k));
        at.value.iter().for_each(|&term| exact.value.add(term));
        at.slope.iter().for_each(|&term| exact.grad[k].add(term));
        at.curvature.iter().for_each(|&term| exact.curvature[k].add(term));
    }
    exact
}

pub fn point_mse(case: &Case) -> Exact {
    points(case, |score, label| square(score - label))
}

pub fn point_sigmoid(case: &Case) -> Exact {
    points(case, |score, label| {
        falling_softplus(score).times(label).plus(softplus(score).times(ONE - label))
    })
}

fn square(x: Number) -> Function {
    Function { value: vec![x * x], slope: vec![x.scale(1)], curvature: vec![ONE.scale(1)] }
}

// --- Pair losses

/// A margin s_i − s_j.
#[derive(Debug, Clone, Copy)]
pub struct Margin {
    pub exact: Number,
    /// As rounded in the list's precision.
    pub rounded: f64,
}

/// Σ w_i Δ_ij φ(s_i − s_j) over the pairs for which Δ is some number.
pub fn pairs(
    case: &Case,
    function: impl Fn(Margin) -> Function,
    weight: impl Fn(usize, usize) -> Option<Number>,
) -> Exact {
    let mut exact = Exact::zero(case.len());
    for i in 0..case.len() {
        for j in 0..case.len() {
            let Some(delta) = weight(i, j) else { continue };
            let factor = case.weight(i) * delta;
            if factor.is_zero() {
                continue;
            }
            let rounded = round(case.single, case.scores[i] - case.scores[j]);
            let margin = Margin { exact: case.score(i) - case.score(j), rounded };
            let at = function(margin).times(factor);
            at.value.iter().for_each(|&term| exact.value.add(term));
            for &term in &at.slope {
                exact.grad[i].add(term);
                exact.grad[j].add(-term);
            }
            for &term in &at.curvature {
                exact.curvature[i].add(term);
                exact.curvature[j].add(term);
            }
        }
    }
    exact
}

/// The pairs that the labels order, with a weight.
pub fn ordered_pairs(
    case: &Case,
    function: impl Fn(Margin) -> Function,
    weight: impl Fn(usize, usize) -> Number,
) -> Exact {
    let ordered = |i: usize, j: usize| case.labels[i] > case.labels[j];
    pairs(case, function, |i, j| ordered(i, j).then(|| weight(i, j)))
}

/// Those with a weight of 1.
pub fn unweighted(case: &Case, function: impl Fn(Margin) -> Function) -> Exact {
    ordered_pairs(case, function, |_, _| ONE)
}

/// Σ_{i ≠ j} w_i Ψ_ij φ(s_i − s_j); `targets` row after row.
pub fn soft_pairs(case: &Case, targets: &[f64], function: impl Fn(Margin) -> Function) -> Exact {
    let target = |i: usize, j: usize| (i != j).then(|| targets[i * case.len() + j].into());
    pairs(case, function, target)
}

/// max(0, δ − d), active where the rounded margin is below δ.
pub fn hinge(delta: f64) -> impl Fn(Margin) -> Function {
    move |margin| {
        if margin.rounded < delta {
            let value = Number::from(delta) - margin.exact;
            Function { value: vec![value], slope: vec![-ONE], curvature: vec![] }
        } else {
            Function::default()
        }
    }
}

/// a log(1 + e^(γ − d)) + c d.
pub fn logistic_family(a: Number, gamma: f64, c: Number) -> impl Fn(Margin) -> Function {
    move |margin| {
        let line =
            Function { value: vec![c * margin.exact], slope: vec![c], curvature: Vec::new() };
        falling_softplus(margin.exact - gamma.into()).times(a).plus(line)
    }
}

pub fn logistic() -> impl Fn(Margin) -> Function {
    logistic_family(ONE, 0.0, ZERO)
}

/// (1 − ε) log(1 + e^−d) + ε log(1 + e^d) = log(1 + e^−d) + ε d: conservative DPO. Its value is a sum
/// of positive terms; its slope is not.
pub fn smoothed(epsilon: f64) -> impl Fn(Margin) -> Function {
    move |margin| {
        let kept = falling_softplus(margin.exact).times(ONE - epsilon.into());
        kept.plus(softplus(margin.exact).times(epsilon.into()))
    }
}

/// log(1 + e^−d) − ε/(1 − 2ε) d: robust DPO.
pub fn robust(epsilon: f64) -> impl Fn(Margin) -> Function {
    let epsilon = Number::from(epsilon);
    logistic_family(ONE, 0.0, -(epsilon / (ONE - epsilon.scale(1))))
}

/// (d − t)².
pub fn squared(target: f64) -> impl Fn(Margin) -> Function {
    move |margin| square(margin.exact - target.into())
}

// --- Lambda weights

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Gain {
    Exponential,
    Linear,
    Constant,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Discount {
    /// 1/D(r) = 1/log2(1 + r).
    Log2,
    /// 1/D(r) = 1/r.
    Reciprocal,
    Constant,
}

/// Δ_ij = |G_i − G_j| |1/D_i − 1/D_j|; the expectation over the orders of tied scores, or these by
/// index.
#[derive(Debug, Clone, Copy)]
pub struct Lambda {
    pub gain: Gain,
    pub discount: Discount,
    pub expected: bool,
    /// 1/D(r) = 0 for the ranks behind this one.
    pub cutoff: usize,
}

impl Default for Lambda {
    fn default() -> Self {
        let (gain, discount) = (Gain::Exponential, Discount::Log2);
        Self { gain, discount, expected: false, cutoff: usize::MAX }
    }
}

/// The ranks, from 0, that an item may have: those of its group of tied items.
type Ranks = std::ops::Range<usize>;

impl Lambda {
    pub fn of(self, case: &Case) -> impl Fn(usize, usize) -> Number {
        let inverse: Vec<Number> = (1..=case.len()).map(|rank| self.inverse(rank)).collect();
        let mut ranks = vec![0..0; case.len()];
        let order = Case::descending(&case.scores);
        let tied = |&i: &usize, &j: &usize| self.expected && case.scores[i] == case.scores[j];
        let mut start = 0;
        for group in order.chunk_by(tied) {
            for &item in group {
                ranks[item] = start..start + group.len();
            }
            start += group.len();
        }
        let gains: Vec<(Number, f64)> = case.labels.iter().map(|&x| (self.gain(x), x)).collect();
        let mut within = std::collections::BTreeMap::new();
        for group in &ranks {
            within.entry(group.start).or_insert_with(|| mean_within(&inverse, group));
        }
        let means: Vec<Number> = ranks.iter().map(|group| mean(&inverse, group)).collect();
        move |i, j| {
            let discounts = if self.discount == Discount::Constant {
                ONE
            } else if ranks[i] == ranks[j] {
                within[&ranks[i].start]
            } else {
                (means[i] - means[j]).abs()
            };
            self.gain_difference(gains[i], gains[j]) * discounts
        }
    }

    fn inverse(self, rank: usize) -> Number {
        match self.discount {
            _ if rank > self.cutoff => ZERO,
            Discount::Log2 => ln_2() / Number::from(1 + rank).ln(),
            Discount::Reciprocal => ONE / Number::from(rank),
            Discount::Constant => ONE,
        }
    }

    fn gain(self, label: f64) -> Number {
        match self.gain {
            Gain::Exponential => Number::from(label).exp2(),
            Gain::Linear => label.into(),
            Gain::Constant => ZERO,
        }
    }

    /// |G_i − G_j| of gains and labels.
    fn gain_difference(self, (g, a): (Number, f64), (h, b): (Number, f64)) -> Number {
        let by = Number::from(a) - Number::from(b);
        match self.gain {
            Gain::Constant => ONE,
            // Further apart, the difference costs few of the bits to spare.
            Gain::Exponential if by.abs() < ONE.scale(-10) => (h * (by * ln_2()).exp_m1()).abs(),
            _ => (g - h).abs(),
        }
    }
}

fn mean(numbers: &[Number], ranks: &Ranks) -> Number {
    numbers[ranks.clone()].iter().fold(ZERO, |sum, &x| sum + x) / Number::from(ranks.len())
}

/// The mean of |x − y| over the pairs of different ranks.
fn mean_within(numbers: &[Number], ranks: &Ranks) -> Number {
    let (mut sum, mut pairs) = (ZERO, 0_usize);
    for (a, x) in numbers[ranks.clone()].iter().enumerate() {
        for y in &numbers[ranks.clone()][..a] {
            sum += (*x - *y).abs();
            pairs += 1;
        }
    }
    if pairs == 0 { ZERO } else { sum / Number::from(pairs) }
}

// --- List losses

/// Logits relative to their greatest, and what softmax makes of them.
struct Shares {
    /// q_k.
    of: Vec<Number>,
    /// 1 − q_k.
    others: Vec<Number>,
    /// −log q_k.
    surprise: Vec<Number>,
}

impl Shares {
    fn new(logits: &[Number]) -> Self {
        let top = (1..logits.len()).fold(0, |top, k| if logits[k] > logits[top] { k } else { top });
        let exps: Vec<Number> = logits.iter().map(|&z| (z - logits[top]).exp()).collect();
        let others = all_but_each(&exps);
        let sum = exps[top] + others[top];
        let log_sum = others[top].ln_1p();
        Self {
            of: exps.iter().map(|&x| x / sum).collect(),
            others: others.iter().map(|&x| x / sum).collect(),
            surprise: logits.iter().map(|&z| (logits[top] - z) + log_sum).collect(),
        }
    }
}

/// For each of positive numbers, the sum of the others.
fn all_but_each(numbers: &[Number]) -> Vec<Number> {
    let mut others = vec![ZERO; numbers.len()];
    let mut sum = ZERO;
    for (k, &x) in numbers.iter().enumerate() {
        others[k] += sum;
        sum += x;
    }
    sum = ZERO;
    for (k, &x) in numbers.iter().enumerate().rev() {
        others[k] += sum;
        sum += x;
    }
    others
}

/// w_k ψ_k/Σwψ, and what it lacks to 1; None where the sum is 0.
fn label_shares(case: &Case) -> Option<(Vec<Number>, Vec<Number>)> {
    let parts: Vec<Number> = (0..case.len()).map(|k| case.weight(k) * case.label(k)).collect();
    let sum = parts.iter().fold(ZERO, |sum, &part| sum + part);
    let divide = |parts: Vec<Number>| parts.into_iter().map(|part| part / sum).collect();
    let others = all_but_each(&parts);
    (!sum.is_zero()).then(|| (divide(parts), divide(others)))
}

pub fn softmax(case: &Case) -> Exact {
    let mut exact = Exact::zero(case.len());
    let Some((labels, other_labels)) = label_shares(case) else { return exact };
    let scores: Vec<Number> = (0..case.len()).map(|k| case.score(k)).collect();
    let shares = Shares::new(&scores);
    for k in 0..case.len() {
        exact.value.add(labels[k] * shares.surprise[k]);
        exact.grad[k].add(shares.of[k] * other_labels[k]);
        exact.grad[k].add(-(labels[k] * shares.others[k]));
        exact.curvature[k].add(shares.of[k] * shares.others[k]);
    }
    exact
}

pub fn nca(case: &Case) -> Exact {
    let Some((labels, _)) = label_shares(case) else { return Exact::zero(case.len()) };
    let noise = ONE / Number::from(case.len());
    let share = |k: usize| labels[k];
    let mut exact = Exact::zero(case.len());
    for k in 0..case.len() {
        let score = case.score(k);
        let at = falling_softplus(score).times(share(k)).plus(softplus(score).times(noise));
        at.value.iter().for_each(|&term| exact.value.add(term));
        at.slope.iter().for_each(|&term| exact.grad[k].add(term));
        at.curvature.iter().for_each(|&term| exact.curvature[k].add(term));
    }
    exact
}

/// −Σ_k w_τ(k) log softmax(c_ki s_τ(i), i ≥ k)_k over the first `places` places of τ, which sorts the
/// labels descending.
fn in_order(
    case: &Case,
    places: usize,
    inverse_temperature: impl Fn(usize, usize) -> Number,
) -> Exact {
    let mut exact = Exact::zero(case.len());
    let order = Case::descending(&case.labels);
    for place in 0..places {
        let (head, rest) = (order[place], &order[place..]);
        let weight = case.weight(head);
        let inverses: Vec<Number> = rest.iter().map(|&k| inverse_temperature(head, k)).collect();
        let logits: Vec<Number> =
            rest.iter().zip(&inverses).map(|(&k, &c)| c * case.score(k)).collect();
        let shares = Shares::new(&logits);
        exact.value.add(weight * shares.surprise[0]);
        for (n, &k) in rest.iter().enumerate() {
            let pull = weight * inverses[n];
            exact.grad[k].add(if n == 0 {
                -(pull * shares.others[n])
            } else {
                pull * shares.of[n]
            });
            exact.curvature[k].add(pull * inverses[n] * shares.of[n] * shares.others[n]);
        }
    }
    exact
}

pub fn list_mle(case: &Case) -> Exact {
    in_order(case, case.len(), |_, _| ONE)
}

pub fn pro(case: &Case) -> Exact {
    let last = Case::descending(&case.labels).last().copied();
    in_order(case, case.len().saturating_sub(1), |head, k| {
        let other = if k == head { last.unwrap_or(head) } else { k };
        case.label(head) - case.label(other)
    })
}
