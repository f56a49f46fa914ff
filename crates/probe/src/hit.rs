//! A thread that came to a probe.

use mapscope_target::{Addr, ThreadState};

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
    /// When, in nanoseconds of `CLOCK_MONOTONIC`.
    pub when: u64,
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
            when: word(16)?,
            // The kernel tells a probe the address of its instruction, which is yet to be executed.
            at: Addr(registers[RIP]),
            registers,
        })
    }

    /// Sets a thread back to where it came to the probe: it may have executed the instruction since.
    /// It has not written to memory that anything reads: what lies at a site loads and compares.
    pub fn set_back(&self, thread: &mut ThreadState) {
        if thread.tid == self.tid {
            thread.raw[..WORDS].copy_from_slice(&self.registers);
        }
    }
}
