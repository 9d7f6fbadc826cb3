//! A picture that is drawn upon, in the place where it will be looked at.

use edge_runtime::sensor::{Captured, SensorError, Touch};

const PAPER: u8 = 255;
const INK: u8 = 0;

/// The longer side of the largest sheet, and of the smallest that is still worth looking at.
const LARGEST: u16 = 128;
const SMALLEST: u16 = 32;

/// The longer side is so many times as long as lines are thick.
const SIDE_BY_THICKNESS: u16 = 40;

/// White, with black lines of a round pen.
#[derive(Debug)]
pub(super) struct Sheet<'a> {
    /// Rows of `width` pixels.
    pixels: &'a mut [u8],
    width: u16,
    height: u16,
    /// Of lines, in pixels, at least 1.
    thickness: u16,
    /// Columns and rows of what is drawn on.
    panel: (u16, u16),
    /// Where the pen is.
    pen: Option<Point>,
    is_blank: bool,
}

impl<'a> Sheet<'a> {
    /// The largest blank sheet that has the panel's proportions and fits into `pixels`.
    ///
    /// # Errors
    /// [`SensorError::Memory`] where the smallest one does not.
    pub(super) fn new(pixels: &'a mut [u8], panel: (u16, u16)) -> Result<Self, SensorError> {
        let area = |(width, height)| usize::from(width) * usize::from(height);
        let room = pixels.len();
        let mut sides = (SMALLEST..=LARGEST).rev();
        let fitting = sides.find(|&side| area(scaled(panel, side)) <= room);
        let needed = area(scaled(panel, SMALLEST));
        let side = fitting.ok_or(SensorError::Memory { needed, room })?;
        let (width, height) = scaled(panel, side);
        let pixels = pixels.get_mut(..area((width, height))).unwrap_or_default();
        pixels.fill(PAPER);
        Ok(Self {
            pixels,
            width,
            height,
            thickness: (width.max(height) / SIDE_BY_THICKNESS).max(1),
            panel,
            pen: None,
            is_blank: true,
        })
    }

    /// Draws a line from where the pen is, or puts it down.
    pub(super) fn draw_to(&mut self, touch: Touch) {
        let to = Point {
            x: share(touch.x, self.panel.0, self.width).into(),
            y: share(touch.y, self.panel.1, self.height).into(),
        };
        let line = Line {
            from: self.pen.unwrap_or(to),
            to,
            thickness: self.thickness.into(),
        };
        self.ink(line);
        self.pen = Some(to);
        self.is_blank = false;
    }

    /// Ends a line.
    pub(super) fn lift(&mut self) {
        self.pen = None;
    }

    /// What the picture is, unless nothing was drawn.
    pub(super) fn finish(self) -> Option<Captured> {
        (!self.is_blank).then_some(Captured {
            width: self.width,
            height: self.height,
            channels: 1,
        })
    }

    fn ink(&mut self, line: Line) {
        let around = |a: i32, b: i32| a.min(b) - line.thickness..=a.max(b) + line.thickness;
        let columns = around(line.from.x, line.to.x);
        let rows = around(line.from.y, line.to.y);
        // Never 0, which nothing else tells the compiler.
        let width = usize::from(self.width.max(1));
        for (row, y) in self.pixels.chunks_exact_mut(width).zip(0..) {
            if !rows.contains(&y) {
                continue;
            }
            for (pixel, x) in row.iter_mut().zip(0..) {
                if columns.contains(&x) && line.covers(Point { x, y }) {
                    *pixel = INK;
                }
            }
        }
    }
}

/// Width and height of a panel's picture whose longer side is `side`, or the panel's own
/// where that is shorter.
fn scaled((width, height): (u16, u16), side: u16) -> (u16, u16) {
    let longer = width.max(height);
    let scale = |length| share(length, longer, side.min(longer)).max(1);
    (scale(width), scale(height))
}

/// What `part` of `whole` is of `of`, at most all of it.
fn share(part: u16, whole: u16, of: u16) -> u16 {
    let share = (u32::from(part) * u32::from(of)).checked_div(whole.into());
    u16::try_from(share.unwrap_or(0)).unwrap_or(of).min(of)
}

/// The centre of a pixel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Point {
    x: i32,
    y: i32,
}

impl Point {
    /// Columns and rows from `other` to here. Both are on a sheet: their squares and
    /// products are small.
    fn from(self, other: Self) -> (i32, i32) {
        (self.x - other.x, self.y - other.y)
    }
}

/// A line with round ends.
#[derive(Clone, Copy, Debug)]
struct Line {
    from: Point,
    to: Point,
    thickness: i32,
}

impl Line {
    /// Whether a point is within half the thickness from the line: from its ends, or, where
    /// it lies between them, across it, which is the cross product by the length.
    fn covers(self, point: Point) -> bool {
        let (dx, dy) = self.to.from(self.from);
        let (px, py) = point.from(self.from);
        let length = dx * dx + dy * dy;
        let along = px * dx + py * dy;
        let reach = self.thickness * self.thickness;
        if 0 < along && along < length {
            let across = i64::from(px * dy - py * dx);
            return 4 * across * across <= i64::from(reach) * i64::from(length);
        }
        let end = if along <= 0 { self.from } else { self.to };
        let (ex, ey) = point.from(end);
        4 * (ex * ex + ey * ey) <= reach
    }
}
