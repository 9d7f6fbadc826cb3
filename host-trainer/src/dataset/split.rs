//! Which classes are learnt from, which choose, and which only judge.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Class, Dataset};

/// A part of a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// Learnt from.
    Train,
    /// Chooses: best checkpoint, thresholds.
    Validation,
    /// Only judges; never seen in training, never tuned on.
    Test,
}

/// A class-disjoint split: one part per class, so that no class can be in two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    parts: Vec<Part>,
}

impl Split {
    /// Assigns each class, in order, the part that `of` gives it.
    pub fn by_class(classes: &[Class], of: impl FnMut(&Class) -> Part) -> Self {
        Self {
            parts: classes.iter().map(of).collect(),
        }
    }

    /// The part of a class, an index into the data set's classes.
    pub fn part(&self, class: u32) -> Part {
        self.parts[class as usize]
    }

    /// Indices of the samples of `part`, ascending.
    pub fn samples(&self, dataset: &Dataset, part: Part) -> Vec<u32> {
        (0u32..)
            .zip(&dataset.samples)
            .filter(|(_, sample)| self.part(sample.class) == part)
            .map(|(index, _)| index)
            .collect()
    }

    /// The manifest: one line `part<TAB>class name` per class, in class order.
    pub fn manifest(&self, classes: &[Class]) -> String {
        let line = |(part, class): (&Part, &Class)| {
            let part = match part {
                Part::Train => "train",
                Part::Validation => "validation",
                Part::Test => "test",
            };
            format!("{part}\t{}\n", class.name)
        };
        self.parts.iter().zip(classes).map(line).collect()
    }

    /// SHA-256 of the [`manifest`](Self::manifest), hexadecimal: recorded in
    /// checkpoint and card.
    pub fn hash(&self, classes: &[Class]) -> String {
        let digest = Sha256::digest(self.manifest(classes).as_bytes());
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}
