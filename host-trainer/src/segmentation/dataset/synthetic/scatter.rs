//! Objects that have parts, over other things that distract.

use super::noise::Noise;
use super::{AREA, Kind, Layout, SIDE, around};

const OBJECT: u8 = 1;
const PART: u8 = 2;
const DISTRACTION: u8 = 3;
const MOTTLE: u8 = 4;

/// What the pictures of a task have in common.
struct Scene {
    objects: usize,
    /// Whether there is one object, near the middle.
    is_central: bool,
    radius: f32,
    /// How far outlines are from ellipses.
    irregularity: f32,
    parts: usize,
    /// A part's share of its object's radius.
    part_radius: f32,
    distractions: usize,
    distraction_radius: f32,
    /// How coarse patches of another ground are, where there are some.
    mottle: Option<f32>,
}

impl Scene {
    fn pick(noise: &mut Noise) -> Self {
        Self {
            objects: noise.whole(1, 4),
            is_central: noise.happens(0.5),
            radius: noise.range(10.0, 36.0),
            irregularity: noise.range(0.02, 0.3),
            parts: noise.whole(1, 4),
            part_radius: noise.range(0.35, 0.8),
            distractions: noise.whole(0, 5),
            distraction_radius: noise.range(4.0, 20.0),
            mottle: noise.happens(0.3).then(|| noise.range(4.0, 14.0)),
        }
    }

    fn map(&self, noise: &mut Noise) -> Vec<u8> {
        let mut map = vec![0; AREA];
        if let Some(coarseness) = self.mottle {
            let field = noise.smooth(coarseness);
            for (label, value) in map.iter_mut().zip(field) {
                *label = if value > 0.6 { MOTTLE } else { 0 };
            }
        }
        for _ in 0..self.distractions {
            self.distract(noise, &mut map);
        }
        let objects = match self.is_central {
            true => 1,
            false => (self.objects + noise.whole(0, 3)).saturating_sub(1).max(1),
        };
        for _ in 0..objects {
            self.object(noise, &mut map);
        }
        map
    }

    fn distract(&self, noise: &mut Noise, map: &mut [u8]) {
        let centre = [(); 2].map(|()| noise.range(0.0, SIDE as f32));
        let square = self.distraction_radius * self.distraction_radius;
        let factor = noise.range(0.7, 1.3);
        let edge = noise.smooth(6.0);
        let irregularity = self.irregularity * square;
        around(map, centre, |label, place, y, x| {
            if y * y + x * x + irregularity * edge[place] < square * factor * factor {
                *label = DISTRACTION;
            }
        });
    }

    /// An ellipse with some ellipses in it, as far as they lie in it.
    fn object(&self, noise: &mut Noise, map: &mut [u8]) {
        let centre = [(); 2].map(|()| match self.is_central {
            true => SIDE as f32 / 2.0 + 8.0 * noise.normal(),
            false => noise.range(16.0, SIDE as f32 - 16.0),
        });
        let radius = self.radius * noise.range(0.7, 1.3);
        let stretch = noise.range(0.75, 1.3);
        let (sin, cos) = libm::sincosf(noise.range(0.0, core::f32::consts::PI));
        let edge = noise.smooth(radius / 3.0 + 1.0);
        let mut is_object = vec![false; AREA];
        around(&mut is_object, centre, |is_object, place, y, x| {
            let along = (cos * y + sin * x) * stretch;
            let across = (cos * x - sin * y) / stretch;
            let square = (along * along + across * across) / (radius * radius);
            *is_object = square + self.irregularity * edge[place] < 1.0;
        });
        for (label, _) in map.iter_mut().zip(&is_object).filter(|(_, is)| **is) {
            *label = OBJECT;
        }
        let spread = match self.parts {
            1 => 0.2 * radius * (1.0 - self.part_radius),
            _ => 0.35 * radius * (1.0 - self.part_radius / 2.0),
        };
        for _ in 0..self.parts {
            let centre = centre.map(|place| place + spread * noise.normal());
            let radius =
                radius * self.part_radius / libm::sqrtf(self.parts as f32) * noise.range(0.8, 1.2);
            let edge = noise.smooth(radius / 3.0 + 1.0);
            around(map, centre, |label, place, y, x| {
                let square = (y * y + x * x) / (radius * radius);
                if is_object[place] && square + self.irregularity * edge[place] < 1.0 {
                    *label = PART;
                }
            });
        }
    }
}

/// A layout whose target are objects without their parts, parts, both, or distractions.
pub(super) fn layout(noise: &mut Noise, cases: usize) -> Layout {
    let scene = Scene::pick(noise);
    let target = match noise.whole(0, 4) {
        0 => vec![OBJECT],
        1 => vec![OBJECT, PART],
        2 if scene.distractions > 1 => vec![DISTRACTION],
        _ => vec![PART],
    };
    Layout {
        kind: Kind::Scatter,
        maps: (0..cases).map(|_| scene.map(noise)).collect(),
        target,
        margin: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_lie_in_objects() {
        for index in 0..20 {
            let map = |parts: usize| {
                let mut noise = Noise::new(2, index);
                let scene = Scene {
                    is_central: true,
                    parts,
                    mottle: None,
                    distractions: 0,
                    ..Scene::pick(&mut noise)
                };
                scene.map(&mut noise)
            };
            // Parts are drawn last: the object is the same with and without them.
            let (plain, with_parts) = (map(0), map(3));
            assert!(plain.contains(&OBJECT) && with_parts.contains(&PART));
            for (plain, label) in plain.iter().zip(with_parts) {
                assert!(label == *plain || label == PART && *plain == OBJECT);
            }
        }
    }
}
