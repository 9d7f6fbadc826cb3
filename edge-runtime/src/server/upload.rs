//! A picture that arrives in chunks.

use shared::bytes::copy_front;
use shared::preprocess::Image;
use shared::wire::Refusal;

use crate::recognizer::Sample;

/// Where a picture goes, how large it will be and what of it is here. Its place is a buffer
/// of its own, borrowed or owned, or, where that is empty, the engine's idle memory, given
/// to each call as `idle`.
#[derive(Debug)]
pub(super) struct Upload<P> {
    own: P,
    size: Option<Size>,
    received: usize,
}

#[derive(Clone, Copy, Debug)]
struct Size {
    width: u16,
    height: u16,
    channels: u8,
}

impl Size {
    fn len(self) -> usize {
        usize::from(self.width)
            .saturating_mul(usize::from(self.height))
            .saturating_mul(usize::from(self.channels))
    }
}

impl<P: AsRef<[u8]> + AsMut<[u8]>> Upload<P> {
    pub(super) fn new(own: P) -> Self {
        Self {
            own,
            size: None,
            received: 0,
        }
    }

    fn is_idle(&self) -> bool {
        self.own.as_ref().is_empty()
    }

    /// Bytes of the largest picture.
    pub(super) fn capacity(&self, idle: &[u8]) -> usize {
        if self.is_idle() {
            idle.len()
        } else {
            self.own.as_ref().len()
        }
    }

    /// There is no picture here any more.
    pub(super) fn clear(&mut self) {
        self.size = None;
        self.received = 0;
    }

    /// The engine ran.
    pub(super) fn clear_idle(&mut self) {
        if self.is_idle() {
            self.clear();
        }
    }

    pub(super) fn begin(
        &mut self,
        (width, height, channels): (u16, u16, u8),
        idle: &[u8],
    ) -> Result<(), Refusal> {
        self.clear();
        let size = Size {
            width,
            height,
            channels,
        };
        if width == 0 || height == 0 || !matches!(channels, 1 | 3) {
            return Err(Refusal::Image);
        }
        if size.len() > self.capacity(idle) {
            return Err(Refusal::ImageTooLarge);
        }
        self.size = Some(size);
        Ok(())
    }

    /// Chunks come in order; one that came before may come again.
    pub(super) fn put(
        &mut self,
        offset: u32,
        bytes: &[u8],
        idle: &mut [u8],
    ) -> Result<(), Refusal> {
        let size = self.size.ok_or(Refusal::NoImage)?;
        let offset = offset as usize;
        let end = offset.checked_add(bytes.len()).ok_or(Refusal::Chunk)?;
        if offset > self.received || end > size.len() {
            return Err(Refusal::Chunk);
        }
        let end_before = self.received;
        let place = self.pixels(idle).get_mut(offset..end);
        copy_front(place.ok_or(Refusal::Chunk)?, bytes);
        self.received = end_before.max(end);
        Ok(())
    }

    /// Where the board itself may put a picture, in place of one that was here.
    pub(super) fn place<'p>(&'p mut self, idle: &'p mut [u8]) -> &'p mut [u8] {
        self.clear();
        self.pixels(idle)
    }

    /// A picture of this size is there now.
    pub(super) fn took(&mut self, (width, height, channels): (u16, u16, u8)) {
        let size = Size {
            width,
            height,
            channels,
        };
        self.size = Some(size);
        self.received = size.len();
    }

    fn pixels<'p>(&'p mut self, idle: &'p mut [u8]) -> &'p mut [u8] {
        match self.is_idle() {
            true => idle,
            false => self.own.as_mut(),
        }
    }

    /// The picture, to be looked at now: in idle memory it is gone afterwards.
    pub(super) fn take(&mut self) -> Result<Sample<'_>, Refusal> {
        let size = self.size.ok_or(Refusal::NoImage)?;
        if self.received < size.len() {
            return Err(Refusal::NoImage);
        }
        let Size {
            width,
            height,
            channels,
        } = size;
        if self.is_idle() {
            self.clear();
            return Ok(Sample::Idle {
                width,
                height,
                channels,
            });
        }
        let pixels = self.own.as_ref().get(..size.len());
        let pixels = pixels.ok_or(Refusal::NoImage)?;
        let image = Image::new(width.into(), height.into(), channels, pixels);
        Ok(Sample::Picture(image.map_err(|_| Refusal::Image)?))
    }
}
