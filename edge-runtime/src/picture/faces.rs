//! Where faces are on pictures: what a detector found.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Component, Path, PathBuf};
use std::string::{String, ToString};
use std::vec;
use std::vec::Vec;

use shared::preprocess::{ALIGNED_LEN, Landmarks, PreprocessError};

use super::Picture;
use crate::file;

/// The largest list: 64 MiB.
const MAX_LEN: u64 = 64 << 20;

/// Where the face is on a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Face {
    /// In a rectangle of pixels, as it stands.
    Region {
        /// Its first column and row.
        from: [u32; 2],
        /// Its width and height.
        size: [u32; 2],
    },
    /// Where these points are, to be turned and scaled.
    Landmarks(Landmarks),
}

impl Picture {
    /// The face alone.
    ///
    /// # Errors
    /// [`PreprocessError`] when it is not on the picture.
    pub fn face(&self, face: &Face) -> Result<Self, PreprocessError> {
        let image = self.image()?;
        match *face {
            Face::Region { from, size } => {
                let region = image.region(from, size)?;
                let channels = usize::from(self.channels);
                let row_len = size[0] as usize * channels;
                let rows = region.pixels().chunks(self.width as usize * channels);
                let rows = rows.take(size[1] as usize);
                let pixels = rows.flat_map(|row| row.iter().take(row_len)).copied();
                Self::new(size[0], size[1], self.channels, pixels.collect())
            }
            Face::Landmarks(landmarks) => {
                let mut room = vec![0; ALIGNED_LEN];
                let aligned = image.aligned(&landmarks, &mut room)?;
                let [width, height] = aligned.size();
                Self::new(width, height, self.channels, aligned.pixels().to_vec())
            }
        }
    }
}

/// The faces of many pictures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Faces {
    place: PathBuf,
    list: BTreeMap<PathBuf, Face>,
}

impl Faces {
    /// Reads a list: comma-separated lines of a picture's path, beside the list, and either a
    /// rectangle's left, top, width and height in whole pixels, or five points' x and y, the eye on
    /// the left of the picture, the one on the right, the tip of the nose, the corners of the mouth
    /// on the left and on the right, in pixels from the middle of the first one. A first line
    /// without numbers names the columns.
    ///
    /// # Errors
    /// [`FacesError`] when it cannot be read, or which line is not understood.
    pub fn read(path: &Path) -> Result<Self, FacesError> {
        let error = |what| FacesError {
            list: path.to_path_buf(),
            what,
        };
        let bytes =
            file::read(path, MAX_LEN).map_err(|found| error(What::File(found.to_string())))?;
        let text = str::from_utf8(&bytes)
            .map_err(|_| error(What::File("other bytes than text in UTF-8".to_string())))?;
        let mut list = BTreeMap::new();
        let lines = (1..).zip(text.trim_start_matches('\u{feff}').lines());
        for (number, line) in lines.filter(|(_, line)| !line.trim().is_empty()) {
            let (name, values) = line.split_once(',').unwrap_or((line, ""));
            let Some(face) = face(values) else {
                let is_header = number == 1 && values.split(',').all(|v| number_of(v).is_none());
                if is_header {
                    continue;
                }
                let line = line.to_string();
                return Err(error(What::Line { number, line }));
            };
            // Of two faces on a picture nobody knows which is meant.
            if list.insert(clean(Path::new(name.trim())), face).is_some() {
                let picture = name.trim().to_string();
                return Err(error(What::Twice { number, picture }));
            }
        }
        Ok(Self {
            place: path.to_path_buf(),
            list,
        })
    }

    /// The face on a picture.
    ///
    /// # Errors
    /// [`FacesError`] when the list has none.
    pub fn of(&self, picture: &Path) -> Result<Face, FacesError> {
        let folder = self.place.parent().unwrap_or(Path::new(""));
        let as_spelt = clean(picture).strip_prefix(clean(folder)).map(clean).ok();
        let found = as_spelt.and_then(|name| self.list.get(&name));
        // However both are spelt.
        let in_place = || {
            let folder = match folder.as_os_str().is_empty() {
                true => Path::new("."),
                false => folder,
            };
            let (folder, picture) = (folder.canonicalize().ok()?, picture.canonicalize().ok()?);
            self.list.get(picture.strip_prefix(folder).ok()?)
        };
        found.or_else(in_place).copied().ok_or_else(|| FacesError {
            list: self.place.clone(),
            what: What::Missing(picture.to_path_buf()),
        })
    }
}

/// A path without steps to where it already is.
fn clean(path: &Path) -> PathBuf {
    path.components()
        .filter(|part| *part != Component::CurDir)
        .collect()
}

fn number_of(text: &str) -> Option<f64> {
    let number: f64 = text.trim().parse().ok()?;
    number.is_finite().then_some(number)
}

fn face(values: &str) -> Option<Face> {
    let values: Option<Vec<f64>> = values.split(',').map(number_of).collect();
    let values = values?;
    if let [left, top, width, height] = values[..] {
        let whole = |value: f64| (value >= 0.0 && value.fract() == 0.0).then_some(value as u32);
        return Some(Face::Region {
            from: [whole(left)?, whole(top)?],
            size: [whole(width)?, whole(height)?],
        });
    }
    let steps: Vec<i32> = values.iter().map(|v| (v * 256.0).round() as i32).collect();
    let points: [[i32; 2]; 5] = steps.as_chunks::<2>().0.try_into().ok()?;
    (steps.len() == 10).then_some(Face::Landmarks(Landmarks(points)))
}

/// Why a list of faces does not say where one is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FacesError {
    list: PathBuf,
    what: What,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum What {
    File(String),
    Line { number: usize, line: String },
    Twice { number: usize, picture: String },
    Missing(PathBuf),
}

impl fmt::Display for FacesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = self.list.display();
        match &self.what {
            What::File(found) => write!(
                f,
                "{list}: expected a list of faces that can be read, found: {found}"
            ),
            What::Line { number, line } => write!(
                f,
                "{list}, line {number}: expected `PICTURE,left,top,width,height` or `PICTURE,x1,y1,x2,y2,x3,y3,x4,y4,x5,y5`, found {line:?}"
            ),
            What::Twice { number, picture } => write!(
                f,
                "{list}, line {number}: expected one face of {picture}, found a second one: keep the line of the one that is meant"
            ),
            What::Missing(picture) => write!(
                f,
                "{list}: expected a line for {}, found none: pictures are named from the list's folder on",
                picture.display()
            ),
        }
    }
}

impl core::error::Error for FacesError {}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use std::fs;

    use super::*;

    fn list(text: &str) -> (tempfile::TempDir, Result<Faces, FacesError>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("faces.csv");
        fs::write(&path, text).unwrap();
        let faces = Faces::read(&path);
        (folder, faces)
    }

    #[test]
    fn rectangles_and_points_are_read() {
        let text =
            "picture,left,top,width,height\nada/1.png, 3,4,50,60\n\nb.png,1.5,2,3,4,5,6,7,8,9,10\n";
        let (folder, faces) = list(text);
        let faces = faces.unwrap();
        assert_eq!(
            faces.of(&folder.path().join("ada/1.png")).unwrap(),
            Face::Region {
                from: [3, 4],
                size: [50, 60]
            }
        );
        assert_eq!(
            faces.of(&folder.path().join("b.png")).unwrap(),
            Face::Landmarks(Landmarks([
                [384, 512],
                [768, 1024],
                [1280, 1536],
                [1792, 2048],
                [2304, 2560]
            ]))
        );
        // However the path is spelt.
        let elsewhere = folder.path().join("ada");
        fs::create_dir(&elsewhere).unwrap();
        fs::write(folder.path().join("b.png"), "").unwrap();
        for spelt in ["./b.png", "ada/../b.png"] {
            assert!(faces.of(&folder.path().join(spelt)).is_ok(), "{spelt}");
        }
        let missing = faces.of(&folder.path().join("c.png")).unwrap_err();
        assert!(missing.to_string().contains("c.png"), "{missing}");
    }

    #[test]
    fn what_is_not_understood_is_told_with_its_line() {
        for line in [
            "a.png,1,2,3",
            "a.png,1,2,3,-4",
            "a.png,1,2,3,4.5",
            "a.png,1,2,3,x",
            "a.png,1,2,3,4,5",
            "a.png,1,2,3,4,5,6,7,8,9,inf",
            "a.png",
        ] {
            let (_folder, faces) = list(&std::format!("b.png,1,2,3,4\n{line}\n"));
            let error = faces.unwrap_err().to_string();
            assert!(error.contains("line 2"), "{error}");
        }
        let (_folder, twice) = list("b.png,1,2,3,4\n./b.png,5,6,7,8\n");
        let error = twice.unwrap_err().to_string();
        assert!(
            error.contains("line 2") && error.contains("second"),
            "{error}"
        );
        let missing = Faces::read(Path::new("nowhere/faces.csv")).unwrap_err();
        assert!(missing.to_string().contains("nowhere"), "{missing}");
    }

    #[test]
    fn a_region_keeps_its_pixels() {
        let picture = Picture::new(3, 3, 1, (0..9).collect()).unwrap();
        let region = |from, size| picture.face(&Face::Region { from, size });
        assert_eq!(
            region([1, 1], [2, 2]).unwrap(),
            Picture::new(2, 2, 1, vec![4, 5, 7, 8]).unwrap()
        );
        assert!(region([2, 0], [2, 1]).is_err());
        let rgb = Picture::new(2, 1, 3, vec![1, 2, 3, 4, 5, 6]).unwrap();
        let right = Face::Region {
            from: [1, 0],
            size: [1, 1],
        };
        assert_eq!(
            rgb.face(&right).unwrap(),
            Picture::new(1, 1, 3, vec![4, 5, 6]).unwrap()
        );
    }
}
