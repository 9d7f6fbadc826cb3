//! The signatures that the demo enrols and verifies.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use super::{SIGNATURES, host_trainer, path_of, there};
use crate::process;
use crate::workspace::Workspace;

/// How many genuine signatures a signer is enrolled with.
const SHOTS: usize = 5;

/// A signer and his signatures, as paths from the repository's root.
#[derive(Debug, PartialEq)]
pub(super) struct Signer {
    /// Also the subject's name in the template store.
    pub(super) name: String,
    /// The genuine signatures to enrol with.
    pub(super) enrolment: Vec<PathBuf>,
    /// The other genuine ones.
    pub(super) genuine: Vec<PathBuf>,
    /// Another hand's skilled imitations.
    pub(super) forged: Vec<PathBuf>,
}

/// Generates signatures of signers that training never saw.
pub(super) fn generate(workspace: &Workspace) -> Result<Vec<Signer>> {
    if !there(workspace, &format!("{SIGNATURES}/contact-sheet.png")) {
        process::run(host_trainer(workspace).args(["synthesize", "--out", SIGNATURES]))?;
    }
    let folder = path_of(workspace, SIGNATURES);
    let mut signers = Vec::new();
    for name in names(&folder)? {
        if folder.join(&name).is_dir() {
            let place = Path::new(SIGNATURES).join(&name);
            signers.push(signer(&name, &place, &names(&folder.join(&name))?)?);
        }
    }
    ensure!(
        !signers.is_empty(),
        "expected folders of signers in {SIGNATURES}, found none"
    );
    Ok(signers)
}

/// Sorts a signer's pictures by their names.
fn signer(name: &str, place: &Path, pictures: &[String]) -> Result<Signer> {
    let named = |start: &str| -> Vec<PathBuf> {
        let fitting = pictures.iter().filter(|picture| picture.starts_with(start));
        fitting.map(|picture| place.join(picture)).collect()
    };
    let mut enrolment = named("genuine");
    let forged = named("forged");
    ensure!(
        enrolment.len() > SHOTS && !forged.is_empty(),
        "expected more than {SHOTS} genuine and some forged signatures in {}, found {} and {}",
        place.display(),
        enrolment.len(),
        forged.len()
    );
    let genuine = enrolment.split_off(SHOTS);
    Ok(Signer {
        name: name.to_owned(),
        enrolment,
        genuine,
        forged,
    })
}

/// The names in a folder, sorted.
fn names(folder: &Path) -> Result<Vec<String>> {
    let entries =
        fs::read_dir(folder).with_context(|| format!("expected a folder {}", folder.display()))?;
    let mut names = entries
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect::<Result<Vec<_>>>()?;
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    fn pictures(genuine: usize) -> Vec<String> {
        let genuine = (0..genuine).map(|number| format!("genuine-{number:02}.png"));
        genuine.chain(["forged-00.png".to_owned()]).collect()
    }

    #[test]
    fn no_signature_is_both_enrolled_and_verified() {
        let signer = signer("a", Path::new("p"), &pictures(8)).unwrap();
        assert_eq!(signer.enrolment.len(), SHOTS);
        assert_eq!(signer.genuine[0], Path::new("p/genuine-05.png"));
        assert_eq!(signer.genuine.len(), 3);
        assert_eq!(signer.forged, [Path::new("p/forged-00.png")]);
    }

    #[test]
    fn too_few_signatures_are_told() {
        let refused = signer("a", Path::new("p"), &pictures(5)).unwrap_err();
        assert!(refused.to_string().contains("found 5 and 1"), "{refused}");
    }
}
