//! Templates and states in memory.

use shared::ModelId;
use shared::drift::Drift;
use shared::support_set::{Comparison, SupportSet, SupportSetError};
use shared::template::Template;

use super::{State, StateStore, States, TemplateStore};

/// What a store holds in memory, and a store by itself, of which nothing outlives the program.
#[derive(Clone, Debug)]
pub struct Held<const SUBJECTS: usize, const SHOTS: usize, const DIM: usize> {
    pub(super) templates: SupportSet<SUBJECTS, SHOTS, DIM>,
    pub(super) states: States,
}

impl<const SUBJECTS: usize, const SHOTS: usize, const DIM: usize> Held<SUBJECTS, SHOTS, DIM> {
    /// Nothing yet, of no model.
    pub const fn new() -> Self {
        Self {
            templates: SupportSet::blank(),
            states: States::new(),
        }
    }

    /// Holds the templates of `model` from now on.
    pub fn begin(&mut self, model: ModelId, comparison: Comparison) {
        self.templates.begin(model, comparison);
    }
}

impl<const SUBJECTS: usize, const SHOTS: usize, const DIM: usize> Default
    for Held<SUBJECTS, SHOTS, DIM>
{
    fn default() -> Self {
        Self::new()
    }
}

impl<const SUBJECTS: usize, const SHOTS: usize, const DIM: usize> TemplateStore<SHOTS, DIM>
    for Held<SUBJECTS, SHOTS, DIM>
{
    type Error = SupportSetError;

    fn templates(&self) -> impl Iterator<Item = &Template<SHOTS, DIM>> {
        self.templates.templates().iter()
    }

    fn put(&mut self, template: Template<SHOTS, DIM>) -> Result<(), SupportSetError> {
        self.templates.insert(template)
    }

    fn remove(&mut self, subject: &str) -> Result<bool, SupportSetError> {
        Ok(self.templates.remove(subject))
    }

    fn drift(&self, subject: &str) -> Option<Drift> {
        self.templates.drift(subject)
    }

    fn keep_drift(&mut self, subject: &str, drift: Drift) -> Result<(), SupportSetError> {
        self.templates.keep_drift(subject, drift);
        Ok(())
    }
}

impl<const SUBJECTS: usize, const SHOTS: usize, const DIM: usize> StateStore
    for Held<SUBJECTS, SHOTS, DIM>
{
    type Error = StateTooLong;

    fn state(&self, state: State) -> &[u8] {
        self.states.get(state)
    }

    fn set_state(&mut self, state: State, bytes: &[u8]) -> Result<(), StateTooLong> {
        let fits = self.states.set(state, bytes);
        fits.then_some(()).ok_or(StateTooLong)
    }
}

/// A state has more than [`MAX_STATE`](super::MAX_STATE) bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StateTooLong;
