//! Random changes of training samples, on the device where training runs.

use tch::{Device, Kind, Tensor};

use crate::config::Augment;

/// Control points of elastic displacements along each axis.
const CONTROL_POINTS: i64 = 5;

/// Changes samples `[n, c, h, w]` at random, from torch's generator. What comes from
/// outside is zero, as is what is cut out.
pub fn augment(input: &Tensor, limits: &Augment) -> Tensor {
    if limits.share == 0.0 {
        return input.shallow_clone();
    }
    let chosen = below(limits.share, input.size()[0], input.device());
    let mut output = input.shallow_clone();
    if limits.mirror {
        let with = maybe(&chosen).gt(0.5).reshape([-1, 1, 1, 1]);
        output = output.flip([3]).where_self(&with, &output);
    }
    if moves(limits) {
        let grid = grid(&output, limits, &chosen);
        output = output.grid_sampler(&grid, 0, 0, false);
    }
    if limits.brightness > 0.0 {
        let change = uniform(input.size()[0], limits.brightness, input.device());
        let factor: Tensor = 1.0 + change * maybe(&chosen);
        output = &output * factor.reshape([-1, 1, 1, 1]);
    }
    if limits.noise > 0.0 {
        let with = maybe(&chosen).reshape([-1, 1, 1, 1]) * limits.noise;
        output = &output + output.randn_like() * with;
    }
    if limits.cutout > 0.0 {
        output = cut_out(&output, limits.cutout, &maybe(&chosen));
    }
    output
}

fn moves(limits: &Augment) -> bool {
    [
        limits.rotation,
        limits.shear,
        limits.scale,
        limits.shift,
        limits.elastic,
    ]
    .iter()
    .any(|&limit| limit > 0.0)
}

/// Where each pixel comes from: rotation x shear x scale, then translation, then smooth
/// displacements; `[n, h, w, 2]` in -1..1.
fn grid(input: &Tensor, limits: &Augment, chosen: &Tensor) -> Tensor {
    let (count, device) = (input.size()[0], input.device());
    let sometimes = |limit: f64, with: &Tensor| uniform(count, limit, device) * with;
    let angle = sometimes(limits.rotation.to_radians(), &maybe(chosen));
    let (shear, scale, shift) = (maybe(chosen), maybe(chosen), maybe(chosen));
    let (cos, sin) = (angle.cos(), angle.sin());
    let (shear_x, shear_y) = (
        sometimes(limits.shear, &shear),
        sometimes(limits.shear, &shear),
    );
    let (scale_x, scale_y) = (
        1.0 + sometimes(limits.scale, &scale),
        1.0 + sometimes(limits.scale, &scale),
    );
    // A side is 2 long in these coordinates, whatever its pixels: turning and shearing
    // along one axis reach into the other by the ratio of both.
    let ratio = input.size()[2] as f64 / input.size()[3] as f64;
    let rows = [
        [
            (&cos - &sin * &shear_y) * &scale_x,
            (&cos * &shear_x - &sin) * &scale_y * ratio,
            sometimes(2.0 * limits.shift, &shift),
        ],
        [
            (&sin + &cos * &shear_y) * &scale_x / ratio,
            (&sin * &shear_x + &cos) * &scale_y,
            sometimes(2.0 * limits.shift, &shift),
        ],
    ]
    .map(|row| Tensor::stack(&row, 1));
    let grid = Tensor::affine_grid_generator(&Tensor::stack(&rows, 1), input.size(), false);
    if limits.elastic == 0.0 {
        return grid;
    }
    let [height, width] = [input.size()[2], input.size()[3]];
    let points = [count, 2, CONTROL_POINTS, CONTROL_POINTS];
    let with = maybe(chosen).reshape([-1, 1, 1, 1]) * (2.0 * limits.elastic);
    let displacements = Tensor::randn(points, (Kind::Float, device)) * with;
    let smooth = displacements.upsample_bicubic2d([height, width], true, None, None);
    grid + smooth.permute([0, 2, 3, 1])
}

/// Sets a square of `side` (a share of the sample's) at a random place to zero (DeVries
/// and Taylor, "Improved regularization of convolutional neural networks with cutout",
/// 2017), where `with` is 1.
fn cut_out(input: &Tensor, side: f64, with: &Tensor) -> Tensor {
    let (count, device) = (input.size()[0], input.device());
    let inside = |size: i64| {
        let half = side * size as f64 / 2.0;
        let centre = Tensor::rand([count, 1], (Kind::Float, device)) * size as f64;
        let places = Tensor::arange(size, (Kind::Float, device)) + 0.5;
        (places.unsqueeze(0) - centre).abs().le(half)
    };
    let rows = inside(input.size()[2]).unsqueeze(2);
    let columns = inside(input.size()[3]).unsqueeze(1);
    let with = with.gt(0.5).reshape([-1, 1, 1]);
    let hole = rows.logical_and(&columns).logical_and(&with).unsqueeze(1);
    input.masked_fill(&hole, 0.0)
}

/// Half of what is chosen.
fn maybe(chosen: &Tensor) -> Tensor {
    chosen * below(0.5, chosen.size()[0], chosen.device())
}

/// `[n]` numbers, 1 with probability `share`, else 0.
fn below(share: f64, count: i64, device: Device) -> Tensor {
    let drawn = Tensor::rand([count], (Kind::Float, device));
    drawn.lt(share).to_kind(Kind::Float)
}

/// `[n]` numbers, uniform in `-limit..limit`.
fn uniform(count: i64, limit: f64, device: Device) -> Tensor {
    (Tensor::rand([count], (Kind::Float, device)) * 2.0 - 1.0) * limit
}
