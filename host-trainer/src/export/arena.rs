//! Where activations lie while the network runs.

/// Offsets are multiples of this, for kernels that load many bytes at once.
const ALIGNMENT: usize = 16;

/// A value that must lie somewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetime {
    /// Bytes.
    pub len: usize,
    /// The step that writes it.
    pub first: usize,
    /// The last step that reads it.
    pub last: usize,
}

impl Lifetime {
    fn meets(&self, other: &Self) -> bool {
        self.first <= other.last && other.first <= self.last
    }
}

/// An offset for every value, so that no two that live at the same time overlap, and
/// the bytes needed in all. Largest first, each at the lowest free place (Pisarchyk
/// and Lee, "Efficient memory management for deep neural net inference", 2020,
/// section 5.2, greedy by size).
pub fn plan(values: &[Lifetime]) -> (Vec<usize>, usize) {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by_key(|&index| std::cmp::Reverse(values[index].len));
    let mut offsets: Vec<Option<usize>> = vec![None; values.len()];
    for &index in &order {
        let value = &values[index];
        let mut taken: Vec<(usize, usize)> = values
            .iter()
            .zip(&offsets)
            .filter(|(other, _)| value.meets(other))
            .filter_map(|(other, offset)| offset.map(|offset| (offset, offset + other.len)))
            .collect();
        taken.sort_unstable();
        let mut place = 0;
        for (start, end) in taken {
            if start >= place + value.len {
                break;
            }
            place = place.max(end.next_multiple_of(ALIGNMENT));
        }
        offsets[index] = Some(place);
    }
    let offsets: Vec<usize> = offsets.into_iter().flatten().collect();
    let ends = offsets
        .iter()
        .zip(values)
        .map(|(offset, value)| offset + value.len);
    let peak = ends.max().unwrap_or(0);
    (offsets, peak)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_chain_needs_its_largest_neighbours() {
        let chain = [100, 800, 400, 1600, 64].iter().enumerate();
        let values: Vec<Lifetime> = chain
            .map(|(step, &len)| Lifetime {
                len,
                first: step,
                last: step + 1,
            })
            .collect();
        assert_eq!(plan(&values).1, 2000);
    }

    proptest! {
        #[test]
        fn values_that_live_together_never_overlap(
            values in prop::collection::vec((1usize..500, 0usize..20, 0usize..8), 1..30)
        ) {
            let values: Vec<Lifetime> = values
                .into_iter()
                .map(|(len, first, more)| Lifetime { len, first, last: first + more })
                .collect();
            let (offsets, peak) = plan(&values);
            prop_assert_eq!(offsets.len(), values.len());
            for (index, (a, from)) in values.iter().zip(&offsets).enumerate() {
                prop_assert!(from + a.len <= peak);
                for (b, to) in values.iter().zip(&offsets).skip(index + 1) {
                    let apart = from + a.len <= *to || to + b.len <= *from;
                    prop_assert!(apart || !a.meets(b));
                }
            }
        }
    }
}
