//! Volumes in NIfTI-1 files, <https://nifti.nimh.nih.gov/nifti-1>, compressed by gzip or not.
//!
//! Only what a volume's voxels need is read; how it lies in the body is not.

use std::io::Read;

use anyhow::{Context, Result, bail, ensure};
use flate2::read::MultiGzDecoder;
use shared::preprocess::MAX_SIDE;

/// The most bytes of voxels.
const MAX_VOXELS: u64 = 512 << 20;

/// The most bytes before the voxels, extensions among them.
const MAX_START: u64 = 16 << 20;

const HEADER: usize = 348;

/// What voxels are in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Type {
    U8,
    I8,
    U16,
    I16,
    U32,
    I32,
    F32,
    F64,
}

impl Type {
    /// By the header's code.
    fn of(code: i16) -> Option<Self> {
        Some(match code {
            2 => Self::U8,
            256 => Self::I8,
            512 => Self::U16,
            4 => Self::I16,
            768 => Self::U32,
            8 => Self::I32,
            16 => Self::F32,
            64 => Self::F64,
            _ => return None,
        })
    }

    fn bytes(self) -> usize {
        match self {
            Self::U8 | Self::I8 => 1,
            Self::U16 | Self::I16 => 2,
            Self::U32 | Self::I32 | Self::F32 => 4,
            Self::F64 => 8,
        }
    }
}

/// The bytes of a number at a place, the least significant first; `None` beyond the end.
fn number<const N: usize>(bytes: &[u8], at: usize, is_big_endian: bool) -> Option<[u8; N]> {
    let mut number = *bytes.get(at..)?.first_chunk::<N>()?;
    if is_big_endian {
        number.reverse();
    }
    Some(number)
}

/// What the header says.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Header {
    is_big_endian: bool,
    size: [usize; 3],
    kind: Type,
    /// Where the voxels begin in the file.
    start: u64,
    /// A voxel's value is `slope * stored + intercept`.
    slope: f64,
    intercept: f64,
}

impl Header {
    fn read(bytes: &[u8; HEADER]) -> Result<Self> {
        let length = [false, true]
            .map(|big| number(bytes, 0, big).map(i32::from_le_bytes) == Some(HEADER as i32));
        let is_big_endian = match length {
            [true, _] => false,
            [_, true] => true,
            _ => bail!("expected a NIfTI-1 file, found another: save it as .nii.gz of version 1"),
        };
        ensure!(
            bytes.ends_with(b"n+1\0"),
            "expected a NIfTI-1 file with its voxels in it, found none: save header and voxels as one .nii.gz"
        );
        let short = |at| number(bytes, at, is_big_endian).map_or(0, i16::from_le_bytes);
        let float = |at| number(bytes, at, is_big_endian).map_or(0.0, f32::from_le_bytes);
        // How many sizes count, then the sizes.
        let dimensions = short(40);
        ensure!(
            (2..=7).contains(&dimensions),
            "expected 2 to 7 dimensions, found {dimensions}"
        );
        let side = |axis: i16| match axis <= dimensions {
            true => short(40 + 2 * axis as usize),
            false => 1,
        };
        let sides = [side(1), side(2), side(3)];
        ensure!(
            sides
                .iter()
                .all(|&side| side >= 1 && side as u32 <= MAX_SIDE),
            "expected sides of 1 to {MAX_SIDE} voxels, found {sides:?}"
        );
        let (code, bits) = (short(70), short(72));
        let kind = Type::of(code).with_context(|| {
            format!("expected voxels that are integers or real numbers, found those of type {code}: convert them")
        })?;
        ensure!(
            bits as usize == 8 * kind.bytes(),
            "expected {} bits a voxel, as its type has, found {bits}",
            8 * kind.bytes()
        );
        let start = float(108);
        ensure!(
            start >= HEADER as f32 && start <= MAX_START as f32 && start.fract() == 0.0,
            "expected voxels that begin at byte {HEADER} to {MAX_START}, found {start}"
        );
        let (slope, intercept) = (float(112), float(116));
        // The standard says that 0 means none; some programs write what is no number.
        let is_scaled = slope != 0.0 && slope.is_finite() && intercept.is_finite();
        Ok(Self {
            is_big_endian,
            size: sides.map(|side| side as usize),
            kind,
            start: start as u64,
            slope: if is_scaled { slope.into() } else { 1.0 },
            intercept: if is_scaled { intercept.into() } else { 0.0 },
        })
    }

    /// The bytes of the first three dimensions' voxels.
    fn length(&self) -> u64 {
        let voxels: u64 = self.size.iter().map(|&side| side as u64).product();
        // At most 2^13 on three sides, 2^3 bytes each.
        voxels * self.kind.bytes() as u64
    }
}

/// Voxels in three dimensions; of more dimensions, where a file has them, the first of each.
#[derive(Clone, Debug)]
pub(super) struct Volume {
    header: Header,
    /// As in the file: a large volume is larger as real numbers.
    stored: Vec<u8>,
}

impl Volume {
    /// Reads a `.nii` or `.nii.gz` file.
    ///
    /// # Errors
    /// When it is none, is damaged, or too large, or a voxel is no number.
    pub(super) fn read(bytes: &[u8]) -> Result<Self> {
        match bytes.starts_with(&[0x1f, 0x8b]) {
            true => Self::read_plain(MultiGzDecoder::new(bytes)),
            false => Self::read_plain(bytes),
        }
    }

    fn read_plain(mut file: impl Read) -> Result<Self> {
        let mut header = [0; HEADER];
        file.read_exact(&mut header)
            .context("expected a whole NIfTI-1 header")?;
        let header = Header::read(&header)?;
        let length = header.length();
        ensure!(
            length <= MAX_VOXELS,
            "expected at most {} MiB of voxels, found {} MiB in {:?}: cut out what is of interest",
            MAX_VOXELS >> 20,
            length >> 20,
            header.size
        );
        let gap = header.start - HEADER as u64;
        let skipped = std::io::copy(&mut file.by_ref().take(gap), &mut std::io::sink());
        // Grows with what is there, not with what the header claims.
        let mut stored = vec![];
        let read = file.take(length).read_to_end(&mut stored);
        skipped.and(read).context("expected whole voxels")?;
        ensure!(
            stored.len() as u64 == length,
            "expected {length} bytes of voxels for {:?}, found {}",
            header.size,
            stored.len()
        );
        let volume = Self { header, stored };
        ensure!(
            volume.values().all(f32::is_finite),
            "expected voxels that are numbers, found one that is none or infinite"
        );
        Ok(volume)
    }

    /// Voxels along each axis.
    pub(super) fn size(&self) -> [usize; 3] {
        self.header.size
    }

    /// All values, the first axis fastest.
    pub(super) fn values(&self) -> impl Iterator<Item = f32> {
        let bytes = self.header.kind.bytes();
        let voxels = 0..self.stored.len() / bytes;
        voxels.map(|voxel| self.value(voxel))
    }

    /// The values with this index on the third axis, the first axis fastest.
    pub(super) fn slice(&self, index: usize) -> impl Iterator<Item = f32> {
        let [width, height, _] = self.header.size;
        let voxels = index * width * height..(index + 1) * width * height;
        voxels.map(|voxel| self.value(voxel))
    }

    fn value(&self, voxel: usize) -> f32 {
        let Header {
            is_big_endian: big,
            kind,
            slope,
            intercept,
            ..
        } = self.header;
        let (bytes, at) = (&self.stored[..], voxel * kind.bytes());
        let stored: Option<f64> = match kind {
            Type::U8 => number(bytes, at, big).map(|n| u8::from_le_bytes(n).into()),
            Type::I8 => number(bytes, at, big).map(|n| i8::from_le_bytes(n).into()),
            Type::U16 => number(bytes, at, big).map(|n| u16::from_le_bytes(n).into()),
            Type::I16 => number(bytes, at, big).map(|n| i16::from_le_bytes(n).into()),
            Type::U32 => number(bytes, at, big).map(|n| u32::from_le_bytes(n).into()),
            Type::I32 => number(bytes, at, big).map(|n| i32::from_le_bytes(n).into()),
            Type::F32 => number(bytes, at, big).map(|n| f32::from_le_bytes(n).into()),
            Type::F64 => number(bytes, at, big).map(f64::from_le_bytes),
        };
        (slope * stored.unwrap_or(f64::NAN) + intercept) as f32
    }
}

#[cfg(test)]
pub(super) mod tests;
