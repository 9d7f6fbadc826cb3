//! Row by row, which every instruction set does as well as it can.

use shared::artifact::plan::Copy;
use shared::bytes::copy_front;

/// Copies a rectangle of `input` into `output`, both height x width x channels.
pub fn copy(copy: &Copy, input: &[u8], output: &mut [u8]) {
    let channels = usize::from(copy.input.channels);
    let [rows, columns] = copy.size.map(usize::from);
    let first = |[row, column]: [u16; 2], width: u16, down: usize| {
        ((usize::from(row) + down) * usize::from(width) + usize::from(column)) * channels
    };
    for row in 0..rows {
        let from = first(copy.from, copy.input.width, row);
        let to = first(copy.to, copy.output.width, row);
        let len = columns * channels;
        if let (Some(from), Some(to)) = (input.get(from..from + len), output.get_mut(to..to + len))
        {
            copy_front(to, from);
        }
    }
}
