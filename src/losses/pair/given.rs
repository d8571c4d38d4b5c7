//! Pair losses over given pairs: which item is preferred to which, with what weight and margin.

use crate::check::{finite, same_shape, within};
use crate::engine::{PairFunction, tile_of_margins};
use crate::losses::PairLoss;
use crate::losses::reduction::{Reduction, Total};
use crate::numeric::{DoubleDouble, Sum};
use crate::{Error, Real};

/// Pairs of items, each with the preferred one first: what to use where preferences are a sparse set of
/// pairs rather than labels, so that no K × K matrix is needed.
#[derive(Debug, Clone, Copy)]
pub struct GivenPairs<'a, F> {
    preferred: &'a [usize],
    others: &'a [usize],
    weights: Option<&'a [F]>,
    margins: Option<&'a [F]>,
}

impl<'a, F: Real> GivenPairs<'a, F> {
    /// Pairs in which item `preferred[n]` is preferred to item `others[n]`.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] where the slices differ in length.
    pub fn new(preferred: &'a [usize], others: &'a [usize]) -> Result<Self, Error> {
        same_shape("others", &[others.len()], &[preferred.len()])?;
        Ok(Self { preferred, others, weights: None, margins: None })
    }

    /// A weight for each pair, finite and at least 0.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] where there are not as many weights as pairs, [`Error::NotFinite`] and
    /// [`Error::OutOfRange`] for a weight that is none.
    pub fn weights(self, weights: &'a [F]) -> Result<Self, Error> {
        same_shape("pair weights", &[weights.len()], &[self.preferred.len()])?;
        for (n, &weight) in weights.iter().enumerate() {
            within("pair weights", weight, (|weight| weight >= 0.0, "at least 0"), || vec![n])?;
        }
        Ok(Self { weights: Some(weights), ..self })
    }

    /// A target margin for each pair, finite: φ(d − γ) in place of φ(d), as in Llama 2's reward model and
    /// ODPO.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] where there are not as many margins as pairs, [`Error::NotFinite`] for one that is
    /// not finite.
    pub fn margins(self, margins: &'a [F]) -> Result<Self, Error> {
        same_shape("pair margins", &[margins.len()], &[self.preferred.len()])?;
        for (n, &margin) in margins.iter().enumerate() {
            finite("pair margins", margin, || vec![n])?;
        }
        Ok(Self { margins: Some(margins), ..self })
    }

    fn weight(&self, n: usize) -> f64 {
        self.weights.map_or(1.0, |weights| weights[n].widen())
    }
}

/// Pairs whose margins are evaluated together.
const TILE: usize = 512;

impl<P: PairFunction> PairLoss<P> {
    /// Σ_n w_n φ(s_i(n) − s_j(n) − γ_n) over given pairs, and its gradient with respect to the scores.
    ///
    /// `Reduction::Sum` leaves the sum as it is; the means divide it by the number of pairs.
    ///
    /// ```
    /// use lipo::losses::{GivenPairs, Logistic, PairLoss, Reduction};
    ///
    /// let scores = [0.5_f64, 0.0, 1.0];
    /// let pairs = GivenPairs::new(&[0, 2], &[1, 0])?.margins(&[0.5, 0.0])?;
    /// let loss = PairLoss::unweighted(Logistic);
    /// let (value, grad) = loss.over_pairs(&scores, &pairs, Reduction::Sum)?;
    /// assert!((value - 1.167224).abs() < 1e-6); // log 2 + log(1 + e^-0.5)
    /// assert!((grad[0] + 0.122459).abs() < 1e-6); // -1/2 + σ(-0.5)
    /// # Ok::<(), lipo::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::NotFinite`] for a score that is not finite, [`Error::OutOfRange`] for a pair that names no
    /// item.
    pub fn over_pairs<F: Real>(
        &self,
        scores: &[F],
        pairs: &GivenPairs<'_, F>,
        reduction: Reduction,
    ) -> Result<(F, Vec<F>), Error> {
        for (item, &score) in scores.iter().enumerate() {
            finite("scores", score, || vec![item])?;
        }
        for (what, items) in [("preferred", pairs.preferred), ("others", pairs.others)] {
            if let Some(n) = items.iter().position(|&item| item >= scores.len()) {
                let (value, range) = (items[n] as f64, "the index of a score");
                return Err(Error::OutOfRange { what, index: vec![n], value, range });
            }
        }
        let count = pairs.preferred.len();
        let mut total = Total::default();
        (total.lists, total.terms) = (count, count as u64);
        let divisor = total.divisor(reduction);
        let mut sums = vec![Sum::default(); scores.len()];
        let (mut margins, mut lost) = ([0.0; TILE], [0.0; TILE]);
        for first in (0..count).step_by(TILE) {
            let tile = first..count.min(first + TILE);
            let len = tile.len();
            for (k, n) in tile.clone().enumerate() {
                let (i, j) = (pairs.preferred[n], pairs.others[n]);
                let target = pairs.margins.map_or(0.0, |margins| margins[n].widen());
                let exact =
                    DoubleDouble::difference(scores[i].widen(), scores[j].widen()) - target.into();
                margins[k] = F::PRECISION.round(exact.hi);
                lost[k] = (exact.hi - margins[k]) + exact.lo;
            }
            tile_of_margins(&self.function, &mut margins[..len], &mut lost[..len]);
            for (k, n) in tile.enumerate() {
                let weight = pairs.weight(n);
                total.add(weight, margins[k]);
                if weight != 0.0 {
                    let slope = weight * lost[k];
                    sums[pairs.preferred[n]].add(slope);
                    sums[pairs.others[n]].add(-slope);
                }
            }
        }
        let shrink = |sum: Sum| if divisor == 0.0 { 0.0 } else { sum.total() / divisor };
        let grad = sums.into_iter().map(|sum| F::narrow(shrink(sum))).collect();
        Ok((total.reduce(reduction), grad))
    }
}
