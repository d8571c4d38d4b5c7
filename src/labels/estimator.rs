//! What the estimators of strength share: the trait, and their setters.

use super::comparisons::Comparisons;
use super::fit::Fit;
use crate::Error;

/// What fits strengths to comparisons, or to other data such as [`Rankings`](super::Rankings).
///
/// ```
/// use lipo::labels::{BradleyTerry, Comparison, Comparisons, Estimator, Newman, Outcome, RankCentrality};
///
/// let votes = [(0, 1), (0, 1), (0, 1), (1, 0)];
/// let votes = votes.map(|(winner, loser)| Comparison::new(winner, loser, Outcome::First));
/// let votes = Comparisons::from_records(2, votes)?;
/// let (newton, newman) = (BradleyTerry::default(), Newman::default());
/// let all: [&dyn Estimator; 3] = [&newton, &newman, &RankCentrality::default()];
/// for estimator in all {
///     assert!((estimator.fit(&votes)?.shares()[0] - 0.75).abs() < 1e-9);
/// }
/// # Ok::<(), lipo::Error>(())
/// ```
pub trait Estimator<Data: ?Sized = Comparisons> {
    /// Fits strengths.
    ///
    /// # Errors
    ///
    /// Each estimator names its own: data that determine no strengths, an iteration that did not
    /// converge, a parameter out of its range.
    fn fit(&self, data: &Data) -> Result<Fit, Error>;
}

impl<Data: ?Sized, E: Estimator<Data> + ?Sized> Estimator<Data> for &E {
    fn fit(&self, data: &Data) -> Result<Fit, Error> {
        (**self).fit(data)
    }
}

/// Writes a setter for each field named: the estimator with another value of it.
macro_rules! setters {
    ($estimator:ty { $($(#[$doc:meta])* $field:ident: $kind:ty,)* }) => {
        impl $estimator {
            $(
                $(#[$doc])*
                #[must_use]
                pub fn $field(self, $field: $kind) -> Self {
                    Self { $field, ..self }
                }
            )*
        }
    };
}
pub(super) use setters;
