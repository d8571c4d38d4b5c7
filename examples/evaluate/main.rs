//! The losses of lists of ranked responses, read from JSON Lines, and their gradients.
//!
//!     cargo run --release --example evaluate -- [FILE|-] [--loss NAME|all] [--format json] …
//!
//! Without a file it reads the sample `examples/data/ranked_responses.jsonl`; `-` is standard input.
//! A line is a list of K responses. It has `scores`, or the log-probabilities `policy_logps` and
//! `ref_logps` that make them, and `labels`, or the `ranks` (1 is best, ties allowed) or
//! `win_probabilities` (K rows of K) that make them:
//!
//!     {"scores": [0.31, 0.18], "labels": [1.0, 0.25]}
//!     {"policy_logps": [-38.5, -20.5], "ref_logps": [-47.25, -22.0], "ranks": [1, 2], "weight": 2}
//!
//! It may have a `mask` (K booleans, false where there is no response: anything may stand there),
//! `weights` of the responses and a `weight` of the list. Other fields are passed over. `NaN`,
//! `Infinity` and `-Infinity`, which Python writes though JSON has no such numbers, may stand wherever
//! nothing is read: at masked responses and in fields that are passed over.
//!
//! A line that is no list ends the run, or is told on stderr and passed over with `--skip-bad`. A list
//! may be outside a loss's domain (labels of the sigmoid loss are probabilities): the summary is over
//! the other lists, and says of how many lists the loss has no value. A loss without a value on any list
//! shows – (null in JSON). The exit code is 0 only if there was a list, and every loss has a value on
//! every list that was not passed over.

use std::error::Error;
use std::fmt::Write as _;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, ValueEnum, builder::PossibleValuesParser};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use lipo::losses::{Loss, LossExt, Reduction, Total, Workspace};
use lipo::scores::ImplicitReward;
use ndarray::{Array0, aview_mut1};

mod output;
mod record;
#[path = "../support/mod.rs"]
mod support;

use output::{Output, Row};
use record::{List, Number};
use support::named;
use support::text::{self, Lines};

const SAMPLE: &str = include_str!("../data/ranked_responses.jsonl");

/// Values and gradients of ranking losses, for lists of ranked responses in JSON Lines.
#[derive(Parser)]
struct Args {
    /// The file to read; `-` is standard input, and without any a small sample is read
    #[arg(value_name = "FILE|-")]
    file: Option<PathBuf>,
    /// The loss to evaluate
    #[arg(long, value_name = "NAME", default_value = "all", value_parser = loss_names())]
    loss: String,
    /// β of the scores β·(policy_logps − ref_logps)
    #[arg(long, default_value = "0.05", value_parser = reward, allow_negative_numbers = true)]
    beta: ImplicitReward,
    /// How the summary puts the values of the lists together
    #[arg(long, value_enum, default_value_t = Reduce::Mean)]
    reduction: Reduce,
    /// The floating-point type to read, compute and print in
    #[arg(long, value_enum, default_value_t = Precision::F64)]
    precision: Precision,
    /// A table to look at, or JSON Lines whose numbers keep all their bits
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// Print the summary alone, without a row for each list
    #[arg(long)]
    summary_only: bool,
    /// Pass over lines that are no lists, and lists outside the domain of the only loss
    #[arg(long)]
    skip_bad: bool,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Reduce {
    Mean,
    Sum,
    MeanOverTerms,
    None,
}

#[derive(Clone, Copy, ValueEnum)]
enum Precision {
    F32,
    F64,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Format {
    Table,
    Json,
}

fn loss_names() -> PossibleValuesParser {
    PossibleValuesParser::new(named::LOSSES.into_iter().chain(["all"]))
}

fn reward(beta: &str) -> Result<ImplicitReward, Box<dyn Error + Send + Sync>> {
    Ok(ImplicitReward::new(beta.parse()?)?)
}

fn main() -> ExitCode {
    let args = Args::parse();
    if args.summary_only && args.reduction == Reduce::None {
        let problem = "--summary-only with --reduction none leaves nothing to print\n";
        Args::command().error(ErrorKind::ArgumentConflict, problem).exit();
    }
    let result = match args.precision {
        Precision::F32 => evaluate::<f32>(&args),
        Precision::F64 => evaluate::<f64>(&args),
    };
    let Err(error) = result else { return ExitCode::SUCCESS };
    let pipe = |error: &io::Error| error.kind() == io::ErrorKind::BrokenPipe;
    if error.downcast_ref().is_some_and(pipe) {
        return ExitCode::SUCCESS; // whoever reads the rows has seen enough, as `head` does
    }
    let _ = writeln!(io::stderr(), "error: {error}");
    ExitCode::FAILURE
}

/// A loss, and what has become of the lists under it.
struct Tally {
    name: &'static str,
    loss: Box<dyn Loss>,
    total: Total,
    /// The number of lists that the loss has no value of.
    failed: u64,
    /// The line of the first of them, and why.
    first_failure: String,
}

/// An error of type `io::Error` is one of the output; what is wrong with the input is a `String`.
fn evaluate<F: Number>(args: &Args) -> Result<(), Box<dyn Error>> {
    let (lines, progress) = open(args.file.as_deref())?;
    let asked = named::LOSSES.into_iter().filter(|name| args.loss == "all" || args.loss == *name);
    let tally = |name| Tally {
        name,
        loss: named::loss(name),
        total: Total::default(),
        failed: 0,
        first_failure: String::new(),
    };
    let mut tallies: Vec<_> = asked.map(tally).collect();
    let mut output = Output::new(args.format);
    let result = evaluate_lists::<F>(lines, args, &mut tallies, &mut output, &progress);
    progress.finish_and_clear();
    output.out.flush()?; // the rows before a malformed line too
    let lists = result?;

    let (reduction, name) = match args.reduction {
        Reduce::Mean => (Reduction::MeanOverLists, "mean"),
        Reduce::Sum => (Reduction::Sum, "sum"),
        Reduce::MeanOverTerms => (Reduction::MeanOverTerms, "mean-over-terms"),
        Reduce::None => return whole(lists, &tallies),
    };
    output.summaries_have_failures = tallies.iter().any(|tally| tally.failed > 0);
    for &Tally { name: loss, total, failed, .. } in &tallies {
        // The library's mean over no list is 0, which is not what a reader would take it for.
        let value = (total.lists() > 0).then(|| total.reduce::<F>(reduction));
        let lists = total.lists();
        output.write(&Row::Summary { loss, reduction: name, value, lists, failed })?;
    }
    output.out.flush()?;
    whole(lists, &tallies)
}

/// An error that says what has no value, if anything has none.
fn whole(lists: u64, tallies: &[Tally]) -> Result<(), Box<dyn Error>> {
    if lists == 0 {
        return Err("there is no list".into());
    }
    let failed: Vec<_> = tallies.iter().filter(|tally| tally.failed > 0).collect();
    if failed.is_empty() {
        let empty = tallies.iter().all(|tally| tally.total.lists() == 0);
        return if empty { Err("no list has a response".into()) } else { Ok(()) };
    }
    let mut text = "lists without a value:".to_owned();
    for Tally { name, failed, first_failure, .. } in failed {
        write!(text, "\n  {name}: {failed} of {lists}, the first on {first_failure}")?;
    }
    Err(text.into())
}

/// Evaluates every list and returns their number.
fn evaluate_lists<F: Number>(
    mut lines: Input,
    args: &Args,
    tallies: &mut [Tally],
    output: &mut Output,
    progress: &ProgressBar,
) -> Result<u64, Box<dyn Error>> {
    let stop_at_failure = tallies.len() == 1 && !args.skip_bad;
    let mut bad_lines = BadLines { skip: args.skip_bad, count: 0, progress };
    let (mut workspace, mut count) = (Workspace::default(), 0);
    let (mut value, mut grad) = (Array0::<F>::default(()), Vec::new());
    loop {
        let next = lines.next().map_err(|error| format!("reading: {error}"))?;
        let Some(text) = next else { break };
        if text.trim_ascii().is_empty() {
            continue;
        }
        let list = List::<F>::read(text, args.beta);
        let line = lines.number();
        let list = match list {
            Ok(list) => list,
            Err(problem) => {
                bad_lines.push(line, &problem)?;
                continue;
            }
        };
        let lists = match list.lists() {
            Ok(lists) => lists,
            Err(error) => {
                bad_lines.push(line, &list.in_words(&error))?;
                continue;
            }
        };
        count += 1;
        grad.resize(list.len(), F::zero());
        for tally in &mut *tallies {
            let (loss, grad_out) = (tally.name, &mut aview_mut1(&mut grad));
            match tally.loss.per_list_into(&lists, &mut value, grad_out, &mut workspace) {
                Ok(total) => {
                    tally.total = tally.total.merge(total);
                    if !args.summary_only {
                        output.write(&Row::List { line, loss, value: value[()], grad: &grad })?;
                    }
                }
                Err(error) => {
                    let error = list.in_words(&error);
                    if stop_at_failure {
                        return Err(at_line(line, &error).into());
                    }
                    if tally.failed == 0 {
                        tally.first_failure = at_line(line, &error);
                    }
                    tally.failed += 1;
                    if !args.summary_only {
                        output.write::<F>(&Row::Error { line, loss, error })?;
                    }
                }
            }
        }
        if output.out.buffer().len() > Output::CHUNK {
            progress.suspend(|| output.out.flush())?;
        }
    }
    bad_lines.say_how_many();
    Ok(count)
}

fn at_line(line: u64, problem: &str) -> String {
    format!("line {line}: {problem}")
}

/// The lines that are no lists: the first one ends the run, or they are passed over.
struct BadLines<'a> {
    skip: bool,
    count: u64,
    progress: &'a ProgressBar,
}

impl BadLines<'_> {
    /// How many are told one by one.
    const TOLD: u64 = 10;

    fn push(&mut self, line: u64, problem: &str) -> Result<(), String> {
        if !self.skip {
            return Err(at_line(line, problem));
        }
        self.count += 1;
        if self.count <= Self::TOLD {
            let tell = || writeln!(io::stderr(), "passed over: {}", at_line(line, problem));
            let _ = self.progress.suspend(tell);
        }
        Ok(())
    }

    fn say_how_many(&self) {
        if self.count > 0 {
            let say = || writeln!(io::stderr(), "lines passed over: {}", self.count);
            let _ = self.progress.suspend(say);
        }
    }
}

type Input = Lines<Box<dyn BufRead>>;

/// The lines to read, and the progress through them on stderr (nothing where it is no terminal).
fn open(file: Option<&Path>) -> Result<(Input, ProgressBar), Box<dyn Error>> {
    let Some(path) = file else {
        let sample: Box<dyn BufRead> = Box::new(SAMPLE.as_bytes());
        return Ok((Lines::new(sample)?, ProgressBar::hidden()));
    };
    // As a `String`: an `io::Error` is one of the output.
    let named = |error: io::Error| format!("{}: {error}", path.display());
    let (input, length) = text::open(path).map_err(named)?;
    let template = match length {
        Some(_) => "{bar:40} {bytes} of {total_bytes}, {eta} left",
        None => "{spinner} {bytes} read, {bytes_per_sec}",
    };
    let terminal = ProgressDrawTarget::stderr();
    let progress = ProgressBar::with_draw_target(length, terminal)
        .with_style(ProgressStyle::with_template(template)?);
    let input: Box<dyn BufRead> = Box::new(BufReader::new(progress.wrap_read(input)));
    Ok((Lines::new(input).map_err(named)?, progress))
}
