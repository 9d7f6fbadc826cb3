//! Random changes of training samples, on the device where training runs.

use tch::{Device, Kind, Tensor};

/// Each sample of `input` `[n, c, h, w]` is left alone with probability 1/2; else it is
/// rotated by up to 10 degrees, sheared by up to 0.3, scaled by 0.8 to 1.2 and moved by
/// up to 7 % of the side, each of the four with probability 1/2 (ranges of Koch et al.,
/// "Siamese neural networks for one-shot image recognition", 2015, section 3.2). What
/// comes from outside is zero.
///
/// Half stay as they are because interpolation softens strokes: a tower that only ever
/// saw softened ones errs on drawings that are not.
pub fn affine(input: &Tensor) -> Tensor {
    let (count, device) = (input.size()[0], input.device());
    let chosen = coin(count, device);
    let sometimes = |limit: f64, with: &Tensor| uniform(count, limit, device) * with;
    let maybe = || &chosen * coin(count, device);
    let angle = sometimes(10f64.to_radians(), &maybe());
    let (shear, scale, shift) = (maybe(), maybe(), maybe());
    let (cos, sin) = (angle.cos(), angle.sin());
    let (shear_x, shear_y) = (sometimes(0.3, &shear), sometimes(0.3, &shear));
    let (scale_x, scale_y) = (1.0 + sometimes(0.2, &scale), 1.0 + sometimes(0.2, &scale));
    // Rotation x shear x scale, rows of the map from output to input coordinates.
    let first = [
        (&cos - &sin * &shear_y) * &scale_x,
        (&cos * &shear_x - &sin) * &scale_y,
        sometimes(0.14, &shift),
    ];
    let second = [
        (&sin + &cos * &shear_y) * &scale_x,
        (&sin * &shear_x + &cos) * &scale_y,
        sometimes(0.14, &shift),
    ];
    let rows = [Tensor::stack(&first, 1), Tensor::stack(&second, 1)];
    let grid = Tensor::affine_grid_generator(&Tensor::stack(&rows, 1), input.size(), false);
    input.grid_sampler(&grid, 0, 0, false)
}

/// `[n]` numbers, 0 or 1 with equal probability.
fn coin(count: i64, device: Device) -> Tensor {
    Tensor::rand([count], (Kind::Float, device)).round()
}

/// `[n]` numbers, uniform in `-limit..limit`.
fn uniform(count: i64, limit: f64, device: Device) -> Tensor {
    (Tensor::rand([count], (Kind::Float, device)) * 2.0 - 1.0) * limit
}
