//! Strengths and labels from a file of votes.
//!
//!     cargo run --release --example votes -- [FILE] [--ties davidson] [--order-effect] …
//!
//! The file is CSV with a header. A line is a vote: two columns name what was compared, the one shown
//! first in `left`, a third says which won. Other columns are passed over, and all names of columns
//! and winners are options. Without a file a sample is read, `examples/data/votes.csv`: 336 made
//! votes among 8 responses, with ties and a bias to the left.
//!
//! It prints, for each item, its votes, its average win rate, its share of the Bradley–Terry
//! strengths, θ with its standard error, and ψ with a bootstrap interval; then the position bias, and
//! what fewer votes would have cost.

use std::collections::HashMap;
use std::error::Error;
use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use csv::{ReaderBuilder, StringRecord};
use lipo::labels::{
    Bootstrap, BradleyTerry, Comparison, Comparisons, Estimator, Fit, Outcome, Prior, Stopping,
    Ties, average_win_rate, averaged_over_orders, bootstrap, position_bias,
};
use ndarray::Array1;
use rand::{SeedableRng, rngs::StdRng, seq::SliceRandom};
use serde_json::json;

const SAMPLE: &str = include_str!("data/votes.csv");

/// Strengths and labels from a CSV file of votes.
#[derive(Parser)]
struct Args {
    /// The file to read; without any a small sample is read
    file: Option<PathBuf>,
    /// The column that names what was shown first
    #[arg(long, value_name = "COLUMN", default_value = "left")]
    left: String,
    /// The column that names what was shown second
    #[arg(long, value_name = "COLUMN", default_value = "right")]
    right: String,
    /// The column that says which won
    #[arg(long, value_name = "COLUMN", default_value = "winner")]
    winner: String,
    /// A column of weights
    #[arg(long, value_name = "COLUMN")]
    weight: Option<String>,
    /// What stands for a win of the first
    #[arg(long, value_name = "WORD,…", value_delimiter = ',', default_value = "left")]
    left_wins: Vec<String>,
    /// What stands for a win of the second
    #[arg(long, value_name = "WORD,…", value_delimiter = ',', default_value = "right")]
    right_wins: Vec<String>,
    /// What stands for a tie
    #[arg(long, value_name = "WORD,…", value_delimiter = ',', default_value = "tie")]
    tie: Vec<String>,
    /// What a tie is
    #[arg(long, value_enum, default_value_t = TieModel::HalfWins)]
    ties: TieModel,
    /// Fit an advantage of what is shown first
    #[arg(long)]
    order_effect: bool,
    /// Take strengths to be normal with this standard deviation beforehand
    #[arg(long, value_name = "σ")]
    prior: Option<f64>,
    /// Resamples of the bootstrap
    #[arg(long, default_value_t = 200)]
    resamples: usize,
    /// The seed of the bootstrap, and of which votes are left out
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// A table to look at, or JSON Lines with all digits
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

#[derive(Clone, Copy, ValueEnum)]
enum TieModel {
    HalfWins,
    Davidson,
    RaoKupper,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Format {
    Table,
    Json,
}

impl Args {
    fn model(&self) -> BradleyTerry {
        let mut model = BradleyTerry::default().ties(match self.ties {
            TieModel::HalfWins => Ties::HalfWins,
            TieModel::Davidson => Ties::Davidson,
            TieModel::RaoKupper => Ties::RaoKupper,
        });
        if self.order_effect {
            model = model.order_effect();
        }
        if let Some(deviation) = self.prior {
            model = model.prior(Prior::Gaussian(deviation));
        }
        model
    }
}

/// What was compared, by name and number, and the votes.
#[derive(Default)]
struct Votes {
    names: Vec<String>,
    numbers: HashMap<String, usize>,
    records: Vec<Comparison>,
}

struct Columns {
    left: usize,
    right: usize,
    winner: usize,
    weight: Option<usize>,
}

fn main() -> ExitCode {
    let mut out = String::new();
    let result = run(&Args::parse(), &mut out).and_then(|()| Ok(write_all(&out)?));
    let Err(error) = result else { return ExitCode::SUCCESS };
    let _ = writeln!(io::stderr(), "error: {error}");
    ExitCode::FAILURE
}

fn write_all(text: &str) -> io::Result<()> {
    match io::stdout().write_all(text.as_bytes()) {
        // Whoever reads it has seen enough, as `head` does.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

fn run(args: &Args, out: &mut String) -> Result<(), Box<dyn Error>> {
    let votes = match &args.file {
        None => Votes::read(SAMPLE.as_bytes(), args)?,
        Some(file) => {
            let named = |error: &dyn Error| format!("{}: {error}", file.display());
            let text = std::fs::read(file).map_err(|error| named(&error))?;
            Votes::read(&text, args).map_err(|error| named(&*error))?
        }
    };
    let all = Comparisons::from_records(votes.names.len(), votes.records.iter().copied())?;
    let model = args.model();
    let fit = model.fit(&all).map_err(|error| votes.with_names(&error))?;
    match args.format {
        Format::Table => {
            print_items(out, args, &votes, &all, &fit)?;
            print_bias(out, args, &all, &fit)?;
            print_partial(out, args, &votes, &fit)
        }
        Format::Json => print_json(out, &votes, &all, &fit),
    }
}

impl Votes {
    fn read(text: &[u8], args: &Args) -> Result<Self, Box<dyn Error>> {
        // Records of another length are told from here, with the line they stand in.
        let mut reader = ReaderBuilder::new().flexible(true).from_reader(text);
        let header = reader.headers()?.clone();
        let column = |name: &str| {
            let place = header.iter().position(|field| field == name);
            place.ok_or_else(|| format!("no column {name:?}, but {:?}", Vec::from_iter(&header)))
        };
        let columns = Columns {
            left: column(&args.left)?,
            right: column(&args.right)?,
            winner: column(&args.winner)?,
            weight: args.weight.as_deref().map(column).transpose()?,
        };
        let mut votes = Self::default();
        let mut record = StringRecord::new();
        loop {
            let start = reader.position().byte();
            let vote = match reader.read_record(&mut record) {
                Ok(false) if votes.records.is_empty() => return Err("there are no votes".into()),
                Ok(false) => return Ok(votes),
                Ok(true) if record.len() == header.len() => votes.vote(&record, &columns, args),
                Ok(true) => Err(format!("{} fields under {} columns", record.len(), header.len())),
                Err(error) => Err(match error.kind() {
                    csv::ErrorKind::Utf8 { err, .. } => err.to_string(),
                    _ => error.to_string(),
                }),
            };
            let wrong = |what| format!("line {}: {what}", line_of_record(text, start));
            votes.records.push(vote.map_err(wrong)?);
        }
    }

    fn vote(
        &mut self,
        record: &StringRecord,
        columns: &Columns,
        args: &Args,
    ) -> Result<Comparison, String> {
        let outcome = Self::outcome(&record[columns.winner], args)?;
        let first = self.number(record, columns.left)?;
        let second = self.number(record, columns.right)?;
        if first == second {
            return Err(format!("{:?} is compared with itself", self.names[first]));
        }
        let weight = columns.weight.map_or(Ok(1.0), |column| parse_weight(&record[column]))?;
        Ok(Comparison::new(first, second, outcome).weight(weight))
    }

    fn outcome(word: &str, args: &Args) -> Result<Outcome, String> {
        let words = [
            (&args.left_wins, Outcome::First),
            (&args.right_wins, Outcome::Second),
            (&args.tie, Outcome::Tie),
        ];
        let known = words.iter().find(|(words, _)| words.iter().any(|known| known == word));
        known.map(|&(_, outcome)| outcome).ok_or_else(|| format!("{word:?} says of no winner"))
    }

    /// The number of a name; new names get the next one.
    fn number(&mut self, record: &StringRecord, column: usize) -> Result<usize, String> {
        let name = &record[column];
        if name.is_empty() {
            return Err(format!("nothing is named in column {}", column + 1));
        }
        if let Some(&number) = self.numbers.get(name) {
            return Ok(number);
        }
        self.numbers.insert(name.to_owned(), self.names.len());
        self.names.push(name.to_owned());
        Ok(self.names.len() - 1)
    }

    /// An error that names items, not their numbers.
    fn with_names(&self, error: &lipo::Error) -> Box<dyn Error> {
        let (lipo::Error::Unconnected { parts } | lipo::Error::Separable { parts }) = error else {
            return error.clone().into();
        };
        let text = error.to_string();
        let what = text.split(':').next().unwrap_or_default();
        let mut text = format!("{what} (--prior 1 would make strengths finite):");
        for part in parts {
            let names: Vec<&str> = part.iter().map(|&item| &*self.names[item]).collect();
            text.push_str("\n  ");
            text.push_str(&names.join(", "));
        }
        text.into()
    }
}

/// The line of the record that is read from `start` on, blank lines being passed over.
fn line_of_record(text: &[u8], start: u64) -> usize {
    let start = usize::try_from(start).unwrap_or(usize::MAX).min(text.len());
    let blank = text[start..].iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
    text[..start + blank].split(|&byte| byte == b'\n').count()
}

fn parse_weight(field: &str) -> Result<f64, String> {
    let weight: Result<f64, _> = field.trim().parse();
    let weight = weight.map_err(|_| format!("the weight {field:?} is no number"))?;
    let fine = weight.is_finite() && weight >= 0.0;
    fine.then_some(weight).ok_or_else(|| format!("the weight {weight} is not finite and ≥ 0"))
}

fn best_first(fit: &Fit) -> Vec<usize> {
    let mut order = Vec::new();
    lipo::ranking::argsort_descending(&fit.strengths.to_vec(), &mut order);
    order
}

/// The win rates, or none of them where comparisons do not link all items.
fn win_rates(all: &Comparisons) -> Vec<Option<f64>> {
    average_win_rate(all)
        .map_or(vec![None; all.items()], |rates| rates.iter().copied().map(Some).collect())
}

fn print_items(
    out: &mut String,
    args: &Args,
    votes: &Votes,
    all: &Comparisons,
    fit: &Fit,
) -> Result<(), Box<dyn Error>> {
    let model = args.model();
    let rates = win_rates(all);
    let shares = fit.shares();
    let errors = model.information(all, fit)?.standard_errors()?;
    let psi: Array1<f64> = fit.labels();
    let intervals = resampled(args, all, fit)?;
    let mut counts = vec![0; all.items()];
    for vote in &votes.records {
        counts[vote.first] += 1;
        counts[vote.second] += 1;
    }
    let width = votes.names.iter().map(|name| name.chars().count()).max().unwrap_or(0).max(4);
    writeln!(
        out,
        "{:width$}  {:>6}  {:>9}  {:>9}  {:>8}  {:>7}  {:>7}  95 % of ψ",
        "item", "votes", "win rate", "share", "θ", "± s.e.", "ψ"
    )?;
    for item in best_first(fit) {
        let rate = rates[item].map_or("—".to_owned(), |rate| format!("{rate:.7}"));
        writeln!(
            out,
            "{:width$}  {:>6}  {rate:>9}  {:>9.7}  {:>8.4}  {:>7.4}  {:>7.4}  {:.4} to {:.4}",
            votes.names[item],
            counts[item],
            shares[item],
            fit.strengths[item],
            errors[item],
            psi[item],
            intervals.low[item],
            intervals.high[item],
        )?;
    }
    let (count, items, pairs) = (votes.records.len(), all.items(), all.pairs().len());
    writeln!(
        out,
        "\n{count} votes among {items} items, on {pairs} ordered pairs; ties: {:?}",
        fit.ties
    )?;
    let (iterations, residual) = (fit.convergence.iterations, fit.convergence.residual);
    writeln!(
        out,
        "converged in {iterations} iterations; the next step would be {residual:.1e} in θ"
    )?;
    if let Some(error) = &intervals.first_failure {
        let (failed, of) = (intervals.failures, args.resamples);
        writeln!(
            out,
            "intervals: {failed} of {of} resamples have no estimate; the first: {error}"
        )?;
    }
    Ok(())
}

/// Intervals of ψ. Resamples scatter by far more than the tolerance of their fits.
fn resampled(args: &Args, votes: &Comparisons, fit: &Fit) -> Result<Bootstrap, lipo::Error> {
    let model = args.model().stopping(Stopping::new(1e-5, 1000));
    bootstrap(votes, args.resamples, 0.95, args.seed, |votes| {
        Ok(model.fit_from(votes, fit)?.labels())
    })
}

fn print_bias(
    out: &mut String,
    args: &Args,
    all: &Comparisons,
    fit: &Fit,
) -> Result<(), Box<dyn Error>> {
    let averaged = averaged_over_orders(all)?;
    let (before, after) = (averaged.before, averaged.after);
    writeln!(out, "\nposition bias              before  orders averaged")?;
    let (both, one) = (before.both_orders, before.one_order);
    writeln!(out, "  pairs in both orders     {both:>6}  (in one order only: {one})")?;
    let rows = [
        ("first wins − losses", before.first_advantage, after.first_advantage),
        ("mean asymmetry", before.mean_asymmetry, after.mean_asymmetry),
        ("greatest asymmetry", before.greatest_asymmetry, after.greatest_asymmetry),
    ];
    for (what, before, after) in rows {
        writeln!(out, "  {what:<22} {before:>8.4}  {after:>8.4}")?;
    }
    let left = fit.unexplained_advantage(all)?;
    if args.order_effect {
        let error = args.model().information(all, fit)?.standard_error_of_order_effect()?;
        let (effect, error) = (fit.order_effect, error.unwrap_or(0.0));
        writeln!(
            out,
            "  order effect δ = {effect:.4} ± {error:.4}; it leaves {left:.4} unexplained"
        )?;
    } else {
        writeln!(out, "  unexplained by strengths {left:>6.4}; --order-effect fits it")?;
    }
    Ok(())
}

/// ψ from a random part of the votes, against ψ from all of them.
fn print_partial(
    out: &mut String,
    args: &Args,
    votes: &Votes,
    fit: &Fit,
) -> Result<(), Box<dyn Error>> {
    let model = args.model();
    let psi: Array1<f64> = fit.labels();
    writeln!(out, "\nψ from fewer votes         error (root mean square, greatest)   expected")?;
    let mut order = votes.records.clone();
    order.shuffle(&mut StdRng::seed_from_u64(args.seed));
    for part in [2, 4, 8] {
        let some = &order[..order.len() / part];
        let some = Comparisons::from_records(votes.names.len(), some.iter().copied())?;
        let count = votes.records.len() / part;
        let Ok(fit) = model.fit(&some) else {
            writeln!(out, "  {count:>6}, 1/{part} of all        too few to fit without --prior")?;
            continue;
        };
        let partial: Array1<f64> = fit.labels();
        let errors = &partial - &psi;
        let spread = resampled(args, &some, &fit)?;
        // All votes have an error of their own, in which the part shares.
        let expected = root_mean_square(&spread.standard_errors) * (1.0 - 1.0 / part as f64).sqrt();
        let greatest = errors.iter().fold(0.0_f64, |most, error| most.max(error.abs()));
        let rms = root_mean_square(&errors);
        writeln!(
            out,
            "  {count:>6}, 1/{part} of all        {rms:.4}, {greatest:.4}    {expected:>30.4}"
        )?;
    }
    Ok(())
}

fn root_mean_square(errors: &Array1<f64>) -> f64 {
    (errors.iter().map(|error| error * error).sum::<f64>() / errors.len() as f64).sqrt()
}

fn print_json(
    out: &mut String,
    votes: &Votes,
    all: &Comparisons,
    fit: &Fit,
) -> Result<(), Box<dyn Error>> {
    let rates = win_rates(all);
    let shares = fit.shares();
    let psi: Array1<f64> = fit.labels();
    for item in best_first(fit) {
        let row = json!({
            "item": votes.names[item],
            "average_win_rate": rates[item],
            "bradley_terry": shares[item],
            "theta": fit.strengths[item],
            "psi": psi[item],
        });
        writeln!(out, "{row}")?;
    }
    let bias = position_bias(all);
    let row = json!({
        "votes": votes.records.len(),
        "order_effect": fit.order_effect,
        "mean_asymmetry": bias.mean_asymmetry,
        "unexplained_advantage": fit.unexplained_advantage(all)?,
    });
    writeln!(out, "{row}")?;
    Ok(())
}
