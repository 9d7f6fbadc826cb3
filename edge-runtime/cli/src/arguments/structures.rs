//! Arguments of structures, which some models mark on pictures.

use std::path::PathBuf;

use anyhow::{Result, ensure};
use clap::Args;

use super::{KeyArguments, ModelArguments};
use crate::pictures;

/// Where a structure is on the pictures that it is enrolled from.
#[derive(Debug, Args)]
pub(crate) struct Masks {
    /// For a model that marks structures: the mask of a picture, as large as it, black where
    /// the structure is not and of one value where it is; as many as pictures, in their order,
    /// or folders of such
    #[arg(long = "mask", value_name = "MASK", conflicts_with = "force")]
    mask: Vec<PathBuf>,
    /// The grey value of the structure, where masks have several
    #[arg(long, value_name = "VALUE", requires = "mask", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) mask_value: Option<u16>,
    /// Keep the structure's earlier references beside these
    #[arg(long, requires = "mask")]
    pub(crate) add: bool,
}

impl Masks {
    /// Whether there are any.
    pub(crate) fn are_given(&self) -> bool {
        !self.mask.is_empty()
    }

    /// Each picture with its mask.
    pub(crate) fn with(&self, pictures: Vec<PathBuf>) -> Result<Vec<(PathBuf, PathBuf)>> {
        let masks = pictures::files(&self.mask)?;
        ensure!(
            masks.len() == pictures.len(),
            "expected as many masks as pictures, found {} and {}: give a --mask MASK for each picture, in their order",
            masks.len(),
            pictures.len()
        );
        Ok(pictures.into_iter().zip(masks).collect())
    }
}

#[derive(Debug, Args)]
pub(crate) struct Segment {
    #[command(flatten)]
    pub(crate) model: ModelArguments,
    /// The template store that the structure was enrolled in
    #[arg(long, value_name = "FILE")]
    pub(crate) store: PathBuf,
    #[command(flatten)]
    pub(crate) keys: KeyArguments,
    /// The structure to mark
    #[arg(long, value_name = "ID")]
    pub(crate) subject: String,
    /// The picture to mark it on
    #[arg(value_name = "IMG")]
    pub(crate) picture: PathBuf,
    /// Where to write the mask: a grey PNG as large as the picture, 255 where the structure is
    /// and 0 elsewhere
    #[arg(long, value_name = "MASK")]
    pub(crate) out: PathBuf,
    /// Where to write the picture with the structure tinted and outlined, a PNG
    #[arg(long, value_name = "PNG")]
    pub(crate) overlay: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}
