//! Colours and markers: Okabe and Ito's colours, which colour-blind people can tell apart, and a marker
//! of its own for each colour.

use plotters::prelude::*;

use super::super::named;
use super::{Area, Result};

const COLOURS: [RGBColor; 7] = [
    RGBColor(0, 114, 178),   // blue
    RGBColor(230, 159, 0),   // orange
    RGBColor(0, 158, 115),   // bluish green
    RGBColor(204, 121, 167), // reddish purple
    RGBColor(86, 180, 233),  // sky blue
    RGBColor(60, 60, 60),    // nearly black
    RGBColor(213, 94, 0),    // vermilion
];

/// A colour and its marker.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Style(usize);

/// The style of each name: a loss has the same one in every picture, whatever else is in it; other names
/// take the styles that are left over, in the order of their first appearance.
pub fn styles<'a>(names: impl IntoIterator<Item = &'a str>) -> impl Fn(&str) -> Style {
    let mut known: Vec<String> = Vec::new();
    for name in names {
        if !known.iter().any(|known| known == name) {
            known.push(name.to_owned());
        }
    }
    let place = |name: &str| named::LOSSES.iter().position(|loss| *loss == name);
    let of_loss = move |name: &str| Some(place(name)? % COLOURS.len());
    let taken: Vec<usize> = known.iter().filter_map(|name| of_loss(name)).collect();
    let mut free: Vec<usize> = (0..COLOURS.len()).filter(|style| !taken.contains(style)).collect();
    if free.is_empty() {
        free = (0..COLOURS.len()).collect();
    }
    known.retain(|name| of_loss(name).is_none());
    move |name| {
        let other = || known.iter().position(|known| known == name).unwrap_or(0);
        Style(of_loss(name).unwrap_or_else(|| free[other() % free.len()]))
    }
}

impl Style {
    pub fn colour(self) -> RGBColor {
        COLOURS[self.0]
    }

    /// The marker at a pixel.
    pub fn mark(self, area: &Area<'_>, (x, y): (i32, i32)) -> Result<()> {
        let colour = self.colour();
        let fill = colour.filled();
        let polygon = |points: &[(i32, i32)]| {
            Polygon::new(points.iter().map(|(dx, dy)| (x + dx, y + dy)).collect::<Vec<_>>(), fill)
        };
        match self.0 {
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
}
