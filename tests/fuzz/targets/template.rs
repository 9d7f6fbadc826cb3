//! Templates in a store: what is read is written as it was, and leaves no rest behind.
#![no_main]

use libfuzzer_sys::fuzz_target;
use shared::template::Template;

fuzz_target!(|bytes: &[u8]| {
    read(bytes);
    let mut sealed = bytes.to_vec();
    if let Some((content, checksum)) = sealed.split_last_chunk_mut::<4>() {
        *checksum = crc32fast::hash(content).to_le_bytes();
        read(&sealed);
    }
});

fn read(bytes: &[u8]) {
    let Ok((template, rest)) = Template::<4, 16>::decode(bytes) else {
        return;
    };
    let mut written = [0; 1024];
    let length = template.encode(&mut written).expect("room for the longest");
    assert_eq!(written[..length], bytes[..bytes.len() - rest.len()]);
    template.shots().for_each(|shot| assert!(shot.len() <= 16));
}
