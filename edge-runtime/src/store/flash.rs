//! Templates in the flash of a board.
//!
//! Two halves of the region hold a map each, of which one is in use. Records, all sealed,
//! are added and replaced in that one, where the earlier one stays until the new one is whole.
//! When it is full, and when something is removed, of which nothing may be left, all that
//! counts is written to the other half, then the mark that makes it the one in use; then
//! the half that was is erased. Power may fail anywhere in between: the half with the later
//! mark is taken, and [`FlashStore::open`] finishes erasing the other. All pages are erased
//! equally often.
//!
//! The map could move records from page to page by itself. It is not let, because after an
//! erasure that was cut off it may take the page for one that it is writing; a half that
//! is erased has an earlier mark, and nobody reads it.
//!
//! A word is written once between erasures, unless power failed while it was, which every
//! NOR flash allows.

use core::ops::Range;

use embedded_storage::nor_flash::NorFlash;
use heapless::Vec;
use shared::ModelId;
use shared::bytes::copy_front;
use shared::drift::Drift;
use shared::support_set::Comparison;
use shared::template::Template;
use zeroize::Zeroize;

use super::state::{FIRST_TEMPLATE, MAX_STATE, State, States};
use super::{Held, StateStore, TemplateStore};
use crate::keys::Keys;

mod blank;
mod blocking;
mod error;
mod record;
mod records;

pub use blank::is_blank;
pub use error::FlashStoreError;
use records::{Moved, Records, Size};

/// Up to `SUBJECTS` templates in a region of a flash, and in memory as long as the program
/// runs. `B` is a buffer for one record, borrowed or owned.
#[derive(Debug)]
pub struct FlashStore<'m, F, B, const SUBJECTS: usize, const SHOTS: usize, const DIM: usize> {
    records: Records<F, B>,
    held: &'m mut Held<SUBJECTS, SHOTS, DIM>,
    /// Slots of the templates that are held, in their order.
    slots: Vec<u32, SUBJECTS>,
    /// Slots of templates of other models.
    stale: Vec<u32, SUBJECTS>,
    next_slot: u32,
}

/// Bytes of the buffer that a store needs for one record.
pub const fn record_len<const SHOTS: usize, const DIM: usize>() -> usize {
    records::buffer_len(largest::<SHOTS, DIM>())
}

/// Bytes of the largest content.
const fn largest<const SHOTS: usize, const DIM: usize>() -> usize {
    let template = Template::<SHOTS, DIM>::MAX_ENCODED_LEN;
    if template > MAX_STATE {
        template
    } else {
        MAX_STATE
    }
}

impl<'m, F, B, const SUBJECTS: usize, const SHOTS: usize, const DIM: usize>
    FlashStore<'m, F, B, SUBJECTS, SHOTS, DIM>
where
    F: NorFlash,
    B: AsMut<[u8]>,
{
    const SIZE: Size = Size {
        records: SUBJECTS + State::ALL.len(),
        content: largest::<SHOTS, DIM>(),
    };

    /// Reads the store in `region` of `flash`; one that is blank becomes an empty store,
    /// sealed with `keys`. `record` has [`record_len`] bytes; `held` is where templates
    /// and states are held, whatever was there. What a loss of power left unfinished is finished, and what
    /// is sealed with an earlier key is sealed anew. Until it [begins](Self::begin) with a
    /// model, all templates are of other models.
    ///
    /// # Errors
    /// [`FlashStoreError::Region`] and [`FlashStoreError::Buffer`] for memory that does
    /// not suffice; [`FlashStoreError::Damaged`] when the region holds something else, or
    /// what it held was destroyed or changed; [`FlashStoreError::OtherKey`];
    /// [`FlashStoreError::Flash`].
    #[inline(never)]
    pub fn open(
        flash: F,
        region: Range<u32>,
        keys: Keys,
        record: B,
        held: &'m mut Held<SUBJECTS, SHOTS, DIM>,
    ) -> Result<Self, FlashStoreError<F::Error>> {
        held.templates.end();
        held.states = States::new();
        let mut store = Self {
            records: Records::open(flash, region, record, Self::SIZE, keys)?,
            held,
            slots: Vec::new(),
            stale: Vec::new(),
            next_slot: FIRST_TEMPLATE,
        };
        store.read_states()?;
        store.read_templates()?;
        if store.records.is_outdated() {
            store.rewrite(None, None, true)?.erased?;
        }
        Ok(store)
    }

    /// Holds the templates of `model` from now on.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    #[inline(never)]
    pub fn begin(
        &mut self,
        model: ModelId,
        comparison: Comparison,
    ) -> Result<(), FlashStoreError<F::Error>> {
        self.held.templates.begin(model, comparison);
        self.read_templates()
    }

    /// Erases `region` of `flash`, whatever it holds: [`open`](Self::open) finds an empty
    /// store then.
    ///
    /// # Errors
    /// [`FlashStoreError::Region`], [`FlashStoreError::Flash`].
    pub fn erase(flash: &mut F, region: Range<u32>) -> Result<(), FlashStoreError<F::Error>> {
        records::check::<F>(&region, Self::SIZE)?;
        flash
            .erase(region.start, region.end)
            .map_err(FlashStoreError::Flash)
    }

    /// The flash, when the store is not needed any more.
    pub fn into_flash(self) -> F {
        self.records.into_flash()
    }

    /// The number of the last change that was acknowledged, or of a later one. It only grows:
    /// where it is less than it once was, somebody put an earlier copy of the store back.
    pub fn change(&self) -> u32 {
        self.records.change()
    }

    fn enrolled(&self) -> &[Template<SHOTS, DIM>] {
        self.held.templates.templates()
    }

    fn read_states(&mut self) -> Result<(), FlashStoreError<F::Error>> {
        for state in State::ALL {
            if let Some(bytes) = self.records.fetch(state.slot())? {
                let fits = self.held.states.set(state, bytes);
                fits.then_some(()).ok_or(FlashStoreError::Damaged)?;
            }
        }
        Ok(())
    }

    /// Reads the templates of the half in use.
    fn read_templates(&mut self) -> Result<(), FlashStoreError<F::Error>> {
        self.slots.clear();
        self.stale.clear();
        let mut after = FIRST_TEMPLATE - 1;
        while let Some(slot) = self.records.slot_after(after)? {
            after = slot;
            self.next_slot = slot.checked_add(1).ok_or(FlashStoreError::Damaged)?;
            let template = self.fetch(slot)?;
            let is_ours = template.model() == self.held.templates.model();
            let slots = match is_ours {
                true => &mut self.slots,
                false => &mut self.stale,
            };
            slots.push(slot).map_err(|_| FlashStoreError::Damaged)?;
            if is_ours {
                self.held.templates.insert(template)?;
            }
        }
        Ok(())
    }

    /// The template of a slot in the half in use.
    fn fetch(&mut self, slot: u32) -> Result<Template<SHOTS, DIM>, FlashStoreError<F::Error>> {
        let bytes = self.records.fetch(slot)?.ok_or(FlashStoreError::Damaged)?;
        let decoded = match Template::decode(bytes) {
            Ok((template, [])) => Ok(template),
            _ => Err(FlashStoreError::Damaged),
        };
        bytes.zeroize();
        decoded
    }

    /// Goes over to the other half with all templates but the one of `removed` and, unless
    /// they are kept, those of other models, and with another one; then erases this one.
    fn rewrite(
        &mut self,
        removed: Option<u32>,
        added: Option<(u32, &Template<SHOTS, DIM>)>,
        keeps_stale: bool,
    ) -> Result<Moved<F::Error>, FlashStoreError<F::Error>> {
        let records = &mut self.records;
        let mut going = records.begin_move()?;
        // By what is known to be kept: what cannot be read must not pass for removed.
        for (state, bytes) in self.held.states.all() {
            records.take_along(&mut going, state.slot(), |place| copy(bytes, place))?;
        }
        let held = self.held.templates.templates();
        for (slot, template) in self.slots.iter().zip(held) {
            if Some(*slot) != removed {
                records.take_along(&mut going, *slot, |place| template.encode(place).ok())?;
            }
        }
        let stale = if keeps_stale { self.stale.len() } else { 0 };
        for place in 0..stale {
            if let Some(slot) = self.stale.get(place).copied() {
                let template = self.fetch(slot)?;
                let content = |place: &mut [u8]| template.encode(place).ok();
                self.records.take_along(&mut going, slot, content)?;
            }
        }
        if let Some((slot, template)) = added {
            let content = |place: &mut [u8]| template.encode(place).ok();
            self.records.take_along(&mut going, slot, content)?;
        }
        self.records.finish_move(going)
    }
}

/// Writes bytes to the front of a place; how many, if they fit.
fn copy(bytes: &[u8], place: &mut [u8]) -> Option<usize> {
    copy_front(place.get_mut(..bytes.len())?, bytes);
    Some(bytes.len())
}

impl<F, B, const SUBJECTS: usize, const SHOTS: usize, const DIM: usize> TemplateStore<SHOTS, DIM>
    for FlashStore<'_, F, B, SUBJECTS, SHOTS, DIM>
where
    F: NorFlash,
    B: AsMut<[u8]>,
{
    type Error = FlashStoreError<F::Error>;

    fn templates(&self) -> impl Iterator<Item = &Template<SHOTS, DIM>> {
        self.enrolled().iter()
    }

    // What calls it has made the template, and needs nothing of that any more.
    #[inline(never)]
    fn put(&mut self, template: Template<SHOTS, DIM>) -> Result<(), Self::Error> {
        let subject = template.subject_id();
        let mut places = self.enrolled().iter().zip(&self.slots);
        let earlier = places.find(|(template, _)| template.subject_id() == subject);
        let known = earlier.map(|(_, slot)| *slot);
        // What cannot be compared here must not be written.
        self.held.templates.accepts(&template)?;
        if known.is_none() && self.slots.len() + self.stale.len() >= SUBJECTS {
            return Err(FlashStoreError::Stale {
                stale: self.stale.len(),
            });
        }
        let slot = known.unwrap_or(self.next_slot);
        let next = slot.checked_add(1).ok_or(FlashStoreError::Damaged)?;
        // A half that should be gone must not come back with an earlier or a later mark.
        self.records.make_other_blank()?;
        if self.records.has_room()? {
            let content = |place: &mut [u8]| template.encode(place).ok();
            if let Err(error) = self.records.append(slot, content) {
                // It may be there all the same, and must not come back.
                let _ = self.rewrite(None, None, true);
                return Err(error);
            }
        } else {
            let moved = self.rewrite(known, Some((slot, &template)), true)?;
            // It is written; the half that was is erased at the next start.
            let _ = moved.erased;
        }
        self.held.templates.insert(template)?;
        if known.is_none() {
            self.next_slot = next;
            // As many as are enrolled, for whom there was a place.
            let _ = self.slots.push(slot);
        }
        Ok(())
    }

    fn remove(&mut self, subject: &str) -> Result<bool, Self::Error> {
        let mut templates = self.enrolled().iter();
        let Some(place) = templates.position(|template| template.subject() == subject) else {
            // What an earlier removal could not erase goes now.
            self.records.make_other_blank()?;
            return Ok(false);
        };
        let slot = *self.slots.get(place).ok_or(FlashStoreError::Damaged)?;
        let moved = self.rewrite(Some(slot), None, true)?;
        self.held.templates.remove(subject);
        self.slots.retain(|other| *other != slot);
        // The subject is gone, but what is left of it must go too.
        moved.erased.map(|()| true)
    }

    fn drift(&self, subject: &str) -> Option<Drift> {
        self.held.templates.drift(subject)
    }

    /// In memory only.
    fn keep_drift(&mut self, subject: &str, drift: Drift) -> Result<(), Self::Error> {
        self.held.templates.keep_drift(subject, drift);
        Ok(())
    }

    fn stale_count(&self) -> usize {
        self.stale.len()
    }

    fn remove_stale(&mut self) -> Result<(), Self::Error> {
        if self.stale.is_empty() {
            return self.records.make_other_blank();
        }
        let moved = self.rewrite(None, None, false)?;
        self.stale.clear();
        moved.erased
    }
}

impl<F, B, const SUBJECTS: usize, const SHOTS: usize, const DIM: usize> StateStore
    for FlashStore<'_, F, B, SUBJECTS, SHOTS, DIM>
where
    F: NorFlash,
    B: AsMut<[u8]>,
{
    type Error = FlashStoreError<F::Error>;

    fn state(&self, state: State) -> &[u8] {
        self.held.states.get(state)
    }

    fn set_state(&mut self, state: State, bytes: &[u8]) -> Result<(), Self::Error> {
        let (expected, found) = (MAX_STATE, bytes.len());
        if found > expected {
            return Err(FlashStoreError::Buffer { expected, found });
        }
        self.records.make_other_blank()?;
        if self.records.has_room()? {
            let content = |place: &mut [u8]| copy(bytes, place);
            if let Err(error) = self.records.append(state.slot(), content) {
                let _ = self.rewrite(None, None, true);
                return Err(error);
            }
            self.held.states.set(state, bytes);
            return Ok(());
        }
        let earlier = self.held.states.replace(state, bytes);
        let moved = self.rewrite(None, None, true);
        if let (Err(_), Some(earlier)) = (&moved, earlier) {
            self.held.states.set(state, &earlier);
        }
        // It is written; the half that was is erased at the next start.
        let _ = moved?.erased;
        Ok(())
    }
}
