//! The code of functions as instructions, decoded by a thread of its own ahead of who reads them.
//!
//! To decode takes about a fifth of the time that reading the code of a program takes, and needs
//! nothing but the bytes.

use std::ops::ControlFlow;
use std::sync::mpsc;
use std::thread;

use iced_x86::{Decoder, DecoderOptions, InstructionInfoFactory};
use mapscope_binary::FileVa;

use super::effect::Effect;
use super::op::{Op, Packed};
use super::quick::{self, WINDOW};

/// A batch has at least so many instructions: it stays in the cache of the processor that decoded it
/// until it is read.
const BATCH: usize = 1 << 12;

/// So many batches are made before the first has been read.
const AHEAD: usize = 8;

/// So many that have been read are handed back together: to wake the other thread takes about as long
/// as to read a function.
const TOGETHER: usize = 4;

/// Where the code of a function begins, and its bytes.
pub(super) type Code<'c> = (FileVa, &'c [u8]);

/// The instructions of one function.
pub(super) struct Decoded<'b> {
    pub(super) ops: &'b [Op],
    /// Where jumps backward lead, in bytes from the entry.
    pub(super) loops: &'b [u32],
}

/// Reads the code of one function after the other, until `read` breaks.
pub(super) fn each(codes: &[Code<'_>], mut read: impl FnMut(Decoded<'_>) -> ControlFlow<()>) {
    thread::scope(|scope| {
        let (decoded, ready) = mpsc::channel::<Batch>();
        let (used, unused) = mpsc::channel::<Vec<Batch>>();
        let ahead = thread::Builder::new().name("decoder".into());
        let ahead = ahead.spawn_scoped(scope, move || {
            let (mut left, mut info) = (codes.iter(), InstructionInfoFactory::new());
            for mut batch in unused.into_iter().flatten() {
                batch.fill(&mut left, &mut info);
                if decoded.send(batch).is_err() {
                    return;
                }
            }
        });
        if ahead.is_err() {
            return alone(codes, &mut read);
        }
        // Batches that cannot be sent are such that nobody will ask for.
        let reuse = |batches| drop(used.send(batches));
        reuse((0..AHEAD).map(|_| Batch::default()).collect());
        let mut read_up = Vec::new();
        for batch in ready {
            if batch.ends.is_empty() || batch.each(&mut read).is_break() {
                return;
            }
            read_up.push(batch);
            if read_up.len() == TOGETHER {
                reuse(std::mem::take(&mut read_up));
            }
        }
    });
}

/// As [`each`], where no thread can be had.
fn alone(codes: &[Code<'_>], read: &mut impl FnMut(Decoded<'_>) -> ControlFlow<()>) {
    let (mut left, mut batch) = (codes.iter(), Batch::default());
    let mut info = InstructionInfoFactory::new();
    loop {
        batch.fill(&mut left, &mut info);
        if batch.ends.is_empty() || batch.each(read).is_break() {
            return;
        }
    }
}

/// The instruction that `rest` begins with, if it is of a common form.
fn quickly(rest: &[u8]) -> Option<Packed> {
    match rest.first_chunk::<WINDOW>() {
        Some(window) => quick::read(window),
        None => {
            let mut window = [0; WINDOW];
            window.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
            quick::read(&window).filter(|packed| packed.len() <= rest.len())
        }
    }
}

/// The instruction that `rest`, which lies so far from `entry`, begins with, whatever it is.
#[cold]
fn closely(entry: FileVa, rest: &[u8], at: usize, info: &mut InstructionInfoFactory) -> Packed {
    let ip = entry.0.wrapping_add(at as u64);
    let instruction = Decoder::with_ip(64, rest, ip, DecoderOptions::NONE).decode();
    Packed::new(instruction.len().max(1), Effect::of(&instruction, info))
}

/// What the linker fills up with to where the next function begins (cmd/link/internal/amd64/obj.go).
const PADDING: u8 = 0xcc;

/// No function begins at an address with more zeroes at the end than those of this.
const ALIGNMENT: usize = 64;

/// Whether no more code is left.
fn is_padding(rest: &[u8]) -> bool {
    rest.first().is_none_or(|first| *first == PADDING)
        && rest.len() < ALIGNMENT
        && rest.iter().all(|byte| *byte == PADDING)
}

/// Functions one after the other.
#[derive(Default)]
struct Batch {
    ops: Vec<Op>,
    loops: Vec<u32>,
    /// Where those of each function end.
    ends: Vec<(usize, usize)>,
}

impl Batch {
    /// Takes the next functions; none where none are left.
    fn fill<'c>(
        &mut self,
        left: &mut impl Iterator<Item = &'c Code<'c>>,
        info: &mut InstructionInfoFactory,
    ) {
        self.ops.clear();
        self.loops.clear();
        self.ends.clear();
        while self.ops.len() < BATCH
            && let Some((entry, code)) = left.next()
        {
            self.decode(*entry, code, info);
            self.ends.push((self.ops.len(), self.loops.len()));
        }
    }

    fn decode(&mut self, entry: FileVa, code: &[u8], info: &mut InstructionInfoFactory) {
        let mut at = 0;
        while let Some(rest) = code.get(at..).filter(|rest| !is_padding(rest)) {
            let packed = quickly(rest).unwrap_or_else(|| closely(entry, rest, at, info));
            let next = at + packed.len();
            if let Effect::Branch(by) | Effect::Jump(by) = packed.effect() {
                self.note_loop(at, next as i64 + i64::from(by));
            }
            self.ops.push(Op::new(at as u32, packed));
            at = next;
        }
    }

    fn note_loop(&mut self, at: usize, target: i64) {
        // A function that needs more stack begins again once it has it.
        if let Ok(target @ 1..) = u32::try_from(target)
            && target as usize <= at
        {
            self.loops.push(target);
        }
    }

    fn each(&self, read: &mut impl FnMut(Decoded<'_>) -> ControlFlow<()>) -> ControlFlow<()> {
        let (mut first, mut first_loop) = (0, 0);
        for (end, end_loop) in &self.ends {
            read(Decoded {
                ops: &self.ops[first..*end],
                loops: &self.loops[first_loop..*end_loop],
            })?;
            (first, first_loop) = (*end, *end_loop);
        }
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `nop` so many times, then a jump back to the second.
    fn turns(nops: usize) -> Vec<u8> {
        let mut code = vec![0x90; nops];
        let back = 1 - (nops as i32 + 5);
        code.push(0xe9);
        code.extend(back.to_le_bytes());
        code
    }

    #[test]
    fn functions_come_in_order_whoever_decodes_them() {
        let sizes = [1, 3000, 0, 5000, 2, 9000, 1, 1, 4096, 7];
        let bodies: Vec<_> = sizes.iter().map(|nops| turns(*nops)).collect();
        let entry = |number: usize| FileVa(0x40_0000 + (number as u64) * 0x1_0000);
        let codes: Vec<_> = (0..).map(entry).zip(bodies.iter().map(Vec::as_slice)).collect();
        let look = |seen: &mut Vec<(Vec<Op>, Vec<u32>)>, one: Decoded<'_>| {
            seen.push((one.ops.to_vec(), one.loops.to_vec()));
            ControlFlow::Continue(())
        };
        let (mut ahead, mut here) = (Vec::new(), Vec::new());
        each(&codes, |one| look(&mut ahead, one));
        alone(&codes, &mut |one: Decoded<'_>| look(&mut here, one));
        assert_eq!(ahead, here);
        for (nops, (ops, loops)) in sizes.iter().zip(&ahead) {
            assert_eq!(ops.len(), nops + 1);
            let back = if *nops == 0 { vec![] } else { vec![1] };
            assert_eq!(*loops, back);
        }
        assert_eq!(ahead.len(), sizes.len());
    }

    #[test]
    fn who_has_seen_enough_is_not_shown_more() {
        let body = turns(100);
        let codes = vec![(FileVa(0x1000), body.as_slice()); 1000];
        let mut seen = 0;
        each(&codes, |_| {
            seen += 1;
            if seen == 70 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        assert_eq!(seen, 70);
    }
}
