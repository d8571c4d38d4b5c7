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
    /// A setting that has no meaning where it is used.
    Setting {
        /// Its name.
        name: &'static str,
        /// Why it has none.
        reason: &'static str,
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
            Self::Setting { name, reason } => write!(f, "{name}: {reason}"),
            Self::Parameter { name, value, range } => {
                write!(f, "{name} is {value}, which is not {range}")
            }
        }
    }
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
    }

    #[test]
    fn errors_cross_threads() {
        fn assert_bounds<T: std::error::Error + Send + Sync + 'static>() {}
        assert_bounds::<Error>();
    }
}
