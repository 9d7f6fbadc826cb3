//! Episodes: a structure, references that show it, a query.

use anyhow::{Result, ensure};
use rand::RngExt;
use rand::seq::{IndexedRandom, SliceRandom, index};
use rand_chacha::ChaCha8Rng;

use super::augment::{self, Example};
use super::samples::Samples;

/// Marked pixels that references show at least, all together.
const LEAST_MARKED: f32 = 100.0;

/// How many references an episode has: few more often than many.
const REFERENCES: [usize; 6] = [1, 1, 2, 3, 5, 7];

/// Tasks that episodes are drawn from.
#[derive(Debug)]
pub struct Episodes<'a> {
    /// Real ones.
    pub real: &'a [Samples],
    /// Made-up ones.
    pub synthetic: &'a [Samples],
    /// Share of episodes from real ones.
    pub share: f64,
    /// Rows and columns.
    pub side: usize,
}

/// Episodes of a batch, each with as many references: bytes of pictures, 0 and 1 of masks.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Episodes.
    pub episodes: usize,
    /// References of each.
    pub references: usize,
    /// The queries, then the references of each episode.
    pub pictures: Vec<u8>,
    /// The queries' masks.
    pub wanted: Vec<f32>,
    /// The masks of each episode's references.
    pub masks: Vec<f32>,
}

impl Batch {
    /// Bytes of a picture.
    fn len(&self) -> usize {
        self.wanted.len() / self.episodes.max(1)
    }

    /// The picture of an episode's query.
    pub fn query(&self, episode: usize) -> &[u8] {
        &self.pictures[episode * self.len()..][..self.len()]
    }

    /// Pictures and masks, 0 and 1, of an episode's references.
    pub fn references(&self, episode: usize) -> Vec<(&[u8], Vec<u8>)> {
        let len = self.len();
        let reference = |reference: usize| {
            let place = episode * self.references + reference;
            let mask = &self.masks[place * len..][..len];
            (
                &self.pictures[(self.episodes + place) * len..][..len],
                mask.iter().map(|&value| u8::from(value > 0.5)).collect(),
            )
        };
        (0..self.references).map(reference).collect()
    }
}

impl Episodes<'_> {
    /// Draws a batch of about so many pictures.
    ///
    /// # Errors
    /// When no task has two pictures.
    pub fn draw(&self, pictures: usize, random: &mut ChaCha8Rng) -> Result<Batch> {
        let references = *REFERENCES.choose(random).unwrap_or(&1);
        let episodes = (pictures / (references + 1)).clamp(2, 12);
        let mut drawn = vec![];
        for _ in 0..episodes {
            drawn.push(self.episode(references, random)?);
        }
        Ok(batch(&drawn, references))
    }

    /// Draws episodes from the real tasks, pictures as they are.
    ///
    /// # Errors
    /// As [`draw`](Self::draw).
    pub fn unchanged(
        &self,
        episodes: usize,
        references: usize,
        random: &mut ChaCha8Rng,
    ) -> Result<Batch> {
        let drawn = (0..episodes).map(|_| drawn(self.real, references + 1, random));
        Ok(batch(&drawn.collect::<Result<Vec<_>>>()?, references))
    }

    /// A query and its references.
    fn episode(&self, references: usize, random: &mut ChaCha8Rng) -> Result<Vec<Example>> {
        let is_real = self.synthetic.is_empty() || random.random_bool(self.share);
        let tasks = match is_real {
            true => self.real,
            false => self.synthetic,
        };
        let mut examples = vec![];
        // References that show next to nothing teach nothing: a few attempts, then so be it.
        for _ in 0..20 {
            examples = drawn(tasks, references + 1, random)?;
            augment::task(&mut examples, self.side, random);
            augment::pictures(&mut examples, self.side, random);
            let marked = examples[1..].iter().flat_map(|example| &example.mask);
            if marked.sum::<f32>() > LEAST_MARKED {
                break;
            }
        }
        Ok(examples)
    }
}

/// Episodes, each a query and its references, as one batch.
fn batch(drawn: &[Vec<Example>], references: usize) -> Batch {
    let queries = drawn.iter().map(|episode| &episode[0]);
    let others = drawn.iter().flat_map(|episode| &episode[1..]);
    let bytes = |example: &Example| -> Vec<u8> {
        let values = example.picture.iter();
        values.map(|value| (255.0 * value).round() as u8).collect()
    };
    let pictures = queries.clone().chain(others.clone());
    Batch {
        episodes: drawn.len(),
        references,
        pictures: pictures.flat_map(bytes).collect(),
        wanted: queries.flat_map(|example| example.mask.clone()).collect(),
        masks: others.flat_map(|example| example.mask.clone()).collect(),
    }
}

/// Pictures of a task drawn at random, with the masks of one of its structures.
fn drawn(tasks: &[Samples], count: usize, random: &mut ChaCha8Rng) -> Result<Vec<Example>> {
    let samples = tasks.choose(random);
    let samples = samples.filter(|samples| samples.len() > 1 && !samples.structures.is_empty());
    ensure!(
        samples.is_some(),
        "expected tasks with at least two pictures and a structure, found one with fewer"
    );
    let Some(samples) = samples else {
        return Ok(vec![]);
    };
    let structure = random.random_range(0..samples.structures.len());
    let mut chosen = index::sample(random, samples.len(), count.min(samples.len())).into_vec();
    while chosen.len() < count {
        // A small task lends its references twice.
        chosen.push(random.random_range(0..samples.len()));
    }
    chosen.shuffle(random);
    let example = |&index: &usize| Example {
        picture: samples
            .picture(index)
            .iter()
            .map(|&v| f32::from(v) / 255.0)
            .collect(),
        mask: samples
            .mask(index, structure)
            .iter()
            .map(|&v| v.into())
            .collect(),
    };
    Ok(chosen.iter().map(example).collect())
}
