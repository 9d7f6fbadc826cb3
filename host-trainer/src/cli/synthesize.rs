//! `host-trainer synthesize`.

use std::fmt::Write as _;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;

use crate::checkpoint::write_whole;
use crate::dataset::synthetic_signatures::{
    FIRST_FREE_SIGNER, PenSequence, RenderOptions, Signer, contact_sheet, render,
};

/// Generate signatures of people who do not exist: genuine ones, skilled forgeries and
/// a contact sheet
#[derive(Debug, Args)]
pub struct SynthesizeArgs {
    /// The folder to write: signer-NNNN/genuine-NN.png, forged-NN.png, contact-sheet.png
    #[arg(long)]
    out: PathBuf,
    /// Number of signers
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u32).range(1..))]
    signers: u32,
    /// The first signer; the usual one is the first that the data set
    /// `synthetic-signatures` does not hold
    #[arg(long, default_value_t = FIRST_FREE_SIGNER)]
    first: u32,
    /// Genuine signatures of each
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..))]
    genuine: u32,
    /// Forgeries of each, every one by another forger
    #[arg(long, default_value_t = 4)]
    forged: u32,
    /// The population
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Write pen sequences beside the pictures: x and y in millimetres, pressure, t in
    /// seconds, whether the pen writes
    #[arg(long)]
    pen_sequences: bool,
}

/// Runs the command.
///
/// # Errors
/// When the folder cannot be written.
pub fn run(args: &SynthesizeArgs, out: &mut impl Write) -> Result<()> {
    let last = args.first.saturating_add(args.signers);
    let signers: Vec<Signer> = (args.first..last)
        .map(|index| Signer::new(args.seed, index))
        .collect();
    for signer in &signers {
        let folder = args.out.join(format!("signer-{:04}", signer.index()));
        fs::create_dir_all(&folder)
            .with_context(|| format!("{}: cannot be made", folder.display()))?;
        let genuine = (0..args.genuine).map(|n| (format!("genuine-{n:02}"), signer.genuine(n)));
        let forged = (0..args.forged).map(|n| (format!("forged-{n:02}"), signer.forgery(n, 0)));
        for (name, sequence) in genuine.chain(forged) {
            save(
                &render(&sequence, &RenderOptions::default()),
                &folder.join(&name),
            )?;
            if args.pen_sequences {
                let path = folder.join(name).with_extension("csv");
                write_whole(&path, table(&sequence).as_bytes())?;
            }
        }
    }
    let sheet = contact_sheet(
        &signers,
        args.genuine,
        args.forged,
        &RenderOptions::default(),
    );
    save(&sheet, &args.out.join("contact-sheet"))?;
    writeln!(
        out,
        "{}: {} signers, {} genuine and {} forged signatures each; contact-sheet.png shows all",
        args.out.display(),
        args.signers,
        args.genuine,
        args.forged
    )?;
    Ok(())
}

fn save(picture: &image::GrayImage, path: &Path) -> Result<()> {
    let mut bytes = std::io::Cursor::new(vec![]);
    picture.write_to(&mut bytes, image::ImageFormat::Png)?;
    write_whole(&path.with_extension("png"), bytes.get_ref())
}

fn table(sequence: &PenSequence) -> String {
    let mut table = String::from("x,y,pressure,t,pen_down\n");
    for point in &sequence.points {
        let pen_down = u8::from(point.pen_down);
        let _ = writeln!(
            table,
            "{:.3},{:.3},{:.3},{:.2},{pen_down}",
            point.x, point.y, point.pressure, point.t
        );
    }
    table
}
