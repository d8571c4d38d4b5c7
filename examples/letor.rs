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
//! it, one a line, as LightGBM has them: `TRAIN.query`, or what `--train-groups` names. Without any
//! file it makes data of its own: documents whose relevance is a hidden function of their features.
//!
//! Everything follows from the files and `--seed`. It prints a table, and writes to `--out` a picture,
//! all figures of all epochs (`letor.csv`), and the order in which each epoch took the queries
//! (`order.csv`), by which `examples/letor_rax.py` does the same through Rax.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::error::Error;
use std::fs;
use std::io::{BufRead, BufReader};
use std::num::ParseIntError;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use lipo::Lists;
use lipo::losses::{Loss, LossExt, Reduction, Workspace};
use lipo::metrics::{AveragePrecision, Metric, MetricExt, Ndcg};
use lipo::ranking::ScoreTies;
use ndarray::{Array1, Array2, Axis, Zip, aview1};
use rand::seq::SliceRandom;
use rand::{Rng, RngExt, SeedableRng, rngs::StdRng};
use rand_distr::StandardNormal;
use serde::Serialize;

mod support;
use support::named;
use support::plot::{self, Line, Panel, Spread};
use support::say;
use support::stats::{Interval, bootstrap};
use support::table::{markdown, percent, write_csv};

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
    /// What the loss of a batch is: the paper's mean over lists, or Rax's over all pairs or items
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
        let train = File::read(train, args.train_groups.as_deref())?;
        let valid = File::read(valid, args.valid_groups.as_deref())?;
        // What the training documents do not have, nothing can be learnt of.
        let features = train.documents.iter().flat_map(|document| document.features.keys());
        let features: BTreeSet<usize> = features.copied().collect();
        (train.queries(&features), valid.queries(&features))
    } else {
        let taste = Taste::new(&mut rng);
        (taste.queries(200, &mut rng), taste.queries(80, &mut rng))
    };
    let features = standardise(&mut train, &mut valid);
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
    let scorer = Scorer::new(train.features.ncols(), args.hidden.into(), &mut rng);

    let progress = ProgressBar::new(u64::from(args.epochs) * args.losses.len() as u64);
    let template = "{bar:40} {pos} of {len} epochs, {eta} left, {msg}";
    progress.set_style(ProgressStyle::with_template(template)?);
    let mut runs = Vec::new();
    for name in &args.losses {
        progress.set_message(name.clone());
        let mut train = train.clone();
        if name == "point-sigmoid" {
            // Its labels are probabilities.
            let greatest = train.grades.fold(1.0_f64, |a, &b| a.max(b));
            train.grades /= greatest;
        }
        let epochs =
            fit(&*named::loss(name), scorer.clone(), &train, &valid, &orders, args, &progress);
        let epochs = epochs.map_err(|error| format!("{name}: {error}"))?;
        runs.push(Run { loss: name, epochs });
    }
    progress.finish_and_clear();
    report(&runs, &orders, &untrained, args)
}

// Data

/// Documents with their features and grades, query after query.
#[derive(Clone, Debug)]
struct Queries {
    /// `[documents, features]`
    features: Array2<f64>,
    grades: Array1<f64>,
    /// The number of documents of each query.
    sizes: Vec<usize>,
}

impl Queries {
    /// Those of the given numbers, in that order.
    fn select(&self, queries: &[usize], starts: &[usize]) -> Self {
        let sizes: Vec<usize> = queries.iter().map(|&query| self.sizes[query]).collect();
        let documents = queries.iter().zip(&sizes);
        let documents = documents.flat_map(|(&query, size)| starts[query]..starts[query] + size);
        let documents: Vec<usize> = documents.collect();
        let features = self.features.select(Axis(0), &documents);
        Self { features, grades: self.grades.select(Axis(0), &documents), sizes }
    }
}

/// A file as it stands.
struct File {
    documents: Vec<Document>,
    sizes: Vec<usize>,
}

impl File {
    fn read(path: &Path, groups: Option<&Path>) -> Anything<Self> {
        let (mut documents, mut sizes) = (Vec::new(), Vec::new());
        let mut queries = HashSet::new();
        for_each_line(path, |text| {
            let Some(document) = Document::parse(text)? else { return Ok(()) };
            let previous = documents.last().map(|previous: &Document| &previous.query);
            if previous.is_some_and(|query| query.is_some() != document.query.is_some()) {
                return Err("some lines have a qid and some have none".into());
            }
            match (&document.query, sizes.last_mut()) {
                (None, _) => {}
                (query, Some(size)) if previous == Some(query) => *size += 1,
                (Some(query), _) => {
                    if !queries.insert(query.clone()) {
                        return Err(format!(
                            "qid:{query} was there before, with others in between"
                        ));
                    }
                    sizes.push(1);
                }
            }
            documents.push(document);
            Ok(())
        })?;
        if documents.is_empty() {
            return Err(format!("{}: no documents", path.display()).into());
        }
        if let Some(groups) = groups {
            sizes = read_sizes(groups, documents.len())?;
        } else if queries.is_empty() {
            let beside = PathBuf::from(format!("{}.query", path.display()));
            if !beside.exists() {
                let (path, beside) = (path.display(), beside.display());
                return Err(format!("{path}: no qid, and no sizes of queries in {beside}").into());
            }
            sizes = read_sizes(&beside, documents.len())?;
        }
        Ok(Self { documents, sizes })
    }

    /// With a column for each of the given features.
    fn queries(self, features: &BTreeSet<usize>) -> Queries {
        let value = |document: &Document, feature| *document.features.get(feature).unwrap_or(&0.0);
        let rows = self.documents.iter();
        let values = rows.flat_map(|document| features.iter().map(move |f| value(document, f)));
        let shape = (self.documents.len(), features.len());
        Queries {
            features: Array2::from_shape_vec(shape, values.collect()).expect("rows of one length"),
            grades: self.documents.iter().map(|document| document.grade).collect(),
            sizes: self.sizes,
        }
    }
}

/// A line of a file.
struct Document {
    grade: f64,
    query: Option<String>,
    /// By their numbers.
    features: HashMap<usize, f64>,
}

impl Document {
    /// None where there is nothing but space and a comment.
    fn parse(line: &str) -> Result<Option<Self>, String> {
        let mut fields = line.split('#').next().unwrap_or("").split_whitespace().peekable();
        let Some(grade) = fields.next() else { return Ok(None) };
        let grade = number(grade).map_err(|error| format!("grade {error}"))?;
        if grade < 0.0 {
            return Err(format!("grade {grade} is negative"));
        }
        let query = fields.next_if(|field| field.starts_with("qid:"));
        let query = query.map(|field| field["qid:".len()..].to_owned());

        let mut features = HashMap::new();
        for field in fields {
            let (index, value) = field.split_once(':').ok_or_else(|| {
                format!("{field:?} is not a feature's number and value, as in 3:0.5")
            })?;
            let index: usize = index
                .parse()
                .map_err(|_| format!("{index:?} is not the number of a feature (in {field:?})"))?;
            let value = number(value).map_err(|error| format!("feature {index}: {error}"))?;
            if features.insert(index, value).is_some() {
                return Err(format!("feature {index} is there twice"));
            }
        }
        Ok(Some(Self { grade, query, features }))
    }
}

fn number(text: &str) -> Result<f64, String> {
    let number: f64 = text.parse().map_err(|_| format!("{text:?} is not a number"))?;
    if number.is_finite() { Ok(number) } else { Err(format!("{text:?} is not finite")) }
}

/// The sizes of queries, one a line, which must add up to the number of documents.
fn read_sizes(path: &Path, documents: usize) -> Anything<Vec<usize>> {
    let mut sizes = Vec::new();
    for_each_line(path, |text| {
        let text = text.trim();
        if !text.is_empty() {
            sizes.push(text.parse().map_err(|_| format!("{text:?} is not a size"))?);
        }
        Ok(())
    })?;
    let total = sizes.iter().fold(0_usize, |sum, &size| sum.saturating_add(size));
    if total != documents {
        let path = path.display();
        return Err(format!("{path}: sizes add up to {total}, of {documents} documents").into());
    }
    Ok(sizes)
}

/// What goes wrong is told with the line's number.
fn for_each_line(path: &Path, mut each: impl FnMut(&str) -> Result<(), String>) -> Anything<()> {
    let file = fs::File::open(path).map_err(|error| format!("{}: {error}", path.display()))?;
    for (line, text) in (1..).zip(BufReader::new(file).lines()) {
        let result = text.map_err(|error| error.to_string()).and_then(|text| each(&text));
        result.map_err(|problem| format!("{}: line {line}: {problem}", path.display()))?;
    }
    Ok(())
}

/// Gives each feature mean 0 and variance 1 over the training documents; one that never varies becomes
/// 0. Returns how many do.
fn standardise(train: &mut Queries, valid: &mut Queries) -> usize {
    let mean = train.features.mean_axis(Axis(0)).expect("at least one document");
    let deviation = train.features.std_axis(Axis(0), 0.0);
    let scale = deviation.map(|&deviation| if deviation > 0.0 { 1.0 / deviation } else { 0.0 });
    for queries in [train, valid] {
        queries.features -= &mean;
        queries.features *= &scale;
    }
    scale.iter().filter(|&&scale| scale > 0.0).count()
}

/// A hidden function of a document's features.
struct Taste {
    linear: Array1<f64>,
    product: [Array1<f64>; 2],
}

impl Taste {
    const FEATURES: usize = 20;

    fn new(rng: &mut impl Rng) -> Self {
        let mut normals = || normals(Self::FEATURES, rng) / (Self::FEATURES as f64).sqrt();
        Self { linear: normals(), product: [normals(), normals()] }
    }

    /// Queries of 5 to 30 documents. The features of a query have something in common, and it has many
    /// relevant documents or few: what a score means differs from query to query.
    fn queries(&self, count: usize, rng: &mut impl Rng) -> Queries {
        let sizes: Vec<usize> = (0..count).map(|_| rng.random_range(5..=30)).collect();
        let documents = sizes.iter().sum();
        let mut features = Array2::zeros((documents, Self::FEATURES));
        let mut grades = Array1::zeros(documents);
        let mut document = 0;
        for &size in &sizes {
            let common = normals(Self::FEATURES, rng);
            let generosity: f64 = rng.sample(StandardNormal);
            for _ in 0..size {
                let own = normals(Self::FEATURES, rng);
                let noise: f64 = rng.sample(StandardNormal);
                let product = self.product.each_ref().map(|factor| factor.dot(&own));
                let quality = self.linear.dot(&own) + product[0] * product[1] + 0.5 * noise;
                // The grades 0 to 4, each rarer than the one before.
                grades[document] = (1.2 * quality + 0.7 * generosity).clamp(0.0, 4.0).floor();
                features.row_mut(document).assign(&(own + &common));
                document += 1;
            }
        }
        Queries { features, grades, sizes }
    }
}

fn normals(size: usize, rng: &mut impl Rng) -> Array1<f64> {
    Array1::from_shape_simple_fn(size, || rng.sample(StandardNormal))
}

// The scorer

/// Layers x·W + b, with max(0, ·) between two. The last starts at 0, so that all scores tie.
#[derive(Clone)]
pub(crate) struct Scorer {
    /// W `[inputs, outputs]` and b `[1, outputs]` of each layer in turn.
    pub(crate) parameters: Vec<Array2<f64>>,
}

impl Scorer {
    pub(crate) fn new(features: usize, hidden: usize, rng: &mut impl Rng) -> Self {
        if hidden == 0 {
            return Self { parameters: vec![Array2::zeros((features, 1)), Array2::zeros((1, 1))] };
        }
        let size = (2.0 / features.max(1) as f64).sqrt(); // He et al. 2015
        let mut weight = || size * rng.sample::<f64, _>(StandardNormal);
        Self {
            parameters: vec![
                Array2::from_shape_simple_fn((features, hidden), &mut weight),
                Array2::zeros((1, hidden)),
                Array2::zeros((hidden, 1)),
                Array2::zeros((1, 1)),
            ],
        }
    }

    /// The input of each layer, and the scores.
    pub(crate) fn forward(&self, features: &Array2<f64>) -> (Vec<Array2<f64>>, Array1<f64>) {
        let (mut inputs, mut x) = (Vec::new(), features.clone());
        for layer in self.parameters.chunks_exact(2) {
            if !inputs.is_empty() {
                x.mapv_inplace(|x| x.max(0.0));
            }
            let output = x.dot(&layer[0]) + &layer[1];
            inputs.push(x);
            x = output;
        }
        (inputs, x.remove_axis(Axis(1)))
    }

    /// The chain rule back through [`forward`](Self::forward): from ∂L/∂scores to ∂L/∂parameters.
    pub(crate) fn backward(
        &self,
        inputs: &[Array2<f64>],
        grad_scores: Array1<f64>,
    ) -> Vec<Array2<f64>> {
        let mut grad = self.parameters.clone();
        let mut grad_output = grad_scores.insert_axis(Axis(1));
        for (layer, input) in inputs.iter().enumerate().rev() {
            grad[2 * layer] = input.t().dot(&grad_output);
            grad[2 * layer + 1] = grad_output.sum_axis(Axis(0)).insert_axis(Axis(0));
            if layer > 0 {
                grad_output = grad_output.dot(&self.parameters[2 * layer].t());
                grad_output.zip_mut_with(input, |grad, &x| *grad *= f64::from(u8::from(x > 0.0)));
            }
        }
        grad
    }
}

/// Adam (Kingma & Ba 2015), with its usual constants.
struct Adam {
    learning_rate: f64,
    steps: i32,
    means: Vec<Array2<f64>>,
    squares: Vec<Array2<f64>>,
}

impl Adam {
    fn new(scorer: &Scorer, learning_rate: f64) -> Self {
        let zeros: Vec<_> = scorer.parameters.iter().map(|p| Array2::zeros(p.dim())).collect();
        Self { learning_rate, steps: 0, means: zeros.clone(), squares: zeros }
    }

    fn step(&mut self, scorer: &mut Scorer, grad: &[Array2<f64>]) {
        self.steps += 1;
        let (unbias_mean, unbias_square) =
            (1.0 - 0.9_f64.powi(self.steps), 1.0 - 0.999_f64.powi(self.steps));
        for (n, grad) in grad.iter().enumerate() {
            let (mean, square) = (&mut self.means[n], &mut self.squares[n]);
            Zip::from(&mut scorer.parameters[n]).and(grad).and(mean).and(square).for_each(
                |x, &g, m, v| {
                    *m = 0.9 * *m + 0.1 * g;
                    *v = 0.999 * *v + 0.001 * g * g;
                    let step = (*m / unbias_mean) / ((*v / unbias_square).sqrt() + 1e-8);
                    *x -= self.learning_rate * step;
                },
            );
        }
    }
}

// Training

struct Run<'a> {
    loss: &'a str,
    epochs: Vec<Epoch>,
}

/// Where an epoch has got to.
struct Epoch {
    /// The mean of the batches' losses, each before its step.
    train_loss: f64,
    metrics: Metrics,
}

/// Of the validation queries, by query: NDCG@1, @3, @5, @10 and average precision.
type Metrics = [Vec<f64>; 5];
const METRICS: [&str; 5] = ["NDCG@1", "NDCG@3", "NDCG@5", "NDCG@10", "MAP"];
const NDCG_AT_10: usize = 3;

fn fit(
    loss: &dyn Loss,
    mut scorer: Scorer,
    train: &Queries,
    valid: &Queries,
    orders: &[Vec<usize>],
    args: &Args,
    progress: &ProgressBar,
) -> Anything<Vec<Epoch>> {
    let mut adam = Adam::new(&scorer, args.learning_rate);
    let starts: Vec<usize> = train
        .sizes
        .iter()
        .scan(0, |end, size| {
            *end += size;
            Some(*end - size)
        })
        .collect();
    let reduction = match args.reduction {
        Reduce::MeanOverLists => Reduction::MeanOverLists,
        Reduce::MeanOverTerms => Reduction::MeanOverTerms,
    };
    let mut workspace = Workspace::default();
    let mut epochs = Vec::new();
    for order in orders {
        let mut values = Vec::new();
        for queries in order.chunks(args.batch) {
            let batch = train.select(queries, &starts);
            let (inputs, scores) = scorer.forward(&batch.features);

            let lists = Lists::ragged(&scores, &batch.grades, &batch.sizes).build()?;
            let mut grad = Array1::zeros(scores.len());
            values.push(loss.reduced_into(&lists, reduction, &mut grad, &mut workspace)?);

            let grad = scorer.backward(&inputs, grad);
            adam.step(&mut scorer, &grad);
        }
        let (metrics, _) = evaluate(&scorer.forward(&valid.features).1, valid)?;
        epochs.push(Epoch { train_loss: mean(&values), metrics });
        progress.inc(1);
    }
    Ok(epochs)
}

/// The metrics of scores, and the number of queries without a relevant document. Tied scores count as
/// the expectation over their orders, so that where documents stand in the file does not matter.
fn evaluate(scores: &Array1<f64>, queries: &Queries) -> Anything<(Metrics, usize)> {
    let ndcg = [1, 3, 5, 10].map(|n| Ndcg::at(n).ties(ScoreTies::Expected));
    let average_precision = AveragePrecision::default().ties(ScoreTies::Expected);
    let [one, three, five, ten] = &ndcg;
    let metrics: [&dyn Metric; 5] = [one, three, five, ten, &average_precision];

    let lists = Lists::ragged(scores, &queries.grades, &queries.sizes).build()?;
    let (mut values, mut without) = (Metrics::default(), 0);
    for (values, metric) in values.iter_mut().zip(metrics) {
        let per_list = metric.per_list(&lists)?;
        without = per_list.iter().filter(|value| value.is_none()).count();
        values.extend(per_list.into_iter().flatten());
    }
    Ok((values, without))
}

fn mean(values: &[f64]) -> f64 {
    aview1(values).mean().unwrap_or(f64::NAN)
}

// Results

/// A line of `letor.csv`.
#[derive(Serialize)]
struct Row<'a> {
    loss: &'a str,
    epoch: usize,
    train_loss: f64,
    ndcg_1: f64,
    ndcg_3: f64,
    ndcg_5: f64,
    ndcg_10: f64,
    map: f64,
}

fn report(
    runs: &[Run<'_>],
    orders: &[Vec<usize>],
    untrained: &Metrics,
    args: &Args,
) -> Anything<()> {
    let in_words = |error| format!("{}: {error}", args.out.display());
    fs::create_dir_all(&args.out).map_err(in_words)?;

    let mut header = vec!["after the last epoch".to_owned()];
    header.extend(METRICS.map(str::to_owned));
    header.push("best NDCG@10 (epoch)".to_owned());
    let cells = |name: &str, metrics: &Metrics, best: String| {
        let values = metrics
            .iter()
            .map(|values| percent(bootstrap(std::slice::from_ref(values), args.seed)));
        std::iter::once(name.to_owned()).chain(values).chain([best]).collect::<Vec<_>>()
    };
    let mut rows = vec![cells("(in random order)", untrained, String::new())];
    for Run { loss, epochs } in runs {
        let ndcg = epochs.iter().map(|epoch| mean(&epoch.metrics[NDCG_AT_10]));
        let best = (1..).zip(ndcg).max_by(|(_, a), (_, b)| a.total_cmp(b));
        if let (Some((epoch, best)), Some(last)) = (best, epochs.last()) {
            rows.push(cells(loss, &last.metrics, format!("{:.1} ({epoch})", 100.0 * best)));
        }
    }
    say(markdown(&header, rows))?;
    say("\nPer cent, with 95 % bootstrap intervals over validation queries.")?;

    let rows = runs.iter().flat_map(|run| {
        (1..).zip(&run.epochs).map(|(epoch, Epoch { train_loss, metrics })| {
            let [ndcg_1, ndcg_3, ndcg_5, ndcg_10, map] = metrics.each_ref().map(|m| mean(m));
            let (loss, train_loss) = (run.loss, *train_loss);
            Row { loss, epoch, train_loss, ndcg_1, ndcg_3, ndcg_5, ndcg_10, map }
        })
    });
    write_csv(&args.out.join("letor.csv"), rows)?;
    write_csv(&args.out.join("order.csv"), orders)?;

    let panels = [NDCG_AT_10, 0, 4].map(|metric| Panel {
        title: format!("{} on validation queries", METRICS[metric]),
        x_label: "epoch".into(),
        y_label: METRICS[metric].into(),
        lines: runs
            .iter()
            .map(|run| Line {
                name: run.loss.into(),
                points: run
                    .epochs
                    .iter()
                    .zip(1..)
                    .map(|(epoch, number)| {
                        (f64::from(number), Interval::exact(mean(&epoch.metrics[metric])))
                    })
                    .collect(),
            })
            .collect(),
        reference: Some((mean(&untrained[metric]), "random order".into())),
        spread: Spread::Bands,
        ..Panel::default()
    });
    let scorer = match args.hidden {
        0 => "a linear scorer".to_owned(),
        units => format!("a scorer with {units} hidden units"),
    };
    let picture = args.out.join("letor.svg");
    plot::lines(&picture, &format!("Learning to rank: {scorer}, every loss"), &panels)?;
    say(format_args!("Written: {}, letor.csv, order.csv", picture.display()))?;
    Ok(())
}
