//! What lies in a slot of a board's flash.

use std::vec;
use std::vec::Vec;

use shared::artifact::Trailer;

use crate::limits::{Limits, TooLarge};

/// A slot with a model in it, as a board that was never used has it.
///
/// # Errors
/// [`TooLarge`] for a model that has no room.
pub fn with_model(limits: &Limits, model: &[u8]) -> Result<Vec<u8>, TooLarge> {
    let (needed, room) = (model.len(), limits.model());
    let too_large = TooLarge {
        what: "flash for the model",
        needed,
        room,
    };
    let mut slot = vec![0xff; limits.slot];
    let (artifact, trailer) = slot.split_at_mut(room);
    let place = artifact.get_mut(..needed).ok_or(too_large)?;
    place.copy_from_slice(model);
    let written = Trailer {
        sequence: 0,
        length: u32::try_from(needed).map_err(|_| too_large)?,
    };
    trailer.copy_from_slice(&written.encode());
    Ok(slot)
}
