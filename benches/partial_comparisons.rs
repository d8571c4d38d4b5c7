//! How close does ψ from m comparisons come to ψ from all K²? The root mean square error over the
//! items, for K = 8 and 64, by what pairs were asked for; a table, not a timing.
//!
//!     cargo bench --bench partial_comparisons
//!
//! A judge's Ψ_kj = σ(θ_k − θ_j + ε_kj), θ being normal with deviation 1.5 and ε with 0.5, so that it
//! is not quite Bradley–Terry. ψ from all pairs is the mean over all of Ψ. From m pairs it is that of
//! a Bradley–Terry fit with a Gaussian prior of deviation 1.5, where the judge tells either Ψ_kj or
//! one vote drawn from it. Each figure is the root mean square over some judges, the same for all
//! designs.

use lipo::Error;
use lipo::labels::{
    self, BradleyTerry, Comparison, Comparisons, Estimator, Fit, Outcome, Prior, cyclic_pairs,
    informative_pairs, random_pairs, sorted_pairs,
};
use ndarray::{Array1, Array2};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use rand_distr::StandardNormal;

#[derive(Clone, Copy)]
enum Design {
    Random,
    Cyclic,
    Sorted,
    Informative,
}

const DESIGNS: [(&str, Design); 4] = [
    ("random", Design::Random),
    ("cyclic", Design::Cyclic),
    ("sorted", Design::Sorted),
    ("informative", Design::Informative),
];

#[derive(Clone, Copy)]
enum Answer {
    Probability,
    Vote,
}

fn model() -> BradleyTerry {
    BradleyTerry::default().prior(Prior::Gaussian(1.5))
}

/// Ψ with Ψ + Ψᵀ = 1.
fn judge(items: usize, rng: &mut StdRng) -> Array2<f64> {
    let theta: Vec<f64> = (0..items).map(|_| 1.5 * rng.sample::<f64, _>(StandardNormal)).collect();
    let mut wins = Array2::from_elem((items, items), 0.5);
    for k in 0..items {
        for j in 0..k {
            let noise = 0.5 * rng.sample::<f64, _>(StandardNormal);
            wins[[k, j]] = 1.0 / (1.0 + (theta[j] - theta[k] - noise).exp());
            wins[[j, k]] = 1.0 - wins[[k, j]];
        }
    }
    wins
}

fn ask(
    wins: &Array2<f64>,
    pairs: &[(usize, usize)],
    answer: Answer,
    rng: &mut StdRng,
) -> Result<Comparisons, Error> {
    let records = pairs.iter().flat_map(|&(k, j)| {
        let win = match answer {
            Answer::Probability => wins[[k, j]],
            Answer::Vote => f64::from(u8::from(rng.random_bool(wins[[k, j]]))),
        };
        [(Outcome::First, win), (Outcome::Second, 1.0 - win)]
            .map(|(outcome, weight)| Comparison::new(k, j, outcome).weight(weight))
    });
    Comparisons::from_records(wins.nrows(), records)
}

/// The fit after m comparisons. The last two designs look at what is known each K/2 comparisons,
/// having started with a round of the cyclic one.
fn fit(
    wins: &Array2<f64>,
    m: usize,
    (design, answer): (Design, Answer),
    seed: u64,
) -> Result<Fit, Error> {
    let (items, rng) = (wins.nrows(), &mut StdRng::seed_from_u64(seed));
    let start = match design {
        Design::Random => random_pairs(items, m, seed)?,
        Design::Cyclic => cyclic_pairs(items, m)?,
        Design::Sorted | Design::Informative => cyclic_pairs(items, m.min(items))?,
    };
    let mut asked = ask(wins, &start, answer, rng)?;
    let mut count = start.len();
    let mut fit = model().fit(&asked)?;
    while count < m {
        let budget = (items / 2).min(m - count);
        let pairs = match design {
            Design::Informative => {
                informative_pairs(&asked, &fit, &model().information(&asked, &fit)?, budget)?
            }
            _ => unasked(&asked, &sorted_pairs(&fit.strengths.to_vec(), items * items)?, budget),
        };
        asked = asked.and(&ask(wins, &pairs, answer, rng)?)?;
        count += pairs.len();
        fit = model().fit(&asked)?;
    }
    Ok(fit)
}

/// The first pairs of a design that were asked least often.
fn unasked(asked: &Comparisons, design: &[(usize, usize)], budget: usize) -> Vec<(usize, usize)> {
    let mut times = Array2::<f64>::zeros((asked.items(), asked.items()));
    for pair in asked.pairs() {
        times[[pair.first(), pair.second()]] += pair.total();
        times[[pair.second(), pair.first()]] += pair.total();
    }
    let mut pairs = design[..asked.items() * (asked.items() - 1) / 2].to_vec();
    pairs.sort_by(|&a, &b| times[a].total_cmp(&times[b]));
    pairs.truncate(budget);
    pairs
}

fn error(wins: &Array2<f64>, m: usize, how: (Design, Answer), seed: u64) -> Result<f64, Error> {
    let all = labels::from_win_probabilities(wins)?;
    let partial: Array1<f64> = fit(wins, m, how, seed)?.labels();
    Ok((&partial - &all).pow2().mean().unwrap_or(0.0))
}

fn main() -> Result<(), Error> {
    // `cargo bench -- --test` asks whether it runs.
    let quick = std::env::args().any(|argument| argument == "--test");
    for items in [8, 64] {
        let pairs = items * (items - 1) / 2;
        for (what, answer) in [("Ψ itself", Answer::Probability), ("votes", Answer::Vote)] {
            println!("\nRMS error of ψ, K = {items}, the judge telling {what}");
            print!("{:>6}  {:>9}", "m", "of pairs");
            for (name, _) in DESIGNS {
                print!("  {name:>11}");
            }
            println!();
            let judges = if quick { 1 } else { 1280 / items as u64 };
            let mut m = items;
            while m <= pairs * 4 && !(quick && m > 2 * items) {
                print!("{m:>6}  {:>8.0}%", 100.0 * m as f64 / pairs as f64);
                for (_, design) in DESIGNS {
                    let mut sum = 0.0;
                    for seed in 0..judges {
                        let wins = judge(items, &mut StdRng::seed_from_u64(seed));
                        sum += error(&wins, m, (design, answer), 1000 + seed)?;
                    }
                    print!("  {:>11.4}", (sum / judges as f64).sqrt());
                }
                println!();
                m *= 2;
            }
        }
    }
    Ok(())
}
