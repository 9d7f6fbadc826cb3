//! Training that begins with the weights of a run on other data.

use anyhow::Result;
use tch::Device;

use super::Trainer;
use super::average::Average;
use crate::checkpoint::Run;
use crate::config::RunConfig;
use crate::dataset::Dataset;

impl Trainer {
    /// A trainer that goes on from the weights of `base`, a tower of the same layers that
    /// was trained on other data.
    ///
    /// # Errors
    /// When the configuration does not fit the data or the weights.
    pub fn pretrained(
        config: RunConfig,
        base: &Run,
        dataset: &Dataset,
        device: Device,
    ) -> Result<Self> {
        let mut trainer = Self::new(config, dataset, device)?;
        trainer.tower.load(&base.parameters)?;
        let decay = trainer.config.training.average;
        trainer.average = (decay > 0.0).then(|| Average::new(decay, trainer.tower.tensors()));
        trainer.begin_classes();
        Ok(trainer)
    }
}
