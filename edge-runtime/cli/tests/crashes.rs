//! A store outlives killed writers, writers at once, and a full disk.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use support::{Fixture, code, json, program, refused, text};

fn enrolled(fixture: &Fixture) -> BTreeSet<String> {
    let list = json(&fixture.run(&["list", "--json"]));
    let subjects = list["subjects"].as_array().unwrap().iter();
    subjects
        .map(|subject| subject["subject"].as_str().unwrap().to_owned())
        .collect()
}

/// Killed with SIGKILL at a hundred moments, early and late: every enrolment that was
/// acknowledged is there, the others wholly or not at all, and the next goes well.
#[test]
fn killed_writers_lose_nothing() {
    let fixture = Fixture::new();
    let picture = fixture.picture(1, 0);
    let (model, store) = (fixture.path("model"), fixture.path("store"));
    let mut acknowledged = BTreeSet::new();
    let (mut killed, mut finished) = (0, 0);
    for moment in 0..100u64 {
        let name = format!("subject {moment}");
        let mut writer = program()
            .args(["enroll", "--model", text(&model), "--store", text(&store)])
            .args(["--subject", &name, text(&picture)])
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        thread::sleep(Duration::from_micros(150 * moment));
        writer.kill().unwrap();
        if writer.wait().unwrap().success() {
            acknowledged.insert(name);
            finished += 1;
        } else {
            killed += 1;
        }
        let found = enrolled(&fixture);
        assert!(
            found.is_superset(&acknowledged),
            "{found:?} {acknowledged:?}"
        );
    }
    assert!(killed > 0, "{killed} killed, {finished} finished");
    assert_eq!(code(&fixture.enroll("the last", 2)), 0);
    assert!(enrolled(&fixture).contains("the last"));
}

#[test]
fn writers_at_once_lose_nothing() {
    let fixture = Fixture::new();
    let picture = fixture.picture(1, 0);
    thread::scope(|scope| {
        for writer in 0..6 {
            let (fixture, picture) = (&fixture, &picture);
            scope.spawn(move || {
                for number in 0..5 {
                    let name = format!("{writer} {number}");
                    let arguments = ["enroll", "--subject", &name, text(picture)];
                    assert_eq!(code(&fixture.run(&arguments)), 0);
                }
            });
        }
    });
    assert_eq!(enrolled(&fixture).len(), 30);
}

/// Somebody who holds the lock and does not let go is named, and nobody waits for ever.
#[test]
fn a_stuck_lock_is_told() {
    let fixture = Fixture::new();
    fixture.enroll("ada", 1);
    let before = fixture.store();
    let lock = fs::File::open(fixture.path("store.lock")).unwrap();
    lock.lock().unwrap();
    let removal = fixture.run(&["remove", "--subject", "ada"]);
    refused(&removal, &["store.lock", "end it and try again"]);
    assert_eq!(fixture.store(), before);
    drop(lock);
    assert_eq!(code(&fixture.run(&["remove", "--subject", "ada"])), 0);
}

/// Runs a program; whether it succeeded.
fn does(program: &str, arguments: &[&str]) -> bool {
    let status = Command::new(program)
        .args(arguments)
        .stderr(Stdio::null())
        .status();
    status.is_ok_and(|status| status.success())
}

/// A small file system of its own, or `None` where this user may not mount one.
struct Mount<'a>(&'a Path);

impl<'a> Mount<'a> {
    fn new(place: &'a Path, options: &str) -> Option<Self> {
        fs::create_dir_all(place).unwrap();
        does(
            "mount",
            &["-t", "tmpfs", "-o", options, "tmpfs", text(place)],
        )
        .then_some(Self(place))
    }
}

impl Drop for Mount<'_> {
    fn drop(&mut self) {
        does("umount", &[text(self.0)]);
    }
}

#[test]
fn a_full_disk_leaves_the_store_as_it_was() {
    let fixture = Fixture::new();
    let disk = fixture.path("disk");
    let Some(_mount) = Mount::new(&disk, "size=16k") else {
        eprintln!(
            "SKIPPED a_full_disk_leaves_the_store_as_it_was: this user may not mount a tmpfs"
        );
        return;
    };
    let picture = fixture.picture(1, 0);
    let enroll = |name: &str| {
        fixture.on(
            "model",
            "disk/store",
            &["enroll", "--subject", name, text(&picture)],
        )
    };
    assert_eq!(code(&enroll("ada")), 0);
    // All but a little room is taken.
    let filling = fs::write(disk.join("filler"), vec![0; 16 << 10]);
    assert!(filling.is_err());
    let before = fs::read(disk.join("store")).unwrap();
    let mut refusals = 0;
    for number in 0..3 {
        refused(
            &enroll(&format!("subject {number}")),
            &["disk/store", "No space left", "make room"],
        );
        refusals += 1;
        assert_eq!(fs::read(disk.join("store")).unwrap(), before);
    }
    assert_eq!(refusals, 3);
    fs::remove_file(disk.join("filler")).unwrap();
    assert_eq!(code(&enroll("grace")), 0);
}

#[test]
fn a_read_only_disk_is_told() {
    let fixture = Fixture::new();
    let disk = fixture.path("disk");
    let Some(_mount) = Mount::new(&disk, "size=64k") else {
        eprintln!("SKIPPED a_read_only_disk_is_told: this user may not mount a tmpfs");
        return;
    };
    let picture = fixture.picture(1, 0);
    let run = |arguments: &[&str]| fixture.on("model", "disk/store", arguments);
    assert_eq!(
        code(&run(&["enroll", "--subject", "ada", text(&picture)])),
        0
    );
    assert!(does("mount", &["-o", "remount,ro", text(&disk)]));
    let before = fs::read(disk.join("store")).unwrap();
    let refusal = run(&["enroll", "--subject", "eve", text(&picture)]);
    refused(&refusal, &["Read-only", "write permission"]);
    assert_eq!(fs::read(disk.join("store")).unwrap(), before);
    // Reading needs no permission to write.
    assert_eq!(
        code(&run(&["verify", "--subject", "ada", text(&picture)])),
        0
    );
}
