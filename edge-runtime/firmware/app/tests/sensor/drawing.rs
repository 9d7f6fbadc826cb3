//! Drawings.

use app::sensor::{Drawing, Ft6x06, LIFTED_MS, LONGEST_MS, WAIT_MS};
use edge_runtime::sensor::{Captured, Pen, Sensor, SensorError, Touch};

use super::Clock;
use super::ft6x06::Panel;

const SIDE: usize = 128;

/// A pen that does what it is told, then nothing any more.
#[derive(Debug)]
struct Script {
    size: (u16, u16),
    steps: Vec<Result<Option<(u16, u16)>, SensorError>>,
    done: usize,
    /// Whether it goes on with the last step.
    goes_on: bool,
}

impl Script {
    fn new(size: (u16, u16), strokes: &[&[(u16, u16)]]) -> Self {
        let mut steps = vec![];
        for stroke in strokes {
            steps.extend(stroke.iter().copied().map(Some).map(Ok));
            steps.push(Ok(None));
        }
        Self {
            size,
            steps,
            done: 0,
            goes_on: false,
        }
    }
}

impl Pen for Script {
    fn size(&self) -> (u16, u16) {
        self.size
    }

    fn poll(&mut self) -> Result<Option<Touch>, SensorError> {
        let last = self.steps.len().saturating_sub(1);
        let place = match self.goes_on {
            true => self.done.min(last),
            false => self.done,
        };
        self.done += 1;
        let step = self.steps.get(place).copied().unwrap_or(Ok(None))?;
        Ok(step.map(|(x, y)| Touch {
            x,
            y,
            pressure: None,
        }))
    }
}

struct Picture {
    width: usize,
    height: usize,
    pixels: Vec<u8>,
    milliseconds: u64,
}

/// What comes of a script in `room` bytes.
fn draw_in(room: usize, script: Script) -> (Result<Picture, SensorError>, u64) {
    let clock = Clock::default();
    let mut pixels = vec![7; room];
    let drawn = Drawing::new(script, clock.clone()).capture(&mut pixels);
    let milliseconds = clock.milliseconds();
    let picture = drawn.map(|picture: Captured| {
        let (picture_pixels, behind) = pixels.split_at(picture.len());
        assert!(behind.iter().all(|&byte| byte == 7));
        assert_eq!(picture.channels, 1);
        Picture {
            width: picture.width.into(),
            height: picture.height.into(),
            pixels: picture_pixels.to_vec(),
            milliseconds,
        }
    });
    (picture, milliseconds)
}

fn draw(size: (u16, u16), strokes: &[&[(u16, u16)]]) -> Picture {
    let (picture, _) = draw_in(SIDE * SIDE, Script::new(size, strokes));
    picture.unwrap()
}

impl Picture {
    fn ink(&self) -> Vec<(usize, usize)> {
        assert!(self.pixels.iter().all(|pixel| matches!(pixel, 0 | 255)));
        let places = (0..self.height).flat_map(|y| (0..self.width).map(move |x| (x, y)));
        let inked = places.filter(|(x, y)| self.pixels[y * self.width + x] == 0);
        inked.collect()
    }

    /// The first and last column, the first and last row.
    fn bounds(&self) -> [usize; 4] {
        let ink = self.ink();
        let (columns, rows) = (ink.iter().map(|at| at.0), ink.iter().map(|at| at.1));
        [
            columns.clone().min().unwrap(),
            columns.max().unwrap(),
            rows.clone().min().unwrap(),
            rows.max().unwrap(),
        ]
    }

    /// Pieces of ink that hang together.
    fn pieces(&self) -> usize {
        let mut left = self.ink();
        let mut pieces = 0;
        while let Some(first) = left.pop() {
            pieces += 1;
            let mut reached = vec![first];
            while let Some((x, y)) = reached.pop() {
                let is_near = |at: &(usize, usize)| at.0.abs_diff(x) <= 1 && at.1.abs_diff(y) <= 1;
                reached.extend(left.iter().copied().filter(is_near));
                left.retain(|at| !is_near(at));
            }
        }
        pieces
    }
}

#[test]
fn a_line_is_as_long_and_as_thick_as_it_should_be() {
    // A pixel for two columns of the panel.
    let picture = draw((256, 256), &[&[(40, 100), (200, 100)]]);
    assert_eq!((picture.width, picture.height), (SIDE, SIDE));
    assert_eq!(picture.bounds(), [19, 101, 49, 51]);
    // So small a pen has all its corners.
    assert_eq!(picture.ink().len(), 83 * 3);
    let picture = draw((256, 256), &[&[(100, 200), (100, 40)]]);
    assert_eq!(picture.bounds(), [49, 51, 19, 101]);
    // On smaller pictures lines are thinner: of two pixels, which is three with the one in
    // their middle, and of one.
    for (side, bounds, ink) in [
        (80, [29, 61, 39, 41], 31 * 3 + 2),
        (79, [30, 60, 40, 40], 31),
    ] {
        let script = Script::new((side, side), &[&[(30, 40), (60, 40)]]);
        let (picture, _) = draw_in(usize::from(side * side), script);
        let picture = picture.unwrap();
        assert_eq!((picture.bounds(), picture.ink().len()), (bounds, ink));
    }
}

#[test]
fn strokes_hang_together_and_lie_apart() {
    let spiral: Vec<(u16, u16)> = [
        (20, 20),
        (220, 30),
        (210, 230),
        (40, 215),
        (45, 60),
        (180, 70),
        (176, 190),
    ]
    .into();
    let picture = draw((256, 256), &[&spiral]);
    assert_eq!(picture.pieces(), 1);
    assert_eq!(picture.bounds(), [9, 111, 9, 116]);
    // A pen that was lifted draws no line to where it comes down again.
    let picture = draw(
        (256, 256),
        &[&spiral, &[(100, 120), (130, 120)], &[(110, 160)]],
    );
    assert_eq!(picture.pieces(), 3);
}

#[test]
fn lines_of_every_direction_have_no_gap() {
    for room in [SIDE * SIDE, 40 * 40] {
        for x in (0..256).step_by(5) {
            for end in [(x, 0), (x, 255), (0, x), (255, x)] {
                let stroke = [(128, 128), end];
                let (picture, _) = draw_in(room, Script::new((256, 256), &[&stroke]));
                assert_eq!(picture.unwrap().pieces(), 1, "{end:?}");
            }
        }
    }
}

#[test]
fn a_tap_is_a_dot() {
    let picture = draw((256, 256), &[&[(128, 128)]]);
    assert_eq!(picture.bounds(), [63, 65, 63, 65]);
}

#[test]
fn ink_at_the_edges_stays_on_the_picture() {
    let picture = draw(
        (256, 256),
        &[&[(0, 0), (255, 0), (255, 255), (0, 255), (0, 0)]],
    );
    assert_eq!(picture.bounds(), [0, 127, 0, 127]);
    assert_eq!(picture.pieces(), 1);
}

#[test]
fn pictures_have_the_proportions_of_the_panel_and_fit_the_memory() {
    for (size, room, expected) in [
        ((240, 320), SIDE * SIDE, (96, 128)),
        ((320, 240), SIDE * SIDE, (128, 96)),
        ((320, 240), 64 * 48, (64, 48)),
        ((320, 240), 64 * 48 - 1, (63, 47)),
        ((320, 240), 32 * 24, (32, 24)),
        // Smaller than a picture may be, and as narrow as can be.
        ((100, 50), SIDE * SIDE, (100, 50)),
        ((4000, 3), SIDE * SIDE, (128, 1)),
        ((u16::MAX, u16::MAX), SIDE * SIDE, (128, 128)),
    ] {
        let stroke = [(0, 0), (size.0 - 1, size.1 - 1)];
        let (picture, _) = draw_in(room, Script::new(size, &[&stroke]));
        let picture = picture.unwrap();
        assert_eq!((picture.width, picture.height), expected, "{size:?} {room}");
        let [left, right, top, bottom] = picture.bounds();
        assert_eq!((left, top), (0, 0));
        assert_eq!((right + 1, bottom + 1), expected);
    }
    let (picture, milliseconds) = draw_in(32 * 24 - 1, Script::new((320, 240), &[&[(1, 1)]]));
    let (needed, room) = (32 * 24, 32 * 24 - 1);
    assert_eq!(picture.err(), Some(SensorError::Memory { needed, room }));
    assert_eq!(milliseconds, 0);
}

#[test]
fn a_drawing_ends_a_while_after_the_pen_was_lifted() {
    let picture = draw((256, 256), &[&[(10, 10), (20, 20), (30, 30)]]);
    let drawn = 3 * 10;
    assert_eq!(picture.milliseconds, drawn + u64::from(LIFTED_MS) - 10);
    // Between two strokes it may be lifted for a little less, more than once.
    let mut script = Script::new((256, 256), &[]);
    for dot in [10, 100, 200] {
        script.steps.push(Ok(Some((dot, dot))));
        script
            .steps
            .extend(vec![Ok(None); LIFTED_MS as usize / 10 - 1]);
    }
    let (picture, _) = draw_in(SIDE * SIDE, script);
    assert_eq!(picture.unwrap().pieces(), 3);
}

#[test]
fn nothing_drawn_is_told() {
    let (picture, milliseconds) = draw_in(SIDE * SIDE, Script::new((256, 256), &[]));
    let expected = SensorError::Blank {
        milliseconds: WAIT_MS,
    };
    assert_eq!(picture.err(), Some(expected));
    assert_eq!(milliseconds, u64::from(WAIT_MS) - 10);
}

#[test]
fn a_pen_that_is_never_lifted_does_not_draw_for_ever() {
    let mut script = Script::new((256, 256), &[]);
    script.steps.push(Ok(Some((5, 5))));
    script.goes_on = true;
    let (picture, milliseconds) = draw_in(SIDE * SIDE, script);
    assert!(matches!(picture.err(), Some(SensorError::TooSlow { .. })));
    assert_eq!(milliseconds, u64::from(LONGEST_MS));
}

#[test]
fn errors_of_the_panel_end_a_drawing() {
    let error = SensorError::Bus {
        device: "touch panel",
        bus: "I2C",
    };
    let mut script = Script::new((256, 256), &[&[(5, 5), (6, 6)]]);
    script.steps.insert(1, Err(error));
    let (picture, _) = draw_in(SIDE * SIDE, script);
    assert_eq!(picture.err(), Some(error));
}

#[test]
fn a_panel_on_a_bus_draws() {
    let panel = Panel::new(0x06);
    panel.touch(&[(2, 0, 120, 160)]);
    let clock = Lifting {
        panel: panel.clone(),
        polls_left: 4,
    };
    let mut drawing = Drawing::new(Ft6x06::new(panel, 240, 320), clock);
    let mut pixels = [7; 96 * 128];
    let picture = drawing.capture(&mut pixels).unwrap();
    assert_eq!((picture.width, picture.height), (96, 128));
    let middle = 64 * 96 + 48;
    assert_eq!(pixels[middle - 2..middle + 3], [255, 0, 0, 0, 255]);
    assert_eq!(pixels.iter().filter(|&&pixel| pixel == 0).count(), 9);
}

/// Lifts the finger after some waits.
struct Lifting {
    panel: Panel,
    polls_left: usize,
}

impl embedded_hal::delay::DelayNs for Lifting {
    fn delay_ns(&mut self, _: u32) {
        self.polls_left = self.polls_left.saturating_sub(1);
        if self.polls_left == 0 {
            self.panel.touch(&[]);
        }
    }
}
