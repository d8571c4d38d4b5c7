//! The rows that are printed: a table to look at, or JSON Lines.

use std::io::{self, BufWriter, StdoutLock, Write};

use lipo::Real;
use serde::Serialize;

use crate::Format;
use crate::record::Number;

/// A row of the output: in JSON an object with these keys in this order.
#[derive(Serialize)]
#[serde(untagged)]
pub enum Row<'a, F> {
    List {
        line: u64,
        loss: &'a str,
        value: F,
        grad: &'a [F],
    },
    Error {
        line: u64,
        loss: &'a str,
        error: String,
    },
    Summary {
        loss: &'a str,
        reduction: &'a str,
        /// None where no list has a value.
        value: Option<F>,
        lists: usize,
        #[serde(skip_serializing_if = "is_zero")]
        failed: u64,
    },
}

#[allow(clippy::trivially_copy_pass_by_ref)] // as serde calls it
fn is_zero(count: &u64) -> bool {
    *count == 0
}

pub struct Output {
    pub out: BufWriter<StdoutLock<'static>>,
    format: Format,
    /// Whether any summary row has failed lists: the table has a column for them.
    pub summaries_have_failures: bool,
    /// The heading and the line number that the table has shown last.
    heading: &'static str,
    line: u64,
}

impl Output {
    pub const CHUNK: usize = 1 << 16;

    pub fn new(format: Format) -> Self {
        let out = BufWriter::with_capacity(2 * Self::CHUNK, io::stdout().lock());
        Self { out, format, summaries_have_failures: false, heading: "", line: 0 }
    }

    pub fn write<F: Number>(&mut self, row: &Row<'_, F>) -> io::Result<()> {
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
            Row::Summary { loss, reduction, value, lists, failed } => {
                let value = value.map_or("–".to_owned(), short);
                let rest = format!("{reduction:<15}  {lists:>5}");
                if self.summaries_have_failures {
                    (
                        "reduction        lists  failed",
                        0,
                        loss,
                        value,
                        format!("{rest}  {failed:>6}"),
                    )
                } else {
                    ("reduction        lists", 0, loss, value, rest)
                }
            }
        };
        if self.heading != heading {
            let gap = if line == 0 && !self.heading.is_empty() { "\n" } else { "" };
            let line = if line == 0 { "" } else { "line" };
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
