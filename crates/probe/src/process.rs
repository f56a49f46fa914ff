//! A process that may end, and whose number then may be another's.

use std::os::fd::{AsFd, FromRawFd, OwnedFd};

use nix::errno::Errno;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// A process, by a descriptor that stays its own (`pidfd_open`, since Linux 5.3).
#[derive(Debug)]
pub struct Process(OwnedFd);

impl Process {
    /// The process that has this number now.
    ///
    /// # Errors
    /// There is none, or the kernel has no such descriptors.
    pub fn open(pid: u32) -> Result<Process, Errno> {
        // SAFETY: pidfd_open takes no memory of ours, and makes a descriptor that nobody else has.
        unsafe {
            let fd = libc::syscall(libc::SYS_pidfd_open, pid, 0);
            Errno::result(fd).map(|fd| Process(OwnedFd::from_raw_fd(fd as i32)))
        }
    }

    /// Whether it has ended, with all its threads, its files closed.
    pub fn has_ended(&self) -> bool {
        self.poll(PollTimeout::ZERO)
    }

    fn poll(&self, timeout: PollTimeout) -> bool {
        let mut fd = [PollFd::new(self.0.as_fd(), PollFlags::POLLIN)];
        poll(&mut fd, timeout).is_ok_and(|ready| ready > 0)
    }
}
