//! Rules on what a package may depend on.

use std::collections::BTreeSet;

use toml::{Table, Value};

/// The dependencies that a package may not have, by the manifest's path.
pub(super) fn forbidden_dependencies(path: &str, manifest: &str) -> Vec<String> {
    let manifest: Table = match manifest.parse() {
        Ok(manifest) => manifest,
        Err(error) => return vec![format!("{path}: expected TOML: {error}")],
    };
    dependencies(&manifest)
        .into_iter()
        .filter_map(|name| {
            let why = reason_against(path, &name)?;
            Some(format!("{path}: depends on `{name}`: {why}"))
        })
        .collect()
}

fn reason_against(manifest: &str, dependency: &str) -> Option<&'static str> {
    let libtorch = matches!(dependency, "tch" | "torch-sys");
    let engine = libtorch || dependency == "ort" || dependency.starts_with("tract");
    let ours = matches!(dependency, "edge-runtime" | "host-trainer");
    match manifest {
        "shared/Cargo.toml" if engine || ours => {
            Some("`shared` depends on neither engine nor trainer")
        }
        "edge-runtime/kernels/Cargo.toml" if engine || ours => {
            Some("kernels know only what they compute")
        }
        "edge-runtime/Cargo.toml" if dependency == "host-trainer" => {
            Some("the device knows no trainer")
        }
        // The workspace's manifest only says which version everyone takes.
        "host-trainer/Cargo.toml" | "Cargo.toml" => None,
        _ if libtorch => Some("only `host-trainer` knows libtorch"),
        _ => None,
    }
}

/// The packages that a manifest names, for every target and purpose.
fn dependencies(manifest: &Table) -> BTreeSet<String> {
    let mut names = direct(manifest);
    let targets = manifest.get("target").and_then(Value::as_table);
    for target in targets.into_iter().flat_map(Table::values) {
        names.extend(target.as_table().map(direct).unwrap_or_default());
    }
    names
}

fn direct(table: &Table) -> BTreeSet<String> {
    ["dependencies", "dev-dependencies", "build-dependencies"]
        .iter()
        .filter_map(|kind| table.get(*kind)?.as_table())
        .flat_map(|dependencies| {
            dependencies.iter().map(|(name, detail)| {
                // `name = { package = "another" }`
                let renamed = detail.get("package").and_then(Value::as_str);
                renamed.unwrap_or(name).to_owned()
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TORCH: &str = "[dependencies]\ntch = \"1\"\n";

    #[test]
    fn only_the_trainer_may_know_libtorch() {
        assert!(forbidden_dependencies("host-trainer/Cargo.toml", TORCH).is_empty());
        for package in [
            "shared",
            "edge-runtime",
            "edge-runtime/cli",
            "edge-runtime/kernels",
            "tests",
            "xtask",
        ] {
            let path = format!("{package}/Cargo.toml");
            assert_eq!(forbidden_dependencies(&path, TORCH).len(), 1, "{package}");
        }
    }

    #[test]
    fn shared_may_know_no_engine() {
        for name in ["ort", "tract-onnx", "tract-core", "host-trainer"] {
            let manifest = format!("[dependencies]\n{name}.workspace = true\n");
            assert_eq!(
                forbidden_dependencies("shared/Cargo.toml", &manifest).len(),
                1
            );
        }
        let fine = "[dependencies]\nserde = \"1\"\n";
        assert!(forbidden_dependencies("shared/Cargo.toml", fine).is_empty());
    }

    #[test]
    fn no_table_and_no_other_name_hides_a_dependency() {
        for manifest in [
            "[dev-dependencies]\ntch = \"1\"\n",
            "[build-dependencies]\ntorch-sys = \"1\"\n",
            "[target.'cfg(unix)'.dependencies]\ntch = \"1\"\n",
            "[dependencies]\ntorch = { package = \"tch\", version = \"1\" }\n",
        ] {
            assert_eq!(
                forbidden_dependencies("tests/Cargo.toml", manifest).len(),
                1
            );
        }
    }

    #[test]
    fn a_damaged_manifest_is_told() {
        assert!(forbidden_dependencies("Cargo.toml", "[dependencies")[0].contains("expected TOML"));
    }
}
