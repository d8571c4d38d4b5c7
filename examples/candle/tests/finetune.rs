//! The program: that it learns, goes on where it was interrupted, and refuses what is wrong.

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use candle_core::{Device, Tensor};
use common::{finetune, folder, refusal};
use lipo_candle::data::{Batch, Encoder};
use lipo_candle::objective::{Choice, LOSSES, Objective};
use lipo_candle::{checkpoint, demo, files, reference, report::Progress, weights};
use serde_json::{Value, json};

/// A folder with a tiny model and a task of some lists.
fn task(name: &str, lists: usize) -> PathBuf {
    let folder = folder(name);
    demo::make(&folder, lists, lists.div_ceil(3), 1).unwrap();
    folder
}

/// `finetune train` on the task, without a few arguments.
fn arguments(folder: &Path, out: &str, more: &str) -> Vec<String> {
    let path = |name: &str| folder.join(name).display().to_string();
    let mut all = vec!["train".into(), path("model"), path("train.jsonl")];
    all.extend(["--out".into(), path(out)]);
    all.extend(more.split_whitespace().map(str::to_owned));
    all
}

fn succeeds(arguments: &[String]) -> String {
    let output = finetune(arguments);
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The records of a CSV file, by the names in its first line.
fn column(csv: &Path, name: &str) -> Vec<f64> {
    let text = fs::read_to_string(csv).unwrap();
    let mut lines = text.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let place = lines.next().unwrap().iter().position(|&field| field == name).unwrap();
    lines.map(|line| line[place].parse().unwrap_or(f64::NAN)).collect()
}

#[test]
fn held_out_pair_accuracy_rises_from_a_half_to_over_0_8() {
    let inputs = task("learns", demo::LISTS);
    for loss in ["lambda-loss", "dpo", "list-mle"] {
        let out = inputs.join(loss);
        let output = succeeds(&demo::arguments(&inputs, &out, loss));
        let csv = out.join("metrics.csv");
        let accuracy = column(&csv, "pair_accuracy");
        assert_eq!(accuracy[0], 0.5, "{loss}: the policy is the reference");
        assert!(accuracy[accuracy.len() - 1] > 0.8, "{loss}: {output}");
        // The other metrics move with it.
        let ends = |name: &str| {
            let column = column(&csv, name);
            (column[0], column[column.len() - 1])
        };
        let (first, last) = ends("margin");
        assert!(first == 0.0 && last > 0.5, "{loss}: margin {first} to {last}");
        let (first, last) = ends("kl");
        assert!(first == 0.0 && last > 0.1, "{loss}: KL {first} to {last}");
        let (first, last) = ends("ndcg");
        assert!(last > first + 0.05, "{loss}: NDCG {first} to {last}");
        let (first, last) = ends("held_out_loss");
        assert!(last < first, "{loss}: {first} to {last}");

        let picture = fs::read_to_string(out.join("metrics.svg")).unwrap();
        assert!(picture.contains("pair accuracy") && picture.contains("<polyline"));
        // What was written is a model in the same layout, and can be trained further.
        let trained = weights::load(&out.join("model"), &Device::Cpu).unwrap();
        let origin = weights::load(&inputs.join("model"), &Device::Cpu).unwrap();
        assert_eq!(trained.variables().len(), origin.variables().len());
    }
}

#[test]
fn every_loss_trains() {
    let inputs = task("every-loss", 6);
    // A file in which every line has win probabilities, which some losses want.
    let text = fs::read_to_string(inputs.join("train.jsonl")).unwrap();
    let lines = text.lines().filter(|line| !line.contains("\"labels\""));
    fs::write(inputs.join("train.jsonl"), lines.collect::<Vec<_>>().join("\n")).unwrap();
    for loss in LOSSES {
        let more = format!("--loss {} --epochs 1 --batch 3 --held-out-share 0.3", loss.name);
        let printed = succeeds(&arguments(&inputs, loss.name, &more));
        assert!(printed.contains("3 lists to learn from, 1 held out"), "{printed}");
    }
}

#[test]
fn gradients_of_parts_add_up_to_that_of_the_batch() {
    let inputs = task("accumulates", 7);
    let model = weights::load(&inputs.join("model"), &Device::Cpu).unwrap();
    let encoder = Encoder::new(&inputs.join("model"), model.config(), 64, true).unwrap();
    let data = inputs.join("train.jsonl");
    let mut examples = encoder.read(&data).unwrap();
    let identity = reference::fingerprint(&inputs.join("model"), &examples).unwrap();
    reference::fill(&model, &data, &mut examples, identity, &mut Progress::quiet()).unwrap();
    let objective = Objective::new("list-mle", 0.5, Choice::default()).unwrap();
    let lists: Vec<_> = examples.iter().collect();
    let of_parts = |micro_batch: usize| {
        let settings = lipo_candle::train::Settings { micro_batch, ..Default::default() };
        let run = lipo_candle::train::Run {
            model: &model,
            origin: &inputs,
            objective: &objective,
            train: &examples,
            held_out: &[],
            settings: &settings,
            identity: serde_json::Map::new(),
            out: inputs.clone(),
        };
        let (loss, gradient) = run.gradient(&lists).unwrap();
        let flat = gradient
            .tensors()
            .flat_map(|grad| grad.unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap());
        (loss, flat.collect::<Vec<_>>())
    };
    let (loss, whole) = of_parts(7);

    // The gradient is that of the mean: along it, the loss rises as steeply as it is long.
    let norm = whole.iter().map(|x| f64::from(x * x)).sum::<f64>().sqrt();
    let start: Vec<_> =
        model.variables().iter().map(|(_, var)| var.as_detached_tensor().copy().unwrap()).collect();
    let at = |by: f64| {
        let mut rest = &whole[..];
        for ((_, var), start) in model.variables().iter().zip(&start) {
            let (own, others) = rest.split_at(start.elem_count());
            rest = others;
            let own = Tensor::new(own, &Device::Cpu).unwrap().reshape(start.shape()).unwrap();
            var.set(&(start + (own * (by / norm)).unwrap()).unwrap()).unwrap();
        }
        of_parts(7).0 / lists.len() as f64
    };
    let h = 2e-3;
    let slope = (at(h) - at(-h)) / (2.0 * h);
    at(0.0);
    assert!((slope - norm).abs() < 0.01 * norm, "a slope of {slope} along a gradient of {norm}");

    let greatest = whole.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
    for micro_batch in [1, 2, 3] {
        let (other, parts) = of_parts(micro_batch);
        assert!((loss - other).abs() < 1e-5 * loss.abs());
        for (a, b) in whole.iter().zip(&parts) {
            assert!((a - b).abs() < 1e-5 * greatest, "{a} and {b} of {greatest}");
        }
    }
}

#[test]
fn padding_changes_no_log_probability() {
    let inputs = task("padding", 9);
    let model = weights::load(&inputs.join("model"), &Device::Cpu).unwrap();
    let encoder = Encoder::new(&inputs.join("model"), model.config(), 64, true).unwrap();
    let examples = encoder.read(&inputs.join("train.jsonl")).unwrap();
    let sizes: Vec<_> = examples.iter().map(|example| example.responses.len()).collect();
    assert!(sizes.iter().min() < sizes.iter().max(), "lists of several sizes: {sizes:?}");
    let of = |lists: &[&lipo_candle::data::Example]| {
        let batch = Batch::new(lists, lipo::scores::SequenceLogProbs::Sum, &Device::Cpu).unwrap();
        batch.log_probs(&batch.token_log_probs(&model).unwrap()).unwrap().to_vec2::<f32>().unwrap()
    };
    let together = of(&examples.iter().collect::<Vec<_>>());
    for (list, example) in together.iter().zip(&examples) {
        let alone = of(&[example]).remove(0);
        for (k, &log_prob) in list.iter().enumerate() {
            match alone.get(k) {
                Some(alone) => assert!((log_prob - alone).abs() < 1e-4, "{log_prob} and {alone}"),
                None => assert_eq!(log_prob, 0.0),
            }
        }
        // And each response by itself, of the token log-probabilities of the logits.
        for (response, &log_prob) in example.responses.iter().zip(&alone) {
            let text: Vec<u32> = example.prompt.iter().chain(response).copied().collect();
            let tokens = Tensor::new(vec![text], &Device::Cpu).unwrap();
            let logits = model.logits(&tokens).unwrap().to_vec3::<f32>().unwrap().remove(0);
            let first = example.prompt.len() - 1;
            let by_hand: f64 = (response.iter().zip(&logits[first..]))
                .map(|(&id, logits)| {
                    let sum: f64 = logits.iter().map(|&z| f64::from(z).exp()).sum();
                    f64::from(logits[id as usize]) - sum.ln()
                })
                .sum();
            assert!((f64::from(log_prob) - by_hand).abs() < 1e-4, "{log_prob} and {by_hand}");
        }
    }
}

const SHORT: &str = "--epochs 3 --batch 4 --micro-batch 2 --learning-rate 0.01 --save-every 2 --loss dpo \
                     --held-out-share 0.25";

fn results(out: &Path) -> [Vec<u8>; 3] {
    let read = |name: &str| fs::read(out.join(name)).unwrap();
    [read("model/model.safetensors"), read("metrics.csv"), read("metrics.svg")]
}

#[test]
fn a_run_that_was_interrupted_ends_like_one_that_was_not() {
    let inputs = task("resumes", 24);
    succeeds(&arguments(&inputs, "whole", SHORT));
    succeeds(&arguments(&inputs, "other-seed", &format!("{SHORT} --seed 2")));
    assert!(results(&inputs.join("whole")) != results(&inputs.join("other-seed")));
    // 18 lists in batches of 4 are 5 steps an epoch: stops within an epoch, and at the end of one.
    succeeds(&arguments(&inputs, "parts", &format!("{SHORT} --max-steps 3")));
    assert!(!inputs.join("parts/model").exists());
    succeeds(&arguments(&inputs, "parts", &format!("{SHORT} --resume --max-steps 7")));
    let printed = succeeds(&arguments(&inputs, "parts", &format!("{SHORT} --resume")));
    assert!(printed.contains("the model is in"), "{printed}");
    assert!(results(&inputs.join("whole")) == results(&inputs.join("parts")));

    // A run that is done stays as it is.
    succeeds(&arguments(&inputs, "parts", &format!("{SHORT} --resume")));
    assert!(results(&inputs.join("whole")) == results(&inputs.join("parts")));
}

#[test]
fn a_run_that_was_killed_ends_like_one_that_was_not() {
    let inputs = task("killed", 24);
    succeeds(&arguments(&inputs, "whole", SHORT));
    let mut kills = 0;
    for _ in 0..6 {
        let checkpoint = checkpoint::path(&inputs.join("killed"));
        let resume = if checkpoint.exists() { "--resume" } else { "" };
        let mut child = Command::new(env!("CARGO_BIN_EXE_finetune"))
            .args(arguments(&inputs, "killed", &format!("{SHORT} {resume}")))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // Until it has written another checkpoint, or ends.
        let before = fs::read(&checkpoint).ok();
        while child.try_wait().unwrap().is_none() && fs::read(&checkpoint).ok() == before {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        if child.try_wait().unwrap().is_none() {
            child.kill().unwrap();
            kills += 1;
        }
        child.wait().unwrap();
        assert!(files::read_tensors(&checkpoint).is_ok(), "a whole checkpoint at any time");
    }
    assert!(kills > 0);
    succeeds(&arguments(&inputs, "killed", &format!("{SHORT} --resume")));
    assert!(results(&inputs.join("whole")) == results(&inputs.join("killed")));
}

#[test]
fn a_run_does_not_go_on_from_the_checkpoint_of_another() {
    let inputs = task("another", 12);
    succeeds(&arguments(&inputs, "out", SHORT));
    let before = fs::read(checkpoint::path(&inputs.join("out"))).unwrap();
    let resume = |more: &str| refusal(&arguments(&inputs, "out", &format!("{more} --resume")));
    let message = resume(&SHORT.replace("--loss dpo", "--loss list-mle"));
    assert!(message.contains("loss \"dpo\""), "{message}");
    let message = resume(&SHORT.replace("0.01", "0.02"));
    assert!(message.contains("learning_rate 0.01"), "{message}");
    let message = refusal(&arguments(&inputs, "out", SHORT));
    assert!(message.contains("--resume"), "{message}");
    let message = refusal(&arguments(&inputs, "nowhere", &format!("{SHORT} --resume")));
    assert!(message.contains("nowhere") && message.contains("checkpoint.safetensors"), "{message}");

    let data = inputs.join("train.jsonl");
    let text = fs::read_to_string(&data).unwrap();
    fs::write(&data, text.replacen("\"labels\":[", "\"labels\":[ ", 1)).unwrap();
    let message = resume(SHORT);
    assert!(message.contains("contents of") && message.contains("train.jsonl"), "{message}");
    assert_eq!(before, fs::read(checkpoint::path(&inputs.join("out"))).unwrap());
}

#[test]
fn the_references_log_probabilities_are_computed_once() {
    let inputs = task("reference", 12);
    let data = inputs.join("train.jsonl");
    let cache = reference::cache(&data);
    succeeds(&arguments(&inputs, "first", SHORT));
    let (kept, changed) = (fs::read(&cache).unwrap(), fs::metadata(&cache).unwrap().modified());
    succeeds(&arguments(&inputs, "second", SHORT));
    assert_eq!(fs::metadata(&cache).unwrap().modified().unwrap(), changed.unwrap());
    assert!(results(&inputs.join("first")) == results(&inputs.join("second")));

    // With other weights they are others, and a cache that is damaged is none.
    fs::copy(inputs.join("first/model/model.safetensors"), inputs.join("model/model.safetensors"))
        .unwrap();
    succeeds(&arguments(&inputs, "third", SHORT));
    assert_ne!(fs::read(&cache).unwrap(), kept);
    fs::write(&cache, &kept[..kept.len() / 2]).unwrap();
    succeeds(&arguments(&inputs, "fourth", SHORT));
    assert!(results(&inputs.join("third")) == results(&inputs.join("fourth")));
}

#[test]
fn bad_lines_are_refused_by_file_and_line() {
    let inputs = task("bad-lines", 3);
    let data = inputs.join("train.jsonl");
    let good = fs::read_to_string(&data).unwrap();
    let says = |line: &Value, more: &str, part: &str| {
        let text = good.lines().last().unwrap(); // with win probabilities
        fs::write(&data, format!("{text}\n\n{line}\n")).unwrap();
        let message = refusal(&arguments(&inputs, "out", more));
        let named = message.contains("train.jsonl line 3") && message.contains(part);
        assert!(named, "{message:?} does not say {part:?}");
        assert!(!checkpoint::path(&inputs.join("out")).exists());
    };
    let two = json!(["boat", "rose"]);
    says(&json!({ "prompt": "write", "responses": [], "labels": [] }), "", "no responses");
    says(&json!({ "prompt": "write", "labels": [] }), "", "responses");
    says(&json!({ "responses": two, "labels": [1, 0] }), "", "prompt");
    says(&json!({ "prompt": "write", "responses": two }), "", "exactly one of");
    let both = json!({ "prompt": "write", "responses": two, "labels": [1, 0], "ranks": [1, 2] });
    says(&both, "", "exactly one of");
    says(&json!({ "prompt": "write", "responses": two, "labels": [1] }), "", "labels for 1");
    says(&json!({ "prompt": "write", "responses": two, "labels": [1, 1e300] }), "", "out of range");
    says(&json!({ "prompt": "write", "responses": two, "labels": [1, null] }), "", "null");
    let wins = json!({ "prompt": "write", "responses": two, "win_probabilities": [[0.5], [0.5]] });
    says(&wins, "", "a row of win_probabilities for 1");
    let wins = json!([[0.5, 1.5], [0.5, 0.5]]);
    says(&json!({ "prompt": "", "responses": two, "win_probabilities": wins }), "", "1.5");
    // Labels that the loss does not take, and text that is too long.
    let line = json!({ "prompt": "write", "responses": two, "labels": [1, -1] });
    says(&line, "--loss softmax --held-out-share 0", "-1");
    says(&line, "--loss soft-dpo --held-out-share 0", "ranks or win_probabilities");
    let line = json!({ "prompt": "write ".repeat(20), "responses": two, "labels": [1, 0] });
    says(&line, "--max-length 16", "response 1 have 23 tokens");

    fs::write(&data, "\n").unwrap();
    assert!(refusal(&arguments(&inputs, "out", "")).contains("no line"));
    fs::write(&data, "{\"prompt\": ").unwrap();
    assert!(refusal(&arguments(&inputs, "out", "")).contains("train.jsonl line 1"));
    fs::remove_file(&data).unwrap();
    assert!(refusal(&arguments(&inputs, "out", "")).contains("train.jsonl"));
}

#[test]
fn a_tokenizer_of_another_model_is_refused() {
    let inputs = task("tokenizer", 3);
    let path = inputs.join("model/tokenizer.json");
    let mut tokenizer = demo::tokenizer();
    tokenizer["model"]["vocab"]["tram"] = json!(29);
    fs::write(&path, tokenizer.to_string()).unwrap();
    let message = refusal(&arguments(&inputs, "out", ""));
    assert!(
        message.contains("\"tram\" has id 29") && message.contains("tokenizer.json"),
        "{message}"
    );
    fs::write(&path, "{}").unwrap();
    assert!(refusal(&arguments(&inputs, "out", "")).contains("tokenizer.json"));
    fs::remove_file(&path).unwrap();
    assert!(refusal(&arguments(&inputs, "out", "")).contains("tokenizer.json"));
}

/// A tokenizer as Llama 3 has it: bytes behind a pattern that looks ahead, which needs fancy-regex.
#[test]
fn patterns_that_look_ahead_need_no_c() {
    let inputs = task("llama-3", 3);
    let alphabet = (b'!'..=b'~').map(char::from).chain(['Ġ']).enumerate();
    let vocabulary: serde_json::Map<_, _> =
        alphabet.map(|(id, letter)| (letter.to_string(), json!(id))).collect();
    let tokenizer = json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null,
        "pre_tokenizer": { "type": "Sequence", "pretokenizers": [
            { "type": "Split", "behavior": "Isolated", "invert": false, "pattern": { "Regex":
                "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+" } },
            { "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false },
        ] },
        "post_processor": null, "decoder": null,
        "model": { "type": "BPE", "vocab": vocabulary, "merges": [] },
    });
    fs::write(inputs.join("model/tokenizer.json"), tokenizer.to_string()).unwrap();
    let mut config = demo::config();
    config["vocab_size"] = json!(95);
    let config = serde_json::from_value(config).unwrap();
    let encoder = Encoder::new(&inputs.join("model"), &config, 64, true).unwrap();
    let line = json!({ "prompt": "Is it  a", "responses": [" fish?"], "labels": [1] });
    fs::write(inputs.join("one.jsonl"), line.to_string()).unwrap();
    let example = encoder.read(&inputs.join("one.jsonl")).unwrap().remove(0);
    let text = |ids: &[u32]| -> String {
        let letter = |&id: &u32| if id == 94 { Some(' ') } else { char::from_u32(33 + id) };
        ids.iter().filter_map(letter).collect()
    };
    assert_eq!(text(&example.prompt), "Is it  a");
    let (end, response) = example.responses[0].split_last().unwrap();
    assert_eq!((text(response).as_str(), *end), (" fish?", 2));
}

/// A limit on the size of files stands for a full disk: writing fails in the middle of a file.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_an_error_and_no_checkpoint_is_lost() {
    let inputs = task("full-disk", 24);
    succeeds(&arguments(&inputs, "out", &format!("{SHORT} --max-steps 2")));
    let checkpoint = checkpoint::path(&inputs.join("out"));
    let before = fs::read(&checkpoint).unwrap();
    // `trap` has writes fail where the limit would end the process; units of 1024 bytes, or of 512.
    let limited = |more: &str| {
        let script = "trap '' XFSZ; ulimit -f 40; exec \"$0\" \"$@\"";
        let mut command = Command::new("sh");
        command.args(["-c", script, env!("CARGO_BIN_EXE_finetune")]);
        let output = command.args(arguments(&inputs, "out", more)).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    let message = limited(&format!("{SHORT} --resume"));
    assert!(
        message.contains("cannot write") && message.contains("checkpoint.safetensors"),
        "{message}"
    );
    assert_eq!(fs::read(&checkpoint).unwrap(), before);
    let left: Vec<_> =
        fs::read_dir(inputs.join("out")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().contains("tmp")), "{left:?}");

    // With room again, it goes on, and ends like a run that had it all the time.
    succeeds(&arguments(&inputs, "out", &format!("{SHORT} --resume")));
    succeeds(&arguments(&inputs, "whole", SHORT));
    assert!(results(&inputs.join("whole")) == results(&inputs.join("out")));
}
