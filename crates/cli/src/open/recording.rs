//! A recording and what it has of the executable.

use std::path::Path;

use mapscope_binary::{Elf, ElfError};
use mapscope_target::{Progress, Recording, Target};

use crate::args::OpenArgs;
use crate::failure::Failure;

/// A recording, with its executable's file as far as that was kept.
pub(crate) struct Kept {
    pub(crate) recording: Recording,
    exe: Vec<u8>,
}

impl Kept {
    /// Opens a recording.
    pub(crate) fn open(path: &Path, how: &OpenArgs, progress: &Progress) -> anyhow::Result<Kept> {
        if how.exe.is_some() {
            return Err(Failure::new("--exe is not for a recording")
                .hint("what is needed of the executable is in the recording")
                .into());
        }
        let recording = Recording::open(path, progress)?;
        let exe = recording.exe_bytes();
        Ok(Kept { recording, exe })
    }

    /// The executable, as far as it was kept.
    pub(crate) fn elf(&self) -> Result<Elf<'_>, ElfError> {
        Elf::parse_kept(&self.exe, &self.recording.exe_ranges())
    }
}

/// The process that was recorded, in words.
pub(crate) fn words(path: &Path, recording: &Recording) -> String {
    let mut text = format!("recording {}", path.display());
    if let Some(pid) = recording.pid() {
        text.push_str(&format!(" of process {pid}"));
    }
    if let Some(crash) = recording.crash() {
        text.push_str(&format!(", signal {}", crash.signal));
    }
    text
}
