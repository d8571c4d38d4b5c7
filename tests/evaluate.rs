//! `examples/evaluate.rs` as its users meet it: run as a process, on files, pipes and bad input.
//!
//! What the losses are worth is the business of the other tests; here the figures are closed forms
//! short enough for the eye, or those of the library called directly, to the bit.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::thread;

use lipo::losses::{
    LambdaLoss, ListMle, Loss, LossExt, PairHinge, PairLogistic, PointMse, PointSigmoid, Reduction,
    Softmax,
};
use lipo::{Lists, Real, labels, scores::ImplicitReward};
use ndarray::{Array1, Array2, array};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

const SAMPLE: &str = include_str!("../examples/data/ranked_responses.jsonl");
const NAMES: [&str; 7] = [
    "point-mse",
    "point-sigmoid",
    "pair-hinge",
    "pair-logistic",
    "list-mle",
    "softmax",
    "lambda-loss",
];

fn losses() -> Vec<Box<dyn Loss>> {
    vec![
        Box::new(PointMse),
        Box::new(PointSigmoid),
        Box::new(PairHinge),
        Box::new(PairLogistic),
        Box::new(ListMle),
        Box::new(Softmax),
        Box::new(LambdaLoss),
    ]
}

/// A row of the JSON output; which keys it has says of which kind it is.
#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Row<F> {
    line: u64,
    loss: String,
    value: Option<F>,
    grad: Vec<Option<F>>,
    error: Option<String>,
    reduction: Option<String>,
    lists: Option<usize>,
}

fn spawn(args: &[&str], input: impl Into<Vec<u8>>) -> Child {
    let test = std::env::current_exe().expect("a test knows its path");
    let name = format!("evaluate{}", std::env::consts::EXE_SUFFIX);
    let built = test.parent().and_then(|deps| deps.parent());
    let program = built.expect("a test lies in target/<profile>/deps").join("examples").join(name);
    assert!(
        program.exists(),
        "{} is not built: `cargo test` builds it, `cargo test --test evaluate` does not; run \
         `cargo build --example evaluate` first",
        program.display()
    );
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the example starts");
    let (mut stdin, input) = (child.stdin.take().expect("a pipe"), input.into());
    // The program may end before it has read everything.
    thread::spawn(move || drop(stdin.write_all(&input)));
    child
}

fn run(args: &[&str], input: impl Into<Vec<u8>>) -> Output {
    spawn(args, input).wait_with_output().expect("the example ends")
}

fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).expect("UTF-8")
}

fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).expect("UTF-8")
}

fn rows<F: Default + DeserializeOwned>(output: &Output) -> Vec<Row<F>> {
    stdout(output).lines().map(|line| serde_json::from_str(line).expect(line)).collect()
}

/// The standard output as it stands, of a run that must succeed.
fn json(args: &[&str], input: &str) -> String {
    let output = run(&[&["-", "--format", "json"], args].concat(), input);
    assert!(output.status.success() && output.stderr.is_empty(), "{input}: {}", stderr(&output));
    stdout(&output).to_owned()
}

/// The rows of a run that must succeed.
fn evaluate<F: Default + DeserializeOwned>(args: &[&str], input: &str) -> Vec<Row<F>> {
    json(args, input).lines().map(|line| serde_json::from_str(line).expect(line)).collect()
}

fn close(found: Option<f64>, expected: f64) {
    let found = found.expect("a number");
    assert!((found - expected).abs() <= 1e-14, "{found} where {expected} is expected");
}

// The rows.

#[test]
fn rows_have_the_documented_keys_in_order() {
    let pair = "{\"scores\": [0.5, 0.0], \"labels\": [1, 0]}\n";
    assert_eq!(
        json(&["--loss", "pair-hinge"], pair),
        "{\"line\":1,\"loss\":\"pair-hinge\",\"value\":0.5,\"grad\":[-1.0,1.0]}\n\
         {\"loss\":\"pair-hinge\",\"reduction\":\"mean\",\"value\":0.5,\"lists\":1}\n"
    );
    let outside = json(&["--reduction", "none"], r#"{"scores": [0.5], "labels": [2]}"#);
    assert_eq!(
        outside.lines().nth(1),
        Some(r#"{"line":1,"loss":"point-sigmoid","error":"labels[0]: 2.0 is not in [0, 1]"}"#)
    );
}

#[test]
fn rows_are_the_closed_forms() {
    let rows: Vec<Row<f64>> =
        evaluate(&["--reduction", "none"], r#"{"scores": [0.3, 0.1], "labels": [1.0, 0.25]}"#);
    assert_eq!(rows.iter().map(|row| row.loss.as_str()).collect::<Vec<_>>(), NAMES);
    let (d, sigmoid) = (0.3_f64 - 0.1, |x: f64| 1.0 / (1.0 + (-x).exp()));
    let pair = (1.0 + (-d).exp()).ln();
    let first = sigmoid(d); // softmax of the first score
    let gain = (2.0 - 0.25_f64.exp2()) * (1.0 - 1.0 / 3.0_f64.log2());
    let expected = [
        (0.7_f64.powi(2) + 0.15_f64.powi(2), [2.0 * (0.3 - 1.0), 2.0 * (0.1 - 0.25)]),
        (
            -sigmoid(0.3).ln() - 0.25 * sigmoid(0.1).ln() - 0.75 * sigmoid(-0.1).ln(),
            [sigmoid(0.3) - 1.0, sigmoid(0.1) - 0.25],
        ),
        (1.0 - d, [-1.0, 1.0]),
        (pair, [first - 1.0, 1.0 - first]),
        (pair, [first - 1.0, 1.0 - first]),
        (-0.8 * first.ln() - 0.2 * (1.0 - first).ln(), [first - 0.8, 0.8 - first]),
        (gain * pair, [gain * (first - 1.0), gain * (1.0 - first)]),
    ];
    for (row, (value, grad)) in rows.iter().zip(expected) {
        close(row.value, value);
        close(row.grad[0], grad[0]);
        close(row.grad[1], grad[1]);
    }
}

/// A few lists of every size and magnitude.
fn random_lists<F: Real>() -> Vec<(Array1<F>, Array1<F>)> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut uniform = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        f64::from(u32::try_from(state >> 32).expect("32 bits")) / f64::from(u32::MAX)
    };
    let list = |size: i32| {
        let scale = 10.0_f64.powi(size % 13 - 6);
        let scores = (0..size).map(|_| F::narrow(scale * (uniform() - 0.5) / 3.0));
        let scores = scores.collect::<Array1<F>>();
        let labels = (0..size).map(|_| F::narrow((uniform() * 7.0).floor() / 6.0)).collect();
        (scores, labels)
    };
    (1..=30).map(list).collect()
}

fn assert_the_librarys_bits<F: Real + Default + Serialize + DeserializeOwned>(precision: &str) {
    let lists = random_lists::<F>();
    let text = |array: &Array1<F>| serde_json::to_string(&array.to_vec()).expect("numbers");
    let line = |(scores, labels): &(_, _)| {
        format!(r#"{{"scores": {}, "labels": {}}}"#, text(scores), text(labels))
    };
    let input = lists.iter().map(line).collect::<Vec<_>>().join("\n");
    let rows: Vec<Row<F>> = evaluate(&["--precision", precision], &input);
    assert_eq!(rows.len(), (lists.len() + 1) * NAMES.len());
    // A widened number has the bits of the narrow one.
    let bits = |x: F| x.widen().to_bits();
    let (of_lists, summaries) = rows.split_at(lists.len() * NAMES.len());
    for (index, row) in of_lists.iter().enumerate() {
        let (list, loss) = (index / NAMES.len(), index % NAMES.len());
        assert_eq!((row.line, row.loss.as_str()), (list as u64 + 1, NAMES[loss]));
        let (scores, labels) = &lists[list];
        let of_list = Lists::dense(scores, labels).build().expect("a list");
        let (value, grad) = losses()[loss].per_list(&of_list).expect("a value");
        assert_eq!(row.value.map(bits), Some(bits(value[()])), "{row:?}");
        let found: Vec<_> = row.grad.iter().map(|slope| slope.map(bits)).collect();
        assert_eq!(found, grad.iter().map(|&slope| Some(bits(slope))).collect::<Vec<_>>());
    }
    let sizes: Vec<_> = lists.iter().map(|(scores, _)| scores.len()).collect();
    let scores: Array1<F> = lists.iter().flat_map(|(scores, _)| scores.iter().copied()).collect();
    let labels: Array1<F> = lists.iter().flat_map(|(_, labels)| labels.iter().copied()).collect();
    let batch = Lists::ragged(&scores, &labels, &sizes).build().expect("lists");
    for (row, loss) in summaries.iter().zip(losses()) {
        let (value, _) = loss.reduced(&batch, Reduction::MeanOverLists).expect("a value");
        assert_eq!(row.value.map(bits), Some(bits(value)), "{row:?}");
        assert_eq!((row.reduction.as_deref(), row.lists), (Some("mean"), Some(lists.len())));
    }
}

#[test]
fn numbers_keep_their_bits_in_f64() {
    assert_the_librarys_bits::<f64>("f64");
}

#[test]
fn numbers_keep_their_bits_in_f32() {
    assert_the_librarys_bits::<f32>("f32");
}

#[test]
fn f32_rounds_decimals_once() {
    // Just above the middle of 1 and the next f32: by way of f64 it would be the middle, and 1.
    let input = r#"{"scores": [1.000000059604644775390626], "labels": [0]}"#;
    let args = ["--loss", "point-mse", "--precision", "f32", "--reduction", "none"];
    let rows: Vec<Row<f32>> = evaluate(&args, input);
    assert_eq!(rows[0].grad, [Some(2.0 * (1.0 + f32::EPSILON))]);
}

#[test]
fn a_value_beyond_the_precision_is_null() {
    let args = ["--loss", "point-mse"];
    let rows = json(&args, r#"{"scores": [1e200], "labels": [0]}"#);
    assert_eq!(
        rows,
        "{\"line\":1,\"loss\":\"point-mse\",\"value\":null,\"grad\":[2e+200]}\n\
         {\"loss\":\"point-mse\",\"reduction\":\"mean\",\"value\":null,\"lists\":1}\n"
    );
    let rows: Vec<Row<f32>> = evaluate(
        &["--loss", "point-mse", "--precision", "f32"],
        r#"{"scores": [3e38], "labels": [0]}"#,
    );
    assert_eq!((rows[0].value, &rows[0].grad[..]), (None, &[None][..]));
}

// Where scores and labels come from.

#[test]
fn log_probabilities_are_scores() {
    let (policy, reference) = (array![-12.0, -15.5, -9.0], array![-13.0, -14.0, -9.5]);
    let logps = format!(
        r#"{{"policy_logps": {:?}, "ref_logps": {:?}, "labels": [0.5, 0, 1]}}"#,
        policy.to_vec(),
        reference.to_vec()
    );
    for (args, beta) in [(&[][..], 0.05), (&["--beta", "2.5"][..], 2.5)] {
        let reward = ImplicitReward::new(beta).expect("a β");
        let scores = reward.scores(&policy, &reference).expect("scores");
        let scored = format!(r#"{{"scores": {:?}, "labels": [0.5, 0, 1]}}"#, scores.to_vec());
        assert_eq!(json(args, &logps), json(&[], &scored));
    }
}

#[test]
fn ranks_are_labels() {
    let psi = labels::from_ranks(&array![2.0, 1.0, 2.0, 7.0]).expect("labels");
    assert_eq!(
        json(&[], r#"{"scores": [0.5, 0.25, 3, -1], "ranks": [2, 1, 2, 7]}"#),
        json(&[], &format!(r#"{{"scores": [0.5, 0.25, 3, -1], "labels": {:?}}}"#, psi.to_vec()))
    );
}

#[test]
fn win_probabilities_are_labels() {
    let wins = array![[0.5, 0.75, 0.25], [0.25, 0.5, 0.125], [0.75, 0.875, 0.5]];
    let psi = labels::from_win_probabilities(&wins).expect("labels");
    let rows = "[[0.5, 0.75, 0.25], [0.25, 0.5, 0.125], [0.75, 0.875, 0.5]]";
    assert_eq!(
        json(&[], &format!(r#"{{"scores": [1, 2, 0.5], "win_probabilities": {rows}}}"#)),
        json(&[], &format!(r#"{{"scores": [1, 2, 0.5], "labels": {:?}}}"#, psi.to_vec()))
    );
}

#[test]
fn other_fields_and_their_order_do_not_matter() {
    assert_eq!(
        json(
            &[],
            r#"{"labels":[1,0],"id":7,"prompt":null,"x":{"scores":[]},"id":8,"scores":[2,1]}"#
        ),
        json(&[], r#"{"scores":[2,1],"labels":[1,0]}"#)
    );
}

// Masks and weights.

#[test]
fn anything_may_stand_at_a_masked_response() {
    let args = ["--reduction", "none"];
    let mask = r#""mask": [false, true, false, true]"#;
    let lists = [
        (
            r#""scores": [X, 0.5, X, 2], "labels": [X, 0, X, 1], "weights": [X, 1, X, 3]"#,
            r#"{"scores": [0.5, 2], "labels": [0, 1], "weights": [1, 3]}"#,
        ),
        (
            r#""policy_logps": [X, -1, X, -2], "ref_logps": [X, -4, X, -1], "ranks": [X, 1, X, 2]"#,
            r#"{"policy_logps": [-1, -2], "ref_logps": [-4, -1], "ranks": [1, 2]}"#,
        ),
        (
            r#""scores": [X, 0, X, 2], "win_probabilities": [X, [X, 0.5, X, 1], X, [X, 0, X, 0.5]]"#,
            r#"{"scores": [0, 2], "win_probabilities": [[0.5, 1], [0, 0.5]]}"#,
        ),
    ];
    for x in ["0.5", "null", "-1e999", r#""text""#, "[[], {}]", r#"{"scores": [null]}"#, "true"] {
        for (masked, plain) in lists {
            let mut expected: Vec<Row<f64>> = evaluate(&args, plain);
            for row in &mut expected {
                row.grad.insert(0, Some(0.0));
                row.grad.insert(2, Some(0.0));
            }
            let masked = masked.replace('X', x);
            assert_eq!(evaluate::<f64>(&args, &format!("{{{masked}, {mask}}}")), expected);
            assert_eq!(evaluate::<f64>(&args, &format!("{{{mask}, {masked}}}")), expected);
        }
    }
}

#[test]
fn weights_multiply_terms() {
    let rows: Vec<Row<f64>> = evaluate(
        &["--loss", "point-mse"],
        r#"{"scores": [1, 2], "labels": [0, 0], "weights": [0.5, 3]}"#,
    );
    assert_eq!((rows[0].value, &rows[0].grad), (Some(12.5), &vec![Some(1.0), Some(12.0)]));
}

#[test]
fn the_weight_of_a_list_enters_the_summary_only() {
    let list = |weight| format!("{{\"scores\": [1, 2], \"labels\": [0, 0]{weight}}}\n");
    let input = list("") + &list(r#", "weight": 3"#) + &list(r#", "weight": 0"#);
    let rows: Vec<Row<f64>> = evaluate(&["--loss", "point-mse"], &input);
    for row in &rows[..3] {
        assert_eq!((row.value, &row.grad), (Some(5.0), &vec![Some(2.0), Some(4.0)]));
    }
    // (1 · 5 + 3 · 5 + 0 · 5) / 3
    close(rows[3].value, 20.0 / 3.0);
    assert_eq!(rows[3].lists, Some(3));
}

#[test]
fn an_empty_list_is_worth_nothing() {
    let input = "{\"scores\": [], \"labels\": []}\n\
                 {\"policy_logps\": [], \"ref_logps\": [], \"win_probabilities\": []}\n\
                 {\"scores\": [null], \"ranks\": [null], \"mask\": [false]}\n\
                 {\"scores\": [2], \"labels\": [1]}\n";
    let rows: Vec<Row<f64>> = evaluate(&["--loss", "point-mse"], input);
    assert_eq!((rows[0].value, &rows[0].grad[..]), (Some(0.0), &[][..]));
    assert_eq!((rows[1].value, &rows[1].grad[..]), (Some(0.0), &[][..]));
    assert_eq!((rows[2].value, &rows[2].grad[..]), (Some(0.0), &[Some(0.0)][..]));
    assert_eq!((rows[4].value, rows[4].lists), (Some(1.0), Some(1)));
}

// The summary.

#[test]
fn each_reduction_is_the_librarys() {
    let scores = array![[0.5, 0.25, -1.0], [2.0, 0.0, 0.125]];
    let labels = array![[1.0, 0.5, 0.5], [0.0, 0.25, 0.75]];
    let weights = array![[1.0, 2.0, 0.0], [0.5, 1.0, 1.0]];
    let list_weights = array![2.0, 0.5];
    let builder = Lists::dense(&scores, &labels).weights(&weights).list_weights(&list_weights);
    let lists = builder.build().expect("lists");
    let row_of = |array: &Array2<f64>, list| array.row(list).to_vec();
    let input: String = (0..2)
        .map(|list| {
            let (scores, labels) = (row_of(&scores, list), row_of(&labels, list));
            let (weights, weight) = (row_of(&weights, list), list_weights[list]);
            [
                format!(r#"{{"scores": {scores:?}, "labels": {labels:?}, "#),
                format!(r#""weights": {weights:?}, "weight": {weight:?}}}"#),
                "\n".to_owned(),
            ]
            .concat()
        })
        .collect();
    for (name, reduction) in [
        ("mean", Reduction::MeanOverLists),
        ("sum", Reduction::Sum),
        ("mean-over-terms", Reduction::MeanOverTerms),
    ] {
        let rows: Vec<Row<f64>> = evaluate(&["--reduction", name], &input);
        assert_eq!(rows.len(), 3 * NAMES.len());
        for (row, loss) in rows[2 * NAMES.len()..].iter().zip(losses()) {
            let (value, _) = loss.reduced(&lists, reduction).expect("a value");
            assert_eq!(row.value, Some(value), "{row:?}");
            assert_eq!((row.reduction.as_deref(), row.lists), (Some(name), Some(2)));
        }
    }
    assert_eq!(json(&[], &input), json(&["--reduction", "mean"], &input));
    assert_eq!(evaluate::<f64>(&["--reduction", "none"], &input).len(), 2 * NAMES.len());
    let table = run(&["-", "--reduction", "none"], input);
    assert!(!stdout(&table).contains("mean"));
}

#[test]
fn a_summary_of_nothing_is_zero() {
    for input in ["", "\n  \n"] {
        let rows: Vec<Row<f64>> = evaluate(&[], input);
        assert_eq!(rows.len(), NAMES.len());
        assert!(rows.iter().all(|row| (row.value, row.lists) == (Some(0.0), Some(0))));
    }
}

// Labels and scores outside a loss's domain.

#[test]
fn a_label_outside_a_domain_is_an_error_of_that_loss_alone() {
    let input = "{\"scores\": [1, 0], \"labels\": [0.5, 1.5]}\n\
                 {\"scores\": [1, 0], \"labels\": [-1, 1]}\n\
                 {\"scores\": [1, 0], \"labels\": [0, 2000]}\n\
                 {\"scores\": [1, null, 0], \"labels\": [0, null, 1], \"mask\": [true, false, true]}\n";
    let rows: Vec<Row<f64>> = evaluate(&[], input);
    assert_eq!(rows.len(), 5 * NAMES.len());
    let errors: Vec<_> = rows
        .iter()
        .filter_map(|row| Some((row.line, row.loss.as_str(), row.error.as_deref()?)))
        .collect();
    assert_eq!(
        errors,
        [
            (1, "point-sigmoid", "labels[1]: 1.5 is not in [0, 1]"),
            (2, "point-sigmoid", "labels[0]: -1.0 is not in [0, 1]"),
            (2, "softmax", "labels[0]: -1.0 is not at least 0"),
            (3, "point-sigmoid", "labels[1]: 2000.0 is not in [0, 1]"),
            (3, "lambda-loss", "labels[1]: 2000.0 is not a label whose gain is finite"),
        ]
    );
    let lists: Vec<_> = rows[4 * NAMES.len()..].iter().map(|row| row.lists).collect();
    assert_eq!(lists, [4, 1, 4, 4, 4, 3, 3].map(Some));
    // The summary is that of the lists that the loss has a value of.
    let sigmoid: Vec<_> = rows.iter().filter(|row| row.loss == "point-sigmoid").collect();
    assert_eq!(sigmoid[3].value, sigmoid[4].value);
}

#[test]
fn scores_too_far_apart_are_an_error_of_the_losses_that_subtract_them() {
    let rows: Vec<Row<f64>> = evaluate(&[], r#"{"scores": [1e308, -1e308], "labels": [0, 1]}"#);
    let errors: Vec<_> = rows.iter().take(7).filter(|row| row.error.is_some()).collect();
    assert_eq!(errors.len(), 5);
    for row in errors {
        assert_eq!(
            row.error.as_deref(),
            Some("scores: the scores 1e308 and -1e308 are too far apart")
        );
    }
    stops(
        &["--loss", "list-mle"],
        r#"{"scores": [1e308, -1e308], "labels": [0, 1]}"#,
        "scores: the scores 1e308 and -1e308 are too far apart",
    );
}

// Malformed input.

/// A malformed third line ends the run after the rows of the lines before it, with an error that
/// starts with `message`; what follows is in serde_json's words, or the column.
fn stops(args: &[&str], malformed: impl AsRef<[u8]>, message: &str) {
    let good = "{\"scores\": [2], \"labels\": [1]}\n\n";
    let input = [good.as_bytes(), malformed.as_ref(), b"\n", good.as_bytes()].concat();
    let args = [&["-", "--format", "json"], args].concat();
    let output = run(&args, input);
    assert_eq!(output.status.code(), Some(1), "{message}");
    let error = stderr(&output).trim_end();
    assert!(error.starts_with(&format!("error: line 3: {message}")), "{error}, not {message}");
    assert_eq!(error.lines().count(), 1);
    let (found, losses) = (rows::<f64>(&output), if args.contains(&"--loss") { 1 } else { 7 });
    assert_eq!(found.len(), losses, "{message}");
    assert!(found.iter().all(|row| row.line == 1 && row.value.is_some()));
}

#[test]
fn a_label_outside_the_domain_of_the_only_loss_stops_the_run() {
    stops(
        &["--loss", "point-sigmoid"],
        r#"{"scores": [1, 0], "labels": [0.5, 1.5]}"#,
        "labels[1]: 1.5 is not in [0, 1]",
    );
}

#[test]
fn what_is_no_list_stops_the_run() {
    for (malformed, message) in [
        (r#"{"scores": [1, 2"#, "scores: EOF while parsing a list"),
        (r#"{"scores": [1 2], "labels": [1, 0]}"#, "scores: expected `,` or `]`"),
        (r#"{"scores": [1], "labels": [NaN]}"#, "labels[0]: expected value"),
        (r#"{"scores": [1], "labels": [1]} {}"#, "trailing characters"),
        ("[1, 2]", "not a JSON object"),
        ("null", "not a JSON object"),
    ] {
        stops(&[], malformed, message);
    }
    stops(&[], b"{\"prompt\": \"\xff\"}", "invalid utf-8 sequence of 1 bytes from index 12");
}

#[test]
fn a_field_of_another_type_stops_the_run() {
    for (malformed, message) in [
        (
            r#"{"scores": [1, null], "labels": [1, 0]}"#,
            "scores[1]: invalid type: null, expected f64",
        ),
        (
            r#"{"scores": [1, 0], "labels": [1, "0"]}"#,
            r#"labels[1]: invalid type: string "0", expected f64"#,
        ),
        (r#"{"scores": [0, 1e999], "labels": [1, 0]}"#, "scores[1]: number out of range"),
        (
            r#"{"scores": 0.5, "labels": [1]}"#,
            "scores: invalid type: floating point `0.5`, expected an array",
        ),
        (
            r#"{"scores": [0, 1], "labels": [1, 0], "mask": [true, 1]}"#,
            "mask[1]: invalid type: integer `1`, expected a boolean",
        ),
        (
            r#"{"scores": [0, 1], "win_probabilities": [[0.5, 1], [null, 0.5]]}"#,
            "win_probabilities[1][0]: invalid type: null, expected f64",
        ),
        (
            r#"{"scores": [1], "labels": [1], "weight": null}"#,
            "weight: invalid type: null, expected f64",
        ),
    ] {
        stops(&[], malformed, message);
    }
}

#[test]
fn a_missing_or_superfluous_field_stops_the_run() {
    for (malformed, message) in [
        (r#"{"labels": [1, 0]}"#, "scores or policy_logps: missing"),
        (r#"{"scores": [1, 0]}"#, "labels or ranks or win_probabilities: missing"),
        (
            r#"{"scores": [1], "policy_logps": [-1], "ref_logps": [-1], "labels": [1]}"#,
            "scores and policy_logps: only one may be given",
        ),
        (
            r#"{"policy_logps": [-1], "labels": [1]}"#,
            "policy_logps and ref_logps: one needs the other",
        ),
        (
            r#"{"scores": [1], "ref_logps": [-1], "labels": [1]}"#,
            "policy_logps and ref_logps: one needs the other",
        ),
        (r#"{"ref_logps": [-1], "labels": [1]}"#, "scores or policy_logps: missing"),
        (
            r#"{"scores": [1], "labels": [1], "ranks": [1]}"#,
            "labels and ranks: only one may be given",
        ),
        (
            r#"{"scores": [1], "win_probabilities": [[1]], "ranks": [1]}"#,
            "ranks and win_probabilities: only one may be given",
        ),
        (r#"{"scores": [1], "labels": [1], "scores": [1]}"#, "duplicate field `scores`"),
        (
            r#"{"scores": [1], "labels": [1], "mask": [true], "mask": [true]}"#,
            "duplicate field `mask`",
        ),
    ] {
        stops(&[], malformed, message);
    }
}

#[test]
fn lengths_that_differ_stop_the_run() {
    for (malformed, message) in [
        (r#"{"scores": [1, 0], "labels": [1, 0, 1]}"#, "labels: length 3 in a list of 2 responses"),
        (r#"{"scores": [1, 0], "ranks": [1]}"#, "ranks: length 1 in a list of 2 responses"),
        (
            r#"{"scores": [1, 0], "labels": [1, 0], "mask": [true]}"#,
            "mask: length 1 in a list of 2 responses",
        ),
        (
            r#"{"scores": [1, 0], "labels": [1, 0], "weights": []}"#,
            "weights: length 0 in a list of 2 responses",
        ),
        (
            r#"{"policy_logps": [-1, -2], "ref_logps": [-1], "labels": [1, 0]}"#,
            "ref_logps: length 1 in a list of 2 responses",
        ),
        (
            r#"{"scores": [1, 0], "win_probabilities": [[0.5, 0.5]]}"#,
            "win_probabilities: length 1 in a list of 2 responses",
        ),
        (
            r#"{"scores": [1, 0], "win_probabilities": [[0.5, 0.5], [0.5]]}"#,
            "win_probabilities[1]: length 1 in a list of 2 responses",
        ),
    ] {
        stops(&[], malformed, message);
    }
}

#[test]
fn a_number_that_cannot_be_what_its_field_says_stops_the_run() {
    for (malformed, message) in [
        (
            r#"{"scores": [1, 0], "win_probabilities": [[0.5, 1.5], [0.5, 0.5]]}"#,
            "win_probabilities[0][1]: 1.5 is not in [0, 1]",
        ),
        (
            r#"{"scores": [1, 0], "labels": [1, 0], "weights": [1, -0.1]}"#,
            "weights[1]: -0.1 is not at least 0",
        ),
        (r#"{"scores": [1, 0], "labels": [1, 0], "weight": -2}"#, "weight: -2.0 is not at least 0"),
        (
            r#"{"policy_logps": [-1, 2], "ref_logps": [-1, -1], "labels": [1, 0]}"#,
            "policy_logps[1]: 2.0 is not a log-probability, at most 0 (or 0.001, rounded)",
        ),
        (
            r#"{"policy_logps": [-1, -2], "ref_logps": [5, -1], "labels": [1, 0]}"#,
            "ref_logps[0]: 5.0 is not a log-probability, at most 0 (or 0.001, rounded)",
        ),
    ] {
        stops(&[], malformed, message);
    }
}

#[test]
fn f32_has_a_narrower_range() {
    let args = ["--precision", "f32", "--loss", "point-mse"];
    stops(&args, r#"{"scores": [0, 1e39], "labels": [1, 0]}"#, "scores[1]: number out of range");
    stops(
        &[&args[..], &["--beta", "1e30"]].concat(),
        r#"{"policy_logps": [-1, -1e10], "ref_logps": [-1, -1], "labels": [1, 0]}"#,
        "policy_logps[1]: its score is -inf",
    );
    // A message has the number that was read, not what it becomes in f64.
    stops(
        &args,
        r#"{"scores": [0], "labels": [1], "weights": [-0.1]}"#,
        "weights[0]: -0.1 is not at least 0",
    );
}

// Where lines come from, and where rows go.

#[test]
fn the_sample_is_the_default_input() {
    let from_file = run(&["examples/data/ranked_responses.jsonl"], "");
    let table = run(&[], "");
    assert!(table.status.success() && table.stderr.is_empty());
    assert_eq!(table.stdout, from_file.stdout);

    let sample: Vec<Row<f64>> = rows(&run(&["--format", "json"], ""));
    assert_eq!(sample, evaluate(&[], SAMPLE));
    let lists = SAMPLE.lines().count();
    assert_eq!(sample.len(), (lists + 1) * NAMES.len());
    assert!(sample.iter().all(|row| row.value.is_some_and(f64::is_finite)));
    assert!(sample.iter().rev().take(NAMES.len()).all(|row| row.lists == Some(lists)));
}

#[test]
fn the_table_is_aligned() {
    let wide = r#"{"scores": [0, 0, 0, 0, 0, 0, 0], "labels": [1, 0, 0, 0, 0, 0, 0]}"#;
    let input = format!("{{\"scores\": [1, 0], \"labels\": [0, 2]}}\n{wide}\n");
    let table = run(&["-"], input);
    let expected = "
   line  loss                  value  gradient
      1  point-mse            5.0000     2.0000   -4.0000
         point-sigmoid         error  labels[1]: 2.0 is not in [0, 1]
         pair-hinge           2.0000     1.0000   -1.0000
         pair-logistic        1.3133     0.7311   -0.7311
         list-mle             1.3133     0.7311   -0.7311
         softmax              1.3133     0.7311   -0.7311
         lambda-loss          1.4541     0.8094   -0.8094
      2  point-mse            1.0000  7 entries of norm 2.0000
";
    let table = format!("\n{}", stdout(&table));
    assert!(table.starts_with(expected), "{table}");
    let summary = "

         loss                  value  reduction        lists
         point-mse            3.0000  mean                 2
         point-sigmoid        4.8520  mean                 1
";
    assert!(table.contains(summary), "{table}");
}

#[test]
fn blank_lines_count_and_do_nothing_else() {
    let list = r#"{"scores": [1], "labels": [1]}"#;
    let input = format!("\n{list}\r\n \t \r\n\n  {list}");
    let rows: Vec<Row<f64>> = evaluate(&["--loss", "softmax"], &input);
    assert_eq!(rows.iter().map(|row| row.line).collect::<Vec<_>>(), [2, 5, 0]);
}

#[test]
fn a_file_is_read_as_standard_input_is() {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("lists.jsonl");
    let input = "{\"scores\": [1, 0.5], \"ranks\": [2, 1]}\n";
    fs::write(&path, input).expect("a file");
    let output = run(&[path.to_str().expect("UTF-8"), "--format", "json"], "");
    assert_eq!(stdout(&output), json(&[], input));
}

#[test]
fn a_file_that_cannot_be_read_is_an_error() {
    let output = run(&["no/such/lists.jsonl"], "");
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).starts_with("error: no/such/lists.jsonl: "), "{}", stderr(&output));
    assert!(output.stdout.is_empty());

    let output = run(&["examples"], "");
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).starts_with("error: "), "{}", stderr(&output));
}

#[test]
fn arguments_are_checked_before_anything_is_read() {
    for args in [
        &["--loss", "pairlogistic"][..],
        &["--reduction", "median"],
        &["--precision", "f16"],
        &["--format", "csv"],
        &["--beta", "0"],
        &["--beta", "-0.1"],
        &["--beta", "inf"],
        &["--beta", "NaN"],
        &["--beta", "small"],
        &["--gamma", "1"],
        &["one.jsonl", "two.jsonl"],
    ] {
        let output = run(args, "");
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(output.stdout.is_empty() && stderr(&output).starts_with("error: "), "{args:?}");
    }
    assert!(stderr(&run(&["--beta", "0"], "")).contains("beta is 0, which is not"));
    let help = run(&["--help"], "");
    assert!(help.status.success());
    assert!(NAMES.iter().all(|name| stdout(&help).contains(name)));
}

#[test]
fn each_loss_can_be_asked_for_by_name() {
    for (index, name) in NAMES.iter().enumerate() {
        let all: Vec<Row<f64>> = evaluate(&[], r#"{"scores": [1, 0], "labels": [0, 1]}"#);
        let one: Vec<Row<f64>> =
            evaluate(&["--loss", name], r#"{"scores": [1, 0], "labels": [0, 1]}"#);
        assert_eq!(one.iter().collect::<Vec<_>>(), [&all[index], &all[NAMES.len() + index]]);
    }
}

#[test]
fn a_closed_pipe_ends_the_run_quietly() {
    let input = "{\"scores\": [1, 0], \"labels\": [0, 1]}\n".repeat(20_000);
    let mut child = spawn(&["-", "--format", "json"], input);
    let mut first = String::new();
    let rows = child.stdout.take().expect("a pipe");
    BufReader::new(rows).read_line(&mut first).expect("a row");
    assert!(first.starts_with(r#"{"line":1,"#));
    let output = child.wait_with_output().expect("the example ends");
    assert!(output.status.success() && output.stderr.is_empty(), "{}", stderr(&output));
}

#[test]
fn many_lists_stream_through() {
    let lists = 20_000;
    let list = |list| format!(r#"{{"scores": [{}, 1], "labels": [0, 1]}}"#, list % 7);
    let input = (0..lists).map(list).collect::<Vec<_>>().join("\n");
    let rows: Vec<Row<f64>> = evaluate(&["--loss", "point-mse"], &input);
    assert_eq!(rows.len(), lists + 1);
    assert!(rows.iter().zip(1..=lists as u64).all(|(row, line)| row.line == line));
    // Squares of 0 to 6, over and over.
    let sum: usize = (0..lists).map(|list| (list % 7) * (list % 7)).sum();
    assert_eq!(rows[lists].lists, Some(lists));
    close(rows[lists].value, f64::from(u32::try_from(sum).expect("small")) / 20_000.0);
}
