//! Lists as tests draw them, their layouts in arrays, and what a loss says of them, as bits.

use lipo::losses::{Loss, LossExt};
use lipo::{Error, Lists, Real};
use ndarray::{Array, Array1, Array2, Array3, ArrayRef, Dimension, Ix1, Ix2, RemoveAxis, array};

use super::REDUCTIONS;

#[derive(Debug, Clone, Copy)]
pub struct Item {
    pub score: f64,
    pub label: f64,
    pub weight: f64,
    pub exists: bool,
}

impl Item {
    pub fn new(score: f64, label: f64) -> Self {
        Self { score, label, weight: 1.0, exists: true }
    }
}

/// A list as a test draws it, before it is laid out in arrays.
#[derive(Debug, Clone)]
pub struct TestList {
    pub items: Vec<Item>,
    pub weight: f64,
}

impl TestList {
    /// Without weights and mask.
    pub fn plain(scores: &[f64], labels: &[f64]) -> Self {
        let items = scores.iter().zip(labels).map(|(&s, &psi)| Item::new(s, psi));
        Self { items: items.collect(), weight: 1.0 }
    }

    pub fn scores(&self) -> Vec<f64> {
        self.items.iter().map(|item| item.score).collect()
    }

    pub fn labels(&self) -> Vec<f64> {
        self.items.iter().map(|item| item.label).collect()
    }

    pub fn weights(&self) -> Vec<f64> {
        self.items.iter().map(|item| item.weight).collect()
    }

    /// With numbers that F holds exactly.
    pub fn rounded<F: Real>(&self) -> Self {
        let round = |x| F::narrow(x).widen();
        let items = self.items.iter().map(|item| Item {
            score: round(item.score),
            label: round(item.label),
            weight: round(item.weight),
            exists: item.exists,
        });
        Self { items: items.collect(), weight: round(self.weight) }
    }

    /// Without its masked items.
    pub fn existing(&self) -> Self {
        let items = self.items.iter().copied().filter(|item| item.exists);
        Self { items: items.collect(), weight: self.weight }
    }
}

/// Arrays of lists along the last axis, with all that may stand beside scores and labels.
#[derive(Debug, Clone)]
pub struct Dense<F, D: RemoveAxis = Ix2> {
    pub scores: Array<F, D>,
    pub labels: Array<F, D>,
    pub weights: Array<F, D>,
    pub mask: Array<bool, D>,
    pub list_weights: Array<F, D::Smaller>,
}

impl<F: Real> Dense<F> {
    /// Lists of one size; shorter ones are filled up with masked items that hold garbage.
    pub fn new(lists: &[TestList]) -> Self {
        let size = lists.iter().map(|list| list.items.len()).max().unwrap_or(0);
        let garbage = Item { score: f64::NAN, label: -1e300, weight: f64::INFINITY, exists: false };
        let item = |(n, k): (usize, usize)| *lists[n].items.get(k).unwrap_or(&garbage);
        let shape = (lists.len(), size);
        Self {
            scores: Array2::from_shape_fn(shape, |at| F::narrow(item(at).score)),
            labels: Array2::from_shape_fn(shape, |at| F::narrow(item(at).label)),
            weights: Array2::from_shape_fn(shape, |at| F::narrow(item(at).weight)),
            mask: Array2::from_shape_fn(shape, |at| item(at).exists),
            list_weights: lists.iter().map(|list| F::narrow(list.weight)).collect(),
        }
    }
}

impl<F: Real, D: RemoveAxis> Dense<F, D> {
    pub fn build(&self) -> Result<Lists<'_, F, D, D::Smaller>, Error> {
        let lists = Lists::dense(&self.scores, &self.labels).mask(&self.mask);
        lists.weights(&self.weights).list_weights(&self.list_weights).build()
    }

    pub fn lists(&self) -> Lists<'_, F, D, D::Smaller> {
        self.build().unwrap()
    }

    /// The same elements under another shape.
    pub fn reshaped<E: RemoveAxis>(&self, shape: E, batch: E::Smaller) -> Dense<F, E> {
        Dense {
            scores: reshaped(&self.scores, shape.clone()),
            labels: reshaped(&self.labels, shape.clone()),
            weights: reshaped(&self.weights, shape.clone()),
            mask: reshaped(&self.mask, shape),
            list_weights: reshaped(&self.list_weights, batch),
        }
    }
}

fn reshaped<T: Clone, D: Dimension, E: Dimension>(array: &Array<T, D>, shape: E) -> Array<T, E> {
    array.clone().into_shape_with_order(shape).unwrap()
}

/// Flat arrays of lists, one after another.
#[derive(Debug, Clone)]
pub struct Ragged<F> {
    pub scores: Array1<F>,
    pub labels: Array1<F>,
    pub weights: Array1<F>,
    pub mask: Array1<bool>,
    pub list_weights: Array1<F>,
    pub sizes: Vec<usize>,
}

impl<F: Real> Ragged<F> {
    pub fn new(lists: &[TestList]) -> Self {
        let items = || lists.iter().flat_map(|list| &list.items);
        Self {
            scores: items().map(|item| F::narrow(item.score)).collect(),
            labels: items().map(|item| F::narrow(item.label)).collect(),
            weights: items().map(|item| F::narrow(item.weight)).collect(),
            mask: items().map(|item| item.exists).collect(),
            list_weights: lists.iter().map(|list| F::narrow(list.weight)).collect(),
            sizes: lists.iter().map(|list| list.items.len()).collect(),
        }
    }

    pub fn build(&self) -> Result<Lists<'_, F, Ix1, Ix1>, Error> {
        let lists = Lists::ragged(&self.scores, &self.labels, &self.sizes).mask(&self.mask);
        lists.weights(&self.weights).list_weights(&self.list_weights).build()
    }

    pub fn lists(&self) -> Lists<'_, F, Ix1, Ix1> {
        self.build().unwrap()
    }

    /// Without mask and weights.
    pub fn bare(&self) -> Lists<'_, F, Ix1, Ix1> {
        Lists::ragged(&self.scores, &self.labels, &self.sizes).build().unwrap()
    }
}

pub fn bits<F: Real, D: Dimension>(array: &ArrayRef<F, D>) -> Vec<u64> {
    array.iter().map(|x| x.widen().to_bits()).collect()
}

/// All that a loss says about lists, as bits: what does not depend on the layout of the arrays.
#[derive(Debug, PartialEq)]
pub struct Outcome {
    pub values: Vec<u64>,
    /// Of the items that exist.
    pub grad: Vec<u64>,
    /// Value and gradient under each reduction.
    pub reduced: Vec<(u64, Vec<u64>)>,
}

impl Outcome {
    pub fn of<F: Real, D: Dimension, B: Dimension>(
        loss: &dyn Loss,
        lists: &Lists<'_, F, D, B>,
        mask: &ArrayRef<bool, D>,
    ) -> Self {
        let existing = |grad: &Array<F, D>| {
            let (existing, masked): (Vec<_>, Vec<_>) =
                bits(grad).into_iter().zip(mask).partition(|(_, exists)| **exists);
            assert!(masked.iter().all(|(bits, _)| *bits == 0), "a masked item has a gradient");
            existing.into_iter().map(|(bits, _)| bits).collect::<Vec<_>>()
        };
        let (values, grad) = loss.per_list(lists).unwrap();
        let reduced = REDUCTIONS.map(|reduction| {
            let (value, grad) = loss.reduced(lists, reduction).unwrap();
            (value.widen().to_bits(), existing(&grad))
        });
        Self { values: bits(&values), grad: existing(&grad), reduced: reduced.into() }
    }

    pub fn of_dense<F: Real, D: RemoveAxis>(loss: &dyn Loss, lists: &Dense<F, D>) -> Self {
        Self::of(loss, &lists.lists(), &lists.mask)
    }

    pub fn of_ragged<F: Real>(loss: &dyn Loss, lists: &Ragged<F>) -> Self {
        Self::of(loss, &lists.lists(), &lists.mask)
    }
}

/// Which tokens two prompts' three responses have, of up to four; one response has none.
pub fn token_mask() -> Array3<bool> {
    let lengths = array![[3, 1, 0], [2, 4, 1]];
    Array3::from_shape_fn((2, 3, 4), |(n, k, t)| t < lengths[[n, k]])
}

/// Log-probabilities of tokens from −0.1 down to −0.1 − `width`, NaN where there is no token.
#[allow(clippy::cast_precision_loss)] // small numbers
pub fn draw_tokens(mask: &Array3<bool>, steps: [usize; 3], salt: usize, width: f64) -> Array3<f64> {
    let [of_prompt, of_response, of_token] = steps;
    Array3::from_shape_fn(mask.raw_dim(), |(n, k, t)| {
        let number = (n * of_prompt + k * of_response + t * of_token + salt) * 48_271 % 997;
        if mask[[n, k, t]] { -0.1 - width * number as f64 / 997.0 } else { f64::NAN }
    })
}
