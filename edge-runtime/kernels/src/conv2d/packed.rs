//! Convolution with filters packed for vector registers: what the instruction sets share.
//!
//! Outputs are computed in tiles of some pixels of a row by some groups of channels, whose
//! sums stay in registers. Filters are packed in the order in which a tile reads them:
//! `[block of groups][row of taps][4 input bytes][group][channel][4]`. Inputs are multiplied
//! as bytes from 0 on, or lowered by an offset `o` where instructions want signed ones; that
//! they count from their zero point is in the bias:
//! `sum (x - z) w = sum (x - o) w - (z - o) sum w`.

use std::vec::Vec;

use shared::artifact::plan::Conv2d;

use super::Filters;
use super::interleave::{STEP, interleave};
use crate::InstructionSet;
use crate::lines::{Lines, Reads};
use crate::packing::{Aligned, Constants, MAX_SCRATCH, Order};

/// The most channels of a group.
const MOST_LANES: usize = 16;

/// One tile: some pixels of an output row by some groups of channels.
pub(super) struct Tile<'a> {
    /// Where the first pixel's rows of taps begin.
    pub(super) rows: &'a [*const u8],
    /// Bytes from one pixel's taps to those of the next.
    pub(super) pixel_step: usize,
    /// Steps of four bytes in a row of taps.
    pub(super) steps: usize,
    /// Packed filters of the block.
    pub(super) weights: *const u8,
    /// Biases of the block's channels, padded to whole groups.
    pub(super) bias: *const i32,
    /// Multipliers, likewise.
    pub(super) multipliers: *const f32,
    /// The output byte that means zero.
    pub(super) zero_point: u8,
    /// The first pixel's first channel of the block.
    pub(super) output: *mut u8,
    /// Bytes from one output pixel to the next.
    pub(super) output_step: usize,
    /// Channels of the block that exist.
    pub(super) channels: usize,
}

/// Puts four weights of each of a group's channels where its instructions want them.
pub(super) type Pack = fn(weights: &[[i8; STEP]], packed: &mut [u8]);

/// What an instruction set does with tiles.
pub(super) trait Tiles {
    /// Channels of a group: 32-bit lanes of a register.
    const LANES: usize;
    /// The most groups of a tile, a power of two; it can be any smaller one too.
    const GROUPS: usize;
    /// Bytes that the filters of a group take for four input bytes.
    const PACKED: usize;
    /// What input bytes are lowered by before they are multiplied.
    const OFFSET: u8;

    /// The most pixels of a tile of so many groups.
    fn pixels(groups: usize) -> usize;

    /// Packs four weights of each of a group's channels; none where they stay as they are.
    const PACK: Option<Pack>;

    /// Calls `f`, compiled for the instruction set with all that is inlined into it.
    ///
    /// # Safety
    /// The processor has the instructions.
    unsafe fn compiled(f: impl FnOnce());

    /// Computes a tile.
    ///
    /// # Safety
    /// The processor has the instructions; `pixels` and `groups` are at least 1 and at most
    /// what the constants say; every pointer of `tile` reaches as far as its field says.
    unsafe fn run(pixels: usize, groups: usize, tile: &Tile<'_>);
}

/// How filters lie for an instruction set: the constants of its [`Tiles`], so that packing,
/// which happens once, is compiled once.
#[derive(Clone, Copy)]
struct Layout {
    lanes: usize,
    groups: usize,
    packed: usize,
    offset: u8,
    pack: Option<Pack>,
}

impl Layout {
    fn of<T: Tiles>() -> Self {
        Self {
            lanes: T::LANES,
            groups: T::GROUPS,
            packed: T::PACKED,
            offset: T::OFFSET,
            pack: T::PACK,
        }
    }
}

/// A convolution, its filters packed for one instruction set.
#[derive(Clone, Debug)]
pub struct PackedConv2d {
    set: InstructionSet,
    lines: Lines,
    blocks: Vec<Block>,
    weights: Aligned,
    constants: Constants,
    zero_point: u8,
    channels: usize,
}

/// Groups of channels that are computed together.
#[derive(Clone, Copy, Debug)]
struct Block {
    first_channel: usize,
    channels: usize,
    groups: usize,
    /// Where its filters begin.
    weights: usize,
}

impl PackedConv2d {
    /// Packs `filters` for `set`; not where a sum could leave the range in which the
    /// vector instructions round as the scalar ones do, or the kernel is too high.
    pub fn new(set: InstructionSet, conv: &Conv2d, filters: &Filters<'_>) -> Option<Self> {
        match set {
            #[cfg(target_arch = "x86_64")]
            InstructionSet::Avx2 => {
                Self::pack(set, Layout::of::<super::avx2::Avx2>(), conv, filters)
            }
            #[cfg(target_arch = "x86_64")]
            InstructionSet::AvxVnni => {
                Self::pack(set, Layout::of::<super::avx_vnni::AvxVnni>(), conv, filters)
            }
            #[cfg(target_arch = "x86_64")]
            InstructionSet::Avx512Vnni => Self::pack(
                set,
                Layout::of::<super::avx512_vnni::Avx512Vnni>(),
                conv,
                filters,
            ),
            #[cfg(all(target_arch = "aarch64", target_endian = "little"))]
            InstructionSet::Neon => {
                Self::pack(set, Layout::of::<super::neon::Neon>(), conv, filters)
            }
            #[cfg(all(target_arch = "aarch64", target_endian = "little"))]
            InstructionSet::NeonDotprod => Self::pack(
                set,
                Layout::of::<super::neon_dotprod::NeonDotprod>(),
                conv,
                filters,
            ),
            _ => None,
        }
    }

    fn pack(
        set: InstructionSet,
        layout: Layout,
        conv: &Conv2d,
        filters: &Filters<'_>,
    ) -> Option<Self> {
        if !set.is_supported() {
            return None;
        }
        let lines = Lines::new(conv, Reads::Taps(STEP))?;
        let channels = usize::from(conv.output.channels);
        let filter_len = conv.filter_len();
        let constants = Constants::new(conv, filters, layout.lanes, layout.offset, Order::Dense)?;
        let steps = lines.run.div_ceil(STEP);
        let blocks = blocks(&layout, channels, lines.taps * steps);
        let packed_len = blocks
            .iter()
            .map(|block| block.groups * lines.taps * steps * layout.packed);
        let mut weights = Aligned::zeroed(packed_len.sum());
        for block in &blocks {
            let packed = &mut weights.bytes_mut()[block.weights..];
            let rows = packed.chunks_exact_mut(steps * block.groups * layout.packed);
            for (row, packed) in rows.take(lines.taps).enumerate() {
                for group in 0..block.groups {
                    let first = block.first_channel + group * layout.lanes;
                    let filters = filters.weights.chunks_exact(filter_len).skip(first);
                    let taps = filters.map(|filter| &filter[row * lines.run..][..lines.run]);
                    let packed = &mut packed[group * layout.packed..];
                    pack_group(
                        &layout,
                        &mut taps.take(layout.lanes),
                        block.groups * layout.packed,
                        packed,
                    );
                }
            }
        }
        let packed = Self {
            set,
            lines,
            blocks,
            weights,
            constants,
            zero_point: conv.output_zero_point,
            channels,
        };
        (packed.scratch_len() <= MAX_SCRATCH).then_some(packed)
    }

    /// Bytes of the packed filters.
    pub fn packed_len(&self) -> usize {
        self.weights.len()
    }

    /// Bytes of scratch memory that [`run`](Self::run) needs.
    pub fn scratch_len(&self) -> usize {
        self.lines.ring_len()
    }

    /// Computes the convolution from `input` into `output`, both height x width x channels.
    ///
    /// # Panics
    /// Where a buffer is not of the size that the convolution states.
    pub fn run(&self, input: &[u8], output: &mut [u8], scratch: &mut [u8]) {
        match self.set {
            #[cfg(target_arch = "x86_64")]
            InstructionSet::Avx2 => self.compiled::<super::avx2::Avx2>(input, output, scratch),
            #[cfg(target_arch = "x86_64")]
            InstructionSet::AvxVnni => {
                self.compiled::<super::avx_vnni::AvxVnni>(input, output, scratch)
            }
            #[cfg(target_arch = "x86_64")]
            InstructionSet::Avx512Vnni => {
                self.compiled::<super::avx512_vnni::Avx512Vnni>(input, output, scratch)
            }
            #[cfg(all(target_arch = "aarch64", target_endian = "little"))]
            InstructionSet::Neon => self.compiled::<super::neon::Neon>(input, output, scratch),
            #[cfg(all(target_arch = "aarch64", target_endian = "little"))]
            InstructionSet::NeonDotprod => {
                self.compiled::<super::neon_dotprod::NeonDotprod>(input, output, scratch)
            }
            _ => unreachable!("nothing is packed for other sets"),
        }
    }

    fn compiled<T: Tiles>(&self, input: &[u8], output: &mut [u8], scratch: &mut [u8]) {
        // SAFETY: `pack` checked the instruction set.
        unsafe { T::compiled(|| self.tiles::<T>(input, output, scratch)) };
    }

    #[inline(always)]
    fn tiles<T: Tiles>(&self, input: &[u8], output: &mut [u8], scratch: &mut [u8]) {
        let lines = &self.lines;
        assert_eq!(output.len(), lines.height * lines.width * self.channels);
        lines.prepare(scratch);
        let steps = lines.run.div_ceil(STEP);
        for y in 0..lines.height {
            let rows = lines.rows(y, input, scratch);
            let row = &mut output[y * lines.width * self.channels..][..lines.width * self.channels];
            for block in &self.blocks {
                let most = T::pixels(block.groups);
                let tiles = lines.width.div_ceil(most);
                let (mut x, mut left) = (0, tiles);
                while left > 0 {
                    // As even as they come.
                    let pixels = (lines.width - x).div_ceil(left);
                    let mut at = rows;
                    for row in &mut at[..lines.taps] {
                        *row = row.wrapping_add(x * lines.step);
                    }
                    let tile = Tile {
                        rows: &at[..lines.taps],
                        pixel_step: lines.step,
                        steps,
                        weights: self.weights.bytes()[block.weights..].as_ptr(),
                        bias: self.constants.bias[block.first_channel..].as_ptr(),
                        multipliers: self.constants.multipliers[block.first_channel..].as_ptr(),
                        zero_point: self.zero_point,
                        output: row[x * self.channels + block.first_channel..].as_mut_ptr(),
                        output_step: self.channels,
                        channels: block.channels,
                    };
                    // SAFETY: `pack` checked the instruction set. `Lines::rows` promises the
                    // taps of the whole row, of which these pixels are a part, and the
                    // multiple of four; weights and constants were laid out for the
                    // block; the output row holds the pixels from `x` on.
                    unsafe { T::run(pixels, block.groups, &tile) };
                    x += pixels;
                    left -= 1;
                }
            }
        }
    }
}

/// Packs a row of taps of each of a group's channels; from one four to the next are `step`
/// bytes.
fn pack_group(
    layout: &Layout,
    // Not of every kind by itself: what the compiler makes of each is long.
    taps: &mut dyn Iterator<Item = &[u8]>,
    step: usize,
    packed: &mut [u8],
) {
    let Some(pack) = layout.pack else {
        interleave(taps, step, packed);
        return;
    };
    // The row of taps of each lane, by fours; what is left of them.
    let mut fours: [(&[[u8; STEP]], &[u8]); MOST_LANES] = [(&[], &[]); MOST_LANES];
    for (four, taps) in fours.iter_mut().zip(taps) {
        *four = taps.as_chunks();
    }
    for (index, packed) in packed.chunks_mut(step).enumerate() {
        let mut quads = [[0; STEP]; MOST_LANES];
        for (quad, (fours, rest)) in quads.iter_mut().zip(&fours).take(layout.lanes) {
            let four = fours.get(index).copied();
            *quad = four
                .unwrap_or_else(|| padded(rest))
                .map(|weight| weight as i8);
        }
        pack(&quads[..layout.lanes], &mut packed[..layout.packed]);
    }
}

/// What is left of a row of taps, and zeros.
fn padded(rest: &[u8]) -> [u8; STEP] {
    let mut four = [0; STEP];
    rest.iter()
        .zip(&mut four)
        .for_each(|(tap, four)| *four = *tap);
    four
}

/// Blocks of channels: as many groups each as a tile takes, the last ones a half or a
/// quarter of it.
fn blocks(layout: &Layout, channels: usize, steps: usize) -> Vec<Block> {
    let mut blocks = Vec::new();
    let (mut first_channel, mut weights) = (0, 0);
    while first_channel < channels {
        let left = (channels - first_channel).div_ceil(layout.lanes);
        let mut groups = layout.groups;
        while groups > left {
            groups /= 2;
        }
        let channels = (groups * layout.lanes).min(channels - first_channel);
        blocks.push(Block {
            first_channel,
            channels,
            groups,
            weights,
        });
        first_channel += channels;
        weights += groups * steps * layout.packed;
    }
    blocks
}
