//! Random changes of training samples, on the device where training runs.

use tch::{Device, Kind, Tensor};

/// Rotation up to 10 degrees, shear up to 0.3, scale 0.8 to 1.2 on each axis,
/// translation up to 7 % of the side: the ranges of Koch et al., "Siamese neural
/// networks for one-shot image recognition", 2015, section 3.2. Every sample of
/// `input` `[n, c, h, w]` gets its own map; what comes from outside is zero.
pub fn affine(input: &Tensor) -> Tensor {
    let (count, device) = (input.size()[0], input.device());
    let angle = uniform(count, 10f64.to_radians(), device);
    let (cos, sin) = (angle.cos(), angle.sin());
    let shear_x = uniform(count, 0.3, device);
    let shear_y = uniform(count, 0.3, device);
    let scale_x = 1.0 + uniform(count, 0.2, device);
    let scale_y = 1.0 + uniform(count, 0.2, device);
    // Rotation x shear x scale, rows of the map from output to input coordinates.
    let first = [
        (&cos - &sin * &shear_y) * &scale_x,
        (&cos * &shear_x - &sin) * &scale_y,
        uniform(count, 0.14, device),
    ];
    let second = [
        (&sin + &cos * &shear_y) * &scale_x,
        (&sin * &shear_x + &cos) * &scale_y,
        uniform(count, 0.14, device),
    ];
    let rows = [Tensor::stack(&first, 1), Tensor::stack(&second, 1)];
    let grid = Tensor::affine_grid_generator(&Tensor::stack(&rows, 1), input.size(), false);
    input.grid_sampler(&grid, 0, 0, false)
}

/// `[n]` numbers, uniform in `-limit..limit`.
fn uniform(count: i64, limit: f64, device: Device) -> Tensor {
    (Tensor::rand([count], (Kind::Float, device)) * 2.0 - 1.0) * limit
}
