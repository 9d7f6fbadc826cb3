//! The strokes that make a name a signature.

use super::hand::{Plan, Target};
use super::noise::Noise;

/// Kinds of flourish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flourish {
    /// None.
    None,
    /// A line under the name.
    Underline,
    /// Lines to and fro under the name without lifting the pen.
    Zigzag,
    /// Loops along a line under the name.
    Coil,
    /// An oval around the name.
    Ring,
    /// The last letter shoots on to the right.
    Tail,
    /// The pen returns through the name.
    Strike,
}

/// All kinds, the frequent ones more than once.
pub(super) const FLOURISHES: &[Flourish] = &[
    Flourish::None,
    Flourish::None,
    Flourish::Underline,
    Flourish::Underline,
    Flourish::Zigzag,
    Flourish::Zigzag,
    Flourish::Coil,
    Flourish::Ring,
    Flourish::Ring,
    Flourish::Tail,
    Flourish::Tail,
    Flourish::Strike,
];

/// The box of a name, in which flourishes are planned: x from 0 at its left edge to 1 at
/// its right one, y from 0 at its foot to 1 at its top.
struct Frame {
    left: f32,
    foot: f32,
    width: f32,
    height: f32,
    rise: f32,
}

impl Frame {
    fn of(plan: &Plan, rise: f32) -> Self {
        let level = |target: &Target| target.at[1] - rise * target.at[0];
        let fold = |of: &dyn Fn(&Target) -> f32, start: f32, pick: fn(f32, f32) -> f32| {
            plan.targets.iter().map(of).fold(start, pick)
        };
        let left = fold(&|target| target.at[0], f32::MAX, f32::min);
        let foot = fold(&level, f32::MAX, f32::min);
        Self {
            left,
            foot,
            width: fold(&|target| target.at[0], f32::MIN, f32::max) - left,
            height: (fold(&level, f32::MIN, f32::max) - foot).max(3.0),
            rise,
        }
    }

    fn target(&self, x: f32, y: f32, turn: f32, pen_down: bool) -> Target {
        let x = self.left + x * self.width;
        Target {
            at: [x, self.foot + y * self.height + self.rise * x],
            turn,
            pen_down,
        }
    }
}

impl Flourish {
    /// Adds the flourish to a name whose baseline rises by `rise`; drawn once for a
    /// signer, for whom it is then the same every time.
    pub(super) fn add(self, plan: &mut Plan, rise: f32, noise: &mut Noise) {
        let frame = Frame::of(plan, rise + noise.normal(0.04));
        let mut knots: Vec<(f32, f32, f32)> = Vec::new();
        let lifted = match self {
            Self::None => return,
            Self::Underline => {
                let right = noise.range(0.8, 1.15);
                let bow = noise.normal(0.35);
                knots.push((noise.range(-0.1, 0.3), noise.range(-0.3, -0.05), 0.0));
                knots.push((right, noise.range(-0.15, 0.15), bow));
                if noise.chance(0.4) {
                    knots.push((right - 0.12, -0.3, -2.4));
                }
                true
            }
            Self::Zigzag => {
                zigzag(&mut knots, noise);
                noise.chance(0.3)
            }
            Self::Coil => {
                coil(&mut knots, noise);
                noise.chance(0.3)
            }
            Self::Ring => {
                ring(&mut knots, noise);
                noise.chance(0.3)
            }
            Self::Tail => {
                let reach = noise.range(1.15, 1.5);
                knots.push((reach, noise.range(0.0, 1.1), noise.normal(0.7)));
                if noise.chance(0.4) {
                    knots.push((noise.range(0.5, 0.9), noise.range(-0.4, 0.0), -2.0));
                }
                false
            }
            Self::Strike => {
                let side = if noise.chance(0.5) { 1.0 } else { -1.0 };
                knots.push((1.08, noise.range(0.6, 1.1), side));
                knots.push((noise.range(-0.1, 0.2), noise.range(0.2, 0.5), 0.6 * side));
                knots.push((noise.range(0.9, 1.2), noise.range(0.3, 0.6), 1.6));
                noise.chance(0.2)
            }
        };
        let first = usize::from(!lifted);
        let targets = (first..).zip(&knots);
        plan.targets
            .extend(targets.map(|(index, &(x, y, turn))| frame.target(x, y, turn, index > 0)));
    }
}

/// Back to the left and to the right again, with pointed or looped ends.
fn zigzag(knots: &mut Vec<(f32, f32, f32)>, noise: &mut Noise) {
    let looped = if noise.chance(0.5) { 0.9 } else { 0.15 };
    let mut y = noise.range(-0.1, 0.15);
    for index in 0..2 + noise.below(3) {
        let (x, sign) = if index % 2 == 0 {
            (noise.range(-0.1, 0.25), -1.0)
        } else {
            (noise.range(0.75, 1.15), 1.0)
        };
        knots.push((x, y, sign * looped * noise.range(0.6, 1.2)));
        y -= noise.range(0.03, 0.22);
    }
    knots.push((
        noise.range(0.8, 1.3),
        y + noise.range(0.1, 0.3),
        noise.range(0.2, 1.2),
    ));
}

/// A row of loops to the left, then a dash to the right.
fn coil(knots: &mut Vec<(f32, f32, f32)>, noise: &mut Noise) {
    let count = 2 + noise.below(3);
    let (foot, top) = (noise.range(-0.45, -0.25), noise.range(0.0, 0.2));
    let mut x = noise.range(0.85, 1.05);
    let step = noise.range(0.12, 0.24);
    for _ in 0..count {
        knots.push((x, foot, -1.7));
        knots.push((x - step, top, -1.7));
        x -= 0.75 * step;
    }
    knots.push((x - 0.05, foot, 1.8));
    knots.push((noise.range(0.9, 1.25), foot + noise.range(0.0, 0.35), 0.9));
}

/// Round the name, over the top first or under it.
fn ring(knots: &mut Vec<(f32, f32, f32)>, noise: &mut Noise) {
    let (top, foot) = (noise.range(0.8, 1.2), noise.range(-0.4, -0.05));
    let (left, right) = (noise.range(-0.15, 0.1), noise.range(0.95, 1.15));
    let turn = noise.range(1.1, 1.5);
    knots.extend([
        (right, 0.6, turn),
        (0.6, top, turn),
        (left, 0.45, turn),
        (0.45, foot, turn),
    ]);
    if noise.chance(0.5) {
        knots.extend([(right + 0.05, 0.5, turn), (0.55, top - 0.15, turn)]);
    }
    if noise.chance(0.6) {
        knots.push((noise.range(1.0, 1.4), noise.range(-0.1, 0.7), 0.8));
    }
}
