//! Sums whose terms, and whose total, may lie beyond the range of `f64`, as long as the quotient of
//! two sums does not.

use super::{DoubleDouble, Sum, scale_by_power_of_two};

/// A compensated sum that neither overflows nor underflows.
///
/// Terms near the ends of the range are added up apart, multiplied by powers of two: that way the
/// product of two numbers keeps its digits, and a mean is right though the sum behind it is beyond the
/// range. The sum is `small` · 2^−1200 + `moderate` + `large` · 2^1200.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct WideRangeSum {
    small: Sum,
    moderate: Sum,
    large: Sum,
}

impl WideRangeSum {
    /// Terms below this are added up as they are: 10²⁸ of them do not overflow.
    pub(crate) const LARGE: f64 = 1e280;
    /// Products below this may have lost digits.
    const SMALL: f64 = 1e-280;
    /// Half the exponent by which small and large terms are shifted.
    const HALF: i32 = 600;

    pub(crate) fn add(&mut self, term: f64) {
        if term.abs() < Self::LARGE {
            self.moderate.add_moderate(term);
        } else {
            self.large.add(scale_by_power_of_two(term, -2 * Self::HALF));
        }
    }

    /// Adds a · b, without its rounding; nothing where either is 0.
    pub(crate) fn add_product(&mut self, a: f64, b: f64) {
        if a == 0.0 || b == 0.0 {
            return; // the other may be beyond the range once it is shifted
        }
        if a.is_infinite() || b.is_infinite() {
            return self.add(a * b); // a shifted factor could be 0
        }
        let shifted = |exponent| {
            let shift = |x| scale_by_power_of_two(x, exponent);
            DoubleDouble::product(shift(a), shift(b))
        };
        let size = (a * b).abs();
        if size < Self::SMALL {
            self.small.add_exact(shifted(Self::HALF));
        } else if size < Self::LARGE {
            self.moderate.add_exact(DoubleDouble::product(a, b));
        } else {
            self.large.add_exact(shifted(-Self::HALF));
        }
    }

    /// Adds the sum of terms below [`LARGE`](Self::LARGE).
    pub(crate) fn add_moderate_sum(&mut self, sum: DoubleDouble) {
        self.moderate.add_exact(sum);
    }

    pub(crate) fn merge(&mut self, other: Self) {
        self.small.add_exact(other.small.exact());
        self.moderate.add_exact(other.moderate.exact());
        self.large.add_exact(other.large.exact());
    }

    pub(crate) fn is_zero(self) -> bool {
        self.parts().iter().all(|(part, _)| part.round() == 0.0)
    }

    /// The sum divided by a number that is not 0.
    pub(crate) fn divided_by(self, divisor: f64) -> f64 {
        self.over(divisor.into(), 0)
    }

    /// The quotient of two sums; the divisor must not be 0.
    pub(crate) fn ratio(self, divisor: Self) -> f64 {
        // The parts below the first that is not 0 are at most its last digits.
        let mut parts = divisor.parts().into_iter().skip_while(|(part, _)| part.round() == 0.0);
        let Some((first, exponent)) = parts.next() else { return f64::NAN };
        let sum = parts.fold(first, |sum, (part, lower)| sum + part.scale(lower - exponent));
        self.over(sum, exponent)
    }

    /// The parts from the large one down, and their exponents.
    fn parts(self) -> [(DoubleDouble, i32); 3] {
        let shift = 2 * Self::HALF;
        [(self.large.exact(), shift), (self.moderate.exact(), 0), (self.small.exact(), -shift)]
    }

    /// The sum divided by `divisor` · 2^exponent.
    fn over(self, divisor: DoubleDouble, exponent: i32) -> f64 {
        let quotient = |(part, of_part): (DoubleDouble, i32)| {
            if part.round() == 0.0 {
                return DoubleDouble::ZERO;
            }
            if divisor == DoubleDouble::ONE && of_part == exponent {
                return part; // the division would take longer than a short sum
            }
            let shift = of_part - exponent;
            if shift < 0 {
                // Half before the division, so that neither step overflows or underflows.
                (part.scale(shift / 2) / divisor).scale(shift / 2)
            } else {
                (part / divisor).scale(shift)
            }
        };
        let [large, moderate, small] = self.parts().map(quotient);
        // A part that is infinite or NaN has nothing to gain from the others.
        let sum = large.round() + moderate.round();
        if sum.is_finite() { (large + (moderate + small)).round() } else { sum }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(terms: &[f64]) -> WideRangeSum {
        let mut sum = WideRangeSum::default();
        for &term in terms {
            sum.add(term);
        }
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
            (
                [1e-300, 1e-300],
                [9.271141008350095e-10, 9.271141008350095e-10],
                9.271141008350095e-10,
            ),
            ([1e-310, 3e-310], [1e-14, 1e-14], 1e-14),
            ([1e-200, 1.0], [1e-90, 1e-290], 2e-290),
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
