//! Reading votes from a table of text.

use std::collections::HashMap;
use std::error::Error;
use std::str;

use csv::{ByteRecord, Reader, ReaderBuilder, Trim};
use lipo::labels::{Comparison, Comparisons, Outcome};

use crate::{Anything, Args};

/// The votes of one group, and the names of the items that they compare.
#[derive(Default)]
pub struct Votes {
    /// The prompt that the items answer; empty where all votes are one group.
    pub prompt: String,
    pub names: Vec<String>,
    numbers: HashMap<String, usize>,
    pub records: Vec<Comparison>,
}

/// The votes of each prompt, or of all together where no column names prompts.
pub fn read(text: &[u8], args: &Args) -> Anything<Vec<Votes>> {
    let (mut reader, delimiter, columns) = open(text, args)?;
    let width = reader.byte_headers()?.len();
    let (mut groups, mut record) = (Groups::default(), ByteRecord::new());
    loop {
        let start = reader.position().byte();
        let wrong = |what| format!("line {}: {what}", line_of_record(text, start));
        let read = reader.read_byte_record(&mut record);
        let raw = between(text, start, reader.position().byte());
        let vote = match read {
            Ok(false) if groups.votes.is_empty() => return Err("there are no votes".into()),
            Ok(false) => return Ok(groups.votes),
            Ok(true) if !args.no_quotes && has_stray_quote(raw, delimiter) => {
                let problem = "a field begins with a quote that does not end it";
                Err(format!("{problem} (if quotes are characters as others are, say --no-quotes)"))
            }
            Ok(true) if record.len() == width => groups.push(&record, &columns, args),
            Ok(true) => Err(format!("{} fields under {width} columns", record.len())),
            Err(error) => Err(error.to_string()),
        };
        vote.map_err(wrong)?;
    }
}

/// A reader past the header, with the delimiter under which all columns are there.
fn open<'a>(text: &'a [u8], args: &Args) -> Anything<(Reader<&'a [u8]>, u8, Columns)> {
    let reader = |delimiter| {
        // Records of another length are told from `read`, with the line they stand in.
        let mut builder = ReaderBuilder::new();
        builder.flexible(true).trim(Trim::All).quoting(!args.no_quotes);
        builder.delimiter(delimiter).from_reader(text)
    };
    let candidates = args.delimiter.map_or(vec![b',', b'\t', b';', b'|'], |given| vec![given]);
    let mut problem = (0, "there is no header".to_owned());
    for delimiter in candidates {
        let mut reader = reader(delimiter);
        let header = reader.byte_headers()?;
        match Columns::find(header, args) {
            Ok(columns) => return Ok((reader, delimiter, columns)),
            // The delimiter that makes the most of the header is likely the right one.
            Err(missing) if header.len() > problem.0 => problem = (header.len(), missing),
            Err(_) => {}
        }
    }
    Err(problem.1.into())
}

/// Where the columns that are read stand.
struct Columns {
    left: usize,
    right: usize,
    winner: Winner,
    prompt: Option<usize>,
    weight: Option<usize>,
}

/// How a line says who won.
enum Winner {
    /// By a word or a name in this column.
    Named(usize),
    /// By a 1 in one of these columns: the first won, the second won and, if there is one, a tie.
    OneHot(Vec<usize>),
}

impl Columns {
    fn find(header: &ByteRecord, args: &Args) -> Result<Self, String> {
        let names: Vec<_> = header.iter().map(String::from_utf8_lossy).collect();
        let column = |name: &String| {
            let place = names.iter().position(|field| field == name);
            place.ok_or_else(|| format!("no column {name:?}, but {names:?}"))
        };
        let winner = match args.one_hot.len() {
            0 => Winner::Named(column(&args.winner)?),
            2 | 3 => Winner::OneHot(args.one_hot.iter().map(column).collect::<Result<_, _>>()?),
            count => return Err(format!("--one-hot has {count} columns, not two or three")),
        };
        Ok(Self {
            left: column(&args.left)?,
            right: column(&args.right)?,
            winner,
            prompt: args.prompt.as_ref().map(column).transpose()?,
            weight: args.weight.as_ref().map(column).transpose()?,
        })
    }
}

/// The votes of each prompt, in the order of the prompts' first votes.
#[derive(Default)]
struct Groups {
    numbers: HashMap<String, usize>,
    votes: Vec<Votes>,
}

impl Groups {
    /// Adds the vote of a record to its group.
    fn push(&mut self, record: &ByteRecord, columns: &Columns, args: &Args) -> Result<(), String> {
        let left = name(record, columns.left)?;
        let right = name(record, columns.right)?;
        let prompt = columns.prompt.map_or(Ok(""), |column| name(record, column))?;
        let outcome = columns.winner.outcome(record, [left, right], args)?;
        if left == right {
            return Err(format!("{left:?} is compared with itself"));
        }
        let weight = columns.weight.map_or(Ok(1.0), |column| weight(field(record, column)?))?;

        let number = number_of(prompt, &mut self.numbers);
        if number == self.votes.len() {
            self.votes.push(Votes { prompt: prompt.to_owned(), ..Votes::default() });
        }
        let votes = &mut self.votes[number];
        let [first, second] = [left, right].map(|name| votes.number(name));
        votes.records.push(Comparison::new(first, second, outcome).weight(weight));
        Ok(())
    }
}

impl Winner {
    fn outcome(
        &self,
        record: &ByteRecord,
        [left, right]: [&str; 2],
        args: &Args,
    ) -> Result<Outcome, String> {
        let outcomes = [Outcome::First, Outcome::Second, Outcome::Tie];
        let column = match self {
            Self::Named(column) => *column,
            Self::OneHot(columns) => {
                let flags = columns.iter().map(|&column| flag(field(record, column)?));
                let flags: Vec<bool> = flags.collect::<Result<_, _>>()?;
                let set = outcomes.iter().zip(&flags).filter(|(_, set)| **set);
                return match (set.clone().count(), set.map(|(outcome, _)| *outcome).next()) {
                    (1, Some(outcome)) => Ok(outcome),
                    (0, _) if flags.len() == 2 => Ok(Outcome::Tie),
                    (count, _) => Err(format!("{count} of the columns of --one-hot are 1")),
                };
            }
        };
        let word = field(record, column)?;
        let words = |given: &[String], default: &str, column: &str| {
            let is = |known: &str| known.eq_ignore_ascii_case(word);
            if given.is_empty() { is(default) || is(column) } else { given.iter().any(|g| is(g)) }
        };
        let by_word = [
            words(&args.left_wins, "left", &args.left),
            words(&args.right_wins, "right", &args.right),
            args.tie.iter().any(|tie| tie.eq_ignore_ascii_case(word)),
        ];
        let by_name = [word == left, word == right, false];
        let of = |says: [bool; 3]| outcomes.into_iter().zip(says).find(|(_, says)| *says);
        match (of(by_word), of(by_name)) {
            (Some((word, _)), None) => Ok(word),
            (None, Some((name, _))) => Ok(name),
            (Some((by_word, _)), Some((by_name, _))) if by_word == by_name => Ok(by_word),
            (None, None) => Err(format!("{word:?} says of no winner, nor is it one of the two")),
            _ => Err(format!(
                "{word:?} is the name of one of the two, and a word for something else: give other \
                 words (--left-wins, --right-wins, --tie)"
            )),
        }
    }
}

impl Votes {
    /// The number of an item; new ones get the next.
    fn number(&mut self, name: &str) -> usize {
        let number = number_of(name, &mut self.numbers);
        if number == self.names.len() {
            self.names.push(name.to_owned());
        }
        number
    }

    pub fn comparisons(&self) -> Result<Comparisons, lipo::Error> {
        Comparisons::from_records(self.names.len(), self.records.iter().copied())
    }

    /// The number of votes on each item.
    pub fn counts(&self) -> Vec<usize> {
        let mut counts = vec![0; self.names.len()];
        for vote in &self.records {
            counts[vote.first] += 1;
            counts[vote.second] += 1;
        }
        counts
    }

    /// An error that names items, not their numbers.
    pub fn with_names(&self, error: &lipo::Error) -> Box<dyn Error> {
        let prompt = match &*self.prompt {
            "" => String::new(),
            prompt => format!("prompt {prompt:?}: "),
        };
        let (lipo::Error::Unconnected { parts } | lipo::Error::Separable { parts }) = error else {
            return format!("{prompt}{error}").into();
        };
        let text = error.to_string();
        let what = text.split(':').next().unwrap_or_default();
        let mut text = format!("{prompt}{what} (--prior 1 would make strengths finite):");
        for part in parts {
            let names: Vec<&str> = part.iter().map(|&item| &*self.names[item]).collect();
            text.push_str("\n  ");
            text.push_str(&names.join(", "));
        }
        text.into()
    }
}

/// The number of a name; new names get the next one.
fn number_of(name: &str, numbers: &mut HashMap<String, usize>) -> usize {
    if let Some(&number) = numbers.get(name) {
        return number;
    }
    let number = numbers.len();
    numbers.insert(name.to_owned(), number);
    number
}

/// A field that is read, and so must be UTF-8.
fn field(record: &ByteRecord, column: usize) -> Result<&str, String> {
    str::from_utf8(&record[column]).map_err(|_| format!("column {} is not UTF-8", column + 1))
}

/// A field that names something.
fn name(record: &ByteRecord, column: usize) -> Result<&str, String> {
    match field(record, column)? {
        "" => Err(format!("nothing is named in column {}", column + 1)),
        name => Ok(name),
    }
}

fn flag(field: &str) -> Result<bool, String> {
    let number = field.parse::<f64>().ok();
    match (number, &*field.to_ascii_lowercase()) {
        (_, "true") => Ok(true),
        (_, "false") => Ok(false),
        (Some(number), _) if number == 0.0 || number == 1.0 => Ok(number == 1.0),
        _ => Err(format!("{field:?} is neither 0 nor 1")),
    }
}

fn weight(field: &str) -> Result<f64, String> {
    let weight: Result<f64, _> = field.parse();
    let weight = weight.map_err(|_| format!("the weight {field:?} is no number"))?;
    let fine = weight.is_finite() && weight >= 0.0;
    fine.then_some(weight).ok_or_else(|| format!("the weight {weight} is not finite and ≥ 0"))
}

/// The bytes from one position to another.
fn between(text: &[u8], start: u64, end: u64) -> &[u8] {
    let place = |position| usize::try_from(position).unwrap_or(usize::MAX).min(text.len());
    &text[place(start)..place(end)]
}

/// Whether a quote begins a field and does not end it: then the field may have taken in lines that are
/// votes of their own. Text that has quotes as characters, as many files with tabs have, is full of them.
fn has_stray_quote(record: &[u8], delimiter: u8) -> bool {
    let (mut at, mut field_begins) = (0, true);
    while at < record.len() {
        let byte = record[at];
        at += 1;
        if byte != b'"' || !field_begins {
            field_begins = byte == delimiter || byte == b'\n';
            continue;
        }
        // To the end of the quoted part, in which two quotes stand for one.
        loop {
            match record[at..].iter().position(|&byte| byte == b'"') {
                None => return true,
                Some(place) if record.get(at + place + 1) == Some(&b'"') => at += place + 2,
                Some(place) => {
                    at += place + 1;
                    break;
                }
            }
        }
        at += record[at..].iter().take_while(|&&byte| byte == b' ' && byte != delimiter).count();
        if record.get(at).is_some_and(|&next| next != delimiter && next != b'\n') {
            return true;
        }
        field_begins = false;
    }
    false
}

/// The line of the record that is read from `start` on, blank lines being passed over.
fn line_of_record(text: &[u8], start: u64) -> usize {
    let start = usize::try_from(start).unwrap_or(usize::MAX).min(text.len());
    let blank = text[start..].iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
    text[..start + blank].split(|&byte| byte == b'\n').count()
}
