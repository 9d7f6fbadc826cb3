//! Random numbers of the host that emulates the board.

use edge_runtime::server::NoRandomness;
use hardware::Random;
use semihosting::fs::File;
use semihosting::io::Read;

/// The host's source of randomness.
#[derive(Clone, Copy, Debug)]
pub struct HostRandom;

impl Random for HostRandom {
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), NoRandomness> {
        let mut source = File::open(c"/dev/urandom").map_err(|_| NoRandomness)?;
        source.read_exact(bytes).map_err(|_| NoRandomness)
    }
}
