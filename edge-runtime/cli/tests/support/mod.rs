//! A model made on the spot, pictures, and the program as a user starts it.
#![allow(
    clippy::unwrap_used,
    dead_code,
    unreachable_pub,
    reason = "helpers of tests; a test may panic"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use ed25519_dalek::pkcs8::EncodePublicKey;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::{Signer, SigningKey};
use edge_runtime::Engine;
use edge_runtime::engine::int8::Int8Engine;
use edge_runtime::keys::Keys;
use edge_runtime::keys::file::{DEVICE_KEY, FileKeys};
use edge_runtime::store::TemplateStore;
use edge_runtime::store::file::{FileStore, SHOTS};
use sha2::{Digest, Sha256};
use shared::artifact::plan::{Conv2d, Place, PlanHeader};
use shared::artifact::signature::{Manifest, PublicKey};
use shared::artifact::{
    Artifact, Card, Contents, Contract, OperatingPoint, Step, golden::fill_input, write,
};
use shared::drift::Drift;
use shared::embedding::{MAX_DIM, prototype};
use shared::preprocess::{Colour, Crop, Fit, PicturePreprocess, Quantization, Tone};
use shared::support_set::{Comparison, Fusion};
use shared::template::{Learned, Template};
use shared::{Distance, EmbeddingFormat, ModelId};

/// Side of the model's input, pixels.
const SIDE: u16 = 16;
/// Components of the embedding.
const DIM: u16 = 24;
/// What stands for the ONNX file, which the int8 engine does not read.
const ONNX: &[u8] = b"not really ONNX";

/// A model folder in a folder of its own, and room for more files beside it.
pub struct Fixture {
    pub folder: tempfile::TempDir,
}

impl Fixture {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        write_model(&folder.path().join("model"), 1);
        Self { folder }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A picture of `subject`, the `sample`-th of its kind.
    pub fn picture(&self, subject: u32, sample: u32) -> PathBuf {
        let path = self.path(&format!("subject-{subject}-{sample}.png"));
        picture(subject, sample).save(&path).unwrap();
        path
    }

    /// Runs a verb that has a recognizer on `model` and `store` of the folder.
    pub fn on(&self, model: &str, store: &str, arguments: &[&str]) -> Output {
        let (model, store) = (self.path(model), self.path(store));
        let mut all = vec![
            arguments[0],
            "--model",
            text(&model),
            "--store",
            text(&store),
        ];
        all.extend(&arguments[1..]);
        semblance(&all)
    }

    /// The same, on the usual model and store.
    pub fn run(&self, arguments: &[&str]) -> Output {
        self.on("model", "store", arguments)
    }

    /// Enrols `subject` with three pictures as `name`.
    pub fn enroll(&self, name: &str, subject: u32) -> Output {
        let pictures = [0, 1, 2].map(|sample| self.picture(subject, sample));
        let mut arguments = vec!["enroll", "--subject", name];
        arguments.extend(pictures.iter().map(|path| text(path)));
        self.run(&arguments)
    }

    /// Puts a learnt prototype in the place of every subject's samples, as
    /// `host-trainer finetune` writes them: here simply their mean.
    pub fn learn(&self, scale: f32) {
        let path = self.path("store");
        let model = self.model_id();
        let store = FileStore::<SHOTS, MAX_DIM>::open(&path, model, keys()).unwrap();
        fs::remove_file(&path).unwrap();
        let mut learned = vec![];
        let format = comparison().embedding;
        for template in store.templates() {
            let mut mean = [0; DIM as usize];
            prototype(&format, template.shots(), &mut mean);
            let samples = template.shot_count() as u8;
            let (model, subject) = (template.model(), template.subject_id().clone());
            let of = Learned { scale, samples };
            learned.push(Template::with_prototype(model, subject, 0, &mean, of).unwrap());
        }
        FileStore::<SHOTS, MAX_DIM>::create(&path, model, keys(), learned).unwrap();
    }

    /// Writes the store in the clear, as it was before stores were sealed.
    pub fn unseal(&self, key_folder: &Path) {
        let (path, model) = (self.path("store"), self.model_id());
        let secrets = FileKeys::open_or_begin(&key_folder.join(DEVICE_KEY)).unwrap();
        let keys = Keys::new(&secrets);
        let store = FileStore::<SHOTS, MAX_DIM>::open(&path, model, keys).unwrap();
        let templates: Vec<_> = store.templates().cloned().collect();
        fs::remove_file(&path).unwrap();
        FileStore::create_unsealed(&path, model, &templates).unwrap();
    }

    /// Puts what is known of a subject's drift in the place of what was, as it is encoded.
    pub fn keep_drift(&self, subject: &str, encoded: [u8; 4]) {
        let (path, model) = (self.path("store"), self.model_id());
        let mut store = FileStore::<SHOTS, MAX_DIM>::open(&path, model, keys()).unwrap();
        let drift = Drift::decode(encoded).unwrap();
        store.keep_drift(subject, drift).unwrap();
    }

    fn model_id(&self) -> ModelId {
        let artifact = fs::read(self.path("model/model.bin")).unwrap();
        Artifact::parse(&artifact).unwrap().model_id()
    }

    pub fn store(&self) -> Vec<u8> {
        fs::read(self.path("store")).unwrap_or_default()
    }
}

/// Writes the public key of `seed` as others write it; where.
pub fn write_key(folder: &Path, seed: u8) -> PathBuf {
    let path = folder.join(format!("{seed}.pub"));
    let key = SigningKey::from_bytes(&[seed; 32]).verifying_key();
    let pem = key.to_public_key_pem(LineEnding::LF).unwrap();
    fs::write(&path, pem).unwrap();
    path
}

/// Signs a model folder with the key of `seed`.
pub fn sign(model: &Path, seed: u8, version: u32) {
    let key = SigningKey::from_bytes(&[seed; 32]);
    let artifact = fs::read(model.join("model.bin")).unwrap();
    let public = PublicKey(key.verifying_key().to_bytes());
    let manifest = Manifest::of(&artifact, version, &public);
    let signature = key.sign(&manifest.encode()).to_bytes();
    fs::write(model.join("model.sig"), manifest.with_signature(&signature)).unwrap();
}

pub fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

pub fn semblance(arguments: &[&str]) -> Output {
    program().args(arguments).output().unwrap()
}

/// The program, with keys that are only for tests.
pub fn program() -> Command {
    let mut program = Command::new(env!("CARGO_BIN_EXE_semblance"));
    program.env("SEMBLANCE_KEYS", key_folder());
    program
}

fn key_folder() -> &'static Path {
    static FOLDER: OnceLock<tempfile::TempDir> = OnceLock::new();
    FOLDER.get_or_init(|| tempfile::tempdir().unwrap()).path()
}

fn keys() -> Keys {
    let path = key_folder().join(DEVICE_KEY);
    Keys::new(&FileKeys::open_or_begin(&path).unwrap())
}

pub fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

pub fn json(output: &Output) -> serde_json::Value {
    let printed = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(&printed).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

/// Expects exit code 2, nothing on standard output, and a message with all of `words`.
pub fn refused(output: &Output, words: &[&str]) {
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(code(output), 2, "{output:?}");
    assert!(output.stdout.is_empty(), "{output:?}");
    for word in words {
        assert!(message.contains(word), "no {word:?} in {message}");
    }
}

/// Bars at places that depend on the subject, moved a little by the sample.
fn picture(subject: u32, sample: u32) -> image::GrayImage {
    let mut bars = vec![0; 64 * 64];
    fill_input(2 * (subject + 1), 64, &mut bars);
    let mut picture = image::GrayImage::from_pixel(64, 64, image::Luma([250 - sample as u8]));
    for (index, bar) in bars.iter().enumerate().filter(|(_, bar)| **bar > 0) {
        let (x, y) = (index as u32 % 64, index as u32 / 64);
        for (dx, dy) in [(0, 0), (1, 0), (0, 1), (1, 1), (2, 1), (1, 2)] {
            let (x, y) = ((x + dx + sample / 2).min(63), (y + dy).min(63));
            picture.put_pixel(x, y, image::Luma([255 - bar]));
        }
    }
    picture
}

/// One fully connected layer of fixed random weights: near pictures stay near.
pub fn write_model(folder: &Path, seed: u32) {
    let inputs = usize::from(SIDE) * usize::from(SIDE);
    let mut weights = vec![0; inputs * usize::from(DIM)];
    fill_input(2 * seed + 1, inputs, &mut weights);
    let multipliers_at = weights.len() as u32;
    let multiplier = 1.0f32 / 4096.0;
    weights.extend((0..DIM).flat_map(|_| multiplier.to_le_bytes()));
    let bias_at = weights.len() as u32;
    weights.extend((0..DIM).flat_map(|_| 0i32.to_le_bytes()));
    let input = Place {
        offset: 0,
        height: SIDE,
        width: SIDE,
        channels: 1,
    };
    let output = Place {
        offset: inputs as u32,
        height: 1,
        width: 1,
        channels: DIM,
    };
    let layer = Step::Conv2d(Conv2d {
        input,
        output,
        kernel: [SIDE, SIDE],
        stride: [1, 1],
        padding: [0, 0],
        input_zero_point: 0,
        output_zero_point: 128,
        weights: 0,
        bias: bias_at,
        multipliers: multipliers_at,
    });
    let header = PlanHeader {
        arena_len: inputs as u32 + u32::from(DIM),
        input,
        output,
        steps: 1,
    };
    let blank = vec![0; usize::from(DIM)];
    let draft = encode(&header, &layer, &weights, &[(2, &blank), (3, &blank)]);
    let artifact = Artifact::parse(&draft).unwrap();
    let mut engine = Int8Engine::new(artifact, vec![0; header.arena_len as usize]).unwrap();
    let mut answer = |seed| {
        let (mut input, mut output) = (vec![0; inputs], blank.clone());
        fill_input(seed, usize::from(SIDE), &mut input);
        engine.run(&input, &mut output).unwrap();
        output
    };
    let (bars, noise) = (answer(2), answer(3));
    let artifact = encode(&header, &layer, &weights, &[(2, &bars), (3, &noise)]);
    fs::create_dir_all(folder).unwrap();
    let files = [
        ("model.bin", artifact.as_slice()),
        ("model.int8.onnx", ONNX),
    ];
    let mut card = String::from("[files]\n");
    for (file, bytes) in files {
        fs::write(folder.join(file), bytes).unwrap();
        card += &format!("\"{file}\" = \"{}\"\n", sha256(bytes));
    }
    fs::write(folder.join("model.toml"), card).unwrap();
}

fn sha256(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn comparison() -> Comparison {
    Comparison {
        embedding: EmbeddingFormat {
            dim: DIM,
            normalized: true,
            zero_point: 128,
            scale: EmbeddingFormat::UNIT_SCALE,
        },
        distance: Distance::Euclidean,
        fusion: Fusion::Prototype,
    }
}

fn encode(header: &PlanHeader, layer: &Step, weights: &[u8], golden: &[(u32, &[u8])]) -> Vec<u8> {
    let contract = Contract {
        preprocess: PicturePreprocess {
            width: SIDE,
            height: SIDE,
            colour: Colour::Grey,
            tone: Tone::Invert,
            crop: Crop::Whole,
            fit: Fit::Stretch,
            quantization: Quantization {
                scale: 1.0 / 255.0,
                zero_point: 0,
            },
        }
        .into(),
        comparison: comparison(),
    };
    let point = |far_target: f32, threshold: f32| OperatingPoint {
        far_target,
        shots: 1,
        threshold,
        margin: 0.05,
        far: far_target,
        far_upper: far_target,
        frr: 0.0,
        frr_upper: 0.5,
        impostors: 1000,
        genuine: 10,
    };
    let mut bytes = vec![0; 1 << 16];
    let (length, _) = write(
        &Contents {
            contract: &contract,
            plan: header,
            steps: &[*layer],
            weights,
            measured_on: "nothing",
            operating_points: &[point(0.03, 0.4), point(0.001, 0.001)],
            golden,
            card: &Card {
                name: "fixture",
                data: "nothing",
                terms: "none",
                onnx_sha256: Sha256::digest(ONNX).into(),
            },
            quality: None,
            cohort: None,
        },
        &mut bytes,
    )
    .unwrap();
    bytes.truncate(length);
    bytes
}
