//! Opening a recording.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicUsize;

use ruzstd::decoding::StreamingDecoder;

use super::format::{FormatError, HEAD, In, RECORDING_MAGIC, Tag, VERSION};
use super::recorder::PAGE;
use super::{Recording, Run};
use crate::dump::bytes::Bytes;
use crate::dump::expand::expand;
use crate::dump::open::open_regular;
use crate::{Fault, OpenCoreError, Packing, Progress};

/// The most that an executable's file may be long: the largest Go programs known are a few hundred
/// MiB with their DWARF.
const MAX_EXE: u64 = 2 << 30;

/// More chunks than a recording has: of 32 GiB, if no page of it had a neighbour.
const MAX_CHUNKS: u64 = 1 << 23;
/// The largest list of mappings, threads or faults, in bytes: millions of them.
const MAX_LIST: u64 = 64 << 20;

/// Why a recording could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenRecordingError {
    /// The file could not be read.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What failed.
        source: io::Error,
    },
    /// It could not be decompressed.
    #[error(transparent)]
    Unpack(#[from] OpenCoreError),
    /// It is no recording that can be read.
    #[error("{path} cannot be read as a recording: {source}")]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: FormatError,
    },
}

impl Recording {
    /// Opens a recording, decompressing it into an unlinked file in `$TMPDIR`, else in `/var/tmp`.
    /// `progress` counts the bytes read.
    ///
    /// # Errors
    ///
    /// It cannot be read, is of another version of the format, or damaged: of a recording that
    /// lacks an unknown part no answer could say what it lacks.
    pub fn open(path: &Path, progress: &Progress) -> Result<Recording, OpenRecordingError> {
        let io = |source| OpenRecordingError::Io { path: path.to_owned(), source };
        let format = |source| OpenRecordingError::Format { path: path.to_owned(), source };
        let mut file = open_regular(path).map_err(io)?;
        let mut head = Vec::new();
        (&mut file).take(HEAD as u64).read_to_end(&mut head).map_err(io)?;
        check_head(&head).map_err(format)?;
        let plain = expand(path, &mut file, Packing::Zstd, progress)?;
        if plain.broken {
            return Err(format(FormatError::CutShort("its compressed stream ends early")));
        }
        Recording::parse(Bytes::map(plain.file).map_err(io)?).map_err(format)
    }

    /// A recording that is in memory; of its content at most `limit` bytes are decompressed.
    ///
    /// # Errors
    ///
    /// As [`Recording::open`], and where there is more than `limit`.
    pub fn from_bytes(bytes: &[u8], limit: u64) -> Result<Recording, FormatError> {
        let (head, mut packed) = bytes.split_at_checked(HEAD).ok_or(FormatError::NotOne)?;
        check_head(head)?;
        let broken = |_| FormatError::CutShort("its compressed stream ends early");
        let mut plain = Vec::new();
        while !packed.is_empty() {
            let frame = StreamingDecoder::new(&mut packed)
                .map_err(|_| FormatError::CutShort("its compressed stream is damaged"))?;
            let room = limit.saturating_sub(plain.len() as u64);
            frame.take(room).read_to_end(&mut plain).map_err(broken)?;
            if plain.len() as u64 >= limit {
                return Err(FormatError::Damaged("it is longer than the limit"));
            }
        }
        Recording::parse(Bytes::owned(plain))
    }

    /// Reads the chunks.
    fn parse(bytes: Bytes) -> Result<Recording, FormatError> {
        let mut parts = Parts::default();
        let mut from = In(bytes.all());
        while !parts.ended {
            parts.next(&mut from, bytes.all().len())?;
        }
        if !from.0.is_empty() {
            return Err(FormatError::Damaged("something follows its end"));
        }
        let runs = in_order(parts.runs)?;
        let exe_parts = in_order(parts.exe_parts)?;
        if parts.exe_len > MAX_EXE || exe_parts.last().is_some_and(|p| p.end > parts.exe_len) {
            return Err(FormatError::Damaged("the executable is longer than it can be"));
        }
        let faults = parts.faults.iter().map(|(addr, why)| {
            let fault = Fault::new(crate::Addr(*addr), *why);
            (addr / PAGE, fault)
        });
        Ok(Recording {
            faults: faults.collect(),
            process: parts
                .process
                .ok_or(FormatError::CutShort("it says nothing of the process"))?,
            mappings: parts.mappings,
            threads: parts.threads,
            runs,
            last: AtomicUsize::new(0),
            exe_len: parts.exe_len,
            exe_parts,
            lost: AtomicUsize::new(0),
            bytes,
        })
    }
}

fn check_head(head: &[u8]) -> Result<(), FormatError> {
    let version = head.strip_prefix(&RECORDING_MAGIC).ok_or(FormatError::NotOne)?;
    match In(version).u32() {
        Some(VERSION) => Ok(()),
        Some(other) => Err(FormatError::Version(other)),
        None => Err(FormatError::NotOne),
    }
}

/// What the chunks have said so far.
#[derive(Default)]
struct Parts {
    process: Option<super::Process>,
    mappings: Vec<crate::Mapping>,
    threads: Vec<crate::Thread>,
    faults: Vec<(u64, crate::Why)>,
    runs: Vec<Run>,
    exe_len: u64,
    exe_parts: Vec<Run>,
    count: u64,
    ended: bool,
}

impl Parts {
    /// Reads the next chunk of a recording of `total` bytes.
    fn next(&mut self, from: &mut In<'_>, total: usize) -> Result<(), FormatError> {
        let cut = FormatError::CutShort("it ends before its end is marked");
        let (Some(tag), Some(len)) = (from.u8(), from.u64()) else { return Err(cut) };
        let list = matches!(tag, Tag::PROCESS | Tag::MAPPINGS | Tag::THREADS | Tag::FAULTS);
        if self.count >= MAX_CHUNKS || list && len > MAX_LIST {
            return Err(FormatError::Damaged("it has more parts than it can have"));
        }
        let at = total - from.0.len();
        let mut chunk = In(from.bytes(len).ok_or(cut)?);
        self.take(tag, &mut chunk, at)
            .ok_or(FormatError::Damaged("a part of it makes no sense"))?;
        self.count += 1;
        Ok(())
    }

    fn take(&mut self, tag: u8, chunk: &mut In<'_>, at: usize) -> Option<()> {
        match tag {
            Tag::PROCESS => self.process = Some(chunk.process()?),
            Tag::MAPPINGS => {
                self.mappings = chunk.all(In::mapping)?;
                let ordered = |pair: &[crate::Mapping]| pair[0].end <= pair[1].start;
                let valid = self.mappings.iter().all(|m| m.start <= m.end);
                return (valid && self.mappings.windows(2).all(ordered)).then_some(());
            }
            Tag::THREADS => self.threads = chunk.all(In::thread)?,
            Tag::FAULTS => self.faults = chunk.all(In::fault)?,
            Tag::MEMORY => self.runs.push(run(chunk, at)?),
            Tag::EXE => self.exe_len = chunk.u64()?,
            Tag::EXE_PART => self.exe_parts.push(run(chunk, at)?),
            Tag::END => {
                self.ended = true;
                return (chunk.u64()? == self.count).then_some(());
            }
            _ => return None,
        }
        Some(())
    }
}

/// The range that a chunk of bytes is for; the chunk begins at `at`.
fn run(chunk: &mut In<'_>, at: usize) -> Option<Run> {
    let start = chunk.u64()?;
    let end = start.checked_add(chunk.0.len() as u64)?;
    Some(Run { start, end, at: at.checked_add(8)? })
}

/// The ranges by where they begin, adjoining ones of one piece left apart.
fn in_order(mut runs: Vec<Run>) -> Result<Vec<Run>, FormatError> {
    runs.retain(|run| run.start < run.end);
    runs.sort_unstable_by_key(|run| run.start);
    match runs.windows(2).all(|pair| pair[0].end <= pair[1].start) {
        true => Ok(runs),
        false => Err(FormatError::Damaged("it has the same bytes twice")),
    }
}
