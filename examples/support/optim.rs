//! Adam, the optimiser with which the examples train.

use ndarray::{Array2, Zip};
use num_traits::Float;

/// Adam (Kingma and Ba 2015), with its usual constants: decays 0.9 and 0.999, ε = 10⁻⁸.
///
/// Its steps do not depend on the scale of the loss, which makes one learning rate fair to losses of
/// different scales.
#[derive(Debug, Clone)]
pub struct Adam<F> {
    learning_rate: F,
    steps: i32,
    /// The running means of the gradient and of its square, for each array of parameters.
    moments: Vec<[Array2<F>; 2]>,
}

impl<F: Float> Adam<F> {
    pub fn new(learning_rate: F) -> Self {
        Self { learning_rate, steps: 0, moments: Vec::new() }
    }

    /// Moves the parameters by one step against the gradient, which has their shapes.
    pub fn step(&mut self, parameters: &mut [Array2<F>], grad: &[Array2<F>]) {
        let constant = |x: f64| F::from(x).expect("a float has every constant of Adam");
        let (mean_decay, square_decay, epsilon) = (constant(0.9), constant(0.999), constant(1e-8));
        if self.moments.is_empty() {
            let zeros = |part: &Array2<F>| [Array2::zeros(part.dim()), Array2::zeros(part.dim())];
            self.moments = grad.iter().map(zeros).collect();
        }
        self.steps += 1;
        // The moments start at 0; these factors take that out of them.
        let unbias = |decay: F| (F::one() - decay.powi(self.steps)).recip();
        let (unbias_mean, unbias_square) = (unbias(mean_decay), unbias(square_decay));
        for ((parameters, grad), [mean, square]) in
            parameters.iter_mut().zip(grad).zip(&mut self.moments)
        {
            Zip::from(parameters).and(grad).and(mean).and(square).for_each(
                |parameter, &slope, mean, square| {
                    *mean = *mean + (F::one() - mean_decay) * (slope - *mean);
                    *square = *square + (F::one() - square_decay) * (slope * slope - *square);
                    let deviation = (*square * unbias_square).sqrt() + epsilon;
                    *parameter = *parameter - self.learning_rate * *mean * unbias_mean / deviation;
                },
            );
        }
    }
}
