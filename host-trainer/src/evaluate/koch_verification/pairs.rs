//! The pairs of the test.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use rand::seq::{IndexedRandom, index};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use crate::dataset::Dataset;
use crate::dataset::omniglot::drawer;
use crate::evaluate::Embedded;
use crate::evaluate::cohort::Measure;
use crate::evaluate::reference::Reference;
use crate::evaluate::scores::Score;

/// Which characters a different pair may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Different {
    WithinAlphabet,
    AcrossAlphabets,
}

/// One drawing: its place among the embeddings, and who drew it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Drawing {
    index: usize,
    drawer: u8,
}

/// One character: its number and drawings.
pub(super) type Character = (u32, Vec<Drawing>);

/// The embedded drawings of a part, by alphabet and character.
pub(super) struct Drawings {
    pub(super) embedded: Embedded,
    references: Vec<Reference>,
    pub(super) alphabets: Vec<Vec<Character>>,
    /// Number of characters.
    pub(super) classes: usize,
}

impl Drawings {
    pub(super) fn new(
        dataset: &Dataset,
        embedded: Embedded,
        measure: impl Into<Measure>,
    ) -> Result<Self> {
        let mut classes: BTreeMap<u32, Vec<Drawing>> = BTreeMap::new();
        let tensors = &embedded.tensors;
        for (index, (&class, &sample)) in tensors.classes.iter().zip(&tensors.indices).enumerate() {
            let name = &dataset.samples[sample as usize].name;
            let drawer = drawer(name).with_context(|| {
                format!("expected NNNN_NN.png with a drawer's number, found {name}")
            })?;
            let drawing = Drawing { index, drawer };
            classes.entry(class).or_default().push(drawing);
        }
        let count = classes.len();
        let mut alphabets: BTreeMap<&str, Vec<Character>> = BTreeMap::new();
        for (number, (class, drawings)) in (0u32..).zip(classes) {
            ensure!(
                drawings.len() >= 2,
                "expected at least two drawers of each character, found {} of {}",
                drawings.len(),
                dataset.classes[class as usize].name
            );
            let alphabet = dataset.classes[class as usize].group.as_str();
            alphabets
                .entry(alphabet)
                .or_default()
                .push((number, drawings));
        }
        let alphabets: Vec<_> = alphabets.into_values().collect();
        ensure!(
            alphabets.len() >= 2 && alphabets.iter().all(|characters| characters.len() >= 2),
            "expected at least two alphabets of two characters in each part of {}",
            dataset.name
        );
        let all = 0..tensors.len();
        let measure = &measure.into();
        let reference = |index| Reference::new(&embedded.embeddings, &[index], measure);
        Ok(Self {
            references: all.into_par_iter().map(reference).collect(),
            embedded,
            alphabets,
            classes: count,
        })
    }

    /// Draws pairs; half of them of one character, of every alphabet as many.
    pub(super) fn draw(&self, different: Different, pairs: usize, seed: u64) -> Vec<Score> {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let pairs = (0..pairs).map(|number| {
            let alphabet = number % self.alphabets.len();
            match number / self.alphabets.len() % 2 {
                0 => self.same(alphabet, &mut random),
                _ => self.different(alphabet, different, &mut random),
            }
        });
        pairs.flatten().collect()
    }

    fn same(&self, alphabet: usize, random: &mut ChaCha8Rng) -> Option<Score> {
        let (class, drawings) = self.alphabets[alphabet].choose(random)?;
        let two = index::sample(random, drawings.len(), 2);
        let [left, right] = [0, 1].map(|side| drawings[two.index(side)]);
        Some(self.score([left, right], [*class; 2]))
    }

    fn different(
        &self,
        alphabet: usize,
        different: Different,
        random: &mut ChaCha8Rng,
    ) -> Option<Score> {
        let own = &self.alphabets[alphabet];
        let left = random.random_range(0..own.len());
        let (other, right) = match different {
            Different::WithinAlphabet => {
                let step = random.random_range(1..own.len());
                (own, (left + step) % own.len())
            }
            Different::AcrossAlphabets => {
                let step = random.random_range(1..self.alphabets.len());
                let other = &self.alphabets[(alphabet + step) % self.alphabets.len()];
                (other, random.random_range(0..other.len()))
            }
        };
        let ((left_class, left), (right_class, right)) = (&own[left], &other[right]);
        let left = left.choose(random)?;
        let others: Vec<&Drawing> = right.iter().filter(|d| d.drawer != left.drawer).collect();
        let right = others.choose(random)?;
        Some(self.score([*left, **right], [*left_class, *right_class]))
    }

    fn score(&self, [left, right]: [Drawing; 2], classes: [u32; 2]) -> Score {
        let probe = self.embedded.embeddings.get(right.index);
        Score {
            distance: self.references[left.index].distance(probe),
            classes,
            is_genuine: classes[0] == classes[1],
        }
    }
}
