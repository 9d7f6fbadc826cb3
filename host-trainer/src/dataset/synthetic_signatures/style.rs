//! What makes one person's handwriting look like nobody else's.

use super::glyphs::{Glyph, Knot, LIFT};
use super::hand::{Plan, Target};
use super::kinematics::Vector;
use super::noise::Noise;

/// A person's handwriting: how school letters become personal ones.
#[derive(Clone, Debug)]
pub(super) struct Style {
    /// Height of small letters, millimetres.
    pub(super) x_height: f32,
    /// Width of letters relative to the school hand.
    pub(super) width: f32,
    /// Extra space between letters, x-heights.
    pub(super) gap: f32,
    /// Extra height of ascenders and depth of descenders, relative.
    pub(super) ascender: f32,
    /// Size of capitals relative to the school hand.
    pub(super) capital: f32,
    /// Multiplies every turn: below 1 angular, above 1 round and looped.
    pub(super) roundness: f32,
    /// Shear: x gained per y.
    pub(super) slant: f32,
    /// Rise of the baseline, y per x.
    pub(super) rise: f32,
    /// How much of the height is lost from the first to the last letter of a word.
    pub(super) fade: f32,
    /// Standard deviation of personal letter shapes about the school hand, x-heights.
    pub(super) individuality: f32,
    /// Whether the letter after a capital is connected to it.
    pub(super) joins_capitals: bool,
    /// Chance of lifting the pen between small letters: printed rather than cursive.
    pub(super) lifts: f32,
}

impl Style {
    /// Draws a style.
    pub(super) fn new(noise: &mut Noise) -> Self {
        Self {
            x_height: noise.range(2.3, 3.6),
            width: noise.range(0.6, 1.35),
            gap: noise.range(-0.05, 0.3),
            ascender: noise.range(0.9, 1.35),
            capital: noise.range(1.1, 2.1),
            roundness: noise.range(0.55, 1.15),
            slant: (0.3 + noise.normal(0.25)).clamp(-0.25, 0.9),
            rise: 0.07 + noise.normal(0.09),
            fade: if noise.chance(0.5) {
                noise.range(0.2, 0.75)
            } else {
                0.0
            },
            individuality: noise.range(0.04, 0.14),
            joins_capitals: noise.chance(0.5),
            lifts: if noise.chance(0.3) {
                noise.range(0.1, 0.6)
            } else {
                0.0
            },
        }
    }
}

/// Writes letters into a plan, left to right.
pub(super) struct Scribe<'a> {
    style: &'a Style,
    noise: &'a mut Noise,
    plan: Plan,
    /// Where the next letter begins, x-heights.
    cursor: f32,
    /// Dots and bars of the word so far: their letter's place, its scale, and the knots.
    delayed: Vec<(f32, f32, &'static [Knot])>,
}

impl<'a> Scribe<'a> {
    /// An empty sheet.
    pub(super) fn new(style: &'a Style, noise: &'a mut Noise) -> Self {
        Self {
            style,
            noise,
            plan: Plan::default(),
            cursor: 0.0,
            delayed: Vec::new(),
        }
    }

    /// Writes a capital, `scale` times the usual size.
    pub(super) fn capital(&mut self, glyph: &'static Glyph, scale: f32) {
        let size = self.style.capital * scale;
        self.draw(glyph.path, size, size);
        self.cursor += glyph.advance * size * self.style.width + self.style.gap;
    }

    /// Writes a word of small letters; `joined` continues from the pen's place.
    pub(super) fn word(&mut self, letters: &[&'static Glyph], joined: bool) {
        for (index, glyph) in letters.iter().enumerate() {
            let done = index as f32 / letters.len().max(2) as f32;
            let height = 1.0 - self.style.fade * done;
            let lift = if index == 0 {
                !joined
            } else {
                self.noise.chance(self.style.lifts)
            };
            if lift {
                self.draw(&[(0.0, 0.15, LIFT)], 1.0, height);
            }
            self.draw(glyph.path, 1.0, height);
            if !glyph.delayed.is_empty() {
                self.delayed.push((self.cursor, height, glyph.delayed));
            }
            self.cursor += glyph.advance * self.style.width + self.style.gap;
        }
        let end = self.cursor;
        for (place, height, knots) in core::mem::take(&mut self.delayed) {
            self.cursor = place;
            self.draw(knots, 1.0, height);
        }
        self.cursor = end;
    }

    /// Leaves space, x-heights.
    pub(super) fn space(&mut self, width: f32) {
        self.cursor += width * self.style.width;
    }

    /// The plan of what was written.
    pub(super) fn finish(self) -> Plan {
        let mut plan = self.plan;
        if let Some(first) = plan.targets.first() {
            plan.start = first.at;
        }
        plan
    }

    /// Puts `knots` at the cursor.
    fn draw(&mut self, knots: &[Knot], width: f32, height: f32) {
        for &(x, y, turn) in knots {
            let lift = turn == LIFT;
            let off = self.style.individuality;
            let beyond = if (0.0..=1.2).contains(&y) {
                1.0
            } else {
                self.style.ascender
            };
            let x = self.cursor + width * self.style.width * (x + self.noise.normal(off));
            let y = height * (y * beyond + self.noise.normal(off));
            let turn = if lift {
                self.noise.normal(0.2)
            } else {
                (turn * self.style.roundness + self.noise.normal(off)).clamp(-3.0, 3.0)
            };
            self.plan.targets.push(Target {
                at: place(self.style, [x, y]),
                turn,
                pen_down: !lift,
            });
        }
    }
}

/// From upright x-heights to the slanted, risen line in millimetres.
pub(super) fn place(style: &Style, [x, y]: Vector) -> Vector {
    let x = style.x_height * (x + style.slant * y);
    [x, style.x_height * y + style.rise * x]
}
