//! What an encoder left in the arena, as the record of a reference.

use shared::artifact::{Plan, Step};
use shared::segmentation::record;

use crate::engine::{EngineError, check_length};

/// Writes the record of the structure that `mask` marks on the picture that the encoder was
/// run on.
pub(super) fn read(
    plan: &Plan<'_>,
    arena: &[u8],
    mask: &[u8],
    to: &mut [i8],
) -> Result<(), EngineError> {
    let input = plan.input();
    let pixels = usize::from(input.height) * usize::from(input.width);
    check_length("a mask", pixels, mask.len())?;
    check_length("a record", plan.reference_len(), to.len())?;
    let mut rest = to;
    for step in plan.steps() {
        let Step::Compare(compare) = step else {
            continue;
        };
        let features = arena
            .get(compare.features.range())
            .ok_or(EngineError::Plan)?;
        let (part, after) = rest
            .split_at_mut_checked(compare.record_len())
            .ok_or(EngineError::Plan)?;
        record(&compare, features, mask, input.width, part);
        rest = after;
    }
    Ok(())
}
