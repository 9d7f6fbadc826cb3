//! Sealed records as the map writes them.

use sequential_storage::map::{SerializationError, Value};
use shared::seal::{CONTENT, Label, Sealer};

/// The last byte of a record, by which it can be told from blank flash.
pub(super) const END: u8 = 0;

/// A content that is sealed while it is written: `content` writes it, and says its length.
pub(super) struct Record<'a, C> {
    pub(super) sealer: &'a Sealer,
    pub(super) label: Label,
    pub(super) content: C,
}

const TOO_SMALL: SerializationError = SerializationError::BufferTooSmall;

impl<C: Fn(&mut [u8]) -> Option<usize>> Value<'_> for Record<'_, C> {
    fn serialize_into(&self, buffer: &mut [u8]) -> Result<usize, SerializationError> {
        let place = buffer.get_mut(CONTENT..).ok_or(TOO_SMALL)?;
        let length = (self.content)(place).ok_or(TOO_SMALL)?;
        let sealed = self.sealer.seal(self.label, buffer, length);
        let written = sealed.map_err(|_| TOO_SMALL)?;
        let end = buffer.get_mut(written);
        *end.ok_or(TOO_SMALL)? = END;
        Ok(written + 1)
    }

    /// Records are read as bytes, which the sealer opens.
    fn deserialize_from(_: &[u8]) -> Result<(Self, usize), SerializationError> {
        Err(SerializationError::InvalidFormat)
    }
}
