//! Comparison with references as libtorch computes it: episodes of queries, each with its own
//! references of one structure.

use std::collections::BTreeMap;

use shared::segmentation::LEAST_SHARE;
use tch::{Kind, Tensor};

use super::graph::{Graph, Layer, NodeId};

/// Added to squared lengths before their roots are taken.
const EPSILON: f64 = 1e-12;

/// What the references of each episode say at one comparison.
#[derive(Debug)]
pub(super) struct Prototypes {
    /// Of the structure and of its surroundings, `[episodes, 2, dim]`.
    means: Tensor,
    /// Of each cell of each reference, `[episodes, 2, cells, dim]`, and which there are.
    cells: Option<(Tensor, Tensor)>,
    /// Where the structure lies, `[episodes, 1, height, width]`.
    location: Option<Tensor>,
}

impl Prototypes {
    /// What references with `features`, `[episodes * references, dim, height, width]` of unit
    /// vectors, and `masks`, `[episodes, references, rows, columns]` of 0 and 1, say.
    pub(super) fn new(features: &Tensor, masks: &Tensor, grid: usize, location: bool) -> Self {
        let (masks_size, size) = (masks.size(), features.size());
        let [episodes, references] = [masks_size[0], masks_size[1]];
        let [dim, height, width] = [size[1], size[2], size[3]];
        let features = features
            .contiguous()
            .view([episodes, references, 1, dim, height, width]);
        let block = [masks_size[2] / height, masks_size[3] / width];
        let flat = masks.view([episodes * references, 1, masks_size[2], masks_size[3]]);
        let inside = average(&flat.to_kind(features.kind()), block);
        let inside = inside.view([episodes, references, 1, height, width]);
        let classes = Tensor::cat(&[&inside, &(inside.ones_like() - &inside)], 2);
        // [episodes, references, class, dim, height, width]
        let weighted = &features * classes.unsqueeze(3);
        let of_references = unit(
            &weighted.sum_dim_intlist([4i64, 5].as_slice(), false, None::<Kind>),
            3,
        );
        let means = unit(
            &of_references.sum_dim_intlist([1i64].as_slice(), false, None::<Kind>),
            2,
        );
        let cells = (grid > 0).then(|| {
            let grid = grid as i64;
            let cell = [height / grid, width / grid];
            let count = grid * grid;
            let sums = average(&weighted.reshape([-1, dim, height, width]), cell);
            let units = unit(&sums, 1).reshape([episodes, references, 2, dim, count]);
            let share = average(&classes.reshape([-1, 1, height, width]), cell);
            let known = share
                .ge(1.0 / LEAST_SHARE as f64)
                .reshape([episodes, references, 2, count]);
            let all = references * count;
            (
                units
                    .permute([0, 2, 1, 4, 3])
                    .reshape([episodes, 2, all, dim]),
                known.permute([0, 2, 1, 3]).reshape([episodes, 2, all]),
            )
        });
        Self {
            means,
            cells,
            location: location.then(|| inside.mean_dim([1i64].as_slice(), false, None::<Kind>)),
        }
    }

    /// Compares each pixel of queries, `[episodes, dim, height, width]` of unit vectors:
    /// `[episodes, channels, height, width]`.
    pub(super) fn compare(&self, features: &Tensor) -> Tensor {
        let size = features.size();
        let [episodes, height, width] = [size[0], size[2], size[3]];
        // [episodes, dim, pixels]
        let pixels = features.flatten(2, 3);
        let map = |cosines: Tensor| cosines.view([episodes, -1, height, width]);
        let mut all = vec![map(self.means.bmm(&pixels))];
        if let Some((cells, known)) = &self.cells {
            let count = cells.size()[2];
            let rows = cells.reshape([episodes, 2 * count, -1]);
            let cosines = rows.bmm(&pixels).view([episodes, 2, count, height * width]);
            let unknown = known.logical_not().unsqueeze(3);
            let cosines = cosines.masked_fill(&unknown, -1.0);
            all.push(map(cosines.amax([2i64].as_slice(), false)));
        }
        all.extend(self.location.as_ref().map(Tensor::shallow_clone));
        Tensor::cat(&all, 1)
    }
}

/// What references say at each comparison: their features lie behind those of the queries.
pub(super) fn prototypes(
    graph: &Graph,
    outputs: &[Option<Tensor>],
    masks: &Tensor,
) -> BTreeMap<NodeId, Prototypes> {
    let (episodes, references) = (masks.size()[0], masks.size()[1]);
    let nodes = graph.nodes().iter().enumerate();
    let comparisons = nodes.filter_map(|(id, node)| {
        let Layer::Compare { grid, location } = node.layer else {
            return None;
        };
        let features = outputs.get(node.inputs[0])?.as_ref()?;
        let features = features.narrow(0, episodes, episodes * references);
        Some((id, Prototypes::new(&features, masks, grid, location)))
    });
    comparisons.collect()
}

/// Scaled to unit length along a dimension.
pub(super) fn unit(values: &Tensor, dim: i64) -> Tensor {
    let squares = values
        .square()
        .sum_dim_intlist([dim].as_slice(), true, None::<Kind>);
    values * (squares + EPSILON).rsqrt()
}

/// Means over blocks of pixels.
fn average(maps: &Tensor, block: [i64; 2]) -> Tensor {
    maps.avg_pool2d(block, block, [0, 0], false, true, None::<i64>)
}
