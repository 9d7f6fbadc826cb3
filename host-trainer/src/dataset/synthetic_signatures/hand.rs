//! A writer's hand: turns a plan of virtual targets into a movement.

use super::kinematics::{Stroke, Vector, trace};
use super::noise::{Drift, Noise};
use super::{PenPoint, SAMPLE_INTERVAL};

/// A virtual target: where a stroke would end if the next one did not set in before.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Target {
    /// Position, millimetres.
    pub(super) at: Vector,
    /// By how much the stroke that leads here turns, radians, counter-clockwise above 0.
    pub(super) turn: f32,
    /// Whether that stroke is written; if not, the pen is lifted.
    pub(super) pen_down: bool,
}

/// The spatial half of a motor program: what is to be written.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Plan {
    /// Where the pen is at first.
    pub(super) start: Vector,
    /// The targets in the order of writing.
    pub(super) targets: Vec<Target>,
}

/// The temporal half of a motor program: how it is carried out.
#[derive(Clone, Debug)]
pub(super) struct Hand {
    /// Seconds from one stroke to the next, for a stroke of [`Hand::usual_stroke`].
    pub(super) interval: f32,
    /// Length of a usual stroke, millimetres.
    pub(super) usual_stroke: f32,
    /// How much longer strokes take longer: exponent of their length. 0 is isochrony.
    pub(super) isochrony: f32,
    /// Spread of a stroke's speed in time, in intervals: larger is rounder and more fluent.
    pub(super) overlap: f32,
    /// `sigma` of the strokes.
    pub(super) sigma: f32,
    /// How far a stroke makes up for the errors of the one before, 0..=1.
    pub(super) feedback: f32,
    /// Standard deviation of a stroke's relative amplitude error.
    pub(super) amplitude_noise: f32,
    /// Standard deviation of a stroke's direction error, radians.
    pub(super) direction_noise: f32,
    /// Standard deviation of the logarithm of a stroke's interval.
    pub(super) timing_noise: f32,
    /// Chance of stopping before a stroke.
    pub(super) hesitation: f32,
    /// Standard deviation of tremor, millimetres.
    pub(super) tremor: f32,
    /// Pressure at rest, 0..=1.
    pub(super) pressure: f32,
    /// Pressure lost at high speed.
    pub(super) pressure_drop: f32,
    /// Pressure gained downwards and lost upwards.
    pub(super) down_pressure: f32,
}

/// A movement before it is sampled.
struct Movement {
    strokes: Vec<Stroke>,
    /// When each stroke takes over from the one before, seconds, and whether it is written;
    /// at last the pen is lifted.
    phases: Vec<(f32, bool)>,
    /// When the last one ends.
    end: f32,
}

impl Hand {
    /// Writes `plan` once.
    pub(super) fn write(&self, plan: &Plan, noise: &mut Noise) -> Vec<PenPoint> {
        let movement = self.strokes(plan, noise);
        let count = (movement.end / SAMPLE_INTERVAL) as usize + 1;
        let mut path = trace(plan.start, &movement.strokes, SAMPLE_INTERVAL, count);
        self.shake(&mut path, noise);
        let mut phase = 0;
        let mut points: Vec<PenPoint> = (path.into_iter().enumerate())
            .map(|(index, [x, y])| {
                let t = index as f32 * SAMPLE_INTERVAL;
                while movement
                    .phases
                    .get(phase + 1)
                    .is_some_and(|next| next.0 <= t)
                {
                    phase += 1;
                }
                let pen_down = movement.phases.get(phase).is_some_and(|now| now.1);
                PenPoint {
                    x,
                    y,
                    pressure: 0.0,
                    t,
                    pen_down,
                }
            })
            .collect();
        self.press(&mut points, noise);
        points
    }

    /// The strokes towards the targets, each timed to set in while the one before ends.
    fn strokes(&self, plan: &Plan, noise: &mut Noise) -> Movement {
        let mut movement = Movement {
            strokes: Vec::with_capacity(plan.targets.len()),
            phases: Vec::with_capacity(plan.targets.len()),
            end: 0.05,
        };
        let (mut planned, mut actual) = (plan.start, plan.start);
        for target in &plan.targets {
            let from = [
                planned[0] + self.feedback * (actual[0] - planned[0]),
                planned[1] + self.feedback * (actual[1] - planned[1]),
            ];
            let chord = [target.at[0] - from[0], target.at[1] - from[1]];
            let (amplitude, theta_start, theta_end) = Stroke::arc(chord, target.turn);
            let error = noise.normal(self.direction_noise);
            let mut stroke = Stroke {
                amplitude: amplitude * (1.0 + noise.normal(self.amplitude_noise)),
                onset: 0.0,
                mu: 0.0,
                sigma: self.sigma * noise.factor(0.1),
                theta_start: theta_start + error + noise.normal(self.direction_noise),
                theta_end: theta_end + error + noise.normal(self.direction_noise),
            };
            self.schedule(&mut stroke, target.pen_down, &mut movement, noise);
            let step = stroke.displacement(1.0);
            actual = [actual[0] + step[0], actual[1] + step[1]];
            planned = target.at;
            movement.strokes.push(stroke);
        }
        movement.phases.push((movement.end, false));
        movement.end += 0.05;
        movement
    }

    /// Sets `t0` and `mu` of the next stroke so that its median falls in the middle of
    /// its interval and its speed spreads over `overlap` intervals.
    fn schedule(
        &self,
        stroke: &mut Stroke,
        pen_down: bool,
        movement: &mut Movement,
        noise: &mut Noise,
    ) {
        let length = (stroke.amplitude / self.usual_stroke).max(0.05);
        let stretch = libm::powf(length, self.isochrony).clamp(0.55, 4.0);
        let mut interval = self.interval * stretch * noise.factor(self.timing_noise);
        let mut spread = self.overlap * interval;
        if !pen_down {
            // The pen leaves and meets the paper nearly at rest.
            interval = 1.4 * interval + 0.03;
            spread = 0.16 * interval;
        } else if noise.chance(self.hesitation) {
            movement.end += noise.range(0.05, 0.2);
        }
        let delay = spread / stroke.sigma;
        stroke.mu = libm::logf(delay);
        stroke.onset = movement.end + 0.5 * interval - delay;
        movement.phases.push((movement.end, pen_down));
        movement.end += interval;
    }

    /// Adds tremor: a rhythm of 8 to 12 Hz whose amplitude comes and goes.
    fn shake(&self, path: &mut [Vector], noise: &mut Noise) {
        if self.tremor <= 0.0 {
            return;
        }
        for axis in 0..2 {
            let mut swell = Drift::new(1.0, 0.97, noise);
            let mut rate = Drift::new(1.5, 0.98, noise);
            let mut phase = noise.range(0.0, core::f32::consts::TAU);
            for point in path.iter_mut() {
                let rate = 10.0 + rate.next(noise);
                phase += core::f32::consts::TAU * SAMPLE_INTERVAL * rate;
                point[axis] += self.tremor * swell.next(noise) * libm::sinf(phase);
            }
        }
    }

    /// Sets the pressure from speed, direction and contact with the paper.
    fn press(&self, points: &mut [PenPoint], noise: &mut Noise) {
        let usual_speed = self.usual_stroke / self.interval;
        let mut drift = Drift::new(0.04, 0.97, noise);
        let mut contact = 0.0f32;
        for index in 0..points.len() {
            let next = points[(index + 1).min(points.len() - 1)];
            let last = points[index.saturating_sub(1)];
            let [dx, dy] = [next.x - last.x, next.y - last.y];
            let way = libm::sqrtf(dx * dx + dy * dy);
            let speed = way / (2.0 * SAMPLE_INTERVAL);
            let upwards = if way > 1e-4 { dy / way } else { 0.0 };
            let wanted = self.pressure + drift.next(noise)
                - self.pressure_drop * speed / (speed + usual_speed)
                - self.down_pressure * upwards;
            // Landing and lifting take some 30 ms.
            let lifting = !points[(index + 2).min(points.len() - 1)].pen_down;
            let goal = if lifting { 0.3 } else { 1.0 };
            contact += 0.5 * (goal - contact);
            if points[index].pen_down {
                points[index].pressure = (wanted * contact).clamp(0.05, 1.0);
            } else {
                contact = 0.0;
            }
        }
    }
}
