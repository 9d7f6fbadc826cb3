//! Memory and constants of packed steps.

use core::fmt;
use std::vec;
use std::vec::Vec;

use shared::artifact::plan::Conv2d;

use super::conv2d::Filters;

/// The most scratch memory of a step: 16 MiB, a hundred times what towers need. A step that
/// would take more, which only a mistake or an attack asks for, is not packed.
pub(super) const MAX_SCRATCH: usize = 16 << 20;

/// Bytes that begin where a cache line does.
#[derive(Clone)]
pub(super) struct Aligned(Vec<CacheLine>);

#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct CacheLine([u8; 64]);

impl Aligned {
    /// At least `len` zeros.
    pub(super) fn zeroed(len: usize) -> Self {
        Self(vec![CacheLine([0; 64]); len.div_ceil(64)])
    }

    pub(super) fn len(&self) -> usize {
        self.0.len() * 64
    }

    pub(super) fn bytes(&self) -> &[u8] {
        // SAFETY: a cache line is 64 bytes without padding, and they follow each other.
        unsafe { core::slice::from_raw_parts(self.0.as_ptr().cast(), self.0.len() * 64) }
    }

    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above, and borrowed mutably.
        unsafe { core::slice::from_raw_parts_mut(self.0.as_mut_ptr().cast(), self.0.len() * 64) }
    }
}

impl fmt::Debug for Aligned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} aligned bytes", self.0.len() * 64)
    }
}

/// How filters lie in the artifact.
#[derive(Clone, Copy, Debug)]
pub(super) enum Order {
    /// One after the other.
    Dense,
    /// Channels vary fastest.
    Depthwise,
}

/// What happens to sums, per output channel.
#[derive(Clone, Debug)]
pub(super) struct Constants {
    /// Bias less the filter's sum times what the input zero point lacks of being zero;
    /// then zeros.
    pub(super) bias: Vec<i32>,
    /// Multipliers; then zeros.
    pub(super) multipliers: Vec<f32>,
}

impl Constants {
    /// Those of `conv`, whose input bytes are lowered by `offset` before they are
    /// multiplied, padded to a multiple of `lanes`. None where a sum times its
    /// multiplier could reach 2^31, which vector instructions convert otherwise.
    pub(super) fn new(
        conv: &Conv2d,
        filters: &Filters<'_>,
        lanes: usize,
        offset: u8,
        order: Order,
    ) -> Option<Self> {
        let channels = usize::from(conv.output.channels);
        let filter_len = match order {
            Order::Dense => conv.filter_len(),
            Order::Depthwise => conv.taps(),
        };
        let zero = i64::from(conv.input_zero_point) - i64::from(offset);
        let padded = channels.next_multiple_of(lanes);
        let mut constants = Self {
            bias: vec![0; padded],
            multipliers: vec![0.0; padded],
        };
        let all = filters
            .bias
            .as_chunks::<4>()
            .0
            .iter()
            .zip(filters.multipliers.as_chunks::<4>().0);
        let weights = &filters.weights[..channels * filter_len];
        let sums = match order {
            // Nothing is taken off.
            _ if zero == 0 => Vec::new(),
            Order::Dense => weights.chunks_exact(filter_len).map(sum).collect(),
            Order::Depthwise => sums_of_columns(weights, channels),
        };
        for (channel, (bias, multiplier)) in all.enumerate() {
            let bias = i32::from_le_bytes(*bias);
            let multiplier = f32::from_le_bytes(*multiplier);
            let could_round_otherwise = |size: i64| {
                let largest = i64::from(bias).abs() + 255 * size;
                largest as f64 * f64::from(multiplier) >= f64::from(i32::MAX - 1024)
            };
            // Looked at only where the largest weights there are would pass the limit.
            if could_round_otherwise(128 * filter_len as i64) {
                let size = match order {
                    Order::Dense => {
                        size(filters.weights[channel * filter_len..][..filter_len].iter())
                    }
                    Order::Depthwise => size(filters.weights[channel..].iter().step_by(channels)),
                };
                if could_round_otherwise(size) {
                    return None;
                }
            }
            // Partial sums may pass what 32 bits hold; the last one does not, and sums
            // that wrap come back.
            let taken = sums.get(channel).map_or(0, |sum| zero * sum);
            constants.bias[channel] = (i64::from(bias) - taken) as i32;
            constants.multipliers[channel] = multiplier;
        }
        Some(constants)
    }

    /// Puts the constants of each block into another order of lanes.
    pub(super) fn reorder(&mut self, order: &[usize]) {
        let blocks = self.bias.chunks_exact_mut(order.len());
        for (bias, multipliers) in blocks.zip(self.multipliers.chunks_exact_mut(order.len())) {
            let (before, factors) = (bias.to_vec(), multipliers.to_vec());
            for (lane, &channel) in order.iter().enumerate() {
                bias[lane] = before[channel];
                multipliers[lane] = factors[channel];
            }
        }
    }
}

/// Sum of the weights' magnitudes.
fn size<'a>(weights: impl Iterator<Item = &'a u8>) -> i64 {
    weights
        .map(|&weight| i64::from((weight as i8).unsigned_abs()))
        .sum()
}

/// Sum of weights. Loading a model waits for it, so it is written as registers of any
/// processor can add: eight bytes from zero on, in four lanes of 16 bits.
fn sum(weights: &[u8]) -> i64 {
    const UNSIGNED: u64 = u64::from_ne_bytes([0x80; 8]);
    const LANES: u64 = 0x00ff_00ff_00ff_00ff;
    /// As many times two of the largest bytes as a lane holds.
    const MOST: usize = u16::MAX as usize / (2 * 255);
    let (words, rest) = weights.as_chunks::<8>();
    let mut total: i64 = rest.iter().map(|&weight| i64::from(weight as i8)).sum();
    for words in words.chunks(MOST) {
        let pairs = words.iter().map(|word| {
            let bytes = u64::from_ne_bytes(*word) ^ UNSIGNED;
            (bytes & LANES) + (bytes >> 8 & LANES)
        });
        let lanes: u64 = pairs.sum();
        let lanes = [0, 16, 32, 48].map(|lane| i64::from((lanes >> lane) as u16));
        total += lanes.iter().sum::<i64>() - 128 * 8 * words.len() as i64;
    }
    total
}

/// Sums of the weights of each channel, which varies fastest.
fn sums_of_columns(weights: &[u8], channels: usize) -> Vec<i64> {
    let mut sums = vec![0i32; channels];
    for row in weights.chunks_exact(channels) {
        for (sum, &weight) in sums.iter_mut().zip(row) {
            *sum += i32::from(weight as i8);
        }
    }
    sums.into_iter().map(i64::from).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn sums_are_those_of_signed_bytes(
            weights in prop::collection::vec(
                prop_oneof![Just(0x7f_u8), Just(0x80), any::<u8>()],
                0..10_000,
            ),
        ) {
            let expected: i64 = weights.iter().map(|&weight| i64::from(weight as i8)).sum();
            prop_assert_eq!(super::sum(&weights), expected);
        }
    }

    #[test]
    fn no_lane_overflows() {
        for weight in [0x7f, 0x80] {
            let weights = [weight; 16 * 600];
            let expected = 16 * 600 * i64::from(weight as i8);
            assert_eq!(super::sum(&weights), expected);
        }
    }
}
