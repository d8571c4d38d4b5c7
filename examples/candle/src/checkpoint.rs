//! What it takes to go on after an interruption, in one file.
//!
//! `checkpoint.safetensors` holds the weights, the optimizer's moments, and as text the place in the
//! data, the history and the settings. It is written under a temporary name and then renamed, so
//! that there is a whole one at any time.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::model::Llama;
use crate::optimizer::AdamW;
use crate::train::Epoch;
use crate::{Context, Result, files, weights};

/// Where a run is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// What the run depends on; another run must not go on from here.
    pub settings: Map<String, Value>,
    /// Whole passes over the data.
    pub epoch: usize,
    /// Optimizer steps of the pass that is not whole.
    pub step_in_epoch: usize,
    /// Optimizer steps altogether.
    pub step: usize,
    /// The sum over lists of the loss, in the pass that is not whole.
    pub loss: f64,
    /// The lists that it is the sum over.
    pub lists: usize,
    /// The epochs so far, the state before training as the first.
    pub history: Vec<Epoch>,
}

/// The checkpoint of a run's folder.
#[must_use]
pub fn path(out: &Path) -> PathBuf {
    out.join("checkpoint.safetensors")
}

/// Writes the checkpoint.
///
/// # Errors
///
/// Those of [`files::replace`]; the checkpoint that was there before is then as it was.
pub fn save(out: &Path, model: &Llama, optimizer: &AdamW, state: &State) -> Result<()> {
    let mut tensors = weights::tensors(model);
    tensors.extend(optimizer.moments());
    files::write_tensors(&path(out), &tensors, &serde_json::to_string(state)?)
}

/// Reads the checkpoint back into the optimizer and its variables.
///
/// # Errors
///
/// A file that cannot be read, and one of a run with other settings, which the message names.
pub fn restore(out: &Path, optimizer: &mut AdamW, settings: &Map<String, Value>) -> Result<State> {
    let path = path(out);
    let (tensors, note) = files::read_tensors(&path)?;
    let state: State = serde_json::from_str(&note).at(path.display())?;
    if let Some((name, found)) =
        state.settings.iter().find(|&(name, value)| settings.get(name) != Some(value))
    {
        let now = settings.get(name).unwrap_or(&Value::Null);
        return Err(
            format!("{}: made with {name} {found}, and now it is {now}", path.display()).into()
        );
    }
    optimizer.restore(&tensors, state.step).at(path.display())?;
    Ok(state)
}
