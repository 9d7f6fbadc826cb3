//! Why a segmenter has no mask.

use core::fmt;

use shared::artifact::plan::MAX_REFERENCES;
use shared::preprocess::PreprocessError;
use shared::segmentation::MaskError;
use shared::template::TemplateError;

use crate::engine::EngineError;

/// Why a segmenter has no mask. `S` is the store's error.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum SegmenterError<S> {
    /// The model marks nothing: it tells subjects apart.
    Recognizes,
    /// The picture is not accepted.
    Picture(PreprocessError),
    /// The mask of a reference is not accepted.
    Mask(MaskError),
    /// The engine cannot be used or did not run, or a buffer has another length than the model
    /// or the picture asks for.
    Engine(EngineError),
    /// The template cannot be made.
    Template(TemplateError),
    /// A structure was to be kept without references.
    NoReference,
    /// A structure has as many references as there can be.
    Full {
        /// How many.
        most: usize,
    },
    /// What the store keeps of the structure are no references of this model.
    Record,
    /// Nothing is known of the structure.
    NotEnrolled,
    /// The store cannot be read or written.
    Store(S),
}

impl<S> From<EngineError> for SegmenterError<S> {
    fn from(error: EngineError) -> Self {
        Self::Engine(error)
    }
}

impl<S> From<PreprocessError> for SegmenterError<S> {
    fn from(error: PreprocessError) -> Self {
        Self::Picture(error)
    }
}

impl<S> From<MaskError> for SegmenterError<S> {
    fn from(error: MaskError) -> Self {
        Self::Mask(error)
    }
}

impl<S> From<TemplateError> for SegmenterError<S> {
    fn from(error: TemplateError) -> Self {
        Self::Template(error)
    }
}

impl<S: fmt::Display> fmt::Display for SegmenterError<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Recognizes => f.write_str(
                "expected a model that marks structures on pictures, found one that tells subjects apart: enrol without masks and use `verify` or `identify`, or take another model",
            ),
            Self::Picture(error) => error.fmt(f),
            Self::Mask(error) => error.fmt(f),
            Self::Engine(error) => error.fmt(f),
            Self::Template(error) => error.fmt(f),
            Self::NoReference => f.write_str(
                "expected at least one reference of the structure, found none: give a picture with a mask",
            ),
            Self::Full { most } => write!(
                f,
                "expected at most {most} references of a structure (of any model at most {MAX_REFERENCES}), found more: leave some out"
            ),
            Self::Record => f.write_str(
                "expected references of this model, found a template of another kind: enrol the structure anew",
            ),
            Self::NotEnrolled => f.write_str(
                "expected a structure that references show, found no such name in the store: enrol it first, or see `list`",
            ),
            Self::Store(error) => error.fmt(f),
        }
    }
}

impl<S: fmt::Debug + fmt::Display> core::error::Error for SegmenterError<S> {}
