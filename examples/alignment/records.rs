//! The results as CSV files. Win rates in them are shares.

use std::error::Error;
use std::path::Path;

use serde::Serialize;

use crate::experiments::{Protocol, Results};
use crate::laboratory::LabelsFrom;
use crate::runs::{Entry, Group, Stop};
use crate::support::stats::mean;
use crate::support::table::write_csv;

/// A line of `runs.csv`: a policy that was picked from a run, on its seed's test posts.
#[derive(Serialize)]
struct RunRecord {
    seed: u64,
    loss: &'static str,
    labels: LabelsFrom,
    list_size: usize,
    beta: f64,
    /// Whether it is the loss's own β by this rule for checkpoints.
    own_beta: bool,
    checkpoint: &'static str,
    epoch: f64,
    validation_proxy: f64,
    proxy: f64,
    #[serde(rename = "true")]
    taste: f64,
    kl: f64,
    words: f64,
}

/// A line of `summary.csv`: all seeds together, with 95 % intervals.
#[derive(Serialize)]
struct SummaryRecord {
    loss: &'static str,
    labels: LabelsFrom,
    list_size: usize,
    beta: f64,
    own_beta: bool,
    checkpoint: &'static str,
    seeds: usize,
    proxy: f64,
    proxy_low: f64,
    proxy_high: f64,
    #[serde(rename = "true")]
    taste: f64,
    #[serde(rename = "true_low")]
    taste_low: f64,
    #[serde(rename = "true_high")]
    taste_high: f64,
    kl: f64,
}

/// A line of `curves.csv`: a checkpoint of a run.
#[derive(Serialize)]
struct CurveRecord {
    seed: u64,
    loss: &'static str,
    labels: LabelsFrom,
    list_size: usize,
    beta: f64,
    epoch: f64,
    training_loss: f64,
    validation_proxy: f64,
}

pub fn write(results: &Results, out: &Path) -> Result<(), Box<dyn Error>> {
    let own_beta = |group: &Group, stop: Stop| {
        let (own, recipe) = (Protocol { stop, ..Protocol::OWN }, &group.recipe);
        recipe.beta == results.beta(own, recipe.loss, recipe.labels)
    };
    let seeds = || results.labs.iter().map(|lab| lab.seed);

    let runs = results.groups.iter().flat_map(|group| {
        let recipe = group.recipe;
        Stop::ALL.into_iter().flat_map(move |stop| {
            seeds().zip(&group.runs).map(move |(seed, run)| {
                let picked = run.picked(stop);
                RunRecord {
                    seed,
                    loss: recipe.loss,
                    labels: recipe.labels,
                    list_size: recipe.list_size,
                    beta: recipe.beta,
                    own_beta: own_beta(group, stop),
                    checkpoint: stop.name(),
                    epoch: picked.checkpoint.progress.epoch,
                    validation_proxy: picked.checkpoint.validation,
                    proxy: mean(&picked.test.proxy),
                    taste: mean(&picked.test.taste),
                    kl: mean(&picked.test.kl),
                    words: mean(&picked.test.words),
                }
            })
        })
    });
    write_csv(&out.join("runs.csv"), runs)?;

    let summaries = results.groups.iter().flat_map(|group| {
        Stop::ALL.into_iter().map(move |stop| {
            let (recipe, figures) = (group.recipe, Entry { group, stop }.figures());
            SummaryRecord {
                loss: recipe.loss,
                labels: recipe.labels,
                list_size: recipe.list_size,
                beta: recipe.beta,
                own_beta: own_beta(group, stop),
                checkpoint: stop.name(),
                seeds: group.runs.len(),
                proxy: figures.proxy.mean,
                proxy_low: figures.proxy.low,
                proxy_high: figures.proxy.high,
                taste: figures.taste.mean,
                taste_low: figures.taste.low,
                taste_high: figures.taste.high,
                kl: figures.kl.mean,
            }
        })
    });
    write_csv(&out.join("summary.csv"), summaries)?;

    let points = results.groups.iter().flat_map(|group| {
        let recipe = group.recipe;
        seeds().zip(&group.runs).flat_map(move |(seed, run)| {
            run.checkpoints.iter().map(move |checkpoint| CurveRecord {
                seed,
                loss: recipe.loss,
                labels: recipe.labels,
                list_size: recipe.list_size,
                beta: recipe.beta,
                epoch: checkpoint.progress.epoch,
                training_loss: checkpoint.progress.loss,
                validation_proxy: checkpoint.validation,
            })
        })
    });
    write_csv(&out.join("curves.csv"), points)
}
