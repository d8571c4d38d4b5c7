//! What does the way from tokens to scores and labels cost, and the way back? Throughput is in tokens,
//! items or elements of the larger array; the shape is 512 prompts × 8 responses × 256 tokens.
//!
//!     cargo bench --bench scores              # all
//!     cargo bench --bench scores -- tokens
//!
//! Timings drift with the machine: compare figures of one run. `benches/peers/step.py` measures the step
//! end to end beside JAX.

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use lipo::scores::{
    self, FDivergence, FDivergenceReward, ImplicitReward, Responses, Reward, RewardExt,
    SequenceLogProbs, Tokens,
};
use lipo::{Real, labels};
use ndarray::{Array, Array2, Array3, Dimension, ShapeBuilder};
use rand::{RngExt, SeedableRng, rngs::StdRng};

const SHAPE: (usize, usize, usize) = (512, 8, 256);

fn uniform<F: Real, D: Dimension, Sh: ShapeBuilder<Dim = D>>(shape: Sh, low: f64) -> Array<F, D> {
    let mut rng = StdRng::seed_from_u64(42);
    Array::from_shape_simple_fn(shape, || F::narrow(low + rng.random::<f64>()))
}

fn tokens<F: Real>(criterion: &mut Criterion, name: &str) {
    let (lists, size, length) = SHAPE;
    let tokens: Array3<F> = uniform(SHAPE, -2.0);
    // From half to all of the tokens exist.
    let of = |response: usize| length / 2 + response * 7919 % (length / 2);
    let mask = Array3::from_shape_fn(SHAPE, |(n, k, t)| t < of(n * size + k));
    let weights = mask.mapv(|exists| if exists { F::narrow(0.5) } else { F::zero() });
    let mut log_probs = Array2::zeros((lists, size));
    let mut grad_tokens = tokens.clone();
    let workspace = &mut scores::Workspace::default();
    let mut group = criterion.benchmark_group(format!("tokens, {name}"));
    group.throughput(Throughput::Elements(tokens.len() as u64));
    for (how, sequence) in [("sum", SequenceLogProbs::Sum), ("mean", SequenceLogProbs::Mean)] {
        group.bench_function(how, |bencher| {
            let tokens = Tokens::new(&tokens, &mask);
            bencher.iter(|| sequence.log_probs_into(black_box(&tokens), &mut log_probs, workspace));
        });
        group.bench_function(format!("weighted {how}"), |bencher| {
            let tokens = Tokens::new(&tokens, &weights);
            bencher.iter(|| sequence.log_probs_into(black_box(&tokens), &mut log_probs, workspace));
        });
        group.bench_function(format!("{how} backward"), |bencher| {
            bencher.iter(|| {
                sequence.backward_into(black_box(&log_probs), &mask, &mut grad_tokens).unwrap();
            });
        });
    }
    group.finish();
}

fn rewards<F: Real>(criterion: &mut Criterion, name: &str) {
    let rows = (SHAPE.0, SHAPE.1);
    let (policy, reference): (Array2<F>, Array2<F>) = (uniform(rows, -9.0), uniform(rows, -9.0));
    let (mut out, betas) = (policy.clone(), uniform(rows.0, 0.5));
    let mut group = criterion.benchmark_group(format!("rewards, {name}"));
    group.throughput(Throughput::Elements(policy.len() as u64));
    let of_f = |divergence| Box::new(FDivergenceReward::new(0.1, divergence).unwrap());
    let rewards: [(&str, Box<dyn Reward>); 3] = [
        ("implicit", Box::new(ImplicitReward::new(0.1).unwrap())),
        ("forward KL", of_f(FDivergence::ForwardKl)),
        ("Jensen-Shannon", of_f(FDivergence::JensenShannon)),
    ];
    let responses = Responses::new(&policy, &reference);
    for (name, reward) in &rewards {
        group.bench_function(*name, |bencher| {
            bencher.iter(|| reward.scores_into(black_box(&responses), &mut out));
        });
        group.bench_function(format!("{name}, β by list"), |bencher| {
            let responses = responses.betas(&betas);
            bencher.iter(|| reward.scores_into(black_box(&responses), &mut out));
        });
        group.bench_function(format!("{name} backward"), |bencher| {
            bencher.iter(|| reward.backward_into(black_box(&policy), &responses, &mut out));
        });
    }
    group.finish();
}

fn win_probabilities<F: Real>(criterion: &mut Criterion, name: &str) {
    let mut group = criterion.benchmark_group(format!("labels, {name}"));
    for size in [2, 4, 8, 32, 128] {
        let lists = 32_768 / (size * size);
        let ranks: Array2<F> = uniform((lists, size), 0.0);
        let mut wins = labels::win_probabilities_from_ranks(&ranks).unwrap();
        let mut psi = ranks.clone();
        group.throughput(Throughput::Elements(wins.len() as u64));
        group.bench_function(format!("win probabilities, K = {size}"), |bencher| {
            bencher.iter(|| labels::from_win_probabilities_into(black_box(&wins), None, &mut psi));
        });
        group.bench_function(format!("checked win probabilities, K = {size}"), |bencher| {
            let wins = labels::WinProbabilities::new(&wins).complementary(0.0);
            bencher.iter(|| black_box(&wins).labels_into(&mut psi).unwrap());
        });
        group.bench_function(format!("ranks, K = {size}"), |bencher| {
            bencher.iter(|| labels::from_ranks_into(black_box(&ranks), None, &mut psi).unwrap());
        });
        group.bench_function(format!("win probabilities from ranks, K = {size}"), |bencher| {
            bencher.iter(|| {
                labels::win_probabilities_from_ranks_into(black_box(&ranks), None, &mut wins)
            });
        });
    }
    group.finish();
}

fn all(criterion: &mut Criterion) {
    tokens::<f32>(criterion, "f32");
    tokens::<f64>(criterion, "f64");
    rewards::<f32>(criterion, "f32");
    rewards::<f64>(criterion, "f64");
    win_probabilities::<f32>(criterion, "f32");
    win_probabilities::<f64>(criterion, "f64");
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(100))
        .measurement_time(Duration::from_millis(500))
        .sample_size(20);
    targets = all
}
criterion_main!(benches);
