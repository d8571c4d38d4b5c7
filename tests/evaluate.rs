//! `examples/evaluate` as its users meet it: run as a process, on files, pipes and bad input.
//!
//! What the losses are worth is the business of the other tests; here the figures are closed forms
//! short enough for the eye, or those of the library called directly, to the bit.

use std::io::{BufRead, BufReader};
use std::process::Output;

use lipo::losses::{Loss, LossExt, Reduction};
use lipo::{Lists, Real, labels, scores::ImplicitReward};
use ndarray::{Array1, Array2, array};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

#[allow(dead_code)] // the parser of the command line
#[path = "../examples/support/named.rs"]
mod named;
mod programs;
use programs::{file, program, spawn, stderr, stdout};

const SAMPLE: &str = include_str!("../examples/data/ranked_responses.jsonl");
const NAMES: [&str; 7] = named::LOSSES;

fn losses() -> Vec<Box<dyn Loss>> {
    NAMES.map(named::loss).into()
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
    failed: u64,
}

fn run(args: &[&str], input: impl Into<Vec<u8>>) -> Output {
    programs::run(program("evaluate").args(args), input)
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

/// The rows of a run that ends with an error, and the error.
fn failing(args: &[&str], input: impl Into<Vec<u8>>) -> (Vec<Row<f64>>, String) {
    let output = run(&[&["-", "--format", "json"], args].concat(), input);
    assert_eq!(output.status.code(), Some(1), "{}", stdout(&output));
    (rows(&output), stderr(&output).to_owned())
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
    let outside = run(
        &["-", "--format", "json", "--reduction", "none"],
        r#"{"scores": [0.5], "labels": [2]}"#,
    );
    assert_eq!(
        stdout(&outside).lines().nth(1),
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

/// No list is no success, and has no value: not 0, which a good run may have.
#[test]
fn a_summary_of_nothing_is_absent() {
    for input in ["", "\n  \n", "\u{feff}"] {
        for args in [&[][..], &["--reduction", "sum"], &["--loss", "softmax"]] {
            let (rows, error) = failing(args, input);
            assert_eq!(rows.len(), if args.contains(&"--loss") { 1 } else { NAMES.len() });
            assert!(rows.iter().all(|row| (row.value, row.lists) == (None, Some(0))), "{rows:?}");
            assert_eq!(error, "error: there is no list\n");
        }
        let table = run(&["-"], input);
        assert_eq!(table.status.code(), Some(1));
        assert_eq!(stdout(&table).matches(" –  mean ").count(), NAMES.len());
        assert!(!stdout(&table).contains("0.0000"));
    }
    let masked = r#"{"scores": [0], "labels": [0], "mask": [false]}"#;
    let (rows, error) = failing(&["--loss", "softmax"], masked);
    assert_eq!((rows[0].value, rows[1].value, rows[1].lists), (Some(0.0), None, Some(0)));
    assert_eq!(error, "error: no list has a response\n");
}

// Labels and scores outside a loss's domain.

#[test]
fn a_label_outside_a_domain_is_an_error_of_that_loss_alone() {
    let input = "{\"scores\": [1, 0], \"labels\": [0.5, 1.5]}\n\
                 {\"scores\": [1, 0], \"labels\": [-1, 1]}\n\
                 {\"scores\": [1, 0], \"labels\": [0, 2000]}\n\
                 {\"scores\": [1, null, 0], \"labels\": [0, null, 1], \"mask\": [true, false, true]}\n";
    let (rows, told) = failing(&[], input);
    assert_eq!(rows.len(), 5 * NAMES.len());
    assert_eq!(
        told,
        "error: lists without a value:\n  \
         point-sigmoid: 3 of 4, the first on line 1: labels[1]: 1.5 is not in [0, 1]\n  \
         softmax: 1 of 4, the first on line 2: labels[0]: -1.0 is not at least 0\n  \
         lambda-loss: 1 of 4, the first on line 3: labels[1]: 2000.0 is not a label whose gain is \
         finite\n"
    );
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
    let failed: Vec<_> = rows[4 * NAMES.len()..].iter().map(|row| row.failed).collect();
    assert_eq!(failed, [0, 3, 0, 0, 0, 1, 1]);
    // The summary is that of the lists that the loss has a value of.
    let sigmoid: Vec<_> = rows.iter().filter(|row| row.loss == "point-sigmoid").collect();
    assert_eq!(sigmoid[3].value, sigmoid[4].value);
}

#[test]
fn scores_too_far_apart_are_an_error_of_the_losses_that_subtract_them() {
    let (rows, _) = failing(&[], r#"{"scores": [1e308, -1e308], "labels": [0, 1]}"#);
    let errors: Vec<_> = rows.iter().take(7).filter(|row| row.error.is_some()).collect();
    assert_eq!(errors.len(), 5);
    // Neither of these has a value: the summary has none, which is not 0.
    for row in rows[7..].iter().filter(|row| row.failed == 1) {
        assert_eq!((row.value, row.lists), (None, Some(0)), "{row:?}");
    }
    assert_eq!(rows[7..].iter().filter(|row| row.failed == 1).count(), 5);
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
        (r#"{"scores": [1, 2"#, "the JSON object does not end on this line, as it must (`jq -c .`"),
        ("{", "the JSON object does not end on this line"),
        (r#"{"scores": [1 2], "labels": [1, 0]}"#, "scores: expected `,` or `]`"),
        (r#"{"scores": [1], "labels": [nan]}"#, "labels[0]: expected ident"),
        (r#"{"scores": [1], "labels": [1]} {}"#, "trailing characters"),
        ("[1, 2]", "an array, not a JSON object"),
        ("\"scores\": [", "not a JSON object"),
        ("null", "not a JSON object"),
    ] {
        stops(&[], malformed, message);
    }
    stops(&[], b"{\"scores\": [\"\xff\"]}", "scores[0]: invalid unicode code point");
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
            "policy_logps[1]: 2.0 is not a log-probability, at most 0 (or 0.1, rounded)",
        ),
        (
            r#"{"policy_logps": [-1, -2], "ref_logps": [5, -1], "labels": [1, 0]}"#,
            "ref_logps[0]: 5.0 is not a log-probability, at most 0 (or 0.1, rounded)",
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

// What Python and other systems write.

/// Python's json module writes numbers that are not finite as JavaScript does.
#[test]
fn what_is_not_finite_may_stand_where_nothing_is_read() {
    let issue = r#"{"scores":[0.5,NaN,1.0],"labels":[1,0,0],"mask":[true,false,true]}"#;
    let rows: Vec<Row<f64>> = evaluate(&["--loss", "pair-logistic"], issue);
    assert!((rows[0].value.expect("a value") - 0.974077).abs() < 5e-7, "{rows:?}");
    assert_eq!(rows[0].grad[1], Some(0.0));

    let expected =
        json(&[], r#"{"scores": [0.5, 0, 1], "labels": [1, 0, 0], "mask": [true, false, true]}"#);
    let mask = r#""mask": [true, false, true]"#;
    for x in ["NaN", "Infinity", "-Infinity"] {
        for line in [
            r#"{"scores": [0.5,X,1], "labels": [1, X , 0], MASK}"#,
            r#"{MASK, "scores": [0.5, X, 1], "weights": [1, X, 1], "labels": [1, [X], 0]}"#,
            r#"{"reward": X, "scores": [0.5, X, 1], "labels": [1, {"a": X}, 0], MASK, "b": {"c": [X, X]}}"#,
            r#"{"scores": [0.5, 0, 1], "labels": [1, 0, 0], "text": "a \" X, \\", "kl": X, MASK}"#,
        ] {
            assert_eq!(json(&[], &line.replace("MASK", mask).replace('X', x)), expected, "{line}");
        }
        for (line, place) in [
            (r#"{"scores": [0.5, X], "labels": [1, 0]}"#, "scores[1]"),
            (r#"{"scores": [0.5, 1], "labels": [X, 0]}"#, "labels[0]"),
            (r#"{"scores": [0.5, 1], "ranks": [X, 0]}"#, "ranks[0]"),
            (r#"{"scores": [0], "labels": [0], "weights": [X]}"#, "weights[0]"),
            (r#"{"scores": [0], "labels": [0], "weight": X}"#, "weight"),
            (r#"{"policy_logps": [X], "ref_logps": [-1], "labels": [0]}"#, "policy_logps[0]"),
            (
                r#"{"scores": [0, 1], "win_probabilities": [[X, 1], [0, 1]]}"#,
                "win_probabilities[0][0]",
            ),
        ] {
            let message = format!("{place}: {x} is not finite; only a masked response may have it");
            stops(&[], line.replace('X', x), &message);
        }
        // Where it is no value, it is no JSON either.
        for line in
            [r#"{X: 1, "scores": [0], "labels": [0]}"#, r#"{"scores": [0 X], "labels": [0]}"#]
        {
            stops(&[], line.replace('X', x), "");
        }
        let message = format!("scores: invalid type: {x}, expected an array");
        stops(&[], format!(r#"{{"scores": {x}, "labels": [1]}}"#), &message);
        let message = format!("mask[0]: invalid type: {x}, expected a boolean");
        stops(&[], format!(r#"{{"scores": [1], "labels": [1], "mask": [{x}]}}"#), &message);
    }
    // A string that says so is a string, and columns are those of the line as it was.
    stops(
        &[],
        r#"{"scores": ["NaN"], "labels": [1]}"#,
        r#"scores[0]: invalid type: string "NaN", expected f64"#,
    );
    let (_, error) = failing(&[], r#"{"x": NaN, "scores": [1 2]}"#);
    assert_eq!(error, "error: line 1: scores: expected `,` or `]` (column 25)\n");
}

#[test]
fn marks_and_line_ends_of_other_systems_do_not_matter() {
    let lines =
        ["{\"scores\": [1, 0], \"labels\": [0, 1]}", "", "{\"scores\": [2], \"labels\": [1]}"];
    let expected = json(&[], &lines.join("\n"));
    for end in ["\n", "\r\n", "\r"] {
        let text = lines.join(end);
        assert_eq!(json(&[], &text), expected, "{end:?}");
        assert_eq!(json(&[], &format!("\u{feff}{text}{end}")), expected, "{end:?}, with a mark");
        let path = file("marked.jsonl", format!("\u{feff}{text}"));
        let from_file = run(&[path.to_str().expect("UTF-8"), "--format", "json"], "");
        assert_eq!(stdout(&from_file), expected);
    }
    let utf_16: Vec<u8> =
        [0xfeff].into_iter().chain(lines[0].encode_utf16()).flat_map(u16::to_le_bytes).collect();
    let (rows, error) = failing(&[], utf_16);
    assert!(rows.is_empty() && error.contains("UTF-16"), "{error}");
}

/// Bytes of another encoding in a prompt are nothing to a loss.
#[test]
fn bytes_in_fields_that_are_passed_over_may_be_anything() {
    let line = b"{\"prompt\": \"caf\xe9\", \"scores\": [1, 0], \"labels\": [0, 1]}";
    let output = run(&["-", "--format", "json"], line);
    assert!(output.status.success(), "{}", stderr(&output));
    let plain = json(&[], "{\"scores\": [1, 0], \"labels\": [0, 1]}");
    assert_eq!(stdout(&output), plain);
}

#[test]
fn json_on_several_lines_is_told_from_a_mistake() {
    let pretty = "{\n  \"scores\": [\n    0.5,\n    0\n  ],\n  \"labels\": [1, 0]\n}\n";
    let (rows, error) = failing(&[], pretty);
    assert!(rows.is_empty());
    let expected = "error: line 1: the JSON object does not end on this line, as it must (`jq -c .` \
                    puts pretty-printed JSON on one line)\n";
    assert_eq!(error, expected);
    let (_, error) = failing(&[], format!("[\n{pretty}]\n"));
    assert!(error.starts_with("error: line 1: an array, not a JSON object: "), "{error}");
}

// Lines to pass over, and the summary alone.

#[test]
fn bad_lines_can_be_passed_over() {
    let good = ["{\"scores\": [1, 0], \"labels\": [0, 1]}", "{\"scores\": [2], \"labels\": [0.5]}"];
    let bad =
        ["{\"scores\": [1, 0]}", "nothing", "{\"scores\": [1], \"labels\": [1], \"weight\": -1}"];
    let input = [bad[0], good[0], bad[1], bad[2], good[1]].join("\n");
    let (before, _) = failing(&[], &*input);
    assert!(before.is_empty(), "the first bad line ends the run");

    let output = run(&["-", "--format", "json", "--skip-bad"], &*input);
    assert!(output.status.success());
    assert_eq!(
        stderr(&output),
        "passed over: line 1: labels or ranks or win_probabilities: missing\n\
         passed over: line 3: not a JSON object\n\
         passed over: line 4: weight: -1.0 is not at least 0\n\
         lines passed over: 3\n"
    );
    let mut expected: Vec<Row<f64>> = evaluate(&[], &good.join("\n"));
    for row in &mut expected {
        row.line = [0, 2, 5][usize::try_from(row.line).expect("small")];
    }
    assert_eq!(rows::<f64>(&output), expected);

    let many = run(&["-", "--skip-bad"], format!("{}{}", "bad\n".repeat(1000), good[0]));
    assert!(many.status.success());
    assert_eq!(stderr(&many).lines().count(), 11);
    assert!(stderr(&many).ends_with("line 10: not a JSON object\nlines passed over: 1000\n"));

    let (rows, error) = failing(&["--skip-bad"], "bad\n\nbad");
    assert!(rows.iter().all(|row| row.value.is_none() && row.lists == Some(0)));
    assert!(error.ends_with("lines passed over: 2\nerror: there is no list\n"), "{error}");
}

/// With one loss, a list outside its domain ends the run, unless such lists are passed over.
#[test]
fn lists_outside_the_domain_of_the_only_loss_can_be_passed_over() {
    let input = "{\"scores\": [1], \"labels\": [2]}\n{\"scores\": [0], \"labels\": [1]}\n";
    let (rows, _) = failing(&["--loss", "point-sigmoid"], input);
    assert!(rows.is_empty());
    let (rows, error) = failing(&["--loss", "point-sigmoid", "--skip-bad"], input);
    assert_eq!(rows[0].error.as_deref(), Some("labels[0]: 2.0 is not in [0, 1]"));
    close(rows[2].value, std::f64::consts::LN_2);
    assert_eq!((rows[2].lists, rows[2].failed), (Some(1), 1));
    assert!(error.contains("point-sigmoid: 1 of 2, the first on line 1: labels[0]"), "{error}");
}

#[test]
fn the_summary_can_be_had_alone() {
    let input = SAMPLE;
    for reduction in ["mean", "sum", "mean-over-terms"] {
        let all = json(&["--reduction", reduction], input);
        let summary = json(&["--reduction", reduction, "--summary-only"], input);
        let expected: Vec<_> = all.lines().rev().take(NAMES.len()).collect();
        assert_eq!(summary.lines().rev().collect::<Vec<_>>(), expected);
    }
    let table = run(&["-", "--summary-only"], input);
    assert_eq!(stdout(&table).lines().count(), 1 + NAMES.len());
    assert!(stdout(&table).starts_with("         loss "), "{}", stdout(&table));
    let nothing = run(&["-", "--summary-only", "--reduction", "none"], input);
    assert_eq!(nothing.status.code(), Some(2));
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

         loss                  value  reduction        lists  failed
         point-mse            3.0000  mean                 2       0
         point-sigmoid        4.8520  mean                 1       1
";
    assert!(table.contains(summary), "{table}");
    let summary = run(&["-", "--summary-only"], r#"{"scores": [1, 0], "labels": [0, 2]}"#);
    let expected = "
         loss                  value  reduction        lists  failed
         point-mse            5.0000  mean                 1       0
         point-sigmoid             –  mean                 0       1
";
    let summary = format!("\n{}", stdout(&summary));
    assert!(summary.starts_with(expected), "{summary}");
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
    let input = "{\"scores\": [1, 0.5], \"ranks\": [2, 1]}\n";
    let path = file("lists.jsonl", input);
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
    assert!(stderr(&output).starts_with("error: examples: "), "{}", stderr(&output));
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
    let mut child = spawn(program("evaluate").args(["-", "--format", "json"]), input);
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

/// Memory does not grow with the number of lists: 12 thousand more take none that shows.
#[test]
#[cfg(target_os = "linux")]
fn many_lists_take_the_memory_of_one() {
    use std::io::Write;
    use std::process::Stdio;

    let mut command = program("evaluate");
    command.args(["-", "--summary-only", "--loss", "pair-logistic"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("the example starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    let lists = "{\"scores\": [1, 0, NaN], \"labels\": [0, 1, 0], \"mask\": [true, true, false]}\n";
    let mut feed = |count| stdin.write_all(lists.repeat(count).as_bytes()).expect("a reader");
    feed(3_000);
    let before = programs::peak_memory(&child);
    feed(12_000);
    let after = programs::peak_memory(&child);
    drop(stdin);
    let output = child.wait_with_output().expect("the example ends");
    assert!(output.status.success() && stdout(&output).contains(" 15000\n"));
    assert!(after < before + 512, "{before} kB, then {after} kB");
}
