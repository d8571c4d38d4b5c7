//! Discounts: what a rank leaves of a gain.

use std::fmt;

use crate::Error;
use crate::numeric::DoubleDouble;

/// The discount d of a rank: the factor that multiplies the gain of the item at that rank.
///
/// Ranks count from 1. They are real numbers, since a smoothed metric has ranks between the integers
/// and needs the slope there. Over the ranks of a list a discount must be finite, at least 0, and
/// nowhere greater than at the rank before; anything else is an error of what is given the discount.
///
/// A user's own is a type that implements [`at`](Self::at) and [`slope`](Self::slope), or two closures
/// in [`discount_fn`]. References, `Box` and `Arc` of a discount are discounts too.
pub trait Discount: fmt::Debug + Send + Sync {
    /// d(rank).
    fn at(&self, rank: f64) -> f64;

    /// d′(rank).
    fn slope(&self, rank: f64) -> f64;

    /// d(rank) rounded, and what rounding took: for differences of discounts that are close to each
    /// other.
    #[doc(hidden)]
    fn exact(&self, rank: f64) -> (f64, f64) {
        (self.at(rank), 0.0)
    }

    /// Which of the discounts whose tables are kept from list to list this is, if it is one.
    #[doc(hidden)]
    fn well_known(&self) -> Option<WellKnown> {
        None
    }
}

/// A discount without parameters, which a table may outlive.
#[doc(hidden)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WellKnown {
    Log,
    Reciprocal,
}

macro_rules! forward_discount {
    ($($pointer:ty),*) => {$(
        impl<D: Discount + ?Sized> Discount for $pointer {
            fn at(&self, rank: f64) -> f64 {
                (**self).at(rank)
            }

            fn slope(&self, rank: f64) -> f64 {
                (**self).slope(rank)
            }

            fn exact(&self, rank: f64) -> (f64, f64) {
                (**self).exact(rank)
            }

            fn well_known(&self) -> Option<WellKnown> {
                (**self).well_known()
            }
        }
    )*};
}

forward_discount!(&D, Box<D>, std::sync::Arc<D>);

/// d = 1/log2(1 + rank), the DCG's. The LiPO paper prints a `log` without its base; base 2 is that of
/// the DCG and of Rax, which its authors ran.
///
/// ```
/// use lipo::ranking::{Discount, LogDiscount};
///
/// assert_eq!([1.0, 3.0, 7.0].map(|rank| LogDiscount.at(rank)), [1.0, 1.0 / 2.0, 1.0 / 3.0]);
/// assert!((LogDiscount.slope(1.0) + 0.721348).abs() < 1e-6); // -1 / (2 log 2)
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct LogDiscount;

impl Discount for LogDiscount {
    fn at(&self, rank: f64) -> f64 {
        (1.0 + rank).log2().recip()
    }

    fn slope(&self, rank: f64) -> f64 {
        let log = rank.ln_1p();
        -std::f64::consts::LN_2 / ((1.0 + rank) * log * log)
    }

    fn exact(&self, rank: f64) -> (f64, f64) {
        let DoubleDouble { hi, lo } = DoubleDouble::LN_2 / DoubleDouble::sum(1.0, rank).ln();
        (hi, lo)
    }

    fn well_known(&self) -> Option<WellKnown> {
        Some(WellKnown::Log)
    }
}

/// d = 1/rank, that of the reciprocal rank.
///
/// ```
/// use lipo::ranking::{Discount, ReciprocalDiscount};
///
/// assert_eq!((ReciprocalDiscount.at(4.0), ReciprocalDiscount.slope(4.0)), (0.25, -0.0625));
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct ReciprocalDiscount;

impl Discount for ReciprocalDiscount {
    fn at(&self, rank: f64) -> f64 {
        rank.recip()
    }

    fn slope(&self, rank: f64) -> f64 {
        -(rank.recip() / rank)
    }

    fn exact(&self, rank: f64) -> (f64, f64) {
        let DoubleDouble { hi, lo } = DoubleDouble::ONE / rank.into();
        (hi, lo)
    }

    fn well_known(&self) -> Option<WellKnown> {
        Some(WellKnown::Reciprocal)
    }
}

/// Discounts of the ranks 1, 2, 3, …, such as the position bias fitted to clicks: linear between
/// integer ranks, the last one for all ranks beyond the table.
///
/// ```
/// use lipo::ranking::{Discount, DiscountTable};
///
/// let bias = DiscountTable::new(vec![1.0, 0.6, 0.4])?;
/// assert_eq!([1.0, 2.0, 2.5, 3.0, 9.0].map(|rank| bias.at(rank)), [1.0, 0.6, 0.5, 0.4, 0.4]);
/// assert!((bias.slope(2.5) + 0.2).abs() < 1e-15);
/// # Ok::<(), lipo::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct DiscountTable {
    discounts: Vec<f64>,
}

impl DiscountTable {
    /// The discounts of the ranks 1, 2, 3, ….
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] for an empty table; [`Error::Parameter`] for a discount that is not finite,
    /// below 0, or above that of the rank before.
    pub fn new(discounts: Vec<f64>) -> Result<Self, Error> {
        if discounts.is_empty() {
            return Err(Error::Shape { what: "discounts", expected: vec![1], found: vec![0] });
        }
        check_falling(discounts.iter().copied())?;
        Ok(Self { discounts })
    }

    /// The discounts of the ranks 1, 2, 3, ….
    #[must_use]
    pub fn discounts(&self) -> &[f64] {
        &self.discounts
    }

    /// The discounts of the integer ranks around a rank, and how far it is from the first to the
    /// second. A rank that is an integer lies at the start of the interval to the next.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // floors, and saturates
    fn around(&self, rank: f64) -> (f64, f64, f64) {
        let last = self.discounts.len() - 1;
        let place = (rank - 1.0).max(0.0);
        let below = place as usize;
        let at = |place: usize| self.discounts[place.min(last)];
        (at(below), at(below.saturating_add(1)), place - place.floor())
    }
}

impl Discount for DiscountTable {
    fn at(&self, rank: f64) -> f64 {
        let (below, above, share) = self.around(rank);
        below + share * (above - below)
    }

    fn slope(&self, rank: f64) -> f64 {
        if rank < 1.0 {
            return 0.0;
        }
        let (below, above, _) = self.around(rank);
        above - below
    }
}

/// Functions of the rank as a discount: see [`discount_fn`].
#[derive(Clone, Copy)]
pub struct DiscountFn<F, S> {
    at: F,
    slope: S,
}

/// The discount that a function of the rank gives, with its derivative. Smoothed metrics alone look
/// at the derivative.
///
/// ```
/// use lipo::metrics::{MetricExt, Ndcg};
/// use lipo::ranking::discount_fn;
/// use ndarray::array;
///
/// // Rank-biased: each next rank is looked at with probability 0.8.
/// let persistence = 0.8_f64;
/// let discount = discount_fn(
///     move |rank| persistence.powf(rank - 1.0),
///     move |rank| persistence.ln() * persistence.powf(rank - 1.0),
/// );
/// let ndcg = Ndcg::default().discount(discount).mean(&array![2.0_f64, 1.0], &array![0.0, 1.0])?;
/// assert!((ndcg - 0.8).abs() < 1e-15);
/// # Ok::<(), lipo::Error>(())
/// ```
pub fn discount_fn<F, S>(at: F, slope: S) -> DiscountFn<F, S>
where
    F: Fn(f64) -> f64 + Send + Sync,
    S: Fn(f64) -> f64 + Send + Sync,
{
    DiscountFn { at, slope }
}

impl<F, S> Discount for DiscountFn<F, S>
where
    F: Fn(f64) -> f64 + Send + Sync,
    S: Fn(f64) -> f64 + Send + Sync,
{
    fn at(&self, rank: f64) -> f64 {
        (self.at)(rank)
    }

    fn slope(&self, rank: f64) -> f64 {
        (self.slope)(rank)
    }
}

impl<F, S> fmt::Debug for DiscountFn<F, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DiscountFn").finish_non_exhaustive()
    }
}

/// What a discount has at the ranks 1, 2, 3, …, evaluated once for all lists where the discount is
/// well known, and once a list where it is not.
#[derive(Debug, Clone, Default)]
pub(crate) struct DiscountsByRank<T> {
    log: Vec<T>,
    reciprocal: Vec<T>,
    other: Vec<T>,
}

impl<T> DiscountsByRank<T> {
    /// What `at` says of the ranks from 1 to `ranks`.
    pub(crate) fn fill(
        &mut self,
        discount: &dyn Discount,
        ranks: usize,
        at: impl Fn(f64) -> T,
    ) -> &[T] {
        let table = match discount.well_known() {
            Some(WellKnown::Log) => &mut self.log,
            Some(WellKnown::Reciprocal) => &mut self.reciprocal,
            None => {
                self.other.clear();
                &mut self.other
            }
        };
        table.extend((table.len() + 1..=ranks).map(|rank| at(rank as f64)));
        &table[..ranks]
    }
}

/// Checks the discounts of the ranks 1 to `ranks`, and returns the greatest, that of rank 1; 0 where
/// there are no ranks.
pub(crate) fn check_discount(discount: &dyn Discount, ranks: usize) -> Result<f64, Error> {
    if ranks == 0 {
        return Ok(0.0);
    }
    if discount.well_known().is_none() {
        check_falling((1..=ranks).map(|rank| discount.at(rank as f64)))?;
    }
    Ok(discount.at(1.0))
}

fn check_falling(discounts: impl Iterator<Item = f64>) -> Result<(), Error> {
    let mut previous = f64::INFINITY;
    for value in discounts {
        let wrong = |range| Err(Error::Parameter { name: "discount", value, range });
        if !value.is_finite() {
            return wrong("finite");
        }
        if value < 0.0 || value > previous {
            return wrong("at least 0 and at most that of the rank before");
        }
        previous = value;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn built_in() -> Vec<Box<dyn Discount>> {
        let table = DiscountTable::new(vec![1.0, 0.7, 0.7, 0.1]).unwrap();
        let square = discount_fn(|rank| 1.0 / (rank * rank), |rank| -2.0 / rank.powi(3));
        vec![Box::new(LogDiscount), Box::new(ReciprocalDiscount), Box::new(table), Box::new(square)]
    }

    #[test]
    fn slopes_are_those_of_the_values() {
        for discount in built_in() {
            for rank in [1.25, 1.5, 2.5, 3.75, 6.5, 1000.5] {
                let step = 1e-6 * rank;
                let rise = discount.at(rank + step) - discount.at(rank - step);
                let (slope, rough) = (discount.slope(rank), rise / (2.0 * step));
                assert!(
                    (slope - rough).abs() <= 1e-7 * slope.abs() + 1e-12,
                    "{discount:?}, {rank}"
                );
            }
        }
    }

    #[test]
    fn exact_discounts_round_to_the_plain_ones() {
        for discount in built_in() {
            for rank in [1.0, 2.0, 2.5, 3.0, 17.0, 1000.0] {
                let ((rounded, lost), plain) = (discount.exact(rank), discount.at(rank));
                assert!((rounded - plain).abs() <= 2.0 * f64::EPSILON * plain, "{discount:?}");
                assert!(lost.abs() <= f64::EPSILON / 2.0 * rounded, "{discount:?}");
            }
        }
        // From arithmetic of 60 digits: 1/log2(3), and 1/3.
        for ((rounded, lost), hi, lo) in [
            (LogDiscount.exact(2.0), 0.6309297535714574, 1.810707516561784e-17),
            (ReciprocalDiscount.exact(3.0), 1.0 / 3.0, 1.850371707708594e-17),
        ] {
            assert_eq!(rounded, hi);
            assert!((lost - lo).abs() < 1e-25, "{lost:e}");
        }
    }

    #[test]
    fn a_table_is_linear_between_ranks_and_constant_beyond() {
        let table = DiscountTable::new(vec![1.0, 0.5, 0.25]).unwrap();
        let values = [0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 1e300].map(|rank| table.at(rank));
        assert_eq!(values, [1.0, 1.0, 0.75, 0.5, 0.375, 0.25, 0.25, 0.25]);
        let slopes = [0.5, 1.0, 1.5, 2.0, 3.0, 1e300].map(|rank| table.slope(rank));
        assert_eq!(slopes, [0.0, -0.5, -0.5, -0.25, 0.0, 0.0]);
    }

    #[test]
    fn a_discount_is_finite_not_negative_and_does_not_rise() {
        let falling = "at least 0 and at most that of the rank before";
        for (discounts, value, range) in [
            (vec![f64::INFINITY], f64::INFINITY, "finite"),
            (vec![1.0, f64::NEG_INFINITY], f64::NEG_INFINITY, "finite"),
            (vec![-0.5], -0.5, falling),
            (vec![1.0, 0.5, 0.75], 0.75, falling),
        ] {
            let expected = Error::Parameter { name: "discount", value, range };
            assert_eq!(DiscountTable::new(discounts.clone()).unwrap_err(), expected);
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // small ranks
            let function = discount_fn(|rank| discounts[rank as usize - 1], |_| 0.0);
            assert_eq!(check_discount(&function, discounts.len()).unwrap_err(), expected);
        }
        assert!(DiscountTable::new(vec![f64::NAN]).is_err());
        assert!(DiscountTable::new(vec![]).is_err());
        let flat = DiscountTable::new(vec![2.0, 2.0, 0.0]).unwrap();
        assert_eq!(check_discount(&flat, 9), Ok(2.0));
        assert_eq!(check_discount(&flat, 0), Ok(0.0));
    }
}
