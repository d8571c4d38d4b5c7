//! What does a metric cost, and how does it grow with the list? One list of K items, in f32, and a
//! batch of 512 lists of 8, as a training step has it; the sort alone beside it, by which a metric is
//! to be judged, and pair accuracy by its definition, pair by pair.
//!
//!     cargo bench --bench metrics               # all
//!     cargo bench --bench metrics -- ndcg@10
//!
//! Throughput is in items: what grows with K alone keeps it, K log K lowers it slowly, K² by as much
//! as K grows. Timings drift with the machine: compare figures of one run.

use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use lipo::metrics::{
    self, AveragePrecision, AverageRelevancePosition, Dcg, HitRate, Metric, MetricExt, Ndcg,
    PairAccuracy, Precision, Recall, ReciprocalRank, Tally, Workspace,
};
use lipo::ranking::ScoreTies;
use lipo::{Lists, ranking};
use ndarray::Array1;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use rand_distr::StandardNormal;

const SIZES: [usize; 6] = [8, 32, 128, 1024, 8192, 65536];

fn all() -> [(&'static str, Box<dyn Metric>); 13] {
    let expected = ScoreTies::Expected;
    [
        ("dcg", Box::new(Dcg::default())),
        ("ndcg", Box::new(Ndcg::default())),
        ("ndcg@10", Box::new(Ndcg::at(10))),
        ("average precision", Box::new(AveragePrecision::default())),
        ("reciprocal rank", Box::new(ReciprocalRank::default())),
        ("precision@10", Box::new(Precision::at(10))),
        ("recall@10", Box::new(Recall::at(10))),
        ("hit rate@10", Box::new(HitRate::at(10))),
        ("average relevance position", Box::new(AverageRelevancePosition::default())),
        ("pair accuracy", Box::new(PairAccuracy::default())),
        ("ndcg, expected ties", Box::new(Ndcg::default().ties(expected))),
        ("average precision, expected ties", Box::new(AveragePrecision::default().ties(expected))),
        ("pair accuracy, expected ties", Box::new(PairAccuracy::default().ties(expected))),
    ]
}

/// Scores N(0, 1), of which some tie, and the labels 0 to 4, the high ones rare.
fn list(size: usize) -> (Array1<f32>, Array1<f32>) {
    let mut rng = StdRng::seed_from_u64(42);
    let scores = Array1::from_shape_simple_fn(size, || {
        (rng.sample::<f32, _>(StandardNormal) * 1000.0).round() / 1000.0
    });
    let labels = Array1::from_shape_simple_fn(size, || (rng.random::<f32>().powi(3) * 5.0).floor());
    (scores, labels)
}

fn growth(criterion: &mut Criterion) {
    for (name, metric) in all() {
        let mut group = criterion.benchmark_group(name);
        for size in SIZES {
            let (scores, labels) = list(size);
            let mut workspace = Workspace::default();
            group.throughput(Throughput::Elements(size as u64));
            group.bench_function(BenchmarkId::from_parameter(size), |bencher| {
                bencher.iter(|| {
                    let lists = Lists::dense(black_box(&scores), black_box(&labels));
                    metric.tally(&lists.build().unwrap(), &mut workspace).unwrap()
                });
            });
        }
        group.finish();
    }
}

/// Each metric of 512 lists of 8 items.
fn short_lists(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("512 lists of 8");
    let (scores, labels) = list(512 * 8);
    let shape = (512, 8);
    let scores = scores.into_shape_with_order(shape).unwrap();
    let labels = labels.into_shape_with_order(shape).unwrap();
    group.throughput(Throughput::Elements(512 * 8));
    for (name, metric) in all() {
        let mut workspace = Workspace::default();
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let lists = Lists::dense(black_box(&scores), black_box(&labels));
                metric.tally(&lists.build().unwrap(), &mut workspace).unwrap()
            });
        });
    }
    group.finish();
}

/// Five metrics of one sort.
fn together(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("ndcg@1, @3, @5, @10 and average precision");
    let (one, three, five, ten) = (Ndcg::at(1), Ndcg::at(3), Ndcg::at(5), Ndcg::at(10));
    let metrics: [&dyn Metric; 5] = [&one, &three, &five, &ten, &AveragePrecision::default()];
    for size in SIZES {
        let (scores, labels) = list(size);
        let (mut tallies, mut workspace) = ([Tally::default(); 5], Workspace::default());
        group.throughput(Throughput::Elements(size as u64));
        group.bench_function(BenchmarkId::from_parameter(size), |bencher| {
            bencher.iter(|| {
                let lists = Lists::dense(black_box(&scores), black_box(&labels)).build().unwrap();
                metrics::tally(&metrics, &lists, &mut tallies, &mut workspace).unwrap();
            });
        });
    }
    group.finish();
}

fn sort(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("sort alone");
    for size in SIZES {
        let keys = list(size).0.map(|&score| f64::from(score)).to_vec();
        let mut order = Vec::new();
        group.throughput(Throughput::Elements(size as u64));
        group.bench_function(BenchmarkId::new("lipo", size), |bencher| {
            bencher.iter(|| ranking::argsort_descending(black_box(&keys), &mut order));
        });
        group.bench_function(BenchmarkId::new("by comparing keys", size), |bencher| {
            bencher.iter(|| {
                order.clear();
                order.extend(0..size);
                let keys = black_box(&keys);
                order.sort_unstable_by(|&i, &j| keys[j].total_cmp(&keys[i]).then(i.cmp(&j)));
            });
        });
    }
    group.finish();
}

fn pair_by_pair(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("pair accuracy, pair by pair");
    for size in SIZES.into_iter().take_while(|&size| size <= 8192) {
        let (scores, labels) = list(size);
        group.throughput(Throughput::Elements(size as u64));
        group.bench_function(BenchmarkId::from_parameter(size), |bencher| {
            bencher.iter(|| {
                let (scores, labels) = (black_box(&scores), black_box(&labels));
                let (mut right, mut pairs) = (0, 0);
                for i in 0..size {
                    for j in 0..size {
                        let pair = labels[i] > labels[j];
                        let first = scores[i] > scores[j] || scores[i] == scores[j] && i < j;
                        pairs += usize::from(pair);
                        right += usize::from(pair && first);
                    }
                }
                right as f64 / pairs as f64
            });
        });
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(100))
        .measurement_time(Duration::from_millis(500))
        .sample_size(20);
    targets = sort, short_lists, growth, together, pair_by_pair
}
criterion_main!(benches);
