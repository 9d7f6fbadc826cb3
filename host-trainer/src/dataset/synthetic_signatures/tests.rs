#![allow(clippy::unwrap_used)]

use image::GrayImage;
use proptest::prelude::*;
use sha2::{Digest, Sha256};

use super::*;

fn picture(sequence: &PenSequence) -> GrayImage {
    render(sequence, &RenderOptions::default())
}

/// Length of the way with the pen down, millimetres, and its duration, seconds.
fn ink(sequence: &PenSequence) -> (f32, f32) {
    let written = |pair: &&[PenPoint]| pair[0].pen_down && pair[1].pen_down;
    let pairs = sequence.points.windows(2).filter(written);
    pairs.fold((0.0, 0.0), |(length, duration), pair| {
        let [dx, dy] = [pair[1].x - pair[0].x, pair[1].y - pair[0].y];
        (length + dx.hypot(dy), duration + SAMPLE_INTERVAL)
    })
}

/// Width of the ink, millimetres.
fn width(sequence: &PenSequence) -> f32 {
    let written = || sequence.points.iter().filter(|point| point.pen_down);
    let right = written().map(|point| point.x).fold(f32::MIN, f32::max);
    right - written().map(|point| point.x).fold(f32::MAX, f32::min)
}

#[test]
fn the_pictures_are_the_same_on_every_machine() {
    let mut hash = Sha256::new();
    for index in 0..6 {
        let signer = Signer::new(1, index);
        hash.update(picture(&signer.genuine(index)).as_raw());
        hash.update(picture(&signer.forgery(index, 1)).as_raw());
    }
    let hash: String = (hash.finalize().iter().map(|byte| format!("{byte:02x}"))).collect();
    assert_eq!(
        hash,
        "0dfe807867c63716fa86f47116bc3dacfa9792a2b49f43ab211d755e14be7db0"
    );
}

#[test]
fn signatures_signers_forgers_and_seeds_differ() {
    let signer = Signer::new(1, 0);
    let sequences = [
        signer.genuine(0),
        signer.genuine(1),
        signer.forgery(0, 0),
        signer.forgery(0, 1),
        signer.forgery(1, 0),
        Signer::new(1, 1).genuine(0),
        Signer::new(2, 0).genuine(0),
    ];
    for (index, one) in sequences.iter().enumerate() {
        for other in &sequences[..index] {
            assert_ne!(one.points, other.points);
            assert_ne!(picture(one), picture(other));
        }
    }
}

#[test]
fn forgers_are_slower_than_signers() {
    let speeds = |of: &dyn Fn(&Signer, u32) -> PenSequence| -> f32 {
        let speed = |index| {
            let (length, duration) = ink(&of(&Signer::new(1, index), index));
            length / duration
        };
        (0..40).map(speed).sum::<f32>() / 40.0
    };
    let genuine = speeds(&Signer::genuine);
    let forged = speeds(&|signer, forger| signer.forgery(forger, 0));
    assert!(forged < 0.8 * genuine, "{forged} mm/s, {genuine} mm/s");
}

#[test]
fn a_forger_errs_the_same_way_every_time() {
    const COUNT: u32 = 8;
    let mean = |values: &[f32]| values.iter().sum::<f32>() / values.len() as f32;
    let spread = |values: &[f32]| {
        let centre = mean(values);
        let squares: Vec<f32> = values.iter().map(|v| (v - centre).powi(2)).collect();
        mean(&squares)
    };
    let (mut within, mut between) = (0.0, 0.0);
    for index in 0..12 {
        let signer = Signer::new(1, index);
        let widths: Vec<Vec<f32>> = (0..COUNT)
            .map(|forger| {
                (0..COUNT)
                    .map(|n| width(&signer.forgery(forger, n)))
                    .collect()
            })
            .collect();
        within += mean(&widths.iter().map(|of| spread(of)).collect::<Vec<_>>());
        between += spread(&widths.iter().map(|of| mean(of)).collect::<Vec<_>>());
    }
    // If samples were independent, the means would spread as 1 / COUNT of the samples.
    assert!(between > 0.8 * within, "between {between}, within {within}");
}

#[test]
fn forgeries_are_harder_than_other_signers_for_a_comparison_of_pixels() {
    const SIGNERS: u32 = 24;
    let mut references = Vec::new();
    let (mut genuine, mut forged) = (Vec::new(), Vec::new());
    for index in 0..SIGNERS {
        let signer = Signer::new(1, index);
        let known: Vec<_> = (0..5).map(|n| thumbnail(&signer.genuine(n))).collect();
        let score = |sequence| nearest(&known, &thumbnail(&sequence));
        genuine.extend((5..12).map(|n| score(signer.genuine(n))));
        forged.extend((0..7).map(|n| score(signer.forgery(n, 0))));
        references.push(known);
    }
    let mut random = Vec::new();
    for index in 0..SIGNERS {
        let query = thumbnail(&Signer::new(1, index).genuine(6));
        let others = (0..).zip(&references).filter(|(other, _)| *other != index);
        random.extend(others.map(|(_, known)| nearest(known, &query)));
    }
    let (skilled, random) = (
        equal_error_rate(&genuine, &forged),
        equal_error_rate(&genuine, &random),
    );
    assert!((0.2..0.45).contains(&skilled), "skilled {skilled}");
    assert!(random < 0.5 * skilled, "random {random}, skilled {skilled}");
}

/// The ink's rectangle at 64 x 32, of mean 0 and norm 1.
fn thumbnail(sequence: &PenSequence) -> Vec<f32> {
    let picture = picture(sequence);
    let dark = |grey: u8| 170u8.saturating_sub(grey);
    let inked = || {
        picture
            .enumerate_pixels()
            .filter(|(_, _, grey)| dark(grey.0[0]) > 0)
    };
    let left = inked().map(|(x, _, _)| x).min().unwrap();
    let right = inked().map(|(x, _, _)| x).max().unwrap() + 1;
    let top = inked().map(|(_, y, _)| y).min().unwrap();
    let bottom = inked().map(|(_, y, _)| y).max().unwrap() + 1;
    let mut cells = vec![0.0; 64 * 32];
    for (x, y, grey) in inked() {
        let (column, row) = (
            (x - left) * 64 / (right - left),
            (y - top) * 32 / (bottom - top),
        );
        cells[(row * 64 + column) as usize] += f32::from(dark(grey.0[0]));
    }
    let mean = cells.iter().sum::<f32>() / cells.len() as f32;
    cells.iter_mut().for_each(|cell| *cell -= mean);
    let norm = cells.iter().map(|cell| cell * cell).sum::<f32>().sqrt();
    cells.iter().map(|cell| cell / norm).collect()
}

fn nearest(known: &[Vec<f32>], query: &[f32]) -> f32 {
    let correlation = |one: &Vec<f32>| one.iter().zip(query).map(|(a, b)| a * b).sum();
    known.iter().map(correlation).fold(-1.0, f32::max)
}

fn equal_error_rate(genuine: &[f32], impostor: &[f32]) -> f32 {
    let share = |scores: &[f32], reject: &dyn Fn(f32) -> bool| {
        scores.iter().filter(|&&score| reject(score)).count() as f32 / scores.len() as f32
    };
    let rates = genuine.iter().map(|&threshold| {
        let false_reject = share(genuine, &|score| score < threshold);
        let false_accept = share(impostor, &|score| score >= threshold);
        (
            (false_reject - false_accept).abs(),
            (false_reject + false_accept) / 2.0,
        )
    });
    rates.min_by(|a, b| a.0.total_cmp(&b.0)).unwrap().1
}

#[test]
fn a_contact_sheet_has_a_row_for_each_signer() {
    let options = RenderOptions::default();
    let signers = [Signer::new(1, 0), Signer::new(1, 1), Signer::new(1, 2)];
    let sheet = contact_sheet(&signers, 2, 1, &options);
    assert_eq!(sheet.dimensions(), (4 + 3 * 260 + 24, 4 + 3 * 132));
    let second = image::imageops::crop_imm(&sheet, 4 + 260, 4 + 132, 256, 128).to_image();
    assert_eq!(second, render(&signers[1].genuine(1), &options));
    assert_eq!(contact_sheet(&[], 0, 0, &options).dimensions(), (4, 4));
}

#[test]
fn a_sequence_without_ink_is_empty_paper() {
    let empty = PenSequence {
        points: Vec::new(),
        ..Signer::new(1, 0).genuine(0)
    };
    assert!(picture(&empty).iter().all(|&grey| grey > 180));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn sequences_are_as_documented(seed: u64, index: u32, number: u32, forger: u32, forge: bool) {
        let write = || {
            let signer = Signer::new(seed, index);
            if forge { signer.forgery(forger, number) } else { signer.genuine(number) }
        };
        let sequence = write();
        prop_assert_eq!(&sequence, &write());
        prop_assert!((0.2..40.0).contains(&ink(&sequence).1), "{} s", ink(&sequence).1);
        prop_assert!((3.0..250.0).contains(&width(&sequence)), "{} mm", width(&sequence));
        for (count, point) in sequence.points.iter().enumerate() {
            prop_assert!(point.x.is_finite() && point.y.is_finite());
            prop_assert_eq!(point.t, count as f32 * SAMPLE_INTERVAL);
            prop_assert!((0.0..=1.0).contains(&point.pressure));
            prop_assert_eq!(point.pressure > 0.0, point.pen_down);
        }
    }

    #[test]
    fn pictures_hold_the_whole_signature(index: u32, width in 1u32..200, height in 1u32..200) {
        let options = RenderOptions { width, height, texture: 0.0, ..RenderOptions::default() };
        let picture = render(&Signer::new(3, index).genuine(0), &options);
        prop_assert_eq!(picture.dimensions(), (width, height));
        let paper = 247;
        if width.min(height) >= 16 {
            prop_assert!(picture.iter().any(|&grey| grey < paper));
            let mut border = picture.enumerate_pixels().filter(|(x, y, _)| {
                *x < 2 || *y < 2 || x + 2 >= width || y + 2 >= height
            });
            prop_assert!(border.all(|(_, _, grey)| grey.0[0] == paper));
        }
    }
}
