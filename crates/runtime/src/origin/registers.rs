//! What the registers are for at one instruction.

use iced_x86::Instruction;
use mapscope_binary::FileVa;
use mapscope_target::Registers;

use super::effect::{argument_register, gpr};
use super::naming::dwarf_number;
use super::{Body, Origin, Spot};

/// The general registers by their numbers in the instruction set.
pub const REGISTERS: [&str; 16] = [
    "RAX", "RCX", "RDX", "RBX", "RSP", "RBP", "RSI", "RDI", "R8", "R9", "R10", "R11", "R12", "R13",
    "R14", "R15",
];

/// The register in which a function takes its argument `number`, and returns its result `number`.
pub fn argument(number: u8) -> Option<&'static str> {
    REGISTERS.get(usize::from(argument_register(number)?)).copied()
}

/// The number of the stack pointer.
pub const STACK_POINTER: u8 = 4;

/// The number of the register that holds the goroutine in all of Go's code (ABIInternal,
/// cmd/compile/abi-internal.md).
pub const GOROUTINE: u8 = 14;

/// The registers by which an instruction reaches its operand in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reach {
    /// The pointer.
    pub base: Option<u8>,
    /// What is added to it, times a scale.
    pub index: Option<u8>,
    /// How many bytes further, as the instruction has it.
    pub offset: i64,
}

impl Body<'_, '_> {
    /// Where what the register of that number holds before the instruction at `at` came from.
    pub fn register(&self, at: FileVa, number: u8) -> Option<Origin> {
        Some(self.trace(self.index(at)?, Spot::Register(number)))
    }

    /// How the instruction at `at` reaches memory.
    pub fn reach(&self, at: FileVa) -> Option<Reach> {
        let i = self.instructions.get(self.index(at)?)?;
        Some(Reach {
            base: gpr(i.memory_base()),
            index: gpr(i.memory_index()),
            offset: i.memory_displacement64().cast_signed(),
        })
    }

    pub(super) fn index(&self, at: FileVa) -> Option<usize> {
        self.instructions.binary_search_by_key(&at.0, Instruction::ip).ok()
    }
}

/// What the register of that number in the instruction set holds.
pub fn held(registers: &Registers, number: u8) -> Option<u64> {
    registers.general.get(usize::from(dwarf_number(number)?)).copied()
}
