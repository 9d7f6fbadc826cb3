#![allow(clippy::unwrap_used, reason = "tests")]
//! Templates in flash: what was acknowledged is there after power fails at any operation.

use core::ops::Range;

use edge_runtime::store::TemplateStore;
use edge_runtime::store::flash::{FlashStore, FlashStoreError, record_len};
use shared::ModelId;
use shared::distance::Distance;
use shared::embedding::EmbeddingFormat;
use shared::support_set::{Comparison, Fusion, SupportSet, SupportSetError};
use shared::template::{SubjectId, Template};

mod flash;

use flash::{Fault, Flash, Tear};

const SUBJECTS: usize = 5;
const SHOTS: usize = 3;
const DIM: usize = 16;
const PAGE: usize = 512;
const PAGES: u32 = 8;
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
    let place = Box::leak(Box::new(SupportSet::blank()));
    FlashStore::open(flash, region, model, comparison(), record, place)
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

fn content(store: &Store<'_>) -> Vec<Enrolment> {
    store.templates().cloned().collect()
}

fn bytes_of(subject: &str, sample: u8) -> Vec<u8> {
    let embedding = embedding(subject, sample);
    embedding.map(i8::cast_unsigned).to_vec()
}

/// What a user does in the course of a few days; enough to fill pages and to move records.
fn days() -> Vec<Change> {
    use Change::{Put, Remove};
    let names = ["ada", "berta", "clara", "dora", "emma"];
    let mut changes = Vec::new();
    for samples in 1..=SHOTS as u8 {
        changes.extend(names.map(|name| Put(name, samples)));
    }
    changes.extend([Remove("clara"), Put("fanny", 2), Remove("nobody")]);
    for round in 0..4 {
        changes.extend(names[3..].iter().map(|name| Put(name, 1 + round % 3)));
    }
    changes.extend([Remove("ada"), Put("clara", 1), Remove("berta")]);
    changes
}

#[derive(Clone, Copy, Debug)]
enum Change {
    Put(&'static str, u8),
    Remove(&'static str),
}

impl Change {
    fn make(self, store: &mut Store<'_>) -> Result<(), FlashStoreError<Fault>> {
        match self {
            Self::Put(subject, samples) => store.put(template(subject, samples)),
            Self::Remove(subject) => store.remove(subject).map(|_| ()),
        }
    }

    /// What it makes of a list, by definition.
    fn expected(self, before: &[Enrolment]) -> Vec<Enrolment> {
        let mut after = before.to_vec();
        match self {
            Self::Remove(subject) => after.retain(|template| template.subject() != subject),
            Self::Put(subject, samples) => {
                let new = template(subject, samples);
                match after
                    .iter_mut()
                    .find(|earlier| earlier.subject() == subject)
                {
                    Some(earlier) => *earlier = new,
                    None => after.push(new),
                }
            }
        }
        after
    }
}

/// Nothing of those who are not enrolled is anywhere in the flash.
fn nobody_else_is_in(flash: &Flash, enrolled: &[Enrolment]) {
    for subject in ["ada", "berta", "clara", "dora", "emma", "fanny"] {
        let is_enrolled = enrolled.iter().any(|here| here.subject() == subject);
        for sample in 0..SHOTS as u8 {
            let found = flash.contains(&bytes_of(subject, sample));
            assert!(is_enrolled || !found, "{subject} {sample} is left");
        }
    }
}

#[test]
fn days_of_use_are_there_after_each_restart() {
    let mut flash = Flash::blank();
    let mut expected = Vec::new();
    for change in days() {
        expected = change.expected(&expected);
        let mut store = open(&mut flash);
        change.make(&mut store).unwrap();
        assert_eq!(content(&store), expected, "{change:?}");
        assert_eq!(content(&open(&mut flash)), expected, "{change:?}");
        nobody_else_is_in(&flash, &expected);
    }
}

#[test]
fn power_may_fail_at_any_word_and_any_page() {
    for tear in [Tear::Front, Tear::Back, Tear::Bits] {
        power_may_fail(tear);
    }
}

fn power_may_fail(tear: Tear) {
    let mut flash = Flash::blank();
    flash.tear = tear;
    let mut before = content(&open(&mut flash));
    let (mut cuts, mut double_cuts) = (0, 0);
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
                check(&mut again, &before, &after, change);
            }
            check(&mut cut, &before, &after, change);
        }
        change.make(&mut open(&mut flash)).unwrap();
        before = after;
    }
    println!("{tear:?}: {cuts} cuts, {double_cuts} during recovery from them");
    assert!(cuts > 900 && double_cuts > 900);
}

/// After a restart the change is there or it is not, and the store is as good as ever.
fn check(flash: &mut Flash, before: &[Enrolment], after: &[Enrolment], change: Change) {
    let mut store = open(flash);
    let found = content(&store);
    assert!(found == before || found == after, "{change:?}: {found:?}");
    change.make(&mut store).unwrap();
    assert_eq!(content(&store), after);
    assert_eq!(content(&open(flash)), after);
    nobody_else_is_in(flash, after);
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
    assert_eq!(content(&store).len(), SUBJECTS);
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
    assert_eq!((content(&other).len(), other.stale_count()), (0, 3));
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
    assert_eq!((content(&back).len(), back.stale_count()), (3, 1));
    let mut other = open_as(&mut flash, 2).unwrap();
    other.remove_stale().unwrap();
    assert_eq!((content(&other).len(), other.stale_count()), (1, 0));
    for name in ["emma", "fanny", "grete", "hanna"] {
        other.put(template_of(2, name, 1)).unwrap();
    }
    let other = open_as(&mut flash, 2).unwrap();
    assert_eq!((content(&other).len(), other.stale_count()), (5, 0));
    assert!(!flash.contains(&bytes_of("berta", 0)));
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
    assert_eq!(content(&open(&mut flash)).len(), 0);
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
