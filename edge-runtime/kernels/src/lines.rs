//! The input rows under a row of outputs, with their padding.
//!
//! Kernels read every tap of a row as consecutive bytes. Where the input itself cannot be
//! read so, because taps lie in the padding or a row ends before a register does, rows are
//! copied into a ring of as many lines as the kernel is high: a few kilobytes, each row
//! once.

use shared::artifact::plan::Conv2d;

/// The most rows of a kernel.
pub(super) const MOST_ROWS: usize = 16;

/// Bytes that may be read past the end of a line.
const SLACK: usize = 64;

/// What a kernel reads at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reads {
    /// So many bytes of a row of taps.
    Taps(usize),
    /// So many channels of one tap; the padding beside a row is the kernel's own affair
    /// where lines are not copied.
    Channels(usize),
    /// So many bytes of one tap of neighbouring outputs, all their channels.
    Outputs(usize),
}

/// How a convolution reads its input.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lines {
    /// Rows of outputs.
    pub(super) height: usize,
    /// Outputs in a row.
    pub(super) width: usize,
    /// Rows of taps.
    pub(super) taps: usize,
    /// Bytes of one row of taps of one output.
    pub(super) run: usize,
    /// Bytes from an output's first tap to that of the next.
    pub(super) step: usize,
    stride: usize,
    padding: [usize; 2],
    input_height: usize,
    input_row: usize,
    zero_point: u8,
    /// Bytes of a copied line; zero where the input is read as it is.
    line: usize,
    /// Bytes of a row of zeros above and below an input that is read as it is.
    zero_row: usize,
    channels: usize,
    /// Columns of the input and of its padding, as many as windows see.
    columns: usize,
    /// Columns are sorted by their remainder modulo this, so that one tap's columns of
    /// neighbouring outputs follow each other.
    phases: usize,
}

impl Lines {
    /// How `conv` reads its input; not at all where its kernel is too high.
    pub(super) fn new(conv: &Conv2d, reads: Reads) -> Option<Self> {
        let [taps, columns] = conv.kernel.map(usize::from);
        let [stride, step] = conv.stride.map(usize::from);
        let padding = conv.padding.map(usize::from);
        let channels = usize::from(conv.input.channels);
        let [input_height, input_width] = [conv.input.height, conv.input.width].map(usize::from);
        let mut lines = Self {
            height: usize::from(conv.output.height),
            width: usize::from(conv.output.width),
            taps,
            run: columns * channels,
            step: step * channels,
            stride,
            padding,
            input_height,
            input_row: input_width * channels,
            zero_point: conv.input_zero_point,
            line: 0,
            zero_row: 0,
            channels,
            columns: 0,
            phases: 1,
        };
        let seen = |outputs: usize, stride: usize, kernel: usize| (outputs - 1) * stride + kernel;
        let rows_seen = seen(lines.height, stride, taps);
        lines.columns = seen(lines.width, step, columns).max(padding[1] + input_width);
        // Before the input, or after it.
        let is_padded = padding[0] > 0 || rows_seen > input_height || lines.columns > input_width;
        let is_whole = match reads {
            Reads::Taps(bytes) => {
                if !is_padded {
                    lines.join_rows(conv);
                }
                lines.run.is_multiple_of(bytes)
            }
            Reads::Channels(bytes) => channels.is_multiple_of(bytes),
            Reads::Outputs(_) => {
                lines.phases = step;
                false
            }
        };
        let needs_padding = is_padded && !matches!(reads, Reads::Channels(_));
        if needs_padding || !is_whole {
            let length = lines.phases * lines.phase() + SLACK;
            lines.line = length.next_multiple_of(64);
        } else if is_padded {
            lines.zero_row = lines.input_row;
        }
        (lines.taps <= MOST_ROWS).then_some(lines)
    }

    /// Takes rows as one where their bytes follow each other.
    fn join_rows(&mut self, conv: &Conv2d) {
        let is_whole =
            [self.height, self.width] == [conv.input.height, conv.input.width].map(usize::from);
        if conv.kernel == [1, 1] && conv.stride == [1, 1] && is_whole {
            // Every pixel by itself.
            self.width *= self.height;
            self.columns *= self.input_height;
            self.input_row *= self.input_height;
            (self.height, self.input_height) = (1, 1);
        }
        if self.run == self.input_row && self.taps == self.input_height {
            // One output of everything.
            self.run *= self.taps;
            self.columns *= self.taps;
            self.input_row *= self.taps;
            (self.taps, self.input_height) = (1, 1);
        }
    }

    /// Bytes of the columns of one remainder.
    fn phase(&self) -> usize {
        self.columns.div_ceil(self.phases) * self.channels
    }

    /// Where the columns begin that tap `tap` of a row of outputs reads.
    pub(super) fn tap(&self, tap: usize) -> usize {
        tap % self.phases * self.phase() + tap / self.phases * self.channels
    }

    /// Columns of the input and of its padding, as many as windows see.
    pub(super) fn columns(&self) -> usize {
        self.columns
    }

    /// Bytes of the ring.
    pub(super) fn ring_len(&self) -> usize {
        self.taps * self.line + self.zero_row
    }

    /// Whether lines are copied, their padding with them.
    pub(super) fn is_copied(&self) -> bool {
        self.line > 0
    }

    /// Fills what copying rows leaves as it is: the padding beside them.
    pub(super) fn prepare(&self, ring: &mut [u8]) {
        let ring = &mut ring[..self.ring_len()];
        // A memory of nothing lies nowhere, and stores of no bytes there are slow.
        if !ring.is_empty() {
            ring.fill(self.zero_point);
        }
    }

    /// Where the rows of taps of output row `y` begin, the first [`taps`](Self::taps) of
    /// the array; to be called for `y` from 0 on. From each, `run + (width - 1) * step`
    /// bytes can be read, and up to the next multiple of the piece.
    pub(super) fn rows(&self, y: usize, input: &[u8], ring: &mut [u8]) -> [*const u8; MOST_ROWS] {
        let mut rows = [core::ptr::null(); MOST_ROWS];
        let top = y * self.stride;
        let inside = |at: usize| {
            let row = at.checked_sub(self.padding[0]);
            row.filter(|&row| row < self.input_height)
        };
        if self.line == 0 {
            for (tap, row) in rows.iter_mut().enumerate().take(self.taps) {
                *row = match inside(top + tap) {
                    Some(row) => input[row * self.input_row..][..self.input_row].as_ptr(),
                    None => ring[..self.zero_row].as_ptr(),
                };
            }
            return rows;
        }
        // The window before had all rows but those of the last stride.
        let kept = if y == 0 {
            0
        } else {
            self.taps.saturating_sub(self.stride)
        };
        for at in top + kept..top + self.taps {
            let line = &mut ring[at % self.taps * self.line..][..self.line];
            match inside(at) {
                Some(row) => self.copy(&input[row * self.input_row..][..self.input_row], line),
                None => line.fill(self.zero_point),
            }
        }
        for (tap, row) in rows.iter_mut().enumerate().take(self.taps) {
            *row = ring[(top + tap) % self.taps * self.line..].as_ptr();
        }
        rows
    }

    /// Copies a row between the padding of its line.
    fn copy(&self, row: &[u8], line: &mut [u8]) {
        let left = self.padding[1] * self.channels;
        match (self.phases, self.channels) {
            (1, _) => line[left..left + row.len()].copy_from_slice(row),
            (_, 8) => self.sort::<8>(row, line),
            (_, 16) => self.sort::<16>(row, line),
            (_, 32) => self.sort::<32>(row, line),
            _ => {
                for (column, pixel) in row.chunks_exact(self.channels).enumerate() {
                    let at = self.tap(column + self.padding[1]);
                    line[at..at + self.channels].copy_from_slice(pixel);
                }
            }
        }
    }

    /// Copies a row of pixels of `N` channels, every column to the others of its remainder.
    fn sort<const N: usize>(&self, row: &[u8], line: &mut [u8]) {
        let pixels = row.as_chunks::<N>().0;
        for phase in 0..self.phases {
            // The first column of the input, from the padding on, with this remainder.
            let first = (phase + self.phases * self.padding[1] - self.padding[1]) % self.phases;
            let at = self.tap(first + self.padding[1]);
            let targets = line[at..].as_chunks_mut::<N>().0.iter_mut();
            let columns = pixels.iter().skip(first).step_by(self.phases);
            targets
                .zip(columns)
                .for_each(|(target, pixel)| *target = *pixel);
        }
    }
}
