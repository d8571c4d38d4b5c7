//! How likely a win, a loss and a tie are, given the difference d of two log-strengths.
//!
//!   half-wins            σ(d) : σ(−d), a tie counting as half of each
//!   Davidson (1970)      e^{d/2} : e^{−d/2} : ν
//!   Rao–Kupper (1967)    σ(d − t), σ(−d − t), and the rest, t = log κ
//!
//! Nothing here is a difference of close numbers: the probability of what hardly ever happens has all
//! its digits.

use super::comparisons::{Comparisons, Pair};
use crate::numeric::Logistic;

/// What a tie is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Ties {
    /// Half a win for each.
    #[default]
    HalfWins,
    /// An outcome of its own, its ν fitted: [`TieModel::Davidson`].
    Davidson,
    /// An outcome of its own, its κ fitted: [`TieModel::RaoKupper`].
    RaoKupper,
}

impl Ties {
    /// The model to start from, its parameter being what it is among equals. It stands at the edge of
    /// its range where there are no ties, and is not fitted then.
    pub(super) fn starting_at(self, comparisons: &Comparisons) -> TieModel {
        let total = comparisons.total();
        let ties: f64 = comparisons.pairs().iter().map(|pair| pair.ties / total).sum();
        let inner = ties.clamp(1e-6, 1.0 - 1e-6);
        match self {
            Self::HalfWins => TieModel::HalfWins,
            Self::Davidson if ties > 0.0 => TieModel::Davidson { nu: 2.0 * inner / (1.0 - inner) },
            Self::Davidson => TieModel::Davidson { nu: 0.0 },
            Self::RaoKupper if ties > 0.0 => TieModel::RaoKupper { threshold: 2.0 * inner.atanh() },
            Self::RaoKupper => TieModel::RaoKupper { threshold: 0.0 },
        }
    }
}

/// How likely a tie is, with its fitted parameter.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum TieModel {
    /// There are no ties: what ties there were counted as half a win each.
    HalfWins,
    /// Davidson (1970): win, loss and tie are as e^{d/2} : e^{−d/2} : ν.
    #[non_exhaustive]
    Davidson {
        /// ν ≥ 0.
        nu: f64,
    },
    /// Rao and Kupper (1967): a win has probability σ(d − t), a loss σ(−d − t).
    #[non_exhaustive]
    RaoKupper {
        /// The threshold t = log κ ≥ 0.
        threshold: f64,
    },
}

/// How likely each outcome of a comparison is.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct OutcomeProbabilities {
    /// The first item wins.
    pub win: f64,
    /// The second item wins.
    pub loss: f64,
    /// Neither does.
    pub tie: f64,
}

impl OutcomeProbabilities {
    /// What the first item can expect: its probability of a win, and half of that of a tie.
    #[must_use]
    pub fn points(&self) -> f64 {
        self.win + 0.5 * self.tie
    }

    /// What the second item can expect.
    pub(super) fn points_of_second(&self) -> f64 {
        self.loss + 0.5 * self.tie
    }
}

impl TieModel {
    /// Whether a tie has a probability, whose parameter is to be fitted.
    pub(super) fn has_ties(self) -> bool {
        match self {
            Self::HalfWins => false,
            Self::Davidson { nu } => nu > 0.0,
            Self::RaoKupper { threshold } => threshold > 0.0,
        }
    }

    /// The probabilities at a difference d of log-strengths.
    #[must_use]
    pub fn probabilities(self, d: f64) -> OutcomeProbabilities {
        match self {
            Self::HalfWins => {
                let Logistic { rise, fall, .. } = Logistic::at(d);
                OutcomeProbabilities { win: rise, loss: fall, tie: 0.0 }
            }
            Self::Davidson { nu } => davidson(d, nu),
            Self::RaoKupper { threshold } => {
                let win = Logistic::at(d - threshold).rise;
                let loss = Logistic::at(-d - threshold).rise;
                // 1 − win − loss, multiplied out.
                let sides = (d - threshold).exp() + (-d - threshold).exp();
                let tie = -(-2.0 * threshold).exp_m1() / (1.0 + (-2.0 * threshold).exp() + sides);
                OutcomeProbabilities { win, loss, tie }
            }
        }
    }

    /// The log-likelihood of the outcomes of a pair at a difference d.
    pub(super) fn log_likelihood(self, pair: &Pair, d: f64) -> f64 {
        // An outcome that never came has no term, were its probability 0.
        let term = |count: f64, log: f64| if count > 0.0 { count * log } else { 0.0 };
        match self {
            Self::HalfWins => {
                term(pair.points(), log_sigmoid(d)) + term(pair.points_of_second(), log_sigmoid(-d))
            }
            Self::Davidson { nu } => {
                let log_nu = nu.ln();
                term(pair.wins, -log_sum([-d, log_nu - 0.5 * d]))
                    + term(pair.losses, -log_sum([d, log_nu + 0.5 * d]))
                    + term(pair.ties, -log_sum([0.5 * d - log_nu, -0.5 * d - log_nu]))
            }
            Self::RaoKupper { threshold } => {
                let (win, loss) = (log_sigmoid(d - threshold), log_sigmoid(-d - threshold));
                // e^{2t} − 1, as e^{2t} (1 − e^{−2t}), does not overflow.
                let tie = 2.0 * threshold + (-(-2.0 * threshold).exp_m1()).ln() + win + loss;
                term(pair.wins, win) + term(pair.losses, loss) + term(pair.ties, tie)
            }
        }
    }
}

/// Davidson's probabilities.
pub(super) fn davidson(d: f64, nu: f64) -> OutcomeProbabilities {
    // Divided by the greater of the two sides, which leaves e^{−|d|} and ν e^{−|d|/2}.
    let (lesser, tie) = ((-d.abs()).exp(), nu * (-0.5 * d.abs()).exp());
    let sum = 1.0 + lesser + tie;
    let (greater, lesser, tie) = (1.0 / sum, lesser / sum, tie / sum);
    let (win, loss) = if d < 0.0 { (lesser, greater) } else { (greater, lesser) };
    OutcomeProbabilities { win, loss, tie }
}

/// log σ(x).
pub(super) fn log_sigmoid(x: f64) -> f64 {
    x.min(0.0) - Logistic::at(x).log
}

/// log(1 + e^a + e^b).
fn log_sum([a, b]: [f64; 2]) -> f64 {
    let greatest = a.max(b).max(0.0);
    if greatest == 0.0 {
        return (a.exp() + b.exp()).ln_1p();
    }
    let others = (-greatest).exp() + (a.min(b) - greatest).exp();
    greatest + others.ln_1p()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sums to 1, and has its rarest outcome to the last digits: e^{−700} of a loss, ν e^{−350} of a tie.
    #[test]
    fn probabilities_add_up_and_keep_their_tails() {
        for d in [-800.0, -700.0, -3.0, -1e-9, 0.0, 0.5, 40.0, 700.0, 5e4] {
            for model in [
                TieModel::HalfWins,
                TieModel::Davidson { nu: 0.0 },
                TieModel::Davidson { nu: 1e-300 },
                TieModel::Davidson { nu: 0.7 },
                TieModel::Davidson { nu: 1e300 },
                TieModel::RaoKupper { threshold: 0.0 },
                TieModel::RaoKupper { threshold: 1e-12 },
                TieModel::RaoKupper { threshold: 2.0 },
                TieModel::RaoKupper { threshold: 650.0 },
            ] {
                let p = model.probabilities(d);
                let each = [p.win, p.loss, p.tie];
                assert!(each.iter().all(|p| (0.0..=1.0).contains(p)), "{model:?} {d}: {p:?}");
                assert!((each.iter().sum::<f64>() - 1.0).abs() < 1e-15, "{model:?} {d}: {p:?}");
            }
        }
        let rare = TieModel::Davidson { nu: 0.5 }.probabilities(700.0);
        assert!((rare.loss / (-700.0_f64).exp() - 1.0).abs() < 1e-14);
        assert!((rare.tie / (0.5 * (-350.0_f64).exp()) - 1.0).abs() < 1e-14);
        let rare = TieModel::RaoKupper { threshold: 1e-12 }.probabilities(0.0);
        assert!((rare.tie / 0.5e-12 - 1.0).abs() < 1e-11);
    }
}
