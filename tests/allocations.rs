//! The `_into` forms allocate nothing once their workspace has seen the size: counted, for every
//! loss and metric, dense and ragged, masked and weighted, by an allocator that counts.

#[allow(dead_code, unused_imports)] // a part of it is used here
mod common;

use lipo::losses::{LossExt, PairLogistic, Reduction, Workspace};
use lipo::metrics::{
    self, AveragePrecision, AverageRelevancePosition, Dcg, Metric, MetricExt, Ndcg, PairAccuracy,
    Tally,
};
use lipo::ranking::{ScoreTies, discount_fn};
use lipo::scores::{
    self, FDivergence, FDivergenceReward, ImplicitReward, ReferenceFreeReward, Responses, Reward,
    RewardExt, SequenceLogProbs, Tokens,
};
use lipo::{Lists, labels};
use ndarray::{Array0, Array1, Array2, Array3};

/// How often the second of two equal calls allocates.
fn allocations_of_the_second(mut call: impl FnMut()) -> u64 {
    call();
    allocation_counter::measure(call).count_total
}

#[test]
fn the_counter_counts() {
    assert_eq!(allocations_of_the_second(|| drop(std::hint::black_box(Box::new(1)))), 1);
}

#[test]
fn losses_allocate_nothing_after_the_first_call() {
    // Long enough for every kernel.
    let scores =
        Array1::from_shape_fn(211, |k| f64::from(u8::try_from(k * 37 % 211).unwrap()) / 4.0);
    let labels = scores.map(|score| (score * 7.0 % 11.0) / 11.0);
    let few_labels = labels.map(|&label| f64::from(label > 0.8));
    let (mask, weights) = (scores.map(|&score| score != 5.0), scores.map(|&score| score / 60.0));
    let (sizes, mut grad) = ([10, 0, 20, 181], Array1::zeros(211));
    let (mut value, mut values) = (Array0::zeros(()), Array1::zeros(4));
    for (name, loss) in common::losses()
        .into_iter()
        .chain(common::objective_losses())
        .chain(common::further_losses())
    {
        let workspace = &mut Workspace::default();
        let count = allocations_of_the_second(|| {
            let dense = Lists::dense(&scores, &labels).build().unwrap();
            loss.reduced_into(&dense, Reduction::Sum, &mut grad, workspace).unwrap();
            loss.per_list_into(&dense, &mut value, &mut grad, workspace).unwrap();
            let few = Lists::dense(&scores, &few_labels).build().unwrap();
            loss.reduced_into(&few, Reduction::Sum, &mut grad, workspace).unwrap();
            let ragged = Lists::ragged(&scores, &labels, &sizes).mask(&mask).weights(&weights);
            let ragged = ragged.build().unwrap();
            let reduction = Reduction::MeanOverTerms;
            loss.reduced_into(&ragged, reduction, &mut grad, workspace).unwrap();
            loss.per_list_into(&ragged, &mut values, &mut grad, workspace).unwrap();
        });
        assert_eq!(count, 0, "{name}");
    }
}

#[test]
fn metrics_allocate_nothing_after_the_first_call() {
    let scores = Array1::from_shape_fn(60, |k| f64::from(u8::try_from(k * 37 % 50).unwrap()));
    let labels = scores.map(|score| (score * 7.0) % 5.0);
    let (mask, weights) = (scores.map(|&score| score != 5.0), scores.map(|&score| score / 60.0));
    let (sizes, mut values) = ([10, 0, 20, 30], Array1::from_elem(4, None));
    for ties in [ScoreTies::ByIndex, ScoreTies::Expected, ScoreTies::Random { seed: 1 }] {
        let metrics: [&dyn Metric; 5] = [
            &Ndcg::at(5).ties(ties),
            &Dcg::default()
                .discount(discount_fn(|rank| 2.0 - rank / 90.0, |_| -1.0 / 90.0))
                .ties(ties),
            &AveragePrecision::default().ties(ties),
            &AverageRelevancePosition::default().ties(ties),
            &PairAccuracy::default().ties(ties),
        ];
        let (mut tallies, workspace) = ([Tally::default(); 5], &mut metrics::Workspace::default());
        let count = allocations_of_the_second(|| {
            let lists = Lists::ragged(&scores, &labels, &sizes).mask(&mask).weights(&weights);
            let lists = lists.build().unwrap();
            metrics::tally(&metrics, &lists, &mut tallies, workspace).unwrap();
            for metric in &metrics {
                metric.per_list_into(&lists, &mut values, workspace).unwrap();
            }
        });
        assert_eq!(count, 0, "{ties:?}");
    }
}

#[test]
fn soft_targets_allocate_nothing_after_the_first_call() {
    let scores = Array2::from_shape_fn((3, 4), |(n, k)| f64::from(u8::try_from(n * k).unwrap()));
    let (mask, targets) = (scores.map(|&score| score != 2.0), Array3::from_elem((3, 4, 4), 0.5));
    let (mut grad, workspace) = (scores.clone(), &mut Workspace::default());
    let count = allocations_of_the_second(|| {
        let lists = Lists::dense(&scores, &scores).mask(&mask).targets(&targets).build().unwrap();
        PairLogistic.reduced_into(&lists, Reduction::Sum, &mut grad, workspace).unwrap();
    });
    assert_eq!(count, 0);
}

#[test]
fn scores_and_labels_allocate_nothing_after_the_first_call() {
    let tokens = Array3::<f32>::from_elem((2, 3, 4), -1.0);
    let (token_mask, weights) = (tokens.map(|_| true), tokens.map(|token| 0.5 * token.abs()));
    let wins = Array3::<f32>::from_elem((2, 3, 3), 0.5);
    let (mut rows, mut squares) = (Array2::zeros((2, 3)), wins.clone());
    let (mut scores, mut token_grad) = (rows.clone(), tokens.clone());
    let (log_probs, mask) = (rows.map(|_: &f32| -1.0), rows.map(|_| true));
    let betas = Array1::from_elem(2, 0.5);
    let rewards: [Box<dyn Reward>; 4] = [
        Box::new(ImplicitReward::new(0.1).unwrap()),
        Box::new(ReferenceFreeReward::new(0.1).unwrap()),
        Box::new(FDivergenceReward::new(0.1, FDivergence::JensenShannon).unwrap()),
        Box::new(FDivergenceReward::new(0.1, FDivergence::Alpha(0.5)).unwrap()),
    ];
    let workspace = &mut scores::Workspace::default();
    let count = allocations_of_the_second(|| {
        for sequence in [SequenceLogProbs::Sum, SequenceLogProbs::Mean] {
            let masked = Tokens::new(&tokens, &token_mask);
            sequence.log_probs_into(&masked, &mut rows, workspace).unwrap();
            let weighted = Tokens::new(&tokens, &weights);
            sequence.log_probs_into(&weighted, &mut rows, workspace).unwrap();
            sequence.backward_into(&rows, &token_mask, &mut token_grad).unwrap();
            sequence.backward_into(&rows, &weights, &mut token_grad).unwrap();
        }
        let responses = Responses::new(&log_probs, &log_probs).mask(&mask).betas(&betas);
        for reward in &rewards {
            reward.scores_into(&responses, &mut scores).unwrap();
            reward.backward_into(&scores, &responses, &mut rows).unwrap();
        }
        for mask in [None, Some(&*mask)] {
            labels::from_win_probabilities_into(&wins, mask, &mut rows).unwrap();
            labels::from_ranks_into(&scores, mask, &mut rows).unwrap();
            labels::win_probabilities_from_ranks_into(&scores, mask, &mut squares).unwrap();
            labels::win_probabilities_from_rewards_into(&scores, mask, &mut squares).unwrap();
        }
        let wins = labels::WinProbabilities::new(&wins).mask(&mask).complementary(0.0);
        wins.labels_into(&mut rows).unwrap();
    });
    assert_eq!(count, 0);
}
