//! ψ and Ψ from ranks.

use std::hint::select_unpredictable;

use ndarray::{Array, ArrayRef, RemoveAxis};

use super::responses::{Responses, check_finite, squares, win_probabilities_into};
use crate::check::{in_order, same_shape, write_in_order};
use crate::streams::{self, Stream};
use crate::{Error, Real};

/// The labels ψ `[.., K]` of ranks `[.., K]`: those of [`win_probabilities_from_ranks`].
///
/// ```
/// use lipo::labels;
/// use ndarray::array;
///
/// assert_eq!(labels::from_ranks(&array![2.0, 1.0, 2.0, 4.0])?, array![0.5, 0.875, 0.5, 0.125]);
/// # Ok::<(), lipo::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::Axes`] where ranks have no axis, [`Error::NotFinite`] for a rank that is not finite.
pub fn from_ranks<F: Real, D: RemoveAxis>(ranks: &ArrayRef<F, D>) -> Result<Array<F, D>, Error> {
    let mut labels = Array::zeros(ranks.raw_dim());
    from_ranks_into(ranks, None, &mut labels)?;
    Ok(labels)
}

/// [`from_ranks`], with or without a mask, written to the caller's array.
///
/// # Errors
///
/// Those of `from_ranks`; `labels` is then as it was.
pub fn from_ranks_into<F: Real, D: RemoveAxis>(
    ranks: &ArrayRef<F, D>,
    mask: Option<&ArrayRef<bool, D>>,
    labels: &mut ArrayRef<F, D>,
) -> Result<(), Error> {
    if ranks.ndim() == 0 {
        return Err(Error::Axes { what: "ranks", least: 1, found: 0 });
    }
    same_shape("labels", labels.shape(), ranks.shape())?;
    let responses = Responses::new(mask, ranks.shape())?;
    check_finite("ranks", ranks, &responses)?;
    let (ranks, size) = (&*in_order(ranks), ranks.shape()[ranks.ndim() - 1]);
    write_in_order(labels, |labels| {
        streams::run(Shares { ranks, mask: responses.mask(), size, labels });
    });
    Ok(())
}

/// The share of the list that each response ranks above, ties counting half.
struct Shares<'a, F> {
    ranks: &'a [F],
    mask: Option<&'a [bool]>,
    size: usize,
    labels: &'a mut [F],
}

impl<F: Real> Stream for Shares<'_, F> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { ranks, mask, size, labels } = self;
        for (k, label) in labels.iter_mut().enumerate() {
            let list = k / size * size..(k / size + 1) * size;
            let (rank, ranks) = (ranks[k], &ranks[list.clone()]);
            // Twice the number, which is whole.
            let twice = |other: F| 2 * u64::from(rank < other) + u64::from(rank == other);
            let (mut wins, mut count) = (0, size as f64);
            match mask {
                None => {
                    for &other in ranks {
                        wins += twice(other);
                    }
                }
                Some(mask) => {
                    let mut existing = 0;
                    for (&other, &exists) in ranks.iter().zip(&mask[list]) {
                        wins += u64::from(exists & mask[k]) * twice(other);
                        existing += u64::from(exists);
                    }
                    count = existing.max(1) as f64;
                }
            }
            *label = F::narrow(0.5 * wins as f64 / count);
        }
    }
}

/// Win probabilities Ψ `[.., K, K]` from ranks `[.., K]`: Ψ_kj = 1 where k ranks above j, 0 where it
/// ranks below, ½ where they tie, as on the diagonal.
///
/// Rank 1 is best; only the order of the ranks counts. The indicator that the paper writes would
/// give 0 to both of two tied responses; ½ keeps Ψ + Ψᵀ = 1.
///
/// ```
/// use lipo::labels;
/// use ndarray::array;
///
/// let wins = labels::win_probabilities_from_ranks(&array![2.0, 1.0, 2.0])?;
/// assert_eq!(wins, array![[0.5, 0.0, 0.5], [1.0, 0.5, 1.0], [0.5, 0.0, 0.5]]);
/// # Ok::<(), lipo::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::Axes`] where ranks have no axis, [`Error::NotFinite`] for a rank that is not finite.
pub fn win_probabilities_from_ranks<F: Real, D: RemoveAxis>(
    ranks: &ArrayRef<F, D>,
) -> Result<Array<F, D::Larger>, Error> {
    let mut wins = squares(ranks);
    win_probabilities_from_ranks_into(ranks, None, &mut wins)?;
    Ok(wins)
}

/// [`win_probabilities_from_ranks`], with or without a mask, written to the caller's array.
///
/// # Errors
///
/// Those of `win_probabilities_from_ranks`; `wins` is then as it was.
pub fn win_probabilities_from_ranks_into<F: Real, D: RemoveAxis>(
    ranks: &ArrayRef<F, D>,
    mask: Option<&ArrayRef<bool, D>>,
    wins: &mut ArrayRef<F, D::Larger>,
) -> Result<(), Error> {
    win_probabilities_into("ranks", ranks, mask, wins, win_by_rank)
}

/// 1 where the first rank is better, ½ where they tie, 0 where the second is.
#[inline(always)]
fn win_by_rank<F: Real>(rank: F, other: F) -> F {
    let behind = select_unpredictable(rank == other, F::narrow(0.5), F::zero());
    select_unpredictable(rank < other, F::one(), behind)
}
