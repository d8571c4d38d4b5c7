//! Σ_j Ψ_kj over all items j, for each k, in less than K² time.
//!
//! As a function of x, f(x) = Σ_j points(x − θ_j) is analytic: the singularities of σ and of the tie
//! models lie at least π from the real line. So on an interval of length 4 its interpolation at 32
//! Chebyshev nodes is right to 3.4⁻³² ≈ 10⁻¹⁷ of f, and all items of an interval take 32 sums over K,
//! not one each:
//!
//!   for each interval: if it has few items, sum for each; else sum at the nodes, and interpolate
//!
//! A term is a quotient of e^{(x − θ_j)/2}, which is a product of one exponential for x and one for j.

use super::ties::TieModel;

/// Nodes of an interval.
const NODES: usize = 32;
/// Half of an interval's length.
const HALF: f64 = 2.0;
/// As far as products of exponentials, and their squares, are safe from the ends of the range.
const RANGE: f64 = 300.0;

/// The points that each item can expect against all, itself (½) among them.
pub(super) fn expected_points(ties: TieModel, strengths: &[f64]) -> Vec<f64> {
    let least = strengths.iter().copied().fold(f64::INFINITY, f64::min);
    let greatest = strengths.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let threshold = if let TieModel::RaoKupper { threshold } = ties { threshold } else { 0.0 };
    let nu = if let TieModel::Davidson { nu } = ties { nu } else { 0.0 };
    if strengths.len() <= NODES || greatest - least + threshold > RANGE || nu > 1e100 {
        let expect = |x: f64| {
            strengths.iter().map(|theta| ties.probabilities(x - theta).points()).sum::<f64>()
        };
        return strengths.iter().map(|&x| expect(x)).collect();
    }
    let middle = f64::midpoint(least, greatest);
    let lowered: Vec<f64> = strengths.iter().map(|theta| (0.5 * (middle - theta)).exp()).collect();
    // y = e^{d/2}, in terms of which the points are a quotient.
    let root = |x: f64| (0.5 * (x - middle)).exp();
    match ties {
        TieModel::HalfWins => interpolated(strengths, |x| {
            let root = root(x);
            sum_over(&lowered, |lowered| {
                let square = (root * lowered).powi(2);
                square / (1.0 + square)
            })
        }),
        TieModel::Davidson { nu } => interpolated(strengths, |x| {
            let root = root(x);
            sum_over(&lowered, |lowered| {
                let y = root * lowered;
                y * (y + 0.5 * nu) / (1.0 + y * (y + nu))
            })
        }),
        TieModel::RaoKupper { threshold } => {
            // win = y²/(y² + κ), tie = (κ² − 1) y²/((y² + κ)(1 + κ y²))
            let (kappa, excess) = (threshold.exp(), (2.0 * threshold).exp_m1());
            interpolated(strengths, |x| {
                let root = root(x);
                sum_over(&lowered, |lowered| {
                    let square = (root * lowered).powi(2);
                    square / (square + kappa) * (1.0 + 0.5 * excess / (1.0 + kappa * square))
                })
            })
        }
    }
}

/// The sum of a function of each element, in eight sums that run side by side.
#[inline(always)]
fn sum_over(elements: &[f64], term: impl Fn(f64) -> f64) -> f64 {
    let (chunks, rest) = elements.as_chunks::<8>();
    let mut sums = [0.0; 8];
    for chunk in chunks {
        for (sum, &element) in sums.iter_mut().zip(chunk) {
            *sum += term(element);
        }
    }
    sums.iter().sum::<f64>() + rest.iter().map(|&element| term(element)).sum::<f64>()
}

/// A function at each place, interpolated wherever an interval has more places than nodes.
fn interpolated(places: &[f64], function: impl Fn(f64) -> f64) -> Vec<f64> {
    let mut order: Vec<usize> = (0..places.len()).collect();
    order.sort_unstable_by(|&a, &b| places[a].total_cmp(&places[b]));
    let mut values = vec![0.0; places.len()];
    let mut rest = &order[..];
    while let Some(&first) = rest.first() {
        let end = places[first] + 2.0 * HALF;
        let count = rest.partition_point(|&place| places[place] <= end).max(1);
        let (inside, beyond) = rest.split_at(count);
        rest = beyond;
        if count <= NODES {
            for &place in inside {
                values[place] = function(places[place]);
            }
            continue;
        }
        let centre = places[first] + HALF;
        // Chebyshev's nodes of the second kind, whose weights are ±1, ½ at the ends.
        let nodes: [f64; NODES] = std::array::from_fn(|node| {
            (std::f64::consts::PI * node as f64 / (NODES - 1) as f64).cos()
        });
        let at_nodes = nodes.map(|node| function(centre + HALF * node));
        for &place in inside {
            values[place] = barycentric(&nodes, &at_nodes, (places[place] - centre) / HALF);
        }
    }
    values
}

/// The interpolating polynomial at a place (Berrut and Trefethen 2004).
fn barycentric(nodes: &[f64; NODES], values: &[f64; NODES], place: f64) -> f64 {
    let (mut over, mut under) = (0.0, 0.0);
    for (node, (&at, &value)) in nodes.iter().zip(values).enumerate() {
        if place == at {
            return value;
        }
        let end = if node == 0 || node == NODES - 1 { 0.5 } else { 1.0 };
        let weight = if node % 2 == 0 { end } else { -end } / (place - at);
        over += weight * value;
        under += weight;
    }
    over / under
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numeric::{SplitMix64, Sum};

    #[test]
    fn interpolated_points_are_those_of_all_pairs() {
        let mut random = SplitMix64::new(4);
        for (items, spread) in [(33, 1.0), (100, 0.1), (200, 12.0), (300, 250.0), (80, 2000.0)] {
            let theta: Vec<f64> = (0..items).map(|_| spread * (random.uniform() - 0.5)).collect();
            for ties in [
                TieModel::HalfWins,
                TieModel::Davidson { nu: 0.3 },
                TieModel::Davidson { nu: 50.0 },
                TieModel::RaoKupper { threshold: 1e-9 },
                TieModel::RaoKupper { threshold: 3.0 },
            ] {
                let got = expected_points(ties, &theta);
                for (k, got) in got.into_iter().enumerate() {
                    let mut sum = Sum::default();
                    let points = |j: usize| ties.probabilities(theta[k] - theta[j]).points();
                    (0..items).for_each(|j| sum.add(points(j)));
                    let error = (got / sum.total() - 1.0).abs();
                    assert!(error < 2e-14, "{ties:?} {items} {spread}: {got} {error:e}");
                }
            }
        }
    }
}
