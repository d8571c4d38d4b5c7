//! The program, run as its README says.

use std::process::{Command, Output};

fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_lipo-burn"))
        .args(arguments)
        .output()
        .expect("a program that starts")
}

/// The last column of the table: pair accuracy on held-out prompts.
fn held_out(output: &Output) -> Vec<f64> {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let table = String::from_utf8_lossy(&output.stdout);
    table
        .lines()
        .skip(1)
        .map(|line| line.split_whitespace().last().unwrap().parse().unwrap())
        .collect()
}

#[test]
fn every_loss_raises_the_held_out_pair_accuracy() {
    for (loss, _) in lipo_burn::losses() {
        let accuracy = held_out(&run(&[loss]));
        let (first, last) = (accuracy[0], accuracy[accuracy.len() - 1]);
        assert_eq!(first, 0.5, "{loss}: before the first step all scores tie");
        // Point losses fit ψ itself rather than its order, and come to fit what they have seen alone.
        let enough = match loss {
            "point-mse" => 0.55,
            "point-sigmoid" => 0.75,
            _ => 0.85,
        };
        assert!(last > enough, "{loss}: {accuracy:?}");
    }
}

#[test]
fn the_node_trains_as_the_surrogate_does() {
    assert_eq!(run(&["softmax"]).stdout, run(&["softmax", "--node"]).stdout);
}

#[test]
fn an_unknown_loss_is_an_error_that_names_the_known_ones() {
    for arguments in [&["hinge"][..], &["--nodes"]] {
        let output = run(arguments);
        let message = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && output.stdout.is_empty());
        assert!(message.contains(arguments[0]) && message.contains("pair-hinge"), "{message}");
    }
}
