//! `examples/votes.rs` as its users meet it: run as a process, on its sample, on files, on bad input.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use lipo::labels::{
    BradleyTerry, Comparison, Comparisons, Estimator, Outcome, Ties, average_win_rate,
};
use serde::Deserialize;

const SAMPLE: &str = include_str!("../examples/data/votes.csv");

fn run(args: &[&str]) -> Output {
    let test = std::env::current_exe().expect("a test knows its path");
    let name = format!("votes{}", std::env::consts::EXE_SUFFIX);
    let built = test.parent().and_then(|deps| deps.parent());
    let program = built.expect("a test lies in target/<profile>/deps").join("examples").join(name);
    assert!(
        program.exists(),
        "{} is not built: `cargo test` builds it, `cargo test --test votes` does not; run \
         `cargo build --example votes` first",
        program.display()
    );
    Command::new(program).args(args).output().expect("the example runs")
}

fn stdout(args: &[&str]) -> String {
    let output = run(args);
    assert!(output.status.success(), "{args:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn stderr(args: &[&str]) -> String {
    let output = run(args);
    assert!(!output.status.success() && output.stdout.is_empty(), "{args:?}: {output:?}");
    String::from_utf8(output.stderr).unwrap()
}

/// A file of this test alone.
fn file(name: &str, text: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&path, text).unwrap();
    path
}

#[derive(Deserialize)]
struct Row {
    item: String,
    average_win_rate: f64,
    bradley_terry: f64,
    theta: f64,
    psi: f64,
}

fn items(args: &[&str]) -> Vec<Row> {
    let text = stdout(&[args, &["--format", "json"]].concat());
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

#[test]
fn figures_of_the_sample_are_the_librarys() {
    let mut names: Vec<&str> = Vec::new();
    let mut votes = Vec::new();
    for line in SAMPLE.lines().skip(1) {
        let fields: Vec<&str> = line.split(',').collect();
        let mut number = |name| {
            names.iter().position(|known| *known == name).unwrap_or_else(|| {
                names.push(name);
                names.len() - 1
            })
        };
        let outcome = match fields[2] {
            "left" => Outcome::First,
            "right" => Outcome::Second,
            _ => Outcome::Tie,
        };
        votes.push(Comparison::new(number(fields[0]), number(fields[1]), outcome));
    }
    let votes = Comparisons::from_records(names.len(), votes).unwrap();
    for (option, ties) in [("half-wins", Ties::HalfWins), ("davidson", Ties::Davidson)] {
        let fit = BradleyTerry::default().ties(ties).order_effect().fit(&votes).unwrap();
        let (psi, shares) = (fit.labels::<f64>(), fit.shares());
        let rates = average_win_rate(&votes).unwrap();
        let items = items(&["--ties", option, "--order-effect"]);
        assert_eq!(items.len(), 8);
        assert!(items.windows(2).all(|two| two[0].theta >= two[1].theta), "best first");
        for Row { item, average_win_rate, bradley_terry, theta, psi: label } in items {
            let number = names.iter().position(|name| *name == item).unwrap();
            let figures = [average_win_rate, bradley_terry, theta, label];
            let expected = [rates[number], shares[number], fit.strengths[number], psi[number]];
            assert_eq!(figures, expected, "{item}");
        }
    }
}

/// ψ from parts of the sample has errors of the size that the program states beside them.
#[test]
fn partial_votes_have_the_stated_error() {
    let table = stdout(&[]);
    let lines: Vec<&str> = table.lines().filter(|line| line.contains(" of all ")).collect();
    assert_eq!(lines.len(), 3, "{table}");
    let mut before = 0.0;
    for line in lines {
        let (_, figures) = line.split_once("of all").unwrap();
        let figures: Vec<f64> = figures
            .split_whitespace()
            .map(|figure| figure.trim_end_matches(',').parse().unwrap())
            .collect();
        let [error, greatest, expected] = figures[..] else { panic!("{line}") };
        assert!(before < error && error < greatest && error < 2.0 * expected, "{line}");
        before = error;
    }
    assert!(table.contains("--order-effect fits it") && table.contains("ember"), "{table}");
    let fitted = stdout(&["--order-effect"]);
    assert!(fitted.contains("it leaves 0.0000 unexplained"), "{fitted}");
}

#[test]
fn names_of_columns_and_winners_are_options() {
    let text = "id,model_a,model_b,verdict,times\n1,\"x, y\",z,A,3\n2,\"x, y\",z,B,1\n3,z,\"x, y\",both,2\n";
    let file = file("columns.csv", text);
    let args = [
        file.to_str().unwrap(),
        "--left=model_a",
        "--right=model_b",
        "--winner=verdict",
        "--left-wins=A",
        "--right-wins=B",
        "--tie=both,neither",
        "--weight=times",
    ];
    let items = items(&args);
    assert_eq!(items[0].item, "x, y");
    assert!((items[0].average_win_rate - 4.0 / 6.0).abs() < 1e-15);
    assert!((items[0].theta - 0.5 * 2.0_f64.ln()).abs() < 1e-10);
}

#[test]
fn bad_files_are_named_with_their_lines() {
    let cases = [
        ("short", "left,right,winner\na,b,left\nb,c\n", "line 3: 2 fields under 3 columns"),
        ("winner", "left,right,winner\na,b,left\nb,a,middle\n", "line 3: \"middle\""),
        (
            "itself",
            "left,right,winner\na,b,left\n\nb,b,left\n",
            "line 4: \"b\" is compared with itself",
        ),
        ("unnamed", "left,right,winner\n,b,left\n", "line 2: nothing is named in column 1"),
        ("column", "first,second,winner\na,b,left\n", "no column \"left\""),
        ("empty", "left,right,winner\n", "there are no votes"),
        ("bytes", "left,right,winner\n\n\na,b,left,\n", "line 4: 4 fields"),
        ("apart", "left,right,winner\na,b,tie\nc,d,tie\n", "2 parts that no comparison links"),
        ("won", "left,right,winner\na,b,left\nb,c,tie\n", "\n  a\n  b, c"),
    ];
    for (name, text, expected) in cases {
        let file = file(&format!("{name}.csv"), text);
        let error = stderr(&[file.to_str().unwrap()]);
        assert!(error.starts_with("error: ") && error.contains(expected), "{name}: {error}");
    }
    let weights = file("weights.csv", "left,right,winner,n\na,b,left,1\na,b,right,-2\n");
    let error = stderr(&[weights.to_str().unwrap(), "--weight", "n"]);
    assert!(error.contains("line 3: the weight -2 is not finite and ≥ 0"), "{error}");
    let error = stderr(&["no such file.csv"]);
    assert!(error.starts_with("error: no such file.csv: "), "{error}");
    // What a prior makes of items that nothing links.
    let apart = file("prior.csv", "left,right,winner\na,b,left\nc,d,left\n");
    let table = stdout(&[apart.to_str().unwrap(), "--prior", "1"]);
    assert!(table.contains('—'), "{table}"); // no win rate
}
