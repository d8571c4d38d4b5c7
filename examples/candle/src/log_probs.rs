//! Token log-probabilities from hidden states or logits.
//!
//! log π(y) = z_y − log Σ_v e^{z_v}, z = W h the logits of a position with hidden state h
//!
//! Out of candle's operations, log-softmax and `gather` keep four arrays of positions × vocabulary for
//! the backward pass, each of which is 2 GB at 4,096 positions and a vocabulary of 128,000. The node here
//! keeps none: it goes through blocks of positions, and the backward pass computes a block's logits
//! again, for ∂log π(y)/∂z = onehot(y) − softmax(z).

use candle_core::{
    CpuStorage, CudaStorage, CustomOp2, DType, Layout, MetalStorage, Result, Shape, Storage, Tensor,
};
use candle_nn::ops::softmax;

/// The logits of a block at once, in numbers: 64 MB in `f32`.
const BLOCK: usize = 1 << 24;

/// log π(target) `[M]` at positions with hidden states `[M, H]`, under an output layer `[V, H]`.
///
/// `targets` `[M]` are token ids below V, of type `u32`. The result is differentiable with respect to
/// `hidden` and `head`, and never holds more than a block of positions × vocabulary.
///
/// # Errors
///
/// Those of candle, for shapes that do not fit.
pub fn of_hidden(hidden: &Tensor, head: &Tensor, targets: &Tensor) -> Result<Tensor> {
    let rows = (BLOCK / head.dim(0)?.max(1)).max(1);
    in_blocks(hidden, head, targets, rows)
}

/// [`of_hidden`] with blocks of that many positions.
///
/// # Errors
///
/// Those of [`of_hidden`].
pub fn in_blocks(hidden: &Tensor, head: &Tensor, targets: &Tensor, rows: usize) -> Result<Tensor> {
    let node = TokenLogProbs { targets: targets.clone(), rows, log_probs: None };
    let log_probs = node.forward(&hidden.detach(), &head.detach())?;
    hidden.apply_op2(head, TokenLogProbs { log_probs: Some(log_probs), ..node })
}

/// log π(target) `[M]` from logits `[M, V]`, which need not be tracked.
///
/// # Errors
///
/// Those of candle, for shapes that do not fit.
pub fn of_logits(logits: &Tensor, targets: &Tensor) -> Result<Tensor> {
    let logits = logits.to_dtype(DType::F32)?;
    let of_target = logits.gather(&targets.unsqueeze(1)?, 1)?.squeeze(1)?;
    of_target - logits.log_sum_exp(1)?
}

struct TokenLogProbs {
    targets: Tensor,
    rows: usize,
    log_probs: Option<Tensor>,
}

impl TokenLogProbs {
    /// The first position and the number of positions of each block.
    fn blocks(&self, positions: usize) -> impl Iterator<Item = (usize, usize)> {
        let rows = self.rows;
        (0..positions).step_by(rows).map(move |first| (first, rows.min(positions - first)))
    }

    fn forward(&self, hidden: &Tensor, head: &Tensor) -> Result<Tensor> {
        let blocks = self.blocks(hidden.dim(0)?).map(|(first, rows)| {
            let logits = hidden.narrow(0, first, rows)?.matmul(&head.t()?)?;
            of_logits(&logits, &self.targets.narrow(0, first, rows)?)
        });
        Tensor::cat(&blocks.collect::<Result<Vec<_>>>()?, 0)
    }

    /// The log-probabilities that `forward` computed, as storage of a new tensor.
    fn result(&self) -> Result<(Storage, Shape)> {
        let Some(log_probs) = &self.log_probs else { candle_core::bail!("no log-probabilities") };
        let (storage, layout) = log_probs.storage_and_layout();
        Ok((storage.try_clone(layout)?, log_probs.shape().clone()))
    }
}

/// The forward pass on one kind of device: what has been computed already.
macro_rules! forward {
    ($name:ident, $storage:ident, $device:ident) => {
        fn $name(
            &self,
            _: &$storage,
            _: &Layout,
            _: &$storage,
            _: &Layout,
        ) -> Result<($storage, Shape)> {
            match self.result()? {
                (Storage::$device(storage), shape) => Ok((storage, shape)),
                _ => candle_core::bail!("log-probabilities of another device"),
            }
        }
    };
}

impl CustomOp2 for TokenLogProbs {
    fn name(&self) -> &'static str {
        "token-log-probs"
    }

    forward!(cpu_fwd, CpuStorage, Cpu);
    forward!(cuda_fwd, CudaStorage, Cuda);
    forward!(metal_fwd, MetalStorage, Metal);

    fn bwd(
        &self,
        hidden: &Tensor,
        head: &Tensor,
        _: &Tensor,
        slopes: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let (hidden, head) = (hidden.detach(), head.detach());
        let mut hidden_grads = Vec::new();
        let mut head_grad = head.zeros_like()?;
        for (first, rows) in self.blocks(hidden.dim(0)?) {
            let block = hidden.narrow(0, first, rows)?;
            let targets = self.targets.narrow(0, first, rows)?.unsqueeze(1)?;
            let slopes = slopes.narrow(0, first, rows)?.unsqueeze(1)?;
            let logits = block.matmul(&head.t()?)?.to_dtype(DType::F32)?;
            let spread = softmax(&logits, 1)?.broadcast_mul(&slopes.neg()?)?;
            let grad = spread.scatter_add(&targets, &slopes.contiguous()?, 1)?;
            let grad = grad.to_dtype(head.dtype())?;
            hidden_grads.push(grad.matmul(&head)?);
            head_grad = (head_grad + grad.t()?.matmul(&block)?)?;
        }
        Ok((Some(Tensor::cat(&hidden_grads, 0)?), Some(head_grad)))
    }
}
