//! Weights of several channels side by side, four of each: the order in which registers
//! multiply them.

/// Weights of a channel that stay together.
pub(super) const STEP: usize = 4;

/// Channels that are written together: a quarter of a cache line.
const CHANNELS: usize = 4;

/// Puts the weights of some channels side by side, all rows of the same length: four of
/// the first, four of the second, and so on, then `step` bytes from there the next four of
/// each. What is missing to the last four stays as it was.
pub(super) fn interleave<'a>(
    mut rows: impl Iterator<Item = &'a [u8]>,
    step: usize,
    packed: &mut [u8],
) {
    for at in (0..).step_by(CHANNELS * STEP) {
        let Some(first) = rows.next() else { return };
        let mut few = [first, &[], &[], &[]];
        let mut count = 1;
        for (place, row) in few[1..].iter_mut().zip(rows.by_ref()) {
            *place = row;
            count += 1;
        }
        let packed = &mut packed[at..];
        let done = if count == CHANNELS {
            blocks(few, step, packed)
        } else {
            0
        };
        for (channel, row) in few[..count].iter().enumerate() {
            let left = &row[done..];
            let places = packed.chunks_mut(step).skip(done / STEP);
            for (weights, place) in left.chunks(STEP).zip(places) {
                place[channel * STEP..][..weights.len()].copy_from_slice(weights);
            }
        }
    }
}

/// The same of four channels, in whole blocks of sixteen weights, each a register of any
/// processor; how many weights of each channel that were.
fn blocks(rows: [&[u8]; CHANNELS], step: usize, packed: &mut [u8]) -> usize {
    const BLOCK: usize = CHANNELS * STEP;
    let [a, b, c, d] = rows.map(|row| row.as_chunks::<BLOCK>().0);
    let mut places = packed.chunks_mut(step);
    let mut done = 0;
    for (((a, b), c), d) in a.iter().zip(b).zip(c).zip(d) {
        let fours = [a, b, c, d].map(|block| block.as_chunks::<STEP>().0);
        for (index, place) in (0..CHANNELS).zip(places.by_ref()) {
            let mut together = [0; BLOCK];
            for (four, of_channel) in together.chunks_exact_mut(STEP).zip(fours) {
                four.copy_from_slice(&of_channel[index]);
            }
            place[..BLOCK].copy_from_slice(&together);
        }
        done += BLOCK;
    }
    done
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use std::vec;
    use std::vec::Vec;

    use super::*;

    proptest! {
        #[test]
        fn every_weight_is_where_the_order_says(
            channels in 1usize..20,
            len in 1usize..80,
            room in 0usize..3,
            seed in any::<u8>(),
        ) {
            let weights: Vec<u8> = (0..channels * len)
                .map(|index| (index as u8).wrapping_mul(37) ^ seed)
                .collect();
            let step = (channels + room) * STEP;
            let mut packed = vec![0; len.div_ceil(STEP) * step];
            interleave(weights.chunks_exact(len), step, &mut packed);
            let mut expected = vec![0; packed.len()];
            for (channel, row) in weights.chunks_exact(len).enumerate() {
                for (index, &weight) in row.iter().enumerate() {
                    expected[index / STEP * step + channel * STEP + index % STEP] = weight;
                }
            }
            prop_assert_eq!(packed, expected);
        }
    }
}
