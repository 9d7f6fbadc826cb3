//! Where the origin is, how long the unit of length, which way x goes.

use super::{MAX_COORDINATE, PenEvents, PenPoint};

/// Positions are told in so many parts of a device unit.
pub(super) const PARTS: i64 = 16;

/// One, of a turn's cosine and sine.
const ONE: i64 = 1 << 15;

/// The most magnitude of the moments that a turn is found from, so that their squares add up
/// in 64 bits.
const MAX_MOMENT: u64 = 1 << 30;

/// What positions and pressures are measured by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    /// Device units.
    pub(super) origin: [i64; 2],
    /// Device units, at least 1.
    pub(super) unit: i64,
    /// At least 1.
    pub(super) pressure: i64,
    /// Cosine and sine of the angle that is taken away, where something is.
    pub(super) turn: Option<[i64; 2]>,
}

impl Frame {
    /// That of a whole signature.
    pub(super) fn of(events: PenEvents<'_>, upright: bool) -> Self {
        let count = (events.len() as i64).max(1);
        let mean = |of: fn(&PenPoint) -> i64| {
            let sum: i64 = events.iter().map(|point| of(&point)).sum();
            divide(sum, count)
        };
        let origin = [mean(|point| place(point)[0]), mean(|point| place(point)[1])];
        let away = |point: &PenPoint| {
            let [x, y] = place(point);
            [x - origin[0], y - origin[1]]
        };
        let spread: i64 = events
            .iter()
            .map(|point| away(&point).iter().map(|along| along.abs()).sum::<i64>())
            .sum();
        let pressure = events.iter().map(|point| i64::from(point.pressure)).max();
        Self {
            origin,
            unit: divide(spread, count).max(1),
            pressure: pressure.unwrap_or(0).max(1),
            turn: match upright {
                true => turn(events.iter().map(|point| away(&point))),
                false => None,
            },
        }
    }

    /// A position from the origin, in [`PARTS`] of a device unit; magnitudes stay below 2^26.
    pub(super) fn position(&self, point: &PenPoint) -> [i64; 2] {
        let [x, y] = place(point);
        let [dx, dy] = [x - self.origin[0], y - self.origin[1]];
        match self.turn {
            None => [PARTS * dx, PARTS * dy],
            Some([c, s]) => {
                let parts = ONE / PARTS;
                [
                    divide(dx * c + dy * s, parts),
                    divide(dy * c - dx * s, parts),
                ]
            }
        }
    }

    /// The unit of length as positions are told.
    pub(super) fn parts(&self) -> i64 {
        PARTS * self.unit
    }
}

/// Device units, cut to what they may be.
fn place(point: &PenPoint) -> [i64; 2] {
    [point.x, point.y].map(|along| i64::from(along.clamp(-MAX_COORDINATE, MAX_COORDINATE)))
}

/// Cosine and sine of the principal axis of points around their mean: half the angle of
/// `(sum dx^2 - sum dy^2, 2 sum dx dy)`. Nothing where there is none.
fn turn(points: impl Iterator<Item = [i64; 2]>) -> Option<[i64; 2]> {
    // Points are at most 65,535 and squares below 2^44: sums stay below 2^61.
    let (mut along, mut across) = (0i64, 0i64);
    for [dx, dy] in points {
        along += dx * dx - dy * dy;
        across += 2 * dx * dy;
    }
    while along.unsigned_abs().max(across.unsigned_abs()) >= MAX_MOMENT {
        along >>= 1;
        across >>= 1;
    }
    let squares = along * along + across * across;
    let length = squares.unsigned_abs().isqrt() as i64;
    if length == 0 {
        return None;
    }
    let cosine = divide(ONE * along, length).clamp(-ONE, ONE);
    let half = |square: i64| (square * (ONE / 2)).unsigned_abs().isqrt() as i64;
    let (c, s) = (half(ONE + cosine), half(ONE - cosine));
    Some([c, if across < 0 { -s } else { s }])
}

/// Rounded towards minus infinity; 0 where there is nothing to divide by.
pub(super) fn divide(numerator: i64, divisor: i64) -> i64 {
    // By hand, since the library's Euclidean division is a call that can panic.
    let Some(quotient) = numerator.checked_div(divisor) else {
        return 0;
    };
    let remainder = numerator.wrapping_sub(quotient.wrapping_mul(divisor));
    match remainder < 0 {
        true => quotient.wrapping_sub(divisor.signum()),
        false => quotient,
    }
}

#[cfg(test)]
mod tests {
    use super::divide;

    #[test]
    fn quotients_are_euclidean_and_those_of_nothing_zero() {
        let numbers = [i64::MIN, -1000, -7, -1, 0, 1, 6, 999, i64::MAX];
        for numerator in numbers {
            for divisor in numbers {
                let expected = numerator.checked_div_euclid(divisor).unwrap_or(0);
                assert_eq!(
                    divide(numerator, divisor),
                    expected,
                    "{numerator}/{divisor}"
                );
            }
        }
    }
}
