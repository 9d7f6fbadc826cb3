//! Tasks as the network sees them: pictures preprocessed as on the device, labels in the size
//! of its input.

use anyhow::{Context, Result};
use rayon::prelude::*;
use shared::preprocess::{Colour, Crop, Fit, PicturePreprocess, Quantization, Tone};
use shared::segmentation::nearest;

use super::dataset::{Case, Structure, Task};

/// A task's pictures and labels, each as many bytes as the network's input has pixels.
#[derive(Clone, Debug)]
pub struct Samples {
    /// The task's name.
    pub task: String,
    /// What is to be found.
    pub structures: Vec<Structure>,
    /// Whose picture each is.
    pub subjects: Vec<String>,
    /// Pictures, one behind the other.
    pictures: Vec<u8>,
    /// Labels, one behind the other.
    labels: Vec<u8>,
    /// Bytes of each.
    len: usize,
}

/// What is done to pictures: grey, stretched to a square of `side` pixels.
pub fn preprocessing(side: usize) -> PicturePreprocess {
    PicturePreprocess {
        width: side as u16,
        height: side as u16,
        colour: Colour::Grey,
        tone: Tone::Keep,
        crop: Crop::Whole,
        fit: Fit::Stretch,
        quantization: Quantization {
            scale: 1.0 / 128.0,
            zero_point: 128,
        },
    }
}

impl Samples {
    /// Preprocesses those cases of a task that are `chosen`.
    ///
    /// # Errors
    /// When a picture cannot be preprocessed; the message names it.
    pub fn new(
        task: &Task,
        preprocess: &PicturePreprocess,
        chosen: impl Fn(&Case) -> bool,
    ) -> Result<Self> {
        let cases: Vec<&Case> = task.cases.iter().filter(|case| chosen(case)).collect();
        let len = preprocess.output_len();
        let pictures = cases.par_iter().map(|case| {
            let mut input = vec![0; len];
            let image = case.picture.image()?;
            preprocess
                .run(&image, &mut input)
                .with_context(|| format!("{}/{}", task.name, case.name))?;
            Ok(input)
        });
        let pictures: Vec<Vec<u8>> = pictures.collect::<Result<_>>()?;
        let labels = cases.par_iter().map(|case| labels(case, preprocess));
        let labels: Vec<Vec<u8>> = labels.collect();
        Ok(Self {
            task: task.name.clone(),
            structures: task.structures.clone(),
            subjects: cases.iter().map(|case| case.subject.clone()).collect(),
            pictures: pictures.concat(),
            labels: labels.concat(),
            len,
        })
    }

    /// How many pictures.
    pub fn len(&self) -> usize {
        self.subjects.len()
    }

    /// Whether there is no picture.
    pub fn is_empty(&self) -> bool {
        self.subjects.is_empty()
    }

    /// The network's input of a picture.
    pub fn picture(&self, index: usize) -> &[u8] {
        &self.pictures[index * self.len..][..self.len]
    }

    /// What of a picture belongs to a structure: bytes 0 and 1.
    pub fn mask(&self, index: usize, structure: usize) -> Vec<u8> {
        let wanted = &self.structures[structure].labels;
        let labels = &self.labels[index * self.len..][..self.len];
        let inside = labels.iter().map(|label| wanted.contains(label).into());
        inside.collect()
    }
}

/// The labels of a case, each pixel of the input that of the nearest pixel.
fn labels(case: &Case, preprocess: &PicturePreprocess) -> Vec<u8> {
    let (width, height) = (preprocess.width, preprocess.height);
    let map = &case.labels;
    let mut labels = Vec::with_capacity(preprocess.output_len());
    for y in 0..usize::from(height) {
        let row = nearest(y, height.into(), map.height) as usize * map.width as usize;
        for x in 0..usize::from(width) {
            let column = nearest(x, width.into(), map.width) as usize;
            labels.push(map.values[row + column]);
        }
    }
    labels
}
