//! What the tests share.

#![allow(dead_code)] // each test file takes a part

use std::path::PathBuf;
use std::process::{Command, Output};

use candle_core::{Device, Tensor, Var};
use ndarray::Array2;

/// An empty folder for a test.
pub fn folder(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// The program `finetune` with these arguments.
pub fn finetune<S: AsRef<str>>(arguments: &[S]) -> Output {
    let arguments = arguments.iter().map(AsRef::as_ref);
    Command::new(env!("CARGO_BIN_EXE_finetune")).args(arguments).output().unwrap()
}

/// What a program that must fail said.
pub fn refusal<S: AsRef<str>>(arguments: &[S]) -> String {
    let output = finetune(arguments);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    String::from_utf8(output.stderr).unwrap()
}

pub fn variable(matrix: &Array2<f64>) -> Var {
    let numbers = matrix.iter().copied().collect::<Vec<_>>();
    Var::from_tensor(&Tensor::from_vec(numbers, matrix.dim(), &Device::Cpu).unwrap()).unwrap()
}

pub fn array(matrix: &Tensor) -> Array2<f64> {
    let numbers = matrix.flatten_all().unwrap().to_vec1().unwrap();
    Array2::from_shape_vec(matrix.dims2().unwrap(), numbers).unwrap()
}

/// Numbers between −1 and 1 that look random.
pub fn noise(count: usize, seed: u64) -> Vec<f32> {
    use rand::{Rng, SeedableRng, rngs::StdRng};
    let mut rng = StdRng::seed_from_u64(seed);
    (0..count).map(|_| rng.random_range(-1.0..1.0)).collect()
}
