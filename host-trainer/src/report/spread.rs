//! A few of many.

/// At most `most` of `items`, evenly spread, in order.
pub fn spread<T: Clone>(items: &[T], most: usize) -> Vec<T> {
    let count = items.len().min(most);
    let at = |place: usize| items[place * items.len() / count].clone();
    (0..count).map(at).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_is_even() {
        let items: Vec<usize> = (0..10).collect();
        assert_eq!(spread(&items, 5), [0, 2, 4, 6, 8]);
        assert_eq!(spread(&items, 20), items);
        assert_eq!(spread(&items[..0], 3), [0; 0]);
    }
}
