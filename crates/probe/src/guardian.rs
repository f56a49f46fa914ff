//! Who lets a process go when mapscope cannot.
//!
//! A process that a signal has stopped stays so when the one that sent it is killed, and a breakpoint
//! stays where it is. So a child of mapscope's own, in a session of its own, waits for mapscope to end,
//! however it does, and then lets go of whatever is stopped still and takes breakpoints out.

use std::io::{PipeReader, PipeWriter, pipe};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SIGCONT, kill};
use nix::unistd::{ForkResult, Pid, fork, setsid};

use crate::ledger::Ledger;
use crate::{Bpf, Process};

/// How often it looks for processes that are stopped once mapscope has ended, and how long it waits
/// between: a probe may be hit while mapscope's end takes the probes away.
const LOOKS: usize = 5;
const BETWEEN: Duration = Duration::from_millis(5);

/// The least number of the descriptor that tells of mapscope's end. The kernel closes the descriptors
/// of a process that ends with the last first (`task_work_run`), and waits at each probe.
const HIGH: i32 = 900;

/// The child, as long as this is.
#[derive(Debug)]
pub struct Guardian {
    /// Its process.
    pub pid: u32,
    _alive: OwnedFd,
}

/// Why there is none.
#[derive(Debug, thiserror::Error)]
pub enum GuardianError {
    /// The kernel makes no process for it, or no descriptor of ours to wait by.
    #[error("no process could be made that watches over the target: {0}")]
    Kernel(#[from] Errno),
    /// No pipe to it.
    #[error("no process could be made that watches over the target: {0}")]
    Pipe(#[from] std::io::Error),
}

/// What it may have to undo.
pub(crate) enum Ward<'w> {
    /// Processes that BPF stopped.
    Bpf(&'w Bpf),
    /// Breakpoints.
    Ledger(&'w Ledger),
}

impl Guardian {
    /// Makes the child. To be called while there is one thread only, and before anything is armed: a
    /// probe that the child had too would outlive mapscope.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn start(bpf: &Bpf) -> Result<Guardian, GuardianError> {
        Guardian::over(&Ward::Bpf(bpf))
    }

    pub(crate) fn over(ward: &Ward<'_>) -> Result<Guardian, GuardianError> {
        let ours = Process::open(std::process::id())?;
        let (end, alive) = pipe()?;
        let alive = high(alive)?;
        // SAFETY: there is no other thread that could hold a lock which the child would wait for.
        match unsafe { fork() }? {
            ForkResult::Parent { child } => {
                Ok(Guardian { pid: child.as_raw() as u32, _alive: alive })
            }
            ForkResult::Child => {
                drop(alive);
                watch(&ours, &end, ward);
                // SAFETY: ends this process without what mapscope does at its end.
                unsafe { libc::_exit(0) }
            }
        }
    }
}

/// The same descriptor with a higher number.
fn high(alive: PipeWriter) -> Result<OwnedFd, Errno> {
    // SAFETY: F_DUPFD_CLOEXEC makes a descriptor that nobody else has.
    unsafe {
        let fd = libc::fcntl(alive.as_raw_fd(), libc::F_DUPFD_CLOEXEC, HIGH);
        match Errno::result(fd) {
            Ok(fd) => Ok(OwnedFd::from_raw_fd(fd)),
            // So many may not be allowed.
            Err(_) => Ok(alive.into()),
        }
    }
}

/// Waits for the process of `ours` to end, and undoes what it left.
fn watch(ours: &Process, end: &PipeReader, ward: &Ward<'_>) {
    // It fails for a leader of a process group only, which a new child is not.
    let _ = setsid();
    close_output();
    while poll(&mut [PollFd::new(end.as_fd(), PollFlags::POLLIN)], PollTimeout::NONE).is_err() {}
    let mut looks = 0;
    while looks < LOOKS {
        looks += usize::from(ours.has_ended());
        match ward {
            Ward::Bpf(bpf) => bpf.stopped().into_iter().for_each(resume),
            Ward::Ledger(ledger) => ledger.undo(),
        }
        std::thread::sleep(BETWEEN);
    }
}

fn resume(pid: u32) {
    // It fails where the process is gone.
    let _ = kill(Pid::from_raw(pid as i32), SIGCONT);
}

/// Lets go of mapscope's own output, whose reader would wait for us too.
fn close_output() {
    let null = std::fs::OpenOptions::new().read(true).write(true).open("/dev/null");
    let Ok(null) = null else { return };
    for stream in 0..=2 {
        // SAFETY: dup2 takes no memory of ours.
        unsafe { libc::dup2(null.as_raw_fd(), stream) };
    }
}
