//! `--record FILE`: keeping what was read.

use std::fs::{File, Permissions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::Context;
use mapscope_binary::Elf;
use mapscope_target::{ExePart, Recorder, Target};

use crate::args::OpenArgs;

/// A target, and where what is read of it is to be kept, if that was asked for.
pub(crate) struct Tape<'t> {
    target: &'t dyn Target,
    to: Option<To<'t>>,
}

struct To<'t> {
    path: PathBuf,
    recorder: Recorder<'t>,
    elf: &'t Elf<'t>,
}

/// Begins to note what is read of the executable, if that is asked for.
pub(crate) fn watch(how: &OpenArgs, elf: &Elf<'_>) {
    if how.record.is_some() {
        elf.watch();
    }
}

impl<'t> Tape<'t> {
    /// Begins to note what is read of `target`, if that is asked for; [`watch`] has begun to note
    /// what is read of its executable `elf`.
    pub(crate) fn begin(how: &OpenArgs, target: &'t dyn Target, elf: &'t Elf<'t>) -> Tape<'t> {
        let recorder = || Recorder::new(target);
        let to = how.record.clone().map(|path| To { path, recorder: recorder(), elf });
        Tape { target, to }
    }

    /// What is to be read from now on.
    pub(crate) fn target(&self) -> &dyn Target {
        self.to.as_ref().map_or(self.target, |to| &to.recorder)
    }

    /// Writes what was read; `racing` says that the process ran on meanwhile.
    pub(crate) fn end(&self, racing: bool) -> anyhow::Result<()> {
        let Some(to) = &self.to else { return Ok(()) };
        let cannot = || format!("cannot write {}", to.path.display());
        let text = to.write(racing).with_context(cannot)?;
        // Nothing is left to be done where stderr is closed.
        let _ = io::stderr().write_all(text.as_bytes());
        Ok(())
    }
}

impl To<'_> {
    fn write(&self, racing: bool) -> io::Result<String> {
        let touched = self.elf.touched().into_iter();
        let parts: Vec<ExePart<'_>> = touched
            .filter_map(|range| {
                let offset = range.start;
                Some(ExePart { offset, bytes: self.elf.bytes_in(range)? })
            })
            .collect();
        let mut file = BufWriter::new(private(&self.path)?);
        let written = self.recorder.write(&mut file, self.elf.file_len(), &parts, racing)?;
        file.flush()?;
        let mut text = format!(
            "mapscope: recorded {} bytes of memory in {}: it holds raw memory of the process, \
             secrets included\n",
            written.memory,
            mapscope_report::printable(self.path.as_os_str().as_encoded_bytes()),
        );
        if written.lost > 0 {
            text.push_str(&format!(
                "mapscope: warning: {} pages that were read could not be read again and are not \
                 in the recording\n",
                written.lost
            ));
        }
        Ok(text)
    }
}

/// A file that only its owner may read, as the kernel makes cores.
fn private(path: &Path) -> io::Result<File> {
    let file = File::options().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    if file.metadata()?.is_file() {
        // One that was there before may have been for all to read.
        file.set_permissions(Permissions::from_mode(0o600))?;
    }
    Ok(file)
}
