//! Where training runs.

use anyhow::{Result, bail};
use clap::ValueEnum;
use tch::{Cuda, Device};

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Choice {
    /// A GPU when there is one, else the CPU.
    Auto,
    /// The CPU.
    Cpu,
    /// The GPU, or an error.
    Cuda,
}

impl Choice {
    /// # Errors
    /// When a GPU was asked for and there is none.
    pub fn open(self) -> Result<Device> {
        match self {
            Self::Cpu => Ok(Device::Cpu),
            Self::Auto if !Cuda::is_available() => Ok(Device::Cpu),
            Self::Cuda if !Cuda::is_available() => bail!(
                "expected a GPU that libtorch can use, found none: use --device cpu, or a libtorch with CUDA"
            ),
            Self::Auto | Self::Cuda => Ok(Device::Cuda(0)),
        }
    }
}
