use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use edge_runtime::file::{ReplaceError, follow_links, replace};
use edge_runtime::picture::Picture;
use edge_runtime::segmenter::SegmenterError;
use serde_json::{Value, json};

use super::structures::in_words;
use crate::Outcome;
use crate::arguments::Segment;
use crate::model::{FileSegmenter, Memory};
use crate::pictures;

/// The first bytes of a PNG file.
const PNG: [u8; 8] = *b"\x89PNG\r\n\x1a\n";

pub(super) fn run(arguments: &Segment, out: &mut impl Write) -> Result<Outcome> {
    let outputs = [Some(&arguments.out), arguments.overlay.as_ref()];
    for output in outputs.into_iter().flatten() {
        check_output(output, &arguments.picture)?;
    }
    ensure!(
        arguments.overlay.as_ref() != Some(&arguments.out),
        "expected two files for mask and overlay, found {} for both: name another",
        arguments.out.display()
    );
    let model = arguments.model.open()?;
    let mut memory = Memory::new(&model.artifact()?);
    let (engine, store) = (arguments.model.engine, arguments.store.as_path());
    let mut segmenter = memory.segmenter(&model, engine, store, &arguments.keys)?;
    let picture = pictures::read_stretched(&arguments.picture)?;
    let context = || arguments.picture.display().to_string();
    let image = picture.image().with_context(context)?;
    let [width, height] = picture.size();
    let mut mask = vec![0; width as usize * height as usize];
    let started = Instant::now();
    let references = match segmenter.segment(&arguments.subject, &image, &mut mask) {
        Err(SegmenterError::NotEnrolled) => return Err(unknown(arguments, &segmenter)),
        segmented => segmented.with_context(context)?,
    };
    let milliseconds = started.elapsed().as_secs_f64() * 1e3;
    let overlay = arguments.overlay.as_ref();
    if let Some(overlay) = overlay {
        write(overlay, picture.overlay(&mask))?;
    }
    let grey = mask.iter().map(|&value| 255 * value).collect();
    write(&arguments.out, Picture::new(width, height, 1, grey)?)?;
    let pixels = mask.iter().filter(|&&value| value > 0).count();
    let share = pixels as f64 / mask.len().max(1) as f64;
    let bounds = bounds(&mask, width as usize);
    if arguments.json {
        let answer = json!({
            "subject": arguments.subject,
            "picture": context(),
            "references": references,
            "width": width,
            "height": height,
            "pixels": pixels,
            "share": share,
            "box": bounds.map_or(Value::Null, |[left, top, width, height]| json!({
                "left": left,
                "top": top,
                "width": width,
                "height": height,
            })),
            "milliseconds": milliseconds,
            "mask": arguments.out.display().to_string(),
            "overlay": overlay.map(|path| path.display().to_string()),
            "model_id": segmenter.model_id().to_string(),
            "engine": engine.name(),
        });
        writeln!(out, "{answer}")?;
        return Ok(Outcome::Yes);
    }
    let found = match bounds {
        None => "nothing found".to_owned(),
        Some([left, top, width, height]) => format!(
            "{pixels} pixels, {:.2} % of the picture, in {width} x {height} pixels from column {left} and row {top} on",
            100.0 * share
        ),
    };
    writeln!(
        out,
        "{}  {}: {found}; by {}, {milliseconds:.1} ms",
        context(),
        arguments.subject,
        in_words(references)
    )?;
    Ok(Outcome::Yes)
}

/// Which structures there are instead.
fn unknown(arguments: &Segment, segmenter: &FileSegmenter<'_, '_>) -> anyhow::Error {
    let names: Vec<&str> = segmenter
        .structures()
        .map(|(name, _)| name.as_str())
        .collect();
    let there_are = match names.as_slice() {
        [] => "it is empty: enrol the structure first".to_owned(),
        names => format!("there are: {}", names.join(", ")),
    };
    anyhow::anyhow!(
        "{}: expected an enrolled structure, found no such name in {}; {there_are}",
        arguments.subject,
        arguments.store.display()
    )
}

/// What is no picture, or is the one to be looked at, is not overwritten by a slip.
fn check_output(output: &Path, picture: &Path) -> Result<()> {
    let Ok(place) = fs::canonicalize(output) else {
        return Ok(());
    };
    let shown = output.display();
    ensure!(
        fs::canonicalize(picture).ok().as_ref() != Some(&place),
        "{shown}: expected another file than the picture itself: name one that may be written"
    );
    let mut first = [0; PNG.len()];
    let read = File::open(&place).and_then(|mut file| file.read_exact(&mut first));
    ensure!(
        read.is_ok() && first == PNG,
        "{shown}: expected no file there, or an earlier PNG to replace, found something else: name another"
    );
    Ok(())
}

/// Writes a picture in place of what was there, whole or not at all.
fn write(path: &Path, picture: Picture) -> Result<()> {
    let shown = path.display();
    let bytes = picture.to_png().with_context(|| shown.to_string())?;
    match replace(&follow_links(path), &bytes) {
        Ok(()) => Ok(()),
        Err(ReplaceError::Unsynced(found)) => bail!(
            "{shown}: it is written, but expected the disk to confirm it, found: {found}; check the disk"
        ),
        Err(ReplaceError::Unchanged(found)) => bail!(
            "{shown}: expected to write a picture, found: {found}; make the folder, make room, or give the folder write permission"
        ),
        Err(other) => bail!("{shown}: expected to write a picture, found: {other:?}"),
    }
}

/// Left, top, width and height of what is marked.
fn bounds(mask: &[u8], columns: usize) -> Option<[usize; 4]> {
    let marked = mask.iter().enumerate().filter(|(_, value)| **value > 0);
    let places = marked.map(|(at, _)| [at % columns.max(1), at / columns.max(1)]);
    let around = places.fold(None, |around: Option<[usize; 4]>, [x, y]| {
        let [left, top, right, bottom] = around.unwrap_or([x, y, x, y]);
        Some([left.min(x), top.min(y), right.max(x), bottom.max(y)])
    });
    around.map(|[left, top, right, bottom]| [left, top, right - left + 1, bottom - top + 1])
}

#[cfg(test)]
mod tests {
    use super::bounds;

    #[test]
    fn what_is_marked_is_within_its_bounds() {
        let mut mask = [0; 20];
        assert_eq!(bounds(&mask, 5), None);
        mask[7] = 1;
        assert_eq!(bounds(&mask, 5), Some([2, 1, 1, 1]));
        mask[15] = 1;
        assert_eq!(bounds(&mask, 5), Some([0, 1, 3, 3]));
    }
}
