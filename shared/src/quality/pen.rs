//! Whether a sequence of pen points is good enough to enrol.

use core::fmt;

/// Where a pen was, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Point {
    /// Column, in units of the pad.
    pub x: i32,
    /// Row, in units of the pad.
    pub y: i32,
    /// When, in ticks of the pad from any moment on.
    pub time: u32,
}

/// What is wrong with a pen sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PenFlaw {
    /// There are too few points to tell how it was written.
    TooFewPoints {
        /// The least number.
        expected: usize,
        /// How many there are.
        found: usize,
    },
    /// The pen stayed where it was.
    NoMovement,
    /// The clock ran backwards, or stood still from the first point to the last.
    Time,
}

impl fmt::Display for PenFlaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooFewPoints { expected, found } => write!(
                f,
                "expected at least {expected} pen points, found {found}: write it whole"
            ),
            Self::NoMovement => {
                f.write_str("expected a pen that moves, found every point in one place: write again")
            }
            Self::Time => f.write_str(
                "expected pen points in order of time, found a clock that runs backwards or stands still: check the pad",
            ),
        }
    }
}

impl core::error::Error for PenFlaw {}

/// What needs no data to be known of a pen sequence. `least` is the number of points that
/// whoever resamples it needs.
///
/// # Errors
/// [`PenFlaw`], the first that is found.
///
/// ```
/// use shared::quality::pen::{PenFlaw, Point, check};
///
/// let line = [0, 1, 2].map(|step| Point { x: 3 * step, y: 0, time: step as u32 });
/// assert_eq!(check(&line, 3), Ok(()));
/// let few = PenFlaw::TooFewPoints { expected: 4, found: 3 };
/// assert_eq!(check(&line, 4), Err(few));
/// assert_eq!(check(&line.map(|point| Point { x: 7, ..point }), 3), Err(PenFlaw::NoMovement));
/// assert_eq!(check(&line.map(|point| Point { time: 7, ..point }), 3), Err(PenFlaw::Time));
/// ```
pub fn check(points: &[Point], least: usize) -> Result<(), PenFlaw> {
    let (Some(first), Some(last)) = (points.first(), points.last()) else {
        return Err(PenFlaw::TooFewPoints {
            expected: least.max(1),
            found: 0,
        });
    };
    if points.len() < least {
        return Err(PenFlaw::TooFewPoints {
            expected: least,
            found: points.len(),
        });
    }
    let is_at_first = |point: &Point| (point.x, point.y) == (first.x, first.y);
    if points.iter().all(is_at_first) {
        return Err(PenFlaw::NoMovement);
    }
    // Pads that sample faster than their clock ticks give a few points one time.
    if !points.is_sorted_by_key(|point| point.time) || first.time == last.time {
        return Err(PenFlaw::Time);
    }
    Ok(())
}
