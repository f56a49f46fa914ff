//! The thread that stops a process by ptrace.
//!
//! The kernel ties a tracee to the one thread that seized it, and lets go of all its tracees when
//! that thread ends, however it ends. So the seizing is done by a thread of its own: when it
//! returns, nothing is held any more, not even a thread that never reached its stop.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::libc;
use nix::sys::ptrace;
use nix::unistd::Pid;

use crate::procfs::{self, Stat};
use crate::{Registers, Thread, ThreadState};

/// How long a thread may take to stop. One that takes longer sleeps in the kernel
/// uninterruptibly, and nobody can say for how long.
const PATIENCE: Duration = Duration::from_secs(1);

/// Why a process could not be stopped.
#[derive(Debug)]
pub(super) enum StopError {
    /// It is gone.
    Gone,
    /// The kernel refused to let us trace a thread.
    Refused { tid: u32, errno: Errno },
    /// A thread did not stop in time.
    Stuck { tid: u32, state: Option<char> },
    /// The user asked to stop.
    Cancelled,
    /// `/proc/PID/task` could not be read.
    Tasks(std::io::Error),
}

/// How long a process may be held, and where to say that it was.
pub(super) struct Limit {
    /// From the first interrupt on; `None` for as long as it is not told to let go.
    pub(super) longest: Option<Duration>,
    /// Set when it is let go for having been held so long, before the first thread goes on.
    pub(super) expired: Arc<AtomicBool>,
}

/// A process all of whose threads we are about to hold, or hold.
pub(super) struct Tracer {
    pid: u32,
    limit: Limit,
    cancelled: Arc<AtomicBool>,
    held: HashMap<u32, Held>,
    began: Option<Instant>,
}

/// How we hold one thread.
enum Held {
    /// Interrupted, and not yet seen to stop.
    Pending,
    /// Stopped on its way to a signal (0: to none), which it is to get when it is let go.
    Stopped { signal: i32 },
    /// It has ended.
    Ended,
}

impl Tracer {
    /// Holds nothing yet.
    pub(super) fn new(pid: u32, limit: Limit, cancelled: Arc<AtomicBool>) -> Tracer {
        Tracer { pid, limit, cancelled, held: HashMap::new(), began: None }
    }

    /// Stops the process, says so by `ready`, and lets go when `release` is told to or hung up.
    /// Returns how long the process stood still.
    pub(super) fn run(
        mut self,
        ready: Sender<Result<Vec<Thread>, StopError>>,
        release: Receiver<()>,
    ) -> Duration {
        let stopped = self.stop_all();
        let hold = stopped.is_ok();
        if ready.send(stopped).is_ok() && hold {
            self.hold(&release);
        }
        self.let_go();
        self.began.map_or(Duration::ZERO, |began| began.elapsed())
    }

    /// Holds until told, or for as long as may be.
    fn hold(&self, release: &Receiver<()>) {
        let Some(longest) = self.limit.longest else {
            // An error means that the other side is gone, which is as good as being told.
            let _ = release.recv();
            return;
        };
        let held = self.began.map_or(Duration::ZERO, |began| began.elapsed());
        let over = release.recv_timeout(longest.saturating_sub(held));
        if over == Err(RecvTimeoutError::Timeout) {
            self.limit.expired.store(true, Ordering::Release);
        }
    }

    /// Stops every thread, those included that are born meanwhile: when all known threads have
    /// stopped and the list still shows no other, nobody is left who could make one.
    pub(super) fn stop_all(&mut self) -> Result<Vec<Thread>, StopError> {
        let patience = self.limit.longest.map_or(PATIENCE, |longest| longest.min(PATIENCE));
        let deadline = Instant::now() + patience;
        while self.seize_new(deadline)? {
            self.await_stops(deadline)?;
        }
        let threads = self.threads();
        if threads.is_empty() { Err(StopError::Gone) } else { Ok(threads) }
    }

    /// Seizes and interrupts the threads that are not held yet; says whether there were any.
    fn seize_new(&mut self, deadline: Instant) -> Result<bool, StopError> {
        let tids = procfs::tasks(self.pid).map_err(|e| match e.kind() {
            std::io::ErrorKind::NotFound => StopError::Gone,
            _ => StopError::Tasks(e),
        })?;
        let mut found = false;
        for tid in tids {
            if !self.held.contains_key(&tid) {
                self.check(tid, deadline)?;
                let held = self.seize(tid)?;
                self.held.insert(tid, held);
                found = true;
            }
        }
        Ok(found)
    }

    fn seize(&mut self, tid: u32) -> Result<Held, StopError> {
        let pid = Pid::from_raw(tid as i32);
        let seized = ptrace::seize(pid, ptrace::Options::empty());
        match seized.and_then(|()| ptrace::interrupt(pid)) {
            Ok(()) => {
                self.began.get_or_insert_with(Instant::now);
                Ok(Held::Pending)
            }
            Err(Errno::ESRCH) => Ok(Held::Ended),
            // The kernel answers EPERM for a thread that has ended and waits to be reaped, such as
            // a first thread that has called pthread_exit (kernel/ptrace.c, ptrace_attach).
            Err(_) if Stat::of(tid).map_or(true, |stat| stat.has_ended()) => Ok(Held::Ended),
            Err(errno) => Err(StopError::Refused { tid, errno }),
        }
    }

    fn await_stops(&mut self, deadline: Instant) -> Result<(), StopError> {
        let mut nap = Duration::from_micros(5);
        loop {
            let mut waiting = None;
            for (&tid, held) in &mut self.held {
                if matches!(held, Held::Pending) {
                    *held = poll(tid);
                    if matches!(held, Held::Pending) {
                        waiting = Some(tid);
                    }
                }
            }
            let Some(tid) = waiting else { return Ok(()) };
            self.check(tid, deadline)?;
            std::thread::sleep(nap);
            nap = (nap * 2).min(Duration::from_millis(1));
        }
    }

    /// Whether to go on waiting for `tid`.
    fn check(&self, tid: u32, deadline: Instant) -> Result<(), StopError> {
        if self.cancelled.load(Ordering::Relaxed) {
            return Err(StopError::Cancelled);
        }
        if Instant::now() > deadline {
            let state = Stat::of(tid).ok().map(|stat| stat.state);
            return Err(StopError::Stuck { tid, state });
        }
        Ok(())
    }

    fn threads(&self) -> Vec<Thread> {
        let stopped = self.held.iter().filter(|(_, held)| matches!(held, Held::Stopped { .. }));
        let mut threads: Vec<Thread> =
            stopped.map(|(&tid, _)| Thread { tid, registers: registers(tid) }).collect();
        threads.sort_by_key(|thread| (thread.tid != self.pid, thread.tid));
        threads
    }

    /// Withholds `signal` from the threads that were stopped on their way to it.
    pub(super) fn swallow(&mut self, withheld: i32) {
        for held in self.held.values_mut() {
            if let Held::Stopped { signal } = held
                && *signal == withheld
            {
                *signal = 0;
            }
        }
    }

    /// Lets every stopped thread go, with the signal that it was about to get.
    pub(super) fn let_go(&self) {
        for (&tid, held) in &self.held {
            if let Held::Stopped { signal } = *held {
                detach(tid, signal);
            }
        }
    }
}

/// Whether a thread has stopped by now, and why.
fn poll(tid: u32) -> Held {
    let mut status = 0;
    // SAFETY: `status` is a valid place for the kernel to write an int to, for this call only.
    let found = unsafe { libc::waitpid(tid as i32, &mut status, libc::__WALL | libc::WNOHANG) };
    if found == 0 || found < 0 && Errno::last() == Errno::EINTR {
        return Held::Pending;
    }
    if found < 0 || !libc::WIFSTOPPED(status) {
        return Held::Ended;
    }
    // Only a signal-delivery-stop has no event in the third byte. Any event is PTRACE_EVENT_STOP:
    // our interrupt, or the process was stopped by job control, to which it returns by itself.
    let event = status >> 16 != 0;
    Held::Stopped { signal: if event { 0 } else { libc::WSTOPSIG(status) } }
}

/// nix names no real-time signals, and a thread may be on its way to one.
fn detach(tid: u32, signal: i32) {
    let signal = std::ptr::without_provenance_mut::<libc::c_void>(signal as usize);
    let none = std::ptr::null_mut::<libc::c_void>();
    // SAFETY: PTRACE_DETACH reads no memory of ours; the signal travels as the pointer's value.
    // It fails where the thread was killed meanwhile: then nothing is left to let go of.
    unsafe { libc::ptrace(libc::PTRACE_DETACH, tid as libc::pid_t, none, signal) };
}

fn registers(tid: u32) -> Option<Registers> {
    ThreadState::of(tid).map(|state| state.registers())
}
