//! Learning to rank from files, with every loss: a linear or a small neural scorer, trained on batches
//! of queries of unequal length, and compared by NDCG and MAP.
//!
//!     cargo run --release --example letor -- TRAIN VALID [--losses NAME,…] [--hidden UNITS] …
//!
//! Files are in the format of LETOR and of SVMlight: a line is a document, with its grade of relevance,
//! its query and its features (what is left out is 0), and perhaps a comment:
//!
//!     2 qid:10 1:0.53 3:0.02 7:1 # document 1874
//!
//! Documents of a query stand together. Without `qid:`, the sizes of the queries are in a file beside
//! it, one a line, as LightGBM and XGBoost have them: `TRAIN.query` or `TRAIN.group`, or what
//! `--train-groups` names. Without any file it makes data of its own: documents whose relevance is a
//! hidden function of their features.
//!
//! Features are kept in single precision, 4 bytes each: 2.3 million documents of 136 features, a training
//! fold of MSLR-WEB30K, take 1.3 GB.
//!
//! Everything follows from the files and `--seed`. It prints a table, and writes to `--out` a picture,
//! all figures of all epochs (`letor.csv`), and the order in which each epoch took the queries
//! (`order.csv`), by which `examples/letor_rax.py` does the same through Rax.

use std::error::Error;
use std::num::ParseIntError;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use lipo::losses::Reduction;
use ndarray::Array1;
use rand::seq::SliceRandom;
use rand::{SeedableRng, rngs::StdRng};

mod data;
mod features;
mod report;
mod scorer;
#[path = "../support/mod.rs"]
mod support;
mod taste;
mod training;

use data::Queries;
use scorer::Scorer;
use support::named;
use support::say;
use taste::Taste;
use training::{Run, Training, evaluate};

type Anything<T> = Result<T, Box<dyn Error>>;

/// Learning to rank from LETOR files, with every loss.
#[derive(Parser)]
struct Args {
    /// The queries to train on; without any, data of the example's own
    #[arg(requires = "valid")]
    train: Option<PathBuf>,
    /// The queries to evaluate on
    valid: Option<PathBuf>,
    /// Sizes of the training queries, one a line, where the lines have no qid [default: TRAIN.query]
    #[arg(long, value_name = "FILE", requires = "train")]
    train_groups: Option<PathBuf>,
    /// Sizes of the validation queries [default: VALID.query]
    #[arg(long, value_name = "FILE", requires = "train")]
    valid_groups: Option<PathBuf>,
    /// The losses to train with
    #[arg(long, value_name = "NAME,…", value_delimiter = ',', value_parser = named::loss_parser(), default_values_t = named::LOSSES.map(String::from))]
    losses: Vec<String>,
    /// Passes over the training queries
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    epochs: u32,
    /// Units of a hidden layer; 0 is a linear scorer
    #[arg(long, value_name = "UNITS", default_value_t = 0, value_parser = clap::value_parser!(u16).range(..=4096))]
    hidden: u16,
    /// Queries of a batch
    #[arg(long, value_name = "QUERIES", default_value_t = 16, value_parser = positive)]
    batch: usize,
    /// The loss of a batch: the paper's mean over lists, or Rax's mean over all pairs or items
    #[arg(long, value_enum, default_value_t = Reduce::MeanOverLists)]
    reduction: Reduce,
    /// Adam's step
    #[arg(long, value_name = "RATE", default_value_t = 0.002)]
    learning_rate: f64,
    /// Fixes the first weights, the order of the queries, and the data where no files are given
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where the picture and the CSV files go
    #[arg(long, value_name = "DIR", default_value = "target/letor")]
    out: PathBuf,
}

#[derive(Clone, Copy, ValueEnum)]
enum Reduce {
    MeanOverLists,
    MeanOverTerms,
}

fn positive(text: &str) -> Result<usize, String> {
    match text.parse().map_err(|error: ParseIntError| error.to_string())? {
        0 => Err("not at least 1".into()),
        number => Ok(number),
    }
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Anything<()> {
    let mut rng = StdRng::seed_from_u64(args.seed);
    let (mut train, mut valid) = if let (Some(train), Some(valid)) = (&args.train, &args.valid) {
        let train = Queries::read(train, args.train_groups.as_deref())?;
        let valid = train.read_alike(valid, args.valid_groups.as_deref())?;
        (train, valid)
    } else {
        let taste = Taste::new(&mut rng);
        (taste.queries(200, &mut rng), taste.queries(80, &mut rng))
    };
    let features = train.features.standardise(&mut valid.features);
    say(format_args!("features that vary: {features}"))?;
    for (name, queries) in [("training", &train), ("validation", &valid)] {
        let (documents, count) = (queries.grades.len(), queries.sizes.len());
        say(format_args!("{name}: {documents} documents of {count} queries"))?;
    }
    let (untrained, undecided) = evaluate(&Array1::zeros(valid.grades.len()), &valid)?;
    say(format_args!(
        "validation queries without a relevant document, left out of the metrics: {undecided}\n"
    ))?;

    let mut order: Vec<usize> = (0..train.sizes.len()).collect();
    let mut orders = Vec::new();
    for _ in 0..args.epochs {
        order.shuffle(&mut rng);
        orders.push(order.clone());
    }
    let scorer = Scorer::new(train.features.columns(), args.hidden.into(), &mut rng);

    let progress = ProgressBar::new(u64::from(args.epochs) * args.losses.len() as u64);
    let template = "{bar:40} {pos} of {len} epochs, {eta} left, {msg}";
    progress.set_style(ProgressStyle::with_template(template)?);
    let mut runs = Vec::new();
    for name in &args.losses {
        progress.set_message(name.clone());
        let mut labels = train.grades.clone();
        if name == "point-sigmoid" {
            // Its labels are probabilities.
            labels /= labels.fold(1.0_f64, |a, &b| a.max(b));
        }
        let training = Training {
            loss: &*named::loss(name),
            train: &train,
            labels,
            valid: &valid,
            orders: &orders,
            batch: args.batch,
            reduction: match args.reduction {
                Reduce::MeanOverLists => Reduction::MeanOverLists,
                Reduce::MeanOverTerms => Reduction::MeanOverTerms,
            },
            learning_rate: args.learning_rate,
        };
        let result = training.run(scorer.clone(), &progress);
        let (epochs, last) = result.map_err(|error| format!("{name}: {error}"))?;
        runs.push(Run { loss: name, epochs, last });
    }
    progress.finish_and_clear();
    report::report(&runs, &orders, &untrained, args)
}
