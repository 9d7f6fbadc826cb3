//! The public sets of marked pictures, as they are: counts, subjects, classes.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use host_trainer::dataset::Part;
use host_trainer::segmentation::dataset::{Case, Task, by_subject, load};
use image::DynamicImage;
use image::imageops::{FilterType, resize};

/// The folder of the real sets, or `None` with a line that says what is left out.
fn data(test: &str) -> Option<PathBuf> {
    let data = std::env::var_os("SEMBLANCE_DATA").map(PathBuf::from);
    if data.is_none() {
        eprintln!("SKIPPED {test}: set SEMBLANCE_DATA to the folder of the data sets");
    }
    data
}

fn subjects(task: &Task) -> BTreeSet<&str> {
    task.cases
        .iter()
        .map(|case| case.subject.as_str())
        .collect()
}

fn values(task: &Task) -> BTreeSet<u8> {
    let values = task.cases.iter().flat_map(|case| &case.labels.values);
    values.copied().collect()
}

fn structures(task: &Task) -> Vec<(&str, &[u8])> {
    let structures = task.structures.iter();
    structures
        .map(|structure| (structure.name.as_str(), &structure.labels[..]))
        .collect()
}

fn sizes(task: &Task) -> BTreeSet<[u32; 2]> {
    let pictures = task.cases.iter().map(|case| case.picture.image().unwrap());
    pictures.map(|image| image.size()).collect()
}

/// A structure's name and labels.
type Named = (&'static str, &'static [u8]);

const HIPPOCAMPUS: [Named; 3] = [
    ("hippocampus", &[1, 2]),
    ("hippocampus_anterior", &[1]),
    ("hippocampus_posterior", &[2]),
];

const CELLS: [Named; 3] = [
    ("wbc1", &[1, 2]),
    ("wbc_cytoplasm", &[1]),
    ("wbc_nucleus", &[2]),
];

#[test]
fn ready_tasks_are_those_of_the_archive() {
    let Some(data) = data("ready_tasks_are_those_of_the_archive") else {
        return;
    };
    let tasks = load(Some(&data)).unwrap();
    let tasks: BTreeMap<&str, &Task> = tasks
        .iter()
        .map(|task| (task.name.as_str(), task))
        .collect();
    assert_eq!(
        tasks.keys().copied().collect::<Vec<_>>(),
        ["em_membrane", "hippocampus", "wbc1"]
    );
    let expected: [(&str, [usize; 2], &[Named]); 3] = [
        ("em_membrane", [120, 30], &[("membrane", &[1])]),
        ("hippocampus", [600, 200], &HIPPOCAMPUS),
        ("wbc1", [300, 300], &CELLS),
    ];
    for (name, counts, named) in expected {
        let task = tasks[name];
        assert_eq!([task.cases.len(), subjects(task).len()], counts, "{name}");
        assert_eq!(structures(task), named);
        assert_eq!(sizes(task), BTreeSet::from([[128, 128]]));
        let last = named[0].1[named[0].1.len() - 1];
        assert_eq!(values(task), (0..=last).collect(), "{name}");
        let parts = [Part::Train, Part::Validation, Part::Test].map(|part| by_subject(task, part));
        assert_eq!(parts.iter().map(Vec::len).sum::<usize>(), counts[0]);
        assert!(parts.iter().all(|part| !part.is_empty()), "{name}");
        let of = |part: usize| -> BTreeSet<&str> {
            let cases = parts[part].iter().map(|&case| &task.cases[case]);
            cases.map(|case| case.subject.as_str()).collect()
        };
        assert!(of(0).is_disjoint(&of(2)) && of(1).is_disjoint(&of(2)));
        assert!(of(0).is_disjoint(&of(1)));
    }
}

/// As large as the ready ones, and how many of a hundred pixels differ, by how much.
fn difference(case: &Case, ready: &Case) -> [f64; 2] {
    let picture = |case: &Case| DynamicImage::from(case.picture.clone()).into_luma8();
    let labels = |case: &Case| {
        let labels = case.labels.clone();
        image::GrayImage::from_raw(labels.width, labels.height, labels.values).unwrap()
    };
    let mean = |differences: &mut dyn Iterator<Item = u8>| {
        let sum: f64 = differences.map(f64::from).sum();
        sum / (128.0 * 128.0)
    };
    let own = resize(&picture(case), 128, 128, FilterType::Triangle);
    let other = picture(ready);
    let greys = mean(&mut own.iter().zip(other.iter()).map(|(a, b)| a.abs_diff(*b)));
    let own = resize(&labels(case), 128, 128, FilterType::Nearest);
    let other = labels(ready);
    let classes = mean(&mut own.iter().zip(other.iter()).map(|(a, b)| u8::from(a != b)));
    [greys, classes]
}

#[test]
fn volumes_give_slices_as_the_ready_ones() {
    let Some(data) = data("volumes_give_slices_as_the_ready_ones") else {
        return;
    };
    let archive = data.join("medseg/Task04_Hippocampus_200.tar");
    let tasks = load(Some(&archive)).unwrap();
    assert_eq!(tasks.len(), 1);
    let task = &tasks[0];
    assert_eq!([task.cases.len(), subjects(task).len()], [600, 200]);
    assert_eq!(structures(task), HIPPOCAMPUS);
    assert_eq!(values(task), BTreeSet::from([0, 1, 2]));
    let ready = load(Some(&data)).unwrap();
    let ready = ready.iter().find(|ready| ready.name == task.name).unwrap();
    assert_eq!(subjects(ready), subjects(task));
    let ready: BTreeMap<&str, &Case> = ready.cases.iter().map(|c| (c.name.as_str(), c)).collect();
    let pairs = task
        .cases
        .iter()
        .filter_map(|case| Some((case, *ready.get(case.name.as_str())?)));
    let pairs: Vec<_> = pairs.collect();
    // The ready ones are slices nearer to each other.
    assert!(pairs.len() >= 50, "{}", pairs.len());
    for (case, ready) in pairs {
        let [greys, classes] = difference(case, ready);
        assert!(greys < 1.5, "{}: {greys}", case.name);
        assert!(classes < 0.002, "{}: {classes}", case.name);
    }
}

#[test]
fn cells_have_two_classes() {
    let Some(data) = data("cells_have_two_classes") else {
        return;
    };
    let archive = data.join("medseg/segmentation_WBC_dataset1.zip");
    let tasks = load(Some(&archive)).unwrap();
    assert_eq!(tasks.len(), 1);
    let task = &tasks[0];
    assert_eq!(task.cases.len(), 300);
    assert_eq!(structures(task), CELLS);
    assert_eq!(values(task), BTreeSet::from([0, 1, 2]));
    // Not all are of one size, nor squares.
    let sides = sizes(task).into_iter().flatten().collect::<BTreeSet<u32>>();
    assert_eq!([sides.first(), sides.last()], [Some(&88), Some(&120)]);
    let ready = load(Some(&data)).unwrap();
    let ready = ready.iter().find(|ready| ready.name == task.name).unwrap();
    let share = |case: &Case, class: u8| {
        let values = &case.labels.values;
        let own = values.iter().filter(|&&value| value == class).count();
        own as f64 / values.len() as f64
    };
    for (case, ready) in task.cases.iter().zip(&ready.cases) {
        assert_eq!(case.name, ready.name);
        if case.labels.width != case.labels.height {
            // Of the ready ones, what was missing was filled.
            continue;
        }
        for class in [1, 2] {
            let (own, other) = (share(case, class), share(ready, class));
            assert!((own - other).abs() < 0.01, "{}: {own} {other}", case.name);
        }
    }
}
