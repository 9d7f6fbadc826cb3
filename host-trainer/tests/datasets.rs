//! The public data sets, as they are: counts, parts, and what their papers say of them.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use host_trainer::dataset::omniglot::{all_runs, koch};
use host_trainer::dataset::{Dataset, DatasetName, Kind, Part, Sample, Source, Tensors};
use host_trainer::evaluate::operating_points;

/// The folder of the real data sets, or `None` with a line that says what is left out.
fn data(test: &str) -> Option<PathBuf> {
    let data = std::env::var_os("SEMBLANCE_DATA").map(PathBuf::from);
    if data.is_none() {
        eprintln!("SKIPPED {test}: set SEMBLANCE_DATA to the folder of the data sets");
    }
    data
}

/// Classes and samples of a part.
fn counts(dataset: &Dataset, part: Part) -> [usize; 2] {
    let samples = dataset.split.samples(dataset, part);
    let classes: BTreeSet<u32> = samples
        .iter()
        .map(|&sample| dataset.samples[sample as usize].class)
        .collect();
    [classes.len(), samples.len()]
}

/// Names of something about the classes of a part.
fn of_classes<'a>(
    dataset: &'a Dataset,
    part: Part,
    name: impl Fn(usize) -> &'a str,
) -> BTreeSet<&'a str> {
    let classes = 0..dataset.classes.len();
    let own = classes.filter(|&class| dataset.split.part(class as u32) == part);
    own.map(name).collect()
}

#[test]
fn omniglot_as_vinyals_et_al_part_it() {
    let Some(data) = data("omniglot_as_vinyals_et_al_part_it") else {
        return;
    };
    let dataset = DatasetName::OmniglotVinyals.load(Some(&data)).unwrap();
    assert_eq!(counts(&dataset, Part::Train), [4112, 4112 * 20]);
    assert_eq!(counts(&dataset, Part::Validation), [688, 688 * 20]);
    assert_eq!(counts(&dataset, Part::Test), [1692, 1692 * 20]);
    // Disjoint by character, not only by class.
    let characters = |part| {
        of_classes(&dataset, part, |class| {
            dataset.classes[class].name.rsplit_once('/').unwrap().0
        })
    };
    let [train, validation, test] = [Part::Train, Part::Validation, Part::Test].map(characters);
    assert_eq!(
        [train.len(), validation.len(), test.len()],
        [1028, 172, 423]
    );
    assert!(train.is_disjoint(&validation) && train.is_disjoint(&test));
    assert!(validation.is_disjoint(&test));
    // The four classes of a character are the same drawings, turned further and further.
    let place = |name: &str| dataset.classes.iter().position(|class| class.name == name);
    let pixels = |turn: &str| {
        let class = place(&format!("Gurmukhi/character42/{turn}")).unwrap() as u32;
        let samples = (0u32..).zip(&dataset.samples);
        let own = samples.filter(|(_, sample)| sample.class == class);
        let own: Vec<u32> = own.map(|(index, _)| index).collect();
        Tensors::new(&dataset, &own, &dataset.preprocess)
            .unwrap()
            .pixels
    };
    let turned = ["rot000", "rot090", "rot180", "rot270"].map(pixels);
    for (before, after) in turned.iter().zip(&turned[1..]) {
        for (before, after) in before.chunks(28 * 28).zip(after.chunks(28 * 28)) {
            // Anticlockwise: the right column becomes the top row.
            let right: Vec<u8> = (0..28).map(|row| before[row * 28 + 27]).collect();
            assert_eq!(after[..28], right);
            assert_ne!(before, after);
        }
    }
}

#[test]
fn omniglot_as_koch_et_al_part_it() {
    let Some(data) = data("omniglot_as_koch_et_al_part_it") else {
        return;
    };
    let dataset = DatasetName::OmniglotKoch.load(Some(&data)).unwrap();
    assert_eq!(counts(&dataset, Part::Train), [964, 964 * 12]);
    let judging = [Part::Validation, Part::Test].map(|part| counts(&dataset, part));
    assert_eq!(judging[0][0] + judging[1][0], 659);
    assert!(
        judging
            .iter()
            .all(|[classes, samples]| *samples == 4 * classes)
    );
    let alphabets = |part| {
        of_classes(&dataset, part, |class| {
            dataset.classes[class].group.as_str()
        })
    };
    let [train, validation, test] = [Part::Train, Part::Validation, Part::Test].map(alphabets);
    assert_eq!([train.len(), validation.len(), test.len()], [30, 10, 10]);
    assert!(train.is_disjoint(&validation) && train.is_disjoint(&test));
    assert!(validation.is_disjoint(&test));
}

/// The test alphabets and drawers are those of the official runs: every drawing of the
/// runs is found in the evaluation archive, pixel for pixel.
#[test]
fn koch_judges_with_the_alphabets_and_drawers_of_the_official_runs() {
    let Some(data) = data("koch_judges_with_the_alphabets_and_drawers_of_the_official_runs") else {
        return;
    };
    let pixels = |sample: &Sample| {
        let picture = image::DynamicImage::from(sample.picture().unwrap());
        picture.into_luma8().into_raw()
    };
    let whole = DatasetName::Omniglot.load(Some(&data)).unwrap();
    let evaluation = whole.split.samples(&whole, Part::Test);
    let drawings: BTreeMap<Vec<u8>, &Sample> = evaluation
        .iter()
        .map(|&sample| &whole.samples[sample as usize])
        .map(|sample| (pixels(sample), sample))
        .collect();
    let mut found: BTreeMap<&str, BTreeSet<u8>> = BTreeMap::new();
    for run in all_runs(&data).unwrap() {
        let probes = run.trials.into_iter().map(|(probe, _)| probe);
        for source in run.references.into_iter().chain(probes) {
            let drawing = drawings[&pixels(&of(source))];
            let drawer = drawing.name.rsplit_once('_').unwrap().1;
            let drawer = drawer.strip_suffix(".png").unwrap().parse().unwrap();
            let alphabet = whole.classes[drawing.class as usize].group.as_str();
            found.entry(alphabet).or_default().insert(drawer);
        }
    }
    let expected = koch::TEST.map(|(alphabet, drawers)| (alphabet, BTreeSet::from(drawers)));
    assert_eq!(found, BTreeMap::from(expected));
}

fn of(source: Source) -> Sample {
    Sample {
        class: 0,
        kind: Kind::Genuine,
        name: "a drawing of the official runs".into(),
        source,
    }
}

#[test]
fn faces_are_those_of_the_archive() {
    let Some(data) = data("faces_are_those_of_the_archive") else {
        return;
    };
    let dataset = DatasetName::OrlFaces.load(Some(&data)).unwrap();
    // The public archive has 40 people; 35 are enough here.
    let people = dataset.classes.len();
    assert!((35..=40).contains(&people), "{people}");
    assert_eq!(dataset.samples.len(), 10 * people);
    assert_eq!(counts(&dataset, Part::Train), [23, 230]);
    assert_eq!(counts(&dataset, Part::Validation), [6, 60]);
    assert_eq!(
        counts(&dataset, Part::Test),
        [people - 29, 10 * (people - 29)]
    );
    let names: Vec<_> = dataset.classes[..3]
        .iter()
        .map(|c| c.name.as_str())
        .collect();
    assert_eq!(names, ["s1", "s2", "s3"]);
    operating_points::check(&dataset).unwrap();
    let picture = image::DynamicImage::from(dataset.samples[0].picture().unwrap());
    assert_eq!((picture.width(), picture.height()), (92, 112));
}

/// The public archive has ten folds of 300 pairs of each kind; some may be kept elsewhere.
#[test]
fn faces_in_the_news_are_paired_in_folds_of_people() {
    let Some(data) = data("faces_in_the_news_are_paired_in_folds_of_people") else {
        return;
    };
    let dataset = DatasetName::Lfwcrop.load(Some(&data)).unwrap();
    assert!((2..=10).contains(&dataset.pairs.len()));
    for list in &dataset.pairs {
        let same = list.pairs.iter().filter(|pair| pair.same).count();
        assert_eq!((same, list.pairs.len()), (300, 600), "{}", list.name);
    }
    let parts = [Part::Train, Part::Validation, Part::Test].map(|part| counts(&dataset, part));
    let total = |index: usize| parts.iter().map(|part| part[index]).sum::<usize>();
    assert_eq!(
        [total(0), total(1)],
        [dataset.classes.len(), dataset.samples.len()]
    );
    let person = |name: &str| dataset.classes.iter().position(|class| class.name == name);
    let most = person("Colin_Powell").unwrap() as u32;
    let photographs = dataset.samples.iter().filter(|sample| sample.class == most);
    assert_eq!(photographs.count(), 236);
    assert!(person("Abdel_Aziz_Al-Hakim").is_some());
    let picture = image::DynamicImage::from(dataset.samples[0].picture().unwrap());
    assert_eq!((picture.width(), picture.height()), (64, 64));
    // View 1 divides the same people otherwise.
    let view_1 = DatasetName::LfwcropView1.load(Some(&data)).unwrap();
    assert_eq!(view_1.classes, dataset.classes);
    assert_ne!(view_1.split, dataset.split);
    assert_eq!(view_1.pairs.len(), 1);
    for dataset in [&dataset, &view_1] {
        operating_points::check(dataset).unwrap();
    }
}

#[test]
fn signatures_of_the_competition_are_parted_by_writer() {
    let Some(data) = data("signatures_of_the_competition_are_parted_by_writer") else {
        return;
    };
    let dataset = DatasetName::Sigcomp2011.load(Some(&data)).unwrap();
    let kinds = |parts: &[Part]| {
        let own = parts
            .iter()
            .flat_map(|&part| dataset.split.samples(&dataset, part));
        let forged = own.map(|index| dataset.samples[index as usize].kind == Kind::Forged);
        let forged: Vec<bool> = forged.collect();
        let count = forged.iter().filter(|forged| **forged).count();
        [forged.len() - count, count]
    };
    let test = counts(&dataset, Part::Test)[0];
    // 21 writers judge in the public archive.
    assert!((11..=21).contains(&test), "{test}");
    if test == 11 {
        assert_eq!(kinds(&[Part::Test]), [132, 140]);
        assert_eq!(dataset.pairs[0].pairs.len(), 3132);
    }
    assert_eq!(kinds(&[Part::Train, Part::Validation]), [635, 514]);
    for pair in &dataset.pairs[0].pairs {
        let [left, right] = pair.samples.map(|index| &dataset.samples[index as usize]);
        assert_eq!(left.class, right.class);
        let is_forged = [left, right]
            .iter()
            .any(|sample| sample.kind == Kind::Forged);
        assert_eq!(pair.same, !is_forged, "{} {}", left.name, right.name);
    }
    operating_points::check(&dataset).unwrap();
}
