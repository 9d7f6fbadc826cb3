//! Files of samples, pictures and pen events, and folders of such.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, ensure};
use edge_runtime::pen::{self, is_pen_file};
use edge_runtime::picture::{EXTENSIONS, Face, Faces, MAX_LEN, Mask, Picture, is_picture};
use edge_runtime::recognizer::Sample;
use shared::preprocess::PreprocessError;
use shared::preprocess::pen::PenPoint;

/// The files that are meant: a folder stands for all samples in it, by name.
pub(crate) fn files(paths: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut files = vec![];
    for path in paths {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let entries = fs::read_dir(path)
            .and_then(Iterator::collect::<std::io::Result<Vec<_>>>)
            .with_context(|| format!("{}: expected a folder that can be read", path.display()))?;
        let mut inside: Vec<PathBuf> = entries.iter().map(fs::DirEntry::path).collect();
        inside.retain(|path| path.is_file() && (is_picture(path) || is_pen_file(path)));
        ensure!(
            !inside.is_empty(),
            "{}: expected pictures or pen events in the folder, found none that ends in {}, {}",
            path.display(),
            EXTENSIONS.join(", "),
            pen::EXTENSIONS.join(", ")
        );
        inside.sort();
        files.extend(inside);
    }
    Ok(files)
}

/// A file of a sample, and where on a picture the face is.
#[derive(Debug)]
pub(crate) struct SampleFile {
    pub(crate) path: PathBuf,
    /// None: the whole picture.
    face: Option<Face>,
}

impl SampleFile {
    /// Files, of whose pictures `list` says where the faces are.
    pub(crate) fn all(files: Vec<PathBuf>, list: Option<&Path>) -> Result<Vec<Self>> {
        let faces = list.map(Faces::read).transpose()?;
        let of = |path: PathBuf| {
            let faces = faces.as_ref().filter(|_| !is_pen_file(&path));
            let face = faces.map(|faces| faces.of(&path)).transpose()?;
            Ok(Self { path, face })
        };
        files.into_iter().map(of).collect()
    }

    /// Reads the picture or its face, or pen events where the file's name says that it holds such.
    pub(crate) fn read(&self) -> Result<FileSample> {
        let context = || self.path.display().to_string();
        if !is_pen_file(&self.path) {
            let picture = read(&self.path)?;
            return Ok(FileSample::Picture(match &self.face {
                Some(face) => picture.face(face).with_context(context)?,
                None => picture,
            }));
        }
        let most = pen::MAX_LEN as u64;
        let bytes = edge_runtime::file::read(&self.path, most).with_context(context)?;
        Ok(FileSample::Pen(pen::read(&bytes).with_context(context)?))
    }
}

/// What is in a file.
#[derive(Debug)]
pub(crate) enum FileSample {
    Picture(Picture),
    Pen(Vec<PenPoint>),
}

impl FileSample {
    /// As a recognizer takes it.
    pub(crate) fn sample(&self) -> Result<Sample<'_>, PreprocessError> {
        match self {
            Self::Picture(picture) => picture.image().map(Sample::Picture),
            Self::Pen(points) => Ok(points[..].into()),
        }
    }
}

/// Reads and decodes one picture.
pub(crate) fn read(path: &Path) -> Result<Picture> {
    Picture::decode(&read_bytes(path)?).with_context(|| path.display().to_string())
}

/// The same, samples of 16 bits stretched, as models read it that mark structures.
pub(crate) fn read_stretched(path: &Path) -> Result<Picture> {
    Picture::decode_stretched(&read_bytes(path)?).with_context(|| path.display().to_string())
}

/// Reads and decodes a mask; `value` is the structure's, where there are several.
pub(crate) fn read_mask(path: &Path, value: Option<u16>) -> Result<Mask> {
    Mask::decode(&read_bytes(path)?, value).with_context(|| path.display().to_string())
}

fn read_bytes(path: &Path) -> Result<Vec<u8>> {
    edge_runtime::file::read(path, MAX_LEN as u64).map_err(|found| {
        let path = path.display();
        anyhow!(
            "{path}: expected a picture file of at most 64 MiB that can be read, found: {found}"
        )
    })
}
