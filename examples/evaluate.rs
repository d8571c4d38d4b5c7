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
//! `weights` of the responses and a `weight` of the list. Other fields are passed over.

use std::error::Error;
use std::fmt::Display;
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Read, StdoutLock, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, ValueEnum, builder::PossibleValuesParser};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use lipo::losses::{
    LambdaLoss, ListMle, Loss, LossExt, PairHinge, PairLogistic, PointMse, PointSigmoid, Reduction,
    Softmax, Total, Workspace,
};
use lipo::{Lists, Real, labels, scores::ImplicitReward};
use ndarray::{Array0, Array1, Array2, arr0, aview_mut1};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

const SAMPLE: &str = include_str!("data/ranked_responses.jsonl");

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
    /// What the values of the lists become in the summary
    #[arg(long, value_enum, default_value_t = Reduce::Mean)]
    reduction: Reduce,
    /// The floating-point type to read, compute and print in
    #[arg(long, value_enum, default_value_t = Precision::F64)]
    precision: Precision,
    /// A table to look at, or JSON Lines whose numbers keep all their bits
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

#[derive(Clone, Copy, ValueEnum)]
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

/// Every loss by its name in the paper; a loss of your own is one more line.
fn losses() -> Vec<(&'static str, Box<dyn Loss>)> {
    vec![
        ("point-mse", Box::new(PointMse)),
        ("point-sigmoid", Box::new(PointSigmoid)),
        ("pair-hinge", Box::new(PairHinge)),
        ("pair-logistic", Box::new(PairLogistic)),
        ("list-mle", Box::new(ListMle)),
        ("softmax", Box::new(Softmax)),
        ("lambda-loss", Box::new(LambdaLoss)),
    ]
}

fn loss_names() -> PossibleValuesParser {
    PossibleValuesParser::new(losses().into_iter().map(|(name, _)| name).chain(["all"]))
}

fn reward(beta: &str) -> Result<ImplicitReward, Box<dyn Error + Send + Sync>> {
    Ok(ImplicitReward::new(beta.parse()?)?)
}

fn main() -> ExitCode {
    let args = Args::parse();
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

/// `f32` or `f64`, read from JSON and written to it.
trait Number: Real + Default + DeserializeOwned + Serialize {}
impl Number for f32 {}
impl Number for f64 {}

/// An error of type `io::Error` is one of the output; what is wrong with the input is a `String`.
fn evaluate<F: Number>(args: &Args) -> Result<(), Box<dyn Error>> {
    let (input, progress) = open(args.file.as_deref())?;
    let asked = losses().into_iter().filter(|(name, _)| args.loss == "all" || args.loss == *name);
    let mut losses: Vec<_> = asked.map(|(name, loss)| (name, loss, Total::default())).collect();
    let mut output = Output::new(args.format);
    let result = evaluate_lists::<F>(input, args.beta, &mut losses, &mut output, &progress);
    progress.finish_and_clear();
    output.out.flush()?; // the rows before a malformed line too
    result?;

    let (reduction, name) = match args.reduction {
        Reduce::Mean => (Reduction::MeanOverLists, "mean"),
        Reduce::Sum => (Reduction::Sum, "sum"),
        Reduce::MeanOverTerms => (Reduction::MeanOverTerms, "mean-over-terms"),
        Reduce::None => return Ok(()),
    };
    for (loss, _, total) in losses {
        let (value, lists) = (total.reduce::<F>(reduction), total.lists());
        output.write(&Row::Summary { loss, reduction: name, value, lists })?;
    }
    Ok(output.out.flush()?)
}

fn evaluate_lists<F: Number>(
    mut input: impl BufRead,
    reward: ImplicitReward,
    losses: &mut [(&'static str, Box<dyn Loss>, Total)],
    output: &mut Output,
    progress: &ProgressBar,
) -> Result<(), Box<dyn Error>> {
    let only_one = losses.len() == 1;
    let (mut bytes, mut workspace) = (Vec::new(), Workspace::default());
    let (mut value, mut grad) = (Array0::<F>::default(()), Vec::new());
    for line in 1.. {
        let at_line = |problem: &dyn Display| format!("line {line}: {problem}");
        bytes.clear();
        if input.read_until(b'\n', &mut bytes).map_err(|error| at_line(&error))? == 0 {
            break;
        }
        let text = bytes.trim_ascii_end();
        if text.is_empty() {
            continue;
        }
        let list = Record::parse(text).and_then(|record| record.into_list(reward));
        let list = list.map_err(|problem| at_line(&problem))?;
        let in_words = |error| in_words::<F>(&error, list.scores_from);

        let lists = Lists::dense(&list.scores, &list.labels).mask(&list.mask);
        let lists = lists.weights(&list.weights).list_weights(&list.weight).build();
        let lists = lists.map_err(|error| at_line(&in_words(error)))?;
        grad.resize(list.scores.len(), F::zero());
        for &mut (loss, ref function, ref mut total) in &mut *losses {
            let grad_out = &mut aview_mut1(&mut grad);
            match function.per_list_into(&lists, &mut value, grad_out, &mut workspace) {
                Ok(of_list) => {
                    *total = total.merge(of_list);
                    output.write(&Row::List { line, loss, value: value[()], grad: &grad })?;
                }
                Err(error) if only_one => return Err(at_line(&in_words(error)).into()),
                Err(error) => {
                    output.write::<F>(&Row::Error { line, loss, error: in_words(error) })?;
                }
            }
        }
        if output.out.buffer().len() > Output::CHUNK {
            progress.suspend(|| output.out.flush())?;
        }
    }
    Ok(())
}

/// The lines to read, and the progress through them on stderr (nothing where it is no terminal).
fn open(file: Option<&Path>) -> Result<(Box<dyn BufRead>, ProgressBar), String> {
    let Some(path) = file else {
        return Ok((Box::new(SAMPLE.as_bytes()), ProgressBar::hidden()));
    };
    let (input, length): (Box<dyn Read>, _) = if path == Path::new("-") {
        (Box::new(io::stdin().lock()), None)
    } else {
        let in_words = |error| format!("{}: {error}", path.display());
        let file = File::open(path).map_err(in_words)?;
        let metadata = file.metadata().map_err(in_words)?;
        (Box::new(file), metadata.is_file().then_some(metadata.len()))
    };
    let template = match length {
        Some(_) => "{bar:40} {bytes} of {total_bytes}, {eta} left",
        None => "{spinner} {bytes} read, {bytes_per_sec}",
    };
    let style = ProgressStyle::with_template(template).map_err(|error| error.to_string())?;
    let terminal = ProgressDrawTarget::stderr();
    let progress = ProgressBar::with_draw_target(length, terminal).with_style(style);
    Ok((Box::new(BufReader::new(progress.wrap_read(input))), progress))
}

/// A line: each number stays as it stands until the mask says whether it must be one.
#[derive(Deserialize)]
#[serde(bound(deserialize = "'de: 'a, F: Number"))]
struct Record<'a, F> {
    #[serde(default, deserialize_with = "given")]
    scores: Option<Vec<&'a RawValue>>,
    #[serde(default, deserialize_with = "given")]
    policy_logps: Option<Vec<&'a RawValue>>,
    #[serde(default, deserialize_with = "given")]
    ref_logps: Option<Vec<&'a RawValue>>,
    #[serde(default, deserialize_with = "given")]
    labels: Option<Vec<&'a RawValue>>,
    #[serde(default, deserialize_with = "given")]
    ranks: Option<Vec<&'a RawValue>>,
    #[serde(default, deserialize_with = "given")]
    win_probabilities: Option<Vec<&'a RawValue>>,
    #[serde(default, deserialize_with = "given")]
    mask: Option<Vec<bool>>,
    #[serde(default, deserialize_with = "given")]
    weights: Option<Vec<&'a RawValue>>,
    #[serde(default, deserialize_with = "given")]
    weight: Option<F>,
}

/// `Option` by itself would take null for a field that is missing.
fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(json: D) -> Result<Option<T>, D::Error> {
    T::deserialize(json).map(Some)
}

/// A list as the losses take it.
struct List<F> {
    scores: Array1<F>,
    /// The field to name where a score is wrong.
    scores_from: &'static str,
    labels: Array1<F>,
    mask: Array1<bool>,
    weights: Array1<F>,
    weight: Array0<F>,
}

impl<'a, F: Number> Record<'a, F> {
    fn parse(line: &'a [u8]) -> Result<Self, String> {
        let line = std::str::from_utf8(line).map_err(|error| error.to_string())?;
        if !line.trim_start().starts_with('{') {
            return Err("not a JSON object".into()); // serde would take an array for the fields
        }
        serde_json::from_str(line).map_err(|error| {
            // Once more, slower, to learn in which field it is.
            let json = &mut serde_json::Deserializer::from_str(line);
            let tracked = serde_path_to_error::deserialize::<_, Self>(json);
            let path = tracked.err().map(|error| error.path().to_string());
            let field = path.filter(|path| path != ".").map(|path| path + ": ").unwrap_or_default();
            format!("{field}{} (column {})", message(&error), error.column())
        })
    }

    fn into_list(self, reward: ImplicitReward) -> Result<List<F>, String> {
        let (scores_from, scores) =
            one_of([("scores", &self.scores), ("policy_logps", &self.policy_logps)])?;
        let (labels_from, labels) = one_of([
            ("labels", &self.labels),
            ("ranks", &self.ranks),
            ("win_probabilities", &self.win_probabilities),
        ])?;
        if self.policy_logps.is_some() != self.ref_logps.is_some() {
            return Err("policy_logps and ref_logps: one needs the other".into());
        }
        let size = scores.len();
        let mask = Array1::from(self.mask.unwrap_or_else(|| vec![true; size]));
        check_length("mask", mask.len(), size)?;
        let in_words = |error| in_words::<F>(&error, scores_from);

        let mut scores = numbers(scores_from, scores, &mask)?;
        if let Some(reference) = self.ref_logps {
            let reference = numbers("ref_logps", &reference, &mask)?;
            scores = reward.scores_masked(&scores, &reference, &mask).map_err(in_words)?;
        }
        let labels = match labels_from {
            "win_probabilities" => {
                check_length(labels_from, labels.len(), size)?;
                let mut wins = Array2::zeros((size, size));
                for k in (0..size).filter(|&k| mask[k]) {
                    let place = format!("{labels_from}[{k}]");
                    let row = parse::<Vec<_>>(&place, labels[k])?;
                    wins.row_mut(k).assign(&numbers(&place, &row, &mask)?);
                }
                labels::from_win_probabilities_masked(&wins, &mask).map_err(in_words)?
            }
            "ranks" => {
                let (ranks, mut psi) = (numbers("ranks", labels, &mask)?, Array1::zeros(size));
                labels::from_ranks_into(&ranks, Some(&mask), &mut psi).map_err(in_words)?;
                psi
            }
            _ => numbers("labels", labels, &mask)?,
        };
        let weights = match self.weights {
            Some(weights) => numbers("weights", &weights, &mask)?,
            None => Array1::ones(size),
        };
        let weight = arr0(self.weight.unwrap_or(F::one()));
        Ok(List { scores, scores_from, labels, mask, weights, weight })
    }
}

/// The one field that is given, and its entries.
fn one_of<'r, 'a, const N: usize>(
    fields: [(&'static str, &'r Option<Vec<&'a RawValue>>); N],
) -> Result<(&'static str, &'r [&'a RawValue]), String> {
    let given = fields.iter().filter_map(|&(name, entries)| Some((name, entries.as_deref()?)));
    let (given, entries): (Vec<_>, Vec<_>) = given.unzip();
    match (&given[..], &entries[..]) {
        (&[field], &[entries]) => Ok((field, entries)),
        ([], _) => Err(format!("{}: missing", fields.map(|(name, _)| name).join(" or "))),
        _ => Err(format!("{}: only one may be given", given.join(" and "))),
    }
}

/// The entries of the responses that exist, and 0 in place of whatever the others have.
fn numbers<F: Number>(
    field: &str,
    entries: &[&RawValue],
    mask: &Array1<bool>,
) -> Result<Array1<F>, String> {
    check_length(field, entries.len(), mask.len())?;
    let mut numbers = Array1::zeros(mask.len());
    for k in (0..mask.len()).filter(|&k| mask[k]) {
        numbers[k] = parse(format_args!("{field}[{k}]"), entries[k])?;
    }
    Ok(numbers)
}

fn check_length(field: &str, length: usize, size: usize) -> Result<(), String> {
    if length == size {
        return Ok(());
    }
    Err(format!("{field}: length {length} in a list of {size} responses"))
}

fn parse<'a, T: Deserialize<'a>>(place: impl Display, json: &'a RawValue) -> Result<T, String> {
    serde_json::from_str(json.get()).map_err(|error| format!("{place}: {}", message(&error)))
}

/// What serde_json says, in JSON's terms and without where: it calls every line line 1.
fn message(error: &serde_json::Error) -> String {
    let end = format!(" at line {} column {}", error.line(), error.column());
    let message = error.to_string().replace("expected a sequence", "expected an array");
    message.strip_suffix(&end).unwrap_or(&message).to_owned()
}

/// The library's error in the names of the fields.
fn in_words<F: Number>(error: &lipo::Error, scores_from: &str) -> String {
    use lipo::Error::{NotFinite, OutOfRange, Spread};
    let place = |what, index: &[usize]| {
        let field = match what {
            "policy log-probabilities" => "policy_logps",
            "reference log-probabilities" => "ref_logps",
            "win probabilities" => "win_probabilities",
            "list weights" => "weight",
            "scores" => scores_from,
            other => other,
        };
        index.iter().fold(field.to_owned(), |place, index| format!("{place}[{index}]"))
    };
    match error {
        OutOfRange { what, index, value, range } => {
            format!("{}: {:?} is not {range}", place(what, index), F::narrow(*value))
        }
        // JSON cannot say so: it is what became of log-probabilities.
        NotFinite { what, index, value } => format!("{}: its score is {value}", place(what, index)),
        Spread { least, greatest, .. } => {
            let (least, greatest) = (F::narrow(*least), F::narrow(*greatest));
            format!("{scores_from}: the scores {greatest:?} and {least:?} are too far apart")
        }
        other => other.to_string(),
    }
}

/// What is written: in JSON an object with these keys in this order.
#[derive(Serialize)]
#[serde(untagged)]
enum Row<'a, F> {
    List { line: u64, loss: &'a str, value: F, grad: &'a [F] },
    Error { line: u64, loss: &'a str, error: String },
    Summary { loss: &'a str, reduction: &'a str, value: F, lists: usize },
}

struct Output {
    out: BufWriter<StdoutLock<'static>>,
    format: Format,
    /// What the table has shown last.
    heading: &'static str,
    line: u64,
}

impl Output {
    const CHUNK: usize = 1 << 16;

    fn new(format: Format) -> Self {
        let out = BufWriter::with_capacity(2 * Self::CHUNK, io::stdout().lock());
        Self { out, format, heading: "", line: 0 }
    }

    fn write<F: Number>(&mut self, row: &Row<'_, F>) -> io::Result<()> {
        if self.format == Format::Json {
            serde_json::to_writer(&mut self.out, row)?;
            return writeln!(self.out);
        }
        let (heading, line, loss, value, rest) = match row {
            Row::List { line, loss, value, grad } => {
                ("gradient", *line, loss, short(*value), gradient(grad))
            }
            Row::Error { line, loss, error } => {
                ("gradient", *line, loss, "error".to_owned(), error.clone())
            }
            Row::Summary { loss, reduction, value, lists } => {
                let rest = format!("{reduction:<15}  {lists:>5}");
                ("reduction        lists", 0, loss, short(*value), rest)
            }
        };
        if self.heading != heading {
            let (gap, line) = if line == 0 { ("\n", "") } else { ("", "line") };
            writeln!(self.out, "{gap}{line:>7}  {:<13}  {:>12}  {heading}", "loss", "value")?;
            self.heading = heading;
        }
        // The number of a line stands beside its first row alone.
        let number = if line == self.line || line == 0 { String::new() } else { line.to_string() };
        self.line = line;
        writeln!(self.out, "{number:>7}  {loss:<13}  {value:>12}  {rest}")
    }
}

fn gradient<F: Real>(grad: &[F]) -> String {
    if grad.len() <= 6 {
        let entries: Vec<_> = grad.iter().map(|&slope| format!("{:>9}", short(slope))).collect();
        return entries.join(" ");
    }
    let norm = grad.iter().fold(0.0, |norm: f64, slope| norm.hypot(slope.widen()));
    format!("{} entries of norm {}", grad.len(), short(norm))
}

/// Four digits after the point, or after the first one where that shows too little or too much.
fn short<F: Real>(x: F) -> String {
    let x = x.widen() + 0.0; // -0 becomes 0
    let plain = x == 0.0 || (1e-2..1e5).contains(&x.abs());
    if plain { format!("{x:.4}") } else { format!("{x:.3e}") }
}
