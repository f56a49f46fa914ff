//! Holding all threads, and moving one by one instruction.

use std::time::Instant;

use nix::errno::Errno;
use nix::libc;
use nix::sys::ptrace;
use nix::unistd::Pid;

use super::wait::{self, Status};
use super::{PATIENCE, State, Traced, TracedError, options};

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
            Status::Signal(libc::SIGTRAP) if self.hit(tid).is_some() => State::Stopped(0),
            Status::Signal(signal) => State::Stopped(signal),
            Status::Exec | Status::GroupStop | Status::Event => State::Stopped(0),
        };
        self.threads.insert(tid, state);
        Ok(())
    }

    /// Lets one thread execute one instruction; whether it did and is held again.
    pub(super) fn step(&mut self, tid: u32) -> bool {
        let pid = Pid::from_raw(tid as i32);
        if ptrace::step(pid, None).is_err() {
            return false;
        }
        self.threads.insert(tid, State::Running);
        let until = Instant::now() + PATIENCE;
        if self.await_stop(tid, until).is_err() {
            return false;
        }
        match self.threads.get_mut(&tid) {
            Some(State::Stopped(signal)) => {
                if *signal == libc::SIGTRAP {
                    *signal = 0;
                }
                true
            }
            _ => false,
        }
    }
}
