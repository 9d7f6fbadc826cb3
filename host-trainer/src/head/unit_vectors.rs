use crate::engine::Embeddings;

/// Vectors of unit length, one after the other.
#[derive(Clone, Debug, PartialEq)]
pub struct UnitVectors {
    dim: usize,
    values: Vec<f64>,
}

impl UnitVectors {
    /// The embeddings at `indices`, scaled to unit length; a zero vector stays.
    pub fn gather(embeddings: &Embeddings, indices: &[usize]) -> Self {
        let dim = embeddings.dim();
        let mut values = Vec::with_capacity(indices.len() * dim);
        for &index in indices {
            // The scale of int8 steps does not matter here.
            values.extend(embeddings.get(index).components().map(f64::from));
        }
        Self::new(dim, values)
    }

    /// Scales each `dim` of `values` to unit length; a zero vector stays.
    pub fn new(dim: usize, mut values: Vec<f64>) -> Self {
        values.chunks_exact_mut(dim).for_each(normalize);
        Self { dim, values }
    }

    /// Components of each.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.values.len() / self.dim
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// One after the other.
    pub fn iter(&self) -> impl Iterator<Item = &[f64]> {
        self.values.chunks_exact(self.dim)
    }
}

/// Scales a vector to unit length; the zero vector stays.
fn normalize(vector: &mut [f64]) {
    let length = vector.iter().map(|value| value * value).sum::<f64>().sqrt();
    if length > 0.0 {
        vector.iter_mut().for_each(|value| *value /= length);
    }
}
