//! Steps of equal time or length along the line through the events.

use super::features::{FEATURES, Features};
use super::frame::{Frame, divide};
use super::{MAX_PAUSE, PenEvents, PenPoint, PenPreprocess, Sampling, Scale};

/// Somewhere on the line through the events.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spot {
    /// In parts of a device unit.
    pub(super) position: [i64; 2],
    pub(super) pressure: i64,
    /// Milliseconds since the first event.
    pub(super) time: i64,
}

/// Makes steps of events as they come.
#[derive(Clone, Copy, Debug)]
pub struct PenStream {
    spec: PenPreprocess,
    /// What lengths are measured by; of a device, known with the first event.
    frame: Option<Frame>,
    /// Extent between two steps.
    interval: i64,
    /// The last event: where, its own clock, whether the pen left after it.
    last: Option<(Spot, u32, bool)>,
    /// Extent since the last step.
    since: i64,
    /// How many more steps there is room for.
    room: u16,
    features: Features,
}

impl PenStream {
    /// With a frame, or with the one that the spec states.
    pub(super) fn new(spec: PenPreprocess, frame: Option<Frame>) -> Self {
        Self {
            spec,
            frame,
            interval: 1,
            last: None,
            since: 0,
            room: spec.steps,
            features: Features::default(),
        }
    }

    /// Of a signature that is known whole, whose steps there is room for.
    pub(super) fn whole(spec: PenPreprocess, frame: Frame, events: PenEvents<'_>) -> Self {
        let mut stream = Self::new(spec, Some(frame));
        let mut extent = 0;
        for point in events.iter() {
            let (spot, from) = (stream.spot(&frame, &point), stream.last);
            extent += from.map_or(0, |(from, ..)| stream.extent(&from, &spot));
            stream.last = Some((spot, point.t, false));
        }
        let room = i64::from(spec.steps);
        let least = divide(extent + room - 1, room);
        Self {
            interval: stream.interval(&frame).max(least),
            last: None,
            ..stream
        }
    }

    /// Takes the next event; `emit` is given the features of each step that it completes.
    pub fn push(&mut self, point: PenPoint, mut emit: impl FnMut(&[u8; FEATURES])) {
        let frame = match self.frame {
            Some(frame) => frame,
            None => self.begin(&point),
        };
        let spot = self.spot(&frame, &point);
        if self.last.is_none() {
            self.features.begin(spot);
        }
        if let Some((from, _, lifted)) = self.last {
            let whole = self.extent(&from, &spot);
            let mut done = 0;
            while self.since + (whole - done) >= self.interval && self.room > 0 {
                done += self.interval - self.since;
                self.since = 0;
                self.room -= 1;
                emit(
                    &self
                        .features
                        .step(&frame, between(&from, &spot, done, whole), lifted),
                );
            }
            self.since += whole - done;
        }
        self.last = Some((spot, point.t, point.end_of_stroke));
    }

    /// The frame of a device, whose origin is the first event.
    fn begin(&mut self, first: &PenPoint) -> Frame {
        let mut frame = Frame::of(core::slice::from_ref(first).into(), false);
        if let Scale::Device { unit, pressure } = self.spec.scale {
            frame.unit = i64::from(unit).max(1);
            frame.pressure = i64::from(pressure).max(1);
        }
        self.frame = Some(frame);
        self.interval = self.interval(&frame);
        frame
    }

    /// The extent between two steps, as the spec has it.
    fn interval(&self, frame: &Frame) -> i64 {
        match self.spec.sampling {
            Sampling::Time(milliseconds) => i64::from(milliseconds).max(1),
            Sampling::Arc(parts) => divide(i64::from(parts) * frame.parts(), 64).max(1),
        }
    }

    /// An event; clocks that step back or leap are not believed.
    fn spot(&self, frame: &Frame, point: &PenPoint) -> Spot {
        let time = self.last.map_or(0, |(from, clock, _)| {
            let passed = i64::from(point.t) - i64::from(clock);
            from.time + passed.clamp(0, MAX_PAUSE.into())
        });
        Spot {
            position: frame.position(point),
            pressure: point.pressure.into(),
            time,
        }
    }

    fn extent(&self, from: &Spot, to: &Spot) -> i64 {
        match self.spec.sampling {
            Sampling::Time(_) => to.time - from.time,
            Sampling::Arc(_) => length(difference(from, to)),
        }
    }
}

/// So far from one spot to another, of an extent that is not 0.
fn between(from: &Spot, to: &Spot, done: i64, whole: i64) -> Spot {
    let along = |from: i64, to: i64| from + divide((to - from) * done, whole);
    Spot {
        position: [
            along(from.position[0], to.position[0]),
            along(from.position[1], to.position[1]),
        ],
        pressure: along(from.pressure, to.pressure),
        time: along(from.time, to.time),
    }
}

pub(super) fn difference(from: &Spot, to: &Spot) -> [i64; 2] {
    [
        to.position[0] - from.position[0],
        to.position[1] - from.position[1],
    ]
}

/// Length of a vector, rounded down.
pub(super) fn length([dx, dy]: [i64; 2]) -> i64 {
    // Positions are below 2^26, so that their differences' squares add up to less than 2^56.
    (dx * dx + dy * dy).unsigned_abs().isqrt() as i64
}
