//! The results as pictures.

use std::error::Error;
use std::path::Path;

use crate::experiments::{Protocol, Results};
use crate::laboratory::{LabelsFrom, RANKED};
use crate::runs::{Checkpoint, Entry, Group, Judge, Run, Stop};
use crate::support::plot::{self, Bar, Line, Panel, Scale, Spread};
use crate::support::stats::{Interval, bootstrap};

const WIN_RATE: &str = "win rate against the writers, %";
const TRUE_WIN_RATE: &str = "true win rate against the writers, %";

pub fn draw(results: &Results, out: &Path) -> Result<(), Box<dyn Error>> {
    draw_list_sizes(results, out)?;
    draw_kl(results, out)?;
    draw_curves(results, out)?;
    draw_weights(results, out)?;
    draw_ranks(results, out)
}

fn per_cent(entry: Entry, judge: Judge) -> Interval {
    judge.win_rate(entry.figures()).scaled(100.0)
}

/// A row of panels for each protocol, a panel for each judge, a line for each loss, and the SFT policy
/// to compare with.
fn draw_list_sizes(results: &Results, out: &Path) -> Result<(), Box<dyn Error>> {
    let panel = |protocol: Protocol, judge: Judge| {
        let line = |loss: &'static str| {
            let of_size = |&size: &usize| {
                let entry = results.with_size(protocol, loss, size)?;
                Some((size as f64, per_cent(entry, judge)))
            };
            let points = results.list_sizes.iter().filter_map(of_size).collect();
            Line { name: loss.into(), points }
        };
        let before = 100.0 * judge.win_rate(&results.before).mean;
        Panel {
            title: format!("{}: {}", judge.name(), protocol.name()),
            x_label: "list size K".into(),
            x_ticks: results.list_sizes.iter().map(|&size| size as f64).collect(),
            y_label: WIN_RATE.into(),
            lines: results.of_table_1().map(line).collect(),
            reference: Some((before, "SFT policy".into())),
            ..Panel::default()
        }
    };
    let of_protocol = |&protocol| Judge::ALL.map(|judge| panel(protocol, judge));
    let panels: Vec<_> = results.protocols.iter().flat_map(of_protocol).collect();
    let title =
        "Win rate by list size (Figure 3a), by the reward model (proxy) and by the taste (true)";
    plot::grid(&out.join("list_size.svg"), title, 2, &panels)
}

/// A panel for each loss, so that there is room for the β of each point.
fn draw_kl(results: &Results, out: &Path) -> Result<(), Box<dyn Error>> {
    let (size, labels) = (results.longest(), LabelsFrom::RewardModel);
    let panel = |loss: &'static str| {
        let line = |judge: Judge| {
            let of_beta = |&beta: &f64| {
                let group = results.group(loss, labels, size, beta)?;
                let entry = Entry { group, stop: Stop::Last };
                Some((entry.figures().kl.mean, per_cent(entry, judge)))
            };
            let points = results.betas.iter().filter_map(of_beta).collect();
            Line { name: judge.name().into(), points }
        };
        let before = 100.0 * Judge::Taste.win_rate(&results.before).mean;
        Panel {
            title: loss.into(),
            x_label: "KL from the SFT policy, nats a summary; beside each point, its β".into(),
            x_scale: Scale::Log,
            x_ticks: vec![0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0],
            y_label: WIN_RATE.into(),
            lines: Judge::ALL.map(line).into(),
            point_labels: results.betas.iter().map(ToString::to_string).collect(),
            reference: Some((before, "SFT, true".into())),
            spread: Spread::BarsInPlace,
            ..Panel::default()
        }
    };
    let panels: Vec<_> = results.of_table_1().map(panel).collect();
    let title = format!("What distance from the SFT policy buys: K = {size}, last checkpoint");
    plot::grid(&out.join("kl.svg"), &title, 2, &panels)
}

fn draw_curves(results: &Results, out: &Path) -> Result<(), Box<dyn Error>> {
    let panel = |title: &str, y_label: &str, y: &dyn Fn(&Run, &Checkpoint) -> f64| {
        let own = |loss| results.with_size(Protocol::OWN, loss, results.longest());
        let line = |loss: &'static str| {
            let points = own(loss).map_or_else(Vec::new, |entry| points_of(entry.group, y));
            Line { name: loss.into(), points }
        };
        Panel {
            title: title.into(),
            x_label: "epoch".into(),
            y_label: y_label.into(),
            lines: results.of_table_1().map(line).collect(),
            spread: if results.labs.len() > 1 { Spread::Bands } else { Spread::Hidden },
            ..Panel::default()
        }
    };
    let panels = [
        panel("training loss", "loss, as a share of the first batch's", &|run, at| {
            at.progress.loss / run.checkpoints[0].progress.loss
        }),
        panel("validation posts, by the reward model (proxy)", WIN_RATE, &|_, at| {
            100.0 * at.validation
        }),
    ];
    let bands = if results.labs.len() > 1 { "; bands over seeds" } else { "" };
    let title =
        format!("Training with lists of {}, each loss with its own β{bands}", results.longest());
    plot::lines(&out.join("curves.svg"), &title, &panels)
}

/// A figure at each checkpoint, over the seeds.
fn points_of(group: &Group, y: &dyn Fn(&Run, &Checkpoint) -> f64) -> Vec<(f64, Interval)> {
    let point = |index: usize| {
        let of_run = |run: &Run| vec![y(run, &run.checkpoints[index])];
        let values: Vec<_> = group.runs.iter().map(of_run).collect();
        (group.runs[0].checkpoints[index].progress.epoch, bootstrap(&values, 0))
    };
    (0..group.runs[0].checkpoints.len()).map(point).collect()
}

/// The true win rate by protocol, a group of bars for each of `groups`.
fn bars<'a>(
    results: &'a Results,
    groups: impl Iterator<Item = (&'static str, &'static str)>,
    entry: impl Fn(Protocol, &str) -> Option<Entry<'a>>,
) -> Vec<Bar> {
    let mut bars = Vec::new();
    for (group, loss) in groups {
        for &protocol in &results.protocols {
            bars.extend(entry(protocol, loss).map(|entry| Bar {
                group: group.to_owned(),
                name: protocol.name(),
                value: per_cent(entry, Judge::Taste),
            }));
        }
    }
    bars
}

fn draw_weights(results: &Results, out: &Path) -> Result<(), Box<dyn Error>> {
    let size = results.longest();
    let entry = |protocol, loss: &str| results.with_size(protocol, loss, size);
    let bars = bars(results, results.weights(), entry);
    if bars.is_empty() {
        return Ok(());
    }
    let title = format!("The parts of the lambda weight (Figure 3b): K = {size}");
    plot::bars(&out.join("lambda_weight.svg"), &title, TRUE_WIN_RATE, &bars, None)
}

fn draw_ranks(results: &Results, out: &Path) -> Result<(), Box<dyn Error>> {
    let losses = results.of_table_1().map(|loss| (loss, loss));
    let bars = bars(results, losses, |protocol, loss| results.with_ranks(protocol, loss));
    let title = format!("From an annotator's ranks of {RANKED} responses (Section 5.4)");
    plot::bars(&out.join("ranks.svg"), &title, TRUE_WIN_RATE, &bars, None)
}
