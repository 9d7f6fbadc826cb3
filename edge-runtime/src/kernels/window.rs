//! Where a convolution's filter lies over its input.

use core::ops::Range;

use shared::artifact::plan::Conv2d;

/// The taps of one output pixel that lie inside the input; the others count as
/// zero and are left out.
pub(super) struct Window {
    rows: Range<usize>,
    columns: Range<usize>,
    /// Input row and column that tap (0, 0) would read, plus the padding.
    origin: [usize; 2],
}

/// Taps of one row, side by side.
pub(super) struct Run {
    /// The first tap, counted through the filter.
    pub(super) tap: usize,
    /// The input pixel that it reads, counted through the input.
    pub(super) pixel: usize,
    /// Number of taps.
    pub(super) len: usize,
}

impl Window {
    /// The window of output row `y`, column `x`.
    pub(super) fn at(conv: &Conv2d, y: usize, x: usize) -> Self {
        let [stride_y, stride_x] = conv.stride.map(usize::from);
        let [padding_y, padding_x] = conv.padding.map(usize::from);
        let [kernel_y, kernel_x] = conv.kernel.map(usize::from);
        let origin = [y * stride_y, x * stride_x];
        let inside = |origin: usize, padding: usize, kernel: usize, size: u16| {
            let end = (usize::from(size) + padding).saturating_sub(origin);
            padding.saturating_sub(origin)..kernel.min(end)
        };
        Self {
            rows: inside(origin[0], padding_y, kernel_y, conv.input.height),
            columns: inside(origin[1], padding_x, kernel_x, conv.input.width),
            origin,
        }
    }

    /// Whether no tap lies in the padding.
    pub(super) fn is_whole(&self, conv: &Conv2d) -> bool {
        let [kernel_y, kernel_x] = conv.kernel.map(usize::from);
        self.rows.len() == kernel_y && self.columns.len() == kernel_x
    }

    /// Its rows.
    pub(super) fn runs(&self, conv: &Conv2d) -> impl Iterator<Item = Run> {
        let [padding_y, padding_x] = conv.padding.map(usize::from);
        let [kernel_x, width] = [conv.kernel[1], conv.input.width].map(usize::from);
        let (first, len) = (self.columns.start, self.columns.len());
        let x = self.origin[1] + first - padding_x;
        let top = self.origin[0];
        self.rows.clone().map(move |row| Run {
            tap: row * kernel_x + first,
            pixel: (top + row - padding_y) * width + x,
            len,
        })
    }
}
