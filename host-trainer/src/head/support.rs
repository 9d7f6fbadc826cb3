//! From a folder of new classes to the templates that a device keeps.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use edge_runtime::store::file::SHOTS;
use rayon::prelude::*;
use serde::Serialize;
use shared::embedding::MAX_DIM;
use shared::template::{self, SubjectId, Template};
use shared::{ModelId, Preprocess};

use super::{Head, HeadName, Tuning, finetune};
use crate::dataset::{Class, Kind, Sample, Source, folder};
use crate::engine::{Embedder, Embeddings};
use crate::evaluate::cohort::Measure;

/// The template of one class, as the program `semblance` keeps it.
pub type FileTemplate = Template<SHOTS, MAX_DIM>;

/// Samples of new classes, and unlabelled ones, embedded.
#[derive(Clone, Debug)]
pub struct Support {
    model: ModelId,
    measure: Measure,
    classes: Vec<Class>,
    embeddings: Embeddings,
    /// Indices of each class's samples.
    samples: Vec<Vec<usize>>,
    unlabelled: Vec<usize>,
}

/// A store's templates, and how they came about.
#[derive(Clone, Debug)]
pub struct Enrolment {
    /// One of each class, in order of their names.
    pub templates: Vec<FileTemplate>,
    /// The head that made them.
    pub head: Head,
    /// How it was chosen, when it was.
    pub choice: Option<Choice>,
}

/// Which head answers best for samples that are left out, one of each class at a time.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Choice {
    /// Samples that were left out.
    pub probes: usize,
    /// Those to choose from, with their share of right answers; the first of the best
    /// is chosen.
    pub candidates: Vec<(&'static str, f64)>,
}

impl Support {
    /// Reads and embeds the pictures of `data`, a folder per class, and of `unlabelled`,
    /// a folder of pictures. Imitations are left out.
    ///
    /// # Errors
    /// When a picture cannot be read, there is none, or the engine fails or is of a
    /// training run, which has no templates.
    pub fn new(
        embedder: &mut dyn Embedder,
        data: &Path,
        unlabelled: Option<&Path>,
    ) -> Result<Self> {
        let facts = embedder.facts().clone();
        let model = facts.model_id.context(
            "expected a model folder, whose templates a device takes, found a training run: make a model with `host-trainer quantize`",
        )?;
        let (classes, mut samples) = folder::classes(data)?;
        samples.retain(|sample| sample.kind == Kind::Genuine);
        ensure!(
            !samples.is_empty(),
            "{}: expected a folder of pictures per class, found none",
            data.display()
        );
        let labelled = samples.len();
        let pictures = unlabelled.map_or(Ok(vec![]), folder::pictures)?;
        samples.extend(
            pictures
                .into_iter()
                .map(|path| unlabelled_sample(path, classes.len())),
        );
        let pixels = preprocessed(&samples, &facts.preprocess)?;
        let mut of_class = vec![vec![]; classes.len()];
        for (index, sample) in samples[..labelled].iter().enumerate() {
            of_class[sample.class as usize].push(index);
        }
        if let Some(class) = of_class.iter().position(Vec::is_empty) {
            bail!(
                "{}: expected at least one sample that is no imitation (named forged...), found none: add one, or remove the folder",
                data.join(&classes[class].name).display()
            );
        }
        Ok(Self {
            model,
            measure: Measure::of(&facts),
            classes,
            embeddings: embedder.embed(&pixels)?,
            samples: of_class,
            unlabelled: (labelled..samples.len()).collect(),
        })
    }

    /// The model that the templates are for.
    pub fn model(&self) -> ModelId {
        self.model
    }

    /// Makes templates by a head. [`HeadName::Auto`] leaves out one sample of each class
    /// after the other and takes the head that answers most of them rightly.
    ///
    /// # Errors
    /// When the head makes no sense with the model or cannot be stored, there are too
    /// few classes to tell apart, or a class's name or samples make no template.
    pub fn enroll(&self, name: HeadName, tuning: Tuning) -> Result<Enrolment> {
        let (head, choice) = match Head::named(name, tuning) {
            Some(head) => (head, None),
            None => {
                let (head, choice) = self.choose(tuning);
                (head, Some(choice))
            }
        };
        head.check(&self.measure.comparison)?;
        let templates = match head {
            Head::Finetune(tuning) => self.learned(&tuning)?,
            Head::Fused(fusion) => {
                ensure!(
                    fusion == self.measure.comparison.fusion,
                    "expected the head finetune, auto or the model's own for a store, found {}: how a device fuses samples is part of its model",
                    head.name()
                );
                self.fused()?
            }
        };
        Ok(Enrolment {
            templates,
            head,
            choice,
        })
    }

    fn learned(&self, tuning: &Tuning) -> Result<Vec<FileTemplate>> {
        ensure!(
            self.classes.len() >= 2,
            "expected at least 2 classes to tell apart by a fine-tuned head, found {}: add classes, or use --head prototype",
            self.classes.len()
        );
        let samples: Vec<&[usize]> = self.samples.iter().map(Vec::as_slice).collect();
        let learned = finetune(
            &self.embeddings,
            &self.measure.comparison.embedding,
            &samples,
            &self.unlabelled,
            tuning,
        );
        let template = |(class, name): (usize, &Class)| {
            let learned_from = template::Learned {
                scale: learned.scale,
                samples: u8::try_from(samples[class].len()).unwrap_or(u8::MAX),
            };
            let prototype = int8(&learned.prototypes, class)?;
            let subject = subject(name)?;
            // Without a time: the same samples give the same bytes.
            Template::with_prototype(self.model, subject, 0, prototype, learned_from)
                .with_context(|| name.name.clone())
        };
        self.classes.iter().enumerate().map(template).collect()
    }

    fn fused(&self) -> Result<Vec<FileTemplate>> {
        let template = |(class, samples): (&Class, &Vec<usize>)| {
            let dim = self.embeddings.dim();
            let mut template = Template::new(self.model, subject(class)?, 0, dim)?;
            for &sample in samples {
                let embedding = int8(&self.embeddings, sample)?;
                template
                    .push(embedding)
                    .with_context(|| class.name.clone())?;
            }
            Ok(template)
        };
        self.classes
            .iter()
            .zip(&self.samples)
            .map(template)
            .collect()
    }

    fn choose(&self, tuning: Tuning) -> (Head, Choice) {
        let own = Head::Fused(self.measure.comparison.fusion);
        let finetuned = Head::Finetune(tuning);
        let is_possible =
            self.classes.len() >= 2 && finetuned.check(&self.measure.comparison).is_ok();
        let heads = [Some(own), is_possible.then_some(finetuned)];
        let (mut best, mut most) = (own, 0);
        let mut choice = Choice {
            probes: 0,
            candidates: vec![],
        };
        for head in heads.into_iter().flatten() {
            let (right, probes) = self.leave_one_out(&head);
            choice.probes = probes;
            let share = right as f64 / probes.max(1) as f64;
            choice.candidates.push((head.name(), share));
            if right > most {
                (best, most) = (head, right);
            }
        }
        (best, choice)
    }

    /// Right answers and probes, when of every class with two samples or more each is
    /// once the probe.
    fn leave_one_out(&self, head: &Head) -> (usize, usize) {
        let (mut right, mut probes) = (0, 0);
        let rounds = self.samples.iter().map(Vec::len).max().unwrap_or(0);
        for round in 0..rounds {
            let is_left_out = |samples: &[usize]| samples.len() > 1 && round < samples.len();
            let support: Vec<Vec<usize>> = self
                .samples
                .iter()
                .map(|samples| {
                    let mut rest = samples.clone();
                    if is_left_out(samples) {
                        rest.remove(round);
                    }
                    rest
                })
                .collect();
            let support: Vec<&[usize]> = support.iter().map(Vec::as_slice).collect();
            let references =
                head.references(&self.embeddings, &support, &self.unlabelled, &self.measure);
            for (class, samples) in self.samples.iter().enumerate() {
                if !is_left_out(samples) {
                    continue;
                }
                let probe = self.embeddings.get(samples[round]);
                let own = references[class].distance(probe);
                let mut others = references.iter().enumerate().filter(|(o, _)| *o != class);
                probes += 1;
                right += usize::from(others.all(|(_, other)| own < other.distance(probe)));
            }
        }
        (right, probes)
    }
}

/// The tower's inputs for `samples`, one after the other.
fn preprocessed(samples: &[Sample], preprocess: &Preprocess) -> Result<Vec<u8>> {
    let length = preprocess.output_len();
    let mut pixels = vec![0; samples.len() * length];
    let inputs = pixels.par_chunks_mut(length).zip(samples);
    inputs.try_for_each(|(input, sample)| sample.preprocess(preprocess, input))?;
    Ok(pixels)
}

fn unlabelled_sample(path: PathBuf, class: usize) -> Sample {
    Sample {
        class: class as u32,
        kind: Kind::Genuine,
        name: path.display().to_string(),
        source: Source::File(path),
    }
}

fn subject(class: &Class) -> Result<SubjectId> {
    SubjectId::new(&class.name)
        .with_context(|| format!("the class's folder {:?} names a subject", class.name))
}

/// The components that a device stores.
fn int8(embeddings: &Embeddings, index: usize) -> Result<&[i8]> {
    match embeddings.get(index) {
        shared::Embedding::Int8 { values, .. } => Ok(values),
        shared::Embedding::Float(_) => {
            bail!(
                "expected the int8 network, whose embeddings a device stores, found the float one"
            )
        }
    }
}
