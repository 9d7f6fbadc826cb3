//! Power fails, and flash does.

use std::collections::HashMap;

use super::flash::{Flash, Tear};
use super::*;

/// Everything that was ever sealed, by nonce.
#[derive(Default)]
struct Nonces(HashMap<[u8; 24], Vec<u8>>);

impl Nonces {
    /// A nonce that comes again must come with the same content for the same place.
    fn see(&mut self, records: &[Record]) {
        for record in records {
            let earlier = self.0.entry(record.nonce());
            let earlier = earlier.or_insert_with(|| record.sealed.clone());
            assert_eq!(*earlier, record.sealed, "a nonce was used twice");
        }
    }
}

#[test]
fn power_may_fail_at_any_word_and_any_page() {
    for tear in [Tear::Front, Tear::Back, Tear::Bits, Tear::Onset] {
        power_may_fail(tear);
    }
}

fn power_may_fail(tear: Tear) {
    let mut flash = Flash::blank();
    flash.tear = tear;
    let mut before = content(&open(&mut flash));
    let (mut cuts, mut double_cuts) = (0, 0);
    let mut nonces = Nonces::default();
    for change in days() {
        let after = change.expected(&before);
        for power in 0.. {
            let mut cut = flash.clone();
            cut.power = Some(power);
            let done = {
                let record = vec![0; record_len::<SHOTS, DIM>()];
                let opened = open_with(&mut cut, REGION, model(1), record);
                opened.and_then(|mut store| change.make(&mut store))
            };
            cut.power = None;
            if done.is_ok() {
                break;
            }
            cuts += 1;
            let sealed = records(&cut, &secret(7));
            nonces.see(&sealed);
            // And once more while it recovers.
            for power in 0.. {
                let mut again = cut.clone();
                again.power = Some(power);
                let opened = open_as(&mut again, 1).map(|_| ());
                again.power = None;
                if opened.is_ok() {
                    break;
                }
                double_cuts += 1;
                check(&mut again, &before, &after, change, &sealed);
            }
            check(&mut cut, &before, &after, change, &sealed);
            nonces.see(&records(&cut, &secret(7)));
        }
        change.make(&mut open(&mut flash)).unwrap();
        before = after;
    }
    let nonces = nonces.0.len();
    println!("{tear:?}: {cuts} cuts, {double_cuts} during recovery from them, {nonces} nonces");
    assert!(cuts > 900 && double_cuts > 900);
}

/// After a restart the change is there or it is not, and the store is as good as ever.
fn check(flash: &mut Flash, before: &Content, after: &Content, change: Change, sealed: &[Record]) {
    let mut store = open(flash);
    let found = content(&store);
    assert!(found == *before || found == *after, "{change:?}: {found:?}");
    change.make(&mut store).unwrap();
    assert_eq!(content(&store), *after);
    assert_eq!(content(&open(flash)), *after);
    nobody_else_is_in(flash, &after.0, sealed);
}

/// An operation of the flash fails once, done or not; the user tries again, at once.
#[test]
fn flash_may_fail_once_at_any_operation() {
    let mut flash = Flash::blank();
    let mut before = content(&open(&mut flash));
    let mut failures = 0;
    for change in days() {
        let after = change.expected(&before);
        for (operation, done) in (0..).flat_map(|n| [(n, false), (n, true)]) {
            let mut weak = flash.clone();
            weak.hiccup = Some((operation, done));
            let mut store = open(&mut weak);
            let made = change.make(&mut store);
            if made.is_err() {
                failures += 1;
                assert!(content(&store) == before || content(&store) == after);
                change.make(&mut store).unwrap();
            }
            assert_eq!(content(&store), after, "{change:?}");
            // What follows is kept as well.
            let _ = store.put(template("zoe", 1));
            let last = content(&store);
            drop(store);
            let is_over = weak.hiccup.take().is_some();
            assert_eq!(content(&open(&mut weak)), last, "{change:?}, {operation}");
            if is_over {
                break;
            }
        }
        change.make(&mut open(&mut flash)).unwrap();
        before = after;
    }
    assert!(failures > 100, "{failures}");
}

/// What a fuzzer would do: sequences of changes, each of which power may fail in, several
/// times in a row.
#[test]
fn power_may_fail_at_random() {
    let sequences = std::env::var("SEMBLANCE_CUTS").map_or(10_000, |count| count.parse().unwrap());
    let begin = std::time::Instant::now();
    let threads = std::thread::available_parallelism().map_or(1, |count| count.get() as u64);
    let cuts: u64 = std::thread::scope(|scope| {
        let run = |first: u64| {
            let all = (first..sequences).step_by(threads as usize);
            move || all.map(random_sequence).sum::<u64>()
        };
        let running: Vec<_> = (0..threads).map(|first| scope.spawn(run(first))).collect();
        running
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .sum()
    });
    let seconds = begin.elapsed().as_secs_f32();
    println!("{sequences} random sequences with {cuts} cuts in {seconds:.1} s");
    assert!(cuts >= sequences);
}

/// Changes until power failed a few times; how often it did.
fn random_sequence(seed: u64) -> u64 {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut random = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 33) as usize % below
    };
    let mut flash = Flash::blank();
    flash.tear = [Tear::Front, Tear::Back, Tear::Bits, Tear::Onset][random(4)];
    let (mut content_now, mut cuts) = (content(&open(&mut flash)), 0);
    while cuts < 3 {
        let change = match random(8) {
            0..4 => Change::Put(NAMES[random(5)], 1 + random(SHOTS) as u8),
            4..6 => Change::Fail(random(200) as u8),
            _ => Change::Remove(NAMES[random(5)]),
        };
        let after = change.expected(&content_now);
        flash.power = Some(random(120));
        let record = vec![0; record_len::<SHOTS, DIM>()];
        let done = open_with(&mut flash, REGION, model(1), record)
            .and_then(|mut store| change.make(&mut store));
        flash.power = None;
        let mut store = open(&mut flash);
        let found = content(&store);
        if done.is_ok() {
            assert_eq!(found, after, "{seed}: {change:?} was acknowledged");
        } else {
            cuts += 1;
            assert!(found == content_now || found == after, "{seed}: {change:?}");
        }
        if random(4) == 0 {
            change.make(&mut store).unwrap();
        }
        content_now = content(&store);
    }
    nobody_else_is_in(&flash, &content_now.0, &[]);
    cuts
}
