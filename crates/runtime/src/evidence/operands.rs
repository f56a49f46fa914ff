//! The operands of code that are relative to the instruction pointer: how Go's code names the
//! variables of its program.

use iced_x86::{Decoder, DecoderOptions};
use mapscope_binary::{Elf, FileVa, Func};

/// Longer functions are not read to their end, in bytes.
const MAX_CODE: u64 = 1 << 20;

/// What the operands relative to the instruction pointer in `func` lead to, in the order of its
/// code. Jumps and calls of a function by its address are none.
pub fn operands<'e>(elf: &Elf<'e>, func: &Func<'_, '_>) -> impl Iterator<Item = FileVa> + use<'e> {
    let start = func.entry();
    let len = func.end().offset_from(start).unwrap_or(0).min(MAX_CODE);
    let code = elf.bytes_at(start, len).unwrap_or_default();
    Decoder::with_ip(64, code, start.0, DecoderOptions::NONE)
        .into_iter()
        .filter(|instruction| instruction.is_ip_rel_memory_operand())
        .map(|instruction| FileVa(instruction.ip_rel_memory_address()))
}
