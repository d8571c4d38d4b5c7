//! List-MLE with weights by position.
//!
//! l(s, ψ) = Σ_k v_k w_τ(k) [log Σ_{j ≥ k} e^{s_τ(j)} − s_τ(k)], τ sorting the labels descending
//!
//! v_k is the weight of the k-th position, w the weight of an item; gradients are those of
//! [`list_mle`](super::list_mle) with the product of both.

use crate::engine::{PositionWeights, Work};
use crate::losses::{Domain, Loss};
use crate::{Error, List, Precision};

/// List-MLE whose positions weigh differently: −Σ_k v_k w_τ(k) log(e^{s_τ(k)} / Σ_{j ≥ k} e^{s_τ(j)}),
/// τ sorting the labels descending, equal ones by index.
///
/// One wants it where the head of the list matters more than the order of its tail, which list-MLE
/// weighs alike. The weights v of the positions are a [`PositionWeights`]:
///
/// - a `Vec<f64>` of the weights from the first position on, 0 behind the last, such as discounts of
///   a DCG;
/// - [`FirstPositions`], the top-k likelihood;
/// - [`ExponentialPositions`], p-ListMLE's;
/// - one of your own.
///
/// O(K log K). Terms, for [`Reduction::MeanOverTerms`](crate::losses::Reduction::MeanOverTerms), are
/// the lists. A weight that is negative or not finite is [`Error::Parameter`]; scores so far apart
/// that their difference overflows are [`Error::Spread`].
///
/// ```
/// use lipo::losses::{FirstPositions, LossExt, PositionalListMle};
/// use ndarray::array;
///
/// let (scores, labels) = (array![0.0_f64, 1.0, 0.0], array![2.0, 1.0, 0.0]);
/// let value = PositionalListMle::new(vec![1.0, 0.5]).value(&scores, &labels)?;
/// assert!((value - 1.708076).abs() < 1e-6); // log(2 + e) + ½ log(1 + e^-1)
/// let value = PositionalListMle::new(FirstPositions(1)).value(&scores, &labels)?;
/// assert!((value - 1.551445).abs() < 1e-6); // log(2 + e)
/// # Ok::<(), lipo::Error>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PositionalListMle<V> {
    /// v.
    pub weights: V,
}

impl<V> PositionalListMle<V> {
    /// List-MLE with the weights v of its positions.
    pub const fn new(weights: V) -> Self {
        Self { weights }
    }
}

impl PositionWeights for Vec<f64> {
    fn are_one(&self) -> bool {
        false
    }

    fn at(&self, position: usize, _: usize) -> f64 {
        self.get(position).copied().unwrap_or(0.0)
    }
}

/// Weight 1 of the first so many positions, 0 behind them: the likelihood of a list's first k items in
/// their order, which leaves the order of the others open (top-k ListMLE, Xia et al. 2009).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FirstPositions(
    /// k.
    pub usize,
);

impl PositionWeights for FirstPositions {
    fn are_one(&self) -> bool {
        false
    }

    fn at(&self, position: usize, _: usize) -> f64 {
        if position < self.0 { 1.0 } else { 0.0 }
    }
}

/// Weight 2^{K−k} − 1 of the k-th of K positions: p-ListMLE's (Lan et al. 2014, "Position-Aware
/// `ListMLE`", Section 3.3). Lists of more than 1024 items are [`Error::Parameter`]: their weights
/// are beyond the range.
///
/// ```
/// use lipo::losses::{ExponentialPositions, PositionWeights};
///
/// assert_eq!([0, 1, 2].map(|position| ExponentialPositions.at(position, 3)), [3.0, 1.0, 0.0]);
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct ExponentialPositions;

impl PositionWeights for ExponentialPositions {
    fn are_one(&self) -> bool {
        false
    }

    fn at(&self, position: usize, items: usize) -> f64 {
        ((items - 1 - position) as f64).exp2() - 1.0
    }
}

impl<V: PositionWeights> Loss for PositionalListMle<V> {
    fn work(&self) -> Work<'_> {
        Work::in_order(&self.weights)
    }

    fn domain(&self, _: Precision) -> Domain {
        Domain::DIFFERENCES.with_check()
    }

    fn check(&self, list: &List<'_>) -> Result<(), Error> {
        let weights = (0..list.len()).map(|position| self.weights.at(position, list.len()));
        match { weights }.find(|weight| !(0.0..f64::INFINITY).contains(weight)) {
            None => Ok(()),
            Some(value) => {
                let range = "finite and at least 0";
                Err(Error::Parameter { name: "position weight", value, range })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::losses::testing::{LENGTHS, check_derivatives, close, list, results};
    use crate::losses::{ListMle, LossExt};
    use crate::ranking::argsort_descending;

    const LABELS: [f64; 4] = [0.0, 1.0, 0.5, 3.0];

    /// The formula as printed.
    fn check_formula<V: PositionWeights + Clone>(weights: &V) {
        let loss = PositionalListMle::new(weights.clone());
        for items in LENGTHS {
            let (scores, labels) = list(items, &LABELS);
            let mut order = Vec::new();
            argsort_descending(&labels, &mut order);
            let expected = |k: usize| {
                let rest: f64 = order[k..].iter().map(|&item| scores[item].exp()).sum();
                weights.at(k, items) * (rest.ln() - scores[order[k]])
            };
            let expected: f64 = (0..items).map(expected).sum();
            let found = results::<f64>(&loss, &scores, &labels).0;
            close("value", found, expected, 1e-13 * expected.max(1.0));
        }
    }

    #[test]
    fn is_the_formula() {
        check_formula(&vec![1.0, 0.5, 0.0, 0.25]);
        check_formula(&FirstPositions(2));
        check_formula(&FirstPositions(1000));
        check_formula(&ExponentialPositions);
    }

    #[test]
    fn derivatives() {
        let table = (0..50).map(|k| 1.0 / f64::from(k + 1)).collect::<Vec<_>>();
        check_derivatives(&PositionalListMle::new(table), &LABELS, true);
        check_derivatives(&PositionalListMle::new(FirstPositions(5)), &LABELS, true);
    }

    #[test]
    fn weights_of_1_are_list_mle() {
        for items in LENGTHS {
            let (scores, labels) = list(items, &LABELS);
            let (value, gradient, diagonal) = results::<f64>(&ListMle, &scores, &labels);
            let found = results::<f64>(&PositionalListMle::new(vec![1.0; items]), &scores, &labels);
            close("value", found.0, value, 1e-13 * value.max(1.0));
            for item in 0..items {
                close("slope", found.1[item], gradient[item], 1e-13);
                close("diagonal", found.2[item], diagonal[item], 1e-13);
            }
        }
    }

    #[test]
    fn weights_beyond_the_range_are_an_error() {
        let scores = ndarray::Array1::<f64>::zeros(1026);
        let found = PositionalListMle::new(ExponentialPositions).value(&scores, &scores);
        assert!(matches!(found, Err(Error::Parameter { name: "position weight", .. })));
        let found = PositionalListMle::new(vec![-1.0]).value(&scores, &scores);
        assert!(matches!(found, Err(Error::Parameter { value: -1.0, .. })));
    }
}
