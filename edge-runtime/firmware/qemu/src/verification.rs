//! A verification takes as many instructions wherever the claimed subject stands, and whether it
//! is accepted, rejected or not enrolled.

use core::hint::black_box;

use hardware::Clock;
use semihosting::{eprintln, println, process};
use shared::ModelId;
use shared::distance::Distance;
use shared::embedding::EmbeddingFormat;
use shared::support_set::{Comparison, Fusion, claimed};
use shared::template::{SubjectId, Template};

/// Names of one length, enrolled but for the last.
const NAMES: [&str; 5] = ["ada", "bob", "eve", "fay", "zoe"];
const SHOTS: usize = 3;
const DIM: usize = 64;
/// So many that a tick of the clock is less than an instruction of each.
const RUNS: u32 = 200;

/// Measures all cases, and ends the emulator where two differ.
pub(crate) fn measure(clock: &mut impl Clock) {
    let Some(templates) = templates() else {
        eprintln!("error: expected templates of these sizes");
        process::exit(1);
    };
    let comparison = Comparison {
        embedding: EmbeddingFormat {
            dim: DIM as u16,
            normalized: true,
            zero_point: 128,
            scale: 1.0 / 127.0,
        },
        distance: Distance::Cosine,
        fusion: Fusion::Prototype,
    };
    let (mut least, mut most) = (u64::MAX, 0);
    for claim in NAMES {
        for probe in 0..NAMES.len() as u8 {
            let probe = embedding(probe, 9);
            let before = clock.ticks();
            for _ in 0..RUNS {
                let (probe, claim) = (black_box(&probe), black_box(claim));
                black_box(claimed(
                    &comparison,
                    probe,
                    templates.iter().flatten(),
                    claim,
                ));
            }
            let ticks = clock.ticks() - before;
            least = least.min(ticks);
            most = most.max(ticks);
        }
    }
    // The clock's ticks are some instructions each, and begin anywhere. Without a floating-point
    // unit, a division and a root take a few instructions more or less by their operands.
    let allowed = match cfg!(target_abi = "eabihf") {
        true => 2,
        false => least / 500,
    };
    if most - least > allowed {
        eprintln!("error: {RUNS} verifications take {least} to {most} ticks");
        process::exit(1);
    }
    println!("{RUNS} verifications take {least} to {most} ticks, whatever they answer");
}

fn templates() -> Option<[Option<Template<SHOTS, DIM>>; 4]> {
    let mut templates = [const { None }; 4];
    for ((place, name), number) in templates.iter_mut().zip(NAMES).zip(0..) {
        let subject = SubjectId::new(name).ok()?;
        let mut template = Template::new(ModelId([1; 32]), subject, 0, DIM).ok()?;
        for shot in 0..SHOTS as u8 {
            template.push(&embedding(number, shot)).ok()?;
        }
        *place = Some(template);
    }
    Some(templates)
}

/// Something like an embedding of this subject.
fn embedding(subject: u8, sample: u8) -> [i8; DIM] {
    let mut state = 7 + u32::from(subject);
    [0; DIM].map(|_: i8| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as i8 / 4 + (sample % 5) as i8
    })
}
