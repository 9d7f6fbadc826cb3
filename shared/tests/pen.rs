//! From a pen's events to steps.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use proptest::prelude::*;
use shared::preprocess::pen::{
    FEATURES, MAX_PAUSE, PenError, PenPoint, PenPreprocess, Sampling, Scale,
};

const ROOM: u16 = 120;

fn spec(sampling: Sampling, scale: Scale) -> PenPreprocess {
    PenPreprocess {
        steps: ROOM,
        sampling,
        scale,
    }
}

const WHOLE: Scale = Scale::Signature { upright: false };
const DEVICE: Scale = Scale::Device {
    unit: 400,
    pressure: 1023,
};

fn run(spec: PenPreprocess, points: &[PenPoint]) -> Vec<[u8; FEATURES]> {
    let mut output = vec![7; spec.shape().len()];
    let steps = spec.run(points, &mut output).unwrap();
    let rows = output.as_chunks::<FEATURES>().0;
    assert!(rows[..steps].iter().flatten().all(|&byte| byte > 0));
    assert!(rows[steps..].iter().flatten().all(|&byte| byte == 0));
    rows[..steps].to_vec()
}

/// The value of a feature.
fn value(row: &[u8; FEATURES], feature: usize) -> i32 {
    i32::from(row[feature]) - 128
}

fn point(x: i32, y: i32, t: u32) -> PenPoint {
    PenPoint {
        x,
        y,
        t,
        pressure: 500,
        end_of_stroke: false,
    }
}

/// A signature of some loops.
fn loops(scale: f64) -> Vec<PenPoint> {
    let place = |index: u32| {
        let angle = f64::from(index) / 9.0;
        let x = scale * (40.0 * angle + 300.0 * angle.cos());
        let y = scale * 250.0 * (1.3 * angle).sin();
        PenPoint {
            pressure: (400.0 + 200.0 * angle.sin()) as u16,
            end_of_stroke: index % 70 == 69,
            ..point(x.round() as i32, y.round() as i32, 10 * index)
        }
    };
    (0..200).map(place).collect()
}

fn any_points() -> impl Strategy<Value = Vec<PenPoint>> {
    let point = (
        any::<i32>(),
        any::<i32>(),
        any::<u32>(),
        any::<u16>(),
        any::<bool>(),
    );
    let near = (
        -3000i32..3000,
        -3000i32..3000,
        0u32..9000,
        any::<u16>(),
        any::<bool>(),
    );
    prop_oneof![
        prop::collection::vec(point, 0..60),
        prop::collection::vec(near, 0..60)
    ]
    .prop_map(|points| {
        let point = |(x, y, t, pressure, end_of_stroke)| PenPoint {
            x,
            y,
            t,
            pressure,
            end_of_stroke,
        };
        points.into_iter().map(point).collect()
    })
}

fn any_spec() -> impl Strategy<Value = PenPreprocess> {
    let sampling = (any::<bool>(), 1u16..600).prop_map(|(time, interval)| match time {
        true => Sampling::Time(interval),
        false => Sampling::Arc(interval),
    });
    let scale = prop_oneof![
        any::<bool>().prop_map(|upright| Scale::Signature { upright }),
        (1u32..1 << 20, 1u16..2000).prop_map(|(unit, pressure)| Scale::Device { unit, pressure }),
    ];
    (1u16..ROOM, sampling, scale).prop_map(|(steps, sampling, scale)| PenPreprocess {
        steps,
        sampling,
        scale,
    })
}

proptest! {
    #[test]
    fn any_events_make_steps_or_are_refused(points in any_points(), spec in any_spec()) {
        prop_assert!(spec.is_valid());
        let mut output = vec![7; spec.shape().len()];
        match spec.run(&points[..], &mut output) {
            Ok(steps) => {
                let rows = output.as_chunks::<FEATURES>().0;
                prop_assert!((1..=usize::from(spec.steps)).contains(&steps));
                prop_assert!(rows[..steps].iter().flatten().all(|&byte| byte > 0));
                prop_assert!(rows[steps..].iter().flatten().all(|&byte| byte == 0));
            }
            Err(error) => prop_assert_eq!(error, PenError::TooShort),
        }
    }

    /// Over a line nothing is lost.
    #[test]
    fn encoded_events_make_the_same_steps(points in any_points(), spec in any_spec()) {
        let encoded: Vec<_> = points.iter().map(PenPoint::encode).collect();
        let mut outputs = [0, 1].map(|byte| vec![byte; spec.shape().len()]);
        let [here, there] = &mut outputs;
        prop_assert_eq!(spec.run(&points[..], here), spec.run(&encoded[..], there));
        if spec.run(&points[..], here).is_ok() {
            prop_assert_eq!(here, there);
        }
    }

    /// Steps as they come are those of the whole signature.
    #[test]
    fn a_stream_gives_the_same_steps(points in any_points(), spec in any_spec()) {
        let Some(mut stream) = spec.stream() else {
            let is_whole = matches!(spec.scale, Scale::Signature { .. });
            prop_assert!(is_whole);
            return Ok(());
        };
        let mut rows = vec![];
        for point in &points {
            stream.push(*point, |row| rows.push(*row));
        }
        let mut output = vec![0; spec.shape().len()];
        match spec.run(&points[..], &mut output) {
            Ok(steps) => prop_assert_eq!(&output.as_chunks::<FEATURES>().0[..steps], &rows[..]),
            Err(_) => prop_assert!(rows.is_empty()),
        }
    }

    /// Where a signature stands on a tablet, how large it is written and when changes little:
    /// a device unit is a rounding.
    #[test]
    fn place_size_and_clock_do_not_count(
        dx in -100_000i32..100_000, dy in -100_000i32..100_000, dt: u32, scale in 4i32..20
    ) {
        let points = loops(4.0);
        let moved: Vec<PenPoint> = points.iter().map(|p| PenPoint {
            x: p.x * scale + dx,
            y: p.y * scale + dy,
            t: p.t.wrapping_add(dt % (1 << 30)),
            pressure: p.pressure * 3,
            ..*p
        }).collect();
        let spec = spec(Sampling::Time(25), WHOLE);
        let (before, after) = (run(spec, &points), run(spec, &moved));
        prop_assert_eq!(before.len(), after.len());
        for (a, b) in before.iter().flatten().zip(after.iter().flatten()) {
            prop_assert!(a.abs_diff(*b) <= 3, "{a} {b}");
        }
    }
}

#[test]
fn a_straight_stroke_is_one_of_constant_speed() {
    // 10 device units in a millisecond, to the right.
    let points: Vec<PenPoint> = (0..100).map(|i| point(100 * i, 0, 10 * i as u32)).collect();
    let rows = run(spec(Sampling::Time(25), DEVICE), &points);
    assert_eq!(rows.len(), 990 / 25);
    for (index, row) in rows.iter().enumerate() {
        // 250 device units in 25 milliseconds, the unit is 400.
        assert_eq!(
            value(row, 0),
            (32 * 250 * (index as i32 + 1) / 400).min(127)
        );
        assert_eq!(
            [2, 3, 4, 5].map(|f| value(row, f)),
            [2048 * 10 / 400, 0, 127, 0]
        );
        assert_eq!([1, 6, 8, 10, 11].map(|f| value(row, f)), [0; 5]);
        assert_eq!(value(row, 9), 254 * 500 / 1023 - 127);
    }
    let rows = run(spec(Sampling::Arc(64), DEVICE), &points);
    assert_eq!(rows.len(), 9900 / 400);
}

#[test]
fn clocks_that_step_back_and_pauses_are_borne() {
    let mut points = loops(1.0);
    let steps = run(spec(Sampling::Time(25), WHOLE), &points).len();
    // As some tablets have it: a clock of 32 bits in microseconds begins anew.
    for point in &mut points[100..] {
        point.t = point.t.wrapping_sub(4_294_958);
    }
    points[150].t = points[150].t.wrapping_sub(10);
    let back = run(spec(Sampling::Time(25), WHOLE), &points).len();
    assert!(steps.abs_diff(back) <= 40, "{steps} {back}");
    // A pen that rests for a minute rests for a second.
    let late = |p: PenPoint, by| PenPoint { t: p.t + by, ..p };
    let mut rested = loops(1.0);
    rested[100..].iter_mut().for_each(|p| *p = late(*p, 60_000));
    let mut paused = loops(1.0);
    paused[100..]
        .iter_mut()
        .for_each(|p| *p = late(*p, MAX_PAUSE - 10));
    assert_eq!(
        run(spec(Sampling::Time(40), DEVICE), &rested),
        run(spec(Sampling::Time(40), DEVICE), &paused)
    );
}

#[test]
fn a_long_signature_has_room_where_it_is_known_whole() {
    let points = loops(1.0);
    let long = PenPreprocess {
        steps: 20,
        ..spec(Sampling::Time(5), WHOLE)
    };
    assert!((19..=20).contains(&run(long, &points).len()));
    let cut = PenPreprocess {
        scale: DEVICE,
        ..long
    };
    assert_eq!(run(cut, &points).len(), 20);
    assert_eq!(
        run(cut, &points)[..],
        run(PenPreprocess { steps: ROOM, ..cut }, &points)[..20]
    );
}

#[test]
fn lifted_steps_lie_between_strokes() {
    let mut points: Vec<PenPoint> = (0..10).map(|i| point(50 * i, 0, 10 * i as u32)).collect();
    points[9].end_of_stroke = true;
    points.extend((0..10).map(|i| point(50 * i, 400, 290 + 10 * i as u32)));
    let lifted: Vec<bool> = run(spec(Sampling::Time(20), WHOLE), &points)
        .iter()
        .map(|row| value(row, 11) > 0)
        .collect();
    let first = lifted.iter().position(|&up| up).unwrap();
    let count = lifted.iter().filter(|&&up| up).count();
    assert_eq!((first, count), (4, 10));
    assert!(lifted[first..first + count].iter().all(|&up| up));
}

#[test]
fn upright_signatures_lie_along_x() {
    let spec = spec(Sampling::Time(25), Scale::Signature { upright: true });
    let flat = run(spec, &loops(4.0));
    for angle in [0.4f64, -0.7, 1.1] {
        let (sin, cos) = angle.sin_cos();
        let turned: Vec<PenPoint> = loops(4.0)
            .into_iter()
            .map(|p| {
                let (x, y) = (f64::from(p.x), f64::from(p.y));
                let [x, y] = [x * cos - y * sin, x * sin + y * cos].map(|v| v.round() as i32);
                PenPoint { x, y, ..p }
            })
            .collect();
        for (a, b) in flat.iter().zip(run(spec, &turned)) {
            for feature in 0..2 {
                // The unit is measured along the tablet's sides, and changes with the angle.
                let difference = value(a, feature).abs_diff(value(&b, feature));
                assert!(difference <= 25, "{angle}: {a:?} {b:?}");
            }
        }
    }
}

#[test]
fn what_makes_no_step_is_refused() {
    let spec = spec(Sampling::Time(25), WHOLE);
    let mut output = vec![0; spec.shape().len()];
    for points in [&[][..], &[point(1, 2, 3)], &[point(1, 2, 3); 50]] {
        assert_eq!(spec.run(points, &mut output), Err(PenError::TooShort));
    }
    let found = output.len() - 1;
    let expected = output.len();
    assert_eq!(
        spec.run(&loops(1.0)[..], &mut output[1..]),
        Err(PenError::Output { expected, found })
    );
    let many = vec![point(0, 0, 0); 65_536];
    assert_eq!(
        spec.run(&many[..], &mut output),
        Err(PenError::TooLong { found: 65_536 })
    );
}
