//! A live process, read so that it stands still as shortly as possible.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use anyhow::Context;
use mapscope_report::{Discard, Sink};
use mapscope_runtime::Go;
use mapscope_target::{Freeze, FreezeError, Live, Pause, Progress, Target};

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
        live.set_max_pause(how.max_pause);
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
    /// takes to copy what the answer needs.
    ///
    /// `read` runs on the running process first, for nothing but to learn which pages and types it
    /// needs. Then the process is stopped, those pages are copied at once, it is let go, and
    /// `read` runs on the copy: the stop is as short as the copying. Where the process has changed
    /// meanwhile so that other pages are needed, this is tried again with those too, and at last
    /// the process is held until all is read, or for as long as it may be (`--max-pause`). An
    /// analysis that reads as it goes along runs on the copy once for nothing, and emits when that
    /// lacked nothing: nothing is written to an output that may block, such as a pager, while the
    /// process stands still.
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
        rehearse(go.progress, read);
        for _ in 0..BLIND_TRIES {
            if self.live.is_full() {
                // What was read could not all be kept: a copy of it would lack the rest again.
                break;
            }
            go.hold(self.freeze(go)?);
            go.let_go();
            match attempt(go, manner, Try::LetGo, read, report) {
                Err(error) if is_missed(&error, go) => self.live.learn(),
                outcome => return outcome,
            }
        }
        go.hold(self.freeze(go)?);
        attempt(go, manner, Try::Held, read, report)
    }

    /// Stops it, after another tracer if there is one that lets it go soon.
    pub(crate) fn freeze(&self, go: &Go<'_>) -> anyhow::Result<Pause<'_>> {
        let patience = Instant::now() + OTHERS;
        loop {
            match self.live.freeze(Freeze::Stop, go.progress) {
                Err(error) if is_others(&error) && Instant::now() < patience => {
                    std::thread::sleep(Duration::from_millis(5));
                }
                frozen => return Ok(frozen.map_err(explain)?),
            }
        }
    }
}

/// How often a process is let go before what it was stopped for has been read.
const BLIND_TRIES: usize = 3;

/// How long a rehearsal may take. What it has not learnt by then is learnt from what the tries
/// after it miss.
const REHEARSAL: Duration = Duration::from_secs(60);

/// How long another tracer is waited for: another mapscope holds the process for less.
const OTHERS: Duration = Duration::from_secs(3);

/// Whether somebody else holds the process, or was just about to when we were.
fn is_others(error: &FreezeError) -> bool {
    match error {
        FreezeError::Traced { .. } => true,
        FreezeError::Denied { obstacles, .. } => obstacles.is_empty(),
        _ => false,
    }
}

/// Runs `read` on the running process. What it runs into there says nothing of the target, and it
/// need not come to an end: what it reads can contradict itself.
fn rehearse(progress: &Progress, read: Pass<'_>) {
    let (done, over) = channel::<()>();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            if over.recv_timeout(REHEARSAL) == Err(RecvTimeoutError::Timeout) {
                progress.halt();
            }
        });
        let _ = read(&mut Discard);
        drop(done);
    });
    progress.resume();
}

/// Runs `read` on a process that was stopped, and is held or not.
fn attempt(
    go: &Go<'_>,
    manner: Manner,
    attempt: Try,
    read: Pass<'_>,
    report: &mut dyn FnMut(Pass<'_>) -> anyhow::Result<Outcome>,
) -> anyhow::Result<Outcome> {
    if manner == Manner::WhileEmitting {
        let outcome = read(&mut Discard);
        go.let_go();
        if attempt == Try::LetGo {
            go.thaw().map_err(mapscope_analysis::Error::from)?;
        }
        if !go.cut_short() {
            outcome?;
        }
    }
    report(read)
}

/// How a process is read after it was stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Try {
    /// It was let go when the pages it was stopped for had been copied.
    LetGo,
    /// It is held: there is no try after this.
    Held,
}

/// Whether reading failed for want of what was not kept. What is then not found may well be there.
fn is_missed(error: &anyhow::Error, go: &Go<'_>) -> bool {
    use mapscope_analysis::Error;
    match error.downcast_ref() {
        Some(Error::Missed(_)) => true,
        Some(Error::Unreadable(_)) => go.target.missed() > 0,
        Some(_) => false,
        None => error.is::<Failure>() && go.target.missed() > 0,
    }
}

/// When an analysis reads its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// It reads all, lets the target go ([`Go::thaw`]), and only then opens its report.
    BeforeEmitting,
    /// The same, and it reads all over memory, again and again.
    AllOver,
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
