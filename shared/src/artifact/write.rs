//! Writing an artifact: the mirror of parsing, into a caller's buffer.

use serde::Serialize;

use super::{
    ALIGNMENT, CRC_START, Card, Contract, ENTRY_LEN, HEADER_LEN, MAGIC, OperatingPoint, SECTIONS,
    Step, VERSION, plan::PlanHeader,
};
use crate::bytes::crc32;
use crate::model_id::ModelId;

/// All that goes into an artifact.
#[derive(Clone, Copy, Debug)]
pub struct Contents<'a> {
    /// Task, preprocessing, embedding format and comparison.
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
}

/// The buffer given to [`write`] is too small.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BufferFull;

impl core::fmt::Display for BufferFull {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(
            "expected room for the whole artifact, found the buffer full: give a larger one",
        )
    }
}

impl core::error::Error for BufferFull {}

/// Writes an artifact to the front of `buffer`; its length and identity.
///
/// # Errors
/// [`BufferFull`] when it does not fit.
pub fn write(contents: &Contents<'_>, buffer: &mut [u8]) -> Result<(usize, ModelId), BufferFull> {
    let mut end = align(HEADER_LEN + SECTIONS.len() * ENTRY_LEN);
    let mut sections = [(0usize, 0usize); SECTIONS.len()];
    for (index, section) in sections.iter_mut().enumerate() {
        let space = buffer.get_mut(end..).ok_or(BufferFull)?;
        let length = write_section(contents, index, space)?;
        *section = (end, length);
        let padded = align(end + length);
        buffer
            .get_mut(end + length..padded)
            .ok_or(BufferFull)?
            .fill(0);
        end = padded;
    }
    let hashed = sections.map(|(start, length)| &buffer[start..start + length]);
    let model_id = ModelId::of(&[hashed[0], hashed[1], hashed[2]]);
    write_header(buffer, &sections, end, model_id).ok_or(BufferFull)?;
    Ok((end, model_id))
}

fn align(offset: usize) -> usize {
    offset.next_multiple_of(ALIGNMENT)
}

fn write_section(
    contents: &Contents<'_>,
    index: usize,
    space: &mut [u8],
) -> Result<usize, BufferFull> {
    let mut section = Section { space, written: 0 };
    match index {
        0 => section.encode(contents.contract)?,
        1 => {
            section.encode(&PlanHeader {
                steps: contents.steps.len() as u16,
                ..*contents.plan
            })?;
            for step in contents.steps {
                section.encode(step)?;
            }
        }
        2 => section.put(contents.weights)?,
        3 => {
            section.encode(&(contents.measured_on, contents.operating_points.len() as u16))?;
            for point in contents.operating_points {
                section.encode(point)?;
            }
        }
        4 => {
            section.put(&(contents.golden.len() as u32).to_le_bytes())?;
            for (seed, expected) in contents.golden {
                section.put(&seed.to_le_bytes())?;
                section.put(expected)?;
            }
        }
        _ => section.encode(contents.card)?,
    }
    Ok(section.written)
}

struct Section<'a> {
    space: &'a mut [u8],
    written: usize,
}

impl Section<'_> {
    fn put(&mut self, bytes: &[u8]) -> Result<(), BufferFull> {
        let end = self.written + bytes.len();
        let place = self.space.get_mut(self.written..end).ok_or(BufferFull)?;
        place.copy_from_slice(bytes);
        self.written = end;
        Ok(())
    }

    fn encode(&mut self, value: &impl Serialize) -> Result<(), BufferFull> {
        let space = self.space.get_mut(self.written..).ok_or(BufferFull)?;
        let used = postcard::to_slice(value, space).map_err(|_| BufferFull)?;
        self.written += used.len();
        Ok(())
    }
}

fn write_header(
    buffer: &mut [u8],
    sections: &[(usize, usize)],
    length: usize,
    model_id: ModelId,
) -> Option<()> {
    let mut header = crate::bytes::Writer::new(buffer);
    header.put(&MAGIC)?;
    header.put(&VERSION.to_le_bytes())?;
    header.put(&(SECTIONS.len() as u16).to_le_bytes())?;
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
        .get_mut(end..align(HEADER_LEN + SECTIONS.len() * ENTRY_LEN))?
        .fill(0);
    let crc = crc32(buffer.get(CRC_START..length)?);
    buffer
        .get_mut(CRC_START - 4..CRC_START)?
        .copy_from_slice(&crc.to_le_bytes());
    Some(())
}
