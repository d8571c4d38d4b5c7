//! The experiments: every loss with every β on every kind of list, for all seeds, and the protocols by
//! which results are picked out of them.

use std::error::Error;
use std::sync::Mutex;
use std::thread;

use indicatif::{ProgressBar, ProgressStyle};

use crate::laboratory::{LabelsFrom, Laboratory, RANKED, Setting};
use crate::runs::{DISCOUNT_ALONE, Entry, Figures, GAIN_ALONE, Group, Recipe, Run, Stop};
use crate::support::named;
use crate::{Args, Outcome};

/// How the β of a loss is chosen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum BetaRule {
    /// Each loss has the β with which it does best on validation posts.
    Own,
    /// All losses have this β.
    One(f64),
}

/// How β and a checkpoint are chosen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Protocol {
    pub beta: BetaRule,
    pub stop: Stop,
}

impl Protocol {
    /// This program's protocol: each loss with its own β, trained to the end.
    pub const OWN: Self = Self { beta: BetaRule::Own, stop: Stop::Last };
    /// Both choices on validation posts.
    const OWN_BEST: Self = Self { beta: BetaRule::Own, stop: Stop::Best };

    /// The paper's protocol: all losses with one β, and of each run the best checkpoint.
    fn paper(beta: f64) -> Self {
        Self { beta: BetaRule::One(beta), stop: Stop::Best }
    }

    pub fn name(self) -> String {
        let beta = match self.beta {
            BetaRule::Own => "own β".into(),
            BetaRule::One(beta) => format!("β = {beta}"),
        };
        format!("{beta}, {} checkpoint", self.stop.name())
    }
}

/// The β of a loss by a rule for checkpoints.
struct OwnBeta {
    loss: &'static str,
    labels: LabelsFrom,
    stop: Stop,
    beta: f64,
}

pub struct Results {
    /// The losses and, with lambda-loss, the parts of its weight.
    pub losses: Vec<&'static str>,
    /// Ascending.
    pub list_sizes: Vec<usize>,
    /// All β that were tried, ascending.
    pub betas: Vec<f64>,
    pub protocols: Vec<Protocol>,
    pub labs: Vec<Laboratory>,
    /// The policy before preference optimisation.
    pub before: Figures,
    pub groups: Vec<Group>,
    own_betas: Vec<OwnBeta>,
}

impl Results {
    pub fn new(args: &Args) -> Result<Self, Box<dyn Error>> {
        let setting = if args.tiny { Setting::TINY } else { Setting::FULL };
        let mut losses: Vec<_> = named::LOSSES
            .into_iter()
            .filter(|name| args.losses.iter().any(|asked| asked == name))
            .collect();
        if losses.contains(&"lambda-loss") {
            losses.extend([GAIN_ALONE, DISCOUNT_ALONE]);
        }
        let mut list_sizes = args.list_sizes.clone();
        list_sizes.sort_unstable();
        list_sizes.dedup();
        let (own, one) = (ascending(&args.beta), ascending(&args.one_beta));
        let betas = ascending(&[&own[..], &one].concat());
        let paper = one.iter().map(|&beta| Protocol::paper(beta));
        let protocols = [Protocol::OWN, Protocol::OWN_BEST].into_iter().chain(paper).collect();

        let seeds: Vec<_> = (0..args.seeds).collect();
        let bar = progress_bar(2 * seeds.len(), "fine-tuning and reward models")?;
        let labs = in_parallel(&seeds, &bar, |&seed| Laboratory::new(seed, setting))?;
        let before = in_parallel(&labs, &bar, |lab| lab.test(&lab.reference))?;
        bar.finish_and_clear();
        let before = Figures::new(before.iter());
        let (groups, own_betas) = (Vec::new(), Vec::new());
        let mut results =
            Self { losses, list_sizes, betas, protocols, labs, before, groups, own_betas };

        // On the longest lists and on ranks with every β, by which each loss chooses its own;
        // shorter lists follow, with those β that a protocol asks for.
        let kinds = [(LabelsFrom::RewardModel, results.longest()), (LabelsFrom::Ranks, RANKED)];
        let mut recipes = Vec::new();
        for (labels, list_size) in kinds {
            for &loss in &results.losses {
                if labels == LabelsFrom::RewardModel || named::LOSSES.contains(&loss) {
                    let of = |&beta: &f64| Recipe { loss, labels, list_size, beta };
                    recipes.extend(results.betas.iter().map(of));
                }
            }
        }
        results.run(&recipes, "preference optimisation")?;
        results.choose_betas(&own);
        let recipes = results.shorter();
        results.run(&recipes, "shorter lists")?;
        Ok(results)
    }

    fn run(&mut self, recipes: &[Recipe], what: &'static str) -> Result<(), Box<dyn Error>> {
        let of_recipe = |&recipe| self.labs.iter().map(move |lab| (recipe, lab));
        let jobs: Vec<(Recipe, &Laboratory)> = recipes.iter().flat_map(of_recipe).collect();
        let bar = progress_bar(jobs.len(), what)?;
        let runs = in_parallel(&jobs, &bar, |&(recipe, lab)| Run::new(lab, recipe))?;
        bar.finish_and_clear();
        let of_groups: Vec<_> = runs.chunks(self.labs.len()).collect();
        let bar = progress_bar(of_groups.len(), "bootstrap")?;
        let figures = in_parallel(&of_groups, &bar, |runs| {
            let of = |stop| Figures::new(runs.iter().map(|run| &run.picked(stop).test));
            Ok((of(Stop::Last), of(Stop::Best)))
        })?;
        bar.finish_and_clear();
        let mut runs = runs.into_iter();
        for (&recipe, (last, best)) in recipes.iter().zip(figures) {
            let runs = runs.by_ref().take(self.labs.len()).collect();
            self.groups.push(Group { recipe, runs, last, best });
        }
        Ok(())
    }

    /// For each loss, source of labels and rule for checkpoints, the β of `candidates` with the greatest
    /// win rate on validation posts, by the proxy, as a mean over the seeds.
    fn choose_betas(&mut self, candidates: &[f64]) {
        let mut chosen: Vec<(OwnBeta, f64)> = Vec::new();
        for group in self.groups.iter().filter(|one| candidates.contains(&one.recipe.beta)) {
            let Recipe { loss, labels, beta, .. } = group.recipe;
            for stop in Stop::ALL {
                let win_rate = group.validation(stop);
                let is_it =
                    |own: &OwnBeta| own.loss == loss && own.labels == labels && own.stop == stop;
                match chosen.iter_mut().find(|(own, _)| is_it(own)) {
                    None => chosen.push((OwnBeta { loss, labels, stop, beta }, win_rate)),
                    Some((own, best)) if win_rate > *best => (own.beta, *best) = (beta, win_rate),
                    Some(_) => {}
                }
            }
        }
        self.own_betas = chosen.into_iter().map(|(own, _)| own).collect();
    }

    /// The losses of Table 1 on lists that are not the longest.
    fn shorter(&self) -> Vec<Recipe> {
        let labels = LabelsFrom::RewardModel;
        let mut recipes = Vec::new();
        for loss in self.of_table_1() {
            let betas = self.protocols.iter().map(|&protocol| self.beta(protocol, loss, labels));
            let betas = ascending(&betas.collect::<Vec<_>>());
            for &list_size in self.list_sizes.iter().filter(|size| **size != self.longest()) {
                recipes.extend(betas.iter().map(|&beta| Recipe { loss, labels, list_size, beta }));
            }
        }
        recipes
    }

    pub fn of_table_1(&self) -> impl Iterator<Item = &'static str> {
        self.losses.iter().copied().filter(|loss| named::LOSSES.contains(loss))
    }

    pub fn longest(&self) -> usize {
        self.list_sizes.last().copied().expect("the arguments have a list size")
    }

    pub fn beta(&self, protocol: Protocol, loss: &str, labels: LabelsFrom) -> f64 {
        match protocol.beta {
            BetaRule::One(beta) => beta,
            BetaRule::Own => {
                let is_it = |own: &&OwnBeta| {
                    own.loss == loss && own.labels == labels && own.stop == protocol.stop
                };
                self.own_betas.iter().find(is_it).map_or(f64::NAN, |own| own.beta)
            }
        }
    }

    pub fn group(&self, loss: &str, labels: LabelsFrom, size: usize, beta: f64) -> Option<&Group> {
        self.groups.iter().find(|group| {
            let recipe = &group.recipe;
            recipe.loss == loss
                && recipe.labels == labels
                && recipe.list_size == size
                && recipe.beta == beta
        })
    }

    fn entry(
        &self,
        protocol: Protocol,
        loss: &str,
        labels: LabelsFrom,
        size: usize,
    ) -> Option<Entry<'_>> {
        let group = self.group(loss, labels, size, self.beta(protocol, loss, labels))?;
        Some(Entry { group, stop: protocol.stop })
    }

    /// On lists that the reward model labelled.
    pub fn with_size(&self, protocol: Protocol, loss: &str, size: usize) -> Option<Entry<'_>> {
        self.entry(protocol, loss, LabelsFrom::RewardModel, size)
    }

    /// On lists of three that an annotator ranked.
    pub fn with_ranks(&self, protocol: Protocol, loss: &str) -> Option<Entry<'_>> {
        self.entry(protocol, loss, LabelsFrom::Ranks, RANKED)
    }

    /// The parts of the lambda weight and the losses that have them; none without lambda-loss.
    pub fn weights(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        let weights = [
            ("gain and discount (DCG)", "lambda-loss"),
            ("gain alone", GAIN_ALONE),
            ("discount alone", DISCOUNT_ALONE),
            ("constant (pair-logistic)", "pair-logistic"),
        ];
        let has_lambda_loss = self.losses.contains(&"lambda-loss");
        weights.into_iter().filter(move |(_, loss)| has_lambda_loss && self.losses.contains(loss))
    }
}

/// Sorted, each value once.
fn ascending(values: &[f64]) -> Vec<f64> {
    let mut values = values.to_vec();
    values.sort_unstable_by(f64::total_cmp);
    values.dedup();
    values
}

fn progress_bar(count: usize, of_what: &'static str) -> Result<ProgressBar, Box<dyn Error>> {
    let style = ProgressStyle::with_template("{msg} {bar:40} {pos} of {len}, {eta} left")?;
    Ok(ProgressBar::new(count as u64).with_style(style).with_message(of_what))
}

/// Works on jobs in as many threads as there are processors; results come in the jobs' order.
fn in_parallel<J: Sync, R: Send>(
    jobs: &[J],
    progress: &ProgressBar,
    work: impl Fn(&J) -> Outcome<R> + Sync,
) -> Result<Vec<R>, Box<dyn Error>> {
    let queue = Mutex::new(jobs.iter().enumerate());
    let results = Mutex::new(Vec::new());
    let next = || queue.lock().expect("no panics while locked").next();
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some((index, job)) = next() {
                    let result = work(job);
                    results.lock().expect("no panics while locked").push((index, result));
                    progress.inc(1);
                }
            });
        }
    });
    let mut results = results.into_inner().expect("no panics while locked");
    results.sort_by_key(|(index, _)| *index);
    let results: Outcome<Vec<R>> = results.into_iter().map(|(_, result)| result).collect();
    results.map_err(|error| -> Box<dyn Error> { error })
}
