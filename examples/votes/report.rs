//! The output: tables, or JSON Lines.

use std::fmt::Write as _;

use lipo::labels::{
    Bootstrap, Comparison, Comparisons, Estimator, Fit, Stopping, average_win_rate,
    averaged_over_orders, bootstrap, position_bias,
};
use ndarray::Array1;
use rand::{SeedableRng, rngs::StdRng, seq::SliceRandom};
use serde_json::json;

use crate::reading::Votes;
use crate::{Anything, Args, Format};

/// Votes, and the strengths that explain them.
pub struct Fitted<'a> {
    votes: &'a Votes,
    all: Comparisons,
    fit: Fit,
}

impl<'a> Fitted<'a> {
    pub fn new(votes: &'a Votes, args: &Args) -> Anything<Self> {
        let all = votes.comparisons()?;
        let fit = args.model().fit(&all).map_err(|error| votes.with_names(&error))?;
        Ok(Self { votes, all, fit })
    }
}

/// Everything about the votes of one group.
pub fn table(out: &mut String, args: &Args, fitted: &Fitted<'_>) -> Anything<()> {
    print_items(out, args, fitted)?;
    print_bias(out, &fitted.all)?;
    print_order_effect(out, args, fitted)?;
    print_partial(out, args, fitted)
}

fn best_first(fit: &Fit) -> Vec<usize> {
    let strengths = &fit.strengths;
    let mut order: Vec<usize> = (0..strengths.len()).collect();
    order.sort_by(|&a, &b| strengths[b].total_cmp(&strengths[a]));
    order
}

/// The win rates, or none of them where comparisons do not link all items.
fn win_rates(all: &Comparisons) -> Vec<Option<f64>> {
    average_win_rate(all)
        .map_or(vec![None; all.items()], |rates| rates.iter().copied().map(Some).collect())
}

fn print_items(out: &mut String, args: &Args, fitted: &Fitted<'_>) -> Anything<()> {
    let Fitted { votes, all, fit } = fitted;
    let model = args.model();
    let rates = win_rates(all);
    let shares = fit.shares();
    let errors = model.information(all, fit)?.standard_errors()?;
    let psi: Array1<f64> = fit.labels();
    let intervals = resampled(args, all, fit)?;
    let counts = votes.counts();
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

fn print_bias(out: &mut String, all: &Comparisons) -> Anything<()> {
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
    Ok(())
}

/// The advantage of the first that the strengths leave unexplained, and the order effect if it is fitted.
fn print_order_effect(out: &mut String, args: &Args, fitted: &Fitted<'_>) -> Anything<()> {
    let Fitted { all, fit, .. } = fitted;
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
fn print_partial(out: &mut String, args: &Args, fitted: &Fitted<'_>) -> Anything<()> {
    let Fitted { votes, fit, .. } = fitted;
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

/// A line for each item of one group, and one for the position bias.
pub fn json(out: &mut String, fitted: &Fitted<'_>) -> Anything<()> {
    let Fitted { votes, all, fit } = fitted;
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

/// The labels of each prompt's responses, from the votes of that prompt; then the position bias of all
/// votes together.
pub fn prompts(out: &mut String, args: &Args, groups: &[Votes]) -> Anything<()> {
    if args.format == Format::Table {
        let (rate, error) = ("win rate", "± s.e.");
        let columns = format!("{:>6}  {rate:>9}  {:>8}  {error:>7}  {:>7}", "votes", "θ", "ψ");
        writeln!(out, "{:PROMPT$}  {:ITEM$}  {columns}", "prompt", "item")?;
    }
    for votes in groups {
        let fitted = Fitted::new(votes, args)?;
        match args.format {
            Format::Table => print_prompt(out, args, &fitted)?,
            Format::Json => {
                let Fitted { all, fit, .. } = &fitted;
                let psi: Array1<f64> = fit.labels();
                let row = json!({
                    "prompt": votes.prompt,
                    "items": votes.names,
                    "votes": votes.counts(),
                    "average_win_rate": win_rates(all),
                    "theta": fit.strengths.to_vec(),
                    "labels": psi.to_vec(),
                });
                writeln!(out, "{row}")?;
            }
        }
    }
    let together = together(groups)?;
    let count: usize = groups.iter().map(|votes| votes.records.len()).sum();
    match args.format {
        Format::Table => {
            let (prompts, items) = (groups.len(), together.items());
            writeln!(out, "\n{count} votes on {items} responses to {prompts} prompts")?;
            print_bias(out, &together)
        }
        Format::Json => {
            let bias = position_bias(&together).mean_asymmetry;
            let row = json!({ "votes": count, "prompts": groups.len(), "mean_asymmetry": bias });
            Ok(writeln!(out, "{row}")?)
        }
    }
}

/// The width of a prompt and of an item in the table of prompts.
const PROMPT: usize = 24;
const ITEM: usize = 16;

fn print_prompt(out: &mut String, args: &Args, fitted: &Fitted<'_>) -> Anything<()> {
    let Fitted { votes, all, fit } = fitted;
    let (rates, counts) = (win_rates(all), votes.counts());
    let errors = args.model().information(all, fit)?.standard_errors()?;
    let psi: Array1<f64> = fit.labels();
    let mut prompt = shortened(&votes.prompt, PROMPT);
    for item in best_first(fit) {
        let rate = rates[item].map_or("—".to_owned(), |rate| format!("{rate:.7}"));
        writeln!(
            out,
            "{prompt:PROMPT$}  {:ITEM$}  {:>6}  {rate:>9}  {:>8.4}  {:>7.4}  {:>7.4}",
            shortened(&votes.names[item], ITEM),
            counts[item],
            fit.strengths[item],
            errors[item],
            psi[item],
        )?;
        prompt.clear(); // it stands beside its first item alone
    }
    Ok(())
}

/// A text on one line, cut to `length` letters.
fn shortened(text: &str, length: usize) -> String {
    let line: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= length {
        return line;
    }
    line.chars().take(length - 1).chain(['…']).collect()
}

/// The comparisons of all prompts, in which a response to one is another item than one to another.
fn together(groups: &[Votes]) -> Result<Comparisons, lipo::Error> {
    let (mut records, mut items) = (Vec::new(), 0);
    for votes in groups {
        let moved = |vote: &Comparison| {
            Comparison::new(vote.first + items, vote.second + items, vote.outcome)
                .weight(vote.weight)
        };
        records.extend(votes.records.iter().map(moved));
        items += votes.names.len();
    }
    Comparisons::from_records(items, records)
}
