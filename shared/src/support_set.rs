//! The enrolled few: K subjects with n shots each, and how far a probe is from them.

use core::fmt;
use core::hint::black_box;

use serde::{Deserialize, Serialize};

use crate::cohort::{Measure, Probe};
use crate::distance::Distance;
use crate::drift::Drift;
use crate::embedding::{Embedding, EmbeddingFormat, MAX_DIM, prototype};
use crate::model_id::ModelId;
use crate::template::{MAX_SUBJECT, SubjectId, Template};

/// How the distances of a probe to a subject's shots become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fusion {
    /// The distance to the shots' mean (Snell, Swersky, Zemel, "Prototypical
    /// networks for few-shot learning", 2017, equation 1).
    Prototype,
    /// The distance to the nearest shot.
    Nearest,
    /// The mean of the distances.
    Mean,
    /// The mean of the distances, less the mean distance of the shots from each other, which
    /// is 0 of a single shot: whoever writes alike every time is held to it, and whoever does
    /// not is not. Negative for a probe that is nearer than the shots are.
    ///
    /// That references say how much a signer varies is how Kholmatov and Yanikoglu normalize
    /// ("Identity authentication using improved online signature verification method",
    /// Pattern Recognition Letters 26, 2005), who divide; a difference stays sound where
    /// shots hardly differ.
    Relative,
}

/// What of a model a support set must know to compare.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// How embeddings are stored.
    pub embedding: EmbeddingFormat,
    /// How two embeddings are compared.
    pub distance: Distance,
    /// How several shots become one distance.
    pub fusion: Fusion,
}

impl Comparison {
    /// The distance of `probe` to a subject enrolled with `shots`; infinite when
    /// there are none or their dimension is another.
    pub fn distance_to<'a>(
        &self,
        probe: &[i8],
        shots: impl Iterator<Item = &'a [i8]> + Clone,
    ) -> f32 {
        let scale = self.embedding.scale;
        let between = |shot: &[i8]| {
            let probe = Embedding::Int8 {
                values: probe,
                scale,
            };
            let shot = Embedding::Int8 {
                values: shot,
                scale,
            };
            self.between(probe, shot)
        };
        let count = shots.clone().count();
        if count == 0 {
            return f32::INFINITY;
        }
        match self.fusion {
            Fusion::Prototype => {
                let mut buffer = [0i8; MAX_DIM];
                match buffer.get_mut(..usize::from(self.embedding.dim)) {
                    Some(mean) => {
                        prototype(&self.embedding, shots, mean);
                        between(mean)
                    }
                    None => f32::INFINITY,
                }
            }
            Fusion::Nearest => shots.map(between).fold(f32::INFINITY, f32::min),
            Fusion::Mean => shots.map(between).sum::<f32>() / count as f32,
            Fusion::Relative => {
                let mean = shots.clone().map(between).sum::<f32>() / count as f32;
                mean - self.spread(shots.map(|values| Embedding::Int8 { values, scale }))
            }
        }
    }

    /// The mean distance of shots from each other; 0 of a single one.
    // What it needs is no burden on the stack of other ways.
    #[inline(never)]
    pub fn spread<'a>(&self, shots: impl Iterator<Item = Embedding<'a>> + Clone) -> f32 {
        let (mut sum, mut count) = (0.0, 0u32);
        for (place, shot) in shots.clone().enumerate() {
            for other in shots.clone().skip(place + 1) {
                sum += self.between(shot, other);
                count += 1;
            }
        }
        sum / count.max(1) as f32
    }

    /// A probe to compare so with subjects, no cohort asked.
    pub fn probe<'p>(&self, embedding: &'p [i8]) -> Probe<'p> {
        let measure = Measure {
            comparison: *self,
            cohort: None,
        };
        measure.probe(embedding)
    }

    fn between(&self, a: Embedding<'_>, b: Embedding<'_>) -> f32 {
        self.distance.between(a, b).unwrap_or(f32::INFINITY)
    }

    /// The cosine of the angle between `probe` and the prototype of an enrolled
    /// subject, -1 to 1; 0 when one of them is zero or their dimension is another.
    pub fn cosine<const SHOTS: usize, const DIM: usize>(
        &self,
        probe: &[i8],
        template: &Template<SHOTS, DIM>,
    ) -> f32 {
        let by_angle = Self {
            distance: Distance::Cosine,
            fusion: Fusion::Prototype,
            ..*self
        };
        let distance = by_angle.distance_to(probe, template.shots());
        if distance.is_finite() {
            1.0 - distance
        } else {
            0.0
        }
    }
}

/// How far `probe` is from the subject that it is claimed to be of, and from how many shots;
/// `None` where no template is the subject's.
///
/// Every template is compared, and the claimed one picked without a branch: where it stands,
/// whether it is there and how near it is change nothing in the steps that are taken.
pub fn claimed<'a, const SHOTS: usize, const DIM: usize>(
    probe: &Probe<'_>,
    templates: impl Iterator<Item = &'a Template<SHOTS, DIM>>,
    subject: &str,
) -> Option<(f32, usize)> {
    let (mut distance, mut shots, mut found) = (0, 0, 0);
    for template in templates {
        let compared = probe.distance_to(template.shots());
        let same = black_box(same_name(template.subject(), subject));
        distance |= same & compared.to_bits();
        shots |= same & template.shot_count() as u32;
        found |= same;
    }
    (found != 0).then(|| (f32::from_bits(distance), shots as usize))
}

/// Whether somebody of that name is among them, found in as many steps wherever that is.
pub fn is_enrolled<'a, const SHOTS: usize, const DIM: usize>(
    templates: impl Iterator<Item = &'a Template<SHOTS, DIM>>,
    subject: &str,
) -> bool {
    let same = templates.map(|template| black_box(same_name(template.subject(), subject)));
    same.fold(0, |found, same| found | same) != 0
}

/// All bits set for equal names, none for others.
fn same_name(a: &str, b: &str) -> u32 {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let byte = |name: &[u8], at: usize| name.get(at).copied().unwrap_or(0);
    let differences = (0..MAX_SUBJECT).map(|at| byte(a, at) ^ byte(b, at));
    let differs = differences.fold(a.len() ^ b.len(), |all, one| all | usize::from(one));
    // Of nothing but zero, one less is above the largest difference there is.
    ((differs as u64).wrapping_sub(1) >> 32) as u32
}

/// The distance of a probe to one enrolled subject.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Candidate<'a> {
    /// Who.
    pub subject: &'a SubjectId,
    /// How far, in units of the model's distance.
    pub distance: f32,
    /// From how many shots.
    pub shots: usize,
}

/// Up to `SUBJECTS` templates of one model, each with up to `SHOTS` embeddings of
/// up to `DIM` components.
#[derive(Clone, Debug)]
pub struct SupportSet<const SUBJECTS: usize, const SHOTS: usize, const DIM: usize> {
    model: ModelId,
    comparison: Comparison,
    templates: heapless::Vec<Template<SHOTS, DIM>, SUBJECTS>,
    /// In the order of the templates.
    drifts: heapless::Vec<Drift, SUBJECTS>,
}

impl<const SUBJECTS: usize, const SHOTS: usize, const DIM: usize> SupportSet<SUBJECTS, SHOTS, DIM> {
    /// Nothing yet, of no model: it takes no template until it begins with one. All its
    /// bytes are zero.
    pub const fn blank() -> Self {
        Self {
            model: ModelId([0; 32]),
            comparison: Comparison {
                embedding: EmbeddingFormat {
                    dim: 0,
                    normalized: false,
                    zero_point: 0,
                    scale: 0.0,
                },
                distance: Distance::Euclidean,
                fusion: Fusion::Prototype,
            },
            templates: heapless::Vec::new(),
            drifts: heapless::Vec::new(),
        }
    }

    /// Begins anew, empty, with `model`.
    pub fn begin(&mut self, model: ModelId, comparison: Comparison) {
        self.model = model;
        self.comparison = comparison;
        self.templates.clear();
        self.drifts.clear();
    }

    /// Ends, empty, of no model.
    pub fn end(&mut self) {
        self.model = ModelId([0; 32]);
        self.templates.clear();
        self.drifts.clear();
    }

    /// An empty support set of `model`.
    pub fn new(model: ModelId, comparison: Comparison) -> Self {
        Self {
            model,
            comparison,
            templates: heapless::Vec::new(),
            drifts: heapless::Vec::new(),
        }
    }

    /// The model whose embeddings it holds.
    pub fn model(&self) -> ModelId {
        self.model
    }

    /// How it compares.
    pub fn comparison(&self) -> &Comparison {
        &self.comparison
    }

    /// The enrolled templates, in order of enrolment.
    pub fn templates(&self) -> &[Template<SHOTS, DIM>] {
        &self.templates
    }

    /// The template of `subject`, if enrolled.
    pub fn get(&self, subject: &str) -> Option<&Template<SHOTS, DIM>> {
        self.templates.iter().find(|t| t.subject() == subject)
    }

    /// Whether [`insert`](Self::insert) would take `template`.
    ///
    /// # Errors
    /// [`SupportSetError::OtherModel`] and [`SupportSetError::Dimension`] for a
    /// template that cannot be compared here, [`SupportSetError::Full`] when there
    /// is no room.
    pub fn accepts(&self, template: &Template<SHOTS, DIM>) -> Result<(), SupportSetError> {
        if template.model() != self.model {
            return Err(SupportSetError::OtherModel {
                expected: self.model,
                found: template.model(),
            });
        }
        if template.dim() != usize::from(self.comparison.embedding.dim) {
            return Err(SupportSetError::Dimension {
                expected: usize::from(self.comparison.embedding.dim),
                found: template.dim(),
            });
        }
        if self.templates.is_full() && self.get(template.subject()).is_none() {
            return Err(SupportSetError::Full { capacity: SUBJECTS });
        }
        Ok(())
    }

    /// Enrols `template`, replacing the subject's earlier one.
    ///
    /// # Errors
    /// As [`accepts`](Self::accepts); the set is unchanged then.
    pub fn insert(&mut self, template: Template<SHOTS, DIM>) -> Result<(), SupportSetError> {
        self.accepts(&template)?;
        let full = SupportSetError::Full { capacity: SUBJECTS };
        let mut enrolled = self.templates.iter_mut().zip(&mut self.drifts);
        match enrolled.find(|(t, _)| t.subject() == template.subject()) {
            Some((earlier, drift)) => {
                *earlier = template;
                *drift = Drift::default();
            }
            None => {
                self.templates.push(template).map_err(|_| full)?;
                self.drifts.push(Drift::default()).map_err(|_| full)?;
            }
        }
        Ok(())
    }

    /// Removes a subject; whether it was enrolled.
    pub fn remove(&mut self, subject: &str) -> bool {
        let before = self.templates.len();
        let mut places = self.templates.iter();
        let removed = places.position(|t| t.subject() == subject);
        let mut places = 0..;
        self.drifts.retain(|_| places.next() != removed);
        self.templates.retain(|t| t.subject() != subject);
        self.templates.len() < before
    }

    /// How near to the threshold a subject is accepted, if enrolled.
    pub fn drift(&self, subject: &str) -> Option<Drift> {
        let mut enrolled = self.templates.iter().zip(&self.drifts);
        let (_, drift) = enrolled.find(|(t, _)| t.subject() == subject)?;
        Some(*drift)
    }

    /// Keeps how near to the threshold an enrolled subject is accepted, until it is enrolled
    /// anew or removed.
    pub fn keep_drift(&mut self, subject: &str, drift: Drift) {
        let mut enrolled = self.templates.iter().zip(&mut self.drifts);
        if let Some((_, kept)) = enrolled.find(|(t, _)| t.subject() == subject) {
            *kept = drift;
        }
    }

    /// The distance of `probe`, as it was prepared to measure, to every enrolled subject, in
    /// order of enrolment.
    pub fn candidates<'a>(
        &'a self,
        probe: &'a Probe<'_>,
    ) -> impl Iterator<Item = Candidate<'a>> + 'a {
        self.templates
            .iter()
            .map(|template| probe.candidate(template))
    }
}

/// Why a template is not taken into a support set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SupportSetError {
    /// The template was made by another model.
    OtherModel {
        /// The support set's model.
        expected: ModelId,
        /// The template's model.
        found: ModelId,
    },
    /// The template's embeddings have another dimension.
    Dimension {
        /// The model's dimension.
        expected: usize,
        /// The template's dimension.
        found: usize,
    },
    /// Every place is taken.
    Full {
        /// The number of places.
        capacity: usize,
    },
}

impl fmt::Display for SupportSetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OtherModel { expected, found } => write!(
                f,
                "expected a template of model {}, found one of model {}: enrol the subject anew with this model",
                expected.short(),
                found.short()
            ),
            Self::Dimension { expected, found } => write!(
                f,
                "expected embeddings of dimension {expected}, found {found}: enrol the subject anew with this model"
            ),
            Self::Full { capacity } => write!(
                f,
                "expected a free place, found all {capacity} taken: remove a subject first"
            ),
        }
    }
}

impl core::error::Error for SupportSetError {}
