//! The verbs on a device at the end of a socket: this program, served.
#![cfg(feature = "device")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Output, Stdio};

use support::{Fixture, code, json, program, refused, semblance, text};

/// The program as a device, until it is dropped.
struct Served {
    child: Child,
    address: String,
    keys: PathBuf,
}

impl Served {
    fn start(fixture: &Fixture) -> Self {
        let (model, store) = (fixture.path("model"), fixture.path("store"));
        let mut child = program()
            .args(["serve", "--model", text(&model), "--store", text(&store)])
            .args(["--listen", "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        output.read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening at ").unwrap();
        Self {
            address: address.to_owned(),
            keys: fixture.path("keys"),
            child,
        }
    }

    /// Asks it, as the host that was there first.
    fn run(&self, arguments: &[&str]) -> Output {
        self.run_as(&self.keys, arguments)
    }

    /// Asks it, as the host of a folder of keys.
    fn run_as(&self, keys: &Path, arguments: &[&str]) -> Output {
        let device = format!("tcp:{}", self.address);
        let mut all = vec![arguments[0], "--device", &device, "--keys", text(keys)];
        all.extend(&arguments[1..]);
        semblance(&all)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn verbs_on_a_device_answer_as_they_do_here() {
    let fixture = Fixture::new();
    let served = Served::start(&fixture);
    for (name, subject) in [("ada", 1), ("grace", 2)] {
        let pictures = [0, 1, 2].map(|sample| fixture.picture(subject, sample));
        let mut arguments = vec!["enroll", "--json", "--subject", name];
        arguments.extend(pictures.iter().map(|path| text(path)));
        // Twice: an enrolment takes the place of an earlier one.
        for _ in 0..2 {
            let enrolled = served.run(&arguments);
            assert_eq!((code(&enrolled), &json(&enrolled)["shots"]), (0, &3.into()));
        }
        assert_eq!(json(&served.run(&arguments))["device"], "linux");
    }
    let (own, stranger) = (fixture.picture(1, 3), fixture.picture(9, 0));
    for picture in [&own, &stranger] {
        let verify = ["verify", "--json", "--subject", "ada", text(picture)];
        let (there, here) = (served.run(&verify), fixture.run(&verify));
        assert_eq!(code(&there), code(&here));
        for key in ["verdict", "distance", "threshold", "subject", "model_id"] {
            assert_eq!(json(&there)[key], json(&here)[key], "{key}");
        }
        let identify = ["identify", "--json", text(picture)];
        let (there, here) = (served.run(&identify), fixture.run(&identify));
        assert_eq!(code(&there), code(&here));
        for key in ["verdict", "distance"] {
            assert_eq!(json(&there)[key], json(&here)[key], "{key}");
        }
    }
    let names = |output: &Output| -> Vec<String> {
        let list = json(output)["subjects"].as_array().cloned().unwrap();
        let name = |entry: &serde_json::Value| entry["subject"].as_str().unwrap().to_owned();
        list.iter().map(name).collect()
    };
    assert_eq!(names(&served.run(&["list", "--json"])), ["ada", "grace"]);
    assert_eq!(names(&fixture.run(&["list", "--json"])), ["ada", "grace"]);
    let remove = ["remove", "--subject", "ada"];
    assert_eq!(code(&served.run(&remove)), 0);
    assert_eq!(code(&served.run(&remove)), 1);
    assert_eq!(names(&fixture.run(&["list", "--json"])), ["grace"]);
    let tested = served.run(&["self-test", "--json"]);
    assert_eq!(
        (code(&tested), &json(&tested)["passed"]),
        (0, &json(&tested)["total"])
    );
    // In words, too.
    let listed = served.run(&["list"]);
    assert_eq!(listed.stdout, b"grace  3 samples\n");
}

#[test]
fn the_first_host_owns_a_device_and_says_who_else_does() {
    let fixture = Fixture::new();
    let served = Served::start(&fixture);
    let picture = fixture.picture(1, 0);
    let enroll = ["enroll", "--subject", "ada", text(&picture)];
    let errors = |output: &Output| String::from_utf8_lossy(&output.stderr).into_owned();
    // Once, it is told.
    for told in [true, false] {
        let enrolled = served.run(&enroll);
        assert_eq!(code(&enrolled), 0, "{enrolled:?}");
        assert_eq!(errors(&enrolled).contains("paired with this host"), told);
    }
    // Another host is told verdicts alone.
    let other = fixture.path("other");
    let verify = ["verify", "--json", "--subject", "ada", text(&picture)];
    let verdict = served.run_as(&other, &verify);
    assert_eq!(code(&verdict), 0);
    assert_eq!(json(&verdict)["verdict"], "accept");
    assert_eq!(json(&verdict).get("distance"), None);
    assert!(json(&verdict)["probes"][0]["distance"].is_null());
    let remove = ["remove", "--subject", "ada"];
    for guarded in [&["list"][..], &enroll, &remove, &["pair", "--list"]] {
        refused(&served.run_as(&other, guarded), &["pair --add"]);
    }
    // Until the first one pairs it.
    let pair = ["pair", "--json", "--list"];
    let stranger = served.run_as(&other, &pair[..2]);
    assert_eq!(
        (code(&stranger), &json(&stranger)["paired"]),
        (1, &false.into())
    );
    let key = json(&stranger)["host_key"].as_str().unwrap().to_owned();
    assert_eq!(code(&served.run(&["pair", "--add", &key])), 0);
    assert_eq!(code(&served.run_as(&other, &["list"])), 0);
    let hosts = json(&served.run(&pair))["hosts"].clone();
    assert_eq!(hosts.as_array().unwrap().len(), 2);
    assert_eq!(hosts[1], key.as_str());

    // A restart changes nothing of that.
    let device = json(&stranger)["device_key"].clone();
    let keys = served.keys.clone();
    drop(served);
    let served = Served::start(&fixture);
    for keys in [&keys, &other] {
        let paired = served.run_as(keys, &pair);
        assert_eq!((code(&paired), &json(&paired)["hosts"]), (0, &hosts));
        assert_eq!(json(&paired)["device_key"], device);
    }
    assert_eq!(code(&served.run(&["pair", "--drop", &key])), 0);
    refused(&served.run_as(&other, &["list"]), &["pair --add"]);
    refused(&served.run(&["pair", "--drop", &key]), &["pair --list"]);
    refused(&served.run(&["pair", "--add", "abc"]), &["64 hexadecimal"]);
}

#[test]
fn a_device_that_goes_by_another_key_is_not_obeyed() {
    let fixture = Fixture::new();
    let served = Served::start(&fixture);
    assert_eq!(code(&served.run(&["list"])), 0);
    let known = served.keys.join("known-devices");
    let line = std::fs::read_to_string(&known).unwrap();
    let (address, key) = line.trim().rsplit_once(' ').unwrap();
    assert_eq!(address, format!("tcp:{}", served.address));
    std::fs::write(&known, format!("{address} {}\n", "7".repeat(64))).unwrap();
    refused(&served.run(&["list"]), &[key, "--forget"]);
    for forgotten in [0, 1] {
        assert_eq!(code(&served.run(&["pair", "--forget"])), forgotten);
    }
    assert_eq!(code(&served.run(&["list"])), 0);
}

#[test]
fn noise_and_broken_lines_leave_the_next_host_alone() {
    let fixture = Fixture::new();
    let served = Served::start(&fixture);
    for garbage in [&b"\x00\x00abc\x00\xff\xff\xff\x00"[..], &[7; 9000], b""] {
        let mut stream = TcpStream::connect(&served.address).unwrap();
        stream.write_all(garbage).unwrap();
    }
    assert_eq!(code(&served.run(&["list"])), 0);
}

#[test]
fn what_is_asked_wrongly_is_told() {
    let fixture = Fixture::new();
    let served = Served::start(&fixture);
    let picture = fixture.picture(1, 0);
    let nobody = ["verify", "--subject", "nobody", text(&picture)];
    refused(&served.run(&nobody), &["nobody", "enrol"]);
    let long = "x".repeat(33);
    let enroll = ["enroll", "--subject", &long, text(&picture)];
    refused(&served.run(&enroll), &["32 bytes"]);
    let stored = ["list", "--store", "elsewhere"];
    refused(&served.run(&stored), &["--store", "--device"]);
    refused(
        &semblance(&["list", "--device", "carrier:pigeon"]),
        &["tcp:HOST:PORT"],
    );
    refused(
        &semblance(&["list", "--device", "tcp:127.0.0.1:1"]),
        &["listens there"],
    );
    refused(
        &semblance(&["list", "--device", "qemu:toaster"]),
        &["qemu-riscv-virt"],
    );
    refused(&semblance(&["list"]), &["--model", "--device"]);
}

/// A real board is written by the program of its debug probe, which is played here by a script
/// that notes what it is asked and keeps what it is given.
#[cfg(unix)]
#[test]
fn a_real_board_is_written_by_its_programmer() {
    use std::os::unix::fs::PermissionsExt;

    let fixture = Fixture::new();
    let model = fixture.path("model");
    let folder = fixture.path("firmware");
    let firmware = folder.join("thumbv7em-none-eabihf/release/nrf52840-dk");
    let tools = fixture.path("tools");
    std::fs::create_dir_all(firmware.parent().unwrap()).unwrap();
    std::fs::create_dir_all(&tools).unwrap();
    let script = "#!/bin/sh\necho \"$*\" >> \"$(dirname \"$0\")/asked\"\n\
        for last; do :; done\ncase \"$last\" in *.bin) cp \"$last\" \"$(dirname \"$0\")/slots\";; esac\n";
    let probe = tools.join("probe-rs");
    std::fs::write(&probe, script).unwrap();
    std::fs::set_permissions(&probe, std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = std::env::var("PATH").unwrap();
    let flash = |board: &str| {
        program()
            .args(["flash", "--json", "--board", board, "--model", text(&model)])
            .env("SEMBLANCE_FIRMWARE", &folder)
            .env("PATH", format!("{}:{path}", tools.display()))
            .output()
            .unwrap()
    };
    // There is no firmware yet.
    let missing = flash("nrf52840-dk");
    assert_eq!(code(&missing), 2);
    assert!(String::from_utf8_lossy(&missing.stderr).contains("cargo build --release"));
    std::fs::write(&firmware, "firmware").unwrap();
    let done = flash("nrf52840-dk");
    assert_eq!(code(&done), 0, "{done:?}");
    assert_eq!(json(&done)["needs"][1]["room"], 128 * 1024);

    let asked = std::fs::read_to_string(tools.join("asked")).unwrap();
    let asked: Vec<&str> = asked.lines().collect();
    let chip = "--chip nRF52840_xxAA";
    assert_eq!(asked.len(), 3);
    assert_eq!(asked[0], format!("download {chip} {}", firmware.display()));
    let models = format!("download {chip} --binary-format bin --base-address 0x30000 ");
    assert!(asked[1].starts_with(&models), "{}", asked[1]);
    assert_eq!(asked[2], format!("reset {chip}"));
    // The model in the first slot, and nothing in the second.
    let slots = std::fs::read(tools.join("slots")).unwrap();
    let artifact = std::fs::read(model.join("model.bin")).unwrap();
    assert_eq!(slots.len(), (2 * 352 + 104 + 8) * 1024);
    let (first, second) = slots.split_at(352 * 1024);
    let trailer = shared::artifact::Trailer::of(first).unwrap();
    assert_eq!(trailer.artifact(first), Some(&artifact[..]));
    assert!(second.iter().all(|&byte| byte == 0xff));

    let unknown = flash("nobody's");
    assert_eq!(code(&unknown), 2);
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("nrf52840-dk"));
}
