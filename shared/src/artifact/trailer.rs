//! The end of a slot of flash that holds an artifact.
//!
//! Boards have two slots. What makes an artifact the one in use is the trailer of its slot,
//! which is written last, after the artifact was checked, and erased first, before another
//! artifact takes its place. The slot with the later trailer counts. The bytes are specified
//! in `shared/docs/artifact-format.md`.

use crate::bytes::{Reader, Writer, crc32};

/// Bytes of a trailer, the last ones of a slot: the largest unit that flash is written in.
pub const TRAILER_LEN: usize = 32;

const MAGIC: [u8; 4] = *b"SMBL";
const CRC_LEN: usize = 4;
/// What follows the two numbers, as erased flash has it.
const UNUSED: [u8; TRAILER_LEN - 12 - CRC_LEN] = [0xff; TRAILER_LEN - 12 - CRC_LEN];

/// What a trailer says of its slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trailer {
    /// The later one is in use.
    pub sequence: u32,
    /// Bytes of the artifact at the front of the slot.
    pub length: u32,
}

impl Trailer {
    /// Its bytes.
    pub fn encode(&self) -> [u8; TRAILER_LEN] {
        let mut bytes = [0; TRAILER_LEN];
        let mut writer = Writer::new(&mut bytes);
        // All that there is room for.
        let _ = writer.put(&MAGIC);
        let _ = writer.put(&self.sequence.to_le_bytes());
        let _ = writer.put(&self.length.to_le_bytes());
        let _ = writer.put(&UNUSED);
        let checksum = crc32(writer.as_slice());
        let _ = writer.put(&checksum.to_le_bytes());
        bytes
    }

    /// The trailer of a slot, if it has one that was written whole.
    pub fn of(slot: &[u8]) -> Option<Self> {
        let bytes: &[u8; TRAILER_LEN] = slot.last_chunk()?;
        let mut reader = Reader::new(bytes);
        let magic: [u8; 4] = reader.array()?;
        let trailer = Self {
            sequence: reader.u32()?,
            length: reader.u32()?,
        };
        (magic == MAGIC && trailer.encode() == *bytes).then_some(trailer)
    }

    /// The artifact of a slot with this trailer, if there is room for one so long.
    pub fn artifact<'a>(&self, slot: &'a [u8]) -> Option<&'a [u8]> {
        let room = slot.len().checked_sub(TRAILER_LEN)?;
        slot.get(..room)?.get(..self.length as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trailer_that_was_changed_anywhere_is_none() {
        let trailer = Trailer {
            sequence: 7,
            length: 5,
        };
        let mut slot = [0xff; 100];
        slot[..5].copy_from_slice(b"model");
        assert_eq!(Trailer::of(&slot), None);
        slot[68..].copy_from_slice(&trailer.encode());
        assert_eq!(Trailer::of(&slot), Some(trailer));
        assert_eq!(trailer.artifact(&slot), Some(&b"model"[..]));
        for bit in 0..8 * TRAILER_LEN {
            let mut changed = slot;
            changed[68 + bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Trailer::of(&changed), None, "{bit}");
        }
    }

    #[test]
    fn an_artifact_is_no_longer_than_its_slot() {
        let long = |length| Trailer {
            sequence: 0,
            length,
        };
        assert!(long(68).artifact(&[0; 100]).is_some());
        assert_eq!(long(69).artifact(&[0; 100]), None);
        assert_eq!(long(u32::MAX).artifact(&[0; 100]), None);
        assert_eq!(Trailer::of(&[0; 31]), None);
        assert_eq!(long(0).artifact(&[0; 31]), None);
    }
}
