//! A live process, read so that it stands still as shortly as possible.

use std::path::{Path, PathBuf};

use anyhow::Context;
use mapscope_report::{Discard, Sink};
use mapscope_runtime::Go;
use mapscope_target::{Freeze, FreezeError, Live, Pause, Target};

use crate::args::{self, OpenArgs};
use crate::exit::Outcome;
use crate::failure::Failure;
use crate::image::Image;

/// A live process and the executable it runs.
pub(crate) struct Process {
    pub(crate) live: Live,
    pub(crate) image: Image,
    pub(crate) exe: PathBuf,
    freeze: args::Freeze,
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

    /// Lets `read` emit its answer to what `report` opens, holding the process for as long as it
    /// takes to read what the answer needs.
    ///
    /// `read` runs on the running process first, for nothing but to learn which pages and types it
    /// needs. Then the process is stopped, those pages are copied at once, it is let go, and
    /// `read` runs on the copy: the stop is as short as the copying. Where the process has changed
    /// meanwhile so that other pages are needed, this is tried again with those too, and at last
    /// the process is held until all is read. An analysis that reads as it goes along runs on the
    /// held process, and once more on what was kept: nothing is written to an output that may
    /// block, such as a pager, while the process stands still.
    pub(crate) fn steady<'p>(
        &'p self,
        go: &Go<'p>,
        manner: Manner,
        read: Pass<'_>,
        report: &mut dyn FnMut(Pass<'_>) -> anyhow::Result<Outcome>,
    ) -> anyhow::Result<Outcome> {
        if self.freeze == args::Freeze::None {
            return report(read);
        }
        // What a rehearsal on a moving target runs into says nothing of the target.
        let _ = read(&mut Discard);
        if manner == Manner::WhileEmitting {
            go.hold(self.freeze(go)?);
            let frozen = read(&mut Discard);
            go.let_go();
            frozen?;
            return report(read);
        }
        for _ in 0..BLIND_TRIES {
            go.hold(self.freeze(go)?);
            go.let_go();
            match report(read) {
                Err(error) if is_missed(&error) => self.live.learn(),
                outcome => return outcome,
            }
        }
        go.hold(self.freeze(go)?);
        report(read)
    }

    fn freeze(&self, go: &Go<'_>) -> anyhow::Result<Pause<'_>> {
        Ok(self.live.freeze(Freeze::Stop, go.progress).map_err(explain)?)
    }
}

/// How often a process is let go before what it was stopped for has been read.
const BLIND_TRIES: usize = 3;

fn is_missed(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(mapscope_analysis::Error::Missed(_)))
}

/// When an analysis reads its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// It reads all, lets the target go ([`Go::thaw`]), and only then opens its report.
    BeforeEmitting,
    /// It reads as it goes along.
    WhileEmitting,
}

/// One run of an analysis towards a sink.
pub(crate) type Pass<'p> = &'p mut dyn FnMut(&mut dyn Sink) -> anyhow::Result<()>;

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
