//! Somebody's ONNX file: a network, or words.
#![no_main]

use host_trainer::import::{Channels, Reading, Scaling, read};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let plain = Reading {
        channels: Channels::Grey,
        scaling: None,
        size: None,
        output: None,
    };
    let scaled = Reading {
        channels: Channels::Bgr,
        scaling: Some(Scaling {
            mean: vec![127.5],
            std: vec![128.0],
        }),
        size: Some([16, 16]),
        output: Some("embedding".into()),
    };
    for reading in [plain, scaled] {
        let _ = read(bytes, &reading);
    }
});
