//! The inputs of two output pixels, widened for multiplication by `smlad`.

use core::arch::asm;
use core::mem::MaybeUninit;
use core::ops::Range;

use shared::artifact::plan::Conv2d;

use super::Filters;
use crate::at_least_one;
use crate::requantize::requantize;
use crate::window::Window;

/// Taps that are multiplied at once.
const STEP: usize = 4;

/// The longest filter that has a place.
const MOST_TAPS: usize = 1152;

/// The same, where input channels are no multiple of [`STEP`].
const MOST_UNEVEN_TAPS: usize = 252;

/// The taps of two pixels in the order of a filter, less the zero point: of each four taps
/// two words of the first pixel, `0 2` and `1 3`, and two of the second. What the last four
/// lack is zero.
pub(super) struct Column<'a> {
    /// What of them was filled for a place is initialized.
    words: [MaybeUninit<u32>; MOST_TAPS],
    conv: &'a Conv2d,
    input: &'a [u8],
    taps: usize,
    /// Bytes of a row of the input, and of a row of the filter.
    rows: [usize; 2],
    /// Output rows and columns whose windows lie inside the input.
    inside: [Range<usize>; 2],
    /// Where taps are put side by side whose runs do not consist of whole steps; the room
    /// after the last one takes what a whole word of it brings.
    uneven: [u8; MOST_UNEVEN_TAPS + STEP],
    runs: Runs,
}

/// The runs of taps that lie side by side in the input.
#[derive(Clone, Copy, Debug)]
enum Runs {
    /// Of whole steps.
    Steps,
    /// Three, of three taps each.
    ThreeOfThree,
    /// Others.
    Any,
}

impl<'a> Column<'a> {
    /// A column of `conv`, whose input is at least as long as it states; none where its
    /// filters are too long.
    pub(super) fn new(conv: &'a Conv2d, input: &'a [u8]) -> Option<Self> {
        let channels = usize::from(conv.input.channels);
        let is_even = channels.is_multiple_of(STEP);
        let most = if is_even { MOST_TAPS } else { MOST_UNEVEN_TAPS };
        let taps = conv.filter_len();
        if taps > most {
            return None;
        }
        let inside = |stride: u16, kernel: u16, padding: u16, size: u16| {
            let stride = at_least_one(stride);
            let padding = usize::from(padding);
            let last = (usize::from(size) + padding).checked_sub(kernel.into());
            padding.div_ceil(stride)..last.map_or(0, |last| last / stride + 1)
        };
        let ([down, across], [height, width], [top, left]) =
            (conv.stride, conv.kernel, conv.padding);
        Some(Self {
            words: [MaybeUninit::uninit(); MOST_TAPS],
            conv,
            input: input.get(..conv.input.len())?,
            taps,
            rows: [conv.input.width, conv.kernel[1]].map(|width| usize::from(width) * channels),
            inside: [
                inside(down, height, top, conv.input.height),
                inside(across, width, left, conv.input.width),
            ],
            uneven: [0; MOST_UNEVEN_TAPS + STEP],
            runs: match (is_even, conv.kernel, channels) {
                (true, ..) => Runs::Steps,
                (false, [3, 3], 1) => Runs::ThreeOfThree,
                _ => Runs::Any,
            },
        })
    }

    /// Its words, of which those of places that were filled are initialized.
    pub(super) fn words(&self) -> *const u32 {
        self.words.as_ptr().cast()
    }

    /// Steps, the last one perhaps not whole.
    pub(super) fn steps(&self) -> usize {
        self.taps.div_ceil(STEP)
    }

    /// Puts the window of the output pixel in row `y`, column `x` into the first place or
    /// the second.
    pub(super) fn fill(&mut self, second: bool, y: usize, x: usize) {
        let [rows, columns] = &self.inside;
        let is_inside = rows.contains(&y) && columns.contains(&x);
        match (is_inside, self.runs) {
            (true, Runs::Steps) => self.fill_whole(second, y, x),
            (false, Runs::Steps) => self.fill_part(second, y, x),
            (true, Runs::ThreeOfThree) => self.fill_three(second, y, x),
            (true, Runs::Any) => {
                self.gather_whole(y, x);
                self.put_gathered(second);
            }
            (false, Runs::ThreeOfThree | Runs::Any) => {
                self.gather_part(y, x);
                self.put_gathered(second);
            }
        }
    }

    /// Three runs of three taps: the first layer of grey pictures.
    fn fill_three(&mut self, second: bool, y: usize, x: usize) {
        let row = self.rows[0];
        let from = self.start(y, x);
        // Whole words are read, of which the last byte is the next run's.
        if from + 2 * row + STEP > self.input.len() {
            self.gather_part(y, x);
            return self.put_gathered(second);
        }
        let first = self.input.as_ptr().wrapping_add(from);
        // SAFETY: the last of them is inside the input.
        let [a, b, c] = unsafe {
            [
                first.cast::<u32>().read_unaligned(),
                first.add(row).cast::<u32>().read_unaligned(),
                first.add(2 * row).cast::<u32>().read_unaligned(),
            ]
        };
        let zero_points = u32::from(self.conv.input_zero_point) * 0x0101_0101;
        let rest = zero_points & 0xffff_ff00;
        let zero_points = zero_points & 0x00ff_00ff;
        let to: *mut u32 = self.words.as_mut_ptr().cast();
        let to = to.wrapping_add(2 * usize::from(second)).cast::<[u32; 2]>();
        // SAFETY: a column has more than three steps, of four words each.
        unsafe {
            to.write(widen(a & 0x00ff_ffff | b << 24, zero_points));
            let to = to.add(2);
            to.write(widen(b >> 8 & 0xffff | c << 16, zero_points));
            let to = to.add(2);
            to.write(widen(c >> 16 & 0xff | rest, zero_points));
        }
    }

    /// Where in the input a window begins that lies inside it.
    fn start(&self, y: usize, x: usize) -> usize {
        let [stride, padding] = [self.conv.stride, self.conv.padding];
        let start = |at: usize, axis: usize| {
            (at * usize::from(stride[axis])).wrapping_sub(usize::from(padding[axis]))
        };
        let channels = usize::from(self.conv.input.channels);
        start(y, 0) * self.rows[0] + start(x, 1) * channels
    }

    fn fill_whole(&mut self, second: bool, y: usize, x: usize) {
        let input = self.input;
        let [row, len] = self.rows;
        let mut from = self.start(y, x);
        for tap in (0..self.taps).step_by(len.max(1)) {
            let values = input.get(from..from + len).unwrap_or_default();
            self.put_steps(second, tap, values);
            from += row;
        }
    }

    #[cold]
    fn fill_part(&mut self, second: bool, y: usize, x: usize) {
        for step in 0..self.steps() {
            let at = step * STEP + 2 * usize::from(second);
            if let Some(words) = self.words.get_mut(at..at + 2) {
                words.fill(MaybeUninit::new(0));
            }
        }
        let (input, channels) = (self.input, usize::from(self.conv.input.channels));
        for run in Window::at(self.conv, y, x).runs(self.conv) {
            let (from, len) = (run.pixel * channels, run.len * channels);
            let values = input.get(from..from + len).unwrap_or_default();
            self.put_steps(second, run.tap * channels, values);
        }
    }

    /// Widens whole steps into the column from a tap on.
    fn put_steps(&mut self, second: bool, tap: usize, values: &[u8]) {
        let zero_points = u32::from(self.conv.input_zero_point) * 0x0001_0001;
        put_steps(&mut self.words, second, tap, values, zero_points);
    }

    /// Puts the runs of a window that lies inside the input side by side.
    fn gather_whole(&mut self, y: usize, x: usize) {
        let [row, len] = self.rows;
        let from = self.start(y, x);
        let runs = usize::from(self.conv.kernel[0]);
        // Whole words are copied; what they bring too much, the next run overwrites.
        let reach = (runs - 1) * row + len.next_multiple_of(STEP);
        if from + reach > self.input.len() {
            return self.gather_part(y, x);
        }
        let mut source = self.input.as_ptr().wrapping_add(from);
        let mut target = self.uneven.as_mut_ptr();
        for _ in 0..runs {
            let mut at = 0;
            while at < len {
                // SAFETY: the last word of the last run is inside the input; the target has
                // room for all taps and a word.
                unsafe {
                    let word: u32 = source.add(at).cast::<u32>().read_unaligned();
                    target.add(at).cast::<u32>().write_unaligned(word);
                }
                at += STEP;
            }
            source = source.wrapping_add(row);
            target = target.wrapping_add(len);
        }
    }

    #[cold]
    fn gather_part(&mut self, y: usize, x: usize) {
        let taps = self.uneven.get_mut(..self.taps).unwrap_or_default();
        taps.fill(self.conv.input_zero_point);
        let [row, run] = self.rows;
        let channels = usize::from(self.conv.input.channels);
        // Bytes of a run before the input's row begins, and up to its end.
        let left = x * usize::from(self.conv.stride[1]) * channels;
        let padding = usize::from(self.conv.padding[1]) * channels;
        let skipped = padding.saturating_sub(left);
        let end = run.min((row + padding).saturating_sub(left));
        let top =
            (y * usize::from(self.conv.stride[0])).wrapping_sub(usize::from(self.conv.padding[0]));
        for (index, places) in self.uneven.chunks_exact_mut(run.max(1)).enumerate() {
            let y = top.wrapping_add(index);
            if index == usize::from(self.conv.kernel[0]) {
                break;
            }
            if y >= usize::from(self.conv.input.height) {
                continue;
            }
            let from = y * row + (left + skipped).saturating_sub(padding);
            let values = self.input.get(from..).unwrap_or_default();
            let places = places.get_mut(skipped..end).unwrap_or_default();
            for (place, value) in places.iter_mut().zip(values) {
                *place = *value;
            }
        }
    }

    /// Widens what was gathered.
    fn put_gathered(&mut self, second: bool) {
        // What the last step lacks is zero when it is widened.
        if let Some(rest) = self.uneven.get_mut(self.taps..self.taps + STEP) {
            rest.fill(self.conv.input_zero_point);
        }
        let zero_points = u32::from(self.conv.input_zero_point) * 0x0001_0001;
        let steps = self.uneven.get(..STEP * self.taps.div_ceil(STEP));
        let steps = steps.unwrap_or_default();
        put_steps(&mut self.words, second, 0, steps, zero_points);
    }

    /// An output of a pixel, by plain loops.
    pub(super) fn output(&self, second: bool, filters: &Filters<'_>, channel: usize) -> u8 {
        let constant = |all: &[u8]| {
            let four = all.as_chunks::<4>().0.get(channel).copied();
            four.unwrap_or_default()
        };
        let filter = filters.weights.chunks_exact(self.taps.max(1)).nth(channel);
        let mut sum = i32::from_le_bytes(constant(filters.bias));
        let filter = filter.unwrap_or_default();
        for (step, weights) in filter.chunks(STEP).enumerate() {
            let two = self
                .words()
                .wrapping_add(step * STEP + 2 * usize::from(second));
            // SAFETY: the step lies in the column, whose place was filled.
            let [even, odd] = unsafe { [two.read(), two.add(1).read()] };
            let taps = [
                even as i16,
                odd as i16,
                (even >> 16) as i16,
                (odd >> 16) as i16,
            ];
            for (tap, &weight) in taps.into_iter().zip(weights) {
                sum = sum.wrapping_add(i32::from(tap) * i32::from(weight as i8));
            }
        }
        let multiplier = f32::from_le_bytes(constant(filters.multipliers));
        requantize(sum, multiplier, self.conv.output_zero_point)
    }
}

/// Widens whole steps into the words from a tap on.
#[inline(always)]
fn put_steps(
    words: &mut [MaybeUninit<u32>],
    second: bool,
    tap: usize,
    values: &[u8],
    zero_points: u32,
) {
    let Some(to) = words.get_mut(tap..tap + values.len()) else {
        // Windows are no longer than filters.
        return;
    };
    let mut to: *mut u32 = to.as_mut_ptr().cast();
    to = to.wrapping_add(2 * usize::from(second));
    for values in values.as_chunks::<STEP>().0 {
        let [even, odd] = widen(u32::from_le_bytes(*values), zero_points);
        // SAFETY: each four taps have four words, which were found to be there, of
        // which the place has the first two or the last.
        unsafe {
            to.write(even);
            to.add(1).write(odd);
        }
        to = to.wrapping_add(STEP);
    }
}

/// Four bytes as 16-bit numbers less a zero point: the first and third, the second and
/// fourth.
#[inline(always)]
fn widen(bytes: u32, zero_points: u32) -> [u32; 2] {
    let (even, odd): (u32, u32);
    // SAFETY: computes in registers.
    unsafe {
        asm!(
            "uxtb16 {even}, {bytes}",
            "uxtb16 {odd}, {bytes}, ror #8",
            "usub16 {even}, {even}, {zero_points}",
            "usub16 {odd}, {odd}, {zero_points}",
            bytes = in(reg) bytes,
            zero_points = in(reg) zero_points,
            even = out(reg) even,
            odd = out(reg) odd,
            options(pure, nomem, nostack),
        );
    }
    [even, odd]
}
