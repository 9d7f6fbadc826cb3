//! What needs no data to be known of a pen's events.

use super::Flaw;
use crate::preprocess::pen::{PenEvents, PenPoint};

/// Fewer steps than this say how a dot or a tick was written, not who wrote it.
pub const LEAST_STEPS: usize = 8;

/// Of so many events one may be told out of order: the clocks of some tablets step back now and
/// then.
const TOLERATED: usize = 10;

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
/// assert_eq!(check_pen(&line[..]), Ok(()));
/// let still = line.map(|point| PenPoint { x: 7, ..point });
/// assert_eq!(check_pen(&still[..]), Err(Flaw::Still));
/// let stopped = line.map(|point| PenPoint { t: 7, ..point });
/// assert_eq!(check_pen(&stopped[..]), Err(Flaw::Clock));
/// ```
pub fn check_pen<'e>(events: impl Into<PenEvents<'e>>) -> Result<(), Flaw> {
    let events = events.into();
    let pairs = || events.iter().zip(events.iter().skip(1));
    let place = |point: PenPoint| (point.x, point.y);
    if pairs().all(|(a, b)| place(a) == place(b)) {
        return Err(Flaw::Still);
    }
    // Pads that sample faster than their clock ticks give a few events one time.
    let passed = |(a, b): (PenPoint, PenPoint)| b.t.wrapping_sub(a.t);
    let stands_still = pairs().all(|pair| passed(pair) == 0);
    let back = pairs().filter(|pair| passed(*pair) > u32::MAX / 2).count();
    if stands_still || back > events.len() / TOLERATED {
        return Err(Flaw::Clock);
    }
    Ok(())
}
