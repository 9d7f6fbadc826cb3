//! Training that goes on from a run with its layers rounded as int8 rounds them.

use anyhow::{Result, ensure};
use tch::{Device, Kind, Tensor};

use super::{Best, Trainer};
use crate::checkpoint::Run;
use crate::config::RunConfig;
use crate::dataset::Dataset;
use crate::distance::unit;
use crate::export::quantized::by_training;
use crate::quantize::aware::FakeQuantization;
use crate::quantize::fused::FusedGraph;
use crate::tower::torch::{Mode, TorchTower};

/// Usual passes: what rounding costs is soon learnt.
pub const EPOCHS: usize = 5;

/// Of a run's own learning rate.
pub const LEARNING_RATE_SHARE: f64 = 0.03;

/// Samples embedded at a time.
const BATCH: usize = 256;

/// The configuration of `base`, for a few passes at a small rate. The last weights are
/// kept, not their running mean, which would lag behind.
pub fn configuration(base: &RunConfig) -> RunConfig {
    let mut config = base.clone();
    config.training.epochs = EPOCHS;
    config.training.learning_rate *= LEARNING_RATE_SHARE;
    config.training.average = 0.0;
    config.training.patience = 0;
    config
}

impl Trainer {
    /// A trainer that goes on from the weights of `base` with its tower rounded by the
    /// recipe that keeps its embeddings best. Validation chooses the epoch by the rounded
    /// tower, the given weights among them.
    ///
    /// # Errors
    /// When the configuration does not fit the data or the weights, or the tower cannot be
    /// quantized.
    pub fn quantization_aware(
        config: RunConfig,
        base: &Run,
        dataset: &Dataset,
        device: Device,
    ) -> Result<Self> {
        let spec = config.tower.build()?;
        let fused = FusedGraph::new(&spec, &base.parameters)?;
        let quantized = by_training(&fused, dataset, &config.preprocess, None)?.quantized;
        let mut trainer = Self::new(config, dataset, device)?;
        ensure!(
            trainer.average.is_none(),
            "expected training.average = 0, found another: the running mean of few steps lags behind"
        );
        let quantization = trainer.config.preprocess.quantization();
        let rounded = || -> Result<TorchTower> {
            let tower = TorchTower::new(&spec.graph, spec.normalized, quantization, device);
            let mut tower = tower.rounded(FakeQuantization::new(&spec.graph, &quantized));
            tower.load(&base.parameters)?;
            Ok(tower)
        };
        trainer.tower = rounded()?;
        trainer.judged = rounded()?;
        trainer.begin_classes();
        let (validation, _) = trainer.validation.judge(&trainer.judged)?;
        trainer.best = Some(Best {
            epoch: 0,
            validation,
        });
        Ok(trainer)
    }

    /// The validation of the best weights so far.
    pub fn best(&self) -> Option<Best> {
        self.best
    }

    /// What validation measures.
    pub fn figure(&self) -> &'static str {
        self.validation.figure()
    }

    /// Where the loss learns a vector for each class, it begins at the mean of the class.
    pub(super) fn begin_classes(&self) {
        let trainable = self.loss.trainable();
        let Some((_, classes)) = trainable.iter().find(|(name, _)| *name == "loss.classes") else {
            return;
        };
        tch::no_grad(|| {
            let mut sums = Tensor::zeros_like(classes);
            let all: Vec<usize> = (0..self.data.len()).collect();
            for batch in all.chunks(BATCH) {
                let input = self.tower.dequantize(&self.data.samples(batch));
                let embeddings = unit(&self.tower.forward(&input, Mode::Inference));
                let labels = self.data.labels(batch);
                // Imitations of a class say nothing of it.
                let genuine = labels.genuine.to_kind(Kind::Float).unsqueeze(1);
                sums = sums.index_add(0, &labels.class, &(embeddings * genuine));
            }
            classes.shallow_clone().copy_(&unit(&sums));
        });
    }
}
