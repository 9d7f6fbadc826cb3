//! What assembly for Cortex-M with the DSP extension has in common.

/// The beginning of assembly: names what the assembler does not know the processor to have.
#[cfg(not(armv8m))]
macro_rules! has {
    () => {
        ".fpu fpv4-sp-d16"
    };
}

/// The same for Armv8-M.
#[cfg(armv8m)]
macro_rules! has {
    () => {
        ".cpu cortex-m33\n.fpu fpv5-sp-d16"
    };
}

pub(super) use has;
