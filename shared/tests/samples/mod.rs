//! One small example of each format, the test vectors of `shared/docs`.
#![allow(
    clippy::unwrap_used,
    dead_code,
    unreachable_pub,
    reason = "helpers of tests; a test may panic"
)]

use ed25519_dalek::{Signer, SigningKey};
use shared::artifact::plan::{Compare, Conv2d, MaxPool, Place, PlanHeader};
use shared::artifact::signature::{Manifest, PublicKey};
use shared::artifact::{Card, Contents, Contract, OperatingPoint, Step, Trailer, write};
use shared::cohort::{Cohort, Normalization};
use shared::embedding::{UNIT, unit_vector};
use shared::preprocess::{Colour, Crop, Fit, PicturePreprocess, Quantization, Tone};
use shared::quality::Bounds;
use shared::seal::{CONTENT, Label, OVERHEAD, Sealer};
use shared::segmentation;
use shared::support_set::{Comparison, Fusion};
use shared::template::{Learned, SubjectId, Template};
use shared::wire::{self, Request};
use shared::{Distance, EmbeddingFormat, ModelId, Secret};

/// A 4 x 4 picture, two 3 x 3 filters with padding, a pool over everything.
pub fn artifact() -> Vec<u8> {
    artifact_with(None, None)
}

/// The same model, and what pictures measure.
pub fn artifact_with_quality() -> Vec<u8> {
    artifact_with(Some(QUALITY), None)
}

/// The same model, and three strangers; what pictures measure where that is said.
pub fn artifact_with_cohort(quality: Option<Bounds>) -> Vec<u8> {
    let members = [127i8, 0, -90, 90, 0, -127].map(|component| component as u8);
    artifact_with(quality, Cohort::new(Normalization::S, 2, &members))
}

/// What pictures of the sample measure.
pub const QUALITY: Bounds = Bounds {
    least_contrast: 200,
    least_sharpness: 100,
    most_sharpness: 3000,
    most_dark: 60_000,
    most_bright: 9000,
};

fn artifact_with(quality: Option<Bounds>, cohort: Option<Cohort<'_>>) -> Vec<u8> {
    let place = |offset, side, channels| Place {
        offset,
        height: side,
        width: side,
        channels,
    };
    let (input, maps, output) = (place(0, 4, 1), place(16, 4, 2), place(0, 1, 2));
    let steps = [
        Step::Conv2d(Conv2d {
            input,
            output: maps,
            kernel: [3, 3],
            stride: [1, 1],
            padding: [1, 1],
            input_zero_point: 0,
            output_zero_point: 3,
            weights: 0,
            bias: 20,
            multipliers: 28,
        }),
        Step::MaxPool(MaxPool {
            input: maps,
            output,
            kernel: [4, 4],
            stride: [4, 4],
            padding: [0, 0],
        }),
    ];
    let mut weights: Vec<u8> = (0..18u8).map(|tap| tap.wrapping_sub(9)).collect();
    weights.resize(20, 0);
    weights.extend([100i32, -100].iter().flat_map(|bias| bias.to_le_bytes()));
    weights.extend(
        [0.5f32, 0.25]
            .iter()
            .flat_map(|multiplier| multiplier.to_le_bytes()),
    );
    weights.resize(40, 0);
    let point = |far_target, shots| OperatingPoint {
        far_target,
        shots,
        threshold: 0.75,
        margin: 0.125,
        far: 0.0,
        far_upper: 0.0625,
        frr: 0.5,
        frr_upper: 1.0,
        impostors: 100,
        genuine: 10,
    };
    let contents = Contents {
        contract: &Contract {
            preprocess: PicturePreprocess {
                width: 4,
                height: 4,
                colour: Colour::Grey,
                tone: Tone::Invert,
                crop: Crop::Whole,
                fit: Fit::Stretch,
                quantization: Quantization {
                    scale: 0.5,
                    zero_point: 0,
                },
            }
            .into(),
            comparison: Comparison {
                embedding: EmbeddingFormat {
                    dim: 2,
                    normalized: true,
                    zero_point: 3,
                    scale: EmbeddingFormat::UNIT_SCALE,
                },
                distance: Distance::Euclidean,
                fusion: Fusion::Prototype,
            },
        },
        plan: &PlanHeader {
            arena_len: 48,
            input,
            output,
            steps: 2,
        },
        steps: &steps,
        weights: &weights,
        measured_on: "nobody",
        operating_points: &[point(0.1, 1), point(0.1, 5)],
        golden: &[(7, &[1, 2])],
        card: &Card {
            name: "sample",
            data: "none",
            terms: "none",
            onnx_sha256: [0; 32],
        },
        quality,
        cohort,
    };
    let mut bytes = vec![0; 4096];
    let (length, _) = write(&contents, &mut bytes).unwrap();
    bytes.truncate(length);
    bytes
}

/// The version that the sample is signed as.
pub const SIGNED_VERSION: u32 = 3;

/// The secret key of the first test of RFC 8032, which everybody knows.
pub fn key() -> SigningKey {
    SigningKey::from_bytes(&[
        0x9d, 0x61, 0xb1, 0x9d, 0xef, 0xfd, 0x5a, 0x60, 0xba, 0x84, 0x4a, 0xf4, 0x92, 0xec, 0x2c,
        0xc4, 0x44, 0x49, 0xc5, 0x69, 0x7b, 0x32, 0x69, 0x19, 0x70, 0x3b, 0xac, 0x03, 0x1c, 0xae,
        0x7f, 0x60,
    ])
}

pub fn public_key() -> PublicKey {
    PublicKey(key().verifying_key().to_bytes())
}

/// What signs the sample artifact.
pub fn signature_block() -> Vec<u8> {
    let manifest = Manifest::of(&artifact(), SIGNED_VERSION, &public_key());
    let signature = key().sign(&manifest.encode());
    manifest.with_signature(&signature.to_bytes()).to_vec()
}

/// The seventh model of a board, of five bytes.
pub fn trailer() -> Vec<u8> {
    let trailer = Trailer {
        sequence: 7,
        length: 5,
    };
    trailer.encode().to_vec()
}

/// Ada with two shots of three components.
pub fn template() -> Vec<u8> {
    let subject = SubjectId::new("ada").unwrap();
    let mut template = Template::<4, 16>::new(ModelId([0xab; 32]), subject, 1_000_000, 3).unwrap();
    template.push(&[1, -1, 127]).unwrap();
    template.push(&[0, 2, -127]).unwrap();
    let mut bytes = vec![0; template.encoded_len()];
    template.encode(&mut bytes).unwrap();
    bytes
}

/// Grace with a learnt prototype of three components.
pub fn learned_template() -> Vec<u8> {
    let subject = SubjectId::new("grace").unwrap();
    let learned = Learned {
        scale: 12.5,
        samples: 5,
    };
    let prototype = [127, 0, -3];
    let template =
        Template::<4, 16>::with_prototype(ModelId([0xab; 32]), subject, 0, &prototype, learned);
    let template = template.unwrap();
    let mut bytes = vec![0; template.encoded_len()];
    template.encode(&mut bytes).unwrap();
    bytes
}

/// Request 258: verify ada.
pub fn frame() -> Vec<u8> {
    let mut frame = [0; wire::MAX_FRAME];
    let length = wire::encode(258, &Request::Verify { subject: "ada" }, &mut frame).unwrap();
    frame[..length].to_vec()
}

pub(crate) fn sealed() -> Vec<u8> {
    let content = b"template";
    let mut record = vec![0; OVERHEAD + content.len()];
    record[CONTENT..CONTENT + content.len()].copy_from_slice(content);
    let label = Label {
        slot: 16,
        change: 3,
    };
    let sealer = Sealer::new(&Secret::new([7; 32]));
    sealer.seal(label, &mut record, content.len()).unwrap();
    record
}

/// A comparison of 2 x 4 pixels with a reference: features, mask and record.
pub fn reference() -> [Vec<u8>; 3] {
    let place = |channels| Place {
        offset: 0,
        height: 2,
        width: 4,
        channels,
    };
    let compare = Compare {
        features: place(3),
        output: place(5),
        grid: 2,
        location: true,
        first: 0,
    };
    let direction = |pixel: i16| [90 - 24 * pixel, 40 + 8 * pixel, 11 * pixel - 60];
    let unit = |pixel: i16| {
        let mut unit = [0; 3];
        unit_vector(direction(pixel).into_iter(), UNIT, &mut unit);
        unit.map(|component| (i16::from(component) + 128) as u8)
    };
    let features = (0..8).flat_map(unit).collect::<Vec<u8>>();
    // Three quarters of the first pixel, all of the second, a quarter of the fifth.
    let mask = [
        [1, 1, 1, 1, 0, 0, 0, 0],
        [0, 1, 1, 1, 0, 0, 0, 0],
        [0, 1, 0, 0, 0, 0, 0, 0],
        [0; 8],
    ];
    let mask = mask.concat();
    let mut record = vec![0; compare.record_len()];
    segmentation::record(&compare, &features, &mask, 8, &mut record);
    let record = record.into_iter().map(|value| value as u8).collect();
    [features, mask, record]
}
