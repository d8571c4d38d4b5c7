//! What do labels from comparisons cost? Bradley–Terry and the other estimators over numbers of items
//! and comparisons, up to 10⁴ items and 10⁶ comparisons, a tenth of them ties.
//!
//!     cargo bench --bench labels              # all
//!     cargo bench --bench labels -- bradley-terry
//!
//! Throughput is in comparisons. Timings drift with the machine: compare figures of one run.

use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use lipo::Error;
use lipo::labels::{
    BradleyTerry, Comparison, Comparisons, Estimator, Newman, Outcome, PlackettLuce,
    RankCentrality, Rankings, Ties, average_win_rate, bootstrap,
};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use rand_distr::StandardNormal;

const SIZES: [(usize, usize); 4] = [(8, 280), (59, 9_000), (1_000, 100_000), (10_000, 1_000_000)];

fn strengths(items: usize, rng: &mut StdRng) -> Vec<f64> {
    (0..items).map(|_| rng.sample::<f64, _>(StandardNormal)).collect()
}

fn records(items: usize, count: usize) -> Vec<Comparison> {
    let mut rng = StdRng::seed_from_u64(42);
    let theta = strengths(items, &mut rng);
    let record = |_| {
        let first = rng.random_range(0..items);
        let second = (first + rng.random_range(1..items)) % items;
        let win = 1.0 / (1.0 + (theta[second] - theta[first]).exp());
        let outcome = match rng.random::<f64>() {
            draw if draw < 0.9 * win => Outcome::First,
            draw if draw < 0.9 => Outcome::Second,
            _ => Outcome::Tie,
        };
        Comparison::new(first, second, outcome)
    };
    (0..count).map(record).collect()
}

type Estimate = fn(&Comparisons) -> Result<f64, Error>;

const ESTIMATORS: [(&str, Estimate); 6] = [
    ("average-win-rate", |votes| Ok(average_win_rate(votes)?[0])),
    ("bradley-terry", |votes| Ok(BradleyTerry::default().fit(votes)?.strengths[0])),
    ("davidson", |votes| Ok(BradleyTerry::default().ties(Ties::Davidson).fit(votes)?.strengths[0])),
    ("order-effect", |votes| Ok(BradleyTerry::default().order_effect().fit(votes)?.strengths[0])),
    ("newman", |votes| Ok(Newman::default().fit(votes)?.strengths[0])),
    ("rank-centrality", |votes| Ok(RankCentrality::default().fit(votes)?.strengths[0])),
];

fn comparisons(criterion: &mut Criterion) {
    for (items, count) in SIZES {
        let records = records(items, count);
        let mut group = criterion.benchmark_group(format!("{items}x{count}"));
        group.throughput(Throughput::Elements(count as u64));
        group.bench_function("count", |bencher| {
            bencher.iter(|| Comparisons::from_records(items, black_box(&records).iter().copied()));
        });
        let votes = Comparisons::from_records(items, records.iter().copied()).unwrap();
        for (name, estimator) in ESTIMATORS {
            group.bench_function(name, |bencher| {
                bencher.iter(|| estimator(black_box(&votes)).unwrap());
            });
        }
        let model = BradleyTerry::default();
        let fit = model.fit(&votes).unwrap();
        group.bench_function("resample", |bencher| {
            let estimate = |votes: &Comparisons| Ok(model.fit_from(votes, &fit)?.labels());
            bencher.iter(|| bootstrap(black_box(&votes), 1, 0.9, 1, estimate).unwrap());
        });
        group.bench_function("labels", |bencher| {
            bencher.iter(|| black_box(&fit).labels::<f64>());
        });
        group.finish();
    }
}

/// Top-10 rankings of 20 items each.
fn rankings(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("plackett-luce");
    for (items, count) in [(59, 1_000_u64), (1_000, 10_000)] {
        let mut rng = StdRng::seed_from_u64(42);
        let theta = strengths(items, &mut rng);
        let mut rankings = Rankings::new(items).unwrap();
        for _ in 0..count {
            let mut list: Vec<(f64, usize)> = rand::seq::index::sample(&mut rng, items, 20)
                .into_iter()
                .map(|item| (theta[item], item))
                .collect();
            for entry in &mut list {
                entry.0 -= (-rng.random::<f64>().max(1e-300).ln()).ln();
            }
            list.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
            let order: Vec<usize> = list.into_iter().map(|(_, item)| item).collect();
            rankings.push_top_of(&order[..10], &order[10..]).unwrap();
        }
        group.throughput(Throughput::Elements(count));
        group.bench_function(BenchmarkId::from_parameter(format!("{items}x{count}")), |bencher| {
            bencher.iter(|| PlackettLuce::default().fit(black_box(&rankings)).unwrap());
        });
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(100))
        .measurement_time(Duration::from_secs(1))
        .sample_size(10);
    targets = comparisons, rankings
}
criterion_main!(benches);
