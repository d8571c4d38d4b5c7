//! Horizontal bars.

use std::path::Path;

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::super::stats::Interval;
use super::style::styles;
use super::{AXIS, Bar, FAINT, INK, LETTER, Result, TEXT, TITLE, number, text, titled};

const WIDTH: u32 = 760;

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
    const OPACITY: f64 = 0.8;
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
    let style = styles(names.iter().copied());
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
    let (legend, legend_height) = if named { legend(&names) } else { (Vec::new(), 0) };
    let root = SVGBackend::new(path, (WIDTH, TITLE + legend_height + y + 70)).into_drawing_area();
    let (head, below) = titled(&root, title)?.split_vertically(legend_height);
    for (name, x, y) in legend {
        // As pale as the bars are.
        let fill = style(name).colour().mix(OPACITY).filled();
        head.draw(&Rectangle::new([(x, y), (x + 14, y + 14)], fill))?;
        let label = text(TEXT).pos(Pos::new(HPos::Left, VPos::Center));
        head.draw(&Text::new(name.to_owned(), (x + 20, y + 7), label))?;
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
        .axis_style(AXIS)
        .label_style(text(TEXT))
        .axis_desc_style(text(TEXT))
        .draw()?;
    for (bar, top) in places {
        let colour = style(&bar.name).colour();
        let (top, bottom) = (f64::from(top) + 2.0, f64::from(top + BAR) - 2.0);
        let Interval { mean, low, high } = bar.value;
        if !mean.is_finite() {
            continue;
        }
        chart.draw_series([Rectangle::new(
            [(0.0, top), (mean, bottom)],
            colour.mix(OPACITY).filled(),
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

/// The left and upper corner of each name in the legend, in as many rows as the names need, and the
/// legend's height.
fn legend<'a>(names: &[&'a str]) -> (Vec<(&'a str, i32, i32)>, u32) {
    const ROW: u32 = 22;
    const MARGIN: u32 = 24;
    let (mut x, mut y, mut places) = (MARGIN, 8, Vec::new());
    for name in names {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // pixels
        let advance = 44 + (LETTER * name.chars().count() as f64) as u32;
        if x > MARGIN && x + advance > WIDTH {
            (x, y) = (MARGIN, y + ROW);
        }
        places.push((*name, x.cast_signed(), y.cast_signed()));
        x += advance;
    }
    (places, y + ROW)
}
