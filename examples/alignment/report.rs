//! The results as a page of Markdown: the comparisons of the paper under each protocol, then each
//! protocol's tables in the paper's layout.

use std::io;

use crate::experiments::{Protocol, Results};
use crate::laboratory::{LabelsFrom, RANKED};
use crate::runs::{DISCOUNT_ALONE, Entry, Figures, GAIN_ALONE, Judge, Stop};
use crate::support::say;
use crate::support::stats::{Interval, mean};
use crate::support::table::{markdown, percent};
use crate::world::sentence;

/// The name by which a loss is known at a list size.
fn known_as(loss: &str, size: usize) -> &'static str {
    match (loss, size) {
        ("pair-hinge", 2) => "SLiC",
        ("pair-logistic", 2) => "DPO",
        ("list-mle", 3..) => "DPO-PL",
        ("lambda-loss", _) => "LiPO-λ",
        _ => "",
    }
}

/// A difference of win rates in points: `+1.5 ± 0.8`.
fn signed(difference: Interval) -> String {
    let points = difference.scaled(100.0);
    format!("{:+.1} ± {:.1}", points.mean, points.margin())
}

const MEASURES: [&str; 4] = ["proxy, %", "true, %", "KL, nats", "words"];

fn measures(figures: &Figures) -> [String; 4] {
    [
        percent(figures.proxy),
        percent(figures.taste),
        format!("{:.2}", figures.kl.mean),
        format!("{:.1}", figures.words.mean),
    ]
}

/// A row of a table: its first cells, the measures, and the true win rate less that of a baseline.
fn row<const N: usize>(first: [&str; N], entry: Entry, baseline: Option<Entry>) -> Vec<String> {
    let compared = baseline.map(|baseline| signed(entry.less(baseline, Judge::Taste)));
    let measures = measures(entry.figures());
    first
        .map(String::from)
        .into_iter()
        .chain(measures)
        .chain([compared.unwrap_or_default()])
        .collect()
}

/// Prints the page.
pub fn print(results: &Results) -> io::Result<()> {
    print_setting(results)?;
    for judge in Judge::ALL {
        print_comparisons(results, judge)?;
    }
    for &protocol in &results.protocols {
        say(format_args!("\n## Protocol: {}", protocol.name()))?;
        print_table_1(results, protocol)?;
        print_list_sizes(results, protocol)?;
        print_weights(results, protocol)?;
        print_ranks(results, protocol)?;
    }
    for stop in Stop::ALL {
        print_betas(results, stop)?;
    }
    print_samples(results)
}

fn print_setting(results: &Results) -> io::Result<()> {
    let labs = &results.labs;
    let average = |accuracies: Vec<f64>| 100.0 * mean(&accuracies);
    let accuracy = average(labs.iter().map(|lab| lab.accuracy.reward_model).collect());
    let greatest = average(labs.iter().map(|lab| lab.accuracy.greatest).collect());
    let setting = labs[0].setting;
    say(format_args!(
        "# Results of the alignment example\n\n\
         This page is what the program prints.\n\n\
         {} seeds. Each has {} summaries for fine-tuning, {} comparisons for the reward model, {} lists, \
         {} posts to choose β and checkpoints, and {} posts to test.\n\
         The reward model agrees with {accuracy:.1} % of held-out comparisons; one who knows the taste \
         would agree with {greatest:.1} %.\n\n\
         Win rates are against the writers' summaries, by the reward model (proxy) and by the hidden taste \
         (true), with 95 % bootstrap intervals over seeds and posts. Differences are taken post by post, \
         in points of win rate.",
        labs.len(),
        setting.corpus,
        setting.comparisons,
        setting.lists,
        setting.validation,
        setting.test,
    ))
}

/// A loss and the lists that it is trained on.
#[derive(Clone, Copy)]
enum Method {
    OfSize(&'static str, usize),
    Ranked(&'static str),
}

impl Method {
    fn entry(self, results: &Results, protocol: Protocol) -> Option<Entry<'_>> {
        match self {
            Self::OfSize(loss, size) => results.with_size(protocol, loss, size),
            Self::Ranked(loss) => results.with_ranks(protocol, loss),
        }
    }
}

/// The differences on which the paper's claims stand, a column for each protocol.
fn print_comparisons(results: &Results, judge: Judge) -> io::Result<()> {
    use Method::{OfSize, Ranked};
    let k = results.longest();
    let lambda = OfSize("lambda-loss", k);
    let mut comparisons = Vec::new();
    if k > 2 {
        comparisons.extend([
            (format!("lambda-loss, K = {k} less K = 2"), lambda, OfSize("lambda-loss", 2)),
            (
                format!("pair-logistic, K = {k} less K = 2"),
                OfSize("pair-logistic", k),
                OfSize("pair-logistic", 2),
            ),
            (format!("list-mle, K = {k} less K = 2"), OfSize("list-mle", k), OfSize("list-mle", 2)),
            (
                format!("LiPO-λ, K = {k}, less SLiC (pair-hinge, K = 2)"),
                lambda,
                OfSize("pair-hinge", 2),
            ),
            (
                format!("LiPO-λ, K = {k}, less DPO (pair-logistic, K = 2)"),
                lambda,
                OfSize("pair-logistic", 2),
            ),
        ]);
    }
    for other in
        ["list-mle", "pair-hinge", "pair-logistic", "softmax", "point-sigmoid", "point-mse"]
    {
        let known = if other == "list-mle" { " (DPO-PL)" } else { "" };
        let what = format!("LiPO-λ less {other}{known}, K = {k}");
        comparisons.push((what, lambda, OfSize(other, k)));
    }
    for (part, other) in [("gain", GAIN_ALONE), ("discount", DISCOUNT_ALONE)] {
        let what = format!("both parts of the weight less {part} alone, K = {k}");
        comparisons.push((what, lambda, OfSize(other, k)));
    }
    for other in ["pair-logistic", "list-mle"] {
        let what = format!("LiPO-λ less {other}, ranks of {RANKED}");
        comparisons.push((what, Ranked("lambda-loss"), Ranked(other)));
    }

    say(format_args!("\n## The paper's comparisons: difference of {} win rates\n", judge.name()))?;
    let mut header = vec!["difference".to_owned()];
    header.extend(results.protocols.iter().map(|protocol| protocol.name()));
    let rows = comparisons.into_iter().filter_map(|(what, one, other)| {
        let cells = results.protocols.iter().map(|&protocol| {
            let (one, other) = (one.entry(results, protocol)?, other.entry(results, protocol)?);
            Some(signed(one.less(other, judge)))
        });
        Some([what].into_iter().chain(cells.collect::<Option<Vec<_>>>()?).collect())
    });
    say(markdown(&header, rows))
}

/// Table 1 of the paper.
fn print_table_1(results: &Results, protocol: Protocol) -> io::Result<()> {
    say("\n### Win rates (the paper's Table 1)\n")?;
    let dpo = results.with_size(protocol, "pair-logistic", 2);
    let before = ["before: SFT policy", "", "", ""].map(String::from);
    let mut rows = vec![[&before[..], &measures(&results.before), &[String::new()]].concat()];
    let mut sizes = vec![2, results.longest()];
    sizes.dedup();
    for size in sizes {
        for loss in results.of_table_1() {
            if let Some(entry) = results.with_size(protocol, loss, size) {
                let beta = entry.group.recipe.beta.to_string();
                rows.push(row([loss, known_as(loss, size), &size.to_string(), &beta], entry, dpo));
            }
        }
    }
    let first = ["loss", "known as", "K", "β"];
    let header = [&first[..], &MEASURES, &["true, less that of DPO"]].concat();
    say(markdown(&header, rows))
}

fn print_list_sizes(results: &Results, protocol: Protocol) -> io::Result<()> {
    say("\n### Win rate by list size, % (Figure 3a)\n")?;
    let sizes = || results.list_sizes.iter();
    let mut header = vec!["loss".to_owned()];
    for judge in Judge::ALL {
        header.extend(sizes().map(|size| format!("{}, K = {size}", judge.name())));
    }
    let rows = results.of_table_1().map(|loss| {
        let cells = Judge::ALL.into_iter().flat_map(|judge| {
            sizes().map(move |&size| {
                let entry = results.with_size(protocol, loss, size);
                entry.map_or_else(String::new, |entry| percent(judge.win_rate(entry.figures())))
            })
        });
        [loss.to_owned()].into_iter().chain(cells).collect()
    });
    say(markdown(&header, rows))
}

fn print_weights(results: &Results, protocol: Protocol) -> io::Result<()> {
    if results.weights().next().is_none() {
        return Ok(());
    }
    let size = results.longest();
    say(format_args!("\n### Lambda weights, K = {size} (Figure 3b)\n"))?;
    let dcg = results.with_size(protocol, "lambda-loss", size);
    let rows = results.weights().filter_map(|(name, loss)| {
        let entry = results.with_size(protocol, loss, size)?;
        Some(row([name, &entry.group.recipe.beta.to_string()], entry, dcg))
    });
    let header = [&["weight", "β"][..], &MEASURES, &["true, less that of DCG"]].concat();
    say(markdown(&header, rows))
}

fn print_ranks(results: &Results, protocol: Protocol) -> io::Result<()> {
    say(format_args!("\n### From an annotator's ranks alone, K = {RANKED} (Section 5.4)\n"))?;
    let logistic = results.with_ranks(protocol, "pair-logistic");
    let rows = results.of_table_1().filter_map(|loss| {
        let entry = results.with_ranks(protocol, loss)?;
        Some(row([loss, &entry.group.recipe.beta.to_string()], entry, logistic))
    });
    let last = ["true, less that of pair-logistic"];
    say(markdown(&[&["loss", "β"][..], &MEASURES, &last].concat(), rows))
}

fn print_betas(results: &Results, stop: Stop) -> io::Result<()> {
    let (size, labels) = (results.longest(), LabelsFrom::RewardModel);
    let epoch = if stop == Stop::Best { " (and its mean epoch)" } else { "" };
    say(format_args!(
        "\n## By β, {} checkpoint{epoch}, K = {size}: KL in nats and true win rate in %; * is the loss's own β\n",
        stop.name()
    ))?;
    let own = Protocol { stop, ..Protocol::OWN };
    let mut header = vec!["loss".to_owned()];
    header.extend(results.betas.iter().map(|beta| format!("β = {beta}")));
    let rows = results.of_table_1().map(|loss| {
        let cells = results.betas.iter().map(|&beta| {
            let Some(group) = results.group(loss, labels, size, beta) else {
                return String::new();
            };
            let entry = Entry { group, stop };
            let figures = entry.figures();
            let epoch = if stop == Stop::Best {
                let epochs = entry.picked().map(|picked| picked.checkpoint.progress.epoch);
                format!(" ({:.2})", mean(&epochs.collect::<Vec<_>>()))
            } else {
                String::new()
            };
            let star = if beta == results.beta(own, loss, labels) { " *" } else { "" };
            let win_rate = 100.0 * figures.taste.mean;
            format!("{:.2}: {win_rate:.1}{epoch}{star}", figures.kl.mean)
        });
        std::iter::once(loss.to_owned()).chain(cells).collect()
    });
    say(markdown(&header, rows))
}

/// A post and what becomes of it.
fn print_samples(results: &Results) -> io::Result<()> {
    let lab = &results.labs[0];
    let post = &lab.test_posts[0];
    say("\n## A post and its summaries: each loss with its own β, last checkpoint\n")?;
    let line = |name: &str, words: &str| say(format_args!("    {name:<24} {words}"));
    line("post", &sentence(&post.words))?;
    line("key words", &sentence(&post.keys))?;
    line("writer", &sentence(&post.summary))?;
    line("SFT policy", &sentence(&lab.sample(&lab.reference)))?;
    for loss in results.of_table_1() {
        let entry = results.with_size(Protocol::OWN, loss, results.longest());
        if let Some(picked) = entry.and_then(|entry| entry.picked().next()) {
            line(loss, &sentence(&picked.sample))?;
        }
    }
    Ok(())
}
