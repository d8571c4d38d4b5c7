//! Strengths and labels from a file of votes.
//!
//!     cargo run --release --example votes -- [FILE|-] [--ties davidson] [--order-effect] …
//!
//! The file has a header, and its fields are separated by commas, semicolons, tabs or bars. A line is a
//! vote: two columns name what was compared, `left` what was shown first and `right` what was shown
//! second. A third, `winner`, says which won: by a word (`left`, `right`, `tie`, or the name of the
//! winner's column) or by the winner's name; or there are columns of 0 and 1 for it (`--one-hot`). Other
//! columns are passed over and may have any bytes; all names of columns and words are options:
//!
//!     votes -- arena.csv --left model_a --right model_b --tie 'tie,tie (bothbad)'
//!     votes -- kaggle.csv --left model_a --right model_b \
//!         --one-hot winner_model_a,winner_model_b,winner_tie
//!
//! `-` is standard input. Without a file a sample is read, `examples/data/votes.csv`: 336 made votes
//! among 8 responses, with ties and a bias to the left.
//!
//! It prints, for each item, its votes, its average win rate, its share of the Bradley–Terry
//! strengths, θ with its standard error, and ψ with a bootstrap interval; then the position bias, and
//! what fewer votes would have cost.
//!
//! With `--prompt COLUMN` the votes of each prompt are fitted by themselves: the items are the responses
//! to that prompt, and ψ are the labels of one list. As JSON, a line is a prompt with its `items` and
//! their `labels`, as `evaluate` reads them. A prompt has few votes, so that `--prior 1` is called for.

use std::error::Error;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use lipo::labels::{BradleyTerry, Prior, Ties};

mod reading;
mod report;
#[path = "../support/mod.rs"]
mod support;

use reading::read;
use report::Fitted;
use support::text::{self, Text};

type Anything<T> = Result<T, Box<dyn Error>>;

const SAMPLE: &str = include_str!("../data/votes.csv");

/// Strengths and labels from a file of votes.
#[derive(Parser)]
struct Args {
    /// The file to read; `-` is standard input, and without any a small sample is read
    #[arg(value_name = "FILE|-")]
    file: Option<PathBuf>,
    /// The character between fields, or `tab` [default: the one between the columns' names]
    #[arg(long, value_name = "CHARACTER", value_parser = delimiter)]
    delimiter: Option<u8>,
    /// Take quotes for characters as others are
    #[arg(long)]
    no_quotes: bool,
    /// The column that names what was shown first
    #[arg(long, value_name = "COLUMN", default_value = "left")]
    left: String,
    /// The column that names what was shown second
    #[arg(long, value_name = "COLUMN", default_value = "right")]
    right: String,
    /// The column that says which won
    #[arg(long, value_name = "COLUMN", default_value = "winner")]
    winner: String,
    /// In place of it, columns of 0 and 1: the first won, the second won and, if there is one, a tie
    #[arg(long, value_name = "COLUMN,…", value_delimiter = ',', conflicts_with = "winner")]
    one_hot: Vec<String>,
    /// The column that names the prompt to whose responses the items belong
    #[arg(long, value_name = "COLUMN")]
    prompt: Option<String>,
    /// A column of weights
    #[arg(long, value_name = "COLUMN")]
    weight: Option<String>,
    /// Words for a win of the first [default: left, and the name of its column]
    #[arg(long, value_name = "WORD,…", value_delimiter = ',')]
    left_wins: Vec<String>,
    /// Words for a win of the second [default: right, and the name of its column]
    #[arg(long, value_name = "WORD,…", value_delimiter = ',')]
    right_wins: Vec<String>,
    /// Words for a tie
    #[arg(long, value_name = "WORD,…", value_delimiter = ',', default_value = "tie")]
    tie: Vec<String>,
    /// The model of ties
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
    /// The seed of the bootstrap, and of the choice of votes that are left out
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

fn delimiter(text: &str) -> Result<u8, &'static str> {
    match text.as_bytes() {
        b"tab" | b"\\t" => Ok(b'\t'),
        &[byte] if byte.is_ascii() && !matches!(byte, b'"' | b'\n' | b'\r') => Ok(byte),
        _ => Err("neither `tab` nor one character of ASCII"),
    }
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

fn run(args: &Args, out: &mut String) -> Anything<()> {
    let named = |error: &dyn Error| match &args.file {
        Some(file) => format!("{}: {error}", file.display()),
        None => error.to_string(),
    };
    let text = read_text(args.file.as_deref()).map_err(|error| named(&error))?;
    let groups = read(&text, args).map_err(|error| named(&*error))?;
    if args.prompt.is_some() {
        return report::prompts(out, args, &groups);
    }
    let fitted = Fitted::new(&groups[0], args)?;
    match args.format {
        Format::Table => report::table(out, args, &fitted),
        Format::Json => report::json(out, &fitted),
    }
}

fn read_text(file: Option<&Path>) -> io::Result<Vec<u8>> {
    let Some(file) = file else { return Ok(SAMPLE.into()) };
    let (input, _) = text::open(file)?;
    let mut text = Vec::new();
    Text::new(input)?.read_to_end(&mut text)?;
    Ok(text)
}
