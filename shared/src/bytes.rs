//! Bounds-checked little-endian reading and writing over byte slices.

/// Copies as much of `from` as there is, and as `to` has room for, to the front of `to`.
pub fn copy_front(to: &mut [u8], from: &[u8]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to = *from;
    }
}

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
        copy_front(self.buffer.get_mut(self.written..end)?, bytes);
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

/// CRC-32 as zlib and Ethernet compute it (reflected, polynomial 0x04C11DB7).
pub(crate) fn crc32(bytes: &[u8]) -> u32 {
    #[cfg(feature = "fast-checksum")]
    return crc32fast::hash(bytes);
    #[cfg(not(feature = "fast-checksum"))]
    small::crc32(bytes)
}

/// For boards: a kilobyte of table.
#[cfg(any(test, not(feature = "fast-checksum")))]
mod small {
    pub(super) static CRC: crc::Crc<u32, crc::Table<1>> =
        crc::Crc::<u32, crc::Table<1>>::new(&crc::CRC_32_ISO_HDLC);

    pub(super) fn crc32(bytes: &[u8]) -> u32 {
        CRC.checksum(bytes)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn checksums_do_not_depend_on_who_computes_them(
            bytes in proptest::collection::vec(any::<u8>(), 0..2000),
        ) {
            prop_assert_eq!(super::crc32(&bytes), super::small::crc32(&bytes));
        }
    }

    #[test]
    fn the_checksum_is_the_one_of_the_catalogue() {
        assert_eq!(super::crc32(b"123456789"), 0xCBF4_3926);
        assert_eq!(super::small::crc32(b"123456789"), 0xCBF4_3926);
    }
}
