//! Writing an artifact: the mirror of parsing, into a caller's buffer.

use serde::Serialize;

use super::{
    ALIGNMENT, COHORT_VERSION, CRC_START, Card, Contract, ENTRY_LEN, HEADER_LEN, MAGIC,
    OperatingPoint, QUALITY_VERSION, SECTIONS, SectionKind, Step, VERSION, plan::PlanHeader,
    section_count,
};
use crate::bytes::crc32;
use crate::cohort::Cohort;
use crate::model_id::ModelId;
use crate::quality::Bounds;

/// All that goes into an artifact.
#[derive(Clone, Copy, Debug)]
pub struct Contents<'a> {
    /// Preprocessing, embedding format and comparison.
    pub contract: &'a Contract,
    /// Arena and places; its step count is taken from `steps`.
    pub plan: &'a PlanHeader,
    /// The network.
    pub steps: &'a [Step],
    /// What the steps' offsets refer to.
    pub weights: &'a [u8],
    /// The data behind the operating points.
    pub measured_on: &'a str,
    /// The measured thresholds.
    pub operating_points: &'a [OperatingPoint],
    /// Seeds and expected raw outputs.
    pub golden: &'a [(u32, &'a [u8])],
    /// Facts for people.
    pub card: &'a Card<'a>,
    /// What pictures measure that the tower learnt from, where that is known.
    pub quality: Option<Bounds>,
    /// Strangers by whom distances are normalized, where there are any.
    pub cohort: Option<Cohort<'a>>,
}

impl Contents<'_> {
    fn version(&self) -> u16 {
        match (self.cohort, self.quality) {
            (Some(_), _) => COHORT_VERSION,
            (None, Some(_)) => QUALITY_VERSION,
            (None, None) => VERSION,
        }
    }
}

/// Why an artifact cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WriteError {
    /// The buffer is too small.
    BufferFull,
    /// More of something than the format counts.
    TooMany {
        /// What there is too much of.
        what: &'static str,
        /// How many were given.
        found: usize,
    },
}

impl core::fmt::Display for WriteError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::BufferFull => f.write_str(
                "expected room for the whole artifact, found the buffer full: give a larger one",
            ),
            Self::TooMany { what, found } => write!(
                f,
                "expected at most {} {what}, found {found}: leave some out",
                u16::MAX
            ),
        }
    }
}

impl core::error::Error for WriteError {}

/// Writes an artifact to the front of `buffer`; its length and identity.
///
/// # Errors
/// [`WriteError`].
pub fn write(contents: &Contents<'_>, buffer: &mut [u8]) -> Result<(usize, ModelId), WriteError> {
    let version = contents.version();
    let count = section_count(version).unwrap_or_default();
    let mut end = align(HEADER_LEN + count * ENTRY_LEN);
    let mut sections = [(0usize, 0usize); SECTIONS.len()];
    for (kind, section) in SECTIONS.iter().zip(&mut sections).take(count) {
        let space = buffer.get_mut(end..).ok_or(WriteError::BufferFull)?;
        let length = write_section(contents, *kind, space)?;
        *section = (end, length);
        let padded = align(end + length);
        buffer
            .get_mut(end + length..padded)
            .ok_or(WriteError::BufferFull)?
            .fill(0);
        end = padded;
    }
    let [contract, plan, weights, ..] =
        sections.map(|(start, length)| buffer.get(start..start + length).unwrap_or_default());
    let model_id = ModelId::of(&[contract, plan, weights]);
    let table = sections.get(..count).unwrap_or_default();
    write_header(buffer, version, table, end, model_id).ok_or(WriteError::BufferFull)?;
    Ok((end, model_id))
}

fn count(what: &'static str, found: usize) -> Result<u16, WriteError> {
    u16::try_from(found).map_err(|_| WriteError::TooMany { what, found })
}

fn align(offset: usize) -> usize {
    offset.next_multiple_of(ALIGNMENT)
}

fn write_section(
    contents: &Contents<'_>,
    kind: SectionKind,
    space: &mut [u8],
) -> Result<usize, WriteError> {
    let mut section = Section { space, written: 0 };
    match kind {
        SectionKind::Contract => section.encode(contents.contract)?,
        SectionKind::Plan => {
            section.encode(&PlanHeader {
                steps: count("steps", contents.steps.len())?,
                ..*contents.plan
            })?;
            for step in contents.steps {
                section.encode(step)?;
            }
        }
        SectionKind::Weights => section.put(contents.weights)?,
        SectionKind::OperatingPoints => {
            let points = count("operating points", contents.operating_points.len())?;
            section.encode(&(contents.measured_on, points))?;
            for point in contents.operating_points {
                section.encode(point)?;
            }
        }
        SectionKind::Golden => {
            let vectors = count("golden vectors", contents.golden.len())?;
            section.put(&u32::from(vectors).to_le_bytes())?;
            for (seed, expected) in contents.golden {
                section.put(&seed.to_le_bytes())?;
                section.put(expected)?;
            }
        }
        SectionKind::Card => section.encode(contents.card)?,
        SectionKind::Quality => {
            if let Some(bounds) = &contents.quality {
                section.encode(bounds)?;
            }
        }
        SectionKind::Cohort => {
            if let Some(cohort) = &contents.cohort {
                section.put(&cohort.header())?;
                section.put(cohort.as_bytes())?;
            }
        }
    }
    Ok(section.written)
}

struct Section<'a> {
    space: &'a mut [u8],
    written: usize,
}

impl Section<'_> {
    fn put(&mut self, bytes: &[u8]) -> Result<(), WriteError> {
        let end = self.written + bytes.len();
        let place = self
            .space
            .get_mut(self.written..end)
            .ok_or(WriteError::BufferFull)?;
        place.copy_from_slice(bytes);
        self.written = end;
        Ok(())
    }

    fn encode(&mut self, value: &impl Serialize) -> Result<(), WriteError> {
        let space = self
            .space
            .get_mut(self.written..)
            .ok_or(WriteError::BufferFull)?;
        let used = postcard::to_slice(value, space).map_err(|_| WriteError::BufferFull)?;
        self.written += used.len();
        Ok(())
    }
}

fn write_header(
    buffer: &mut [u8],
    version: u16,
    sections: &[(usize, usize)],
    length: usize,
    model_id: ModelId,
) -> Option<()> {
    let mut header = crate::bytes::Writer::new(buffer);
    header.put(&MAGIC)?;
    header.put(&version.to_le_bytes())?;
    header.put(&(sections.len() as u16).to_le_bytes())?;
    header.put(&(length as u32).to_le_bytes())?;
    header.put(&[0; 4])?;
    header.put(&model_id.0)?;
    header.put(&[0; 4])?;
    for (kind, (offset, section_length)) in SECTIONS.iter().zip(sections) {
        header.put(&(*kind as u16).to_le_bytes())?;
        header.put(&[0; 2])?;
        header.put(&(*offset as u32).to_le_bytes())?;
        header.put(&(*section_length as u32).to_le_bytes())?;
    }
    let end = header.written();
    buffer
        .get_mut(end..align(HEADER_LEN + sections.len() * ENTRY_LEN))?
        .fill(0);
    let crc = crc32(buffer.get(CRC_START..length)?);
    buffer
        .get_mut(CRC_START - 4..CRC_START)?
        .copy_from_slice(&crc.to_le_bytes());
    Some(())
}
