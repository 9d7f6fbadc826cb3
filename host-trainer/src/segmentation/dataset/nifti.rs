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
pub(super) mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    /// A file of 32-bit real numbers.
    pub(in super::super) fn file(size: [u16; 3], values: &[f32]) -> Vec<u8> {
        let bytes: Vec<u8> = values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect();
        with(header(size, 16, 32), &bytes)
    }

    pub(in super::super) fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(vec![], Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn header(size: [u16; 3], code: u16, bits: u16) -> [u8; HEADER] {
        let mut header = [0; HEADER];
        header[..4].copy_from_slice(&348u32.to_le_bytes());
        let [x, y, z] = size;
        for (place, short) in [3, x, y, z, 1, 1, 1, 1].into_iter().enumerate() {
            set(&mut header, 40 + 2 * place, &short.to_le_bytes());
        }
        set(&mut header, 70, &code.to_le_bytes());
        set(&mut header, 72, &bits.to_le_bytes());
        set(&mut header, 108, &352f32.to_le_bytes());
        set(&mut header, 344, b"n+1\0");
        header
    }

    fn set(header: &mut [u8], at: usize, bytes: &[u8]) {
        header[at..at + bytes.len()].copy_from_slice(bytes);
    }

    fn with(header: [u8; HEADER], voxels: &[u8]) -> Vec<u8> {
        [&header[..], &[0; 4], voxels].concat()
    }

    fn values(file: &[u8]) -> Vec<f32> {
        Volume::read(file).unwrap().values().collect()
    }

    #[test]
    fn voxels_of_every_type_are_read() {
        let size = [1, 2, 1];
        let cases: [(u16, Vec<u8>, [f32; 2]); 8] = [
            (2, vec![200, 1], [200.0, 1.0]),
            (256, vec![200, 1], [-56.0, 1.0]),
            (
                512,
                [60_000u16, 2].map(u16::to_le_bytes).concat(),
                [60_000.0, 2.0],
            ),
            (
                4,
                [-300i16, 2].map(i16::to_le_bytes).concat(),
                [-300.0, 2.0],
            ),
            (
                768,
                [3u32 << 30, 2].map(u32::to_le_bytes).concat(),
                [3_221_225_472.0, 2.0],
            ),
            (
                8,
                [-70_000i32, 2].map(i32::to_le_bytes).concat(),
                [-70_000.0, 2.0],
            ),
            (
                16,
                [0.5f32, 1.7e6].map(f32::to_le_bytes).concat(),
                [0.5, 1.7e6],
            ),
            (
                64,
                [0.25f64, -2.0].map(f64::to_le_bytes).concat(),
                [0.25, -2.0],
            ),
        ];
        for (code, bytes, expected) in cases {
            let bits = 4 * bytes.len() as u16;
            let little = with(header(size, code, bits), &bytes);
            assert_eq!(values(&little), expected, "{code}");
            assert_eq!(values(&gzip(&little)), expected, "{code}");
            // The same with every number's bytes turned.
            let mut big = little.clone();
            big[..4].reverse();
            (40..56)
                .step_by(2)
                .chain([70, 72])
                .for_each(|at| big[at..at + 2].reverse());
            big[108..112].reverse();
            let voxels = big[352..].chunks_exact_mut(bytes.len() / 2);
            voxels.for_each(<[u8]>::reverse);
            assert_eq!(values(&big), expected, "{code}");
        }
    }

    #[test]
    fn values_are_scaled_where_the_header_says_so() {
        let scaled = |slope: f32, intercept: f32| {
            let mut header = header([2, 1, 1], 2, 8);
            set(&mut header, 112, &slope.to_le_bytes());
            set(&mut header, 116, &intercept.to_le_bytes());
            values(&with(header, &[10, 20]))
        };
        assert_eq!(scaled(0.5, -1.0), [4.0, 9.0]);
        assert_eq!(scaled(0.0, 7.0), [10.0, 20.0]);
        assert_eq!(scaled(f32::NAN, 7.0), [10.0, 20.0]);
    }

    #[test]
    fn a_slice_is_one_index_of_the_third_axis() {
        let numbers: Vec<f32> = (0..12).map(|number| number as f32).collect();
        let volume = Volume::read(&file([2, 3, 2], &numbers)).unwrap();
        assert_eq!(volume.size(), [2, 3, 2]);
        assert_eq!(volume.slice(1).collect::<Vec<_>>(), numbers[6..]);
        // A fourth dimension: the first volume counts.
        let mut more = file([2, 3, 1], &numbers);
        set(&mut more, 40, &4u16.to_le_bytes());
        set(&mut more, 48, &2u16.to_le_bytes());
        assert_eq!(values(&more), numbers[..6]);
    }

    #[test]
    fn what_is_no_volume_is_refused() {
        let good = file([2, 2, 1], &[1.0, 2.0, 3.0, 4.0]);
        let changed = |at: usize, bytes: &[u8]| {
            let mut file = good.clone();
            set(&mut file, at, bytes);
            file
        };
        let huge = [8000u16, 8000, 8000].map(u16::to_le_bytes).concat();
        for (file, expected) in [
            (vec![], "header"),
            (good[..300].to_vec(), "header"),
            (good[..good.len() - 1].to_vec(), "16 bytes of voxels"),
            (changed(0, &540u32.to_le_bytes()), "version 1"),
            (changed(344, b"ni1\0"), "as one"),
            (changed(40, &9u16.to_le_bytes()), "2 to 7 dimensions"),
            (changed(42, &0u16.to_le_bytes()), "sides of 1"),
            (changed(44, &(-5i16).to_le_bytes()), "sides of 1"),
            (changed(42, &huge), "MiB of voxels"),
            (changed(70, &128u16.to_le_bytes()), "type 128"),
            (changed(72, &8u16.to_le_bytes()), "32 bits"),
            (changed(108, &f32::NAN.to_le_bytes()), "begin at byte"),
            (changed(108, &(-4f32).to_le_bytes()), "begin at byte"),
            (changed(108, &1e9f32.to_le_bytes()), "begin at byte"),
            (changed(108, &4096f32.to_le_bytes()), "found 0"),
            (changed(352, &f32::NAN.to_le_bytes()), "numbers"),
            (gzip(&good)[..40].to_vec(), "header"),
        ] {
            let refused = format!("{:#}", Volume::read(&file).unwrap_err());
            assert!(refused.contains(expected), "{refused}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_answered(
            at in 0usize..HEADER, bytes in proptest::collection::vec(0u8.., 1..9)
        ) {
            let mut file = file([2, 2, 1], &[1.0, 2.0, 3.0, 4.0]);
            let end = (at + bytes.len()).min(file.len());
            file[at..end].copy_from_slice(&bytes[..end - at]);
            if let Ok(volume) = Volume::read(&file) {
                assert!(volume.values().all(f32::is_finite));
            }
        }
    }
}
