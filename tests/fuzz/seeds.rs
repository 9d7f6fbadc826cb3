//! Writes the seeds: what each target is to begin with, made of nothing but the samples of
//! the formats' documents. `cargo run --example seeds` in this folder.
#![allow(clippy::unwrap_used, reason = "a chore may panic")]

#[path = "../../shared/tests/samples/mod.rs"]
mod samples;
#[path = "../../edge-runtime/tests/segmentation/model.rs"]
mod segments;

use std::fs;
use std::path::Path;

use edge_runtime::Engine;
use edge_runtime::engine::int8::Int8Engine;
use shared::artifact::Artifact;
use shared::artifact::golden::fill_input;
use shared::wire::{self, Request, VERSION};

/// A chunk of a model that fits a message of a session.
const CHUNK: usize = 96;

fn main() {
    let model = model();
    write("artifact", "model", &model);
    write("artifact", "sample", &samples::artifact());
    write("artifact", "cohort", &samples::artifact_with_cohort(None));
    write("artifact", "segments", &segments::artifact(segments::SMALL));
    let signed = [samples::artifact(), samples::signature_block()].concat();
    write("artifact", "signed", &signed);
    write("template", "shots", &samples::template());
    write("template", "learned", &samples::learned_template());
    let requests = [enrolment(), model_swap(&model)];
    for (requests, name) in requests.iter().zip(["enrolment", "swap"]) {
        let frames = requests.iter().enumerate().map(|(id, request)| {
            let mut frame = [0; wire::MAX_FRAME];
            let length = wire::encode(id as u16, request, &mut frame).unwrap();
            frame[..length].to_vec()
        });
        write("frames", name, &frames.collect::<Vec<_>>().concat());
        // A length, the mark of what a paired host asks, the message.
        let messages = requests.iter().map(|request| {
            let mut message = [0; 127];
            let length = postcard::to_slice(request, &mut message).unwrap().len();
            [&[length as u8 + 1, 2], &message[..length]].concat()
        });
        write("session", name, &messages.collect::<Vec<_>>().concat());
    }
}

fn write(target: &str, name: &str, bytes: &[u8]) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("seeds")
        .join(target);
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join(name), bytes).unwrap();
}

/// The sample with the golden vector that it answers, so that a board goes over to it.
fn model() -> Vec<u8> {
    let mut bytes = samples::artifact();
    let artifact = Artifact::parse(&bytes).unwrap();
    let (seed, blank) = artifact.golden().iter().next().unwrap();
    let at = bytes
        .windows(6)
        .position(|six| six[..4] == seed.to_le_bytes() && six[4..] == *blank);
    let (mut input, mut output) = ([0; 16], [0; 2]);
    fill_input(seed, 4, &mut input);
    let mut engine = Int8Engine::new(artifact, [0; 48]).unwrap();
    engine.run(&input, &mut output).unwrap();
    let at = at.unwrap() + 4;
    bytes[at..at + 2].copy_from_slice(&output);
    let checksum = crc32fast::hash(&bytes[20..]);
    bytes[16..20].copy_from_slice(&checksum.to_le_bytes());
    bytes
}

/// A host that uploads a picture, enrols it, and asks everything there is to ask.
fn enrolment() -> Vec<Request<'static>> {
    let upload = [
        Request::ImageBegin {
            width: 4,
            height: 4,
            channels: 1,
        },
        Request::SampleChunk {
            offset: 0,
            bytes: &[9, 200, 30, 4, 80, 0, 255, 7, 60, 61, 62, 63, 9, 8, 7, 6],
        },
    ];
    let subject = "ada";
    let mut requests = vec![Request::Hello { version: VERSION }];
    requests.extend(upload);
    requests.push(Request::Enroll {
        subject,
        anew: true,
        anyway: false,
    });
    requests.extend(upload);
    requests.push(Request::Verify { subject });
    requests.extend(upload);
    requests.push(Request::Identify);
    requests.extend([
        Request::Capture,
        Request::Embed,
        Request::List { index: 0 },
        Request::SelfTest,
        Request::Measure,
        Request::RemoveStale,
        Request::Remove { subject },
    ]);
    requests
}

/// A host that sends a model, and looks whether it runs.
fn model_swap(model: &[u8]) -> Vec<Request<'_>> {
    let mut requests = vec![Request::ModelBegin {
        length: model.len() as u32,
    }];
    let chunks = model.chunks(CHUNK).enumerate();
    requests.extend(chunks.map(|(index, bytes)| Request::ModelChunk {
        offset: (index * CHUNK) as u32,
        bytes,
    }));
    requests.push(Request::ModelCommit);
    requests.push(Request::Hello { version: VERSION });
    requests
}
