//! Which list is computed how: the one table, with its tuning constants.
//!
//! The choice depends on the shape of the work and on the list's own length, never on the lists beside
//! it. The lengths were measured on Zen 3 with AVX2 (`benches/README.md`).

use super::Shape;
use super::formula::Family;

/// How a list is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Strategy {
    /// The value and all results are 0.
    Zero,
    /// Lists side by side, one a lane.
    SideBySide,
    /// One list, its items along the lanes.
    InLanes,
    /// Items as they lie, whatever their list.
    Flat,
    /// One list in the order of its labels.
    Sorted,
    /// One list's pairs, counted in O(K log K).
    Counted,
    /// One list's function.
    Own,
}

/// Point losses of at least this many items go along the lanes.
const POINTS_IN_LANES: usize = 24;
/// Pair losses, and those of the softmax family, from this many items on.
const PAIRS_IN_LANES: usize = 97;
/// The list-MLE family goes in order from this many items on; below it, sums over pairs are faster
/// than a sort.
const SORTED: usize = 49;
/// Pairs of a hinge are counted from this many items on.
const COUNTED: usize = 257;

/// What of a list decides.
#[derive(Debug, Clone, Copy)]
pub(super) struct Traits {
    pub(super) items: usize,
    pub(super) weighted: bool,
    /// Whether a curvature is asked for.
    pub(super) curvature: bool,
    /// Whether the machine has vectors.
    pub(super) vectors: bool,
    /// Whether pairs are weighed by soft targets.
    pub(super) targets: bool,
}

impl Strategy {
    pub(super) fn of(shape: &Shape<'_>, list: Traits) -> Self {
        let Traits { items, weighted, curvature, vectors, targets } = list;
        match shape {
            Shape::Own(_) => Self::Own,
            Shape::Points(function) if !function.takes_shares() => Self::Flat,
            Shape::Points(_) if items >= POINTS_IN_LANES && vectors => Self::InLanes,
            Shape::Points(_) => Self::SideBySide,
            Shape::Pairs(_) if items < 2 => Self::Zero,
            Shape::Pairs(work) => {
                let cut_off = work.weight.cutoff().is_some_and(|cutoff| cutoff < items);
                let bare = work.weight.is_one() && !weighted && !curvature && !targets;
                let hinge = matches!(work.function.family(), Family::Hinge { .. });
                match items {
                    COUNTED.. if bare && hinge => Self::Counted,
                    PAIRS_IN_LANES.. if vectors || cut_off => Self::InLanes,
                    _ => Self::SideBySide,
                }
            }
            Shape::Shares(_) if items >= PAIRS_IN_LANES && vectors => Self::InLanes,
            Shape::Shares(_) => Self::SideBySide,
            Shape::InOrder(positions) => {
                if items >= SORTED || curvature || !positions.are_one() || !vectors {
                    Self::Sorted
                } else {
                    Self::SideBySide
                }
            }
        }
    }

    /// Lists side by side should be of one length.
    pub(super) fn wants_equal_lengths(self) -> bool {
        self == Self::SideBySide
    }
}

/// A rough number of nanoseconds that lists of so many items in all, and of so many each, take: what
/// decides whether threads are worth their while.
#[cfg(feature = "rayon")]
pub(super) fn work(shape: &Shape<'_>, items: usize, lists: usize) -> usize {
    let pairs = items.saturating_mul(items / lists.max(1)) / 2;
    match shape {
        Shape::Points(_) => items / 2,
        Shape::Shares(_) => items.saturating_mul(2),
        Shape::InOrder(_) => items.saturating_mul(10),
        Shape::Pairs(_) => items.saturating_mul(4).saturating_add(pairs / 4),
        Shape::Own(_) => items.saturating_mul(50).saturating_add(pairs),
    }
}
