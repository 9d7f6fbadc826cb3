//! A structure on its picture, for people to look at.

use std::vec::Vec;

use image::DynamicImage;

use super::Picture;

/// What the structure is tinted with, and its outline.
const COLOUR: [u8; 3] = [255, 80, 0];

impl Picture {
    /// The picture in grey, with the pixels tinted that `mask` (a byte for each) marks, and
    /// those of them outlined that have an unmarked neighbour, or none, at one of their sides.
    pub fn overlay(&self, mask: &[u8]) -> Self {
        let grey = DynamicImage::from(self.clone()).into_luma8().into_raw();
        let columns = (self.width as usize).max(1);
        let is_marked = |at: usize| mask.get(at).is_some_and(|&value| value > 0);
        let is_inner = |at: usize| {
            let column = at % columns;
            let left = column.checked_sub(1).map(|_| at - 1);
            let right = (column + 1 < columns).then_some(at + 1);
            let sides = [left, right, at.checked_sub(columns), Some(at + columns)];
            sides.iter().all(|side| side.is_some_and(is_marked))
        };
        let pixels =
            grey.iter()
                .enumerate()
                .flat_map(|(at, &value)| match (is_marked(at), is_inner(at)) {
                    (false, _) => [value; 3],
                    (true, false) => COLOUR,
                    (true, true) => {
                        COLOUR.map(|c| ((2 * u16::from(value) + u16::from(c)) / 3) as u8)
                    }
                });
        Self {
            channels: 3,
            pixels: pixels.collect::<Vec<_>>(),
            ..*self
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use std::vec;

    use super::*;

    #[test]
    fn what_is_marked_is_tinted_and_outlined() {
        let picture = Picture::new(5, 4, 1, vec![90; 20]).unwrap();
        let mut mask = [0; 20];
        for row in 0..3 {
            mask[5 * row..5 * row + 3].fill(1);
        }
        let overlay = picture.overlay(&mask);
        assert_eq!(overlay.size(), [5, 4]);
        let pixels = overlay.pixels.as_chunks::<3>().0;
        for (at, pixel) in pixels.iter().enumerate() {
            let expected = match at {
                // The only one with four marked neighbours.
                6 => [145, 86, 60],
                at if mask[at] > 0 => COLOUR,
                _ => [90; 3],
            };
            assert_eq!(*pixel, expected, "{at}");
        }
    }
}
