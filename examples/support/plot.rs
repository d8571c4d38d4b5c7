//! Line plots and bar charts with intervals, as SVG files.
//!
//! [`lines`] draws panels of lines side by side, with error bars or bands, and [`bars`] groups of
//! horizontal bars. Lines are named beside their ends, where the eye is, in Okabe and Ito's colours,
//! which colour-blind people can tell apart; each colour has a marker of its own as well.

use std::error::Error;
use std::ops::Range;
use std::path::Path;

use plotters::coord::Shift;
use plotters::coord::ranged1d::{DefaultFormatting, KeyPointHint, Ranged};
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::stats::Interval;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Panels of lines that share a name have its colour and marker in all of them.
#[derive(Debug, Clone, Default)]
pub struct Panel {
    pub title: String,
    pub x_label: String,
    pub y_label: String,
    pub x_scale: Scale,
    /// Where the x axis has ticks; at round numbers where none are given.
    pub x_ticks: Vec<f64>,
    /// The y axis's ends; the data's where there are none.
    pub y_range: Option<(f64, f64)>,
    pub lines: Vec<Line>,
    /// A level to compare with, and its name.
    pub reference: Option<(f64, String)>,
    pub spread: Spread,
}

#[derive(Debug, Clone, Default)]
pub struct Line {
    pub name: String,
    /// x and y; what is not finite is left out.
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
    /// No intervals: markers alone.
    Hidden,
}

/// A horizontal bar: bars of one `group` stand together, those of one `name` have one colour.
#[derive(Debug, Clone)]
pub struct Bar {
    pub group: String,
    pub name: String,
    pub value: Interval,
}

const COLOURS: [RGBColor; 7] = [
    RGBColor(0, 114, 178),   // blue
    RGBColor(230, 159, 0),   // orange
    RGBColor(0, 158, 115),   // bluish green
    RGBColor(204, 121, 167), // reddish purple
    RGBColor(86, 180, 233),  // sky blue
    RGBColor(60, 60, 60),    // nearly black
    RGBColor(213, 94, 0),    // vermilion
];
const INK: RGBColor = RGBColor(40, 40, 40);
const FAINT: RGBColor = RGBColor(225, 225, 225);
const PANEL: (u32, u32) = (600, 420);
const COLUMNS: usize = 3;
const TITLE: u32 = 48;
const TEXT: u32 = 14;
/// A letter of `TEXT`'s size is about this wide; nothing here knows the viewer's fonts.
const LETTER: f64 = 7.2;

/// Panels of lines under a title, up to three side by side.
pub fn lines(path: &Path, title: &str, panels: &[Panel]) -> Result<()> {
    let mut names: Vec<&str> = Vec::new();
    for line in panels.iter().flat_map(|panel| &panel.lines) {
        if !names.contains(&&*line.name) {
            names.push(&line.name);
        }
    }
    let columns = panels.len().clamp(1, COLUMNS);
    let rows = panels.len().div_ceil(columns).max(1);
    let size = (PANEL.0 * u32::try_from(columns)?, PANEL.1 * u32::try_from(rows)? + TITLE);
    let root = SVGBackend::new(path, size).into_drawing_area();
    let below = titled(&root, title)?;
    for (area, panel) in below.split_evenly((rows, columns)).iter().zip(panels) {
        draw_panel(area, panel, &names)?;
    }
    Ok(root.present()?)
}

fn titled<'a>(root: &Area<'a>, title: &str) -> Result<Area<'a>> {
    root.fill(&WHITE)?;
    let (head, below) = root.split_vertically(TITLE);
    head.draw(&Text::new(title.to_owned(), (24, 18), text(20)))?;
    Ok(below)
}

fn draw_panel(area: &Area<'_>, panel: &Panel, names: &[&str]) -> Result<()> {
    let (low, high) = y_range(panel);
    let along = |x: f64| if panel.x_scale == Scale::Log { x.log10() } else { x };
    let points = || panel.lines.iter().flat_map(|line| &line.points);
    let x_low = points().map(|&(x, _)| along(x)).fold(f64::INFINITY, f64::min);
    let x_high = points().map(|&(x, _)| along(x)).fold(f64::NEG_INFINITY, f64::max);
    let (x_low, x_high) =
        if x_low < x_high { (x_low, x_high) } else { (x_low - 0.5, x_high + 0.5) };
    let (x_low, x_high) = if x_low.is_finite() { (x_low, x_high) } else { (0.0, 1.0) };
    let room = if panel.spread == Spread::Bands { 0.0 } else { 0.06 * (x_high - x_low) };

    let x_ticks = match &panel.x_ticks[..] {
        [] => ticks(x_low, x_high),
        given => given.iter().map(|&x| along(x)).collect(),
    };

    // Names stand to the right of the axes.
    let reference = panel.reference.iter().map(|(_, name)| name);
    let names_shown = panel.lines.iter().map(|line| &line.name).chain(reference);
    let longest = names_shown.map(|name| name.chars().count()).max().unwrap_or(0);
    let mut chart = ChartBuilder::on(area)
        .caption(&panel.title, text(16))
        .margin(10)
        .margin_right(46.0 + LETTER * longest as f64)
        .x_label_area_size(48)
        .y_label_area_size(64)
        .build_cartesian_2d(
            TickedAxis { axis: (x_low - room..x_high + room).into(), ticks: x_ticks },
            low..high,
        )?;
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
        .axis_style(RGBColor(150, 150, 150))
        .label_style(text(TEXT))
        .axis_desc_style(text(TEXT))
        .draw()?;

    let (left, top) = area.get_base_pixel();
    let right = chart.backend_coord(&(x_high + room, low)).0 - left;
    let mut to_name = Vec::new();
    if let Some((level, name)) = &panel.reference {
        let ends = [(x_low - room, *level), (x_high + room, *level)];
        chart.draw_series(DashedLineSeries::new(ends, 6, 4, INK.stroke_width(1)))?;
        let (x, y) = chart.backend_coord(&ends[1]);
        to_name.push(Name { end: (x - left, y - top), style: None, text: name });
    }

    for (index, line) in panel.lines.iter().enumerate() {
        let style = names.iter().position(|name| *name == line.name).unwrap_or(index);
        let colour = COLOURS[style % COLOURS.len()];
        let apart = match panel.spread {
            Spread::Bars => {
                let share = (index as f64 + 0.5) / panel.lines.len() as f64 - 0.5;
                share * room * 1.4
            }
            Spread::BarsInPlace | Spread::Bands | Spread::Hidden => 0.0,
        };
        let finite = |&&(x, y): &&(f64, Interval)| x.is_finite() && y.mean.is_finite();
        let shown = |&(x, y): &(f64, Interval)| (along(x) + apart, y);
        let points: Vec<_> = line.points.iter().filter(finite).map(shown).collect();
        if panel.spread == Spread::Bands {
            let there = points.iter().map(|&(x, y)| (x, y.high));
            let back = points.iter().rev().map(|&(x, y)| (x, y.low));
            let band: Vec<_> = there.chain(back).collect();
            chart.draw_series([Polygon::new(band, colour.mix(0.15).filled())])?;
        }
        let means: Vec<_> = points.iter().map(|&(x, y)| (x, y.mean)).collect();
        chart.draw_series(LineSeries::new(means.clone(), colour.stroke_width(2)))?;
        if matches!(panel.spread, Spread::Bars | Spread::BarsInPlace) {
            chart.draw_series(points.iter().map(|&(x, y)| {
                PathElement::new([(x, y.low), (x, y.high)], colour.stroke_width(1))
            }))?;
        }
        if panel.spread != Spread::Bands {
            for at in &means {
                let (x, y) = chart.backend_coord(at);
                mark(area, style, (x - left, y - top), colour)?;
            }
        }
        if let Some(last) = means.last() {
            let (x, y) = chart.backend_coord(last);
            to_name.push(Name { end: (x - left, y - top), style: Some(style), text: &line.name });
        }
    }
    if panel.spread == Spread::BarsInPlace {
        // Lines end anywhere: their names are a list.
        for (index, name) in (0..).zip(to_name.iter_mut().filter(|name| name.style.is_some())) {
            name.end = (right, 60 + index * APART);
        }
    }
    draw_names(area, right, to_name)
}

/// What a line is called, and where it ends.
struct Name<'a> {
    end: (i32, i32),
    /// None for the reference, which needs no marker.
    style: Option<usize>,
    text: &'a str,
}

/// The least distance of two names.
const APART: i32 = 18;

/// Names right of the axes, each beside its line's end, moved up or down where they would overlap.
fn draw_names(area: &Area<'_>, right: i32, mut names: Vec<Name<'_>>) -> Result<()> {
    names.sort_by_key(|name| name.end.1);
    // Overlapping names become a block around the mean of their places; blocks may meet and merge.
    let mut blocks: Vec<(f64, f64)> = Vec::new(); // the sum of the places, and the count
    let first = |&(sum, count): &(f64, f64)| sum / count - f64::from(APART) * (count - 1.0) / 2.0;
    for name in &names {
        let mut block = (f64::from(name.end.1), 1.0);
        while let Some(above) = blocks.last() {
            if first(above) + f64::from(APART) * above.1 <= first(&block) {
                break;
            }
            block = (block.0 + above.0, block.1 + above.1);
            blocks.pop();
        }
        blocks.push(block);
    }
    let places = blocks.iter().flat_map(|block| {
        #[allow(clippy::cast_possible_truncation)] // pixels
        let (first, count) = (first(block).round() as i32, block.1 as i32);
        (0..count).map(move |index| first + index * APART)
    });
    let label = text(TEXT).pos(Pos::new(HPos::Left, VPos::Center));
    for (Name { end, style, text }, y) in names.into_iter().zip(places) {
        let colour = style.map_or(INK, |style| COLOURS[style % COLOURS.len()]);
        if end != (right, y) {
            let leader = [(end.0 + 6, end.1), (right + 14, y), (right + 18, y)];
            area.draw(&PathElement::new(leader, colour.mix(0.6).stroke_width(1)))?;
        }
        if let Some(style) = style {
            mark(area, style, (right + 24, y), colour)?;
        }
        let x = right + if style.is_some() { 34 } else { 20 };
        area.draw(&Text::new(text, (x, y), label.clone()))?;
    }
    Ok(())
}

/// Horizontal bars from 0 with their intervals and figures, in groups from top to bottom.
pub fn bars(
    path: &Path,
    title: &str,
    x_label: &str,
    bars: &[Bar],
    reference: Option<(f64, &str)>,
) -> Result<()> {
    const BAR: u32 = 22;
    const GAP: u32 = 16;
    let (mut groups, mut names): (Vec<&str>, Vec<&str>) = (Vec::new(), Vec::new());
    for bar in bars {
        if !groups.contains(&&*bar.group) {
            groups.push(&bar.group);
        }
        if !names.contains(&&*bar.name) {
            names.push(&bar.name);
        }
    }
    let named = names.len() > 1;
    // Rows from the top: where each bar starts, and the middle of each group.
    let (mut y, mut places, mut middles) = (GAP, Vec::new(), Vec::new());
    for group in &groups {
        let start = y;
        for bar in bars.iter().filter(|bar| bar.group == **group) {
            places.push((bar, y));
            y += BAR;
        }
        middles.push((*group, f64::from(start + y) / 2.0));
        y += GAP;
    }
    let legend = if named { 30 } else { 0 };
    let root = SVGBackend::new(path, (760, TITLE + legend + y + 70)).into_drawing_area();
    let mut below = titled(&root, title)?;
    if named {
        let (head, rest) = below.split_vertically(legend);
        let mut x = 24;
        for (style, name) in names.iter().enumerate() {
            let colour = COLOURS[style % COLOURS.len()];
            head.draw(&Rectangle::new([(x, 8), (x + 14, 22)], colour.filled()))?;
            let label = text(TEXT).pos(Pos::new(HPos::Left, VPos::Center));
            head.draw(&Text::new((*name).to_owned(), (x + 20, 15), label))?;
            #[allow(clippy::cast_possible_truncation)] // pixels
            let advance = (LETTER * name.chars().count() as f64) as i32;
            x += 44 + advance;
        }
        below = rest;
    }
    let longest = groups.iter().map(|group| group.chars().count()).max().unwrap_or(0);
    let finite = bars.iter().map(|bar| bar.value.high).filter(|high| high.is_finite());
    let greatest = finite.fold(reference.map_or(0.0, |(level, _)| level), f64::max);
    let mut chart = ChartBuilder::on(&below)
        .margin(10)
        .margin_right(70)
        .x_label_area_size(48)
        .y_label_area_size(24.0 + LETTER * longest as f64)
        .build_cartesian_2d(0.0..(greatest * 1.02).max(f64::MIN_POSITIVE), f64::from(y)..0.0)?;
    let x_text = |x: &f64| number(*x);
    chart
        .configure_mesh()
        .x_desc(x_label)
        .x_label_formatter(&x_text)
        .disable_y_mesh()
        .disable_y_axis()
        .light_line_style(TRANSPARENT)
        .bold_line_style(FAINT)
        .axis_style(RGBColor(150, 150, 150))
        .label_style(text(TEXT))
        .axis_desc_style(text(TEXT))
        .draw()?;
    for (bar, top) in places {
        let style = names.iter().position(|name| *name == bar.name).unwrap_or(0);
        let colour = COLOURS[style % COLOURS.len()];
        let (top, bottom) = (f64::from(top) + 2.0, f64::from(top + BAR) - 2.0);
        let Interval { mean, low, high } = bar.value;
        if !mean.is_finite() {
            continue;
        }
        chart.draw_series([Rectangle::new(
            [(0.0, top), (mean, bottom)],
            colour.mix(0.8).filled(),
        )])?;
        let middle = f64::midpoint(top, bottom);
        let whisker = [(low, middle), (high, middle)];
        chart.draw_series([PathElement::new(whisker, INK.stroke_width(2))])?;
        let label = text(13).pos(Pos::new(HPos::Left, VPos::Center));
        let figure = |x: f64| if greatest > 10.0 { format!("{x:.1}") } else { format!("{x:.3}") };
        let beside =
            EmptyElement::at((high.max(mean), middle)) + Text::new(figure(mean), (8, 0), label);
        chart.draw_series([beside])?;
    }
    if let Some((level, name)) = reference {
        let ends = [(level, 0.0), (level, f64::from(y))];
        chart.draw_series(DashedLineSeries::new(ends, 6, 4, INK.stroke_width(1)))?;
        let label = text(13).pos(Pos::new(HPos::Right, VPos::Top));
        let beside = EmptyElement::at(ends[0]) + Text::new(name.to_owned(), (-6, 0), label);
        chart.draw_series([beside])?;
    }
    let (left, top) = below.get_base_pixel();
    for (group, middle) in middles {
        let (x, y) = chart.backend_coord(&(0.0, middle));
        let label = text(TEXT).pos(Pos::new(HPos::Right, VPos::Center));
        below.draw(&Text::new(group.to_owned(), (x - left - 8, y - top), label))?;
    }
    Ok(root.present()?)
}

fn y_range(panel: &Panel) -> (f64, f64) {
    if let Some(range) = panel.y_range {
        return range;
    }
    let points = panel.lines.iter().flat_map(|line| &line.points);
    let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
    for y in points.flat_map(|(_, y)| [y.low, y.high, y.mean]).filter(|y| y.is_finite()) {
        (low, high) = (low.min(y), high.max(y));
    }
    if let Some((level, _)) = &panel.reference {
        (low, high) = (low.min(*level), high.max(*level));
    }
    if low > high {
        return (0.0, 1.0);
    }
    let room = if high > low { 0.07 * (high - low) } else { 0.5 };
    (low - room, high + room)
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

/// A marker at a pixel; each colour has its own.
fn mark(area: &Area<'_>, style: usize, (x, y): (i32, i32), colour: RGBColor) -> Result<()> {
    let fill = colour.filled();
    let polygon = |points: &[(i32, i32)]| {
        Polygon::new(points.iter().map(|(dx, dy)| (x + dx, y + dy)).collect::<Vec<_>>(), fill)
    };
    match style % COLOURS.len() {
        0 => area.draw(&Circle::new((x, y), 4, fill)),
        1 => area.draw(&Rectangle::new([(x - 4, y - 4), (x + 4, y + 4)], fill)),
        2 => area.draw(&polygon(&[(0, -5), (5, 4), (-5, 4)])),
        3 => area.draw(&polygon(&[(0, 5), (5, -4), (-5, -4)])),
        4 => area.draw(&polygon(&[(0, -6), (6, 0), (0, 6), (-6, 0)])),
        5 => area.draw(&Cross::new((x, y), 4, colour.stroke_width(2))),
        _ => area.draw(&polygon(&[(-2, -5), (2, -5), (5, 0), (2, 5), (-2, 5), (-5, 0)])),
    }?;
    Ok(())
}
