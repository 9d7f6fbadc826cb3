//! Packed embeddings, owned and growing.

use std::vec::Vec;

use super::gallery::{Gallery, GalleryError, check_dim, pack};
use crate::kernels::dot_scan::{OFFSET, ROWS};

/// Bytes that a processor loads together.
const CACHE_LINE: usize = 64;

/// A gallery that embeddings are added to and removed from.
#[derive(Clone, Debug)]
pub struct OwnedGallery {
    /// From `start` on whole blocks; rows that no embedding takes are zero vectors.
    bytes: Vec<u8>,
    /// Puts the first block at the begin of a cache line, so that no register of rows
    /// straddles two.
    start: usize,
    dim: usize,
    len: usize,
}

impl OwnedGallery {
    /// An empty gallery of embeddings of `dim` components.
    ///
    /// # Errors
    /// [`GalleryError::Dimension`] when `dim` is 0 or above
    /// [`MAX_DIM`](shared::embedding::MAX_DIM).
    pub fn new(dim: usize) -> Result<Self, GalleryError> {
        check_dim(dim)?;
        Ok(Self {
            bytes: Vec::new(),
            start: 0,
            dim,
            len: 0,
        })
    }

    /// Adds an embedding; its row.
    ///
    /// # Errors
    /// [`GalleryError::Query`] when it has another dimension; the gallery is unchanged
    /// then.
    pub fn push(&mut self, embedding: &[i8]) -> Result<usize, GalleryError> {
        if embedding.len() != self.dim {
            return Err(GalleryError::Query {
                expected: self.dim,
                found: embedding.len(),
            });
        }
        let row = self.len;
        if row.is_multiple_of(ROWS) {
            self.add_block();
        }
        self.write(row, embedding);
        self.len += 1;
        Ok(row)
    }

    /// Removes the embedding at `row`, where the last one is put in its place; whether
    /// there was one.
    pub fn swap_remove(&mut self, row: usize) -> bool {
        if row >= self.len {
            return false;
        }
        let last = self.len - 1;
        let moved: Vec<i8> = self.as_gallery().embedding(last).collect();
        self.write(row, &moved);
        self.write(last, &moved.iter().map(|_| 0).collect::<Vec<_>>());
        self.len = last;
        self.bytes
            .truncate(self.start + Gallery::packed_len(self.dim, last));
        true
    }

    /// Number of embeddings.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The gallery to search.
    pub fn as_gallery(&self) -> Gallery<'_> {
        Gallery::of_blocks(self.packed(), self.dim, self.len)
    }

    /// The packed bytes, to be kept in a file, say, and given to [`Gallery::new`].
    pub fn packed(&self) -> &[u8] {
        self.bytes.get(self.start..).unwrap_or_default()
    }

    fn write(&mut self, row: usize, embedding: &[i8]) {
        let packed = self.bytes.get_mut(self.start..).unwrap_or_default();
        pack(packed, row, embedding);
    }

    /// Makes room for a block of rows.
    fn add_block(&mut self) {
        let block = Gallery::packed_len(self.dim, ROWS);
        if self.bytes.capacity() - self.bytes.len() < block {
            let longest_start = CACHE_LINE - 1;
            let capacity = longest_start + 2 * self.packed().len() + block;
            let mut larger: Vec<u8> = Vec::with_capacity(capacity);
            let start = larger.as_ptr().align_offset(CACHE_LINE);
            let start = start.min(longest_start);
            larger.resize(start, OFFSET);
            larger.extend_from_slice(self.packed());
            (self.bytes, self.start) = (larger, start);
        }
        self.bytes.resize(self.bytes.len() + block, OFFSET);
    }
}
