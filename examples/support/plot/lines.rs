//! Panels of lines.

use std::ops::Range;
use std::path::Path;

use plotters::coord::ranged1d::{DefaultFormatting, KeyPointHint, Ranged};
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;

use super::super::stats::Interval;
use super::labels::{Name, draw_names, draw_point_labels};
use super::style::{Style, styles};
use super::{
    AXIS, Area, FAINT, INK, LETTER, Line, Panel, Result, Scale, Spread, TEXT, TITLE, number, text,
    titled,
};

const PANEL: (u32, u32) = (600, 420);
const COLUMNS: usize = 3;

/// Panels of lines under a title, up to three side by side.
pub fn lines(path: &Path, title: &str, panels: &[Panel]) -> Result<()> {
    grid(path, title, COLUMNS, panels)
}

/// Panels of lines under a title, up to `columns` side by side.
pub fn grid(path: &Path, title: &str, columns: usize, panels: &[Panel]) -> Result<()> {
    let names = panels.iter().flat_map(|panel| &panel.lines).map(|line| &*line.name);
    let style = styles(names);
    let columns = panels.len().clamp(1, columns);
    let rows = panels.len().div_ceil(columns).max(1);
    let size = (PANEL.0 * u32::try_from(columns)?, PANEL.1 * u32::try_from(rows)? + TITLE);
    let root = SVGBackend::new(path, size).into_drawing_area();
    let below = titled(&root, title)?;
    for (area, panel) in below.split_evenly((rows, columns)).iter().zip(panels) {
        draw_panel(area, panel, XAxis::of(panel, panels), y_range(panel, panels), &style)?;
    }
    Ok(root.present()?)
}

fn draw_panel(
    area: &Area<'_>,
    panel: &Panel,
    x_axis: XAxis,
    (low, high): (f64, f64),
    style: &impl Fn(&str) -> Style,
) -> Result<()> {
    let XAxis { low: x_low, high: x_high, before, after, ticks } = x_axis;
    let (x_first, x_last) = (x_low - before, x_high + after);

    // Names stand to the right of the axes.
    let reference = panel.reference.iter().map(|(_, name)| name);
    let names_shown = panel.lines.iter().map(|line| &line.name).chain(reference);
    let longest = names_shown.map(|name| name.chars().count()).max().unwrap_or(0);
    let mut chart = ChartBuilder::on(area)
        .caption(&panel.title, text(16))
        .margin(10)
        .margin_right(50.0 + LETTER * longest as f64)
        .x_label_area_size(48)
        .y_label_area_size(64)
        .build_cartesian_2d(TickedAxis { axis: (x_first..x_last).into(), ticks }, low..high)?;
    let x_text = |x: &f64| number(if panel.x_scale == Scale::Log { 10_f64.powf(*x) } else { *x });
    let y_text = |y: &f64| number(*y);
    chart
        .configure_mesh()
        .x_desc(&panel.x_label)
        .y_desc(&panel.y_label)
        .x_label_formatter(&x_text)
        .y_label_formatter(&y_text)
        .y_labels(8)
        .disable_x_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(FAINT)
        .axis_style(AXIS)
        .label_style(text(TEXT))
        .axis_desc_style(text(TEXT))
        .draw()?;

    let (left, top) = area.get_base_pixel();
    let right = chart.backend_coord(&(x_last, low)).0 - left;
    let mut names = Vec::new();
    if let Some((level, name)) = &panel.reference {
        let ends = [(x_first, *level), (x_last, *level)];
        chart.draw_series(DashedLineSeries::new(ends, 6, 4, INK.stroke_width(1)))?;
        let (x, y) = chart.backend_coord(&ends[1]);
        names.push(Name { end: (x - left, y - top), style: None, marked: false, text: name });
    }

    let mut labels = Vec::new();
    for (index, line) in panel.lines.iter().enumerate() {
        let style = style(&line.name);
        let colour = style.colour();
        let share = (index as f64 + 0.5) / panel.lines.len() as f64; // of the room for bars
        let apart = if panel.spread == Spread::Bars { (share - 0.5) * before * 1.4 } else { 0.0 };
        let finite = |(_, (x, y)): &(usize, (f64, Interval))| x.is_finite() && y.mean.is_finite();
        let points =
            line.points.iter().map(|&(x, y)| (panel.x_scale.along(x) + apart, y)).enumerate();
        let (numbers, points): (Vec<_>, Vec<_>) = points.filter(finite).unzip();
        if panel.spread == Spread::Bands {
            let there = points.iter().map(|&(x, y)| (x, y.high));
            let back = points.iter().rev().map(|&(x, y)| (x, y.low));
            let band: Vec<_> = there.chain(back).collect();
            chart.draw_series([Polygon::new(band, colour.mix(0.15).filled())])?;
        }
        let means: Vec<_> = points.iter().map(|&(x, y)| (x, y.mean)).collect();
        chart.draw_series(LineSeries::new(means.clone(), colour.stroke_width(2)))?;

        let after_end = points.last().map(|&(_, y)| (x_high + after * share, y));
        let marked: Vec<_> = match panel.spread {
            Spread::Bands => Vec::new(),
            Spread::Last => after_end.into_iter().collect(),
            Spread::Bars | Spread::BarsInPlace | Spread::Hidden => points,
        };
        if panel.spread != Spread::Hidden {
            chart.draw_series(marked.iter().map(|&(x, y)| {
                PathElement::new([(x, y.low), (x, y.high)], colour.stroke_width(1))
            }))?;
        }
        let pixel = |at: &(f64, f64)| {
            let (x, y) = chart.backend_coord(at);
            (x - left, y - top)
        };
        for (x, y) in &marked {
            style.mark(area, pixel(&(*x, y.mean)))?;
        }
        let last = marked.last().map(|&(x, y)| (x, y.mean)).or(means.last().copied());
        if let Some(last) = last {
            let marked = panel.spread != Spread::Bands;
            let end = pixel(&last);
            names.push(Name { end, style: Some(style), marked, text: &line.name });
        }
        for (number, at) in numbers.into_iter().zip(&means) {
            if let Some(label) = panel.point_labels.get(number) {
                labels.push((pixel(at), &**label, colour));
            }
        }
    }
    draw_point_labels(area, right, &labels)?;
    // Where lines end anywhere, their names are a list.
    draw_names(area, right, names, panel.spread == Spread::BarsInPlace)
}

/// The x axis of a panel, in the units in which it is even.
struct XAxis {
    /// The least and the greatest x of a point.
    low: f64,
    high: f64,
    /// Room before the least x and after the greatest.
    before: f64,
    after: f64,
    ticks: Vec<f64>,
}

impl XAxis {
    /// It has room for the points of all panels whose x axes have the same label and scale.
    fn of(panel: &Panel, panels: &[Panel]) -> Self {
        let along = |x: f64| panel.x_scale.along(x);
        let alike =
            |other: &&Panel| other.x_label == panel.x_label && other.x_scale == panel.x_scale;
        let points = || {
            let lines = panels.iter().filter(alike).flat_map(|panel| &panel.lines);
            lines.flat_map(|line| &line.points)
        };
        let low = points().map(|&(x, _)| along(x)).fold(f64::INFINITY, f64::min);
        let high = points().map(|&(x, _)| along(x)).fold(f64::NEG_INFINITY, f64::max);
        let (low, high) = if low < high { (low, high) } else { (low - 0.5, high + 0.5) };
        let (low, high) = if low.is_finite() { (low, high) } else { (0.0, 1.0) };
        let (before, after) = match panel.spread {
            Spread::Bands => (0.0, 0.0),
            Spread::Last => (0.0, 0.14),
            Spread::Bars | Spread::BarsInPlace | Spread::Hidden => (0.06, 0.06),
        };
        let ticks = match &panel.x_ticks[..] {
            [] => ticks(low, high),
            given => given.iter().map(|&x| along(x)).collect(),
        };
        Self { low, high, before: before * (high - low), after: after * (high - low), ticks }
    }
}

impl Scale {
    /// Where an x lies on the axis.
    fn along(self, x: f64) -> f64 {
        if self == Self::Log { x.log10() } else { x }
    }
}

/// The y axis of a panel: what it asks for, or what all panels of the same label need together.
fn y_range(panel: &Panel, panels: &[Panel]) -> (f64, f64) {
    if let Some(range) = panel.y_range {
        return range;
    }
    let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
    for panel in panels.iter().filter(|other| other.y_label == panel.y_label) {
        for (y_low, y_high) in panel.lines.iter().flat_map(|line| shown(line, panel.spread)) {
            (low, high) = (low.min(y_low), high.max(y_high));
        }
        if let Some((level, _)) = &panel.reference {
            (low, high) = (low.min(*level), high.max(*level));
        }
        if let Some((panel_low, panel_high)) = panel.y_range {
            (low, high) = (low.min(panel_low), high.max(panel_high));
        }
    }
    if low > high {
        return (0.0, 1.0);
    }
    let room = if high > low { 0.07 * (high - low) } else { 0.5 };
    (low - room, high + room)
}

/// The lowest and the highest y that is drawn of each point of a line.
fn shown(line: &Line, spread: Spread) -> impl Iterator<Item = (f64, f64)> {
    let last = line.points.len().saturating_sub(1);
    let of_point = move |(number, &(_, y)): (usize, &(f64, Interval))| {
        let bar = spread != Spread::Hidden && (spread != Spread::Last || number == last);
        let ends = if bar { [y.low, y.high] } else { [y.mean; 2] };
        let finite = ends.into_iter().chain([y.mean]).filter(|y| y.is_finite());
        finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), y| (low.min(y), high.max(y)))
    };
    line.points.iter().enumerate().map(of_point)
}

/// An axis whose ticks are given.
struct TickedAxis {
    axis: RangedCoordf64,
    ticks: Vec<f64>,
}

impl Ranged for TickedAxis {
    type FormatOption = DefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, limit: (i32, i32)) -> i32 {
        self.axis.map(value, limit)
    }

    fn key_points<H: KeyPointHint>(&self, _: H) -> Vec<f64> {
        self.ticks.clone()
    }

    fn range(&self) -> Range<f64> {
        self.axis.range()
    }
}

/// Round numbers within a range.
fn ticks(low: f64, high: f64) -> Vec<f64> {
    let rough = (high - low) / 5.0;
    let power = 10.0_f64.powf(rough.log10().floor());
    let round = [1.0, 2.0, 5.0].into_iter().find(|&round| round * power >= rough);
    let step = round.unwrap_or(10.0) * power;
    let first = (low / step).ceil();
    (0..12).map(|n| (first + f64::from(n)) * step).take_while(|&tick| tick <= high).collect()
}
