//! Small pictures of samples inside the page.

use anyhow::{Context, Result};
use base64ct::{Base64, Encoding};
use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder};
use shared::preprocess::Tone;

use crate::dataset::Tensors;

/// The sample as the tower sees it, as a PNG in a `data:` address. Where ink is signal it
/// is shown dark again.
///
/// # Errors
/// When a PNG cannot be made of it.
pub fn data_address(tensors: &Tensors, index: usize) -> Result<String> {
    let spec = tensors.preprocess.picture();
    let spec = spec.context("expected pictures to show, found pen sequences")?;
    let ink_is_signal = matches!(spec.tone, Tone::Invert | Tone::Ink);
    let shown = |&pixel: &u8| if ink_is_signal { 255 - pixel } else { pixel };
    let pixels: Vec<u8> = tensors.sample(index).iter().map(shown).collect();
    let size = [spec.width, spec.height].map(u32::from);
    png_address(&pixels, size, ExtendedColorType::L8)
}

/// A picture of that width and height as a PNG in a `data:` address.
///
/// # Errors
/// When the pixels are not so many.
pub(super) fn png_address(
    pixels: &[u8],
    [width, height]: [u32; 2],
    colour: ExtendedColorType,
) -> Result<String> {
    let mut png = vec![];
    PngEncoder::new(&mut png).write_image(pixels, width, height, colour)?;
    Ok(format!(
        "data:image/png;base64,{}",
        Base64::encode_string(&png)
    ))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::super::judged::tests::embedded;
    use super::*;

    #[test]
    fn the_picture_is_the_sample() {
        let tensors = embedded(3, 2, 0).0.tensors;
        let address = data_address(&tensors, 1).unwrap();
        let png = address.strip_prefix("data:image/png;base64,").unwrap();
        let decoded = image::load_from_memory(&Base64::decode_vec(png).unwrap()).unwrap();
        assert_eq!(decoded.to_luma8().as_raw()[..], [251, 250, 249, 248]);
    }
}
