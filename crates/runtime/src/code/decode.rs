//! The code of functions as instructions, decoded by a thread of its own ahead of who reads them.
//!
//! To decode takes about a quarter of the time that reading the code of a program takes, and needs
//! nothing but the bytes.

use std::ops::ControlFlow;
use std::sync::mpsc;
use std::thread;

use iced_x86::{Decoder, DecoderOptions, Instruction};
use mapscope_binary::FileVa;

/// A batch has at least so many instructions: it stays in the cache of the processor that decoded it
/// until it is read.
const BATCH: usize = 1 << 12;

/// So many batches are made before the first has been read.
const AHEAD: usize = 3;

/// Where the code of a function begins, and its bytes.
pub(super) type Code<'c> = (FileVa, &'c [u8]);

/// The instructions of one function.
pub(super) struct Decoded<'b> {
    pub(super) instructions: &'b [Instruction],
    /// Where jumps backward lead.
    pub(super) loops: &'b [u64],
}

/// Reads the code of one function after the other, until `read` breaks.
pub(super) fn each(codes: &[Code<'_>], mut read: impl FnMut(Decoded<'_>) -> ControlFlow<()>) {
    thread::scope(|scope| {
        let (decoded, ready) = mpsc::channel::<Batch>();
        let (used, unused) = mpsc::channel::<Batch>();
        let ahead = thread::Builder::new().name("decoder".into());
        let ahead = ahead.spawn_scoped(scope, move || {
            let mut left = codes.iter();
            for mut batch in unused {
                batch.fill(&mut left);
                if decoded.send(batch).is_err() {
                    return;
                }
            }
        });
        if ahead.is_err() {
            return alone(codes, &mut read);
        }
        // A batch that cannot be sent is one that nobody will ask for.
        let reuse = |batch| drop(used.send(batch));
        (0..AHEAD).for_each(|_| reuse(Batch::default()));
        for batch in ready {
            if batch.ends.is_empty() || batch.each(&mut read).is_break() {
                return;
            }
            reuse(batch);
        }
    });
}

/// As [`each`], where no thread can be had.
fn alone(codes: &[Code<'_>], read: &mut impl FnMut(Decoded<'_>) -> ControlFlow<()>) {
    let (mut left, mut batch) = (codes.iter(), Batch::default());
    loop {
        batch.fill(&mut left);
        if batch.ends.is_empty() || batch.each(read).is_break() {
            return;
        }
    }
}

/// Functions one after the other.
#[derive(Default)]
struct Batch {
    instructions: Vec<Instruction>,
    loops: Vec<u64>,
    /// Where those of each function end.
    ends: Vec<(usize, usize)>,
}

impl Batch {
    /// Takes the next functions; none where none are left.
    fn fill<'c>(&mut self, left: &mut impl Iterator<Item = &'c Code<'c>>) {
        self.instructions.clear();
        self.loops.clear();
        self.ends.clear();
        while self.instructions.len() < BATCH
            && let Some((entry, code)) = left.next()
        {
            self.decode(*entry, code);
            self.ends.push((self.instructions.len(), self.loops.len()));
        }
    }

    fn decode(&mut self, entry: FileVa, code: &[u8]) {
        let mut decoder = Decoder::with_ip(64, code, entry.0, DecoderOptions::NONE);
        while decoder.can_decode() {
            self.instructions.push(Instruction::default());
            let Some(instruction) = self.instructions.last_mut() else { return };
            decoder.decode_out(instruction);
            if instruction.is_jcc_short_or_near() || instruction.is_jmp_short_or_near() {
                let target = instruction.near_branch_target();
                // A function that needs more stack begins again once it has it.
                if target <= instruction.ip() && target != entry.0 {
                    self.loops.push(target);
                }
            }
        }
    }

    fn each(&self, read: &mut impl FnMut(Decoded<'_>) -> ControlFlow<()>) -> ControlFlow<()> {
        let (mut first, mut first_loop) = (0, 0);
        for (end, end_loop) in &self.ends {
            read(Decoded {
                instructions: &self.instructions[first..*end],
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
        let look = |seen: &mut Vec<(u64, usize, Vec<u64>)>, one: Decoded<'_>| {
            let first = one.instructions[0].ip();
            seen.push((first, one.instructions.len(), one.loops.to_vec()));
            ControlFlow::Continue(())
        };
        let (mut ahead, mut here) = (Vec::new(), Vec::new());
        each(&codes, |one| look(&mut ahead, one));
        alone(&codes, &mut |one: Decoded<'_>| look(&mut here, one));
        assert_eq!(ahead, here);
        for (number, (nops, seen)) in sizes.iter().zip(&ahead).enumerate() {
            let begin = entry(number).0;
            assert_eq!((seen.0, seen.1), (begin, nops + 1));
            let loops = if *nops == 0 { vec![] } else { vec![begin + 1] };
            assert_eq!(seen.2, loops);
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
