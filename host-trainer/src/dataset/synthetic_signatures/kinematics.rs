//! The sigma-lognormal model of rapid human movements.
//!
//! A movement is a sum of strokes that overlap in time. The speed of a stroke of
//! amplitude `D`, commanded at `t0`, is a lognormal impulse response,
//!
//! ```text
//! v(t) = D / (sigma sqrt(2 pi) (t - t0)) exp(-(ln(t - t0) - mu)^2 / (2 sigma^2)),   t > t0
//! ```
//!
//! and its direction turns from `theta_start` to `theta_end` in step with the distance
//! covered, that is with the lognormal's distribution function
//! `F(t) = (1 + erf((ln(t - t0) - mu) / (sigma sqrt 2))) / 2`. The path of one stroke is
//! therefore an arc of a circle, and its displacement has a closed form:
//!
//! ```text
//! x(t) = D / turn (sin phi(t) - sin theta_start),   turn = theta_end - theta_start
//! y(t) = D / turn (cos theta_start - cos phi(t)),   phi(t) = theta_start + turn F(t)
//! ```
//!
//! R. Plamondon, "A kinematic theory of rapid human movements, part I", Biological
//! Cybernetics 72, 1995. C. O'Reilly and R. Plamondon, "Development of a Sigma-Lognormal
//! representation for on-line signatures", Pattern Recognition 42, 2009.

use core::f32::consts::SQRT_2;

/// A point or a displacement in the plane, millimetres, x to the right and y upwards.
pub(super) type Vector = [f32; 2];

/// Beyond this many `sigma` from `mu` (in log time) a stroke has not begun or is over:
/// what is cut off is below a thousandth of its amplitude.
const REACH: f32 = 3.2;

/// One stroke of a movement, the six parameters of the sigma-lognormal model.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Stroke {
    /// `D`: length of its path, millimetres, at least 0.
    pub(super) amplitude: f32,
    /// `t0`: when it is commanded, seconds.
    pub(super) onset: f32,
    /// Log time delay: half of the path is covered `exp(mu)` seconds after the onset.
    pub(super) mu: f32,
    /// Log response time, the relative spread of the impulse; above 0.
    pub(super) sigma: f32,
    /// `theta_start`: direction it leaves in, radians counter-clockwise from x.
    pub(super) theta_start: f32,
    /// `theta_end`: direction it arrives in, radians.
    pub(super) theta_end: f32,
}

impl Stroke {
    /// `D`, `theta_start` and `theta_end` of the arc that spans `chord` and turns by
    /// `turn` radians (counter-clockwise above 0, less than a full circle).
    pub(super) fn arc(chord: Vector, turn: f32) -> (f32, f32, f32) {
        let length = libm::sqrtf(chord[0] * chord[0] + chord[1] * chord[1]);
        let direction = libm::atan2f(chord[1], chord[0]);
        let half = turn / 2.0;
        let stretch = if half.abs() < 1e-3 {
            1.0
        } else {
            half / libm::sinf(half)
        };
        (length * stretch, direction - half, direction + half)
    }

    /// Speed at time `t` (seconds), millimetres per second.
    #[cfg(test)]
    pub(super) fn speed(&self, t: f32) -> f32 {
        let elapsed = t - self.onset;
        if elapsed <= 0.0 {
            return 0.0;
        }
        let z = (libm::logf(elapsed) - self.mu) / self.sigma;
        self.amplitude * libm::expf(-0.5 * z * z)
            / (self.sigma * libm::sqrtf(core::f32::consts::TAU) * elapsed)
    }

    /// `F(t)`: the share of the path that is covered at time `t`, in 0..=1.
    pub(super) fn progress(&self, t: f32) -> f32 {
        let elapsed = t - self.onset;
        if elapsed <= 0.0 {
            return 0.0;
        }
        let z = (libm::logf(elapsed) - self.mu) / self.sigma;
        0.5 * (1.0 + libm::erff(z / SQRT_2))
    }

    /// Where the stroke has led after this share of its path.
    pub(super) fn displacement(&self, progress: f32) -> Vector {
        let turn = self.theta_end - self.theta_start;
        if turn.abs() < 1e-3 {
            let direction = (self.theta_start + self.theta_end) / 2.0;
            let length = self.amplitude * progress;
            return [
                length * libm::cosf(direction),
                length * libm::sinf(direction),
            ];
        }
        let (radius, phi) = (self.amplitude / turn, self.theta_start + turn * progress);
        [
            radius * (libm::sinf(phi) - libm::sinf(self.theta_start)),
            radius * (libm::cosf(self.theta_start) - libm::cosf(phi)),
        ]
    }

    /// From when to when it moves, seconds.
    fn span(&self) -> (f32, f32) {
        let at = |z: f32| self.onset + libm::expf(self.mu + z * self.sigma);
        (at(-REACH), at(REACH))
    }
}

/// Where the sum of `strokes`, begun at `start`, is at `count` moments `interval`
/// seconds apart, the first at time 0.
pub(super) fn trace(start: Vector, strokes: &[Stroke], interval: f32, count: usize) -> Vec<Vector> {
    let mut path = vec![start; count];
    for stroke in strokes {
        let (begin, end) = stroke.span();
        let first = ((begin / interval).max(0.0) as usize).min(count);
        let last = ((end / interval).max(0.0) as usize + 1).clamp(first, count);
        let add = |point: &mut Vector, step: Vector| {
            point[0] += step[0];
            point[1] += step[1];
        };
        for (index, point) in path.iter_mut().enumerate().take(last).skip(first) {
            let progress = stroke.progress(index as f32 * interval);
            add(point, stroke.displacement(progress));
        }
        let total = stroke.displacement(1.0);
        path[last..].iter_mut().for_each(|point| add(point, total));
    }
    path
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const STROKE: Stroke = Stroke {
        amplitude: 7.5,
        onset: 0.05,
        mu: -1.6,
        sigma: 0.3,
        theta_start: 0.4,
        theta_end: 2.1,
    };

    #[test]
    fn the_area_under_the_speed_is_the_amplitude() {
        let step = 1e-4;
        let area: f64 = (0..20_000)
            .map(|index| f64::from(STROKE.speed(index as f32 * step) * step))
            .sum();
        assert!((area - 7.5).abs() < 1e-3, "expected 7.5 mm, found {area}");
    }

    #[test]
    fn the_speed_is_lognormal() {
        // Mode of a lognormal: exp(mu - sigma^2), where the speed is at its highest.
        let mode = STROKE.onset + libm::expf(STROKE.mu - STROKE.sigma * STROKE.sigma);
        let peak = STROKE.speed(mode);
        assert!((1..4000).all(|index| STROKE.speed(index as f32 * 5e-4) <= peak * 1.000_01));
        // Median: exp(mu), where half of the path is covered.
        let median = STROKE.onset + libm::expf(STROKE.mu);
        assert!((STROKE.progress(median) - 0.5).abs() < 1e-6);
        assert_eq!(STROKE.speed(STROKE.onset), 0.0);
    }

    #[test]
    fn the_displacement_is_the_integral_of_the_velocity() {
        let step = 1e-4;
        let mut sum = [0.0f64; 2];
        for index in 0..3000 {
            let t = index as f32 * step;
            let turn = STROKE.theta_end - STROKE.theta_start;
            let phi = STROKE.theta_start + turn * STROKE.progress(t);
            let length = f64::from(STROKE.speed(t) * step);
            sum[0] += length * f64::from(libm::cosf(phi));
            sum[1] += length * f64::from(libm::sinf(phi));
        }
        let found = STROKE.displacement(STROKE.progress(0.3));
        for axis in 0..2 {
            assert!((f64::from(found[axis]) - sum[axis]).abs() < 5e-3);
        }
    }

    #[test]
    fn an_arc_spans_its_chord() {
        for turn in [-2.5, -0.3, 0.0, 1e-4, 0.7, 3.0] {
            let (amplitude, theta_start, theta_end) = Stroke::arc([3.0, -4.0], turn);
            let stroke = Stroke {
                amplitude,
                theta_start,
                theta_end,
                ..STROKE
            };
            let [x, y] = stroke.displacement(1.0);
            assert!(
                (x - 3.0).abs() < 1e-3 && (y + 4.0).abs() < 1e-3,
                "{turn}: {x} {y}"
            );
            assert!(amplitude >= 4.999);
        }
    }

    #[test]
    fn a_trace_ends_where_its_strokes_lead() {
        let later = Stroke {
            onset: 0.2,
            ..STROKE
        };
        let path = trace([1.0, 2.0], &[STROKE, later], 0.01, 200);
        let [x, y] = STROKE.displacement(1.0);
        let end = path.last().unwrap();
        assert_eq!(path[0], [1.0, 2.0]);
        assert!((end[0] - 1.0 - 2.0 * x).abs() < 1e-4);
        assert!((end[1] - 2.0 - 2.0 * y).abs() < 1e-4);
    }
}
