//! A Llama-type decoder of operations that candle differentiates.
//!
//! candle's own models are for inference: its `rope`, `rms_norm`, `layer_norm`, `softmax_last_dim` and
//! `sdpa` are fast kernels without a backward pass, and a variable behind one gets no gradient, without
//! a word. Here are `rope_slow`, `rms_norm_slow`, `softmax`, `silu` and matrix products, which have one;
//! `tests/model.rs` checks that every variable gets its gradient.
//!
//! The layout is Hugging Face's `LlamaForCausalLM`: RMSNorm before attention and before the feed-forward
//! part, rotary positions, grouped-query attention, SwiGLU, a tied or untied output layer, no biases.

use candle_core::{D, Device, Result, Tensor, Var};
use candle_nn::ops::{rms_norm_slow, silu, softmax};
use candle_nn::rotary_emb::rope_slow;
use serde::Deserialize;

/// What `config.json` says of the decoder; other fields are not looked at.
#[derive(Debug, Clone, Deserialize)]
#[allow(missing_docs)] // the names are those of the file
pub struct Config {
    #[serde(default = "llama")]
    pub model_type: String,
    pub vocab_size: usize,
    pub hidden_size: usize,
    pub intermediate_size: usize,
    pub num_hidden_layers: usize,
    pub num_attention_heads: usize,
    pub num_key_value_heads: Option<usize>,
    pub head_dim: Option<usize>,
    pub rms_norm_eps: f64,
    pub max_position_embeddings: Option<usize>,
    pub rope_theta: Option<f64>,
    pub rope_parameters: Option<Rope>,
    pub rope_scaling: Option<Rope>,
    #[serde(default)]
    pub tie_word_embeddings: bool,
    #[serde(default = "silu_name")]
    pub hidden_act: String,
    #[serde(default)]
    pub attention_bias: bool,
    #[serde(default)]
    pub mlp_bias: bool,
    pub sliding_window: Option<usize>,
    pub eos_token_id: Option<OneOrMore>,
}

/// How rotary positions are scaled, and, in newer files, their base.
#[derive(Debug, Clone, Deserialize)]
#[allow(missing_docs)]
pub struct Rope {
    pub rope_type: Option<String>,
    #[serde(rename = "type")]
    pub old_rope_type: Option<String>,
    pub rope_theta: Option<f64>,
    pub factor: Option<f64>,
    pub low_freq_factor: Option<f64>,
    pub high_freq_factor: Option<f64>,
    pub original_max_position_embeddings: Option<f64>,
}

/// A token id, or several.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
#[allow(missing_docs)]
pub enum OneOrMore {
    One(u32),
    More(Vec<u32>),
}

fn llama() -> String {
    "llama".into()
}

fn silu_name() -> String {
    "silu".into()
}

impl Config {
    /// Refuses what this decoder is not.
    ///
    /// # Errors
    ///
    /// A sentence that names the field.
    pub fn check(&self) -> std::result::Result<(), String> {
        let of_config = |field: &str, what: &dyn std::fmt::Debug, wanted: &str| {
            Err(format!("{field} is {what:?}, and only {wanted} is supported"))
        };
        if !["llama", "mistral"].contains(&&*self.model_type) {
            return of_config("model_type", &self.model_type, "a Llama-type decoder");
        }
        if self.hidden_act != "silu" {
            return of_config("hidden_act", &self.hidden_act, "silu");
        }
        if self.attention_bias || self.mlp_bias {
            return Err("attention_bias and mlp_bias must be false".into());
        }
        let longest = self.longest();
        if self.sliding_window.is_some_and(|window| window < longest) {
            return of_config("sliding_window", &self.sliding_window, "attention to all positions");
        }
        let sizes = [
            ("vocab_size", self.vocab_size),
            ("hidden_size", self.hidden_size),
            ("intermediate_size", self.intermediate_size),
            ("num_attention_heads", self.num_attention_heads),
            ("num_key_value_heads", self.key_value_heads()),
        ];
        if let Some((name, _)) = sizes.into_iter().find(|&(_, size)| size == 0) {
            return Err(format!("{name} is 0"));
        }
        if !self.num_attention_heads.is_multiple_of(self.key_value_heads()) {
            return Err(format!(
                "{} attention heads cannot share {} key-value heads evenly",
                self.num_attention_heads,
                self.key_value_heads()
            ));
        }
        if self.head_dim() == 0 || !self.head_dim().is_multiple_of(2) {
            return Err(format!("a head of {} dimensions has no rotary pairs", self.head_dim()));
        }
        self.inverse_frequencies().map(|_| ())
    }

    /// The most positions that a sequence may have.
    #[must_use]
    pub fn longest(&self) -> usize {
        self.max_position_embeddings.unwrap_or(2048)
    }

    /// The first of the tokens that end a response.
    #[must_use]
    pub fn end_of_text(&self) -> Option<u32> {
        match &self.eos_token_id {
            Some(OneOrMore::One(id)) => Some(*id),
            Some(OneOrMore::More(ids)) => ids.first().copied(),
            None => None,
        }
    }

    fn key_value_heads(&self) -> usize {
        self.num_key_value_heads.unwrap_or(self.num_attention_heads)
    }

    fn head_dim(&self) -> usize {
        self.head_dim.unwrap_or(self.hidden_size / self.num_attention_heads)
    }

    /// The angle by which each pair of dimensions turns from one position to the next.
    fn inverse_frequencies(&self) -> std::result::Result<Vec<f64>, String> {
        let rope = self.rope_parameters.as_ref().or(self.rope_scaling.as_ref());
        let theta = rope.and_then(|rope| rope.rope_theta).or(self.rope_theta).unwrap_or(1e4);
        let size = self.head_dim() as f64;
        let plain = (0..self.head_dim()).step_by(2).map(|i| theta.powf(-(i as f64) / size));
        let scaled = |name: &str, value: Option<f64>| {
            value.ok_or_else(|| format!("rope_scaling lacks {name}"))
        };
        let kind = |rope: &'_ Rope| rope.rope_type.clone().or(rope.old_rope_type.clone());
        match rope.and_then(|rope| Some((rope, kind(rope)?))) {
            None => Ok(plain.collect()),
            Some((_, kind)) if kind == "default" => Ok(plain.collect()),
            Some((rope, kind)) if kind == "linear" => {
                let factor = scaled("factor", rope.factor)?;
                Ok(plain.map(|frequency| frequency / factor).collect())
            }
            Some((rope, kind)) if kind == "llama3" => {
                let factor = scaled("factor", rope.factor)?;
                let low = scaled("low_freq_factor", rope.low_freq_factor)?;
                let high = scaled("high_freq_factor", rope.high_freq_factor)?;
                let original = scaled(
                    "original_max_position_embeddings",
                    rope.original_max_position_embeddings,
                )?;
                // High frequencies stay, low ones are divided, and between them it is in proportion.
                let share = |frequency: f64| {
                    let turns = original * frequency / std::f64::consts::TAU;
                    ((turns - low) / (high - low)).clamp(0.0, 1.0)
                };
                let mix = |f: f64| share(f) * f + (1.0 - share(f)) * f / factor;
                Ok(plain.map(mix).collect())
            }
            Some((_, other)) => Err(format!(
                "rope_type is {other:?}, and only default, linear and llama3 are supported"
            )),
        }
    }
}

/// The decoder. Its variables are trained in place.
pub struct Llama {
    config: Config,
    embedding: Var,
    layers: Vec<Layer>,
    norm: Var,
    head: Option<Var>,
    variables: Vec<(String, Var)>,
    frequencies: Vec<f64>,
}

struct Layer {
    attention_norm: Var,
    query: Var,
    key: Var,
    value: Var,
    output: Var,
    feed_forward_norm: Var,
    gate: Var,
    up: Var,
    down: Var,
}

impl Llama {
    /// The decoder of a configuration whose weights `get` knows by name and shape.
    ///
    /// # Errors
    ///
    /// Those of `get`, and a configuration that is not supported.
    pub fn new(
        config: &Config,
        mut get: impl FnMut(&str, &[usize]) -> crate::Result<Tensor>,
    ) -> crate::Result<Self> {
        config.check()?;
        let mut variables = Vec::new();
        let mut var = |name: &str, shape: &[usize]| -> crate::Result<Var> {
            let var = Var::from_tensor(&get(name, shape)?)?;
            variables.push((name.to_owned(), var.clone()));
            Ok(var)
        };
        let (hidden, inner) = (config.hidden_size, config.intermediate_size);
        let heads = config.num_attention_heads * config.head_dim();
        let shared = config.key_value_heads() * config.head_dim();
        let embedding = var("model.embed_tokens.weight", &[config.vocab_size, hidden])?;
        let layers = (0..config.num_hidden_layers).map(|layer| {
            let mut of = |part: &str, shape: &[usize]| {
                var(&format!("model.layers.{layer}.{part}.weight"), shape)
            };
            Ok(Layer {
                attention_norm: of("input_layernorm", &[hidden])?,
                query: of("self_attn.q_proj", &[heads, hidden])?,
                key: of("self_attn.k_proj", &[shared, hidden])?,
                value: of("self_attn.v_proj", &[shared, hidden])?,
                output: of("self_attn.o_proj", &[hidden, heads])?,
                feed_forward_norm: of("post_attention_layernorm", &[hidden])?,
                gate: of("mlp.gate_proj", &[inner, hidden])?,
                up: of("mlp.up_proj", &[inner, hidden])?,
                down: of("mlp.down_proj", &[hidden, inner])?,
            })
        });
        let layers = layers.collect::<crate::Result<_>>()?;
        let norm = var("model.norm.weight", &[hidden])?;
        let untied = !config.tie_word_embeddings;
        let head = untied.then(|| var("lm_head.weight", &[config.vocab_size, hidden]));
        let head = head.transpose()?;
        let frequencies = config.inverse_frequencies()?;
        Ok(Self { config: config.clone(), embedding, layers, norm, head, variables, frequencies })
    }

    /// The configuration.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The variables, by the names that they have in files.
    #[must_use]
    pub fn variables(&self) -> &[(String, Var)] {
        &self.variables
    }

    /// Where the variables are.
    #[must_use]
    pub fn device(&self) -> &Device {
        self.embedding.device()
    }

    /// The output layer `[V, H]`: that of the embedding, where the two are tied.
    #[must_use]
    pub fn head(&self) -> &Tensor {
        self.head.as_ref().unwrap_or(&self.embedding)
    }

    /// The logits `[B, T, V]` of token ids `[B, T]`.
    ///
    /// # Errors
    ///
    /// Those of [`hidden`](Self::hidden).
    pub fn logits(&self, tokens: &Tensor) -> Result<Tensor> {
        linear(&self.hidden(tokens)?, self.head())
    }

    /// The hidden states `[B, T, H]` before the output layer, of token ids `[B, T]`.
    ///
    /// A position sees those before it, so that padding belongs at the end.
    ///
    /// # Errors
    ///
    /// Those of candle, for token ids beyond the vocabulary.
    pub fn hidden(&self, tokens: &Tensor) -> Result<Tensor> {
        let (rows, length) = tokens.dims2()?;
        let embedded = self.embedding.index_select(&tokens.flatten_all()?, 0)?;
        let mut x = embedded.reshape((rows, length, self.config.hidden_size))?;
        let positions = Positions::new(&self.frequencies, length, &x)?;
        for layer in &self.layers {
            x = (&x
                + self.attention(layer, &self.normal(&x, &layer.attention_norm)?, &positions)?)?;
            x = (&x + layer.feed_forward(&self.normal(&x, &layer.feed_forward_norm)?)?)?;
        }
        self.normal(&x, &self.norm)
    }

    #[allow(clippy::cast_possible_truncation)] // candle takes it in `f32`
    fn normal(&self, x: &Tensor, weight: &Tensor) -> Result<Tensor> {
        rms_norm_slow(x, weight, self.config.rms_norm_eps as f32)
    }

    fn attention(&self, layer: &Layer, x: &Tensor, positions: &Positions) -> Result<Tensor> {
        let (rows, length, _) = x.dims3()?;
        let (heads, shared) = (self.config.num_attention_heads, self.config.key_value_heads());
        let size = self.config.head_dim();
        let split = |weight: &Tensor, heads: usize| {
            let x = linear(x, weight)?.reshape((rows, length, heads, size))?;
            x.transpose(1, 2)?.contiguous()
        };
        let query = positions.turn(&split(&layer.query, heads)?)?;
        let key = positions.turn(&split(&layer.key, shared)?)?;
        let value = split(&layer.value, shared)?;
        // The query heads that share a key-value head become more rows of one product.
        let grouped = (rows, shared, heads / shared * length, size);
        let query = (query.reshape(grouped)? * (size as f64).powf(-0.5))?;
        let scores = query.matmul(&key.t()?)?.reshape((rows, heads, length, length))?;
        let weights = softmax(&scores.broadcast_add(&positions.causal)?, D::Minus1)?;
        let weights = weights.reshape((rows, shared, heads / shared * length, length))?;
        let mixed = weights.matmul(&value)?.reshape((rows, heads, length, size))?;
        linear(&mixed.transpose(1, 2)?.reshape((rows, length, heads * size))?, &layer.output)
    }
}

impl Layer {
    fn feed_forward(&self, x: &Tensor) -> Result<Tensor> {
        linear(&(silu(&linear(x, &self.gate)?)? * linear(x, &self.up)?)?, &self.down)
    }
}

/// `x` `[B, T, in]` times a weight `[out, in]`.
fn linear(x: &Tensor, weight: &Tensor) -> Result<Tensor> {
    let (rows, length, size) = x.dims3()?;
    let y = x.reshape((rows * length, size))?.matmul(&weight.t()?)?;
    y.reshape((rows, length, ()))
}

/// What depends on the length of the sequences alone.
struct Positions {
    cos: Tensor,
    sin: Tensor,
    /// −∞ where a position would see a later one, `[T, T]`.
    causal: Tensor,
}

impl Positions {
    fn new(frequencies: &[f64], length: usize, like: &Tensor) -> Result<Self> {
        let angles = (0..length).flat_map(|t| frequencies.iter().map(move |f| t as f64 * f));
        let angles = Tensor::from_iter(angles, &Device::Cpu)?;
        let angles = angles.reshape((length, frequencies.len()))?;
        let to = |table: Tensor| table.to_dtype(like.dtype())?.to_device(like.device());
        let later = |t, seen| if seen > t { f32::NEG_INFINITY } else { 0.0 };
        let causal = (0..length).flat_map(|t| (0..length).map(move |seen| later(t, seen)));
        let causal = Tensor::from_iter(causal, &Device::Cpu)?.reshape((length, length))?;
        Ok(Self { cos: to(angles.cos()?)?, sin: to(angles.sin()?)?, causal: to(causal)? })
    }

    fn turn(&self, x: &Tensor) -> Result<Tensor> {
        rope_slow(x, &self.cos, &self.sin)
    }
}
