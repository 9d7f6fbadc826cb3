//! Ways to make one distance of several samples, compared.

use shared::support_set::{Comparison, Fusion};

use super::Embedded;
use super::cohort::Measure;
use super::metrics::equal_error_rate;
use super::trials::{Impostors, Trials};

/// All of them.
pub const ALL: [Fusion; 4] = [
    Fusion::Prototype,
    Fusion::Nearest,
    Fusion::Mean,
    Fusion::Relative,
];

/// Samples that a class is enrolled with where ways are compared.
const SHOTS: usize = 5;

/// What tells skilled forgeries apart best, by equal error rate; the first of equals, and
/// prototypes where there are none or too few samples.
///
/// Against samples of other classes the ways differ little, and to tell who somebody is takes
/// distances that are alike for all.
pub fn best(embedded: &Embedded, measure: &Measure) -> Fusion {
    let error = |fusion| {
        let comparison = Comparison {
            fusion,
            ..measure.comparison
        };
        let trials = Trials::new(embedded, measure.with(comparison), SHOTS).ok()?;
        let forgeries = trials.impostors(Impostors::Skilled);
        let genuine = trials.genuine();
        (!forgeries.is_empty()).then(|| equal_error_rate(&genuine, &forgeries))
    };
    let errors = ALL.map(|fusion| (error(fusion), fusion));
    let known = errors
        .into_iter()
        .filter_map(|(e, fusion)| Some((e?, fusion)));
    let best = known.min_by(|(a, _), (b, _)| a.total_cmp(b));
    best.map_or(Fusion::Prototype, |(_, fusion)| fusion)
}
