//! What a signal interrupted: the kernel saved it on the stack of the handler.

use mapscope_target::{Addr, Fault, Memory, MemoryExt, Registers};

use super::{Code, Walk};

/// The first frames of a signal handler.
const TRAMPOLINES: [&str; 2] = ["runtime.sigtramp", "runtime.cgoSigtramp"];
/// What a handler returns to: `runtime.sigreturn`, since Go 1.21 `runtime.sigreturn__sigaction`.
const RESTORER: &str = "runtime.sigreturn";

/// Where `struct ucontext` keeps `struct sigcontext` on amd64, in bytes
/// (Linux, `asm-generic/ucontext.h`).
const SIGCONTEXT: u64 = 40;
/// DWARF's number of each of the sixteen registers in the order of `struct sigcontext`: r8 … r15,
/// rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp (Linux, `asm/sigcontext.h`). `rip` follows.
const ORDER: [usize; 16] = [8, 9, 10, 11, 12, 13, 14, 15, 5, 4, 6, 3, 1, 0, 2, 7];

/// The registers that the kernel saved for the handler on the stack that `walk` follows; `None`
/// where the walk does not end in a handler's first frame.
pub(super) fn interrupted(
    memory: &dyn Memory,
    code: Code<'_, '_>,
    walk: Walk<'_, '_>,
    fs_base: u64,
) -> Option<Registers> {
    let handler = walk.last().filter(|frame| TRAMPOLINES.contains(&frame.func.name()))?;
    let returns_to = memory.addr(Addr(handler.cfa.0.checked_sub(8)?)).ok()?;
    if !code.find(returns_to)?.name().starts_with(RESTORER) {
        return None;
    }
    // `struct rt_sigframe` is the return address and then the ucontext.
    saved(memory, handler.cfa.checked_add(SIGCONTEXT)?, fs_base).ok()
}

fn saved(memory: &dyn Memory, at: Addr, fs_base: u64) -> Result<Registers, Fault> {
    let bytes: [u8; 17 * 8] = memory.array(at)?;
    let (words, _) = bytes.as_chunks::<8>();
    let mut registers = Registers { fs_base, ..Registers::default() };
    for (word, number) in words.iter().zip(ORDER) {
        if let Some(register) = registers.general.get_mut(number) {
            *register = u64::from_le_bytes(*word);
        }
    }
    registers.rip = words.last().copied().map_or(0, u64::from_le_bytes);
    Ok(registers)
}
