//! Samples that nobody should enrol, made of good ones.

use image::imageops::blur;
use image::{GrayImage, Luma};
use shared::preprocess::pen::PenPoint;

/// Makes a bad picture of a good one.
pub(super) type Spoil = fn(&GrayImage) -> GrayImage;

/// In which ways.
pub(super) const WAYS: [(&str, Spoil); 12] = [
    ("blank paper, noise of 1 grey level", blank),
    ("blurred, sigma 1 % of the side", |picture| {
        blurred(picture, 0.01)
    }),
    ("blurred, sigma 2 % of the side", |picture| {
        blurred(picture, 0.02)
    }),
    ("blurred, sigma 4 % of the side", |picture| {
        blurred(picture, 0.04)
    }),
    ("blurred, sigma 8 % of the side", |picture| {
        blurred(picture, 0.08)
    }),
    ("blurred, sigma 16 % of the side", |picture| {
        blurred(picture, 0.16)
    }),
    ("half of it black", |picture| covered(picture, 0.5, 0)),
    ("a fifth of it black", |picture| covered(picture, 0.2, 0)),
    ("all but a tenth of it white", |picture| {
        covered(picture, 0.9, 255)
    }),
    ("an eighth of the contrast", faint),
    ("an eighth of the contrast, dark", dark),
    ("a tenth of the pixels black or white", speckled),
];

/// Makes bad pen events of good ones.
pub(super) type SpoilPen = fn(&[PenPoint]) -> Vec<PenPoint>;

/// In which ways.
pub(super) const PEN_WAYS: [(&str, SpoilPen); 4] = [
    ("the first events alone", |points| {
        points.iter().take(4).copied().collect()
    }),
    ("a pen that rests", |points| {
        let still = points.iter().map(|point| PenPoint {
            x: 0,
            y: 0,
            ..*point
        });
        still.collect()
    }),
    ("a clock that stands still", |points| {
        points
            .iter()
            .map(|point| PenPoint { t: 0, ..*point })
            .collect()
    }),
    ("events in disorder", |points| {
        points.iter().rev().copied().collect()
    }),
];

/// Paper, no ink: its lightest intensity, and one below it here and there.
fn blank(picture: &GrayImage) -> GrayImage {
    let paper = picture.pixels().map(|pixel| pixel.0[0]).max().unwrap_or(0);
    GrayImage::from_fn(picture.width(), picture.height(), |x, y| {
        Luma([paper.saturating_sub((hash(x, y) % 2) as u8)])
    })
}

/// A Gaussian blur; sigma as a share of the shorter side.
fn blurred(picture: &GrayImage, sigma: f32) -> GrayImage {
    blur(
        picture,
        sigma * picture.width().min(picture.height()) as f32,
    )
}

/// A share of the columns, from the left, in one intensity: a shadow, or glare.
fn covered(picture: &GrayImage, share: f32, intensity: u8) -> GrayImage {
    let columns = (share * picture.width() as f32) as u32;
    let mut picture = picture.clone();
    for (x, _, pixel) in picture.enumerate_pixels_mut() {
        if x < columns {
            pixel.0 = [intensity];
        }
    }
    picture
}

fn faint(picture: &GrayImage) -> GrayImage {
    each(picture, |value| 255 - (255 - value) / 8)
}

fn dark(picture: &GrayImage) -> GrayImage {
    each(picture, |value| value / 8)
}

fn speckled(picture: &GrayImage) -> GrayImage {
    let mut picture = picture.clone();
    for (x, y, pixel) in picture.enumerate_pixels_mut() {
        let drawn = hash(x, y) % 20;
        if drawn < 2 {
            pixel.0 = [if drawn == 0 { 0 } else { 255 }];
        }
    }
    picture
}

fn each(picture: &GrayImage, change: fn(u8) -> u8) -> GrayImage {
    let mut picture = picture.clone();
    picture.iter_mut().for_each(|value| *value = change(*value));
    picture
}

/// Numbers without a pattern, the same in every run: the finalizer of MurmurHash3 (Appleby,
/// 2011).
fn hash(x: u32, y: u32) -> u32 {
    let mut mixed = x << 16 ^ y;
    mixed = (mixed ^ (mixed >> 16)).wrapping_mul(0x85EB_CA6B);
    mixed = (mixed ^ (mixed >> 13)).wrapping_mul(0xC2B2_AE35);
    mixed ^ (mixed >> 16)
}
