//! `host-trainer cross-validate`.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use clap::Args;

use super::settings::{self, Settings};
use super::{DataArgs, count, finetune, fusion, percent, quantize, tell, with_interval};
use crate::checkpoint::Run;
use crate::config::{CONFIG, RunConfig};
use crate::dataset::{Dataset, DatasetName};
use crate::engine::{Embedder, EngineName, open};
use crate::evaluate::cross_validation::{Report, evaluate, folds};
use crate::evaluate::operating_points;
use crate::export::CARD;
use crate::export::model::{Options, Source, export};
use crate::train::device::Choice;
use crate::train::progress::Progress;
use crate::train::{Trainer, resume};

/// Train and judge a network for each fold of the classes, beside pixels and eigenfaces
///
/// Every class is judged once, by an int8 network that has not seen it: all pairs of
/// genuine samples of a fold, as a device compares them after one enrolment shot. The
/// pairs of all folds together give the equal error rate; its interval is over classes.
/// Beside it are those of classes enrolled with several shots.
/// With published lists of pairs, as Labeled Faces in the Wild has, these are the folds.
#[derive(Debug, Args)]
pub struct CrossValidateArgs {
    /// The data set
    #[arg(long, value_enum)]
    dataset: DatasetName,
    #[command(flatten)]
    data: DataArgs,
    /// Parts of the classes: one judges, another chooses, the others teach; as many as
    /// there are published lists of pairs where there are several
    #[arg(long, default_value_t = 5, value_parser = count(3, 1000))]
    folds: usize,
    /// The folder of the folds' runs and models [default: runs/DATASET-folds]
    #[arg(long)]
    out: Option<PathBuf>,
    /// Begin each fold with the weights of this run on other data, and read pictures as it does
    #[arg(long, value_name = "RUN")]
    pretrained: Option<PathBuf>,
    /// Go on with folds that were interrupted, and take those that are done as they are
    #[arg(long)]
    resume: bool,
    /// Where to train
    #[arg(long, value_enum, default_value = "auto")]
    device: Choice,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    settings: Settings,
}

/// Runs the command.
///
/// # Errors
/// When data cannot be read or are too few, the folder holds runs already, or a training
/// fails.
pub fn run(args: &CrossValidateArgs, out: &mut impl Write) -> Result<()> {
    let dataset = args.dataset.load(args.data.data.as_deref())?;
    let usual = || PathBuf::from("runs").join(format!("{}-folds", dataset.name));
    let folder = args.out.clone().unwrap_or_else(usual);
    let folds = folds(&dataset, args.folds);
    for fold in 1..=folds {
        let run = folder.join(format!("fold-{fold}/run"));
        ensure!(
            args.resume || !run.join(CONFIG).is_file(),
            "{}: expected no run there, found one: go on with it by --resume, or choose another --out",
            run.display()
        );
    }
    let pretrained = args
        .pretrained
        .as_deref()
        .map(Pretrained::load)
        .transpose()?;
    if let Some(Pretrained { run, weights, .. }) = &pretrained {
        ensure!(
            weights.config.dataset != dataset.name,
            "{}: expected a run on other data, whose network has not seen the classes to judge, found one on {}: leave --pretrained out",
            run.display(),
            dataset.name
        );
    }
    let pretrained = pretrained.as_ref();
    let report = evaluate(&dataset, folds, &mut |fold, dataset| {
        let folder = folder.join(format!("fold-{}", fold + 1));
        tell(format_args!(
            "fold {} of {}: {}",
            fold + 1,
            folds,
            folder.display()
        ));
        let [run, model] = ["run", "model"].map(|name| folder.join(name));
        train(args, dataset, pretrained, &run, &model)
    })?;
    match args.json {
        true => writeln!(out, "{}", serde_json::to_string(&report)?)?,
        false => print(&report, out)?,
    }
    Ok(())
}

/// What each fold begins with.
struct Pretrained {
    run: PathBuf,
    weights: Run,
    /// The commands that made it.
    commands: Vec<String>,
}

impl Pretrained {
    fn load(run: &Path) -> Result<Self> {
        let weights = Run::load(run)?;
        Ok(Self {
            run: run.to_owned(),
            commands: quantize::made_by(&weights.config, run)?,
            weights,
        })
    }
}

/// Trains as usual, quantizes, exports, and opens the model on the device's engine. What is there
/// already is not done again.
fn train(
    args: &CrossValidateArgs,
    dataset: &Dataset,
    pretrained: Option<&Pretrained>,
    run: &Path,
    model: &Path,
) -> Result<Box<dyn Embedder>> {
    // Better now than after the training.
    operating_points::check(dataset)?;
    fs::create_dir_all(run).with_context(|| format!("{}: cannot be made", run.display()))?;
    let base = pretrained.map(|from| settings::like(args.dataset, dataset, &from.weights.config));
    let config = args.settings.config(args.dataset, dataset, base)?;
    let history = match pretrained {
        Some(from) => history(args, from, &config)?,
        None => vec![],
    };
    if run.join(CONFIG).is_file() {
        ensure!(
            RunConfig::load(run)? == config && finetune::history(run)? == history,
            "{}: expected a run with these settings, begun with the same weights, found one with others: give the same, or choose another --out",
            run.display()
        );
        // The card is written last.
        if model.join(CARD).is_file() {
            return open(model, EngineName::Int8, None);
        }
    }
    let device = args.device.open()?;
    let mut trainer = match pretrained {
        Some(from) => Trainer::pretrained(config, &from.weights, dataset, device)?,
        None => Trainer::new(config, dataset, device)?,
    };
    finetune::record(run, history)?;
    if run.join(resume::RESUME).is_file() {
        resume::restore(&mut trainer, run)?;
    }
    let mut progress = Progress::new(run)?;
    trainer.run(run, &mut |event| progress.show(event))?;
    let options = Options::default();
    export(
        &Source::of_run(Run::load(run)?)?,
        dataset,
        model,
        &options,
        &mut |what| tell(what),
    )?;
    open(model, EngineName::Int8, None)
}

/// The commands that train a fold from other weights.
fn history(args: &CrossValidateArgs, from: &Pretrained, config: &RunConfig) -> Result<Vec<String>> {
    let mut commands = from.commands.clone();
    let out = args.out.as_deref().map_or(String::new(), |out| {
        format!(" --out {}", quantize::relative(out))
    });
    commands.push(format!(
        "{} cross-validate --dataset {} --pretrained {} {}{out}",
        quantize::PROGRAM,
        config.dataset,
        quantize::relative(&from.run),
        config.settings()?.join(" ")
    ));
    Ok(commands)
}

fn print(report: &Report, out: &mut impl Write) -> std::io::Result<()> {
    writeln!(
        out,
        "{} classes of {} in {} folds, engine {} ({}); {} pairs of one class, {} of two",
        report.classes,
        report.dataset,
        report.folds.len(),
        report.engine,
        report.precision,
        report.genuine_comparisons,
        report.impostor_comparisons
    )?;
    for method in &report.methods {
        let folds: Vec<String> = method.fold_eers.iter().map(|&eer| percent(eer)).collect();
        writeln!(
            out,
            "{:<10}  EER {}; folds: {}",
            method.method,
            with_interval(method.eer, method.eer_ci95),
            folds.join(", ")
        )?;
        for enrolled in &method.enrolled {
            writeln!(
                out,
                "            EER {} with {} shots enrolled ({})",
                with_interval(enrolled.eer, enrolled.eer_ci95),
                enrolled.shots,
                fusion::name(enrolled.fusion)
            )?;
        }
        if let Some(accuracy) = &method.accuracy {
            let lists: Vec<String> = accuracy.lists.iter().map(|&list| percent(list)).collect();
            writeln!(
                out,
                "            accuracy {} +- {}; lists: {}",
                percent(accuracy.mean),
                percent(accuracy.standard_error),
                lists.join(", ")
            )?;
        }
        for point in &method.true_accepts {
            writeln!(
                out,
                "            true accepts {} at FAR {}",
                with_interval(point.tar, point.ci95),
                percent(point.far)
            )?;
        }
    }
    let components: Vec<String> = report.eigenfaces.iter().map(usize::to_string).collect();
    writeln!(out, "eigenfaces in each fold: {}", components.join(", "))
}
