//! The device artifact: one file from which a device decides.
//!
//! ```text
//! header (magic, version, length, CRC-32, ModelId) | section table | sections, each 16-byte aligned
//! contract: preprocessing, embedding format, distance            (postcard)  \
//! plan: steps of the network with tensor places in the arena     (postcard)   > hashed into the ModelId
//! weights: int8 filters, int32 biases, f32 multipliers           (raw)       /
//! operating points: thresholds with measured error rates         (postcard)
//! golden: what the network must answer to made-up inputs         (raw)
//! card: name, data, terms                                        (postcard)
//! quality: what pictures measure that the tower learnt from      (postcard; may be absent)
//! cohort: embeddings of strangers, who say how near is near      (raw; may be absent)
//! ```
//!
//! [`Artifact::parse`] checks everything that running the network relies on, and borrows:
//! weights stay where they are, in a file's bytes or in flash. That costs little, so that
//! every start can afford it. [`Artifact::check_model_id`] is for the moment when a model
//! comes in. The bytes are specified in `shared/docs/artifact-format.md`.

pub mod golden;
pub mod operating_point;
pub mod plan;
pub mod signature;
pub mod trailer;

mod error;
mod write;

use serde::{Deserialize, Serialize};

use crate::bytes::{Reader, crc32};
use crate::cohort::{Cohort, Measure};
use crate::model_id::ModelId;
use crate::preprocess::{Crop, Fit, InputShape, Preprocess};
use crate::quality::Bounds;
use crate::segmentation::RecordShape;
use crate::support_set::Comparison;

pub use error::ArtifactError;
pub use golden::Golden;
pub use operating_point::{OperatingPoint, OperatingPoints};
pub use plan::{Plan, Step};
pub use trailer::Trailer;
pub use write::{Contents, write};

/// The first bytes of an artifact.
pub const MAGIC: [u8; 8] = *b"SEMBLANC";

/// The version of an artifact without a section on quality.
pub const VERSION: u16 = 3;

/// The version of one that has it.
pub const QUALITY_VERSION: u16 = 4;

/// The version of one with a cohort, whose section on quality may be empty.
pub const COHORT_VERSION: u16 = 5;

/// Every section begins at a multiple of this.
pub const ALIGNMENT: usize = 16;

/// The largest artifact: 64 MiB.
pub const MAX_LEN: u32 = 64 << 20;

const HEADER_LEN: usize = 56;
const CRC_START: usize = 20;
const ENTRY_LEN: usize = 12;

/// What shapes an embedding and its comparison, beside plan and weights.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Contract {
    /// From samples to the network's input.
    pub preprocess: Preprocess,
    /// How embeddings are stored and compared.
    pub comparison: Comparison,
}

/// Facts for people, and for finding the companion ONNX file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Card<'a> {
    /// The model's name.
    pub name: &'a str,
    /// What it was trained on.
    pub data: &'a str,
    /// Under which terms it may be used.
    pub terms: &'a str,
    /// SHA-256 of the quantized ONNX file of the same model; zeros when there is none.
    pub onnx_sha256: [u8; 32],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
enum SectionKind {
    Contract = 1,
    Plan = 2,
    Weights = 3,
    OperatingPoints = 4,
    Golden = 5,
    Card = 6,
    Quality = 7,
    Cohort = 8,
}

/// The sections, in the order in which they lie in the file. The last two may be absent.
const SECTIONS: [SectionKind; 8] = [
    SectionKind::Contract,
    SectionKind::Plan,
    SectionKind::Weights,
    SectionKind::OperatingPoints,
    SectionKind::Golden,
    SectionKind::Card,
    SectionKind::Quality,
    SectionKind::Cohort,
];

/// How many sections an artifact of a version has.
fn section_count(version: u16) -> Option<usize> {
    match version {
        VERSION => Some(SECTIONS.len() - 2),
        QUALITY_VERSION => Some(SECTIONS.len() - 1),
        COHORT_VERSION => Some(SECTIONS.len()),
        _ => None,
    }
}

/// A checked artifact, borrowing its bytes.
#[derive(Clone, Debug)]
pub struct Artifact<'a> {
    model_id: ModelId,
    /// The sections that the identity is the hash of.
    identified: [&'a [u8]; 3],
    contract: Contract,
    plan: Plan<'a>,
    weights: &'a [u8],
    operating_points: OperatingPoints<'a>,
    golden: Golden<'a>,
    card: Card<'a>,
    quality: Option<Bounds>,
    cohort: Option<Cohort<'a>>,
}

impl<'a> Artifact<'a> {
    /// Reads and checks `bytes`: bounds, checksum, every step of the plan. The identity is
    /// the stated one.
    ///
    /// # Errors
    /// [`ArtifactError`] says what was expected and found.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ArtifactError> {
        let (model_id, sections) = read_container(bytes)?;
        let [
            contract,
            plan,
            weights,
            operating_points,
            golden,
            card,
            quality,
            cohort,
        ] = sections;
        let required = |section: Option<&'a [u8]>| section.unwrap_or_default();
        let [contract, plan, weights] = [contract, plan, weights].map(required);
        let identified = [contract, plan, weights];
        let contract: Contract = from_postcard(contract, "contract")?;
        check_contract(&contract)?;
        let plan = Plan::parse(plan, weights)?;
        check_agreement(&contract, &plan)?;
        let golden = Golden::parse(required(golden), plan.output().len())?;
        // Where there is a cohort, an empty section says that quality is not known.
        let quality = quality.filter(|section| !(section.is_empty() && cohort.is_some()));
        let cohort = cohort.map(|section| parse_cohort(section, &contract, &plan));
        Ok(Self {
            model_id,
            identified,
            contract,
            weights,
            operating_points: match plan.reference_len() {
                0 => OperatingPoints::parse(required(operating_points))?,
                _ => OperatingPoints::parse_any(required(operating_points))?,
            },
            golden,
            card: from_postcard(required(card), "card")?,
            quality: quality.map(parse_quality).transpose()?,
            cohort: cohort.transpose()?,
            plan,
        })
    }

    /// The model's identity, as the artifact states it.
    pub fn model_id(&self) -> ModelId {
        self.model_id
    }

    /// Compares the stated identity with the content's.
    ///
    /// The checksum notices what happens to bytes by accident. This notices an artifact
    /// that was altered or assembled on purpose, so that templates of one model are never
    /// compared with embeddings of another. It hashes all weights, so it is done where a
    /// model is taken in, not at every start.
    ///
    /// # Errors
    /// [`ArtifactError::ModelId`].
    pub fn check_model_id(&self) -> Result<(), ArtifactError> {
        let computed = ModelId::of(&self.identified);
        if computed != self.model_id {
            return Err(ArtifactError::ModelId {
                stored: self.model_id,
                computed,
            });
        }
        Ok(())
    }

    /// Preprocessing, embedding format and comparison.
    pub fn contract(&self) -> &Contract {
        &self.contract
    }

    /// The network.
    pub fn plan(&self) -> &Plan<'a> {
        &self.plan
    }

    /// The bytes that the plan's offsets into weights refer to.
    pub fn weights(&self) -> &'a [u8] {
        self.weights
    }

    /// The measured thresholds.
    pub fn operating_points(&self) -> &OperatingPoints<'a> {
        &self.operating_points
    }

    /// What the network must answer to made-up inputs.
    pub fn golden(&self) -> &Golden<'a> {
        &self.golden
    }

    /// Facts for people.
    pub fn card(&self) -> &Card<'a> {
        &self.card
    }

    /// What pictures measure that the tower learnt from, where that is known.
    pub fn quality(&self) -> Option<Bounds> {
        self.quality
    }

    /// Strangers by whom distances are normalized, where there are any.
    pub fn cohort(&self) -> Option<Cohort<'a>> {
        self.cohort
    }

    /// How distances are measured: what the operating points' thresholds are about.
    pub fn measure(&self) -> Measure<'a> {
        Measure {
            comparison: self.contract.comparison,
            cohort: self.cohort,
        }
    }
}

/// A network that marks structures compares with nobody.
fn parse_cohort<'a>(
    section: &'a [u8],
    contract: &Contract,
    plan: &Plan<'_>,
) -> Result<Cohort<'a>, ArtifactError> {
    let cohort = Cohort::parse(section, contract.comparison.embedding.dim.into());
    let compares = |_: &Cohort<'_>| plan.reference_len() == 0;
    let refused = ArtifactError::Encoding("cohort");
    cohort.filter(compares).ok_or(refused)
}

fn parse_quality(section: &[u8]) -> Result<Bounds, ArtifactError> {
    let bounds: Bounds = from_postcard(section, "quality")?;
    match bounds.is_valid() {
        true => Ok(bounds),
        false => Err(ArtifactError::Encoding("quality")),
    }
}

fn check_contract(contract: &Contract) -> Result<(), ArtifactError> {
    if !contract.preprocess.is_valid() {
        return Err(ArtifactError::Contract("preprocessing"));
    }
    if !contract.comparison.embedding.is_valid() {
        return Err(ArtifactError::Contract("embedding format"));
    }
    Ok(())
}

/// The plan must read what preprocessing writes and write what the format stores.
fn check_agreement(contract: &Contract, plan: &Plan<'_>) -> Result<(), ArtifactError> {
    let input = plan.input();
    let shape = InputShape {
        height: input.height,
        width: input.width,
        channels: input.channels,
    };
    if shape != contract.preprocess.shape() {
        return Err(ArtifactError::Contract("input size"));
    }
    let dim = usize::from(contract.comparison.embedding.dim);
    match plan.reference_len() {
        0 if plan.output().len() != dim => Err(ArtifactError::Contract("embedding dimension")),
        0 => Ok(()),
        len if RecordShape::new(len).dim != dim => Err(ArtifactError::Contract("record dimension")),
        _ => check_mask(contract, plan),
    }
}

/// A network that compares with references gives a byte for each pixel of its input, which is
/// the whole picture, stretched.
fn check_mask(contract: &Contract, plan: &Plan<'_>) -> Result<(), ArtifactError> {
    let (input, output) = (plan.input(), plan.output());
    if [output.height, output.width, output.channels] != [input.height, input.width, 1] {
        return Err(ArtifactError::Contract("size of the mask"));
    }
    let picture = contract.preprocess.picture();
    let is_whole = picture.is_some_and(|p| (p.crop, p.fit) == (Crop::Whole, Fit::Stretch));
    let is_whole = is_whole.then_some(());
    is_whole.ok_or(ArtifactError::Contract(
        "preprocessing, of the whole picture",
    ))
}

/// Each section that there is.
type Sections<'a> = [Option<&'a [u8]>; SECTIONS.len()];

/// Header and section table: the stored identity and the sections.
fn read_container(bytes: &[u8]) -> Result<(ModelId, Sections<'_>), ArtifactError> {
    let cut_off = ArtifactError::CutOff {
        expected: HEADER_LEN,
        found: bytes.len(),
    };
    let mut reader = Reader::new(bytes);
    if reader.array().ok_or(cut_off)? != MAGIC {
        return Err(ArtifactError::Magic);
    }
    let version = reader.u16().ok_or(cut_off)?;
    let expected = section_count(version).ok_or(ArtifactError::Version { found: version })?;
    let count = reader.u16().ok_or(cut_off)?;
    let length = reader.u32().ok_or(cut_off)?;
    check_length(length, bytes.len())?;
    let stored = reader.u32().ok_or(cut_off)?;
    let model_id = ModelId(reader.array().ok_or(cut_off)?);
    let _reserved = reader.u32().ok_or(cut_off)?;
    if usize::from(count) != expected {
        return Err(ArtifactError::Sections {
            expected,
            found: count,
        });
    }
    let computed = crc32(bytes.get(CRC_START..).unwrap_or_default());
    if stored != computed {
        return Err(ArtifactError::Checksum { stored, computed });
    }
    let mut sections = [None; SECTIONS.len()];
    for (kind, section) in SECTIONS.iter().zip(&mut sections).take(expected) {
        let found = read_section(bytes, &mut reader, *kind);
        *section = Some(found.ok_or(ArtifactError::Section { kind: *kind as u16 })?);
    }
    Ok((model_id, sections))
}

fn check_length(stated: u32, found: usize) -> Result<(), ArtifactError> {
    if stated > MAX_LEN {
        return Err(ArtifactError::TooLarge { stated });
    }
    if stated as usize != found {
        return Err(ArtifactError::CutOff {
            expected: stated as usize,
            found,
        });
    }
    Ok(())
}

/// The section of the table's next entry.
fn read_section<'a>(
    bytes: &'a [u8],
    table: &mut Reader<'_>,
    kind: SectionKind,
) -> Option<&'a [u8]> {
    let found = table.u16()?;
    let _reserved = table.u16()?;
    let offset = table.u32()? as usize;
    let length = table.u32()? as usize;
    if found != kind as u16 || !offset.is_multiple_of(ALIGNMENT) {
        return None;
    }
    bytes.get(offset..offset.checked_add(length)?)
}

fn from_postcard<'a, T: Deserialize<'a>>(
    bytes: &'a [u8],
    what: &'static str,
) -> Result<T, ArtifactError> {
    postcard::from_bytes(bytes).map_err(|_| ArtifactError::Encoding(what))
}
