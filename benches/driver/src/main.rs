//! Runs one loss on lists from files, again and again, as a trainer calls it: lists are built and
//! checked, value and gradient come from a `&dyn Loss` into arrays that are there already. LOSS is a
//! name in `losses.rs`; with `+diagonal` behind it the diagonal of the Hessian is computed as well, with
//! `+targets` the lists have soft targets Ψ_ij = (1 + ψ_i − ψ_j) / 2.
//!
//! Commands come one a line on standard input, and each is answered by one line:
//!
//! | command | answer |
//! |---|---|
//! | `load LOSS DTYPE LISTS SIZE SCORES LABELS` | `ok`; the files hold batches of LISTS × SIZE items |
//! | `load-step DTYPE LISTS SIZE TOKENS POLICY REFERENCE MASK WINS` | `ok`; the input of [`step`] |
//! | `result GRADIENT` | the value of the first batch; its gradient goes to the file |
//! | `time SECONDS` | how many calls that took, and the least time of one in nanoseconds |
//! | `count` | `ok`, after one call of [`counted`], whose instructions callgrind counts |
//! | `features` | the machine's instruction sets |
//!
//! Numbers in files are f64 in the machine's byte order, whatever the type of the arrays.

mod losses;
mod step;

use std::hint::black_box;
use std::io::{BufRead, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use cpu_time::ProcessTime;
use lipo::losses::{Diagonal, Loss, LossExt, Reduction, Workspace};
use lipo::{Lists, Real};
use ndarray::{Array2, Array3};

type Fallible<T> = Result<T, Box<dyn std::error::Error>>;

/// Calls shorter than this are timed several at once, so that reading the clock costs nothing.
const WORTH_TIMING: Duration = Duration::from_micros(20);

fn main() -> Fallible<()> {
    let mut case: Option<Box<dyn Call>> = None;
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let words: Vec<&str> = line.split_whitespace().collect();
        let loaded = case.as_deref_mut().ok_or("nothing is loaded");
        let answer = match words[..] {
            ["load", name, dtype, lists, size, scores, labels] => {
                let shape = (lists.parse()?, size.parse()?);
                case = Some(match dtype {
                    "f32" => Box::new(Case::<f32>::load(name, shape, scores, labels)?),
                    "f64" => Box::new(Case::<f64>::load(name, shape, scores, labels)?),
                    _ => return Err(format!("no type is called {dtype}").into()),
                });
                "ok".to_owned()
            }
            ["load-step", dtype, lists, size, tokens, policy, reference, mask, wins] => {
                let shape = (lists.parse()?, size.parse()?, tokens.parse()?);
                let files = [policy, reference, mask, wins];
                case = Some(match dtype {
                    "f32" => Box::new(step::Step::<f32>::load(shape, files)?),
                    "f64" => Box::new(step::Step::<f64>::load(shape, files)?),
                    _ => return Err(format!("no type is called {dtype}").into()),
                });
                "ok".to_owned()
            }
            ["result", gradient] => loaded?.result(gradient.as_ref())?.to_string(),
            ["time", seconds] => {
                let (calls, least) = time(loaded?, Duration::from_secs_f64(seconds.parse()?));
                format!("{calls} {least}")
            }
            ["count"] => {
                counted(loaded?);
                "ok".to_owned()
            }
            ["features"] => features(),
            _ => return Err(format!("not a command: {line}").into()),
        };
        let mut out = std::io::stdout().lock();
        writeln!(out, "{answer}")?;
        out.flush()?;
    }
    Ok(())
}

/// A loss and its lists, whatever their type.
trait Call {
    /// Value and gradient of the next batch; after the last one comes the first.
    fn call(&mut self);

    /// The value of the first batch; its gradient goes to a file.
    fn result(&mut self, gradient: &Path) -> Fallible<f64>;
}

struct Case<F> {
    loss: Box<dyn Loss>,
    /// The diagonal of the Hessian, for a loss that is run with it.
    diagonal: Option<Array2<F>>,
    batches: Vec<Batch<F>>,
    next: usize,
    grad: Array2<F>,
    workspace: Workspace,
}

struct Batch<F> {
    scores: Array2<F>,
    labels: Array2<F>,
    /// Ψ, for a loss that is run on soft targets.
    targets: Option<Array3<F>>,
}

impl<F: Real> Batch<F> {
    fn new(shape: (usize, usize), scores: &[f64], labels: &[f64], soft: bool) -> Fallible<Self> {
        let array = |numbers: &[f64]| {
            Array2::from_shape_vec(shape, numbers.iter().copied().map(F::narrow).collect())
        };
        let (lists, size) = shape;
        let targets = |(n, i, j)| {
            let of_list = &labels[n * size..];
            F::narrow(if i == j { 0.0 } else { (1.0 + of_list[i] - of_list[j]) / 2.0 })
        };
        let targets = soft.then(|| Array3::from_shape_fn((lists, size, size), targets));
        Ok(Self { scores: array(scores)?, labels: array(labels)?, targets })
    }
}

impl<F: Real> Case<F> {
    fn load(name: &str, shape: (usize, usize), scores: &str, labels: &str) -> Fallible<Self> {
        let (scores, labels) = (numbers(scores)?, numbers(labels)?);
        let losses::Run { loss, diagonal, targets } = losses::Run::named(name)?;
        let items = shape.0 * shape.1;
        let batches = scores.chunks(items).zip(labels.chunks(items));
        Ok(Self {
            loss,
            diagonal: diagonal.then(|| Array2::zeros(shape)),
            batches: batches
                .map(|(scores, labels)| Batch::new(shape, scores, labels, targets))
                .collect::<Result<_, _>>()?,
            next: 0,
            grad: Array2::zeros(shape),
            workspace: Workspace::default(),
        })
    }

    fn step(&mut self) -> Result<F, lipo::Error> {
        let Batch { scores, labels, targets } = &self.batches[self.next];
        self.next = (self.next + 1) % self.batches.len();
        let lists = Lists::dense(black_box(scores), black_box(labels));
        let lists = match targets {
            Some(targets) => lists.targets(black_box(targets)).build()?,
            None => lists.build()?,
        };
        let loss: &dyn Loss = black_box(&*self.loss);
        let (grad, workspace) = (&mut self.grad, &mut self.workspace);
        match &mut self.diagonal {
            None => loss.reduced_into(&lists, Reduction::Sum, grad, workspace),
            Some(diagonal) => {
                let (which, results) = (Diagonal::Exact, (&mut **grad, &mut **diagonal));
                loss.reduced_with_diagonal_into(&lists, Reduction::Sum, which, results, workspace)
            }
        }
    }
}

impl<F: Real> Call for Case<F> {
    fn call(&mut self) {
        let value = self.step().expect("`result` has shown that the lists are valid");
        black_box((value, &self.grad, &self.diagonal));
    }

    fn result(&mut self, gradient: &Path) -> Fallible<f64> {
        self.next = 0;
        let value = self.step()?;
        let bytes: Vec<u8> =
            self.grad.iter().flat_map(|slope| slope.widen().to_ne_bytes()).collect();
        std::fs::write(gradient, bytes)?;
        Ok(value.widen())
    }
}

/// The numbers of a file.
fn numbers(path: &str) -> Fallible<Vec<f64>> {
    let bytes = std::fs::read(path)?;
    let (numbers, []) = bytes.as_chunks() else { return Err("a number is cut off".into()) };
    Ok(numbers.iter().copied().map(f64::from_ne_bytes).collect())
}

/// How many calls fit into a time, at least one, and the least time of one in nanoseconds.
fn time(case: &mut dyn Call, budget: Duration) -> (u32, f64) {
    let start = Instant::now();
    let (mut calls, mut least, mut at_once) = (0, f64::INFINITY, 1);
    while calls == 0 || start.elapsed() < budget {
        let (before, used_before) = (Instant::now(), ProcessTime::now());
        for _ in 0..at_once {
            case.call();
        }
        let took = before.elapsed();
        // On a machine with other work, a call of milliseconds never has the processor to itself.
        let spent = took.min(used_before.elapsed());
        least = least.min(spent.as_nanos() as f64 / f64::from(at_once));
        calls += at_once;
        if took < WORTH_TIMING {
            at_once *= 2;
        }
    }
    (calls, least)
}

/// A function of its own, for callgrind to find.
#[inline(never)]
fn counted(case: &mut dyn Call) {
    case.call();
}

fn features() -> String {
    #[cfg(target_arch = "x86_64")]
    let known = [
        ("avx2", is_x86_feature_detected!("avx2")),
        ("fma", is_x86_feature_detected!("fma")),
        ("avx512f", is_x86_feature_detected!("avx512f")),
    ];
    #[cfg(not(target_arch = "x86_64"))]
    let known = [("neon", cfg!(target_feature = "neon"))];
    let found = known.iter().filter(|(_, there)| *there).map(|(name, _)| *name);
    [std::env::consts::ARCH].into_iter().chain(found).collect::<Vec<_>>().join(" ")
}
