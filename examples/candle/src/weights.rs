//! The files of a model in the Hugging Face layout: `config.json` and `*.safetensors`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use candle_core::safetensors::BufferedSafetensors;
use candle_core::{DType, Device, Tensor};
use rand::{Rng, SeedableRng, rngs::StdRng};
use serde_json::Value;

use crate::model::{Config, Llama};
use crate::{Context, Result, files};

/// The configuration of the model in a folder.
///
/// # Errors
///
/// A file that cannot be read, is not JSON, lacks a field, or asks for what the decoder is not.
pub fn config(folder: &Path) -> Result<Config> {
    let path = folder.join("config.json");
    let text = fs::read_to_string(&path).at(path.display())?;
    let config: Config = serde_json::from_str(&text).at(path.display())?;
    config.check().at(path.display())?;
    Ok(config)
}

/// The files of weights in a folder: those that `model.safetensors.index.json` lists, or all.
///
/// # Errors
///
/// An index that cannot be read, and a folder without weights.
pub fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let index = folder.join("model.safetensors.index.json");
    let mut files: Vec<PathBuf> = if index.exists() {
        let index: Value = serde_json::from_str(&fs::read_to_string(&index).at(index.display())?)
            .at(index.display())?;
        let map = index["weight_map"].as_object();
        let map = map.ok_or_else(|| format!("{}: no weight_map", folder.display()))?;
        map.values().filter_map(Value::as_str).map(|name| folder.join(name)).collect()
    } else {
        let entries = fs::read_dir(folder).at(folder.display())?;
        let paths = entries.map(|entry| Ok(entry?.path()));
        let paths = paths.collect::<std::io::Result<Vec<_>>>().at(folder.display())?;
        let is_weights = |path: &PathBuf| path.extension().is_some_and(|ext| ext == "safetensors");
        paths.into_iter().filter(is_weights).collect()
    };
    files.sort();
    files.dedup();
    if files.is_empty() {
        return Err(format!("{}: no *.safetensors", folder.display()).into());
    }
    Ok(files)
}

/// The model in a folder, in `f32`.
///
/// # Errors
///
/// What cannot be read, is missing, has the wrong shape, or belongs to another kind of model, by its
/// name and that of its file.
pub fn load(folder: &Path, device: &Device) -> Result<Llama> {
    let config = config(folder)?;
    let mut shards = Vec::new();
    for path in files(folder)? {
        let shard =
            BufferedSafetensors::new(fs::read(&path).at(path.display())?).at(path.display())?;
        shards.push((path, shard));
    }
    let names = shards.iter().enumerate();
    let mut places: BTreeMap<String, usize> = names
        .flat_map(|(shard, (_, tensors))| {
            tensors.tensors().into_iter().map(move |(name, _)| (name, shard))
        })
        .collect();
    let llama = Llama::new(&config, |name, shape| {
        let shard = places.remove(name).ok_or_else(|| {
            format!("{}: no weight {name}, which config.json asks for", folder.display())
        })?;
        let (path, tensors) = &shards[shard];
        let place = || format!("{}: {name}", path.display());
        let found = tensors.get(name).at(place())?.shape().to_vec();
        if found != shape {
            let wanted = format!("shape {found:?}, and config.json makes it {shape:?}");
            return Err(format!("{}: {wanted}", place()).into());
        }
        let tensor =
            tensors.load(name, &Device::Cpu).at(place())?.to_dtype(DType::F32).at(place())?;
        let finite = tensor.abs()?.max_all()?.to_scalar::<f32>()?.is_finite();
        // candle's maximum passes over NaN, a sum does not.
        if !finite || !tensor.sum_all()?.to_scalar::<f32>()?.is_finite() {
            return Err(format!("{}: not all numbers are finite", place()).into());
        }
        Ok(tensor.to_device(device)?)
    })?;
    // An output layer that is stored twice, and tables that are computed here.
    let known = |name: &str| name == "lm_head.weight" || name.ends_with("rotary_emb.inv_freq");
    if let Some((name, &shard)) = places.iter().find(|(name, _)| !known(name)) {
        let path = shards[shard].0.display();
        return Err(format!("{path}: {name} is no weight of a Llama-type decoder").into());
    }
    Ok(llama)
}

/// A model with random weights, as training from scratch begins: normal with deviation 1/√(inputs), and
/// norms of 1.
///
/// # Errors
///
/// A configuration that is not supported.
pub fn random(config: &Config, seed: u64, device: &Device) -> Result<Llama> {
    let mut rng = StdRng::seed_from_u64(seed);
    Llama::new(config, |_, shape| {
        let &[_, inputs] = shape else { return Ok(Tensor::ones(shape, DType::F32, device)?) };
        // Twelve uniform numbers have a sum of variance 1.
        let mut normal = || (0..12).map(|_| rng.random::<f32>() - 0.5).sum::<f32>();
        let deviation = (inputs as f32).powf(-0.5);
        let numbers = (0..shape.iter().product()).map(|_| normal() * deviation);
        Ok(Tensor::from_iter(numbers.collect::<Vec<_>>(), &Device::Cpu)?
            .reshape(shape)?
            .to_device(device)?)
    })
}

/// Writes the model to `folder`, beside copies of `config.json` and `tokenizer.json` of `origin`: a
/// folder that [`load`] and other programs read.
///
/// # Errors
///
/// Files that cannot be read or written, by their names.
pub fn save(llama: &Llama, origin: &Path, folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).at(folder.display())?;
    let path = origin.join("config.json");
    let mut config: Value =
        serde_json::from_str(&fs::read_to_string(&path).at(path.display())?).at(path.display())?;
    for field in ["dtype", "torch_dtype"] {
        if let Some(dtype) = config.get_mut(field) {
            *dtype = "float32".into();
        }
    }
    files::write_text(&folder.join("config.json"), &format!("{config:#}\n"))?;
    let tokenizer = origin.join("tokenizer.json");
    let tokenizer = fs::read_to_string(&tokenizer).at(tokenizer.display())?;
    files::write_text(&folder.join("tokenizer.json"), &tokenizer)?;
    files::write_tensors(&folder.join("model.safetensors"), &tensors(llama), "")
}

/// The weights of a model by name.
#[must_use]
pub fn tensors(llama: &Llama) -> BTreeMap<String, Tensor> {
    let variables = llama.variables().iter();
    variables.map(|(name, var)| (name.clone(), var.as_detached_tensor())).collect()
}
