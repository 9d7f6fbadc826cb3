//! What references say of a structure, against a naive oracle in real numbers; masks of any
//! size; and every bound of the steps that compare.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod plans;
mod references;

use shared::artifact::plan::{Compare, Place};

fn place(offset: u32, [height, width]: [u16; 2], channels: u16) -> Place {
    Place {
        offset,
        height,
        width,
        channels,
    }
}

fn compare([height, width]: [u16; 2], channels: u16, grid: u8, location: bool) -> Compare {
    let mut compare = Compare {
        features: place(0, [height, width], channels),
        output: place(0, [height, width], 0),
        grid,
        location,
        first: 0,
    };
    compare.output.channels = compare.channels();
    compare
}
