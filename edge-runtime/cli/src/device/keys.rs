//! What this machine goes by, and the devices that it knows.

use std::fmt::Write as _;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use edge_runtime::file::{self, ReplaceError};
use edge_runtime::keys::file::{FileKeys, make_folder};
use edge_runtime::link::{self, KeyPair, PublicKey};
use edge_runtime::loader::hex;

use super::Device;

/// The file with the secret of this machine, for devices.
const HOST_KEY: &str = "host.key";

/// The file with a line for each device that was met: where, and what it goes by.
const KNOWN_DEVICES: &str = "known-devices";

/// Longer files are none of ours.
const MAX_LEN: u64 = 1 << 20;

/// A folder of keys, which need not be there yet.
pub(super) struct HostKeys {
    folder: PathBuf,
}

impl HostKeys {
    pub(super) fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// What this machine goes by, of a secret that is made when it is first asked for.
    pub(super) fn host(&self) -> Result<KeyPair> {
        let secrets = FileKeys::open_or_begin(&self.folder.join(HOST_KEY))?;
        link::key_pair(&secrets.current).context("expected a key, found none that keeps a secret")
    }

    /// What the device at an address went by when it was first met.
    pub(super) fn known(&self, device: &Device) -> Result<Option<PublicKey>> {
        let address = device.to_string();
        let devices = self.devices()?;
        let known = devices.into_iter().find(|(known, _)| *known == address);
        Ok(known.map(|(_, key)| key))
    }

    /// Remembers what the device at an address goes by.
    pub(super) fn remember(&self, device: &Device, key: &PublicKey) -> Result<()> {
        let mut devices = self.devices()?;
        devices.push((device.to_string(), *key));
        self.write_devices(&devices)
    }

    /// Forgets the device at an address; whether it was known.
    pub(super) fn forget(&self, device: &Device) -> Result<bool> {
        let mut devices = self.devices()?;
        let (before, address) = (devices.len(), device.to_string());
        devices.retain(|(known, _)| *known != address);
        let was_known = devices.len() < before;
        if was_known {
            self.write_devices(&devices)?;
        }
        Ok(was_known)
    }

    fn devices(&self) -> Result<Vec<(String, PublicKey)>> {
        let path = self.folder.join(KNOWN_DEVICES);
        let text = read(&path)?.unwrap_or_default();
        let line = |line: &str| {
            let (address, hex) = line.rsplit_once(' ')?;
            Some((address.to_owned(), key(hex)?))
        };
        let devices: Option<_> = text.lines().map(line).collect();
        devices.with_context(|| {
            format!(
                "{}: expected lines of an address and a key, found other text: mend or remove it",
                path.display()
            )
        })
    }

    fn write_devices(&self, devices: &[(String, PublicKey)]) -> Result<()> {
        let mut text = String::new();
        for (address, key) in devices {
            writeln!(text, "{address} {}", hex(key))?;
        }
        let path = self.folder.join(KNOWN_DEVICES);
        make_folder(&self.folder)
            .map_err(ReplaceError::Unchanged)
            .and_then(|()| file::replace(&path, text.as_bytes()))
            .map_err(|error| match error {
                ReplaceError::Unchanged(error) | ReplaceError::Unsynced(error) => anyhow!(
                    "{}: expected to write it, found: {error}; name a folder that can be written by --keys",
                    path.display()
                ),
                _ => anyhow!("{}: expected to write it", path.display()),
            })
    }
}

/// The text of a file, if there is one.
fn read(path: &Path) -> Result<Option<String>> {
    match file::read(path, MAX_LEN) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        bytes => {
            let bytes = bytes.with_context(|| path.display().to_string())?;
            Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
        }
    }
}

/// The key that people wrote.
pub(crate) fn key(hex: &str) -> Option<PublicKey> {
    let (digits, []) = hex.as_bytes().as_chunks::<2>() else {
        return None;
    };
    let byte = |digits: &[u8; 2]| {
        let digits = std::str::from_utf8(digits).ok()?;
        // A sign would be read, too.
        let are_digits = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        are_digits.then(|| u8::from_str_radix(digits, 16).ok())?
    };
    let bytes: Option<Vec<u8>> = digits.iter().map(byte).collect();
    bytes?.try_into().ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use std::fs;

    use super::*;

    #[test]
    fn devices_are_remembered_and_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let keys = HostKeys::new(folder.path().join("deep/keys"));
        let devices = [
            Device::Tcp("[::1]:7".into()),
            Device::Serial("/dev/tty with a space".into()),
        ];
        for (device, key) in devices.iter().zip([[3; 32], [0xfe; 32]]) {
            assert_eq!(keys.known(device).unwrap(), None);
            keys.remember(device, &key).unwrap();
            assert_eq!(keys.known(device).unwrap(), Some(key));
        }
        assert!(keys.forget(&devices[0]).unwrap());
        assert!(!keys.forget(&devices[0]).unwrap());
        assert_eq!(keys.known(&devices[0]).unwrap(), None);
        assert_eq!(keys.known(&devices[1]).unwrap(), Some([0xfe; 32]));
        fs::write(keys.folder.join(KNOWN_DEVICES), "tcp:a:1 zz\n").unwrap();
        assert!(keys.known(&devices[0]).is_err());
    }

    #[test]
    fn a_machine_keeps_what_it_goes_by() {
        let folder = tempfile::tempdir().unwrap();
        let keys = HostKeys::new(folder.path().into());
        let first = *keys.host().unwrap().public();
        assert_eq!(keys.host().unwrap().public(), &first);
        let path = folder.path().join(HOST_KEY);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        fs::write(&path, "+1").unwrap();
        assert!(keys.host().is_err());
    }

    #[test]
    fn keys_are_written_as_they_are_read() {
        let pair: PublicKey = std::array::from_fn(|index| 255 - 7 * index as u8);
        assert_eq!(key(&hex(&pair)), Some(pair));
        for wrong in ["", "00", &"0".repeat(63), &"0".repeat(66), &"+1".repeat(32)] {
            assert_eq!(key(wrong), None, "{wrong}");
        }
    }
}
