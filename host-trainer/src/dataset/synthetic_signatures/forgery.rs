//! Skilled forgeries: the ink of a signer, the motor program of somebody else.
//!
//! A forger sees a signature, not the movement that made it. He divides the ink into
//! pieces of his own choice (more of them than the signer made strokes, since he draws what
//! the signer writes), misjudges proportions, and carries the pieces out with his own
//! timing, slant, pressure and tremor, slower than the signer and under the control of
//! his eye. His habits persist over all he forges, and his misjudgements of one signer
//! over all forgeries of that signer.

use core::f32::consts::{PI, TAU};

use super::hand::{Hand, Plan, Target};
use super::kinematics::Vector;
use super::noise::{Noise, Purpose};
use super::signer::Signer;
use super::variation::{Posture, Scatter};
use super::{Pen, PenSequence};

/// Forgers practise on signatures that are in nobody's collection: from this number on.
const FIRST_SPECIMEN: u32 = 1 << 31;

/// Distance of the points at which a forger looks at the ink, millimetres.
const LOOK: f32 = 0.2;

/// A person who imitates signatures.
struct Forger {
    hand: Hand,
    /// Turn after which a new piece begins, radians.
    piece_turn: f32,
    /// Length after which a new piece begins, millimetres.
    piece_length: f32,
    /// The slant that he falls back to.
    slant: f32,
    /// How far: 0 not at all.
    slant_bias: f32,
    /// Size relative to the original.
    size: f32,
    /// Skill: the errors are multiplied by this.
    clumsiness: f32,
    /// Chance of lifting the pen within a line.
    retouch: f32,
}

impl Forger {
    fn new(seed: u64, forger: u32) -> Self {
        let mut noise = Noise::new(seed, Purpose::Forger, [forger, 0, 0]);
        let clumsiness = noise.range(0.5, 1.35);
        Self {
            hand: Hand {
                interval: noise.range(0.07, 0.15),
                usual_stroke: 2.0,
                isochrony: noise.range(0.45, 0.8),
                overlap: noise.range(0.16, 0.28),
                sigma: noise.range(0.2, 0.45),
                feedback: noise.range(0.85, 1.0),
                amplitude_noise: 0.03 * clumsiness,
                direction_noise: 0.035 * clumsiness,
                timing_noise: noise.range(0.12, 0.3),
                hesitation: noise.range(0.02, 0.12),
                tremor: clumsiness * noise.range(0.02, 0.09),
                pressure: noise.range(0.5, 0.85),
                pressure_drop: noise.range(0.05, 0.3),
                down_pressure: noise.range(0.0, 0.12),
            },
            piece_turn: noise.range(0.8, 1.7),
            piece_length: noise.range(4.0, 12.0),
            slant: noise.range(-0.1, 0.45),
            slant_bias: noise.range(0.1, 0.45),
            size: noise.factor(0.06),
            clumsiness,
            retouch: noise.range(0.0, 0.03),
        }
    }
}

impl Signer {
    /// Forgery number `sample` of this signer by forger number `forger` of the same
    /// population.
    pub fn forgery(&self, forger: u32, sample: u32) -> PenSequence {
        let number = forger;
        let key = |sample| [self.index, number, sample];
        let mut reading = Noise::new(self.seed, Purpose::Reading, key(0));
        let mut noise = Noise::new(self.seed, Purpose::Forgery, key(sample));
        let forger = Forger::new(self.seed, number);
        let specimen = self.genuine(FIRST_SPECIMEN | number);
        let mut plan = forger.read(&specimen);
        forger.misjudge(&mut plan, self.x_height, &mut reading);
        forger.attempt(&mut plan, self.x_height, &mut noise);
        PenSequence {
            points: forger.hand.write(&plan, &mut noise),
            pen: Pen::pick(&mut noise),
            paper: noise.below(u32::MAX),
        }
    }
}

impl Forger {
    /// The plan of a forger who has only the ink of `specimen`.
    fn read(&self, specimen: &PenSequence) -> Plan {
        let mut plan = Plan::default();
        for line in specimen.points.split(|point| !point.pen_down) {
            let line: Vec<Vector> = line.iter().map(|point| [point.x, point.y]).collect();
            if let Some(&first) = line.first() {
                plan.targets.push(Target {
                    at: first,
                    turn: 0.0,
                    pen_down: false,
                });
                plan.targets.extend(self.divide(&evenly(&line)));
            }
        }
        if let Some(first) = plan.targets.first() {
            plan.start = first.at;
        }
        plan
    }

    /// Divides a line of evenly spaced points into pieces; turns are those of the line.
    fn divide(&self, line: &[Vector]) -> Vec<Target> {
        let mut pieces = Vec::new();
        let (mut turn, mut length, mut last) = (0.0f32, 0.0f32, None);
        for pair in line.windows(2) {
            let [dx, dy] = [pair[1][0] - pair[0][0], pair[1][1] - pair[0][1]];
            let heading = libm::atan2f(dy, dx);
            let bend = last.map_or(0.0, |last: f32| wrapped(heading - last));
            last = Some(heading);
            let cusp = bend.abs() > 0.8;
            let full = (turn + bend).abs() > self.piece_turn || length > self.piece_length;
            if (cusp || full) && length > LOOK {
                pieces.push(piece(pair[0], turn));
                (turn, length) = (0.0, 0.0);
            } else {
                turn += bend;
            }
            length += libm::sqrtf(dx * dx + dy * dy);
        }
        pieces.extend(line.last().map(|&end| piece(end, turn)));
        pieces
    }

    /// What this forger gets wrong about a signer every time.
    fn misjudge(&self, plan: &mut Plan, x_height: f32, reading: &mut Noise) {
        let clumsiness = self.clumsiness;
        let mut posture = Posture::new(1.2 * clumsiness, reading);
        posture.size *= self.size;
        posture.slant += self.slant_bias * (self.slant - 0.25) + reading.normal(0.04);
        posture.apply(plan);
        let scatter = Scatter {
            drift: 0.16 * clumsiness * x_height,
            point: 0.03 * clumsiness * x_height,
            turn: 0.08 * clumsiness,
            landing: 0.2 * clumsiness * x_height,
        };
        scatter.apply(plan, reading);
    }

    /// What differs from one attempt to the next.
    fn attempt(&self, plan: &mut Plan, x_height: f32, noise: &mut Noise) {
        let clumsiness = self.clumsiness;
        Posture::new(0.8 * clumsiness, noise).apply(plan);
        let scatter = Scatter {
            drift: 0.08 * clumsiness * x_height,
            point: 0.03 * clumsiness * x_height,
            turn: 0.08 * clumsiness,
            landing: 0.08 * clumsiness * x_height,
        };
        scatter.apply(plan, noise);
        let mut index = 1;
        while index + 1 < plan.targets.len() {
            if plan.targets[index].pen_down && noise.chance(self.retouch) {
                let [x, y] = plan.targets[index].at;
                let landing = Target {
                    at: [x + noise.normal(0.2), y + noise.normal(0.2)],
                    turn: 0.0,
                    pen_down: false,
                };
                plan.targets.insert(index + 1, landing);
                index += 1;
            }
            index += 1;
        }
    }
}

fn piece(at: Vector, turn: f32) -> Target {
    Target {
        at,
        turn: turn.clamp(-3.0, 3.0),
        pen_down: true,
    }
}

/// The angle in -pi..=pi.
fn wrapped(angle: f32) -> f32 {
    if angle > PI {
        angle - TAU
    } else if angle < -PI {
        angle + TAU
    } else {
        angle
    }
}

/// The points of a line at distances of [`LOOK`], its ends kept.
fn evenly(line: &[Vector]) -> Vec<Vector> {
    let mut points: Vec<Vector> = line.first().copied().into_iter().collect();
    let mut ahead = LOOK;
    for pair in line.windows(2) {
        let [dx, dy] = [pair[1][0] - pair[0][0], pair[1][1] - pair[0][1]];
        let length = libm::sqrtf(dx * dx + dy * dy);
        while ahead <= length {
            let share = ahead / length;
            points.push([pair[0][0] + share * dx, pair[0][1] + share * dy]);
            ahead += LOOK;
        }
        ahead -= length;
    }
    points.extend(line.last());
    points
}
