//! What is on the page of a task: figures at each number of references, and masks of a few queries.

use anyhow::Result;

use crate::report::overlay;
use crate::segmentation::engine::Opened;
use crate::segmentation::evaluate::{Options, Report, Seen, TooFew, evaluate};
use crate::segmentation::samples::Samples;

/// Numbers of references.
const SHOTS: [usize; 3] = [1, 5, 16];

/// That whose masks are shown, where a task has so many.
pub(super) const SHOWN: usize = 5;

/// Random draws of references, and queries of each.
pub(super) const DRAWS: (usize, usize) = (10, 8);

/// What was found of a task.
#[derive(Clone, Debug)]
pub struct Judged {
    /// Whether other subjects of it were learnt from.
    pub is_learnt: bool,
    /// At each number of references, ascending.
    pub reports: Vec<Report>,
    /// Of each structure its name and queries that were found best, as usual, and worst.
    pub examples: Vec<(String, Vec<Example>)>,
}

/// A query and what was found on it.
#[derive(Clone, Debug)]
pub struct Example {
    /// `best`, `median` or `worst`.
    pub rank: &'static str,
    /// Whose picture it is.
    pub subject: String,
    /// Dice coefficient.
    pub dice: f64,
    /// The picture with the outline of what is there.
    pub wanted: String,
    /// The same, and what was found.
    pub found: String,
}

/// A query that was segmented.
struct Segmented {
    structure: usize,
    picture: usize,
    dice: f64,
    found: Vec<u8>,
}

/// Judges a task at all numbers of references that it has pictures for; only with `thumbnails`
/// there are examples.
///
/// # Errors
/// When not even one reference leaves queries, or the engine fails.
pub fn judge(
    network: &mut Opened<'_>,
    samples: &Samples,
    is_learnt: bool,
    thumbnails: bool,
) -> Result<Judged> {
    let (draws, queries) = DRAWS;
    let (mut reports, mut segmented) = (vec![], vec![]);
    for shots in SHOTS {
        let options = Options {
            shots,
            draws,
            queries,
            seed: 1,
        };
        let is_shown = thumbnails && shots <= SHOWN;
        let mut now = vec![];
        let report = evaluate(network, samples, &options, &mut |event| {
            if let (Seen::Query(query), true) = (event, is_shown) {
                now.push(Segmented {
                    structure: query.structure,
                    picture: query.picture,
                    dice: query.dice,
                    found: query.found.to_vec(),
                });
            }
        });
        match report {
            Ok(report) => reports.push(report),
            // There are figures of fewer.
            Err(error) if error.is::<TooFew>() && !reports.is_empty() => break,
            Err(error) => return Err(error),
        }
        if is_shown {
            segmented = now;
        }
    }
    Ok(Judged {
        is_learnt,
        reports,
        examples: examples(samples, &segmented)?,
    })
}

/// Of each structure the queries that were found best, as usual, and worst.
fn examples(samples: &Samples, segmented: &[Segmented]) -> Result<Vec<(String, Vec<Example>)>> {
    let mut examples = vec![];
    for (index, structure) in samples.structures.iter().enumerate() {
        let of = segmented.iter().filter(|query| query.structure == index);
        let mut own: Vec<&Segmented> = of.collect();
        own.sort_by(|a, b| b.dice.total_cmp(&a.dice));
        let (Some(best), Some(worst)) = (own.first(), own.last()) else {
            continue;
        };
        let ranks = [
            ("best", *best),
            ("median", own[own.len() / 2]),
            ("worst", *worst),
        ];
        let example = |(rank, query): (&'static str, &Segmented)| {
            let picture = samples.picture(query.picture);
            let wanted = samples.mask(query.picture, index);
            Ok(Example {
                rank,
                subject: samples.subjects[query.picture].clone(),
                dice: query.dice,
                wanted: overlay::data_address(picture, &wanted, None)?,
                found: overlay::data_address(picture, &wanted, Some(&query.found))?,
            })
        };
        let shown: Result<_> = ranks.into_iter().map(example).collect();
        examples.push((structure.name.clone(), shown?));
    }
    Ok(examples)
}
