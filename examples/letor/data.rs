//! Reading documents and their queries from files.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::str;

use ndarray::Array1;

use crate::Anything;
use crate::features::Features;
use crate::support::text::{self, Lines};

/// Documents with their features and grades, query after query.
#[derive(Clone, Debug)]
pub struct Queries {
    pub features: Features,
    pub grades: Array1<f64>,
    /// The number of documents of each query.
    pub sizes: Vec<usize>,
}

impl Queries {
    /// The queries of a file, whose sizes are in the file `groups` where there is one.
    pub fn read(path: &Path, groups: Option<&Path>) -> Anything<Self> {
        Self::read_with(Features::default(), path, groups)
    }

    /// The queries of a file, with the features that the documents of these queries have.
    pub fn read_alike(&self, path: &Path, groups: Option<&Path>) -> Anything<Self> {
        Self::read_with(self.features.empty_alike(), path, groups)
    }

    fn read_with(mut features: Features, path: &Path, groups: Option<&Path>) -> Anything<Self> {
        let (mut grades, mut sizes) = (Vec::new(), Vec::new());
        let (mut seen, mut last) = (HashSet::new(), None);
        let mut entries = Vec::new();
        for_each_line(path, |line| {
            let Some((grade, query)) = parse(line, &mut entries)? else { return Ok(()) };
            if !grades.is_empty() && query.is_some() != last.is_some() {
                return Err("some lines have a qid and some have none".into());
            }
            match (query, sizes.last_mut()) {
                (None, _) => {}
                (query, Some(size)) if query == last.as_deref() => *size += 1,
                (Some(query), _) => {
                    if !seen.insert(query.to_owned()) {
                        let problem = "was there before, with others in between";
                        return Err(format!("qid:{query} {problem}"));
                    }
                    last = Some(query.to_owned());
                    sizes.push(1);
                }
            }
            features.push(&entries)?;
            grades.push(grade);
            Ok(())
        })?;
        features.finish();
        if grades.is_empty() {
            return Err(format!("{}: no documents", path.display()).into());
        }
        if let Some(groups) = groups {
            sizes = read_sizes(groups, grades.len())?;
        } else if last.is_none() {
            sizes = read_sizes(&sizes_beside(path)?, grades.len())?;
        }
        Ok(Self { features, grades: grades.into(), sizes })
    }

    /// The number of the first document of each query.
    pub fn starts(&self) -> Vec<usize> {
        let sizes = self.sizes.iter();
        let starts = sizes.scan(0, |end, size| {
            *end += size;
            Some(*end - size)
        });
        starts.collect()
    }
}

/// The grade and the query of a line, whose features are put into `entries` in the order of their
/// numbers; None where there is nothing but space and a comment. A comment may have any bytes.
fn parse<'a>(
    line: &'a [u8],
    entries: &mut Vec<(usize, f64)>,
) -> Result<Option<(f64, Option<&'a str>)>, String> {
    let line = line.split(|&byte| byte == b'#').next().unwrap_or_default();
    let line = str::from_utf8(line).map_err(|error| {
        let column = error.valid_up_to() + 1;
        format!("the bytes from column {column} on are not UTF-8, and not in a comment")
    })?;
    let mut fields = line.split_whitespace().peekable();
    let Some(grade) = fields.next() else { return Ok(None) };
    let grade = number(grade).map_err(|error| format!("grade {error}"))?;
    if grade < 0.0 {
        return Err(format!("grade {grade} is negative"));
    }
    let query = fields.next_if(|field| field.starts_with("qid:"));
    let query = query.map(|field| &field["qid:".len()..]);

    entries.clear();
    for field in fields {
        let (index, value) = field
            .split_once(':')
            .ok_or_else(|| format!("{field:?} is not a feature's number and value, as in 3:0.5"))?;
        let index: usize = index
            .parse()
            .map_err(|_| format!("{index:?} is not the number of a feature (in {field:?})"))?;
        let value = number(value).map_err(|error| format!("feature {index}: {error}"))?;
        entries.push((index, value));
    }
    if !entries.is_sorted_by_key(|&(index, _)| index) {
        entries.sort_by_key(|&(index, _)| index);
    }
    match entries.windows(2).find(|two| two[0].0 == two[1].0) {
        Some(twice) => Err(format!("feature {} is there twice", twice[0].0)),
        None => Ok(Some((grade, query))),
    }
}

fn number(text: &str) -> Result<f64, String> {
    let number: f64 = text.parse().map_err(|_| format!("{text:?} is not a number"))?;
    if number.is_finite() { Ok(number) } else { Err(format!("{text:?} is not finite")) }
}

/// The file of sizes beside a file of documents: as LightGBM names it, or XGBoost.
fn sizes_beside(path: &Path) -> Anything<PathBuf> {
    let names = ["query", "group"].map(|suffix| format!("{}.{suffix}", path.display()));
    match names.iter().map(PathBuf::from).find(|file| file.exists()) {
        Some(file) => Ok(file),
        None => Err(format!(
            "{}: no qid, and no sizes of queries in {} or {}",
            path.display(),
            names[0],
            names[1]
        )
        .into()),
    }
}

/// The sizes of queries, one a line, which must add up to the number of documents.
fn read_sizes(path: &Path, documents: usize) -> Anything<Vec<usize>> {
    let mut sizes = Vec::new();
    for_each_line(path, |line| {
        let text = String::from_utf8_lossy(line.trim_ascii());
        if !text.is_empty() {
            sizes.push(text.parse().map_err(|_| format!("{text:?} is not a size"))?);
        }
        Ok(())
    })?;
    let total = sizes.iter().fold(0_usize, |sum, &size| sum.saturating_add(size));
    if total != documents {
        let path = path.display();
        return Err(format!("{path}: sizes add up to {total}, of {documents} documents").into());
    }
    Ok(sizes)
}

/// Calls `each` with every line of a file; an error names the file and the line.
fn for_each_line(path: &Path, mut each: impl FnMut(&[u8]) -> Result<(), String>) -> Anything<()> {
    let named = |error| format!("{}: {error}", path.display());
    let opened = text::open(path).and_then(|(input, _)| Lines::new(input));
    let mut lines = opened.map_err(named)?;
    while let Some(line) = lines.next().map_err(named)? {
        let result = each(line);
        let number = lines.number();
        result.map_err(|problem| format!("{}: line {number}: {problem}", path.display()))?;
    }
    Ok(())
}
