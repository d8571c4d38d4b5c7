//! The features of documents, in as little memory as they need.

use std::collections::HashMap;

use ndarray::Array2;

/// A table of numbers: a row a document, a column a feature.
///
/// An entry is kept in single precision as the difference from the first document's. So a feature that
/// never varies is exactly 0, and one that varies little about a large number, as a date does, keeps its
/// digits. Rows are kept in blocks: a table that grows in one piece needs twice its memory.
#[derive(Debug, Clone, Default)]
pub struct Features {
    /// The column of each feature, by the feature's number in the files.
    columns: HashMap<usize, usize>,
    /// The value of each column in the first document.
    first: Vec<f64>,
    /// Whether a feature without a column is passed over, and does not get one.
    fixed: bool,
    blocks: Vec<Block>,
    documents: usize,
}

/// Rows one after another, with the columns that were known when the block began.
#[derive(Debug, Clone)]
struct Block {
    /// The number of the first row, and the number of rows.
    start: usize,
    rows: usize,
    columns: usize,
    values: Vec<f32>,
}

/// The rows of a block.
const ROWS: usize = 1024;

impl Features {
    /// A table without rows for other documents, with the same columns: of what the documents of this one
    /// do not have, nothing can be learnt.
    pub fn empty_alike(&self) -> Self {
        let (columns, first) = (self.columns.clone(), self.first.clone());
        Self { columns, first, fixed: true, ..Self::default() }
    }

    pub fn columns(&self) -> usize {
        self.first.len()
    }

    /// Adds a document by the numbers and values of its features; what is left out is 0.
    pub fn push(&mut self, document: &[(usize, f64)]) -> Result<(), String> {
        for &(number, value) in document {
            let next = self.columns.len();
            if !self.fixed && !self.columns.contains_key(&number) {
                single(number, value, value)?;
                self.columns.insert(number, next);
                self.first.push(if self.documents == 0 { value } else { 0.0 });
            }
        }
        let (columns, start) = (self.columns(), self.documents);
        let fits = |block: &Block| block.columns == columns && block.rows < ROWS;
        if !self.blocks.last().is_some_and(fits) {
            if let Some(last) = self.blocks.last_mut() {
                last.values.shrink_to_fit();
            }
            let values = Vec::with_capacity(ROWS * columns);
            self.blocks.push(Block { start, rows: 0, columns, values });
        }
        let block = self.blocks.last_mut().expect("one that fits");
        #[allow(clippy::cast_possible_truncation)] // rounding is what it is for
        block.values.extend(self.first.iter().map(|&first| -first as f32));
        let row = &mut block.values[block.rows * columns..];
        for &(number, value) in document {
            if let Some(&column) = self.columns.get(&number) {
                row[column] = single(number, value, value - self.first[column])?;
            }
        }
        block.rows += 1;
        self.documents += 1;
        Ok(())
    }

    /// Gives every row all columns, in the order of the features' numbers.
    pub fn finish(&mut self) {
        let mut numbers: Vec<(usize, usize)> = self.columns.iter().map(|(&n, &c)| (n, c)).collect();
        numbers.sort_unstable();
        let in_order = numbers.iter().zip(0..).all(|(&(_, column), place)| column == place);
        for block in &mut self.blocks {
            if in_order && block.columns == numbers.len() {
                block.values.shrink_to_fit();
                continue;
            }
            let mut values = Vec::with_capacity(block.rows * numbers.len());
            for row in 0..block.rows {
                let row = &block.values[row * block.columns..][..block.columns];
                // A feature that appeared later is 0 here, as it is in the first document.
                let entry = |&(_, column): &(usize, usize)| row.get(column).copied().unwrap_or(0.0);
                values.extend(numbers.iter().map(entry));
            }
            (block.values, block.columns) = (values, numbers.len());
        }
        self.first = numbers.iter().map(|&(_, column)| self.first[column]).collect();
        self.columns =
            numbers.iter().zip(0..).map(|(&(number, _), place)| (number, place)).collect();
    }

    /// Gives each feature mean 0 and variance 1 over these documents, and does the same to `others`; a
    /// feature that never varies becomes 0. Returns how many features vary.
    pub fn standardise(&mut self, others: &mut Self) -> usize {
        let columns = self.columns();
        let average = |blocks: &[Block], of: &dyn Fn(f64, usize) -> f64| {
            let mut sums = vec![0.0; columns];
            for block in blocks {
                for row in block.iter() {
                    for (column, (sum, &x)) in sums.iter_mut().zip(row).enumerate() {
                        *sum += of(f64::from(x), column);
                    }
                }
            }
            sums.iter().map(|sum| sum / self.documents as f64).collect::<Vec<f64>>()
        };
        let means = average(&self.blocks, &|x, _| x);
        let variances = average(&self.blocks, &|x, column| (x - means[column]).powi(2));
        let scale = |variance: &f64| if *variance > 0.0 { variance.sqrt().recip() } else { 0.0 };
        let scales: Vec<f64> = variances.iter().map(scale).collect();
        for block in self.blocks.iter_mut().chain(&mut others.blocks) {
            for row in block.values.chunks_exact_mut(columns.max(1)) {
                for (x, (mean, scale)) in row.iter_mut().zip(means.iter().zip(&scales)) {
                    #[allow(clippy::cast_possible_truncation)] // rounding is what it is for
                    let standard = ((f64::from(*x) - mean) * scale) as f32;
                    *x = standard;
                }
            }
        }
        scales.iter().filter(|&&scale| scale > 0.0).count()
    }

    /// The rows of the given documents.
    pub fn rows(&self, documents: &[usize]) -> Array2<f64> {
        let mut rows = Array2::zeros((documents.len(), self.columns()));
        for (mut row, &document) in rows.rows_mut().into_iter().zip(documents) {
            let block = self.blocks.partition_point(|block| block.start <= document) - 1;
            let block = &self.blocks[block];
            let values = block.row(document - block.start);
            row.iter_mut().zip(values).for_each(|(x, &value)| *x = f64::from(value));
        }
        rows
    }

    /// All rows, some hundreds at a time.
    pub fn blocks(&self) -> impl Iterator<Item = Array2<f64>> {
        self.blocks.iter().map(|block| {
            let shape = (block.rows, block.columns);
            let values = block.values.iter().map(|&x| f64::from(x)).collect();
            Array2::from_shape_vec(shape, values).expect("rows of one length")
        })
    }
}

impl Block {
    fn row(&self, row: usize) -> &[f32] {
        &self.values[row * self.columns..][..self.columns]
    }

    fn iter(&self) -> impl Iterator<Item = &[f32]> {
        (0..self.rows).map(|row| self.row(row))
    }
}

/// A number in single precision, which must have room for it.
fn single(feature: usize, value: f64, kept: f64) -> Result<f32, String> {
    #[allow(clippy::cast_possible_truncation)] // rounding is what it is for
    let single = kept as f32;
    let problem = || format!("feature {feature}: {value:e} is too large for single precision");
    if single.is_finite() { Ok(single) } else { Err(problem()) }
}
