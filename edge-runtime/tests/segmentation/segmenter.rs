//! References kept in a store, and masks of a picture's own size.

use edge_runtime::engine::EngineError;
use edge_runtime::engine::int8::Int8Engine;
use edge_runtime::keys::Keys;
use edge_runtime::keys::file::FileKeys;
use edge_runtime::segmenter::{Reference, Room, Segmenter, SegmenterError, records_len};
use edge_runtime::store::TemplateStore;
use edge_runtime::store::file::{FileStore, STRUCTURE_SHOTS};
use proptest::prelude::*;
use shared::artifact::Artifact;
use shared::embedding::MAX_DIM;
use shared::preprocess::Image;
use shared::segmentation::MaskError;
use shared::support_set::SupportSet;
use shared::template::{SubjectId, Template};

use crate::model::{SMALL, Sizes, USUAL, artifact};
use crate::{PIXELS, engine};

/// A bright disk on a dark ground, and its mask.
fn disk([width, height]: [u32; 2], [x, y]: [u32; 2], radius: u32) -> (Vec<u8>, Vec<u8>) {
    let places = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
    let inside =
        places.map(|(px, py)| px.abs_diff(x).pow(2) + py.abs_diff(y).pow(2) < radius.pow(2));
    let mask: Vec<u8> = inside.map(u8::from).collect();
    let texture = |at: usize| (at * 7 % 13) as u8;
    let picture = mask.iter().enumerate();
    let picture = picture.map(|(at, &inside)| 40 + 160 * inside + texture(at));
    (picture.collect(), mask)
}

type Support<const SHOTS: usize> = SupportSet<4, SHOTS, MAX_DIM>;
type Built<'r, 'a, const SHOTS: usize> =
    Segmenter<'r, Int8Engine<'a, Vec<u8>>, Support<SHOTS>, SHOTS, MAX_DIM>;

/// What a segmenter works in.
struct Memory {
    pixels: Vec<u8>,
    records: Vec<i8>,
}

impl Memory {
    fn new(artifact: &Artifact<'_>, shots: usize) -> Self {
        Self {
            pixels: vec![0; PIXELS],
            records: vec![0; records_len(artifact.plan(), shots)],
        }
    }

    fn room(&mut self) -> Room<'_> {
        Room {
            pixels: &mut self.pixels,
            records: &mut self.records,
        }
    }
}

fn segmenter<'r, 'a, const SHOTS: usize>(
    bytes: &'a [u8],
    memory: &'r mut Memory,
) -> Result<Built<'r, 'a, SHOTS>, SegmenterError<shared::support_set::SupportSetError>> {
    let artifact = Artifact::parse(bytes).unwrap();
    let mut store = Support::<SHOTS>::blank();
    store.begin(artifact.model_id(), artifact.contract().comparison);
    Segmenter::new(engine(bytes), &artifact, store, memory.room())
}

fn name(name: &str) -> SubjectId {
    SubjectId::new(name).unwrap()
}

fn overlap(a: &[u8], b: &[u8]) -> f64 {
    let both = a.iter().zip(b).filter(|(a, b)| **a > 0 && **b > 0).count();
    let either = a.iter().chain(b).filter(|v| **v > 0).count();
    2.0 * both as f64 / either.max(1) as f64
}

#[test]
fn what_references_show_is_marked_in_the_pictures_own_size() {
    let bytes = artifact(USUAL);
    let mut memory = Memory::new(&Artifact::parse(&bytes).unwrap(), 64);
    let mut segmenter = segmenter::<64>(&bytes, &mut memory).unwrap();
    let sizes = [[64, 48], [16, 16], [33, 70]];
    let shown = sizes.map(|size| disk(size, [size[0] / 2, size[1] / 3], size[0] / 4));
    let references: Vec<_> = sizes
        .iter()
        .zip(&shown)
        .map(|(&[width, height], (picture, mask))| Reference {
            image: Image::new(width, height, 1, picture).unwrap(),
            mask_size: [width, height],
            mask,
        })
        .collect();
    let enrolled = segmenter.enroll(name("disk"), 7, true, &references);
    assert_eq!(enrolled, Ok(3));
    let size = [90, 50];
    let (picture, mask) = disk(size, [60, 20], 15);
    let image = Image::new(size[0], size[1], 1, &picture).unwrap();
    let mut found = vec![9; mask.len()];
    assert_eq!(segmenter.segment("disk", &image, &mut found), Ok(3));
    assert!(found.iter().all(|&value| value < 2));
    let overlap = overlap(&found, &mask);
    assert!(overlap > 0.6, "{overlap}");
    // Added one by one, and beside those that there are, it is the same.
    segmenter
        .enroll(name("again"), 7, false, &references[..1])
        .unwrap();
    let more = segmenter.enroll(name("again"), 7, false, &references[1..]);
    assert_eq!(more, Ok(3));
    let mut again = vec![9; mask.len()];
    segmenter.segment("again", &image, &mut again).unwrap();
    assert_eq!(again, found);
    let structures: Vec<_> = segmenter
        .structures()
        .map(|(n, c)| (n.to_string(), c))
        .collect();
    assert_eq!(structures, [("disk".into(), 3), ("again".into(), 3)]);
    // In place of the earlier ones.
    let anew = segmenter.enroll(name("again"), 7, true, &references[..1]);
    assert_eq!(anew, Ok(1));
    assert_eq!(segmenter.remove("disk"), Ok(true));
    let gone = segmenter.segment("disk", &image, &mut found);
    assert_eq!(gone, Err(SegmenterError::NotEnrolled));
}

#[test]
fn a_reference_that_is_refused_changes_nothing() {
    let bytes = artifact(USUAL);
    let mut memory = Memory::new(&Artifact::parse(&bytes).unwrap(), 8);
    let mut segmenter = segmenter::<8>(&bytes, &mut memory).unwrap();
    assert_eq!(segmenter.most_references(), 2);
    let size = [40, 40];
    let (picture, mask) = disk(size, [20, 20], 10);
    let image = Image::new(40, 40, 1, &picture).unwrap();
    let good = Reference {
        image,
        mask_size: size,
        mask: &mask,
    };
    segmenter.enroll(name("disk"), 0, true, &[good]).unwrap();
    let before: Vec<_> = segmenter.store().templates().to_vec();
    let (nothing, all) = (vec![0; 1600], vec![1; 1600]);
    let with = |mask_size, mask| Reference {
        image,
        mask_size,
        mask,
    };
    let wrong_size = MaskError::Size {
        expected: size,
        found: [20, 80],
    };
    let length = EngineError::Length {
        what: "a mask",
        expected: 1600,
        found: 1599,
    };
    let cases = [
        (with([20, 80], &mask[..]), SegmenterError::Mask(wrong_size)),
        (with(size, &nothing), SegmenterError::Mask(MaskError::Empty)),
        (with(size, &all), SegmenterError::Mask(MaskError::Full)),
        (with(size, &mask[1..]), SegmenterError::Engine(length)),
    ];
    for (bad, expected) in cases {
        for anew in [true, false] {
            let refused = segmenter.enroll(name("disk"), 0, anew, &[good, bad]);
            let expected = match anew {
                true => expected.clone(),
                // There are as many as fit before it is looked at.
                false => SegmenterError::Full { most: 2 },
            };
            assert_eq!(refused, Err(expected));
            assert_eq!(segmenter.store().templates().to_vec(), before);
        }
    }
    let none = segmenter.enroll(name("none"), 0, true, &[]);
    assert_eq!(none, Err(SegmenterError::NoReference));
    // A template of something else under that name.
    let id = segmenter.model_id();
    for (dim, shots) in [(405, 2), (405, 1), (404, 3)] {
        let mut template = Template::new(id, name("odd"), 0, dim).unwrap();
        for _ in 0..shots {
            template.push(&vec![1; dim]).unwrap();
        }
        // The usual store refuses another dimension by itself.
        if segmenter.store_mut().put(template).is_ok() {
            let mut found = vec![0; 1600];
            let refused = segmenter.segment("odd", &image, &mut found);
            assert_eq!(refused, Err(SegmenterError::Record));
            let refused = segmenter.enroll(name("odd"), 0, false, &[good]);
            assert_eq!(refused, Err(SegmenterError::Record));
        }
    }
}

#[test]
fn too_little_room_and_other_models_are_refused() {
    let bytes = artifact(USUAL);
    let parsed = Artifact::parse(&bytes).unwrap();
    let mut memory = Memory::new(&parsed, 64);
    let refused = segmenter::<2>(&bytes, &mut memory).err();
    let expected = EngineError::Length {
        what: "templates with room for a reference",
        expected: 3 * 405,
        found: 2 * 405,
    };
    assert_eq!(refused, Some(SegmenterError::Engine(expected)));
    memory.pixels.pop();
    assert!(matches!(
        segmenter::<64>(&bytes, &mut memory),
        Err(SegmenterError::Engine(EngineError::Length {
            what: "room for a mask",
            ..
        }))
    ));
    memory.pixels.push(0);
    memory.records.pop();
    assert!(matches!(
        segmenter::<64>(&bytes, &mut memory),
        Err(SegmenterError::Engine(EngineError::Length {
            what: "room for references",
            ..
        }))
    ));
    memory.records.push(0);
    let store = SupportSet::<1, 64, 404>::blank();
    let short = Segmenter::new(engine(&bytes), &parsed, store, memory.room());
    assert!(matches!(
        short,
        Err(SegmenterError::Engine(EngineError::Length {
            what: "room for embeddings",
            ..
        }))
    ));
    let other = artifact(SMALL);
    let store = Support::<64>::blank();
    let other = Segmenter::new(engine(&other), &parsed, store, memory.room());
    assert!(matches!(
        other,
        Err(SegmenterError::Engine(EngineError::OtherModel { .. }))
    ));
}

/// As many references as there can be, of records as long as the program takes, in a file.
#[test]
fn sixteen_references_of_eight_embeddings_are_kept_in_a_file() {
    let sizes = Sizes {
        wide: 30,
        deep: 30,
        grid: 8,
    };
    let bytes = artifact(sizes);
    let parsed = Artifact::parse(&bytes).unwrap();
    let shape = shared::segmentation::RecordShape::new(parsed.plan().reference_len());
    assert_eq!((shape.shots, STRUCTURE_SHOTS), (8, 128));
    let folder = tempfile::tempdir().unwrap();
    let keys = || Keys::new(&FileKeys::open_or_begin(&folder.path().join("key")).unwrap());
    let path = folder.path().join("store");
    let open = || FileStore::<STRUCTURE_SHOTS, MAX_DIM>::open(&path, parsed.model_id(), keys());
    let mut memory = Memory::new(&parsed, STRUCTURE_SHOTS);
    let room = memory.room();
    let mut segmenter = Segmenter::new(engine(&bytes), &parsed, open().unwrap(), room).unwrap();
    let size = [40, 40];
    let (picture, mask) = disk(size, [20, 20], 10);
    let image = Image::new(40, 40, 1, &picture).unwrap();
    let reference = Reference {
        image,
        mask_size: size,
        mask: &mask,
    };
    let most = segmenter.most_references();
    assert_eq!(most, 16);
    let enrolled = segmenter.enroll(name("disk"), 0, true, &vec![reference; most]);
    assert_eq!(enrolled.unwrap(), most);
    let full = segmenter.enroll(name("disk"), 0, false, &[reference]);
    assert!(matches!(full, Err(SegmenterError::Full { most: 16 })));
    let mut found = vec![0; 1600];
    assert_eq!(segmenter.segment("disk", &image, &mut found).unwrap(), 16);
    // A template as long as any.
    let mut longest = Template::new(parsed.model_id(), name("longest"), 0, MAX_DIM).unwrap();
    for _ in 1..STRUCTURE_SHOTS {
        longest.push(&[3; MAX_DIM]).unwrap();
    }
    segmenter.store_mut().put(longest).unwrap();
    let kept = open().unwrap();
    let shots: Vec<_> = kept.templates().map(Template::shot_count).collect();
    assert_eq!(shots, [16 * shape.shots, STRUCTURE_SHOTS - 1]);
    let mut again = vec![0; 1600];
    let mut memory = Memory::new(&parsed, STRUCTURE_SHOTS);
    let mut segmenter = Segmenter::new(engine(&bytes), &parsed, kept, memory.room()).unwrap();
    segmenter.segment("disk", &image, &mut again).unwrap();
    assert_eq!(again, found);
    let record = segmenter.segment("longest", &image, &mut again);
    assert!(matches!(record, Err(SegmenterError::Record)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// Whatever the sizes are, there is a mask or an error.
    #[test]
    fn pictures_of_any_size_are_answered(
        [width, height] in [1u32..90, 1u32..90],
        [other_width, other_height] in [1u32..90, 1u32..90],
        pixels in prop::collection::vec(any::<u8>(), 90 * 90),
        mask in prop::collection::vec(0u8..2, 90 * 90),
    ) {
        let bytes = artifact(SMALL);
        let mut memory = Memory::new(&Artifact::parse(&bytes).unwrap(), 16);
        let mut segmenter = segmenter::<16>(&bytes, &mut memory).unwrap();
        let length = (width * height) as usize;
        let image = Image::new(width, height, 1, &pixels[..length]).unwrap();
        let reference = Reference { image, mask_size: [width, height], mask: &mask[..length] };
        let enrolled = segmenter.enroll(name("any"), 0, true, &[reference]);
        if !matches!(enrolled, Err(SegmenterError::Mask(_))) {
            prop_assert_eq!(enrolled, Ok(1));
            let length = (other_width * other_height) as usize;
            let image = Image::new(other_width, other_height, 1, &pixels[..length]).unwrap();
            let mut found = vec![9; length];
            segmenter.segment("any", &image, &mut found).unwrap();
            prop_assert!(found.iter().all(|&value| value < 2));
        }
    }
}
