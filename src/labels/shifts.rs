//! Strengths that move together, which only a prior holds.

use super::fit::mean;
use super::limits::narrow;
use super::prior::Prior;

/// The directions in which all strengths of a part, items that comparisons link, move together.
///
/// The data are indifferent to them, so that only a prior curves the function along them, possibly by
/// many orders of magnitude less than the data do along others; differences of strengths, which
/// are rounded, would drown it. So conjugate gradients are kept out of these directions
/// (deflation; Nicolaides 1987), where the solution is known: sums over a part.
#[derive(Debug, Clone, Default)]
pub(super) struct Shifts {
    /// The part of each item.
    part_of: Vec<u32>,
    parts: usize,
    /// Of each item, the curvature of its prior; none without a prior, where a shift changes nothing.
    curvatures: Option<Vec<f64>>,
}

impl Shifts {
    pub(super) fn new(items: usize, parts: &[Vec<usize>], prior: Prior) -> Self {
        let mut part_of = vec![0; items];
        for (number, part) in parts.iter().enumerate() {
            for &item in part {
                part_of[item] = narrow(number);
            }
        }
        let curvatures = (prior != Prior::None).then(|| vec![0.0; items]);
        Self { part_of, parts: parts.len(), curvatures }
    }

    /// Adds a prior's slopes at the strengths to a gradient of a log-likelihood divided by `scale`,
    /// and keeps its curvatures.
    pub(super) fn add_prior(
        &mut self,
        prior: Prior,
        strengths: &[f64],
        scale: f64,
        gradient: &mut [f64],
    ) {
        let Some(curvatures) = &mut self.curvatures else {
            // The slopes of comparisons cancel; what rounding leaves would move all strengths.
            let mean = mean(gradient);
            for entry in gradient {
                *entry -= mean;
            }
            return;
        };
        for ((&strength, gradient), kept) in strengths.iter().zip(gradient).zip(curvatures) {
            let (slope, curvature) = prior.slope_and_curvature(strength);
            *gradient += slope / scale;
            *kept = curvature / scale;
        }
    }

    /// Adds the prior's part of the product of a vector and the information, or of its diagonal (the
    /// product with ones).
    pub(super) fn add_times(&self, vector: impl Fn(usize) -> f64, product: &mut [f64]) {
        let curvatures = self.curvatures.iter().flatten().enumerate();
        for ((item, curvature), product) in curvatures.zip(product) {
            *product += curvature * vector(item);
        }
    }

    fn weight(&self, item: usize) -> f64 {
        self.curvatures.as_ref().map_or(1.0, |curvatures| curvatures[item])
    }

    /// Of each part, the sum of its items' weights.
    pub(super) fn totals(&self) -> Vec<f64> {
        self.sums(|item| self.weight(item))
    }

    fn sums(&self, of_item: impl Fn(usize) -> f64) -> Vec<f64> {
        let mut sums = vec![0.0; self.parts];
        for (item, &part) in self.part_of.iter().enumerate() {
            sums[part as usize] += of_item(item);
        }
        sums
    }

    /// Takes what the shifts contribute out of a residual.
    pub(super) fn deflate(&self, residual: &mut [f64], totals: &[f64]) {
        let sums = self.sums(|item| residual[item]);
        for (item, &part) in self.part_of.iter().enumerate() {
            let part = part as usize;
            residual[item] -= sums[part] * (self.weight(item) / totals[part]);
        }
    }

    /// Puts the right amount of the shifts into a solution of a system.
    pub(super) fn complete(&self, solution: &mut [f64], right: &[f64], totals: &[f64]) {
        let wrong = self.sums(|item| self.weight(item) * solution[item]);
        let due = match self.curvatures {
            Some(_) => self.sums(|item| right[item]),
            None => vec![0.0; self.parts],
        };
        for (entry, &part) in solution.iter_mut().zip(&self.part_of) {
            let part = part as usize;
            *entry += (due[part] - wrong[part]) / totals[part];
        }
    }
}
