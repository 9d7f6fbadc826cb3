//! Signatures on a board, from pictures and from pens: who wrote them, and who imitated.

use std::fs;
use std::sync::Arc;

use edge_runtime::client::emulator::{Emulator, MACHINES};
use edge_runtime::client::{Client, Line};
use edge_runtime::recognizer::Sample;
use host_trainer::dataset::{Dataset, DatasetName, Kind, Part};
use shared::artifact::Artifact;
use shared::preprocess::pen::PenPoint;
use shared::template::SubjectId;
use shared::wire::{Request, Response, Verdict};
use tests::{data, root};

use crate::board::*;

/// Signatures that a writer is enrolled with.
const ENROLLED: usize = 5;

/// A signature as it is shown to a board.
enum Signature {
    Picture(Picture),
    Pen(Arc<[PenPoint]>),
}

impl Signature {
    fn sample(&self) -> Sample<'_> {
        match self {
            Self::Picture(picture) => Sample::Picture(picture.image()),
            Self::Pen(events) => events[..].into(),
        }
    }

    fn show(&self, client: &mut Client<impl Line>) {
        let refused = match self {
            Self::Picture(picture) => client.upload(&picture.image(), |_| ()),
            Self::Pen(events) => client.upload_pen(events, |_| ()),
        };
        assert_eq!(refused.unwrap(), None);
    }
}

/// Signatures of a writer whom nothing was trained on: genuine ones, and imitations.
fn of_writer(dataset: &Dataset, which: usize, most: usize) -> [Vec<Signature>; 2] {
    let classes = 0..u32::try_from(dataset.classes.len()).unwrap();
    let mut test = classes.filter(|class| dataset.split.part(*class) == Part::Test);
    let writer = test.nth(which).unwrap();
    [Kind::Genuine, Kind::Forged].map(|kind| {
        let samples = dataset.samples.iter();
        let own = samples.filter(|sample| sample.class == writer && sample.kind == kind);
        own.take(most)
            .map(|sample| match sample.points() {
                Ok(events) => Signature::Pen(events),
                Err(_) => {
                    let picture = sample.picture().unwrap();
                    Signature::Picture(Picture::reduced_to(&picture.image().unwrap(), 120))
                }
            })
            .collect()
    })
}

/// What the board says; `true` where it accepts.
fn answer(client: &mut Client<Emulator>, subject: &str, signature: &Signature) -> bool {
    signature.show(client);
    match client.ask(&Request::Verify { subject }).unwrap() {
        Response::Verified { verdict, .. } => verdict == Verdict::Accept,
        other => panic!("{subject}: {other:?}"),
    }
}

/// Enrols writers on a Cortex-M4F with a shipped model, and verifies genuine signatures and
/// skilled forgeries: what the board decides is what this machine decides.
fn verify_signatures(model: &str, dataset: &Dataset) {
    let Some(firmware) = firmware("signatures on a board") else {
        return;
    };
    let bytes = fs::read(root().join("models").join(model).join("model.bin")).unwrap();
    let artifact = Artifact::parse(&bytes).unwrap();
    let machine = MACHINES.iter().find(|m| m.board == "qemu-mps2-an386");
    let mut board = Board::with_model(&firmware, machine.unwrap(), &bytes);
    board.options.counts_instructions = true;
    let mut client = board.start();
    let mut here = local(&artifact);
    let mut accepted = [[0, 0]; 2];
    for (which, name) in ["ada", "bob"].into_iter().enumerate() {
        let [genuine, forged] = of_writer(dataset, which, ENROLLED + 3);
        let mut template = here.begin(SubjectId::new(name).unwrap(), 0).unwrap();
        for signature in &genuine[..ENROLLED] {
            signature.show(&mut client);
            let enrolled = client.ask(&Request::Enroll {
                subject: name,
                anew: false,
                anyway: true,
            });
            assert!(matches!(enrolled.unwrap(), Response::Enrolled { .. }));
            here.add_anyway(&mut template, signature.sample()).unwrap();
        }
        here.enroll_anyway(template).unwrap();
        let genuine = genuine[ENROLLED..].iter().map(|signature| (0, signature));
        let forged = forged.iter().take(3).map(|signature| (1, signature));
        for (kind, signature) in genuine.chain(forged) {
            let (expected, _) = here.verify(name, signature.sample()).unwrap();
            let found = answer(&mut client, name, signature);
            assert_eq!(found, expected.accepted(), "{model}: {name}");
            accepted[kind][0] += u32::from(found);
            accepted[kind][1] += 1;
        }
    }
    let measured = client.ask(&Request::Measure).unwrap();
    let Response::Measured {
        ticks,
        per_second,
        stack,
    } = measured
    else {
        panic!("{measured:?}");
    };
    // A nanosecond is an instruction.
    let instructions = ticks as f64 * 1e9 / f64::from(per_second);
    let [[genuine, all_genuine], [forged, all_forged]] = accepted;
    println!(
        "{model} on {}: accepts {genuine} of {all_genuine} genuine signatures and {forged} of {all_forged} skilled forgeries; \
         {instructions:.0} instructions an embedding, {} bytes of stack",
        board.machine.board, stack.0
    );
    // Of each kind, what is right is more than what is wrong.
    assert!(2 * genuine > all_genuine && 2 * forged < all_forged);
}

#[test]
fn a_board_verifies_pictures_of_signatures() {
    let dataset = DatasetName::SyntheticSignatures.load(None).unwrap();
    verify_signatures("signatures-synthetic", &dataset);
}

#[test]
fn a_board_verifies_what_pens_did() {
    let Some(folder) = data("signatures of a tablet on a board") else {
        return;
    };
    let dataset = DatasetName::Susig.load(Some(&folder)).unwrap();
    verify_signatures("pen", &dataset);
}
