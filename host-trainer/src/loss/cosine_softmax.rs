//! Classification by cosine: NormFace, CosFace, ArcFace.

use tch::{Device, Kind, Reduction, Tensor};

use super::Labels;
use crate::distance::unit;

/// What the own class must be better by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Margin {
    /// Nothing (Wang et al., "NormFace", 2017, eq. 5).
    None,
    /// `cos - margin` (Wang et al., "CosFace", 2018, eq. 4).
    Cosine(f64),
    /// `cos(angle + margin)` (Deng et al., "ArcFace", 2019, eq. 3).
    Angle(f64),
}

/// A vector for each training class; the loss is the cross-entropy of the softmax of
/// `scale` times the cosines between embedding and class vectors.
#[derive(Debug)]
pub struct CosineSoftmax {
    /// `[classes, d]`; only directions count.
    classes: Tensor,
    scale: f64,
    margin: Margin,
}

impl CosineSoftmax {
    /// Fresh class vectors, from torch's generator.
    pub fn new(classes: i64, dim: i64, scale: f64, margin: Margin, device: Device) -> Self {
        let directions = Tensor::randn([classes, dim], (Kind::Float, device));
        Self::of_classes(unit(&directions), scale, margin)
    }

    /// Given class vectors `[classes, d]`.
    pub fn of_classes(classes: Tensor, scale: f64, margin: Margin) -> Self {
        Self {
            classes: classes.set_requires_grad(true),
            scale,
            margin,
        }
    }

    /// `[classes, d]`.
    pub fn classes(&self) -> &Tensor {
        &self.classes
    }

    /// The mean over genuine samples; a forgery belongs to no class. Embeddings
    /// `[n, d]`; a scalar.
    pub fn of(&self, embeddings: &Tensor, labels: &Labels) -> Tensor {
        let genuine = labels.genuine.nonzero().squeeze_dim(1);
        let class = labels.class.index_select(0, &genuine);
        let embeddings = unit(&embeddings.index_select(0, &genuine));
        let cosines = embeddings.matmul(&unit(&self.classes).transpose(0, 1));
        let own = class.unsqueeze(1);
        let logits = match self.margin {
            Margin::None => cosines,
            Margin::Cosine(margin) => {
                let lower = cosines.gather(1, &own, false) - margin;
                cosines.scatter(1, &own, &lower)
            }
            Margin::Angle(margin) => {
                let lower = angular(&cosines.gather(1, &own, false), margin);
                cosines.scatter(1, &own, &lower)
            }
        };
        let none = None::<&Tensor>;
        (logits * self.scale).cross_entropy_loss(&class, none, Reduction::Mean, -100, 0.0)
    }
}

/// `cos(angle + margin)`; beyond `pi - margin`, where it would rise again, the line
/// `cos - margin sin(margin)` (as the authors' own code has it).
fn angular(cosine: &Tensor, margin: f64) -> Tensor {
    // Away from +-1, where the sine has no gradient.
    let cosine = cosine.clamp(-1.0 + 1e-6, 1.0 - 1e-6);
    let sine = (-cosine.square() + 1.0).sqrt();
    let turned = &cosine * margin.cos() - sine * margin.sin();
    let line = &cosine - margin * margin.sin();
    let inside = cosine.gt((core::f64::consts::PI - margin).cos());
    turned.where_self(&inside, &line)
}
