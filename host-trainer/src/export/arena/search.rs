//! Branch and bound over placements from the bottom up (Moffitt, "MiniMalloc: a
//! lightweight memory allocator for hardware-accelerated machine learning", 2023).

use super::{ALIGNMENT, Lifetime, Placement, stacked};

/// The most partial placements that are looked at.
const MAX_TRIES: usize = 10_000;

/// A placement that is shorter than `best`, if the search finds one; none is shorter
/// than `least`.
///
/// A shortest placement is looked for in which nothing can be moved down: each value
/// lies at the bottom or on another one. Placed in the order of their offsets, a value's
/// offset follows from those before it.
pub(super) fn improve(values: &[Lifetime], best: Placement, least: usize) -> Placement {
    let indices = |holds: &dyn Fn(&Lifetime) -> bool| -> Vec<usize> {
        let all = 0..values.len();
        all.filter(|&value| holds(&values[value])).collect()
    };
    let meeting = |value: &Lifetime| indices(&|other| value.meets(other));
    let live = |value: &Lifetime| indices(&|other| other.lives_at(value.first));
    let mut search = Search {
        values,
        meeting: values.iter().map(meeting).collect(),
        live: values.iter().map(live).collect(),
        least,
        best,
        tries: 0,
    };
    search.extend(&Partial {
        offsets: vec![None; values.len()],
        floors: vec![0; values.len()],
        last: (0, 0),
    });
    search.best
}

struct Search<'a> {
    values: &'a [Lifetime],
    /// Values that live when a value does, itself included.
    meeting: Vec<Vec<usize>>,
    /// Values that live when a value is written, itself included.
    live: Vec<Vec<usize>>,
    least: usize,
    best: Placement,
    tries: usize,
}

/// Some values placed.
#[derive(Clone)]
struct Partial {
    offsets: Vec<Option<usize>>,
    /// The lowest offset that each value can have from now on.
    floors: Vec<usize>,
    /// Offset and index of the value placed last: the next one has larger ones.
    last: (usize, usize),
}

impl Search<'_> {
    /// Looks at all that `partial` can become.
    fn extend(&mut self, partial: &Partial) {
        let open: Vec<usize> = (0..self.values.len())
            .filter(|&value| partial.offsets[value].is_none())
            .collect();
        if open.is_empty() {
            let offsets = partial.offsets.iter().copied().flatten().collect();
            let found = Placement::new(self.values, offsets);
            if found.peak < self.best.peak {
                self.best = found;
            }
            return;
        }
        let mut candidates = self.candidates(partial, &open);
        // Low and long-lived ones first: a good placement early cuts most.
        let area = |value: usize| self.values[value].len * self.meeting[value].len();
        candidates.sort_by_key(|&value| (partial.floors[value], usize::MAX - area(value)));
        for value in candidates {
            let next = self.with(partial, value);
            self.tries += 1;
            if self.tries > MAX_TRIES || self.best.peak <= self.least {
                return;
            }
            if self.least_peak(&next) < self.best.peak {
                self.extend(&next);
            }
        }
    }

    /// Values that can be the next in the order of offsets. None of them leaves room
    /// below it for another open one, which would have had to be placed there.
    fn candidates(&self, partial: &Partial, open: &[usize]) -> Vec<usize> {
        let floors = &partial.floors;
        let ends = open
            .iter()
            .map(|&value| floors[value] + self.values[value].len);
        let lowest_end = ends.min().unwrap_or(0);
        let open = open.iter().copied();
        open.filter(|&value| floors[value] < lowest_end && (floors[value], value) >= partial.last)
            .collect()
    }

    /// `partial` with `value` at its floor.
    fn with(&self, partial: &Partial, value: usize) -> Partial {
        let mut next = partial.clone();
        let offset = partial.floors[value];
        next.offsets[value] = Some(offset);
        next.last = (offset, value);
        let end = (offset + self.values[value].len).next_multiple_of(ALIGNMENT);
        for &other in &self.meeting[value] {
            next.floors[other] = next.floors[other].max(end);
        }
        next
    }

    /// What nothing that `partial` becomes is shorter than: the open values of a step lie
    /// on top of each other, from the lowest floor among them.
    fn least_peak(&self, partial: &Partial) -> usize {
        let placed = partial.offsets.iter().zip(self.values);
        let placed = placed.filter_map(|(offset, value)| offset.map(|offset| offset + value.len));
        let of_step = |live: &Vec<usize>| {
            let is_open = |&&value: &&usize| partial.offsets[value].is_none();
            let open = || live.iter().filter(is_open);
            let floor = open().map(|&value| partial.floors[value]).min()?;
            let values = open().map(|&value| &self.values[value]);
            Some(floor.max(partial.last.0) + stacked(values))
        };
        let steps = self.live.iter().filter_map(of_step);
        placed.chain(steps).max().unwrap_or(0)
    }
}
