//! Why a recognizer has no answer.

use core::fmt;

use shared::preprocess::PreprocessError;
use shared::preprocess::pen::PenError;
use shared::quality::{Flaw, Unfit};
use shared::template::TemplateError;

use super::Unlike;
use crate::engine::EngineError;

/// Why a recognizer has no answer. `S` is the store's error.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum RecognizerError<S> {
    /// The picture is not accepted.
    Picture(PreprocessError),
    /// The signature is not accepted.
    Pen(PenError),
    /// What a pen did was given to a model that reads pictures.
    ReadsPictures,
    /// A picture was given to a model that reads what a pen did.
    ReadsPens,
    /// The model recognizes nobody: it marks structures on pictures.
    Segments,
    /// The engine cannot be used or did not run.
    Engine(EngineError),
    /// The template cannot be made or is full.
    Template(TemplateError),
    /// No operating point is as strict as asked.
    FarTarget {
        /// The false-accept rate that was asked for.
        asked: f32,
        /// The strictest that the model has a threshold for.
        strictest: f32,
    },
    /// A template without samples was to be enrolled.
    NoSample,
    /// The sample is not good enough to enrol.
    Quality(Flaw),
    /// A sample is farther from the others than one of the same subject should be.
    Unlike(Unlike),
    /// The claimed subject is not enrolled.
    NotEnrolled,
    /// The store cannot be read or written.
    Store(S),
}

impl<S> From<EngineError> for RecognizerError<S> {
    fn from(error: EngineError) -> Self {
        Self::Engine(error)
    }
}

impl<S> From<Unfit> for RecognizerError<S> {
    fn from(unfit: Unfit) -> Self {
        match unfit {
            Unfit::Picture(error) => Self::Picture(error),
            Unfit::Pen(error) => Self::Pen(error),
            Unfit::Flawed(flaw) => Self::Quality(flaw),
        }
    }
}

impl<S> From<TemplateError> for RecognizerError<S> {
    fn from(error: TemplateError) -> Self {
        Self::Template(error)
    }
}

impl<S: fmt::Display> fmt::Display for RecognizerError<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Picture(error) => error.fmt(f),
            Self::Pen(error) => error.fmt(f),
            Self::ReadsPictures => f.write_str(
                "expected a picture, which this model reads, found what a pen did: give a picture, or another model",
            ),
            Self::ReadsPens => f.write_str(
                "expected what a pen did, which this model reads, found a picture: give a pen's events, or another model",
            ),
            Self::Segments => f.write_str(
                "expected a model that tells subjects apart, found one that marks structures on pictures: use `segment`, or another model",
            ),
            Self::Engine(error) => error.fmt(f),
            Self::Template(error) => error.fmt(f),
            Self::FarTarget { asked, strictest } => write!(
                f,
                "expected a false-accept rate of at least {strictest}, the strictest that this model has a measured threshold for, found {asked}: ask for more, or measure the model on more classes"
            ),
            Self::Quality(flaw) => flaw.fmt(f),
            Self::Unlike(unlike) => unlike.fmt(f),
            Self::NoSample => {
                f.write_str("expected at least one sample to enrol, found none: add pictures")
            }
            Self::NotEnrolled => f.write_str(
                "expected an enrolled subject, found no such name in the store: enrol first, or see `list`",
            ),
            Self::Store(error) => error.fmt(f),
        }
    }
}

impl<S: fmt::Debug + fmt::Display> core::error::Error for RecognizerError<S> {}
