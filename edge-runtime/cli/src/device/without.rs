//! What a program that was built without devices says of them.

use std::io::Write;

use anyhow::{Result, bail};

use crate::Outcome;
use crate::arguments::{Enroll, Identify, List, Remove, SelfTest, Verify};

fn refuse() -> Result<Outcome> {
    bail!(
        "expected a build with devices, found one without: use --device local, or build with `--features device`"
    )
}

pub(crate) fn enroll(_: &Enroll, _: &mut impl Write) -> Result<Outcome> {
    refuse()
}

pub(crate) fn verify(_: &Verify, _: &mut impl Write) -> Result<Outcome> {
    refuse()
}

pub(crate) fn identify(_: &Identify, _: &mut impl Write) -> Result<Outcome> {
    refuse()
}

pub(crate) fn list(_: &List, _: &mut impl Write) -> Result<Outcome> {
    refuse()
}

pub(crate) fn remove(_: &Remove, _: &mut impl Write) -> Result<Outcome> {
    refuse()
}

pub(crate) fn self_test(_: &SelfTest, _: &mut impl Write) -> Result<Outcome> {
    refuse()
}
