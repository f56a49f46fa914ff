//! Holding a live process still.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvError, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use super::cache::PAGE;
use super::tracer::{Limit, StopError, Tracer};
use super::{Live, Obstacle};
use crate::{Addr, Memory, Progress};

/// How to read a process that runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freeze {
    /// Stop every thread (`PTRACE_SEIZE` and `PTRACE_INTERRUPT`) and let all go afterwards.
    Stop,
    /// Do not stop it: what is read is of different moments.
    None,
}

/// Why a process could not be frozen. It runs on as before.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FreezeError {
    /// It ended before or while it was stopped.
    #[error("process {pid} is gone")]
    Gone {
        /// The process.
        pid: u32,
    },
    /// Somebody else holds it.
    #[error("process {pid} is already traced by process {by} ({name}); a process has one tracer")]
    Traced {
        /// The process.
        pid: u32,
        /// The thread that traces it.
        by: u32,
        /// The tracer's name.
        name: String,
    },
    /// The kernel refused.
    #[error("may not stop thread {tid} of process {pid} ({errno}): {}", Obstacle::list(.obstacles))]
    Denied {
        /// The process.
        pid: u32,
        /// The thread that was refused.
        tid: u32,
        /// The kernel's answer.
        errno: String,
        /// What stands in the way.
        obstacles: Vec<Obstacle>,
    },
    /// A thread sleeps in the kernel and cannot be interrupted.
    #[error(
        "thread {tid} of process {pid} did not stop in time (state {state}): {}; try again, or read \
         without a stop (--freeze none)",
        stuck(.state)
    )]
    Stuck {
        /// The process.
        pid: u32,
        /// The thread that did not stop.
        tid: u32,
        /// Its state, a letter of `/proc/PID/stat`.
        state: char,
    },
    /// [`Progress::cancel`] was called.
    #[error("cancelled")]
    Cancelled,
    /// Something of our own failed.
    #[error("cannot stop process {pid}: {source}")]
    Io {
        /// The process.
        pid: u32,
        /// What failed.
        source: std::io::Error,
    },
}

/// Why a thread in this state does not stop.
fn stuck(state: &char) -> &'static str {
    match state {
        'R' => "it was given no processor to stop on: the machine is overloaded",
        _ => {
            "it waits in the kernel, for a disk or a network file system, or for a child it has \
             just made"
        }
    }
}

/// How much of a thread's stack is kept, in bytes: deeper ones are read as they were rehearsed.
const STACK: usize = 32 << 10;

/// A process held still, until this is finished or dropped.
///
/// If mapscope is killed meanwhile, the kernel lets the process go: a seized thread is never tied
/// to its tracer's life.
#[must_use = "the process goes on as soon as this is dropped"]
#[derive(Debug)]
pub struct Pause<'a> {
    live: &'a Live,
    tracer: Option<(Sender<()>, JoinHandle<Duration>)>,
}

impl Live {
    /// Freezes the process, then reads again every page that was read since it was opened or since
    /// [`Live::forget`]. An analysis that was rehearsed on the running process, its result thrown
    /// away, thus finds its pages read when it runs again on the frozen one.
    ///
    /// Until the pause ends, all that is read is of the moment of the freeze, and stays readable
    /// afterwards; what was not read by then is [`crate::Why::Thawed`].
    pub fn freeze(&self, how: Freeze, progress: &Progress) -> Result<Pause<'_>, FreezeError> {
        let tracer = match how {
            Freeze::None => None,
            Freeze::Stop => Some(self.stop(progress)?),
        };
        Ok(Pause { live: self, tracer })
    }

    fn stop(&self, progress: &Progress) -> Result<(Sender<()>, JoinHandle<Duration>), FreezeError> {
        self.check_tracer()?;
        let mut cache = self.cache_mut();
        let plan = cache.plan();
        self.expired.store(false, Ordering::Release);
        let longest = *self.max_pause.lock().unwrap_or_else(|e| e.into_inner());
        let limit = Limit { longest, expired: Arc::clone(&self.expired) };
        let stopped = start_tracer(self.pid, limit, progress);
        let (threads, release, tracer) = match stopped {
            Ok(stopped) => stopped,
            Err(error) => {
                // The plan left garbage in the kept pages.
                cache.forget();
                return Err(explain(self.pid, error));
            }
        };
        let dropped = cache.refresh(&plan, &self.remote, &self.expired);
        self.dropped.store(dropped, Ordering::Relaxed);
        drop(cache);
        let stacks: Vec<_> = threads.iter().filter_map(|t| Some(t.registers?.rsp())).collect();
        self.note_frozen(threads);
        for stack in stacks {
            self.keep_stack(stack);
        }
        Ok((release, tracer))
    }

    /// Keeps what a thread has on its stack. Of one that ran, no rehearsal could know where that
    /// would be.
    fn keep_stack(&self, from: Addr) {
        let mut page = [0; PAGE];
        for at in (0..STACK).step_by(PAGE) {
            let Some(at) = from.checked_add(at as u64) else { return };
            if self.expired.load(Ordering::Acquire) || self.read(at, &mut page).is_err() {
                return;
            }
        }
    }

    fn check_tracer(&self) -> Result<(), FreezeError> {
        let pid = self.pid;
        let status = crate::procfs::Status::of(pid).map_err(|_| FreezeError::Gone { pid })?;
        let Some(by) = status.tracer() else { return Ok(()) };
        let name = crate::procfs::Status::of(by).map_or_else(|_| "?".into(), |s| s.name());
        Err(FreezeError::Traced { pid, by, name })
    }
}

pub(super) fn explain(pid: u32, error: StopError) -> FreezeError {
    match error {
        StopError::Gone => FreezeError::Gone { pid },
        StopError::Cancelled => FreezeError::Cancelled,
        StopError::Tasks(source) => FreezeError::Io { pid, source },
        StopError::Stuck { tid, state } => {
            FreezeError::Stuck { pid, tid, state: state.unwrap_or('?') }
        }
        StopError::Refused { tid, errno } => FreezeError::Denied {
            pid,
            tid,
            errno: errno.desc().to_owned(),
            obstacles: Obstacle::find(pid),
        },
    }
}

type Stopped = (Vec<crate::Thread>, Sender<()>, JoinHandle<Duration>);

fn start_tracer(pid: u32, limit: Limit, progress: &Progress) -> Result<Stopped, StopError> {
    let (ready, stopped) = channel();
    let (release, released) = channel();
    let cancel = Arc::new(AtomicBool::new(progress.cancelled()));
    let cancelled = Arc::clone(&cancel);
    let tracer = std::thread::Builder::new()
        .name("tracer".into())
        .spawn(move || Tracer::new(pid, limit, cancelled).run(ready, released))
        .map_err(StopError::Tasks)?;
    match await_stop(&stopped, progress, &cancel) {
        Ok(Ok(threads)) => Ok((threads, release, tracer)),
        Ok(Err(error)) => {
            // It has let go before this returns: the caller may try again at once.
            let _ = tracer.join();
            Err(error)
        }
        Err(RecvError) => Err(StopError::Gone),
    }
}

/// Waits for the tracer, which never takes much longer than its patience.
fn await_stop<T>(
    stopped: &Receiver<T>,
    progress: &Progress,
    cancel: &AtomicBool,
) -> Result<T, RecvError> {
    loop {
        match stopped.recv_timeout(Duration::from_millis(10)) {
            Ok(stopped) => return Ok(stopped),
            Err(RecvTimeoutError::Disconnected) => return Err(RecvError),
            Err(RecvTimeoutError::Timeout) => {
                cancel.store(progress.cancelled(), Ordering::Relaxed);
            }
        }
    }
}

impl Pause<'_> {
    /// Whether the process is really held, or only read as it runs ([`Freeze::None`]).
    pub fn is_stopped(&self) -> bool {
        self.tracer.is_some()
    }

    /// Whether the process was let go because it had been held for as long as it may be
    /// ([`Live::set_max_pause`]).
    pub fn expired(&self) -> bool {
        self.tracer.is_some() && self.live.expired.load(Ordering::Acquire)
    }

    /// Lets the process go, and says how long it stood still: from the first interrupt to the last
    /// detach. Zero for [`Freeze::None`].
    pub fn finish(mut self) -> Duration {
        self.let_go()
    }

    fn let_go(&mut self) -> Duration {
        let Some((release, tracer)) = self.tracer.take() else { return Duration::ZERO };
        self.live.note_thawed();
        drop(release);
        tracer.join().unwrap_or_default()
    }
}

impl Drop for Pause<'_> {
    fn drop(&mut self) {
        self.let_go();
    }
}
