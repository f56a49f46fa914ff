//! Going before other work, while a process stands still for us.

use nix::libc;

/// The niceness of a thread that a stopped process waits for.
const URGENT: i32 = -15;

/// While this is, the thread that made it goes before others, where that is allowed (CAP_SYS_NICE).
pub(super) struct Hurry(i32);

impl Hurry {
    pub(super) fn up() -> Hurry {
        // SAFETY: neither call takes memory of ours. On Linux 0 is the calling thread, not its process.
        unsafe {
            let before = libc::getpriority(libc::PRIO_PROCESS, 0);
            // It only saves time.
            let _ = libc::setpriority(libc::PRIO_PROCESS, 0, URGENT.min(before));
            Hurry(before)
        }
    }
}

impl Drop for Hurry {
    fn drop(&mut self) {
        // SAFETY: as above. To become less urgent is always allowed.
        unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, self.0) };
    }
}
