//! A pair of axes with a grid, and what is drawn between them.

use super::scale::{Scale, Tick};
use super::svg::{self, Element, element};

/// Size of a chart.
pub const SIZE: [f64; 2] = [440.0, 300.0];

/// Room for labels: left, top, right, bottom.
const LEFT: f64 = 62.0;
const TOP: f64 = 14.0;
const RIGHT: f64 = 28.0;
const BOTTOM: f64 = 46.0;

/// About the width of a letter.
const LETTER: f64 = 7.0;

/// What is measured along one side.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    /// How numbers lie along it.
    pub scale: Scale,
    /// What they are, with their unit.
    pub title: String,
}

impl Axis {
    /// An axis.
    pub fn new(scale: Scale, title: impl Into<String>) -> Self {
        Self {
            scale,
            title: title.into(),
        }
    }
}

/// A chart that is being drawn. Later layers cover earlier ones.
#[derive(Clone, Debug)]
pub struct Chart {
    x: Axis,
    y: Axis,
    layers: Vec<Element>,
}

impl Chart {
    /// Axes and their grid.
    pub fn new(x: Axis, y: Axis) -> Self {
        let mut this = Self {
            x,
            y,
            layers: vec![],
        };
        this.draw_axes();
        this
    }

    /// The place of a number pair; beyond an end of an axis, at that end.
    pub fn place(&self, x: f64, y: f64) -> [f64; 2] {
        [
            LEFT + self.x.scale.place(x) * (SIZE[0] - LEFT - RIGHT),
            SIZE[1] - BOTTOM - self.y.scale.place(y) * (SIZE[1] - TOP - BOTTOM),
        ]
    }

    /// Adds a layer.
    pub fn draw(&mut self, element: Element) {
        self.layers.push(element);
    }

    /// Straight lines through number pairs; points closer than half a unit are one.
    pub fn curve(&mut self, points: impl Iterator<Item = [f64; 2]>, class: &str) {
        let points = self.thinned(points);
        self.draw(svg::path(&points, class));
    }

    /// The same, with the area down to the lower axis.
    pub fn area(&mut self, points: impl Iterator<Item = [f64; 2]>, class: &str) {
        let mut points = self.thinned(points);
        let floor = SIZE[1] - BOTTOM;
        if let (Some(first), Some(last)) = (points.first().copied(), points.last().copied()) {
            points.extend([[last[0], floor], [first[0], floor]]);
        }
        self.draw(svg::path(&points, class));
    }

    /// A line from bottom to top at `x`.
    pub fn upright(&mut self, x: f64, class: &str) {
        let [x, floor] = self.place(x, f64::NEG_INFINITY);
        self.draw(svg::line([x, TOP], [x, floor], class));
    }

    /// A shaded stripe of the x axis, over the whole height.
    pub fn stripe(&mut self, x: [f64; 2], class: &str) {
        let [from, ceiling] = self.place(x[0], f64::INFINITY);
        let [to, floor] = self.place(x[1], f64::NEG_INFINITY);
        self.draw(svg::rectangle(
            [from, ceiling],
            [to - from, floor - ceiling],
            class,
        ));
    }

    /// A shaded band of the y axis, over the whole width.
    pub fn band(&mut self, y: [f64; 2], class: &str) {
        let [left, floor] = self.place(f64::NEG_INFINITY, y[0]);
        let [right, ceiling] = self.place(f64::INFINITY, y[1]);
        self.draw(svg::rectangle(
            [left, ceiling],
            [right - left, floor - ceiling],
            class,
        ));
    }

    /// A dot with whiskers that reach over intervals along both axes.
    pub fn crossed(&mut self, [x, y]: [f64; 2], xs: [f64; 2], ys: [f64; 2], class: &str) {
        let [left, right] = xs.map(|x| self.place(x, y));
        let [low, high] = ys.map(|y| self.place(x, y));
        let [cx, cy] = self.place(x, y);
        let group = element("g").with("class", class);
        let dot = element("circle").at("cx", cx).at("cy", cy).at("r", 4.0);
        self.draw(group.children([
            svg::line(left, right, "whisker"),
            svg::line(low, high, "whisker"),
            dot,
        ]));
    }

    /// The finished picture; `words` say what it shows.
    pub fn finish(self, words: &str) -> Element {
        svg::picture(SIZE[0], SIZE[1], words)
            .with("class", "chart")
            .children(self.layers)
    }

    fn thinned(&self, points: impl Iterator<Item = [f64; 2]>) -> Vec<[f64; 2]> {
        let mut kept: Vec<[f64; 2]> = vec![];
        let mut skipped = None;
        for [x, y] in points {
            let point = self.place(x, y);
            let near = kept.last().is_some_and(|last| {
                (last[0] - point[0]).abs() < 0.5 && (last[1] - point[1]).abs() < 0.5
            });
            if near {
                skipped = Some(point);
            } else {
                // Where a curve jumps, the point before the jump is its corner.
                kept.extend(skipped.take());
                kept.push(point);
            }
        }
        kept.extend(skipped);
        kept
    }

    fn draw_axes(&mut self) {
        let (right, floor) = (SIZE[0] - RIGHT, SIZE[1] - BOTTOM);
        let xs = self.x.scale.ticks(6).into_iter().map(|tick| {
            let place = self.place(tick.value, f64::NEG_INFINITY)[0];
            let room = tick.label.chars().count() as f64 * LETTER + 8.0;
            (tick, place, room)
        });
        let xs = spaced(xs.collect());
        let ys = self.y.scale.ticks(5).into_iter().map(|tick| {
            let place = self.place(f64::NEG_INFINITY, tick.value)[1];
            (tick, place, 17.0)
        });
        let ys = spaced(ys.collect());
        for (tick, x) in xs {
            self.draw(svg::line([x, TOP], [x, floor], "grid"));
            self.draw(svg::text([x, floor + 16.0], tick.label, "tick middle"));
        }
        for (tick, y) in ys {
            self.draw(svg::line([LEFT, y], [right, y], "grid"));
            self.draw(svg::text([LEFT - 7.0, y + 4.0], tick.label, "tick end"));
        }
        self.draw(svg::line([LEFT, floor], [right, floor], "axis"));
        self.draw(svg::line([LEFT, TOP], [LEFT, floor], "axis"));
        let middle = [(LEFT + right) / 2.0, SIZE[1] - 8.0];
        self.draw(svg::text(middle, self.x.title.clone(), "axis-title middle"));
        let upright = svg::text([0.0, 0.0], self.y.title.clone(), "axis-title middle");
        let turn = format!(
            "translate(13 {}) rotate(-90)",
            svg::number((TOP + floor) / 2.0)
        );
        self.draw(upright.with("transform", turn));
    }
}

/// Leaves out labels that would touch the one before.
fn spaced(ticks: Vec<(Tick, f64, f64)>) -> Vec<(Tick, f64)> {
    let mut kept: Vec<(Tick, f64, f64)> = vec![];
    for (tick, place, room) in ticks {
        let free = kept
            .last()
            .is_none_or(|(_, last, before)| (place - last).abs() >= (room + before) / 2.0);
        if free {
            kept.push((tick, place, room));
        }
    }
    kept.into_iter()
        .map(|(tick, place, _)| (tick, place))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart() -> Chart {
        let scale = Scale::Linear { domain: [0.0, 1.0] };
        Chart::new(Axis::new(scale, "x"), Axis::new(scale, "y"))
    }

    #[test]
    fn corners_lie_in_corners() {
        let chart = chart();
        assert_eq!(chart.place(0.0, 0.0), [LEFT, SIZE[1] - BOTTOM]);
        assert_eq!(chart.place(1.0, 1.0), [SIZE[0] - RIGHT, TOP]);
        assert_eq!(chart.place(-5.0, 7.0), [LEFT, TOP]);
    }

    #[test]
    fn thinning_keeps_ends_and_corners() {
        let chart = chart();
        let many = (0..=10_000).map(|index| [f64::from(index) / 10_000.0, 0.0]);
        let points = chart.thinned(many.chain([[1.0, 1.0]]));
        assert!(points.len() < 1500, "{}", points.len());
        assert_eq!(points[0], chart.place(0.0, 0.0));
        assert_eq!(points[points.len() - 2], chart.place(1.0, 0.0));
        assert_eq!(points[points.len() - 1], chart.place(1.0, 1.0));
    }

    #[test]
    fn labels_do_not_touch() {
        let domain = [1e-6, 0.999_999];
        let scale = Scale::NormalDeviate { domain };
        let chart = Chart::new(Axis::new(scale, ""), Axis::new(scale, ""));
        let labels = chart.layers.iter().map(ToString::to_string);
        let ends: Vec<String> = labels.filter(|label| label.contains("tick end")).collect();
        assert!((4..=14).contains(&ends.len()), "{}", ends.len());
    }
}
