//! Training a scorer with a loss, and how well it ranks.

use indicatif::ProgressBar;
use lipo::Lists;
use lipo::losses::{Loss, LossExt, Reduction, Workspace};
use lipo::metrics::{AveragePrecision, Metric, MetricExt, Ndcg};
use lipo::ranking::ScoreTies;
use ndarray::{Array1, Axis};

use crate::Anything;
use crate::data::Queries;
use crate::scorer::Scorer;
use crate::support::optim::Adam;
use crate::support::stats::mean;

/// The results of training with a loss.
pub struct Run<'a> {
    pub loss: &'a str,
    pub epochs: Vec<Epoch>,
    /// The metrics of each validation query after the last epoch.
    pub last: Metrics,
}

/// Where an epoch has got to.
pub struct Epoch {
    /// The mean of the batches' losses, each before its step.
    pub train_loss: f64,
    /// The means of the metrics over validation queries.
    pub metrics: [f64; METRICS.len()],
}

/// The metrics of the validation queries, a vector a metric: NDCG@1, @3, @5, @10 and average precision.
pub type Metrics = [Vec<f64>; METRICS.len()];
pub const METRICS: [&str; 5] = ["NDCG@1", "NDCG@3", "NDCG@5", "NDCG@10", "MAP"];
pub const NDCG_AT_10: usize = 3;

/// Everything that training depends on but the scorer's first weights.
pub struct Training<'a> {
    pub loss: &'a dyn Loss,
    pub train: &'a Queries,
    /// The labels of the training documents: their grades, in the loss's domain.
    pub labels: Array1<f64>,
    pub valid: &'a Queries,
    /// The order in which each epoch takes the training queries.
    pub orders: &'a [Vec<usize>],
    /// Queries of a batch.
    pub batch: usize,
    pub reduction: Reduction,
    pub learning_rate: f64,
}

impl Training<'_> {
    /// Trains a scorer; returns the epochs, and the metrics of the validation queries after the last.
    pub fn run(
        &self,
        mut scorer: Scorer,
        progress: &ProgressBar,
    ) -> Anything<(Vec<Epoch>, Metrics)> {
        let mut adam = Adam::new(self.learning_rate);
        let starts = self.train.starts();
        let mut workspace = Workspace::default();
        let (mut epochs, mut last) = (Vec::new(), Metrics::default());
        for order in self.orders {
            let mut values = Vec::new();
            for queries in order.chunks(self.batch) {
                let sizes: Vec<usize> = queries.iter().map(|&q| self.train.sizes[q]).collect();
                let documents = queries.iter().zip(&sizes);
                let documents = documents.flat_map(|(&q, size)| starts[q]..starts[q] + size);
                let documents: Vec<usize> = documents.collect();

                let (inputs, scores) = scorer.forward(self.train.features.rows(&documents));
                let labels = self.labels.select(Axis(0), &documents);
                let lists = Lists::ragged(&scores, &labels, &sizes).build()?;
                let (mut grad, reduction) = (Array1::zeros(scores.len()), self.reduction);
                let loss = self.loss.reduced_into(&lists, reduction, &mut grad, &mut workspace)?;
                values.push(loss);

                let grad = scorer.backward(&inputs, grad);
                adam.step(&mut scorer.parameters, &grad);
            }
            (last, _) = evaluate(&scores(&scorer, self.valid), self.valid)?;
            let metrics = last.each_ref().map(|values| mean(values));
            epochs.push(Epoch { train_loss: mean(&values), metrics });
            progress.inc(1);
        }
        Ok((epochs, last))
    }
}

/// The scores of all documents, block by block so that only one block is in double precision.
fn scores(scorer: &Scorer, queries: &Queries) -> Array1<f64> {
    let blocks = queries.features.blocks();
    blocks.flat_map(|block| scorer.forward(block).1).collect()
}

/// The metrics of scores, and the number of queries without a relevant document. Tied scores count as
/// the expectation over their orders, so that where documents stand in the file does not matter.
pub fn evaluate(scores: &Array1<f64>, queries: &Queries) -> Anything<(Metrics, usize)> {
    let ndcg = [1, 3, 5, 10].map(|n| Ndcg::at(n).ties(ScoreTies::Expected));
    let average_precision = AveragePrecision::default().ties(ScoreTies::Expected);
    let [one, three, five, ten] = &ndcg;
    let metrics: [&dyn Metric; 5] = [one, three, five, ten, &average_precision];

    let lists = Lists::ragged(scores, &queries.grades, &queries.sizes).build()?;
    let (mut values, mut without) = (Metrics::default(), 0);
    for (values, metric) in values.iter_mut().zip(metrics) {
        let per_list = metric.per_list(&lists)?;
        without = per_list.iter().filter(|value| value.is_none()).count();
        values.extend(per_list.into_iter().flatten());
    }
    Ok((values, without))
}
