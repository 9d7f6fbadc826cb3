//! Invariant 5: every engine gives the same bytes for the same model.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::path::Path;

use edge_runtime::Engine;
use edge_runtime::engine::int8::Int8Engine;
use edge_runtime::engine::int8::packed::PackedInt8Engine;
use edge_runtime::engine::self_test_artifact;
use edge_runtime::kernels::InstructionSet;
use host_trainer::dataset::{DatasetName, Part};
use host_trainer::engine::ort::sums_are_exact;
use host_trainer::engine::{Embeddings, EngineName, Precision, open};
use host_trainer::evaluate::{Details, Embedded, few_shot, verification};
use host_trainer::export::costs::costs;
use host_trainer::export::model::{Options, Source, export};
use host_trainer::export::{ARTIFACT, INT8_ONNX};
use host_trainer::head::{Head, Tuning};
use host_trainer::tower::TowerSpec;
use host_trainer::tower::conv4::Conv4;
use host_trainer::tower::depthwise_separable::{Activation, DepthwiseSeparable};
use host_trainer::tower::residual::Residual;
use shared::Distance;
use shared::artifact::Artifact;
use shared::support_set::Fusion;
use tests::{data, options, root, run, signers};

/// All that compute int8 files as they are written on this processor.
fn engines() -> Vec<EngineName> {
    let all = [EngineName::Int8, EngineName::Tract, EngineName::Ort];
    let is_exact = |engine: &EngineName| *engine != EngineName::Ort || sums_are_exact();
    all.into_iter().filter(is_exact).collect()
}

/// Towers that differ in what the arithmetic meets: odd and even sizes, a fully
/// connected end, an output with and without zero point, more channels than a vector
/// register holds and fewer.
fn conv4s() -> Vec<TowerSpec> {
    let tower = |height, width, channels, embedding, normalized| {
        TowerSpec::Conv4(Conv4 {
            input: [height, width],
            width: channels,
            embedding,
            normalized,
        })
    };
    vec![
        tower(16, 16, 8, 8, true),
        tower(28, 28, 24, 24, true),
        tower(16, 32, 12, 20, false),
        tower(33, 47, 7, 5, true),
        tower(32, 64, 32, 64, true),
    ]
}

/// Sums of signed and of rectified values, identities and projections, averages over odd
/// and even maps, a stem of each kind.
fn residuals() -> Vec<TowerSpec> {
    let tower = |height, width, channels, blocks, pooled, normalized| {
        TowerSpec::Residual(Residual {
            input: [height, width],
            width: channels,
            blocks,
            pooled,
            embedding: 24,
            normalized,
        })
    };
    vec![
        tower(28, 28, 16, 1, true, true),
        tower(16, 21, 5, 2, false, false),
        tower(49, 64, 4, 1, true, true),
        tower(97, 112, 3, 3, false, true),
    ]
}

/// Depthwise convolutions of both strides, PReLU and linear sums, every count of halvings.
fn depthwise_separables() -> Vec<TowerSpec> {
    let tower = |height, width, multiplier, activation, normalized| {
        TowerSpec::DepthwiseSeparable(DepthwiseSeparable {
            input: [height, width],
            width: multiplier,
            activation,
            embedding: 16,
            normalized,
        })
    };
    vec![
        tower(16, 16, 0.125, Activation::Prelu, true),
        tower(28, 28, 0.25, Activation::Relu, true),
        tower(33, 47, 0.3, Activation::Prelu, false),
        tower(112, 112, 0.125, Activation::Prelu, true),
    ]
}

/// What every engine says of the same samples.
fn embeddings(model: &Path, inputs: &[u8]) -> Vec<Embeddings> {
    let embed = |engine| open(model, engine, None).unwrap().embed(inputs).unwrap();
    engines().into_iter().map(embed).collect()
}

#[test]
fn engines_agree_bit_for_bit_on_untrained_conv4s() {
    engines_agree_bit_for_bit(conv4s());
}

#[test]
fn engines_agree_bit_for_bit_on_untrained_residuals() {
    engines_agree_bit_for_bit(residuals());
}

#[test]
fn engines_agree_bit_for_bit_on_untrained_depthwise_separables() {
    engines_agree_bit_for_bit(depthwise_separables());
}

fn engines_agree_bit_for_bit(towers: Vec<TowerSpec>) {
    for (seed, tower) in (0..).zip(towers) {
        let dataset = signers(tower.input());
        let run = run(tower.clone(), Distance::Euclidean, seed).unwrap();
        let folder = tempfile::tempdir().unwrap();
        export(
            &Source::of_run(run.clone()).unwrap(),
            &dataset,
            folder.path(),
            &options(),
            &mut |_| (),
        )
        .unwrap();
        let mut int8 = open(folder.path(), EngineName::Int8, None).unwrap();
        let test = Embedded::new(int8.as_mut(), &dataset, Part::Test).unwrap();
        let Embeddings::Int8 { values, .. } = &test.embeddings else {
            panic!("expected int8 embeddings");
        };
        let distinct: std::collections::BTreeSet<_> = values.iter().collect();
        assert!(
            distinct.len() > 10,
            "{tower:?}: embeddings say nothing: {distinct:?}"
        );
        let others = embeddings(folder.path(), &test.tensors.pixels);
        for (engine, other) in engines().iter().zip(others) {
            // Not assert_eq, which would print thousands of numbers.
            assert!(other == test.embeddings, "{engine:?} differs: {tower:?}");
        }
        let artifact = std::fs::read(folder.path().join(ARTIFACT)).unwrap();
        let artifact = Artifact::parse(&artifact).unwrap();
        let raw = raw_embeddings(&artifact, &test.tensors.pixels);
        let onnx = std::fs::read(folder.path().join(INT8_ONNX)).unwrap();
        // tract's own operators are slow.
        let few = &test.tensors.pixels[..8 * artifact.plan().input().len()];
        let stock = stock_tract(&onnx, &artifact, few);
        let same = !stock.is_empty() && raw.starts_with(&stock);
        assert!(same, "tract's own operators differ: {tower:?}");
        let graph = &run.config.tower.build().unwrap();
        let stated = costs(graph).unwrap();
        assert_eq!(stated.macs, artifact.plan().macs());
        assert_eq!(stated.macs, graph.graph.macs());
        assert_eq!(stated.flash_bytes, artifact.weights().len() as u64);
        assert_eq!(stated.arena_bytes, artifact.plan().arena_len() as u64);
    }
}

/// The bytes of the int8 engine, which are those of every instruction set.
fn raw_embeddings(artifact: &Artifact<'_>, inputs: &[u8]) -> Vec<u8> {
    let plan = artifact.plan();
    let scalar = Int8Engine::new(artifact.clone(), vec![0; plan.arena_len()]).unwrap();
    let expected = run_engine(scalar, artifact, inputs);
    for set in InstructionSet::supported() {
        let engine = PackedInt8Engine::new(artifact.clone(), set).unwrap();
        let found = run_engine(engine, artifact, inputs);
        assert!(found == expected, "{set} differs");
    }
    expected
}

fn run_engine(mut engine: impl Engine, artifact: &Artifact<'_>, inputs: &[u8]) -> Vec<u8> {
    let [from, to] = [artifact.plan().input(), artifact.plan().output()].map(|p| p.len());
    let samples = inputs.chunks_exact(from);
    let mut outputs = vec![0; samples.len() * to];
    for (sample, output) in samples.zip(outputs.chunks_exact_mut(to)) {
        engine.run(sample, output).unwrap();
    }
    outputs
}

/// The bytes of tract with its own operators.
fn stock_tract(file: &[u8], artifact: &Artifact<'_>, inputs: &[u8]) -> Vec<u8> {
    use tract_onnx::prelude::*;
    let input = artifact.plan().input();
    let shape = [1, 1, input.height.into(), input.width.into()];
    let mut model = onnx().model_for_read(&mut &file[..]).unwrap();
    model.select_outputs_by_name(["embedding_q8"]).unwrap();
    model.set_input_fact(0, u8::fact(shape).into()).unwrap();
    let plan = model.into_optimized().unwrap().into_runnable().unwrap();
    let embed = |sample: &[u8]| {
        let sample = Tensor::from_shape(&shape, sample).unwrap();
        let outputs = plan.run(tvec!(sample.into_tvalue())).unwrap();
        let plain = outputs[0].try_as_plain_ram().unwrap();
        plain.as_slice::<u8>().unwrap().to_vec()
    };
    inputs.chunks_exact(input.len()).flat_map(embed).collect()
}

/// Both float engines follow the tower that libtorch trained; here without libtorch.
#[test]
fn float_engines_agree_closely_and_int8_follows_them() {
    let towers = [
        (conv4s().remove(1), 0.99),
        (residuals().remove(0), 0.99),
        // Fifty layers, normalized by statistics that are not those of the data.
        (depthwise_separables().remove(1), 0.5),
    ];
    for (tower, least_cosine) in towers {
        let dataset = signers(tower.input());
        let run = run(tower, Distance::Euclidean, 5).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let card = export(
            &Source::of_run(run.clone()).unwrap(),
            &dataset,
            folder.path(),
            &options(),
            &mut |_| (),
        )
        .unwrap();
        assert!(
            card.quantization.least_cosine > least_cosine,
            "{:?}",
            card.quantization
        );
        let embed = |engine| {
            let mut embedder = open(folder.path(), engine, Some(Precision::Float)).unwrap();
            let embedded = Embedded::new(embedder.as_mut(), &dataset, Part::Test).unwrap();
            match embedded.embeddings {
                Embeddings::Float { values, .. } => values,
                Embeddings::Int8 { .. } => panic!("expected float embeddings"),
            }
        };
        let (ort, tract) = (embed(EngineName::Ort), embed(EngineName::Tract));
        let apart = ort.iter().zip(&tract).map(|(a, b)| (a - b).abs());
        assert!(apart.fold(0.0, f32::max) < 1e-5);
    }
}

/// A model whose first layers run patch by patch gives the bytes of its ONNX file, which
/// knows nothing of patches, for less memory.
#[test]
fn engines_agree_bit_for_bit_on_patches() {
    for tower in [conv4s().swap_remove(1), residuals().swap_remove(0)] {
        let dataset = signers(tower.input());
        let source = Source::of_run(run(tower, Distance::Cosine, 4).unwrap()).unwrap();
        let exported = |low_memory| {
            let folder = tempfile::tempdir().unwrap();
            let options = Options {
                low_memory,
                ..options()
            };
            let card = export(&source, &dataset, folder.path(), &options, &mut |_| ()).unwrap();
            (folder, card)
        };
        let (whole, patched) = (exported(false), exported(true));
        let [before, after] = [&whole, &patched].map(|(_, card)| card.costs);
        assert!(after.patches.is_some() && after.arena_bytes < before.arena_bytes);
        assert_ne!(whole.1.model_id, patched.1.model_id);
        let embed = |engine| {
            let mut embedder = open(patched.0.path(), engine, None).unwrap();
            Embedded::new(embedder.as_mut(), &dataset, Part::Test)
                .unwrap()
                .embeddings
        };
        let all: Vec<Embeddings> = engines().into_iter().map(embed).collect();
        assert!(all.len() > 1 && all.iter().all(|other| *other == all[0]));
    }
}

/// The figures of an evaluation are those of the model, not of the engine.
#[test]
fn evaluations_agree_on_every_engine() {
    evaluations_agree(Distance::Manhattan, Head::Fused(Fusion::Prototype));
    evaluations_agree(Distance::Euclidean, Head::Finetune(Tuning::TRANSDUCTIVE));
}

fn evaluations_agree(distance: Distance, head: Head) {
    let tower = conv4s().remove(4);
    let dataset = signers(tower.input());
    let run = run(tower, distance, 6).unwrap();
    let folder = tempfile::tempdir().unwrap();
    export(
        &Source::of_run(run.clone()).unwrap(),
        &dataset,
        folder.path(),
        &options(),
        &mut |_| (),
    )
    .unwrap();
    let reports = engines().into_iter().map(|engine| {
        let mut embedder = open(folder.path(), engine, None).unwrap();
        let verification = verification::Options {
            shots: 3,
            far_target: 0.1,
            ..verification::Options::default()
        };
        let few_shot = few_shot::Options {
            ways: 5,
            shots: 1,
            queries: 3,
            episodes: 40,
            seed: 1,
            head: Some(head),
            tuning: Tuning::INDUCTIVE,
        };
        let embedder = embedder.as_mut();
        let mut reports = [
            verification::evaluate(embedder, &dataset, &verification).unwrap(),
            few_shot::evaluate(embedder, &dataset, &few_shot).unwrap(),
        ];
        for report in &mut reports {
            report.engine = "any";
        }
        reports
    });
    let reports: Vec<_> = reports.collect();
    assert!(reports.len() > 1);
    for other in &reports {
        assert_eq!(reports[0], *other);
    }
}

/// A head that learns angles is refused where distances are no function of them, and
/// takes no part in a choice.
#[test]
fn a_fine_tuned_head_is_refused_for_another_distance() {
    let tower = conv4s().remove(4);
    let dataset = signers(tower.input());
    let run = run(tower, Distance::Manhattan, 6).unwrap();
    let folder = tempfile::tempdir().unwrap();
    export(
        &Source::of_run(run.clone()).unwrap(),
        &dataset,
        folder.path(),
        &options(),
        &mut |_| (),
    )
    .unwrap();
    let mut int8 = open(folder.path(), EngineName::Int8, None).unwrap();
    let mut options = few_shot::Options {
        ways: 2,
        shots: 2,
        queries: 1,
        episodes: 20,
        seed: 1,
        head: Some(Head::Finetune(Tuning::INDUCTIVE)),
        tuning: Tuning::INDUCTIVE,
    };
    let refused = few_shot::evaluate(int8.as_mut(), &dataset, &options).unwrap_err();
    assert!(refused.to_string().contains("manhattan"), "{refused}");
    options.head = None;
    let report = few_shot::evaluate(int8.as_mut(), &dataset, &options).unwrap();
    let Details::FewShot(details) = report.details else {
        panic!("{report:?}");
    };
    let candidates = details.choice.unwrap().candidates;
    let names: Vec<&str> = candidates.iter().map(|candidate| candidate.head).collect();
    assert_eq!(names, ["prototype", "nearest"]);
    assert!(names.contains(&details.head));
}

fn committed() -> Vec<std::path::PathBuf> {
    let models = std::fs::read_dir(root().join("models")).unwrap();
    let models = models.map(|entry| entry.unwrap().path());
    models
        .filter(|path| path.join(ARTIFACT).is_file())
        .collect()
}

/// Every model of the repository answers its golden vectors.
#[test]
fn committed_models_pass_their_self_test() {
    assert!(!committed().is_empty());
    for model in committed() {
        let bytes = std::fs::read(model.join(ARTIFACT)).unwrap();
        let artifact = Artifact::parse(&bytes).unwrap();
        let arena = vec![0; artifact.plan().arena_len()];
        let mut engine = Int8Engine::new(artifact.clone(), arena).unwrap();
        let (passed, total) = self_test_artifact(&mut engine, &artifact).unwrap();
        // Those of a network that segments are as large as pictures.
        let stated = if artifact.plan().reference_len() == 0 {
            4
        } else {
            2
        };
        assert_eq!((passed, total), (stated, stated), "{}", model.display());
    }
}

#[test]
fn engines_agree_bit_for_bit_on_real_drawings() {
    let Some(data) = data("engines_agree_bit_for_bit_on_real_drawings") else {
        return;
    };
    let dataset = DatasetName::Omniglot.load(Some(&data)).unwrap();
    let model = root().join("models/omniglot");
    let mut int8 = open(&model, EngineName::Int8, None).unwrap();
    let mut samples = dataset.split.samples(&dataset, Part::Test);
    samples.retain(|sample| sample % 3 == 0);
    let preprocess = int8.facts().preprocess;
    let tensors = host_trainer::dataset::Tensors::new(&dataset, &samples, &preprocess).unwrap();
    let expected = int8.embed(&tensors.pixels).unwrap();
    assert!(expected.len() > 1000);
    for (engine, other) in engines().iter().zip(embeddings(&model, &tensors.pixels)) {
        assert!(other == expected, "{engine:?} differs");
    }
}
