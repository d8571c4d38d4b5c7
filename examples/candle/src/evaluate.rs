//! What the policy makes of held-out lists.

use candle_core::Device;
use lipo::Lists;
use lipo::metrics::{MetricExt, Ndcg, PairAccuracy, Undefined};
use lipo::ranking::ScoreTies;
use lipo::scores::SequenceLogProbs;
use ndarray::{Array1, Array2};
use serde::{Deserialize, Serialize};

use crate::Result;
use crate::data::{Batch, Example, to_array};
use crate::model::Llama;
use crate::objective::Objective;

/// Metrics of held-out lists. What no list defines, such as the accuracy of pairs where all labels are
/// equal, is absent, and so is what is not finite.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    /// The mean over lists of the loss.
    pub loss: Option<f64>,
    /// The mean over lists of the share of pairs that the scores order as the labels do; equal scores
    /// count half.
    pub pair_accuracy: Option<f64>,
    /// The mean over pairs of the better response's score less the other's.
    pub margin: Option<f64>,
    /// The mean over responses of Σ_t (r_t − 1 − log r_t), r_t = π/π_ref at token t.
    ///
    /// It is never negative, and where the responses were drawn from the reference, it is an unbiased
    /// estimate of KL(π_ref ‖ π) in nats a response. Of other responses it tells how far the policy
    /// has moved on them.
    pub kl: Option<f64>,
    /// The mean over lists of NDCG, with the gain 2^ψ − 1, expected over orders of equal scores.
    pub ndcg: Option<f64>,
}

/// The metrics of a policy on lists whose reference log-probabilities are known.
///
/// # Errors
///
/// Those of candle, and of lipo for log-probabilities that are not finite; the message names the line.
pub fn evaluate(model: &Llama, objective: &Objective, examples: &[Example]) -> Result<Metrics> {
    let (mut loss, mut kl) = (0.0, 0.0);
    let (mut margin, mut pairs) = (0.0, 0_u64);
    let (mut scores, mut labels, mut sizes) = (Vec::new(), Vec::new(), Vec::new());
    for example in examples {
        let lists = [example];
        let batch = Batch::new(&lists, objective.tokens, model.device())?;
        let tokens = batch.token_log_probs(model)?;
        let labelled = batch.labelled(&lists)?;
        let policy: Array2<f32> = to_array(&batch.log_probs(&tokens)?)?;
        let named = |error| format!("{}: {error}", example.place);
        loss += f64::from(objective.value_and_grad(&policy, &labelled).map_err(named)?.0);
        let own = objective.scores(&policy, &labelled).map_err(named)?;
        for (token, reference) in tokens.to_vec1::<f32>()?.iter().zip(&example.reference) {
            let log_ratio = f64::from(*token) - f64::from(*reference);
            kl += log_ratio.exp_m1() - log_ratio;
        }
        for i in 0..own.len() {
            for j in (0..own.len()).filter(|&j| example.labels[i] > example.labels[j]) {
                margin += f64::from(own[(0, i)]) - f64::from(own[(0, j)]);
                pairs += 1;
            }
        }
        sizes.push(own.len());
        scores.extend(own);
        labels.extend(&example.labels);
    }
    let responses = scores.len() as f64;
    let (scores, labels) = (Array1::from(scores), Array1::from(labels));
    let lists = Lists::ragged(&scores, &labels, &sizes).build()?;
    let accuracy = PairAccuracy::default().ties(ScoreTies::Expected);
    let ndcg = Ndcg::default().ties(ScoreTies::Expected);
    let relevant = labels.iter().any(|&label| label > 0.0);
    let finite = |value: f64| value.is_finite().then_some(value);
    let some_pairs = |value: f64| finite(value).filter(|_| pairs > 0);
    Ok(Metrics {
        loss: finite(loss / examples.len() as f64),
        pair_accuracy: some_pairs(accuracy.mean_over(&lists, Undefined::Skip)?.into()),
        margin: some_pairs(margin / pairs as f64),
        kl: finite(kl / responses),
        // Labels below 0 have no gain.
        ndcg: ndcg.mean_over(&lists, Undefined::Skip).ok().filter(|_| relevant).map(f64::from),
    })
}

/// Checks that the loss takes the labels of every line, before the first step.
///
/// # Errors
///
/// What is wrong, by file and line.
pub fn check_labels(objective: &Objective, examples: &[Example], device: &Device) -> Result<()> {
    for example in examples {
        if objective.needs_win_probabilities() && example.wins.is_none() {
            let wanted = "the loss takes ranks or win_probabilities, and here are labels";
            return Err(format!("{}: {wanted}", example.place).into());
        }
        let lists = [example];
        let labelled = Batch::new(&lists, SequenceLogProbs::Sum, device)?.labelled(&lists)?;
        let named = |error| format!("{}: {error}", example.place);
        objective.value_and_grad(&labelled.reference, &labelled).map_err(named)?;
    }
    Ok(())
}
