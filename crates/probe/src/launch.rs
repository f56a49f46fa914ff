//! Starting a program so that it can be armed before its first instruction.

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};

use nix::errno::Errno;
use nix::libc;
use nix::sys::ptrace;
use nix::unistd::Pid;

/// A program that has been loaded and has not executed anything yet.
///
/// Only the thread that made it can let it go; if that ends, the kernel does so.
#[derive(Debug)]
pub struct Launched {
    child: Option<Child>,
    pid: u32,
    held: bool,
}

impl Launched {
    /// Starts `program` with these arguments, on our input and output.
    ///
    /// # Errors
    /// It cannot be started, or may not be traced.
    pub fn start(program: &OsString, arguments: &[OsString]) -> io::Result<Launched> {
        let (mut its_pid, ready) = io::pipe()?;
        let (wait, mut go) = io::pipe()?;
        let mut command = Command::new(program);
        command.args(arguments);
        // SAFETY: between fork and exec the closure makes system calls only: getpid, write and read.
        unsafe { command.pre_exec(move || wait_for_tracer(&ready, &wait)) };
        // `spawn` returns when the program has been loaded, for which it waits for us.
        let spawning = std::thread::spawn(move || command.spawn());
        let seized = seize(&mut its_pid);
        // Without that byte it goes on all the same, when this end is closed.
        let _ = go.write_all(&[0]);
        drop(go);
        let stopped = seized.and_then(await_exec);
        let mut child = spawning.join().map_err(|_| io::ErrorKind::Other)??;
        match stopped {
            Ok(()) => Ok(Launched { pid: child.id(), child: Some(child), held: true }),
            Err(error) => {
                // Nobody asked for it to run unwatched. It fails where it has ended by itself.
                let _ = child.kill().and_then(|()| child.wait());
                Err(error.into())
            }
        }
    }

    /// The program, a child of ours.
    pub fn id(&self) -> u32 {
        self.pid
    }

    /// Lets it run.
    pub fn let_go(&mut self) {
        if std::mem::take(&mut self.held) {
            // It fails where the program was killed meanwhile.
            let _ = ptrace::detach(Pid::from_raw(self.pid as i32), None);
        }
    }

    /// The child, let go.
    pub fn into_child(mut self) -> Option<Child> {
        self.let_go();
        self.child.take()
    }

    /// Takes over who traces it: it is held still, at its first instruction.
    pub(crate) fn take_over(&mut self) {
        self.held = false;
    }
}

impl Drop for Launched {
    /// What was not let go is not to run unwatched: it has not begun.
    fn drop(&mut self) {
        if let Some(child) = self.child.as_mut().filter(|_| self.held) {
            // It fails where it has been killed before.
            let _ = child.kill().and_then(|()| child.wait());
        }
    }
}

/// What the child does before it becomes the program: says who it is, and waits until it is traced.
fn wait_for_tracer(mut ready: &io::PipeWriter, mut wait: &io::PipeReader) -> io::Result<()> {
    ready.write_all(&std::process::id().to_le_bytes())?;
    wait.read(&mut [0]).map(drop)
}

fn seize(its_pid: &mut io::PipeReader) -> Result<Pid, Errno> {
    let mut pid = [0; 4];
    its_pid.read_exact(&mut pid).map_err(|_| Errno::ECHILD)?;
    let pid = Pid::from_raw(i32::from_le_bytes(pid));
    ptrace::seize(pid, ptrace::Options::PTRACE_O_TRACEEXEC)?;
    Ok(pid)
}

/// Waits until it has been loaded. What ends instead is left for who started it to reap.
fn await_exec(pid: Pid) -> Result<(), Errno> {
    use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
    let any = WaitPidFlag::WEXITED | WaitPidFlag::WSTOPPED | WaitPidFlag::WNOWAIT;
    loop {
        match waitid(Id::Pid(pid), any | WaitPidFlag::__WALL)? {
            WaitStatus::Exited(..) | WaitStatus::Signaled(..) => return Err(Errno::ECHILD),
            _ => {}
        }
        match waitpid(pid, Some(WaitPidFlag::__WALL))? {
            WaitStatus::PtraceEvent(_, _, libc::PTRACE_EVENT_EXEC) => return Ok(()),
            WaitStatus::Stopped(_, signal) => ptrace::cont(pid, signal)?,
            WaitStatus::PtraceEvent(..) => ptrace::cont(pid, None)?,
            _ => return Err(Errno::ECHILD),
        }
    }
}
