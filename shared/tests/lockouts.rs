#![allow(clippy::unwrap_used, reason = "tests")]
//! Who is rejected waits, and a reset does not help.

use std::collections::HashMap;

use proptest::collection::vec;
use proptest::prelude::*;
use shared::lockout::{CLAIMS, Claim, ENCODED_LEN, LONGEST_WAIT, Lockout, wait_after};

#[test]
fn three_failures_are_free_then_waits_double() {
    let waits: Vec<u32> = (0..8).map(wait_after).collect();
    assert_eq!(waits, [0, 0, 0, 30, 60, 120, 240, 480]);
    let mut before = 0;
    for failures in 0..=u8::MAX {
        let wait = wait_after(failures);
        assert!(
            (before..=LONGEST_WAIT).contains(&wait),
            "{failures}: {wait}"
        );
        before = wait;
    }
    assert_eq!(before, LONGEST_WAIT);
}

/// The same after a reset: counts are kept, and waits begin anew.
fn reset(lockout: &Lockout) -> Lockout {
    let mut bytes = [0; ENCODED_LEN];
    Lockout::decode(lockout.encode(&mut bytes), 0).unwrap()
}

#[test]
fn waits_end_and_begin_anew_after_a_reset() {
    let mut lockout = Lockout::new();
    let ada = Claim::Subject("ada");
    for now in [1000, 1001, 1002] {
        assert_eq!(lockout.left(ada, now), 0);
        lockout.begin(ada, now);
    }
    assert_eq!(lockout.left(ada, 1003), 29);
    assert_eq!(lockout.left(ada, 1032), 0);
    let mut again = reset(&lockout);
    assert_eq!(again.left(ada, 0), 30);
    assert_eq!(again.left(ada, 30), 0);
    again.begin(ada, 30);
    assert_eq!(again.left(ada, 31), 59);
    // Others are as free as ever; another's success forgives nothing.
    let bob = Claim::Subject("bob");
    assert_eq!((again.left(bob, 31), again.left(Claim::Nobody, 31)), (0, 0));
    again.begin(bob, 31);
    again.succeed(bob);
    again.succeed(Claim::Nobody);
    assert_eq!(again.failures(ada), 4);
    again.succeed(ada);
    assert_eq!((again.failures(ada), again.left(ada, 32)), (0, 0));
    assert_eq!(again, Lockout::new());
}

#[test]
fn claims_beyond_all_places_share_a_count() {
    let mut lockout = Lockout::new();
    let names: Vec<String> = (0..CLAIMS + 3).map(|n| format!("subject {n}")).collect();
    for name in &names {
        lockout.begin(Claim::Subject(name), 5);
    }
    assert_eq!(lockout.failures(Claim::Subject(&names[0])), 1);
    // One of them was each other's failure, too.
    for name in names.iter().rev().take(3) {
        assert_eq!(lockout.failures(Claim::Subject(name)), 3);
    }
    assert_eq!(lockout.left(Claim::Subject("somebody else"), 5), 30);
    assert_eq!(reset(&lockout).failures(Claim::Subject("x")), 3);
    // A place that becomes free is no way out of the shared count.
    assert!(lockout.forget(&names[0]) && !lockout.forget(&names[0]));
    lockout.begin(Claim::Subject("x"), 5);
    assert_eq!(lockout.failures(Claim::Subject("x")), 4);
    assert_eq!(lockout.failures(Claim::Subject(&names[1])), 1);
}

#[derive(Clone, Debug)]
enum Event {
    Begin(u8),
    Succeed(u8),
    Reset,
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        4 => (0..6u8).prop_map(Event::Begin),
        2 => (0..6u8).prop_map(Event::Succeed),
        1 => Just(Event::Reset),
    ];
    vec(event, 0..60)
}

proptest! {
    #[test]
    fn counts_are_those_of_a_list(events in events()) {
        let mut lockout = Lockout::new();
        let mut expected = HashMap::<u8, u8>::new();
        let names: Vec<String> = (0..6).map(|n| format!("s{n}")).collect();
        let claim = |n: u8| match n {
            0 => Claim::Nobody,
            n => Claim::Subject(&names[usize::from(n)]),
        };
        for event in events {
            match event {
                Event::Begin(n) => {
                    lockout.begin(claim(n), 0);
                    *expected.entry(n).or_default() += 1;
                }
                Event::Succeed(n) => {
                    lockout.succeed(claim(n));
                    expected.remove(&n);
                }
                Event::Reset => lockout = reset(&lockout),
            }
            for n in 0..6 {
                let count = expected.get(&n).copied().unwrap_or(0);
                prop_assert_eq!(lockout.failures(claim(n)), count);
                prop_assert_eq!(lockout.left(claim(n), 0), wait_after(count));
            }
        }
    }

    #[test]
    fn bytes_are_counts_or_nothing(bytes in vec(any::<u8>(), 0..2 * ENCODED_LEN)) {
        if let Some(lockout) = Lockout::decode(&bytes, 0) {
            let mut again = [0; ENCODED_LEN];
            let again = lockout.encode(&mut again);
            prop_assert!(bytes.is_empty() || again == bytes);
        }
    }
}
