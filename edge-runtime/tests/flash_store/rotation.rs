//! The device's secret is made, and replaced, while power fails.

use edge_runtime::keys::KeyProvider;
use edge_runtime::keys::flash::{FlashKeys, FlashKeysError};

use super::flash::{Flash, Tear, WORD};
use super::*;

/// Where the secret lies, in a flash of its own.
const SECRETS: Range<u32> = PAGE as u32..3 * PAGE as u32;

fn provider(flash: &mut Flash) -> FlashKeys<&mut Flash> {
    FlashKeys::new(flash, SECRETS)
}

fn secrets(flash: &mut Flash) -> Result<Option<DeviceSecrets>, FlashKeysError<Fault>> {
    provider(flash).secrets()
}

fn open_sealed(
    flash: &mut Flash,
    secrets: &DeviceSecrets,
) -> Result<Vec<Enrolment>, FlashStoreError<Fault>> {
    let place = Box::leak(Box::new(Held::new()));
    let record = vec![0; record_len::<SHOTS, DIM>()];
    let keys = Keys::new(secrets);
    let mut store: Store<'_> = FlashStore::open(flash, REGION, keys, record, place)?;
    store.begin(model(1), comparison())?;
    Ok(enrolled(&store))
}

/// What a board does at its start, and to replace its secret; cut off wherever power fails.
fn rotate(secrets: &mut Flash, store: &mut Flash, to: &Secret) -> Option<()> {
    let mut keys = provider(secrets);
    let current = keys.secrets().ok()??;
    if current.current.expose() != to.expose() {
        // The rotation before may have been cut off.
        open_sealed(store, &current).ok()?;
        keys.retire().ok()?;
        keys.add(to).ok()?;
    }
    open_sealed(store, &keys.secrets().ok()??).ok()?;
    keys.retire().ok().map(|_| ())
}

#[test]
fn power_may_fail_while_the_secret_is_replaced() {
    for tear in [Tear::Front, Tear::Back, Tear::Bits, Tear::Onset] {
        let [mut keys, mut store] = [Flash::blank(), Flash::blank()];
        [keys.tear, store.tear] = [tear; 2];
        provider(&mut keys).add(&secret(1)).unwrap();
        let first = secrets(&mut keys).unwrap().unwrap();
        let place = Box::leak(Box::new(Held::new()));
        let record = vec![0; record_len::<SHOTS, DIM>()];
        let keys_of_first = Keys::new(&first);
        let mut before: Store<'_> =
            FlashStore::open(&mut store, REGION, keys_of_first, record, place).unwrap();
        before.begin(model(1), comparison()).unwrap();
        for name in &NAMES[..4] {
            before.put(template(name, 2)).unwrap();
        }
        before.set_state(State::Failures, b"ab").unwrap();
        let expected = enrolled(&before);
        drop(before);
        let mut cuts = 0;
        // Power fails after some operations of the one flash or of the other.
        for (of_keys, power) in (0..)
            .map(|n| (true, n))
            .take(80)
            .chain((0..400).map(|n| (false, n)))
        {
            let [mut keys, mut store] = [keys.clone(), store.clone()];
            match of_keys {
                true => keys.power = Some(power),
                false => store.power = Some(power),
            }
            let done = rotate(&mut keys, &mut store, &secret(2));
            [keys.power, store.power] = [None; 2];
            cuts += u32::from(done.is_none());
            let now = secrets(&mut keys).unwrap().unwrap();
            assert_eq!(
                open_sealed(&mut store, &now).unwrap(),
                expected,
                "{of_keys} {power}"
            );
            rotate(&mut keys, &mut store, &secret(2)).unwrap();
            let after = secrets(&mut keys).unwrap().unwrap();
            assert_eq!(after.current.expose(), secret(2).expose());
            assert!(after.previous.is_none());
            assert_eq!(open_sealed(&mut store, &after).unwrap(), expected);
            // Of the earlier secret, and of what it sealed, nothing is left.
            assert!(!keys.contains(&secret(1).expose()[..8]));
            assert!(records(&store, &secret(1)).is_empty());
            assert_eq!(records(&store, &secret(2)).len(), 6);
        }
        println!("{tear:?}: {cuts} cuts");
        assert!(cuts > 100, "{cuts}");
    }
}

#[test]
fn power_may_fail_while_the_first_secret_is_made() {
    for power in 0..SECRETS.len() / WORD {
        let mut flash = Flash::blank();
        flash.power = Some(power);
        let done = provider(&mut flash).add(&secret(1));
        flash.power = None;
        match secrets(&mut flash) {
            Ok(Some(secrets)) => assert_eq!(secrets.current.expose(), secret(1).expose()),
            Ok(None) | Err(FlashKeysError::Damaged) => {
                assert!(done.is_err());
                provider(&mut flash).add(&secret(2)).unwrap();
                let now = secrets(&mut flash).unwrap().unwrap();
                assert_eq!(now.current.expose(), secret(2).expose());
            }
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn a_third_secret_waits_for_the_first_to_be_forgotten() {
    let mut flash = Flash::blank();
    assert!(secrets(&mut flash).unwrap().is_none());
    let mut keys = provider(&mut flash);
    for number in 1..9 {
        keys.add(&secret(number)).unwrap();
        let now = keys.secrets().unwrap().unwrap();
        assert_eq!(now.current.expose(), secret(number).expose());
        if number > 1 {
            let earlier = now.previous.unwrap();
            assert_eq!(earlier.expose(), secret(number - 1).expose());
            assert_eq!(keys.add(&secret(99)), Err(FlashKeysError::Unfinished));
            assert_eq!(keys.retire(), Ok(true));
        }
        assert_eq!(keys.retire(), Ok(false));
        let kept = keys.secrets().unwrap().unwrap();
        assert_eq!(kept.current.expose(), secret(number).expose());
        assert!(kept.previous.is_none());
    }
}
