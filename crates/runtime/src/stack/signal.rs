//! What a signal interrupted: the kernel saved it on the stack of the handler.

use std::ops::Range;

use mapscope_target::{Addr, Memory, MemoryExt, Registers};

use super::Walk;

/// The first frames of a signal handler.
const TRAMPOLINES: [&str; 2] = ["runtime.sigtramp", "runtime.cgoSigtramp"];

/// Where `struct ucontext` keeps `struct sigcontext` on amd64, in bytes
/// (Linux, `asm-generic/ucontext.h`).
const SIGCONTEXT: u64 = 40;
/// DWARF's number of each of the sixteen registers in the order of `struct sigcontext`: r8 … r15,
/// rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp (Linux, `asm/sigcontext.h`). Then come `rip`, the flags
/// and the segments, `cs` first.
const ORDER: [usize; 16] = [8, 9, 10, 11, 12, 13, 14, 15, 5, 4, 6, 3, 1, 0, 2, 7];

/// `__USER_CS` of 64-bit code (Linux, `asm/segment.h`).
const USER_CS: u16 = 0x33;

/// The registers that the kernel saved for the handler on the stack that `walk` follows; `None`
/// where the walk does not end in a handler's first frame.
pub(super) fn interrupted(
    memory: &dyn Memory,
    walk: Walk<'_, '_>,
    fs_base: u64,
) -> Option<Registers> {
    let handler = walk.last().filter(|frame| TRAMPOLINES.contains(&frame.func.name()))?;
    // `struct rt_sigframe` is the return address (of a restorer, which with cgo is C's) and then
    // the ucontext.
    let words: [u8; 19 * 8] = memory.array(handler.cfa.checked_add(SIGCONTEXT)?).ok()?;
    saved(&words, fs_base)
}

/// Largest stack of a signal handler that is searched, in bytes: Go's own have 32 KiB.
const MAX_HANDLER: u64 = 1 << 16;

/// The registers that the kernel saved on the handler's stack `stack` for one that had the thread call a
/// function which is `injected`, with `sp` as its stack pointer before (`preparePanic` in
/// runtime/signal_amd64.go); `None` where that is not there any more.
pub(super) fn left(
    memory: &dyn Memory,
    stack: Range<Addr>,
    sp: Addr,
    injected: impl Fn(Addr) -> bool,
) -> Option<Registers> {
    let size = stack.end.offset_from(stack.start)?.min(MAX_HANDLER);
    let from = Addr(stack.end.0 - size);
    let bytes = memory.bytes(from, size, MAX_HANDLER).ok()?;
    let below = sp.0.checked_sub(8)?;
    let (words, _) = bytes.as_chunks::<8>();
    let word = |word: &[u8; 8]| u64::from_le_bytes(*word);
    let mut pairs = words.iter().zip(words.iter().skip(1));
    let found = |(rsp, rip): (_, _)| word(rsp) == below && injected(Addr(word(rip)));
    let rsp = pairs.position(found)?;
    let context = (rsp + 1).checked_sub(ORDER.len())?;
    saved(bytes.get(context * 8..(context + ORDER.len() + 3) * 8)?, 0)
}

/// The registers in a `struct sigcontext`; `None` where its `cs` is not that of 64-bit code.
fn saved(context: &[u8], fs_base: u64) -> Option<Registers> {
    let (words, _) = context.as_chunks::<8>();
    let words: Vec<u64> = words.iter().map(|word| u64::from_le_bytes(*word)).collect();
    let (general, rest) = words.split_at_checked(ORDER.len())?;
    let &[rip, _flags, segments] = rest else { return None };
    if segments as u16 != USER_CS {
        return None;
    }
    let mut registers = Registers { rip, fs_base, ..Registers::default() };
    for (word, number) in general.iter().zip(ORDER) {
        *registers.general.get_mut(number)? = *word;
    }
    Some(registers)
}

#[cfg(test)]
mod tests {
    use mapscope_target::Addr;

    use super::*;

    #[test]
    fn a_context_is_believed_by_its_code_segment() {
        let mut words: Vec<u64> = (100..116).collect();
        words.extend([0x46_1234, 0x246, 0x002b_0000_0000_0033]);
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        let registers = saved(&bytes, 7).unwrap();
        assert_eq!((registers.rip, registers.fs_base), (0x46_1234, 7));
        assert_eq!((registers.rsp(), registers.general[14]), (Addr(115), 106));
        words[18] = 0x23;
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        assert_eq!(saved(&bytes, 7), None);
        assert_eq!(saved(&bytes[..64], 7), None);
    }
}
