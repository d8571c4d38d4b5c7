//! Pair losses against soft targets.
//!
//! l(s, Ψ) = Σ_{i ≠ j} w_i Ψ_ij φ(s_i − s_j)
//!
//! With targets of both orders, a pair has two terms: as much of i before j as Ψ_ij says, and as much
//! of j before i as Ψ_ji does.

use ndarray::{Array, ArrayRef, RemoveAxis};

use crate::check::{in_order, same_shape, unravel, within};
use crate::lists::{Flat, Place};
use crate::losses::batch::evaluate_each;
use crate::losses::pairs::{PairFunction, value_and_grad};
use crate::losses::{Reduction, Scratch, Total, Workspace, with_slice};
use crate::{Error, List, Lists, Real};

/// A pair loss against soft targets Ψ, in place of the hard order of labels: Σ_{i ≠ j} w_i Ψ_ij
/// φ(s_i − s_j), Ψ_ij in \[0, 1\] being how probable it is that response i is preferred to j.
///
/// With the [`Logistic`](crate::losses::Logistic) function it is the cross-entropy of the targets and
/// of Bradley–Terry's σ(s_i − s_j), least where the two agree; with Ψ_ij of 0 and 1 it is
/// [`PairLoss`](crate::losses::PairLoss), and with 1 − ε and ε at K = 2 conservative DPO.
///
/// Targets are those from which [`labels::from_win_probabilities`](crate::labels) makes labels:
/// `[.., K, K]` for scores `[.., K]`. The diagonal is not looked at, nor are rows and columns of
/// masked items; Ψ_ij + Ψ_ji need not be 1, and a pair of which nothing is known may have 0 both
/// ways. w_i is the weight of the item that comes first. Terms, for [`Reduction::MeanOverTerms`],
/// are the K(K − 1)/2 pairs of each list.
///
/// ```
/// use lipo::losses::{Logistic, SoftPairLoss};
/// use ndarray::array;
///
/// let (scores, targets) = (array![1.0_f64, 0.0], array![[0.5, 0.75], [0.25, 0.5]]);
/// let loss = SoftPairLoss { function: Logistic };
/// let (value, grad) = loss.value_and_grad(&scores, &targets)?;
/// assert!((value - 0.563262).abs() < 1e-6); // 0.75 log(1 + e^-1) + 0.25 log(1 + e)
/// assert!((grad[0] + 0.018941).abs() < 1e-6); // σ(1) - 0.75
/// # Ok::<(), lipo::Error>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct SoftPairLoss<P> {
    /// φ.
    pub function: P,
}

impl<P: PairFunction> SoftPairLoss<P> {
    /// The mean over lists of the loss of scores `[.., K]` and targets `[.., K, K]`, and its gradient
    /// `[.., K]` with respect to the scores.
    ///
    /// # Errors
    ///
    /// Those of [`ListsBuilder::build`](crate::lists::ListsBuilder::build) and of
    /// [`reduced`](Self::reduced).
    pub fn value_and_grad<F: Real, D: RemoveAxis>(
        &self,
        scores: &ArrayRef<F, D>,
        targets: &ArrayRef<F, D::Larger>,
    ) -> Result<(F, Array<F, D>), Error> {
        let lists = Lists::dense(scores, scores).build()?;
        self.reduced(&lists, targets, Reduction::default())
    }

    /// The reduced value of dense `lists` against targets `[.., K, K]`, and its gradient, of the
    /// scores' shape. Scores, mask and weights are those of the lists; their labels are not looked at.
    ///
    /// ```
    /// use lipo::{Lists, labels, losses::{Logistic, Reduction, SoftPairLoss}};
    /// use ndarray::array;
    ///
    /// // The third response of the list is padding.
    /// let wins = array![[0.5_f64, 0.75, 0.0], [0.25, 0.5, 0.0], [0.0, 0.0, 0.5]];
    /// let mask = array![true, true, false];
    /// let psi = labels::WinProbabilities::new(&wins).mask(&mask).labels()?;
    /// let scores = array![1.0, 0.0, f64::NAN];
    /// let lists = Lists::dense(&scores, &psi).mask(&mask).build()?;
    /// let loss = SoftPairLoss { function: Logistic };
    /// let (value, grad) = loss.reduced(&lists, &wins, Reduction::Sum)?;
    /// assert!((value - 0.563262).abs() < 1e-6);
    /// assert_eq!(grad[2], 0.0);
    /// # Ok::<(), lipo::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] where the targets do not have the scores' shape with its last axis twice,
    /// [`Error::NotFinite`] and [`Error::OutOfRange`] for a target outside \[0, 1\],
    /// [`Error::Spread`] for scores whose difference overflows.
    pub fn reduced<F: Real, D: RemoveAxis>(
        &self,
        lists: &Lists<'_, F, D, D::Smaller>,
        targets: &ArrayRef<F, D::Larger>,
        reduction: Reduction,
    ) -> Result<(F, Array<F, D>), Error> {
        let mut grad = Array::zeros(lists.shape());
        let workspace = &mut Workspace::default();
        let value = self.reduced_into(lists, targets, reduction, &mut grad, workspace)?;
        Ok((value, grad))
    }

    /// [`reduced`](Self::reduced) with the gradient written to the caller's array.
    ///
    /// # Errors
    ///
    /// Those of `reduced`, and [`Error::Shape`] where `grad` does not have the scores' shape.
    pub fn reduced_into<F: Real, D: RemoveAxis>(
        &self,
        lists: &Lists<'_, F, D, D::Smaller>,
        targets: &ArrayRef<F, D::Larger>,
        reduction: Reduction,
        grad: &mut ArrayRef<F, D>,
        workspace: &mut Workspace,
    ) -> Result<F, Error> {
        same_shape("gradient", grad.shape(), lists.shape().slice())?;
        check_shape(targets.shape(), lists.shape().slice())?;
        let targets = Targets { of: &in_order(targets), shape: targets.shape() };
        let flat = lists.flat();
        let mut total = Total::default();
        let (buffers, scratch) = workspace.for_lists();
        for place in flat.places() {
            let items = &mut scratch.order;
            existing_items(&flat, place, items);
            if items.is_empty() {
                continue;
            }
            let list = flat.list(place, buffers);
            list.check_spread().map_err(|error| lists.in_callers_arrays(error, place))?;
            targets.check(place, items)?;
            total.lists += 1;
            total.terms += items.len() as u64 * (items.len() as u64 - 1) / 2;
        }
        let divisor = Some(total.divisor(reduction));
        let of_list = |place, list: &List<'_>, grad: &mut [f64], scratch: &mut Scratch| {
            let Scratch { order: items, grad: sums, .. } = scratch;
            existing_items(&flat, place, items);
            value_and_grad(&self.function, list, grad, sums, |pairs| {
                for i in 0..items.len() {
                    for j in (0..items.len()).filter(|&j| j != i) {
                        pairs.add(i, j, targets.at(place, items[i], items[j]).into());
                    }
                }
            })
        };
        with_slice(grad, |grad| {
            evaluate_each(&flat, divisor, &mut total, Some(grad), workspace, of_list);
        });
        Ok(total.reduce(reduction))
    }
}

/// The places within a list of the items that exist.
fn existing_items<F: Real>(lists: &Flat<'_, F>, place: Place, items: &mut Vec<usize>) {
    items.clear();
    items.extend((0..place.end - place.start).filter(|&k| lists.exists(place.start + k)));
}

fn check_shape(found: &[usize], scores: &[usize]) -> Result<(), Error> {
    let fits = match (found.split_last(), scores.last()) {
        (Some((columns, rows)), Some(size)) => rows == scores && columns == size,
        _ => false,
    };
    if fits {
        return Ok(());
    }
    let expected = [scores, scores.last().map_or(&[][..], std::slice::from_ref)].concat();
    same_shape("targets", found, &expected)
}

/// The matrices of targets, one after another.
struct Targets<'a, F> {
    of: &'a [F],
    shape: &'a [usize],
}

impl<F: Real> Targets<'_, F> {
    fn index(place: Place, i: usize, j: usize) -> usize {
        (place.start + i) * (place.end - place.start) + j
    }

    fn at(&self, place: Place, i: usize, j: usize) -> f64 {
        self.of[Self::index(place, i, j)].widen()
    }

    fn check(&self, place: Place, items: &[usize]) -> Result<(), Error> {
        for &i in items {
            for &j in items.iter().filter(|&&j| j != i) {
                let index = Self::index(place, i, j);
                let probability = (|target| (0.0..=1.0).contains(&target), "in [0, 1]");
                within("targets", self.of[index], probability, || unravel(index, self.shape))?;
            }
        }
        Ok(())
    }
}
