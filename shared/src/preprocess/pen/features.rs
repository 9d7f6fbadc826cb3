//! What a step tells: where it is, which way and how fast it goes, how hard it presses.

use super::frame::{Frame, divide};
use super::steps::{Spot, difference, length};

/// Numbers of a step.
pub const FEATURES: usize = 12;

/// What of earlier steps the next one is compared with.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Features {
    before: Option<Spot>,
    /// Of the step before, where there is one.
    motion: Option<Motion>,
}

#[derive(Clone, Copy, Debug)]
struct Motion {
    way: [i64; 2],
    /// Length of it.
    length: i64,
    /// Logarithm of its speed.
    speed: i64,
}

impl Features {
    /// The first event, which is no step.
    pub(super) fn begin(&mut self, spot: Spot) {
        self.before = Some(spot);
    }

    /// The bytes of a step at `spot`.
    pub(super) fn step(&mut self, frame: &Frame, spot: Spot, lifted: bool) -> [u8; FEATURES] {
        let before = self.before.unwrap_or(spot);
        let unit = frame.parts();
        let passed = (spot.time - before.time).max(1);
        let way = difference(&before, &spot);
        let length = length(way);
        let speed = logarithm(divide(length << 16, unit * passed)) - 128;
        let turn = self.motion.map_or(0, |last| {
            let sine = 127 * (last.way[0] * way[1] - last.way[1] * way[0]);
            divide(sine, last.length * length)
        });
        let acceleration = self.motion.map_or(0, |last| 2 * (speed - last.speed));
        let pressed = self.motion.map_or(0, |_| spot.pressure - before.pressure);
        let [x, y] = spot.position;
        let values = [
            divide(32 * x, unit),
            divide(32 * y, unit),
            divide(2048 * way[0], unit * passed),
            divide(2048 * way[1], unit * passed),
            divide(127 * way[0], length),
            divide(127 * way[1], length),
            turn,
            speed,
            acceleration,
            divide(254 * spot.pressure, frame.pressure) - 127,
            divide(508 * pressed, frame.pressure),
            if lifted { 127 } else { 0 },
        ];
        self.before = Some(spot);
        self.motion = Some(Motion { way, length, speed });
        values.map(|value| (128 + value.clamp(-127, 127)) as u8)
    }
}

/// 16 times the binary logarithm of `number + 1`, straight between powers of two.
fn logarithm(number: i64) -> i64 {
    let n = number.unsigned_abs().saturating_add(1);
    let k = n.ilog2();
    let above = n - (1 << k);
    // `number` is below 2^48, so that nothing is shifted out.
    i64::from(16 * k) + ((16 * above) >> k) as i64
}

#[cfg(test)]
mod tests {
    use super::logarithm;

    #[test]
    fn logarithms_are_those_of_powers_and_straight_between() {
        for (number, expected) in [(0, 0), (1, 16), (2, 24), (3, 32), (5, 40), (65_535, 256)] {
            assert_eq!(logarithm(number), expected, "{number}");
        }
    }
}
