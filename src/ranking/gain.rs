//! Gains: what an item of a label is worth.

use std::fmt;

use crate::Error;
use crate::numeric::DoubleDouble;

/// The gain G of a label: what an item of that label is worth at a rank whose discount is 1.
///
/// A user's own is a type that implements [`at`](Self::at), or a closure in [`gain_fn`]. References,
/// `Box` and `Arc` of a gain are gains too. A gain that is not finite is an error of what is given it,
/// named by the label.
pub trait Gain: fmt::Debug + Send + Sync {
    /// G(label).
    fn at(&self, label: f64) -> f64;

    /// G(a) − G(b), to the last bits where a formula has them.
    fn difference(&self, a: f64, b: f64) -> f64 {
        self.at(a) - self.at(b)
    }

    /// Whether a greater label never has a smaller gain. If so, checks look at the least and the
    /// greatest label of a list only.
    fn is_monotone(&self) -> bool {
        false
    }

    /// G(label) + a constant that is the same for all labels, rounded, and what rounding took: for
    /// differences of gains that are close to each other.
    #[doc(hidden)]
    fn exact(&self, label: f64) -> (f64, f64) {
        (self.at(label), 0.0)
    }

    /// Whether this is 2^label − 1, for which there are vectors.
    #[doc(hidden)]
    fn is_exponential(&self) -> bool {
        false
    }
}

macro_rules! forward_gain {
    ($($pointer:ty),*) => {$(
        impl<G: Gain + ?Sized> Gain for $pointer {
            fn at(&self, label: f64) -> f64 {
                (**self).at(label)
            }

            fn difference(&self, a: f64, b: f64) -> f64 {
                (**self).difference(a, b)
            }

            fn is_monotone(&self) -> bool {
                (**self).is_monotone()
            }

            fn exact(&self, label: f64) -> (f64, f64) {
                (**self).exact(label)
            }

            fn is_exponential(&self) -> bool {
                (**self).is_exponential()
            }
        }
    )*};
}

forward_gain!(&G, Box<G>, std::sync::Arc<G>);

/// G = 2^label − 1, the usual gain of graded relevance (Burges et al. 2005).
///
/// ```
/// use lipo::ranking::{ExponentialGain, Gain};
///
/// assert_eq!(ExponentialGain.at(3.0), 7.0);
/// assert_eq!(ExponentialGain.at(1e-20), 6.931471805599453e-21); // label · log 2
/// let step = 0.5_f64.powi(40);
/// let close = ExponentialGain.difference(3.0, 3.0 - step);
/// assert!((close / step - 5.545177).abs() < 1e-6); // 8 log 2
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct ExponentialGain;

impl Gain for ExponentialGain {
    #[inline]
    #[allow(clippy::cast_possible_truncation)] // and back, to see if it was one
    fn at(&self, label: f64) -> f64 {
        let grade = label as i32;
        if f64::from(grade) == label && (0..1024).contains(&grade) {
            // The bits of 2^grade: an exponent, and no fraction.
            f64::from_bits((1023 + u64::from(grade.unsigned_abs())) << 52) - 1.0
        } else if label >= 1.0 {
            label.exp2() - 1.0 // the 1 is subtracted without harm
        } else {
            (label * std::f64::consts::LN_2).exp_m1()
        }
    }

    /// 2^a − 2^b = 2^b (e^((a − b) log 2) − 1), which does not cancel.
    fn difference(&self, a: f64, b: f64) -> f64 {
        if (a - b).abs() < 1.0 {
            b.exp2() * ((a - b) * std::f64::consts::LN_2).exp_m1()
        } else {
            a.exp2() - b.exp2()
        }
    }

    fn is_monotone(&self) -> bool {
        true
    }

    fn is_exponential(&self) -> bool {
        true
    }

    /// 2^label, without the 1 that no difference needs.
    fn exact(&self, label: f64) -> (f64, f64) {
        let DoubleDouble { hi, lo } = DoubleDouble::exp2(label);
        (hi, lo)
    }
}

/// G = label.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct LinearGain;

impl Gain for LinearGain {
    fn at(&self, label: f64) -> f64 {
        label
    }

    fn is_monotone(&self) -> bool {
        true
    }
}

/// Gains of the labels 0, 1, 2, …, as LightGBM's `label_gain` lists them.
///
/// A label that is no integer or is beyond the table has the gain NaN, which makes it an error where
/// the gain is used.
///
/// ```
/// use lipo::metrics::{MetricExt, Ndcg};
/// use lipo::ranking::GainTable;
/// use ndarray::array;
///
/// let ndcg = Ndcg::at(10).gain(GainTable::new(vec![0.0, 1.0, 3.0])?);
/// let value = ndcg.mean(&array![2.0_f64, 1.0, 3.0], &array![2.0, 0.0, 1.0])?;
/// assert!((value - 0.796708).abs() < 1e-6);
/// assert!(ndcg.mean(&array![2.0, 1.0], &array![0.5, 1.0]).is_err());
/// # Ok::<(), lipo::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct GainTable {
    gains: Vec<f64>,
}

impl GainTable {
    /// The gains of the labels 0, 1, 2, ….
    ///
    /// # Errors
    ///
    /// [`Error::NotFinite`] for a gain that is not finite.
    pub fn new(gains: Vec<f64>) -> Result<Self, Error> {
        match gains.iter().position(|gain| !gain.is_finite()) {
            Some(k) => Err(Error::NotFinite { what: "gains", index: vec![k], value: gains[k] }),
            None => Ok(Self { gains }),
        }
    }

    /// The gains.
    #[must_use]
    pub fn gains(&self) -> &[f64] {
        &self.gains
    }
}

impl Gain for GainTable {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // and back, to see if it was one
    fn at(&self, label: f64) -> f64 {
        let grade = label as usize;
        let known = self.gains.get(grade).filter(|_| grade as f64 == label);
        known.copied().unwrap_or(f64::NAN)
    }
}

/// A function of the label as a gain: see [`gain_fn`].
#[derive(Clone, Copy)]
pub struct GainFn<F>(F);

/// The gain that a function of the label gives; its values, and their differences, must be finite.
///
/// ```
/// use lipo::ranking::{Gain, gain_fn};
///
/// let scale = 0.5;
/// let gain = gain_fn(move |label| scale * label);
/// assert_eq!(gain.at(3.0), 1.5);
/// assert_eq!(gain.difference(3.0, 2.0), 0.5);
/// ```
pub fn gain_fn<F: Fn(f64) -> f64 + Send + Sync>(function: F) -> GainFn<F> {
    GainFn(function)
}

impl<F: Fn(f64) -> f64 + Send + Sync> Gain for GainFn<F> {
    fn at(&self, label: f64) -> f64 {
        self.0(label)
    }
}

impl<F> fmt::Debug for GainFn<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GainFn").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponential_differences_are_right_to_the_last_bits() {
        // 2^a − 2^b from arithmetic of 60 digits.
        for (a, b, expected) in [
            (1.0, 0.0, 1.0),
            (3.0, 2.9999999999999996, 2.462553469797318e-15),
            (0.3, 0.29999, 8.533613214446236e-06),
            (-0.7, -0.7000000001, 4.2668217477512916e-11),
            (1e-20, 0.0, 6.931471805599452e-21),
            (10.5, 9.6, 672.1078058167257),
            (900.25, 900.125, 8.342775026455998e+269),
            (-1000.0, -1000.0001, 6.468666267743835e-306),
            (2.75, 0.5, 5.312957759656621),
        ] {
            let difference = ExponentialGain.difference(a, b);
            let error = (difference - expected).abs() / expected.abs();
            assert!(error < 4.0 * f64::EPSILON, "2^{a} - 2^{b}: {difference:e}, {error:e}");
            let back = ExponentialGain.difference(b, a);
            assert!((back + expected).abs() < 4.0 * f64::EPSILON * expected.abs(), "2^{b} - 2^{a}");
        }
        assert_eq!(ExponentialGain.difference(2.5, 2.5), 0.0);
    }

    #[test]
    fn exponential_gains_of_grades_are_exact() {
        for grade in 0..53_u32 {
            assert_eq!(ExponentialGain.at(f64::from(grade)), ((1_u64 << grade) - 1) as f64);
        }
        assert_eq!(ExponentialGain.at(1023.0), 2.0_f64.powi(1023));
        assert_eq!(ExponentialGain.at(1024.0), f64::INFINITY);
        assert_eq!(ExponentialGain.at(-1.0), -0.5);
        assert_eq!(ExponentialGain.at(-0.0), 0.0);
        assert_eq!(ExponentialGain.at(-1e300), -1.0);
        assert!((ExponentialGain.at(0.5) - 0.41421356237309503).abs() < 1.2e-16); // √2 − 1
    }

    #[test]
    fn exact_exponential_gains_add_bits() {
        // 2^0.3 from arithmetic of 80 digits.
        let (rounded, lost) = ExponentialGain.exact(0.3);
        assert_eq!(rounded, 1.2311444133449163);
        assert!((lost + 3.572339831433251e-17).abs() < 1e-25, "{lost:e}");
    }

    #[test]
    fn a_table_knows_its_labels_only() {
        let table = GainTable::new(vec![0.0, 1.0, 5.0]).unwrap();
        assert_eq!([0.0, 1.0, 2.0].map(|label| table.at(label)), [0.0, 1.0, 5.0]);
        for label in [-1.0, 0.5, 3.0, 1e300, f64::NAN] {
            assert!(table.at(label).is_nan(), "{label}");
        }
        assert_eq!(table.at(-0.0), 0.0);
        let error = GainTable::new(vec![1.0, f64::INFINITY]).unwrap_err();
        let value = f64::INFINITY;
        assert_eq!(error, Error::NotFinite { what: "gains", index: vec![1], value });
    }

    #[test]
    fn pointers_forward_everything() {
        let plain = ExponentialGain;
        let boxed: Box<dyn Gain> = Box::new(plain);
        let shared: std::sync::Arc<dyn Gain> = std::sync::Arc::new(&plain);
        for gain in [&boxed as &dyn Gain, &shared] {
            assert!(gain.is_monotone());
            assert_eq!(gain.at(0.3).to_bits(), plain.at(0.3).to_bits());
            assert_eq!(gain.difference(1.0, 1.0 - 1e-15), plain.difference(1.0, 1.0 - 1e-15));
            assert_eq!(gain.exact(0.3), plain.exact(0.3));
        }
    }
}
