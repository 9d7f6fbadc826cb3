//! How well structures are found after a few references: Dice coefficients over random draws of
//! the references.

use anyhow::Result;
use rand::SeedableRng;
use rand::seq::index;
use rand_chacha::ChaCha8Rng;
use serde::Serialize;
use std::collections::BTreeMap;

use super::baselines::{Baselines, Fitted};
use super::dice::{dice, iou};
use super::engine::{Opened, Reference, Segmenter};
use super::samples::Samples;
use crate::evaluate::interval::resampled;

/// Attempts to draw references that show the structure.
const ATTEMPTS: usize = 100;

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// References of a structure.
    pub shots: usize,
    /// Draws of the references.
    pub draws: usize,
    /// Queries of each draw, at most.
    pub queries: usize,
    /// Seed of the draws.
    pub seed: u64,
}

/// How well a task's structures are found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// `segmentation`.
    pub protocol: &'static str,
    /// `medseg`.
    pub dataset: &'static str,
    /// The task.
    pub task: String,
    /// What segmented.
    pub engine: &'static str,
    /// `float` or `int8`.
    pub precision: &'static str,
    /// References of a structure.
    pub shots: usize,
    /// Draws of the references.
    pub draws: usize,
    /// Pictures that were segmented.
    pub queries: usize,
    /// Seed of the draws.
    pub seed: u64,
    /// Mean Dice coefficient over structures.
    pub dice: f64,
    /// Mean intersection over union.
    pub iou: f64,
    /// 95 % interval of `dice` over draws of the references.
    pub ci95: [f64; 2],
    /// Each structure by itself.
    pub per_structure: BTreeMap<String, StructureReport>,
    /// Means over structures of what needs no network.
    pub baselines: Baselines,
}

/// How well a structure is found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StructureReport {
    /// Mean Dice coefficient.
    pub dice: f64,
    /// Mean intersection over union.
    pub iou: f64,
    /// 95 % interval of `dice` over draws of the references.
    pub ci95: [f64; 2],
    /// What needs no network.
    pub baselines: Baselines,
    /// The same of the pictures that show it; on others, whatever is found is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shown: Option<Shown>,
}

/// How well a structure is found on the pictures that show it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Shown {
    /// Their share of all queries.
    pub share: f64,
    /// Mean Dice coefficient.
    pub dice: f64,
    /// 95 % interval of `dice` over draws of the references.
    pub ci95: [f64; 2],
    /// What needs no network.
    pub baselines: Baselines,
}

/// What an evaluation does.
#[derive(Clone, Copy, Debug)]
pub enum Seen<'a> {
    /// A structure of that name is done.
    Structure(&'a str),
    /// A query was segmented.
    Query(Query<'a>),
}

/// A query that was segmented.
#[derive(Clone, Copy, Debug)]
pub struct Query<'a> {
    /// Index of the structure.
    pub structure: usize,
    /// Index of the picture.
    pub picture: usize,
    /// Dice coefficient of what was found.
    pub dice: f64,
    /// What was found, 0 and 1.
    pub found: &'a [u8],
}

/// A task has too few pictures that show a structure, or all are of the same subjects.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected {shots} references that show {structure}, and queries of others, among {pictures} pictures of {task}, found too few: lower --shots"
)]
pub struct TooFew {
    shots: usize,
    structure: String,
    pictures: usize,
    task: String,
}

/// What a draw of references came to.
#[derive(Clone, Copy, Debug)]
struct Drawn {
    /// On all queries.
    all: Means,
    /// On those that show the structure.
    shown: Means,
}

/// Means over the queries of a draw.
#[derive(Clone, Copy, Debug)]
struct Means {
    dice: f64,
    iou: f64,
    baselines: Baselines,
    queries: usize,
}

impl Means {
    fn of(judged: &[(f64, f64, Baselines)]) -> Self {
        let count = judged.len().max(1) as f64;
        let mean =
            |of: fn(&(f64, f64, Baselines)) -> f64| judged.iter().map(of).sum::<f64>() / count;
        Self {
            dice: mean(|query| query.0),
            iou: mean(|query| query.1),
            baselines: Baselines::mean(judged.iter().map(|query| &query.2)),
            queries: judged.len(),
        }
    }
}

/// Segments queries of other subjects than the references are of.
///
/// # Errors
/// When a structure is shown by too few subjects, or the engine fails.
pub fn evaluate(
    network: &mut Opened<'_>,
    samples: &Samples,
    options: &Options,
    see: &mut dyn FnMut(&Seen<'_>),
) -> Result<Report> {
    let mut all = vec![];
    for structure in 0..samples.structures.len() {
        // The same draws of references and queries for every structure that all show.
        let mut random = ChaCha8Rng::seed_from_u64(options.seed);
        let mut draws = vec![];
        for _ in 0..options.draws {
            let segmenter = network.segmenter.as_mut();
            draws.push(draw(
                segmenter,
                samples,
                structure,
                options,
                &mut random,
                see,
            )?);
        }
        see(&Seen::Structure(&samples.structures[structure].name));
        all.push(draws);
    }
    let structures = samples.structures.iter().zip(&all);
    let per_structure: BTreeMap<String, StructureReport> = structures
        .map(|(structure, draws)| (structure.name.clone(), structure_report(draws)))
        .collect();
    let count = per_structure.len().max(1) as f64;
    let mean =
        |of: fn(&StructureReport) -> f64| per_structure.values().map(of).sum::<f64>() / count;
    // Draws of one seed go together.
    let by_draw: Vec<f64> = (0..options.draws)
        .map(|draw| all.iter().map(|draws| draws[draw].all.dice).sum::<f64>() / count)
        .collect();
    Ok(Report {
        protocol: "segmentation",
        dataset: "medseg",
        task: samples.task.clone(),
        engine: network.engine,
        precision: network.precision,
        shots: options.shots,
        draws: options.draws,
        queries: all.iter().flatten().map(|draw| draw.all.queries).sum(),
        seed: options.seed,
        dice: mean(|report| report.dice),
        iou: mean(|report| report.iou),
        ci95: interval(&by_draw),
        baselines: Baselines::mean(per_structure.values().map(|report| &report.baselines)),
        per_structure,
    })
}

fn structure_report(draws: &[Drawn]) -> StructureReport {
    let all: Vec<Means> = draws.iter().map(|draw| draw.all).collect();
    let shown = draws.iter().map(|draw| draw.shown);
    let shown: Vec<Means> = shown.filter(|means| means.queries > 0).collect();
    let mean = |draws: &[Means], of: fn(&Means) -> f64| {
        draws.iter().map(of).sum::<f64>() / draws.len().max(1) as f64
    };
    let dices = |draws: &[Means]| draws.iter().map(|draw| draw.dice).collect::<Vec<f64>>();
    let baselines = |draws: &[Means]| Baselines::mean(draws.iter().map(|draw| &draw.baselines));
    let queries = |draws: &[Means]| draws.iter().map(|draw| draw.queries).sum::<usize>() as f64;
    StructureReport {
        dice: mean(&all, |draw| draw.dice),
        iou: mean(&all, |draw| draw.iou),
        ci95: interval(&dices(&all)),
        baselines: baselines(&all),
        shown: (!shown.is_empty()).then(|| Shown {
            share: queries(&shown) / queries(&all),
            dice: mean(&shown, |draw| draw.dice),
            ci95: interval(&dices(&shown)),
            baselines: baselines(&shown),
        }),
    }
}

/// The 95 % interval of a mean over draws.
fn interval(of_draws: &[f64]) -> [f64; 2] {
    resampled(of_draws.len(), |weights| {
        let sum: f64 = weights.iter().sum();
        let weighted = of_draws.iter().zip(weights);
        weighted.map(|(value, weight)| value * weight).sum::<f64>() / sum
    })
}

/// Draws references that show a structure, and queries of other subjects.
fn draw(
    segmenter: &mut dyn Segmenter,
    samples: &Samples,
    structure: usize,
    options: &Options,
    random: &mut ChaCha8Rng,
    see: &mut dyn FnMut(&Seen<'_>),
) -> Result<Drawn> {
    let name = &samples.structures[structure].name;
    for _ in 0..ATTEMPTS {
        if options.shots >= samples.len() {
            break;
        }
        let chosen = index::sample(random, samples.len(), options.shots).into_vec();
        let masks = chosen.iter().map(|&place| samples.mask(place, structure));
        let references: Vec<Reference<'_>> = chosen
            .iter()
            .map(|&place| samples.picture(place))
            .zip(masks)
            .collect();
        // As enrolment does, whose references all show the structure and something else.
        let shows = |(_, mask): &Reference<'_>| mask.contains(&1) && mask.contains(&0);
        if !references.iter().all(shows) {
            continue;
        }
        let subjects: Vec<&str> = chosen
            .iter()
            .map(|&p| samples.subjects[p].as_str())
            .collect();
        let is_other = |place: &usize| !subjects.contains(&samples.subjects[*place].as_str());
        let others: Vec<usize> = (0..samples.len()).filter(is_other).collect();
        if others.is_empty() {
            continue;
        }
        let count = options.queries.min(others.len());
        let queries = index::sample(random, others.len(), count);
        return judge(
            segmenter,
            samples,
            structure,
            &references,
            queries.iter().map(|place| others[place]),
            see,
        );
    }
    Err(TooFew {
        shots: options.shots,
        structure: name.clone(),
        pictures: samples.len(),
        task: samples.task.clone(),
    }
    .into())
}

fn judge(
    segmenter: &mut dyn Segmenter,
    samples: &Samples,
    structure: usize,
    references: &[Reference<'_>],
    queries: impl Iterator<Item = usize>,
    see: &mut dyn FnMut(&Seen<'_>),
) -> Result<Drawn> {
    segmenter.enroll(references)?;
    let fitted = Fitted::new(references);
    let (mut all, mut shown) = (vec![], vec![]);
    for query in queries {
        let (picture, wanted) = (samples.picture(query), samples.mask(query, structure));
        let found = segmenter.mask(picture)?;
        let own = dice(&found, &wanted);
        see(&Seen::Query(Query {
            structure,
            picture: query,
            dice: own,
            found: &found,
        }));
        let judged = (own, iou(&found, &wanted), fitted.judge(picture, &wanted));
        all.push(judged);
        if wanted.contains(&1) {
            shown.push(judged);
        }
    }
    Ok(Drawn {
        all: Means::of(&all),
        shown: Means::of(&shown),
    })
}
