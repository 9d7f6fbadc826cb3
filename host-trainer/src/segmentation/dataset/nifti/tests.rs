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
