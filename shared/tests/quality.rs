//! What is wrong with a picture, a pen sequence, and a subject who is no longer who enrolled.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use proptest::prelude::*;
use shared::decision::Verification;
use shared::drift::{Drift, Reenrol, WINDOW};
use shared::preprocess::pen::{PenPoint, PenPreprocess, Sampling, Scale};
use shared::preprocess::{Colour, Crop, Fit, Image, PicturePreprocess, Quantization, Tone};
use shared::quality::{Bounds, Flaw, Gate, LEAST_STEPS, Measures, Unfit, check_pen, check_picture};

const SIDE: usize = 32;

fn preprocess(colour: Colour) -> PicturePreprocess {
    PicturePreprocess {
        width: SIDE as u16,
        height: SIDE as u16,
        colour,
        tone: Tone::Keep,
        crop: Crop::Whole,
        fit: Fit::Stretch,
        quantization: Quantization {
            scale: 1.0,
            zero_point: 0,
        },
    }
}

fn measure(input: &[u8]) -> Measures {
    Measures::of(input, &preprocess(Colour::Grey))
}

/// A square on grey.
fn square() -> Vec<u8> {
    let is_inside = |at: usize| (8..24).contains(&(at % SIDE)) && (8..24).contains(&(at / SIDE));
    let value = |at| if is_inside(at) { 180 } else { 60 };
    (0..SIDE * SIDE).map(value).collect()
}

/// Every pixel the mean of those at most `radius` away; the border repeats.
fn blurred(input: &[u8], radius: isize) -> Vec<u8> {
    let at = |x: isize, y: isize| {
        let inside = |at: isize| at.clamp(0, SIDE as isize - 1) as usize;
        u32::from(input[inside(y) * SIDE + inside(x)])
    };
    let window = || -radius..=radius;
    let mean = |pixel: usize| {
        let (x, y) = ((pixel % SIDE) as isize, (pixel / SIDE) as isize);
        let values = window().flat_map(|dy| window().map(move |dx| (dx, dy)));
        let sum: u32 = values.map(|(dx, dy)| at(x + dx, y + dy)).sum();
        (sum / (2 * radius as u32 + 1).pow(2)) as u8
    };
    (0..SIDE * SIDE).map(mean).collect()
}

/// Marsaglia, "Xorshift RNGs", 2003.
fn noise() -> Vec<u8> {
    let mut state = 7u32;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        (state >> 24) as u8
    };
    (0..SIDE * SIDE).map(|_| next()).collect()
}

#[test]
fn measures_are_what_they_are_defined_to_be() {
    // A chequerboard: every inner Laplacian is 8 times the half range, so 64 variances.
    let chequers: Vec<u8> = (0..SIDE * SIDE)
        .map(|at| {
            if (at % SIDE + at / SIDE).is_multiple_of(2) {
                0
            } else {
                255
            }
        })
        .collect();
    let expected = Measures {
        contrast: 252,
        sharpness: 64 * 256,
        dark: u16::MAX / 2,
        bright: u16::MAX / 2,
    };
    assert_eq!(measure(&chequers), expected);
    // White noise: the squared weights 1 + 1 + 1 + 1 + 16.
    let found = f64::from(measure(&noise()).sharpness) / 256.0;
    assert!((19.0..21.0).contains(&found), "{found}");
    let flat = Measures {
        contrast: 0,
        sharpness: 0,
        dark: 0,
        bright: 0,
    };
    assert_eq!(measure(&[7; SIDE * SIDE]), flat);
    assert_eq!(measure(&[]), flat);
}

#[test]
fn blur_lowers_sharpness_step_by_step() {
    let sharpness = |radius| measure(&blurred(&square(), radius)).sharpness;
    let found: Vec<u16> = (0..5).map(sharpness).collect();
    assert!(found.is_sorted_by(|a, b| a > b), "{found:?}");
    assert!(found[4] < found[0] / 8, "{found:?}");
}

#[test]
fn three_like_channels_measure_as_one() {
    let rgb: Vec<u8> = noise().iter().flat_map(|&value| [value; 3]).collect();
    let found = Measures::of(&rgb, &preprocess(Colour::Rgb));
    assert_eq!(found, measure(&noise()));
}

#[test]
fn a_flaw_is_called_by_its_name() {
    let usual = measure(&square());
    let bounds = Bounds {
        least_contrast: usual.contrast,
        least_sharpness: usual.sharpness,
        most_sharpness: usual.sharpness,
        most_dark: usual.dark,
        most_bright: usual.bright,
    };
    assert_eq!(bounds.check(&usual), Ok(()));
    let flaws = [
        (blurred(&square(), 2), Flaw::Blurred),
        (
            square().iter().map(|value| value / 2).collect(),
            Flaw::Faint,
        ),
        (
            square().iter().map(|&v| v.saturating_sub(60)).collect(),
            Flaw::Clipped,
        ),
        (
            square().iter().map(|&v| v.saturating_add(75)).collect(),
            Flaw::Clipped,
        ),
    ];
    for (picture, flaw) in flaws {
        assert_eq!(bounds.check(&measure(&picture)), Err(flaw));
    }
    let of_noise = Measures {
        dark: 0,
        bright: 0,
        ..measure(&noise())
    };
    assert_eq!(bounds.check(&of_noise), Err(Flaw::Noisy));
}

#[test]
fn noise_on_blank_paper_is_blank() {
    let spec = PicturePreprocess {
        tone: Tone::Ink,
        ..preprocess(Colour::Grey)
    };
    let check = |pixels: &[u8]| check_picture(&Image::new(32, 32, 1, pixels).unwrap(), &spec);
    let paper: Vec<u8> = noise().iter().map(|value| 250 + value % 3).collect();
    assert_eq!(check(&paper), Err(Flaw::Blank));
    let mut ink = paper;
    ink[500] = 240;
    assert_eq!(check(&ink), Ok(()));
}

fn point(step: u32) -> PenPoint {
    PenPoint {
        x: 10 * step as i32,
        y: 5,
        t: 10 * step,
        pressure: 300,
        end_of_stroke: false,
    }
}

#[test]
fn a_pen_that_moves_by_a_clock_that_runs_is_no_flaw() {
    let line: Vec<PenPoint> = (0..9).map(point).collect();
    assert_eq!(check_pen(&line[..]), Ok(()));
    assert_eq!(check_pen(&[] as &[PenPoint]), Err(Flaw::Still));
    assert_eq!(check_pen(&[point(3)][..]), Err(Flaw::Still));
    let rests = |t| PenPoint { t, ..point(3) };
    assert_eq!(check_pen(&[1, 2, 3].map(rests)[..]), Err(Flaw::Still));
    let mut backwards = line.clone();
    backwards.swap(3, 4);
    assert_eq!(check_pen(&backwards[..]), Err(Flaw::Clock));
    // One in ten is a habit of some pads.
    let mut long: Vec<PenPoint> = (0..10).map(point).collect();
    long.swap(3, 4);
    assert_eq!(check_pen(&long[..]), Ok(()));
    // Two events of one tick are no flaw, nor is a clock that begins anew.
    let mut coarse = line.clone();
    coarse[4].t = coarse[3].t;
    assert_eq!(check_pen(&coarse[..]), Ok(()));
    let wrapped = line.iter().map(|point| PenPoint {
        t: point.t.wrapping_sub(35),
        ..*point
    });
    assert_eq!(check_pen(&wrapped.collect::<Vec<_>>()[..]), Ok(()));
}

#[test]
fn fewer_steps_than_eight_are_no_signature_to_enrol() {
    let spec = PenPreprocess {
        steps: 32,
        sampling: Sampling::Time(10),
        scale: Scale::Device {
            unit: 100,
            pressure: 1023,
        },
    };
    let prepare = |gate: Gate, count| {
        let points: Vec<PenPoint> = (0..count).map(point).collect();
        let mut input = vec![0; spec.shape().len()];
        gate.prepare_pen(points[..].into(), &spec, &mut input)
    };
    let steps = |count| {
        let points: Vec<PenPoint> = (0..count).map(point).collect();
        spec.run(&points[..], &mut vec![0; spec.shape().len()])
            .unwrap()
    };
    let enough = (2..20).find(|count| steps(*count) == LEAST_STEPS).unwrap();
    let enrolment = Gate::Enrolment(None);
    assert_eq!(prepare(enrolment, enough), Ok(()));
    let short = Err(Unfit::Flawed(Flaw::TooShort));
    assert_eq!(prepare(enrolment, enough - 1), short);
    assert_eq!(prepare(Gate::Open, enough - 1), Ok(()));
}

fn after(drift: &mut Drift, distances: impl Iterator<Item = f32>) -> usize {
    let note = |distance: f32| {
        drift.note(&Verification {
            distance,
            threshold: 2.0,
        })
    };
    distances.map(note).filter(|changed| *changed).count()
}

#[test]
fn drift_is_advised_about_when_it_lasts() {
    let mut drift = Drift::new([0.5, 0.5].into_iter(), 2.0);
    assert_eq!((drift.enrolled(), drift.mean()), (Some(64), None));
    after(&mut drift, (0..100).map(|_| 0.6));
    assert_eq!(drift.advice(), None);
    after(&mut drift, (0..4).map(|_| 1.9));
    assert_eq!(drift.advice(), None);
    after(&mut drift, (0..100).map(|_| 1.9));
    let Some(Reenrol { enrolled, mean }) = drift.advice() else {
        panic!("{drift:?}");
    };
    assert!(enrolled == 64 && (230..=243).contains(&mean), "{mean}");
    // Few say nothing, and who is rejected says nothing.
    let mut few = Drift::new([0.5, 0.5].into_iter(), 2.0);
    after(&mut few, (1..WINDOW).map(|_| 1.9));
    assert_eq!(few.advice(), None);
    assert_eq!(after(&mut few, (0..100).map(|_| 2.1)), 0);
    assert_eq!(few.advice(), None);
}

/// Distances that are relative to how much samples differ may be negative.
#[test]
fn there_is_no_share_of_a_negative_threshold() {
    let mut drift = Drift::new([-0.1, -0.2].into_iter(), -0.05);
    for _ in 0..4 * WINDOW {
        let accepted = Verification {
            distance: -0.06,
            threshold: -0.05,
        };
        assert!(accepted.accepted() && !drift.note(&accepted));
    }
    // Nothing is said that would not be true.
    assert_eq!((drift.mean(), drift.advice()), (None, None));
}

#[test]
fn a_steady_subject_is_not_written_anew() {
    let mut drift = Drift::new([0.5, 0.5].into_iter(), 2.0);
    after(&mut drift, (0..100).map(|_| 0.8));
    let wobble = (0..1000).map(|step| 0.8 + 0.05 * (step % 2) as f32);
    assert_eq!(after(&mut drift, wobble), 0);
}

proptest! {
    #[test]
    fn any_input_is_measured(input in prop::collection::vec(any::<u8>(), 0..3000)) {
        for colour in [Colour::Grey, Colour::Rgb] {
            let found = Measures::of(&input, &preprocess(colour));
            prop_assert!(u32::from(found.dark) + u32::from(found.bright) <= u32::from(u16::MAX));
            prop_assert!(found.contrast < 256);
        }
    }

    #[test]
    fn bounds_of_measures_hold_them(input in prop::collection::vec(any::<u8>(), SIDE * SIDE)) {
        let found = measure(&input);
        let tight = Bounds {
            least_contrast: found.contrast,
            least_sharpness: found.sharpness,
            most_sharpness: found.sharpness,
            most_dark: found.dark,
            most_bright: found.bright,
        };
        prop_assert_eq!(tight.check(&found), Ok(()));
    }

    #[test]
    fn sharpness_does_not_depend_on_brightness(
        input in prop::collection::vec(0u8..200, SIDE * SIDE),
        lighter in 0u8..55,
    ) {
        let brighter: Vec<u8> = input.iter().map(|value| value + lighter).collect();
        prop_assert_eq!(measure(&brighter).sharpness, measure(&input).sharpness);
    }

    #[test]
    fn drift_comes_back_and_stays_in_range(
        selves in prop::collection::vec(any::<f32>(), 0..5),
        probes in prop::collection::vec((any::<f32>(), any::<f32>()), 0..60),
    ) {
        let mut drift = Drift::new(selves.into_iter(), 1.0);
        for (distance, threshold) in probes {
            let before = drift;
            let changed = drift.note(&Verification { distance, threshold });
            prop_assert_eq!(changed, drift != before);
            prop_assert_eq!(Drift::decode(drift.encode()), Some(drift));
            prop_assert!(drift.count() <= WINDOW);
        }
    }

    #[test]
    fn the_mean_stays_among_what_was_found(distances in prop::collection::vec(0.0f32..2.0, 1..60)) {
        let mut drift = Drift::default();
        let shares = distances.iter().map(|distance| (distance / 2.0 * 256.0) as u8);
        let (least, most) = (shares.clone().min().unwrap(), shares.max().unwrap());
        after(&mut drift, distances.into_iter());
        prop_assert!((least..=most).contains(&drift.mean().unwrap()));
    }

    #[test]
    fn any_bytes_are_a_record_or_none(bytes: [u8; 4]) {
        if let Some(drift) = Drift::decode(bytes) {
            prop_assert_eq!(drift.encode(), bytes);
            let _ = drift.advice();
        }
    }
}
