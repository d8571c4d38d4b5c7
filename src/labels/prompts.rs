//! Votes on many prompts at once, to ragged lists of ψ.

use std::collections::HashMap;
use std::hash::Hash;

use ndarray::Array1;

use super::comparisons::{Comparison, Comparisons, Outcome};
use super::estimator::Estimator;
use crate::{Error, Real};

/// Votes on the responses to many prompts, prompts and responses being named by whatever a file names
/// them: strings, numbers, hashes.
///
/// Preference data are lines of (prompt, first, second, outcome, weight). They are counted prompt by
/// prompt, each with the responses that its own votes name, and an estimator gives each prompt's ψ.
/// Prompts stand in the order of their first votes, and so do the responses of each.
///
/// ```
/// use lipo::Lists;
/// use lipo::labels::{BradleyTerry, Outcome, PromptVotes, Prior};
/// use lipo::losses::{LambdaLoss, LossExt, Reduction};
/// use ndarray::Array1;
///
/// let (first, second, tie) = (Outcome::First, Outcome::Second, Outcome::Tie);
/// let votes = PromptVotes::from_records([
///     ("why is the sky blue?", "a", "b", first, 1.0),
///     ("why is the sky blue?", "b", "a", first, 1.0),
///     ("why is the sky blue?", "a", "b", tie, 1.0),
///     ("a poem, please", "x", "y", second, 1.0),
///     ("a poem, please", "x", "z", first, 1.0),
/// ])?;
/// // The second prompt has no finite strengths: y never lost. A prior has an answer for it.
/// let model = BradleyTerry::default();
/// let labels = votes.labels::<f64>(&model, None);
/// assert_eq!((&*labels.prompts, &*labels.sizes), (&["why is the sky blue?"][..], &[2][..]));
/// println!("{:?}: {}", labels.failures[0].0, labels.failures[0].1);
///
/// let fallback = model.prior(Prior::Gaussian(1.5));
/// let labels = votes.labels::<f64>(&model, Some(&fallback));
/// assert_eq!(labels.sizes, [2, 3]);
/// assert_eq!(labels.responses, ["a", "b", "x", "y", "z"]);
/// assert!(labels.psi[3] > labels.psi[2] && labels.psi[2] > labels.psi[4]);
///
/// // Lists of different lengths, one after another, are what losses take.
/// let scores = Array1::zeros(labels.psi.len());
/// let lists = Lists::ragged(&scores, &labels.psi, &labels.sizes).build()?;
/// let (loss, _grad) = LambdaLoss.reduced(&lists, Reduction::default())?;
/// assert!(loss > 0.0);
/// # Ok::<(), lipo::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct PromptVotes<P, N> {
    prompts: Vec<Prompt<P, N>>,
}

/// A prompt, the names of its responses, and the votes on them.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Prompt<P, N> {
    /// Its name.
    pub name: P,
    /// The names of its responses, of which the comparisons have the numbers.
    pub responses: Vec<N>,
    /// The votes.
    pub comparisons: Comparisons,
}

/// ψ of many prompts, in ragged lists: what [`Lists::ragged`](crate::Lists::ragged) takes.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct RaggedLabels<F, P, N> {
    /// ψ of all responses, one prompt's after another's.
    pub psi: Array1<F>,
    /// The number K of responses to each prompt.
    pub sizes: Vec<usize>,
    /// The names of the prompts.
    pub prompts: Vec<P>,
    /// The names of the responses, as ψ stand.
    pub responses: Vec<N>,
    /// The prompts, by their places in `prompts`, whose ψ are the fallback's, and why the estimator had
    /// none.
    pub fallbacks: Vec<(usize, Error)>,
    /// The prompts that have no ψ, and why: they are in none of the lists above.
    pub failures: Vec<(P, Error)>,
}

impl<P: Eq + Hash + Clone, N: Eq + Hash + Clone> PromptVotes<P, N> {
    /// Counts records (prompt, response shown first, response shown second, outcome, weight).
    ///
    /// Votes that name their winner, or have a column for each outcome, become outcomes by
    /// [`Outcome::of_winner`] and [`Outcome::of_one_hot`].
    ///
    /// # Errors
    ///
    /// [`Error::OutOfRange`] for a response compared with itself or a weight below 0,
    /// [`Error::NotFinite`] for a weight that is not finite, their index the place of the record.
    pub fn from_records(
        records: impl IntoIterator<Item = (P, N, N, Outcome, f64)>,
    ) -> Result<Self, Error> {
        let mut numbers: HashMap<P, usize> = HashMap::new();
        let mut counting: Vec<Counting<P, N>> = Vec::new();
        for (place, (prompt, first, second, outcome, weight)) in records.into_iter().enumerate() {
            let number = *numbers.entry(prompt).or_insert_with_key(|prompt| {
                counting.push(Counting::new(prompt.clone()));
                counting.len() - 1
            });
            let prompt = &mut counting[number];
            let (first, second) = (prompt.number(first), prompt.number(second));
            prompt.places.push(place);
            prompt.records.push(Comparison::new(first, second, outcome).weight(weight));
        }
        let prompts: Result<_, _> = counting.into_iter().map(Counting::count).collect();
        Ok(Self { prompts: prompts? })
    }

    /// The prompts.
    #[must_use]
    pub fn prompts(&self) -> &[Prompt<P, N>] {
        &self.prompts
    }

    /// ψ of each prompt by an estimator, or, where that has none, by a fallback: an estimator that has
    /// one for any votes, such as [`BradleyTerry`](super::BradleyTerry) with a [`Prior`](super::Prior)
    /// and half-wins for ties.
    ///
    /// Nothing is silent: the prompts that took the fallback, and those without any ψ, stand in the
    /// result with the reason.
    #[must_use]
    pub fn labels<F: Real>(
        &self,
        estimator: &dyn Estimator,
        fallback: Option<&dyn Estimator>,
    ) -> RaggedLabels<F, P, N> {
        let mut psi = Vec::new();
        let mut labels = RaggedLabels {
            psi: Array1::zeros(0),
            sizes: Vec::new(),
            prompts: Vec::new(),
            responses: Vec::new(),
            fallbacks: Vec::new(),
            failures: Vec::new(),
        };
        for Prompt { name, responses, comparisons } in &self.prompts {
            let fit = match (estimator.fit(comparisons), fallback) {
                (Ok(fit), _) => Ok(fit),
                (Err(error), None) => Err(error),
                (Err(error), Some(fallback)) => fallback.fit(comparisons).inspect(|_| {
                    labels.fallbacks.push((labels.prompts.len(), error));
                }),
            };
            match fit {
                Ok(fit) => {
                    psi.extend(fit.labels::<F>());
                    labels.sizes.push(responses.len());
                    labels.prompts.push(name.clone());
                    labels.responses.extend(responses.iter().cloned());
                }
                Err(error) => labels.failures.push((name.clone(), error)),
            }
        }
        labels.psi = Array1::from(psi);
        labels
    }
}

/// A prompt whose votes are being read.
struct Counting<P, N> {
    name: P,
    responses: Vec<N>,
    numbers: HashMap<N, usize>,
    records: Vec<Comparison>,
    /// Where each record stands among those of all prompts.
    places: Vec<usize>,
}

impl<P, N: Eq + Hash + Clone> Counting<P, N> {
    fn new(name: P) -> Self {
        let (responses, numbers) = (Vec::new(), HashMap::new());
        Self { name, responses, numbers, records: Vec::new(), places: Vec::new() }
    }

    /// The number of a response; a new name gets the next one.
    fn number(&mut self, name: N) -> usize {
        *self.numbers.entry(name).or_insert_with_key(|name| {
            self.responses.push(name.clone());
            self.responses.len() - 1
        })
    }

    fn count(self) -> Result<Prompt<P, N>, Error> {
        let Self { name, responses, records, places, .. } = self;
        let mut result = Comparisons::from_records(responses.len(), records);
        if let Err(Error::OutOfRange { index, .. } | Error::NotFinite { index, .. }) = &mut result {
            for place in index {
                *place = places[*place];
            }
        }
        Ok(Prompt { name, responses, comparisons: result? })
    }
}
