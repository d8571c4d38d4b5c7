//! Preferences: from JSON Lines to token ids, and from those to batches of tensors.
//!
//! A line has a `prompt`, `responses` (any number of them), and one of
//!
//! - `labels`: how good each response is; higher is better;
//! - `ranks`: their ranks; 1 is best, equal ranks tie;
//! - `win_probabilities`: a K × K matrix, how probable it is that the response of the row is preferred
//!   to that of the column; ½ on the diagonal, and where nothing is known.
//!
//! ```json
//! {"prompt": "Which is a fish? ", "responses": ["a trout", "a thrush"], "labels": [1, 0]}
//! ```

use std::fs;
use std::path::Path;

use candle_core::{Device, Result as Tensors, Tensor};
use lipo::labels;
use lipo::scores::SequenceLogProbs;
use ndarray::{Array1, Array2, Array3};
use serde::Deserialize;
use tokenizers::Tokenizer;

use crate::model::{Config, Llama};
use crate::objective::Labelled;
use crate::{Context, Result, log_probs};

#[derive(Deserialize)]
struct Line {
    prompt: String,
    responses: Vec<String>,
    labels: Option<Vec<f32>>,
    ranks: Option<Vec<f32>>,
    win_probabilities: Option<Vec<Vec<f32>>>,
}

/// A prompt and its responses, in token ids.
#[derive(Debug, Clone)]
pub struct Example {
    /// Where it came from: file and line.
    pub place: String,
    /// The prompt, not empty.
    pub prompt: Vec<u32>,
    /// The responses, none of them empty.
    pub responses: Vec<Vec<u32>>,
    /// ψ of each.
    pub labels: Array1<f32>,
    /// Ψ, unless the line has labels alone.
    pub wins: Option<Array2<f32>>,
    /// log π_ref of all tokens of all responses, one after another; empty until it is known.
    pub reference: Vec<f32>,
}

impl Example {
    /// The number of tokens of all responses.
    #[must_use]
    pub fn tokens(&self) -> usize {
        self.responses.iter().map(Vec::len).sum()
    }
}

/// How text becomes token ids.
pub struct Encoder {
    tokenizer: Tokenizer,
    vocabulary: usize,
    end: Option<u32>,
    longest: usize,
    special: bool,
}

impl Encoder {
    /// The tokenizer of a model's folder.
    ///
    /// Prompts get the special tokens that the tokenizer puts in front, unless `special` is false
    /// (where a chat template has put them there); responses end with the model's end-of-text token.
    ///
    /// # Errors
    ///
    /// A file that cannot be read, and a tokenizer with ids beyond the model's vocabulary.
    pub fn new(folder: &Path, config: &Config, longest: usize, special: bool) -> Result<Self> {
        let path = folder.join("tokenizer.json");
        let mut tokenizer = Tokenizer::from_file(&path).at(path.display())?;
        tokenizer.with_padding(None);
        tokenizer.with_truncation(None).at(path.display())?;
        let ids = tokenizer.get_vocab(true).into_iter();
        let beyond = |(_, id): &(String, u32)| *id as usize >= config.vocab_size;
        if let Some((token, id)) = ids.filter(beyond).min_by_key(|(_, id)| *id) {
            return Err(format!(
                "{}: token {token:?} has id {id}, and the model's vocabulary ends at {}: they do not \
                 belong together",
                path.display(),
                config.vocab_size
            )
            .into());
        }
        if longest > config.longest() {
            let limit = config.longest();
            return Err(format!("--max-length {longest}: the model has {limit} positions").into());
        }
        let end = config.end_of_text();
        if end.is_some_and(|end| end as usize >= config.vocab_size) {
            return Err("config.json: eos_token_id is beyond the vocabulary".into());
        }
        Ok(Self { tokenizer, vocabulary: config.vocab_size, end, longest, special })
    }

    /// All lines of a file; empty ones are passed over.
    ///
    /// # Errors
    ///
    /// What is wrong, by file and line.
    pub fn read(&self, path: &Path) -> Result<Vec<Example>> {
        let text = fs::read_to_string(path).at(path.display())?;
        let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
        let examples = lines.map(|(number, line)| {
            let place = format!("{} line {}", path.display(), number + 1);
            self.example(line, place.clone()).at(place)
        });
        let examples = examples.collect::<Result<Vec<_>>>()?;
        if examples.is_empty() {
            return Err(format!("{}: no line", path.display()).into());
        }
        Ok(examples)
    }

    fn example(&self, line: &str, place: String) -> Result<Example> {
        let line: Line = serde_json::from_str(line)?;
        let count = line.responses.len();
        if count == 0 {
            return Err("no responses".into());
        }
        let (labels, wins) = labels_of(&line)?;
        let mut prompt = self.encode(&line.prompt, self.special)?;
        if prompt.is_empty() {
            // A response needs something to follow, if only the end of another text.
            prompt.push(self.end.ok_or("the prompt has no tokens, and the model no end of text")?);
        }
        let mut responses = Vec::with_capacity(count);
        for (number, text) in line.responses.iter().enumerate() {
            let mut response = self.encode(text, false)?;
            response.extend(self.end);
            let (own, length) = (response.len(), prompt.len() + response.len());
            if own == 0 {
                return Err(format!("response {} has no tokens", number + 1).into());
            }
            if length > self.longest {
                return Err(format!(
                    "prompt and response {} have {length} tokens, and {} are allowed (--max-length)",
                    number + 1,
                    self.longest
                )
                .into());
            }
            responses.push(response);
        }
        Ok(Example { place, prompt, responses, labels, wins, reference: Vec::new() })
    }

    fn encode(&self, text: &str, special: bool) -> Result<Vec<u32>> {
        let encoding = self.tokenizer.encode_fast(text, special)?;
        let ids = encoding.get_ids().to_vec();
        match ids.iter().find(|&&id| id as usize >= self.vocabulary) {
            Some(id) => Err(format!("token id {id} is beyond the model's vocabulary").into()),
            None => Ok(ids),
        }
    }
}

/// ψ and, where they are known, Ψ.
fn labels_of(line: &Line) -> Result<(Array1<f32>, Option<Array2<f32>>)> {
    let count = line.responses.len();
    let of_length = |name: &str, found: usize| {
        if found == count {
            return Ok(());
        }
        Err(format!("{count} responses, and {name} for {found}"))
    };
    match (&line.labels, &line.ranks, &line.win_probabilities) {
        (Some(labels), None, None) => {
            of_length("labels", labels.len())?;
            if let Some(label) = labels.iter().find(|label| !label.is_finite()) {
                return Err(format!("a label of {label}").into());
            }
            Ok((Array1::from(labels.clone()), None))
        }
        (None, Some(ranks), None) => {
            of_length("ranks", ranks.len())?;
            let ranks = Array1::from(ranks.clone());
            Ok((labels::from_ranks(&ranks)?, Some(labels::win_probabilities_from_ranks(&ranks)?)))
        }
        (None, None, Some(wins)) => {
            of_length("win_probabilities", wins.len())?;
            for row in wins {
                of_length("a row of win_probabilities", row.len())?;
            }
            let wins = Array2::from_shape_vec((count, count), wins.concat())?;
            Ok((labels::from_win_probabilities(&wins)?, Some(wins)))
        }
        _ => Err("wants exactly one of labels, ranks, win_probabilities".into()),
    }
}

/// Some examples as tensors: padded, with what says where the padding is.
pub struct Batch {
    /// Prompt and response, one row a response, `[R, T]`.
    tokens: Tensor,
    /// The positions, of all R·T, whose next token belongs to a response: M of them.
    positions: Tensor,
    /// Those next tokens.
    targets: Tensor,
    /// `[N·K, M]`: what each token counts in each response.
    shares: Tensor,
    /// Lists and the greatest number of responses.
    shape: (usize, usize),
}

impl Batch {
    /// The batch of some examples, N lists of at most K responses.
    ///
    /// # Errors
    ///
    /// Those of candle.
    pub fn new(examples: &[&Example], tokens: SequenceLogProbs, device: &Device) -> Tensors<Self> {
        let lengths = |example: &Example| {
            let longest = example.responses.iter().map(Vec::len).max().unwrap_or(0);
            // The last token predicts nothing.
            (example.prompt.len() + longest).saturating_sub(1)
        };
        let width = examples.iter().map(|example| lengths(example)).max().unwrap_or(0);
        let most = examples.iter().map(|example| example.responses.len()).max().unwrap_or(0);
        let all: usize = examples.iter().map(|example| example.tokens()).sum();
        let (mut ids, mut positions, mut targets) = (Vec::new(), Vec::new(), Vec::new());
        let mut shares = vec![0.0_f32; examples.len() * most * all];
        for (list, example) in examples.iter().enumerate() {
            for (k, response) in example.responses.iter().enumerate() {
                let share = match tokens {
                    SequenceLogProbs::Mean => 1.0 / response.len() as f32,
                    _ => 1.0,
                };
                let row = ids.len();
                for (t, &target) in response.iter().enumerate() {
                    shares[(list * most + k) * all + targets.len()] = share;
                    positions.push(u32_of(row + example.prompt.len() - 1 + t));
                    targets.push(target);
                }
                ids.extend(example.prompt.iter().chain(response).take(width));
                ids.resize(row + width, 0);
            }
        }
        let rows = ids.len() / width.max(1);
        let shape = (examples.len(), most);
        Ok(Self {
            tokens: Tensor::from_vec(ids, (rows, width), device)?,
            positions: Tensor::from_vec(positions, all, device)?,
            targets: Tensor::from_vec(targets, all, device)?,
            shares: Tensor::from_vec(shares, (shape.0 * shape.1, all), device)?,
            shape,
        })
    }

    /// log π of each token of the responses, `[M]`.
    ///
    /// # Errors
    ///
    /// Those of candle.
    pub fn token_log_probs(&self, model: &Llama) -> Tensors<Tensor> {
        let hidden = model.hidden(&self.tokens)?.flatten(0, 1)?;
        let hidden = hidden.index_select(&self.positions, 0)?;
        log_probs::of_hidden(&hidden, model.head(), &self.targets)
    }

    /// log π of each response, `[N, K]`, of those of the tokens; 0 where there is no response.
    ///
    /// # Errors
    ///
    /// Those of candle.
    pub fn log_probs(&self, tokens: &Tensor) -> Tensors<Tensor> {
        self.shares.matmul(&tokens.unsqueeze(1)?)?.reshape(self.shape)
    }

    /// What the loss has to know of the examples, whose reference log-probabilities are known.
    ///
    /// # Errors
    ///
    /// Those of candle.
    pub fn labelled(&self, examples: &[&Example]) -> Tensors<Labelled<f32>> {
        let tokens = examples.iter().flat_map(|example| example.reference.iter().copied());
        let tokens = Tensor::from_vec(
            tokens.collect::<Vec<f32>>(),
            self.targets.shape(),
            self.targets.device(),
        )?;
        let reference = to_array(&self.log_probs(&tokens)?)?;
        let exists = |(n, k): (usize, usize)| k < examples[n].responses.len();
        let labels = |(n, k)| if exists((n, k)) { examples[n].labels[k] } else { 0.0 };
        let (lists, most) = self.shape;
        let known = examples.iter().all(|example| example.wins.is_some());
        let wins = known.then(|| {
            Array3::from_shape_fn((lists, most, most), |(n, i, j)| {
                examples[n].wins.as_ref().and_then(|wins| wins.get((i, j))).copied().unwrap_or(0.5)
            })
        });
        Ok(Labelled {
            reference,
            labels: Array2::from_shape_fn(self.shape, labels),
            wins,
            mask: Array2::from_shape_fn(self.shape, exists),
        })
    }
}

/// A matrix in main memory.
///
/// # Errors
///
/// Those of candle.
pub fn to_array(matrix: &Tensor) -> Tensors<Array2<f32>> {
    let numbers = matrix.flatten_all()?.to_vec1()?;
    Array2::from_shape_vec(matrix.dims2()?, numbers).map_err(candle_core::Error::wrap)
}

fn u32_of(position: usize) -> u32 {
    u32::try_from(position).expect("a batch of fewer than 2³² tokens")
}
