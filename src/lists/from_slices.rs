//! Lists from slices: equal lists, groups by size or by offset, and columns of group ids.

use std::borrow::Cow;
use std::hash::Hash;

use ndarray::{ArrayRef1, Dim, Ix1, Ix2};

use super::{GivenSizes, Lists, Ranges};
use crate::check::{Mask, same_shape};
use crate::{Error, Real};

/// An integer that counts the items of a group, or tells where a group starts: `u32`, `u64`, `usize`,
/// and the `i32` and `i64` of Arrow's offsets.
pub trait GroupSize: Copy {
    /// The number, or `None` where it is negative or does not fit.
    fn to_usize(self) -> Option<usize>;
}

macro_rules! group_size {
    ($($integer:ty),*) => {$(
        impl GroupSize for $integer {
            fn to_usize(self) -> Option<usize> {
                usize::try_from(self).ok()
            }
        }
    )*};
}

group_size!(u32, u64, usize, i32, i64);

impl<'a, F: Real> Lists<'a, F, Ix2, Ix1> {
    /// Lists of `size` items each, one after another in slices of scores and labels.
    ///
    /// ```
    /// use lipo::{Lists, losses::{LossExt, PairLogistic, Reduction}};
    ///
    /// let lists = Lists::from_slices(&[0.3_f64, 0.1, 0.0, 0.0], &[1.0, 0.0, 1.0, 1.0], 2)?;
    /// let (value, grad) = PairLogistic.reduced(&lists, Reduction::Sum)?;
    /// assert!((value - 0.598139).abs() < 1e-6); // log(1 + e^-0.2); the second list has no pair
    /// assert_eq!(grad.shape(), [2, 2]);
    /// # Ok::<(), lipo::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] where there are not as many labels as scores, [`Error::GroupSizes`] where the
    /// scores do not fill lists of `size`, [`Error::NotFinite`] for a NaN or infinite number.
    pub fn from_slices(scores: &'a [F], labels: &'a [F], size: usize) -> Result<Self, Error> {
        let lists = scores.len().checked_div(size).unwrap_or(0);
        if lists * size != scores.len() {
            return Err(Error::GroupSizes { total: lists * size, items: scores.len() });
        }
        let sizes = GivenSizes::Equal { size, lists };
        Self::of_parts(
            Cow::Borrowed(scores),
            Cow::Borrowed(labels),
            sizes,
            Dim([lists, size]),
            lists,
        )
    }

    /// Lists of two: the scores of a chosen and of a rejected response to each of N prompts, as users of
    /// DPO hold them. The labels are 1 and 0; the gradient `[N, 2]` has that of the chosen responses in
    /// its first column.
    ///
    /// ```
    /// use lipo::{Lists, losses::{LossExt, PairLogistic, Reduction}};
    /// use ndarray::array;
    ///
    /// let lists = Lists::chosen_rejected(&array![0.3_f64, 0.0], &array![0.1, 0.0])?;
    /// let (value, grad) = PairLogistic.reduced(&lists, Reduction::MeanOverLists)?;
    /// assert!((value - 0.645643).abs() < 1e-6); // the mean of log(1 + e^-0.2) and log 2
    /// let (chosen, rejected) = (grad.column(0), grad.column(1));
    /// assert_eq!(chosen[1], -0.25);
    /// assert_eq!(rejected[1], 0.25);
    /// # Ok::<(), lipo::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] where the arrays differ in length, [`Error::NotFinite`] for a NaN or infinite
    /// score.
    pub fn chosen_rejected(chosen: &ArrayRef1<F>, rejected: &ArrayRef1<F>) -> Result<Self, Error> {
        same_shape("rejected", rejected.shape(), chosen.shape())?;
        let lists = chosen.len();
        let scores = chosen.iter().zip(rejected).flat_map(|(&a, &b)| [a, b]).collect();
        let labels = (0..lists).flat_map(|_| [F::one(), F::zero()]).collect();
        let sizes = GivenSizes::Equal { size: 2, lists };
        Self::of_parts(Cow::Owned(scores), Cow::Owned(labels), sizes, Dim([lists, 2]), lists)
    }
}

impl<'a, F: Real> Lists<'a, F, Ix1, Ix1> {
    /// Groups of the given sizes, one after another in slices of scores and labels.
    ///
    /// ```
    /// use lipo::{Lists, losses::{LossExt, PairLogistic}};
    ///
    /// let (scores, labels) = ([0.0_f64, 1.0, 2.0, 5.0], [1.0, 0.0, 2.0, 1.0]);
    /// let lists = Lists::ragged_from_slices(&scores, &labels, &[3_u32, 1])?;
    /// let (values, _) = PairLogistic.per_list(&lists)?;
    /// assert!((values[0] - 1.753451).abs() < 1e-6);
    /// # Ok::<(), lipo::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`ListsBuilder::build`](super::ListsBuilder::build).
    pub fn ragged_from_slices<S: GroupSize>(
        scores: &'a [F],
        labels: &'a [F],
        sizes: &[S],
    ) -> Result<Self, Error> {
        let sizes = sizes.iter().map(|size| size.to_usize()).collect::<Option<Vec<_>>>();
        Self::of_sizes(scores, labels, sizes)
    }

    /// Groups by the offsets at which they start, and the end of the last: N + 1 offsets, as Arrow's list
    /// arrays have them. Items before the first offset are an error, as are offsets that fall.
    ///
    /// ```
    /// use lipo::{Lists, losses::{LossExt, PairLogistic}};
    ///
    /// let (scores, labels) = ([0.0_f64, 1.0, 2.0, 5.0], [1.0, 0.0, 2.0, 1.0]);
    /// let lists = Lists::ragged_from_offsets(&scores, &labels, &[0_i32, 3, 4])?;
    /// assert_eq!(lists.len(), 2);
    /// # Ok::<(), lipo::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`ListsBuilder::build`](super::ListsBuilder::build).
    pub fn ragged_from_offsets<S: GroupSize>(
        scores: &'a [F],
        labels: &'a [F],
        offsets: &[S],
    ) -> Result<Self, Error> {
        let offsets = offsets.iter().map(|offset| offset.to_usize()).collect::<Option<Vec<_>>>();
        let sizes = offsets.filter(|offsets| offsets.first().is_none_or(|&first| first == 0));
        let sizes = sizes.and_then(|offsets| {
            offsets.windows(2).map(|two| two[1].checked_sub(two[0])).collect::<Option<Vec<_>>>()
        });
        Self::of_sizes(scores, labels, sizes)
    }

    /// Groups of these sizes; `None` where one is no size.
    fn of_sizes(
        scores: &'a [F],
        labels: &'a [F],
        sizes: Option<Vec<usize>>,
    ) -> Result<Self, Error> {
        let total = sizes.as_ref().map_or(usize::MAX, |sizes| {
            sizes.iter().fold(0_usize, |sum, &size| sum.saturating_add(size))
        });
        let Some(sizes) = sizes.filter(|_| total == scores.len()) else {
            return Err(Error::GroupSizes { total, items: scores.len() });
        };
        let (lists, shape) = (sizes.len(), Dim([scores.len()]));
        let sizes = GivenSizes::Ragged(Cow::Owned(sizes));
        Self::of_parts(Cow::Borrowed(scores), Cow::Borrowed(labels), sizes, shape, lists)
    }
}

impl<'a, F: Real, D: ndarray::Dimension> Lists<'a, F, D, Ix1> {
    fn of_parts(
        scores: Cow<'a, [F]>,
        labels: Cow<'a, [F]>,
        sizes: GivenSizes<'a>,
        shape: D,
        lists: usize,
    ) -> Result<Self, Error> {
        same_shape("labels", &[labels.len()], &[scores.len()])?;
        let mut lists = Self {
            ranges: Ranges::none::<F>(),
            scores,
            labels,
            mask: Mask::none(),
            weights: None,
            list_weights: None,
            targets: None,
            sizes,
            shape,
            batch: Dim([lists]),
        };
        lists.survey()?;
        Ok(lists)
    }
}

/// Items grouped by a column of ids in any order: the order in which groups stand one after another,
/// and their sizes. Groups come in the order in which their ids first appear.
///
/// ```
/// use lipo::{Lists, lists::Groups, losses::{LossExt, PairLogistic, Reduction}};
///
/// let queries = ["b", "a", "b", "a"];
/// let groups = Groups::by_id(&queries);
/// let scores = groups.gather(&[0.3_f64, 0.0, 0.1, 0.0]);
/// let labels = groups.gather(&[1.0, 1.0, 0.0, 1.0]);
/// let lists = Lists::ragged_from_slices(&scores, &labels, groups.sizes())?;
/// let (value, grad) = PairLogistic.reduced(&lists, Reduction::Sum)?;
/// assert!((value - 0.598139).abs() < 1e-6); // log(1 + e^-0.2), of "b"
/// let grad = groups.scatter(grad.as_slice().unwrap()); // in the order of the column
/// assert!((grad[2] - 0.450166).abs() < 1e-6);
/// # Ok::<(), lipo::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Groups {
    order: Vec<usize>,
    sizes: Vec<usize>,
}

impl Groups {
    /// The groups of items with equal ids.
    pub fn by_id<I: Eq + Hash>(ids: &[I]) -> Self {
        let mut numbers = std::collections::HashMap::new();
        let mut sizes = Vec::new();
        let mut of_items = Vec::with_capacity(ids.len());
        for id in ids {
            let group = *numbers.entry(id).or_insert(sizes.len());
            if group == sizes.len() {
                sizes.push(0);
            }
            sizes[group] += 1;
            of_items.push(group);
        }
        let mut order: Vec<_> = (0..ids.len()).collect();
        order.sort_by_key(|&item| of_items[item]);
        Self { order, sizes }
    }

    /// The items, group after group; within a group in the order of the column.
    #[must_use]
    pub fn order(&self) -> &[usize] {
        &self.order
    }

    /// The sizes of the groups.
    #[must_use]
    pub fn sizes(&self) -> &[usize] {
        &self.sizes
    }

    /// A column's numbers, group after group.
    ///
    /// # Panics
    ///
    /// Where the column is not as long as that of the ids.
    #[must_use]
    pub fn gather<T: Copy>(&self, column: &[T]) -> Vec<T> {
        assert_eq!(column.len(), self.order.len(), "a number for each id");
        self.order.iter().map(|&item| column[item]).collect()
    }

    /// Numbers that stand group after group, in the order of the column.
    ///
    /// # Panics
    ///
    /// Where there are not as many numbers as ids.
    #[must_use]
    pub fn scatter<T: Copy>(&self, grouped: &[T]) -> Vec<T> {
        assert_eq!(grouped.len(), self.order.len(), "a number for each id");
        let mut column = grouped.to_vec();
        for (&item, &number) in self.order.iter().zip(grouped) {
            column[item] = number;
        }
        column
    }
}
