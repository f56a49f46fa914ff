//! A live process, read so that it stands still as shortly as possible.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use mapscope_report::{Discard, Note, Sink};
use mapscope_target::{Freeze, FreezeError, Live, Progress, Target};

use crate::args::{self, OpenArgs};
use crate::failure::Failure;
use crate::image::Image;

/// A live process and the executable it runs.
pub(crate) struct Process {
    pub(crate) live: Live,
    pub(crate) image: Image,
    pub(crate) exe: PathBuf,
    freeze: args::Freeze,
}

/// What is known beside the answer when a process has been read.
#[derive(Default)]
pub(crate) struct Held {
    /// How long it stood still.
    pub(crate) pause: Option<Duration>,
    /// What limits the answer.
    pub(crate) notes: Vec<Note>,
}

impl Process {
    /// Opens a process and its executable.
    pub(crate) fn open(pid: u32, how: &OpenArgs) -> anyhow::Result<Process> {
        let live = Live::open(pid)?;
        let (image, exe) = match &how.exe {
            Some(path) => (Image::open(path), path.clone()),
            None => (
                live.open_exe().and_then(|file| Image::map(&file)),
                live.exe_path().unwrap_or_else(|| PathBuf::from(format!("/proc/{pid}/exe"))),
            ),
        };
        let image = image.with_context(|| format!("cannot read {}", exe.display()))?;
        Ok(Process { live, image, exe, freeze: how.freeze })
    }

    /// Lets `read` emit its answer to `sink`, once the process has been held for as long as it
    /// takes to read what the answer needs.
    ///
    /// `read` runs on the running process first, for nothing but to learn which pages it needs;
    /// then on the frozen one, whose pages are kept; then, with the process running again, on
    /// what was kept, and only now towards an output that may block.
    pub(crate) fn steady(
        &self,
        progress: &Progress,
        read: &mut dyn FnMut(&mut dyn Sink) -> anyhow::Result<()>,
    ) -> anyhow::Result<Held> {
        if self.freeze == args::Freeze::None {
            let note = Note::warning(
                "the process ran while it was read (--freeze none): what belongs together may be \
                 of different moments",
            );
            return Ok(Held { pause: None, notes: vec![note] });
        }
        // What a rehearsal on a moving target runs into says nothing of the target.
        let _ = read(&mut Discard);
        let pause = self.live.freeze(Freeze::Stop, progress).map_err(explain)?;
        let frozen = read(&mut Discard);
        let held = Held { pause: Some(pause.finish()), notes: Vec::new() };
        frozen.map(|()| held)
    }
}

fn explain(error: FreezeError) -> Failure {
    let failure = Failure::new(error.to_string());
    match error {
        FreezeError::Denied { .. } | FreezeError::Traced { .. } => failure
            .hint("read it while it runs: --freeze none; the answer is then marked as racing"),
        _ => failure,
    }
}

/// The process in words.
pub(crate) fn words(pid: u32, exe: &Path) -> String {
    format!("process {pid}, {}", exe.display())
}
