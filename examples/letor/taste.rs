//! Data of the example's own.

use ndarray::Array1;
use rand::{Rng, RngExt};
use rand_distr::StandardNormal;

use crate::data::Queries;
use crate::features::Features;

/// A hidden function of a document's features.
pub struct Taste {
    linear: Array1<f64>,
    product: [Array1<f64>; 2],
}

impl Taste {
    const FEATURES: usize = 20;

    pub fn new(rng: &mut impl Rng) -> Self {
        let mut normals = || normals(Self::FEATURES, rng) / (Self::FEATURES as f64).sqrt();
        Self { linear: normals(), product: [normals(), normals()] }
    }

    /// Queries of 5 to 30 documents. The features of a query have something in common, and it has many
    /// relevant documents or few: what a score means differs from query to query.
    pub fn queries(&self, count: usize, rng: &mut impl Rng) -> Queries {
        let sizes: Vec<usize> = (0..count).map(|_| rng.random_range(5..=30)).collect();
        let (mut features, mut grades) = (Features::default(), Vec::new());
        for &size in &sizes {
            let common = normals(Self::FEATURES, rng);
            let generosity: f64 = rng.sample(StandardNormal);
            for _ in 0..size {
                let own = normals(Self::FEATURES, rng);
                let noise: f64 = rng.sample(StandardNormal);
                let product = self.product.each_ref().map(|factor| factor.dot(&own));
                let quality = self.linear.dot(&own) + product[0] * product[1] + 0.5 * noise;
                // The grades 0 to 4, each rarer than the one before.
                grades.push((1.2 * quality + 0.7 * generosity).clamp(0.0, 4.0).floor());
                let document: Vec<_> = (1..).zip(own + &common).collect();
                features.push(&document).expect("normal values");
            }
        }
        Queries { features, grades: grades.into(), sizes }
    }
}

fn normals(size: usize, rng: &mut impl Rng) -> Array1<f64> {
    Array1::from_shape_simple_fn(size, || rng.sample(StandardNormal))
}
