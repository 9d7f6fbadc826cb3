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
        Self {
            rows: taps_inside(conv, 0, y),
            columns: taps_inside(conv, 1, x),
            origin: [
                y * usize::from(conv.stride[0]),
                x * usize::from(conv.stride[1]),
            ],
        }
    }

    /// Whether no tap lies in the padding.
    pub(super) fn is_whole(&self, conv: &Conv2d) -> bool {
        let [kernel_y, kernel_x] = pair(conv.kernel);
        self.rows.len() == kernel_y && self.columns.len() == kernel_x
    }

    /// Its rows.
    pub(super) fn runs(&self, conv: &Conv2d) -> impl Iterator<Item = Run> {
        let [padding_y, padding_x] = pair(conv.padding);
        let [kernel_x, width] = pair([conv.kernel[1], conv.input.width]);
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

/// The taps inside the input, along axis 0 or 1, of output row or column `at`.
#[inline(always)]
pub(super) fn taps_inside(conv: &Conv2d, axis: usize, at: usize) -> Range<usize> {
    let of = |pair: [u16; 2]| usize::from(if axis == 0 { pair[0] } else { pair[1] });
    let (origin, padding) = (at * of(conv.stride), of(conv.padding));
    let size = of([conv.input.height, conv.input.width]);
    let end = (size + padding).saturating_sub(origin);
    padding.saturating_sub(origin)..of(conv.kernel).min(end)
}

/// Two numbers; `map` of an array is a call where a compiler saves space.
#[inline(always)]
fn pair([y, x]: [u16; 2]) -> [usize; 2] {
    [usize::from(y), usize::from(x)]
}
