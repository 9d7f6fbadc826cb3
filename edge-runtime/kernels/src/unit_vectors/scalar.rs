//! Pixel by pixel.

use shared::artifact::plan::{MAX_FEATURES, UnitVectors};
use shared::embedding::{UNIT, unit_vector};

/// Scales the channels of each pixel of `values` to unit length, in place.
pub fn unit_vectors(step: &UnitVectors, values: &mut [u8]) {
    let channels = super::super::at_least_one(step.place.channels);
    let mut unit = [0i8; MAX_FEATURES];
    let Some(unit) = unit.get_mut(..channels) else {
        return;
    };
    for pixel in values.chunks_exact_mut(channels) {
        let centred = pixel
            .iter()
            .map(|&value| i16::from(value) - i16::from(step.zero_point));
        unit_vector(centred, UNIT, unit);
        for (value, &component) in pixel.iter_mut().zip(&*unit) {
            *value = (i16::from(component) + 128) as u8;
        }
    }
}
