//! Thresholds with the error rates that were measured for them.

use serde::{Deserialize, Serialize};

use super::ArtifactError;
use crate::decision::Policy;

/// The false-accept rate that programs aim at when nobody says another.
pub const USUAL_FAR_TARGET: f32 = 0.03;

/// One threshold and what was measured with it, after quantization, on classes
/// that training never saw. Rates are fractions.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct OperatingPoint {
    /// The false-accept rate that was aimed at.
    pub far_target: f32,
    /// Shots per subject in the measurement.
    pub shots: u8,
    /// The largest distance that is accepted.
    pub threshold: f32,
    /// How much farther the runner-up must be for an identification.
    pub margin: f32,
    /// Measured false-accept rate.
    pub far: f32,
    /// Upper end of its 95 % confidence interval.
    pub far_upper: f32,
    /// Measured false-reject rate.
    pub frr: f32,
    /// Upper end of its 95 % confidence interval.
    pub frr_upper: f32,
    /// Number of impostor comparisons.
    pub impostors: u32,
    /// Number of genuine comparisons.
    pub genuine: u32,
}

/// All operating points of a model.
#[derive(Clone, Copy, Debug)]
pub struct OperatingPoints<'a> {
    data: &'a str,
    count: u16,
    points: &'a [u8],
}

impl<'a> OperatingPoints<'a> {
    /// Reads and checks the section: a string, a count (u16) and the points, in postcard.
    ///
    /// # Errors
    /// [`ArtifactError::Encoding`] when it does not decode, has no point, or a
    /// threshold or rate is out of range.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ArtifactError> {
        let this = Self::parse_any(bytes)?;
        match this.count {
            0 => Err(ArtifactError::Encoding("operating points")),
            _ => Ok(this),
        }
    }

    /// The same, of a network that makes no decisions and may have no point.
    ///
    /// # Errors
    /// As [`parse`](Self::parse), but for points that are missing.
    pub fn parse_any(bytes: &'a [u8]) -> Result<Self, ArtifactError> {
        let error = ArtifactError::Encoding("operating points");
        let ((data, count), points) =
            postcard::take_from_bytes::<(&str, u16)>(bytes).map_err(|_| error)?;
        let this = Self {
            data,
            count,
            points,
        };
        let mut rest = points;
        for _ in 0..count {
            let (point, after) =
                postcard::take_from_bytes::<OperatingPoint>(rest).map_err(|_| error)?;
            let rates = [
                point.far_target,
                point.far,
                point.far_upper,
                point.frr,
                point.frr_upper,
            ];
            let sane = rates.iter().all(|rate| (0.0..=1.0).contains(rate))
                && point.threshold.is_finite()
                && point.margin >= 0.0;
            if !sane {
                return Err(error);
            }
            rest = after;
        }
        if !rest.is_empty() {
            return Err(error);
        }
        Ok(this)
    }

    /// The data they were measured on.
    pub fn data(&self) -> &'a str {
        self.data
    }

    /// The points, in stored order.
    pub fn iter(&self) -> impl Iterator<Item = OperatingPoint> + 'a {
        let mut rest = self.points;
        core::iter::from_fn(move || {
            let (point, after) = postcard::take_from_bytes(rest).ok()?;
            rest = after;
            Some(point)
        })
        .take(usize::from(self.count))
    }

    /// The strictest false-accept rate that was aimed at.
    pub fn strictest_target(&self) -> f32 {
        let targets = self.iter().map(|point| point.far_target);
        targets.fold(1.0, f32::min)
    }

    /// The rate to aim at when nobody says another: [`USUAL_FAR_TARGET`], or the
    /// strictest where the data could not bound one so low.
    pub fn usual_target(&self) -> f32 {
        self.strictest_target().max(USUAL_FAR_TARGET)
    }

    /// The point to decide with: of the targets at or below `far_target` the largest,
    /// measured with the largest number of shots that is at most `shots` (or the
    /// smallest measured). None when every target is above it: what was not measured is
    /// not promised.
    pub fn choose(&self, far_target: f32, shots: usize) -> Option<OperatingPoint> {
        // The most of those that are not more than there are, else the fewest.
        let rank = |point: &OperatingPoint| match usize::from(point.shots) <= shots {
            true => i16::from(point.shots),
            false => -i16::from(point.shots),
        };
        // One pass, in as little code as boards can have.
        let mut best: Option<OperatingPoint> = None;
        for point in self.iter() {
            let is_better = best.as_ref().is_none_or(|best| {
                point.far_target > best.far_target
                    || point.far_target == best.far_target && rank(&point) > rank(best)
            });
            if point.far_target <= far_target && is_better {
                best = Some(point);
            }
        }
        best
    }
}

impl OperatingPoint {
    /// The policy of this point.
    pub fn policy(&self) -> Policy {
        Policy {
            threshold: self.threshold,
            margin: self.margin,
        }
    }
}
