//! What a tracer hears of its threads, and tells them.
//!
//! By the system calls themselves: nix names no real-time signals, and a thread may get one.

use std::time::Duration;

use nix::errno::Errno;
use nix::libc::{self, c_int, c_void, pid_t};

/// How long to wait before asking again.
pub(super) const NAP: Duration = Duration::from_micros(50);

/// `KCMP_VM` of linux/kcmp.h.
const KCMP_VM: c_int = 1;

/// What became of a thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    /// It has ended: the status that `wait` gives.
    Ended(c_int),
    /// It is about to get a signal.
    Signal(c_int),
    /// It was stopped by job control.
    GroupStop,
    /// It has become another program.
    Exec,
    /// It was interrupted, or is new, or has made another.
    Event,
}

impl Status {
    fn of(status: c_int) -> Status {
        if !libc::WIFSTOPPED(status) {
            return Status::Ended(status);
        }
        match (status >> 16, libc::WSTOPSIG(status)) {
            (0, signal) => Status::Signal(signal),
            (libc::PTRACE_EVENT_EXEC, _) => Status::Exec,
            (libc::PTRACE_EVENT_STOP, signal) if signal != libc::SIGTRAP => Status::GroupStop,
            _ => Status::Event,
        }
    }
}

/// The next of any thread, if there is one.
pub(super) fn any() -> Option<(u32, Status)> {
    wait(-1).ok().flatten()
}

/// The next of one thread, if there is one.
pub(super) fn one(tid: u32) -> Result<Option<Status>, Errno> {
    Ok(wait(tid as pid_t)?.map(|(_, status)| status))
}

fn wait(tid: pid_t) -> Result<Option<(u32, Status)>, Errno> {
    let mut status = 0;
    // SAFETY: `status` is a valid place for the kernel to write an int to, for this call only.
    let found = unsafe { libc::waitpid(tid, &mut status, libc::__WALL | libc::WNOHANG) };
    match Errno::result(found) {
        Ok(0) | Err(Errno::EINTR) => Ok(None),
        Ok(found) => Ok(Some((found as u32, Status::of(status)))),
        Err(errno) => Err(errno),
    }
}

/// Has SIGCHLD wait for [`for_child`] instead of being dropped, in this thread and those made later.
pub(super) fn block_children() -> Result<(), Errno> {
    let set = children();
    // SAFETY: the set is initialised, and the old one is not asked for.
    let done = unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &set, std::ptr::null_mut()) };
    if done == 0 { Ok(()) } else { Err(Errno::from_raw(done)) }
}

/// Waits until there may be something to hear, no longer than `patience`.
pub(super) fn for_child(patience: Duration) {
    let set = children();
    let timeout = libc::timespec {
        tv_sec: patience.as_secs() as i64,
        tv_nsec: i64::from(patience.subsec_nanos()),
    };
    // SAFETY: both are initialised, and who sent the signal is not asked for.
    unsafe { libc::sigtimedwait(&set, std::ptr::null_mut(), &timeout) };
}

fn children() -> libc::sigset_t {
    // SAFETY: an all-zero set is a set, and sigemptyset makes it the empty one anyhow.
    unsafe {
        let mut set = std::mem::zeroed();
        libc::sigemptyset(&mut set);
        libc::sigaddset(&mut set, libc::SIGCHLD);
        set
    }
}

/// Lets a thread go on, with a signal (0: none).
pub(super) fn resume(tid: u32, signal: c_int) {
    request(libc::PTRACE_CONT, tid, signal);
}

/// Leaves a thread stopped by job control, and hears when that ends.
pub(super) fn listen(tid: u32) {
    request(libc::PTRACE_LISTEN, tid, 0);
}

/// Stops tracing a thread.
pub(super) fn detach(tid: u32, signal: c_int) {
    request(libc::PTRACE_DETACH, tid, signal);
}

fn request(what: libc::c_uint, tid: u32, signal: c_int) {
    let signal = std::ptr::without_provenance_mut::<c_void>(signal as usize);
    let none = std::ptr::null_mut::<c_void>();
    // SAFETY: these requests read no memory of ours; the signal travels as the pointer's value. They
    // fail where the thread was killed meanwhile.
    unsafe { libc::ptrace(what, tid as pid_t, none, signal) };
}

/// Sends a signal to one thread. It fails where that has ended.
pub(super) fn send(pid: u32, tid: u32, signal: c_int) {
    // SAFETY: tgkill takes no memory of ours.
    unsafe { libc::syscall(libc::SYS_tgkill, pid, tid, signal) };
}

/// The threads of a process.
pub(super) fn threads(pid: u32) -> Vec<u32> {
    let entries = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten();
    entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect()
}

fn field(tid: u32, name: &str) -> Option<u32> {
    let status = std::fs::read_to_string(format!("/proc/{tid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    line.trim().parse().ok()
}

pub(super) fn is_thread_of(tid: u32, pid: u32) -> bool {
    field(tid, "Tgid") == Some(pid)
}

/// Whether we trace it.
pub(super) fn is_ours(tid: u32) -> bool {
    // SAFETY: gettid takes nothing.
    field(tid, "TracerPid") == Some(unsafe { libc::gettid() } as u32)
}

pub(super) fn has_ended(tid: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{tid}/status")).unwrap_or_default();
    !status.lines().any(|line| line.starts_with("State:") && !line.contains(['Z', 'X']))
}

/// Whether two processes have their memory in common. Where the kernel cannot tell, they are taken to.
pub(super) fn share_memory(one: u32, other: u32) -> bool {
    // SAFETY: kcmp takes no memory of ours.
    let order = unsafe { libc::syscall(libc::SYS_kcmp, one, other, KCMP_VM, 0, 0) };
    order <= 0
}
