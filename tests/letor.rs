//! `examples/letor` as its users meet it: run as a process, on files in each form of the format, on
//! malformed ones, and without any; and the scorer's gradient, on which its figures stand.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use ndarray::{Array1, Array2, Axis, array, concatenate};
use rand::{RngExt, SeedableRng, rngs::StdRng};

#[path = "../examples/letor/features.rs"]
mod features;
mod programs;
#[path = "../examples/letor/scorer.rs"]
mod scorer;
use features::Features;
use programs::{program, stderr, stdout};
use scorer::Scorer;

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
fn run_with(directory: &Path, args: &[&str], input: impl Into<Vec<u8>>) -> Output {
    let mut command = program("letor");
    command.current_dir(directory).args(args).args(["--out", "out"]);
    programs::run(&mut command, input)
}

fn run(directory: &Path, args: &[&str]) -> Output {
    run_with(directory, args, "")
}

/// What a run that must succeed printed, and its `letor.csv`.
fn results(directory: &Path, args: &[&str]) -> (String, String) {
    let output = run(directory, args);
    assert!(output.status.success(), "{args:?}: {}", stderr(&output));
    let csv = fs::read_to_string(directory.join("out/letor.csv")).expect("letor.csv");
    (stdout(&output).to_owned(), csv)
}

/// The message of a run that must fail, and must have written nothing.
fn failure(directory: &Path, args: &[&str]) -> String {
    let output = run(directory, args);
    assert!(!output.status.success() && output.stdout.is_empty(), "{args:?}");
    assert!(!directory.join("out").exists());
    stderr(&output).to_owned()
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
    assert!(picture.contains("95 % intervals after the last"));
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

    fs::rename(directory.join("bare.query"), directory.join("bare.group")).expect("a file");
    assert_eq!(results(&directory, &args("bare", "valid")).1, with_qid, "as XGBoost names it");

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

    for end in ["\n", "\r\n", "\r"] {
        // As an editor of another system saves it, with comments in the encoding of another time.
        let commented = TRAIN.replace('\n', " # caf\u{e9}\n").replace('\n', end);
        let bytes: Vec<u8> = commented.chars().map(|c| u8::try_from(c).expect("Latin-1")).collect();
        write(&directory, "commented", [b"\xef\xbb\xbf", &bytes[..]].concat());
        let printed = results(&directory, &args("commented", "valid"));
        assert_eq!(printed.1, with_qid, "{end:?}");
        assert!(printed.0.contains("training: 5 documents of 2 queries"), "{}", printed.0);
        write(&directory, "commented.query", format!("\u{feff}3{end}2{end}"));
        write(&directory, "commented", bare(TRAIN).replace('\n', end));
        assert_eq!(results(&directory, &args("commented", "valid")).1, with_qid, "{end:?}");
    }

    let piped = run_with(&directory, &args("-", "valid"), TRAIN);
    assert!(piped.status.success(), "{}", stderr(&piped));
    assert_eq!(fs::read_to_string(directory.join("out/letor.csv")).expect("a file"), with_qid);

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
    write(&directory, "train", b"1 qid:a 1:3\r0 qid:a 1:\xff # \xff\r");
    let message = failure(&directory, &["train", "valid"]);
    let expected = "the bytes from column 11 on are not UTF-8, and not in a comment";
    assert_eq!(message, format!("error: train: line 2: {expected}\n"));
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
    fails(&["bare", "valid"], "bare: no qid, and no sizes of queries in bare.query or bare.group");
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
    assert!(!output.status.success() && stderr(&output).ends_with(message));
    write(&directory, "train", "1 4:1e308\n1 4:-1e308\n0 4:1e308\n");
    let message = stderr(&run(&directory, &["train", "valid"])).to_owned();
    let expected = "error: train: line 1: feature 4: 1e308 is too large for single precision\n";
    assert_eq!(message, expected);
}

/// The table against the mean and the deviation of whole columns, for rows that bring columns late, leave
/// some out, fill several blocks, and vary little about a large number.
#[test]
fn features_are_standardised_over_the_training_documents() {
    let mut rng = StdRng::seed_from_u64(5);
    let (numbers, documents) = ([7, 2, 900, 3], 2500);
    let mut dense = Array2::from_shape_simple_fn((documents, 4), || rng.random_range(-1.0..1.0));
    dense.column_mut(1).mapv_inplace(|x: f64| 1e9 + (10.0 * x).round());
    dense.column_mut(2).mapv_inplace(|_| 0.1);
    for (row, mut entries) in dense.rows_mut().into_iter().enumerate() {
        if row < 1100 || row % 3 == 0 {
            entries[3] = 0.0; // left out below
        }
    }
    let table = |rows: &Array2<f64>, mut table: Features| {
        for row in rows.rows() {
            let mut entries: Vec<_> = numbers.into_iter().zip(row.iter().copied()).collect();
            entries.retain(|&(number, value)| number != 3 || value != 0.0);
            table.push(&entries).expect("in range");
        }
        table.finish();
        table
    };
    let (train, valid) = dense.view().split_at(Axis(0), 2000);
    let (train, valid) = (train.to_owned(), valid.to_owned());
    let mut features = table(&train, Features::default());
    let mut others = table(&valid, features.empty_alike());
    assert_eq!((features.standardise(&mut others), features.columns()), (3, 4));

    let (mean, deviation) = (train.mean_axis(Axis(0)).expect("rows"), train.std_axis(Axis(0), 0.0));
    let order = [1, 3, 0, 2]; // of the features' numbers
    for (table, dense) in [(&features, &train), (&others, &valid)] {
        let mut expected = (dense - &mean) / &deviation;
        expected.column_mut(2).fill(0.0);
        let expected = expected.select(Axis(1), &order);
        let all: Vec<_> = (0..dense.nrows()).collect();
        let found = table.rows(&all);
        for (found, expected) in found.iter().zip(&expected) {
            assert!((found - expected).abs() < 1e-5, "{found} where {expected} is expected");
        }
        let blocks: Vec<_> = table.blocks().collect();
        assert!(blocks.len() > 1 || dense.nrows() < 1024);
        let blocks: Vec<_> = blocks.iter().map(|block| block.view()).collect();
        assert_eq!(concatenate(Axis(0), &blocks).expect("rows of one length"), found);
        assert_eq!(table.rows(&[7, 3]).row(1), found.row(3));
    }
}

#[test]
fn features_of_other_documents_have_no_columns() {
    let mut features = Features::default();
    for document in [&[(5, 1.0)][..], &[(5, 3.0)]] {
        features.push(document).expect("in range");
    }
    features.finish();
    let mut others = features.empty_alike();
    others.push(&[(4, 9.0), (5, 5.0)]).expect("in range");
    others.push(&[]).expect("in range");
    others.finish();
    assert_eq!(features.standardise(&mut others), 1);
    assert_eq!(features.rows(&[0, 1]), array![[-1.0], [1.0]]);
    assert_eq!(others.rows(&[0, 1]), array![[3.0], [-2.0]]);
    assert!(features.push(&[(5, 1e39)]).is_err() && features.push(&[(6, -1e300)]).is_err());
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
        let (inputs, _) = scorer.forward(features.clone());
        let grad = scorer.backward(&inputs, slopes.clone());
        assert_eq!(grad.len(), scorer.parameters.len());
        for (n, grad) in grad.iter().enumerate() {
            for (index, &slope) in grad.indexed_iter() {
                let at = |step: f64| {
                    let mut moved = scorer.clone();
                    moved.parameters[n][index] += step;
                    moved.forward(features.clone()).1.dot(&slopes)
                };
                let difference = (at(STEP) - at(-STEP)) / (2.0 * STEP);
                assert!((slope - difference).abs() < 1e-8, "{n} {index:?}: {slope}, {difference}");
            }
        }
    }
}

/// A training fold of MSLR-WEB30K, 2.3 million documents of 136 features, must fit in 4 GB: a document may
/// take 1.8 kB. Here are 8,000 of them.
#[test]
#[cfg(target_os = "linux")]
fn documents_take_little_memory() {
    use std::io::Write;
    use std::process::Stdio;

    let directory = directory("memory");
    write(&directory, "valid", VALID);
    let mut command = program("letor");
    command.current_dir(&directory).args(["-", "valid", "--epochs", "1", "--losses", "softmax"]);
    command.args(["--out", "out"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("the example starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    let mut feed = |documents: std::ops::Range<u32>| {
        for document in documents {
            let value = |feature: u32| f64::from(document * feature % 1009) / 1009.0;
            let features = (1..=136).map(|feature| format!(" {feature}:{:.5}", value(feature)));
            let features = features.collect::<String>();
            let line = format!("{} qid:{}{features}\n", document % 3, document / 40);
            stdin.write_all(line.as_bytes()).expect("a reader");
        }
    };
    feed(0..100);
    let before = programs::peak_memory(&child);
    feed(100..8_100);
    let each = (programs::peak_memory(&child) - before) as f64 / 8_000.0;
    drop(stdin);
    let output = child.wait_with_output().expect("the example ends");
    assert!(stdout(&output).contains("training: 8100 documents of 203 queries\n"), "{output:?}");
    assert!(each < 0.9, "{each} kB a document");
}
