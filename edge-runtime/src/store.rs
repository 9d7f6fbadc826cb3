//! Where templates are kept.

#[cfg(feature = "std")]
pub mod file;
#[cfg(feature = "flash")]
pub mod flash;
mod held;
mod state;

use shared::drift::Drift;
use shared::support_set::{SupportSet, SupportSetError};
use shared::template::Template;

pub use held::{Held, StateTooLong};
pub use state::{MAX_STATE, State, States};

/// Keeps templates of one model.
pub trait TemplateStore<const SHOTS: usize, const DIM: usize> {
    /// Why it cannot.
    type Error;

    /// The templates, in order of enrolment.
    fn templates(&self) -> impl Iterator<Item = &Template<SHOTS, DIM>>;

    /// Keeps a template, in place of the subject's earlier one. A template that was
    /// put without error is there after power fails at any moment, as far as the store
    /// outlives that at all; an error leaves the store as it was.
    ///
    /// # Errors
    /// When it is of another model, or there is no room.
    fn put(&mut self, template: Template<SHOTS, DIM>) -> Result<(), Self::Error>;

    /// Removes a subject; whether it was there.
    ///
    /// # Errors
    /// When the store cannot be changed.
    fn remove(&mut self, subject: &str) -> Result<bool, Self::Error>;

    /// How many templates of other models are kept. They are compared with nothing.
    fn stale_count(&self) -> usize {
        0
    }

    /// Removes the templates of other models.
    ///
    /// # Errors
    /// When the store cannot be changed.
    fn remove_stale(&mut self) -> Result<(), Self::Error> {
        Ok(())
    }

    /// What is known of how near to the threshold a subject is accepted; `None` where
    /// nothing is.
    fn drift(&self, _subject: &str) -> Option<Drift> {
        None
    }

    /// Keeps what is known of an enrolled subject, beside the templates, which stay as they
    /// are; as long as the store can. It goes when the subject is removed.
    ///
    /// # Errors
    /// When it cannot be kept. Nothing depends on it.
    fn keep_drift(&mut self, _subject: &str, _drift: Drift) -> Result<(), Self::Error> {
        Ok(())
    }
}

/// Keeps what a device must remember beside templates.
pub trait StateStore {
    /// Why it cannot.
    type Error;

    /// The bytes of a state; none where there never were any.
    fn state(&self, state: State) -> &[u8];

    /// Keeps the bytes of a state, at most [`MAX_STATE`] of them, in place of earlier ones.
    /// What was set without error is there after power fails at any moment; an error leaves
    /// the store as it was.
    ///
    /// # Errors
    /// When the store cannot be changed.
    fn set_state(&mut self, state: State, bytes: &[u8]) -> Result<(), Self::Error>;
}

impl<S: StateStore> StateStore for &mut S {
    type Error = S::Error;

    fn state(&self, state: State) -> &[u8] {
        (**self).state(state)
    }

    fn set_state(&mut self, state: State, bytes: &[u8]) -> Result<(), S::Error> {
        (**self).set_state(state, bytes)
    }
}

impl<S: TemplateStore<SHOTS, DIM>, const SHOTS: usize, const DIM: usize> TemplateStore<SHOTS, DIM>
    for &mut S
{
    type Error = S::Error;

    fn templates(&self) -> impl Iterator<Item = &Template<SHOTS, DIM>> {
        (**self).templates()
    }

    fn put(&mut self, template: Template<SHOTS, DIM>) -> Result<(), S::Error> {
        (**self).put(template)
    }

    fn remove(&mut self, subject: &str) -> Result<bool, S::Error> {
        (**self).remove(subject)
    }

    fn stale_count(&self) -> usize {
        (**self).stale_count()
    }

    fn remove_stale(&mut self) -> Result<(), S::Error> {
        (**self).remove_stale()
    }

    fn drift(&self, subject: &str) -> Option<Drift> {
        (**self).drift(subject)
    }

    fn keep_drift(&mut self, subject: &str, drift: Drift) -> Result<(), S::Error> {
        (**self).keep_drift(subject, drift)
    }
}

/// Memory only: nothing outlives the program.
impl<const SUBJECTS: usize, const SHOTS: usize, const DIM: usize> TemplateStore<SHOTS, DIM>
    for SupportSet<SUBJECTS, SHOTS, DIM>
{
    type Error = SupportSetError;

    fn templates(&self) -> impl Iterator<Item = &Template<SHOTS, DIM>> {
        self.templates().iter()
    }

    fn put(&mut self, template: Template<SHOTS, DIM>) -> Result<(), SupportSetError> {
        self.insert(template)
    }

    fn remove(&mut self, subject: &str) -> Result<bool, SupportSetError> {
        Ok(SupportSet::remove(self, subject))
    }

    fn drift(&self, subject: &str) -> Option<Drift> {
        SupportSet::drift(self, subject)
    }

    fn keep_drift(&mut self, subject: &str, drift: Drift) -> Result<(), SupportSetError> {
        SupportSet::keep_drift(self, subject, drift);
        Ok(())
    }
}
