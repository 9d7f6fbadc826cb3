//! Changes at random of an episode's pictures: those of a whole task, and those of each picture.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

/// A picture of real numbers 0 to 1 and its mask of 0 and 1, `side` x `side`.
#[derive(Clone, Debug)]
pub struct Example {
    /// Row by row.
    pub picture: Vec<f32>,
    /// Row by row.
    pub mask: Vec<f32>,
}

/// Places of a coarse grid along each side, between which shifts are interpolated.
const SHIFTS: usize = 6;

/// What is done to all pictures of an episode alike, so that its task is a new one.
pub fn task(examples: &mut [Example], side: usize, random: &mut ChaCha8Rng) {
    let mut chance = |share: f64| random.random_bool(share);
    let (mirror, flip, transpose) = (chance(0.5), chance(0.5), chance(0.5));
    let (invert, gamma, outside) = (chance(0.3), chance(0.5), chance(0.1));
    let exponent = (0.4 * normal(random)).exp();
    for example in examples {
        let moved = |map: &[f32]| -> Vec<f32> {
            let place = |index: usize| {
                let (mut y, mut x) = (index / side, index % side);
                if transpose {
                    (y, x) = (x, y);
                }
                let y = if flip { side - 1 - y } else { y };
                let x = if mirror { side - 1 - x } else { x };
                map[y * side + x]
            };
            (0..side * side).map(place).collect()
        };
        example.picture = moved(&example.picture);
        example.mask = moved(&example.mask);
        for value in &mut example.picture {
            if invert {
                *value = 1.0 - *value;
            }
            if gamma {
                *value = value.max(0.0).powf(exponent);
            }
        }
        if outside {
            example
                .mask
                .iter_mut()
                .for_each(|value| *value = 1.0 - *value);
        }
    }
}

/// How far pictures of an episode are moved, each by itself: standard deviations.
#[derive(Clone, Copy, Debug)]
struct Motion {
    /// Radians.
    turn: f32,
    /// Of the logarithm.
    scale: f32,
    /// Half widths of a picture.
    shift: f32,
    /// Half widths of a picture.
    bend: f32,
}

/// What is done to each picture: moved and bent in most episodes, brighter or darker, noisy in
/// some.
pub fn pictures(examples: &mut [Example], side: usize, random: &mut ChaCha8Rng) {
    let little = Motion {
        turn: 0.15,
        scale: 0.1,
        shift: 0.06,
        bend: 0.02,
    };
    let much = Motion {
        turn: 1.5,
        scale: 0.2,
        shift: 0.2,
        bend: 0.03,
    };
    let motion = match random.random_range(0.0..1.0) {
        share if share < 0.4 => None,
        share if share < 0.82 => Some(little),
        _ => Some(much),
    };
    let noise = match random.random_bool(0.3) {
        true => random.random_range(0.0..0.08),
        false => 0.0f32,
    };
    for example in examples {
        if let Some(motion) = motion {
            moved(example, side, motion, random);
        }
        let contrast = (0.08 * normal(random)).exp();
        let brightness = 0.5 + 0.04 * normal(random);
        for value in &mut example.picture {
            let changed = (*value - 0.5) * contrast + brightness;
            let noisy = match noise > 0.0 {
                true => changed + noise * normal(random),
                false => changed,
            };
            *value = noisy.clamp(0.0, 1.0);
        }
    }
}

/// Turns, scales, shifts and bends a picture with its mask; beyond its border it goes on as
/// the border is, and nothing is marked.
fn moved(example: &mut Example, side: usize, motion: Motion, random: &mut ChaCha8Rng) {
    let mut draw = |deviation: f32| deviation * normal(random);
    let (angle, scale) = (draw(motion.turn), draw(motion.scale).exp());
    let (sine, cosine) = (scale * angle.sin(), scale * angle.cos());
    let shift = [draw(motion.shift), draw(motion.shift)];
    let bends: Vec<[f32; 2]> = (0..SHIFTS * SHIFTS)
        .map(|_| [draw(motion.bend), draw(motion.bend)])
        .collect();
    let half = side as f32 / 2.0;
    let mut picture = Vec::with_capacity(example.picture.len());
    let mut mask = Vec::with_capacity(example.mask.len());
    for row in 0..side {
        let v = (row as f32 + 0.5) / half - 1.0;
        for column in 0..side {
            let u = (column as f32 + 0.5) / half - 1.0;
            let bend = between(&bends, u, v);
            let x = cosine * u - sine * v + shift[0] + bend[0];
            let y = sine * u + cosine * v + shift[1] + bend[1];
            let [x, y] = [x, y].map(|place| (place + 1.0) * half - 0.5);
            picture.push(sampled(&example.picture, side, x, y));
            let [x, y] = [x, y].map(|place| place.round());
            let is_there = [x, y]
                .iter()
                .all(|place| (0.0..side as f32).contains(place));
            mask.push(match is_there {
                true => example.mask[y as usize * side + x as usize],
                false => 0.0,
            });
        }
    }
    *example = Example { picture, mask };
}

/// What lies between places of the coarse grid, which reaches from -1 to 1.
fn between(bends: &[[f32; 2]], u: f32, v: f32) -> [f32; 2] {
    let last = (SHIFTS - 1) as f32;
    let [x, y] = [u, v].map(|place| ((place + 1.0) / 2.0 * last).clamp(0.0, last));
    let (left, top) = ((x as usize).min(SHIFTS - 2), (y as usize).min(SHIFTS - 2));
    let (right, down) = (smooth(x - left as f32), smooth(y - top as f32));
    let at = |row: usize, column: usize| bends[row * SHIFTS + column];
    [0, 1].map(|axis| {
        let upper = at(top, left)[axis] * (1.0 - right) + at(top, left + 1)[axis] * right;
        let lower = at(top + 1, left)[axis] * (1.0 - right) + at(top + 1, left + 1)[axis] * right;
        upper * (1.0 - down) + lower * down
    })
}

/// From 0 to 1 without corners.
fn smooth(share: f32) -> f32 {
    share * share * (3.0 - 2.0 * share)
}

/// The picture at a place between its pixels.
fn sampled(picture: &[f32], side: usize, x: f32, y: f32) -> f32 {
    let last = (side - 1) as f32;
    let (x, y) = (x.clamp(0.0, last), y.clamp(0.0, last));
    let (left, top) = ((x as usize).min(side - 2), (y as usize).min(side - 2));
    let (right, down) = (x - left as f32, y - top as f32);
    let at = |row: usize, column: usize| picture[row * side + column];
    let upper = at(top, left) * (1.0 - right) + at(top, left + 1) * right;
    let lower = at(top + 1, left) * (1.0 - right) + at(top + 1, left + 1) * right;
    upper * (1.0 - down) + lower * down
}

fn normal(random: &mut ChaCha8Rng) -> f32 {
    StandardNormal.sample(random)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    const SIDE: usize = 16;

    /// A square of 1 on 0 is its own mask, whatever is done to it but for intensities.
    fn example() -> Example {
        let inside =
            |index: usize| (4..9).contains(&(index / SIDE)) && (6..12).contains(&(index % SIDE));
        let map: Vec<f32> = (0..SIDE * SIDE)
            .map(|i| f32::from(u8::from(inside(i))))
            .collect();
        Example {
            picture: map.clone(),
            mask: map,
        }
    }

    #[test]
    fn picture_and_mask_move_together() {
        for seed in 0..50 {
            let mut random = ChaCha8Rng::seed_from_u64(seed);
            let mut example = example();
            moved(
                &mut example,
                SIDE,
                Motion {
                    turn: 0.3,
                    scale: 0.1,
                    shift: 0.1,
                    bend: 0.02,
                },
                &mut random,
            );
            let differ = example
                .picture
                .iter()
                .zip(&example.mask)
                .filter(|(p, m)| (*p - *m).abs() > 0.75);
            assert!(differ.count() < 4, "seed {seed}");
        }
    }

    #[test]
    fn a_task_is_changed_alike_in_all_its_pictures() {
        for seed in 0..50 {
            let mut random = ChaCha8Rng::seed_from_u64(seed);
            let mut examples = vec![example(), example()];
            task(&mut examples, SIDE, &mut random);
            assert_eq!(examples[0].picture, examples[1].picture);
            assert_eq!(examples[0].mask, examples[1].mask);
            pictures(&mut examples, SIDE, &mut random);
            let all = examples.iter().flat_map(|e| &e.picture);
            assert!(all.clone().all(|v| (0.0..=1.0).contains(v)));
        }
    }
}
