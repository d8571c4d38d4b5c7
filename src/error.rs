//! What can be wrong with an input.

use std::fmt;

/// What is wrong with an input; nothing has been written when it is returned.
///
/// An `index` is the place of the offending element in the array that was passed, one number an
/// axis, as `array[index]` would name it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Error {
    /// An array has another shape than the arrays it belongs to.
    Shape {
        /// Which array.
        what: &'static str,
        /// The shape that would have matched.
        expected: Vec<usize>,
        /// The shape it has.
        found: Vec<usize>,
    },
    /// An array has too few axes to hold what it should.
    Axes {
        /// Which array.
        what: &'static str,
        /// The least number of axes.
        least: usize,
        /// The number it has.
        found: usize,
    },
    /// The sizes of ragged groups do not add up to the number of items.
    GroupSizes {
        /// The sum of the sizes; `usize::MAX` where it is larger still.
        total: usize,
        /// The number of items.
        items: usize,
    },
    /// An element is NaN or infinite.
    NotFinite {
        /// Which array.
        what: &'static str,
        /// Where in it.
        index: Vec<usize>,
        /// The element.
        value: f64,
    },
    /// A finite element lies outside the range that its meaning allows.
    OutOfRange {
        /// Which array.
        what: &'static str,
        /// Where in it.
        index: Vec<usize>,
        /// The element.
        value: f64,
        /// The range, in words.
        range: &'static str,
    },
    /// The scores of a list lie so far apart that their difference overflows.
    Spread {
        /// The index of the list among the lists.
        list: Vec<usize>,
        /// The least score of the list.
        least: f64,
        /// The greatest score of the list.
        greatest: f64,
    },
    /// A parameter, such as β, lies outside its range.
    Parameter {
        /// Its name.
        name: &'static str,
        /// What was given.
        value: f64,
        /// The range, in words.
        range: &'static str,
    },
    /// The items fall into parts that no comparison links, so that nothing tells how an item of one
    /// part stands to one of another.
    Unconnected {
        /// The items of each part, ascending.
        parts: Vec<Vec<usize>>,
    },
    /// No item of a part ever won or tied against one of an earlier part: the likelihood grows for
    /// ever as the parts move apart.
    Separable {
        /// The items of each part, ascending; the part that lost to nobody first.
        parts: Vec<Vec<usize>>,
    },
    /// The data leave a parameter open: its likelihood has no maximum, or more than one.
    Undetermined {
        /// The parameter.
        parameter: &'static str,
        /// What the data lack.
        reason: &'static str,
    },
    /// An iteration did not reach its tolerance.
    NotConverged {
        /// What was iterated.
        what: &'static str,
        /// How many iterations there were.
        iterations: usize,
        /// The residual of the last one.
        residual: f64,
        /// What the residual should have come down to.
        tolerance: f64,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shape { what, expected, found } => {
                write!(f, "{what}: shape {found:?} where {expected:?} is expected")
            }
            Self::Axes { what, least, found } => {
                write!(f, "{what}: {found} axes where at least {least} are expected")
            }
            Self::GroupSizes { total, items } => {
                write!(f, "group sizes: they add up to {total} where there are {items} items")
            }
            Self::NotFinite { what, index, value } => {
                write!(f, "{what}{index:?} is {value}, not a finite number")
            }
            Self::OutOfRange { what, index, value, range } => {
                write!(f, "{what}{index:?} is {value:e}, which is not {range}")
            }
            Self::Spread { list, least, greatest } => write!(
                f,
                "scores of list {list:?}: the difference of {greatest:e} and {least:e} overflows"
            ),
            Self::Parameter { name, value, range } => {
                write!(f, "{name} is {value}, which is not {range}")
            }
            Self::Unconnected { parts } => {
                write!(f, "the items fall into {} parts that no comparison links: ", parts.len())?;
                write_parts(f, parts)
            }
            Self::Separable { parts } => {
                let count = parts.len();
                write!(f, "the items fall into {count} parts, none of which ever won or tied ")?;
                write!(f, "against an earlier one: ")?;
                write_parts(f, parts)
            }
            Self::Undetermined { parameter, reason } => {
                write!(f, "{parameter} cannot be told from the data: {reason}")
            }
            Self::NotConverged { what, iterations, residual, tolerance } => write!(
                f,
                "{what} has a residual of {residual:e} after {iterations} iterations, \
                 above the tolerance of {tolerance:e}"
            ),
        }
    }
}

/// The parts, cut short where there are many.
fn write_parts(f: &mut fmt::Formatter<'_>, parts: &[Vec<usize>]) -> fmt::Result {
    const SHOWN: usize = 8;
    for (place, part) in parts.iter().take(SHOWN).enumerate() {
        let comma = if place == 0 { "" } else { ", " };
        if part.len() > SHOWN {
            let (shown, size) = (&part[..SHOWN - 1], part.len());
            write!(f, "{comma}{shown:?} and {} more", size - shown.len())?;
        } else {
            write!(f, "{comma}{part:?}")?;
        }
    }
    if parts.len() > SHOWN { write!(f, ", and {} more", parts.len() - SHOWN) } else { Ok(()) }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::Error;

    #[test]
    fn messages_name_the_place_and_the_value() {
        let error = Error::NotFinite { what: "scores", index: vec![2, 5], value: f64::NAN };
        assert_eq!(error.to_string(), "scores[2, 5] is NaN, not a finite number");
        let error = Error::Shape { what: "labels", expected: vec![2, 3], found: vec![3, 2] };
        assert_eq!(error.to_string(), "labels: shape [3, 2] where [2, 3] is expected");
        let error = Error::Unconnected { parts: vec![vec![0, 2], (3..20).collect(), vec![1]] };
        let message = "the items fall into 3 parts that no comparison links: \
                       [0, 2], [3, 4, 5, 6, 7, 8, 9] and 10 more, [1]";
        assert_eq!(error.to_string(), message);
        let error = Error::Separable { parts: (0..20).map(|item| vec![item]).collect() };
        assert!(error.to_string().ends_with("[6], [7], and 12 more"), "{error}");
    }

    #[test]
    fn errors_cross_threads() {
        fn assert_bounds<T: std::error::Error + Send + Sync + 'static>() {}
        assert_bounds::<Error>();
    }
}
