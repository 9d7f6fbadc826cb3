//! How near to the threshold a subject is accepted: telemetry that advises to enrol anew.
//!
//! Faces age, hands learn, lenses get dusty. Templates are never adapted to that by
//! themselves: whoever is accepted by mistake would pull them over. What is kept instead is
//! how near to the threshold the subject was accepted of late. When that has moved far from
//! what the samples showed at enrolment, a person is advised to enrol the subject anew.
//!
//! It changes no decision. Only accepted verifications count, so somebody who is accepted
//! by mistake can move the figure, to a false advice or away from one, and nothing else.
//!
//! Distances are shares of the threshold they were compared with, in 1/256. The record is
//! whole numbers only and changes by whole steps, so that a store in flash is written
//! seldom: it forgets no more than half a [`WINDOW`]th of the threshold.

use serde::{Deserialize, Serialize};

use crate::decision::Verification;

/// About so many accepted verifications are remembered; no advice is given on fewer.
pub const WINDOW: u8 = 16;

/// Bytes of an encoded record.
pub const ENCODED_LEN: usize = 4;

/// The version of the record.
const VERSION: u8 = 1;

/// Where a subject's samples lie whose enrolment cannot tell, having one: half-way.
const UNKNOWN: u8 = 128;

/// What is remembered of one subject.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drift {
    /// The mean distance of each sample of the enrolment to the others; 0 of a single one.
    enrolled: u8,
    /// Accepted verifications since, at most [`WINDOW`].
    count: u8,
    /// The mean of their distances, exponentially weighted.
    mean: u8,
}

/// The advice to enrol a subject anew; both figures are shares of the threshold, in 1/256.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reenrol {
    /// The mean distance at enrolment, or what is taken for it.
    pub enrolled: u8,
    /// The mean distance of late.
    pub mean: u8,
}

impl Drift {
    /// Nothing yet, of an enrolment whose samples lie at `self_distances` from each other,
    /// where `threshold` would accept them.
    pub fn new(self_distances: impl Iterator<Item = f32>, threshold: f32) -> Self {
        let (mut sum, mut count) = (0u32, 0u32);
        for distance in self_distances {
            sum += u32::from(share(distance, threshold));
            count += 1;
        }
        Self {
            enrolled: (sum / count.max(1)).min(u8::MAX.into()) as u8,
            count: 0,
            mean: 0,
        }
    }

    /// Takes a verification into account, if it accepted; whether anything changed that is
    /// worth keeping. Of a threshold that is not above 0 there is no share, and nothing is
    /// counted.
    ///
    /// The mean of the first [`WINDOW`] distances, then one in which each later distance
    /// weighs a [`WINDOW`]th (Roberts, "Control chart tests based on geometric moving
    /// averages", Technometrics 1, 1959), rounded to the nearest step.
    pub fn note(&mut self, verification: &Verification) -> bool {
        if !verification.accepted() || verification.threshold <= 0.0 {
            return false;
        }
        let before = *self;
        self.count = self.count.saturating_add(1).min(WINDOW);
        let found = i32::from(share(verification.distance, verification.threshold));
        let (mean, weight) = (i32::from(self.mean), i32::from(self.count.max(1)));
        let away = found - mean;
        let step = (away.abs() + weight / 2) / weight * away.signum();
        self.mean = (mean + step).clamp(0, u8::MAX.into()) as u8;
        *self != before
    }

    /// Accepted verifications since the enrolment, at most [`WINDOW`].
    pub fn count(&self) -> u8 {
        self.count
    }

    /// The mean distance of those, a share of the threshold in 1/256; `None` before the first.
    pub fn mean(&self) -> Option<u8> {
        (self.count > 0).then_some(self.mean)
    }

    /// The mean distance at enrolment, a share of the threshold in 1/256; `None` where it had
    /// one sample.
    pub fn enrolled(&self) -> Option<u8> {
        (self.enrolled > 0).then_some(self.enrolled)
    }

    /// Whether to enrol anew: when the subject is, on average of a whole [`WINDOW`], nearer
    /// to the threshold than to where it was at enrolment.
    pub fn advice(&self) -> Option<Reenrol> {
        let enrolled = self.enrolled().unwrap_or(UNKNOWN);
        let is_near = u8::MAX - self.mean < self.mean.saturating_sub(enrolled);
        (self.count >= WINDOW && is_near).then_some(Reenrol {
            enrolled,
            mean: self.mean,
        })
    }

    /// The record's bytes.
    pub fn encode(&self) -> [u8; ENCODED_LEN] {
        [VERSION, self.enrolled, self.count, self.mean]
    }

    /// Reads a record; `None` for one of another version or out of range, which is begun anew.
    ///
    /// ```
    /// use shared::decision::Verification;
    /// use shared::drift::Drift;
    ///
    /// let mut drift = Drift::new([0.2, 0.3].into_iter(), 1.0);
    /// assert!(drift.note(&Verification { distance: 0.5, threshold: 1.0 }));
    /// assert!(!drift.note(&Verification { distance: 1.5, threshold: 1.0 }));
    /// assert_eq!((drift.count(), drift.mean()), (1, Some(128)));
    /// assert_eq!(Drift::decode(drift.encode()), Some(drift));
    /// ```
    pub fn decode(bytes: [u8; ENCODED_LEN]) -> Option<Self> {
        let [version, enrolled, count, mean] = bytes;
        let is_known = version == VERSION && count <= WINDOW && (count > 0 || mean == 0);
        is_known.then_some(Self {
            enrolled,
            count,
            mean,
        })
    }
}

/// `distance / threshold` in 1/256, rounded down, at most 255; 0 of what is no number.
fn share(distance: f32, threshold: f32) -> u8 {
    // Relative distances, and their thresholds, may be negative: there is no share of those.
    if threshold > 0.0 {
        // The cast saturates.
        (distance / threshold * 256.0) as u8
    } else {
        0
    }
}
