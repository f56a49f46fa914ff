//! A process that is held by the thread that asked for it, to be kept as it stands.

use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use nix::libc;
use nix::sys::ptrace;
use nix::unistd::Pid;

use super::FreezeError;
use super::freeze::explain;
use super::tracer::{Limit, Tracer};
use crate::{ThreadState, procfs};

/// A process all of whose threads are held.
///
/// Only the thread that made it can let it go; if that ends, the kernel does so.
#[must_use = "the process goes on as soon as this is dropped"]
pub struct Hold {
    pid: u32,
    tracer: Tracer,
    threads: Vec<ThreadState>,
    released: bool,
    on_one_thread: PhantomData<*const ()>,
}

impl Hold {
    /// Stops every thread of `pid`. A process that a signal has stopped (SIGSTOP) is told to go on
    /// once ptrace holds it, so that it does when it is let go.
    ///
    /// # Errors
    /// It is gone, or may not be held; it then runs on, too.
    pub fn stop(pid: u32, cancelled: Arc<AtomicBool>) -> Result<Hold, FreezeError> {
        let limit = Limit { longest: None, expired: Arc::default() };
        let mut tracer = Tracer::new(pid, limit, cancelled);
        let stopped = tracer.stop_all();
        resume(pid);
        let threads = match stopped {
            Ok(threads) => threads,
            Err(error) => {
                tracer.let_go();
                return Err(explain(pid, error));
            }
        };
        let threads = threads.iter().filter_map(|thread| ThreadState::of(thread.tid)).collect();
        Ok(Hold { pid, tracer, threads, released: false, on_one_thread: PhantomData })
    }

    /// Its threads. The first is the process's own first one.
    pub fn threads(&self) -> &[ThreadState] {
        &self.threads
    }

    /// Lets it go. Of a process that is stopped by then, `is_anew` tells whether that is another stop,
    /// which whoever made it will end.
    pub fn let_go(mut self, is_anew: impl FnOnce() -> bool) {
        self.release(is_anew);
    }

    fn release(&mut self, is_anew: impl FnOnce() -> bool) {
        self.released = true;
        self.tracer.swallow(libc::SIGSTOP);
        self.tracer.let_go();
        // A thread that was about to take the signal when it was seized has stopped all others now.
        let is_stopped = procfs::Stat::of(self.pid).is_ok_and(|stat| stat.state == 'T');
        if is_stopped && !is_anew() {
            resume(self.pid);
        }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        if !self.released {
            self.release(|| false);
        }
    }
}

/// Ends a stop by a signal. It does nothing to a process that is not stopped, but for one that has a
/// handler for it.
fn resume(pid: u32) {
    // SAFETY: kill takes no memory of ours. It fails where the process is gone, which is no harm.
    unsafe { libc::kill(pid as libc::pid_t, libc::SIGCONT) };
}

impl ThreadState {
    /// Of a thread that this one of ours holds by ptrace; `None` if it has ended.
    pub fn of(tid: u32) -> Option<ThreadState> {
        let pid = Pid::from_raw(tid as i32);
        let r = ptrace::getregs(pid).ok()?;
        let raw = [
            r.r15, r.r14, r.r13, r.r12, r.rbp, r.rbx, r.r11, r.r10, r.r9, r.r8, r.rax, r.rcx,
            r.rdx, r.rsi, r.rdi, r.orig_rax, r.rip, r.cs, r.eflags, r.rsp, r.ss, r.fs_base,
            r.gs_base, r.ds, r.es, r.fs, r.gs,
        ];
        Some(ThreadState { tid, raw, floating: floating(tid) })
    }
}

/// The legacy area of the floating point registers, 512 bytes (`user_fpregs_struct`).
fn floating(tid: u32) -> Option<Box<[u8; 512]>> {
    let mut bytes = Box::new([0u8; 512]);
    let none = std::ptr::null_mut::<libc::c_void>();
    let to = bytes.as_mut_ptr();
    // SAFETY: PTRACE_GETFPREGS writes a user_fpregs_struct, which is 512 bytes on x86-64.
    let done = unsafe { libc::ptrace(libc::PTRACE_GETFPREGS, tid as libc::pid_t, none, to) };
    (done == 0).then_some(bytes)
}
