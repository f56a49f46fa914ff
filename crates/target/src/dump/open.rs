//! Opening a core file.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicUsize;

use nix::libc;

use super::bytes::Bytes;
use super::expand::{self, Packing};
use super::header::{self, HeaderError, Headers};
use super::notes::Notes;
use super::segments::Segments;
use super::splice::Splices;
use super::{Core, Truncation, mappings};
use crate::Progress;

/// Why a core could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenCoreError {
    /// The file, or a temporary one, could not be read or written.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What failed.
        source: io::Error,
    },
    /// A directory, a pipe, a device.
    #[error("{path} is no regular file")]
    NotAFile {
        /// What was given.
        path: PathBuf,
    },
    /// Its headers are not those of a core we read.
    #[error("{path} cannot be read as a core: {source}")]
    Header {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: HeaderError,
    },
    /// Nothing at all could be decompressed.
    #[error("{path} cannot be decompressed: {source}")]
    Packed {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: io::Error,
    },
    /// A decompressed core did not fit.
    #[error(
        "{dir} is full: the core {path} does not fit there decompressed; set TMPDIR to a directory \
         on a larger file system"
    )]
    DiskFull {
        /// The compressed core.
        path: PathBuf,
        /// Where it was being decompressed to.
        dir: PathBuf,
    },
    /// [`Progress::cancel`] was called.
    #[error("cancelled")]
    Cancelled,
}

/// What a file is, by its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// A core.
    Core,
    /// A compressed file, which may hold a core.
    Packed(Packing),
    /// A recording.
    Recording,
    /// An executable or shared library.
    Executable,
    /// Something else.
    Other,
}

impl FileKind {
    /// Looks at the first bytes of a file.
    pub fn of(path: &Path) -> io::Result<FileKind> {
        let mut head = Vec::new();
        open_regular(path)?.take(64).read_to_end(&mut head)?;
        if let Some(packing) = Packing::of(&head) {
            return Ok(FileKind::Packed(packing));
        }
        if head.starts_with(&crate::RECORDING_MAGIC) {
            return Ok(FileKind::Recording);
        }
        let elf = head.starts_with(b"\x7fELF");
        Ok(match header::u16_at(&head, 16).filter(|_| elf) {
            Some(4) => FileKind::Core,
            Some(2 | 3) => FileKind::Executable,
            _ => FileKind::Other,
        })
    }
}

impl Core {
    /// Opens a core, decompressing it first where it is compressed with zstd or lz4: into an
    /// unlinked file in `$TMPDIR`, else in `/var/tmp`. `progress` counts the bytes read.
    ///
    /// A core that was cut short opens all the same: see [`Core::truncated`].
    pub fn open(path: &Path, progress: &Progress) -> Result<Core, OpenCoreError> {
        let failed = |source: io::Error| match source.kind() {
            io::ErrorKind::InvalidInput => OpenCoreError::NotAFile { path: path.to_owned() },
            _ => OpenCoreError::Io { path: path.to_owned(), source },
        };
        let mut file = open_regular(path).map_err(failed)?;
        let mut head = [0; 4];
        let len = read_head(&mut file, &mut head).map_err(failed)?;
        let Some(packing) = Packing::of(&head[..len]) else {
            return Core::from_file(path, file, false);
        };
        let plain = expand::expand(path, &mut file, packing, progress)?;
        Core::from_file(path, plain.file, plain.broken)
    }

    /// A core that is in memory, uncompressed.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Core, HeaderError> {
        Core::new(Bytes::owned(bytes), false)
    }

    fn from_file(path: &Path, file: File, broken: bool) -> Result<Core, OpenCoreError> {
        let io = |source| OpenCoreError::Io { path: path.to_owned(), source };
        let header = |source| OpenCoreError::Header { path: path.to_owned(), source };
        Core::new(Bytes::map(file).map_err(io)?, broken).map_err(header)
    }

    fn new(bytes: Bytes, stream: bool) -> Result<Core, HeaderError> {
        let headers = header::parse(bytes.all())?;
        let mut notes = Notes::default();
        for &(offset, size) in &headers.notes {
            notes.add(range(bytes.all(), offset, size));
        }
        let segments = Segments::new(&headers.loads, bytes.all().len());
        let mappings = mappings(&segments, &notes);
        let truncation = truncation(&headers, bytes.all().len() as u64, stream);
        let splices = Splices::default();
        let lost = AtomicUsize::new(0);
        Ok(Core { bytes, segments, splices, notes, mappings, truncation, lost })
    }
}

/// What there is of `size` bytes at `offset`.
fn range(bytes: &[u8], offset: u64, size: u64) -> &[u8] {
    let tail = usize::try_from(offset).ok().and_then(|at| bytes.get(at..)).unwrap_or_default();
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    tail.get(..size).unwrap_or(tail)
}

fn truncation(headers: &Headers, present: u64, stream: bool) -> Option<Truncation> {
    let loads = headers.loads.iter().map(|load| (load.offset, load.file_size));
    let ends = loads.chain(headers.notes.iter().copied());
    let ends = ends.filter(|&(_, size)| size > 0).map(|(at, size)| at.saturating_add(size));
    let promised = ends.max().unwrap_or(0);
    let short = promised > present || headers.missing > 0 || stream;
    short.then_some(Truncation { promised, present, headers: headers.missing, stream })
}

/// Opens a file that reading cannot block on; `InvalidInput` for any other.
pub(crate) fn open_regular(path: &Path) -> io::Result<File> {
    let file = File::options().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    let regular = file.metadata()?.is_file();
    regular.then_some(file).ok_or_else(|| io::ErrorKind::InvalidInput.into())
}

/// Reads up to four bytes and goes back to the beginning.
fn read_head(file: &mut File, head: &mut [u8; 4]) -> io::Result<usize> {
    use std::os::unix::fs::FileExt;
    file.read_at(head, 0)
}
