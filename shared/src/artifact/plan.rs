//! The network as steps over an arena.
//!
//! Activations are uint8, height x width x channels (channels vary fastest), at
//! host-planned places in one arena. A step reads one place and writes another
//! that does not overlap it, or works in place. [`Plan::parse`] checks every step against
//! arena and weights, so that running one needs no further checks.

mod check;
mod compare;
mod recurrent;
mod written;

use serde::{Deserialize, Serialize};

use super::ArtifactError;
use check::{check_step, is_inside};
use compare::Comparisons;
use written::Written;

pub use check::section;
pub use compare::{Compare, MAX_FEATURES, MAX_REFERENCES, UnitVectors, Upsample};
pub use recurrent::{Gru, SequenceMean};

/// The largest arena: 64 MiB.
pub const MAX_ARENA: u32 = 64 << 20;

/// The longest filter, `kernel height * kernel width * input channels`: with
/// inputs of magnitude 255 and weights of 128 its sum stays below 2^30, and with a
/// bias of at most 2^30 the accumulator cannot overflow.
pub const MAX_FILTER: u32 = (1 << 30) / (255 * 128);

/// The largest bias in magnitude.
pub const MAX_BIAS: i32 = 1 << 30;

/// What multipliers, and slopes in magnitude, stay below.
pub const MAX_MULTIPLIER: f32 = 1e6;

/// The most steps; it bounds the work of checking how they connect.
pub const MAX_STEPS: u16 = 256;

/// The most work of one pass: 2^33 multiply-accumulates and values looked at in
/// other steps, which is seconds on a Linux-class core. Embedding towers need a thousandth
/// of it; more can only be a mistake or an attack.
pub const MAX_WORK: u64 = 1 << 33;

/// A tensor's place in the arena and its shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// First byte in the arena.
    pub offset: u32,
    /// Rows.
    pub height: u16,
    /// Columns.
    pub width: u16,
    /// Channels.
    pub channels: u16,
}

impl Place {
    /// Number of bytes; the largest number where they cannot be addressed, which no
    /// arena holds.
    pub fn len(&self) -> usize {
        usize::from(self.height)
            .saturating_mul(usize::from(self.width))
            .saturating_mul(usize::from(self.channels))
    }

    /// Whether it holds nothing.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The arena bytes it takes.
    pub fn range(&self) -> core::ops::Range<usize> {
        let start = self.offset as usize;
        start..start.saturating_add(self.len())
    }

    fn overlaps(&self, other: &Self) -> bool {
        self.range().start < other.range().end && other.range().start < self.range().end
    }
}

/// One step. Pairs are (vertical, horizontal).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Step {
    /// Convolution with bias, requantization and, through the output's zero
    /// point, ReLU.
    Conv2d(Conv2d),
    /// Maximum over windows; scale and zero point stay.
    MaxPool(MaxPool),
    /// The same of each channel by itself:
    /// `out[y, x, c] = requantize(bias[c] + sum (in[.., c] - input_zero_point) * weight[ky, kx, c])`,
    /// filters `[kernel height, kernel width, channels]`.
    DepthwiseConv2d(Conv2d),
    /// Sum of two values and, through the output's zero point, ReLU; in place.
    Add(Add),
    /// A slope per channel below zero; in place.
    Prelu(Prelu),
    /// A rectangle of one map put into another.
    Copy(Copy),
    /// A recurrent layer over the rows of a map of one column.
    Gru(Gru),
    /// The mean over the rows that are steps.
    SequenceMean(SequenceMean),
    /// The channels of each pixel scaled to unit length; in place.
    UnitVectors(UnitVectors),
    /// A map twice as high and wide, each pixel four times.
    Upsample(Upsample),
    /// How like each pixel is to what references say of a structure.
    Compare(Compare),
}

impl Step {
    /// The places that are read.
    pub fn reads(&self) -> impl Iterator<Item = &Place> {
        core::iter::once(self.input()).chain(self.other_input())
    }

    /// The place that is written.
    pub fn writes(&self) -> &Place {
        self.output()
    }

    /// The first place that is read.
    fn input(&self) -> &Place {
        match self {
            Self::Conv2d(conv) | Self::DepthwiseConv2d(conv) => &conv.input,
            Self::MaxPool(pool) => &pool.input,
            Self::Add(add) => &add.place,
            Self::Prelu(prelu) => &prelu.place,
            Self::Copy(copy) => &copy.input,
            Self::Gru(gru) => &gru.input,
            Self::SequenceMean(mean) => &mean.input,
            Self::UnitVectors(vectors) => &vectors.place,
            Self::Upsample(upsample) => &upsample.input,
            Self::Compare(compare) => &compare.features,
        }
    }

    /// The second place that is read, of a step that reads two.
    fn other_input(&self) -> Option<&Place> {
        match self {
            Self::Add(add) => Some(&add.other),
            _ => None,
        }
    }

    fn output(&self) -> &Place {
        match self {
            Self::Conv2d(conv) | Self::DepthwiseConv2d(conv) => &conv.output,
            Self::MaxPool(pool) => &pool.output,
            Self::Add(add) => &add.place,
            Self::Prelu(prelu) => &prelu.place,
            Self::Copy(copy) => &copy.output,
            Self::Gru(gru) => &gru.output,
            Self::SequenceMean(mean) => &mean.output,
            Self::UnitVectors(vectors) => &vectors.place,
            Self::Upsample(upsample) => &upsample.output,
            Self::Compare(compare) => &compare.output,
        }
    }

    /// Memory that it overwrites beside its output.
    fn scratch(&self) -> Option<&Place> {
        match self {
            Self::Gru(gru) => Some(&gru.state),
            _ => None,
        }
    }

    /// Values that are multiplied, or looked at where nothing is.
    fn work(&self) -> u64 {
        if let Self::Compare(compare) = self {
            return MAX_REFERENCES as u64 * compare.macs();
        }
        let window = match self {
            Self::Conv2d(conv) => conv.filter_len(),
            Self::DepthwiseConv2d(conv) => conv.taps(),
            Self::MaxPool(pool) => {
                let [height, width] = pool.kernel.map(usize::from);
                height * width
            }
            // Of each unit and step, three rows of weights over inputs and over states.
            Self::Gru(gru) => 3 * (usize::from(gru.input.channels) + gru.units()),
            Self::SequenceMean(mean) => usize::from(mean.input.height),
            Self::Add(_)
            | Self::Prelu(_)
            | Self::Copy(_)
            | Self::UnitVectors(_)
            | Self::Upsample(_)
            | Self::Compare(_) => 1,
        };
        window as u64 * self.output().len() as u64
    }

    /// Multiply-accumulate operations; of a comparison, those with one reference.
    pub fn macs(&self) -> u64 {
        match self {
            Self::Compare(compare) => compare.macs(),
            Self::Conv2d(_) | Self::DepthwiseConv2d(_) | Self::Gru(_) => self.work(),
            Self::MaxPool(_)
            | Self::Add(_)
            | Self::Prelu(_)
            | Self::Copy(_)
            | Self::SequenceMean(_)
            | Self::UnitVectors(_)
            | Self::Upsample(_) => 0,
        }
    }
}

/// `out[y, x, o] = requantize(bias[o] + sum (in[..] - input_zero_point) * weight[o, ky, kx, i])`;
/// outside its input a padded tap counts as `input_zero_point`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conv2d {
    /// Read from.
    pub input: Place,
    /// Written to.
    pub output: Place,
    /// Filter size.
    pub kernel: [u16; 2],
    /// Step.
    pub stride: [u16; 2],
    /// Padding before; there is as much after as the size of the output asks for.
    pub padding: [u16; 2],
    /// The input byte that means zero.
    pub input_zero_point: u8,
    /// The output byte that means zero.
    pub output_zero_point: u8,
    /// Offset of int8 filters `[out channels, kernel height, kernel width, in channels]`.
    pub weights: u32,
    /// Offset of little-endian int32 biases, one per output channel.
    pub bias: u32,
    /// Offset of little-endian f32 multipliers, one per output channel.
    pub multipliers: u32,
}

impl Conv2d {
    /// Kernel height x kernel width: weights of a depthwise filter.
    pub fn taps(&self) -> usize {
        let [height, width] = self.kernel.map(usize::from);
        height * width
    }

    /// Kernel height x kernel width x input channels: weights of a filter over all
    /// channels.
    pub fn filter_len(&self) -> usize {
        self.taps() * usize::from(self.input.channels)
    }
}

/// `out[y, x, c] = max over the window of in[.., c]`; what of a window lies in the padding
/// has no say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MaxPool {
    /// Read from.
    pub input: Place,
    /// Written to.
    pub output: Place,
    /// Window size.
    pub kernel: [u16; 2],
    /// Step.
    pub stride: [u16; 2],
    /// Padding before; there is as much after as the size of the output asks for.
    pub padding: [u16; 2],
}

/// `v[i] = clamp(round((v[i] - z[0]) * m[0] + (other[i] - z[1]) * m[1]) + output_zero_point)`,
/// `z` the zero points and `m` the multipliers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Add {
    /// One addend, then the sum.
    pub place: Place,
    /// The other addend, elsewhere, of the same shape.
    pub other: Place,
    /// The bytes that mean zero in the first addend and in the other.
    pub zero_points: [u8; 2],
    /// The byte that means zero in the sum.
    pub output_zero_point: u8,
    /// Scale of the first addend and of the other, by that of the sum; 0 to 10^6.
    pub multipliers: [f32; 2],
}

/// `x = (v[.., c] - input_zero_point) * multiplier`, times `slope[c]` where negative, then
/// `v[.., c] = clamp(round(x) + output_zero_point)`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Prelu {
    /// Read from and written to.
    pub place: Place,
    /// The input byte that means zero.
    pub input_zero_point: u8,
    /// The output byte that means zero.
    pub output_zero_point: u8,
    /// Scale of the input by that of the output; 0 to 10^6.
    pub multiplier: f32,
    /// Offset of little-endian f32 slopes, one per channel, of magnitude below 10^6.
    pub slopes: u32,
}

/// `out[to + i] = in[from + i]` for every row, column and channel `i` of a rectangle; the
/// rest of the output stays. With it a network's first, largest maps are computed patch by
/// patch. The rectangles of a map follow each other row by row from its first pixel on,
/// those of a row equally high, and nothing reads it before the last one is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Copy {
    /// Read from.
    pub input: Place,
    /// Written to.
    pub output: Place,
    /// First row and column that is read.
    pub from: [u16; 2],
    /// First row and column that is written.
    pub to: [u16; 2],
    /// Rows and columns.
    pub size: [u16; 2],
}

/// Size of the arena, where input and output lie, and how many steps follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanHeader {
    /// Bytes of the arena: the peak of activation memory.
    pub arena_len: u32,
    /// Where the preprocessed sample goes.
    pub input: Place,
    /// Where the embedding is found.
    pub output: Place,
    /// Number of steps.
    pub steps: u16,
}

/// A checked plan, borrowing its encoded steps.
#[derive(Clone, Debug)]
pub struct Plan<'a> {
    header: PlanHeader,
    steps: &'a [u8],
    reference_len: usize,
}

impl<'a> Plan<'a> {
    /// Reads and checks a plan section against the weights section.
    ///
    /// # Errors
    /// [`ArtifactError::Encoding`] and [`ArtifactError::Step`].
    pub fn parse(bytes: &'a [u8], weights: &[u8]) -> Result<Self, ArtifactError> {
        let (header, steps) = postcard::take_from_bytes::<PlanHeader>(bytes)
            .map_err(|_| ArtifactError::Encoding("plan"))?;
        if header.arena_len > MAX_ARENA {
            return Err(ArtifactError::Contract("arena size"));
        }
        for place in [&header.input, &header.output] {
            if !is_inside(place, header.arena_len) {
                return Err(ArtifactError::Contract("place of input and output"));
            }
        }
        if header.steps == 0 || header.steps > MAX_STEPS {
            return Err(ArtifactError::Contract("number of steps"));
        }
        let mut written = Written::new(header.input);
        let mut comparisons = Comparisons::default();
        let mut last = None;
        let mut rest = steps;
        let mut work = 0u64;
        for index in 0..header.steps {
            let (step, after) = postcard::take_from_bytes::<Step>(rest)
                .map_err(|_| ArtifactError::Encoding("plan"))?;
            rest = after;
            check_step(&step, header.arena_len, weights)
                .map_err(|what| ArtifactError::Step { index, what })?;
            for input in step.reads() {
                if !written.holds(input) {
                    let what = "input, written by an earlier step";
                    return Err(ArtifactError::Step { index, what });
                }
            }
            comparisons
                .add(&step, header.input, &written)
                .map_err(|what| ArtifactError::Step { index, what })?;
            written
                .write(&step, index)
                .map_err(|what| ArtifactError::Step { index, what })?;
            last = Some(*step.output());
            // One step's work is below 2^60: a window is at most an arena long.
            work = work.saturating_add(step.work());
            if work > MAX_WORK {
                return Err(ArtifactError::Contract("amount of work"));
            }
        }
        if !rest.is_empty() {
            return Err(ArtifactError::Encoding("plan"));
        }
        if last != Some(header.output) || !written.holds(&header.output) {
            return Err(ArtifactError::Contract("place of the output"));
        }
        Ok(Self {
            header,
            steps,
            reference_len: comparisons.reference_len(),
        })
    }

    /// Bytes of what one reference says of a structure, of a network that compares with
    /// references; 0 of others.
    pub fn reference_len(&self) -> usize {
        self.reference_len
    }

    /// How many steps come before the first comparison with references: they are what a
    /// reference is run through, too.
    pub fn encoder_steps(&self) -> usize {
        let compares = |step: &Step| matches!(step, Step::Compare(_));
        self.steps().take_while(|step| !compares(step)).count()
    }

    /// Bytes of the arena.
    pub fn arena_len(&self) -> usize {
        self.header.arena_len as usize
    }

    /// Where the preprocessed sample goes.
    pub fn input(&self) -> Place {
        self.header.input
    }

    /// Where the embedding is found.
    pub fn output(&self) -> Place {
        self.header.output
    }

    /// The steps, in order.
    pub fn steps(&self) -> impl Iterator<Item = Step> + 'a {
        let mut rest = self.steps;
        core::iter::from_fn(move || {
            let (step, after) = postcard::take_from_bytes(rest).ok()?;
            rest = after;
            Some(step)
        })
    }

    /// Multiply-accumulate operations of one pass.
    pub fn macs(&self) -> u64 {
        self.steps().map(|step| step.macs()).sum()
    }
}
