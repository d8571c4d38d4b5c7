//! Text tables that are Markdown as well, and CSV files.

use std::error::Error;
use std::path::Path;

use comfy_table::{CellAlignment, Table, presets::ASCII_MARKDOWN};
use serde::Serialize;

use super::stats::Interval;

/// A table whose first column reads from the left and whose others are figures, as Markdown.
pub fn markdown<H: ToString, C: ToString>(
    header: &[H],
    rows: impl IntoIterator<Item = Vec<C>>,
) -> String {
    let mut table = Table::new();
    table.load_style(ASCII_MARKDOWN).set_header(header.iter().map(ToString::to_string));
    table.add_rows(rows.into_iter().map(|row| row.iter().map(C::to_string).collect::<Vec<_>>()));
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.to_string()
}

/// A share as per cent with half its interval: `61.3 ± 1.8`.
pub fn percent(share: Interval) -> String {
    let share = share.scaled(100.0);
    format!("{:.1} ± {:.1}", share.mean, share.margin())
}

/// Writes records as CSV, the fields' names first.
pub fn write_csv<T: Serialize>(
    path: &Path,
    records: impl IntoIterator<Item = T>,
) -> Result<(), Box<dyn Error>> {
    let in_words = |error: csv::Error| format!("{}: {error}", path.display());
    let mut writer = csv::Writer::from_path(path).map_err(in_words)?;
    for record in records {
        writer.serialize(record).map_err(in_words)?;
    }
    Ok(writer.flush()?)
}
