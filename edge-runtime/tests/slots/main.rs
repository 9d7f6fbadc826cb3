//! A model takes another's place, or it does not; there is always a whole one.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    dead_code,
    reason = "a test may panic, and shares its flash with another"
)]

#[path = "../flash_store/flash.rs"]
mod flash;
mod model;
mod signed;

use core::ops::Range;

use edge_runtime::limits::{Limits, TooLarge};
use edge_runtime::slots::{MappedFlash, SlotError, Slots, Trust};
use shared::ModelId;
use shared::artifact::{Artifact, ArtifactError};

use flash::{Flash, Tear};
use model::{ARENA, model, wrong_model};

const PAGE: usize = 256;
const REGION: Range<u32> = 0..8 * PAGE as u32;

const LIMITS: Limits = Limits {
    slot: REGION.end as usize,
    arena: ARENA,
    dim: 4,
    shots: 1,
    subjects: 1,
};

impl MappedFlash for Flash {
    fn bytes(&self) -> &[u8] {
        &self.bytes[..REGION.end as usize]
    }
}

/// Two slots, and whom they trust, that are kept between starts.
#[derive(Clone)]
struct Board {
    flash: [Flash; 2],
    trust: Trust,
}

impl Board {
    fn blank() -> Self {
        Self::trusting(Trust::default())
    }

    fn trusting(trust: Trust) -> Self {
        let flash = [Flash::blank(), Flash::blank()];
        Self { flash, trust }
    }

    fn slots(&mut self) -> Slots<&mut Flash> {
        let [first, second] = &mut self.flash;
        let mut slots = Slots::new(first, second);
        slots.trust(self.trust);
        slots
    }

    /// The model that a start finds.
    fn in_use(&mut self) -> Option<ModelId> {
        let mut slots = self.slots();
        slots.split(&LIMITS).0.map(|artifact| artifact.model_id())
    }

    fn send(&mut self, artifact: &[u8]) -> Result<Option<u32>, SlotError> {
        let mut slots = self.slots();
        let (_, mut incoming) = slots.split(&LIMITS);
        incoming.begin(artifact.len() as u32)?;
        for (index, chunk) in artifact.chunks(96).enumerate() {
            incoming.put(96 * index as u32, chunk)?;
        }
        let received = incoming.received()?;
        slots.commit(received, &LIMITS, &mut [0; ARENA])
    }

    /// Its power fails after so many operations on either slot.
    fn with_power(&self, power: usize, tear: Tear) -> Self {
        let mut weak = self.clone();
        for flash in &mut weak.flash {
            flash.power = Some(power);
            flash.tear = tear;
        }
        weak
    }

    fn mended(mut self) -> Self {
        for flash in &mut self.flash {
            flash.power = None;
        }
        self
    }
}

fn id(artifact: &[u8]) -> ModelId {
    Artifact::parse(artifact).unwrap().model_id()
}

#[test]
fn the_latest_model_is_in_use() {
    let mut board = Board::blank();
    assert_eq!(board.in_use(), None);
    // The last page of a slot has the end of the artifact, and the trailer.
    let len = model(1).len();
    assert!(
        (REGION.end as usize - PAGE..=LIMITS.model()).contains(&len),
        "{len}"
    );
    for seed in 1..6 {
        let artifact = model(seed);
        board.send(&artifact).unwrap();
        assert_eq!(board.in_use(), Some(id(&artifact)), "{seed}");
    }
}

/// At every word written and every page erased: the model before, or the new one, and the
/// new one whenever that was acknowledged; and afterwards another can come.
#[test]
fn whenever_power_fails_there_is_a_whole_model() {
    let artifacts = [model(1), model(2), model(3), model(4)];
    let mut board = Board::blank();
    let mut before = None;
    let mut cuts = 0;
    for artifact in &artifacts {
        let new = Some(id(artifact));
        for tear in [Tear::Front, Tear::Back, Tear::Bits] {
            for power in 0.. {
                let mut weak = board.with_power(power, tear);
                let sent = weak.send(artifact);
                let mut after = weak.mended();
                let found = after.in_use();
                if sent.is_ok() {
                    assert_eq!(found, new);
                    break;
                }
                assert_eq!(sent, Err(SlotError::Flash));
                assert!(found == before || found == new, "{power}");
                cuts += 1;
                // A host sends it again.
                after.send(artifact).unwrap();
                assert_eq!(after.in_use(), new);
            }
        }
        board.send(artifact).unwrap();
        before = new;
    }
    println!("power failed {cuts} times");
    assert!(cuts > 1000, "{cuts}");
}

/// The slot in use is neither erased nor written while another model comes.
#[test]
fn the_model_in_use_is_not_touched() {
    let mut board = Board::blank();
    board.send(&model(1)).unwrap();
    board.send(&model(2)).unwrap();
    let second = board.flash[1].bytes.clone();
    board.flash[1].power = Some(0);
    board.send(&model(3)).unwrap();
    assert_eq!(board.flash[1].bytes, second);
}

#[test]
fn what_is_no_model_for_this_board_is_refused_by_name() {
    let mut board = Board::blank();
    let first = model(1);
    board.send(&first).unwrap();
    let mut refused = |artifact: &[u8]| {
        let error = board.send(artifact).unwrap_err();
        assert_eq!(board.in_use(), Some(id(&first)), "{error}");
        error
    };
    let good = model(2);
    let mut other_version = good.clone();
    other_version[8] += 9;
    assert!(matches!(
        refused(&other_version),
        SlotError::Artifact(ArtifactError::Version { .. })
    ));
    for length in 0..good.len() {
        let error = refused(&good[..length]);
        assert!(matches!(error, SlotError::Artifact(_)), "{length}: {error}");
    }
    for bit in 0..8 * good.len() {
        let mut flipped = good.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let error = refused(&flipped);
        assert!(matches!(error, SlotError::Artifact(_)), "{bit}: {error}");
    }
    assert_eq!(
        refused(&wrong_model(2)),
        SlotError::Golden {
            passed: 0,
            total: 1
        }
    );
    let room = LIMITS.model();
    let long = vec![0; room + 1];
    assert_eq!(
        refused(&long),
        SlotError::TooLarge(TooLarge {
            what: "flash for the model",
            needed: room + 1,
            room,
        })
    );
    assert_eq!(
        refused(&vec![0; room]),
        SlotError::Artifact(ArtifactError::Magic)
    );
    board.send(&good).unwrap();
    assert_eq!(board.in_use(), Some(id(&good)));
}

/// A model that needs more memory than the board has.
#[test]
fn a_model_for_a_larger_board_is_refused() {
    let mut board = Board::blank();
    let artifact = model(1);
    let small = Limits {
        arena: ARENA - 1,
        ..LIMITS
    };
    let mut slots = board.slots();
    let (_, mut incoming) = slots.split(&small);
    incoming.begin(artifact.len() as u32).unwrap();
    incoming.put(0, &artifact).unwrap();
    let received = incoming.received().unwrap();
    let refused = slots.commit(received, &small, &mut [0; ARENA - 1]);
    assert_eq!(
        refused,
        Err(SlotError::TooLarge(TooLarge {
            what: "memory for activations",
            needed: ARENA,
            room: ARENA - 1,
        }))
    );
    // One that is there all the same is not run.
    board.send(&artifact).unwrap();
    assert!(board.slots().split(&small).0.is_none());
}

#[test]
fn parts_come_in_order() {
    let mut board = Board::blank();
    let artifact = model(1);
    let mut slots = board.slots();
    let (_, mut incoming) = slots.split(&LIMITS);
    assert_eq!(incoming.put(0, &artifact[..32]), Err(SlotError::Chunk));
    assert_eq!(incoming.received(), Err(SlotError::Chunk));
    incoming.begin(artifact.len() as u32).unwrap();
    assert_eq!(incoming.put(32, &artifact[32..64]), Err(SlotError::Chunk));
    assert_eq!(incoming.put(0, &artifact[..31]), Err(SlotError::Chunk));
    assert_eq!(incoming.put(0, &[0; 4096]), Err(SlotError::Chunk));
    assert_eq!(incoming.put(u32::MAX, &[0; 32]), Err(SlotError::Chunk));
    incoming.put(0, &artifact[..64]).unwrap();
    // One that came before may come again, but not with more.
    incoming.put(0, &artifact[..64]).unwrap();
    incoming.put(32, &artifact[32..64]).unwrap();
    assert_eq!(incoming.put(32, &artifact[32..96]), Err(SlotError::Chunk));
    assert_eq!(incoming.received(), Err(SlotError::Chunk));
    incoming.put(64, &artifact[64..]).unwrap();
    let received = incoming.received().unwrap();
    slots.commit(received, &LIMITS, &mut [0; ARENA]).unwrap();
    assert_eq!(board.in_use(), Some(id(&artifact)));
}

/// A flash that reports one failure, whether it did what was asked or not.
#[test]
fn a_flash_that_fails_once_leaves_a_whole_model() {
    let (first, second) = (model(1), model(2));
    let mut board = Board::blank();
    board.send(&first).unwrap();
    let mut failures = 0;
    for is_done in [false, true] {
        for operation in 0.. {
            let mut weak = board.clone();
            weak.flash[1].hiccup = Some((operation, is_done));
            let sent = weak.send(&second);
            if weak.flash[1].hiccup.is_some() {
                assert_eq!(sent, Ok(None));
                break;
            }
            failures += 1;
            // What a start finds is what was said.
            let found = weak.in_use();
            match sent {
                Ok(_) => assert!(is_done && found == Some(id(&second)), "{operation}"),
                Err(error) => {
                    assert_eq!(error, SlotError::Flash, "{operation}");
                    assert_eq!(found, Some(id(&first)), "{operation}");
                }
            }
            weak.send(&second).unwrap();
            assert_eq!(weak.in_use(), Some(id(&second)));
        }
    }
    assert!(failures > 20, "{failures}");
}
