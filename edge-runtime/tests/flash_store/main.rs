#![allow(clippy::unwrap_used, reason = "tests")]
//! Templates in flash: what was acknowledged is there after power fails at any operation.

use core::ops::Range;

use edge_runtime::keys::{DeviceSecrets, Keys};
use edge_runtime::store::flash::{FlashStore, FlashStoreError, record_len};
use edge_runtime::store::{Held, MAX_STATE, State, StateStore, TemplateStore};
use shared::distance::Distance;
use shared::embedding::EmbeddingFormat;
use shared::seal::{CONTENT, Sealer};
use shared::support_set::{Comparison, Fusion, SupportSetError};
use shared::template::{SubjectId, Template};
use shared::{ModelId, Secret};

mod cuts;
mod flash;
mod rotation;

use flash::{Fault, Flash};

const SUBJECTS: usize = 5;
const SHOTS: usize = 3;
const DIM: usize = 16;
const PAGE: usize = 512;
const PAGES: u32 = 12;
const REGION: Range<u32> = PAGE as u32..PAGE as u32 * (1 + PAGES);

type Store<'a> = FlashStore<'a, &'a mut Flash, Vec<u8>, SUBJECTS, SHOTS, DIM>;
type Enrolment = Template<SHOTS, DIM>;

fn comparison() -> Comparison {
    Comparison {
        embedding: EmbeddingFormat {
            dim: DIM as u16,
            scale: 1.0 / 127.0,
            zero_point: 128,
            normalized: true,
        },
        distance: Distance::Cosine,
        fusion: Fusion::Prototype,
    }
}

fn model(number: u8) -> ModelId {
    ModelId([number; 32])
}

fn secret(number: u8) -> Secret {
    Secret::new([number; 32])
}

fn keys() -> Keys {
    Keys::from(&secret(7))
}

fn open_as(flash: &mut Flash, number: u8) -> Result<Store<'_>, FlashStoreError<Fault>> {
    let record = vec![0; record_len::<SHOTS, DIM>()];
    open_with(flash, REGION, model(number), record)
}

fn open_with(
    flash: &mut Flash,
    region: Range<u32>,
    model: ModelId,
    record: Vec<u8>,
) -> Result<Store<'_>, FlashStoreError<Fault>> {
    // A board's place for templates is there as long as its program, too.
    let place = Box::leak(Box::new(Held::new()));
    let mut store = FlashStore::open(flash, region, keys(), record, place)?;
    store.begin(model, comparison())?;
    Ok(store)
}

fn open(flash: &mut Flash) -> Store<'_> {
    open_as(flash, 1).expect("a store")
}

/// An embedding that only this subject's sample has.
fn embedding(subject: &str, sample: u8) -> [i8; DIM] {
    let mut state = subject.bytes().fold(u32::from(sample) + 1, |state, byte| {
        state.wrapping_mul(31).wrapping_add(byte.into())
    });
    [0; DIM].map(|_: i8| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as i8
    })
}

fn template_of(number: u8, subject: &str, samples: u8) -> Enrolment {
    let subject_id = SubjectId::new(subject).unwrap();
    let mut template = Template::new(model(number), subject_id, 0, DIM).unwrap();
    for sample in 0..samples {
        template.push(&embedding(subject, sample)).unwrap();
    }
    template
}

fn template(subject: &str, samples: u8) -> Enrolment {
    template_of(1, subject, samples)
}

fn bytes_of(subject: &str, sample: u8) -> Vec<u8> {
    let embedding = embedding(subject, sample);
    embedding.map(i8::cast_unsigned).to_vec()
}

/// What a store says: who is enrolled, and how often somebody failed.
type Content = (Vec<Enrolment>, Vec<u8>);

fn content(store: &Store<'_>) -> Content {
    let failures = store.state(State::Failures).to_vec();
    (store.templates().cloned().collect(), failures)
}

fn enrolled(store: &Store<'_>) -> Vec<Enrolment> {
    content(store).0
}

const NAMES: [&str; 6] = ["ada", "berta", "clara", "dora", "emma", "fanny"];

/// What a user does in the course of a few days; enough to fill pages and to move records.
fn days() -> Vec<Change> {
    use Change::{Fail, Put, Remove};
    let names = &NAMES[..5];
    let mut changes = Vec::new();
    for samples in 1..=SHOTS as u8 {
        changes.extend(names.iter().map(|name| Put(name, samples)));
        changes.push(Fail(samples));
    }
    changes.extend([Remove("clara"), Put("fanny", 2), Remove("nobody")]);
    for round in 0..4 {
        changes.extend(names[3..].iter().map(|name| Put(name, 1 + round % 3)));
    }
    changes.extend([Fail(9), Remove("ada"), Put("clara", 1), Remove("berta")]);
    changes
}

#[derive(Clone, Copy, Debug)]
enum Change {
    Put(&'static str, u8),
    Remove(&'static str),
    Fail(u8),
}

impl Change {
    fn make(self, store: &mut Store<'_>) -> Result<(), FlashStoreError<Fault>> {
        match self {
            Self::Put(subject, samples) => store.put(template(subject, samples)),
            Self::Remove(subject) => store.remove(subject).map(|_| ()),
            Self::Fail(times) => store.set_state(State::Failures, &[times; 3]),
        }
    }

    /// What it makes of a content, by definition.
    fn expected(self, before: &Content) -> Content {
        let (mut after, mut failures) = before.clone();
        match self {
            Self::Remove(subject) => after.retain(|template| template.subject() != subject),
            Self::Fail(times) => failures = vec![times; 3],
            Self::Put(subject, samples) => {
                let new = template(subject, samples);
                let mut places = after.iter_mut();
                match places.find(|earlier| earlier.subject() == subject) {
                    Some(earlier) => *earlier = new,
                    None => after.push(new),
                }
            }
        }
        (after, failures)
    }
}

/// The records that lie whole in the flash, in use or not, as `keys` open them.
fn records(flash: &Flash, key: &Secret) -> Vec<Record> {
    let sealer = Sealer::new(key);
    let here = |at: usize| {
        let mut bytes = flash.bytes[at..].to_vec();
        let opened = sealer.open(&mut bytes).ok()?;
        let sealed = flash.bytes[at..at + opened.len].to_vec();
        let template = Enrolment::decode(opened.content);
        Some(Record {
            subject: template
                .ok()
                .map(|(template, _)| template.subject().to_owned()),
            sealed,
        })
    };
    let begins = |at: &usize| flash.bytes[*at..].starts_with(b"SMBS");
    (0..flash.bytes.len())
        .filter(begins)
        .filter_map(here)
        .collect()
}

struct Record {
    subject: Option<String>,
    sealed: Vec<u8>,
}

impl Record {
    fn nonce(&self) -> [u8; 24] {
        self.sealed[CONTENT - 24..CONTENT].try_into().unwrap()
    }

    fn ciphertext(&self) -> &[u8] {
        &self.sealed[CONTENT..]
    }
}

/// Nothing of those who are not enrolled is anywhere in the flash, neither in the clear nor
/// as it was sealed `before`.
fn nobody_else_is_in(flash: &Flash, enrolled: &[Enrolment], before: &[Record]) {
    let is_enrolled = |name: &str| enrolled.iter().any(|here| here.subject() == name);
    for record in before {
        // Enough of it to be nothing else.
        let begins = &record.ciphertext()[..16];
        let subject = record.subject.as_deref();
        if let Some(gone) = subject.filter(|subject| !is_enrolled(subject)) {
            assert!(!flash.contains(begins), "{gone} is left");
        }
    }
    for record in records(flash, &secret(7)) {
        assert!(record.subject.is_none_or(|subject| is_enrolled(&subject)));
    }
    for subject in NAMES {
        assert!(!flash.contains(subject.as_bytes()), "{subject} is legible");
        for sample in 0..SHOTS as u8 {
            assert!(!flash.contains(&bytes_of(subject, sample)));
        }
    }
}

#[test]
fn days_of_use_are_there_after_each_restart() {
    let mut flash = Flash::blank();
    let mut expected = Content::default();
    for change in days() {
        let before = records(&flash, &secret(7));
        expected = change.expected(&expected);
        let mut store = open(&mut flash);
        change.make(&mut store).unwrap();
        assert_eq!(content(&store), expected, "{change:?}");
        assert_eq!(content(&open(&mut flash)), expected, "{change:?}");
        nobody_else_is_in(&flash, &expected.0, &before);
    }
}

#[test]
fn capacity_is_there_however_often_it_is_used() {
    let mut flash = Flash::blank();
    let mut store = open(&mut flash);
    let names: Vec<String> = (0..=SUBJECTS)
        .map(|index| format!("{index:x<32}"))
        .collect();
    for round in 0..50 {
        for name in &names[..SUBJECTS] {
            store.put(template(name, SHOTS as u8 - round % 2)).unwrap();
        }
    }
    let full = store.put(template(&names[SUBJECTS], 1));
    let expected = SupportSetError::Full { capacity: SUBJECTS };
    assert_eq!(full, Err(FlashStoreError::Template(expected)));
    assert_eq!(enrolled(&store).len(), SUBJECTS);
    let before = content(&store);
    assert_eq!(content(&open(&mut flash)), before);
}

#[test]
fn templates_of_other_models_are_counted_and_never_served() {
    let mut flash = Flash::blank();
    let mut store = open(&mut flash);
    for name in ["ada", "berta", "clara"] {
        store.put(template(name, 2)).unwrap();
    }
    let mut other = open_as(&mut flash, 2).unwrap();
    assert_eq!((enrolled(&other).len(), other.stale_count()), (0, 3));
    assert!(matches!(
        other.put(template_of(1, "dora", 1)),
        Err(FlashStoreError::Template(
            SupportSetError::OtherModel { .. }
        ))
    ));
    other.put(template_of(2, "ada", 1)).unwrap();
    other.put(template_of(2, "dora", 1)).unwrap();
    let full = other.put(template_of(2, "emma", 1));
    assert_eq!(full, Err(FlashStoreError::Stale { stale: 3 }));
    // Removing one of ours keeps theirs.
    assert_eq!(other.remove("dora"), Ok(true));
    let back = open(&mut flash);
    assert_eq!((enrolled(&back).len(), back.stale_count()), (3, 1));
    let mut other = open_as(&mut flash, 2).unwrap();
    other.remove_stale().unwrap();
    assert_eq!((enrolled(&other).len(), other.stale_count()), (1, 0));
    for name in ["emma", "fanny", "grete", "hanna"] {
        other.put(template_of(2, name, 1)).unwrap();
    }
    let other = open_as(&mut flash, 2).unwrap();
    assert_eq!((enrolled(&other).len(), other.stale_count()), (5, 0));
    let left = records(&flash, &secret(7));
    assert!(
        left.iter()
            .all(|record| record.subject.as_deref() != Some("berta"))
    );
}

#[test]
fn what_is_no_store_is_told_and_left_alone() {
    let mut flash = Flash::blank();
    let noise = REGION.map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8);
    flash
        .bytes
        .splice(REGION.start as usize..REGION.end as usize, noise);
    flash.is_written.fill(true);
    let before = flash.bytes.clone();
    assert!(matches!(
        open_as(&mut flash, 1),
        Err(FlashStoreError::Damaged)
    ));
    assert!(flash.bytes == before);
    Store::erase(&mut &mut flash, REGION).unwrap();
    assert_eq!(enrolled(&open(&mut flash)).len(), 0);
}

#[test]
fn too_small_a_region_is_told() {
    let too_small = REGION.start..REGION.start + 2 * PAGE as u32;
    let mut flash = Flash::blank();
    let opened = open_with(&mut flash, too_small, model(1), vec![0; 999]);
    let Err(error) = opened.map(|_| ()) else {
        panic!("a store in a single page");
    };
    let FlashStoreError::Region {
        expected,
        found,
        page,
    } = error
    else {
        panic!("{error}");
    };
    assert_eq!((found, page), (2 * PAGE, PAGE));
    assert!(expected <= REGION.len(), "{error}");
    let opened = open_with(&mut flash, REGION, model(1), vec![0; 8]);
    let error = opened.map(|_| ()).unwrap_err();
    assert!(
        matches!(error, FlashStoreError::Buffer { found: 8, .. }),
        "{error}"
    );
}

/// A bit that flips is told, or was nobody's, or undoes the last change as if power had
/// failed in it: nobody is lost, or comes back, in silence.
#[test]
fn every_flipped_bit_is_told() {
    let mut flash = Flash::blank();
    let mut store = open(&mut flash);
    for name in &NAMES[..3] {
        store.put(template(name, 1)).unwrap();
    }
    store.remove("clara").unwrap();
    store.put(template("ada", 2)).unwrap();
    let before = content(&store);
    store.put(template("dora", 1)).unwrap();
    let now = content(&store);
    drop(store);
    let [mut told, mut undone, mut nobodys] = [0; 3];
    for bit in 8 * REGION.start..8 * REGION.end {
        let mut flipped = flash.clone();
        flipped.bytes[bit as usize / 8] ^= 1 << (bit % 8);
        match open_as(&mut flipped, 1).map(|store| content(&store)) {
            Err(FlashStoreError::Damaged | FlashStoreError::OtherKey) => told += 1,
            Err(error) => panic!("{bit}: {error}"),
            Ok(found) if found == now => nobodys += 1,
            Ok(found) if found == before => undone += 1,
            Ok(found) => panic!("{bit}: {found:?}"),
        }
    }
    println!("{told} bits told, {undone} undo the last change, {nobodys} are nobody's");
    assert!(told > 3000 && undone > 1000 && nobodys > 1000);
}

#[test]
fn stores_of_other_devices_are_told() {
    let mut flash = Flash::blank();
    open(&mut flash).put(template("ada", 1)).unwrap();
    let before = flash.bytes.clone();
    let place = Box::leak(Box::new(Held::new()));
    let record = vec![0; record_len::<SHOTS, DIM>()];
    let other = Keys::from(&secret(8));
    let opened: Result<Store<'_>, _> = FlashStore::open(&mut flash, REGION, other, record, place);
    assert!(matches!(opened, Err(FlashStoreError::OtherKey)));
    assert!(flash.bytes == before);
    assert_eq!(enrolled(&open(&mut flash)).len(), 1);
}

#[test]
fn states_are_kept_beside_templates() {
    let mut flash = Flash::blank();
    let mut store = open(&mut flash);
    assert_eq!(store.state(State::Hosts), b"");
    let longest = [3; MAX_STATE];
    for round in 0..40 {
        store.set_state(State::Hosts, &longest).unwrap();
        store.set_state(State::Trust, &[round; 36]).unwrap();
        store.put(template("ada", 1 + round % 3)).unwrap();
    }
    let change = store.change();
    assert!(change > 120);
    let too_long = store.set_state(State::Hosts, &[0; MAX_STATE + 1]);
    assert!(matches!(too_long, Err(FlashStoreError::Buffer { .. })));
    let mut again = open(&mut flash);
    assert_eq!(again.state(State::Hosts), longest);
    assert_eq!(again.state(State::Trust), [39; 36]);
    assert_eq!(again.state(State::Failures), b"");
    assert!(again.change() >= change, "numbers only grow");
    again.set_state(State::Hosts, b"").unwrap();
    assert_eq!(open(&mut flash).state(State::Hosts), b"");
}
