//! Any bytes on a line, as a device and as a host reads them: what is a message is written
//! as it was read.
#![no_main]

use libfuzzer_sys::fuzz_target;
use shared::wire::{self, Frames, MAX_FRAME, Opened, Request, Response};

fuzz_target!(|bytes: &[u8]| {
    let mut frames = Frames::new();
    for &byte in bytes {
        if let Some(frame) = frames.push(byte)
            && let Ok(opened) = wire::open(frame)
        {
            read(&opened);
        }
    }
    // No fuzzer guesses checksums, so the same bytes as a frame's content as well.
    let mut frame = [0; MAX_FRAME];
    if let Some(length) = enclose(bytes, &mut frame) {
        let opened = wire::open(&mut frame[..length]).expect("a frame that is whole");
        read(&opened);
    }
});

/// The frame with this content: number and message.
fn enclose(content: &[u8], frame: &mut [u8]) -> Option<usize> {
    let mut plain = [0; MAX_FRAME - 8];
    let (front, rest) = plain.split_at_mut_checked(content.len())?;
    front.copy_from_slice(content);
    let checksum = crc32fast::hash(content).to_le_bytes();
    rest.get_mut(..4)?.copy_from_slice(&checksum);
    let length = content.len() + 4;
    (content.len() >= 2).then(|| cobs::encode(&plain[..length], frame))
}

fn read(opened: &Opened<'_>) {
    let mut frame = [0; MAX_FRAME];
    if let Ok(request) = opened.message::<Request<'_>>() {
        let length = wire::encode(opened.id, &request, &mut frame).expect("it came in a frame");
        let again = wire::decode::<Request<'_>>(&mut frame[..length]);
        assert_eq!(again, Ok((opened.id, request)));
    }
    if let Ok(response) = opened.message::<Response<'_>>() {
        // Compared as text: numbers that are none differ from themselves.
        let expected = format!("{response:?}");
        let length = wire::encode(opened.id, &response, &mut frame).expect("it came in a frame");
        let (_, again) = wire::decode::<Response<'_>>(&mut frame[..length]).expect("as written");
        assert_eq!(format!("{again:?}"), expected);
    }
}
