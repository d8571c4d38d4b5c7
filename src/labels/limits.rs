//! What is too large to be held, told before anything is allocated.

use crate::Error;
use crate::check::has_room;

/// Memory that estimators take for each item, with room to spare.
const BYTES_PER_ITEM: usize = 128;

/// Items are numbered in 32 bits, and an estimator's memory for them has to be there.
pub(super) fn check_items(items: usize) -> Result<(), Error> {
    let range = "few enough for 32 bits and this machine's memory";
    let parameter = || Error::Parameter { name: "items", value: items as f64, range };
    u32::try_from(items).map_err(|_| parameter())?;
    if has_room::<[u8; BYTES_PER_ITEM]>(items) { Ok(()) } else { Err(parameter()) }
}

/// The number of an item, in 32 bits; [`check_items`] has seen the number of all.
#[allow(clippy::cast_possible_truncation)]
pub(super) fn narrow(item: usize) -> u32 {
    item as u32
}

pub(super) fn check_item(
    what: &'static str,
    item: usize,
    items: usize,
    index: impl FnOnce() -> Vec<usize>,
) -> Result<(), Error> {
    if item < items {
        return Ok(());
    }
    let range = "below the number of items";
    Err(Error::OutOfRange { what, index: index(), value: item as f64, range })
}

pub(super) fn positive(name: &'static str, value: f64) -> Result<(), Error> {
    if value.is_finite() && value > 0.0 {
        return Ok(());
    }
    Err(Error::Parameter { name, value, range: "finite and positive" })
}
