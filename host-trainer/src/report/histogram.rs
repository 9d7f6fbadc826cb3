//! How the distances of genuine and impostor comparisons are distributed.

use super::chart::{Axis, Chart, SIZE};
use super::judged::Judged;
use super::page::{Figure, Key, grouped, percent};
use super::scale::Scale;
use super::svg;
use crate::evaluate::trials::Impostors;

const BINS: usize = 60;

/// The classes of the style sheet for a kind of impostors.
pub fn colour(impostors: Impostors) -> &'static str {
    match impostors {
        Impostors::Skilled => "third",
        Impostors::Random => "second",
    }
}

/// The distributions, with the model's thresholds.
pub fn figure(judged: &Judged) -> Figure {
    let genuine = &judged.curves[0].genuine;
    let all = judged.curves.iter().flat_map(|curve| &curve.attempts);
    let finite = genuine.iter().chain(all).copied().filter(|d| d.is_finite());
    let [least, most] = finite.fold([0.0; 2], |[least, most]: [f32; 2], distance| {
        [least.min(distance), most.max(distance)]
    });
    let range = [least.into(), f64::from(most).max(f64::MIN_POSITIVE)];
    let mut shown = vec![("first", "genuine", shares(genuine, range), genuine.len())];
    for curve in judged.curves.iter().rev() {
        let bins = shares(&curve.attempts, range);
        let kind = (colour(curve.impostors), curve.impostors.name());
        shown.push((kind.0, kind.1, bins, curve.attempts.len()));
    }
    let bins = shown
        .iter()
        .flat_map(|(_, _, bins, _)| bins.iter().copied());
    let highest = bins.fold(0.0, f64::max);
    let y = Scale::Linear {
        domain: [0.0, 1.15 * highest.max(0.1)],
    };
    let x = Scale::Linear { domain: range };
    let y_title = format!("share of comparisons (%), {BINS} bins");
    let mut chart = Chart::new(Axis::new(x, "distance"), Axis::new(y, y_title));
    let mut keys = vec![];
    for (class, name, bins, count) in &shown {
        chart.area(outline(bins, range), &format!("area {class}"));
        chart.curve(outline(bins, range), &format!("line {class}"));
        keys.push(Key::area(
            class,
            format!("{name} ({})", grouped(*count as u64)),
        ));
    }
    let mut last = [f64::INFINITY, 0.0];
    for point in &judged.points {
        let threshold = f64::from(point.stated.threshold);
        chart.upright(threshold, "threshold");
        let [x, top] = chart.place(threshold, f64::INFINITY);
        let label = percent(f64::from(point.stated.far_target));
        // A label lower where it would touch the one before.
        let drop = if last[0] - x < 46.0 {
            last[1] + 14.0
        } else {
            0.0
        };
        last = [x, drop];
        let (place, class) = match x < SIZE[0] - 70.0 {
            true => (x + 4.0, "mark"),
            false => (x - 4.0, "mark end"),
        };
        chart.draw(svg::text([place, top + 11.0 + drop], label, class));
    }
    if !judged.points.is_empty() {
        keys.push(Key::line(
            "threshold",
            "the model's thresholds, by the FAR they aim at",
        ));
    }
    Figure {
        title: "Distances".into(),
        picture: chart.finish("Histogram of the distances of genuine and impostor comparisons"),
        keys,
        words: "Nearer than a threshold is accepted.".into(),
    }
}

/// Percent of `distances` in each bin of a range; infinite ones are in the last.
fn shares(distances: &[f32], [least, most]: [f64; 2]) -> Vec<f64> {
    let mut bins = vec![0.0; BINS];
    let each = 100.0 / distances.len().max(1) as f64;
    for &distance in distances {
        let place = (f64::from(distance).max(least) - least) / (most - least) * BINS as f64;
        bins[(place as usize).min(BINS - 1)] += each;
    }
    bins
}

fn outline(bins: &[f64], [least, most]: [f64; 2]) -> impl Iterator<Item = [f64; 2]> {
    let width = (most - least) / BINS as f64;
    let step = move |(index, &height): (usize, &f64)| {
        let from = least + index as f64 * width;
        [[from, height], [from + width, height]]
    };
    bins.iter().enumerate().flat_map(step)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::super::judged::tests::{embedded, point};
    use super::*;

    #[test]
    fn shares_are_of_all_distances() {
        let bins = shares(&[0.0, 0.5, 0.999, 1.0, f32::INFINITY], [0.0, 1.0]);
        assert!((bins.iter().sum::<f64>() - 100.0).abs() < 1e-9);
        assert!((bins[0] - 20.0).abs() < 1e-9 && (bins[BINS - 1] - 60.0).abs() < 1e-9);
        assert_eq!(shares(&[], [0.0, 1.0]), vec![0.0; BINS]);
        // Normalized and relative distances may be negative.
        let bins = shares(&[-2.0, -1.99, 1.999], [-2.0, 2.0]);
        assert!((bins[0] - 200.0 / 3.0).abs() < 1e-9 && bins[BINS - 1] > 33.0);
        let outline: Vec<_> = outline(&bins, [-2.0, 2.0]).collect();
        assert_eq!(outline[0][0], -2.0);
        assert!((outline[2 * BINS - 1][0] - 2.0).abs() < 1e-9);
    }

    #[test]
    fn every_kind_of_comparison_is_there() {
        let (embedded, comparison) = embedded(8, 4, 2);
        let judged = Judged::new(&embedded, comparison, 1, &[point(0.1, 1, 0.2)]).unwrap();
        let figure = figure(&judged);
        let labels: Vec<&str> = figure.keys.iter().map(|key| key.label.as_str()).collect();
        assert_eq!(labels[0], "genuine (24)");
        assert_eq!(labels[1], "samples of other classes (56)");
        assert_eq!(labels[2], "skilled forgeries (16)");
        assert!(figure.picture.to_string().contains("10\u{a0}%"));
    }
}
