//! Genuine signatures: no one signs the same way twice.
//!
//! Errors of a hand are errors of its day (size, slant, direction), of the moment (a drift
//! that lasts for a few strokes) and of the single stroke; and now and then a dot or a bar
//! is forgotten, or the pen sets off with a small hook. On top, [`Hand::write`] jitters the
//! parameters of every stroke (C. O'Reilly and R. Plamondon 2009; M. A. Ferrer, M.
//! Diaz-Cabrera and A. Morales, "Static signature synthesis: a neuromotor inspired
//! approach for biometrics", IEEE Trans. PAMI 37, 2015).
//!
//! [`Hand::write`]: super::hand::Hand::write

use super::hand::{Plan, Target};
use super::noise::{Drift, Noise, Purpose};
use super::signer::Signer;
use super::{Pen, PenSequence};

/// Signatures of one signer that follow each other were given on the same day.
pub const SAMPLES_PER_SESSION: u32 = 5;

/// How a whole signature is off.
#[derive(Clone, Copy, Debug)]
pub(super) struct Posture {
    pub(super) size: f32,
    pub(super) aspect: f32,
    pub(super) slant: f32,
    pub(super) rotation: f32,
}

impl Posture {
    /// Draws a posture of this spread: 1 is from day to day.
    pub(super) fn new(spread: f32, noise: &mut Noise) -> Self {
        Self {
            size: noise.factor(0.04 * spread),
            aspect: noise.factor(0.035 * spread),
            slant: noise.normal(0.035 * spread),
            rotation: noise.normal(0.025 * spread),
        }
    }

    /// Applies it about the origin of the plan.
    pub(super) fn apply(&self, plan: &mut Plan) {
        let (sin, cos) = (libm::sinf(self.rotation), libm::cosf(self.rotation));
        let turn = |[x, y]: [f32; 2]| {
            let (x, y) = (
                self.size * self.aspect * (x + self.slant * y),
                self.size * y,
            );
            [cos * x - sin * y, sin * x + cos * y]
        };
        plan.start = turn(plan.start);
        for target in &mut plan.targets {
            target.at = turn(target.at);
        }
    }
}

/// How single strokes are off.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scatter {
    /// Standard deviation of errors that last for some strokes, millimetres.
    pub(super) drift: f32,
    /// Of those of one stroke, millimetres.
    pub(super) point: f32,
    /// Of a stroke's turn, radians.
    pub(super) turn: f32,
    /// Of where the pen comes down after a lift, millimetres.
    pub(super) landing: f32,
}

impl Scatter {
    /// Moves the targets.
    pub(super) fn apply(&self, plan: &mut Plan, noise: &mut Noise) {
        let mut drift = [(); 2].map(|()| Drift::new(self.drift, 0.9, noise));
        let mut landing = [0.0; 2];
        let mut last = plan.start;
        for target in &mut plan.targets {
            if !target.pen_down {
                landing = [noise.normal(self.landing), noise.normal(self.landing)];
            }
            let [dx, dy] = [target.at[0] - last[0], target.at[1] - last[1]];
            last = target.at;
            // Errors grow with the stroke: large flourishes vary more.
            let reach = 0.03 * libm::sqrtf(dx * dx + dy * dy);
            for axis in 0..2 {
                target.at[axis] +=
                    landing[axis] + drift[axis].next(noise) + noise.normal(self.point + reach);
            }
            target.turn = (target.turn + noise.normal(self.turn)).clamp(-3.1, 3.1);
        }
    }
}

impl Signer {
    /// The signer's genuine signature number `sample`.
    pub fn genuine(&self, sample: u32) -> PenSequence {
        let session = sample / SAMPLES_PER_SESSION;
        let mut day = Noise::new(self.seed, Purpose::Session, [self.index, session, 0]);
        let mut noise = Noise::new(self.seed, Purpose::Genuine, [self.index, sample, 0]);
        let spread = self.inconstancy;
        let mut plan = self.plan.clone();
        slip(&mut plan, self.x_height, &mut noise);
        Posture::new(spread, &mut day).apply(&mut plan);
        Posture::new(0.7 * spread, &mut noise).apply(&mut plan);
        let scatter = Scatter {
            drift: 0.10 * spread * self.x_height,
            point: 0.04 * spread * self.x_height,
            turn: 0.08 * spread,
            landing: 0.08 * spread * self.x_height,
        };
        scatter.apply(&mut plan, &mut noise);
        let mut hand = self.hand.clone();
        hand.interval *= day.factor(0.06) * noise.factor(0.04);
        hand.pressure = (hand.pressure + day.normal(0.05) + noise.normal(0.03)).clamp(0.3, 1.0);
        PenSequence {
            points: hand.write(&plan, &mut noise),
            pen: Pen::pick(&mut noise),
            paper: noise.below(u32::MAX),
        }
    }
}

/// Now and then forgets a dot or a bar, or sets off with a small hook.
fn slip(plan: &mut Plan, x_height: f32, noise: &mut Noise) {
    let small = |index: usize| {
        let [lift, stroke] = [plan.targets[index], plan.targets[index + 1]];
        let [dx, dy] = [stroke.at[0] - lift.at[0], stroke.at[1] - lift.at[1]];
        let alone = plan
            .targets
            .get(index + 2)
            .is_none_or(|next| !next.pen_down);
        let mark = !lift.pen_down && stroke.pen_down && alone;
        mark && dx * dx + dy * dy < x_height * x_height
    };
    let marks: Vec<usize> = (1..plan.targets.len().saturating_sub(1))
        .filter(|&index| small(index))
        .collect();
    if !marks.is_empty() && noise.chance(0.12) {
        let index = noise.pick(&marks);
        plan.targets.drain(index..index + 2);
    }
    if noise.chance(0.15) && plan.targets.len() > 1 {
        let [x, y] = plan.targets[0].at;
        let hook = Target {
            at: [
                x - noise.range(0.1, 0.4) * x_height,
                y + noise.normal(0.2) * x_height,
            ],
            turn: 0.0,
            pen_down: false,
        };
        plan.start = hook.at;
        plan.targets[0].pen_down = true;
        plan.targets.insert(0, hook);
    }
}
