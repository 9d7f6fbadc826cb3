//! How long somebody who was rejected must wait before the next attempt.
//!
//! Three failures in a row are free; then the wait is 30 s, and doubles with each further one,
//! up to a day. Whoever claims to be a subject is counted by that claim, so that one subject's
//! success does not forgive attempts at another, as long as there are places for both; who asks to be identified claims nothing,
//! and is counted with those who claim to be nobody enrolled.
//!
//! Counts are kept where they outlive a reset, and are counted *before* an attempt is looked
//! at: power that fails in between gives nothing away. Times are not kept: after a reset the
//! whole wait begins anew.

use heapless::Vec;

use crate::bytes::{Reader, Writer, crc32};

/// Failures that cost no wait.
pub const FREE: u8 = 3;

/// The first wait, seconds.
pub const FIRST_WAIT: u32 = 30;

/// The longest wait, seconds.
pub const LONGEST_WAIT: u32 = 24 * 60 * 60;

/// Claims that are counted one by one; further ones share a count.
pub const CLAIMS: usize = 16;

/// The most bytes of [`Lockout::encode`].
pub const ENCODED_LEN: usize = 2 + CLAIMS * 5;

/// The wait after so many failures in a row, seconds.
pub fn wait_after(failures: u8) -> u32 {
    match failures.checked_sub(FREE) {
        None => 0,
        Some(more) => FIRST_WAIT
            .checked_shl(more.into())
            .filter(|_| more < 12)
            .map_or(LONGEST_WAIT, |wait| wait.min(LONGEST_WAIT)),
    }
}

/// What an attempt claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim<'a> {
    /// To be this subject, who is enrolled.
    Subject(&'a str),
    /// Nothing, or to be nobody enrolled.
    Nobody,
}

/// Failures in a row, and when the last one was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Count {
    failures: u8,
    /// By the clock that counts from the device's start, seconds.
    at: u32,
}

impl Count {
    /// The wait that is left, seconds.
    fn left(&self, now: u32) -> u32 {
        let end = self.at.saturating_add(wait_after(self.failures));
        end.saturating_sub(now)
    }

    fn fail(&mut self, now: u32) {
        self.failures = self.failures.saturating_add(1);
        self.at = now;
    }
}

/// The failures of all claims.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lockout {
    nobody: Count,
    /// Of claims that found no place of their own.
    others: Count,
    claims: Vec<(u32, Count), CLAIMS>,
}

impl Lockout {
    /// Nobody failed.
    pub const fn new() -> Self {
        let none = Count { failures: 0, at: 0 };
        Self {
            nobody: none,
            others: none,
            claims: Vec::new(),
        }
    }

    /// Seconds to wait before the next attempt; 0 when there may be one now. `now` is in
    /// seconds since the device's start.
    pub fn left(&self, claim: Claim<'_>, now: u32) -> u32 {
        self.count(claim).left(now)
    }

    /// Failures in a row.
    pub fn failures(&self, claim: Claim<'_>) -> u8 {
        self.count(claim).failures
    }

    fn count(&self, claim: Claim<'_>) -> &Count {
        let Claim::Subject(subject) = claim else {
            return &self.nobody;
        };
        let key = key(subject);
        let mut claims = self.claims.iter();
        let own = claims.find(|(other, _)| *other == key);
        own.map_or(&self.others, |(_, count)| count)
    }

    /// Counts an attempt, as a failure until it succeeds.
    pub fn begin(&mut self, claim: Claim<'_>, now: u32) {
        let Claim::Subject(subject) = claim else {
            return self.nobody.fail(now);
        };
        let key = key(subject);
        let mut claims = self.claims.iter_mut();
        if let Some((_, count)) = claims.find(|(other, _)| *other == key) {
            return count.fail(now);
        }
        // It may have been among the others before.
        let mut count = self.others;
        count.fail(now);
        if self.claims.push((key, count)).is_err() {
            self.others.fail(now);
        }
    }

    /// Forgets a subject's own count: it is enrolled anew, or gone. Whether there was one.
    pub fn forget(&mut self, subject: &str) -> bool {
        let (key, before) = (key(subject), self.claims.len());
        self.claims.retain(|(other, _)| *other != key);
        self.claims.len() < before
    }

    /// The attempt succeeded.
    pub fn succeed(&mut self, claim: Claim<'_>) {
        match claim {
            Claim::Nobody => self.nobody = Count::default(),
            Claim::Subject(subject) => {
                if !self.forget(subject) {
                    self.others = Count::default();
                }
            }
        }
    }

    /// Writes all counts to the front of `buffer`, which has [`ENCODED_LEN`] bytes; those
    /// that were written.
    pub fn encode<'b>(&self, buffer: &'b mut [u8]) -> &'b [u8] {
        let length = self.write(&mut Writer::new(buffer)).unwrap_or(0);
        buffer.get(..length).unwrap_or_default()
    }

    fn write(&self, writer: &mut Writer<'_>) -> Option<usize> {
        writer.put(&[self.nobody.failures, self.others.failures])?;
        for (key, count) in &self.claims {
            writer.put(&key.to_le_bytes())?;
            writer.put(&[count.failures])?;
        }
        Some(writer.written())
    }

    /// Reads counts, whose waits all begin `now`; `None` for bytes that
    /// [`encode`](Self::encode) did not write.
    pub fn decode(bytes: &[u8], now: u32) -> Option<Self> {
        let mut lockout = Self::new();
        lockout.nobody.at = now;
        lockout.others.at = now;
        if bytes.is_empty() {
            return Some(lockout);
        }
        let mut reader = Reader::new(bytes);
        lockout.nobody.failures = reader.u8()?;
        lockout.others.failures = reader.u8()?;
        while !reader.rest().is_empty() {
            let key = reader.u32()?;
            let failures = reader.u8()?;
            let count = Count { failures, at: now };
            lockout.claims.push((key, count)).ok()?;
        }
        Some(lockout)
    }
}

/// What stands for a subject. Two with the same checksum share a count.
fn key(subject: &str) -> u32 {
    crc32(subject.as_bytes())
}
