//! The reference's log-probabilities: of every token of every response, computed once, and kept beside
//! the data.
//!
//! The reference is the model that training starts from. It is not held in memory while training: the
//! log-probabilities are all that is wanted of it. They stand in `DATA.reference.safetensors` together
//! with a fingerprint of the data, the model and the length limit, and are computed again where that differs.

use std::path::{Path, PathBuf};

use candle_core::{Device, Tensor};
use lipo::scores::SequenceLogProbs;

use crate::data::{Batch, Example};
use crate::files::{self, Fingerprint};
use crate::model::Llama;
use crate::report::Progress;
use crate::{Result, weights};

/// Where the log-probabilities of a file's responses are kept.
#[must_use]
pub fn cache(data: &Path) -> PathBuf {
    files::with_suffix(data, ".reference.safetensors")
}

/// What identifies the reference of the examples: the files of the model, and all token ids.
///
/// # Errors
///
/// Files that cannot be read.
pub fn fingerprint(folder: &Path, examples: &[Example]) -> Result<Fingerprint> {
    let mut fingerprint = Fingerprint::default();
    fingerprint.add_file(&folder.join("config.json"))?;
    for path in weights::files(folder)? {
        fingerprint.add_file(&path)?;
    }
    for example in examples {
        for text in std::iter::once(&example.prompt).chain(&example.responses) {
            fingerprint.add(&text.len().to_le_bytes());
            for id in text {
                fingerprint.add(&id.to_le_bytes());
            }
        }
    }
    Ok(fingerprint)
}

/// Fills in the reference's log-probabilities, from the cache of `data` if they are there.
///
/// Returns whether they were. That they cannot be kept is said, and no error.
///
/// # Errors
///
/// Those of candle, and log-probabilities that are not finite.
pub fn fill(
    model: &Llama,
    data: &Path,
    examples: &mut [Example],
    identity: Fingerprint,
    progress: &mut Progress,
) -> Result<bool> {
    let cache = cache(data);
    if let Some(tokens) = kept(&cache, identity) {
        let mut rest = &tokens[..];
        let all: usize = examples.iter().map(Example::tokens).sum();
        if all == rest.len() {
            for example in examples {
                let (own, others) = rest.split_at(example.tokens());
                (example.reference, rest) = (own.to_vec(), others);
            }
            return Ok(true);
        }
    }
    progress.begin(&format!("reference log-probabilities of {}", data.display()), examples.len());
    for example in &mut *examples {
        example.reference = token_log_probs(model, example)?;
        if example.reference.iter().any(|log_prob| !log_prob.is_finite()) {
            return Err(format!("{}: log-probabilities that are not finite", example.place).into());
        }
        progress.step(1, "");
    }
    progress.end();
    let tokens = examples.iter().flat_map(|example| &example.reference).copied();
    let tokens = Tensor::from_iter(tokens.collect::<Vec<f32>>(), &Device::Cpu)?;
    let tensors = [(TOKENS.to_owned(), tokens)].into();
    if let Err(error) = files::write_tensors(&cache, &tensors, &identity.to_string()) {
        eprintln!("{error}; the reference's log-probabilities will be computed again next time");
    }
    Ok(false)
}

const TOKENS: &str = "token_log_probs";

fn kept(cache: &Path, identity: Fingerprint) -> Option<Vec<f32>> {
    let (tensors, note) = files::read_tensors(cache).ok()?;
    (note == identity.to_string()).then_some(tensors.get(TOKENS)?.to_vec1().ok()?)
}

/// log π of each token of the example's responses, one after another.
///
/// An example is always a batch of its own here, so that the policy's figures for held-out lists, which
/// are computed the same way, equal the reference's to the last bit until something has been learnt.
///
/// # Errors
///
/// Those of candle.
pub fn token_log_probs(model: &Llama, example: &Example) -> candle_core::Result<Vec<f32>> {
    let batch = Batch::new(&[example], SequenceLogProbs::Sum, model.device())?;
    batch.token_log_probs(model)?.to_vec1()
}
