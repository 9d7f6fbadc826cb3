//! Templates as the map writes them.

use sequential_storage::map::SerializationError;
use shared::template::Template;

/// The last byte of a record, by which it can be told from blank flash.
pub(super) const END: u8 = 0;

/// A template as the map writes it.
pub(super) struct Record<'a, const SHOTS: usize, const DIM: usize>(
    pub(super) &'a Template<SHOTS, DIM>,
);

const TOO_SMALL: SerializationError = SerializationError::BufferTooSmall;

impl<const SHOTS: usize, const DIM: usize> sequential_storage::map::Value<'_>
    for Record<'_, SHOTS, DIM>
{
    fn serialize_into(&self, buffer: &mut [u8]) -> Result<usize, SerializationError> {
        let written = self.0.encode(buffer).map_err(|_| TOO_SMALL)?;
        let end = buffer.get_mut(written);
        *end.ok_or(TOO_SMALL)? = END;
        Ok(written + 1)
    }

    /// Templates are read as bytes, which [`Template::decode`] checks.
    fn deserialize_from(_: &[u8]) -> Result<(Self, usize), SerializationError> {
        Err(SerializationError::InvalidFormat)
    }
}
