//! libtorch: the tower as it was trained.

use anyhow::Result;
use edge_runtime::engine::planes::{planes, shape};
use tch::{Device, Kind, Tensor};

use super::{Embedder, Embeddings, ModelFacts};
use crate::checkpoint::Run;
use crate::tower::torch::{Mode, TorchTower};

/// Samples per call.
const BATCH: usize = 256;

/// A run's tower in libtorch.
#[derive(Debug)]
pub struct TorchEmbedder {
    tower: TorchTower,
    facts: ModelFacts,
}

impl TorchEmbedder {
    /// Puts a run's weights on a device.
    ///
    /// # Errors
    /// When the weights are not the tower's.
    pub fn new(run: &Run, device: Device) -> Result<Self> {
        let tower = run.config.tower.build()?;
        Ok(Self {
            tower: TorchTower::with_parameters(
                &tower.graph,
                tower.normalized,
                run.config.preprocess.quantization(),
                &run.parameters,
                device,
            )?,
            facts: ModelFacts::of_run(run)?,
        })
    }
}

impl Embedder for TorchEmbedder {
    fn engine(&self) -> &'static str {
        "torch"
    }

    fn facts(&self) -> &ModelFacts {
        &self.facts
    }

    fn embed(&mut self, inputs: &[u8]) -> Result<Embeddings> {
        let preprocess = self.facts.preprocess;
        let length = preprocess.output_len();
        let mut values = vec![];
        for batch in inputs.chunks(BATCH * length) {
            let shape = shape(&preprocess, batch.len() / length);
            let bytes = Tensor::from_slice(&planes(&preprocess, batch))
                .reshape(shape.map(|size| size as i64))
                .to_device(self.tower.device());
            let embeddings = tch::no_grad(|| {
                let input = self.tower.dequantize(&bytes);
                self.tower.forward(&input, Mode::Inference)
            });
            let flat = embeddings.to_device(Device::Cpu).to_kind(Kind::Float);
            values.extend(Vec::<f32>::try_from(&flat.reshape(-1))?);
        }
        Ok(Embeddings::Float {
            dim: usize::from(self.facts.comparison.embedding.dim),
            values,
        })
    }
}
