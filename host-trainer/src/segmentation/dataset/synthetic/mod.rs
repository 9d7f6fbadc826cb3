//! Made-up tasks: pictures of something that does not exist, and where it is.
//!
//! A network that has learnt from enough of them finds structures that it never saw, after a
//! few pictures in which they are marked; nobody's body is in them and nothing is downloaded.
//! The same seed gives the same bytes on every machine.
//!
//! ```text
//! layout: what each pixel belongs to -> paint: a grey of each label, texture, blur, grain -> picture
//!   anatomy  one map of regions, deformed anew in each picture      organs, tissues
//!   scatter  objects that have parts, over others that distract     cells, nuclei, lesions
//!   network  walls between cells                                    membranes, vessels
//! ```
//!
//! Labels mean the same in all pictures of a task, and have about the same looks; so what is
//! marked in some of them says what to find in another. The idea of learning from such tasks is
//! that of V. I. Butoi et al., "UniverSeg: universal medical image segmentation", ICCV 2023.

mod anatomy;
mod network;
mod noise;
mod paint;
mod scatter;

use image::GrayImage;

use super::{Case, LabelMap, Structure, Task};
use noise::Noise;

/// Pixels on a side of every picture.
pub const SIDE: usize = 128;

const AREA: usize = SIDE * SIDE;

/// Labels that a layout may have, 0 among them.
const LABELS: usize = 9;

/// A picture shows the target when it covers more than this share of it.
const LEAST_SHARE: f32 = 0.004;

/// The target must not be nearly all there is.
const MOST_SHARE: f32 = 0.7;

/// What a layout is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Anatomy,
    Scatter,
    Network,
}

impl Kind {
    fn pick(noise: &mut Noise) -> Self {
        match noise.uniform() {
            share if share < 0.45 => Self::Anatomy,
            share if share < 0.8 => Self::Scatter,
            _ => Self::Network,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Anatomy => "anatomy",
            Self::Scatter => "scatter",
            Self::Network => "network",
        }
    }
}

/// What each pixel of all pictures belongs to.
struct Layout {
    kind: Kind,
    /// A label for each pixel, below [`LABELS`]; one map for each picture.
    maps: Vec<Vec<u8>>,
    /// Labels that are to be found.
    target: Vec<u8>,
    /// Columns on the left and on the right that show nothing, as beside a narrow scan.
    margin: usize,
}

impl Layout {
    fn draw(noise: &mut Noise, cases: usize) -> Self {
        match Kind::pick(noise) {
            Kind::Anatomy => anatomy::layout(noise, cases),
            Kind::Scatter => scatter::layout(noise, cases),
            Kind::Network => network::layout(noise, cases),
        }
    }

    /// Where the target is: 1, elsewhere 0.
    fn mask(&self, map: &[u8]) -> Vec<u8> {
        let is_seen = |place: usize| (self.margin..SIDE - self.margin).contains(&(place % SIDE));
        let pixels = map.iter().enumerate();
        pixels
            .map(|(place, label)| u8::from(self.target.contains(label) && is_seen(place)))
            .collect()
    }
}

/// A made-up task of `cases` pictures with one structure, `target`: the task number `index`
/// of the endless row that `seed` names.
pub fn task(seed: u64, index: u64, cases: usize) -> Task {
    let mut noise = Noise::new(seed, index);
    let (layout, masks) = loop {
        let layout = Layout::draw(&mut noise, cases);
        let masks: Vec<_> = layout.maps.iter().map(|map| layout.mask(map)).collect();
        if is_useful(&masks) {
            break (layout, masks);
        }
    };
    let pictures = paint::pictures(&mut noise, &layout);
    let case = |(number, (pixels, values)): (usize, (Vec<u8>, Vec<u8>))| Case {
        name: number.to_string(),
        subject: number.to_string(),
        picture: image::DynamicImage::from(
            GrayImage::from_raw(SIDE as u32, SIDE as u32, pixels).unwrap_or_default(),
        )
        .into(),
        labels: LabelMap {
            width: SIDE as u32,
            height: SIDE as u32,
            values,
        },
    };
    Task {
        name: format!("{}-{index}", layout.kind.name()),
        cases: pictures
            .into_iter()
            .zip(masks)
            .enumerate()
            .map(case)
            .collect(),
        structures: vec![Structure {
            name: "target".into(),
            labels: vec![1],
        }],
    }
}

/// Whether most pictures show the target, and it is not nearly all there is.
fn is_useful(masks: &[Vec<u8>]) -> bool {
    let share = |mask: &Vec<u8>| {
        let inside = mask.iter().filter(|&&value| value != 0).count();
        inside as f32 / AREA as f32
    };
    let shares: Vec<f32> = masks.iter().map(share).collect();
    let shown = shares.iter().filter(|&&share| share > LEAST_SHARE).count();
    // Five of eight.
    8 * shown >= 5 * masks.len() && shares.iter().sum::<f32>() <= MOST_SHARE * masks.len() as f32
}

/// Calls `set` with every pixel's value, and how far it is from a place, down and right.
fn around<T>(field: &mut [T], [y, x]: [f32; 2], mut set: impl FnMut(&mut T, usize, f32, f32)) {
    for (row, values) in field.chunks_exact_mut(SIDE).enumerate() {
        for (column, value) in values.iter_mut().enumerate() {
            set(
                value,
                row * SIDE + column,
                row as f32 - y,
                column as f32 - x,
            );
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_same_numbers_give_the_same_bytes_and_others_do_not() {
        let of = |seed, index| {
            let cases = task(seed, index, 3).cases.into_iter();
            cases
                .map(|case| (case.picture, case.labels.values))
                .collect::<Vec<_>>()
        };
        assert_eq!(of(7, 1), of(7, 1));
        assert_ne!(of(7, 1), of(7, 2));
        assert_ne!(of(7, 1), of(8, 1));
    }

    #[test]
    fn every_kind_occurs_and_targets_are_of_a_useful_size() {
        let mut kinds = BTreeSet::new();
        for index in 0..24 {
            let task = task(5, index, 8);
            kinds.insert(task.name.split('-').next().unwrap().to_owned());
            assert_eq!(task.structures.len(), 1);
            assert_eq!(task.structures[0].labels, [1]);
            let mut shares = vec![];
            for (number, case) in task.cases.iter().enumerate() {
                assert_eq!(case.subject, number.to_string());
                let picture = image::DynamicImage::from(case.picture.clone());
                assert_eq!([picture.width(), picture.height()], [SIDE as u32; 2]);
                let pixels = picture.into_luma8();
                // Grey values are spread over their range.
                assert_eq!(pixels.iter().max(), Some(&255));
                assert_eq!(pixels.iter().min(), Some(&0));
                assert!(case.labels.values.iter().all(|&value| value <= 1));
                assert_eq!(case.labels.values.len(), AREA);
                let inside = case.labels.values.iter().filter(|&&v| v == 1).count();
                shares.push(inside as f32 / AREA as f32);
            }
            let shown = shares.iter().filter(|share| **share > 0.004).count();
            assert!(shown >= 5, "{}: {shares:?}", task.name);
            assert!(shares.iter().sum::<f32>() / 8.0 <= 0.7, "{shares:?}");
        }
        assert_eq!(
            kinds,
            BTreeSet::from(["anatomy", "network", "scatter"].map(String::from))
        );
    }

    #[test]
    fn margins_hide_the_target() {
        let layout = Layout {
            kind: Kind::Anatomy,
            maps: vec![vec![4; AREA]],
            target: vec![4],
            margin: 20,
        };
        let mask = layout.mask(&layout.maps[0]);
        assert_eq!(mask[..21], [vec![0; 20], vec![1]].concat());
        assert_eq!(mask[SIDE - 21..SIDE], [vec![1], vec![0; 20]].concat());
    }
}
