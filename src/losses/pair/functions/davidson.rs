//! Davidson's model of pairs with ties.
//!
//! Of two items with margin d, the first wins, ties and loses with probabilities in the ratio
//! e^{d/2} : ν : e^{−d/2}. Pairs of unequal labels are wins, pairs of equal labels ties:
//!
//! win φ(d) = log(1 + e^−d + ν e^{−d/2}), tie φ(d) = log(1 + 2 cosh(d/2)/ν)
//!
//! With h = e^{−|d|/2}, the ratio of the more likely win, the tie and the other is 1 : ν h : h²; let
//! D = 1 + ν h + h² be their sum. Then, for d ≥ 0,
//!
//! win = log D, win′ = −h (ν/2 + h)/D, tie = log(D/(ν h)), tie′ = (1 − h²)/(2 D)
//!
//! and, for d < 0, win = |d| + log D, win′ = −(1 + ν h/2)/D, and tie is even. The second derivative is
//! h [h + ν (1 + h²)/4]/D² for both: the variance of a variable that is 0, ½ or 1.

use crate::Error;
use crate::engine::{Pair, PairFunction, PairTerm};
use crate::losses::sigmoid::one_minus_exp;
use crate::numeric::number::Number;

/// Davidson's ties: log(1 + e^−d + ν e^{−d/2}) of pairs of unequal labels, log(1 + 2 cosh(d/2)/ν) of
/// pairs of equal ones (Davidson 1970, [doi 10.1080/01621459.1970.10481082](https://doi.org/10.1080/01621459.1970.10481082);
/// DPO-D in Chen et al. 2024, [arXiv 2409.17431](https://arxiv.org/abs/2409.17431)).
///
/// One wants it where equal labels are a judgement, such as "both are good", and not a lack of one:
/// the pair then draws its scores together. ν is how readily judges call a tie: two items of equal
/// score tie with probability ν/(2 + ν). As ν falls to 0, the function of the other pairs becomes
/// [`Logistic`](crate::losses::Logistic).
///
/// ```
/// use lipo::losses::{Davidson, LossExt, PairLoss};
/// use ndarray::array;
///
/// let loss = PairLoss::unweighted(Davidson::new(1.0)?);
/// let win = loss.value(&array![1.0_f64, 0.0], &array![1.0, 0.0])?;
/// assert!((win - 0.680270).abs() < 1e-6); // log(1 + e^-1 + e^-½)
/// let (tie, grad) = loss.value_and_grad(&array![1.0_f64, 0.0], &array![1.0, 1.0])?;
/// assert!((tie - 1.180270).abs() < 1e-6); // log(1 + 2 cosh ½)
/// assert!((grad[0] - 0.160078).abs() < 1e-6); // sinh ½ / (1 + 2 cosh ½)
/// # Ok::<(), lipo::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Davidson {
    nu: f64,
}

impl Davidson {
    /// Davidson's function of a ν from 10⁻⁹ to 10⁹.
    ///
    /// # Errors
    ///
    /// [`Error::Parameter`] for any other ν.
    pub fn new(nu: f64) -> Result<Self, Error> {
        if (1e-9..=1e9).contains(&nu) {
            return Ok(Self { nu });
        }
        Err(Error::Parameter { name: "nu", value: nu, range: "in [1e-9, 1e9]" })
    }

    /// ν.
    #[must_use]
    pub fn nu(&self) -> f64 {
        self.nu
    }
}

crate::formula! {
    impl PairFunction for Davidson {
        const GAP: bool = true;
        const TIES: bool = true;

        fn at<N: Number>(&self, pair: Pair<N>) -> PairTerm<N> {
            let (zero, one) = (pair.margin.constant(0.0), pair.margin.constant(1.0));
            let nu = pair.margin.constant(self.nu);
            let (size, half_nu) = (pair.margin.abs(), nu.times(0.5));
            let behind = zero.above(pair.margin);
            let h = (-size.times(0.5)).exp();
            let others = h * (nu + h);
            let shrink = one / (one + others);

            let win = (-pair.margin).max(zero) + others.ln_1p();
            let winner = N::select(behind, half_nu.mul_add(h, one), h * (half_nu + h));
            // log(1 + r/h), where r/h may overflow if it is above 1.
            let r = h.mul_add(h, one) / nu;
            let likely = (r / h).min(one).ln_1p_unit();
            let tie = N::select(r.above(h), size.times(0.5) + (h + r).ln(), likely);
            let apart = one_minus_exp(size, h * h).times(0.5);

            let is_win = pair.gap.above(zero);
            let value = N::select(is_win, win, tie);
            let slope = N::select(is_win, -winner, N::select(behind, -apart, apart)) * shrink;
            let variance = h * shrink * ((h * h + one).times(0.25).mul_add(nu, h) * shrink);
            PairTerm::new(value, slope, variance)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::losses::testing::{check_derivatives, close, results};
    use crate::losses::{Logistic, PairLoss};

    #[test]
    fn derivatives() {
        for nu in [1e-9, 0.3, 1.0, 50.0] {
            let loss = PairLoss::unweighted(Davidson::new(nu).unwrap());
            check_derivatives(&loss, &[0.0, 1.0, 2.0, 1.0], true);
        }
    }

    #[test]
    fn a_win_a_tie_and_a_loss_are_all_there_is() {
        for nu in [1e-9, 0.3, 1.0, 50.0, 1e9] {
            for d in [0.0, 1e-9, 0.5, -3.0, 30.0, -80.0] {
                let loss = PairLoss::unweighted(Davidson::new(nu).unwrap());
                let of = |labels: [f64; 2]| results::<f64>(&loss, &[d, 0.0], &labels).0;
                let (win, tie, lost) = (of([1.0, 0.0]), of([1.0, 1.0]), of([0.0, 1.0]));
                close("sum", [win, tie, lost].map(|x| (-x).exp()).iter().sum(), 1.0, 1e-14);
                // win : tie = e^{d/2} : ν
                close("ratio", tie - win, d / 2.0 - nu.ln(), 1e-13 * win.max(tie).max(1.0));
            }
        }
    }

    #[test]
    fn far_tails_are_finite_and_keep_their_digits() {
        let loss = PairLoss::unweighted(Davidson::new(1.0).unwrap());
        for margin in [400.0, 5e37] {
            let (value, gradient, _) = results::<f32>(&loss, &[margin, 0.0], &[1.0, 1.0]);
            close("tie", value, margin / 2.0, 1e-6 * margin);
            assert_eq!(gradient, [0.5, -0.5]);
            let (value, gradient, _) = results::<f32>(&loss, &[0.0, margin], &[1.0, 0.0]);
            close("loss", value, margin, 1e-6 * margin);
            assert_eq!(gradient, [-1.0, 1.0]);
        }
        let (value, gradient, _) = results::<f32>(&loss, &[160.0, 0.0], &[1.0, 0.0]);
        let h = (-80.0_f64).exp();
        close("win", value, h, 1e-6 * h);
        close("slope", gradient[0], -h / 2.0, 1e-6 * h);
        // Near 0 the slope of a tie is d/(2 (2 + ν)).
        let (_, gradient, _) = results::<f64>(&loss, &[1e-9, 0.0], &[1.0, 1.0]);
        close("slope", gradient[0], 1e-9 / 6.0, 1e-24);
    }

    #[test]
    fn without_ties_it_is_the_logistic_function() {
        let davidson = PairLoss::unweighted(Davidson::new(1e-9).unwrap());
        let logistic = PairLoss::unweighted(Logistic);
        for d in [-3.0, 0.2, 2.0] {
            let of = |loss| results::<f64>(loss, &[d, 0.0], &[1.0, 0.0]).0;
            close("value", of(&davidson), of(&logistic), 3e-9);
        }
    }
}
