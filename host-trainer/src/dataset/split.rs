//! Which classes are learnt from, which choose, and which only judge.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
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
    /// Training classes that are not learnt from.
    left_out: BTreeSet<u32>,
}

impl Split {
    /// Assigns each class, in order, the part that `of` gives it.
    pub fn by_class(classes: &[Class], of: impl FnMut(&Class) -> Part) -> Self {
        Self::of(classes.iter().map(of).collect())
    }

    /// Every class judges.
    pub fn all_judge(classes: &[Class]) -> Self {
        Self::by_class(classes, |_| Part::Test)
    }

    /// Orders the classes by the SHA-256 of their names: the first 15 % are for test, the
    /// next 15 % for validation (at least two each), the others for training. The same
    /// names give the same parts on every machine.
    pub fn by_hash(classes: &[Class]) -> Self {
        let judging = (classes.len() * 15).div_ceil(100).max(2);
        let mut parts = vec![Part::Train; classes.len()];
        for (place, class) in order_by_hash(classes).into_iter().enumerate() {
            parts[class] = match place / judging {
                0 => Part::Test,
                1 => Part::Validation,
                _ => Part::Train,
            };
        }
        Self::of(parts)
    }

    /// One of `folds` splits of which each class is in the test part of exactly one: the
    /// classes, ordered by the SHA-256 of their names, are dealt out to the folds in
    /// turn. The next fold is for validation, the others for training. `fold` counts
    /// from 0.
    ///
    /// # Errors
    /// With fewer than three folds, or fewer than two classes for each.
    pub fn fold(classes: &[Class], fold: usize, folds: usize) -> Result<Self> {
        ensure!(
            folds >= 3 && fold < folds,
            "expected at least 3 folds (to learn, to choose, to judge) and a fold below their number, found fold {fold} of {folds}"
        );
        ensure!(
            classes.len() >= 2 * folds,
            "expected at least two classes for each of {folds} folds, found {}: add classes or lower --folds",
            classes.len()
        );
        let mut parts = vec![Part::Train; classes.len()];
        for (place, class) in order_by_hash(classes).into_iter().enumerate() {
            parts[class] = match (place + folds - fold) % folds {
                0 => Part::Test,
                1 => Part::Validation,
                _ => Part::Train,
            };
        }
        Ok(Self::of(parts))
    }

    /// The split in which the published list of pairs at `judging` judges, the list before
    /// it chooses, and classes in neither teach. With one list nobody chooses.
    pub fn by_list(dataset: &Dataset, judging: usize) -> Self {
        let lists = dataset.pairs.len().max(1);
        let choosing = (judging + lists - 1) % lists;
        let [judge, choose] = [judging, choosing].map(|list| dataset.listed(list));
        let part = |class: u32| match (judge.contains(&class), choose.contains(&class)) {
            (true, _) => Part::Test,
            (false, true) => Part::Validation,
            (false, false) => Part::Train,
        };
        let classes = (0u32..).zip(&dataset.classes);
        Self::of(classes.map(|(class, _)| part(class)).collect())
    }

    fn of(parts: Vec<Part>) -> Self {
        Self {
            parts,
            left_out: BTreeSet::new(),
        }
    }

    /// Leaves `count` of the training classes, drawn by `seed`, to tell what few of them
    /// teach: fewer ones are some of more. Neither the other parts nor the manifest change.
    ///
    /// # Errors
    /// When there are fewer.
    pub fn keep_training_classes(&mut self, count: usize, seed: u64) -> Result<()> {
        let parts = (0u32..).zip(&self.parts);
        let mut classes: Vec<u32> = parts
            .filter(|(_, part)| **part == Part::Train)
            .map(|(class, _)| class)
            .collect();
        ensure!(
            (2..=classes.len()).contains(&count),
            "expected 2 to {} training classes to learn from, found {count}: choose another --classes",
            classes.len()
        );
        classes.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
        self.left_out = classes.split_off(count).into_iter().collect();
        Ok(())
    }

    /// The part of a class, an index into the data set's classes.
    pub fn part(&self, class: u32) -> Part {
        self.parts[class as usize]
    }

    /// Indices of the samples of `part` that are not left out, ascending.
    pub fn samples(&self, dataset: &Dataset, part: Part) -> Vec<u32> {
        (0u32..)
            .zip(&dataset.samples)
            .filter(|(_, sample)| self.part(sample.class) == part)
            .filter(|(_, sample)| !self.left_out.contains(&sample.class))
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

/// Indices of the classes, ordered by the SHA-256 of their names.
fn order_by_hash(classes: &[Class]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..classes.len()).collect();
    order.sort_by_key(|&index| Sha256::digest(classes[index].name.as_bytes()));
    order
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    fn classes(count: usize) -> Vec<Class> {
        let class = |number: usize| Class {
            name: format!("class {number}"),
            group: String::new(),
        };
        (0..count).map(class).collect()
    }

    #[test]
    fn adding_a_class_leaves_most_parts_alone() {
        let (before, after) = (Split::by_hash(&classes(100)), Split::by_hash(&classes(101)));
        let parts = before.parts.iter().zip(&after.parts);
        let moved = parts.filter(|(a, b)| a != b).count();
        assert!(moved <= 2, "{moved}");
    }

    #[test]
    fn few_training_classes_are_some_of_more() {
        let classes = classes(40);
        let left = |count| {
            let mut split = Split::by_hash(&classes);
            split.keep_training_classes(count, 7).unwrap();
            assert_eq!(
                split.hash(&classes),
                Split::by_hash(&classes).hash(&classes)
            );
            let all = (0..40).filter(|class| split.part(*class) == Part::Train);
            let kept: BTreeSet<u32> = all
                .filter(|class| !split.left_out.contains(class))
                .collect();
            assert_eq!(kept.len(), count);
            kept
        };
        assert!(left(3).is_subset(&left(9)) && left(9).is_subset(&left(28)));
        for count in [0, 1, 29] {
            assert!(
                Split::by_hash(&classes)
                    .keep_training_classes(count, 7)
                    .is_err()
            );
        }
    }

    #[test]
    fn every_class_is_judged_once_and_not_where_it_teaches() {
        let classes = classes(23);
        let mut judged = vec![0; classes.len()];
        for fold in 0..5 {
            let split = Split::fold(&classes, fold, 5).unwrap();
            let count = |part| split.parts.iter().filter(|p| **p == part).count();
            assert!((4..=5).contains(&count(Part::Test)));
            assert!((4..=5).contains(&count(Part::Validation)));
            for (judged, part) in judged.iter_mut().zip(&split.parts) {
                *judged += usize::from(*part == Part::Test);
            }
        }
        assert_eq!(judged, vec![1; classes.len()]);
        assert!(Split::fold(&classes, 0, 2).is_err());
        assert!(Split::fold(&classes, 5, 5).is_err());
        assert!(Split::fold(&classes, 0, 12).is_err());
    }
}
