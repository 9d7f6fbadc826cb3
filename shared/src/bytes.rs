//! Bounds-checked little-endian reading and writing over byte slices.

use core::ops::Range;

/// Reads forward through a slice; every read answers `None` past the end.
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.rest.split_at_checked(count)?;
        self.rest = tail;
        Some(head)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.array().map(|[byte]| byte)
    }

    pub(crate) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }
}

/// Writes forward through a buffer; every write answers `None` when it is full.
pub(crate) struct Writer<'a> {
    buffer: &'a mut [u8],
    written: usize,
}

impl<'a> Writer<'a> {
    pub(crate) fn new(buffer: &'a mut [u8]) -> Self {
        Self { buffer, written: 0 }
    }

    pub(crate) fn put(&mut self, bytes: &[u8]) -> Option<()> {
        let end = self.written.checked_add(bytes.len())?;
        self.buffer
            .get_mut(self.written..end)?
            .copy_from_slice(bytes);
        self.written = end;
        Some(())
    }

    pub(crate) fn written(&self) -> usize {
        self.written
    }

    /// The bytes written so far.
    pub(crate) fn as_slice(&self) -> &[u8] {
        self.buffer.get(..self.written).unwrap_or(&[])
    }
}

/// A kilobyte of table: what is long, as weights are, has a hash of its own.
static CRC: crc::Crc<u32, crc::Table<1>> =
    crc::Crc::<u32, crc::Table<1>>::new(&crc::CRC_32_ISO_HDLC);

/// CRC-32 as zlib and Ethernet compute it (reflected, polynomial 0x04C11DB7).
pub(crate) fn crc32(bytes: &[u8]) -> u32 {
    CRC.checksum(bytes)
}

/// The same of `bytes` without the ranges `left_out`, which follow each other; none where
/// they do not, or end elsewhere.
pub(crate) fn crc32_without(bytes: &[u8], left_out: &[Range<usize>]) -> Option<u32> {
    let mut digest = CRC.digest();
    let mut from = 0;
    for range in left_out {
        digest.update(bytes.get(from..range.start)?);
        from = range.end;
    }
    digest.update(bytes.get(from..)?);
    Some(digest.finalize())
}
