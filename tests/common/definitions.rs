//! The losses' definitions written out naively, in plain `f64`.

use ndarray::Array2;

use super::{TestList, TestWeight};

/// A loss by its formula, term by term, in plain `f64`: for scores and weights of moderate size.
#[derive(Debug, Clone)]
pub struct Definition {
    pub value: f64,
    /// The gradient is `plus − minus`; their sum is the Σ|terms| that bounds its rounding.
    pub plus: Vec<f64>,
    pub minus: Vec<f64>,
}

impl Definition {
    fn zero(items: usize) -> Self {
        Self { value: 0.0, plus: vec![0.0; items], minus: vec![0.0; items] }
    }

    pub fn grad(&self) -> Vec<f64> {
        self.plus.iter().zip(&self.minus).map(|(plus, minus)| plus - minus).collect()
    }

    pub fn scale(&self) -> Vec<f64> {
        self.plus.iter().zip(&self.minus).map(|(plus, minus)| plus + minus).collect()
    }

    fn add_slope(&mut self, item: usize, slope: f64) {
        self.plus[item] += slope.max(0.0);
        self.minus[item] += (-slope).max(0.0);
    }

    /// Of one of the seven losses; all items of the list count as existing.
    pub fn of(loss: &str, list: &TestList) -> Self {
        match loss {
            "point-mse" => Self::of_points(list, |s, psi| ((psi - s).powi(2), 2.0 * (s - psi))),
            "point-sigmoid" => Self::of_points(list, |s, psi| {
                let value = psi * log_1p_exp(-s) + (1.0 - psi) * log_1p_exp(s);
                (value, (1.0 - psi) * sigmoid(s) - psi * sigmoid(-s))
            }),
            "pair-hinge" => Self::of_pairs(list, hinge, |_, _| 1.0),
            "pair-logistic" => Self::of_pairs(list, logistic, |_, _| 1.0),
            "list-mle" => Self::of_list_mle(list),
            "softmax" => Self::of_softmax(list),
            "lambda-loss" => {
                let (labels, ranks) = (list.labels(), &rankings(&list.scores())[0]);
                let delta = |i, j| delta(&TestWeight::dcg(), &labels, ranks, i, j);
                Self::of_pairs(list, logistic, delta)
            }
            _ => panic!("no definition of {loss}"),
        }
    }

    fn of_points(list: &TestList, term: impl Fn(f64, f64) -> (f64, f64)) -> Self {
        let mut all = Self::zero(list.items.len());
        for (k, item) in list.items.iter().enumerate() {
            let (value, slope) = term(item.score, item.label);
            all.value += item.weight * value;
            all.add_slope(k, item.weight * slope);
        }
        all
    }

    /// Of Σ_{ψ_i > ψ_j} w_i Δ_ij φ(s_i − s_j), Δ a constant; `function` gives φ and φ′.
    pub fn of_pairs(
        list: &TestList,
        function: impl Fn(f64) -> (f64, f64),
        delta: impl Fn(usize, usize) -> f64,
    ) -> Self {
        let mut all = Self::zero(list.items.len());
        for (i, better) in list.items.iter().enumerate() {
            for (j, worse) in list.items.iter().enumerate() {
                if better.label > worse.label {
                    let weight = better.weight * delta(i, j);
                    let (value, slope) = function(better.score - worse.score);
                    all.value += weight * value;
                    all.add_slope(i, weight * slope);
                    all.add_slope(j, -weight * slope);
                }
            }
        }
        all
    }

    fn of_list_mle(list: &TestList) -> Self {
        let mut all = Self::zero(list.items.len());
        let mut rest: Vec<usize> = (0..list.items.len()).collect();
        rest.sort_by(|&i, &j| list.items[j].label.total_cmp(&list.items[i].label));
        while let Some(&head) = rest.first() {
            let weight = list.items[head].weight;
            let score = |k: usize| list.items[k].score;
            let top = rest.iter().map(|&k| score(k)).fold(f64::NEG_INFINITY, f64::max);
            let sum: f64 = rest.iter().map(|&k| (score(k) - top).exp()).sum();
            all.value += weight * ((top - score(head)) + sum.ln());
            rest.remove(0);
            for &k in &rest {
                all.plus[k] += weight * (score(k) - top).exp() / sum;
                all.minus[head] += weight * (score(k) - top).exp() / sum;
            }
        }
        all
    }

    fn of_softmax(list: &TestList) -> Self {
        let mut all = Self::zero(list.items.len());
        let total: f64 = list.items.iter().map(|item| item.weight * item.label).sum();
        if total == 0.0 {
            return all;
        }
        let top = list.scores().into_iter().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = list.items.iter().map(|item| (item.score - top).exp()).sum();
        let p = |k: usize| list.items[k].weight * list.items[k].label / total;
        let q = |k: usize| (list.items[k].score - top).exp() / sum;
        for (k, item) in list.items.iter().enumerate() {
            all.value += p(k) * ((top - item.score) + sum.ln());
            for j in (0..list.items.len()).filter(|&j| j != k) {
                all.plus[k] += q(k) * p(j);
                all.minus[k] += p(k) * q(j);
            }
        }
        all
    }
}

/// φ(d) and φ′(d).
pub type PairTerms = fn(f64) -> (f64, f64);

pub fn hinge(d: f64) -> (f64, f64) {
    if d < 1.0 { (1.0 - d, -1.0) } else { (0.0, 0.0) }
}

pub fn logistic(d: f64) -> (f64, f64) {
    (log_1p_exp(-d), -sigmoid(-d))
}

pub fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

pub fn log_1p_exp(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

/// |G_i − G_j| · |d(τ_i) − d(τ_j)| for given ranks τ.
pub fn delta(weight: &TestWeight, labels: &[f64], ranks: &[usize], i: usize, j: usize) -> f64 {
    let gains = weight.gain.map_or(1.0, |gain| (gain(labels[i]) - gain(labels[j])).abs());
    let of = |discount: fn(usize) -> f64| (discount(ranks[i]) - discount(ranks[j])).abs();
    gains * weight.discount.map_or(1.0, of)
}

/// Δ under every order of tied items; that by index comes first.
pub fn deltas(weight: &TestWeight, scores: &[f64], labels: &[f64]) -> Vec<Array2<f64>> {
    let size = (scores.len(), scores.len());
    let of_ranks = |ranks: &Vec<usize>| {
        Array2::from_shape_fn(size, |(i, j)| delta(weight, labels, ranks, i, j))
    };
    rankings(scores).iter().map(of_ranks).collect()
}

pub fn mean(arrays: &[Array2<f64>]) -> Array2<f64> {
    #[allow(clippy::cast_precision_loss)] // few arrays
    let count = arrays.len() as f64;
    arrays.iter().fold(Array2::zeros(arrays[0].dim()), |sum, array| sum + array) / count
}

/// The 1-based ranks by score, descending, under every order of tied items; by index comes first.
pub fn rankings(scores: &[f64]) -> Vec<Vec<usize>> {
    fn extend(scores: &[f64], ranks: &mut Vec<usize>, rank: usize, all: &mut Vec<Vec<usize>>) {
        let unranked = || (0..scores.len()).filter(|&k| ranks[k] == 0);
        let best = unranked().map(|k| scores[k]).fold(f64::NEG_INFINITY, f64::max);
        let next: Vec<usize> = unranked().filter(|&k| scores[k] == best).collect();
        if next.is_empty() {
            all.push(ranks.clone());
        }
        for k in next {
            ranks[k] = rank;
            extend(scores, ranks, rank + 1, all);
            ranks[k] = 0;
        }
    }
    let mut all = Vec::new();
    extend(scores, &mut vec![0; scores.len()], 1, &mut all);
    all
}
