//! Which samples make a batch.

pub mod p_by_k;
pub mod pairs;

use std::collections::BTreeMap;

use crate::dataset::{Kind, Tensors};

/// The samples of one class, as indices into a [`Tensors`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClassSamples {
    /// Its own.
    pub genuine: Vec<usize>,
    /// Imitations of it.
    pub forged: Vec<usize>,
}

/// The samples of each class, in class order.
pub fn by_class(tensors: &Tensors) -> Vec<ClassSamples> {
    let mut classes: BTreeMap<u32, ClassSamples> = BTreeMap::new();
    for (index, (&class, kind)) in tensors.classes.iter().zip(&tensors.kinds).enumerate() {
        let samples = classes.entry(class).or_default();
        match kind {
            Kind::Genuine => samples.genuine.push(index),
            Kind::Forged => samples.forged.push(index),
        }
    }
    classes.into_values().collect()
}
