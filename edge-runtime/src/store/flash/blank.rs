//! What of a flash is as erasure leaves it.

use core::ops::Range;

use embedded_storage::nor_flash::NorFlash;

use super::FlashStoreError;
use super::records::LARGEST_WORD;

/// Whether every byte of a range is as erasure leaves it.
///
/// # Errors
/// [`FlashStoreError::Flash`].
pub fn is_blank<F: NorFlash>(
    flash: &mut F,
    range: Range<u32>,
) -> Result<bool, FlashStoreError<F::Error>> {
    Ok(written_end(flash, range.clone())? == range.start)
}

/// Where what is written in a range ends: before the bytes that are as erasure leaves them.
pub(super) fn written_end<F: NorFlash>(
    flash: &mut F,
    range: Range<u32>,
) -> Result<u32, FlashStoreError<F::Error>> {
    let mut bytes = [0; 4 * LARGEST_WORD];
    let (mut offset, mut end) = (range.start, range.start);
    while offset < range.end {
        let length = ((range.end - offset) as usize).min(bytes.len());
        let bytes = bytes.get_mut(..length).unwrap_or_default();
        flash.read(offset, bytes).map_err(FlashStoreError::Flash)?;
        if let Some(last) = bytes.iter().rposition(|byte| *byte != 0xff) {
            end = offset + last as u32 + 1;
        }
        offset += length as u32;
    }
    Ok(end)
}
