//! Depthwise convolution with filters packed for vector registers: what the instruction
//! sets share.
//!
//! Vector instructions add four neighbouring bytes of a lane, so the bytes that belong
//! together are brought together first: four rows of a column, for each channel, are
//! interleaved. A block is as many channels of an output as a register has bytes, or, where
//! there are fewer, all channels of neighbouring outputs. Tiles are some blocks of a row,
//! whose sums stay in registers.

use std::vec::Vec;

use shared::artifact::plan::Conv2d;

use crate::InstructionSet;
use crate::conv2d::Filters;
use crate::lines::{Lines, Reads};
use crate::packing::{Aligned, Constants, MAX_SCRATCH, Order};

/// Rows that are interleaved.
const ROWS: usize = 4;

/// Registers of a block, as interleaving four rows of one register gives.
const REGISTERS: usize = 4;

/// One tile: some blocks of an output row.
pub(super) struct Tile {
    /// The interleaved first column of the first block.
    pub(super) columns: *const u8,
    /// Bytes from one column to the next.
    pub(super) column_step: usize,
    /// Bytes from one block's columns to those of the next.
    pub(super) block_step: usize,
    /// Bytes from four rows to the next four.
    pub(super) rows_step: usize,
    /// Columns of the kernel.
    pub(super) taps: usize,
    /// How many times four rows the kernel has.
    pub(super) fours: usize,
    /// Packed filters of the channels, `[four rows][column][register]`.
    pub(super) weights: *const u8,
    /// Biases of the channels, in the order of the registers' lanes.
    pub(super) bias: *const i32,
    /// Multipliers, likewise.
    pub(super) multipliers: *const f32,
    /// The output byte that means zero.
    pub(super) zero_point: u8,
    /// The first block's first channel.
    pub(super) output: *mut u8,
    /// Bytes from one block's output to the next.
    pub(super) output_step: usize,
    /// Channels of a block that exist.
    pub(super) channels: usize,
}

/// What an instruction set does with tiles.
pub(super) trait Tiles {
    /// Channels of a block: bytes of a register.
    const CHANNELS: usize;
    /// Bytes that filters of a block take for four rows.
    const PACKED: usize;
    /// The most blocks of a tile.
    const BLOCKS: usize;
    /// What input bytes are lowered by before they are multiplied.
    const OFFSET: u8;

    /// Packs four weights of each of a block's channels, in the order of the lanes.
    fn pack(weights: &[[i8; ROWS]], packed: &mut [u8]);

    /// Interleaves four rows of one column: `CHANNELS` bytes from each.
    ///
    /// # Safety
    /// The processor has the instructions; the rows have `CHANNELS` bytes and the target
    /// four times as many.
    unsafe fn interleave(rows: [*const u8; ROWS], interleaved: *mut u8);

    /// Calls `f`, compiled for the instruction set with all that is inlined into it.
    ///
    /// # Safety
    /// The processor has the instructions.
    unsafe fn compiled(f: impl FnOnce());

    /// Computes a tile.
    ///
    /// # Safety
    /// The processor has the instructions; `blocks` is 1 to `BLOCKS`; every pointer of
    /// `tile` reaches as far as its field says.
    unsafe fn run(blocks: usize, tile: &Tile);
}

/// How filters lie for an instruction set: the constants of its [`Tiles`], so that packing,
/// which happens once, is compiled once.
#[derive(Clone, Copy)]
struct Layout {
    channels: usize,
    packed: usize,
    offset: u8,
    pack: fn(weights: &[[i8; ROWS]], packed: &mut [u8]),
}

impl Layout {
    fn of<T: Tiles>() -> Self {
        Self {
            channels: T::CHANNELS,
            packed: T::PACKED,
            offset: T::OFFSET,
            pack: T::pack,
        }
    }
}

/// A depthwise convolution, its filters packed for one instruction set.
#[derive(Clone, Debug)]
pub struct PackedDepthwiseConv2d {
    set: InstructionSet,
    lines: Lines,
    /// Columns of the kernel.
    taps: usize,
    /// Columns of the padded input, of its padding on the left, and of the input itself.
    columns: usize,
    padding: usize,
    input_columns: usize,
    /// Columns between outputs.
    stride: usize,
    /// Whether a block is of several outputs.
    is_narrow: bool,
    weights: Aligned,
    constants: Constants,
    input_zero_point: u8,
    zero_point: u8,
    channels: usize,
}

impl PackedDepthwiseConv2d {
    /// Packs `filters`, as [`PackedConv2d::new`](crate::conv2d::packed::PackedConv2d::new)
    /// does.
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
        let channels = usize::from(conv.output.channels);
        if usize::from(conv.input.channels) != channels {
            return None;
        }
        let is_narrow = channels < layout.channels && layout.channels.is_multiple_of(channels);
        let reads = match is_narrow {
            true => Reads::Outputs(layout.channels),
            false => Reads::Channels(layout.channels),
        };
        let lines = Lines::new(conv, reads)?;
        let [rows, taps] = conv.kernel.map(usize::from);
        let mut constants = Constants::new(
            conv,
            filters,
            layout.channels,
            layout.offset,
            Order::Depthwise,
        )?;
        let blocks = channels.div_ceil(layout.channels);
        let order: Vec<usize> = (0..layout.channels)
            .map(|lane| match is_narrow {
                true => channel_of(layout.channels, lane) % channels,
                false => channel_of(layout.channels, lane),
            })
            .collect();
        constants.reorder(&order);
        let fours = rows.div_ceil(ROWS);
        let mut weights = Aligned::zeroed(blocks * fours * taps * layout.packed);
        let mut packed = weights.bytes_mut().chunks_exact_mut(layout.packed);
        for block in 0..blocks {
            for four in 0..fours {
                for tap in 0..taps {
                    let mut quads = [[0i8; ROWS]; 64];
                    let first = block * layout.channels;
                    for row in 0..ROWS.min(rows - four * ROWS) {
                        let at = ((four * ROWS + row) * taps + tap) * channels;
                        let weights = &filters.weights[at..][first..channels];
                        for (quad, &channel) in quads.iter_mut().zip(&order) {
                            if let Some(weight) = weights.get(channel) {
                                quad[row] = *weight as i8;
                            }
                        }
                    }
                    (layout.pack)(&quads[..layout.channels], packed.next()?);
                }
            }
        }
        let packed = Self {
            set,
            lines,
            taps,
            columns: lines.columns(),
            padding: conv.padding[1].into(),
            input_columns: conv.input.width.into(),
            stride: conv.stride[1].into(),
            is_narrow,
            weights,
            constants,
            input_zero_point: conv.input_zero_point,
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
        // Whatever the registers' length, blocks are at most 64 channels too large.
        let columns = match self.is_narrow {
            true => (self.lines.width * self.channels + 64) * self.taps,
            false => (self.channels + 64) * self.columns,
        };
        self.lines.ring_len() + columns * ROWS * self.fours() + 64
    }

    fn fours(&self) -> usize {
        self.lines.taps.div_ceil(ROWS)
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
        assert!(scratch.len() >= self.scratch_len());
        let (ring, interleaved) = scratch.split_at_mut(lines.ring_len());
        let unaligned = interleaved.as_ptr().align_offset(64);
        let interleaved = &mut interleaved[unaligned..];
        lines.prepare(ring);
        if !self.is_narrow && !lines.is_copied() && self.columns > self.input_columns {
            // The padding beside the columns, which stays from row to row; as interleaving
            // leaves bytes.
            interleaved.fill(self.input_zero_point.wrapping_sub(T::OFFSET));
        }
        let row_len = lines.width * self.channels;
        for (y, row) in output.chunks_exact_mut(row_len).enumerate() {
            let rows = lines.rows(y, input, ring);
            if self.is_narrow {
                self.row_of_outputs::<T>(&rows[..lines.taps], interleaved, row);
            } else {
                self.row_of_channels::<T>(&rows[..lines.taps], interleaved, row);
            }
        }
    }

    /// A row of outputs whose channels make several blocks.
    #[inline(always)]
    fn row_of_channels<T: Tiles>(
        &self,
        rows: &[*const u8],
        interleaved: &mut [u8],
        output: &mut [u8],
    ) {
        let blocks = self.channels.div_ceil(T::CHANNELS);
        let column_step = blocks * T::CHANNELS * ROWS;
        let rows_step = self.columns * column_step;
        let (padding, columns) = match self.lines.is_copied() {
            true => (0, self.columns),
            false => (self.padding, self.input_columns),
        };
        let starts = (0..columns).flat_map(|column| {
            (0..blocks).map(move |block| column * self.channels + block * T::CHANNELS)
        });
        let inside = &mut interleaved[padding * column_step..];
        // SAFETY: a row holds all columns; a line what a register more would read, too, and
        // rows that are no lines have whole registers of channels.
        unsafe { interleave::<T>(rows, starts, inside, rows_step) };
        for block in 0..blocks {
            let first = block * T::CHANNELS;
            let weights = block * self.fours() * self.taps * T::PACKED;
            let tile = Tile {
                columns: interleaved[first * ROWS..].as_ptr(),
                column_step,
                block_step: self.stride * column_step,
                rows_step,
                taps: self.taps,
                fours: self.fours(),
                weights: self.weights.bytes()[weights..].as_ptr(),
                bias: self.constants.bias[first..].as_ptr(),
                multipliers: self.constants.multipliers[first..].as_ptr(),
                zero_point: self.zero_point,
                output: output[first..].as_mut_ptr(),
                output_step: self.channels,
                channels: T::CHANNELS.min(self.channels - first),
            };
            // SAFETY: `pack` checked the instruction set; all columns of the row were
            // interleaved, weights and constants were laid out for the block, and the
            // row has this block of every output.
            unsafe { tiles::<T>(self.lines.width, tile) };
        }
    }

    /// A row of outputs of which several make a block.
    #[inline(always)]
    fn row_of_outputs<T: Tiles>(
        &self,
        rows: &[*const u8],
        interleaved: &mut [u8],
        output: &mut [u8],
    ) {
        let blocks = output.len().div_ceil(T::CHANNELS);
        let column_step = T::CHANNELS * ROWS;
        let rows_step = blocks * self.taps * column_step;
        let starts = (0..blocks).flat_map(|block| {
            (0..self.taps).map(move |tap| self.lines.tap(tap) + block * T::CHANNELS)
        });
        // SAFETY: a line holds the columns of all outputs, and what a register more would
        // read.
        unsafe { interleave::<T>(rows, starts, interleaved, rows_step) };
        let tile = |first: usize, output: &mut [u8]| Tile {
            columns: interleaved[first * self.taps * column_step..].as_ptr(),
            column_step,
            block_step: self.taps * column_step,
            rows_step,
            taps: self.taps,
            fours: self.fours(),
            weights: self.weights.bytes().as_ptr(),
            bias: self.constants.bias.as_ptr(),
            multipliers: self.constants.multipliers.as_ptr(),
            zero_point: self.zero_point,
            output: output.as_mut_ptr(),
            output_step: T::CHANNELS,
            channels: T::CHANNELS.min(output.len()),
        };
        let whole = output.len() / T::CHANNELS;
        let (outputs, rest) = output.split_at_mut(whole * T::CHANNELS);
        // SAFETY: `pack` checked the instruction set; all columns of the row were
        // interleaved for each tap, weights and constants were laid out for the channels in
        // turn, and the outputs are as many whole blocks, and what is left of one.
        unsafe {
            if whole > 0 {
                tiles::<T>(whole, tile(0, outputs));
            }
            if !rest.is_empty() {
                tiles::<T>(1, tile(whole, rest));
            }
        }
    }
}

/// Computes `blocks` blocks side by side, as evenly as they come.
///
/// # Safety
/// As [`Tiles::run`], for all blocks together.
#[inline(always)]
unsafe fn tiles<T: Tiles>(blocks: usize, mut tile: Tile) {
    let (mut done, mut left) = (0, blocks.div_ceil(T::BLOCKS));
    while left > 0 {
        let together = (blocks - done).div_ceil(left);
        // SAFETY: as the caller promises.
        unsafe { T::run(together, &tile) };
        tile.columns = tile.columns.wrapping_add(together * tile.block_step);
        tile.output = tile.output.wrapping_add(together * tile.output_step);
        done += together;
        left -= 1;
    }
}

/// Interleaves every four rows of taps, registers that begin at `starts` of each; those of
/// the next four lie `rows_step` bytes further.
///
/// # Safety
/// As [`Tiles::interleave`], for each start of each row.
#[inline(always)]
unsafe fn interleave<T: Tiles>(
    rows: &[*const u8],
    starts: impl Iterator<Item = usize> + Clone,
    interleaved: &mut [u8],
    rows_step: usize,
) {
    for (index, four) in rows.chunks(ROWS).enumerate() {
        // Filters are zero for the rows that are not there.
        let mut all = [four[0]; ROWS];
        all[..four.len()].copy_from_slice(four);
        let targets = interleaved[index * rows_step..].chunks_exact_mut(T::CHANNELS * ROWS);
        for (start, target) in starts.clone().zip(targets) {
            // SAFETY: as the caller promises.
            unsafe { T::interleave(all.map(|row| row.add(start)), target.as_mut_ptr()) };
        }
    }
}

/// The channel in a lane, counted over a block's registers: interleaving works in each 16
/// bytes of a register by themselves, and gives four lanes of them to each register.
fn channel_of(channels: usize, lane: usize) -> usize {
    let lanes = channels / REGISTERS;
    let (register, lane) = (lane / lanes, lane % lanes);
    lane / 4 * 16 + register * 4 + lane % 4
}
