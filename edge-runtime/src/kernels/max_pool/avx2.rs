//! The plain loops, which compilers vectorize well, compiled for these instructions.

use shared::artifact::plan::MaxPool;

use super::scalar;

/// As [`scalar::max_pool`].
#[target_feature(enable = "avx2")]
pub(super) fn max_pool(pool: &MaxPool, input: &[u8], output: &mut [u8]) {
    scalar::max_pool(pool, input, output);
}
