//! Enrols the signers and verifies their other signatures, genuine and forged.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::signatures::Signer;
use super::{DEVICE_ENGINES, FAR, MODEL, STORE, path_of, semblance};
use crate::process;
use crate::workspace::Workspace;

/// One engine's answer to one picture.
#[derive(Clone, Debug, PartialEq)]
struct Answer {
    verdict: String,
    distance: f64,
    threshold: f64,
}

/// A picture that was claimed to be of a signer.
struct Attempt {
    picture: PathBuf,
    genuine: bool,
    /// In the order of [`DEVICE_ENGINES`].
    answers: Vec<Answer>,
}

/// The table of all attempts.
pub(super) struct Table(Vec<Attempt>);

/// Enrols every signer, then has every other signature verified by every engine.
pub(super) fn every_signature(workspace: &Workspace, signers: &[Signer]) -> Result<Table> {
    // An earlier demo's templates may be of an earlier model.
    let store = path_of(workspace, STORE);
    if store.exists() {
        fs::remove_file(&store).with_context(|| format!("cannot remove {STORE}"))?;
    }
    for signer in signers {
        let mut enroll = semblance(workspace);
        enroll.args([
            "enroll",
            "--model",
            MODEL,
            "--store",
            STORE,
            "--subject",
            &signer.name,
        ]);
        process::run(enroll.args(&signer.enrolment))?;
    }
    let mut attempts = Vec::new();
    for signer in signers {
        for (pictures, genuine) in [(&signer.genuine, true), (&signer.forged, false)] {
            for picture in pictures {
                attempts.push(attempt(workspace, &signer.name, picture, genuine)?);
            }
        }
    }
    Ok(Table(attempts))
}

fn attempt(workspace: &Workspace, subject: &str, picture: &Path, genuine: bool) -> Result<Attempt> {
    let answers = DEVICE_ENGINES
        .into_iter()
        .map(|engine| {
            let mut verify = semblance(workspace);
            verify
                .args(["verify", "--model", MODEL, "--store", STORE])
                .args(["--subject", subject, "--far", FAR])
                .args(["--engine", engine, "--json"])
                .arg(picture);
            // 1 says that the picture was not accepted.
            read(&process::output_unless(&mut verify, |code| code > 1)?)
        })
        .collect::<Result<_>>()?;
    Ok(Attempt {
        picture: picture.to_path_buf(),
        genuine,
        answers,
    })
}

fn read(printed: &str) -> Result<Answer> {
    let json: Value = serde_json::from_str(printed)
        .with_context(|| format!("expected one JSON object of `verify`, found {printed:?}"))?;
    let (Some(verdict), Some(distance), Some(threshold)) = (
        json["verdict"].as_str(),
        json["distance"].as_f64(),
        json["threshold"].as_f64(),
    ) else {
        bail!("expected `verdict`, `distance` and `threshold` of `verify`, found {printed}");
    };
    Ok(Answer {
        verdict: verdict.to_owned(),
        distance,
        threshold,
    })
}

impl Attempt {
    /// Whether every engine decided as it should.
    fn right(&self) -> bool {
        self.answers
            .iter()
            .all(|answer| (answer.verdict == "accept") == self.genuine)
    }

    /// Whether every engine gave the same answer.
    fn agreed(&self) -> bool {
        self.answers.windows(2).all(|pair| pair[0] == pair[1])
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [first, second] = DEVICE_ENGINES;
        writeln!(f, "Verification as a device does it, one line per picture")?;
        writeln!(
            f,
            "  {:44}  expected  {first:7}  {second:7}  distance  threshold",
            "picture"
        )?;
        for attempt in &self.0 {
            let verdict = |engine: usize| {
                attempt
                    .answers
                    .get(engine)
                    .map_or("", |answer| answer.verdict.as_str())
            };
            let (distance, threshold) = attempt
                .answers
                .first()
                .map_or((f64::NAN, f64::NAN), |answer| {
                    (answer.distance, answer.threshold)
                });
            writeln!(
                f,
                "  {:44}  {:8}  {:7}  {:7}  {distance:>8.4}  {threshold:>9.4}{}",
                attempt.picture.display().to_string(),
                if attempt.genuine { "accept" } else { "reject" },
                verdict(0),
                verdict(1),
                if attempt.right() { "" } else { "  <- wrong" },
            )?;
        }
        for (genuine, name) in [(true, "genuine"), (false, "forged")] {
            let of_kind = || self.0.iter().filter(|attempt| attempt.genuine == genuine);
            let right = of_kind().filter(|attempt| attempt.right()).count();
            writeln!(
                f,
                "  {name}: {right} of {} decided rightly",
                of_kind().count()
            )?;
        }
        let agreed = self.0.iter().filter(|attempt| attempt.agreed()).count();
        writeln!(f, "  the engines agree on {agreed} of {}", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    fn answer(verdict: &str, distance: f64) -> Answer {
        Answer {
            verdict: verdict.to_owned(),
            distance,
            threshold: 0.5,
        }
    }

    #[test]
    fn an_answer_is_read_or_refused() {
        let printed =
            r#"{"verdict": "accept", "distance": 0.25, "threshold": 0.5, "subject": "a"}"#;
        assert_eq!(read(printed).unwrap(), answer("accept", 0.25));
        assert!(read(r#"{"verdict": "accept"}"#).is_err());
    }

    #[test]
    fn wrong_verdicts_and_disagreement_are_shown() {
        let attempt = |genuine, first: Answer, second: Answer| Attempt {
            picture: "p.png".into(),
            genuine,
            answers: vec![first, second],
        };
        let table = Table(vec![
            attempt(true, answer("accept", 0.1), answer("accept", 0.1)),
            attempt(true, answer("reject", 0.6), answer("reject", 0.6)),
            attempt(false, answer("reject", 0.6), answer("accept", 0.4)),
        ]);
        let shown = table.to_string();
        assert_eq!(shown.matches("<- wrong").count(), 2, "{shown}");
        assert!(shown.contains("genuine: 1 of 2 decided rightly"), "{shown}");
        assert!(shown.contains("forged: 0 of 1 decided rightly"), "{shown}");
        assert!(shown.contains("agree on 2 of 3"), "{shown}");
    }
}
