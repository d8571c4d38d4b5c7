//! The average relevance position (as in Wang et al. 2018, the LambdaLoss framework).
//!
//! ARP = Σ w_k ψ_k τ_k / Σ w_k ψ_k

use crate::metrics::{Extent, Metric, RankedList, Scratch, greatest_weight};
use crate::numeric::Sum;
use crate::ranking::ScoreTies;
use crate::{Error, List};

/// Average relevance position: the mean rank, weighing labels. Σ w_k ψ_k τ_k / Σ w_k ψ_k, small is
/// good; the definition is that of Wang et al. 2018 and of TF-Ranking.
///
/// Not defined where the labels sum to 0.
///
/// ```
/// use lipo::metrics::{AverageRelevancePosition, MetricExt};
/// use ndarray::array;
///
/// let arp = AverageRelevancePosition::default();
/// let position = arp.mean(&array![2.0_f64, 1.0, 3.0], &array![2.0, 0.0, 1.0])?;
/// assert!((position - 1.666667).abs() < 1e-6); // (2·2 + 0·3 + 1·1) / 3
/// # Ok::<(), lipo::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::OutOfRange`] for a negative label.
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct AverageRelevancePosition {
    /// The ranks τ of equal scores.
    pub ties: ScoreTies,
}

impl AverageRelevancePosition {
    /// The same metric with another rule for equal scores.
    #[must_use]
    pub fn ties(self, ties: ScoreTies) -> Self {
        Self { ties }
    }
}

impl Metric for AverageRelevancePosition {
    fn ties(&self) -> ScoreTies {
        self.ties
    }

    fn check(&self, list: &List<'_>) -> Result<(), Error> {
        match list.labels().iter().position(|&label| label < 0.0) {
            Some(item) => Err(list.label_out_of_range(item, "at least 0")),
            None => Ok(()),
        }
    }

    fn accepts(&self, extent: &Extent) -> bool {
        extent.labels.0 >= 0.0
    }

    fn list(&self, ranked: &RankedList<'_>, _: &mut Scratch) -> Option<f64> {
        let list = ranked.list();
        let (label, weight) =
            (list.labels().iter().copied().fold(0.0, f64::max), greatest_weight(&list));
        let (mut positions, mut relevance) = (Sum::default(), Sum::default());
        let mut above = 0;
        for group in ranked.groups() {
            let rank = above as f64 + (group.len() + 1) as f64 / 2.0;
            for &item in group {
                // Shares of the greatest, whose sums stay within the range.
                let share = list.labels()[item] / label * (list.weight(item) / weight);
                // Of 0/0 there is nothing to count.
                let share = if share > 0.0 { share } else { 0.0 };
                positions.add_moderate(share * rank);
                relevance.add_moderate(share);
            }
            above += group.len();
        }
        (relevance.total() > 0.0).then(|| positions.total() / relevance.total())
    }
}
