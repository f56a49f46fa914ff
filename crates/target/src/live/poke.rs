//! Writing to a process: for rehearsing crashes, and nothing else. All other code reads.
//!
//! What is written is a few bytes, in memory that the process may write itself (`process_vm_writev`
//! keeps to the protection of pages), while all its threads stand still, and only where what is to be
//! replaced is still there.

use std::io::IoSlice;

use nix::sys::uio::{RemoteIoVec, process_vm_writev};
use nix::unistd::Pid;

use super::{Live, Pause};
use crate::{Addr, Fault, Why};

/// The most that is written at once, in bytes: a word.
const MOST: usize = 8;

/// Why nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum PokeError {
    /// The process is not held: it might be using what is to be replaced.
    #[error("the process is not held")]
    Running,
    /// More than a word, or not as much as there was.
    #[error("a word at most is written")]
    Length,
    /// What is there is not what was to be replaced.
    #[error("what is at {0} has changed meanwhile")]
    Changed(Addr),
    /// It cannot be read.
    #[error(transparent)]
    Unreadable(#[from] Fault),
    /// The kernel refuses.
    #[error("{addr} cannot be written: {why}")]
    Refused {
        /// Where.
        addr: Addr,
        /// The kernel's answer.
        why: nix::errno::Errno,
    },
}

impl Live {
    /// Replaces `old` at `addr` of the process, which `pause` holds, by `new`.
    ///
    /// # Errors
    ///
    /// Nothing was written: see [`PokeError`].
    pub fn poke(
        &self,
        pause: &Pause<'_>,
        addr: Addr,
        old: &[u8],
        new: &[u8],
    ) -> Result<(), PokeError> {
        if !pause.is_stopped() || pause.expired() {
            return Err(PokeError::Running);
        }
        if old.len() != new.len() || new.len() > MOST {
            return Err(PokeError::Length);
        }
        let mut there = [0; MOST];
        let there = &mut there[..old.len()];
        let fault = |(done, why): (usize, Why)| {
            Fault::new(addr.checked_add(done as u64).unwrap_or(addr), why)
        };
        self.remote.read_exact(addr.0, there).map_err(fault)?;
        if there != old {
            return Err(PokeError::Changed(addr));
        }
        let to = [RemoteIoVec { base: addr.0 as usize, len: new.len() }];
        match process_vm_writev(Pid::from_raw(self.pid as i32), &[IoSlice::new(new)], &to) {
            Ok(len) if len == new.len() => Ok(()),
            Ok(_) => Err(PokeError::Refused { addr, why: nix::errno::Errno::EFAULT }),
            Err(why) => Err(PokeError::Refused { addr, why }),
        }
    }
}
