//! The secret of a device in a file that its owner alone can read.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::vec::Vec;

use shared::Secret;
use shared::secret::SECRET_LEN;
use zeroize::Zeroizing;

use super::{DeviceSecrets, KeyProvider, Keys};
use crate::file::{self, ReplaceError};

/// The first bytes of a key file, and its version.
const HEAD: [u8; 6] = *b"SMBK\x01\x00";

/// Secrets in a file: [`HEAD`], then the one in use, then the one before, if it is kept.
#[derive(Debug)]
pub struct FileKeys {
    path: PathBuf,
}

impl FileKeys {
    /// The secrets in the file at `path`, which need not be there.
    pub fn new(path: &Path) -> Self {
        Self {
            path: file::follow_links(path),
        }
    }

    /// The secrets; where there are none, one that is made now, by the system's source of
    /// randomness.
    ///
    /// # Errors
    /// [`FileKeysError`].
    pub fn open_or_begin(path: &Path) -> Result<DeviceSecrets, FileKeysError> {
        let mut keys = Self::new(path);
        if let Some(secrets) = keys.secrets()? {
            return Ok(secrets);
        }
        let error = |source| FileKeysError::Write {
            path: path.to_path_buf(),
            source,
        };
        if let Some(folder) = keys.path.parent() {
            make_folder(folder).map_err(error)?;
        }
        // Two programs may begin at once: whose file is there first has the secret.
        match file::create(&keys.path, &encode(&fresh()?, None)) {
            Err(source) if source.kind() != io::ErrorKind::AlreadyExists => {
                return Err(error(source));
            }
            _ => {}
        }
        let secrets = keys.secrets()?;
        secrets.ok_or_else(|| error(io::ErrorKind::NotFound.into()))
    }

    /// Where they are.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn write(&self, current: &Secret, previous: Option<&Secret>) -> Result<(), FileKeysError> {
        let replaced = file::replace(&self.path, &encode(current, previous));
        replaced.map_err(|error| match error {
            ReplaceError::Unchanged(source) | ReplaceError::Unsynced(source) => {
                FileKeysError::Write {
                    path: self.path.clone(),
                    source,
                }
            }
        })
    }
}

/// A secret by the system's source of randomness.
///
/// # Errors
/// [`FileKeysError::Random`].
pub fn fresh() -> Result<Secret, FileKeysError> {
    let mut bytes = Zeroizing::new([0; SECRET_LEN]);
    getrandom::fill(bytes.as_mut()).map_err(|_| FileKeysError::Random)?;
    Ok(Secret::new(*bytes))
}

impl KeyProvider for FileKeys {
    type Error = FileKeysError;

    fn secrets(&mut self) -> Result<Option<DeviceSecrets>, FileKeysError> {
        let read = |source| FileKeysError::Read {
            path: self.path.clone(),
            source,
        };
        let bytes = match file::read(&self.path, MAX_LEN) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            bytes => Zeroizing::new(bytes.map_err(read)?),
        };
        if !is_private(&self.path).map_err(read)? {
            return Err(FileKeysError::Shared {
                path: self.path.clone(),
            });
        }
        let damaged = || FileKeysError::Damaged {
            path: self.path.clone(),
        };
        let secrets = bytes.strip_prefix(&HEAD).ok_or_else(damaged)?;
        match secrets.as_chunks() {
            ([current], []) => Ok(Some(DeviceSecrets {
                current: Secret::new(*current),
                previous: None,
            })),
            ([current, previous], []) => Ok(Some(DeviceSecrets {
                current: Secret::new(*current),
                previous: Some(Secret::new(*previous)),
            })),
            _ => Err(damaged()),
        }
    }

    fn add(&mut self, secret: &Secret) -> Result<(), FileKeysError> {
        match self.secrets()? {
            Some(DeviceSecrets {
                previous: Some(_), ..
            }) => Err(FileKeysError::Unfinished {
                path: self.path.clone(),
            }),
            Some(DeviceSecrets { current, .. }) => self.write(secret, Some(&current)),
            None => self.write(secret, None),
        }
    }

    fn retire(&mut self) -> Result<bool, FileKeysError> {
        match self.secrets()? {
            Some(DeviceSecrets {
                current,
                previous: Some(_),
            }) => self.write(&current, None).map(|()| true),
            _ => Ok(false),
        }
    }
}

const MAX_LEN: u64 = (HEAD.len() + 2 * SECRET_LEN) as u64;

fn encode(current: &Secret, previous: Option<&Secret>) -> Zeroizing<Vec<u8>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_LEN as usize));
    bytes.extend_from_slice(&HEAD);
    for secret in [Some(current), previous].into_iter().flatten() {
        bytes.extend_from_slice(secret.expose());
    }
    bytes
}

#[cfg(unix)]
fn is_private(path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::PermissionsExt;
    Ok(fs::metadata(path)?.permissions().mode() & 0o077 == 0)
}

#[cfg(not(unix))]
fn is_private(_: &Path) -> io::Result<bool> {
    Ok(true)
}

/// Makes a folder, and those it is in, that their owner alone can look into.
///
/// # Errors
/// What the system says.
pub fn make_folder(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// Where a program keeps its keys: in the folder that is `named`, else in that of
/// `SEMBLANCE_KEYS`, else in `semblance` in the user's folder for data.
///
/// # Errors
/// [`FileKeysError::Nowhere`].
pub fn folder(named: Option<&Path>) -> Result<PathBuf, FileKeysError> {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    let told = named.map(Path::to_path_buf);
    let told = told.or_else(|| variable("SEMBLANCE_KEYS").map(PathBuf::from));
    let usual = || {
        let data = variable("XDG_DATA_HOME").map(PathBuf::from);
        let data = data.or_else(|| Some(Path::new(&variable("HOME")?).join(".local/share")));
        data.map(|data| data.join("semblance"))
    };
    told.or_else(usual).ok_or(FileKeysError::Nowhere)
}

/// The keys that this machine seals with, made where there are none; `named` as in
/// [`folder`].
///
/// # Errors
/// [`FileKeysError`].
pub fn device_keys(named: Option<&Path>) -> Result<Keys, FileKeysError> {
    let secrets = FileKeys::open_or_begin(&folder(named)?.join(DEVICE_KEY))?;
    Ok(Keys::new(&secrets))
}

/// The name of the device's key file in that folder.
pub const DEVICE_KEY: &str = "device.key";

/// Why a secret in a file cannot be had or kept.
#[derive(Debug)]
#[non_exhaustive]
pub enum FileKeysError {
    /// The file cannot be read.
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file cannot be written.
    Write {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Others than its owner may read the file.
    Shared {
        /// The file.
        path: PathBuf,
    },
    /// The file holds something else.
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// The secret before the last is still there.
    Unfinished {
        /// The file.
        path: PathBuf,
    },
    /// There is no folder for keys.
    Nowhere,
    /// The system gives no randomness.
    Random,
}

impl fmt::Display for FileKeysError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read { path, source } => write!(
                f,
                "{}: expected a key file that can be read, found: {source}",
                path.display()
            ),
            Self::Write { path, source } => write!(
                f,
                "{}: expected to write the key file, found: {source}; give its folder write permission, or name another one by --keys",
                path.display()
            ),
            Self::Shared { path } => write!(
                f,
                "{0}: expected a key file that its owner alone can read, found one that others can: chmod 600 {0}, and replace the key if somebody may have read it",
                path.display()
            ),
            Self::Damaged { path } => write!(
                f,
                "{}: expected a key file, found other bytes: restore it; without it, what was sealed or paired with it is lost",
                path.display()
            ),
            Self::Unfinished { path } => write!(
                f,
                "{}: expected one secret, found the one before it too: a rotation was cut off; rotate all stores of this key again",
                path.display()
            ),
            Self::Nowhere => f.write_str(
                "expected a place for this machine's keys, found no HOME: name a folder by --keys",
            ),
            Self::Random => f.write_str("expected randomness of the system, found none: try again"),
        }
    }
}

impl core::error::Error for FileKeysError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Read { source, .. } | Self::Write { source, .. } => Some(source),
            _ => None,
        }
    }
}
