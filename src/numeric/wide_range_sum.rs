//! Sums whose terms, and whose total, may lie beyond the range of `f64`, as long as the quotient of
//! two sums does not.

use super::{DoubleDouble, Sum, scale_by_power_of_two};

/// A compensated sum that does not overflow.
///
/// Terms near the end of the range are added up apart, multiplied by 2^−1200: that way no product of
/// two numbers overflows, and a mean is finite though the sum behind it is not.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct WideRangeSum {
    moderate: Sum,
    /// The sum of the terms from [`LARGE`](Self::LARGE) on, times 2^(2 · HALF_SHRINK).
    large: Sum,
}

impl WideRangeSum {
    /// Terms below this are added up as they are: 10²⁸ of them do not overflow.
    pub(crate) const LARGE: f64 = 1e280;
    /// The exponent of half the factor of large terms.
    const HALF_SHRINK: i32 = -600;

    pub(crate) fn add(&mut self, term: f64) {
        if term.abs() < Self::LARGE {
            self.moderate.add_moderate(term);
        } else {
            self.large.add(scale_by_power_of_two(term, 2 * Self::HALF_SHRINK));
        }
    }

    /// Adds a · b, without its rounding.
    pub(crate) fn add_product(&mut self, a: f64, b: f64) {
        if (a * b).abs() < Self::LARGE {
            self.moderate.add_exact(DoubleDouble::product(a, b));
        } else {
            let shrink = |x| scale_by_power_of_two(x, Self::HALF_SHRINK);
            self.large.add_exact(DoubleDouble::product(shrink(a), shrink(b)));
        }
    }

    /// Adds the sum of terms below [`LARGE`](Self::LARGE).
    pub(crate) fn add_moderate_sum(&mut self, sum: DoubleDouble) {
        self.moderate.add_exact(sum);
    }

    pub(crate) fn merge(&mut self, other: Self) {
        self.moderate.add_exact(other.moderate.exact());
        self.large.add_exact(other.large.exact());
    }

    pub(crate) fn is_zero(self) -> bool {
        self.moderate.total() == 0.0 && self.large.total() == 0.0
    }

    /// The sum divided by a number, rounded once where no terms were large.
    pub(crate) fn divided_by(self, divisor: f64) -> f64 {
        self.over(divisor.into())
    }

    /// The quotient of two sums; the divisor must not be 0.
    pub(crate) fn ratio(self, divisor: Self) -> f64 {
        if divisor.large.total() == 0.0 {
            return self.over(divisor.moderate.exact());
        }
        let shrunk = divisor.moderate.exact().scale(2 * Self::HALF_SHRINK);
        let divisor = divisor.large.exact() + shrunk;
        // The factor in two steps, so that a moderate sum neither overflows nor underflows.
        let of_moderate = self.moderate.exact().scale(Self::HALF_SHRINK) / divisor;
        let of_large = self.large.exact() / divisor;
        (of_moderate.scale(Self::HALF_SHRINK) + of_large).round()
    }

    fn over(self, divisor: DoubleDouble) -> f64 {
        // The quotient by 1 is exact, and the division would take longer than a short sum.
        let quotient = |sum: Sum| {
            if divisor == DoubleDouble::ONE { sum.exact() } else { sum.exact() / divisor }
        };
        let moderate = quotient(self.moderate);
        if self.large.total() == 0.0 {
            return moderate.round();
        }
        let large = quotient(self.large).round();
        (moderate + scale_by_power_of_two(large, -2 * Self::HALF_SHRINK).into()).round()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(terms: &[f64]) -> WideRangeSum {
        let mut sum = WideRangeSum::default();
        terms.iter().for_each(|&term| sum.add(term));
        sum
    }

    #[test]
    fn a_mean_is_finite_where_the_sum_is_not() {
        assert_eq!(sum(&[1.5e308, 1.5e308, 1.5e308]).divided_by(3.0), 1.5e308);
        assert_eq!(sum(&[1.5e308, 1.5e308]).divided_by(1.0), f64::INFINITY);
        assert_eq!(sum(&[f64::MAX, -f64::MAX, 3.0]).divided_by(1.0), 3.0);
        assert_eq!(sum(&[f64::INFINITY, 1.0]).divided_by(2.0), f64::INFINITY);
        assert_eq!(sum(&[f64::NEG_INFINITY, 1e300]).divided_by(2.0), f64::NEG_INFINITY);
        assert!(sum(&[f64::NAN, 1.0]).divided_by(2.0).is_nan());
        assert_eq!(sum(&[1e100, 1.0, -1e100]).divided_by(4.0), 0.25);
        assert!(sum(&[]).is_zero() && sum(&[1e300, -1e300]).is_zero() && !sum(&[1e300]).is_zero());
    }

    #[test]
    fn products_and_ratios_reach_beyond_the_range() {
        // The weighted mean Σ w·x / Σ w of x = 1 under any weights is 1, and so on.
        for (weights, values, mean) in [
            ([1e308, 1e308], [1.0, 1.0], 1.0),
            ([1e308, 1e308], [1e308, 1e308], 1e308),
            ([1.7e308, 1.7e308], [f64::MAX, 0.0], f64::MAX / 2.0),
            ([1e-300, 1e-300], [3.0, 1.0], 2.0),
            ([1e300, 1e-300], [1e-280, 1e300], 1e-280),
            ([1e290, 1e290], [1e-300, 3e-300], 2e-300),
            ([1e290, 1.0], [0.0, 1e3], 1e-287),
            ([1.0, 0.0], [1e300, 1e308], 1e300),
            ([2.0_f64.powi(970), 2.0_f64.powi(970)], [-1e200, 3e200], 1e200),
        ] {
            let mut products = WideRangeSum::default();
            weights.iter().zip(values).for_each(|(&w, x)| products.add_product(w, x));
            let found = products.ratio(sum(&weights));
            assert!((found / mean - 1.0).abs() < 4e-16, "{weights:?}, {values:?}: {found:e}");
        }
    }

    #[test]
    fn parts_merge_into_the_whole() {
        let (mut first, second) = (sum(&[1e300, 1.0, 1e-20]), sum(&[-1e300, 1e300, 2.0]));
        first.merge(second);
        assert_eq!(first.divided_by(4.0), 2.5e299);
        first.merge(sum(&[-1e300]));
        assert_eq!(first.divided_by(1.0), 3.0);
    }
}
