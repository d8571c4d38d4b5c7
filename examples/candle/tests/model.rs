//! The decoder against transformers' LlamaForCausalLM, its gradients, its files.

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use candle_core::{Device, IndexOp, Tensor};
use common::folder;
use lipo_candle::model::{Config, Llama};
use lipo_candle::{demo, files, weights};
use serde::Deserialize;
use serde_json::{Value, json};

const CPU: Device = Device::Cpu;
/// The first has a tied output layer and one file, the second Llama 3's positions, wide heads, an output
/// layer of its own, and three files.
const FIXTURES: [&str; 2] = ["llama-tied", "llama-untied"];

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

fn copy(name: &str, to: &str) -> PathBuf {
    let to = folder(to);
    for entry in fs::read_dir(fixture(name)).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
    }
    to
}

#[derive(Deserialize)]
struct Figures {
    tokens: Vec<Vec<u32>>,
    logits: Vec<Vec<Vec<f32>>>,
}

fn figures(name: &str) -> Figures {
    let text = fs::read_to_string(fixture(name).join("logits.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn logits(model: &Llama, tokens: &[Vec<u32>]) -> Vec<Vec<Vec<f32>>> {
    model.logits(&Tensor::new(tokens.to_vec(), &CPU).unwrap()).unwrap().to_vec3().unwrap()
}

#[test]
fn logits_are_those_of_another_implementation() {
    for name in FIXTURES {
        let model = weights::load(&fixture(name), &CPU).unwrap();
        let Figures { tokens, logits: expected } = figures(name);
        let found = logits(&model, &tokens);
        let mut greatest = 0.0_f32;
        for (found, expected) in found.iter().flatten().zip(expected.iter().flatten()) {
            assert_eq!(found.len(), expected.len());
            for (x, y) in found.iter().zip(expected) {
                greatest = greatest.max((x - y).abs());
            }
        }
        assert!(greatest < 2e-5, "{name}: {greatest}");
    }
}

#[test]
fn every_variable_gets_a_gradient() {
    for name in FIXTURES {
        let model = weights::load(&fixture(name), &CPU).unwrap();
        let tokens = Tensor::new(figures(name).tokens, &CPU).unwrap();
        let logits = model.logits(&tokens).unwrap();
        let loss = logits.sqr().unwrap().mean_all().unwrap();
        let grads = loss.backward().unwrap();
        assert_eq!(model.variables().len(), if name == "llama-tied" { 20 } else { 21 });
        for (variable, var) in model.variables() {
            let grad = grads.get(var).unwrap_or_else(|| panic!("{name}: none for {variable}"));
            let size = grad.abs().unwrap().max_all().unwrap().to_scalar::<f32>().unwrap();
            assert!(size > 1e-6 && size.is_finite(), "{name}: {size} for {variable}");

            // Along the gradient, the loss rises as steeply as the gradient is long.
            let square = grad.sqr().unwrap().sum_all().unwrap().to_scalar::<f32>().unwrap();
            let unit = (grad / f64::from(square.sqrt())).unwrap();
            let start = var.as_detached_tensor().copy().unwrap();
            let at = |by: f64| {
                var.set(&(&start + (&unit * by).unwrap()).unwrap()).unwrap();
                let logits = model.logits(&tokens).unwrap();
                f64::from(logits.sqr().unwrap().mean_all().unwrap().to_scalar::<f32>().unwrap())
            };
            let h = 3e-3;
            let difference = (at(h) - at(-h)) / (2.0 * h);
            var.set(&start).unwrap();
            let expected = f64::from(square.sqrt());
            let close = (difference - expected).abs() < 0.01 * expected + 2e-3;
            assert!(close, "{name}: {variable} has slope {difference}, its gradient {expected}");
        }
    }
}

#[test]
fn a_position_sees_nothing_behind_it() {
    let model = weights::load(&fixture("llama-untied"), &CPU).unwrap();
    let first = Tensor::new(&[[3_u32, 1, 4, 1, 5, 9]], &CPU).unwrap();
    let second = Tensor::new(&[[3_u32, 1, 4, 2, 6, 0]], &CPU).unwrap();
    let of = |tokens: &Tensor, position: usize| {
        model.logits(tokens).unwrap().i((0, position)).unwrap().to_vec1::<f32>().unwrap()
    };
    for position in 0..6 {
        assert_eq!(of(&first, position) == of(&second, position), position < 3, "{position}");
    }
}

#[test]
fn a_model_that_is_saved_loads_back_the_same() {
    for name in FIXTURES {
        let origin = copy(name, &format!("saved-from-{name}"));
        files::write_text(&origin.join("tokenizer.json"), &demo::tokenizer().to_string()).unwrap();
        let model = weights::load(&origin, &CPU).unwrap();
        let to = folder(&format!("saved-{name}"));
        weights::save(&model, &origin, &to).unwrap();
        let again = weights::load(&to, &CPU).unwrap();
        let tokens = figures(name).tokens;
        assert_eq!(logits(&model, &tokens), logits(&again, &tokens));
        assert!(to.join("tokenizer.json").exists());
        let mut names: Vec<_> =
            fs::read_dir(&to).unwrap().map(|e| e.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["config.json", "model.safetensors", "tokenizer.json"]);
    }
}

/// The error of loading a fixture after a change to its folder.
fn refused(test: &str, change: impl FnOnce(&Path)) -> String {
    let folder = copy("llama-untied", &format!("refused-{test}"));
    change(&folder);
    weights::load(&folder, &CPU).err().expect("an error").to_string()
}

fn edit(folder: &Path, change: impl FnOnce(&mut Value)) {
    let path = folder.join("config.json");
    let mut config: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    change(&mut config);
    fs::write(path, config.to_string()).unwrap();
}

#[test]
fn files_that_do_not_fit_are_refused_by_name() {
    let shard = "model-00002-of-00003.safetensors";
    let says = |message: &str, parts: &[&str]| {
        for part in parts {
            assert!(message.contains(part), "{message:?} does not say {part:?}");
        }
    };
    let message = refused("shape", |folder| edit(folder, |c| c["intermediate_size"] = json!(24)));
    says(&message, &["mlp.gate_proj.weight", "[20, 16]", "[24, 16]", "safetensors"]);
    let message = refused("layers", |folder| edit(folder, |c| c["num_hidden_layers"] = json!(3)));
    says(&message, &["model.layers.2.input_layernorm.weight"]);
    let message = refused("fewer", |folder| edit(folder, |c| c["num_hidden_layers"] = json!(1)));
    says(&message, &["model.layers.1.", "safetensors"]);
    let message = refused("missing", |folder| fs::remove_file(folder.join(shard)).unwrap());
    says(&message, &[shard]);
    let message = refused("cut", |folder| {
        let bytes = fs::read(folder.join(shard)).unwrap();
        fs::write(folder.join(shard), &bytes[..bytes.len() / 2]).unwrap();
    });
    says(&message, &[shard]);
    let message = refused("kind", |folder| edit(folder, |c| c["model_type"] = json!("gpt2")));
    says(&message, &["config.json", "model_type", "gpt2"]);
    let message = refused("bias", |folder| edit(folder, |c| c["attention_bias"] = json!(true)));
    says(&message, &["attention_bias"]);
    let message = refused("rope", |folder| {
        edit(folder, |c| c["rope_parameters"]["rope_type"] = json!("yarn"));
    });
    says(&message, &["rope_type", "yarn"]);
    let message = refused("heads", |folder| edit(folder, |c| c["num_attention_heads"] = json!(0)));
    says(&message, &["num_attention_heads"]);
    let message = refused("json", |folder| fs::write(folder.join("config.json"), "{").unwrap());
    says(&message, &["config.json", "line 1"]);
    let message = refused("none", |folder| {
        for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if !entry.ends_with("config.json") {
                fs::remove_file(entry).unwrap();
            }
        }
    });
    says(&message, &["no *.safetensors"]);
    let message = refused("nan", |folder| {
        let path = folder.join("model-00003-of-00003.safetensors");
        let mut bytes = fs::read(&path).unwrap();
        let end = bytes.len();
        bytes[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
        fs::write(path, bytes).unwrap();
    });
    says(&message, &["not all numbers are finite", "model-00003-of-00003.safetensors"]);
}

#[test]
fn settings_of_rotary_positions_are_read_from_old_and_new_files() {
    let config = |rope: Value| -> Config {
        let mut config = demo::config();
        config.as_object_mut().unwrap().extend(rope.as_object().unwrap().clone());
        serde_json::from_value(config).unwrap()
    };
    let old = json!({ "rope_theta": 500.0, "rope_scaling": { "type": "linear", "factor": 2.0 } });
    let new = json!({
        "rope_scaling": null,
        "rope_parameters": { "rope_type": "linear", "factor": 2.0, "rope_theta": 500.0 },
    });
    let of = |config: &Config| {
        let model = weights::random(config, 5, &CPU).unwrap();
        logits(&model, &[vec![1, 4, 9, 16, 25]])
    };
    let plain = config(json!({ "rope_theta": 500.0, "rope_scaling": null }));
    assert_eq!(of(&config(old)), of(&config(new)));
    assert_ne!(of(&config(json!({}))), of(&plain));
    let no_factor = config(json!({ "rope_scaling": { "rope_type": "linear" } }));
    assert!(no_factor.check().unwrap_err().contains("factor"));
}
