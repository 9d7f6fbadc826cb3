//! Mark structures on pictures: an engine, a store, and references of each structure.
//!
//! A structure is enrolled from references, pictures with masks, of which the store keeps what
//! the encoder says of them and nothing else. Where each of them is kept as several embeddings
//! is in [`RecordShape`].

mod error;

use shared::ModelId;
use shared::artifact::plan::MAX_REFERENCES;
use shared::artifact::{Artifact, Plan};
use shared::preprocess::{Image, Preprocess};
use shared::seal::MAX_CONTENT;
use shared::segmentation::{MaskError, RecordShape, References, nearest, shrink};
use shared::template::{SubjectId, Template};

use crate::engine::{EngineError, SegmentationEngine};
use crate::store::TemplateStore;

pub use error::SegmenterError;

/// The most embeddings of a template, which counts them in a byte.
const MAX_SHOTS: usize = u8::MAX as usize;

/// The most bytes of all of them: a template is sealed whole, with a name of any length.
const MAX_BYTES: usize = MAX_CONTENT - Template::<0, 0>::MAX_ENCODED_LEN;

/// A picture that shows a structure, and where.
#[derive(Clone, Copy, Debug)]
pub struct Reference<'a> {
    /// The picture.
    pub image: Image<'a>,
    /// Width and height of the mask, which must be the picture's.
    pub mask_size: [u32; 2],
    /// A byte for each pixel: 0 where the structure is not.
    pub mask: &'a [u8],
}

/// Memory that a segmenter works in, beside its engine's.
#[derive(Debug)]
pub struct Room<'a> {
    /// A byte for each pixel of the model's input.
    pub pixels: &'a mut [u8],
    /// The references of a structure, as many bytes as [`records_len`] says.
    pub records: &'a mut [i8],
}

/// Bytes of all references of a structure, in templates of `shots` embeddings at most.
pub fn records_len(plan: &Plan<'_>, shots: usize) -> usize {
    let shape = RecordShape::new(plan.reference_len());
    most_references(shape, shots) * shape.stride()
}

/// References of a structure, at most, in templates of `shots` embeddings at most.
pub fn most_references(shape: RecordShape, shots: usize) -> usize {
    let by_shots = shots.min(MAX_SHOTS) / shape.shots.max(1);
    let by_bytes = MAX_BYTES / shape.stride().max(1);
    by_shots.min(by_bytes).min(MAX_REFERENCES)
}

/// Marks enrolled structures. Templates have `SHOTS` embeddings at most, of `DIM` components at
/// most.
#[derive(Debug)]
pub struct Segmenter<'a, E, S, const SHOTS: usize, const DIM: usize> {
    engine: E,
    shape: RecordShape,
    room: Room<'a>,
    store: S,
}

impl<'a, E, S, const SHOTS: usize, const DIM: usize> Segmenter<'a, E, S, SHOTS, DIM>
where
    E: SegmentationEngine,
    S: TemplateStore<SHOTS, DIM>,
{
    /// A segmenter that works in `room`.
    ///
    /// # Errors
    /// [`SegmenterError::Recognizes`] for a model that compares with no references,
    /// [`SegmenterError::Engine`] when `engine` runs another model, embeddings are longer than
    /// `DIM`, not a single reference fits into a template, or `room` is too small.
    pub fn new(
        engine: E,
        artifact: &Artifact<'_>,
        store: S,
        room: Room<'a>,
    ) -> Result<Self, SegmenterError<S::Error>> {
        let (expected, found) = (artifact.model_id(), engine.model_id());
        if found != expected {
            return Err(EngineError::OtherModel { expected, found }.into());
        }
        let plan = artifact.plan();
        if plan.reference_len() == 0 {
            return Err(SegmenterError::Recognizes);
        }
        let shape = RecordShape::new(plan.reference_len());
        if most_references(shape, SHOTS) == 0 {
            let room = (SHOTS.min(MAX_SHOTS) * shape.dim).min(MAX_BYTES);
            let what = "templates with room for a reference";
            return Err(length(what, shape.stride(), room));
        }
        let needs = [
            ("room for embeddings", shape.dim, DIM),
            ("room for a mask", plan.output().len(), room.pixels.len()),
            (
                "room for references",
                records_len(plan, SHOTS),
                room.records.len(),
            ),
        ];
        for (what, expected, found) in needs {
            if found < expected {
                return Err(length(what, expected, found));
            }
        }
        let Room { pixels, records } = room;
        let room = Room {
            pixels: pixels.get_mut(..plan.output().len()).unwrap_or_default(),
            records,
        };
        Ok(Self {
            engine,
            shape,
            room,
            store,
        })
    }

    /// The identity of the model that it runs.
    pub fn model_id(&self) -> ModelId {
        self.engine.model_id()
    }

    /// How what a reference says is kept.
    pub fn record_shape(&self) -> RecordShape {
        self.shape
    }

    /// References of a structure, at most.
    pub fn most_references(&self) -> usize {
        most_references(self.shape, SHOTS)
    }

    /// Where references are kept.
    pub fn store(&self) -> &S {
        &self.store
    }

    /// The same, to be changed.
    pub fn store_mut(&mut self) -> &mut S {
        &mut self.store
    }

    /// The enrolled structures in order of enrolment, and how many references each has.
    pub fn structures(&self) -> impl Iterator<Item = (&SubjectId, usize)> {
        let templates = self.store.templates();
        templates.map(|template| (template.subject_id(), self.references(template)))
    }

    /// How many references a template is made of.
    pub fn references(&self, template: &Template<SHOTS, DIM>) -> usize {
        template.shot_count() / self.shape.shots.max(1)
    }

    /// An empty template to add references to. `enrolled_at` is in seconds since 1970, 0
    /// without a clock.
    ///
    /// # Errors
    /// [`SegmenterError::Template`].
    pub fn begin(
        &self,
        structure: SubjectId,
        enrolled_at: u64,
    ) -> Result<Template<SHOTS, DIM>, SegmenterError<S::Error>> {
        let (model, dim) = (self.engine.model_id(), self.shape.dim);
        Ok(Template::new(model, structure, enrolled_at, dim)?)
    }

    /// The template of an enrolled structure, to add references to.
    ///
    /// # Errors
    /// [`SegmenterError::NotEnrolled`], [`SegmenterError::Record`].
    pub fn resume(
        &self,
        structure: &str,
    ) -> Result<Template<SHOTS, DIM>, SegmenterError<S::Error>> {
        self.template(structure).cloned()
    }

    /// Adds what a reference says to a template; one that is refused leaves it as it was.
    ///
    /// # Errors
    /// [`SegmenterError::Full`], [`SegmenterError::Mask`], [`SegmenterError::Picture`],
    /// [`SegmenterError::Engine`]; [`SegmenterError::Template`] for a template of another
    /// model.
    pub fn add(
        &mut self,
        template: &mut Template<SHOTS, DIM>,
        reference: &Reference<'_>,
    ) -> Result<(), SegmenterError<S::Error>> {
        let most = self.most_references();
        // A part of a record would shift all that follow it.
        if self.references(template) >= most {
            return Err(SegmenterError::Full { most });
        }
        if template.dim() != self.shape.dim {
            return Err(SegmenterError::Record);
        }
        self.read(reference)?;
        let record = self.room.records.get(..self.shape.stride());
        for shot in record.unwrap_or_default().chunks(self.shape.dim.max(1)) {
            template.push(shot)?;
        }
        Ok(())
    }

    /// Puts what a reference says at the front of the records.
    fn read(&mut self, reference: &Reference<'_>) -> Result<(), SegmenterError<S::Error>> {
        let expected = reference.image.size();
        let found = reference.mask_size;
        let pixels = expected.map(|side| side as usize).iter().product();
        if found != expected {
            return Err(MaskError::Size { expected, found }.into());
        }
        if reference.mask.len() != pixels {
            return Err(length("a mask", pixels, reference.mask.len()));
        }
        let shape = self.engine.contract().preprocess.shape();
        let input = [shape.width, shape.height];
        let mask = &mut *self.room.pixels;
        shrink(reference.mask, found, |value| value > 0, mask, input)?;
        self.prepare(&reference.image)?;
        let records = &mut *self.room.records;
        records
            .get_mut(..self.shape.stride())
            .unwrap_or_default()
            .fill(0);
        let record = records.get_mut(..self.shape.len).unwrap_or_default();
        Ok(self.engine.reference_in_place(self.room.pixels, record)?)
    }

    /// Makes the network's input of a picture.
    fn prepare(&mut self, image: &Image<'_>) -> Result<(), SegmenterError<S::Error>> {
        match self.engine.contract().preprocess {
            Preprocess::Picture(spec) => Ok(spec.run(image, self.engine.memory().input)?),
            // No artifact has it: a mask is that of a picture.
            Preprocess::Pen(_) => Err(EngineError::Plan.into()),
        }
    }

    /// Keeps a template, in place of the structure's earlier one: how many references it has.
    /// When this returns without error, the store holds it; else the store is as it was.
    ///
    /// # Errors
    /// [`SegmenterError::NoReference`] for an empty template, [`SegmenterError::Store`].
    pub fn keep(
        &mut self,
        template: Template<SHOTS, DIM>,
    ) -> Result<usize, SegmenterError<S::Error>> {
        match self.references(&template) {
            0 => Err(SegmenterError::NoReference),
            count => {
                self.store.put(template).map_err(SegmenterError::Store)?;
                Ok(count)
            }
        }
    }

    /// Enrols a structure from all of `references` or not at all, in place of an earlier
    /// enrolment, or, unless `anew`, beside the references that it has: how many it has then.
    ///
    /// # Errors
    /// As [`begin`](Self::begin), [`add`](Self::add) and [`keep`](Self::keep).
    pub fn enroll(
        &mut self,
        structure: SubjectId,
        enrolled_at: u64,
        anew: bool,
        references: &[Reference<'_>],
    ) -> Result<usize, SegmenterError<S::Error>> {
        let mut template = match self.resume(structure.as_str()) {
            Ok(template) if !anew => template,
            Err(SegmenterError::Record) if !anew => return Err(SegmenterError::Record),
            _ => self.begin(structure, enrolled_at)?,
        };
        for reference in references {
            self.add(&mut template, reference)?;
        }
        self.keep(template)
    }

    /// Marks a structure on a picture: how many references say where it is. `mask` has a byte
    /// for each pixel of the picture, which is 1 where the structure is and 0 elsewhere.
    ///
    /// # Errors
    /// [`SegmenterError::NotEnrolled`], [`SegmenterError::Record`],
    /// [`SegmenterError::Picture`]; [`SegmenterError::Engine`] for a mask of another length
    /// too.
    pub fn segment(
        &mut self,
        structure: &str,
        image: &Image<'_>,
        mask: &mut [u8],
    ) -> Result<usize, SegmenterError<S::Error>> {
        let [width, height] = image.size();
        let expected = width as usize * height as usize;
        if mask.len() != expected {
            return Err(length("a mask", expected, mask.len()));
        }
        let count = self.gather(structure)?;
        self.prepare(image)?;
        let stride = self.shape.stride();
        let records = self.room.records.get(..count * stride);
        let references = References::new(records.unwrap_or_default(), stride);
        let output = &mut *self.room.pixels;
        self.engine.segment_in_place(references, output)?;
        let contract = self.engine.contract();
        let zero_point = contract.comparison.embedding.zero_point;
        let shape = contract.preprocess.shape();
        let [columns, rows] = [shape.width, shape.height].map(u32::from);
        let place = |at: usize, from: u32, to: u32| nearest(at, from, to) as usize;
        for (y, row) in mask.chunks_exact_mut(width as usize).enumerate() {
            let first = place(y, height, rows) * columns as usize;
            for (x, pixel) in row.iter_mut().enumerate() {
                let value = output.get(first + place(x, width, columns));
                *pixel = value.is_some_and(|&value| value > zero_point).into();
            }
        }
        Ok(count)
    }

    /// Lays the records of a structure one behind the other: how many.
    fn gather(&mut self, structure: &str) -> Result<usize, SegmenterError<S::Error>> {
        let shape = self.shape;
        let template = find(&self.store, shape, structure)?;
        let places = self.room.records.chunks_exact_mut(shape.dim.max(1));
        for (place, shot) in places.zip(template.shots()) {
            for (to, from) in place.iter_mut().zip(shot) {
                *to = *from;
            }
        }
        let count = template.shot_count() / shape.shots.max(1);
        Ok(count.min(self.most_references()))
    }

    fn template(&self, structure: &str) -> Result<&Template<SHOTS, DIM>, SegmenterError<S::Error>> {
        find(&self.store, self.shape, structure)
    }

    /// Removes a structure; whether it was enrolled.
    ///
    /// # Errors
    /// [`SegmenterError::Store`].
    pub fn remove(&mut self, structure: &str) -> Result<bool, SegmenterError<S::Error>> {
        self.store.remove(structure).map_err(SegmenterError::Store)
    }
}

/// The template of a structure, if it is one of whole references.
fn find<'s, S, const SHOTS: usize, const DIM: usize>(
    store: &'s S,
    shape: RecordShape,
    structure: &str,
) -> Result<&'s Template<SHOTS, DIM>, SegmenterError<S::Error>>
where
    S: TemplateStore<SHOTS, DIM>,
{
    let template = store.templates().find(|t| t.subject() == structure);
    let template = template.ok_or(SegmenterError::NotEnrolled)?;
    let count = template.shot_count();
    let is_whole = template.learned().is_none()
        && template.dim() == shape.dim
        && count > 0
        && count.is_multiple_of(shape.shots.max(1));
    is_whole.then_some(template).ok_or(SegmenterError::Record)
}

fn length<S>(what: &'static str, expected: usize, found: usize) -> SegmenterError<S> {
    SegmenterError::Engine(EngineError::Length {
        what,
        expected,
        found,
    })
}
