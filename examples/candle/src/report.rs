//! What a run shows: progress with the time left, a table, a CSV file, a picture.

use std::fmt::Write as _;
use std::io::{IsTerminal, Write as _, stderr, stdout};
use std::path::Path;
use std::time::{Duration, Instant};

use plotters::prelude::*;

use crate::evaluate::Metrics;
use crate::train::Epoch;
use crate::{Context, Result, files};

/// Progress on standard error: a line that is rewritten on a terminal, one every ten seconds elsewhere.
#[derive(Debug, Default)]
pub struct Progress {
    quiet: bool,
    title: String,
    begun: Option<Instant>,
    shown: Option<Instant>,
    done: usize,
    total: usize,
}

impl Progress {
    /// Progress that is not shown.
    #[must_use]
    pub fn quiet() -> Self {
        Self { quiet: true, ..Self::default() }
    }

    /// Begins a task of `total` steps.
    pub fn begin(&mut self, title: &str, total: usize) {
        let now = Instant::now();
        *self = Self {
            quiet: self.quiet,
            title: title.to_owned(),
            begun: Some(now),
            shown: Some(now),
            done: 0,
            total,
        };
    }

    /// That many more steps are done.
    pub fn step(&mut self, steps: usize, note: &str) {
        self.done += steps;
        let (Some(begun), Some(shown)) = (self.begun, self.shown) else { return };
        let terminal = stderr().is_terminal();
        let pause = if terminal { Duration::from_millis(200) } else { Duration::from_secs(10) };
        if self.quiet || (shown.elapsed() < pause && self.done < self.total) || self.done == 0 {
            return;
        }
        self.shown = Some(Instant::now());
        let left = begun
            .elapsed()
            .mul_f64((self.total - self.done.min(self.total)) as f64 / self.done as f64);
        let line =
            format!("{}: {} of {}{note}, {} left", self.title, self.done, self.total, time(left));
        if terminal {
            eprint!("\r\x1b[2K{line}");
            let _ = stderr().flush();
        } else if self.done < self.total {
            eprintln!("{line}");
        }
    }

    /// Ends the task and takes its line away.
    pub fn end(&mut self) {
        if !self.quiet && stderr().is_terminal() {
            eprint!("\r\x1b[2K");
        }
    }

    /// Prints a line that stays.
    pub fn say(&mut self, line: &str) {
        if !self.quiet {
            self.end();
            let _ = writeln!(stdout(), "{line}"); // whoever read it may have gone
        }
    }
}

/// `1 h 02 min`, `3 min 04 s`, `5 s`.
#[must_use]
pub fn time(duration: Duration) -> String {
    match duration.as_secs() {
        seconds @ ..60 => format!("{seconds} s"),
        seconds @ ..3600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        seconds => format!("{} h {:02} min", seconds / 3600, seconds / 60 % 60),
    }
}

/// The heading over the lines of [`row`].
pub const HEADING: &str = "epoch  loss    held-out  pair accuracy   margin     NDCG   KL, nats";

/// One line of the table of epochs.
#[must_use]
pub fn row(epoch: &Epoch) -> String {
    let figure = |value: Option<f64>| value.map_or("–".to_owned(), |value| format!("{value:.4}"));
    let held_out = epoch.held_out.as_ref();
    format!(
        "{:5}  {:6}  {:>8}  {:>13}  {:>7}  {:>7}  {:>9}",
        epoch.epoch,
        figure(epoch.train_loss),
        figure(held_out.and_then(|metrics| metrics.loss)),
        figure(held_out.and_then(|metrics| metrics.pair_accuracy)),
        figure(held_out.and_then(|metrics| metrics.margin)),
        figure(held_out.and_then(|metrics| metrics.ndcg)),
        figure(held_out.and_then(|metrics| metrics.kl)),
    )
}

/// Writes the epochs as CSV; what is absent is empty.
///
/// # Errors
///
/// Those of [`files::replace`].
pub fn write_csv(path: &Path, history: &[Epoch]) -> Result<()> {
    let mut text = "epoch,step,train_loss,held_out_loss,pair_accuracy,margin,ndcg,kl\n".to_owned();
    let figure = |value: Option<f64>| value.map_or(String::new(), |value| value.to_string());
    for Epoch { epoch, step, train_loss, held_out } in history {
        let of = |get: fn(&Metrics) -> Option<f64>| figure(held_out.as_ref().and_then(get));
        writeln!(
            text,
            "{epoch},{step},{},{},{},{},{},{}",
            figure(*train_loss),
            of(|metrics| metrics.loss),
            of(|metrics| metrics.pair_accuracy),
            of(|metrics| metrics.margin),
            of(|metrics| metrics.ndcg),
            of(|metrics| metrics.kl),
        )?;
    }
    files::write_text(path, &text)
}

const COLOURS: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
    RGBColor(230, 159, 0),
    RGBColor(60, 60, 60),
];

/// Draws four held-out metrics over the epochs as SVG, one line a run.
///
/// # Errors
///
/// Those of [`files::replace`].
pub fn write_picture(path: &Path, runs: &[(&str, &[Epoch])]) -> Result<()> {
    type Panel = (&'static str, fn(&Metrics) -> Option<f64>);
    let panels: [Panel; 4] = [
        ("pair accuracy", |metrics| metrics.pair_accuracy),
        ("NDCG", |metrics| metrics.ndcg),
        ("margin of scores", |metrics| metrics.margin),
        ("KL estimate, nats a response", |metrics| metrics.kl),
    ];
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, (960, 680)).into_drawing_area();
        root.fill(&WHITE)?;
        for (area, (title, get)) in root.split_evenly((2, 2)).iter().zip(panels) {
            let line = |history: &[Epoch]| -> Vec<(f64, f64)> {
                let point = |epoch: &Epoch| {
                    Some((epoch.epoch as f64, epoch.held_out.as_ref().and_then(get)?))
                };
                history.iter().filter_map(point).filter(|(_, y)| y.is_finite()).collect()
            };
            let lines: Vec<_> = runs.iter().map(|(_, history)| line(history)).collect();
            let all = || lines.iter().flatten();
            let low = all().map(|point| point.1).fold(f64::INFINITY, f64::min);
            let high = all().map(|point| point.1).fold(f64::NEG_INFINITY, f64::max);
            let last = all().map(|point| point.0).fold(1.0, f64::max);
            // Without a point or without height, a range to draw nothing or a level line in.
            let (low, high) = if low < high { (low, high) } else { (low.min(0.0), high.max(1.0)) };
            let (low, high) = if low < high { (low, high) } else { (0.0, 1.0) };
            let room = 0.05 * (high - low);
            let mut chart = ChartBuilder::on(area)
                .caption(format!("held-out {title}"), ("sans-serif", 18))
                .margin(10)
                .margin_right(20)
                .x_label_area_size(36)
                .y_label_area_size(52)
                .build_cartesian_2d(0.0..last, low - room..high + room)?;
            let mut mesh = chart.configure_mesh();
            mesh.x_desc("epoch").x_label_formatter(&|epoch| format!("{epoch:.0}"));
            mesh.light_line_style(WHITE).bold_line_style(BLACK.mix(0.1)).draw()?;
            for (index, ((name, _), line)) in runs.iter().zip(&lines).enumerate() {
                let colour = COLOURS[index % COLOURS.len()];
                let drawn = chart
                    .draw_series(LineSeries::new(line.iter().copied(), colour.stroke_width(2)))?;
                drawn.label(*name).legend(move |(x, y)| {
                    PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2))
                });
            }
            let place = SeriesLabelPosition::LowerRight;
            chart.configure_series_labels().position(place).border_style(BLACK.mix(0.2)).draw()?;
        }
        root.present()?;
    }
    files::write_text(path, &svg).at("picture")
}
