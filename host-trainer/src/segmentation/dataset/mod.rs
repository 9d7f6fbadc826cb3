//! Pictures in which somebody marked what each pixel belongs to.
//!
//! A [`Task`] is a set of such pictures and the structures to be found in them. [`load`] reads
//! tasks from files, whichever of these they are:
//!
//! ```text
//! images/K.png labels/K.png                       a task: pictures, and maps of class numbers
//! TASK/images/K.png TASK/labels/K.png tasks.json  several, in a folder or a zip archive
//! imagesTr/K.nii.gz labelsTr/K.nii.gz             a task of the Decathlon: volumes, of which
//!                                                 some slices are taken
//! K.bmp K.png                                     pictures and masks in one folder
//! ```
//!
//! [`by_subject`] parts a task's cases, [`synthetic`] makes tasks up.

mod decathlon;
mod folders;
mod nifti;
mod pairs;
mod slices;
pub mod split;
pub mod synthetic;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use edge_runtime::picture::{Picture, is_picture};

use crate::dataset::Source;
use crate::dataset::tree::{Tree, entries};

pub use split::{by_subject, part_of};

/// One picture, with what each of its pixels belongs to.
#[derive(Clone, Debug)]
pub struct Case {
    /// Unique in its task.
    pub name: String,
    /// Whose picture it is: cases of one subject are alike, so they must not both teach and judge.
    pub subject: String,
    /// The picture.
    pub picture: Picture,
    /// As wide and high as the picture.
    pub labels: LabelMap,
}

/// A class number for each pixel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelMap {
    /// Pixels in a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Row by row; 0 is the background.
    pub values: Vec<u8>,
}

/// What is to be found: pixels with one of these labels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Structure {
    /// Its name, unique in its task.
    pub name: String,
    /// Values in a [`LabelMap`].
    pub labels: Vec<u8>,
}

/// Pictures of one kind and what is to be found in them.
#[derive(Clone, Debug)]
pub struct Task {
    /// Its name.
    pub name: String,
    /// The pictures, by name.
    pub cases: Vec<Case>,
    /// Where there are several classes, their union comes first, named like the task; then
    /// every class.
    pub structures: Vec<Structure>,
}

impl Task {
    /// A task whose structures are the classes that occur; `names` has names of some.
    fn new(name: String, cases: Vec<Case>, names: &BTreeMap<u8, String>) -> Self {
        let values = cases.iter().flat_map(|case| &case.labels.values);
        let classes: BTreeSet<u8> = values.copied().filter(|&value| value != 0).collect();
        let named = |&class: &u8| Structure {
            name: match names.get(&class) {
                Some(name) => name.clone(),
                None => format!("class-{class}"),
            },
            labels: vec![class],
        };
        let union = Structure {
            name: name.clone(),
            labels: classes.iter().copied().collect(),
        };
        let union = (classes.len() > 1).then_some(union);
        Self {
            name,
            structures: union.into_iter().chain(classes.iter().map(named)).collect(),
            cases,
        }
    }
}

/// How the names of archives with ready tasks begin, and how they end.
const READY: [&str; 2] = ["fewshot_seg", "zip"];

/// The same of others that are looked for in a folder.
const ORIGINALS: [[&str; 2]; 2] = [["Task", "tar"], ["segmentation_WBC", "zip"]];

/// The folder that has them, beside those of other sets.
const FOLDER: &str = "medseg";

/// How deep below a folder that is searched the files of a task may lie: `task/images/K.png`.
const DEPTH: usize = 2;

/// Reads the tasks that are `data`, a folder or an archive, or that lie in that folder or its
/// folder `medseg`; an archive with ready tasks is preferred. Without `data`, the folder that
/// the program was started in is searched.
///
/// # Errors
/// When there are none, or files are damaged or do not go together; the message names them.
pub fn load(data: Option<&Path>) -> Result<Vec<Task>> {
    let data = data.unwrap_or(Path::new("."));
    let tasks = match data.is_file() {
        true => tasks(&Tree::of_archive(data)?)?,
        false => search(data)?,
    };
    ensure!(
        !tasks.is_empty(),
        "expected pictures with marked structures in {} or its folder {FOLDER} ({}*.zip; folders images and labels with \
         files of the same names; a task of the Medical Segmentation Decathlon, Task*.tar or its folders imagesTr and \
         labelsTr; pictures NAME.bmp with masks NAME.png), found none: name the archive or folder by --data or \
         SEMBLANCE_DATA",
        data.display(),
        READY[0]
    );
    Ok(tasks)
}

/// The task that was asked for, or all.
///
/// # Errors
/// When there is none of that name.
pub fn chosen<'a>(tasks: &'a [Task], asked: Option<&str>) -> Result<Vec<&'a Task>> {
    let Some(asked) = asked else {
        return Ok(tasks.iter().collect());
    };
    let found: Vec<&Task> = tasks.iter().filter(|task| task.name == asked).collect();
    let names: Vec<&str> = tasks.iter().map(|task| task.name.as_str()).collect();
    ensure!(
        !found.is_empty(),
        "expected a task among {}, found {asked:?}",
        names.join(", ")
    );
    Ok(found)
}

fn search(data: &Path) -> Result<Vec<Task>> {
    let mut places = vec![data.to_owned()];
    places.extend(Some(data.join(FOLDER)).filter(|place| place.is_dir()));
    for place in &places {
        let is_ready = |path: &PathBuf| is_archive(path, READY);
        if let Some(archive) = entries(place)?.into_iter().find(is_ready) {
            return tasks(&Tree::of_archive(&archive)?);
        }
    }
    for place in &places {
        let mut found = tasks(&Tree::of_folder(place, DEPTH)?)?;
        for path in entries(place)? {
            if ORIGINALS.iter().any(|names| is_archive(&path, *names)) {
                found.extend(tasks(&Tree::of_archive(&path)?)?);
            }
        }
        if !found.is_empty() {
            return Ok(found);
        }
    }
    Ok(vec![])
}

/// Whether a path is an archive whose name begins and ends so.
fn is_archive(path: &Path, [start, extension]: [&str; 2]) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let has_extension = path.extension().is_some_and(|found| found == extension);
    name.starts_with(start) && has_extension && path.is_file()
}

/// The tasks in an archive or a folder.
fn tasks(tree: &Tree) -> Result<Vec<Task>> {
    let mut found = folders::tasks(tree)?;
    found.extend(decathlon::tasks(tree)?);
    found.extend(pairs::tasks(tree)?);
    Ok(found)
}

/// A file of a tree: its path, and how to get its bytes.
#[derive(Clone, Copy, Debug)]
struct Entry<'a> {
    path: &'a str,
    source: &'a Source,
}

impl Entry<'_> {
    /// The picture, as devices read those that they mark structures on.
    fn picture(&self, tree: &Tree) -> Result<Picture> {
        let place = || tree.place(self.path);
        let bytes = self.source.bytes().with_context(place)?;
        Picture::decode_stretched(&bytes).with_context(place)
    }
}

/// Files by their folder (empty at the top) and their name. Hidden ones are left out: some
/// archivers put one of their own beside every file.
type Folders<'a> = BTreeMap<&'a str, BTreeMap<&'a str, Entry<'a>>>;

fn by_folder(tree: &Tree) -> Folders<'_> {
    let mut folders = Folders::new();
    for (path, source) in tree.files() {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        if !name.starts_with('.') {
            let files = folders.entry(folder).or_default();
            files.insert(name, Entry { path, source });
        }
    }
    folders
}

/// The last part of a folder's path, or the name of the tree where it is the tree.
fn folder_name(tree: &Tree, folder: &str) -> String {
    match folder.rsplit('/').next() {
        Some(name) if !name.is_empty() => name.to_owned(),
        _ => {
            let root = tree.root.canonicalize().unwrap_or(tree.root.clone());
            let name = match root.is_file() {
                true => root.file_stem(),
                false => root.file_name(),
            };
            name.unwrap_or_default().to_string_lossy().into_owned()
        }
    }
}

/// Pictures by their names without extensions.
///
/// # Errors
/// When two have one name; the message names them.
fn by_stem<'a, 'b>(
    tree: &Tree,
    files: impl Iterator<Item = (&'b &'b str, &'b Entry<'a>)>,
) -> Result<BTreeMap<String, Entry<'a>>>
where
    'a: 'b,
{
    let mut found = BTreeMap::new();
    for (name, entry) in files.filter(|(name, _)| is_picture(Path::new(name))) {
        let stem = Path::new(name).file_stem().unwrap_or_default();
        insert_once(tree, &mut found, &stem.to_string_lossy(), *entry)?;
    }
    Ok(found)
}

/// Adds a file, unless there is another of that name.
fn insert_once<'a>(
    tree: &Tree,
    files: &mut BTreeMap<String, Entry<'a>>,
    name: &str,
    entry: Entry<'a>,
) -> Result<()> {
    match files.insert(name.to_owned(), entry) {
        None => Ok(()),
        Some(other) => bail!(
            "{}: expected one file named {name}, found another, {}: remove one",
            tree.place(entry.path),
            other.path
        ),
    }
}

/// A picture, the labels of its pixels, and the name that they have in common.
struct Pair<'a> {
    name: String,
    picture: Entry<'a>,
    labels: Entry<'a>,
}

/// Pictures and label maps of the same names, by name.
///
/// # Errors
/// When one has no partner; the message names it.
fn paired<'a>(
    tree: &Tree,
    mut pictures: BTreeMap<String, Entry<'a>>,
    labels: BTreeMap<String, Entry<'a>>,
) -> Result<Vec<Pair<'a>>> {
    let mut pairs = vec![];
    for (name, labels) in labels {
        let place = || tree.place(labels.path);
        let picture = pictures.remove(&name).with_context(|| {
            format!(
                "{}: expected a picture of the same name, found none",
                place()
            )
        })?;
        pairs.push(Pair {
            name,
            picture,
            labels,
        });
    }
    if let Some((_, alone)) = pictures.first_key_value() {
        bail!(
            "{}: expected labels of the same name, found none",
            tree.place(alone.path)
        );
    }
    Ok(pairs)
}

impl Case {
    /// A picture and its labels; `place` is for messages.
    ///
    /// # Errors
    /// When they are not of one size.
    fn new(name: &str, picture: Picture, labels: LabelMap, place: &str) -> Result<Self> {
        let size = picture.image().with_context(|| place.to_owned())?.size();
        ensure!(
            size == [labels.width, labels.height],
            "{place}: expected labels for the {} x {} pixels of its picture, found {} x {}",
            size[0],
            size[1],
            labels.width,
            labels.height
        );
        Ok(Self {
            name: name.to_owned(),
            subject: name.split('_').next().unwrap_or(name).to_owned(),
            picture,
            labels,
        })
    }
}

#[cfg(test)]
mod tests;
