//! Samples of 16 bits, of which only a part is used.

use std::vec;
use std::vec::Vec;

use image::{DynamicImage, GrayAlphaImage, GrayImage, RgbImage, RgbaImage};

/// Of so many samples one is left out at each end.
const OUTLIERS: usize = 200;

/// A picture of samples of 8 bits. Those of other depths stay as they are.
pub(super) fn stretched(picture: DynamicImage) -> DynamicImage {
    let (width, height) = (picture.width(), picture.height());
    let stretched = match &picture {
        DynamicImage::ImageLuma16(pixels) => {
            let bytes = stretch::<1, 1>(pixels.as_raw());
            GrayImage::from_raw(width, height, bytes).map(Into::into)
        }
        DynamicImage::ImageLumaA16(pixels) => {
            let bytes = stretch::<2, 1>(pixels.as_raw());
            GrayAlphaImage::from_raw(width, height, bytes).map(Into::into)
        }
        DynamicImage::ImageRgb16(pixels) => {
            let bytes = stretch::<3, 3>(pixels.as_raw());
            RgbImage::from_raw(width, height, bytes).map(Into::into)
        }
        DynamicImage::ImageRgba16(pixels) => {
            let bytes = stretch::<4, 3>(pixels.as_raw());
            RgbaImage::from_raw(width, height, bytes).map(Into::into)
        }
        _ => None,
    };
    stretched.unwrap_or(picture)
}

/// Pixels of `ALL` samples, of which `COLOURS` are colours, stretched together so that hues
/// stay, and the rest opacity.
fn stretch<const ALL: usize, const COLOURS: usize>(samples: &[u16]) -> Vec<u8> {
    let pixels = samples.as_chunks::<ALL>().0;
    // What is transparent is not seen.
    let is_seen = |pixel: &&[u16; ALL]| pixel.get(COLOURS).is_none_or(|&opacity| opacity > 0);
    let mut counts = vec![0usize; 1 << 16];
    for pixel in pixels.iter().filter(is_seen) {
        for &sample in pixel.iter().take(COLOURS) {
            counts[usize::from(sample)] += 1;
        }
    }
    let [low, high] = range(&counts);
    let width = (high - low).max(1);
    let byte = |sample: u16| {
        let above = u32::from(sample).saturating_sub(low).min(width);
        ((2 * 255 * above + width) / (2 * width)) as u8
    };
    let pixels = pixels.iter().flat_map(|pixel| {
        let (colours, opacity) = pixel.split_at(COLOURS.min(ALL));
        let colours = colours.iter().map(|&sample| byte(sample));
        // As decoding does.
        let opacity = opacity
            .iter()
            .map(|&sample| ((u32::from(sample) + 128) / 257) as u8);
        colours.chain(opacity)
    });
    pixels.collect()
}

/// The values that one in [`OUTLIERS`] samples is below, and above.
fn range(counts: &[usize]) -> [u32; 2] {
    let outliers = counts.iter().sum::<usize>() / OUTLIERS;
    let end = |mut counts: &mut dyn Iterator<Item = (usize, &usize)>| {
        let mut passed = 0;
        let found = (&mut counts).find(|(_, count)| {
            passed += **count;
            passed > outliers
        });
        found.map_or(0, |(value, _)| value as u32)
    };
    let counts = counts.iter().enumerate();
    [end(&mut counts.clone()), end(&mut counts.rev())]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_part_that_is_used_becomes_all() {
        // 1000 values of which each but a few outliers lies in 400 steps.
        let mut samples: Vec<u16> = (0..1000).map(|at| 2000 + at % 401).collect();
        samples[7] = 65535;
        samples[8] = 0;
        let bytes = stretch::<1, 1>(&samples);
        // Five are left out at each end, of two or three of each value.
        assert_eq!((bytes[7], bytes[8]), (255, 0));
        assert_eq!((bytes[0], bytes[400]), (0, 255));
        assert!((126..=129).contains(&bytes[200]), "{}", bytes[200]);
        assert!(
            samples
                .iter()
                .zip(&bytes)
                .all(|(v, b)| *v != 2100 || (62..=65).contains(b))
        );
    }

    #[test]
    fn pictures_of_few_values_stay_apart() {
        // Less than one in 200 is bright: both ends are dark, and bright is above.
        let mut samples = vec![500u16; 1000];
        samples[3] = 40_000;
        let bytes = stretch::<1, 1>(&samples);
        assert_eq!((bytes[0], bytes[3]), (0, 255));
        assert_eq!(stretch::<1, 1>(&[9; 4]), [0; 4]);
        assert!(stretch::<1, 1>(&[]).is_empty());
    }

    #[test]
    fn colours_are_stretched_together_and_opacity_is_not() {
        let bytes = stretch::<3, 3>(&[1000, 1100, 1200]);
        assert_eq!(bytes, [0, 128, 255]);
        // What is transparent has no say.
        let bytes = stretch::<4, 3>(&[0, 100, 200, 65535, 60_000, 0, 0, 0]);
        assert_eq!(bytes, [0, 128, 255, 255, 255, 0, 0, 0]);
        let bytes = stretch::<2, 1>(&[10, 32768, 20, 256]);
        assert_eq!(bytes, [0, 128, 255, 1]);
    }

    #[test]
    fn other_depths_stay_as_they_are() {
        let grey = GrayImage::from_raw(2, 1, vec![7, 9]);
        let grey = DynamicImage::from(grey.unwrap_or_default());
        assert_eq!(stretched(grey.clone()), grey);
    }
}
