//! Probes by ptrace, where BPF is not allowed: breakpoints, and a tracer that every thread has.
//!
//! It costs the program: each of its signals goes by way of the tracer, and Go's runtime sends itself
//! many.

mod stop;
mod wait;

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use mapscope_target::{Addr, ThreadState};
use nix::errno::Errno;
use nix::libc;
use nix::sys::ptrace::{self, Options};
use nix::unistd::Pid;

use crate::ledger::{self, Ledger};
use crate::{Guardian, GuardianError, Hit, Launched};
use wait::Status;

/// `int3`, the breakpoint instruction.
const INT3: u8 = 0xcc;

/// How long all threads may take to stop.
const PATIENCE: Duration = Duration::from_secs(5);

/// A process with breakpoints. They are taken out, and it is let go, when this is dropped.
///
/// Only the thread that made it can do anything with it.
pub struct Traced {
    pid: u32,
    ledger: Ledger,
    _guardian: Guardian,
    memory: File,
    /// Where breakpoints are, and the byte that belongs there.
    places: Vec<(u64, u8)>,
    inserted: bool,
    threads: HashMap<u32, State>,
    /// It has ended, or we have let go of it for good.
    over: bool,
    /// How it ended, as `wait` tells.
    status: Option<i32>,
}

/// A thread that we trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Running,
    /// Held; when it goes on it is to get this signal (0: none).
    Stopped(i32),
    /// Held at a breakpoint by its SIGTRAP, of which it dies if the kernel lets it go: when we end.
    Trapped,
}

impl State {
    /// The signal that a held thread is to get when it goes on (0: none).
    fn signal(self) -> Option<i32> {
        match self {
            State::Running => None,
            State::Stopped(signal) => Some(signal),
            State::Trapped => Some(0),
        }
    }
}

/// What became of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A thread came to a breakpoint; all are held until [`Traced::go_on`], and there are no breakpoints.
    /// Should we be killed meanwhile, the process goes on as if there had been none.
    Hit(Box<Hit>),
    /// Nothing, for as long as was asked for.
    Nothing,
    /// It has ended, or has become another program.
    Ended,
}

/// Why a process cannot be watched by ptrace.
#[derive(Debug, thiserror::Error)]
pub enum TracedError {
    /// Its memory may not be written, or the process is gone.
    #[error("the memory of process {pid} may not be written: {source}")]
    Memory {
        /// The process.
        pid: u32,
        /// What failed.
        source: io::Error,
    },
    /// A thread may not be traced.
    #[error("thread {tid} may not be traced: {errno}")]
    Refused {
        /// The thread.
        tid: u32,
        /// What the kernel says.
        errno: Errno,
    },
    /// A thread did not stop.
    #[error("thread {tid} did not stop in time")]
    Stuck {
        /// The thread.
        tid: u32,
    },
    /// Too many breakpoints.
    #[error("{0} places are too many for breakpoints")]
    TooMany(usize),
    /// Nobody would watch over it.
    #[error(transparent)]
    Guardian(#[from] GuardianError),
    /// A system call of our own.
    #[error("cannot trace: {0}")]
    System(#[from] Errno),
}

impl Traced {
    /// Puts breakpoints at these addresses of process `pid`, or of the program that has just been
    /// launched. To be called while there is one thread only.
    ///
    /// # Errors
    /// It may not be traced; it then runs on as before.
    pub fn arm(
        pid: u32,
        launched: Option<&mut Launched>,
        addresses: &[Addr],
    ) -> Result<Traced, TracedError> {
        if addresses.len() > ledger::MOST {
            return Err(TracedError::TooMany(addresses.len()));
        }
        wait::block_children()?;
        let ledger = Ledger::new()?;
        let guardian = Guardian::over(&crate::guardian::Ward::Ledger(&ledger))?;
        let failed = |source| TracedError::Memory { pid, source };
        let path = format!("/proc/{pid}/mem");
        let memory = OpenOptions::new().read(true).write(true).open(path).map_err(failed)?;
        let mut traced = Traced {
            pid,
            ledger,
            _guardian: guardian,
            memory,
            places: Vec::new(),
            inserted: false,
            threads: HashMap::new(),
            over: false,
            status: None,
        };
        match launched {
            Some(launched) => {
                ptrace::setoptions(Pid::from_raw(pid as i32), options())?;
                launched.take_over();
                traced.threads.insert(pid, State::Stopped(0));
            }
            None => traced.stop_all()?,
        }
        for address in addresses {
            let mut byte = [0];
            traced.memory.read_exact_at(&mut byte, address.0).map_err(failed)?;
            traced.places.push((address.0, byte[0]));
        }
        traced.put_in().map_err(failed)?;
        traced.resume_all();
        Ok(traced)
    }

    /// How the process ended, as `wait` tells, where we are its parent and it is known.
    pub fn status(&self) -> Option<i32> {
        self.status
    }

    /// Waits for a breakpoint to be hit, no longer than `patience`.
    ///
    /// # Errors
    /// All threads were to be held then, and one does not stop.
    pub fn next(&mut self, patience: Duration) -> Result<Event, TracedError> {
        let until = Instant::now() + patience;
        loop {
            while let Some((tid, status)) = wait::any() {
                if let Some(hit) = self.take(tid, status) {
                    self.stop_all()?;
                    self.settle();
                    return Ok(Event::Hit(Box::new(hit)));
                }
            }
            let left = until.saturating_duration_since(Instant::now());
            match () {
                () if self.over => return Ok(Event::Ended),
                () if left.is_zero() => return Ok(Event::Nothing),
                () => wait::for_child(left),
            }
        }
    }

    /// The threads of a process that is held.
    pub fn threads(&self) -> Vec<ThreadState> {
        let mut tids: Vec<u32> = self.threads.keys().copied().collect();
        tids.sort_unstable();
        tids.into_iter().filter_map(ThreadState::of).collect()
    }

    /// Lets a held process go on after `hit`: with its breakpoints, if it is to be watched `again`, or
    /// without and untraced.
    pub fn go_on(&mut self, hit: &Hit, again: bool) {
        if again && self.step(hit.tid) && self.put_in().is_ok() {
            self.resume_all();
        } else {
            self.let_go();
        }
    }

    /// Takes the breakpoints out and stops tracing.
    fn let_go(&mut self) {
        let _ = self.take_out();
        for (tid, state) in self.threads.drain() {
            if let Some(signal) = state.signal() {
                wait::detach(tid, signal);
            }
        }
        self.ledger.clear();
        self.over = true;
    }

    fn put_in(&mut self) -> io::Result<()> {
        self.ledger.note(self.pid, &self.places);
        self.inserted = true;
        self.places.iter().try_for_each(|(at, _)| self.memory.write_all_at(&[INT3], *at))
    }

    fn take_out(&mut self) -> io::Result<()> {
        if std::mem::take(&mut self.inserted) {
            self.places
                .iter()
                .try_for_each(|(at, byte)| self.memory.write_all_at(&[*byte], *at))?;
        }
        Ok(())
    }

    fn resume_all(&mut self) {
        for (tid, state) in &mut self.threads {
            if let Some(signal) = state.signal() {
                wait::resume(*tid, signal);
                *state = State::Running;
            }
        }
    }

    /// Deals with a thread that stopped or ended, and lets it go on; `Some` if it is at a breakpoint.
    fn take(&mut self, tid: u32, status: Status) -> Option<Hit> {
        if let Status::Ended(status) = status {
            self.threads.remove(&tid);
            if tid == self.pid {
                (self.status, self.over) = (Some(status), true);
            }
            return None;
        }
        if !self.threads.contains_key(&tid) && !wait::is_thread_of(tid, self.pid) {
            self.disown(tid);
            return None;
        }
        self.threads.insert(tid, State::Running);
        match status {
            Status::Signal(signal) => {
                let hit = if signal == libc::SIGTRAP { self.hit(tid) } else { None };
                if hit.is_some() {
                    self.threads.insert(tid, State::Trapped);
                    return hit;
                }
                wait::resume(tid, signal);
            }
            Status::GroupStop => wait::listen(tid),
            Status::Exec => {
                // Another program: it has no breakpoints of ours, and no other threads.
                self.inserted = false;
                self.threads.retain(|own, _| *own == tid);
                self.threads.insert(tid, State::Stopped(0));
                self.let_go();
            }
            Status::Event | Status::Ended(_) => wait::resume(tid, 0),
        }
        None
    }

    /// The hit of a thread that stopped by SIGTRAP, if that was a breakpoint of ours: it is set back
    /// to where that is.
    fn hit(&self, tid: u32) -> Option<Hit> {
        let pid = Pid::from_raw(tid as i32);
        let mut registers = ptrace::getregs(pid).ok()?;
        let at = registers.rip.wrapping_sub(1);
        if !self.inserted || !self.places.iter().any(|place| place.0 == at) {
            return None;
        }
        registers.rip = at;
        ptrace::setregs(pid, registers).ok()?;
        ThreadState::of(tid).map(|thread| Hit::of(self.pid, &thread, Addr(at)))
    }

    /// Lets go of a process that ours has made. It has our breakpoints, if it has a copy of the memory.
    fn disown(&self, child: u32) {
        if self.inserted && !wait::share_memory(self.pid, child) {
            let copy = OpenOptions::new().write(true).open(format!("/proc/{child}/mem"));
            for (at, byte) in &self.places {
                // It fails where the child is gone, which is as good.
                let _ = copy.as_ref().map(|copy| copy.write_all_at(&[*byte], *at));
            }
        }
        wait::detach(child, 0);
    }
}

impl Drop for Traced {
    fn drop(&mut self) {
        if !self.over {
            // Threads that do not stop in time are let go by the kernel when this thread ends.
            let _ = self.stop_all();
            self.let_go();
        }
    }
}

/// Threads and processes that a traced one makes are traced from their first instruction.
fn options() -> Options {
    Options::PTRACE_O_TRACECLONE
        | Options::PTRACE_O_TRACEFORK
        | Options::PTRACE_O_TRACEVFORK
        | Options::PTRACE_O_TRACEEXEC
}
