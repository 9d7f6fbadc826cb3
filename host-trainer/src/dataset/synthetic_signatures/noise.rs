//! Seeded random numbers that are the same on every machine.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// What a random stream is for. Streams of different purposes are independent,
/// so that drawing more numbers for one leaves the others as they were.
#[derive(Clone, Copy, Debug)]
pub(super) enum Purpose {
    /// A signer's motor program. Key: signer.
    Signer = 1,
    /// How a signer writes on one day. Key: signer, session.
    Session = 2,
    /// One genuine signature. Key: signer, sample.
    Genuine = 3,
    /// A forger's hand. Key: forger.
    Forger = 4,
    /// How a forger reads a signer's ink. Key: signer, forger.
    Reading = 5,
    /// One forgery. Key: signer, forger, sample.
    Forgery = 6,
    /// Texture of a sheet of paper. Key: the sheet.
    Paper = 7,
}

/// A stream of random numbers.
///
/// Built from [`libm`] and IEEE arithmetic alone: the distributions of the standard
/// library's and of most crates' mathematics differ in last bits across platforms.
pub(super) struct Noise(ChaCha8Rng);

impl Noise {
    /// The stream of `seed` for `purpose`, told apart by `key` (unused places 0).
    pub(super) fn new(seed: u64, purpose: Purpose, key: [u32; 3]) -> Self {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        bytes[8..12].copy_from_slice(&(purpose as u32).to_le_bytes());
        let places = bytes[12..24].as_chunks_mut().0;
        for (place, word) in places.iter_mut().zip(key) {
            *place = word.to_le_bytes();
        }
        Self(ChaCha8Rng::from_seed(bytes))
    }

    /// Uniform in `0.0..1.0`.
    pub(super) fn uniform(&mut self) -> f32 {
        self.0.random()
    }

    /// Uniform in `low..high`.
    pub(super) fn range(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.uniform()
    }

    /// Gaussian of mean 0, by the Box-Muller transform, cut off at three deviations:
    /// nobody's hand is off by more.
    pub(super) fn normal(&mut self, deviation: f32) -> f32 {
        let radius = libm::sqrtf(-2.0 * libm::logf(1.0 - self.uniform()));
        let angle = core::f32::consts::TAU * self.uniform();
        deviation * (radius * libm::cosf(angle)).clamp(-3.0, 3.0)
    }

    /// A factor around 1 whose logarithm is Gaussian.
    pub(super) fn factor(&mut self, deviation: f32) -> f32 {
        libm::expf(self.normal(deviation))
    }

    /// True with this probability.
    pub(super) fn chance(&mut self, probability: f32) -> bool {
        self.uniform() < probability
    }

    /// Uniform in `0..end`.
    pub(super) fn below(&mut self, end: u32) -> u32 {
        self.0.random_range(0..end)
    }

    /// One of `choices`, which is not empty.
    pub(super) fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u32) as usize]
    }

    /// Uniform bytes.
    pub(super) fn bytes(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        self.0.fill(&mut bytes[..]);
        bytes
    }
}

/// A first-order autoregressive walk: errors of a hand that stay for a while.
pub(super) struct Drift {
    value: f32,
    deviation: f32,
    memory: f32,
}

impl Drift {
    /// Starts a stationary walk of this standard deviation; `memory` in `0.0..1.0` is
    /// the correlation of neighbouring values.
    pub(super) fn new(deviation: f32, memory: f32, noise: &mut Noise) -> Self {
        Self {
            value: noise.normal(deviation),
            deviation,
            memory,
        }
    }

    /// The next value.
    pub(super) fn next(&mut self, noise: &mut Noise) -> f32 {
        let fresh = libm::sqrtf(1.0 - self.memory * self.memory) * self.deviation;
        self.value = self.memory * self.value + noise.normal(fresh);
        self.value
    }
}
