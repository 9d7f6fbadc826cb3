//! From distances to answers.
//!
//! Distances are as the model measures them ([`Measure`](crate::cohort::Measure)): in deviations,
//! where its artifact has a cohort. Then, and where they are relative to the shots' own, they
//! may be negative.

use crate::support_set::Candidate;
use crate::template::SubjectId;

/// Where the line is drawn, in units of the model's distance. Taken from an
/// operating point of the artifact, never from a constant.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Policy {
    /// The largest distance that still counts as the same subject.
    pub threshold: f32,
    /// How much farther the runner-up must be for an identification.
    pub margin: f32,
}

/// The answer to "is this the claimed subject?".
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Verification {
    /// Distance of the probe to the claimed subject.
    pub distance: f32,
    /// The threshold it was compared with.
    pub threshold: f32,
}

impl Verification {
    /// Accepts when the distance is at most the threshold. Not a number is never accepted.
    pub fn accepted(&self) -> bool {
        self.distance <= self.threshold
    }
}

/// The answer to "who is this?".
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Identification<'a> {
    /// One enrolled subject is near enough and clearly nearer than any other.
    Match {
        /// Who.
        subject: &'a SubjectId,
        /// How far, in units of the model's distance.
        distance: f32,
        /// How much farther the runner-up is; infinite without one.
        margin: f32,
    },
    /// Nobody enrolled, for the stated reason.
    Unknown(Unknown<'a>),
}

/// Why nobody was identified.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Unknown<'a> {
    /// The support set is empty.
    NobodyEnrolled,
    /// The nearest subject is farther than the threshold.
    TooFar {
        /// The nearest subject.
        nearest: &'a SubjectId,
        /// How far, in units of the model's distance.
        distance: f32,
    },
    /// Two subjects are about equally near.
    Ambiguous {
        /// The nearest subject.
        nearest: &'a SubjectId,
        /// The second nearest.
        runner_up: &'a SubjectId,
        /// How far the nearest is, in units of the model's distance.
        distance: f32,
        /// How much farther the second is.
        margin: f32,
    },
}

/// The probability that a probe is of one class among several, by a cosine classifier:
/// the softmax of `scale` times the cosines (Gidaris and Komodakis, "Dynamic few-shot
/// visual learning without forgetting", 2018, equation 6). `own` is the class's cosine,
/// `all` those of all classes, it included.
///
/// It takes for granted that the probe is of one of the classes: whether it is, a
/// threshold decides.
pub fn probability(own: f32, all: impl Iterator<Item = f32>, scale: f32) -> f32 {
    let sum: f32 = all.map(|other| libm::expf(scale * (other - own))).sum();
    1.0 / sum.max(1.0)
}

/// Decides among candidates, each with the policy that `policy` finds for its
/// number of shots. Every candidate is looked at, whatever the outcome.
pub fn identify<'a>(
    candidates: impl Iterator<Item = Candidate<'a>>,
    policy: impl Fn(usize) -> Policy,
) -> Identification<'a> {
    let mut nearest: Option<Candidate<'a>> = None;
    let mut runner_up: Option<Candidate<'a>> = None;
    for candidate in candidates {
        let is_nearer = |other: &Option<Candidate<'a>>| {
            other.is_none_or(|other| candidate.distance < other.distance)
        };
        if is_nearer(&nearest) {
            runner_up = nearest.replace(candidate);
        } else if is_nearer(&runner_up) {
            runner_up = Some(candidate);
        }
    }
    let Some(nearest) = nearest else {
        return Identification::Unknown(Unknown::NobodyEnrolled);
    };
    let Policy { threshold, margin } = policy(nearest.shots);
    let is_near = nearest.distance <= threshold;
    if !is_near {
        return Identification::Unknown(Unknown::TooFar {
            nearest: nearest.subject,
            distance: nearest.distance,
        });
    }
    match runner_up {
        // Equally near is ambiguous with any margin.
        Some(second)
            if second.distance - nearest.distance < margin
                || second.distance <= nearest.distance =>
        {
            Identification::Unknown(Unknown::Ambiguous {
                nearest: nearest.subject,
                runner_up: second.subject,
                distance: nearest.distance,
                margin: second.distance - nearest.distance,
            })
        }
        second => Identification::Match {
            subject: nearest.subject,
            distance: nearest.distance,
            margin: second.map_or(f32::INFINITY, |s| s.distance - nearest.distance),
        },
    }
}
