//! Templates in the flash of a board.
//!
//! Two halves of the region hold a map each, of which one is in use. Templates are added
//! and replaced in that one, where the earlier record stays until the new one is whole.
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

use embassy_futures::block_on;
use embedded_storage::nor_flash::NorFlash;
use heapless::Vec;
use sequential_storage::cache::{Cache, Uncached};
use sequential_storage::map::{MapConfig, MapStorage};
use shared::ModelId;
use shared::support_set::{Comparison, SupportSet};
use shared::template::Template;

use super::TemplateStore;

mod blank;
mod blocking;
mod error;
mod record;

use blank::{is_blank, written_end};
use blocking::Blocking;
pub use error::FlashStoreError;
use error::map_error;
use record::{END, Record};

/// The key of the mark; templates have the keys from 1 on, in order of enrolment.
const MARK: u32 = 0;

/// What is added to a record: a header and the key before it, and an [`END`].
const OVERHEAD: usize = 8 + size_of::<u32>() + 1;

/// The largest unit that flash is written in, bytes.
const LARGEST_WORD: usize = 32;

/// Bytes of the header of a mark, and of its key and value.
const MARK_PART: usize = 8;

/// Places that a half needs beside those of subjects: for the mark, and for the record that
/// replaces another.
const SPARE: usize = 2;

/// Up to `SUBJECTS` templates in a region of a flash, and in memory as long as the program
/// runs. `B` is a buffer for one record, borrowed or owned.
#[derive(Debug)]
pub struct FlashStore<'m, F, B, const SUBJECTS: usize, const SHOTS: usize, const DIM: usize> {
    flash: F,
    half: Half,
    region: Range<u32>,
    generation: u32,
    record: B,
    enrolled: &'m mut SupportSet<SUBJECTS, SHOTS, DIM>,
    /// Keys of `enrolled`, in its order.
    keys: Vec<u32, SUBJECTS>,
    /// Keys of templates of other models.
    stale: Vec<u32, SUBJECTS>,
    next_key: u32,
    /// Whether the half in use has nothing in it but whole records.
    is_clean: bool,
    /// Whether a write failed, so that the half in use may hold what was not acknowledged.
    failed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Half {
    First,
    Second,
}

impl Half {
    fn other(self) -> Self {
        match self {
            Self::First => Self::Second,
            Self::Second => Self::First,
        }
    }

    /// Its part of a region.
    fn of(self, region: &Range<u32>) -> Range<u32> {
        let middle = region.start + region.end.saturating_sub(region.start) / 2;
        match self {
            Self::First => region.start..middle,
            Self::Second => middle..region.end,
        }
    }
}

/// Bytes of the buffer that a store needs for one record.
pub const fn record_len<const SHOTS: usize, const DIM: usize>() -> usize {
    (OVERHEAD + Template::<SHOTS, DIM>::MAX_ENCODED_LEN).next_multiple_of(LARGEST_WORD)
}

impl<'m, F, B, const SUBJECTS: usize, const SHOTS: usize, const DIM: usize>
    FlashStore<'m, F, B, SUBJECTS, SHOTS, DIM>
where
    F: NorFlash,
    B: AsMut<[u8]>,
{
    /// Reads the templates of `model` from `region` of `flash`; one that is blank becomes
    /// an empty store. `record` has [`record_len`] bytes; `enrolled` is where templates
    /// are held, whatever was there. What a loss of power left unfinished is finished.
    ///
    /// # Errors
    /// [`FlashStoreError::Region`] and [`FlashStoreError::Buffer`] for memory that does
    /// not suffice; [`FlashStoreError::Damaged`] when the region holds something else, or
    /// what it held was destroyed; [`FlashStoreError::Flash`].
    #[inline(never)]
    pub fn open(
        flash: F,
        region: Range<u32>,
        model: ModelId,
        comparison: Comparison,
        mut record: B,
        enrolled: &'m mut SupportSet<SUBJECTS, SHOTS, DIM>,
    ) -> Result<Self, FlashStoreError<F::Error>> {
        Self::check(&region)?;
        let (expected, found) = (record_len::<SHOTS, DIM>(), record.as_mut().len());
        if found < expected {
            return Err(FlashStoreError::Buffer { expected, found });
        }
        enrolled.begin(model, comparison);
        let mut store = Self {
            flash,
            half: Half::First,
            region,
            generation: 0,
            record,
            enrolled,
            keys: Vec::new(),
            stale: Vec::new(),
            next_key: MARK + 1,
            is_clean: false,
            failed: false,
        };
        store.find_half()?;
        store.read()?;
        Ok(store)
    }

    /// Erases `region` of `flash`, whatever it holds: [`open`](Self::open) finds an empty
    /// store then.
    ///
    /// # Errors
    /// [`FlashStoreError::Region`], [`FlashStoreError::Flash`].
    pub fn erase(flash: &mut F, region: Range<u32>) -> Result<(), FlashStoreError<F::Error>> {
        Self::check(&region)?;
        flash
            .erase(region.start, region.end)
            .map_err(FlashStoreError::Flash)
    }

    /// The flash, when the store is not needed any more.
    pub fn into_flash(self) -> F {
        self.flash
    }

    fn held(&self) -> &[Template<SHOTS, DIM>] {
        SupportSet::templates(self.enrolled)
    }

    /// Bytes of the longest record as it lies in flash, and of a word.
    fn item_and_word() -> (usize, usize) {
        let word = F::WRITE_SIZE.max(F::READ_SIZE);
        // Header and data begin at a word each.
        let item = OVERHEAD + Template::<SHOTS, DIM>::MAX_ENCODED_LEN + word;
        (item.next_multiple_of(word), word)
    }

    /// Both halves of a region must have room for all that a store of this size may hold.
    fn check(region: &Range<u32>) -> Result<(), FlashStoreError<F::Error>> {
        let page = F::ERASE_SIZE;
        let (item, word) = Self::item_and_word();
        // As the map lays pages out: a word at each end marks their state.
        let in_page = page.saturating_sub(2 * word) / item;
        let expected = match in_page {
            0 => usize::MAX,
            // The map wants one free page.
            _ => 2 * page * ((SUBJECTS + SPARE).div_ceil(in_page) + 1),
        };
        let found = region.end.saturating_sub(region.start) as usize;
        let is_whole = region.start.is_multiple_of(page as u32) && found.is_multiple_of(2 * page);
        if word > LARGEST_WORD || !is_whole || found < expected {
            return Err(FlashStoreError::Region {
                expected,
                found,
                page,
            });
        }
        Ok(())
    }

    /// Takes the half with the later mark, and makes the other one blank.
    fn find_half(&mut self) -> Result<(), FlashStoreError<F::Error>> {
        let marks = [self.mark(Half::First), self.mark(Half::Second)];
        let (half, generation) = match marks {
            // What cannot be read now may be read at the next start: nothing is decided.
            [Err(error @ FlashStoreError::Flash(_)), _]
            | [_, Err(error @ FlashStoreError::Flash(_))] => return Err(error),
            [Ok(Some(first)), Ok(Some(second))] if second > first => (Half::Second, second),
            [Ok(Some(first)), _] => (Half::First, first),
            [_, Ok(Some(second))] => (Half::Second, second),
            // Nothing was ever promised: at most the first mark was cut off.
            [Ok(None), Ok(None)] if self.is_beginning()? => {
                self.make_blank(Half::First)?;
                self.make_blank(Half::Second)?;
                self.set_mark(Half::First, 1)?;
                (Half::First, 1)
            }
            [Err(error), _] | [_, Err(error)] => return Err(error),
            _ => return Err(FlashStoreError::Damaged),
        };
        self.half = half;
        self.generation = generation;
        self.make_blank(half.other())
    }

    /// Whether nothing is there but a beginning of the first mark.
    fn is_beginning(&mut self) -> Result<bool, FlashStoreError<F::Error>> {
        let word = F::WRITE_SIZE.max(F::READ_SIZE);
        // The page's state; the header of the item; its key and value.
        let first = word + 2 * MARK_PART.next_multiple_of(word);
        let rest = self.region.start.saturating_add(first as u32)..self.region.end;
        is_blank(&mut self.flash, rest)
    }

    /// The mark of a half, if it has one.
    fn mark(&mut self, half: Half) -> Result<Option<u32>, FlashStoreError<F::Error>> {
        let range = half.of(&self.region);
        if is_blank(&mut self.flash, range.clone())? {
            return Ok(None);
        }
        let mut map = map(&mut self.flash, range)?;
        block_on(map.fetch_item::<u32>(self.record.as_mut(), &MARK)).map_err(map_error)
    }

    fn set_mark(&mut self, half: Half, generation: u32) -> Result<(), FlashStoreError<F::Error>> {
        let mut map = map(&mut self.flash, half.of(&self.region))?;
        block_on(map.store_item(self.record.as_mut(), &MARK, &generation)).map_err(map_error)
    }

    fn make_blank(&mut self, half: Half) -> Result<(), FlashStoreError<F::Error>> {
        let range = half.of(&self.region);
        // What cannot be read is erased too.
        if let Ok(true) = is_blank(&mut self.flash, range.clone()) {
            return Ok(());
        }
        let erased = self.flash.erase(range.start, range.end);
        erased.map_err(FlashStoreError::Flash)
    }

    /// Reads the half in use.
    fn read(&mut self) -> Result<(), FlashStoreError<F::Error>> {
        // Records come as they lie, earlier ones of a key before later ones; keys say the
        // order.
        let mut after = MARK;
        while let Some(key) = self.key_after(after)? {
            after = key;
            self.next_key = key.checked_add(1).ok_or(FlashStoreError::Damaged)?;
            let template = self.fetch(key)?;
            let is_ours = template.model() == self.enrolled.model();
            let keys = match is_ours {
                true => &mut self.keys,
                false => &mut self.stale,
            };
            keys.push(key).map_err(|_| FlashStoreError::Damaged)?;
            if is_ours {
                self.enrolled.insert(template)?;
            }
        }
        Ok(())
    }

    /// The least key above `after` in the half in use.
    fn key_after(&mut self, after: u32) -> Result<Option<u32>, FlashStoreError<F::Error>> {
        let mut map = map(&mut self.flash, self.half.of(&self.region))?;
        let buffer = self.record.as_mut();
        block_on(async {
            let mut least = None;
            let mut items = map.fetch_all_items(buffer).await?;
            while let Some((key, _)) = items.next::<&[u8]>(buffer).await? {
                if key > after && least.is_none_or(|least| key < least) {
                    least = Some(key);
                }
            }
            Ok(least)
        })
        .map_err(map_error)
    }

    /// The template of a key in the half in use.
    fn fetch(&mut self, key: u32) -> Result<Template<SHOTS, DIM>, FlashStoreError<F::Error>> {
        let mut map = map(&mut self.flash, self.half.of(&self.region))?;
        let fetched = block_on(map.fetch_item::<&[u8]>(self.record.as_mut(), &key));
        let bytes = fetched.map_err(map_error)?;
        match Template::decode(bytes.ok_or(FlashStoreError::Damaged)?) {
            Ok((template, [END])) => Ok(template),
            _ => Err(FlashStoreError::Damaged),
        }
    }

    /// Writes a template to a half.
    fn write(
        &mut self,
        half: Half,
        key: u32,
        template: &Template<SHOTS, DIM>,
    ) -> Result<(), FlashStoreError<F::Error>> {
        let mut map = map(&mut self.flash, half.of(&self.region))?;
        let record = Record(template);
        block_on(map.store_item(self.record.as_mut(), &key, &record)).map_err(map_error)
    }

    /// Whether the half in use takes another record without the map moving others.
    fn has_room(&mut self) -> Result<bool, FlashStoreError<F::Error>> {
        let range = self.half.of(&self.region);
        let page = F::ERASE_SIZE as u32;
        let end = written_end(&mut self.flash, range.clone())?;
        // The page that is written, and the one after the next, which stays free.
        let current = end.saturating_sub(1).max(range.start) / page;
        let next_page = current.saturating_add(1).saturating_mul(page);
        if next_page.saturating_add(2 * page) <= range.end {
            return Ok(true);
        }
        let (item, word) = Self::item_and_word();
        let last = (item + 2 * word) as u32;
        Ok(self.is_clean && end.saturating_add(last) <= next_page)
    }

    /// Goes over to the other half with all templates but the one of `removed` and, unless
    /// they are kept, those of other models, and with another one; then erases this one.
    fn rewrite(
        &mut self,
        removed: Option<u32>,
        added: Option<(u32, &Template<SHOTS, DIM>)>,
        keeps_stale: bool,
    ) -> Result<Moved<F::Error>, FlashStoreError<F::Error>> {
        let (from, to) = (self.half, self.half.other());
        let generation = self.generation.checked_add(1);
        let generation = generation.ok_or(FlashStoreError::Damaged)?;
        self.make_blank(to)?;
        // By what is known to be kept: what cannot be read must not pass for removed.
        for place in 0..self.keys.len() {
            let (key, template) = match (self.keys.get(place), self.held().get(place)) {
                (Some(key), Some(template)) if Some(*key) != removed => (*key, template.clone()),
                _ => continue,
            };
            self.write(to, key, &template)?;
        }
        let stale = if keeps_stale { self.stale.len() } else { 0 };
        for place in 0..stale {
            if let Some(key) = self.stale.get(place).copied() {
                let template = self.fetch(key)?;
                self.write(to, key, &template)?;
            }
        }
        if let Some((key, template)) = added {
            self.write(to, key, template)?;
        }
        self.set_mark(to, generation)?;
        self.half = to;
        self.generation = generation;
        self.is_clean = true;
        self.failed = false;
        let erased = self.make_blank(from);
        Ok(Moved { erased })
    }
}

impl<F, B, const SUBJECTS: usize, const SHOTS: usize, const DIM: usize> TemplateStore<SHOTS, DIM>
    for FlashStore<'_, F, B, SUBJECTS, SHOTS, DIM>
where
    F: NorFlash,
    B: AsMut<[u8]>,
{
    type Error = FlashStoreError<F::Error>;

    fn templates(&self) -> impl Iterator<Item = &Template<SHOTS, DIM>> {
        self.held().iter()
    }

    fn put(&mut self, template: Template<SHOTS, DIM>) -> Result<(), Self::Error> {
        let subject = template.subject_id();
        let mut places = self.held().iter().zip(&self.keys);
        let earlier = places.find(|(template, _)| template.subject_id() == subject);
        let known = earlier.map(|(_, key)| *key);
        // What cannot be compared here must not be written.
        self.enrolled.accepts(&template)?;
        if known.is_none() && self.keys.len() + self.stale.len() >= SUBJECTS {
            return Err(FlashStoreError::Stale {
                stale: self.stale.len(),
            });
        }
        let key = known.unwrap_or(self.next_key);
        let next = key.checked_add(1).ok_or(FlashStoreError::Damaged)?;
        // A half that should be gone must not come back with an earlier or a later mark.
        self.make_blank(self.half.other())?;
        // After an error the half in use may hold what was refused.
        let written = match !self.failed && self.has_room()? {
            true => self.write(self.half, key, &template),
            false => {
                let moved = self.rewrite(known, Some((key, &template)), true)?;
                // It is written; the half that was is erased at the next start.
                let _ = moved.erased;
                Ok(())
            }
        };
        if written.is_err() {
            self.is_clean = false;
            self.failed = true;
            // It may be there all the same, and must not come back.
            let _ = self.rewrite(None, None, true);
        }
        written?;
        self.enrolled.insert(template)?;
        if known.is_none() {
            self.next_key = next;
            // As many as are enrolled, for whom there was a place.
            let _ = self.keys.push(key);
        }
        Ok(())
    }

    fn remove(&mut self, subject: &str) -> Result<bool, Self::Error> {
        let mut templates = self.held().iter();
        let Some(place) = templates.position(|template| template.subject() == subject) else {
            // What an earlier removal could not erase goes now.
            self.make_blank(self.half.other())?;
            return Ok(false);
        };
        let key = *self.keys.get(place).ok_or(FlashStoreError::Damaged)?;
        let moved = self.rewrite(Some(key), None, true)?;
        self.enrolled.remove(subject);
        self.keys.retain(|other| *other != key);
        // The subject is gone, but what is left of it must go too.
        moved.erased.map(|()| true)
    }

    fn stale_count(&self) -> usize {
        self.stale.len()
    }

    fn remove_stale(&mut self) -> Result<(), Self::Error> {
        if self.stale.is_empty() {
            return self.make_blank(self.half.other());
        }
        let moved = self.rewrite(None, None, false)?;
        self.stale.clear();
        moved.erased
    }
}

/// The other half is the one in use.
struct Moved<E> {
    /// Whether the half that was is erased.
    erased: Result<(), FlashStoreError<E>>,
}

/// The map in a part of the flash.
type Map<'a, F> = MapStorage<u32, Blocking<&'a mut F>, NoCache>;
type NoCache = Cache<Uncached, Uncached, Uncached, u32>;

fn map<F: NorFlash>(
    flash: &mut F,
    range: Range<u32>,
) -> Result<Map<'_, F>, FlashStoreError<F::Error>> {
    let config = MapConfig::try_new(range).map_err(|_| FlashStoreError::Damaged)?;
    Ok(MapStorage::new(
        Blocking(flash),
        config,
        Cache::new_uncached(),
    ))
}
