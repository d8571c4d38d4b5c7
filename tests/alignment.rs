//! `examples/alignment/`: the pieces that its figures stand on, and the program as its users meet it.
//!
//! What comes out of the experiment is no business of a test; that the policy gets the gradient of its
//! loss, that samples and annotators follow their distributions, and that a seed fixes everything, is.

use std::collections::HashMap;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use lipo::scores::ImplicitReward;
use ndarray::{Array2, Zip};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use rand_distr::{Distribution, StandardNormal};

#[allow(dead_code)] // of each module of the example, the tests take a part
#[path = "../examples/alignment/network.rs"]
mod network;
#[allow(dead_code)]
#[path = "../examples/alignment/policy.rs"]
mod policy;
mod programs;
#[allow(dead_code)]
#[path = "../examples/alignment/reward_model.rs"]
mod reward_model;
#[path = "../examples/support/mod.rs"]
mod support;
#[allow(dead_code)]
#[path = "../examples/alignment/training.rs"]
mod training;
#[allow(dead_code)]
#[path = "../examples/alignment/world.rs"]
mod world;

use network::Network;
use policy::Sampler;
use programs::{program, stderr};
use reward_model::{RewardModel, best_accuracy, comparisons};
use support::named;
use support::stats::mean;
use training::{Plan, Preferences, Progress, objective, train};
use world::{LENGTH, Post, Token, VOCABULARY};

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

// The pieces.

fn normal_like(array: &Array2<f32>, rng: &mut StdRng) -> Array2<f32> {
    array.map(|_| Distribution::<f32>::sample(&StandardNormal, rng))
}

/// Along random directions in each of the five arrays of weights: what `backward` of words, scores,
/// softmax, layers and embeddings gives, against the difference of two losses.
#[test]
fn gradients_are_central_differences() {
    const STEP: f32 = 4e-3;
    let mut rng = StdRng::seed_from_u64(11);
    let posts = world::posts(4, &mut rng);
    let reference = Network::new(policy::BAGS, VOCABULARY, &mut rng);
    let responses = Sampler::PAPER.responses(&reference, &posts, 5, &mut rng);
    let labels = Array2::from_shape_simple_fn((4, 5), || rng.random_range(0.0..1.0));
    let responses = responses.iter().map(Vec::as_slice).collect();
    let lists = Preferences::new(&reference, &posts, responses, labels).expect("finite weights");
    // Away from the reference, where all scores tie.
    let mut policy = reference.clone();
    for part in &mut policy.weights {
        let noise = normal_like(part, &mut rng);
        part.scaled_add(0.1, &noise);
    }
    let (reward, batch) = (ImplicitReward::new(0.3).expect("positive"), [3, 0, 2]);

    for name in named::LOSSES {
        let loss = named::loss(name);
        let value_at = |policy: &Network| {
            objective(policy, &*loss, reward, &lists, &batch).expect("finite weights").0
        };
        let (_, grad) = objective(&policy, &*loss, reward, &lists, &batch).expect("finite weights");
        for (part, grad) in grad.iter().enumerate() {
            let mut direction = normal_like(grad, &mut rng);
            // Half of it along the gradient, so that a wrong size shows as well as a wrong sense.
            let (norm, length) = (norm(grad), norm(&direction));
            Zip::from(&mut direction).and(grad).for_each(|d, g| *d = *d / length + g / norm);
            let [ahead, behind] = [STEP, -STEP].map(|step| {
                let mut moved = policy.clone();
                moved.weights[part].scaled_add(step, &direction);
                f64::from(value_at(&moved))
            });
            let difference = (ahead - behind) / f64::from(2.0 * STEP);
            let slope = f64::from((&direction * grad).sum());
            assert!(
                (difference - slope).abs() < 5e-3 * slope.abs() + 2e-4,
                "{name}, weights {part}: {slope} is no {difference}"
            );
        }
    }
}

fn norm(array: &Array2<f32>) -> f32 {
    array.map(|x| x * x).sum().sqrt()
}

/// Words outside the 40 likeliest never come; the others come as often as softmax(logits / 0.7) says,
/// within four standard deviations.
#[test]
fn samples_follow_temperature_and_top_k() {
    const DRAWS: u32 = 40_000;
    let mut rng = StdRng::seed_from_u64(5);
    let logits: Vec<f32> = (0..VOCABULARY).map(|_| rng.random_range(-2.0..2.0)).collect();
    let mut counts = [0_u32; VOCABULARY];
    for _ in 0..DRAWS {
        counts[usize::from(Sampler::PAPER.draw(&logits, &mut rng))] += 1;
    }
    let mut order: Vec<_> = (0..VOCABULARY).collect();
    order.sort_by(|&a, &b| logits[b].total_cmp(&logits[a]));
    let mass = |token: usize| (f64::from(logits[token]) / 0.7).exp();
    let total: f64 = order[..40].iter().map(|&token| mass(token)).sum();
    for (rank, &token) in order.iter().enumerate() {
        let share = if rank < 40 { mass(token) / total } else { 0.0 };
        let (expected, count) = (share * f64::from(DRAWS), f64::from(counts[token]));
        let deviation = (expected * (1.0 - share)).sqrt();
        assert!(
            (count - expected).abs() <= 4.0 * deviation,
            "rank {rank}: {count}, not {expected}"
        );
    }
}

#[test]
fn responses_end_once_or_fill_their_length() {
    let mut rng = StdRng::seed_from_u64(3);
    let posts = world::posts(10, &mut rng);
    let policy = Network::new(policy::BAGS, VOCABULARY, &mut rng);
    for response in Sampler::PAPER.responses(&policy, &posts, 20, &mut rng) {
        let end = response.iter().position(|&token| token == 0);
        assert_eq!(end.map_or(LENGTH, |end| end + 1), response.len(), "{response:?}");
    }
}

/// A post with key words 16, 17 (nouns) and 20 (a verb), and 30 beside.
fn post() -> Post {
    let words: Vec<Token> = vec![16, 16, 17, 17, 20, 20, 30, 30, 30, 1, 6, 11];
    Post { words, keys: vec![16, 17, 20], summary: vec![16, 0] }
}

#[test]
fn taste_is_what_its_documentation_says() {
    let taste = |response: &[Token]| world::taste(&post(), response);
    for (response, expected) in [
        (&[0][..], 0.0),
        (&[1, 16, 0], 1.5),                        // the noun after a determiner
        (&[16, 0], 1.5),                           // after nothing
        (&[6, 16, 0], 1.0),                        // after a pronoun
        (&[11, 16, 0], 1.0),                       // after a filler
        (&[6, 20, 0], 1.5),                        // the verb after a pronoun
        (&[1, 16, 1, 16, 0], 0.8),                 // twice
        (&[1, 30, 0], -0.7),                       // in the post, but no key word
        (&[1, 16, 1, 17, 6, 20, 0], 4.5),          // the best
        (&[1, 16, 1, 17, 6, 20, 11, 11, 0], 3.9),  // two words too long
        (&[1, 16, 1, 17, 6, 20, 11, 11, 11], 3.6), // three, and without an end
    ] {
        assert!((taste(response) - expected).abs() < 1e-12, "{response:?}: {}", taste(response));
    }
}

/// The ranks of two responses are a comparison: the better one comes first as often as an annotator
/// prefers it.
#[test]
fn ranks_agree_with_comparisons() {
    const DRAWS: u32 = 10_000;
    let (good, bad): (Vec<Token>, Vec<Token>) = (vec![1, 16, 0], vec![6, 16, 0]);
    let prefers = world::prefers(&post(), &good, &bad);
    assert!((prefers + world::prefers(&post(), &bad, &good) - 1.0).abs() < 1e-12);
    let mut rng = StdRng::seed_from_u64(1);
    let responses = [good, bad];
    let first = (0..DRAWS).filter(|_| {
        let ranks = world::ranks(&post(), &responses, &mut rng);
        assert!(ranks == [1.0, 2.0] || ranks == [2.0, 1.0], "{ranks:?}");
        ranks[0] == 1.0
    });
    let share = first.count() as f64 / f64::from(DRAWS);
    let deviation = (prefers * (1.0 - prefers) / f64::from(DRAWS)).sqrt();
    assert!((share - prefers).abs() < 4.0 * deviation, "{share}, not {prefers}");
}

/// What a reward model learns from comparisons: on others it agrees with annotators far more often than
/// chance, and not more often than one who knows the taste.
#[test]
fn a_reward_model_learns_the_taste() {
    let mut rng = StdRng::seed_from_u64(7);
    let [posts, unseen] = [1000, 500].map(|count| world::posts(count, &mut rng));
    let policy = Network::new(policy::BAGS, VOCABULARY, &mut rng);
    let compared = comparisons(&policy, &posts, 4000, &mut rng);
    let model =
        RewardModel::train(&policy, &posts, &compared, 4, &mut rng).expect("finite weights");
    let held_out = comparisons(&policy, &unseen, 500, &mut rng);
    let accuracy = model.accuracy(&unseen, &held_out).expect("finite weights");
    let greatest = mean(&best_accuracy(&unseen, &held_out));
    assert!(accuracy > 0.65 && accuracy < greatest + 0.03, "{accuracy} of {greatest}");
    // Win probabilities are fair to both responses, and are one half against oneself.
    let responses = [&[1, 16, 0][..], &[30, 30, 0], &[1, 16, 0]];
    let wins = model.wins(&unseen[..1], &responses).expect("finite weights");
    for (first, second) in [(0, 1), (0, 2), (1, 2)] {
        let sum = wins[[0, first, second]] + wins[[0, second, first]];
        assert!((sum - 1.0).abs() < 1e-6, "{first} and {second}: {sum}");
    }
    assert!((wins[[0, 0, 2]] - 0.5).abs() < 1e-6, "{wins}");
}

/// A training run is looked at before its first step and at even distances to its end, each list is in
/// one batch of each epoch, and the loss falls.
#[test]
fn a_training_run_is_looked_at_as_planned() {
    let mut rng = StdRng::seed_from_u64(2);
    let posts = world::posts(10, &mut rng);
    let reference = Network::new(policy::BAGS, VOCABULARY, &mut rng);
    let responses = Sampler::PAPER.responses(&reference, &posts, 4, &mut rng);
    let labels = Array2::from_shape_simple_fn((10, 4), || rng.random_range(0.0..1.0));
    let responses = responses.iter().map(Vec::as_slice).collect();
    let lists = Preferences::new(&reference, &posts, responses, labels).expect("finite weights");
    let reward = ImplicitReward::new(1.0).expect("positive");
    let plan = Plan { learning_rate: 1e-3, batch: 4, epochs: 8, checkpoints: 4 };
    let run = |seed: u64| {
        let mut seen: Vec<(Progress, Network)> = Vec::new();
        let look = |progress: Progress, policy: &Network| -> Outcome<()> {
            seen.push((progress, policy.clone()));
            Ok(())
        };
        train(&reference, &*named::loss("softmax"), reward, &lists, plan, seed, look)
            .expect("finite weights");
        seen
    };
    let seen = run(1);
    let epochs: Vec<_> = seen.iter().map(|(progress, _)| progress.epoch).collect();
    assert_eq!(epochs, [0.0, 2.0, 4.0, 6.0, 8.0]);
    assert_eq!(seen[0].1.weights, reference.weights);
    assert!(seen[4].0.loss < 0.9 * seen[0].0.loss, "{:?}", seen[4].0);
    assert_eq!(seen[4].1.weights, run(1)[4].1.weights);
    assert_ne!(seen[4].1.weights, run(2)[4].1.weights);
    for epoch in network::batches(10, 4, 3, &mut rng).collect::<Vec<_>>().chunks(3) {
        let mut lists = epoch.concat();
        lists.sort_unstable();
        assert_eq!(lists, (0..10).collect::<Vec<_>>());
    }
}

// The program.

fn run(args: &[&str], out: &Path) -> Output {
    programs::run(program("alignment").args(args).arg("--out").arg(out), "")
}

fn directory(name: &str) -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&directory);
    directory
}

/// What a run that must succeed printed.
fn stdout(args: &[&str], out: &Path) -> String {
    let output = run(args, out);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stderr(&output).contains(&*out.to_string_lossy()), "{}", stderr(&output));
    programs::stdout(&output).to_owned()
}

/// The records of a CSV file, by the names of their fields.
fn records(path: &Path) -> Vec<HashMap<String, String>> {
    let mut reader = csv::Reader::from_path(path).expect("a file");
    reader.deserialize().map(|record| record.expect("a record")).collect()
}

fn figure(record: &HashMap<String, String>, name: &str) -> f64 {
    record[name].parse().expect("a number")
}

#[test]
fn a_seed_fixes_everything_but_another_does_not() {
    let args = [
        "--tiny",
        "--seeds",
        "2",
        "--losses",
        "lambda-loss",
        "--list-sizes",
        "2,4",
        "--beta",
        "0.2,1",
        "--one-beta",
        "1,5",
    ];
    let (once, again) = (directory("once"), directory("again"));
    let pictures = again.join("pictures");
    let directory = pictures.to_string_lossy();
    let elsewhere = [&args[..], &["--pictures", &*directory]].concat();
    assert_eq!(stdout(&args, &once), stdout(&elsewhere, &again));
    let tables = ["runs.csv", "summary.csv", "curves.csv"].map(|file| (file, &again));
    let svg = ["list_size.svg", "kl.svg", "curves.svg", "ranks.svg", "lambda_weight.svg"]
        .map(|file| (file, &pictures));
    for (file, again) in tables.into_iter().chain(svg) {
        let [one, other] = [&once, again].map(|at| fs::read_to_string(at.join(file)).expect(file));
        assert!(one == other, "{file} differs");
        if file.ends_with("svg") {
            assert!(one.starts_with("<svg") && one.trim_end().ends_with("</svg>"), "{file}");
            assert!(!one.contains("NaN"), "{file}");
        }
    }

    // Three lambda weights and, from ranks, the loss itself at 3 β; shorter lists at the β of the
    // protocols: 1, 5 and perhaps 0.2. Each by 2 seeds, at the last and at the best checkpoint.
    let runs = records(&once.join("runs.csv"));
    let own = |run: &&HashMap<String, String>| run["own_beta"] == "true";
    let shorter = runs.iter().filter(|run| run["list_size"] == "2").count();
    assert!([8, 12].contains(&shorter), "{shorter}");
    assert_eq!(runs.len(), (3 * 3 + 3) * 4 + shorter);
    assert!(runs.iter().filter(own).all(|run| [0.2, 1.0].contains(&figure(run, "beta"))));
    let of_seed = |seed: &str| -> Vec<_> {
        let of = runs.iter().filter(|run| run["seed"] == seed);
        of.map(|run| ["proxy", "true", "kl", "words"].map(|field| run[field].clone())).collect()
    };
    assert_eq!(of_seed("0").len(), of_seed("1").len());
    assert_ne!(of_seed("0"), of_seed("1"));
    // A share of wins is a share, and the policy has moved.
    for run in &runs {
        for share in ["proxy", "true", "validation_proxy"].map(|name| figure(run, name)) {
            assert!((0.0..=1.0).contains(&share), "{run:?}");
        }
        assert!(figure(run, "kl") > 0.0, "{run:?}");
    }
}

/// The checkpoint that counts, and each loss's own β, are the best of those that `curves.csv` has, by
/// the proxy on validation posts.
#[test]
fn the_best_checkpoint_and_the_best_beta_are_taken() {
    let out = directory("best");
    let args = [
        "--tiny",
        "--seeds",
        "3",
        "--losses",
        "softmax",
        "--list-sizes",
        "3",
        "--beta",
        "0.05,10",
        "--one-beta",
        "0.05",
    ];
    stdout(&args, &out);
    let (runs, curves) = (records(&out.join("runs.csv")), records(&out.join("curves.csv")));
    let key = |record: &HashMap<String, String>| {
        ["seed", "loss", "labels", "list_size", "beta"].map(|field| record[field].clone())
    };
    for run in &runs {
        // The policy before training is no choice.
        let checkpoints = curves.iter().filter(|one| key(one) == key(run)).skip(1);
        let (epoch, proxy) = (figure(run, "epoch"), figure(run, "validation_proxy"));
        let of_run: Vec<_> = checkpoints
            .map(|one| (figure(one, "epoch"), figure(one, "validation_proxy")))
            .collect();
        assert!(of_run.contains(&(epoch, proxy)), "{run:?} is not in {of_run:?}");
        match &*run["checkpoint"] {
            "last" => assert_eq!(of_run.last(), Some(&(epoch, proxy))),
            _ => assert!(
                of_run.iter().all(|&(at, other)| other < proxy || other == proxy && at >= epoch),
                "{epoch} is not the first of the best: {of_run:?}"
            ),
        }
    }
    for checkpoint in ["last", "best"] {
        for labels in ["reward-model", "ranks"] {
            let of = |beta: f64| {
                let of = runs.iter().filter(|run| {
                    figure(run, "beta") == beta
                        && run["checkpoint"] == checkpoint
                        && run["labels"] == labels
                });
                let proxies: Vec<_> =
                    of.clone().map(|run| figure(run, "validation_proxy")).collect();
                (mean(&proxies), of.clone().all(|run| run["own_beta"] == "true"))
            };
            let ((low, low_is_own), (high, high_is_own)) = (of(0.05), of(10.0));
            assert_ne!(low_is_own, high_is_own);
            assert!(if low_is_own { low >= high } else { high > low }, "{low}, {high}");
        }
    }
}

#[test]
fn options_are_obeyed() {
    let out = directory("options");
    let args = [
        "--tiny",
        "--seeds",
        "1",
        "--losses",
        "softmax",
        "--list-sizes",
        "5,3,5",
        "--beta",
        "0.3",
        "--one-beta",
        "0.3",
    ];
    let printed = stdout(&args, &out);
    assert!(printed.contains("| softmax ") && !printed.contains("pair-hinge"), "{printed}");
    assert!(printed.contains("proxy, K = 3 | proxy, K = 5 | true, K = 3"), "{printed}");
    for protocol in ["own β, last", "own β, best", "β = 0.3, best"] {
        assert!(printed.contains(&format!("## Protocol: {protocol} checkpoint")), "{printed}");
    }
    assert!(!out.join("lambda_weight.svg").exists());
    // One seed has no bands.
    let curves = fs::read_to_string(out.join("curves.svg")).expect("a file");
    assert!(!curves.contains("bands") && !curves.contains("opacity=\"0.15\""), "{curves}");
    let found: Vec<_> = records(&out.join("runs.csv"))
        .iter()
        .map(|run| {
            ["loss", "labels", "list_size", "beta", "checkpoint"].map(|name| &*run[name]).join(" ")
        })
        .collect();
    assert_eq!(
        found,
        [
            "softmax reward-model 5 0.3 last",
            "softmax reward-model 5 0.3 best",
            "softmax ranks 3 0.3 last",
            "softmax ranks 3 0.3 best",
            "softmax reward-model 3 0.3 last",
            "softmax reward-model 3 0.3 best",
        ]
    );
}

/// The tables with intervals on `examples/README.md` that are about this example are those that the
/// program printed.
#[test]
fn the_page_quotes_the_results() {
    let read = |path: &str| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
        fs::read_to_string(path).expect("a file")
    };
    let (page, results) = (read("examples/README.md"), read("examples/alignment/results.md"));
    let (_, section) = page.split_once("\n## alignment\n").expect("a section");
    let section = section.split_once("\n## ").map_or(section, |(section, _)| section);
    let figures: Vec<_> =
        section.lines().filter(|line| line.starts_with("| ") && line.contains(" ± ")).collect();
    assert!(!figures.is_empty(), "{section}");
    for line in figures {
        assert!(results.lines().any(|other| other == line), "the results do not have: {line}");
    }
}

#[test]
fn bad_arguments_are_told() {
    let out = directory("bad");
    for (args, told) in [
        (["--seeds", "0"], "0 is not in 1..=1000"),
        (["--losses", "lambda"], "lambda-loss"),
        (["--list-sizes", "2,9"], "not in 2 to 8"),
        (["--list-sizes", "1"], "not in 2 to 8"),
        (["--beta", "0"], "β"),
        (["--beta", "0.1,x"], "invalid float"),
        (["--one-beta", "inf"], "β"),
    ] {
        let output = run(&args, &out);
        let stderr = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {stderr}");
        assert!(stderr.contains(told), "{args:?}: {stderr}");
        assert!(!out.exists());
    }
}

#[test]
fn a_directory_that_cannot_be_is_told() {
    let file = directory("file");
    fs::create_dir_all(file.parent().expect("a parent")).expect("writable");
    fs::write(&file, "").expect("writable");
    let output = run(&["--tiny"], &file);
    let stderr = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.starts_with(&format!("error: {}: ", file.display())), "{stderr}");
    assert!(output.stdout.is_empty());
}
