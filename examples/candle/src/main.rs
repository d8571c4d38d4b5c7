//! Preference fine-tuning of a causal language model with the losses of lipo.
//!
//!     cargo run -- demo
//!     cargo run --release -- train MODEL DATA.jsonl --out DIR --loss lambda-loss

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use lipo_candle::job::Job;
use lipo_candle::report::{self, Progress};
use lipo_candle::{Result, demo};

/// Preference fine-tuning of causal language models with listwise losses.
#[derive(Parser)]
#[command(name = "finetune")]
struct Finetune {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Fine-tune a model on preferences
    Train(Box<Job>),
    /// Make a tiny model and a task, and fine-tune it by three losses: under a minute
    Demo {
        /// Where the model, the data and the results go
        #[arg(long, value_name = "DIR", default_value = "target/finetune-demo")]
        out: PathBuf,
        /// The losses to compare
        #[arg(long, value_name = "NAME,…", value_delimiter = ',', default_values = ["lambda-loss", "dpo", "list-mle"])]
        losses: Vec<String>,
    },
}

fn main() -> ExitCode {
    let done = match Finetune::parse().command {
        Command::Train(job) => train(&job),
        Command::Demo { out, losses } => demonstrate(&out, &losses),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn train(job: &Job) -> Result<()> {
    let (_, done) = job.run(&mut Progress::default())?;
    if done {
        println!("the model is in {}, metrics beside it", job.out.join("model").display());
    } else {
        println!("stopped with a checkpoint in {}; --resume goes on from it", job.out.display());
    }
    Ok(())
}

fn demonstrate(out: &Path, losses: &[String]) -> Result<()> {
    let inputs = out.join("inputs");
    demo::make(&inputs, demo::LISTS, demo::HELD_OUT, 1)?;
    let mut runs = Vec::new();
    for loss in losses {
        let folder = out.join(loss);
        if folder.exists() {
            std::fs::remove_dir_all(&folder)?; // of an earlier demonstration
        }
        let arguments = demo::arguments(&inputs, &folder, loss);
        println!("\nfinetune {}", arguments.join(" "));
        let command = std::iter::once("finetune".to_owned()).chain(arguments);
        let Command::Train(job) = Finetune::try_parse_from(command)?.command else { continue };
        runs.push((loss.as_str(), job.run(&mut Progress::default())?.0));
    }
    let runs: Vec<_> = runs.iter().map(|(name, history)| (*name, history.as_slice())).collect();
    let picture = out.join("demo.svg");
    report::write_picture(&picture, &runs)?;
    println!();
    for (name, history) in &runs {
        let accuracy = |epoch: Option<&lipo_candle::train::Epoch>| {
            epoch.and_then(|epoch| epoch.held_out?.pair_accuracy).unwrap_or(f64::NAN)
        };
        let (first, last) = (accuracy(history.first()), accuracy(history.last()));
        println!("{name}: held-out pair accuracy from {first:.3} to {last:.3}");
    }
    println!("the picture is {}", picture.display());
    Ok(())
}
