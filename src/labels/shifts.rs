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
    /// Of each part, the sum of the priors' slopes. It is the slope along the shift: the slopes of
    /// comparisons cancel, but for rounding, which may be greater than all priors'.
    slopes: Vec<f64>,
}

impl Shifts {
    /// `parts` are those that data link; without a prior they have to link all items.
    pub(super) fn new(items: usize, prior: Prior, parts: impl FnOnce() -> Vec<Vec<usize>>) -> Self {
        let mut part_of = vec![0; items];
        if prior == Prior::None {
            return Self { part_of, parts: 1, curvatures: None, slopes: vec![0.0] };
        }
        let parts = parts();
        for (number, part) in parts.iter().enumerate() {
            for &item in part {
                part_of[item] = narrow(number);
            }
        }
        let (curvatures, slopes) = (Some(vec![0.0; items]), vec![0.0; parts.len()]);
        Self { part_of, parts: parts.len(), curvatures, slopes }
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
        self.slopes.fill(0.0);
        let items = strengths.iter().zip(gradient).zip(curvatures).zip(&self.part_of);
        for (((&strength, gradient), kept), &part) in items {
            let (slope, curvature) = prior.slope_and_curvature(strength);
            *gradient += slope / scale;
            *kept = curvature / scale;
            self.slopes[part as usize] += slope / scale;
        }
    }

    /// The sums over each part of the gradient.
    pub(super) fn slopes(&self) -> &[f64] {
        &self.slopes
    }

    /// The sums over each part of the linear form of θ_item less the mean of all θ: where there is one
    /// part, exactly 0.
    pub(super) fn sums_of_centred_unit(&self, item: usize) -> Vec<f64> {
        let items = self.part_of.len() as f64;
        let mut sizes = self.sums(|_| 1.0);
        for size in &mut sizes {
            *size = -*size / items;
        }
        sizes[self.part_of[item] as usize] += 1.0;
        sizes
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

    /// The sums over each part of what an item has.
    pub(super) fn sums(&self, of_item: impl Fn(usize) -> f64) -> Vec<f64> {
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

    /// Puts the right amount of the shifts into a solution of a system, `due` being the sums over each
    /// part of its right side.
    pub(super) fn complete(&self, solution: &mut [f64], due: &[f64], totals: &[f64]) {
        let wrong = self.sums(|item| self.weight(item) * solution[item]);
        let due = |part: usize| if self.curvatures.is_some() { due[part] } else { 0.0 };
        for (entry, &part) in solution.iter_mut().zip(&self.part_of) {
            let part = part as usize;
            *entry += (due(part) - wrong[part]) / totals[part];
        }
    }
}
