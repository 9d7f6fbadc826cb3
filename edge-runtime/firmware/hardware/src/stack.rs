//! How much of the stack was ever in use.

use core::ptr;

/// What the unused stack is filled with.
const PAINT: u32 = 0x5ca1_ab1e;

unsafe extern "C" {
    /// Where the stack would end: what the program has no other use for begins here.
    static mut _stack_end: u32;
    /// Where it begins.
    static mut _stack_start: u32;
}

fn end() -> *mut u32 {
    &raw mut _stack_end
}

fn start() -> *mut u32 {
    &raw mut _stack_start
}

/// Fills the stack that nobody uses yet.
///
/// # Safety
/// Called once, before anything else, by the only thread.
#[inline(never)]
pub unsafe fn paint() {
    let here = 0u32;
    // Some of it is in use by this very call.
    let top = (&raw const here).wrapping_sub(64).cast_mut();
    let mut place = end();
    while place < top {
        // SAFETY: below what is in use and above where the stack would end.
        unsafe { place.write_volatile(PAINT) };
        place = place.wrapping_add(1);
    }
}

/// The most bytes that were ever in use, and all there are.
pub fn high_water() -> (u32, u32) {
    let mut place = end().cast_const();
    // SAFETY: between the ends of the stack, all of which is memory.
    while place < start().cast_const() && unsafe { ptr::read_volatile(place) } == PAINT {
        place = place.wrapping_add(1);
    }
    let bytes = |from: *const u32| (start() as usize - from as usize) as u32;
    (bytes(place), bytes(end()))
}
