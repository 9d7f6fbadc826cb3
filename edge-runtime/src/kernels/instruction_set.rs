//! Which vector instructions a processor has.

use core::fmt;
use std::vec::Vec;

/// The ways to compute a packed step; all give the same bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum InstructionSet {
    /// Plain loops, on every processor: the oracle.
    Scalar,
    /// x86-64 with AVX2: 16-bit products, which cannot saturate.
    Avx2,
    /// x86-64 with AVX-VNNI: four products of bytes added in 256-bit registers.
    AvxVnni,
    /// x86-64 with AVX-512 VNNI: the same in 512-bit registers.
    Avx512Vnni,
}

impl InstructionSet {
    const ALL: [Self; 4] = [Self::Scalar, Self::Avx2, Self::AvxVnni, Self::Avx512Vnni];

    /// The fastest that this processor has.
    pub fn detect() -> Self {
        let mut fastest = Self::Scalar;
        for set in Self::ALL {
            if set.is_available() {
                fastest = set;
            }
        }
        fastest
    }

    /// All that this processor has, the fastest last.
    pub fn available() -> Vec<Self> {
        let mut sets = Vec::from(Self::ALL);
        sets.retain(|set| set.is_available());
        sets
    }

    /// Whether this processor has it.
    pub fn is_available(self) -> bool {
        match self {
            Self::Scalar => true,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => std::is_x86_feature_detected!("avx2"),
            #[cfg(target_arch = "x86_64")]
            Self::AvxVnni => {
                std::is_x86_feature_detected!("avx2") && std::is_x86_feature_detected!("avxvnni")
            }
            #[cfg(target_arch = "x86_64")]
            Self::Avx512Vnni => {
                std::is_x86_feature_detected!("avx512f")
                    && std::is_x86_feature_detected!("avx512bw")
                    && std::is_x86_feature_detected!("avx512vl")
                    && std::is_x86_feature_detected!("avx512vnni")
            }
            #[cfg(not(target_arch = "x86_64"))]
            _ => false,
        }
    }

    /// Its name, as `--instruction-set` takes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::Avx2 => "avx2",
            Self::AvxVnni => "avx-vnni",
            Self::Avx512Vnni => "avx512-vnni",
        }
    }
}

impl fmt::Display for InstructionSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
