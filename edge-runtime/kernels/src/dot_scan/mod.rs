//! Inner products of many packed int8 rows with up to 16 int8 queries, every row read
//! once.
//!
//! Rows lie in blocks of [`ROWS`]. A block is `ceil(dim / 4)` [`Stripe`]s; stripe `g`
//! holds components `4 g` to `4 g + 3` of each of its rows, row after row. So a vector
//! register of sums has a row in each lane: no kernel adds across lanes, and whole
//! registers are compared with the score that a row must exceed.
//!
//! A component `v` is stored as the byte `v + 128`, since the instruction for this work
//! on x86, `vpdpbusd`, multiplies uint8 with int8. That adds `128 * sum(query)` to every
//! score of a query, and the sums begin at the negative of it: scores are exact, whatever
//! bytes lie there, -128 included. Scores are at most 2^23 in magnitude and sums on the
//! way below 2^25, as a query has at most [`MAX_DIM`] components.

use shared::embedding::MAX_DIM;

use super::InstructionSet;

pub mod scalar;

#[cfg(all(feature = "std", target_arch = "x86_64"))]
pub mod avx2;
#[cfg(all(feature = "std", target_arch = "x86_64"))]
pub mod avx512_vnni;
#[cfg(all(feature = "std", target_arch = "aarch64", target_endian = "little"))]
pub mod neon_dotprod;

/// Rows of a block: as many as bits of a word that says which exceed a score, and 4
/// registers of int32 sums where registers are widest.
pub const ROWS: usize = 64;

/// Components of each row in a stripe.
pub const COMPONENTS: usize = 4;

/// `COMPONENTS` components of each row of a block, `[row, component]`.
pub type Stripe = [u8; ROWS * COMPONENTS];

/// What a component is raised by where it is stored.
pub const OFFSET: u8 = 128;

/// The most queries of a batch.
pub const BATCH: usize = 16;

/// Up to [`BATCH`] queries of one dimension, laid out as a block of rows is, but signed.
#[derive(Clone, Debug)]
pub struct Queries {
    /// `[stripe, query, component]`; zero where a query has no component.
    stripes: [[[i8; COMPONENTS]; BATCH]; MAX_DIM / COMPONENTS],
    /// For each query, where its sums begin: `-128 * sum(query)`.
    bias: [i32; BATCH],
    stripe_count: usize,
    count: usize,
}

impl Queries {
    /// Packs `queries`, at most [`BATCH`] of `dim` components, at most [`MAX_DIM`]; what
    /// is beyond is left out.
    pub fn new(dim: usize, queries: &[&[i8]]) -> Self {
        let dim = dim.min(MAX_DIM);
        let mut packed = Self {
            stripes: [[[0; COMPONENTS]; BATCH]; MAX_DIM / COMPONENTS],
            bias: [0; BATCH],
            stripe_count: dim.div_ceil(COMPONENTS),
            count: queries.len().min(BATCH),
        };
        for (place, query) in queries.iter().take(BATCH).enumerate() {
            let query = query.get(..dim).unwrap_or(query);
            for (stripe, part) in packed.stripes.iter_mut().zip(query.chunks(COMPONENTS)) {
                for (component, &value) in stripe[place].iter_mut().zip(part) {
                    *component = value;
                }
            }
            let sum: i32 = query.iter().map(|&value| i32::from(value)).sum();
            packed.bias[place] = -i32::from(OFFSET) * sum;
        }
        packed
    }

    /// Number of queries.
    pub fn count(&self) -> usize {
        self.count
    }

    fn stripes(&self) -> &[[[i8; COMPONENTS]; BATCH]] {
        self.stripes.get(..self.stripe_count).unwrap_or_default()
    }

    /// The blocks of rows of the queries' dimension.
    fn blocks<'a>(&self, stripes: &'a [Stripe]) -> impl Iterator<Item = &'a [Stripe]> {
        stripes.chunks_exact(self.stripe_count.max(1))
    }
}

/// Takes the scores that may matter.
pub trait Collector {
    /// The score that a row must exceed to matter to the query at `query`. It may rise
    /// while scores are collected.
    fn floor(&self, query: usize) -> i32;

    /// Takes the inner products of the query at `query` with the rows of the block at
    /// `block`. Bit `i` of `exceeding` says that the `i`th exceeds the floor. A kernel
    /// leaves out a block where none does; it visits the blocks of a query in ascending
    /// order.
    fn collect(&mut self, query: usize, block: usize, scores: &[i32; ROWS], exceeding: u64);
}

/// Shows `collector` the inner products of `queries` with the rows in `stripes`, whole
/// blocks of the queries' dimension. On a processor that lacks `instructions`,
/// the scalar loops do it.
pub fn dot_scan(
    instructions: InstructionSet,
    stripes: &[Stripe],
    queries: &Queries,
    collector: &mut impl Collector,
) {
    match instructions {
        #[cfg(all(feature = "std", target_arch = "x86_64"))]
        InstructionSet::Avx2 | InstructionSet::AvxVnni => {
            avx2::dot_scan(stripes, queries, collector);
        }
        #[cfg(all(feature = "std", target_arch = "x86_64"))]
        InstructionSet::Avx512Vnni => avx512_vnni::dot_scan(stripes, queries, collector),
        #[cfg(all(feature = "std", target_arch = "aarch64", target_endian = "little"))]
        InstructionSet::NeonDotprod => neon_dotprod::dot_scan(stripes, queries, collector),
        _ => scalar::dot_scan(stripes, queries, collector),
    }
}
