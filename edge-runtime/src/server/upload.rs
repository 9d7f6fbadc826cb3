//! A sample that arrives in chunks, or is taken here.

use shared::bytes::copy_front;
use shared::preprocess::Preprocess;
use shared::wire::{Refusal, Response};

use super::Board;
use crate::engine::Engine;
use crate::recognizer::{Recognizer, Sample, SampleShape};
use crate::sensor::{Captured, SensorError};
use crate::store::TemplateStore;

/// Where a sample goes, how large it will be and what of it is here. Its place is a buffer
/// of its own, borrowed or owned, or, where that is empty, the engine's idle memory, given
/// to each call as `idle`.
#[derive(Debug)]
pub(super) struct Upload<P> {
    own: P,
    shape: Option<SampleShape>,
    received: usize,
}

impl<P: AsRef<[u8]> + AsMut<[u8]>> Upload<P> {
    pub(super) fn new(own: P) -> Self {
        Self {
            own,
            shape: None,
            received: 0,
        }
    }

    fn is_idle(&self) -> bool {
        self.own.as_ref().is_empty()
    }

    /// Bytes of the largest sample.
    pub(super) fn capacity(&self, idle: &[u8]) -> usize {
        if self.is_idle() {
            idle.len()
        } else {
            self.own.as_ref().len()
        }
    }

    /// There is no sample here any more.
    pub(super) fn clear(&mut self) {
        self.shape = None;
        self.received = 0;
    }

    /// The engine ran.
    pub(super) fn clear_idle(&mut self) {
        if self.is_idle() {
            self.clear();
        }
    }

    pub(super) fn begin(&mut self, shape: SampleShape, idle: &[u8]) -> Result<(), Refusal> {
        self.clear();
        let is_possible = match shape {
            SampleShape::Picture { channels, .. } => matches!(channels, 1 | 3),
            SampleShape::Pen { .. } => true,
        };
        if shape.size() == 0 || !is_possible {
            return Err(Refusal::Image);
        }
        if shape.size() > self.capacity(idle) {
            return Err(Refusal::SampleTooLarge);
        }
        self.shape = Some(shape);
        Ok(())
    }

    /// Chunks come in order; one that came before may come again.
    pub(super) fn put(
        &mut self,
        offset: u32,
        bytes: &[u8],
        idle: &mut [u8],
    ) -> Result<(), Refusal> {
        let shape = self.shape.ok_or(Refusal::NoSample)?;
        let offset = offset as usize;
        let end = offset.checked_add(bytes.len()).ok_or(Refusal::Chunk)?;
        if offset > self.received || end > shape.size() {
            return Err(Refusal::Chunk);
        }
        let end_before = self.received;
        let place = self.bytes(idle).get_mut(offset..end);
        copy_front(place.ok_or(Refusal::Chunk)?, bytes);
        self.received = end_before.max(end);
        Ok(())
    }

    /// Where the board itself may put a sample, in place of one that was here.
    pub(super) fn place<'p>(&'p mut self, idle: &'p mut [u8]) -> &'p mut [u8] {
        self.clear();
        self.bytes(idle)
    }

    /// A sample of this shape is there now.
    pub(super) fn took(&mut self, shape: SampleShape) {
        self.shape = Some(shape);
        self.received = shape.size();
    }

    fn bytes<'p>(&'p mut self, idle: &'p mut [u8]) -> &'p mut [u8] {
        match self.is_idle() {
            true => idle,
            false => self.own.as_mut(),
        }
    }

    /// The sample, to be looked at now: in idle memory it is gone afterwards.
    pub(super) fn take(&mut self) -> Result<Sample<'_>, Refusal> {
        let shape = self.shape.ok_or(Refusal::NoSample)?;
        if self.received < shape.size() {
            return Err(Refusal::NoSample);
        }
        if self.is_idle() {
            self.clear();
            return Ok(Sample::Idle(shape));
        }
        shape.read(self.own.as_ref()).map_err(|_| Refusal::Image)
    }
}

/// Makes room for a sample of a kind that the model reads.
pub(super) fn announce<E, S, P, const SHOTS: usize, const DIM: usize>(
    recognizer: &mut Recognizer<'_, E, S, SHOTS, DIM>,
    upload: &mut Upload<P>,
    shape: SampleShape,
) -> Result<Response<'static>, Refusal>
where
    E: Engine,
    S: TemplateStore<SHOTS, DIM>,
    P: AsRef<[u8]> + AsMut<[u8]>,
{
    upload.clear();
    match (recognizer.preprocess(), shape) {
        (Preprocess::Picture(_), SampleShape::Picture { .. })
        | (Preprocess::Pen(_), SampleShape::Pen { .. }) => {}
        _ => return Err(Refusal::Kind),
    }
    upload.begin(shape, recognizer.memory().idle)?;
    Ok(Response::Done)
}

/// Has the board take a picture.
pub(super) fn capture<P, C>(
    board: &mut C,
    upload: &mut Upload<P>,
    idle: &mut [u8],
) -> Result<Response<'static>, Refusal>
where
    P: AsRef<[u8]> + AsMut<[u8]>,
    C: Board,
{
    let captured = board.capture(upload.place(idle));
    let Captured {
        width,
        height,
        channels,
    } = captured.map_err(not_captured)?;
    upload.took(SampleShape::Picture {
        width,
        height,
        channels,
    });
    Ok(Response::Captured {
        width,
        height,
        channels,
    })
}

fn not_captured(error: SensorError) -> Refusal {
    match error {
        SensorError::Absent => Refusal::Unsupported,
        SensorError::Memory { .. } => Refusal::SampleTooLarge,
        _ => Refusal::Sensor,
    }
}
