//! The arithmetic that losses and labels share: sums that keep their rounding errors, the
//! exponential and logarithm to the last bit, seeded random numbers.

mod double_double;
pub(crate) mod extended;
pub(crate) mod number;
mod random;
mod wide_range_sum;

pub(crate) use double_double::DoubleDouble;
pub(crate) use random::SplitMix64;
pub(crate) use wide_range_sum::WideRangeSum;

/// A running sum that keeps what each addition rounds away (Neumaier). Once infinite, it stays so.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Sum {
    rounded: f64,
    lost: f64,
}

impl Sum {
    pub(crate) fn add(&mut self, term: f64) {
        if self.rounded.is_infinite() && term.is_infinite() {
            return; // ∞ − ∞ would be NaN
        }
        let sum = DoubleDouble::sum(self.rounded, term);
        self.rounded = sum.hi;
        self.lost += sum.lo;
    }

    /// [`add`](Self::add) of a term with which the sum does not overflow.
    pub(crate) fn add_moderate(&mut self, term: f64) {
        let rounded = self.rounded + term;
        let of_term = rounded - self.rounded;
        self.lost += (self.rounded - (rounded - of_term)) + (term - of_term);
        self.rounded = rounded;
    }

    /// Adds what is far below the sum's precision.
    #[cfg(feature = "simd")]
    pub(crate) fn add_lost(&mut self, term: f64) {
        self.lost += term;
    }

    pub(crate) fn add_exact(&mut self, term: DoubleDouble) {
        self.add(term.hi);
        self.lost += term.lo;
    }

    pub(crate) fn total(self) -> f64 {
        self.exact().round()
    }

    pub(crate) fn exact(self) -> DoubleDouble {
        DoubleDouble::sum(self.rounded, self.lost)
    }
}

/// log(1 + x) for x ≥ 0.
///
/// Through `ln`, whose error is half that of `ln_1p` in the usual C libraries: what 1 + x rounds
/// away is added back as its first-order effect.
pub(crate) fn ln_1p(x: DoubleDouble) -> DoubleDouble {
    let sum = DoubleDouble::sum(1.0, x.hi);
    DoubleDouble::sum(sum.hi.ln(), (sum.lo + x.lo) / sum.hi)
}

/// What the logistic losses need of one argument, each to the last bits on both tails.
pub(crate) struct Logistic {
    /// log(1 + e^−|x|)
    pub(crate) log: f64,
    /// σ(x) = 1/(1 + e^−x)
    pub(crate) rise: f64,
    /// σ(−x) = 1 − σ(x)
    pub(crate) fall: f64,
}

impl Logistic {
    pub(crate) fn at(x: f64) -> Self {
        let exp = (-x.abs()).exp();
        let log = ln_1p(exp.into()).round();
        let (small, large) = (exp / (1.0 + exp), 1.0 / (1.0 + exp));
        if x < 0.0 {
            Self { log, rise: small, fall: large }
        } else {
            Self { log, rise: large, fall: small }
        }
    }
}

/// `x · 2^exponent`, rounded once where the result is normal.
pub(crate) fn scale_by_power_of_two(x: f64, exponent: i32) -> f64 {
    // A single factor 2^exponent may itself overflow or underflow; three halves never do.
    let third = exponent / 3;
    x * power_of_two(third) * power_of_two(third) * power_of_two(exponent - 2 * third)
}

fn power_of_two(exponent: i32) -> f64 {
    2.0_f64.powi(exponent.clamp(-1022, 1023))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sum_keeps_what_rounding_loses() {
        let mut sum = Sum::default();
        for term in [1e100, 1.0, -1e100, 1e-20] {
            sum.add(term);
        }
        assert_eq!(sum.total().to_bits(), (1.0_f64 + 1e-20).to_bits());
    }

    #[test]
    fn an_infinite_sum_is_no_nan() {
        let mut sum = Sum::default();
        sum.add(f64::MAX);
        sum.add(f64::MAX);
        sum.add(-1.0);
        assert_eq!(sum.total(), f64::INFINITY);
        sum.add(f64::NEG_INFINITY);
        assert_eq!(sum.total(), f64::INFINITY);
    }

    #[test]
    fn logistic_is_exact_on_both_tails() {
        // From 60-digit arithmetic.
        let right = Logistic::at(40.0);
        assert_eq!(right.fall, 4.248_354_255_291_589e-18);
        assert_eq!(right.rise, 1.0);
        assert_eq!(right.log, 4.248_354_255_291_589e-18);
        let left = Logistic::at(-1e30);
        assert_eq!((left.log, left.rise, left.fall), (0.0, 0.0, 1.0));
        assert_eq!(Logistic::at(0.0).log, std::f64::consts::LN_2);
    }

    #[test]
    fn powers_of_two_reach_both_ends() {
        assert_eq!(scale_by_power_of_two(1.0, -1074), f64::from_bits(1));
        assert_eq!(scale_by_power_of_two(f64::from_bits(1), 2097), 2.0_f64.powi(1023));
        assert_eq!(scale_by_power_of_two(1.0, -3000), 0.0);
        assert_eq!(scale_by_power_of_two(1.5, 1024), f64::INFINITY);
    }
}
