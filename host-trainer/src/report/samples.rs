//! The samples of the test part, by class.

use std::collections::BTreeMap;

use crate::dataset::Kind;
use crate::evaluate::Embedded;

/// Samples of one class, as indices into [`Embedded`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClassSamples {
    /// Index into the data set's classes.
    pub class: u32,
    /// Made by the class itself.
    pub genuine: Vec<usize>,
    /// Skilled imitations of it.
    pub forged: Vec<usize>,
}

/// The samples of each class that has more than `shots` genuine ones, in class order:
/// the classes of [`Trials`](crate::evaluate::trials::Trials).
pub fn by_class(embedded: &Embedded, shots: usize) -> Vec<ClassSamples> {
    let mut classes: BTreeMap<u32, ClassSamples> = BTreeMap::new();
    let tensors = &embedded.tensors;
    for (index, (&class, kind)) in tensors.classes.iter().zip(&tensors.kinds).enumerate() {
        let samples = classes.entry(class).or_default();
        samples.class = class;
        match kind {
            Kind::Genuine => samples.genuine.push(index),
            Kind::Forged => samples.forged.push(index),
        }
    }
    let enough = |samples: &ClassSamples| samples.genuine.len() > shots;
    classes.into_values().filter(enough).collect()
}

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
