//! Who this machine is when it is a device, and whom it obeys, in a file.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use edge_runtime::file;
use edge_runtime::link::{HostSet, Hosts, Identity, KEY_LEN, KeyPair, PublicKey};
use shared::wire::Refusal;

use super::keys::{hex, key, random_key, read, replace};

/// Hosts in a file: a line with the device's secret, and one for each of them.
pub(super) struct FileHosts {
    path: PathBuf,
    secret: [u8; KEY_LEN],
    hosts: HostSet,
}

/// What is kept beside a store, made where there is nothing.
pub(super) fn beside(store: &Path) -> Result<Identity<FileHosts>> {
    let path = file::sibling(&file::follow_links(store), ".hosts");
    let found = match read(&path)? {
        Some(text) => parse(&text),
        None => {
            let secret = random_key()?;
            replace(&path, &format!("{}\n", hex(&secret)))?;
            Some((secret, HostSet::new()))
        }
    };
    let identity = found.and_then(|(secret, hosts)| {
        let keys = Ok(KeyPair::new(secret).ok()?);
        let hosts = FileHosts {
            path: path.clone(),
            secret,
            hosts,
        };
        Some(Identity { keys, hosts })
    });
    identity.with_context(|| {
        format!(
            "{}: expected lines with keys, found other text: restore it, or remove it and pair anew",
            path.display()
        )
    })
}

fn parse(text: &str) -> Option<([u8; KEY_LEN], HostSet)> {
    let mut keys = text.lines().map(key);
    let secret = keys.next()??;
    let mut hosts = HostSet::new();
    for key in keys {
        hosts.add(&key?).ok()?;
    }
    Some((secret, hosts))
}

impl FileHosts {
    fn keep(&mut self, hosts: HostSet) -> Result<(), Refusal> {
        let keys = [&self.secret].into_iter().chain(hosts.keys());
        let text: String = keys.map(|key| hex(key) + "\n").collect();
        replace(&self.path, &text).map_err(|_| Refusal::Store)?;
        self.hosts = hosts;
        Ok(())
    }
}

impl Hosts for FileHosts {
    fn get(&self, index: usize) -> Option<&PublicKey> {
        self.hosts.get(index)
    }

    fn add(&mut self, key: &PublicKey) -> Result<(), Refusal> {
        let mut hosts = self.hosts.clone();
        hosts.add(key)?;
        self.keep(hosts)
    }

    fn remove(&mut self, key: &PublicKey) -> Result<(), Refusal> {
        let mut hosts = self.hosts.clone();
        hosts.remove(key)?;
        self.keep(hosts)
    }
}
