//! `--set training.loss.margin=0.3`: any entry of a configuration, by its path.

use anyhow::{Context, Result, bail, ensure};
use serde::Serialize;
use serde::de::DeserializeOwned;
use toml::{Table, Value};

use super::RunConfig;

/// What a data set says of itself, which is no setting.
const OF_THE_DATA: [&str; 3] = ["dataset", "terms", "split_sha256"];

impl RunConfig {
    /// The `--set` flags that make any configuration for the same data this one, quoted
    /// for a shell.
    ///
    /// # Errors
    /// When a value cannot be written as TOML.
    pub fn settings(&self) -> Result<Vec<String>> {
        let table = Table::try_from(self)?;
        let settings = table
            .iter()
            .filter(|(key, _)| !OF_THE_DATA.contains(&key.as_str()));
        Ok(settings
            .map(|(key, value)| format!("--set '{key}={value}'"))
            .collect())
    }

    /// A copy in which each `path=value` holds; a value is written as in TOML, text
    /// without quotes is taken as text.
    ///
    /// # Errors
    /// When a path names nothing that configurations have, or a value is of another kind.
    pub fn with(&self, settings: &[String]) -> Result<Self> {
        with(self, settings)
    }
}

/// A copy of a configuration in which each `path=value` holds.
///
/// # Errors
/// As [`RunConfig::with`].
pub fn with<C: Serialize + DeserializeOwned>(config: &C, settings: &[String]) -> Result<C> {
    let before = Table::try_from(config)?;
    let mut table = before.clone();
    for setting in settings {
        let (path, value) = setting.split_once('=').with_context(|| {
            format!("expected KEY=VALUE such as training.epochs=20, found {setting:?}")
        })?;
        set(&mut table, path.trim(), value.trim())?;
    }
    let names = settings.join(" ");
    let config: C = table
        .try_into()
        .with_context(|| format!("expected settings that a configuration has, found {names:?}"))?;
    // What was not read back was a name that nothing has.
    let kept = Table::try_from(&config)?;
    for setting in settings {
        let path = setting.split_once('=').map_or("", |(path, _)| path.trim());
        ensure!(
            lookup(&kept, path).is_some() || lookup(&before, path).is_some(),
            "expected a setting of run.toml, found {path:?}: `host-trainer train --help` and a run's run.toml name them"
        );
    }
    Ok(config)
}

fn lookup<'a>(table: &'a Table, path: &str) -> Option<&'a Value> {
    let (head, rest) = match path.split_once('.') {
        Some((head, rest)) => (head, Some(rest)),
        None => (path, None),
    };
    let value = table.get(head)?;
    match rest {
        Some(rest) => lookup(value.as_table()?, rest),
        None => Some(value),
    }
}

fn set(table: &mut Table, path: &str, value: &str) -> Result<()> {
    match path.split_once('.') {
        Some((head, rest)) => match table.get_mut(head) {
            Some(Value::Table(inner)) => set(inner, rest, value),
            _ => bail!("expected a table of run.toml, found {head:?} in --set {path}={value}"),
        },
        None => {
            table.insert(path.into(), parse(value, table.get(path)));
            Ok(())
        }
    }
}

/// A value as TOML writes it; whole numbers stand for real ones where the entry is real.
fn parse(text: &str, before: Option<&Value>) -> Value {
    let parsed = format!("value = {text}").parse::<Table>();
    let value = parsed.ok().and_then(|mut table| table.remove("value"));
    match (value, before) {
        (Some(Value::Integer(whole)), Some(Value::Float(_))) => Value::Float(whole as f64),
        (Some(value), _) => value,
        (None, _) => Value::String(text.into()),
    }
}
