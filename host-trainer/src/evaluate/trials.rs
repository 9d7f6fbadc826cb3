//! Enrol every class, then compare everybody with everybody.

use anyhow::{Result, ensure};
use rayon::prelude::*;

use super::cohort::Measure;
use super::reference::Reference;
use super::scores::{Score, Scores};
use super::{Embedded, interval};
use crate::dataset::ClassSamples;

/// All comparisons of a verification.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trials {
    /// One per class that has enough samples.
    pub classes: Vec<ClassTrials>,
}

/// The comparisons with one class's reference, as distances.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ClassTrials {
    /// Of its own samples that were not enrolled.
    pub genuine: Vec<f32>,
    /// Of skilled forgeries of the class.
    pub skilled: Vec<f32>,
    /// Of one genuine sample of every other class, in class order.
    pub random: Vec<f32>,
    /// Of the class's first probe with every other class's reference.
    pub elsewhere: Vec<f32>,
}

/// Who tries to be accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Impostors {
    /// Those that imitate the class.
    Skilled,
    /// Samples of other classes.
    Random,
}

impl Trials {
    /// Enrols each class with its first `shots` genuine samples; every other sample is
    /// a probe. Classes with fewer than `shots + 1` genuine samples are left out.
    ///
    /// # Errors
    /// When fewer than two classes are left.
    pub fn new(embedded: &Embedded, measure: impl Into<Measure>, shots: usize) -> Result<Self> {
        let measure = &measure.into();
        let Embedded {
            tensors,
            embeddings,
        } = embedded;
        let samples = tensors.by_class(shots + 1);
        ensure!(
            shots > 0 && samples.len() >= 2,
            "expected at least 2 classes with more than {shots} genuine samples, found {}: lower --shots or add samples",
            samples.len()
        );
        let references: Vec<Reference> = samples
            .par_iter()
            .map(|class| Reference::new(embeddings, &class.genuine[..shots], measure))
            .collect();
        // Every probe meets every class: what a cohort says of it is asked once.
        let about: Vec<_> = (0..embeddings.len())
            .into_par_iter()
            .map(|probe| measure.about_probe(embeddings.get(probe)))
            .collect();
        let distance = |class: usize, probe: usize| {
            references[class].distance_about(embeddings.get(probe), about[probe])
        };
        let of_class = |class: usize| {
            let ClassSamples {
                genuine, forged, ..
            } = &samples[class];
            let first_probe = |other: usize| samples[other].genuine[shots];
            let others = || (0..samples.len()).filter(|&other| other != class);
            let own = |probe: &usize| distance(class, *probe);
            ClassTrials {
                genuine: genuine[shots..].iter().map(own).collect(),
                skilled: forged.iter().map(own).collect(),
                random: others().map(|other| own(&first_probe(other))).collect(),
                elsewhere: others()
                    .map(|other| distance(other, first_probe(class)))
                    .collect(),
            }
        };
        Ok(Self {
            classes: (0..samples.len()).into_par_iter().map(of_class).collect(),
        })
    }

    /// The hardest impostors there are: skilled ones where the data set has any.
    pub fn hardest_impostors(&self) -> Impostors {
        match self.classes.iter().any(|class| !class.skilled.is_empty()) {
            true => Impostors::Skilled,
            false => Impostors::Random,
        }
    }

    /// Distances of all genuine probes to their own references.
    pub fn genuine(&self) -> Vec<f32> {
        self.classes
            .iter()
            .flat_map(|class| class.genuine.iter().copied())
            .collect()
    }

    /// Distances of all impostors of one kind.
    pub fn impostors(&self, impostors: Impostors) -> Vec<f32> {
        let of = |class| ClassTrials::impostors(class, impostors).iter().copied();
        self.classes.iter().flat_map(of).collect()
    }

    /// Genuine comparisons and those of one kind of impostors, with their classes.
    pub fn scores(&self, impostors: Impostors) -> Scores {
        let mut scores = vec![];
        for (class, trials) in (0u32..).zip(&self.classes) {
            let mut add = |distance: f32, other: u32, is_genuine: bool| {
                scores.push(Score {
                    distance,
                    classes: [class, other],
                    is_genuine,
                });
            };
            trials.genuine.iter().for_each(|&d| add(d, class, true));
            match impostors {
                Impostors::Skilled => trials.skilled.iter().for_each(|&d| add(d, class, false)),
                Impostors::Random => {
                    let others = (0u32..).filter(|&other| other != class);
                    let pairs = trials.random.iter().zip(others);
                    pairs.for_each(|(&d, other)| add(d, other, false));
                }
            }
        }
        Scores::new(scores, self.classes.len())
    }

    /// 95 % interval of the share of impostors that are accepted at `threshold`.
    pub fn far_interval(&self, impostors: Impostors, threshold: f32) -> [f64; 2] {
        let accepted = |distance: &f32| *distance <= threshold;
        if impostors == Impostors::Random {
            let row = |(class, trials): (usize, &ClassTrials)| {
                let mut row: Vec<bool> = trials.random.iter().map(accepted).collect();
                row.insert(class, false);
                row
            };
            let rows: Vec<_> = self.classes.iter().enumerate().map(row).collect();
            return interval::of_pairs(&rows);
        }
        self.interval(|class| class.impostors(impostors), accepted)
    }

    /// 95 % interval of the share of genuine probes that are rejected at `threshold`.
    pub fn frr_interval(&self, threshold: f32) -> [f64; 2] {
        self.interval(|class| &class.genuine, |distance| *distance > threshold)
    }

    fn interval(
        &self,
        distances: impl Fn(&ClassTrials) -> &[f32],
        is_error: impl Fn(&f32) -> bool,
    ) -> [f64; 2] {
        let tally = |class| {
            let distances = distances(class).iter();
            [
                distances.clone().filter(|d| is_error(d)).count(),
                distances.len(),
            ]
        };
        let classes: Vec<_> = self.classes.iter().map(tally).collect();
        interval::of_classes(&classes)
    }
}

impl ClassTrials {
    /// Distances of impostors of one kind.
    pub fn impostors(&self, impostors: Impostors) -> &[f32] {
        match impostors {
            Impostors::Skilled => &self.skilled,
            Impostors::Random => &self.random,
        }
    }
}

impl Impostors {
    /// In words.
    pub fn name(self) -> &'static str {
        match self {
            Self::Skilled => "skilled forgeries",
            Self::Random => "samples of other classes",
        }
    }
}
