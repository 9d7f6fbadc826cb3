//! What a user meets: messages, exit codes, one object of JSON.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod program;

use std::fs;
use std::path::Path;
use std::process::Command;

use program::host_trainer;

/// Expects failure with exit code 2 and a message that has all of `words`.
fn refused(arguments: &[&str], words: &[&str]) {
    let output = host_trainer(arguments);
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {message}");
    assert!(output.stdout.is_empty(), "{arguments:?}");
    for word in words {
        assert!(
            message.contains(word),
            "{arguments:?}: no {word:?} in {message}"
        );
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn a_missing_data_set_is_told_where_to_get() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    #[cfg(feature = "libtorch")]
    refused(
        &[
            "train",
            "--dataset",
            "omniglot",
            "--data",
            text(folder.path()),
            "--out",
            text(&run),
        ],
        &[
            "images_background.zip",
            "expected",
            "found none",
            "brendenlake/omniglot",
            "--data",
        ],
    );
    #[cfg(feature = "libtorch")]
    refused(
        &[
            "train",
            "--dataset",
            "folder",
            "--data",
            text(folder.path()),
            "--out",
            text(&run),
        ],
        &["one per class", "found 0"],
    );
    assert!(!run.exists());
}

#[test]
fn a_damaged_archive_is_named() {
    let folder = tempfile::tempdir().unwrap();
    for name in [
        "images_background.zip",
        "images_evaluation.zip",
        "all_runs.zip",
    ] {
        fs::write(folder.path().join(name), b"PK\x03\x04 and no more").unwrap();
    }
    #[cfg(feature = "libtorch")]
    refused(
        &[
            "train",
            "--dataset",
            "omniglot",
            "--data",
            text(folder.path()),
        ],
        &["images_background.zip", "expected a whole zip archive"],
    );
}

#[test]
fn what_is_no_model_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let model = text(folder.path());
    let evaluate = [
        "evaluate",
        model,
        "--dataset",
        "synthetic-signatures",
        "--protocol",
        "verification",
    ];
    refused(
        &evaluate,
        &["expected a training run", "model folder", "found neither"],
    );
    fs::write(folder.path().join("model.bin"), b"SEMBLANC but not really").unwrap();
    refused(&evaluate, &["model.bin", "expected"]);
    fs::write(folder.path().join("run.toml"), "seed = 1").unwrap();
    refused(
        &evaluate,
        &["found a training run", "host-trainer quantize"],
    );
    refused(&["quantize", model, "--out", model], &["run.toml"]);
}

#[test]
fn senseless_flags_are_refused() {
    refused(
        &["evaluate", "x", "--dataset", "faces"],
        &["faces", "omniglot"],
    );
    refused(&["nonsense"], &["nonsense"]);
    #[cfg(feature = "libtorch")]
    refused(
        &["train", "--dataset", "synthetic-signatures", "--margin=-1"],
        &["soft", "above 0"],
    );
    #[cfg(feature = "libtorch")]
    refused(
        &[
            "train",
            "--dataset",
            "synthetic-signatures",
            "--loss",
            "contrastive",
            "--margin",
            "soft",
        ],
        &["contrastive"],
    );
}

#[test]
fn signatures_are_generated_into_folders() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("signatures");
    let made = host_trainer(&[
        "synthesize",
        "--out",
        text(&out),
        "--signers",
        "2",
        "--genuine",
        "2",
        "--forged",
        "1",
        "--pen-sequences",
        "--first",
        "7",
    ]);
    assert!(made.status.success(), "{made:?}");
    let signer = out.join("signer-0007");
    for name in ["genuine-00.png", "genuine-01.png", "forged-00.png"] {
        let picture = image::open(signer.join(name)).unwrap();
        assert_eq!((picture.width(), picture.height()), (256, 128));
    }
    let pen = fs::read_to_string(signer.join("genuine-01.csv")).unwrap();
    let header = "x,y,pressure,t,pen_down";
    assert!(pen.starts_with(header) && pen.lines().count() > 20);
    assert!(out.join("contact-sheet.png").is_file());
}

#[test]
fn an_answer_that_cannot_be_written_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let ended = Command::new(env!("CARGO_BIN_EXE_host-trainer"))
        .args(["synthesize", "--signers", "1", "--out", text(folder.path())])
        .stdout(fs::File::create("/dev/full").unwrap())
        .output()
        .unwrap();
    assert_eq!(ended.status.code(), Some(2));
    let message = String::from_utf8_lossy(&ended.stderr);
    assert!(message.contains("standard output"), "{message}");
}

/// The README's commands for one's own data, on pictures of a dozen people.
#[cfg(feature = "libtorch")]
#[test]
fn own_pictures_are_trained_on_exported_and_judged() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (people, run, model) = (at("people"), at("run"), at("model"));
    let did = |arguments: &[&str]| {
        let output = host_trainer(arguments);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    did(&[
        "synthesize",
        "--signers",
        "12",
        "--forged",
        "15",
        "--out",
        &people,
    ]);
    let mut train = vec!["train", "--dataset", "folder", "--data", &people];
    train.extend(["--out", &run, "--input", "32x16", "--width", "4"]);
    train.extend(["--epochs", "2", "--steps", "3", "--device", "cpu"]);
    did(&train);
    let card = did(&[
        "quantize", &run, "--data", &people, "--out", &model, "--json",
    ]);
    let card: serde_json::Value = serde_json::from_str(&card).unwrap();
    // The same seed, data and build give the same artifact, from the card's own settings
    // too.
    let (again, copy) = (at("again"), at("copy"));
    let settings = format!("{model}/model.toml");
    did(&[
        "train", "--config", &settings, "--data", &people, "--out", &again, "--device", "cpu",
    ]);
    did(&["quantize", &again, "--data", &people, "--out", &copy]);
    let bytes = |folder: &str, file: &str| fs::read(Path::new(folder).join(file)).unwrap();
    for file in ["model.onnx", "model.int8.onnx"] {
        assert_eq!(bytes(&model, file), bytes(&copy, file), "{file}");
    }
    assert_eq!(bytes(&run, "run.toml"), bytes(&again, "run.toml"));
    // The artifact's card has the folder's name; all else is alike.
    let (first, second) = (bytes(&model, "model.bin"), bytes(&copy, "model.bin"));
    let parse = |bytes| shared::artifact::Artifact::parse(bytes).unwrap();
    let (first, second) = (parse(&first), parse(&second));
    assert_eq!(first.model_id(), second.model_id());
    assert!(
        first
            .operating_points()
            .iter()
            .eq(second.operating_points().iter())
    );
    // Its float network, imported, is the same model; quantized for little memory another one
    // of the same embeddings.
    let (onnx, imported, small) = (format!("{model}/model.onnx"), at("imported"), at("small"));
    let mut import = vec!["import", &onnx, "--dataset", "folder", "--data", &people];
    import.extend(["--distance", "euclidean", "--out", &imported]);
    let same: serde_json::Value =
        serde_json::from_str(&did(&[&import[..], &["--json"]].concat())).unwrap();
    assert_eq!(same["model_id"], card["model_id"]);
    assert_eq!(same["training"]["epochs"], 0);
    let scaled = [&import[..], &["--mean", "127.5", "--std", "128"]].concat();
    refused(&scaled, &["reads bytes", "leave out --mean"]);
    refused(
        &[&import[..], &["--channels", "rgb"]].concat(),
        &["--channels grey"],
    );
    let mut quantize = vec!["quantize", &imported, "--data", &people, "--out", &small];
    quantize.extend(["--low-memory", "--json"]);
    let small: serde_json::Value = serde_json::from_str(&did(&quantize)).unwrap();
    assert!(small["costs"]["patches"]["nodes"].as_u64() > Some(0));
    let arena = |card: &serde_json::Value| card["costs"]["arena_bytes"].as_u64();
    assert!(arena(&small) < arena(&card));
    let commands = small["rebuild"].as_array().unwrap();
    for (command, word) in commands.iter().zip(["import", "quantize"]) {
        assert!(command.as_str().unwrap().contains(word), "{command}");
    }
    let mut figures: Vec<serde_json::Value> = ["int8", "tract"]
        .map(|engine| {
            // The card records the data set.
            let mut evaluate = vec!["evaluate", &model, "--data", &people];
            evaluate.extend(["--protocol", "verification"]);
            evaluate.extend(["--engine", engine, "--json"]);
            serde_json::from_str(&did(&evaluate)).unwrap()
        })
        .into();
    for report in &mut figures {
        assert_eq!(report["model_id"], card["model_id"]);
        for rate in ["accuracy", "eer", "far", "frr"] {
            assert!((0.0..=1.0).contains(&report[rate].as_f64().unwrap()));
        }
        assert!(report["ci95"].is_array() && report["comparisons"].as_u64() > Some(0));
        report.as_object_mut().unwrap().remove("engine");
    }
    assert_eq!(figures[0], figures[1]);
    let mut open_set = vec!["evaluate", &model, "--data", &people];
    open_set.extend(["--protocol", "open-set", "--shots", "2"]);
    refused(&open_set, &["at least 4 test classes", "found 2"]);
    let mut elsewhere = vec!["evaluate", &model, "--dataset", "folder"];
    elsewhere.extend(["--data", &people, "--protocol", "koch-verification"]);
    refused(&elsewhere, &["--dataset omniglot"]);
    // The tower goes on learning from the same people, and quantizes as any run.
    let (tuned, tuned_model) = (at("tuned"), at("tuned-model"));
    let mut finetune = vec!["finetune", &run, "--whole", "--data", &people];
    finetune.extend(["--out", &tuned, "--epochs", "2", "--device", "cpu"]);
    did(&finetune);
    let weights = |run: &str| fs::read(Path::new(run).join("weights.safetensors")).unwrap();
    assert_eq!(weights(&tuned).len(), weights(&run).len());
    let again = at("tuned-again");
    let mut repeat = finetune.clone();
    repeat[6] = &again;
    did(&repeat);
    assert_eq!(weights(&tuned), weights(&again));
    refused(&finetune, &["expected no run there"]);
    let card = did(&[
        "quantize",
        &tuned,
        "--data",
        &people,
        "--out",
        &tuned_model,
        "--json",
    ]);
    let card: serde_json::Value = serde_json::from_str(&card).unwrap();
    let commands = card["rebuild"].as_array().unwrap();
    let verbs = ["train", "finetune", "quantize"];
    assert!(
        commands
            .iter()
            .zip(verbs)
            .all(|(c, verb)| c.as_str().unwrap().contains(verb))
    );
    assert_eq!(commands.len(), 3);
    // The first holds every setting of the training.
    let anew = at("anew");
    let mut words: Vec<&str> = vec![];
    for (place, part) in commands[0].as_str().unwrap().split('\'').enumerate() {
        match place % 2 {
            0 => words.extend(part.split_whitespace()),
            _ => words.push(part),
        }
    }
    let verb = words.iter().position(|&word| word == "train").unwrap();
    let out = words.iter().position(|&word| word == "--out").unwrap();
    words[out + 1] = &anew;
    let arguments = [&words[verb..], &["--data", &people, "--device", "cpu"]].concat();
    did(&arguments);
    assert_eq!(weights(&anew), weights(&run));
    let store = at("store");
    did(&["finetune", &tuned_model, "--data", &people, "--out", &store]);
    // Too few people are told before the training, not after it.
    let few = at("few");
    did(&["synthesize", "--signers", "7", "--out", &few]);
    let mut warned = vec!["train", "--dataset", "folder", "--data", &few];
    let other_run = at("other-run");
    warned.extend(["--out", &other_run, "--input", "32x16", "--width", "4"]);
    warned.extend(["--epochs", "1", "--steps", "1", "--device", "cpu"]);
    refused(&warned, &["found 8: add classes"]);
    assert!(!Path::new(&other_run).exists());
    let mut few_to_tune = vec!["finetune", &run, "--whole", "--data", &few];
    few_to_tune.extend(["--out", &other_run]);
    refused(&few_to_tune, &["without --whole", "found 8: add classes"]);
    assert!(!Path::new(&other_run).exists());
    // A run is not begun where one is, and a model of other data is told.
    refused(&train, &["--resume"]);
    let others = at("others");
    did(&["synthesize", "--signers", "9", "--out", &others]);
    refused(
        &["quantize", &run, "--data", &others, "--out", &at("other")],
        &["expected", "split"],
    );
    assert!(!folder.path().join("other/model.bin").exists());
}

/// Folds of eighteen generated people: every person is judged once, and the figures are
/// those of all pairs.
#[cfg(feature = "libtorch")]
#[test]
fn a_small_data_set_is_cross_validated() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (people, out) = (at("people"), at("folds"));
    let mut synthesize = vec!["synthesize", "--signers", "18", "--out", &people];
    synthesize.extend(["--genuine", "3", "--forged", "0"]);
    assert!(host_trainer(&synthesize).status.success());
    let mut arguments = vec!["cross-validate", "--dataset", "folder", "--data", &people];
    arguments.extend([
        "--folds", "3", "--out", &out, "--epochs", "1", "--steps", "2",
    ]);
    arguments.extend(["--device", "cpu", "--json"]);
    let output = host_trainer(&arguments);
    assert!(output.status.success(), "{output:?}");
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["precision"], "int8");
    // 18 x 3 genuine pairs; in each fold 6 x 5 / 2 pairs of people with 3 x 3 pairs of samples.
    assert_eq!(report["genuine_comparisons"], 18 * 3);
    assert_eq!(report["impostor_comparisons"], 3 * 15 * 9);
    let judged: Vec<&str> = report["folds"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|fold| fold.as_array().unwrap())
        .map(|name| name.as_str().unwrap())
        .collect();
    let distinct: std::collections::BTreeSet<&&str> = judged.iter().collect();
    assert_eq!((judged.len(), distinct.len()), (18, 18));
    for method in report["methods"].as_array().unwrap() {
        let (eer, ci95) = (method["eer"].as_f64().unwrap(), &method["eer_ci95"]);
        assert!(ci95[0].as_f64().unwrap() <= eer && eer <= ci95[1].as_f64().unwrap());
        assert_eq!(method["fold_eers"].as_array().unwrap().len(), 3);
    }
    assert!(folder.path().join("folds/fold-3/model/model.bin").is_file());
    refused(&arguments, &["fold-1", "found one", "--out"]);

    // As if it had been interrupted before the third fold was exported.
    fs::remove_dir_all(folder.path().join("folds/fold-3/model")).unwrap();
    arguments.push("--resume");
    let again = host_trainer(&arguments);
    assert_eq!(again.stdout, output.stdout, "{again:?}");
    let words = String::from_utf8(again.stderr).unwrap();
    assert_eq!(words.matches("calibrating").count(), 1, "{words}");
    arguments.extend(["--seed", "2"]);
    refused(&arguments, &["fold-1", "settings", "--out"]);
}
