//! `ApproxNDCG`: the NDCG of soft ranks.
//!
//! r_i = 1 + Σ_{j ≠ i} σ((s_j − s_i)/T), l = −Σ_i G_i d(r_i) / IDCG
//!
//! With a_i = ∂l/∂r_i = −G_i d′(r_i) / IDCG,
//!
//! ∂l/∂s_i = (1/T) Σ_j σ′((s_j − s_i)/T) (a_j − a_i)

use std::borrow::Cow;

use crate::engine::{ListFunction, ListResults, Work};
use crate::losses::{Domain, Loss};
use crate::ranking::{Discount, ExponentialGain, Gain, LogDiscount, check_discount};
use crate::{Error, List, Precision};

/// `ApproxNDCG`: minus the NDCG with soft ranks r_i = 1 + Σ_{j ≠ i} σ((s_j − s_i)/T) in place of
/// ranks, −Σ_i G_i/D(r_i) / IDCG (Qin et al. 2010,
/// [doi 10.1007/s10791-009-9124-x](https://doi.org/10.1007/s10791-009-9124-x)); OPO's loss
/// ([arXiv 2410.04346](https://arxiv.org/abs/2410.04346)), Rax's `approx_t12n(ndcg_metric)`.
///
/// One wants it to optimise the metric itself: as the temperature T falls to 0, the value comes to
/// −NDCG, while its slopes come to be 0 but near ties; the greater T, the smoother. 1 and 0.1 are usual.
/// Scores far from each other in units of T no longer move, so begin near 0.
///
/// The value lies between −1 and 0. Item weights multiply the gains. A list whose greatest DCG is 0 has
/// value and gradient 0. O(K²) with an exponential a pair, in `f64`. It has no diagonal of the Hessian:
/// where that is asked for, it is 0. Terms, for
/// [`Reduction::MeanOverTerms`](crate::losses::Reduction::MeanOverTerms), are the lists.
///
/// A label whose gain is negative or not finite is [`Error::OutOfRange`]; scores so far apart that
/// their difference overflows are [`Error::Spread`].
///
/// ```
/// use lipo::losses::{ApproxNdcg, LossExt};
/// use ndarray::array;
///
/// let (value, grad) =
///     ApproxNdcg::new(1.0)?.value_and_grad(&array![0.0_f64, 0.0], &array![1.0, 0.0])?;
/// assert!((value + 0.756471).abs() < 1e-6); // -1/log2(1 + 1.5)
/// assert!((grad[0] + 0.082558).abs() < 1e-6); // -σ′(0) · log 2 / (2.5 log² 2.5)
/// # Ok::<(), lipo::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct ApproxNdcg<G = ExponentialGain, D = LogDiscount> {
    /// G.
    pub gain: G,
    /// 1/D.
    pub discount: D,
    temperature: f64,
}

impl ApproxNdcg {
    /// The loss at a temperature T, finite and positive.
    ///
    /// # Errors
    ///
    /// [`Error::Parameter`] for any other temperature.
    pub fn new(temperature: f64) -> Result<Self, Error> {
        if temperature.is_normal() && temperature > 0.0 {
            return Ok(Self { gain: ExponentialGain, discount: LogDiscount, temperature });
        }
        Err(Error::Parameter { name: "temperature", value: temperature, range: "positive" })
    }
}

impl<G, D> ApproxNdcg<G, D> {
    /// The same loss with another gain.
    #[must_use]
    pub fn gain<H: Gain>(self, gain: H) -> ApproxNdcg<H, D> {
        ApproxNdcg { gain, discount: self.discount, temperature: self.temperature }
    }

    /// The same loss with another discount, which is asked for its slope.
    #[must_use]
    pub fn discount<E: Discount>(self, discount: E) -> ApproxNdcg<G, E> {
        ApproxNdcg { gain: self.gain, discount, temperature: self.temperature }
    }

    /// T.
    #[must_use]
    pub fn temperature(&self) -> f64 {
        self.temperature
    }

    /// Calls `pair` with i, j, and σ(−|x|) and σ(|x|) of x = (s_j − s_i)/T, where j < i are any two
    /// items; σ′(x) is their product.
    fn each_pair(&self, scores: &[f64], mut pair: impl FnMut(usize, usize, f64, f64)) {
        for (i, &score) in scores.iter().enumerate() {
            for (j, &other) in scores[..i].iter().enumerate() {
                let exp = (-((score - other) / self.temperature).abs()).exp();
                let large = 1.0 / (1.0 + exp);
                pair(i, j, exp * large, large);
            }
        }
    }
}

impl<G: Gain, D: Discount> ListFunction for ApproxNdcg<G, D> {
    fn list(&self, list: &List<'_>, results: &mut ListResults<'_>) -> f64 {
        let (scores, items) = (list.scores(), list.len());
        let (gradient, numbers) = results.gradient_and_zeros(3 * items);
        let (gains, numbers) = numbers.split_at_mut(items);
        let (sorted, ranks) = numbers.split_at_mut(items);
        // Weights and gains relative to their greatest, so that no product overflows.
        let weight = (0..items).map(|k| list.weight(k)).fold(0.0, f64::max);
        let gain = list.labels().iter().map(|&label| self.gain.at(label)).fold(0.0, f64::max);
        if weight == 0.0 || gain == 0.0 {
            return 0.0;
        }
        for (k, &label) in list.labels().iter().enumerate() {
            gains[k] = (list.weight(k) / weight) * (self.gain.at(label) / gain);
        }
        sorted.copy_from_slice(gains);
        sorted.sort_unstable_by(|a, b| b.total_cmp(a));
        let best = |(place, gain): (usize, &f64)| gain * self.discount.at((place + 1) as f64);
        let ideal: f64 = sorted.iter().enumerate().map(best).sum();
        if ideal == 0.0 {
            return 0.0;
        }

        ranks.fill(1.0);
        self.each_pair(scores, |i, j, small, large| {
            let (of_i, of_j) = if scores[j] > scores[i] { (large, small) } else { (small, large) };
            ranks[i] += of_i;
            ranks[j] += of_j;
        });
        let mut value = 0.0;
        // From here on, gains are a = ∂l/∂r.
        for (gain, &rank) in gains.iter_mut().zip(&*ranks) {
            let share = *gain / ideal;
            value -= share * self.discount.at(rank);
            *gain = -share * self.discount.slope(rank);
        }
        self.each_pair(scores, |i, j, small, large| {
            let pull = small * large / self.temperature * (gains[j] - gains[i]);
            gradient[i] += pull;
            gradient[j] -= pull;
        });
        value
    }
}

impl<G: Gain, D: Discount> Loss for ApproxNdcg<G, D> {
    fn work(&self) -> Work<'_> {
        Work::list(self)
    }

    fn name(&self) -> Cow<'static, str> {
        "approx-ndcg".into()
    }

    fn domain(&self, _: Precision) -> Domain {
        Domain::DIFFERENCES.with_check()
    }

    fn check(&self, list: &List<'_>) -> Result<(), Error> {
        check_discount(&self.discount, list.len())?;
        let is_gain = |&label: &f64| (0.0..f64::INFINITY).contains(&self.gain.at(label));
        match list.labels().iter().position(|label| !is_gain(label)) {
            Some(item) => {
                Err(list.label_out_of_range(item, "a label whose gain is finite and at least 0"))
            }
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::losses::LossExt;
    use crate::losses::testing::{LENGTHS, check_derivatives, close, list, results};
    use crate::metrics::{MetricExt, Ndcg};
    use crate::ranking::{LinearGain, ReciprocalDiscount};

    const GRADES: [f64; 4] = [0.0, 1.0, 3.0, 2.0];

    #[test]
    fn derivatives() {
        for temperature in [0.1, 1.0, 10.0] {
            check_derivatives(&ApproxNdcg::new(temperature).unwrap(), &GRADES, false);
        }
        let loss = ApproxNdcg::new(0.5).unwrap().gain(LinearGain).discount(ReciprocalDiscount);
        check_derivatives(&loss, &GRADES, false);
    }

    #[test]
    fn is_the_formula() {
        for items in LENGTHS {
            let (mut scores, labels) = list(items, &GRADES);
            scores[0] = scores[items - 1]; // a tie
            let rank = |i: usize| {
                let above = |s: &f64| 1.0 / (1.0 + ((scores[i] - s) / 0.3).exp());
                0.5 + scores.iter().map(above).sum::<f64>()
            };
            let discount = |rank: f64| 1.0 / (1.0 + rank).log2();
            let gain = |label: f64| label.exp2() - 1.0;
            let soft: f64 = (0..items).map(|i| gain(labels[i]) * discount(rank(i))).sum();
            let mut sorted = labels.clone();
            sorted.sort_by(|a, b| b.total_cmp(a));
            let best = |(place, label): (usize, &f64)| gain(*label) * discount(place as f64 + 1.0);
            let best: f64 = sorted.iter().enumerate().map(best).sum();
            let expected = if best > 0.0 { -soft / best } else { 0.0 };
            let value = results::<f64>(&ApproxNdcg::new(0.3).unwrap(), &scores, &labels).0;
            close("value", value, expected, 1e-13);
        }
    }

    #[test]
    fn comes_to_the_metric() {
        let (scores, labels) = list(40, &GRADES);
        let value = results::<f64>(&ApproxNdcg::new(1e-4).unwrap(), &scores, &labels).0;
        let [scores, labels] = [scores, labels].map(ndarray::Array1::from);
        let ndcg = Ndcg::default().mean(&scores, &labels).unwrap();
        close("value", value, -ndcg, 1e-12);
    }

    #[test]
    fn gains_of_any_size_are_shares() {
        let loss = ApproxNdcg::new(1.0).unwrap().gain(LinearGain);
        let of = |labels: [f64; 3]| results::<f64>(&loss, &[0.5, 0.0, 1.0], &labels);
        let (value, gradient, _) = of([1.0, 0.5, 0.25]);
        for factor in [1e-300, 1e300] {
            let (found, slopes, _) = of([factor, 0.5 * factor, 0.25 * factor]);
            close("value", found, value, 1e-15);
            close("slope", slopes[0], gradient[0], 1e-15);
        }
        assert_eq!(of([0.0; 3]).0, 0.0);
        let scores = ndarray::array![0.0, 1.0];
        assert!(loss.value(&scores, &ndarray::array![0.0, -1.0]).is_err());
    }
}
