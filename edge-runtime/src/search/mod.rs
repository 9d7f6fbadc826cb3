//! The nearest of many enrolled embeddings: 1:N search, exact, in integers.
//!
//! # When to use which
//!
//! [`Recognizer`](crate::recognizer::Recognizer) identifies among the templates of its
//! store one by one, by the model's own distance: right for a device that knows up to
//! some thousands. A [`Gallery`] is for servers that know a hundred thousand and more: it
//! holds one embedding a row and answers with the rows of the largest inner products, as
//! fast as memory can be read; 16 queries at a time read it once for all of them.
//!
//! A gallery finds, it does not decide: thresholds were measured on the model's distance.
//! Keep, beside the gallery, which subject each row belongs to, and hand the templates of
//! the few rows found to [`Probe::candidate`](shared::cohort::Probe::candidate)
//! and [`identify`](shared::decision::identify()). For embeddings of unit length (L steps)
//! an inner product is the cosine times L^2, and the largest is the smallest Euclidean
//! and cosine distance, all up to the rounding of the components: ask for a few rows more
//! than needed. Embeddings of other lengths come in the order of the inner product, which
//! is not that of a distance.
//!
//! # What it costs
//!
//! A row has `dim` bytes, rounded up to a multiple of 4; rows come in blocks of 64. A
//! search takes 8 KiB of stack for the packed queries. The layout is that of
//! [`dot_scan`](crate::kernels::dot_scan), which holds the loops.
//!
//! ```
//! use edge_runtime::search::{Match, OwnedGallery};
//! let mut gallery = OwnedGallery::new(2)?;
//! for embedding in [[127, 0], [0, 127], [90, 90]] {
//!     gallery.push(&embedding)?;
//! }
//! let mut places = [Match::default(); 2];
//! let nearest = gallery.as_gallery().nearest(&[127, 0], &mut places)?;
//! assert_eq!(nearest, [Match { row: 0, score: 16129 }, Match { row: 2, score: 11430 }]);
//! # Ok::<(), edge_runtime::search::GalleryError>(())
//! ```

mod gallery;
#[cfg(feature = "std")]
mod owned;
mod top_k;

pub use gallery::{Gallery, GalleryError, pack};
#[cfg(feature = "std")]
pub use owned::OwnedGallery;
pub use top_k::Match;
