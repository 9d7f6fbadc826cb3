//! Debian's packages: installed, or only downloaded.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, ensure};

use super::debian_toolchain::entries;
use crate::process;
use crate::workspace::Workspace;

/// Installs packages, from the archive's `release` if one is named.
pub(super) fn install(
    workspace: &Workspace,
    packages: &[&str],
    release: Option<&str>,
) -> Result<()> {
    eprintln!("installing it by apt, which says below how large it is");
    process::run(process::command(workspace, "apt-get").args(["--quiet", "update"]))?;
    let mut install = process::command(workspace, "apt-get");
    install.args(["install", "--yes", "--no-install-recommends"]);
    if let Some(release) = release {
        install.args(["--target-release", release]);
    }
    process::run(
        install
            .args(packages)
            .env("DEBIAN_FRONTEND", "noninteractive"),
    )
}

/// Whether packages can be installed here.
pub(super) fn ensure_can_install(packages: &[&str]) -> Result<()> {
    let packages = packages.join(" ");
    ensure!(
        process::ask(Command::new("apt-get").arg("--version")).is_some(),
        "`apt-get` is missing: install {packages} by your system's own means"
    );
    ensure!(
        process::ask(Command::new("id").arg("-u")).is_some_and(|id| id.trim() == "0"),
        "installing {packages} needs root: run `sudo apt-get install {packages}`"
    );
    Ok(())
}

/// Apt with lists of its own, so that it needs no rights and changes nothing.
pub(super) struct Apt<'a> {
    workspace: &'a Workspace,
    work: &'a Path,
    /// A foreign architecture whose packages it knows too.
    foreign: Option<&'a str>,
}

impl<'a> Apt<'a> {
    /// Reads the packages of this machine's architecture and of a `foreign` one.
    pub(super) fn new(
        workspace: &'a Workspace,
        work: &'a Path,
        foreign: Option<&'a str>,
    ) -> Result<Self> {
        for (program, package) in [("apt-get", "apt"), ("dpkg-deb", "dpkg")] {
            ensure!(
                process::ask(Command::new(program).arg("--version")).is_some(),
                "`{program}` (package {package}) is missing: this way is for Debian. Elsewhere let rustup download: `rustup target add` and the target's name"
            );
        }
        fs::create_dir_all(work.join("lists/partial"))?;
        let apt = Self {
            workspace,
            work,
            foreign,
        };
        process::run(apt.command("apt-get").args(["--quiet", "update"]))?;
        Ok(apt)
    }

    fn command(&self, program: &str) -> Command {
        let mut command = process::command(self.workspace, program);
        let folder = |option: &str, name: &str| {
            format!("--option={option}={}", self.work.join(name).display())
        };
        command
            .arg(folder("Dir::State::lists", "lists"))
            .arg(folder("Dir::Cache", "apt"))
            .arg("--option=Dir::Cache::pkgcache=")
            .arg("--option=Dir::Cache::srcpkgcache=")
            // Its download user may not write into our folder.
            .arg("--option=APT::Sandbox::User=root")
            // What graphical package managers show; of no use here.
            .arg("--option=Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false")
            // A fault of the network is for the user to see, in his own words.
            .env("LC_ALL", "C");
        if let Some(foreign) = self.foreign {
            let mut dpkg = Command::new("dpkg");
            let own = process::ask(dpkg.arg("--print-architecture")).unwrap_or_default();
            for architecture in [own.trim(), foreign] {
                command.arg(format!("--option=APT::Architectures::={architecture}"));
            }
        }
        command
    }

    /// A field of the package's current version.
    pub(super) fn field(&self, package: &str, field: &str) -> Option<String> {
        let mut show = self.command("apt-cache");
        let record = process::ask(show.args(["show", "--no-all-versions", package]))?;
        field_of(&record, field)
    }

    /// The packages to install for `package` to work, itself among them, that
    /// this machine does not have.
    pub(super) fn missing(&self, package: &str) -> Result<Vec<String>> {
        let mut simulate = self.command("apt-get");
        simulate.args(["--simulate", "--no-install-recommends", "install", package]);
        Ok(installed_by(&process::output(&mut simulate)?))
    }

    /// Downloads packages; returns their files.
    pub(super) fn download(&self, packages: &[String]) -> Result<Vec<PathBuf>> {
        let folder = self.work.join("packages").join(&packages[0]);
        fs::create_dir_all(&folder)?;
        let mut download = self.command("apt-get");
        download.args(["--quiet", "download"]).args(packages);
        process::run(download.current_dir(&folder))?;
        entries(&folder)
    }

    /// Downloads packages and unpacks them into `folder`.
    pub(super) fn unpack(&self, packages: &[String], folder: &Path) -> Result<()> {
        fs::create_dir_all(folder)?;
        for package in self.download(packages)? {
            let mut dpkg = Command::new("dpkg-deb");
            process::run(dpkg.arg("--extract").arg(package).arg(folder))?;
        }
        Ok(())
    }
}

/// The value of `Field: value` in a package's record.
pub(super) fn field_of(record: &str, field: &str) -> Option<String> {
    let value = record
        .lines()
        .find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))?;
    Some(value.trim().to_owned())
}

/// The packages that a simulated installation would install.
fn installed_by(simulation: &str) -> Vec<String> {
    simulation
        .lines()
        .filter_map(|line| line.strip_prefix("Inst ")?.split_whitespace().next())
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn apts_answers_are_read() {
        let record = "Package: rustc-web\nVersion: 1.96.0+dfsg1-1\n";
        assert_eq!(
            field_of(record, "Version").as_deref(),
            Some("1.96.0+dfsg1-1")
        );
        assert_eq!(field_of(record, "Vers"), None);

        let simulation = "Reading...\nInst libz3-4 (4.8 Debian [amd64])\nInst libllvm22 (1 Debian)\nConf libz3-4 (4.8)\n";
        assert_eq!(installed_by(simulation), ["libz3-4", "libllvm22"]);
    }
}
