//! `examples/alignment.rs`: the pieces that its figures stand on, and the program as its users meet it.
//!
//! What comes out of the experiment is no business of a test; that the policy gets the gradient of its
//! loss, that samples and annotators follow their distributions, and that a seed fixes everything, is.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use lipo::scores::ImplicitReward;
use ndarray::{Array2, Zip};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use rand_distr::{Distribution, StandardNormal};

#[allow(dead_code)] // the program's main, and all but the pieces
#[path = "../examples/alignment.rs"]
mod alignment;
use alignment::{
    LENGTH, Network, POLICY_BAGS, Post, Preferences, Sampler, Token, VOCABULARY, World, objective,
    support::named,
};

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
    let posts = World::posts(4, &mut rng);
    let reference = Network::new(POLICY_BAGS, VOCABULARY, &mut rng);
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
        let loss = alignment::loss(name);
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
    let posts = World::posts(10, &mut rng);
    let policy = Network::new(POLICY_BAGS, VOCABULARY, &mut rng);
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
    let taste = |response: &[Token]| World::taste(&post(), response);
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
    let prefers = World::prefers(&post(), &good, &bad);
    assert!((prefers + World::prefers(&post(), &bad, &good) - 1.0).abs() < 1e-12);
    let mut rng = StdRng::seed_from_u64(1);
    let responses = [good, bad];
    let first = (0..DRAWS).filter(|_| {
        let ranks = World::ranks(&post(), &responses, &mut rng);
        assert!(ranks == [1.0, 2.0] || ranks == [2.0, 1.0], "{ranks:?}");
        ranks[0] == 1.0
    });
    let share = first.count() as f64 / f64::from(DRAWS);
    let deviation = (prefers * (1.0 - prefers) / f64::from(DRAWS)).sqrt();
    assert!((share - prefers).abs() < 4.0 * deviation, "{share}, not {prefers}");
}

// The program.

fn run(args: &[&str], out: &Path) -> Output {
    let test = std::env::current_exe().expect("a test knows its path");
    let name = format!("alignment{}", std::env::consts::EXE_SUFFIX);
    let built = test.parent().and_then(|deps| deps.parent());
    let example =
        built.expect("tests are built in target/PROFILE/deps").join("examples").join(name);
    Command::new(example).args(args).arg("--out").arg(out).output().expect("the example is built")
}

fn directory(name: &str) -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&directory);
    directory
}

/// What a run that must succeed printed, without the last line, which names the directory.
fn stdout(args: &[&str], out: &Path) -> String {
    let output = run(args, out);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let printed = String::from_utf8(output.stdout).expect("UTF-8");
    let (results, last) = printed.trim_end().rsplit_once('\n').expect("more than one line");
    assert!(last.contains(&*out.to_string_lossy()), "{last}");
    results.to_owned()
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
    ];
    let (once, again) = (directory("once"), directory("again"));
    assert_eq!(stdout(&args, &once), stdout(&args, &again));
    for file in [
        "runs.csv",
        "summary.csv",
        "curves.csv",
        "list_size.svg",
        "kl.svg",
        "curves.svg",
        "ranks.svg",
        "lambda_weight.svg",
    ] {
        let [one, other] = [&once, &again].map(|at| fs::read_to_string(at.join(file)).expect(file));
        assert!(one == other, "{file} differs");
        if file.ends_with("svg") {
            assert!(one.starts_with("<svg") && one.trim_end().ends_with("</svg>"), "{file}");
            assert!(!one.contains("NaN"), "{file}");
        }
    }
    // Three lambda weights at 2 β; the loss itself at 2 β from ranks, and at one more size; 2 seeds.
    let mut runs = csv::Reader::from_path(once.join("runs.csv")).expect("a file");
    let records: Vec<_> = runs.records().map(|record| record.expect("a record")).collect();
    assert_eq!(records.len(), (3 * 2 + 2 + 1) * 2);
    let of_seed = |seed: &str| {
        let of = records.iter().filter(|record| &record[0] == seed);
        of.map(|record| record.iter().skip(1).map(String::from).collect()).collect::<Vec<Vec<_>>>()
    };
    assert_eq!(of_seed("0").len(), of_seed("1").len());
    assert_ne!(of_seed("0"), of_seed("1"));
    // A share of wins is one, and the policy has moved.
    let header = runs.headers().expect("a header").clone();
    let column = |name: &str| header.iter().position(|field| field == name).expect("a field");
    for record in &records {
        let figure = |name: &str| record[column(name)].parse::<f64>().expect("a number");
        assert!((0.0..=1.0).contains(&figure("proxy")) && (0.0..=1.0).contains(&figure("true")));
        assert!(figure("kl") > 0.0, "{record:?}");
    }
}

#[test]
fn options_are_obeyed() {
    let out = directory("options");
    let args =
        ["--tiny", "--seeds", "1", "--losses", "softmax", "--list-sizes", "5,3,5", "--beta", "0.3"];
    let printed = stdout(&args, &out);
    assert!(printed.contains("| softmax ") && !printed.contains("pair-hinge"), "{printed}");
    assert!(printed.contains("proxy, K = 3 | proxy, K = 5 | true, K = 3"), "{printed}");
    assert!(!out.join("lambda_weight.svg").exists());
    let mut runs = csv::Reader::from_path(out.join("runs.csv")).expect("a file");
    let found: Vec<_> = runs
        .records()
        .map(|record| {
            record.expect("a record").iter().skip(1).take(4).collect::<Vec<_>>().join(" ")
        })
        .collect();
    assert_eq!(
        found,
        ["softmax reward-model 5 0.3", "softmax ranks 3 0.3", "softmax reward-model 3 0.3"]
    );
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
    ] {
        let output = run(&args, &out);
        let stderr = String::from_utf8_lossy(&output.stderr);
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
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.starts_with(&format!("error: {}: ", file.display())), "{stderr}");
    assert!(output.stdout.is_empty());
}
