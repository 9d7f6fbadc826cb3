//! Many signatures at a glance.

use image::{GrayImage, Luma, imageops};

use super::{RenderOptions, Signer, render};

/// Grey of what surrounds the signatures.
const BACKGROUND: Luma<u8> = Luma([150]);
/// Space between pictures, pixels.
const SPACE: u32 = 4;
/// Space between genuine and forged ones.
const GAP: u32 = 24;

/// Puts `genuine` genuine signatures of each signer on the left and `forged` forgeries,
/// each by another forger, on the right; one row per signer.
pub fn contact_sheet(
    signers: &[Signer],
    genuine: u32,
    forged: u32,
    options: &RenderOptions,
) -> GrayImage {
    let (column, row) = (options.width + SPACE, options.height + SPACE);
    let gap = if genuine > 0 && forged > 0 { GAP } else { 0 };
    let width = SPACE + (genuine + forged) * column + gap;
    let height = SPACE + signers.len() as u32 * row;
    let mut sheet = GrayImage::from_pixel(width, height, BACKGROUND);
    for (index, signer) in (0u32..).zip(signers) {
        let top = i64::from(SPACE + index * row);
        let mut put = |left: u32, sequence| {
            let picture = render(&sequence, options);
            imageops::replace(&mut sheet, &picture, i64::from(left), top);
        };
        for sample in 0..genuine {
            put(SPACE + sample * column, signer.genuine(sample));
        }
        for forger in 0..forged {
            let left = SPACE + (genuine + forger) * column + gap;
            put(left, signer.forgery(forger, 0));
        }
    }
    sheet
}
