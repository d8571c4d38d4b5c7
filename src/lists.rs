//! Scores and labels, checked once: dense or ragged, masked, weighted.

mod from_slices;

pub use from_slices::{GroupSize, Groups};

use std::borrow::Cow;

use ndarray::{ArrayRef, ArrayRef1, Dimension, Ix1, RemoveAxis};

use crate::check::{Mask, dimension, finite, in_order, same_shape, unravel, within};
use crate::engine::Native as _;
use crate::{Error, Precision, Real};

/// Lists of scored and labelled items, checked when they are made.
///
/// *Dense* lists lie along the last axis of arrays of any shape `[.., K]`. *Ragged* lists stand one
/// after another in flat arrays, with their sizes beside them (the groups of LightGBM and
/// XGBoost). Both take
///
/// - a **mask** of the scores' shape: `true` where there is an item. A masked item does not exist:
///   whatever stands there, no value and no gradient depends on it, and its own gradient is 0;
/// - **weights** of items, of the scores' shape, and **list weights**, one a list; finite and not
///   negative. An item of weight 0 still exists: it stands in denominators and takes up a rank.
///
/// Dense lists also take soft **targets** of ordered pairs ([`ListsBuilder::targets`]).
///
/// `D` is the dimension of the scores, `B` that of the per-list values: one axis less for dense
/// lists, 1 for ragged ones.
///
/// Arrays in standard layout are borrowed, others (views with strides, transposes) copied once.
///
/// ```
/// use lipo::{Lists, losses::{LossExt, PairLogistic, Reduction}};
/// use ndarray::array;
///
/// // Two queries, of three documents and of one.
/// let scores = array![0.0_f64, 1.0, 2.0, 5.0];
/// let labels = array![1.0, 0.0, 2.0, 1.0];
/// let lists = Lists::ragged(&scores, &labels, &[3, 1]).build()?;
/// let (values, _gradients) = PairLogistic.per_list(&lists)?;
/// assert!((values[0] - 1.753451).abs() < 1e-6);
/// assert_eq!(values[1], 0.0); // a single item has no pairs
/// # Ok::<(), lipo::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Lists<'a, F: Real, D: Dimension, B: Dimension> {
    scores: Cow<'a, [F]>,
    labels: Cow<'a, [F]>,
    mask: Mask<'a>,
    weights: Option<Cow<'a, [F]>>,
    list_weights: Option<Cow<'a, [F]>>,
    targets: Option<Cow<'a, [F]>>,
    sizes: GivenSizes<'a>,
    shape: D,
    batch: B,
    ranges: Ranges,
}

/// What the scores and the labels of all items together lie between; (∞, −∞) where there are none.
#[doc(hidden)]
#[derive(Debug, Clone, Copy)]
pub struct Ranges {
    pub(crate) scores: (f64, f64),
    pub(crate) labels: (f64, f64),
    pub(crate) precision: Precision,
}

impl Ranges {
    /// Those of no items.
    fn none<F: Real>() -> Self {
        let none = (f64::INFINITY, f64::NEG_INFINITY);
        Self { scores: none, labels: none, precision: F::PRECISION }
    }

    /// Whether no difference of scores, of whichever lists, overflows.
    pub(crate) fn spread_is_finite(&self) -> bool {
        let (least, greatest) = self.scores;
        self.precision.round(greatest - least).abs() < f64::INFINITY || least > greatest
    }
}

#[derive(Debug, Clone, Copy)]
enum Sizes<'a> {
    Equal { size: usize, lists: usize },
    Ragged(&'a [usize]),
}

/// [`Sizes`], where those of ragged lists may have been converted.
#[derive(Debug, Clone)]
enum GivenSizes<'a> {
    Equal { size: usize, lists: usize },
    Ragged(Cow<'a, [usize]>),
}

/// Lists along the last axis of arrays `[.., K]`.
pub type DenseLists<'a, F, D> = Lists<'a, F, D, <D as Dimension>::Smaller>;

/// Lists one after another in flat arrays, with their sizes beside them.
pub type RaggedLists<'a, F> = Lists<'a, F, Ix1, Ix1>;

/// [`Lists`] in the making: add what there is beside scores and labels, then [`build`](Self::build).
#[derive(Debug, Clone)]
#[must_use = "nothing is checked until `build`"]
pub struct ListsBuilder<'a, F: Real, D: Dimension, B: Dimension> {
    scores: &'a ArrayRef<F, D>,
    labels: &'a ArrayRef<F, D>,
    mask: Option<&'a ArrayRef<bool, D>>,
    weights: Option<&'a ArrayRef<F, D>>,
    list_weights: Option<&'a ArrayRef<F, B>>,
    targets: Option<&'a ArrayRef<F, D::Larger>>,
    group_sizes: Option<&'a [usize]>,
}

impl<'a, F: Real, D: RemoveAxis> Lists<'a, F, D, D::Smaller> {
    /// Lists along the last axis: scores and labels `[.., K]`.
    pub fn dense(
        scores: &'a ArrayRef<F, D>,
        labels: &'a ArrayRef<F, D>,
    ) -> ListsBuilder<'a, F, D, D::Smaller> {
        ListsBuilder::new(scores, labels, None)
    }
}

impl<'a, F: Real, D: RemoveAxis> ListsBuilder<'a, F, D, D::Smaller> {
    /// Soft targets Ψ `[.., K, K]`: a weight for each ordered pair of a list's items.
    ///
    /// A pair loss then is Σ_{i ≠ j} Ψ_ij w_i Δ_ij φ(s_i − s_j): it does not ask which label is greater,
    /// and a pair may count both ways. Win probabilities are such targets: a judge that prefers
    /// response i to response j seven times in ten gives Ψ_ij = 0.7 and Ψ_ji = 0.3. The diagonal is not
    /// looked at, nor are the rows and columns of masked items. Losses that compare no pairs refuse
    /// lists with targets ([`Error::Targets`]).
    ///
    /// ```
    /// use lipo::{Lists, losses::{LossExt, PairLogistic, Reduction}};
    /// use ndarray::array;
    ///
    /// let (scores, labels) = (array![0.5_f64, 0.0], array![1.0, 0.0]);
    /// let wins = array![[0.5, 0.9], [0.1, 0.5]];
    /// let lists = Lists::dense(&scores, &labels).targets(&wins).build()?;
    /// let (value, _) = PairLogistic.reduced(&lists, Reduction::Sum)?;
    /// assert!((value - 0.524077).abs() < 1e-6); // 0.9 log(1 + e^-0.5) + 0.1 log(1 + e^0.5)
    /// # Ok::<(), lipo::Error>(())
    /// ```
    pub fn targets(self, targets: &'a ArrayRef<F, D::Larger>) -> Self {
        Self { targets: Some(targets), ..self }
    }
}

impl<'a, F: Real> Lists<'a, F, Ix1, Ix1> {
    /// Lists of the given sizes, one after another in flat arrays. A size may be 0.
    pub fn ragged(
        scores: &'a ArrayRef1<F>,
        labels: &'a ArrayRef1<F>,
        group_sizes: &'a [usize],
    ) -> ListsBuilder<'a, F, Ix1, Ix1> {
        ListsBuilder::new(scores, labels, Some(group_sizes))
    }
}

impl<'a, F: Real, D: Dimension, B: Dimension> ListsBuilder<'a, F, D, B> {
    fn new(
        scores: &'a ArrayRef<F, D>,
        labels: &'a ArrayRef<F, D>,
        group_sizes: Option<&'a [usize]>,
    ) -> Self {
        let (mask, weights, list_weights, targets) = (None, None, None, None);
        Self { scores, labels, mask, weights, list_weights, targets, group_sizes }
    }

    /// Which items exist, of the scores' shape.
    pub fn mask(self, mask: &'a ArrayRef<bool, D>) -> Self {
        Self { mask: Some(mask), ..self }
    }

    /// A weight for each item, of the scores' shape.
    ///
    /// A point loss multiplies an item's term by it, a pair loss a pair's term by that of the
    /// preferred item (of equal labels, where those take part, by the mean), list-mle the factor of each position by that of the item there; softmax
    /// multiplies the labels by it before it normalises them.
    pub fn weights(self, weights: &'a ArrayRef<F, D>) -> Self {
        Self { weights: Some(weights), ..self }
    }

    /// A weight for each list, of the per-list values' shape; it multiplies the list's value and
    /// gradient when they are reduced.
    pub fn list_weights(self, list_weights: &'a ArrayRef<F, B>) -> Self {
        Self { list_weights: Some(list_weights), ..self }
    }

    /// Checks everything and makes the lists.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] where an array does not have its shape, [`Error::Axes`] where scores have
    /// no axis, [`Error::GroupSizes`] where group sizes do not add up to the number of items,
    /// [`Error::NotFinite`] for a NaN or infinite score, label or weight of an item that exists, or
    /// target of two such items, [`Error::OutOfRange`] for a negative weight or target. The weight of a list without items is not
    /// looked at.
    pub fn build(self) -> Result<Lists<'a, F, D, B>, Error> {
        let expected = self.scores.shape();
        same_shape("labels", self.labels.shape(), expected)?;
        let mask = Mask::new(self.mask, expected)?;
        if let Some(weights) = self.weights {
            same_shape("weights", weights.shape(), expected)?;
        }
        let (sizes, batch) = self.sizes()?;
        if let Some(list_weights) = self.list_weights {
            same_shape("list weights", list_weights.shape(), batch.slice())?;
        }
        if let Some(targets) = self.targets
            && !targets.shape().iter().eq(expected.iter().chain(expected.last()))
        {
            same_shape("targets", targets.shape(), &of_pairs(expected))?;
        }

        let mut lists = Lists {
            ranges: Ranges::none::<F>(),
            scores: in_order(self.scores),
            labels: in_order(self.labels),
            mask,
            weights: self.weights.map(in_order),
            list_weights: self.list_weights.map(in_order),
            targets: self.targets.map(in_order),
            sizes,
            shape: self.scores.raw_dim(),
            batch,
        };
        lists.survey()?;
        Ok(lists)
    }

    fn sizes(&self) -> Result<(GivenSizes<'a>, B), Error> {
        if let Some(sizes) = self.group_sizes {
            let total = sizes.iter().fold(0_usize, |sum, &size| sum.saturating_add(size));
            if total != self.scores.len() {
                return Err(Error::GroupSizes { total, items: self.scores.len() });
            }
            return Ok((GivenSizes::Ragged(Cow::Borrowed(sizes)), dimension(&[sizes.len()])));
        }
        let Some((&size, batch)) = self.scores.shape().split_last() else {
            return Err(Error::Axes { what: "scores", least: 1, found: 0 });
        };
        // Not the length over K, which says nothing of lists of 0 items.
        Ok((GivenSizes::Equal { size, lists: batch.iter().product() }, dimension(batch)))
    }
}

impl<F: Real, D: Dimension, B: Dimension> Lists<'_, F, D, B> {
    /// The number of lists, those without items among them.
    #[must_use]
    pub fn len(&self) -> usize {
        self.flat().len()
    }

    /// Whether there is no list.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The shape of the scores, and so of the gradient.
    #[must_use]
    pub fn shape(&self) -> D {
        self.shape.clone()
    }

    /// The shape of the per-list values.
    #[must_use]
    pub fn batch_shape(&self) -> B {
        self.batch.clone()
    }

    /// A direction in the space of the scores, checked like them.
    pub(crate) fn direction(&self, direction: &ArrayRef<F, D>) -> Result<Vec<F>, Error> {
        same_shape("direction", direction.shape(), self.shape.slice())?;
        let numbers = in_order(direction).into_owned();
        for (item, &number) in numbers.iter().enumerate().filter(|(k, _)| self.mask.exists(*k)) {
            finite("direction", number, || unravel(item, self.shape.slice()))?;
        }
        Ok(numbers)
    }

    /// The ranges of scores and labels over all lists.
    pub(crate) fn ranges(&self) -> &Ranges {
        &self.ranges
    }

    /// The lists without the shape of their arrays.
    pub(crate) fn flat(&self) -> Flat<'_, F> {
        Flat {
            scores: &self.scores,
            labels: &self.labels,
            mask: self.mask.get(),
            weights: self.weights.as_deref(),
            list_weights: self.list_weights.as_deref(),
            targets: self.targets.as_deref(),
            direction: None,
            sizes: match &self.sizes {
                GivenSizes::Equal { size, lists } => Sizes::Equal { size: *size, lists: *lists },
                GivenSizes::Ragged(sizes) => Sizes::Ragged(sizes),
            },
        }
    }

    /// The index in the array of scores of the `nth` existing item at `place`.
    fn index_of_nth(&self, place: Place, nth: usize) -> Vec<usize> {
        let lists = self.flat();
        let item = (place.start..place.end).filter(|&item| lists.exists(item)).nth(nth);
        unravel(item.unwrap_or(place.start), self.shape.slice())
    }

    /// Translates the place in a list that an error names to the caller's arrays.
    pub(crate) fn in_callers_arrays(&self, mut error: Error, place: Place) -> Error {
        match &mut error {
            Error::OutOfRange { index, .. } | Error::NotFinite { index, .. } => {
                *index = self.index_of_nth(place, index.first().copied().unwrap_or(0));
            }
            Error::Spread { list, .. } => *list = self.list_index(place.list),
            _ => {}
        }
        error
    }

    /// The index of a list in the array of per-list values.
    fn list_index(&self, list: usize) -> Vec<usize> {
        unravel(list, self.batch.slice())
    }

    /// The ranges of scores and labels, and whether all is in order.
    fn survey(&mut self) -> Result<(), Error> {
        let plain = self.mask.is_none() && self.weights.is_none() && self.list_weights.is_none();
        if plain && self.targets.is_none() {
            let [scores, labels] = [&self.scores, &self.labels].map(|x| F::Engine::finite_range(x));
            if let (Some(scores), Some(labels)) = (scores, labels) {
                (self.ranges.scores, self.ranges.labels) = (scores, labels);
                return Ok(());
            }
        }
        self.check()?;
        let widest = |range: (f64, f64), x: F| (range.0.min(x.widen()), range.1.max(x.widen()));
        for item in (0..self.scores.len()).filter(|&item| self.mask.exists(item)) {
            self.ranges.scores = widest(self.ranges.scores, self.scores[item]);
            self.ranges.labels = widest(self.ranges.labels, self.labels[item]);
        }
        Ok(())
    }

    fn check(&self) -> Result<(), Error> {
        let not_negative = (|weight| weight >= 0.0, "at least 0");
        let lists = self.flat();
        for place in lists.places() {
            let mut items = 0;
            for item in (place.start..place.end).filter(|&item| lists.exists(item)) {
                let index = || unravel(item, self.shape.slice());
                finite("scores", self.scores[item], index)?;
                finite("labels", self.labels[item], index)?;
                if let Some(weights) = &self.weights {
                    within("weights", weights[item], not_negative, index)?;
                }
                items += 1;
            }
            if let (Some(weights), 1..) = (&self.list_weights, items) {
                let index = || self.list_index(place.list);
                within("list weights", weights[place.list], not_negative, index)?;
            }
            if let Some(targets) = &self.targets {
                self.check_targets(targets, place)?;
            }
        }
        Ok(())
    }

    /// Checks the targets of the pairs of a list.
    fn check_targets(&self, targets: &[F], place: Place) -> Result<(), Error> {
        let (size, exists) = (place.len(), |k: usize| self.mask.exists(place.start + k));
        let first = place.start * size;
        for row in (0..size).filter(|&row| exists(row)) {
            for column in (0..size).filter(|&column| column != row && exists(column)) {
                let target = first + row * size + column;
                let index = || unravel(target, &of_pairs(self.shape.slice()));
                within("targets", targets[target], (|target| target >= 0.0, "at least 0"), index)?;
            }
        }
        Ok(())
    }
}

/// The shape of what pairs of items have, by the shape of what items have.
fn of_pairs(shape: &[usize]) -> Vec<usize> {
    shape.iter().chain(shape.last()).copied().collect()
}

/// The flat arrays of [`Lists`], whatever their shape.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Flat<'a, F> {
    pub(crate) scores: &'a [F],
    pub(crate) labels: &'a [F],
    pub(crate) mask: Option<&'a [bool]>,
    pub(crate) weights: Option<&'a [F]>,
    pub(crate) list_weights: Option<&'a [F]>,
    /// Ψ of each list, row by row: weights of ordered pairs in place of labels. The diagonal may hold
    /// anything.
    pub(crate) targets: Option<&'a [F]>,
    /// The direction that Hessians are multiplied with, of the scores' shape.
    pub(crate) direction: Option<&'a [F]>,
    sizes: Sizes<'a>,
}

impl<'a, F: Real> Flat<'a, F> {
    /// The number of lists, those without items among them.
    pub(crate) fn len(&self) -> usize {
        match self.sizes {
            Sizes::Equal { lists, .. } => lists,
            Sizes::Ragged(sizes) => sizes.len(),
        }
    }

    /// The number of items that every list takes up, where it is one.
    pub(crate) fn equal_size(&self) -> Option<usize> {
        match self.sizes {
            Sizes::Equal { size, .. } => Some(size),
            Sizes::Ragged(_) => None,
        }
    }

    /// The number of items that a list takes up, masked ones among them.
    pub(crate) fn size(&self, list: usize) -> usize {
        match self.sizes {
            Sizes::Equal { size, .. } => size,
            Sizes::Ragged(sizes) => sizes[list],
        }
    }

    /// The places of the lists, one after another.
    pub(crate) fn places(&self) -> impl Iterator<Item = Place> + use<'a, F> {
        self.places_from(Place::default())
    }

    /// The places of the lists from `first.list` on, the first of which starts at `first.start`.
    pub(crate) fn places_from(&self, first: Place) -> impl Iterator<Item = Place> + use<'a, F> {
        let (lists, mut start) = (*self, first.start);
        (first.list..self.len()).map(move |list| {
            let place = Place { list, start, end: start + lists.size(list) };
            start = place.end;
            place
        })
    }

    /// Whether the item at a place in the flat arrays exists.
    pub(crate) fn exists(&self, item: usize) -> bool {
        self.mask.is_none_or(|mask| mask[item])
    }

    /// The weight of a list; that of one without items may be anything.
    pub(crate) fn list_weight(&self, list: usize) -> f64 {
        self.list_weights.map_or(1.0, |weights| weights[list].widen())
    }

    /// Whether neither masked items nor item weights are to be looked after.
    pub(crate) fn is_plain(&self) -> bool {
        self.mask.is_none() && self.weights.is_none()
    }

    /// The number of lists with at least one item.
    pub(crate) fn count(&self) -> usize {
        match (self.mask, self.sizes) {
            (None, Sizes::Equal { size, lists }) => {
                if size == 0 {
                    0
                } else {
                    lists
                }
            }
            (None, Sizes::Ragged(sizes)) => sizes.iter().filter(|&&size| size > 0).count(),
            _ => self
                .places()
                .filter(|place| (place.start..place.end).any(|item| self.exists(item)))
                .count(),
        }
    }

    /// The list at `place` without its masked items, widened; in `buffers` where it must be.
    pub(crate) fn list<'s>(&self, place: Place, buffers: &'s mut ListBuffers) -> List<'s>
    where
        'a: 's,
    {
        self.whole_list(place, buffers).0
    }

    /// The list at `place`, its direction and its soft targets, where there are any.
    pub(crate) fn whole_list<'s>(&self, place: Place, buffers: &'s mut ListBuffers) -> WholeList<'s>
    where
        'a: 's,
    {
        let ListBuffers { scores, labels, weights, direction, targets } = buffers;
        let list = List {
            scores: self.items(place, self.scores, scores),
            labels: self.items(place, self.labels, labels),
            weights: self.weights.map(|all| self.items(place, all, weights)),
            precision: F::PRECISION,
        };
        let direction = self.direction.map(|all| self.items(place, all, direction));
        let targets = self.targets.map(|all| {
            let len = place.len();
            let matrix = &all[place.list * len * len..][..len * len];
            let exists = |item: usize| self.exists(place.start + item);
            targets.clear();
            for (row, line) in matrix.chunks_exact(len.max(1)).enumerate() {
                let line = line.iter().enumerate().filter(|(item, _)| exists(row) && exists(*item));
                targets.extend(line.map(|(_, target)| target.widen()));
            }
            &targets[..]
        });
        (list, direction, targets)
    }

    fn items<'s>(&self, place: Place, all: &'s [F], buffer: &'s mut Vec<f64>) -> &'s [f64] {
        if let (None, Some(wide)) = (self.mask, F::as_wide(all)) {
            return &wide[place.start..place.end];
        }
        buffer.clear();
        if self.mask.is_none() {
            buffer.extend(all[place.start..place.end].iter().map(|number| number.widen()));
            return buffer;
        }
        let existing = (place.start..place.end).filter(|&item| self.exists(item));
        buffer.extend(existing.map(|item| all[item].widen()));
        buffer
    }
}

/// Where a list stands in the flat arrays.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Place {
    pub(crate) list: usize,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

impl Place {
    pub(crate) fn len(&self) -> usize {
        self.end - self.start
    }
}

/// Room for one list whose items cannot be borrowed as they stand.
#[derive(Debug, Clone, Default)]
pub(crate) struct ListBuffers {
    scores: Vec<f64>,
    labels: Vec<f64>,
    weights: Vec<f64>,
    direction: Vec<f64>,
    targets: Vec<f64>,
}

/// One list, its direction and its soft targets, where there are any.
pub(crate) type WholeList<'a> = (List<'a>, Option<&'a [f64]>, Option<&'a [f64]>);

/// One list as a [`Loss`](crate::losses::Loss) sees it: the items that exist, in `f64`.
#[derive(Debug, Clone, Copy)]
pub struct List<'a> {
    scores: &'a [f64],
    labels: &'a [f64],
    weights: Option<&'a [f64]>,
    precision: Precision,
}

impl<'a> List<'a> {
    pub(crate) fn new(
        scores: &'a [f64],
        labels: &'a [f64],
        weights: Option<&'a [f64]>,
        precision: Precision,
    ) -> Self {
        Self { scores, labels, weights, precision }
    }

    /// The number K of items.
    #[must_use]
    pub fn len(&self) -> usize {
        self.scores.len()
    }

    /// Whether there is no item.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.scores.is_empty()
    }

    /// The scores s_k, all finite.
    #[must_use]
    pub fn scores(&self) -> &'a [f64] {
        self.scores
    }

    /// The labels ψ_k, all finite.
    #[must_use]
    pub fn labels(&self) -> &'a [f64] {
        self.labels
    }

    /// The weight w_k of item k, finite and at least 0; 1 where none were given.
    #[must_use]
    pub fn weight(&self, item: usize) -> f64 {
        self.weights.map_or(1.0, |weights| weights[item])
    }

    /// The weights of the items, where any were given.
    pub(crate) fn weights(&self) -> Option<&'a [f64]> {
        self.weights
    }

    /// The precision in which the caller holds scores and labels.
    #[must_use]
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// An error for the label of an item that is outside a loss's domain, `range` in words.
    #[must_use]
    pub fn label_out_of_range(&self, item: usize, range: &'static str) -> Error {
        Error::OutOfRange { what: "labels", index: vec![item], value: self.labels[item], range }
    }

    /// The check of losses that take differences of scores: none may overflow.
    ///
    /// # Errors
    ///
    /// [`Error::Spread`] where the greatest score less the least is infinite in the caller's
    /// precision.
    pub fn check_spread(&self) -> Result<(), Error> {
        let least = self.scores.iter().copied().fold(f64::INFINITY, f64::min);
        let greatest = self.scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        if self.is_empty() || self.precision.round(greatest - least).is_finite() {
            return Ok(());
        }
        Err(Error::Spread { list: Vec::new(), least, greatest })
    }
}
