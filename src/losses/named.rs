//! Losses by name.

use std::fmt;
use std::str::FromStr;

use super::{
    LambdaLoss, ListMle, Loss, Nca, PairHinge, PairLogistic, PointMse, PointSigmoid, Pro, Softmax,
};

/// A loss's name, and how it is made.
type Named = (&'static str, fn() -> Box<dyn Loss>);

/// The seven losses of the paper by name, in the order of its equations' families.
///
/// ```
/// use lipo::losses::PAPER;
///
/// let names = PAPER.map(|(name, _)| name);
/// assert_eq!(names[..3], ["point-mse", "point-sigmoid", "pair-hinge"]);
/// ```
pub const PAPER: [Named; 7] = [
    ("point-mse", || Box::new(PointMse)),
    ("point-sigmoid", || Box::new(PointSigmoid)),
    ("pair-hinge", || Box::new(PairHinge)),
    ("pair-logistic", || Box::new(PairLogistic)),
    ("list-mle", || Box::new(ListMle)),
    ("softmax", || Box::new(Softmax)),
    ("lambda-loss", || Box::new(LambdaLoss)),
];

/// Losses without parameters that the paper does not have.
const OTHERS: [Named; 2] = [("nca", || Box::new(Nca)), ("pro", || Box::new(Pro))];

/// The error of a name that no loss has.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnknownLoss {
    /// The name.
    pub name: String,
}

impl fmt::Display for UnknownLoss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is not the name of a loss; known are", self.name)?;
        let known = PAPER.iter().chain(&OTHERS);
        known
            .enumerate()
            .try_for_each(|(k, (name, _))| write!(f, "{}{name}", if k == 0 { " " } else { ", " }))
    }
}

impl std::error::Error for UnknownLoss {}

/// A loss without parameters by its name.
///
/// ```
/// use lipo::losses::{Loss, LossExt};
/// use ndarray::array;
///
/// let loss: Box<dyn Loss> = "lambda-loss".parse()?;
/// assert_eq!(loss.name(), "lambda-loss");
/// assert!(loss.value(&array![0.0, 1.0], &array![1.0, 0.0])? > 0.48);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
impl FromStr for Box<dyn Loss> {
    type Err = UnknownLoss;

    fn from_str(name: &str) -> Result<Self, UnknownLoss> {
        let found = PAPER.iter().chain(&OTHERS).find(|(known, _)| *known == name);
        found.map(|(_, make)| make()).ok_or_else(|| UnknownLoss { name: name.to_owned() })
    }
}
