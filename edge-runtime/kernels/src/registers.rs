//! What AVX2 and AVX-VNNI do differently: adding four products of bytes to a 32-bit lane.

use core::arch::x86_64::*;

/// Adds four products of an unsigned and a signed byte to each of eight lanes.
///
/// All functions are to be inlined into one that is compiled for the instruction set; the
/// processor has it.
pub(super) trait Dot: Copy {
    /// Four unsigned bytes a lane, as they are multiplied.
    type Values: Copy;
    /// Four weights a lane.
    type Filter: Copy;
    /// Bytes of packed weights.
    const PACKED: usize;

    /// Packs four weights of each of eight channels.
    fn pack(weights: &[[i8; 4]], packed: &mut [u8]);

    /// # Safety
    /// The processor has the instructions.
    unsafe fn values(bytes: __m256i) -> Self::Values;

    /// # Safety
    /// The processor has the instructions; `packed` has `PACKED` bytes, aligned to 32.
    unsafe fn filter(packed: *const u8) -> Self::Filter;

    /// # Safety
    /// The processor has the instructions.
    unsafe fn add(sum: __m256i, values: Self::Values, filter: Self::Filter) -> __m256i;
}

/// With 16-bit products: instructions on pairs of bytes saturate.
#[derive(Clone, Copy)]
pub(super) struct Words;

impl Dot for Words {
    type Values = [__m256i; 2];
    type Filter = [__m256i; 2];
    const PACKED: usize = 64;

    fn pack(weights: &[[i8; 4]], packed: &mut [u8]) {
        let (even, odd) = packed.split_at_mut(32);
        for (lane, &[a, b, c, d]) in weights.iter().enumerate() {
            for (half, words) in [(&mut *even, [a, c]), (&mut *odd, [b, d])] {
                for (word, weight) in words.into_iter().enumerate() {
                    let at = lane * 4 + word * 2;
                    half[at..at + 2].copy_from_slice(&i16::from(weight).to_le_bytes());
                }
            }
        }
    }

    #[inline(always)]
    unsafe fn values(bytes: __m256i) -> Self::Values {
        // SAFETY: as the caller promises.
        unsafe {
            [
                _mm256_and_si256(bytes, _mm256_set1_epi16(0xff)),
                _mm256_srli_epi16::<8>(bytes),
            ]
        }
    }

    #[inline(always)]
    unsafe fn filter(packed: *const u8) -> Self::Filter {
        // SAFETY: as the caller promises.
        unsafe { [0, 32].map(|at| _mm256_load_si256(packed.add(at).cast())) }
    }

    #[inline(always)]
    unsafe fn add(sum: __m256i, values: Self::Values, filter: Self::Filter) -> __m256i {
        // SAFETY: as the caller promises.
        unsafe {
            let even = _mm256_madd_epi16(values[0], filter[0]);
            let odd = _mm256_madd_epi16(values[1], filter[1]);
            _mm256_add_epi32(sum, _mm256_add_epi32(even, odd))
        }
    }
}

/// With the instruction for it.
#[derive(Clone, Copy)]
pub(super) struct Vnni;

impl Dot for Vnni {
    type Values = __m256i;
    type Filter = __m256i;
    const PACKED: usize = 32;

    fn pack(weights: &[[i8; 4]], packed: &mut [u8]) {
        for (quad, packed) in weights.iter().zip(packed.chunks_exact_mut(4)) {
            packed.copy_from_slice(&quad.map(|weight| weight as u8));
        }
    }

    #[inline(always)]
    unsafe fn values(bytes: __m256i) -> Self::Values {
        bytes
    }

    #[inline(always)]
    unsafe fn filter(packed: *const u8) -> Self::Filter {
        // SAFETY: as the caller promises.
        unsafe { _mm256_load_si256(packed.cast()) }
    }

    #[inline(always)]
    unsafe fn add(sum: __m256i, values: Self::Values, filter: Self::Filter) -> __m256i {
        // SAFETY: as the caller promises.
        unsafe { _mm256_dpbusd_avx_epi32(sum, values, filter) }
    }
}
