//! What was found on the test part.

use anyhow::Result;
use shared::artifact::operating_point::USUAL_FAR_TARGET;

use crate::report::judged::{Judged, JudgedPoint, Rate};
use crate::report::page::{
    Cell, Column, Gallery, Section, Shown, ShownPair, Table, grouped, interval, percent,
};
use crate::report::pairs::{MOST_SAMPLES, Pair};
use crate::report::{Content, Judgement, confusion, error_curves, histogram, map, thumbnail};

/// The sections; none where the test part cannot be judged.
pub(super) fn sections(content: &Content<'_>) -> Result<Vec<Section>> {
    let Ok(judgement) = &content.judgement else {
        return Ok(vec![]);
    };
    let pictures = Pictures::new(content, judgement)?;
    Ok(vec![
        verification(content, &judgement.judged),
        Section {
            id: "map".into(),
            title: "Map".into(),
            wide: vec![map::figure(
                &content.test,
                &judgement.judged.classes,
                |class| content.dataset.classes[class as usize].name.clone(),
                |sample| pictures.of(sample),
            )],
            ..Section::default()
        },
        pairs(content, judgement, &pictures),
        classes(content, judgement, &pictures),
    ])
}

/// The point that programs use when nobody says another.
pub(super) fn usual_point(judged: &Judged) -> Option<&JudgedPoint> {
    let usual = |point: &&JudgedPoint| point.stated.far_target <= USUAL_FAR_TARGET;
    let points = &judged.points;
    points.iter().find(usual).or(points.last())
}

fn verification(content: &Content<'_>, judged: &Judged) -> Section {
    Section {
        id: "verification".into(),
        title: "Is this the claimed class?".into(),
        notes: vec![content.thresholds_from.clone()],
        figures: vec![
            histogram::figure(judged),
            error_curves::det(judged),
            error_curves::roc(judged),
        ],
        tables: points(judged).into_iter().collect(),
        ..Section::default()
    }
}

fn points(judged: &Judged) -> Option<Table> {
    if judged.points.is_empty() {
        return None;
    }
    let rate = |rate: &Rate| {
        let counted = format!(
            "95\u{a0}%: {}; {} of {}",
            interval(rate.ci95),
            grouped(rate.errors as u64),
            grouped(rate.comparisons as u64)
        );
        Cell::noted(percent(rate.rate), counted)
    };
    let stated = |rate: f32, upper: f32, count: u32| {
        let bound = format!(
            "at most {}; {} compared",
            percent(f64::from(upper)),
            grouped(u64::from(count))
        );
        Cell::noted(percent(f64::from(rate)), bound)
    };
    let row = |point: &JudgedPoint| {
        let model = &point.stated;
        let judgement = match point.far.ci95[0] > f64::from(model.far_target) {
            true => "above the aim",
            false if point.far.ci95[1] > f64::from(model.far_target) => "not told from the aim",
            false => "below the aim",
        };
        vec![
            percent(f64::from(model.far_target)).into(),
            Cell::noted(
                format!("{:.4}", model.threshold),
                format!("{} shots", model.shots),
            ),
            stated(model.far, model.far_upper, model.impostors),
            stated(model.frr, model.frr_upper, model.genuine),
            rate(&point.far),
            rate(&point.frr),
            judgement.into(),
        ]
    };
    Some(Table {
        title: "Operating points".into(),
        words: "What the thresholds were measured to do on validation classes, and what they do \
                on the test classes, which had no part in choosing them."
            .into(),
        columns: vec![
            Column::number("aim: FAR"),
            Column::number("threshold"),
            Column::number("FAR, validation"),
            Column::number("FRR, validation"),
            Column::number("FAR, test"),
            Column::number("FRR, test"),
            Column::text("against the aim"),
        ],
        rows: judged.points.iter().map(row).collect(),
    })
}

fn pairs(content: &Content<'_>, judgement: &Judgement, pictures: &Pictures) -> Section {
    let hardest = &judgement.hardest;
    let shown = |index: usize| {
        let tensors = &content.test.tensors;
        let sample = &content.dataset.samples[tensors.indices[index] as usize];
        let class = &content.dataset.classes[sample.class as usize].name;
        // Only the last part of a sample's name: folders are nobody's business.
        let file = sample.name.rsplit(['/', '\\']).next().unwrap_or_default();
        let stem = file.rsplit_once('.').map_or(file, |(stem, _)| stem);
        Shown {
            name: format!("{class}: {stem}"),
            picture: pictures.of(index),
        }
    };
    let pair = |pair: &Pair| ShownPair {
        left: shown(pair.left),
        right: shown(pair.right),
        distance: format!("distance {:.3}", pair.distance),
    };
    let gallery = |title: &str, words: &str, pairs: &[Pair]| Gallery {
        title: title.into(),
        words: words.into(),
        pairs: pairs.iter().map(pair).collect(),
    };
    let mut notes = vec![];
    if !content.thumbnails {
        notes.push(format!(
            "Pictures are left out, since {} may show real people's biometrics; --thumbnails puts \
             them in.",
            content.dataset.name
        ));
    }
    if hardest.samples < content.test.tensors.len() {
        notes.push(format!(
            "Of the samples, {} evenly spread ones were compared.",
            grouped(MOST_SAMPLES as u64)
        ));
    }
    let galleries = [
        gallery(
            "Nearest impostors",
            "Two samples that are not of one class and yet near; one pair of each two classes.",
            &hardest.impostors,
        ),
        gallery(
            "Farthest genuine pairs",
            "Two samples of one class that are far apart; one pair of each class.",
            &hardest.genuine,
        ),
    ];
    Section {
        id: "pairs".into(),
        title: "Hardest pairs".into(),
        notes,
        galleries: galleries
            .into_iter()
            .filter(|g| !g.pairs.is_empty())
            .collect(),
        ..Section::default()
    }
}

fn classes(content: &Content<'_>, judgement: &Judgement, pictures: &Pictures) -> Section {
    let Judgement {
        judged,
        identification,
        ..
    } = judgement;
    let classes = &content.dataset.classes;
    let name = |place: usize| classes[judged.classes[place].class as usize].name.clone();
    let usual = usual_point(judged);
    let mut notes = vec![format!(
        "Every probe was compared with all {} classes; {} of {} were nearest to their own ({}, 95\u{a0}%: {}).",
        grouped(judged.classes.len() as u64),
        grouped(
            identification
                .classes
                .iter()
                .map(|c| (c.probes - c.wrong()) as u64)
                .sum()
        ),
        grouped(identification.classes.iter().map(|c| c.probes as u64).sum()),
        percent(identification.accuracy),
        interval(identification.ci95)
    )];
    if let Some(point) = usual {
        notes.push(format!(
            "Rejected and accepted are at the threshold that aims at FAR {}.",
            percent(f64::from(point.stated.far_target))
        ));
    }
    let closest = confusion::closest(judged, identification, name, |sample| pictures.of(sample));
    let threshold = usual.map(|point| point.stated.threshold);
    let worst = confusion::worst(judged, identification, threshold, name);
    let tables = [closest, worst];
    Section {
        id: "classes".into(),
        title: "Which class is it?".into(),
        notes,
        wide: confusion::matrix(judged, identification, classes)
            .into_iter()
            .collect(),
        tables: tables
            .into_iter()
            .filter(|table| !table.rows.is_empty())
            .collect(),
        ..Section::default()
    }
}

/// The pictures of all samples that may be shown.
struct Pictures(std::collections::BTreeMap<usize, String>);

impl Pictures {
    /// Those of samples that a part of the page asks for: the hardest pairs, and of each
    /// class the genuine ones.
    fn new(content: &Content<'_>, judgement: &Judgement) -> Result<Self> {
        if !content.thumbnails {
            return Ok(Self(std::collections::BTreeMap::new()));
        }
        let hardest = &judgement.hardest;
        let pairs = hardest.impostors.iter().chain(&hardest.genuine);
        let pairs = pairs.flat_map(|pair| [pair.left, pair.right]);
        let classes = judgement.judged.classes.iter();
        let samples = classes.flat_map(|class| class.genuine.iter().copied());
        let address = |index| {
            Ok((
                index,
                thumbnail::data_address(&content.test.tensors, index)?,
            ))
        };
        Ok(Self(
            pairs.chain(samples).map(address).collect::<Result<_>>()?,
        ))
    }

    fn of(&self, sample: usize) -> Option<String> {
        self.0.get(&sample).cloned()
    }
}
