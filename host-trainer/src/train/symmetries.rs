//! Turned and mirrored samples, which are further classes.

use anyhow::{Result, ensure};
use shared::preprocess::{InputShape, Preprocess};
use tch::Tensor;

/// What a feature of a pen's steps becomes: that of another place, and whether it is negated.
type Source = (i64, bool);

/// A quarter turn, x becoming y: positions, motions and ways change places; turns of the way,
/// speeds and pressures stay.
const QUARTER_TURN: [Source; 12] = [
    (1, true),
    (0, false),
    (3, true),
    (2, false),
    (5, true),
    (4, false),
    (6, false),
    (7, false),
    (8, false),
    (9, false),
    (10, false),
    (11, false),
];

/// A mirror image, x becoming -x, whose way turns to the other side.
const MIRROR: [Source; 12] = [
    (0, true),
    (1, false),
    (2, true),
    (3, false),
    (4, true),
    (5, false),
    (6, true),
    (7, false),
    (8, false),
    (9, false),
    (10, false),
    (11, false),
];

/// Samples, uint8 `[n, c, h, w]`, and all that they become when they are turned: pictures by
/// quarters; what a pen did by quarters and in a mirror. Somebody who wrote so would write
/// like nobody else (Lake et al., "One shot learning of simple visual concepts", 2011, turn
/// characters for that).
///
/// # Errors
/// For pictures that are no squares.
pub(super) fn all(samples: Tensor, preprocess: &Preprocess) -> Result<Vec<Tensor>> {
    match preprocess {
        Preprocess::Picture(_) => {
            let InputShape { height, width, .. } = preprocess.shape();
            ensure!(
                height == width,
                "expected a square input for quarter turns, found {height} x {width}: choose --rotations false, or a square --input"
            );
            Ok((0..4).map(|turns| samples.rot90(turns, [2, 3])).collect())
        }
        Preprocess::Pen(_) => {
            let mirrored = from(&samples, &MIRROR);
            let mut all = vec![];
            for mut samples in [samples, mirrored] {
                for _ in 0..4 {
                    let turned = from(&samples, &QUARTER_TURN);
                    all.push(std::mem::replace(&mut samples, turned));
                }
            }
            Ok(all)
        }
    }
}

/// Steps whose features are made of others. A byte `128 + value` negated is `256 - byte`, and
/// rows that are no step stay zero.
fn from(samples: &Tensor, sources: &[Source; 12]) -> Tensor {
    let planes: Vec<Tensor> = sources
        .iter()
        .map(|(place, negated)| {
            let plane = samples.narrow(1, *place, 1);
            if *negated { plane.neg() } else { plane }
        })
        .collect();
    Tensor::cat(&planes, 1)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use shared::preprocess::pen::{PenPoint, PenPreprocess, Sampling, Scale};

    use super::*;
    use crate::train::data::planes;

    /// Some curve.
    fn points() -> Vec<PenPoint> {
        let point = |i: i32| PenPoint {
            x: 40 * i + 300 * (i % 7) - 90 * (i % 5),
            y: 1000 - 7 * i * i % 501,
            t: 10 * i as u32,
            pressure: (300 + 11 * i) as u16,
            end_of_stroke: i % 9 == 8,
        };
        (0..60).map(point).collect()
    }

    /// Turned features are those of turned events, but for a rounding.
    #[test]
    fn turned_steps_are_those_of_turned_events() {
        let spec = PenPreprocess {
            steps: 40,
            sampling: Sampling::Time(20),
            scale: Scale::Signature { upright: false },
        };
        let steps = |turn: fn(&PenPoint) -> [i32; 2]| {
            let turned = points().into_iter().map(|point| {
                let [x, y] = turn(&point);
                PenPoint { x, y, ..point }
            });
            let turned: Vec<PenPoint> = turned.collect();
            let mut output = vec![0; spec.shape().len()];
            spec.run(&turned[..], &mut output).unwrap();
            planes(&output, spec.shape())
        };
        let found = all(steps(|p| [p.x, p.y]), &spec.into()).unwrap();
        let events: [fn(&PenPoint) -> [i32; 2]; 8] = [
            |p| [p.x, p.y],
            |p| [-p.y, p.x],
            |p| [-p.x, -p.y],
            |p| [p.y, -p.x],
            |p| [-p.x, p.y],
            |p| [-p.y, -p.x],
            |p| [p.x, -p.y],
            |p| [p.y, p.x],
        ];
        assert_eq!(found.len(), events.len());
        for (found, turned) in found.iter().zip(events) {
            let expected = steps(turned);
            let difference = found.to_kind(tch::Kind::Int) - expected.to_kind(tch::Kind::Int);
            assert!(difference.abs().max().int64_value(&[]) <= 1);
        }
    }
}
