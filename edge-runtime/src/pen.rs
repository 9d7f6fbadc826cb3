//! From the bytes of a file of pen events to points, for host and device alike.

use std::fmt;
use std::path::Path;
use std::string::{String, ToString};
use std::vec::Vec;

use shared::preprocess::pen::{MAX_POINTS, PenPoint};

/// The largest file of pen events: 4 MiB.
pub const MAX_LEN: usize = 4 << 20;

/// How the names of files of pen events end, in folders of such.
pub const EXTENSIONS: [&str; 2] = ["sig", "csv"];

/// Whether a file is meant as pen events, by its name.
pub fn is_pen_file(path: &Path) -> bool {
    let extension = path.extension().unwrap_or_default().to_ascii_lowercase();
    EXTENSIONS.iter().any(|&known| extension == known)
}

/// Reads pen events: a `.sig` file of SUSIG, or a CSV file. The content says which it is.
///
/// - SUSIG: a line of names, a line `DataSize: N`, then N lines of x, y, t in milliseconds,
///   pressure, and 1 at a stroke's last point.
/// - CSV: a first line of names, among them `x`, `y` and `t` (milliseconds), maybe `p` (the
///   pressure), and `end` or `pen`: 1 at a stroke's last point, or 0 while the pen is lifted.
///   Without names, four columns x, y, p, t.
///
/// A pressure of 0 is a lifted pen where any other point has more.
///
/// # Errors
/// [`PenFileError`] says which line is not understood.
pub fn read(bytes: &[u8]) -> Result<Vec<PenPoint>, PenFileError> {
    if bytes.len() > MAX_LEN {
        return Err(PenFileError::Length { found: bytes.len() });
    }
    let text = str::from_utf8(bytes).map_err(|_| PenFileError::NoText)?;
    let mut lines = (1..).zip(text.lines().map(str::trim));
    let lines: Vec<(usize, &str)> = lines
        .by_ref()
        .filter(|(_, line)| !line.is_empty())
        .collect();
    let size = lines
        .get(1)
        .and_then(|(_, line)| line.strip_prefix("DataSize:"));
    let points = match size {
        Some(size) => susig(size, lines.get(2..).unwrap_or_default())?,
        None => csv(&lines)?,
    };
    if points.len() > MAX_POINTS {
        return Err(PenFileError::Points {
            found: points.len(),
        });
    }
    Ok(points)
}

fn susig(size: &str, lines: &[(usize, &str)]) -> Result<Vec<PenPoint>, PenFileError> {
    let expected = size.trim().parse().map_err(|_| PenFileError::Line {
        number: 2,
        line: size.to_string(),
    })?;
    if lines.len() != expected {
        return Err(PenFileError::Count {
            expected,
            found: lines.len(),
        });
    }
    let points = lines.iter().map(|&(number, line)| {
        let numbers: Vec<i64> = line.split_whitespace().flat_map(str::parse).collect();
        match numbers[..] {
            [x, y, t, pressure, end] => Ok(point([x, y, t, pressure], end == 1)),
            _ => Err(not_understood(number, line)),
        }
    });
    points.collect()
}

/// Columns of a CSV file.
struct Columns {
    x: usize,
    y: usize,
    t: usize,
    pressure: Option<usize>,
    end: Option<usize>,
    pen: Option<usize>,
}

impl Columns {
    /// Those that a first line names; without names, x, y, p, t.
    fn of(first: &str) -> Option<Self> {
        let names: Vec<String> = first
            .split(',')
            .map(|name| name.trim().to_ascii_lowercase())
            .collect();
        let named = |name: &str| names.iter().position(|found| found == name);
        Some(Self {
            x: named("x")?,
            y: named("y")?,
            t: named("t")?,
            pressure: named("p"),
            end: named("end"),
            pen: named("pen"),
        })
    }

    const UNNAMED: Self = Self {
        x: 0,
        y: 1,
        t: 3,
        pressure: Some(2),
        end: None,
        pen: None,
    };
}

fn csv(lines: &[(usize, &str)]) -> Result<Vec<PenPoint>, PenFileError> {
    let Some((first, rest)) = lines.split_first() else {
        return Err(PenFileError::Empty);
    };
    let (columns, lines) = match Columns::of(first.1) {
        Some(columns) => (columns, rest),
        None => (Columns::UNNAMED, lines),
    };
    let mut points: Vec<PenPoint> = Vec::with_capacity(lines.len());
    for &(number, line) in lines {
        let fields: Vec<&str> = line.split(',').map(str::trim).collect();
        let value = |column: usize| {
            let number = fields.get(column)?.parse::<f64>().ok()?;
            number.is_finite().then_some(number.round() as i64)
        };
        let of = |column: Option<usize>, usual: i64| match column {
            Some(column) => value(column),
            None => Some(usual),
        };
        let place = [value(columns.x), value(columns.y), value(columns.t)];
        let (Some(pressure), Some(end), Some(pen)) = (
            of(columns.pressure, 1),
            of(columns.end, 0),
            of(columns.pen, 1),
        ) else {
            return Err(not_understood(number, line));
        };
        let [Some(x), Some(y), Some(t)] = place else {
            return Err(not_understood(number, line));
        };
        if pen == 0 || pressure == 0 {
            // The pen is in the air: the stroke before has ended.
            if let Some(last) = points.last_mut() {
                last.end_of_stroke = true;
            }
            continue;
        }
        points.push(point([x, y, t, pressure], end == 1));
    }
    match points.is_empty() {
        true => Err(PenFileError::Empty),
        false => Ok(points),
    }
}

fn point([x, y, t, pressure]: [i64; 4], end_of_stroke: bool) -> PenPoint {
    let cut = |value: i64| value.clamp(i32::MIN.into(), i32::MAX.into()) as i32;
    PenPoint {
        x: cut(x),
        y: cut(y),
        // Clocks that count on beyond 32 bits begin anew.
        t: t as u32,
        pressure: pressure.clamp(0, u16::MAX.into()) as u16,
        end_of_stroke,
    }
}

fn not_understood(number: usize, line: &str) -> PenFileError {
    PenFileError::Line {
        number,
        line: line.chars().take(80).collect(),
    }
}

/// Why a file of pen events cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PenFileError {
    /// More than [`MAX_LEN`] bytes.
    Length {
        /// How many there are.
        found: usize,
    },
    /// More than [`MAX_POINTS`] events.
    Points {
        /// How many there are.
        found: usize,
    },
    /// It is no text.
    NoText,
    /// There is no event in it.
    Empty,
    /// A line is not understood.
    Line {
        /// Counted from 1.
        number: usize,
        /// Its beginning.
        line: String,
    },
    /// A SUSIG file has not as many events as it says.
    Count {
        /// As it says.
        expected: usize,
        /// Lines.
        found: usize,
    },
}

impl fmt::Display for PenFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length { found } => write!(
                f,
                "expected a file of pen events of at most {MAX_LEN} bytes, found {found}"
            ),
            Self::Points { found } => {
                write!(f, "expected at most {MAX_POINTS} events, found {found}")
            }
            Self::NoText => f.write_str("expected a text of pen events (.sig, .csv), found none"),
            Self::Empty => f.write_str(
                "expected pen events, found none: a CSV file has lines x,y,p,t, or columns that its first line names",
            ),
            Self::Line { number, line } => write!(
                f,
                "line {number}: expected a pen event, found {line:?}: a .sig file has five numbers a line, a CSV file x,y,p,t, or columns that its first line names"
            ),
            Self::Count { expected, found } => write!(
                f,
                "expected {expected} events, as the file says, found {found}: it is cut off"
            ),
        }
    }
}

impl core::error::Error for PenFileError {}
