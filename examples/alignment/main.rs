//! The paper's laboratory in miniature: the whole LiPO pipeline, from a corpus to win rates, with every
//! loss of the crate.
//!
//!     cargo run --release --example alignment
//!     cargo run --release --example alignment -- --seeds 8 --losses softmax,lambda-loss --list-sizes 2,8
//!
//! In a small language of 64 words, a prompt is a rambling post and a response its summary. For each
//! seed, as in Figure 2 of the paper:
//!
//! 1. [`world`]: writers, careful or not, summarise posts; annotators compare summaries by a hidden
//!    taste, with noise.
//! 2. [`policy`]: a [`network`] learns to write like the writers (supervised fine-tuning).
//! 3. [`reward_model`]: another network learns from the annotators which of two summaries is better.
//! 4. [`laboratory`]: the policy writes 8 summaries of each of other posts, at temperature 0.7 among the
//!    40 likeliest words; the reward model's win probabilities Ψ give the labels ψ.
//! 5. [`training`]: each loss trains the policy on those lists, from log-probabilities of words to
//!    scores to the loss, and back through the same chain to the network's weights.
//! 6. [`laboratory`] again: how often the policy's summaries beat the writers' under the reward model
//!    (the proxy) and under the hidden taste, and how far the policy has moved (KL).
//!
//! [`experiments`] makes these [`runs`] for all losses, β, list sizes and seeds, and picks results by two
//! protocols: each loss with the β that suits it, or, as the paper does, all losses with one β and the
//! best checkpoint of each run. The program prints a page of tables in the paper's layout ([`report`]) and
//! writes CSV files ([`records`]) and the pictures of the paper's Figure 3 ([`pictures`]).
//! `examples/README.md` tells which of the paper's findings hold here.

use std::error::Error;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use lipo::scores::ImplicitReward;

mod experiments;
mod laboratory;
mod network;
mod pictures;
mod policy;
mod records;
mod report;
mod reward_model;
mod runs;
#[path = "../support/mod.rs"]
mod support;
mod training;
mod world;

use support::named;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// The LiPO pipeline in miniature, with every loss.
#[derive(Parser)]
struct Args {
    /// How many seeds; each has its own posts, networks and preferences
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=1000))]
    seeds: u64,
    /// The losses to train with
    #[arg(long, value_name = "NAME,…", value_delimiter = ',', value_parser = named::loss_parser(), default_values_t = named::LOSSES.map(String::from))]
    losses: Vec<String>,
    /// How many of the 8 responses a list has
    #[arg(long, value_name = "K,…", value_delimiter = ',', default_values_t = [2, 4, 6, 8], value_parser = list_size)]
    list_sizes: Vec<usize>,
    /// The candidates for β, where each loss takes the one with which it does best on validation posts
    #[arg(long, value_name = "β,…", value_delimiter = ',', default_values_t = [0.05, 0.1, 0.2, 0.5, 1.0, 2.0], value_parser = beta)]
    beta: Vec<f64>,
    /// The β for the paper's protocol, where all losses have the same; each is tried for itself
    #[arg(long, value_name = "β,…", value_delimiter = ',', default_values_t = [0.05, 0.2, 1.0], value_parser = beta)]
    one_beta: Vec<f64>,
    /// Where the CSV files go
    #[arg(long, value_name = "DIR", default_value = "target/alignment")]
    out: PathBuf,
    /// Where the pictures go, if not beside the CSV files
    #[arg(long, value_name = "DIR")]
    pictures: Option<PathBuf>,
    /// A world a hundred times smaller, to see that everything runs
    #[arg(long)]
    tiny: bool,
}

fn list_size(text: &str) -> Outcome<usize> {
    let size = text.parse()?;
    if (2..=laboratory::RESPONSES).contains(&size) { Ok(size) } else { Err("not in 2 to 8".into()) }
}

fn beta(text: &str) -> Outcome<f64> {
    let beta = text.parse()?;
    ImplicitReward::new(beta)?;
    Ok(beta)
}

fn main() -> ExitCode {
    let args = Args::parse();
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<(), Box<dyn Error>> {
    let pictures = args.pictures.as_ref().unwrap_or(&args.out);
    for directory in [&args.out, pictures] {
        fs::create_dir_all(directory)
            .map_err(|error| format!("{}: {error}", directory.display()))?;
    }
    let results = experiments::Results::new(args)?;
    report::print(&results)?;
    records::write(&results, &args.out)?;
    pictures::draw(&results, pictures)?;
    // The page on standard output has nothing that depends on where files are.
    eprintln!(
        "The CSV files are in {}, the pictures in {}.",
        args.out.display(),
        pictures.display()
    );
    Ok(())
}
