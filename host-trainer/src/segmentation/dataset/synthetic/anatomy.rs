//! One map of regions that all pictures share, deformed anew in each.

use super::noise::Noise;
use super::{AREA, Kind, LABELS, Layout, SIDE, around};

/// A region of a size between these shares of the map is preferred as target.
const USUAL_SHARES: [f32; 2] = [0.01, 0.5];

/// How much pictures of a task differ: deviations.
struct Deformation {
    /// Of a pixel, pixels, and over how many neighbours deviate alike.
    shift: f32,
    smoothness: f32,
    /// Of the whole: radians, logarithm of a factor, pixels.
    turn: f32,
    scale: f32,
    travel: f32,
}

/// A layout whose target is one region, or two.
pub(super) fn layout(noise: &mut Noise, cases: usize) -> Layout {
    let labels = noise.whole(3, LABELS);
    let base = regions(noise, labels);
    let margin = if noise.happens(0.3) {
        noise.whole(8, 34)
    } else {
        0
    };
    let deformation = Deformation {
        shift: noise.range(2.0, 8.0),
        smoothness: noise.range(6.0, 16.0),
        turn: noise.range(0.0, 0.25),
        scale: noise.range(0.0, 0.15),
        travel: noise.range(0.0, 10.0),
    };
    let mut target = vec![region(noise, &base, labels)];
    if noise.happens(0.2) {
        target.push(noise.whole(0, labels) as u8);
    }
    Layout {
        kind: Kind::Anatomy,
        maps: (0..cases)
            .map(|_| deformed(noise, &base, &deformation))
            .collect(),
        target,
        margin,
    }
}

/// Each pixel belongs to the label whose smooth field is the highest; some ellipses lie over it.
fn regions(noise: &mut Noise, labels: usize) -> Vec<u8> {
    let smoothness = noise.range(5.0, 20.0);
    let mut base = vec![0; AREA];
    let mut highest = vec![f32::MIN; AREA];
    for label in 0..labels {
        let offset = 0.2 * noise.normal();
        let field = noise.smooth(smoothness);
        for ((base, highest), value) in base.iter_mut().zip(&mut highest).zip(field) {
            if value + offset > *highest {
                (*base, *highest) = (label as u8, value + offset);
            }
        }
    }
    if noise.happens(0.5) {
        for _ in 0..noise.whole(1, 4) {
            let centre = [(); 2].map(|()| noise.range(35.0, 93.0));
            let radii = [(); 2].map(|()| noise.range(6.0, 34.0));
            let (sin, cos) = libm::sincosf(noise.range(0.0, core::f32::consts::PI));
            let edge = noise.smooth(8.0);
            let label = noise.whole(0, labels) as u8;
            around(&mut base, centre, |base, place, y, x| {
                let along = (cos * y + sin * x) / radii[0];
                let across = (cos * x - sin * y) / radii[1];
                if along * along + across * across + 0.15 * edge[place] < 1.0 {
                    *base = label;
                }
            });
        }
    }
    base
}

/// A region of a usual size, the largest where there is none.
fn region(noise: &mut Noise, base: &[u8], labels: usize) -> u8 {
    let mut counts = vec![0usize; labels];
    for &label in base {
        counts[usize::from(label)] += 1;
    }
    let [low, high] = USUAL_SHARES.map(|share| (share * AREA as f32) as usize);
    let usual: Vec<usize> = (0..labels)
        .filter(|&label| (low..high).contains(&counts[label]))
        .collect();
    let region = match usual.is_empty() {
        true => (0..labels).max_by_key(|&label| counts[label]).unwrap_or(0),
        false => usual[noise.whole(0, usual.len())],
    };
    region as u8
}

/// The map seen through a random smooth shift, a turn and a scale; mirrored beyond its border.
fn deformed(noise: &mut Noise, base: &[u8], deformation: &Deformation) -> Vec<u8> {
    const MIDDLE: f32 = SIDE as f32 / 2.0 - 0.5;
    let [down, right] = [(); 2].map(|()| noise.smooth(deformation.smoothness));
    let scale = libm::expf(deformation.scale * noise.normal());
    let (sin, cos) = libm::sincosf(deformation.turn * noise.normal());
    let (sin, cos) = (scale * sin, scale * cos);
    let travel = [(); 2].map(|()| MIDDLE + deformation.travel * noise.normal());
    let mut map = vec![0; AREA];
    around(&mut map, [MIDDLE; 2], |label, place, y, x| {
        let row = cos * y - sin * x + travel[0] + deformation.shift * down[place];
        let column = sin * y + cos * x + travel[1] + deformation.shift * right[place];
        *label = base[mirrored(row) * SIDE + mirrored(column)];
    });
    map
}

/// The row or column nearest to a place that may lie outside.
fn mirrored(place: f32) -> usize {
    let place = libm::floorf(place + 0.5) as i32;
    let place = place.rem_euclid(2 * SIDE as i32) as usize;
    place.min(2 * SIDE - 1 - place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beyond_the_border_is_what_is_before_it() {
        let places = [-2.0, -1.0, -0.4, 0.0, 127.4, 128.0, 130.0, 256.0];
        assert_eq!(places.map(mirrored), [1, 0, 0, 0, 127, 127, 125, 0]);
    }

    /// Where nothing deviates, a picture is the map itself.
    #[test]
    fn pictures_deviate_as_much_as_the_deformation_says() {
        let mut noise = Noise::new(1, 1);
        let base = regions(&mut noise, 6);
        let mut changed = |shift: f32| {
            let deformation = Deformation {
                shift,
                smoothness: 8.0,
                turn: 0.0,
                scale: 0.0,
                travel: 0.0,
            };
            let map = deformed(&mut noise, &base, &deformation);
            map.iter().zip(&base).filter(|(a, b)| a != b).count()
        };
        let [none, little, much] = [0.0, 1.0, 8.0].map(&mut changed);
        assert_eq!(none, 0);
        assert!(0 < little && little < much, "{little} {much}");
    }
}
