//! Walls between cells.

use super::noise::Noise;
use super::{AREA, Kind, Layout, SIDE, around};

const WALL: u8 = 1;
const BODY: u8 = 2;
/// Every other cell, where cells differ.
const OTHER_CELL: u8 = 3;

/// How far outside the picture a cell's middle may lie.
const OUTSIDE: f32 = 10.0;

/// Pixels of a picture by the two middles next to it.
struct Cells {
    /// Whether the nearest one's number is odd.
    is_odd: Vec<bool>,
    /// How much farther away the second is; 0 on the border between two cells.
    lead: Vec<f32>,
}

/// Cells around random middles, with borders that wind by `winding` pixels.
fn cells(noise: &mut Noise, count: usize, winding: f32) -> Cells {
    let middles: Vec<[f32; 2]> = (0..count)
        .map(|_| [(); 2].map(|()| noise.range(-OUTSIDE, SIDE as f32 + OUTSIDE)))
        .collect();
    let [down, right] = [(); 2].map(|()| noise.smooth(6.0));
    let mut found = Cells {
        is_odd: Vec::with_capacity(AREA),
        lead: Vec::with_capacity(AREA),
    };
    for row in 0..SIDE {
        let pixels = row * SIDE..(row + 1) * SIDE;
        let (down, right) = (&down[pixels.clone()], &right[pixels]);
        let mut ys = [0.0; SIDE];
        let mut xs = [0.0; SIDE];
        for column in 0..SIDE {
            ys[column] = row as f32 + winding * down[column];
            xs[column] = column as f32 + winding * right[column];
        }
        let (mut first, mut second) = ([f32::MAX; SIDE], [f32::MAX; SIDE]);
        let mut is_odd = [0.0f32; SIDE];
        for (number, [y, x]) in middles.iter().enumerate() {
            let odd = (number % 2) as f32;
            for column in 0..SIDE {
                let (y, x) = (ys[column] - y, xs[column] - x);
                let distance = y * y + x * x;
                let is_nearer = distance < first[column];
                let loser = if is_nearer { first[column] } else { distance };
                second[column] = if loser < second[column] {
                    loser
                } else {
                    second[column]
                };
                first[column] = if is_nearer { distance } else { first[column] };
                is_odd[column] = if is_nearer { odd } else { is_odd[column] };
            }
        }
        found.is_odd.extend(is_odd.iter().map(|&odd| odd > 0.0));
        let pairs = first.iter().zip(second);
        found
            .lead
            .extend(pairs.map(|(first, second)| libm::sqrtf(second) - libm::sqrtf(*first)));
    }
    found
}

/// What the pictures of a task have in common.
struct Tissue {
    cells: f32,
    /// Of walls, pixels.
    thickness: f32,
    winding: f32,
    cells_differ: bool,
    /// Round bodies in each picture.
    bodies: usize,
    body_radius: f32,
}

impl Tissue {
    fn pick(noise: &mut Noise) -> Self {
        Self {
            cells: noise.whole(8, 50) as f32,
            thickness: noise.range(1.0, 4.0),
            winding: noise.range(0.0, 6.0),
            cells_differ: noise.happens(0.5),
            bodies: noise.whole(0, 6),
            body_radius: noise.range(3.0, 8.0),
        }
    }

    fn map(&self, noise: &mut Noise) -> Vec<u8> {
        let count = (self.cells * noise.range(0.7, 1.3)) as usize;
        let cells = cells(noise, count, self.winding);
        let is_other = cells.is_odd.iter().map(|&odd| odd && self.cells_differ);
        let mut map: Vec<u8> = is_other.map(|other| u8::from(other) * OTHER_CELL).collect();
        for _ in 0..self.bodies {
            let centre = [(); 2].map(|()| noise.range(0.0, SIDE as f32));
            let square = self.body_radius * self.body_radius;
            let most = square * noise.range(0.6, 1.6);
            let edge = noise.smooth(5.0);
            around(&mut map, centre, |label, place, y, x| {
                if y * y + x * x + 0.4 * square * edge[place] < most {
                    *label = BODY;
                }
            });
        }
        let thickness = self.thickness * noise.range(0.8, 1.2);
        let variation = noise.smooth(12.0);
        for ((label, lead), variation) in map.iter_mut().zip(cells.lead).zip(variation) {
            if lead < thickness * (1.0 + 0.3 * variation) {
                *label = WALL;
            }
        }
        map
    }
}

/// A layout whose target are walls or, where there are several, bodies.
pub(super) fn layout(noise: &mut Noise, cases: usize) -> Layout {
    let tissue = Tissue::pick(noise);
    let are_walls = noise.happens(0.75) || tissue.bodies < 2;
    Layout {
        kind: Kind::Network,
        maps: (0..cases).map(|_| tissue.map(noise)).collect(),
        target: vec![if are_walls { WALL } else { BODY }],
        margin: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lead_is_the_difference_of_the_two_least_distances() {
        let mut noise = Noise::new(4, 4);
        let found = cells(&mut noise, 9, 0.0);
        // The same stream again gives the same middles.
        let mut noise = Noise::new(4, 4);
        let middles: Vec<[f32; 2]> = (0..9)
            .map(|_| [(); 2].map(|()| noise.range(-OUTSIDE, SIDE as f32 + OUTSIDE)))
            .collect();
        for place in (0..AREA).step_by(37) {
            let (row, column) = ((place / SIDE) as f32, (place % SIDE) as f32);
            let mut distances: Vec<(f32, usize)> = (0..9)
                .map(|number| {
                    let [y, x] = middles[number];
                    (libm::hypotf(row - y, column - x), number)
                })
                .collect();
            distances.sort_by(|a, b| a.0.total_cmp(&b.0));
            let lead = distances[1].0 - distances[0].0;
            assert!((found.lead[place] - lead).abs() < 1e-3);
            assert_eq!(found.is_odd[place], distances[0].1 % 2 == 1);
        }
    }

    #[test]
    fn walls_part_cells_that_differ() {
        let mut noise = Noise::new(5, 5);
        let tissue = Tissue {
            cells: 20.0,
            thickness: 4.0,
            winding: 0.0,
            cells_differ: true,
            bodies: 0,
            body_radius: 3.0,
        };
        let map = tissue.map(&mut noise);
        let neighbours = map.chunks_exact(SIDE).flat_map(|row| row.windows(2));
        let touching =
            neighbours.filter(|pair| pair[0] + pair[1] == OTHER_CELL && pair[0] != pair[1]);
        let touching = touching.filter(|pair| !pair.contains(&WALL)).count();
        assert_eq!(touching, 0);
    }
}
