//! The engine: batches of lists in, values and derivatives out, for losses that it knows by the shape
//! of their work alone.
//!
//! A loss says what its [`Work`] is: a function of each item, a function of each pair under a weight, a
//! function of shares, an order, or a function of the whole list. It hands the engine its formulas as
//! trait objects; so nothing here names a loss, and a new one needs nothing here.
//!
//! One list's way, from the public call to the vector loop:
//!
//! 1. `LossExt::reduced_into` checks the loss's domain and calls `batch::evaluate`.
//! 2. `batch.rs` divides a large batch among threads, and takes each part in windows of some hundred
//!    lists. Within a window, lists of one [`Strategy`](strategy::Strategy) and length come together as
//!    a run.
//! 3. `run.rs` enters the machine's instruction set once a run, and lays lists out in blocks
//!    (`block.rs`): side by side, one a lane, or one list along the lanes.
//! 4. `pairs.rs` and `tile.rs`, `points.rs`, `softmax.rs` or `in_order.rs` compute a block;
//!    `flat.rs` takes items as they lie. Formulas
//!    are called a tile or a block at a time (`formula.rs`).
//! 5. A list for which the block's results may not be as exact as promised goes, if its arrays are of
//!    `f32`, through the same loops in `f64`, and at last through `careful.rs`, one number at a time.
//!
//! A list's bits depend on nothing but the list: strategies are chosen by its own length, lanes do
//! not mix, and what fills up a block adds exact zeros.

mod batch;
mod block;
mod careful;
mod columns;
mod counts;
mod flat;
mod formula;
mod in_order;
mod lists;
mod pairs;
mod points;
mod range;
mod run;
mod softmax;
mod strategy;
#[cfg(test)]
mod tests;
mod tile;

pub use batch::Workspace;
pub(crate) use batch::{Outputs, evaluate};
pub use block::Diagonal;
pub use columns::{Factors, PairWeight, RankedList, TileWeight, Unweighted, WeightColumns};
pub(crate) use formula::tile_of_margins;
pub use formula::{Family, Pair, PairFunction, PairTerm, TileFunction};
pub use in_order::PositionWeights;
pub use points::{Point, PointFunction, PointTerm, RunFunction};
pub use run::{Native, OfDouble, OfSingle};
pub use softmax::{BlockFunction, ShareFunction, Shares};

use crate::lists::List;
use crate::numeric::Sum;

/// What a loss has the engine compute.
#[derive(Debug, Clone, Copy)]
pub struct Work<'a>(pub(crate) Shape<'a>);

/// The shapes of work.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Shape<'a> {
    /// A function of each item.
    Points(&'a dyn RunFunction),
    /// A function of each pair, under a weight.
    Pairs(PairWork<'a>),
    /// A function of the items' shares.
    Shares(&'a dyn BlockFunction),
    /// The likelihood of the order of the labels.
    InOrder(&'a dyn PositionWeights),
    /// A function of a list, in `f64`.
    Own(&'a dyn ListFunction),
}

/// A pair loss.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PairWork<'a> {
    pub(crate) function: &'a dyn TileFunction,
    pub(crate) weight: &'a dyn TileWeight,
}

impl<'a> Work<'a> {
    /// The work of a loss that is a function of one list.
    #[must_use]
    pub fn list(function: &'a dyn ListFunction) -> Self {
        Self(Shape::Own(function))
    }

    /// The work of a loss that is the sum of a function over the items.
    #[must_use]
    pub fn points(function: &'a dyn RunFunction) -> Self {
        Self(Shape::Points(function))
    }

    /// The work of a loss that is the likelihood of the order of the labels, position by position.
    #[must_use]
    pub fn in_order(positions: &'a dyn PositionWeights) -> Self {
        Self(Shape::InOrder(positions))
    }

    /// The work of a loss that is a function of the items' shares of exponentials and labels.
    #[must_use]
    pub fn shares(function: &'a dyn BlockFunction) -> Self {
        Self(Shape::Shares(function))
    }
}

/// A loss as a function of one list: what to implement for a loss that has none of the other shapes.
pub trait ListFunction: std::fmt::Debug + Send + Sync {
    /// The value of a list; `results` are to be filled.
    ///
    /// The list has at least one item and is in the loss's domain.
    fn list(&self, list: &List<'_>, results: &mut ListResults<'_>) -> f64;
}

/// The results of a list that a [`ListFunction`] fills: all begin as 0.
#[derive(Debug)]
pub struct ListResults<'a> {
    pub(crate) gradient: &'a mut [f64],
    pub(crate) diagonal: Option<&'a mut [f64]>,
    pub(crate) product: Option<(&'a [f64], &'a mut [f64])>,
    pub(crate) scratch: &'a mut Scratch,
}

/// Room that a [`ListFunction`] may use within a list, and that lasts from list to list.
#[derive(Debug, Clone, Default)]
pub struct Scratch {
    numbers: Vec<f64>,
    order: Vec<usize>,
    sums: Vec<Sum>,
}

impl ListResults<'_> {
    /// The gradient of the value with respect to the scores.
    pub fn gradient(&mut self) -> &mut [f64] {
        self.gradient
    }

    /// The diagonal of the Hessian, where it is asked for.
    pub fn diagonal(&mut self) -> Option<&mut [f64]> {
        self.diagonal.as_deref_mut()
    }

    /// A direction, and the product of the Hessian with it, where it is asked for.
    pub fn product(&mut self) -> Option<(&[f64], &mut [f64])> {
        self.product.as_mut().map(|(direction, product)| (*direction, &mut **product))
    }

    /// The gradient, and room for `len` numbers, all 0.
    pub fn gradient_and_zeros(&mut self, len: usize) -> (&mut [f64], &mut [f64]) {
        let numbers = &mut self.scratch.numbers;
        numbers.clear();
        numbers.resize(len, 0.0);
        (self.gradient, numbers)
    }

    /// The gradient, the items by their label, and a number and a sum for each, all 0.
    pub(crate) fn parts(
        &mut self,
        list: &List<'_>,
    ) -> (&mut [f64], &[usize], &mut [f64], &mut [Sum]) {
        let Scratch { numbers, order, sums } = &mut *self.scratch;
        crate::ranking::argsort_descending(list.labels(), order);
        numbers.clear();
        numbers.resize(list.len(), 0.0);
        sums.clear();
        sums.resize(list.len(), Sum::default());
        (self.gradient, order, numbers, sums)
    }

    /// The gradient, and the items by their label, descending, equal labels by index.
    pub fn gradient_and_order(&mut self, list: &List<'_>) -> (&mut [f64], &[usize]) {
        crate::ranking::argsort_descending(list.labels(), &mut self.scratch.order);
        (self.gradient, &self.scratch.order)
    }
}
