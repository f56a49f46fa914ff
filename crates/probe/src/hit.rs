//! A thread that came to a probe.

use std::time::{Duration, Instant};

use mapscope_target::{Addr, ThreadState};
use nix::time::{ClockId, clock_gettime};

/// How many words of `user_regs_struct` the kernel's `pt_regs` has.
const WORDS: usize = 21;
/// `rip` among them.
const RIP: usize = 16;
/// The bytes of `struct hit` in bpf/stop.bpf.c.
const SIZE: usize = 24 + WORDS * 8;

/// A thread that came to a probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit {
    /// Its process.
    pub pid: u32,
    /// The thread.
    pub tid: u32,
    /// Whether this hit stopped the process. One that came after another, before that could stop it,
    /// did not.
    pub stopped: bool,
    /// Why it was not stopped: the kernel's error number, negative.
    pub refused: Option<i32>,
    /// When it came there.
    pub when: Instant,
    /// The instruction.
    pub at: Addr,
    registers: [u64; WORDS],
}

impl Hit {
    /// Reads what the BPF program wrote.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Hit> {
        let bytes: &[u8; SIZE] = bytes.first_chunk()?;
        let half = |at: usize| Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?));
        let word = |at: usize| Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?));
        let mut registers = [0; WORDS];
        for (number, register) in registers.iter_mut().enumerate() {
            *register = word(24 + number * 8)?;
        }
        Some(Hit {
            pid: half(0)?,
            tid: half(4)?,
            stopped: half(8)? != 0,
            refused: Some(half(12)? as i32).filter(|error| *error != 0),
            when: moment(word(16)?),
            // The kernel tells a probe the address of its instruction, which is yet to be executed.
            at: Addr(registers[RIP]),
            registers,
        })
    }

    /// Of a thread that is held at a probe.
    pub(crate) fn of(pid: u32, thread: &ThreadState, at: Addr) -> Hit {
        let mut registers = [0; WORDS];
        registers.iter_mut().zip(thread.raw).for_each(|(to, from)| *to = from);
        Hit {
            pid,
            tid: thread.tid,
            stopped: true,
            refused: None,
            when: Instant::now(),
            at,
            registers,
        }
    }

    /// Sets a thread back to where it came to the probe: it may have executed the instruction since.
    /// It has not written to memory that anything reads: what lies at a site loads and compares.
    pub fn set_back(&self, thread: &mut ThreadState) {
        if thread.tid == self.tid {
            thread.raw.iter_mut().zip(self.registers).for_each(|(to, from)| *to = from);
        }
    }
}

/// A moment of `CLOCK_MONOTONIC`, in nanoseconds, which has been.
fn moment(when: u64) -> Instant {
    let now = Instant::now();
    let clock = clock_gettime(ClockId::CLOCK_MONOTONIC).map_or(Duration::ZERO, Duration::from);
    now.checked_sub(clock.saturating_sub(Duration::from_nanos(when))).unwrap_or(now)
}
