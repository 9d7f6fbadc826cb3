//! Bytes that leave a process: what is written is read; what is cut, flipped or made
//! up is answered by a typed error.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod samples;

use proptest::prelude::*;
use samples::{frame, learned_template, template};
use shared::ModelId;
use shared::artifact::plan::{MaxPool, Place, Plan, PlanHeader};
use shared::artifact::{Artifact, ArtifactError, MAGIC, Step};
use shared::template::{Learned, SubjectId, Template, TemplateError};
use shared::wire::{self, FrameError, Request, Response, Scores, Sealed, TAG_LEN, Verdict};

type Small = Template<4, 16>;

#[test]
fn a_plan_that_would_not_end_soon_is_refused() {
    // Within the arena, yet every output looks at a quarter of a million inputs.
    let place = |offset, side| Place {
        offset,
        height: side,
        width: side,
        channels: 1,
    };
    let plan = |window: u16| {
        let (input, output) = (place(0, 1024), place(1 << 20, 1025 - window));
        let header = PlanHeader {
            arena_len: 2 << 20,
            input,
            output,
            steps: 1,
        };
        let step = Step::MaxPool(MaxPool {
            input,
            output,
            kernel: [window; 2],
            stride: [1; 2],
            padding: [0; 2],
        });
        let mut bytes = vec![0; 256];
        let length = postcard::to_slice(&(header, step), &mut bytes)
            .unwrap()
            .len();
        bytes.truncate(length);
        Plan::parse(&bytes, &[]).map(|_| ())
    };
    assert_eq!(plan(8), Ok(()));
    assert_eq!(plan(512), Err(ArtifactError::Contract("amount of work")));
}

#[test]
fn a_template_is_read_as_it_was_written_and_what_follows_is_left() {
    let mut bytes = template();
    let length = bytes.len();
    bytes.extend(b"rest");
    let (found, rest) = Small::decode(&bytes).unwrap();
    assert_eq!(
        (found.subject(), found.shot_count(), rest),
        ("ada", 2, &b"rest"[..])
    );
    assert_eq!(found.encoded_len(), length);
}

#[test]
fn cut_and_flipped_templates_are_refused() {
    for bytes in [template(), learned_template()] {
        for end in 0..bytes.len() {
            assert!(Small::decode(&bytes[..end]).is_err(), "{end}");
        }
        for bit in 0..8 * bytes.len() {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(Small::decode(&flipped).is_err(), "bit {bit}");
        }
    }
}

#[test]
fn a_template_that_does_not_fit_says_what_would() {
    let bytes = template();
    let refused = Template::<1, 16>::decode(&bytes).unwrap_err();
    assert_eq!(
        refused,
        TemplateError::Shots {
            capacity: 1,
            found: 2
        }
    );
    let refused = Template::<4, 2>::decode(&bytes).unwrap_err();
    assert!(
        matches!(refused, TemplateError::Dimension { .. }),
        "{refused}"
    );
}

#[test]
fn a_learnt_prototype_is_one_embedding_however_many_samples_it_came_from() {
    let bytes = learned_template();
    let (found, rest) = Template::<1, 3>::decode(&bytes).unwrap();
    assert!(rest.is_empty());
    assert_eq!((found.shot_count(), found.shots().count()), (5, 1));
    assert_eq!(found.learned().unwrap().scale, 12.5);
    let mut found = Small::decode(&bytes).unwrap().0;
    assert_eq!(found.push(&[1, 2, 3]), Err(TemplateError::Closed));
}

#[test]
fn a_learnt_prototype_out_of_range_is_refused_by_writer_and_reader() {
    for (scale, samples) in [
        (0.0, 1),
        (-1.0, 1),
        (f32::NAN, 1),
        (f32::INFINITY, 1),
        (1.0, 0),
    ] {
        let learned = Learned { scale, samples };
        let subject = SubjectId::new("grace").unwrap();
        let refused = Small::with_prototype(ModelId([0; 32]), subject, 0, &[1], learned);
        assert_eq!(refused, Err(TemplateError::Learned));
        // The reader sees a whole record with a checksum that fits.
        let mut bytes = learned_template();
        bytes[48] = samples;
        bytes[55..59].copy_from_slice(&scale.to_le_bytes());
        let covered = bytes.len() - 4;
        let sum = crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC).checksum(&bytes[..covered]);
        bytes[covered..].copy_from_slice(&sum.to_le_bytes());
        assert_eq!(Small::decode(&bytes), Err(TemplateError::Learned));
    }
}

#[test]
fn cut_and_flipped_frames_are_refused() {
    let whole = frame();
    let decode = |bytes: &[u8]| wire::decode::<Request<'_>>(&mut bytes.to_vec()).map(|_| ());
    assert_eq!(decode(&whole), Ok(()));
    // The closing zero may be given or not; anything shorter is cut.
    for end in 0..whole.len() - 1 {
        assert!(decode(&whole[..end]).is_err(), "{end}");
    }
    for bit in 0..8 * (whole.len() - 1) {
        let mut flipped = whole.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(decode(&flipped).is_err(), "bit {bit}");
    }
}

#[test]
fn a_frame_ends_at_its_first_zero() {
    let mut frame = frame();
    frame.extend(b"more");
    let error = |mut frame: Vec<u8>| wire::decode::<Request>(&mut frame).err();
    assert_eq!(error(frame.clone()), Some(FrameError::Cobs));
    frame.truncate(frame.len() - 4);
    assert_eq!(error(frame.clone()), None);
    frame.pop();
    assert_eq!(error(frame), None);
}

#[test]
fn a_plan_reads_only_what_it_has_written() {
    let place = |offset, side| Place {
        offset,
        height: side,
        width: side,
        channels: 1,
    };
    let pool = |input, output| {
        Step::MaxPool(MaxPool {
            input,
            output,
            kernel: [2, 2],
            stride: [2, 2],
            padding: [0, 0],
        })
    };
    let parse = |output, steps: &[Step]| {
        let header = PlanHeader {
            arena_len: 100,
            input: place(0, 8),
            output,
            steps: steps.len() as u16,
        };
        let mut bytes = vec![0; 512];
        let mut length = postcard::to_slice(&header, &mut bytes).unwrap().len();
        for step in steps {
            length += postcard::to_slice(step, &mut bytes[length..])
                .unwrap()
                .len();
        }
        Plan::parse(&bytes[..length], &[]).map(|_| ())
    };
    let (input, half, quarter) = (place(0, 8), place(64, 4), place(96, 2));
    assert_eq!(
        parse(quarter, &[pool(input, half), pool(half, quarter)]),
        Ok(())
    );
    let contract = |what| Err(ArtifactError::Contract(what));
    assert_eq!(parse(input, &[]), contract("number of steps"));
    assert_eq!(
        parse(place(90, 1), &[pool(input, half)]),
        contract("place of the output")
    );
    // From where nothing was written, from part of what was, from what was overwritten.
    let astray = [
        vec![pool(place(65, 4), quarter)],
        vec![pool(place(0, 4), quarter)],
        vec![
            pool(input, half),
            pool(half, place(0, 2)),
            pool(input, half),
        ],
    ];
    for steps in astray {
        let refused = parse(quarter, &steps);
        assert!(
            matches!(refused, Err(ArtifactError::Step { what, .. }) if what.starts_with("input")),
            "{refused:?}"
        );
    }
}

#[test]
fn the_longest_chunk_fits_a_frame_and_longer_ones_are_refused() {
    let mut buffer = [0; wire::MAX_FRAME];
    let chunk = |bytes| Request::SampleChunk {
        offset: u32::MAX,
        bytes,
    };
    let longest = [0xff; wire::MAX_CHUNK];
    assert!(wire::encode(u16::MAX, &chunk(&longest), &mut buffer).is_ok());
    let refused = wire::encode(1, &chunk(&[1; wire::MAX_FRAME]), &mut buffer);
    assert_eq!(refused, Err(FrameError::TooLong));
    let seal = |_: &mut [u8]| Some([0xff; TAG_LEN]);
    let sealed = wire::encode_sealed(u16::MAX, &chunk(&longest), &mut buffer, seal);
    assert!(sealed.is_ok());
    let refused = wire::encode_sealed(1, &chunk(&[1; wire::MAX_FRAME]), &mut buffer, seal);
    assert_eq!(refused, Err(FrameError::TooLong));
    for room in 0..=2 {
        let refused = wire::encode_sealed(1, &Request::Identify, &mut buffer[..room], seal);
        assert_eq!(refused, Err(FrameError::TooLong));
    }
    let refused = wire::encode_sealed(1, &Request::Identify, &mut buffer, |_| None);
    assert_eq!(refused, Err(FrameError::Seal));
}

#[test]
fn sealed_messages_have_the_variants_they_state() {
    let mut buffer = [0; 4];
    let request = Request::Sealed { bytes: &[] };
    let response = Response::Sealed { bytes: &[] };
    let request = postcard::to_slice(&request, &mut buffer).unwrap()[0];
    let response = postcard::to_slice(&response, &mut buffer).unwrap()[0];
    assert_eq!(request, <Request<'_> as Sealed>::VARIANT);
    assert_eq!(response, <Response<'_> as Sealed>::VARIANT);
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        let _ = Artifact::parse(&bytes);
        let _ = Small::decode(&bytes);
        let _ = wire::decode::<Request<'_>>(&mut bytes.clone());
        let _ = wire::decode::<Response<'_>>(&mut bytes.clone());
        let mut led = MAGIC.to_vec();
        led.extend(&bytes);
        let _ = Artifact::parse(&led);
    }

    #[test]
    fn templates_come_back(
        name in "[a-zA-Zäß0-9]([a-zA-Zäß0-9 ]{0,10}[a-zA-Zäß0-9])?",
        shots in prop::collection::vec(prop::collection::vec(any::<i8>(), 5), 0..=4),
        enrolled_at: u64,
        id: [u8; 32],
    ) {
        let subject = SubjectId::new(&name).unwrap();
        let mut template = Small::new(ModelId(id), subject, enrolled_at, 5).unwrap();
        for shot in &shots {
            template.push(shot).unwrap();
        }
        let mut buffer = [0; 256];
        let length = template.encode(&mut buffer).unwrap();
        let (found, rest) = Small::decode(&buffer[..length]).unwrap();
        prop_assert_eq!(&found, &template);
        prop_assert!(rest.is_empty());
        prop_assert!(template.encode(&mut buffer[..length - 1]).is_err());
    }

    #[test]
    fn learnt_prototypes_come_back(
        prototype in prop::collection::vec(any::<i8>(), 1..=16),
        scale in f32::MIN_POSITIVE..f32::MAX,
        samples in 1u8..,
        id: [u8; 32],
    ) {
        let subject = SubjectId::new("grace").unwrap();
        let learned = Learned { scale, samples };
        let template = Small::with_prototype(ModelId(id), subject, 0, &prototype, learned).unwrap();
        let mut buffer = [0; 256];
        let length = template.encode(&mut buffer).unwrap();
        prop_assert_eq!(length, template.encoded_len());
        let (found, rest) = Small::decode(&buffer[..length]).unwrap();
        prop_assert_eq!(&found, &template);
        prop_assert!(rest.is_empty());
        prop_assert!(template.encode(&mut buffer[..length - 1]).is_err());
    }

    #[test]
    fn messages_come_back(id: u16, offset: u32, bytes in prop::collection::vec(any::<u8>(), 0..=wire::MAX_CHUNK), distance in -1e3f32..1e3) {
        let mut buffer = [0; wire::MAX_FRAME];
        let request = Request::SampleChunk { offset, bytes: &bytes };
        let length = wire::encode(id, &request, &mut buffer).unwrap();
        prop_assert_eq!(buffer[..length].iter().position(|&byte| byte == 0), Some(length - 1));
        prop_assert_eq!(wire::decode(&mut buffer[..length]), Ok((id, request)));
        let response = Response::Verified {
            verdict: Verdict::Reject,
            scores: (id % 2 == 0).then_some(Scores { distance, threshold: 0.5 }),
        };
        let length = wire::encode(id, &response, &mut buffer).unwrap();
        prop_assert_eq!(wire::decode(&mut buffer[..length]), Ok((id, response)));
    }

    #[test]
    fn frames_are_stuffed_as_others_stuff_them(
        id: u16,
        bytes in prop::collection::vec(prop_oneof![Just(0), Just(7), any::<u8>()], 0..900),
    ) {
        let mut buffer = [0; wire::MAX_FRAME];
        let request = Request::SampleChunk { offset: 0, bytes: &bytes };
        let length = wire::encode(id, &request, &mut buffer).unwrap();
        let mut body = id.to_le_bytes().to_vec();
        body.extend(postcard::to_slice(&request, &mut [0; 1000]).unwrap().iter());
        let sum = crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC).checksum(&body);
        body.extend(sum.to_le_bytes());
        let mut expected = vec![0; 2000];
        let stuffed = cobs::encode(&body, &mut expected);
        prop_assert_eq!(&buffer[..length], &expected[..=stuffed]);
    }

    #[test]
    fn what_is_sealed_is_where_a_message_carries_it(
        id: u16,
        bytes in prop::collection::vec(any::<u8>(), 0..=wire::MAX_CHUNK),
        tag: [u8; TAG_LEN],
    ) {
        let mut buffer = [0; wire::MAX_FRAME];
        let request = Request::SampleChunk { offset: 9, bytes: &bytes };
        let mut sealed = vec![];
        let length = wire::encode_sealed(id, &request, &mut buffer, |plain| {
            plain.iter_mut().for_each(|byte| *byte ^= 0x55);
            sealed = plain.to_vec();
            Some(tag)
        });
        let frame = &mut buffer[..length.unwrap()];
        sealed.extend(tag);
        let mut expected = [0; wire::MAX_FRAME];
        let carrier = Request::Sealed { bytes: &sealed };
        let length = wire::encode(id, &carrier, &mut expected).unwrap();
        prop_assert_eq!(&*frame, &expected[..length]);
        let opened = wire::open(frame).unwrap();
        prop_assert_eq!(opened.message(), Ok(carrier));
        let tail = opened.tail(sealed.len());
        let (plain, _) = tail.split_at_mut(sealed.len() - TAG_LEN);
        plain.iter_mut().for_each(|byte| *byte ^= 0x55);
        prop_assert_eq!(wire::message(plain), Ok(request));
    }

    #[test]
    fn identities_come_back(id: [u8; 32]) {
        let id = ModelId(id);
        prop_assert_eq!(ModelId::from_hex(&id.to_string()), Some(id));
    }
}
