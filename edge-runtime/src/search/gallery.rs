//! Packed embeddings, borrowed.

use core::fmt;

use shared::embedding::MAX_DIM;

use super::top_k::{Match, TopK};
use crate::kernels::InstructionSet;
use crate::kernels::dot_scan::{
    BATCH, COMPONENTS, Collector, OFFSET, Queries, ROWS, Stripe, dot_scan,
};

/// Packed int8 embeddings of one dimension, to be searched; they are borrowed, from an
/// `OwnedGallery`, a mapped file or flash. The bytes are those of
/// [`dot_scan`](crate::kernels::dot_scan); a search is fastest where they begin at a
/// multiple of 64.
#[derive(Clone, Copy, Debug)]
pub struct Gallery<'a> {
    stripes: &'a [Stripe],
    dim: usize,
    len: usize,
    instructions: InstructionSet,
}

impl<'a> Gallery<'a> {
    /// The first `len` embeddings, of `dim` components each, in `packed`. Any bytes are
    /// embeddings.
    ///
    /// # Errors
    /// [`GalleryError::Dimension`] when `dim` is 0 or above [`MAX_DIM`],
    /// [`GalleryError::Length`] when `packed` has not [`packed_len`](Self::packed_len)
    /// bytes.
    pub fn new(packed: &'a [u8], dim: usize, len: usize) -> Result<Self, GalleryError> {
        check_dim(dim)?;
        let expected = Self::packed_len(dim, len);
        if packed.len() != expected {
            return Err(GalleryError::Length {
                expected,
                found: packed.len(),
            });
        }
        Ok(Self::of_blocks(packed, dim, len))
    }

    /// As [`new`](Self::new) of what is known to be right.
    pub(super) fn of_blocks(packed: &'a [u8], dim: usize, len: usize) -> Self {
        Self {
            stripes: packed.as_chunks().0,
            dim,
            len,
            instructions: InstructionSet::fastest(),
        }
    }

    /// Bytes of `len` embeddings of `dim` components: whole blocks of 64 rows, each row
    /// rounded up to 4 components; [`usize::MAX`] for more than any memory has.
    pub const fn packed_len(dim: usize, len: usize) -> usize {
        let stripes = dim.div_ceil(COMPONENTS).saturating_mul(len.div_ceil(ROWS));
        stripes.saturating_mul(size_of::<Stripe>())
    }

    /// The same gallery, searched with `instructions` instead of the fastest.
    pub fn with_instructions(self, instructions: InstructionSet) -> Self {
        Self {
            instructions,
            ..self
        }
    }

    /// Number of embeddings.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Components of an embedding.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// The components of the embedding at `row`; none beyond the last.
    pub fn embedding(&self, row: usize) -> impl Iterator<Item = i8> + 'a {
        let components = if row < self.len { self.dim } else { 0 };
        let row = row.min(self.len);
        let stripes = self.dim.div_ceil(COMPONENTS);
        let rest = self.stripes.get(row / ROWS * stripes..).unwrap_or_default();
        let parts = rest.iter().filter_map(move |stripe| {
            let parts = stripe.as_chunks::<COMPONENTS>().0;
            parts.get(row % ROWS)
        });
        let stored = parts.flatten().take(components);
        stored.map(|stored| (stored ^ OFFSET).cast_signed())
    }

    /// The rows with the largest inner products with `query`, the largest first, of equal
    /// ones the lower row first: as many as there are `places` and rows.
    ///
    /// # Errors
    /// [`GalleryError::Query`] when `query` has another dimension.
    pub fn nearest<'m>(
        &self,
        query: &[i8],
        places: &'m mut [Match],
    ) -> Result<&'m [Match], GalleryError> {
        let found = self.nearest_of_each(&[query], places)?;
        Ok(places.get(..found).unwrap_or_default())
    }

    /// As [`nearest`](Self::nearest) for several queries; reading the gallery serves 16
    /// of them. The matches of the query at `i` are at the begin of the `i`th of as many
    /// equal parts of `places` as there are queries. Returns how many each has.
    ///
    /// # Errors
    /// [`GalleryError::Query`] when a query has another dimension,
    /// [`GalleryError::Places`] when `places` cannot be divided into such parts.
    pub fn nearest_of_each(
        &self,
        queries: &[&[i8]],
        places: &mut [Match],
    ) -> Result<usize, GalleryError> {
        if let Some(query) = queries.iter().find(|query| query.len() != self.dim) {
            return Err(GalleryError::Query {
                expected: self.dim,
                found: query.len(),
            });
        }
        let is_divisible = places.len().is_multiple_of(queries.len());
        if !is_divisible {
            return Err(GalleryError::Places {
                queries: queries.len(),
                found: places.len(),
            });
        }
        let each = places.len().checked_div(queries.len()).unwrap_or(0);
        if each == 0 {
            return Ok(0);
        }
        for (batch, places) in queries.chunks(BATCH).zip(places.chunks_mut(BATCH * each)) {
            let mut found = Found {
                len: self.len,
                best: places.chunks_mut(each).map(TopK::new).collect(),
            };
            let batch = Queries::new(self.dim, batch);
            dot_scan(self.instructions, self.stripes, &batch, &mut found);
        }
        Ok(each.min(self.len))
    }
}

/// The best of each query of a batch.
struct Found<'m> {
    len: usize,
    best: heapless::Vec<TopK<'m>, BATCH>,
}

impl Collector for Found<'_> {
    #[inline]
    fn floor(&self, query: usize) -> i32 {
        self.best.get(query).map_or(i32::MAX, TopK::floor)
    }

    // Rare: kept out of the loops, it leaves them their registers.
    #[cold]
    fn collect(&mut self, query: usize, block: usize, scores: &[i32; ROWS], exceeding: u64) {
        let Some(best) = self.best.get_mut(query) else {
            return;
        };
        let mut remaining = exceeding;
        while remaining != 0 {
            let place = remaining.trailing_zeros() as usize;
            let row = block * ROWS + place;
            // The last block has places that no row takes.
            if let Some(&score) = scores.get(place).filter(|_| row < self.len) {
                best.offer(Match { row, score });
            }
            remaining &= remaining - 1;
        }
    }
}

/// Writes `embedding`, of the gallery's dimension, to `row` of the bytes of a
/// [`Gallery`]: for whoever packs one without allocation. What does not fit is left out.
pub fn pack(packed: &mut [u8], row: usize, embedding: &[i8]) {
    let stripes = packed.as_chunks_mut::<{ size_of::<Stripe>() }>().0;
    let first = (row / ROWS).saturating_mul(embedding.len().div_ceil(COMPONENTS));
    let block = stripes.get_mut(first..).unwrap_or_default();
    for (stripe, values) in block.iter_mut().zip(embedding.chunks(COMPONENTS)) {
        let places = stripe.iter_mut().skip(row % ROWS * COMPONENTS);
        for (stored, &value) in places.zip(values) {
            *stored = value.cast_unsigned() ^ OFFSET;
        }
    }
}

/// Whether embeddings can have `dim` components.
pub(super) fn check_dim(dim: usize) -> Result<(), GalleryError> {
    if (1..=MAX_DIM).contains(&dim) {
        Ok(())
    } else {
        Err(GalleryError::Dimension { found: dim })
    }
}

/// Why a gallery cannot be made or searched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum GalleryError {
    /// No model has embeddings of this dimension.
    Dimension {
        /// The dimension asked for.
        found: usize,
    },
    /// The packed bytes are too few or too many.
    Length {
        /// Bytes of so many embeddings of that dimension.
        expected: usize,
        /// Bytes there are.
        found: usize,
    },
    /// An embedding has another dimension than the gallery's.
    Query {
        /// The gallery's dimension.
        expected: usize,
        /// The embedding's dimension.
        found: usize,
    },
    /// The places for matches cannot be divided equally among the queries.
    Places {
        /// Number of queries.
        queries: usize,
        /// Number of places.
        found: usize,
    },
}

impl fmt::Display for GalleryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dimension { found } => write!(
                f,
                "expected a dimension of 1 to {MAX_DIM}, found {found}: take that of the model's embeddings"
            ),
            Self::Length { expected, found } => write!(
                f,
                "expected {expected} bytes of packed embeddings, found {found}: check the number of embeddings and their dimension, or pack them anew"
            ),
            Self::Query { expected, found } => write!(
                f,
                "expected an embedding of dimension {expected}, found {found}: use the model that made the gallery"
            ),
            Self::Places { queries, found } => write!(
                f,
                "expected a multiple of {queries} places for matches, one part for each query, found {found}: give every query as many"
            ),
        }
    }
}

impl core::error::Error for GalleryError {}
