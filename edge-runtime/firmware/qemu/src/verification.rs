//! A verification takes as many instructions wherever the claimed subject stands, and whether it
//! is accepted, rejected or not enrolled.

use core::hint::black_box;

use hardware::Clock;
use semihosting::{eprintln, println, process};
use shared::ModelId;
use shared::cohort::{Cohort, Measure, Normalization};
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
/// The clock's ticks are some instructions each, and begin anywhere.
const TICK: u64 = 2;

/// Measures all cases, and ends the emulator where two differ.
pub(crate) fn measure(clock: &mut impl Clock) {
    let Some(templates) = templates() else {
        eprintln!("error: expected templates of these sizes");
        process::exit(1);
    };
    let comparison = |distance, fusion| Comparison {
        embedding: EmbeddingFormat {
            dim: DIM as u16,
            normalized: true,
            zero_point: 128,
            scale: 1.0 / 127.0,
        },
        distance,
        fusion,
    };
    let members = members();
    let ways = [
        comparison(Distance::Cosine, Fusion::Prototype),
        comparison(Distance::Euclidean, Fusion::Relative),
    ];
    for comparison in ways {
        let strangers = Cohort::new(Normalization::S, DIM, members.as_flattened());
        for cohort in [None, strangers] {
            one(clock, &Measure { comparison, cohort }, &templates);
        }
    }
}

/// Measures all cases of one way to measure distances.
fn one(clock: &mut impl Clock, measure: &Measure<'_>, templates: &[Option<Template<SHOTS, DIM>>]) {
    let (mut least, mut most) = (u64::MAX, 0);
    for probe in 0..NAMES.len() as u8 {
        let probe = embedding(probe, 9);
        let (mut shortest, mut longest) = (u64::MAX, 0);
        for claim in NAMES {
            let before = clock.ticks();
            for _ in 0..RUNS {
                let (probe, claim) = (black_box(&probe), black_box(claim));
                let probe = measure.probe(probe);
                black_box(claimed(&probe, templates.iter().flatten(), claim));
            }
            let ticks = clock.ticks() - before;
            shortest = shortest.min(ticks);
            longest = longest.max(ticks);
        }
        // Compiled otherwise, to find nobody of that name takes two instructions less.
        check(shortest, longest, TICK.max(shortest / 10_000));
        least = least.min(shortest);
        most = most.max(longest);
    }
    // Without a floating-point unit, a division and a root take a few instructions more or less
    // by their operands, which are another probe's. A relative distance has many of them and
    // little else.
    let is_exact = cfg!(target_abi = "eabihf");
    match measure.comparison.fusion {
        _ if is_exact => check(least, most, TICK),
        Fusion::Relative => {}
        _ => check(least, most, least / 500),
    }
    let by = match measure.cohort {
        None => "",
        Some(_) => " with a cohort",
    };
    println!(
        "{RUNS} verifications by {:?}{by} take {least} to {most} ticks, whatever they answer",
        measure.comparison.fusion
    );
}

/// Ends the emulator where times differ by more than allowed.
fn check(least: u64, most: u64, allowed: u64) {
    if most - least > allowed {
        eprintln!("error: {RUNS} verifications take {least} to {most} ticks");
        process::exit(1);
    }
}

/// Embeddings of a few strangers.
fn members() -> [[u8; DIM]; 4] {
    [20, 21, 22, 23].map(|stranger| embedding(stranger, 0).map(|component| component as u8))
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
