//! The results: a table on the screen, CSV files and a picture.

use std::fs;

use serde::Serialize;

use crate::support::plot::{self, Line, Panel, Spread};
use crate::support::say;
use crate::support::stats::{Interval, bootstrap, mean};
use crate::support::table::{markdown, percent, write_csv};
use crate::training::{Epoch, METRICS, Metrics, NDCG_AT_10, Run};
use crate::{Anything, Args};

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

pub fn report(
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
        let values = metrics.iter().map(|values| percent(interval(values, args)));
        std::iter::once(name.to_owned()).chain(values).chain([best]).collect::<Vec<_>>()
    };
    let mut rows = vec![cells("(in random order)", untrained, String::new())];
    for Run { loss, epochs, last } in runs {
        let ndcg = epochs.iter().map(|epoch| epoch.metrics[NDCG_AT_10]);
        let best = (1..).zip(ndcg).max_by(|(_, a), (_, b)| a.total_cmp(b));
        if let Some((epoch, best)) = best {
            rows.push(cells(loss, last, format!("{:.1} ({epoch})", 100.0 * best)));
        }
    }
    say(markdown(&header, rows))?;
    say("\nPer cent, with 95 % bootstrap intervals over validation queries.")?;

    let rows = runs.iter().flat_map(|run| {
        (1..).zip(&run.epochs).map(|(epoch, Epoch { train_loss, metrics })| {
            let [ndcg_1, ndcg_3, ndcg_5, ndcg_10, map] = *metrics;
            let (loss, train_loss) = (run.loss, *train_loss);
            Row { loss, epoch, train_loss, ndcg_1, ndcg_3, ndcg_5, ndcg_10, map }
        })
    });
    write_csv(&args.out.join("letor.csv"), rows)?;
    write_csv(&args.out.join("order.csv"), orders)?;

    let line = |run: &Run<'_>, metric: usize| {
        let means = run.epochs.iter().map(|epoch| Interval::exact(epoch.metrics[metric]));
        let mut points: Vec<_> = (1..).map(f64::from).zip(means).collect();
        if let Some((_, last)) = points.last_mut() {
            *last = interval(&run.last[metric], args);
        }
        Line { name: run.loss.into(), points }
    };
    let panels = [NDCG_AT_10, 0, 4].map(|metric| Panel {
        title: format!("{} on validation queries", METRICS[metric]),
        x_label: "epoch; bars are 95 % intervals after the last".into(),
        y_label: METRICS[metric].into(),
        lines: runs.iter().map(|run| line(run, metric)).collect(),
        reference: Some((mean(&untrained[metric]), "random order".into())),
        spread: Spread::Last,
        ..Panel::default()
    });
    let scorer = match args.hidden {
        0 => "a linear scorer".to_owned(),
        units => format!("a scorer with {units} hidden units"),
    };
    let picture = args.out.join("letor.svg");
    plot::lines(&picture, &format!("Learning to rank: {scorer}"), &panels)?;
    say(format_args!("Written: {}, letor.csv, order.csv", picture.display()))?;
    Ok(())
}

/// The mean over queries, with its interval.
fn interval(of_queries: &Vec<f64>, args: &Args) -> Interval {
    bootstrap(std::slice::from_ref(of_queries), args.seed)
}
