//! Which places of the arena hold a value.

use super::{Copy, Place, Step};

/// The most places that hold a value at once, those included that nothing reads any more.
const MAX_VALUES: usize = 64;

/// Where a map that is copied together goes on: rectangles come row by row, those of a row
/// equally high.
#[derive(Clone, Copy, Debug)]
struct Missing {
    row: u16,
    column: u16,
    /// Rows of the rectangles before it in its row, if there are any.
    rows: Option<u16>,
}

#[derive(Clone, Copy, Debug)]
struct Value {
    place: Place,
    /// The step that wrote it; none wrote the input.
    by: Option<u16>,
    missing: Option<Missing>,
}

/// The values in the arena, while the steps of a plan are gone through in order.
pub(super) struct Written(heapless::Vec<Value, MAX_VALUES>);

impl Written {
    /// Only `input` is there.
    pub(super) fn new(input: Place) -> Self {
        let mut values = heapless::Vec::new();
        // There is room for one.
        let _ = values.push(Value {
            place: input,
            by: None,
            missing: None,
        });
        Self(values)
    }

    /// Whether all of `place` was written, as one value, and nothing over it since.
    pub(super) fn holds(&self, place: &Place) -> bool {
        let mut values = self.0.iter();
        values.any(|value| value.place == *place && value.missing.is_none())
    }

    /// The step that wrote the value at `place`; none, if it is the input's or nothing's.
    pub(super) fn writer(&self, place: &Place) -> Option<u16> {
        let value = self.0.iter().find(|value| value.place == *place)?;
        value.by
    }

    /// `step`, the one with that index, whose bounds were checked, writes.
    pub(super) fn write(&mut self, step: &Step, index: u16) -> Result<(), &'static str> {
        let place = *step.output();
        let missing = match step {
            Step::Copy(copy) => self.copied(copy)?,
            _ => None,
        };
        let overwritten = [Some(&place), step.scratch()];
        self.0.retain(|value| {
            let mut overwritten = overwritten.iter().flatten();
            !overwritten.any(|place| value.place.overlaps(place))
        });
        self.0
            .push(Value {
                place,
                by: Some(index),
                missing,
            })
            .map_err(|_| "place of its own among at most 64 values")
    }

    /// What is missing of a map after one more rectangle of it is there.
    fn copied(&self, copy: &Copy) -> Result<Option<Missing>, &'static str> {
        let begun = self.0.iter().find(|value| value.place == copy.output);
        let [rows, columns] = copy.size;
        let goes_on = |missing: &Missing| {
            [missing.row, missing.column] == copy.to
                && missing.rows.is_none_or(|before| before == rows)
        };
        let begins = copy.to == [0, 0];
        if !begins
            && !begun
                .and_then(|value| value.missing)
                .is_some_and(|m| goes_on(&m))
        {
            return Err("rectangle that goes on where the one before it ended");
        }
        let [row, column] = copy.to;
        let (end, right) = (row.saturating_add(rows), column.saturating_add(columns));
        Ok(if right < copy.output.width {
            Some(Missing {
                row,
                column: right,
                rows: Some(rows),
            })
        } else if end < copy.output.height {
            Some(Missing {
                row: end,
                column: 0,
                rows: None,
            })
        } else {
            None
        })
    }
}
