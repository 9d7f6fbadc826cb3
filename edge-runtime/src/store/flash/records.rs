//! Sealed records in two halves of a region of a flash.

use core::ops::Range;

use embassy_futures::block_on;
use embedded_storage::nor_flash::NorFlash;
use sequential_storage::cache::{Cache, Uncached};
use sequential_storage::map::{MapConfig, MapStorage};
use shared::seal::{self, KeyId, Label};

use super::FlashStoreError;
use super::blank::{is_blank, written_end};
use super::blocking::{Access, Blocking};
use super::error::map_error;
use super::record::{END, Record};
use crate::keys::Keys;

/// The slot of the mark.
const MARK: u32 = 0;

/// What is added to a content: the item's header and the slot before it, the seal, and an
/// [`END`].
const OVERHEAD: usize = ITEM_PART + size_of::<u32>() + seal::OVERHEAD + 1;

/// Bytes of an item's header.
const ITEM_PART: usize = 8;

/// The largest unit that flash is written in, bytes.
pub(super) const LARGEST_WORD: usize = 32;

/// Places that a half needs beside those of its records: for the mark, and for the record
/// that replaces another.
const SPARE: usize = 2;

/// Bytes of the buffer for records of at most `content` bytes.
pub(super) const fn buffer_len(content: usize) -> usize {
    (OVERHEAD + content).next_multiple_of(LARGEST_WORD)
}

/// How many records there may be, and of how many bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Size {
    pub(super) records: usize,
    pub(super) content: usize,
}

/// The half in use, and the way over to the other one.
#[derive(Debug)]
pub(super) struct Records<F, B> {
    flash: F,
    region: Range<u32>,
    half: Half,
    buffer: B,
    size: Size,
    keys: Keys,
    /// The number of the change that the half in use began with.
    mark: u32,
    /// The number of the last change.
    change: u32,
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

/// The other half is the one in use.
pub(super) struct Moved<E> {
    /// Whether the half that was is erased.
    pub(super) erased: Result<(), FlashStoreError<E>>,
}

/// The mark of a half.
#[derive(Clone, Copy)]
struct Mark {
    change: u32,
    key: KeyId,
    /// How many records were written before it.
    count: u32,
}

/// A record that was opened, in the buffer.
struct Found {
    change: u32,
    key: KeyId,
    /// Where in the buffer its content is.
    content: Range<usize>,
}

/// Writes a number of records.
fn count_to(place: &mut [u8], count: u32) -> Option<usize> {
    *place.first_chunk_mut()? = count.to_le_bytes();
    Some(size_of::<u32>())
}

impl<F: NorFlash, B: AsMut<[u8]>> Records<F, B> {
    /// Takes the half with the later mark, and makes the other one blank.
    pub(super) fn open(
        flash: F,
        region: Range<u32>,
        mut buffer: B,
        size: Size,
        keys: Keys,
    ) -> Result<Self, FlashStoreError<F::Error>> {
        check::<F>(&region, size)?;
        let (expected, found) = (buffer_len(size.content), buffer.as_mut().len());
        if found < expected {
            return Err(FlashStoreError::Buffer { expected, found });
        }
        let mut records = Self {
            flash,
            region,
            half: Half::First,
            buffer,
            size,
            keys,
            mark: 0,
            change: 0,
            is_clean: false,
            failed: false,
        };
        records.find_half()?;
        Ok(records)
    }

    pub(super) fn into_flash(self) -> F {
        self.flash
    }

    /// The number of the last change.
    pub(super) fn change(&self) -> u32 {
        self.change
    }

    fn find_half(&mut self) -> Result<(), FlashStoreError<F::Error>> {
        let marks = [self.mark(Half::First), self.mark(Half::Second)];
        let (half, mark) = match marks {
            // What cannot be read now may be read at the next start: nothing is decided.
            [Err(error @ FlashStoreError::Flash(_)), _]
            | [_, Err(error @ FlashStoreError::Flash(_))] => return Err(error),
            [Ok(Some(first)), Ok(Some(second))] if second.change > first.change => {
                (Half::Second, second)
            }
            [Ok(Some(first)), _] => (Half::First, first),
            [_, Ok(Some(second))] => (Half::Second, second),
            // Nothing was ever promised: at most the first mark was cut off.
            [Ok(None), Ok(None)] if self.is_beginning()? => {
                self.make_blank(Half::First)?;
                self.make_blank(Half::Second)?;
                let key = self.keys.current.key_id();
                self.write(Half::First, MARK, 1, |place| count_to(place, 0))?;
                let (change, count) = (1, 0);
                (Half::First, Mark { change, key, count })
            }
            [Err(error), _] | [_, Err(error)] => return Err(error),
            _ => return Err(FlashStoreError::Damaged),
        };
        self.half = half;
        self.mark = mark.change;
        self.change = mark.change;
        self.keys.found(mark.key);
        self.check_changes(mark)?;
        self.make_blank(half.other())
    }

    /// No record of the half in use may be missing but the last one, which power may have
    /// failed in: so many came with the mark, and one with each change after it.
    fn check_changes(&mut self, mark: Mark) -> Result<(), FlashStoreError<F::Error>> {
        let half = self.half.of(&self.region);
        let mut map = map(&mut self.flash, half, Access::Read)?;
        let buffer = self.buffer.as_mut();
        let (mut moved, mut change) = (0, mark.change);
        let is_whole = block_on(async {
            let mut items = map.fetch_all_items(buffer).await?;
            while let Some((slot, record)) = items.next::<&[u8]>(buffer).await? {
                match seal::label_of(record) {
                    Ok(label) if label.slot != slot => return Ok(false),
                    Ok(label) if label.change == mark.change && change == mark.change => {
                        moved += u32::from(slot != MARK);
                    }
                    Ok(label) if Some(label.change) == change.checked_add(1) => {
                        change = label.change;
                    }
                    _ => return Ok(false),
                }
            }
            Ok(moved == mark.count)
        });
        match is_whole.map_err(map_error)? {
            true => Ok(()),
            false => Err(FlashStoreError::Damaged),
        }
    }

    /// Whether the half in use is sealed with a key that was replaced.
    pub(super) fn is_outdated(&self) -> bool {
        self.keys.previous.is_some()
    }

    /// Whether nothing is there but a beginning of the first mark.
    fn is_beginning(&mut self) -> Result<bool, FlashStoreError<F::Error>> {
        let word = F::WRITE_SIZE.max(F::READ_SIZE);
        // The page's state; the header of the item; its data.
        let data = OVERHEAD - ITEM_PART + size_of::<u32>();
        let item = ITEM_PART.next_multiple_of(word) + data.next_multiple_of(word);
        let rest = self.region.start.saturating_add((word + item) as u32)..self.region.end;
        is_blank(&mut self.flash, rest)
    }

    /// The mark of a half, if it has one.
    fn mark(&mut self, half: Half) -> Result<Option<Mark>, FlashStoreError<F::Error>> {
        if is_blank(&mut self.flash, half.of(&self.region))? {
            return Ok(None);
        }
        let Some(found) = self.read(half, MARK)? else {
            return Ok(None);
        };
        let Found {
            change,
            key,
            content,
        } = found;
        let count = self.buffer.as_mut().get(content);
        let count = count.and_then(|count| <[u8; 4]>::try_from(count).ok());
        let count = u32::from_le_bytes(count.ok_or(FlashStoreError::Damaged)?);
        Ok(Some(Mark { change, key, count }))
    }

    pub(super) fn make_other_blank(&mut self) -> Result<(), FlashStoreError<F::Error>> {
        self.make_blank(self.half.other())
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

    /// The least slot above `after` in the half in use. Records come as they lie, earlier
    /// ones of a slot before later ones; slots say the order.
    pub(super) fn slot_after(
        &mut self,
        after: u32,
    ) -> Result<Option<u32>, FlashStoreError<F::Error>> {
        let mut map = map(&mut self.flash, self.half.of(&self.region), Access::Read)?;
        let buffer = self.buffer.as_mut();
        block_on(async {
            let mut least = None;
            let mut items = map.fetch_all_items(buffer).await?;
            while let Some((slot, _)) = items.next::<&[u8]>(buffer).await? {
                if slot > after && least.is_none_or(|least| slot < least) {
                    least = Some(slot);
                }
            }
            Ok(least)
        })
        .map_err(map_error)
    }

    /// The content of a slot in the half in use.
    pub(super) fn fetch(
        &mut self,
        slot: u32,
    ) -> Result<Option<&mut [u8]>, FlashStoreError<F::Error>> {
        let Some(Found {
            change, content, ..
        }) = self.read(self.half, slot)?
        else {
            return Ok(None);
        };
        // What is older than the half was brought here from elsewhere.
        if change < self.mark {
            return Err(FlashStoreError::Damaged);
        }
        self.change = self.change.max(change);
        Ok(self.buffer.as_mut().get_mut(content))
    }

    /// Opens the record of a slot, in the buffer: its change and key, and where its content is.
    fn read(&mut self, half: Half, slot: u32) -> Result<Option<Found>, FlashStoreError<F::Error>> {
        let buffer = self.buffer.as_mut();
        let begin = buffer.as_ptr().addr();
        let mut map = map(&mut self.flash, half.of(&self.region), Access::Read)?;
        let fetched = block_on(map.fetch_item::<&[u8]>(buffer, &slot));
        let Some(record) = fetched.map_err(map_error)? else {
            return Ok(None);
        };
        let from = record.as_ptr().addr().saturating_sub(begin);
        let range = from..from.saturating_add(record.len());
        let record = self.buffer.as_mut().get_mut(range);
        let Some((record, [END])) = record.and_then(<[u8]>::split_last_chunk_mut) else {
            return Err(FlashStoreError::Damaged);
        };
        let key = seal::key_of(record).map_err(|_| FlashStoreError::Damaged)?;
        let sealer = self.keys.find(key).ok_or(FlashStoreError::OtherKey)?;
        let (len, opened) = (record.len(), sealer.open(record));
        match opened {
            Ok(opened) if opened.label.slot == slot && opened.len == len => {
                let content = from + seal::CONTENT;
                let content = content..content + opened.content.len();
                Ok(Some(Found {
                    change: opened.label.change,
                    key,
                    content,
                }))
            }
            _ => Err(FlashStoreError::Damaged),
        }
    }

    /// Seals what `content` writes, of which it says the length, and writes it to a half.
    fn write(
        &mut self,
        half: Half,
        slot: u32,
        change: u32,
        content: impl Fn(&mut [u8]) -> Option<usize>,
    ) -> Result<(), FlashStoreError<F::Error>> {
        let mut map = map(&mut self.flash, half.of(&self.region), Access::Write)?;
        let record = Record {
            sealer: &self.keys.current,
            label: Label { slot, change },
            content,
        };
        block_on(map.store_item(self.buffer.as_mut(), &slot, &record)).map_err(map_error)
    }

    /// Whether the half in use takes another record without the map moving others, and
    /// nothing in it was refused.
    pub(super) fn has_room(&mut self) -> Result<bool, FlashStoreError<F::Error>> {
        if self.failed || self.is_outdated() {
            return Ok(false);
        }
        let range = self.half.of(&self.region);
        let page = F::ERASE_SIZE as u32;
        let end = written_end(&mut self.flash, range.clone())?;
        // The page that is written, and the one after the next, which stays free.
        let current = end.saturating_sub(1).max(range.start) / page;
        let next_page = current.saturating_add(1).saturating_mul(page);
        if next_page.saturating_add(2 * page) <= range.end {
            return Ok(true);
        }
        let (item, word) = item_and_word::<F>(self.size);
        let last = (item + 2 * word) as u32;
        Ok(self.is_clean && end.saturating_add(last) <= next_page)
    }

    /// Adds a record to the half in use, in place of an earlier one of its slot.
    pub(super) fn append(
        &mut self,
        slot: u32,
        content: impl Fn(&mut [u8]) -> Option<usize>,
    ) -> Result<(), FlashStoreError<F::Error>> {
        let change = self.next_change()?;
        let written = self.write(self.half, slot, change, content);
        match written {
            Ok(()) => self.change = change,
            Err(_) => {
                self.is_clean = false;
                self.failed = true;
            }
        }
        written
    }

    fn next_change(&self) -> Result<u32, FlashStoreError<F::Error>> {
        self.change.checked_add(1).ok_or(FlashStoreError::Damaged)
    }

    /// Begins to go over to the other half, with the next change.
    pub(super) fn begin_move(&mut self) -> Result<Move, FlashStoreError<F::Error>> {
        let change = self.next_change()?;
        let to = self.half.other();
        self.make_blank(to)?;
        let count = 0;
        Ok(Move { to, change, count })
    }

    /// Writes a record to the half that is to be used.
    pub(super) fn take_along(
        &mut self,
        going: &mut Move,
        slot: u32,
        content: impl Fn(&mut [u8]) -> Option<usize>,
    ) -> Result<(), FlashStoreError<F::Error>> {
        going.count += 1;
        self.write(going.to, slot, going.change, content)
    }

    /// Uses the other half from now on, and erases this one.
    pub(super) fn finish_move(
        &mut self,
        going: Move,
    ) -> Result<Moved<F::Error>, FlashStoreError<F::Error>> {
        let mark = |place: &mut [u8]| count_to(place, going.count);
        if let Err(error) = self.write(going.to, MARK, going.change, mark) {
            // It may be there all the same, and must not count.
            let _ = self.make_blank(going.to);
            return Err(error);
        }
        let from = self.half;
        self.half = going.to;
        self.mark = going.change;
        self.change = going.change;
        self.is_clean = true;
        self.failed = false;
        self.keys.previous = None;
        let erased = self.make_blank(from);
        Ok(Moved { erased })
    }
}

/// On the way to the other half.
pub(super) struct Move {
    to: Half,
    change: u32,
    /// Records that were taken along.
    count: u32,
}

/// Bytes of the longest item as it lies in flash, and of a word.
fn item_and_word<F: NorFlash>(size: Size) -> (usize, usize) {
    let word = F::WRITE_SIZE.max(F::READ_SIZE);
    // Header and data begin at a word each.
    let item = OVERHEAD + size.content + word;
    (item.next_multiple_of(word), word)
}

/// Both halves of a region must have room for all that a store of this size may hold.
pub(super) fn check<F: NorFlash>(
    region: &Range<u32>,
    size: Size,
) -> Result<(), FlashStoreError<F::Error>> {
    let page = F::ERASE_SIZE;
    let (item, word) = item_and_word::<F>(size);
    // As the map lays pages out: a word at each end marks their state.
    let in_page = page.saturating_sub(2 * word) / item;
    let expected = match in_page {
        0 => usize::MAX,
        // The map wants one free page.
        _ => 2 * page * ((size.records + SPARE).div_ceil(in_page) + 1),
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

/// The map in a part of the flash.
type Map<'a, F> = MapStorage<u32, Blocking<&'a mut F>, NoCache>;
type NoCache = Cache<Uncached, Uncached, Uncached, u32>;

fn map<F: NorFlash>(
    flash: &mut F,
    range: Range<u32>,
    access: Access,
) -> Result<Map<'_, F>, FlashStoreError<F::Error>> {
    let config = MapConfig::try_new(range).map_err(|_| FlashStoreError::Damaged)?;
    Ok(MapStorage::new(
        Blocking { flash, access },
        config,
        Cache::new_uncached(),
    ))
}
