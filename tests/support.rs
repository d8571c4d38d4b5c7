//! What the examples share: intervals, tables, files and pictures.

use std::fs;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use ndarray::{Array2, array};
use rand::{SeedableRng, rngs::StdRng};
use rand_distr::{Distribution, Normal};
use serde::Serialize;

#[path = "../examples/support/mod.rs"]
mod support;
use support::optim::Adam;
use support::plot::{self, Bar, Line, Panel, Scale, Spread};
use support::stats::{Interval, bootstrap, log_softmax, mean};
use support::table::{markdown, percent, write_csv};
use support::text::{Lines, Text};

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}

fn normals(count: usize, mean: f64, rng: &mut StdRng) -> Vec<f64> {
    let normal = Normal::new(mean, 1.0).expect("a positive deviation");
    (0..count).map(|_| normal.sample(rng)).collect()
}

/// Of n normal values the interval is the mean ± 1.96 standard errors; a thousand resamples know
/// their 2.5 % quantile within some per cent.
#[test]
fn an_interval_of_one_group_is_that_of_the_mean() {
    let values = normals(400, 3.0, &mut StdRng::seed_from_u64(1));
    let mean = values.iter().sum::<f64>() / 400.0;
    let variance = values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 400.0;
    let margin = 1.96 * (variance / 400.0).sqrt();
    let interval = bootstrap(&[values], 7);
    assert!((interval.mean - mean).abs() < 1e-12);
    assert!((interval.low - (mean - margin)).abs() < 0.15 * margin, "{interval:?}");
    assert!((interval.high - (mean + margin)).abs() < 0.15 * margin, "{interval:?}");
}

/// Groups that differ make the interval wide, however many values they have.
#[test]
fn an_interval_of_groups_covers_the_groups() {
    let mut rng = StdRng::seed_from_u64(2);
    let apart: Vec<_> =
        [-3.0, -1.0, 1.0, 3.0].map(|mean| normals(400, mean, &mut rng)).into_iter().collect();
    let together = vec![apart.concat()];
    let (apart, together) = (bootstrap(&apart, 0), bootstrap(&together, 0));
    assert!((apart.mean - together.mean).abs() < 1e-12);
    // The deviation of the groups' means is √5, of their mean √5 / 2.
    assert!((apart.margin() - 1.96 * 5.0_f64.sqrt() / 2.0).abs() < 0.4, "{apart:?}");
    assert!(together.margin() < 0.2, "{together:?}");
}

#[test]
fn intervals_of_little_are_what_they_can_be() {
    assert_eq!(bootstrap(&[vec![0.25; 9]], 0), Interval::exact(0.25));
    assert_eq!(bootstrap(&[vec![], vec![2.0]], 0), Interval::exact(2.0));
    assert!(bootstrap(&[], 0).mean.is_nan() && bootstrap(&[vec![]], 0).low.is_nan());
    let values = [vec![1.0, 2.0, 4.0]];
    assert_eq!(bootstrap(&values, 3), bootstrap(&values, 3));
}

#[test]
fn a_mean_of_nothing_is_not_a_number() {
    assert_eq!(mean(&[1.0, 2.0, 6.0]), 3.0);
    assert!(mean(&[]).is_nan());
}

/// Of rows whose exponentials would overflow or vanish as they stand, too.
#[test]
fn log_softmax_is_along_the_last_axis() {
    let log_2 = std::f64::consts::LN_2;
    let logits = array![[[1000.0, 1000.0], [-5.0, -5.0 + 3.0_f64.ln()]]];
    let log_probs = log_softmax(logits);
    let expected = array![[[-log_2, -log_2], [-2.0 * log_2, 0.75_f64.ln()]]];
    assert!(log_probs.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-12), "{log_probs}");
    assert_eq!(log_softmax(array![-3e4_f32]), array![0.0]);
}

/// The first step of Adam is the learning rate times the gradient's sign, and the second, after
/// gradients g and h, has the moments (0.09 g + 0.1 h) / 0.19 and (0.000999 g² + 0.001 h²) / 0.001999.
#[test]
fn steps_of_adam_are_the_papers() {
    let mut parameters = [array![[1.0, 2.0, 3.0]], Array2::zeros((0, 2))];
    let grad = |x: f64| [array![[x, -1e-3 * x, 0.0]], Array2::zeros((0, 2))];
    let mut adam = Adam::new(0.1);
    adam.step(&mut parameters, &grad(4.0));
    let close = |found: f64, expected: f64| {
        assert!((found - expected).abs() < 1e-6, "{found} where {expected} is expected");
    };
    close(parameters[0][[0, 0]], 0.9);
    close(parameters[0][[0, 1]], 2.1);
    assert_eq!(parameters[0][[0, 2]], 3.0);
    adam.step(&mut parameters, &grad(-2.0));
    let (first, second) = ((0.36 - 0.2) / 0.19, (0.015984 + 0.004) / 0.001999_f64);
    close(parameters[0][[0, 0]], 0.9 - 0.1 * first / second.sqrt());
}

#[test]
fn tables_are_markdown() {
    let share = Interval { mean: 0.613, low: 0.59, high: 0.626 };
    let rows = [vec!["softmax".to_owned(), percent(share)], vec!["λ".to_owned(), "-".to_owned()]];
    assert_eq!(
        markdown(&["loss", "wins, %"], rows),
        "| loss    |    wins, % |\n\
         |---------|------------|\n\
         | softmax | 61.3 ± 1.8 |\n\
         | λ       |          - |"
    );
}

#[test]
fn files_have_headers_and_errors_their_names() {
    #[derive(Serialize)]
    struct Record {
        loss: &'static str,
        value: f64,
    }
    let path = file("records.csv");
    write_csv(&path, [Record { loss: "a, b", value: 0.5 }]).expect("writable");
    assert_eq!(fs::read_to_string(&path).expect("written"), "loss,value\n\"a, b\",0.5\n");
    let nowhere = file("nowhere").join("records.csv");
    let error = write_csv(&nowhere, [0]).expect_err("no such directory").to_string();
    assert!(error.starts_with(&nowhere.display().to_string()), "{error}");
}

/// Bytes that come in pieces of the given size, as through a pipe.
fn in_pieces(bytes: &[u8], size: usize) -> BufReader<&[u8]> {
    BufReader::with_capacity(size, bytes)
}

fn lines_of(bytes: &[u8], size: usize) -> Vec<(u64, Vec<u8>)> {
    let mut lines = Lines::new(in_pieces(bytes, size)).expect("text");
    let mut found = Vec::new();
    while let Some(line) = lines.next().expect("readable") {
        let line = line.to_vec();
        found.push((lines.number(), line));
    }
    found
}

/// Whatever lines end in, and however the bytes are cut into pieces.
#[test]
fn lines_end_in_lf_crlf_or_cr() {
    for (text, expected) in [
        (&b""[..], &[][..]),
        (b"a", &["a"]),
        (b"a\nb\n", &["a", "b"]),
        (b"a\r\nb\r\n", &["a", "b"]),
        (b"a\rb\r", &["a", "b"]),
        (b"\r\n\n\r\rlong line\n\r", &["", "", "", "", "long line", ""]),
        (b"\xef\xbb\xbfa\r\n\xef\xbb\xbfb", &["a", "\u{feff}b"]),
        (b"\xef\xbb\xbf", &[]),
        (b"\xef\xbc\xa1", &["\u{ff21}"]), // not a mark, though it starts as one
    ] {
        for size in [1, 2, 3, 5, 100] {
            let found = lines_of(text, size);
            let lines: Vec<_> = found.iter().map(|(_, line)| &line[..]).collect();
            assert_eq!(lines, expected.iter().map(|line| line.as_bytes()).collect::<Vec<_>>());
            assert!(found.iter().zip(1..).all(|((number, _), expected)| *number == expected));
        }
    }
    assert_eq!(lines_of(b"\xff\xe9\n\x00", 2), [(1, b"\xff\xe9".to_vec()), (2, vec![0])]);
}

#[test]
fn text_may_be_read_as_a_whole() {
    for size in [1, 4, 64] {
        let mut read = String::new();
        let mut text = Text::new(in_pieces(b"\xef\xbb\xbf1\r2\r\n3\n\r4", size)).expect("text");
        text.read_to_string(&mut read).expect("UTF-8");
        assert_eq!(read, "1\n2\n3\n\n4");
    }
}

#[test]
fn what_is_no_text_is_called_what_it_is() {
    for (bytes, name) in [
        (&b"\xff\xfe{\0"[..], "UTF-16"),
        (b"\xfe\xff\0{", "UTF-16"),
        (b"\x1f\x8b\x08", "compressed"),
    ] {
        let error = Text::new(bytes).err().expect("no text").to_string();
        assert!(error.contains(name), "{error}");
    }
}

/// The y of each text in an SVG.
fn texts(svg: &str) -> Vec<(String, i32)> {
    let attribute = |tag: &str, name: &str| {
        let (_, rest) = tag.split_once(&format!(" {name}=\"")).expect("an attribute");
        rest.split('"').next().expect("a value").parse::<i32>().expect("a number")
    };
    svg.split("<text")
        .skip(1)
        .map(|text| {
            let (tag, rest) = text.split_once('>').expect("an end");
            let content = rest.split('<').next().expect("a text").trim().to_owned();
            (content, attribute(tag, "y"))
        })
        .collect()
}

/// Seven lines that end at the same place: their names are all there, apart, and in the lines' order.
#[test]
fn names_of_lines_do_not_overlap() {
    let lines = (0..7).map(|index| {
        let at = |x: f64| (x, Interval::exact(0.5 - 1e-4 * x * f64::from(index)));
        Line { name: format!("line {index}"), points: vec![at(1.0), at(2.0)] }
    });
    let panel = Panel {
        lines: lines.collect(),
        y_range: Some((0.0, 1.0)),
        reference: Some((0.5, "before".into())),
        ..Panel::default()
    };
    for spread in [Spread::Bars, Spread::BarsInPlace, Spread::Bands, Spread::Last, Spread::Hidden] {
        let path = file("names.svg");
        let panel = Panel { spread, ..panel.clone() };
        plot::lines(&path, "Names", &[panel.clone(), panel]).expect("writable");
        let texts = texts(&fs::read_to_string(&path).expect("written"));
        let mut places: Vec<_> =
            texts.iter().filter(|(text, _)| text.starts_with("line ")).take(7).collect();
        assert_eq!(places.len(), 7);
        places.sort_by_key(|(_, y)| *y);
        let names: Vec<_> = places.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["line 0", "line 1", "line 2", "line 3", "line 4", "line 5", "line 6"]);
        assert!(places.windows(2).all(|pair| pair[1].1 - pair[0].1 >= 18), "{places:?}");
    }
}

/// A panel of one loss, level at a share.
fn level(loss: &str, share: f64) -> Panel {
    let interval = Interval { mean: share, low: share - 0.01, high: share + 0.01 };
    let line = Line { name: loss.into(), points: vec![(1.0, interval), (2.0, interval)] };
    Panel { y_label: "share".into(), lines: vec![line], ..Panel::default() }
}

/// The SVG of panels.
fn drawn(name: &str, panels: &[Panel]) -> String {
    let path = file(name);
    plot::lines(&path, "A picture", panels).expect("writable");
    fs::read_to_string(&path).expect("written")
}

/// Two panels of one quantity can be compared by eye: their ticks are the same, at the same heights.
#[test]
fn panels_of_one_quantity_have_one_range() {
    let ticks = |svg: &str| -> Vec<_> {
        let number = |(text, y): (String, i32)| Some((text.parse::<f64>().ok()?, y));
        texts(svg).into_iter().filter_map(number).filter(|(tick, _)| *tick < 1.0).collect()
    };
    let (low, high) = (level("softmax", 0.2), level("softmax", 0.7));
    let both = ticks(&drawn("both.svg", &[low.clone(), high.clone()]));
    let (left, right) = both.split_at(both.len() / 2);
    assert_eq!(left, right);
    assert!(left.iter().any(|(tick, _)| *tick <= 0.2) && left.iter().any(|(tick, _)| *tick >= 0.7));
    let other = Panel { y_label: "nats".into(), ..high };
    let apart = ticks(&drawn("apart.svg", &[low, other]));
    assert!(apart.iter().filter(|(tick, _)| *tick < 0.5).count() < apart.len(), "{apart:?}");
    assert!(!apart.iter().any(|(tick, _)| *tick > 0.3 && *tick < 0.6), "{apart:?}");
}

/// Panels of one x can be compared as well: both have the ticks of either's points.
#[test]
fn panels_of_one_x_have_one_range() {
    let panel = |x_label: &str, last: f64| {
        let mut panel = Panel { x_label: x_label.into(), ..level("softmax", 0.5) };
        panel.lines[0].points[1].0 = last;
        panel
    };
    let tens = |svg: &str| texts(svg).into_iter().filter(|(text, _)| text == "10").count();
    assert_eq!(tens(&drawn("same.svg", &[panel("K", 2.0), panel("K", 10.0)])), 2);
    assert_eq!(tens(&drawn("other.svg", &[panel("K", 2.0), panel("β", 10.0)])), 1);
}

/// A grid of two columns is as wide as two panels, and its third panel begins where its first does.
#[test]
fn a_grid_has_its_columns() {
    let path = file("grid.svg");
    let panels =
        ["a", "b", "c"].map(|title| Panel { title: title.into(), ..level("softmax", 0.5) });
    let size = |columns: usize| {
        plot::grid(&path, "A grid", columns, &panels).expect("writable");
        let svg = fs::read_to_string(&path).expect("written");
        let number = |name: &str| {
            let (_, rest) = svg.split_once(&format!("{name}=\"")).expect("an attribute");
            rest.split('"').next().expect("a value").parse::<u32>().expect("a number")
        };
        (number("width"), number("height"))
    };
    let (one, two, five) = (size(1), size(2), size(5));
    assert_eq!((one.0 * 2, one.0 * 3), (two.0, five.0));
    assert!(one.1 > two.1 && two.1 > five.1, "{one:?}, {two:?}, {five:?}");
}

/// Names that do not fit in a line of the legend go on in the next.
#[test]
fn a_long_legend_has_more_lines() {
    let name = |index: u8| format!("the rule of choice that has number {index}");
    let bar = |name| Bar { group: "softmax".into(), name, value: Interval::exact(0.5) };
    let path = file("legend.svg");
    let height_of_names = |count: u8| -> Vec<i32> {
        let bars: Vec<_> = (0..count).map(|index| bar(name(index))).collect();
        plot::bars(&path, "Bars", "x", &bars, None).expect("writable");
        let texts = texts(&fs::read_to_string(&path).expect("written"));
        texts.into_iter().filter(|(text, _)| text.starts_with("the rule")).map(|(_, y)| y).collect()
    };
    let heights = height_of_names(5);
    assert_eq!(heights.len(), 5);
    assert!(heights[1] == heights[0] && heights[2] > heights[1] && heights[4] > heights[3]);
    assert_eq!(height_of_names(2)[0], heights[0]);
}

/// A loss looks the same whichever others are in the picture, and no other line looks as it does.
#[test]
fn a_loss_has_one_colour_and_marker() {
    const VERMILION: &str = "#D55E00";
    let alone = drawn("alone.svg", &[level("lambda-loss", 0.5)]);
    assert!(alone.contains(VERMILION) && !alone.contains("#0072B2"));
    let mut with_others = level("lambda-loss", 0.5);
    for name in ["point-mse", "lambda-loss, gain alone", "softmax"] {
        with_others.lines.extend(level(name, 0.3).lines);
    }
    let with_others = drawn("with_others.svg", &[with_others]);
    let markers = |svg: &str| svg.matches(&format!("<polygon fill=\"{VERMILION}\"")).count();
    let found = [&alone, &with_others].map(|svg| svg.matches("<polygon").count());
    assert!(found[0] >= 3, "two points and a name: {alone}");
    assert_eq!(markers(&alone), markers(&with_others), "{found:?}");
    for colour in ["#0072B2", "#3C3C3C", "#E69F00"] {
        assert!(with_others.contains(colour), "{colour}");
    }
}

/// Labels stand beside the points they belong to, whichever points are left out.
#[test]
fn points_have_their_labels() {
    let mut panel = Panel {
        point_labels: ["β = 0.1", "β = 1", "β = 10"].map(str::to_owned).into(),
        spread: Spread::BarsInPlace,
        ..level("softmax", 0.5)
    };
    let nowhere = (1.5, Interval::exact(f64::NAN));
    panel.lines[0].points.insert(1, nowhere);
    let texts = texts(&drawn("labels.svg", &[panel]));
    let labels: Vec<_> = texts.iter().filter(|(text, _)| text.starts_with('β')).collect();
    assert_eq!(labels.iter().map(|(text, _)| &**text).collect::<Vec<_>>(), ["β = 0.1", "β = 10"]);
    assert_eq!(labels[0].1, labels[1].1);
}

/// Intervals of long lines: one bar a line, after all points, and none on another.
#[test]
fn last_intervals_stand_side_by_side() {
    let mut panel = Panel { spread: Spread::Last, ..level("softmax", 0.5) };
    panel.lines.extend(level("list-mle", 0.5).lines);
    let svg = drawn("last.svg", &[panel]);
    let thin = svg.split("<polyline").filter(|line| line.contains("stroke-width=\"1\""));
    let vertical = thin.filter_map(|line| {
        let points = line.split("points=\"").nth(1)?.split('"').next()?.trim();
        let (x, y): (Vec<_>, Vec<_>) =
            points.split(' ').filter_map(|point| point.split_once(',')).unzip();
        (x.len() == 2 && x[0] == x[1] && y[0] != y[1]).then(|| x[0].to_owned())
    });
    let colours = ["#3C3C3C", "#56B4E9"];
    let bars: Vec<_> = vertical.collect();
    assert!(colours.iter().all(|colour| svg.contains(colour)), "{svg}");
    assert!(bars.len() >= 2 && bars[bars.len() - 1] != bars[bars.len() - 2], "{bars:?}");
}

/// Nothing to draw, or nothing finite, is an empty picture, not a panic or a NaN.
#[test]
fn pictures_of_little_are_drawn() {
    let nothing = Line { name: "nothing".into(), points: vec![(1.0, Interval::exact(f64::NAN))] };
    let one = Line { name: "one".into(), points: vec![(1.0, Interval::exact(2.0))] };
    let path = file("little.svg");
    for lines in [vec![], vec![nothing.clone()], vec![one.clone()], vec![nothing, one]] {
        for x_scale in [Scale::Linear, Scale::Log] {
            let point_labels = vec!["label".into()];
            let panel = Panel { lines: lines.clone(), x_scale, point_labels, ..Panel::default() };
            plot::lines(&path, "Little", &[panel]).expect("writable");
            let svg = fs::read_to_string(&path).expect("written");
            assert!(svg.trim_end().ends_with("</svg>") && !svg.contains("NaN"), "{svg}");
        }
    }
    plot::lines(&path, "None", &[]).expect("writable");
    let bar = |mean| Bar { group: "g".into(), name: "n".into(), value: Interval::exact(mean) };
    for bars in [vec![], vec![bar(f64::NAN)], vec![bar(0.0)], vec![bar(0.731)]] {
        plot::bars(&path, "Bars", "x", &bars, None).expect("writable");
    }
    let svg = fs::read_to_string(&path).expect("written");
    assert!(texts(&svg).iter().any(|(text, _)| text == "0.731"), "{svg}");
    assert!(plot::lines(&file("nowhere").join("a.svg"), "Nowhere", &[]).is_err());
}
