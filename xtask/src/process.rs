//! Runs other programs: says which, and fails with clear words.

use std::env;
use std::ffi::OsStr;
use std::io::ErrorKind;
use std::process::{Command, ExitStatus, Stdio};

use anyhow::{Context, Error, Result, anyhow, ensure};

use crate::workspace::Workspace;

/// A command that starts in the repository's root.
pub(crate) fn command(workspace: &Workspace, program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.current_dir(&workspace.root);
    command
}

/// `cargo` as a user would call it, in the repository's root.
///
/// The cargo that started this program has told it about xtask's own package,
/// which must not reach the inner one.
pub(crate) fn cargo(workspace: &Workspace) -> Command {
    let mut cargo = command(workspace, "cargo");
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(describes_a_package) {
            cargo.env_remove(name);
        }
    }
    cargo
}

/// `cargo +TOOLCHAIN`.
pub(crate) fn cargo_of(workspace: &Workspace, toolchain: &str) -> Command {
    let mut cargo = cargo(workspace);
    cargo
        .arg(format!("+{toolchain}"))
        .env_remove("RUSTUP_TOOLCHAIN");
    cargo
}

/// Whether cargo sets this variable for the program it runs.
fn describes_a_package(name: &str) -> bool {
    matches!(
        name,
        "CARGO" | "CARGO_BIN_NAME" | "CARGO_CRATE_NAME" | "CARGO_PRIMARY_PACKAGE" | "OUT_DIR"
    ) || name.starts_with("CARGO_PKG_")
        || name.starts_with("CARGO_MANIFEST_")
}

/// Prints the command and runs it, its output going where ours goes.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    announce(command);
    let status = command
        .status()
        .map_err(|error| cannot_start(command, error))?;
    check(command, status)
}

/// Prints the command, runs it, and returns what it wrote to standard output.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    output_unless(command, |code| code != 0)
}

/// The same for a program that says something by its exit code: only a code which
/// `failed` is told to be one counts as a failure.
pub(crate) fn output_unless(command: &mut Command, failed: impl Fn(i32) -> bool) -> Result<String> {
    announce(command);
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| cannot_start(command, error))?;
    if output.status.code().is_none_or(failed) {
        check(command, output.status)?;
    }
    String::from_utf8(output.stdout)
        .with_context(|| format!("`{}` printed something else than text", line(command)))
}

/// Asks a program something without a word: what it wrote to standard output, or
/// nothing when it is not there or fails.
pub(crate) fn ask(command: &mut Command) -> Option<String> {
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    if !output.status.success() {
        return None;
    }
    String::from_utf8(output.stdout).ok()
}

/// Prints two commands and runs them, the first one's output going into the second.
pub(crate) fn pipe(from: &mut Command, into: &mut Command) -> Result<()> {
    eprintln!("$ {} | {}", typed(from), typed(into));
    let mut first = from
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| cannot_start(from, error))?;
    let stream = first.stdout.take().context("no pipe to read from")?;
    let second = into.stdin(stream).status();
    let first = first.wait().context("the first command of a pipe")?;
    check(into, second.map_err(|error| cannot_start(into, error))?)?;
    check(from, first)
}

/// Prints the command line.
pub(crate) fn announce(command: &Command) {
    eprintln!("$ {}", typed(command));
}

fn check(command: &Command, status: ExitStatus) -> Result<()> {
    ensure!(
        status.success(),
        "`{}` failed ({status}); what it said stands above",
        shortened(&line(command))
    );
    Ok(())
}

fn cannot_start(command: &Command, error: std::io::Error) -> Error {
    let program = command.get_program().display();
    if error.kind() == ErrorKind::NotFound {
        anyhow!("`{program}` is not installed or not on PATH")
    } else {
        anyhow!(error).context(format!("cannot start `{program}`"))
    }
}

/// The command as one would type it, without the variables it inherits.
fn typed(command: &Command) -> String {
    let set = command
        .get_envs()
        .filter_map(|(name, value)| Some(format!("{}={} ", name.display(), quoted(value?))));
    set.chain([line(command)]).collect()
}

/// Its program and arguments.
fn line(command: &Command) -> String {
    let words = core::iter::once(command.get_program()).chain(command.get_args());
    words.map(quoted).collect::<Vec<_>>().join(" ")
}

/// The start of a command line that was printed in full before.
fn shortened(line: &str) -> String {
    match line.char_indices().nth(100) {
        Some((end, _)) => format!("{}...", &line[..end]),
        None => line.to_owned(),
    }
}

fn quoted(word: &OsStr) -> String {
    let word = word.to_string_lossy();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./=+:,@%~".contains(&byte);
    if !word.is_empty() && word.bytes().all(plain) {
        word.into_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    #[test]
    fn a_command_is_printed_as_one_would_type_it() {
        let mut command = Command::new("python3");
        command.args(["-c", "print('a b')"]).env("TMPDIR", "/x");
        assert_eq!(
            typed(&command),
            r"TMPDIR=/x python3 -c 'print('\''a b'\'')'"
        );
    }

    #[test]
    fn variables_of_the_outer_package_are_told_from_settings() {
        for name in ["CARGO", "CARGO_PKG_NAME", "CARGO_MANIFEST_DIR", "OUT_DIR"] {
            assert!(describes_a_package(name), "{name}");
        }
        for name in ["CARGO_HOME", "CARGO_TARGET_DIR", "CARGO_TERM_COLOR"] {
            assert!(!describes_a_package(name), "{name}");
        }
    }

    #[test]
    fn failures_name_the_command_and_its_status() {
        let failed = run(Command::new("sh").args(["-c", "exit 3"])).unwrap_err();
        let words = failed.to_string();
        assert!(words.contains("sh -c 'exit 3'"), "{words}");
        assert!(words.contains("exit status: 3"), "{words}");

        let absent = run(&mut Command::new("no-such-program")).unwrap_err();
        assert!(
            absent
                .to_string()
                .contains("`no-such-program` is not installed")
        );
    }

    #[test]
    fn a_code_that_says_something_is_no_failure() {
        let shell = |code: i32| {
            let mut shell = Command::new("sh");
            shell.args(["-c", &format!("echo said; exit {code}")]);
            shell
        };
        let failed = |code| code > 1;
        assert_eq!(output_unless(&mut shell(1), failed).unwrap(), "said\n");
        assert!(output_unless(&mut shell(2), failed).is_err());
        assert!(output(&mut shell(1)).is_err());
        let killed = output_unless(Command::new("sh").args(["-c", "kill $$"]), failed);
        assert!(killed.is_err());
    }

    #[test]
    fn a_pipe_fails_when_either_side_does() {
        let shell = |script: &str| {
            let mut shell = Command::new("sh");
            shell.args(["-c", script]);
            shell
        };
        assert!(pipe(&mut shell("echo x"), &mut shell("grep -q x")).is_ok());
        assert!(pipe(&mut shell("echo x; exit 1"), &mut shell("cat >/dev/null")).is_err());
        assert!(pipe(&mut shell("echo x"), &mut shell("cat >/dev/null; exit 1")).is_err());
    }
}
