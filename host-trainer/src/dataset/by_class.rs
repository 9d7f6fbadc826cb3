//! Samples by the class that they are of.

use std::collections::BTreeMap;

use super::{Kind, Tensors};

/// The samples of one class, as indices into what they were taken from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClassSamples {
    /// The class.
    pub class: u32,
    /// Its own.
    pub genuine: Vec<usize>,
    /// Skilled imitations of it.
    pub forged: Vec<usize>,
}

/// Groups samples of these classes and kinds, in class order.
pub fn by_class(classes: &[u32], kinds: &[Kind]) -> Vec<ClassSamples> {
    let mut grouped: BTreeMap<u32, ClassSamples> = BTreeMap::new();
    for (index, (&class, kind)) in classes.iter().zip(kinds).enumerate() {
        let samples = grouped.entry(class).or_default();
        samples.class = class;
        match kind {
            Kind::Genuine => samples.genuine.push(index),
            Kind::Forged => samples.forged.push(index),
        }
    }
    grouped.into_values().collect()
}

impl Tensors {
    /// The samples of each class that has at least `least` genuine ones, in class order.
    pub fn by_class(&self, least: usize) -> Vec<ClassSamples> {
        let mut classes = by_class(&self.classes, &self.kinds);
        classes.retain(|class| class.genuine.len() >= least);
        classes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_grouped_in_class_order() {
        let kinds = [Kind::Genuine, Kind::Forged, Kind::Genuine, Kind::Genuine];
        let grouped = by_class(&[7, 7, 2, 7], &kinds);
        let of = |class, genuine: &[usize], forged: &[usize]| ClassSamples {
            class,
            genuine: genuine.to_vec(),
            forged: forged.to_vec(),
        };
        assert_eq!(grouped, [of(2, &[2], &[]), of(7, &[0, 3], &[1])]);
    }
}
