//! What needs no data to be known of a pen's events.

use super::Flaw;
use crate::preprocess::pen::PenPoint;

/// Fewer steps than this say how a dot or a tick was written, not who wrote it.
pub const LEAST_STEPS: usize = 8;

/// Whether the pen moved, and its clock ran: a pen that did not tells nothing of how anybody
/// writes. Clocks may wrap.
///
/// # Errors
/// [`Flaw::Still`], [`Flaw::Clock`]; the first that is found.
///
/// ```
/// use shared::preprocess::pen::PenPoint;
/// use shared::quality::{Flaw, check_pen};
///
/// let line = [0, 1, 2].map(|step| PenPoint {
///     x: 3 * step,
///     y: 0,
///     t: step as u32,
///     pressure: 100,
///     end_of_stroke: step == 2,
/// });
/// assert_eq!(check_pen(&line), Ok(()));
/// assert_eq!(check_pen(&line.map(|point| PenPoint { x: 7, ..point })), Err(Flaw::Still));
/// assert_eq!(check_pen(&line.map(|point| PenPoint { t: 7, ..point })), Err(Flaw::Clock));
/// ```
pub fn check_pen(points: &[PenPoint]) -> Result<(), Flaw> {
    let place = |point: &PenPoint| (point.x, point.y);
    if points
        .windows(2)
        .all(|pair| matches!(pair, [a, b] if place(a) == place(b)))
    {
        return Err(Flaw::Still);
    }
    // Pads that sample faster than their clock ticks give a few events one time.
    let follows = |a: &PenPoint, b: &PenPoint| b.t.wrapping_sub(a.t) <= u32::MAX / 2;
    let is_ordered = points.is_sorted_by(follows);
    let moment = |point: &PenPoint| point.t;
    if !is_ordered || points.first().map(moment) == points.last().map(moment) {
        return Err(Flaw::Clock);
    }
    Ok(())
}
