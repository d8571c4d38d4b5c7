//! What does a loss cost? Value and gradient together, as a trainer calls them.
//!
//!     cargo bench --bench losses                          # all
//!     cargo bench --bench losses -- f32/lambda-loss       # one loss, over lists × size
//!     cargo bench --bench losses -- growth/size           # how time grows with the size of lists
//!
//! | group | question | throughput |
//! |---|---|---|
//! | `f32`, `f64` | what a pair or an item costs, over numbers of lists and their size | pairs or items |
//! | `growth/size` | time when the size doubles: 4 lists | pairs or items |
//! | `growth/lists` | time when the number of lists doubles: size 64 | lists |
//! | `grades` | what few distinct labels save: 4 lists of 1,024 | pairs |
//! | `single` | one list of 8 through `Box<dyn Loss>`, as a search engine calls it | lists |
//!
//! With `--features rayon` batches of some 100 µs and more go to all threads: run it with and without.
//! Timings drift with the machine: compare figures of one run. `benches/peers/run.py` sets them side
//! by side with other libraries and with the plain kernels.

use std::hint::black_box;
use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{
    BenchmarkGroup, BenchmarkId, Criterion, SamplingMode, Throughput, criterion_group,
    criterion_main,
};
use lipo::losses::{
    LambdaLoss, LambdaWeight, ListMle, Logistic, Loss, LossExt, PairHinge, PairLogistic, PairLoss,
    PointMse, PointSigmoid, Reduction, Softmax, Workspace,
};
use lipo::{Lists, Real};
use ndarray::{Array2, Array3};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use rand_distr::StandardNormal;

/// Fewer make lists that a branch predictor learns by heart.
const LEAST_ITEMS: usize = 32768;
const MOST_ITEMS: usize = 65536;

/// What the time of a loss is proportional to, at best.
#[derive(Clone, Copy)]
enum Term {
    Item,
    Pair,
}

impl Term {
    fn count(self, (lists, size): (usize, usize)) -> Throughput {
        Throughput::Elements(match self {
            Self::Item => lists * size,
            Self::Pair => lists * size * (size - 1) / 2,
        } as u64)
    }
}

fn losses() -> [(&'static str, Term, Box<dyn Loss>); 7] {
    [
        ("point-mse", Term::Item, Box::new(PointMse)),
        ("point-sigmoid", Term::Item, Box::new(PointSigmoid)),
        ("pair-hinge", Term::Pair, Box::new(PairHinge)),
        ("pair-logistic", Term::Pair, Box::new(PairLogistic)),
        ("list-mle", Term::Item, Box::new(ListMle)),
        ("softmax", Term::Item, Box::new(Softmax)),
        ("lambda-loss", Term::Pair, Box::new(LambdaLoss)),
    ]
}

/// A label, of a number uniform in [0, 1).
type Label = fn(f64) -> f64;

/// Batches of scores N(0, 2²) and labels.
fn batches<F: Real>((lists, size): (usize, usize), label: Label) -> (Array3<F>, Array3<F>) {
    let mut rng = StdRng::seed_from_u64(42);
    let shape = (LEAST_ITEMS.div_ceil(lists * size), lists, size);
    let scores = Array3::from_shape_simple_fn(shape, || {
        F::narrow(2.0 * rng.sample::<f64, _>(StandardNormal))
    });
    let labels = Array3::from_shape_simple_fn(shape, || F::narrow(label(rng.random())));
    (scores, labels)
}

/// A step on lists of distinct labels.
fn step<F: Real>(
    group: &mut BenchmarkGroup<'_, WallTime>,
    id: BenchmarkId,
    loss: &dyn Loss,
    shape: (usize, usize),
) {
    step_on::<F>(group, id, loss, shape, |uniform| uniform);
}

/// Checks, value and gradient into an array that is there already, of one batch after the other.
fn step_on<F: Real>(
    group: &mut BenchmarkGroup<'_, WallTime>,
    id: BenchmarkId,
    loss: &dyn Loss,
    shape: (usize, usize),
    label: Label,
) {
    let (scores, labels) = batches::<F>(shape, label);
    let mut pairs = scores.outer_iter().zip(labels.outer_iter()).cycle();
    let mut workspace = Workspace::default();
    let mut grad = Array2::zeros(shape);
    group.bench_function(id, |bencher| {
        bencher.iter(|| {
            let (scores, labels) = pairs.next().unwrap();
            let lists = Lists::dense(black_box(&scores), black_box(&labels)).build().unwrap();
            let reduction = Reduction::MeanOverLists;
            loss.reduced_into(&lists, reduction, &mut grad, &mut workspace).unwrap()
        });
    });
}

/// Each loss over numbers of lists and their size.
fn shapes<F: Real>(criterion: &mut Criterion, dtype: &str) {
    let mut group = criterion.benchmark_group(dtype);
    for (name, term, loss) in &losses() {
        for size in [2, 8, 64, 1024] {
            for lists in [16, 256, 4096] {
                let shape = (lists, size);
                if lists * size <= MOST_ITEMS {
                    group.throughput(term.count(shape));
                    let id = BenchmarkId::new(*name, format!("{lists}x{size}"));
                    step::<F>(&mut group, id, &**loss, shape);
                }
            }
        }
    }
    group.finish();
}

fn both_types(criterion: &mut Criterion) {
    shapes::<f32>(criterion, "f32");
    shapes::<f64>(criterion, "f64");
}

fn growth(criterion: &mut Criterion) {
    let doubling = |from: usize, to: usize| {
        std::iter::successors(Some(from), |size| Some(2 * size)).take_while(move |&size| size <= to)
    };
    let mut group = criterion.benchmark_group("growth/size");
    group.sampling_mode(SamplingMode::Flat); // the largest take a tenth of a second
    for (name, term, loss) in &losses() {
        for size in doubling(16, 8192) {
            let shape = (4, size);
            group.throughput(term.count(shape));
            step::<f32>(&mut group, BenchmarkId::new(*name, size), &**loss, shape);
        }
    }
    let at_10 = PairLoss::new(Logistic, LambdaWeight::dcg().cutoff(10));
    for size in doubling(16, 8192) {
        group.throughput(Term::Item.count((4, size)));
        step::<f32>(&mut group, BenchmarkId::new("lambda-loss@10", size), &at_10, (4, size));
    }
    group.finish();

    let mut group = criterion.benchmark_group("growth/lists");
    for (name, _, loss) in &losses() {
        for lists in doubling(16, 1024) {
            group.throughput(Throughput::Elements(lists as u64));
            step::<f32>(&mut group, BenchmarkId::new(*name, lists), &**loss, (lists, 64));
        }
    }
    group.finish();
}

/// Pairs of equal labels should cost nothing: of these labels there are 0, 20, 60, 50 and 82 % of such.
fn grades(criterion: &mut Criterion) {
    let labels: [(&str, Label); 5] = [
        ("distinct", |uniform| uniform),
        ("five as often", |uniform| (5.0 * uniform).floor() / 4.0),
        ("five, 3 of 4 the least", |uniform| (5.0 * uniform.powi(6)).floor() / 4.0),
        ("two as often", |uniform| uniform.round()),
        ("two, 9 of 10 the least", |uniform| f64::from(uniform >= 0.9)),
    ];
    let (mut group, shape) = (criterion.benchmark_group("grades"), (4, 1024));
    group.throughput(Term::Pair.count(shape));
    for (name, term, loss) in &losses() {
        if matches!(term, Term::Pair) {
            for (kind, label) in labels {
                let id = BenchmarkId::new(*name, kind);
                step_on::<f32>(&mut group, id, &**loss, shape, label);
            }
        }
    }
    group.finish();
}

fn single(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("single");
    group.throughput(Throughput::Elements(1));
    for (name, _, loss) in &losses() {
        step::<f32>(&mut group, BenchmarkId::new(*name, "f32"), &**loss, (1, 8));
        step::<f64>(&mut group, BenchmarkId::new(*name, "f64"), &**loss, (1, 8));
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(100))
        .measurement_time(Duration::from_millis(500))
        .sample_size(20);
    targets = both_types, growth, grades, single
}
criterion_main!(benches);
