//! What the network must answer to made-up inputs, checked on the device itself.
//!
//! Inputs are generated from a seed by a fixed recipe, so that an artifact ships
//! nobody's face or signature and the vectors cost few bytes of flash.
//!
//! Of a network that compares a picture with references of a structure, a vector is the output
//! for the input of the seed with a single reference: the same input, with the mask that
//! [`fill_mask`] makes of it.

use super::ArtifactError;
use crate::bytes::Reader;

/// The most vectors: a self-test ends.
pub const MAX_VECTORS: usize = 64;

/// Expected raw outputs for generated inputs: a count (u32) and, for each, a seed
/// (u32) and `dim` output bytes.
#[derive(Clone, Copy, Debug)]
pub struct Golden<'a> {
    dim: usize,
    vectors: &'a [u8],
}

impl<'a> Golden<'a> {
    /// Reads the section of a model whose output has `dim` bytes.
    ///
    /// # Errors
    /// [`ArtifactError::Encoding`] when the length does not fit the count, or there are
    /// none or more than [`MAX_VECTORS`].
    pub fn parse(bytes: &'a [u8], dim: usize) -> Result<Self, ArtifactError> {
        let error = ArtifactError::Encoding("golden");
        let mut reader = Reader::new(bytes);
        let count = reader.u32().ok_or(error)? as usize;
        let expected = count.checked_mul(dim.saturating_add(4)).ok_or(error)?;
        if !(1..=MAX_VECTORS).contains(&count) || reader.rest().len() != expected {
            return Err(error);
        }
        Ok(Self {
            dim,
            vectors: reader.rest(),
        })
    }

    /// Seed and expected raw output of each vector.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &'a [u8])> {
        self.vectors
            .chunks_exact(self.dim.saturating_add(4))
            .filter_map(|vector| {
                let (seed, expected) = vector.split_first_chunk::<4>()?;
                Some((u32::from_le_bytes(*seed), expected))
            })
    }
}

/// Fills `input`, rows of `width` bytes, with the picture of `seed`.
///
/// Odd seeds give noise, byte for byte the top bits of a xorshift sequence; even
/// ones 16 bars on zero, horizontal and vertical in turn, later over earlier.
/// `width` is the row length; an empty input stays.
pub fn fill_input(seed: u32, width: usize, input: &mut [u8]) {
    let mut random = XorShift(seed.wrapping_mul(0x9E37_79B9) | 1);
    if seed % 2 == 1 {
        input.fill_with(|| (random.next() >> 24) as u8);
        return;
    }
    input.fill(0);
    let width = width.max(1);
    let height = (input.len() / width).max(1);
    for bar in 0..16 {
        let across = bar % 2 == 0;
        let (along, side) = if across {
            (width, height)
        } else {
            (height, width)
        };
        let position = random.below(side);
        let start = random.below(along);
        let end = start + random.below(along - start) + 1;
        let value = 128 + (random.next() >> 25) as u8;
        for step in start..end {
            let index = if across {
                position * width + step
            } else {
                step * width + position
            };
            if let Some(pixel) = input.get_mut(index) {
                *pixel = value;
            }
        }
    }
}

/// Makes the mask that belongs to the picture that [`fill_input`] made, of pixels of `channels`
/// bytes, for networks that compare it with references: 1 where a pixel's first byte is above
/// 127, else 0.
pub fn fill_mask(input: &[u8], channels: usize, mask: &mut [u8]) {
    let pixels = input.iter().step_by(channels.max(1));
    for (marked, &first) in mask.iter_mut().zip(pixels) {
        *marked = (first > 127).into();
    }
}

/// Marsaglia, "Xorshift RNGs", 2003: triple 13, 17, 5.
struct XorShift(u32);

impl XorShift {
    fn next(&mut self) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0
    }

    /// A number in `0..limit`; 0 when `limit` is 0.
    fn below(&mut self, limit: usize) -> usize {
        ((u64::from(self.next()) * limit as u64) >> 32) as usize
    }
}
