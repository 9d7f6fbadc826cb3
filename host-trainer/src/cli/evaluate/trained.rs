//! What a model was trained on decides what it may be judged with.

use std::path::Path;

use anyhow::{Context, Result, ensure};

use crate::cli::tell;
use crate::config::RunConfig;
use crate::dataset::{Dataset, DatasetName, Split};

/// The data that a run or a model's card records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Trained {
    dataset: String,
    split_sha256: String,
}

impl Trained {
    pub(super) fn of(model: &Path) -> Result<Self> {
        let config = RunConfig::of(model)?;
        Ok(Self {
            dataset: config.dataset,
            split_sha256: config.split_sha256,
        })
    }

    /// The data set to judge with, with a warning when the model may have seen its
    /// classes in training.
    pub(super) fn load(&self, asked: Option<DatasetName>, data: Option<&Path>) -> Result<Dataset> {
        let name = self.choose(asked)?;
        let dataset = name.load(data)?;
        let split = dataset.split.hash(&dataset.classes);
        tell(format_args!(
            "judging on the test part of {}, split {}",
            dataset.name,
            &split[..16]
        ));
        if self.dataset == dataset.name && self.split_sha256 != split {
            tell(format_args!(
                "warning: expected the split that the model was trained with ({}), found {split}: \
                 classes that are judged here may have been seen in training",
                self.split_sha256
            ));
        }
        self.warn_of(name);
        Ok(dataset)
    }

    /// Whether the model learnt from the training part of this very split.
    pub(super) fn is_own(&self, dataset: &Dataset) -> bool {
        self.dataset == dataset.name && self.split_sha256 == dataset.split.hash(&dataset.classes)
    }

    /// The same for a verification. Of somebody's own pictures every class judges a model
    /// that learnt from other data, where nothing needs to be chosen on some of them.
    pub(super) fn load_for_verification(
        &self,
        asked: Option<DatasetName>,
        data: Option<&Path>,
        has_threshold: bool,
    ) -> Result<Dataset> {
        let dataset = self.load(asked, data)?;
        if !self.choose(asked)?.is_anybodys() || self.dataset == dataset.name || !has_threshold {
            return Ok(dataset);
        }
        tell("the model learnt from other data: all classes judge, none chooses");
        Ok(Dataset {
            split: Split::all_judge(&dataset.classes),
            ..dataset
        })
    }

    /// Checks that a test of Omniglot's evaluation alphabets is asked for with Omniglot.
    pub(super) fn check_official(&self, asked: Option<DatasetName>, protocol: &str) -> Result<()> {
        ensure!(
            asked.is_none_or(is_omniglot),
            "expected --dataset omniglot, or none, with --protocol {protocol}, found another"
        );
        self.warn_of(DatasetName::OmniglotKoch);
        Ok(())
    }

    pub(super) fn choose(&self, asked: Option<DatasetName>) -> Result<DatasetName> {
        let recorded = DatasetName::parse(&self.dataset);
        match (asked, recorded) {
            (None, recorded) => recorded.with_context(|| {
                format!(
                    "the model records the data set {:?}: name another by --dataset",
                    self.dataset
                )
            }),
            (Some(DatasetName::Omniglot), Ok(recorded)) if is_omniglot(recorded) => Ok(recorded),
            (Some(asked), _) => Ok(asked),
        }
    }

    fn warn_of(&self, judged: DatasetName) {
        if self.may_have_seen(judged) {
            tell(format_args!(
                "warning: the model was trained on {}, whose training classes are among those that are judged or \
                 choose thresholds here",
                self.dataset
            ));
        }
    }

    /// Splits of Omniglot, and views of LFW, cut across each other, but for one: Koch's alphabets that choose
    /// and judge are all of the evaluation set.
    fn may_have_seen(&self, judged: DatasetName) -> bool {
        match DatasetName::parse(&self.dataset) {
            Ok(DatasetName::Omniglot) if judged == DatasetName::OmniglotKoch => false,
            Ok(trained) => {
                let both = |is: fn(DatasetName) -> bool| is(trained) && is(judged);
                trained != judged && (both(is_omniglot) || both(is_lfw))
            }
            Err(_) => false,
        }
    }
}

fn is_omniglot(name: DatasetName) -> bool {
    use DatasetName::{Omniglot, OmniglotKoch, OmniglotVinyals};
    matches!(name, Omniglot | OmniglotVinyals | OmniglotKoch)
}

fn is_lfw(name: DatasetName) -> bool {
    matches!(name, DatasetName::Lfwcrop | DatasetName::LfwcropView1)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;
    use DatasetName::{Folder, Omniglot, OmniglotKoch, OmniglotVinyals};

    fn trained(dataset: &str) -> Trained {
        Trained {
            dataset: dataset.into(),
            split_sha256: String::new(),
        }
    }

    #[test]
    fn what_is_judged_with_is_what_is_recorded_unless_asked_otherwise() {
        let vinyals = trained("omniglot-vinyals");
        assert_eq!(vinyals.choose(None).unwrap(), OmniglotVinyals);
        assert_eq!(vinyals.choose(Some(Omniglot)).unwrap(), OmniglotVinyals);
        assert_eq!(vinyals.choose(Some(Folder)).unwrap(), Folder);
        let background = trained("omniglot");
        assert_eq!(background.choose(None).unwrap(), Omniglot);
        assert_eq!(
            background.choose(Some(OmniglotVinyals)).unwrap(),
            OmniglotVinyals
        );
        let unknown = trained("few-signers");
        assert_eq!(unknown.choose(Some(Omniglot)).unwrap(), Omniglot);
        assert!(format!("{:#}", unknown.choose(None).unwrap_err()).contains("few-signers"));
    }

    #[test]
    fn splits_that_cut_across_each_other_are_warned_of() {
        assert!(!trained("omniglot").may_have_seen(OmniglotKoch));
        assert!(trained("omniglot-vinyals").may_have_seen(OmniglotKoch));
        assert!(trained("omniglot").may_have_seen(OmniglotVinyals));
        assert!(!trained("omniglot").may_have_seen(Omniglot));
        assert!(!trained("folder").may_have_seen(OmniglotKoch));
        assert!(trained("lfwcrop-view1").may_have_seen(DatasetName::Lfwcrop));
        assert!(!trained("lfwcrop").may_have_seen(DatasetName::Lfwcrop));
        assert!(!trained("lfwcrop").may_have_seen(DatasetName::OrlFaces));
    }
}
