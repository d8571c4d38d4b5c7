//! Line plots and bar charts with intervals, as SVG files.
//!
//! [`lines`] and [`grid`] draw panels of lines side by side, with error bars or bands, and [`bars`] groups of
//! horizontal bars. Lines are named beside their ends, where the eye is. A loss has one colour and one
//! marker in all pictures, and panels whose axes have the same label have the same range, so that
//! they can be compared by eye.

use std::error::Error;

use plotters::coord::Shift;
use plotters::prelude::*;

use super::stats::Interval;

mod bars;
mod labels;
mod lines;
mod style;

pub use bars::bars;
pub use lines::{grid, lines};

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// One pair of axes and the lines in it.
#[derive(Debug, Clone, Default)]
pub struct Panel {
    pub title: String,
    /// Panels of a picture that have the same label and scale here have the same range.
    pub x_label: String,
    /// Panels of a picture that have the same label here have the same range.
    pub y_label: String,
    pub x_scale: Scale,
    /// Where the x axis has ticks; at round numbers where none are given.
    pub x_ticks: Vec<f64>,
    /// The y axis's ends; the data's where there are none.
    pub y_range: Option<(f64, f64)>,
    pub lines: Vec<Line>,
    /// The text beside the nth point of every line, such as the parameter that made it; may be empty.
    pub point_labels: Vec<String>,
    /// A level to compare with, and its name.
    pub reference: Option<(f64, String)>,
    pub spread: Spread,
}

#[derive(Debug, Clone, Default)]
pub struct Line {
    /// A loss's name gives the line the loss's colour and marker.
    pub name: String,
    /// x and y; a point that is not finite is left out.
    pub points: Vec<(f64, Interval)>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub enum Scale {
    #[default]
    Linear,
    /// All x are positive.
    Log,
}

/// How intervals are shown.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub enum Spread {
    /// Error bars and a marker at each point; lines stand a little apart in x so that bars do not
    /// hide each other.
    #[default]
    Bars,
    /// Error bars and a marker at each point, at its very x.
    BarsInPlace,
    /// A band around a line without markers, for long lines.
    Bands,
    /// For long lines whose intervals overlap: each line has one error bar and one marker, for its last
    /// point; the bars stand side by side after the lines' ends.
    Last,
    /// No intervals: markers alone.
    Hidden,
}

/// A horizontal bar: bars of one `group` stand together, bars of one `name` have one colour.
#[derive(Debug, Clone)]
pub struct Bar {
    pub group: String,
    pub name: String,
    pub value: Interval,
}

const INK: RGBColor = RGBColor(40, 40, 40);
const FAINT: RGBColor = RGBColor(225, 225, 225);
const AXIS: RGBColor = RGBColor(150, 150, 150);
const TITLE: u32 = 48;
const TEXT: u32 = 14;
/// A letter of `TEXT`'s size is about this wide; nothing here knows the viewer's fonts.
const LETTER: f64 = 7.2;

/// A white page with a title; returns the area below the title.
fn titled<'a>(root: &Area<'a>, title: &str) -> Result<Area<'a>> {
    root.fill(&WHITE)?;
    let (head, below) = root.split_vertically(TITLE);
    head.draw(&Text::new(title.to_owned(), (24, 18), text(20)))?;
    Ok(below)
}

fn text(size: u32) -> TextStyle<'static> {
    ("sans-serif", size).into_font().color(&INK)
}

/// A tick's text: as many digits as it needs, up to four.
fn number(x: f64) -> String {
    let rounded = format!("{x:.4}");
    let short = rounded.trim_end_matches('0').trim_end_matches('.');
    if short == "-0" { "0".into() } else { short.into() }
}
