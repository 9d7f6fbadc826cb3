//! Masks over pictures.

use anyhow::{Context, Result};
use image::RgbImage;
use image::imageops::{self, FilterType};

use super::thumbnail::png_address;

/// Pixels on the page for each of the network's input.
const ZOOM: u32 = 2;

/// The outline of what is there: yellow, which no grey is.
const WANTED: [u8; 3] = [240, 228, 66];

/// What was found, mixed half and half with the picture: blue.
const FOUND: [u8; 3] = [0, 114, 178];

/// A square grey picture with the outline of `wanted`, and `found` shaded where it is given, as a
/// PNG in a `data:` address. Masks are 0 and 1.
///
/// # Errors
/// When the sizes differ or no PNG can be made of it.
pub fn data_address(picture: &[u8], wanted: &[u8], found: Option<&[u8]>) -> Result<String> {
    let side = picture.len().isqrt();
    let rgb = picture.iter().flat_map(|&grey| [grey; 3]).collect();
    let small = RgbImage::from_raw(side as u32, side as u32, rgb)
        .filter(|_| [wanted.len(), found.map_or(side * side, <[u8]>::len)] == [side * side; 2])
        .filter(|_| picture.len() == side * side)
        .context("expected a square picture and masks of its size")?;
    let size = side as u32 * ZOOM;
    let mut image = imageops::resize(&small, size, size, FilterType::Triangle);
    let inside = |mask: &[u8], x: i64, y: i64| {
        let at = |v: i64| usize::try_from(v.div_euclid(ZOOM.into())).ok();
        let (column, row) = (at(x)?, at(y)?);
        (column < side && row < side).then(|| mask[row * side + column] != 0)
    };
    for (x, y, pixel) in image.enumerate_pixels_mut() {
        let [x, y] = [x, y].map(i64::from);
        if found.is_some_and(|found| inside(found, x, y) == Some(true)) {
            for (value, shade) in pixel.0.iter_mut().zip(FOUND) {
                *value = value.midpoint(shade);
            }
        }
        let is_edge = inside(wanted, x, y) == Some(true)
            && [(1, 0), (-1, 0), (0, 1), (0, -1)]
                .iter()
                .any(|(right, down)| inside(wanted, x + right, y + down) == Some(false));
        if is_edge {
            pixel.0 = WANTED;
        }
    }
    png_address(image.as_raw(), [size; 2], image::ExtendedColorType::Rgb8)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use base64ct::{Base64, Encoding};

    use super::*;

    fn decoded(address: &str) -> RgbImage {
        let png = address.strip_prefix("data:image/png;base64,").unwrap();
        let png = Base64::decode_vec(png).unwrap();
        image::load_from_memory(&png).unwrap().into_rgb8()
    }

    #[test]
    fn what_is_there_is_outlined_and_what_is_found_shaded() {
        let picture = vec![100; 64];
        let square = |from: usize, to: usize| -> Vec<u8> {
            let inside = |i: usize| [i / 8, i % 8].iter().all(|v| (from..to).contains(v));
            (0..64).map(|i| u8::from(inside(i))).collect()
        };
        let (wanted, found) = (square(2, 6), square(3, 8));
        let image = decoded(&data_address(&picture, &wanted, Some(&found)).unwrap());
        assert_eq!(image.dimensions(), (16, 16));
        assert_eq!(image.get_pixel(0, 0).0, [100; 3]);
        // The first pixel inside, and the last; between them what was found.
        assert_eq!(image.get_pixel(4, 8).0, WANTED);
        assert_eq!(image.get_pixel(11, 8).0, WANTED);
        assert_eq!(image.get_pixel(8, 8).0, [50, 107, 139]);
        assert_eq!(image.get_pixel(14, 14).0, [50, 107, 139]);
        let plain = decoded(&data_address(&picture, &wanted, None).unwrap());
        assert_eq!(plain.get_pixel(8, 8).0, [100; 3]);
        assert_eq!(plain.get_pixel(4, 8).0, WANTED);
    }

    #[test]
    fn masks_of_another_size_are_refused() {
        assert!(data_address(&[0; 16], &[0; 9], None).is_err());
        assert!(data_address(&[0; 16], &[0; 16], Some(&[0; 4])).is_err());
        assert!(data_address(&[0; 15], &[0; 15], None).is_err());
    }
}
