//! Quarter turns of pictures.

use edge_runtime::picture::Picture;
use image::DynamicImage;

/// How far a picture is turned, anticlockwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Not at all.
    None,
    /// By 90 degrees.
    Quarter,
    /// By 180 degrees.
    Half,
    /// By 270 degrees.
    ThreeQuarters,
}

impl Turn {
    /// All of them, by angle.
    pub const ALL: [Self; 4] = [Self::None, Self::Quarter, Self::Half, Self::ThreeQuarters];

    /// The angle.
    pub fn degrees(self) -> u16 {
        match self {
            Self::None => 0,
            Self::Quarter => 90,
            Self::Half => 180,
            Self::ThreeQuarters => 270,
        }
    }

    /// A picture, turned; no pixel is changed.
    pub fn of(self, picture: Picture) -> Picture {
        let picture = DynamicImage::from(picture);
        // That library turns clockwise.
        match self {
            Self::None => picture,
            Self::Quarter => picture.rotate270(),
            Self::Half => picture.rotate180(),
            Self::ThreeQuarters => picture.rotate90(),
        }
        .into()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use image::GrayImage;
    use proptest::prelude::*;
    use shared::preprocess::{Colour, Crop, Fit, PicturePreprocess, Quantization, Tone};

    use super::*;

    fn picture(width: u32, height: u32, pixels: Vec<u8>) -> Picture {
        DynamicImage::from(GrayImage::from_raw(width, height, pixels).unwrap()).into()
    }

    #[test]
    fn a_quarter_turn_brings_the_right_side_up() {
        let turned = Turn::Quarter.of(picture(2, 1, vec![1, 2]));
        assert_eq!(turned, picture(1, 2, vec![2, 1]));
        assert_eq!(
            Turn::Half.of(picture(2, 1, vec![1, 2])),
            picture(2, 1, vec![2, 1])
        );
    }

    proptest! {
        /// Square drawings: to turn and then to resize is to resize and then to turn, to
        /// the byte.
        #[test]
        fn turning_commutes_with_resizing(
            pixels in prop::collection::vec(any::<u8>(), 15 * 15), side in 2u16..20
        ) {
            let spec = PicturePreprocess {
                width: side,
                height: side,
                colour: Colour::Grey,
                tone: Tone::Invert,
                crop: Crop::Whole,
                fit: Fit::Stretch,
                quantization: Quantization { scale: 1.0, zero_point: 0 },
            };
            let resized = |drawing: &Picture| {
                let mut output = vec![0; spec.output_len()];
                spec.run(&drawing.image().unwrap(), &mut output).unwrap();
                output
            };
            let upright = picture(15, 15, pixels);
            let side = u32::from(side);
            for turn in Turn::ALL {
                let afterwards = turn.of(picture(side, side, resized(&upright)));
                let before = resized(&turn.of(upright.clone()));
                prop_assert_eq!(picture(side, side, before), afterwards);
            }
        }
    }
}
