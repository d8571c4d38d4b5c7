//! ψ from win probabilities Ψ, and Ψ from pointwise rewards.

use ndarray::{Array, ArrayRef, Dimension, RemoveAxis};

use super::responses::{Responses, check_win_probabilities, rows, squares, win_probabilities_into};
use crate::check::{in_order, same_shape};
use crate::numeric::{DoubleDouble, Logistic, Sum};
use crate::{Error, Real};

/// The labels ψ `[.., K]` of win probabilities Ψ `[.., K, K]`: ψ_k = (1/K) Σ_j Ψ_kj.
///
/// Ψ_kj, in \[0, 1\], is the probability that k is preferred to j. The diagonal is part of the mean;
/// it is ½ where nothing else is known.
///
/// ```
/// use lipo::labels;
/// use ndarray::array;
///
/// let wins = array![[0.5, 0.75, 1.0], [0.25, 0.5, 0.75], [0.0, 0.25, 0.5]];
/// assert_eq!(labels::from_win_probabilities(&wins)?, array![0.75, 0.5, 0.25]);
/// # Ok::<(), lipo::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::Axes`] and [`Error::Shape`] where Ψ is not square in its last two axes,
/// [`Error::NotFinite`] and [`Error::OutOfRange`] for what is no probability.
pub fn from_win_probabilities<F: Real, D: RemoveAxis>(
    wins: &ArrayRef<F, D>,
) -> Result<Array<F, D::Smaller>, Error> {
    let mut labels = Array::zeros(rows(wins)?);
    from_win_probabilities_into(wins, None, &mut labels)?;
    Ok(labels)
}

/// [`from_win_probabilities`] among the responses where `mask`, `[.., K]`, is true.
///
/// ```
/// use lipo::labels;
/// use ndarray::array;
///
/// let wins = array![[0.5, f64::NAN, 1.0], [0.3, 0.5, 2.0], [0.0, -1.0, 0.5]];
/// let labels = labels::from_win_probabilities_masked(&wins, &array![true, false, true])?;
/// assert_eq!(labels, array![0.75, 0.0, 0.25]);
/// # Ok::<(), lipo::Error>(())
/// ```
///
/// # Errors
///
/// Those of `from_win_probabilities`.
pub fn from_win_probabilities_masked<F: Real, D: RemoveAxis>(
    wins: &ArrayRef<F, D>,
    mask: &ArrayRef<bool, D::Smaller>,
) -> Result<Array<F, D::Smaller>, Error> {
    let mut labels = Array::zeros(rows(wins)?);
    from_win_probabilities_into(wins, Some(mask), &mut labels)?;
    Ok(labels)
}

/// [`from_win_probabilities`], with or without a mask, written to the caller's array.
///
/// # Errors
///
/// Those of `from_win_probabilities`; `labels` is then as it was.
pub fn from_win_probabilities_into<F: Real, D: RemoveAxis>(
    wins: &ArrayRef<F, D>,
    mask: Option<&ArrayRef<bool, D::Smaller>>,
    labels: &mut ArrayRef<F, D::Smaller>,
) -> Result<(), Error> {
    let expected = rows(wins)?;
    same_shape("labels", labels.shape(), expected.slice())?;
    let responses = Responses::new(mask, expected.slice())?;
    check_win_probabilities(wins, &responses)?;
    let wins = in_order(wins);
    for (k, label) in labels.iter_mut().enumerate() {
        let mut sum = Sum::default();
        let opponents = responses.opponents(k);
        opponents.for_each(|j| sum.add(wins[responses.pair(k, j)].widen()));
        *label = responses.mean(k, sum);
    }
    Ok(())
}

/// Win probabilities Ψ `[.., K, K]` from pointwise rewards r `[.., K]` by Bradley–Terry:
/// Ψ_kj = σ(r_k − r_j).
///
/// ```
/// use lipo::labels;
/// use ndarray::array;
///
/// let wins = labels::win_probabilities_from_rewards(&array![2.0_f64, 1.0])?;
/// assert!((wins[[0, 1]] - 0.731059).abs() < 1e-6); // σ(1)
/// assert!((wins[[1, 0]] - 0.268941).abs() < 1e-6);
/// assert_eq!(wins[[0, 0]], 0.5);
/// # Ok::<(), lipo::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::Axes`] where rewards have no axis, [`Error::NotFinite`] for a reward that is not finite.
pub fn win_probabilities_from_rewards<F: Real, D: RemoveAxis>(
    rewards: &ArrayRef<F, D>,
) -> Result<Array<F, D::Larger>, Error> {
    let mut wins = squares(rewards);
    win_probabilities_from_rewards_into(rewards, None, &mut wins)?;
    Ok(wins)
}

/// [`win_probabilities_from_rewards`], with or without a mask, written to the caller's array.
///
/// # Errors
///
/// Those of `win_probabilities_from_rewards`; `wins` is then as it was.
pub fn win_probabilities_from_rewards_into<F: Real, D: RemoveAxis>(
    rewards: &ArrayRef<F, D>,
    mask: Option<&ArrayRef<bool, D>>,
    wins: &mut ArrayRef<F, D::Larger>,
) -> Result<(), Error> {
    win_probabilities_into("rewards", rewards, mask, wins, |of_k, of_j| {
        let margin = DoubleDouble::difference(of_k.widen(), of_j.widen());
        let at = Logistic::at(margin.hi);
        at.rise + margin.lo * at.rise * at.fall
    })
}
