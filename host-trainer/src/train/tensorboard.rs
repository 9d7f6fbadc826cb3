//! Event files for TensorBoard: scalars beside the JSON lines.
//!
//! A file is a sequence of records of TensorFlow's TFRecord format, each an `Event` in
//! protocol buffers:
//!
//! ```text
//! u64 length | u32 masked CRC-32C of the length | length bytes | u32 masked CRC-32C of them
//! ```
//!
//! all little-endian; a CRC is masked as `rotate_right(crc, 15) + 0xa282ead8`. Formats:
//! `tensorflow/core/lib/io/record_writer.h`, `tensorboard/compat/proto/event.proto`,
//! `summary.proto`. A folder has one file per start of a training;
//! TensorBoard reads them in the order of their names. Names hold no host and no time.
//!
//! Check with TensorBoard itself, where Python is at hand:
//!
//! ```text
//! pip install tensorboard
//! python3 -c "from tensorboard.backend.event_processing.event_accumulator import EventAccumulator as A
//! a = A('runs/NAME'); a.Reload()
//! for tag in a.Tags()['scalars']: print(tag, [(e.step, e.value) for e in a.Scalars(tag)][-1])"
//! ```

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;

use anyhow::{Context, Result, bail};
use crc::{CRC_32_ISCSI, Crc};
use prost::Message;

/// TensorBoard takes files whose name contains `tfevents`.
const PREFIX: &str = "events.out.tfevents.";
const SUFFIX: &str = ".semblance";

/// What the first record of a file says.
const VERSION: &str = "brain.Event:2";

const CRC32C: Crc<u32> = Crc::<u32>::new(&CRC_32_ISCSI);

/// An event file that is being written.
#[derive(Debug)]
pub struct EventFile {
    file: BufWriter<File>,
}

impl EventFile {
    /// Begins a new file in `folder`, after those that are there. `wall_time` is in
    /// seconds since 1970, here and below; it only orders and labels what is shown.
    ///
    /// # Errors
    /// When the folder cannot be read or written.
    pub fn create(folder: &Path, wall_time: f64) -> Result<Self> {
        let number = next_number(folder)?;
        let path = folder.join(format!("{PREFIX}{number:010}{SUFFIX}"));
        let context = || format!("{}: cannot be written", path.display());
        let file = File::create_new(&path).with_context(context)?;
        let mut this = Self {
            file: BufWriter::new(file),
        };
        let version = What::FileVersion(VERSION.into());
        this.write(0, wall_time, version).with_context(context)?;
        this.flush().with_context(context)?;
        Ok(this)
    }

    /// Appends one point of the curve `tag`; `loss/training` puts it into group `loss`.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn scalar(&mut self, tag: &str, step: u64, value: f64, wall_time: f64) -> io::Result<()> {
        let value = vec![Value {
            tag: tag.into(),
            simple_value: value as f32,
        }];
        self.write(step, wall_time, What::Summary(Summary { value }))
    }

    /// Hands what was appended to the operating system, so that TensorBoard sees it.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }

    fn write(&mut self, step: u64, wall_time: f64, what: What) -> io::Result<()> {
        let event = Event {
            wall_time,
            step: i64::try_from(step).unwrap_or(i64::MAX),
            what: Some(what),
        };
        self.file.write_all(&record(&event.encode_to_vec()))
    }
}

/// One more than the largest number among the folder's event files.
fn next_number(folder: &Path) -> Result<u64> {
    let context = || format!("{}: expected a folder for event files", folder.display());
    let mut last = 0;
    for entry in fs::read_dir(folder).with_context(context)? {
        let name = entry.with_context(context)?.file_name();
        let name = name.to_string_lossy();
        let number = name
            .strip_prefix(PREFIX)
            .and_then(|n| n.strip_suffix(SUFFIX));
        last = last.max(number.and_then(|n| n.parse().ok()).unwrap_or(0));
    }
    match last {
        u64::MAX => bail!(
            "{}: expected event files with numbers to go on from, found the largest there is: remove it",
            folder.display()
        ),
        last => Ok(last + 1),
    }
}

/// The bytes of one record.
fn record(data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u64).to_le_bytes();
    [
        &length[..],
        &masked_crc(&length).to_le_bytes(),
        data,
        &masked_crc(data).to_le_bytes(),
    ]
    .concat()
}

fn masked_crc(bytes: &[u8]) -> u32 {
    let crc = CRC32C.checksum(bytes);
    crc.rotate_right(15).wrapping_add(0xa282_ead8)
}

/// `event.proto`, as far as it is written here.
#[derive(Clone, PartialEq, Message)]
struct Event {
    #[prost(double, tag = "1")]
    wall_time: f64,
    #[prost(int64, tag = "2")]
    step: i64,
    #[prost(oneof = "What", tags = "3, 5")]
    what: Option<What>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum What {
    #[prost(string, tag = "3")]
    FileVersion(String),
    #[prost(message, tag = "5")]
    Summary(Summary),
}

/// `summary.proto`.
#[derive(Clone, PartialEq, Message)]
struct Summary {
    #[prost(message, repeated, tag = "1")]
    value: Vec<Value>,
}

#[derive(Clone, PartialEq, Message)]
struct Value {
    #[prost(string, tag = "1")]
    tag: String,
    #[prost(float, tag = "2")]
    simple_value: f32,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    /// CRC-32C bit by bit: the oracle.
    fn crc32c(bytes: &[u8]) -> u32 {
        let step = |crc: u32, _| match crc & 1 {
            1 => crc >> 1 ^ 0x82f6_3b78,
            _ => crc >> 1,
        };
        let byte = |crc, &byte: &u8| (0..8).fold(crc ^ u32::from(byte), step);
        !bytes.iter().fold(u32::MAX, byte)
    }

    /// Takes a file apart by the format's description.
    fn events(bytes: &[u8]) -> Vec<Event> {
        let (mut rest, mut events) = (bytes, vec![]);
        let take = |rest: &mut &[u8], len: usize| -> Vec<u8> {
            let (taken, after) = rest.split_at(len);
            *rest = after;
            taken.to_vec()
        };
        let unmasked = |bytes: Vec<u8>| {
            let masked = u32::from_le_bytes(bytes.try_into().unwrap());
            masked.wrapping_sub(0xa282_ead8).rotate_left(15)
        };
        while !rest.is_empty() {
            let length = take(&mut rest, 8);
            assert_eq!(unmasked(take(&mut rest, 4)), crc32c(&length));
            let length = u64::from_le_bytes(length.try_into().unwrap());
            let data = take(&mut rest, length as usize);
            assert_eq!(unmasked(take(&mut rest, 4)), crc32c(&data));
            events.push(Event::decode(data.as_slice()).unwrap());
        }
        events
    }

    /// RFC 3720, appendix B.4.
    #[test]
    fn checksums_are_those_of_the_standard() {
        let ascending: Vec<u8> = (0..32).collect();
        for (bytes, crc) in [
            (&[0u8; 32][..], 0x8a91_36aa),
            (&[0xff; 32], 0x62a8_ab43),
            (&ascending, 0x46dd_794e),
        ] {
            assert_eq!(crc32c(bytes), crc);
            let unmasked = masked_crc(bytes).wrapping_sub(0xa282_ead8);
            assert_eq!(unmasked.rotate_left(15), crc);
        }
    }

    /// Twelve bytes that every event file of TensorFlow begins with: a version record of
    /// 24 bytes.
    #[test]
    fn a_file_begins_as_tensorflow_s_do() {
        let folder = tempfile::tempdir().unwrap();
        EventFile::create(folder.path(), 1.5e9).unwrap();
        let path = folder
            .path()
            .join("events.out.tfevents.0000000001.semblance");
        let bytes = fs::read(path).unwrap();
        assert_eq!(bytes[..12], *b"\x18\0\0\0\0\0\0\0\xa3\x7fK\"");
        assert!(bytes.windows(13).any(|window| window == b"brain.Event:2"));
    }

    #[test]
    fn what_is_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = EventFile::create(folder.path(), 1.0).unwrap();
        file.scalar("loss", 7, 0.25, 2.0).unwrap();
        file.scalar("validation", 8, -2.5, 3.0).unwrap();
        drop(file);
        let path = folder
            .path()
            .join("events.out.tfevents.0000000001.semblance");
        let found = events(&fs::read(path).unwrap());
        assert_eq!(found.len(), 3);
        assert_eq!(found[0].what, Some(What::FileVersion(VERSION.into())));
        let values: Vec<&Value> = found[1..]
            .iter()
            .map(|event| match &event.what {
                Some(What::Summary(summary)) => &summary.value[0],
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!((found[1].step, found[1].wall_time), (7, 2.0));
        assert_eq!(
            (values[0].tag.as_str(), values[0].simple_value),
            ("loss", 0.25)
        );
        assert_eq!((found[2].step, found[2].wall_time), (8, 3.0));
        assert_eq!(
            (values[1].tag.as_str(), values[1].simple_value),
            ("validation", -2.5)
        );
    }

    #[test]
    fn every_start_has_its_own_file_in_order() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("events.out.tfevents.x.semblance"), "").unwrap();
        for _ in 0..11 {
            EventFile::create(folder.path(), 0.0).unwrap();
        }
        let names = fs::read_dir(folder.path()).unwrap();
        let mut names: Vec<_> = names.map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names.len(), 12);
        assert_eq!(names[10], "events.out.tfevents.0000000011.semblance");
        assert!(EventFile::create(&folder.path().join("none"), 0.0).is_err());
    }
}
