//! Holding all threads, and moving one by one instruction.

use std::time::Instant;

use nix::errno::Errno;
use nix::libc;
use nix::sys::ptrace;
use nix::unistd::Pid;

use super::wait::{self, Status};
use super::{PATIENCE, State, Traced, TracedError, options};

/// Signals that may come before a thread executes one instruction: each of those that Go sends, and what
/// else stops a thread.
const MAX_SIGNALS: usize = 64;

impl Traced {
    /// Holds every thread, those included that are born meanwhile.
    pub(super) fn stop_all(&mut self) -> Result<(), TracedError> {
        let until = Instant::now() + PATIENCE;
        loop {
            let strangers = self.seize_strangers()?;
            let running: Vec<u32> = self.running().collect();
            if running.is_empty() && !strangers {
                return Ok(());
            }
            for tid in running {
                // It fails where the thread has ended, which the wait then tells.
                let _ = ptrace::interrupt(Pid::from_raw(tid as i32));
                self.await_stop(tid, until)?;
            }
        }
    }

    /// Takes the breakpoints out, and holds what stands at one by nothing that it would get as a signal:
    /// it leaves that signal's stop for one of ours, before its next instruction.
    pub(super) fn settle(&mut self) {
        // Where this fails the process is gone, and so is what it concerns.
        let _ = self.take_out();
        let trapped = self.threads.iter().filter(|(_, state)| **state == State::Trapped);
        let trapped: Vec<u32> = trapped.map(|(tid, _)| *tid).collect();
        for tid in trapped {
            if ptrace::interrupt(Pid::from_raw(tid as i32)).is_ok() {
                wait::resume(tid, 0);
                let _ = self.await_stop(tid, Instant::now() + PATIENCE);
            }
        }
    }

    fn running(&self) -> impl Iterator<Item = u32> {
        let running = self.threads.iter().filter(|(_, state)| **state == State::Running);
        running.map(|(tid, _)| *tid)
    }

    /// Traces the threads that are not traced yet, and says whether there were any. Those that a traced
    /// thread has made are traced already.
    fn seize_strangers(&mut self) -> Result<bool, TracedError> {
        let mut found = false;
        for tid in wait::threads(self.pid) {
            if self.threads.contains_key(&tid) {
                continue;
            }
            match ptrace::seize(Pid::from_raw(tid as i32), options()) {
                Ok(()) => {}
                Err(Errno::ESRCH) => continue,
                Err(_) if wait::is_ours(tid) => {}
                Err(_) if wait::has_ended(tid) => continue,
                Err(errno) => return Err(TracedError::Refused { tid, errno }),
            }
            self.threads.insert(tid, State::Running);
            found = true;
        }
        Ok(found)
    }

    /// Waits until a thread has stopped, and keeps what it was about to be told.
    fn await_stop(&mut self, tid: u32, until: Instant) -> Result<(), TracedError> {
        let status = loop {
            match wait::one(tid) {
                Ok(Some(status)) => break status,
                Ok(None) if Instant::now() > until => return Err(TracedError::Stuck { tid }),
                Ok(None) => std::thread::sleep(wait::NAP),
                // Somebody has seen its end before.
                Err(_) => {
                    self.threads.remove(&tid);
                    return Ok(());
                }
            }
        };
        let state = match status {
            Status::Ended(status) => {
                self.threads.remove(&tid);
                if tid == self.pid {
                    (self.status, self.over) = (Some(status), true);
                }
                return Ok(());
            }
            // It comes by there again when it goes on.
            Status::Signal(libc::SIGTRAP) if self.hit(tid).is_some() => State::Trapped,
            Status::Signal(signal) => State::Stopped(signal),
            Status::Exec | Status::GroupStop | Status::Event => State::Stopped(0),
        };
        self.threads.insert(tid, state);
        Ok(())
    }

    /// Lets one thread execute one instruction; whether it did and is held again.
    pub(super) fn step(&mut self, tid: u32) -> bool {
        let mut signals = Vec::new();
        let done = (0..MAX_SIGNALS).find_map(|_| self.try_step(tid, &mut signals)) == Some(true);
        // One goes with it when it goes on; the others come anew.
        if let Some(State::Stopped(signal)) = self.threads.get_mut(&tid)
            && *signal == 0
        {
            *signal = signals.pop().unwrap_or(0);
        }
        signals.into_iter().for_each(|signal| wait::send(self.pid, tid, signal));
        done
    }

    /// Whether one thread has executed an instruction; `None` where a signal came first, which is then
    /// among `signals`.
    fn try_step(&mut self, tid: u32, signals: &mut Vec<i32>) -> Option<bool> {
        if ptrace::step(Pid::from_raw(tid as i32), None).is_err() {
            return Some(false);
        }
        self.threads.insert(tid, State::Running);
        let stopped = self.await_stop(tid, Instant::now() + PATIENCE);
        let Some(State::Stopped(signal)) = stopped.ok().and_then(|()| self.threads.get_mut(&tid))
        else {
            return Some(false);
        };
        match std::mem::take(signal) {
            libc::SIGTRAP => Some(true),
            signal => {
                signals.extend((signal != 0).then_some(signal));
                None
            }
        }
    }
}
