//! A board's memory.

use app::Memory;

#[doc(hidden)]
pub use {app, edge_runtime, shared, static_cell};

/// Memory that is too large for a stack.
#[derive(Debug)]
pub struct Statics<const SUBJECTS: usize, const SHOTS: usize, const DIM: usize> {
    /// Templates and frames.
    pub memory: &'static mut Memory<SUBJECTS, SHOTS, DIM>,
    /// For activations.
    pub arena: &'static mut [u8],
    /// For an answer.
    pub answer: &'static mut [u8],
    /// For a record of the store.
    pub record: &'static mut [u8],
}

/// Takes the memory that limits state, once.
#[macro_export]
macro_rules! statics {
    ($limits:expr) => {{
        use $crate::statics::app::Memory;
        use $crate::statics::edge_runtime::limits::Limits;
        use $crate::statics::edge_runtime::store::flash::record_len;
        use $crate::statics::shared::wire::answer_len;
        use $crate::statics::static_cell::ConstStaticCell;

        const LIMITS: Limits = $limits;
        const SUBJECTS: usize = LIMITS.subjects;
        const SHOTS: usize = LIMITS.shots;
        const DIM: usize = LIMITS.dim;
        const RECORD: usize = record_len::<SHOTS, DIM>();
        static MEMORY: ConstStaticCell<Memory<SUBJECTS, SHOTS, DIM>> =
            ConstStaticCell::new(Memory::new());
        static ARENA: ConstStaticCell<[u8; LIMITS.arena]> = ConstStaticCell::new([0; LIMITS.arena]);
        static ANSWER: ConstStaticCell<[u8; answer_len(DIM)]> =
            ConstStaticCell::new([0; answer_len(DIM)]);
        static RECORDS: ConstStaticCell<[u8; RECORD]> = ConstStaticCell::new([0; RECORD]);
        $crate::Statics {
            memory: MEMORY.take(),
            arena: ARENA.take(),
            answer: ANSWER.take(),
            record: RECORDS.take(),
        }
    }};
}
