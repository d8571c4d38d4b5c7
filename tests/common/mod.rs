//! What the tests share.

mod definitions;
mod figures;
mod lists;
mod losses;
mod strategies;

pub use definitions::*;
pub use figures::*;
pub use lists::*;
pub use losses::*;
pub use strategies::*;
