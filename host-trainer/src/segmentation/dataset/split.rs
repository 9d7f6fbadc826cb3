//! Which subjects' pictures are learnt from, which choose, and which only judge.

use sha2::{Digest, Sha256};

use super::Task;
use crate::dataset::Part;

/// Of a hundred subjects, so many are for training; the next ones, up to the second number,
/// for validation; the others for test.
const SHARES: [u64; 2] = [60, 70];

/// Indices of the cases of a part. A subject is in one part alone, by the SHA-256 of its name
/// and its task's: subjects that are added later leave the others where they are. Shares hold
/// for many subjects; of very few, a part may have none.
pub fn by_subject(task: &Task, part: Part) -> Vec<usize> {
    let cases = task.cases.iter().enumerate();
    cases
        .filter(|(_, case)| part_of(&task.name, &case.subject) == part)
        .map(|(index, _)| index)
        .collect()
}

/// The part of a subject of a task.
pub fn part_of(task: &str, subject: &str) -> Part {
    let digest = Sha256::digest(format!("{task}/{subject}").as_bytes());
    let number = digest
        .iter()
        .take(4)
        .fold(0, |number, &byte| number << 8 | u64::from(byte));
    let [train, validation] = SHARES;
    match (100 * number) >> 32 {
        place if place < train => Part::Train,
        place if place < validation => Part::Validation,
        _ => Part::Test,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::segmentation::dataset::synthetic;

    #[test]
    fn no_subject_is_in_two_parts() {
        let mut task = synthetic::task(1, 1, 2);
        let pair = task.cases.clone();
        task.cases = (0..400)
            .map(|number: usize| {
                let mut case = pair[number % 2].clone();
                case.subject = format!("{:03}", number / 2);
                case
            })
            .collect();
        let parts = [Part::Train, Part::Validation, Part::Test].map(|part| by_subject(&task, part));
        let all: BTreeSet<usize> = parts.iter().flatten().copied().collect();
        assert_eq!(all.len(), 400);
        let subjects = parts.each_ref().map(|cases| {
            let own = cases.iter().map(|&case| task.cases[case].subject.as_str());
            own.collect::<BTreeSet<&str>>()
        });
        // Both cases of each.
        for (cases, subjects) in parts.iter().zip(&subjects) {
            assert_eq!(cases.len(), 2 * subjects.len());
        }
        let counts = subjects.each_ref().map(BTreeSet::len);
        assert_eq!(counts.iter().sum::<usize>(), 200);
        for (count, expected) in counts.into_iter().zip([120, 20, 60]) {
            assert!(count.abs_diff(expected) < 20, "{counts:?}");
        }
    }

    #[test]
    fn parts_depend_on_the_task_and_never_change() {
        let parts = |task| {
            (0..8)
                .map(|subject| part_of(task, &subject.to_string()))
                .collect::<Vec<_>>()
        };
        assert_ne!(parts("a"), parts("b"));
        // SHA-256 of "organ/1" begins with 2f, that of "organ/3" with bf.
        assert_eq!(part_of("organ", "1"), Part::Train);
        assert_eq!(part_of("organ", "3"), Part::Test);
    }
}
