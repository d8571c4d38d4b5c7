//! Running an example as its users do: as a process.

#![allow(dead_code)] // each test needs a part

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;

/// The command of an example, which `cargo test` has built beside the test.
pub fn program(name: &str) -> Command {
    let test = std::env::current_exe().expect("a test knows its path");
    let file = format!("{name}{}", std::env::consts::EXE_SUFFIX);
    let built = test.parent().and_then(Path::parent);
    let program = built.expect("a test lies in target/<profile>/deps").join("examples").join(file);
    assert!(
        program.exists(),
        "{} is not built: `cargo test` builds it, `cargo test --test {name}` does not; run `cargo \
         build --example {name}` first",
        program.display()
    );
    Command::new(program)
}

/// Starts a command with text to read on its standard input.
pub fn spawn(command: &mut Command, input: impl Into<Vec<u8>>) -> Child {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the example starts");
    let (mut stdin, input) = (child.stdin.take().expect("a pipe"), input.into());
    // The program may end before it has read everything.
    thread::spawn(move || drop(stdin.write_all(&input)));
    child
}

/// Runs a command on text to its end.
pub fn run(command: &mut Command, input: impl Into<Vec<u8>>) -> Output {
    spawn(command, input).wait_with_output().expect("the example ends")
}

pub fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).expect("UTF-8")
}

pub fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).expect("UTF-8")
}

/// A file of a test's own.
pub fn file(name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, bytes).expect("a file");
    path
}

/// The most memory that a running process has had at one time, in kB.
#[cfg(target_os = "linux")]
pub fn peak_memory(process: &Child) -> u64 {
    let path = format!("/proc/{}/status", process.id());
    let status = std::fs::read_to_string(path).expect("a running process");
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("its peak");
    line.split_whitespace().nth(1).expect("a number").parse().expect("kB")
}
