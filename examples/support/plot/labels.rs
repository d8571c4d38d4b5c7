//! Texts of a panel that must not hide each other: the names of its lines, and labels beside points.

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::style::Style;
use super::{Area, INK, LETTER, Result, TEXT, text};

/// The name of a line, and the place where the line ends.
pub struct Name<'a> {
    pub end: (i32, i32),
    /// None for the reference, whose line is dashed.
    pub style: Option<Style>,
    /// Whether the line has markers.
    pub marked: bool,
    pub text: &'a str,
}

/// The least distance of two names.
const APART: i32 = 18;

/// Names right of the axes, each behind a sample of its line. As a list, or each beside its line's end,
/// moved up or down where names would overlap.
pub fn draw_names(
    area: &Area<'_>,
    right: i32,
    mut names: Vec<Name<'_>>,
    as_list: bool,
) -> Result<()> {
    let places = if as_list {
        names.sort_by_key(|name| name.style.is_none()); // the reference is the last
        let below = (0..).map(|index| 60 + index * APART);
        names.iter().zip(below).map(|(_, y)| y).collect()
    } else {
        names.sort_by_key(|name| name.end.1);
        places_beside_ends(&names)
    };
    let label = text(TEXT).pos(Pos::new(HPos::Left, VPos::Center));
    for (Name { end, style, marked, text }, y) in names.into_iter().zip(places) {
        let colour = style.map_or(INK, Style::colour);
        if !as_list && end != (right, y) {
            let leader = [(end.0 + 6, end.1), (right + 14, y), (right + 18, y)];
            area.draw(&PathElement::new(leader, colour.mix(0.6).stroke_width(1)))?;
        }
        let pieces: &[_] = if style.is_some() { &[(18, 34)] } else { &[(18, 24), (28, 34)] };
        let thick = if style.is_some() { 2 } else { 1 };
        for (from, to) in pieces {
            let piece = [(right + from, y), (right + to, y)];
            area.draw(&PathElement::new(piece, colour.stroke_width(thick)))?;
        }
        if let (Some(style), true) = (style, marked) {
            style.mark(area, (right + 26, y))?;
        }
        area.draw(&Text::new(text, (right + 40, y), label.clone()))?;
    }
    Ok(())
}

/// The y of each name, near its line's end. Overlapping names become a block around the mean of their
/// places; blocks that meet become one.
fn places_beside_ends(names: &[Name<'_>]) -> Vec<i32> {
    let mut blocks: Vec<(f64, f64)> = Vec::new(); // the sum of the places, and the count
    let first = |&(sum, count): &(f64, f64)| sum / count - f64::from(APART) * (count - 1.0) / 2.0;
    for name in names {
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
    let of_block = |block: &(f64, f64)| {
        #[allow(clippy::cast_possible_truncation)] // pixels
        let (first, count) = (first(block).round() as i32, block.1 as i32);
        (0..count).map(move |index| first + index * APART)
    };
    blocks.iter().flat_map(of_block).collect()
}

/// Labels beside points, each where it hides the least of the points and of the labels before it.
pub fn draw_point_labels(
    area: &Area<'_>,
    right: i32,
    labels: &[((i32, i32), &str, RGBColor)],
) -> Result<()> {
    const SIZE: u32 = 10;
    const HEIGHT: i32 = 10;
    const MARKER: i32 = 5;
    let around = |(x, y): (i32, i32)| [x - MARKER, y - MARKER, x + MARKER, y + MARKER];
    let mut boxes: Vec<[i32; 4]> = labels.iter().map(|&(at, ..)| around(at)).collect();
    for &((x, y), label, colour) in labels {
        let letter = LETTER * f64::from(SIZE) / f64::from(TEXT);
        #[allow(clippy::cast_possible_truncation)] // pixels
        let width = (letter * label.chars().count() as f64).ceil() as i32;
        let places = [6, 14, 24].into_iter().flat_map(|away| {
            let (beside, over) = (x - width / 2, y - HEIGHT / 2);
            [
                (beside, y - away - HEIGHT),
                (beside, y + away),
                (x + away, over),
                (x - away - width, over),
                (x + away - 2, y - away - HEIGHT + 3),
                (x - away - width + 2, y - away - HEIGHT + 3),
                (x + away - 2, y + away - 3),
                (x - away - width + 2, y + away - 3),
            ]
        });
        let of_place = |(x, y): (i32, i32)| [x, y, x + width, y + HEIGHT];
        let inside = |place: &[i32; 4]| place[2] <= right;
        let hidden =
            |place: &[i32; 4]| boxes.iter().map(|other| overlap(place, other)).sum::<i32>();
        let place = places.map(of_place).filter(inside).min_by_key(hidden);
        let Some(place) = place else { continue };
        let style = ("sans-serif", SIZE).into_font().color(&colour);
        let style = style.pos(Pos::new(HPos::Left, VPos::Center));
        area.draw(&Text::new(label.to_owned(), (place[0], place[1] + HEIGHT / 2), style))?;
        boxes.push(place);
    }
    Ok(())
}

/// The area that two boxes [left, top, right, bottom] share.
fn overlap(a: &[i32; 4], b: &[i32; 4]) -> i32 {
    let width = a[2].min(b[2]) - a[0].max(b[0]);
    let height = a[3].min(b[3]) - a[1].max(b[1]);
    width.max(0) * height.max(0)
}
