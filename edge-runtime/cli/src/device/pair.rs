//! Which hosts a device obeys.

use std::io::Write;

use anyhow::{Result, bail};
use edge_runtime::link::PublicKey;
use edge_runtime::loader::hex;
use edge_runtime::loader::read_public_key;
use serde_json::json;
use shared::wire::{Request, Response};

use super::answers::words;
use super::keys::HostKeys;
use super::remote::Connected;
use crate::Outcome;
use crate::arguments::Pair;

pub(crate) fn run(arguments: &Pair, out: &mut impl Write) -> Result<Outcome> {
    if arguments.forget {
        return forget(arguments, out);
    }
    let mut device = Connected::new(&arguments.device, &arguments.keys)?;
    let trusted = arguments
        .trust
        .as_deref()
        .map(read_public_key)
        .transpose()?;
    let change = match (&arguments.add, &arguments.drop, &trusted) {
        (Some(key), _, _) => Some(Request::PairHost { key }),
        (_, Some(key), _) => Some(Request::UnpairHost { key }),
        (_, _, Some(key)) => Some(Request::Trust { key: &key.0 }),
        _ => None,
    };
    if let Some(change) = change {
        match device.ask(&change)? {
            Response::Done => {}
            other => bail!("expected a change, found {}", words(&other)),
        }
    }
    let hosts = match arguments.list {
        true => Some(hosts(&mut device)?),
        false => None,
    };
    let (this, its) = (hex(&device.host), hex(&device.key));
    if arguments.json {
        let mut paired = json!({
            "device": device.board,
            "device_key": its,
            "host_key": this,
            "paired": device.is_paired,
        });
        if let Some(hosts) = &hosts {
            paired["hosts"] = hosts.iter().map(|key| hex(key)).collect();
        }
        writeln!(out, "{paired}")?;
    } else {
        let is = if device.is_paired { "is" } else { "is not" };
        writeln!(out, "{} goes by {its}", device.board)?;
        writeln!(out, "this host goes by {this}, and {is} paired with it")?;
        for host in hosts.iter().flatten() {
            writeln!(out, "paired  {}", hex(host))?;
        }
    }
    Ok(match device.is_paired {
        true => Outcome::Yes,
        false => Outcome::No,
    })
}

/// Forgets what the device went by, so that another key is taken.
fn forget(arguments: &Pair, out: &mut impl Write) -> Result<Outcome> {
    let forgotten = HostKeys::new(arguments.keys.folder()?).forget(&arguments.device)?;
    let address = arguments.device.to_string();
    if arguments.json {
        let answer = json!({"address": address, "forgotten": forgotten});
        writeln!(out, "{answer}")?;
    } else {
        let what = if forgotten { "forgotten" } else { "not known" };
        writeln!(out, "{address}: {what}")?;
    }
    Ok(match forgotten {
        true => Outcome::Yes,
        false => Outcome::No,
    })
}

fn hosts(device: &mut Connected) -> Result<Vec<PublicKey>> {
    let mut hosts = vec![];
    for index in 0..=u16::MAX {
        match device.ask(&Request::ListHosts { index })? {
            Response::Host { key: Some(key) } => hosts.push(key.try_into()?),
            Response::Host { key: None } => break,
            other => bail!("expected a host, found {}", words(&other)),
        }
    }
    Ok(hosts)
}
