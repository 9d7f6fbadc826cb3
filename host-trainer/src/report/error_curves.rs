//! False accepts against false rejects over all thresholds: DET and ROC.

use super::chart::{Axis, Chart, SIZE};
use super::histogram::colour;
use super::judged::{ErrorCurve, Judged, JudgedPoint, Rate};
use super::page::{Figure, Key, grouped, percent};
use super::scale::Scale;
use super::svg;
use crate::evaluate::metrics::error_curve;

/// Both error rates on normal-deviate axes: normally distributed distances give a
/// straight line, and the lower left corner is where a good model is (Martin et al.,
/// "The DET curve in assessment of detection task performance", 1997).
pub fn det(judged: &Judged) -> Figure {
    let [attempts, genuine] = comparisons(judged);
    let axis = |comparisons, title: &str| {
        let domain = [lowest(comparisons), 0.9];
        Axis::new(Scale::NormalDeviate { domain }, title)
    };
    let x = axis(attempts, "false-accept rate");
    let mut chart = Chart::new(x, axis(genuine, "false-reject rate"));
    shade(&mut chart, judged);
    chart.band([0.0, Rate::floor(genuine)], "unbounded");
    let [left, floor] = chart.place(Rate::floor(attempts), 0.0);
    let [right, ceiling] = chart.place(1.0, Rate::floor(genuine));
    let middle = [(left + right) / 2.0, (floor + ceiling) / 2.0 + 4.0];
    let words = format!("too few genuine ({}) to tell", grouped(genuine as u64));
    chart.draw(svg::text(middle, words, "mark middle"));
    // Straight on these axes, from where both rates can be drawn.
    let least = lowest(attempts).max(lowest(genuine));
    let equal = [[least, least], [0.9, 0.9]];
    chart.curve(equal.into_iter(), "equal");
    for errors in judged.curves.iter().rev() {
        chart.curve(
            points(errors),
            &format!("line {}", colour(errors.impostors)),
        );
    }
    marks(&mut chart, &judged.points, ABOVE, |frr| frr);
    let words = judged.curves.iter().map(|errors| {
        let name = errors.impostors.name();
        format!("Equal error rate against {name}: {}.", percent(errors.eer))
    });
    Figure {
        title: "Detection error tradeoff".into(),
        picture: chart.finish("False-reject rate over false-accept rate, normal-deviate axes"),
        keys: keys(judged, "both rates equal"),
        words: words.collect::<Vec<_>>().join(" "),
    }
}

/// Genuine accepts over false accepts, which are on a logarithmic axis.
pub fn roc(judged: &Judged) -> Figure {
    let [attempts, _] = comparisons(judged);
    let domain = [lowest(attempts), 1.0];
    let x = Axis::new(Scale::Log { domain }, "false-accept rate");
    let accepts = judged.curves.iter().flat_map(|errors| {
        let shown = points(errors).filter(move |[far, _]| *far >= domain[0]);
        shown.map(|[_, frr]| 100.0 * (1.0 - frr))
    });
    let worst = accepts.fold(100.0, f64::min);
    let y = Scale::Linear {
        domain: [(worst / 10.0 - 1.0).floor().clamp(0.0, 9.0) * 10.0, 100.0],
    };
    let mut chart = Chart::new(x, Axis::new(y, "genuine accepted (%)"));
    shade(&mut chart, judged);
    let chance = (0..=100).map(|step| libm::pow(10.0, f64::from(step - 100) / 100.0 * 7.0));
    chart.curve(chance.map(|rate| [rate, 100.0 * rate]), "equal");
    for errors in judged.curves.iter().rev() {
        let rates = points(errors).map(|[far, frr]| [far, 100.0 * (1.0 - frr)]);
        chart.curve(rates, &format!("line {}", colour(errors.impostors)));
    }
    marks(&mut chart, &judged.points, BELOW, |frr| 100.0 * (1.0 - frr));
    Figure {
        title: "Receiver operating characteristic".into(),
        picture: chart.finish("Share of genuine accepted over false-accept rate"),
        keys: keys(judged, "chance"),
        words: String::new(),
    }
}

/// Impostor and genuine comparisons of the hardest kind, which the points are about.
fn comparisons(judged: &Judged) -> [usize; 2] {
    let hardest = &judged.curves[0];
    [hardest.attempts.len(), hardest.genuine.len()]
}

/// The lowest rate that is drawn: a decade below what comparisons can bound.
fn lowest(comparisons: usize) -> f64 {
    (Rate::floor(comparisons) / 10.0).clamp(1e-7, 0.05)
}

fn points(errors: &ErrorCurve) -> impl Iterator<Item = [f64; 2]> + use<> {
    let curve = error_curve(&errors.genuine, &errors.attempts);
    curve.into_iter().map(|rates| [rates.far, rates.frr])
}

/// Where so few comparisons bound nothing.
fn shade(chart: &mut Chart, judged: &Judged) {
    let [attempts, _] = comparisons(judged);
    chart.stripe([0.0, Rate::floor(attempts)], "unbounded");
    let [left, top] = chart.place(0.0, f64::INFINITY);
    let [right, floor] = chart.place(Rate::floor(attempts), f64::NEG_INFINITY);
    let middle = [(left + right) / 2.0, (top + floor) / 2.0];
    let words = format!("too few impostors ({}) to tell", grouped(attempts as u64));
    let turn = format!(
        "translate({} {}) rotate(-90)",
        svg::number(middle[0] + 4.0),
        svg::number(middle[1])
    );
    chart.draw(svg::text([0.0, 0.0], words, "mark middle").with("transform", turn));
}

/// Where a label may be above or below its mark: a falling curve leaves room above it on
/// the right, a rising one below.
const ABOVE: [f64; 8] = [-8.0, 18.0, -22.0, 32.0, -36.0, 46.0, -50.0, 60.0];
const BELOW: [f64; 8] = [18.0, -8.0, 32.0, -22.0, 46.0, -36.0, 60.0, -50.0];

/// The model's thresholds with their intervals, and the rates they aim at. Without a false
/// accept there is only an upper bound.
fn marks(chart: &mut Chart, points: &[JudgedPoint], offsets: [f64; 8], y: impl Fn(f64) -> f64) {
    let mut labels: Vec<[f64; 2]> = vec![];
    for point in points {
        let is_bound = point.far.errors == 0;
        let class = if is_bound { "dot open" } else { "dot" };
        let place = [point.far.rate, y(point.frr.rate)];
        chart.crossed(place, point.far.ci95, point.frr.ci95.map(&y), class);
        let [x, height] = chart.place(place[0], place[1]);
        let target = percent(f64::from(point.stated.far_target));
        let (words, room) = match is_bound {
            true => (format!("{target}: no accept, only a bound"), 190.0),
            false => (target, 52.0),
        };
        let (x, class) = match x + room < SIZE[0] {
            true => (x + 7.0, "mark"),
            false => (x - 7.0, "mark end"),
        };
        let is_free = |offset: &f64| {
            let near = |[left, line]: &[f64; 2]| {
                (left - x).abs() < room - 18.0 && (line - height - offset).abs() < 13.0
            };
            let inside = (20.0..SIZE[1] - 50.0).contains(&(height + offset));
            inside && !labels.iter().any(near)
        };
        let offset = offsets.into_iter().find(is_free).unwrap_or(offsets[0]);
        labels.push([x, height + offset]);
        chart.draw(svg::text([x, height + offset], words, class));
    }
}

fn keys(judged: &Judged, diagonal: &str) -> Vec<Key> {
    let mut keys = vec![];
    for errors in &judged.curves {
        let name = errors.impostors.name();
        keys.push(Key::line(
            colour(errors.impostors),
            format!("against {name}"),
        ));
    }
    if !judged.points.is_empty() {
        let words = "the model's thresholds with 95\u{a0}% intervals, by the FAR they aim at";
        keys.push(Key::dot("dot", words));
    }
    keys.push(Key::line("equal", diagonal));
    keys.push(Key::area(
        "unbounded",
        "below 3 in all comparisons, where they bound nothing",
    ));
    keys
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::super::judged::tests::{embedded, point};
    use super::*;

    #[test]
    fn a_threshold_without_errors_is_only_a_bound() {
        let (embedded, comparison) = embedded(8, 4, 2);
        let strict = [point(0.01, 1, -1.0)];
        let judged = Judged::new(&embedded, comparison, 1, &strict).unwrap();
        for figure in [det(&judged), roc(&judged)] {
            let picture = figure.picture.to_string();
            assert!(picture.contains("1\u{a0}%: no accept, only a bound"));
            assert!(picture.contains("too few impostors (16) to tell"));
            assert!(picture.contains("dot open"));
            assert!(!picture.contains("NaN") && !picture.contains("inf"));
        }
    }

    #[test]
    fn two_classes_are_enough_to_draw() {
        let (embedded, comparison) = embedded(2, 2, 0);
        let judged = Judged::new(&embedded, comparison, 1, &[point(0.1, 1, 0.5)]).unwrap();
        for figure in [det(&judged), roc(&judged)] {
            let picture = figure.picture.to_string();
            assert!(!picture.contains("NaN") && !picture.contains("inf"));
        }
    }
}
