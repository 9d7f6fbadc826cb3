//! Two slots of flash for models, of which one is in use.
//!
//! ```text
//! begin -> chunks -> (the slot that is not in use) -> commit: checked, golden vectors run,
//!                                                     trailer written: now it is the one
//! ```
//!
//! The [`Trailer`] at the end of a slot makes its artifact count, the later one if both
//! slots have one. That of the slot that a model goes to is erased first and written last, and
//! the slot in use is never touched. So whenever power fails, the model that was in use, or
//! the one that was committed, is there.
//!
//! Who [trusts](Trust) a key looks at no model that this key has not signed, neither when it
//! comes nor when it lies in flash.

mod error;
mod trust;

use embedded_storage::nor_flash::NorFlash;
use shared::artifact::signature::SignatureError;
use shared::artifact::trailer::TRAILER_LEN;
use shared::artifact::{Artifact, Trailer, signature};
use shared::embedding::MAX_DIM;
use shared::wire::{MODEL_CHUNK_UNIT, Refusal};

use crate::engine::int8::Int8Engine;
use crate::engine::self_test;
use crate::limits::{Limits, TooLarge};
use crate::server::{ModelSlot, Received};

pub use error::SlotError;
pub use trust::Trust;

/// Flash that the processor reads in place.
pub trait MappedFlash: NorFlash {
    /// All its bytes, as they are now.
    fn bytes(&self) -> &[u8];
}

impl<M: MappedFlash> MappedFlash for &mut M {
    fn bytes(&self) -> &[u8] {
        (**self).bytes()
    }
}

/// Two slots, each of whole pages.
#[derive(Debug)]
pub struct Slots<M> {
    slots: [M; 2],
    trust: Trust,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Slot {
    First,
    Second,
}

impl<M: MappedFlash> Slots<M> {
    /// Two slots with what lies in them, whoever made it.
    pub fn new(first: M, second: M) -> Self {
        Self {
            slots: [first, second],
            trust: Trust::default(),
        }
    }

    /// From now on, a model that lies here or comes counts only if it is `trust`ed.
    pub fn trust(&mut self, trust: Trust) {
        self.trust = trust;
    }

    /// The model in use, if there is one that fits, and the slot that another may go to.
    pub fn split(&mut self, limits: &Limits) -> (Option<Artifact<'_>>, Incoming<'_, M>) {
        let in_use = self.in_use(limits);
        let (running, other) = self.in_order(in_use);
        // Who vouches for it was asked just now, which takes long.
        let artifact = in_use.and_then(|_| artifact(&*running, limits, &Trust::default()).ok());
        (artifact, Incoming::new(other))
    }

    /// As [`trust`](Self::trust), unless the model in use is none of those.
    ///
    /// # Errors
    /// [`SlotError::Signature`]; everything is as before then.
    pub fn go_over_to(&mut self, trust: Trust, limits: &Limits) -> Result<(), SlotError> {
        let before = self.in_use(limits);
        let earlier = core::mem::replace(&mut self.trust, trust);
        if before.is_some() && self.in_use(limits) != before {
            self.trust = earlier;
            return Err(SlotError::Signature(SignatureError::Unsigned));
        }
        Ok(())
    }

    /// Goes over to the model that was received, if it is trusted, sound, fits, and answers
    /// its golden vectors when it is run in `arena`; else the model in use stays. Where a key
    /// is trusted, no model is of an earlier version than the one in use; the version of this
    /// one is to be kept as the least.
    ///
    /// # Errors
    /// [`SlotError`].
    pub fn commit(
        &mut self,
        received: Received,
        limits: &Limits,
        arena: &mut [u8],
    ) -> Result<Option<u32>, SlotError> {
        let in_use = self.in_use(limits);
        let mut trust = self.trust;
        let (running, other) = self.in_order(in_use);
        if let Some(version) = in_use.and_then(|_| stated_version(&*running)) {
            trust.least_version = trust.least_version.max(version);
        }
        // Even one that is not in use must not be later than this.
        let before = Trailer::of(running.bytes());
        let sequence = before.map_or(Some(0), |trailer| trailer.sequence.checked_add(1));
        let trailer = Trailer {
            sequence: sequence.ok_or(SlotError::Flash)?,
            length: received.length,
        };
        let bytes = trailer.artifact(other.bytes());
        check(bytes.ok_or(SlotError::Chunk)?, limits, &trust, arena)?;
        let end = u32::try_from(other.bytes().len()).map_err(|_| SlotError::Flash)?;
        let place = end.saturating_sub(TRAILER_LEN as u32);
        // Whatever the flash says of it: what is there decides at the next start.
        let _ = other.write(place, &trailer.encode());
        match Trailer::of(other.bytes()) {
            Some(there) if there == trailer => {
                Ok(stated_version(&*other).filter(|_| trust.key.is_some()))
            }
            _ => Err(SlotError::Flash),
        }
    }

    /// The slot in use and the other one; without a model, that is the first.
    fn in_order(&mut self, in_use: Option<Slot>) -> (&mut M, &mut M) {
        let [first, second] = &mut self.slots;
        match in_use {
            Some(Slot::First) => (first, second),
            Some(Slot::Second) | None => (second, first),
        }
    }

    /// The slot with the later trailer whose artifact is trusted, whole, and fits.
    fn in_use(&self, limits: &Limits) -> Option<Slot> {
        let [first, second] = &self.slots;
        let sequence = |slot: &M| Trailer::of(slot.bytes()).map(|trailer| trailer.sequence);
        let later = match sequence(second) > sequence(first) {
            true => [(Slot::Second, second), (Slot::First, first)],
            false => [(Slot::First, first), (Slot::Second, second)],
        };
        // The earlier one is only looked at where the later one is none: that takes a checksum.
        let mut later = later.into_iter();
        let found = later.find(|(_, flash)| artifact(*flash, limits, &self.trust).is_ok());
        found.map(|(slot, _)| slot)
    }
}

/// What a slot that has a trailer holds: an artifact and, perhaps, its signature.
fn content<M: MappedFlash>(slot: &M) -> Option<&[u8]> {
    Trailer::of(slot.bytes())?.artifact(slot.bytes())
}

/// The version that a slot's signature states.
fn stated_version<M: MappedFlash>(slot: &M) -> Option<u32> {
    let (_, block) = signature::split(content(slot)?);
    let manifest = signature::Manifest::stated(block?).ok()?;
    Some(manifest.version)
}

/// The artifact of a slot that has a trailer.
fn artifact<'a, M: MappedFlash>(
    slot: &'a M,
    limits: &Limits,
    trust: &Trust,
) -> Result<Artifact<'a>, SlotError> {
    fitting(content(slot).ok_or(SlotError::Chunk)?, limits, trust)
}

/// The artifact, if it is trusted, well-formed, and fits.
fn fitting<'a>(bytes: &'a [u8], limits: &Limits, trust: &Trust) -> Result<Artifact<'a>, SlotError> {
    // Nobody's bytes are parsed where somebody has to vouch for them.
    let trusted = trust.artifact(bytes).map_err(SlotError::Signature)?;
    let artifact = Artifact::parse(trusted).map_err(SlotError::Artifact)?;
    let fits = limits.check(&artifact, bytes.len());
    fits.map_err(SlotError::TooLarge)?;
    Ok(artifact)
}

/// Everything that is asked of a model that comes in.
#[inline(never)]
fn check(bytes: &[u8], limits: &Limits, trust: &Trust, arena: &mut [u8]) -> Result<(), SlotError> {
    let artifact = fitting(bytes, limits, trust)?;
    let sound = artifact.check_model_id();
    sound.map_err(SlotError::Artifact)?;
    let golden = *artifact.golden();
    let dim = artifact.plan().output().len();
    let mut output = [0; MAX_DIM];
    let output = output.get_mut(..dim).unwrap_or_default();
    // A plan that could not be run would have been refused above.
    let mut engine = Int8Engine::new(artifact, arena).map_err(|_| SlotError::GOLDEN)?;
    match self_test(&mut engine, &golden, output) {
        Ok((passed, total)) if passed == total => Ok(()),
        Ok((passed, total)) => Err(SlotError::Golden { passed, total }),
        Err(_) => Err(SlotError::GOLDEN),
    }
}

/// The slot that is not in use, and what of a model has come.
#[derive(Debug)]
pub struct Incoming<'m, M> {
    slot: &'m mut M,
    announced: Option<u32>,
    received: u32,
    /// Bytes from the front whose pages were erased.
    erased: u32,
}

impl<'m, M: MappedFlash> Incoming<'m, M> {
    fn new(slot: &'m mut M) -> Self {
        Self {
            slot,
            announced: None,
            received: 0,
            erased: 0,
        }
    }

    /// Bytes of the largest model.
    pub fn room(&self) -> usize {
        self.slot.bytes().len().saturating_sub(TRAILER_LEN)
    }

    /// Begins with a model of `length` bytes; what was in the slot counts no more.
    ///
    /// # Errors
    /// [`SlotError::TooLarge`], [`SlotError::Flash`].
    pub fn begin(&mut self, length: u32) -> Result<(), SlotError> {
        self.announced = None;
        self.received = 0;
        self.erased = 0;
        let (needed, room) = (length as usize, self.room());
        if needed > room {
            return Err(SlotError::TooLarge(TooLarge {
                what: "flash for the model",
                needed,
                room,
            }));
        }
        let end = u32::try_from(self.slot.bytes().len()).map_err(|_| SlotError::Flash)?;
        let last = end.saturating_sub(M::ERASE_SIZE as u32);
        let erased = self.slot.erase(last, end);
        erased.map_err(|_| SlotError::Flash)?;
        self.announced = Some(length);
        Ok(())
    }

    /// Takes the part of the model from `offset` on. Parts come in order; one that came
    /// before may come again.
    ///
    /// # Errors
    /// [`SlotError::Chunk`] for a part that does not follow what is there, or is no whole
    /// number of [`MODEL_CHUNK_UNIT`]s though it is not the last; [`SlotError::Flash`].
    pub fn put(&mut self, offset: u32, bytes: &[u8]) -> Result<(), SlotError> {
        let length = self.announced.ok_or(SlotError::Chunk)?;
        let count = u32::try_from(bytes.len()).map_err(|_| SlotError::Chunk)?;
        let end = offset.checked_add(count).ok_or(SlotError::Chunk)?;
        let is_whole = bytes.len().is_multiple_of(MODEL_CHUNK_UNIT) || end == length;
        if end > length || offset > self.received || !is_whole {
            return Err(SlotError::Chunk);
        }
        if end <= self.received {
            return Ok(());
        }
        if offset < self.received {
            return Err(SlotError::Chunk);
        }
        let written = self.write(offset, end, bytes);
        // What was begun cannot be written again.
        written.inspect_err(|_| self.announced = None)?;
        self.received = end;
        Ok(())
    }

    fn write(&mut self, offset: u32, end: u32, bytes: &[u8]) -> Result<(), SlotError> {
        let page = M::ERASE_SIZE as u32;
        while self.erased < end {
            let next = self.erased.saturating_add(page);
            let erased = self.slot.erase(self.erased, next);
            erased.map_err(|_| SlotError::Flash)?;
            self.erased = next;
        }
        let (units, rest) = bytes.as_chunks::<MODEL_CHUNK_UNIT>();
        let written = self.slot.write(offset, units.as_flattened());
        written.map_err(|_| SlotError::Flash)?;
        if !rest.is_empty() {
            // As erased flash: the trailer lies behind, or nothing does.
            let mut unit = [0xff; MODEL_CHUNK_UNIT];
            let places = unit.iter_mut().zip(rest);
            places.for_each(|(place, byte)| *place = *byte);
            let from = end.saturating_sub(rest.len() as u32);
            let written = self.slot.write(from, &unit);
            written.map_err(|_| SlotError::Flash)?;
        }
        Ok(())
    }

    /// The model, if all of it is there.
    ///
    /// # Errors
    /// [`SlotError::Chunk`].
    pub fn received(&self) -> Result<Received, SlotError> {
        match self.announced {
            Some(length) if length == self.received => Ok(Received { length }),
            _ => Err(SlotError::Chunk),
        }
    }
}

impl<M: MappedFlash> ModelSlot for Incoming<'_, M> {
    fn room(&self) -> usize {
        self.room()
    }

    fn begin(&mut self, length: u32) -> Result<(), Refusal> {
        Ok(self.begin(length)?)
    }

    fn put(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Refusal> {
        Ok(self.put(offset, bytes)?)
    }

    fn received(&self) -> Result<Received, Refusal> {
        Ok(self.received()?)
    }
}
