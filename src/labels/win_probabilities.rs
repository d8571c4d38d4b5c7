//! ψ from win probabilities Ψ, and Ψ from pointwise rewards.

use ndarray::{Array, ArrayRef, Dimension, RemoveAxis};

use super::responses::{Responses, check_win_probabilities, rows, squares, win_probabilities_into};
use crate::check::{in_order, same_shape, unravel, within, write_in_order};
use crate::numeric::{DoubleDouble, Logistic};
use crate::streams::{self, FEW_LANES, Stream, fold, packed_row_sum, row_sum, unweighted};
use crate::{Error, Real};

/// The labels ψ `[.., K]` of win probabilities Ψ `[.., K, K]`: ψ_k = (1/K) Σ_j Ψ_kj.
///
/// Ψ_kj, in \[0, 1\], is the probability that k is preferred to j. The diagonal is part of the mean;
/// it is ½ where nothing else is known. That Ψ_kj + Ψ_jk = 1 is not asked for:
/// [`WinProbabilities::complementary`] asks.
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
    WinProbabilities::new(wins).labels()
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
    WinProbabilities { wins, mask, tolerance: None }.labels_into(labels)
}

/// Win probabilities Ψ `[.., K, K]`, with a mask, and with what is to be checked of them.
///
/// | check | passes | when you want it |
/// |---|---|---|
/// | none but the range, the default | every Ψ in \[0, 1\] | Ψ of a judge that favours what it is shown first; deliberate diagonals |
/// | [`complementary`](Self::complementary) | Ψ_kj + Ψ_jk = 1 and Ψ_kk = ½ | everything else: a transposed or half-filled Ψ, or a diagonal of 0, is then an error that names the place |
///
/// A diagonal of 0 takes 1/(2K) from every ψ, which halves a small one without any other sign.
///
/// ```
/// use lipo::labels::WinProbabilities;
/// use ndarray::array;
///
/// // The diagonal was left at 0.
/// let wins = array![[0.0, 0.75], [0.25, 0.0]];
/// assert_eq!(WinProbabilities::new(&wins).labels()?, array![0.375, 0.125]);
/// let error = WinProbabilities::new(&wins).complementary(1e-6).labels().unwrap_err();
/// assert_eq!(error.to_string(), "diagonal win probabilities[0, 0] is 0e0, which is not ½, within the tolerance");
///
/// // Of (1, 2) and (2, 1), one was entered the wrong way round.
/// let wins = array![[0.5, 0.75, 1.0], [0.25, 0.5, 0.25], [0.0, 0.25, 0.5]];
/// let error = WinProbabilities::new(&wins).complementary(1e-6).labels().unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "sums of opposite win probabilities[1, 2] is 5e-1, which is not 1, within the tolerance"
/// );
///
/// // The second of three does not exist.
/// let wins = array![[0.5, f64::NAN, 1.0], [0.3, 0.5, 2.0], [0.0, -1.0, 0.5]];
/// let mask = array![true, false, true];
/// assert_eq!(WinProbabilities::new(&wins).mask(&mask).labels()?, array![0.75, 0.0, 0.25]);
/// # Ok::<(), lipo::Error>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct WinProbabilities<'a, F, D: Dimension> {
    wins: &'a ArrayRef<F, D>,
    mask: Option<&'a ArrayRef<bool, D::Smaller>>,
    tolerance: Option<f64>,
}

impl<'a, F: Real, D: RemoveAxis> WinProbabilities<'a, F, D> {
    /// Win probabilities of all pairs, `[.., K, K]`.
    pub fn new(wins: &'a ArrayRef<F, D>) -> Self {
        Self { wins, mask: None, tolerance: None }
    }

    /// Only the responses where `mask`, `[.., K]`, is true exist. Win probabilities of the others may
    /// be anything, and their ψ is 0.
    #[must_use]
    pub fn mask(self, mask: &'a ArrayRef<bool, D::Smaller>) -> Self {
        Self { mask: Some(mask), ..self }
    }

    /// Ψ_kj + Ψ_jk must be 1, and Ψ_kk ½, up to a tolerance.
    ///
    /// Probabilities printed to three digits need 0.002, those of half precision 0.01.
    #[must_use]
    pub fn complementary(self, tolerance: f64) -> Self {
        Self { tolerance: Some(tolerance), ..self }
    }

    /// The labels ψ `[.., K]`.
    ///
    /// # Errors
    ///
    /// Those of [`from_win_probabilities`], [`Error::OutOfRange`] for what is not
    /// [`complementary`](Self::complementary), and [`Error::Parameter`] for a tolerance that is not
    /// at least 0.
    pub fn labels(&self) -> Result<Array<F, D::Smaller>, Error> {
        let mut labels = Array::zeros(rows(self.wins)?);
        self.labels_into(&mut labels)?;
        Ok(labels)
    }

    /// [`labels`](Self::labels) written to the caller's array.
    ///
    /// # Errors
    ///
    /// Those of `labels`; the array is then as it was.
    pub fn labels_into(&self, labels: &mut ArrayRef<F, D::Smaller>) -> Result<(), Error> {
        let expected = rows(self.wins)?;
        same_shape("labels", labels.shape(), expected.slice())?;
        let responses = Responses::new(self.mask, expected.slice())?;
        check_win_probabilities(self.wins, &responses)?;
        let wins = &*in_order(self.wins);
        if let Some(tolerance) = self.tolerance {
            check_complementary(wins, self.wins.shape(), &responses, tolerance)?;
        }
        let size = self.wins.shape()[self.wins.ndim() - 1];
        write_in_order(labels, |labels| {
            streams::run(Means { wins, mask: responses.mask(), size, labels });
        });
        Ok(())
    }
}

fn check_complementary<F: Real>(
    wins: &[F],
    shape: &[usize],
    responses: &Responses<'_>,
    tolerance: f64,
) -> Result<(), Error> {
    if tolerance.is_nan() || tolerance < 0.0 {
        let range = "at least 0";
        return Err(Error::Parameter { name: "tolerance", value: tolerance, range });
    }
    for (pair, &win) in wins.iter().enumerate() {
        let (k, j) = responses.of_pair(pair);
        if j < k || !responses.exist(k) || !responses.exist(j) {
            continue;
        }
        let index = || unravel(pair, shape);
        let near = |is: f64| move |x: f64| (x - is).abs() <= tolerance;
        if j == k {
            let half = (near(0.5), "½, within the tolerance");
            within("diagonal win probabilities", win, half, index)?;
        } else {
            let sum = win.widen() + wins[responses.pair(j, k)].widen();
            let one = (near(1.0), "1, within the tolerance");
            within("sums of opposite win probabilities", sum, one, index)?;
        }
    }
    Ok(())
}

/// The mean of each row of squares; among the responses that exist.
struct Means<'a, F> {
    wins: &'a [F],
    mask: Option<&'a [bool]>,
    size: usize,
    labels: &'a mut [F],
}

impl<F: Real> Stream for Means<'_, F> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { wins, mask, size, labels } = self;
        let Some(mask) = mask else {
            return match size {
                // In rows of so few, filling up the lanes would cost most.
                1 => means::<F, 1>(wins, labels),
                2 => means::<F, 2>(wins, labels),
                3 => means::<F, 3>(wins, labels),
                4 => means::<F, 4>(wins, labels),
                5 => means::<F, 5>(wins, labels),
                6 => means::<F, 6>(wins, labels),
                7 => means::<F, 7>(wins, labels),
                8 => means::<F, 8>(wins, labels),
                _ => {
                    let (unweighted, count) = (unweighted(size), size as f64);
                    for (label, row) in labels.iter_mut().zip(wins.chunks_exact(size.max(1))) {
                        let sum = row_sum(row, unweighted, &mut [F::zero(); FEW_LANES]);
                        *label = F::narrow(sum / count);
                    }
                }
            };
        };
        let lists = mask.chunks_exact(size.max(1)).zip(wins.chunks_exact((size * size).max(1)));
        for (labels, (mask, wins)) in labels.chunks_exact_mut(size.max(1)).zip(lists) {
            let existing = mask.iter().filter(|&&exists| exists).count();
            // Padding is mostly behind the responses, which are then a row as it is.
            let are_first = !mask[..existing].contains(&false);
            let count = existing as f64;
            for (k, (label, row)) in labels.iter_mut().zip(wins.chunks_exact(size)).enumerate() {
                let sum = if are_first {
                    let most = &mut [F::zero(); FEW_LANES];
                    row_sum(&row[..existing], unweighted(existing), most)
                } else {
                    packed_row_sum(row, mask)
                };
                *label = if mask[k] { F::narrow(sum / count) } else { F::zero() };
            }
        }
    }
}

/// The means of rows of N ≤ [`FEW_LANES`]: the sums are those of [`row_sum`], bit by bit.
#[inline(always)]
fn means<F: Real, const N: usize>(wins: &[F], labels: &mut [F]) {
    for (label, row) in labels.iter_mut().zip(wins.as_chunks::<N>().0) {
        let mut lanes = [0.0; FEW_LANES];
        for k in 0..N {
            lanes[k] = row[k].widen();
        }
        *label = F::narrow(fold(lanes) / N as f64);
    }
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
        F::narrow(at.rise + margin.lo * at.rise * at.fall)
    })
}
