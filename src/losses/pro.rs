//! List-MLE with the temperatures of PRO.
//!
//! l(s, ψ) = −Σ_{k < K} w_τ(k) log(e^{c_kk s_τ(k)} / Σ_{i ≥ k} e^{c_ki s_τ(i)}), τ sorting the labels
//! descending
//!
//! c_ki = ψ_τ(k) − ψ_τ(i) for i > k, c_kk = ψ_τ(k) − ψ_τ(K), the inverse temperatures
//!
//! With the shares q_ki = e^{c_ki s_τ(i)} / Σ_{j ≥ k} e^{c_kj s_τ(j)},
//!
//! ∂l/∂s_τ(i) = Σ_{k < i} w_τ(k) c_ki q_ki − w_τ(i) c_ii Σ_{j > i} q_ij

use crate::losses::{Loss, Scratch};
use crate::numeric::{DoubleDouble, Sum, ln_1p, scale_by_power_of_two};
use crate::ranking::argsort_descending;
use crate::{Error, List};

/// PRO, list-MLE in which each response competes the harder the further its reward lies below:
/// −Σ_k w_τ(k) log(e^{s_τ(k)/T_kk} / Σ_{i ≥ k} e^{s_τ(i)/T_ki}) with 1/T_ki = ψ_τ(k) − ψ_τ(i) and
/// T_kk the least of T_ki (Song et al. 2023, [arXiv 2306.17492](https://arxiv.org/abs/2306.17492)).
///
/// Labels are the rewards themselves, any finite numbers; scores are the paper's length-averaged
/// log-probabilities without a reference. τ sorts the labels descending, equal ones by index. The
/// temperature between equal labels is infinite, so that of such a pair nothing is learnt, and a
/// list of equal labels has the constant value log K!. At K = 2 it is pair-logistic with the
/// margin times the difference of rewards. Unlike list-MLE it depends on where the scores lie, not
/// on their differences alone. Without temperatures PRO is [`ListMle`](crate::losses::ListMle).
///
/// O(K²). Terms, for [`Reduction::MeanOverTerms`](crate::losses::Reduction::MeanOverTerms), are the
/// lists.
///
/// [`Error::OutOfRange`] for labels so far apart, or scores so large, that a score over its
/// temperature overflows `f64`.
///
/// ```
/// use lipo::losses::{LossExt, Pro};
/// use ndarray::array;
///
/// let (value, grad) = Pro.value_and_grad(&array![-1.0_f64, -0.5], &array![3.0, 1.0])?;
/// assert!((value - 1.313262).abs() < 1e-6); // log(1 + e^-(2 · -1 - 2 · -0.5))
/// assert!((grad[0] + 1.462117).abs() < 1e-6); // -2 σ(1)
/// # Ok::<(), lipo::Error>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pro;

/// The greatest score over its temperature: differences of two stay within the range.
const GREATEST: f64 = f64::MAX / 4.0;

impl Loss for Pro {
    fn list(&self, list: &List<'_>, grad: &mut [f64], scratch: &mut Scratch) -> f64 {
        let Scratch { order, grad: sums, numbers: exps, .. } = scratch;
        argsort_descending(list.labels(), order);
        exps.clear();
        exps.resize(list.len(), 0.0);
        sums.clear();
        sums.resize(list.len(), Sum::default());
        let Some(&last) = order.last() else { return 0.0 };

        let (labels, scores) = (list.labels(), list.scores());
        let inverse = |k: usize, i: usize| {
            DoubleDouble::difference(labels[k], labels[if i == k { last } else { i }])
        };
        let logit = |k: usize, i: usize| inverse(k, i) * scores[i];
        // Weights and inverse temperatures relative to powers of two near the greatest, so that
        // slopes of both signs do not meet beyond the range.
        let of_weights = exponent((0..list.len()).map(|k| list.weight(k)).fold(0.0, f64::max));
        let of_inverses = exponent(inverse(order[0], last).hi);

        let mut value = Sum::default();
        for (place, &head) in order.iter().enumerate().take(list.len() - 1) {
            let rest = &order[place + 1..];
            let of_head = logit(head, head);
            let (mut top, mut greatest) = (head, of_head);
            for &i in rest {
                let z = logit(head, i);
                if (z - greatest).hi > 0.0 {
                    (top, greatest) = (i, z);
                }
            }
            // The sum of exponentials as the greatest, which is 1, and the others.
            let mut others = DoubleDouble::ZERO;
            for &i in &order[place..] {
                exps[i] = (logit(head, i) - greatest).exp().round();
                if i != top {
                    others = others + exps[i].into();
                }
            }
            let all = DoubleDouble::ONE + others;
            let all_but_head = if top == head { others } else { all - exps[head].into() };

            let surprise = (greatest - of_head) + ln_1p(others);
            value.add_exact(surprise * list.weight(head));
            let weight = scale_by_power_of_two(list.weight(head), -of_weights);
            let pull = |i: usize| inverse(head, i).scale(-of_inverses) * weight / all;
            sums[head].add_exact(-(pull(head) * all_but_head));
            for &i in rest {
                sums[i].add_exact(pull(i) * exps[i]);
            }
        }
        for (slope, sum) in grad.iter_mut().zip(sums.iter()) {
            *slope = scale_by_power_of_two(sum.total(), of_weights + of_inverses);
        }
        value.total()
    }

    fn check(&self, list: &List<'_>) -> Result<(), Error> {
        let labels = list.labels();
        let least = labels.iter().copied().fold(f64::INFINITY, f64::min);
        let greatest = labels.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let widest = greatest - least;
        if widest > GREATEST {
            let item = labels.iter().position(|&label| label == greatest).unwrap_or(0);
            return Err(list.label_out_of_range(item, "a label within range of the least"));
        }
        match list.scores().iter().position(|&score| score.abs() * widest >= GREATEST) {
            Some(item) => Err(Error::OutOfRange {
                what: "scores",
                index: vec![item],
                value: list.scores()[item],
                range: "a score that is finite over its temperature",
            }),
            None => Ok(()),
        }
    }
}

fn exponent(x: f64) -> i32 {
    #[allow(clippy::cast_possible_truncation)] // an exponent
    if x > 0.0 { x.log2() as i32 } else { 0 }
}
