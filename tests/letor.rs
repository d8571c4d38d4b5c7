//! `examples/letor.rs` as its users meet it: run as a process, on files in each form of the format, on
//! malformed ones, and without any; and the scorer's gradient, on which its figures stand.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use ndarray::{Array1, Array2};
use rand::{RngExt, SeedableRng, rngs::StdRng};

#[allow(dead_code)] // the program's main, and all but the scorer
#[path = "../examples/letor.rs"]
mod letor;
use letor::Scorer;

/// Two features, the first of which gives the grades.
const TRAIN: &str = "\
2 qid:a 1:5.5 3:1
0 qid:a 1:3.5 3:-1
1 qid:a 1:4.5 3:2
0 qid:b 1:3.5 3:1
1 qid:b 1:4.5 3:-1
";
const VALID: &str = "1 qid:x 1:4.5 3:1\n2 qid:x 1:5.5 3:-1\n0 qid:x 1:3.5 3:0\n0 qid:y 1:1 3:9\n";

/// A directory of a test's own, empty.
fn directory(test: &str) -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("letor").join(test);
    let _ = fs::remove_dir_all(&directory);
    fs::create_dir_all(&directory).expect("a directory");
    directory
}

fn write(directory: &Path, name: &str, text: impl AsRef<[u8]>) {
    fs::write(directory.join(name), text).expect("a file");
}

/// Runs the example in a directory; results go to `out` there.
fn run(directory: &Path, args: &[&str]) -> Output {
    let test = std::env::current_exe().expect("a test knows its path");
    let name = format!("letor{}", std::env::consts::EXE_SUFFIX);
    let built = test.parent().and_then(|deps| deps.parent());
    let program = built.expect("a test lies in target/<profile>/deps").join("examples").join(name);
    assert!(
        program.exists(),
        "{} is not built: `cargo test` builds it, `cargo test --test letor` does not; run `cargo \
         build --example letor` first",
        program.display()
    );
    let mut command = Command::new(program);
    command.current_dir(directory).args(args).args(["--out", "out"]);
    command.output().expect("the example runs")
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("UTF-8")
}

/// What a run that must succeed printed, and its `letor.csv`.
fn results(directory: &Path, args: &[&str]) -> (String, String) {
    let output = run(directory, args);
    assert!(output.status.success(), "{args:?}: {}", text(&output.stderr));
    let csv = fs::read_to_string(directory.join("out/letor.csv")).expect("letor.csv");
    (text(&output.stdout).to_owned(), csv)
}

/// The message of a run that must fail, and must have written nothing.
fn failure(directory: &Path, args: &[&str]) -> String {
    let output = run(directory, args);
    assert!(!output.status.success() && output.stdout.is_empty(), "{args:?}");
    assert!(!directory.join("out").exists());
    text(&output.stderr).to_owned()
}

#[test]
fn every_loss_learns_what_is_to_be_learnt() {
    let directory = directory("learns");
    write(&directory, "train", TRAIN);
    write(&directory, "valid", VALID);
    for hidden in ["0", "8"] {
        let rate = ["--learning-rate", "0.05", "--epochs", "60", "--hidden", hidden];
        let (printed, csv) = results(&directory, &[&["train", "valid"][..], &rate].concat());
        assert!(printed.starts_with(
            "features that vary: 2\n\
             training: 5 documents of 2 queries\n\
             validation: 4 documents of 2 queries\n\
             validation queries without a relevant document, left out of the metrics: 1\n"
        ));
        let mut last = 0;
        for line in csv.lines().filter(|line| line.contains(",60,")) {
            assert!(line.ends_with(",1.0,1.0,1.0,1.0,1.0"), "{line}");
            last += 1;
        }
        assert_eq!((last, csv.lines().count()), (7, 1 + 7 * 60));
    }
    let picture = fs::read_to_string(directory.join("out/letor.svg")).expect("letor.svg");
    for name in ["point-mse", "point-sigmoid", "pair-hinge", "list-mle", "lambda-loss", "NDCG@10"] {
        assert!(picture.starts_with("<svg") && picture.contains(name), "{name}");
    }
    let order = fs::read_to_string(directory.join("out/order.csv")).expect("order.csv");
    assert!(
        order.lines().count() == 60 && order.lines().all(|line| ["0,1", "1,0"].contains(&line))
    );
}

/// From the untrained scorer, whose scores are 0, the first batch's losses in closed form.
#[test]
fn the_first_loss_is_that_of_scores_of_0() {
    let directory = directory("first");
    write(&directory, "train", TRAIN);
    write(&directory, "valid", VALID);
    let args = ["train", "valid", "--epochs", "1", "--batch", "2"];
    let train_loss = |csv: &str, loss: &str| -> f64 {
        let line = csv.lines().find(|line| line.starts_with(loss)).expect(loss);
        line.split(',').nth(2).expect("a loss").parse().expect("a number")
    };
    let (_, csv) = results(&directory, &args);
    let log_2 = std::f64::consts::LN_2;
    for (loss, value) in [
        ("point-mse", 6.0 / 2.0),             // 4 + 1 of a, 1 of b
        ("point-sigmoid", 5.0 * log_2 / 2.0), // whatever the labels in [0, 1]
        ("pair-hinge", 4.0 / 2.0),            // 3 pairs and 1
        ("pair-logistic", 4.0 * log_2 / 2.0),
        ("list-mle", f64::midpoint(6.0_f64.ln(), log_2)),
        ("softmax", f64::midpoint(3.0_f64.ln(), log_2)),
    ] {
        let found = train_loss(&csv, loss);
        assert!((found - value).abs() < 1e-12, "{loss}: {found} where {value} is expected");
    }
    let (_, csv) = results(&directory, &[&args[..], &["--reduction", "mean-over-terms"]].concat());
    assert!((train_loss(&csv, "pair-logistic") - log_2).abs() < 1e-12);
}

#[test]
fn one_data_set_in_every_form_of_the_format() {
    let directory = directory("forms");
    let bare = |text: &str| {
        let fields = |line: &str| {
            let fields: Vec<_> =
                line.split(' ').filter(|field| !field.starts_with("qid")).collect();
            fields.join(" ") + "\n"
        };
        text.lines().map(fields).collect::<String>()
    };
    write(&directory, "train", TRAIN);
    write(&directory, "valid", VALID);
    let args = |train, valid| [train, valid, "--epochs", "2", "--hidden", "3"];
    let with_qid = results(&directory, &args("train", "valid")).1;

    write(&directory, "bare", bare(TRAIN));
    write(&directory, "bare.query", "3\n2\n");
    assert_eq!(results(&directory, &args("bare", "valid")).1, with_qid, "sizes beside the file");

    write(&directory, "elsewhere", bare(TRAIN));
    write(&directory, "bare-valid", bare(VALID));
    write(&directory, "sizes", "3\r\n\r\n 2\r\n");
    write(&directory, "valid-sizes", "3\n1");
    let groups = ["--train-groups", "sizes", "--valid-groups", "valid-sizes"];
    let named = [&args("elsewhere", "bare-valid")[..], &groups].concat();
    assert_eq!(results(&directory, &named).1, with_qid, "sizes in files that are named");

    let untidy = TRAIN.replace(" 3:", "\t 03:").replace('\n', "  # 1:7 qid:z\r\n");
    write(&directory, "untidy", format!("# a comment\n\n{untidy}\n   \n"));
    assert_eq!(results(&directory, &args("untidy", "valid")).1, with_qid, "comments and spaces");

    let turned = TRAIN.lines().map(|line| {
        let [grade, qid, one, three]: [&str; 4] =
            line.split(' ').collect::<Vec<_>>().try_into().expect("four fields");
        format!("{grade}.0 {qid} {three}e0 {one}\n")
    });
    write(&directory, "turned", turned.collect::<String>());
    assert_eq!(results(&directory, &args("turned", "valid")).1, with_qid, "order of the features");
}

#[test]
fn a_seed_fixes_everything() {
    let directory = directory("seeds");
    let args = ["--epochs", "1", "--hidden", "2", "--losses", "softmax,lambda-loss"];
    let first = results(&directory, &args);
    assert_eq!(results(&directory, &args), first);
    assert_ne!(results(&directory, &[&args[..], &["--seed", "2"]].concat()).1, first.1);
    assert_eq!(first.1.lines().count(), 3);
    assert!(first.0.contains("| softmax") && !first.0.contains("pair-hinge"));
}

#[test]
fn malformed_lines_are_named() {
    let directory = directory("malformed");
    write(&directory, "valid", VALID);
    for (line, problem) in [
        ("one qid:b 1:2", "grade \"one\" is not a number"),
        ("-1 qid:b 1:2", "grade -1 is negative"),
        ("nan qid:b 1:2", "grade \"nan\" is not finite"),
        ("1 qid:b 1", "\"1\" is not a feature's number and value, as in 3:0.5"),
        ("1 qid:b x:1", "\"x\" is not the number of a feature (in \"x:1\")"),
        ("1 qid:b -1:1", "\"-1\" is not the number of a feature (in \"-1:1\")"),
        ("1 qid:b 1:", "feature 1: \"\" is not a number"),
        ("1 qid:b 1:1e999", "feature 1: \"1e999\" is not finite"),
        ("1 qid:b 2:1 1:0 2:3", "feature 2 is there twice"),
        ("1 1:2", "some lines have a qid and some have none"),
        ("1 qid:b 1:0\n0 qid:a 1:4", "qid:a was there before, with others in between"),
        ("1 1:0 qid:b", "\"qid\" is not the number of a feature (in \"qid:b\")"),
    ] {
        let at = 3 + line.lines().count();
        write(&directory, "train", format!("1 qid:a 1:3\n# a comment\n0 qid:a 1:4\n{line}\n"));
        let message = failure(&directory, &["train", "valid"]);
        assert_eq!(message, format!("error: train: line {at}: {problem}\n"));
    }
    write(&directory, "train", b"1 qid:a 1:3\n0 qid:a 1:\xff\n");
    let message = failure(&directory, &["train", "valid"]);
    assert!(message.starts_with("error: train: line 2: "), "{message}");
    write(&directory, "train", TRAIN);
    write(&directory, "valid", "1 qid:x 1:3\n1 qid:x 1:three\n");
    let message = failure(&directory, &["train", "valid"]);
    assert_eq!(message, "error: valid: line 2: feature 1: \"three\" is not a number\n");
}

#[test]
fn what_is_wrong_with_files_is_said() {
    let directory = directory("files");
    write(&directory, "valid", VALID);
    write(&directory, "bare", "1 1:2\n0 1:3\n1 1:0\n");
    let fails = |args: &[&str], message: &str| {
        assert_eq!(failure(&directory, args), format!("error: {message}\n"));
    };
    fails(&["bare", "valid"], "bare: no qid, and no sizes of queries in bare.query");
    write(&directory, "bare.query", "2\n2\n");
    fails(&["bare", "valid"], "bare.query: sizes add up to 4, of 3 documents");
    write(&directory, "bare.query", "2\none\n");
    fails(&["bare", "valid"], "bare.query: line 2: \"one\" is not a size");
    write(&directory, "bare.query", "1\n18446744073709551615\n");
    fails(&["bare", "valid"], "bare.query: sizes add up to 18446744073709551615, of 3 documents");
    write(&directory, "empty", "# nothing\n\n");
    fails(&["valid", "empty"], "empty: no documents");
    let missing = failure(&directory, &["valid", "missing"]);
    assert!(missing.starts_with("error: missing: "), "{missing}");
    for args in [
        &["valid"][..],
        &["valid", "valid", "--losses", "no-loss"],
        &["--epochs", "0"],
        &["--batch", "0"],
        &["--train-groups", "bare.query"],
    ] {
        let message = failure(&directory, args);
        assert!(message.contains("Usage") || message.contains("--help"), "{args:?}: {message}");
    }
}

/// Documents without features, queries without documents, a query of one: nothing to learn, no panic.
#[test]
fn data_may_be_degenerate() {
    let directory = directory("degenerate");
    write(&directory, "train", "1\n0\n2\n");
    write(&directory, "train.query", "0\n3\n0\n");
    write(&directory, "valid", "1 qid:1 5:2 18446744073709551615:1\n");
    let (_, csv) = results(&directory, &["train", "valid", "--epochs", "1"]);
    assert_eq!(csv.lines().count(), 8);
    write(&directory, "valid", "0 qid:1 5:2\n");
    let (printed, _) = results(&directory, &["train", "valid", "--epochs", "1", "--hidden", "2"]);
    assert!(printed.contains("left out of the metrics: 1\n"), "{printed}");

    write(&directory, "train", "2000 4:1\n1 4:0\n0\n");
    let output = run(&directory, &["train", "valid", "--losses", "lambda-loss"]);
    let message =
        "error: lambda-loss: labels[0] is 2e3, which is not a label whose gain is finite\n";
    assert!(!output.status.success() && text(&output.stderr).ends_with(message));
    write(&directory, "train", "1 4:1e308\n1 4:-1e308\n0 4:1e308\n");
    let output = run(&directory, &["train", "valid"]);
    assert!(text(&output.stderr).starts_with("error: ") || output.status.success());
}

#[test]
fn the_scorers_gradient_is_that_of_central_differences() {
    const STEP: f64 = 1e-5;
    let mut rng = StdRng::seed_from_u64(3);
    for hidden in [0, 5] {
        let mut scorer = Scorer::new(4, hidden, &mut rng);
        for parameters in &mut scorer.parameters {
            parameters.mapv_inplace(|x| x + rng.random_range(-0.5..0.5));
        }
        let features = Array2::from_shape_simple_fn((7, 4), || rng.random_range(-1.0..1.0));
        let slopes = Array1::from_shape_simple_fn(7, || rng.random_range(-1.0..1.0));
        let (inputs, _) = scorer.forward(&features);
        let grad = scorer.backward(&inputs, slopes.clone());
        assert_eq!(grad.len(), scorer.parameters.len());
        for (n, grad) in grad.iter().enumerate() {
            for (index, &slope) in grad.indexed_iter() {
                let at = |step: f64| {
                    let mut moved = scorer.clone();
                    moved.parameters[n][index] += step;
                    moved.forward(&features).1.dot(&slopes)
                };
                let difference = (at(STEP) - at(-STEP)) / (2.0 * STEP);
                assert!((slope - difference).abs() < 1e-8, "{n} {index:?}: {slope}, {difference}");
            }
        }
    }
}
