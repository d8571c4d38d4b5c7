//! A list of ranked responses, read from a line of JSON.

use std::fmt::Display;

use lipo::scores::{ImplicitReward, Responses, RewardExt};
use lipo::{Lists, Real, labels, labels::WinProbabilities};
use ndarray::{Array0, Array1, Array2, Ix0, Ix1, arr0};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

/// `f32` or `f64`, read from JSON and written to it.
pub trait Number: Real + Default + DeserializeOwned + Serialize {}
impl Number for f32 {}
impl Number for f64 {}

/// A line: each number stays as it stands until the mask says whether it must be one.
#[derive(Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
struct Record<'a> {
    #[serde(default, deserialize_with = "given")]
    scores: Option<Vec<&'a RawValue>>,
    #[serde(default, deserialize_with = "given")]
    policy_logps: Option<Vec<&'a RawValue>>,
    #[serde(default, deserialize_with = "given")]
    ref_logps: Option<Vec<&'a RawValue>>,
    #[serde(default, deserialize_with = "given")]
    labels: Option<Vec<&'a RawValue>>,
    #[serde(default, deserialize_with = "given")]
    ranks: Option<Vec<&'a RawValue>>,
    #[serde(default, deserialize_with = "given")]
    win_probabilities: Option<Vec<&'a RawValue>>,
    #[serde(default, deserialize_with = "given")]
    mask: Option<Vec<bool>>,
    #[serde(default, deserialize_with = "given")]
    weights: Option<Vec<&'a RawValue>>,
    #[serde(default, deserialize_with = "given")]
    weight: Option<&'a RawValue>,
}

/// `Option` by itself would take null for a field that is missing.
fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(json: D) -> Result<Option<T>, D::Error> {
    T::deserialize(json).map(Some)
}

/// A list as the losses take it.
pub struct List<F> {
    scores: Array1<F>,
    /// The field to name where a score is wrong.
    scores_from: &'static str,
    labels: Array1<F>,
    mask: Array1<bool>,
    weights: Array1<F>,
    weight: Array0<F>,
}

impl<F: Number> List<F> {
    /// The list of a line of JSON, in which Python's numbers that are not finite may be overwritten.
    pub fn read(line: &mut [u8], reward: ImplicitReward) -> Result<Self, String> {
        let list = Record::parse(line).and_then(|record| record.into_list(reward));
        if list.is_err() && put_stand_ins(line) {
            return Record::parse(line).and_then(|record| record.into_list(reward));
        }
        list
    }

    /// The number of responses, masked ones among them.
    pub fn len(&self) -> usize {
        self.scores.len()
    }

    pub fn lists(&self) -> Result<Lists<'_, F, Ix1, Ix0>, lipo::Error> {
        let lists = Lists::dense(&self.scores, &self.labels).mask(&self.mask);
        lists.weights(&self.weights).list_weights(&self.weight).build()
    }

    /// The library's error in the names of the fields.
    pub fn in_words(&self, error: &lipo::Error) -> String {
        in_words::<F>(error, self.scores_from)
    }
}

impl<'a> Record<'a> {
    fn parse(line: &'a [u8]) -> Result<Self, String> {
        match line.trim_ascii_start().first() {
            Some(b'{') => {}
            Some(b'[') => {
                // serde would take the array's entries for the fields.
                let problem =
                    "an array, not a JSON object: every list is an object on a line of its own";
                return Err(format!("{problem} (`jq -c '.[]'` makes them of an array of objects)"));
            }
            _ => return Err("not a JSON object".into()),
        }
        serde_json::from_slice(line).map_err(|error| {
            if error.is_eof() {
                let problem = "the JSON object does not end on this line, as it must";
                return format!("{problem} (`jq -c .` puts pretty-printed JSON on one line)");
            }
            // Once more, slower, to learn in which field it is.
            let json = &mut serde_json::Deserializer::from_slice(line);
            let tracked = serde_path_to_error::deserialize::<_, Self>(json);
            let path = tracked.err().map(|error| error.path().to_string());
            let field = path.filter(|path| path != ".").map(|path| path + ": ").unwrap_or_default();
            format!("{field}{} (column {})", message(&error), error.column())
        })
    }

    fn into_list<F: Number>(self, reward: ImplicitReward) -> Result<List<F>, String> {
        let (scores_from, scores) =
            one_of([("scores", &self.scores), ("policy_logps", &self.policy_logps)])?;
        let (labels_from, labels) = one_of([
            ("labels", &self.labels),
            ("ranks", &self.ranks),
            ("win_probabilities", &self.win_probabilities),
        ])?;
        if self.policy_logps.is_some() != self.ref_logps.is_some() {
            return Err("policy_logps and ref_logps: one needs the other".into());
        }
        let size = scores.len();
        let mask = Array1::from(self.mask.unwrap_or_else(|| vec![true; size]));
        check_length("mask", mask.len(), size)?;
        let in_words = |error| in_words::<F>(&error, scores_from);

        let mut scores = numbers(scores_from, scores, &mask)?;
        if let Some(reference) = self.ref_logps {
            let reference = numbers("ref_logps", &reference, &mask)?;
            let responses = Responses::new(&scores, &reference).mask(&mask);
            scores = reward.scores_over(&responses).map_err(in_words)?;
        }
        let labels = match labels_from {
            "win_probabilities" => {
                check_length(labels_from, labels.len(), size)?;
                let mut wins = Array2::zeros((size, size));
                for k in (0..size).filter(|&k| mask[k]) {
                    let place = format!("{labels_from}[{k}]");
                    let row = parse::<Vec<_>>(&place, labels[k])?;
                    wins.row_mut(k).assign(&numbers(&place, &row, &mask)?);
                }
                WinProbabilities::new(&wins).mask(&mask).labels().map_err(in_words)?
            }
            "ranks" => {
                let (ranks, mut psi) = (numbers("ranks", labels, &mask)?, Array1::zeros(size));
                labels::from_ranks_into(&ranks, Some(&mask), &mut psi).map_err(in_words)?;
                psi
            }
            _ => numbers("labels", labels, &mask)?,
        };
        let weights = match self.weights {
            Some(weights) => numbers("weights", &weights, &mask)?,
            None => Array1::ones(size),
        };
        let weight = self.weight.map_or(Ok(F::one()), |weight| parse("weight", weight))?;
        Ok(List { scores, scores_from, labels, mask, weights, weight: arr0(weight) })
    }
}

/// The one field that is given, and its entries.
fn one_of<'r, 'a, const N: usize>(
    fields: [(&'static str, &'r Option<Vec<&'a RawValue>>); N],
) -> Result<(&'static str, &'r [&'a RawValue]), String> {
    let given = fields.iter().filter_map(|&(name, entries)| Some((name, entries.as_deref()?)));
    let (given, entries): (Vec<_>, Vec<_>) = given.unzip();
    match (&given[..], &entries[..]) {
        (&[field], &[entries]) => Ok((field, entries)),
        ([], _) => Err(format!("{}: missing", fields.map(|(name, _)| name).join(" or "))),
        _ => Err(format!("{}: only one may be given", given.join(" and "))),
    }
}

/// The entries of the responses that exist, and 0 in place of whatever the others have.
fn numbers<F: Number>(
    field: &str,
    entries: &[&RawValue],
    mask: &Array1<bool>,
) -> Result<Array1<F>, String> {
    check_length(field, entries.len(), mask.len())?;
    let mut numbers = Array1::zeros(mask.len());
    for k in (0..mask.len()).filter(|&k| mask[k]) {
        numbers[k] = parse(format_args!("{field}[{k}]"), entries[k])?;
    }
    Ok(numbers)
}

fn check_length(field: &str, length: usize, size: usize) -> Result<(), String> {
    if length == size {
        return Ok(());
    }
    Err(format!("{field}: length {length} in a list of {size} responses"))
}

fn parse<'a, T: Deserialize<'a>>(place: impl Display, json: &'a RawValue) -> Result<T, String> {
    let json = json.get();
    if let Some((name, _)) = STAND_INS.iter().find(|(_, stand_in)| *stand_in == json) {
        return Err(format!("{place}: {name} is not finite; only a masked response may have it"));
    }
    serde_json::from_str(json).map_err(|error| format!("{place}: {}", message(&error)))
}

/// The message of serde_json in the words of JSON, without the place at its end: serde_json counts one line only.
fn message(error: &serde_json::Error) -> String {
    let end = format!(" at line {} column {}", error.line(), error.column());
    let mut message = error.to_string().replace("expected a sequence", "expected an array");
    for (name, stand_in) in STAND_INS {
        message = message.replace(&format!("string {:?}", stand_in.trim_matches('"')), name);
    }
    message.strip_suffix(&end).unwrap_or(&message).to_owned()
}

/// The numbers that Python writes and JSON does not have, and strings of the same length that take their
/// place: so a line is JSON, and columns stay what they are. No text has such strings (of the character
/// DEL), and each tells by its length what it stands for.
const STAND_INS: [(&str, &str); 3] = [
    ("NaN", "\"\x7f\""),
    ("Infinity", "\"\x7f\x7f\x7f\x7f\x7f\x7f\""),
    ("-Infinity", "\"\x7f\x7f\x7f\x7f\x7f\x7f\x7f\""),
];

/// Puts them in the place of the numbers that are values; returns whether there were any.
fn put_stand_ins(line: &mut [u8]) -> bool {
    let (mut found, mut at, mut in_string) = (false, 0, false);
    while at < line.len() {
        let value = |(name, _): &&(&str, &str)| {
            let after = line[at..].strip_prefix(name.as_bytes());
            after.is_some_and(|after| matches!(after.trim_ascii_start(), [b',' | b']' | b'}', ..]))
        };
        match line[at] {
            b'"' => in_string = !in_string,
            b'\\' if in_string => at += 1,
            _ if in_string => {}
            _ => {
                if let Some((_, stand_in)) = STAND_INS.iter().find(value) {
                    line[at..at + stand_in.len()].copy_from_slice(stand_in.as_bytes());
                    (found, at) = (true, at + stand_in.len() - 1);
                }
            }
        }
        at += 1;
    }
    found
}

/// The library's error in the names of the fields.
fn in_words<F: Number>(error: &lipo::Error, scores_from: &str) -> String {
    use lipo::Error::{NotFinite, OutOfRange, Spread};
    let place = |what, index: &[usize]| {
        let field = match what {
            "policy log-probabilities" => "policy_logps",
            "reference log-probabilities" => "ref_logps",
            "win probabilities" => "win_probabilities",
            "list weights" => "weight",
            "scores" => scores_from,
            other => other,
        };
        index.iter().fold(field.to_owned(), |place, index| format!("{place}[{index}]"))
    };
    match error {
        OutOfRange { what, index, value, range } => {
            format!("{}: {:?} is not {range}", place(what, index), F::narrow(*value))
        }
        // JSON cannot say so: it is what became of log-probabilities.
        NotFinite { what, index, value } => format!("{}: its score is {value}", place(what, index)),
        Spread { least, greatest, .. } => {
            let (least, greatest) = (F::narrow(*least), F::narrow(*greatest));
            format!("{scores_from}: the scores {greatest:?} and {least:?} are too far apart")
        }
        other => other.to_string(),
    }
}
