//! Ink on paper.

use image::GrayImage;

use super::noise::{Noise, Purpose};
use super::{PenPoint, PenSequence};

/// How signatures become pictures.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RenderOptions {
    /// Width of the picture, pixels, at least 1.
    pub width: u32,
    /// Height of the picture, pixels, at least 1.
    pub height: u32,
    /// Resolution. A signature too large for the picture is scanned at less.
    pub pixels_per_millimetre: f32,
    /// Texture of the paper and mottle of the ink, 0 for none, 1 for usual.
    pub texture: f32,
}

impl Default for RenderOptions {
    fn default() -> Self {
        Self {
            width: 256,
            height: 128,
            pixels_per_millimetre: 3.6,
            texture: 1.0,
        }
    }
}

/// Share of the free space by which a signature may be off the centre.
const OFF_CENTRE: f32 = 0.5;
/// Free border, pixels.
const BORDER: f32 = 4.0;

/// Scans a signature: dark ink on light paper, thicker and darker where the pressure is
/// high, somewhere about the middle of the picture.
pub fn render(sequence: &PenSequence, options: &RenderOptions) -> GrayImage {
    let mut noise = Noise::new(u64::from(sequence.paper), Purpose::Paper, [0; 3]);
    let view = View::new(sequence, options, &mut noise);
    let mut ink = Ink {
        width: options.width as usize,
        height: options.height as usize,
        cover: vec![0.0; (options.width * options.height) as usize],
    };
    for line in sequence.points.split(|point| !point.pen_down) {
        ink.line(line, &view, sequence.pen.nib);
    }
    let paper = paper(options, &mut noise);
    let mottle = noise.bytes(ink.cover.len());
    let darkness = sequence.pen.darkness;
    let mut picture = GrayImage::new(options.width, options.height);
    let grounds = ink.cover.iter().zip(paper).zip(mottle);
    for (pixel, ((&cover, paper), mottle)) in picture.iter_mut().zip(grounds) {
        let mottle = 1.0 - options.texture * 0.18 * (f32::from(mottle) / 255.0);
        *pixel = (paper * (1.0 - darkness * cover * mottle) + 0.5) as u8;
    }
    picture
}

/// From millimetres, y upwards, to pixels, y downwards.
struct View {
    scale: f32,
    origin: [f32; 2],
}

impl View {
    fn new(sequence: &PenSequence, options: &RenderOptions, noise: &mut Noise) -> Self {
        let (mut low, mut high) = ([f32::MAX; 2], [f32::MIN; 2]);
        for point in sequence.points.iter().filter(|point| point.pen_down) {
            for (axis, value) in [point.x, -point.y].into_iter().enumerate() {
                low[axis] = low[axis].min(value);
                high[axis] = high[axis].max(value);
            }
        }
        if low[0] > high[0] {
            (low, high) = ([0.0; 2], [0.0; 2]);
        }
        let mut scale = options.pixels_per_millimetre;
        let room = [options.width, options.height].map(|side| side as f32 - 2.0 * BORDER);
        for axis in 0..2 {
            scale = scale.min(room[axis].max(1.0) / (high[axis] - low[axis]).max(0.1));
        }
        let origin = [0, 1].map(|axis| {
            let free = room[axis] - scale * (high[axis] - low[axis]);
            let place = 0.5 + OFF_CENTRE * (noise.uniform() - 0.5);
            BORDER + place * free - scale * low[axis]
        });
        Self { scale, origin }
    }

    fn pixel(&self, point: &PenPoint) -> [f32; 2] {
        [
            self.origin[0] + self.scale * point.x,
            self.origin[1] - self.scale * point.y,
        ]
    }
}

/// How much of each pixel is inked, 0..=1.
struct Ink {
    width: usize,
    height: usize,
    cover: Vec<f32>,
}

/// A place of the pen: centre and radius of its mark in pixels, and how dark it is.
#[derive(Clone, Copy)]
struct Mark {
    at: [f32; 2],
    radius: f32,
    dark: f32,
}

impl Ink {
    /// Draws a line without lift as a Catmull-Rom curve through its points.
    fn line(&mut self, points: &[PenPoint], view: &View, nib: f32) {
        let at = |index: usize| view.pixel(&points[index.min(points.len() - 1)]);
        let mark = |at: [f32; 2], pressure: f32| Mark {
            at,
            radius: 0.5 * nib * view.scale * (0.45 + 0.75 * pressure),
            dark: (0.5 + 0.65 * pressure).min(1.0),
        };
        let mut last = match points.first() {
            Some(first) => mark(at(0), first.pressure),
            None => return,
        };
        self.segment(last, last);
        for (index, pair) in points.windows(2).enumerate() {
            let knots = [
                at(index.saturating_sub(1)),
                at(index),
                at(index + 1),
                at(index + 2),
            ];
            let [dx, dy] = [knots[2][0] - knots[1][0], knots[2][1] - knots[1][1]];
            let steps = (libm::sqrtf(dx * dx + dy * dy) / 2.0) as u32 + 1;
            for step in 1..=steps {
                let share = step as f32 / steps as f32;
                let pressure = pair[0].pressure + share * (pair[1].pressure - pair[0].pressure);
                let next = mark(catmull_rom(&knots, share), pressure);
                self.segment(last, next);
                last = next;
            }
        }
    }

    /// Draws a round-ended piece of line; ink does not add up where lines cross.
    fn segment(&mut self, from: Mark, to: Mark) {
        let radius = from.radius.max(to.radius);
        let reach = radius + 0.5;
        let dark = to.dark * (2.0 * radius).min(1.0);
        let range = |axis: usize, side: usize| {
            let low = from.at[axis].min(to.at[axis]) - reach;
            let high = from.at[axis].max(to.at[axis]) + reach + 1.0;
            let clamp = |value: f32| (value.max(0.0) as usize).min(side);
            clamp(low)..clamp(high)
        };
        let [dx, dy] = [to.at[0] - from.at[0], to.at[1] - from.at[1]];
        let inverse = 1.0 / (dx * dx + dy * dy).max(1e-9);
        let columns = range(0, self.width);
        for row in range(1, self.height) {
            let py = row as f32 + 0.5 - from.at[1];
            let pixels = &mut self.cover[row * self.width..][columns.clone()];
            for (column, cover) in columns.clone().zip(pixels) {
                let px = column as f32 + 0.5 - from.at[0];
                let share = ((px * dx + py * dy) * inverse).clamp(0.0, 1.0);
                let (ox, oy) = (px - share * dx, py - share * dy);
                let inside = reach - libm::sqrtf(ox * ox + oy * oy);
                *cover = cover.max(dark * inside.clamp(0.0, 1.0));
            }
        }
    }
}

/// The point at `share` between the two middle ones of four knots (E. Catmull and R. Rom,
/// "A class of local interpolating splines", 1974).
fn catmull_rom(knots: &[[f32; 2]; 4], share: f32) -> [f32; 2] {
    [0, 1].map(|axis| {
        let [a, b, c, d] = knots.map(|knot| knot[axis]);
        let cubic = 3.0 * (b - c) + d - a;
        let square = 2.0 * a - 5.0 * b + 4.0 * c - d;
        b + 0.5 * share * (c - a + share * (square + share * cubic))
    })
}

/// Grey values of an empty sheet: its tone, uneven light, fibres and grain.
fn paper(options: &RenderOptions, noise: &mut Noise) -> Vec<f32> {
    const FIBRE: usize = 8;
    let (width, height) = (options.width as usize, options.height as usize);
    let texture = options.texture;
    let tone = 247.0 - texture * noise.range(0.0, 22.0);
    let light = [noise.normal(4.0), noise.normal(4.0)].map(|slope| texture * slope);
    let columns = width / FIBRE + 2;
    let lattice = noise.bytes(columns * (height / FIBRE + 2));
    let grain = noise.bytes(width * height);
    let mut sheet = Vec::with_capacity(width * height);
    for (row, grain) in grain.chunks_exact(width).enumerate() {
        let share = (row % FIBRE) as f32 / FIBRE as f32;
        let upper = &lattice[row / FIBRE * columns..][..columns];
        let lower = &lattice[(row / FIBRE + 1) * columns..][..columns];
        let fibres: Vec<f32> = (upper.iter().zip(lower))
            .map(|(&upper, &lower)| {
                f32::from(upper) + share * (f32::from(lower) - f32::from(upper))
            })
            .collect();
        let shade = tone + light[1] * (row as f32 / height as f32 - 0.5);
        sheet.extend(grain.iter().enumerate().map(|(column, &grain)| {
            let share = (column % FIBRE) as f32 / FIBRE as f32;
            let (left, right) = (fibres[column / FIBRE], fibres[column / FIBRE + 1]);
            let fibre = (left + share * (right - left)) / 255.0 - 0.5;
            let grain = f32::from(grain) / 255.0 - 0.5;
            let shade = shade + light[0] * (column as f32 / width as f32 - 0.5);
            (shade + texture * (6.0 * fibre + 8.0 * grain)).clamp(0.0, 255.0)
        }));
    }
    sheet
}
