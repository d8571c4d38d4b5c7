//! `examples/votes` as its users meet it: run as a process, on its sample, on files, on bad input.

use std::process::Output;

use lipo::labels::{
    BradleyTerry, Comparison, Comparisons, Estimator, Outcome, Ties, average_win_rate,
};
use serde::Deserialize;
use serde_json::Value;

mod programs;
use programs::{file, program};

const SAMPLE: &str = include_str!("../examples/data/votes.csv");

fn run(args: &[&str], input: impl Into<Vec<u8>>) -> Output {
    programs::run(program("votes").args(args), input)
}

fn stdout(args: &[&str]) -> String {
    let output = run(args, "");
    assert!(output.status.success(), "{args:?}: {output:?}");
    programs::stdout(&output).to_owned()
}

fn stderr(args: &[&str]) -> String {
    let output = run(args, "");
    assert!(!output.status.success() && output.stdout.is_empty(), "{args:?}: {output:?}");
    programs::stderr(&output).to_owned()
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
    let error = stderr(&["--one-hot", "left"]);
    assert!(error.contains("--one-hot has 1 columns, not two or three"), "{error}");
    let apart = file("prior.csv", "left,right,winner\na,b,left\nc,d,left\n");
    let table = stdout(&[apart.to_str().unwrap(), "--prior", "1"]);
    assert!(table.contains('—'), "{table}"); // no win rate
}

/// The rows of the sample with its fields put differently, on standard input.
fn of_input(args: &[&str], input: impl Into<Vec<u8>>) -> String {
    let output = run(&[&["-", "--format", "json"], args].concat(), input);
    assert!(output.status.success(), "{args:?}: {output:?}");
    programs::stdout(&output).to_owned()
}

#[test]
fn one_file_in_every_form() {
    let expected = stdout(&["--format", "json"]);
    assert_eq!(of_input(&[], SAMPLE), expected, "standard input");
    let tabs = SAMPLE.replace(',', "\t");
    assert_eq!(of_input(&[], &*tabs), expected, "tabs");
    assert_eq!(of_input(&["--delimiter", "tab"], &*tabs), expected, "tabs that are asked for");
    assert_eq!(of_input(&[], SAMPLE.replace(',', ";")), expected, "semicolons");
    assert_eq!(of_input(&[], SAMPLE.replace(',', " | ")), expected, "bars and spaces");
    assert_eq!(of_input(&["--delimiter=:"], SAMPLE.replace(',', ":")), expected, "colons");
    for end in ["\r\n", "\r"] {
        let marked = format!("\u{feff}{}", SAMPLE.replace('\n', end));
        assert_eq!(of_input(&[], &*marked), expected, "{end:?}");
        let file = file("marked.csv", marked);
        assert_eq!(stdout(&[file.to_str().unwrap(), "--format=json"]), expected, "{end:?}");
    }

    let by = |winner: fn([&str; 3]) -> String, header: &str| {
        let line = |line: &str| winner(line.split(',').collect::<Vec<_>>().try_into().unwrap());
        let lines: Vec<_> = SAMPLE.lines().skip(1).map(line).collect();
        format!("{header}\n{}", lines.join("\n"))
    };
    let name = |[left, right, winner]: [&str; 3]| {
        let name = if winner == "left" { left } else { right };
        format!("{left},{right},{}", if winner == "tie" { winner } else { name })
    };
    assert_eq!(of_input(&[], by(name, "left,right,winner")), expected, "names of winners");
    let word = |[left, right, winner]: [&str; 3]| {
        let word = winner.replace("left", "model_a").replace("right", "Model_B");
        format!("{left},{right},{word}")
    };
    let columns = ["--left=model_a", "--right=model_b"];
    assert_eq!(of_input(&columns, by(word, "model_a,model_b,winner")), expected, "columns' names");

    let one_hot = |[left, right, winner]: [&str; 3]| {
        let flags = ["left", "right", "tie"].map(|word| if winner == word { "1" } else { "0.0" });
        format!("{},{left},{right},{},{}", flags[0], flags[1], flags[2])
    };
    let three = by(one_hot, "a_won,left,right,b_won,tie");
    let args = ["--one-hot=a_won,b_won,tie"];
    assert_eq!(of_input(&args, &*three), expected, "three columns");
    let args = ["--one-hot=a_won,b_won"];
    assert_eq!(of_input(&args, three.replace('1', "True")), expected, "two columns");
}

/// What nobody reads may be anything; what is read must be text.
#[test]
fn bytes_of_columns_that_are_not_read_may_be_anything() {
    let votes = b"left,note,right,winner\na,caf\xe9,b,left\nb,\"\xff\xfe,\n\",a,left\nb,,a,tie\n";
    let rows = of_input(&[], votes);
    assert_eq!(rows, of_input(&[], "left,right,winner\na,b,left\nb,a,left\nb,a,tie\n"));
    for (text, problem) in [
        (&b"left,right,winner\ra,b,left\r\xe9,b,left\r"[..], "line 3: column 1 is not UTF-8"),
        (b"left,right,winner\n\na,b,\xff\n", "line 3: column 3 is not UTF-8"),
        (b"\xff\xfel\0", "this is UTF-16"),
    ] {
        let output = run(&["-"], text);
        let error = programs::stderr(&output);
        assert!(!output.status.success() && error.contains(problem), "{error}");
    }
}

/// A quote that is a character would take in the lines up to the next one, and their votes be lost.
#[test]
fn quotes_that_are_characters_lose_no_votes() {
    let header = "left\tright\twinner\tnote\n";
    let votes = "a\tb\tleft\t\"hi\nb\ta\tleft\tno\na\tb\ttie\t\"well\" said\n";
    let output = run(&["-"], format!("{header}{votes}"));
    let problem = "error: -: line 2: a field begins with a quote that does not end it";
    assert!(programs::stderr(&output).starts_with(problem), "{output:?}");
    let expected = of_input(&[], "left,right,winner\na,b,left\nb,a,left\na,b,tie\n");
    assert_eq!(of_input(&["--no-quotes"], format!("{header}{votes}")), expected);

    let quoted = "left,right,winner,note\n\"a\",b,\"left\" ,\"two \"\"lines\"\"\n, \"\nb,a,left,5\"\n\
                  \"a\",\"b\",\"tie\",\"\"";
    assert_eq!(of_input(&[], quoted), expected);
    let output = run(&["-"], "left,right,winner\na,b,left\n\"a,b,left\nb,a,left\n");
    let problem = "error: -: line 3: a field begins with a quote that does not end it";
    assert!(programs::stderr(&output).starts_with(problem), "{output:?}");
}

#[test]
fn winners_that_are_not_clear_are_errors() {
    let fails = |args: &[&str], text: &str, problem: &str| {
        let output = run(&[&["-"], args].concat(), text);
        let error = programs::stderr(&output);
        assert!(error.starts_with(&format!("error: -: {problem}")), "{error}");
    };
    fails(&[], "left,right,winner\na,b,c\n", "line 2: \"c\" says of no winner, nor is it");
    fails(&[], "left,right,winner\na,b,\n", "line 2: \"\" says of no winner");
    let both = "line 2: \"left\" is the name of one of the two, and a word for something else";
    fails(&[], "left,right,winner\na,left,left\n", both);
    let tied = "line 2: \"tie\" is the name of one of the two";
    fails(&[], "left,right,winner\ntie,b,tie\n", tied);
    let header = "left,right,a,b,t\n";
    let args = ["--one-hot=a,b,t"];
    fails(&args, &format!("{header}x,y,0,0,0\n"), "line 2: 0 of the columns of --one-hot are 1");
    fails(&args, &format!("{header}x,y,1,0,1\n"), "line 2: 2 of the columns of --one-hot are 1");
    fails(&args, &format!("{header}x,y,2,0,0\n"), "line 2: \"2\" is neither 0 nor 1");
    let args = ["--one-hot=a,b"];
    fails(&args, &format!("{header}x,y,1,1,0\n"), "line 2: 2 of the columns of --one-hot are 1");
    fails(&args, "left;right;a\nx;y;1\n", "no column \"b\", but [\"left\", \"right\", \"a\"]");
    // A word may be a name where both say the same.
    assert!(run(&["-", "--prior=1"], "left,right,winner\nleft,b,left\n").status.success());
}

/// The responses to a prompt are items of their own, even where those to another have the same names.
#[test]
fn prompts_are_fitted_by_themselves() {
    let prompts = [
        ("why?", "a,b,left\na,c,left\nc,b,tie\nb,a,left\n"),
        ("how, then?", "b,a,left\nb,a,right\na,b,right\n"),
    ];
    let rows = |prompt: &str, votes: &str| -> Vec<String> {
        votes.lines().map(|line| format!("\"{prompt}\",{line}")).collect()
    };
    // The votes of the prompts alternate in the file.
    let [first, second] = prompts.map(|(prompt, votes)| rows(prompt, votes));
    let mut lines = vec!["question,left,right,winner".to_owned()];
    for line in 0..first.len().max(second.len()) {
        lines.extend(first.get(line).into_iter().chain(second.get(line)).cloned());
    }
    let (file, fit) = (lines.join("\n"), ["--prior=1", "--ties=davidson"]);
    let found = of_input(&[&["--prompt=question"][..], &fit].concat(), &*file);
    let found: Vec<Value> = found.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(found.len(), 3);
    for (found, (prompt, votes)) in found.iter().zip(prompts) {
        assert_eq!(found["prompt"], prompt);
        let alone = of_input(&fit, format!("left,right,winner\n{votes}"));
        let alone: Vec<Row> =
            alone.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        let items = found["items"].as_array().unwrap();
        assert_eq!(items.len(), alone.len());
        for Row { item, average_win_rate, theta, psi, .. } in alone {
            let number = items.iter().position(|name| *name == *item).unwrap();
            assert_eq!(found["labels"][number], psi, "{prompt}: {item}");
            assert_eq!(found["theta"][number], theta, "{prompt}: {item}");
            assert_eq!(found["average_win_rate"][number], average_win_rate, "{prompt}: {item}");
        }
    }
    assert_eq!((&found[0]["votes"][0], &found[2]["votes"]), (&Value::from(3), &Value::from(7)));

    let table = run(&[&["-", "--prompt=question"][..], &fit].concat(), &*file);
    let table = programs::stdout(&table);
    assert!(table.starts_with("prompt ") && table.contains("\nwhy?  "), "{table}");
    assert!(table.contains("\n7 votes on 5 responses to 2 prompts\n"), "{table}");
    assert!(table.contains("  pairs in both orders "), "{table}");

    let output = run(&["-", "--prompt=question"], &*file.replace("b,a,right", "b,a,left"));
    let error = programs::stderr(&output);
    assert!(error.starts_with("error: prompt \"how, then?\": "), "{error}");
    assert!(error.contains("--prior 1") && output.stdout.is_empty(), "{error}");
}
