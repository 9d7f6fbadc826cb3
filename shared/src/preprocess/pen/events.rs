//! Events in memory, or as they come over a line.

use super::PenPoint;

/// Bytes of an event on a line: x, y and t of 4 bytes each, the pressure of 2, little-endian,
/// and 1 where the pen leaves the surface after it, 0 elsewhere.
pub const EVENT_LEN: usize = 15;

/// What a pen did, from the first event to the last.
#[derive(Clone, Copy, Debug)]
pub enum PenEvents<'a> {
    /// As whoever runs here made them.
    Points(&'a [PenPoint]),
    /// As they came over a line.
    Encoded(&'a [[u8; EVENT_LEN]]),
}

impl<'a> From<&'a [PenPoint]> for PenEvents<'a> {
    fn from(points: &'a [PenPoint]) -> Self {
        Self::Points(points)
    }
}

impl<'a> From<&'a [[u8; EVENT_LEN]]> for PenEvents<'a> {
    fn from(events: &'a [[u8; EVENT_LEN]]) -> Self {
        Self::Encoded(events)
    }
}

impl<'a> PenEvents<'a> {
    /// How many there are.
    pub fn len(&self) -> usize {
        match self {
            Self::Points(points) => points.len(),
            Self::Encoded(events) => events.len(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// One after the other.
    pub fn iter(&self) -> impl Iterator<Item = PenPoint> + Clone + use<'a> {
        let events = *self;
        (0..events.len()).filter_map(move |index| events.get(index))
    }

    fn get(&self, index: usize) -> Option<PenPoint> {
        match self {
            Self::Points(points) => points.get(index).copied(),
            Self::Encoded(events) => events.get(index).map(PenPoint::decode),
        }
    }
}

impl PenPoint {
    /// The event as it goes over a line.
    ///
    /// ```
    /// use shared::preprocess::pen::PenPoint;
    ///
    /// let event = PenPoint { x: -2, y: 7, t: 90, pressure: 300, end_of_stroke: true };
    /// assert_eq!(PenPoint::decode(&event.encode()), event);
    /// ```
    pub fn encode(&self) -> [u8; EVENT_LEN] {
        let [x0, x1, x2, x3] = self.x.to_le_bytes();
        let [y0, y1, y2, y3] = self.y.to_le_bytes();
        let [t0, t1, t2, t3] = self.t.to_le_bytes();
        let [p0, p1] = self.pressure.to_le_bytes();
        let end = u8::from(self.end_of_stroke);
        [x0, x1, x2, x3, y0, y1, y2, y3, t0, t1, t2, t3, p0, p1, end]
    }

    /// The event that these bytes are; every 15 bytes are one.
    pub fn decode(bytes: &[u8; EVENT_LEN]) -> Self {
        let [x0, x1, x2, x3, y0, y1, y2, y3, t0, t1, t2, t3, p0, p1, end] = *bytes;
        Self {
            x: i32::from_le_bytes([x0, x1, x2, x3]),
            y: i32::from_le_bytes([y0, y1, y2, y3]),
            t: u32::from_le_bytes([t0, t1, t2, t3]),
            pressure: u16::from_le_bytes([p0, p1]),
            end_of_stroke: end != 0,
        }
    }
}
