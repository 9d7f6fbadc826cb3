use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use anyhow::Result;
use edge_runtime::engine::self_test_artifact;
use edge_runtime::loader::Model;
use edge_runtime::store::TemplateStore;
use edge_runtime::store::file::{FileStore, SHOTS};
use serde_json::{Value, json};
use shared::artifact::Artifact;
use shared::embedding::MAX_DIM;

use super::info;
use crate::Outcome;
use crate::arguments::{Doctor, EngineName};
use crate::model::{engine, marks, structures};
use crate::trust::{Signature, TrustArguments};

/// What one check found.
struct Finding {
    name: String,
    state: State,
    found: String,
    /// What to do about it; empty when there is nothing to do.
    fix: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Good,
    /// Something does not work that is not needed for the rest.
    Warning,
    Failure,
}

impl Finding {
    fn new(name: &str, state: State, found: impl Into<String>, fix: &str) -> Self {
        Self {
            name: name.into(),
            state,
            found: found.into(),
            fix: fix.into(),
        }
    }
}

pub(super) fn run(arguments: &Doctor, out: &mut impl Write) -> Result<Outcome> {
    let mut findings = vec![processor(), memory(), engines()];
    if let Some(model) = &arguments.model {
        findings.extend(check_model(model, arguments));
    } else if let Some(store) = &arguments.store {
        findings.push(writable(store));
    }
    findings.push(devices("cameras", "/dev", "video", "video"));
    findings.push(devices("serial ports", "/dev", "ttyACM", "dialout"));
    findings.push(devices("serial adapters", "/dev", "ttyUSB", "dialout"));
    let healthy = findings
        .iter()
        .all(|finding| finding.state != State::Failure);
    if arguments.json {
        let checks: Vec<Value> = findings.iter().map(as_json).collect();
        writeln!(out, "{}", json!({"healthy": healthy, "checks": checks}))?;
    } else {
        for finding in &findings {
            print(finding, out)?;
        }
    }
    Ok(if healthy { Outcome::Yes } else { Outcome::No })
}

fn word(state: State) -> &'static str {
    match state {
        State::Good => "ok",
        State::Warning => "warning",
        State::Failure => "failure",
    }
}

fn as_json(finding: &Finding) -> Value {
    json!({
        "check": finding.name,
        "state": word(finding.state),
        "found": finding.found,
        "fix": finding.fix,
    })
}

fn print(finding: &Finding, out: &mut impl Write) -> std::io::Result<()> {
    writeln!(
        out,
        "{:8} {:16} {}",
        word(finding.state),
        finding.name,
        finding.found
    )?;
    if !finding.fix.is_empty() {
        writeln!(out, "{:25} -> {}", "", finding.fix)?;
    }
    Ok(())
}

fn processor() -> Finding {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let found = format!("{}, {cores} cores", std::env::consts::ARCH);
    Finding::new("processor", State::Good, found, "")
}

fn memory() -> Finding {
    let available = fs::read_to_string("/proc/meminfo").ok().and_then(|text| {
        let line = text
            .lines()
            .find(|line| line.starts_with("MemAvailable:"))?;
        line.split_whitespace().nth(1)?.parse::<u64>().ok()
    });
    match available {
        Some(kib) if kib < 32 << 10 => Finding::new(
            "memory",
            State::Warning,
            format!("{} MiB available", kib >> 10),
            "stop other programs; use --engine int8, which needs the least",
        ),
        Some(kib) => {
            let found = format!("{} MiB available", kib >> 10);
            Finding::new("memory", State::Good, found, "")
        }
        None => Finding::new("memory", State::Warning, "/proc/meminfo cannot be read", ""),
    }
}

fn engines() -> Finding {
    match cfg!(feature = "tract") {
        true => Finding::new("engines", State::Good, "int8, tract", ""),
        false => Finding::new("engines", State::Good, "int8 (built without tract)", ""),
    }
}

fn check_model(path: &Path, arguments: &Doctor) -> Vec<Finding> {
    let failure = |error: &dyn std::fmt::Display| {
        let fix = "copy the model folder again, or name another by --model";
        vec![Finding::new(
            "model",
            State::Failure,
            error.to_string(),
            fix,
        )]
    };
    let model = match arguments.trust.open(path) {
        Ok(model) => model,
        Err(error) => return failure(&error),
    };
    let artifact = match model.identified_artifact() {
        Ok(artifact) => artifact,
        Err(error) => return failure(&error),
    };
    let mut findings = vec![Finding::new(
        "model",
        State::Good,
        format!(
            "{}, model {}",
            artifact.card().name,
            artifact.model_id().short()
        ),
        "",
    )];
    findings.push(signature(&model, &arguments.trust));
    findings.push(golden(&model, EngineName::Int8));
    let is_for_tract = cfg!(feature = "tract") && !marks(&artifact);
    if is_for_tract && model.has_onnx() {
        findings.push(golden(&model, EngineName::Tract));
    }
    if let Some(store) = &arguments.store {
        findings.push(match enrolled(store, &artifact, arguments) {
            Ok(found) => Finding::new("store", State::Good, found, ""),
            Err(error) => Finding::new(
                "store",
                State::Failure,
                error.to_string(),
                "restore the store from a copy, or name another by --store",
            ),
        });
        findings.push(writable(store));
    }
    findings
}

/// How many a store knows.
fn enrolled(path: &Path, artifact: &Artifact<'_>, arguments: &Doctor) -> Result<String> {
    if marks(artifact) {
        let store = structures(artifact, path, &arguments.keys)?;
        return Ok(format!("{} structures enrolled", store.templates().count()));
    }
    let keys = arguments.keys.device_keys()?;
    let store = FileStore::<SHOTS, MAX_DIM>::open(path, artifact.model_id(), keys)?;
    Ok(format!("{} subjects enrolled", store.templates().count()))
}

/// Whose the model is.
fn signature(model: &Model, trust: &TrustArguments) -> Finding {
    match trust.signature(model) {
        Ok(found @ Signature::Unfit(_)) => Finding::new(
            "signature",
            State::Failure,
            info::words(&found),
            "sign the model again by `host-trainer sign`, or remove its model.sig",
        ),
        Ok(found) => Finding::new("signature", State::Good, info::words(&found), ""),
        Err(error) => Finding::new("signature", State::Failure, error.to_string(), ""),
    }
}

/// Whether an engine answers the model's golden vectors on this machine.
fn golden(model: &Model, name: EngineName) -> Finding {
    let check = || -> Result<(u16, u16)> {
        let artifact = model.artifact()?;
        let mut engine = engine(model, name)?;
        Ok(self_test_artifact(&mut engine, &artifact)?)
    };
    let title = format!("engine {}", name.name());
    match check() {
        Ok((passed, total)) if passed == total => {
            let found = format!("{total} golden vectors right, byte for byte");
            Finding::new(&title, State::Good, found, "")
        }
        Ok((passed, total)) => Finding::new(
            &title,
            State::Failure,
            format!("{passed} of {total} golden vectors right"),
            "this machine computes otherwise than where the model was made: report it with `semblance info`",
        ),
        Err(error) => Finding::new(
            &title,
            State::Failure,
            format!("{error:#}"),
            "copy the model folder again",
        ),
    }
}

/// Whether the store's folder takes files, tried with one that is removed at once.
fn writable(store: &Path) -> Finding {
    let mut probe = store.as_os_str().to_owned();
    probe.push(format!(".doctor-{}", std::process::id()));
    let probe = Path::new(&probe);
    // What has that name already is somebody's, and is left alone.
    let tried = File::create_new(probe).and_then(|_| fs::remove_file(probe));
    match tried {
        Ok(()) => Finding::new("store folder", State::Good, "can be written", ""),
        Err(error) => Finding::new(
            "store folder",
            State::Failure,
            format!("{}: {error}", store.display()),
            "make the folder, give yourself write permission on it, or name another --store",
        ),
    }
}

/// Whether device files of one kind are there and may be opened.
fn devices(name: &str, folder: &str, prefix: &str, group: &str) -> Finding {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| name.starts_with(prefix))
        .collect();
    names.sort();
    if names.is_empty() {
        return Finding::new(
            name,
            State::Good,
            "none plugged in; none is needed for files",
            "",
        );
    }
    let closed: Vec<&String> = names
        .iter()
        .filter(|name| {
            File::options()
                .read(true)
                .write(true)
                .open(Path::new(folder).join(name))
                .is_err()
        })
        .collect();
    if closed.is_empty() {
        return Finding::new(name, State::Good, names.join(", "), "");
    }
    let listed: Vec<&str> = closed.iter().map(|name| name.as_str()).collect();
    Finding::new(
        name,
        State::Warning,
        format!("may not be opened: {}", listed.join(", ")),
        &format!("sudo usermod --append --groups {group} $USER, then log in again"),
    )
}
