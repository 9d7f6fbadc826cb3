#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::path::PathBuf;

use super::*;

const PEOPLE: [&str; 8] = [
    "Ann_Lee",
    "Bo_Yang",
    "J_R_R_Hat",
    "Jean-Pierre_de_la_Tour",
    "Kim",
    "Lu_Xun_2_Go",
    "Mo_Salah",
    "Zoe_Z",
];

/// LFWcrop of eight people with three photographs each; fold 01 has the first two people,
/// fold 02 the next two, View 1 the last two.
fn lfwcrop() -> tempfile::TempDir {
    let data = tempfile::tempdir().unwrap();
    let top = data.path().join("lfwcrop_grey");
    fs::create_dir_all(top.join("faces")).unwrap();
    fs::create_dir_all(top.join("lists")).unwrap();
    for (grey, person) in (10u8..).zip(PEOPLE) {
        for number in 1..=3 {
            let pgm = [b"P5\n64 64\n255\n".as_slice(), &[grey; 64 * 64]].concat();
            fs::write(top.join(format!("faces/{person}_{number:04}.pgm")), pgm).unwrap();
        }
    }
    for (prefix, [a, b]) in [("01", [0, 1]), ("02", [2, 3]), ("dv", [6, 7])] {
        let (a, b) = (PEOPLE[a], PEOPLE[b]);
        let same = format!("{a}_0001 {a}_0003\n{b}_0002 {b}_0003\n");
        let diff = format!("{a}_0001 {b}_0001\n");
        fs::write(top.join(format!("lists/{prefix}_test_same.txt")), same).unwrap();
        fs::write(top.join(format!("lists/{prefix}_test_diff.txt")), diff).unwrap();
    }
    data
}

/// The same people in LFW's own layout.
fn lfw() -> tempfile::TempDir {
    let data = tempfile::tempdir().unwrap();
    for person in PEOPLE {
        let place = data.path().join("lfw").join(person);
        fs::create_dir_all(&place).unwrap();
        for number in 1..=3 {
            let picture = image::GrayImage::from_fn(250, 250, |x, y| {
                let is_face = (83..=166).contains(&x) && (92..=175).contains(&y);
                image::Luma([if is_face { 200 } else { 3 }])
            });
            picture
                .save(place.join(format!("{person}_{number:04}.jpg")))
                .unwrap();
        }
    }
    let [a, b, c, d, .., y, z] = PEOPLE;
    let view_2 = format!("2\t1\n{a}\t1\t3\n{a}\t1\t{b}\t1\n{c}\t2\t3\n{d}\t1\t{c}\t2\n");
    fs::write(data.path().join("pairs.txt"), view_2).unwrap();
    fs::write(
        data.path().join("pairsDevTest.txt"),
        format!("1\n{y}\t1\t2\n{y}\t3\t{z}\t2\n"),
    )
    .unwrap();
    data
}

fn names(dataset: &Dataset, part: Part) -> Vec<&str> {
    let classes = (0u32..).zip(&dataset.classes);
    let own = classes.filter(|(class, _)| dataset.split.part(*class) == part);
    own.map(|(_, class)| class.name.as_str()).collect()
}

#[test]
fn a_person_is_a_name_less_its_number() {
    assert_eq!(
        person("Jean-Pierre_de_la_Tour_0012"),
        Some(("Jean-Pierre_de_la_Tour", "0012"))
    );
    assert_eq!(person("Lu_Xun_2_Go_0001"), Some(("Lu_Xun_2_Go", "0001")));
    assert_eq!(person("Lu_Xun_2"), None);
    assert_eq!(person("README"), None);
}

#[test]
fn view_2_has_people_in_one_fold_alone() {
    let data = lfwcrop();
    let dataset = load(data.path()).unwrap();
    assert_eq!((dataset.classes.len(), dataset.samples.len()), (8, 24));
    assert_eq!(dataset.pairs.len(), 2);
    let same: Vec<bool> = dataset.pairs[1]
        .pairs
        .iter()
        .map(|pair| pair.same)
        .collect();
    assert_eq!(same, [true, true, false]);
    assert_eq!(names(&dataset, Part::Test), PEOPLE[2..4]);
    assert_eq!(names(&dataset, Part::Validation), PEOPLE[..2]);
    assert_eq!(names(&dataset, Part::Train), PEOPLE[4..]);
    let first = Dataset {
        split: Split::by_list(&dataset, 0),
        ..dataset.clone()
    };
    assert_eq!(names(&first, Part::Test), PEOPLE[..2]);
    assert_eq!(names(&first, Part::Validation), PEOPLE[2..4]);
}

#[test]
fn view_1_is_a_division_of_its_own() {
    let data = lfwcrop();
    let dataset = load_view_1(data.path()).unwrap();
    assert_eq!(names(&dataset, Part::Test), PEOPLE[6..]);
    assert_eq!(dataset.pairs.len(), 1);
    assert_eq!(dataset.pairs[0].pairs.len(), 3);
}

#[test]
fn lfw_s_own_folders_are_the_same_set() {
    let data = [lfwcrop(), lfw()];
    let [cropped, own] = data.each_ref().map(|data| load(data.path()).unwrap());
    assert_eq!(cropped.classes, own.classes);
    for part in [Part::Train, Part::Validation, Part::Test] {
        assert_eq!(names(&cropped, part), names(&own, part));
    }
    let pair = own.pairs[1].pairs[1];
    let [left, right] = pair
        .samples
        .map(|sample| own.samples[sample as usize].name.as_str());
    assert_eq!(
        (left, right, pair.same),
        ("Jean-Pierre_de_la_Tour_0001", "J_R_R_Hat_0002", false)
    );
    // The face's rectangle, all of it and nothing else.
    let face = image::DynamicImage::from(own.samples[0].picture().unwrap()).into_luma8();
    assert_eq!(face.dimensions(), (84, 84));
    assert!(face.pixels().all(|pixel| pixel.0[0] > 100));
}

fn edit(data: &tempfile::TempDir, file: &str, text: &str) -> PathBuf {
    fs::write(data.path().join("lfwcrop_grey").join(file), text).unwrap();
    data.path().to_owned()
}

#[test]
fn lists_that_contradict_the_photographs_are_refused() {
    let refused = |text: &str| {
        let data = lfwcrop();
        let place = edit(&data, "lists/02_test_same.txt", text);
        format!("{:#}", load(&place).unwrap_err())
    };
    assert!(refused("Kim_0001 Mo_Salah_0001\n").contains("of one person"));
    assert!(refused("Kim_0001\n").contains("line 1"));
    assert!(refused("Kim_0001 Kim_0009\n").contains("Kim_0009"));
    // Somebody of fold 01.
    assert!(refused("Ann_Lee_0001 Ann_Lee_0002\n").contains("Ann_Lee"));
    // A fold that is elsewhere altogether is no fold.
    let data = lfwcrop();
    let place = edit(&data, "lists/09_test_same.txt", "A_B_0001 A_B_0002\n");
    assert_eq!(load(&place).unwrap().pairs.len(), 2);
    assert!(load(tempfile::tempdir().unwrap().path()).is_err());
}
