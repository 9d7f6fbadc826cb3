//! What kernels for Cortex-M with Helium, the vector extension (MVE), have in common.

use shared::artifact::plan::{Conv2d, MaxPool, Place};

/// The beginning of assembly: names what the assembler does not know the processor to have.
macro_rules! has {
    () => {
        ".cpu cortex-m55"
    };
}

/// Four real numbers in q0 as bytes of its words: rounded to nearest, halves to even, always,
/// and to the nearest number there is, as is the sum with the zero point in `$zero_point`; as
/// `requantize::to_byte` does it.
macro_rules! four_bytes {
    ($zero_point:literal) => {
        concat!(
            "vcvtn.s32.f32 q0, q0\n vqadd.s32 q0, q0, ",
            $zero_point,
            "\n vqmovunb.s32 q0, q0\n vqmovnb.u16 q0, q0"
        )
    };
}

pub(super) use {four_bytes, has};

/// How a filter or a window is moved down or across an input.
pub(super) struct Axis {
    /// Positions of the input and of the output, and taps of the filter.
    pub(super) input: usize,
    pub(super) output: usize,
    pub(super) kernel: usize,
    pub(super) stride: usize,
    padding: usize,
}

/// The taps along an axis that lie inside the input.
#[derive(Clone, Copy, PartialEq)]
pub(super) struct Taps {
    /// The first one, and how many there are.
    pub(super) first: usize,
    pub(super) count: usize,
}

impl Axis {
    /// Down and across.
    pub(super) fn of_conv(conv: &Conv2d) -> [Self; 2] {
        let Conv2d { input, output, .. } = *conv;
        Self::both([input, output], conv.kernel, conv.stride, conv.padding)
    }

    /// Down and across.
    pub(super) fn of_pool(pool: &MaxPool) -> [Self; 2] {
        let MaxPool { input, output, .. } = *pool;
        Self::both([input, output], pool.kernel, pool.stride, pool.padding)
    }

    fn both(
        [input, output]: [Place; 2],
        kernel: [u16; 2],
        stride: [u16; 2],
        padding: [u16; 2],
    ) -> [Self; 2] {
        let axis = |axis: usize, input: u16, output: u16| Self {
            input: input.into(),
            output: output.into(),
            kernel: kernel[axis].into(),
            stride: stride[axis].into(),
            padding: padding[axis].into(),
        };
        [
            axis(0, input.height, output.height),
            axis(1, input.width, output.width),
        ]
    }

    /// Whether every output sees the input in its own place, and nothing else.
    pub(super) fn is_identity(&self) -> bool {
        (self.kernel, self.stride, self.padding) == (1, 1, 0) && self.output == self.input
    }

    /// Whether all outputs see something of the input.
    pub(super) fn sees_input(&self) -> bool {
        let last = self.output.saturating_sub(1);
        // What is between them does too.
        [0, last]
            .iter()
            .all(|&output| self.taps(output).0.count > 0)
    }

    /// The taps of an output, and where in the input the first one is.
    #[inline(always)]
    pub(super) fn taps(&self, output: usize) -> (Taps, usize) {
        let origin = output * self.stride;
        let first = self.padding.saturating_sub(origin);
        let end = self
            .kernel
            .min((self.input + self.padding).saturating_sub(origin));
        let count = end.saturating_sub(first);
        (Taps { first, count }, origin.saturating_sub(self.padding))
    }
}
