//! Who lets a process go when mapscope cannot.
//!
//! A process that a signal has stopped stays so when the one that sent it is killed. So a child of
//! mapscope's own, in a session of its own, waits for mapscope to end, however it does, and then lets
//! go of whatever is stopped still.

use std::os::fd::AsRawFd;
use std::time::Duration;

use nix::errno::Errno;
use nix::libc;
use nix::unistd::{ForkResult, Pid, fork, setsid};

use crate::{Bpf, Process};

/// How often it looks for processes that are stopped, and how long it waits between: a probe may be
/// hit while mapscope's end takes the probes away.
const LOOKS: usize = 5;
const BETWEEN: Duration = Duration::from_millis(20);

/// The child, as long as mapscope lives.
#[derive(Debug)]
pub struct Guardian {
    /// Its process.
    pub pid: u32,
}

/// Why there is none.
#[derive(Debug, thiserror::Error)]
pub enum GuardianError {
    /// The kernel makes no process for it, or no descriptor of ours to wait by.
    #[error("no process could be made that watches over the target: {0}")]
    Fork(#[from] Errno),
}

impl Guardian {
    /// Makes the child. To be called while there is one thread only, and before anything is armed: a
    /// probe that the child had too would outlive mapscope.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn start(bpf: &Bpf) -> Result<Guardian, GuardianError> {
        let ours = Process::open(std::process::id())?;
        // SAFETY: there is no other thread that could hold a lock which the child would wait for.
        match unsafe { fork() }? {
            ForkResult::Parent { child } => Ok(Guardian { pid: child.as_raw() as u32 }),
            ForkResult::Child => {
                watch(&ours, &|| bpf.stopped());
                // SAFETY: ends this process without what mapscope does at its end.
                unsafe { libc::_exit(0) }
            }
        }
    }
}

/// Waits for the process of `ours` to end, and lets go of what is stopped then.
fn watch(ours: &Process, stopped: &dyn Fn() -> Vec<u32>) {
    // It fails for a leader of a process group only, which a new child is not.
    let _ = setsid();
    close_output();
    ours.wait();
    for _ in 0..LOOKS {
        for pid in stopped() {
            let _ = nix::sys::signal::kill(Pid::from_raw(pid as i32), nix::sys::signal::SIGCONT);
        }
        std::thread::sleep(BETWEEN);
    }
}

/// Lets go of mapscope's own output, whose reader would wait for us too.
fn close_output() {
    let Ok(null) = std::fs::OpenOptions::new().read(true).write(true).open("/dev/null") else {
        return;
    };
    for stream in 0..=2 {
        // SAFETY: dup2 takes no memory of ours.
        unsafe { libc::dup2(null.as_raw_fd(), stream) };
    }
}
