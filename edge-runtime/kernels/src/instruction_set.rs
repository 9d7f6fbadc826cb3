//! Which vector instructions a processor has.

use core::fmt;

/// A way to compute the same bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InstructionSet {
    /// Plain loops, on every processor: the oracle of the others.
    Scalar,
    /// x86-64 with AVX2: 16-bit products, which cannot saturate.
    Avx2,
    /// x86-64 with AVX-VNNI: four products of bytes added in 256-bit registers.
    AvxVnni,
    /// x86-64 with AVX-512 and its Vector Neural Network Instructions: the same in 512 bits.
    Avx512Vnni,
    /// 64-bit Arm with NEON, which nearly every one has: 16-bit products, which cannot
    /// saturate.
    Neon,
    /// 64-bit Arm with NEON and the dot product instructions of Armv8.2.
    NeonDotprod,
}

impl InstructionSet {
    /// All, faster ones first.
    const ALL: [Self; 6] = [
        Self::Avx512Vnni,
        Self::AvxVnni,
        Self::Avx2,
        Self::NeonDotprod,
        Self::Neon,
        Self::Scalar,
    ];

    /// Those that this processor has, the fastest first, [`Scalar`](Self::Scalar) last and,
    /// without the feature `std`, which it takes to ask the processor, alone.
    pub fn supported() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|set| set.is_supported())
    }

    /// The fastest that this processor has.
    pub fn fastest() -> Self {
        Self::supported().next().unwrap_or(Self::Scalar)
    }

    /// Whether this processor has it.
    pub fn is_supported(self) -> bool {
        match self {
            Self::Scalar => true,
            #[cfg(all(feature = "std", target_arch = "x86_64"))]
            Self::Avx2 => std::is_x86_feature_detected!("avx2"),
            #[cfg(all(feature = "std", target_arch = "x86_64"))]
            Self::AvxVnni => {
                std::is_x86_feature_detected!("avx2") && std::is_x86_feature_detected!("avxvnni")
            }
            #[cfg(all(feature = "std", target_arch = "x86_64"))]
            Self::Avx512Vnni => {
                std::is_x86_feature_detected!("avx512f")
                    && std::is_x86_feature_detected!("avx512bw")
                    && std::is_x86_feature_detected!("avx512vl")
                    && std::is_x86_feature_detected!("avx512vnni")
            }
            #[cfg(all(feature = "std", target_arch = "aarch64", target_endian = "little"))]
            Self::Neon => std::arch::is_aarch64_feature_detected!("neon"),
            #[cfg(all(feature = "std", target_arch = "aarch64", target_endian = "little"))]
            Self::NeonDotprod => std::arch::is_aarch64_feature_detected!("dotprod"),
            #[allow(unreachable_patterns, reason = "sets of other processors")]
            _ => false,
        }
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::Avx2 => "avx2",
            Self::AvxVnni => "avx-vnni",
            Self::Avx512Vnni => "avx512-vnni",
            Self::Neon => "neon",
            Self::NeonDotprod => "neon-dotprod",
        }
    }
}

impl fmt::Display for InstructionSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
