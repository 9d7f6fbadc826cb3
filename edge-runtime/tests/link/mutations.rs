//! What somebody at the line can do to a session: nothing but end it.

use std::time::Instant;

use shared::wire::{self, MAX_FRAME, Refusal, Request, Response, TAG_LEN};

use crate::ends::*;

/// Sealed messages of two sessions of the same two ends.
struct Recording {
    /// Of a session that is over.
    earlier: [Vec<Vec<u8>>; 2],
    /// Of the session that goes on: what was delivered.
    delivered: [Vec<Vec<u8>>; 2],
    /// What is to come: the next one is the first.
    ahead: [Vec<Vec<u8>>; 2],
}

/// Which direction.
const TO_DEVICE: usize = 0;
const TO_HOST: usize = 1;

/// Requests of all lengths.
fn request<'b>(random: &mut Random, bytes: &'b [u8]) -> Request<'b> {
    match random.below(4) {
        0 => Request::SampleChunk {
            offset: random.next() as u32,
            bytes: &bytes[..random.below(bytes.len())],
        },
        1 => Request::Remove { subject: "ada" },
        2 => Request::Enroll {
            subject: "berta",
            anew: true,
            anyway: false,
        },
        _ => Request::Identify,
    }
}

/// Something that is not the next message of a direction.
fn mutate(recording: &Recording, to: usize, random: &mut Random) -> Vec<u8> {
    let from = 1 - to;
    let pick = |messages: &[Vec<u8>], random: &mut Random| match messages.len() {
        0 => vec![],
        count => messages[random.below(count)].clone(),
    };
    let next = &recording.ahead[to][0];
    match random.below(8) {
        // Again.
        0 => pick(&recording.delivered[to], random),
        // Before its turn: those before it are left out, or come later.
        1 => pick(&recording.ahead[to][1..], random),
        // Of another session.
        2 => pick(&recording.earlier[to], random),
        // To whom it came from.
        3 => match random.below(2) {
            0 => pick(&recording.delivered[from], random),
            _ => pick(&recording.ahead[from], random),
        },
        // The front of one and the end of another, tags apart or together.
        4 => {
            let other = pick(&recording.ahead[to][1..], random);
            let cut = random.below(next.len().min(other.len()) + 1);
            let mut spliced = next[..cut].to_vec();
            spliced.extend(&other[cut..]);
            spliced
        }
        // Flipped bits, a few or one.
        5 => {
            let mut flipped = next.clone();
            for _ in 0..=random.below(3) {
                let bit = random.below(8 * flipped.len());
                flipped[bit / 8] ^= 1 << (bit % 8);
            }
            flipped
        }
        // Cut off, or longer.
        6 => match random.below(2) {
            0 => next[..random.below(next.len())].to_vec(),
            _ => {
                let mut longer = next.clone();
                longer.extend((0..=random.below(40)).map(|_| random.next() as u8));
                longer
            }
        },
        // Made up.
        _ => (0..TAG_LEN + random.below(80))
            .map(|_| (random.next() >> 24) as u8)
            .collect(),
    }
}

/// A frame that carries sealed bytes, with a checksum that fits.
fn frame(to: usize, id: u16, bytes: &[u8]) -> Option<Vec<u8>> {
    let mut frame = [0; MAX_FRAME];
    let length = match to {
        TO_DEVICE => wire::encode(id, &Request::Sealed { bytes }, &mut frame),
        _ => wire::encode(id, &Response::Sealed { bytes }, &mut frame),
    };
    Some(frame[..length.ok()?].to_vec())
}

/// How many mutations each of both ends took, and how many messages got through in between.
fn attack(count: usize, seed: u64) -> ([usize; 2], usize) {
    let mut random = Random(seed);
    let mut device = Device::new(seed);
    let mut earlier = [vec![], vec![]];
    let bytes: Vec<u8> = (0..700).map(|_| random.next() as u8).collect();
    let mut host = Host::meet(&mut device, [9; 32], random.key());
    for _ in 0..20 {
        let sent = host.seal(&request(&mut random, &bytes));
        let answer = device.answer(&sent);
        assert!(host.open(&answer).is_some());
        earlier[TO_DEVICE].push(sealed_request(&sent).unwrap());
        earlier[TO_HOST].push(sealed_response(&answer).unwrap());
    }
    let mut host = Host::meet(&mut device, [9; 32], random.key());
    let mut recording = Recording {
        earlier,
        delivered: [vec![], vec![]],
        ahead: [vec![], vec![]],
    };
    let (mut accepted, mut through, mut left) = ([0; 2], 0, count);
    let mut frames: Vec<Vec<u8>> = vec![];
    while left > 0 {
        // The host sealed some requests; whoever is at the line has them all.
        while recording.ahead[TO_DEVICE].len() < 4 {
            let sent = host.seal(&request(&mut random, &bytes));
            recording.ahead[TO_DEVICE].push(sealed_request(&sent).unwrap());
            frames.push(sent);
        }
        let carried_out = device.notes.carried_out.len();
        for _ in 0..100.min(left) {
            let mutation = mutate(&recording, TO_DEVICE, &mut random);
            let right = mutation == recording.ahead[TO_DEVICE][0];
            let id = random.next() as u16;
            let Some(frame) = frame(TO_DEVICE, id, &mutation).filter(|_| !right) else {
                continue;
            };
            // The answer to the last one may come again, and nothing new.
            let answer = device.answer(&frame);
            let refused = matches!(
                wire::decode(&mut answer.clone()),
                Ok((_, Response::Refused(Refusal::Session | Refusal::Malformed)))
            );
            let again = sealed_response(&answer).as_ref() == recording.delivered[TO_HOST].last();
            accepted[TO_DEVICE] += usize::from(!(refused || again));
            left -= 1;
        }
        accepted[TO_DEVICE] += device.notes.carried_out.len() - carried_out;

        // The right one still gets through, and is answered.
        let answer = device.answer(&frames.remove(0));
        let done = recording.ahead[TO_DEVICE].remove(0);
        recording.delivered[TO_DEVICE].push(done);
        let answer = sealed_response(&answer).expect("an answer of the session");
        recording.ahead[TO_HOST] = vec![answer.clone()];
        for _ in 0..100.min(left) {
            let mutation = mutate(&recording, TO_HOST, &mut random);
            if mutation == answer {
                continue;
            }
            accepted[TO_HOST] += usize::from(host.session.open(&mut mutation.clone()).is_ok());
            left -= 1;
        }
        assert!(host.session.open(&mut answer.clone()).is_ok());
        recording.ahead[TO_HOST].clear();
        recording.delivered[TO_HOST].push(answer);
        through += 1;
        for delivered in &mut recording.delivered {
            let excess = delivered.len().saturating_sub(50);
            delivered.drain(..excess);
        }
    }
    assert_eq!(host.ask_after(&mut device, &frames), "Done");
    (accepted, through)
}

impl Host {
    /// Delivers what is left, and asks once more: the session goes on.
    fn ask_after(&mut self, device: &mut Device, frames: &[Vec<u8>]) -> String {
        for frame in frames {
            let answer = device.answer(frame);
            assert!(self.open(&answer).is_some());
        }
        self.ask(device, &Request::Identify)
    }
}

/// Replayed, reordered, left out, spliced, reflected, flipped, cut and made up, at both ends.
#[test]
fn of_a_million_mutations_none_is_accepted() {
    let start = Instant::now();
    let count = 1_000_000;
    let (accepted, through) = attack(count, 0x5EED);
    println!(
        "{count} mutations between {through} messages: {accepted:?} accepted, in {:.1} s",
        start.elapsed().as_secs_f64()
    );
    assert_eq!(accepted, [0, 0]);
    assert!(through >= count / 200);
}
