//! The device artifact, in two passes: golden vectors and operating points are
//! measured on the network that the artifact holds.

use anyhow::{Context, Result, ensure};
use edge_runtime::Engine;
use edge_runtime::engine::int8::Int8Engine;
use shared::artifact::{
    Artifact, Card, Contents, Contract, OperatingPoint, golden::fill_input, write,
};
use shared::cohort::Cohort;
use shared::quality::Bounds;
use shared::support_set::Fusion;
use shared::{ModelId, Preprocess};

use super::plan::DevicePlan;

/// Seeds of the golden vectors: two of bars, two of noise.
const GOLDEN_SEEDS: [u32; 4] = [2, 3, 4, 5];

/// The same of sequences: noise, since bars lie on zeros, which are no steps.
const GOLDEN_SEQUENCES: [u32; 4] = [3, 5, 7, 9];

/// Everything that decides a model's identity, before anything was measured with it.
#[derive(Clone, Debug)]
pub struct Draft {
    contract: Contract,
    plan: DevicePlan,
    golden: Vec<(u32, Vec<u8>)>,
    model_id: ModelId,
}

/// What is added to a draft when it has been measured.
#[derive(Clone, Copy, Debug)]
pub struct Measured<'a> {
    /// The data behind the operating points.
    pub data: &'a str,
    /// The thresholds.
    pub operating_points: &'a [OperatingPoint],
    /// Facts for people.
    pub card: &'a Card<'a>,
    /// What pictures of the data measure, where there are enough to know.
    pub quality: Option<Bounds>,
    /// Strangers by whom distances are normalized, where there are any.
    pub cohort: Option<Cohort<'a>>,
}

impl Draft {
    /// A model of this contract and plan, its golden vectors computed by the int8 engine.
    ///
    /// # Errors
    /// When contract and plan contradict each other.
    pub fn new(contract: Contract, plan: DevicePlan) -> Result<Self> {
        let dim = usize::from(contract.comparison.embedding.dim);
        let seeds = match contract.preprocess {
            Preprocess::Picture(_) => GOLDEN_SEEDS,
            Preprocess::Pen(_) => GOLDEN_SEQUENCES,
        };
        let blank = seeds.map(|seed| (seed, vec![0; dim])).to_vec();
        let mut draft = Self {
            contract,
            plan,
            golden: blank,
            model_id: ModelId([0; 32]),
        };
        let bytes = draft.unmeasured()?;
        let artifact = Artifact::parse(&bytes).context("the plan made here is refused")?;
        draft.model_id = artifact.model_id();
        let mut engine = Int8Engine::new(artifact.clone(), vec![0; artifact.plan().arena_len()])?;
        let mut input = vec![0; contract.preprocess.output_len()];
        for (seed, expected) in &mut draft.golden {
            fill_input(*seed, contract.preprocess.row_len(), &mut input);
            engine.run(&input, expected)?;
        }
        Ok(draft)
    }

    /// The same model, several samples of whose classes become one distance in another way.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with_fusion(mut self, fusion: Fusion) -> Result<Self> {
        if self.contract.comparison.fusion == fusion {
            return Ok(self);
        }
        self.contract.comparison.fusion = fusion;
        Self::new(self.contract, self.plan)
    }

    /// The model's identity; measuring does not change it.
    pub fn model_id(&self) -> ModelId {
        self.model_id
    }

    /// An artifact that runs, to measure with. Its only operating point accepts
    /// nothing but an exact copy; it never leaves the trainer.
    ///
    /// # Errors
    /// As [`Self::finish`].
    pub fn unmeasured(&self) -> Result<Vec<u8>> {
        let nothing = OperatingPoint {
            far_target: 0.0,
            shots: 1,
            threshold: 0.0,
            margin: 0.0,
            far: 0.0,
            far_upper: 1.0,
            frr: 0.0,
            frr_upper: 1.0,
            impostors: 0,
            genuine: 0,
        };
        let card = Card {
            name: "unmeasured",
            data: "",
            terms: "",
            onnx_sha256: [0; 32],
        };
        self.finish(&Measured {
            data: "",
            operating_points: &[nothing],
            card: &card,
            quality: None,
            cohort: None,
        })
    }

    /// The artifact.
    ///
    /// # Errors
    /// When there is no operating point.
    pub fn finish(&self, measured: &Measured<'_>) -> Result<Vec<u8>> {
        ensure!(
            !measured.operating_points.is_empty(),
            "expected an operating point, found none: the validation part of the data set has too few samples"
        );
        let golden: Vec<(u32, &[u8])> = self
            .golden
            .iter()
            .map(|(seed, expected)| (*seed, expected.as_slice()))
            .collect();
        let contents = Contents {
            contract: &self.contract,
            plan: &self.plan.header,
            steps: &self.plan.steps,
            weights: &self.plan.weights,
            measured_on: measured.data,
            operating_points: measured.operating_points,
            golden: &golden,
            card: measured.card,
            quality: measured.quality,
            cohort: measured.cohort,
        };
        // Weights, and ample room for all the small sections.
        let cohort = measured.cohort.map_or(0, |cohort| cohort.as_bytes().len());
        let room = self.plan.weights.len() + cohort + (64 << 10) + 128 * self.plan.steps.len();
        let mut bytes = vec![0; room];
        let (length, _) = write(&contents, &mut bytes)?;
        bytes.truncate(length);
        Ok(bytes)
    }
}
