//! What does a loss cost? Value and gradient together, over list sizes, for single lists and
//! batches, in f32 and f64.
//!
//!     cargo bench --bench losses              # all
//!     cargo bench --bench losses -- batch/f32/lambda-loss
//!
//! Throughput is in items. Timings drift with the machine: compare figures of one run.

use std::hint::black_box;
use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{
    BenchmarkGroup, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main,
};
use lipo::losses::{
    LambdaLoss, ListMle, Loss, LossExt, PairHinge, PairLogistic, PointMse, PointSigmoid, Reduction,
    Softmax, Workspace,
};
use lipo::{Lists, Real};
use ndarray::{Array2, Axis};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use rand_distr::StandardNormal;

const SIZES: [usize; 5] = [2, 8, 32, 128, 1024];
/// Items of a batch, whatever the list size.
const ITEMS: usize = 8192;

fn losses() -> [(&'static str, Box<dyn Loss>); 7] {
    [
        ("point-mse", Box::new(PointMse)),
        ("point-sigmoid", Box::new(PointSigmoid)),
        ("pair-hinge", Box::new(PairHinge::default())),
        ("pair-logistic", Box::new(PairLogistic::default())),
        ("list-mle", Box::new(ListMle)),
        ("softmax", Box::new(Softmax)),
        ("lambda-loss", Box::new(LambdaLoss::default())),
    ]
}

/// Scores N(0, 2²) and labels uniform in [0, 1).
fn lists<F: Real>(lists: usize, size: usize) -> (Array2<F>, Array2<F>) {
    let mut rng = StdRng::seed_from_u64(42);
    let scores = Array2::from_shape_simple_fn((lists, size), || {
        F::narrow(2.0 * rng.sample::<f64, _>(StandardNormal))
    });
    let labels = Array2::from_shape_simple_fn((lists, size), || F::narrow(rng.random()));
    (scores, labels)
}

/// As a trainer calls it: checks, value and gradient into arrays that are there already.
fn step<F: Real>(
    group: &mut BenchmarkGroup<'_, WallTime>,
    loss: &dyn Loss,
    name: &str,
    (scores, labels): &(Array2<F>, Array2<F>),
) {
    let mut workspace = Workspace::default();
    let mut grad = Array2::zeros(scores.dim());
    group.throughput(Throughput::Elements(scores.len() as u64));
    group.bench_function(BenchmarkId::new(name, scores.len_of(Axis(1))), |bencher| {
        bencher.iter(|| {
            let lists = Lists::dense(black_box(scores), black_box(labels)).build().unwrap();
            let reduction = Reduction::MeanOverLists;
            loss.reduced_into(&lists, reduction, &mut grad, &mut workspace).unwrap()
        });
    });
}

fn sweep<F: Real>(criterion: &mut Criterion, what: &str, count: impl Fn(usize) -> usize) {
    let mut group = criterion.benchmark_group(what);
    for (name, loss) in &losses() {
        for size in SIZES {
            step(&mut group, &**loss, name, &lists::<F>(count(size), size));
        }
    }
    group.finish();
}

fn single_list(criterion: &mut Criterion) {
    sweep::<f32>(criterion, "single/f32", |_| 1);
    sweep::<f64>(criterion, "single/f64", |_| 1);
}

fn batch(criterion: &mut Criterion) {
    sweep::<f32>(criterion, "batch/f32", |size| ITEMS / size);
    sweep::<f64>(criterion, "batch/f64", |size| ITEMS / size);
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(100))
        .measurement_time(Duration::from_millis(500))
        .sample_size(20);
    targets = single_list, batch
}
criterion_main!(benches);
