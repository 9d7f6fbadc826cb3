//! Where a model goes that a host sends.

use shared::artifact::signature::PublicKey;
use shared::wire::Refusal;

/// A place for a model beside the one in use.
pub trait ModelSlot {
    /// Bytes of the largest model; 0 where none can be sent.
    fn room(&self) -> usize;

    /// Begins with a model of `length` bytes.
    ///
    /// # Errors
    /// [`Refusal::ModelTooLarge`], [`Refusal::Flash`], [`Refusal::Unsupported`].
    fn begin(&mut self, length: u32) -> Result<(), Refusal>;

    /// Takes the part of the model from `offset` on. Parts come in order; one that came
    /// before may come again.
    ///
    /// # Errors
    /// [`Refusal::Chunk`], [`Refusal::Flash`], [`Refusal::Unsupported`].
    fn put(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Refusal>;

    /// The model, if all of it is there.
    ///
    /// # Errors
    /// [`Refusal::Chunk`], [`Refusal::Unsupported`].
    fn received(&self) -> Result<Received, Refusal>;
}

/// A model that is there whole, to be committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received {
    /// Bytes of its artifact, and of its signature block where it has one.
    pub length: u32,
}

/// What changes more than a device that runs can: it is dropped, and made anew afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Go over to the model that was received.
    Model(Received),
    /// Run, from now on and for good, only models that this key has signed.
    Trust(PublicKey),
}

/// No place: models come to such a device by other ways.
impl ModelSlot for () {
    fn room(&self) -> usize {
        0
    }

    fn begin(&mut self, _: u32) -> Result<(), Refusal> {
        Err(Refusal::Unsupported)
    }

    fn put(&mut self, _: u32, _: &[u8]) -> Result<(), Refusal> {
        Err(Refusal::Unsupported)
    }

    fn received(&self) -> Result<Received, Refusal> {
        Err(Refusal::Unsupported)
    }
}
