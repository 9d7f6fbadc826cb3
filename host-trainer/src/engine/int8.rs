//! The int8 engine of Linux-class boards, on the host.

use anyhow::Result;
use edge_runtime::engine::int8::packed::PackedInt8Engine;
use edge_runtime::kernels::InstructionSet;
use shared::artifact::Artifact;

use super::{Embedder, Embeddings, ModelFacts, StoredCohort, embed_on_device_engines};

/// An artifact and the engine that runs it.
#[derive(Clone, Debug)]
pub struct Int8Embedder {
    bytes: Vec<u8>,
    facts: ModelFacts,
}

impl Int8Embedder {
    /// Checks the artifact.
    ///
    /// # Errors
    /// When it is damaged.
    pub fn new(bytes: Vec<u8>) -> Result<Self> {
        let facts = ModelFacts::of(&Artifact::parse(&bytes)?);
        Ok(Self { bytes, facts })
    }
}

impl Embedder for Int8Embedder {
    fn engine(&self) -> &'static str {
        "int8"
    }

    fn facts(&self) -> &ModelFacts {
        &self.facts
    }

    fn embed(&mut self, inputs: &[u8]) -> Result<Embeddings> {
        let artifact = Artifact::parse(&self.bytes)?;
        embed_on_device_engines(&self.facts, inputs, || {
            let engine = PackedInt8Engine::new(artifact.clone(), InstructionSet::fastest());
            Ok(engine?)
        })
    }
}

impl ModelFacts {
    /// The facts of an artifact.
    pub fn of(artifact: &Artifact<'_>) -> Self {
        let contract = artifact.contract();
        Self {
            model_id: Some(artifact.model_id()),
            preprocess: contract.preprocess,
            comparison: contract.comparison,
            cohort: artifact.cohort().map(|cohort| StoredCohort {
                normalization: cohort.normalization(),
                members: cohort.members().flatten().collect(),
            }),
        }
    }
}
