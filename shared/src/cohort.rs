//! Distances as a cohort of strangers sees them: how near is near for this subject, and
//! for this probe?
//!
//! A subject that is near to everybody, and a probe that is, are accepted too readily at
//! one threshold for all. Distances to a small cohort of other people say by how much
//! (Auckenthaler, Carey and Lloyd-Thomas, "Score normalization for text-independent speaker
//! verification systems", 2000). A model's artifact may carry such a cohort; its thresholds
//! then are of normalized distances.

use core::iter::once;

use serde::{Deserialize, Serialize};

use crate::embedding::{Embedding, MAX_DIM, prototype};
use crate::support_set::{Candidate, Comparison, Fusion};
use crate::template::Template;

/// The fewest members of a cohort: one has no spread.
pub const MIN_COHORT: usize = 2;

/// The most members of a cohort. With every verification each is compared with the probe,
/// and with each enrolled subject.
pub const MAX_COHORT: usize = 64;

/// What a distance is normalized by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Normalization {
    /// Distances of the enrolled subject to the cohort.
    Z,
    /// Distances of the probe to the cohort.
    T,
    /// The mean of both.
    S,
}

/// Bytes of an artifact's section before the members' components.
const HEADER_LEN: usize = 4;

impl Normalization {
    /// Its number in an artifact.
    fn code(self) -> u8 {
        self as u8
    }

    /// The normalization of a number.
    fn from_code(code: u8) -> Option<Self> {
        [Self::Z, Self::T, Self::S]
            .into_iter()
            .find(|one| one.code() == code)
    }
}

/// Mean and standard deviation of distances to the cohort.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// The mean.
    pub mean: f32,
    /// The standard deviation, at least 1e-6: a cohort in one place says nothing of it.
    pub deviation: f32,
}

impl Spread {
    /// Of these distances, summed in their order, each operation rounded to single
    /// precision: every processor gets the same.
    pub fn of(distances: &[f32]) -> Self {
        let count = distances.len().max(1) as f32;
        let mean = distances.iter().sum::<f32>() / count;
        let squares = distances
            .iter()
            .map(|distance| (distance - mean) * (distance - mean));
        Self {
            mean,
            deviation: libm::sqrtf(squares.sum::<f32>() / count).max(1e-6),
        }
    }

    /// How many deviations a distance is above the mean, negative where it is nearer; infinite
    /// where one of the three is, so that numbers that overflow let nobody in.
    fn normalized(&self, distance: f32) -> f32 {
        let deviations = (distance - self.mean) / self.deviation;
        match self.deviation.is_finite() && deviations.is_finite() {
            true => deviations,
            false => f32::INFINITY,
        }
    }
}

/// A distance in deviations from what the cohort has about the subject, the probe, or, on
/// average, about both; the distance itself about neither. Infinite where a distance is.
pub fn normalized(
    distance: f32,
    about_subject: Option<Spread>,
    about_probe: Option<Spread>,
) -> f32 {
    let [z, t] = [about_subject, about_probe].map(|about| Some(about?.normalized(distance)));
    match (z, t) {
        (Some(z), Some(t)) => (z + t) / 2.0,
        (Some(one), None) | (None, Some(one)) => one,
        (None, None) => distance,
    }
}

/// Embeddings of people who are neither enrolled nor probes, borrowed from an artifact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cohort<'a> {
    normalization: Normalization,
    dim: usize,
    /// Components of one member after the other, two's complement.
    members: &'a [u8],
}

impl<'a> Cohort<'a> {
    /// Members one after the other, of `dim` int8 components each; `None` when they are not
    /// whole, or fewer than [`MIN_COHORT`] or more than [`MAX_COHORT`].
    pub fn new(normalization: Normalization, dim: usize, members: &'a [u8]) -> Option<Self> {
        let is_whole = (1..=MAX_DIM).contains(&dim) && members.len().is_multiple_of(dim);
        let count = members.len().checked_div(dim)?;
        (is_whole && (MIN_COHORT..=MAX_COHORT).contains(&count)).then_some(Self {
            normalization,
            dim,
            members,
        })
    }

    /// Reads an artifact's section: a byte for the normalization, a zero, the number of
    /// members (u16), their components.
    pub(crate) fn parse(section: &'a [u8], dim: usize) -> Option<Self> {
        let (header, members) = section.split_at_checked(HEADER_LEN)?;
        let &[code, 0, low, high] = header else {
            return None;
        };
        let cohort = Self::new(Normalization::from_code(code)?, dim, members)?;
        (cohort.len() == usize::from(u16::from_le_bytes([low, high]))).then_some(cohort)
    }

    /// What the section has before the members' components.
    pub(crate) fn header(&self) -> [u8; HEADER_LEN] {
        // At most MAX_COHORT.
        let [low, high] = (self.len() as u16).to_le_bytes();
        [self.normalization.code(), 0, low, high]
    }

    /// What distances are normalized by.
    pub fn normalization(&self) -> Normalization {
        self.normalization
    }

    /// The members' components, one member after the other, two's complement.
    pub fn as_bytes(&self) -> &'a [u8] {
        self.members
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.members.len() / self.dim.max(1)
    }

    /// Whether there are none, which [`new`](Self::new) refuses.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// The components of each member.
    pub fn members(
        &self,
    ) -> impl Iterator<Item = impl Iterator<Item = i8> + Clone + 'a> + Clone + 'a {
        let Self { dim, members, .. } = *self;
        // By places: an iterator over chunks divides by their size, which might be zero.
        (0..self.len()).map(move |member| {
            let components = members.get(member * dim..(member + 1) * dim);
            components
                .unwrap_or_default()
                .iter()
                .map(|&byte| byte as i8)
        })
    }

    /// What `distance` makes of each member.
    fn spread(&self, distance: impl Fn(&[i8]) -> f32) -> Spread {
        let distances = self.members().map(|components| {
            let mut buffer = [0; MAX_DIM];
            let places = buffer.iter_mut().zip(components);
            places.for_each(|(place, component)| *place = component);
            distance(buffer.get(..self.dim).unwrap_or_default())
        });
        let mut found = [0.0; MAX_COHORT];
        for (place, distance) in found.iter_mut().zip(distances) {
            *place = distance;
        }
        Spread::of(found.get(..self.len()).unwrap_or_default())
    }

    /// How the cohort lies about a probe, where that counts: the distance of the probe to each
    /// member, enrolled alone.
    // What it needs is no burden on the stack of models without a cohort.
    #[inline(never)]
    pub fn about_probe(&self, comparison: &Comparison, probe: &[i8]) -> Option<Spread> {
        let alone = |member: &[i8]| comparison.distance_to(probe, once(member));
        (self.normalization != Normalization::Z).then(|| self.spread(alone))
    }

    /// How the cohort lies about an enrolled subject, where that counts: the distance of each
    /// member to the subject's shots.
    #[inline(never)]
    pub fn about_subject<'s>(
        &self,
        comparison: &Comparison,
        shots: impl Iterator<Item = &'s [i8]> + Clone,
    ) -> Option<Spread> {
        let by = |fusion| Comparison {
            fusion,
            ..*comparison
        };
        // What of the subject is the same for every member is computed once.
        let about = || match comparison.fusion {
            Fusion::Prototype => {
                let mut buffer = [0; MAX_DIM];
                let mean = buffer.get_mut(..self.dim).unwrap_or_default();
                prototype(&comparison.embedding, shots.clone(), mean);
                let alone = by(Fusion::Nearest);
                self.spread(|member| alone.distance_to(member, once(&*mean)))
            }
            Fusion::Relative => {
                let scale = comparison.embedding.scale;
                let own = shots
                    .clone()
                    .map(|values| Embedding::Int8 { values, scale });
                let (own, mean) = (comparison.spread(own), by(Fusion::Mean));
                self.spread(|member| mean.distance_to(member, shots.clone()) - own)
            }
            Fusion::Nearest | Fusion::Mean => {
                self.spread(|member| comparison.distance_to(member, shots.clone()))
            }
        };
        (self.normalization != Normalization::T).then(about)
    }
}

/// How a model measures distances: by its comparison, and as a cohort sees them where its
/// artifact has one. Thresholds of the artifact are of these distances.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measure<'a> {
    /// How two embeddings are compared.
    pub comparison: Comparison,
    /// Who says how near is near.
    pub cohort: Option<Cohort<'a>>,
}

impl<'a> Measure<'a> {
    /// Prepares a probe to be compared with many subjects.
    pub fn probe<'p>(&self, embedding: &'p [i8]) -> Probe<'p>
    where
        'a: 'p,
    {
        let about = self
            .cohort
            .map(|cohort| cohort.about_probe(&self.comparison, embedding));
        Probe {
            measure: *self,
            about: about.flatten(),
            embedding,
        }
    }
}

/// An embedding to compare with subjects, and how the cohort lies about it.
#[derive(Clone, Copy, Debug)]
pub struct Probe<'p> {
    measure: Measure<'p>,
    about: Option<Spread>,
    embedding: &'p [i8],
}

impl Probe<'_> {
    /// The distance to a subject enrolled with `shots`; infinite when there are none or
    /// their dimension is another. Which steps are taken depends on counts and dimensions
    /// alone.
    pub fn distance_to<'s>(&self, shots: impl Iterator<Item = &'s [i8]> + Clone) -> f32 {
        let Measure { comparison, cohort } = &self.measure;
        let distance = comparison.distance_to(self.embedding, shots.clone());
        let about = cohort.as_ref();
        let about = about.and_then(|cohort| cohort.about_subject(comparison, shots));
        normalized(distance, about, self.about)
    }

    /// How far it is from an enrolled subject.
    pub fn candidate<'t, const SHOTS: usize, const DIM: usize>(
        &self,
        template: &'t Template<SHOTS, DIM>,
    ) -> Candidate<'t> {
        Candidate {
            subject: template.subject_id(),
            distance: self.distance_to(template.shots()),
            shots: template.shot_count(),
        }
    }
}
