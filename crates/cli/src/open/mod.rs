//! What TARGET names, and opening it.

mod core;
mod identity;
mod live;
pub(crate) mod log;
mod record;
mod recording;
mod target;

use std::io;
use std::path::{Path, PathBuf};

use anyhow::Context;
use mapscope_target::{FileKind, Packing};

use crate::failure::Failure;

pub(crate) use live::{Manner, Process};
pub(crate) use target::{Opened, elf, parse, read};

/// What TARGET was recognised as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Given {
    /// A live process.
    Pid(u32),
    /// A core, compressed or not.
    Core(PathBuf),
    /// A recording.
    Recording(PathBuf),
    /// An executable.
    Exe(PathBuf),
}

impl Given {
    /// Digits are a pid; everything else is a file, recognised by its first bytes.
    pub(crate) fn recognise(target: &str) -> anyhow::Result<Given> {
        if !target.is_empty() && target.bytes().all(|b| b.is_ascii_digit()) {
            return pid(target).map(Given::Pid);
        }
        let path = PathBuf::from(target);
        let kind = FileKind::of(&path).map_err(|e| unreadable(&path, &e))?;
        match kind {
            FileKind::Core => Ok(Given::Core(path)),
            FileKind::Recording => Ok(Given::Recording(path)),
            FileKind::Executable => Ok(Given::Exe(path)),
            FileKind::Packed(packing) => packed(path, packing),
            FileKind::Other => Err(neither(&path).into()),
        }
    }
}

/// The process that a user means by a number.
pub(crate) fn process(number: &str) -> anyhow::Result<u32> {
    match number.bytes().all(|b| b.is_ascii_digit()) {
        true => pid(number),
        false => Err(Failure::new(format!("`{number}` is no process id")).into()),
    }
}

fn pid(digits: &str) -> anyhow::Result<u32> {
    match digits.parse() {
        // The kernel's PID_MAX_LIMIT is 2^22; 0 is no process.
        Ok(pid @ 1..=4_194_304) => Ok(pid),
        _ => Err(Failure::new(format!("there is no process {digits}"))
            .hint(format!("a file of that name is ./{digits}"))
            .into()),
    }
}

fn unreadable(path: &Path, error: &io::Error) -> Failure {
    let path = path.display();
    match error.kind() {
        io::ErrorKind::NotFound => Failure::new(format!("there is no file {path}"))
            .hint("TARGET is a process id, a core file or a recording"),
        io::ErrorKind::InvalidInput => Failure::new(format!("{path} is no regular file")),
        io::ErrorKind::PermissionDenied => Failure::new(format!("may not read {path}: {error}"))
            .hint("cores are readable by the user who ran the program, or root"),
        _ => Failure::new(format!("cannot read {path}: {error}")),
    }
}

fn neither(path: &Path) -> Failure {
    Failure::new(format!("{} is neither a core nor a recording nor an executable", path.display()))
        .hint("TARGET is a process id, a core file (also compressed by zstd or lz4) or a recording")
}

/// Whether a compressed file holds a core or an executable.
fn packed(path: PathBuf, packing: Packing) -> anyhow::Result<Given> {
    let head = crate::image::packed_head(&path, packing)
        .with_context(|| format!("cannot decompress {}", path.display()))?;
    match elf_type(&head) {
        Some(4) => Ok(Given::Core(path)),
        Some(2 | 3) => Ok(Given::Exe(path)),
        _ => Err(neither(&path).into()),
    }
}

/// `e_type` of an ELF file: 2 and 3 are executables, 4 is a core (System V gABI, chapter 4).
fn elf_type(head: &[u8]) -> Option<u16> {
    let field = head.get(16..18).filter(|_| head.starts_with(b"\x7fELF"))?;
    Some(u16::from_le_bytes([field[0], field[1]]))
}
