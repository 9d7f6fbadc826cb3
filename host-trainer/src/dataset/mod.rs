//! Samples of classes, from archives, folders or a generator.
//!
//! A [`Dataset`] is a list of samples that are decoded on demand; [`Tensors`] is
//! what training and evaluation read: every chosen sample preprocessed once, by
//! the same code as on the device.

mod archive;
pub mod by_class;
mod csv;
pub mod folder;
pub mod lfwcrop;
pub mod omniglot;
pub mod orl_faces;
pub mod pairs;
pub mod pen_folder;
pub mod sigcomp2011;
pub mod split;
pub mod susig;
pub mod synthetic_signatures;
pub(crate) mod tree;
mod turn;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use edge_runtime::picture::{self, Face, Picture};
use rayon::prelude::*;
use shared::Preprocess;
use shared::preprocess::pen::PenPoint;

pub use by_class::ClassSamples;
pub use split::{Part, Split};
pub use turn::Turn;

/// A data set by its name on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DatasetName {
    /// Generated signers, genuine signatures, skilled forgeries; needs no files.
    SyntheticSignatures,
    /// Handwritten characters of 50 alphabets; the official archives, learnt from the
    /// background set.
    Omniglot,
    /// The same characters and their quarter turns, parted as by Vinyals et al., 2016.
    OmniglotVinyals,
    /// The same characters, alphabets and drawers parted as by Koch et al., 2015.
    OmniglotKoch,
    /// Ten photographs each of 40 faces; the AT&T database, formerly ORL.
    OrlFaces,
    /// Faces of 5,749 people in the news, Labeled Faces in the Wild: pairs in ten folds.
    Lfwcrop,
    /// The same faces, divided for choices: View 1 of that set.
    LfwcropView1,
    /// Scanned signatures and skilled forgeries; Dutch, of a competition of 2011.
    Sigcomp2011,
    /// A folder per class, pictures in it.
    Folder,
    /// A list of pairs of pictures with labels, comma-separated.
    Pairs,
    /// The generated signers, what their pens did instead of pictures; needs no files.
    SyntheticPens,
    /// Signatures on a display as its pen gave them, with skilled forgeries; SUSIG's Visual
    /// corpus.
    Susig,
    /// The same on a tablet that shows nothing; SUSIG's Blind corpus.
    SusigBlind,
    /// A folder per writer, files of pen events in it.
    PenFolder,
    /// Medical pictures in which structures are marked, for networks that segment.
    Medseg,
}

impl DatasetName {
    /// Finds a data set by its name.
    ///
    /// # Errors
    /// When there is none of that name; the message lists those there are.
    pub fn parse(name: &str) -> Result<Self> {
        let names = || {
            Self::value_variants()
                .iter()
                .filter_map(|known| known.to_possible_value())
        };
        match Self::from_str(name, false) {
            Ok(known) => Ok(known),
            Err(_) => {
                let known: Vec<String> = names().map(|n| n.get_name().to_owned()).collect();
                bail!(
                    "expected a data set among {}, found {name:?}",
                    known.join(", ")
                )
            }
        }
    }

    /// Whether its samples may be real people's biometrics, which no file should show
    /// unless somebody asks for it. What is not known to be harmless counts as such.
    pub fn may_be_biometric(self) -> bool {
        !matches!(
            self,
            Self::SyntheticSignatures
                | Self::SyntheticPens
                | Self::Omniglot
                | Self::OmniglotVinyals
                | Self::OmniglotKoch
        )
    }

    /// How many reference samples a verification enrols where nothing is said; none where
    /// published pairs judge. SigComp2011 had 12 of each writer, who have 12 in all here.
    pub fn usual_references(self) -> Option<usize> {
        match self {
            Self::Lfwcrop | Self::LfwcropView1 | Self::Pairs => None,
            Self::Sigcomp2011 => Some(10),
            _ => Some(5),
        }
    }

    /// Whether its files are whatever a user has: nobody parted them for others.
    pub fn is_anybodys(self) -> bool {
        matches!(self, Self::Folder | Self::Pairs)
    }

    /// Reads the data set; `data` is the folder that holds its files, or one of them.
    ///
    /// # Errors
    /// When files are missing or damaged; the message says which are looked for and
    /// where the public gets them.
    pub fn load(self, data: Option<&Path>) -> Result<Dataset> {
        match (self, data) {
            (Self::SyntheticSignatures, _) => Ok(synthetic_signatures::load()),
            (Self::Omniglot, data) => omniglot::load(data.unwrap_or(Path::new("."))),
            (Self::OmniglotVinyals, data) => {
                omniglot::vinyals::load(data.unwrap_or(Path::new(".")))
            }
            (Self::OmniglotKoch, data) => omniglot::koch::load(data.unwrap_or(Path::new("."))),
            (Self::OrlFaces, data) => orl_faces::load(data.unwrap_or(Path::new("."))),
            (Self::Lfwcrop, data) => lfwcrop::load(data.unwrap_or(Path::new("."))),
            (Self::LfwcropView1, data) => lfwcrop::load_view_1(data.unwrap_or(Path::new("."))),
            (Self::Sigcomp2011, data) => sigcomp2011::load(data.unwrap_or(Path::new("."))),
            (Self::Folder, Some(data)) => folder::load(data),
            (Self::SyntheticPens, _) => Ok(synthetic_signatures::load_pens()),
            (Self::Susig, data) => {
                susig::load(susig::Corpus::Visual, data.unwrap_or(Path::new(".")))
            }
            (Self::SusigBlind, data) => {
                susig::load(susig::Corpus::Blind, data.unwrap_or(Path::new(".")))
            }
            (Self::PenFolder, Some(data)) => pen_folder::load(data),
            (Self::Medseg, _) => bail!(
                "expected a set of classes, found medseg, pictures with masks: learn from it by `host-trainer train-segmentation`, judge by `evaluate --protocol segmentation`"
            ),
            (Self::PenFolder, None) => bail!(
                "expected a folder with a folder of pen files per writer, found none given: name it by --data"
            ),
            (Self::Folder, None) => bail!(
                "expected a folder with a folder of pictures per class, found none given: name it by --data"
            ),
            (Self::Pairs, Some(data)) => pairs::load(data),
            (Self::Pairs, None) => bail!(
                "expected a list of pairs, lines `picture,picture,label`, found none given: name it by --data"
            ),
        }
    }
}

/// A data set: classes and their samples. Samples of one class are contiguous
/// and in a fixed order, so that an index means the same in every run.
#[derive(Clone, Debug)]
pub struct Dataset {
    /// Its name on the command line.
    pub name: String,
    /// Who made it and under which terms it may be used, for the model card.
    pub terms: String,
    /// What is told apart: characters, signers, people.
    pub classes: Vec<Class>,
    /// The samples, ordered by class.
    pub samples: Vec<Sample>,
    /// Which classes are for training, validation and test.
    pub split: Split,
    /// Lists of pairs that judge, where those who made the data set published some; with
    /// several, each has classes of its own.
    pub pairs: Vec<PairList>,
    /// The preprocessing that suits it.
    pub preprocess: Preprocess,
}

impl Dataset {
    /// The classes in the pairs of one published list.
    pub fn listed(&self, list: usize) -> BTreeSet<u32> {
        let pairs = self.pairs.get(list).map_or(&[][..], |list| &list.pairs);
        let samples = pairs.iter().flat_map(|pair| pair.samples);
        samples
            .map(|sample| self.samples[sample as usize].class)
            .collect()
    }
}

/// One thing to tell apart from the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Class {
    /// Unique name, `Alphabet/character01` or a signer's.
    pub name: String,
    /// Classes are grouped where the data set does so: the alphabet. Else the same as `name`.
    pub group: String,
}

/// One picture, or signature, of a class.
#[derive(Clone, Debug)]
pub struct Sample {
    /// Index into [`Dataset::classes`].
    pub class: u32,
    /// Made by the class itself, or an imitation of it.
    pub kind: Kind,
    /// Where it comes from, for messages and reports.
    pub name: String,
    /// How to get its pixels or events.
    pub source: Source,
}

/// Pairs that judge together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PairList {
    /// Its name, such as a fold's.
    pub name: String,
    /// The pairs.
    pub pairs: Vec<Pair>,
}

/// Two samples and whether both are genuine ones of one class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair {
    /// Indices into [`Dataset::samples`].
    pub samples: [u32; 2],
    /// Whether they should be taken for the same.
    pub same: bool,
}

/// Whether a sample is what its class says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// Of the class.
    Genuine,
    /// A skilled imitation of the class.
    Forged,
}

/// How to get a sample's pixels or events.
#[derive(Clone)]
pub enum Source {
    /// The bytes of a PNG, PNM, BMP or JPEG file.
    Encoded(Arc<[u8]>),
    /// Such a file.
    File(PathBuf),
    /// A range of a file's bytes: such a file in an archive that compresses nothing.
    Within(Arc<Path>, Range<u64>),
    /// Made when asked for.
    Generated(Arc<dyn Fn() -> image::GrayImage + Send + Sync>),
    /// What a pen did.
    Pen(Arc<[PenPoint]>),
    /// The same, made when asked for.
    Traced(Arc<dyn Fn() -> Vec<PenPoint> + Send + Sync>),
    /// Another picture, turned.
    Turned(Box<Source>, Turn),
    /// The face on another picture.
    Face(Box<Source>, Face),
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Encoded(bytes) => write!(f, "Encoded({} bytes)", bytes.len()),
            Self::File(path) => write!(f, "File({})", path.display()),
            Self::Within(path, range) => write!(f, "Within({}, {range:?})", path.display()),
            Self::Generated(_) => f.write_str("Generated"),
            Self::Pen(points) => write!(f, "Pen({} events)", points.len()),
            Self::Traced(_) => f.write_str("Traced"),
            Self::Turned(upright, turn) => write!(f, "{upright:?} turned {}", turn.degrees()),
            Self::Face(whole, face) => write!(f, "{face:?} of {whole:?}"),
        }
    }
}

impl Source {
    /// The picture turned.
    pub fn turned(self, turn: Turn) -> Self {
        match turn {
            Turn::None => self,
            turn => Self::Turned(Box::new(self), turn),
        }
    }

    /// The picture, decoded as on the device; `name` is for messages.
    pub(crate) fn picture(&self, name: &str) -> Result<Picture> {
        match self {
            Self::Encoded(bytes) => Picture::decode(bytes).with_context(|| name.to_owned()),
            Self::File(path) => {
                let bytes = edge_runtime::file::read(path, picture::MAX_LEN as u64)
                    .with_context(|| format!("{}: cannot be read", path.display()))?;
                Picture::decode(&bytes).with_context(|| path.display().to_string())
            }
            Self::Within(..) => {
                let bytes = self.bytes().with_context(|| name.to_owned())?;
                Picture::decode(&bytes).with_context(|| name.to_owned())
            }
            Self::Generated(make) => Ok(image::DynamicImage::from(make()).into()),
            Self::Turned(upright, turn) => Ok(turn.of(upright.picture(name)?)),
            Self::Face(whole, face) => {
                let face = whole.picture(name)?.face(face);
                face.with_context(|| name.to_owned())
            }
            Self::Pen(_) | Self::Traced(_) => {
                bail!("{name}: expected a picture, found what a pen did")
            }
        }
    }

    /// The bytes of a file, which need not be a picture.
    pub(crate) fn bytes(&self) -> Result<Cow<'_, [u8]>> {
        self.bytes_up_to(picture::MAX_LEN as u64)
    }

    /// The same of a file that has at most `most` bytes.
    pub(crate) fn bytes_up_to(&self, most: u64) -> Result<Cow<'_, [u8]>> {
        match self {
            Self::Encoded(bytes) => Ok(Cow::Borrowed(bytes)),
            Self::File(path) => Ok(edge_runtime::file::read(path, most)?.into()),
            Self::Within(path, range) => Ok(archive::read_range(path, range, most)?.into()),
            made => bail!("expected a file, found {made:?}"),
        }
    }

    /// What the pen did; `name` is for messages.
    fn points(&self, name: &str) -> Result<Arc<[PenPoint]>> {
        match self {
            Self::Pen(points) => Ok(Arc::clone(points)),
            Self::Traced(make) => Ok(make().into()),
            _ => bail!("{name}: expected what a pen did, found a picture"),
        }
    }
}

impl Sample {
    /// The sample's picture, decoded as on the device.
    ///
    /// # Errors
    /// When the file cannot be read or is no picture; the message names it.
    pub fn picture(&self) -> Result<Picture> {
        self.source.picture(&self.name)
    }

    /// The sample's pen events.
    ///
    /// # Errors
    /// When it is a picture; the message names it.
    pub fn points(&self) -> Result<Arc<[PenPoint]>> {
        self.source.points(&self.name)
    }

    /// Puts the tower's input of the sample into `output`.
    ///
    /// # Errors
    /// When the file cannot be read, or preprocessing does not accept what is in it; the
    /// message names it.
    pub fn preprocess(&self, preprocess: &Preprocess, output: &mut [u8]) -> Result<()> {
        match preprocess {
            Preprocess::Picture(spec) => {
                let picture = self.picture()?;
                let image = picture.image().with_context(|| self.name.clone())?;
                spec.run(&image, output).with_context(|| self.name.clone())
            }
            Preprocess::Pen(spec) => {
                let points = self.points()?;
                let steps = spec.run(&points[..], output);
                steps.map(|_| ()).with_context(|| self.name.clone())
            }
        }
    }
}

/// Preprocessed samples, ready for a tower.
#[derive(Clone, Debug)]
pub struct Tensors {
    /// The spec that made them.
    pub preprocess: Preprocess,
    /// `len * height * width * channels` bytes, row by row.
    pub pixels: Vec<u8>,
    /// Class of each sample, an index into the data set's classes.
    pub classes: Vec<u32>,
    /// Kind of each sample.
    pub kinds: Vec<Kind>,
    /// Index of each sample in the data set.
    pub indices: Vec<u32>,
}

impl Tensors {
    /// Decodes and preprocesses the samples at `indices`, in that order.
    ///
    /// # Errors
    /// As [`Sample::pixels`], and when a picture's size is not accepted.
    pub fn new(dataset: &Dataset, indices: &[u32], preprocess: &Preprocess) -> Result<Self> {
        let length = preprocess.output_len();
        let mut pixels = vec![0; indices.len() * length];
        pixels.par_chunks_mut(length).zip(indices).try_for_each(
            |(output, &index)| -> Result<()> {
                dataset.samples[index as usize].preprocess(preprocess, output)
            },
        )?;
        let of = |index: &u32| &dataset.samples[*index as usize];
        Ok(Self {
            preprocess: *preprocess,
            pixels,
            classes: indices.iter().map(|index| of(index).class).collect(),
            kinds: indices.iter().map(|index| of(index).kind).collect(),
            indices: indices.to_vec(),
        })
    }

    /// Number of samples.
    pub fn len(&self) -> usize {
        self.classes.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.classes.is_empty()
    }

    /// At most `most` of the samples, evenly spread.
    pub fn spread(&self, most: usize) -> Self {
        let step = self.len().div_ceil(most).max(1);
        let kept = (0..self.len()).step_by(step);
        Self {
            preprocess: self.preprocess,
            pixels: kept.clone().flat_map(|i| self.sample(i).to_vec()).collect(),
            classes: kept.clone().map(|index| self.classes[index]).collect(),
            kinds: kept.clone().map(|index| self.kinds[index]).collect(),
            indices: kept.map(|index| self.indices[index]).collect(),
        }
    }

    /// The bytes of one sample.
    pub fn sample(&self, index: usize) -> &[u8] {
        let length = self.preprocess.output_len();
        &self.pixels[index * length..(index + 1) * length]
    }
}
