//! The inputs of some output pixels, copied for multiplication by `vmladava`.

use core::arch::asm;
use core::mem::MaybeUninit;

use shared::artifact::plan::Conv2d;

use crate::mve::{Axis, Taps};

/// Windows that are multiplied at once.
pub(super) const PIXELS: usize = 4;

/// Bytes of all of them.
const ROOM: usize = 4608;

/// The windows of one output pixel or of [`PIXELS`] in the order of a filter, less 128, taps
/// in the padding as the zero point; one behind the other.
pub(super) struct Windows<'a> {
    /// What of them was filled is initialized.
    bytes: [MaybeUninit<u64>; ROOM / 8],
    input: &'a [u8],
    zero_point: u8,
    channels: usize,
    /// Bytes of a window, and of a row of it.
    taps: usize,
    row_of_taps: usize,
    /// Bytes of a row of the input.
    row: usize,
    down: Axis,
    across: Axis,
    /// Row and column of the next output pixel, and what of the filter's rows lies inside the
    /// input there. Filters of one tap that pass over nothing see a single row.
    y: usize,
    x: usize,
    rows: (Taps, usize),
    is_single_row: bool,
}

impl<'a> Windows<'a> {
    /// Room for windows of `conv`; none where its filters are too long.
    pub(super) fn new(conv: &Conv2d, input: &'a [u8]) -> Option<Self> {
        let taps = conv.filter_len();
        let input = input.get(..conv.input.len())?;
        let channels = usize::from(conv.input.channels);
        let [down, across] = Axis::of_conv(conv);
        (1..=ROOM).contains(&taps).then_some(Self {
            bytes: [MaybeUninit::uninit(); ROOM / 8],
            input,
            zero_point: conv.input_zero_point,
            channels,
            taps,
            row_of_taps: across.kernel * channels,
            row: across.input * channels,
            is_single_row: down.is_identity() && across.is_identity(),
            y: 0,
            x: 0,
            rows: down.taps(0),
            down,
            across,
        })
    }

    /// How many windows have room: one or [`PIXELS`].
    pub(super) fn room(&self) -> usize {
        match PIXELS * self.taps <= ROOM {
            true => PIXELS,
            false => 1,
        }
    }

    /// The window in a place.
    pub(super) fn at(&self, place: usize) -> *const u8 {
        let first = self.bytes.as_ptr().cast::<u8>();
        first.wrapping_add(place * self.taps)
    }

    /// Puts the windows of the next output pixels, as many as have room at most, into their
    /// places.
    pub(super) fn fill(&mut self, count: usize) {
        let count = count.min(self.room());
        let mut to = self.bytes.as_mut_ptr().cast::<u8>();
        if self.is_single_row {
            let len = count * self.taps;
            let from = self.x * self.taps;
            self.x += count;
            // SAFETY: there is room for `count` windows.
            return unsafe { self.copy(from, to, 1, len) };
        }
        for _ in 0..count {
            // SAFETY: there is room for `count` windows.
            unsafe { self.fill_one(to) };
            to = to.wrapping_add(self.taps);
            self.x += 1;
            if self.x == self.across.output {
                (self.y, self.x) = (self.y + 1, 0);
                self.rows = self.down.taps(self.y);
            }
        }
    }

    /// Puts the window of the next output pixel to `to`.
    ///
    /// # Safety
    /// There is room for it.
    #[inline(always)]
    unsafe fn fill_one(&self, to: *mut u8) {
        let (rows, top) = self.rows;
        let (columns, left) = self.across.taps(self.x);
        if rows.count < self.down.kernel || columns.count < self.across.kernel {
            // SAFETY: as the caller promises.
            unsafe { clear(to, self.taps, self.zero_point) };
        }
        let from = top * self.row + left * self.channels;
        let to = to.wrapping_add(rows.first * self.row_of_taps + columns.first * self.channels);
        // SAFETY: taps are those of the window.
        unsafe { self.copy(from, to, rows.count, columns.count * self.channels) };
    }

    /// Copies rows of `len` taps, from the byte `from` of the input on.
    ///
    /// # Safety
    /// There is room for them in the window that `to` points to.
    #[inline(always)]
    unsafe fn copy(&self, from: usize, to: *mut u8, rows: usize, len: usize) {
        let Some(before_last) = rows.checked_sub(1) else {
            return;
        };
        let end = from + before_last * self.row + len;
        let Some(values) = self.input.get(from..end) else {
            return;
        };
        if len == 0 {
            return;
        }
        // Whole vectors are passed by, whatever was copied of the last one.
        let passed = len.next_multiple_of(16);
        // SAFETY: reads no further than the last row of the values, which are there, as is
        // the room, and there are a row and a tap or more.
        unsafe {
            asm!(
                "vmov.i8 q1, #0x80",
                "2:",
                "dlstp.8 lr, {len}",
                "3:",
                "vldrb.u8 q0, [{from}], #16",
                "veor q0, q0, q1",
                "vstrb.8 q0, [{to}], #16",
                "letp lr, 3b",
                "add {from}, {to_next_row}",
                "add {to}, {to_next_place}",
                "subs {rows}, #1",
                "bne 2b",
                from = inout(reg) values.as_ptr() => _,
                to = inout(reg) to => _,
                rows = inout(reg) rows => _,
                len = in(reg) len,
                to_next_row = in(reg) self.row.wrapping_sub(passed),
                to_next_place = in(reg) self.row_of_taps.wrapping_sub(passed),
                out("lr") _,
                out("q0") _,
                out("q1") _,
                options(nostack),
            );
        }
    }
}

/// Fills a window with the zero point, less 128.
///
/// # Safety
/// There is room for as many, one or more.
#[inline(always)]
unsafe fn clear(window: *mut u8, taps: usize, zero_point: u8) {
    // SAFETY: as the caller promises.
    unsafe {
        asm!(
            "vdup.8 q0, {value}",
            "dlstp.8 lr, {taps}",
            "2:",
            "vstrb.8 q0, [{window}], #16",
            "letp lr, 2b",
            value = in(reg) u32::from(zero_point ^ 0x80),
            taps = in(reg) taps,
            window = inout(reg) window => _,
            out("lr") _,
            out("q0") _,
            options(nostack),
        );
    }
}
