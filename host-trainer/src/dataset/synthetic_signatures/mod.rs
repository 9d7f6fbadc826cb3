//! `synthetic-signatures`: people who do not exist, their signatures, and forgeries.
//!
//! A machine without any data can learn from it: an endless population of signers, each
//! with as many genuine signatures and skilled forgeries as wanted, as pictures and as pen
//! sequences. Nobody's biometrics are in it, nothing is downloaded, and the same seed gives
//! the same bytes on every machine.
//!
//! ```text
//! style, letters, flourish -> plan of virtual targets -+
//!                                                      +-> strokes -> pen sequence -> picture
//! hand: timing, errors, tremor, pressure --------------+
//! ```
//!
//! A signature is a movement, and a movement is a sum of strokes with lognormal speed: the
//! sigma-lognormal model (`kinematics.rs` states it). What a signer has learnt is a *plan*,
//! a list of virtual targets, and a *hand* that carries it out:
//!
//! - A **genuine** signature ([`Signer::genuine`]) is the signer's plan under errors of the
//!   day, the moment and the stroke, in the signer's hand.
//! - A **skilled forgery** ([`Signer::forgery`]) starts from the ink of a genuine signature.
//!   The forger cannot see the plan. He divides the ink into pieces of his own and follows
//!   them in his own hand: slower, with hesitation and tremor, wrong in proportions, and
//!   wrong in the same way every time. The trajectory is imitated, the motor program is not.
//! - A **random forgery** is the genuine signature of another signer.
//!
//! Pens, paper and the place on the sheet are the same for signers and forgers: only the
//! writing tells them apart. The construction follows M. A. Ferrer, M. Diaz-Cabrera and
//! A. Morales, "Static signature synthesis: a neuromotor inspired approach for biometrics",
//! IEEE Trans. PAMI 37, 2015, with forgers whose motor programs differ in kind.
//!
//! Rates measured on made data compare models with each other; they do not say how a
//! model will do on real signatures.
//!
//! ```no_run
//! use host_trainer::dataset::synthetic_signatures::{RenderOptions, Signer, render};
//!
//! let signer = Signer::new(1, 42);
//! let picture = render(&signer.genuine(0), &RenderOptions::default());
//! let forged = render(&signer.forgery(7, 0), &RenderOptions::default());
//! assert_eq!(picture.dimensions(), (256, 128));
//! assert_ne!(picture, forged);
//! ```

mod contact_sheet;
mod flourish;
mod forgery;
mod glyphs;
mod hand;
mod kinematics;
mod noise;
mod population;
mod render;
mod signer;
mod style;
#[cfg(test)]
mod tests;
mod variation;

pub use contact_sheet::contact_sheet;
pub use population::{FIRST_FREE_SIGNER, load, load_pens, preprocess};
pub use render::{RenderOptions, render};
pub use signer::Signer;
pub use variation::SAMPLES_PER_SESSION;

use noise::Noise;

/// Seconds between the points of a [`PenSequence`]: 100 Hz, as pen tablets sample.
pub const SAMPLE_INTERVAL: f32 = 0.01;

/// Where the pen is at one moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PenPoint {
    /// To the right, millimetres.
    pub x: f32,
    /// Upwards, millimetres.
    pub y: f32,
    /// 0 (off the paper) to 1.
    pub pressure: f32,
    /// Seconds since the first point.
    pub t: f32,
    /// Whether the pen writes.
    pub pen_down: bool,
}

/// What the writer has in hand.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pen {
    /// Width of a line at full pressure, millimetres.
    pub nib: f32,
    /// Share of the light that full ink takes away, 0..=1.
    pub darkness: f32,
}

impl Pen {
    /// Whichever pen lies at hand; signers and forgers have the same ones, since a
    /// pen says nothing about who holds it.
    fn pick(noise: &mut Noise) -> Self {
        Self {
            nib: noise.range(0.4, 0.7),
            darkness: noise.range(0.72, 0.95),
        }
    }
}

/// One signature as a tablet records it, and what it was written with.
#[derive(Clone, Debug, PartialEq)]
pub struct PenSequence {
    /// The points, [`SAMPLE_INTERVAL`] apart.
    pub points: Vec<PenPoint>,
    /// The pen.
    pub pen: Pen,
    /// Which sheet of paper: seeds its texture and the place of the signature on it.
    pub paper: u32,
}
